"""Statistics files made from a closed form, without any physics of the package."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr

from qphys.statistics import schema

PROBABILITY = np.array([0.5, 0.25, 0.25])
MEAN_PHOTON_NUMBER = np.array([0.8, 0.1, 0.0])


def expected_cells(
    transmittance: float, noise: float, error: float, pulses: float, mean_photon_number: np.ndarray = MEAN_PHOTON_NUMBER
) -> np.ndarray:
    """Expected counts (intensity, basis, bit, outcome) of a passive receiver whose sifted clicks err with `error`."""
    light = -np.expm1(-transmittance * mean_photon_number)
    signal = (pulses * PROBABILITY / 4 / 2 * light)[:, np.newaxis, np.newaxis]
    background = (pulses * PROBABILITY / 4 / 4 * noise)[:, np.newaxis, np.newaxis]
    cells = np.zeros((3, 2, 2, 8))
    for basis in (0, 1):
        for bit in (0, 1):
            same, other = (
                cells[:, basis, bit, 1 + 2 * basis : 3 + 2 * basis],
                cells[:, basis, bit, 3 - 2 * basis : 5 - 2 * basis],
            )
            same += background[:, 0]
            other += background[:, 0] + signal[:, 0] / 2
            same[:, bit] += signal[:, 0, 0] * (1 - error)
            same[:, 1 - bit] += signal[:, 0, 0] * error
    cells[..., 0] = (pulses * PROBABILITY / 4)[:, np.newaxis, np.newaxis] - cells.sum(axis=-1)
    return cells


@pytest.fixture
def statistics() -> Callable[..., xr.Dataset]:
    """Maker of a conforming Dataset: points of rising loss, sampled counts and expected totals."""

    def make(
        points: int = 3, realisations: int = 2, steps: int = 5, pulses: float = 1e10, noise: float = 1e-6, seed: int = 11
    ) -> xr.Dataset:
        generator = np.random.default_rng(seed)
        transmittance = 10 ** (-np.linspace(3.0, 3.5, points))
        expected = np.stack([expected_cells(t, noise, 0.005, pulses) for t in transmittance])
        counts = generator.poisson(expected[:, np.newaxis, np.newaxis] / steps, (points, realisations, steps, 3, 2, 2, 8))
        dims: dict[str, Any] = {
            "counts": (schema.POINT, schema.REALISATION, schema.TIME, *schema.SETTINGS_BB84, schema.BOB_OUTCOME),
            "expected_total_counts": (schema.POINT, *schema.SETTINGS_BB84, schema.BOB_OUTCOME),
        }
        return xr.Dataset(
            {
                "counts": (dims["counts"], counts),
                "expected_total_counts": (dims["expected_total_counts"], expected),
                "mean_photon_number": (("point", "intensity"), np.tile(MEAN_PHOTON_NUMBER, (points, 1))),
                "setting_probability": (
                    (schema.POINT, *schema.SETTINGS_BB84),
                    np.tile(PROBABILITY[:, np.newaxis, np.newaxis] / 4, (points, 1, 2, 2)),
                ),
                "trials": (("point", "time"), np.full((points, steps), 1.01 * pulses / steps)),
                "trial_rate": (("point",), np.full(points, 1e8)),
                "block_identity": (("point",), np.array(["a", "b", "a", "c"])[np.arange(points) % 4]),
            },
            {
                "intensity": ["signal", "decoy", "vacuum"],
                "alice_basis": list(schema.BASES),
                "alice_bit": list(schema.BITS),
                "bob_outcome": list(schema.OUTCOMES_BB84),
                "time": (np.arange(steps) + 0.5) * pulses / steps / 1e8,
                "loss_db": ("point", -10 * np.log10(transmittance)),
            },
            {"format": schema.FORMAT, "qphys_schema": schema.VERSION, "protocol": schema.PROTOCOL_DECOY_BB84},
        )

    return make
