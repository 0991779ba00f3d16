"""Clicks: probabilities of outcomes against formulas on paper and mpmath."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

from qphys import detectors
from qphys.detectors import dead_time
from qphys.optics import jones
from qphys.stages import Clicks

Maker = Callable[..., Any]
NONE, Z0, Z1, X0, X1, DOUBLE_Z, DOUBLE_X, ACROSS = range(8)


def simulate(sent: Any, analyser: Any, link: Any, *, optics: float = 1.0) -> Clicks:
    response = detectors.respond(
        link, analyser, trial_rate=sent.trial_rate, time_step=1.0, receiver_optics_transmittance=optics
    )
    return detectors.clicks(sent, response)


def test_outcomes_of_every_setting_sum_to_one(receiver: Maker, emission: Maker, channel: Maker) -> None:
    """Oracle: something, or nothing, happens. Ragged: 7 steps, 3 nodes, all effects on."""
    analyser = receiver(
        polarization_contrast=30.0,
        detector={"dark_rate_hz": 1e5, "dead_time_ns": [0.0, 24.0, 35.0, 50.0], "afterpulse_probability": 0.05},
    ).analyser(1e8)
    nodes = np.random.default_rng(2).uniform(0, 1, (7, 3))
    clicks = simulate(
        emission(intensity_fluctuation=0.1, extinction_ratio_db=20.0), analyser, channel(nodes, background_rate=1e6)
    )
    assert clicks.probability.shape == (7, 3, 3, 2, 2, 8)
    np.testing.assert_allclose(clicks.probability.sum(-1), 1.0, rtol=1e-14)
    assert np.all(clicks.probability >= 0)


def test_vacuum_and_noise_alone_click_in_every_detector_alike(receiver: Maker, emission: Maker, channel: Maker) -> None:
    """Oracle: independent detectors with probability 1 - exp(-R T)."""
    analyser = receiver(detector={"dark_rate_hz": 1e6}).analyser(1e8)
    vacuum = simulate(emission(), analyser, channel(0.3)).probability[0, 0, 2]
    p = -np.expm1(-1e6 * 2e-9)
    np.testing.assert_allclose(vacuum[..., Z0], p * (1 - p) ** 3, rtol=1e-13)
    np.testing.assert_allclose(vacuum[..., DOUBLE_X], p**2 * (1 - p) ** 2, rtol=1e-13)
    np.testing.assert_allclose(vacuum[..., ACROSS], (1 - (1 - p) ** 2) ** 2, rtol=1e-12)


@pytest.mark.parametrize("loss_db", [3.0, 60.0, 240.0])
def test_rare_outcomes_keep_their_digits(loss_db: float, receiver: Maker, emission: Maker, channel: Maker) -> None:
    """Oracle: mpmath, 60 digits; a double click at 240 dB has a probability near 1e-52."""
    eta = 10 ** (-loss_db / 10)
    analyser = receiver(polarization_contrast=280.0).analyser(1e8)
    found = simulate(emission(), analyser, channel(eta)).probability[0, 0, 0, 0, 0]
    with mpmath.workdps(60):
        share = [mpmath.mpf(280) / 281 / 2, mpmath.mpf(1) / 281 / 2, mpmath.mpf(1) / 4, mpmath.mpf(1) / 4]
        p = [-mpmath.expm1(-mpmath.mpf(eta) * mpmath.mpf(0.8) * s / 2) for s in share]
        q = [1 - x for x in p]
        expected = {
            Z0: p[0] * q[1] * q[2] * q[3],
            Z1: q[0] * p[1] * q[2] * q[3],
            X1: q[0] * q[1] * q[2] * p[3],
            DOUBLE_Z: p[0] * p[1] * q[2] * q[3],
            DOUBLE_X: q[0] * q[1] * p[2] * p[3],
            ACROSS: (1 - q[0] * q[1]) * (1 - q[2] * q[3]),
        }
        for outcome, value in expected.items():
            assert float(found[outcome] / value) == pytest.approx(1.0, abs=1e-12)


def test_fading_is_averaged_behind_the_clicks_not_before(receiver: Maker, emission: Maker, channel: Maker) -> None:
    """Oracle: each node alone; the mean of probabilities lies below the probability at the mean (Jensen)."""
    analyser, sent = receiver().analyser(1e8), emission()
    both = simulate(sent, analyser, channel([[0.1, 0.9]])).probability
    for node, eta in enumerate((0.1, 0.9)):
        np.testing.assert_allclose(both[0, node], simulate(sent, analyser, channel(eta)).probability[0, 0], rtol=1e-14)
    mean = simulate(sent, analyser, channel(0.5)).probability[0, 0, 0]
    assert np.all(1 - both[0, :, 0, ..., NONE].mean(0) < 1 - mean[..., NONE])


def test_steps_with_their_own_polarization_equal_each_step_alone(receiver: Maker, emission: Maker, channel: Maker) -> None:
    """Oracle: the same link step by step; a constant map must not be told from a changing one."""
    from dataclasses import replace

    analyser, sent = receiver(polarization_contrast=50.0).analyser(1e8), emission()
    turned = np.stack([jones.rotation(0.1), jones.rotation(0.4), jones.waveplate(0.3, 0.2)])[:, np.newaxis]
    link = replace(channel([[0.2], [0.3], [0.4]]), jones=turned)
    together = simulate(sent, analyser, link).probability
    for step, eta in enumerate((0.2, 0.3, 0.4)):
        alone = simulate(sent, analyser, channel(eta, jones=turned[step, 0])).probability
        np.testing.assert_allclose(together[step], alone[0], rtol=1e-14)


def test_dead_time_takes_the_renewal_part_of_the_clicks(receiver: Maker, emission: Maker, channel: Maker) -> None:
    """Oracle: p / (1 + p d) with p the click probability over all settings; 24 ns at 100 MHz block 2 pulses."""
    sent, link = emission(), channel(1.0)
    free = simulate(sent, receiver().analyser(1e8), link)
    dead = simulate(sent, receiver(detector={"dead_time_ns": 24.0}).analyser(1e8), link)

    def click(c: Clicks) -> float:
        mean = np.tensordot(c.setting_probability, c.probability[0, 0], axes=3)
        return float(mean[[Z0, DOUBLE_Z]].sum() + _share_of_across(c))

    def _share_of_across(c: Clicks) -> float:
        """Clicks of Z0 among those across the bases."""
        mean = 0.0
        for setting, q in np.ndenumerate(c.setting_probability):
            p = _detector_probabilities(c.probability[0, 0][setting])
            mean += q * p[0] * (1 - (1 - p[2]) * (1 - p[3]))
        return mean

    p = click(free)
    assert click(dead) == pytest.approx(float(dead_time.pulsed_click_probability(p, 2)), rel=1e-12)


def _detector_probabilities(outcome: np.ndarray) -> np.ndarray:
    """Click probability of Z0, Z1, X0, X1, from the odds of single clicks against none (independent detectors)."""
    odds = outcome[[Z0, Z1, X0, X1]] / outcome[NONE]
    return odds / (1 + odds)


def test_afterpulses_raise_gain_and_errors_as_in_finite_key_theory(receiver: Maker, emission: Maker, channel: Maker) -> None:
    """Oracle: gain times 1 + p, errors plus p / 2 of the gain (Lim et al. 2014), to first order; gate open all the time."""
    sent, link = emission(), channel(1e-3)
    without = simulate(sent, receiver(gate_ns=10.0).analyser(1e8), link)
    added = simulate(sent, receiver(gate_ns=10.0, detector={"afterpulse_probability": 0.02}).analyser(1e8), link)

    def gain_and_errors(c: Clicks) -> tuple[float, float]:
        mean = np.einsum("kab,kabo->abo", c.setting_probability, c.probability[0, 0])
        return float(mean[..., 1:].sum()), float(mean[0, 0, Z1] + mean[0, 1, Z0])

    gain, errors = gain_and_errors(without)
    more_gain, more_errors = gain_and_errors(added)
    assert more_gain / gain == pytest.approx(1.02, abs=2e-5)
    # A quarter of all clicks belongs to Z sent and Z measured; half of the afterpulses there are wrong.
    assert more_errors - errors == pytest.approx(0.02 / 2 * gain / 4, rel=2e-3)


def test_active_and_passive_receivers_agree_where_one_photon_is_rare(
    receiver: Maker, emission: Maker, channel: Maker
) -> None:
    """Oracle: at one photon in 10,000 pulses a beam splitter chooses the basis as a switch does; to 1e-4."""
    sent, link = emission(), channel(1e-4)
    told = {"basis_probability_z": 0.7, "polarization_contrast": 100.0}
    passive = simulate(sent, receiver(**told).analyser(1e8), link).probability[0, 0, 0]
    for number in (2, 4):
        active = simulate(
            sent, receiver(basis_choice="active", active_detectors=number, **told).analyser(1e8), link
        ).probability[0, 0, 0]
        np.testing.assert_allclose(active[..., Z0 : X1 + 1], passive[..., Z0 : X1 + 1], rtol=1e-4)
        assert not active[..., ACROSS].any()


def test_two_shared_detectors_share_their_dead_time(receiver: Maker, emission: Maker, channel: Maker) -> None:
    """Oracle: two detectors for both bases see twice the rate of four, so twice the dead time's loss to first order."""
    sent, link = emission(), channel(0.01)
    loss = {}
    for number in (2, 4):
        told = {"basis_choice": "active", "active_detectors": number}
        free = simulate(sent, receiver(**told).analyser(1e8), link).probability[0, 0, 0, 0, 0, Z0]
        dead = simulate(sent, receiver(**told, detector={"dead_time_ns": 24.0}).analyser(1e8), link)
        loss[number] = 1 - dead.probability[0, 0, 0, 0, 0, Z0] / free
    assert loss[2] / loss[4] == pytest.approx(2.0, rel=0.01)


