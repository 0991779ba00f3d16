"""Points of a small run, built from a seed: passes of ragged length, all variables of the schema."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from qphys import stages

STEPS = (131, 149, 7, 140, 1, 130, 11)
"""Time steps of the points: longer and shorter than a chunk."""


def make_point(index: int, *, steps: int | None = None, realisations: int = 2, rate: float = 1e6) -> dict[str, Any]:
    length = STEPS[index % len(STEPS)] if steps is None else steps
    rng = np.random.default_rng([7, index])
    counts = rng.poisson(30.0, size=(realisations, length, 3, 2, 2, 8))
    counts[..., 0] = rng.integers(70_000, 80_000, size=counts.shape[:-1])
    time = np.arange(length) + 0.5
    expected = rng.uniform(0, 100, size=(length, 3, 2, 2, 8))
    halves = np.stack([counts // 3, counts - counts // 3], axis=2)
    names = (*stages.GEOMETRY, "mean_transmittance", *stages.SKY)
    return {
        "axes": {"intensity": ("signal", "decoy", "vacuum"), "cause": ("optics", "dark counts")},
        "warnings": (f"orbital elements are {index % 2 + 2} days old",),
        "fading_model": "log-normal",
        "track_facts": {"source": "circle", "age_days": 1.5},
        "time": time,
        "counts": counts,
        "expected_counts": expected,
        "counts_by_probe": halves,
        "expected_counts_by_probe": np.stack([0.25 * expected, 0.75 * expected], axis=1),
        "expected_total_counts_by_probe": np.stack([0.25 * expected, 0.75 * expected]).sum(axis=1),
        "probe_lower": np.array([0.0, 1e-3]),
        "probe_upper": np.array([1e-3, np.inf]),
        "expected_total_counts": expected.sum(axis=0),
        "expected_total_counts_without": np.stack([expected.sum(axis=0) * f for f in (0.9, 0.8)]),
        "expected_total_counts_by_photon_number": np.stack([expected.sum(axis=0) * f for f in (0.1, 0.3)]),
        "mean_photon_number": np.array([0.8, 0.1, 0.0]),
        "setting_probability": np.broadcast_to(np.array([0.5, 0.25, 0.25])[:, None, None] / 4, (3, 2, 2)),
        "trials": np.full(length, int(rate)),
        "block_identity": "ab" * 32,
        "trial_rate": rate,
        "wavelength": 848.6e-9,
        "start_time": 1482165600.0 + index,
        "mean_link_transmittance": rng.uniform(size=length),
        "scintillation_index": rng.uniform(size=length),
        "background_rate": rng.uniform(size=length),
        **{name: np.sin(time + k) for k, name in enumerate(names)},
    }


@pytest.fixture
def point() -> Callable[..., dict[str, Any]]:
    return make_point
