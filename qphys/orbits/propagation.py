"""Earth-fixed positions of a satellite from its elements or its ephemeris, through Skyfield's public interface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from qphys.constants import EARTH_EQUATORIAL_RADIUS
from qphys.errors import UserError
from qphys.orbits import elements, ephemeris
from qphys.orbits.frames import Geometry, Motion, Site, line_of_sight, motion
from qphys.orbits.records import Oem, Omm, Orbit, Tle
from qphys.stages import Files, Floats

if TYPE_CHECKING:
    from skyfield.sgp4lib import EarthSatellite
    from skyfield.timelib import Time

NODE_STEP: Final = 10.0
"""Spacing of the moments at which Skyfield is asked [s]. Its nutation series costs 80 us each; a cubic Hermite spline
through positions and velocities between them is in error by h^4/384 |r''''|, below 1 mm for low orbits."""

SEARCH_STEP: Final = 30.0
"""Spacing of the search for passes of an ephemeris [s]."""

DAY: Final = 86400.0

OLDEST: Final = 730.0
"""Age beyond which elements are refused [days]; SGP4 then gives orbits that mean nothing, without an error."""

LOWEST: Final = 6.4e6
"""Geocentric distance below which no orbit is [m]."""


class Clock:
    """SI seconds after a moment in UTC, and back."""

    def __init__(self, base: datetime) -> None:
        from skyfield.api import load

        self.scale = load.timescale(builtin=True)
        self.base = self.scale.from_datetime(base)

    def at(self, seconds: Floats | float) -> Time:
        """Skyfield's time."""
        return self.base + np.asarray(seconds) / DAY

    def after(self, time: Time) -> Floats:
        """Seconds from the base to Skyfield's time."""
        seconds: Floats = np.asarray((time - self.base) * DAY, dtype=np.float64)
        return seconds

    def utc(self, seconds: float) -> datetime:
        """UTC, to 1 us."""
        found: datetime = self.at(float(seconds)).utc_datetime()
        return found

    def written(self, seconds: float, *, timespec: str = "milliseconds") -> str:
        """UTC in ISO 8601."""
        return self.utc(seconds).replace(tzinfo=None).isoformat(timespec=timespec) + "Z"


class Satellite(Protocol):
    """A satellite at any moment in the Earth-fixed frame."""

    facts: dict[str, str | float]
    epoch: float | None
    """Of its elements on the clock [s]; an ephemeris has none."""

    def states(self, time: Time) -> tuple[Floats, Floats]:
        """Earth-fixed position [m] and velocity [m/s], (T, 3)."""

    def spans(self, start: float, stop: float) -> list[tuple[float, float]]:
        """Parts of an interval of the clock for which states exist [s]."""

    def visible(self, site: Site, start: float, stop: float, *, minimum_elevation: float) -> list[tuple[float, float]]:
        """Parts of an interval that hold every pass above an elevation [rad]; each holds one pass, or none."""


def satellite(orbit: Orbit, clock: Clock, *, files: Files | None, where: str) -> Satellite:
    """The satellite that an orbit's record describes.

    Parameters
    ----------
    orbit : Tle, Omm or Oem
        The record.
    clock : Clock
        Origin of all seconds.
    files : Files or None
        Gives the content of OMM and OEM files.
    where : str
        Place of the orbit's table, for messages.

    Returns
    -------
    Satellite

    Raises
    ------
    UserError
        The elements or the file are wrong.
    """
    if isinstance(orbit, Tle):
        from skyfield.sgp4lib import EarthSatellite

        return FromElements(EarthSatellite(orbit.line1, orbit.line2, orbit.title or None, clock.scale), clock, where)
    if not isinstance(orbit, Omm | Oem):
        raise UserError(f"{where}.kind = {getattr(orbit, 'kind', '?')!r}: has no date and place; tle, omm or oem is needed")
    if files is None:
        raise UserError(f"{where}.file = {orbit.file!r}: no folder of files was given to read it from")
    text, place = files.text(orbit.file, f"{where}.file"), f"tables/{orbit.file}"
    if isinstance(orbit, Omm):
        return FromElements(_from_omm(text, clock, place), clock, place)
    return FromEphemeris(ephemeris.read_oem(text, place), clock, place)


def _from_omm(text: str, clock: Clock, place: str) -> EarthSatellite:
    from skyfield.sgp4lib import EarthSatellite

    fields = elements.read_omm(text, place)
    # SGP4 does not use the catalogue number, and its library takes none above 339,999.
    plain = fields | {"NORAD_CAT_ID": fields["NORAD_CAT_ID"] if int(fields["NORAD_CAT_ID"]) < 339_999 else "0"}
    return EarthSatellite.from_omm(clock.scale, plain)


class FromElements:
    """Mean elements, SGP4 with WGS72 constants."""

    def __init__(self, satellite: EarthSatellite, clock: Clock, where: str) -> None:
        self._satellite, self._clock, self._where = satellite, clock, where
        import sgp4
        import skyfield
        from sgp4.api import SGP4_ERRORS

        self._errors = SGP4_ERRORS
        if satellite.model.error:
            raise UserError(f"{where}: SGP4 refuses the elements: {SGP4_ERRORS[satellite.model.error]}")
        version = ".".join(map(str, skyfield.VERSION))
        self.epoch: float | None = float(clock.after(satellite.epoch))
        self.facts: dict[str, str | float] = {
            "elements_epoch": clock.written(float(clock.after(satellite.epoch))),
            "propagator": f"SGP4, WGS72 (sgp4 {sgp4.__version__}), frames by Skyfield {version}",
            "earth_rotation": f"UT1-UTC of the table in Skyfield {version}; no polar motion",
        }

    def states(self, time: Time) -> tuple[Floats, Floats]:
        from skyfield.framelib import itrs

        position = self._satellite.at(time)
        vectors = position.frame_xyz_and_velocity(itrs)
        result = vectors[0].m.T, vectors[1].km_per_s.T * 1e3
        if not np.all(np.isfinite(result[0])):
            message = next(m for m in np.atleast_1d(position.message) if m)
            raise UserError(f"{self._where}: SGP4 fails at the time asked for: {message}")
        age = np.abs(np.atleast_1d(time - self._satellite.epoch)).max(initial=0.0)
        if age > OLDEST:
            raise UserError(
                f"{self._where}: the elements are {age:.0f} days away from the time asked for; {OLDEST:g} is the most"
            )
        if np.any(np.linalg.norm(result[0], axis=-1) < LOWEST):
            raise UserError(f"{self._where}: the elements put the satellite into the ground at the time asked for")
        return result

    def spans(self, start: float, stop: float) -> list[tuple[float, float]]:
        return [(start, stop)]

    def visible(self, site: Site, start: float, stop: float, *, minimum_elevation: float) -> list[tuple[float, float]]:
        from skyfield.api import wgs84

        place = wgs84.latlon(np.degrees(site.latitude), np.degrees(site.longitude), site.altitude)
        # A tenth of a degree lower, and 2 s more: a pass that grazes the limit is judged on the exact arc.
        degrees = float(np.degrees(minimum_elevation)) - 0.1
        first, last = self._clock.at(start), self._clock.at(stop)
        times, events = self._satellite.find_events(place, first, last, degrees)
        edges = np.array([start, *self._clock.after(times[events != 1]), stop])
        middle = self._clock.at((edges[1:] + edges[:-1]) / 2)
        above = line_of_sight(*self.states(middle), station=site).elevation >= np.radians(degrees)
        found = [(float(a), float(b)) for a, b, up in zip(edges[:-1], edges[1:], above, strict=True) if up and b > a]
        return [(max(a - 2.0, start), min(b + 2.0, stop)) for a, b in found]


class FromEphemeris:
    """States of an OEM file, interpolated in the file's frame."""

    def __init__(self, segments: Sequence[ephemeris.Segment], clock: Clock, where: str) -> None:
        self._clock, self._where = clock, where
        self.epoch: float | None = None
        self._segments = sorted((_Timed.of(s, clock, where) for s in segments), key=lambda s: s.start)
        for a, b in zip(self._segments[:-1], self._segments[1:], strict=True):
            if b.start < a.stop - 1e-6:
                raise UserError(f"{where}: two segments overlap; give USEABLE_START_TIME and USEABLE_STOP_TIME")
        import skyfield

        version = ".".join(map(str, skyfield.VERSION))
        first = self._segments[0].segment
        self.facts: dict[str, str | float] = {
            "propagator": f"OEM in {first.frame}, {first.method.capitalize()} of degree {first.degree}; "
            f"frames by Skyfield {version}",
            "earth_rotation": f"UT1-UTC of the table in Skyfield {version}; no polar motion",
        }

    def states(self, time: Time) -> tuple[Floats, Floats]:
        seconds = np.atleast_1d(self._clock.after(time))
        position, velocity = np.full((2, len(seconds), 3), np.nan)
        starts = np.array([s.start for s in self._segments])
        owner = np.clip(np.searchsorted(starts, seconds, side="right") - 1, 0, len(starts) - 1)
        for index in np.unique(owner):
            timed, mine = self._segments[index], owner == index
            mine &= (seconds >= timed.start - 1e-6) & (seconds <= timed.stop + 1e-6)
            if mine.any():
                s = timed.segment
                there = ephemeris.interpolate(
                    seconds[mine], timed.time, s.position, s.velocity, method=s.method, degree=s.degree
                )
                position[mine], velocity[mine] = _to_earth_fixed(s.frame, self._clock.at(seconds[mine]), *there)
        return position, velocity

    def spans(self, start: float, stop: float) -> list[tuple[float, float]]:
        joined: list[tuple[float, float]] = []
        for s in self._segments:
            if joined and s.start <= joined[-1][1] + 1e-6:
                joined[-1] = (joined[-1][0], s.stop)
            else:
                joined.append((s.start, s.stop))
        spans = [(max(a, start), min(b, stop)) for a, b in joined if min(b, stop) > max(a, start)]
        if not spans:
            told = "; ".join(f"{self._clock.written(a)} to {self._clock.written(b)}" for a, b in joined)
            raise UserError(f"{self._where}: the ephemeris does not cover the time asked for; it covers {told}")
        return spans

    def visible(self, site: Site, start: float, stop: float, *, minimum_elevation: float) -> list[tuple[float, float]]:
        count = max(int(np.ceil((stop - start) / SEARCH_STEP)) + 1, 3)
        grid = np.linspace(start, stop, count)
        geometry = line_of_sight(*self.states(self._clock.at(grid)), station=site)
        # A pass stays above -10 deg for minutes, so that no step of the search can miss it.
        above = np.concatenate([[False], geometry.elevation > np.radians(-10.0), [False]])
        change = np.flatnonzero(above[1:] != above[:-1])
        return [
            (float(grid[max(a - 1, 0)]), float(grid[min(b, count - 1)]))
            for a, b in zip(change[::2], change[1::2], strict=True)
        ]


@dataclass(frozen=True)
class _Timed:
    """A segment with its times on the clock."""

    segment: ephemeris.Segment
    time: Floats
    start: float
    stop: float

    @classmethod
    def of(cls, segment: ephemeris.Segment, clock: Clock, where: str) -> _Timed:
        time = _on_clock(segment.dates, segment.time_system, clock)
        if not np.all(np.diff(time) > 0):
            late = int(np.flatnonzero(np.diff(time) <= 0)[0]) + 2
            raise UserError(f"{where}: the times of a segment must increase; state {late} comes not after the one before it")
        ends = _on_clock(np.asarray(segment.usable), segment.time_system, clock)
        start, stop = max(float(ends[0]), float(time[0])), min(float(ends[1]), float(time[-1]))
        if stop <= start:
            raise UserError(f"{where}: USEABLE_STOP_TIME must come after USEABLE_START_TIME")
        return cls(segment, time, start, stop)


def _on_clock(dates: Floats, system: str, clock: Clock) -> Floats:
    year, month, day, hour, minute, second = dates.T
    make = {"UTC": clock.scale.utc, "TAI": clock.scale.tai, "TT": clock.scale.tt, "GPS": clock.scale.tai}[system]
    # GPS time stays 19 s behind TAI.
    return clock.after(make(year, month, day, hour, minute, second + (19.0 if system == "GPS" else 0.0)))


def _to_earth_fixed(frame: str, time: Time, position: Floats, velocity: Floats) -> tuple[Floats, Floats]:
    if frame == "ITRF":
        return position, velocity
    from skyfield.framelib import ICRS, ICRS_to_J2000, itrs
    from skyfield.positionlib import ICRF
    from skyfield.sgp4lib import TEME
    from skyfield.units import Distance, Velocity

    if frame == "EME2000":
        position, velocity = position @ ICRS_to_J2000, velocity @ ICRS_to_J2000
    axes = TEME if frame == "TEME" else ICRS
    place = ICRF.from_time_and_frame_vectors(time, axes, Distance(m=position.T), Velocity(km_per_s=velocity.T / 1e3))
    r, v = place.frame_xyz_and_velocity(itrs)
    return r.m.T, v.km_per_s.T * 1e3


class Arc:
    """A stretch of the satellite's way as a cubic Hermite spline through nodes, with the sun's direction beside it."""

    def __init__(self, satellite: Satellite, clock: Clock, start: float, stop: float) -> None:
        from scipy.interpolate import CubicHermiteSpline

        self.start, self.stop = start, stop
        self.nodes = np.linspace(start, stop, max(int(np.ceil((stop - start) / NODE_STEP)) + 1, 3))
        self._time = clock.at(self.nodes)
        position, velocity = satellite.states(self._time)
        self._position = CubicHermiteSpline(self.nodes, position, velocity)
        self._velocity = self._position.derivative()

    def geometry(self, seconds: Floats, site: Site) -> Geometry:
        """Line of sight from a station."""
        return line_of_sight(self._position(seconds), self._velocity(seconds), station=site)

    def motion(self, seconds: Floats, site: Site) -> Motion:
        """Point ahead, slew and polarization frame at a station."""
        return motion(self._position(seconds), self._velocity(seconds), station=site)

    def sun_and_moon(self, seconds: Floats) -> tuple[Floats, Floats]:
        """Apparent places of sun and moon in the Earth-fixed frame [m], each (T, 3)."""
        from scipy.interpolate import CubicSpline

        sun, moon = (CubicSpline(self.nodes, body)(seconds) for body in sun_and_moon_positions(self._time))
        return sun, moon

    def sunlit(self, seconds: Floats, sun: Floats) -> Floats:
        """1 in sunlight, 0 in the Earth's shadow, see `outside_shadow`."""
        return outside_shadow(self._position(seconds), sun)


def sun_and_moon_positions(time: Time) -> tuple[Floats, Floats]:
    """Apparent places of sun and moon in the Earth-fixed frame [m], each (T, 3), from DE421 in skyfield-data.

    Seen from the centre of the Earth: a station's parallax (0.95 deg for the moon) is a subtraction away.
    """
    from importlib.resources import as_file, files

    from skyfield.api import load_file
    from skyfield.framelib import itrs

    with as_file(files("skyfield_data") / "data" / "de421.bsp") as path:
        kernel = load_file(str(path))
        try:
            earth = kernel["earth"].at(time)
            sun, moon = (earth.observe(kernel[body]).apparent().frame_xyz(itrs).m.T for body in ("sun", "moon"))
        finally:
            kernel.close()
    return sun, moon


def outside_shadow(position: Floats, sun: Floats) -> Floats:
    """Whether a satellite stands outside a cylinder of the Earth's equatorial radius behind the Earth.

    In shadow where r . s < 0 and |r - (r . s) s| < R, s the direction of the sun.

    Parameters
    ----------
    position, sun : ndarray
        Satellite r and sun in one geocentric frame [m], (T, 3).

    Returns
    -------
    ndarray
        1 in sunlight, 0 in shadow, (T,).

    Notes
    -----
    The penumbra, about 9 s for low orbits, and the flattening are left out: entry and exit are good to about 5 s. Source:
    Vallado, 4th ed., section 5.3.3 (cylindrical shadow).
    """
    s = sun / np.linalg.norm(sun, axis=-1, keepdims=True)
    along = np.sum(position * s, axis=-1)
    across = np.linalg.norm(position - along[..., None] * s, axis=-1)
    return np.where((along < 0) & (across < EARTH_EQUATORIAL_RADIUS), 0.0, 1.0)
