"""The sending telescope."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from qphys.record import Record


class Terminal(Record):
    """A sending telescope: its beam, how well it points, and its optics.

    The beam is the far-field Gaussian of `divergence_half_angle_urad` where that is given (a paper's printed beam wins
    over its aperture: real wavefronts are worse than ideal ones), and otherwise the diffraction of the aperture, lit by a
    Gaussian of `waist_ratio` or, without it, evenly.
    """

    aperture_mm: Annotated[float, Field(gt=0)] | None = None
    """Diameter."""
    obscuration_ratio: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Diameter of the central obscuration over that of the aperture."""
    waist_ratio: Annotated[float, Field(gt=0)] | None = None
    """Radius 1/e^2 of the Gaussian illumination over the radius of the aperture."""
    divergence_half_angle_urad: Annotated[float, Field(gt=0)] | None = None
    """Half-angle at which the far-field intensity has fallen to 1/e^2."""
    pointing_jitter_urad: Annotated[float, Field(ge=0)]
    """Pointing error, rms per axis."""
    pointing_bias_urad: Annotated[float, Field(ge=0)] = 0.0
    """Constant pointing offset."""
    optics_transmittance: Annotated[float, Field(gt=0, le=1)]
    """From the place where the source's photons are counted to the light that leaves the aperture."""

    @model_validator(mode="after")
    def _has_a_beam(self) -> Self:
        if self.aperture_mm is None and self.divergence_half_angle_urad is None:
            raise ValueError("aperture_mm or divergence_half_angle_urad is required")
        return self

    def sight(self) -> dict[str, float]:
        """What `stages.Sight` holds of the sending telescope, under its names, SI; what is not given is left out."""
        own = self.si
        values = {
            "transmitter_aperture": own.aperture,
            "transmitter_obscuration": own.obscuration_ratio,
            "transmitter_waist_ratio": own.waist_ratio,
            "divergence_half_angle": own.divergence_half_angle,
            "pointing_jitter": own.pointing_jitter,
            "pointing_bias": own.pointing_bias,
            "transmitter_optics_transmittance": own.optics_transmittance,
        }
        return {name: value for name, value in values.items() if value is not None}


class ReceivingTerminal(Terminal):
    """The same telescope where it receives, in an uplink: only its aperture and obscuration count."""

    pointing_jitter_urad: Annotated[float, Field(ge=0)] = 0.0
    optics_transmittance: Annotated[float, Field(gt=0, le=1)] = 1.0

    @model_validator(mode="after")
    def _has_a_beam(self) -> Self:
        if self.aperture_mm is None:
            raise ValueError("aperture_mm is required of a terminal that receives")
        return self

    def sight(self) -> dict[str, float]:
        """What `stages.Sight` holds of the receiving telescope, under its names, SI."""
        own = self.si
        return {"receiver_aperture": own.aperture, "receiver_obscuration": own.obscuration_ratio}
