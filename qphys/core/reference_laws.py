"""The slow twins of laws.c: same names, same order of arguments, one draw at a time.

A twin draws the same uniforms and decides as its kernel does; Bessel functions are their integrals over an angle. Nothing
but the tests uses this file.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from qphys.core import STATUS

Array = np.ndarray[Any, Any]
LAWS = 5
BLOCKS_A_DRAW = 256
GOOD, BAD_PROBABILITIES, NOT_FINITE = STATUS["good"], STATUS["impossible_probabilities"], STATUS["input_not_finite"]


class _Draw:
    """Uniforms of one draw by block."""

    def __init__(self, seed: int, stream: int, index: int, step: int, number: int) -> None:
        self.key = np.array([seed, stream], dtype=np.uint64)
        self.place, self.number = (index, step), number

    def block(self, block: int) -> list[float]:
        # NumPy's Philox counts its block before the first word
        counter = np.array([self.number * BLOCKS_A_DRAW + block, *self.place, LAWS], dtype=np.uint64)
        words = np.random.Philox(key=self.key, counter=counter).random_raw(4)
        return [((int(word) >> 12) + 0.5) * 2.0**-52 for word in words]


def _normals(u: float, v: float) -> tuple[float, float]:
    radius = math.sqrt(-2.0 * math.log(u))
    return radius * math.cos(2.0 * math.pi * v), radius * math.sin(2.0 * math.pi * v)


def _normal_below(draw: _Draw, limit: float) -> float:
    first = draw.block(0)
    for z in _normals(first[0], first[1]):
        if z <= limit:
            return z
    rate = 0.5 * (-limit + math.sqrt(limit * limit + 4.0))
    for block in range(1, BLOCKS_A_DRAW):
        u = draw.block(block)
        for one, two in ((u[0], u[1]), (u[2], u[3])):
            if limit >= 0.0:
                for z in _normals(one, two):
                    if z <= limit:
                        return z
            else:
                x = -limit - math.log(one) / rate
                if math.log(two) <= -0.5 * (x - rate) ** 2:
                    return -x
    return limit


def _log_gamma_variate(shape: float, normal: float, u: float) -> float | None:
    d = shape - 1.0 / 3.0
    root = 1.0 + normal / math.sqrt(9.0 * d)
    if root <= 0.0:
        return None
    v = root**3
    accepted = math.log(u) < 0.5 * normal**2 + d - d * v + d * math.log(v)
    return math.log(d * v) if accepted else None


def _log_gammas(draw: _Draw, shapes: tuple[float, float]) -> list[float]:
    u, more = draw.block(0), draw.block(1)
    found = []
    for k, (shape, normal) in enumerate(zip(shapes, _normals(u[0], u[1]), strict=True)):
        raised = shape + 1.0 if shape < 1.0 else shape
        value = _log_gamma_variate(raised, normal, u[2 + k])
        block = (2, 129)[k]
        while value is None:
            again = draw.block(block)
            value = _log_gamma_variate(raised, _normals(again[0], again[1])[0], again[2])
            block += 1
        found.append(value + (math.log(more[k]) / shape if shape < 1.0 else 0.0))
    return found


def weibull_shape(q: float) -> tuple[float, float, float]:
    """Lambda, ell and Q of the Weibull approximation; the integrands are periodic, so that the trapezoidal rule is exact."""
    angle = (np.arange(40000) + 0.5) * math.pi / 40000
    complement = -float(np.mean(np.expm1(q * (np.cos(angle) - 1.0))))
    bessel_1 = float(np.mean(np.exp(q * (np.cos(angle) - 1.0)) * np.cos(angle)))
    logarithm = math.log(-2.0 * math.expm1(-0.5 * q) / complement)
    return logarithm, 2.0 * q * bessel_1 / (complement * logarithm), complement


def _draws(
    parameters: tuple[Array, ...],
    key: tuple[int, int, int],
    numbers: Array,
    possible: Callable[..., bool],
    one: Callable[..., float],
) -> tuple[Array, Array]:
    steps = len(parameters[0])
    values, status = np.full((steps, len(numbers)), np.nan), np.zeros(steps, dtype=np.int8)
    for t in range(steps):
        given = [float(p[t]) if np.ndim(p) == 1 else np.asarray(p[t]) for p in parameters]
        scalars = [p for p in given if isinstance(p, float)]
        if any(math.isnan(p) for p in scalars) or not all(math.isfinite(p) for p in scalars[:2]):
            status[t] = NOT_FINITE
        elif not possible(*given):
            status[t] = BAD_PROBABILITIES
        else:
            for n, number in enumerate(numbers):
                values[t, n] = one(_Draw(int(key[0]), int(key[1]), int(key[2]), t, int(number)), *given)
    return values, status


def draw_log_normal(mu: Array, sigma: Array, limit: Array, *key_and_numbers: Any) -> tuple[Array, Array]:
    def one(draw: _Draw, mu: float, sigma: float, limit: float) -> float:
        return math.exp(mu + sigma * _normal_below(draw, limit))

    *key, numbers = key_and_numbers
    return _draws((mu, sigma, limit), tuple(key), numbers, lambda mu, sigma, limit: sigma >= 0.0, one)


def draw_beta(alpha: Array, beta: Array, *key_and_numbers: Any) -> tuple[Array, Array]:
    def one(draw: _Draw, alpha: float, beta: float) -> float:
        x, y = _log_gammas(draw, (alpha, beta))
        return 1.0 / (1.0 + math.exp(min(y - x, 700.0)))

    *key, numbers = key_and_numbers
    return _draws((alpha, beta), tuple(key), numbers, lambda alpha, beta: alpha > 0.0 and beta > 0.0, one)


def draw_gamma_gamma(mean: Array, alpha: Array, beta: Array, *key_and_numbers: Any) -> tuple[Array, Array]:
    def one(draw: _Draw, mean: float, alpha: float, beta: float) -> float:
        x, y = _log_gammas(draw, (alpha, beta))
        return mean * math.exp(x) / alpha * math.exp(y) / beta

    *key, numbers = key_and_numbers
    return _draws((mean, alpha, beta), tuple(key), numbers, lambda m, a, b: m > 0.0 and a > 0.0 and b > 0.0, one)


def draw_pointing(w: Array, sx: Array, sy: Array, bx: Array, by: Array, *key_and_numbers: Any) -> tuple[Array, Array]:
    def one(draw: _Draw, w: float, sx: float, sy: float, bx: float, by: float) -> float:
        x, y = _normals(*draw.block(0)[:2])
        return math.exp(-2.0 * ((bx + sx * x) ** 2 + (by + sy * y) ** 2) / w**2)

    *key, numbers = key_and_numbers
    return _draws(
        (w, sx, sy, bx, by), tuple(key), numbers, lambda w, sx, sy, bx, by: w > 0.0 and sx >= 0.0 and sy >= 0.0, one
    )


def draw_beam_wander_marcum(
    wander: Array, offset: Array, low: Array, high: Array, level: Array, slope: Array, *key_and_numbers: Any
) -> tuple[Array, Array]:
    def one(draw: _Draw, wander: float, offset: float, low: float, high: float, level: Array, slope: Array) -> float:
        x, y = _normals(*draw.block(0)[:2])
        nodes = np.linspace(low, high, len(level))
        r = min(max(math.hypot(offset + wander * x, wander * y), low), high)
        k = min(int(np.searchsorted(nodes, r, side="right")) - 1, len(level) - 2)
        h = nodes[k + 1] - nodes[k]
        # the cubic through both ends: by solving for its coefficients
        rows = [[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0], [0.0, 1.0, 0.0, 0.0], [0.0, 1.0, 2.0, 3.0]]
        right = [level[k], level[k + 1], h * slope[k], h * slope[k + 1]]
        return math.exp(min(float(np.polyval(np.linalg.solve(rows, right)[::-1], (r - nodes[k]) / h)), 0.0))

    *key, numbers = key_and_numbers
    return _draws(
        (wander, offset, low, high, level, slope),
        tuple(key),
        numbers,
        lambda wander, offset, low, high, level, slope: wander >= 0.0 and high > low,
        one,
    )


def draw_beam_wander_weibull(
    top: Array, scale: Array, ell: Array, wander: Array, offset: Array, *key_and_numbers: Any
) -> tuple[Array, Array]:
    def one(draw: _Draw, top: float, scale: float, ell: float, wander: float, offset: float) -> float:
        x, y = _normals(*draw.block(0)[:2])
        return math.exp(top - (math.hypot(offset + wander * x, wander * y) / scale) ** ell)

    *key, numbers = key_and_numbers
    return _draws(
        (top, scale, ell, wander, offset),
        tuple(key),
        numbers,
        lambda top, scale, ell, wander, offset: top <= 0.0 and scale > 0.0 and ell > 0.0 and wander >= 0.0,
        one,
    )


def draw_total_probability(
    median: Array, sigma: Array, scale: Array, ell: Array, wander: Array, *key_and_numbers: Any
) -> tuple[Array, Array]:
    def one(draw: _Draw, median: float, sigma: float, scale: float, ell: float, wander: float) -> float:
        r = wander * math.sqrt(-2.0 * math.log(draw.block(0)[2]))
        mu = median - (r / scale) ** ell
        return math.exp(mu + sigma * _normal_below(draw, -mu / sigma))

    *key, numbers = key_and_numbers
    return _draws(
        (median, sigma, scale, ell, wander),
        tuple(key),
        numbers,
        lambda median, sigma, scale, ell, wander: sigma > 0.0 and scale > 0.0 and ell > 0.0 and wander >= 0.0,
        one,
    )


def draw_circular_beam(
    theta: Array, sigma: Array, aperture: Array, wander: Array, *key_and_numbers: Any
) -> tuple[Array, Array]:
    def one(draw: _Draw, theta: float, sigma: float, aperture: float, wander: float) -> float:
        u = draw.block(0)
        q = 4.0 * aperture**2 * math.exp(-theta - sigma * _normals(u[0], u[1])[0])
        logarithm, exponent, _ = weibull_shape(q)
        r = wander / aperture * math.sqrt(-2.0 * math.log(u[2]))
        return -math.expm1(-0.5 * q) * math.exp(-logarithm * r**exponent)

    *key, numbers = key_and_numbers
    return _draws(
        (theta, sigma, aperture, wander),
        tuple(key),
        numbers,
        lambda theta, sigma, aperture, wander: sigma >= 0.0 and aperture > 0.0 and wander >= 0.0,
        one,
    )


def draw_elliptic_beam(
    theta: Array, sum_: Array, difference: Array, ratio: Array, wander: Array, *key_and_numbers: Any
) -> tuple[Array, Array]:
    """As published, with the effective radius from Lambert's equation by bisection; the axes must differ."""

    def one(draw: _Draw, theta: float, sum_: float, difference: float, ratio: float, wander: float) -> float:
        u = draw.block(0)
        x, y = _normals(u[0], u[1])
        p, s = (ratio * math.exp(-(theta + sum_ * x + sign * difference * y)) for sign in (1.0, -1.0))
        v1, v2 = math.sqrt(p), math.sqrt(s)
        logarithm, exponent, _ = weibull_shape((v1 - v2) ** 2)
        power = ((v1 + v2) / abs(v1 - v2)) ** exponent * logarithm
        complement = weibull_shape(abs(p - s))[2]
        share = 1.0 - (1.0 - complement) * math.exp(-2.0 * min(p, s))
        share += 2.0 * math.expm1(-0.5 * (v1 - v2) ** 2) * math.exp(-power)
        cosine = math.cos(2.0 * math.pi * u[3])
        target = math.log(4.0 * v1 * v2) + p * (2.0 + cosine) + s * (2.0 - cosine)
        low, high = 0.0, 10.0 + abs(target)
        for _ in range(200):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if middle + math.log(middle) < target else (low, middle)
        logarithm, exponent, _ = weibull_shape(middle)
        r = wander * math.sqrt(-2.0 * math.log(u[2]))
        return share * math.exp(-logarithm * r**exponent)

    *key, numbers = key_and_numbers
    return _draws(
        (theta, sum_, difference, ratio, wander),
        tuple(key),
        numbers,
        lambda theta, sum_, difference, ratio, wander: sum_ >= 0.0 and difference >= 0.0 and ratio > 0.0 and wander >= 0.0,
        one,
    )
