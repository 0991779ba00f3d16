"""Uplink: a station's launch telescope through the air to a satellite; by reciprocity, the coupling of a wave from above."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, ClassVar, Final, Literal

import numpy as np
from pydantic import Field

from qphys.channels import path, scintillation
from qphys.channels.extinction import Atmosphere
from qphys.channels.free_space import check_elevation, check_receiver, far_field, slant_extinction, turbulent_path
from qphys.channels.laws import Law, Pointing, Product, Scaled
from qphys.channels.link import Link, Passage, law_passage, log_normal_passage
from qphys.channels.pointing import pointing_moment
from qphys.channels.profiles import PROFILE_NAMES, AnyProfile
from qphys.channels.single_mode import UNTRUNCATED, uplink_law
from qphys.channels.terminal import Terminal
from qphys.errors import UserError
from qphys.stages import Files, Floats, Sight

RYTOV_LIMIT: Final = 1.0
"""Spherical-wave Rytov variance up to which the light's amplitude is taken as log-normal over the launch telescope."""

EVEN: Final = 50.0
"""Radius of the beam over that of the telescope that stands for even illumination (0.02 % of intensity less at the edge)."""


class Launch(Terminal):
    """The telescope on the ground that sends, and what it does about the air."""

    corrected_modes: Annotated[int, Field(ge=1)]
    """Zernike modes, the piston counted, that are measured on the satellite's beacon and taken out of the beam: 1 none, 3
    the tilt, then 6, 10, ... The correction follows at once."""
    point_ahead_urad: Annotated[float, Field(ge=0)] | None = None
    """Angle between the beacon and the beam; not given: that of the track."""


