"""Laws of a spot that wanders, spreads and deforms. Oracles: SciPy's noncentral chi-square, quadrature over aperture and
ellipse, published check numbers, limits into one another, Monte Carlo of the physical variables."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import dblquad, quad
from scipy.special import wrightomega

from qphys.channels.laws import BeamWanderMarcum, BeamWanderWeibull, CircularBeam, EllipticBeam, LogNormal, TotalProbability
from qphys.channels.laws.aperture import captured_share, log_captured_share, weibull_shape
from qphys.channels.laws.elliptic_beam import elliptic_share
from qphys.channels.quadrature import panels


def grid(count: int) -> tuple[np.ndarray, np.ndarray]:
    u, weights = panels(np.linspace(0.0, 1.0, count + 1))
    x = np.exp(-60.0 * u**3)
    return x, weights * 180.0 * u**2 * x


def numerical_share(w1: float, w2: float, x0: float, angle: float) -> float:
    """Share of an elliptic Gaussian spot in the unit circle, by quadrature over the circle."""
    c, s = np.cos(angle), np.sin(angle)

    def density(phi, r):
        x, y = r * np.cos(phi) - x0, r * np.sin(phi)
        u, v = c * x + s * y, -s * x + c * y
        return r * 2.0 / (np.pi * w1 * w2) * np.exp(-2.0 * (u**2 / w1**2 + v**2 / w2**2))

    return float(dblquad(density, 0.0, 1.0, 0.0, 2.0 * np.pi, epsabs=1e-9)[0])


# Captured share


@pytest.mark.parametrize("ratio", [1e-3, 0.5, 1.0, 2.0, 30.0])
def test_captured_share_is_that_of_scipy(ratio):
    """Second route: the noncentral chi-square of two degrees of freedom."""
    r = ratio * np.array([0.0, 0.3, 0.99, 1.5]) + np.array([0.0, 0.1, 0.2, 0.3])
    exact = stats.ncx2.cdf(4 * ratio**2, 2, 4 * r**2)
    np.testing.assert_allclose(captured_share(r, 1.0, aperture_radius=ratio), exact, rtol=1e-10, atol=1e-200)


def test_captured_share_is_the_integral_over_the_aperture_and_known_at_the_centre():
    exact = numerical_share(1.3, 1.3, 0.7, 0.0)
    assert captured_share(0.7, 1.3, aperture_radius=1.0) == pytest.approx(exact, rel=1e-8)
    w = np.array([0.1, 1.0, 50.0])
    np.testing.assert_allclose(captured_share(0.0, w, aperture_radius=1.0), -np.expm1(-2 / w**2), rtol=1e-12)


def test_captured_share_far_outside_keeps_its_digits():
    """Asymptote known on paper: the exponential of the squared distance, over the slope and the curvature of the edge."""
    r, w, a = 40.0, 1.0, 1.0
    x = quad(lambda y: np.exp(-2 * ((r - a + y) ** 2 - (r - a) ** 2)) * 2 * np.sqrt(2 / np.pi) / 2, 0, 1)[0]
    front = np.sqrt(a / r)  # the aperture's curved edge meets the beam's contours in two points
    assert log_captured_share(r, w, aperture_radius=a) == pytest.approx(-2 * (r - a) ** 2 + np.log(x * front), abs=0.02)


def test_weibull_check_numbers():
    """Published arithmetic, a/W = .5, 1, 2: shape and scale; the share at r = a is exact by construction."""
    logarithm, exponent, _ = weibull_shape(4 * np.array([0.5, 1.0, 2.0]) ** 2)
    np.testing.assert_allclose(exponent, [2.009634, 2.312896, 4.335896], atol=1e-6)
    np.testing.assert_allclose(logarithm ** (-1 / exponent), [1.603195, 1.113611, 1.053183], atol=1e-6)
    law = BeamWanderWeibull(1.0, 1.0, wander=0.3)
    assert law.transmittance([1.0])[0, 0] == pytest.approx(0.396499, abs=1e-6)
    assert law.transmittance([1.0])[0, 0] == pytest.approx(float(captured_share(1.0, 1.0, aperture_radius=1.0)), rel=1e-12)
    np.testing.assert_allclose([law.exponent[0], law.scale[0]], [2.312896, 1.113611], atol=1e-6)


def test_weibull_shape_is_smooth_where_its_series_ends_and_has_its_limit():
    below, above = weibull_shape(1.0 - 1e-12), weibull_shape(1.0 + 1e-12)
    np.testing.assert_allclose(below, above, rtol=1e-11)
    logarithm, exponent, complement = weibull_shape(np.array([1e-140, 1e-6]))
    np.testing.assert_allclose(exponent, 2.0, atol=1e-6)
    np.testing.assert_allclose(logarithm / [1e-140, 1e-6], 0.5, rtol=1e-6)
    np.testing.assert_allclose(complement / [1e-140, 1e-6], 1.0, rtol=1e-6)


@pytest.mark.parametrize(("ratio", "error"), [(0.5, 0.001), (1.0, 0.009), (2.0, 0.013)])
def test_weibull_transmittance_is_off_by_what_its_validity_says(ratio, error):
    r = np.linspace(0.0, 4.0, 801)
    exact = captured_share(r, 1 / ratio, aperture_radius=1.0)
    difference = np.max(np.abs(BeamWanderWeibull(1.0, 1 / ratio, wander=1.0).transmittance(r)[0] - exact))
    assert 0.7 * error < difference < min(1.3 * error, 0.014)


# Beam wander


def test_mean_of_gaussian_wander_is_exact():
    """Identity: Gaussian convolved with Gaussian. By the law's own points, to 1e-10."""
    a, w, s = np.array([1.0, 0.3, 2.0, 0.01]), np.array([1.0, 2.0, 0.5, 1.0]), np.array([0.5, 0.1, 1.0, 3.0])
    law = BeamWanderMarcum(a, w, wander=s)
    exact = -np.expm1(-2 * a**2 / (w**2 + 4 * s**2))
    assert exact[0] == pytest.approx(0.632121, abs=5e-7)
    np.testing.assert_allclose(law.mean, exact, rtol=1e-12)
    x, weights = law.points()
    np.testing.assert_allclose(np.sum(x * weights, axis=-1), exact, rtol=1e-10)


