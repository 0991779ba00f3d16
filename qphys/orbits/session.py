"""From an orbit, a station and a window to the track of a session: which pass, when, in which steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

import numpy as np

from qphys import stages
from qphys.errors import UserError
from qphys.orbits.dateless import at_elevations, circular_motion, circular_pass, half_duration, tabulated_pass, time_at
from qphys.orbits.frames import Geometry, Motion, Site, line_of_sight, site
from qphys.orbits.propagation import Arc, Clock, Satellite, outside_shadow, satellite, sun_and_moon_positions
from qphys.orbits.records import Circle, Elevations, Fixed, Oem, Omm, Orbit, Station, Table, Tle, Window
from qphys.stages import Floats

OLD: Final = 2.0
"""Age of elements above which a warning is given [days]."""

DARK: Final = -6.0
"""Elevation of the sun above which a warning is given (end of civil twilight) [deg]."""

MOST_STEPS: Final = 1_000_000

MARGIN: Final = 1800.0
"""How far beyond start and stop a pass is followed, so that its rise, closest approach and set are its own [s]."""


SKY_STEP: Final = 60.0
"""Spacing of the moments at which Skyfield is asked for sun and moon alone [s]: they turn by 4 mrad in it."""


class SunAndMoon(NamedTuple):
    """Sun and moon at a station, under the names of `stages.Track`; each (T,)."""

    sun_elevation: Floats
    """[rad]."""
    sun_azimuth: Floats
    """From north over east [rad]."""
    moon_elevation: Floats
    """[rad]."""
    moon_azimuth: Floats
    """From north over east [rad]."""
    moon_illuminated_fraction: Floats
    """Sunlit part of the moon's disc [1]."""


@dataclass(frozen=True, kw_only=True)
class Pass:
    """One pass of a satellite over a station, above a minimum elevation."""

    rise: datetime
    """UTC; where the pass is under way at the start of the search, that start."""
    culmination: datetime
    """Moment of the highest elevation, UTC."""
    closest_approach: datetime
    """Moment of the shortest range, UTC."""
    set: datetime
    """UTC; where the pass is under way at the stop of the search, that stop."""
    rise_azimuth: float
    """[rad]."""
    culmination_azimuth: float
    """[rad]."""
    set_azimuth: float
    """[rad]."""
    maximum_elevation: float
    """[rad]."""
    minimum_range: float
    """[m]."""


@dataclass(frozen=True)
class _Reach:
    """A stretch of the line of sight, its highest and nearest moments, and the moments at which conditions are tested."""

    geometry: Callable[[Floats], Geometry]
    start: float
    stop: float
    culmination: float
    closest: float
    samples: Floats

    @classmethod
    def of(cls, geometry: Callable[[Floats], Geometry], nodes: Floats) -> _Reach:
        seen = geometry(nodes)
        culmination = _extreme(lambda t: -geometry(t).elevation, nodes, -seen.elevation)
        closest = _extreme(lambda t: geometry(t).range, nodes, seen.range)
        if np.isnan(closest):
            closest = culmination
        if np.isnan(culmination):
            culmination = closest
        # Elevation and range have one extreme each in a pass, so that no part fulfilling a condition lies between samples.
        samples = np.unique(np.concatenate([nodes, [culmination, closest]]))
        return cls(geometry, float(nodes[0]), float(nodes[-1]), culmination, closest, samples)

    def parts(self, minimum_elevation: float | None, maximum_range: float | None) -> list[tuple[float, float]]:
        """Contiguous parts in which the conditions hold, their ends found to 10 us."""
        from scipy.optimize import brentq

        def margin(seconds: Floats) -> Floats:
            seen = self.geometry(np.atleast_1d(seconds))
            least = np.full(seen.range.shape, np.inf)
            if minimum_elevation is not None:
                least = np.minimum(least, seen.elevation - minimum_elevation)
            if maximum_range is not None:
                least = np.minimum(least, 1.0 - seen.range / maximum_range)
            return least

        held = np.concatenate([[False], margin(self.samples) >= 0.0, [False]])
        edges = np.flatnonzero(held[1:] != held[:-1])
        found = []
        for first, after in zip(edges[::2], edges[1::2], strict=True):
            ends = []
            for inside, outside in ((first, first - 1), (after - 1, after)):
                bracket = self.samples[inside], self.samples[min(max(outside, 0), len(self.samples) - 1)]
                if bracket[0] == bracket[1] or margin(bracket[0])[0] == 0.0:
                    ends.append(float(bracket[0]))
                else:
                    ends.append(float(brentq(lambda t: float(margin(t)[0]), *bracket, xtol=1e-5)))
            if ends[1] > ends[0]:
                found.append((ends[0], ends[1]))
        return found


