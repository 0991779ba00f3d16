"""Two-qubit states and channels against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from qphys.errors import UserError
from qphys.optics import density
from qphys.sources.density_pairs import Dephased

NAMES = ("psi-", "psi+", "phi+", "phi-")
CHSH_ANGLES = {
    "phi+": (0.0, np.pi / 4, np.pi / 8, -np.pi / 8),
    "psi-": (0.0, np.pi / 4, np.pi / 8, -np.pi / 8),
    "psi+": (0.0, -np.pi / 4, np.pi / 8, -np.pi / 8),
    "phi-": (0.0, -np.pi / 4, np.pi / 8, -np.pi / 8),
}
"""Analysers that reach the largest value."""


@pytest.mark.parametrize("name", NAMES)
def test_bell_states_are_orthonormal_and_break_chsh_most(name: str) -> None:
    """Oracle: Tsirelson's bound 2 sqrt 2; fidelities 0 and 1."""
    for other in NAMES:
        assert density.fidelity(density.bell(name), other) == pytest.approx(float(name == other), abs=1e-15)
    a0, a1, b0, b1 = CHSH_ANGLES[name]
    assert density.chsh(density.bell(name), (a0, a1), idler_angles=(b0, b1)) == pytest.approx(2 * np.sqrt(2), rel=1e-14)
    assert density.chsh_maximum(density.bell(name)) == pytest.approx(2 * np.sqrt(2), rel=1e-14)


@pytest.mark.parametrize("visibility", [0.0, 1 / 3, 0.61, 1.0])
def test_werner_states_follow_their_visibility(visibility: float) -> None:
    """Oracle: C = max(0, (3 V - 1)/2), S = 2 sqrt 2 V, F = (1 + 3 V)/4, error rate (1 - V)/2 in both bases."""
    pair = density.werner("psi-", visibility)
    assert density.concurrence(pair) == pytest.approx(max(0.0, 1.5 * visibility - 0.5), abs=1e-7)
    assert density.chsh_maximum(pair) == pytest.approx(2 * np.sqrt(2) * visibility, abs=1e-14)
    assert density.fidelity(pair, "psi-") == pytest.approx((1 + 3 * visibility) / 4, rel=1e-14)
    np.testing.assert_allclose(density.bit_error_rate(pair, [0.0, np.pi / 4], name="psi-"), (1 - visibility) / 2, atol=1e-15)


def test_bell_diagonal_states_err_by_their_weights() -> None:
    """Oracle: for psi-, H and V err with both phi, the diagonal basis with psi+ and phi-'s partner."""
    pair = density.bell_diagonal((0.9, 0.05, 0.03, 0.02))
    assert density.bit_error_rate(pair, 0.0, name="psi-") == pytest.approx(0.03 + 0.02)
    assert density.bit_error_rate(pair, np.pi / 4, name="psi-") == pytest.approx(0.05 + 0.03)
    assert density.concurrence(pair) == pytest.approx(2 * 0.9 - 1, abs=1e-7)


def test_colored_noise_is_dephasing() -> None:
    """Oracle: the same state by a channel; S = 2 sqrt(1 + V^2) (Cabello et al. 2005)."""
    pair = density.colored_noise("psi-", 0.7)
    sent, _ = density.send(density.bell("psi-"), idler=[density.dephasing(0.7)])
    np.testing.assert_allclose(density.matrix(pair), density.matrix(sent), atol=1e-15)
    assert density.chsh_maximum(pair) == pytest.approx(2 * np.sqrt(1 + 0.7**2), rel=1e-14)
    assert density.concurrence(pair) == pytest.approx(0.7, abs=1e-7)


def test_imbalance_and_phase_give_the_sources_own_state() -> None:
    """Oracle: the record of a run file, NumPy only; C = c sqrt(1 - b^2)."""
    source = Dephased(kind="dephased", bell_state="phi-", coherence=0.8, imbalance=0.3, phase_deg=25.0)
    pair = density.bell("phi-", imbalance=0.3, phase=np.deg2rad(25.0))
    dephased, _ = density.send(pair, signal=[density.dephasing(0.8)])
    np.testing.assert_allclose(density.matrix(dephased), source.density_matrix(), atol=1e-15)
    assert density.concurrence(dephased) == pytest.approx(0.8 * np.sqrt(1 - 0.3**2), abs=1e-7)


def test_phase_noise_washes_out_as_a_normal_average() -> None:
    """Oracle: a sum over 20,001 phases."""
    phase = np.linspace(-8, 8, 20_001) * 0.4
    weight = np.exp(-0.5 * (phase / 0.4) ** 2)
    np.testing.assert_allclose(density.phase_noise_coherence(0.4), np.sum(weight * np.cos(phase)) / weight.sum(), rtol=1e-12)


def test_crystal_phase_counts_waves_of_delay() -> None:
    """Oracle: by hand: 2 mm, 1 um, 0.1: 200 waves; warmer by 2 K, 1 + 2e-5 times longer and 0.1 - 4e-6."""
    phase = density.crystal_phase(
        [20.0, 22.0],
        reference_temperature=20.0,
        length=2e-3,
        wavelength=1e-6,
        birefringence=0.1,
        thermo_optic_difference=-2e-6,
        expansion=1e-5,
    )
    np.testing.assert_allclose(phase / (2 * np.pi), [200.0, 2000 * 1.00002 * 0.099996], rtol=1e-14)


