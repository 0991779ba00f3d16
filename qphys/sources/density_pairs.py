"""Entangled pairs of a two-qubit state, which arrive independently of each other."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Final, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from qphys.record import Record
from qphys.sources.pump import Pump
from qphys.sources.squeezers import BellState
from qphys.stages import Complexes, DensityPairEmission

BELL_STATES: Final[dict[str, tuple[float, float, float, float]]] = {
    "psi-": (0.0, 1.0, -1.0, 0.0),
    "psi+": (0.0, 1.0, 1.0, 0.0),
    "phi+": (1.0, 0.0, 0.0, 1.0),
    "phi-": (1.0, 0.0, 0.0, -1.0),
}
"""Amplitudes of HH, HV, VH, VV (signal first), times the square root of 2."""

TOLERANCE: Final = 1e-9
"""Deviation of a given matrix from a state that is taken for rounding of the decimals in the file."""

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Row = Annotated[tuple[float, ...], Field(min_length=4, max_length=4)]
Matrix = Annotated[tuple[Row, ...], Field(min_length=4, max_length=4)]


class Werner(Record):
    r"""A Bell state in white noise, :math:`V |B\rangle\langle B| + (1 - V)/4`.

    The error rate is :math:`(1 - V)/2` in every basis.
    """

    kind: Literal["werner"]
    bell_state: BellState
    visibility: Probability

    def density_matrix(self) -> Complexes:
        """State over (HH, HV, VH, VV)."""
        return self.visibility * bell_projector(self.bell_state) + (1.0 - self.visibility) * np.eye(4) / 4.0


class BellDiagonal(Record):
    """A mixture of the four Bell states: errors differ from basis to basis."""

    kind: Literal["bell-diagonal"]
    weights: Annotated[tuple[Probability, ...], Field(min_length=4, max_length=4)]
    """Of psi-, psi+, phi+, phi-."""

    @model_validator(mode="after")
    def _sum(self) -> Self:
        if abs(sum(self.weights) - 1.0) > TOLERANCE:
            raise ValueError(f"weights must sum to 1; the sum is {sum(self.weights):.12g}")
        return self

    def density_matrix(self) -> Complexes:
        """State over (HH, HV, VH, VV)."""
        projectors = np.stack([bell_projector(name) for name in BELL_STATES])
        weights = np.asarray(self.weights) / sum(self.weights)
        mixture: Complexes = np.tensordot(weights, projectors, axes=1)
        return mixture


class Dephased(Record):
    r"""A Bell state whose two terms differ in weight and phase, and have lost part of their coherence.

    .. math:: |B\rangle \to \sqrt{\tfrac{1 + b}{2}}\, |1\rangle \pm e^{i\phi} \sqrt{\tfrac{1 - b}{2}}\, |2\rangle,
        \qquad \rho_{12} \to c\, \rho_{12}

    Errors in Z do not change; those of X become :math:`(1 - c\sqrt{1 - b^2} \cos\phi)/2`.
    """

    kind: Literal["dephased"]
    bell_state: BellState
    coherence: Probability
    """Factor c of the coherence."""
    imbalance: Annotated[float, Field(ge=-1.0, le=1.0)] = 0.0
    """Difference b of the weights of the terms: positive where the one with a signal photon in H is the heavier."""
    phase_deg: float = 0.0
    """Error of the phase of the second term."""

    def density_matrix(self) -> Complexes:
        """State over (HH, HV, VH, VV)."""
        term = np.asarray(BELL_STATES[self.bell_state], dtype=np.complex128)
        term[:2] *= np.sqrt((1.0 + self.imbalance) / 2.0)
        term[2:] *= np.sqrt((1.0 - self.imbalance) / 2.0) * np.exp(1j * self.si.phase)
        pure: Complexes = np.outer(term, term.conj())
        return pure * np.where(np.eye(4) > 0.0, 1.0, self.coherence)


class Explicit(Record):
    """Any two-qubit state, such as one from tomography."""

    kind: Literal["explicit"]
    density_matrix_real: Matrix
    """Over HH, HV, VH, VV, signal first."""
    density_matrix_imaginary: Matrix | None = None
    """Not given: zero."""

    @model_validator(mode="after")
    def _is_a_state(self) -> Self:
        matrix = self.density_matrix()
        if np.abs(matrix - matrix.conj().T).max() > TOLERANCE:
            raise ValueError("the density matrix is not Hermitian")
        if abs(np.trace(matrix).real - 1.0) > TOLERANCE:
            raise ValueError(f"the density matrix must have trace 1, not {np.trace(matrix).real:.12g}")
        lowest = float(np.linalg.eigvalsh(matrix)[0])
        if lowest < -TOLERANCE:
            raise ValueError(f"the density matrix has the negative eigenvalue {lowest:.3g}")
        return self

    def density_matrix(self) -> Complexes:
        """State over (HH, HV, VH, VV)."""
        real = np.asarray(self.density_matrix_real, dtype=np.complex128)
        return real if self.density_matrix_imaginary is None else real + 1j * np.asarray(self.density_matrix_imaginary)


State = Werner | BellDiagonal | Dephased | Explicit


class DensityPairs(Record):
    """Pairs of one two-qubit state, Poisson in number: the limit of very many Schmidt modes."""

    kind: Literal["density-pairs"]
    wavelength_nm: Annotated[float, Field(gt=0.0)]
    pump: Annotated[Pump, Field(discriminator="kind")]
    state: Annotated[State, Field(discriminator="kind")]

    def emission(self) -> DensityPairEmission:
        """State and mean number of the pairs of a trial; the `ideal` state is the nearest Bell state."""
        trials = self.pump.trials()
        emission = DensityPairEmission(
            settings={},
            setting_probability=np.ones(()),
            trial_rate=trials.rate,
            wavelength=self.si.wavelength,
            coincidence_fraction=trials.coincidence_fraction,
            continuous=trials.continuous,
            state=self.state.density_matrix(),
            mean_pair_number=trials.mean_pair_number,
        )
        return replace(emission, ideal=replace(emission, state=bell_projector(nearest_bell_state(emission.state))))

    def claims(self) -> dict[str, Any]:
        """What the source states to the analysis, as plain values."""
        return {"protocol": "bbm92"}


def bell_projector(name: str) -> Complexes:
    """Projector on a Bell state over (HH, HV, VH, VV), signal first.

    Parameters
    ----------
    name : str
        A key of `BELL_STATES`.

    Returns
    -------
    ndarray
        (4, 4).

    Examples
    --------
    >>> bell_projector("psi-").real[1].tolist()
    [0.0, 0.5, -0.5, 0.0]
    """
    amplitude = np.asarray(BELL_STATES[name], dtype=np.complex128)
    projector: Complexes = np.outer(amplitude, amplitude.conj()) / 2.0
    return projector


def nearest_bell_state(state: Complexes) -> str:
    """Name of the Bell state to which a state has the largest fidelity.

    Parameters
    ----------
    state : ndarray
        Density matrix over (HH, HV, VH, VV), (4, 4).

    Returns
    -------
    str
        A key of `BELL_STATES`.

    Examples
    --------
    >>> nearest_bell_state(np.diag([0.0, 0.5, 0.5, 0.0]) + 0.1 * np.eye(4)[:, [0, 2, 1, 3]])
    'psi+'
    """
    return max(BELL_STATES, key=lambda name: float(np.trace(state @ bell_projector(name)).real))
