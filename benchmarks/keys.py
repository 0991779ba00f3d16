"""Finite-key evaluations a second: ``python -m benchmarks.keys [--json] [--seconds 1]``.

Rows are ordinary decoy BB84 blocks of 1e5 to 1e9 detections in contiguous arrays of shape (rows, 3); the twin is the
vectorised NumPy of `qphys.core.reference`, run on the same rows. Every figure is the best of many repetitions, so that
a busy machine shows in few of them. Goals are for one core of a server CPU with AVX2.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from qphys import core
from qphys.core import reference

ROWS = 20011
SETTINGS: tuple[Any, ...] = ([0.5, 0.15, 2e-4], [0.7, 0.2, 0.1], [0.7, 0.2, 0.1], 1e-9, 1e-15, 1.16)
GOALS = {"ordinary rows": 15e6, "broadcast settings": 20e6}
GOAL_OVER_TWIN = 15.0


def blocks(rows: int, smallest: float, largest: float) -> tuple[np.ndarray, ...]:
    """Return key counts, key errors, test counts and test errors of blocks of many sizes."""
    rng = np.random.default_rng(1)
    size = 10 ** rng.uniform(np.log10(smallest), np.log10(largest), (rows, 1))
    key = np.floor(size * np.array([0.75, 0.22, 0.003]) * rng.uniform(0.9, 1.1, (rows, 3)))
    test = np.floor(key / 9)
    share = np.array([0.01, 0.011, 0.25]) * rng.uniform(0.5, 2, (rows, 1))
    return key, np.floor(key * share), test, np.floor(test * share)


def repeated(values: Sequence[Any], rows: int) -> tuple[np.ndarray, ...]:
    """Return every setting written out once a row."""
    return tuple(np.ascontiguousarray(np.broadcast_to(value, (rows, *np.shape(value)))) for value in values)


def rate(call: Callable[[], Any], rows: int, seconds: float) -> float:
    """Return evaluations a second, the best of all repetitions that fit."""
    call()
    best, end = np.inf, time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return rows / best


def codes(tail_bound: str, sampling_bound: str, key_from: str = "all") -> tuple[np.int8, np.int8, np.int8]:
    """Return the raw kernel's three policies."""
    return (
        np.int8(core.TAIL_BOUNDS[tail_bound]),
        np.int8(core.SAMPLING_BOUNDS[sampling_bound]),
        np.int8(core.KEY_SOURCES[key_from]),
    )


def measure(seconds: float) -> dict[str, Any]:
    """Measure everything and return it."""
    ordinary, small = blocks(ROWS, 1e5, 1e9), blocks(ROWS, 1e3, 1e5)
    policies = codes("hoeffding", "lim2014")
    written_out = repeated((*SETTINGS, *policies), ROWS)
    found: dict[str, Any] = {
        "processor": processor(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "rows": ROWS,
        "rates": {},
    }
    for level in core.instruction_sets():
        kernel = core.kernels(level)["lim2014"]
        out = kernel(*ordinary, *SETTINGS, *policies)
        cases: dict[str, tuple[Any, ...]] = {
            "ordinary rows": (*ordinary, *written_out),
            "broadcast settings": (*ordinary, *SETTINGS, *policies),
            "Chernoff, broadcast": (*ordinary, *SETTINGS, *codes("chernoff", "lim2014")),
            "small blocks, broadcast": (*small, *SETTINGS, *policies),
            "exact tail, broadcast": (*ordinary, *SETTINGS, *codes("hoeffding", "exact")),
            "Serfling, broadcast": (*ordinary, *SETTINGS, *codes("hoeffding", "serfling")),
            "Yin 2020 gamma": (*ordinary, *SETTINGS, *codes("hoeffding", "yin2020")),
            "Yin 2020, broadcast": (*ordinary, *SETTINGS, *codes("yin2020", "lim2014")),
            "Zhang 2017, broadcast": (*ordinary, *SETTINGS, *codes("zhang2017", "lim2014")),
            "Zhang 2017 simplified": (*ordinary, *SETTINGS, *codes("zhang2017_simplified", "lim2014")),
            "binomial, broadcast": (*ordinary, *SETTINGS, *codes("binomial", "lim2014")),
        }
        found["rates"][level] = {
            name: rate(lambda kernel=kernel, out=out, case=case: kernel(*case, out=out), ROWS, seconds)
            for name, case in cases.items()
        }
        predicted = core.kernels(level)["lim2014_predicted"]
        kato = (*ordinary, *SETTINGS, *codes("kato2020", "lim2014"), np.tile([0.77, 0.226, 0.004], 3))
        found["rates"][level]["Kato 2020, broadcast"] = rate(
            lambda kernel=predicted, out=out, case=kato: kernel(*case, out=out), ROWS, seconds
        )
    found["twin"] = rate(lambda: reference.lim2014(*ordinary, *written_out), ROWS, seconds)
    rows = 5 * ROWS
    kernel, many = core.KERNELS["lim2014"], blocks(rows, 1e5, 1e9)
    found["threads"] = {
        threads: rate(
            lambda threads=threads: core.evaluate(kernel, *many, *SETTINGS, *policies, threads=threads), rows, 2 * seconds
        )
        for threads in range(1, (os.cpu_count() or 1) + 1)
    }
    return found


def processor() -> str:
    """Return the processor's name where Linux tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def report(found: dict[str, Any]) -> str:
    """Return the measurement as a table."""
    lines = [
        f"lim2014, evaluations a second in millions; {found['processor']}, {found['cores']} cores, load {found['load']:.1f}",
        f"{'one core':26}" + "".join(f"{level:>10}" for level in found["rates"]) + f"{'goal':>10}",
    ]
    for name in next(iter(found["rates"].values())):
        goal = f"{GOALS[name] / 1e6:10.0f}" if name in GOALS else f"{'':10}"
        lines.append(f"{name:26}" + "".join(f"{rates[name] / 1e6:10.1f}" for rates in found["rates"].values()) + goal)
    lines.append(f"{'NumPy twin':26}{found['twin'] / 1e6:10.2f}")
    widest = list(found["rates"].values())[-1]["ordinary rows"]
    lines.append(f"{'kernel over twin':26}{widest / found['twin']:10.1f}{'':20}{GOAL_OVER_TWIN:10.0f}")
    one = found["threads"][1]
    for threads, value in found["threads"].items():
        lines.append(f"{threads} threads{'':17}{value / 1e6:10.1f}   {value / one:.2f} times one thread")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.keys", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--seconds", type=float, default=1.0, help="time for each figure")
    chosen = parser.parse_args(arguments)
    found = measure(chosen.seconds)
    print(json.dumps(found, indent=2) if chosen.json else report(found))


if __name__ == "__main__":
    main()
