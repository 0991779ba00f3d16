"""The slow twins of the kernels for entangled pairs: same names, same order of arguments, written to be read."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from qphys.core.reference import Array, _entropy, _worst, errors_upper

GOLDEN = 0.38196601125010515


def _arrays(*values: ArrayLike) -> tuple[Array, ...]:
    return tuple(np.array(a, dtype=np.float64) for a in np.broadcast_arrays(*[np.asarray(v) for v in values]))


def _no_epsilon(eps: Array) -> Array:
    return np.asarray((eps < 1e-300) | (eps >= 1))


def _no_share(*values: Array) -> Array:
    return np.asarray(np.any([(v < 0) | (v > 1) for v in values], axis=0))


@np.errstate(all="ignore")
def bbm92_asymptotic(bit: ArrayLike, phase: ArrayLike, f: ArrayLike) -> tuple[Array, Array]:
    """Return key fraction and status; see bbm92.c."""
    bit, phase, f = _arrays(bit, phase, f)
    rate = 1 - f * _entropy(bit) - _entropy(phase)
    fault = _worst([(~np.isfinite(bit + phase + f), 11), (_no_share(bit, phase), 8), (f < 1, 6)])
    status = np.where(fault > 0, fault, np.where(rate > 0, 0, 1)).astype(np.int8)
    return np.where(status == 0, rate, 0.0), status


@np.errstate(all="ignore")
def bbm92_tomamichel2012(
    n: ArrayLike,
    m_n: ArrayLike,
    k: ArrayLike,
    m_k: ArrayLike,
    tolerated: ArrayLike,
    eps_sec: ArrayLike,
    eps_cor: ArrayLike,
    f: ArrayLike,
    *,
    exact: bool = False,
) -> tuple[Array, Array, Array, Array]:
    """Return key length, phase error, leakage and status; see bbm92.c."""
    n, m_n, k, m_k, tolerated, eps_sec, eps_cor, f = _arrays(n, m_n, k, m_k, tolerated, eps_sec, eps_cor, f)
    some = (n > 0) & (k > 0)
    if exact:
        v = np.ceil(tolerated * k)
        good = (n >= 1) & (k >= 1) & (n <= 1e15) & (k <= 1e15) & (v >= 0) & (v <= np.floor(k)) & ~_no_epsilon(eps_sec)
        v, whole_k, whole_n, log_eps = (
            np.where(good, value, safe)
            for value, safe in ((v, 0.0), (np.floor(k), 1.0), (np.floor(n), 1.0), (-2 * np.log(4 / eps_sec), -1.0))
        )
        upper = np.where(good, errors_upper(v, whole_k, whole_n, log_eps) / whole_n, np.nan)
        upper = np.where(np.isnan(upper), 0.5, upper)
    else:
        upper = tolerated + np.sqrt((n + k) / (n * k) * (k + 1) / k * np.log(4 / eps_sec))
    phase = np.where(some, np.minimum(upper, 0.5), 0.5)
    leak = np.where(n > 0, f * n * _entropy(m_n / n), 0.0)
    key = np.floor(n * (1 - _entropy(phase)) - leak - 1 + 2 * np.log2(eps_sec) + np.log2(eps_cor))
    fault = _worst(
        [
            (~np.isfinite(n + m_n + k + m_k + tolerated + eps_sec + eps_cor + f), 11),
            ((m_n < 0) | (m_n > n) | (m_k < 0) | (m_k > k) | (n > 1e15) | (k > 1e15), 10),
            (_no_share(tolerated), 8),
            (_no_epsilon(eps_sec) | _no_epsilon(eps_cor), 7),
            (f < 1, 6),
        ]
    )
    status = np.where(some & (m_k / k <= tolerated) & (key > 0), 0, 1)
    status = np.where(phase < 0.5, status, 3)
    status = np.where(fault > 0, fault, status).astype(np.int8)
    phase, leak = (np.where(fault > 0, np.nan, value) for value in (phase, leak))
    return np.where(status == 0, key, 0.0), phase, leak, status


def bbm92_tomamichel2012_exact(*inputs: ArrayLike) -> tuple[Array, Array, Array, Array]:
    """Return the same with the hypergeometric tail in place of Serfling's inequality."""
    return bbm92_tomamichel2012(*inputs, exact=True)


