"""Passes a second of the whole-pass kernel, on one core: ``python -m benchmarks.whole_pass [--json]``.

Goal: 100,000 passes a second for 401 slots, one fading node, three intensities (the weakest dark) and four states, from
intensities to the key. The same by click_probabilities, sums and lim2014, one after the other, runs for comparison.
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

BATCH = 400

PASSIVE = np.array([[0, 1, 2, 5, 3, 7, 7, 7, 4, 7, 7, 7, 6, 7, 7, 7]])
ACTIVE = np.array([[0, 1, 2, 5], [0, 3, 4, 6]])

CASES: dict[str, dict[str, Any]] = {
    "passive": {},
    "active": {"patterns": ACTIVE},
    "three intensities with light": {"weakest": 0.01},
    "noise changes by slot": {"v": 401},
    "response changes by slot": {"u": 401, "v": 401},
    "brightest slot at 30 dB more": {"brightness": 1.0},
    "three emission nodes": {"e": 3},
}


def inputs(
    patterns: Any = PASSIVE,
    u: int = 1,
    v: int = 1,
    e: int = 1,
    weakest: float = 0.0,
    brightness: float = 1e-3,
) -> tuple[Any, ...]:
    """A batch of intensities on one response of 401 slots: dead time, afterpulses, noise, imperfect states."""
    rng = np.random.default_rng(1)
    s, d = len(patterns), patterns.shape[1].bit_length() - 1
    photons = rng.uniform(0.002, 0.02, (u, e, 1, 4, s, d))
    for setting, detector in np.ndindex(s, d):
        said = int(patterns[setting, 1 << detector]) - 1
        for state in range(4):
            photons[..., state, setting, detector] += 0.2 if said // 2 != state // 2 else 0.4 * (said == state)
    scale = np.linspace(0.9, 1.1, BATCH)[:, np.newaxis]
    nominal = np.array([0.8, 0.1, 0.0])
    probability = np.repeat([0.5, 0.25, 0.25], 4).reshape(3, 4) / 4
    return (
        brightness * rng.uniform(0.01, 1, (401, 1)),
        np.ones((401, 1)),
        np.full(401, 1e8),
        photons,
        scale * np.array([0.8, 0.1, weakest]),
        np.full(e, 1 / e),
        probability,
        np.full(s, 1 / s),
        np.ones(d),
        10.0 ** rng.uniform(-8, -6, (v, s, d)),
        10.0 ** rng.uniform(-8, -5, (v, s, d)),
        np.full(d, 5.0),
        np.full(d, 0.01),
        patterns,
        scale * nominal,
        np.zeros(1, dtype=np.int8),
        1e-9,
        1e-15,
        1.16,
        np.int8(0),
        np.int8(0),
        np.int8(0),
    )


def one_after_the_other(x: tuple[Any, ...]) -> Any:
    """Click probabilities of every slot, sums, key: what the kernel fuses, for one point of the batch."""
    photons = (x[3] * x[4][0][:, np.newaxis, np.newaxis, np.newaxis]).reshape(len(x[3]), len(x[5]), 12, *x[3].shape[-2:])
    probability = core.KERNELS["click_probabilities"](x[0], photons, x[5], x[6].ravel(), *x[7:14], np.zeros(8))
    lanes = x[2] * x[1][:, 0]
    counts = (np.einsum("tco,t->co", probability[:, 0], lanes) * x[6].reshape(12, 1)).reshape(3, 2, 2, 8)
    right, wrong = counts[:, [0, 0, 1, 1], [0, 1, 0, 1], [1, 2, 3, 4]], counts[:, [0, 0, 1, 1], [0, 1, 0, 1], [2, 1, 4, 3]]
    double = counts[:, [0, 0, 1, 1], [0, 1, 0, 1], [5, 5, 6, 6]]
    events = (right + wrong + double).reshape(3, 2, 2).sum(axis=-1)
    errors = (wrong + double / 2).reshape(3, 2, 2).sum(axis=-1)
    share = x[6].reshape(3, 2, 2).sum(axis=-1)
    blocks = (events[:, 0], errors[:, 0], events[:, 1], errors[:, 1])
    return core.KERNELS["lim2014"](*blocks, x[14][0], share[:, 0], share[:, 1], *x[16:])


def measure(seconds: float) -> dict[str, Any]:
    """Return passes a second, by case and instruction set, and those of the three steps one after the other."""
    found: dict[str, Any] = {"processor": processor(), "load": os.getloadavg()[0], "rates": {}}
    for name, sizes in CASES.items():
        x = inputs(**sizes)
        rates = {}
        for level in core.instruction_sets():
            kernel = core.kernels(level)["whole_pass"]
            rates[level] = rate(lambda kernel=kernel, x=x: kernel(*x), BATCH, seconds)
        rates["in steps"] = rate(lambda x=x: one_after_the_other(x), 1, seconds)
        found["rates"][name] = rates
    return found


def report(found: dict[str, Any]) -> str:
    """Return the measurement as a table."""
    columns = next(iter(found["rates"].values()))
    lines = [
        f"whole_pass, passes a second on one core; {found['processor']}, load {found['load']:.1f}",
        f"{'401 slots, goal 100,000':32}" + "".join(f"{column:>10}" for column in columns),
    ]
    for name, rates in found["rates"].items():
        lines.append(f"{name:32}" + "".join(f"{value:10,.0f}" for value in rates.values()))
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.whole_pass", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--seconds", type=float, default=0.5, help="time for each figure")
    chosen = parser.parse_args(arguments)
    found = measure(chosen.seconds)
    print(json.dumps(found, indent=2) if chosen.json else report(found))


if __name__ == "__main__":
    main()
