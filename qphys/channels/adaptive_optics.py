"""Adaptive optics mode by mode: what turbulence puts into each Zernike mode, and what a real correction leaves of it."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qphys.channels.quadrature import panels
from qphys.stages import Floats

STRUCTURE_CONSTANT: Final = 6.883877182293812
r"""Of the structure function :math:`6.88\,(\rho/r_0)^{5/3}` [1]: :math:`2\,[\tfrac{24}{5}\Gamma(\tfrac65)]^{5/6}`."""

SPECTRUM_CONSTANT: Final = 0.022895587108555
r"""Of the phase spectrum [1]: :math:`\Phi(f) = 0.0229\, r_0^{-5/3} f^{-11/3}`, f in cycles a metre."""

MAXIMUM_ORDER: Final = 20
"""Largest radial order that is corrected: 231 modes."""


def structure_function(distance: ArrayLike, *, fried_parameter: ArrayLike, outer_scale: float = np.inf) -> Floats:
    r"""Structure function of the phase of a plane wave, with the von Karman outer scale or without.

    .. math:: D(\rho) = 6.884 \left(\frac{\rho}{r_0}\right)^{5/3}, \qquad
              D(\rho) = \frac{2^{1/6}\,\Gamma(11/6)}{\pi^{8/3}} \left[\tfrac{24}{5}\Gamma(\tfrac65)\right]^{5/6}
              \left(\frac{L_0}{r_0}\right)^{5/3} \left[\frac{\Gamma(5/6)}{2^{1/6}} - x^{5/6} K_{5/6}(x)\right],
              \quad x = \frac{2 \pi \rho}{L_0}

    Parameters
    ----------
    distance : array_like
        :math:`\rho` [m].
    fried_parameter : array_like
        :math:`r_0` [m].
    outer_scale : float
        :math:`L_0` [m]; infinite is the Kolmogorov spectrum.

    Returns
    -------
    ndarray
        [rad^2].

    Notes
    -----
    Fried, J. Opt. Soc. Am. 56, 1372 (1966); von Karman form as in Conan, J. Opt. Soc. Am. A 25, 526 (2008). Waves that
    scintillate keep this law for log-amplitude and phase together, which is what mean coupling depends on.
    """
    from scipy.special import gamma, kv

    rho, r0 = np.asarray(distance, dtype=np.float64), np.asarray(fried_parameter, dtype=np.float64)
    if np.isinf(outer_scale):
        return np.asarray(STRUCTURE_CONSTANT * (rho / r0) ** (5 / 3), dtype=np.float64)
    x = 2.0 * np.pi * rho / outer_scale
    limit = gamma(5 / 6) / 2 ** (1 / 6)
    # below 1e-4 the bracket is a difference of equal numbers; of its series the next term is x^(11/3)
    first = gamma(1 / 6) / (2 ** (11 / 6) * (5 / 6)) * x ** (5 / 3) - 1.5 * limit * x**2
    bracket = np.where(x < 1e-4, first, limit - x ** (5 / 6) * kv(5 / 6, np.maximum(x, 1e-300)))
    factor = 2 ** (1 / 6) * gamma(11 / 6) / np.pi ** (8 / 3) * STRUCTURE_CONSTANT / 2.0
    return np.asarray(factor * (outer_scale / r0) ** (5 / 3) * bracket, dtype=np.float64)


def zernike_orders(modes: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Radial and azimuthal orders of the first Zernike modes in Noll's numbering.

    Parameters
    ----------
    modes : int
        Number of modes J, piston included, at least 1.

    Returns
    -------
    radial, azimuthal : ndarray
        n and m of the modes 1 to J, shape (J,). The sign of m tells the parity: positive for the cosine (even index),
        negative for the sine (odd index).

    Notes
    -----
    Noll, J. Opt. Soc. Am. 66, 207 (1976), Table I.

    Examples
    --------
    >>> radial, azimuthal = zernike_orders(6)
    >>> [(int(n), int(m)) for n, m in zip(radial, azimuthal)]
    [(0, 0), (1, 1), (1, -1), (2, 0), (2, -2), (2, 2)]
    """
    index = np.arange(1, modes + 1)
    radial = np.asarray(np.floor((np.sqrt(8.0 * index - 7.0) - 1.0) / 2.0), dtype=np.int64)
    within = index - radial * (radial + 1) // 2 - 1
    azimuthal = (radial % 2) + 2 * ((within + (radial + 1) % 2) // 2)
    return radial, np.asarray(np.where(index % 2 == 0, azimuthal, -azimuthal), dtype=np.int64)


def modal_variance(radial_order: ArrayLike) -> Floats:
    r"""Variance of one Zernike mode of Kolmogorov turbulence over a full aperture.

    .. math:: \sigma_n^2 = 0.7552\,(n+1)\,\frac{\Gamma(n - 5/6)}{\Gamma(n + 23/6)} \left(\frac{D}{r_0}\right)^{5/3}

    Parameters
    ----------
    radial_order : array_like of int
        :math:`n`, at least 1.

    Returns
    -------
    ndarray
        In units of :math:`(D/r_0)^{5/3}` [rad^2].

    Notes
    -----
    Noll (1976). The integral of the phase spectrum over the mode's filter :math:`(n+1)\,[2 J_{n+1}(x)/x]^2`,
    :math:`x = \pi D f` (DLMF 10.22.57). Every mode of one radial order has the same variance.

    Examples
    --------
    >>> [round(float(v), 6) for v in modal_variance([1, 2, 3])]
    [0.448879, 0.023218, 0.006191]
    """
    from scipy.special import gamma, gammaln

    n = np.asarray(radial_order, dtype=np.float64)
    integral = gamma(14 / 3) / (2 ** (14 / 3) * gamma(17 / 6) ** 2) * np.exp(gammaln(n - 5 / 6) - gammaln(n + 23 / 6))
    return np.asarray(8.0 * np.pi ** (8 / 3) * SPECTRUM_CONSTANT * (n + 1.0) * integral, dtype=np.float64)


def noll_residual(corrected_modes: ArrayLike) -> Floats:
    r"""Phase variance over a full aperture when the first Zernike modes are corrected perfectly.

    .. math:: \Delta_J = \tfrac12 \langle D(|r - r'|) \rangle - \sum_{j=2}^{J} \sigma_{n(j)}^2

    Parameters
    ----------
    corrected_modes : array_like of int
        Number J of corrected modes in Noll's numbering, piston included; 1: none but the piston.

    Returns
    -------
    ndarray
        In units of :math:`(D/r_0)^{5/3}` [rad^2].

    Notes
    -----
    Noll (1976); the mean of :math:`|r - r'|^{5/3}` over a disc is exact here, while Noll's printed table is low by 0.24 %
    (:math:`\Delta_1` = 1.0299 for 1.0324). For many modes 0.2944 :math:`J^{-\sqrt 3/2}`.

    Examples
    --------
    >>> [round(float(v), 5) for v in noll_residual([1, 3, 10])]
    [1.03242, 0.13466, 0.04024]
    """
    from scipy.special import beta

    count = np.asarray(corrected_modes, dtype=np.int64)
    # the density of the distance s between two points of a disc of diameter 1 is (16 s / pi) (arccos s - s sqrt(1 - s^2))
    power = 5 / 3
    distance = 16 / np.pi * (beta((power + 3) / 2, 0.5) / (2 * (power + 2)) - 0.5 * beta((power + 3) / 2, 1.5))
    radial, _ = zernike_orders(int(np.max(count, initial=1)))
    removed = np.concatenate([[0.0], np.cumsum(modal_variance(np.maximum(radial[1:], 1)))])
    return np.asarray(0.5 * STRUCTURE_CONSTANT * distance - removed[count - 1], dtype=np.float64)


def greenwood_residual(greenwood_frequency: ArrayLike, bandwidth: ArrayLike) -> Floats:
    r"""Phase variance that a first-order loop leaves of all turbulence over a large aperture.

    .. math:: \sigma^2 = (f_G / f_{3dB})^{5/3}

    Parameters
    ----------
    greenwood_frequency : array_like
        :math:`f_G = 0.4269\, v / r_0` of one layer [Hz].
    bandwidth : array_like
        Frequency :math:`f_{3dB}` at which the loop rejects half the power [Hz].

    Returns
    -------
    ndarray
        [rad^2].

    Notes
    -----
    Greenwood, J. Opt. Soc. Am. 67, 390 (1977). An upper limit for few modes: `loop_residual` is the part of one mode.

    Examples
    --------
    >>> [round(float(v), 3) for v in greenwood_residual(150.0, [100.0, 500.0])]
    [1.966, 0.134]
    """
    ratio = np.asarray(greenwood_frequency, dtype=np.float64) / np.asarray(bandwidth, dtype=np.float64)
    return np.asarray(ratio ** (5 / 3), dtype=np.float64)


def effective_wind(greenwood_frequency: ArrayLike, *, fried_parameter: ArrayLike) -> Floats:
    r"""Speed of the one layer that has this Greenwood frequency, :math:`v = f_G\, r_0 / 0.4269` [m/s].

    Parameters
    ----------
    greenwood_frequency : array_like
        :math:`f_G` [Hz].
    fried_parameter : array_like
        :math:`r_0` [m].

    Returns
    -------
    ndarray
        The mean of :math:`v^{5/3}` over the layers, to the power 3/5 [m/s].
    """
    # the constant that makes the sum of all modes of `loop_residual` equal to Greenwood's law
    constant = (2.0 * np.pi * SPECTRUM_CONSTANT * _loop_integral()) ** 0.6
    return np.asarray(np.asarray(greenwood_frequency) * np.asarray(fried_parameter) / constant, dtype=np.float64)


def effective_height(isoplanatic_angle: ArrayLike, *, fried_parameter: ArrayLike) -> Floats:
    r"""Distance of the one layer that has this isoplanatic angle, :math:`h = 0.314\, r_0 / \theta_0` [m].

    Parameters
    ----------
    isoplanatic_angle : array_like
        :math:`\theta_0` [rad].
    fried_parameter : array_like
        :math:`r_0` [m].

    Returns
    -------
    ndarray
        Along the line of sight [m]. The structure function of the phase at :math:`\theta_0 h` is 1 rad^2.
    """
    ratio = np.asarray(fried_parameter, dtype=np.float64) / np.asarray(isoplanatic_angle, dtype=np.float64)
    return np.asarray(STRUCTURE_CONSTANT ** (-3 / 5) * ratio, dtype=np.float64)


def loop_residual(
    radial_order: ArrayLike, *, wind_speed: ArrayLike, weight: ArrayLike = 1.0, bandwidth: ArrayLike, aperture: float
) -> Floats:
    r"""Variance that a first-order loop leaves of one Zernike mode in frozen turbulence that drifts over the aperture.

    .. math:: \sigma_n^2 = \int_0^\infty 2 \pi f\, \Phi(f)\, (n+1) \left[\frac{2 J_{n+1}(\pi D f)}{\pi D f}\right]^2
              \left[1 - \frac{1}{\sqrt{1 + (f v / f_{3dB})^2}}\right] df

    Parameters
    ----------
    radial_order : array_like of int
        :math:`n`, shape (K,).
    wind_speed : array_like
        Speed :math:`v` of each layer across the line of sight, the slew of the telescope included [m/s], shape (..., L).
    weight : array_like
        Share of each layer in the integral of :math:`C_n^2`, shape (..., L), or 1 for one layer; sums to 1.
    bandwidth : array_like
        Frequency :math:`f_{3dB}` of the error's transfer function :math:`f^2 / (f^2 + f_{3dB}^2)` [Hz].
    aperture : float
        :math:`D` [m].

    Returns
    -------
    ndarray
        In units of :math:`(D/r_0)^{5/3}` [rad^2], shape (..., K).

    Notes
    -----
    The bracket is the mean of the rejected share :math:`f_t^2 / (f_t^2 + f_{3dB}^2)` over the temporal frequencies that a
    spatial frequency f of random direction makes, :math:`f_t = f v \cos\phi`. Exact for Taylor's frozen flow, in the mean
    of the two modes of an azimuthal order; below the cut-off :math:`0.3 (n+1) v/D` of Conan, Rousset and Madec (J. Opt. Soc.
    Am. A 12, 1559 (1995)) it takes the place of their power laws. Summed over all modes it is Greenwood's law.
    """
    speed = np.asarray(wind_speed, dtype=np.float64)
    ratio = speed / (np.asarray(bandwidth, dtype=np.float64) * np.pi * aperture)

    def rejected(x: Floats) -> Floats:
        square = (ratio[..., None] * x) ** 2
        root = np.sqrt(1.0 + square)
        # 1 - 1/root without the difference of equal numbers
        return np.asarray(square / (root * (1.0 + root)), dtype=np.float64)

    return _layered(radial_order, rejected(_nodes()[0]), weight)


def shift_residual(radial_order: ArrayLike, *, shift: ArrayLike, weight: ArrayLike = 1.0, aperture: float) -> Floats:
    r"""Variance of the difference of one Zernike mode over two apertures that a layer sees beside each other.

    .. math:: \sigma_n^2 = \int_0^\infty 2 \pi f\, \Phi(f)\, (n+1) \left[\frac{2 J_{n+1}(\pi D f)}{\pi D f}\right]^2
              2\,[1 - J_0(2 \pi f s)]\, df

    Parameters
    ----------
    radial_order : array_like of int
        :math:`n`, shape (K,).
    shift : array_like
        Distance :math:`s` of the two footprints in each layer [m], shape (..., L): distance times angle for a correction
        that was measured in another direction, speed times delay for one that comes too late.
    weight : array_like
        Share of each layer in the integral of :math:`C_n^2`, shape (..., L), or 1 for one layer; sums to 1.
    aperture : float
        :math:`D` [m].

    Returns
    -------
    ndarray
        In units of :math:`(D/r_0)^{5/3}` [rad^2], shape (..., K); from 0 to twice the variance of the mode.

    Notes
    -----
    Exact in the mean of the two modes of an azimuthal order (Valley and Wandzura, J. Opt. Soc. Am. 69, 712 (1979), for the
    covariances). Summed over all modes of a large aperture it is :math:`D_\phi(s)`, which is
    :math:`(\theta/\theta_0)^{5/3}` for an angle. Above :math:`\sigma_n^2` the correction does harm.
    """
    from scipy.special import j0

    ratio = np.asarray(shift, dtype=np.float64) * 2.0 / aperture
    return _layered(radial_order, 2.0 * (1.0 - j0(ratio[..., None] * _nodes()[0])), weight)


def noise_residual(radial_order: ArrayLike, *, total_rms: float) -> Floats:
    r"""Variance that measurement noise leaves in each corrected mode, of a given sum.

    .. math:: \sigma_j^2 \propto (n_j + 1)^{-2}, \qquad \sum_j \sigma_j^2 = \sigma_{noise}^2

    Parameters
    ----------
    radial_order : array_like of int
        :math:`n` of each corrected mode, without the piston, shape (K,).
    total_rms : float
        :math:`\sigma_{noise}` over all corrected modes, after the loop [rad].

    Returns
    -------
    ndarray
        [rad^2], shape (K,).

    Notes
    -----
    A slope sensor propagates white noise to the modes as :math:`(n+1)^{-2}` (Rigaut and Gendron, Astron. Astrophys. 261,
    677 (1992)). The total is an input: it depends on the sensor, its light and the loop's gain.
    """
    share = (np.asarray(radial_order, dtype=np.float64) + 1.0) ** -2
    return np.asarray(total_rms**2 * share / np.sum(share) if share.size else share, dtype=np.float64)


def _loop_integral() -> float:
    r"""Of :math:`x^{-8/3} [1 - (1 + x^2)^{-1/2}]` from 0 to infinity, by parts and the beta function."""
    from scipy.special import beta

    return float(0.6 * 0.5 * beta(1 / 6, 4 / 3))


def _nodes() -> tuple[Floats, Floats]:
    """Points of x = pi D f and their weights in an integral; cubed, which makes x^(1/3) at the origin a polynomial."""
    u, weights = panels(np.linspace(0.0, np.cbrt(160.0), 161))
    return u**3, weights * 3.0 * u**2


def _layered(radial_order: ArrayLike, kept: Floats, weight: ArrayLike) -> Floats:
    """Integral of the modes' spectra over the share that is kept, (..., L, X), summed over the layers."""
    from scipy.special import jv

    x, weights = _nodes()
    n = np.asarray(radial_order, dtype=np.float64)
    filters = jv(n[:, None] + 1.0, x) ** 2 * x ** (-14 / 3) * weights * (n[:, None] + 1.0)
    layers = 8.0 * np.pi ** (8 / 3) * SPECTRUM_CONSTANT * kept @ filters.T
    return np.asarray(np.sum(layers * np.asarray(weight, dtype=np.float64)[..., None], axis=-2), dtype=np.float64)
