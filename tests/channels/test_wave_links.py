"""Links by wave optics on small grids: pupils, corrections, down-, up- and horizontal links. Oracles: numbers without
turbulence on paper, reciprocity, projections, exact long-exposure theory, equal bits however the work is cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import j0, j1

from qphys.channels import waves
from qphys.channels.coupling import mode_overlap
from qphys.channels.diffraction import gaussian_share
from qphys.channels.waves import Correction, Grid, Launch, LayeredPath, Pupil, Receiver
from qphys.errors import UserError

GRID = Grid(128, 0.01)
WAVELENGTH = 810e-9


def layered(strength: float = 1.0, wind: Any = (0.0, 0.0)) -> LayeredPath:
    """Three layers with r0 = 12 cm of the path at strength 1."""
    strengths = strength * np.array([0.6, 0.3, 0.1]) * 0.12 ** (-5 / 3) / 0.423 / (2 * np.pi / WAVELENGTH) ** 2
    return waves.slant_path(
        [100.0, 1000.0, 6000.0],
        strengths,
        elevation=np.pi / 2,
        wavelength=WAVELENGTH,
        outer_scale=20.0,
        wind=wind,
    )


VACUUM = layered(0.0)


def test_slant_path_lengthens_and_strengthens_by_the_secant() -> None:
    """Paper: r0 scales as sin(e)^(3/5)."""
    told = {"wavelength": WAVELENGTH, "outer_scale": 20.0}
    zenith, slant = (waves.slant_path([100.0, 5000.0], [1e-13, 2e-13], elevation=e, **told) for e in (np.pi / 2, np.pi / 6))
    np.testing.assert_allclose(slant.distance, 2 * zenith.distance)
    assert slant.fried_parameter / zenith.fried_parameter == pytest.approx(2 ** (-3 / 5))
    np.testing.assert_allclose(slant.steps, [200.0, 9800.0])
    # r0 = (0.423 k^2 J)^(-3/5)
    assert zenith.fried_parameter == pytest.approx((0.423 * (2 * np.pi / WAVELENGTH) ** 2 * 3e-13) ** (-3 / 5))
    assert np.sum(zenith.fried_parameters ** (-5 / 3)) == pytest.approx(zenith.fried_parameter ** (-5 / 3))


# Pupils


@pytest.mark.parametrize(("diameter", "obscuration"), [(0.4, 0.0), (0.63, 0.3), (1.0, 0.5)])
def test_annulus_has_its_area(diameter: float, obscuration: float) -> None:
    """Paper; grey edges of 8 x 8 points are right to some 1e-3."""
    pupil = Pupil(GRID, diameter=diameter, obscuration=obscuration)
    assert pupil.area == pytest.approx(np.pi / 4 * diameter**2 * (1 - obscuration**2), rel=2e-3)


@pytest.mark.parametrize("obscuration", [0.0, 0.3])
def test_plane_wave_couples_by_the_overlap_of_the_modes(obscuration: float) -> None:
    """Closed form, .814529 without obscuration; the pixels' edge is 0.2 %."""
    receiver = Receiver(0.6, obscuration=obscuration, corrections=(Correction(1), Correction(6)))
    result = waves.downlink(VACUUM, [receiver], grid=GRID, realisations=1, seed=1)
    expected = mode_overlap(1.12091, obscuration=obscuration)
    np.testing.assert_allclose(result.coupling[0], expected, rtol=3e-3)
    assert result.power[0].shape == result.irradiance.shape == (1, 1)
    np.testing.assert_allclose([result.power[0], result.irradiance], 1.0, rtol=3e-3)


@pytest.mark.parametrize("precision", ["single", "double"])
def test_field_stop_passes_the_encircled_energy_of_the_airy_spot(precision: Any) -> None:
    """Paper: 1 - J0^2 - J1^2; 0.838 inside the first dark ring."""
    radii = (0.5, 1.2197, 3.0)
    stops = tuple(r * WAVELENGTH / 0.6 for r in radii)
    result = waves.downlink(VACUUM, [Receiver(0.6, stops=stops)], grid=GRID, realisations=1, seed=1, precision=precision)
    v = np.pi * np.array(radii)
    np.testing.assert_allclose(result.through_stop[0][0, 0], 1 - j0(v) ** 2 - j1(v) ** 2, atol=4e-3)


