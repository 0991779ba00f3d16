"""Brightness of the sky behind a satellite: airglow, lamps, moon, twilight and day."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Final, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from qphys.channels.extinction import aerosol_optical_depth, airmass, rayleigh_optical_depth
from qphys.channels.refraction import standard_air
from qphys.errors import UserError
from qphys.record import Record
from qphys.stages import SKY, Floats, Track

SQUARE_ARCSECONDS: Final = (180.0 * 3600.0 / np.pi) ** 2
"""In a steradian."""

MAGNITUDE: Final = 2.5 / np.log(10.0)
"""Extinction of an optical depth of 1 [mag]."""

MICROMETRE: Final = 1e6
"""From W m^-2 um^-1 to W m^-2 m^-1."""


class Band(NamedTuple):
    """A photometric band and the moonless natural sky in it."""

    wavelength: float
    """Effective wavelength [m]."""
    zero_point: float
    """Spectral irradiance of magnitude 0 [W m^-2 m^-1]."""
    edges: tuple[float, float]
    """Where the band begins and ends, about at half of its peak [m]."""
    night: float
    """Moonless natural sky at zenith, mean of the band with its OH lines [mag/arcsec^2]."""


BANDS: Final = {
    "B": Band(438e-9, 632.0e-10 * MICROMETRE, (390e-9, 490e-9), 22.7),
    "V": Band(545e-9, 363.1e-10 * MICROMETRE, (500e-9, 590e-9), 21.9),
    "R": Band(641e-9, 217.7e-10 * MICROMETRE, (600e-9, 710e-9), 21.0),
    "I": Band(798e-9, 112.6e-10 * MICROMETRE, (730e-9, 880e-9), 19.9),
    "J": Band(1220e-9, 31.47e-10 * MICROMETRE, (1120e-9, 1340e-9), 15.8),
    "H": Band(1630e-9, 11.38e-10 * MICROMETRE, (1500e-9, 1780e-9), 13.7),
}
"""Zero points: Bessell, Castelli and Plez, Astron. Astrophys. 333, 231 (1998). Sky: B, V, R of La Palma (Benn and Ellison
1998); I between La Palma (20.0) and Paranal (19.7, Patat 2003), 19.3 at Calar Alto (Sanchez et al. 2007); J and H within the
range of sites, 15.4 to 16.0 and 13.4 to 14.0 (Calar Alto: 15.95, 13.99, Sanchez et al. 2008). All vary by 0.5 mag with the
sun's cycle, and by tens of per cent within a night."""

SOLAR: Final = (
    (
        4.0e-7,
        4.5e-7,
        5.0e-7,
        5.5e-7,
        6.0e-7,
        6.5e-7,
        7.0e-7,
        7.5e-7,
        8.0e-7,
        8.5e-7,
        9.0e-7,
        9.5e-7,
        1.0e-6,
        1.05e-6,
        1.1e-6,
        1.2e-6,
        1.3e-6,
        1.4e-6,
        1.5e-6,
        1.55e-6,
        1.6e-6,
        1.7e-6,
        1.8e-6,
    ),
    (
        1419.0,
        1884.0,
        1919.0,
        1855.0,
        1759.0,
        1583.0,
        1424.0,
        1273.0,
        1139.0,
        1005.0,
        914.0,
        823.0,
        740.0,
        660.0,
        593.0,
        499.0,
        413.0,
        345.0,
        293.0,
        271.0,
        248.0,
        206.0,
        168.0,
    ),
)
"""Extraterrestrial sunlight of ASTM G173, means over 50 nm: wavelength [m], irradiance [W m^-2 um^-1]."""

LUNAR: Final = (
    (405.0e-9, 475.0e-9, 549.1e-9, 665.1e-9, 774.8e-9, 865.3e-9, 1059.5e-9, 1243.2e-9, 1538.7e-9, 1633.6e-9, 1981.5e-9),
    (-2.35754, -2.28999, -2.10782, -1.88914, -1.80271, -1.74561, -1.59323, -1.53594, -1.33802, -1.34567, -1.26203),
)
"""Colour of the moon, ROLO (Kieffer and Stone, Astron. J. 129, 2887 (2005)): wavelength [m], and ln of the disc's
reflectance but for its dependence on phase and libration."""

VISUAL: Final = 550e-9
"""Wavelength that V-band brightness is taken to hold for [m]."""

MOONLIT_DEPTH: Final = 0.172 / MAGNITUDE
"""Optical depth at V of the site that the law of Krisciunas and Schaefer was fitted at, Mauna Kea at 2,800 m."""

MOONLIT_ALTITUDE: Final = 2800.0
"""Height of that site [m]."""

MOON_CLOSEST: Final = np.deg2rad(1.0)
"""Separation from the moon below which its disc and the telescope's stray light matter [rad]."""

