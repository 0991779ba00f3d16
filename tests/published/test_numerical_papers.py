"""Published key rates found again by optimisation with proof: curves in closed form, and thresholds as printed.

Each protocol is written here from states, measurements and statistics; nothing of the papers' formulas is in the programme.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from scipy.optimize import brentq

import qphys
from qphys.keyrates.efficiency_mismatch import tight_rate
from qphys.keyrates.entropies import shannon_leakage
from qphys.keyrates.numerical import Matrix, Programme, bound

PAULIS = {"Z": np.diag([1.0, -1.0]), "X": np.array([[0.0, 1.0], [1.0, 0.0]]), "Y": np.array([[0.0, -1.0j], [1.0j, 0.0]])}


def h(p: float) -> float:
    return 0.0 if p in (0.0, 1.0) else float(-p * np.log2(p) - (1 - p) * np.log2(1 - p))


def entropy(blocks: Sequence[Sequence[np.ndarray]], operators: Sequence[np.ndarray], values: Sequence[float]) -> float:
    """Proven ignorance of Eve [bit] a trial."""
    found = bound(
        Programme(
            blocks=tuple(tuple(np.asarray(b, dtype=np.complex128) for b in row) for row in blocks),
            operators=np.array(operators, dtype=np.complex128),
            lower=np.array(values, dtype=np.float64),
            upper=np.array(values, dtype=np.float64),
        )
    )
    assert found.status == "good"
    return found.entropy_lower


def unbiased(d: int, number: int) -> list[Matrix]:
    """Mutually unbiased bases of dimension 2, 3, 4, 5, vectors as columns."""
    if d == 2:
        found = [[[1, 0], [0, 1]], np.array([[1, 1], [1, -1]]) / np.sqrt(2), np.array([[1, 1], [1j, -1j]]) / np.sqrt(2)]
    elif d == 4:
        rows = [
            [[1, 1, 1, 1], [1, 1, -1, -1], [1, -1, -1, 1], [1, -1, 1, -1]],
            [[1, -1, -1j, -1j], [1, -1, 1j, 1j], [1, 1, 1j, -1j], [1, 1, -1j, 1j]],
            [[1, -1j, -1j, -1], [1, -1j, 1j, 1], [1, 1j, 1j, -1], [1, 1j, -1j, 1]],
            [[1, -1j, -1, -1j], [1, -1j, 1, 1j], [1, 1j, -1, 1j], [1, 1j, 1, -1j]],
        ]
        found = [np.eye(4), *(np.array(row).T / 2 for row in rows)]
    else:
        w, j, k = np.exp(2j * np.pi / d), np.arange(d)[:, None], np.arange(d)[None]
        found = [np.eye(d), *(w ** ((b * j * j + k * j) % d) / np.sqrt(d) for b in range(d))]
    bases = [np.asarray(basis, dtype=np.complex128) for basis in found[:number]]
    for a in range(number):
        for b in range(a):
            np.testing.assert_allclose(np.abs(bases[a].conj().T @ bases[b]) ** 2, 1 / d, atol=1e-14)
    return bases


def qudit_rate(d: int, number: int, error: float) -> float:
    """Entangled qudits, the same error rate in each basis, key from the first."""
    operators = []
    for basis in unbiased(d, number):
        pairs = [np.kron(basis[:, x], basis[:, x].conj()) for x in range(d)]
        operators.append(np.eye(d * d) - sum(np.outer(v, v.conj()) for v in pairs))
    blocks = [[np.eye(d * d)[x * d : (x + 1) * d] for x in range(d)]]
    return entropy(blocks, operators, [error] * number) - h(error) - error * np.log2(d - 1)


QUDITS = [(2, 0.03), (2, 0.10), (3, 0.02), (3, 0.08), (3, 0.15), (4, 0.05), (4, 0.15)]
LARGE = [pytest.param(5, error, marks=pytest.mark.slow) for error in (0.05, 0.12, 0.2)]


@pytest.mark.parametrize(("d", "error"), [*QUDITS, *LARGE])
def test_two_bases_of_qudits_cerf_2002_sheridan_scarani_2010(d: int, error: float) -> None:
    expected = np.log2(d) - 2 * (h(error) + error * np.log2(d - 1))
    assert 0.0 < expected - qudit_rate(d, 2, error) < 2e-9


@pytest.mark.parametrize(("d", "error"), [*QUDITS, *LARGE])
def test_all_bases_of_qudits_araujo_2023(d: int, error: float) -> None:
    v = 1 - error * d / (d - 1)
    v_t = v + (1 - v) / d**2
    expected = np.log2(d) - (1 - v_t) * np.log2(d * d - 1) - h(v_t)
    assert 0.0 < expected - qudit_rate(d, d + 1, error) < 2e-9


def noisy_rate(error: float, noise: float, bases: str) -> float:
    """Alice turns her bits with a probability, and says so to nobody: effects (1 - q)|x><x| + q|1 - x><1 - x|."""
    blocks = [[np.kron(np.diag(np.sqrt([1 - noise, noise][:: 1 - 2 * x])), np.eye(2)) for x in (0, 1)]]
    signs = {"Z": 1, "X": 1, "Y": -1}
    operators = [(np.eye(4) - signs[b] * np.kron(PAULIS[b], PAULIS[b])) / 2 for b in bases]
    return entropy(blocks, operators, [error] * len(bases)) - h(error + noise - 2 * error * noise)


def noisy_formula(error: float, noise: float, bases: str) -> float:
    """From Eve's state: given the bit error, two pure states per bit, overlap 1 - 2 times the phase error there."""
    third = error / 2 / (1 - error)
    parts = [(1 - error, error), (error, error)] if bases == "ZX" else [(1 - error, third), (error, 0.5)]
    left = 0.0
    for weight, phase in parts:
        left += weight * (1 - h(phase) + h((1 + np.sqrt(1 - 16 * noise * (1 - noise) * phase * (1 - phase))) / 2))
    return left - h(error + noise - 2 * error * noise)


