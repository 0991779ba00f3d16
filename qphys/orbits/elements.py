"""Checks two-line elements and reads OMM files (CCSDS 502.0-B-3) as KVN, XML, JSON or CSV: a slip is told, not flown."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any, Final
from xml.etree import ElementTree

from qphys.errors import UserError

LINE_1: Final = (
    ("catalogue number", 3, 7, r"[ 0-9A-HJ-NP-Z][ \d]{3}\d"),
    ("epoch, year and day", 19, 32, r"\d\d[ \d][ \d]\d\.\d{8}"),
    ("half the rate of mean motion", 34, 43, r"[ +-]\.\d{8}"),
    ("sixth of the second rate of mean motion", 45, 52, r"[ +-][ \d]{5}[ +-]\d"),
    ("drag term B*", 54, 61, r"[ +-][ \d]{5}[ +-]\d"),
    ("element set number", 65, 68, r"[ \d]{4}"),
)
"""Fields of line 1 that are checked: name, first and last column, pattern."""

LINE_2: Final = (
    ("catalogue number", 3, 7, r"[ 0-9A-HJ-NP-Z][ \d]{3}\d"),
    ("inclination", 9, 16, r"[ \d]{2}\d\.\d{4}"),
    ("right ascension of the ascending node", 18, 25, r"[ \d]{2}\d\.\d{4}"),
    ("eccentricity", 27, 33, r"\d{7}"),
    ("argument of perigee", 35, 42, r"[ \d]{2}\d\.\d{4}"),
    ("mean anomaly", 44, 51, r"[ \d]{2}\d\.\d{4}"),
    ("mean motion", 53, 63, r"[ \d]\d\.\d{8}"),
    ("revolution number", 64, 68, r"[ \d]{5}"),
)
"""The same for line 2."""

REQUIRED: Final = (
    "EPOCH",
    "MEAN_MOTION",
    "ECCENTRICITY",
    "INCLINATION",
    "RA_OF_ASC_NODE",
    "ARG_OF_PERICENTER",
    "MEAN_ANOMALY",
    "BSTAR",
)
"""Fields of an OMM without which SGP4 cannot start."""

DEFAULTS: Final = {
    "OBJECT_ID": "",
    "NORAD_CAT_ID": "0",
    "CLASSIFICATION_TYPE": "U",
    "EPHEMERIS_TYPE": "0",
    "ELEMENT_SET_NO": "0",
    "REV_AT_EPOCH": "0",
    "MEAN_MOTION_DOT": "0",
    "MEAN_MOTION_DDOT": "0",
}
"""Fields of an OMM that SGP4 does not use."""

DEMANDED: Final = {
    "CENTER_NAME": ("EARTH",),
    "REF_FRAME": ("TEME",),
    "TIME_SYSTEM": ("UTC",),
    "MEAN_ELEMENT_THEORY": ("SGP4", "SGP/SGP4"),
}
"""What SGP4 takes for granted; a file that says otherwise is refused."""

RANGES: Final = {
    "MEAN_MOTION": (1e-3, 20.0, "revolutions a day"),
    "ECCENTRICITY": (0.0, 0.999999, ""),
    "INCLINATION": (0.0, 180.0, "degrees"),
}
"""Allowed values of an OMM's elements."""