def test_median_of_the_weibull_law_is_misplaced_as_its_validity_says():
    law, exact = BeamWanderWeibull(1.0, 1.0, wander=0.3), BeamWanderMarcum(1.0, 1.0, wander=0.3)
    median = exact.transmittance([0.3 * np.sqrt(2 * np.log(2))])
    assert exact.cumulative(median)[0, 0] == pytest.approx(0.5, abs=1e-12)
    assert law.cumulative(median)[0, 0] == pytest.approx(0.455, abs=2e-3)
    assert law.mean[0] / exact.mean[0] - 1 == pytest.approx(0.009, abs=2e-3)


@pytest.mark.parametrize("offset", [0.0, 0.8])
def test_wander_law_is_that_of_gaussian_offsets(offset):
    generator = np.random.default_rng(5)
    r = np.hypot(generator.normal(offset, 0.5, 5003), generator.normal(0, 0.5, 5003))
    law = BeamWanderMarcum(1.0, 0.7, wander=0.5, offset=offset)
    eta = captured_share(r, 0.7, aperture_radius=1.0)
    assert stats.kstest(eta, lambda x: law.cumulative(x)[0]).pvalue > 1e-4
    assert abs(np.mean(eta) - law.mean[0]) < 3 * np.std(eta) / np.sqrt(eta.size)


def test_wander_of_a_wide_beam_is_pointing_at_a_small_receiver():
    """Limit: the density beta eta^(beta - 1) below the highest transmittance."""
    law, beta = BeamWanderMarcum(1e-3, 1.0, wander=0.4), 1.0 / (4 * 0.4**2)
    share = np.array([0.01, 0.3, 0.9])
    np.testing.assert_allclose(law.cumulative(share * law.highest[:, None])[0], share**beta, rtol=1e-5)


# Total probability, circular beam


def test_total_probability_without_wander_is_the_truncated_log_normal():
    law = TotalProbability.of_moments(0.5, 0.2, aperture_radius=1.0, beam_radius=1.0, wander=0.0)
    plain, x = LogNormal.of_moments(0.5, 0.2), np.linspace(0.02, 0.99, 13)
    np.testing.assert_allclose(law.cumulative(x), plain.cumulative(x), atol=1e-8)
    np.testing.assert_allclose(law.density(x), plain.density(x), rtol=1e-6)


