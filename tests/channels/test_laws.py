"""Laws of transmittance. Oracles: their own densities by quadrature, closed forms, other libraries' distributions, published
check numbers; the same claims for every law of the zoo."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from scipy import stats
from scipy.special import kve

from qphys.channels.laws import (
    BeamWanderMarcum,
    BeamWanderWeibull,
    Beta,
    CircularBeam,
    EllipticBeam,
    GammaGamma,
    LogNormal,
    Pointing,
    Product,
    Scaled,
    TotalProbability,
    joined,
)
from qphys.channels.laws.aperture import log_captured_share
from qphys.channels.laws.law import at, branch, of_steps
from qphys.channels.quadrature import panels

#: Law, its largest transmittance (or where nothing is left above), tolerance of integrals over its density.
ZOO = {
    "log-normal": (lambda: LogNormal([0.02, 0.3, 0.6], [0.01, 0.2, 0.9]), 1.0, 1e-11),
    "log-normal far from its limit": (lambda: LogNormal([1e-6, 1e-5], [0.03, 0.4]), 0.1, 1e-9),
    "log-normal of moments": (lambda: LogNormal.of_moments([0.5, 0.8, 0.1], [0.2, 0.03, 0.9]), 1.0, 1e-11),
    "beta": (lambda: Beta([0.3, 0.7, 1e-5], [0.5, 0.1, 1.2]), 1.0, 1e-10),
    "gamma-gamma": (lambda: GammaGamma.of_plane_wave(1e-3, [0.1, 1.0, 4.0, 20.0]), 0.2, 1e-10),
    "Rayleigh": (lambda: Pointing.rayleigh(5e-6, [0.4e-6, 1e-6, 1.7e-6, 4e-6]), 1.0, 1e-10),
    "Rice": (lambda: Pointing.rice(5e-6, [0.4e-6, 1e-6, 3e-6], bias=2e-6), 1.0, 1e-10),
    "Hoyt": (lambda: Pointing.hoyt(5e-6, jitter_x=1e-6, jitter_y=[2e-6, 0.3e-6]), 1.0, 1e-9),
    "Beckmann": (lambda: Pointing(5.0, jitter_x=1.0, jitter_y=[2.0, 0.4], bias_x=-1.0, bias_y=[2.0, 3.0]), 1.0, 1e-9),
    "beam wander (Marcum)": (
        lambda: BeamWanderMarcum(1.0, 1.0, wander=[0.5, 0.3, 1.0], offset=[0.0, 0.2, 1.5]),
        -np.expm1(-2.0),
        1e-9,
    ),
    "beam wander (Weibull)": (
        lambda: BeamWanderWeibull(1.0, 1.0, wander=[0.5, 0.3, 1.0], offset=[0.0, 0.2, 1.5]),
        -np.expm1(-2.0),
        1e-6,
    ),
    "total probability": (
        lambda: TotalProbability.of_moments(
            [0.31, 0.0877, 0.3], [0.2, 0.3, 0.1], aperture_radius=0.012, beam_radius=0.0245, wander=[0.005, 0.005, 0.0]
        ),
        1.0,
        1e-10,
    ),
    "circular beam": (
        lambda: CircularBeam.of_moments([0.31, 0.6], [0.2, 0.1], aperture_radius=[0.012, 0.02], wander=0.005),
        1.0,
        1e-6,
    ),
    "turbulence and pointing": (
        lambda: joined(LogNormal([0.2, 0.4], 0.1), Pointing.rayleigh(5.0, [1.0, 2.0]), factor=[0.5, 0.9]),
        0.9,
        1e-5,
    ),
    "beta and pointing": (lambda: Product(Beta(0.1, 0.4), Pointing.rice(5.0, 1.0, bias=1.0)), 1.0, 1e-5),
    "scaled": (lambda: Scaled(Beta([0.3, 0.7], [0.5, 0.1]), [0.1, 0.1]), 0.1, 1e-10),
}


@pytest.fixture(params=ZOO, ids=lambda name: name.replace(" ", "-"))
def case(request):
    make, top, tolerance = ZOO[request.param]
    return make(), top, tolerance


def grid(top: float) -> tuple[np.ndarray, np.ndarray]:
    """Transmittances from the top downwards, finest at the top, and the weights of an integral over them."""
    u, weights = panels(np.linspace(0.0, 1.0, 101))
    t = 120.0 * u**4
    x = top * np.exp(-t)
    return x, weights * 480.0 * u**3 * x


def test_density_integrates_to_one_and_has_the_mean_and_index_that_the_law_states(case):
    law, top, tolerance = case
    x, weights = grid(top)
    density = law.density(x)
    assert density.shape == (law.mean.size, x.size)
    first = density @ (weights * x)
    np.testing.assert_allclose(density @ weights, 1.0, atol=tolerance)
    np.testing.assert_allclose(first, law.mean, rtol=tolerance)
    np.testing.assert_allclose(density @ (weights * x**2) / first**2 - 1.0, law.scintillation_index, rtol=50 * tolerance)


def test_cumulative_is_the_integral_of_the_density(case):
    law, top, tolerance = case
    for share in (1.0, 0.7, 0.3):
        end = share * top
        x, weights = grid(end)
        np.testing.assert_allclose(law.cumulative([end])[:, 0], law.density(x) @ weights, atol=tolerance)


def test_cumulative_rises_from_zero_to_one(case):
    law, top, _ = case
    x = np.concatenate([[-1.0, 0.0], np.geomspace(1e-12, top, 301), [top * (1 + 1e-9), 100.0]])
    below = law.cumulative(x)
    assert np.all(below[:, :2] == 0.0) and np.all((below >= 0.0) & (below <= 1.0))
    np.testing.assert_allclose(below[:, -1], 1.0, atol=1e-9)
    assert np.all(np.diff(below) >= -1e-12)
    assert np.all(law.density(x) >= 0.0) and np.all(law.density(x[:1]) == 0.0)


@pytest.mark.parametrize("number", [1, 2, 5, 8])
def test_rule_keeps_the_moments_of_the_law(case, number):
    """Second route: the moments by quadrature of the density, up to the order that the rule promises."""
    law, top, tolerance = case
    nodes, weights = law.rule(number)
    assert nodes.shape == weights.shape == (law.mean.size, number)
    assert np.all(np.diff(nodes, axis=-1) >= 0.0) and np.all(nodes >= 0.0) and np.all(nodes <= top)
    x, share = grid(top)
    density = law.density(x)
    for order in range(2 * number):
        exact = density @ (share * (x / top) ** order)
        np.testing.assert_allclose(np.sum(weights * (nodes / top) ** order, axis=-1), exact, rtol=max(300 * tolerance, 1e-5))


def test_rule_has_mean_and_index_of_the_law(case):
    law, _, _ = case
    for nodes, weights in (law.rule(8), law.points()):
        mean = np.sum(weights * nodes, axis=-1)
        np.testing.assert_allclose(mean, law.mean, rtol=1e-10)
        index = np.sum(weights * (nodes - mean[:, None]) ** 2, axis=-1) / mean**2
        np.testing.assert_allclose(index, law.scintillation_index, rtol=1e-8)


def test_steps_do_not_see_one_another(case):
    """Batched over T: the second step alone (rebuilt from its own parameters) is the second step of the batch."""
    law, top, _ = case
    x = np.linspace(0.1, 0.9, 5) * top
    rows = np.tile(x, (law.mean.size, 1))
    rows[0] *= 0.5
    np.testing.assert_array_equal(law.cumulative(rows)[1:], law.cumulative(x)[1:])
    assert isinstance(law.name, str) and len(law.validity) > 40


# Draws

DRAWN = {
    **{name: make for name, (make, _, _) in ZOO.items()},
    "log-normal cut in its rise": lambda: LogNormal(0.6, [50.0, 2.0, 0.5]),
    "beta of shapes below 1": lambda: Beta([0.1, 0.3], [4.0, 1.5]),
    "gamma-gamma of shapes below 1": lambda: GammaGamma(1e-3, alpha=[0.4, 3.0], beta=[0.7, 0.8]),
    "elliptic beam": lambda: EllipticBeam.of_weak_turbulence(
        0.02, [0.012, 0.025], distance=2e3, wavelength=808e-9, structure_constant=1e-15
    ),
}


def quantiles(law, shares):
    """Transmittances up to which the law has the shares, shape (T, len(shares)), by bisection of its cumulative."""
    steps = law.mean.size
    low, high = np.full((steps, len(shares)), np.log(1e-300)), np.zeros((steps, len(shares)))
    for _ in range(60):
        middle = 0.5 * (low + high)
        above = law.cumulative(np.exp(middle)) > np.array(shares)
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return np.exp(high)


def counts_agree(law, draws, shares):
    """Draws beyond quantiles of the law, below and above, within 4.5 deviations of the binomial and one draw."""
    below, above = quantiles(law, shares), quantiles(law, 1.0 - np.array(shares))
    for j, share in enumerate(shares):
        expected = share * draws.shape[1]
        slack = 4.5 * np.sqrt(expected) + 1.0
        assert np.all(np.abs(np.sum(draws <= below[:, j, None], axis=-1) - expected) < slack)
        assert np.all(np.abs(np.sum(draws > above[:, j, None], axis=-1) - expected) < slack)


@pytest.mark.parametrize("name", DRAWN)
def test_draws_have_the_law(name):
    """Kolmogorov-Smirnov at one in 10,000, the mean within 4 standard errors, tails of 1e-3 by their counts."""
    law, number = DRAWN[name](), 20_011
    draws = law.draw(number, seed=20161219, stream=1, index=2)
    assert draws.shape == (law.mean.size, number) and np.all(np.isfinite(draws)) and np.all(draws >= 0.0)
    error = law.mean * np.sqrt(law.scintillation_index / number)
    assert np.all(np.abs(draws.mean(axis=-1) - law.mean) < 4.0 * error)
    grid_ = np.quantile(draws, np.linspace(0.0, 1.0, 129), axis=-1).T
    below = law.cumulative(grid_)
    for t in range(law.mean.size):
        assert stats.kstest(draws[t], lambda v, t=t: np.interp(v, grid_[t], below[t])).pvalue > 1e-4
    counts_agree(law, draws, [1e-3, 1e-2])


@pytest.mark.slow
@pytest.mark.parametrize("name", DRAWN)
def test_tails_of_the_draws_are_those_of_the_law(name):
    """To 1e-6: of four million draws four lie beyond, by the counts below and above the law's own quantiles."""
    law = DRAWN[name]()
    counts = [law.draw(1_000_003, seed=7, stream=11, index=index) for index in range(4)]
    counts_agree(law, np.concatenate(counts, axis=-1), [1e-6, 1e-5, 1e-4])


