"""The slow twins of patterns.c: same names without the number of detectors, same order of arguments, step by step as
docs/physics/patterns.md has it. Nothing but the tests uses this file.

A set is the number whose bit j is set where detector j is in it. A set function is the list of its Moebius coefficients,
so that f(S) is the sum of the coefficients of all subsets of S. The kernels form the same sums by halves of arrays.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from qphys.core.levels import STATUS

Array = np.ndarray[Any, Any]
Function = list[float]

GOOD, BAD_PROBABILITIES = STATUS["good"], STATUS["impossible_probabilities"]
NOT_FINITE, IMPOSSIBLE_STATE = STATUS["input_not_finite"], STATUS["impossible_state_of_light"]
BAD_OPTION = STATUS["unknown_option"]
TOLERANCE = 1e-9
BRIGHTEST = 1e12


def _broadcast(signature: str, types: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a function of one row broadcast over a batch as its kernel does."""
    return partial(np.vectorize, signature=signature, otypes=list(types))


def _subsets(of: int) -> Iterator[int]:
    """Yield every subset, the empty one first, the whole one last."""
    subset = 0
    while True:
        yield subset
        if subset == of:
            return
        subset = (subset - of) & of


def _complex(rows: Array, *shape: int) -> Array:
    return np.ascontiguousarray(rows, dtype=np.float64).view(np.complex128).reshape(shape)


def _value(function: Function, at: int) -> float:
    return math.fsum(function[subset] for subset in _subsets(at))


def _divide(a: Function, b: Function) -> Function:
    """Return a / b: what the smaller sets of the quotient do not explain of a, over the value of b (step 2)."""
    quotient: Function = []
    for whole, coefficient in enumerate(a):
        explained = math.fsum(
            quotient[part] * b[whole ^ part | shared]
            for part in _subsets(whole)
            if part != whole
            for shared in _subsets(part)
        )
        quotient.append((coefficient - explained) / _value(b, whole))
    return quotient


def _connected(w: Function, detectors: int) -> list[float]:
    """Return w_T of every set, 1 + w being the function: its connected part is log1p(w_T) (step 3)."""
    if detectors == 0:
        return [w[0]]
    half = 2 ** (detectors - 1)
    lower = w[:half]
    one_more = _divide(w[half:], [1 + lower[0], *lower[1:]])
    return _connected(lower, detectors - 1) + _connected(one_more, detectors - 1)


def _patterns(kappa: list[float], dark: Array) -> tuple[Array, int]:
    """Return the patterns of connected parts (steps 4 and 5)."""
    n = len(dark)
    if not (np.isfinite(kappa).all() and np.isfinite(dark).all()):
        return np.full(2**n, math.nan), NOT_FINITE
    if ((dark < 0) | (dark > 1)).any():
        return np.full(2**n, math.nan), BAD_PROBABILITIES
    kappa = [0.0, *kappa[1:]]
    for j in range(n):
        kappa[1 << j] += math.log1p(-dark[j]) if dark[j] < 1 else -math.inf
    probability = np.zeros(2**n)
    for clicks in range(2**n):
        silent = 2**n - 1 - clicks
        log_silence = math.fsum(kappa[part] for part in _subsets(silent))
        f = {0: 1.0}
        for joined in _subsets(clicks):
            if joined == 0:
                continue
            factor = math.expm1(math.fsum(kappa[part | joined] for part in _subsets(silent)))
            for part, value in list(f.items()):
                f[part | joined] = f.get(part | joined, 0.0) + factor * value
        probability[clicks] = (-1) ** clicks.bit_count() * math.exp(log_silence) * f.get(clicks, 0.0)
    if probability.min() < -TOLERANCE or abs(probability.sum() - 1) > 1e-6:
        return np.full(2**n, math.nan), IMPOSSIBLE_STATE
    return np.maximum(probability, 0.0), GOOD


def _is_passive(amplitudes: Array) -> bool:
    return bool(np.linalg.norm(amplitudes, 2) <= 1 + TOLERANCE)


