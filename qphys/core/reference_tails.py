"""The slow twins of the concentration inequalities in tail_bound.h: same names, same order of arguments, by bisection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

Array = np.ndarray[Any, Any]
Sides = tuple[Array, Array]

HOEFFDING, CHERNOFF, YIN_2020, ZHANG_2017, ZHANG_2017_SIMPLIFIED, BINOMIAL, KATO_2020 = range(7)


@np.errstate(all="ignore")
def mean_bounds(
    count: ArrayLike, total: ArrayLike, beta: ArrayLike, tail: ArrayLike, share: ArrayLike
) -> tuple[Array, Array]:
    """Return the bounds of the mean of a count, each but with probability exp(-beta); NaN where the input is impossible."""
    x, n, beta, code, share = (
        np.array(a) for a in np.broadcast_arrays(*(np.asarray(a, np.float64) for a in (count, total, beta, tail, share)))
    )
    good = (x >= 0) & (x <= n) & (n <= 1e15) & (beta > 0) & (beta <= 1e6) & (code >= 0) & (code <= KATO_2020)
    good &= (code != KATO_2020) | ((share >= 0) & (share <= 1))
    x, n, beta = np.where(good, x, 0.0), np.where(good, n, 1.0), np.where(good, beta, 1.0)

    lower, upper = np.full(x.shape, np.nan), np.full(x.shape, np.nan)
    for number, rule in enumerate((_hoeffding, _chernoff, _yin, _exact, _simplified, _binomial, _kato)):
        rows = good & (code == number)
        lower[rows], upper[rows] = rule(x[rows], n[rows], beta[rows], share[rows])
    return np.maximum(lower, 0), np.minimum(upper, n)


@np.errstate(all="ignore")
def taken_lower(events: ArrayLike, share: ArrayLike, beta: ArrayLike, tail: ArrayLike) -> Array:
    """Return how many of the events, each taken with probability `share`, are taken at least, but with exp(-beta)."""
    n, q, beta, code = (
        np.array(a) for a in np.broadcast_arrays(*(np.asarray(a, np.float64) for a in (events, share, beta, tail)))
    )
    good = (n >= 0) & (n <= 1e15) & (q >= 0) & (q <= 1) & (beta > 0) & (beta <= 1e6) & (code >= 0) & (code <= KATO_2020)
    n, q, beta = np.where(good, n, 1.0), np.where(good, q, 0.5), np.where(good, beta, 1.0)
    mean = q * n
    least = mean - np.sqrt(np.where(code == HOEFFDING, beta * n / 2, 2 * beta * mean))
    # D(x, E) = x ln(x/E) - x + E falls from E at x = 0 to 0 at x = E
    exact = np.zeros_like(mean)
    rows = (code == ZHANG_2017) & (mean > beta)
    E, b = mean[rows], beta[rows]
    exact[rows] = _last(lambda x: E * _share_deviance(x / E) >= b, np.zeros_like(E), E)
    whole = np.floor(n)
    trials = np.maximum(whole, 1)
    low, high = np.full_like(mean, -1.0), np.maximum(np.ceil(trials * q), 1)
    high = np.where(code == BINOMIAL, high, 0.0)
    while np.any(high - low > 1):
        middle = np.floor((low + high) / 2)
        proven = (middle < trials * q) & (log_below(middle, trials, trials * q) <= -beta)
        low, high = np.where(proven, middle, low), np.where(proven, high, middle)
    least = np.where(code == ZHANG_2017, exact, least)
    least = np.where(code == BINOMIAL, low + 1, least)
    return np.where(good, np.where(q < 1, np.maximum(least, 0), n), np.nan)


def _excess(u: Array) -> Array:
    """Return u - ln(1 + u), without the cancellation where u is small."""
    s = u / (2 + u)
    series = sum(s ** (2 * j) / (2 * j + 1) for j in range(1, 9))
    return np.where(np.abs(u) < 0.1, s * u - 2 * s * series, u - np.log1p(u))


def _share_deviance(w: Array) -> Array:
    """Return 1 - w + w ln w."""
    return np.where(w > 0, w * _excess((1 - w) / np.where(w > 0, w, 1.0)), 1.0)


def _first(proven: Callable[[Array], Any], low: Array, high: Array) -> Array:
    """Return the least x between `low` and `high` that is proven; a larger one is, too."""
    for _ in range(1200):
        middle = np.where(low > 0, np.sqrt(np.maximum(low, 1e-300)) * np.sqrt(high), (low + high) / 2)
        middle = np.where(high - low < 0.1 * high, (low + high) / 2, middle)
        inside = (middle > low) & (middle < high)
        if not np.any(inside):
            break
        good = proven(middle)
        low, high = np.where(good | ~inside, low, middle), np.where(good & inside, middle, high)
    return high


def _last(proven: Callable[[Array], Any], low: Array, high: Array) -> Array:
    """Return the largest x between `low` and `high` that is proven; a smaller one is, too."""
    for _ in range(1200):
        middle = (low + high) / 2
        inside = (middle > low) & (middle < high)
        if not np.any(inside):
            break
        good = proven(middle)
        low, high = np.where(good & inside, middle, low), np.where(good | ~inside, high, middle)
    return low


def _hoeffding(x: Array, n: Array, beta: Array, share: Array) -> Sides:
    spread = np.sqrt(n * beta / 2)
    return x - spread, x + spread


def _chernoff(x: Array, n: Array, beta: Array, share: Array) -> Sides:
    return x + beta / 2 - np.sqrt(2 * beta * x + beta**2 / 4), x + beta + np.sqrt(2 * beta * x + beta**2)


def _yin(x: Array, n: Array, beta: Array, share: Array) -> Sides:
    return x - beta / 2 - np.sqrt(2 * beta * x + beta**2 / 4), _chernoff(x, n, beta, share)[1]


def _exact(x: Array, n: Array, beta: Array, share: Array) -> Sides:
    """Return the means E on both sides of x with x ln(x/E) - x + E = beta."""
    some = np.where(x > 0, x, 1.0)
    upper = _first(
        lambda E: some * _excess((E - some) / some) >= beta, some, some + beta + np.sqrt(2 * beta * some + beta**2)
    )
    lower = _last(lambda E: some * _excess((E - some) / some) >= beta, np.zeros_like(some), some)
    return np.where(x > 0, lower, 0.0), np.where(x > 0, upper, beta)


def _simplified(x: Array, n: Array, beta: Array, share: Array) -> Sides:
    delta, (lower, upper) = (3 * beta + np.sqrt(beta**2 + 8 * beta * x)) / (2 * (x - beta)), _exact(x, n, beta, share)
    simple = x > 6 * beta
    return np.where(simple, x / (1 + delta), lower), np.where(simple, x / (1 - delta), upper)


def log_mass(x: Array, n: Array, mean: Array) -> Array:
    """Bound ln P(Bin = x) from above by Robbins' bounds of the factorial, for n trials with `mean`."""
    rest = n - x

    def over(y: Array) -> Array:
        return np.where(y > 0, np.log(2 * np.pi * np.where(y > 0, y, 1.0)), 0.0)

    def robbins(y: Array) -> Array:
        return np.where(y > 0, 1 / (12 * y + 1), 0.0)

    deviance = np.where(x > 0, x * _excess((mean - x) / np.where(x > 0, x, 1.0)), mean)
    deviance = deviance + np.where(rest > 0, rest * _excess((x - mean) / np.where(rest > 0, rest, 1.0)), n - mean)
    return np.asarray((over(n) - over(x) - over(rest)) / 2 + 1 / (12 * n) - robbins(x) - robbins(rest) - deviance)


