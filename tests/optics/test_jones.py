"""Jones vectors and matrices against what is known on paper."""

from __future__ import annotations

import numpy as np
import pytest

from qphys.optics import jones

ANGLES = np.array([-1.3, 0.0, 0.2, np.pi / 4, 2.9])


def power(vector: np.ndarray) -> np.ndarray:
    return np.abs(vector) ** 2


@pytest.mark.parametrize(
    "matrix",
    [
        jones.rotation(ANGLES),
        jones.waveplate(0.7, ANGLES),
        jones.waveplate(ANGLES, 0.3),
        jones.polarizing_beam_splitter(ANGLES, 0.013),
    ],
)
def test_lossless_elements_are_unitary(matrix: np.ndarray) -> None:
    """Oracle: energy is kept, U'U = 1."""
    np.testing.assert_allclose(np.conj(matrix).swapaxes(-1, -2) @ matrix, np.broadcast_to(np.eye(2), (5, 2, 2)), atol=1e-15)


def test_rotation_turns_linear_light_by_its_angle() -> None:
    """Oracle: R(b) linear(a) = linear(a + b)."""
    turned = jones.rotation(ANGLES) @ jones.linear(0.4)
    np.testing.assert_allclose(turned, jones.linear(ANGLES + 0.4), atol=1e-15)


def test_malus_law_holds_at_a_polarizing_beam_splitter() -> None:
    """Oracle: cos^2 and sin^2 of the angle between light and analyser (Malus 1809)."""
    output = power(jones.polarizing_beam_splitter(0.3, 0.0) @ jones.linear(ANGLES)[..., np.newaxis])[..., 0]
    np.testing.assert_allclose(output, np.stack([np.cos(ANGLES - 0.3) ** 2, np.sin(ANGLES - 0.3) ** 2], -1), atol=1e-15)


def test_leak_of_a_beam_splitter_adds_power_as_if_incoherent_for_linear_light() -> None:
    """Oracle: (1 - e) cos^2 + e sin^2, without a cross term."""
    leak = 1 / 281
    output = power(jones.polarizing_beam_splitter(0.3, leak) @ jones.linear(ANGLES)[..., np.newaxis])[..., 0, 0]
    c, s = np.cos(ANGLES - 0.3) ** 2, np.sin(ANGLES - 0.3) ** 2
    np.testing.assert_allclose(output, (1 - leak) * c + leak * s, atol=1e-15)


def test_half_wave_plate_mirrors_the_angle_at_its_axis() -> None:
    """Oracle: linear(a) becomes linear(2 theta - a), up to a phase."""
    plate = jones.waveplate(np.pi, 0.2)
    overlap = np.conj(jones.linear(0.4 - ANGLES)) * (plate @ jones.linear(ANGLES)[..., np.newaxis])[..., 0]
    np.testing.assert_allclose(np.abs(overlap.sum(-1)), 1.0, atol=1e-15)


def test_quarter_wave_plate_at_45_degrees_makes_circular_light_of_h() -> None:
    """Oracle: equal powers, 90 degrees apart; any linear analyser sees one half."""
    circular = jones.waveplate(np.pi / 2, np.pi / 4) @ jones.linear(0.0)
    seen = power(jones.polarizing_beam_splitter(ANGLES, 0.0) @ circular)
    np.testing.assert_allclose(seen, 0.5, atol=1e-15)


def test_minor_axis_of_an_ellipse_holds_the_given_part_of_the_power() -> None:
    """Oracle: the definition, with an analyser along the axes."""
    ellipse = jones.elliptical(ANGLES, 0.03)[..., np.newaxis]
    seen = power(jones.polarizing_beam_splitter(ANGLES, 0.0) @ ellipse)[..., 0]
    np.testing.assert_allclose(seen, np.broadcast_to([0.97, 0.03], (5, 2)), atol=1e-15)


def test_ellipses_keep_their_handedness_when_turned() -> None:
    """Oracle: Stokes S3 = 2 Im(conj(a_H) a_V) = 2 sqrt(e (1 - e)) at every angle."""
    ellipse = jones.elliptical(ANGLES, 0.03)
    s3 = 2 * np.imag(np.conj(ellipse[..., 0]) * ellipse[..., 1])
    np.testing.assert_allclose(s3, 2 * np.sqrt(0.03 * 0.97), atol=1e-15)