def _extreme(value: Callable[[Floats], Floats], nodes: Floats, seen: Floats) -> float:
    """Moment of the smallest value, refined between the nodes beside the smallest; NaN where nothing is known."""
    from scipy.optimize import minimize_scalar

    if np.all(np.isnan(seen)):
        return float("nan")
    k = int(np.nanargmin(seen))
    low, high = nodes[max(k - 1, 0)], nodes[min(k + 1, len(nodes) - 1)]
    best = minimize_scalar(
        lambda t: float(value(np.array([t]))[0]), bounds=(low, high), method="bounded", options={"xatol": 1e-5}
    )
    return float(best.x) if best.fun < seen[k] else float(nodes[k])


def track(orbit: Orbit, station: Station | None, window: Window, *, files: stages.Files, where: str) -> stages.Track:
    """Geometry of a session, step by step.

    The session begins at the first moment at which all conditions of the window hold (found to better than 0.1 ms) and
    lasts as long as they hold. Its steps have the length `time_step_s`; the first begins with the session, and a step
    belongs to it when its centre does. All values are those at the centres.

    Parameters
    ----------
    orbit : Tle, Omm, Oem, Table, Circle, Elevations or Fixed
        The orbit.
    station : Station or None
        The ground station; only elements and ephemerides need one.
    window : Window
        Which pass, which part of it, and the length of a step.
    files : Files
        Gives the content of tables and of OMM and OEM files.
    where : str
        Place of the orbit's table, for messages, such as ``runs/pass.toml: orbit``.

    Returns
    -------
    Track
        `epoch` is the whole second of UTC at or before the beginning, `time` the SI seconds from it to each step's centre.
        Where the pass has no date, `epoch` is empty and `time` counts as the table does, or from the culmination.

    Raises
    ------
    UserError
        The window is incomplete, no pass or several fulfil it, or the orbit cannot be computed there.

    Notes
    -----
    Elevation is geometric: no refraction (5' at 10 deg, 2.7' at 20 deg). Positions carry UT1-UTC, not polar motion (about
    10 m). See `docs/physics/orbits.md`.
    """
    where, station = where.removesuffix(": orbit"), station or Station()
    if isinstance(orbit, Tle | Omm | Oem):
        return _dated(orbit, station, window, files=files, where=where)
    if isinstance(orbit, Table):
        return _from_table(orbit, station, window, files=files, where=where)
    if isinstance(orbit, Elevations | Fixed):
        return _listed(orbit, station, window, where=where)
    return _from_circle(orbit, station, window, where=where)