SUN_CLOSEST: Final = np.deg2rad(20.0)
"""Separation from a sun above the horizon below which the aureole matters [rad]."""

DAY_BEGINS: Final = np.deg2rad(5.0)
"""Elevation of the sun down to which the clear-sky model of the day is used [rad]."""

MEAN_DISTANCE_DAY: Final = 94
"""Day of the year on which the sun has its mean distance."""

NIGHT_BEGINS: Final = np.deg2rad(-20.0)
"""Elevation of the sun below which no twilight is added [rad]."""

TWILIGHT: Final = {
    "B": (11.84, 1.411, -0.041, 22.6),
    "V": (11.84, 1.518, -0.057, 21.6),
    "R": (11.40, 1.567, -0.064, 20.9),
    "I": (10.93, 1.470, -0.062, 19.7),
}
"""Sky at zenith over Paranal [mag/arcsec^2] as a + b x + c x^2, with x the degrees of the sun below -5, up to 10 (Patat,
Ugolnikov and Postylyakov, Astron. Astrophys. 455, 385 (2006), table 1), and the night in it (Patat 2003)."""

DUSK: Final = np.deg2rad(-5.0)
"""Elevation of the sun below which twilight is that of Paranal [rad]."""

DUSK_SHARE: Final = ((-5.0, 0.0, 5.0), (1.0, 0.3, 0.0))
"""Assumed: elevation of the sun [deg], and how much of the powers of ten between the day at 5 degrees and the twilight at -5
degrees have gone; from the illuminance of clear days, 4,800, 700 and some 10 lx."""

TWILIGHT_COLOUR: Final = -3.0
"""Assumed: power of the wavelength, beside the sun's spectrum, with which twilight falls beyond the I band."""


class MoonlessNight(Record):
    """A cloudless night without moon and twilight: airglow and lamps. It needs no date."""

    kind: Literal["moonless-night"]
    aerosol_optical_depth_500nm: Annotated[float, Field(ge=0)]
    angstrom_exponent: Annotated[float, Field(ge=-1, le=4)]
    airglow_factor: Annotated[float, Field(ge=0)] = 1.0
    """Natural night sky over its mean in the band; below 1 for a filter between the lines of OH."""
    city_magnitude: Annotated[float, Field(ge=10, le=30)] | None = None
    """Brightness of the moonless sky at zenith in V with the light of lamps in it [mag/arcsec^2]; 18 in a city."""
    city_colour: Annotated[float, Field(ge=0)] | None = None
    """Spectral radiance of lamplight at the link's wavelength over that in V; required with `city_magnitude`."""

    @model_validator(mode="after")
    def _lamps_have_a_colour(self) -> Self:
        if (self.city_magnitude is None) != (self.city_colour is None):
            raise ValueError("city_magnitude and city_colour are given together or not at all")
        if self.city_magnitude is not None and self.city_magnitude > BANDS["V"].night:
            raise ValueError(f"city_magnitude must be at most {BANDS['V'].night:g}, the natural sky")
        return self

    def radiance(self, track: Track, *, wavelength: float, where: str) -> Floats:
        """Spectral radiance of the sky [W m^-2 m^-1 sr^-1], (T,), from the elevation alone; see `ClearSky.radiance`."""
        if np.any(np.isnan(track.elevation)):
            raise UserError(f"{where}: needs the elevation, which the orbit does not tell at every step")
        return self._glow(track, self._air(track, wavelength, where), wavelength)

    def _air(self, track: Track, wavelength: float, where: str) -> tuple[float, float]:
        """Optical depths of molecules and aerosol."""
        if not BANDS["B"].edges[0] <= wavelength <= BANDS["H"].edges[1]:
            raise UserError(f"{where}: wavelength {wavelength * 1e9:g} nm; the sky is known from 390 to 1780 nm")
        told = {"depth_500nm": self.aerosol_optical_depth_500nm, "angstrom_exponent": self.angstrom_exponent}
        molecules = rayleigh_optical_depth(wavelength, altitude=track.station_altitude)
        return float(molecules), float(aerosol_optical_depth(wavelength, **told))

    def _glow(self, track: Track, air: tuple[float, float], wavelength: float) -> Floats:
        airglow = self.airglow_factor * night_radiance(wavelength)
        if self.city_magnitude is not None and self.city_colour is not None:
            both, natural = radiance_of_magnitude(self.city_magnitude, band="V"), night_radiance(VISUAL)
            airglow = airglow + self.city_colour * np.maximum(both - natural, 0.0)
        return np.asarray(airglow * layer_factor(track.elevation, extinction=MAGNITUDE * sum(air)), dtype=np.float64)

    @property
    def told(self) -> str:
        """Name of the model and its bias, for the file."""
        return "sky light: moonless night; airglow by band and lamps (good to a factor 2; less light between lines of OH)"


