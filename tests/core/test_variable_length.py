"""Keys whose length follows the counts: twins, faults, the published form anew, other kernels as second routes."""

from __future__ import annotations

import importlib.util
from itertools import product
from math import exp, floor, log, log2, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qphys import core
from qphys.core import reference_variable_length as reference


def sibling(name: str) -> Any:
    specification = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


blocks, one_decoy = sibling("blocks"), sibling("test_one_decoy")
Array = np.ndarray[Any, Any]

TWO = {name: value for name, value in blocks.ORDINARY.items() if name not in ("tail_bound", "sampling_bound", "key_from")}
ONE = {name: value for name, value in one_decoy.ORDINARY.items() if name not in one_decoy.OPTIONS}

PASS = TWO | {
    "key_counts": [2.11e7, 1.858e6, 9e4],  # transmittance 0.02, 1e-4 dark counts a pulse, 1 % errors
    "key_errors": [3.15e5, 4.8e4, 1.56e4],
    "test_counts": [4.02e6, 6.192e5, 1.2e5],
    "test_errors": [6e4, 1.6e4, 2.08e4],
    "mean_photon_numbers": [0.5, 0.15, 0.01],
    "key_probabilities": [0.7, 0.2, 0.1],
    "test_probabilities": [0.4, 0.2, 0.4],
}
"""A block in which no bound is clipped."""


def code(value: int) -> np.int8:
    return np.int8(value)


def two_decoys(**changes: Any) -> tuple[Any, ...]:
    told = TWO | {"detector_ratio": 1.0, "tail_bound": code(0), "proof": code(1), "sampling_bound": code(1)} | changes
    return tuple(told.values())


def random_blocks(intensities: int) -> tuple[Array, ...]:
    rng = np.random.default_rng(intensities)
    ratio = np.where(rng.uniform(size=5003) < 0.3, rng.uniform(0.85, 1, 5003), 1.0)  # like detectors in seven of ten
    if intensities == 3:
        *numbers, tail, _, _ = blocks.random_blocks(5003, seed=20251211)
        proof = np.where(ratio < 1, 1, rng.integers(0, 2, 5003)).astype(np.int8)
        sampling = np.where(ratio < 1, 0, rng.integers(0, 2, 5003)).astype(np.int8)
        return (*numbers, ratio, tail, proof, sampling)
    numbers = one_decoy.random_blocks(5003, seed=20251212)[:10]
    return (*numbers, ratio, rng.integers(0, 2, 5003).astype(np.int8))


BLOCKS = {"variable_length_one_decoy": random_blocks(2), "variable_length_two_decoys": random_blocks(3)}


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("level", core.instruction_sets())
def test_kernel_agrees_with_its_twin_to_1e_12_of_the_largest_term(level: str, name: str) -> None:
    inputs = BLOCKS[name]
    got, expected = core.kernels(level)[name](*inputs), getattr(reference, name)(*inputs)
    whole = np.sum(inputs[0], axis=-1) + np.sum(inputs[2], axis=-1)
    np.testing.assert_array_equal(got[0], expected[0])
    for term in (1, 2, 3, 4, 6):
        assert np.max(np.abs(got[term] - expected[term]) / whole) < 1e-12
    np.testing.assert_allclose(got[5], expected[5], rtol=1e-12)
    np.testing.assert_array_equal(got[7], expected[7])
    np.testing.assert_array_equal(got[8], expected[8])
    used = np.bincount(got[7], minlength=4)
    assert np.all(used[[0, 3] if name.endswith("one_decoy") else [0, 2, 3]] > 100)
    assert np.all(np.bincount(got[8])[:4] > 5)


