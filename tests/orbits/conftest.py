from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from qphys.catalogue import Catalogue
from qphys.orbits import KINDS, Station, Tle, Window
from qphys.record import parse


class Texts:
    """Files of one test: a text, or columns."""

    def __init__(self, text: str = "", **columns: Any) -> None:
        self._text, self._columns = text, {k: np.asarray(v, dtype=np.float64) for k, v in columns.items()}

    def text(self, name: str, where: str = "") -> str:
        return self._text

    def table(self, name: str, where: str = "") -> Any:
        return self._columns


@pytest.fixture
def texts() -> type[Texts]:
    return Texts


@pytest.fixture
def satellite() -> Callable[[str], Any]:
    return lambda name: parse(KINDS["tle"], Catalogue().read("satellites", name), name)


@pytest.fixture
def station() -> Callable[[str], Station]:
    return lambda name: parse(Station, Catalogue().read("stations", name), name)


@pytest.fixture
def window() -> Callable[..., Window]:
    return lambda **values: parse(Window, values, "run.toml: window")


@pytest.fixture
def utc() -> Callable[[str], datetime]:
    return lambda text: datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture
def micius(satellite: Callable[[str], Any]) -> Any:
    return satellite("micius-2016-12-18")


@pytest.fixture
def xinglong(station: Callable[[str], Station]) -> Station:
    return station("xinglong")


@pytest.fixture
def iss() -> Tle:
    """The example of Skyfield's manual."""
    return Tle(
        kind="tle",
        line1="1 25544U 98067A   14020.93268519  .00009878  00000-0  18200-3 0  5082",
        line2="2 25544  51.6498 109.4756 0003572  55.9686 274.8005 15.49815350868473",
    )


@pytest.fixture
def bluffton() -> Station:
    return Station(latitude_deg=40.8939, longitude_deg=-83.8917, altitude_m=0.0)


@pytest.fixture
def session() -> dict[str, str]:
    """Hours that hold the Micius pass of 2016-12-19 over Xinglong and no other."""
    return {"start": "2016-12-19T16:30:00Z", "stop": "2016-12-19T17:15:00Z"}
