"""Absorption and scattering by a clear or hazy atmosphere, against elevation and along a horizontal path."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field

from qphys.channels.refraction import STANDARD_PRESSURE, standard_air
from qphys.errors import UserError
from qphys.record import Record
from qphys.stages import Files, Floats

DECIBELS: Final = 10.0 / np.log(10.0)
"""Loss of an optical depth of 1 [dB]."""

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


class AerosolAtmosphere(Record):
    """Extinction by aerosol (from its optical depth, as a sun photometer tells it) and molecules; no gas absorption."""

    kind: Literal["aerosol"]
    aerosol_optical_depth_500nm: Annotated[float, Field(ge=0)]
    """Optical depth of the whole column of aerosol at 500 nm."""
    angstrom_exponent: Annotated[float, Field(ge=-1, le=4)]
    """How it falls with the wavelength: tau ~ lambda^-exponent."""


class Spectrl2Atmosphere(Record):
    """Extinction by aerosol, molecules, water vapour, ozone and mixed gases: the clear-sky model SPECTRL2, 10 nm wide."""

    kind: Literal["spectrl2"]
    aerosol_optical_depth_500nm: Annotated[float, Field(ge=0)]
    angstrom_exponent: Annotated[float, Field(ge=-1, le=4)]
    precipitable_water_cm: Annotated[float, Field(ge=0, le=15)]
    """Water vapour of the whole column, as the height of liquid water."""
    ozone_dobson: Annotated[float, Field(ge=0, le=1000)]
    """Ozone of the whole column [DU]; 100 are 1 mm at standard conditions."""


class TableAtmosphere(Record):
    """Extinction by a table of transmittance against elevation, a column for each wavelength."""

    kind: Literal["table"]
    table: str
    """CSV file with a column ``elevation_deg`` and columns such as ``transmittance_850nm``."""
    wavelength_tolerance_nm: Annotated[float, Field(ge=0)]
    """How far the light's wavelength may lie from that of the nearest column."""


class SpectralTableAtmosphere(Record):
    """Extinction by a table of transmittance against wavelength, a column for each direction: MODTRAN, libRadtran, 6S."""

    kind: Literal["spectral-table"]
    table: str
    """CSV file with a column ``wavelength_nm`` and columns such as ``elevation_30deg`` or ``zenith_angle_60deg``."""
    largest_gap_nm: Annotated[float, Field(gt=0)]
    """How far the two lines of the table that a wavelength lies between may be apart."""


class HorizontalAttenuation(Record):
    """Extinction of horizontal air by a measured attenuation."""

    kind: Literal["attenuation"]
    attenuation_db_per_km: Annotated[float, Field(ge=0)]


Atmosphere = (
    AirmassAtmosphere
    | VisibilityAtmosphere
    | AerosolAtmosphere
    | Spectrl2Atmosphere
    | TableAtmosphere
    | SpectralTableAtmosphere
)
"""Air above a station, for `extinction_db`."""

HorizontalAir = VisibilityAtmosphere | HorizontalAttenuation
"""Air beside a station, for `horizontal_extinction_db`."""


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
    return np.asarray(DECIBELS * 3.912 / v * ratio**-exponent, dtype=np.float64)


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
    pressure = standard_air(altitude)[0] / STANDARD_PRESSURE
    depth = 0.008569 * inverse**2 * (1.0 + 0.0113 * inverse + 0.00013 * inverse**2) * pressure
    return np.asarray(depth, dtype=np.float64)


