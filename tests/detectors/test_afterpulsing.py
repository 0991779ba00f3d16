"""Afterpulses against check numbers and simulated intervals."""

from __future__ import annotations

import numpy as np
import pytest

from qphys.detectors import afterpulsing, dead_time

ONE = {"probability": [0.03], "delay": [200e-9]}
THREE = {"probability": 0.05 * np.array([0.6, 0.3, 0.1]), "delay": [30e-9, 300e-9, 3000e-9]}


@pytest.mark.parametrize(
    ("rate", "click_rate", "share"), [(1e5, 101_979.6, 0.02941), (1e6, 930_232.6, 0.02500), (1e7, 5_025_125.6, 0.01000)]
)
def test_markov_rate_and_share_are_the_known_numbers(rate: float, click_rate: float, share: float) -> None:
    """Oracle: check numbers, the middle one simulated elsewhere with 2e7 clicks (930,192; .02499)."""
    assert float(afterpulsing.markov_rate(rate, 100e-9, **ONE)) == pytest.approx(click_rate, abs=0.06)
    assert float(afterpulsing.markov_share(rate, **ONE)) == pytest.approx(share, abs=5e-6)


def test_twilight_and_three_traps_are_the_known_numbers() -> None:
    """Oracle: 8,274,676 /s (twilight alone, 24 ns) and 947,845.4 /s (three traps and twilight, 100 ns)."""
    none = {"probability": [0.0], "delay": [1e-9]}
    assert float(afterpulsing.markov_rate(1e7, 24e-9, twilight=3.2e-9, **none)) == pytest.approx(8_274_675.7, abs=0.1)
    assert float(afterpulsing.markov_rate(1e6, 100e-9, twilight=3.2e-9, **THREE)) == pytest.approx(947_845.4, abs=0.1)


def test_without_afterpulses_the_rate_is_that_of_dead_time_alone() -> None:
    rate = np.geomspace(1e3, 1e8, 7)
    bare = afterpulsing.markov_rate(rate, 37e-9, probability=[0.0, 0.0], delay=[1e-8, 1e-6])
    np.testing.assert_allclose(bare, dead_time.non_paralysable_rate(rate, 37e-9), rtol=1e-14)


def test_markov_rate_is_what_simulated_intervals_give() -> None:
    """Oracle: each interval is the sooner of a photon and, with its probability, an afterpulse; 4 sigma."""
    rate, tau, number = 1e6, 100e-9, 300_007
    rng = np.random.default_rng(11)
    trap = rng.choice(4, size=number, p=[*THREE["probability"], 0.95])
    delay = np.append(THREE["delay"], np.inf)[trap]
    late = rng.exponential(1.0, number) * np.where(np.isinf(delay), 1.0, delay)
    photon = rng.exponential(1 / rate, number)
    interval = tau + np.minimum(photon, np.where(np.isinf(delay), np.inf, late))
    sigma = interval.std() / interval.mean() / np.sqrt(number)
    assert number / interval.sum() == pytest.approx(float(afterpulsing.markov_rate(rate, tau, **THREE)), rel=4 * sigma)
    share = np.mean((late < photon) & ~np.isinf(delay))
    expected = float(afterpulsing.markov_share(rate, **THREE))
    assert share == pytest.approx(expected, abs=4 * np.sqrt(expected / number))


def test_a_gate_keeps_the_part_of_the_afterpulses_that_its_time_is_open() -> None:
    """Oracle: 2 of 10 ns; never more than all."""
    inside = afterpulsing.in_gate_probability([0.01, 0.05], gate=2e-9, trial_rate=100e6)
    np.testing.assert_allclose(inside, [0.002, 0.01], rtol=1e-14)
    assert float(afterpulsing.in_gate_probability(0.01, gate=10e-9, trial_rate=100e6 * (1 + 1e-12))) == 0.01
