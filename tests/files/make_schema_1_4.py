"""Writes schema-1.4.h5, the file that keeps old files readable: run once a version, never over an old one.

python tests/files/make_schema_1_4.py
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
        cells = np.arange(steps * 3 * 2 * 2 * 8).reshape(steps, 3, 2, 2, 8) % (5 + index)
        made.append(
            {
                "axes": {"intensity": ("signal", "decoy", "vacuum")},
                "time": np.arange(steps) + 0.5,
                "counts": cells[np.newaxis],
                "mean_photon_number": np.array([0.8, 0.1, 0.0]),
                "setting_probability": np.full((3, 2, 2), 1 / 12),
                "trials": np.full(steps, 1000),
                "block_identity": f"{index}" * 64,
                "trial_rate": 1000.0,
                "wavelength": 850e-9,
                "start_time": 1482165600.0,
                "expected_total_counts": cells.sum(axis=0) * 1.5,
                "expected_total_counts_by_photon_number": np.stack([cells.sum(axis=0) * f for f in (0.25, 0.5)]),
            }
        )
    return made


def write(path: Path) -> None:
    """Write the file."""
    parts = files.Parts(path, "0" * 64)
    parts.write(0, points()[:1])
    parts.write(1, points()[1:])
    parts.finish(labels=LABELS, attributes={"title": "file of schema 1.4", "seed": 1, "resolved_run": "{}"})


if __name__ == "__main__":
    write(Path(__file__).with_name("schema-1.4.h5"))