@pytest.mark.parametrize("bases", ["ZX", "ZXY"])
@pytest.mark.parametrize(("error", "noise"), [(0.05, 0.1), (0.1, 0.2), (0.12, 0.3), (0.123, 0.45), (0.03, 0.0)])
def test_noise_of_alice_kraus_gisin_renner_2005(bases: str, error: float, noise: float) -> None:
    assert 0.0 < noisy_formula(error, noise, bases) - noisy_rate(error, noise, bases) < 2e-9


@pytest.mark.parametrize(("bases", "without", "printed"), [("ZX", 0.1100, 0.124), ("ZXY", 0.1262, 0.141)])
def test_noise_of_alice_moves_thresholds_as_renner_gisin_kraus_2005(bases: str, without: float, printed: float) -> None:
    # half a unit of the last digit; thresholds for noise towards one half
    threshold = brentq(lambda error: noisy_formula(error, 0.499, bases), 0.08, 0.16)
    assert threshold == pytest.approx(printed, abs=5e-4)
    assert brentq(lambda error: noisy_formula(error, 0.0, bases), 0.08, 0.16) == pytest.approx(without, abs=5e-5)
    assert noisy_rate(threshold - 1e-4, 0.45, bases) > 0.0 > noisy_rate(threshold + 1e-4, 0.45, bases)
    assert noisy_rate(0.5 * (without + threshold), 0.0, bases) < 0.0


def replaced(states: Sequence[np.ndarray], weights: Sequence[float]) -> tuple[list[np.ndarray], np.ndarray]:
    """Alice's effects that prepare these states on her half of a purification of their mean, and her half's state."""
    values, vectors = np.linalg.eigh(sum(w * np.outer(s, s) for s, w in zip(states, weights, strict=True)))
    scaled = vectors / np.sqrt(values)
    return [w * (scaled.T @ np.outer(s, s) @ scaled) for s, w in zip(states, weights, strict=True)], np.diag(values)