def log_below(x: Array, n: Array, mean: Array) -> Array:
    """Bound ln P(Bin <= x) from above, x below the mean: the terms fall at least as a geometric series."""
    ratio = x * (n - mean) / ((n - x + 1) * mean)
    return np.asarray(log_mass(x, n, mean) - np.log(1 - ratio))


def log_above(x: Array, n: Array, mean: Array) -> Array:
    """Bound ln P(Bin >= x) from above, x above the mean."""
    ratio = (n - x) * mean / ((x + 1) * (n - mean))
    return np.asarray(log_mass(x, n, mean) - np.log(1 - ratio))


def _binomial(x: Array, n: Array, beta: Array, share: Array) -> Sides:
    """Return the smallest and the largest mean that a count, rounded to the safe side, does not exclude."""
    below, above, n, (least, most) = np.floor(x), np.ceil(x), np.maximum(np.ceil(n), 1), _exact(x, n, beta, share)
    lower, upper = np.zeros_like(beta), np.array(n)
    rows = above + 1 < n
    v, m, b, start = (a[rows] for a in (above, n, beta, most))
    found = _first(lambda E: log_below(v, m, E) <= -b, v + 1e-9, np.minimum(start, m * (1 - 2.0**-40)))
    upper[rows] = np.maximum(found, v + 1)
    rows = below > 1
    w, k, c, start = (a[rows] for a in (below, n, beta, least))
    found = _last(lambda E: log_above(w, k, E) <= -c, start, w - 1e-9)
    lower[rows] = np.clip(found, 0, w - 1)
    return lower, upper


def _kato(x: Array, n: Array, beta: Array, share: Array) -> Sides:
    """Return the bounds by Kato's inequality with a and b at their best for the predicted share."""

    def above(count: Array, share: Array) -> Array:
        trials = np.maximum(n, 1)
        s, size = 1 - 2 * share, 1 + 8 * beta / (9 * trials)
        a = s * np.sqrt(beta / 2 / (size - s**2)) / size - 2 * beta / (3 * np.sqrt(trials)) / size
        b = np.sqrt(a**2 + beta / 2 * (1 + 4 * a / (3 * np.sqrt(trials))) ** 2)
        return np.asarray(count + (b + a * (2 * count / trials - 1)) * np.sqrt(trials))

    return n - above(n - x, 1 - share), above(x, share)
