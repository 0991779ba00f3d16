"""Decoy bounds by linear programme, for any number of intensities: vacuum, single photons and their errors in one basis.

Of the events of one basis let r_n be right and v_n wrong ones from pulses of n photons. The intensity of each is drawn with
P(k|n) = p_k e^-mu_k mu_k^n / (n! tau_n), so that the counts bound sums over n. A bound is never the solver's value: any
multipliers y give one by weak duality, over all n, and the solver only has to find good ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from qphys import core

Floats = NDArray[np.float64]

TAIL: Final = 1e-15
"""Chance that an event of more photons than the programme holds is not of the brightest intensity, at most."""

MOST_PHOTONS: Final = 600
"""Photons up to which the programme looks for that; beyond, the tail term of the bound takes what is left."""

BRIGHTEST: Final = 100.0
"""Largest mean photon number that the analysis takes."""

RAREST: Final = 1e-30
"""Smallest probability of an intensity that the analysis takes."""

ROUNDING: Final = 256 * np.finfo(np.float64).eps
"""Relative error allowed to the sums of a bound, always to the safe side."""


@dataclass(frozen=True, kw_only=True)
class DecoyBounds:
    """Bounds of one basis; NaN where the programme had no solution, as where counts contradict the sender's claims."""

    vacuum_lower: float
    """Events from vacuum, at least [1]."""
    single_photon_lower: float
    """Events from single photons, at least [1]."""
    single_photon_error_upper: float
    """Wrong events from single photons, at most [1]."""


def tail_parts(intensities: int) -> int:
    """One-sided tail bounds behind :func:`decoy_bounds`: two a count, two an error count, one for the errors of vacuum.

    Examples
    --------
    >>> tail_parts(3)
    13
    """
    return 4 * intensities + 1


def intervals(
    counts: Floats, total: float, *, beta: float, tail_bound: str, predicted_shares: Floats | None = None
) -> tuple[Floats, Floats]:
    r"""Bounds of the means of counts, each side but with probability :math:`e^{-\beta}`, clipped to [0, total].

    Parameters
    ----------
    counts : ndarray
        Of each intensity [1], (K,).
    total : float
        Their sum [1].
    beta : float
        [1].
    tail_bound : str
        An inequality of :func:`qphys.core.mean_bounds`.
    predicted_shares : ndarray, optional
        For Kato's inequality: of each intensity [1], (K,).

    Returns
    -------
    lower, upper : ndarray
        (K,).
    """
    if beta == 0:
        return np.array(counts), np.array(counts)
    return core.mean_bounds(
        counts,
        np.maximum(total, counts),  # rounding of the sum
        log_inverse_epsilon=beta,
        tail_bound=tail_bound,
        predicted_share=predicted_shares,
    )


