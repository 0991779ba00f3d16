"""Polarization by other roads: Kraus operators in QuTiP for pairs, photons drawn one by one for coherent light."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qphys import channels, detectors, sources
from qphys.channels.polarization import Polarization, polarized
from qphys.detectors import PolarizationAnalyser
from qphys.optics import density, jones
from qphys.record import parse
from qphys.stages import Track, Transmittance

SEED = 90053
RECEIVER: dict[str, Any] = {
    "kind": "polarization-analyser",
    "basis_choice": "passive",
    "basis_probability_z": 0.5,
    "optics_transmittance": 1.0,
    "gate_ns": 2.0,
    "detector": {"efficiency": 1.0, "dark_rate_hz": 0.0, "dead_time_ns": 0.0, "afterpulse_probability": 0.0},
}
PULSED = {"kind": "pulsed", "repetition_rate_mhz": 100.0}
FRAME = 0.4


def link(eta: float, table: dict[str, Any]) -> Transmittance:
    """One step through a polarization table; the satellite's velocity lies at FRAME."""
    plain = Transmittance(
        transmittance=np.full((1, 1, 1), eta),
        weight=np.ones((1, 1)),
        correlation_time=0.0,
        jones=np.eye(2, dtype=complex).reshape(1, 1, 2, 2),
        background_rate=np.zeros((1, 1)),
        includes=(),
    )
    one = np.zeros(1)
    names = ("range", "elevation", "azimuth", "range_rate", "sun_elevation", "sunlit")
    track = Track(
        time=one, time_step=1.0, epoch="", **dict.fromkeys(names, one), frame_angle={"velocity": np.array([FRAME])}
    )
    record = parse(Polarization, {"attitude": "velocity"} | table, "polarization")
    return polarized(plain, record.maps(track, where="polarization"))


def responses(links: list[Transmittance], rate: float, **changes: Any) -> list[Any]:
    analyser = parse(PolarizationAnalyser, RECEIVER | changes, "receiver").analyser(rate)
    told = {"trial_rate": rate, "time_step": 1.0, "receiver_optics_transmittance": 1.0}
    return [detectors.respond(one, analyser, **told) for one in links]


def source(kind: str, visibility: float, mean: float) -> Any:
    table: dict[str, Any] = {"kind": kind, "wavelength_nm": 810.0, "pump": {**PULSED, "mean_pair_number": mean}}
    if kind == "density-pairs":
        table["state"] = {"kind": "werner", "bell_state": "psi-", "visibility": visibility}
    else:
        table |= {"schmidt_modes": 4.0, "bell_state": "psi-"}
    return parse(sources.KINDS[kind], table, "source").emission()  # type: ignore[attr-defined]


ALICE: dict[str, Any] = {
    "sender_offset_deg": 9.0,
    "elements": [
        {"place": "sender", "retardance_deg": 35.0, "axis_deg": 20.0},
        {"place": "telescope", "retardance_deg": -15.0, "diattenuation": 0.2, "axis_deg": 50.0},
    ],
    "depolarization": 0.08,
}
BOB: dict[str, Any] = {
    "elements": [{"place": "telescope", "retardance_deg": 25.0}],
    "depolarization": 0.03,
    "compensation": {"kind": "rotation", "residual_rms_deg": 6.0},
}


def kraus() -> dict[str, Any]:
    """The same ways as operators on one photon, in the order in which it meets them."""
    deg = np.pi / 180.0
    alice = [
        density.retardance(35.0 * deg, angle=20.0 * deg),
        density.rotation(FRAME + 9.0 * deg),
        density.retardance(-15.0 * deg, angle=50.0 * deg),
        density.polarization_dependent_loss((1.0, 0.8 / 1.2), angle=50.0 * deg),
        density.depolarizing(0.08),
    ]
    from qutip import Qobj

    # a normally distributed angle dephases the circular polarizations
    kept = np.exp(-2.0 * (6.0 * deg) ** 2)
    turn = Qobj(jones.rotation(np.pi / 2))
    fluctuating = (np.sqrt((1.0 + kept) / 2.0) * Qobj(np.eye(2)), np.sqrt((1.0 - kept) / 2.0) * turn)
    bob = [
        density.rotation(FRAME),
        density.retardance(25.0 * deg),
        density.rotation(-FRAME),
        density.depolarizing(0.03),
        fluctuating,
    ]
    return {"signal": alice, "idler": bob}


@pytest.mark.parametrize(("kind", "visibility"), [("density-pairs", 0.9), ("squeezed-pairs", 1.0)])
def test_error_rates_of_pairs_are_those_of_the_density_matrix(kind: str, visibility: float) -> None:
    """Oracle: QuTiP: Kraus operators on the state of one pair. At 1e-7 pairs a pulse, accidentals add 1e-6 of the rate."""
    emission = source(kind, visibility, 1e-7)
    links = [link(0.3, ALICE), link(0.2, BOB)]
    contrast = 60.0
    alice, bob = responses(links, emission.trial_rate, polarization_contrast=contrast)
    joint = channels.join(links, correlation="independent")
    found = detectors.pair_clicks(emission, (alice, bob), joint).probability[0, 0]
    pair, passed = density.send(density.werner("psi-", visibility), **kraus())
    for first, angle in ((1, 0.0), (3, np.pi / 4)):
        four = found[first : first + 2, first : first + 2]
        # psi- is opposite in both bases
        error = np.trace(four) / four.sum()
        # splitters that take one photon in C + 1 for the other polarization flip the outcome of their arm
        kept = ((contrast - 1.0) / (contrast + 1.0)) ** 2
        state = float(density.bit_error_rate(pair, angle, name="psi-"))
        assert error == pytest.approx(0.5 * (1.0 - kept * (1.0 - 2.0 * state)), rel=1e-5)
        assert four.sum() == pytest.approx(1e-7 * 0.3 * 0.2 * 0.25 * passed, rel=1e-5)
        straight = [np.array([np.cos(a), np.sin(a)]) for a in (angle, angle + np.pi / 2)]
        ideal = np.array([[np.kron(a, b) @ density.matrix(pair) @ np.kron(a, b) for b in straight] for a in straight]).real
        flip = np.array([[contrast, 1.0], [1.0, contrast]]) / (contrast + 1.0)
        np.testing.assert_allclose(four / four.sum(), flip @ ideal @ flip, rtol=1e-5)
    assert 0.05 < error < 0.4