def test_tilted_light_misses_the_field_stop_and_lands_at_its_angle() -> None:
    """Paper: the spot stands at the tilt, its peak is area^2/lambda^2."""
    pupil = Pupil(GRID, diameter=0.6)
    tilt = 5e-6
    field = np.exp(2j * np.pi / WAVELENGTH * tilt * pupil.axis) * np.ones((pupil.axis.size, 1)) * pupil.weight
    angle = np.linspace(-10e-6, 10e-6, 201)
    spot = waves.focal_irradiance(field, axis=pupil.axis, angle=angle, wavelength=WAVELENGTH, pixel=GRID.pixel)
    row, column = np.unravel_index(np.argmax(spot), spot.shape)
    assert angle[column] == pytest.approx(tilt) and angle[row] == pytest.approx(0, abs=1e-12)
    assert spot.max() == pytest.approx((pupil.area / WAVELENGTH) ** 2, rel=1e-9)


@pytest.mark.parametrize("obscuration", [0.0, 0.4])
def test_modes_are_orthonormal_over_the_pixels_and_nearly_nolls(obscuration: float) -> None:
    pupil = Pupil(GRID, diameter=0.8, obscuration=obscuration)
    modes = pupil.modes(15).astype(float).reshape(14, -1)
    weight = pupil.weight.ravel().astype(float)
    gram = (modes * weight) @ modes.T / weight.sum()
    np.testing.assert_allclose(gram, np.eye(14), atol=2e-6)
    np.testing.assert_allclose(modes @ weight / weight.sum(), 0, atol=1e-6)
    if obscuration == 0:
        radius, angle = np.hypot(pupil.axis[:, None], pupil.axis) / 0.4, np.arctan2(pupil.axis[:, None], pupil.axis)
        for mode in (2, 3, 4, 11):
            inside = pupil.weight.ravel() == 1
            noll = waves.zernike(mode, radius=radius, angle=angle).ravel()
            assert np.abs(modes[mode - 2] - noll)[inside].max() < 0.03


# Corrections


def test_correction_takes_out_what_its_modes_can() -> None:
    """Projection on paper: nothing of these modes is left in the geometric wavefront, and all of the rest."""
    path = layered()
    pupil = Pupil(GRID, diameter=0.5)
    correctors = waves.Correctors(pupil, path, (Correction(3), Correction(15)), seed=1, stream=0)
    arrival = next(waves.Arrivals(path, grid=GRID, aperture=0.5, seed=1, stream=0).realisation(0))
    total = sum(s * p.astype(float) for s, p in zip(arrival.scale, arrival.phases, strict=True))
    wavefront = pupil.window(total)
    weight = pupil.weight.astype(float)
    modes = pupil.modes(15).astype(float)
    for correction, phase in zip((3, 15), correctors.phases(arrival), strict=True):
        left = wavefront - phase
        coefficient = np.tensordot(modes, weight * left, axes=2) / weight.sum()
        before = np.tensordot(modes, weight * wavefront, axes=2) / weight.sum()
        np.testing.assert_allclose(coefficient[: correction - 1], 0, atol=2e-3)
        np.testing.assert_allclose(coefficient[correction - 1 :], before[correction - 1 :], atol=2e-3)


def test_delay_and_angle_look_at_the_wavefront_beside() -> None:
    """Frozen flow and geometry on paper: a delay sees the screens of then, to the pixels' interpolation."""
    path = layered(wind=[[6.0, 2.0], [-10.0, 8.0], [20.0, 0.0]])
    pupil = Pupil(GRID, diameter=0.4)
    told = {"grid": GRID, "aperture": 0.4, "seed": 1, "stream": 0}
    delay = 0.004
    late, now = (Correction(10, delay=delay), Correction(10))
    correctors = waves.Correctors(pupil, path, (late, now), seed=1, stream=0)
    _, after = (correctors.phases(a) for a in waves.Arrivals(path, **told).realisation(5, (0.0, delay)))
    before = next(correctors.phases(a) for a in waves.Arrivals(path, **told).realisation(5, (0.0, delay)))
    inside = pupil.weight == 1
    assert np.abs(after[0] - before[1])[inside].max() < 0.02 * np.abs(before[1])[inside].max()
    assert np.abs(after[1] - before[1])[inside].max() > 0.1 * np.abs(before[1])[inside].max()
    # an angle moves the layers as a wind that grows with distance does
    angle = Correction(10, direction=(5e-6, -3e-6))
    np.testing.assert_allclose(angle.displacement(path), path.distance[:, None] * [5e-6, -3e-6])
    np.testing.assert_allclose(late.displacement(path), path.wind * delay)


