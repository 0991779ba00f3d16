r"""What one photon does, from counts of several intensities: certified bounds of yields by linear programme.

A pulse of intensity k holds n photons with the probability of Poisson's law, and n photons give an outcome with a yield that
depends on nothing else: the outcome's probability is :math:`Q_k = \sum_n P(n|k)\, y_n` with :math:`0 \le y_n \le 1`.
A bound is never the solver's value: any multipliers give one by weak duality, and photon numbers beyond the last column are
paid for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

TAIL: Final = 1e-18
"""Probability of more photons than the programme has columns for, at most where `MOST_PHOTONS` allows it."""

MOST_PHOTONS: Final = 600
ROUNDING: Final = 256 * np.finfo(np.float64).eps
"""Relative error allowed to the sums of a bound, always to the safe side."""

TOLERANCE: Final = 1e-10
"""Of the solver; it can make a bound looser, never wrong."""


@dataclass(frozen=True, kw_only=True)
class YieldBounds:
    """Bounds for one basis of the sender and one of the receiver [1]; NaN where the programme has no solution."""

    vacuum_lower: float
    """Probability of an outcome in the receiver's basis, given no photon."""
    lower: float
    """The same given one photon."""
    upper: float
    unequal_lower: float
    """Probability of a bit unlike the sender's in the receiver's basis, given one photon."""
    unequal_upper: float


def photon_numbers(mean_photon_number: ArrayLike) -> tuple[Floats, Floats]:
    r"""Poisson's law for each intensity, :math:`P(n|k) = e^{-\mu_k} \mu_k^n / n!`.

    Parameters
    ----------
    mean_photon_number : array_like
        :math:`\mu_k` [1], (K,).

    Returns
    -------
    probability : ndarray
        (K, N + 1).
    beyond : ndarray
        Probability of more than N photons, upper bound, (K,).

    Examples
    --------
    >>> probability, beyond = photon_numbers([0.5, 0.0])
    >>> probability[:, :2].round(6).tolist(), bool(beyond.max() < 1e-18)
    ([[0.606531, 0.303265], [1.0, 0.0]], True)
    """
    from scipy.special import gammainc, gammaln, xlogy

    mu = np.asarray(mean_photon_number, dtype=np.float64)
    n = np.arange(MOST_PHOTONS + 1, dtype=np.float64)
    tail = gammainc(n + 1.0, mu[:, np.newaxis])  # of more than n photons
    enough = (tail <= TAIL).all(axis=0)
    last = int(np.argmax(enough)) if enough.any() else MOST_PHOTONS
    last = max(last, 2)
    n = n[: last + 1]
    probability = np.exp(xlogy(n, mu[:, np.newaxis]) - mu[:, np.newaxis] - gammaln(n + 1.0))
    return np.asarray(probability), np.asarray(tail[:, last] * (1.0 + 1e-9))


