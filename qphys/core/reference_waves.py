"""The slow twins of waves.c: same names, same order of arguments, NumPy's Philox, whole arrays in double.

The kernels compute phases and fields in single precision; they agree to its rounding. Nothing but the tests uses this file.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

SCREEN_SPECTRUM, SCREEN_MODES, SENSOR_NOISE = 16, 17, 18


def _words(seed: int, stream: int, realisation: int, step: int, purpose: int, number: int) -> Array:
    key = np.array([seed, stream], dtype=np.uint64)
    counter = np.array([0, realisation, step, purpose], dtype=np.uint64)
    return np.asarray(np.random.Philox(key=key, counter=counter).random_raw(number))


def _uniform(word: Array) -> Array:
    return (word >> np.uint64(11)) * 2.0**-53


def _uniform_open(word: Array) -> Array:
    return ((word >> np.uint64(12)) + 0.5) * 2.0**-52


def screen_modes(cell: Array, outer: float, seed: int, stream: int, realisation: int, screen: int) -> tuple[Array, ...]:
    """Offset, frequencies and coefficients of the low frequencies of a pair."""
    cell = np.asarray(cell, dtype=float)
    words = _words(seed, stream, realisation, screen, SCREEN_MODES, 2 + 4 * len(cell))
    offset = _uniform_open(words[:2]) - 0.5
    each = words[2:].reshape(-1, 4)
    frequency = cell[:, :2] + cell[:, 2:] * (_uniform_open(each[:, :2]) - 0.5)
    amplitude = cell[:, 2] * (np.sum(frequency**2, axis=1) + outer**2) ** (-11 / 12)
    radius = np.sqrt(-2.0 * np.log(_uniform_open(each[:, 2])))
    return offset, frequency, amplitude * radius * np.exp(2j * np.pi * _uniform(each[:, 3]))


def screen_spectrum(
    index_y: Array, index_x: Array, offset: Array, outer: float, seed: int, stream: int, realisation: int, screen: int
) -> Array:
    """Coefficients on the grid: every 32 bits of the words make one complex normal variate."""
    index_y, index_x = np.asarray(index_y, dtype=float), np.asarray(index_x, dtype=float)
    columns = -(-len(index_x) // 8) * 8
    words = _words(seed, stream, realisation, screen, SCREEN_SPECTRUM, len(index_y) * columns // 2)
    half = np.stack([words & np.uint64(0xFFFFFFFF), words >> np.uint64(32)], axis=-1)
    half = half.reshape(len(index_y), columns)[:, : len(index_x)]
    radius = np.sqrt(-2.0 * np.log(((half >> np.uint64(14)) + 0.5) * 2.0**-18))
    quarter = (half >> np.uint64(12)) & np.uint64(3)
    turn = quarter * (np.pi / 2) + ((half & np.uint64(0xFFF)).astype(float) - 2048) * (np.pi / 8192)
    square = (index_y[:, None] + offset[0]) ** 2 + (index_x + offset[1]) ** 2 + outer**2
    centre = (index_y[:, None] == 0) & (index_x == 0)
    return np.asarray(np.where(centre, 0.0, square ** (-11 / 12)) * radius * np.exp(1j * turn))


def screen_phase(field: Array, ramp_y: Array, ramp_x: Array, frequency: Array, coefficient: Array) -> tuple[Array, Array]:
    """Both screens of a pair, wave by wave."""
    y, x = ((np.arange(n) - n // 2) / n for n in field.shape)
    total = np.asarray(field, dtype=complex) * ramp_y[:, None] * ramp_x
    for (f_y, f_x), c in zip(frequency, coefficient, strict=True):
        total += c * (np.exp(2j * np.pi * (f_y * y[:, None] + f_x * x)) - 1.0)
    return total.real, total.imag


def sensor_noise(standard_deviation: Array, seed: int, stream: int, realisation: int, step: int) -> Array:
    """Normal variates, each from two words."""
    each = _words(seed, stream, realisation, step, SENSOR_NOISE, 2 * len(standard_deviation)).reshape(-1, 2)
    radius = np.sqrt(-2.0 * np.log(_uniform_open(each[:, 0])))
    return standard_deviation * radius * np.cos(2.0 * np.pi * _uniform(each[:, 1]))


def multiply_phase(field: Array, phase: Array, scale: float, window_y: Array, window_x: Array) -> Array:
    """A field times a phase factor and a window."""
    return field.astype(complex) * np.exp(1j * scale * phase.astype(float)) * window_y[:, None] * window_x


def multiply_separable(field: Array, factor_y: Array, factor_x: Array) -> Array:
    """A field times a factor along each axis."""
    return field.astype(complex) * factor_y[:, None] * factor_x


def overlap(a: Array, b: Array) -> complex:
    """Sum of conj(a) b."""
    return complex(np.sum(a.astype(complex).conj() * b.astype(complex)))


def power(field: Array, weight: Array) -> float:
    """Sum of the weight times the squared modulus."""
    return float(np.sum(weight.astype(float) * np.abs(field.astype(complex)) ** 2))