@pytest.mark.parametrize("name", DRAWN)
def test_draws_do_not_depend_on_how_many_are_asked_for_and_do_on_the_key(name):
    law = DRAWN[name]()
    draws = law.draw(203, seed=1, stream=2, index=3)
    np.testing.assert_array_equal(law.draw(7, seed=1, stream=2, index=3), draws[:, :7])
    for key in ({"seed": 2, "stream": 2, "index": 3}, {"seed": 1, "stream": 3, "index": 3}, {"seed": 1, "stream": 2}):
        assert np.mean(law.draw(203, **key) == draws) < 0.05


def test_factors_of_a_product_are_drawn_independently():
    """Of two equal factors and of nested ones: correlation within 4.5 standard errors of 0."""
    factor = Pointing.rayleigh(5.0, 1.0)
    law = Product(Product(factor, factor), factor)
    inner = law.first.draw(20_011, seed=1, stream=branch(2, 0))[0]
    parts = [
        np.log(factor.draw(20_011, seed=1, stream=s)[0])
        for s in (branch(branch(2, 0), 0), branch(branch(2, 0), 1), branch(2, 1))
    ]
    np.testing.assert_allclose(np.log(inner), parts[0] + parts[1], rtol=1e-12)
    np.testing.assert_allclose(np.log(law.draw(20_011, seed=1, stream=2)[0]), sum(parts), rtol=1e-12)
    correlation = np.corrcoef(parts)[np.triu_indices(3, 1)]
    assert np.all(np.abs(correlation) < 4.5 / np.sqrt(20_011))


