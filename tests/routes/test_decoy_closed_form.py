"""Gains and error rates of decoy-state BB84: the click model against the closed form of Ma et al. (2005)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qphys import detectors
from qphys.record import parse
from qphys.sources import WeakCoherent
from qphys.stages import Transmittance

MEAN_PHOTON_NUMBERS = (0.8, 0.1, 0.0)
CONTRAST = 280.0
DARK_RATE = 4000.0
GATE = 2e-9


def probabilities(eta: float, *, choice: str) -> np.ndarray:
    """Outcomes of each setting, (intensity, basis, bit, outcome), with detectors of efficiency 1."""
    source = parse(
        WeakCoherent,
        {
            "kind": "weak-coherent",
            "wavelength_nm": 850.0,
            "repetition_rate_mhz": 100.0,
            "mean_photon_numbers": MEAN_PHOTON_NUMBERS,
            "intensity_probabilities": [0.5, 0.25, 0.25],
            "basis_probability_z": 0.5,
        },
        "source",
    )
    receiver: dict[str, Any] = {
        "kind": "polarization-analyser",
        "basis_choice": choice,
        "basis_probability_z": 0.5,
        "optics_transmittance": 1.0,
        "polarization_contrast": CONTRAST,
        "gate_ns": GATE * 1e9,
        "detector": {
            "efficiency": 1.0,
            "dark_rate_hz": DARK_RATE,
            "dead_time_ns": 0.0,
            "afterpulse_probability": 0.0,
        },
    }
    link = Transmittance(
        transmittance=np.full((1, 1, 1), eta),
        weight=np.ones((1, 1)),
        correlation_time=0.0,
        jones=np.eye(2, dtype=complex).reshape(1, 1, 2, 2),
        background_rate=np.zeros((1, 1)),
        includes=(),
    )
    analyser = parse(detectors.PolarizationAnalyser, receiver, "receiver").analyser(100e6)
    response = detectors.respond(link, analyser, trial_rate=100e6, time_step=1.0, receiver_optics_transmittance=1.0)
    return detectors.clicks(source.emission(), response).probability[0, 0]


@pytest.mark.parametrize("eta", [1e-6, 1e-3, 0.1, 1.0])
@pytest.mark.parametrize(("choice", "number"), [("passive", 4), ("active", 2)])
def test_gain_is_the_closed_form_at_any_loss(eta: float, choice: str, number: int) -> None:
    """Oracle: Q = 1 - (1 - Y0) exp(-eta mu), exact: Ma et al., PRA 72, 012326 (2005), eq. 10 with Y0 kept in the product."""
    y0 = -np.expm1(-number * DARK_RATE * GATE)
    gain = probabilities(eta, choice=choice)[..., 1:].sum(-1)
    for k, mu in enumerate(MEAN_PHOTON_NUMBERS):
        expected = y0 - (1 - y0) * np.expm1(-eta * mu)
        np.testing.assert_allclose(gain[k], expected, rtol=1e-12)


@pytest.mark.parametrize("eta", [1e-4, 1e-3])
def test_error_rate_is_the_closed_form_where_double_clicks_are_rare(eta: float) -> None:
    """Oracle: E Q = Y0 / 2 + e_d (1 - exp(-eta mu)), eq. 11, with Y0 of one pair; to the size of double clicks, eta mu."""
    p = probabilities(eta, choice="active")
    y0 = -np.expm1(-2 * DARK_RATE * GATE)
    for k, mu in enumerate(MEAN_PHOTON_NUMBERS):
        # Half of the pulses are measured in Z: outcomes Z0, Z1, double_Z are 1, 2, 5. Half of the double clicks are errors.
        errors = 2 * (p[k, 0, 0, 2] + 0.5 * p[k, 0, 0, 5])
        gain = 2 * p[k, 0, 0, [1, 2, 5]].sum()
        signal = -np.expm1(-eta * mu)
        expected = 0.5 * y0 + signal / (1 + CONTRAST)
        assert gain == pytest.approx(y0 + signal, rel=2e-4)
        assert errors == pytest.approx(expected, rel=eta * mu + 2 * y0 + 1e-12)


def test_errors_of_the_other_basis_are_one_half() -> None:
    """Oracle: mutually unbiased bases."""
    p = probabilities(1e-3, choice="active")
    np.testing.assert_allclose(p[:, 0, :, 3], p[:, 0, :, 4], rtol=1e-12)
    np.testing.assert_allclose(p[:, 1, :, 1], p[:, 1, :, 2], rtol=1e-12)
