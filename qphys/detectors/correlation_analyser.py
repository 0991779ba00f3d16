"""Receiver that measures linear polarization at given angles: correlation curves and Bell tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from qphys.detectors.detector import Detector
from qphys.detectors.polarization_analyser import PolarizationAnalyser
from qphys.optics import jones
from qphys.record import Record
from qphys.stages import Analyser

SUM_TOLERANCE = 1e-9
"""Error of a sum of probabilities that is taken for rounding of the decimals in the file."""


class CorrelationAnalyser(Record):
    """A polarizing beam splitter behind a half-wave plate that is set anew for each trial, and two detectors.

    Setting k gives the outcomes ``Sk+`` (along the angle) and ``Sk-`` (at right angles); both together are ``double``. In a
    file of pairs Alice's are called ``ak+``, ``ak-``, Bob's ``bk+``, ``bk-``. Angles of 0 and 45 degrees in one arm and of
    22.5 and 67.5 degrees in the other test the CHSH inequality.
    """

    kind: Literal["correlation-analyser"]
    angles_deg: Annotated[tuple[float, ...], Field(min_length=1, max_length=16)]
    """Of the settings, from H towards V."""
    turn_deg: float = 0.0
    """Added to every angle: the plate's turn, for a sweep."""
    retardance_deg: float = 0.0
    """Of a retarder in front, its fast axis along H: at 90, a setting of 45 degrees measures circular polarization."""
    setting_probabilities: Annotated[tuple[Annotated[float, Field(ge=0.0, le=1.0)], ...], Field(min_length=1)] | None = None
    """Of the settings; not given: all alike."""
    optics_transmittance: Annotated[float, Field(gt=0.0, le=1.0)]
    """From the telescope's aperture to the detectors' entrance, filters and fibre coupling included."""
    polarization_contrast: Annotated[float, Field(gt=1.0)] | None = None
    """Right over wrong power for linear light along the analyser; not given: perfect."""
    gate_ns: Annotated[float, Field(gt=0.0)]
    """Window around each expected arrival in which clicks count; of a continuous source, its coincidence window."""
    arrival_fwhm_ps: Annotated[float, Field(ge=0.0)] = 0.0
    """Spread of the arrival times, Gaussian: pulse length and clock recovery."""
    field_of_view_urad: Annotated[float, Field(gt=0.0)] | None = None
    """Full angle, for sky light."""
    filter_bandwidth_nm: Annotated[float, Field(gt=0.0)] | None = None
    """Width of the spectral filter, for sky light."""
    detector: Detector

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.setting_probabilities is not None:
            if len(self.setting_probabilities) != len(self.angles_deg):
                raise ValueError(
                    f"setting_probabilities has {len(self.setting_probabilities)} values, angles_deg {len(self.angles_deg)}"
                )
            if abs(sum(self.setting_probabilities) - 1.0) > SUM_TOLERANCE:
                raise ValueError(f"setting_probabilities must sum to 1; the sum is {sum(self.setting_probabilities):.12g}")
        for key, length in self.detector.lengths().items():
            if length not in (1, 2):
                raise ValueError(f"detector.{key} has {length} values; 1 or 2 are needed, one for each detector")
        return self

    def analyser(self, trial_rate: float) -> Analyser:
        """Amplitudes to the two detectors in every setting, for a source of this rate.

        Parameters
        ----------
        trial_rate : float
            Trials a second [1/s].

        Returns
        -------
        Analyser
            Detectors in the order +, -.

        Raises
        ------
        UserError
            As `PolarizationAnalyser.analyser`.
        """
        pair = PolarizationAnalyser(
            kind="polarization-analyser",
            basis_choice="active",
            basis_probability_z=0.5,
            optics_transmittance=self.optics_transmittance,
            gate_ns=self.gate_ns,
            arrival_fwhm_ps=self.arrival_fwhm_ps,
            detector=self.detector,
        ).analyser(trial_rate)
        angles = self.si.angles + self.si.turn
        settings, retarder = len(angles), jones.waveplate(self.si.retardance, 0.0)
        leak = 0.0 if self.polarization_contrast is None else 1.0 / (1.0 + self.polarization_contrast)
        given = self.setting_probabilities or (1.0,) * settings
        double = 1 + 2 * settings
        outcome_of_pattern = np.array([[0, 1 + 2 * k, 2 + 2 * k, double] for k in range(settings)], dtype=np.int64)
        return replace(
            pair,
            setting_probability=np.asarray(given) / sum(given),
            amplitude=(jones.polarizing_beam_splitter(angles, leak) @ retarder)[:, :, np.newaxis, :],
            ideal_amplitude=(jones.polarizing_beam_splitter(angles, 0.0) @ retarder)[:, :, np.newaxis, :],
            leak=(jones.polarizing_beam_splitter_leak(angles, leak) @ retarder)[:, :, np.newaxis, :] if leak else None,
            background_share=np.tile(pair.background_share[:1], (settings, 1)),
            outcomes=("none", *(f"S{k}{sign}" for k in range(settings) for sign in "+-"), "double"),
            outcome_of_pattern=outcome_of_pattern,
        )
