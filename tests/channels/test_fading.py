from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import roots_jacobi
from scipy.stats import norm

from qphys.channels.fading import fading_rule, gauss_rule, log_normal_rule
from qphys.channels.pointing import pointing_moment, pointing_rule


def moments(nodes, weights, orders):
    return np.array([np.sum(weights * nodes**n, axis=-1) for n in orders])


# Pointing


def test_pointing_check_numbers():
    """Published arithmetic for a beam of 5 urad."""
    mean = {s: pointing_moment(1, half_angle=5e-6, jitter=s * 1e-6) for s in (1.0, 1.7)}
    assert mean[1.0] == pytest.approx(0.86207, abs=5e-6)
    assert mean[1.7] == pytest.approx(0.68381, abs=5e-6)
    for s, index in ((1.0, 0.01939), (1.7, 0.11108)):
        second = pointing_moment(2, half_angle=5e-6, jitter=s * 1e-6)
        assert second / mean[s] ** 2 - 1 == pytest.approx(index, abs=5e-6)
    assert pointing_moment(1, half_angle=5e-6, jitter=1e-6, bias=2e-6) == pytest.approx(0.65424, abs=5e-6)


def test_pointing_loss_of_micius_is_0_43_db():
    """Closed form beta / (1 + beta), beta = 7.41^2 / (4 1.2^2)."""
    beta = 7.41**2 / (4 * 1.2**2)
    assert -10 * np.log10(pointing_moment(1, half_angle=7.41, jitter=1.2)) == pytest.approx(
        -10 * np.log10(beta / (1 + beta)), abs=1e-12
    )
    assert beta == pytest.approx(9.533, abs=1e-3)


@pytest.mark.parametrize("bias", [0.0, 0.5, 2.0])
def test_pointing_moments_are_those_of_gaussian_offsets(bias):
    """Monte Carlo, within 4 standard errors."""
    generator = np.random.default_rng(20161219)
    x, y = generator.normal(bias, 1.3, 200_003), generator.normal(0.0, 1.3, 200_003)
    eta = np.exp(-2 * (x**2 + y**2) / 4.1**2)
    for order in (1, 2, 5):
        error = np.std(eta**order) / np.sqrt(eta.size)
        exact = pointing_moment(order, half_angle=4.1, jitter=1.3, bias=bias)
        assert abs(np.mean(eta**order) - exact) < 4 * error


@pytest.mark.parametrize("jitter", [1e-4, 0.1, 1.0, 3.0, 20.0])
@pytest.mark.parametrize("bias", [0.0, 0.3, 4.0])
@pytest.mark.parametrize("number", [1, 2, 8, 13])
def test_pointing_rule_keeps_twice_its_number_of_moments(jitter, bias, number):
    """Closed form of the moments of the Rice law."""
    nodes, weights = pointing_rule(number, half_angle=5.0, jitter=jitter, bias=bias)
    orders = np.arange(2 * number)
    exact = pointing_moment(orders, half_angle=5.0, jitter=jitter, bias=bias)
    np.testing.assert_allclose(moments(nodes, weights, orders), exact, rtol=2e-11)
    assert np.all((nodes >= 0) & (nodes <= 1) & (np.diff(nodes, prepend=-1.0) > 0))


def test_pointing_rule_without_bias_is_that_of_jacobi():
    """Second route: Gauss-Jacobi quadrature of the density beta eta^(beta - 1)."""
    beta, number = 5.0**2 / (4 * 1.3**2), 7
    x, w = roots_jacobi(number, 0.0, beta - 1.0)
    nodes, weights = pointing_rule(number, half_angle=5.0, jitter=1.3)
    np.testing.assert_allclose(nodes, (1 + x) / 2, rtol=1e-9)
    np.testing.assert_allclose(weights, w / w.sum(), rtol=1e-7)


# Log-normal


@pytest.mark.parametrize("variance", [1e-12, 1e-4, 0.05, 0.3, 0.8])
@pytest.mark.parametrize("number", [1, 3, 8])
def test_log_normal_rule_far_from_its_limit_keeps_all_moments(variance, number):
    """Closed form exp(n (n - 1) s^2 / 2)."""
    nodes, weights = log_normal_rule(np.array([variance]), upper=np.array([1e12]), number=number)
    orders = np.arange(2 * number)
    np.testing.assert_allclose(
        moments(nodes, weights, orders)[:, 0], np.exp(orders * (orders - 1) * variance / 2), rtol=3e-9
    )


