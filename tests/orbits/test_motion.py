"""How the line of sight turns: point ahead, slew, and the angle of the satellite's axes at the receiver."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest

from qphys import stages
from qphys.constants import SPEED_OF_LIGHT
from qphys.orbits import Circle, Elevations, Fixed, Table, track
from qphys.orbits.dateless import circular_motion, circular_pass
from qphys.orbits.frames import EARTH_ROTATION, motion, site

RUN = "run.toml: orbit"


def at_seconds(found, *moments):
    """Interpolated frame angles [deg] at moments in UTC, by law."""
    epoch = datetime.fromisoformat(found.epoch)
    seconds = [(datetime.fromisoformat(m + "Z") - epoch).total_seconds() for m in moments]
    return {law: np.degrees(np.interp(seconds, found.time, angle)) for law, angle in found.frame_angle.items()}


@pytest.mark.parametrize(
    ("name", "place", "hours", "moments", "velocity", "normal"),
    [
        (
            *("micius-2016-12-18", "xinglong", ("2016-12-19T16:30:00Z", "2016-12-19T17:15:00Z")),
            ("2016-12-19T16:48:44", "2016-12-19T16:52:14", "2016-12-19T16:55:40"),
            *((57.409, -0.397, -56.810), (174.043, 89.497, 6.100)),
        ),
        (
            *("micius-2018-09-15", "delingha", ("2018-09-14T18:10:00Z", "2018-09-14T18:24:00Z")),
            ("2018-09-14T18:13:32", "2018-09-14T18:16:41", "2018-09-14T18:19:48"),
            *((37.328, -0.139, -37.013), (168.013, 89.699, 12.148)),
        ),
    ],
)
def test_frame_of_two_micius_passes_is_that_of_a_second_program(
    name, place, hours, moments, velocity, normal, satellite, station, window
):
    """Oracle: angles of an own chain of frames, sampled at whole seconds from 10 deg to 10 deg; they turn by 1.3 deg/s."""
    told = window(start=hours[0], stop=hours[1], minimum_elevation_deg=9.0, time_step_s=0.1)
    found = at_seconds(track(satellite(name), station(place), told, files=None, where=RUN), *moments)
    np.testing.assert_allclose(found["velocity"], velocity, atol=0.01)
    np.testing.assert_allclose(found["orbit-normal"], normal, atol=0.01)


@pytest.mark.parametrize(
    ("name", "place", "hours", "ahead", "slew"),
    [
        ("micius-2016-12-18", "xinglong", ("2016-12-19T16:30:00Z", "2016-12-19T17:15:00Z"), 51.45, 11.951),
        ("micius-2018-09-15", "delingha", ("2018-09-14T18:10:00Z", "2018-09-14T18:24:00Z"), 51.57, 8.633),
    ],
)
def test_largest_point_ahead_and_slew_of_two_micius_passes(name, place, hours, ahead, slew, satellite, station, window):
    """Oracle: an own chain of frames, to 0.1 %."""
    told = window(start=hours[0], stop=hours[1], minimum_elevation_deg=10.0)
    found = track(satellite(name), station(place), told, files=None, where=RUN)
    assert 1e6 * found.point_ahead_angle.max() == pytest.approx(ahead, rel=1e-3)
    assert 1e3 * found.slew_rate.max() == pytest.approx(slew, rel=1e-3)


def test_point_ahead_is_the_shift_of_the_direction_within_the_time_that_light_takes_twice(micius, xinglong, window, session):
    """Oracle: the direction in a frame that does not turn, differenced over 2 range / c, from the track's own angles."""
    found = track(micius, xinglong, window(**session, minimum_elevation_deg=10.0), files=None, where=RUN)
    place = site(*np.radians([40.39587, 117.57746]), altitude=890.0)
    local = np.stack(
        [
            np.cos(found.elevation) * np.sin(found.azimuth),
            np.cos(found.elevation) * np.cos(found.azimuth),
            np.sin(found.elevation),
        ],
        axis=-1,
    )
    fixed = local @ place.axes
    turn = EARTH_ROTATION * found.time
    c, s = np.cos(turn), np.sin(turn)
    inertial = np.stack(
        [c * fixed[:, 0] - s * fixed[:, 1], s * fixed[:, 0] + c * fixed[:, 1], fixed[:, 2]],
        axis=-1,
    )
    rate = np.linalg.norm(inertial[2:] - inertial[:-2], axis=-1) / 2.0
    # a central difference over 2 s errs by u'''/6, 2e-5 of the rate
    np.testing.assert_allclose(found.slew_rate[1:-1], rate, rtol=1e-4)
    ahead = rate * 2.0 * found.range[1:-1] / SPEED_OF_LIGHT
    np.testing.assert_allclose(found.point_ahead_angle[1:-1], ahead, rtol=1e-4)