def _pairs(n: Array, A: Array, B: Array, K: float) -> tuple[list[float], int]:
    """Return kappa of two squeezers, from the minors of step 1."""
    d = len(A) // 4
    if not (np.isfinite(n).all() and np.isfinite(A).all() and np.isfinite(B).all()) or math.isnan(K):
        return [math.nan] * 4**d, NOT_FINITE
    a, b = _complex(A, d, 2), _complex(B, d, 2)[:, ::-1]  # the idler's V belongs to the first squeezer
    if not ((n >= 0) & (n <= BRIGHTEST)).all() or not K >= 1:
        return [math.nan] * 4**d, IMPOSSIBLE_STATE
    if not (_is_passive(a) and _is_passive(b)):
        return [math.nan] * 4**d, BAD_PROBABILITIES
    x = 1 / K
    pair_amplitude = np.sqrt(n * (1 + x * n))
    coefficient = []  # of (D - 1) / x
    for members in range(4**d):
        s, i = [j for j in range(d) if members >> j & 1], [j for j in range(d) if members >> d + j & 1]
        if (len(s), len(i)) == (1, 0) or (len(s), len(i)) == (0, 1):
            coefficient.append(float((n * np.abs((a[s] if s else b[i])[0]) ** 2).sum()))
        elif (len(s), len(i)) == (1, 1):
            correlation = (pair_amplitude * a[s[0]] * b[i[0]]).sum()
            coefficient.append(x * coefficient[members & 2**d - 1] * coefficient[members >> d << d] - abs(correlation) ** 2)
        elif max(len(s), len(i)) == 2:
            both = x * n[0] * n[1]
            for arm, rows in ((a, s), (b, i)):
                both *= abs(np.linalg.det(arm[rows])) ** 2 if len(rows) == 2 else 1.0
                both *= -((np.abs(arm[rows]) ** 2).sum()) if len(rows) == 1 else 1.0
            coefficient.append(both)
        else:
            coefficient.append(0.0)
    if x == 0:  # nothing but first order in the mean number is left
        return [0.0] + [-c for c in coefficient[1:]], GOOD
    w = _connected([x * c for c in coefficient], 2 * d)
    return [0.0] + [-K * math.log1p(value) for value in w[1:]], GOOD


def _nan_if_bad(values: list[float], status: int) -> tuple[Array, int]:
    return np.array(values) if status == GOOD else np.full(len(values), math.nan), status


@_broadcast("(m),(a),(b),()->(t),()", "db")
def pair_cumulants(n: Array, A: Array, B: Array, K: float) -> tuple[Array, int]:
    """Return the connected parts of the pairs of two squeezers, and the status."""
    return _nan_if_bad(*_pairs(n, A, B, float(K)))


@_broadcast("(m),(a),(b),(),(d)->(t),()", "db")
def pair_patterns(n: Array, A: Array, B: Array, K: float, dark: Array) -> tuple[Array, int]:
    """Return the patterns of the pairs of two squeezers, and the status."""
    kappa, status = _pairs(n, A, B, float(K))
    if not np.isfinite(dark).all() or status == NOT_FINITE:
        return np.full(len(kappa), math.nan), NOT_FINITE
    if ((dark < 0) | (dark > 1)).any():
        status = max(status, BAD_PROBABILITIES)
    return _patterns(kappa, dark) if status == GOOD else (np.full(len(kappa), math.nan), status)


@_broadcast("(m),(a),(b),(),(d),(t)->(o),()", "db")
def pair_outcomes(n: Array, A: Array, B: Array, K: float, dark: Array, outcome: Array) -> tuple[Array, int]:
    """Return the patterns of the pairs of two squeezers summed to 64 outcomes, and the status."""
    probability, status = pair_patterns(n, A, B, K, dark)
    if status == GOOD and not ((outcome >= 0) & (outcome < 64)).all():
        status = BAD_OPTION
    if status != GOOD:
        return np.full(64, math.nan), int(status)
    return np.bincount(outcome, weights=probability, minlength=64), int(status)


@_broadcast("(t),(d)->(t),()", "db")
def cumulant_patterns(kappa: Array, dark: Array) -> tuple[Array, int]:
    """Return the patterns of connected parts, and the status."""
    return _patterns(list(kappa), dark)


