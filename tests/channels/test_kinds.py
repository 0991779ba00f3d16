from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from qphys import channels
from qphys.catalogue import Catalogue
from qphys.channels.diffraction import equivalent_half_angle
from qphys.channels.link import attenuated
from qphys.channels.pointing import pointing_moment
from qphys.channels.profiles import HufnagelValley
from qphys.channels.scintillation import scintillation_index
from qphys.errors import UserError
from qphys.record import parse
from qphys.stages import LOSS_TERMS, Sight, Track

VACUUM = {"kind": "free-space", "background_rate_hz": 0.0, "correlation_time_ms": 10.0}
HV57 = {"kind": "hufnagel-valley", "rms_wind_m_per_s": 21.0, "ground_cn2": 1.7e-14}
TABLE = {
    "kind": "table",
    "table": "loss.csv",
    "against": "range",
    "loss_column": "loss_db",
    "includes": ["diffraction"],
    "background_rate_hz": 7.0,
}


class Given:
    def __init__(self, **columns):
        self.columns = {key: np.array(value, dtype=np.float64) for key, value in columns.items()}

    def table(self, name, where=""):
        return self.columns

    def text(self, name, where=""):
        raise AssertionError("no text is needed")


LOSS = Given(range_km=[600.0, 700.0, 1100.0], loss_db=[30.0, 31.0, 40.0])


# Free space


def test_loss_is_the_product_of_its_terms(sight, transmit):
    """Sum written out: 22.0 dB of diffraction, 0.433 of pointing, airmass times zenith loss, optics and the extra loss."""
    told = VACUUM | {"atmosphere": {"kind": "airmass", "zenith_loss_db": 1.0}, "extra_loss_db": 2.5}
    result = transmit(told, sight(1200.0, 20.0, transmitter_optics_transmittance=0.5))
    expected = 22.004 + 0.4332 + 2.8971 + 3.0103 + 2.5
    assert -10 * np.log10(result.mean[0, 0]) == pytest.approx(expected, abs=2e-3)
    assert -10 * np.log10(result.mean) == pytest.approx(sum(result.terms_db.values()), abs=1e-9)
    assert set(result.includes) == {"diffraction", "transmitter optics", "pointing", "atmosphere"}
    assert set(result.terms_db) == {*result.includes, "extra"}
    assert result.correlation_time == pytest.approx(0.01)
    np.testing.assert_array_equal(result.jones[0, 0], np.eye(2))


@pytest.mark.parametrize("told", [VACUUM | {"turbulence": HV57}, TABLE])
def test_extra_loss_is_the_channel_without_it_attenuated_bit_for_bit(sight, transmit, told):
    seen = sight([600.0, 900.0, 1090.0], [80.0, 45.0, 30.0])
    whole = transmit(told | {"extra_loss_db": 3.7}, seen, LOSS)
    bare = transmit(told, seen, LOSS)
    later = attenuated(bare, 3.7)
    for name in ("transmittance", "weight", "jones", "background_rate"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(later, name))
    assert list(whole.terms_db) == list(later.terms_db) == [*bare.terms_db, "extra"]
    for name, value in whole.terms_db.items():
        np.testing.assert_array_equal(value, later.terms_db[name])
    assert (whole.includes, whole.model, whole.correlation_time) == (later.includes, later.model, later.correlation_time)
    np.testing.assert_allclose(later.mean / bare.mean, 10**-0.37, rtol=1e-14)


def test_attenuations_add_and_none_changes_nothing(sight, transmit):
    """Decibels add; a negative loss is refused."""
    bare = transmit(VACUUM, sight([600.0, 900.0], 45.0))
    twice = attenuated(attenuated(bare, 1.5), 2.0)
    np.testing.assert_allclose(twice.transmittance, attenuated(bare, 3.5).transmittance, rtol=1e-15)
    np.testing.assert_array_equal(twice.terms_db["extra"], np.full((2, 1), 3.5))
    assert attenuated(bare, 0.0) is bare
    for loss in (-0.1, np.nan):
        with pytest.raises(ValueError, match="must be 0 or more"):
            attenuated(bare, loss)


