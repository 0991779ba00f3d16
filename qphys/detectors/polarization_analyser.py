"""Receiver for BB84 in polarization: basis choice, polarizing beam splitters, threshold detectors behind a time gate."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from qphys.detectors import afterpulsing, jitter
from qphys.detectors.detector import Detector
from qphys.errors import UserError
from qphys.optics import jones
from qphys.record import Record
from qphys.stages import Analyser, Complexes, Floats, Integers

OUTCOME_DIMENSION: Final = "bob_outcome"
OUTCOMES: Final = ("none", "Z0", "Z1", "X0", "X1", "double_Z", "double_X", "across")
"""Of a trial: nothing; one detector of a basis; both of a basis; detectors of both bases."""

BASIS_ANGLES: Final = (0.0, np.pi / 4)
"""Polarization that goes to detector 0 of the bases Z and X [rad]; detector 1 takes the one at right angles."""

LARGEST_STRAY: Final = 1e-3
"""Part of the clicks that may fall outside of their own period: above it they would be errors that are not simulated."""


def _pair(value: object) -> object:
    return (value, value) if isinstance(value, int | float) and not isinstance(value, bool) else value


class PolarizationAnalyser(Record):
    """A four-state polarization analyser with passive (beam splitter) or active (switched) choice of the basis."""

    kind: Literal["polarization-analyser"]
    basis_choice: Literal["passive", "active"]
    basis_probability_z: Annotated[float, Field(gt=0.0, lt=1.0)]
    """Active: probability of measuring in Z. Passive: part of the light that the beam splitter sends to Z."""
    active_detectors: Literal[2, 4] = 2
    """Active only. 2: one pair serves both bases. 4: a pair each, of which the chosen basis's is read."""
    optics_transmittance: Annotated[float, Field(gt=0.0, le=1.0)]
    """From the telescope's aperture to the detectors' entrance, filters and fibre coupling included."""
    polarization_contrast: Annotated[float, Field(gt=1.0)] | None = None
    """Right over wrong power for linear light along the analyser; not given: perfect."""
    analyser_offset_deg: Annotated[tuple[float, ...], Field(min_length=2, max_length=2), BeforeValidator(_pair)] = (0.0, 0.0)
    """Error of the angle of the analyser of Z and of X (one number: of both)."""
    gate_ns: Annotated[float, Field(gt=0.0)]
    """Window around each expected arrival in which clicks count; the detectors themselves run free."""
    arrival_fwhm_ps: Annotated[float, Field(ge=0.0)] = 0.0
    """Spread of the arrival times, Gaussian: pulse length and clock recovery."""
    field_of_view_urad: Annotated[float, Field(gt=0.0)] | None = None
    """Full angle, for sky light."""
    filter_bandwidth_nm: Annotated[float, Field(gt=0.0)] | None = None
    """Width of the spectral filter, for sky light."""
    detector: Detector

    @model_validator(mode="after")
    def _lists_fit(self) -> Self:
        number = self._detectors
        for key, length in self.detector.lengths().items():
            if length not in (1, number):
                raise ValueError(f"detector.{key} has {length} values; 1 or {number} are needed, one for each detector")
        return self

    @property
    def _detectors(self) -> int:
        return self.active_detectors if self.basis_choice == "active" else 4

    def analyser(self, trial_rate: float) -> Analyser:
        """Amplitudes to the detectors, and the detectors' numbers, for a source of this rate.

        Parameters
        ----------
        trial_rate : float
            Pulses a second [1/s].

        Returns
        -------
        Analyser
            Detectors in the order Z0, Z1, X0, X1 (two shared ones: bit 0, bit 1); settings in the order Z, X where the
            choice is active, one setting where it is passive.

        Raises
        ------
        UserError
            The gate is longer than the period, or the jitter moves more than 1 in 1000 clicks out of their own period.
        """
        own, number = self.si, self._detectors
        if own.gate * trial_rate > 1.0 + 1e-9:
            raise UserError(
                f"receiver: gate_ns = {self.gate_ns:g}: longer than the period of the source, {1e9 / trial_rate:g} ns"
            )
        leak = 0.0 if self.polarization_contrast is None else 1.0 / (1.0 + self.polarization_contrast)
        afterpulse = afterpulsing.in_gate_probability(
            self.detector.si.afterpulse_probability, gate=own.gate, trial_rate=trial_rate
        )
        efficiency = _each(self.detector.si.efficiency, number)
        angles = np.asarray(BASIS_ANGLES) + own.analyser_offset
        share = self._shares()
        return Analyser(
            setting_probability=self._setting_probability(),
            amplitude=self._rows(jones.polarizing_beam_splitter(angles, leak)),
            ideal_amplitude=self._rows(jones.polarizing_beam_splitter(BASIS_ANGLES, 0.0)),
            leak=self._rows(jones.polarizing_beam_splitter_leak(angles, leak)) if leak else None,
            efficiency=efficiency,
            gate_fraction=self._gate_fraction(trial_rate),
            # Sky light is unpolarised: half of it takes each output of a polarizing beam splitter.
            background_share=0.5 * share * efficiency,
            dark_rate=_each(self.detector.si.dark_rate, number),
            gate=own.gate,
            dead_time=_each(self.detector.si.dead_time, number),
            afterpulse_probability=_each(afterpulse, number),
            outcome_dimension=OUTCOME_DIMENSION,
            outcomes=OUTCOMES,
            outcome_of_pattern=self._outcome_of_pattern(),
        )

    def _setting_probability(self) -> Floats:
        z = self.basis_probability_z
        return np.ones(1) if self.basis_choice == "passive" else np.array([z, 1.0 - z])

    def _shares(self) -> Floats:
        """Part of the light that goes to each detector's basis, (S, D)."""
        z = self.basis_probability_z
        if self.basis_choice == "passive":
            return np.array([[z, z, 1.0 - z, 1.0 - z]])
        return np.ones((2, 2)) if self.active_detectors == 2 else np.array([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]])

    def _rows(self, rows: Complexes) -> Complexes:
        """Optics from the analyser's entrance to the detectors, (S, D, M = 1, P), of rows (basis, output, P)."""
        per_setting = rows if self._detectors == 2 else np.broadcast_to(rows.reshape(4, 2), (*self._shares().shape, 2))
        return (np.sqrt(self._shares())[..., np.newaxis] * per_setting)[:, :, np.newaxis, :]

    def _gate_fraction(self, trial_rate: float) -> Floats:
        own, number = self.si, self._detectors
        core, tail = self.detector.jitter_widths
        sigma = _each(np.hypot(core, own.arrival_fwhm / jitter.FWHM_PER_SIGMA), number)
        tau = _each(tail, number)
        fraction = np.ones(number)
        spread = sigma > 0.0
        if not spread.any():
            return fraction
        widths = {"sigma": sigma[spread], "tau": tau[spread]}
        stray = float(np.max(jitter.stray(own.gate, **widths, period=1.0 / trial_rate)))
        if stray > LARGEST_STRAY:
            raise UserError(
                f"receiver: jitter moves {stray:.3g} of the clicks out of their own period of {1e9 / trial_rate:g} ns; such "
                f"clicks in a neighbour's gate are not simulated (at most {LARGEST_STRAY:g}): lower the repetition rate, or "
                "use detectors with less jitter"
            )
        fraction[spread] = jitter.capture(own.gate, **widths)
        return fraction

    def _outcome_of_pattern(self) -> Integers:
        """Outcome of each click pattern for each setting, (S, 2**D)."""
        if self.basis_choice == "passive":
            return np.array([[_outcome(pattern & 3, pattern >> 2) for pattern in range(16)]], dtype=np.int64)
        patterns = range(2**self.active_detectors)
        # Of four detectors only the chosen basis's pair is read.
        shift = 0 if self.active_detectors == 2 else 2
        z = [_outcome(pattern & 3, 0) for pattern in patterns]
        x = [_outcome(0, (pattern >> shift) & 3) for pattern in patterns]
        return np.array([z, x], dtype=np.int64)


def _outcome(z: int, x: int) -> int:
    """Index of the outcome where these detectors of Z and X clicked (bit 0: detector 0, bit 1: detector 1)."""
    if z and x:
        return OUTCOMES.index("across")
    name = ("none", "Z0", "Z1", "double_Z")[z] if not x else ("none", "X0", "X1", "double_X")[x]
    return OUTCOMES.index(name)


def _each(values: Floats, number: int) -> Floats:
    """One value for each detector."""
    return np.array(np.broadcast_to(values, (number,)), dtype=np.float64)