def test_errors_by_cause_add_to_nearly_all_errors(receiver: Maker, emission: Maker, channel: Maker) -> None:
    """Oracle: small errors of independent causes add, but for products of two and double clicks (both below 3 % here)."""
    sent = emission(preparation_offset_deg=[2.0, 2.0, 2.0, 2.0])
    analyser = receiver(polarization_contrast=280.0, detector={"dark_rate_hz": 200.0}).analyser(1e8)
    link = channel(1e-3, background_rate=3000.0)

    def error_rate(*inputs: Any) -> float:
        p = simulate(*inputs).probability[0, 0, 0, 0]
        return float((p[0, Z1] + p[1, Z0]) / p[:, Z0 : Z1 + 1].sum())

    total = error_rate(sent, analyser, link)
    parts = {
        cause: total - error_rate(*detectors.without(cause, sent, analyser, link)) for cause in detectors.DETECTION_CAUSES
    }
    assert sum(parts.values()) == pytest.approx(total, rel=0.03)
    assert parts["preparation"] == pytest.approx(np.sin(np.deg2rad(2.0)) ** 2, rel=0.03)
    assert parts["optics"] == pytest.approx(1 / 281, rel=0.03)
    assert parts["dark counts"] / parts["sky"] == pytest.approx(200.0 / 375.0, rel=0.01)
