from __future__ import annotations

import re

import numpy as np
import pytest

from qphys import channels
from qphys.catalogue import Catalogue
from qphys.channels.background import single_mode_sky_photon_rate, sky_photon_rate
from qphys.channels.extinction import rayleigh_optical_depth
from qphys.channels.sky import (
    BANDS,
    LUNAR,
    MOONLIT_DEPTH,
    SOLAR,
    ClearSky,
    MoonlessNight,
    SkyBySun,
    daylight_norm,
    daylight_shape,
    diffuse_irradiance,
    layer_factor,
    magnitude_of_brightness,
    moon_colour,
    moonlight,
    moonlight_radiance,
    night_radiance,
    radiance_of_magnitude,
    scattering,
    separation,
    twilight_radiance,
)
from qphys.errors import UserError
from qphys.record import parse

PER_UM = 1e-6
"""From W m^-2 m^-1 sr^-1 to W m^-2 um^-1 sr^-1."""
AIR = {"molecules": 0.0228, "aerosol": 0.0557}
CLEAR = {
    "kind": "clear",
    "aerosol_optical_depth_500nm": 0.1,
    "angstrom_exponent": 1.3,
    "precipitable_water_cm": 1.42,
    "ozone_dobson": 300.0,
    "ground_albedo": 0.2,
}
VACUUM = {"kind": "free-space", "correlation_time_ms": 10.0}
SEEN = {"field_of_view": 50e-6, "filter_bandwidth": 1e-9, "receiver_optics_transmittance": 0.5, "pointing_jitter": 0.0}


def rad(degrees):
    return np.deg2rad(np.asarray(degrees, dtype=np.float64))


# Moon


@pytest.mark.parametrize(
    ("phase", "apart", "moon_zenith", "zenith", "brightness", "magnitude"),
    [(0, 60, 60, 0, 1089.9, 18.662), (0, 30, 30, 0, 2367.6, 17.860), (90, 90, 60, 30, 81.8, 20.753)],
)
def test_moonlit_sky_after_krisciunas_and_schaefer(phase, apart, moon_zenith, zenith, brightness, magnitude):
    """Published arithmetic: k = 0.172, dark sky of 79 nL at zenith."""
    told = {"moon_elevation": rad(90 - moon_zenith), "separation": rad(apart), "phase_angle": rad(phase)}
    moon = moonlight(rad(90 - zenith), **told, extinction=0.172)
    assert moon == pytest.approx(brightness, abs=0.06)
    dark = 79.0 * layer_factor(rad(90 - zenith), extinction=0.172)
    assert magnitude_of_brightness(moon + dark) == pytest.approx(magnitude, abs=1e-3)


def test_quoted_full_moon_is_30_times_too_bright():
    """Published finding: 1.5e-3 W m^-2 um^-1 sr^-1 is quoted; 5e-5 in V at 60 degrees from it."""
    found = float(radiance_of_magnitude(18.662, band="V")) * PER_UM
    assert found == pytest.approx(5.3e-5, rel=0.01)
    assert 1.5e-3 / found == pytest.approx(28.3, abs=0.5)


def test_moonlight_over_mauna_kea_at_550_nm_is_the_law_itself():
    """Limit: every factor of the scaling is 1 there; 0.92104 for 0.4 ln 10 = 0.921034 leaves 5e-5."""
    molecules = float(rayleigh_optical_depth(550e-9, altitude=2800.0))
    told = {"moon_elevation": rad(30), "separation": rad(60)}
    found = moonlight_radiance(
        rad(90), wavelength=550e-9, **told, illuminated_fraction=1.0, molecules=molecules, aerosol=MOONLIT_DEPTH - molecules
    )
    law = moonlight(rad(90), **told, phase_angle=0.0, extinction=0.172)
    assert found == pytest.approx(float(radiance_of_magnitude(magnitude_of_brightness(law), band="V")), rel=1e-4)