def _dated(orbit: Tle | Omm | Oem, station: Station, window: Window, *, files: stages.Files, where: str) -> stages.Track:
    place = _site(station, f"{where}: station", orbit.kind)
    if window.start is None or window.stop is None:
        raise UserError(
            f"{where}: window.start: missing; an orbit of kind '{orbit.kind}' needs start and stop to find a pass between"
        )
    clock = Clock(window.start.replace(microsecond=0))
    start, stop = (float(clock.after(clock.scale.from_datetime(t))) for t in (window.start, window.stop))
    craft = satellite(orbit, clock, files=files, where=f"{where}: orbit")
    horizon = 0.0 if window.minimum_elevation_deg is None else float(np.radians(window.minimum_elevation_deg))
    wanted = []
    for arc, reach in _arcs(craft, clock, place, start, stop, horizon):
        for whole in reach.parts(horizon, None if window.maximum_range_km is None else window.maximum_range_km * 1e3):
            part = max(whole[0], start), min(whole[1], stop)
            if part[1] > part[0]:
                wanted.append((arc, reach, part))
    if not wanted:
        raise UserError(f"{where}: window: {_extremes(craft, clock, place, start, stop, window)}")
    if window.pass_number is None and len(wanted) > 1:
        told = ", ".join(f"{i}: {_short(clock, p)}" for i, (_, _, p) in enumerate(wanted[:6], 1))
        told += ", ..." if len(wanted) > 6 else ""
        raise UserError(
            f"{where}: window: {len(wanted)} passes fulfil it ({told}); give pass_number, or a closer start and stop"
        )
    index = (window.pass_number or 1) - 1
    if index >= len(wanted):
        count = f"{len(wanted)} passes fulfil" if len(wanted) > 1 else "1 pass fulfils"
        raise UserError(f"{where}: window.pass_number = {index + 1}: only {count} the window")
    arc, reach, part = wanted[index]
    begin, end = _relative(part, reach.closest, window, where)
    first = int(np.floor(begin))
    seconds = _steps(begin, end, window.time_step_s, where)
    seen = reach.geometry(seconds)
    sun, moon = arc.sun_and_moon(seconds)
    sky = seen_from(place, sun, moon)
    facts, warnings = _facts(craft, clock, reach, horizon, (begin, end)), []
    if "elements_age_days" in facts and abs(float(facts["elements_age_days"])) > OLD:
        age = float(facts["elements_age_days"])
        what = f"{age:.1f} days old" if age > 0 else f"{-age:.1f} days younger than the pass"
        warnings.append(f"the orbital elements are {what}; SGP4 loses 1 to 3 km a day, take elements within {OLD:g} days")
    warnings += _daylight(sky.sun_elevation)
    if abs(begin - reach.start) < 1e-3 or abs(end - reach.stop) < 1e-3:
        warnings.append("the ephemeris begins or ends inside the pass, and the session with it")
    return stages.Track(
        time=seconds - first,
        time_step=window.time_step_s,
        epoch=clock.written(first, timespec="seconds"),
        range=seen.range,
        elevation=seen.elevation,
        azimuth=seen.azimuth,
        range_rate=seen.range_rate,
        sunlit=arc.sunlit(seconds, sun),
        **sky._asdict(),
        **arc.motion(seconds, place)._asdict(),
        station_altitude=station.altitude_m,
        facts={"orbit": orbit.kind, **({"satellite": orbit.title} if orbit.title else {}), **facts},
        warnings=tuple(warnings),
    )


def _site(station: Station, where: str, kind: str) -> Site:
    told = station.si
    if station.latitude_deg is None:
        raise UserError(f"{where}.latitude_deg: missing; an orbit of kind '{kind}' needs the place of the station")
    return site(told.latitude, told.longitude, altitude=told.altitude)


def _arcs(
    craft: Satellite, clock: Clock, place: Site, start: float, stop: float, horizon: float
) -> list[tuple[Arc, _Reach]]:
    found = []
    for a, b in craft.spans(start - MARGIN, stop + MARGIN):
        for low, high in craft.visible(place, a, b, minimum_elevation=horizon):
            if high > start and low < stop:
                arc = Arc(craft, clock, low, high)
                found.append((arc, _Reach.of(lambda t, arc=arc: arc.geometry(t, place), arc.nodes)))  # type: ignore[misc]
    return found


