from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter
from scipy.integrate import quad

from qphys.channels import profiles
from qphys.channels.free_space import FreeSpace
from qphys.channels.path import moment
from qphys.channels.profiles import hufnagel_valley, rms_wind, wind_speed
from qphys.errors import UserError
from qphys.record import parse

HV57 = {"kind": "hufnagel-valley", "rms_wind_m_per_s": 21.0, "ground_cn2": 1.7e-14}
KINDS = {
    "hv57": HV57,
    "hv-night": HV57 | {"ground_cn2": 1.7e-15},
    "hv-10-10": {"kind": "hv-10-10"},
    "greenwood": {"kind": "greenwood"},
    "clear-1": {"kind": "clear-1"},
}


class Given:
    def __init__(self, **columns: Any) -> None:
        self.columns = {key: np.array(value, dtype=np.float64) for key, value in columns.items()}

    def table(self, name: str, where: str = "") -> Any:
        return self.columns

    def text(self, name: str, where: str = "") -> str:
        raise AssertionError("no text is needed")


def profile(told: dict[str, Any], files: Any = None) -> Any:
    adapter: Any = TypeAdapter(profiles.AnyProfile)
    return adapter.validate_python(told).resolved(files, where="run.toml: channel.turbulence")


@pytest.mark.parametrize(
    ("name", "ground", "moments"),
    [
        ("hv57", 1.7270e-14, (2.23540e-12, 5.45379e-10, 8.70196e-07, 1.90686e-05)),
        ("hv-night", 1.970e-15, (7.05395e-13, 4.78577e-10, 8.65236e-07, 1.90380e-05)),
        ("hv-10-10", 4.590e-15, (6.57576e-13, 2.44179e-10, 4.55991e-07, 1.01965e-05)),
        ("greenwood", 1.1069e-14, (4.61598e-13, 1.90373e-10, 2.77098e-07, 5.76825e-06)),
        ("clear-1", 1.506e-15, (5.81711e-13, 3.56561e-10, 6.14830e-07, 1.35445e-05)),
    ],
)
def test_moments_of_the_profiles(name, ground, moments):
    """Table computed elsewhere from the profiles' own constants, and adaptive quadrature as a second route."""
    air = profile(KINDS[name])
    assert air.structure_constant(0.0) == pytest.approx(ground, rel=5e-4)
    edges = [0, 100, 900, 2e3, 5e3, 9110, 15e3, 28770, 60e3]
    for power, value in zip((0, 5 / 6, 5 / 3, 2), moments, strict=True):
        assert moment(air, power) == pytest.approx(value, rel=1e-3)
        # in log h from 1 mm, as the integrand rises as a power at the ground
        pieces = [(max(a, 1e-3), b) for a, b in pairwise(edges)]
        route = sum(
            quad(lambda y, p=power: float(air.structure_constant(np.exp(y))) * np.exp(y * (p + 1)), np.log(a), np.log(b))[0]
            for a, b in pieces
        )
        assert moment(air, power) == pytest.approx(route, rel=2e-8 if power else 1e-5)


def test_itu_profile_is_hufnagel_valley_at_its_wind():
    """Limit: constants of P.1621 against those of Hufnagel (1974) and Valley (1980), 1e-4 at every height."""
    air = profile({"kind": "itu-p1621", "ground_wind_m_per_s": 2.754, "ground_cn2": 1.7e-14})
    h = np.linspace(0.0, 30e3, 1009)
    classic = 0.00594 * (21.0 / 27.0) ** 2 * (1e-5 * h) ** 10 * np.exp(-h / 1000)
    classic += 2.7e-16 * np.exp(-h / 1500) + 1.7e-14 * np.exp(-h / 100)
    np.testing.assert_allclose(air.structure_constant(h), classic, rtol=1e-4)
    np.testing.assert_allclose(profile(HV57).structure_constant(h), classic, rtol=3e-5)


def test_rms_wind_of_the_recommendation_is_that_of_buftons_profile():
    """Second route: mean square between 5 and 20 km by quadrature; 21 m/s at 2.754 m/s."""
    assert rms_wind(2.754) == pytest.approx(21.0, abs=1e-3)
    for ground in (0.0, 2.8, 10.0):
        square = quad(lambda h, g=ground: float(wind_speed(h, ground_wind=g)) ** 2, 5e3, 20e3)[0] / 15e3
        assert rms_wind(ground) == pytest.approx(np.sqrt(square), rel=1e-4)


def test_wind_is_the_ground_wind_the_jet_and_the_sweep():
    """Bufton's numbers written out; the sweep of 7613 m/s at 500 km passes a height of 10 km at 152 m/s."""
    assert wind_speed(0.0, ground_wind=5.0) == pytest.approx(5.0 + 30.0 * np.exp(-((9.4 / 4.8) ** 2)), rel=1e-12)
    assert wind_speed(9400.0, ground_wind=5.0) == pytest.approx(35.0, rel=1e-12)
    swept = wind_speed(10e3, ground_wind=0.0, slew_rate=7613.0 / 500e3, elevation=np.pi / 6)
    assert swept - wind_speed(10e3, ground_wind=0.0) == pytest.approx(2 * 152.26, rel=1e-9)
    told = {"ground_wind": np.ones((3, 1)), "slew_rate": np.full((3, 1), 0.01), "elevation": np.full((3, 1), 1.0)}
    assert wind_speed(np.arange(7.0), **told).shape == (3, 7)