@pytest.mark.parametrize(("band", "magnitude", "low", "high"), [("V", 18.01, 0.6, 0.95), ("I", 17.95, 0.4, 1.0)])
def test_scaled_moonlight_is_near_the_spectral_model_of_paranal(band, magnitude, low, high):
    """Second route: ESO SkyCalc 1.4.3 (Noll et al. 2012, Jones et al. 2013), full moon at 45 degrees of elevation and of
    separation, zenith, depth 0.05. Its magnitude of I may be of either system, which is 1.5 of the radiance."""
    wavelength = BANDS[band].wavelength
    molecules = float(rayleigh_optical_depth(wavelength, altitude=2635.0))
    aerosol = 0.05 * (wavelength / 500e-9) ** -1.3
    told = {"moon_elevation": rad(45), "separation": rad(45), "illuminated_fraction": 1.0}
    found = moonlight_radiance(rad(90), wavelength=wavelength, **told, molecules=molecules, aerosol=aerosol)
    ratio = float((found + night_radiance(wavelength)) / radiance_of_magnitude(magnitude, band=band))
    assert low < ratio < high


def test_no_moonlight_from_below_the_horizon_or_at_new_moon():
    told = {"separation": rad(90), "extinction": 0.172}
    assert moonlight(1.0, moon_elevation=-0.001, phase_angle=0.0, **told) == 0.0
    assert np.isnan(moonlight(1.0, moon_elevation=np.nan, phase_angle=0.0, **told))
    new, full = (moonlight(1.0, moon_elevation=0.5, phase_angle=rad(a), **told) for a in (179.0, 0.0))
    assert new / full < 1e-3


def test_scattering_by_aerosol_near_the_moon_falls_with_the_square():
    """Law on paper; its two branches meet within a quarter."""
    near = scattering(rad([2.0, 4.0]), molecules=0.0)
    assert near[0] / near[1] == pytest.approx(4.0)
    branch = scattering(rad([9.999, 10.001]), molecules=0.0)
    assert branch[1] / branch[0] == pytest.approx(1.28, abs=0.01)
    assert scattering(rad(90.0), aerosol=0.0) == pytest.approx(10**5.36 * 1.06)


def test_colour_of_the_moon_is_that_of_the_sun_reddened():
    """Second route: sunlight of ASTM G173 as pvlib carries it, over 50 nm."""
    from pvlib.spectrum import get_reference_spectra

    table = get_reference_spectra()["extraterrestrial"]
    nm, irradiance = table.index.to_numpy(), table.to_numpy()
    for wavelength, value in zip(*SOLAR, strict=True):
        near = np.abs(nm - wavelength * 1e9) <= 25.0
        mean = np.trapezoid(irradiance[near], nm[near]) / np.ptp(nm[near])
        assert value == pytest.approx(mean * 1e3, abs=0.6)
    assert moon_colour(550e-9) == pytest.approx(1.0)
    ratio = moon_colour(1538.7e-9) / (np.interp(1538.7e-9, *SOLAR) / 1855.0)
    assert ratio == pytest.approx(np.exp(-1.33802 - np.interp(550e-9, *LUNAR)), rel=1e-6)


# Night


@pytest.mark.parametrize(
    ("magnitude", "band", "radiance"), [(21.9, "V", 2.67e-6), (18.0, "V", 9.7e-5), (13.7, "H", 1.6e-4), (19.9, "I", 5.3e-6)]
)
def test_radiance_of_a_surface_brightness(magnitude, band, radiance):
    """Published arithmetic [W m^-2 um^-1 sr^-1], two digits; for I 5.6e-6 with another zero point."""
    assert radiance_of_magnitude(magnitude, band=band) * PER_UM == pytest.approx(radiance, rel=0.012)


