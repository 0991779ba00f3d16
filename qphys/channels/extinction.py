"""Absorption and scattering by a clear or hazy atmosphere against elevation."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field

from qphys.errors import UserError
from qphys.record import Record
from qphys.stages import Files, Floats

MINIMUM_ELEVATION: Final = np.deg2rad(5.0)
"""Elevation above which airmass times a zenith loss is used; below, layers and refraction matter [rad]."""


class AirmassAtmosphere(Record):
    """Extinction by a zenith loss that grows with the airmass."""

    kind: Literal["airmass"]
    zenith_loss_db: Annotated[float, Field(ge=0)]


class VisibilityAtmosphere(Record):
    """Extinction by aerosol (from the visibility at the station) and molecules; no gas absorption."""

    kind: Literal["visibility"]
    visibility_km: Annotated[float, Field(gt=0)]
    law: Literal["kruse", "kim"]
    aerosol_scale_height_km: Annotated[float, Field(gt=0)]


class TableAtmosphere(Record):
    """Extinction by a table of transmittance against elevation, a column for each wavelength."""

    kind: Literal["table"]
    table: str
    """CSV file with a column ``elevation_deg`` and columns such as ``transmittance_850nm``."""
    wavelength_tolerance_nm: Annotated[float, Field(ge=0)]
    """How far the light's wavelength may lie from that of the nearest column."""


Atmosphere = AirmassAtmosphere | VisibilityAtmosphere | TableAtmosphere


def airmass(elevation: ArrayLike) -> Floats:
    r"""Relative airmass after Kasten and Young.

    .. math:: X = \frac{1}{\sin e + 0.50572\,(e + 6.07995)^{-1.6364}}, \quad e \text{ in degrees}

    Parameters
    ----------
    elevation : array_like
        Apparent elevation [rad]; the geometric one is 0.1 degree lower at 10 degrees, which changes X by 1 %.

    Returns
    -------
    ndarray
        [1]; 0.9997 at zenith, 37.92 at the horizon, NaN below it.

    Notes
    -----
    Kasten and Young, Appl. Opt. 28, 4735 (1989), eq. 3.

    Examples
    --------
    >>> round(float(airmass(np.deg2rad(20.0))), 4)
    2.9031
    """
    e = np.asarray(elevation, dtype=np.float64)
    degrees = np.where(e >= 0.0, np.rad2deg(e), np.nan)
    return np.asarray(1.0 / (np.sin(e) + 0.50572 * (degrees + 6.07995) ** -1.6364), dtype=np.float64)


def haze_extinction_db_per_km(wavelength: ArrayLike, *, visibility: ArrayLike, law: Literal["kruse", "kim"]) -> Floats:
    r"""Extinction of horizontal air by haze and fog from the visibility.

    .. math:: \gamma = \frac{10}{\ln 10}\, \frac{3.912}{V} \left(\frac{\lambda}{550\ \mathrm{nm}}\right)^{-q}

    Parameters
    ----------
    wavelength : array_like
        Vacuum wavelength :math:`\lambda` [m].
    visibility : array_like
        Distance :math:`V` at which a contrast of 2 % remains at 550 nm [m].
    law : {"kruse", "kim"}
        Exponent :math:`q`: 1.6 above 50 km, 1.3 from 6 km; below 6 km Kruse has 0.585 V^(1/3) (V in km), Kim 0.16 V + 0.34
        down to 1 km, V - 0.5 down to 0.5 km and 0 in fog.

    Returns
    -------
    ndarray
        [dB/km].

    Notes
    -----
    Kruse, McGlauchlin and McQuistan, *Elements of Infrared Technology* (1962); Kim, McArthur and Korevaar, Proc. SPIE
    4214, 26 (2001). 3.912 = ln 50; some authors use 3.0 (5 % contrast). Both laws jump by up to 10 % at their limits.
    """
    v = np.asarray(visibility, dtype=np.float64) / 1000.0
    haze = 0.585 * np.cbrt(v)
    if law == "kim":
        haze = np.where(v >= 1.0, 0.16 * v + 0.34, np.clip(v - 0.5, 0.0, None))
    exponent = np.where(v > 50.0, 1.6, np.where(v >= 6.0, 1.3, haze))
    ratio = np.asarray(wavelength, dtype=np.float64) / 550e-9
    return np.asarray(10.0 / np.log(10.0) * 3.912 / v * ratio**-exponent, dtype=np.float64)


def rayleigh_optical_depth(wavelength: ArrayLike, *, altitude: ArrayLike = 0.0) -> Floats:
    r"""Optical depth of the molecules above a station at zenith.

    .. math:: \tau = 0.008569\, l^{-4} (1 + 0.0113\, l^{-2} + 0.00013\, l^{-4})\, P / P_0, \quad l = \lambda / 1\ \mathrm{um}

    Parameters
    ----------
    wavelength : array_like
        Vacuum wavelength [m].
    altitude : array_like
        Height of the station above sea level [m]; the pressure ratio is that of the standard atmosphere,
        :math:`(1 - 2.25577 \times 10^{-5} h)^{5.25588}`, below 11 km.

    Returns
    -------
    ndarray
        [1].

    Notes
    -----
    Hansen and Travis, Space Sci. Rev. 16, 527 (1974), eq. 2.30; within 0.5 % of Bodhaine et al. (1999).
    """
    inverse = (np.asarray(wavelength, dtype=np.float64) * 1e6) ** -2
    pressure = (1.0 - 2.25577e-5 * np.asarray(altitude, dtype=np.float64)) ** 5.25588
    depth = 0.008569 * inverse**2 * (1.0 + 0.0113 * inverse + 0.00013 * inverse**2) * pressure
    return np.asarray(depth, dtype=np.float64)


