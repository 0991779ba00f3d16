"""Variates and the sampling kernels. Oracles: SciPy's distributions, exact enumeration, the law of the fading's scatter on
paper, the slow twins (count for count). Seeds are fixed; a bound of 1e-4 on a p-value would fail one seed in 10,000."""

from __future__ import annotations

import itertools
from typing import Any

import mpmath
import numpy as np
import pytest
from scipy import stats

from qphys import core
from qphys.core import reference_sampling as reference

Array = np.ndarray[Any, Any]
SEED, STREAM = np.uint64(20161219), np.uint64(0xFEDC_BA98_7654_3210)
GOOD = core.STATUS["good"]


def draw(kernel: str, *parameters: Any, size: int, seed: int = 1) -> Array:
    values, status = core.KERNELS[kernel](*parameters, np.uint64(seed), STREAM, np.arange(size, dtype=np.uint64))
    assert not status.any()
    return np.asarray(values)


def p_value(observed: Array, expected: Array) -> float:
    """Chi-square of observed against expected numbers; neighbours are joined until 20 are expected."""
    joined_o, joined_e = [0.0], [0.0]
    for o, e in zip(observed, expected, strict=True):
        if joined_e[-1] >= 20:
            joined_o.append(0.0)
            joined_e.append(0.0)
        joined_o[-1] += o
        joined_e[-1] += e
    if len(joined_e) > 1 and joined_e[-1] < 20:
        joined_o[-2] += joined_o.pop()
        joined_e[-2] += joined_e.pop()
    chi_square = float(np.sum((np.array(joined_o) - joined_e) ** 2 / np.array(joined_e)))
    return float(stats.chi2.sf(chi_square, len(joined_e) - 1))


def p_value_of(counts: Array, distribution: Any) -> float:
    """Chi-square of counts against a SciPy distribution, in cells of whole numbers, at most about 200 of them."""
    low, high = int(distribution.ppf(1e-9)), int(distribution.ppf(1 - 1e-9))
    edges = np.unique(np.linspace(low - 1, high, 201).astype(np.int64))
    edges = np.concatenate([[-1], edges, [np.iinfo(np.int64).max]])
    edges = np.unique(edges)
    below = np.concatenate([[0.0], distribution.cdf(edges[1:-1].astype(float)), [1.0]])
    observed = np.diff(np.searchsorted(np.sort(counts), edges, side="right"))
    return p_value(observed, counts.size * np.diff(below))


@pytest.mark.parametrize(
    ("n", "p"),
    [
        (1000, 0.1),
        (10**6, 1e-4),
        (10**12, 1e-12),
        (10**12, 3e-11),
        (7, 0.3),
        (101, 0.5),
        (19, 0.9),
        (10**5, 0.7),
        (10**9, 0.3),
        (10**13, 1e-11),
        (104729, 1.9e-4),
    ],
)
def test_binomial_variates_have_the_binomial_distribution(n: int, p: float) -> None:
    assert p_value_of(draw("draw_binomial", n, p, size=300_007), stats.binom(n, p)) > 1e-4


@pytest.mark.parametrize("mean", [0.01, 0.7, 9.9, 10.1, 137.0, 1e4, 1e9])
def test_poisson_variates_have_the_poisson_distribution(mean: float) -> None:
    assert p_value_of(draw("draw_poisson", mean, size=300_007), stats.poisson(mean)) > 1e-4


@pytest.mark.parametrize("shape", [1, 2, 8, 9, 40, 10**6])
def test_erlang_variates_have_the_gamma_distribution(shape: int) -> None:
    values = draw("draw_erlang", shape, size=100_003)
    assert stats.kstest(values, stats.gamma(shape).cdf).pvalue > 1e-4


@pytest.mark.parametrize(("n", "p"), [(10**15, 1e-12), (10**15, 0.5), (2**53, 1e-3), (10**15, 1e-13)])
def test_binomial_mean_and_variance_hold_where_logarithms_of_factorials_cancel(n: int, p: float) -> None:
    size = 1_000_003
    counts = draw("draw_binomial", n, p, size=size)
    variance = n * p * (1 - p)
    deviation = counts - np.int64(round(n * p))  # exact: the mean itself has 2**50 and more
    assert abs(deviation.mean() - (n * p - round(n * p))) < 4.5 * np.sqrt(variance / size)
    assert abs(np.mean(deviation.astype(float) ** 2) / variance - 1) < 4.5 * np.sqrt(2 / size)