def test_night_at_1550_nm_is_30_times_brighter_than_at_800_nm():
    """Published finding: 30 times in W, 60 times in photons."""
    ratio = float(night_radiance(1550e-9) / night_radiance(800e-9))
    assert ratio == pytest.approx(30.0, abs=1.5)
    assert ratio * 1550 / 800 == pytest.approx(60.0, abs=3.0)


def test_night_is_flat_in_a_band_and_monotone_between():
    inside = night_radiance(np.linspace(731e-9, 879e-9, 7))
    np.testing.assert_allclose(inside, inside[0], rtol=1e-12)
    between = night_radiance(np.linspace(880e-9, 1120e-9, 9))
    steps = np.diff(np.log(between))
    np.testing.assert_allclose(steps, steps[0], rtol=1e-9)
    assert np.all(np.isnan(night_radiance([380e-9, 1800e-9])))


def test_airglow_brightens_towards_the_horizon_as_van_rhijn_says():
    """Limits on paper: 1 at zenith; without extinction X = 5 at the horizon."""
    np.testing.assert_allclose(layer_factor(rad([90.0, 0.0]), extinction=0.0), [1.0, 5.0])
    assert layer_factor(rad(0.0), extinction=0.5) == pytest.approx(5.0 * 10 ** (-0.4 * 0.5 * 4.0))


# Day and twilight


@pytest.mark.parametrize(
    ("zenith", "depth", "values"),
    [(0, 0.1, (24, 18, 1.9)), (60, 0.1, (19, 14, 1.5)), (80, 0.1, (12.5, 9.4, 1.05)), (0, 0.27, (52, 40, 4.7))],
)
def test_mean_of_the_day_sky(zenith, depth, values):
    """Published table, two digits: diffuse over pi at 785, 850, 1550 nm [W m^-2 um^-1 sr^-1]."""
    air = {"angstrom_exponent": 1.14, "precipitable_water": 0.0142, "ozone_dobson": 300.0, "ground_albedo": 0.2}
    for wavelength, value in zip((785e-9, 850e-9, 1550e-9), values, strict=True):
        found = diffuse_irradiance(
            rad(90 - zenith), wavelength=wavelength, altitude=0.0, aerosol_optical_depth_500nm=depth, **air
        )
        assert found / np.pi * PER_UM == pytest.approx(value, rel=0.045)


@pytest.mark.parametrize("sun", [5.0, 30.0, 75.0])
def test_shape_of_the_day_sky_integrates_to_its_norm(sun):
    """Second route: 200,000 directions at random; 0.5 % is 3 sigma."""
    rng = np.random.default_rng(11)
    sine, azimuth = rng.uniform(size=200_000), rng.uniform(0.0, 2.0 * np.pi, 200_000)
    elevation = np.arcsin(sine)
    apart = np.maximum(separation(elevation, azimuth, rad(sun), 0.0), rad(10.0))
    drawn = 2.0 * np.pi * np.mean(daylight_shape(elevation, apart, **AIR) * sine)
    assert daylight_norm(rad(sun), **AIR)[0] == pytest.approx(drawn, rel=5e-3)


@pytest.mark.parametrize(
    ("sun", "band", "total"),
    [(-5, "V", 11.84), (-7, "V", 14.648), (-10, "V", 18.005), (-14, "V", 20.885), (-5, "I", 10.93), (-10, "I", 16.73)],
)
def test_twilight_is_that_of_paranal(sun, band, total):
    """Published fit of Patat et al. 2006, night included: a + b x + c x^2 written out."""
    night = {"V": 21.6, "I": 19.7}[band]
    found = twilight_radiance(rad(sun), wavelength=BANDS[band].wavelength) + radiance_of_magnitude(night, band=band)
    assert found == pytest.approx(float(radiance_of_magnitude(total, band=band)), rel=1e-3)


def test_twilight_ends():
    """Known on paper: nothing of it below -20 degrees; at -18 a tenth of the moonless night, or less."""
    for wavelength in (545e-9, 850e-9, 1550e-9):
        light = twilight_radiance(rad([-18.0, -19.9, -20.1]), wavelength=wavelength)
        assert light[2] == 0.0 < light[1] < light[0] < 0.1 * night_radiance(wavelength)