def test_sensor_noise_adds_its_variance() -> None:
    """Paper: J - 1 modes of mean square 1, each with the noise's variance; 4.5 sigma of 200 x 14 draws."""
    path, pupil = layered(), Pupil(GRID, diameter=0.4)
    correctors = waves.Correctors(pupil, path, (Correction(15), Correction(15, noise=0.3)), seed=1, stream=0)
    weight, extra = pupil.weight.astype(float), []
    arrival = next(waves.Arrivals(path, grid=GRID, aperture=0.4, seed=1, stream=0).realisation(0))
    for step in range(200):
        clean, noisy = correctors.phases(waves.Arrival(arrival.field, arrival.phases, arrival.scale, 0, 0.0, step))
        extra.append(np.sum(weight * (noisy - clean) ** 2) / weight.sum())
    assert np.mean(extra) == pytest.approx(14 * 0.09, rel=4.5 * np.sqrt(2 / 2800))


# Links


def test_correction_by_more_modes_couples_more_light() -> None:
    """Published means of pure phase at D/r0 = 5 for 3, 6, 10, 21 modes, 5 sigma of 40 realisations."""
    path = waves.slant_path(
        [1.0],
        [0.1 ** (-5 / 3) / 0.423 / (2 * np.pi / WAVELENGTH) ** 2],
        elevation=np.pi / 2,
        wavelength=WAVELENGTH,
        outer_scale=500.0,
    )
    receiver = Receiver(0.5, corrections=tuple(Correction(modes) for modes in (3, 6, 10, 21)))
    result = waves.downlink(path, [receiver], grid=Grid(128, 0.0125), realisations=40, seed=3)
    sample = result.coupling[0][:, 0]
    error = np.std(sample, axis=0) / np.sqrt(40)
    assert np.all(np.abs(np.mean(sample, axis=0) - [0.176, 0.337, 0.461, 0.602]) < 5 * error + 0.004)
    assert np.all(error < 0.03)


def test_uplink_is_the_forward_propagation_of_its_beam() -> None:
    """Reciprocity: the far field on the axis of the beam taken upwards through the same layers, 1e-5."""
    path = layered(2.0)
    tilt, focus = (2e-6, -1e-6), 9000.0
    launch = Launch(0.08, tilt=tilt, focus=focus)
    result = waves.uplink(path, [launch, Launch(0.08)], grid=GRID, realisations=2, seed=1, precision="double")
    for realisation in range(2):
        arrivals = waves.Arrivals(path, grid=GRID, aperture=0.48, seed=1, stream=0, precision="double")
        arrival = next(arrivals.realisation(realisation))
        x, y = GRID.axis, GRID.axis[:, None]
        beam = np.exp(-(x**2 + y**2) / 0.08**2) * (np.hypot(x, y) < 0.24)
        phase = tilt[0] * x + tilt[1] * y - (x**2 + y**2) / (2 * focus)
        phases = [np.float32(s) * p for s, p in zip(arrival.scale, arrival.phases, strict=True)]
        up = waves.propagate(
            beam * np.exp(2j * np.pi / WAVELENGTH * phase),
            grid=GRID,
            wavelength=WAVELENGTH,
            steps=[*path.steps, 0.0],
            phases=phases,
            precision="double",
        )
        share = abs(up.sum()) ** 2 / beam.sum() ** 2
        assert result.transmittance[realisation, 0, 0] == pytest.approx(share, rel=2e-3)


def test_uplink_without_turbulence_loses_only_by_tilt_and_focus() -> None:
    """Paper: exp(-2 tilt^2/theta^2) with theta = lambda/(pi W0); focus 1/(1 + (pi W0^2/lambda F)^2)."""
    waist, tilt, focus = 0.1, 2e-6, 40e3
    launches = [Launch(waist), Launch(waist, tilt=(tilt, 0.0)), Launch(waist, focus=focus), Launch(waist, aperture=0.15)]
    got = waves.uplink(VACUUM, launches, grid=GRID, realisations=1, seed=1).transmittance[0, 0]
    half_angle = WAVELENGTH / (np.pi * waist)
    defocus = np.pi * waist**2 / (WAVELENGTH * focus)
    np.testing.assert_allclose(got, [1.0, np.exp(-2 * (tilt / half_angle) ** 2), 1 / (1 + defocus**2), 1.0], rtol=2e-3)


