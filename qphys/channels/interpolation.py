"""Smooth functions of one variable that are wanted at many points and costly at each."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from qphys.stages import Floats


def through_nodes(function: Callable[[Floats], Floats], points: Floats, *, number: int, tolerance: float) -> Floats:
    r"""Values of a smooth function, computed at Chebyshev nodes of the points' range and interpolated.

    .. math:: p(x) = \sum_{k < K} c_k \cos(k \arccos x), \quad
              c_k = \frac{2 - \delta_{k0}}{K} \sum_j f(x_j) \cos(k \theta_j), \quad \theta_j = \frac{\pi (j + 1/2)}{K}

    Parameters
    ----------
    function : callable
        From points, shape (K,), to values, shape (K, M); each point on its own.
    points : ndarray
        Where the values are wanted, shape (T,).
    number : int
        Number of nodes K.
    tolerance : float
        Largest error, absolute where the function stays below 1 and relative to its largest value above.

    Returns
    -------
    ndarray
        Shape (T, M). The function itself is computed at all points where they are no more than the nodes, and where one of
        the last three coefficients exceeds the tolerance: the error of the result is never larger, only its cost.

    Notes
    -----
    Trefethen, *Approximation Theory and Approximation Practice* (2013), chapters 3 and 8: the coefficients fall
    geometrically, the error is about that of the first one left out, and rounding errors do not grow.
    """
    if points.size <= number:
        return function(points)
    low, high = float(np.min(points)), float(np.max(points))
    if low == high:
        return np.repeat(function(points[:1]), points.size, axis=0)
    middle, half = 0.5 * (high + low), 0.5 * (high - low)
    theta = np.pi * (np.arange(number) + 0.5) / number
    order = np.arange(number)
    values = function(middle + half * np.cos(theta))
    coefficients = 2.0 / number * np.cos(order[:, None] * theta) @ values
    coefficients[0] *= 0.5
    size = np.maximum(np.max(np.abs(values), axis=0), 1.0)
    if not np.all(np.abs(coefficients[-3:]) <= tolerance * size):
        return function(points)
    # an end of the range may round to beyond 1
    angle = np.arccos(np.clip((points - middle) / half, -1.0, 1.0))
    return np.asarray(np.cos(angle[:, None] * order) @ coefficients, dtype=np.float64)
