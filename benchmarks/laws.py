"""Draws of transmittance a second, on one core: ``python -m benchmarks.laws [--json] [--seconds 0.3]``.

Goal: 5 million draws a second of every law. The same law in NumPy, the usual way, runs in the same process: its generator,
its elementary functions, SciPy's special functions where the law needs them.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.keys import processor, rate
from qphys import core
from qphys.channels.laws import (
    BeamWanderMarcum,
    BeamWanderWeibull,
    Beta,
    CircularBeam,
    EllipticBeam,
    GammaGamma,
    Law,
    LogNormal,
    Pointing,
    TotalProbability,
)
from qphys.channels.laws.aperture import weibull_shape

NUMBER = 100_003
GOAL = 5e6
PATH: dict[str, Any] = {"distance": 2000.0, "wavelength": 808e-9, "structure_constant": 1e-15}
LAWS: dict[str, Law] = {
    "log-normal": LogNormal(0.5, 0.2),
    "beta": Beta(0.3, 0.5),
    "gamma-gamma": GammaGamma.of_plane_wave(1e-3, 1.0),
    "pointing": Pointing.rice(5e-6, 1e-6, bias=1e-6),
    "beam wander (Marcum)": BeamWanderMarcum(1.0, 1.0, wander=0.5),
    "beam wander (Weibull)": BeamWanderWeibull(1.0, 1.0, wander=0.5),
    "total probability": TotalProbability.of_moments(0.31, 0.2, aperture_radius=0.012, beam_radius=0.0245, wander=0.005),
    "circular beam": CircularBeam.of_moments(0.31, 0.2, aperture_radius=0.012, wander=0.005),
    "elliptic beam": EllipticBeam.of_weak_turbulence(0.02, 0.012, **PATH),
}


def with_numpy(rng: np.random.Generator) -> dict[str, Callable[[int], object]]:
    """Return the same laws drawn by NumPy and SciPy."""
    from scipy.special import lambertw
    from scipy.stats import ncx2

    log_normal: Any = LAWS["log-normal"]
    beta: Any = LAWS["beta"]
    cells: Any = LAWS["gamma-gamma"]
    total: Any = LAWS["total probability"]
    circle: Any = LAWS["circular beam"]
    ellipse: Any = LAWS["elliptic beam"]
    logarithm, exponent, _ = weibull_shape(4.0)
    shape_l, shape_e, _ = weibull_shape(4.0 * (0.012 / 0.0245) ** 2)

    def cut(median: Any, sigma: float, n: int) -> object:
        x = np.exp(median + sigma * rng.standard_normal(n))
        while np.any(x > 1.0):
            again = x > 1.0
            some = median[again] if np.ndim(median) else median
            x[again] = np.exp(some + sigma * rng.standard_normal(int(again.sum())))
        return x

    def of_circle(n: int) -> object:
        q = 4 * 0.012**2 / np.exp(circle.log_square + np.sqrt(circle.log_square_variance) * rng.standard_normal(n))
        level, power, _ = weibull_shape(q)
        return -np.expm1(-q / 2) * np.exp(-level * (rng.rayleigh(0.005, n) / 0.012) ** power)

    def of_ellipse(n: int) -> object:
        common, apart = ellipse._spreads(slice(None))
        u, d = ellipse.theta + common * rng.standard_normal(n), apart * rng.standard_normal(n)
        p, s = (0.012 / 0.02) ** 2 * np.exp(-u - d), (0.012 / 0.02) ** 2 * np.exp(-u + d)
        delta = (np.sqrt(p) - np.sqrt(s)) ** 2
        level, power, _ = weibull_shape(delta)
        ratio = (np.sqrt(p) + np.sqrt(s)) / np.sqrt(delta)
        rest = weibull_shape(np.abs(p - s))[2]
        share = (
            1 - (1 - rest) * np.exp(-2 * np.minimum(p, s)) - 2 * (-np.expm1(-delta / 2)) * np.exp(-(ratio**power) * level)
        )
        c = np.cos(2 * np.pi * rng.random(n))
        q = lambertw(4 * np.sqrt(p * s) * np.exp(p * (2 + c) + s * (2 - c))).real
        level, power, _ = weibull_shape(q)
        return share * np.exp(-level * (rng.rayleigh(ellipse.wander[0], n) / 0.012) ** power)

    return {
        "log-normal": lambda n: cut(np.log(0.5) + log_normal._parameters[0][0], np.sqrt(0.2), n),
        "beta": lambda n: rng.beta(beta.alpha[0], beta.beta[0], n),
        "gamma-gamma": lambda n: (
            1e-3 * rng.gamma(cells.alpha[0], 1 / cells.alpha[0], n) * rng.gamma(cells.beta[0], 1 / cells.beta[0], n)
        ),
        "pointing": lambda n: np.exp(-2 * (rng.normal(1e-6, 1e-6, n) ** 2 + rng.normal(0, 1e-6, n) ** 2) / 25e-12),
        "beam wander (Marcum)": lambda n: ncx2.cdf(4.0, 2, 4 * rng.rayleigh(0.5, n) ** 2),
        "beam wander (Weibull)": lambda n: -np.expm1(-2.0) * np.exp(-logarithm * rng.rayleigh(0.5, n) ** exponent),
        "total probability": lambda n: cut(
            total.log_median - shape_l * (rng.rayleigh(0.005, n) / 0.012) ** shape_e, np.sqrt(total.log_variance[0]), n
        ),
        "circular beam": of_circle,
        "elliptic beam": of_ellipse,
    }


def measure(seconds: float) -> dict[str, Any]:
    """Return millions of draws a second of each law, ours through its `draw`, and NumPy's."""
    numpy = with_numpy(np.random.Generator(np.random.Philox(1)))
    found: dict[str, Any] = {
        "processor": processor(),
        "instruction_set": core.INSTRUCTION_SET,
        "load": os.getloadavg()[0],
        "goal": GOAL / 1e6,
        "millions": {},
    }
    for name, law in LAWS.items():
        ours = rate(lambda law=law: law.draw(NUMBER, seed=1, stream=2), NUMBER, seconds)
        theirs = rate(lambda name=name: numpy[name](NUMBER), NUMBER, seconds)
        found["millions"][name] = {"qphys": ours / 1e6, "numpy": theirs / 1e6, "ratio": ours / theirs}
    return found


def report(found: dict[str, Any]) -> str:
    """Return the measurement as a table."""
    where = f"{found['processor']}, {found['instruction_set']}, load {found['load']:.1f}"
    lines = [
        f"draws, millions a second on one core (goal {found['goal']:g}); {where}",
        f"{'law':28}{'qphys':>10}{'NumPy':>10}{'ratio':>10}",
    ]
    for name, rates in found["millions"].items():
        lines.append(f"{name:28}{rates['qphys']:10.1f}{rates['numpy']:10.2f}{rates['ratio']:10.1f}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.laws", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--seconds", type=float, default=0.3, help="time for each figure")
    chosen = parser.parse_args(arguments)
    found = measure(chosen.seconds)
    print(json.dumps(found, indent=2) if chosen.json else report(found))


if __name__ == "__main__":
    main()