def intensity_given_photons(mean_photon_number: Floats, probability: Floats) -> tuple[Floats, Floats]:
    r"""Probability of each intensity given the photon number, and of any but the brightest beyond the last one.

    .. math:: P(k|n) = p_k e^{-\mu_k} \mu_k^n / \sum_j p_j e^{-\mu_j} \mu_j^n

    Parameters
    ----------
    mean_photon_number : ndarray
        Falling, all but the last above 0 [1], (K,).
    probability : ndarray
        Of each intensity; a common factor drops out [1], (K,).

    Returns
    -------
    given : ndarray
        P(k|n) for n = 0 ... N, (K, N + 1).
    beyond : ndarray
        Upper bounds of P(k|n) for all n > N and k > 1, as the ratio to the brightest only falls with n; first 1, (K,).
    """
    mu = np.asarray(mean_photon_number, dtype=np.float64)
    n = np.arange(MOST_PHOTONS + 2, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        power = np.where((mu[:, np.newaxis] == 0) & (n == 0), 0.0, n * np.log(mu)[:, np.newaxis])
        ratio = np.exp((np.log(probability) - mu)[:, np.newaxis] + power - (np.log(probability[0]) - mu[0] + power[0]))
    small = ratio[1:].sum(axis=0) <= TAIL
    last = int(np.clip(np.argmax(small) if small.any() else MOST_PHOTONS, 20, MOST_PHOTONS))
    given = ratio[:, : last + 1] / ratio[:, : last + 1].sum(axis=0)
    return given, ratio[:, last + 1]


def decoy_bounds(
    counts: Floats,
    errors: Floats,
    *,
    mean_photon_number: Floats,
    probability: Floats,
    beta: float,
    tail_bound: str,
    predicted_shares: tuple[Floats, Floats] | None = None,
) -> DecoyBounds:
    r"""Bound vacuum events, single-photon events and single-photon errors of one basis over all that the counts allow.

    .. math::
        n_k^- \le \sum_n P(k|n) (r_n + v_n) \le n_k^+, \quad m_k^- \le \sum_n P(k|n) v_n \le m_k^+, \quad
        \sum_n r_n = n - m, \; \sum_n v_n = m, \quad v_0 \ge (r_0 + v_0) / 2 - \sqrt{n \beta / 2}

    Parameters
    ----------
    counts, errors : ndarray
        Events and wrong ones of each intensity [1], (K,).
    mean_photon_number : ndarray
        Falling [1], (K,).
    probability : ndarray
        Of each intensity, given the basis [1], (K,).
    beta : float
        :math:`\ln(1/\epsilon)` of each of :func:`tail_parts`.
    tail_bound : str
        See :func:`intervals`. With all but Hoeffding's the errors of vacuum deviate by the number of vacuum events, not of
        all, as of :func:`qphys.core.one_decoy`: :math:`v_0 \ge s/2 - \sqrt{s \beta / 2}`, :math:`s = r_0 + v_0`, is convex
        in s, and a tangent of it is the row.
    predicted_shares : pair of ndarray, optional
        For Kato's inequality: of each intensity among the counts and among the errors, each (K,).

    Returns
    -------
    DecoyBounds

    Notes
    -----
    For any multipliers y of the rows and the cost c of a column, the least cost is at least
    :math:`\sum_i (y_i^+ l_i - y_i^- u_i) + (n - m) \min_n (c - A^T y)_{r,n} + m \min_n (c - A^T y)_{v,n}`, as the columns
    are not negative and sum to n - m and m. The minimum runs over all n: beyond the last column P(k|n) lies between 0 and
    its bound, that of the brightest between 1 / (1 + sum of these) and 1. The solver (HiGHS by SciPy) proposes y; its
    tolerances can make the bound looser, never wrong. Rounding is taken off by `ROUNDING`.
    """
    from scipy.optimize import linprog

    total, wrong = float(counts.sum()), float(errors.sum())
    shares = predicted_shares or (None, None)
    if total <= 0:
        return DecoyBounds(vacuum_lower=0.0, single_photon_lower=0.0, single_photon_error_upper=0.0)
    given, beyond = intensity_given_photons(mean_photon_number, probability)
    columns = given.shape[1]
    spread = np.sqrt(total * beta / 2)
    low_count, high_count = intervals(counts, total, beta=beta, tail_bound=tail_bound, predicted_shares=shares[0])
    low_error, high_error = intervals(errors, wrong, beta=beta, tail_bound=tail_bound, predicted_shares=shares[1])
    # rows: counts, errors, vacuum (v_0 >= slope (r_0 + v_0) - spread); columns: right events, wrong events
    slope = 0.5
    if tail_bound != "hoeffding" and beta > 0:
        most = float(np.min(high_error / given[:, 0], initial=total, where=given[:, 0] > 0))
        touch = min(beta + 2 * most + np.sqrt(beta * (beta + 4 * most)), total)
        slope, spread = 0.5 - np.sqrt(beta / (8 * touch)), np.sqrt(touch * beta / 8)
    of_vacuum = np.zeros((1, 2 * columns))
    of_vacuum[0, [0, columns]] = -slope, 1 - slope
    matrix = np.concatenate([np.block([[given, given], [np.zeros_like(given), given]]), of_vacuum])
    low = np.concatenate([low_count, low_error, [-spread]])
    high = np.concatenate([high_count, high_error, [total]])
    sums = np.kron(np.eye(2), np.ones((1, columns)))
    masses = np.array([total - wrong, wrong])
    scale = np.maximum(np.abs(high), 1.0) / total  # so that a row of few counts is not lost in the solver's tolerance
    scale[-1] = 1.0

    def at_least(cost: Floats) -> float:
        solved = linprog(
            cost,
            np.concatenate([-matrix / scale[:, np.newaxis], matrix / scale[:, np.newaxis]]),
            np.concatenate([-low / scale, high / scale]) / total,
            sums,
            masses / total,
            method="highs",
        )
        if solved.status != 0 or not np.all(np.isfinite(solved.ineqlin.marginals)):
            return np.nan
        upward, downward = np.split(-solved.ineqlin.marginals, 2)
        y = (upward - downward) / scale
        return _dual_bound(y, cost, matrix, low, high, masses, beyond)

    def unit(photons: int, *, right: float, wrong: float) -> Floats:
        cost = np.zeros(2 * columns)
        cost[photons], cost[columns + photons] = right, wrong
        return cost

    vacuum, single, error = (
        at_least(unit(0, right=1.0, wrong=1.0)),
        at_least(unit(1, right=1.0, wrong=1.0)),
        -at_least(unit(1, right=0.0, wrong=-1.0)),
    )
    return DecoyBounds(
        vacuum_lower=float(np.clip(vacuum, 0.0, total)),
        single_photon_lower=float(np.clip(single, 0.0, total)),
        single_photon_error_upper=float(np.clip(error, 0.0, wrong)),
    )


def _dual_bound(y: Floats, cost: Floats, matrix: Floats, low: Floats, high: Floats, masses: Floats, beyond: Floats) -> float:
    """Value of the dual at multipliers y, with the best multipliers of the two sums: a lower bound of the cost for any y."""
    number, columns = len(beyond), matrix.shape[1] // 2
    rows = np.where(y > 0, y * low, y * high)
    reduced = (cost - y @ matrix).reshape(2, columns)
    least = []
    for kind, of_intensity in enumerate((y[:number], y[:number] + y[number : 2 * number])):
        brightest = max(of_intensity[0], of_intensity[0] / (1.0 + float(beyond[1:].sum())))
        tail = -(brightest + float((np.maximum(of_intensity[1:], 0.0) * beyond[1:]).sum()))
        least.append(min(float(reduced[kind].min()), tail))
    bound = float(rows.sum()) + float(masses @ np.array(least))
    size = float(np.abs(rows).sum()) + float(masses.sum()) * (1.0 + float(np.abs(y).sum()))
    return bound - ROUNDING * size
