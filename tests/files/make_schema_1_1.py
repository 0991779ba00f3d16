"""Writes schema-1.1-bbm92.h5, the file that keeps old files readable: run once a version, never over an old one.

python tests/files/make_schema_1_1.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from qphys.statistics import files

LABELS = [{"source.pair_rate_mhz": 1.0}, {"source.pair_rate_mhz": 5.0}]


def points() -> list[dict[str, object]]:
    """Two passes of three and two steps; every number follows from its place."""
    made = []
    for index, steps in enumerate((3, 2)):
        cells = np.arange(steps * 8 * 8).reshape(steps, 8, 8) % (11 + index)
        made.append(
            {
                "axes": {"cause": ("optics", "dark counts")},
                "time": np.arange(steps) + 0.5,
                "counts": cells[np.newaxis],
                "expected_counts": cells + 0.5,
                "expected_total_counts": (cells + 0.5).sum(axis=0),
                "expected_total_counts_without": np.stack([cells.sum(axis=0) * 0.5, cells.sum(axis=0) * 0.25]),
                "accidental_counts": cells[np.newaxis] // 2,
                "expected_accidental_counts": cells / 2,
                "expected_total_accidental_counts": cells.sum(axis=0) / 2,
                "mean_pair_number": 0.001 * (1 + 4 * index),
                "coincidence_window": 1e-9,
                "pair_rate": 1e6 * (1 + 4 * index),
                "trials": np.full(steps, 1000),
                "block_identity": f"{index}" * 64,
                "trial_rate": 1000.0,
                "wavelength": 810e-9,
                "start_time": 1482165600.0,
                "range": np.stack([6e5 + np.arange(steps), np.full(steps, np.nan)]),
                "warnings": ("only for tests",),
                "track_facts": {"source": "made up"},
            }
        )
    return made


def write(path: Path) -> None:
    """Write the file."""
    parts = files.Parts(path, "0" * 64, protocol="bbm92")
    parts.write(0, points()[:1])
    parts.write(1, points()[1:])
    parts.finish(labels=LABELS, attributes={"title": "file of schema 1.1", "seed": 1, "resolved_run": "{}"})


if __name__ == "__main__":
    write(Path(__file__).with_name("schema-1.1-bbm92.h5"))