def check_line(line: str, number: int) -> str:
    """Return a line of two-line elements without trailing blanks, after checking its form and its checksum.

    Parameters
    ----------
    line : str
        The line.
    number : int
        1 or 2.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        With the columns and what they must hold.

    Notes
    -----
    The checksum is the sum of all digits, each minus sign counted as 1, modulo 10 (T. S. Kelso, *Space Track Report* 3,
    "FAQs: two-line element set format").
    """
    line = line.rstrip()
    other = 3 - number
    if line.startswith(f"{other} "):
        raise ValueError(f"this is line {other} of two-line elements; line {number} belongs here (are the lines swapped?)")
    if not line.startswith(f"{number} "):
        raise ValueError(f"line {number} of two-line elements starts with '{number} '")
    if not line.isascii():
        raise ValueError("two-line elements hold ASCII characters only")
    if len(line) != 69:
        raise ValueError(f"line {number} of two-line elements has 69 characters; this one has {len(line)}")
    for name, first, last, pattern in LINE_1 if number == 1 else LINE_2:
        text = line[first - 1 : last]
        if not re.fullmatch(pattern, text):
            raise ValueError(f"columns {first}-{last} ({name}) hold {text!r}, which is no such number")
    if not line[68].isdigit():
        raise ValueError(f"column 69 (checksum) holds {line[68]!r}; a digit is needed")
    checksum = sum(int(c) if c.isdigit() else c == "-" for c in line[:68]) % 10
    if checksum != int(line[68]):
        raise ValueError(f"the checksum in column 69 is {line[68]}, but the characters before it sum to {checksum}")
    if number == 1 and not 1.0 <= float(line[20:32]) < 367.0:
        raise ValueError(f"columns 21-32 (day of the year) hold {float(line[20:32])}; 1 to 366 is allowed")
    if number == 2 and float(line[8:16]) > 180.0:
        raise ValueError(f"columns 9-16 (inclination) hold {float(line[8:16])}; 0 to 180 degrees is allowed")
    if number == 2 and not 0.0 < float(line[52:63]) < 20.0:
        raise ValueError(f"columns 53-63 (mean motion) hold {float(line[52:63])}; 0 to 20 revolutions a day is allowed")
    return line


def read_omm(text: str, place: str) -> dict[str, str]:
    """Fields of the one object in an OMM, as `sgp4.omm.initialize` takes them.

    Parameters
    ----------
    text : str
        Content of the file: KVN, XML, JSON or CSV, told apart by their first characters.
    place : str
        Name of the file, for messages.

    Returns
    -------
    dict
        CCSDS keyword -> value as text; the epoch as ``YYYY-MM-DDThh:mm:ss.ffffff``.

    Raises
    ------
    UserError
        The file is no OMM of one object, or its elements are not for SGP4.

    Notes
    -----
    The epoch is rounded to 1 us, 8 mm along the track. Source: CCSDS 502.0-B-3, section 4.
    """
    objects = _objects(text, place)
    if len(objects) != 1:
        names = ", ".join(o.get("OBJECT_NAME") or o.get("NORAD_CAT_ID", "?") for o in objects[:5])
        raise UserError(f"{place}: holds {len(objects)} objects{f' ({names})' if names else ''}; one is needed")
    fields = {key: value for key, value in objects[0].items() if value != ""}
    missing = [key for key in REQUIRED if key not in fields]
    if missing:
        raise UserError(f"{place}: {', '.join(missing)}: missing; SGP4 needs them")
    for key, allowed in DEMANDED.items():
        if fields.get(key, allowed[0]).upper() not in allowed:
            raise UserError(f"{place}: {key} = {fields[key]}: must be {' or '.join(allowed)} for SGP4")
    for key in (*REQUIRED[1:], "MEAN_MOTION_DOT", "MEAN_MOTION_DDOT"):
        value = number(fields.get(key, "0"), f"{place}: {key}")
        low, high, unit = RANGES.get(key, (-1e30, 1e30, ""))
        if not low <= value <= high:
            raise UserError(
                f"{place}: {key} = {fields[key]}: must lie between {low:g} and {high:g}{f' {unit}' if unit else ''}"
            )
    for key in ("EPHEMERIS_TYPE", "ELEMENT_SET_NO", "REV_AT_EPOCH", "NORAD_CAT_ID"):
        if not re.fullmatch(r"\d{1,9}", fields.get(key, "0")):
            raise UserError(f"{place}: {key} = {fields[key]}: must be a whole number")
    year, month, day, hour, minute, second = moment(fields["EPOCH"], f"{place}: EPOCH")
    return DEFAULTS | fields | {"EPOCH": _written(year, month, day, hour, minute, second)}


