"""Writes schema-1.0.h5, the file that keeps old files readable: run once a version, never over an old one.

python tests/files/make_schema_1_0.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from qphys.statistics import files

LABELS = [{"channel.loss_db": 20.0}, {"channel.loss_db": 30.0}]


def points() -> list[dict[str, object]]:
    """Two passes of three and two steps; every number follows from its place."""
    made = []
    for index, steps in enumerate((3, 2)):
        cells = np.arange(steps * 3 * 2 * 2 * 8).reshape(steps, 3, 2, 2, 8) % (7 + index)
        made.append(
            {
                "axes": {"intensity": ("signal", "decoy", "vacuum"), "cause": ("optics", "dark counts")},
                "time": np.arange(steps) + 0.5,
                "counts": cells[np.newaxis],
                "expected_counts": cells + 0.5,
                "expected_total_counts": (cells + 0.5).sum(axis=0),
                "expected_total_counts_without": np.stack([cells.sum(axis=0) * 0.5, cells.sum(axis=0) * 0.25]),
                "mean_photon_number": [0.8, 0.1, 0.0],
                "setting_probability": np.broadcast_to(np.array([0.5, 0.25, 0.25])[:, None, None] / 4, (3, 2, 2)),
                "trials": np.full(steps, 1000),
                "block_identity": f"{index}" * 64,
                "trial_rate": 1000.0,
                "wavelength": 850e-9,
                "start_time": 1482165600.0,
                "range": 6e5 + np.arange(steps),
                "warnings": ("only for tests",),
                "track_facts": {"source": "made up"},
            }
        )
    return made


def write(path: Path) -> None:
    """Write the file."""
    parts = files.Parts(path, "0" * 64)
    parts.write(0, points()[:1])
    parts.write(1, points()[1:])
    parts.finish(labels=LABELS, attributes={"title": "file of schema 1.0", "seed": 1, "resolved_run": "{}"})


if __name__ == "__main__":
    write(Path(__file__).with_name("schema-1.0.h5"))
