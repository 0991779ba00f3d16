from __future__ import annotations

import mpmath
import numpy as np
import pytest
from scipy.special import gamma, j0

from qphys.channels import path, temporal
from qphys.channels.layers import compressed
from qphys.channels.profiles import HufnagelValley, Layers, Tabled, wind_speed
from qphys.channels.scintillation import scintillation_index

HV57 = HufnagelValley(kind="hufnagel-valley", rms_wind_m_per_s=21.0, ground_cn2=1.7e-14)
FEW = compressed(HV57, 7)
LIGHT = {"wavelength": 810e-9, "aperture": 0.3}
WIND = {"ground_wind": 5.0, "slew_rate": 13.4e-3}
NOWHERE = {"ground_wind": 10.0 - 30.0 * np.exp(-((9.4 / 4.8) ** 2))}


def at_ground(strength=1e-12):
    """One layer at the telescope, which moves at 10 m/s with NOWHERE."""
    return Layers(height=np.array([1e-6]), strength=np.array([strength]), wind=np.array([np.nan]))


def over(values, frequency):
    """Integral over frequency on a logarithmic grid, flat below its first point."""
    return np.trapezoid(values * frequency, np.log(frequency)) + values[0] * frequency[0]


# Received power


@pytest.mark.parametrize("aperture", [0.02, 0.3, 1.0])
def test_spectrum_of_power_integrates_to_the_index_and_starts_at_its_correlation_time(aperture):
    """Wiener and Khinchin: variance, and W(0) = 4 var tau; three quadratures. Six points an e-fold: 2e-3."""
    told = {"wavelength": 810e-9, "aperture": aperture, **WIND}
    tau = float(temporal.correlation_time(FEW, 1.2, **told))
    index = float(scintillation_index(FEW, 1.2, wavelength=810e-9, aperture=aperture))
    frequency = np.geomspace(1e-4 / tau, 150.0 / tau, 80)
    spectrum = temporal.power_spectrum(FEW, 1.2, frequency=frequency, **told)
    assert over(spectrum, frequency) == pytest.approx(index, rel=3e-3)
    assert spectrum[0] == pytest.approx(4.0 * index * tau, rel=1e-3)


def test_autocovariance_is_the_cosine_transform_of_the_spectrum():
    """Second route: B(t) = int W(f) cos(2 pi f t) df; the index at lag 0."""
    told = LIGHT | WIND
    tau = float(temporal.correlation_time(FEW, 1.2, **told))
    lag = tau * np.array([0.0, 0.3, 1.0, 2.5])
    got = temporal.autocovariance(FEW, 1.2, lag=lag, **told)
    frequency = np.linspace(0.0, 4.0 / tau, 301)[1:]
    spectrum = temporal.power_spectrum(FEW, 1.2, frequency=frequency, **told)
    step = frequency[1] - frequency[0]
    start = float(scintillation_index(FEW, 1.2, **LIGHT)) * 4.0 * tau
    by_hand = step * (0.5 * start + np.cos(2 * np.pi * np.outer(lag, frequency)) @ spectrum)
    np.testing.assert_allclose(got, by_hand, atol=1.5e-3 * got[0])
    assert got[0] == pytest.approx(float(scintillation_index(FEW, 1.2, **LIGHT)), rel=1e-5)
    # near 1/e at the correlation time
    assert 0.3 < got[2] / got[0] < 0.45


def test_correlation_time_of_a_point_and_of_a_large_aperture():
    """Limits known on paper for one layer: sqrt(z/k)/v times a ratio of gamma functions, and D/2v times one of moments."""
    z, v = 1e4, float(wind_speed(1e4, ground_wind=5.0))
    layer = Layers(height=np.array([z]), strength=np.array([1e-13]), wind=np.array([np.nan]))
    told = {"wavelength": 810e-9, "ground_wind": 5.0}
    ratio = gamma(-4 / 3) * np.cos(2 * np.pi / 3) / (gamma(-5 / 6) * np.cos(5 * np.pi / 12))
    point = temporal.correlation_time(layer, np.pi / 2, aperture=1e-4, **told)
    assert point == pytest.approx(np.sqrt(z * 810e-9 / (2 * np.pi)) * ratio / v, rel=1e-4)

    def bessel(p):
        """int J1^2 t^-p dt."""
        return gamma(p) * gamma(1.5 - p / 2) / (2**p * gamma((1 + p) / 2) ** 2 * gamma(1.5 + p / 2))

    large = temporal.correlation_time(layer, np.pi / 2, aperture=100.0, **told)
    # the next term falls as (Fresnel zone / D)^(2/3)
    assert large == pytest.approx(50.0 * bessel(5 / 3) / bessel(2 / 3) / v, rel=2e-2)


