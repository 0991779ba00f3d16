from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import gamma, j0, jv

from qphys.channels import adaptive_optics as ao

# What turbulence puts into the modes


def test_constants_of_kolmogorov_turbulence_are_the_closed_ones():
    """Closed forms in the gamma function: Fried's 6.88, the spectrum's 0.0229."""
    bracket = (24 / 5 * gamma(6 / 5)) ** (5 / 6)
    assert pytest.approx(2 * bracket, rel=1e-15) == ao.STRUCTURE_CONSTANT
    assert pytest.approx(gamma(11 / 6) ** 2 / (2 * np.pi ** (11 / 3)) * bracket, rel=1e-13) == ao.SPECTRUM_CONSTANT


@pytest.mark.parametrize(("rho", "outer"), [(0.01, 50.0), (0.5, 50.0), (0.3, 1.0)])
def test_von_karman_structure_function_is_the_integral_over_its_spectrum(rho, outer):
    """Second route: quadrature over the spectrum."""
    log_f = np.linspace(np.log(1e-6), np.log(1e5), 4_000_001)
    f = np.exp(log_f)
    spectrum = ao.SPECTRUM_CONSTANT * 0.1 ** (-5 / 3) * (f**2 + outer**-2) ** (-11 / 6)
    integral = np.trapezoid(2 * np.pi * f**2 * spectrum * 2 * (1 - j0(2 * np.pi * f * rho)), log_f)
    assert ao.structure_function(rho, fried_parameter=0.1, outer_scale=outer) == pytest.approx(integral, rel=1e-4)


def test_von_karman_tends_to_kolmogorov_for_a_large_outer_scale():
    """Limit: the relative deficit of a scale ratio of 1e9 is about 1e-3; the series below 1e-4 joins."""
    rho = np.array([1e-3, 0.1])
    kolmogorov = ao.structure_function(rho, fried_parameter=0.1)
    np.testing.assert_allclose(ao.structure_function(rho, fried_parameter=0.1, outer_scale=1e9), kolmogorov, rtol=2e-3)
    below, above = (
        ao.structure_function(x / (2 * np.pi), fried_parameter=0.1, outer_scale=1.0) for x in (9.999e-5, 1.0001e-4)
    )
    assert above / below == pytest.approx((1.0001 / 0.9999) ** (5 / 3), rel=2e-5)


def test_orders_are_those_of_nolls_table():
    """Published: Noll 1976, Table I."""
    radial, azimuthal = ao.zernike_orders(11)
    np.testing.assert_array_equal(radial, [0, 1, 1, 2, 2, 2, 3, 3, 3, 3, 4])
    np.testing.assert_array_equal(azimuthal, [0, 1, -1, 0, -2, 2, -1, 1, -3, 3, 0])


def test_modal_variances_and_noll_residuals_are_exact():
    """Reference values: variances by Noll's formula (the printed .0062 and .0232), residuals to 1e-4 or better."""
    np.testing.assert_allclose(ao.modal_variance([1, 2, 3]), [0.448879, 0.023214, 0.0061930], rtol=3e-4)
    # ratios of gamma functions by hand
    n1, n2, n3 = ao.modal_variance([1, 2, 3])
    assert n2 / n1 == pytest.approx(1.5 / 29, rel=1e-13)
    assert n3 / n2 == pytest.approx(4 / 15, rel=1e-13)
    published = (
        "1.03242 .58354 .13466 .11145 .08823 .06501 .05882 .05263 .04644 .04024 .03779 .03534 .03288 .03043 .02797 .02678 "
        ".02559 .02440 .02321 .02202 .02083"
    )
    np.testing.assert_allclose(ao.noll_residual(np.arange(1, 22)), [float(v) for v in published.split()], atol=6e-6)
    np.testing.assert_allclose(ao.noll_residual([28, 36]), [0.01625, 0.01310], atol=6e-6)


def test_variances_of_all_modes_sum_to_the_variance_over_the_disc():
    """Second route: the mean distance of two points of a disc (residual 1) against the series of gamma functions."""
    n = np.arange(1, 100_001)
    tail = ao.modal_variance(n[-1]) * n[-1] ** 2 / (5 / 3)  # terms fall as n^(-8/3)
    total = np.sum((n + 1) * ao.modal_variance(n)) + tail
    assert ao.noll_residual(1) == pytest.approx(total, rel=1e-8)


def test_many_modes_follow_nolls_power():
    """Published: 0.2944 J^(-sqrt(3)/2), within 2 % from ten modes on."""
    modes = np.array([10, 21, 36, 66])
    np.testing.assert_allclose(ao.noll_residual(modes), 0.2944 * modes ** (-np.sqrt(3) / 2), rtol=0.02)


# What a correction leaves


def test_greenwood_residual_of_a_low_pass_at_100_and_500_hz():
    """Reference values: f_G = 150 Hz gives 1.97 and 0.135 rad^2."""
    np.testing.assert_allclose(ao.greenwood_residual(150.0, [100.0, 500.0]), [1.97, 0.135], atol=5e-3)