@np.errstate(all="ignore")
def bbm92_tomamichel_leverrier2017(
    m: ArrayLike, k: ArrayLike, delta: ArrayLike, q: ArrayLike, eps: ArrayLike, f: ArrayLike
) -> tuple[Array, Array, Array, Array, Array]:
    """Return key length, phase error, leakage, total epsilon and status; see bbm92.c."""
    m, k, delta, q, eps, f = _arrays(m, k, delta, q, eps, f)
    n = m - k
    alpha = m**-0.5
    beta = 0.9 * (1 - alpha)
    t = np.ceil(-np.log2(alpha * eps))
    nu = np.sqrt(m * (k + 1) / (n * k**2) * np.log(2 / (beta * eps)))
    phase = np.where((n > 0) & (k > 0) & (m > 1), np.minimum(delta + nu, 0.5), 0.5)
    r = np.ceil(f * _entropy(q) * n)
    secret = n * (1 - _entropy(phase)) - r - t
    key = np.floor(secret + 2 * np.log2(2 * (1 - alpha - beta) * eps))
    total = 2 * np.exp(-n * k**2 * nu**2 / (m * (k + 1))) + 2**-t + 0.5 * 2 ** (-(secret - key) / 2)
    fault = _worst(
        [
            (~np.isfinite(m + k + delta + q + eps + f), 11),
            ((k < 0) | (k > m) | (m > 1e15), 10),
            (_no_share(delta, q), 8),
            (_no_epsilon(eps), 7),
            (f < 1, 6),
        ]
    )
    status = np.where(phase < 0.5, np.where(key > 0, 0, 1), 3)
    status = np.where(fault > 0, fault, status).astype(np.int8)
    total = np.where(phase < 0.5, total, np.nan)
    phase, r, total = (np.where(fault > 0, np.nan, value) for value in (phase, r, total))
    return np.where(status == 0, key, 0.0), phase, r, total, status


@np.errstate(all="ignore")
def lim2021_value(
    m: ArrayLike,
    k: ArrayLike,
    delta: ArrayLike,
    leak_a_bit: ArrayLike,
    eps: ArrayLike,
    t: ArrayLike,
    s: ArrayLike,
    w: ArrayLike,
) -> tuple[Array, Array]:
    """Return the length before rounding and delta + nu for one choice of k, t, s = 2 eps_pe / eps and w; see bbm92.c."""
    m, k, delta, leak_a_bit, eps, t, s, w = _arrays(m, k, delta, leak_a_bit, eps, t, s, w)
    n = m - k
    eps_pe = s * eps / 2
    xi = np.sqrt((n + 1) / (2 * m * k) * -np.log(w * eps_pe**2))
    wrong = m * (delta + xi)
    gamma = 1 / (1 + wrong) + 1 / (1 + m - wrong)
    nu = xi + np.sqrt(1 - np.log((1 - w) * eps_pe**2) / (2 * gamma)) / n
    proven = delta + xi <= 0.5
    lost = np.where(proven & (delta + nu < 0.5), _entropy(delta + nu), 1 + 4 * np.maximum(delta + nu - 0.5, 0))
    value = n * (1 - lost) - leak_a_bit * n - t + 2 * np.log2(2 * (eps - 2 * eps_pe))
    return value, np.where(proven, np.minimum(delta + nu, 0.5), 0.5)


def _golden(value: Callable[[Array], Array], low: Array, high: Array, x: Array) -> Array:
    for _ in range(24):
        part = GOLDEN * (high - low)
        left, right = low + part, high - part
        rises = value(left) < value(right)
        low, high = np.where(rises, left, low), np.where(rises, high, right)
    middle = 0.5 * (low + high)
    return np.where(value(middle) > value(x), middle, x)