@pytest.mark.parametrize("upper", [1.0 + 1e-6, 1.01, 1.25, 2.0, 30.0])
@pytest.mark.parametrize("variance", [0.01, 0.2, 0.7])
def test_truncated_log_normal_keeps_its_mean_and_never_exceeds_the_limit(upper, variance):
    """The mean is solved for: a plain cut would lower it."""
    nodes, weights = log_normal_rule(np.array([variance]), upper=np.array([upper]), number=8)
    assert np.sum(nodes * weights) == pytest.approx(1.0, abs=1e-10)
    assert np.all(nodes <= upper)
    assert np.all(np.diff(nodes[0]) >= 0)


def test_truncated_log_normal_is_that_of_direct_quadrature():
    """Second route: adaptive quadrature with the shift found by a root search."""
    from scipy.optimize import brentq

    sigma, upper = np.sqrt(np.log1p(0.2)), 2.0

    def moment(order, mu):
        top = (np.log(upper) - mu) / sigma
        return quad(lambda z: np.exp(order * (mu + sigma * z)) * norm.pdf(z), -np.inf, top)[0] / norm.cdf(top)

    mu = brentq(lambda m: moment(1, m) - 1.0, -1.0, 1.0, xtol=1e-14)
    nodes, weights = log_normal_rule(np.array([sigma**2]), upper=np.array([upper]), number=8)
    for order in (2, 5, 15):
        assert np.sum(weights * nodes**order) == pytest.approx(moment(order, mu), rel=1e-7)


def test_rule_is_continuous_where_the_limit_begins_to_be_felt():
    """Second route: on both sides of the border, closed form and truncated grid agree (what is cut weighs 1e-19)."""
    sigma = np.array([0.05, 0.2, 0.5])
    border = np.exp(sigma * (9.0 + 15.0 * sigma) - 0.5 * sigma**2)
    below = log_normal_rule(sigma**2, upper=border * (1 - 1e-9), number=8)
    above = log_normal_rule(sigma**2, upper=border * (1 + 1e-9), number=8)
    np.testing.assert_allclose(below[0], above[0], rtol=1e-11)
    np.testing.assert_allclose(below[1], above[1], rtol=1e-9)


def test_log_normal_rule_of_a_small_variance_is_that_of_hermite():
    """Limit known on paper: 1 + sigma z; the next term is sigma^2."""
    x, w = np.polynomial.hermite_e.hermegauss(8)
    nodes, weights = log_normal_rule(np.array([1e-12]), upper=np.array([3.0]), number=8)
    np.testing.assert_allclose((nodes[0] - 1) / 1e-6, x, atol=1e-4)
    np.testing.assert_allclose(weights[0], w / w.sum(), rtol=1e-4)


def test_plain_cut_of_a_log_normal_would_lose_mean():
    """Published arithmetic that the solved mean avoids: mean 0.5, index 0.2 has P(> 1) = 0.033 and cut mean 0.476."""
    sigma = np.sqrt(np.log1p(0.2))
    top = (np.log(2.0) + sigma**2 / 2) / sigma
    assert norm.sf(top) == pytest.approx(0.033, abs=5e-4)
    assert 0.5 * norm.cdf(top - sigma) / norm.cdf(top) == pytest.approx(0.476, abs=5e-4)


# Product


def test_product_of_turbulence_and_pointing_keeps_the_products_of_their_moments():
    """Independent factors: moments multiply (closed forms of both)."""
    index = np.array([0.0003, 0.01, 0.08, 0.3])
    nodes, weights = fading_rule(index, upper=1e9, pointing=pointing_rule(8, half_angle=5.0, jitter=1.7, bias=0.9), number=8)
    for order in range(16):
        exact = pointing_moment(order, half_angle=5.0, jitter=1.7, bias=0.9) * (1 + index) ** (order * (order - 1) / 2)
        np.testing.assert_allclose(np.sum(weights * nodes**order, axis=-1), exact, rtol=1e-9)


def test_steps_without_turbulence_beside_steps_with_it_have_the_nodes_of_pointing():
    pointing = pointing_rule(5, half_angle=5.0, jitter=1.7)
    nodes, weights = fading_rule(np.array([0.0, 0.1]), upper=1e9, pointing=pointing, number=5)
    np.testing.assert_allclose(nodes[0], pointing[0], rtol=1e-10)
    np.testing.assert_allclose(weights[0], pointing[1], rtol=1e-8)


