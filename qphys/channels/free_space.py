"""Free-space downlink: diffraction, pointing, extinction and scintillation, each a term."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Final, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, model_validator

from qphys.channels import diffraction, layers, path, scintillation, temporal
from qphys.channels.extinction import Atmosphere, extinction_db
from qphys.channels.laws import Beta, GammaGamma, Law, Pointing, joined
from qphys.channels.link import Link, Passage, law_passage, log_normal_passage, spread_over
from qphys.channels.pointing import pointing_moment
from qphys.channels.profiles import PROFILE_NAMES, AnyProfile
from qphys.channels.refraction import apparent_elevation, standard_air
from qphys.channels.scintillation import GivenIndex, Turbulence
from qphys.channels.single_mode import SingleMode, single_mode_law, sky_share, still_coupling
from qphys.errors import UserError
from qphys.stages import Files, Floats, Sight

LARGEST_RECEIVER: Final = 0.5
"""Radius of the receiver over that of the beam up to which the pointing law is used (its mean is 3 % low there)."""


MODERATE: Final = 0.5
"""Rytov variance from which a result says by how much weak theory is off."""

LAYERS: Final = 20
"""Layers of the profile that a correction meets: isoplanatic angle within 0.2 %."""


class FreeSpace(Link):
    """A link from a satellite, from the telescopes, the geometry and the air.

    Without `atmosphere` the path is in vacuum, without `turbulence` in still air; `Transmittance.includes` tells which terms
    were computed. The receiver's optics are left to the receiver, without the coupling that
    `coupling` tells.
    """

    kind: Literal["free-space"]
    atmosphere: Annotated[Atmosphere, Field(discriminator="kind")] | None = None
    turbulence: Annotated[Turbulence, Field(discriminator="kind")] | None = None
    distribution: Literal["auto", "log-normal", "gamma-gamma", "beta"] = "auto"
    """Law of the scintillation; auto: log-normal, the law of weak fluctuations, beyond which none is computed."""
    coupling: SingleMode | None = None
    """Into the single-mode fibre of the receiver, with the law of what is coupled; not given: the receiver sums power."""
    pointing_correlation_time_ms: Annotated[float, Field(ge=0)] | None = None
    """Of the pointing factor, where `correlation_time_ms` is left out and that of the scintillation is computed."""

    @model_validator(mode="after")
    def _has_one_receiver_and_one_time(self) -> Self:
        if self.coupling is not None and self.sky_etendue == "field-of-view":
            raise ValueError("sky_etendue = 'field-of-view' contradicts the coupling: a single-mode fibre takes one mode")
        if self.coupling is not None and self.distribution != "auto":
            raise ValueError(
                f"distribution = '{self.distribution}' is a law of power; coupled light has its own: leave it out"
            )
        if self.correlation_time_ms is not None and self.pointing_correlation_time_ms is not None:
            raise ValueError("correlation_time_ms and pointing_correlation_time_ms exclude each other")
        return self

    @property
    def takes_one_mode(self) -> bool:
        """Whether the receiver takes one mode of the sky."""
        return self.coupling is not None or super().takes_one_mode

    def background(self, sight: Sight, *, where: str) -> Floats:
        """Sky photons a second at the analyser's entrance; of a coupling's mode what sees the sky. See `Link.background`."""
        rate = super().background(sight, where=where)
        if self.coupling is None or self.background_rate_hz is not None:
            return rate
        return rate * sky_share(self.coupling, obscuration=sight.receiver_obscuration)

    def passage(self, sight: Sight, *, files: Files, where: str) -> Passage:
        """Diffraction, transmitter optics and extinction, and the laws of pointing and scintillation; see `Link.passage`."""
        track = sight.track
        if np.any(np.isnan(track.range)):
            raise UserError(
                f"{where}: a free-space channel needs the slant range, which the orbit does not tell at every step"
            )
        if np.isnan(sight.receiver_aperture):
            raise UserError(f"{where}: a free-space channel needs the receiver's aperture")
        captured, half_angle, beam = far_field(sight, where=where)
        loss_db = {
            "diffraction": -10.0 * np.log10(captured),
            "transmitter optics": np.full(captured.shape, 10.0 * np.log10(1.0 / sight.transmitter_optics_transmittance)),
        }
        models = [beam]
        pointing = None
        mean = pointing_moment(1, half_angle=half_angle, jitter=sight.pointing_jitter, bias=sight.pointing_bias)
        loss_db["pointing"] = np.full(captured.shape, 10.0 * np.log10(1.0 / mean))
        if sight.pointing_jitter > 0.0:
            check_receiver(sight, half_angle, where=where)
            pointing = Pointing.rice(half_angle, sight.pointing_jitter, bias=sight.pointing_bias)
            models.append(
                f"pointing: {'Rice' if sight.pointing_bias else 'Rayleigh'} law of a Gaussian, wide against the receiver"
            )
        if self.atmosphere is not None:
            loss_db["atmosphere"], model = slant_extinction(self.atmosphere, sight, files=files, where=f"{where}.atmosphere")
            models.append(model)
        index = np.zeros(captured.shape)
        if self.turbulence is not None:
            loss_db["turbulence"] = np.zeros(captured.shape)
            index, model = _index(self.turbulence, sight, files=files, where=f"{where}.turbulence")
            models.append(model)
        coupled: Law | None = None
        if self.coupling is not None and self.turbulence is not None:
            coupled, model = self._coupled(self.coupling, sight, index, files=files, where=where)
            loss_db["fibre coupling"] = -10.0 * np.log10(coupled.mean)
            models.append(model)
        elif self.coupling is not None:
            still = self._still(self.coupling, sight, where=where)
            loss_db["fibre coupling"] = np.full(captured.shape, -10.0 * np.log10(still))
            models.append("fibre coupling: overlap of a plane wave with the fibre's mode, in still air")
        told: dict[str, Any] = {"loss_db": loss_db, "includes": tuple(loss_db), "model": "; ".join(models)}
        if coupled is not None:
            wide = None if pointing is None else spread_over(pointing, captured.size)
            share = coupled.mean * (1.0 if wide is None else wide.mean)
            whole = 10.0 ** (-0.1 * np.sum(list(loss_db.values()), axis=0))
            return law_passage(joined(coupled, wide, factor=whole / share), **told)
        if self.distribution in ("auto", "log-normal") or not np.any(index > 0.0):
            found = log_normal_passage(captured=captured, scintillation_index=index, pointing=pointing, **told)
        else:
            found = self._chosen(sight, captured, index, pointing, told, files=files, where=where)
        if self.correlation_time_ms is not None or not self._tells_time:
            return found
        return replace(
            found, correlation_time=lambda: self._time(sight, found.mean, index, pointing, files=files, where=where)
        )

    def _still(self, coupling: SingleMode, sight: Sight, *, where: str) -> float:
        """Coupling of a plane wave [1]."""
        told: dict[str, Any] = {"wavelength": sight.wavelength, "obscuration": sight.receiver_obscuration}
        return still_coupling(coupling, **told, where=f"{where}.coupling")

    def _coupled(self, coupling: SingleMode, sight: Sight, index: Floats, *, files: Files, where: str) -> tuple[Law, str]:
        """Law of the light in the fibre over that in the aperture, with the aperture's scintillation, and its name."""
        air = self.turbulence
        assert air is not None
        if isinstance(air, GivenIndex):
            raise UserError(
                f'{where}.coupling: needs turbulence with a profile; kind = "index" tells nothing of the phase '
                f"(allowed: {', '.join(PROFILE_NAMES)})"
            )
        if air.ground_wind_m_per_s is None and (coupling.loop_bandwidth_hz is not None or coupling.delay_ms):
            key = "loop_bandwidth_hz" if coupling.loop_bandwidth_hz is not None else "delay_ms"
            raise UserError(
                f"{where}.coupling.{key}: a correction in time needs the wind: give {where}.turbulence.ground_wind_m_per_s"
            )
        track, told = sight.track, f"{where}.turbulence"
        profile = air.resolved(files, where=told)
        r0 = path.fried_parameter(profile, track.elevation, wavelength=sight.wavelength)
        if not np.all(np.isfinite(r0)):
            raise UserError(f"{told}: a profile without turbulence; leave it out for still air")
        cut = layers.compressed(profile, LAYERS, ground_wind=air.ground_wind_m_per_s)
        law = single_mode_law(
            coupling,
            wavelength=sight.wavelength,
            aperture=sight.receiver_aperture,
            obscuration=sight.receiver_obscuration,
            fried_parameter=r0,
            elevation=track.elevation,
            layer_height=cut.height,
            layer_weight=cut.strength / np.sum(cut.strength),
            layer_wind=0.0 if air.ground_wind_m_per_s is None else cut.wind,
            slew_rate=np.nan_to_num(track.slew_rate, nan=0.0),
            scintillation_index=index,
            outer_scale=np.inf if air.outer_scale_m is None else air.outer_scale_m,
            where=f"{where}.coupling",
        )
        count = coupling.corrected_modes
        done = "no correction" if count == 1 else f"{count} Zernike modes corrected (piston counted)"
        if count > 1 and (coupling.loop_bandwidth_hz is not None or coupling.delay_ms):
            done += f", {'loop' if coupling.loop_bandwidth_hz is not None else 'delay'} against wind"
            swept = not np.any(np.isnan(track.slew_rate))
            done += " and slew" if swept else " alone (the orbit does not tell the slew of the line of sight)"
        largest = sight.receiver_aperture / float(np.min(r0, initial=np.inf))
        return law, f"fibre coupling: {done}, D/r0 up to {largest:.2f}; {law.validity}"

    @property
    def _tells_time(self) -> bool:
        """Whether a correlation time follows from the keys."""
        air = self.turbulence
        windy = air is not None and not isinstance(air, GivenIndex) and air.ground_wind_m_per_s is not None
        return windy or (air is None and self.pointing_correlation_time_ms is not None)

    def _time(
        self, sight: Sight, mean: Floats, index: Floats, pointing: Pointing | None, *, files: Files, where: str
    ) -> tuple[float, str]:
        """Correlation time of scintillation and pointing together, one for the pass [s], and how it was found."""
        own = self.pointing_correlation_time_ms
        if pointing is not None and own is None:
            raise UserError(
                f"{where}: pointing_correlation_time_ms is required beside the computed time of the scintillation, since "
                "pointing fluctuates at its own pace; or give correlation_time_ms for both"
            )
        of_pointing = 0.0 if own is None else 1e-3 * own
        jitter = 0.0 if pointing is None else float(pointing.scintillation_index[0])
        of_air, said = np.zeros(mean.shape), []
        air = self.turbulence
        if air is not None and not isinstance(air, GivenIndex):
            if np.any(np.isnan(sight.track.slew_rate)):
                raise UserError(
                    f"{where}: correlation_time_ms is required; the orbit does not tell the rate at which the line of sight "
                    "sweeps through the wind"
                )
            of_air = temporal.correlation_time(
                air.resolved(files, where=f"{where}.turbulence"),
                sight.track.elevation,
                wavelength=sight.wavelength,
                aperture=sight.receiver_aperture,
                ground_wind=np.float64(air.ground_wind_m_per_s or 0.0),
                slew_rate=sight.track.slew_rate,
                obscuration=sight.receiver_obscuration,
                outer_scale=np.inf if air.outer_scale_m is None else air.outer_scale_m,
            )
            of_air = np.nan_to_num(of_air, nan=0.0)
            said.append("scintillation by frozen flow, wind and slew")
        if pointing is not None:
            said.append("pointing as given")
        # the joint autocovariance of independent factors, integrated
        both = of_air + of_pointing
        joint = np.where(both > 0.0, of_air * of_pointing / np.where(both > 0.0, both, 1.0), 0.0)
        total = np.sum(mean**2 * (index + jitter + index * jitter))
        area = np.sum(mean**2 * (index * of_air + jitter * of_pointing + index * jitter * joint))
        time = float(area / total) if total > 0.0 else 0.0
        return time, (
            f"correlation time {1e3 * time:.3g} ms ({'; '.join(said)}): the one that keeps the variance of the pass's counts"
        )

    def _chosen(
        self,
        sight: Sight,
        captured: Floats,
        index: Floats,
        pointing: Pointing | None,
        told: dict[str, Any],
        *,
        files: Files,
        where: str,
    ) -> Passage:
        """Passage with the law of scintillation that the user asks for."""
        try:
            if self.distribution == "beta":
                turbulence: Law = Beta(captured, index)
            else:
                rytov = self.path(sight, files=files, where=where).get("rytov_variance")
                if rytov is None:
                    raise ValueError("its parameters are those of a point receiver, and need a profile of turbulence")
                turbulence = GammaGamma.of_plane_wave(captured, rytov)
        except ValueError as error:
            raise UserError(f"{where}.distribution = '{self.distribution}': {error}") from None
        mean = 10.0 ** (-0.1 * np.sum(list(told["loss_db"].values()), axis=0))
        wide = None if pointing is None else spread_over(pointing, mean.size)
        share = captured * (1.0 if wide is None else wide.mean)
        return law_passage(joined(turbulence, wide, factor=mean / share), **told)

    def path(self, sight: Sight, *, files: Files, where: str) -> dict[str, Floats]:
        """Quantities of the path down to the receiver, each of shape (T,); see `turbulent_path`."""
        if self.turbulence is None or isinstance(self.turbulence, GivenIndex):
            return {}
        check_elevation(sight.track.elevation, where=f"{where}.turbulence")
        found = turbulent_path(
            self.turbulence, sight, files=files, where=f"{where}.turbulence", aperture=sight.receiver_aperture
        )
        profile = self.turbulence.resolved(files, where=f"{where}.turbulence")
        return found | {"rytov_variance": path.rytov_variance(profile, sight.track.elevation, wavelength=sight.wavelength)}


