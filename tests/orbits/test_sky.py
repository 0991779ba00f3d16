"""Sun and shadow against printed tables and against Skyfield's own answers; places on the ellipsoid; Earth rotation."""

from __future__ import annotations

import numpy as np
import pytest

from qphys.orbits import Station, sun_and_moon, sun_elevation, sunlit
from qphys.orbits.frames import line_of_sight, site
from qphys.orbits.propagation import outside_shadow

# Skyfield and DE421: place, UTC, elevation of the sun [deg].
SUN = [
    ((1.30, 103.77, 30.0), "2026-08-06T14:00:00", -39.6669),
    ((40.39587, 117.57746, 890.0), "2016-12-19T16:52:13", -70.5519),
    ((28.30094, -16.51183, 2393.0), "2026-01-03T21:00:00", -33.7859),
    ((51.1440, -1.4370, 0.0), "2026-06-21T22:00:00", -10.3065),
]

# The same places and moments: azimuth of the sun, elevation and azimuth of the moon [deg], its illuminated fraction.
MOON = [
    (292.9403, -42.9304, 56.9538, 0.4415),
    (32.6235, 23.1608, 101.1419, 0.6307),
    (260.3127, 27.5917, 74.2363, 0.9950),
    (330.4634, 15.8417, 243.5616, 0.5001),
]


def almanac(moment):
    """Low-precision sun of the Astronomical Almanac: right ascension, declination [rad]; good to 0.012 deg."""
    n = (moment.timestamp() + 69.2) / 86400.0 + 2440587.5 - 2451545.0
    longitude, anomaly = np.radians(280.460 + 0.9856474 * n), np.radians(357.528 + 0.9856003 * n)
    ecliptic = longitude + np.radians(1.915 * np.sin(anomaly) + 0.020 * np.sin(2 * anomaly))
    tilt = np.radians(23.439 - 4e-7 * n)
    return np.arctan2(np.cos(tilt) * np.sin(ecliptic), np.cos(ecliptic)), np.arcsin(np.sin(tilt) * np.sin(ecliptic))


@pytest.mark.parametrize(("place", "moment", "expected"), SUN)
def test_sun_stands_where_table_and_almanac_put_it(place, moment, expected, utc):
    where = Station(latitude_deg=place[0], longitude_deg=place[1], altitude_m=place[2])
    found = np.degrees(sun_elevation(where, utc(moment), seconds=np.array([0.0, 1.0])))
    assert found[0] == pytest.approx(expected, abs=1e-3)
    ascension, declination = almanac(utc(moment))
    days = (utc(moment).timestamp()) / 86400.0 + 2440587.5 - 2451545.0
    sidereal = np.radians((280.46061837 + 360.98564736629 * days + place[1]) % 360.0)
    b = np.radians(place[0])
    sine = np.sin(b) * np.sin(declination) + np.cos(b) * np.cos(declination) * np.cos(sidereal - ascension)
    assert found[0] == pytest.approx(np.degrees(np.arcsin(sine)), abs=0.02)


@pytest.mark.parametrize(("told", "values"), list(zip(SUN, MOON, strict=True)), ids=["sgp", "xgl", "tfe", "chb"])
def test_sun_and_moon_stand_where_the_table_puts_them(told, values, utc):
    """Published table, seconds of the moment rounded: 1e-3 deg, the moon's azimuth 2e-3 (it moves 4e-3 deg/s)."""
    where = Station(latitude_deg=told[0][0], longitude_deg=told[0][1], altitude_m=told[0][2])
    found = sun_and_moon(where, utc(told[1]), seconds=np.array([0.0]))
    degrees = np.degrees([found.sun_elevation, found.sun_azimuth, found.moon_elevation, found.moon_azimuth])[:, 0]
    np.testing.assert_allclose(degrees, [told[2], *values[:3]], atol=2e-3)
    assert found.moon_illuminated_fraction[0] == pytest.approx(values[3], abs=2e-3)


def test_moon_is_that_of_skyfield_with_its_parallax(xinglong, utc):
    """Second route: Skyfield's own topocentric altaz and illuminated fraction, with nutation of every moment."""
    from importlib.resources import as_file, files

    from skyfield.api import load, load_file, wgs84

    seconds = np.linspace(0.0, 7200.0, 361)
    found = sun_and_moon(xinglong, utc("2016-12-19T15:00:00"), seconds=seconds)
    scale = load.timescale(builtin=True)
    with as_file(files("skyfield_data") / "data" / "de421.bsp") as path:
        kernel = load_file(str(path))
        time = scale.from_datetime(utc("2016-12-19T15:00:00")) + seconds[::72] / 86400.0
        place = wgs84.latlon(xinglong.latitude_deg, xinglong.longitude_deg, xinglong.altitude_m)
        moon = (kernel["earth"] + place).at(time).observe(kernel["moon"]).apparent()
        elevation, azimuth, _ = moon.altaz()
        fraction = moon.fraction_illuminated(kernel["sun"])
        kernel.close()
    # 2e-4 deg: diurnal aberration 0.32"; 1e-4 of the disc: annual aberration of 20" between sun and moon
    np.testing.assert_allclose(np.degrees(found.moon_elevation[::72]), elevation.degrees, atol=2e-4)
    np.testing.assert_allclose(np.degrees(found.moon_azimuth[::72]), azimuth.degrees, atol=2e-4)
    np.testing.assert_allclose(found.moon_illuminated_fraction[::72], fraction, atol=1e-4)