@pytest.mark.parametrize(
    ("n", "p", "k", "m"),
    [
        (1000, 0.1, 130, 100),
        (1000, 0.1, 3, 100),
        (47, 0.4, 47, 19),
        (47, 0.4, 0, 19),
        (10**6, 1e-4, 55, 100),
        (10**13, 1e-11, 140, 100),
        (10**13, 0.3, 3 * 10**12 + 10**6, 3 * 10**12),
        (2**53, 0.5, 2**52 - 10**8, 2**52),
    ],
)
def test_ratio_of_binomial_masses_agrees_with_mpmath(n: int, p: float, k: int, m: int) -> None:
    with mpmath.workdps(60):
        log_mass = [mpmath.loggamma(n + 1) - mpmath.loggamma(j + 1) - mpmath.loggamma(n - j + 1) for j in (k, m)]
        q = mpmath.mpf(p)
        exact = float(log_mass[0] - log_mass[1] + (k - m) * (mpmath.log(q) - mpmath.log(1 - q)))
    # three terms of size |k - m| are added; the tail of Stirling's series is cut at 1e-14
    assert core.KERNELS["binomial_log_ratio"](n, p, k, m) == pytest.approx(exact, rel=0, abs=1e-13 + 1e-15 * abs(k - m))


@pytest.mark.parametrize(("mean", "k"), [(0.5, 0), (10.5, 30), (1e4, 10300), (1e12, 10**12 + 3 * 10**6), (33.0, 5)])
def test_poisson_mass_agrees_with_mpmath(mean: float, k: int) -> None:
    with mpmath.workdps(60):
        exact = float(k * mpmath.log(mpmath.mpf(mean)) - mpmath.mpf(mean) - mpmath.loggamma(k + 1))
    tolerance = 1e-13 + 1e-15 * abs(k - mean)
    assert core.KERNELS["poisson_log_mass"](mean, k) == pytest.approx(exact, rel=0, abs=tolerance)


def test_variates_at_the_ends_are_exact() -> None:
    index = np.arange(1009, dtype=np.uint64)
    for n, p, expected in [(0, 0.3, 0), (10**12, 0.0, 0), (10**12, 1.0, 10**12), (0, 1.0, 0), (2**53, 1.0, 2**53)]:
        counts, status = core.KERNELS["draw_binomial"](n, p, SEED, STREAM, index)
        assert (counts == expected).all()
        assert (status == GOOD).all()
    assert not draw("draw_poisson", 0.0, size=1009).any()
    assert not draw("draw_erlang", 0, size=1009).any()


def test_bad_parameters_end_as_status() -> None:
    code = core.STATUS
    for n, p, status in [
        (10, np.nan, code["input_not_finite"]),
        (10, -1e-9, code["impossible_probabilities"]),
        (10, 1.0001, code["impossible_probabilities"]),
        (10, np.inf, code["impossible_probabilities"]),
        (-1, 0.5, code["impossible_counts"]),
        (2**53 + 1, 0.5, code["impossible_counts"]),
    ]:
        assert core.KERNELS["draw_binomial"](n, p, SEED, STREAM, np.uint64(0)) == (0, status)
        assert reference.draw_binomial(n, p, SEED, STREAM, np.uint64(0)) == (0, status)
    for mean in (np.nan, -1.0, np.inf, 1e17):
        got = core.KERNELS["draw_poisson"](mean, SEED, STREAM, np.uint64(0))
        assert got == reference.draw_poisson(mean, SEED, STREAM, np.uint64(0))
        assert got[0] == 0
        assert got[1] != GOOD
    assert np.isnan(core.KERNELS["draw_erlang"](-1, SEED, STREAM, np.uint64(0))[0])


