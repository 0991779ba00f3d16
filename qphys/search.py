"""Deterministic maximisation of many smooth functions of a few variables at once.

One search serves a batch of links: each has its own function over the same box, and all are asked together, so that the cost
is that of the function. It knows nothing of what it maximises.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Function = Callable[[Floats, NDArray[np.intp]], Floats]
"""From points of the unit box (B, C, n) and the indices of their links (B) to values (B, C); NaN is no value."""

FIRST_RADIUS: Final = 0.12
SECOND_RADIUS: Final = 0.04
SMALLEST_RADIUS: Final = 1e-4
"""Half of the width of the box in which a quadratic is fitted, at the start and at the end, in units of the whole box."""

NEAR: Final = 0.5
"""Part of a better search's reach within which another of the same link is given up."""

EDGE: Final = 1e-12
"""Distance from the end of the box that is taken for rounding."""

STEPS: Final = (0.35, 0.7, 1.0, 1.5, 2.5)
"""Fractions of the quadratic's own step that are tried."""


@dataclass(frozen=True)
class Maximum:
    """Best points found, one a link."""

    point: Floats
    """In the unit box, (L, n)."""
    value: Floats
    """(L); -infinity where the function has no value anywhere that was tried."""
    evaluations: int
    """Points at which functions were asked, over all links."""


def maximum(
    function: Function,
    *,
    links: int,
    variables: int,
    guesses: Floats | None = None,
    scattered: int = 96,
    starts: int = 3,
    rounds: int = 20,
    tolerance: float = 1e-5,
    beside: Callable[[Floats, NDArray[np.intp]], Floats] | None = None,
) -> Maximum:
    r"""Maximise a function of each link over the unit box.

    A first look at scattered points finds the best starts; from each, a quadratic is fitted to a design of points about the
    best one, its maximum within the design's reach is tried at several lengths of the step, and the reach shrinks where that
    fails.

    Parameters
    ----------
    function : callable
        Values of points (B, C, n) for the links whose indices are given (B).
    links, variables : int
        Number of links L and of variables n, 1 to 8.
    guesses : ndarray, optional
        Points that the user holds for good, (L or 1, G, n); they join the first look.
    scattered : int
        Points of the first look.
    starts : int
        How many of them are followed, at most.
    rounds : int
        Quadratics fitted from each start, at most.
    tolerance : float
        Relative gain of a round below which the reach shrinks faster; a start ends below `SMALLEST_RADIUS`.
    beside : callable, optional
        Points (B, H, n) where the user suspects another hill, given the best ones (B, n) and the indices of their links (B).
        Where one of them is better, the search goes on from there.

    Returns
    -------
    Maximum

    Notes
    -----
    A trust-region method without derivatives in the manner of M. J. D. Powell's UOBYQA (Math. Program. 92, 555 (2002)), with
    a fixed design in place of a growing one so that all links share one pseudo-inverse; scattered points are those of a
    Kronecker sequence with the generalised golden ratio. It is deterministic, and a link's result does not depend on the
    others. Where the function jumps, the quadratic is only a guess, and the value kept is always one that was computed.
    """
    n = variables
    index = np.arange(links)
    look = np.broadcast_to(kronecker(scattered, n), (links, scattered, n))
    if guesses is not None:
        look = np.concatenate([np.broadcast_to(guesses, (links, *guesses.shape[1:])), look], axis=1)
    values = _asked(function, look, index)
    asked = values.size
    begin, first = _best_apart(look, values, starts, FIRST_RADIUS)
    at, best, more = _climbed(function, begin, first, owners=index, radius=FIRST_RADIUS, rounds=rounds, tolerance=tolerance)
    asked += more
    if beside is not None:
        known = np.flatnonzero(np.isfinite(best))
        look = np.clip(beside(at[known], known), 0.0, 1.0)
        values = _asked(function, look, known)
        asked += values.size
        top = np.argmax(values, axis=1)
        rows = np.arange(len(known))
        better = values[rows, top] > best[known]
        again = known[better]
        if again.size:
            begin, first = look[rows, top][better][:, np.newaxis], values[rows, top][better][:, np.newaxis]
            at[again], best[again], more = _climbed(
                function, begin, first, owners=again, radius=SECOND_RADIUS, rounds=rounds, tolerance=tolerance
            )
            asked += more
    return Maximum(at, best, asked)


