"""One model of single-photon detector, or several that a receiver uses side by side."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field

from qphys.detectors.jitter import FWHM_PER_SIGMA
from qphys.record import Record
from qphys.stages import Floats


def _listed(value: Any) -> Any:
    """One number for all detectors as a list of one."""
    return (value,) if isinstance(value, int | float) and not isinstance(value, bool) else value


Probabilities = Annotated[tuple[Annotated[float, Field(ge=0.0, le=1.0)], ...], Field(min_length=1), BeforeValidator(_listed)]
Positive = Annotated[tuple[Annotated[float, Field(gt=0.0)], ...], Field(min_length=1), BeforeValidator(_listed)]
NotNegative = Annotated[tuple[Annotated[float, Field(ge=0.0)], ...], Field(min_length=1), BeforeValidator(_listed)]


class GaussianJitter(Record):
    """Jitter known only by its width: good near the centre, too good in the tail."""

    kind: Literal["gaussian"]
    fwhm_ps: Positive

    @property
    def widths(self) -> tuple[Floats, Floats]:
        """Standard deviation of the core and decay of the tail [s], one or one for each detector."""
        return self.si.fwhm / FWHM_PER_SIGMA, np.zeros(1)


class ExponentiallyModifiedJitter(Record):
    """Gaussian core and exponential tail, as measured histograms show."""

    kind: Literal["emg"]
    sigma_ps: Positive
    tau_ps: NotNegative

    @property
    def widths(self) -> tuple[Floats, Floats]:
        """Standard deviation of the core and decay of the tail [s], one or one for each detector."""
        own = self.si
        return own.sigma, own.tau


class Detector(Record):
    """A free-running single-photon detector with threshold clicks. Each number is one for all detectors or a list."""

    efficiency: Probabilities
    """Probability that a photon at the detector makes an avalanche, at the wavelength of the source."""
    dark_rate_hz: NotNegative
    dead_time_ns: NotNegative
    """Non-paralysable."""
    afterpulse_probability: Probabilities
    """Probability that a click is followed by an afterpulse at any time after the dead time."""
    jitter: Annotated[GaussianJitter | ExponentiallyModifiedJitter, Field(discriminator="kind")] | None = None
    """Spread of the click's time; not given: none."""

    @property
    def jitter_widths(self) -> tuple[Floats, Floats]:
        """Standard deviation of the core and decay of the tail [s]; 0 and 0 without jitter."""
        return (np.zeros(1), np.zeros(1)) if self.jitter is None else self.jitter.widths

    def lengths(self) -> dict[str, int]:
        """Number of values of every key, for a receiver that knows how many detectors it has."""
        found = {
            name: len(getattr(self, name))
            for name in ("efficiency", "dark_rate_hz", "dead_time_ns", "afterpulse_probability")
        }
        if isinstance(self.jitter, GaussianJitter):
            found["jitter.fwhm_ps"] = len(self.jitter.fwhm_ps)
        elif self.jitter is not None:
            found |= {"jitter.sigma_ps": len(self.jitter.sigma_ps), "jitter.tau_ps": len(self.jitter.tau_ps)}
        return found
