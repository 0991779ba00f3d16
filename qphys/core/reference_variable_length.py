"""The slow twins of the kernels of variable length: same names, same order of arguments, written to be read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from qphys.core.reference import _entropy, _worst, errors_upper

Array = np.ndarray[Any, Any]
Block = tuple[Array, Array, Array, Array, Array, Array, Array, Array, Array]


@np.errstate(all="ignore")
def variable_length_two_decoys(
    key_counts: ArrayLike,
    key_errors: ArrayLike,
    test_counts: ArrayLike,
    test_errors: ArrayLike,
    mean_photon_numbers: ArrayLike,
    key_probabilities: ArrayLike,
    test_probabilities: ArrayLike,
    eps_secrecy: ArrayLike,
    eps_correctness: ArrayLike,
    error_correction_efficiency: ArrayLike,
    detector_ratio: ArrayLike,
    tail_bound: ArrayLike,
    proof: ArrayLike,
    sampling_bound: ArrayLike,
) -> Block:
    """Return key length, s_0, s_1, s_Z1, v_Z1, phase error, leakage, sampling bound used and status."""
    vectors = (key_counts, key_errors, test_counts, test_errors, mean_photon_numbers, key_probabilities, test_probabilities)
    x, a, z, c, mu, p, q = (np.moveaxis(np.asarray(value, dtype=np.float64), -1, 0) for value in vectors)
    squared = np.asarray(proof) == 0
    eps = np.asarray(eps_secrecy, dtype=np.float64)
    # A tail of photon numbers fails with (eps/3)^2/13 or eps/15, sampling with the same or with its square.
    beta = np.where(squared, np.log(13) + 2 * np.log(3 / eps), np.log(15 / eps))
    mu1, mu2, mu3 = mu

    def basis(count: Array, error: Array, probability: Array) -> tuple[Array, Array, Array]:
        """Return the bounds of vacuum, of single-photon and of wrong single-photon events, Eqs 3 to 5."""
        n, m = count[0] + count[1] + count[2], error[0] + error[1] + error[2]
        w1, w2, w3 = (np.exp(number) / weight for number, weight in zip(mu, probability, strict=True))
        tau0, tau1 = (
            sum(w * np.exp(-number) * number**order for w, number in zip(probability, mu, strict=True)) for order in (0, 1)
        )
        low, high = _tails(beta, np.asarray(tail_bound))
        vacuum = np.clip(tau0 * (mu2 * w3 * low(count[2], n) - mu3 * w2 * high(count[1], n)) / (mu2 - mu3), 0, n)
        rest = w1 * high(count[0], n) - vacuum / tau0
        single = w2 * low(count[1], n) - w3 * high(count[2], n) - (mu2**2 - mu3**2) / mu1**2 * rest
        single = tau1 * mu1 * single / (mu1 * (mu2 - mu3) - mu2**2 + mu3**2)
        wrong = tau1 * (w2 * high(error[1], m) - w3 * low(error[2], m)) / (mu2 - mu3)
        return vacuum, np.clip(single, 0, n), np.clip(wrong, 0, m)

    s0, s1, _ = basis(x, a, p)
    _, s_z1, v_z1 = basis(z, c, q)
    bad = (mu3 < 0) | (mu2 <= mu3) | (mu1 <= mu2 + mu3) | (mu1 > 100)
    codes = ~np.isin(tail_bound, [0, 1]) | ~np.isin(proof, [0, 1]) | ~np.isin(sampling_bound, [0, 1])
    ratio = np.asarray(detector_ratio, dtype=np.float64)
    codes = codes | ((ratio < 1) & (squared | (np.asarray(sampling_bound) == 1)))
    hashing = np.where(squared, 2 * np.log2(3 / (2 * eps)), 2 * np.log2(15 / (2 * eps)))
    kept = np.where(squared, 0.0, s0)
    log_eps = -np.where(squared, beta, 2 * beta)
    return _key(
        (x, a, z, c, mu, p, q),
        (s0, s1, s_z1, v_z1, kept),
        (eps, np.asarray(eps_correctness, dtype=np.float64), np.asarray(error_correction_efficiency, dtype=np.float64)),
        hashing,
        log_eps,
        np.asarray(sampling_bound) == 1,
        ratio,
        (bad, codes),
    )


@np.errstate(all="ignore")
def variable_length_one_decoy(
    key_counts: ArrayLike,
    key_errors: ArrayLike,
    test_counts: ArrayLike,
    test_errors: ArrayLike,
    mean_photon_numbers: ArrayLike,
    key_probabilities: ArrayLike,
    test_probabilities: ArrayLike,
    eps_secrecy: ArrayLike,
    eps_correctness: ArrayLike,
    error_correction_efficiency: ArrayLike,
    detector_ratio: ArrayLike,
    tail_bound: ArrayLike,
) -> Block:
    """Return key length, s_0, s_1, s_Z1, v_Z1, phase error, leakage, sampling bound used and status."""
    vectors = (key_counts, key_errors, test_counts, test_errors, mean_photon_numbers, key_probabilities, test_probabilities)
    x, a, z, c, mu, p, q = (np.moveaxis(np.asarray(value, dtype=np.float64), -1, 0) for value in vectors)
    eps = np.asarray(eps_secrecy, dtype=np.float64)
    beta = np.log(14 / eps)
    mu1, mu2 = mu

    def basis(count: Array, error: Array, probability: Array) -> tuple[Array, Array, Array]:
        """Return the bounds of vacuum, of single-photon and of wrong single-photon events, Eqs 6 to 9."""
        n, m = count[0] + count[1], error[0] + error[1]
        w1, w2 = (np.exp(number) / weight for number, weight in zip(mu, probability, strict=True))
        tau0 = probability[0] * np.exp(-mu1) + probability[1] * np.exp(-mu2)
        tau1 = probability[0] * np.exp(-mu1) * mu1 + probability[1] * np.exp(-mu2) * mu2
        low, high = _tails(beta, np.asarray(tail_bound))
        n1, n2 = high(count[0], n), low(count[1], n)
        vacuum = tau0 / (mu1 - mu2) * (mu1 * w2 * n2 - mu2 * w1 * n1)
        wrong_vacuum = tau0 * np.minimum(w1 * high(error[0], m), w2 * high(error[1], m))
        vacuum_upper = np.minimum(2 * (wrong_vacuum + np.sqrt(n * beta / 2)), n)
        rest = (mu1**2 - mu2**2) / mu1**2 * vacuum_upper / tau0
        single = tau1 * mu1 / (mu2 * (mu1 - mu2)) * (w2 * n2 - mu2**2 / mu1**2 * w1 * n1 - rest)
        wrong = tau1 / (mu1 - mu2) * (w1 * high(error[0], m) - w2 * low(error[1], m))
        return np.clip(vacuum, 0, n), np.clip(single, 0, n), np.clip(wrong, 0, m)

    s0, s1, _ = basis(x, a, p)
    _, s_z1, v_z1 = basis(z, c, q)
    return _key(
        (x, a, z, c, mu, p, q),
        (s0, s1, s_z1, v_z1, s0),
        (eps, np.asarray(eps_correctness, dtype=np.float64), np.asarray(error_correction_efficiency, dtype=np.float64)),
        2 * np.log2(14 / (2 * eps)),
        -2 * beta,
        np.asarray(False),
        np.asarray(detector_ratio, dtype=np.float64),
        ((mu2 < 1e-30) | (mu1 <= mu2) | (mu1 > 100), ~np.isin(tail_bound, [0, 1])),
    )


def _tails(beta: Array, tail_bound: Array) -> tuple[Any, Any]:
    """Return the bounds of a count's mean from below and from above, each but with probability exp(-beta)."""

    def low(count: Array, total: Array) -> Array:
        inverted = count + beta / 2 - np.sqrt(2 * beta * count + beta**2 / 4)
        return np.maximum(np.where(tail_bound == 1, inverted, count - np.sqrt(total * beta / 2)), 0.0)

    def high(count: Array, total: Array) -> Array:
        inverted = count + beta + np.sqrt(2 * beta * count + beta**2)
        return np.minimum(np.where(tail_bound == 1, inverted, count + np.sqrt(total * beta / 2)), total)

    return low, high


