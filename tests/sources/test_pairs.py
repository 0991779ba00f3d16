"""Sources of entangled pairs: their states, moments and mistakes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qphys.errors import UserError
from qphys.record import parse
from qphys.sources import KINDS
from qphys.sources.density_pairs import BELL_STATES, bell_projector
from qphys.stages import DensityPairEmission, GaussianPairEmission

PULSED = {"kind": "pulsed", "repetition_rate_mhz": 100.0, "mean_pair_number": 0.12}
SINGLET = np.array([0.0, 1.0, -1.0, 0.0]) / np.sqrt(2.0)


def squeezed(**changes: Any) -> Any:
    table = {
        "kind": "squeezed-pairs",
        "wavelength_nm": 810.0,
        "pump": PULSED,
        "schmidt_modes": 1.0,
        "bell_state": "psi-",
    }
    return parse(KINDS["squeezed-pairs"], {**table, **changes}, "run.toml: source").emission()  # type: ignore[attr-defined]


def density(**state: Any) -> Any:
    table = {"kind": "density-pairs", "wavelength_nm": 810.0, "pump": PULSED, "state": state}
    return parse(KINDS["density-pairs"], table, "run.toml: source").emission()  # type: ignore[attr-defined]


def error_rates(state: Any) -> tuple[float, float]:
    """Probability of equal results in Z and in X: a second route, by projectors on |++> and |-->."""
    plus, minus = np.array([1, 1]) / np.sqrt(2), np.array([1, -1]) / np.sqrt(2)
    z = state[0, 0] + state[3, 3]
    x = sum(np.kron(v, v) @ state @ np.kron(v, v) for v in (plus, minus))
    return float(z.real), float(x.real)


@pytest.mark.parametrize("modes", [1.0, 6.5])
@pytest.mark.parametrize("name", list(BELL_STATES))
def test_moments_are_those_of_squeezed_vacuum(name: str, modes: float) -> None:
    """Oracle: cosh and sinh of the squeezing; the anomalous block is the Bell state."""
    emission = squeezed(schmidt_modes=modes, bell_state=name, imbalance=0.25, phase_deg=20.0)
    assert isinstance(emission, GaussianPairEmission)
    r = np.arcsinh(np.sqrt(0.12 * np.array([0.625, 0.375]) / modes))
    block = emission.anomalous[:2, 2:]
    bell = np.array(BELL_STATES[name]).reshape(2, 2)
    np.testing.assert_allclose(np.abs(block[0]), np.abs(bell[0]) * np.sinh(r[0]) * np.cosh(r[0]), rtol=1e-12)
    np.testing.assert_allclose(np.abs(block[1]), np.abs(bell[1]) * np.sinh(r[1]) * np.cosh(r[1]), rtol=1e-12)
    turn = block[1].sum() / block[0].sum() / (bell[1].sum() / bell[0].sum())
    assert np.angle(turn) == pytest.approx(np.deg2rad(20.0), rel=1e-9)
    assert modes * np.trace(emission.number[:2, :2]).real == pytest.approx(0.12, rel=1e-12)
    # pure light: N_s (1 + N_s) = M M', arm by arm
    for own, across in ((emission.number[:2, :2], block), (emission.number[2:, 2:], block.T)):
        np.testing.assert_allclose(own.conj() @ (np.eye(2) + own.conj()), across @ across.conj().T, atol=1e-15)


def test_many_modes_hold_poisson_light_of_the_same_state() -> None:
    """Oracle: at 1e9 modes the anomalous moments, over their length, are the amplitudes of the Poisson limit."""
    for name in BELL_STATES:
        told = {"bell_state": name, "imbalance": -0.4, "phase_deg": 33.0}
        limit, many = squeezed(schmidt_modes="poisson", **told), squeezed(schmidt_modes=1e9, **told)
        assert isinstance(limit, DensityPairEmission)
        amplitude = many.anomalous[:2, 2:].reshape(4)
        np.testing.assert_allclose(
            limit.state, np.outer(amplitude, amplitude.conj()) / np.linalg.norm(amplitude) ** 2, atol=1e-9
        )
        assert limit.mean_pair_number == 0.12


def test_a_balanced_poisson_source_is_a_bell_state() -> None:
    """Oracle: the projector of the other source."""
    for name in BELL_STATES:
        np.testing.assert_allclose(
            squeezed(schmidt_modes="poisson", bell_state=name).state, bell_projector(name), atol=1e-15
        )


def test_a_werner_state_errs_alike_in_both_bases() -> None:
    """Oracle: (1 - V) / 2."""
    state = density(kind="werner", bell_state="psi-", visibility=0.91).state
    assert error_rates(state) == pytest.approx((0.045, 0.045), abs=1e-14)
    assert (SINGLET @ state @ SINGLET).real == pytest.approx((1 + 3 * 0.91) / 4, abs=1e-14)


def test_bell_weights_are_errors_by_basis() -> None:
    """Oracle: of a singlet, phi- errs in Z, psi+ in X, phi+ in both."""
    state = density(kind="bell-diagonal", weights=[0.85, 0.03, 0.05, 0.07]).state
    assert error_rates(state) == pytest.approx((0.12, 0.08), abs=1e-14)


def test_dephasing_errs_in_x_only() -> None:
    """Oracle: (1 - c sqrt(1 - b^2) cos phi) / 2, and no error in Z."""
    state = density(kind="dephased", bell_state="psi-", coherence=0.93, imbalance=0.28, phase_deg=17.0).state
    expected = (1 - 0.93 * np.sqrt(1 - 0.28**2) * np.cos(np.deg2rad(17.0))) / 2
    assert error_rates(state) == pytest.approx((0.0, expected), abs=1e-14)


def test_an_explicit_state_is_taken_as_it_is() -> None:
    """Oracle: the numbers given."""
    given = bell_projector("phi+")
    imaginary = np.zeros((4, 4))
    imaginary[0, 3], imaginary[3, 0] = 0.1, -0.1
    state = density(
        kind="explicit",
        density_matrix_real=(0.9 * given.real + 0.025 * np.eye(4)).tolist(),
        density_matrix_imaginary=imaginary.tolist(),
    ).state
    np.testing.assert_array_equal(state, 0.9 * given + 0.025 * np.eye(4) + 1j * imaginary)


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ({"kind": "bell-diagonal", "weights": [0.5, 0.2, 0.2, 0.2]}, "weights must sum to 1; the sum is 1.1"),
        ({"kind": "explicit", "density_matrix_real": (np.eye(4) / 3.0).tolist()}, "must have trace 1, not 1.333"),
        (
            {"kind": "explicit", "density_matrix_real": np.diag([0.7, 0.5, -0.2, 0.0]).tolist()},
            "negative eigenvalue -0.2",
        ),
        (
            {"kind": "explicit", "density_matrix_real": (np.eye(4) / 4 + 0.1 * np.eye(4, k=1)).tolist()},
            "not Hermitian",
        ),
        ({"kind": "wernr", "visibility": 1.0}, "did you mean 'werner'"),
        ({"kind": "werner", "bell_state": "psi-", "visibility": 1.2}, "visibility = 1.2"),
    ],
)
def test_what_is_no_state_is_told(state: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match="run.toml: source.state") as error:
        density(**state)
    assert told in str(error.value)


@pytest.mark.parametrize("modes", [0.5, "thermal", float("inf")])
def test_less_than_one_schmidt_mode_is_none(modes: Any) -> None:
    with pytest.raises(UserError, match="run.toml: source.schmidt_modes"):
        squeezed(schmidt_modes=modes)
