"""The finite keys of one decoy: twin, faults, and the papers read anew. Soundness: test_soundness.py."""

from __future__ import annotations

from math import exp, floor, log, log2, sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qphys import core
from qphys.core import reference

Array = np.ndarray[Any, Any]

INPUTS = (
    "key_counts",
    "key_errors",
    "test_counts",
    "test_errors",
    "mean_photon_numbers",
    "key_probabilities",
    "test_probabilities",
    "eps_secrecy",
    "eps_correctness",
    "error_correction_efficiency",
    "proof",
    "sampling_bound",
    "tail_bound",
    "key_from",
    "predicted_shares",
)

ORDINARY: dict[str, Any] = {
    "key_counts": [8e6, 1.04e6],
    "key_errors": [4e4, 5.2e3],
    "test_counts": [4e5, 5.2e4],
    "test_errors": [2e3, 260.0],
    "mean_photon_numbers": [0.5, 0.15],
    "key_probabilities": [0.7, 0.3],
    "test_probabilities": [0.7, 0.3],
    "eps_secrecy": 1e-9,
    "eps_correctness": 1e-15,
    "error_correction_efficiency": 1.16,
    "proof": np.int8(1),
    "sampling_bound": np.int8(0),
    "tail_bound": np.int8(0),
    "key_from": np.int8(1),
    "predicted_shares": np.full(8, np.nan),
}
OPTIONS = ("proof", "sampling_bound", "tail_bound", "key_from", "predicted_shares")


def ordinary(**changes: Any) -> tuple[Any, ...]:
    return tuple((ORDINARY | changes)[name] for name in INPUTS)


def random_blocks(count: int, seed: int) -> tuple[Array, ...]:
    """Blocks of 10 to 1e10 detections with every proof and policy, a part of which gives key."""
    rng = np.random.default_rng(seed)
    size = 10 ** rng.uniform(1, 9.5, (count, 1))
    probability = rng.dirichlet([6, 3], count) * 0.999 + 0.0003
    numbers = np.stack([rng.uniform(0.3, 0.7, count), rng.uniform(0.05, 0.2, count)], axis=-1)
    light = probability * numbers
    key = np.floor(size * light / light.sum(axis=-1, keepdims=True) * rng.uniform(0.98, 1.02, (count, 2)))
    test = np.floor(key * 10 ** rng.uniform(-2, 1, (count, 1)))
    key_errors = rng.binomial(key.astype(np.int64), 10 ** rng.uniform(-4, -1, (count, 1))).astype(np.float64)
    test_errors = rng.binomial(test.astype(np.int64), 10 ** rng.uniform(-4, -1, (count, 1))).astype(np.float64)
    return (
        key,
        key_errors,
        test,
        test_errors,
        numbers,
        probability,
        probability,
        10 ** rng.uniform(-15, -5, count),
        10 ** rng.uniform(-15, -5, count),
        rng.uniform(1, 1.3, count),
        rng.integers(0, 2, count).astype(np.int8),
        rng.integers(0, 5, count).astype(np.int8),
        np.where(rng.random(count) < 0.6, 0, rng.integers(1, 7, count)).astype(np.int8),
        rng.integers(0, 2, count).astype(np.int8),
        np.stack([rng.uniform(0.6, 0.95, count), rng.uniform(0.05, 0.4, count)] * 4, axis=-1),
    )


BLOCKS = random_blocks(3001, seed=20180427)


@pytest.mark.parametrize("level", core.instruction_sets())
def test_kernel_agrees_with_its_twin_to_1e_12_of_the_largest_term(level: str) -> None:
    got, expected = core.kernels(level)["one_decoy"](*BLOCKS), reference.one_decoy(*BLOCKS)
    whole = np.sum(BLOCKS[0], axis=-1) + np.sum(BLOCKS[2], axis=-1)
    np.testing.assert_array_equal(got[0], expected[0])
    # Hoeffding's and the closed forms are the same to rounding; equations are met to 1e-12 of beta, which the weights
    # e^mu / p enlarge. Of a whole number of events, which may be one fewer, the binomial's takes a whole number.
    solved = BLOCKS[12] >= 3
    for term in (1, 2, 3, 4, 6):
        slack = np.where(solved, 1e-10, 1e-12) * whole + ((BLOCKS[12] == 5) & (BLOCKS[13] == 0) if term < 3 else 0)
        assert np.all(np.isnan(got[term]) | (np.abs(got[term] - expected[term]) <= slack))
    np.testing.assert_allclose(got[5], expected[5], rtol=1e-9)
    np.testing.assert_allclose(got[5][~solved], expected[5][~solved], rtol=1e-12)
    np.testing.assert_array_equal(got[7], expected[7])
    np.testing.assert_array_equal(got[8], expected[8])
    # The blocks do reach every bound of the phase error and the usual statuses.
    assert np.all(np.bincount(got[7], minlength=5) > 60)
    assert np.all(np.bincount(got[8])[:4] > 5)


