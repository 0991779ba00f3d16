"""The law between photonic circuits and density matrices: their statistics differ in proportion to the mean pair number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qphys import core
from qphys.core import patterns
from qphys.optics import density, jones, layouts
from qphys.optics.circuit import Analyser, Circuit, Loss, Phase, Retarder, Rotation, ThresholdDetector

SEEDS = range(6)


def imperfections(seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        "phase": rng.uniform(-np.pi, np.pi),
        "imbalance": rng.uniform(-0.4, 0.4),
        "overlap": rng.uniform(0.6, 1.0),
        "turn": rng.uniform(-0.5, 0.5),
        "retardance": rng.uniform(-1.0, 1.0),
        "axis": rng.uniform(-np.pi, np.pi),
        "idler_phase": rng.uniform(-1.0, 1.0),
        "passed": rng.uniform(0.3, 1.0),
        "angles": rng.uniform(-np.pi, np.pi, 2),
        "efficiencies": rng.uniform(0.1, 0.9, 4),
    }


def photonic(mean_pair_number: float, given: dict[str, Any], *, schmidt_modes: float = 1.0) -> np.ndarray:
    """Patterns of the circuit, all of its pairs."""
    return circuit(mean_pair_number / schmidt_modes, given).statistics(schmidt_modes=schmidt_modes)


def source(mean_pair_number: float, given: dict[str, Any]) -> Circuit:
    return layouts.type_ii(
        mean_pair_number, phase=given["phase"], imbalance=given["imbalance"], overlap=given["overlap"]
    ).then(
        Rotation("signal", angle=given["turn"]),
        Loss("signal", transmittance=given["passed"], polarization="V"),
        Phase("idler", phase=given["idler_phase"], polarization="V"),
        Retarder("idler", retardance=given["retardance"], angle=given["axis"]),
    )


def circuit(mean_pair_number: float, given: dict[str, Any]) -> Circuit:
    ports = [(arm, p) for arm in ("signal", "idler") for p in "HV"]
    return source(mean_pair_number, given).then(
        *(Analyser(arm, angle=a) for arm, a in zip(("signal", "idler"), given["angles"], strict=True)),
        *(ThresholdDetector(*port, efficiency=e) for port, e in zip(ports, given["efficiencies"], strict=True)),
    )


def qubits(given: dict[str, Any]) -> Any:
    """State of a pair before the polarization-dependent loss."""
    pair = density.bell("psi+", imbalance=given["imbalance"], phase=given["phase"])
    return density.send(
        pair,
        signal=[density.dephasing(given["overlap"]), density.rotation(given["turn"])],
        idler=[
            # A phase on V alone is a retarder with its axis along H, up to a phase of the whole.
            density.retardance(given["idler_phase"]),
            density.retardance(given["retardance"], angle=given["axis"]),
        ],
    )[0]


def poissonian(mean_pair_number: float, given: dict[str, Any]) -> np.ndarray:
    """Patterns of pairs of a density matrix, Poisson in number; same axes as the circuit."""
    efficiency = np.sqrt(given["efficiencies"]).reshape(2, 2, 1)
    signal = efficiency[0] * jones.rotation(-given["angles"][0]) @ np.diag([1.0, np.sqrt(given["passed"])])
    idler = efficiency[1] * jones.rotation(-given["angles"][1])
    kappa = patterns.poisson_pair_cumulants(
        mean_pair_number, density.matrix(qubits(given)), signal_amplitudes=signal, idler_amplitudes=idler
    ).cumulant
    flat, status = patterns.cumulant_patterns(kappa, dark_probabilities=np.zeros(4))
    assert status == core.STATUS["good"]
    # The kernel's bit j is detector j: the last axis of the reshaped array is detector 0.
    return flat.reshape(2, 2, 2, 2).transpose()


def coincidences(statistics: np.ndarray) -> np.ndarray:
    """One click in each arm."""
    return np.array([statistics[1, 0, 1, 0], statistics[1, 0, 0, 1], statistics[0, 1, 1, 0], statistics[0, 1, 0, 1]])


@pytest.mark.parametrize("seed", SEEDS)
def test_difference_falls_in_proportion_to_the_mean_pair_number(seed: int) -> None:
    """Oracle: the law; a tenth of the pairs, a tenth of the relative difference, to the next order of 1e-4 pairs."""
    given = imperfections(seed)
    difference = np.array(
        [coincidences(photonic(mu, given)) / coincidences(poissonian(mu, given)) - 1.0 for mu in (1e-4, 1e-5, 1e-6)]
    )
    assert np.all(np.abs(difference[0]) < 20e-4) and np.all(np.abs(difference[0]) > 1e-7)
    np.testing.assert_allclose(difference[0] / difference[1], 10.0, rtol=0.05)
    np.testing.assert_allclose(difference[1] / difference[2], 10.0, rtol=0.05)


@pytest.mark.parametrize("seed", SEEDS)
def test_difference_falls_with_the_number_of_schmidt_modes(seed: int) -> None:
    """Oracle: the law at 0.05 pairs; ten times the modes, a tenth of the difference, in every pattern of clicks."""
    given = imperfections(seed)
    exact = poissonian(0.05, given)
    difference = np.array([photonic(0.05, given, schmidt_modes=k) - exact for k in (100.0, 1e3, 1e4)])
    # A pattern whose difference happens to vanish to first order tells nothing.
    told = np.abs(difference[0]) > 1e-3 * np.abs(difference[0]).max()
    assert told.sum() > 10
    np.testing.assert_allclose((difference[0] / difference[1])[told], 10.0, rtol=0.2)
    np.testing.assert_allclose((difference[1] / difference[2])[told], 10.0, rtol=0.05)


@pytest.mark.parametrize("seed", SEEDS)
def test_weak_pairs_of_the_circuit_have_the_state_of_the_channels(seed: int) -> None:
    """Oracle: QuTiP's Kraus maps, loss included; the difference is the mean pair number, 1e-7."""
    given = imperfections(seed)
    state, number = source(1e-7, given).pair_state()
    # The filter acts on the signal only, so that it commutes with what the idler met.
    expected, passed = density.send(qubits(given), signal=[density.polarization_dependent_loss((1.0, given["passed"]))])
    np.testing.assert_allclose(state, density.matrix(expected), atol=3e-7)
    np.testing.assert_allclose(number, 1e-7 * passed, rtol=1e-6)
