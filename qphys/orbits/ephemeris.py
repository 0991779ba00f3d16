"""Reads OEM files (CCSDS 502.0-B-3) as KVN or XML and interpolates their states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from qphys.errors import UserError, nearest
from qphys.orbits.elements import key_values, moment, number, tag, xml_root
from qphys.stages import Floats

TIME_SYSTEMS: Final = ("UTC", "TAI", "TT", "GPS")
FRAMES: Final = ("ITRF", "ICRF", "GCRF", "EME2000", "TEME")
METHODS: Final = ("HERMITE", "LAGRANGE", "LINEAR")
DEFAULT_DEGREE: Final = {"HERMITE": 7, "LAGRANGE": 7, "LINEAR": 1}
"""Degree of the polynomial where the file gives none."""


@dataclass(frozen=True)
class Segment:
    """One segment of an OEM, as it stands in the file."""

    frame: str
    time_system: str
    method: str
    degree: int
    dates: Floats
    """Year, month, day, hour, minute, second in the time system, (N, 6)."""
    position: Floats
    """[m], (N, 3)."""
    velocity: Floats
    """[m/s], (N, 3)."""
    usable: tuple[tuple[float, ...], tuple[float, ...]]
    """First and last date at which the segment may be used."""
    name: str


def read_oem(text: str, place: str) -> list[Segment]:
    """Segments of an OEM in the order of the file.

    Parameters
    ----------
    text : str
        Content of the file: KVN or XML, told apart by their first character.
    place : str
        Name of the file, for messages.

    Returns
    -------
    list of Segment

    Raises
    ------
    UserError
        The file is no OEM of one object about the Earth in a known frame and time system, or its times do not increase.

    Notes
    -----
    Covariances and accelerations are read over. ITRF-93 to ITRF2020 count as one frame: they agree to a few centimetres.
    Source: CCSDS 502.0-B-3, section 5.
    """
    head = text.lstrip("\ufeff \t\r\n")
    if not head:
        raise UserError(f"{place}: empty; an OEM is needed")
    parts = _xml_parts(head, place) if head[0] == "<" else _kvn_parts(head, place)
    if not parts:
        raise UserError(f"{place}: holds no segment (META_START ... META_STOP and lines of states)")
    names = {metadata.get("OBJECT_NAME", "") for metadata, _ in parts}
    if len(names) > 1:
        raise UserError(f"{place}: holds {len(names)} objects ({', '.join(sorted(names))}); one is needed")
    return [_segment(metadata, rows, place) for metadata, rows in parts]


Rows = list[tuple[str, list[str]]]
"""Place of each state, and its date and numbers."""


def _kvn_parts(text: str, place: str) -> list[tuple[dict[str, str], Rows]]:
    lines = text.splitlines()
    if not lines[0].startswith("CCSDS_OEM_VERS"):
        raise UserError(f"{place}, line 1: an OEM starts with CCSDS_OEM_VERS = 2.0")
    parts: list[tuple[dict[str, str], Rows]] = []
    section, opened = "header", 0
    for index, line in enumerate(lines, 1):
        line = line.strip()
        if line == "META_START":
            section, opened = "metadata", index
        elif line == "META_STOP" and section == "metadata":
            metadata = dict(key_values(lines[opened : index - 1], place, first_line=opened + 1))
            parts.append((metadata, []))
            section = "states"
        elif line == "COVARIANCE_START":
            section = "covariance"
        elif line == "COVARIANCE_STOP":
            section = "states"
        elif section == "states" and line and not line.startswith("COMMENT"):
            parts[-1][1].append((f"{place}, line {index}", line.split()))
    if section == "metadata":
        raise UserError(f"{place}, line {opened}: META_START without META_STOP")
    return parts


def _xml_parts(text: str, place: str) -> list[tuple[dict[str, str], Rows]]:
    parts = []
    for segment in (e for e in xml_root(text, place).iter() if tag(e) == "segment"):
        metadata = {tag(f): (f.text or "").strip() for m in segment if tag(m) == "metadata" for f in m}
        vectors = [e for e in segment.iter() if tag(e) == "stateVector"]
        rows = []
        for index, vector in enumerate(vectors, 1):
            values = {tag(f): (f.text or "").strip() for f in vector}
            names = ("EPOCH", "X", "Y", "Z", "X_DOT", "Y_DOT", "Z_DOT")
            rows.append((f"{place}, state {index}", [values[name] for name in names if name in values]))
        parts.append((metadata, rows))
    return parts


def _segment(metadata: dict[str, str], rows: Rows, place: str) -> Segment:
    frame = _one_of(metadata, "REF_FRAME", FRAMES, place)
    system = _one_of(metadata, "TIME_SYSTEM", TIME_SYSTEMS, place)
    method = _one_of({"INTERPOLATION": "HERMITE"} | metadata, "INTERPOLATION", METHODS, place)
    if metadata.get("CENTER_NAME", "EARTH").upper() not in ("EARTH", "EARTH BARYCENTER"):
        raise UserError(f"{place}: CENTER_NAME = {metadata['CENTER_NAME']}: must be EARTH")
    told = metadata.get("INTERPOLATION_DEGREE") if "INTERPOLATION" in metadata else None
    degree = DEFAULT_DEGREE[method] if told is None else number(told, f"{place}: INTERPOLATION_DEGREE")
    if degree != int(degree) or not 1 <= degree <= 25 or (method == "HERMITE" and degree % 2 == 0):
        allowed = "an odd whole number" if method == "HERMITE" else "a whole number"
        raise UserError(f"{place}: INTERPOLATION_DEGREE = {told}: must be {allowed} from 1 to 25")
    needed = (int(degree) + 1) // 2 if method == "HERMITE" else int(degree) + 1
    if len(rows) < max(needed, 2):
        raise UserError(f"{place}: a segment has {len(rows)} states; interpolation of degree {int(degree)} needs {needed}")
    dates, states = [], []
    for where, fields in rows:
        if len(fields) not in (7, 10):
            raise UserError(f"{where}: {len(fields)} fields; a date and 6 numbers (or 9 with acceleration) are needed")
        dates.append(moment(fields[0], where))
        states.append([number(field, where) for field in fields[1:7]])
    values = np.asarray(states) * 1e3
    ends = tuple(
        tuple(map(float, moment(metadata[key], f"{place}: {key}"))) if key in metadata else tuple(map(float, date))
        for key, date in (("USEABLE_START_TIME", dates[0]), ("USEABLE_STOP_TIME", dates[-1]))
    )
    return Segment(
        frame, system, method, int(degree), np.asarray(dates, dtype=np.float64), values[:, :3], values[:, 3:],
        (ends[0], ends[1]), metadata.get("OBJECT_NAME", ""),
    )  # fmt: skip


def _one_of(metadata: dict[str, str], key: str, allowed: tuple[str, ...], place: str) -> str:
    if key not in metadata:
        raise UserError(f"{place}: {key}: missing; it is required")
    value = metadata[key].upper()
    if key == "REF_FRAME" and value.startswith("ITRF"):
        value = "ITRF"
    if value not in allowed:
        raise UserError(
            f"{place}: {key} = {metadata[key]}: unknown{nearest(value, allowed)} (allowed: {', '.join(allowed)})"
        )
    return value


def interpolate(
    seconds: Floats, time: Floats, position: Floats, velocity: Floats, *, method: str, degree: int
) -> tuple[Floats, Floats]:
    """States between the states of an ephemeris, by the polynomial through those nearest.

    Newton's divided differences: Hermite doubles each node and uses the velocity as its derivative; Lagrange (and linear,
    its degree 1) goes through positions and velocities separately.

    Parameters
    ----------
    seconds : ndarray
        Moments wanted [s], (Q,), inside the ephemeris.
    time : ndarray
        Moments of the states [s], increasing, (N,).
    position, velocity : ndarray
        States [m], [m/s], (N, 3).
    method : {"HERMITE", "LAGRANGE", "LINEAR"}
        Kind of polynomial.
    degree : int
        Its degree; Hermite takes (degree + 1) / 2 states, Lagrange degree + 1.

    Returns
    -------
    position, velocity : ndarray
        [m], [m/s], (Q, 3).

    Notes
    -----
    At both ends the polynomial runs off-centre and is less exact. Source: CCSDS 502.0-B-3, section 5.2.4.
    """
    nodes = (degree + 1) // 2 if method == "HERMITE" else degree + 1
    interval = np.clip(np.searchsorted(time, seconds, side="right") - 1, 0, len(time) - 2)
    first = np.clip(interval - (nodes - 1) // 2, 0, len(time) - nodes)
    index = first[:, None] + np.arange(nodes)
    x = time[index] - seconds[:, None]
    if method == "HERMITE":
        return _newton(np.repeat(x, 2, axis=1), np.repeat(position[index], 2, axis=1), np.repeat(velocity[index], 2, axis=1))
    return _newton(x, position[index], None)[0], _newton(x, velocity[index], None)[0]


def _newton(x: Floats, values: Floats, slopes: Floats | None) -> tuple[Floats, Floats]:
    """Value and derivative at 0 of the polynomials through `values` (Q, K, 3) at `x` (Q, K), equal nodes taking `slopes`."""
    order = x.shape[1]
    table = values.astype(np.float64, copy=True)
    for k in range(1, order):
        step = (x[:, k:] - x[:, :-k])[..., None]
        difference = table[:, k:] - table[:, k - 1 : -1]
        if k == 1 and slopes is not None:
            same = step == 0
            table[:, k:] = np.where(same, slopes[:, k:], difference / np.where(same, 1.0, step))
        else:
            table[:, k:] = difference / step
    value = table[:, -1]
    derivative = np.zeros_like(value)
    for k in range(order - 2, -1, -1):
        derivative = value - x[:, k, None] * derivative
        value = table[:, k] - x[:, k, None] * value
    return value, derivative