@pytest.mark.parametrize("name", ["binomial_log_ratio", "poisson_log_mass"])
def test_masses_of_any_input_equal_their_twins_and_impossible_ones_are_nan(name: str) -> None:
    kernel = core.KERNELS[name]
    zoo = np.array([0.0, 1.0, 5.0, 23.0, 0.25, -1.0, -1e300, 1e300, np.nan, np.inf, -np.inf])
    arguments = [zoo[index] for index in np.indices((zoo.size,) * kernel.nin)]
    whole = [a == np.floor(a) for a in arguments]
    chosen = np.logical_and.reduce([*(whole[2:] if kernel.nin == 4 else whole[1:]), arguments[0] != 0.25])
    got, expected = kernel(*arguments)[chosen], getattr(reference, name)(*arguments)[chosen]
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)
    assert np.isfinite(got).any()
    assert np.isnan(got).any()


def test_thinned_poisson_counts_are_poisson() -> None:
    size, mean, p = 300_007, 83.0, 0.12
    thrown = draw("draw_poisson", mean, size=size, seed=1)
    kept, _ = core.KERNELS["draw_binomial"](thrown, p, np.uint64(2), STREAM, np.arange(size, dtype=np.uint64))
    assert p_value_of(kept, stats.poisson(mean * p)) > 1e-4


def test_variates_equal_their_twins_count_for_count() -> None:
    index = np.arange(211, dtype=np.uint64)
    n = np.array([1, 7, 100, 1009, 10**6, 10**12, 10**15])[:, None, None]
    p = np.array([0, 1e-15, 1e-12, 1e-8, 1e-3, 0.1, 0.49, 0.5, 0.51, 0.9, 1 - 1e-10, 1])[:, None]
    for got, expected in zip(
        core.KERNELS["draw_binomial"](n, p, SEED, STREAM, index),
        reference.draw_binomial(n, p, SEED, STREAM, index),
        strict=True,
    ):
        np.testing.assert_array_equal(got, expected)
    mean = 10.0 ** np.linspace(-3, 15, 101)[:, None]
    for got, expected in zip(
        core.KERNELS["draw_poisson"](mean, SEED, STREAM, index[:23]),
        reference.draw_poisson(mean, SEED, STREAM, index[:23]),
        strict=True,
    ):
        np.testing.assert_array_equal(got, expected)
    shape = np.array([0, 1, 2, 8, 9, 100, 10**9])[:, None]
    np.testing.assert_allclose(
        core.KERNELS["draw_erlang"](shape, SEED, STREAM, index)[0],
        reference.draw_erlang(shape, SEED, STREAM, index)[0],
        rtol=1e-14,
    )


# ---- fading ---------------------------------------------------------------------------------------------------------

TRANSMITTANCE = np.exp(0.45 * np.array([-2.3, -1.1, -0.4, 0.2, 0.7, 1.3, 2.2]))
WEIGHT = np.array([0.03, 0.14, 0.24, 0.27, 0.18, 0.11, 0.03])
MEAN = float(WEIGHT @ TRANSMITTANCE)
SCINTILLATION = float(WEIGHT @ TRANSMITTANCE**2) / MEAN**2 - 1

#: Correlation time over the step. At 0.004, 250 redraws a step, the numbers of spacings come from rejection.
CORRELATION_TIMES = [0.0, 0.004, 0.01, 0.2, 1.0, 3.0]


def within_step(tau_over_dt: float) -> float:
    """Variance of the mean over a step, over that of the fading: g(x) = 2 (x - 1 + exp(-x))/x^2 with x = dt/tau."""
    if tau_over_dt == 0:
        return 0.0
    x = 1 / tau_over_dt
    return float(2 * (x + np.expm1(-x)) / x**2)


def between_steps(tau_over_dt: float, lag: int) -> float:
    """Covariance of the means over two steps `lag` >= 1 apart, over the variance of the fading."""
    if tau_over_dt == 0:
        return 0.0
    x = 1 / tau_over_dt
    return float(np.expm1(-x) ** 2 / x**2 * np.exp(-(lag - 1) * x))


def occupancy(weight: Array, tau_over_dt: float, realisations: int, seed: int = 1) -> Array:
    parts, status = core.KERNELS["fading_occupancy"](
        weight, tau_over_dt, np.uint64(seed), STREAM, np.arange(realisations, dtype=np.uint64)
    )
    assert not status.any()
    return np.asarray(parts)