# Skies along a pass


def under(sight, sun=-40.0, moon=-20.0, **values):
    """Sight of a satellite at 60 degrees in the north, with sun in the south and moon in the west."""
    sun, moon = np.broadcast_arrays(np.atleast_1d(rad(sun)), np.atleast_1d(rad(moon)))
    whole = sight(np.full(sun.size, 600.0), 60.0, **(SEEN | values))
    full = {name: np.full(sun.size, value) for name, value in (("azimuth", 0.0), ("sun_azimuth", np.pi))}
    told = {"sun_elevation": sun, "moon_elevation": moon, "moon_azimuth": np.full(sun.size, 1.5 * np.pi)}
    return replace_track(whole, **full, **told, moon_illuminated_fraction=np.ones(sun.size))


def replace_track(whole, **values):
    from dataclasses import replace

    return replace(whole, track=replace(whole.track, **values))


def radiance(table, seen):
    kinds = {"clear": ClearSky, "moonless-night": MoonlessNight, "sun-elevation": SkyBySun}
    record = parse(kinds[table["kind"]], table, "run.toml: channel.sky")
    return record.radiance(seen.track, wavelength=seen.wavelength, where="run.toml: channel.sky") * PER_UM


@pytest.mark.parametrize("wavelength", [550e-9, 785e-9, 850e-9, 1550e-9])
def test_sky_darkens_from_day_to_night_without_a_jump(sight, wavelength):
    angles = np.arange(80.0, -30.0, -0.05)
    found = radiance(CLEAR, under(sight, sun=angles[angles < 50.0], wavelength=wavelength))
    assert np.all(np.diff(np.log(found)) <= 1e-12)
    assert np.max(-np.diff(np.log10(found))) < 0.05
    assert found[-1] == pytest.approx(float(night_radiance(wavelength)) * PER_UM, rel=0.2), (
        "airglow at 60 degrees: 1.15 of the zenith's less extinction"
    )


def test_sky_sums_up_to_the_diffuse_light_of_the_day(sight):
    """Second route: radiances seen in 4,001 directions at random, times their sine, against SPECTRL2; the 20 degrees around
    the sun, which are refused, filled with the edge of what is seen."""
    rng = np.random.default_rng(5)
    elevation, azimuth = np.arcsin(rng.uniform(size=4001)), rng.uniform(0.0, 2.0 * np.pi, 4001)
    apart = separation(elevation, azimuth, rad(30), np.pi)
    out = apart > rad(20.0)
    whole = under(sight, sun=np.full(int(out.sum()), 30.0), wavelength=785e-9)
    seen = radiance(CLEAR, replace_track(whole, elevation=elevation[out], azimuth=azimuth[out]))
    filled = np.where(out, 0.0, np.mean(seen[apart[out] < rad(24.0)]))
    filled[out] = seen
    air = {"angstrom_exponent": 1.3, "precipitable_water": 0.0142, "ozone_dobson": 300.0, "ground_albedo": 0.2}
    diffuse = diffuse_irradiance(rad(30), wavelength=785e-9, altitude=0.0, aerosol_optical_depth_500nm=0.1, **air)
    # the norm fills to 10 degrees only, which holds 5 % more; 1.5 % is 2 sigma of the draw
    assert 2.0 * np.pi * np.mean(filled * np.sin(elevation)) == pytest.approx(0.96 * float(diffuse) * PER_UM, rel=0.04)