def test_variance_of_the_transmittance_is_that_of_turbulence_and_pointing(sight, transmit):
    """Independent factors: 1 + SI multiply."""
    result = transmit(VACUUM | {"turbulence": HV57}, sight([600.0, 900.0], [80.0, 25.0], receiver_aperture=0.3))
    eta, weight = result.transmittance[:, :, 0], result.weight
    second = np.sum(weight * eta**2, axis=1) / result.mean[:, 0] ** 2
    index = scintillation_index(HufnagelValley(**HV57), np.deg2rad([80.0, 25.0]), wavelength=848.6e-9, aperture=0.3)
    beta = 7.41**2 / (4 * 1.2**2)
    np.testing.assert_allclose(second, (1 + index) * (1 + 1 / (beta * (beta + 2))), rtol=1e-10)
    assert "turbulence" in result.includes
    assert "valid up to 1" in result.model
    assert np.all(np.diff(eta, axis=1) > 0)


def test_bias_and_jitter_of_pointing_reach_the_mean(sight, transmit):
    """Published arithmetic: 5 urad beam, 1 urad jitter, 2 urad bias: 0.65424."""
    told = {"divergence_half_angle": 5e-6}
    still = transmit(VACUUM, sight(**told, pointing_jitter=0.0))
    moved = transmit(VACUUM, sight(**told, pointing_jitter=1e-6, pointing_bias=2e-6))
    assert moved.mean / still.mean == pytest.approx(0.65424, abs=5e-6)
    assert still.transmittance.shape == (1, 1, 1)
    assert still.correlation_time == 0.0
    second = np.sum(moved.weight * moved.transmittance[:, :, 0] ** 2) / still.mean[0, 0] ** 2
    assert second == pytest.approx(pointing_moment(2, half_angle=5.0, jitter=1.0, bias=2.0), rel=1e-10)
    fixed = transmit(VACUUM, sight(**told, pointing_jitter=0.0, pointing_bias=2e-6))
    assert fixed.mean / still.mean == pytest.approx(np.exp(-2 * 4 / 25), rel=1e-12)


def test_beam_without_divergence_is_that_of_the_aperture(sight, transmit):
    """Published arithmetic (12.83 dB, uniform) and the pointing loss of the main lobe's curvature."""
    told = {"divergence_half_angle": np.nan, "transmitter_aperture": 0.3, "pointing_jitter": 0.2e-6}
    result = transmit(VACUUM, sight(**told))
    assert result.terms_db["diffraction"] == pytest.approx(12.83, abs=0.01)
    half_angle = equivalent_half_angle(848.6e-9, aperture=0.3)
    mean = pointing_moment(1, half_angle=half_angle, jitter=0.2e-6)
    assert result.terms_db["pointing"] == pytest.approx(-10 * np.log10(mean), rel=1e-12)
    gaussian = transmit(VACUUM, sight(**told, transmitter_waist_ratio=0.25))
    assert gaussian.terms_db["diffraction"] > result.terms_db["diffraction"]


def test_strong_fading_of_a_nearly_lossless_link_gives_back_no_more_light_than_was_sent(sight, transmit):
    told = VACUUM | {"turbulence": {"kind": "index", "scintillation_index": 1.5}, "fading_nodes": 13}
    result = transmit(
        told, sight([1.0, 40.0, 4000.0], 90.0, receiver_aperture=1.0, divergence_half_angle=100e-6, pointing_jitter=0.0)
    )
    assert np.all(result.transmittance <= 1.0)
    np.testing.assert_allclose(-10 * np.log10(result.mean), result.terms_db["diffraction"], atol=1e-9)


def test_sky_light_from_radiance(sight, transmit):
    """Published arithmetic: 395.9 photons a second, times the optics."""
    told = {key: value for key, value in VACUUM.items() if key != "background_rate_hz"} | {
        "sky_radiance_w_per_m2_um_sr": 1.5e-3
    }
    seen = {"field_of_view": 10e-6, "filter_bandwidth": 1e-9, "wavelength": 850e-9, "receiver_optics_transmittance": 0.16}
    result = transmit(told, sight(**seen))
    assert result.background_rate == pytest.approx(395.9 * 0.16, abs=0.02)
    with pytest.raises(UserError, match="the receiver does not tell its filter bandwidth"):
        transmit(told, sight(**(seen | {"filter_bandwidth": np.nan})))