def test_every_instruction_set_and_cut_gives_the_same_bits() -> None:
    whole = core.kernels("baseline")["one_decoy"](*BLOCKS)
    for level in core.instruction_sets():
        for cut in (slice(1), slice(5, 12), slice(129), slice(11, 1017), slice(None, None, 3)):
            for got, expected in zip(core.kernels(level)["one_decoy"](*(v[cut] for v in BLOCKS)), whole, strict=True):
                np.testing.assert_array_equal(got, expected[cut])


@pytest.mark.parametrize(
    ("change", "meaning"),
    [
        ({"key_counts": [np.nan, 1.2e6]}, "input_not_finite"),
        ({"test_errors": [2e3, -np.inf]}, "input_not_finite"),
        ({"mean_photon_numbers": [0.5, np.nan]}, "input_not_finite"),
        ({"test_probabilities": [0.7, np.inf]}, "input_not_finite"),
        ({"eps_secrecy": np.nan}, "input_not_finite"),
        ({"error_correction_efficiency": np.nan}, "input_not_finite"),
        ({"key_counts": [8e6, -1.0], "key_errors": [4e4, -1.0]}, "impossible_counts"),
        ({"key_errors": [8e6 + 1, 0.0]}, "impossible_counts"),
        ({"test_errors": [2e3, 5.2e4 + 1]}, "impossible_counts"),
        ({"test_counts": [2e15, 6e4]}, "impossible_counts"),
        ({"mean_photon_numbers": [0.5, 0.5]}, "intensities_break_the_conditions_of_the_bound"),
        ({"mean_photon_numbers": [0.15, 0.5]}, "intensities_break_the_conditions_of_the_bound"),
        ({"mean_photon_numbers": [0.5, 0.0]}, "intensities_break_the_conditions_of_the_bound"),
        ({"mean_photon_numbers": [1e4, 0.1]}, "intensities_break_the_conditions_of_the_bound"),
        ({"key_probabilities": [1.0, 0.0]}, "impossible_probabilities"),
        ({"test_probabilities": [0.7, 0.4]}, "impossible_probabilities"),
        ({"eps_secrecy": 0.0}, "failure_probability_outside_zero_to_one"),
        ({"eps_correctness": 1.0}, "failure_probability_outside_zero_to_one"),
        ({"error_correction_efficiency": 0.99}, "error_correction_efficiency_below_one"),
        ({"proof": np.int8(2)}, "unknown_option"),
        ({"sampling_bound": np.int8(-1)}, "unknown_option"),
        ({"sampling_bound": np.int8(5)}, "unknown_option"),
        ({"tail_bound": np.int8(7)}, "unknown_option"),
        ({"key_from": np.int8(2)}, "unknown_option"),
        ({"tail_bound": np.int8(6)}, "input_not_finite"),  # Kato's inequality without a prediction
        ({"tail_bound": np.int8(6), "predicted_shares": [0.8, 0.2] * 3 + [0.8, 1.2]}, "impossible_probabilities"),
    ],
)
@pytest.mark.parametrize("proof", [0, 1])
def test_impossible_block_has_key_zero_nan_bounds_and_a_status_that_names_the_fault(
    change: dict[str, Any], meaning: str, proof: int
) -> None:
    inputs = ordinary(**({"proof": np.int8(proof)} | change))
    got = core.KERNELS["one_decoy"](*inputs)
    assert got[0] == 0
    assert got[8] == core.STATUS[meaning]
    assert got[7] == 0
    assert np.all(np.isnan(got[1:7]))
    assert reference.one_decoy(*inputs)[8] == core.STATUS[meaning]


@pytest.mark.parametrize(
    ("change", "meaning"),
    [
        ({"key_counts": [0.0, 0.0], "key_errors": [0.0, 0.0]}, "no_single_photons_proven"),
        ({"test_counts": [0.0, 0.0], "test_errors": [0.0, 0.0]}, "no_single_photons_proven"),
        ({"key_counts": [8e6, 0.0], "key_errors": [4e4, 0.0]}, "no_single_photons_proven"),
        ({"test_counts": [4000.0, 700.0], "test_errors": [45.0, 4.0]}, "no_sampling_bound"),
        ({"test_errors": [6e3, 780.0], "error_correction_efficiency": 12.0}, "no_key"),
        ({"error_correction_efficiency": 25.0}, "no_key"),
    ],
)
def test_possible_block_without_key_says_why(change: dict[str, Any], meaning: str) -> None:
    got = core.KERNELS["one_decoy"](*ordinary(**change))
    assert got[0] == 0
    assert got[8] == core.STATUS[meaning]
    assert np.all(np.isfinite(got[1:7]))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=17, max_size=17),
    st.tuples(*[st.integers(-128, 127)] * 4),
)
def test_no_input_raises_or_gives_key_without_a_good_status(numbers: list[float], codes: tuple[int, int, int, int]) -> None:
    vectors = [numbers[2 * i : 2 * i + 2] for i in range(7)]
    got = core.KERNELS["one_decoy"](*vectors, *numbers[14:], *(np.int8(code) for code in codes), np.full(8, 0.5))
    assert (got[0] > 0) == (got[8] == 0)
    assert np.isfinite(got[0])