def test_nothing_fluctuating_is_one_node():
    nodes, weights = fading_rule(np.zeros(3), upper=2.0, pointing=None, number=8)
    np.testing.assert_array_equal(nodes, np.ones((3, 1)))
    np.testing.assert_array_equal(weights, np.ones((3, 1)))


def test_many_steps_are_computed_in_parts_without_a_seam():
    index = np.linspace(0.0, 0.3, 2053)
    nodes, weights = fading_rule(index, upper=50.0, pointing=None, number=4)
    one = fading_rule(index[1023:1026], upper=50.0, pointing=None, number=4)
    np.testing.assert_allclose(nodes[1023:1026], one[0], rtol=1e-12)
    np.testing.assert_allclose(weights[1023:1026], one[1], rtol=1e-10)


@pytest.mark.parametrize("jitter", [None, 0.3, 1.2, 4.0])
@pytest.mark.parametrize("number", [1, 5, 8])
@pytest.mark.parametrize("scale", [3e-4, 3e-3, 0.05])
def test_rules_of_a_pass_are_those_of_its_single_steps(jitter, number, scale):
    """Second route: a few steps alone are computed without interpolation. Order 15 feels 1e-15 of a component of 1e-3."""
    pointing = None if jitter is None else pointing_rule(number, half_angle=7.4, jitter=jitter, bias=0.1)
    index = scale / np.sin(np.deg2rad(np.linspace(15.0, 88.0, 307))) ** 3
    upper = np.linspace(150.0, 700.0, 307)
    nodes, weights = fading_rule(index, upper=upper, pointing=pointing, number=number)
    some = np.array([0, 1, 17, 150, 305, 306])
    alone = fading_rule(index[some], upper=upper[some], pointing=pointing, number=number)
    orders = np.arange(2 * number)
    np.testing.assert_allclose(nodes[some], alone[0], rtol=1e-12)
    np.testing.assert_allclose(weights[some], alone[1], rtol=1e-10)
    np.testing.assert_allclose(moments(nodes[some], weights[some], orders), moments(*alone, orders), rtol=1e-11)
    np.testing.assert_allclose(moments(nodes[some], weights[some], orders[:3]), moments(*alone, orders[:3]), rtol=3e-13)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    st.lists(st.floats(0.0, 3.0), min_size=1, max_size=5),
    st.floats(0.0, 1.0),
    st.floats(1e-3, 30.0),
    st.floats(0.0, 5.0),
    st.integers(1, 11),
)
def test_nodes_are_ordered_probable_and_in_range_whatever_the_link(index, captured, jitter, bias, number):
    captured = max(captured, 1e-9)
    pointing = pointing_rule(number, half_angle=5.0, jitter=jitter, bias=bias)
    nodes, weights = fading_rule(np.array(index), upper=1 / captured, pointing=pointing, number=number)
    eta = captured * nodes
    assert np.all(np.isfinite(eta) & (eta >= 0) & (eta <= 1 + 1e-12) & (weights >= 0))
    assert np.all(np.diff(nodes, axis=-1) >= 0)
    np.testing.assert_allclose(weights.sum(axis=-1), 1.0, atol=1e-12)
    mean = pointing_moment(1, half_angle=5.0, jitter=jitter, bias=bias)
    np.testing.assert_allclose(np.sum(weights * nodes, axis=-1), mean, rtol=1e-8)


def test_rule_of_fewer_points_than_nodes_has_nodes_of_no_weight():
    """Two points hold two nodes; the rest must not disturb."""
    nodes, weights = gauss_rule(np.array([[0.2, 0.7]]), np.array([[3.0, 1.0]]), number=4)
    for order in range(8):
        assert np.sum(weights * nodes**order) == pytest.approx(0.75 * 0.2**order + 0.25 * 0.7**order, rel=1e-12)


def test_rule_of_a_uniform_grid_tends_to_gauss_legendre():
    points, share = np.polynomial.legendre.leggauss(60)
    nodes, weights = gauss_rule(points[None], share[None], number=9)
    x, w = np.polynomial.legendre.leggauss(9)
    np.testing.assert_allclose(nodes[0], x, atol=1e-13)
    np.testing.assert_allclose(weights[0], w / 2, rtol=1e-11)