@pytest.mark.parametrize(
    ("told", "seen", "said"),
    [
        ({}, {"range_km": np.nan}, "needs the slant range"),
        ({}, {"receiver_aperture": np.nan}, "needs the receiver's aperture"),
        ({}, {"divergence_half_angle": np.nan}, "needs the divergence or the aperture"),
        (
            {},
            {"divergence_half_angle": np.nan, "transmitter_aperture": 0.3, "range_km": 0.5},
            "too near for the diffraction",
        ),
        ({}, {"range_km": 50.0}, "receiver's radius is 1.35 of the beam's"),
        ({"correlation_time_ms": None}, {}, "correlation_time_ms is required"),
        (
            {"atmosphere": {"kind": "airmass", "zenith_loss_db": 1.0}},
            {"elevation_deg": np.nan},
            "extinction needs the elevation",
        ),
        ({"atmosphere": {"kind": "airmass", "zenith_loss_db": 1.0}}, {"elevation_deg": 3.0}, "elevation 3.224 deg"),
        ({"turbulence": HV57}, {"elevation_deg": np.nan}, "turbulence needs the elevation"),
        ({"turbulence": HV57}, {"elevation_deg": 14.0}, "elevation 14.000 deg; turbulence in a plane atmosphere"),
        ({"turbulence": HV57}, {"elevation_deg": 16.0}, "Rytov variance 1.347 at elevation 16.000 deg"),
    ],
)
def test_what_a_free_space_channel_cannot_do_is_said_in_one_line(sight, transmit, told, seen, said):
    with pytest.raises(UserError, match=re.escape(said)) as error:
        transmit({key: value for key, value in (VACUUM | told).items() if value is not None}, sight(**seen))
    assert str(error.value).startswith("run.toml: channel")
    assert "\n" not in str(error.value)


# Measured loss


def test_measured_loss_is_linear_in_db_between_entries(sight, transmit):
    result = transmit(TABLE | {"extra_loss_db": 0.5}, sight([600.0, 650.0, 1000.0, 1100.0], np.nan), LOSS)
    np.testing.assert_allclose(-10 * np.log10(result.mean[:, 0]), [30.5, 31.0, 38.25, 40.5], rtol=1e-13)
    assert result.includes == ("diffraction",)
    assert result.transmittance.shape == (4, 1, 1)
    np.testing.assert_array_equal(result.background_rate, np.full((4, 1), 7.0))


@pytest.mark.parametrize(
    ("against", "columns", "values"),
    [
        ("time", {"time_s": [3.0, 2.0, 1.0, 0.0], "loss_db": [33.0, 32.0, 31.0, 30.0]}, [30.5, 31.5]),
        ("elevation", {"elevation_deg": [10.0, 50.0], "loss_db": [40.0, 20.0]}, [35.0, 25.0]),
    ],
)
def test_measured_loss_against_time_and_elevation_rising_or_falling(sight, transmit, against, columns, values):
    result = transmit(TABLE | {"against": against}, sight([600.0, 600.0], [20.0, 40.0]), Given(**columns))
    np.testing.assert_allclose(-10 * np.log10(result.mean[:, 0]), values, rtol=1e-12)


def test_fading_about_a_measured_loss_keeps_its_mean_and_has_the_given_index(sight, transmit):
    told = TABLE | {"scintillation_index": 0.2, "correlation_time_ms": 5.0}
    result = transmit(told, sight([600.0, 1000.0]), LOSS)
    np.testing.assert_allclose(-10 * np.log10(result.mean[:, 0]), [30.0, 37.75], rtol=1e-12)
    eta = result.transmittance[:, :, 0]
    np.testing.assert_allclose(np.sum(result.weight * eta**2, axis=1) / result.mean[:, 0] ** 2, 1.2, rtol=1e-9)
    with pytest.raises(UserError, match="correlation_time_ms is required"):
        transmit(TABLE | {"scintillation_index": 0.2}, sight([600.0]), LOSS)