class ClearSky(MoonlessNight):
    """A cloudless sky by what shines in it: airglow, lamps, moon and sun, scattered by molecules and aerosol."""

    kind: Literal["clear"]  # type: ignore[assignment]
    precipitable_water_cm: Annotated[float, Field(ge=0, le=15)]
    """Water vapour of the column, for daylight."""
    ozone_dobson: Annotated[float, Field(ge=0, le=1000)]
    """Ozone of the column [DU], for daylight."""
    ground_albedo: Annotated[float, Field(ge=0, lt=1)]
    """Share of daylight that the ground throws back into the sky."""

    def radiance(self, track: Track, *, wavelength: float, where: str) -> Floats:
        """Spectral radiance of the sky behind the satellite.

        Parameters
        ----------
        track : Track
            Satellite, sun and moon at each step.
        wavelength : float
            Vacuum wavelength [m], 390 to 1780 nm.
        where : str
            Place of the sky in the run, for messages.

        Returns
        -------
        ndarray
            Both polarizations [W m^-2 m^-1 sr^-1], (T,).

        Raises
        ------
        UserError
            The track does not tell where satellite, sun and moon are; the satellite is beside the sun or in front of the
            moon; no band reaches to the wavelength.
        """
        for name in ("elevation", "azimuth", "sun_elevation", *SKY):
            if np.any(np.isnan(getattr(track, name))):
                raise UserError(
                    f"{where}: a clear sky needs the {name.replace('_', ' ')}, which the orbit does not tell at every step: "
                    "take an orbit with a date, or kind = 'moonless-night', or give sky_radiance_w_per_m2_um_sr"
                )
        molecules, aerosol = self._air(track, wavelength, where)
        from_sun = separation(track.elevation, track.azimuth, track.sun_elevation, track.sun_azimuth)
        from_moon = separation(track.elevation, track.azimuth, track.moon_elevation, track.moon_azimuth)
        _not_beside(from_sun, track.sun_elevation, SUN_CLOSEST, f"{where}: the satellite passes", "the sun")
        _not_beside(from_moon, track.moon_elevation, MOON_CLOSEST, f"{where}: the satellite passes", "the moon")
        light = self._glow(track, (molecules, aerosol), wavelength) + moonlight_radiance(
            track.elevation,
            wavelength=wavelength,
            moon_elevation=track.moon_elevation,
            separation=from_moon,
            illuminated_fraction=track.moon_illuminated_fraction,
            molecules=molecules,
            aerosol=aerosol,
        )
        lit = track.sun_elevation > NIGHT_BEGINS
        if np.any(lit):
            light[lit] += self._sunlight(track, lit, wavelength, molecules, aerosol)
        return np.asarray(light, dtype=np.float64)

    def _sunlight(self, track: Track, lit: NDArray[np.bool_], wavelength: float, molecules: float, aerosol: float) -> Floats:
        """Scattered sunlight where it is worth adding; below 5 degrees with the shape of the sky of a sun at 5 degrees."""
        sun = np.maximum(track.sun_elevation[lit], DAY_BEGINS)
        # the sun moves by minutes of arc in a pass, along which a few nodes carry the two slow functions
        nodes = np.linspace(sun.min(), sun.max(), min(sun.size, 17))
        level = diffuse_irradiance(
            nodes,
            wavelength=wavelength,
            altitude=track.station_altitude,
            aerosol_optical_depth_500nm=self.aerosol_optical_depth_500nm,
            angstrom_exponent=self.angstrom_exponent,
            precipitable_water=self.si.precipitable_water,
            ozone_dobson=self.ozone_dobson,
            ground_albedo=self.ground_albedo,
        )
        air = {"molecules": molecules, "aerosol": aerosol}
        scale = np.interp(sun, nodes, level / daylight_norm(nodes, **air))
        angle = separation(track.elevation[lit], track.azimuth[lit], sun, track.sun_azimuth[lit])
        day = scale * daylight_shape(track.elevation[lit], np.maximum(angle, SUN_CLOSEST), **air)
        zenith = scale * daylight_shape(np.pi / 2, np.pi / 2 - sun, **air)
        below = np.minimum(track.sun_elevation[lit], DUSK)
        dusk = twilight_radiance(below, wavelength=wavelength) / zenith
        return np.asarray(day * dusk ** twilight_share(track.sun_elevation[lit]), dtype=np.float64)

    @property
    def told(self) -> str:
        """Name of the model and its bias, for the file."""
        return (
            "sky light: clear sky; airglow by band, moon by Krisciunas and Schaefer scaled from V by the spectra of sun and "
            "moon and by optical depths, twilight of Paranal, day by SPECTRL2 and single scattering (each good to a factor "
            "2 up to 900 nm, to 3 beyond; less light between lines of OH)"
        )