@pytest.mark.parametrize("name", BLOCKS)
def test_every_instruction_set_and_cut_gives_the_same_bits(name: str) -> None:
    whole = core.kernels("baseline")[name](*BLOCKS[name])
    for level in core.instruction_sets():
        for cut in (slice(1), slice(5, 12), slice(129), slice(11, 1017), slice(None, None, 3)):
            for got, expected in zip(core.kernels(level)[name](*(v[cut] for v in BLOCKS[name])), whole, strict=True):
                np.testing.assert_array_equal(got, expected[cut])


OF_LIM = [(change, meaning) for change, meaning in blocks.IMPOSSIBLE if not {"sampling_bound", "key_from"} & set(change)]


@pytest.mark.parametrize(
    ("change", "meaning"),
    [*OF_LIM, ({"proof": code(2)}, "unknown_option"), ({"sampling_bound": code(-1)}, "unknown_option")],
)
@pytest.mark.parametrize("proof", [0, 1])
def test_impossible_block_of_three_has_key_zero_nan_bounds_and_its_status(
    change: dict[str, Any], meaning: str, proof: int
) -> None:
    inputs = two_decoys(**({"proof": code(proof)} | change))
    got = core.KERNELS["variable_length_two_decoys"](*inputs)
    assert got[0] == 0
    assert got[8] == core.STATUS[meaning]
    assert got[7] == 0
    assert np.all(np.isnan(got[1:7]))
    assert reference.variable_length_two_decoys(*inputs)[8] == core.STATUS[meaning]


@pytest.mark.parametrize(
    ("change", "meaning"),
    [
        ({"key_counts": [np.nan, 1.2e6]}, "input_not_finite"),
        ({"error_correction_efficiency": np.inf}, "input_not_finite"),
        ({"key_errors": [8e6 + 1, 0.0]}, "impossible_counts"),
        ({"test_counts": [2e15, 6e4]}, "impossible_counts"),
        ({"mean_photon_numbers": [0.5, 0.0]}, "intensities_break_the_conditions_of_the_bound"),
        ({"key_probabilities": [1.0, 0.0]}, "impossible_probabilities"),
        ({"eps_secrecy": 0.0}, "failure_probability_outside_zero_to_one"),
        ({"error_correction_efficiency": 0.99}, "error_correction_efficiency_below_one"),
        ({"tail_bound": code(2)}, "unknown_option"),
        ({"detector_ratio": 0.0}, "impossible_probabilities"),
        ({"detector_ratio": 1.01}, "impossible_probabilities"),
        ({"detector_ratio": np.nan}, "input_not_finite"),
    ],
)
def test_impossible_block_of_two_has_key_zero_nan_bounds_and_its_status(change: dict[str, Any], meaning: str) -> None:
    inputs = tuple((ONE | {"detector_ratio": 1.0, "tail_bound": code(0)} | change).values())
    got = core.KERNELS["variable_length_one_decoy"](*inputs)
    assert got[0] == 0
    assert got[8] == core.STATUS[meaning]
    assert np.all(np.isnan(got[1:7]))
    assert reference.variable_length_one_decoy(*inputs)[8] == core.STATUS[meaning]


@pytest.mark.parametrize(("change", "meaning"), blocks.EMPTY)
def test_possible_block_without_key_says_why(change: dict[str, Any], meaning: str) -> None:
    got = core.KERNELS["variable_length_two_decoys"](*two_decoys(**change))
    assert got[0] == 0
    assert got[8] == core.STATUS[meaning]
    assert np.all(np.isfinite(got[1:7]))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=25, max_size=25),
    st.tuples(*[st.integers(-128, 127)] * 3),
)
def test_no_input_raises_or_gives_key_without_a_good_status(numbers: list[float], codes: tuple[int, int, int]) -> None:
    for size, name in ((3, "two_decoys"), (2, "one_decoy")):
        vectors = [numbers[size * i : size * (i + 1)] for i in range(7)]
        policies = [code(value) for value in codes][: 3 if size == 3 else 1]
        got = core.KERNELS[f"variable_length_{name}"](*vectors, *numbers[21:], *policies)
        assert (got[0] > 0) == (got[8] == 0)
        assert np.isfinite(got[0])