def test_table_of_the_marcum_draws_is_as_exact_as_documented():
    """Between its nodes, down to where the transmittance underflows: 2e-6 of the transmittance."""
    law = BeamWanderMarcum([1.0, 1e-3, 30.0, 1.0], 1.0, wander=[0.5, 2.0, 5.0, 50.0])
    first, last, level, slope = law.table
    for t in range(4):
        k, x = np.arange(0, 511, 3), 0.5
        width = (last[t] - first[t]) / 511
        middle = 0.5 * (level[t][k] + level[t][k + 1]) + width * (slope[t][k] - slope[t][k + 1]) / 8
        exact = log_captured_share(first[t] + (k + x) * width, 1.0, aperture_radius=law.aperture_radius[t])
        np.testing.assert_allclose(middle, exact, atol=2e-6)


# Log-normal


def test_plain_cut_would_lose_mean_and_the_law_does_not():
    """Published arithmetic: mean 0.5 and index 0.2 has P(> 1) = 0.033 and a cut mean of 0.476; 0.8 and 0.05 has 0.751."""
    for mean, index, cut in ((0.5, 0.2, 0.476), (0.8, 0.05, 0.751)):
        sigma = np.sqrt(np.log1p(index))
        plain = stats.lognorm(sigma, scale=mean * np.exp(-(sigma**2) / 2))
        assert plain.expect(lambda x: x, lb=0.0, ub=1.0, conditional=True) == pytest.approx(cut, abs=5e-4)
        x, weights = grid(1.0)
        law = LogNormal(mean, np.log1p(index))
        assert (law.density(x) @ (weights * x))[0] == pytest.approx(mean, rel=1e-12)


