"""Click patterns of circuits down to 1e-25: reference values, and determinants in 60 digits from the circuit's moments."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from qphys.optics import layouts
from qphys.optics.circuit import Circuit, TwoModeSqueezer
from qphys.optics.gaussian import GaussianMoments

REFERENCE = {
    (0, 0, 0, 0): 0.9619539139765,
    (0, 0, 0, 1): 1.09521989313e-2,
    (0, 0, 1, 0): 9.4735337649864e-3,
    (0, 0, 1, 1): 1.1324226181031e-4,
    (0, 1, 0, 0): 2.9004793066069e-3,
    (0, 1, 0, 1): 2.5222404138533e-4,
    (0, 1, 1, 0): 2.7637592704857e-3,
    (0, 1, 1, 1): 3.304029612359e-5,
    (1, 0, 0, 0): 6.012141076354e-3,
    (1, 0, 0, 1): 4.6816915007131e-3,
    (1, 0, 1, 0): 7.2492957952108e-4,
    (1, 0, 1, 1): 6.7416344667383e-5,
    (1, 1, 0, 0): 1.8558599016537e-5,
    (1, 1, 0, 1): 1.7687481992116e-5,
    (1, 1, 1, 0): 2.3817511325643e-5,
    (1, 1, 1, 1): 1.1366057209984e-5,
}
"""Patterns of sH, sV, iH, iV: computed apart in 50 digits, confirmed by Strawberry Fields to 5e-11."""

FAINT = {(0, 1, 1, 0): 2.9340687032777e-13, (0, 1, 1, 1): 4.8083323628244e-20, (1, 1, 1, 1): 1.2558154128045e-25}
"""The same with all transmissions times 1e-5."""


def circuit(scale: float) -> Circuit:
    source = Circuit(
        [
            TwoModeSqueezer("signal.H", "idler.V", squeezing=0.2),
            TwoModeSqueezer("signal.V", "idler.H", squeezing=0.15, phase=0.7),
        ]
    )
    efficiencies = tuple(scale * e for e in (0.3, 0.25, 0.5, 0.45))
    return layouts.analysed(source, angles=(0.3, -0.5), efficiencies=efficiencies)


def patterns_in_60_digits(moments: GaussianMoments) -> dict[tuple[int, ...], mpmath.mpf]:
    """Inclusion and exclusion over p0(S) = det(1 + Gamma_S)^(-1/2)."""
    n = len(moments.mean)
    with mpmath.workdps(60):
        silent = {}
        for subset in np.ndindex(*[2] * n):
            s = [i for i in range(n) if subset[i]]
            k = len(s)
            gamma = mpmath.eye(2 * k) if k else mpmath.eye(1)
            for a, i in enumerate(s):
                for b, j in enumerate(s):
                    number, anomalous = mpmath.mpmathify(moments.number[i, j]), mpmath.mpmathify(moments.anomalous[i, j])
                    gamma[a, b] += mpmath.conj(number)
                    gamma[k + a, k + b] += number
                    gamma[a, k + b] += anomalous
                    gamma[k + a, b] += mpmath.conj(anomalous)
            silent[subset] = 1 / mpmath.sqrt(mpmath.det(gamma).real)
        patterns = {}
        for pattern in silent:
            clicked = [i for i in range(n) if pattern[i]]
            total = mpmath.mpf(0)
            for chosen in np.ndindex(*[2] * len(clicked)):
                subset = [1 - p for p in pattern]
                for bit, i in zip(chosen, clicked, strict=True):
                    subset[i] = bit
                total += (-1) ** sum(chosen) * silent[tuple(subset)]
            patterns[pattern] = total
    return patterns


def test_moments_of_the_circuit_give_the_reference_patterns() -> None:
    """Oracle: the published vector of sixteen; 13 digits as printed."""
    patterns = patterns_in_60_digits(circuit(1.0).detected_moments())
    for pattern, expected in REFERENCE.items():
        assert float(patterns[pattern]) == pytest.approx(expected, rel=2e-12)


def test_moments_of_faint_light_give_the_reference_patterns() -> None:
    """Oracle: the same at 1e-13 to 1e-25: moments in double precision have lost nothing."""
    patterns = patterns_in_60_digits(circuit(1e-5).detected_moments())
    for pattern, expected in FAINT.items():
        assert float(patterns[pattern]) == pytest.approx(expected, rel=2e-12)


@pytest.mark.parametrize(("scale", "reference"), [(1.0, REFERENCE), (1e-5, FAINT)])
def test_kernel_gives_the_reference_patterns(scale: float, reference: dict[tuple[int, ...], float]) -> None:
    """Oracle: the reference vector, through circuit, moments and C."""
    statistics = circuit(scale).statistics()
    for pattern, expected in reference.items():
        assert statistics[pattern] == pytest.approx(expected, rel=2e-12)


def test_kernel_holds_for_detectors_that_see_several_internal_modes() -> None:
    """Oracle: 60 digits over six modes, grouped to four detectors; a faint link."""
    source = layouts.type_ii(0.1, phase=0.7, overlap=0.9)
    made = layouts.analysed(source, angles=(0.3, -0.5), transmittances=(1e-4, 1e-5))
    exact: dict[tuple[int, ...], mpmath.mpf] = {}
    owner = [d for d, group in enumerate(made.seen) for _ in group]
    for pattern, probability in patterns_in_60_digits(made.detected_moments()).items():
        clicks = tuple(int(any(p for p, o in zip(pattern, owner, strict=True) if o == d)) for d in range(4))
        exact[clicks] = exact.get(clicks, mpmath.mpf(0)) + probability
    statistics = made.statistics()
    for clicks, probability in exact.items():
        assert statistics[clicks] == pytest.approx(float(probability), rel=1e-9)
