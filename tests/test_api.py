"""What a notebook sees: every public name has an example, every example in a docstring runs, and so does every run file."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import qphys
from qphys.cli import main
from qphys.recipe import read_recipe

ROOT = Path(__file__).parent.parent
RUNS = sorted(p.stem for p in (ROOT / "runs").glob("*.toml"))
LONG = {"micius-2017", "ten-thousand-passes"}
"""Run files of several seconds or minutes; the tests of the experiment and the benchmarks run these."""


def examples() -> Iterator[doctest.DocTest]:
    """Every docstring of the package that has an example."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    for found in pkgutil.walk_packages(qphys.__path__, "qphys."):
        if not found.name.endswith(("__main__", "_strawberryfields")):
            yield from finder.find(importlib.import_module(found.name))
    yield from (test for test in finder.find(qphys) if test.name == "qphys")


EXAMPLES = {test.name: test for test in examples() if test.examples}


@pytest.fixture(scope="module")
def fixed_loss(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Statistics of the smallest run there is."""
    file = tmp_path_factory.mktemp("fixed") / "fixed-loss.h5"
    qphys.run(ROOT / "runs" / "fixed-loss.toml", output=file).close()
    return file


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_in_docstrings_give_what_they_say(
    name: str, fixed_loss: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = EXAMPLES[name]
    if not any("qphys.run(" in example.source for example in test.examples):
        shutil.copy(fixed_loss, tmp_path)
    monkeypatch.chdir(ROOT)
    told: list[str] = []
    globs = test.globs | {"folder": tmp_path}
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    copy = doctest.DocTest(test.examples, globs, test.name, test.filename, test.lineno, test.docstring)
    result = runner.run(copy, out=told.append)
    assert result.attempted > 0 and result.failed == 0, "".join(told)


@pytest.mark.parametrize("name", qphys.__all__)
def test_every_public_name_is_described_with_an_example(name: str) -> None:
    told = inspect.getdoc(getattr(qphys, name)) or ""
    assert ">>>" in told
    if inspect.isfunction(getattr(qphys, name)):
        assert [
            heading for heading in ("Parameters", "Returns", "Raises", "Examples") if f"\n{heading}\n---" not in told
        ] == []


def test_names_are_loaded_when_first_used_and_unknown_ones_refused() -> None:
    assert {*qphys.__all__, "__version__"} == set(dir(qphys))
    assert qphys.__version__.count(".") >= 2
    with pytest.raises(AttributeError, match="'qphys' has no attribute 'rum'"):
        _ = qphys.rum


@pytest.mark.parametrize("name", RUNS)
def test_every_run_file_is_read_and_says_first_what_it_shows(name: str) -> None:
    file = ROOT / "runs" / f"{name}.toml"
    assert file.read_text().startswith("# ")
    assert len(read_recipe(file)) >= 1


@pytest.mark.parametrize("name", sorted(set(RUNS) - LONG))
def test_run_files_run(name: str, tmp_path: Path) -> None:
    overrides = {"statistics.realisations": 0} if name == "loss-sweep" else {}
    with qphys.run(ROOT / "runs" / f"{name}.toml", output=tmp_path / "x.h5", overrides=overrides) as statistics:
        result = qphys.analyze(statistics)
    # One pass of a dual downlink is too short a block for any composable key: there the asymptotic estimate must show.
    positive = {"bbm92": "expected_asymptotic_key_length_estimate", "chsh": "expected_chsh"}
    assert result[positive.get(result.attrs["protocol"], "expected_key_length")].values.max() > 0


def test_the_laboratory_of_the_checkout_gets_a_key(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["analyze", "runs/lab/counts.csv", "--protocol", "runs/lab/lab.toml"]) == 0
    told = capsys.readouterr()
    assert "good" in told.out
    assert "outcomes across are not in the file and count as 0" in told.err


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to work in, with the run files of the checkout."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "runs", folder / "runs", ignore=shutil.ignore_patterns("out"))
    return folder


@pytest.mark.parametrize("page", ["README.md", "docs/start/notebook.md"])
def test_python_on_the_first_pages_runs_and_the_numbers_printed_there_are_those_of_the_code(
    page: str, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(checkout)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    text = (ROOT / page).read_text()
    told: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        exec(compile(block, page, "exec"), told)
    told["statistics"].close()
    assert (told["key"].expected_key_length > 0).all()
    if page == "README.md":
        table = told["table"].to_dataframe().set_index(["case", "name"])["simulated"]
        for name in ("detections", "sifted_key", "final_key"):
            assert f" {table['closure', name]:,.0f} " in text
        assert f" {table['prediction-most', 'detections']:,.0f} " in text


def test_the_run_file_of_the_docs_is_valid(tmp_path: Path) -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", (ROOT / "docs/start/run-files.md").read_text(), flags=re.DOTALL)
    (tmp_path / "mine.toml").write_text(block)
    overrides = {"statistics.realisations": 0, "window.time_step_s": 10.0}
    with qphys.run(tmp_path / "mine.toml", overrides=overrides) as statistics:
        assert dict(statistics.sizes)["point"] == 11