@pytest.mark.parametrize("tau_over_dt", CORRELATION_TIMES)
def test_means_over_a_step_scatter_and_correlate_as_an_exponential_autocorrelation_says(tau_over_dt: float) -> None:
    steps = 13
    parts = occupancy(np.tile(WEIGHT, (steps, 1)), tau_over_dt, 20_011)
    np.testing.assert_allclose(parts.sum(axis=-1), 1.0, rtol=1e-12)
    deviation = parts @ TRANSMITTANCE / MEAN - 1
    scale = SCINTILLATION * max(within_step(tau_over_dt), 1e-12)
    assert abs(deviation.mean()) < 5 * np.sqrt(SCINTILLATION * within_step(tau_over_dt * steps) / 20_011) + 1e-12
    assert np.mean(deviation**2) == pytest.approx(SCINTILLATION * within_step(tau_over_dt), abs=0.025 * scale)
    for lag in (1, 2, 5):
        covariance = np.mean(deviation[:, lag:] * deviation[:, :-lag])
        assert covariance == pytest.approx(SCINTILLATION * between_steps(tau_over_dt, lag), abs=0.025 * scale)


def test_every_step_keeps_its_own_weights_while_the_fading_runs_on() -> None:
    rng = np.random.default_rng(11)
    weight = rng.dirichlet(np.full(5, 0.7), size=7)
    weight[3, 1] = weight[4, 4] = 0.0
    weight /= weight.sum(axis=1, keepdims=True)
    parts = occupancy(weight, 3.0, 40_009)
    assert (parts[..., 3, 1] == 0).all()
    assert (parts[..., 4, 4] == 0).all()
    error = np.sqrt(weight * (1 - weight) * within_step(3.0) / 40_009)
    assert (np.abs(parts.mean(axis=0) - weight) <= 4.5 * error).all()


def test_fading_without_end_is_one_node_and_without_memory_is_the_weights() -> None:
    weight = np.tile(WEIGHT, (5, 1))
    frozen = occupancy(weight, np.inf, 30_011)
    assert set(np.unique(frozen)) == {0.0, 1.0}
    assert (frozen == frozen[:, :1]).all()
    assert p_value(frozen[:, 0].sum(axis=0), 30_011 * WEIGHT) > 1e-4
    for tau_over_dt in (0.0, 1e-17, 5e-324):
        np.testing.assert_allclose(occupancy(3 * weight, tau_over_dt, 2), np.tile(WEIGHT, (2, 5, 1)), rtol=1e-15)
    np.testing.assert_allclose(occupancy(weight, 1e-13, 3), np.tile(WEIGHT, (3, 5, 1)), atol=1e-5)


@pytest.mark.parametrize("tau_over_dt", [0.0, 1e-17, 1e-6, *CORRELATION_TIMES[1:], np.inf])
def test_fading_equals_its_twin(tau_over_dt: float) -> None:
    weight = np.random.default_rng(5).uniform(0, 1, (17, 5))
    weight[3, 2] = weight[5, 4] = weight[6, 0] = 0
    index = np.arange(7, dtype=np.uint64)
    got = core.KERNELS["fading_occupancy"](weight, tau_over_dt, SEED, STREAM, index)
    expected = reference.fading_occupancy(weight, tau_over_dt, SEED, STREAM, index)
    np.testing.assert_allclose(got[0], expected[0], rtol=1e-12, atol=1e-300)
    np.testing.assert_array_equal(got[1], expected[1])


def test_bad_weights_and_times_end_as_nan_and_status_in_their_step_only() -> None:
    weight = np.tile(WEIGHT, (6, 1))
    good = occupancy(weight, 1.0, 3)
    weight[1, 2], weight[2, 0], weight[3, :], weight[4, 5] = np.nan, -0.1, 0.0, np.inf
    index = np.arange(3, dtype=np.uint64)
    parts, status = core.KERNELS["fading_occupancy"](weight, 1.0, np.uint64(1), STREAM, index)
    code = core.STATUS
    expected = [GOOD, code["input_not_finite"], *[code["impossible_probabilities"]] * 2, code["input_not_finite"], GOOD]
    assert status.tolist() == [expected] * 3
    assert np.isnan(parts[:, 1:5]).all()
    np.testing.assert_array_equal(parts[:, [0, 5]], good[:, [0, 5]])
    np.testing.assert_array_equal(status, reference.fading_occupancy(weight, 1.0, np.uint64(1), STREAM, index)[1])
    for tau_over_dt, name in [(np.nan, "input_not_finite"), (-1.0, "impossible_probabilities")]:
        parts, status = core.KERNELS["fading_occupancy"](WEIGHT[None], tau_over_dt, SEED, STREAM, np.uint64(0))
        assert np.isnan(parts).all()
        assert (status == code[name]).all()
        assert (reference.fading_occupancy(WEIGHT[None], tau_over_dt, SEED, STREAM, np.uint64(0))[1] == code[name]).all()