def test_total_probability_with_little_but_wander_is_the_weibull_law():
    wander = BeamWanderWeibull(1.0, 1.0, wander=0.4)
    law = TotalProbability(np.log(wander.highest) - 2e-4, 4e-4, aperture_radius=1.0, beam_radius=1.0, wander=0.4)
    x = np.linspace(0.05, 0.8, 11)
    np.testing.assert_allclose(law.cumulative(x), wander.cumulative(x), atol=1e-2)


def test_total_probability_keeps_both_moments_and_refuses_less_than_the_wander():
    law = TotalProbability.of_moments(
        [0.31, 0.79], [0.2, 0.02], aperture_radius=[0.012, 0.025], beam_radius=0.0245, wander=0.0047
    )
    np.testing.assert_allclose(law.mean, [0.31, 0.79], rtol=1e-11)
    np.testing.assert_allclose(law.scintillation_index, [0.2, 0.02], rtol=1e-9)
    with pytest.raises(ValueError, match="not above that of the wander alone"):
        TotalProbability.of_moments(0.3, 0.01, aperture_radius=1.0, beam_radius=1.0, wander=0.5)
    slant = TotalProbability.of_slant_path(
        0.01, 0.5, aperture_radius=0.5, beam_radius=6.0, wander=0.0, pointing_jitter=1e-6, distance=1e6
    )
    assert slant.wander[0] == pytest.approx(1.0, rel=1e-12)


def test_circular_beam_of_a_fixed_radius_is_the_weibull_law_and_its_moments_are_kept():
    x = np.linspace(0.05, 0.8, 11)
    fixed = CircularBeam(0.0, 1e-8, aperture_radius=1.0, wander=0.5)
    np.testing.assert_allclose(fixed.cumulative(x), BeamWanderWeibull(1.0, 1.0, wander=0.5).cumulative(x), atol=2e-4)
    law = CircularBeam.of_moments([0.31, 0.0877], [0.2, 0.3], aperture_radius=[0.012, 0.006], wander=0.0047)
    np.testing.assert_allclose(law.mean, [0.31, 0.0877], rtol=1e-11)
    np.testing.assert_allclose(law.scintillation_index, [0.2, 0.3], rtol=1e-9)
    with pytest.raises(ValueError, match="no circular beam"):
        CircularBeam.of_moments(0.3, 0.001, aperture_radius=1.0, wander=0.8)


# Elliptic beam

CASE = {"distance": 2000.0, "wavelength": 808e-9, "structure_constant": 1e-15}


def test_elliptic_parameters_and_mean_check_numbers():
    """Published arithmetic (2 km, W0 = 20 mm): parameters to 1e-5, mean to 1e-3; the biased means of the other apertures."""
    law = EllipticBeam.of_weak_turbulence(0.02, [0.012, 0.006, 0.025], **CASE)
    np.testing.assert_allclose(
        [law.theta[0], law.variance[0], law.covariance[0]], [0.775395, 0.0763426, -0.0543381], rtol=1e-5
    )
    assert law.wander[0] == pytest.approx(5.182e-3, rel=1e-4)
    np.testing.assert_allclose(law.mean, [0.25467, 0.0712, 0.7172], rtol=1e-3)
    assert np.sqrt(law.scintillation_index[0]) * law.mean[0] == pytest.approx(0.0322, abs=5e-5)


def test_elliptic_density_integrates_to_one_and_has_the_moments_of_the_rule():
    law = EllipticBeam.of_weak_turbulence(0.02, 0.012, **CASE)
    x, weights = grid(18)
    density = law.density(x)
    np.testing.assert_allclose(density @ weights, 1.0, atol=1e-5)
    nodes, share = law.rule(6)
    for order in range(1, 12):
        np.testing.assert_allclose(np.sum(share * nodes**order, axis=-1), density @ (weights * x**order), rtol=1e-4)
    end = 0.26
    np.testing.assert_allclose(law.cumulative([end])[:, 0], law.density(end * x) @ (end * weights), atol=1e-5)
    assert np.all(law.cumulative([-1.0, 0.0]) == 0.0) and law.cumulative([1.0])[0, 0] == 1.0


