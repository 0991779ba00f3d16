"""Phase-randomised weak coherent pulses of several intensities in the four states of BB84."""

from __future__ import annotations

import itertools
from typing import Annotated, Any, Final, Literal, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from qphys.optics import jones
from qphys.record import Record
from qphys.stages import CoherentEmission, Complexes, Floats

IDEAL_ANGLES: Final = (0.0, np.pi / 2, np.pi / 4, -np.pi / 4)
"""Angles of the states Z0, Z1, X0, X1 [rad] from H towards V."""

LARGEST_FLUCTUATION: Final = 0.3
"""Relative rms up to which the three nodes of the intensity stand well above zero (the lowest at 0.48 of the mean)."""

SUM_TOLERANCE: Final = 1e-9
"""Error of a sum of probabilities that is taken for rounding of the decimals in the file."""

Probability = Annotated[float, Field(ge=0.0, le=1.0)]


class WeakCoherent(Record):
    r"""Attenuated laser pulses for decoy-state BB84 in polarization.

    A pulse of setting (intensity k, basis, bit) is a coherent state with the Jones vector

    .. math:: \sqrt{\mu_k x}\; R(\theta + \delta) \begin{pmatrix} \sqrt{1-\epsilon} \\ i\sqrt{\epsilon} \end{pmatrix},

    where x is the intensity fluctuation, :math:`\delta` the preparation offset and :math:`\epsilon` the leak of a finite
    extinction ratio. The phase of the whole is uniformly random, as the decoy method demands; no click depends on it.
    """

    kind: Literal["weak-coherent"]
    wavelength_nm: Annotated[float, Field(gt=0.0)]
    repetition_rate_mhz: Annotated[float, Field(gt=0.0)]
    mean_photon_numbers: Annotated[tuple[Annotated[float, Field(ge=0.0)], ...], Field(min_length=2)]
    """Of each intensity, where the channel begins; strictly decreasing. The lowest need not be 0."""
    intensity_probabilities: tuple[Probability, ...] | None = None
    basis_probability_z: Probability | None = None
    bit_probabilities: Annotated[tuple[Probability, ...], Field(min_length=2, max_length=2)] | None = None
    """Of 0 and 1; 1/2 each if not given."""
    joint_probability: tuple[tuple[tuple[Probability, ...], ...], ...] | None = None
    """Of [intensity][basis Z, X][bit 0, 1], in place of the three above."""
    phase: Literal["random"] = "random"
    """Global phase from pulse to pulse. Only a uniformly random one is simulated: decoy bounds need it."""
    intensity_fluctuation: Annotated[float, Field(ge=0.0, le=LARGEST_FLUCTUATION)] = 0.0
    """Relative rms of the intensity, drawn for each pulse independently of its setting."""
    preparation_offset_deg: Annotated[tuple[float, ...], Field(min_length=4, max_length=4)] = (0.0, 0.0, 0.0, 0.0)
    """Error of the angle of the states Z0, Z1, X0, X1 (ideal 0, 90, 45, -45 degrees)."""
    extinction_ratio_db: Annotated[float, Field(gt=0.0)] | None = None
    """Power in the wanted polarization over that in the crossed one; not given: perfect."""

    @field_validator("mean_photon_numbers")
    @classmethod
    def _decreasing(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if any(low >= high for high, low in itertools.pairwise(values)):
            raise ValueError("mean photon numbers must decrease strictly, the brightest first")
        return values

    @model_validator(mode="after")
    def _probabilities_fit(self) -> Self:
        number = len(self.mean_photon_numbers)
        if self.joint_probability is not None:
            given = [
                name
                for name in ("intensity_probabilities", "basis_probability_z", "bit_probabilities")
                if getattr(self, name) is not None
            ]
            if given:
                raise ValueError(f"joint_probability stands in place of {', '.join(given)}: give one or the other")
            shaped = len(self.joint_probability) == number and all(
                len(bases) == 2 and all(len(bits) == 2 for bits in bases) for bases in self.joint_probability
            )
            if not shaped:
                raise ValueError(f"joint_probability must have {number} tables [[Z0, Z1], [X0, X1]], one for each intensity")
        else:
            if self.intensity_probabilities is None or self.basis_probability_z is None:
                raise ValueError("intensity_probabilities and basis_probability_z are required (or joint_probability)")
            if len(self.intensity_probabilities) != number:
                raise ValueError(
                    f"intensity_probabilities has {len(self.intensity_probabilities)} values, mean_photon_numbers {number}"
                )
            _check_sum("intensity_probabilities", sum(self.intensity_probabilities))
            _check_sum("bit_probabilities", sum(self.bit_probabilities or (0.5, 0.5)))
            return self
        _check_sum("joint_probability", float(np.sum(self.joint_probability)))
        return self

    @property
    def setting_probability(self) -> Floats:
        """Joint probability of intensity, basis (Z, X) and bit (0, 1)."""
        if self.joint_probability is not None:
            joint = np.asarray(self.joint_probability, dtype=np.float64)
        else:
            assert self.intensity_probabilities is not None
            assert self.basis_probability_z is not None
            basis = (self.basis_probability_z, 1.0 - self.basis_probability_z)
            joint = np.einsum("k,a,b->kab", self.intensity_probabilities, basis, self.bit_probabilities or (0.5, 0.5))
        normalised: Floats = joint / joint.sum()
        return normalised

    def emission(self) -> CoherentEmission:
        """Light of each setting.

        Returns
        -------
        CoherentEmission
            Settings ``intensity`` (mu1, mu2, ... from the brightest), ``alice_basis`` (Z, X), ``alice_bit`` (0, 1); one
            internal mode; three emission nodes where the intensity fluctuates, otherwise one.

        Notes
        -----
        The crossed light of a finite extinction ratio is a coherent amplitude 90 degrees out of phase: an ellipse, of the
        same handedness in all states. Its power in a linear analyser is that of an incoherent leak. Behind an analyser with
        a leak of its own the two interfere with opposite signs for the two bits of a basis, so that their mean error is
        exactly that of two incoherent leaks.
        """
        own = self.si
        states = len(IDEAL_ANGLES)
        ideal = jones.linear(np.asarray(IDEAL_ANGLES))
        prepared = jones.elliptical(
            np.asarray(IDEAL_ANGLES) + own.preparation_offset, np.full(states, leak_fraction(self.extinction_ratio_db))
        )
        factor, weight = fluctuation_nodes(self.intensity_fluctuation)
        root = np.sqrt(np.multiply.outer(factor, own.mean_photon_numbers))
        return CoherentEmission(
            settings={
                "intensity": tuple(f"mu{k}" for k in range(1, len(self.mean_photon_numbers) + 1)),
                "alice_basis": ("Z", "X"),
                "alice_bit": ("0", "1"),
            },
            setting_probability=self.setting_probability,
            trial_rate=own.repetition_rate,
            wavelength=own.wavelength,
            amplitude=_amplitude(root, prepared),
            node_weight=weight,
            mean_photon_number=np.asarray(self.mean_photon_numbers, dtype=np.float64),
            ideal_amplitude=_amplitude(root, ideal),
        )

    def claims(self) -> dict[str, Any]:
        """What the sender states to the analysis, as plain values."""
        return {
            "protocol": "decoy-bb84",
            "mean_photon_numbers": list(self.mean_photon_numbers),
            "setting_probability": self.setting_probability.tolist(),
        }


def leak_fraction(extinction_ratio_db: float | None) -> float:
    r"""Part of the power in the crossed polarization, :math:`1 / (1 + 10^{r/10})`.

    Parameters
    ----------
    extinction_ratio_db : float or None
        r [dB]: power in the wanted over that in the crossed polarization; None: perfect.

    Returns
    -------
    float

    Examples
    --------
    >>> round(1 / leak_fraction(20.0), 9)
    101.0
    """
    return 0.0 if extinction_ratio_db is None else 1.0 / (1.0 + 10.0 ** (extinction_ratio_db / 10.0))


def fluctuation_nodes(relative_rms: float) -> tuple[Floats, Floats]:
    r"""Nodes and weights of a normal distribution of mean 1, by Gauss-Hermite quadrature.

    .. math:: x = 1, \; 1 \pm \sqrt{3}\,\sigma, \qquad w = \tfrac23, \tfrac16, \tfrac16

    Parameters
    ----------
    relative_rms : float
        :math:`\sigma` [1], 0 to 0.3.

    Returns
    -------
    nodes, weights : ndarray
        Ascending; a single node where nothing fluctuates.

    Notes
    -----
    Exact for polynomials to the fifth degree. The mean of :math:`e^{-m x}` is good to :math:`(m \sigma)^6 / 120`, for the m
    photons that arrive: below 1e-10 at m = 0.8 and 5 %.

    Examples
    --------
    >>> nodes, weights = fluctuation_nodes(0.05)
    >>> round(float(weights @ (nodes - 1) ** 2) ** 0.5, 12)
    0.05
    """
    if relative_rms == 0.0:
        return np.ones(1), np.ones(1)
    step = np.sqrt(3.0) * relative_rms
    return np.array([1.0 - step, 1.0, 1.0 + step]), np.array([1.0, 4.0, 1.0]) / 6.0


def _amplitude(root: Floats, state: Complexes) -> Complexes:
    """(E, intensity, basis, bit, M = 1, P) from square roots (E, intensity) and Jones vectors (state, P)."""
    vectors = state.reshape(2, 2, 1, 2)
    amplitude: Complexes = root[:, :, None, None, None, None] * vectors
    return amplitude


def _check_sum(name: str, total: float) -> None:
    if abs(total - 1.0) > SUM_TOLERANCE:
        raise ValueError(f"{name} must sum to 1; the sum is {total:.12g}")