# ---- counts ---------------------------------------------------------------------------------------------------------


def ragged_pass(steps: int = 23) -> tuple[Array, Array, Array, Array]:
    """Return probability, weight, setting_probability and trials of a pass of 5 nodes, 3 settings, 6 outcomes."""
    rng = np.random.default_rng(17)
    weight = rng.dirichlet(np.full(5, 2.0), size=steps)
    probability = np.zeros((steps, 5, 3, 6))
    probability[..., 1:] = rng.uniform(0, 1e-3, (steps, 5, 3, 5)) * 10.0 ** rng.integers(-7, 1, (steps, 1, 3, 5))
    probability[..., 0] = 1 - probability.sum(axis=-1)
    return probability, weight, np.array([0.5, 0.3, 0.2]), rng.integers(0, 10**8, steps)


def counts_of(
    probability: Array, parts: Array, setting_probability: Array, trials: Array, realisations: Any
) -> tuple[Array, ...]:
    return tuple(
        core.KERNELS["sample_counts"](
            probability, parts, setting_probability, trials, SEED, STREAM, np.asarray(realisations, dtype=np.uint64)
        )
    )


def test_few_trials_have_the_multinomial_distribution_over_settings_and_outcomes() -> None:
    trials, setting_probability = 3, np.array([0.6, 0.4])
    outcome = np.array([[0.3, 0.45, 0.25], [0.5, 0.05, 0.45]])
    counts, _, _ = counts_of(outcome[None, None], np.ones((1, 1)), setting_probability, np.array([trials]), range(100_003))
    cell = (setting_probability[:, None] * outcome).ravel()
    states = [s for s in itertools.product(range(trials + 1), repeat=6) if sum(s) == trials]
    base = (trials + 1) ** np.arange(6)
    seen = np.bincount(counts.reshape(-1, 6) @ base, minlength=int((trials + 1) ** 6))
    observed = np.array([seen[int(np.dot(s, base))] for s in states])
    assert observed.sum() == 100_003
    assert p_value(observed, 100_003 * stats.multinomial(trials, cell).pmf(states)) > 1e-4


@pytest.mark.parametrize("trials", [40, 10**9])
def test_many_trials_have_multinomial_marginals_and_covariances(trials: int) -> None:
    setting_probability = np.array([0.62, 0.0, 0.38])
    outcome = np.array([[0.2, 0.5, 0.05, 0.25], [0.1, 0.2, 0.3, 0.4], [0.9, 0.002, 0.09, 0.008]])
    size = 100_003
    counts, sent, status = counts_of(
        outcome[None, None], np.ones((1, 1)), setting_probability, np.array([trials]), range(size)
    )
    assert not status.any()
    np.testing.assert_array_equal(counts.sum(axis=-1), sent)
    np.testing.assert_array_equal(sent.sum(axis=-1), trials)
    cell = (setting_probability[:, None] * outcome).ravel()
    for i in np.flatnonzero(cell):
        assert p_value_of(counts.reshape(size, -1)[:, i], stats.binom(trials, cell[i])) > 1e-4
    deviation = counts.reshape(size, -1) - trials * cell
    covariance = deviation.T @ deviation / size
    exact = trials * (np.diag(cell) - np.outer(cell, cell))
    scale = np.sqrt(np.outer(np.diag(exact), np.diag(exact)))
    assert (np.abs(covariance - exact) <= 5 * np.sqrt(2 / size) * scale).all()


