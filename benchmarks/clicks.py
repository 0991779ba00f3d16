"""Time of click_probabilities for a pass, on one core: ``python -m benchmarks.clicks [--json] [--seconds 0.3]``.

Goal: a pass of 300 steps x 8 fading nodes x 12 settings x 4 detectors (115,200 detector probabilities, 230,400 outcomes)
in well below 1 ms with AVX2. The NumPy twin runs in the same process for comparison.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.keys import processor, rate
from qphys import core
from qphys.core.reference_clicks import click_probabilities as twin

CASES: dict[str, dict[str, Any]] = {
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


def measure(seconds: float) -> dict[str, Any]:
    """Return milliseconds a pass, by case and instruction set, and those of the twin."""
    found: dict[str, Any] = {"processor": processor(), "load": os.getloadavg()[0], "milliseconds": {}}
    for name, sizes in CASES.items():
        x = inputs(**sizes)
        times = {}
        for level in core.instruction_sets():
            kernel = core.kernels(level)["click_probabilities"]
            out = kernel(*x)
            times[level] = 1e3 / rate(lambda kernel=kernel, x=x, out=out: kernel(*x, out=out), 1, seconds)
        times["NumPy twin"] = 1e3 / rate(lambda x=x: twin(*x), 1, seconds)
        found["milliseconds"][name] = times
    return found


def report(found: dict[str, Any]) -> str:
    """Return the measurement as a table."""
    columns = next(iter(found["milliseconds"].values()))
    lines = [
        f"click_probabilities, milliseconds a pass on one core; {found['processor']}, load {found['load']:.1f}",
        f"{'300 steps x 8 nodes x 12 x 4':36}" + "".join(f"{column:>11}" for column in columns),
    ]
    for name, times in found["milliseconds"].items():
        lines.append(f"{name:36}" + "".join(f"{time:11.3f}" for time in times.values()))
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.clicks", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--seconds", type=float, default=0.3, help="time for each figure")
    chosen = parser.parse_args(arguments)
    found = measure(chosen.seconds)
    print(json.dumps(found, indent=2) if chosen.json else report(found))


if __name__ == "__main__":
    main()