def test_log_normal_far_from_its_limit_is_that_of_scipy():
    mean, variance = 1e-4, 0.3
    plain = stats.lognorm(np.sqrt(variance), scale=mean * np.exp(-variance / 2))
    x = mean * np.geomspace(0.05, 20.0, 17)
    law = LogNormal(mean, variance)
    np.testing.assert_allclose(law.density(x)[0], plain.pdf(x), rtol=1e-11)
    np.testing.assert_allclose(law.cumulative(x)[0], plain.cdf(x), rtol=1e-11)
    assert law.scintillation_index[0] == pytest.approx(np.expm1(variance), rel=1e-14)


def test_log_normal_with_its_limit_far_below_its_median_is_a_power_law():
    """Limit known on paper: a wide log-normal cut in its rise is beta eta^(beta - 1), beta = m / (1 - m)."""
    law, beta = LogNormal(0.6, 1e6), 0.6 / 0.4
    x = np.linspace(0.05, 0.95, 19)
    np.testing.assert_allclose(law.cumulative(x)[0], x**beta, atol=1e-5)
    np.testing.assert_allclose(law.density(x)[0], beta * x ** (beta - 1.0), rtol=1e-4)
    assert law.scintillation_index[0] == pytest.approx(1.0 / (beta * (beta + 2.0)), rel=1e-4)


