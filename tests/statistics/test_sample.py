"""The front of the sampler: shapes, addresses, errors. Oracles: sums and means on paper; the law of scatter."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from qphys.errors import RunError, UserError
from qphys.stages import Clicks
from qphys.statistics.expect import accidentals, expected_counts
from qphys.statistics.sample import sampled_accidental_counts, sampled_counts, sampled_fading

GOLDEN = [49997966, 17, 24, 25, 25, 22, 19998529, 15, 10, 16, 9, 13]
STREAM = 0xFEDC_BA98_7654_3210
TRIALS = np.full(19, 10**8 + 3)


def clicks_of(*, steps: int = 19, correlation_time: float = 0.3, time_step: float = 1.0) -> Clicks:
    """Two intensities and two bases of a sender, two receivers' outcomes, five nodes."""
    rng = np.random.default_rng(23)
    probability = rng.uniform(0, 1e-5, (steps, 5, 2, 2, 3, 2))
    probability[..., 0, 0] = 0
    probability[..., 0, 0] = 1 - probability.sum(axis=(-1, -2))
    return Clicks(
        settings={"intensity": ("signal", "decoy"), "alice_basis": ("Z", "X")},
        outcomes={"alice_outcome": ("none", "0", "1"), "bob_outcome": ("none", "click")},
        probability=probability,
        weight=rng.dirichlet(np.ones(5), size=steps),
        setting_probability=np.array([[0.5, 0.2], [0.2, 0.1]]),
        trial_rate=1e8,
        correlation_time=correlation_time,
        time_step=time_step,
    )


def test_counts_have_the_dimensions_of_the_clicks_and_add_up_to_the_trials() -> None:
    clicks = clicks_of()
    counts = sampled_counts(clicks, TRIALS, seed=7, stream=STREAM, realisations=3)
    assert counts.shape == (3, 19, 2, 2, 3, 2)
    assert counts.dtype == np.int64
    sent = counts.sum(axis=(-1, -2))
    np.testing.assert_array_equal(sent.sum(axis=(-1, -2)), np.tile(TRIALS, (3, 1)))
    expected = TRIALS.sum() * clicks.setting_probability
    assert (np.abs(sent.sum(axis=1) - expected) < 5 * np.sqrt(expected)).all()


def test_mean_counts_are_the_probabilities_averaged_over_the_nodes() -> None:
    clicks = clicks_of(correlation_time=0.0)
    counts = sampled_counts(clicks, TRIALS, seed=7, stream=STREAM, realisations=211)
    expected = np.einsum("tn,tn...,t->t...", clicks.weight, clicks.probability, TRIALS)
    expected *= clicks.setting_probability[..., None, None]
    assert (np.abs(counts.mean(axis=0) - expected) < 5 * np.sqrt(expected / 211)).all()


def test_a_pair_source_has_one_setting_without_dimensions() -> None:
    clicks = clicks_of()
    pairs = dataclasses.replace(
        clicks, settings={}, setting_probability=np.array(1.0), probability=clicks.probability[:, :, 0, 0]
    )
    assert sampled_counts(pairs, TRIALS, seed=7, stream=STREAM, realisations=2).shape == (2, 19, 3, 2)


def bbm92_clicks(*, correlation_time: float) -> Clicks:
    """Two receivers of eight outcomes, a quarter of all windows with a click in either; five nodes."""
    rng = np.random.default_rng(29)
    probability = rng.uniform(0, 0.5 / 63, (13, 5, 8, 8)) * np.linspace(0.1, 1.9, 5)[:, None, None]
    probability[..., 0, 0] = 0
    probability[..., 0, 0] = 1 - probability.sum(axis=(-1, -2))
    outcomes = ("none", "Z0", "Z1", "X0", "X1", "double_Z", "double_X", "across")
    return Clicks(
        settings={},
        outcomes={"alice_outcome": outcomes, "bob_outcome": outcomes},
        probability=probability,
        weight=rng.dirichlet(np.ones(5), size=13),
        setting_probability=np.array(1.0),
        trial_rate=1e6,
        correlation_time=correlation_time,
        time_step=1.0,
    )