def _written(year: int, month: int, day: int, hour: int, minute: int, second: float) -> str:
    from datetime import datetime, timedelta

    first = datetime(year, month, 1, hour, minute)
    return (first + timedelta(days=day - 1, microseconds=round(second * 1e6))).strftime("%Y-%m-%dT%H:%M:%S.%f")


def _objects(text: str, place: str) -> list[dict[str, str]]:
    head = text.lstrip("\ufeff \t\r\n")
    if not head:
        raise UserError(f"{place}: empty; an OMM is needed")
    if head[0] == "<":
        wanted = ("metadata", "meanElements", "tleParameters")
        return [
            {tag(field): (field.text or "").strip() for part in segment.iter() if tag(part) in wanted for field in part}
            for segment in xml_root(head, place).iter()
            if tag(segment) == "segment"
        ]
    if head[0] in "[{":
        return _json_objects(head, place)
    first = head.splitlines()[0]
    if "," in first and "=" not in first:
        rows = list(csv.DictReader(io.StringIO(head)))
        if any(None in row or None in row.values() for row in rows):
            raise UserError(f"{place}: a line has more or fewer fields than the header")
        return [{key.strip().upper(): value.strip() for key, value in row.items()} for row in rows]
    return [dict(key_values(head.splitlines(), place))]


def _json_objects(text: str, place: str) -> list[dict[str, str]]:
    try:
        parsed: Any = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"{place}: not valid JSON: {error}") from None
    rows = parsed if isinstance(parsed, list) else [parsed]
    if not all(isinstance(row, dict) for row in rows):
        raise UserError(f"{place}: an OMM in JSON is an object, or a list with one")
    return [{str(k).upper(): "" if v is None else str(v).strip() for k, v in row.items()} for row in rows]


def key_values(lines: list[str], place: str, *, first_line: int = 1) -> list[tuple[str, str]]:
    """Pairs of a KVN text (``KEY = VALUE [unit]``), comments and empty lines left out."""
    pairs = []
    for index, line in enumerate(lines, first_line):
        line = line.strip()
        if not line or line.startswith("COMMENT"):
            continue
        match = re.fullmatch(r"([A-Z][A-Z0-9_]*)\s*=\s*(.*?)\s*(?:\[[^\]]*\])?", line)
        if not match:
            raise UserError(f"{place}, line {index}: {line[:40]!r} is not KEY = VALUE")
        pairs.append((match[1], match[2]))
    return pairs


def xml_root(text: str, place: str) -> ElementTree.Element:
    """Root of an XML text."""
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise UserError(f"{place}: not valid XML: {error}") from None


def tag(element: ElementTree.Element) -> str:
    """Name of an XML element without its namespace."""
    return element.tag.rpartition("}")[2]


def number(text: str, place: str) -> float:
    """A finite number, or a UserError at `place`."""
    try:
        value = float(text)
    except ValueError:
        raise UserError(f"{place} = {text!r}: not a number") from None
    if not abs(value) < float("inf"):
        raise UserError(f"{place} = {text!r}: must be finite")
    return value


def moment(text: str, place: str) -> tuple[int, int, int, int, int, float]:
    """Year, month, day, hour, minute and second of a CCSDS date, calendar or day of the year (month 1, day 1 to 366)."""
    match = re.fullmatch(r"(\d{4})-(?:(\d\d)-(\d\d)|(\d{3}))T(\d\d):(\d\d):(\d\d(?:\.\d*)?)Z?", text.strip())
    if match:
        year, hour, minute, second = int(match[1]), int(match[5]), int(match[6]), float(match[7])
        month, day = (1, int(match[4])) if match[4] else (int(match[2]), int(match[3]))
        longest = 366 if match[4] else 31
        if 1 <= month <= 12 and 1 <= day <= longest and hour < 24 and minute < 60 and second < 61:
            return year, month, day, hour, minute, second
    raise UserError(f"{place} = {text!r}: not a date such as 2016-12-19T16:40:00.000")