@np.errstate(all="ignore")
def bbm92_lim2021(
    m: ArrayLike,
    k: ArrayLike,
    delta: ArrayLike,
    q: ArrayLike,
    eps_sec: ArrayLike,
    eps_cor: ArrayLike,
    f: ArrayLike,
    test_size: ArrayLike,
    verification: ArrayLike,
) -> tuple[Array, Array, Array, Array, Array, Array]:
    """Return key length, test size, phase error, leakage, verification bits and status, by the kernel's search."""
    m, k, delta, q, eps_sec, eps_cor, f, test_size, verification = _arrays(
        m, k, delta, q, eps_sec, eps_cor, f, test_size, verification
    )
    free, free_t = test_size == 1, verification == 1
    k = np.where(free, 0.0, k)
    fault = _worst(
        [
            (~np.isfinite(m + k + delta + q + eps_sec + eps_cor + f), 11),
            ((k < 0) | (k > m) | (m > 1e15), 10),
            (_no_share(delta, q), 8),
            (_no_epsilon(eps_sec) | _no_epsilon(eps_cor) | (eps_sec + eps_cor >= 1), 7),
            (~np.isin(test_size, [0, 1]) | ~np.isin(verification, [0, 1]), 5),
            (f < 1, 6),
        ]
    )
    some = (fault == 0) & (m >= 2) & (free | ((k > 0) & (k < m)))
    size, delta, leak = np.where(some, m, 2.0), np.where(some, delta, 0.5), np.where(some, f * _entropy(q), 1.0)
    total = np.where(some, eps_sec + eps_cor, 0.5)
    t = np.where(some, np.ceil(-np.log2(np.where(free_t, total / 6, eps_cor))), 3.0)
    eps = np.where(some, np.where(free_t, total - 2**-t, eps_sec), 0.25)
    share, s, w = np.where(some & ~free, k / size, 0.5), np.full(m.shape, 0.5), np.full(m.shape, 0.5)

    def value(share: Array, s: Array, w: Array) -> Array:
        return lim2021_value(size, share * size, delta, leak, eps, t, s, w)[0]

    best = np.full(m.shape, -np.inf)
    for step in range(1, 33):
        here = value(np.full(m.shape, step / 33), s, w)
        share = np.where(free & (here > best), step / 33, share)
        best = np.maximum(best, here)
    for turn in range(8):
        low, high = np.maximum(share - 1 / 33, 1e-6), np.minimum(share + 1 / 33, 1 - 1e-6)
        best_share = _golden(lambda x: value(x, s, w), low, high, share)  # noqa: B023 - called at once
        if turn == 7:
            best_share = np.clip(np.round(best_share * size), 1, size - 1) / size
        share = np.where(free, best_share, share)
        rest = total - s * eps
        t0 = np.floor(np.log2(3 / rest))
        lengths = [2 * np.log2(rest - 2.0**-bits) - bits for bits in (t0, t0 + 1)]
        best_t = np.where(lengths[0] >= lengths[1], t0, t0 + 1)
        s = np.where(free_t, np.minimum(s * eps / (total - 2**-best_t), 0.999), s)
        t, eps = np.where(free_t, best_t, t), np.where(free_t, total - 2**-best_t, eps)
        ends = np.full(m.shape, 1e-3), np.full(m.shape, 1 - 1e-3)
        s = _golden(lambda x: value(share, x, w), *ends, s)  # noqa: B023
        w = _golden(lambda x: value(share, s, x), *ends, w)  # noqa: B023
    k = np.where(free, np.round(share * size), k)
    some &= (k > 0) & (k < m)
    length, phase = lim2021_value(size, np.where(some, k, 1.0), delta, leak, eps, t, s, w)
    phase = np.where(some, phase, 0.5)
    status = np.where(some, np.where(np.floor(length) > 0, 0, 1), 3)
    status = np.where(fault > 0, fault, status).astype(np.int8)
    leakage = np.where(some, leak * (m - k), 0.0)
    k, phase, leakage, t = (np.where(fault > 0, np.nan, value_) for value_ in (k, phase, leakage, t))
    return np.where(status == 0, np.floor(length), 0.0), k, phase, leakage, t, status