class Uplink(Link):
    """A link to a satellite, from its geometry, the air and the launch telescope; the terminal receives.

    Without `atmosphere` the path is in vacuum, without `turbulence` in still air.
    """

    sends: ClassVar[Literal["terminal", "station"]] = "station"

    kind: Literal["uplink"]
    launch: Launch
    atmosphere: Annotated[Atmosphere, Field(discriminator="kind")] | None = None
    turbulence: Annotated[AnyProfile, Field(discriminator="kind")] | None = None

    def passage(self, sight: Sight, *, files: Files, where: str) -> Passage:
        """Diffraction of the launch, its optics, extinction, pointing, and what turbulence costs; see `Link.passage`."""
        track = sight.track
        if np.any(np.isnan(track.range)):
            raise UserError(f"{where}: an uplink needs the slant range, which the orbit does not tell at every step")
        if np.isnan(sight.receiver_aperture):
            raise UserError(f"{where}: an uplink needs the aperture of the terminal, which receives")
        numbers: dict[str, Any] = {**_SENDING, **self.launch.sight()}
        launched = replace(sight, **numbers)
        captured, half_angle, beam = far_field(launched, where=where)
        check_receiver(launched, half_angle, where=where)
        jitter, bias = launched.pointing_jitter, launched.pointing_bias
        still = pointing_moment(1, half_angle=half_angle, jitter=jitter, bias=bias)
        loss_db: dict[str, Floats] = {
            "diffraction": -10.0 * np.log10(captured),
            "transmitter optics": np.full(captured.shape, 10.0 * np.log10(1.0 / launched.transmitter_optics_transmittance)),
            "pointing": np.full(captured.shape, 10.0 * np.log10(1.0 / still)),
        }
        models = [beam]
        told: dict[str, Any] = {"files": files, "where": f"{where}.turbulence"}
        if self.atmosphere is not None:
            loss_db["atmosphere"], model = slant_extinction(self.atmosphere, sight, files=files, where=f"{where}.atmosphere")
            models.append(model)
        if self.turbulence is None:
            pointing = Pointing.rice(half_angle, jitter, bias=bias) if jitter > 0.0 else None
            return log_normal_passage(
                loss_db=loss_db,
                captured=captured,
                scintillation_index=np.zeros(captured.shape),
                pointing=pointing,
                includes=tuple(loss_db),
                model="; ".join(models),
            )
        law, model = self._launched(launched, half_angle, **told)
        wide = half_angle / np.sqrt(np.minimum(law.mean, 1.0))
        whole: Law = law
        if jitter > 0.0:
            steered = Pointing.rice(wide, jitter, bias=bias)
            whole = Product(law, steered)
        elif bias > 0.0:
            whole = Scaled(law, np.exp(-2.0 * (bias / wide) ** 2))
        loss_db["turbulence"] = -10.0 * np.log10(whole.mean / still)
        mean = 10.0 ** (-0.1 * np.sum(list(loss_db.values()), axis=0))
        models.append(model)
        return law_passage(
            Scaled(whole, mean / whole.mean), loss_db=loss_db, includes=tuple(loss_db), model="; ".join(models)
        )

    def path(self, sight: Sight, *, files: Files, where: str) -> dict[str, Floats]:
        """Quantities of the path up from the station, each of shape (T,)."""
        if self.turbulence is None:
            return {}
        track = sight.track
        check_elevation(track.elevation, where=f"{where}.turbulence")
        told: dict[str, Any] = {"files": files, "where": f"{where}.turbulence"}
        height = track.range * np.sin(track.elevation)
        diameter = np.nan if self.launch.aperture_mm is None else 1e-3 * self.launch.aperture_mm
        found = turbulent_path(self.turbulence, sight, aperture=diameter, satellite_height=height, **told)
        profile = self.turbulence.resolved(**told)
        found["rytov_variance"] = path.rytov_variance(
            profile, track.elevation, wavelength=sight.wavelength, satellite_height=height
        )
        ahead = self._point_ahead(sight)
        return found | ({} if np.any(np.isnan(ahead)) else {"point_ahead_angle": ahead})

    def _point_ahead(self, sight: Sight) -> Floats:
        """Angle between the beacon and the beam [rad], shape (T,); NaN where nobody tells it."""
        given = self.launch.point_ahead_urad
        return sight.track.point_ahead_angle if given is None else np.full(sight.track.time.shape, 1e-6 * given)

    def _launched(self, sight: Sight, half_angle: float, *, files: Files, where: str) -> tuple[Law, str]:
        """Law of the intensity at the satellite over that in vacuum, and the name of the model."""
        assert self.turbulence is not None
        track = sight.track
        check_elevation(track.elevation, where=where)
        profile = self.turbulence.resolved(files, where=where)
        satellite = track.range * np.sin(track.elevation)
        light: dict[str, Any] = {"wavelength": sight.wavelength}
        rytov = path.rytov_variance(profile, track.elevation, satellite_height=satellite, **light)
        largest = float(np.max(rytov, initial=0.0))
        if largest > RYTOV_LIMIT:
            raise UserError(
                f"{where}: Rytov variance {largest:.3f} on the way up; the law of an uplink is computed up to "
                f"{RYTOV_LIMIT:g}: raise the minimum elevation, or take a weaker profile"
            )
        heights, strengths = path.heights(profile)
        # light from below: what is near the satellite bends it over a shorter lever
        weights = strengths * (1.0 - np.minimum(heights / float(np.min(satellite)), 1.0)) ** (5 / 3)
        ahead = self._point_ahead(sight)
        corrected = self.launch.corrected_modes
        if corrected > 1 and np.any(np.isnan(ahead)):
            raise UserError(
                f"{where.removesuffix('.turbulence')}.launch.point_ahead_urad: missing; the orbit does not tell the angle "
                "that a correction (corrected_modes above 1) is wrong by"
            )
        waist, aperture, obscuration = self._mode(sight, half_angle)
        law = uplink_law(
            waist=waist,
            aperture=aperture,
            obscuration=obscuration,
            fried_parameter=path.fried_parameter(profile, track.elevation, satellite_height=satellite, **light),
            elevation=track.elevation,
            corrected_modes=corrected,
            point_ahead_angle=np.nan_to_num(ahead, nan=0.0) if corrected > 1 else 0.0,
            layer_height=heights,
            layer_weight=weights / np.sum(weights),
            scintillation_index=scintillation.scintillation_index(
                profile, track.elevation, aperture=min(2.0 * waist, aperture or np.inf), **light
            ),
            outer_scale=self.turbulence.outer_scale_m or np.inf,
            where=where,
        )
        tracked = "untracked" if corrected == 1 else f"{corrected} modes corrected on the beacon, point-ahead included"
        return law, (
            f"uplink by reciprocity, {tracked}: {PROFILE_NAMES[self.turbulence.kind]}, mode of {100 * waist:.2g} cm, Rytov "
            f"variance up to {largest:.2f}; the satellite's aperture is taken as a point"
        )

    def _mode(self, sight: Sight, half_angle: float) -> tuple[float, float | None, float]:
        """Radius 1/e^2 of the launched beam [m], diameter of the telescope that cuts it [m] or None, obscuration."""
        diameter = sight.transmitter_aperture
        if not np.isnan(sight.divergence_half_angle):
            # the Gaussian that has the printed far field
            waist = sight.wavelength / (np.pi * half_angle)
            cut = diameter < 2.0 * UNTRUNCATED * waist
            return waist, diameter if cut else None, sight.transmitter_obscuration if cut else 0.0
        ratio = EVEN if np.isnan(sight.transmitter_waist_ratio) else sight.transmitter_waist_ratio
        return 0.5 * diameter * ratio, diameter, sight.transmitter_obscuration


_SENDING: Final[dict[str, float]] = {
    "transmitter_aperture": np.nan,
    "transmitter_obscuration": 0.0,
    "transmitter_waist_ratio": np.nan,
    "divergence_half_angle": np.nan,
    "pointing_jitter": 0.0,
    "pointing_bias": 0.0,
    "transmitter_optics_transmittance": 1.0,
}
"""What `Sight` holds of a sending telescope, empty."""
