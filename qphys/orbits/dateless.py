"""Passes without elements: a circular orbit given by its highest elevation, and a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from qphys.constants import EARTH_EQUATORIAL_RADIUS, EARTH_GRAVITATIONAL_PARAMETER, SPEED_OF_LIGHT
from qphys.errors import UserError, nearest
from qphys.orbits.frames import Geometry, Motion, Site, motion
from qphys.stages import Floats

COLUMNS: Final = {"elevation_deg": (-90.0, 90.0), "range_km": (1e-3, 1e6), "azimuth_deg": (-360.0, 720.0)}
"""Columns of a table of a pass beside `time_s`, and what they may hold."""


def circular_pass(seconds: Floats, altitude: float, *, maximum_elevation: float) -> Geometry:
    r"""Line of sight to a circular orbit over a spherical Earth that does not turn.

    With R the Earth's equatorial radius, a = R + h, n = sqrt(mu / a^3), theta = n t and psi the angle between station and
    satellite at the Earth's centre: cos psi = cos psi_0 cos theta, psi_0 = acos(R cos E_max / a) - E_max;
    range^2 = R^2 + a^2 - 2 R a cos psi; sin E = (a cos psi - R) / range; range rate = R a n cos psi_0 sin theta / range.

    Parameters
    ----------
    seconds : ndarray
        Time t from the highest elevation [s].
    altitude : float
        Height h of the orbit [m].
    maximum_elevation : float
        Highest elevation E_max [rad].

    Returns
    -------
    Geometry
        The azimuth is NaN: the model has no north.

    Notes
    -----
    The station stands on the sphere. The Earth's turning, left out, changes the duration of a pass by a few per cent and the
    range rate by up to 7 % (polar orbits: less than 1 %). For the zenith pass the range rate equals n R cos E.

    Examples
    --------
    >>> float(circular_pass(np.array([0.0]), 500e3, maximum_elevation=np.pi / 2).range[0].round(3))
    500000.0
    """
    t = np.asarray(seconds, dtype=np.float64)
    radius, a = EARTH_EQUATORIAL_RADIUS, EARTH_EQUATORIAL_RADIUS + altitude
    n = np.sqrt(EARTH_GRAVITATIONAL_PARAMETER / a**3)
    psi_0 = np.arccos(radius * np.cos(maximum_elevation) / a) - maximum_elevation
    cos_psi = np.cos(psi_0) * np.cos(n * t)
    up, sideways = a * cos_psi - radius, a * np.sqrt(np.maximum(1.0 - cos_psi**2, 0.0))
    distance = np.hypot(up, sideways)
    rate = radius * a * n * np.cos(psi_0) * np.sin(n * t) / distance
    return Geometry(distance, np.arctan2(up, sideways), np.full(t.shape, np.nan), rate)


def at_elevations(elevation: Floats, altitude: float) -> Geometry:
    r"""Line of sight to a circular orbit at given elevations of a pass through the zenith, before the culmination.

    .. math:: L = \sqrt{R^2 \sin^2 E + 2 R h + h^2} - R \sin E, \qquad \dot L = -n R \cos E

    Parameters
    ----------
    elevation : ndarray
        Elevation E [rad].
    altitude : float
        Height h of the orbit [m].

    Returns
    -------
    Geometry
        Of the model of `circular_pass`: range L, and its rate while the satellite rises. The azimuth is NaN.

    Examples
    --------
    >>> float(at_elevations(np.array([np.pi / 6]), 500e3).range[0].round(-1))
    909500.0
    """
    e = np.asarray(elevation, dtype=np.float64)
    radius, a = EARTH_EQUATORIAL_RADIUS, EARTH_EQUATORIAL_RADIUS + altitude
    n = np.sqrt(EARTH_GRAVITATIONAL_PARAMETER / a**3)
    distance = np.sqrt((radius * np.sin(e)) ** 2 + (a - radius) * (a + radius)) - radius * np.sin(e)
    return Geometry(distance, e, np.full(e.shape, np.nan), -n * radius * np.cos(e))


def time_at(elevation: Floats, altitude: float) -> Floats:
    """Moment of `at_elevations` before the culmination [s], -(acos(R cos E / a) - E) / n."""
    radius, a = EARTH_EQUATORIAL_RADIUS, EARTH_EQUATORIAL_RADIUS + altitude
    n = np.sqrt(EARTH_GRAVITATIONAL_PARAMETER / a**3)
    moment: Floats = (elevation - np.arccos(radius * np.cos(elevation) / a)) / n
    return moment


def circular_motion(seconds: Floats, altitude: float, *, maximum_elevation: float) -> Motion:
    r"""Point-ahead angle, slew rate and polarization frame of `circular_pass`.

    With the station along x and the pole of the orbit tilted by psi_0 against z, the satellite stands at
    a (cos psi_0 cos theta, sin theta, sin psi_0 cos theta); see `frames.motion` for the rest.

    Parameters
    ----------
    seconds : ndarray
        Time t from the highest elevation [s].
    altitude : float
        Height h of the orbit [m].
    maximum_elevation : float
        Highest elevation E_max [rad].

    Returns
    -------
    Motion
        Nothing turns but the satellite, so that the inertial laws agree with the others.

    Examples
    --------
    >>> overhead = circular_motion(np.array([0.0]), 500e3, maximum_elevation=np.pi / 2)
    >>> round(1e6 * float(overhead.point_ahead_angle[0]), 2)
    50.79
    """
    t = np.asarray(seconds, dtype=np.float64)
    radius, a = EARTH_EQUATORIAL_RADIUS, EARTH_EQUATORIAL_RADIUS + altitude
    n = np.sqrt(EARTH_GRAVITATIONAL_PARAMETER / a**3)
    psi_0 = np.arccos(radius * np.cos(maximum_elevation) / a) - maximum_elevation
    first, second = np.array([np.cos(psi_0), 0.0, np.sin(psi_0)]), np.array([0.0, 1.0, 0.0])
    c, s = np.cos(n * t)[:, None], np.sin(n * t)[:, None]
    east, north, up = np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0])
    station = Site(0.0, 0.0, 0.0, radius * up, np.stack([east, north, up]))
    position, velocity = a * (c * first + s * second), a * n * (c * second - s * first)
    return motion(position, velocity, station=station, earth_rotation=0.0)


def half_duration(altitude: float, *, maximum_elevation: float) -> float:
    """Time from the highest elevation to the horizon of `circular_pass` [s]."""
    radius, a = EARTH_EQUATORIAL_RADIUS, EARTH_EQUATORIAL_RADIUS + altitude
    n = np.sqrt(EARTH_GRAVITATIONAL_PARAMETER / a**3)
    psi_0 = np.arccos(radius * np.cos(maximum_elevation) / a) - maximum_elevation
    return float(np.arccos(radius / a / np.cos(psi_0)) / n)


def tabulated_pass(
    columns: Mapping[str, Floats], place: str
) -> tuple[Floats, Callable[[Floats], Geometry], Callable[[Floats], Motion]]:
    """Times of a table of a pass, the line of sight between them, and how it turns.

    Parameters
    ----------
    columns : mapping
        `time_s` and at least one of `elevation_deg` and `range_km`; perhaps `azimuth_deg`.
    place : str
        Name of the table, for messages.

    Returns
    -------
    time : ndarray
        Its times [s].
    geometry : callable
        Seconds -> Geometry, a cubic spline through the table's values (straight between two); what has no column is NaN. The
        range rate is the derivative of that spline, so that noise of a digitised table is in it.
    motion : callable
        Seconds -> Motion, seen from the ground: slew rate with columns of elevation and azimuth, point ahead with the range
        too (without the Earth's turning, about 1 % off). A table tells no polarization frame.

    Raises
    ------
    UserError
        A column is unknown, missing, holds a blank or a value out of range, or the times do not increase.
    """
    from scipy.interpolate import make_interp_spline

    allowed = ("time_s", *COLUMNS)
    for name in columns:
        if name not in allowed:
            raise UserError(f"{place}: column {name!r} is unknown{nearest(name, allowed)} (allowed: {', '.join(allowed)})")
    if "time_s" not in columns:
        raise UserError(f"{place}: column time_s: missing; it is required")
    if "elevation_deg" not in columns and "range_km" not in columns:
        raise UserError(f"{place}: columns elevation_deg and range_km: both missing; at least one is required")
    time = np.asarray(columns["time_s"], dtype=np.float64)
    if len(time) < 2:
        raise UserError(f"{place}: {len(time)} rows; at least 2 are needed")
    for name, values in columns.items():
        low, high = COLUMNS.get(name, (-np.inf, np.inf))
        for row, value in enumerate(values, 1):
            if np.isnan(value):
                raise UserError(f"{place}: row {row} of {name} is blank; leave the row out, or the whole column")
            if not low <= value <= high:
                raise UserError(f"{place}: row {row} of {name} = {value:g}: must lie between {low:g} and {high:g}")
    late = np.flatnonzero(np.diff(time) <= 0)
    if late.size:
        row = int(late[0]) + 2
        raise UserError(f"{place}: row {row} of time_s = {time[row - 1]:g}: times must increase from row to row")
    # make_interp_spline is CubicSpline's not-a-knot condition for an odd degree and enough points.
    degree = 3 if len(time) >= 4 else 1
    splines = {name: make_interp_spline(time, values, k=degree) for name, values in columns.items() if name in COLUMNS}
    if "azimuth_deg" in columns:
        splines["azimuth_deg"] = make_interp_spline(time, np.unwrap(columns["azimuth_deg"], period=360.0), k=degree)
    rate = splines["range_km"].derivative() if "range_km" in splines else None

    def geometry(seconds: Floats) -> Geometry:
        unknown = np.full(np.shape(seconds), np.nan)
        elevation = np.clip(splines["elevation_deg"](seconds), -90.0, 90.0) if "elevation_deg" in splines else unknown
        return Geometry(
            range=splines["range_km"](seconds) * 1e3 if "range_km" in splines else unknown,
            elevation=np.radians(elevation),
            azimuth=np.radians(splines["azimuth_deg"](seconds) % 360.0) if "azimuth_deg" in splines else unknown,
            range_rate=rate(seconds) * 1e3 if rate is not None else unknown,
        )

    def turning(seconds: Floats) -> Motion:
        if not {"elevation_deg", "azimuth_deg"} <= set(splines):
            unknown = np.full(np.shape(seconds), np.nan)
            return Motion(unknown, unknown, {})
        upward, sideways = (np.radians(splines[n].derivative()(seconds)) for n in ("elevation_deg", "azimuth_deg"))
        seen = geometry(seconds)
        slew = np.hypot(upward, np.cos(seen.elevation) * sideways)
        return Motion(2.0 * slew * seen.range / SPEED_OF_LIGHT, slew, {})

    return time, geometry, turning