def test_rare_outcomes_keep_their_mean_beside_common_ones() -> None:
    """Twelve orders of magnitude between outcomes: no probability may be the difference of others."""
    outcome = np.array([0.0, 0.9, 1e-12, 1e-3, 1e-12])
    outcome[0] = 1 - outcome.sum()
    size, trials = 20_011, 10**12
    counts, _, _ = counts_of(outcome[None, None, None], np.ones((1, 1)), np.ones(1), np.array([trials]), range(size))
    for o in (2, 4):
        assert p_value_of(counts[:, 0, 0, o], stats.poisson(1.0)) > 1e-4


@pytest.mark.parametrize("tau_over_dt", [0.0, 0.01, 0.2, 1.0, 3.0])
def test_counts_scatter_as_poisson_plus_fading_says(tau_over_dt: float) -> None:
    """Var k = m + m^2 s^2 g(dt/tau), s^2 the scintillation index; shared by outcomes, settings and later steps."""
    steps, realisations, trials = 17, 12_007, 10**8
    click = np.array([1.0e-6, 0.5e-6])[:, None] * np.array([0.7, 0.3])
    probability = np.zeros((steps, WEIGHT.size, 2, 3))
    probability[..., 1:] = (TRANSMITTANCE / MEAN)[None, :, None, None] * click
    probability[..., 0] = 1 - probability.sum(axis=-1)
    setting_probability = np.array([0.6, 0.4])
    parts = occupancy(np.tile(WEIGHT, (steps, 1)), tau_over_dt, realisations, seed=5)
    counts, _, status = counts_of(probability, parts, setting_probability, np.full(steps, trials), range(realisations))
    assert not status.any()

    mean = trials * setting_probability[:, None] * click
    deviation = counts[..., 1:] - mean
    fading = SCINTILLATION * within_step(tau_over_dt)
    assert np.mean(deviation**2, axis=(0, 1)) == pytest.approx(mean + mean**2 * fading, rel=0.05)
    variance = mean + mean**2 * fading
    for a, b in [((0, 0), (0, 1)), ((0, 0), (1, 1))]:
        covariance = np.mean(deviation[..., a[0], a[1]] * deviation[..., b[0], b[1]])
        assert covariance == pytest.approx(mean[a] * mean[b] * fading, abs=0.05 * np.sqrt(variance[a] * variance[b]))
    for lag in (1, 3):
        covariance = np.mean(deviation[:, lag:, 0, 0] * deviation[:, :-lag, 0, 0])
        exact = mean[0, 0] ** 2 * SCINTILLATION * between_steps(tau_over_dt, lag)
        assert covariance == pytest.approx(exact, abs=0.05 * variance[0, 0])


def test_counts_equal_their_twin() -> None:
    probability, weight, setting_probability, trials = ragged_pass()
    trials[4] = 0
    for tau_over_dt in (0.0, 0.05, 2.0):
        parts = occupancy(weight, tau_over_dt, 3)
        got = counts_of(probability, parts, setting_probability, trials, range(3))
        expected = reference.sample_counts(
            probability, parts, setting_probability, trials, SEED, STREAM, np.arange(3, dtype=np.uint64)
        )
        for g, e in zip(got, expected, strict=True):
            np.testing.assert_array_equal(g, e)


def test_no_chunk_order_thread_stride_or_instruction_set_changes_a_bit() -> None:
    probability, weight, setting_probability, trials = ragged_pass()
    index = np.arange(31, dtype=np.uint64)

    def sampled(kernels: Any, chosen: Array, threads: int = 1) -> tuple[Array, ...]:
        key = (SEED, STREAM, chosen)
        parts = core.evaluate(kernels["fading_occupancy"], weight, 0.4, *key, threads=threads, smallest_slice=1)[0]
        inputs = (probability, parts, setting_probability, trials, *key)
        return (parts, *core.evaluate(kernels["sample_counts"], *inputs, threads=threads, smallest_slice=1))

    whole = sampled(core.kernels("baseline"), index)
    for level in core.instruction_sets():
        for threads, chosen in [(1, index), (3, index), (2, index[::-1]), (1, index[7:8]), (2, index[[30, 2, 11]])]:
            for got, expected in zip(sampled(core.kernels(level), chosen, threads), whole, strict=True):
                np.testing.assert_array_equal(got, expected[chosen])
    probability = np.asfortranarray(probability)
    weight, trials = np.repeat(weight, 2, axis=1)[:, ::2], np.repeat(trials, 3)[::3]
    target = np.full((31, 23, 6, 3), -1, dtype=np.int64).swapaxes(-1, -2)
    parts = core.KERNELS["fading_occupancy"](weight, 0.4, SEED, STREAM, index)[0]
    core.KERNELS["sample_counts"](
        probability, parts, setting_probability, trials, SEED, STREAM, index, out=(target, None, None)
    )
    np.testing.assert_array_equal(target, whole[1])


