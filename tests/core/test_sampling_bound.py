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
