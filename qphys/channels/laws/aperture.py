"""What a circular aperture catches of a Gaussian beam beside its centre, exactly and by the Weibull approximation."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from qphys.stages import Floats

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)
_LARGEST_LOGARITHM: Final = 745.0


def log_captured_share(offset: ArrayLike, beam_radius: ArrayLike, *, aperture_radius: ArrayLike) -> Floats:
    r"""Logarithm of the share of a Gaussian beam that an aperture catches whose centre lies beside the beam's.

    .. math:: \eta(r) = 1 - Q_1\!\left(\frac{2r}{W}, \frac{2a}{W}\right)
              = \int_0^{2a/W} t\, e^{-(t^2 + 4r^2/W^2)/2}\, I_0\!\left(\frac{2rt}{W}\right) dt

    Parameters
    ----------
    offset : array_like
        Distance :math:`r` of beam and aperture [m].
    beam_radius : array_like
        Radius :math:`W` at which the intensity has fallen to 1/e^2 [m].
    aperture_radius : array_like
        :math:`a` [m].

    Returns
    -------
    ndarray
        :math:`\ln \eta` [1].

    Notes
    -----
    Marcum's Q function: the distance of a Gaussian point from a centre r away. Gauss-Legendre quadrature of a positive
    integrand where it is not negligible, its largest exponential taken out: 1e-12 of :math:`\eta` however small that is.
    """
    from scipy.special import i0e

    r, w, a = np.broadcast_arrays(*(np.asarray(value, dtype=np.float64) for value in (offset, beam_radius, aperture_radius)))
    far, edge = (2.0 * np.abs(r) / w)[..., None], (2.0 * a / w)[..., None]
    beyond = np.maximum(far - edge, 0.0)
    # exp(-40) of the integrand is left at the ends
    low = np.maximum(far - np.hypot(beyond, 9.0), 0.0)
    high = np.minimum(edge, far + 9.0)
    t = low + 0.5 * (high - low) * (1.0 + _NODES)
    weights = 0.5 * (high - low) * _WEIGHTS
    total = np.sum(weights * t * np.exp(-0.5 * ((t - far) ** 2 - beyond**2)) * i0e(t * far), axis=-1)
    return np.asarray(np.minimum(np.log(total) - 0.5 * beyond[..., 0] ** 2, 0.0), dtype=np.float64)


def captured_share(offset: ArrayLike, beam_radius: ArrayLike, *, aperture_radius: ArrayLike) -> Floats:
    """Share of a Gaussian beam that an aperture catches whose centre lies beside the beam's; as `log_captured_share`.

    Examples
    --------
    >>> round(float(captured_share(0.0, 1.0, aperture_radius=1.0)), 6)
    0.864665
    """
    return np.asarray(np.exp(log_captured_share(offset, beam_radius, aperture_radius=aperture_radius)))


def weibull_shape(argument: ArrayLike) -> tuple[Floats, Floats, Floats]:
    r"""Functions that the Weibull approximation of the captured share is made of.

    .. math:: Q = 1 - e^{-q} I_0(q), \qquad \Lambda = \ln\frac{2 (1 - e^{-q/2})}{Q}, \qquad
              \ell = \frac{2 q e^{-q} I_1(q)}{Q \Lambda}

    Parameters
    ----------
    argument : array_like
        :math:`q = 4 a^2 / W^2` [1], above 0.

    Returns
    -------
    logarithm, exponent, complement : ndarray
        :math:`\Lambda, \ell, Q` [1]. The share is :math:`(1 - e^{-q/2})\,e^{-\Lambda (r/a)^\ell}`.

    Notes
    -----
    Vasylyev, Semenov and Vogel, Phys. Rev. Lett. 108, 220501 (2012), with their shape :math:`\ell` and scale
    :math:`R = a \Lambda^{-1/\ell}`. For small q the differences are taken term by term in the series of
    :math:`{}_1F_1(\frac12; 1; -2q)`; their limit is :math:`\Lambda = q/2`, :math:`\ell = 2`.
    """
    from scipy.special import i0e, i1e

    q = np.asarray(argument, dtype=np.float64)
    small = np.minimum(q, 1.0)
    # Q / q and (2 eta_0 - Q) / q^2
    complement, excess = np.zeros(q.shape), np.zeros(q.shape)
    term, exponential = np.ones(q.shape), np.ones(q.shape)
    for k in range(1, 26):
        term = term * (-2.0 * (k - 0.5) / k**2)
        exponential = exponential * (-0.5 / k)
        power = small ** (k - 1)
        complement -= term * power
        if k > 1:
            excess += (term - 2.0 * exponential) * small ** (k - 2)
    near = np.log1p(small * excess / complement)
    big = np.maximum(q, 1.0)
    rest = 1.0 - i0e(big)
    far = np.log(-2.0 * np.expm1(-0.5 * big) / rest)
    full = np.where(q < 1.0, small * complement, rest)
    logarithm = np.where(q < 1.0, near, far)
    return logarithm, np.asarray(2.0 * q * i1e(q) / (full * logarithm)), full
