"""Files of every schema version that was ever written stay readable, number by number."""

from __future__ import annotations

import runpy
from pathlib import Path

import h5py
import numpy as np
import pytest

from qphys.statistics import info, open_statistics

FOLDER = Path(__file__).parent


def test_a_file_of_schema_1_0_reads_as_it_was_written() -> None:
    """Oracle: the numbers that its script wrote, written out again here."""
    with open_statistics(FOLDER / "schema-1.0.h5") as found:
        assert dict(found.sizes) == {
            "point": 2,
            "realisation": 1,
            "time": 3,
            "intensity": 3,
            "alice_basis": 2,
            "alice_bit": 2,
            "bob_outcome": 8,
            "cause": 2,
        }
        np.testing.assert_array_equal(found["counts"].values[0, 0].ravel(), np.arange(288) % 7)
        np.testing.assert_array_equal(found["counts"].values[1, 0, :2].ravel(), np.arange(192) % 8)
        assert found["trials"].values.tolist() == [[1000, 1000, 1000], [1000, 1000, 0]]
        assert found.coords["channel_loss_db"].values.tolist() == [20.0, 30.0]
        assert found.coords["time"].values.tolist() == [0.5, 1.5, 2.5]
        assert found["block_identity"].values.tolist() == ["0" * 64, "1" * 64]
        assert found["mean_photon_number"].values[1].tolist() == [0.8, 0.1, 0.0]
        assert found.attrs["warnings"] == '["only for tests"]'


def test_info_tells_an_old_file() -> None:
    told = info(FOLDER / "schema-1.0.h5")
    assert told["title"] == "file of schema 1.0"
    assert told["points"] == 2
    assert told["along the points"] == "channel_loss_db 20 to 30"
    assert told["mean photon numbers"] == "signal 0.8, decoy 0.1, vacuum 0"
    assert told["qphys schema"] == "1.0"
    assert told["trials"] == 5000


