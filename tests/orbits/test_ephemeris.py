"""OEM files: every frame, time system and interpolation gives back the orbit that wrote the file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from qphys.errors import UserError
from qphys.orbits import Oem, passes, sunlit, track
from qphys.orbits.ephemeris import interpolate, read_oem

RUN = "run.toml: orbit"
OEM = Oem(kind="oem", file="m.oem")
FIRST = datetime(2016, 12, 19, 16, 30, tzinfo=UTC)
OFFSET = {"UTC": 0.0, "TAI": 36.0, "TT": 68.184, "GPS": 17.0}


def states(micius, frame, *, step=60.0, count=50):
    """States of the elements in a frame, by Skyfield."""
    from skyfield.api import EarthSatellite, load
    from skyfield.framelib import ICRS_to_J2000, itrs
    from skyfield.sgp4lib import TEME

    scale = load.timescale(builtin=True)
    t = scale.from_datetime(FIRST) + np.arange(count) * step / 86400.0
    place = EarthSatellite(micius.line1, micius.line2, None, scale).at(t)
    if frame == "ITRF2000":
        r, v = place.frame_xyz_and_velocity(itrs)
        return np.vstack([r.km, v.km_per_s]).T
    r, v = place.xyz.km, place.velocity.km_per_s
    if frame == "EME2000":
        r, v = ICRS_to_J2000 @ r, ICRS_to_J2000 @ v
    if frame == "TEME":
        turn = TEME.rotation_at(t)
        r, v = np.einsum("ijt,jt->it", turn, r), np.einsum("ijt,jt->it", turn, v)
    return np.vstack([r, v]).T


def oem(values, *, frame="ITRF2000", system="UTC", step=60.0, first=0, extra=()):
    def date(index):
        moment = FIRST + timedelta(seconds=index * step + OFFSET[system])
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")

    head = ["META_START", "OBJECT_NAME = MICIUS", "OBJECT_ID = 2016-051A", "CENTER_NAME = EARTH", f"REF_FRAME = {frame}"]
    head += [f"TIME_SYSTEM = {system}", f"START_TIME = {date(first)}", f"STOP_TIME = {date(first + len(values) - 1)}"]
    lines = [f"{date(first + i)} " + " ".join(f"{x:.9f}" for x in row) for i, row in enumerate(values)]
    return "\n".join([*head, *extra, "META_STOP", "COMMENT states", *lines, ""])


HEAD = "CCSDS_OEM_VERS = 2.0\nCREATION_DATE = 2016-12-19T00:00:00\nORIGINATOR = TEST\n\n"


def compare(text, micius, xinglong, window, texts):
    """Within 1 m: Skyfield's Julian date turns the Earth in steps of 40 us, 2 cm of noise that grows at a segment's end."""
    limit = window(start=FIRST, stop=FIRST + timedelta(minutes=45), minimum_elevation_deg=5.0)
    expected = track(micius, xinglong, limit, files=None, where=RUN)
    found = track(OEM, xinglong, limit, files=texts(text), where=RUN)
    n = min(len(expected.time), len(found.time))
    assert abs(len(expected.time) - len(found.time)) <= 1
    np.testing.assert_allclose(found.range[:n], expected.range[:n], atol=1.0, rtol=0)
    np.testing.assert_allclose(found.range_rate[:n], expected.range_rate[:n], atol=0.1, rtol=0)
    # The same moments, not only the same shape: a shift of the clock by 1 s would leave the ranges as they are.
    assert found.epoch == expected.epoch
    np.testing.assert_allclose(found.time[:n], expected.time[:n], atol=2e-4, rtol=0)
    return found


@pytest.mark.parametrize("frame", ["ITRF2000", "ICRF", "GCRF", "EME2000", "TEME"])
def test_every_frame_gives_back_the_orbit(frame, micius, xinglong, window, texts):
    found = compare(HEAD + oem(states(micius, frame), frame=frame), micius, xinglong, window, texts)
    assert found.facts["orbit"] == "oem"
    assert "elements_age_days" not in found.facts
    assert np.all(found.sunlit == 0)


@pytest.mark.parametrize("frame", ["ICRF", "GCRF", "EME2000", "TEME"])
def test_states_are_turned_into_the_earth_fixed_frame(frame, micius):
    """Skyfield's states in both frames; the bias between EME2000 and ICRF alone is 0.8 m."""
    from qphys.orbits.propagation import Clock, _to_earth_fixed

    time = Clock(FIRST).at(np.arange(50) * 60.0)
    there, expected = states(micius, frame) * 1e3, states(micius, "ITRF2000") * 1e3
    position, velocity = _to_earth_fixed(frame, time, there[:, :3], there[:, 3:])
    np.testing.assert_allclose(position, expected[:, :3], atol=0.05)
    np.testing.assert_allclose(velocity, expected[:, 3:], atol=1e-4)


@pytest.mark.parametrize("system", sorted(OFFSET))
def test_every_time_system_gives_back_the_orbit(system, micius, xinglong, window, texts):
    """TAI - UTC was 36 s in 2016, TT - TAI is 32.184 s and TAI - GPS 19 s; 1 ms would be 7 m."""
    compare(HEAD + oem(states(micius, "ITRF2000"), system=system), micius, xinglong, window, texts)