def test_depolarizing_one_photon_makes_a_werner_state() -> None:
    """Oracle: V = 1 - p."""
    sent, passed = density.send(density.bell("phi+"), idler=[density.depolarizing(0.3)])
    np.testing.assert_allclose(density.matrix(sent), density.matrix(density.werner("phi+", 0.7)), atol=1e-15)
    assert passed == pytest.approx(1.0)


def test_rotation_errs_with_the_sine_squared_in_both_bases() -> None:
    """Oracle: sin^2 of the angle between the frames."""
    sent, _ = density.send(density.bell("phi+"), idler=[density.rotation(0.2)])
    np.testing.assert_allclose(density.bit_error_rate(sent, [0.0, np.pi / 4], name="phi+"), np.sin(0.2) ** 2, rtol=1e-13)


def test_singlet_does_not_see_a_turn_of_both_frames() -> None:
    """Oracle: the singlet's invariance under any equal unitary."""
    both = [density.rotation(0.4), density.retardance(1.1, angle=0.3)]
    sent, _ = density.send(density.bell("psi-"), signal=both, idler=both)
    assert density.fidelity(sent, "psi-") == pytest.approx(1.0, rel=1e-14)


def test_waveplate_off_by_a_little_errs_to_second_order() -> None:
    """Oracle: a half-wave plate with retardance pi + x, axis at 22.5 degrees: sin^2(x/2)/2 of the light is not turned."""
    x = 0.1
    right, _ = density.send(density.bell("phi+"), idler=[density.retardance(np.pi, angle=np.pi / 8)])
    wrong, _ = density.send(density.bell("phi+"), idler=[density.retardance(np.pi + x, angle=np.pi / 8)])
    assert (right * wrong).tr().real == pytest.approx(np.cos(x / 2) ** 2, rel=1e-13)


def test_polarization_dependent_loss_filters_and_can_distil() -> None:
    """Oracle: Procrustean filter: with the heavier term attenuated by (1 - b)/(1 + b) the pair is a Bell state again."""
    sent, passed = density.send(
        density.bell("phi+", imbalance=0.4), signal=[density.polarization_dependent_loss((0.6 / 1.4, 1.0))]
    )
    assert passed == pytest.approx(0.6, rel=1e-14)
    assert density.fidelity(sent, "phi+") == pytest.approx(1.0, rel=1e-14)


@pytest.mark.parametrize(
    "channel",
    [
        density.depolarizing(0.37),
        density.dephasing(0.6, angle=0.3),
        density.retardance(0.9, angle=1.0),
        density.rotation(0.3),
    ],
)
def test_lossless_channels_keep_the_trace(channel: density.Channel) -> None:
    """Oracle: sum of K'K = 1."""
    np.testing.assert_allclose(sum(k.dag() * k for k in channel).full(), np.eye(2), atol=1e-15)


def test_largest_chsh_value_is_that_of_a_search_over_all_analysers() -> None:
    """Oracle: numerical maximisation over Bloch vectors, for random states."""
    rng = np.random.default_rng(20)
    for _ in range(3):
        root = rng.normal(size=(4, 4)) + 1j * rng.normal(size=(4, 4))
        pair = density.state(root @ root.conj().T / np.trace(root @ root.conj().T).real)
        tensor, best = density.correlation_matrix(pair), 0.0
        for _ in range(40):
            b0, b1 = rng.normal(size=(2, 3))
            for _ in range(200):
                a0, a1 = (v / np.linalg.norm(v) for v in (tensor @ (b0 + b1), tensor @ (b0 - b1)))
                b0, b1 = (v / np.linalg.norm(v) for v in (tensor.T @ (a0 + a1), tensor.T @ (a0 - a1)))
            best = max(best, a0 @ tensor @ (b0 + b1) + a1 @ tensor @ (b0 - b1))
        assert density.chsh_maximum(pair) == pytest.approx(best, rel=1e-9)


def test_signs_and_angles_of_chsh_are_those_given() -> None:
    """Oracle: E = -cos 2(a - b) of the singlet, by hand, at angles that are not the best."""
    a, b = (0.1, 0.9), (0.4, -0.2)
    e = -np.cos(2 * (np.array(a)[:, None] - np.array(b)))
    expected = abs(e[0, 0] - e[0, 1] + e[1, 0] + e[1, 1])
    value = density.chsh(density.bell("psi-"), a, idler_angles=b, signs=(1.0, -1.0, 1.0, 1.0))
    assert value == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: density.bell("psi"), "did you mean"),
        (lambda: density.bell("psi-", imbalance=1.2), "imbalance"),
        (lambda: density.werner("psi-", -0.1), "visibility"),
        (lambda: density.bell_diagonal((0.5, 0.5, 0.1, 0.0)), "of sum 1"),
        (lambda: density.state(np.eye(3)), "shape"),
        (lambda: density.state(np.eye(4)), "trace 1"),
        (lambda: density.state(np.diag([1.2, -0.2, 0.0, 0.0])), "negative eigenvalue"),
        (lambda: density.polarization_dependent_loss((0.5, 1.5)), "outside"),
        (lambda: density.bit_error_rate(density.bell("psi-"), np.pi / 8, name="phi-"), "not correlated"),
        (lambda: density.send(density.bell("phi+"), signal=[density.polarization_dependent_loss((0.0, 0.0))]), "no pair"),
    ],
)
def test_mistakes_are_told(make: object, message: str) -> None:
    """Oracle: the wording."""
    with pytest.raises(UserError, match=message):
        make()  # type: ignore[operator]
