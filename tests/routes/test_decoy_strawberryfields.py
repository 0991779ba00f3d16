"""Second route: Gaussian states in Strawberry Fields; silence of detectors is the vacuum probability of their modes."""

from __future__ import annotations

import numpy as np
import pytest

from qphys import detectors
from qphys.optics._strawberryfields import import_strawberryfields
from qphys.record import parse
from qphys.sources import WeakCoherent
from qphys.stages import Transmittance

EFFICIENCY = np.array([0.5, 0.4, 0.6, 0.55])
ETA, OPTICS, SPLIT, CONTRAST, RETARDANCE = 0.3, 0.8, 0.45, 60.0, 0.35
DARK_RATE, GATE = 2e6, 2e-9
INTENSITIES = [1.7, 0.4]


@pytest.fixture(scope="module")
def outcomes() -> np.ndarray:
    """The model's own outcomes, (intensity, basis, bit, outcome)."""
    source = {
        "kind": "weak-coherent",
        "wavelength_nm": 850.0,
        "repetition_rate_mhz": 100.0,
        "mean_photon_numbers": INTENSITIES,
        "intensity_probabilities": [0.5, 0.5],
        "basis_probability_z": 0.5,
    }
    receiver = {
        "kind": "polarization-analyser",
        "basis_choice": "passive",
        "basis_probability_z": SPLIT,
        "optics_transmittance": OPTICS,
        "polarization_contrast": CONTRAST,
        "gate_ns": GATE * 1e9,
        "detector": {
            "efficiency": EFFICIENCY.tolist(),
            "dark_rate_hz": DARK_RATE,
            "dead_time_ns": 0.0,
            "afterpulse_probability": 0.0,
        },
    }
    link = Transmittance(
        transmittance=np.full((1, 1, 1), ETA),
        weight=np.ones((1, 1)),
        correlation_time=0.0,
        jones=np.diag(np.exp([0.0, 1j * RETARDANCE])).reshape(1, 1, 2, 2),
        background_rate=np.zeros((1, 1)),
        includes=(),
    )
    analyser = parse(detectors.PolarizationAnalyser, receiver, "receiver").analyser(1e8)
    response = detectors.respond(link, analyser, trial_rate=1e8, time_step=1.0, receiver_optics_transmittance=OPTICS)
    emission = parse(WeakCoherent, source, "source").emission()
    return detectors.clicks(emission, response).probability[0, 0]


def silence(mu: float, angle: float, phase: float) -> np.ndarray:
    """Probability that no detector of each of the 16 subsets clicks."""
    sf = import_strawberryfields()
    ops = sf.ops
    # Modes 4 to 7 hold what leaks from 0 to 3 to the other detector, in its own polarization.
    program, goes_to = sf.Program(8), (0, 1, 2, 3, 1, 0, 3, 2)
    leak = np.arcsin(np.sqrt(1 / (1 + CONTRAST)))
    with program.context as q:
        # Strawberry Fields takes amplitude and phase; a negative amplitude is a phase of pi.
        for mode, part in enumerate((np.cos(angle), np.sin(angle))):
            ops.Coherent(np.sqrt(mu) * abs(part), phase + (np.pi if part < 0 else 0.0)) | q[mode]
        ops.Rgate(RETARDANCE) | q[1]
        for mode in (0, 1):
            ops.BSgate(np.arccos(np.sqrt(SPLIT)), 0.0) | (q[mode], q[mode + 2])
        # BSgate(theta, phi): a -> cos a - exp(-i phi) sin b; b -> exp(i phi) sin a + cos b.
        ops.BSgate(-np.pi / 4, 0.0) | (q[2], q[3])
        for mode in range(4):
            ops.BSgate(leak, 0.0) | (q[mode], q[mode + 4])
        for mode, detector in enumerate(goes_to):
            ops.LossChannel(ETA * OPTICS * EFFICIENCY[detector]) | q[mode]
    state = sf.Engine("gaussian").run(program).state
    silent = np.ones(16)
    for subset in range(1, 16):
        modes = [mode for mode, detector in enumerate(goes_to) if subset >> detector & 1]
        mean, covariance = state.reduced_gaussian(modes)
        # Units of hbar = 2: vacuum has covariance 1; p0 = 2^n exp(-m (V + 1)^-1 m / 2) / sqrt(det(V + 1)).
        total = covariance + np.eye(2 * len(modes))
        vacuum = 2 ** len(modes) * np.exp(-0.5 * mean @ np.linalg.solve(total, mean)) / np.sqrt(np.linalg.det(total))
        silent[subset] = vacuum * np.exp(-DARK_RATE * GATE * len(modes) / 2)
    return silent


@pytest.mark.parametrize("intensity", [0, 1])
@pytest.mark.parametrize(("basis", "bit", "angle"), [(0, 0, 0.0), (0, 1, np.pi / 2), (1, 0, np.pi / 4), (1, 1, -np.pi / 4)])
def test_gaussian_states_give_the_outcomes_of_the_click_model(
    intensity: int, basis: int, bit: int, angle: float, outcomes: np.ndarray
) -> None:
    """Oracle: vacuum probabilities of mode subsets, inclusion and exclusion over the others; 1e-12 (cancellation)."""
    silent = silence(INTENSITIES[intensity], angle, phase=0.7)
    pattern = np.zeros(16)
    for clicked in range(16):
        quiet = 15 ^ clicked
        subset = clicked
        while True:
            pattern[clicked] += (-1) ** subset.bit_count() * silent[quiet | subset]
            if subset == 0:
                break
            subset = (subset - 1) & clicked
    across = sum(pattern[p] for p in range(16) if p & 3 and p >> 2)
    expected = [pattern[0], pattern[1], pattern[2], pattern[4], pattern[8], pattern[3], pattern[12], across]
    np.testing.assert_allclose(outcomes[intensity, basis, bit], expected, atol=1e-12)


def test_phase_of_the_pulse_changes_no_silence() -> None:
    """Oracle: Strawberry Fields at two phases; this is why a random phase needs no average here."""
    np.testing.assert_allclose(silence(1.7, 0.3, 0.0), silence(1.7, 0.3, 2.1), rtol=1e-12)