class SkyBySun(Record):
    """A sky whose brightness depends on the elevation of the sun alone: measured, or quoted."""

    kind: Literal["sun-elevation"]
    sun_elevation_deg: tuple[float, ...]
    """Rising."""
    radiance_w_per_m2_um_sr: tuple[Annotated[float, Field(gt=0)], ...]
    """At these elevations and the link's wavelength; its logarithm is linear between them."""

    @model_validator(mode="after")
    def _is_a_curve(self) -> Self:
        angles = self.sun_elevation_deg
        if len(angles) != len(self.radiance_w_per_m2_um_sr) or len(angles) < 2:
            raise ValueError("sun_elevation_deg and radiance_w_per_m2_um_sr need the same number of values, at least 2")
        if any(b <= a for a, b in pairwise(angles)):
            raise ValueError("sun_elevation_deg must rise from value to value")
        return self

    def radiance(self, track: Track, *, wavelength: float, where: str) -> Floats:
        """Spectral radiance of the sky [W m^-2 m^-1 sr^-1], (T,); see `ClearSky.radiance`. The wavelength plays no part."""
        sun, own = track.sun_elevation, self.si
        if np.any(np.isnan(sun)):
            raise UserError(
                f"{where}: needs the sun elevation, which the orbit does not tell at every step: take an orbit with a date, "
                "or give sky_radiance_w_per_m2_um_sr"
            )
        outside = (sun < own.sun_elevation[0]) | (sun > own.sun_elevation[-1])
        if np.any(outside):
            raise UserError(
                f"{where}.sun_elevation_deg: the sun stands at {np.rad2deg(sun[outside][0]):.3f} deg, outside "
                f"{self.sun_elevation_deg[0]:g} to {self.sun_elevation_deg[-1]:g}; nothing is extrapolated"
            )
        return np.asarray(np.exp(np.interp(sun, own.sun_elevation, np.log(own.radiance))), dtype=np.float64)

    @property
    def told(self) -> str:
        """Name of the model and its bias, for the file."""
        return "sky light: given radiance against the elevation of the sun, the same in all directions and with any moon"


Sky = ClearSky | MoonlessNight | SkyBySun


def _not_beside(angle: Floats, height: Floats, closest: float, place: str, body: str) -> None:
    beside = (angle < closest) & (height > 0.0)
    if np.any(beside):
        raise UserError(
            f"{place} {np.rad2deg(np.min(angle[beside])):.2f} deg from {body} at {np.count_nonzero(beside)} of {angle.size} "
            f"steps; the sky is known from {np.rad2deg(closest):g} deg: choose another part of the pass, or give "
            "sky_radiance_w_per_m2_um_sr"
        )


def separation(elevation: ArrayLike, azimuth: ArrayLike, other_elevation: ArrayLike, other_azimuth: ArrayLike) -> Floats:
    r"""Angle between two directions.

    .. math:: \tan\rho = \frac{\sqrt{(\cos e_2 \sin\Delta)^2 + (\cos e_1 \sin e_2 - \sin e_1 \cos e_2 \cos\Delta)^2}}
                              {\sin e_1 \sin e_2 + \cos e_1 \cos e_2 \cos\Delta}, \qquad \Delta = A_2 - A_1

    Parameters
    ----------
    elevation, azimuth : array_like
        One direction [rad].
    other_elevation, other_azimuth : array_like
        The other [rad].

    Returns
    -------
    ndarray
        [rad], exact for small angles too (Vincenty's form of the great circle).
    """
    values = (elevation, azimuth, other_elevation, other_azimuth)
    e1, a1, e2, a2 = (np.asarray(value, dtype=np.float64) for value in values)
    across = np.cos(e2) * np.sin(a2 - a1)
    along = np.cos(e1) * np.sin(e2) - np.sin(e1) * np.cos(e2) * np.cos(a2 - a1)
    cosine = np.sin(e1) * np.sin(e2) + np.cos(e1) * np.cos(e2) * np.cos(a2 - a1)
    return np.asarray(np.arctan2(np.hypot(across, along), cosine), dtype=np.float64)


def radiance_of_magnitude(magnitude: ArrayLike, *, band: str) -> Floats:
    r"""Spectral radiance of a surface brightness, :math:`L = F_0\, 10^{-0.4 m}\, (180 \times 3600 / \pi)^2`.

    Parameters
    ----------
    magnitude : array_like
        :math:`m` [mag/arcsec^2], Vega.
    band : {"B", "V", "R", "I", "J", "H"}
        Its zero point :math:`F_0`, see `BANDS`.

    Returns
    -------
    ndarray
        [W m^-2 m^-1 sr^-1].

    Examples
    --------
    A city's sky of 18 mag in V, in W m^-2 um^-1 sr^-1:

    >>> round(float(radiance_of_magnitude(18.0, band="V")) * 1e-6, 6)
    9.7e-05
    """
    power = np.power(10.0, -0.4 * np.asarray(magnitude, dtype=np.float64))
    return np.asarray(BANDS[band].zero_point * power * SQUARE_ARCSECONDS, dtype=np.float64)


