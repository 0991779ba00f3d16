"""Passes against published tables, an independent chain (astropy) and counts over a year."""

from __future__ import annotations

import numpy as np
import pytest

from qphys.errors import UserError
from qphys.orbits import Station, passes

# Own SGP4 + GMST82 + UT1 chain, without skyfield: satellite, station, minimum elevation [deg], rise and its azimuth [deg],
# culmination with elevation [deg], azimuth [deg] and range [km], set and its azimuth [deg].
TABLE = [
    (
        "micius-2016-12-18",
        "xinglong",
        10,
        "2016-12-19T16:48:43.74",
        0.257,
        "2016-12-19T16:52:13.49",
        47.8329,
        285.723,
        645.3735,
        "2016-12-19T16:55:40.89",
        210.996,
    ),
    (
        "micius-2016-12-18",
        "xinglong",
        10,
        "2016-12-19T03:46:24.05",
        173.734,
        "2016-12-19T03:50:03.84",
        71.5557,
        258.662,
        530.8443,
        "2016-12-19T03:53:44.67",
        343.804,
    ),
    (
        "micius-2016-12-18",
        "nanshan",
        10,
        "2016-12-19T18:22:42.48",
        18.310,
        "2016-12-19T18:26:18.34",
        63.8879,
        100.874,
        542.6455,
        "2016-12-19T18:29:51.33",
        183.354,
    ),
    (
        "micius-2016-12-18",
        "delingha",
        10,
        "2016-12-19T18:24:14.64",
        346.202,
        "2016-12-19T18:27:17.90",
        26.3662,
        288.159,
        975.7062,
        "2016-12-19T18:30:19.70",
        229.937,
    ),
    (
        "micius-2018-09-15",
        "delingha",
        10,
        "2018-09-14T18:13:31.95",
        349.040,
        "2018-09-14T18:16:40.61",
        29.5405,
        287.333,
        895.3578,
        "2018-09-14T18:19:48.76",
        225.545,
    ),
    (
        "micius-2018-09-15",
        "nanshan",
        10,
        "2018-09-14T18:12:07.27",
        20.774,
        "2018-09-14T18:15:38.98",
        55.5847,
        100.156,
        581.1903,
        "2018-09-14T18:19:09.52",
        179.503,
    ),
]


def near(passes_found, moment):
    return min(passes_found, key=lambda p: abs((p.culmination - moment).total_seconds()))


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row[1]}-{row[5]}")
def test_check_passes_agree_with_an_independent_chain(row, satellite, station, utc):
    name, place, horizon, rise, rise_azimuth, top, elevation, azimuth, distance, set_, set_azimuth = row
    day = top[:10]
    found = passes(
        satellite(name), station(place), utc(f"{day}T00:00"), utc(f"{day}T23:59"), minimum_elevation=np.radians(horizon)
    )
    p = near(found, utc(top))
    # 0.15 s, 2e-3 deg and 20 m: skyfield leaves polar motion out, which moves a satellite by about 10 m.
    assert (p.rise - utc(rise)).total_seconds() == pytest.approx(0, abs=0.05)
    assert (p.culmination - utc(top)).total_seconds() == pytest.approx(0, abs=0.05)
    assert (p.set - utc(set_)).total_seconds() == pytest.approx(0, abs=0.05)
    assert np.degrees(p.maximum_elevation) == pytest.approx(elevation, abs=2e-3)
    assert np.degrees([p.rise_azimuth, p.set_azimuth]) == pytest.approx([rise_azimuth, set_azimuth], abs=5e-3)
    # At the top the azimuth turns by up to 3 deg a second, so 0.05 s of time are 0.15 deg.
    assert np.degrees(p.culmination_azimuth) == pytest.approx(azimuth, abs=0.15)
    # The table prints the range at the highest elevation; the shortest lies at most 0.3 s, so at most 6 m, away.
    assert p.minimum_range / 1e3 == pytest.approx(distance, abs=0.02)


