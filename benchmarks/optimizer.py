"""Optimised links a second on one core: ``python -m benchmarks.optimizer [--json]``.

Goal: 2,000 finite-key links of decoy-state BB84 a second, five variables, within 0.1 % of the best. Links are fibres of
random loss, length of block, noise and misalignment with the model of counts of Lim et al. 2014. SciPy's Nelder-Mead
maximises the same function of the same links, one at a time, from the middle of the box.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.keys import processor
from qphys import core
from qphys.optimizer.decoys import other_hills
from qphys.search import maximum

LINKS = 200
VARIABLES = 5

Array = np.ndarray[Any, Any]


class Fibres:
    """Random links, and their key as a function of points of the unit box."""

    def __init__(self, links: int = LINKS, seed: int = 3) -> None:
        rng = np.random.default_rng(seed)
        self.loss_db = rng.uniform(10, 45, links)
        self.pulses = 10 ** rng.uniform(9, 12.5, links)
        self.dark = 10 ** rng.uniform(-7, -5, links)
        self.error = rng.uniform(0.003, 0.03, links)

    @staticmethod
    def natural(points: Array) -> tuple[Array, ...]:
        """Mean photon numbers and probabilities of signal and decoy, and the bias."""
        mu1 = 0.1 + 0.9 * points[..., 0]
        mu2 = 0.01 + points[..., 1] * (np.minimum(0.5, 0.95 * mu1) - 0.01)
        p1 = 0.05 + 0.945 * points[..., 2]
        return mu1, mu2, p1, 1e-3 + points[..., 3] * (1 - p1 - 2e-3), 0.3 + 0.695 * points[..., 4]

    def beside(self, points: Array, links: Array) -> Array:
        """Where another hill may lie."""
        mu1, mu2, p1, p2, bias = other_hills(*self.natural(points))
        u = np.stack(
            [
                (mu1 - 0.1) / 0.9,
                (mu2 - 0.01) / (np.minimum(0.5, 0.95 * mu1) - 0.01),
                (p1 - 0.05) / 0.945,
                (p2 - 1e-3) / (1 - p1 - 2e-3),
                (bias - 0.3) / 0.695,
            ],
            axis=-1,
        )
        return np.asarray(np.clip(u, 0.0, 1.0))

    def margin(self, points: Array, links: Array) -> Array:
        """Key before it is cut at 0 [bit]."""
        mu1, mu2, p1, p2, bias = self.natural(points)
        bias = bias[..., np.newaxis]
        mu = np.stack([mu1, mu2, np.full_like(mu1, 2e-4)], axis=-1)
        p = np.stack([p1, p2, 1 - p1 - p2], axis=-1)
        loss, pulses, dark, error = (
            a[links][:, np.newaxis, np.newaxis] for a in (self.loss_db, self.pulses, self.dark, self.error)
        )
        light = -np.expm1(-(10 ** (-loss / 10)) * mu)
        n = pulses * p * (1 - (1 - 2 * dark) * (1 - light))
        m = pulses * p * (dark + error * light)
        codes = (np.int8(0), np.int8(0), np.int8(1))
        key, test = bias**2, (1 - bias) ** 2
        told = core.KERNELS["lim2014"](n * key, m * key, n * test, m * test, mu, p, p, 1e-9, 1e-15, 1.16, *codes)
        inside = np.clip(told[5], 1e-15, 0.5)
        entropy = -(inside * np.log2(inside) + (1 - inside) * np.log2(1 - inside))
        cost = 6 * np.log2(21 / 1e-9) + np.log2(2 / 1e-15)
        margin: Array = told[1] + told[2] * (1 - entropy) - told[6] - cost
        return margin


def measure(other_links: int) -> dict[str, Any]:
    """Return links a second, evaluations a link, and how far either search is below the better of both."""
    from scipy.optimize import minimize

    fibres = Fibres()
    begin = time.process_time()
    found = maximum(fibres.margin, links=LINKS, variables=VARIABLES, starts=2, beside=fibres.beside)
    ours = time.process_time() - begin
    chosen = np.arange(0, LINKS, LINKS // other_links)
    theirs, asked = [], 0
    begin = time.process_time()
    for link in chosen:

        def loss(point: Array, link: int = int(link)) -> float:
            inside = np.clip(point, 0, 1)
            value = float(fibres.margin(inside[np.newaxis, np.newaxis], np.array([link]))[0, 0])
            return -value + 1e3 * float(np.sum(np.abs(point - inside)))

        told = minimize(loss, np.full(VARIABLES, 0.5), method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1.0})
        theirs.append(-told.fun)
        asked += told.nfev
    scipy_seconds = time.process_time() - begin
    best = np.maximum(found.value[chosen], theirs)
    with_key = best > 0
    below = [1 - np.asarray(v)[with_key] / best[with_key] for v in (found.value[chosen], theirs)]
    return {
        "processor": processor(),
        "load": os.getloadavg()[0],
        "links_per_second": LINKS / ours,
        "evaluations_a_link": found.evaluations / LINKS,
        "worst_below_best": float(np.max(below[0])),
        "scipy_links_per_second": len(chosen) / scipy_seconds,
        "scipy_evaluations_a_link": asked / len(chosen),
        "scipy_worst_below_best": float(np.max(below[1])),
    }


def report(found: dict[str, Any]) -> str:
    """Return the measurement as a table."""
    lines = [
        f"optimised finite-key links, five variables, one core; {found['processor']}, load {found['load']:.1f}",
        f"{'':24}{'links/s':>10}{'evaluations':>14}{'worst below best':>18}",
    ]
    for name, start in (("qphys.search, goal 2,000", ""), ("SciPy Nelder-Mead", "scipy_")):
        rate, asked, worst = (
            found[f"{start}{key}"] for key in ("links_per_second", "evaluations_a_link", "worst_below_best")
        )
        lines.append(f"{name:24}{rate:10,.0f}{asked:14,.0f}{worst:18.1e}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.optimizer", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--links", type=int, default=40, help="links that SciPy optimises too")
    chosen = parser.parse_args(arguments)
    found = measure(chosen.links)
    print(json.dumps(found, indent=2) if chosen.json else report(found))


if __name__ == "__main__":
    main()
