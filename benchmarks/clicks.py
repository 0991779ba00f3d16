"""Time of click_probabilities for a pass, on one core: ``python -m benchmarks.clicks``.

Goal: a pass of 300 steps x 8 fading nodes x 12 settings x 4 detectors (115,200 detector probabilities, 230,400 outcomes)
in well below 1 ms with AVX2. The NumPy twin runs in the same process for comparison.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from qphys import core
from qphys.core.reference_clicks import click_probabilities as twin

CASES = {
    "one emission node, vacuum + two": {},
    "three intensities with light": {"weakest": 0.02},
    "response changes by step": {"u": 300, "v": 300},
    "five emission nodes": {"e": 5},
    "active receiver": {"s": 2},
    "gate cuts light off": {"gate": 0.9},
}


def inputs(u: int = 1, e: int = 1, s: int = 1, v: int = 1, gate: float = 1.0, weakest: float = 0.0) -> tuple[Any, ...]:
    """A pass of 300 steps with 8 nodes, 3 intensities x 4 states, 4 detectors, 8 outcomes."""
    rng = np.random.default_rng(1)
    intensity = np.repeat([0.8, 0.1, weakest], 4)
    return (
        1e-3 * rng.uniform(0.1, 1, (300, 8)),
        rng.uniform(0, 0.5, (u, e, 12, s, 4)) * intensity[:, np.newaxis, np.newaxis],
        np.full(e, 1 / e),
        np.full(12, 1 / 12),
        np.full(s, 1 / s),
        np.full(4, gate),
        rng.uniform(1e-7, 1e-5, (v, s, 4)),
        rng.uniform(1e-6, 1e-5, (v, s, 4)),
        np.full(4, 5.0),
        np.full(4, 0.01),
        rng.integers(0, 8, (s, 16)),
        np.zeros(8),
    )


def best(call: Callable[[], object], seconds: float = 0.3) -> float:
    """Return the shortest of many times [s]."""
    call()
    shortest, end = np.inf, time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        call()
        shortest = min(shortest, time.perf_counter() - start)
    return float(shortest)


def main() -> None:
    levels = core.instruction_sets()
    print(f"{'click_probabilities [ms a pass]':36}", *(f"{level:>9}" for level in levels), f"{'NumPy twin':>11}")
    for name, sizes in CASES.items():
        x = inputs(**sizes)
        times = []
        for level in levels:
            kernel = core.kernels(level)["click_probabilities"]
            out = kernel(*x)
            times.append(best(lambda kernel=kernel, x=x, out=out: kernel(*x, out=out)))
        slow = best(lambda x=x: twin(*x))
        print(f"{name:36}", *(f"{1e3 * t:9.3f}" for t in times), f"{1e3 * slow:11.1f}")


if __name__ == "__main__":
    main()