def test_correlation_time_scales_with_the_wind_and_not_with_the_turbulence():
    """Laws known on paper: tau v constant, C_n^2 cancels, a sweep shortens, wider glass lengthens."""
    one = at_ground()
    slow, fast = (temporal.correlation_time(one, np.pi / 2, ground_wind=w, **LIGHT) for w in (4.0, 8.0))
    jet = 30.0 * np.exp(-((9.4 / 4.8) ** 2))
    assert slow / fast == pytest.approx((8.0 + jet) / (4.0 + jet), rel=1e-9)
    assert temporal.correlation_time(at_ground(5e-14), np.pi / 2, ground_wind=4.0, **LIGHT) == pytest.approx(slow, rel=1e-12)
    elevation = np.deg2rad([[90.0], [45.0], [20.0]])
    swept = temporal.correlation_time(HV57, elevation, ground_wind=5.0, slew_rate=[0.0, 1e-3, 1e-2], **LIGHT)
    assert swept.shape == (3, 3) and np.all(np.diff(swept, axis=1) < 0)
    wide = LIGHT | {"aperture": 1.0}
    assert np.all(temporal.correlation_time(HV57, elevation, ground_wind=5.0, **wide) > 2.0 * swept[:, :1])
    alone = temporal.correlation_time(HV57, elevation[1, 0], ground_wind=5.0, slew_rate=1e-3, **LIGHT)
    assert alone == pytest.approx(swept[1, 1], rel=1e-5)


def test_correlation_time_of_low_orbit_and_hole():
    """Order of magnitude known on paper: the sweep at 12 km, 180 m/s, passes 0.3 m in 1.6 ms; a hole refines."""
    time = temporal.correlation_time(HV57, np.pi / 2, ground_wind=5.0, slew_rate=15.2e-3, **LIGHT)
    assert 0.4e-3 < time < 1.2e-3
    assert temporal.correlation_time(HV57, np.pi / 2, ground_wind=5.0, **LIGHT, obscuration=0.4) < temporal.correlation_time(
        HV57, np.pi / 2, ground_wind=5.0, **LIGHT
    )
    still = Tabled(height=np.array([0.0, 1e4]), value=np.zeros(2))
    assert np.isnan(temporal.correlation_time(still, np.pi / 2, ground_wind=5.0, **LIGHT))


def test_spectrum_of_power_falls_as_the_17_thirds():
    """Law known on paper for an aperture; averaged over the ripple of its edge."""
    layer = Layers(height=np.array([1e4]), strength=np.array([1e-13]), wind=np.array([np.nan]))
    unit = float(wind_speed(1e4, ground_wind=5.0)) / 0.3
    frequency = np.geomspace(10.0, 30.0, 200) * unit
    spectrum = temporal.power_spectrum(layer, np.pi / 2, frequency=frequency, ground_wind=5.0, **LIGHT)
    assert np.polyfit(np.log(frequency), np.log(spectrum), 1)[0] == pytest.approx(-17 / 3, abs=0.1)


# Tilt