def extinction_db(
    atmosphere: Atmosphere, elevation: Floats, *, wavelength: float, altitude: float, files: Files, where: str
) -> Floats:
    r"""Loss by extinction along the slant path.

    Zenith loss times airmass, :math:`L = L_0 X(e)`, that is :math:`T = T_0^X`. The zenith loss is given (``airmass``), or
    that of molecules and of an exponential aerosol layer, :math:`\gamma(V) H_a` (``visibility``), or each entry of a table
    has its own and the loss per airmass is interpolated, linearly in the airmass (``table``: exact at the entries).

    Parameters
    ----------
    atmosphere : AirmassAtmosphere, VisibilityAtmosphere or TableAtmosphere
        What is known of the air.
    elevation : ndarray
        Elevation [rad], shape (T,).
    wavelength : float
        Vacuum wavelength [m].
    altitude : float
        Height of the station [m].
    files : Files
        Reads the table.
    where : str
        Place of the atmosphere in the run, for messages.

    Returns
    -------
    ndarray
        Loss [dB], shape (T,).

    Raises
    ------
    UserError
        Unknown elevation; elevation below 5 degrees or outside the table; no column near the wavelength.
    """
    if np.any(np.isnan(elevation)):
        raise UserError(f"{where}: extinction needs the elevation, which the orbit does not tell at every step")
    lowest = float(np.rad2deg(np.min(elevation, initial=np.pi / 2)))
    if isinstance(atmosphere, TableAtmosphere):
        return _from_table(atmosphere, elevation, wavelength, files=files, where=where)
    if lowest < np.rad2deg(MINIMUM_ELEVATION) - 1e-9:
        raise UserError(
            f"{where}: elevation {lowest:.3f} deg; the airmass law is used from {np.rad2deg(MINIMUM_ELEVATION):g} deg: "
            "raise the orbit's minimum elevation, or give a table of transmittance"
        )
    if isinstance(atmosphere, AirmassAtmosphere):
        return atmosphere.zenith_loss_db * airmass(elevation)
    air = atmosphere.si
    haze = haze_extinction_db_per_km(wavelength, visibility=air.visibility, law=atmosphere.law)
    zenith = haze * atmosphere.aerosol_scale_height_km
    zenith = zenith + 10.0 / np.log(10.0) * rayleigh_optical_depth(wavelength, altitude=altitude)
    return np.asarray(zenith * airmass(elevation), dtype=np.float64)


def _from_table(atmosphere: TableAtmosphere, elevation: Floats, wavelength: float, *, files: Files, where: str) -> Floats:
    columns = files.table(atmosphere.table, f"{where}.table")
    found = {name: re.fullmatch(r"transmittance_(\d+(?:\.\d+)?)nm", name) for name in columns}
    at = {float(match[1]): name for name, match in found.items() if match}
    if "elevation_deg" not in columns or not at:
        raise UserError(
            f"{where}: tables/{atmosphere.table} needs columns elevation_deg and transmittance_NNNnm "
            f"(there are: {', '.join(columns)})"
        )
    nearest = min(at, key=lambda nm: abs(nm - wavelength * 1e9))
    if abs(nearest - wavelength * 1e9) > atmosphere.wavelength_tolerance_nm:
        raise UserError(
            f"{where}: tables/{atmosphere.table} has no column within wavelength_tolerance_nm = "
            f"{atmosphere.wavelength_tolerance_nm:g} of {wavelength * 1e9:g} nm (there are: {', '.join(at.values())})"
        )
    degrees, transmittance = columns["elevation_deg"], columns[at[nearest]]
    if np.any(~(degrees[1:] > degrees[:-1])) or not np.all((transmittance > 0) & (transmittance <= 1)):
        raise UserError(f"{where}: tables/{atmosphere.table} needs rising elevation_deg and {at[nearest]} above 0, up to 1")
    # the edges of a table in degrees meet elevations in radians: a rounding error is no excursion
    outside = (np.rad2deg(elevation) < degrees[0] - 1e-9) | (np.rad2deg(elevation) > degrees[-1] + 1e-9)
    if np.any(outside):
        value = float(np.rad2deg(elevation[outside][0]))
        raise UserError(
            f"{where}: elevation {value:.3f} deg is outside tables/{atmosphere.table} "
            f"({degrees[0]:g} to {degrees[-1]:g} deg)"
        )
    own, entries = airmass(elevation), airmass(np.deg2rad(degrees))
    per_airmass = -10.0 * np.log10(transmittance) / entries
    return np.asarray(own * np.interp(own, entries[::-1], per_airmass[::-1]), dtype=np.float64)
