"""Horizontal link: a Gaussian beam through turbulence that fills the path, from the sender to the receiver."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import numpy as np
from pydantic import Field

from qphys.channels import beam, diffraction, path, scintillation
from qphys.channels.choose import level_law
from qphys.channels.extinction import HorizontalAttenuation, haze_extinction_db_per_km, horizontal_extinction_db
from qphys.channels.laws import Beta, Law, LogNormal, Scaled
from qphys.channels.link import Link, Passage, law_passage, log_normal_passage
from qphys.channels.quadrature import panels
from qphys.errors import UserError
from qphys.record import Record
from qphys.stages import Files, Floats, Sight

WEAK: Final = 1.0
"""Rytov variance of a plane wave up to which the index of the received power follows from the strength of turbulence."""


class Haze(Record):
    """Extinction of even air along the path from its visibility; no gas absorption."""

    kind: Literal["haze"]
    visibility_km: Annotated[float, Field(gt=0)]
    law: Literal["kruse", "kim"]


class LevelTurbulence(Record):
    """Turbulence of one strength all along the path."""

    kind: Literal["constant"]
    cn2: Annotated[float, Field(gt=0)]
    """Structure constant [m^(-2/3)]; of a path that changes, the mean weighted by (1 - z/L)^(5/3), z from the sender."""
    outer_scale_m: Annotated[float, Field(gt=0)] | None = None
    scintillation_index: Annotated[float, Field(gt=0, le=3)] | None = None
    """Of the received power, measured; needed where turbulence is too strong to compute one."""


class Horizontal(Link):
    """A link between two places on the ground, along even air: the terminal sends, the station receives.

    The length of the path is the orbit's range. Without `atmosphere` nothing is absorbed, without `turbulence` the air is
    still.
    """

    kind: Literal["horizontal"]
    focus: Literal["receiver", "infinity"]
    """Where the sender is focused; a terminal that tells its divergence has that beam, whatever the focus."""
    atmosphere: Annotated[Haze | HorizontalAttenuation, Field(discriminator="kind")] | None = None
    turbulence: LevelTurbulence | None = None
    distribution: Literal["auto", "beta", "log-normal"] = "auto"
    """Law of the received power; auto: total probability in weak turbulence, beta in strong one or with a given index."""

    def passage(self, sight: Sight, *, files: Files, where: str) -> Passage:
        """Spot at the receiver, sender's optics, extinction, pointing, and what turbulence costs; see `Link.passage`."""
        distance = sight.track.range
        if np.any(np.isnan(distance)):
            raise UserError(f"{where}: a horizontal link needs the range, which the orbit does not tell at every step")
        if np.isnan(sight.receiver_aperture):
            raise UserError(f"{where}: a horizontal link needs the receiver's aperture")
        if sight.pointing_bias > 0.0:
            raise UserError(f"{where}: a horizontal link takes no constant pointing error (pointing_bias_urad = 0)")
        spot = self._spot(sight, where=where)
        moved = np.hypot(spot, 2.0 * sight.pointing_jitter * distance)
        opening: dict[str, Any] = {"aperture": sight.receiver_aperture, "obscuration": sight.receiver_obscuration}
        share = diffraction.gaussian_share(spot, **opening)
        pointed = diffraction.gaussian_share(moved, **opening)
        loss_db: dict[str, Floats] = {
            "diffraction": -10.0 * np.log10(share),
            "transmitter optics": np.full(share.shape, 10.0 * np.log10(1.0 / sight.transmitter_optics_transmittance)),
            "pointing": 10.0 * np.log10(share / pointed),
        }
        models = [f"diffraction: Gaussian spot of {_span(spot)} m radius at the receiver"]
        if self.atmosphere is not None:
            loss_db["atmosphere"] = self._extinction(sight)
            models.append(f"extinction: {self.atmosphere.kind}")
        wander = sight.pointing_jitter * distance
        index, caught = np.zeros(share.shape), pointed
        if self.turbulence is not None:
            caught = self._mean(sight, moved)
            loss_db["turbulence"] = 10.0 * np.log10(pointed / caught)
            wander = np.hypot(wander, self._wander(sight, spot))
            index, model = self._index(sight, where=where)
            models.append(model)
        given = self.turbulence is not None and self.turbulence.scintillation_index is not None
        if not given:
            index = (1.0 + index) * (1.0 + self._wander_index(sight, moved, wander)) - 1.0
        told: dict[str, Any] = {"loss_db": loss_db, "includes": tuple(loss_db), "model": "; ".join(models)}
        if not np.any(index > 0.0):
            return log_normal_passage(captured=share, scintillation_index=index, **told)
        law = self._law(sight, caught, index, wander, given=given, where=where)
        whole = 10.0 ** (-0.1 * np.sum(list(loss_db.values()), axis=0))
        return law_passage(Scaled(law, whole / caught), **told)

    def _law(self, sight: Sight, mean: Floats, index: Floats, wander: Floats, *, given: bool, where: str) -> Law:
        """Law of the share that the receiver catches, with the given mean and index."""
        rytov = np.zeros(mean.shape)
        if self.turbulence is not None:
            distance = sight.track.range
            rytov = path.horizontal_rytov_variance(self.turbulence.cn2, distance, wavelength=sight.wavelength, wave="plane")
        try:
            if self.distribution == "log-normal":
                return LogNormal.of_moments(mean, index)
            if self.distribution == "beta" or given:
                return Beta(mean, index)
            radius = 0.5 * sight.receiver_aperture
            return level_law(mean, index, rytov_variance=rytov, aperture_radius=radius, wander=wander).law
        except ValueError as error:
            raise UserError(f"{where}.distribution = '{self.distribution}': no such law here: {error}") from None

    def path(self, sight: Sight, *, files: Files, where: str) -> dict[str, Floats]:
        """Coherence, strength, and the beam's size and wander at the receiver, each of shape (T,)."""
        if self.turbulence is None:
            return {}
        distance, cn2, light = sight.track.range, self.turbulence.cn2, sight.wavelength
        spot, wander = self._spot(sight, where=where), self._wander(sight, self._spot(sight, where=where))
        wide = np.hypot(spot, 2.0 * sight.pointing_jitter * distance)
        radius = 0.5 * sight.receiver_aperture
        return {
            "fried_parameter": self._fried_parameter(sight),
            "rytov_variance": path.horizontal_rytov_variance(cn2, distance, wavelength=light, wave="plane"),
            "beam_radius": beam.long_term_radius(self._encircled(sight, wide, radius), radius),
            "beam_wander": wander,
        }

    def _spot(self, sight: Sight, *, where: str) -> Floats:
        """Radius 1/e^2 of the beam at the receiver without turbulence [m], shape (T,)."""
        distance = sight.track.range
        if not np.isnan(sight.divergence_half_angle):
            return np.asarray(sight.divergence_half_angle * distance)
        if np.isnan(sight.transmitter_aperture):
            raise UserError(f"{where}: a horizontal link needs the divergence or the aperture of the sending terminal")
        focus = distance if self.focus == "receiver" else np.inf
        return beam.beam_radius(distance, self._waist(sight), wavelength=sight.wavelength, focus=focus)

    @staticmethod
    def _waist(sight: Sight) -> float:
        """Radius 1/e^2 at the sender of the Gaussian with the printed far field, or with the curvature of the aperture's."""
        angle = sight.divergence_half_angle
        if np.isnan(angle):
            angle = diffraction.equivalent_half_angle(
                sight.wavelength,
                aperture=sight.transmitter_aperture,
                obscuration=sight.transmitter_obscuration,
                waist_ratio=sight.transmitter_waist_ratio,
            )
        return float(sight.wavelength / (np.pi * angle))

    def _extinction(self, sight: Sight) -> Floats:
        distance = sight.track.range
        if isinstance(self.atmosphere, Haze):
            visibility = 1e3 * self.atmosphere.visibility_km
            rate = haze_extinction_db_per_km(sight.wavelength, visibility=visibility, law=self.atmosphere.law)
            return np.asarray(rate * distance / 1e3)
        assert self.atmosphere is not None
        return horizontal_extinction_db(self.atmosphere, distance, wavelength=sight.wavelength)

    def _fried_parameter(self, sight: Sight) -> Floats:
        assert self.turbulence is not None
        return path.horizontal_fried_parameter(
            self.turbulence.cn2, sight.track.range, wavelength=sight.wavelength, wave="spherical"
        )

    def _encircled(self, sight: Sight, spot: Floats, radius: float) -> Floats:
        assert self.turbulence is not None
        return beam.encircled_mean(
            radius,
            spot,
            distance=sight.track.range,
            wavelength=sight.wavelength,
            fried_parameter=self._fried_parameter(sight),
            outer_scale=self.turbulence.outer_scale_m or np.inf,
        )

    def _mean(self, sight: Sight, spot: Floats) -> Floats:
        """Mean share of the light that falls into the receiver's annulus, exact in the Markov approximation."""
        radius = 0.5 * sight.receiver_aperture
        whole = self._encircled(sight, spot, radius)
        hole = sight.receiver_obscuration
        return whole - self._encircled(sight, spot, hole * radius) if hole > 0.0 else whole

    def _wander(self, sight: Sight, spot: Floats) -> Floats:
        """Wander of the centroid by turbulence, rms per axis [m], shape (T,)."""
        assert self.turbulence is not None
        waist, found = self._waist(sight), []
        each, back = np.unique(np.stack([sight.track.range, spot]), axis=1, return_inverse=True)
        for distance, end in each.T:
            position, strength = beam.level_path(float(distance), self.turbulence.cn2)
            # a printed divergence opens from the waist; a focused or collimated beam goes as Gaussian beams do
            if np.isnan(sight.divergence_half_angle):
                focus = distance if self.focus == "receiver" else np.inf
                radius = beam.beam_radius(position, waist, wavelength=sight.wavelength, focus=focus)
            else:
                radius = np.hypot(waist, end * position / distance)
            outer = self.turbulence.outer_scale_m or np.inf
            variance = beam.centroid_variance(position, strength, beam_radius=radius, distance=distance, outer_scale=outer)
            found.append(float(np.sqrt(variance)))
        return np.asarray(found)[back]

    def _wander_index(self, sight: Sight, spot: Floats, wander: Floats) -> Floats:
        """Index of the power in the aperture by a wandering spot of the same mean, shape (T,)."""
        from scipy.stats import ncx2

        radius = 0.5 * sight.receiver_aperture
        mean = diffraction.gaussian_share(spot, aperture=sight.receiver_aperture)
        if self.turbulence is not None:
            mean = self._encircled(sight, spot, radius)
        long = beam.long_term_radius(mean, radius)
        x, weights = panels(np.linspace(0.0, 6.0, 13))
        density = weights * x * np.exp(-0.5 * x**2)
        each, back = np.unique(np.stack([long, wander]), axis=1, return_inverse=True)
        found = np.zeros(each.shape[1])
        for i, (whole, moved) in enumerate(each.T):
            if moved > 0.0:
                # the spot is never all wander: what is left about its centre is at least a fifth of its radius
                moved = min(moved, 0.49 * whole)
                short = float(beam.short_term_radius(whole, moved))
                share = ncx2.cdf(4.0 * radius**2 / short**2, 2, (2.0 * moved * x / short) ** 2)
                first = float(np.sum(density * share))
                found[i] = float(np.sum(density * share**2)) / first**2 * float(np.sum(density)) - 1.0
        return found[back]

    def _index(self, sight: Sight, *, where: str) -> tuple[Floats, str]:
        """Scintillation index of the received power, wander apart, shape (T,), and the name of the model."""
        assert self.turbulence is not None
        distance, air = sight.track.range, self.turbulence
        rytov = path.horizontal_rytov_variance(air.cn2, distance, wavelength=sight.wavelength, wave="plane")
        largest = float(np.max(rytov, initial=0.0))
        spread = "mean by the extended Huygens-Fresnel integral (exact in the Markov approximation)"
        if air.scintillation_index is not None:
            index = np.full(distance.shape, air.scintillation_index)
            return index, f"even turbulence, Rytov variance up to {largest:.3g}: {spread}, index as given"
        if largest > WEAK:
            raise UserError(
                f"{where}.turbulence: Rytov variance {largest:.3g}; the index of the received power is computed up to "
                f"{WEAK:g}: give scintillation_index (measured), which leaves the mean as it is"
            )
        wave: Literal["plane", "spherical"] = (
            "plane" if np.pi * self._waist(sight) ** 2 / sight.wavelength > float(np.max(distance)) else "spherical"
        )
        each, back = np.unique(distance, return_inverse=True)
        opening: dict[str, Any] = {"wavelength": sight.wavelength, "aperture": sight.receiver_aperture, "wave": wave}
        index = np.asarray([scintillation.horizontal_index(air.cn2, float(d), **opening) for d in each])[back]
        return index, (
            f"even turbulence, Rytov variance up to {largest:.2f}: {spread}; index of weak theory for a {wave} wave, "
            "averaged over the aperture, and of the beam's wander"
        )


def _span(values: Floats) -> str:
    low, high = float(np.min(values)), float(np.max(values))
    return f"{low:.3g}" if high - low < 1e-3 * high else f"{low:.3g} to {high:.3g}"