def test_laws_of_the_turning_ground_and_of_the_orbit_differ_by_the_turn_of_the_earth(micius, xinglong, window, session):
    """Oracle: at the satellite the ground runs east at omega r cos(latitude), 4 deg of 7.6 km/s for a polar orbit."""
    found = track(micius, xinglong, window(**session, minimum_elevation_deg=10.0), files=None, where=RUN)
    top = int(np.argmax(found.elevation))
    for fixed, inertial in (("velocity", "inertial-velocity"), ("orbit-normal", "inertial-orbit-normal")):
        apart = np.degrees(np.abs(found.frame_angle[inertial] - found.frame_angle[fixed])[top]) % 180.0
        assert 2.0 < min(apart, 180.0 - apart) < 4.0


def test_overhead_pass_of_a_circle_is_that_of_the_analytic_table():
    """Oracle: 500 km, Earth that does not turn: alpha = 2 v_perp / c, from range and range rate of the same table."""
    degrees = np.array([10.0, 20.0, 30.0, 45.0, 60.0, 90.0])
    expected = np.array([20.69, 24.92, 30.26, 38.34, 45.00, 50.79])
    t = np.linspace(0.0, 230.0, 23001)
    elevation = np.degrees(circular_pass(t, 500e3, maximum_elevation=np.pi / 2).elevation)
    moments = np.interp(degrees, elevation[::-1], t[::-1])
    found = circular_motion(moments, 500e3, maximum_elevation=np.pi / 2)
    np.testing.assert_allclose(1e6 * found.point_ahead_angle, expected, atol=6e-3)
    seen = circular_pass(moments, 500e3, maximum_elevation=np.pi / 2)
    speed = 7612.6
    np.testing.assert_allclose(found.slew_rate, np.sqrt(speed**2 - seen.range_rate**2) / seen.range, rtol=1e-4)


def test_listed_elevations_and_fixed_places_turn_as_they_should(window):
    """Oracle: the analytic table; what does not move does not turn."""
    degrees = (10.0, 20.0, 30.0, 45.0, 60.0, 90.0)
    listed = Elevations(kind="elevations", altitude_km=500.0, elevation_deg=degrees)
    found = track(listed, None, window(), files=None, where=RUN)
    np.testing.assert_allclose(1e6 * found.point_ahead_angle, [20.69, 24.92, 30.26, 38.34, 45.00, 50.79], atol=6e-3)
    fixed = track(Fixed(kind="fixed", range_km=144.0, duration_s=3.0), None, window(), files=None, where=RUN)
    assert not fixed.point_ahead_angle.any() and not fixed.slew_rate.any() and not fixed.frame_angle


def test_frame_of_an_overhead_pass_does_not_turn_but_jumps_by_half_a_turn_at_the_zenith():
    """Oracle: the orbital plane holds the zenith, so its normal is horizontal and the velocity upright or horizontal."""
    t = np.array([-100.0, -30.0, -1.0, 1.0, 30.0, 100.0])
    found = circular_motion(t, 500e3, maximum_elevation=np.pi / 2)
    for law, across in (("velocity", 1.0), ("orbit-normal", 0.0)):
        np.testing.assert_allclose(np.sin(found.frame_angle[law]) ** 2, across, atol=1e-12)
    assert np.all(np.isfinite(circular_motion(np.array([0.0]), 500e3, maximum_elevation=np.pi / 2).frame_angle["velocity"]))