def test_tracking_brings_back_light_and_a_point_ahead_angle_takes_some_of_it() -> None:
    """Ordering on paper in the same 60 realisations, each difference above 4 sigma."""
    path = layered(2.0)
    launches = [
        Launch(0.08),
        Launch(0.08, correction=Correction(3)),
        Launch(0.08, correction=Correction(3, direction=(25e-6, 0.0))),
        Launch(0.08, correction=Correction(10)),
    ]
    got = waves.uplink(path, launches, grid=GRID, realisations=60, seed=1).transmittance[:, 0]
    for better, worse in ((1, 0), (1, 2), (3, 1)):
        gain = got[:, better] - got[:, worse]
        assert np.mean(gain) > 4 * np.std(gain) / np.sqrt(60)


def test_horizontal_beam_without_turbulence_is_the_gaussian_one() -> None:
    """Paper: share 1 - exp(-2 a^2/W^2), W(L), no wander."""
    told = {"length": 2000.0, "screens": 13, "wavelength": 808e-9, "outer_scale": 100.0, "grid": Grid(256, 0.001)}
    got = waves.horizontal(0.0, waist=0.02, apertures=(0.02, 0.05), realisations=1, seed=1, **told)
    radius = 0.02 * np.hypot(1, 2000 * 808e-9 / (np.pi * 0.02**2))
    np.testing.assert_allclose(got.transmittance[0], gaussian_share(radius, aperture=[0.02, 0.05]), rtol=3e-3)
    assert got.irradiance[0] == pytest.approx(1.0, rel=1e-4)
    assert got.radius[0] == pytest.approx(radius, rel=1e-4)
    np.testing.assert_allclose(got.centroid, 0, atol=1e-8)


def test_horizontal_beam_keeps_its_mean_wander() -> None:
    """Theory .340-type integral at a finite outer scale: 2.237e-5 m^2 an axis at L0 = 1 km; 4.5 sigma of 60 beams."""
    told = {"length": 2000.0, "screens": 13, "wavelength": 808e-9, "outer_scale": 1000.0, "grid": Grid(256, 0.001)}
    got = waves.horizontal(1e-15, waist=0.02, focus=2000.0, apertures=(0.024,), realisations=60, seed=1, **told)
    assert np.mean(got.centroid**2) == pytest.approx(2.237e-5, rel=4.5 * np.sqrt(2 / 120))
    assert np.mean(got.transmittance) == pytest.approx(0.3101, abs=0.04)


@pytest.mark.parametrize("fft", ["scipy", "pyfftw"])
def test_results_do_not_depend_on_batches_order_or_threads(fft: Any) -> None:
    """Reproducibility: realisation n depends on seed, stream and n alone."""
    if fft == "pyfftw":
        pytest.importorskip("pyfftw")
    path = layered(wind=(10.0, 5.0))
    receivers = [Receiver(0.3, stops=(5e-6,), corrections=(Correction(6, delay=0.001, noise=0.1),))]
    told = {"grid": GRID, "seed": 9, "stream": 2**60, "times": (0.0, 0.002), "fft": fft}
    whole = waves.downlink(path, receivers, realisations=5, **told)
    late = waves.downlink(path, receivers, realisations=2, first=3, threads=2, **told)
    # FFTW chooses by timing: equal to rounding only
    tolerance = 0.0 if fft == "scipy" else 1e-5
    for name in ("irradiance", "power", "coupling", "through_stop"):
        np.testing.assert_allclose(np.array(getattr(late, name))[..., :], _rows(getattr(whole, name), 3), rtol=tolerance)
    assert whole.identity["fft"].startswith(fft) and whole.identity["precision"] == "single"
    other = waves.downlink(path, receivers, realisations=1, **{**told, "seed": 10})
    assert abs(other.power[0][0, 0] - whole.power[0][0, 0]) > 1e-6
    beams = {"waist": 0.02, "apertures": (0.02,), "wavelength": 808e-9, "outer_scale": 100.0, "grid": Grid(128, 0.002)}
    several, last = (
        waves.horizontal(1e-15, length=1000.0, screens=3, seed=1, fft=fft, **beams, **cut)
        for cut in ({"realisations": 4, "threads": 3}, {"realisations": 1, "first": 3})
    )
    np.testing.assert_allclose(last.transmittance, several.transmittance[3:], rtol=tolerance)
    np.testing.assert_allclose(last.centroid, several.centroid[3:], rtol=tolerance, atol=tolerance * 1e-3)


def _rows(values: Any, first: int) -> Any:
    return np.array([v[first:] for v in values]) if isinstance(values, tuple) else values[first:]


