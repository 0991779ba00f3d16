"""The digest changes with the code that a number depends on, and with nothing else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import qphys
from qphys.statistics import provenance

ROOT = Path(qphys.__file__).parent


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """What a wheel holds: Python files only."""
    return Path(
        shutil.copytree(ROOT, tmp_path / "qphys", ignore=shutil.ignore_patterns("*.c", "*.h", "*.so", "__pycache__"))
    )


def test_a_copy_elsewhere_has_the_same_digest(copy: Path) -> None:
    assert provenance.code_digest(folder=copy) == provenance.code_digest()


@pytest.mark.parametrize("name", ["stages.py", "units.py", "statistics/expect.py", "pipeline.py"])
def test_code_before_the_waist_counts(copy: Path, name: str) -> None:
    before = provenance.code_digest(folder=copy)
    (copy / name).write_bytes((copy / name).read_bytes() + b"# changed\n")
    assert provenance.code_digest(folder=copy) != before


def test_code_behind_the_waist_and_line_ends_do_not_count(copy: Path) -> None:
    before = provenance.code_digest(folder=copy)
    (copy / "keyrates" / "sifting.py").write_text("changed = 1\n")
    (copy / "units.py").write_bytes((copy / "units.py").read_bytes().replace(b"\n", b"\r\n"))
    assert provenance.code_digest(folder=copy) == before


def test_the_core_counts() -> None:
    assert provenance.code_digest("a") != provenance.code_digest("b")


def test_versions_are_plain_text() -> None:
    told = provenance.versions()
    assert {"numpy", "hdf5", "zlib", "python"} <= set(json.loads(told["library_versions"]))
    assert all(isinstance(value, str) for value in told.values())