@pytest.mark.parametrize(("tilt", "variance", "fall"), [("gradient", 0.33986, -11 / 3), ("zernike", 0.36385, -17 / 3)])
def test_spectrum_of_tilt(tilt, variance, fall):
    """Tyler 1994, Conan et al. 1995: f^(-2/3), a knee near 0.3 v/D, then the fall; the integral is the tilt's variance."""
    told = {"aperture": 1.0, "tilt": tilt, **NOWHERE}
    frequency = np.geomspace(1e-9, 30.0, 600) * 10.0
    spectrum = temporal.tilt_spectrum(at_ground(), np.pi / 2, frequency=frequency, **told)
    r0 = float(path.fried_parameter(at_ground(), np.pi / 2, wavelength=1e-6))
    # below its first point the spectrum goes on as f^(-2/3), which triples the flat part
    total = over(spectrum, frequency) + 2.0 * spectrum[0] * frequency[0]
    assert total == pytest.approx(variance * 1e-12 * r0 ** (-5 / 3), rel=2e-3)
    low = frequency < 1e-4
    assert np.polyfit(np.log(frequency[low]), np.log(spectrum[low]), 1)[0] == pytest.approx(-2 / 3, abs=1e-3)
    high = np.geomspace(3.0, 30.0, 400) * 10.0
    falling = temporal.tilt_spectrum(at_ground(), np.pi / 2, frequency=high, **told)
    assert np.polyfit(np.log(high), np.log(falling), 1)[0] == pytest.approx(fall, abs=0.05)
    plateau = spectrum[0] * frequency[0] ** (2 / 3)
    edge = np.exp(np.mean(np.log(falling * high**-fall)))
    knee = (edge / plateau) ** (1.0 / (-fall - 2 / 3)) / 10.0
    assert knee == pytest.approx({"gradient": 0.24, "zernike": 0.44}[tilt], abs=0.02)


def test_second_moment_of_the_gradient_tilt_is_the_tilt_frequency():
    """Second route to Tyler's 0.331: a loop of first order is left with (f/f3)^2 of the spectrum."""
    told = {"aperture": 0.4, "ground_wind": 5.0, "slew_rate": 4e-3}
    unit = float(np.max(wind_speed(path.heights(HV57)[0], ground_wind=5.0, slew_rate=4e-3))) / 0.4
    frequency = np.geomspace(1e-6, 30.0, 250) * unit
    spectrum = temporal.tilt_spectrum(FEW, np.pi / 2, frequency=frequency, **told)
    # beyond the end as f^(-11/3): f^3 W / (2/3)
    moment = over(spectrum * frequency**2, frequency) + 1.5 * frequency[-1] ** 3 * spectrum[-1]
    per_axis = np.sqrt(0.5 * moment) / (1e-6 / 0.4)
    assert per_axis == pytest.approx(float(path.tilt_frequency(FEW, np.pi / 2, wavelength=1e-6, **told)), rel=4e-3)


def test_an_outer_scale_flattens_the_tilt_and_takes_half_of_it():
    """Law known on paper: 1 - 1.42 (D/L0)^(1/3) = 0.477 at D/L0 = 1/20 (series with its next term +0.04: 0.48)."""
    told = {"aperture": 1.0, "tilt": "zernike", **NOWHERE}
    frequency = np.geomspace(1e-9, 10.0, 400) * 10.0
    free, held = (
        temporal.tilt_spectrum(at_ground(), np.pi / 2, frequency=frequency, **told, outer_scale=scale)
        for scale in (np.inf, 20.0)
    )
    assert over(held, frequency) / over(free, frequency) == pytest.approx(0.48, abs=0.01)
    assert held[1] == pytest.approx(held[0], rel=1e-4)
    assert held[-1] == pytest.approx(free[-1], rel=2e-3)


# Wander


@pytest.mark.parametrize(("radius", "hot_spot"), [(0.15, (5.512, 6.555, 9.425)), (0.05, (6.620, 7.872, 11.319))])
def test_wander_of_an_uplink_is_the_published_one(radius, hot_spot):
    """Published for HV5/7 at 0, 45 and 70 degrees from zenith: hot spot 4^(1/3) = 1.587 times the centroid's variance."""
    variance = temporal.wander_autocovariance(
        HV57, np.deg2rad([90.0, 45.0, 20.0]), lag=[0.0], beam_radius=radius, ground_wind=5.0, satellite_height=500e3
    )
    rms = np.sqrt(2.0 * 4.0 ** (1 / 3) * variance[:, 0])
    # 7.25 and 0.54 of the book against 4^(1/3) 4.568
    np.testing.assert_allclose(rms * 1e6, hot_spot, rtol=1e-3)