def test_twilight_at_zenith_is_that_of_paranal_and_bridges_to_the_day(sight):
    """Limits: all twilight below -5 degrees; at 0 degrees 0.3 of the powers of ten between 5 and -5, written out."""
    whole = under(sight, sun=[5.0, 0.0, -5.0, -8.0, -40.0], wavelength=800e-9)
    day, horizon, dusk, late, night = radiance(CLEAR, replace_track(whole, elevation=np.full(5, np.pi / 2)))
    twilight = twilight_radiance(rad([-5.0, -8.0]), wavelength=800e-9) * PER_UM
    np.testing.assert_allclose([dusk - night, late - night], twilight, rtol=1e-9)
    assert np.log10(horizon) == pytest.approx(0.7 * np.log10(day) + 0.3 * np.log10(dusk), abs=1e-3)


def test_moon_brightens_the_night_by_what_the_law_adds(sight):
    """Second route: the law called with the same numbers; the moon stands 30 degrees high in the west."""
    dark, lit = radiance(CLEAR, under(sight, moon=[-0.01, 30.0], wavelength=785e-9))
    molecules, aerosol = float(rayleigh_optical_depth(785e-9)), 0.1 * 1.57**-1.3
    apart = np.arccos(np.sin(rad(60)) * np.sin(rad(30)))
    moon = moonlight_radiance(
        rad(60),
        wavelength=785e-9,
        moon_elevation=rad(30),
        separation=apart,
        illuminated_fraction=1.0,
        molecules=molecules,
        aerosol=aerosol,
    )
    assert lit - dark == pytest.approx(float(moon) * PER_UM, rel=1e-9)
    assert 2.0 < lit / dark < 6.0


def test_city_adds_its_lamps_in_their_colour(sight):
    """Sum written out at zenith: 18 mag with the natural 21.9 in it, and 0.3 of that light at the link's wavelength."""
    told = CLEAR | {"city_magnitude": 18.0, "city_colour": 0.3, "airglow_factor": 0.0, "aerosol_optical_depth_500nm": 0.0}
    seen = under(sight)
    zenith = replace_track(seen, elevation=np.array([np.pi / 2]))
    lamps = float(radiance_of_magnitude(18.0, band="V") - radiance_of_magnitude(21.9, band="V")) * PER_UM
    assert radiance(told, zenith)[0] == pytest.approx(0.3 * lamps, rel=1e-9)
    assert radiance(told | {"city_magnitude": 21.9}, zenith)[0] == 0.0


def test_moonless_night_needs_no_date_and_is_the_clear_sky_without_sun_and_moon(sight):
    """Second route: the clear sky with both far below the horizon."""
    told = {key: CLEAR[key] for key in ("aerosol_optical_depth_500nm", "angstrom_exponent")} | {"kind": "moonless-night"}
    dateless = sight([600.0, 900.0], [60.0, 30.0], wavelength=1550e-9)
    found = radiance(told, dateless)
    assert found[0] == pytest.approx(radiance(CLEAR, under(sight, wavelength=1550e-9))[0], rel=1e-12)
    assert found[1] > found[0]
    with pytest.raises(UserError, match="needs the elevation, which the orbit does not tell"):
        radiance(told, sight([600.0], [np.nan]))


def test_background_follows_the_sky_step_by_step(sight, transmit):
    """Second route: the published formula of noise for each radiance."""
    seen = under(sight, sun=[-40.0, -8.0, 20.0])
    result = transmit(VACUUM | {"sky": CLEAR}, seen)
    levels = radiance(CLEAR, seen)
    photons = levels * 395.9 / 1.5e-3 * 25.0 * 0.5 * 848.6 / 850.0
    np.testing.assert_allclose(result.background_rate[:, 0], photons, rtol=2e-4)
    assert "sky light: clear sky" in result.model
    given = transmit(VACUUM | {"sky_radiance_w_per_m2_um_sr": float(levels[1])}, seen)
    np.testing.assert_allclose(given.background_rate[:, 0], result.background_rate[1, 0], rtol=1e-12)