def _key(
    inputs: tuple[Array, ...],
    bounds: tuple[Array, ...],
    settings: tuple[Array, Array, Array],
    hashing: Array,
    log_eps: Array,
    exact: Array,
    ratio: Array,
    faults: tuple[Array, Array],
) -> Block:
    """Return what the twins return, from the bounds s_0, s_1, s_Z1, v_Z1 and the vacuum events that are kept."""
    x, a, z, c, mu, p, q = inputs
    s0, s1, s_z1, v_z1, kept = bounds
    eps_sec, eps_cor, f = settings
    b = v_z1 / s_z1
    beta = np.where(ratio < 1, np.log(3), 0.0) - log_eps
    serfling = b + np.sqrt((s_z1 + s1) / (s_z1 * s1) * (s_z1 + 1) / s_z1 * beta / 2)  # Eq. 10
    spread = np.sqrt(beta / (2 * s1))
    unlike = np.where(ratio > spread, (serfling + (1 - ratio**2) / 2 + spread) / (ratio - spread), 1.0)  # Eq. 11
    serfling = np.where(ratio < 1, unlike, serfling)
    whole = np.ceil(v_z1), np.floor(s_z1), np.floor(s1)
    enough = (whole[1] >= 1) & (whole[2] >= 2) & (b < 0.5)
    by_serfling = enough & ~exact & (serfling < 0.5)
    rows = np.broadcast_to(enough & exact, np.broadcast_shapes(enough.shape, exact.shape, log_eps.shape))
    errors = np.full(rows.shape, np.nan)
    errors[rows] = errors_upper(*(np.broadcast_to(value, rows.shape)[rows] for value in (*whole, log_eps)))
    by_tail = ~np.isnan(errors)
    phase = np.where(by_serfling, serfling, np.where(by_tail, errors / whole[2], 0.5))
    used = np.where(by_serfling, 3, np.where(by_tail, 2, 0))

    n, m = np.sum(x, axis=0), np.sum(a, axis=0)
    leak = f * n * _entropy(np.where(n > 0, m / np.where(n > 0, n, 1.0), 0.0))
    announced = np.log2(n + 1) + np.sum(np.log2(x + 1), axis=0)
    key = np.floor(kept + s1 * (1 - _entropy(phase)) - leak - announced - hashing - np.log2(2 / eps_cor))  # Eq. 1
    finite = sum(np.sum(value, axis=0) for value in (x, a, z, c, mu, p, q)) + eps_sec + eps_cor + f + ratio
    fault = _worst(
        [
            (~np.isfinite(finite), 11),
            (np.any((a < 0) | (a > x) | (c < 0) | (c > z), axis=0), 10),
            ((np.sum(x, axis=0) > 1e15) | (np.sum(z, axis=0) > 1e15), 10),
            (faults[0], 9),
            ((ratio <= 0) | (ratio > 1), 8),
            (np.any((p < 1e-30) | (q < 1e-30), axis=0), 8),
            ((np.sum(p, axis=0) > 1 + 1e-9) | (np.sum(q, axis=0) > 1 + 1e-9), 8),
            ((eps_sec < 1e-300) | (eps_sec >= 1) | (eps_cor < 1e-300) | (eps_cor >= 1), 7),
            (f < 1, 6),
            (faults[1], 5),
        ]
    )
    status = np.where(key > 0, 0, 1)
    status = np.where(used == 0, 3, status)
    status = np.where((s1 > 0) & (s_z1 > 0), status, 2)
    status = np.where(fault > 0, fault, status).astype(np.int8)
    told = [np.where(fault > 0, np.nan, value) for value in (s0, s1, s_z1, v_z1, phase, leak)]
    key = np.where(status == 0, key, 0.0)
    used = np.where(fault > 0, 0, used).astype(np.int8)
    return key, told[0], told[1], told[2], told[3], told[4], told[5], used, status