@pytest.mark.parametrize(
    "extra",
    [
        ("INTERPOLATION = HERMITE", "INTERPOLATION_DEGREE = 5"),
        ("INTERPOLATION = Hermite", "INTERPOLATION_DEGREE = 9"),
        ("INTERPOLATION = LAGRANGE", "INTERPOLATION_DEGREE = 8"),
        ("INTERPOLATION = LAGRANGE",),
    ],
)
def test_every_interpolation_gives_back_the_orbit(extra, micius, xinglong, window, texts):
    compare(HEAD + oem(states(micius, "ICRF"), frame="ICRF", extra=extra), micius, xinglong, window, texts)


def test_xml_and_kvn_are_one_orbit(micius, xinglong, window, texts):
    values, names = states(micius, "ITRF2000"), ("X", "Y", "Z", "X_DOT", "Y_DOT", "Z_DOT")
    date = lambda i: (FIRST + timedelta(seconds=60.0 * i)).strftime("%Y-%m-%dT%H:%M:%S.%f")  # noqa: E731
    vectors = "".join(
        f"<stateVector><EPOCH>{date(i)}</EPOCH>"
        + "".join(f"<{n}>{x:.9f}</{n}>" for n, x in zip(names, row, strict=True))
        + "</stateVector>"
        for i, row in enumerate(values)
    )
    told = {"OBJECT_NAME": "MICIUS", "CENTER_NAME": "EARTH", "REF_FRAME": "ITRF2000", "TIME_SYSTEM": "UTC"}
    meta = "".join(f"<{k}>{v}</{k}>" for k, v in told.items())
    text = f"<oem><body><segment><metadata>{meta}</metadata><data>{vectors}</data></segment></body></oem>"
    compare(text, micius, xinglong, window, texts)


@pytest.mark.parametrize(("method", "degree"), [("HERMITE", 7), ("LAGRANGE", 7), ("LINEAR", 1)])
def test_interpolation_agrees_with_the_oem_package(method, degree, micius):
    from oem.interp import hermite, lagrange

    values = states(micius, "ICRF") * 1e3
    time = np.arange(50) * 60.0
    r, v = interpolate(np.array([1234.5]), time, values[:, :3], values[:, 3:], method=method, degree=degree)
    nodes = (degree + 1) // 2 if method == "HERMITE" else degree + 1
    first = 20 - (nodes - 1) // 2
    part = slice(first, first + nodes)
    x = (time[part] - 1234.5) / 60.0
    for axis in range(3):
        if method == "HERMITE":
            polynomial = hermite(x, values[part, axis], values[part, axis + 3] * 60.0)
            assert v[0, axis] * 60.0 == pytest.approx(polynomial.deriv()(0.0), rel=1e-8, abs=1e-3)
        else:
            polynomial = lagrange(x, values[part, axis])
            assert v[0, axis] == pytest.approx(lagrange(x, values[part, axis + 3])(0.0), rel=1e-8, abs=1e-5)
        assert r[0, axis] == pytest.approx(polynomial(0.0), rel=1e-9, abs=1e-3)


