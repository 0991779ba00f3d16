"""Entangled pairs of two two-mode squeezers, with all multi-pair terms."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Final, Literal

import numpy as np
from pydantic import Field

from qphys.record import Record
from qphys.sources.pump import Pump
from qphys.stages import Complexes, DensityPairEmission, Floats, GaussianPairEmission, PairEmission

BellState = Literal["psi-", "psi+", "phi+", "phi-"]

SIGNS: Final[dict[str, float]] = {"psi-": -1.0, "psi+": 1.0, "phi+": 1.0, "phi-": -1.0}
"""Sign of the second term, of squeezer 1."""


class SqueezedPairs(Record):
    r"""A parametric source: two squeezers of orthogonal polarizations, pumped coherently.

    Squeezer 0 makes H in the signal (Alice) and V in the idler (Bob), squeezer 1 V in the signal and H in the idler,

    .. math:: \exp\left[ r_0 (s_H^\dagger i_V^\dagger - \mathrm{h.c.})
        + r_1 (\pm e^{i\phi} s_V^\dagger i_H^\dagger - \mathrm{h.c.}) \right],

    in each of K Schmidt modes; for :math:`\Phi^\pm` the idler's H and V are exchanged behind the crystal. Weak light is
    the Bell state, bright light has several pairs, which are errors.
    """

    kind: Literal["squeezed-pairs"]
    wavelength_nm: Annotated[float, Field(gt=0.0)]
    pump: Annotated[Pump, Field(discriminator="kind")]
    schmidt_modes: Annotated[float, Field(ge=1.0, le=1e12)] | Literal["poisson"]
    """Equal Schmidt modes of a trial: 1 is thermal, very many, or ``poisson`` as their limit, a Poisson number of pairs."""
    bell_state: BellState
    imbalance: Annotated[float, Field(gt=-1.0, lt=1.0)] = 0.0
    """Difference of the squeezers' mean pair numbers over their sum: positive where squeezer 0 is the brighter."""
    phase_deg: float = 0.0
    """Error of the phase between the squeezers."""

    def emission(self) -> PairEmission:
        """Moments of the light of a trial.

        Returns
        -------
        GaussianPairEmission or DensityPairEmission
            Poisson light, whose many modes hold nothing each, is a pure two-qubit state with a mean number of pairs. Its
            `ideal` is balanced and in phase.
        """
        return replace(self._emission(self.imbalance, self.si.phase), ideal=self._emission(0.0, 0.0))

    def _emission(self, imbalance: float, phase_error: float) -> PairEmission:
        trials = self.pump.trials()
        common: dict[str, Any] = {
            "settings": {},
            "setting_probability": np.ones(()),
            "trial_rate": trials.rate,
            "wavelength": self.si.wavelength,
            "coincidence_fraction": trials.coincidence_fraction,
            "continuous": trials.continuous,
        }
        share = np.array([1.0 + imbalance, 1.0 - imbalance]) / 2.0
        phase = SIGNS[self.bell_state] * np.exp(1j * phase_error)
        swapped = self.bell_state.startswith("phi")
        if self.schmidt_modes == "poisson":
            term = _between(np.sqrt(share), phase, swapped=swapped).reshape(4)
            return DensityPairEmission(state=np.outer(term, term.conj()), mean_pair_number=trials.mean_pair_number, **common)
        number, anomalous = squeezed_moments(
            share * trials.mean_pair_number / self.schmidt_modes, phase=phase, swapped=swapped
        )
        return GaussianPairEmission(number=number, anomalous=anomalous, schmidt_modes=self.schmidt_modes, **common)

    def claims(self) -> dict[str, Any]:
        """What the source states to the analysis, as plain values."""
        return {"protocol": "bbm92"}


def squeezed_moments(mean_pair_numbers: Floats, *, phase: complex, swapped: bool) -> tuple[Complexes, Complexes]:
    r"""Normal-ordered moments of two two-mode squeezers over (sH, sV, iH, iV).

    .. math::
        \langle s_H^\dagger s_H \rangle = \langle i_V^\dagger i_V \rangle = n_0, \quad
        \langle s_H i_V \rangle = \sqrt{n_0 (1 + n_0)}, \quad
        \langle s_V i_H \rangle = e^{i\phi} \sqrt{n_1 (1 + n_1)}

    Parameters
    ----------
    mean_pair_numbers : ndarray
        :math:`n_0, n_1` [1] in one Schmidt mode: :math:`n = \sinh^2 r`.
    phase : complex
        :math:`e^{i\phi}`.
    swapped : bool
        Whether the idler's H and V are exchanged behind the squeezers.

    Returns
    -------
    number, anomalous : ndarray
        :math:`\langle a_j^\dagger a_k \rangle` and :math:`\langle a_j a_k \rangle` [1], (4, 4).

    Examples
    --------
    >>> number, anomalous = squeezed_moments(np.array([0.1, 0.1]), phase=-1.0, swapped=False)
    >>> anomalous[:2, 2:].real.round(4).tolist()
    [[0.0, 0.3317], [-0.3317, 0.0]]
    """
    n = np.asarray(mean_pair_numbers, dtype=np.float64)
    number, anomalous = np.zeros((4, 4), dtype=np.complex128), np.zeros((4, 4), dtype=np.complex128)
    number[[0, 1], [0, 1]] = n
    number[[2, 3], [2, 3]] = n if swapped else n[::-1]
    anomalous[:2, 2:] = _between(np.sqrt(n * (1.0 + n)), phase, swapped=swapped)
    anomalous[2:, :2] = anomalous[:2, 2:].T
    return number, anomalous


def _between(size: Floats, phase: complex, *, swapped: bool) -> Complexes:
    """Amplitudes of pairs, signal's by idler's polarization (2, 2)."""
    term = np.zeros((2, 2), dtype=np.complex128)
    term[0, 1], term[1, 0] = size[0], phase * size[1]
    return term[:, ::-1].copy() if swapped else term
