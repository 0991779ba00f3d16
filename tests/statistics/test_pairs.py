"""Files of pair protocols: the same road as decoy-bb84, with an outcome an arm."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr

from qphys.errors import UserError
from qphys.statistics import add_blocks, files, info, open_statistics, schema
from qphys.statistics import dataset as datasets
from qphys.statistics.read import check

OUTCOMES = list(schema.OUTCOMES_BB84)
CHSH = {
    "alice_outcome": ("none", "a0+", "a0-", "a1+", "a1-", "double"),
    "bob_outcome": ("none", "b0+", "b0-", "b1+", "b1-", "b2-", "b2+", "double"),
}
IDENTITY = "5" * 64
STEPS = (131, 149, 7, 1, 130)
LINK = tuple(name for name, variable in schema.variables("bbm92").items() if schema.ARM in variable.dims)


def pairs(index: int, protocol: str = "bbm92", *, rate: int = 10**6) -> dict[str, Any]:
    """A point of a small run, from a seed: all variables of the schema."""
    rng = np.random.default_rng([11, index])
    steps = STEPS[index % len(STEPS)]
    axes = CHSH if protocol == "chsh" else {}
    shape = tuple(len(axes.get(dim, OUTCOMES)) for dim in schema.CELLS[protocol])
    expected = rng.uniform(0, 100, size=(steps, *shape))
    far = rng.uniform(0, 5, size=(steps, *shape))
    return {
        "axes": {**axes, "cause": ("optics", "dark counts")},
        "time": np.arange(steps) + 0.5,
        "warnings": (f"elements are {index % 2 + 2} days old",),
        "counts": rng.poisson(30.0, size=(3, steps, *shape)),
        "expected_counts": expected,
        "expected_total_counts": expected.sum(axis=0),
        "expected_total_counts_without": np.stack([expected.sum(axis=0) * f for f in (0.9, 0.8)]),
        "accidental_counts": rng.poisson(2.0, size=(3, steps, *shape)),
        "expected_accidental_counts": far,
        "expected_total_accidental_counts": far.sum(axis=0),
        "mean_pair_number": 0.01,
        "coincidence_window": 1e-9,
        "pair_rate": 1e7,
        "trials": np.full(steps, rate),
        "block_identity": "cd" * 32,
        "trial_rate": float(rate),
        "wavelength": 810e-9,
        "start_time": 1482165600.0 + index,
        **{name: rng.uniform(size=(2, steps)) for name in LINK},
    }


def whole(output: Path, protocol: str = "bbm92", **how: bool) -> bytes:
    parts = files.Parts(output, IDENTITY, protocol=protocol, **how)
    for number in reversed(range(3)):
        if not parts.has(number):
            parts.write(number, [pairs(i, protocol) for i in range(2 * number, min(5, 2 * number + 2))])
    parts.finish(labels=[{"source.rate": i} for i in range(5)], attributes={"title": "pairs", "protocol": protocol})
    return output.read_bytes()


@pytest.fixture(scope="module", params=schema.PAIR_PROTOCOLS)
def finished(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("pairs") / "run.h5"
    whole(output, request.param)
    return output


def protocol_in(path: Path) -> str:
    with h5py.File(path) as file:
        return str(file.attrs["protocol"])


def test_the_file_holds_what_its_points_hold(finished: Path) -> None:
    """Oracle: the same points stacked in memory, without any file."""
    protocol = protocol_in(finished)
    expected = datasets.from_points(
        [pairs(i, protocol) for i in range(5)],
        labels=[{"source.rate": i} for i in range(5)],
        attributes={"title": "pairs", "protocol": protocol, "identity": IDENTITY},
    )
    with open_statistics(finished) as found:
        xr.testing.assert_identical(found.load(), expected)
        assert found["counts"].dtype == found["accidental_counts"].dtype == np.uint32
        assert found["range"].dims == ("point", "arm", "time")
        assert found["expected_total_counts"].dims == ("point", "alice_outcome", "bob_outcome")


def test_three_readers_read_the_same(finished: Path) -> None:
    """Oracle: the points; readers: the C library of netCDF, h5netcdf and plain h5py."""
    protocol = protocol_in(finished)
    with (
        xr.open_dataset(finished, engine="netcdf4", decode_times=False) as one,
        xr.open_dataset(finished, engine="h5netcdf", decode_times=False) as other,
    ):
        xr.testing.assert_identical(one.load(), other.load())
        assert one.coords["arm"].values.tolist() == ["alice", "bob"]
    with h5py.File(finished) as file:
        assert set(schema.variables(protocol)) <= set(file)
        assert not {"mean_photon_number", "setting_probability", "intensity"} & set(file)
        assert file["counts"].chunks[:3] == (1, 1, files.STEPS_A_CHUNK)
        for index, steps in enumerate(STEPS):
            point = pairs(index, protocol)
            for name in ("counts", "accidental_counts"):
                np.testing.assert_array_equal(file[name][index, :, :steps], point[name])
                assert not file[name][index, :, steps:].any()
            np.testing.assert_array_equal(
                file["expected_accidental_counts"][index, :steps], point["expected_accidental_counts"]
            )
            for name in LINK:
                np.testing.assert_array_equal(file[name][index, :, :steps], point[name])
                assert np.isnan(file[name][index, :, steps:]).all()


@pytest.mark.parametrize("done", [(), (1,), (2, 0), (0, 1, 2)])
def test_a_resumed_run_is_bit_identical(finished: Path, tmp_path: Path, done: tuple[int, ...]) -> None:
    protocol = protocol_in(finished)
    parts = files.Parts(tmp_path / "run.h5", IDENTITY, protocol=protocol)
    for number in done:
        parts.write(number, [pairs(i, protocol) for i in range(2 * number, min(5, 2 * number + 2))])
    del parts
    assert whole(tmp_path / "run.h5", protocol, resume=True) == finished.read_bytes()


def test_the_table_of_the_docs_is_the_schema_of_pairs() -> None:
    """Every variable that is new or other than in decoy-bb84 stands in docs/format, in this order."""
    text = " ".join((Path(__file__).parents[2] / "docs" / "format" / "index.md").read_text().split())
    known = schema.variables("decoy-bb84")
    place = text.index("## Variables of pair protocols")
    for name, variable in schema.variables("bbm92").items():
        if known.get(name) != variable:
            dims = ", ".join(variable.dims).replace("alice_outcome, bob_outcome", "outcomes")
            row = f"| `{name}` | {dims} | {variable.units} | | {variable.long_name} |"
            assert row in text[place:], row
            place = text.index(row, place)
    assert schema.variables("chsh") == schema.variables("bbm92")
    assert set(known) - set(schema.variables("bbm92")) == {
        "mean_photon_number",
        "setting_probability",
        "counts_by_probe",
        "expected_counts_by_probe",
        "expected_total_counts_by_probe",
        "probe_lower",
        "probe_upper",
        "expected_total_counts_by_photon_number",
    }


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"mean_photon_number": [0.5]}, "unknown names in a point of bbm92: mean_photon_number"),
        ({"range": np.zeros(131)}, "range: dimensions"),
        ({"range": np.zeros((3, 131))}, "2 places along 'arm', elsewhere 3"),
        ({"counts": np.zeros((3, 131, 8), dtype=int)}, "counts: dimensions"),
        ({"accidental_counts": np.full((3, 131, 8, 8), 2 * 10**6)}, "accidental_counts: more than the trials of a step"),
        ({"accidental_counts": np.zeros((3, 131, 8, 8))}, "accidental_counts: whole numbers"),
        ({"accidental_counts": np.zeros((2, 131, 8, 8), dtype=int)}, "2 places along 'realisation'"),
    ],
)
def test_points_that_do_not_fit_are_refused(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        files.Parts(tmp_path / "run.h5", IDENTITY, protocol="bbm92").write(0, [pairs(0) | change])


def test_a_protocol_that_disagrees_or_is_unknown_is_refused(tmp_path: Path) -> None:
    parts = files.Parts(tmp_path / "run.h5", IDENTITY, protocol="bbm92")
    parts.write(0, [pairs(2)])
    with pytest.raises(ValueError, match=r"attribute protocol = 'chsh': the parts are of 'bbm92'"):
        parts.finish(attributes={"protocol": "chsh"})
    with pytest.raises(ValueError, match="protocol 'e91': unknown"):
        datasets.from_points([pairs(0)], attributes={"protocol": "e91"})
    with pytest.raises(ValueError, match=r"'alice_outcome' has 6 places; labels: none"):
        datasets.from_points([pairs(0, "chsh") | {"axes": {}}], attributes={"protocol": "chsh"})


def foreign(protocol: str = "bbm92", **variables: Any) -> xr.Dataset:
    """A file as another laboratory would write it: only coincidences of single clicks."""
    labels = {"alice_outcome": OUTCOMES[1:5], "bob_outcome": OUTCOMES[1:5]}
    if protocol == "chsh":
        labels = {dim: [label for label in names if schema.split_outcome(label)][:4] for dim, names in CHSH.items()}
    counts = np.random.default_rng(3).integers(0, 100, size=(4, 4))
    return xr.Dataset(
        {"counts": (["alice_outcome", "bob_outcome"], counts), **variables},
        labels,
        {"format": schema.FORMAT, "qphys_schema": "1.1", "protocol": protocol},
    )


def stored(dataset: xr.Dataset, folder: Path) -> Path:
    path = folder / "lab.h5"
    dataset.to_netcdf(path, engine="h5netcdf")
    return path


@pytest.mark.parametrize("protocol", schema.PAIR_PROTOCOLS)
def test_a_file_of_coincidences_alone_is_read_and_says_what_it_lacks(tmp_path: Path, protocol: str) -> None:
    made = foreign(protocol)
    path = stored(made.transpose("bob_outcome", "alice_outcome"), tmp_path)
    with open_statistics(path) as found:
        assert found["counts"].dims == ("point", "realisation", "alice_outcome", "bob_outcome")
        np.testing.assert_array_equal(found["counts"].values[0, 0], made["counts"].values)
        notes = found.attrs["notes"].splitlines()
    absent = "double" if protocol == "chsh" else "double_Z, double_X, across"
    assert notes[:2] == [
        f"alice_outcome: outcomes {absent} are not in the file and count as 0",
        "alice_outcome: clicks of the other arm alone are not in the file",
    ]
    assert notes[-1] == "the number of trials is unknown"
    assert info(path)["coincidences"] == f"{float(made['counts'].sum()):g} sampled"


def test_labels_of_arms_and_outcomes_may_be_absent_where_all_are_there(tmp_path: Path) -> None:
    made = foreign().isel(alice_outcome=[0] * 8, bob_outcome=[0] * 8).drop_vars(["alice_outcome", "bob_outcome"])
    made = made.assign(range=(["arm", "time"], np.ones((2, 3))))
    with open_statistics(stored(made, tmp_path)) as found:
        assert found.coords["alice_outcome"].values.tolist() == OUTCOMES
        assert found.coords["arm"].values.tolist() == ["alice", "bob"]
        assert found["range"].dims == ("point", "arm", "time")


def cell(name: str, value: float) -> Callable[[xr.Dataset], xr.Dataset]:
    """The file with one variable's first cell replaced, as floating-point numbers."""

    def change(made: xr.Dataset) -> xr.Dataset:
        values = made[name].values.astype(float)
        values[(0,) * values.ndim] = value
        return made.assign({name: (made[name].dims, values)})

    return change