def test_interpolation_reproduces_polynomials_of_its_degree_up_to_the_ends():
    time = np.cumsum([0.0, 1.0, 2.5, 0.7, 1.1, 3.0, 0.9, 1.3, 2.0, 0.4])
    polynomial = np.polynomial.Polynomial([3.0, -2.0, 0.5, 0.1, -0.02, 0.003, 1e-4, -2e-5])
    position = np.stack([polynomial(time), 2 * polynomial(time), -polynomial(time)], axis=1)
    velocity = np.stack([f * polynomial.deriv()(time) for f in (1, 2, -1)], axis=1)
    wanted = np.linspace(time[0], time[-1], 101)
    for method in ("HERMITE", "LAGRANGE"):
        r, v = interpolate(wanted, time, position, velocity, method=method, degree=7)
        np.testing.assert_allclose(r[:, 1], 2 * polynomial(wanted), rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(v[:, 2], -polynomial.deriv()(wanted), rtol=1e-9, atol=1e-9)


def test_segments_are_joined_and_the_end_of_the_file_is_told(micius, xinglong, window, texts):
    values = states(micius, "ITRF2000")
    text = HEAD + oem(values[:26]) + "\n" + oem(values[25:], first=25)
    compare(text, micius, xinglong, window, texts)
    limit = window(start=FIRST, stop=FIRST + timedelta(minutes=45), minimum_elevation_deg=5.0)
    short = track(OEM, xinglong, limit, files=texts(HEAD + oem(values[:23])), where=RUN)
    assert short.warnings == ("the ephemeris begins or ends inside the pass, and the session with it",)
    assert short.facts["session_stop"] == "2016-12-19T16:52:00.000Z"
    useable = ("USEABLE_STOP_TIME = 2016-12-19T16:51:30",)
    shorter = track(OEM, xinglong, limit, files=texts(HEAD + oem(values[:23], extra=useable)), where=RUN)
    assert shorter.facts["session_stop"] == "2016-12-19T16:51:30.000Z"


def test_passes_and_eclipse_of_an_ephemeris_are_those_of_its_elements(micius, xinglong, texts):
    files, stop = texts(HEAD + oem(states(micius, "ICRF"), frame="ICRF")), FIRST + timedelta(minutes=45)
    (a,) = passes(micius, xinglong, FIRST, stop, minimum_elevation=np.radians(40.0))
    (b,) = passes(OEM, xinglong, FIRST, stop, minimum_elevation=np.radians(40.0), files=files)
    assert [(x - y).total_seconds() for x, y in ((a.rise, b.rise), (a.set, b.set))] == pytest.approx([0, 0], abs=1e-3)
    moments = np.arange(0.0, 3000.0, 100.0)
    np.testing.assert_array_equal(
        sunlit(OEM, FIRST, seconds=moments[:29], files=files), sunlit(micius, FIRST, seconds=moments[:29])
    )
    assert np.isnan(sunlit(OEM, FIRST, seconds=[1e5], files=files)[0])


def test_a_time_outside_the_ephemeris_is_refused(micius, xinglong, window, texts):
    limit = window(start="2016-12-20T16:30:00Z", stop="2016-12-20T17:30:00Z")
    with pytest.raises(
        UserError, match=r"tables/m.oem: the ephemeris does not cover .*covers 2016-12-19T16:30:00.000Z to 2016-12-19T17:19"
    ):
        track(OEM, xinglong, limit, files=texts(HEAD + oem(states(micius, "ITRF2000"))), where=RUN)


GOOD = np.tile([7000.0, 0.0, 0.0, 0.0, 7.5, 0.0], (9, 1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty; an OEM is needed"),
        ("hello", "line 1: an OEM starts with CCSDS_OEM_VERS"),
        (HEAD, "holds no segment"),
        (HEAD + "META_START\nOBJECT_NAME = A\n", "META_START without META_STOP"),
        (HEAD + oem(GOOD[:3]), "a segment has 3 states; interpolation of degree 7 needs 4"),
        (HEAD + oem(GOOD).replace("REF_FRAME = ITRF2000", "REF_FRAME = TOD"), "REF_FRAME = TOD: unknown"),
        (HEAD + oem(GOOD).replace("REF_FRAME = ITRF2000\n", ""), "REF_FRAME: missing"),
        (HEAD + oem(GOOD).replace("TIME_SYSTEM = UTC", "TIME_SYSTEM = UT1"), "TIME_SYSTEM = UT1: unknown; did you mean"),
        (HEAD + oem(GOOD).replace("CENTER_NAME = EARTH", "CENTER_NAME = MARS"), "CENTER_NAME = MARS: must be EARTH"),
        (HEAD + oem(GOOD, extra=("INTERPOLATION = HERMITE", "INTERPOLATION_DEGREE = 4")), "must be an odd whole number"),
        (HEAD + oem(GOOD, extra=("INTERPOLATION = SPLINE",)), "INTERPOLATION = SPLINE: unknown"),
        (HEAD + oem(GOOD).replace("7.500000000", "x.5"), "= 'x.5': not a number"),
        (HEAD + oem(GOOD).replace(" 7.500000000", ""), "6 fields; a date and 6 numbers"),
        (HEAD + oem(GOOD).replace("2016-12-19T16:33:00.000000 ", "2016-12-19T16:31:00 "), "state 4 comes not after"),
        (HEAD + oem(GOOD).replace("2016-12-19T16:33:00.000000 ", "noon "), "'noon': not a date"),
        (HEAD + oem(GOOD) + oem(GOOD, first=4), "two segments overlap"),
        (HEAD + oem(GOOD) + oem(GOOD, first=9).replace("MICIUS", "OTHER"), "holds 2 objects (MICIUS, OTHER)"),
        (HEAD + oem(GOOD, extra=("USEABLE_START_TIME = 2016-12-19T18:00:00",)), "USEABLE_STOP_TIME must come after"),
        ("<oem><segment>", "not valid XML"),
    ],
)  # fmt: skip
def test_a_bad_ephemeris_gives_one_clear_line(text, message, xinglong, window, texts):
    limit = window(start="2016-12-19T16:30:00Z", stop="2016-12-19T16:38:00Z")
    with pytest.raises(UserError) as error:
        track(OEM, xinglong, limit, files=texts(text), where=RUN)
    assert message in str(error.value)
    assert str(error.value).startswith("tables/m.oem")
    assert "\n" not in str(error.value)


def test_covariances_and_accelerations_are_read_over():
    lines = oem(GOOD).splitlines()
    lines = [line + " 0.001 0.0 0.0" if line.endswith("7.500000000 0.000000000") else line for line in lines]
    text = HEAD + "\n".join(lines) + "\nCOVARIANCE_START\nEPOCH = 2016-12-19T16:30:00\n1.0\n0.1 1.0\nCOVARIANCE_STOP\n"
    (segment,) = read_oem(text, "m.oem")
    assert segment.position.shape == (9, 3)
    assert segment.velocity[0] == pytest.approx([0.0, 7500.0, 0.0])