def entropy(x: float) -> float:
    return -x * log2(x) - (1 - x) * log2(1 - x)


def published(n_x: list[float], n_k: list[float], wrong_x: list[float], leak: float, eps: dict[str, float]) -> float:
    """Key length as the authors of the published proof compute it from their epsilons, for detectors that are equal.

    From the expressions of their public archive: Hoeffding over both sides of nine intervals, each failing with
    eps["decoy"] squared; Serfling with eps["sampling"] squared.
    """
    mu, p_x, p_k = PASS["mean_photon_numbers"], PASS["test_probabilities"], PASS["key_probabilities"]

    def interval(counts: list[float], p: list[float]) -> tuple[list[float], list[float]]:
        spread = sqrt(sum(counts) / 2 * (log(2) - 2 * log(eps["decoy"])))
        scale = [exp(m) / w for m, w in zip(mu, p, strict=True)]
        low, high = ([s * (c + side * spread) for s, c in zip(scale, counts, strict=True)] for side in (-1, 1))
        return low, high

    def tau(n: int, p: list[float]) -> float:
        return sum(w * exp(-m) * m**n for w, m in zip(p, mu, strict=True))

    def single(counts: list[float], p: list[float]) -> float:
        low, high = interval(counts, p)
        zero = max(tau(0, p) * (mu[1] * low[2] - mu[2] * high[1]) / (mu[1] - mu[2]), 0.0)
        rest = (mu[1] ** 2 - mu[2] ** 2) / mu[0] ** 2 * (high[0] - zero / tau(0, p))
        over = mu[0] * (mu[1] - mu[2]) - mu[1] ** 2 + mu[2] ** 2
        return tau(1, p) * mu[0] * (low[1] - high[2] - rest) / over

    low, high = interval(wrong_x, p_x)
    tested, kept = single(n_x, p_x), single(n_k, p_k)
    error = tau(1, p_x) * (high[1] - low[2]) / (mu[1] - mu[2]) / tested
    f_serf = kept * tested**2 / ((kept + tested) * (tested + 1))
    phase = error + sqrt(-log(eps["sampling"]) / f_serf)
    return kept * (1 - entropy(phase)) - leak + (2 + 2 * log2(eps["hashing"])) + log2(eps["verification"]) - 1


def test_key_of_the_published_proof_is_that_of_its_authors_expressions() -> None:
    key = core.variable_length(**PASS, proof="tupkary2025", tail_bound="hoeffding")
    counts, wrong = PASS["key_counts"], PASS["key_errors"]
    leak = 1.16 * sum(counts) * entropy(sum(wrong) / sum(counts))
    announced = log2(sum(counts) + 1) + sum(log2(n + 1) for n in counts)  # ours in addition
    third = 1e-9 / 3
    tail = third**2 / 13  # 12 sides of intervals and sampling
    eps = {"decoy": sqrt(2 * tail), "sampling": sqrt(tail), "hashing": third, "verification": 1e-15}
    told = published(PASS["test_counts"], counts, PASS["test_errors"], leak + announced, eps)
    assert float(key.key_length) == floor(told) > 1e5
    # their budget: nine two-sided intervals would fail with 18 tails; twelve of them are used
    assert 12 * tail + tail == pytest.approx(third**2, rel=1e-12)