def night_radiance(wavelength: ArrayLike) -> Floats:
    """Spectral radiance of the moonless natural sky at zenith: airglow, zodiacal light and stars.

    The mean of the band where the wavelength lies in one of `BANDS`; log-linear in the wavelength between two bands.

    Parameters
    ----------
    wavelength : array_like
        [m], 390 to 1780 nm; NaN outside.

    Returns
    -------
    ndarray
        [W m^-2 m^-1 sr^-1].

    Notes
    -----
    Good to a factor 2. From 700 nm on most of it is lines of OH, some nanometres apart: a filter between them sees less. In
    H the continuum between lines is 50 times below the mean (590 photons s^-1 m^-2 arcsec^-2 um^-1, Maihara et al. 1993);
    filters of 0.1 to 1 nm with real edges have been found to see 2e-5 instead of 1.6e-4 W m^-2 um^-1 sr^-1.

    Examples
    --------
    >>> round(float(night_radiance(1550e-9) / night_radiance(800e-9)))
    31
    """
    edges = np.concatenate([band.edges for band in BANDS.values()])
    levels = np.array([float(radiance_of_magnitude(band.night, band=name)) for name, band in BANDS.items()])
    light = np.asarray(wavelength, dtype=np.float64)
    # a radiance through nanometres and back may miss the end by a rounding error
    inside = (light >= edges[0] - 1e-15) & (light <= edges[-1] + 1e-15)
    return np.asarray(np.where(inside, np.exp(np.interp(light, edges, np.log(np.repeat(levels, 2)))), np.nan))


def layer_airmass(elevation: ArrayLike) -> Floats:
    r"""Path through a thin layer at the height of airglow over that at zenith, :math:`X = (1 - 0.96 \cos^2 e)^{-1/2}`.

    Parameters
    ----------
    elevation : array_like
        Elevation :math:`e` [rad].

    Returns
    -------
    ndarray
        [1]; 5 at the horizon.

    Notes
    -----
    Van Rhijn's law as in Krisciunas and Schaefer (1991), who use it for scattering too.
    """
    e = np.asarray(elevation, dtype=np.float64)
    return np.asarray((1.0 - 0.96 * np.cos(e) ** 2) ** -0.5, dtype=np.float64)


def layer_factor(elevation: ArrayLike, *, extinction: ArrayLike) -> Floats:
    r"""Brightness of a glowing layer over that at zenith, :math:`X\, 10^{-0.4 k (X - 1)}`.

    Parameters
    ----------
    elevation : array_like
        [rad].
    extinction : array_like
        :math:`k` [mag/airmass].

    Returns
    -------
    ndarray
        [1]. For lamplight, which is used with it too, this is assumed: over a city's edge it is brighter.
    """
    path = layer_airmass(elevation)
    return np.asarray(path * 10.0 ** (-0.4 * np.asarray(extinction, dtype=np.float64) * (path - 1.0)), dtype=np.float64)


def scattering(separation: ArrayLike, *, molecules: ArrayLike = 1.0, aerosol: ArrayLike = 1.0) -> Floats:
    r"""Scattering law of the air after Krisciunas and Schaefer.

    .. math:: f(\rho) = a\, 10^{5.36} (1.06 + \cos^2\rho) + b\, 10^{6.15 - \rho / 40^\circ}

    Parameters
    ----------
    separation : array_like
        Angle :math:`\rho` from the source of light [rad].
    molecules, aerosol : array_like
        Factors :math:`a, b` of the part of the molecules and of the aerosol, 1 in V at Mauna Kea.

    Returns
    -------
    ndarray
        In the units of that paper. Below 10 degrees the second term is :math:`6.2 \times 10^7 (\rho / 1^\circ)^{-2}`.
    """
    angle = np.asarray(separation, dtype=np.float64)
    degrees = np.rad2deg(angle)
    near = 6.2e7 / np.maximum(degrees, 1e-3) ** 2
    haze = np.where(degrees < 10.0, near, 10.0 ** (6.15 - degrees / 40.0))
    gas = 10.0**5.36 * (1.06 + np.cos(angle) ** 2)
    return np.asarray(np.asarray(molecules) * gas + np.asarray(aerosol) * haze, dtype=np.float64)


