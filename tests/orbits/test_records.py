"""Windows, stations and the models that come with qphys: mistakes give one clear line, values carry their origin."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from qphys.catalogue import Catalogue, own_folder, read_toml
from qphys.errors import UserError
from qphys.orbits import KINDS, Station, Window
from qphys.record import parse

HOURS = {"start": "2016-12-19T16:30:00Z", "stop": "2016-12-19T17:15:00Z"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"start": HOURS["start"]}, "start and stop belong together"),
        ({"start": HOURS["stop"], "stop": HOURS["start"]}, "must come after start"),
        ({"start": HOURS["start"], "stop": HOURS["start"]}, "must come after start"),
        ({"start": "2016-12-19T00:00:00Z", "stop": "2016-12-22T00:00:00Z"}, "at most 2 days"),
        (HOURS | {"start": datetime(2016, 12, 19, 16)}, "has no offset from UTC; write 2016-12-19T16:40:00Z"),
        (HOURS | {"start": "2016-12-19T16:30:00"}, "has no offset from UTC"),
        (HOURS | {"start": date(2016, 12, 19)}, "must be a date and time with offset"),
        (HOURS | {"start": "noon"}, "not a date and time such as"),
        (HOURS | {"start": 5}, "must be a date and time with offset"),
        ({"start": "1950-01-01T00:00:00Z", "stop": "1950-01-01T01:00:00Z"}, "must lie in the years 1958 to 2050"),
        ({"time_step_s": 0.0}, "greater than 0"),
        ({"minimum_elevation_deg": 90.0}, "less than 90"),
        ({"minimum_elevation_deg": -1.0}, "greater than or equal to 0"),
        ({"maximum_range_km": 0.0}, "greater than 0"),
        ({"start_s": 5.0, "stop_s": 5.0}, "stop_s (5) must be larger than start_s (5)"),
        ({"pass_number": 0}, "greater than or equal to 1"),
        ({"maximum_range": 1200.0}, "did you mean 'maximum_range_km'?"),
        ({"maximum_range_km": float("nan")}, "finite"),
    ],
)
def test_a_contradictory_window_is_refused(values, message):
    with pytest.raises(UserError) as error:
        parse(Window, values, "run.toml: window")
    assert message in str(error.value)
    assert str(error.value).startswith("run.toml: window")


def test_dates_are_taken_with_any_offset_and_kept_as_utc():
    told = parse(Window, {"start": "2016-12-20T00:30:00+08:00", "stop": datetime(2016, 12, 19, 17, tzinfo=UTC)}, "w")
    assert told.start == datetime(2016, 12, 19, 16, 30, tzinfo=UTC)
    assert told.start.isoformat().endswith("+00:00")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"latitude_deg": 91.0, "longitude_deg": 0.0}, "latitude_deg = 91.0"),
        ({"latitude_deg": 40.0}, "latitude_deg and longitude_deg belong together"),
        ({"latitude_deg": 40.0, "longitude_deg": 400.0}, "longitude_deg = 400.0"),
        ({"altitude_m": 890_000.0}, "altitude_m = 890000.0"),
        ({"aperture_m": -1.0}, "aperture_m = -1.0"),
        ({"obscuration_ratio": 1.0}, "obscuration_ratio = 1.0"),
        ({"latitude": 4.0}, "did you mean 'latitude_deg'?"),
    ],
)
def test_an_impossible_station_is_refused(values, message):
    with pytest.raises(UserError) as error:
        parse(Station, values, "run.toml: station")
    assert message in str(error.value)


@pytest.mark.parametrize("name", Catalogue().names("satellites"))
def test_satellite_models_are_good_elements_with_origins(name):
    table = read_toml(own_folder() / "satellites" / f"{name}.toml")
    record = parse(KINDS[table["kind"]], table, name)
    assert set(record.origin) == {"line1", "line2"}
    assert record.title


@pytest.mark.parametrize("name", Catalogue().names("stations"))
def test_station_models_state_an_origin_for_every_value(name):
    path = own_folder() / "stations" / f"{name}.toml"
    assert path.read_text().startswith("# ")
    table = read_toml(path)
    record = parse(Station, table, name)
    assert set(record.origin) == set(table) - {"title", "origin"}
    assert all(origin.startswith(("published", "assumed: ")) for origin in record.origin.values())


def test_the_stand_in_for_speqtre_says_that_it_is_one():
    table = Catalogue().read("satellites", "speqtre-standin-2026-08-05")
    assert "stand-in" in table["title"]
    assert table["origin"]["line1"].startswith("assumed: ")


def test_six_satellites_and_thirteen_stations_come_with_qphys():
    assert {"micius-2016-12-18", "micius-2018-09-15", "micius-2024-01-16", "tiangong2-2018-12-02", "spoqc-2026-05-05"} < set(
        Catalogue().names("satellites")
    )
    assert len(Catalogue().names("stations")) >= 13
