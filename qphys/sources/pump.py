"""How a pair source is pumped: in pulses, or continuously with a coincidence window."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from qphys.record import Record
from qphys.sources.timing import FWHM_PER_RMS, coincidence_fraction, combined_fwhm

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

    @model_validator(mode="after")
    def _one_jitter(self) -> Self:
        if self.jitter_fwhm_ps is not None and self.jitter_rms_ps is not None:
            raise ValueError("jitter_rms_ps stands in place of jitter_fwhm_ps: give one or the other")
        return self

    def trials(self) -> Trials:
        """Trials of the pump: its coincidence windows, and the part of the pairs that falls into one."""
        own = self.si
        widths = (0.0, 0.0)
        if own.jitter_fwhm is not None:
            widths = tuple(own.jitter_fwhm)
        elif own.jitter_rms is not None:
            widths = tuple(FWHM_PER_RMS * own.jitter_rms)
        fraction = coincidence_fraction(own.coincidence_window, combined_fwhm(*widths), delay=own.delay)
        return Trials(1.0 / own.coincidence_window, own.pair_rate * own.coincidence_window, float(fraction), True)


Pump = PulsedPump | ContinuousPump