def moonlight(
    elevation: ArrayLike,
    *,
    moon_elevation: ArrayLike,
    separation: ArrayLike,
    phase_angle: ArrayLike,
    extinction: ArrayLike,
    molecules: ArrayLike = 1.0,
    aerosol: ArrayLike = 1.0,
) -> Floats:
    r"""Brightness of the sky by scattered moonlight in V after Krisciunas and Schaefer.

    .. math:: B = f(\rho)\, I\, 10^{-0.4 k X(e_m)} \left(1 - 10^{-0.4 k X(e)}\right), \qquad
              I = 10^{-0.4 (3.84 + 0.026 |\alpha| + 4 \times 10^{-9} \alpha^4)}

    Parameters
    ----------
    elevation : array_like
        Of the sky seen, :math:`e` [rad].
    moon_elevation : array_like
        :math:`e_m` [rad]; no light from a moon below the horizon.
    separation : array_like
        Between the two, :math:`\rho` [rad].
    phase_angle : array_like
        :math:`\alpha`, 0 at full moon [rad]; in degrees in the equation.
    extinction : array_like
        :math:`k` in V [mag/airmass].
    molecules, aerosol : array_like
        Factors of the two parts of `scattering`.

    Returns
    -------
    ndarray
        [nL]; 1 nL is :math:`10^{-5}/\pi` cd/m^2.

    Notes
    -----
    Krisciunas and Schaefer, Publ. Astron. Soc. Pac. 103, 1033 (1991): 8 to 23 % in V. Single scattering; the moon's distance
    (12 % of its light) and its opposition surge (35 % below 7 degrees) are left out. The often quoted 1.5e-3
    W m^-2 um^-1 sr^-1 of a full moon is 30 times more than this gives at 60 degrees from it.

    Examples
    --------
    >>> angles = dict(moon_elevation=np.deg2rad(30.0), separation=np.deg2rad(60.0))
    >>> round(float(moonlight(np.pi / 2, **angles, phase_angle=0.0, extinction=0.172)), 1)
    1089.9
    """
    alpha = np.rad2deg(np.abs(np.asarray(phase_angle, dtype=np.float64)))
    k, height = np.asarray(extinction, dtype=np.float64), np.asarray(moon_elevation, dtype=np.float64)
    source = 10.0 ** (-0.4 * (3.84 + 0.026 * alpha + 4e-9 * alpha**4))
    reaching = source * 10.0 ** (-0.4 * k * layer_airmass(height))
    scattered = 1.0 - 10.0 ** (-0.4 * k * layer_airmass(elevation))
    light = scattering(separation, molecules=molecules, aerosol=aerosol) * reaching * scattered
    return np.asarray(np.where(height > 0.0, light, np.where(np.isnan(height), np.nan, 0.0)), dtype=np.float64)


def magnitude_of_brightness(brightness: ArrayLike) -> Floats:
    r"""V magnitude of a brightness, :math:`V = [20.7233 - \ln(B / 34.08)] / 0.92104`.

    Parameters
    ----------
    brightness : array_like
        :math:`B` [nL].

    Returns
    -------
    ndarray
        [mag/arcsec^2].

    Notes
    -----
    Krisciunas and Schaefer (1991).

    Examples
    --------
    >>> round(float(magnitude_of_brightness(1168.9)), 3)
    18.662
    """
    ratio = np.asarray(brightness, dtype=np.float64) / 34.08
    return np.asarray((20.7233 - np.log(ratio)) / 0.92104, dtype=np.float64)


def moon_colour(wavelength: ArrayLike) -> Floats:
    """Spectral irradiance of moonlight over that at 550 nm, above the air: the sun's, times the moon's reflectance.

    Parameters
    ----------
    wavelength : array_like
        [m], 400 to 1800 nm.

    Returns
    -------
    ndarray
        [1].

    Notes
    -----
    Sun: ASTM G173, means over 50 nm. Moon: ROLO, Kieffer and Stone, Astron. J. 129, 2887 (2005), without the change of its
    colour with phase (5 %).

    Examples
    --------
    >>> [round(float(ratio), 2) for ratio in moon_colour([850e-9, 1550e-9])]
    [0.77, 0.31]
    """
    light = np.asarray(wavelength, dtype=np.float64)
    sun = np.interp(light, *SOLAR) / np.interp(VISUAL, *SOLAR)
    moon = np.exp(np.interp(light, *LUNAR) - np.interp(VISUAL, *LUNAR))
    return np.asarray(sun * moon, dtype=np.float64)