def test_elliptic_law_is_that_of_its_physical_variables():
    """Monte Carlo of axes, offset and direction: mean within 3 standard errors, Kolmogorov-Smirnov at one in 10,000."""
    law = EllipticBeam.of_weak_turbulence(0.02, 0.012, **CASE)
    generator = np.random.default_rng(7)
    matrix = [[law.variance[0], law.covariance[0]], [law.covariance[0], law.variance[0]]]
    theta = generator.multivariate_normal([law.theta[0]] * 2, matrix, 2003)
    eta, q = np.empty(2003), np.empty(2003)
    w = 0.02 * np.exp(0.5 * theta)
    for j, cosine in enumerate(np.cos(2 * generator.uniform(0, np.pi, 2003))):
        share, argument = elliptic_share(w[j : j + 1, 0], w[j : j + 1, 1], aperture_radius=0.012, cosine=np.array([cosine]))
        eta[j], q[j] = share[0, 0], argument[0, 0]
    logarithm, exponent, _ = weibull_shape(q)
    r = generator.rayleigh(law.wander[0], 2003) / 0.012
    eta *= np.exp(-logarithm * r**exponent)
    assert abs(np.mean(eta) - law.mean[0]) < 3 * np.std(eta) / np.sqrt(eta.size)
    x = np.linspace(0.1, 0.4, 61)
    assert stats.kstest(eta, lambda v: np.interp(v, x, law.cumulative(x)[0])).pvalue > 1e-4


def test_elliptic_share_check_numbers_and_its_error():
    """a = 1, W = 1.2 and .8: .85384 (numerically .85386); W = 2, 1 at r = 1 along the first axis: .3316 for .4043."""
    share, _ = elliptic_share(np.array([1.2]), np.array([0.8]), aperture_radius=1.0, cosine=np.ones(1))
    assert share[0, 0] == pytest.approx(0.85384, abs=5e-6)
    assert numerical_share(1.2, 0.8, 0.0, 0.0) == pytest.approx(0.85386, abs=5e-6)
    share, q = elliptic_share(np.array([2.0]), np.array([1.0]), aperture_radius=1.0, cosine=np.array([1.0, -1.0]))
    logarithm, _, _ = weibull_shape(q)
    along = share * np.exp(-logarithm)
    numerical = [numerical_share(2.0, 1.0, 1.0, 0.0), numerical_share(2.0, 1.0, 1.0, np.pi / 2)]
    assert min(np.abs(along[0] - 0.3316)) < 1e-4
    assert min(np.abs(np.array(numerical) - 0.4043)) < 1e-4
    assert np.max(np.abs(along[0] - numerical)) < 0.08


def test_elliptic_share_has_no_nan_from_narrow_to_wide_and_equal_axes_are_a_circle():
    ratio = np.geomspace(1e-3, 1e3, 61)
    for stretch in (1.0, 1.0 + 1e-15, 1.0 + 1e-9, 1.01, 3.0, 1e3):
        w1 = 1.0 / ratio
        share, q = elliptic_share(w1, w1 * stretch, aperture_radius=1.0, cosine=np.linspace(-1.0, 1.0, 5))
        logarithm, exponent, _ = weibull_shape(q)
        eta = share * np.exp(-logarithm * 0.7**exponent)
        assert np.all(np.isfinite(eta)) and np.all((eta >= 0.0) & (eta <= 1.0))
        if stretch < 1.001:
            np.testing.assert_allclose(share[:, 0], -np.expm1(-2 * ratio**2), rtol=1e-8)
            np.testing.assert_allclose(q[:, 2], 4 * ratio**2, rtol=1e-8)


def test_effective_radius_solves_lamberts_equation():
    w1, w2 = np.array([1.0, 0.01, 40.0]), np.array([1.7, 0.02, 10.0])
    _, q = elliptic_share(w1, w2, aperture_radius=1.0, cosine=np.array([0.3]))
    p, s = 1 / w1**2, 1 / w2**2
    y = np.log(4 / (w1 * w2)) + p * (1 + 1.3) + s * (1 + 0.7)
    np.testing.assert_allclose(q[:, 0], wrightomega(y), rtol=1e-13)
