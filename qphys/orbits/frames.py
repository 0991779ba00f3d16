"""Where a satellite stands as seen from a point on the ground, in the Earth-fixed frame: pure geometry, no refraction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from qphys.constants import EARTH_EQUATORIAL_RADIUS, SPEED_OF_LIGHT
from qphys.stages import Floats

FLATTENING: Final = 1.0 / 298.257223563
"""Flattening of the WGS84 ellipsoid, exact by definition."""

EARTH_ROTATION: Final = 7.292_115e-5
"""Angular velocity of the Earth [rad/s] (WGS84, nominal); its variations are below 1e-7 of it."""


class Geometry(NamedTuple):
    """Line of sight at each moment; NaN where it is not known."""

    range: Floats
    """Slant range [m]."""
    elevation: Floats
    """Geometric elevation, without refraction [rad]."""
    azimuth: Floats
    """From north over east, 0 to 2 pi [rad]."""
    range_rate: Floats
    """Rate of change of the slant range [m/s]."""


class Motion(NamedTuple):
    """How the line of sight turns and how the satellite's axes lie across it, at each moment; NaN where it is not known."""

    point_ahead_angle: Floats
    """[rad]."""
    slew_rate: Floats
    """In an inertial frame [rad/s]."""
    frame_angle: dict[str, Floats]
    """By the laws of `stages.ATTITUDE_LAWS` [rad]."""


@dataclass(frozen=True)
class Site:
    """A point on the ground, on the ellipsoid and in the Earth-fixed frame."""

    latitude: float
    """Geodetic latitude [rad]."""
    longitude: float
    """Longitude, east positive [rad]."""
    altitude: float
    """Height above the ellipsoid [m]."""
    position: Floats
    """Geocentric position [m], (3,)."""
    axes: Floats
    """Unit vectors east, north and up, one a row, (3, 3)."""


def site(latitude: float, longitude: float, *, altitude: float) -> Site:
    """Earth-fixed position and local axes of a point given on the WGS84 ellipsoid.

    With the prime-vertical radius N = a / sqrt(1 - e^2 sin^2 B): x = (N + h) cos B cos L, y = (N + h) cos B sin L,
    z = (N (1 - e^2) + h) sin B, e^2 = f (2 - f).

    Parameters
    ----------
    latitude, longitude : float
        Geodetic latitude B and longitude L, east positive [rad].
    altitude : float
        Height h above the ellipsoid [m].

    Returns
    -------
    Site

    Notes
    -----
    Exact for any latitude. Source: Vallado, *Fundamentals of Astrodynamics and Applications*, 4th ed., eqs. 3-7 and 3-14.

    Examples
    --------
    >>> import math
    >>> site(0.0, math.pi / 2, altitude=1000.0).position.round(3)
    array([      0., 6379137.,       0.])
    """
    sin_b, cos_b, sin_l, cos_l = np.sin(latitude), np.cos(latitude), np.sin(longitude), np.cos(longitude)
    eccentricity_squared = FLATTENING * (2.0 - FLATTENING)
    n = EARTH_EQUATORIAL_RADIUS / np.sqrt(1.0 - eccentricity_squared * sin_b**2)
    up = np.array([cos_b * cos_l, cos_b * sin_l, sin_b])
    position = (n + altitude) * up - np.array([0.0, 0.0, n * eccentricity_squared * sin_b])
    east = np.array([-sin_l, cos_l, 0.0])
    return Site(latitude, longitude, altitude, position, np.stack([east, np.cross(up, east), up]))


