from __future__ import annotations

import numpy as np
import pytest
from scipy.special import gamma, j1

from qphys.channels.aperture import annular, circular, filtered_layer, layer_integral
from qphys.channels.profiles import HufnagelValley
from qphys.channels.scintillation import horizontal_index, scintillation_index

HV57 = HufnagelValley(kind="hufnagel-valley", rms_wind_m_per_s=21.0, ground_cn2=1.7e-14)


def by_trapezium(q, power, obscuration, outer):
    """The defining integral on a plain logarithmic grid that resolves every fringe which carries weight."""
    t = np.geomspace(1e-7, 600.0, 1_500_001)
    response = (2 * j1(t) / t - obscuration * 2 * j1(obscuration * t) / t) / (1 - obscuration**2)
    if obscuration == 0.0:
        response = 2 * j1(t) / t
    values = t**power * (t**2 + outer**2) ** (-11 / 6) * 2 * np.sin(q * t**2 / 2) ** 2 * response**2
    # beyond the end the response's square is 4 / (pi t^3 (1 - eps)^2 (1 + eps)) and the fringes average out for these q
    return np.trapezoid(values * t, np.log(t))


@pytest.mark.parametrize("q", [0.02, 0.3, 4.0, 500.0])
@pytest.mark.parametrize(("obscuration", "outer"), [(0.0, 0.0), (0.3, 0.0), (0.0, 0.2), (0.45, 0.07), (0.03, 2.0)])
@pytest.mark.parametrize("power", [0, 1])
def test_weight_of_a_layer_by_a_second_route(q, power, obscuration, outer):
    """Trapezium rule; the part of the range left out is below 1e-6 of the whole."""
    outer = min(outer, q**-0.5)
    value = layer_integral(q, power=power, obscuration=obscuration, outer_number=outer)
    assert value == pytest.approx(by_trapezium(q, power, obscuration, outer), rel=1e-5)


def test_a_layer_at_the_aperture_and_one_far_away():
    """Limits known on paper: q -> 0 the filter's moment (Weber-Schafheitlin), q -> infinity a point, whatever the hole."""
    p = 2.0 / 3.0
    bessel = gamma(p) * gamma(1.5 - p / 2) / (2**p * gamma((1 + p) / 2) ** 2 * gamma(1.5 + p / 2))
    assert layer_integral(1e-9, power=1) == pytest.approx(0.5e-18 * 4 * bessel, rel=1e-5)
    # int t^-8/3 (1 - cos q t^2) dt and the same with t^-11/3
    point = {1: -0.5 * gamma(-5 / 6) * np.cos(5 * np.pi / 12), 0: -0.5 * gamma(-4 / 3) * np.cos(2 * np.pi / 3)}
    for power, order in ((1, 5 / 6), (0, 4 / 3)):
        for obscuration in (0.0, 0.4):
            value = layer_integral(1e9, power=power, obscuration=obscuration)
            assert value == pytest.approx(point[power] * 1e9**order, rel=2e-5)


def test_a_hole_of_nothing_and_an_outer_scale_without_end_change_nothing():
    """Limits: continuous in both; the general quadrature meets the closed function."""
    q = np.geomspace(1e-6, 1e6, 25)
    np.testing.assert_allclose(layer_integral(q, power=1), filtered_layer(q), rtol=0)
    np.testing.assert_allclose(layer_integral(q, power=1, obscuration=1e-4), filtered_layer(q), rtol=1e-5)
    np.testing.assert_allclose(layer_integral(q, power=1, outer_number=1e-6), filtered_layer(q), rtol=1e-5)
    rows = layer_integral(q, power=1, outer_number=np.linspace(0.1, 0.2, 25))
    assert rows[7] == pytest.approx(float(layer_integral(q[7], power=1, outer_number=0.1 + 7 * 0.1 / 24)), rel=1e-12)


def test_responses_are_one_for_long_waves():
    assert circular([0.0, 1e-9]) == pytest.approx(1.0)
    assert annular(0.0, obscuration=0.5) == pytest.approx(1.0)
    assert annular(3.8317059702, obscuration=0.0) == pytest.approx(0.0, abs=1e-9)
    # 2 J1(t)/t at 1 is 0.88010; at 1/2, 0.96907
    assert annular(1.0, obscuration=0.5) == pytest.approx((0.880101 - 0.25 * 0.969074) / 0.75, rel=1e-5)


def test_a_hole_raises_the_index_and_an_outer_scale_lowers_it():
    """Signs and sizes known on paper: a hole of 0.3 acts like less glass; an outer scale hardly matters but to large D."""
    told = {"wavelength": 810e-9, "aperture": 1.0}
    whole = scintillation_index(HV57, 1.0, **told)
    assert 1.1 < scintillation_index(HV57, 1.0, **told, obscuration=0.3) / whole < 1.25
    assert 0.95 < scintillation_index(HV57, 1.0, **told, outer_scale=20.0) / whole < 0.99
    small = told | {"aperture": 0.05}
    alone = scintillation_index(HV57, 1.0, **small)
    assert scintillation_index(HV57, 1.0, **small, outer_scale=20.0) == pytest.approx(float(alone), rel=2e-3)
    level = {"wavelength": 810e-9, "aperture": 0.1, "wave": "spherical"}
    assert horizontal_index(1e-15, 2e3, **level, outer_scale=1.0) < 0.99 * horizontal_index(1e-15, 2e3, **level)
    wide = level | {"aperture": 0.4}
    assert horizontal_index(1e-15, 2e3, **wide, obscuration=0.3) > 1.02 * horizontal_index(1e-15, 2e3, **wide)


def test_hole_and_outer_scale_of_a_link_reach_its_index(sight, transmit):
    told = {"kind": "hufnagel-valley", "rms_wind_m_per_s": 21.0, "ground_cn2": 1.7e-14, "outer_scale_m": 15.0}
    channel = {"kind": "free-space", "background_rate_hz": 0.0, "correlation_time_ms": 10.0, "turbulence": told}
    seen = sight(700.0, 60.0, receiver_obscuration=0.35, pointing_jitter=0.0)
    index = scintillation_index(
        HV57, np.deg2rad(60.0), wavelength=848.6e-9, aperture=1.0, obscuration=0.35, outer_scale=15.0
    )
    assert transmit(channel, seen).scintillation_index == pytest.approx(float(index), rel=1e-9)
