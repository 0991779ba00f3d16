"""A probe of the transmittance: what a reading tells of the channel, and that sorting by it changes no channel."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from qphys.channels import Probe, probed
from qphys.channels.laws import LogNormal
from qphys.errors import UserError
from qphys.record import parse
from qphys.stages import Transmittance

MEAN, VARIANCE = 2e-3, 0.3
"""Of the log-normal transmittance below: mean and variance of the logarithm."""


def channel(mean: np.ndarray, correlation_time: float = 5e-3) -> Transmittance:
    """One node of the mean, to be replaced by those of the law."""
    steps = len(mean)
    return Transmittance(
        transmittance=mean[:, np.newaxis, np.newaxis],
        weight=np.ones((steps, 1)),
        correlation_time=correlation_time,
        jones=np.tile(np.eye(2, dtype=np.complex128), (steps, 1, 1, 1)),
        background_rate=np.zeros((steps, 1)),
        includes=(),
    )


def test_a_bin_holds_the_readings_between_its_edges() -> None:
    """Oracle: SciPy's normal distribution with the variance written out."""
    probe = Probe(lowest_loss_db=26.0, highest_loss_db=28.0, bin_db=1.0, relative_error=0.1, noise_loss_db=35.0)
    edges = [10**-2.8, 10**-2.7, 10**-2.6]
    np.testing.assert_allclose(probe.edges, edges, rtol=1e-14)
    for eta in (0.0, 1e-4, 2e-3, 0.5):
        deviation = math.sqrt((0.1 * eta) ** 2 + 10**-7.0)
        below = norm.cdf(edges, eta, deviation)
        np.testing.assert_allclose(
            probe.reading_probability(eta), [below[0], below[1] - below[0], below[2] - below[1], 1 - below[2]], atol=1e-15
        )
    np.testing.assert_array_equal(probe.lower[1:], probe.upper[:-1])
    assert probe.lower[0] == 0.0 and probe.upper[-1] == np.inf


def test_sorting_by_readings_keeps_the_channel_and_its_moments_in_each_bin() -> None:
    """Oracle: integrals over the log-normal density by SciPy, of each bin's probability and its first three moments.

    The points of the law are those of a rule for smooth functions; an error of 10 % of the reading is smooth enough for
    1e-6. Three nodes keep moments up to the fifth, so that these three show no error of the rule.
    """
    means = np.array([MEAN, MEAN / 3])
    law = LogNormal(means, np.full(2, VARIANCE))
    probe = Probe(lowest_loss_db=24.0, highest_loss_db=32.0, bin_db=2.0, relative_error=0.1, slot_ms=0.0)
    found = probed(channel(means), *law.points(), probe=probe)
    np.testing.assert_allclose(found.weight.sum(axis=1), 1.0, rtol=1e-14)
    np.testing.assert_allclose(found.mean[:, 0], means, rtol=1e-12)
    np.testing.assert_allclose(found.scintillation_index[:, 0], math.expm1(VARIANCE), rtol=1e-6)
    sigma = math.sqrt(VARIANCE)
    for step, mean in enumerate(means):

        def of_z(z: float, b: int, power: int, mean: float = mean) -> float:
            eta = mean * math.exp(sigma * z - VARIANCE / 2)
            return norm.pdf(z) * (eta / mean) ** power * probe.reading_probability(eta)[b]

        for b, nodes in enumerate(probe.bin_of_node):
            w, eta = found.weight[step, nodes], found.transmittance[step, nodes, 0]
            for power in range(4):
                exact = quad(of_z, -9, 12, args=(b, power), limit=200, epsabs=1e-13)[0]
                assert np.sum(w * (eta / mean) ** power) == pytest.approx(exact, rel=1e-5, abs=1e-7), (b, power)


def test_a_slot_longer_than_the_fading_tells_less() -> None:
    """Oracle: a Monte Carlo of redraws at Poisson times: how often has a pulse the draw that the reading met?"""
    probe = Probe(lowest_loss_db=24.0, highest_loss_db=32.0, slot_ms=8.0)
    tau, slot = 3e-3, 8e-3
    generator = np.random.default_rng(3)
    distance = np.abs(generator.uniform(-slot / 2, slot / 2, 400_000))
    fresh = np.mean(generator.poisson(distance / tau) == 0)
    # standard error of a share near 0.55 of 400,000: 8e-4
    assert probe.freshness(tau) == pytest.approx(fresh, abs=4e-3)
    assert probe.freshness(0.0) == 0.0 and probe.freshness(np.inf) == 1.0
    assert probe.freshness(1e6) == pytest.approx(1.0, abs=1e-8)


def test_a_stale_reading_says_nothing_of_the_transmittance() -> None:
    """With a correlation time of 0 every bin has the law itself, and its probability that of the reading."""
    mean = np.array([MEAN])
    law = LogNormal(mean, np.array([VARIANCE]))
    probe = Probe(lowest_loss_db=24.0, highest_loss_db=32.0, bin_db=2.0, slot_ms=1.0)
    stale = probed(channel(mean, 0.0), *law.points(), probe=probe)
    fresh = probed(channel(mean, np.inf), *law.points(), probe=probe)
    given = []
    for nodes in probe.bin_of_node:
        w, eta = stale.weight[0, nodes], stale.transmittance[0, nodes, 0]
        assert np.sum(w * eta) / np.sum(w) == pytest.approx(MEAN, rel=1e-9)
        assert np.sum(w) == pytest.approx(np.sum(fresh.weight[0, nodes]), rel=1e-9)
        given.append(np.sum(fresh.weight[0, nodes] * fresh.transmittance[0, nodes, 0]) / np.sum(fresh.weight[0, nodes]))
    assert (np.diff(given) > 0.1 * MEAN).all()


def test_a_channel_that_does_not_fade_keeps_its_transmittance() -> None:
    probe = Probe(lowest_loss_db=24.0, highest_loss_db=32.0, bin_db=2.0)
    mean = np.array([MEAN])
    found = probed(channel(mean), mean[:, np.newaxis], np.ones((1, 1)), probe=probe)
    used = found.weight[0] > 0
    np.testing.assert_allclose(found.transmittance[0, used, 0], MEAN, rtol=1e-12)
    shares = [found.weight[0, nodes].sum() for nodes in probe.bin_of_node]
    np.testing.assert_allclose(shares, probe.reading_probability(MEAN), atol=1e-12)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"lowest_loss_db": 40.0}, "must be below"),
        ({"bin_db": 0.7}, "whole bins"),
        ({"bin_db": 0.01}, "whole bins"),
        ({"relative_error": 0.0}, "greater than or equal to 0.01"),
        ({"slot_s": 1.0}, "unknown key"),
    ],
)
def test_mistakes_of_a_probe_are_told(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        parse(Probe, {"lowest_loss_db": 30.0, "highest_loss_db": 40.0} | wrong, "run.toml: probe")