def turbulent_path(
    turbulence: AnyProfile, sight: Sight, *, files: Files, where: str, aperture: float, satellite_height: ArrayLike = np.inf
) -> dict[str, Floats]:
    """Coherence, angles and rates of a path through a profile, under the names of `path`.

    Parameters
    ----------
    turbulence : profile
        Of the structure constant.
    sight : Sight
        Track and wavelength.
    files : Files
        Reads a table.
    where : str
        Place of the turbulence in the run, for messages.
    aperture : float
        Of the telescope on the ground, for the tilt [m].
    satellite_height : array_like
        Height of the source of a spherical wave [m]; infinite: a plane one.

    Returns
    -------
    dict
        Name -> (T,). Rates only where the profile tells its ground wind; the line of sight sweeps with the slew rate of the
        track, where that is known.
    """
    profile = turbulence.resolved(files, where=where)
    elevation, light = sight.track.elevation, sight.wavelength
    found = {
        "fried_parameter": path.fried_parameter(profile, elevation, wavelength=light, satellite_height=satellite_height),
        "isoplanatic_angle": path.isoplanatic_angle(profile, elevation, wavelength=light),
    }
    if turbulence.ground_wind_m_per_s is not None:
        slew = np.nan_to_num(sight.track.slew_rate, nan=0.0)
        air: dict[str, Any] = {"ground_wind": turbulence.ground_wind_m_per_s, "slew_rate": slew, "wavelength": light}
        found["greenwood_frequency"] = path.greenwood_frequency(profile, elevation, **air)
        found["coherence_time"] = path.coherence_time(profile, elevation, **air)
        if not np.isnan(aperture):
            found["tilt_frequency"] = path.tilt_frequency(profile, elevation, aperture=aperture, **air)
    return found