def by_hand(proof: str) -> float:
    """The key of `ORDINARY`, written from the papers with plain numbers; only the wrong single photons reach their total."""
    n1, n2, m1, m2 = 8e6, 1.04e6, 4e4, 5.2e3
    z1, z2, c1, c2 = 4e5, 5.2e4, 2e3, 260.0
    mu, nu, p, q, eps = 0.5, 0.15, 0.7, 0.3, 1e-9
    part = eps / (19 if proof == "rusca2018" else 15)

    def delta(n: float) -> float:
        return sqrt(n * log(1 / part) / 2)

    tau0 = p * exp(-mu) + q * exp(-nu)
    tau1 = p * exp(-mu) * mu + q * exp(-nu) * nu

    def single(n1: float, n2: float, m1: float, m2: float) -> float:
        n, m = n1 + n2, m1 + m2
        by_decoy = exp(nu) / q * (m2 + delta(m))
        by_signal = exp(mu) / p * (m1 + delta(m))
        vacuum = 2 * (tau0 * (by_decoy if proof == "rusca2018" else min(by_signal, by_decoy)) + delta(n))
        weak, strong = exp(nu) / q * (n2 - delta(n)), exp(mu) / p * (n1 + delta(n))
        return tau1 * mu / (nu * (mu - nu)) * (weak - nu**2 / mu**2 * strong - (mu**2 - nu**2) / mu**2 * vacuum / tau0)

    x1, y1 = single(n1, n2, m1, m2), single(z1, z2, c1, c2)
    v1 = tau1 / (mu - nu) * (exp(mu) / p * (c1 + delta(c1 + c2)) - exp(nu) / q * (c2 - delta(c1 + c2)))
    b = min(v1, c1 + c2) / y1
    if proof == "rusca2018":
        inside = (x1 + y1) / (x1 * y1 * (1 - b) * b) * 21**2 / eps**2
        gamma = sqrt((x1 + y1) * (1 - b) * b / (x1 * y1 * log(2)) * log2(inside))
        weak, strong = exp(nu) / q * (n2 - delta(n1 + n2)), exp(mu) / p * (n1 + delta(n1 + n2))
        kept = max(tau0 / (mu - nu) * (mu * weak - nu * strong), 0.0)
        cost = 6 * log2(19 / eps)
    else:
        gamma = sqrt((x1 + y1) / (x1 * y1) * (y1 + 1) / y1 * log(1 / part))
        kept, cost = 0.0, 4 * log2(15 / (eps * 2**0.25))
    phase, rate = b + gamma, (m1 + m2) / (n1 + n2)

    def entropy(x: float) -> float:
        return -x * log2(x) - (1 - x) * log2(1 - x)

    return floor(kept + x1 * (1 - entropy(phase)) - 1.16 * (n1 + n2) * entropy(rate) - cost - log2(2 / 1e-15))


@pytest.mark.parametrize("proof", core.ONE_DECOY_PROOFS)
def test_key_is_that_of_the_formulas_written_out_by_hand(proof: str) -> None:
    told = dict(ORDINARY)
    for name in OPTIONS:
        del told[name]
    key = core.one_decoy(told.pop("key_counts"), told.pop("key_errors"), **told, proof=proof)
    assert float(key.key_length) == by_hand(proof) > 1e6
    assert int(key.sampling_used) == core.SAMPLING_USED["gamma" if proof == "rusca2018" else "serfling"]


def test_unknown_proof_is_refused_with_the_allowed_names() -> None:
    told = {name: value for name, value in ORDINARY.items() if name not in OPTIONS}
    with pytest.raises(ValueError, match="proof must be one of rusca2018, wiesemann2026, not 'lim2014'"):
        core.one_decoy(told.pop("key_counts"), told.pop("key_errors"), **told, proof="lim2014")


def test_key_grows_with_counts_and_falls_with_errors_and_stricter_epsilon() -> None:
    def key(**changes: Any) -> float:
        return float(core.KERNELS["one_decoy"](*ordinary(**changes))[0])

    assert key() > key(key_errors=[5e4, 7e3])
    assert key() > key(test_errors=[2.5e3, 350.0])
    assert key() > key(eps_secrecy=1e-12)
    assert key(key_counts=[8.1e6, 1.06e6]) > key()
    assert key(sampling_bound=np.int8(1)) >= key(), "the exact tail is never looser than Serfling's inequality"