def test_bright_pulses_meet_one_map_each() -> None:
    """Oracle: drawn photons: a normal angle and a Pauli matrix for each pulse, Poisson numbers in each detector."""
    table = {
        "sender_offset_deg": -12.0,
        "elements": [{"place": "telescope", "retardance_deg": 40.0, "diattenuation": 0.3, "axis_deg": 10.0}],
        "depolarization": 0.2,
        "compensation": {"kind": "rotation", "residual_rms_deg": 12.0},
    }
    emission = parse(
        sources.KINDS["weak-coherent"],
        {
            "kind": "weak-coherent",
            "wavelength_nm": 848.6,
            "repetition_rate_mhz": 100.0,
            "mean_photon_numbers": [2.0, 0.1, 0.0],
            "intensity_probabilities": [0.5, 0.25, 0.25],
            "basis_probability_z": 0.5,
        },
        "source",
    ).emission()  # type: ignore[attr-defined]
    eta, pulses = 0.9, 400_009
    (response,) = responses([link(eta, table)], emission.trial_rate)
    found = detectors.clicks(emission, response).probability[0, 0, 0]
    random = np.random.default_rng(SEED)
    deg = np.pi / 180.0
    offset = FRAME - 12.0 * deg
    plate = (
        jones.rotation(10 * deg)
        @ np.diag([1.0, np.sqrt(0.7 / 1.3)])
        @ jones.waveplate(40 * deg, 0.0)
        @ jones.rotation(-10 * deg)
    )
    fixed = jones.rotation(-offset) @ plate @ jones.rotation(offset)
    paulis = np.array([np.eye(2), [[1, 0], [0, -1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]]])
    analyser = np.array([[1, 0], [0, 1], [1, 1] / np.sqrt(2), [-1, 1] / np.sqrt(2)]) * np.sqrt(0.5)
    for basis, bit, angle in ((0, 0, 0.0), (0, 1, np.pi / 2), (1, 0, np.pi / 4)):
        lost = random.random(pulses) < 0.2
        which = np.where(lost, random.integers(0, 4, pulses), 0)
        turn = jones.rotation(random.normal(0.0, 12.0 * deg, pulses))
        field = np.einsum("kij,kjl,l->ki", turn, paulis[which], fixed @ jones.linear(angle))
        photons = random.poisson(2.0 * eta * np.abs(field @ analyser.T) ** 2)
        z0, z1, x0, x1 = (photons > 0).T
        quiet_z, quiet_x = ~z0 & ~z1, ~x0 & ~x1
        drawn = [
            *(quiet_z & quiet_x, z0 & ~z1 & quiet_x, z1 & ~z0 & quiet_x, x0 & ~x1 & quiet_z, x1 & ~x0 & quiet_z),
            *(z0 & z1 & quiet_x, x0 & x1 & quiet_z, ~quiet_z & ~quiet_x),
        ]
        expected = found[basis, bit]
        sigma = np.sqrt(expected * (1.0 - expected) / pulses)
        # the rule of three angles errs by 1e-4 of a probability at 12 deg
        assert np.all(np.abs(np.mean(drawn, axis=1) - expected) < 4.5 * sigma + 1e-4)


def test_error_rate_of_the_simulated_counts_in_each_basis() -> None:
    """Oracle: the closed forms: sin^2 for a rotation, one basis for retardance, p / 2, and the mean of a normal angle."""
    emission = parse(
        sources.KINDS["weak-coherent"],
        {
            "kind": "weak-coherent",
            "wavelength_nm": 848.6,
            "repetition_rate_mhz": 100.0,
            "mean_photon_numbers": [0.5, 0.1, 0.0],
            "intensity_probabilities": [0.5, 0.25, 0.25],
            "basis_probability_z": 0.5,
        },
        "source",
    ).emission()  # type: ignore[attr-defined]
    straight = {"sender_offset_deg": -np.rad2deg(FRAME)}
    cases: list[tuple[dict[str, Any], float, float]] = [
        ({}, np.sin(FRAME) ** 2, np.sin(FRAME) ** 2),
        (straight | {"elements": [{"place": "telescope", "retardance_deg": 20.0}]}, 0.0, np.sin(np.deg2rad(10.0)) ** 2),
        (straight | {"depolarization": 0.06}, 0.03, 0.03),
        (
            {"compensation": {"kind": "rotation", "residual_rms_deg": 3.0}},
            *(-0.5 * np.expm1(-2 * np.deg2rad(3.0) ** 2),) * 2,
        ),
    ]
    for table, z, x in cases:
        (response,) = responses([link(1e-6, table)], emission.trial_rate)
        found = detectors.clicks(emission, response).probability[0, 0, 0]
        for first, basis, expected in ((1, 0, z), (3, 1, x)):
            four = found[basis][:, first : first + 2]
            assert (four[0, 1] + four[1, 0]) / four.sum() == pytest.approx(expected, rel=1e-5, abs=1e-12)
