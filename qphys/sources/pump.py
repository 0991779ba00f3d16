"""How a pair source is pumped: in pulses, or continuously with a coincidence window."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple, Self

import numpy as np
from pydantic import Field, model_validator

from qphys.errors import UserError
from qphys.record import Record
from qphys.sources.timing import FWHM_PER_RMS, coincidence_fraction, combined_fwhm, drifting_coincidence_fraction
from qphys.stages import Floats

TwoSides = Annotated[tuple[Annotated[float, Field(ge=0.0)], ...], Field(min_length=2, max_length=2)]


class Trials(NamedTuple):
    """Trials of a pump."""

    rate: float
    """[1/s]."""
    mean_pair_number: float
    """Of a trial [1]."""
    coincidence_fraction: float
    """Part of the pairs whose photons fall into one trial [1]."""
    continuous: bool


class PulsedPump(Record):
    """Pump pulses; a trial is a pulse. Jitter belongs to the receivers' gates."""

    kind: Literal["pulsed"]
    repetition_rate_mhz: Annotated[float, Field(gt=0.0)]
    mean_pair_number: Annotated[float, Field(ge=0.0)]
    """Of a pulse, all polarizations and modes together, where the channels begin."""

    def trials(self) -> Trials:
        """Trials of the pump: its pulses."""
        return Trials(self.si.repetition_rate, self.mean_pair_number, 1.0, False)

    def coincidences_along(self, drift: Floats, where: str, *, window: Floats | None = None) -> Floats:
        """Part of the pairs whose photons fall into one trial: all, since each arm's gate follows its own pulses."""
        return np.ones(drift.shape)


class ContinuousPump(Record):
    """A pump without pulses; a trial is a coincidence window."""

    kind: Literal["continuous"]
    pair_rate_mhz: Annotated[float, Field(ge=0.0)]
    """Pairs that the source makes, in millions a second, where the channels begin."""
    coincidence_window_ns: Annotated[float, Field(gt=0.0)]
    """Full width."""
    jitter_fwhm_ps: TwoSides | None = None
    """Full width at half maximum of the click times of Alice's and of Bob's side, clocks included."""
    jitter_rms_ps: TwoSides | None = None
    """The same as root mean square, in its place."""
    delay_ps: float = 0.0
    """Centre of the window from that of the coincidences: a sweep of it is a delay scan."""
    correction_interval_ms: Annotated[float, Field(gt=0.0)] | None = None
    """Time between two corrections of the delay for the times of flight; between them it drifts. None: followed always."""
    uncorrected_drift: Annotated[float, Field(ge=0.0, le=1.0)] = 1.0
    """Part of the drift that is left between two corrections: 1 without, less with a prediction from the orbit."""

    @model_validator(mode="after")
    def _one_jitter(self) -> Self:
        if self.jitter_fwhm_ps is not None and self.jitter_rms_ps is not None:
            raise ValueError("jitter_rms_ps stands in place of jitter_fwhm_ps: give one or the other")
        return self

    def trials(self) -> Trials:
        """Trials of the pump: its coincidence windows, and the part of the pairs that falls into one."""
        own = self.si
        fraction = coincidence_fraction(own.coincidence_window, self._jitter_fwhm(), delay=own.delay)
        return Trials(1.0 / own.coincidence_window, own.pair_rate * own.coincidence_window, float(fraction), True)

    def coincidences_along(self, drift: Floats, where: str, *, window: Floats | None = None) -> Floats:
        """Part of the pairs whose photons fall into one window, while the times of flight drift.

        Parameters
        ----------
        drift : ndarray
            Rate of change of the delay between the arms [s/s], a step each; see `timing.flight_time_drift`.
        where : str
            Place of the source in the run file, for messages.
        window : ndarray, optional
            Full width [s] in place of the pump's own; it broadcasts against the steps.

        Returns
        -------
        ndarray
            [1], a step each.

        Raises
        ------
        UserError
            A correction interval is given and the pass does not tell the rate of change of its ranges.
        """
        own = self.si
        moved = np.zeros(drift.shape)
        if own.correction_interval is not None:
            if np.any(np.isnan(drift)):
                raise UserError(
                    f"{where}.pump.correction_interval_ms = {self.correction_interval_ms:g}: the drift of the delay needs "
                    "the rate of change of the slant range, which this pass does not tell; leave it out"
                )
            moved = self.uncorrected_drift * drift * own.correction_interval
        width = own.coincidence_window if window is None else window
        return drifting_coincidence_fraction(width, self._jitter_fwhm(), first_delay=own.delay, last_delay=own.delay + moved)

    def _jitter_fwhm(self) -> Floats:
        """Full width at half maximum of the time between the clicks of a pair [s]."""
        own = self.si
        if own.jitter_fwhm is not None:
            return combined_fwhm(*own.jitter_fwhm)
        return combined_fwhm(*(FWHM_PER_RMS * own.jitter_rms)) if own.jitter_rms is not None else np.zeros(())


Pump = PulsedPump | ContinuousPump
