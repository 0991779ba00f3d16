"""Receiver: analyser, response, causes switched off, mistakes in its table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import exponnorm

from qphys import detectors
from qphys.errors import UserError
from qphys.optics import jones
from qphys.stages import ERROR_CAUSES, Transmittance
from qphys.statistics import schema

RATE = 100e6
Maker = Callable[..., Any]


def photons(rows: np.ndarray, angle: float) -> np.ndarray:
    """Photons at each detector of one photon at an angle, (S, D)."""
    return np.abs(rows[:, :, 0] @ jones.linear(angle)) ** 2


def test_outcomes_are_those_of_the_schema(receiver: Maker) -> None:
    """Oracle: statistics/schema.py, which detectors may not import."""
    analyser = receiver().analyser(RATE)
    assert analyser.outcomes == schema.OUTCOMES_BB84
    assert analyser.outcome_dimension == schema.BOB_OUTCOME


def test_passive_analyser_splits_and_loses_no_light(receiver: Maker) -> None:
    """Oracle: the beam splitter's ratio, Malus's law, one photon in, one photon out."""
    rows = receiver(basis_probability_z=0.3).analyser(RATE).amplitude
    assert rows.shape == (1, 4, 1, 2)
    np.testing.assert_allclose(photons(rows, 0.0)[0], [0.3, 0.0, 0.35, 0.35], atol=1e-15)
    np.testing.assert_allclose(photons(rows, -np.pi / 4)[0], [0.15, 0.15, 0.0, 0.7], atol=1e-15)
    np.testing.assert_allclose(photons(rows, 0.4)[0].sum(), 1.0, rtol=1e-14)


def test_active_analyser_sends_all_light_to_the_chosen_basis(receiver: Maker) -> None:
    """Oracle: Malus's law in each setting; with four detectors the other pair is dark."""
    two = receiver(basis_choice="active", basis_probability_z=0.9).analyser(RATE)
    np.testing.assert_allclose(two.setting_probability, [0.9, 0.1])
    np.testing.assert_allclose(photons(two.amplitude, np.pi / 4), [[0.5, 0.5], [1.0, 0.0]], atol=1e-15)
    four = receiver(basis_choice="active", active_detectors=4).analyser(RATE)
    np.testing.assert_allclose(photons(four.amplitude, np.pi / 2), [[0, 1, 0, 0], [0, 0, 0.5, 0.5]], atol=1e-15)
    np.testing.assert_allclose(four.background_share, 0.25 * np.array([[1, 1, 0, 0], [0, 0, 1, 1]]))


def test_contrast_is_right_over_wrong_in_both_bases(receiver: Maker) -> None:
    """Oracle: 280:1, that is an error of 1/281; the other basis sees one half."""
    analyser = receiver(polarization_contrast=280.0).analyser(RATE)
    h, minus = photons(analyser.amplitude, 0.0)[0], photons(analyser.amplitude, -np.pi / 4)[0]
    np.testing.assert_allclose([h[0] / h[1], minus[3] / minus[2]], 280.0, rtol=1e-12)
    np.testing.assert_allclose([h[2], h[3], minus[0], minus[1]], 0.25, rtol=1e-12)
    np.testing.assert_allclose(photons(analyser.ideal_amplitude, 0.0)[0], [0.5, 0, 0.25, 0.25], atol=1e-15)


def test_offset_of_an_analyser_errs_by_its_squared_sine(receiver: Maker) -> None:
    """Oracle: sin^2 of the angle, for each basis its own."""
    rows = receiver(analyser_offset_deg=[2.0, -5.0]).analyser(RATE).amplitude
    wrong = [photons(rows, 0.0)[0, 1] / 0.5, photons(rows, np.pi / 4)[0, 3] / 0.5]
    np.testing.assert_allclose(wrong, np.sin(np.deg2rad([2.0, 5.0])) ** 2, rtol=1e-12)
    both = receiver(analyser_offset_deg=2.0).analyser(RATE).amplitude
    np.testing.assert_allclose(photons(both, np.pi / 4)[0, 3] / 0.5, np.sin(np.deg2rad(2.0)) ** 2, rtol=1e-12)


