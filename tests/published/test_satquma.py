"""Sidhu et al. 2022 by its authors' program SatQuMA, in that program's own reading of the formulas, which is not ours.

Oracle: a run without optimisation, to all its digits, and a job of optimised passes, whose optima our search must not miss.
"""

from __future__ import annotations

from math import factorial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qphys.optimizer.decoys import other_hills
from qphys.search import maximum

Array = np.ndarray[Any, Any]

#: SatQuMA's loss table (MIT licence): seconds from the zenith, elevation [rad], efficiency of the link.
TABLE = np.genfromtxt(Path(__file__).with_name("satquma_loss_zenith.csv"), delimiter=",", comments="#", skip_header=2)

EPS_SECRECY, EPS_CORRECTNESS, AFTERPULSE, RATE = 1e-9, 1e-15, 1e-3, 1e8


def entropy(x: Array) -> Array:
    x = np.clip(x, 1e-300, 0.5)
    return np.asarray(-(x * np.log2(x) + (1 - x) * np.log2(1 - x)))


def sums(half_window: float, loss_db: float, low: float) -> Array:
    """Sums over the seconds of a pass of the powers 0 to 7 of the efficiency; of light below 0.01 the next is nothing."""
    time, elevation, efficiency = TABLE.T
    used = (np.abs(time) <= half_window) & (elevation >= np.deg2rad(low))
    light = efficiency[used] * 10 ** (-loss_db / 10)
    assert light.max() < 1e-2
    return np.array([np.sum(light**j) for j in range(8)])


def satquma(
    mu: Array,
    p: Array,
    p_x: Array,
    *,
    light: Array,
    noise: Array | float,
    error: float,
    log_m: bool,
) -> dict[str, Array]:
    """Key of a pass with intensities mu (..., 2) and vacuum, as the program computes it, its shortcuts included.

    It spreads the errors over the intensities in proportion to the clicks, and mixes units in its leakage ``log_m``. Its sum
    over seconds of 1 - exp(-mu eta) is here that of the power series, `light` from `sums` (..., 8).
    """
    from scipy.stats import binom

    mu = np.concatenate([mu, np.zeros((*mu.shape[:-1], 1))], axis=-1)
    p = np.concatenate([p, 1 - p.sum(axis=-1, keepdims=True)], axis=-1)
    powers = [-((-1.0) ** j) / factorial(j) * light[..., np.newaxis, j] * mu**j for j in range(1, 8)]
    signal, seconds, noise = sum(powers), light[..., np.newaxis, 0], np.asarray(noise)[..., np.newaxis]
    click = (2 * noise * seconds + (1 - 2 * noise) * signal) * (1 + AFTERPULSE)
    wrong = noise * seconds + error * signal + AFTERPULSE * click / 2
    clicks, errors = RATE * p * click, RATE * p * wrong

    def basis(chosen: Array) -> tuple[Array, Array]:
        n, m = (row * chosen[..., np.newaxis] ** 2 for row in (clicks, errors))
        return n, m.sum(axis=-1, keepdims=True) * n / n.sum(axis=-1, keepdims=True)

    beta = np.log(21 / EPS_SECRECY)

    def lower(n: Array) -> Array:
        return np.maximum(n - beta / 2 - np.sqrt(2 * beta * n + beta**2 / 4), 0)

    def upper(n: Array) -> Array:
        return np.asarray(n + beta + np.sqrt(2 * beta * n + beta**2))

    weight = np.exp(mu) / p
    tau0, tau1 = (p * np.exp(-mu)).sum(axis=-1), (p * mu * np.exp(-mu)).sum(axis=-1)
    mu1, mu2 = mu[..., 0], mu[..., 1]

    def single(n: Array) -> tuple[Array, Array]:
        vacuum = np.maximum(tau0 * weight[..., 2] * lower(n[..., 2]), 1e-10)
        rest = weight[..., 0] * upper(n[..., 0]) - vacuum / tau0
        both = weight[..., 1] * lower(n[..., 1]) - weight[..., 2] * upper(n[..., 2]) - mu2**2 / mu1**2 * rest
        return vacuum, np.maximum(tau1 * mu1 * both / (mu1 * mu2 - mu2**2), 1e-10)

    (n_x, m_x), (n_z, m_z) = basis(p_x), basis(1 - p_x)
    s_x0, s_x1 = single(n_x)
    _, s_z1 = single(n_z)
    v_z1 = tau1 / mu2 * (weight[..., 1] * upper(m_z[..., 1]) - weight[..., 2] * lower(m_z[..., 2]))
    v_z1 = np.clip(v_z1, 1e-10, m_z.sum(axis=-1))
    b = np.minimum(v_z1 / s_z1, 0.5)
    sizes = (s_z1 + s_x1) / (s_z1 * s_x1)
    inside = np.log2(sizes / ((1 - b) * b) * 21**2 / EPS_SECRECY**2)
    phase = np.minimum(b + np.sqrt(np.maximum(sizes * (1 - b) * b / np.log(2) * inside, 0)), 0.5)
    n = n_x.sum(axis=-1)
    rate = m_x.sum(axis=-1) / n
    leak = 1.16 * n * entropy(rate)
    if log_m:
        level = binom.ppf(EPS_CORRECTNESS * (1 + 1 / np.sqrt(n)), np.round(n), 1 - rate)
        odds = (n * (1 - rate) - level - 1) * np.log((1 - rate) / rate)
        leak = n * entropy(rate) + odds - np.log(n) / 2 - np.log(1 / EPS_CORRECTNESS)
    key = s_x0 + s_x1 * (1 - entropy(phase)) - leak - 6 * np.log2(21 / EPS_SECRECY) - np.log2(2 / EPS_CORRECTNESS)
    return {"key": key, "qber": rate, "phase": phase, "n": n, "leak": leak, "s1": s_x1, "v": v_z1, "s_z1": s_z1}