def far_field(sight: Sight, *, where: str) -> tuple[Floats, float, str]:
    """Share of the light that the receiver would catch in vacuum, with the telescopes pointed at each other.

    Parameters
    ----------
    sight : Sight
        Track and telescopes.
    where : str
        Place of the channel in the run, for messages.

    Returns
    -------
    share : ndarray
        Transmittance by diffraction [1], shape (T,).
    half_angle : float
        Half-angle 1/e^2 of the beam, for the pointing loss [rad].
    model : str
        Name of the model.

    Raises
    ------
    UserError
        The sending telescope is not known, or the receiver is too near for the integral.
    """
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


def slant_extinction(atmosphere: Atmosphere, sight: Sight, *, files: Files, where: str) -> tuple[Floats, str]:
    """Loss by extinction along the slant path [dB], shape (T,), and the name of the model.

    The airmass is that of the elevation at which the light arrives, refraction included, in a standard air at the station's
    height. Parameters and errors are those of `extinction.extinction_db`.
    """
    track = sight.track
    pressure, temperature = standard_air(track.station_altitude)
    loss = extinction_db(
        atmosphere,
        apparent_elevation(track.elevation, pressure=pressure, temperature=temperature),
        wavelength=sight.wavelength,
        altitude=track.station_altitude,
        files=files,
        where=where,
    )
    return loss, f"extinction: {atmosphere.kind}, airmass at the apparent elevation"