def test_click_patterns_get_their_outcomes(receiver: Maker) -> None:
    """Oracle: all 16 patterns by hand (bits Z0, Z1, X0, X1), and those of the active receivers."""
    names = np.array(schema.OUTCOMES_BB84)
    passive = names[receiver().analyser(RATE).outcome_of_pattern]
    assert passive.tolist() == [
        [*("none", "Z0", "Z1", "double_Z"), "X0", *["across"] * 3, "X1", *["across"] * 3, "double_X", *["across"] * 3]
    ]
    two = names[receiver(basis_choice="active").analyser(RATE).outcome_of_pattern]
    assert two.tolist() == [["none", "Z0", "Z1", "double_Z"], ["none", "X0", "X1", "double_X"]]
    four = names[receiver(basis_choice="active", active_detectors=4).analyser(RATE).outcome_of_pattern]
    assert four[0].tolist() == ["none", "Z0", "Z1", "double_Z"] * 4
    assert four[1].tolist() == [name for name in ("none", "X0", "X1", "double_X") for _ in range(4)]


def test_lists_give_every_detector_its_own_numbers(receiver: Maker) -> None:
    """Oracle: the lists themselves, in SI."""
    analyser = receiver(
        detector={"efficiency": [0.5, 0.6, 0.7, 0.8], "dark_rate_hz": [1, 2, 3, 4], "dead_time_ns": 24.0}
    ).analyser(RATE)
    np.testing.assert_allclose(analyser.efficiency, [0.5, 0.6, 0.7, 0.8])
    np.testing.assert_allclose(analyser.dark_rate, [1.0, 2.0, 3.0, 4.0])
    np.testing.assert_allclose(analyser.dead_time, 24e-9)
    np.testing.assert_allclose(analyser.background_share, [[0.125, 0.15, 0.175, 0.2]])


def test_gate_keeps_what_detector_and_pulse_spread_leave_in_it(receiver: Maker) -> None:
    """Oracle: SciPy's distribution with the two Gaussian widths added in squares, best window by scan."""
    found = (
        receiver(
            arrival_fwhm_ps=200.0,
            gate_ns=1.0,
            detector={"jitter": {"kind": "emg", "sigma_ps": [151.0, 151.0, 100.0, 151.0], "tau_ps": 459.0}},
        )
        .analyser(RATE)
        .gate_fraction
    )
    sigma = np.hypot(151e-12, 200e-12 / np.sqrt(8 * np.log(2)))
    start = np.linspace(-1e-9, 1e-9, 20001)
    oracle = exponnorm(459e-12 / sigma, scale=sigma)
    assert found[0] == pytest.approx(np.max(oracle.cdf(start + 1e-9) - oracle.cdf(start)), rel=1e-6)
    assert found[2] > found[0] == found[1] == found[3]
    np.testing.assert_array_equal(receiver().analyser(RATE).gate_fraction, 1.0)


def test_response_applies_each_loss_once(receiver: Maker, channel: Maker) -> None:
    """Oracle: the product of optics, efficiency and gate by hand; what the channel includes stays out."""
    analyser = receiver(gate_ns=1.0, detector={"jitter": {"kind": "gaussian", "fwhm_ps": 900.0}}).analyser(RATE)
    gate = analyser.gate_fraction[0]
    told = {"trial_rate": RATE, "time_step": 1.0, "receiver_optics_transmittance": 0.16}
    for includes, power in [
        ((), 0.16 * 0.5),
        (("receiver optics",), 0.5),
        (("detector efficiency",), 0.16),
        (("receiver optics", "detector efficiency", "diffraction"), 1.0),
    ]:
        response = detectors.respond(channel(0.01, includes=includes), analyser, **told)
        assert np.sum(np.abs(response.amplitude[0, 0, 0]) ** 2) == pytest.approx(2 * power * gate, rel=1e-12)
    np.testing.assert_array_equal(response.transmittance, [[0.01]])