def test_fixed_loss(sight, transmit):
    told = {"kind": "fixed", "loss_db": 20.0, "includes": ["receiver optics"], "background_rate_hz": 0.0}
    result = transmit(told, sight([np.nan, np.nan], np.nan))
    np.testing.assert_allclose(result.mean, 0.01, rtol=1e-14)
    assert transmit(told | {"loss_db": 0.0}, sight()).mean == pytest.approx(1.0, abs=1e-15)


@pytest.mark.parametrize(
    ("told", "columns", "said"),
    [
        (
            {},
            {"range_km": [600.0, 800.0], "loss_db": [30.0, 31.0]},
            "range_km = 900.000 is outside tables/loss.csv (600 to 800)",
        ),
        (
            {},
            {"range_km": [910.0, 1800.0], "loss_db": [30.0, 31.0]},
            "is outside tables/loss.csv (910 to 1800) at 2 of 2 steps",
        ),
        ({}, {"range_m": [600.0, 800.0], "loss_db": [30.0, 31.0]}, "no column 'range_km'; did you mean 'range_m'?"),
        ({"loss_column": "los_db"}, {"range_km": [600.0], "loss_db": [3.0]}, "no column 'los_db'; did you mean 'loss_db'?"),
        ({}, {"range_km": [600.0, 600.0, 950.0], "loss_db": [30.0, 31.0, 32.0]}, "must rise or fall from line to line"),
        ({}, {"range_km": [600.0, np.nan, 950.0], "loss_db": [30.0, 31.0, 32.0]}, "must rise or fall from line to line"),
        ({}, {"range_km": [600.0, 950.0], "loss_db": [30.0, -31.0]}, "must be a loss of 0 dB or more"),
        ({}, {"range_km": [600.0, 950.0], "loss_db": [30.0, np.nan]}, "must be a loss of 0 dB or more"),
        ({"against": "elevation"}, {"elevation_deg": [6.0, 95.0], "loss_db": [30.0, 1.0]}, "needs the elevation"),
    ],
)
def test_what_a_table_cannot_do_is_said_in_one_line(sight, transmit, told, columns, said):
    with pytest.raises(UserError, match=re.escape(said)) as error:
        transmit(TABLE | told, sight([640.0, 900.0], np.nan), Given(**columns))
    assert str(error.value).startswith("run.toml: channel: ")
    assert "\n" not in str(error.value)


# Records and models


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (
            VACUUM | {"sky_radiance_w_per_m2_um_sr": 1.0},
            "exactly one of background_rate_hz, sky_radiance_w_per_m2_um_sr and sky",
        ),
        ({"kind": "free-space"}, "exactly one of background_rate_hz, sky_radiance_w_per_m2_um_sr and sky"),
        (VACUUM | {"extra_loss_db": -1.0}, "channel.extra_loss_db = -1.0: input should be greater than or equal to 0"),
        (VACUUM | {"fading_nodes": 0}, "channel.fading_nodes = 0"),
        (VACUUM | {"extra_los_db": 1.0}, "unknown key; did you mean 'extra_loss_db'?"),
        (TABLE | {"includes": ["receiver optic"]}, "'receiver optic' is no term of loss; did you mean 'receiver optics'?"),
        (TABLE | {"includes": ["pointing", "pointing"]}, "each term may stand once"),
        (TABLE | {"against": "height"}, "channel.against = 'height'"),
        (VACUUM | {"atmosphere": {"kind": "airmass", "zenith_loss_db": -1.0}}, "zenith_loss_db = -1.0"),
    ],
)
def test_mistakes_in_a_channel_are_named(table, said):
    with pytest.raises(UserError, match=re.escape(said)):
        parse(channels.KINDS[table["kind"]], table, "run.toml: channel")


def test_terminal_needs_a_beam():
    with pytest.raises(UserError, match="aperture_mm or divergence_half_angle_urad is required"):
        parse(channels.Terminal, {"pointing_jitter_urad": 1.0, "optics_transmittance": 1.0}, "terminal")