def test_a_shorter_pass_is_the_beginning_of_a_longer_one() -> None:
    probability, weight, setting_probability, trials = ragged_pass()
    parts = occupancy(weight, 0.4, 3)
    whole = counts_of(probability, parts, setting_probability, trials, range(3))
    np.testing.assert_array_equal(occupancy(weight[:11], 0.4, 3), parts[:, :11])
    trials[11:] = 0
    probability[11:] = np.nan
    weight[11:] = np.nan
    padded = counts_of(probability, np.where(np.isnan(weight), weight, parts), setting_probability, trials, range(3))
    for got, expected in zip(padded, whole, strict=True):
        np.testing.assert_array_equal(got[:, :11], expected[:, :11])
        assert not got[:, 11:].any()


def test_bad_probabilities_and_trials_end_as_status_and_no_counts_in_their_step_only() -> None:
    probability, weight, setting_probability, trials = ragged_pass(7)
    good = counts_of(probability, weight, setting_probability, trials, 0)
    probability[1, 2, 1, 3] = np.nan
    probability[2, :, 2, 1] = -1e-9
    probability[3, :, 0, 1:3] = 0.51
    trials[4] = -1
    trials[5] = 2**53 + 1
    code = core.STATUS
    counts, sent, status = counts_of(probability, weight, setting_probability, trials, 0)
    expected = ["good", "input_not_finite", *["impossible_probabilities"] * 2, *["impossible_counts"] * 2, "good"]
    assert status.tolist() == [code[name] for name in expected]
    assert not counts[1:6].any()
    assert not sent[1:6].any()
    np.testing.assert_array_equal(counts[[0, 6]], good[0][[0, 6]])
    twin = reference.sample_counts(probability, weight, setting_probability, trials, SEED, STREAM, np.uint64(0))
    for got, slow in zip((counts, sent, status), twin, strict=True):
        np.testing.assert_array_equal(got, slow)
    for settings, name in [
        (np.array([0.5, 0.3, 0.1]), "impossible_probabilities"),
        (np.array([0.9, 0.3, -0.2]), "impossible_probabilities"),
        (np.array([0.5, np.nan, 0.1]), "input_not_finite"),
    ]:
        counts, sent, status = counts_of(*ragged_pass(7)[:2], settings, np.full(7, 10**6), 0)
        assert (status == code[name]).all()
        assert not counts.any()
        assert not sent.any()
    many = np.full((1, 1, 1, 257), 1e-6)
    *_, status = counts_of(many, np.ones((1, 1)), np.ones(1), np.array([10]), 0)
    assert status.tolist() == [code["unknown_option"]]


def test_a_node_that_is_not_visited_may_hold_anything() -> None:
    probability, _, setting_probability, trials = ragged_pass(3)
    parts = np.tile([0.0, 0.25, 0.0, 0.75, 0.0], (3, 1))
    expected = counts_of(probability, parts, setting_probability, trials, 0)
    probability[:, [0, 2, 4]] = np.nan
    for got, e in zip(counts_of(probability, parts, setting_probability, trials, 0), expected, strict=True):
        np.testing.assert_array_equal(got, e)


def test_empty_shapes_pass() -> None:
    for steps, nodes, settings, outcomes in [(0, 2, 2, 2), (2, 2, 0, 2), (2, 2, 2, 1)]:
        counts, sent, status = counts_of(
            np.zeros((steps, nodes, settings, outcomes)),
            np.full((steps, nodes), 0.5),
            np.full(settings, 1 / max(settings, 1)),
            np.full(steps, 7),
            0,
        )
        assert counts.shape == (steps, settings, outcomes)
        assert (sent.sum(axis=-1) == (7 if settings else 0)).all()
        assert (status == (GOOD if settings else core.STATUS["impossible_probabilities"])).all()