def test_noise_is_dark_and_sky_counts_in_the_gate(receiver: Maker, channel: Maker) -> None:
    """Oracle: 25 + 3700 / 8 counts a second; in 2 ns about 9.75e-7; sky light with efficiency, half a basis each output."""
    analyser = receiver(detector={"dark_rate_hz": 25.0}).analyser(RATE)
    response = detectors.respond(
        channel(0.01, background_rate=3700.0), analyser, trial_rate=RATE, time_step=1.0, receiver_optics_transmittance=0.16
    )
    rate = 25.0 + 3700.0 * 0.5 * 0.5 * 0.5
    np.testing.assert_allclose(response.ungated_noise_rate, np.full((1, 1, 4), rate), rtol=1e-14)
    np.testing.assert_allclose(response.noise_probability, rate * 2e-9 * (1 - rate * 1e-9), rtol=1e-11)


def test_polarization_on_the_way_reaches_the_detectors(receiver: Maker, channel: Maker) -> None:
    """Oracle: light turned by 45 degrees on the way changes its basis."""
    response = detectors.respond(
        channel(1.0, jones=jones.rotation(np.pi / 4)),
        receiver().analyser(RATE),
        trial_rate=RATE,
        time_step=1.0,
        receiver_optics_transmittance=1.0,
    )
    seen = np.abs(response.amplitude[0, 0, :, :, 0] @ jones.linear(0.0)) ** 2 / 0.5
    np.testing.assert_allclose(seen, [[0.25, 0.25, 0.5, 0.0]], atol=1e-15)


def test_a_switched_off_cause_changes_only_its_own_input(receiver: Maker, emission: Maker, channel: Maker) -> None:
    """Oracle: identity of all other inputs."""
    sent = emission(preparation_offset_deg=[1.0, 2.0, 3.0, 4.0])
    analyser = receiver(polarization_contrast=280.0, detector={"dark_rate_hz": 25.0}).analyser(RATE)
    link = channel(0.01, background_rate=3700.0, jones=0.9 * jones.rotation(0.1))
    e, a, t = detectors.without("preparation", sent, analyser, link)
    np.testing.assert_array_equal(e.amplitude, sent.ideal_amplitude)
    assert a is analyser
    assert t is link
    e, a, t = detectors.without("optics", sent, analyser, link)
    np.testing.assert_array_equal(a.amplitude, analyser.ideal_amplitude)
    np.testing.assert_allclose(t.jones[0, 0], 0.9 * np.eye(2), atol=1e-15)
    assert e is sent
    e, a, t = detectors.without("dark counts", sent, analyser, link)
    assert not a.dark_rate.any()
    assert a.amplitude is analyser.amplitude
    assert a.background_share is analyser.background_share
    assert (e is sent) and (t is link)
    e, a, t = detectors.without("sky", sent, analyser, link)
    assert not t.background_rate.any()
    assert (e is sent) and (a is analyser)
    assert (*detectors.DETECTION_CAUSES, "double clicks") == ERROR_CAUSES
    with pytest.raises(ValueError, match="one of preparation, optics, dark counts, sky"):
        detectors.without("double clicks", sent, analyser, link)


