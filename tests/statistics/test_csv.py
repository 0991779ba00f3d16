"""A laboratory's table: what it says is read, what it leaves out is told, what is wrong has a line number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qphys.errors import UserError
from qphys.statistics import read_any
from qphys.statistics.csv import LabProtocol, PairLabProtocol, read_csv

LAB: dict[str, Any] = {
    "protocol": "decoy-bb84",
    "title": "our laboratory",
    "intensities": ["signal", "decoy", "vacuum"],
    "mean_photon_numbers": [0.5, 0.1, 0.0],
    "intensity_probabilities": [0.5, 0.25, 0.25],
    "basis_probability_z": 0.9,
}
CHOSEN = {key: value for key, value in LAB.items() if key != "basis_probability_z"}
HEAD = "intensity,alice_basis,alice_bit,bob_outcome,counts"
SINGLES = ("Z0", "Z1", "X0", "X1")


def lines(outcomes: tuple[str, ...] = SINGLES) -> list[str]:
    """Line i of the table counts i."""
    cells = [(i, b, x, o) for i in ("signal", "decoy", "vacuum") for b in ("Z", "X") for x in ("0", "1") for o in outcomes]
    return [f"{i},{b},{x},{o},{number}" for number, (i, b, x, o) in enumerate(cells)]


def table(folder: Path, rows: list[str], head: str = HEAD) -> Path:
    path = folder / "counts.csv"
    path.write_text("\n".join(["# from the laboratory", head, "", *rows]) + "\n")
    return path


def test_a_table_of_single_clicks_is_read_and_says_what_it_assumes(tmp_path: Path) -> None:
    found = read_csv(table(tmp_path, lines()), LAB)
    np.testing.assert_array_equal(found["counts"].values.ravel(), np.arange(48))
    assert found["counts"].dims[:2] == ("point", "realisation")
    assert found.coords["bob_outcome"].values.tolist() == list(SINGLES)
    assert found.attrs["title"] == "our laboratory"
    assert "double_Z, double_X, across are not in the file and count as 0" in found.attrs["notes"]
    assert "pulses sent is unknown" in found.attrs["notes"]


def test_order_of_lines_and_columns_and_numbers_for_names_do_not_matter(tmp_path: Path) -> None:
    one = read_csv(table(tmp_path, lines()), LAB)
    turned = []
    for row in reversed(lines()):
        i, b, x, o, n = row.split(",")
        turned.append(f" {n}.0 , {o},{x},{b},{['signal', 'decoy', 'vacuum'].index(i)}")
    other = read_csv(table(tmp_path, turned, "counts,bob_outcome,alice_bit,alice_basis,intensity"), LAB)
    np.testing.assert_array_equal(one["counts"].values, other["counts"].values)


def test_the_joint_probability_has_equal_bits(tmp_path: Path) -> None:
    found = read_csv(table(tmp_path, lines()), LAB)["setting_probability"].values[0]
    assert found[0, 0].tolist() == pytest.approx([0.5 * 0.9 / 2] * 2, rel=1e-15)
    assert found[2, 1].tolist() == pytest.approx([0.25 * 0.1 / 2] * 2, rel=1e-14)


def test_a_basis_probability_for_each_intensity(tmp_path: Path) -> None:
    """Vacuum is sent in Z only: its lines in X may be absent."""
    rows = [row for row in lines() if not row.startswith("vacuum,X")]
    found = read_csv(table(tmp_path, rows), CHOSEN | {"basis_probabilities_z": [0.5, 0.5, 1.0]})
    assert not found["setting_probability"].values[0, 2, 1].any()
    assert not found["counts"].values[0, 0, 2, 1].any()


def test_none_follows_from_pulses_sent(tmp_path: Path) -> None:
    rows = [f"{row},1000" for row in lines((*SINGLES, "double_Z", "double_X", "across"))]
    found = read_csv(table(tmp_path, rows, HEAD + ",pulses_sent"), LAB)
    assert found.coords["bob_outcome"].values[0] == "none"
    assert (found["counts"].sum("bob_outcome") == 1000).all()
    assert "notes" not in found.attrs


def test_lines_of_none_for_some_settings_are_completed_by_pulses_sent(tmp_path: Path) -> None:
    rows = [f"{row},1000" for row in lines()] + ["signal,Z,0,none,994,1000"]
    found = read_csv(table(tmp_path, rows, HEAD + ",pulses_sent"), LAB)
    assert (found["counts"].sum("bob_outcome") == 1000).all()


def test_a_double_click_in_some_settings_only_counts_as_0_in_the_others_and_says_so(tmp_path: Path) -> None:
    found = read_csv(table(tmp_path, [*lines(), "signal,Z,0,double_Z,5"]), LAB)
    assert int(found["counts"].sel(bob_outcome="double_Z").sum()) == 5
    assert "outcome double_Z has no line for 11 settings and counts as 0 there" in found.attrs["notes"]


def test_the_protocol_may_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text(
        'protocol = "decoy-bb84"\nmean_photon_numbers = [0.5, 0.1, 0]\nintensity_probabilities = [0.5, 0.25, 0.25]\n'
        "basis_probability_z = 0.5\ntrial_rate_mhz = 100\nwavelength_nm = 850.0\n"
    )
    rows = [row.replace("signal", "0").replace("decoy", "1").replace("vacuum", "2") for row in lines()]
    found = read_any(table(tmp_path, rows), tmp_path / "lab.toml")
    assert found["trial_rate"].values.tolist() == [1e8]
    assert "effects_present" not in found.attrs
    assert found["wavelength"].values.tolist() == pytest.approx([850e-9])
    assert found.coords["intensity"].values.tolist() == ["0", "1", "2"]


MALFORMED: dict[str, tuple[list[str], str, str]] = {
    "empty": ([], "# nothing", r"counts\.csv: empty; a line that names the columns"),
    "semicolons": ([], HEAD.replace(",", ";"), "line 2: columns must be separated by commas"),
    "unknown column": ([], HEAD + ",pulse_sent", "line 2: unknown column 'pulse_sent'; did you mean 'pulses_sent'"),
    "missing column": ([], "intensity,alice_basis,bob_outcome,counts", "column alice_bit is missing"),
    "doubled column": ([], HEAD + ",counts", "a column stands twice"),
    "short line": (["signal,Z,0,Z0"], HEAD, "line 4: 4 fields; 5 are needed"),
    "unknown intensity": (["signl,Z,0,Z0,5"], HEAD, "line 4: intensity = 'signl': unknown; did you mean 'signal'"),
    "number of no intensity": (["3,Z,0,Z0,5"], HEAD, "line 4: intensity = '3': unknown"),
    "unknown basis": (["signal,Y,0,Z0,5"], HEAD, r"line 4: alice_basis = 'Y': unknown \(allowed: Z, X\)"),
    "unknown bit": (["signal,Z,2,Z0,5"], HEAD, "line 4: alice_bit = '2': unknown"),
    "unknown outcome": (["signal,Z,0,doubleZ,5"], HEAD, "bob_outcome = 'doubleZ': unknown; did you mean 'double_Z'"),
    "negative count": (["signal,Z,0,Z0,-5"], HEAD, "line 4: counts = -5: must not be negative"),
    "part of a count": (["signal,Z,0,Z0,5.5"], HEAD, r"line 4: counts = 5\.5: must be a whole number"),
    "no count": (["signal,Z,0,Z0,many"], HEAD, "line 4: counts = 'many': not a number"),
    "empty count": (["signal,Z,0,Z0,"], HEAD, "line 4: counts = '': not a number"),
    "infinite count": (["signal,Z,0,Z0,inf"], HEAD, "line 4: counts = inf: must be a finite number"),
    "NaN": (["signal,Z,0,Z0,nan"], HEAD, "line 4: counts = nan: must be a finite number"),
    "doubled line": (["signal,Z,0,Z0,5", "0,Z,0,Z0,5"], HEAD, "line 5: signal, Z, 0, Z0 stands in line 4 already"),
    "missing lines": (lines()[:-3], HEAD, "3 lines are missing, the first: vacuum, X, 1, Z1"),
    "two numbers of pulses": (
        [f"{row},{1000 if n else 999}" for n, row in enumerate(lines())],
        HEAD + ",pulses_sent",
        "line 5: pulses_sent = 1000: another line of signal, Z, 0 says 999",
    ),
    "pulses of some settings": (
        [f"{row},{1000 if row.startswith('signal') else ''}" for row in lines()],
        HEAD + ",pulses_sent",
        "pulses_sent is missing for decoy, Z, 0",
    ),
    "more clicks than pulses": ([f"{row},20" for row in lines()], HEAD + ",pulses_sent", "more clicks than pulses_sent"),
    "none of some settings": ([*lines(), "signal,Z,0,none,99"], HEAD, "bob_outcome none: has lines for some settings only"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_table_is_refused_with_one_line(tmp_path: Path, name: str) -> None:
    rows, head, told = MALFORMED[name]
    with pytest.raises(UserError, match=told) as caught:
        read_csv(table(tmp_path, rows, head), LAB)
    assert "counts.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_table_that_is_no_text_or_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="not UTF-8"):
        read_csv(tmp_path / "a.csv", LAB)
    with pytest.raises(UserError, match="no such file"):
        read_csv(tmp_path / "b.csv", LAB)
    with pytest.raises(UserError, match=r"lab\.toml: no such file"):
        read_csv(tmp_path / "a.csv", tmp_path / "lab.toml")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"protocol": "bb84"}, "protocol = 'bb84'"),
        ({"mean_photon_number": [0.5]}, "unknown key; did you mean 'mean_photon_numbers'"),
        ({"mean_photon_numbers": [0.5, 0.1, -0.1]}, r"mean_photon_numbers\.2 = -0\.1"),
        ({"mean_photon_numbers": []}, "at least one intensity"),
        ({"intensity_probabilities": [0.5, 0.5]}, "2 values for 3 intensities"),
        ({"intensity_probabilities": [0.5, 0.3, 0.3]}, r"sum to 1\.1; must be 1"),
        ({"intensities": ["a", "b"]}, "2 names for 3 intensities"),
        ({"intensities": ["a", "a", "b"]}, "a name stands twice"),
        ({"basis_probability_z": 1.5}, "basis_probability_z"),
        ({"basis_probabilities_z": [0.5, 0.5, 0.5]}, "and not both"),
        ({"basis_probability_z": [0.5, 0.5]}, "basis_probability_z"),
        ({"trial_rate_mhz": 0}, "trial_rate_mhz"),
    ],
)
def test_a_malformed_protocol_is_refused(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told) as caught:
        read_csv(table(tmp_path, lines()), LAB | change)
    assert str(caught.value).startswith("protocol")
    assert "\n" not in str(caught.value)


def test_a_missing_key_of_the_protocol_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="basis_probability_z: give it"):
        read_csv(table(tmp_path, lines()), CHOSEN)
    with pytest.raises(UserError, match="2 values for 3 intensities"):
        read_csv(table(tmp_path, lines()), CHOSEN | {"basis_probabilities_z": [0.5, 0.5]})
    with pytest.raises(UserError, match="mean_photon_numbers: missing; it is required"):
        read_csv(table(tmp_path, lines()), {k: v for k, v in LAB.items() if k != "mean_photon_numbers"})


def test_a_laboratory_says_which_effects_its_counts_hold(tmp_path: Path) -> None:
    told = {"effects_present": ["dead_time", "background"], "effects_absent": ["discrete_phases"]}
    found = read_csv(table(tmp_path, lines()), LAB | told)
    assert found.attrs["effects_present"] == "dead_time background"
    assert found.attrs["effects_absent"] == "discrete_phases"


def test_the_protocols_of_the_docs_are_valid() -> None:
    import tomllib

    from qphys.record import parse

    text = (Path(__file__).parents[2] / "docs" / "format" / "index.md").read_text()
    sender, pairs = (tomllib.loads(part.split("```")[0]) for part in text.split("```toml\n")[1:])
    assert parse(LabProtocol, sender, "docs").labels == ("signal", "decoy", "vacuum")
    assert parse(PairLabProtocol, pairs, "docs").si.coincidence_window == pytest.approx(1e-9)


PAIRS: dict[str, Any] = {"protocol": "bbm92", "title": "our pairs"}
PAIR_HEAD = "alice_outcome,bob_outcome,counts"


def pair_lines(outcomes: tuple[str, ...] = SINGLES, *, far: bool = False) -> list[str]:
    """Line i of the table counts i, and 1000 - i in shifted windows."""
    cells = [(a, b) for a in outcomes for b in outcomes]
    return [f"{a},{b},{number}{f',{1000 - number}' if far else ''}" for number, (a, b) in enumerate(cells)]


def test_a_table_of_pairs_is_read_and_says_what_it_assumes(tmp_path: Path) -> None:
    found = read_csv(table(tmp_path, list(reversed(pair_lines())), PAIR_HEAD), PAIRS)
    assert found["counts"].dims == ("point", "realisation", "alice_outcome", "bob_outcome")
    np.testing.assert_array_equal(found["counts"].values.ravel(), np.arange(16))
    assert found.attrs["title"] == "our pairs"
    assert found.attrs["protocol"] == "bbm92"
    assert "alice_outcome: outcomes double_Z, double_X, across are not in the file" in found.attrs["notes"]
    assert "the number of trials is unknown" in found.attrs["notes"]


def test_a_table_of_pairs_may_have_accidentals_doubles_and_trials(tmp_path: Path) -> None:
    """No click at all follows from the trials; a double click that is not there counts as 0."""
    rows = [*pair_lines(("none", *SINGLES), far=True)[1:], "Z0,double_X,7,3"]
    lab = PAIRS | {"trials": 10**11, "trial_rate_mhz": 1000, "coincidence_window_ns": 0.5, "pair_rate_mhz": 6}
    found = read_any(table(tmp_path, rows, PAIR_HEAD + ",accidental_counts"), lab).isel(point=0, realisation=0)
    assert found.coords["alice_outcome"].values.tolist() == ["none", *SINGLES]
    assert found.coords["bob_outcome"].values.tolist() == ["none", *SINGLES, "double_X"]
    assert int(found["counts"].sum()) == int(found["accidental_counts"].sum()) == 10**11
    assert int(found["counts"].sel(alice_outcome="Z0", bob_outcome="double_X")) == 7
    assert int(found["accidental_counts"].sel(alice_outcome="X1", bob_outcome="Z0")) == 1000 - 21
    assert (float(found["coincidence_window"]), float(found["pair_rate"])) == pytest.approx((5e-10, 6e6))
    assert "4 pairs of outcomes with a double click have no line and count as 0" in found.attrs["notes"]
    assert "number of trials" not in found.attrs["notes"]


MALFORMED_PAIRS: dict[str, tuple[list[str], str, str]] = {
    "setting of a sender": ([], PAIR_HEAD + ",alice_basis", "line 2: unknown column 'alice_basis'"),
    "missing column": ([], "bob_outcome,counts", "column alice_outcome is missing"),
    "unknown outcome": (["Z0,Z2,5"], PAIR_HEAD, "line 4: bob_outcome = 'Z2': unknown"),
    "doubled line": (["Z0,Z1,5", "Z0,Z1,5"], PAIR_HEAD, "line 5: Z0, Z1 stands in line 4 already"),
    "missing lines": (pair_lines()[:-2], PAIR_HEAD, "2 lines are missing, the first: X1, X0"),
    "none of some outcomes": ([*pair_lines(), "none,Z0,5"], PAIR_HEAD, "3 lines are missing, the first: none, Z1"),
    "no click without trials": (pair_lines(("none", *SINGLES))[1:], PAIR_HEAD, "1 lines are missing, the first: none, none"),
    "accidentals of some outcomes": (
        [f"{row},{'' if row.startswith('X0,X0') else 1}" for row in pair_lines()],
        PAIR_HEAD + ",accidental_counts",
        "line 14: accidental_counts is missing; give it in all lines or in none",
    ),
    "negative accidental": (["Z0,Z0,5,-1"], PAIR_HEAD + ",accidental_counts", "line 4: accidental_counts = -1"),
    "no lines": ([], PAIR_HEAD, "16 lines are missing, the first: Z0, Z0"),
}


@pytest.mark.parametrize("name", MALFORMED_PAIRS)
def test_a_malformed_table_of_pairs_is_refused_with_one_line(tmp_path: Path, name: str) -> None:
    rows, head, told = MALFORMED_PAIRS[name]
    with pytest.raises(UserError, match=told) as caught:
        read_csv(table(tmp_path, rows, head), PAIRS)
    assert "counts.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_more_clicks_than_trials_and_unknown_protocols_are_refused(tmp_path: Path) -> None:
    rows = pair_lines(("none", *SINGLES))[1:]
    with pytest.raises(UserError, match="more clicks than the 100 trials"):
        read_csv(table(tmp_path, rows, PAIR_HEAD), PAIRS | {"trials": 100})
    with pytest.raises(UserError, match=r"protocol = 'bbm-92': unknown; did you mean 'bbm92'"):
        read_csv(table(tmp_path, rows, PAIR_HEAD), {"protocol": "bbm-92"})
    with pytest.raises(UserError, match="mean_photon_numbers: unknown key"):
        read_csv(table(tmp_path, rows, PAIR_HEAD), PAIRS | {"mean_photon_numbers": [0.5]})
