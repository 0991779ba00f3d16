"""Pulses of no photon and of one photon: their clicks against what one photon can do on paper."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from qphys import detectors

Maker = Callable[..., Any]
NONE, Z0, Z1, X0, X1, DOUBLE_Z, DOUBLE_X, ACROSS = range(8)


def both(sent: Any, analyser: Any, link: Any) -> tuple[Any, Any]:
    response = detectors.respond(
        link, analyser, trial_rate=sent.trial_rate, time_step=1.0, receiver_optics_transmittance=1.0
    )
    return detectors.clicks(sent, response), detectors.photon_yields(sent, response)


@pytest.mark.parametrize("loss_db", [0.0, 20.0, 60.0])
def test_one_photon_goes_to_one_detector_or_to_none(
    loss_db: float, receiver: Maker, emission: Maker, channel: Maker
) -> None:
    """Oracle: detector d gets the photon with probability eta_d; every detector has noise of its own, 1e-4 or none."""
    for dark_rate in (0.0, 5e4):
        analyser = receiver(detector={"dark_rate_hz": dark_rate, "efficiency": 0.5}).analyser(1e8)
        _, yields = both(emission(), analyser, channel(10 ** (-loss_db / 10)))
        noise = -np.expm1(-dark_rate * analyser.gate)
        eta = 0.5 * analyser.gate_fraction[0] * 10 ** (-loss_db / 10) * np.array([0.5, 0.0, 0.25, 0.25])  # sent: Z0
        quiet = 1 - noise
        only = [
            quiet**3 * (eta[d] + noise * (1 - eta.sum())) for d in range(4)
        ]  # the photon, or noise of that detector and no photon anywhere
        double = quiet**2 * (noise * (eta[0] + eta[1]) + noise**2 * (1 - eta.sum()))
        found = yields.probability[0, 0, 1, 0, 0]
        np.testing.assert_allclose(found[[Z0, Z1, X0, X1]], only, rtol=2e-6, atol=1e-13)
        assert found[DOUBLE_Z] == pytest.approx(double, rel=1e-5, abs=2e-7 * eta.sum() ** 2 + 1e-13)
        assert found.sum() == pytest.approx(1.0, abs=1e-6)


def test_no_photon_is_what_the_vacuum_intensity_shows(receiver: Maker, emission: Maker, channel: Maker) -> None:
    """Oracle: the vacuum that the source really sends; dead time and afterpulses follow from the real light in both."""
    analyser = receiver(
        detector={"dark_rate_hz": 1e5, "dead_time_ns": [0.0, 24.0, 35.0, 50.0], "afterpulse_probability": 0.05}
    ).analyser(1e8)
    sent = emission(intensity_fluctuation=0.1)
    assert sent.mean_photon_number[2] == 0.0
    link = channel(np.random.default_rng(3).uniform(0, 0.3, (5, 2)), background_rate=1e6)
    clicks, yields = both(sent, analyser, link)
    np.testing.assert_allclose(yields.probability[:, :, 0], clicks.probability[:, :, 2], rtol=1e-13)


def test_weak_light_is_its_vacuum_and_its_single_photons(receiver: Maker, emission: Maker, channel: Maker) -> None:
    """Oracle: e^mu P(mu) = Y_0 + mu Y_1 + ..., the rest at most mu^2/2; all effects on, at each fading node."""
    analyser = receiver(
        polarization_contrast=30.0,
        detector={
            "dark_rate_hz": 1e5,
            "dead_time_ns": 30.0,
            "afterpulse_probability": 0.02,
            "efficiency": [0.6, 0.5, 0.4, 0.3],
        },
    ).analyser(1e8)
    mu = 1e-3
    sent = emission(mean_photon_numbers=[0.7, mu, 0.0], extinction_ratio_db=20.0)
    clicks, yields = both(sent, analyser, channel(np.random.default_rng(4).uniform(0, 1, (3, 2)), background_rate=1e6))
    rest = np.exp(mu) * clicks.probability[:, :, 1] - yields.probability[:, :, 0] - mu * yields.probability[:, :, 1]
    assert np.all(rest > -1e-9 * mu)
    assert np.all(rest < 0.5 * mu**2 * 1.01)
    assert rest.max() > 0.1 * mu**2  # two photons do click


def test_photon_numbers_are_poisson_averaged_over_the_fluctuation(emission: Maker) -> None:
    """Oracle: E[e^-mu mu^n] to second order in the spread s: e^-mu (1 + mu^2 s^2/2), mu e^-mu (1 + (mu^2 - 2 mu) s^2/2)."""
    mu, spread = 0.8, 0.01
    told = detectors.photon_number_probability(emission(mean_photon_numbers=[mu, 0.1, 0.0], intensity_fluctuation=spread))
    assert told.shape == (2, 3, 2, 2)
    assert told[0, 0, 0, 0] == pytest.approx(np.exp(-mu) * (1 + mu**2 * spread**2 / 2), rel=1e-8)
    assert told[1, 0, 1, 1] == pytest.approx(mu * np.exp(-mu) * (1 + spread**2 * (mu**2 - 2 * mu) / 2), rel=1e-8)
    np.testing.assert_allclose(told[0, 2], 1.0, rtol=1e-14)
    assert not told[1, 2].any()
