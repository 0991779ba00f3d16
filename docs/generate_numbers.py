"""The page of published numbers, from the functions that the tests hold to them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


def theory() -> Any:
    """The package of numbers beside the tests."""
    place = ROOT / "tests" / "published" / "theory" / "__init__.py"
    found = importlib.util.spec_from_file_location("theory", place, submodule_search_locations=[str(place.parent)])
    assert found is not None and found.loader is not None
    package = importlib.util.module_from_spec(found)
    sys.modules["theory"] = package
    found.loader.exec_module(package)
    return package


def generate(folder: Path) -> None:
    """Write ``published-numbers.md``: a table a source, and how many numbers agree."""
    package = theory()
    parts, agree, total = [], 0, 0
    for name, section in package.SECTIONS.items():
        numbers = list(section.numbers())
        if wrong := [n.quantity for n in numbers if not n.held]:
            raise RuntimeError(f"{name}: not what the tests hold: {', '.join(wrong)}")
        agree += sum(n.agrees for n in numbers)
        total += len(numbers)
        test = "test_costly_numbers" if section.slow else "test_numbers"
        rows = ["| quantity | told | qphys | difference | told by | |", "|---|---:|---:|---:|---|---|"]
        rows += [f"| {' | '.join(_row(n))} |" for n in numbers]
        source = f"{section.source[0].upper()}{section.source[1:]}."
        held = f"Test: `tests/published/test_theory.py::{test}[{name}]`."
        remarks = [section.remarks] * bool(section.remarks)
        parts.append("\n\n".join([f"## {section.title}", f"{source} {held}", *remarks, "\n".join(rows)]))
    head = (
        f"{total} numbers, of which {agree} agree within what the told digits, or the reading of a figure, allow. The other "
    )
    head += f"{total - agree} are misfits: each is held to its size from both sides, and says why."
    text = "\n\n".join([head, *parts]) + "\n"
    path = folder / "published-numbers.md"
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def _row(number: Any) -> tuple[str, ...]:
    told, found = float(number.published), float(number.found)
    over = found - told
    if over == 0:
        difference = "0"
    elif told != 0 and abs(over / told) < 10:
        difference = f"{100 * over / told:+.2g} %"
    else:
        difference = f"{over:+.2g}"
    remark = ("" if number.agrees else "**misfit**: ") + number.why
    return number.quantity, f"{told:.9g}", _figures(found, told), difference, number.origin, remark


def _figures(found: float, told: float) -> str:
    """As many figures as show the difference, six at least and twelve at most."""
    over = abs(found - told)
    figures = 6
    while figures < 12 and over and float(f"{found:.{figures}g}") == float(f"{told:.{figures}g}"):
        figures += 1
    return f"{found:.{figures}g}"
