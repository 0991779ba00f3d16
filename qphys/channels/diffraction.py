"""Share of the emitted light that falls into the receiving aperture: Gaussian far field, or diffraction of an aperture."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from qphys.stages import Floats

MAXIMUM_PRODUCT: Final = 300.0
"""Largest k a_t a_r / L that the diffraction integral is computed for; beyond lies the near field."""

_STEPS_AT_ONCE: Final = 1024


def gaussian_share(beam_radius: ArrayLike, *, aperture: ArrayLike, obscuration: ArrayLike = 0.0) -> Floats:
    r"""Share of a centred Gaussian beam in an annular aperture.

    .. math:: \eta = e^{-2 \epsilon^2 a^2 / w^2} - e^{-2 a^2 / w^2}, \quad a = D/2

    Exact for any ratio of aperture and beam: the small-aperture limit :math:`2 a^2 (1 - \epsilon^2) / w^2` is never used.

    Parameters
    ----------
    beam_radius : array_like
        Radius :math:`w` at which the intensity has fallen to 1/e^2 [m].
    aperture : array_like
        Diameter :math:`D` of the receiving aperture [m].
    obscuration : array_like
        Diameter of its central obscuration over that of the aperture, :math:`\epsilon` [1].

    Returns
    -------
    ndarray
        Intensity transmittance [1].

    Notes
    -----
    Siegman, *Lasers* (1986), section 17.1. A beam of far-field half-angle :math:`\theta` (1/e^2) has :math:`w = \theta L` at
    ranges far beyond its Rayleigh distance.

    Examples
    --------
    >>> round(float(-10 * np.log10(gaussian_share(7.41e-6 * 1.2e6, aperture=1.0))), 2)
    22.0
    """
    exponent = 0.5 * np.square(np.asarray(aperture, dtype=np.float64) / np.asarray(beam_radius, dtype=np.float64))
    hole = np.square(np.asarray(obscuration, dtype=np.float64))
    # expm1: at 1e-8 and below the difference of the two exponentials has lost half of its digits
    return np.asarray(-np.exp(-exponent * hole) * np.expm1(-exponent * (1.0 - hole)), dtype=np.float64)


def aperture_share(
    distance: ArrayLike,
    *,
    wavelength: float,
    transmitter_aperture: float,
    transmitter_obscuration: float = 0.0,
    waist_ratio: float = float("nan"),
    receiver_aperture: float,
    receiver_obscuration: float = 0.0,
) -> Floats:
    r"""Share of the light leaving a collimated, obscured aperture that falls into a centred annular aperture.

    The Fresnel integral over the sending aperture, squared and summed over the receiving one:

    .. math:: U(\rho) = \frac{k}{L} \int_{\epsilon a}^{a} A(r)\, e^{i k r^2 / 2L} J_0\!\left(\frac{k r \rho}{L}\right) r\,dr,
              \qquad \eta = \frac{\int |U|^2 \rho\,d\rho}{\int A^2 r\,dr}

    with :math:`A = e^{-r^2/w_0^2}` (truncated Gaussian) or 1 (uniform). With uniform illumination, where
    :math:`k a^2 / 2L` is small, this is the encircled energy of the Airy pattern, :math:`1 - J_0^2(v) - J_1^2(v)`,
    :math:`v = k a_t a_r / L`.

    Parameters
    ----------
    distance : array_like
        Range :math:`L` [m].
    wavelength : float
        Vacuum wavelength [m].
    transmitter_aperture, receiver_aperture : float
        Diameters [m].
    transmitter_obscuration, receiver_obscuration : float
        Diameters of the central obscurations over those of the apertures [1].
    waist_ratio : float
        Radius 1/e^2 of the illumination over the radius of the sending aperture, :math:`w_0 / a` [1]; NaN: uniform.

    Returns
    -------
    ndarray
        Intensity transmittance [1], relative to the light that *leaves* the sending aperture: what the aperture's edge and
        obscuration cut off is a loss of the transmitter's optics (`transmitted_share`).

    Raises
    ------
    ValueError
        Where :math:`v` exceeds 300: the receiver is in the near field.

    Notes
    -----
    Klein and Degnan, Appl. Opt. 13, 2134 (1974), for the far field; Goodman, *Introduction to Fourier Optics*, section 4.2,
    for the integral. Scalar, paraxial, an ideal wavefront: a real telescope is worse (Micius: 2.8 times wider), so where a
    paper prints its far-field beam, use that.
    """
    distances = np.atleast_1d(np.asarray(distance, dtype=np.float64))
    wavenumber = 2.0 * np.pi / wavelength
    sender, receiver = transmitter_aperture / 2.0, receiver_aperture / 2.0
    nearest = float(np.min(distances, initial=np.inf))
    product = wavenumber * sender * max(sender, receiver) / nearest
    if product > MAXIMUM_PRODUCT:
        raise ValueError(f"k a b / L = {product:.0f} at a range of {nearest:g} m; up to {MAXIMUM_PRODUCT:.0f} is computed")
    from scipy.special import j0

    # in the squares of the radii all integrands are entire functions: Gauss-Legendre converges faster than any power
    number = 24 + int(np.ceil(product))
    squares, square_weights = _legendre(number, (transmitter_obscuration * sender) ** 2, sender**2)
    targets, target_weights = _legendre(number, (receiver_obscuration * receiver) ** 2, receiver**2)
    field = _illumination(squares / sender**2, waist_ratio) * square_weights / 2.0
    emitted = float(np.sum(_illumination(squares / sender**2, waist_ratio) ** 2 * square_weights) / 2.0)
    radii = np.sqrt(squares) * np.sqrt(targets)[:, None]
    share = np.empty(distances.shape)
    for first in range(0, distances.size, _STEPS_AT_ONCE):
        rate = (wavenumber / distances[first : first + _STEPS_AT_ONCE])[:, None]
        curved = field * np.exp(0.5j * rate * squares)
        amplitude = rate * np.einsum("tpr,tr->tp", j0(rate[..., None] * radii), curved)
        share[first : first + _STEPS_AT_ONCE] = np.sum(np.abs(amplitude) ** 2 * target_weights, axis=-1) / (2.0 * emitted)
    return share.reshape(np.shape(distance))


def transmitted_share(waist_ratio: ArrayLike, *, obscuration: ArrayLike = 0.0) -> Floats:
    r"""Share of a Gaussian beam that passes the annular aperture it is sent through.

    .. math:: e^{-2 \epsilon^2 a^2 / w_0^2} - e^{-2 a^2 / w_0^2}

    Parameters
    ----------
    waist_ratio : array_like
        Radius 1/e^2 of the beam over the radius of the aperture, :math:`w_0 / a` [1].
    obscuration : array_like
        Diameter of the central obscuration over that of the aperture [1].

    Returns
    -------
    ndarray
        Intensity transmittance [1]: a factor of the transmitter's optics where photons are counted before the telescope.
    """
    return gaussian_share(waist_ratio, aperture=2.0, obscuration=obscuration)


def equivalent_half_angle(
    wavelength: float, *, aperture: float, obscuration: float = 0.0, waist_ratio: float = float("nan")
) -> float:
    r"""Half-angle 1/e^2 of the Gaussian that has the curvature of an aperture's far field on its axis.

    .. math:: \theta = \frac{2}{k \sqrt{\langle r^2 \rangle}}, \quad
              \langle r^2 \rangle = \frac{\int A\, r^3 dr}{\int A\, r\,dr}

    Parameters
    ----------
    wavelength : float
        Vacuum wavelength [m].
    aperture : float
        Diameter of the sending aperture [m].
    obscuration : float
        Diameter of its central obscuration over that of the aperture [1].
    waist_ratio : float
        Radius 1/e^2 of the illumination over the radius of the aperture [1]; NaN: uniform.

    Returns
    -------
    float
        Half-angle [rad]. Uniform and unobscured: :math:`\sqrt 8 / (k a) = 0.900\,\lambda / D`.

    Notes
    -----
    Serves the pointing loss only, whose law is that of a Gaussian beam: it holds for pointing errors well inside the main
    lobe. The intensity is expanded on the axis, :math:`|U|^2 \propto 1 - k^2 \theta^2 \langle r^2 \rangle / 2`.
    """
    radius = aperture / 2.0
    squares, weights = _legendre(48, obscuration**2, 1.0)
    field = _illumination(squares, waist_ratio) * weights
    mean_square = radius**2 * float(np.sum(field * squares) / np.sum(field))
    return float(wavelength / (np.pi * np.sqrt(mean_square)))


def _illumination(square: Floats, waist_ratio: float) -> Floats:
    """Amplitude over the sending aperture at the square of the radius (in units of the aperture's)."""
    return np.ones_like(square) if np.isnan(waist_ratio) else np.exp(-square / waist_ratio**2)


def _legendre(number: int, lower: float, upper: float) -> tuple[Floats, Floats]:
    nodes, weights = np.polynomial.legendre.leggauss(number)
    half = (upper - lower) / 2.0
    return lower + half * (nodes + 1.0), weights * half
