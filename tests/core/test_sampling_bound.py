"""The phase error's sampling bound. Oracle: SciPy's exact hypergeometric distribution."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import hypergeom

from qphys import core
from qphys.core import reference

specification = importlib.util.spec_from_file_location("blocks", Path(__file__).with_name("blocks.py"))
assert specification is not None
assert specification.loader is not None
blocks = importlib.util.module_from_spec(specification)
specification.loader.exec_module(blocks)

errors_upper = core.KERNELS["errors_upper"]


def samples(count: int, seed: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    tested = np.floor(10 ** rng.uniform(1.5, 4.5, count))
    unseen = np.floor(10 ** rng.uniform(1.5, 4.5, count))
    shown = np.floor(tested * 0.3 * 10 ** rng.uniform(-4, 0, count))
    return shown, tested, unseen, -rng.uniform(3, 60, count)


def test_bound_holds_against_the_exact_tail_and_is_nearly_the_smallest_that_does() -> None:
    shown, tested, unseen, log_eps = samples(701, seed=3)
    bound = errors_upper(shown, tested, unseen, log_eps)
    found = ~np.isnan(bound)
    assert 300 < np.sum(found) < 700
    v, k, n, m, limit = (x[found] for x in (shown, tested, unseen, bound, log_eps))
    exact = hypergeom.logcdf(v, n + k, v + m, k)
    assert np.all(exact <= limit + 1e-9)
    # Robbins' bounds cost under 1 %, the geometric series under 15 % of a probability: 0.16 in its logarithm, which is
    # one step in m where few errors are seen, and under 1 % of it where many are.
    fewer = np.floor(m * 0.99) - 1
    assert np.all((fewer < 0) | (hypergeom.logcdf(v, n + k, v + np.maximum(fewer, 0), k) > limit))


@pytest.mark.parametrize("level", core.instruction_sets())
def test_bound_is_the_same_whole_number_as_bisection_finds_in_the_twin(level: str) -> None:
    shown, tested, unseen, log_eps = samples(2003, seed=4)
    np.testing.assert_array_equal(
        core.kernels(level)["errors_upper"](shown, tested, unseen, log_eps),
        reference.errors_upper(shown, tested, unseen, log_eps),
    )


def test_bound_grows_with_errors_shown_and_with_smaller_epsilon() -> None:
    shown = np.arange(0.0, 400.0)
    for log_eps in (-5.0, -30.0, -60.0):
        bound = errors_upper(shown, 3001.0, 1009.0, log_eps)
        assert np.all(np.diff(bound[~np.isnan(bound)]) >= 0)
        assert np.all(errors_upper(shown, 3001.0, 1009.0, log_eps - 1)[:200] >= bound[:200])


def test_no_errors_shown_gives_the_bound_on_paper() -> None:
    # Without errors P(V = 0) = (n / N)^m for m << n: as many tested as not give 2^-m.
    assert errors_upper(0.0, 1e6, 1e6, -20.0) == np.ceil(20.0 / np.log(2.0))
    assert errors_upper(0.0, 1e6, 1e6, -30.0) == np.ceil(30.0 / np.log(2.0))


@pytest.mark.parametrize(
    ("shown", "tested", "unseen", "log_eps"),
    [
        (np.nan, 10, 10, -1),
        (1, np.nan, 10, -1),
        (1, 10, np.inf, -1),
        (-1, 10, 10, -1),
        (11, 10, 10, -1),
        (1, 10, 10, 1),
        (1, 10, 10, np.nan),
        (0, 0, 0, -1),
        (1, 1e16, 10, -1),
        (1, 10, 10, -1e7),
    ],
)
def test_impossible_samples_have_no_bound(shown: float, tested: float, unseen: float, log_eps: float) -> None:
    assert np.isnan(errors_upper(shown, tested, unseen, log_eps))
    assert np.isnan(reference.errors_upper(shown, tested, unseen, log_eps))


def test_gamma_is_used_only_where_the_exact_tail_allows_it_and_would_fail_badly_elsewhere() -> None:
    inputs = blocks.random_blocks(6007, seed=8)
    _, _, single, test_single, test_error, phase, _, used, _ = core.KERNELS["lim2014"](*inputs)
    terms = np.where(inputs[12] == 0, 23.0, 21.0)
    log_eps = np.log(inputs[7] / terms)
    small = np.flatnonzero((test_single < 3e4) & (single < 3e5) & (inputs[11] == 0) & (test_error > 1))

    def exact_tail(rows: np.ndarray, m: np.ndarray) -> np.ndarray:
        v, k, n = np.ceil(test_error[rows]), np.floor(test_single[rows]), np.floor(single[rows])
        return hypergeom.logcdf(v, n + k, v + m, k) - log_eps[rows]

    gamma = small[used[small] == 1][:150]
    assert len(gamma) > 50
    assert np.all(exact_tail(gamma, np.floor(single[gamma] * phase[gamma]) + 1) <= 1e-9)

    tail = small[used[small] == 2][:150]
    assert len(tail) > 50
    b = test_error[tail] / test_single[tail]
    sizes = (single[tail] + test_single[tail]) / (single[tail] * test_single[tail])
    lim = np.sqrt(sizes * (1 - b) * b * (np.log(sizes / ((1 - b) * b)) - 2 * log_eps[tail])) / np.log(2)
    assert np.max(exact_tail(tail, np.floor(single[tail] * (b + lim)) + 1)) > np.log(1e3)


@pytest.mark.parametrize("policy", [1, 2])
def test_exact_policies_fail_with_no_more_than_eps_or_its_square(policy: int) -> None:
    inputs = list(blocks.random_blocks(1009, seed=9))
    inputs[11] = np.full(1009, policy, dtype=np.int8)
    _, _, single, test_single, test_error, phase, _, used, _ = core.KERNELS["lim2014"](*inputs)
    assert set(np.unique(used)) == {0, 2}
    log_eps = policy * np.log(inputs[7] / np.where(inputs[12] == 0, 23.0, 21.0))
    rows = np.flatnonzero((used == 2) & (test_single < 3e4) & (single < 3e5))[:100]
    assert len(rows) > 50
    v, k, n = np.ceil(test_error[rows]), np.floor(test_single[rows]), np.floor(single[rows])
    assert np.all(hypergeom.logcdf(v, n + k, v + np.round(n * phase[rows]), k) <= log_eps[rows] + 1e-9)


def raw_yin(v: np.ndarray, k: np.ndarray, n: np.ndarray, eps: float) -> np.ndarray:
    """Smallest number of the key's errors that gamma of Yin et al. 2020 excludes, not certified."""
    b, size, log_eps = v / k, np.maximum(n, k) / (n + k), np.log(eps)
    g = (n + k) / (n * k) * (np.log((n + k) / (2 * np.pi * n * k * b * (1 - b))) - 2 * log_eps)
    gamma = ((1 - 2 * b) * size * g + np.sqrt((size * g) ** 2 + 4 * b * (1 - b) * g)) / (2 + 2 * size**2 * g)
    return np.floor(n * (b + gamma)) + 1