@pytest.mark.parametrize("tail_bound", ["hoeffding", "chernoff"])
@pytest.mark.parametrize("sampling_bound", ["exact", "serfling"])
def test_bounds_of_two_decoys_are_those_of_lim2014_at_equal_parts(tail_bound: str, sampling_bound: str) -> None:
    # second route: the other kernel, its part of epsilon made equal (15 parts here, 21 there); key by hand
    key = core.variable_length(**PASS, tail_bound=tail_bound, sampling_bound=sampling_bound)
    same = PASS | {"eps_secrecy": 1e-9 * 21 / 15}
    other = core.lim2014(**same, tail_bound=tail_bound, sampling_bound="exact_smoothing", key_from="all")
    for name in ("vacuum_lower", "single_photon_lower", "test_single_photon_lower", "test_single_photon_error_upper"):
        assert float(getattr(key, name)) == pytest.approx(float(getattr(other, name)), rel=1e-12)
    part = 1e-9 / 15
    s1, k, v = (
        float(x) for x in (key.single_photon_lower, key.test_single_photon_lower, key.test_single_photon_error_upper)
    )
    serfling = v / k + sqrt((s1 + k) * (k + 1) / (s1 * k * k) * log(1 / part))  # exp(-2 s1 k^2 g^2/((s1+k)(k+1))) = part^2
    phase = float(other.phase_error_upper) if sampling_bound == "exact" else serfling
    assert float(key.phase_error_upper) == pytest.approx(phase, rel=1e-12)
    assert float(other.phase_error_upper) < serfling
    counts = PASS["key_counts"]
    announced = log2(sum(counts) + 1) + sum(log2(n + 1) for n in counts)
    told = float(key.vacuum_lower) + s1 * (1 - entropy(phase)) - float(key.leakage) - announced
    assert float(key.key_length) == floor(told - 2 * log2(1 / (2 * part)) - log2(2 / 1e-15)) > 1e5


def test_bounds_of_one_decoy_are_those_of_wiesemann2026_at_equal_parts() -> None:
    # second route: the other kernel, its part of epsilon made equal (14 parts here, 15 there); key by hand
    key = core.variable_length(**ONE, tail_bound="hoeffding")
    other = core.one_decoy(**(ONE | {"eps_secrecy": 1e-9 * 15 / 14}), proof="wiesemann2026")
    names = ("vacuum_lower", "single_photon_lower", "test_single_photon_lower", "test_single_photon_error_upper")
    for name in (*names, "phase_error_upper", "leakage"):
        assert float(getattr(key, name)) == pytest.approx(float(getattr(other, name)), rel=1e-12)
    assert int(key.sampling_used) == core.SAMPLING_USED["serfling"]
    part, counts = 1e-9 / 14, ONE["key_counts"]
    announced = log2(sum(counts) + 1) + sum(log2(n + 1) for n in counts)
    told = float(key.vacuum_lower) + float(key.single_photon_lower) * (1 - entropy(float(key.phase_error_upper)))
    told -= float(key.leakage) + announced + 2 * log2(1 / (2 * part)) + log2(2 / 1e-15)
    assert float(key.key_length) == floor(told) > 1e6


def test_key_grows_with_counts_and_falls_with_errors_and_stricter_epsilon() -> None:
    def key(**changes: Any) -> float:
        return float(core.variable_length(**(TWO | changes), tail_bound="hoeffding").key_length)

    assert key() > key(key_errors=[5e4, 8e3, 4e3])
    assert key() > key(test_errors=[2e3, 450, 200.0])
    assert key() > key(eps_secrecy=1e-12)
    assert key(key_counts=[8.1e6, 1.23e6, 1e4]) > key()
    assert key() > float(core.variable_length(**TWO, tail_bound="hoeffding", sampling_bound="serfling").key_length)
    assert key() > float(core.variable_length(**TWO, tail_bound="hoeffding", proof="tupkary2025").key_length)


