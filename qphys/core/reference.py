"""The slow twins of the kernels: same names, same order of arguments, NumPy's own functions, written to be read.

A twin is defined for every input that its kernel is defined for. Tests hold the two together to 1e-12 of the largest
term; nothing else uses this file.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from qphys.core.reference_tails import mean_bounds, taken_lower

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


def yin2020_gamma(rate: Array, k: Array, n: Array, beta: Array) -> Array:
    """Return gamma of Yin et al. 2020 for the test's error rate; no bound by itself."""
    size, variance = np.maximum(n, k) / (n + k), rate * (1 - rate)
    g = (n + k) / (n * k) * (np.log((n + k) / (2 * np.pi * n * k * variance)) + 2 * beta)
    return np.asarray(((1 - 2 * rate) * size * g + np.sqrt(size**2 * g**2 + 4 * variance * g)) / (2 + 2 * size**2 * g))


def _prediction_faults(tail: Array, shares: Array) -> list[tuple[Any, int]]:
    """Faults of what Kato's inequality needs: a share for every count."""
    asked = tail == 6
    impossible = np.any((shares < 0) | (shares > 1), axis=0)
    return [(asked & impossible, 8), (asked & np.any(~np.isfinite(shares), axis=0), 11)]


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
    predicted_shares: ArrayLike | None = None,
    *,
    clip: bool = True,
) -> tuple[Array, Array, Array, Array, Array, Array, Array, Array, Array]:
    """Return key length, s_0, s_1, s_Z1, v_Z1, phase error, leakage, sampling bound used and status; see lim2014.c.

    With `predicted_shares` (of key counts, test counts, test errors) it is the twin of ``lim2014_predicted``.
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
    signal = source == 0
    mu1, mu2, mu3 = mu

    terms = np.where(signal, 23.0, 21.0)
    beta = np.log(terms / eps_sec)

    shares = np.full(9, np.nan) if predicted_shares is None else np.moveaxis(np.asarray(predicted_shares), -1, 0)

    def interval(count: Array, total: Array, which: int) -> tuple[Array, Array]:
        lower, upper = mean_bounds(count, total, beta, tail, shares[which])
        if clip:
            return lower, upper
        chernoff = tail == 1
        lower = count + beta / 2 - np.sqrt(2 * beta * count + beta**2 / 4)
        upper = count + beta + np.sqrt(2 * beta * count + beta**2)
        spread = np.sqrt(total * beta / 2)
        return np.where(chernoff, lower, count - spread), np.where(chernoff, upper, count + spread)

    def tau(order: int, probability: Array) -> Array:
        return np.asarray(sum(w * np.exp(-number) * number**order for w, number in zip(probability, mu, strict=True)))

    def decoys(count: Array, probability: Array, which: int) -> tuple[Array, Array]:
        """Return the bounds of vacuum and of single-photon events, Eqs 2 and 3."""
        total = count[0] + count[1] + count[2]
        low, high = (np.stack(side) for side in zip(*(interval(count[k], total, which + k) for k in range(3)), strict=True))
        w1, w2, w3 = (np.exp(number) / weight for number, weight in zip(mu, probability, strict=True))
        tau0, tau1 = tau(0, probability), tau(1, probability)
        vacuum = tau0 * (mu2 * w3 * low[2] - mu3 * w2 * high[1]) / (mu2 - mu3)
        vacuum = np.clip(vacuum, 0.0, total) if clip else vacuum
        rest = w1 * high[0] - vacuum / tau0
        single = w2 * low[1] - w3 * high[2] - (mu2**2 - mu3**2) / mu1**2 * rest
        single = tau1 * mu1 * single / (mu1 * (mu2 - mu3) - mu2**2 + mu3**2)
        return vacuum, np.clip(single, 0.0, total)

    def taken(events: Array, share: Array) -> Array:
        return np.where(signal, taken_lower(events, share, beta, tail), events)

    s0, s1 = decoys(x, p, 0)
    s0 = taken(s0, p[0] * np.exp(-mu1) / tau(0, p))
    s1 = taken(s1, p[0] * np.exp(-mu1) * mu1 / tau(1, p))
    _, s_z1 = decoys(z, q, 3)
    wrong = c[0] + c[1] + c[2]
    _, w2, w3 = (np.exp(number) / weight for number, weight in zip(mu, q, strict=True))
    v_z1 = tau(1, q) * (w2 * interval(c[1], wrong, 7)[1] - w3 * interval(c[2], wrong, 8)[0]) / (mu2 - mu3)  # Eq. 4
    v_z1 = np.clip(v_z1, 0.0, wrong) if clip else v_z1

    b = v_z1 / s_z1
    sizes = (s_z1 + s1) / (s_z1 * s1)
    gamma = np.sqrt(sizes * (1 - b) * b / np.log(2) * (np.log2(sizes / ((1 - b) * b)) + 2 * beta / np.log(2)))  # Eq. 5
    whole = np.ceil(v_z1), np.floor(s_z1), np.floor(s1)
    bounded = (whole[1] >= 1) & (whole[2] >= 2) & (b < 0.5)
    serfling = b + np.sqrt(sizes * (s_z1 + 1) / s_z1 * beta / 2)
    by_serfling = bounded & (sampling == 3) & (serfling < 0.5)
    gamma = np.where(sampling == 4, yin2020_gamma(b, s_z1, s1, beta), gamma)
    m = np.floor(whole[2] * (b + gamma)) + 1
    usable = bounded & np.isin(sampling, [0, 4]) & (v_z1 > 0) & (b + gamma < 0.5) & (2 * m <= whole[2])
    by_gamma = usable & (log_tail(*whole, m) <= -beta)
    log_eps = np.where(sampling == 2, -2 * beta, -beta)
    open_rows = np.broadcast_to(bounded & ~by_gamma & (sampling != 3), np.broadcast_shapes(bounded.shape, log_eps.shape))
    errors = np.full(open_rows.shape, np.nan)
    errors[open_rows] = errors_upper(*(np.broadcast_to(value, open_rows.shape)[open_rows] for value in (*whole, log_eps)))
    by_tail = ~np.isnan(errors)
    phase = np.where(by_gamma, b + gamma, np.where(by_tail, errors / whole[2], 0.5))
    phase = np.where(by_serfling, serfling, phase)
    used = np.where(by_gamma, np.where(sampling == 4, 4, 1), np.where(by_serfling, 3, np.where(by_tail, 2, 0)))

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
            ((tail < 0) | (tail > (5 if predicted_shares is None else 6)), 5),
            (~np.isin(sampling, range(5)) | ~np.isin(source, [0, 1]), 5),
            *([] if predicted_shares is None else _prediction_faults(tail, shares)),
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
    tail_bound: ArrayLike,
    key_from: ArrayLike,
    predicted_shares: ArrayLike,
) -> tuple[Array, Array, Array, Array, Array, Array, Array, Array, Array]:
    """Return key length, s_0, s_1, s_Z1, v_Z1, phase error, leakage, sampling bound used and status; see one_decoy.c."""
    vectors = (key_counts, key_errors, test_counts, test_errors, mean_photon_numbers, key_probabilities, test_probabilities)
    x, a, z, c, mu, p, q = (np.moveaxis(np.asarray(value, dtype=np.float64), -1, 0) for value in vectors)
    eps_sec, eps_cor, f = (
        np.asarray(e, dtype=np.float64) for e in (eps_secrecy, eps_correctness, error_correction_efficiency)
    )
    proof, sampling, tail, source = (np.asarray(code) for code in (proof, sampling_bound, tail_bound, key_from))
    shares = np.moveaxis(np.asarray(predicted_shares, dtype=np.float64), -1, 0)
    corrected, signal = proof == 1, source == 0
    mu1, mu2 = mu
    beta = np.log(np.where(corrected, 15 + signal, 19 + 2 * signal) / eps_sec)

    def decoy(count: Array, error: Array, probability: Array, which: int) -> tuple[Array, Array, Array]:
        """Return the bounds of vacuum, of single-photon and of wrong single-photon events, Eqs 1 to 4."""
        n, m = count[0] + count[1], error[0] + error[1]
        w1, w2 = (np.exp(number) / weight for number, weight in zip(mu, probability, strict=True))
        tau0 = probability[0] * np.exp(-mu1) + probability[1] * np.exp(-mu2)
        tau1 = probability[0] * np.exp(-mu1) * mu1 + probability[1] * np.exp(-mu2) * mu2
        _, n1 = mean_bounds(count[0], n, beta, tail, shares[which])
        n2, _ = mean_bounds(count[1], n, beta, tail, shares[which + 1])
        _, m1 = mean_bounds(error[0], m, beta, tail, shares[which + 2])
        m2_lower, m2 = mean_bounds(error[1], m, beta, tail, shares[which + 3])
        # the means of both counts add up to n; Wiesemann et al. have a part of epsilon for one bound of the two
        n1 = np.where(tail == 0, n1, np.where(corrected, n - n2, np.minimum(n1, n - n2)))
        m1 = np.where(tail == 0, m1, np.where(corrected, m - m2_lower, np.minimum(m1, m - m2_lower)))
        vacuum = tau0 / (mu1 - mu2) * (mu1 * w2 * n2 - mu2 * w1 * n1)
        wrong = np.where(corrected, np.minimum(w1 * m1, w2 * m2), w2 * m2)
        # half of the s vacuum events err: s/2 - sqrt(s beta / 2) <= tau0 wrong, with n under the root as of the papers
        own = 2 * tau0 * wrong + beta + np.sqrt(beta**2 + 4 * beta * tau0 * wrong)
        vacuum_upper = np.where(tail == 0, 2 * (tau0 * wrong + np.sqrt(n * beta / 2)), own)
        vacuum_upper = np.minimum(vacuum_upper, n)
        rest = (mu1**2 - mu2**2) / mu1**2 * vacuum_upper / tau0
        single = tau1 * mu1 / (mu2 * (mu1 - mu2)) * (w2 * n2 - mu2**2 / mu1**2 * w1 * n1 - rest)
        single_error = tau1 / (mu1 - mu2) * (w1 * m1 - w2 * m2_lower)
        return np.clip(vacuum, 0, n), np.clip(single, 0, n), np.clip(single_error, 0, m)

    s0, s1, _ = decoy(x, a, p, 0)
    _, s_z1, v_z1 = decoy(z, c, q, 4)
    light = p[0] * np.exp(-mu1), p[1] * np.exp(-mu2)
    s0 = np.where(signal, taken_lower(s0, light[0] / (light[0] + light[1]), beta, tail), s0)
    s1 = np.where(signal, taken_lower(s1, light[0] * mu1 / (light[0] * mu1 + light[1] * mu2), beta, tail), s1)
    b = v_z1 / s_z1
    sizes = (s_z1 + s1) / (s_z1 * s1)
    lim = np.log2(21**2 / eps_sec**2)
    gamma = np.sqrt(sizes * (1 - b) * b / np.log(2) * (np.log2(sizes / ((1 - b) * b)) + lim))  # Eq. 5a
    depth = np.where(corrected, 2, 1)
    serfling = np.sqrt(sizes * (s_z1 + 1) / s_z1 * beta * depth / 2)  # Eq. 5b
    gamma = np.where(sampling == 4, yin2020_gamma(b, s_z1, s1, depth * beta), gamma)
    with_serfling = (sampling == 3) | (corrected & (sampling == 0))
    with_gamma = (sampling == 4) | (~corrected & (sampling == 0))
    whole = np.ceil(v_z1), np.floor(s_z1), np.floor(s1)
    enough = (whole[1] >= 1) & (whole[2] >= 2) & (b < 0.5)
    by_serfling = enough & with_serfling & (b + serfling < 0.5)
    m = np.floor(whole[2] * (b + gamma)) + 1
    log_eps = np.where((sampling == 2) | corrected, -2 * beta, -beta)
    usable = enough & with_gamma & (v_z1 > 0) & (b + gamma < 0.5) & (2 * m <= whole[2])
    by_gamma = usable & (log_tail(*whole, m) <= log_eps)
    open_rows = enough & ~by_gamma & ~with_serfling
    open_rows = np.broadcast_to(open_rows, np.broadcast_shapes(open_rows.shape, log_eps.shape))
    errors = np.full(open_rows.shape, np.nan)
    errors[open_rows] = errors_upper(*(np.broadcast_to(value, open_rows.shape)[open_rows] for value in (*whole, log_eps)))
    by_tail = ~np.isnan(errors)
    phase = np.where(by_tail, errors / whole[2], 0.5)
    phase = np.where(by_gamma, b + gamma, np.where(by_serfling, b + serfling, phase))
    used = np.where(by_gamma, np.where(sampling == 4, 4, 1), np.where(by_serfling, 3, np.where(by_tail, 2, 0)))

    n = np.where(signal, x[0], x[0] + x[1])
    rate = np.where(n > 0, np.where(signal, a[0], a[0] + a[1]) / np.where(n > 0, n, 1.0), 0.0)
    leak = f * n * _entropy(rate)
    cost = np.where(corrected, 4 * beta / np.log(2) - 1, 6 * beta / np.log(2)) + np.log2(2 / eps_cor)
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
            (~np.isin(proof, [0, 1]) | ~np.isin(sampling, range(5)), 5),
            (~np.isin(tail, range(7)) | ~np.isin(source, [0, 1]), 5),
            *_prediction_faults(tail, shares),
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
