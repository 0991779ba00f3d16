"""Where the satellite is: elements, ephemerides, tables and circles become the geometry of a pass."""

from qphys.orbits.arms import joint_tracks
from qphys.orbits.records import KINDS, Circle, Elevations, Fixed, Oem, Omm, Orbit, Station, Table, Tle, Window
from qphys.orbits.session import Pass, SunAndMoon, passes, sun_and_moon, sun_elevation, sunlit, track

__all__ = [
    "KINDS",
    "Circle",
    "Elevations",
    "Fixed",
    "Oem",
    "Omm",
    "Orbit",
    "Pass",
    "Station",
    "SunAndMoon",
    "Table",
    "Tle",
    "Window",
    "joint_tracks",
    "passes",
    "sun_and_moon",
    "sun_elevation",
    "sunlit",
    "track",
]