def _extremes(craft: Satellite, clock: Clock, place: Site, start: float, stop: float, window: Window) -> str:
    """Why no pass fulfils the window."""
    highest, nearest = -np.inf, np.inf
    for a, b in craft.spans(start, stop):
        nodes = np.linspace(a, b, max(int((b - a) / 60.0) + 1, 3))
        reach = _Reach.of(lambda t: line_of_sight(*craft.states(clock.at(t)), station=place), nodes)
        ends = reach.geometry(np.array([reach.culmination, reach.closest]))
        highest, nearest = max(highest, float(ends.elevation.max())), min(nearest, float(ends.range.min()))
    return (
        f"no moment between start and stop has {_conditions(window)}; there the satellite reaches at most "
        f"{np.degrees(highest):.2f} deg, and {nearest / 1e3:.1f} km at the nearest"
    )


def _conditions(window: Window) -> str:
    told = [f"elevation above {0.0 if window.minimum_elevation_deg is None else window.minimum_elevation_deg:g} deg"]
    if window.maximum_range_km is not None:
        told.append(f"range below {window.maximum_range_km:g} km")
    return " and ".join(told)


def _short(clock: Clock, part: tuple[float, float]) -> str:
    return f"{clock.written(part[0], timespec='seconds')} to {clock.written(part[1], timespec='seconds')}"


def _relative(part: tuple[float, float], closest: float, window: Window, where: str) -> tuple[float, float]:
    """The part of a pass between start_s and stop_s, counted from its closest approach."""
    begin = part[0] if window.start_s is None else max(part[0], closest + window.start_s)
    end = part[1] if window.stop_s is None else min(part[1], closest + window.stop_s)
    if end <= begin:
        raise UserError(
            f"{where}: window.start_s, stop_s: leave nothing of the pass, which lasts from {part[0] - closest:.1f} s to "
            f"{part[1] - closest:.1f} s from the closest approach"
        )
    return begin, end


def _steps(begin: float, end: float, step: float, where: str) -> Floats:
    """Centres of the steps of a session."""
    # A step whose centre is the end itself belongs; the small number keeps a rounding error from deciding.
    count = int(np.floor((end - begin) / step + 0.5 + 1e-9))
    if count == 0:
        raise UserError(
            f"{where}: window.time_step_s = {step:g}: no centre of a step lies in the session of {end - begin:.3g} s"
        )
    if count > MOST_STEPS:
        raise UserError(f"{where}: window.time_step_s = {step:g}: makes {count} steps; at most {MOST_STEPS} are allowed")
    centres: Floats = begin + (np.arange(count, dtype=np.float64) + 0.5) * step
    return centres


def _facts(
    craft: Satellite, clock: Clock, reach: _Reach, horizon: float, session: tuple[float, float]
) -> dict[str, str | float]:
    whole = next((p for p in reach.parts(horizon, None) if p[0] <= session[0] <= p[1]), (reach.start, reach.stop))
    told: dict[str, str | float] = {
        **craft.facts,
        "sun": "DE421, apparent positions of sun and moon; shadow of the Earth as a cylinder",
        "horizon_deg": round(float(np.degrees(horizon)), 9),
        "rise": clock.written(whole[0]),
        "culmination": clock.written(reach.culmination),
        "closest_approach": clock.written(reach.closest),
        "set": clock.written(whole[1]),
        "session_start": clock.written(session[0]),
        "session_stop": clock.written(session[1]),
        **_figures(reach, session),
    }
    if craft.epoch is not None:
        told["elements_age_days"] = ((session[0] + session[1]) / 2 - craft.epoch) / 86400.0
    return told


def _figures(reach: _Reach, session: tuple[float, float]) -> dict[str, str | float]:
    ends = reach.geometry(np.array([reach.culmination, reach.closest]))
    told: dict[str, str | float] = {"session_duration_s": session[1] - session[0]}
    if not np.isnan(ends.elevation[0]):
        told["maximum_elevation_deg"] = float(np.degrees(ends.elevation[0]))
    if not np.isnan(ends.range[1]):
        told["minimum_range_km"] = float(ends.range[1] / 1e3)
    return told