@pytest.mark.parametrize(
    ("told", "policy", "meaning"),
    [
        (ONE, {"proof": "tupkary2025"}, "tupkary2025 takes 3 intensities, not 2"),
        (ONE, {"sampling_bound": "exact"}, "own or serfling with one decoy"),
        (TWO, {"sampling_bound": "exact_smoothing"}, "must be one of serfling, exact"),
        (TWO, {"proof": "lim2014"}, "proof must be one of tupkary2025, variable-length"),
        (TWO | {"key_counts": [1.0]}, {}, "takes 2 or 3 intensities, not 1"),
        (TWO | {"detector_ratio": 0.9}, {"proof": "tupkary2025"}, "detector_ratio below 1 is for the proof variable-length"),
        (
            TWO | {"detector_ratio": 0.9},
            {"sampling_bound": "exact"},
            "detector_ratio below 1 is for the proof variable-length",
        ),
    ],
)
def test_what_the_proof_does_not_have_is_refused(told: dict[str, Any], policy: dict[str, str], meaning: str) -> None:
    with pytest.raises(ValueError, match=meaning):
        core.variable_length(**told, tail_bound="hoeffding", **policy)


@pytest.mark.parametrize(("told", "parts"), [(PASS, 15), (ONE, 14)], ids=["two decoys", "one decoy"])
def test_unlike_detectors_cost_what_the_formula_says(told: dict[str, Any], parts: int) -> None:
    alike = core.variable_length(**told, tail_bound="hoeffding", sampling_bound="serfling")
    key = core.variable_length(**told, tail_bound="hoeffding", detector_ratio=0.98)
    s, d, v = (float(x) for x in (key.single_photon_lower, key.test_single_photon_lower, key.test_single_photon_error_upper))
    chance = (1e-9 / parts) ** 2 / 3  # of each of the three tails
    sampling = sqrt((s + d) * (d + 1) / (s * d * d) * log(1 / chance) / 2)
    spread = sqrt(log(1 / chance) / (2 * s))
    phase = (v / d + sampling + (1 - 0.98**2) / 2 + spread) / (0.98 - spread)
    assert float(key.phase_error_upper) == pytest.approx(phase, rel=1e-12)
    for name in ("vacuum_lower", "single_photon_lower", "test_single_photon_lower", "leakage"):
        assert getattr(key, name) == getattr(alike, name)
    assert 0 < float(key.key_length) < float(alike.key_length)
    # a ratio near 1 leaves the spread of three tails, which like detectors do not pay
    near = core.variable_length(**told, tail_bound="hoeffding", detector_ratio=1 - 1e-9)
    assert float(alike.phase_error_upper) < float(near.phase_error_upper) < float(alike.phase_error_upper) + 3 * spread


def fock(n: int) -> list[tuple[int, int]]:
    return [(n - k, k) for k in range(n + 1)]


def rotation(n: int) -> Array:
    """Amplitudes <n0, n1 in one basis | k0, k1 in the other> for n photons, bases turned by 45 degrees in polarization."""
    from math import factorial

    turned = np.zeros((n + 1, n + 1))
    for row, (a, b) in enumerate(fock(n)):
        for column, (c, d) in enumerate(fock(n)):
            # (x+y)^c (x-y)^d / sqrt(2)^n: coefficient of x^a y^b
            terms = [
                (-1) ** (b - j)
                * factorial(c)
                * factorial(d)
                / (factorial(j) * factorial(c - j) * factorial(b - j) * factorial(d - b + j))
                for j in range(max(0, b - d), min(b, c) + 1)
            ]
            norm = sqrt(factorial(a) * factorial(b) / (factorial(c) * factorial(d)))
            turned[row, column] = sum(terms) * norm / sqrt(2) ** n
    return turned


def clicks(n: int, efficiency: Array, dark: Array) -> tuple[Array, Array]:
    """Outcomes 0 and 1 of n photons before two threshold detectors, diagonal in their basis; double clicks by a coin."""
    silent = np.array([[(1 - dark[x]) * (1 - efficiency[x]) ** number[x] for x in (0, 1)] for number in fock(n)])
    click = 1 - silent
    both = click[:, 0] * click[:, 1] / 2
    return click[:, 0] * silent[:, 1] + both, click[:, 1] * silent[:, 0] + both


