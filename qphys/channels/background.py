"""Light of the sky that a telescope collects."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from qphys.constants import PLANCK, SPEED_OF_LIGHT
from qphys.stages import Floats


def sky_photon_rate(
    radiance: ArrayLike,
    *,
    aperture: ArrayLike,
    obscuration: ArrayLike = 0.0,
    field_of_view: ArrayLike,
    filter_bandwidth: ArrayLike,
    wavelength: ArrayLike,
    optics_transmittance: ArrayLike = 1.0,
) -> Floats:
    r"""Photons of an evenly bright sky behind a receiver's telescope and filter.

    .. math:: N = L\, A\, \Omega\, \Delta\lambda\, T\, \frac{\lambda}{h c}, \qquad
              A = \tfrac{\pi}{4} D^2 (1 - \epsilon^2), \quad \Omega = \tfrac{\pi}{4} \alpha^2

    Parameters
    ----------
    radiance : array_like
        Spectral radiance :math:`L` of the sky, both polarizations [W m^-2 m^-1 sr^-1] (1 W m^-2 um^-1 sr^-1 is 1e6 of it).
    aperture : array_like
        Diameter :math:`D` of the telescope [m].
    obscuration : array_like
        Diameter of its central obscuration over that of the aperture, :math:`\epsilon` [1].
    field_of_view : array_like
        *Full* angle :math:`\alpha` of the field of view [rad], small.
    filter_bandwidth : array_like
        Equivalent width :math:`\Delta\lambda` of the filter [m].
    wavelength : array_like
        Vacuum wavelength :math:`\lambda` [m].
    optics_transmittance : array_like
        From the aperture to the analyser's entrance, :math:`T` [1].

    Returns
    -------
    ndarray
        Rate [1/s], both polarizations together.

    Notes
    -----
    Recommendation ITU-R P.1621, background noise; Er-long et al., New J. Phys. 7, 215 (2005). The sky fills the field of
    view; no star, moon or twilight gradient in it. Not for a single-mode fibre,
    whose :math:`A \Omega` is :math:`\lambda^2`.

    Examples
    --------
    >>> night = dict(aperture=1.0, field_of_view=10e-6, filter_bandwidth=1e-9, wavelength=850e-9)
    >>> round(float(sky_photon_rate(1.5e-3 * 1e6, **night)), 1)
    395.9
    """
    values = (radiance, aperture, obscuration, field_of_view, filter_bandwidth, wavelength, optics_transmittance)
    brightness, diameter, hole, full_angle, width, length, optics = (np.asarray(v, dtype=np.float64) for v in values)
    etendue = 0.25 * np.pi * diameter**2 * (1.0 - hole**2) * 0.25 * np.pi * full_angle**2
    rate = brightness * etendue * width * optics * length / (PLANCK * SPEED_OF_LIGHT)
    return np.asarray(rate, dtype=np.float64)


def single_mode_sky_photon_rate(
    radiance: ArrayLike, *, filter_bandwidth: ArrayLike, wavelength: ArrayLike, optics_transmittance: ArrayLike = 1.0
) -> Floats:
    r"""Photons of an evenly bright sky in a single-mode fibre.

    .. math:: N = L\, \lambda^2\, \Delta\lambda\, T\, \frac{\lambda}{h c}

    Parameters
    ----------
    radiance : array_like
        Spectral radiance :math:`L` of the sky, both polarizations [W m^-2 m^-1 sr^-1].
    filter_bandwidth : array_like
        Equivalent width :math:`\Delta\lambda` of the filter [m].
    wavelength : array_like
        Vacuum wavelength :math:`\lambda` [m].
    optics_transmittance : array_like
        From the aperture to the analyser's entrance without the coupling into the mode, :math:`T` [1].

    Returns
    -------
    ndarray
        Rate [1/s], both polarizations together.

    Notes
    -----
    A mode takes the etendue :math:`A \Omega = \lambda^2` of the sky, whatever the telescope, its obscuration or turbulence
    (Siegman, Proc. IEEE 54, 1350 (1966)): a sky that is evenly bright over the mode's field couples with certainty.

    Examples
    --------
    >>> round(float(single_mode_sky_photon_rate(10.0 * 1e6, filter_bandwidth=1e-9, wavelength=850e-9)))
    30916
    """
    values = (radiance, filter_bandwidth, wavelength, optics_transmittance)
    brightness, width, length, optics = (np.asarray(v, dtype=np.float64) for v in values)
    return np.asarray(brightness * length**3 * width * optics / (PLANCK * SPEED_OF_LIGHT), dtype=np.float64)
