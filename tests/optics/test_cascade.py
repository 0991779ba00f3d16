"""The quantum dot's cascade: the closed form against the master equation and against its own special cases."""

from __future__ import annotations

import numpy as np
import pytest

from qphys.errors import UserError
from qphys.optics import density
from qphys.optics.cascade import HBAR, Cascade, closed_form, master_equation

INF = float("inf")


@pytest.mark.parametrize(
    ("x", "scattering", "dephasing"),
    [(0.0, INF, INF), (1.3, INF, INF), (-0.7, 2.0, INF), (2.9, INF, 1.7), (0.4, 3.1, 0.6)],
)
def test_closed_form_is_the_solution_of_the_master_equation(x: float, scattering: float, dephasing: float) -> None:
    """Oracle: qutip.mesolve, tolerance 1e-11; the sign of the splitting decides the sign of the phase."""
    lifetime = 0.73e-9
    dot = Cascade(
        splitting=x * HBAR / lifetime,
        lifetime=lifetime,
        spin_scattering_time=scattering * lifetime,
        cross_dephasing_time=dephasing * lifetime,
    )
    np.testing.assert_allclose(master_equation(dot), closed_form(dot), atol=1e-10)


@pytest.mark.parametrize("x", [0.0, 0.5, 3.0])
def test_ideal_dot_follows_its_splitting(x: float) -> None:
    """Oracle: F = (1 + 1/(1 + x^2))/2, C = (1 + x^2)^(-1/2), S = 2 sqrt(1 + C^2)."""
    pair = density.state(closed_form(Cascade(splitting=x * HBAR / 1e-9, lifetime=1e-9)))
    concurrence = (1 + x**2) ** -0.5
    assert density.fidelity(pair, "phi+") == pytest.approx((1 + 1 / (1 + x**2)) / 2, rel=1e-13)
    assert density.concurrence(pair) == pytest.approx(concurrence, abs=1e-7)
    assert density.chsh_maximum(pair) == pytest.approx(2 * np.sqrt(1 + concurrence**2), rel=1e-13)


def test_flips_and_dephasing_lower_the_fidelity_as_published() -> None:
    """Oracle: F = (1 + g' + 2 g/(1 + g^2 x^2))/4."""
    x, ss, hv = 1.1, 2.3, 0.9
    dot = Cascade(splitting=x * HBAR, lifetime=1.0, spin_scattering_time=ss, cross_dephasing_time=hv)
    g, h = 1 / (1 + 1 / (2 * ss) + 1 / hv), 1 / (1 + 1 / ss)
    pair = density.state(closed_form(dot))
    assert density.fidelity(pair, "phi+") == pytest.approx((1 + h + 2 * g / (1 + g**2 * x**2)) / 4, rel=1e-13)


def test_impossible_constants_are_told() -> None:
    """Oracle: the wording."""
    with pytest.raises(UserError, match="lifetime"):
        Cascade(splitting=0.0, lifetime=0.0)
    with pytest.raises(UserError, match="finite"):
        Cascade(splitting=INF, lifetime=1.0)