def _from_circle(orbit: Circle, station: Station, window: Window, *, where: str) -> stages.Track:
    for key in ("start", "stop", "pass_number"):
        if getattr(window, key) is not None:
            raise UserError(f"{where}: window.{key}: an orbit of kind 'circle' has no date; use start_s and stop_s")
    told = orbit.si
    height, highest = told.altitude, told.maximum_elevation
    half = half_duration(height, maximum_elevation=highest)
    nodes = np.linspace(-half, half, 101)
    reach = _Reach.of(lambda t: circular_pass(t, height, maximum_elevation=highest), nodes)
    facts: dict[str, str | float] = {"orbit": "circle", "propagator": "circular orbit, spherical Earth that does not turn"}

    def motion(t: Floats) -> Motion:
        return circular_motion(t, height, maximum_elevation=highest)

    return _dateless(reach, motion, window, None, station, facts, where)


def _from_table(orbit: Table, station: Station, window: Window, *, files: stages.Files, where: str) -> stages.Track:
    place = f"tables/{orbit.table}"
    time, geometry, motion = tabulated_pass(files.table(orbit.table, f"{where}: orbit.table"), place)
    seen = geometry(time)
    for key, value, column in (
        ("minimum_elevation_deg", seen.elevation, "elevation_deg"),
        ("maximum_range_km", seen.range, "range_km"),
    ):
        if getattr(window, key) is not None and np.isnan(value[0]):
            raise UserError(f"{where}: window.{key}: {place} has no column {column} to hold it against")
    if window.pass_number is not None:
        raise UserError(f"{where}: window.pass_number: a table holds one pass")
    if orbit.epoch is None and window.start is not None:
        raise UserError(f"{where}: window.start: {place} has no date; give orbit.epoch, or use start_s and stop_s")
    facts: dict[str, str | float] = {"orbit": "table", "propagator": f"cubic spline through {place}"}
    return _dateless(_Reach.of(geometry, time), motion, window, orbit.epoch, station, facts, where)


def _listed(orbit: Elevations | Fixed, station: Station, window: Window, *, where: str) -> stages.Track:
    """Steps that the orbit itself lists: nothing of a window but the length of a step applies."""
    for key in sorted(Window.model_fields.keys() - {"time_step_s", "title", "model", "origin"}):
        if getattr(window, key) is not None:
            raise UserError(f"{where}: window.{key}: an orbit of kind '{orbit.kind}' lists its own steps; leave it out")
    step = window.time_step_s
    facts: dict[str, str | float] = {"orbit": orbit.kind}
    seconds: Floats
    if isinstance(orbit, Fixed):
        seconds = _steps(0.0, orbit.duration_s, step, where)
        elevation = np.nan if orbit.elevation_deg is None else float(np.radians(orbit.elevation_deg))
        unknown = np.full(seconds.shape, np.nan)
        seen = Geometry(np.full(seconds.shape, orbit.si.range), np.full(seconds.shape, elevation), unknown, 0.0 * seconds)
        turning = Motion(0.0 * seconds, 0.0 * seconds, {})
        facts["propagator"] = "two places that do not move"
    else:
        seen = at_elevations(np.radians(np.asarray(orbit.elevation_deg)), orbit.si.altitude)
        seconds = (np.arange(seen.range.size, dtype=np.float64) + 0.5) * step
        moments = time_at(seen.elevation, orbit.si.altitude)
        turning = circular_motion(moments, orbit.si.altitude, maximum_elevation=0.5 * np.pi)
        facts["propagator"] = "listed elevations of a circular orbit, spherical Earth that does not turn"
    facts["session_duration_s"] = seconds.size * step
    if not np.isnan(seen.elevation[0]):
        facts["maximum_elevation_deg"] = float(np.degrees(seen.elevation.max()))
    facts["minimum_range_km"] = float(seen.range.min() / 1e3)
    unknown = np.full(seconds.shape, np.nan)
    return stages.Track(
        time=seconds,
        time_step=step,
        epoch="",
        range=seen.range,
        elevation=seen.elevation,
        azimuth=unknown,
        range_rate=seen.range_rate,
        sun_elevation=unknown,
        sunlit=unknown,
        **turning._asdict(),
        station_altitude=station.altitude_m,
        facts=facts,
    )