def test_single_mode_takes_lambda_squared_of_the_sky(sight, transmit):
    """Published arithmetic: 30,916 and 18,746 photons a second and nm, whatever the telescope."""
    assert single_mode_sky_photon_rate(10e6, filter_bandwidth=1e-9, wavelength=850e-9) == pytest.approx(30_916, abs=1)
    assert single_mode_sky_photon_rate(1e6, filter_bandwidth=1e-9, wavelength=1550e-9) == pytest.approx(18_746, abs=1)
    told = VACUUM | {"sky_radiance_w_per_m2_um_sr": 10.0, "sky_etendue": "single-mode"}
    seen = under(sight, wavelength=850e-9, field_of_view=np.nan, receiver_obscuration=0.3)
    assert transmit(told, seen).background_rate == pytest.approx(30_916 * 0.5, abs=1)


def test_given_curve_is_linear_in_its_logarithm(sight):
    told = {"kind": "sun-elevation", "sun_elevation_deg": [-18.0, 0.0], "radiance_w_per_m2_um_sr": [1e-6, 1.0]}
    np.testing.assert_allclose(radiance(told, under(sight, sun=[-18.0, -9.0, 0.0])), [1e-6, 1e-3, 1.0], rtol=1e-9)
    with pytest.raises(UserError, match=re.escape("the sun stands at 1.000 deg, outside -18 to 0")):
        radiance(told, under(sight, sun=[-9.0, 1.0]))


def test_pass_of_micius_sees_the_moon_that_stood_there():
    """Whole way from elements to background. Second route: moon of the printed table (23.1608 degrees, 0.6307 lit)."""
    from qphys.orbits import KINDS, Station, Window, track
    from qphys.stages import Sight

    orbit = parse(KINDS["tle"], Catalogue().read("satellites", "micius-2016-12-18"), "orbit")
    station = parse(Station, Catalogue().read("stations", "xinglong"), "station")
    window = parse(
        Window,
        {
            "start": "2016-12-19T16:30:00Z",
            "stop": "2016-12-19T17:15:00Z",
            "minimum_elevation_deg": 15.0,
            "time_step_s": 10.0,
        },
        "window",
    )
    found = track(orbit, station, window, files=Catalogue(), where="run.toml: orbit")
    record = parse(channels.KINDS["free-space"], VACUUM | {"sky": CLEAR}, "run.toml: channel")
    seen = Sight(track=found, wavelength=848.6e-9, receiver_aperture=1.0, divergence_half_angle=7.41e-6, **SEEN)
    rate = record.transmit(seen, files=Catalogue(), where="run.toml: channel").background_rate[:, 0]
    assert rate.shape == found.time.shape
    apart = separation(found.elevation, found.azimuth, found.moon_elevation, found.moon_azimuth)
    dark = replace_track(seen, moon_elevation=np.full(rate.shape, -0.1))
    moon = rate - record.transmit(dark, files=Catalogue(), where="run.toml: channel").background_rate[:, 0]
    assert np.all(moon > 0.0)
    law = moonlight_radiance(
        found.elevation,
        wavelength=848.6e-9,
        moon_elevation=rad(23.1608),
        separation=apart,
        illuminated_fraction=0.6307,
        molecules=float(rayleigh_optical_depth(848.6e-9, altitude=890.0)),
        aerosol=0.1 * (848.6 / 500) ** -1.3,
    )
    expected = sky_photon_rate(
        law, aperture=1.0, field_of_view=50e-6, filter_bandwidth=1e-9, wavelength=848.6e-9, optics_transmittance=0.5
    )
    # the moon moves by half a degree and 0.0002 of its disc in the session
    np.testing.assert_allclose(moon, expected, rtol=0.02)