def test_the_run_without_optimisation_is_reproduced_to_its_digits() -> None:
    told = satquma(
        np.array([0.7921, 0.1707]),
        np.array([0.7501, 0.1749]),
        np.array(0.7611),
        light=sums(half_window=210, loss_db=0.0, low=10.0),
        noise=1e-8,
        error=0.001,
        log_m=False,
    )
    published = {
        "key": 4652997.75,
        "qber": 0.00151904,
        "phase": 0.00460830,
        "n": 12144720.13,
        "leak": 231211.07,
        "s1": 5100739.83,
        "v": 1817.63,
        "s_z1": 482714.55,
    }
    for name, value in published.items():
        assert float(told[name]) == pytest.approx(value, rel=3e-6), name


#: Half window [s] -> best key that the program itself found at 0, 3.25, 6.5, 9.75, 13 dB more, P_ec 5e-7, in our own runs of
#: it (once 0 for the third of the second row).
ITS_BEST = {211: (5745310, 2318472, 832768, 0, 0), 221: (5797016, 2334259, 833851, 0, 0)}
LOSSES = (0.0, 3.25, 6.5, 9.75, 13.0)
NOISES = (5e-7, 6e-7)


class Job:
    """Its job: both half windows, five losses, two noises, each twice: 40 passes, five variables."""

    def __init__(self) -> None:
        passes = [(w, loss, noise) for noise in NOISES for w in ITS_BEST for loss in LOSSES] * 2
        self.light = np.array([sums(w, loss, 5.0) for w, loss, _ in passes])
        self.noise = np.array([noise for _, _, noise in passes])

    @staticmethod
    def natural(points: Array) -> tuple[Array, ...]:
        p_x, p_1 = 0.3 + 0.7 * points[..., 0] * (1 - 1e-9), 0.6 + 0.3999 * points[..., 1]
        p_2 = points[..., 2] * np.minimum(0.4, 1 - p_1 - 1e-5)
        mu1 = 0.3 + 0.7 * points[..., 3]
        return mu1, 0.1 + points[..., 4] * (np.minimum(0.5, 0.98 * mu1) - 0.1), p_1, p_2, p_x

    def beside(self, points: Array, index: Array) -> Array:
        mu1, mu2, p_1, p_2, p_x = other_hills(*self.natural(points))
        units = [
            (p_x - 0.3) / (0.7 * (1 - 1e-9)),
            (p_1 - 0.6) / 0.3999,
            p_2 / np.minimum(0.4, np.maximum(1 - p_1 - 1e-5, 1e-5)),
            (mu1 - 0.3) / 0.7,
            (mu2 - 0.1) / np.maximum(np.minimum(0.5, 0.98 * mu1) - 0.1, 1e-3),
        ]
        return np.clip(np.stack(units, axis=-1), 0, 1)

    def key(self, points: Array, index: Array) -> Array:
        mu1, mu2, p_1, p_2, p_x = self.natural(points)
        mu, p = np.stack([mu1, mu2], axis=-1), np.stack([p_1, p_2], axis=-1)
        here = {"light": self.light[index, np.newaxis], "noise": self.noise[index, np.newaxis]}
        with np.errstate(all="ignore"):
            return satquma(mu, p, p_x, **here, error=0.005, log_m=True)["key"]

    def done(self) -> Array:
        """Best keys: noise, window, loss; the first of the two times."""
        best = maximum(self.key, links=len(self.noise), variables=5, starts=2, beside=self.beside).value
        shape = (2, len(NOISES), len(ITS_BEST), len(LOSSES))
        assert np.array_equal(*best.reshape(2, -1))
        return best.reshape(shape)[0]


def test_its_job_of_optimised_passes_is_done_no_worse_and_finds_keys_where_it_finds_none() -> None:
    best = Job().done()
    for row, its in zip(best[0], ITS_BEST.values(), strict=True):
        assert np.all(row >= (1 - 1e-4) * np.array(its))
    # It reports no key at 9.75 and 13 dB; a dense search of its own formulas does find one.
    assert np.all(best > 0)


@pytest.mark.slow
def test_no_global_search_finds_more_in_its_job() -> None:
    from scipy.optimize import differential_evolution

    job = Job()
    for link, ours in enumerate(job.done().ravel()):

        def lost(points: Array, link: int = link) -> Array:
            values = job.key(np.ascontiguousarray(points.T)[np.newaxis], np.array([link]))[0]
            return np.where(np.isfinite(values), -values, np.inf)

        other = differential_evolution(
            lost, [(0, 1)] * 5, vectorized=True, updating="deferred", popsize=20, maxiter=150, tol=1e-9, seed=2, polish=False
        )
        assert ours >= (1 - 1e-4) * -other.fun
