"""Weak coherent source: light of every setting, probabilities, mistakes in its table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qphys.errors import UserError
from qphys.optics import jones
from qphys.record import parse
from qphys.sources import KINDS
from qphys.sources.weak_coherent import WeakCoherent, fluctuation_nodes
from qphys.statistics import schema

TABLE: dict[str, Any] = {
    "kind": "weak-coherent",
    "wavelength_nm": 848.6,
    "repetition_rate_mhz": 100.0,
    "mean_photon_numbers": [0.8, 0.1, 0.003],
    "intensity_probabilities": [0.5, 0.3, 0.2],
    "basis_probability_z": 0.7,
}


def source(**changes: Any) -> WeakCoherent:
    table = {key: value for key, value in {**TABLE, **changes}.items() if value is not None}
    return parse(WeakCoherent, table, "runs/pass.toml: source")


def test_settings_carry_the_names_of_the_schema() -> None:
    """Oracle: statistics/schema.py, which sources may not import."""
    emission = source().emission()
    assert tuple(emission.settings) == schema.SETTINGS_BB84
    assert emission.settings[schema.INTENSITY] == ("mu1", "mu2", "mu3")
    assert emission.settings[schema.ALICE_BASIS] == schema.BASES
    assert emission.settings[schema.ALICE_BIT] == schema.BITS


def test_mean_photons_of_a_pulse_are_those_of_its_intensity_in_every_state() -> None:
    """Oracle: the definition; fluctuation, offsets and extinction move no photons in the mean."""
    emission = source(
        intensity_fluctuation=0.07, preparation_offset_deg=[1.0, -2.0, 0.5, 3.0], extinction_ratio_db=20.0
    ).emission()
    photons = np.einsum("e,ekabmp->kab", emission.node_weight, np.abs(emission.amplitude) ** 2)
    np.testing.assert_allclose(photons, np.broadcast_to(np.reshape([0.8, 0.1, 0.003], (3, 1, 1)), (3, 2, 2)), rtol=1e-14)
    np.testing.assert_array_equal(emission.mean_photon_number, [0.8, 0.1, 0.003])


def test_ideal_states_are_h_v_and_the_diagonals() -> None:
    """Oracle: BB84; bases mutually unbiased, bits orthogonal."""
    emission = source().emission()
    state = emission.ideal_amplitude[0, 0, :, :, 0].reshape(4, 2) / np.sqrt(0.8)
    overlap = np.abs(np.conj(state) @ state.T) ** 2
    expected = np.full((4, 4), 0.5)
    expected[:2, :2] = expected[2:, 2:] = np.eye(2)
    np.testing.assert_allclose(overlap, expected, atol=1e-15)
    np.testing.assert_allclose(state[2], np.sqrt([0.5, 0.5]), atol=1e-15)
    np.testing.assert_array_equal(emission.amplitude, emission.ideal_amplitude)


def test_offset_of_a_state_turns_that_state_alone() -> None:
    """Oracle: an error rate of sin^2 of the offset, in its own basis."""
    emission = source(preparation_offset_deg=[0.0, 0.0, 2.0, 0.0]).emission()
    rows = jones.polarizing_beam_splitter(np.array([0.0, np.pi / 4]), 0.0)
    seen = np.abs(np.einsum("aop,abp->abo", rows, emission.amplitude[0, 0, :, :, 0])) ** 2 / 0.8
    np.testing.assert_allclose(seen[1, 0], [np.cos(np.deg2rad(2)) ** 2, np.sin(np.deg2rad(2)) ** 2], atol=1e-15)
    np.testing.assert_allclose([seen[0, 0, 1], seen[0, 1, 0], seen[1, 1, 0]], 0.0, atol=1e-15)


def test_extinction_ratio_is_the_ratio_of_powers_in_the_own_basis() -> None:
    """Oracle: 23 dB are a factor 10^2.3; the other basis still sees one half."""
    emission = source(extinction_ratio_db=23.0).emission()
    rows = jones.polarizing_beam_splitter(np.array([0.0, np.pi / 4]), 0.0)
    seen = np.abs(np.einsum("gop,abp->gabo", rows, emission.amplitude[0, 0, :, :, 0])) ** 2
    np.testing.assert_allclose(seen[0, 0, 0, 0] / seen[0, 0, 0, 1], 10**2.3, rtol=1e-12)
    np.testing.assert_allclose(seen[1, 1, 1, 1] / seen[1, 1, 1, 0], 10**2.3, rtol=1e-12)
    np.testing.assert_allclose(seen[0, 1], 0.4, rtol=1e-12)
    np.testing.assert_allclose(seen[1, 0], 0.4, rtol=1e-12)


def test_mean_error_of_source_and_analyser_leaks_is_that_of_incoherent_leaks() -> None:
    """Oracle: e (1 - f) + f (1 - e) for two independent leaks e and f."""
    e, f = 1 / 281, 1 / (1 + 10**2.1)
    emission = source(extinction_ratio_db=21.0).emission()
    for basis, angle in enumerate((0.0, np.pi / 4)):
        rows = jones.polarizing_beam_splitter(angle, e)
        seen = np.abs(np.einsum("op,bp->bo", rows, emission.amplitude[0, 0, basis, :, 0])) ** 2 / 0.8
        assert 0.5 * (seen[0, 1] + seen[1, 0]) == pytest.approx(e * (1 - f) + f * (1 - e), rel=1e-12)


def test_joint_probability_is_the_product_of_independent_choices() -> None:
    """Oracle: the product by hand."""
    joint = source(bit_probabilities=[0.6, 0.4]).emission().setting_probability
    assert joint[0, 0, 0] == pytest.approx(0.5 * 0.7 * 0.6, rel=1e-14)
    assert joint[2, 1, 1] == pytest.approx(0.2 * 0.3 * 0.4, rel=1e-14)


def test_joint_table_replaces_the_independent_choices() -> None:
    """Oracle: the table itself (decoys in X only)."""
    table = [[[0.3, 0.3], [0.05, 0.05]], [[0.0, 0.0], [0.1, 0.1]], [[0.0, 0.0], [0.05, 0.05]]]
    joint = source(joint_probability=table, intensity_probabilities=None, basis_probability_z=None)
    np.testing.assert_allclose(joint.emission().setting_probability, table, rtol=1e-14)
    assert joint.claims()["setting_probability"][1][1][0] == pytest.approx(0.1)


def test_units_become_si() -> None:
    emission = source().emission()
    assert emission.wavelength == pytest.approx(848.6e-9, rel=1e-15)
    assert emission.trial_rate == pytest.approx(1e8, rel=1e-15)


@pytest.mark.parametrize("rms", [0.01, 0.05, 0.3])
def test_intensity_nodes_are_positive_and_have_the_moments_of_a_normal_distribution(rms: float) -> None:
    """Oracle: moments 1, 0, s^2, 0, 3 s^4, 0 about the mean."""
    nodes, weights = fluctuation_nodes(rms)
    assert np.all(nodes > 0.4)
    moments = [weights @ (nodes - 1) ** k for k in range(6)]
    np.testing.assert_allclose(moments, [1, 0, rms**2, 0, 3 * rms**4, 0], atol=1e-16)


def test_intensity_fluctuation_raises_the_vacuum_probability_of_a_pulse() -> None:
    """Oracle: E[exp(-m x)] = exp(-m + (m s)^2 / 2) for normal x."""
    nodes, weights = fluctuation_nodes(0.05)
    assert weights @ np.exp(-0.8 * nodes) == pytest.approx(np.exp(-0.8 + (0.8 * 0.05) ** 2 / 2), rel=2e-10)


def test_claims_are_plain_values() -> None:
    import json

    claims = source().claims()
    assert json.loads(json.dumps(claims)) == claims
    assert claims["protocol"] == schema.PROTOCOL_DECOY_BB84
    assert KINDS["weak-coherent"] is WeakCoherent


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"mean_photon_numbers": [0.8]}, "mean_photon_numbers"),
        ({"mean_photon_numbers": [0.1, 0.8, 0.0]}, "decrease strictly"),
        ({"mean_photon_numbers": [0.8, 0.8, 0.0]}, "decrease strictly"),
        ({"mean_photon_numbers": [0.8, 0.1, -0.1]}, "mean_photon_numbers.2 = -0.1"),
        ({"mean_photon_numbers": "0.8"}, "mean_photon_numbers = '0.8'"),
        ({"intensity_probabilities": [0.5, 0.5]}, "2 values, mean_photon_numbers 3"),
        ({"intensity_probabilities": [0.5, 0.3, 0.3]}, "must sum to 1; the sum is 1.1"),
        ({"intensity_probabilities": [1.2, -0.3, 0.1]}, "intensity_probabilities.0 = 1.2"),
        ({"intensity_probabilities": None}, "intensity_probabilities and basis_probability_z are required"),
        ({"basis_probability_z": None}, "intensity_probabilities and basis_probability_z are required"),
        ({"basis_probability_z": 1.5}, "basis_probability_z = 1.5"),
        ({"bit_probabilities": [0.5, 0.6]}, "bit_probabilities must sum to 1"),
        ({"bit_probabilities": [1.0]}, "bit_probabilities"),
        ({"joint_probability": [[[0.5, 0.5], [0.0, 0.0]]]}, "give one or the other"),
        ({"repetition_rate_mhz": 0.0}, "repetition_rate_mhz = 0.0"),
        ({"wavelength_nm": float("nan")}, "wavelength_nm = nan"),
        ({"wavelength": 848.6}, "did you mean 'wavelength_nm'"),
        ({"intensity_fluctuation": 0.4}, "intensity_fluctuation = 0.4"),
        ({"preparation_offset_deg": [0.0, 1.0]}, "preparation_offset_deg"),
        ({"extinction_ratio_db": -3.0}, "extinction_ratio_db = -3.0"),
        ({"phase": "discrete"}, "phase = 'discrete'"),
    ],
)
def test_a_mistake_names_key_and_value(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError) as caught:
        source(**changes)
    assert told in str(caught.value)
    assert str(caught.value).startswith("runs/pass.toml: source")


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ([[[0.5, 0.5], [0.0, 0.0]]], "must have 3 tables"),
        ([[[0.5, 0.5]], [[0.0, 0.0]], [[0.0, 0.0]]], "must have 3 tables"),
        ([[[0.5, 0.5], [0.1, 0.0]], [[0.0, 0.0]] * 2, [[0.0, 0.0]] * 2], "must sum to 1; the sum is 1.1"),
    ],
)
def test_a_joint_table_of_wrong_shape_or_sum_is_refused(table: Any, told: str) -> None:
    with pytest.raises(UserError, match=told):
        source(joint_probability=table, intensity_probabilities=None, basis_probability_z=None)