def root(effect: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(effect)
    some = values > 1e-13
    return np.asarray((vectors[:, some] * np.sqrt(values[some])).T)


def prepared(
    states: Sequence[np.ndarray], effects: Sequence[np.ndarray], visibility: float
) -> tuple[list[np.ndarray], list[np.ndarray], list[float], np.ndarray]:
    """Alice's effects, observables, their values and the joint probabilities of a depolarising channel."""
    alice, own = replaced(states, [1 / len(states)] * len(states))
    joint = np.array(
        [
            [np.trace((visibility * np.outer(s, s) + (1 - visibility) * np.eye(2) / 2) @ f) / len(states) for f in effects]
            for s in states
        ]
    )
    operators = [np.kron(a, f) for a in alice for f in effects]
    halves = [np.array([[1, 0], [0, 0]]), np.array([[0, 1], [1, 0]]), np.array([[0, 0], [0, 1]])]
    operators += [np.kron(m, np.eye(2)) for m in halves]
    return alice, operators, [*joint.ravel().tolist(), *(float(np.trace(m @ own)) for m in halves)], joint


def b92_rate(angle: float, depolarising: float) -> float:
    """Two states, Bob projects on them and their opposites at random; a conclusive bit excludes the other state."""
    states = [np.array([np.cos(angle), s * np.sin(angle)]) for s in (1, -1)]
    others = [np.array([np.sin(angle), s * np.cos(angle)]) for s in (1, -1)]  # orthogonal to the other state
    effects = [0.5 * np.outer(v, v) for v in (*others, *states)]
    alice, operators, values, joint = prepared(states, effects, 1 - 4 * depolarising / 3)
    blocks = [[np.kron(root(a), root(effects[0] + effects[1])) for a in alice]]
    return entropy(blocks, operators, values) - shannon_leakage(joint[:, :2])


def test_b92_bears_the_depolarising_of_matsumoto_2013() -> None:
    # printed: key at 6.5 %, where earlier proofs end at 4.2 %; (1 - p) rho + p/3 sum of Paulis, so that BB84's 16.5 % are
    # 11.0 % errors
    assert b92_rate(0.38, 0.065) > 0.0
    assert max(b92_rate(angle, 0.070) for angle in (0.3, 0.36, 0.42, 0.5)) < 0.0
    assert b92_rate(0.36, 0.042) > 0.02


def trine_rate(error: float) -> float:
    """Three states; Alice names one that she did not send, Bob keeps results that exclude another. By the kept's errors."""
    turns = [np.pi * j / 3 for j in range(3)]
    states = [np.array([np.cos(a), np.sin(a)]) for a in turns]
    effects = [2 / 3 * np.outer(v, v) for a in turns for v in [np.array([-np.sin(a), np.cos(a)])]]
    visibility = (1 - 2 * error) / (1 - error / 2)
    alice, operators, values, joint = prepared(states, effects, visibility)
    blocks, leakage, kept = [], 0.0, 0.0
    for named in range(3):
        pair = [(named + 1) % 3, (named + 2) % 3]
        blocks.append([np.kron(root(alice[j] / 2), root(sum(effects[k] for k in pair))) for j in pair])
        part = joint[np.ix_(pair, pair)] / 2
        leakage, kept = leakage + shannon_leakage(part), kept + part.sum()
        assert np.trace(part) / part.sum() == pytest.approx(error, rel=1e-12)
    return (entropy(blocks, operators, values) - leakage) / kept


def test_three_states_bear_no_less_than_boileau_2005_prove() -> None:
    # printed: 9.81 %, which is 1 - h(e) - h(5e/4) = 0
    assert brentq(lambda e: 1 - h(e) - h(5 * e / 4), 0.05, 0.15) == pytest.approx(0.0981, abs=5e-5)
    for error in (0.01, 0.05, 0.0981):
        assert trine_rate(error) > 1 - h(error) - h(5 * error / 4)
    # all statistics of a depolarising channel leave more: 11.25 %, our own number
    assert trine_rate(0.1124) > 0.0 > trine_rate(0.1126)


@pytest.mark.parametrize("ratio", [1.0, 0.7, 0.4, 0.1])
def test_unequal_detectors_bochkov_trushechkin_2019(ratio: float) -> None:
    channel = {"transmittance": 1.0, "error_rates": {"Z": 0.05, "X": 0.05}}
    table = {
        "kind": "efficiency-mismatch",
        "efficiencies": [1.0, ratio],
        "channel": channel,
        "error_correction_efficiency": 1.0,
    }
    found = float(qphys.keyrate(table)["key_rate"] / ((1 + ratio) / 2))
    assert found == pytest.approx(float(tight_rate(1.0, ratio, 0.05, phase_error=0.05)), abs=2e-8)


@pytest.mark.slow
def test_ten_phases_are_close_to_any_phase_cao_2015() -> None:
    # printed (abstract): a small number of phases, say ten, or four bits, comes close to phases of any value
    def key(phases: int | str) -> float:
        channel = {"transmittance": 0.03, "visibility": 0.98, "dark_count": 1e-6}
        table = {"kind": "phase-encoded", "phases": phases, "intensities": [0.5, 0.1, 0.0], "channel": channel}
        return float(qphys.keyrate(table)["key_rate"])

    whole = key("continuous")
    assert 0.995 < key(10) / whole < 1.0
    assert key(16) / whole > 0.999999
    assert key(6) / whole < 0.9
    assert key(4) == 0.0
