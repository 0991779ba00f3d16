"""Expected counts against sums written out, and whole trials against exact fractions."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qphys.errors import UserError
from qphys.stages import Clicks
from qphys.statistics.expect import (
    accidentals,
    expected_counts,
    expected_total_counts,
    shifted,
    total_accidentals,
    whole_trials,
)


def some_clicks(steps: int = 11, nodes: int = 3) -> Clicks:
    rng = np.random.default_rng(5)
    probability = rng.uniform(size=(steps, nodes, 3, 2, 2, 5))
    weight = rng.uniform(size=(steps, nodes))
    setting = rng.uniform(size=(3, 2, 2))
    return Clicks(
        settings={"intensity": ("s", "d", "v"), "alice_basis": ("Z", "X"), "alice_bit": ("0", "1")},
        outcomes={"bob_outcome": ("none", "Z0", "Z1", "X0", "X1")},
        probability=probability / probability.sum(axis=-1, keepdims=True),
        weight=weight / weight.sum(axis=1, keepdims=True),
        setting_probability=setting / setting.sum(),
        trial_rate=100.0,
        correlation_time=0.0,
        time_step=1.0,
    )


def test_expected_counts_are_the_sum_over_nodes_written_out() -> None:
    """Oracle: loops."""
    clicks, trials = some_clicks(), np.arange(11) * 101
    expected = expected_counts(clicks, trials)
    for t, i, b, x, o in ((0, 0, 0, 0, 0), (3, 2, 1, 0, 4), (10, 1, 0, 1, 2)):
        mean = sum(clicks.weight[t, n] * clicks.probability[t, n, i, b, x, o] for n in range(3))
        assert expected[t, i, b, x, o] == pytest.approx(trials[t] * clicks.setting_probability[i, b, x] * mean, rel=1e-14)


def test_every_trial_has_an_outcome_in_the_mean() -> None:
    """Law: the sum over all cells is the number of trials."""
    trials = np.arange(11) * 101
    np.testing.assert_allclose(expected_counts(some_clicks(), trials).sum(axis=(1, 2, 3, 4)), trials, rtol=1e-13)


def test_totals_are_the_sum_over_time() -> None:
    """Oracle: the second road."""
    clicks, trials = some_clicks(), np.arange(11) * 101
    np.testing.assert_allclose(
        expected_total_counts(clicks, trials), expected_counts(clicks, trials).sum(axis=0), rtol=1e-13
    )


def test_a_step_without_trials_expects_nothing_whatever_its_probabilities() -> None:
    clicks, trials = some_clicks(), np.arange(11) * 101
    before = expected_total_counts(clicks, trials)
    clicks.probability[0] = np.nan
    assert not expected_counts(clicks, trials)[0].any()
    np.testing.assert_array_equal(expected_total_counts(clicks, trials), before)


def test_trials_need_a_number_for_each_step() -> None:
    with pytest.raises(ValueError, match="shape"):
        expected_counts(some_clicks(), np.ones(3, dtype=np.int64))


def pair_clicks(steps: int = 7, nodes: int = 3) -> Clicks:
    rng = np.random.default_rng(8)
    probability = rng.uniform(size=(steps, nodes, 8, 5))
    weight = rng.uniform(size=(steps, nodes))
    return Clicks(
        settings={},
        outcomes={"alice_outcome": tuple("abcdefgh"), "bob_outcome": tuple("vwxyz")},
        probability=probability / probability.sum(axis=(-1, -2), keepdims=True),
        weight=weight / weight.sum(axis=1, keepdims=True),
        setting_probability=np.array(1.0),
        trial_rate=100.0,
        correlation_time=0.0,
        time_step=1.0,
    )


def test_pairs_without_a_setting_are_counted_by_outcomes_alone() -> None:
    """Oracle: loops; and the law that every trial has an outcome."""
    clicks, trials = pair_clicks(), np.arange(7) * 101
    expected = expected_counts(clicks, trials)
    assert expected.shape == (7, 8, 5)
    mean = sum(clicks.weight[3, n] * clicks.probability[3, n, 6, 2] for n in range(3))
    assert expected[3, 6, 2] == pytest.approx(303 * mean, rel=1e-14)
    np.testing.assert_allclose(expected.sum(axis=(1, 2)), trials, rtol=1e-13)
    np.testing.assert_allclose(expected_total_counts(clicks, trials), expected.sum(axis=0), rtol=1e-13)


def test_accidentals_are_products_of_marginals_in_each_node_averaged_over_the_fading_together() -> None:
    """Oracle: loops."""
    clicks, trials = pair_clicks(), np.arange(7) * 101
    found = accidentals(clicks, trials)
    for t, a, b in ((1, 0, 0), (3, 6, 2), (6, 7, 4)):
        mean = sum(
            clicks.weight[t, n] * clicks.probability[t, n, a, :].sum() * clicks.probability[t, n, :, b].sum()
            for n in range(3)
        )
        assert found[t, a, b] == pytest.approx(trials[t] * mean, rel=1e-14)
    np.testing.assert_allclose(total_accidentals(clicks, trials), found.sum(axis=0), rtol=1e-13)


def test_arms_that_know_nothing_of_each_other_coincide_by_accident_only() -> None:
    """Limit: for a product of marginals, shifted windows are the windows themselves, in tiny cells too."""
    clicks, trials = pair_clicks(), np.arange(7) * 10**9
    rng = np.random.default_rng(4)
    alice, bob = rng.uniform(0, 1e-9, size=(7, 3, 8, 1)), rng.uniform(0, 1e-9, size=(7, 3, 1, 5))
    alice[:, :, 0], bob[:, :, :, 0] = 1 - alice[:, :, 1:].sum(axis=2), 1 - bob[:, :, :, 1:].sum(axis=3)
    independent = dataclasses.replace(clicks, probability=alice * bob)
    np.testing.assert_allclose(accidentals(independent, trials), expected_counts(independent, trials), rtol=1e-13)


def test_singles_are_the_same_in_shifted_windows() -> None:
    """Law: each arm's marginal does not know of the shift; fading in both arms together correlates what is left."""
    clicks, trials = pair_clicks(), np.arange(7) * 101
    expected, found = expected_counts(clicks, trials), accidentals(clicks, trials)
    for axis in (1, 2):
        np.testing.assert_allclose(found.sum(axis=axis), expected.sum(axis=axis), rtol=1e-13)
    mean = expected.sum(axis=2)[3, 1] * expected.sum(axis=1)[3, 1] / trials[3]
    assert abs(found[3, 1, 1] / mean - 1) > 1e-3


