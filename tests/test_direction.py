"""The rules of the house, read from the imports: which room may import which, and who may load what."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import qphys

ROOT = Path(qphys.__file__).parent
ROOMS = ("optics", "orbits", "sources", "channels", "detectors", "statistics", "core", "keyrates", "comparison", "plots")
PHYSICS = {"orbits", "sources", "channels", "detectors"}
FILES = sorted(p.relative_to(ROOT) for p in ROOT.rglob("*.py") if "_models" not in p.parts)


def imports(path: Path, *, top_level_only: bool = False) -> set[str]:
    """Full dotted names that a file imports (names behind ``from`` included)."""
    tree = ast.parse((ROOT / path).read_text())
    found = set()
    for node in _executed_at_import(tree) if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; rooms are named in full"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _executed_at_import(tree: ast.Module) -> list[ast.stmt]:
    """Statements that run when the module is imported: not in functions, not under ``if TYPE_CHECKING``."""
    found: list[ast.stmt] = []
    waiting: list[ast.stmt] = list(tree.body)
    while waiting:
        node = waiting.pop()
        found.append(node)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
        elif isinstance(node, ast.If | ast.Try | ast.With | ast.ClassDef):
            waiting += node.body
    return found


def rooms_of(names: set[str]) -> set[str]:
    return {n.split(".")[1] for n in names if n.startswith("qphys.") and len(n.split(".")) > 1}


def room(path: Path) -> str:
    return path.parts[0] if len(path.parts) > 1 else path.stem


@pytest.mark.parametrize("path", [p for p in FILES if room(p) in PHYSICS], ids=str)
def test_rooms_of_physics_do_not_import_one_another(path: Path) -> None:
    assert not rooms_of(imports(path)) & (
        PHYSICS - {room(path)} | {"statistics", "keyrates", "comparison", "pipeline", "river", "cli"}
    )


@pytest.mark.parametrize("path", [p for p in FILES if room(p) in {"statistics", "keyrates", "comparison", "plots"}], ids=str)
def test_all_behind_the_waist_imports_no_physics(path: Path) -> None:
    assert not rooms_of(imports(path)) & (PHYSICS | {"optics", "pipeline", "river", "recipe", "cli"})


@pytest.mark.parametrize(
    "path", [p for p in FILES if room(p) in {"core", "stages", "units", "constants", "errors"}], ids=str
)
def test_core_and_contracts_import_numpy_only(path: Path) -> None:
    outside = {n.split(".")[0] for n in imports(path)} - set(__import__("sys").stdlib_module_names) - {"qphys", "numpy"}
    assert not outside
    assert rooms_of(imports(path)) <= {"core", "stages", "units", "constants", "errors"}


@pytest.mark.parametrize("path", FILES, ids=str)
def test_only_one_room_touches_each_heavy_thing(path: Path) -> None:
    names = {n.split(".")[0] for n in imports(path)}
    if room(path) != "statistics":
        assert not names & {"h5py", "h5netcdf", "netCDF4"}, "only statistics touches HDF5"
    if room(path) != "plots":
        assert "matplotlib" not in names, "only plots imports matplotlib"
    if room(path) != "cli":
        assert not names & {"typer", "rich"}, "only cli prints"
    if path.as_posix() != "optics/_strawberryfields.py":
        assert "strawberryfields" not in names, "one file patches SciPy for Strawberry Fields"


@pytest.mark.parametrize("path", [p for p in FILES if room(p) != "cli"], ids=str)
def test_heavy_packages_are_imported_where_used(path: Path) -> None:
    heavy = {
        "scipy",
        "xarray",
        "h5py",
        "h5netcdf",
        "skyfield",
        "sgp4",
        "pvlib",
        "matplotlib",
        "qutip",
        "strawberryfields",
        "pyfftw",
        "oem",
        "rich",
        "qics",
        "numba",
        "mpmath",
    }
    assert not {n.split(".")[0] for n in imports(path, top_level_only=True)} & heavy


@pytest.mark.parametrize("path", [p for p in FILES if room(p) not in {"cli", "statistics", "catalogue", "plots"}], ids=str)
def test_no_room_but_catalogue_and_statistics_opens_a_file_or_prints(path: Path) -> None:
    calls = {
        ast.unparse(node.func).rpartition(".")[2]
        for node in ast.walk(ast.parse((ROOT / path).read_text()))
        if isinstance(node, ast.Call)
    }
    assert not calls & {"open", "read_text", "read_bytes", "write_text", "write_bytes", "print"}
