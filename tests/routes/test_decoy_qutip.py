"""Second route: photon-number states of a phase-randomised pulse through beam splitters in QuTiP, threshold measurement."""

from __future__ import annotations

from math import factorial

import numpy as np
import pytest

from qphys import detectors
from qphys.optics import jones
from qphys.record import parse
from qphys.sources import WeakCoherent
from qphys.stages import Transmittance

DIMENSION = 8
"""Photon numbers 0 to 7 in each of four modes: a pulse of 0.2 photons has 8 or more with probability 5e-11."""

MEAN_PHOTON_NUMBER = 0.2
EFFICIENCY = np.array([0.9, 0.6, 0.75, 0.5])
DARK_RATE = 3e6
GATE = 2e-9
SPLIT = 0.3
LEAK = 1 / (1 + 40.0)
OFFSET = np.deg2rad([4.0, -3.0, 6.0, 2.0])
TURN = 0.15
CONFIGURATION = {
    "source": {
        "kind": "weak-coherent",
        "wavelength_nm": 850.0,
        "repetition_rate_mhz": 100.0,
        "mean_photon_numbers": [MEAN_PHOTON_NUMBER, 0.0],
        "intensity_probabilities": [0.5, 0.5],
        "basis_probability_z": 0.5,
        "preparation_offset_deg": [4.0, -3.0, 6.0, 2.0],
        "extinction_ratio_db": 15.0,
    },
    "receiver": {
        "kind": "polarization-analyser",
        "basis_choice": "passive",
        "basis_probability_z": SPLIT,
        "optics_transmittance": 1.0,
        "polarization_contrast": 40.0,
        "gate_ns": GATE * 1e9,
        "detector": {
            "efficiency": EFFICIENCY.tolist(),
            "dark_rate_hz": DARK_RATE,
            "dead_time_ns": 0.0,
            "afterpulse_probability": 0.0,
        },
    },
}


@pytest.fixture(scope="module")
def outcomes() -> np.ndarray:
    """The model's own outcomes of the brighter intensity, (basis, bit, outcome)."""
    emission = parse(WeakCoherent, CONFIGURATION["source"], "source").emission()
    analyser = parse(detectors.PolarizationAnalyser, CONFIGURATION["receiver"], "receiver").analyser(1e8)
    link = Transmittance(
        transmittance=np.ones((1, 1, 1)),
        weight=np.ones((1, 1)),
        correlation_time=0.0,
        jones=jones.rotation(TURN).reshape(1, 1, 2, 2),
        background_rate=np.zeros((1, 1)),
        includes=(),
    )
    response = detectors.respond(link, analyser, trial_rate=1e8, time_step=1.0, receiver_optics_transmittance=1.0)
    return detectors.clicks(emission, response).probability[0, 0, 0]


@pytest.fixture(scope="module")
def receiver_unitary():  # type: ignore[no-untyped-def]
    """Frame turn, basis splitter and analyser frames, on modes (Z arm H, V; X arm H, V)."""
    import qutip

    a = qutip.destroy(DIMENSION)
    one = qutip.qeye(DIMENSION)
    first, second = qutip.tensor(a, one), qutip.tensor(one, a)

    def real(angle: float, modes: list[int]):  # type: ignore[no-untyped-def]
        """Real beam splitter: mode i -> cos i + sin j in the Heisenberg picture of amplitudes R(angle)."""
        gate = (angle * (second.dag() * first - first.dag() * second)).expm()
        return qutip.expand_operator(gate, [DIMENSION] * 4, modes).to("CSR")

    split = np.arccos(np.sqrt(SPLIT))
    steps = [
        real(TURN, [0, 1]),
        real(split, [0, 2]),
        real(split, [1, 3]),
        real(-np.pi / 4, [2, 3]),
    ]
    return steps


def detected(basis: int, bit: int, steps) -> np.ndarray:  # type: ignore[no-untyped-def]
    """Probability of each of the 16 click patterns, from a Poisson mixture of photon numbers."""
    import qutip

    a = qutip.destroy(DIMENSION)
    one = qutip.qeye(DIMENSION)
    fraction = 1 / (1 + 10**1.5)
    angle = (0.0, np.pi / 2, np.pi / 4, -np.pi / 4)[2 * basis + bit] + OFFSET[2 * basis + bit]
    major = np.array([np.cos(angle), np.sin(angle)])
    minor = np.array([-np.sin(angle), np.cos(angle)])
    state = np.sqrt(1 - fraction) * major + 1j * np.sqrt(fraction) * minor
    creation = state[0] * qutip.tensor(a.dag(), one, one, one) + state[1] * qutip.tensor(one, a.dag(), one, one)
    ket = qutip.tensor(*[qutip.basis(DIMENSION, 0)] * 4)
    photons = np.zeros((DIMENSION,) * 4)
    for n in range(DIMENSION):
        weight = np.exp(-MEAN_PHOTON_NUMBER) * MEAN_PHOTON_NUMBER**n / factorial(n)
        out = ket.unit()
        for step in steps:
            out = step * out
        photons += weight * np.abs(out.full().reshape((DIMENSION,) * 4)) ** 2
        ket = creation * ket
    # A polarizing beam splitter sends each photon to the other detector with the probability LEAK, in its own polarization.
    reaches = np.kron(np.eye(2), np.array([[1 - LEAK, LEAK], [LEAK, 1 - LEAK]]))
    quiet = np.empty(16)
    for subset in range(16):
        chosen = np.array([subset >> d & 1 for d in range(4)])
        rows = (1 - reaches @ (chosen * EFFICIENCY))[:, None] ** np.arange(DIMENSION)
        quiet[subset] = np.exp(-DARK_RATE * GATE * chosen.sum()) * np.einsum("ijkl,i,j,k,l->", photons, *rows)
    patterns = np.zeros(16)
    for clicked in range(16):
        part = clicked
        while True:
            patterns[clicked] += (-1) ** bin(part).count("1") * quiet[(15 ^ clicked) | part]
            if part == 0:
                break
            part = (part - 1) & clicked
    return patterns


@pytest.mark.parametrize(("basis", "bit"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_patterns_of_number_states_are_those_of_the_click_model(
    basis: int,
    bit: int,
    outcomes: np.ndarray,
    receiver_unitary,  # type: ignore[no-untyped-def]
) -> None:
    """Oracle: QuTiP, number states 0 to 7 with Poisson weights, passive splitter, leaks, offsets, ellipticity, dark counts.

    Agreement to the truncated probability, 5e-11.
    """
    pattern = detected(basis, bit, receiver_unitary)
    names = ["none", "Z0", "Z1", "double_Z", "X0", "across", "across", "across"]
    names += ["X1", "across", "across", "across", "double_X", "across", "across", "across"]
    labels = ("none", "Z0", "Z1", "X0", "X1", "double_Z", "double_X", "across")
    expected = [sum(p for p, name in zip(pattern, names, strict=True) if name == label) for label in labels]
    np.testing.assert_allclose(outcomes[basis, bit], expected, atol=5e-11)
    assert outcomes[basis, bit, 7] > 1e-3