def test_log_normal_of_moments_keeps_both_and_refuses_what_no_law_has():
    law = LogNormal.of_moments([0.5, 0.8, 0.05, 0.3], [0.2, 0.03, 0.5, 0.0])
    np.testing.assert_allclose(law.scintillation_index, [0.2, 0.03, 0.5, 0.0], rtol=1e-9)
    np.testing.assert_allclose(law.mean, [0.5, 0.8, 0.05, 0.3])
    with pytest.raises(ValueError, match=r"no truncated log-normal law has this scintillation index.*\(1 of 2 steps\)"):
        LogNormal.of_moments(0.5, [0.2, 0.34])


def test_log_normal_without_variance_is_a_point():
    law = LogNormal([0.3, 1.0], [0.0, 0.5])
    np.testing.assert_array_equal(law.cumulative([0.29, 0.3, 0.31]), [[0.0, 1.0, 1.0], [0.0, 0.0, 0.0]])
    np.testing.assert_array_equal(law.scintillation_index, 0.0)
    np.testing.assert_allclose(law.rule(3)[0], [[0.3] * 3, [1.0] * 3])


# Beta and gamma-gamma


def test_beta_is_that_of_scipy_and_for_a_small_mean_the_gamma_law():
    law = Beta(0.3, 0.5)
    plain = stats.beta(law.alpha[0], law.beta[0])
    x = np.linspace(0.01, 0.99, 17)
    np.testing.assert_allclose(law.density(x)[0], plain.pdf(x), rtol=1e-12)
    np.testing.assert_allclose(law.cumulative(x)[0], plain.cdf(x), rtol=1e-12)
    assert (plain.mean(), plain.var() / plain.mean() ** 2) == (pytest.approx(0.3), pytest.approx(0.5))
    small, gamma = Beta(1e-7, 0.7), stats.gamma(1 / 0.7, scale=0.7e-7)
    x = 1e-7 * np.geomspace(1e-3, 8.0, 9)
    np.testing.assert_allclose(small.cumulative(x)[0], gamma.cdf(x), rtol=1e-5)


def test_gamma_gamma_check_numbers():
    """Published arithmetic of the plane wave; P(I < 0.1) also by Monte Carlo elsewhere (0.0191)."""
    law = GammaGamma.of_plane_wave(1.0, [0.1, 1.0, 4.0, 20.0])
    np.testing.assert_allclose(law.alpha, [21.589, 4.3939, 4.3407, 7.3716], rtol=1e-4)
    np.testing.assert_allclose(law.beta, [19.8208, 2.5636, 1.3088, 1.0425], rtol=1e-4)
    np.testing.assert_allclose(law.scintillation_index, [0.09911, 0.70644, 1.17046, 1.22505], rtol=1e-4)
    assert law.cumulative([0.1])[1, 0] == pytest.approx(0.01934, abs=5e-6)


@pytest.mark.parametrize("rytov", [0.05, 1.0, 9.0])
def test_gamma_gamma_density_is_the_bessel_function(rytov):
    """Second route: the closed form with K, where the code averages one gamma density over the other's law."""
    law = GammaGamma.of_plane_wave(0.01, rytov)
    a, b = float(law.alpha[0]), float(law.beta[0])
    i = np.geomspace(0.05, 8.0, 23)
    z = 2.0 * np.sqrt(a * b * i)
    log_front = 0.5 * (a + b) * np.log(a * b) - float(mpmath.loggamma(a) + mpmath.loggamma(b))
    exact = 2.0 * np.exp(log_front + (0.5 * (a + b) - 1.0) * np.log(i) - z) * kve(a - b, z)
    np.testing.assert_allclose(law.density(0.01 * i)[0] * 0.01, exact, rtol=1e-9)