def test_iss_passes_are_those_of_the_skyfield_manual(iss, bluffton, utc):
    found = passes(iss, bluffton, utc("2014-01-23T00:00"), utc("2014-01-24T00:00"), minimum_elevation=np.radians(30.0))
    printed = [
        ("2014-01-23T06:25:36.53", "2014-01-23T06:26:57.70", "2014-01-23T06:28:19.09", 54.3561, 506.4130),
        ("2014-01-23T12:54:55.71", "2014-01-23T12:56:26.78", "2014-01-23T12:57:57.69", 85.7472, 420.5583),
    ]
    assert len(found) == 2
    for p, (rise, top, set_, elevation, distance) in zip(found, printed, strict=True):
        told = [(a - utc(b)).total_seconds() for a, b in ((p.rise, rise), (p.culmination, top), (p.set, set_))]
        assert told == pytest.approx([0, 0, 0], abs=0.1)
        assert np.degrees(p.maximum_elevation) == pytest.approx(elevation, abs=3e-3)
        assert p.minimum_range / 1e3 == pytest.approx(distance, abs=0.02)


def test_dual_downlink_of_2018_sees_both_stations_for_281_seconds(satellite, station, utc):
    orbit, start, stop = satellite("micius-2018-09-15"), utc("2018-09-14T18:00"), utc("2018-09-14T18:30")
    both = [passes(orbit, station(n), start, stop, minimum_elevation=np.radians(13.0))[0] for n in ("delingha", "nanshan")]
    begin, end = max(p.rise for p in both), min(p.set for p in both)
    assert (end - begin).total_seconds() == pytest.approx(281.3, abs=0.3)
    assert (begin - utc("2018-09-14T18:14:01.9")).total_seconds() == pytest.approx(0, abs=0.15)


def test_summed_range_of_the_dual_downlink_is_smallest_at_1545_km(satellite, station, window):
    from qphys.orbits import track

    orbit = satellite("micius-2018-09-15")
    frame = window(start="2018-09-14T18:16:00Z", stop="2018-09-14T18:16:07.001Z", time_step_s=0.1)
    arms = [track(orbit, station(n), frame, files=None, where="run.toml: orbit") for n in ("delingha", "nanshan")]
    total = arms[0].range + arms[1].range
    assert total.min() / 1e3 == pytest.approx(1545.837, abs=0.02)
    assert arms[0].time[total.argmin()] == pytest.approx(3.5, abs=0.3)


def test_no_pass_of_a_year_is_missed(satellite, utc):
    """590 passes, 135,622.74 s in all, by an exhaustive grid of 10 s with UT1 = UTC."""
    singapore = Station(latitude_deg=1.30, longitude_deg=103.77, altitude_m=30.0)
    found = passes(
        satellite("speqtre-standin-2026-08-05"),
        singapore,
        utc("2026-08-06T00:00"),
        utc("2027-08-06T00:00"),
        minimum_elevation=np.radians(20.0),
    )
    assert len(found) == 590
    # UT1 - UTC of 0.1 s moves single passes by metres and their sum by less than 0.2 s.
    assert sum((p.set - p.rise).total_seconds() for p in found) == pytest.approx(135_622.74, abs=0.2)
    first = [(p.rise, p.culmination, p.set, p.maximum_elevation) for p in found[:3]]
    printed = [
        (12477.04, 12623.14, 12769.94, 86.535),
        (55151.95, 55297.25, 55441.94, 63.468),
        (97758.47, 97882.75, 98007.45, 38.540),
    ]
    for told, expected in zip(first, printed, strict=True):
        seconds = [(t - utc("2026-08-06T00:00")).total_seconds() for t in told[:3]]
        assert seconds == pytest.approx(expected[:3], abs=0.15)
        assert np.degrees(told[3]) == pytest.approx(expected[3], abs=0.02)


def test_a_pass_under_way_is_cut_at_start_and_stop(micius, xinglong, utc):
    start, stop = utc("2016-12-19T16:50:00"), utc("2016-12-19T16:51:00")
    (only,) = passes(micius, xinglong, start, stop, minimum_elevation=0.0)
    assert only.rise == start
    assert only.set == stop
    assert only.culmination == only.set


def test_passes_refuse_dates_without_offset_and_in_wrong_order(micius, xinglong, utc):
    start, stop = utc("2016-12-19T16:50:00"), utc("2016-12-19T16:51:00")
    with pytest.raises(UserError, match="start: has no offset from UTC"):
        passes(micius, xinglong, start.replace(tzinfo=None), stop, minimum_elevation=0.0)
    with pytest.raises(UserError, match="must come after start"):
        passes(micius, xinglong, stop, start, minimum_elevation=0.0)