def certified_minimum(
    cost: Floats, matrix: Floats, low: Floats, high: Floats, *, tail: Floats, same: Floats | None = None
) -> float:
    r"""Number that the cost cannot be below, for all :math:`0 \le v \le 1` with rows within their ends.

    .. math::
        c^T v \ge \sum_i \min(y_i l_i, y_i u_i) + \sum_j m_j \min\big(0, (c - A^T y - E^T z)_j\big), \qquad
        m_j = \min(1, \min_i u_i / A_{ij})

    Parameters
    ----------
    cost : ndarray
        c, (n,).
    matrix : ndarray
        A, not negative [1], (m, n).
    low, high : ndarray
        Ends of the rows, (m,); the low ones are lowered by `tail`.
    tail : ndarray
        What columns that are left out can add to each row, at most, (m,).
    same : ndarray, optional
        E, rows that are 0, (e, n).

    Returns
    -------
    float
        A lower bound for any multipliers; those of HiGHS make it tight. NaN where it finds no solution.

    Examples
    --------
    >>> row = np.array([[0.5, 0.25]])
    >>> least = certified_minimum(np.array([0.0, 1.0]), row, np.array([0.6]), np.array([0.6]), tail=np.zeros(1))
    >>> round(float(least), 9)  # the first variable is at most 1
    0.4
    """
    from scipy.optimize import linprog

    if not (np.isfinite(low).all() and np.isfinite(high).all() and np.all(low <= high)):
        return np.nan
    low = np.maximum(low - tail, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        most = np.minimum(np.where(matrix > 0.0, high[:, np.newaxis] / matrix, np.inf).min(axis=0) * (1.0 + ROUNDING), 1.0)
    size = float(np.clip(high.max(initial=0.0), 1e-300, 1.0))
    rows = np.maximum(high / size, 1e-9)  # a row of few counts is not lost in the solver's tolerance
    scaled = matrix / rows[:, np.newaxis]
    for presolve in (True, False):  # presolve calls programmes without room infeasible
        solved = linprog(
            cost,
            np.concatenate([-scaled, scaled]),
            np.concatenate([-low, high]) / np.tile(rows, 2) / size,
            same,
            None if same is None else np.zeros(len(same)),
            bounds=np.stack([np.zeros_like(most), most / size], axis=-1),
            method="highs",
            options={
                "primal_feasibility_tolerance": TOLERANCE,
                "dual_feasibility_tolerance": TOLERANCE,
                "presolve": presolve,
            },
        )
        if solved.status == 0:
            break
    if solved.status != 0 or not np.all(np.isfinite(solved.ineqlin.marginals)):
        return np.nan
    upward, downward = np.split(-solved.ineqlin.marginals, 2)
    y = (upward - downward) / rows
    reduced, terms = cost - y @ matrix, np.abs(cost) + np.abs(y) @ matrix
    if same is not None:
        z = solved.eqlin.marginals
        reduced, terms = reduced - z @ same, terms + np.abs(z) @ np.abs(same)
    parts = np.where(y > 0.0, y * low, y * high)
    bound = float(parts.sum() + np.minimum(reduced, 0.0) @ most)
    return bound - ROUNDING * float(np.abs(parts).sum() + terms @ most)


def yield_of_one_photon(low: ArrayLike, high: ArrayLike, mean_photon_number: ArrayLike) -> tuple[float, float]:
    """Bounds of the yield of one photon from intervals of an outcome's probability at each intensity.

    Parameters
    ----------
    low, high : array_like
        Ends of the probability, given the intensity [1], (K,).
    mean_photon_number : array_like
        Of each intensity [1], (K,).

    Returns
    -------
    lower, upper : float
        [1]; NaN where no yields have these probabilities.

    Examples
    --------
    >>> mu = np.array([0.5, 0.1, 0.0])
    >>> gain = 1 - np.exp(-0.01 * mu)  # a loss of 20 dB, no noise: the yield of one photon is 0.01
    >>> lower, upper = yield_of_one_photon(gain, gain, mu)
    >>> round(lower, 5), round(upper, 5)
    (0.0097, 0.01101)
    """
    probability, beyond = photon_numbers(mean_photon_number)
    ends = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    cost = np.zeros(probability.shape[1])
    cost[1] = 1.0
    found = (
        certified_minimum(cost, probability, *ends, tail=beyond),
        -certified_minimum(-cost, probability, *ends, tail=beyond),
    )
    return _clipped(found[0]), _clipped(found[1])


def yields_of_bases(
    low: ArrayLike, high: ArrayLike, unequal_low: ArrayLike, unequal_high: ArrayLike, *, mean_photon_number: ArrayLike
) -> YieldBounds:
    """Bounds of what no photon and one photon do, for one basis of the sender and one of the receiver.

    Parameters
    ----------
    low, high : array_like
        Ends of the probability of any outcome of the receiver's basis, given intensity and basis of the sender [1], (K,).
    unequal_low, unequal_high : array_like
        The same of an outcome unlike the sender's bit, (K,).
    mean_photon_number : array_like
        Of each intensity [1], (K,).

    Returns
    -------
    YieldBounds

    Notes
    -----
    Yields of equal and of unequal bits are separate unknowns; without a photon they are the same, as the sender's bits are
    uniform and the receiver knows nothing of them.
    """
    probability, beyond = photon_numbers(mean_photon_number)
    columns = probability.shape[1]
    matrix = np.block([[probability, probability], [np.zeros_like(probability), probability]])
    tail = np.concatenate([2.0 * beyond, beyond])
    ends = (
        np.concatenate([np.asarray(low, dtype=np.float64), np.asarray(unequal_low, dtype=np.float64)]),
        np.concatenate([np.asarray(high, dtype=np.float64), np.asarray(unequal_high, dtype=np.float64)]),
    )
    same = np.zeros((1, 2 * columns))
    same[0, 0], same[0, columns] = 1.0, -1.0

    def least(photons: int, equal: float, unequal: float) -> float:
        cost = np.zeros(2 * columns)
        cost[photons], cost[columns + photons] = equal, unequal
        return certified_minimum(cost, matrix, *ends, tail=tail, same=same)

    return YieldBounds(
        vacuum_lower=_clipped(least(0, 1.0, 1.0)),
        lower=_clipped(least(1, 1.0, 1.0)),
        upper=_clipped(-least(1, -1.0, -1.0)),
        unequal_lower=_clipped(least(1, 0.0, 1.0)),
        unequal_upper=_clipped(-least(1, 0.0, -1.0)),
    )


def _clipped(value: float) -> float:
    return float(np.clip(value, 0.0, 1.0))
