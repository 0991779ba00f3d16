"""Files of every schema version that was ever written stay readable, number by number."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

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