def _dateless(
    reach: _Reach,
    motion: Callable[[Floats], Motion],
    window: Window,
    epoch: datetime | None,
    station: Station,
    facts: dict[str, str | float],
    where: str,
) -> stages.Track:
    """Session of a pass whose seconds are its own, with a date only where `epoch` gives one."""
    top = reach.geometry(np.array([reach.culmination])).elevation[0]
    horizon = None if np.isnan(top) else float(np.radians(window.minimum_elevation_deg or 0.0))
    low, high = reach.start, reach.stop
    if epoch is not None and window.start is not None and window.stop is not None:
        low = max(low, (window.start - epoch).total_seconds())
        high = min(high, (window.stop - epoch).total_seconds())
    limit = None if window.maximum_range_km is None else window.maximum_range_km * 1e3
    found = [(max(a, low), min(b, high)) for a, b in reach.parts(horizon, limit) if min(b, high) > max(a, low)]
    if not found:
        figures = _figures(reach, (low, high))
        told = [f"at most {figures['maximum_elevation_deg']:.2f} deg"] if "maximum_elevation_deg" in figures else []
        told += [f"{figures['minimum_range_km']:.1f} km at the nearest"] if "minimum_range_km" in figures else []
        raise UserError(f"{where}: window: no moment of the pass has {_conditions(window)}; it reaches {' and '.join(told)}")
    if len(found) > 1:
        raise UserError(
            f"{where}: window: {len(found)} parts of the table fulfil it; bring start_s and stop_s closer together"
        )
    begin, end = _relative(found[0], reach.closest, window, where)
    seconds = _steps(begin, end, window.time_step_s, where)
    seen = reach.geometry(seconds)
    sky = SunAndMoon(*np.full((len(SunAndMoon._fields), len(seconds)), np.nan))
    if epoch is not None and station.latitude_deg is not None:
        sky = sun_and_moon(station, epoch, seconds=seconds)
    return stages.Track(
        time=seconds,
        time_step=window.time_step_s,
        epoch="" if epoch is None else epoch.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z",
        range=seen.range,
        elevation=seen.elevation,
        azimuth=seen.azimuth,
        range_rate=seen.range_rate,
        sunlit=np.full(seconds.shape, np.nan),
        **sky._asdict(),
        **motion(seconds)._asdict(),
        station_altitude=station.altitude_m,
        facts={**facts, **_figures(reach, (begin, end))},
        warnings=_daylight(sky.sun_elevation),
    )


def _daylight(sun_up: Floats) -> tuple[str, ...]:
    highest = float(np.degrees(sun_up.max()))
    if not highest > DARK:
        return ()
    return (f"the sun stands at up to {highest:.1f} deg over the station (above {DARK:g} deg): the sky is not dark",)