def test_wander_of_one_layer_decays_as_a_confluent_hypergeometric_function():
    """Second route: C(t)/C(0) = 1F1(1/6; 1; -(v t / W)^2), near and far; an outer scale makes it fall faster."""
    moved = np.array([0.0, 0.1, 1.0, 7.0, 24.0, 26.0, 300.0])
    told = {"beam_radius": 0.1, **NOWHERE}
    share = temporal.wander_autocovariance(at_ground(), np.pi / 2, lag=moved * 0.01, **told)
    exact = [float(mpmath.hyp1f1(mpmath.mpf(1) / 6, 1, -(x**2))) for x in moved]
    np.testing.assert_allclose(share / share[0], exact, rtol=2e-4)
    held = temporal.wander_autocovariance(at_ground(), np.pi / 2, lag=moved * 0.01, **told, outer_scale=20.0)
    assert np.all(held[1:] / held[0] < exact[1:])
    kappa = 2 * np.pi / 20.0
    for x, value in zip(moved[1:], held[1:], strict=True):
        s = 14.0 * np.linspace(0.0, 1.0, 400_001)[1:] ** 3
        kernel = s**3 * (s**2 + (0.1 * kappa) ** 2) ** (-11 / 6) * np.exp(-(s**2) / 4)

        by_hand = 2 * np.pi**2 * 0.033 * 1e-12 * 0.1 ** (-1 / 3) * np.trapezoid(kernel * j0(s * x), s)
        assert value == pytest.approx(by_hand, rel=1e-3, abs=1e-5 * held[0])


def test_time_of_wander_is_where_its_autocovariance_is_one_over_e():
    """Definition, along a pass; scaling with beam over wind without an outer scale."""
    elevation, told = np.deg2rad([90.0, 50.0, 20.0]), {"beam_radius": 0.1, "satellite_height": 500e3, "outer_scale": 50.0}
    times = temporal.wander_correlation_time(HV57, elevation, **told, **WIND)
    for e, time in zip(elevation, times, strict=True):
        share = temporal.wander_autocovariance(HV57, e, lag=[0.0, float(time)], **told, **WIND)
        assert share[1] / share[0] == pytest.approx(np.exp(-1.0), rel=2e-3)
    alone = temporal.wander_correlation_time(at_ground(), np.pi / 2, beam_radius=0.1, **NOWHERE)
    twice = temporal.wander_correlation_time(at_ground(), np.pi / 2, beam_radius=0.2, **NOWHERE)
    assert twice == pytest.approx(2.0 * float(alone), rel=1e-9)
    still = Tabled(height=np.array([0.0, 1e4]), value=np.zeros(2))
    assert np.isnan(temporal.wander_correlation_time(still, 1.0, beam_radius=0.1, ground_wind=5.0))


def test_outer_scale_of_a_wander_is_two_pi_over_its_wave_number():
    """Convention: the published 2.237e-5 m^2 (L0 = 1 km) for a beam focused over a level path; without, the closed form."""
    length, k = 2e3, 2 * np.pi / 808e-9
    z = (np.arange(60) + 0.5) / 60 * length
    radius = 0.02 * np.hypot(1 - z / length, 2 * z / (k * 0.02**2))
    free = np.pi**2 * 0.033 * 1e-15 * gamma(1 / 6) * np.sum((length - z) ** 2 * (radius / 2) ** (-1 / 3)) * length / 60
    for scale, expected in ((np.inf, free), (1e3, 2.237e-5)):
        parts = [
            float(
                temporal.wander_autocovariance(
                    at_ground(), np.pi / 2, lag=[0.0], beam_radius=float(w), outer_scale=scale, **NOWHERE
                )[0]
            )
            for w in radius
        ]
        variance = np.sum(1e-3 * np.array(parts) * (length - z) ** 2) * length / 60
        assert variance == pytest.approx(expected, rel=1e-3)