@pytest.mark.parametrize("speed", [1.0, 3.0])
def test_residuals_of_all_modes_sum_to_greenwood_and_to_the_structure_function(speed):
    """Sum rules: over all modes, piston included, a pupil filters nothing; what is left out lies beyond x = 160."""
    n = np.arange(0, 130)
    loop = ao.loop_residual(n, wind_speed=[speed], bandwidth=1.0, aperture=1.0)
    frequency = speed / ao.effective_wind(1.0, fried_parameter=1.0)
    assert np.sum((n + 1) * loop) == pytest.approx(ao.greenwood_residual(frequency, 1.0), rel=5e-3)
    assert frequency == pytest.approx(0.4269 * speed, rel=2e-4)  # Greenwood 1977 for one layer
    shifted = ao.shift_residual(n, shift=[speed], aperture=1.0)
    assert np.sum((n + 1) * shifted) == pytest.approx(ao.structure_function(speed, fried_parameter=1.0), rel=5e-3)


def test_tilt_residual_is_that_of_tylers_tracking_frequency():
    """Published: Tyler 1994 for Zernike tilt, f_T = 0.368 D^(-1/6) / lambda (int Cn2 v^2)^(1/2)."""
    aperture, wavelength, speed, bandwidth, r0 = 0.7, 1.55e-6, 8.0, 600.0, 0.1
    variance = ao.loop_residual([1], wind_speed=[speed], bandwidth=bandwidth, aperture=aperture)[0] * (aperture / r0) ** (
        5 / 3
    )
    angle = 2 * np.sqrt(variance) * wavelength / (np.pi * aperture)
    strength = r0 ** (-5 / 3) / (0.423 * (2 * np.pi / wavelength) ** 2)
    frequency = 0.368 * aperture ** (-1 / 6) / wavelength * np.sqrt(strength) * speed
    assert angle == pytest.approx(frequency / bandwidth * wavelength / aperture, rel=5e-3)


def test_loop_residual_is_the_temporal_spectrum_behind_a_high_pass():
    """Second route: average over the direction of each spatial frequency by quadrature, for one mode."""
    speed, bandwidth, aperture = 5.0, 9.0, 1.0

    def rejected(f):
        time = lambda phi: (f * speed * np.cos(phi)) ** 2 / ((f * speed * np.cos(phi)) ** 2 + bandwidth**2)  # noqa: E731
        return quad(time, 0, np.pi / 2)[0] / (np.pi / 2)

    def integrand(u):
        f = np.exp(u)
        x = np.pi * aperture * f
        return 2 * np.pi * f**2 * ao.SPECTRUM_CONSTANT * f ** (-11 / 3) * 3 * (2 * jv(3, x) / x) ** 2 * rejected(f)

    expected = quad(integrand, np.log(1e-4), np.log(30.0), limit=300, epsrel=1e-7)[0]
    got = ao.loop_residual([2], wind_speed=[speed], bandwidth=bandwidth, aperture=aperture)
    assert got == pytest.approx(expected, rel=1e-4)


def test_residuals_are_bounded_and_add_over_layers():
    """Limits: no loop leaves the mode, a far direction twice the mode; layers add by their weights."""
    n = np.array([1, 2, 5])
    full = ao.modal_variance(n)
    np.testing.assert_allclose(ao.loop_residual(n, wind_speed=[1e9], bandwidth=1.0, aperture=1.0), full, rtol=3e-3)
    np.testing.assert_allclose(ao.shift_residual(n[1:], shift=[1e3], aperture=1.0), 2 * full[1:], rtol=1e-3)
    np.testing.assert_array_equal(ao.shift_residual(n, shift=[0.0], aperture=1.0), np.zeros(3))
    shift, weight = np.array([[0.1, 0.4], [0.2, 0.9]]), np.array([0.7, 0.3])
    both = ao.shift_residual(n, shift=shift, weight=weight, aperture=1.0)
    one = [ao.shift_residual(n, shift=shift[:, k : k + 1], aperture=1.0) for k in range(2)]
    assert both.shape == (2, 3)
    np.testing.assert_allclose(both, 0.7 * one[0] + 0.3 * one[1], rtol=1e-13)


def test_effective_height_sees_one_radian_at_the_isoplanatic_angle():
    """Definition, and the literature's 0.314."""
    height = ao.effective_height(7e-6, fried_parameter=0.05)
    assert ao.structure_function(height * 7e-6, fried_parameter=0.05) == pytest.approx(1.0, rel=1e-12)
    assert height == pytest.approx(0.314 * 0.05 / 7e-6, rel=2e-3)


def test_noise_has_the_given_sum_and_falls_with_the_order():
    variance = ao.noise_residual([1, 1, 2, 2, 2], total_rms=0.3)
    assert np.sum(variance) == pytest.approx(0.09, rel=1e-14)
    assert variance[0] / variance[2] == pytest.approx(9 / 4, rel=1e-14)
    assert ao.noise_residual([], total_rms=0.3).shape == (0,)
