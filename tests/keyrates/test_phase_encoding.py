"""Pulses of discrete phase: coherent states in Fock space written anew, an eavesdropper of known ignorance, and limits."""

from __future__ import annotations

from math import comb, exp, factorial, pi, sqrt
from typing import Any

import numpy as np
import pytest

import qphys
from qphys.errors import UserError
from qphys.keyrates import status_names
from qphys.keyrates.entropies import binary_entropy
from qphys.keyrates.phase_encoding import (
    PHASES,
    STATES,
    Pulses,
    basis_fidelity,
    coin_phase_error,
    component_distance,
    component_probability,
    encoded_states,
    pulse_statistics,
)

SIZE = 24


def table(phases: Any, transmittance: float = 0.01, **more: Any) -> dict[str, Any]:
    channel = {"transmittance": transmittance, "visibility": 0.97, "dark_count": 1e-6}
    return {"kind": "phase-encoded", "phases": phases, "intensities": [0.5, 0.1, 0.001], "channel": channel} | more


def coherent(alpha: complex) -> np.ndarray:
    return np.array([exp(-(abs(alpha) ** 2) / 2) * alpha**n / sqrt(factorial(n)) for n in range(SIZE)])


@pytest.mark.parametrize("phases", [2, 4, 7])
@pytest.mark.parametrize("mu", [0.1, 0.63, 2.0])
def test_a_mixture_of_phases_is_that_of_its_components(phases: int, mu: float) -> None:
    mixed = np.mean(
        [np.outer(v, v.conj()) for k in range(phases) for v in [coherent(sqrt(mu) * np.exp(2j * pi * k / phases))]], axis=0
    )
    values = np.sort(np.linalg.eigvalsh(mixed))[::-1][:phases]
    found = [component_probability(mu, j, phases=phases) for j in range(phases)]
    np.testing.assert_allclose(np.sort(found)[::-1], values, atol=1e-12)
    # the vectors of a component are the coherent state's photon numbers of one remainder
    n = np.arange(SIZE)
    for j in range(phases):
        first, second = (np.where(n % phases == j, coherent(sqrt(m)).real, 0.0) for m in (mu, 0.3))
        first, second = first / np.linalg.norm(first), second / np.linalg.norm(second)
        difference = np.linalg.eigvalsh(np.outer(first, first) - np.outer(second, second))
        assert component_distance(mu, 0.3, j, phases=phases) == pytest.approx(
            np.abs(difference).sum() / 2, rel=1e-6, abs=1e-9
        )


@pytest.mark.parametrize("phases", [2, 4, 16, None])
def test_encoded_states_have_the_overlaps_of_pulses_with_those_relative_phases(phases: int | None) -> None:
    mu = 0.63
    numbers = [1] if phases is None else list(range(1, 60, phases))
    weights = np.array([mu**n / factorial(n) for n in numbers])
    states = encoded_states(mu, 1, phases=phases)
    for a, x in enumerate(PHASES):
        for b, y in enumerate(PHASES):
            mode = (1 + np.exp(1j * (y - x))) / 2  # overlap of the modes, to the power of the photon number
            expected = (weights * mode ** np.array(numbers)).sum() / weights.sum()
            assert np.vdot(states[a], states[b]) == pytest.approx(expected, abs=1e-14)
    # bases differ by what a brute search over Alice's phases leaves
    z, x = states[:2], states[2:]
    best = 0.0
    for beta in np.linspace(0, 2 * pi, 73):
        parts = [abs(np.vdot(z[0], x[k]) + (-1) ** k * np.exp(1j * beta) * np.vdot(z[1], x[k])) for k in (0, 1)]
        best = max(best, sum(parts) / sqrt(8))
    assert basis_fidelity(mu, 1, phases=phases) == pytest.approx(best, abs=1e-12)


def photon_yield(n: int, x: float, y: int, turn: float, transmittance: float, visibility: float, dark: float) -> float:
    """Probability of bit y from n photons of relative phase x, detectors asked photon by photon; double clicks by halves."""
    to = [transmittance * (1 + s * visibility * np.cos(x - turn)) / 2 for s in (1, -1)]
    silent = [(1 - dark) * (1 - p) ** n for p in to]
    neither = (1 - dark) ** 2 * (1 - sum(to)) ** n
    only = [silent[1] - neither, silent[0] - neither]
    return float(only[y] + (1 - only[0] - only[1] - neither) / 2)


