"""Two-line elements and OMM: a slip of one character is told, and the four OMM forms are one orbit."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qphys.errors import UserError
from qphys.orbits import KINDS, Omm, track
from qphys.orbits.elements import check_line, moment, read_omm
from qphys.record import parse

LINE1 = "1 41731U 16051A   16353.90152003  .00000364  00000-0  17957-4 0  9993"
LINE2 = "2 41731  97.3699 267.4500 0013200 178.5836 246.0824 15.23915303 19063"
RUN = "run.toml: orbit"


def refused(**values):
    with pytest.raises(UserError) as error:
        parse(KINDS["tle"], {"kind": "tle", "line1": LINE1, "line2": LINE2} | values, RUN)
    return str(error.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"line1": LINE1[:68] + "4"}, "checksum in column 69 is 4, but the characters before it sum to 3"),
        (
            {"line2": LINE2.replace("97.3699", "97.3698")},
            "checksum in column 69 is 3, but the characters before it sum to 2",
        ),
        ({"line1": LINE1[:-1]}, "line 1 of two-line elements has 69 characters; this one has 68"),
        ({"line2": LINE2 + "7"}, "has 69 characters; this one has 70"),
        ({"line1": ""}, "starts with '1 '"),
        ({"line1": LINE1.replace("16353.9", "16353.O")}, "columns 19-32 (epoch, year and day) hold '16353.O0152003'"),
        ({"line2": LINE2.replace("246.0824", "246.O824")}, "columns 44-51 (mean anomaly) hold '246.O824'"),
        ({"line2": LINE2.replace("0013200", "0.13200")}, "columns 27-33 (eccentricity)"),
        ({"line1": LINE1.replace("16353", "16367").replace("9993", "9998")}, "day of the year) hold 367.9"),
        ({"line1": LINE1.replace("16051A", "1\u00e9051A")}, "ASCII"),
        ({"line2": LINE2.replace("41731", "41732")[:-1] + "4"}, "line1 is of object 41731 and line2 of 41732"),
        ({"line2": LINE2.replace(" 97.3699", "197.3699")[:-1] + "4"}, "columns 9-16 (inclination) hold 197.3699; 0 to 180"),
        ({"line1": 5}, "line1 = 5"),
    ],
)
def test_bad_elements_give_one_clear_line(values, message):
    told = refused(**values)
    assert message in told
    assert told.startswith("run.toml: orbit")
    assert told.count("\n") == 0


def test_swapped_lines_are_recognised():
    told = refused(line1=LINE2, line2=LINE1)
    assert "line1 = " in told
    assert "this is line 2 of two-line elements; line 1 belongs here (are the lines swapped?)" in told


@given(st.integers(0, 68), st.sampled_from("0123456789"))
def test_any_single_wrong_digit_is_noticed(column, digit):
    """A digit put for another changes the checksum, except where it replaces a 0 by a letter or blank of equal weight."""
    for line, number in ((LINE1, 1), (LINE2, 2)):
        if line[column].isdigit() and line[column] != digit:
            with pytest.raises(ValueError, match=r"checksum|starts with|columns|swapped"):
                check_line(line[:column] + digit + line[column + 1 :], number)


def test_blanks_after_a_line_do_not_matter():
    assert check_line(LINE1 + "  \r\n", 1) == LINE1


def exported():
    from sgp4.api import Satrec
    from sgp4.exporter import export_omm

    fields = export_omm(Satrec.twoline2rv(LINE1, LINE2), "MICIUS")
    return {key: value if isinstance(value, str) else repr(value) for key, value in fields.items()}


def omm_texts():
    fields = exported()
    metadata = ("OBJECT_NAME", "OBJECT_ID", "CENTER_NAME", "REF_FRAME", "TIME_SYSTEM", "MEAN_ELEMENT_THEORY")
    mean = ("EPOCH", "MEAN_MOTION", "ECCENTRICITY", "INCLINATION", "RA_OF_ASC_NODE", "ARG_OF_PERICENTER", "MEAN_ANOMALY")
    rest = [key for key in fields if key not in (*metadata, *mean)]
    xml = "".join(
        f"<{part}>" + "".join(f"<{k}>{fields[k]}</{k}>" for k in keys if k in fields) + f"</{part}>"
        for part, keys in (("metadata", metadata), ("data", ()))
        if keys
    )
    for part, keys in (("meanElements", mean), ("tleParameters", rest)):
        xml += f"<{part}>" + "".join(f"<{k}>{fields[k]}</{k}>" for k in keys) + f"</{part}>"
    return {
        "kvn": "CCSDS_OMM_VERS = 2.0\nCOMMENT made for a test\n\n"
        + "\n".join(f"{k} = {v}{' [deg]' if k == 'INCLINATION' else ''}" for k, v in fields.items()),
        "json": json.dumps([fields]),
        "json of one object": json.dumps({k: float(v) if k == "INCLINATION" else v for k, v in fields.items()}),
        "csv": ",".join(fields) + "\n" + ",".join(fields.values()) + "\n",
        "xml": f'<?xml version="1.0"?>\n<ndm xmlns="urn:x"><omm><body><segment>{xml}</segment></body></omm></ndm>',
    }


@pytest.mark.parametrize("form", sorted(omm_texts()))
def test_every_form_of_an_omm_gives_the_orbit_of_its_elements(form, micius, xinglong, window, session, texts):
    """sgp4's exporter is the second road; its epoch is rounded to 1 us, 8 mm along the track."""
    limit = window(**session, start_s=-100.0, stop_s=100.0, time_step_s=7.0)
    expected = track(micius, xinglong, limit, files=None, where=RUN)
    found = track(Omm(kind="omm", file="m.omm"), xinglong, limit, files=texts(omm_texts()[form]), where=RUN)
    # 2 cm of noise lie in Skyfield's rotation of the Earth.
    np.testing.assert_allclose(found.range, expected.range, atol=0.1, rtol=0)
    assert found.facts["elements_epoch"] == expected.facts["elements_epoch"]
    assert found.facts["orbit"] == "omm"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"MEAN_MOTION": None}, "MEAN_MOTION: missing; SGP4 needs them"),
        ({"ECCENTRICITY": "1.2"}, "ECCENTRICITY = 1.2: must lie between 0 and 0.999999"),
        ({"INCLINATION": "nan"}, "INCLINATION = 'nan': must be finite"),
        ({"BSTAR": "x"}, "BSTAR = 'x': not a number"),
        ({"REF_FRAME": "EME2000"}, "REF_FRAME = EME2000: must be TEME for SGP4"),
        ({"TIME_SYSTEM": "TAI"}, "TIME_SYSTEM = TAI: must be UTC"),
        ({"MEAN_ELEMENT_THEORY": "SGP4-XP"}, "MEAN_ELEMENT_THEORY = SGP4-XP: must be SGP4 or SGP/SGP4"),
        ({"EPOCH": "yesterday"}, "EPOCH = 'yesterday': not a date such as"),
        ({"NORAD_CAT_ID": "A1"}, "NORAD_CAT_ID = A1: must be a whole number"),
    ],
)
def test_a_wrong_omm_field_is_named(change, message):
    fields = {k: v for k, v in (exported() | change).items() if v is not None}
    with pytest.raises(UserError, match="^tables/a.omm: ") as error:
        read_omm("\n".join(f"{k} = {v}" for k, v in fields.items()), "tables/a.omm")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty; an OMM is needed"),
        ("{broken", "not valid JSON"),
        ("[1, 2]", "an OMM in JSON is an object"),
        ("[]", "holds 0 objects"),
        ("<omm>", "not valid XML"),
        ("<omm></omm>", "holds 0 objects"),
        ("OBJECT_NAME = A\nno pair\n", "line 2: 'no pair' is not KEY = VALUE"),
        ("EPOCH,MEAN_MOTION\n1\n", "a line has more or fewer fields"),
    ],
)
def test_a_file_that_is_no_omm_is_refused(text, message):
    with pytest.raises(UserError) as error:
        read_omm(text, "tables/a.omm")
    assert message in str(error.value)


