"""The slow twins of sampling.c: same names, same order of arguments, NumPy's Philox, Python's own logarithms.

A twin draws the same uniforms in the same order as its kernel and decides by the exact ratio of probabilities where the
kernel has a faster bound, so that the two give the same counts. Nothing but the tests uses this file.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from qphys.core import STATUS

Array = np.ndarray[Any, Any]

FADING, SETTINGS, OUTCOMES, DRAWS = 1, 2, 3, 4
COUNT_MAX = 2.0**53
GOOD, BAD_OPTION = STATUS["good"], STATUS["unknown_option"]
BAD_PROBABILITIES, BAD_COUNTS = STATUS["impossible_probabilities"], STATUS["impossible_counts"]
NOT_FINITE = STATUS["input_not_finite"]


class _Source:
    """Uniform variates of one address: NumPy's Philox counts its block before the first one."""

    def __init__(self, seed: int, stream: int, realisation: int, step: int, purpose: int) -> None:
        key = np.array([seed, stream], dtype=np.uint64)
        counter = np.array([0, realisation, step, purpose], dtype=np.uint64)
        self.word = np.random.Philox(key=key, counter=counter).random_raw

    def uniform(self) -> float:
        return (int(self.word()) >> 11) * 2.0**-53

    def uniform_open(self) -> float:
        return ((int(self.word()) >> 12) + 0.5) * 2.0**-52


