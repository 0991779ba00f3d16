from __future__ import annotations

import numpy as np
import pytest

from qphys.channels.interpolation import through_nodes
from qphys.channels.quadrature import panels


class Counted:
    def __init__(self, function):
        self.function, self.points = function, 0

    def __call__(self, x):
        self.points += x.size
        return np.stack([self.function(x), 1e3 * np.cos(x)], axis=-1)


def test_an_analytic_function_is_computed_at_the_nodes_alone():
    """The function itself; poles at +-i give rho = 2.4, and 2.4^-48 = 1e-18."""
    function = Counted(lambda x: 1 / (1 + x**2))
    points = np.random.default_rng(5).uniform(-1.0, 1.0, 1009)
    result = through_nodes(function, points, number=48, tolerance=1e-13)
    assert function.points == 48
    np.testing.assert_allclose(result, np.stack([1 / (1 + points**2), 1e3 * np.cos(points)], axis=-1), rtol=1e-13)


def test_a_function_with_a_corner_is_computed_at_every_point():
    function = Counted(lambda x: np.abs(x - 0.3))
    points = np.linspace(-1.0, 1.0, 211)
    result = through_nodes(function, points, number=48, tolerance=1e-13)
    np.testing.assert_array_equal(result[:, 0], np.abs(points - 0.3))
    assert function.points == 48 + 211


@pytest.mark.parametrize("points", [np.linspace(0.0, 1.0, 5), np.zeros(0), np.full(31, 0.7)])
def test_few_or_equal_points_are_computed_exactly(points):
    function = Counted(np.sqrt)
    np.testing.assert_array_equal(through_nodes(function, points, number=5, tolerance=1e-13)[:, 0], np.sqrt(points))
    assert function.points == min(points.size, 5 if points.size < 31 else 1)


def test_a_function_that_is_not_finite_is_computed_at_every_point():
    """No NaN of one node may spread to the other points."""
    points = np.linspace(-1.0, 1.0, 101)
    with np.errstate(invalid="ignore"):
        result = through_nodes(Counted(np.sqrt), points, number=16, tolerance=1e-8)
    np.testing.assert_array_equal(np.isnan(result[:, 0]), points < 0)


def test_panels_integrate_polynomials_up_to_order_31():
    """x^32 / 32 at the ends."""
    points, weights = panels(np.array([-0.5, 0.25, 2.0]))
    assert points.shape == (32,)
    assert np.sum(weights * points**31) == pytest.approx((2.0**32 - 0.5**32) / 32, rel=1e-14)
    assert np.all(np.diff(points) > 0)
