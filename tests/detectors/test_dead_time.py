"""Dead time against limits, check numbers and event-by-event simulations."""

from __future__ import annotations

import numpy as np
import pytest

from qphys.detectors import dead_time as dead


@pytest.mark.parametrize(("rate", "expected"), [(1e6, 909_090.909), (1e7, 5.0e6)])
def test_non_paralysable_rate_is_the_known_number(rate: float, expected: float) -> None:
    """Oracle: R / (1 + R tau), simulated elsewhere with 2e7 clicks (909,257 +- 280)."""
    assert float(dead.non_paralysable_rate(rate, 100e-9)) == pytest.approx(expected, rel=1e-9)


def test_paralysable_rate_is_the_known_number() -> None:
    """Oracle: 4,093,653.8 /s at 5e6 /s and 40 ns; the largest rate is 1 / (e tau)."""
    assert float(dead.paralysable_rate(5e6, 40e-9)) == pytest.approx(4_093_653.8, abs=0.1)
    assert dead.paralysable_rate(np.geomspace(1e4, 1e10, 2001), 40e-9).max() == pytest.approx(1 / (np.e * 40e-9), rel=1e-5)


def test_hybrid_rate_becomes_either_law_at_its_ends() -> None:
    """Oracle: the limits of Lee and Gardner's model."""
    rate = np.geomspace(1e3, 1e9, 7)
    np.testing.assert_allclose(
        dead.hybrid_rate(rate, paralysable=0.0, non_paralysable=31e-9), dead.non_paralysable_rate(rate, 31e-9), rtol=1e-15
    )
    np.testing.assert_allclose(
        dead.hybrid_rate(rate, paralysable=31e-9, non_paralysable=0.0), dead.paralysable_rate(rate, 31e-9), rtol=1e-15
    )
    assert float(dead.hybrid_rate(1e7, paralysable=10e-9, non_paralysable=30e-9)) == pytest.approx(
        1e7 * np.exp(-0.1) / 1.3, rel=1e-15
    )


def test_non_paralysable_rate_and_variance_are_those_of_simulated_events() -> None:
    """Oracle: waiting times tau + exponential, 4 sigma of the mean; variance of counts within 5 sigma of its own scatter."""
    rate, tau, duration, windows = 1e7, 100e-9, 20e-6, 10007
    rng = np.random.default_rng(7)
    times = np.cumsum(tau + rng.exponential(1 / rate, size=int(5e6 * duration * windows * 1.02)))
    counts = np.histogram(times, bins=windows, range=(0.0, windows * duration))[0]
    assert times[-1] > windows * duration
    mean = dead.non_paralysable_rate(rate, tau) * duration
    variance = float(dead.non_paralysable_count_variance(rate, tau, duration=duration))
    assert abs(counts.mean() - mean) < 4 * np.sqrt(variance / windows)
    assert counts.var() == pytest.approx(variance, rel=5 * np.sqrt(2 / windows))


@pytest.mark.parametrize(
    ("tau", "slots"), [(0.0, 0), (3e-9, 0), (10e-9, 0), (10.01e-9, 1), (24e-9, 2), (50e-9, 4), (70e-9, 6), (1e-6, 99)]
)
def test_blocked_slots_are_the_pulses_inside_the_dead_time(tau: float, slots: int) -> None:
    """Oracle: pulses k with 0 < k / f < tau, counted by hand; tau f = 7.000000000000001 in doubles still means 7."""
    assert float(dead.blocked_slots(tau, 100e6)) == slots


def test_pulsed_renewal_is_the_known_number() -> None:
    """Oracle: 9.090909e-4 at p = 1e-3 and 100 slots."""
    assert float(dead.pulsed_click_probability(1e-3, 100)) == pytest.approx(9.090909e-4, rel=1e-7)


def test_pulsed_renewal_is_what_slot_by_slot_events_give() -> None:
    """Oracle: geometric waiting times plus d blocked slots, 4 sigma of the renewal process."""
    p, d, number = 0.13, 3, 200_003
    distance = np.random.default_rng(3).geometric(p, number) + d
    sigma = distance.std() / distance.mean() / np.sqrt(number)
    assert number / distance.sum() == pytest.approx(float(dead.pulsed_click_probability(p, d)), rel=4 * sigma)


def test_common_dead_time_is_one_process_of_all_detectors() -> None:
    """Oracle: event by event, two detectors, any click blocks both for d slots; 4 sigma."""
    p, d, number = np.array([0.11, 0.07]), 4, 100_003
    rng = np.random.default_rng(5)
    any_click = 1 - np.prod(1 - p)
    slots = (rng.geometric(any_click, number) + d).sum()
    joint = np.array([p[0] * (1 - p[1]), p[1] * (1 - p[0]), p[0] * p[1]]) / any_click
    only0, only1, both = rng.multinomial(number, joint)
    seen = np.array([only0 + both, only1 + both]) / slots
    expected = dead.common_dead_time(p, d)
    np.testing.assert_allclose(seen, expected, rtol=4 / np.sqrt(p[1] / any_click * number))
    # With d = 0 nothing is blocked, and tiny probabilities keep their digits.
    np.testing.assert_allclose(dead.common_dead_time([1e-20, 3e-20], 10.0), [1e-20, 3e-20], rtol=1e-15)