def moonlight_radiance(
    elevation: ArrayLike,
    *,
    wavelength: float,
    moon_elevation: ArrayLike,
    separation: ArrayLike,
    illuminated_fraction: ArrayLike,
    molecules: float,
    aerosol: float,
) -> Floats:
    r"""Spectral radiance of scattered moonlight at any wavelength, scaled from V.

    The law of `moonlight` with the extinction at the wavelength; each part of its scattering law is multiplied by its share
    of the optical depth over its share in V at Mauna Kea, and the light by that of the moon over V (`moon_colour`):

    .. math:: k = 1.0857\,(\tau_R + \tau_a), \qquad a = \frac{\tau_R / (\tau_R + \tau_a)}{(\tau_R / \tau)_V}, \quad
              b = \frac{\tau_a / (\tau_R + \tau_a)}{(\tau_a / \tau)_V}

    Parameters
    ----------
    elevation, moon_elevation, separation : array_like
        As in `moonlight` [rad].
    wavelength : float
        [m], 400 to 1800 nm.
    illuminated_fraction : array_like
        Lit part of the disc, from which the phase angle follows [1].
    molecules, aerosol : float
        Optical depths :math:`\tau_R, \tau_a` at the wavelength [1].

    Returns
    -------
    ndarray
        [W m^-2 m^-1 sr^-1].

    Notes
    -----
    At 550 nm over Mauna Kea it is the law itself. The scaling is our own: a factor 2 is expected to 900 nm. At 1520 nm one
    experiment (Trinh et al., Mon. Not. R. Astron. Soc. 432, 3262 (2013)) found some 30 times the moonlight of a model scaled
    from V. Jones et al., Astron. Astrophys. 560, A91 (2013) is the better spectral model.
    """
    a, b = _shares(molecules, aerosol)
    phase = np.arccos(np.clip(2.0 * np.asarray(illuminated_fraction, dtype=np.float64) - 1.0, -1.0, 1.0))
    brightness = moonlight(
        elevation,
        moon_elevation=moon_elevation,
        separation=separation,
        phase_angle=phase,
        extinction=MAGNITUDE * (molecules + aerosol),
        molecules=a,
        aerosol=b,
    )
    # the magnitude is a logarithm of the brightness: 1 nL has a radiance
    unit = radiance_of_magnitude(magnitude_of_brightness(1.0), band="V")
    return np.asarray(brightness * unit * moon_colour(wavelength), dtype=np.float64)


def _shares(molecules: float, aerosol: float) -> tuple[float, float]:
    """Shares of molecules and aerosol in the optical depth, over those in V at Mauna Kea."""
    total = molecules + aerosol
    there = float(rayleigh_optical_depth(VISUAL, altitude=MOONLIT_ALTITUDE)) / MOONLIT_DEPTH
    return molecules / total / there, aerosol / total / (1.0 - there)


def diffuse_irradiance(
    sun_elevation: ArrayLike,
    *,
    wavelength: float,
    altitude: float,
    aerosol_optical_depth_500nm: float,
    angstrom_exponent: float,
    precipitable_water: float,
    ozone_dobson: float,
    ground_albedo: float,
) -> Floats:
    r"""Spectral irradiance of a horizontal plane by the clear day's sky, without the sun's disc.

    Parameters
    ----------
    sun_elevation : array_like
        Elevation of the sun [rad], from 5 degrees.
    wavelength : float
        [m], 300 to 4000 nm.
    altitude : float
        Height of the station [m].
    aerosol_optical_depth_500nm, angstrom_exponent, precipitable_water, ozone_dobson : float
        As in `extinction.spectrl2_transmittance`.
    ground_albedo : float
        Reflectance of the ground [1].

    Returns
    -------
    ndarray
        [W m^-2 m^-1]; over :math:`\pi` the mean radiance of the sky, weighted by the sine of the elevation.

    Notes
    -----
    Bird and Riordan, NREL TR-215-2436 (1984), as pvlib computes it, for the mean distance of the sun (3 % in the year).

    Examples
    --------
    >>> air = dict(aerosol_optical_depth_500nm=0.1, angstrom_exponent=1.14, precipitable_water=0.0142, ozone_dobson=300.0)
    >>> found = diffuse_irradiance(np.pi / 6, wavelength=785e-9, altitude=0.0, ground_albedo=0.2, **air)
    >>> round(float(found) * 1e-6 / np.pi)  # W m^-2 um^-1 sr^-1
    19
    """
    from pvlib.spectrum import spectrl2

    sun = np.asarray(sun_elevation, dtype=np.float64)
    angles = np.atleast_1d(sun).ravel()
    bands = spectrl2(
        apparent_zenith=90.0 - np.rad2deg(angles),
        aoi=0.0,
        surface_tilt=0.0,
        ground_albedo=ground_albedo,
        surface_pressure=float(standard_air(altitude)[0]),
        relative_airmass=airmass(angles),
        precipitable_water=precipitable_water * 100.0,
        ozone=ozone_dobson * 1e-3,
        aerosol_turbidity_500nm=aerosol_optical_depth_500nm,
        dayofyear=MEAN_DISTANCE_DAY,
        alpha=angstrom_exponent,
    )
    found = [np.interp(wavelength * 1e9, bands["wavelength"], column) for column in bands["dhi"].T]
    return np.asarray(found, dtype=np.float64).reshape(sun.shape) * 1e9