def _climbed(
    function: Function,
    begin: Floats,
    first: Floats,
    *,
    owners: NDArray[np.intp],
    radius: float,
    rounds: int,
    tolerance: float,
) -> tuple[Floats, Floats, int]:
    """Best points (B, n) and values (B) of climbs of links `owners` (B) from places (B, S, n) of known value (B, S).

    The last result is the number of points asked.
    """
    links, starts, n = begin.shape
    index = np.arange(links)
    at, best = begin.reshape(-1, n).copy(), first.ravel().copy()
    # every (link, start) is a search of its own
    owner = np.repeat(owners, starts)
    reach_of = np.full(links * starts, radius)
    design, fit = _design(n)
    asked = 0
    for _ in range(rounds):
        alive = np.flatnonzero((reach_of >= SMALLEST_RADIUS) & np.isfinite(best))
        if alive.size == 0:
            break
        reach = reach_of[alive, np.newaxis]
        centre = np.clip(at[alive], reach, 1.0 - reach)
        points = centre[:, np.newaxis] + reach[:, :, np.newaxis] * design
        told = _asked(function, points, owner[alive])
        start = (at[alive] - centre) / reach
        step = _step(told, fit, start, at_low=at[alive] <= EDGE, at_high=at[alive] >= 1.0 - EDGE)
        tried = centre[:, np.newaxis] + reach[:, :, np.newaxis] * _along(start, step)
        tried = np.clip(tried, 0.0, 1.0)
        found = _asked(function, tried, owner[alive])
        asked += told.size + found.size
        everything, all_values = np.concatenate([points, tried], axis=1), np.concatenate([told, found], axis=1)
        top = np.argmax(all_values, axis=1)
        rows = np.arange(len(alive))
        value, where = all_values[rows, top], everything[rows, top]
        before = best[alive]
        better = value > before
        moved = np.max(np.abs(where - at[alive]), axis=1) / reach_of[alive]
        gain = np.where(better, value - before, 0.0)
        at[alive] = np.where(better[:, np.newaxis], where, at[alive])
        best[alive] = np.maximum(value, before)
        small = gain <= tolerance * np.abs(best[alive])
        factor = np.where(better & (moved > 1.2), 1.6, np.where(small, 0.3, np.where(better & (moved > 0.6), 1.0, 0.5)))
        reach_of[alive] = np.minimum(reach_of[alive] * factor, 0.25)
        reach_of = np.where(_on_the_way_of_a_better(at, best, reach_of, links), 0.0, reach_of)
    values, places = best.reshape(links, starts), at.reshape(links, starts, n)
    top = np.argmax(values, axis=1)
    return places[index, top], values[index, top], asked


def kronecker(number: int, variables: int) -> Floats:
    """Evenly scattered points of the unit box, (number, variables).

    Examples
    --------
    >>> kronecker(2, 1).round(6).tolist()
    [[0.118034], [0.736068]]
    """
    ratio = 2.0
    for _ in range(40):
        ratio = (1.0 + ratio) ** (1.0 / (variables + 1))
    rates = ratio ** -np.arange(1.0, variables + 1)
    points: Floats = (0.5 + np.outer(np.arange(1, number + 1), rates)) % 1.0
    return points


def _on_the_way_of_a_better(at: Floats, best: Floats, radius: Floats, links: int) -> Bools:
    """Whether a search has come within the reach of a better one of its link, (links times starts): both climb one hill."""
    places, values, reach = at.reshape(links, -1, at.shape[-1]), best.reshape(links, -1), radius.reshape(links, -1)
    apart = np.max(np.abs(places[:, :, np.newaxis] - places[:, np.newaxis]), axis=-1)
    starts = values.shape[1]
    first = np.arange(starts)[:, np.newaxis] > np.arange(starts)
    better = (values[:, np.newaxis] > values[:, :, np.newaxis]) | (
        (values[:, np.newaxis] == values[:, :, np.newaxis]) & first
    )
    near = apart < NEAR * reach[:, np.newaxis]
    told: Bools = np.any(better & near & (reach[:, np.newaxis] > 0.0), axis=2).ravel()
    return told


def _asked(function: Function, points: Floats, links: NDArray[np.intp]) -> Floats:
    values = np.asarray(function(points, links), dtype=np.float64)
    return np.where(np.isfinite(values), values, -np.inf)


