r"""What a path through turbulence amounts to: coherence, angles, rates and strength, each an integral over the profile.

All assume a Kolmogorov spectrum and a plane atmosphere, in which a path at elevation e is the height over sin e long.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike

from qphys.channels.profiles import PROFILE_TOP, Air, Layers, wind_speed
from qphys.channels.quadrature import panels
from qphys.stages import Floats

MINIMUM_ELEVATION: Final = np.deg2rad(15.0)
"""Elevation above which the plane atmosphere (path = height / sin elevation) holds for these integrals [rad]."""


def heights(profile: Air, *, edges: tuple[float, ...] = ()) -> tuple[Floats, Floats]:
    """Quadrature over a profile.

    Parameters
    ----------
    profile : Structure or Layers
        The edges of a structure are kept between panels; layers are returned as they are.
    edges : tuple of float
        Further heights to keep between panels [m].

    Returns
    -------
    height, strength : ndarray
        Heights [m] and the structure constant times the weight of each [m^(1/3)], shape (L,): the sum of the strengths times
        a smooth function of the height is its integral over the profile.

    Notes
    -----
    Gauss-Legendre panels in the cube root of the height, since profiles vary within 100 m at the ground and integrands grow
    as its powers 5/6 and 5/3. Good to 1e-9 for the formulas.
    """
    if isinstance(profile, Layers):
        return profile.height, profile.strength
    kept = np.cbrt([h for h in (*profile.edges, *edges) if 0.0 < h < PROFILE_TOP]) / np.cbrt(PROFILE_TOP)
    x, weights = panels(np.unique(np.concatenate([np.linspace(0.0, 1.0, 11), kept])))
    height = PROFILE_TOP * x**3
    return height, weights * 3.0 * PROFILE_TOP * x**2 * profile.structure_constant(height)


def moment(profile: Air, power: float) -> float:
    r"""Moment of the profile, :math:`\mu_p = \int C_n^2(h)\, h^p\, dh` [m^(p + 1/3)]."""
    height, strength = heights(profile)
    return float(np.sum(strength * height**power))


def fried_parameter(
    profile: Air,
    elevation: ArrayLike,
    *,
    wavelength: ArrayLike,
    satellite_height: ArrayLike = np.inf,
    end: Literal["ground", "satellite"] = "ground",
) -> Floats:
    r"""Diameter over which a wave stays coherent.

    .. math:: r_0 = \left[0.423\, \frac{k^2}{\sin e} \int C_n^2(h)\, w(h)\, dh\right]^{-3/5}, \qquad
              w = \left(1 - \frac{h}{H}\right)^{5/3} \text{ at the ground, } \left(\frac{h}{H}\right)^{5/3} \text{ in space}

    Parameters
    ----------
    profile : Structure or Layers
        Of the turbulence.
    elevation : array_like
        :math:`e` [rad], from 15 degrees.
    wavelength : array_like
        Vacuum wavelength [m], :math:`k = 2 \pi / \lambda`.
    satellite_height : array_like
        Height :math:`H` of the other end [m]; infinite for a plane wave.
    end : {"ground", "satellite"}
        Where the wave is looked at. At the ground it is the one of a downlink from a satellite and, by reciprocity, the one
        that sets the spread and wander of an uplink; at the satellite it is that of light that an uplink brings there.

    Returns
    -------
    ndarray
        [m], broadcast; infinite without turbulence.

    Notes
    -----
    Fried, J. Opt. Soc. Am. 56, 1372 (1966); Andrews and Phillips (2005), chapter 12. Long exposure, inertial range: with an
    outer scale :math:`L_0` of tens of metres images are sharper than this tells by about
    :math:`1 - 2.2 (r_0/L_0)^{0.36}` under the root (Tokovinin, PASP 114, 1156 (2002)).

    Examples
    --------
    >>> from qphys.channels.profiles import HufnagelValley
    >>> hv57 = HufnagelValley(kind="hufnagel-valley", rms_wind_m_per_s=21.0, ground_cn2=1.7e-14)
    >>> round(float(fried_parameter(hv57, np.pi / 2, wavelength=500e-9)), 4)
    0.0496
    """
    height, strength = heights(profile)
    share = height / np.asarray(satellite_height, dtype=np.float64)[..., None]
    weight = (np.clip(1.0 - share, 0.0, None) if end == "ground" else share) ** (5 / 3)
    return _minus_three_fifths(0.423 * _wavenumber(wavelength) ** 2 * _slant(elevation) * np.sum(strength * weight, axis=-1))


def isoplanatic_angle(profile: Air, elevation: ArrayLike, *, wavelength: ArrayLike) -> Floats:
    r"""Angle between two directions over which the wavefront changes by 1 rad rms.

    .. math:: \theta_0 = \left[2.914\, k^2 (\sin e)^{-8/3} \int C_n^2(h)\, h^{5/3}\, dh\right]^{-3/5}

    Parameters
    ----------
    profile : Structure or Layers
        Of the turbulence.
    elevation : array_like
        :math:`e` [rad], from 15 degrees.
    wavelength : array_like
        Vacuum wavelength [m].

    Returns
    -------
    ndarray
        [rad], broadcast; infinite without turbulence.

    Notes
    -----
    Fried, J. Opt. Soc. Am. 72, 52 (1982). All modes, tilt included, on an infinite aperture: for a finite one the difference
    of the wavefronts saturates, so that :math:`(\theta / \theta_0)^{5/3}` is too large above 1 rad^2.
    """
    return _minus_three_fifths(2.914 * _wavenumber(wavelength) ** 2 * _slant(elevation) ** (8 / 3) * moment(profile, 5 / 3))


def rytov_variance(
    profile: Air, elevation: ArrayLike, *, wavelength: ArrayLike, satellite_height: ArrayLike = np.inf
) -> Floats:
    r"""Rytov variance: the scintillation index of a point receiver in weak turbulence.

    .. math:: \sigma_R^2 = 2.25\, k^{7/6} (\sin e)^{-11/6} \int C_n^2(h) \left[h \left(1 - \frac{h}{H}\right)\right]^{5/6} dh

    Parameters
    ----------
    profile : Structure or Layers
        Of the turbulence.
    elevation : array_like
        :math:`e` [rad], from 15 degrees.
    wavelength : array_like
        Vacuum wavelength [m].
    satellite_height : array_like
        Height :math:`H` of the other end [m]; infinite for a plane wave.

    Returns
    -------
    ndarray
        [1], broadcast. A spherical wave has the same in both directions: the ground's light seen in space, and back.

    Notes
    -----
    Andrews and Phillips (2005), chapter 12; Recommendation ITU-R P.1622 (constant 2.253 there, which is exact). It is the
    index up to about 1; beyond, the index saturates. An uplink beam whose waist is not small against :math:`r_0` wanders and
    breaks up: its index is 0.6 to 1.6 where this is 0.13.
    """
    height, strength = heights(profile)
    share = height / np.asarray(satellite_height, dtype=np.float64)[..., None]
    integral = np.sum(strength * (height * np.clip(1.0 - share, 0.0, None)) ** (5 / 6), axis=-1)
    return np.asarray(2.25 * _wavenumber(wavelength) ** (7 / 6) * _slant(elevation) ** (11 / 6) * integral)


def greenwood_frequency(
    profile: Air,
    elevation: ArrayLike,
    *,
    wavelength: ArrayLike,
    ground_wind: ArrayLike,
    slew_rate: ArrayLike = 0.0,
) -> Floats:
    r"""Bandwidth at which a loop that follows the wavefront is left with 1 rad rms.

    .. math:: f_G = 2.31\, \lambda^{-6/5} \left[\frac{1}{\sin e} \int C_n^2(h)\, v(h)^{5/3}\, dh\right]^{3/5}

    Parameters
    ----------
    profile : Structure or Layers
        Of the turbulence.
    elevation : array_like
        :math:`e` [rad], from 15 degrees.
    wavelength : array_like
        Vacuum wavelength [m].
    ground_wind, slew_rate : array_like
        Of the wind :math:`v` (`profiles.wind_speed`) [m/s], [rad/s].

    Returns
    -------
    ndarray
        [Hz], broadcast. The residual phase variance of a loop of bandwidth :math:`f_3` is :math:`(f_G/f_3)^{5/3}`.

    Notes
    -----
    Greenwood, J. Opt. Soc. Am. 67, 390 (1977). Frozen flow.
    """
    variance = _wind_moment(profile, elevation, 5 / 3, ground_wind=ground_wind, slew_rate=slew_rate)
    return np.asarray(2.31 * np.asarray(wavelength, dtype=np.float64) ** (-6 / 5) * variance ** (3 / 5))


def coherence_time(
    profile: Air,
    elevation: ArrayLike,
    *,
    wavelength: ArrayLike,
    ground_wind: ArrayLike,
    slew_rate: ArrayLike = 0.0,
) -> Floats:
    r"""Time in which the wavefront changes by 1 rad rms.

    .. math:: \tau_0 = \left[2.914\, \frac{k^2}{\sin e} \int C_n^2(h)\, v(h)^{5/3}\, dh\right]^{-3/5}

    Parameters
    ----------
    profile : Structure or Layers
        Of the turbulence.
    elevation : array_like
        :math:`e` [rad], from 15 degrees.
    wavelength : array_like
        Vacuum wavelength [m].
    ground_wind, slew_rate : array_like
        Of the wind :math:`v` (`profiles.wind_speed`) [m/s], [rad/s].

    Returns
    -------
    ndarray
        [s], broadcast; :math:`0.134 / f_G`. Of the phase, not of the received power (`temporal.correlation_time`).

    Notes
    -----
    Roddier, Prog. Opt. 19, 281 (1981). Frozen flow.
    """
    variance = _wind_moment(profile, elevation, 5 / 3, ground_wind=ground_wind, slew_rate=slew_rate)
    return _minus_three_fifths(2.914 * _wavenumber(wavelength) ** 2 * variance)


def tilt_frequency(
    profile: Air,
    elevation: ArrayLike,
    *,
    wavelength: ArrayLike,
    aperture: ArrayLike,
    ground_wind: ArrayLike,
    slew_rate: ArrayLike = 0.0,
) -> Floats:
    r"""Bandwidth at which a loop that follows the tilt is left with an error of :math:`\lambda/D` rms per axis.

    .. math:: f_T = 0.331\, D^{-1/6} \lambda^{-1} \left[\frac{1}{\sin e} \int C_n^2(h)\, v(h)^2\, dh\right]^{1/2}

    Parameters
    ----------
    profile : Structure or Layers
        Of the turbulence.
    elevation : array_like
        :math:`e` [rad], from 15 degrees.
    wavelength : array_like
        Vacuum wavelength [m].
    aperture : array_like
        Diameter :math:`D` [m].
    ground_wind, slew_rate : array_like
        Of the wind :math:`v` (`profiles.wind_speed`) [m/s], [rad/s].

    Returns
    -------
    ndarray
        [Hz], broadcast. The residual tilt of a loop of bandwidth :math:`f_3` is :math:`(f_T/f_3)(\lambda/D)` rms per axis.

    Notes
    -----
    Tyler, J. Opt. Soc. Am. A 11, 358 (1994), gradient tilt, loop of first order, frozen flow: the second
    moment of the spectrum of tilt.
    """
    variance = _wind_moment(profile, elevation, 2.0, ground_wind=ground_wind, slew_rate=slew_rate)
    diameter, length = np.asarray(aperture, dtype=np.float64), np.asarray(wavelength, dtype=np.float64)
    return np.asarray(0.331 * diameter ** (-1 / 6) / length * np.sqrt(variance))


def tilt_variance(wavelength: ArrayLike, *, aperture: ArrayLike, fried_parameter: ArrayLike) -> Floats:
    r"""Variance of the tilt of the wavefront over an aperture, per axis.

    .. math:: \langle\alpha^2\rangle = 0.18192 \left(\frac{\lambda}{D}\right)^2 \left(\frac{D}{r_0}\right)^{5/3}

    Parameters
    ----------
    wavelength : array_like
        Vacuum wavelength [m]; it cancels against that of :math:`r_0`.
    aperture : array_like
        Diameter :math:`D` [m].
    fried_parameter : array_like
        :math:`r_0` at the wavelength [m].

    Returns
    -------
    ndarray
        [rad^2], broadcast.

    Notes
    -----
    Zernike tilt (Noll 1976; exactly :math:`(4/\pi^2)` times his 0.44888). No outer scale: one of 20 m takes half of it off
    at D = 1 m (`temporal.tilt_spectrum`).
    """
    length, diameter = np.asarray(wavelength, dtype=np.float64), np.asarray(aperture, dtype=np.float64)
    strength = (diameter / np.asarray(fried_parameter, dtype=np.float64)) ** (5 / 3)
    return np.asarray(0.18192 * (length / diameter) ** 2 * strength)


def horizontal_fried_parameter(
    cn2: ArrayLike, length: ArrayLike, *, wavelength: ArrayLike, wave: Literal["plane", "spherical"]
) -> Floats:
    r"""Fried parameter of a path of constant turbulence.

    .. math:: r_0 = \left[0.423\, k^2 C_n^2 L\, q\right]^{-3/5}, \qquad q = 1 \text{ (plane)}, \ 3/8 \text{ (spherical)}

    Parameters
    ----------
    cn2 : array_like
        Structure constant :math:`C_n^2` [m^(-2/3)].
    length : array_like
        :math:`L` [m].
    wavelength : array_like
        Vacuum wavelength [m].
    wave : {"plane", "spherical"}
        The wave at the sender.

    Returns
    -------
    ndarray
        [m], broadcast; infinite without turbulence.

    Notes
    -----
    Fried (1966); Andrews and Phillips (2005), chapter 6.
    """
    share = 1.0 if wave == "plane" else 3.0 / 8.0
    strength = np.asarray(cn2, dtype=np.float64) * np.asarray(length, dtype=np.float64)
    return _minus_three_fifths(0.423 * _wavenumber(wavelength) ** 2 * strength * share)


def horizontal_rytov_variance(
    cn2: ArrayLike, length: ArrayLike, *, wavelength: ArrayLike, wave: Literal["plane", "spherical"]
) -> Floats:
    r"""Rytov variance of a path of constant turbulence: index of a point receiver in weak turbulence.

    .. math:: \sigma_R^2 = c\, C_n^2 k^{7/6} L^{11/6}, \qquad c = 1.23 \text{ (plane)}, \ 0.497 \text{ (spherical)}

    Parameters
    ----------
    cn2 : array_like
        Structure constant :math:`C_n^2` [m^(-2/3)].
    length : array_like
        :math:`L` [m].
    wavelength : array_like
        Vacuum wavelength [m].
    wave : {"plane", "spherical"}
        The wave at the sender.

    Returns
    -------
    ndarray
        [1], broadcast. The books' Rytov variance, by which regimes are told, is that of the plane wave.

    Notes
    -----
    Andrews and Phillips (2005), chapter 8. The spherical constant is 2.2523 times the beta function of 11/6 twice.
    """
    strength = np.asarray(cn2, dtype=np.float64) * np.asarray(length, dtype=np.float64) ** (11 / 6)
    constant = 1.23 if wave == "plane" else 0.497
    return np.asarray(constant * strength * _wavenumber(wavelength) ** (7 / 6))


def _wind_moment(
    profile: Air, elevation: ArrayLike, power: float, *, ground_wind: ArrayLike, slew_rate: ArrayLike
) -> Floats:
    """Integral of the structure constant times a power of the wind along the slant path."""
    height, strength = heights(profile)
    angle, ground, slew = (np.asarray(v, dtype=np.float64)[..., None] for v in (elevation, ground_wind, slew_rate))
    speed = wind_speed(height, ground_wind=ground, slew_rate=slew, elevation=angle)
    return np.asarray(_slant(elevation) * np.sum(strength * speed**power, axis=-1))


def _wavenumber(wavelength: ArrayLike) -> Floats:
    return np.asarray(2.0 * np.pi / np.asarray(wavelength, dtype=np.float64))


def _slant(elevation: ArrayLike) -> Floats:
    return np.asarray(1.0 / np.sin(np.asarray(elevation, dtype=np.float64)))


def _minus_three_fifths(variance: Floats) -> Floats:
    """Power -3/5, infinite where there is no turbulence."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.asarray(variance, dtype=np.float64) ** (-3 / 5))