@pytest.mark.parametrize("phases", [4, 8, 16, None])
def test_decoy_bounds_hold_what_photon_numbers_do(phases: int | None) -> None:
    facts = {"transmittance": 0.2, "visibility": 0.95, "dark": 1e-4}
    intensities = (0.6, 0.15, 0.0)
    told = [pulse_statistics(mu, transmittance=0.2, visibility=0.95, dark_count=1e-4) for mu in intensities]
    numbers = [1] if phases is None else list(range(1, 60, phases))
    weights = np.array([0.6**n / factorial(n) for n in numbers])
    for state, x in zip(STATES, PHASES, strict=True):
        for bit, turn in (("Z0", 0.0), ("Z1", 0.0), ("X1", pi / 2)):
            yields = [photon_yield(n, x, int(bit[1]), turn, **facts) for n in numbers]
            truth = float(weights @ yields / weights.sum())
            gains = [(t[state][bit], t[state][bit]) for t in told]
            low, high = Pulses(intensities=intensities, phases=phases).yield_bounds(gains, component=1)
            assert low <= truth <= high
            if phases is None or phases >= 8:
                assert high - low < 0.3 * truth + 0.02
            # and gains are sums over photon numbers
            poisson = [exp(-0.15) * 0.15**n / factorial(n) for n in range(30)]
            whole = sum(p * photon_yield(n, x, int(bit[1]), turn, **facts) for n, p in enumerate(poisson))
            assert told[1][state][bit] == pytest.approx(whole, rel=1e-12)


def test_coin_argument_has_its_limits() -> None:
    e = np.linspace(0, 0.4, 9)
    np.testing.assert_allclose(coin_phase_error(e, fidelity=1.0, gain=0.3), e, atol=1e-14)
    error, fidelity, gain = 0.03, 1 - 1e-5, 2e-3
    found = float(coin_phase_error(error, fidelity=fidelity, gain=gain))
    # by definition: sqrt(e e') + sqrt((1 - e)(1 - e')) = 1 - (1 - F)/Y
    assert sqrt(error * found) + sqrt((1 - error) * (1 - found)) == pytest.approx(1 - (1 - fidelity) / gain, abs=1e-14)
    assert found > error and coin_phase_error(0.03, fidelity=0.9, gain=1e-3) == 0.5
    assert coin_phase_error(0.03, fidelity=1.0, gain=0.0) == 0.5


@pytest.mark.parametrize("phases", ["continuous", 4, 16])
def test_bound_is_below_what_an_eavesdropper_leaves_who_knows_the_photon_number(phases: Any) -> None:
    """A random channel for one photon, all of it for two and more: her ignorance is computed from her own state."""
    rng = np.random.default_rng(7)
    kraus = [np.vstack([np.zeros(2), np.sqrt(0.6) * np.eye(2)]).astype(complex)]
    kraus += [0.12 * (rng.normal(size=(3, 2)) + 1j * rng.normal(size=(3, 2))) for _ in range(3)]
    kraus += [np.vstack([np.sqrt(0.3) * np.eye(2)[k], np.zeros((2, 2))]).astype(complex) for k in (0, 1)]
    values, vectors = np.linalg.eigh(sum(k.conj().T @ k for k in kraus))
    mend = (vectors / np.sqrt(values)) @ vectors.conj().T
    kraus = [k @ mend for k in kraus]
    sent = {x: np.array([1.0, np.exp(1j * phase)]) / np.sqrt(2) for x, phase in zip(STATES, PHASES, strict=True)}
    effects = {y: np.append(0.0, sent[y]) for y in STATES}  # Bob projects on the state that Alice would send
    single = {x: {y: sum(abs(np.vdot(effects[y], k @ sent[x])) ** 2 for k in kraus) for y in STATES} for x in STATES}
    ideal = {x: {y: abs(np.vdot(sent[y], sent[x])) ** 2 for y in STATES} for x in STATES}
    intensities = (0.5, 0.1, 0.001)
    clicks = [
        {x: {y: mu * exp(-mu) * single[x][y] + (1 - (1 + mu) * exp(-mu)) * ideal[x][y] for y in STATES} for x in STATES}
        for mu in intensities
    ]
    result = qphys.keyrate(
        {"kind": "phase-encoded", "phases": phases, "intensities": list(intensities), "click_probabilities": clicks}
    )
    by_bit = []
    for x in ("Z0", "Z1"):
        seen = np.array([(k @ sent[x])[1:] for k in kraus])  # Eve's label, Bob's light
        by_bit.append(0.5 * seen @ seen.conj().T)

    def entropy(matrix: np.ndarray) -> float:
        return float(-sum(v * np.log2(v) for v in np.linalg.eigvalsh(matrix) if v > 1e-15))

    alone = sum(map(entropy, by_bit)) - entropy(by_bit[0] + by_bit[1])
    more = 0.0 if phases == "continuous" else component_probability(0.5, 1, phases=phases) - 0.5 * exp(-0.5)
    truth = 0.5 * exp(-0.5) * alone + more
    assert status_names(result["status"]) in (["good"], ["no key"])
    assert result["entropy_lower"] < truth
    if phases != 4:
        assert result["entropy_lower"] > 0.6 * truth


