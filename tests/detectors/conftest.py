"""A source, a receiver and a channel to take apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from qphys.detectors import PolarizationAnalyser
from qphys.record import parse
from qphys.sources import WeakCoherent
from qphys.stages import CoherentEmission, Transmittance

DETECTOR: dict[str, Any] = {
    "efficiency": 0.5,
    "dark_rate_hz": 0.0,
    "dead_time_ns": 0.0,
    "afterpulse_probability": 0.0,
}
RECEIVER: dict[str, Any] = {
    "kind": "polarization-analyser",
    "basis_choice": "passive",
    "basis_probability_z": 0.5,
    "optics_transmittance": 1.0,
    "gate_ns": 2.0,
}
SOURCE: dict[str, Any] = {
    "kind": "weak-coherent",
    "wavelength_nm": 848.6,
    "repetition_rate_mhz": 100.0,
    "mean_photon_numbers": [0.8, 0.1, 0.0],
    "intensity_probabilities": [0.5, 0.25, 0.25],
    "basis_probability_z": 0.5,
}


@pytest.fixture
def receiver() -> Callable[..., PolarizationAnalyser]:
    def make(*, detector: dict[str, Any] | None = None, **changes: Any) -> PolarizationAnalyser:
        table = {**RECEIVER, **changes, "detector": {**DETECTOR, **(detector or {})}}
        return parse(PolarizationAnalyser, table, "runs/pass.toml: receiver")

    return make


@pytest.fixture
def emission() -> Callable[..., CoherentEmission]:
    def make(**changes: Any) -> CoherentEmission:
        return parse(WeakCoherent, {**SOURCE, **changes}, "runs/pass.toml: source").emission()

    return make


@pytest.fixture
def channel() -> Callable[..., Transmittance]:
    def make(
        transmittance: Any = 1.0,
        *,
        background_rate: float = 0.0,
        includes: tuple[str, ...] = (),
        jones: Any = ((1.0, 0.0), (0.0, 1.0)),
    ) -> Transmittance:
        nodes = np.atleast_2d(np.asarray(transmittance, dtype=np.float64))
        steps, number = nodes.shape
        return Transmittance(
            transmittance=nodes[:, :, np.newaxis],
            weight=np.full((steps, number), 1.0 / number),
            correlation_time=0.01,
            jones=np.broadcast_to(np.asarray(jones, dtype=np.complex128), (steps, 1, 2, 2)),
            background_rate=np.full((steps, 1), background_rate),
            includes=includes,
        )

    return make
