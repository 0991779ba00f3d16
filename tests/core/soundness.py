"""Blocks whose truth is known: how often do the bounds of a proof fail?

An attacker who sees the photon number of every pulse, but neither its basis nor its intensity, chooses which are detected
and which would err in the test basis. The sender's choices are drawn afterwards, by Bayes' rule. What a proof bounds is then
known and can be counted. `python tests/core/soundness.py TRIALS PICTURE.png` counts, tells and draws.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import xarray as xr

from qphys import core

Array = np.ndarray[Any, Any]

PHOTONS: Final = np.arange(7)

CHANNELS: Final = ("lossy", "splitting", "time-dependent")
"""Independent loss; number splitting: single photons held back, pairs let through, nothing above; a channel whose
single-photon yield and error rate change from slot to slot with what was seen before."""

ERRORS: Final = ("few", "many")

SENDERS: Final[dict[int, tuple[Array, Array, Array]]] = {
    3: (np.array([0.5, 0.15, 2e-3]), np.array([0.5, 0.3, 0.2]), np.array([0.4, 0.35, 0.25])),
    2: (np.array([0.5, 0.15]), np.array([0.6, 0.4]), np.array([0.5, 0.5])),
}
"""Number of intensities -> mean photon numbers, probabilities in the key basis and in the test basis."""

TEST: Final = 0.3
"""Probability that both choose the test basis, of the events with equal bases."""

BOUNDS: Final = ("vacuum", "single", "test single", "test error", "phase error")
"""What a proof bounds, as `failures` names it."""

PARTS: Final = {
    ("lim2014", "all", 3): 21,
    ("lim2014", "signal", 3): 23,
    ("rusca2018", "all", 2): 19,
    ("rusca2018", "signal", 2): 21,
    ("wiesemann2026", "all", 2): 15,
    ("wiesemann2026", "signal", 2): 16,
    ("variable-length", "all", 3): 15,
    ("variable-length", "all", 2): 14,
}
"""(proof, key_from, intensities) -> parts of the secrecy epsilon."""


class Truth(NamedTuple):
    """Counts that a proof gets and what it bounds, a block each; `signal`: of the brightest intensity only."""

    key_counts: Array
    key_errors: Array
    test_counts: Array
    test_errors: Array
    vacuum: Mapping[str, Array]
    single: Mapping[str, Array]
    phase_wrong: Mapping[str, Array]
    test_single: Array
    test_wrong: Array


def attacked(channel: str, errors: str, tau: Array, trials: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Detected events by photon number and those that would err in the test basis, both (trials, photons)."""
    few = errors == "few"
    seen = 1 - (1 - 3e-5) * 0.99**PHOTONS
    if channel == "lossy":
        events = rng.poisson(6e7 * tau * seen, (trials, len(PHOTONS)))
        wrong = rng.binomial(events, 5e-5 if few else 0.02)
    elif channel == "splitting":
        events = np.tile(np.array([4000, 90000, 90000, 0, 0, 0, 0]), (trials, 1))
        wrong = np.tile(np.array([0, 6 if few else 3000, 0, 0, 0, 0, 0]), (trials, 1))
    else:
        events, wrong = (np.zeros((trials, len(PHOTONS)), dtype=np.int64) for _ in range(2))
        for slot in range(8):
            ahead = events[:, 1] >= 10000 * slot
            rate = np.tile(8e6 * tau * seen, (trials, 1))
            rate[:, 1] *= np.where(ahead, 0.3, 1.0)
            rate[:, 2:] *= np.where(ahead, 2.0, 0.5)[:, np.newaxis]
            new = rng.poisson(rate)
            wrong += rng.binomial(new, np.where(ahead, 1e-4 if few else 0.05, 0.0)[:, np.newaxis])
            events += new
    return events, wrong