def daylight_shape(elevation: ArrayLike, separation: ArrayLike, *, molecules: float, aerosol: float) -> Floats:
    r"""Radiance of the day's sky over direction, but for a factor: single scattering,
    :math:`f(\rho)\,[1 - e^{-(\tau_R + \tau_a) X(e)}]`.

    Parameters
    ----------
    elevation : array_like
        [rad].
    separation : array_like
        From the sun :math:`\rho` [rad].
    molecules, aerosol : float
        Optical depths :math:`\tau_R, \tau_a` [1].

    Returns
    -------
    ndarray
        [1]; `daylight_norm` is its irradiance of a horizontal plane.
    """
    a, b = _shares(molecules, aerosol)
    path = layer_airmass(elevation)
    return np.asarray(scattering(separation, molecules=a, aerosol=b) * -np.expm1(-(molecules + aerosol) * path))


def daylight_norm(sun_elevation: ArrayLike, *, molecules: float, aerosol: float) -> Floats:
    r"""Integral of `daylight_shape` over the sky, weighted by the sine of the elevation.

    Parameters
    ----------
    sun_elevation : array_like
        [rad], shape (S,).
    molecules, aerosol : float
        Optical depths [1].

    Returns
    -------
    ndarray
        [sr], shape (S,).

    Notes
    -----
    Within 10 degrees of the sun the shape at 10 degrees is taken: the aureole there is counted with the disc.
    """
    sun = np.atleast_1d(np.asarray(sun_elevation, dtype=np.float64))[:, None, None]
    points, weights = np.polynomial.legendre.leggauss(48)
    sine = 0.5 * (points + 1.0)
    azimuth = (np.arange(90) + 0.5) * np.pi / 90.0
    elevation = np.arcsin(sine)[:, None]
    angle = np.maximum(separation(elevation, azimuth, sun, 0.0), np.deg2rad(10.0))
    shape = daylight_shape(elevation, angle, molecules=molecules, aerosol=aerosol)
    found = 2.0 * np.pi * np.mean(shape, axis=2) @ (0.5 * weights * sine)
    return np.asarray(found, dtype=np.float64)


def twilight_share(sun_elevation: ArrayLike) -> Floats:
    """How far the sky has gone from the day at 5 degrees (0) to twilight at -5 degrees (1), in powers of ten; assumed.

    Parameters
    ----------
    sun_elevation : array_like
        [rad].

    Returns
    -------
    ndarray
        [1], linear between the entries of `DUSK_SHARE`.
    """
    return np.asarray(np.interp(np.rad2deg(np.asarray(sun_elevation, dtype=np.float64)), *DUSK_SHARE), dtype=np.float64)


def twilight_radiance(sun_elevation: ArrayLike, *, wavelength: float) -> Floats:
    """Spectral radiance of scattered sunlight at zenith with the sun below -5 degrees.

    From -5 to -14 degrees the fits of Patat et al. less the night in them; below that their last slope goes on to -20
    degrees. Between the bands B, V, R and I the logarithm is linear in the wavelength. Beyond I twilight has, by assumption,
    the sun's spectrum times the third power of the inverse wavelength.

    Parameters
    ----------
    sun_elevation : array_like
        At most -5 degrees [rad].
    wavelength : float
        [m].

    Returns
    -------
    ndarray
        [W m^-2 m^-1 sr^-1]; 0 below -20 degrees.

    Notes
    -----
    Patat, Ugolnikov and Postylyakov, Astron. Astrophys. 455, 385 (2006), table 1: clear air at 2,600 m; lower stations have
    30 % more. Good to 20 % in these bands at zenith; the extension below -14 degrees and beyond 900 nm is a guess, good to a
    factor 3.

    Examples
    --------
    >>> round(float(twilight_radiance(np.deg2rad(-10.0), wavelength=800e-9)) * 1e-6, 6)
    9e-05
    """
    degrees = -np.rad2deg(np.asarray(sun_elevation, dtype=np.float64))
    x = np.arange(10.0)
    curves = []
    for name, (a, b, c, night) in TWILIGHT.items():
        net = radiance_of_magnitude(a + b * x + c * x**2, band=name) - radiance_of_magnitude(night, band=name)
        known = np.interp(degrees, x + 5.0, np.log(net))
        curves.append(known + np.log(net[-1] / net[-2]) * np.maximum(degrees - 14.0, 0.0))
    bands = np.array([BANDS[name].wavelength for name in TWILIGHT])
    low = int(np.clip(np.searchsorted(bands, wavelength) - 1, 0, len(bands) - 2))
    share = float(np.clip((wavelength - bands[low]) / (bands[low + 1] - bands[low]), 0.0, 1.0))
    light = np.exp((1.0 - share) * curves[low] + share * curves[low + 1])
    if wavelength > bands[-1]:
        sun = np.interp(wavelength, *SOLAR) / np.interp(bands[-1], *SOLAR)
        light = light * sun * (wavelength / bands[-1]) ** TWILIGHT_COLOUR
    return np.asarray(np.where(degrees > -np.rad2deg(NIGHT_BEGINS), 0.0, light), dtype=np.float64)