@_broadcast("(),(r),(a),(b)->(t),()", "db")
def poisson_pair_cumulants(mu: float, rho: Array, A: Array, B: Array) -> tuple[Array, int]:
    """Return the connected parts of Poisson pairs of a density matrix, and the status."""
    d = len(A) // 4
    kappa = np.zeros(4**d)
    if not all(np.isfinite(v).all() for v in (mu, rho, A, B)):
        return np.full(4**d, math.nan), NOT_FINITE
    matrix, a, b = _complex(rho, 4, 4), _complex(A, d, 2), _complex(B, d, 2)
    if not 0 <= mu <= BRIGHTEST or abs(matrix - matrix.conj().T).max() > TOLERANCE or abs(matrix.trace() - 1) > TOLERANCE:
        return np.full(4**d, math.nan), IMPOSSIBLE_STATE
    if not (_is_passive(a) and _is_passive(b)):
        return np.full(4**d, math.nan), BAD_PROBABILITIES
    signal = [np.outer(row.conj(), row) for row in a]  # the detector's part of the measurement on one photon
    idler = [np.outer(row.conj(), row) for row in b]
    for j in range(d):
        kappa[1 << j] = -mu * np.trace(matrix @ np.kron(signal[j], np.eye(2))).real
        kappa[1 << d + j] = -mu * np.trace(matrix @ np.kron(np.eye(2), idler[j])).real
        for k in range(d):
            kappa[1 << j | 1 << d + k] = mu * np.trace(matrix @ np.kron(signal[j], idler[k])).real
    return kappa, GOOD


@_broadcast("(m),(m),(r),()->(t),()", "db")
def gaussian_cumulants(N: Array, M: Array, mean: Array, copies: float) -> tuple[Array, int]:
    """Return the connected parts of a Gaussian state, and the status; from every minor, and so for few detectors."""
    n = len(mean) // 2
    if not all(np.isfinite(v).all() for v in (N, M, mean, copies)):
        return np.full(2**n, math.nan), NOT_FINITE
    number, anomalous, alpha = _complex(N, n, n), _complex(M, n, n), _complex(mean, n)
    photons = number.diagonal().real
    bound = np.minimum(np.outer(photons, photons + 1), np.outer(photons + 1, photons))
    if (
        not 1 <= copies <= BRIGHTEST
        or not ((photons >= 0) & (photons <= BRIGHTEST)).all()
        or (abs(number - number.conj().T) > TOLERANCE * np.sqrt(np.outer(photons, photons))).any()
        or (abs(anomalous - anomalous.T) > TOLERANCE * abs(anomalous)).any()
        or (abs(number) ** 2 > (1 + TOLERANCE) * np.outer(photons, photons)).any()
        or (abs(anomalous) ** 2 > (1 + TOLERANCE) * bound).any()
    ):
        return np.full(2**n, math.nan), IMPOSSIBLE_STATE
    gamma = np.block([[number.T, anomalous], [anomalous.conj(), number]])
    zeta = np.concatenate([alpha, alpha.conj()])
    # det(1 + Gamma_S), and zeta' adj(1 + Gamma_S) zeta, as sums of minors over the rows that touch exactly T
    D, bordered = [1.0], [0.0]
    for members in range(1, 2**n):
        detectors = [j for j in range(n) if members >> j & 1]
        minor = border = 0.0
        for choice in itertools.product(([0], [1], [0, 1]), repeat=len(detectors)):
            rows = [half * n + j for j, halves in zip(detectors, choice, strict=True) for half in halves]
            inner = gamma[np.ix_(rows, rows)]
            outer = np.block([[inner, zeta[rows, None]], [zeta[rows].conj()[None], np.zeros((1, 1))]])
            minor += np.linalg.det(inner).real
            border -= np.linalg.det(outer).real
        D.append(minor)
        bordered.append(border)
    w = _connected([0.0, *D[1:]], n)
    q = _divide(bordered, D)
    return np.array([0.0] + [copies * -0.5 * (math.log1p(w[T]) + q[T]) for T in range(1, 2**n)]), GOOD
