"""What a run file may say about orbit, station and session: one record for each `kind` of orbit, the station, the window."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from qphys.orbits.elements import check_line
from qphys.record import Record

LONGEST_SEARCH: Final = timedelta(days=2)
FIRST_YEAR, LAST_YEAR = 1958, 2050
"""Years that two-line elements can name and DE421 covers."""


class Tle(Record):
    """Two-line elements, propagated by SGP4. Good to about 1 km at their epoch and 1 to 3 km more each day."""

    kind: Literal["tle"]
    line1: str
    line2: str

    @field_validator("line1", "line2")
    @classmethod
    def _checked(cls, line: str, info: ValidationInfo) -> str:
        return check_line(line, 1 if info.field_name == "line1" else 2)

    @model_validator(mode="after")
    def _one_object(self) -> Tle:
        if self.line1[2:7] != self.line2[2:7]:
            raise ValueError(f"line1 is of object {self.line1[2:7].strip()} and line2 of {self.line2[2:7].strip()}")
        return self


class Omm(Record):
    """Mean elements in a CCSDS OMM file (KVN, XML, JSON or CSV), propagated by SGP4."""

    kind: Literal["omm"]
    file: str


class Oem(Record):
    """States in a CCSDS OEM file (KVN or XML), interpolated as the file says."""

    kind: Literal["oem"]
    file: str


class Table(Record):
    """A table of the pass: columns `time_s` and `elevation_deg` or `range_km` or both, perhaps `azimuth_deg`."""

    kind: Literal["table"]
    table: str
    epoch: Annotated[datetime | None, BeforeValidator(lambda value: _date(value))] = None
    """Moment of `time_s` = 0; without it the pass has no date."""


class Circle(Record):
    """A pass of a circular orbit over a spherical Earth that does not turn, given by its highest elevation."""

    kind: Literal["circle"]
    altitude_km: Annotated[float, Field(ge=100.0, le=50_000.0)]
    maximum_elevation_deg: Annotated[float, Field(gt=0.0, le=90.0)]


class Elevations(Record):
    """Moments at listed elevations of a satellite on a circular orbit, a step each: a link budget, not a pass."""

    kind: Literal["elevations"]
    altitude_km: Annotated[float, Field(ge=100.0, le=50_000.0)]
    elevation_deg: Annotated[tuple[Annotated[float, Field(ge=0.0, le=90.0)], ...], Field(min_length=1)]


class Fixed(Record):
    """Two places that do not move: a horizontal link, a bench."""

    kind: Literal["fixed"]
    range_km: Annotated[float, Field(gt=0.0, le=1e6)]
    duration_s: Annotated[float, Field(gt=0.0)]
    elevation_deg: Annotated[float | None, Field(ge=-90.0, le=90.0)] = None
    """Of the sender seen from the station, where a model of the air needs it."""


Orbit = Tle | Omm | Oem | Table | Circle | Elevations | Fixed

KINDS: Final[dict[str, type[Record]]] = {
    "tle": Tle,
    "omm": Omm,
    "oem": Oem,
    "table": Table,
    "circle": Circle,
    "elevations": Elevations,
    "fixed": Fixed,
}
"""Value of `kind` in the table `orbit` of a run, and its record."""


class Station(Record):
    """A ground station: place on the WGS84 ellipsoid, and its telescope where that is known.

    Latitude and longitude may be left out together where the orbit is a table or a circle, which hold the geometry.
    """

    latitude_deg: Annotated[float | None, Field(ge=-90.0, le=90.0)] = None
    longitude_deg: Annotated[float | None, Field(ge=-180.0, le=360.0)] = None
    altitude_m: Annotated[float, Field(ge=-500.0, le=9_000.0)] = 0.0
    """Height above the ellipsoid."""
    aperture_m: Annotated[float | None, Field(gt=0.0, le=100.0)] = None
    obscuration_ratio: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Diameter of the central obscuration over that of the aperture."""

    @model_validator(mode="after")
    def _place(self) -> Station:
        if (self.latitude_deg is None) != (self.longitude_deg is None):
            raise ValueError("latitude_deg and longitude_deg belong together; one of them is missing")
        return self


class Window(Record):
    """Which part of which pass is the session, and the length of its steps.

    All conditions that are given must hold. `start_s` and `stop_s` count from the closest approach of the pass.
    """

    start: Annotated[datetime | None, BeforeValidator(lambda value: _date(value))] = None
    stop: Annotated[datetime | None, BeforeValidator(lambda value: _date(value))] = None
    time_step_s: Annotated[float, Field(gt=0.0, le=3600.0)] = 1.0
    minimum_elevation_deg: Annotated[float | None, Field(ge=0.0, lt=90.0)] = None
    maximum_range_km: Annotated[float | None, Field(gt=0.0)] = None
    start_s: float | None = None
    stop_s: float | None = None
    pass_number: Annotated[int | None, Field(ge=1)] = None
    """Which pass between start and stop, counted from 1, where several fulfil the conditions."""

    @model_validator(mode="after")
    def _not_empty(self) -> Window:
        if (self.start is None) != (self.stop is None):
            raise ValueError("start and stop belong together; one of them is missing")
        if self.start is not None and self.stop is not None:
            if self.stop <= self.start:
                raise ValueError(f"stop ({self.stop.isoformat()}) must come after start ({self.start.isoformat()})")
            if self.stop - self.start > LONGEST_SEARCH:
                raise ValueError(
                    f"start and stop lie {self.stop - self.start} apart; at most 2 days are searched for a pass"
                )
        if self.start_s is not None and self.stop_s is not None and self.stop_s <= self.start_s:
            raise ValueError(f"stop_s ({self.stop_s:g}) must be larger than start_s ({self.start_s:g})")
        return self


def _date(value: Any) -> Any:
    """A moment with its offset from UTC, as UTC; text in ISO 8601 serves too, so that a sweep may list moments."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError("not a date and time such as 2016-12-19T16:40:00Z") from None
    if not isinstance(value, datetime):
        if value is None:
            return value
        raise ValueError("must be a date and time with offset, such as 2016-12-19T16:40:00Z")
    if value.tzinfo is None:
        raise ValueError("has no offset from UTC; write 2016-12-19T16:40:00Z for UTC, or +08:00 in place of Z")
    value = value.astimezone(UTC)
    if not FIRST_YEAR <= value.year <= LAST_YEAR:
        raise ValueError(f"must lie in the years {FIRST_YEAR} to {LAST_YEAR}")
    return value
