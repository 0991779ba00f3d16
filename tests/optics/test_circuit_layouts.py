"""Layouts of sources against the state they promise, and single-photon circuits against closed forms."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from qphys.errors import UserError
from qphys.optics import layouts
from qphys.optics.circuit import Circuit

LAYOUTS = {
    layouts.type_0: (0, 3),
    layouts.type_ii: (1, 2),
    layouts.sagnac: (1, 2),
    layouts.beam_displacement: (0, 3),
}
"""Layout -> positions of its two terms in (HH, HV, VH, VV)."""

Layout = Callable[..., Circuit]


def two_terms(positions: tuple[int, int], imbalance: float, coherence: complex) -> np.ndarray:
    state = np.zeros((4, 4), dtype=complex)
    first, second = positions
    state[first, first], state[second, second] = (1 + imbalance) / 2, (1 - imbalance) / 2
    state[second, first] = coherence * np.sqrt(1 - imbalance**2) / 2
    state[first, second] = np.conj(state[second, first])
    return state


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda f: f.__name__)
def test_every_layout_makes_the_promised_state_with_its_phase_and_imbalance(layout: Layout) -> None:
    """Oracle: the two-term state; its numbers differ by the mean pair number, 1e-6."""
    state, number = layout(1e-6, phase=0.9, imbalance=0.3).pair_state()
    np.testing.assert_allclose(state, two_terms(LAYOUTS[layout], 0.3, np.exp(0.9j)), atol=1e-6)
    np.testing.assert_allclose(number, 1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    ("layout", "coherence"), [(layouts.type_0, 0.8), (layouts.type_ii, 0.64), (layouts.beam_displacement, 0.64)]
)
def test_overlap_takes_coherence_as_documented(layout: Layout, coherence: float) -> None:
    """Oracle: one displaced photon leaves the root of the overlap 0.64, two leave the overlap."""
    state, _ = layout(1e-6, phase=0.9, overlap=0.64).pair_state()
    np.testing.assert_allclose(state, two_terms(LAYOUTS[layout], 0.0, coherence * np.exp(0.9j)), atol=1e-6)


def test_leaking_beam_splitter_of_a_sagnac_loop_loses_pairs_to_one_port() -> None:
    """Oracle: both photons right or both wrong, (1 - e)^2 + e^2."""
    _, ideal = layouts.sagnac(1e-6, phase=0.0).pair_state()
    _, leaking = layouts.sagnac(1e-6, phase=0.0, leak_fraction=0.02).pair_state()
    np.testing.assert_allclose(leaking / ideal, 0.98**2 + 0.02**2, rtol=1e-6)


def test_plate_error_costs_pairs_of_one_term_where_paths_lie_beside_each_other() -> None:
    """Oracle: a half-wave plate off by d turns by 2 d: cos^2(2 d) of each photon stays in V, cos^4 of the pairs."""
    state, _ = layouts.beam_displacement(1e-6, phase=0.0, plate_error=0.1).pair_state()
    np.testing.assert_allclose(state[3, 3] / state[0, 0], np.cos(0.2) ** 4, rtol=1e-6)


def test_all_photons_leave_every_layout() -> None:
    """Oracle: passive optics keep the mean photon number, two a pair."""
    made = [
        layouts.type_0(0.1, phase=0.3, overlap=0.9),
        layouts.type_ii(0.1, phase=0.3, overlap=0.9),
        layouts.sagnac(0.1, phase=0.3, leak_fraction=0.05, plate_error=0.1),
        layouts.beam_displacement(0.1, phase=0.3, overlap=0.9, plate_error=0.1),
    ]
    for source in made:
        assert np.trace(source.gaussian().number).real == pytest.approx(0.2, rel=1e-13)


def test_drift_of_the_phase_is_a_batch_and_washes_the_diagonal_visibility_out() -> None:
    """Oracle: weak pairs at +-45 degrees have the visibility cos(phi)."""
    phase = np.linspace(0.0, np.pi, 5)
    clicks = layouts.analysed(layouts.type_ii(1e-7, phase=phase), angles=(np.pi / 4, np.pi / 4)).statistics()
    same = clicks[:, 1, 0, 1, 0] + clicks[:, 0, 1, 0, 1]
    different = clicks[:, 1, 0, 0, 1] + clicks[:, 0, 1, 1, 0]
    np.testing.assert_allclose((same - different) / (same + different), np.cos(phase), atol=1e-6)


@pytest.mark.parametrize("overlap", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("transmittance", [0.5, 0.3])
def test_two_photons_leave_a_beam_splitter_as_hong_ou_and_mandel_saw(overlap: float, transmittance: float) -> None:
    """Oracle: coincidences T^2 + R^2 - 2 T R overlap, exact in number states."""
    counts = layouts.hong_ou_mandel(overlap=overlap, transmittance=transmittance).statistics("fock", cutoff=3)
    reflectance = 1 - transmittance
    expected = transmittance**2 + reflectance**2 - 2 * transmittance * reflectance * overlap
    assert counts[1, 1] == pytest.approx(expected, abs=1e-12)
    assert counts.sum() == pytest.approx(1.0, abs=1e-12)


def test_heralded_photon_has_the_distribution_of_a_counted_thermal_pair() -> None:
    """Oracle: P(n | one count) ~ tanh^(2n) n e (1 - e)^(n - 1); truncation 1e-9 at cutoff 8."""
    efficiency, number = 0.6, 0.05
    counts = layouts.heralded_single_photon(number, herald_efficiency=efficiency, signal_efficiency=1.0).statistics(
        "fock", cutoff=8
    )
    n = np.arange(8)
    expected = (number / (1 + number)) ** n * n * efficiency * (1 - efficiency) ** np.maximum(n - 1, 0)
    np.testing.assert_allclose(counts[1] / counts[1].sum(), expected / expected.sum(), atol=1e-9)


def test_wrong_lengths_and_values_are_told() -> None:
    """Oracle: the wording."""
    with pytest.raises(UserError, match="angles needs 2 values, not 3"):
        layouts.analysed(layouts.type_0(0.1, phase=0.0), angles=(0.0, 0.1, 0.2))
    with pytest.raises(UserError, match="imbalance"):
        layouts.type_0(0.1, phase=0.0, imbalance=1.5)