def _best_apart(points: Floats, values: Floats, starts: int, apart: float) -> tuple[Floats, Floats]:
    """The best points of each link, (L, S, n), none nearer to a better one than the first reach, and their values (L, S)."""
    links = len(points)
    rest = values.copy()
    rows = np.arange(links)
    chosen, told = [], []
    for _ in range(min(starts, points.shape[1])):
        top = np.argmax(rest, axis=1)
        point = points[rows, top]
        chosen.append(point)
        told.append(rest[rows, top])
        near = np.max(np.abs(points - point[:, np.newaxis]), axis=2) < apart
        rest = np.where(near, -np.inf, rest)
    return np.stack(chosen, axis=1), np.stack(told, axis=1)


@cache
def _design(n: int) -> tuple[Floats, Floats]:
    """Points about the centre in [-1, 1]^n that determine a quadratic, and the matrix from values to its coefficients.

    The centre, both ends of each axis, and one corner of each pair of axes with alternating signs.
    """
    rows = [np.zeros(n)]
    for i in range(n):
        for sign in (1.0, -1.0):
            rows.append(sign * np.eye(n)[i])
    for k, (i, j) in enumerate(combinations(range(n), 2)):
        row = np.zeros(n)
        row[i], row[j] = (0.8, 0.8) if k % 2 else (-0.8, 0.8)
        rows.append(row)
    points = np.array(rows)
    return points, np.asarray(np.linalg.pinv(_terms(points)), dtype=np.float64)


def _terms(points: Floats) -> Floats:
    """1, x_i, x_i^2, x_i x_j of each point."""
    n = points.shape[-1]
    pairs = [points[..., i] * points[..., j] for i, j in combinations(range(n), 2)]
    return np.stack(
        [np.ones(points.shape[:-1]), *np.moveaxis(points, -1, 0), *np.moveaxis(points**2, -1, 0), *pairs], axis=-1
    )


def _step(values: Floats, fit: Floats, start: Floats, *, at_low: Bools, at_high: Bools) -> Floats:
    """Step (B, n) from `start` to the maximum of the quadratic fitted to the values, in units of the reach, at most 1 long.

    Directions in which the quadratic does not fall are followed up the slope. A coordinate at its low or high end stays
    there where the slope leads out, and the others find the maximum along that face. A missing value is taken for the
    lowest.
    """
    n = start.shape[-1]
    lowest = np.min(np.where(np.isfinite(values), values, np.inf), axis=1, keepdims=True)
    known = np.where(np.isfinite(values), values, np.where(np.isfinite(lowest), lowest, 0.0))
    scale = np.maximum(np.ptp(known, axis=1, keepdims=True), np.finfo(np.float64).tiny)
    coefficients = ((known - known[:, :1]) / scale) @ fit.T
    slope = coefficients[:, 1 : n + 1]
    hessian = np.zeros((len(values), n, n))
    hessian[:, np.arange(n), np.arange(n)] = 2.0 * coefficients[:, n + 1 : 2 * n + 1]
    for k, (i, j) in enumerate(combinations(range(n), 2)):
        hessian[:, i, j] = hessian[:, j, i] = coefficients[:, 2 * n + 1 + k]
    gradient = slope + (hessian @ start[:, :, np.newaxis])[:, :, 0]
    held = (at_low & (gradient < 0.0)) | (at_high & (gradient > 0.0))
    gradient = np.where(held, 0.0, gradient)
    hessian = np.where(held[:, :, np.newaxis] | held[:, np.newaxis], -np.eye(n), hessian)
    curvature, axes = np.linalg.eigh(hessian)
    along = (np.swapaxes(axes, 1, 2) @ gradient[:, :, np.newaxis])[:, :, 0]
    part = along / np.maximum(np.abs(curvature), 0.02)
    step = (axes @ part[:, :, np.newaxis])[:, :, 0]
    length = np.max(np.abs(step), axis=1, keepdims=True)
    shortened: Floats = step / np.maximum(length, 1.0)
    return shortened


def _along(start: Floats, step: Floats) -> Any:
    """Points (B, len(STEPS), n) on the way of the step."""
    return start[:, np.newaxis] + np.array(STEPS)[:, np.newaxis] * step[:, np.newaxis]