def test_separation_is_the_angle_of_the_unit_vectors():
    """Second route: dot product; and 1e-9 rad, where that one is blind."""
    rng = np.random.default_rng(3)
    e1, e2 = rng.uniform(-1.5, 1.5, (2, 101))
    a1, a2 = rng.uniform(0.0, 7.0, (2, 101))

    def vector(e, a):
        return np.array([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)])

    np.testing.assert_allclose(
        separation(e1, a1, e2, a2), np.arccos(np.sum(vector(e1, a1) * vector(e2, a2), axis=0)), atol=1e-7
    )
    assert separation(0.5, 1.0, 0.5 + 1e-9, 1.0) == pytest.approx(1e-9, rel=1e-6)


@pytest.mark.parametrize(
    ("change", "seen", "said"),
    [
        ({"azimuth": np.array([np.nan])}, {}, "needs the azimuth, which the orbit does not tell at every step"),
        ({"moon_elevation": np.array([np.nan])}, {}, "needs the moon elevation"),
        ({"sun_elevation": rad([50.0]), "sun_azimuth": np.zeros(1)}, {}, "passes 10.00 deg from the sun at 1 of 1 steps"),
        ({"moon_elevation": rad([60.5]), "moon_azimuth": np.zeros(1)}, {}, "passes 0.50 deg from the moon at 1 of 1 steps"),
        ({"moon_illuminated_fraction": np.array([np.nan])}, {}, "needs the moon illuminated fraction"),
        ({}, {"wavelength": 2e-6}, "wavelength 2000 nm; the sky is known from 390 to 1780 nm"),
        ({}, {"filter_bandwidth": np.nan}, "channel.sky: the receiver does not tell its filter bandwidth"),
    ],
)
def test_what_is_not_known_of_a_sky_is_said_in_one_line(sight, transmit, change, seen, said):
    whole = replace_track(under(sight, **seen), **change)
    with pytest.raises(UserError, match=re.escape(said)) as error:
        transmit(VACUUM | {"sky": CLEAR}, whole)
    assert str(error.value).startswith("run.toml: channel.sky")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (
            {"sky": CLEAR, "background_rate_hz": 1.0},
            "exactly one of background_rate_hz, sky_radiance_w_per_m2_um_sr and sky",
        ),
        ({"background_rate_hz": 1.0, "sky_etendue": "single-mode"}, "sky_etendue belongs to a radiance"),
        ({"sky": CLEAR | {"city_magnitude": 18.0}}, "city_magnitude and city_colour are given together or not at all"),
        ({"sky": CLEAR | {"city_magnitude": 22.5, "city_colour": 1.0}}, "city_magnitude must be at most 21.9"),
        ({"sky": CLEAR | {"ground_albedo": 1.0}}, "channel.sky.ground_albedo = 1.0"),
        ({"sky": {"kind": "cleer"}}, "channel.sky.kind = 'cleer': unknown; did you mean 'clear'?"),
        (
            {"sky": {"kind": "sun-elevation", "sun_elevation_deg": [0.0], "radiance_w_per_m2_um_sr": [1.0]}},
            "need the same number of values, at least 2",
        ),
        (
            {"sky": {"kind": "sun-elevation", "sun_elevation_deg": [0.0, -1.0], "radiance_w_per_m2_um_sr": [1.0, 1.0]}},
            "must rise from value to value",
        ),
    ],
)
def test_mistakes_in_a_sky_are_named(table, said):
    with pytest.raises(UserError, match=re.escape(said)):
        parse(channels.KINDS["free-space"], VACUUM | table, "run.toml: channel")


@pytest.mark.parametrize("name", Catalogue().names("skies"))
def test_every_sky_shines_by_night_and_if_it_knows_the_sun_more_by_day(name, sight, transmit):
    table = Catalogue().resolve({"channel": VACUUM | {"sky": name}}, "run.toml")["channel"]
    dark, dusk, day = transmit(table, under(sight, sun=[-40.0, -9.0, 20.0])).background_rate[:, 0]
    if table["sky"]["kind"] == "moonless-night":
        assert 0.1 < dark == dusk == day < 1e4
    else:
        assert 0.1 < dark < dusk < day < 1e9
        assert day / dark > 1e3
