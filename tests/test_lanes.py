"""Few lanes for many: Gauss's rule of a cloud of transmittances, against Legendre's points, and moments of polynomials."""

from __future__ import annotations

import numpy as np
import pytest

from qphys.optimizer.lanes import gauss_nodes, part_above, shares, widths


def test_evenly_spread_points_have_the_nodes_of_legendre() -> None:
    points = (np.arange(200_000) + 0.5) / 200_000
    nodes, weights = gauss_nodes(points, np.full(len(points), 2.0 / len(points)), number=7)
    x, w = np.polynomial.legendre.leggauss(7)
    np.testing.assert_allclose(nodes, 0.5 * (1.0 + x), atol=1e-10)
    np.testing.assert_allclose(weights, w, rtol=1e-8)


def test_polynomials_up_to_twice_the_nodes_are_summed_to_rounding_and_the_next_is_not() -> None:
    rng = np.random.default_rng(5)
    points, weights = 1e-4 * rng.gamma(2.0, size=10_007), rng.uniform(0.0, 3.0, 10_007)
    nodes, few = gauss_nodes(points, weights, number=5)
    assert np.all(few > 0.0)
    assert np.all(np.diff(nodes) > 0.0)
    for degree in range(11):
        exact, ours = weights @ points**degree, few @ nodes**degree
        assert (abs(ours / exact - 1.0) < 1e-12) == (degree < 10)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_fewer_points_than_nodes_stay_themselves(number: int) -> None:
    points = np.repeat([0.3, 0.1, 0.7][:number], 11)
    nodes, weights = gauss_nodes(points, np.ones(len(points)), number=12)
    np.testing.assert_allclose(nodes, np.sort([0.3, 0.1, 0.7][:number]), rtol=1e-13)
    np.testing.assert_allclose(weights, 11.0, rtol=1e-13)


def test_darkness_alone_is_one_dark_lane() -> None:
    nodes, weights = gauss_nodes(np.zeros(9), np.full(9, 2.0), number=4)
    assert nodes.tolist() == [0.0]
    assert weights.tolist() == pytest.approx([18.0])


def test_part_of_a_pass_moves_to_the_nodes_of_the_whole() -> None:
    rng = np.random.default_rng(7)
    points, weights = rng.uniform(0.01, 0.02, 503), rng.uniform(0.0, 1.0, 503)
    nodes, few = gauss_nodes(points, weights, number=9)
    to_nodes = shares(points, nodes)
    # the weights of the whole are Gauss's own
    np.testing.assert_allclose(weights @ to_nodes, few, rtol=1e-9)
    part = weights * (points > 0.013)
    ours, exact = (part @ to_nodes) @ np.exp(-60.0 * nodes), part @ np.exp(-60.0 * points)
    assert ours == pytest.approx(exact, rel=1e-10)


def test_a_step_counts_by_its_length_above_the_edge() -> None:
    elevation = np.array([10.0, 20.0, 30.0, 20.0])
    told = part_above(elevation, np.array([[20.0], [12.5]]), widths(elevation), whole=False)
    np.testing.assert_allclose(told, [[0.0, 0.5, 1.0, 0.5], [0.25, 1.0, 1.0, 1.0]])
    assert part_above(elevation, 20.0, widths(elevation), whole=True).tolist() == [0.0, 1.0, 1.0, 1.0]