def relabelled(**labels: list[str]) -> Callable[[xr.Dataset], xr.Dataset]:
    return lambda made: made.assign_coords(labels)


Change = Callable[[xr.Dataset], xr.Dataset]
MALFORMED: dict[str, tuple[str, Change, str]] = {
    "near protocol": ("bbm92", lambda d: d.assign_attrs(protocol="bbm-92"), "did you mean 'bbm92'.*decoy-bb84, bbm92, chsh"),
    "no counts": (
        "bbm92",
        lambda d: d.rename(counts="accidental_counts"),
        "no counts: at least one of the variables counts, expected_counts",
    ),
    "settings of a sender": (
        "bbm92",
        lambda d: d.assign(counts=d["counts"].expand_dims(alice_basis=["Z", "X"])),
        "counts: dimension 'alice_basis' is not allowed",
    ),
    "one arm only": ("bbm92", lambda d: d.isel(alice_outcome=0, drop=True), "dimension 'alice_outcome' is missing"),
    "missing outcome of Alice": ("bbm92", lambda d: d.isel(alice_outcome=[0, 1, 3]), "alice_outcome: X0 missing"),
    "unknown outcome of Alice": (
        "bbm92",
        relabelled(alice_outcome=["Z0", "Z1", "X0", "Y1"]),
        "alice_outcome = 'Y1': unknown label",
    ),
    "outcomes of CHSH in BBM92": (
        "bbm92",
        relabelled(alice_outcome=["a0+", "a0-", "a1+", "a1-"]),
        r"alice_outcome = 'a0\+': unknown label",
    ),
    "outcomes without names": (
        "bbm92",
        lambda d: d.drop_vars("alice_outcome"),
        "alice_outcome: 4 places without names",
    ),
    "range without arms": ("bbm92", lambda d: d.assign(range=(["time"], [1.0])), "range: dimension 'arm' is missing"),
    "three arms": (
        "bbm92",
        lambda d: d.assign(range=(["arm"], np.ones(3))),
        "arm: 3 places without names",
    ),
    "unknown arm": (
        "bbm92",
        lambda d: d.assign(range=(["arm"], np.ones(2))).assign_coords(arm=["alice", "bobby"]),
        "arm = 'bobby': unknown label; did you mean 'bob'",
    ),
    "missing arm": (
        "bbm92",
        lambda d: d.assign(range=(["arm"], np.ones(1))).assign_coords(arm=["bob"]),
        "arm: alice missing",
    ),
    "negative accidental": (
        "bbm92",
        lambda d: cell("accidental_counts", -1)(d.assign(accidental_counts=d["counts"])),
        r"accidental_counts = -1 in 1 of 16 cells: must not be negative",
    ),
    "part of an accidental": (
        "bbm92",
        lambda d: cell("accidental_counts", 0.5)(d.assign(accidental_counts=d["counts"])),
        r"accidental_counts = 0\.5 in 1 of 16 cells: counts must be whole numbers",
    ),
    "NaN expected accidental": (
        "chsh",
        lambda d: cell("expected_total_accidental_counts", np.nan)(d.assign(expected_total_accidental_counts=d["counts"])),
        "expected_total_accidental_counts = nan in 1 of 16 cells: must be a finite number",
    ),
    "more coincidences than trials": ("bbm92", lambda d: d.assign(trials=((), 500)), "of 500 trials"),
    "more accidentals than trials": (
        "bbm92",
        lambda d: d.assign(trials=((), 10**4), accidental_counts=d["counts"] + 10**4),
        "accidental_counts: .* in a step or pass of 10000 trials",
    ),
    "accidentals of one point only": (
        "bbm92",
        lambda d: d.assign(accidental_counts=d["counts"], counts=d["counts"].expand_dims(point=2)),
        "accidental_counts: dimension 'point' is missing, although the file has 2",
    ),
    "negative pairs": (
        "bbm92",
        lambda d: d.assign(mean_pair_number=((), -0.1)),
        r"mean_pair_number = -0\.1: must be finite and not negative",
    ),
    "infinite window": (
        "chsh",
        lambda d: d.assign(coincidence_window=((), np.inf)),
        "coincidence_window = inf: must be finite",
    ),
    "one result of a setting": ("chsh", lambda d: d.isel(bob_outcome=[0, 1, 2]), "bob_outcome: b1- missing"),
    "no form of a setting": (
        "chsh",
        relabelled(bob_outcome=["b0+", "b0-", "b1 +", "b1-"]),
        r"bob_outcome = 'b1 \+': unknown label \(allowed: a setting and its result",
    ),
    "two signs": ("chsh", relabelled(bob_outcome=["b0+", "b0-", "b1+-", "b1-"]), r"bob_outcome = 'b1\+-': unknown label"),
    "no setting at all": (
        "chsh",
        lambda d: d.isel(alice_outcome=[0, 1]).assign_coords(alice_outcome=["none", "double"]),
        "alice_outcome: no setting",
    ),
    "outcomes of CHSH without names": ("chsh", lambda d: d.drop_vars("bob_outcome"), "bob_outcome: 4 places without names"),
    "doubled label": ("chsh", relabelled(bob_outcome=["b0+", "b0+", "b1+", "b1-"]), "bob_outcome: a label stands twice"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_file_is_refused_with_one_line(tmp_path: Path, name: str) -> None:
    protocol, change, told = MALFORMED[name]
    path = stored(change(foreign(protocol)), tmp_path)
    with pytest.raises(UserError, match=told) as caught:
        open_statistics(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def some(*numbers: int, protocol: str = "bbm92", **change: Any) -> xr.Dataset:
    made = datasets.from_points([pairs(n, protocol) | change for n in numbers], attributes={"protocol": protocol})
    return check(made, "memory")


def test_passes_of_pairs_add_to_one_block() -> None:
    """Oracle: sums of the points' own arrays."""
    block = add_blocks(some(0, 2), some(1).drop_vars("expected_total_accidental_counts"))
    points = [pairs(n) for n in (0, 2, 1)]
    for name in ("counts", "accidental_counts"):
        assert block[name].dims == ("point", "realisation", "alice_outcome", "bob_outcome")
        np.testing.assert_array_equal(block[name].values[0], sum(p[name].sum(axis=1) for p in points))
    for name in ("expected_total_counts", "expected_total_accidental_counts", "expected_total_counts_without"):
        np.testing.assert_allclose(block[name].values[0], sum(p[name] for p in points), rtol=1e-12)
    assert int(block["trials_of_block"].values[0]) == 10**6 * (131 + 7 + 149)
    assert block["mean_pair_number"].values.tolist() == [0.01]
    assert "arm" not in block.dims
    xr.testing.assert_equal(check(block, "block"), block)


def test_blocks_of_other_sources_or_protocols_are_refused() -> None:
    with pytest.raises(UserError, match="file 1: mean_pair_number is not that of the first point"):
        add_blocks(some(0), some(1, mean_pair_number=0.02))
    with pytest.raises(UserError, match="file 1: pair_rate stands in some files only"):
        add_blocks(some(0), some(1).drop_vars("pair_rate"))
    with pytest.raises(UserError, match="file 1: protocol chsh; that of the first file is bbm92"):
        add_blocks(some(0), some(1, protocol="chsh"))


def test_info_counts_coincidences_in_blocks_as_in_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Oracle: sums of the points' arrays without the outcomes 'none'; the range is over points and realisations."""
    made = datasets.from_points([pairs(0), pairs(2)], attributes={"protocol": "bbm92"})
    kept = ["counts", "accidental_counts"]
    path = tmp_path / "run.h5"
    made[[*kept, "trials"]].to_netcdf(path, engine="h5netcdf")
    told = info(path)
    for name, what in zip(kept, ("coincidences", "coincidences of shifted windows"), strict=True):
        sums = [pairs(n)[name][:, :, 1:, 1:].sum(axis=(1, 2, 3)) for n in (0, 2)]
        assert told[what] == f"{np.min(sums):g} to {np.max(sums):g} sampled"
    monkeypatch.setattr("qphys.statistics.read.BLOCK_BYTES", 1)
    assert info(path) == told


@pytest.mark.parametrize(
    ("label", "found"),
    [
        ("a0+", ("a0", "+")),
        ("22.5-", ("22.5", "-")),
        ("-22.5+", ("-22.5", "+")),
        ("none", None),
        ("double", None),
        ("+", None),
        ("", None),
        ("a+-", None),
        ("a 0+", None),
    ],
)
def test_an_outcome_of_chsh_is_a_setting_and_a_result(label: str, found: tuple[str, str] | None) -> None:
    assert schema.split_outcome(label) == found


def test_a_protocol_without_variables_is_refused() -> None:
    with pytest.raises(ValueError, match=re.escape("protocol 'bb84': unknown (allowed: decoy-bb84, bbm92, chsh)")):
        schema.variables("bb84")
