"""Concentration inequalities. Oracles: mpmath's Lambert function, SciPy's binomial distribution, exact distributions of
independent trials of unequal probabilities, and the best strategy of an adversary whose trials depend on the past."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
from scipy.stats import binom

from qphys import core
from qphys.core import reference

Array = np.ndarray[Any, Any]

INDEPENDENT = [name for name in core.TAIL_BOUNDS if name != "kato2020"]
CODE = {name: np.int8(code) for name, code in core.TAIL_BOUNDS.items()}


def samples(count: int, seed: int) -> tuple[Array, Array, Array]:
    """Counts of 0 to 1e13 of as many trials or more, the rarer half of them few, and ln(1/epsilon)."""
    rng = np.random.default_rng(seed)
    total = np.floor(10 ** rng.uniform(0, 13, count))
    part = np.where(rng.random(count) < 0.5, 10 ** rng.uniform(-8, 0, count), rng.random(count))
    return np.floor(total * part), total, 10 ** rng.uniform(0, 2, count)


@pytest.mark.parametrize("level", core.instruction_sets())
@pytest.mark.parametrize("name", list(core.TAIL_BOUNDS))
def test_kernels_agree_with_their_twins(level: str, name: str) -> None:
    count, total, beta = samples(2003, seed=3)
    # equations are met to 1e-12 of beta and to the rounding of the mean itself
    slack = 1e-9 * (np.sqrt(beta * count) + beta) + 4e-15 * total
    for got, expected in zip(
        core.kernels(level)["mean_bounds"](count, total, beta, CODE[name], 0.2),
        reference.mean_bounds(count, total, beta, CODE[name], 0.2),
        strict=True,
    ):
        assert np.all(np.abs(got - expected) <= slack)
    share = np.random.default_rng(4).random(2003)
    got = core.kernels(level)["taken_lower"](total, share, beta, CODE[name])
    assert np.all(
        np.abs(got - reference.taken_lower(total, share, beta, CODE[name])) <= 1e-9 * np.sqrt(beta * total) + 4e-15 * total
    )


def test_zhang2017_is_the_solution_of_the_chernoff_equation() -> None:
    # E = -x W(-exp(-1 - beta/x)), both branches; 60 digits, as the branches meet where beta << x
    mpmath.mp.dps = 60
    for x in (1e-3, 0.5, 1, 2, 7, 50, 1e3, 1e6, 1e10, 1e14):
        for beta in (0.3, 4.6, 24.0, 60.0):
            inside = -mpmath.exp(-1 - mpmath.mpf(beta) / x)
            exact = [float(-x * mpmath.lambertw(inside, branch)) for branch in (0, -1)]
            lower, upper = core.mean_bounds(x, 1e15, log_inverse_epsilon=beta, tail_bound="zhang2017")
            slack = 3e-12 * (beta + np.sqrt(2 * beta * x)) + 4e-16 * x
            assert exact[0] - slack <= lower <= exact[0] + 4e-16 * x
            assert exact[1] - 4e-16 * x <= upper <= exact[1] + slack


def test_no_count_at_all_excludes_means_above_beta() -> None:
    # P(0 | E) = exp(-E) at most; Zhang et al. have E between 0 and ln(1/epsilon), and so it is
    for name in ("zhang2017", "zhang2017_simplified"):
        assert core.mean_bounds(0, 1e9, log_inverse_epsilon=23.0, tail_bound=name) == (0.0, 23.0)
    lower, upper = core.mean_bounds(0, 1000, log_inverse_epsilon=23.0, tail_bound="binomial")
    assert lower == 0
    assert upper == pytest.approx(-1000 * np.expm1(-23.0 / 1000), rel=1e-4)  # (1 - E/n)^n = epsilon
    lower, upper = core.mean_bounds(1000, 1000, log_inverse_epsilon=23.0, tail_bound="binomial")
    assert upper == 1000
    assert lower == pytest.approx(1000 * np.exp(-23.0 / 1000), rel=1e-4)  # (E/n)^n = epsilon


def test_simplified_form_is_the_chernoff_bound_below_and_looser_above() -> None:
    count, beta = np.array([200.0, 3e3, 1e6]), 23.0
    delta = (3 * beta + np.sqrt(beta**2 + 8 * beta * count)) / (2 * (count - beta))
    lower, upper = core.mean_bounds(count, 1e9, log_inverse_epsilon=beta, tail_bound="zhang2017_simplified")
    np.testing.assert_allclose((lower, upper), (count / (1 + delta), count / (1 - delta)), rtol=1e-14)
    plain = core.mean_bounds(count, 1e9, log_inverse_epsilon=beta, tail_bound="chernoff")
    np.testing.assert_allclose(lower, plain[0], rtol=1e-12)
    assert np.all(upper > plain[1])
    few = np.array([0.0, 1.0, 23.0, 138.0])  # up to 6 beta, where delta reaches 1 and the form has no upper bound
    for got, exact in zip(
        core.mean_bounds(few, 1e9, log_inverse_epsilon=beta, tail_bound="zhang2017_simplified"),
        core.mean_bounds(few, 1e9, log_inverse_epsilon=beta, tail_bound="zhang2017"),
        strict=True,
    ):
        np.testing.assert_array_equal(got, exact)


def test_binomial_excludes_no_mean_that_the_distribution_allows_and_nearly_all_others() -> None:
    rng = np.random.default_rng(6)
    total = np.floor(10 ** rng.uniform(1, 7, 600))
    count = np.floor(total * np.where(rng.random(600) < 0.5, 10 ** rng.uniform(-5, 0, 600), rng.random(600)))
    beta = rng.uniform(4, 60, 600)
    lower, upper = core.mean_bounds(count, total, log_inverse_epsilon=beta, tail_bound="binomial")
    clear = upper > count + 1  # beyond one off the mean, where Hoeffding's theorem of 1956 holds
    assert np.mean(clear) > 0.9
    tail = binom.logcdf(count[clear], total[clear], upper[clear] / total[clear])
    assert np.all(tail <= -beta[clear] + 1e-9)
    assert np.all(tail >= -beta[clear] - 0.2)  # the geometric series and Robbins' bounds cost under a fifth of a nat
    assert np.all(upper[~clear] == np.minimum(count[~clear] + 1, total[~clear]))
    clear = (lower < count - 1) & (lower > 0)
    assert np.mean(clear) > 0.7
    tail = binom.logsf(count[clear] - 1, total[clear], lower[clear] / total[clear])
    assert np.all(tail <= -beta[clear] + 1e-9)
    assert np.all(tail >= -beta[clear] - 0.2)
    # of events taken at random: one count more would be too many
    share = rng.uniform(0.02, 0.98, 600)
    taken = core.KERNELS["taken_lower"](total, share, beta, CODE["binomial"])
    assert np.all(binom.logcdf(taken[taken > 0] - 1, total[taken > 0], share[taken > 0]) <= -beta[taken > 0] + 1e-9)
    step = np.ceil(0.1 * np.sqrt(total * share * (1 - share))) + 1
    assert np.all(binom.logcdf(taken + step, total, share) > -beta)


def test_binomial_is_the_tightest_at_equal_epsilon_and_the_order_is_known() -> None:
    count, total, beta = samples(4001, seed=8)
    some = count > 0
    count, total, beta = count[some], total[some], beta[some]
    found = {name: core.mean_bounds(count, total, log_inverse_epsilon=beta, tail_bound=name) for name in INDEPENDENT}
    slack = 1e-11 * (beta + np.sqrt(beta * count)) + 1e-15 * count

    def never_looser(tight: str, loose: str, rows: Any = slice(None)) -> bool:
        low, high = (found[tight][side][rows] for side in (0, 1))
        allowed = slack[rows]
        return bool(np.all(low >= found[loose][0][rows] - allowed) and np.all(high <= found[loose][1][rows] + allowed))

    assert never_looser("zhang2017", "chernoff")
    assert never_looser("chernoff", "yin2020")
    assert never_looser("zhang2017", "zhang2017_simplified")
    # Below two counts of room the theorem of 1956 says nothing of the last one.
    room = (np.minimum(count, total - count) >= 40) & (beta >= 2)
    assert np.mean(room) > 0.6
    for other in INDEPENDENT:
        assert never_looser("binomial", other, room), other


def outcome_probabilities(p: Array) -> Array:
    """Distribution of the number of successes of independent trials."""
    told = np.array([1.0])
    for one in p:
        told = np.convolve(told, [1 - one, one])
    return told


@pytest.mark.parametrize("name", INDEPENDENT)
def test_independent_trials_of_any_probabilities_fail_no_more_often_than_epsilon(name: str) -> None:
    # oracle: exact distribution; probabilities equal, spread, and of the extremes 0, 1 and one value between
    rng = np.random.default_rng(9)
    worst = 0.0
    for trials in (5, 23, 60):
        families = [np.full(trials, p) for p in (0.01, 0.1, 0.5, 0.9)]
        families += [rng.random(trials) ** power for power in (0.2, 1, 5) for _ in range(4)]
        families += [
            np.concatenate([np.ones(ones), np.zeros(zeros), np.full(trials - ones - zeros, p)])
            for ones in (0, 1, trials // 3)
            for zeros in (0, trials // 3)
            for p in (0.05, 0.3, 0.7)
        ]
        seen = np.arange(trials + 1.0)
        for eps in (0.2, 0.05, 1e-2, 1e-4):
            lower, upper = core.mean_bounds(seen, trials, log_inverse_epsilon=-np.log(eps), tail_bound=name)
            for p in families:
                chance, mean = outcome_probabilities(p), p.sum()
                slack = 1e-9 * trials
                for outside in (upper < mean - slack, lower > mean + slack):
                    failed = float(np.sum(chance[outside]))
                    assert failed <= eps * (1 + 1e-9), (trials, eps, p)
                    worst = max(worst, failed / eps)
    assert worst > (0.3 if name == "binomial" else 0.005)  # not idle


def adversary(trials: int, parts: int, outside: Array) -> float:
    """Largest chance that an adversary who sees the past has of ending where `outside` [successes, sum of probabilities].

    Each probability is a multiple of 1 / parts. Exact: the best choice is found from the last trial back.
    """
    value = outside.astype(np.float64)
    successes, sums = value.shape
    for left in range(1, trials + 1):
        done = trials - left
        best = np.zeros_like(value)
        for part in range(parts + 1):
            p = part / parts
            shifted = np.zeros_like(value)
            shifted[:, : sums - part] = value[:, part:]
            hit = np.zeros_like(value)
            hit[:-1] = shifted[1:]
            best = np.maximum(best, p * hit + (1 - p) * shifted)
        value = np.where(np.arange(successes)[:, np.newaxis] <= done, best, 0.0)
    return float(value[0, 0])


@pytest.mark.parametrize("share", [0.05, 0.3, 0.6])
@pytest.mark.parametrize("eps", [0.2, 0.05, 1e-2])
def test_kato_holds_against_the_best_adversary_whatever_was_predicted(share: float, eps: float) -> None:
    trials, parts = 30, 10
    seen = np.arange(trials + 1.0)
    total = np.arange(trials * parts + 1) / parts
    lower, upper = core.mean_bounds(
        seen, trials, log_inverse_epsilon=-np.log(eps), tail_bound="kato2020", predicted_share=share
    )
    above = adversary(trials, parts, total[np.newaxis] > upper[:, np.newaxis] + 1e-9)
    below = adversary(trials, parts, total[np.newaxis] < lower[:, np.newaxis] - 1e-9)
    assert max(above, below) <= eps
    assert max(above, below) > 0.05 * eps  # not idle


def test_bounds_for_independent_trials_fail_against_that_adversary() -> None:
    # He stops as soon as luck has put the count outside; a bound whose width follows the count lets him.
    trials, parts, eps = 30, 10, 0.05
    seen = np.arange(trials + 1.0)
    total = np.arange(trials * parts + 1) / parts
    found = {}
    for name in ("binomial", "zhang2017"):
        _, upper = core.mean_bounds(seen, trials, log_inverse_epsilon=-np.log(eps), tail_bound=name)
        found[name] = adversary(trials, parts, total[np.newaxis] > upper[:, np.newaxis] + 1e-9)
    assert found["binomial"] > 1.5 * eps
    assert found["zhang2017"] > 0.5 * eps


def test_katos_exponent_follows_from_a_moment_generating_function() -> None:
    # For any lambda >= 0, whatever the past: P <= exp(n K - lambda b sqrt n), K = sup_p ln E exp(lambda (p - xi - alpha
    # (2 xi - 1))), alpha = a / sqrt n. Kato's exponent is never better than the best of these, for all a, b.
    alpha = np.linspace(-0.7, 0.7, 57)[:, np.newaxis]
    p = np.linspace(0, 1, 402)[1:-1]
    for extra in (0.003, 0.03, 0.1, 0.3, 0.8):
        b = np.abs(alpha[:, 0]) + extra
        kato = -2 * (b**2 - alpha[:, 0] ** 2) / (1 + 4 * alpha[:, 0] / 3) ** 2
        best = np.zeros_like(b)
        for rate in np.geomspace(0.02, 1e5, 300):
            inside = rate * (p + alpha) + np.logaddexp(np.log1p(-p), np.log(p) - rate * (1 + 2 * alpha))
            most = np.maximum(np.max(inside, axis=1), rate * np.abs(alpha[:, 0]))  # p = 0 and p = 1 give -+ rate alpha
            best = np.minimum(best, most - rate * b)
        assert np.all(best <= kato * (1 - 0.02) + 1e-5)  # 2 % for the grid of lambda


def test_katos_bound_at_its_own_prediction_is_that_of_the_best_a_and_b() -> None:
    # oracle: the minimum over a grid of a, b following from the failure probability
    for total, share, beta in ((1e4, 0.02, 23.0), (300.0, 0.4, 5.0), (1e6, 0.9, 40.0)):
        root = np.sqrt(total)
        a = np.linspace(-0.74 * root, 0.74 * root, 400001)
        b = np.sqrt(a**2 + beta / 2 * (1 + 4 * a / (3 * root)) ** 2)
        least = np.min(share * total + (b + a * (2 * share - 1)) * root)
        _, upper = core.mean_bounds(
            share * total, total, log_inverse_epsilon=beta, tail_bound="kato2020", predicted_share=share
        )
        assert upper == pytest.approx(min(least, total), rel=1e-6)
        # a poor prediction is looser, on either side
        for wrong in (0.5 * share, min(1.5 * share, 1.0)):
            _, other = core.mean_bounds(
                share * total, total, log_inverse_epsilon=beta, tail_bound="kato2020", predicted_share=wrong
            )
            assert other > upper


@pytest.mark.parametrize("name", INDEPENDENT)
def test_taken_events_fall_below_their_bound_no_more_often_than_epsilon(name: str) -> None:
    for trials in (7, 100, 3001):
        for share in (0.05, 0.4, 0.9):
            for eps in (0.05, 1e-3, 1e-9):
                least = core.KERNELS["taken_lower"](float(trials), share, -np.log(eps), CODE[name])
                assert binom.cdf(np.ceil(least) - 1, trials, share) <= eps * (1 + 1e-9)


@pytest.mark.parametrize(
    ("count", "total", "beta", "code", "share"),
    [
        (np.nan, 10, 1, 3, 0.5),
        (-1, 10, 1, 3, 0.5),
        (11, 10, 1, 5, 0.5),
        (1, np.inf, 1, 5, 0.5),
        (1, 1e16, 1, 5, 0.5),
        (1, 10, 0, 3, 0.5),
        (1, 10, np.nan, 3, 0.5),
        (1, 10, 1, 7, 0.5),
        (1, 10, 1, -1, 0.5),
        (1, 10, 1, 6, np.nan),
        (1, 10, 1, 6, 1.5),
    ],
)
def test_impossible_input_has_no_bound(count: float, total: float, beta: float, code: int, share: float) -> None:
    for kernel in (core.KERNELS["mean_bounds"], reference.mean_bounds):
        assert np.all(np.isnan(kernel(count, total, beta, np.int8(code), share)))
    if code != 6:
        bad = (np.nan, 0.5, beta, np.int8(code)) if 0 <= code < 7 and beta > 0 else (10.0, 0.5, beta, np.int8(code))
        assert np.isnan(core.KERNELS["taken_lower"](*bad))
        assert np.isnan(reference.taken_lower(*bad))


def test_kato_without_a_prediction_is_refused() -> None:
    with pytest.raises(ValueError, match="predicted_share is missing"):
        core.mean_bounds(1, 10, log_inverse_epsilon=1.0, tail_bound="kato2020")