def test_only_two_arms_have_accidentals() -> None:
    with pytest.raises(ValueError, match="no settings and two arms"):
        shifted(some_clicks())


@given(numerator=st.integers(1, 10**9), denominator=st.integers(1, 1000), steps=st.integers(0, 23))
def test_no_trial_is_lost_over_a_pass(numerator: int, denominator: int, steps: int) -> None:
    """Law: the sum of the first i steps is floor(i R dt), in exact fractions."""
    trials = whole_trials(numerator / denominator, 1.0, steps)
    assert trials.dtype == np.int64
    assert np.cumsum(trials).tolist() == [floor(Fraction(i * numerator, denominator)) for i in range(1, steps + 1)]


@pytest.mark.parametrize(("rate", "step", "each"), [(1e8, 0.3, 30_000_000), (76.3e6, 0.1, 7_630_000), (1e9, 1e-3, 10**6)])
def test_steps_in_decimals_hold_the_trials_that_a_person_expects(rate: float, step: float, each: int) -> None:
    """0.3 s at 100 MHz is 29,999,999.999999996 in doubles."""
    assert set(whole_trials(rate, step, 307).tolist()) == {each}


def test_less_than_a_trial_a_step_is_counted() -> None:
    assert whole_trials(0.25, 1.0, 10).tolist() == [0, 0, 0, 1, 0, 0, 0, 1, 0, 0]
    assert whole_trials(1e-9, 1.0, 10).sum() == 0


@pytest.mark.parametrize(
    ("rate", "step", "steps", "told"),
    [
        (0.0, 1.0, 1, "trial rate"),
        (float("nan"), 1.0, 1, "trial rate"),
        (1.0, float("inf"), 1, "time step"),
        (1.0, -1.0, 1, "time step"),
        (1.0, 1.0, -1, "steps"),
        (1e15, 1.0, 100, "2\\^53"),
    ],
)
def test_trials_that_cannot_be_are_refused(rate: float, step: float, steps: int, told: str) -> None:
    with pytest.raises(UserError, match=told):
        whole_trials(rate, step, steps)