def check_receiver(sight: Sight, half_angle: float, *, where: str) -> None:
    """A UserError where the receiver is too wide against the beam for the laws of a small one."""
    ratio = 0.5 * sight.receiver_aperture / (half_angle * float(np.min(sight.track.range, initial=np.inf)))
    if ratio > LARGEST_RECEIVER:
        raise UserError(
            f"{where}: the receiver's radius is {ratio:.2f} of the beam's; the pointing loss holds for a small receiver "
            f"(up to {LARGEST_RECEIVER:g}): set pointing_jitter_urad = 0, or use a wider beam"
        )


def check_elevation(elevation: Floats, *, where: str) -> float:
    """Lowest elevation [rad] of a track through turbulence; a UserError where unknown, or too low for a plane atmosphere."""
    if np.any(np.isnan(elevation)):
        raise UserError(f"{where}: turbulence needs the elevation, which the orbit does not tell at every step")
    lowest = float(np.min(elevation, initial=np.pi / 2))
    if lowest < path.MINIMUM_ELEVATION - 1e-9:
        raise UserError(
            f"{where}: elevation {np.rad2deg(lowest):.3f} deg; turbulence in a plane atmosphere is computed from "
            f'{np.rad2deg(path.MINIMUM_ELEVATION):g} deg: raise the minimum elevation, or give kind = "index"'
        )
    return lowest