def test_64_pairs_of_outcomes_are_drawn_by_their_expectation() -> None:
    """Oracle: expected counts; every trial has an outcome; scatter of single cells is that of a multinomial draw."""
    clicks, trials = bbm92_clicks(correlation_time=0.0), np.full(13, 10**6 + 3)
    counts = sampled_counts(clicks, trials, seed=3, stream=STREAM, realisations=307)
    assert counts.shape == (307, 13, 8, 8)
    np.testing.assert_array_equal(counts.sum(axis=(-1, -2)), np.tile(trials, (307, 1)))
    expected = expected_counts(clicks, trials)
    variance = expected * (1 - expected / trials[:, None, None])
    score = (counts - expected) / np.sqrt(variance)
    assert np.abs(score.mean(axis=0)).max() < 5 / np.sqrt(307)
    assert np.mean(score**2) == pytest.approx(1, abs=5 * np.sqrt(2 / score.size))


def test_accidentals_are_drawn_by_their_expectation_and_not_with_the_counts() -> None:
    """Oracle: expected accidentals; without a fading that is drawn, nothing correlates with the counts."""
    clicks, trials = bbm92_clicks(correlation_time=0.0), np.full(13, 10**6 + 3)
    far = sampled_accidental_counts(clicks, trials, seed=3, stream=STREAM, realisations=307)
    np.testing.assert_array_equal(far.sum(axis=(-1, -2)), np.tile(trials, (307, 1)))
    expected = accidentals(clicks, trials)
    score = (far - expected) / np.sqrt(expected * (1 - expected / trials[:, None, None]))
    assert np.abs(score.mean(axis=0)).max() < 5 / np.sqrt(307)
    assert np.mean(score**2) == pytest.approx(1, abs=5 * np.sqrt(2 / score.size))
    counts = sampled_counts(clicks, trials, seed=3, stream=STREAM, realisations=307) - expected_counts(clicks, trials)
    together = np.corrcoef(counts[..., 1:, 1:].ravel(), (far - expected)[..., 1:, 1:].ravel())[0, 1]
    assert abs(together) < 5 / np.sqrt(307 * 13 * 49)


def test_accidentals_fade_with_the_counts() -> None:
    """Limit: fading of one node a step makes both follow it."""
    clicks, trials = bbm92_clicks(correlation_time=np.inf), np.full(13, 10**6 + 3)
    draws = {
        draw.__name__: draw(clicks, trials, seed=3, stream=STREAM, realisations=101)[..., 1:, 1:].sum(axis=(-1, -2))
        for draw in (sampled_counts, sampled_accidental_counts)
    }
    assert np.corrcoef(*(draw.ravel() for draw in draws.values()))[0, 1] > 0.9


def test_chunks_and_threads_change_no_accidental() -> None:
    clicks, trials = bbm92_clicks(correlation_time=0.3), np.full(13, 10**6 + 3)
    whole = sampled_accidental_counts(clicks, trials, seed=3, stream=STREAM, realisations=5)
    for threads in (1, 2):
        part = sampled_accidental_counts(
            clicks, trials, seed=3, stream=STREAM, realisations=2, first_realisation=3, threads=threads
        )
        np.testing.assert_array_equal(part, whole[3:])


def test_no_realisation_gives_an_empty_array_of_the_right_shape() -> None:
    assert sampled_counts(clicks_of(), TRIALS, seed=7, stream=STREAM, realisations=0).shape == (0, 19, 2, 2, 3, 2)