def test_phase_errors_of_unlike_detectors_are_bounded_by_errors_of_the_test_for_every_state() -> None:
    # Oracle: the receiver's operators themselves, 0 to 4 photons, random efficiencies and dark counts in a range. The
    # bound of (11) says: the key's phase-error operator of some measurement of the receiver is at most g times the test's
    # error operator plus (1 - g^2)/2, behind the common filter; and at least g of what passes it is detected.
    rng = np.random.default_rng(9)
    for trial in range(60):
        g = rng.uniform(0.6, 0.999)
        efficiency, dark = rng.uniform(g, 1, (2, 2)), 0.01 * rng.uniform(g, 1, (2, 2))
        if trial % 2:
            efficiency, dark = np.where(efficiency > (1 + g) / 2, 1, g), 0.01 * np.where(dark > 0.005 * (1 + g), 1, g)
        for n in range(5):
            passed = 1 - (1 - 0.01) ** 2 if n == 0 else 1.0
            turn = rotation(n)
            np.testing.assert_allclose(turn @ turn.T, np.eye(n + 1), atol=1e-12)
            key = [np.diag(x) / passed for x in clicks(n, efficiency[0], dark[0])]
            test = [turn @ np.diag(x) @ turn.T / passed for x in clicks(n, efficiency[1], dark[1])]
            one = np.eye(n + 1)
            for told in (key, test):
                found = np.linalg.eigvalsh(told[0] + told[1])
                assert g - 1e-12 <= found.min() and found.max() <= 1 + 1e-12
            detected, tested = key[0] + key[1], test[0] + test[1]
            root = np.diag(1 / np.sqrt(np.diag(detected)))
            guess = [root @ (g * (x + (one - tested) / 2) + (detected - g * one) / 2) @ root for x in test]
            np.testing.assert_allclose(guess[0] + guess[1], one, atol=1e-12)
            assert min(np.linalg.eigvalsh(x).min() for x in guess) > -1e-12
            back = np.diag(np.sqrt(np.diag(detected)))
            # the sender's bit says which guess is the error: each of the two by itself
            for x in (0, 1):
                excess = back @ guess[x] @ back - g * test[x] - (1 - g**2) / 2 * one
                assert np.linalg.eigvalsh(excess).max() < 1e-12


def distance(strings: Array, weights: Array, hashes: Array) -> float:
    """Mean distance of linear hashes from uniform [times the probability of the event], over matrices (h, l, n)."""
    images = np.einsum("hln,zn->hlz", hashes, strings) % 2
    places = np.tensordot(2 ** np.arange(hashes.shape[1]), images, axes=(0, 1)).astype(int)  # (h, z)
    bins = np.stack([np.bincount(row, weights=weights, minlength=2 ** hashes.shape[1]) for row in places])
    return float(np.mean(np.abs(bins - weights.sum() / 2 ** hashes.shape[1]).sum(axis=1)) / 2)


def test_a_length_that_follows_what_is_announced_of_the_key_costs_what_is_charged() -> None:
    # Exact count of a small case: 12 bits, of which Eve knows 2; the number of ones is announced and the length follows
    # it. With log2(13) bits charged for the announcement the distance from a perfect key is below eps_PA, summed over
    # all announcements; without the charge it is above.
    bits, known, eps = 12, 2, 1 / 8
    strings = np.array(list(product((0, 1), repeat=bits)))
    hashes = np.random.default_rng(6).integers(0, 2, (24, 8, bits))

    def found(charge: float) -> float:
        total = 0.0
        for ones, prefix in product(range(bits + 1), product((0, 1), repeat=known)):
            event = (strings.sum(axis=1) == ones) & (strings[:, :known] == prefix).all(axis=1)
            length = floor(bits - known - charge - 2 * log2(1 / (2 * eps))) - ones % 2
            if event.any():
                total += distance(strings[event], np.full(int(event.sum()), 2.0**-bits), hashes[:, :length])
        return total

    assert found(log2(bits + 1)) < eps < found(0.0)
