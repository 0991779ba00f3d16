"""The slow twins of coupling.c: same names, same order of arguments, NumPy's Philox, the sums written out.

Nothing but the tests uses this file.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

MODES, PUPIL = 32, 33


class _Normals:
    """Normal variates of one sample: a word of 64 bits makes a radius of its upper and an angle of its lower half."""

    def __init__(self, seed: int, stream: int, index: int, sample: int, purpose: int) -> None:
        key = np.array([seed, stream], dtype=np.uint64)
        counter = np.array([0, index, sample, purpose], dtype=np.uint64)
        self.word = np.random.Philox(key=key, counter=counter).random_raw

    def next(self, number: int) -> Array:
        words = self.word((number + 7) // 8 * 4)
        radius = np.sqrt(-2.0 * np.log(((words >> np.uint64(32)).astype(np.float64) + 0.5) * 2.0**-32))
        angle = 2.0 * np.pi * (words & np.uint64(0xFFFFFFFF)).astype(np.float64) * 2.0**-32
        return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1).reshape(-1)[:number]

    def log_normal(self, log_variance: float) -> float:
        return float(np.exp(np.sqrt(log_variance) * self.next(1)[0] - 0.5 * log_variance)) if log_variance else 1.0


@partial(np.vectorize, signature="(k),(),(),(),(),(),(s)->(s)", otypes="d")
def modal_coupling(
    variance: Array, ceiling: float, log_variance: float, seed: int, stream: int, index: int, sample: Array
) -> Array:
    result = np.empty(sample.shape)
    for s, number in enumerate(sample):
        source = _Normals(seed, stream, index, number, MODES)
        amplitude = np.sqrt(variance) * source.next(variance.size)
        result[s] = ceiling * np.exp(-np.sum(amplitude**2)) * source.log_normal(log_variance)
    return result


@partial(np.vectorize, signature="(m,r,r),(r),(),(),(),(),(s)->(s)", otypes="d")
def pupil_coupling(
    factor: Array, weight: Array, log_variance: float, seed: int, stream: int, index: int, sample: Array
) -> Array:
    orders, rings = factor.shape[:2]
    angles = 2 * (orders - 1)
    theta = 2.0 * np.pi * np.arange(angles) / angles
    result = np.empty(sample.shape)
    for s, number in enumerate(sample):
        source = _Normals(seed, stream, index, number, PUPIL)
        phase = np.zeros((rings, angles))
        for m in range(orders):
            phase += np.outer(factor[m] @ source.next(rings), np.cos(m * theta))
            if 0 < m < orders - 1:
                phase += np.outer(factor[m] @ source.next(rings), np.sin(m * theta))
        field = np.sum(weight * np.mean(np.exp(1j * phase), axis=-1))
        result[s] = np.abs(field) ** 2 * source.log_normal(log_variance)
    return result
