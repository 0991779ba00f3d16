"""Refraction of the atmosphere: apparent elevation, and how far apart two wavelengths arrive."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from qphys.stages import Floats

STANDARD_PRESSURE: Final = 101_325.0
"""Pressure of the standard atmosphere at sea level [Pa]."""

STANDARD_TEMPERATURE: Final = 288.15
"""Temperature of the standard atmosphere at sea level, and of standard air in refractometry [K]."""

LOWEST: Final = -1.0
"""Elevation below which no ray comes through the air to a station at the horizon [deg]."""

VISIBLE: Final = 589.3e-9
"""Wavelength that the formulas of Bennett and Saemundsson, made for visible light, are taken to hold for [m]."""


def standard_air(altitude: ArrayLike) -> tuple[Floats, Floats]:
    r"""Pressure and temperature of the standard atmosphere.

    .. math:: P = 101325\,\mathrm{Pa}\,(1 - 2.25577 \times 10^{-5} h)^{5.25588}, \qquad T = 288.15\,\mathrm{K} - 0.0065\, h

    Parameters
    ----------
    altitude : array_like
        Height :math:`h` above sea level [m], below 11 km.

    Returns
    -------
    pressure : ndarray
        [Pa].
    temperature : ndarray
        [K].

    Notes
    -----
    ISO 2533 (1975). Weather changes the pressure by 3 %, the temperature of a night by 10 %, and refraction as much.

    Examples
    --------
    >>> [round(float(value), 1) for value in standard_air(2000.0)]
    [79495.2, 275.1]
    """
    h = np.asarray(altitude, dtype=np.float64)
    return STANDARD_PRESSURE * (1.0 - 2.25577e-5 * h) ** 5.25588, np.asarray(STANDARD_TEMPERATURE - 0.0065 * h)


def refraction_from_apparent(apparent_elevation: ArrayLike, *, pressure: ArrayLike, temperature: ArrayLike) -> Floats:
    r"""Refraction of visible light after Bennett: apparent less geometric elevation, from the apparent one.

    .. math:: R = 1'\,\cot\!\left(h + \frac{7.31}{h + 4.4}\right) \frac{P}{1010\,\mathrm{hPa}}\,\frac{283\,\mathrm{K}}{T},
              \qquad h \text{ in degrees}

    Parameters
    ----------
    apparent_elevation : array_like
        :math:`h` [rad].
    pressure : array_like
        At the station, :math:`P` [Pa].
    temperature : array_like
        At the station, :math:`T` [K].

    Returns
    -------
    ndarray
        [rad], at least 0; NaN below -1 degree.

    Notes
    -----
    Bennett, J. Navigation 35, 255 (1982), without its further sine term; Meeus, *Astronomical Algorithms* (1998), eq. 16.3.
    Within 0.07' of ray tracing down to the horizon in standard air; true air near the horizon differs by arcminutes. At the
    zenith the formula gives -0.0014', set to 0 here.

    Examples
    --------
    >>> told = dict(pressure=101_000.0, temperature=283.0)
    >>> round(float(np.rad2deg(refraction_from_apparent(np.deg2rad(10.0), **told)) * 60), 3)
    5.392
    """
    h = np.rad2deg(np.asarray(apparent_elevation, dtype=np.float64))
    return _refraction(h, h + 7.31 / (np.maximum(h, LOWEST) + 4.4), 1.0, pressure, temperature)


def refraction_from_geometric(elevation: ArrayLike, *, pressure: ArrayLike, temperature: ArrayLike) -> Floats:
    r"""Refraction of visible light after Saemundsson: apparent less geometric elevation, from the geometric one.

    .. math:: R = 1.02'\,\cot\!\left(h + \frac{10.3}{h + 5.11}\right)
              \frac{P}{1010\,\mathrm{hPa}}\,\frac{283\,\mathrm{K}}{T}, \qquad h \text{ in degrees}

    Parameters
    ----------
    elevation : array_like
        Geometric elevation :math:`h` [rad].
    pressure, temperature : array_like
        At the station [Pa], [K].

    Returns
    -------
    ndarray
        [rad], at least 0; NaN below -1 degree.

    Notes
    -----
    Saemundsson, Sky and Telescope 72, 70 (1986); Meeus (1998), eq. 16.4; the inverse of Bennett's to 0.1'.

    Examples
    --------
    >>> told = dict(pressure=101_000.0, temperature=283.0)
    >>> round(float(np.rad2deg(refraction_from_geometric(np.deg2rad(10.0), **told)) * 60), 3)
    5.408
    """
    h = np.rad2deg(np.asarray(elevation, dtype=np.float64))
    return _refraction(h, h + 10.3 / (np.maximum(h, LOWEST) + 5.11), 1.02, pressure, temperature)


def _refraction(h: Floats, argument: Floats, minutes: float, pressure: ArrayLike, temperature: ArrayLike) -> Floats:
    density = np.asarray(pressure, dtype=np.float64) / 101_000.0 * 283.0 / np.asarray(temperature, dtype=np.float64)
    angle = np.deg2rad(np.maximum(minutes / np.tan(np.deg2rad(argument)), 0.0) / 60.0) * density
    return np.asarray(np.where(h >= LOWEST, angle, np.nan), dtype=np.float64)


def apparent_elevation(elevation: ArrayLike, *, pressure: ArrayLike, temperature: ArrayLike) -> Floats:
    """Elevation at which light arrives, from the geometric one; see `refraction_from_geometric`.

    Parameters
    ----------
    elevation : array_like
        Geometric elevation [rad].
    pressure, temperature : array_like
        At the station [Pa], [K].

    Returns
    -------
    ndarray
        [rad]; below -1 degree, where no ray arrives, the geometric one.
    """
    e = np.asarray(elevation, dtype=np.float64)
    bent = refraction_from_geometric(e, pressure=pressure, temperature=temperature)
    return np.asarray(e + np.where(np.rad2deg(e) >= LOWEST, bent, 0.0), dtype=np.float64)


def refractivity(wavelength: ArrayLike, *, pressure: ArrayLike, temperature: ArrayLike) -> Floats:
    r"""Refractive index of dry air less one.

    .. math:: 10^8 (n - 1) = \left[\frac{5792105}{238.0185 - s^2} + \frac{167917}{57.362 - s^2}\right]
              \frac{P}{101325\,\mathrm{Pa}}\,\frac{288.15\,\mathrm{K}}{T}, \qquad s = 1\,\mathrm{um}/\lambda

    Parameters
    ----------
    wavelength : array_like
        Vacuum wavelength :math:`\lambda` [m], 0.3 to 1.69 um.
    pressure, temperature : array_like
        Of the air [Pa], [K].

    Returns
    -------
    ndarray
        [1].

    Notes
    -----
    Ciddor, Appl. Opt. 35, 1566 (1996), eq. 1 (standard air, 450 ppm of CO2), scaled by the density of an ideal gas; water
    vapour and compressibility change it by less than 0.2 %. Within 1e-4 of itself of Peck and Reeder, J. Opt. Soc. Am. 62,
    958 (1972), and of Birch and Downs, Metrologia 31, 315 (1994).

    Examples
    --------
    >>> round(float(refractivity(633e-9, pressure=101_325.0, temperature=288.15)) * 1e8)
    27653
    """
    squared = (np.asarray(wavelength, dtype=np.float64) * 1e6) ** -2
    density = np.asarray(pressure, dtype=np.float64) / STANDARD_PRESSURE * STANDARD_TEMPERATURE
    standard = 5_792_105.0 / (238.0185 - squared) + 167_917.0 / (57.362 - squared)
    return np.asarray(1e-8 * standard * density / np.asarray(temperature, dtype=np.float64), dtype=np.float64)


def dispersion(
    apparent_elevation: ArrayLike, *, wavelength: ArrayLike, other: ArrayLike, pressure: ArrayLike, temperature: ArrayLike
) -> Floats:
    r"""Angle between the directions in which two wavelengths from one satellite arrive.

    .. math:: \Delta = R\, \frac{n(\lambda_1) - n(\lambda_2)}{n(\lambda_0) - 1}

    with Bennett's :math:`R` for visible light of :math:`\lambda_0` = 589.3 nm; in a plane atmosphere
    :math:`\Delta = [n(\lambda_1) - n(\lambda_2)] \cot h`.

    Parameters
    ----------
    apparent_elevation : array_like
        [rad].
    wavelength, other : array_like
        Vacuum wavelengths :math:`\lambda_1, \lambda_2`: of the signal and of the beacon [m].
    pressure, temperature : array_like
        At the station [Pa], [K].

    Returns
    -------
    ndarray
        [rad]; above 0 where the first wavelength arrives higher, as the shorter one does.

    Notes
    -----
    A telescope that tracks the beacon looks by this angle beside the signal, in the plane of the zenith. From 5 degrees on;
    which visible wavelength the refraction formula means is assumed, and matters by 0.2 % of the angle.

    Examples
    --------
    >>> told = dict(pressure=101_325.0, temperature=288.15)
    >>> round(float(dispersion(np.deg2rad(20.0), wavelength=785e-9, other=1550e-9, **told)) * 1e6, 1)
    5.3
    """
    bent = refraction_from_apparent(apparent_elevation, pressure=pressure, temperature=temperature)
    standard = {"pressure": STANDARD_PRESSURE, "temperature": STANDARD_TEMPERATURE}
    difference = refractivity(wavelength, **standard) - refractivity(other, **standard)
    return np.asarray(bent * difference / refractivity(VISIBLE, **standard), dtype=np.float64)