def truth(channel: str, errors: str, intensities: int, trials: int, seed: int, brighter: float = 1.0) -> Truth:
    """Draw blocks. `brighter`: by how much the decoy sent is brighter than the one claimed (1: an honest sender)."""
    rng = np.random.default_rng([seed, CHANNELS.index(channel), ERRORS.index(errors), intensities])
    claimed, *probabilities = SENDERS[intensities]
    numbers = claimed * np.where(np.arange(intensities) == 1, brighter, 1.0)
    factorial = np.array([math.factorial(n) for n in PHOTONS], dtype=np.float64)
    poisson = np.exp(-numbers[:, np.newaxis]) * numbers[:, np.newaxis] ** PHOTONS / factorial
    joint = np.array([1 - TEST, TEST])[:, np.newaxis, np.newaxis] * np.array(probabilities)[..., np.newaxis] * poisson
    tau = joint.sum(axis=(0, 1))
    tested = joint[1].sum(axis=0) / tau
    share = np.moveaxis(joint / joint.sum(axis=1, keepdims=True), 1, -1)  # (basis, photons, intensity)

    events, wrong = attacked(channel, errors, tau, trials, rng)
    flagged = np.stack([events - wrong, wrong])  # would not, would err in the test basis
    of_test = rng.binomial(flagged, tested)
    of_key = flagged - of_test
    # In the key basis bits err on their own account; no photon at all errs half of the time, whatever was sent.
    bit_error = np.where(PHOTONS == 0, 0.5, 1e-3 if errors == "few" else 0.03)
    key_wrong = rng.binomial(of_key, bit_error)
    test_vacuum = rng.binomial(of_test[..., 0].sum(axis=0), 0.5)
    of_test[1, :, 0], of_test[0, :, 0] = test_vacuum, of_test[..., 0].sum(axis=0) - test_vacuum
    key = rng.multinomial(np.stack([of_key - key_wrong, key_wrong]), share[0])  # (bit, phase, trials, photons, intensity)
    test = rng.multinomial(of_test, share[1])
    by_source = {"all": slice(None), "signal": slice(0, 1)}
    return Truth(
        key_counts=key.sum(axis=(0, 1, 3)).astype(np.float64),
        key_errors=key[1].sum(axis=(0, 2)).astype(np.float64),
        test_counts=test.sum(axis=(0, 2)).astype(np.float64),
        test_errors=test[1].sum(axis=1).astype(np.float64),
        vacuum={source: key[..., 0, taken].sum(axis=(0, 1, -1)) for source, taken in by_source.items()},
        single={source: key[..., 1, taken].sum(axis=(0, 1, -1)) for source, taken in by_source.items()},
        phase_wrong={source: key[:, 1, :, 1, taken].sum(axis=(0, -1)) for source, taken in by_source.items()},
        test_single=of_test[..., 1].sum(axis=0),
        test_wrong=of_test[1, :, 1],
    )


PREDICTION: Final[dict[int, Array]] = {3: np.tile([0.7, 0.25, 0.05], 3), 2: np.tile([0.85, 0.15], 4)}
"""Number of intensities -> shares that Kato's inequality is told; of no channel the true ones."""


def policies() -> Iterator[tuple[str, dict[str, str]]]:
    """Every proof with every policy that it has: all tails with the sampling of the paper, all samplings with Hoeffding."""
    for key_from in core.KEY_SOURCES:
        for tail_bound in core.TAIL_BOUNDS:
            for sampling_bound in core.SAMPLING_BOUNDS:
                if tail_bound in ("hoeffding", "chernoff") or sampling_bound == "lim2014":
                    yield "lim2014", {"tail_bound": tail_bound, "sampling_bound": sampling_bound, "key_from": key_from}
        for proof in core.ONE_DECOY_PROOFS:
            for tail_bound in core.TAIL_BOUNDS:
                for sampling_bound in core.ONE_DECOY_SAMPLING_BOUNDS:
                    if tail_bound == "hoeffding" or sampling_bound == "own":
                        yield proof, {"tail_bound": tail_bound, "sampling_bound": sampling_bound, "key_from": key_from}
    for tail_bound in ("hoeffding", "chernoff"):
        for sampling_bound in core.VARIABLE_LENGTH_SAMPLING_BOUNDS:
            yield "variable-length", {"tail_bound": tail_bound, "sampling_bound": sampling_bound}


def takes(proof: str, policy: Mapping[str, str], intensities: int) -> bool:
    """Whether a proof with a policy is for this number of intensities."""
    for_any_number = intensities == 3 or policy["sampling_bound"] != "exact"
    return (proof, policy.get("key_from", "all"), intensities) in PARTS and (proof != "variable-length" or for_any_number)


def bounds(told: Truth, proof: str, policy: Mapping[str, str], eps: float) -> core.Lim2014:
    """What a proof says of the blocks where each of its parts may fail with probability `eps`."""
    numbers, key, test = SENDERS[told.key_counts.shape[-1]]
    common: dict[str, Any] = {
        "test_counts": told.test_counts,
        "test_errors": told.test_errors,
        "mean_photon_numbers": numbers,
        "key_probabilities": key,
        "test_probabilities": test,
        "eps_secrecy": eps * PARTS[proof, policy.get("key_from", "all"), len(numbers)],
        "eps_correctness": 1e-15,
        "error_correction_efficiency": 1.16,
    }
    if policy["tail_bound"] == "kato2020":
        common["predicted_shares"] = PREDICTION[len(numbers)]
    if proof == "lim2014":
        return core.lim2014(told.key_counts, told.key_errors, **common, **policy)
    if proof == "variable-length":
        return core.variable_length(told.key_counts, told.key_errors, **common, **policy)
    return core.one_decoy(told.key_counts, told.key_errors, **common, proof=proof, **policy)


