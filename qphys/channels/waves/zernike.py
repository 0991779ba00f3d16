"""Zernike modes in Noll's order, and what Kolmogorov turbulence puts into them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from qphys.channels.adaptive_optics import SPECTRUM_CONSTANT, zernike_orders
from qphys.errors import UserError
from qphys.stages import Floats


def zernike(mode: int, *, radius: ArrayLike, angle: ArrayLike) -> Floats:
    r"""Value of a Zernike mode, of mean square 1 over the unit disc.

    Parameters
    ----------
    mode : int
        Noll's number :math:`j`.
    radius, angle : array_like
        Polar coordinates, the radius in units of the pupil's; the polynomial is continued outside it.

    Returns
    -------
    ndarray
        :math:`Z_j` [1].

    Notes
    -----
    Noll (1976), equations of :math:`Z_j` and :math:`R_n^m`.
    """
    n, signed = _orders(mode)
    m = abs(signed)
    r, a = np.broadcast_arrays(np.asarray(radius, dtype=np.float64), np.asarray(angle, dtype=np.float64))
    radial = np.zeros(r.shape)
    for s in range((n - m) // 2 + 1):
        size = math.comb(n - s, s) * math.comb(n - 2 * s, (n - m) // 2 - s)
        radial = radial + (-1.0) ** s * size * r ** (n - 2 * s)
    turn = 1.0 if m == 0 else math.sqrt(2.0) * (np.cos(m * a) if signed > 0 else np.sin(m * a))
    return np.asarray(math.sqrt(n + 1.0) * radial * turn, dtype=np.float64)


def noll_covariance(first: int, second: int) -> float:
    r"""Covariance of two Zernike coefficients in Kolmogorov turbulence, for :math:`D = r_0`.

    .. math:: \langle a_j a_{j'} \rangle = (-1)^{(n-n')/2}\, 8 \pi\, 0.0229\, \pi^{5/3} \sqrt{(n+1)(n'+1)}
              \int_0^\infty x^{-14/3} J_{n+1}(x) J_{n'+1}(x)\,dx

    for modes of equal azimuthal order and kind; all others have none.

    Parameters
    ----------
    first, second : int
        Noll's numbers from 2 on.

    Returns
    -------
    float
        [rad^2]; times :math:`(D/r_0)^{5/3}`.

    Notes
    -----
    Noll (1976); the integral is of Weber and Schafheitlin (DLMF 10.22.57). The variances alone are
    `qphys.channels.adaptive_optics.modal_variance`.
    """
    if min(first, second) < 2:
        raise UserError(f"modes: {first} and {second}; piston has no finite variance, modes from 2 on are allowed")
    (n, m), (other, other_m) = _orders(first), _orders(second)
    if m != other_m:
        return 0.0
    power = 14 / 3
    integral = math.gamma(power) * math.gamma((n + other + 3 - power) / 2)
    for argument in (other - n + power + 1, n + other + power + 3, n - other + power + 1):
        integral /= math.gamma(argument / 2)
    size = 8.0 * math.pi ** (8 / 3) * SPECTRUM_CONSTANT / 2.0**power
    return float((-1.0) ** abs((n - other) // 2) * size * math.sqrt((n + 1) * (other + 1)) * integral)


def _orders(mode: int) -> tuple[int, int]:
    if mode < 1:
        raise UserError(f"mode: {mode}; Noll's numbers begin with 1")
    radial, azimuthal = zernike_orders(mode)
    return int(radial[-1]), int(azimuthal[-1])