def test_frame_of_a_circle_is_even_about_the_culmination_and_known_there():
    """Oracle: mirror symmetry. At the culmination the velocity is horizontal and the normal lies in the vertical plane."""
    t = np.linspace(-200.0, 200.0, 401)
    found = circular_motion(t, 500e3, maximum_elevation=np.radians(40.0))
    turned = np.exp(2j * found.frame_angle["velocity"])
    np.testing.assert_allclose(turned, turned[::-1].conj(), atol=1e-12)
    assert turned[200] == pytest.approx(1.0)
    assert np.exp(2j * found.frame_angle["orbit-normal"][200]) == pytest.approx(-1.0)
    np.testing.assert_allclose(found.frame_angle["inertial-velocity"], found.frame_angle["velocity"], rtol=1e-12)
    assert np.all(np.abs(np.diff(found.frame_angle["velocity"])) < np.radians(2.0))


def test_only_the_axis_across_the_line_of_sight_counts():
    """Oracle: an axis with any component along the line of sight lies at the same angle."""
    place = site(0.7, 0.3, altitude=0.0)
    position = place.position + 600e3 * np.array([[0.3, 0.2, 0.9]])
    d = (position - place.position) / np.linalg.norm(position - place.position)
    velocity = np.array([[4e3, -5e3, 3e3]])
    one = motion(position, velocity, station=place).frame_angle["velocity"]
    other = motion(position, velocity + 2e3 * d, station=place).frame_angle["velocity"]
    np.testing.assert_allclose(one, other, rtol=1e-12)


def test_circle_and_table_tell_what_they_know(window, texts):
    circle = Circle(kind="circle", altitude_km=500.0, maximum_elevation_deg=60.0)
    exact = track(circle, None, window(minimum_elevation_deg=20.0), files=None, where=RUN)
    assert set(exact.frame_angle) == set(stages.ATTITUDE_LAWS)
    columns = {
        "time_s": exact.time,
        "elevation_deg": np.degrees(exact.elevation),
        "range_km": exact.range / 1e3,
        # of a circle, from the symmetry of its pass: tan(azimuth) = sin(theta) / (sin(psi_0) cos(theta))
    }
    a, n = 6878.137e3, np.sqrt(3.986004418e14 / 6878.137e3**3)
    psi = np.arccos(6378.137e3 * 0.5 / a) - np.radians(60.0)
    azimuth = np.degrees(np.arctan2(np.sin(n * exact.time), np.sin(psi) * np.cos(n * exact.time)))
    table = Table(kind="table", table="pass.csv")
    found = track(table, None, window(), files=texts(**columns, azimuth_deg=azimuth), where=RUN)
    np.testing.assert_allclose(found.slew_rate, np.interp(found.time, exact.time, exact.slew_rate), rtol=1e-3)
    np.testing.assert_allclose(
        found.point_ahead_angle, np.interp(found.time, exact.time, exact.point_ahead_angle), rtol=1e-3
    )
    assert not found.frame_angle
    blind = track(table, None, window(), files=texts(**columns), where=RUN)
    assert np.isnan(blind.slew_rate).all() and np.isnan(blind.point_ahead_angle).all()


def test_a_track_without_motion_is_nan():
    zero = np.zeros(3)
    told = dict.fromkeys(("range", "elevation", "azimuth", "range_rate", "sun_elevation", "sunlit"), zero)
    found = stages.Track(time=zero, time_step=1.0, epoch="", **told)
    assert np.isnan(found.point_ahead_angle).all() and np.isnan(found.slew_rate).all()
    with pytest.raises(ValueError, match="frame_angle knows"):
        stages.Track(time=zero, time_step=1.0, epoch="", **told, frame_angle={"sideways": zero})
    with pytest.raises(ValueError, match="frame_angle of velocity must have the shape"):
        stages.Track(time=zero, time_step=1.0, epoch="", **told, frame_angle={"velocity": np.zeros(2)})
