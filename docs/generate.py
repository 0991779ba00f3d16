"""What the documentation shows and no person should copy: the comparison with Micius as the code gives it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def generate(folder: Path) -> None:
    """Write ``micius-2017.md`` and ``micius-2017.png`` into a folder; a few seconds."""
    from qphys import plots
    from qphys.pipeline import compare_report

    folder.mkdir(exist_ok=True)
    report = compare_report("micius-2017")
    plots.draw(report.statistics, folder / "micius-2017.png", comparison=report.comparison)
    experiment = [(title, rows) for title, rows in report.tables.items() if "secure key (" not in title]
    parts = [f"**{title}**\n\n{_table(rows)}" for title, rows in experiment]
    _write(folder / "micius-2017.md", "\n\n".join(parts) + "\n")


def _write(path: Path, text: str) -> None:
    """Only where it changes, so that a page is not built again for nothing."""
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as a Markdown table, without columns that are empty throughout."""
    columns = [name for name in rows[0] if any(_cell(row.get(name)) for row in rows)]
    numeric = [all(isinstance(row[name], int | float) for row in rows) for name in columns]
    lines = [columns, ["---:" if right else "---" for right in numeric]]
    lines += [[_cell(row[name]) for name in columns] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        if value != value:
            return ""
        return f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.5g}"
    return str(value)