def _index(turbulence: Turbulence, sight: Sight, *, files: Files, where: str) -> tuple[Floats, str]:
    """Scintillation index of the received power (T,) and the name of the model."""
    elevation = sight.track.elevation
    if isinstance(turbulence, GivenIndex):
        return np.full(elevation.shape, turbulence.scintillation_index), "fading of a given scintillation index"
    lowest = check_elevation(elevation, where=where)
    profile = turbulence.resolved(files, where=where)
    largest = float(np.max(path.rytov_variance(profile, elevation, wavelength=sight.wavelength), initial=0.0))
    if largest > scintillation.RYTOV_LIMIT:
        raise UserError(
            f"{where}: Rytov variance {largest:.3f} at elevation {np.rad2deg(lowest):.3f} deg; weak theory holds "
            f'up to {scintillation.RYTOV_LIMIT:g}: raise the minimum elevation, or give kind = "index"'
        )
    index = scintillation.scintillation_index(
        profile,
        elevation,
        wavelength=sight.wavelength,
        aperture=sight.receiver_aperture,
        obscuration=sight.receiver_obscuration,
        outer_scale=np.inf if turbulence.outer_scale_m is None else turbulence.outer_scale_m,
    )
    bias = (
        ""
        if largest < MODERATE
        else "; wave optics at 0.96 has an index 10 to 16 % lower for 0.3 to 1 m, 9 % higher at a point"
    )
    return index, (
        f"aperture-averaged scintillation index of weak theory, {PROFILE_NAMES[turbulence.kind]} "
        f"(Rytov variance up to {largest:.2f}, valid up to {scintillation.RYTOV_LIMIT:g}{bias}; no mean loss by turbulence)"
    )