def failures(told: Truth, bound: core.Lim2014, source: str, seed: int = 1) -> dict[str, float]:
    """Share of the blocks whose truth lies outside each bound.

    The phase error is that of a random part of the key's single photons, as many as were proven: this is what makes key.
    """
    proven = np.minimum(np.floor(bound.single_photon_lower), told.single[source]).astype(np.int64)
    phase_wrong = told.phase_wrong[source]
    part = np.random.default_rng(seed).hypergeometric(phase_wrong, told.single[source] - phase_wrong, proven)
    return {
        "vacuum": float(np.mean(bound.vacuum_lower > told.vacuum[source])),
        "single": float(np.mean(bound.single_photon_lower > told.single[source])),
        "test single": float(np.mean(bound.test_single_photon_lower > told.test_single)),
        "test error": float(np.mean(bound.test_single_photon_error_upper < told.test_wrong)),
        "phase error": float(np.mean(bound.phase_error_upper * proven < part * (1 - 1e-12))),
    }


def raw_gamma(v: Array, k: Array, n: Array, eps: float) -> Array:
    """Phase error of Lim et al. 2014, Eq. 5, not certified by the exact tail; without errors gamma is 0, its limit."""
    b = v / k
    some = np.where(b > 0, b, 0.5)
    inside = (k + n) / (k * n * (1 - some) * some * eps**2)
    gamma = np.sqrt((k + n) * (1 - some) * some / (k * n * np.log(2)) * np.log2(inside))
    return np.asarray(b + np.where(b > 0, gamma, 0.0))


def sampled(kind: str, v: Array, k: Array, n: Array, eps: float) -> Array:
    """Bound of the key's error rate from `v` errors of `k` tested, by one of `SAMPLINGS`."""
    v, k, n = (np.asarray(x, dtype=np.float64) for x in np.broadcast_arrays(v, k, n))
    if kind == "raw gamma":
        return raw_gamma(v, k, n, eps)
    if kind == "serfling":
        return np.asarray(v / k + np.sqrt((k + n) * (k + 1) / (k * n * k) * math.log(1 / eps)))
    log_eps = math.log(eps) * (2 if kind == "exact tail squared" else 1)
    return np.asarray(core.KERNELS["errors_upper"](v, k, n, log_eps) / n)


SAMPLINGS: Final = ("raw gamma", "exact tail", "exact tail squared", "serfling")
MARKED: Final = (5, 7, 9, 12, 20, 60)
"""Errors among all single photons, from which the worst case is taken."""


def sampling_failures(kind: str, eps: float, trials: int, *, size: int = 1000, seed: int = 3) -> Array:
    """Share of blocks, `size` single photons tested and `size` others, whose others err above the bound, by `MARKED`."""
    rng = np.random.default_rng(seed)
    v = rng.hypergeometric(np.array(MARKED), 2 * size - np.array(MARKED), size, (trials, len(MARKED)))
    seen = np.arange(max(MARKED) + 1)
    limit = sampled(kind, seen, np.array(size), np.array(size), eps)
    return np.asarray(np.mean(limit[v] * size < (np.array(MARKED) - v) * (1 - 1e-12), axis=0))


def study(trials: int, epsilons: tuple[float, ...] = (1e-3, 3e-3, 1e-2)) -> xr.Dataset:
    """Worst failure frequency of each bound over channels, error numbers and policies, and of sampling alone."""
    proofs = dict.fromkeys(proof for proof, _, _ in PARTS)
    worst = {proof: np.zeros((len(BOUNDS), len(epsilons))) for proof in proofs}
    for intensities in SENDERS:
        for channel in CHANNELS:
            for errors in ERRORS:
                told = truth(channel, errors, intensities, trials, seed=11)
                for proof, policy in policies():
                    if not takes(proof, policy, intensities):
                        continue
                    for place, eps in enumerate(epsilons):
                        bound = bounds(told, proof, policy, eps)
                        found = failures(told, bound, policy.get("key_from", "all"))
                        column = np.array([found[name] for name in BOUNDS])
                        worst[proof][:, place] = np.maximum(worst[proof][:, place], column)
    alone = np.array([[sampling_failures(kind, eps, trials).max() for eps in epsilons] for kind in SAMPLINGS])
    shown = {"units": "1", "long_name": "share of blocks outside the bound, worst case"}
    return xr.Dataset(
        {
            "failure_frequency": (("proof", "bound", "epsilon"), np.stack(list(worst.values())), shown),
            "sampling_failure_frequency": (("sampling", "epsilon"), alone, shown),
        },
        {"proof": list(worst), "bound": list(BOUNDS), "sampling": list(SAMPLINGS), "epsilon": list(epsilons)},
        {"trials": trials},
    )


def main(trials: int, picture: Path) -> None:
    from qphys import plots

    told = study(trials)
    for proof in told.proof.values:
        print(told.failure_frequency.sel(proof=proof).to_pandas().assign(proof=proof).to_string())
    print(told.sampling_failure_frequency.to_pandas().to_string())
    plots.draw_soundness(told, picture)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