def test_inputs_that_do_not_fit_are_refused(receiver: Maker, emission: Maker, channel: Maker) -> None:
    told = {"trial_rate": RATE, "time_step": 1.0, "receiver_optics_transmittance": 1.0}
    analyser = receiver().analyser(RATE)
    link = channel(0.1)
    two_arms = Transmittance(
        transmittance=np.ones((1, 1, 2)),
        weight=np.ones((1, 1)),
        correlation_time=0.0,
        jones=np.broadcast_to(np.eye(2, dtype=complex), (1, 2, 2, 2)),
        background_rate=np.zeros((1, 2)),
        includes=(),
    )
    with pytest.raises(ValueError, match="one arm"):
        detectors.respond(two_arms, analyser, **told)
    with pytest.raises(ValueError, match="longer than the period"):
        detectors.respond(link, analyser, **{**told, "trial_rate": 1e9})
    with pytest.raises(ValueError, match="finite and not negative"):
        detectors.respond(channel(0.1, background_rate=-1.0), analyser, **told)
    response = detectors.respond(link, analyser, **told)
    sent = emission()
    with pytest.raises(ValueError, match="internal modes"):
        detectors.clicks(replace(sent, amplitude=np.repeat(sent.amplitude, 2, axis=-2)), response)
    closed = replace(analyser, gate_fraction=np.zeros(4))
    with pytest.raises(ValueError, match="gate_fraction must be positive"):
        detectors.clicks(sent, replace(response, analyser=closed))
    with pytest.raises(ValueError, match="not finite"):
        detectors.clicks(sent, replace(response, noise_probability=np.full((1, 1, 4), 1.5)))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"basis_choice": "random"}, "basis_choice = 'random'"),
        ({"basis_probability_z": 1.0}, "basis_probability_z = 1.0"),
        ({"active_detectors": 3}, "active_detectors = 3"),
        ({"optics_transmittance": 1.6}, "optics_transmittance = 1.6"),
        ({"polarization_contrast": 0.5}, "polarization_contrast = 0.5"),
        ({"analyser_offset_deg": [1.0, 2.0, 3.0]}, "analyser_offset_deg"),
        ({"gate_ns": -2.0}, "gate_ns = -2.0"),
        ({"gate": 2.0}, "did you mean 'gate_ns'"),
        ({"detector": {"efficiency": 1.5}}, "detector.efficiency.0 = 1.5"),
        ({"detector": {"efficiency": []}}, "detector.efficiency"),
        ({"detector": {"efficiency": True}}, "detector.efficiency = true"),
        ({"detector": {"dark_rate_hz": [1.0, 2.0]}}, "detector.dark_rate_hz has 2 values; 1 or 4 are needed"),
        ({"detector": {"dead_time_ns": "24"}}, "detector.dead_time_ns = '24'"),
        ({"detector": {"jitter": {"kind": "lorentz", "fwhm_ps": 1.0}}}, "detector.jitter"),
        ({"detector": {"jitter": {"kind": "emg", "sigma_ps": 0.0, "tau_ps": 1.0}}}, "sigma_ps"),
        (
            {"detector": {"jitter": {"kind": "gaussian", "fwhm_ps": [1.0, 2.0, 3.0]}}},
            "detector.jitter.fwhm_ps has 3 values",
        ),
        (
            {"detector": {"jitter": {"kind": "emg", "sigma_ps": [1.0] * 4, "tau_ps": [1.0] * 3}}},
            "tau_ps has 3 values",
        ),
    ],
)
def test_a_mistake_names_key_and_value(receiver: Maker, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError) as caught:
        receiver(**changes)
    assert told in str(caught.value)
    assert str(caught.value).startswith("runs/pass.toml: receiver")


def test_a_gate_or_jitter_longer_than_the_period_is_refused(receiver: Maker) -> None:
    with pytest.raises(UserError, match=r"gate_ns = 20: longer than the period of the source, 10 ns"):
        receiver(gate_ns=20.0).analyser(RATE)
    slow = {"jitter": {"kind": "emg", "sigma_ps": 151.0, "tau_ps": 459.0}}
    receiver(gate_ns=0.4, detector=slow).analyser(RATE)
    with pytest.raises(UserError, match="out of their own period of 0.5 ns"):
        receiver(gate_ns=0.4, detector=slow).analyser(2e9)