def aerosol_optical_depth(wavelength: ArrayLike, *, depth_500nm: ArrayLike, angstrom_exponent: ArrayLike) -> Floats:
    r"""Optical depth of a column of aerosol by Angstrom's law.

    .. math:: \tau_a(\lambda) = \tau_a(500\,\mathrm{nm}) \left(\frac{\lambda}{500\,\mathrm{nm}}\right)^{-\alpha}

    Parameters
    ----------
    wavelength : array_like
        Vacuum wavelength :math:`\lambda` [m].
    depth_500nm : array_like
        :math:`\tau_a` at 500 nm [1]: 0.05 very clear, 0.1 clear, 0.4 hazy.
    angstrom_exponent : array_like
        :math:`\alpha` [1]: 1.3 over land on average, near 0 for dust and sea salt, up to 2 for smoke.

    Returns
    -------
    ndarray
        [1].

    Notes
    -----
    Angstrom, Geografiska Annaler 11, 156 (1929). The exponent falls with the wavelength for fine particles and rises for
    coarse ones; from the visible to 1550 nm the law is off by up to a factor 1.5 of the depth.
    """
    ratio = np.asarray(wavelength, dtype=np.float64) / 500e-9
    depth = np.asarray(depth_500nm, dtype=np.float64) * ratio ** -np.asarray(angstrom_exponent, dtype=np.float64)
    return np.asarray(depth, dtype=np.float64)


def spectrl2_transmittance(
    elevation: ArrayLike,
    *,
    wavelength: float,
    altitude: float,
    aerosol_optical_depth_500nm: float,
    angstrom_exponent: float,
    precipitable_water: float,
    ozone_dobson: float,
) -> Floats:
    """Transmittance of direct light through a cloudless sky by the simple spectral model of Bird and Riordan.

    The product of the transmittances of molecules, aerosol, water vapour, ozone and mixed gases.

    Parameters
    ----------
    elevation : array_like
        Apparent elevation [rad].
    wavelength : float
        Vacuum wavelength [m], 300 to 4000 nm; read linearly between the model's bands of about 10 nm.
    altitude : float
        Height of the station [m]; its pressure is that of the standard atmosphere.
    aerosol_optical_depth_500nm, angstrom_exponent : float
        As in `aerosol_optical_depth`.
    precipitable_water : float
        Height of the column's water [m].
    ozone_dobson : float
        Ozone of the column [DU].

    Returns
    -------
    ndarray
        [1].

    Notes
    -----
    Bird and Riordan, NREL TR-215-2436 (1984), as pvlib computes it (``pvlib.spectrum.spectrl2``, after NREL's
    ``spectrl2_2.c``). Against 6S (midlatitude summer, continental aerosol) at zenith: within 0.01 at 785 and 850 nm, 0.035
    low at 810 nm, which lies in a water band (a narrow line needs line-by-line), 0.028 low at 1550 nm.
    """
    from pvlib.spectrum import spectrl2

    e = np.asarray(elevation, dtype=np.float64)
    angles = np.atleast_1d(e).ravel()
    bands = spectrl2(
        apparent_zenith=90.0 - np.rad2deg(angles),
        aoi=0.0,
        surface_tilt=0.0,
        ground_albedo=0.0,
        surface_pressure=float(standard_air(altitude)[0]),
        relative_airmass=airmass(angles),
        precipitable_water=precipitable_water * 100.0,
        ozone=ozone_dobson * 1e-3,
        aerosol_turbidity_500nm=aerosol_optical_depth_500nm,
        dayofyear=1,
        alpha=angstrom_exponent,
    )
    through = bands["dni"] / bands["dni_extra"]
    found = [np.interp(wavelength * 1e9, bands["wavelength"], column) for column in through.T]
    return np.asarray(found, dtype=np.float64).reshape(e.shape)