def test_two_objects_in_one_omm_are_told_by_name():
    with pytest.raises(UserError, match=r"holds 2 objects \(MICIUS, MICIUS\); one is needed"):
        read_omm(json.dumps([exported(), exported()]), "tables/a.omm")


def test_catalogue_numbers_of_nine_digits_propagate(micius, xinglong, window, session, texts):
    text = omm_texts()["kvn"].replace("= 41731", "= 799501234")
    found = track(Omm(kind="omm", file="m.omm"), xinglong, window(**session), files=texts(text), where=RUN)
    assert found.range.min() / 1e3 == pytest.approx(645.4, abs=0.1)


def test_dates_by_month_and_by_day_of_the_year_agree():
    assert moment("2016-12-18T21:38:11.33Z", "") == (2016, 12, 18, 21, 38, 11.33)
    assert moment("2016-353T21:38:11.33", "") == (2016, 1, 353, 21, 38, 11.33)
    by_day = read_omm(omm_texts()["kvn"].replace("2016-12-18T", "2016-353T"), "")
    assert by_day["EPOCH"] == read_omm(omm_texts()["kvn"], "")["EPOCH"]
    for wrong in (
        "2016-13-01T00:00:00",
        "2016-12-32T00:00:00",
        "2016-12-01 00:00:00",
        "2016-367T00:00:00",
        "2016-12-01T24:00:00",
    ):
        with pytest.raises(UserError, match="not a date"):
            moment(wrong, "f")
