"""Samples of light coupled into a single-mode fibre a second, on one core, in processor time.

Goals: 1,000,000 modal samples, 100,000 whole pupils. The peer's figure, 10,600 pupils of 50 x 50 points a second, is FAST
0.1.7 (Fourier screens without subharmonics, whose uncorrected mean is twice the exact one) measured on another day.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from qphys import core
from qphys.channels.coupling import long_exposure_coupling, mode_overlap
from qphys.channels.coupling_laws import coupling_law
from qphys.channels.pupil import GRIDS, mean_coupling, polar_pupil, residual_factors

FAST = 10_600.0
KEY = (np.uint64(20161219), np.uint64(0xFEDCBA9876543210), np.uint64(0))
MODE_RATIO = 1.12091


def seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """Return the shortest processor time of some runs [s]."""
    work()
    best = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


def modal(number: int = 200_003) -> None:
    """Print the rate of modal samples for some numbers of modes."""
    sample = np.arange(number, dtype=np.uint64)
    for modes in (16, 48, 128):
        variance = np.geomspace(0.1, 1e-3, modes)
        time_of = seconds(lambda v=variance: core.KERNELS["modal_coupling"](v, 0.8, 0.01, *KEY, sample))
        print(f"modal, {modes:>3} modes{'':<18}{number / time_of:>14,.0f} a second")


def pupils() -> None:
    """Print the rate of whole pupils on each grid, and how the uncorrected mean compares with the exact one."""
    for largest, rings, angles in GRIDS:
        number = 2**22 // (rings * angles) // 2
        sample = np.arange(number, dtype=np.uint64)
        pupil = polar_pupil(mode_ratio=MODE_RATIO, obscuration=0.0, corrected_order=0, rings=rings, angles=angles)
        strength = min(largest, 20.0)
        factors = residual_factors(pupil, aperture_over_fried=[strength], residual=np.zeros((1, 0)))
        time_of = seconds(
            lambda f=factors, p=pupil, s=sample: core.KERNELS["pupil_coupling"](f, p.mode_weight, 0.01, *KEY, s)
        )
        exact = long_exposure_coupling(strength, mode_ratio=MODE_RATIO) / mode_overlap(MODE_RATIO)
        excess = 100.0 * float(mean_coupling(pupil, factors)[0] / exact - 1.0)
        rate = number / time_of
        print(
            f"pupils, {rings:>2} x {angles:<3} to D/r0 = {strength:<4g}{'':<5}{rate:>14,.0f} a second, {rate / FAST:.1f} "
            f"times FAST; mean {excess:+.2f} %"
        )


def passes(steps: int = 273) -> None:
    """Print the time from the parameters of a pass to its fading nodes."""
    strength = np.linspace(1.5, 4.9, steps)
    for order, name in ((0, "without correction, sampled"), (3, "ten modes corrected, closed")):
        residual = np.zeros((steps, order))
        time_of = seconds(
            lambda r=residual: coupling_law(strength, residual=r, ceiling=0.81, mode_ratio=MODE_RATIO).rule(8), repeats=1
        )
        print(f"a pass of {steps} steps, {name:<30}{time_of:>8.2f} s")


def main(arguments: object = None) -> None:
    """Print all three."""
    print(f"instruction set: {core.INSTRUCTION_SET}")
    modal()
    pupils()
    passes()


if __name__ == "__main__":
    main()