def test_table_is_exponential_between_entries_and_nothing_above():
    """Values written out by hand; the moment of one exponential layer is closed."""
    table = Given(height_m=[0.0, 100.0, 1000.0, 2000.0, 3000.0], cn2=[1e-14, 1e-15, 1e-15, 0.0, 0.0])
    air = profile({"kind": "profile-table", "table": "night.csv"}, table)
    h = [0.0, 50.0, 100.0, 500.0, 1500.0, 2500.0, 3000.0, 4000.0]
    expected = [1e-14, 10**-14.5, 1e-15, 1e-15, 0.5e-15, 0.0, 0.0, 0.0]
    np.testing.assert_allclose(air.structure_constant(h), expected, rtol=1e-13)
    scale = 100.0 / np.log(10.0)
    assert moment(air, 0.0) == pytest.approx(scale * (1e-14 - 1e-15) + 900e-15 + 500e-15, rel=1e-12)


def test_table_of_a_formula_has_its_moments():
    """Second route: HV5/7 read off at 200 heights, exponential between them."""
    h = np.concatenate([[0.0], np.geomspace(5.0, 40e3, 199)])
    air = profile({"kind": "profile-table", "table": "x.csv"}, Given(height_m=h, cn2=profile(HV57).structure_constant(h)))
    for power in (0.0, 5 / 6, 5 / 3):
        assert moment(air, power) == pytest.approx(moment(profile(HV57), power), rel=2e-3)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"height_m": [0.0, 1.0]}, "has no column 'cn2'"),
        ({"height_m": [5.0, 10.0], "cn2": [1e-15, 1e-15]}, "height_m must rise from 0"),
        ({"height_m": [0.0, 10.0, 10.0], "cn2": [1e-15] * 3}, "height_m must rise from 0"),
        ({"height_m": [0.0], "cn2": [1e-15]}, "height_m must rise from 0"),
        ({"height_m": [0.0, 7e4], "cn2": [1e-15] * 2}, "height_m ends at 70000; profiles end at 60000 m"),
        ({"height_m": [0.0, np.nan], "cn2": [1e-15] * 2}, "height_m must rise from 0"),
        ({"height_m": [0.0, 1e4], "cn2": [1e-15, -1e-17]}, "cn2 must be 0 or more"),
        ({"height_m": [0.0, 1e4], "cn2": [1e-15, np.nan]}, "cn2 must be 0 or more"),
    ],
)
def test_what_is_wrong_with_a_table_is_said_in_one_line(columns, said):
    with pytest.raises(UserError, match=re.escape(said)) as error:
        profile({"kind": "profile-table", "table": "night.csv"}, Given(**columns))
    assert str(error.value).startswith("run.toml: channel.turbulence: tables/night.csv")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("turbulence", "said"),
    [
        ({"kind": "itu-p1621", "ground_cn2": 1e-14}, "turbulence.ground_wind_m_per_s: missing"),
        ({"kind": "clear1"}, "turbulence.kind = 'clear1': unknown; did you mean 'clear-1'?"),
        ({"kind": "greenwood", "outer_scale_m": 0.0}, "outer_scale_m = 0.0: input should be greater than 0"),
        (HV57 | {"ground_wind_m_per_s": -1.0}, "ground_wind_m_per_s = -1.0"),
    ],
)
def test_mistakes_in_a_profile_are_named(turbulence, said):
    told = {"kind": "free-space", "background_rate_hz": 0.0, "turbulence": turbulence}
    with pytest.raises(UserError, match=re.escape(said)):
        parse(FreeSpace, told, "run.toml: channel")


@pytest.mark.parametrize("told", [*KINDS.values(), {"kind": "itu-p1621", "ground_wind_m_per_s": 3.0, "ground_cn2": 1e-14}])
def test_every_kind_makes_a_pass_fade_and_names_itself(told, sight, transmit):
    """The index of the link is that of the profile."""
    from qphys.channels.scintillation import scintillation_index

    channel = {"kind": "free-space", "background_rate_hz": 0.0, "correlation_time_ms": 10.0, "turbulence": told}
    seen = sight([600.0, 900.0], [80.0, 40.0], pointing_jitter=0.0, receiver_aperture=0.3)
    result = transmit(channel, seen)
    index = scintillation_index(profile(told), seen.track.elevation, wavelength=seen.wavelength, aperture=0.3)
    np.testing.assert_allclose(result.scintillation_index[:, 0], index, rtol=1e-9)
    assert profiles.PROFILE_NAMES[told["kind"]] in result.model


def test_table_reaches_the_link(sight, transmit):
    channel = {"kind": "free-space", "background_rate_hz": 0.0, "correlation_time_ms": 10.0}
    still = Given(height_m=[0.0, 20e3], cn2=[0.0, 0.0])
    layer = Given(height_m=[0.0, 9e3, 9.001e3, 10e3, 10.001e3], cn2=[0.0, 0.0, 1e-16, 1e-16, 0.0])
    told = channel | {"turbulence": {"kind": "profile-table", "table": "night.csv"}}
    seen = sight(600.0, 80.0, pointing_jitter=0.0)
    assert transmit(told, seen, still).scintillation_index == pytest.approx(0.0)
    assert transmit(told, seen, layer).scintillation_index > 1e-5


def test_hufnagel_valley_is_a_function_of_arrays():
    values = hufnagel_valley([[0.0, 1e3], [1e4, 2e4]], rms_wind=21.0, ground_cn2=1.7e-14)
    assert values.shape == (2, 2)
    np.testing.assert_array_equal(values, profile(HV57).structure_constant([[0.0, 1e3], [1e4, 2e4]]))