def passes(
    orbit: Tle | Omm | Oem,
    station: Station,
    start: datetime,
    stop: datetime,
    *,
    minimum_elevation: float,
    files: stages.Files | None = None,
    where: str = "passes",
) -> list[Pass]:
    """All passes of a satellite over a station, in order of time.

    Parameters
    ----------
    orbit : Tle, Omm or Oem
        The orbit.
    station : Station
        The station, with its latitude and longitude.
    start, stop : datetime
        Interval that is searched, with their offset from UTC.
    minimum_elevation : float
        Geometric elevation above which a pass counts [rad].
    files : Files, optional
        Gives the content of OMM and OEM files.
    where : str, optional
        For messages.

    Returns
    -------
    list of Pass
        Rise and set to better than 1 ms of the propagated orbit; a pass under way at `start` or `stop` is cut there.

    Raises
    ------
    UserError
        The elements or the file are wrong.

    Examples
    --------
    >>> from datetime import datetime, timezone
    >>> from math import degrees, radians
    >>> micius = Tle(
    ...     kind="tle",
    ...     line1="1 41731U 16051A   16353.90152003  .00000364  00000-0  17957-4 0  9993",
    ...     line2="2 41731  97.3699 267.4500 0013200 178.5836 246.0824 15.23915303 19063",
    ... )
    >>> xinglong = Station(latitude_deg=40.39587, longitude_deg=117.57746, altitude_m=890.0)
    >>> night = [datetime(2016, 12, 19, hour, tzinfo=timezone.utc) for hour in (12, 20)]
    >>> for p in passes(micius, xinglong, *night, minimum_elevation=radians(30)):
    ...     print(p.culmination.strftime("%H:%M:%S"), round(degrees(p.maximum_elevation), 1), round(p.minimum_range, -2))
    16:52:13 47.8 645400.0
    """
    for name, moment in (("start", start), ("stop", stop)):
        if moment.tzinfo is None:
            raise UserError(f"{where}: {name}: has no offset from UTC")
    if stop <= start:
        raise UserError(f"{where}: stop ({stop.isoformat()}) must come after start ({start.isoformat()})")
    clock = Clock(start)
    place = _site(station, f"{where}: station", orbit.kind)
    craft = satellite(orbit, clock, files=files, where=f"{where}: orbit")
    length = float(clock.after(clock.scale.from_datetime(stop)))
    found = []
    for low, high in craft.spans(0.0, length):
        for a, b in craft.visible(place, low, high, minimum_elevation=minimum_elevation):
            arc = Arc(craft, clock, a, b)
            reach = _Reach.of(lambda t, arc=arc: arc.geometry(t, place), arc.nodes)  # type: ignore[misc]
            found += [_told(clock, reach, part) for part in reach.parts(minimum_elevation, None)]
    return found


def _told(clock: Clock, reach: _Reach, part: tuple[float, float]) -> Pass:
    top, near = (min(max(t, part[0]), part[1]) for t in (reach.culmination, reach.closest))
    seen = reach.geometry(np.array([part[0], top, near, part[1]]))
    return Pass(
        rise=clock.utc(part[0]),
        culmination=clock.utc(top),
        closest_approach=clock.utc(near),
        set=clock.utc(part[1]),
        rise_azimuth=float(seen.azimuth[0]),
        culmination_azimuth=float(seen.azimuth[1]),
        set_azimuth=float(seen.azimuth[3]),
        maximum_elevation=float(seen.elevation[1]),
        minimum_range=float(seen.range[2]),
    )


def sun_elevation(station: Station, start: datetime, *, seconds: Floats) -> Floats:
    """Elevation of the sun's centre at a station, geometric (no refraction).

    Parameters
    ----------
    station : Station
        The station.
    start : datetime
        A moment, with its offset from UTC.
    seconds : ndarray
        Moments after `start` [s], (T,).

    Returns
    -------
    ndarray
        [rad], (T,).

    Notes
    -----
    JPL ephemeris DE421 through Skyfield, apparent position, topocentric; good to 1e-3 deg (polar motion is left out).
    """
    return sun_and_moon(station, start, seconds=seconds).sun_elevation


