"""A beam through turbulence. Oracles: published check numbers, SciPy's adaptive quadrature of the defining integrals, the
spectrum integrated directly, closed forms without turbulence, our own wave optics."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import j0

from qphys.channels import beam
from qphys.channels.profiles import hufnagel_valley
from qphys.channels.quadrature import panels

WAVENUMBER = 2 * np.pi / 808e-9
#: 2 km, launched with 20 mm and focused on the receiver, Cn2 = 1e-15: the case of the wave-optics runs.
DISTANCE, LAUNCH, CN2 = 2000.0, 0.020, 1e-15
FRIED = (0.423 * 0.375 * WAVENUMBER**2 * CN2 * DISTANCE) ** (-3 / 5)


def wander(outer_scale=np.inf, distance=DISTANCE, launch=LAUNCH, cn2=CN2):
    position, strength = beam.level_path(distance, cn2)
    radius = beam.beam_radius(position, launch, wavelength=808e-9, focus=distance)
    return float(beam.centroid_variance(position, strength, beam_radius=radius, distance=distance, outer_scale=outer_scale))


def test_uplink_mean_on_the_axis_check_numbers():
    """Published arithmetic, 810 nm, HV5/7 at zenith (r0 = 8.850 cm), launch radii 5, 10 and 15 cm."""
    mean = beam.on_axis_mean([0.05, 0.10, 0.15], 0.08850)
    np.testing.assert_allclose(mean, [0.2677, 0.0876, 0.0413], atol=1.2e-4)


def test_uplink_mean_with_an_outer_scale_is_that_of_wave_optics():
    """Own simulations with L0 = 50 m: 810 nm at zenith and 1550 nm at 70 degrees, within 2 standard errors of each."""
    for fried, simulated, error in (
        (0.08850, [0.3034, 0.1050, 0.0504], [0.0046, 0.0024, 0.0013]),
        (0.10130, [0.3676, 0.1350, 0.0657], [0.0043, 0.0022, 0.0012]),
    ):
        mean = beam.on_axis_mean([0.05, 0.10, 0.15], fried, outer_scale=50.0)
        assert np.all(np.abs(mean - simulated) < 2.0 * np.array(error))
    # and by quadrature of the spectrum: these digits
    mean = beam.on_axis_mean([0.05, 0.10, 0.15], 0.08850, outer_scale=50.0)
    np.testing.assert_allclose(mean, [0.30502, 0.10529, 0.05051], atol=1e-5)


@pytest.mark.parametrize("outer_scale", [np.inf, 50.0, 0.3])
@pytest.mark.parametrize("launch", [0.003, 0.1, 1.0])
def test_uplink_mean_is_its_integral(launch, outer_scale):
    """Second route: adaptive quadrature."""

    def integrand(rho):
        loss = 0.5 * (rho / launch) ** 2 + 0.5 * beam.structure_function(
            rho, fried_parameter=0.0885, outer_scale=outer_scale
        )
        return rho / launch**2 * np.exp(-loss)

    edges = [0.05 * launch, 0.3 * launch]
    exact = quad(integrand, 0.0, 12 * launch, points=edges, epsabs=1e-13, epsrel=1e-11, limit=500)[0]
    assert beam.on_axis_mean(launch, 0.0885, outer_scale=outer_scale) == pytest.approx(exact, rel=1e-10)


def test_uplink_mean_ends_in_its_limits():
    """Known on paper: 1 for a narrow launch; r0^2 times a constant over W0^2 for a wide one."""
    assert beam.on_axis_mean(1e-6, 0.1) == pytest.approx(1.0, abs=1e-7)
    halo = quad(lambda u: u * np.exp(-0.5 * beam.STRUCTURE * u ** (5 / 3)), 0.0, 9.0)[0]
    assert beam.on_axis_mean(1e3, 0.1) == pytest.approx(halo * (0.1 / 1e3) ** 2, rel=1e-6)


@pytest.mark.parametrize("rho", [0.003, 0.1, 1.0, 7.9, 8.1, 200.0])
def test_structure_function_is_that_of_the_spectrum(rho):
    """Second route: the von Karman spectrum 0.4898 r0^(-5/3) (k^2 + k0^2)^(-11/6) integrated directly; its constant is
    rounded to 1e-4."""
    t, weights = panels(np.linspace(np.log(1e-6), np.log(3e4), 1001))
    kappa = np.exp(t)
    spectrum = 0.4898 * 0.1 ** (-5 / 3) * (kappa**2 + (2 * np.pi / 50.0) ** 2) ** (-11 / 6)
    integral = 4 * np.pi * np.sum(weights * kappa**2 * spectrum * (1.0 - j0(kappa * rho)))
    value = beam.structure_function(rho, fried_parameter=0.1, outer_scale=50.0)
    assert value == pytest.approx(integral, rel=1e-3 if rho < 0.01 else 2.5e-4)


def test_structure_function_goes_over_into_kolmogorov_and_joins_its_series():
    far = beam.structure_function([0.01, 1.0], fried_parameter=0.1, outer_scale=1e15)
    np.testing.assert_allclose(far, beam.STRUCTURE * np.array([0.1, 10.0]) ** (5 / 3), rtol=2e-5)
    x = 50.0 / (2 * np.pi) * (1.0 + np.array([-1e-12, 1e-12]))
    below, above = beam.structure_function(x, fried_parameter=0.1, outer_scale=50.0)
    assert below == pytest.approx(above, rel=1e-11)


def test_encircled_mean_check_numbers():
    """Published arithmetic, 2 km; and the simulated means with their errors."""
    radius = beam.beam_radius(DISTANCE, LAUNCH, wavelength=808e-9, focus=DISTANCE)
    mean = beam.encircled_mean([0.006, 0.012, 0.025], radius, distance=DISTANCE, wavelength=808e-9, fried_parameter=FRIED)
    np.testing.assert_allclose(mean[1:], [0.31011, 0.79291], atol=1e-4)
    assert mean[0] == pytest.approx(0.0893, abs=5e-4)
    finite = beam.encircled_mean(
        [0.006, 0.012, 0.025], radius, distance=DISTANCE, wavelength=808e-9, fried_parameter=FRIED, outer_scale=1000.0
    )
    np.testing.assert_allclose(finite, [0.0877, 0.3102, 0.7946], rtol=0.025)


def test_encircled_mean_of_the_strong_case_is_that_of_wave_optics():
    """Own simulations of 10 km, 60 mm, L0 = 1 km: within 2 standard errors."""
    fried = (0.423 * 0.375 * WAVENUMBER**2 * 1e-15 * 1e4) ** (-3 / 5)
    radius = beam.beam_radius(1e4, 0.06, wavelength=808e-9, focus=1e4)
    mean = beam.encircled_mean(
        [0.02, 0.05, 0.1], radius, distance=1e4, wavelength=808e-9, fried_parameter=fried, outer_scale=1e3
    )
    assert np.all(np.abs(mean - [0.0559, 0.2848, 0.7009]) < 2 * np.array([0.0027, 0.0085, 0.0081]))


@pytest.mark.parametrize("ratio", [1e-3, 0.3, 1.0, 5.0, 100.0])
def test_encircled_mean_without_turbulence_is_the_share_of_a_gaussian(ratio):
    mean = beam.encircled_mean(ratio, 1.0, distance=1e3, wavelength=1e-6, fried_parameter=1e9)
    assert mean == pytest.approx(-np.expm1(-2 * ratio**2), rel=1e-9)


@pytest.mark.parametrize("aperture", [0.004, 0.012, 0.06])
@pytest.mark.parametrize("focus", [DISTANCE, np.inf])
def test_encircled_mean_is_its_integral_over_the_mean_spot(aperture, focus):
    """Second route: the mean intensity at each radius by a Hankel transform, summed over the aperture."""
    radius = float(beam.beam_radius(DISTANCE, LAUNCH, wavelength=808e-9, focus=focus))
    xi, weights = panels(30.0 / radius * np.linspace(0.0, 1.0, 61) ** 2)
    coherence = beam.structure_function(xi * DISTANCE / WAVENUMBER, fried_parameter=FRIED)
    spectrum = weights * xi * np.exp(-((radius * xi) ** 2) / 8 - 0.5 * coherence)
    spot = quad(lambda r: r * np.sum(spectrum * j0(r * xi)), 0.0, aperture, epsabs=1e-12, limit=200)[0]
    mean = beam.encircled_mean(aperture, radius, distance=DISTANCE, wavelength=808e-9, fried_parameter=FRIED)
    assert mean == pytest.approx(spot, rel=1e-6)


def test_centroid_wander_check_numbers():
    """Published arithmetic; the one for no outer scale was computed with 1e7 m, whose influence falls as its cube root."""
    assert wander(1e7) == pytest.approx(2.347e-5, rel=1e-3)
    assert wander(1e3) == pytest.approx(2.237e-5, rel=1e-3)
    assert wander() == pytest.approx(2.347e-5, rel=2.5e-3)
    # wave optics, L0 = 1 km: 2.164(49)e-5 and, on 10 km, 1.90(8)e-3
    assert abs(wander(1e3) - 2.164e-5) < 2 * 0.049e-5
    assert wander(1e3, 1e4, 0.06) == pytest.approx(1.967e-3, rel=1e-3)


def test_centroid_wander_is_its_integral():
    """Second route: the double integral by adaptive quadrature, outer scale and all."""
    kappa_0 = 2 * np.pi / 3.0

    def inner(z):
        w = float(beam.beam_radius(z, LAUNCH, wavelength=808e-9, focus=DISTANCE))
        top = 14.0 / w
        value = quad(
            lambda k: k**3 * (k**2 + kappa_0**2) ** (-11 / 6) * np.exp(-((k * w) ** 2) / 4),
            0,
            top,
            points=[2.0, 20.0],
            limit=200,
        )[0]
        return CN2 * (DISTANCE - z) ** 2 * value

    exact = 2 * np.pi**2 * 0.033 * quad(inner, 0.0, DISTANCE, epsrel=1e-8)[0]
    assert wander(3.0) == pytest.approx(exact, rel=1e-6)


def test_wander_of_a_collimated_uplink_has_the_coefficients_of_centroid_and_hot_spot():
    """Published: 4.568 (centroid) and 7.25 (Andrews and Phillips), and the hot-spot angles of HV5/7 in urad."""
    x, weights = panels(np.linspace(0.0, 1.0, 25))
    height, widths = 30e3 * x**3, weights * 90e3 * x**2
    strength = widths * hufnagel_valley(height, rms_wind=21.0, ground_cn2=1.7e-14)
    moment = np.sum(strength * (1.0 - height / 500e3) ** 2)
    published = {
        (0, 0.15): 5.512,
        (45, 0.15): 6.555,
        (70, 0.15): 9.425,
        (0, 0.05): 6.620,
        (45, 0.05): 7.872,
        (70, 0.05): 11.319,
    }
    for (zenith, launch), angle in published.items():
        slant = 1.0 / np.cos(np.deg2rad(zenith))
        path = {"beam_radius": np.full(height.size, launch), "distance": 500e3 * slant}
        spot = beam.hot_spot_variance(height * slant, strength * slant, **path)
        assert np.sqrt(2 * spot) / (500e3 * slant) * 1e6 == pytest.approx(angle, rel=2e-4)
        centroid = beam.centroid_variance(height * slant, strength * slant, **path)
        front = launch ** (-1 / 3) * slant * moment * (500e3 * slant) ** 2
        assert 2 * centroid / front == pytest.approx(4.568, rel=5e-4)
        assert 2 * spot / front == pytest.approx(7.25, rel=5e-4)


def test_wander_is_batched_over_time_steps():
    position = np.array([[10.0, 500.0], [20.0, 900.0]])
    both = beam.centroid_variance(position, 1e-13, beam_radius=0.1, distance=[1e3, 2e3], outer_scale=[np.inf, 30.0])
    for t in range(2):
        one = beam.centroid_variance(
            position[t], 1e-13, beam_radius=np.full(2, 0.1), distance=[1e3, 2e3][t], outer_scale=[np.inf, 30.0][t]
        )
        assert both[t] == pytest.approx(float(one), rel=1e-14)


def test_radii_of_long_and_short_term_are_consistent():
    """Exact identity: a Gaussian spot that wanders by a Gaussian has the mean of the long-term Gaussian."""
    long = beam.long_term_radius(0.310, 0.012)
    assert 1.0 - np.exp(-2 * 0.012**2 / long**2) == pytest.approx(0.310, rel=1e-12)
    short = beam.short_term_radius(long, 0.005)
    assert short**2 + 4 * 0.005**2 == pytest.approx(float(long) ** 2, rel=1e-14)
    with pytest.raises(ValueError, match="no short-term radius is left"):
        beam.short_term_radius(0.01, 0.005)


def test_rules_of_thumb_miss_the_exact_mean_by_what_their_docstrings_say():
    """Published arithmetic: .2491/.0833/.0400 (Andrews and Phillips), .2815/.0897/.0429 (Dios)."""
    launch, range_ = np.array([0.05, 0.10, 0.15]), 500e3
    vacuum = 2 * range_ / (2 * np.pi / 810e-9 * launch)
    andrews = (vacuum / beam.long_term_radius_andrews(vacuum, launch, fried_parameter=0.0885)) ** 2
    np.testing.assert_allclose(andrews, [0.2491, 0.0833, 0.0400], atol=1e-4)
    long, short = beam.radii_dios(vacuum, launch, distance=range_, wavelength=810e-9, fried_parameter=0.0885)
    dios = (vacuum / long) ** 2
    # within the digit that the published r0 leaves
    np.testing.assert_allclose(dios, [0.2815, 0.0897, 0.0429], rtol=0.03)
    exact = beam.on_axis_mean(launch, 0.0885)
    assert np.all((andrews / exact > 0.92) & (andrews / exact < 0.97))
    assert np.all((dios / exact > 1.0) & (dios / exact < 1.06))
    assert np.all((short > vacuum) & (short < long))


def test_gaussian_beam_spreads_as_on_paper():
    rayleigh = np.pi * 0.02**2 / 808e-9
    assert beam.beam_radius(rayleigh, 0.02, wavelength=808e-9) == pytest.approx(0.02 * np.sqrt(2.0), rel=1e-12)
    assert beam.beam_radius(2e3, 0.02, wavelength=808e-9, focus=2e3) == pytest.approx(
        2e3 * 808e-9 / (np.pi * 0.02), rel=1e-12
    )