def test_still_screens_are_those_of_time_zero() -> None:
    """Second route: pairs drawn for moving, at time 0, give the bits of the quick way."""
    path, still = layered(wind=(10.0, 5.0)), layered()
    told = {"grid": GRID, "aperture": 0.3, "seed": 1, "stream": 2}
    fields = [a.field.copy() for a in waves.Arrivals(path, **told).realisation(4, (0.0, 0.01))]
    np.testing.assert_array_equal(fields[0], next(waves.Arrivals(still, **told).realisation(4)).field)
    assert np.abs(fields[1] - fields[0]).max() > 0.1


# Mistakes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"receivers": [Receiver(0.05)]}, "aperture: 0.05 m on a grid of 128 pixels of 0.01 m; from 0.08 to 1.24 m"),
        ({"receivers": [Receiver(1.2)]}, "grid: width 1.28 m is too small for an aperture of 1.2 m"),
        ({"receivers": [Receiver(0.4, obscuration=1.0)]}, "obscuration: 1; from 0 to below 1"),
        ({"receivers": [Receiver(0.4, stops=(1e-3,))]}, "field stop: radii .* up to 4.05e-05 rad"),
        ({"realisations": 0}, "realisations 0, first 0, times 1, threads 1: at least"),
        ({"times": ()}, "times 0"),
        ({"times": (0.0, 1.0)}, "times: a layer moves by 10 m, and screens 1.28 m wide return after that"),
        (
            {"receivers": [Receiver(0.4, corrections=(Correction(3, direction=(1e-4, 0.0)),))]},
            "correction: the beacon passes a layer 0.6 m beside the light, and the grid has 0.42 m",
        ),
    ],
)
def test_downlinks_that_cannot_be_simulated_are_refused(change: dict[str, Any], message: str) -> None:
    told: dict[str, Any] = {"receivers": [Receiver(0.4)], "grid": GRID, "realisations": 1, "seed": 1}
    told |= change
    with pytest.raises(UserError, match=message):
        waves.downlink(layered(wind=(10.0, 0.0)), told.pop("receivers"), **told)


def test_other_mistakes() -> None:
    told = {"wavelength": WAVELENGTH, "outer_scale": 20.0}
    with pytest.raises(UserError, match="elevation: 10.000 deg; from 15 to 90"):
        waves.slant_path([1.0], [1e-13], elevation=np.deg2rad(10), **told)
    with pytest.raises(UserError, match="distances that ascend"):
        waves.slant_path([100.0, 50.0], [1e-13, 1e-13], elevation=1.0, **told)
    with pytest.raises(UserError, match="strengths from 0 on"):
        waves.slant_path([100.0], [-1e-13], elevation=1.0, **told)
    with pytest.raises(UserError, match=r"shapes \(2,\), \(1,\), \(2, 2\)"):
        waves.slant_path([100.0, 200.0], [1e-13], elevation=1.0, **told)
    with pytest.raises(UserError, match="modes: 0; from 1"):
        Correction(0)
    with pytest.raises(UserError, match="correction: delay -1.0"):
        Correction(3, delay=-1.0)
    with pytest.raises(UserError, match="launch: waist 0.03 m on pixels of 0.01 m; from 0.04 m on"):
        waves.uplink(VACUUM, [Launch(0.03)], grid=GRID, realisations=1, seed=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"grid": Grid(64, 0.001)}, "grid: width 0.064 m is too small for a beam of radius"),
        ({"grid": Grid(512, 0.003)}, "grid: pixel 0.003 m is too coarse for r0 = .* and a beam of radius"),
        ({"screens": 4, "grid": Grid(256, 0.001)}, "screens: steps of 500 m on a grid that carries 317 m"),
        (
            {"structure_constant": 1e-14, "screens": 4, "grid": Grid(512, 0.001)},
            "screens: the Rytov variance of a slab of 500 m is",
        ),
        ({"structure_constant": -1.0}, "structure_constant -1"),
    ],
)
def test_horizontal_links_that_cannot_be_simulated_are_refused(change: dict[str, Any], message: str) -> None:
    told: dict[str, Any] = {"structure_constant": 1e-15, "length": 2000.0, "screens": 13, "waist": 0.02}
    told |= {"wavelength": 808e-9, "outer_scale": 100.0, "apertures": (0.02,), "grid": Grid(256, 0.001)}
    told |= {"realisations": 1, "seed": 1}
    told |= change
    with pytest.raises(UserError, match=message):
        waves.horizontal(told.pop("structure_constant"), **told)
