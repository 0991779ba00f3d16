"""Gauss-Legendre quadrature over panels."""

from __future__ import annotations

import numpy as np

from qphys.stages import Floats

_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(16)


def panels(edges: Floats) -> tuple[Floats, Floats]:
    """Points and weights of Gauss-Legendre quadrature with 16 points between each edge and the next.

    Parameters
    ----------
    edges : ndarray
        Ends of the panels, ascending, shape (P + 1,).

    Returns
    -------
    points, weights : ndarray
        Each of shape (16 P,); exact for polynomials up to order 31 on each panel.
    """
    half = np.diff(edges)[:, None] / 2.0
    return (edges[:-1, None] + half * (_POINTS + 1.0)).ravel(), (half * _WEIGHTS).ravel()
