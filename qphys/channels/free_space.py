"""Free-space downlink: diffraction, pointing, extinction and scintillation, each a term."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import numpy as np
from pydantic import Field

from qphys.channels import diffraction, path, scintillation
from qphys.channels.extinction import Atmosphere, extinction_db
from qphys.channels.link import Link
from qphys.channels.pointing import pointing_moment, pointing_rule
from qphys.channels.profiles import PROFILE_NAMES
from qphys.channels.refraction import apparent_elevation, standard_air
from qphys.channels.scintillation import GivenIndex, Turbulence
from qphys.errors import UserError
from qphys.stages import Files, Floats, Sight, Transmittance

LARGEST_RECEIVER: Final = 0.5
"""Radius of the receiver over that of the beam up to which the pointing law is used (its mean is 3 % low there)."""


class FreeSpace(Link):
    """A link from a satellite, from the telescopes, the geometry and the air.

    Without `atmosphere` the path is in vacuum, without `turbulence` in still air; `Transmittance.includes` tells which terms
    were computed. The receiver's optics are left to the receiver.
    """

    kind: Literal["free-space"]
    atmosphere: Annotated[Atmosphere, Field(discriminator="kind")] | None = None
    turbulence: Annotated[Turbulence, Field(discriminator="kind")] | None = None

    def transmit(self, sight: Sight, *, files: Files, where: str) -> Transmittance:
        """Distribution of transmittance along the pass.

        Parameters
        ----------
        sight : Sight
            Track, wavelength and telescopes of the arm.
        files : Files
            Reads tables of transmittance.
        where : str
            Place of the channel in the run, for messages, such as ``runs/pass.toml: channel``.

        Returns
        -------
        Transmittance
            One arm. Diffraction, transmitter optics and extinction multiply; pointing and scintillation, independent of each
            other, fluctuate about their means with one correlation time.

        Raises
        ------
        UserError
            A telescope, range or elevation is missing, or a model is asked for something outside its valid range.
        """
        track = sight.track
        if np.any(np.isnan(track.range)):
            raise UserError(
                f"{where}: a free-space channel needs the slant range, which the orbit does not tell at every step"
            )
        if np.isnan(sight.receiver_aperture):
            raise UserError(f"{where}: a free-space channel needs the receiver's aperture")
        captured, half_angle, beam = _beam(sight, where=where)
        loss_db = {
            "diffraction": -10.0 * np.log10(captured),
            "transmitter optics": np.full(captured.shape, 10.0 * np.log10(1.0 / sight.transmitter_optics_transmittance)),
        }
        models = [beam]
        pointing = None
        mean = pointing_moment(1, half_angle=half_angle, jitter=sight.pointing_jitter, bias=sight.pointing_bias)
        loss_db["pointing"] = np.full(captured.shape, 10.0 * np.log10(1.0 / mean))
        if sight.pointing_jitter > 0.0:
            _check_receiver(sight, half_angle, where=where)
            pointing = pointing_rule(
                self.fading_nodes, half_angle=half_angle, jitter=sight.pointing_jitter, bias=sight.pointing_bias
            )
            models.append(
                f"pointing: {'Rice' if sight.pointing_bias else 'Rayleigh'} law of a Gaussian, wide against the receiver"
            )
        if self.atmosphere is not None:
            pressure, temperature = standard_air(track.station_altitude)
            loss_db["atmosphere"] = extinction_db(
                self.atmosphere,
                apparent_elevation(track.elevation, pressure=pressure, temperature=temperature),
                wavelength=sight.wavelength,
                altitude=track.station_altitude,
                files=files,
                where=f"{where}.atmosphere",
            )
            models.append(f"extinction: {self.atmosphere.kind}, airmass at the apparent elevation")
        index = np.zeros(captured.shape)
        if self.turbulence is not None:
            loss_db["turbulence"] = np.zeros(captured.shape)
            index, model = _index(self.turbulence, sight, files=files, where=f"{where}.turbulence")
            models.append(model)
        return self.faded(
            sight,
            loss_db=loss_db,
            captured=captured,
            scintillation_index=index,
            pointing=pointing,
            includes=tuple(loss_db),
            model="; ".join(models),
            where=where,
        )


def _beam(sight: Sight, *, where: str) -> tuple[Floats, float, str]:
    """Transmittance by diffraction (T,), half-angle 1/e^2 for the pointing loss [rad], and the name of the model."""
    if not np.isnan(sight.divergence_half_angle):
        captured = diffraction.gaussian_share(
            sight.divergence_half_angle * sight.track.range,
            aperture=sight.receiver_aperture,
            obscuration=sight.receiver_obscuration,
        )
        return captured, sight.divergence_half_angle, "diffraction: Gaussian far field of the given divergence"
    if np.isnan(sight.transmitter_aperture):
        raise UserError(f"{where}: a free-space channel needs the divergence or the aperture of the sending terminal")
    try:
        captured = diffraction.aperture_share(
            sight.track.range,
            wavelength=sight.wavelength,
            transmitter_aperture=sight.transmitter_aperture,
            transmitter_obscuration=sight.transmitter_obscuration,
            waist_ratio=sight.transmitter_waist_ratio,
            receiver_aperture=sight.receiver_aperture,
            receiver_obscuration=sight.receiver_obscuration,
        )
    except ValueError as error:
        raise UserError(f"{where}: the receiver is too near for the diffraction of the sending aperture: {error}") from None
    half_angle = diffraction.equivalent_half_angle(
        sight.wavelength,
        aperture=sight.transmitter_aperture,
        obscuration=sight.transmitter_obscuration,
        waist_ratio=sight.transmitter_waist_ratio,
    )
    light = "uniform" if np.isnan(sight.transmitter_waist_ratio) else "truncated Gaussian"
    return captured, half_angle, f"diffraction: Fresnel integral of the sending aperture, {light}"


def _check_receiver(sight: Sight, half_angle: float, *, where: str) -> None:
    ratio = 0.5 * sight.receiver_aperture / (half_angle * float(np.min(sight.track.range, initial=np.inf)))
    if ratio > LARGEST_RECEIVER:
        raise UserError(
            f"{where}: the receiver's radius is {ratio:.2f} of the beam's; the pointing loss holds for a small receiver "
            f"(up to {LARGEST_RECEIVER:g}): set pointing_jitter_urad = 0, or use a wider beam"
        )


def _index(turbulence: Turbulence, sight: Sight, *, files: Files, where: str) -> tuple[Floats, str]:
    """Scintillation index of the received power (T,) and the name of the model."""
    elevation = sight.track.elevation
    if isinstance(turbulence, GivenIndex):
        return np.full(elevation.shape, turbulence.scintillation_index), "log-normal fading of a given scintillation index"
    if np.any(np.isnan(elevation)):
        raise UserError(f"{where}: turbulence needs the elevation, which the orbit does not tell at every step")
    lowest = float(np.min(elevation, initial=np.pi / 2))
    if lowest < scintillation.MINIMUM_ELEVATION - 1e-9:
        raise UserError(
            f"{where}: elevation {np.rad2deg(lowest):.3f} deg; the scintillation of a plane atmosphere is computed from "
            f'{np.rad2deg(scintillation.MINIMUM_ELEVATION):g} deg: raise the minimum elevation, or give kind = "index"'
        )
    profile = turbulence.resolved(files, where=where)
    largest = float(np.max(path.rytov_variance(profile, elevation, wavelength=sight.wavelength), initial=0.0))
    if largest > scintillation.RYTOV_LIMIT:
        raise UserError(
            f"{where}: Rytov variance {largest:.3f} at elevation {np.rad2deg(lowest):.3f} deg; weak theory holds "
            f'up to {scintillation.RYTOV_LIMIT:g}: raise the minimum elevation, or give kind = "index"'
        )
    index = scintillation.scintillation_index(
        profile, elevation, wavelength=sight.wavelength, aperture=sight.receiver_aperture
    )
    return index, (
        f"log-normal fading, aperture-averaged scintillation index of weak theory, {PROFILE_NAMES[turbulence.kind]} "
        f"(Rytov variance up to {largest:.2f}, valid up to {scintillation.RYTOV_LIMIT:g}; no mean loss by turbulence)"
    )
