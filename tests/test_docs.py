"""What the pages name is there: files of the checkout, tests, and names of the package."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    page
    for page in [*ROOT.glob("docs/**/*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    if not {"_build", "_generated"} & set(page.parts)
)
TESTS = {
    node.name
    for path in (ROOT / "tests").rglob("*.py")
    for node in ast.walk(ast.parse(path.read_text()))
    if isinstance(node, ast.FunctionDef)
} | {path.stem for path in (ROOT / "tests").rglob("*.py")}


def is_there(dotted: str) -> bool:
    """Whether a dotted name is a module or something in one."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        try:
            thing = import_module(".".join(parts[:length]))
        except ImportError:
            continue
        for name in parts[length:]:
            if not hasattr(thing, name):
                return False
            thing = getattr(thing, name)
        return True
    return False


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_tests_and_names_of_a_page_exist(page: Path) -> None:
    missing = []
    for code in re.findall(r"`([^`\n]+)`", page.read_text()):
        files = re.findall(r"(?:tests|qphys|docs|runs|models|benchmarks)/[\w./-]+\.(?:py|c|h|toml|md|sh|csv|h5)", code)
        # made by the reader: what a command of the page writes
        missing += [name for name in files if "runs/out/" not in name and not (ROOT / name).exists()]
        missing += [name for name in re.findall(r"\btest_[a-z0-9_]{12,}", code) if name not in TESTS]
        missing += [name for name in re.findall(r"\bqphys(?:\.\w+)+", code) if not is_there(name)]
    assert not missing