@np.errstate(all="ignore")
def chsh(
    equal: ArrayLike, unequal: ArrayLike, signs: ArrayLike, probabilities: ArrayLike, failure: ArrayLike
) -> tuple[Array, Array, Array, Array, Array, Array]:
    """Return S, standard error, Hoeffding's lower bound, log10 of both P values and status; see chsh.c."""
    equal, unequal, signs, probabilities = (
        np.asarray(value, dtype=np.float64) for value in (equal, unequal, signs, probabilities)
    )
    failure = np.asarray(failure, dtype=np.float64)
    events = equal + unequal
    correlation = (equal - unequal) / events
    value = np.sum(signs * correlation, axis=-1)
    variance = np.sum((1 - correlation**2) / events, axis=-1)
    weight = np.sum(1 / events, axis=-1)
    fault = _worst(
        [
            (~np.isfinite(np.sum(events + signs + probabilities, axis=-1) + failure), 11),
            (np.any((equal < 0) | (unequal < 0) | (events > 1e15), axis=-1), 10),
            (np.any(probabilities <= 0, axis=-1) | (np.abs(np.sum(probabilities, axis=-1) - 1) > 1e-9), 8),
            (_no_epsilon(failure), 7),
            (np.any(np.abs(signs) != 1, axis=-1) | (np.prod(signs, axis=-1) != -1), 5),
        ]
    )
    status = np.where(fault > 0, fault, np.where(np.all(events > 0, axis=-1), 0, 3)).astype(np.int8)
    good = status == 0
    wins = np.where(good, np.floor(np.sum(np.where(signs > 0, equal, unequal), axis=-1)), 0.0)
    losses = np.where(good, np.ceil(np.sum(np.where(signs > 0, unequal, equal), axis=-1)), 1.0)
    xi = np.where(good, 1 - np.min(probabilities, axis=-1), 0.75)
    game = np.where(good, game_log_tail(wins + losses, wins, xi) / np.log(10), 0.0)
    hoeffding = np.where(good, -(np.maximum(value - 2, 0) ** 2) / (2 * weight) / np.log(10), 0.0)
    lower = value - np.sqrt(-2 * weight * np.log(failure))
    value, error, lower = (np.where(good, v, np.nan) for v in (value, np.sqrt(variance), lower))
    return value, error, lower, game, hoeffding, status


@np.errstate(all="ignore")
def game_log_tail(n: Array, c: Array, xi: Array) -> Array:
    """Bound ln P(at least c wins of n) from above: the first term by Robbins, 64 ratios, a geometric series."""

    def deviance(x: Array, mean: Array) -> Array:
        return np.where(x > 0, x * np.log1p((x - mean) / mean), 0.0)

    def over(x: Array) -> Array:
        return np.where(x > 0, 2 * np.pi * x, 1.0)

    def robbins(x: Array) -> Array:
        return np.where(x > 0, 1 / (12 * x + 1), 0.0)

    first = 0.5 * np.log(over(n) / (over(c) * over(n - c))) + 1 / (12 * n) - robbins(c) - robbins(n - c)
    first = first - deviance(c, n * xi) - deviance(n - c, n * (1 - xi))
    ratios = [np.maximum(n - c - j, 0) / (c + j + 1) * xi / (1 - xi) for j in range(65)]
    terms = np.cumprod(ratios[:64], axis=0)
    series = 1 + np.sum(terms, axis=0) + terms[-1] * ratios[64] / (1 - ratios[64])
    bound = np.minimum(first + np.log(series), 0.0)
    return np.where((c > n * xi) & (ratios[64] < 1), bound, 0.0)


@np.errstate(all="ignore")
def chsh_di_rate_estimate(value: ArrayLike, q: ArrayLike, f: ArrayLike) -> tuple[Array, Array, Array]:
    """Return key fraction, information and status; see chsh.c."""
    value, q, f = _arrays(value, q, f)
    square = np.clip(value**2 / 4 - 1, 0, 1)
    information = np.where(value > 2, 1 - _entropy((1 - np.sqrt(square)) / 2), 0.0)
    rate = information - f * _entropy(q)
    fault = _worst([(~np.isfinite(value + q + f), 11), (_no_share(q) | (np.abs(value) > 4), 8), (f < 1, 6)])
    status = np.where(fault > 0, fault, np.where(rate > 0, 0, 1)).astype(np.int8)
    return np.where(status == 0, rate, 0.0), np.where(fault > 0, np.nan, information), status
