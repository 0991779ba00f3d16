"""Bounds fail no more often than they may, where an attacker chose the truth and it is known (`soundness.py`)."""

from __future__ import annotations

import importlib.util
from math import log, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import hypergeom

from qphys import core, plots

specification = importlib.util.spec_from_file_location("soundness", Path(__file__).with_name("soundness.py"))
assert specification is not None
assert specification.loader is not None
soundness = importlib.util.module_from_spec(specification)
specification.loader.exec_module(soundness)


def allowed(eps: float, trials: int) -> float:
    """Share of failures that chance makes of a probability of eps: four standard deviations above it."""
    return eps + 4 * sqrt(eps / trials)


@pytest.mark.parametrize("intensities", [3, 2])
def test_bounds_fail_no_more_often_than_the_epsilon_of_one_part(intensities: int) -> None:
    # A bound that rests on several parts may fail with their sum; none needs more than one of them.
    trials = 2003
    for channel in soundness.CHANNELS:
        for errors in soundness.ERRORS:
            told = soundness.truth(channel, errors, intensities, trials, seed=5)
            for proof, policy in soundness.policies():
                if not soundness.takes(proof, policy, intensities):
                    continue
                source = policy.get("key_from", "all")
                for eps in (1e-2, 1e-3):
                    bound = soundness.bounds(told, proof, policy, eps)
                    found = soundness.failures(told, bound, source)
                    assert max(found.values()) <= allowed(eps, trials), (proof, policy, channel, errors, found)
                    # and the bounds are not idle: most of the single photons are proven, with a phase error of use
                    assert np.median(bound.single_photon_lower / told.single[source]) > 0.5
                    assert np.median(bound.phase_error_upper) < 0.25


@pytest.mark.parametrize(("proof", "policy"), list(soundness.policies()), ids=str)
def test_a_broken_assumption_is_seen(proof: str, policy: dict[str, str]) -> None:
    # The decoy is sent a fifth brighter than claimed: were the simulation blind, this would pass as well.
    number = 3 if soundness.takes(proof, policy, 3) else 2
    told = soundness.truth("splitting", "many", number, 211, seed=6, brighter=1.2)
    bound = soundness.bounds(told, proof, policy, 1e-3)
    found = soundness.failures(told, bound, policy.get("key_from", "all"))
    assert found["single"] > 0.9
    assert found["test single"] > 0.9


def chance(kind: str, eps: float, marked: int, size: int = 1000) -> float:
    """Exact probability that the other part errs above the bound, for `marked` errors among 2 `size` single photons."""
    seen = np.arange(marked + 1)
    limit = soundness.sampled(kind, seen, np.array(size), np.array(size), eps)
    outside = limit * size < (marked - seen) * (1 - 1e-12)
    return float(np.sum(hypergeom(2 * size, marked, size).pmf(seen) * outside))


@pytest.mark.parametrize("eps", [1e-2, 1e-3, 1e-6, 1e-9])
def test_exact_tail_fails_at_most_with_epsilon_and_raw_gamma_more_often_at_few_errors(eps: float) -> None:
    # oracle: SciPy's hypergeometric distribution, for every number of errors up to 100
    worst = {kind: max(chance(kind, eps, marked) for marked in range(1, 101)) for kind in soundness.SAMPLINGS}
    assert 0.1 * eps < worst["exact tail"] <= eps  # near it: an error more or less is much at this size
    assert worst["exact tail squared"] <= eps**2
    assert worst["serfling"] <= eps
    assert worst["raw gamma"] > 20 * eps


@pytest.mark.parametrize(("seen", "times"), [(1, 2.73e6), (5, 3606.0), (20, 2.75)])
def test_raw_gamma_fails_as_much_more_often_than_it_may_as_is_known(seen: int, times: float) -> None:
    # 1,000 tested and 1,000 other single photons, a secrecy epsilon of 1e-9 in 21 parts; oracle: SciPy's distribution
    eps, size = 1e-9 / 21, np.array([1000.0])
    excluded = int(np.floor(1000 * soundness.raw_gamma(np.array([float(seen)]), size, size, eps)[0])) + 1
    assert hypergeom.cdf(seen, 2000, seen + excluded, 1000) / eps == pytest.approx(times, rel=2e-3)


def test_exact_tail_holds_where_raw_gamma_does_not() -> None:
    # oracle: SciPy's distribution at the smallest number of errors that a bound excludes
    rng = np.random.default_rng(8)
    k, n = rng.integers(300, 3000, (2, 500))
    v = rng.integers(1, 7, 500)
    for eps, unsound in ((1e-2, 0.2), (1e-3, 0.6), (1e-6, 0.99)):
        excluded = np.floor(n * soundness.raw_gamma(v, k, n, eps)) + 1
        assert np.mean(hypergeom.cdf(v, n + k, (v + excluded).astype(int), k) > eps) > unsound
        excluded = core.KERNELS["errors_upper"](v.astype(float), k.astype(float), n.astype(float), log(eps))
        assert np.all(hypergeom.cdf(v, n + k, (v + excluded).astype(int), k) <= eps)


def test_drawn_failures_of_sampling_are_those_of_the_distribution() -> None:
    trials = 40009
    for kind in ("raw gamma", "exact tail"):
        drawn = soundness.sampling_failures(kind, 1e-2, trials)
        exact = np.array([chance(kind, 1e-2, marked) for marked in soundness.MARKED])
        assert np.all(np.abs(drawn - exact) <= 4.5 * np.sqrt(exact / trials) + 1e-12)


@pytest.mark.slow
def test_bounds_hold_on_many_blocks_and_the_picture_is_drawn(tmp_path: Path) -> None:
    told: Any = soundness.study(50021)
    for eps in told.epsilon.values:
        row = told.sel(epsilon=eps)
        assert float(row.failure_frequency.max()) <= allowed(eps, 50021)
        assert float(row.sampling_failure_frequency.sel(sampling="exact tail").max()) <= allowed(eps, 50021)
        assert float(row.sampling_failure_frequency.sel(sampling="raw gamma").max()) > 2 * eps
    assert plots.draw_soundness(told, tmp_path / "soundness.png").stat().st_size > 10000


def test_picture_has_the_line_of_equality_and_a_marker_for_every_bound() -> None:
    from matplotlib.figure import Figure

    told = soundness.study(101, epsilons=(1e-2, 3e-2))
    left, right = plots.soundness(told, Figure())
    for axis, curves in ((left, 4 * 5), (right, 4)):
        lines = [line for line in axis.lines if line.get_label() == "equality"]
        np.testing.assert_array_equal(lines[0].get_xdata(), lines[0].get_ydata())
        assert sum(len(line.get_xdata()) for line in axis.lines) == 2 * curves + 2
