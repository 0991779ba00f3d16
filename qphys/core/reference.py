"""The slow twins of the kernels: same names, same order of arguments, NumPy's own functions, written to be read.

A twin is defined for every input that its kernel is defined for. Tests hold the two together to 1e-12 of the largest
term; nothing else uses this file.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

Array = np.ndarray[Any, Any]


@np.errstate(all="ignore")
def elementary(x: ArrayLike) -> tuple[Array, Array, Array, Array]:
    """Return exp, expm1, log and log1p of x."""
    x = np.asarray(x, dtype=np.float64)
    return np.exp(x), np.expm1(x), np.log(x), np.log1p(x)


@np.errstate(all="ignore")
def errors_upper(v: ArrayLike, k: ArrayLike, n: ArrayLike, log_eps: ArrayLike) -> Array:
    """Return the smallest whole m <= n / 2 with P(at most v of k test errors | v + m in all) proven below exp(log_eps).

    NaN where there is none. By bisection; `log_tail` falls with m.
    """
    v, k, n, log_eps = (np.array(x) for x in np.broadcast_arrays(v, k, n, np.asarray(log_eps, dtype=np.float64)))
    good = (v >= 0) & (k >= 1) & (n >= 1) & (v <= k) & (k <= 1e15) & (n <= 1e15) & (log_eps < 0) & (log_eps >= -1e6)
    v, k, n = np.where(good, np.ceil(v), 0.0), np.where(good, np.floor(k), 1.0), np.where(good, np.floor(n), 1.0)
    high = np.floor(n / 2)
    found = good & (v <= k) & (log_tail(v, k, n, high) <= log_eps)
    low = np.zeros_like(high)
    while np.any(found & (low < high)):
        middle = np.floor((low + high) / 2)
        proven = log_tail(v, k, n, middle) <= log_eps
        high = np.where(proven, middle, high)
        low = np.where(proven, low, np.minimum(middle + 1, high))
    return np.where(found, high, np.nan)


@np.errstate(all="ignore")
def log_tail(v: Array, k: Array, n: Array, m: Array) -> Array:
    """Bound ln P(V <= v) from above, for v + m errors among k tested and n others; see sampling_bound.h."""
    everything, errors = n + k, v + m
    right = everything - errors
    excess = (k * m - n * v) / everything

    def deviance(x: Array, mean: Array, over: Array) -> Array:
        return np.where(x > 0, x * np.log1p(over / mean), 0.0)

    def stirling(x: Array) -> Array:
        return np.where(x > 0, np.log(2 * np.pi * np.where(x > 0, x, 1.0)), 0.0)

    def robbins_lower(x: Array) -> Array:
        return np.where(x > 0, 1 / (12 * x + 1), 0.0)

    deviances = (
        deviance(v, k * errors / everything, -excess)
        + deviance(k - v, k * right / everything, excess)
        + deviance(m, n * errors / everything, excess)
        + deviance(n - m, n * right / everything, -excess)
    )
    sizes = stirling(k) + stirling(n) + stirling(errors) + stirling(right)
    parts = stirling(everything) + stirling(v) + stirling(k - v) + stirling(m) + stirling(n - m)
    robbins = (1 / k + 1 / n + 1 / np.maximum(errors, 1.0) + 1 / right) / 12 - (
        robbins_lower(v) + robbins_lower(k - v) + robbins_lower(m) + robbins_lower(n - m) + robbins_lower(everything)
    )
    ratio = v * (n - m) / ((m + 1) * (k - v + 1))
    return np.where(ratio < 1, (sizes - parts) / 2 + robbins - deviances - np.log(1 - ratio), np.inf)


def _entropy(p: Array) -> Array:
    """Return the binary entropy in bits, 1 above 1/2."""
    p = np.minimum(p, 0.5)
    return np.where(p > 0, -(p * np.log2(np.where(p > 0, p, 1.0)) + (1 - p) * np.log2(1 - p)), 0.0)


def _worst(faults: list[tuple[Any, int]]) -> Array:
    """Return the largest code whose fault applies, 0 without one."""
    return np.asarray(np.max(np.stack(np.broadcast_arrays(*[np.where(fault, code, 0) for fault, code in faults])), axis=0))


@np.errstate(all="ignore")
def lim2014(
    key_counts: ArrayLike,
    key_errors: ArrayLike,
    test_counts: ArrayLike,
    test_errors: ArrayLike,
    mean_photon_numbers: ArrayLike,
    key_probabilities: ArrayLike,
    test_probabilities: ArrayLike,
    eps_secrecy: ArrayLike,
    eps_correctness: ArrayLike,
    error_correction_efficiency: ArrayLike,
    tail_bound: ArrayLike,
    sampling_bound: ArrayLike,
    key_from: ArrayLike,
    *,
    clip: bool = True,
) -> tuple[Array, Array, Array, Array, Array, Array, Array, Array, Array]:
    """Return key length, s_0, s_1, s_Z1, v_Z1, phase error, leakage, sampling bound used and status; see lim2014.c.

    Without `clip` the bounds of counts and of vacuum events may fall below 0 or rise above the total, as in Fig. 1 of
    the paper; the kernel always clips.
    """
    vectors = (key_counts, key_errors, test_counts, test_errors)
    x, a, z, c = (np.moveaxis(np.asarray(value, dtype=np.float64), -1, 0) for value in vectors)
    settings = (mean_photon_numbers, key_probabilities, test_probabilities)
    mu, p, q = (np.moveaxis(np.asarray(value, dtype=np.float64), -1, 0) for value in settings)
    eps_sec, eps_cor, f = (
        np.asarray(e, dtype=np.float64) for e in (eps_secrecy, eps_correctness, error_correction_efficiency)
    )
    tail, sampling, source = (np.asarray(code) for code in (tail_bound, sampling_bound, key_from))
    signal, chernoff = source == 0, tail == 1
    mu1, mu2, mu3 = mu

    terms = np.where(signal, 23.0, 21.0)
    beta = np.log(terms / eps_sec)

    def below(count: Array, total: Array) -> Array:
        inverted = count + beta / 2 - np.sqrt(2 * beta * count + beta**2 / 4)
        bound = np.where(chernoff, inverted, count - np.sqrt(total * beta / 2))
        return np.maximum(bound, 0.0) if clip else bound

    def above(count: Array, total: Array) -> Array:
        inverted = count + beta + np.sqrt(2 * beta * count + beta**2)
        bound = np.where(chernoff, inverted, count + np.sqrt(total * beta / 2))
        return np.minimum(bound, total) if clip else bound

    def tau(order: int, probability: Array) -> Array:
        return np.asarray(sum(w * np.exp(-number) * number**order for w, number in zip(probability, mu, strict=True)))

    def decoys(count: Array, probability: Array) -> tuple[Array, Array]:
        """Return the bounds of vacuum and of single-photon events, Eqs 2 and 3."""
        total = count[0] + count[1] + count[2]
        w1, w2, w3 = (np.exp(number) / weight for number, weight in zip(mu, probability, strict=True))
        tau0, tau1 = tau(0, probability), tau(1, probability)
        vacuum = tau0 * (mu2 * w3 * below(count[2], total) - mu3 * w2 * above(count[1], total)) / (mu2 - mu3)
        vacuum = np.clip(vacuum, 0.0, total) if clip else vacuum
        rest = w1 * above(count[0], total) - vacuum / tau0
        single = w2 * below(count[1], total) - w3 * above(count[2], total) - (mu2**2 - mu3**2) / mu1**2 * rest
        single = tau1 * mu1 * single / (mu1 * (mu2 - mu3) - mu2**2 + mu3**2)
        return vacuum, np.clip(single, 0.0, total)

    def taken(events: Array, share: Array) -> Array:
        spread = np.sqrt(np.where(chernoff, 2 * beta * share * events, beta * events / 2))
        return np.where(signal, np.maximum(share * events - spread, 0.0), events)

    s0, s1 = decoys(x, p)
    s0 = taken(s0, p[0] * np.exp(-mu1) / tau(0, p))
    s1 = taken(s1, p[0] * np.exp(-mu1) * mu1 / tau(1, p))
    _, s_z1 = decoys(z, q)
    wrong = c[0] + c[1] + c[2]
    _, w2, w3 = (np.exp(number) / weight for number, weight in zip(mu, q, strict=True))
    v_z1 = tau(1, q) * (w2 * above(c[1], wrong) - w3 * below(c[2], wrong)) / (mu2 - mu3)  # Eq. 4
    v_z1 = np.clip(v_z1, 0.0, wrong) if clip else v_z1

    b = v_z1 / s_z1
    sizes = (s_z1 + s1) / (s_z1 * s1)
    gamma = np.sqrt(sizes * (1 - b) * b / np.log(2) * (np.log2(sizes / ((1 - b) * b)) + 2 * beta / np.log(2)))  # Eq. 5
    whole = np.ceil(v_z1), np.floor(s_z1), np.floor(s1)
    m = np.floor(whole[2] * (b + gamma)) + 1
    bounded = (whole[1] >= 1) & (whole[2] >= 2) & (b < 0.5)
    usable = bounded & (sampling == 0) & (v_z1 > 0) & (b + gamma < 0.5) & (2 * m <= whole[2])
    by_gamma = usable & (log_tail(*whole, m) <= -beta)
    log_eps = np.where(sampling == 2, -2 * beta, -beta)
    open_rows = np.broadcast_to(bounded & ~by_gamma, np.broadcast_shapes(bounded.shape, log_eps.shape))
    errors = np.full(open_rows.shape, np.nan)
    errors[open_rows] = errors_upper(*(np.broadcast_to(value, open_rows.shape)[open_rows] for value in (*whole, log_eps)))
    by_tail = ~np.isnan(errors)
    phase = np.where(by_gamma, b + gamma, np.where(by_tail, errors / whole[2], 0.5))
    used = np.where(by_gamma, 1, np.where(by_tail, 2, 0))

    n = np.where(signal, x[0], x[0] + x[1] + x[2])
    rate = np.where(n > 0, np.where(signal, a[0], a[0] + a[1] + a[2]) / np.where(n > 0, n, 1.0), 0.0)
    leak = f * n * _entropy(rate)
    key = np.floor(s0 + s1 * (1 - _entropy(phase)) - leak - 6 * beta / np.log(2) - np.log2(2 / eps_cor))  # Eq. 1

    finite = sum(np.sum(value, axis=0) for value in (x, a, z, c, mu, p, q)) + eps_sec + eps_cor + f
    fault = _worst(
        [
            (~np.isfinite(finite), 11),
            (np.any((a < 0) | (a > x) | (c < 0) | (c > z), axis=0), 10),
            ((np.sum(x, axis=0) > 1e15) | (np.sum(z, axis=0) > 1e15), 10),
            ((mu3 < 0) | (mu2 <= mu3) | (mu1 <= mu2 + mu3) | (mu1 > 100), 9),
            (np.any((p < 1e-30) | (q < 1e-30), axis=0), 8),
            ((np.sum(p, axis=0) > 1 + 1e-9) | (np.sum(q, axis=0) > 1 + 1e-9), 8),
            ((eps_sec < 1e-300) | (eps_sec >= 1) | (eps_cor < 1e-300) | (eps_cor >= 1), 7),
            (f < 1, 6),
            (~np.isin(tail, [0, 1]) | ~np.isin(sampling, [0, 1, 2]) | ~np.isin(source, [0, 1]), 5),
        ]
    )
    status = np.where(key > 0, 0, 1)
    status = np.where(used == 0, 3, status)
    status = np.where((s1 > 0) & (s_z1 > 0), status, 2)
    status = np.where(fault > 0, fault, status).astype(np.int8)
    bounds = [np.where(fault > 0, np.nan, value) for value in (s0, s1, s_z1, v_z1, phase, leak)]
    key = np.where(status == 0, key, 0.0)
    used = np.where(fault > 0, 0, used).astype(np.int8)
    return key, bounds[0], bounds[1], bounds[2], bounds[3], bounds[4], bounds[5], used, status


@np.errstate(all="ignore")
def one_decoy(
    key_counts: ArrayLike,
    key_errors: ArrayLike,
    test_counts: ArrayLike,
    test_errors: ArrayLike,
    mean_photon_numbers: ArrayLike,
    key_probabilities: ArrayLike,
    test_probabilities: ArrayLike,
    eps_secrecy: ArrayLike,
    eps_correctness: ArrayLike,
    error_correction_efficiency: ArrayLike,
    proof: ArrayLike,
    sampling_bound: ArrayLike,
) -> tuple[Array, Array, Array, Array, Array, Array, Array, Array, Array]:
    """Return key length, s_0, s_1, s_Z1, v_Z1, phase error, leakage, sampling bound used and status; see one_decoy.c."""
    vectors = (key_counts, key_errors, test_counts, test_errors, mean_photon_numbers, key_probabilities, test_probabilities)
    x, a, z, c, mu, p, q = (np.moveaxis(np.asarray(value, dtype=np.float64), -1, 0) for value in vectors)
    eps_sec, eps_cor, f = (
        np.asarray(e, dtype=np.float64) for e in (eps_secrecy, eps_correctness, error_correction_efficiency)
    )
    proof, sampling = np.asarray(proof), np.asarray(sampling_bound)
    corrected = proof == 1
    mu1, mu2 = mu
    beta = np.log(np.where(corrected, 15.0, 19.0) / eps_sec)

    def decoy(count: Array, error: Array, probability: Array) -> tuple[Array, Array, Array]:
        """Return the bounds of vacuum, of single-photon and of wrong single-photon events, Eqs 1 to 4."""
        n, m = count[0] + count[1], error[0] + error[1]
        d_n, d_m = np.sqrt(n * beta / 2), np.sqrt(m * beta / 2)
        w1, w2 = (np.exp(number) / weight for number, weight in zip(mu, probability, strict=True))
        tau0 = probability[0] * np.exp(-mu1) + probability[1] * np.exp(-mu2)
        tau1 = probability[0] * np.exp(-mu1) * mu1 + probability[1] * np.exp(-mu2) * mu2
        n1, n2 = np.minimum(count[0] + d_n, n), np.maximum(count[1] - d_n, 0)
        m1, m2 = (np.minimum(one + d_m, m) for one in error)
        vacuum = tau0 / (mu1 - mu2) * (mu1 * w2 * n2 - mu2 * w1 * n1)
        wrong = np.where(corrected, np.minimum(w1 * m1, w2 * m2), w2 * m2)
        vacuum_upper = np.minimum(2 * (tau0 * wrong + d_n), n)
        rest = (mu1**2 - mu2**2) / mu1**2 * vacuum_upper / tau0
        single = tau1 * mu1 / (mu2 * (mu1 - mu2)) * (w2 * n2 - mu2**2 / mu1**2 * w1 * n1 - rest)
        single_error = tau1 / (mu1 - mu2) * (w1 * m1 - w2 * np.maximum(error[1] - d_m, 0))
        return np.clip(vacuum, 0, n), np.clip(single, 0, n), np.clip(single_error, 0, m)

    s0, s1, _ = decoy(x, a, p)
    _, s_z1, v_z1 = decoy(z, c, q)
    b = v_z1 / s_z1
    sizes = (s_z1 + s1) / (s_z1 * s1)
    lim = np.log2(21**2 / eps_sec**2)
    gamma = np.sqrt(sizes * (1 - b) * b / np.log(2) * (np.log2(sizes / ((1 - b) * b)) + lim))  # Eq. 5a
    serfling = np.sqrt(sizes * (s_z1 + 1) / s_z1 * beta)  # Eq. 5b
    whole = np.ceil(v_z1), np.floor(s_z1), np.floor(s1)
    enough = (whole[1] >= 1) & (whole[2] >= 2) & (b < 0.5)
    by_serfling = enough & corrected & (sampling == 0) & (b + serfling < 0.5)
    m = np.floor(whole[2] * (b + gamma)) + 1
    log_eps = np.where((sampling == 2) | corrected, -2 * beta, -beta)
    usable = enough & ~corrected & (sampling == 0) & (v_z1 > 0) & (b + gamma < 0.5) & (2 * m <= whole[2])
    by_gamma = usable & (log_tail(*whole, m) <= log_eps)
    open_rows = enough & ~by_gamma & ~(corrected & (sampling == 0))
    open_rows = np.broadcast_to(open_rows, np.broadcast_shapes(open_rows.shape, log_eps.shape))
    errors = np.full(open_rows.shape, np.nan)
    errors[open_rows] = errors_upper(*(np.broadcast_to(value, open_rows.shape)[open_rows] for value in (*whole, log_eps)))
    by_tail = ~np.isnan(errors)
    phase = np.where(by_tail, errors / whole[2], 0.5)
    phase = np.where(by_gamma, b + gamma, np.where(by_serfling, b + serfling, phase))
    used = np.where(by_gamma, 1, np.where(by_serfling, 3, np.where(by_tail, 2, 0)))

    n = x[0] + x[1]
    rate = np.where(n > 0, (a[0] + a[1]) / np.where(n > 0, n, 1.0), 0.0)
    leak = f * n * _entropy(rate)
    cost = np.where(corrected, 4 * np.log2(15 / (2**0.25 * eps_sec)), 6 * np.log2(19 / eps_sec)) + np.log2(2 / eps_cor)
    key = np.floor(np.where(corrected, 0.0, s0) + s1 * (1 - _entropy(phase)) - leak - cost)  # Eq. 6

    finite = sum(np.sum(value, axis=0) for value in (x, a, z, c, mu, p, q)) + eps_sec + eps_cor + f
    fault = _worst(
        [
            (~np.isfinite(finite), 11),
            (np.any((a < 0) | (a > x) | (c < 0) | (c > z), axis=0), 10),
            ((np.sum(x, axis=0) > 1e15) | (np.sum(z, axis=0) > 1e15), 10),
            ((mu2 < 1e-30) | (mu1 <= mu2) | (mu1 > 100), 9),
            (np.any((p < 1e-30) | (q < 1e-30), axis=0), 8),
            ((np.sum(p, axis=0) > 1 + 1e-9) | (np.sum(q, axis=0) > 1 + 1e-9), 8),
            ((eps_sec < 1e-300) | (eps_sec >= 1) | (eps_cor < 1e-300) | (eps_cor >= 1), 7),
            (f < 1, 6),
            (~np.isin(proof, [0, 1]) | ~np.isin(sampling, [0, 1, 2]), 5),
        ]
    )
    status = np.where(key > 0, 0, 1)
    status = np.where(used == 0, 3, status)
    status = np.where((s1 > 0) & (s_z1 > 0), status, 2)
    status = np.where(fault > 0, fault, status).astype(np.int8)
    bounds = [np.where(fault > 0, np.nan, value) for value in (s0, s1, s_z1, v_z1, phase, leak)]
    key = np.where(status == 0, key, 0.0)
    used = np.where(fault > 0, 0, used).astype(np.int8)
    return key, bounds[0], bounds[1], bounds[2], bounds[3], bounds[4], bounds[5], used, status


@np.errstate(all="ignore")
def ma2005(
    gains: ArrayLike,
    error_rates: ArrayLike,
    mean_photon_numbers: ArrayLike,
    error_correction_efficiency: ArrayLike,
    sifting_factor: ArrayLike,
) -> tuple[Array, Array, Array, Array, Array, Array]:
    """Return Y_0, Y_1, e_1, Q_1, key rate and status; see ma2005.c."""
    vectors = (gains, error_rates, mean_photon_numbers)
    gain, error, number = (np.moveaxis(np.asarray(value, dtype=np.float64), -1, 0) for value in vectors)
    f, q = np.asarray(error_correction_efficiency, dtype=np.float64), np.asarray(sifting_factor, dtype=np.float64)
    mu, nu1, nu2 = number
    g_mu, g1, g2 = gain * np.exp(number)
    y0 = np.clip((nu1 * g2 - nu2 * g1) / (nu1 - nu2), 0.0, 1.0)
    y1 = mu / (mu * nu1 - mu * nu2 - nu1**2 + nu2**2) * (g1 - g2 - (nu1**2 - nu2**2) / mu**2 * (g_mu - y0))
    y1 = np.clip(y1, 0.0, 1.0)
    e1 = np.where(y1 > 0, np.clip((error[1] * g1 - error[2] * g2) / ((nu1 - nu2) * y1), 0.0, 0.5), 0.5)
    q1 = y1 * mu * np.exp(-mu)
    fault = _worst(
        [
            (~np.isfinite(np.sum(gain, axis=0) + np.sum(error, axis=0) + np.sum(number, axis=0) + f + q), 11),
            ((nu2 < 0) | (nu1 <= nu2) | (mu <= nu1 + nu2) | (mu > 100), 9),
            (np.any((gain < 0) | (gain > 1) | (error < 0) | (error > 1), axis=0) | (q < 0) | (q > 1), 8),
            (f < 1, 6),
        ]
    )
    rate, status = _asymptotic_rate(gain[0], error[0], y1, e1, q1, f, q, fault)
    bounds = [np.where(fault > 0, np.nan, value) for value in (y0, y1, e1, q1)]
    return bounds[0], bounds[1], bounds[2], bounds[3], rate, status


@np.errstate(all="ignore")
def ma2005_infinite(
    gain: ArrayLike,
    error_rate: ArrayLike,
    mean_photon_number: ArrayLike,
    single_photon_yield: ArrayLike,
    single_photon_error: ArrayLike,
    error_correction_efficiency: ArrayLike,
    sifting_factor: ArrayLike,
) -> tuple[Array, Array, Array]:
    """Return Q_1, key rate and status; see ma2005.c."""
    inputs = (gain, error_rate, mean_photon_number, single_photon_yield, single_photon_error)
    g, e, mu, y1, e1 = (np.asarray(value, dtype=np.float64) for value in inputs)
    f, q = np.asarray(error_correction_efficiency, dtype=np.float64), np.asarray(sifting_factor, dtype=np.float64)
    shares = np.stack(np.broadcast_arrays(g, e, y1, e1, q))
    q1 = y1 * mu * np.exp(-mu)
    fault = _worst(
        [
            (~np.isfinite(g + e + mu + y1 + e1 + f + q), 11),
            ((mu <= 0) | (mu > 100), 9),
            (np.any((shares < 0) | (shares > 1), axis=0), 8),
            (f < 1, 6),
        ]
    )
    rate, status = _asymptotic_rate(g, e, y1, e1, q1, f, q, fault)
    return np.where(fault > 0, np.nan, q1), rate, status


def _asymptotic_rate(
    gain: Array, error: Array, y1: Array, e1: Array, q1: Array, f: Array, q: Array, fault: Array
) -> tuple[Array, Array]:
    """Return Eq. 1 and its status."""
    rate = q * (q1 * (1 - _entropy(e1)) - gain * f * _entropy(error))
    status = np.where(y1 > 0, np.where(rate > 0, 0, 1), 2)
    status = np.where(fault > 0, fault, status).astype(np.int8)
    return np.where(status == 0, rate, 0.0), status
