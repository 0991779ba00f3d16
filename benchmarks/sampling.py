"""Variates and whole passes drawn by the C core, against NumPy's generator, in one run on one core.

The case is a decoy-state pass of 273 one-second steps at 100 MHz, 8 fading nodes, 12 settings and 8 outcomes.
Goal: a realisation of it in under 3 ms; a variate at the price of NumPy's.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from qphys import core

SEED, STREAM = np.uint64(20161219), np.uint64(0xFEDCBA9876543210)


def seconds(work: Callable[[], object], repeats: int = 7) -> float:
    """Return the shortest of some runs [s]."""
    work()
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def variates(size: int = 200_003) -> None:
    """Print nanoseconds a draw; each of ours opens its own addressed stream, so one block of Philox is in its price."""
    numpy = np.random.Generator(np.random.Philox(1))
    index = np.arange(size, dtype=np.uint64)
    print(f"{'variate':<28}{'qphys [ns]':>12}{'numpy [ns]':>12}")
    for n, p in [(10**12, 1e-12), (10**6, 5e-6), (10**6, 1e-4), (1000, 0.1), (10**9, 0.3)]:
        trials, probability = np.full(size, n), np.full(size, p) * (1 + 1e-9 * np.arange(size))  # set-up in every draw
        ours = seconds(lambda n=trials, p=probability: core.KERNELS["draw_binomial"](n, p, SEED, STREAM, index))
        theirs = seconds(lambda n=trials, p=probability: numpy.binomial(n, p))
        print(f"binomial {n:.0e}, {p:<12.0e}{ours / size * 1e9:>12.1f}{theirs / size * 1e9:>12.1f}")
    for mean in (0.1, 5.0, 1e4):
        means = mean * (1 + 1e-9 * np.arange(size))
        ours = seconds(lambda m=means: core.KERNELS["draw_poisson"](m, SEED, STREAM, index))
        theirs = seconds(lambda m=means: numpy.poisson(m))
        print(f"Poisson {mean:<20g}{ours / size * 1e9:>12.1f}{theirs / size * 1e9:>12.1f}")


def passes(realisations: int = 20) -> None:
    """Print the time of a realisation of a pass, fading and counts."""
    steps, nodes = 273, 8
    rng = np.random.default_rng(1)
    transmittance = np.exp(rng.normal(-0.05, 0.3, (steps, nodes))) * 1e-3
    mean_photon_number = np.repeat([0.8, 0.1, 1e-3], 4)
    share = np.array([0.45, 0.005, 0.25, 0.25, 1e-6, 1e-6, 1e-5])
    probability = np.zeros((steps, nodes, 12, 8))
    probability[..., 1:] = transmittance[:, :, None, None] * mean_photon_number[:, None] * share + 1e-7
    probability[..., 0] = 1 - probability.sum(axis=-1)
    weight = np.full((steps, nodes), 1 / nodes)
    settings = np.repeat([0.5, 0.25, 0.25], 4) / 4
    trials = np.full(steps, 10**8)
    key = (SEED, STREAM, np.arange(realisations, dtype=np.uint64))
    numpy = np.random.Generator(np.random.Philox(1))

    def with_numpy() -> object:
        sent = numpy.multinomial(trials, settings)
        return numpy.multinomial(sent, np.einsum("tn,tnco->tco", weight, probability))

    theirs = seconds(with_numpy)
    print(f"\n{'realisation of a pass':<28}{'fading [ms]':>12}{'counts [ms]':>12}{'a second':>12}")
    for tau_over_dt in (0.0, 0.01, 0.2, 3.0):
        parts, _ = core.KERNELS["fading_occupancy"](weight, tau_over_dt, *key)
        fading = seconds(lambda tau=tau_over_dt: core.KERNELS["fading_occupancy"](weight, tau, *key)) / realisations
        counts = (
            seconds(lambda f=parts: core.KERNELS["sample_counts"](probability, f, settings, trials, *key)) / realisations
        )
        total = fading + counts
        print(f"correlation {tau_over_dt:<16g}{fading * 1e3:>12.3f}{counts * 1e3:>12.3f}{1 / total:>12.0f}")
    print(f"{'numpy, without fading':<28}{'':>12}{theirs * 1e3:>12.3f}{1 / theirs:>12.0f}")


def main(arguments: object = None) -> None:
    """Print both tables."""
    print(f"instruction set: {core.INSTRUCTION_SET}")
    variates()
    passes()


if __name__ == "__main__":
    main()
