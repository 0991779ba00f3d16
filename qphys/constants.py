"""Physical constants (SI, CODATA 2018; exact unless said) and the figure of the Earth (WGS84)."""

from __future__ import annotations

from typing import Final

SPEED_OF_LIGHT: Final = 299_792_458.0
"""Speed of light in vacuum [m/s], exact."""

PLANCK: Final = 6.626_070_15e-34
"""Planck constant [J s], exact."""

BOLTZMANN: Final = 1.380_649e-23
"""Boltzmann constant [J/K], exact."""

EARTH_EQUATORIAL_RADIUS: Final = 6_378_137.0
"""Semi-major axis of the WGS84 ellipsoid [m], exact by definition."""

EARTH_GRAVITATIONAL_PARAMETER: Final = 3.986_004_418e14
"""Geocentric gravitational constant of WGS84 [m^3/s^2]."""
