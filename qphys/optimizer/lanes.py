"""Steps and fading nodes of a pass as few lanes of light, and the part of each step above a lowest elevation."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEAST_SPREAD: Final = 1e-13
"""What is left of a vector, over its length before, that is taken for rounding."""


def gauss_nodes(points: Floats, weights: Floats, *, number: int) -> tuple[Floats, Floats]:
    r"""Few points that sum up a smooth function like many do.

    .. math:: \sum_i w_i f(x_i) = \sum_{k=1}^{n} W_k f(X_k) \quad \text{for polynomials f of degree} \le 2n - 1

    Parameters
    ----------
    points : ndarray
        :math:`x_i`, at least 0, (M,).
    weights : ndarray
        :math:`w_i`, at least 0, not all 0, (M,).
    number : int
        n, at most.

    Returns
    -------
    nodes, weights : ndarray
        X, ascending, and W, positive, (n,); fewer where there are fewer points.

    Notes
    -----
    Gauss's rule of a discrete measure: the Jacobi matrix by Lanczos's recurrence with full reorthogonalisation, nodes and
    weights from its eigenvectors (G. H. Golub, J. H. Welsch, Math. Comp. 23, 221 (1969)).

    Examples
    --------
    >>> nodes, weights = gauss_nodes(np.linspace(0.0, 1.0, 1001), np.full(1001, 1 / 1001), number=2)
    >>> nodes.round(3).tolist(), weights.round(3).tolist()
    ([0.211, 0.789], [0.5, 0.5])
    """
    top, total = float(points.max()) or 1.0, float(weights.sum())
    x = points / top
    vectors = [np.sqrt(weights / total)]
    diagonal, beside = [], []
    while True:
        image = x * vectors[-1]
        diagonal.append(float(vectors[-1] @ image))
        before = float(np.linalg.norm(image))
        for _ in range(2):
            known = np.stack(vectors)
            image = image - (known @ image) @ known
        left = float(np.linalg.norm(image))
        if len(diagonal) == number or left <= LEAST_SPREAD * before:
            break
        beside.append(left)
        vectors.append(image / left)
    nodes, axes = np.linalg.eigh(np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1))
    return top * np.clip(nodes, 0.0, 1.0), total * axes[0] ** 2


def shares(points: Floats, nodes: Floats) -> Floats:
    r"""Lagrange's polynomials of the nodes at the points, which move the weights of points to nodes.

    .. math:: \sum_i w_i f(x_i) = \sum_k \Big( \sum_i w_i L_k(x_i) \Big) f(X_k)
              \quad \text{for polynomials f of degree} \le n - 1

    Parameters
    ----------
    points : ndarray
        x, (M,).
    nodes : ndarray
        X, all different, (n,).

    Returns
    -------
    ndarray
        :math:`L_k(x_i)`, (M, n); each row sums to 1.

    Examples
    --------
    >>> shares(np.array([0.25, 0.5]), np.array([0.0, 1.0])).tolist()
    [[0.75, 0.25], [0.5, 0.5]]
    """
    between = nodes[:, np.newaxis] - nodes + np.eye(len(nodes))
    away = points[:, np.newaxis, np.newaxis] - nodes
    factor = np.where(np.eye(len(nodes), dtype=np.bool_), 1.0, away / between)
    polynomials: Floats = np.prod(factor, axis=-1)
    return polynomials


def widths(elevation: Floats) -> Floats:
    """Change of the elevation over each step, of the last axis."""
    return np.abs(np.gradient(elevation, axis=-1)) if elevation.shape[-1] > 1 else np.ones_like(elevation)


def part_above(elevation: Floats, lowest: Any, width: Floats, *, whole: bool) -> Floats:
    """Part of each step [1] above a lowest elevation; `whole`: all or nothing, by the centre of the step.

    In part, a step that the edge cuts counts by its length above it, so that a search sees no jumps.
    """
    above = elevation - lowest
    if whole:
        return np.where(above >= 0.0, 1.0, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(width > 0.0, above / width + 0.5, np.where(above >= 0.0, 1.0, 0.0))
    part: Floats = np.clip(share, 0.0, 1.0)
    return part