def test_gamma_of_yin2020_holds_at_few_errors_and_fails_at_many() -> None:
    # oracle: SciPy's distribution at the smallest number of errors excluded; unlike that of Lim et al. it fails at many
    rng = np.random.default_rng(1)
    for low, high, eps, least, most in (
        (1, 6, 1e-2, 0.0, 1.0),
        (1, 6, 1e-9 / 21, 0.0, 1.0),
        (31, 301, 1e-2, 5.0, 20.0),
        (31, 301, 1e-3, 3.0, 10.0),
        (31, 301, 1e-9 / 21, 1.3, 4.0),
    ):
        k, n = np.floor(10 ** rng.uniform(2, 4.5, (2, 1500)))
        v = rng.integers(low, high, 1500).astype(float)
        v, k, n = (x[v < k / 2.5] for x in (v, k, n))
        m = raw_yin(v, k, n, eps)
        some = 2 * m <= n
        times = np.exp(hypergeom.logcdf(v, n + k, v + m, k)[some] - np.log(eps))
        assert least <= np.max(times) <= most, (low, eps, np.max(times))


def test_yin2020_is_used_only_where_the_exact_tail_allows_it() -> None:
    inputs = list(blocks.random_blocks(3001, seed=10))
    inputs[11] = np.full(3001, 4, dtype=np.int8)
    _, _, single, test_single, test_error, phase, _, used, _ = core.KERNELS["lim2014"](*inputs)
    assert set(np.unique(used)) == {0, 2, 4}
    log_eps = np.log(inputs[7] / np.where(inputs[12] == 0, 23.0, 21.0))
    small = (test_single < 3e4) & (single < 3e5)
    by_yin = np.flatnonzero(small & (used == 4))[:100]
    assert len(by_yin) > 50
    v, k, n = np.ceil(test_error[by_yin]), np.floor(test_single[by_yin]), np.floor(single[by_yin])
    excluded = np.floor(n * phase[by_yin]) + 1
    assert np.all(hypergeom.logcdf(v, n + k, v + excluded, k) <= log_eps[by_yin] + 1e-9)


def test_serfling_holds_and_is_never_tighter_than_the_exact_tail() -> None:
    shown, tested, unseen, log_eps = samples(1501, seed=5)
    rate = shown / tested + np.sqrt((tested + unseen) * (tested + 1) / (tested**2 * unseen) * -log_eps / 2)
    exact = errors_upper(shown, tested, unseen, log_eps)
    some = (rate < 0.5) & ~np.isnan(exact)
    assert np.sum(some) > 300
    assert np.all(exact[some] <= np.floor(unseen * rate)[some] + 1)
    # and the kernel's is this one
    inputs = list(blocks.random_blocks(3001, seed=11))
    inputs[11] = np.full(3001, 3, dtype=np.int8)
    _, _, single, test_single, test_error, phase, _, used, _ = core.KERNELS["lim2014"](*inputs)
    beta = np.log(np.where(inputs[12] == 0, 23.0, 21.0) / inputs[7])
    rows = used == 3
    assert np.sum(rows) > 500
    k, n = test_single[rows], single[rows]
    expected = test_error[rows] / k + np.sqrt((k + n) * (k + 1) / (k**2 * n) * beta[rows] / 2)
    np.testing.assert_allclose(phase[rows], expected, rtol=1e-12)