def test_terminal_hands_its_numbers_to_the_sight():
    record = parse(channels.Terminal, Catalogue().read("terminals", "micius"), "terminal")
    numbers = record.sight()
    assert numbers["divergence_half_angle"] == pytest.approx(7.41e-6, rel=1e-12)
    assert numbers["pointing_jitter"] == pytest.approx(1.2e-6, rel=1e-12)
    assert numbers["transmitter_aperture"] == pytest.approx(0.3)
    assert "transmitter_waist_ratio" not in numbers
    assert set(numbers) <= set(Sight.__dataclass_fields__)


@pytest.mark.parametrize("room", ["terminals", "launches", "channels"])
def test_every_model_is_sound_and_tells_where_its_values_come_from(room):
    catalogue = Catalogue()
    for name in catalogue.names(room):
        table = catalogue.read(room, name)
        telescopes = {"terminals": channels.Terminal, "launches": channels.Launch}
        record = telescopes.get(room) or channels.KINDS[table["kind"]]
        parse(record, table, name)
        assert_origins(table, name)


def assert_origins(table, name):
    values = {key for key, value in table.items() if not isinstance(value, dict)} - {"title", "model", "kind"}
    assert set(table.get("origin", {})) == values, name
    for origin in table.get("origin", {}).values():
        assert re.match(r"(published|digitised|assumed|derived)\b", origin), name
    for key, value in table.items():
        if isinstance(value, dict) and key != "origin":
            assert_origins(value, f"{name}.{key}")


@pytest.mark.parametrize("name", Catalogue().names("atmospheres"))
def test_every_atmosphere_lets_light_through(name, sight, transmit):
    atmosphere = Catalogue().read("atmospheres", name)
    assert_origins(atmosphere, name)
    result = transmit(VACUUM | {"atmosphere": atmosphere}, sight([600.0, 1200.0], [80.0, 19.35]))
    loss = result.terms_db["atmosphere"][:, 0]
    assert 0.2 < loss[0] < loss[1] < 25.0


def test_ends_of_the_paper_are_3_and_8_db_at_1200_km(sight, transmit):
    """Published: Liao et al. 2017."""
    for name, loss in (("liao2017-3db", 3.0), ("liao2017-8db", 8.0)):
        told = VACUUM | {"atmosphere": Catalogue().read("atmospheres", name)}
        assert transmit(told, sight(1200.0, 19.35)).terms_db["atmosphere"] == pytest.approx(loss, abs=0.01)


def test_micius_models_carry_the_published_pass(sight, transmit):
    """Published: 29.75 dB at 645 km to 40.3 dB at 1,200 km with 16 % optics; its terms leave 4 dB unexplained."""
    catalogue = Catalogue()
    seen = sight([645.37, 1199.9], [47.8, 19.3])
    table = transmit(catalogue.read("channels", "micius-2017-loss-table"), seen)
    np.testing.assert_allclose(-10 * np.log10(table.mean[:, 0]), [29.80, 40.31], atol=0.01)
    assert set(table.includes) == set(LOSS_TERMS) - {"fibre coupling", "detector efficiency"}
    parts = transmit(catalogue.read("channels", "micius-2017-free-space"), seen)
    assert parts.mean[0, 0] * 0.16 / table.mean[0, 0] == pytest.approx(2.6, abs=0.1)


def test_pass_of_no_steps_is_a_transmittance_of_no_steps(sight, transmit):
    seen = sight([], [])
    for told in (VACUUM | {"turbulence": HV57, "atmosphere": {"kind": "airmass", "zenith_loss_db": 1.0}}, TABLE):
        assert transmit(told, seen, LOSS).transmittance.shape[0] == 0


def test_track_is_not_changed(sight, transmit):
    seen: Sight = sight([600.0, 1000.0], [60.0, 30.0])
    before: Track = replace(seen.track, range=seen.track.range.copy(), elevation=seen.track.elevation.copy())
    transmit(VACUUM | {"turbulence": HV57}, seen)
    np.testing.assert_array_equal(seen.track.range, before.range)
    np.testing.assert_array_equal(seen.track.elevation, before.elevation)