def test_fading_is_that_of_the_correlation_time_over_the_step() -> None:
    """Mean over a step of a fading that decays in tau: variance g(dt/tau), g(x) = 2 (x - 1 + exp(-x))/x^2."""
    clicks = clicks_of(steps=2, correlation_time=0.6, time_step=0.4)
    parts = sampled_fading(clicks, seed=1, stream=STREAM, realisations=40_009)
    x = 0.4 / 0.6
    variance = clicks.weight * (1 - clicks.weight) * 2 * (x - 1 + np.exp(-x)) / x**2
    np.testing.assert_allclose(parts.var(axis=0), variance, rtol=0.05)


def test_no_chunk_of_realisations_and_no_thread_changes_a_bit() -> None:
    clicks = clicks_of()
    whole = sampled_counts(clicks, TRIALS, seed=7, stream=STREAM, realisations=13)
    for chunk in (1, 5, 13):
        for threads in (1, 2, 7):
            parts = [
                sampled_counts(
                    clicks,
                    TRIALS,
                    seed=7,
                    stream=STREAM,
                    realisations=min(chunk, 13 - first),
                    first_realisation=first,
                    threads=threads,
                )
                for first in range(0, 13, chunk)
            ]
            np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_seed_stream_and_realisation_each_give_other_counts() -> None:
    clicks = clicks_of()
    first = sampled_counts(clicks, TRIALS, seed=7, stream=STREAM, realisations=1)
    for seed, stream, realisation in [(8, STREAM, 0), (7, STREAM + 1, 0), (7, STREAM, 1)]:
        got = sampled_counts(clicks, TRIALS, seed=seed, stream=stream, realisations=1, first_realisation=realisation)
        assert np.mean(got == first) < 0.2


def test_counts_of_a_seed_stay_what_they_are() -> None:
    """A file made again gives the same counts: these were drawn by the first version. NumPy's generators have no part."""
    cells = 1e-8 * (np.arange(3 * 5 * 2 * 2 * 3 * 2) % 311 + 1.0).reshape(3, 5, 2, 2, 3, 2)
    clicks = dataclasses.replace(clicks_of(steps=3), probability=cells, weight=np.tile([0.1, 0.2, 0.4, 0.2, 0.1], (3, 1)))
    counts = sampled_counts(clicks, TRIALS[:3], seed=20161219, stream=STREAM, realisations=1, first_realisation=2**40 + 7)
    assert counts[0, 2, :, 0].reshape(-1).tolist() == GOLDEN


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": -1}, "seed = -1"),
        ({"seed": 2**64}, "whole number from 0 to"),
        ({"stream": -5}, "stream = -5"),
        ({"first_realisation": -1}, "first_realisation = -1"),
        ({"first_realisation": 2**64 - 1, "realisations": 2}, "realisation = 18446744073709551616"),
        ({"realisations": -2}, "realisations = -2: must not be negative"),
    ],
)
def test_impossible_addresses_are_refused(changes: dict[str, int], message: str) -> None:
    arguments = {"seed": 1, "stream": STREAM, "realisations": 1} | changes
    with pytest.raises(UserError, match=message):
        sampled_counts(clicks_of(), TRIALS, **arguments)


def test_impossible_probabilities_are_named_with_their_step() -> None:
    clicks = clicks_of()
    clicks.probability[5:7, :, 1, 0, 2, 1] = np.nan
    with pytest.raises(RunError, match="2 of 19 steps, first in step 5: input_not_finite"):
        sampled_counts(clicks, TRIALS, seed=1, stream=STREAM, realisations=1)


def test_steps_without_trials_may_hold_anything() -> None:
    clicks = clicks_of()
    whole = sampled_counts(clicks, TRIALS, seed=1, stream=STREAM, realisations=2)
    clicks.probability[11:] = np.nan
    clicks.weight[11:] = np.nan
    padded = sampled_counts(clicks, np.where(np.arange(19) < 11, TRIALS, 0), seed=1, stream=STREAM, realisations=2)
    np.testing.assert_array_equal(padded[:, :11], whole[:, :11])
    assert not padded[:, 11:].any()