def extinction_db(
    atmosphere: Atmosphere, elevation: Floats, *, wavelength: float, altitude: float, files: Files, where: str
) -> Floats:
    r"""Loss by extinction along the slant path.

    Zenith loss times airmass, :math:`L = L_0 X(e)`, that is :math:`T = T_0^X`. The zenith loss is given (``airmass``), or
    that of molecules and aerosol: an exponential layer, :math:`\gamma(V) H_a` (``visibility``), or a column of given optical
    depth (``aerosol``). ``spectrl2`` adds the gases. Each entry of a table has its own zenith loss, and the loss per airmass
    is interpolated, linearly in the airmass (``table``, ``spectral-table``: exact at the entries); between the lines of a
    spectral table the optical depth is linear in the wavelength.

    Parameters
    ----------
    atmosphere : Atmosphere
        What is known of the air.
    elevation : ndarray
        Apparent elevation [rad], shape (T,); see `refraction.apparent_elevation`.
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
        Unknown elevation; elevation below 5 degrees or outside the table; no column or lines near the wavelength.
    """
    if np.any(np.isnan(elevation)):
        raise UserError(f"{where}: extinction needs the elevation, which the orbit does not tell at every step")
    lowest = float(np.rad2deg(np.min(elevation, initial=np.pi / 2)))
    if isinstance(atmosphere, SpectralTableAtmosphere):
        return _from_spectral_table(atmosphere, elevation, wavelength, files=files, where=where)
    if isinstance(atmosphere, TableAtmosphere):
        return _from_table(atmosphere, elevation, wavelength, files=files, where=where)
    if lowest < np.rad2deg(MINIMUM_ELEVATION) - 1e-9:
        raise UserError(
            f"{where}: elevation {lowest:.3f} deg; the airmass law is used from {np.rad2deg(MINIMUM_ELEVATION):g} deg: "
            "raise the orbit's minimum elevation, or give a table of transmittance"
        )
    if isinstance(atmosphere, AirmassAtmosphere):
        return atmosphere.zenith_loss_db * airmass(elevation)
    if isinstance(atmosphere, Spectrl2Atmosphere):
        through = spectrl2_transmittance(
            elevation,
            wavelength=wavelength,
            altitude=altitude,
            aerosol_optical_depth_500nm=atmosphere.aerosol_optical_depth_500nm,
            angstrom_exponent=atmosphere.angstrom_exponent,
            precipitable_water=atmosphere.si.precipitable_water,
            ozone_dobson=atmosphere.ozone_dobson,
        )
        return np.asarray(-10.0 * np.log10(through), dtype=np.float64)
    molecules = DECIBELS * rayleigh_optical_depth(wavelength, altitude=altitude)
    if isinstance(atmosphere, AerosolAtmosphere):
        aerosol = DECIBELS * aerosol_optical_depth(
            wavelength,
            depth_500nm=atmosphere.aerosol_optical_depth_500nm,
            angstrom_exponent=atmosphere.angstrom_exponent,
        )
    else:
        haze = haze_extinction_db_per_km(wavelength, visibility=atmosphere.si.visibility, law=atmosphere.law)
        aerosol = haze * atmosphere.aerosol_scale_height_km
    return np.asarray((aerosol + molecules) * airmass(elevation), dtype=np.float64)


def horizontal_extinction_db(air: HorizontalAir, length: ArrayLike, *, wavelength: float) -> Floats:
    r"""Loss by extinction along a horizontal path of even air, :math:`L = \gamma\, \ell`.

    Parameters
    ----------
    air : VisibilityAtmosphere or HorizontalAttenuation
        Visibility with its law for :math:`\gamma` (the scale height plays no part), or :math:`\gamma` itself.
    length : array_like
        Length :math:`\ell` of the path [m].
    wavelength : float
        Vacuum wavelength [m].

    Returns
    -------
    ndarray
        Loss [dB].

    Notes
    -----
    See `haze_extinction_db_per_km`. A visibility is seen through molecules and aerosol together, so that nothing is added
    for molecules here. Gas absorption, 0.1 dB/km and more in bands of water, is not in a visibility. Over a long path
    between mountains the air is clearer than at either end's valley: give a measured attenuation.

    Examples
    --------
    >>> air = VisibilityAtmosphere(kind="visibility", visibility_km=23.0, law="kruse", aerosol_scale_height_km=1.2)
    >>> round(float(horizontal_extinction_db(air, 10e3, wavelength=850e-9)), 3)
    4.195
    """
    kilometres = np.asarray(length, dtype=np.float64) / 1000.0
    if isinstance(air, HorizontalAttenuation):
        return np.asarray(air.attenuation_db_per_km * kilometres, dtype=np.float64)
    loss = haze_extinction_db_per_km(wavelength, visibility=air.si.visibility, law=air.law)
    return np.asarray(loss * kilometres, dtype=np.float64)


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
    return _between_directions(elevation, degrees, transmittance, place=f"{where}: ", table=atmosphere.table)