def test_spherical_wave_has_its_rytov_variance_as_index_in_weak_turbulence():
    """Limit known on paper, for both waves: index = Rytov variance, the next term is of its 11/6 power."""
    for make in (GammaGamma.of_plane_wave, GammaGamma.of_spherical_wave):
        assert make(0.1, 1e-4).scintillation_index[0] == pytest.approx(1e-4, rel=2e-3)
    # farther into saturation the spherical wave keeps more of its large cells
    plane, spherical = GammaGamma.of_plane_wave(0.1, 2.0), GammaGamma.of_spherical_wave(0.1, 2.0)
    assert spherical.alpha[0] < plane.alpha[0] and spherical.beta[0] == plane.beta[0]


def test_gamma_gamma_says_how_often_it_gives_more_light_than_was_sent():
    law = GammaGamma.of_plane_wave(0.3, 1.0)
    above = 1.0 - law.cumulative([1.0])[0, 0]
    assert above > 0.01 and f"{above:.1e}" in law.validity


# Pointing


def test_pointing_check_numbers():
    """Published arithmetic for a beam of 5 urad."""
    rayleigh = Pointing.rayleigh(5e-6, [1e-6, 1.7e-6])
    beta = (5.0 / (2.0 * np.array([1.0, 1.7]))) ** 2
    np.testing.assert_allclose(beta, [6.25, 2.1626], rtol=2e-5)
    np.testing.assert_allclose(rayleigh.mean, [0.86207, 0.68381], atol=5e-6)
    np.testing.assert_allclose(rayleigh.mean, beta / (1.0 + beta), rtol=1e-12)
    np.testing.assert_allclose(rayleigh.scintillation_index, [0.01939, 0.11108], atol=5e-6)
    np.testing.assert_allclose(rayleigh.scintillation_index, 1.0 / (beta * (beta + 2.0)), rtol=1e-12)
    np.testing.assert_allclose(rayleigh.cumulative([0.5])[:, 0], 0.5**beta, rtol=1e-12)
    assert Pointing.rice(5e-6, 1e-6, bias=2e-6).mean[0] == pytest.approx(0.65424, abs=5e-6)
    assert Pointing.rice(5.0, 1.0, bias=2.0).mean[0] == pytest.approx(6.25 / 7.25 * np.exp(-8.0 / 29.0), rel=1e-12)
    assert Pointing.hoyt(5e-6, jitter_x=1e-6, jitter_y=2e-6).mean[0] == pytest.approx(0.72502, abs=5e-6)
    assert Pointing.hoyt(5.0, jitter_x=1.0, jitter_y=2.0).mean[0] == pytest.approx((1.16 * 1.64) ** -0.5, rel=1e-12)
    # Micius, 7.41 urad and 1.2 urad: 0.43 dB; the 10 urad full divergence of its abstract: 0.90 dB
    assert -10 * np.log10(Pointing.rayleigh(5e-6, 1.2e-6).mean[0]) == pytest.approx(0.90, abs=5e-3)


@pytest.mark.parametrize(("sx", "sy", "bx", "by"), [(1.0, 1.0, 2.0, 0.0), (1.0, 2.0, 0.0, 0.0), (0.5, 2.5, 1.0, -2.0)])
def test_pointing_is_the_law_of_gaussian_offsets(sx, sy, bx, by):
    """Monte Carlo of the offsets: mean within 3 standard errors, Kolmogorov-Smirnov at one in 10,000."""
    generator = np.random.default_rng(20161219)
    x, y = generator.normal(bx, sx, 20_011), generator.normal(by, sy, 20_011)
    eta = np.exp(-2.0 * (x**2 + y**2) / 25.0)
    law = Pointing(5.0, jitter_x=sx, jitter_y=sy, bias_x=bx, bias_y=by)
    for order in (1, 2, 3):
        error = np.std(eta**order) / np.sqrt(eta.size)
        assert abs(np.mean(eta**order) - law.moment(order)[0]) < 3.0 * error
    assert stats.kstest(eta, lambda v: law.cumulative(v)[0]).pvalue > 1e-4


