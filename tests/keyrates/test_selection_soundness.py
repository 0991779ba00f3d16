"""An attacker who controls the probe: bounds hold for the slots that a rule keeps, and a wrong rule is seen to break them.

In each slot Eve sees the photon number of every pulse, decides which are detected and which would err in the test basis, and
decides what the probe reads. The sender's intensities and bases are drawn afterwards, by Bayes' rule.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from qphys import core

PHOTONS = np.arange(7)
INTENSITIES = np.array([0.5, 0.15, 2e-3])
GIVEN_BASIS = np.array([[0.5, 0.3, 0.2], [0.4, 0.35, 0.25]])
TEST = 0.3
TRIALS = 501
EPSILON = 1e-2
"""Of one part of the proof; the block's secrecy epsilon is 21 times as large."""


def slots(attack: str, seed: int, *, trials: int = TRIALS, number: int = 300) -> dict[str, np.ndarray]:
    """Blocks of slots: events (trials, slots, basis, photons, intensity), those that err, and the probe's reading."""
    rng = np.random.default_rng(seed)
    factorial = np.array([math.factorial(n) for n in PHOTONS], dtype=np.float64)
    poisson = np.exp(-INTENSITIES[:, np.newaxis]) * INTENSITIES[:, np.newaxis] ** PHOTONS / factorial
    joint = np.array([1 - TEST, TEST])[:, np.newaxis, np.newaxis] * GIVEN_BASIS[..., np.newaxis] * poisson
    tau = joint.sum(axis=(0, 1))
    of_sender = np.moveaxis(joint / tau, -1, 0)  # photons, (basis, intensity)
    sent = rng.poisson(1.2e8 / number * tau, (trials, number, len(PHOTONS)))
    if attack == "blocks":
        # singles pass where there happen to be few of them, and the reading is high there
        few = sent[..., 1] < np.median(sent[..., 1], axis=-1, keepdims=True)
        seen = np.where(PHOTONS == 1, np.where(few, 1.5e-3, 4e-3)[..., np.newaxis], 3e-3 * (PHOTONS >= 2) + 1e-5)
        reading = np.where(few, 0.9, 0.1) + 1e-3 * rng.random(few.shape)
    elif attack == "errs":
        # the reading is high where few singles would err, and Eve knows it before she lets it pass
        seen = np.broadcast_to(1 - (1 - 1e-5) * 0.997**PHOTONS, sent.shape)
        reading = rng.random(sent.shape[:2])
    else:
        seen = np.broadcast_to(1 - (1 - 1e-5) * 0.997**PHOTONS, sent.shape)
        reading = rng.random(sent.shape[:2])
    detected = rng.binomial(sent, seen)
    rate = np.where(reading > 0.5, 0.005, 0.12) if attack == "errs" else np.full(reading.shape, 0.03)
    if attack == "shades":
        rate = 0.1 * (1 - reading)
    wrong = rng.binomial(detected, rate[..., np.newaxis])
    flat = of_sender.reshape(len(PHOTONS), 6)
    events = np.stack([rng.multinomial(n, flat) for n in (detected - wrong, wrong)])
    events = np.moveaxis(events.reshape(2, trials, number, len(PHOTONS), 2, 3), 4, 3)
    if attack == "tells intensities":
        # no attack at all, but a rule that looks at what was sent: slots with many decoy events for their signals
        by_intensity = events.sum(axis=(0, 3, 4))
        ratio = by_intensity[..., 1] / np.maximum(by_intensity[..., 0], 1)
        reading = (np.argsort(np.argsort(ratio, axis=-1), axis=-1) + 0.5) / number
    return {"right": events[0], "wrong": events[1], "reading": reading}