def test_a_file_of_schema_1_1_with_pairs_reads_as_it_was_written() -> None:
    """Oracle: the numbers that its script wrote, written out again here."""
    with open_statistics(FOLDER / "schema-1.1-bbm92.h5") as found:
        assert dict(found.sizes) == {
            "point": 2,
            "realisation": 1,
            "time": 3,
            "alice_outcome": 8,
            "bob_outcome": 8,
            "arm": 2,
            "cause": 2,
        }
        np.testing.assert_array_equal(found["counts"].values[0, 0].ravel(), np.arange(192) % 11)
        np.testing.assert_array_equal(found["counts"].values[1, 0, :2].ravel(), np.arange(128) % 12)
        np.testing.assert_array_equal(found["accidental_counts"].values[1, 0, :2].ravel(), np.arange(128) % 12 // 2)
        np.testing.assert_array_equal(found["expected_accidental_counts"].values[0].ravel(), np.arange(192) % 11 / 2)
        assert found["range"].values[0, 0].tolist() == [6e5, 6e5 + 1, 6e5 + 2]
        assert np.isnan(found["range"].values[:, 1]).all()
        assert found["trials"].values.tolist() == [[1000, 1000, 1000], [1000, 1000, 0]]
        assert found["mean_pair_number"].values.tolist() == [0.001, 0.005]
        assert found.coords["source_pair_rate_mhz"].values.tolist() == [1.0, 5.0]
        assert found.coords["alice_outcome"].values.tolist() == found.coords["bob_outcome"].values.tolist()


def test_info_tells_of_pairs() -> None:
    """Oracle: cells of the first pass without the first row and column, half a trial more each."""
    told = info(FOLDER / "schema-1.1-bbm92.h5")
    cells = [(np.arange(64 * steps) % (11 + i)).reshape(steps, 8, 8)[:, 1:, 1:] for i, steps in enumerate((3, 2))]
    first, second = (float((part + 0.5).sum()) for part in cells)
    assert told["coincidences"] == f"{min(first, second):g} to {max(first, second):g} expected"
    first, second = (float((part / 2).sum()) for part in cells)
    assert told["coincidences of shifted windows"] == f"{min(first, second):g} to {max(first, second):g} expected"
    assert told["mean pair number"] == "0.001 to 0.005"
    assert told["coincidence window"] == "1e-09 s"
    assert told["pair rate"] == "1e+06 to 5e+06 /s"
    assert told["outcomes of alice"] == "none, Z0, Z1, X0, X1, double_Z, double_X, across"
    assert "mean photon numbers" not in told


def test_a_file_of_schema_1_2_tells_where_sun_and_moon_stood() -> None:
    """Oracle: the numbers that its script wrote, written out again here."""
    with open_statistics(FOLDER / "schema-1.2.h5") as found:
        np.testing.assert_array_equal(found["counts"].values[1, 0, :2].ravel(), np.arange(192) % 6)
        assert found["sun_elevation"].values[0].tolist() == [-0.1, -1.1, -2.1]
        assert found["sun_azimuth"].values[0].tolist() == [0.1, 1.1, 2.1]
        assert found["moon_elevation"].values[1, :2].tolist() == [0.2, 1.2]
        assert found["moon_azimuth"].values[1, :2].tolist() == [0.3, 1.3]
        assert found["moon_illuminated_fraction"].values[1, :2].tolist() == [0.5, 0.5]
        assert np.isnan(found["moon_azimuth"].values[1, 2])


def test_a_file_of_schema_1_3_holds_counts_by_reading_of_a_probe() -> None:
    """Oracle: the numbers that its script wrote, written out again here."""
    with open_statistics(FOLDER / "schema-1.3.h5") as found:
        readings = (np.arange(384) % 6).reshape(2, 2, 3, 2, 2, 8)
        np.testing.assert_array_equal(found["counts_by_probe"].values[1, 0, :2], readings)
        np.testing.assert_array_equal(found["counts"].values[1, 0, :2], readings.sum(axis=1))
        assert found["counts_by_probe"].dims[3] == "probe_bin"
        assert found["probe_lower"].values.tolist() == [[0.0, 1e-3]] * 2
        assert found["probe_upper"].values.tolist() == [[1e-3, np.inf]] * 2


def test_files_of_decoy_states_look_as_in_schema_1_0(tmp_path: Path) -> None:
    """Oracle: the old file itself; only the number of the version differs."""
    runpy.run_path(str(FOLDER / "make_schema_1_0.py"))["write"](tmp_path / "again.h5")
    with h5py.File(FOLDER / "schema-1.0.h5") as old, h5py.File(tmp_path / "again.h5") as new:
        assert dict(old.attrs) | {"qphys_schema": new.attrs["qphys_schema"]} == dict(new.attrs)
        assert list(old) == list(new)
        for name in old:
            one, other = old[name], new[name]
            assert (one.dtype, one.shape, one.chunks, one.compression) == (
                other.dtype,
                other.shape,
                other.chunks,
                other.compression,
            ), name
            np.testing.assert_array_equal(one[...], other[...], err_msg=name)
            assert [s.keys() for s in one.dims] == [s.keys() for s in other.dims]
            for attribute in ("units", "long_name"):
                assert one.attrs[attribute] == other.attrs[attribute]


def test_the_reader_of_pairs_in_the_docs_needs_no_qphys(capsys: pytest.CaptureFixture[str]) -> None:
    """The lines of docs/format, run as they stand there; oracle: sums by hand."""
    text = (FOLDER.parents[1] / "docs" / "format" / "index.md").read_text()
    code = text.split("```python\n")[2].split("```")[0]
    assert len(code.strip().splitlines()) <= 10
    exec(code.replace("pairs.h5", str(FOLDER / "schema-1.1-bbm92.h5")), {})
    whole = (np.arange(192) % 11).reshape(3, 8, 8).sum(axis=0)
    unequal, total = whole[1, 2] + whole[2, 1], whole[1:3, 1:3].sum()
    assert capsys.readouterr().out.split() == f"coincidences in Z: {total} unequal: {unequal / total}".split()


def test_the_reader_of_the_docs_needs_no_qphys() -> None:
    """The ten lines of docs/format, run as they stand there on the old file; oracle: h5py's own sum."""
    text = (FOLDER.parents[1] / "docs" / "format" / "index.md").read_text()
    code = text.split("```python\n")[1].split("```")[0]
    assert len(code.strip().splitlines()) <= 10
    assert "qphys" not in code.replace('"qphys_schema"', "")
    names: dict[str, object] = {}
    exec(code.replace("pass.h5", str(FOLDER / "schema-1.0.h5")), names)
    with h5py.File(FOLDER / "schema-1.0.h5") as file:
        whole = file["counts"][0, 0].sum(axis=0)
        assert names["sifted"] == whole[0, 0, :, 1:3].sum()
        assert names["errors"] == whole[0, 0, 0, 2] + whole[0, 0, 1, 1]


def test_a_file_of_schema_1_4_tells_counts_by_photon_number() -> None:
    """Oracle: the numbers that its script wrote, written out again here."""
    with open_statistics(FOLDER / "schema-1.4.h5") as found:
        cells = (np.arange(192) % 6).reshape(2, 3, 2, 2, 8).sum(axis=0)
        np.testing.assert_array_equal(found["expected_total_counts"].values[1], 1.5 * cells)
        told = found["expected_total_counts_by_photon_number"]
        assert told.dims == ("point", "photon_number", "intensity", "alice_basis", "alice_bit", "bob_outcome")
        np.testing.assert_array_equal(told.values[1], [0.25 * cells, 0.5 * cells])
        assert found.coords["photon_number"].values.tolist() == ["0", "1"]