def test_unequal_jitters_go_over_into_equal_ones():
    """Second route: the integral over one axis against the Rice law, where the jitters are nearly equal."""
    x = np.geomspace(1e-6, 0.999, 31)
    for bias in (0.0, 1.7):
        near = Pointing(5.0, jitter_x=1.3, jitter_y=1.3 * (1 + 1e-9), bias_x=bias, bias_y=0.2)
        same = Pointing(5.0, jitter_x=1.3, jitter_y=1.3, bias_x=bias, bias_y=0.2)
        assert {near.name, same.name} == {"pointing (Beckmann)", "pointing (Rice)"}
        np.testing.assert_allclose(near.cumulative(x), same.cumulative(x), atol=1e-8)
        np.testing.assert_allclose(near.density(x), same.density(x), rtol=1e-6, atol=1e-12)


# Products


def test_moments_of_a_product_multiply_and_a_constant_scales():
    turbulence, pointing = LogNormal([0.1, 0.2], [0.1, 0.3]), Pointing.rayleigh(5.0, [1.0, 2.0])
    law = joined(turbulence, pointing, factor=0.5)
    np.testing.assert_allclose(law.mean, 0.5 * turbulence.mean * pointing.mean, rtol=1e-15)
    expected = (1.0 + turbulence.scintillation_index) * (1.0 + pointing.scintillation_index) - 1.0
    np.testing.assert_allclose(law.scintillation_index, expected, rtol=1e-12)
    alone = joined(turbulence, None, factor=[0.5, 0.25])
    np.testing.assert_allclose(alone.cumulative([0.05]), turbulence.cumulative(np.array([[0.1], [0.2]])), rtol=1e-14)


def test_product_of_two_power_laws_is_known_on_paper():
    """P(U^(1/a) V^(1/b) < x) = (a x^b - b x^a) / (a - b)."""
    a, b = (5.0 / 2.0) ** 2, (5.0 / 3.4) ** 2
    law = Product(Pointing.rayleigh(5.0, 1.0), Pointing.rayleigh(5.0, 1.7))
    x = np.linspace(0.02, 0.98, 25)
    np.testing.assert_allclose(law.cumulative(x)[0], (a * x**b - b * x**a) / (a - b), atol=3e-4)


# Doors


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LogNormal(1.2, 0.1), "mean transmittance must be above 0 and at most the limit"),
        (lambda: LogNormal(0.2, [0.1, np.nan]), r"variance of the logarithm must be 0 or more \(1 of 2 steps\)"),
        (lambda: Beta(0.5, 1.0), r"below \(1 - mean\) / mean"),
        (lambda: Beta([0.5, 0.0], 0.1), r"mean transmittance must be above 0 and below 1 \(1 of 2 steps\)"),
        (lambda: GammaGamma(0.5, alpha=0.0, beta=1.0), "alpha must be above 0"),
        (lambda: Pointing.rayleigh(5.0, [1.0, 0.0]), r"jitter_x must be above 0 \(1 of 2 steps\)"),
        (lambda: Pointing.rice(5.0, 1.0, bias=np.inf), "bias must be finite"),
        (lambda: Product(Beta([0.1, 0.2, 0.3], 0.1), Beta([0.1, 0.2], 0.1)), "laws of 3, 2 steps"),
        (lambda: Scaled(Beta(0.1, 0.1), -1.0), "factor must be above 0"),
        (lambda: Scaled(Beta(0.1, 0.1), [1.0, 0.5]), "factor of shape"),
        (lambda: of_steps(np.ones((2, 2))), r"shape \(T,\)"),
        (lambda: Beta(0.1, 0.1).draw(-1, seed=1, stream=1), "-1 draws"),
        (lambda: at(0.5, 3), r"of shape \(X,\) or \(T, X\)"),
    ],
)
def test_impossible_parameters_are_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()
