"""Blocks of counts shared by the tests of the key kernels: random ones of every size, and impossible ones."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

#: Order of the raw kernel's inputs.
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
    "tail_bound",
    "sampling_bound",
    "key_from",
)

ORDINARY: dict[str, Any] = {
    "key_counts": [8e6, 1.2e6, 1e4],
    "key_errors": [4e4, 7e3, 4e3],
    "test_counts": [4e5, 6e4, 500.0],
    "test_errors": [2e3, 350.0, 200.0],
    "mean_photon_numbers": [0.5, 0.15, 2e-4],
    "key_probabilities": [0.7, 0.2, 0.1],
    "test_probabilities": [0.6, 0.3, 0.1],
    "eps_secrecy": 1e-9,
    "eps_correctness": 1e-15,
    "error_correction_efficiency": 1.16,
    "tail_bound": np.int8(0),
    "sampling_bound": np.int8(0),
    "key_from": np.int8(1),
}


def ordinary(**changes: Any) -> tuple[Any, ...]:
    """Return the inputs of the raw kernel for one block that gives key, with some of them changed."""
    return tuple((ORDINARY | changes)[name] for name in INPUTS)


def random_blocks(count: int, seed: int, *, tails: int = 2, samplings: int = 3) -> tuple[Array, ...]:
    """Return blocks of 10 to 1e10 detections with the first of the policies, about half of which give key."""
    rng = np.random.default_rng(seed)
    size = 10 ** rng.uniform(1, 9.5, (count, 1))
    key = np.floor(size * np.array([1, 0.3, 0.02]) * rng.uniform(0.5, 1.5, (count, 3)))
    test = np.floor(key * 10 ** rng.uniform(-2, 1, (count, 1)))
    key_errors = rng.binomial(key.astype(np.int64), 10 ** rng.uniform(-4, -1, (count, 1))).astype(np.float64)
    test_errors = rng.binomial(test.astype(np.int64), 10 ** rng.uniform(-4, -1, (count, 1))).astype(np.float64)
    numbers = [rng.uniform(0.4, 0.8, count), rng.uniform(0.08, 0.2, count), rng.choice([0, 2e-4, 0.02], count)]
    return (
        key,
        key_errors,
        test,
        test_errors,
        np.stack(numbers, axis=-1),
        rng.dirichlet([7, 2, 1], count) * 0.999 + 0.0003,
        rng.dirichlet([7, 2, 1], count) * 0.999 + 0.0003,
        10 ** rng.uniform(-15, -5, count),
        10 ** rng.uniform(-15, -5, count),
        rng.uniform(1, 1.3, count),
        rng.integers(0, tails, count).astype(np.int8),
        rng.integers(0, samplings, count).astype(np.int8),
        rng.integers(0, 2, count).astype(np.int8),
    )


#: Changes that make a block impossible, and the meaning of the status they must have.
IMPOSSIBLE: list[tuple[dict[str, Any], str]] = [
    ({"key_counts": [np.nan, 1.2e6, 1e4]}, "input_not_finite"),
    ({"test_counts": [4e5, np.inf, 500.0]}, "input_not_finite"),
    ({"test_errors": [2e3, -np.inf, 200.0]}, "input_not_finite"),
    ({"mean_photon_numbers": [0.5, np.nan, 2e-4]}, "input_not_finite"),
    ({"key_probabilities": [0.7, 0.2, np.inf]}, "input_not_finite"),
    ({"eps_secrecy": np.nan}, "input_not_finite"),
    ({"eps_correctness": np.inf}, "input_not_finite"),
    ({"error_correction_efficiency": np.nan}, "input_not_finite"),
    ({"key_counts": [8e6, -1.0, 1e4], "key_errors": [4e4, -1.0, 0.0]}, "impossible_counts"),
    ({"key_errors": [8e6 + 1, 0.0, 0.0]}, "impossible_counts"),
    ({"key_errors": [4e4, 7e3, -1.0]}, "impossible_counts"),
    ({"test_errors": [2e3, 350.0, 501.0]}, "impossible_counts"),
    ({"test_counts": [2e15, 6e4, 500.0]}, "impossible_counts"),
    ({"mean_photon_numbers": [0.5, 0.5, 2e-4]}, "intensities_break_the_conditions_of_the_bound"),
    ({"mean_photon_numbers": [0.15, 0.5, 2e-4]}, "intensities_break_the_conditions_of_the_bound"),
    ({"mean_photon_numbers": [0.5, 0.15, 0.15]}, "intensities_break_the_conditions_of_the_bound"),
    ({"mean_photon_numbers": [0.5, 0.15, -1e-9]}, "intensities_break_the_conditions_of_the_bound"),
    ({"mean_photon_numbers": [0.5, 0.4, 0.2]}, "intensities_break_the_conditions_of_the_bound"),
    ({"mean_photon_numbers": [1e4, 0.4, 0.2]}, "intensities_break_the_conditions_of_the_bound"),
    ({"key_probabilities": [0.7, 0.2, 0.0]}, "impossible_probabilities"),
    ({"test_probabilities": [-0.7, 0.2, 0.1]}, "impossible_probabilities"),
    ({"test_probabilities": [0.7, 0.2, 0.2]}, "impossible_probabilities"),
    ({"eps_secrecy": 0.0}, "failure_probability_outside_zero_to_one"),
    ({"eps_secrecy": 1.0}, "failure_probability_outside_zero_to_one"),
    ({"eps_correctness": -1e-15}, "failure_probability_outside_zero_to_one"),
    ({"error_correction_efficiency": 0.99}, "error_correction_efficiency_below_one"),
    ({"tail_bound": np.int8(6)}, "unknown_option"),  # Kato's inequality without a prediction
    ({"tail_bound": np.int8(7)}, "unknown_option"),
    ({"sampling_bound": np.int8(5)}, "unknown_option"),
    ({"sampling_bound": np.int8(-1)}, "unknown_option"),
    ({"key_from": np.int8(7)}, "unknown_option"),
]

#: Changes that leave a block possible but without key, and the meaning of the status they must have.
EMPTY: list[tuple[dict[str, Any], str]] = [
    ({"key_counts": [0.0, 0.0, 0.0], "key_errors": [0.0, 0.0, 0.0]}, "no_single_photons_proven"),
    ({"test_counts": [0.0, 0.0, 0.0], "test_errors": [0.0, 0.0, 0.0]}, "no_single_photons_proven"),
    ({"key_counts": [8e6, 0.0, 1e4], "key_errors": [4e4, 0.0, 4e3]}, "no_single_photons_proven"),
    ({"test_errors": [2e5, 3e4, 250.0]}, "no_sampling_bound"),
    ({"key_errors": [4e6, 6e5, 5e3]}, "no_key"),
    ({"key_errors": [8e6, 1.2e6, 1e4]}, "no_key"),
    ({"error_correction_efficiency": 25.0}, "no_key"),
    ({"eps_secrecy": 1e-300}, "no_single_photons_proven"),
]