def sun_and_moon(station: Station, start: datetime, *, seconds: Floats) -> SunAndMoon:
    r"""Where sun and moon stand at a station, and how much of the moon is lit.

    .. math:: k = \tfrac12 (1 + \cos\alpha), \qquad
              \cos\alpha = \frac{(\mathbf r_\odot - \mathbf r_m) \cdot (\mathbf r - \mathbf r_m)}
                                {|\mathbf r_\odot - \mathbf r_m|\,|\mathbf r - \mathbf r_m|}

    Parameters
    ----------
    station : Station
        The station, at :math:`\mathbf r`.
    start : datetime
        A moment, with its offset from UTC.
    seconds : ndarray
        Moments after `start` [s], (T,).

    Returns
    -------
    SunAndMoon
        Geometric (no refraction), topocentric: the moon's parallax of up to 0.95 deg is in it.

    Raises
    ------
    UserError
        The station has no place.

    Notes
    -----
    JPL ephemeris DE421 through Skyfield, apparent positions, computed every `SKY_STEP` and interpolated by a cubic spline
    (error below 1e-9 rad); good to 1e-3 deg (polar motion and diurnal aberration are left out).

    Examples
    --------
    >>> from datetime import datetime, timezone
    >>> tenerife = Station(latitude_deg=28.30094, longitude_deg=-16.51183, altitude_m=2393.0)
    >>> sky = sun_and_moon(tenerife, datetime(2026, 1, 3, 21, tzinfo=timezone.utc), seconds=np.array([0.0]))
    >>> round(float(np.degrees(sky.moon_elevation[0])), 2), round(float(sky.moon_illuminated_fraction[0]), 3)
    (27.59, 0.995)
    """
    from scipy.interpolate import CubicSpline

    clock, at = Clock(start), np.atleast_1d(np.asarray(seconds, dtype=np.float64))
    place = _site(station, "station", "sun and moon")
    low, high = (float(at.min()), float(at.max())) if at.size else (0.0, 0.0)
    count = max(int(np.ceil((high - low) / SKY_STEP)) + 1, 4)
    if count >= at.size:
        return seen_from(place, *sun_and_moon_positions(clock.at(at)))
    nodes = np.linspace(low, high, count)
    return seen_from(place, *(CubicSpline(nodes, body)(at) for body in sun_and_moon_positions(clock.at(nodes))))


def seen_from(place: Site, sun: Floats, moon: Floats) -> SunAndMoon:
    """Angles of Earth-fixed places of sun and moon [m], each (T, 3), at a site; see `sun_and_moon`."""
    at_rest = np.zeros_like(sun)
    star, satellite = (line_of_sight(body, at_rest, station=place) for body in (sun, moon))
    to_sun, to_site = sun - moon, place.position - moon
    cosine = np.sum(to_sun * to_site, axis=-1) / (np.linalg.norm(to_sun, axis=-1) * np.linalg.norm(to_site, axis=-1))
    return SunAndMoon(star.elevation, star.azimuth, satellite.elevation, satellite.azimuth, 0.5 * (1.0 + cosine))


def sunlit(
    orbit: Tle | Omm | Oem,
    start: datetime,
    *,
    seconds: Floats,
    files: stages.Files | None = None,
    where: str = "sunlit",
) -> Floats:
    """Whether a satellite is in sunlight: 1, or 0 in the Earth's shadow.

    Parameters
    ----------
    orbit : Tle, Omm or Oem
        The orbit.
    start : datetime
        A moment, with its offset from UTC.
    seconds : ndarray
        Moments after `start` [s], (T,).
    files : Files, optional
        Gives the content of OMM and OEM files.
    where : str, optional
        For messages.

    Returns
    -------
    ndarray
        (T,); NaN outside an ephemeris.

    Notes
    -----
    The shadow is a cylinder, see `qphys.orbits.propagation.outside_shadow`.
    """
    clock = Clock(start)
    moments = clock.at(np.atleast_1d(np.asarray(seconds, dtype=np.float64)))
    position, _ = satellite(orbit, clock, files=files, where=f"{where}: orbit").states(moments)
    lit = outside_shadow(position, sun_and_moon_positions(moments)[0])
    return np.where(np.isnan(position[:, 0]), np.nan, lit)