def _broadcast(signature: str, types: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a function of one row broadcast over a batch as its kernel does."""
    return partial(np.vectorize, signature=signature, otypes=list(types))


def _stirling_tail(k: float) -> float:
    if k < 100:
        return math.lgamma(k + 1) - ((k + 0.5) * math.log(k + 1) - (k + 1) + 0.5 * math.log(2 * math.pi))
    return (1 / 12 - 1 / 360 / (k + 1) ** 2) / (k + 1)


def _log_ratio(n: float, p: float, k: float, m: float) -> float:
    if not (0 <= k <= n <= COUNT_MAX and 0 <= m <= n and 0 < p < 1):
        return math.nan
    d = k - m
    return (
        d * math.log(p * (n - m + 1) / ((1 - p) * (m + 1)))
        - (k + 0.5) * math.log1p(d / (m + 1))
        - (n - k + 0.5) * math.log1p(-d / (n - m + 1))
        + _stirling_tail(m)
        + _stirling_tail(n - m)
        - _stirling_tail(k)
        - _stirling_tail(n - k)
    )


def _log_mass(mean: float, k: float) -> float:
    if not (0 <= k <= 2 * COUNT_MAX and 0 < mean <= COUNT_MAX):
        return math.nan
    d = k + 1 - mean
    return d - k * math.log1p(d / mean) - 0.5 * math.log(2 * math.pi * (k + 1)) - _stirling_tail(k)


def _walk(source: _Source, mass_at_zero: float, ratio: Callable[[int], float]) -> int:
    """Invert the distribution function by a walk up from 0."""
    while True:
        u, mass = source.uniform(), mass_at_zero
        for k in range(110):
            if u < mass:
                return k
            u -= mass
            mass *= ratio(k)


def _poisson(source: _Source, mean: float) -> int:
    if mean < 10:
        return _walk(source, math.exp(-mean), lambda k: mean / (k + 1))
    b = 0.931 + 2.53 * math.sqrt(mean)
    a = -0.059 + 0.02483 * b
    while True:
        u, v = source.uniform_open() - 0.5, source.uniform_open()
        u_s = 0.5 - abs(u)
        x = (2 * a / u_s + b) * u + mean + 0.43
        if not 0 <= x < 2 * COUNT_MAX:
            continue
        k = int(x)
        if u_s >= 0.07 and v <= 0.9277 - 3.6224 / (b - 2):
            return k
        if u_s < 0.013 and v > u_s:
            continue
        if math.log(v * (1.1239 + 1.1328 / (b - 3.4)) / (a / u_s**2 + b)) <= _log_mass(mean, k):
            return k


def _binomial(source: _Source, n: int, p: float) -> int:
    if p > 0.5:
        return n - _binomial(source, n, 1 - p)
    if n * p == 0:
        return 0
    if n * p < 10:
        return _walk(source, math.exp(n * math.log1p(-p)), lambda k: p / (1 - p) * (n - k) / (k + 1))
    root_npq = math.sqrt(n * p * (1 - p))
    b = 1.15 + 2.53 * root_npq
    a = -0.0873 + 0.0248 * b + 0.01 * p
    alpha = (2.83 + 5.1 / b) * root_npq
    mode = int((n + 1.0) * p)
    while True:
        u, v = source.uniform_open() - 0.5, source.uniform_open()
        u_s = 0.5 - abs(u)
        x = (2 * a / u_s + b) * u + (n * p + 0.5)
        if not 0 <= x < n + 1.0:
            continue
        k = int(x)
        if u_s >= 0.07 and v <= 0.92 - 4.2 / b:
            return k
        if math.log(v * alpha / (a / u_s**2 + b)) <= _log_ratio(n, p, k, mode):
            return k


def _erlang(source: _Source, shape: int) -> float:
    if shape <= 8:
        return -math.log(math.prod(source.uniform_open() for _ in range(shape)))
    b, c = shape - 1.0, 3.0 * shape - 0.75
    while True:
        u, v = source.uniform_open(), source.uniform_open()
        w = u * (1 - u)
        y = math.sqrt(c / w) * (u - 0.5)
        if b + y > 0 and math.log(64 * w**3 * v**2) <= 2 * (b * math.log1p(y / b) - y):
            return b + y


def _status(parameter: float, largest: float, impossible: int) -> int:
    if math.isnan(parameter):
        return NOT_FINITE
    return GOOD if 0 <= parameter <= largest else impossible


def _status_of_sum(terms: Array, impossible: bool) -> int:
    if not math.isfinite(terms.sum()):
        return NOT_FINITE
    return BAD_PROBABILITIES if impossible or bool((terms < 0).any()) else GOOD


@_broadcast("(n),(m)->(n)", "Q")
def philox(counter: Array, key: Array) -> Array:
    """Return four random words: NumPy's block of the counter before this one."""
    before = (sum(int(word) << 64 * i for i, word in enumerate(counter)) - 1) % 2**256
    words = np.array([before >> 64 * i & 2**64 - 1 for i in range(4)], dtype=np.uint64)
    return np.random.Philox(key=key, counter=words).random_raw(4)


binomial_log_ratio = _broadcast("(),(),(),()->()", "d")(_log_ratio)
poisson_log_mass = _broadcast("(),()->()", "d")(_log_mass)


@_broadcast("(),(),(),()->(),()", "qb")
def draw_poisson(mean: float, seed: int, stream: int, index: int) -> tuple[int, int]:
    """Return a Poisson variate and its status."""
    status = _status(mean, COUNT_MAX, BAD_COUNTS)
    return _poisson(_Source(seed, stream, index, 0, DRAWS), float(mean)) if status == GOOD else 0, status


@_broadcast("(),(),(),(),()->(),()", "qb")
def draw_binomial(n: int, p: float, seed: int, stream: int, index: int) -> tuple[int, int]:
    """Return a binomial variate and its status."""
    status = max(_status(int(n), COUNT_MAX, BAD_COUNTS), _status(p, 1.0, BAD_PROBABILITIES))
    return _binomial(_Source(seed, stream, index, 0, DRAWS), int(n), float(p)) if status == GOOD else 0, status


@_broadcast("(),(),(),()->(),()", "db")
def draw_erlang(shape: int, seed: int, stream: int, index: int) -> tuple[float, int]:
    """Return the sum of `shape` exponential variates of mean 1 and its status."""
    status = _status(int(shape), COUNT_MAX, BAD_COUNTS)
    return _erlang(_Source(seed, stream, index, 0, DRAWS), int(shape)) if status == GOOD else math.nan, status


def _node(weight: Array, total: float, u: float) -> int:
    """Return the node whose share of the weights holds the quantile `u`."""
    cumulative = np.cumsum(weight)
    last = int(np.flatnonzero(weight)[-1])
    return min(int(np.searchsorted(cumulative, u * total, side="right")), last)


@_broadcast("(t,n),(),(),(),()->(t,n),(t)", "db")
def fading_occupancy(weight: Array, tau_over_dt: float, seed: int, stream: int, realisation: int) -> tuple[Array, Array]:
    """Return the part of each step that the fading spends in each node, and the status of each step."""
    part = np.full(weight.shape, math.nan)
    status = np.zeros(len(weight), dtype=np.int8)
    time_status = _status(tau_over_dt, math.inf, BAD_PROBABILITIES)
    redraw_rate = 1 / tau_over_dt if tau_over_dt * COUNT_MAX >= 1 else 0.0
    quantile = 0.0
    for t, w in enumerate(weight):
        source = _Source(seed, stream, realisation, t, FADING)
        status[t] = max(time_status, _status_of_sum(w, impossible=bool((w == 0).all())))
        total = sum(float(v) for v in w[::-1])
        if t == 0:
            quantile = source.uniform()
        first, redraws = quantile, _poisson(source, redraw_rate) if redraw_rate > 0 else 0
        if redraws > 0:
            quantile = source.uniform()
        if status[t] != GOOD:
            continue
        if tau_over_dt * COUNT_MAX < 1:
            part[t] = w / total
            continue
        spacings = np.zeros(len(w))
        spacings[_node(w, total, first)] += 1
        if redraws > 0:
            spacings[_node(w, total, quantile)] += 1
        left = redraws - 1
        for n in range(len(w)):
            if left > 0:
                share = float(w[n]) / sum(float(v) for v in w[: n - len(w) - 1 : -1])
                drawn = _binomial(source, left, share)
                spacings[n] += drawn
                left -= drawn
        part[t] = [_erlang(source, int(k)) for k in spacings] if redraws > 0 else spacings
        part[t] /= part[t].sum()
    return part, status


@_broadcast("(t,n,c,o),(t,n),(c),(t),(),(),()->(t,c,o),(t,c),(t)", "qqb")
def sample_counts(
    probability: Array,
    occupancy: Array,
    setting_probability: Array,
    trials: Array,
    seed: int,
    stream: int,
    realisation: int,
) -> tuple[Array, Array, Array]:
    """Return counts of every outcome, trials of every setting, and the status of each step."""
    steps, _, settings, outcomes = probability.shape
    counts = np.zeros((steps, settings, outcomes), dtype=np.int64)
    sent = np.zeros((steps, settings), dtype=np.int64)
    status = np.zeros(steps, dtype=np.int8)
    settings_status = _status_of_sum(setting_probability, impossible=abs(setting_probability.sum() - 1) > 1e-9)
    if settings > 256 or outcomes > 256 or settings * outcomes > 4096 or outcomes < 1:
        settings_status = BAD_OPTION
    for t in range(steps):
        status[t] = max(settings_status, _status(int(trials[t]), COUNT_MAX, BAD_COUNTS))
        of_settings = _Source(seed, stream, realisation, t, SETTINGS)
        of_outcomes = _Source(seed, stream, realisation, t, OUTCOMES)
        left = int(trials[t])
        for c in range(settings):
            if status[t] != GOOD or left == 0:
                break
            p = float(setting_probability[c])
            share = p / sum(float(v) for v in setting_probability[: c - settings - 1 : -1]) if p > 0 else 0.0
            sent[t, c] = _binomial(of_settings, left, share)
            left -= int(sent[t, c])
            click = [
                sum(float(f * q) for f, q in zip(occupancy[t], probability[t, :, c, o], strict=True) if f != 0)
                for o in range(1, outcomes)
            ]
            status[t] = _status_of_sum(np.array(click), impossible=sum(click) > 1 + 1e-9)
            if status[t] == GOOD:
                counts[t, c] = _outcomes(of_outcomes, click, int(sent[t, c]))
        if status[t] != GOOD:
            counts[t], sent[t] = 0, 0
    return counts, sent, status


def _outcomes(source: _Source, click: list[float], sent: int) -> list[int]:
    """Deal `sent` trials: the total of the clicks, then its split, the last dozen one by one."""
    from_here = [0.0]
    for p in click[::-1]:
        from_here.insert(0, from_here[0] + p)
    left = _binomial(source, sent, min(from_here[0], 1.0))
    counts = [sent - left] + [0] * len(click)
    o = 0
    while left > 12:
        counts[o + 1] = _binomial(source, left, click[o] / from_here[o])
        left -= counts[o + 1]
        o += 1
    for _ in range(left):
        u = source.uniform() * from_here[o]
        counts[max(i for i in range(len(click)) if u < from_here[i]) + 1] += 1
    return counts
