"""Tables of the page for an auditor: terms with their lines of code and tests, and the ledger of epsilon."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


def audit() -> Any:
    """The table beside the tests."""
    place = ROOT / "tests" / "audit.py"
    found = importlib.util.spec_from_file_location("audit", place)
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules["audit"] = module
    found.loader.exec_module(module)
    return module


def generate(folder: Path) -> None:
    """Write ``audit-terms.md`` and ``audit-epsilon.md``."""
    from qphys.keyrates.proofs import PROOFS

    table = audit()
    parts = []
    for proofs, steps in table.STEPS.items():
        names = ", ".join(f"`{name}`" if name in PROOFS else name for name in proofs.split(", "))
        rows = ["| term | meaning | source | line of code | falls with it |", "|---|---|---|---|---|"]
        for step in steps:
            place = table.PLACES[step.file]
            text = (ROOT / place).read_text()
            number = text[: text.index(step.line)].count("\n") + 1
            code = step.line.split("\n")[0].strip()
            path, test = step.test.split("::")
            cells = (step.symbol, step.meaning, step.equation, f"`{place}:{number}` `{code}`", f"`{path}` `{test}`")
            rows.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
        parts.append(f"### {names}\n\n" + "\n".join(rows))
    _write(folder / "audit-terms.md", "\n\n".join(parts) + "\n")

    rows = ["| proof | event | shares | |", "|---|---|---:|---|"]
    for (name, key_from), events in table.LEDGERS.items():
        fewest, most = PROOFS[name].intensities or (0, 0)
        numbers = range(fewest, (most or 4) + 1)
        told = f"`{name}`" + (", key from the signal" if key_from == "signal" else "")
        for place, event in enumerate(events):
            shares = _several([event.shares(k) for k in numbers])
            rows.append(f"| {'' if place else told} | {event.what} | {shares} | {event.why} |")
        total = _several([sum(event.shares(k) for event in events) for k in numbers])
        intensities = f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
        rows.append(f"| | **all**, {intensities} intensities | **{total}** | |")
    rows += ["", "| proof | sum | parts |", "|---|---|---|"]
    rows += [f"| `{name}` | {total} | {parts} |" for name, (total, parts) in table.REASONS.items()]
    _write(folder / "audit-epsilon.md", "\n".join(rows) + "\n")


def _several(values: list[int]) -> str:
    """One number where all are equal, else each."""
    return str(values[0]) if len(set(values)) == 1 else ", ".join(str(value) for value in values)


def _write(path: Path, text: str) -> None:
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