def _from_spectral_table(
    atmosphere: SpectralTableAtmosphere, elevation: Floats, wavelength: float, *, files: Files, where: str
) -> Floats:
    columns = files.table(atmosphere.table, f"{where}.table")
    place, table = f"{where}: ", f"tables/{atmosphere.table}"
    found = {name: re.fullmatch(r"(elevation|zenith_angle)_(\d+(?:\.\d+)?)deg", name) for name in columns}
    at = {name: (m[1], float(m[2])) for name, m in found.items() if m}
    if "wavelength_nm" not in columns or not at or len({kind for kind, _ in at.values()}) > 1:
        raise UserError(
            f"{place}{table} needs columns wavelength_nm and either elevation_NNdeg or zenith_angle_NNdeg "
            f"(there are: {', '.join(columns)})"
        )
    lines, nm = columns["wavelength_nm"], wavelength * 1e9
    if np.any(~(lines[1:] > lines[:-1])):
        raise UserError(f"{place}{table} needs rising wavelength_nm")
    # a wavelength in nm that went through metres may come back a rounding error beside its line
    above = int(np.searchsorted(lines, nm - 1e-6))
    exact = above < len(lines) and abs(lines[above] - nm) <= 1e-6
    if not exact and (above in (0, len(lines)) or lines[above] - lines[above - 1] > atmosphere.largest_gap_nm):
        near = lines[max(above - 1, 0) : above + 1]
        raise UserError(
            f"{place}{table} has no lines around {nm:g} nm within largest_gap_nm = {atmosphere.largest_gap_nm:g} "
            f"(nearest: {', '.join(f'{line:g}' for line in near)} nm)"
        )
    degrees = np.array([angle if kind == "elevation" else 90.0 - angle for kind, angle in at.values()])
    used = slice(above, above + 1) if exact else slice(above - 1, above + 1)
    values = np.stack([columns[name][used] for name in at])
    if not np.all((values > 0) & (values <= 1)):
        raise UserError(f"{place}{table} needs transmittances above 0, up to 1 around {nm:g} nm")
    share = 0.0 if exact else (nm - lines[above - 1]) / (lines[above] - lines[above - 1])
    depth = (1.0 - share) * np.log(values[:, 0]) + share * np.log(values[:, -1])
    order = np.argsort(degrees)
    return _between_directions(elevation, degrees[order], np.exp(depth[order]), place=place, table=atmosphere.table)


def _between_directions(elevation: Floats, degrees: Floats, transmittance: Floats, *, place: str, table: str) -> Floats:
    """Loss [dB], the loss per airmass linear in the airmass between the elevations of a table [deg]."""
    # the edges of a table in degrees meet elevations in radians: a rounding error is no excursion
    outside = (np.rad2deg(elevation) < degrees[0] - 1e-9) | (np.rad2deg(elevation) > degrees[-1] + 1e-9)
    if np.any(outside):
        value = float(np.rad2deg(elevation[outside][0]))
        raise UserError(
            f"{place}elevation {value:.3f} deg is outside tables/{table} ({degrees[0]:g} to {degrees[-1]:g} deg)"
        )
    own, entries = airmass(elevation), airmass(np.deg2rad(degrees))
    per_airmass = -10.0 * np.log10(transmittance) / entries
    return np.asarray(own * np.interp(own, entries[::-1], per_airmass[::-1]), dtype=np.float64)