def judged(told: dict[str, np.ndarray], keep: np.ndarray, eps: float) -> dict[str, np.ndarray]:
    """Whether each bound fails for the slots kept, and the key, block by block."""
    rng = np.random.default_rng(7)
    right, wrong = (np.einsum("tsbnk,ts->tbnk", told[name], keep) for name in ("right", "wrong"))
    both = right + wrong  # trials, basis, photons, intensity
    # what errs in the test basis is Eve's phase error in the key basis, whose own bits err at random
    errors_key = rng.binomial(both[:, 0].sum(axis=1), 0.02)
    counts, errors = both.sum(axis=2), wrong.sum(axis=2)
    bound = core.lim2014(
        counts[:, 0].astype(float),
        errors_key.astype(float),
        test_counts=counts[:, 1].astype(float),
        test_errors=errors[:, 1].astype(float),
        mean_photon_numbers=INTENSITIES,
        key_probabilities=GIVEN_BASIS[0],
        test_probabilities=GIVEN_BASIS[1],
        eps_secrecy=21 * eps,
        eps_correctness=1e-15,
        error_correction_efficiency=1.16,
        tail_bound="hoeffding",
        sampling_bound="lim2014",
        key_from="all",
    )
    single, phase = both[:, 0, 1].sum(axis=-1), wrong[:, 0, 1].sum(axis=-1)
    proven = np.minimum(np.floor(bound.single_photon_lower), single).astype(np.int64)
    part = rng.hypergeometric(phase, single - phase, np.maximum(proven, 0))
    return {
        "key": bound.key_length,
        "s1": bound.single_photon_lower,
        "truth": single,
        "single": bound.single_photon_lower > single,
        "test single": bound.test_single_photon_lower > both[:, 1, 1].sum(axis=-1),
        "test error": bound.test_single_photon_error_upper < wrong[:, 1, 1].sum(axis=-1),
        "phase error": bound.phase_error_upper * proven < part * (1 - 1e-12),
    }


BOUNDS = ("single", "test single", "test error", "phase error")


def allowed(eps: float) -> float:
    """Share of failures that chance makes of a probability of eps: four standard deviations above it."""
    return eps + 4 * math.sqrt(eps / TRIALS)


@pytest.mark.parametrize("attack", ["honest", "blocks", "errs"])
def test_bounds_hold_for_the_slots_that_a_fixed_threshold_keeps(attack: str) -> None:
    told = slots(attack, 3)
    found = judged(told, told["reading"] > 0.5, EPSILON)
    for name in BOUNDS:
        assert found[name].mean() <= allowed(EPSILON), name
    # and the bounds are not idle: most single photons of the kept slots are proven
    assert np.median(found["s1"] / found["truth"]) > 0.5
    if attack == "errs":
        # the rule helps whoever lets it, Eve included: the kept half errs less, and has more key than all slots
        assert np.median(found["key"]) > 1.2 * np.median(judged(told, told["reading"] > -1, EPSILON)["key"]) > 0


def test_bounds_hold_for_the_best_of_many_thresholds_with_shared_epsilon() -> None:
    told = slots("shades", 4)
    thresholds = np.linspace(0.05, 0.95, 19)
    each = [judged(told, told["reading"] > t, EPSILON / len(thresholds)) for t in thresholds]
    best = np.argmax([one["key"] for one in each], axis=0)
    assert len(np.unique(best)) > 1
    for name in BOUNDS:
        chosen = np.take_along_axis(np.stack([one[name] for one in each]), best[np.newaxis], axis=0)[0]
        assert chosen.mean() <= allowed(EPSILON), name


def test_a_rule_that_looks_at_intensities_is_seen_to_break_the_bounds() -> None:
    """Were the simulation blind, the tests above would prove nothing."""
    told: dict[str, Any] = slots("tells intensities", 5, trials=101, number=2000)
    found = judged(told, told["reading"] > 0.5, EPSILON)
    assert found["single"].mean() > 0.9
    whole = judged(told, told["reading"] > -1, EPSILON)
    assert whole["single"].mean() <= allowed(EPSILON)
