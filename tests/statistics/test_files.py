"""Parts, joining, resuming: equal runs are equal bytes, and nothing of somebody else is lost."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr

from qphys.errors import RunError, UserError
from qphys.statistics import dataset as datasets
from qphys.statistics import files, open_statistics, schema

Point = Callable[..., dict[str, Any]]
IDENTITY = "1" * 64
POINTS, A_PART = 17, 5
LABELS = [{"channel.loss_db": 20.0 + i, "case": f"case {i % 2}", "receiver.number": i} for i in range(POINTS)]
ATTRIBUTES: dict[str, str | int | float] = {"title": "a test", "seed": 3, "resolved_run": "{}", "sweep": ""}


def write(parts: files.Parts, point: Point, number: int) -> None:
    parts.write(number, [point(i) for i in range(number * A_PART, min(POINTS, (number + 1) * A_PART))])


def whole(output: Path, point: Point, *, workers: int = 1, **how: bool) -> bytes:
    parts = files.Parts(output, IDENTITY, **how)
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda n: write(parts, point, n), [n for n in reversed(range(4)) if not parts.has(n)]))
    parts.finish(labels=LABELS, attributes=ATTRIBUTES)
    return output.read_bytes()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run in one go; oracle of all others."""
    import importlib.util

    spec = importlib.util.spec_from_file_location("points", Path(__file__).with_name("conftest.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    output = tmp_path_factory.mktemp("finished") / "run.h5"
    whole(output, module.make_point)
    return output


def test_the_file_holds_what_its_points_hold(finished: Path, point: Point) -> None:
    """Oracle: the same points stacked in memory, without any file."""
    expected = datasets.from_points(
        [point(i) for i in range(POINTS)], labels=LABELS, attributes={**ATTRIBUTES, "identity": IDENTITY}
    )
    with open_statistics(finished) as found:
        xr.testing.assert_identical(found.load(), expected)
        assert found["counts"].dtype == expected["counts"].dtype == np.uint32


def test_every_variable_has_unit_and_long_name_and_no_fill_value(finished: Path) -> None:
    with h5py.File(finished, "r") as file:
        assert set(schema.variables("decoy-bb84")) <= set(file)
        for name in file:
            assert {"units", "long_name"} <= set(file[name].attrs), name
            assert "_FillValue" not in file[name].attrs
        for name, value in file.attrs.items():
            assert isinstance(value, str | np.integer | np.floating), name


def test_the_tables_of_the_docs_are_the_schema() -> None:
    """Every variable with its dimensions, unit, need and meaning, and every attribute, stands in docs/format."""
    text = (Path(__file__).parents[2] / "docs" / "format" / "index.md").read_text()
    for name, variable in schema.variables("decoy-bb84").items():
        dims = ", ".join(variable.dims).replace(", ".join(schema.SETTINGS_BB84), "settings")
        cells = (f"`{name}`", dims, variable.units, "yes" if variable.required else "", variable.long_name)
        row = "| " + " | ".join(cells) + " |"
        assert " ".join(row.split()) in " ".join(text.split()), row
    for name in schema.ATTRIBUTES:
        assert f"| `{name}` |" in text


def test_a_chunk_of_counts_is_one_point_and_one_realisation(finished: Path) -> None:
    with h5py.File(finished, "r") as file:
        assert file["counts"].chunks == (1, 1, files.STEPS_A_CHUNK, 3, 2, 2, 8)
        assert file["expected_counts"].chunks == (1, files.STEPS_A_CHUNK, 3, 2, 2, 8)


def test_a_shorter_pass_ends_in_steps_without_trials(finished: Path, point: Point) -> None:
    with open_statistics(finished) as found:
        assert found.sizes["time"] == 149
        assert found["trials"].isel(point=2).values.tolist() == [10**6] * 7 + [0] * 142
        assert not found["counts"].isel(point=2, time=slice(7, None)).any()
        assert np.isnan(found["elevation"].isel(point=2, time=slice(7, None))).all()
        np.testing.assert_array_equal(found["counts"].isel(point=2, time=slice(7)).values, point(2)["counts"])


def test_netcdf_c_reads_the_same_as_h5netcdf(finished: Path) -> None:
    """Oracle: the other library."""
    with (
        xr.open_dataset(finished, engine="netcdf4", decode_times=False) as one,
        xr.open_dataset(finished, engine="h5netcdf", decode_times=False) as other,
    ):
        xr.testing.assert_identical(one.load(), other.load())
        assert one.coords["case"].values[:2].tolist() == ["case 0", "case 1"]
        assert one.coords["receiver_number"].dtype == np.int64


def test_h5dump_reads_the_file(finished: Path) -> None:
    if shutil.which("h5dump") is None:
        pytest.skip("h5dump is not installed")
    told = subprocess.run(["h5dump", "-H", finished], capture_output=True, text=True, check=True).stdout
    assert 'DATASET "counts"' in told


@pytest.mark.parametrize("workers", [2, 4])
def test_workers_change_no_bit(finished: Path, point: Point, tmp_path: Path, workers: int) -> None:
    assert whole(tmp_path / "other name.h5", point, workers=workers) == finished.read_bytes()


def test_clock_changes_no_bit(finished: Path, point: Point, tmp_path: Path) -> None:
    time.sleep(1.1)
    assert whole(tmp_path / "run.h5", point) == finished.read_bytes()


@pytest.mark.parametrize("done", [(), (0,), (3, 1), (0, 1, 2, 3)])
def test_a_resumed_run_is_bit_identical(finished: Path, point: Point, tmp_path: Path, done: tuple[int, ...]) -> None:
    output = tmp_path / "run.h5"
    parts = files.Parts(output, IDENTITY)
    for number in done:
        write(parts, point, number)
    (parts.folder / "part-00002.h5.tmp").write_bytes(b"half")
    del parts
    again = files.Parts(output, IDENTITY, resume=True)
    assert [n for n in range(4) if again.has(n)] == sorted(done)
    del again
    assert whole(output, point, resume=True) == finished.read_bytes()
    assert list(tmp_path.iterdir()) == [output]


KILLED = """
import importlib.util, sys, time
from pathlib import Path
from qphys.statistics import files
spec = importlib.util.spec_from_file_location("test_files", sys.argv[1])
test = importlib.util.module_from_spec(spec); spec.loader.exec_module(test)
spec = importlib.util.spec_from_file_location("points", Path(sys.argv[1]).with_name("conftest.py"))
points = importlib.util.module_from_spec(spec); spec.loader.exec_module(points)
print("begins", flush=True)
test.whole(Path(sys.argv[2]), points.make_point, resume=True)
print("ends", flush=True)
"""


def test_a_killed_run_resumes_to_the_same_bytes(finished: Path, point: Point, tmp_path: Path) -> None:
    output = tmp_path / "run.h5"
    killed = 0
    for wait in (0.01, 0.03, 0.06):
        with subprocess.Popen(
            [sys.executable, "-c", KILLED, __file__, str(output)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "begins\n"
            time.sleep(wait)
            process.send_signal(signal.SIGKILL)
            killed += process.wait() == -signal.SIGKILL
    assert killed
    if not output.exists():
        whole(output, point, resume=True)
    assert output.read_bytes() == finished.read_bytes()


def test_parts_of_short_passes_and_small_types_are_packed_again(point: Point, tmp_path: Path) -> None:
    """Two parts whose chunks do not fit the file; oracle: the same points in memory."""
    points = [point(0, steps=3), point(1, steps=5), point(2, steps=9, rate=5e9), point(3, steps=9)]
    parts = files.Parts(tmp_path / "run.h5", IDENTITY)
    parts.write(0, points[:2])
    parts.write(1, points[2:])
    parts.finish()
    with open_statistics(tmp_path / "run.h5") as found:
        assert found["counts"].dtype == np.int64
        xr.testing.assert_equal(found.load(), datasets.from_points(points))


def test_the_type_of_counts_is_decided_by_the_run(point: Point) -> None:
    assert datasets.from_points([point(0, steps=2)])["counts"].dtype == np.uint32
    assert datasets.from_points([point(0, steps=2, rate=2.0**32)])["counts"].dtype == np.int64


def test_pack_is_what_the_filters_of_hdf5_read(tmp_path: Path) -> None:
    """Oracle: HDF5's own shuffle and deflate."""
    block = np.arange(37 * 5, dtype="<i8").reshape(37, 5) ** 3
    with h5py.File(tmp_path / "x.h5", "w") as file:
        made = file.create_dataset("x", block.shape, block.dtype, chunks=block.shape, shuffle=True, compression="gzip")
        made.id.write_direct_chunk((0, 0), files.pack(block))
    with h5py.File(tmp_path / "x.h5", "r") as file:
        np.testing.assert_array_equal(file["x"][...], block)
    assert len(zlib.decompress(files.pack(block))) == block.nbytes


def test_what_points_say_is_told_once(finished: Path) -> None:
    with h5py.File(finished, "r") as file:
        assert json.loads(file.attrs["warnings"]) == ["orbital elements are 2 days old", "orbital elements are 3 days old"]
        assert json.loads(file.attrs["track_facts"]) == [{"source": "circle", "age_days": 1.5}]
        assert file.attrs["fading_model"] == "log-normal"
        assert "sweep" not in file.attrs


def test_minimal_points_without_time_make_a_file(point: Point, tmp_path: Path) -> None:
    told = {name: point(0)[name] for name in ("expected_total_counts", "mean_photon_number", "setting_probability", "axes")}
    parts = files.Parts(tmp_path / "run.h5", IDENTITY)
    parts.write(0, [told, told])
    parts.finish()
    with open_statistics(tmp_path / "run.h5") as found:
        assert set(found.sizes) == {"point", "intensity", "alice_basis", "alice_bit", "bob_outcome", "cause"}


def test_parts_of_this_run_need_resume_or_overwrite(point: Point, tmp_path: Path) -> None:
    output = tmp_path / "run.h5"
    write(files.Parts(output, IDENTITY), point, 1)
    with pytest.raises(UserError, match=r"holds 1 parts of this run.*--resume.*--overwrite"):
        files.Parts(output, IDENTITY)
    assert files.Parts(output, IDENTITY, resume=True).has(1)
    assert not files.Parts(output, IDENTITY, overwrite=True).has(1)


@pytest.mark.parametrize("how", [{}, {"resume": True}, {"overwrite": True}])
def test_parts_of_another_run_are_refused_and_never_deleted(point: Point, tmp_path: Path, how: dict[str, bool]) -> None:
    output = tmp_path / "run.h5"
    write(files.Parts(output, IDENTITY), point, 0)
    before = (tmp_path / "run.h5.parts" / "part-00000.h5").read_bytes()
    with pytest.raises(UserError, match=r"1 parts of another run.*by hand.*another --output"):
        files.Parts(output, "2" * 64, **how)
    assert (tmp_path / "run.h5.parts" / "part-00000.h5").read_bytes() == before


def test_a_part_that_cannot_be_read_is_not_deleted(tmp_path: Path) -> None:
    folder = tmp_path / "run.h5.parts"
    folder.mkdir()
    (folder / "part-00000.h5").write_bytes(b"damaged")
    with pytest.raises(UserError, match="parts of another run"):
        files.Parts(tmp_path / "run.h5", IDENTITY, overwrite=True)
    assert (folder / "part-00000.h5").exists()


def test_a_finished_run_is_used_or_computed_again_as_told(finished: Path, point: Point, tmp_path: Path) -> None:
    output = tmp_path / "run.h5"
    shutil.copy(finished, output)
    with pytest.raises(UserError, match=r"finished already.*--resume.*--overwrite"):
        files.Parts(output, IDENTITY)
    assert files.Parts(output, IDENTITY, resume=True).complete
    assert list(tmp_path.iterdir()) == [output]
    assert whole(output, point, overwrite=True) == finished.read_bytes()


@pytest.mark.parametrize("content", [b"", b"a letter", "another run"])
def test_a_file_of_somebody_else_is_replaced_only_with_overwrite(
    finished: Path, point: Point, tmp_path: Path, content: bytes | str
) -> None:
    output = tmp_path / "run.h5"
    if isinstance(content, bytes):
        output.write_bytes(content)
    else:
        shutil.copy(finished, output)
    before = output.read_bytes()
    for how in ({}, {"resume": True}):
        with pytest.raises(UserError, match="exists and is .*--overwrite"):
            files.Parts(output, "3" * 64, **how)
    parts = files.Parts(output, "3" * 64, overwrite=True)
    assert output.read_bytes() == before
    parts.write(0, [point(2)])
    parts.finish()
    with open_statistics(output) as found:
        assert found.attrs["identity"] == "3" * 64


def test_resume_and_overwrite_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="only one"):
        files.Parts(tmp_path / "run.h5", IDENTITY, resume=True, overwrite=True)


@pytest.mark.parametrize("output", ["/proc/qphys/run.h5", "/dev/null/run.h5", "x" * 300 + ".h5"])
def test_an_output_that_cannot_be_written_is_told(tmp_path: Path, output: str) -> None:
    with pytest.raises(UserError, match="cannot be written"):
        files.Parts(tmp_path / output, IDENTITY)


def test_a_folder_is_no_output(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a folder"):
        files.Parts(tmp_path, IDENTITY)


def test_a_full_disk_is_a_failed_run_that_keeps_its_parts(
    point: Point, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = files.Parts(tmp_path / "run.h5", IDENTITY)
    write(parts, point, 0)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files, "_write_part", full)
        with pytest.raises(RunError, match=r"no space left.*--resume"):
            write(parts, point, 1)
        patch.setattr(files, "_join", full)
        with pytest.raises(RunError, match="no space left"):
            parts.finish()
    assert parts.numbers() == [0]
    assert not parts.output.exists()


def test_an_abandoned_run_leaves_its_parts_or_nothing(point: Point, tmp_path: Path) -> None:
    files.Parts(tmp_path / "run.h5", IDENTITY).abandon()
    assert not list(tmp_path.iterdir())
    parts = files.Parts(tmp_path / "run.h5", IDENTITY)
    write(parts, point, 1)
    parts.abandon()
    assert parts.numbers() == [1]
    assert files.Parts(tmp_path / "run.h5", IDENTITY, resume=True).has(1)


def test_missing_parts_are_not_joined(point: Point, tmp_path: Path) -> None:
    parts = files.Parts(tmp_path / "run.h5", IDENTITY)
    with pytest.raises(RunError, match="parts are missing"):
        parts.finish()
    write(parts, point, 1)
    with pytest.raises(RunError, match=r"parts are missing.*\[1\]"):
        parts.finish()


def test_a_second_process_is_kept_out(tmp_path: Path) -> None:
    parts = files.Parts(tmp_path / "run.h5", IDENTITY)
    code = "import sys; from qphys.statistics import files; files.Parts(sys.argv[1], '1' * 64, resume=True)"
    told = subprocess.run([sys.executable, "-c", code, str(parts.output)], capture_output=True, text=True)
    assert "another process is writing this run" in told.stderr


def test_a_strange_file_keeps_the_folder_of_parts_alive(point: Point, tmp_path: Path) -> None:
    parts = files.Parts(tmp_path / "run.h5", IDENTITY)
    (parts.folder / "note.txt").write_text("mine")
    parts.write(0, [point(2)])
    parts.finish()
    assert [path.name for path in parts.folder.iterdir()] == ["note.txt"]


def test_points_with_other_time_steps_are_told_to_the_user(point: Point, tmp_path: Path) -> None:
    other = point(0) | {"time": np.arange(131) * 2.0}
    parts = files.Parts(tmp_path / "run.h5", IDENTITY)
    with pytest.raises(UserError, match="one time axis"):
        parts.write(0, [point(1), other])
    parts.write(0, [point(1)])
    parts.write(1, [other])
    with pytest.raises(UserError, match="one time axis"):
        parts.finish()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"counts": np.full((2, 131, 3, 2, 2, 8), -1)}, "none negative"),
        ({"counts": np.zeros((2, 131, 3, 2, 2, 8))}, "whole numbers"),
        ({"counts": np.full((2, 131, 3, 2, 2, 8), 2 * 10**6)}, "more than the trials"),
        ({"counts": np.zeros((131, 3, 2, 2, 8), dtype=int)}, "dimensions"),
        ({"range": np.zeros(5)}, "5 places along 'time'"),
        ({"ranges": np.zeros(131)}, "unknown names"),
        ({"axes": {"intensity": ("a", "b")}}, "places along 'intensity'"),
    ],
)
def test_points_that_do_not_fit_the_schema_are_refused(
    point: Point, tmp_path: Path, change: dict[str, Any], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        files.Parts(tmp_path / "run.h5", IDENTITY).write(0, [point(0) | change])


def test_points_of_different_form_are_refused(point: Point, tmp_path: Path) -> None:
    other = point(1)
    del other["range"]
    parts = files.Parts(tmp_path / "run.h5", IDENTITY)
    with pytest.raises(ValueError, match="its variables"):
        parts.write(0, [point(0), other])
    parts.write(0, [point(0)])
    parts.write(1, [other])
    with pytest.raises(ValueError, match="part-00001"):
        parts.finish()


@pytest.mark.parametrize("value", [True, None, {"a": 1}, [1, 2]])
def test_attributes_that_netcdf_cannot_hold_are_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="attribute told"):
        datasets.file_attributes({"told": value})


def test_a_swept_key_must_not_hide_a_variable(point: Point) -> None:
    with pytest.raises(UserError, match="called 'trial_rate' already"):
        datasets.from_points([point(0)], labels=[{"trial.rate": 3}])
