"""Expected counts against sums written out, and whole trials against exact fractions."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qphys.errors import UserError
from qphys.stages import Clicks
from qphys.statistics.expect import expected_counts, expected_total_counts, whole_trials


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