def test_nodes_of_sun_and_moon_cost_no_accuracy(xinglong, utc):
    """Second route: each moment asked for alone, without a spline."""
    seconds = np.arange(0.0, 300.0, 0.25)
    along = np.array(sun_and_moon(xinglong, utc("2016-12-19T16:50:00"), seconds=seconds))
    alone = np.concatenate(
        [sun_and_moon(xinglong, utc("2016-12-19T16:50:00"), seconds=seconds[i : i + 1]) for i in (3, 601)], 1
    )
    np.testing.assert_allclose(along[:, [3, 601]], alone, atol=1e-9)


def test_shadow_begins_and_ends_at_the_printed_seconds(satellite, utc):
    """2026-08-06 00:45:42 to 01:20:34, Skyfield's is_sunlit."""
    seconds = np.arange(0.0, 5700.0)
    lit = sunlit(satellite("speqtre-standin-2026-08-05"), utc("2026-08-06T00:00:00"), seconds=seconds)
    edges = np.flatnonzero(np.diff(lit)) + 1
    assert edges == pytest.approx([45 * 60 + 42, 80 * 60 + 34], abs=2)
    assert lit[0] == 1.0
    assert lit[3600] == 0.0


def test_sun_shadow_and_track_agree(satellite, station, window, utc):
    from datetime import datetime

    from qphys.orbits import track

    orbit, place = satellite("speqtre-standin-2026-08-05"), station("oberpfaffenhofen")
    told = window(start="2026-08-06T19:00:00Z", stop="2026-08-07T04:00:00Z", minimum_elevation_deg=10.0, pass_number=1)
    found = track(orbit, place, told, files=None, where="run.toml: orbit")
    epoch = datetime.fromisoformat(found.epoch)
    np.testing.assert_allclose(found.sun_elevation, sun_elevation(place, epoch, seconds=found.time), atol=1e-7)
    sky = sun_and_moon(place, epoch, seconds=found.time)
    for name in ("sun_azimuth", "moon_elevation", "moon_azimuth", "moon_illuminated_fraction"):
        np.testing.assert_allclose(getattr(found, name), getattr(sky, name), atol=1e-7, err_msg=name)
    np.testing.assert_array_equal(found.sunlit, sunlit(orbit, epoch, seconds=found.time))


def test_shadow_is_a_cylinder_behind_the_earth():
    sun = np.tile([1.5e11, 0.0, 0.0], (5, 1))
    place = np.array([[7e6, 0, 0], [-7e6, 0, 0], [-7e6, 6378e3, 0], [-7e6, 0, 6379e3], [0, 6.6e6, 0]])
    np.testing.assert_array_equal(outside_shadow(place, sun), [1, 0, 0, 1, 1])


def test_sun_loads_without_a_warning_about_expired_files(xinglong, utc):
    """Warnings are errors in this suite; the second call opens the packaged file anew."""
    for _ in range(2):
        assert np.isfinite(sun_elevation(xinglong, utc("2026-08-06T14:00:00"), seconds=[0.0])).all()


@pytest.mark.parametrize("place", [(0.0, 0.0, 0.0), (90.0, 13.0, 100.0), (-33.3, 181.7, 2393.0), (47.07, -16.5, -400.0)])
def test_places_on_the_ellipsoid_agree_with_skyfield(place):
    from skyfield.api import wgs84

    found = site(np.radians(place[0]), np.radians(place[1]), altitude=place[2])
    np.testing.assert_allclose(found.position, wgs84.latlon(*place).itrs_xyz.m, atol=1e-3)
    np.testing.assert_allclose(found.axes @ found.axes.T, np.eye(3), atol=1e-15)


def test_zenith_and_compass_points_are_seen_in_their_places():
    here = site(0.0, 0.0, altitude=0.0)
    up, east, north = np.eye(3)
    targets = here.position + 1e6 * np.array([up, up + east, up + north, up - east, up - north])
    found = line_of_sight(targets, np.tile(2.0 * up, (5, 1)), station=here)
    np.testing.assert_allclose(np.degrees(found.elevation), [90, 45, 45, 45, 45])
    np.testing.assert_allclose(np.degrees(found.azimuth[1:]), [90, 0, 270, 180], atol=1e-12)
    np.testing.assert_allclose(found.range_rate, [2.0, *[np.sqrt(2.0)] * 4])


@pytest.mark.parametrize(
    ("year", "month", "error"), [(2014, 1, 0.02), (2016, 12, 0.02), (2018, 9, 0.02), (2024, 1, 0.02), (2026, 8, 0.2)]
)
def test_built_in_earth_rotation_is_near_the_iers_tables(year, month, error):
    """UT1 - UTC of Skyfield's table against astropy-iers-data: 20 ms is 9 m on the equator; past its end it predicts."""
    import astropy_iers_data
    from astropy.time import Time
    from astropy.utils import iers
    from skyfield.api import load

    found = float(load.timescale(builtin=True).utc(year, month, 20).dut1)
    with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("auto_max_age", None):
        table = iers.IERS_A.open(astropy_iers_data.IERS_A_FILE)
        expected = float(table.ut1_utc(Time(f"{year}-{month:02d}-20")).to_value("s"))
    assert found == pytest.approx(expected, abs=error)
