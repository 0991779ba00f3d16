"""Circuits by three roads: our moments and kernel, Strawberry Fields' Gaussian and Fock backends, The Walrus."""

from __future__ import annotations

import numpy as np
import pytest

from qphys.optics import backends, gaussian, layouts
from qphys.optics.circuit import (
    Analyser,
    BeamSplitter,
    Circuit,
    Displacement,
    HalfWavePlate,
    Loss,
    ModeMismatch,
    NumberResolvingDetector,
    Phase,
    PolarizingBeamSplitter,
    QuarterWavePlate,
    Retarder,
    Rotation,
    Squeezer,
    ThermalBackground,
    ThresholdDetector,
    TwoModeSqueezer,
)


def every_element(seed: int) -> Circuit:
    """Two arms, eight modes, every Gaussian element once, at random."""
    rng = np.random.default_rng(seed)
    angle = lambda: float(rng.uniform(-np.pi, np.pi))  # noqa: E731
    part = lambda: float(rng.uniform(0.2, 0.9))  # noqa: E731
    return Circuit(
        [
            TwoModeSqueezer("s.H", "i.V", squeezing=rng.uniform(0.1, 0.5), phase=angle()),
            TwoModeSqueezer("s.V", "i.H", squeezing=-rng.uniform(0.1, 0.5), phase=angle()),
            Squeezer("s.H", squeezing=rng.uniform(-0.3, 0.3), phase=angle()),
            Displacement("i.V", amplitude=complex(rng.normal(), rng.normal()) / 3),
            ModeMismatch("s", overlap=part(), polarization="V"),
            HalfWavePlate("s", angle=angle()),
            QuarterWavePlate("i", angle=angle()),
            Retarder("s", retardance=angle(), angle=angle()),
            Rotation("i", angle=angle()),
            Phase("i", phase=angle(), polarization="V"),
            BeamSplitter("s", "i", transmittance=part()),
            PolarizingBeamSplitter("s", "i", leak_fraction=part() / 2),
            Loss("s", transmittance=part()),
            Loss("i", transmittance=part(), polarization="H"),
            ThermalBackground("i", mean_photon_number=0.1 * part(), transmittance=part()),
            Analyser("s", angle=angle()),
            *(ThresholdDetector(a, p, efficiency=part(), dark_probability=0.05 * part()) for a in "si" for p in "HV"),
        ]
    )


@pytest.mark.parametrize("seed", range(5))
def test_moments_are_the_covariance_of_strawberry_fields(seed: int) -> None:
    """Oracle: Strawberry Fields' means and covariance, eight modes; rounding only."""
    circuit = every_element(seed)
    bare = Circuit([e for e in circuit.elements if e.kind != "detector"])
    state = backends.strawberryfields_state(bare)
    mean, covariance = gaussian.covariance(bare.gaussian())
    np.testing.assert_allclose(mean, state.means(), atol=1e-13)
    np.testing.assert_allclose(covariance, state.cov(), atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_kernel_agrees_with_the_gaussian_backend_where_nothing_cancels(seed: int) -> None:
    """Oracle: vacuum probabilities of Strawberry Fields' covariance, inclusion and exclusion; patterns above 1e-4."""
    circuit = every_element(seed)
    ours, theirs = circuit.statistics(), circuit.statistics("gaussian")
    assert theirs.min() > 1e-5
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_gaussian_backend_agrees_with_the_walrus() -> None:
    """Oracle: thewalrus.threshold_detection_prob of the same covariance."""
    from thewalrus import threshold_detection_prob

    source = layouts.type_ii(0.2, phase=0.7, imbalance=0.2)
    circuit = layouts.analysed(source, angles=(0.3, -0.5), efficiencies=(0.3, 0.25, 0.5, 0.45))
    state = backends.strawberryfields_state(circuit)
    order = [circuit.modes.index(m) for (m,) in circuit.seen]
    rows = np.array(order + [i + 4 for i in order])
    statistics = circuit.statistics("gaussian")
    for pattern in np.ndindex(2, 2, 2, 2):
        walrus = threshold_detection_prob(state.means()[rows], state.cov()[np.ix_(rows, rows)], list(pattern))
        assert statistics[pattern] == pytest.approx(walrus, rel=1e-9, abs=1e-13)


def test_fock_backend_agrees_within_its_truncation() -> None:
    """Oracle: the kernel; r = 0.1 and photon numbers up to 4 leave out about 1e-5; more would be wrong."""
    source = Circuit(
        [
            TwoModeSqueezer("signal.H", "idler.V", squeezing=0.1),
            TwoModeSqueezer("signal.V", "idler.H", squeezing=0.1, phase=0.7),
        ]
    )
    circuit = layouts.analysed(
        source,
        angles=(0.3, -0.5),
        efficiencies=(0.3, 0.25, 0.5, 0.45),
        dark_probabilities=(0.01, 0.02, 0.0, 0.03),
    )
    fock = circuit.statistics("fock", cutoff=5)
    np.testing.assert_allclose(fock, circuit.statistics(), atol=1e-5)
    assert abs(1.0 - fock.sum()) < 1e-5


def test_fock_backend_agrees_for_background_displacement_and_mismatch() -> None:
    """Oracle: the kernel; faint light in three modes, truncation 1e-6."""
    circuit = Circuit(
        [
            Displacement("a.H", amplitude=0.1 - 0.05j),
            Squeezer("a.H", squeezing=0.1, phase=0.4),
            ModeMismatch("a", overlap=0.7),
            ThermalBackground("a", mean_photon_number=0.01, transmittance=0.6, polarization="H"),
            ThresholdDetector("a", efficiency=0.8, dark_probability=0.02),
        ]
    )
    np.testing.assert_allclose(circuit.statistics("fock", cutoff=6), circuit.statistics(), atol=1e-6)


def test_counted_photons_of_a_squeezer_are_equal_in_both_arms() -> None:
    """Oracle: P(n, n) = tanh^(2n) r / cosh^2 r, thinned by a binomial."""
    circuit = Circuit([TwoModeSqueezer("a.H", "b.V", squeezing=0.3)]).then(
        NumberResolvingDetector("a", "H"), NumberResolvingDetector("b", "V", efficiency=0.5)
    )
    counts = circuit.statistics("fock", cutoff=10)
    pairs = np.tanh(0.3) ** (2 * np.arange(10)) / np.cosh(0.3) ** 2
    np.testing.assert_allclose(counts.sum(1), pairs, atol=1e-9)
    np.testing.assert_allclose(counts[2, :3], pairs[2] * np.array([0.25, 0.5, 0.25]), atol=1e-9)