def line_of_sight(position: Floats, velocity: Floats, *, station: Site) -> Geometry:
    """Range, elevation, azimuth and range rate of a satellite at a station at rest in the Earth-fixed frame.

    With d = r - r_station: range |d|, sin(elevation) = d . up / |d|, tan(azimuth) = d . east / d . north,
    range rate d . v / |d|.

    Parameters
    ----------
    position, velocity : ndarray
        Earth-fixed r [m] and v [m/s], the rotation of the Earth included, (T, 3).
    station : Site
        The station.

    Returns
    -------
    Geometry
        Each (T,).

    Notes
    -----
    Geometric: no refraction, no light time (3 ms, 20 m along the track), no aberration. At the zenith the azimuth is
    undefined and is given as 0. Source: Vallado, 4th ed., algorithm 27 (RAZEL).
    """
    d = position - station.position
    distance = np.linalg.norm(d, axis=-1)
    east, north, up = (d @ station.axes.T).T
    # The arctangent keeps its digits at the zenith, where an arcsine loses half of them.
    elevation = np.arctan2(up, np.hypot(east, north))
    return Geometry(
        range=distance,
        elevation=elevation,
        azimuth=np.arctan2(east, north) % (2.0 * np.pi),
        range_rate=np.sum(d * velocity, axis=-1) / distance,
    )


def motion(position: Floats, velocity: Floats, *, station: Site, earth_rotation: float = EARTH_ROTATION) -> Motion:
    r"""Point-ahead angle, slew rate and polarization frame of a satellite at a station at rest in the Earth-fixed frame.

    With d = r - r_station, u = d / \|d\| and the velocity relative to the station in an inertial frame
    :math:`w = v + \omega \times d`,

    .. math::
        \alpha = 2\,|w_\perp| / c, \qquad \dot\vartheta = |w_\perp| / |d|, \qquad w_\perp = w - (w \cdot u)\, u .

    Light that travels along k = -u arrives in the station's frame H = k x up / \|k x up\| (horizontal), V = H x k. An axis a
    of the satellite, seen along k, lies there at

    .. math:: \theta = \mathrm{atan2}(a \cdot V,\; a \cdot H) \bmod \pi .

    Parameters
    ----------
    position, velocity : ndarray
        Earth-fixed r [m] and v [m/s], the rotation of the Earth included, (T, 3).
    station : Site
        The station.
    earth_rotation : float, optional
        Angular velocity :math:`\omega` of the frame about its third axis [rad/s].

    Returns
    -------
    Motion
        Frame angles from 0 to pi at the first moment and continuous from there. The axes are the velocity v over the turning
        ground (``velocity``), the normal r x v of its plane (``orbit-normal``), and the same of the velocity
        v + omega x r in an inertial frame (``inertial-velocity``, ``inertial-orbit-normal``).

    Notes
    -----
    A satellite that steers its yaw to the ground track follows the first pair, one that keeps its attitude in the plane of
    its orbit the second; for low polar orbits they differ by up to 4 deg. Point ahead is that of a beam to the satellite
    against the light from it, to first order in v/c; half of it is the aberration of each way. Seen from the turning ground
    the slew rate is up to 0.5 % smaller. At the zenith, where there is no horizontal, H points to the west.
    """
    d = position - station.position
    distance = np.linalg.norm(d, axis=-1)
    u = d / distance[:, None]
    spin = np.array([0.0, 0.0, earth_rotation])
    relative = velocity + np.cross(spin, d)
    across = np.linalg.norm(relative - np.sum(relative * u, axis=-1)[:, None] * u, axis=-1)
    east, north, _ = station.axes
    azimuth = np.arctan2(d @ east, d @ north)
    h = np.sin(azimuth)[:, None] * north - np.cos(azimuth)[:, None] * east
    v = np.cross(u, h)
    inertial = velocity + np.cross(spin, position)
    axes = {
        "velocity": velocity,
        "orbit-normal": np.cross(position, velocity),
        "inertial-velocity": inertial,
        "inertial-orbit-normal": np.cross(position, inertial),
    }
    angles = {
        law: np.unwrap(np.arctan2(np.sum(a * v, axis=-1), np.sum(a * h, axis=-1)) % np.pi, period=np.pi)
        for law, a in axes.items()
    }
    return Motion(2.0 * across / SPEED_OF_LIGHT, across / distance, angles)
