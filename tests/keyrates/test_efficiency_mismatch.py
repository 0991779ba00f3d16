"""The tight bound of unequal detectors: against the optimisation, against Fung et al., and against random states."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import qphys
from qphys.keyrates.efficiency_mismatch import equal_share, ignorance_of_clicks, rate_with_discarding, tight_rate
from qphys.keyrates.efficiency_mismatch import rate_without_discarding as fung
from qphys.keyrates.entropies import binary_entropy


def table(efficiencies: tuple[float, float], z: float, x: float) -> dict[str, Any]:
    channel = {"transmittance": 0.3, "error_rates": {"Z": z, "X": x}}
    return {"kind": "efficiency-mismatch", "efficiencies": list(efficiencies), "channel": channel}


@pytest.mark.parametrize("ratio", [1.0, 0.8, 0.5, 0.2, 0.05])
@pytest.mark.parametrize(("z", "x"), [(0.02, 0.02), (0.1, 0.01), (0.01, 0.1), (0.05, 0.3), (1e-4, 1e-3)])
def test_tight_bound_is_what_the_optimisation_proves(ratio: float, z: float, x: float) -> None:
    result = qphys.keyrate(table((0.5, 0.5 * ratio), z, x))
    found = float(result["entropy_lower"] / result["kept_probability"])
    # the proof comes from below: 1e-8 bit measured, 1e-6 asked
    assert 0.0 < tight_rate(0.5, 0.5 * ratio, 0.0, phase_error=x) - found < 2e-8
    closed = qphys.keyrate(table((0.5 * ratio, 0.5), z, x), numerical=False)
    assert closed["entropy_lower"] / closed["kept_probability"] == pytest.approx(
        float(tight_rate(ratio, 1.0, 0.0, phase_error=x)), rel=1e-12
    )


def test_tight_bound_has_its_limits() -> None:
    ratio, error = np.linspace(0.02, 1.0, 50)[:, None], np.linspace(0.0, 0.2, 41)
    rate = tight_rate(1.0, ratio, error, phase_error=error)
    # equal detectors: BB84; no errors: the bias of the key alone
    np.testing.assert_allclose(rate[-1], np.maximum(1.0 - 2.0 * binary_entropy(error), 0.0), atol=1e-14)
    np.testing.assert_allclose(rate[:, 0], binary_entropy(1.0 / (1.0 + ratio[:, 0])), atol=1e-14)
    # never below what Fung et al. prove with all bits kept
    assert np.all(rate >= fung(equal_share(1.0, ratio), error, phase_error=error) - 1e-14)
    assert np.all(np.diff(rate, axis=0) >= -1e-14) and np.all(np.diff(rate, axis=1) <= 1e-14)
    # without errors to correct, throwing bits away gains nothing
    share = equal_share(1.0, ratio)
    kept = tight_rate(1.0, ratio, 0.0, phase_error=error)
    assert np.all(kept >= rate_with_discarding(share, 0.0, phase_error=error) - 1e-14)
    assert np.isnan(tight_rate(1.0, -0.5, 0.1, phase_error=0.1)) and np.isnan(tight_rate(1.0, 1.0, 0.1, phase_error=np.nan))
    assert tight_rate(1.0, 0.5, 0.0, phase_error=0.7) == tight_rate(1.0, 0.5, 0.0, phase_error=0.5)


def ignorance(rho: np.ndarray, efficiencies: np.ndarray) -> float:
    """H(A's Z|Eve) of a two-qubit state behind Bob's filter, from entropies, not normalised."""
    filtered = np.kron(np.eye(2), np.diag(np.sqrt(efficiencies)))
    rho = filtered @ rho @ filtered

    def entropy(matrix: np.ndarray) -> float:
        values = np.linalg.eigvalsh(matrix)
        return float(-sum(v * np.log2(v) for v in values if v > 1e-15))

    pinched = rho.copy()
    pinched[:2, 2:] = pinched[2:, :2] = 0.0
    return entropy(pinched) - entropy(rho)


def test_bound_holds_for_any_state_and_any_statistics() -> None:
    """No symmetry of the statistics is assumed: random complex states, random efficiencies."""
    rng = np.random.default_rng(3)
    hadamard = np.kron(*[np.array([[1, 1], [1, -1]]) / np.sqrt(2)] * 2)
    sign = np.array([1, -1, -1, 1])
    slack = []
    for _ in range(2000):
        rank = int(rng.integers(1, 5))
        root = rng.normal(size=(4, rank)) + 1j * rng.normal(size=(4, rank))
        root[0] += 3 * rng.random()
        root[3, 0] += 3 * rng.random()
        rho = root @ root.conj().T
        rho /= np.trace(rho).real
        efficiencies = rng.random(2)
        z, x = np.diag(rho).real, np.diag(hadamard @ rho @ hadamard).real
        seen = z.reshape(2, 2).sum(axis=0) * efficiencies
        bound = ignorance_of_clicks(*seen, correlation=np.sqrt(efficiencies.prod()) * (sign @ x))
        slack.append(ignorance(rho, efficiencies) - bound)
    assert -1e-12 < min(slack) < 0.02  # and some states come close to it


def test_unbalanced_statistics_leave_the_closed_bound_below_the_optimum() -> None:
    # detectors of 0.4 and 0.2; a 1 errs more often than a 0
    clicks = {
        "Z": [[0.4 * 0.99, 0.2 * 0.01], [0.4 * 0.10, 0.2 * 0.90]],
        "X": [[0.4 * 0.96, 0.2 * 0.04], [0.4 * 0.04, 0.2 * 0.96]],
    }
    result = qphys.keyrate({"kind": "efficiency-mismatch", "efficiencies": [0.4, 0.2], "click_probabilities": clicks})
    closed = qphys.keyrate(
        {"kind": "efficiency-mismatch", "efficiencies": [0.4, 0.2], "click_probabilities": clicks}, numerical=False
    )
    assert 0.0 < result["entropy_lower"] - closed["entropy_lower"] < 0.05 * closed["entropy_lower"]
    assert "Bochkov" in closed.attrs["closed_form"] and "lower bound" in closed.attrs["closed_form"]


def test_statistics_of_no_state_have_no_bound() -> None:
    assert np.isnan(ignorance_of_clicks(0.2, 0.1, correlation=0.3))
    assert np.isnan(ignorance_of_clicks(-0.1, 0.2, correlation=0.0)) and np.isnan(
        ignorance_of_clicks(0.0, 0.0, correlation=0.0)
    )
    assert ignorance_of_clicks(0.2, 0.1, correlation=2 * np.sqrt(0.02)) == pytest.approx(
        0.3 * binary_entropy(1 / 3), rel=1e-12
    )
