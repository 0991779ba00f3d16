"""Circular passes against the analytic table, and tables of a pass: what they hold is what comes out, mistakes are told."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qphys.errors import UserError
from qphys.orbits import KINDS, Circle, Station, Table, Window, track
from qphys.orbits.dateless import at_elevations, circular_pass, half_duration
from qphys.record import parse

RUN = "run.toml: orbit"
HEIGHT = 500e3

# 500 km, overhead, R 6378.137 km, Earth at rest: elevation [deg], range [km], seconds from the zenith, range rate [km/s].
OVERHEAD = [
    (10, 1695.09, 221.5, 6.9520),
    (20, 1192.99, 147.9, 6.6335),
    (30, 909.50, 103.7, 6.1135),
    (45, 683.09, 63.5, 4.9916),
    (60, 570.52, 37.5, 3.5296),
    (90, 500.0, 0.0, 0.0),
]


@pytest.mark.parametrize(("elevation", "distance", "seconds", "rate"), OVERHEAD)
def test_overhead_pass_follows_the_analytic_table(elevation, distance, seconds, rate):
    t = np.linspace(0.0, 300.0, 3_000_001)
    found = circular_pass(t, HEIGHT, maximum_elevation=np.pi / 2)
    i = int(np.argmin(np.abs(found.elevation - np.radians(elevation))))
    assert t[i] == pytest.approx(seconds, abs=0.06)
    # The time grid of 0.1 ms leaves 0.7 m.
    assert found.range[i] / 1e3 == pytest.approx(distance, abs=0.006)
    assert found.range_rate[i] / 1e3 == pytest.approx(rate, abs=1e-4)


@given(st.floats(200e3, 36_000e3), st.floats(0.02, np.pi / 2), st.floats(-1, 1))
def test_range_rate_is_the_derivative_and_the_law_of_sines_holds(height, highest, where):
    t = where * half_duration(height, maximum_elevation=highest)
    step = 0.01
    a, b, c = circular_pass(np.array([t - step, t, t + step]), height, maximum_elevation=highest).range
    found = circular_pass(np.array([t]), height, maximum_elevation=highest)
    assert found.range_rate[0] == pytest.approx((c - a) / (2 * step), abs=2e-3)
    # Range from height and elevation alone: sqrt(R^2 sin^2 E + 2 R h + h^2) - R sin E.
    r, sine = 6378137.0, np.sin(found.elevation[0])
    assert b == pytest.approx(np.sqrt(r**2 * sine**2 + 2 * r * height + height**2) - r * sine, rel=1e-9)
    assert found.elevation[0] <= highest + 1e-9
    assert found.elevation[0] >= -1e-9


@pytest.mark.parametrize("highest", [5.0, 30.0, 47.83, 90.0])
def test_circle_reaches_its_highest_elevation_in_the_middle(highest, window):
    orbit = parse(KINDS["circle"], {"kind": "circle", "altitude_km": 500.0, "maximum_elevation_deg": highest}, RUN)
    found = track(orbit, None, window(start_s=-40.5, stop_s=40.5), files=None, where=RUN)
    assert len(found.time) == 81
    assert int(np.argmax(found.elevation)) == 40
    assert np.degrees(found.elevation[40]) == pytest.approx(highest, abs=1e-3)
    np.testing.assert_allclose(found.range, found.range[::-1], rtol=1e-7)
    assert found.epoch == ""
    assert np.all(np.isnan([found.azimuth, found.sun_elevation, found.sunlit]))
    assert np.all(np.isnan([found.sun_azimuth, found.moon_elevation, found.moon_azimuth, found.moon_illuminated_fraction]))


def test_circle_keeps_to_elevation_and_range(window):
    orbit = Circle(kind="circle", altitude_km=500.0, maximum_elevation_deg=90.0)
    high = track(orbit, Station(), window(minimum_elevation_deg=20.0), files=None, where=RUN)
    assert high.facts["session_duration_s"] == pytest.approx(2 * 147.9, abs=0.1)
    near = track(orbit, Station(), window(maximum_range_km=909.50), files=None, where=RUN)
    assert near.facts["session_duration_s"] == pytest.approx(2 * 103.7, abs=0.1)
    whole = track(orbit, Station(), window(), files=None, where=RUN)
    assert whole.facts["session_duration_s"] == pytest.approx(
        2 * half_duration(HEIGHT, maximum_elevation=np.pi / 2), abs=1e-3
    )


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (
            {"minimum_elevation_deg": 41.0},
            r"no moment of the pass has elevation above 41 deg; it reaches at most 40.00 deg and 7\d\d",
        ),
        (
            {"start": "2016-12-19T16:30:00Z", "stop": "2016-12-19T17:30:00Z"},
            "window.start: an orbit of kind 'circle' has no date",
        ),
        ({"pass_number": 1}, "window.pass_number: an orbit of kind 'circle' has no date"),
    ],
)
def test_circle_refuses_what_it_cannot_fulfil(told, message, window):
    with pytest.raises(UserError, match=message):
        track(
            Circle(kind="circle", altitude_km=500.0, maximum_elevation_deg=40.0), None, window(**told), files=None, where=RUN
        )


@pytest.mark.parametrize(
    "values",
    [{"altitude_km": 50.0}, {"maximum_elevation_deg": 0.0}, {"maximum_elevation_deg": 91.0}, {"inclination_deg": 97.0}],
)
def test_circle_outside_its_range_is_refused(values):
    with pytest.raises(UserError, match=next(iter(values))):
        parse(KINDS["circle"], {"kind": "circle", "altitude_km": 500.0, "maximum_elevation_deg": 40.0} | values, RUN)


TABLE = Table(kind="table", table="pass.csv")


def test_listed_elevations_are_those_of_the_overhead_pass():
    """Second route: the pass in time, from which the analytic table above was printed."""
    told = {"kind": "elevations", "altitude_km": 500.0, "elevation_deg": [row[0] for row in OVERHEAD]}
    found = track(parse(KINDS["elevations"], told, RUN), None, Window(time_step_s=2.0), files=None, where=RUN)
    np.testing.assert_allclose(found.range / 1e3, [row[1] for row in OVERHEAD], atol=0.006)
    np.testing.assert_allclose(found.range_rate / 1e3, [-row[3] for row in OVERHEAD], atol=1e-4)
    np.testing.assert_allclose(np.degrees(found.elevation), [row[0] for row in OVERHEAD], rtol=1e-14)
    np.testing.assert_array_equal(found.time, [1.0, 3.0, 5.0, 7.0, 9.0, 11.0])


@given(st.floats(0.0, np.pi / 2), st.floats(200e3, 36_000e3))
def test_listed_elevations_give_range_and_rate_of_the_pass(elevation, height):
    """Second route: the moment at which the pass stands there, by its own formulas."""
    found = at_elevations(np.array([elevation]), height)
    radius, a = 6378137.0, 6378137.0 + height
    angle = np.arccos(radius * np.cos(elevation) / a) - elevation
    seen = circular_pass(np.array([-angle / np.sqrt(3.986004418e14 / a**3)]), height, maximum_elevation=np.pi / 2)
    assert found.range[0] == pytest.approx(seen.range[0], rel=1e-9)
    assert found.range_rate[0] == pytest.approx(seen.range_rate[0], rel=1e-6, abs=1e-3)


def test_fixed_places_keep_their_range_and_do_not_move():
    told = parse(KINDS["fixed"], {"kind": "fixed", "range_km": 143.6, "duration_s": 7.0, "elevation_deg": -0.5}, RUN)
    found = track(told, Station(altitude_m=2400.0), Window(), files=None, where=RUN)
    assert len(found.time) == 7
    assert set(found.range) == {143.6e3}
    assert set(found.range_rate) == {0.0}
    np.testing.assert_allclose(np.degrees(found.elevation), -0.5)
    assert found.station_altitude == 2400.0
    bare = parse(KINDS["fixed"], {"kind": "fixed", "range_km": 1.0, "duration_s": 1.0}, RUN)
    assert np.isnan(track(bare, None, Window(), files=None, where=RUN).elevation).all()


@pytest.mark.parametrize(
    "told",
    [
        {"kind": "fixed", "range_km": 1.0, "duration_s": 1.0},
        {"kind": "elevations", "altitude_km": 500.0, "elevation_deg": [20.0]},
    ],
)
def test_listed_steps_take_no_conditions(told):
    with pytest.raises(UserError, match=f"window.minimum_elevation_deg: an orbit of kind '{told['kind']}' lists its own"):
        track(parse(KINDS[told["kind"]], told, RUN), None, Window(minimum_elevation_deg=10.0), files=None, where=RUN)


def circle_columns(step=10.0, half=240.0, **shift):
    t = np.arange(-half, half + step / 2, step)
    g = circular_pass(t, HEIGHT, maximum_elevation=np.radians(60.0))
    return {"time_s": t + shift.get("by", 0.0), "elevation_deg": np.degrees(g.elevation), "range_km": g.range / 1e3}


def test_table_of_a_smooth_pass_is_followed_between_its_rows(window, texts):
    found = track(TABLE, None, window(), files=texts(**circle_columns()), where=RUN)
    exact = circular_pass(found.time, HEIGHT, maximum_elevation=np.radians(60.0))
    # Rows every 10 s: the spline errs by h^4/384 |r''''| x 5, a few metres.
    np.testing.assert_allclose(found.range, exact.range, atol=10.0, rtol=0)
    np.testing.assert_allclose(found.elevation, exact.elevation, atol=1e-4, rtol=0)
    np.testing.assert_allclose(found.range_rate, exact.range_rate, atol=10.0, rtol=0)
    assert np.all(np.isnan(found.azimuth))


def test_table_goes_through_its_own_rows(window, texts):
    columns = circle_columns(step=1.0, half=53.0)
    found = track(TABLE, None, window(start_s=-20.5), files=texts(**columns), where=RUN)
    row = np.searchsorted(columns["time_s"], found.time[0].round())
    np.testing.assert_allclose(found.time, columns["time_s"][row : row + len(found.time)], atol=1e-3)
    np.testing.assert_allclose(found.range / 1e3, columns["range_km"][row : row + len(found.time)], atol=0.01)


@pytest.mark.parametrize("column", ["elevation_deg", "range_km"])
def test_a_missing_column_is_nan_and_the_other_decides(column, window, texts):
    columns = {k: v for k, v in circle_columns(by=1000.0).items() if k in ("time_s", column)}
    found = track(TABLE, None, window(start_s=-10.5, stop_s=10.5), files=texts(**columns), where=RUN)
    assert found.time[10] == pytest.approx(1000.0, abs=0.05)
    assert np.all(np.isnan(found.range)) == (column == "elevation_deg")
    assert np.all(np.isnan(found.elevation)) == (column == "range_km")
    other = {"minimum_elevation_deg": 10.0} if column == "range_km" else {"maximum_range_km": 1000.0}
    with pytest.raises(UserError, match=f"window.{next(iter(other))}: tables/pass.csv has no column"):
        track(TABLE, None, window(**other), files=texts(**columns), where=RUN)


def test_a_dated_table_has_hours_and_the_sun(window, texts, xinglong):
    orbit = parse(KINDS["table"], {"kind": "table", "table": "pass.csv", "epoch": "2016-12-19T16:52:13Z"}, RUN)
    frame = window(start="2016-12-19T16:52:00Z", stop="2016-12-19T16:53:00Z")
    found = track(orbit, xinglong, frame, files=texts(**circle_columns()), where=RUN)
    assert found.epoch == "2016-12-19T16:52:13Z"
    assert found.time[[0, -1]] == pytest.approx([-12.5, 46.5])
    assert np.degrees(found.sun_elevation[13]) == pytest.approx(-70.5519, abs=0.02)
    assert np.degrees(found.moon_elevation[13]) == pytest.approx(23.1608, abs=0.02)
    assert found.moon_illuminated_fraction[13] == pytest.approx(0.6307, abs=2e-3)
    with pytest.raises(UserError, match=r"window.start: tables/pass.csv has no date; give orbit.epoch"):
        track(TABLE, xinglong, frame, files=texts(**circle_columns()), where=RUN)


def test_azimuth_of_a_table_passes_north_the_short_way(window, texts):
    columns = circle_columns() | {"azimuth_deg": np.linspace(300.0, 420.0, 49) % 360.0}
    found = track(TABLE, None, window(), files=texts(**columns), where=RUN)
    assert np.degrees(found.azimuth[[0, -1]]) == pytest.approx(
        [(300 + 120 * (t + 240) / 480) % 360 for t in found.time[[0, -1]]]
    )
    assert np.all(np.abs(np.diff(np.unwrap(found.azimuth))) < np.radians(0.3))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"elevation_deg": [1, 2]}, "column time_s: missing"),
        ({"time_s": [1, 2]}, "columns elevation_deg and range_km: both missing"),
        ({"time_s": [1], "range_km": [500]}, "1 rows; at least 2 are needed"),
        ({"time_s": [1, 2], "rang_km": [500, 501]}, "column 'rang_km' is unknown; did you mean 'range_km'?"),
        ({"time_s": [1, 2, 2], "range_km": [500, 501, 502]}, "row 3 of time_s = 2: times must increase"),
        ({"time_s": [2, 1], "range_km": [500, 501]}, "row 2 of time_s = 1: times must increase"),
        ({"time_s": [1, 2], "range_km": [500, np.nan]}, "row 2 of range_km is blank"),
        ({"time_s": [1, np.nan], "range_km": [500, 501]}, "row 2 of time_s is blank"),
        ({"time_s": [1, 2], "range_km": [500, -1]}, "row 2 of range_km = -1: must lie between 0.001 and 1e+06"),
        ({"time_s": [1, 2], "elevation_deg": [50, 91]}, "row 2 of elevation_deg = 91: must lie between -90 and 90"),
    ],
)
def test_a_bad_table_gives_one_clear_line(columns, message, window, texts):
    with pytest.raises(UserError) as error:
        track(TABLE, None, window(), files=texts(**columns), where=RUN)
    assert message in str(error.value)
    assert str(error.value).startswith("tables/pass.csv")


def test_a_table_with_two_parts_in_the_window_is_refused(window, texts):
    columns = {"time_s": np.arange(7.0), "range_km": [900, 500, 900, 1300, 900, 500, 900]}
    with pytest.raises(UserError, match="2 parts of the table fulfil it"):
        track(TABLE, None, window(maximum_range_km=1000.0), files=texts(**columns), where=RUN)