def test_sixteen_phases_are_near_to_all_and_few_lose_the_key() -> None:
    results = {m: qphys.keyrate(table(m)) for m in (4, 8, 16, "continuous")}
    rates = {m: float(result["key_rate"]) for m, result in results.items()}
    assert rates[4] == 0.0 < rates[8] < rates[16] < rates["continuous"]
    assert rates[16] > (1 - 1e-6) * rates["continuous"]
    assert 0.9 < rates[8] / rates["continuous"] < 0.97
    for result in results.values():  # the coin argument from the same decoy bounds is looser
        assert result["key_rate"] >= result["closed_form_key_rate"] and result["gap"] < 1e-8
    assert "16 exact phases" in results[16].attrs["assumptions"] and "discrete" not in results[16].attrs["not_covered"]


def test_any_phase_and_decoys_without_end_tend_to_the_formula_of_gllp() -> None:
    # many decoys pin the single photons; then Y1 [1 - h(e1)] with the channel's own yields, before leakage
    channel = {"transmittance": 0.05, "visibility": 0.96, "dark_count": 1e-6}
    many = [0.5, 0.2, 0.1, 0.03, 0.01, 0.0]
    result = qphys.keyrate({"kind": "phase-encoded", "phases": "continuous", "intensities": many, "channel": channel})
    y = [photon_yield(1, 0.0, bit, 0.0, 0.05, 0.96, 1e-6) for bit in (0, 1)]
    expected = 0.5 * exp(-0.5) * sum(y) * (1 - binary_entropy(y[1] / sum(y)))
    assert 0.0 < expected - result["entropy_lower"] < 0.002 * expected
    gains = pulse_statistics(0.5, transmittance=0.05, visibility=0.96, dark_count=1e-6)["Z0"]
    q = gains["Z0"] + gains["Z1"]
    assert result["leakage"] == pytest.approx(1.16 * q * binary_entropy(gains["Z1"] / q), rel=1e-12)


@pytest.mark.slow
def test_no_loss_hides_the_difference_of_sixteen_phases_and_all() -> None:
    for transmittance, share in ((1e-3, 1e-5), (1e-4, 1e-4)):
        few, all_of_them = (float(qphys.keyrate(table(m, transmittance))["key_rate"]) for m in (16, "continuous"))
        assert 0.0 < 1 - few / all_of_them < share


def test_intervals_cost_and_spectra_are_of_a_state() -> None:
    told = [pulse_statistics(mu, transmittance=0.1, visibility=0.97, dark_count=1e-6) for mu in (0.5, 0.1, 0.001)]

    def key(width: float) -> float:
        clicks = [{x: {y: [p * (1 - width), p * (1 + width)] for y, p in row.items()} for x, row in t.items()} for t in told]
        described = table(16, 0.1, click_probabilities=clicks)
        del described["channel"]
        return float(qphys.keyrate(described)["key_rate"])

    exact = float(qphys.keyrate(table(16, 0.1))["key_rate"])
    assert key(0.0) == pytest.approx(exact, rel=1e-9)
    assert 0.0 < key(0.01) < 0.98 * exact
    assert sum(comb(17, m) for m in range(18)) == 2**17  # n = M + 1 of sixteen phases: all eigenstates of a quarter turn
    tail = 0.5**16 / factorial(17)
    third = sum(comb(17, m) for m in range(2, 18, 4)) / 2**17
    assert np.abs(encoded_states(0.5, 1, phases=16)[0, 2]) ** 2 == pytest.approx(tail * third, rel=1e-9)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"phases": 1}, ("phases",)),
        ({"phases": "many"}, ("phases", "continuous")),
        ({"intensities": [0.5, 0.5]}, ("must differ",)),
        ({"intensities": [0.0, 0.5]}, ("first be above 0",)),
        ({"decoy": {"single_photons": 0.1, "gain": 0.1, "error_rate": 0.1}}, ("its own decoys",)),
        ({"finite": {"trials": 1e6, "tests": 1e5}}, ("no finite-size terms",)),
        ({"click_probabilities": [{}]}, ("one of both",)),
    ],
)
def test_mistakes_are_told(change: dict[str, Any], told: tuple[str, ...]) -> None:
    with pytest.raises(UserError) as error:
        qphys.keyrate(table(16) | change)
    assert all(words in str(error.value) for words in told)


def test_statistics_of_all_states_are_needed() -> None:
    described = table(16, intensities=[0.5], click_probabilities=[{"Z0": {"Z0": 0.1}}])
    del described["channel"]
    with pytest.raises(UserError, match=r"click_probabilities\[0\]\.Z0: the states and bits Z0, Z1, X0, X1 are needed"):
        qphys.keyrate(described)
