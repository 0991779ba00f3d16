"""Counts by reading of a probe: they add up, scatter with the fading, and do not depend on how they are asked for."""

from __future__ import annotations

import numpy as np
import pytest

from qphys.stages import Clicks
from qphys.statistics.expect import by_probe, expected_counts
from qphys.statistics.sample import sampled_counts_by_probe

BINS = (slice(0, 2), slice(2, 4), slice(4, 6))


def clicks(*, steps: int, correlation_time: float) -> Clicks:
    """Two settings, three outcomes, six nodes in three bins; brighter in later bins."""
    eta = np.array([0.001, 0.002, 0.004, 0.006, 0.01, 0.02])
    probability = np.zeros((steps, 6, 2, 3))
    probability[..., 1] = (eta[:, np.newaxis] * [1.0, 0.3])[np.newaxis]
    probability[..., 2] = 1e-4
    probability[..., 0] = 1 - probability.sum(axis=-1)
    return Clicks(
        settings={"intensity": ("signal", "decoy")},
        outcomes={"bob_outcome": ("none", "a", "b")},
        probability=probability,
        weight=np.tile([0.1, 0.2, 0.2, 0.2, 0.2, 0.1], (steps, 1)),
        setting_probability=np.array([0.7, 0.3]),
        trial_rate=1e6,
        correlation_time=correlation_time,
        time_step=1.0,
    )


def test_expected_counts_of_the_bins_add_up_to_those_of_the_step() -> None:
    """Oracle: the plain expectation, and one bin's sum over its nodes by hand."""
    given, trials = clicks(steps=3, correlation_time=0.1), np.array([1000, 0, 3000])
    found = by_probe(given, trials, BINS)
    np.testing.assert_allclose(found.sum(axis=1), expected_counts(given, trials), rtol=1e-13)
    assert found[2, 1, 0, 1] == pytest.approx(3000 * 0.7 * (0.2 * 0.004 + 0.2 * 0.006), rel=1e-13)
    np.testing.assert_allclose(by_probe(given, trials, BINS, totals=True), found.sum(axis=0), rtol=1e-13)


def test_sampled_bins_hold_all_trials_and_have_the_expected_means_and_scatter() -> None:
    r"""Oracle: means; and for the trials of a bin the variance of the time that fading spends in it,
    N^2 w (1 - w) g(T/tau) with g(x) = 2 (x - 1 + exp(-x))/x^2. 4,001 realisations: 2.2 % (sigma) of a variance.
    """
    given, trials = clicks(steps=2, correlation_time=0.25), np.array([100_003, 100_003])
    draw = {"seed": 5, "stream": 9, "realisations": 4001}
    counts = sampled_counts_by_probe(given, trials, BINS, **draw)
    assert counts.shape == (4001, 2, 3, 2, 3)
    np.testing.assert_array_equal(counts.sum(axis=(2, 3, 4)), np.tile(trials, (4001, 1)))
    x = 1.0 / 0.25
    g = 2 * (x - 1 + np.exp(-x)) / x**2
    of_bin = counts.sum(axis=(3, 4))[:, 0]
    for b, weight in enumerate((0.3, 0.4, 0.3)):
        variance = 100_003**2 * weight * (1 - weight) * g
        assert of_bin[:, b].mean() == pytest.approx(100_003 * weight, abs=4 * np.sqrt(variance / 4001))
        assert of_bin[:, b].var() == pytest.approx(variance, rel=0.1)
    expected = by_probe(given, trials, BINS)
    mean, error = counts.mean(axis=0), counts.std(axis=0) / np.sqrt(4001)
    assert (np.abs(mean - expected) < 5 * error + 1e-9).all()


def test_a_bin_has_the_click_rate_of_its_own_nodes() -> None:
    """Averaged out fading: the parts are the weights, so that each bin's counts are binomial with its own mean."""
    given, trials = clicks(steps=1, correlation_time=0.0), np.array([10_000_019])
    counts = sampled_counts_by_probe(given, trials, BINS, seed=1, stream=2, realisations=50)
    sent = counts[:, 0].sum(axis=(2, 3))
    np.testing.assert_array_equal(sent[0], [3_000_005, 4_000_008, 3_000_006])
    rate = counts[:, 0, :, 0, 1] / counts[:, 0, :, 0].sum(axis=-1)
    wanted = [(0.1 * 0.001 + 0.2 * 0.002) / 0.3, (0.004 + 0.006) / 2, (0.2 * 0.01 + 0.1 * 0.02) / 0.3]
    # 50 realisations of 2e6 trials: relative error of the mean 1/sqrt(50 * 2.1e6 * 1.7e-3) = 0.24 % in the darkest bin
    np.testing.assert_allclose(rate.mean(axis=0), wanted, rtol=0.01)


def test_a_realisation_is_the_same_whatever_others_are_asked_for() -> None:
    given, trials = clicks(steps=3, correlation_time=0.3), np.array([1000, 0, 5000])
    key = {"seed": 3, "stream": 2**64 - 1}
    every = sampled_counts_by_probe(given, trials, BINS, realisations=7, **key)
    some = sampled_counts_by_probe(given, trials, BINS, realisations=2, first_realisation=4, threads=2, **key)
    np.testing.assert_array_equal(every[4:6], some)
    assert every[:, 1].sum() == 0
    assert len({counts.tobytes() for counts in every}) == 7


def test_bins_are_drawn_independently_given_the_fading() -> None:
    """Counts of two bins of equal content differ: each has a stream of its own."""
    given = clicks(steps=1, correlation_time=0.0)
    same = clicks(steps=1, correlation_time=0.0)
    same.probability[...] = given.probability[:, :1]
    counts = sampled_counts_by_probe(same, np.array([900_000]), BINS, seed=1, stream=2, realisations=200)[:, 0]
    one, other = counts[:, 0, 0, 1].astype(float), counts[:, 2, 0, 1].astype(float)
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.3
