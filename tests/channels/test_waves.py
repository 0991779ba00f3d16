"""Wave optics: screens, propagation, Zernike modes. Oracles: the spectrum's exact structure function, Gaussian beams,
conservation of power, reciprocity, Noll's theory by a second route, SciPy's quadrature."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import jv

from qphys.channels import waves
from qphys.channels.adaptive_optics import SPECTRUM_CONSTANT, noll_residual, structure_function
from qphys.channels.waves import Grid, Propagator, Screens
from qphys.errors import UserError

WAVELENGTH = 810e-9
GRID = Grid(128, 0.01)
PRECISIONS = [("single", 5e-6, 1e-6), ("double", 1e-12, 1e-13)]


def screens(number: int, grid: Grid = GRID, *, fried_parameter: float = 0.08, seed: int = 1) -> list[Any]:
    """Some screens of one realisation [rad]."""
    source = Screens(grid, outer_scale=20.0)
    scale = source.scale(fried_parameter).astype(np.float32)
    pairs = [source.phases(source.pair(seed=seed, stream=2, realisation=3, index=k)) for k in range((number + 1) // 2)]
    return [scale * phase for phase in itertools.chain(*pairs)][:number]


def gaussian(grid: Grid, waist: float, *, x: float = 0.0, y: float = 0.0) -> np.ndarray:
    return np.exp(-((grid.axis[:, None] - y) ** 2 + (grid.axis - x) ** 2) / waist**2)


# Structure functions


@pytest.mark.parametrize("outer_scale", [20.0, 50.0, np.inf])
@pytest.mark.parametrize("pixels", [2, 4, 16, 64, 96])
def test_mean_structure_function_of_screens_is_that_of_the_spectrum(outer_scale: float, pixels: int) -> None:
    """Exact expectation over all draws against theory: only the pixel's cut-off is missing (Kolmogorov: and a hole)."""
    told = {"fried_parameter": 0.1, "outer_scale": outer_scale}
    separation = pixels * GRID.pixel
    exact = waves.expected_structure_function([[separation, 0.0], [0.6 * separation, 0.8 * separation]], grid=GRID, **told)
    np.testing.assert_allclose(exact, structure_function(separation, **told), rtol=0.03 if pixels == 2 else 0.013)


def test_screens_have_the_expected_structure_function() -> None:
    """200 pairs on a small grid against the exact expectation, 4.5 sigma of the sample's own scatter."""
    grid = Grid(32, 0.04)
    source = Screens(grid, outer_scale=20.0)
    scale = float(source.scale(0.1))
    lags = (1, 2, 5, 11, 24)
    sample = []
    for realisation in range(200):
        for phase in source.phases(source.pair(seed=7, stream=1, realisation=realisation, index=0)):
            p = scale * phase.astype(float)
            along = [np.mean((p[:, lag:] - p[:, :-lag]) ** 2) for lag in lags]
            across = [np.mean((p[lag:] - p[:-lag]) ** 2) for lag in lags]
            slanted = [np.mean((p[lag:, lag:] - p[:-lag, :-lag]) ** 2) for lag in lags[:4]]
            sample.append(along + across + slanted)
    separations = [(lag, 0) for lag in lags] + [(0, lag) for lag in lags] + [(lag, lag) for lag in lags[:4]]
    exact = waves.expected_structure_function(
        np.array(separations) * grid.pixel, grid=grid, fried_parameter=0.1, outer_scale=20.0
    )
    error = np.std(sample, axis=0) / np.sqrt(len(sample))
    assert np.all(np.abs(np.mean(sample, axis=0) - exact) < 4.5 * error)
    assert np.all(error < 0.08 * exact)


def test_finer_cells_fill_the_cell_at_the_origin() -> None:
    """Areas on paper: with an outer scale nothing is left out, without one the last hole is 3^-24 of the cell."""
    for outer in (0.01, 0.05, 0.9, 0.0):
        cells = waves.finer_cells(outer)
        assert np.sum(cells[:, 2] ** 2) == pytest.approx(1.0, abs=1e-11)
        assert np.all(np.abs(cells[:, :2]) + cells[:, 2:] / 2 <= 0.5 + 1e-12)


def test_moved_screens_are_the_screens_at_other_places() -> None:
    """Frozen flow on paper: by whole pixels the values move along, though the screen is not periodic."""
    source = Screens(GRID, outer_scale=20.0)
    pair = source.pair(seed=1, stream=2, realisation=0, index=0)
    still = source.phases(pair)
    moved = source.phases(pair, shift=(7 * GRID.pixel, -5 * GRID.pixel))
    for a, b in zip(still, moved, strict=True):
        difference = b[:-5, 7:] - a[5:, :-7]
        difference -= difference.mean()
        assert np.abs(difference).max() < 3e-4 * np.abs(a).max()


def test_temporal_structure_function_is_the_spatial_one_at_the_distance_moved() -> None:
    """Frozen flow on paper, D(v t) = D(r) of one and the same screen, at parts of a pixel."""
    source = Screens(GRID, outer_scale=20.0)
    pair = source.pair(seed=1, stream=2, realisation=0, index=0)
    still = source.phases(pair)[0].astype(float)
    exact = []
    for pixels in (0.25, 0.5, 0.75, 1.0):
        moved = source.phases(pair, shift=(pixels * GRID.pixel, 0.0))[0].astype(float)
        inside = (moved - still - np.mean(moved - still))[:, 2:]
        exact.append(np.mean(inside**2))
    beside = np.diff(still, axis=1)
    assert exact[-1] == pytest.approx(np.var(beside), rel=0.02)
    # between pixels the screen is smooth on this scale: (v t)^(5/3) to the pixel's cut-off, which bends it towards 2
    slope = np.diff(np.log(exact)) / np.diff(np.log([0.25, 0.5, 0.75, 1.0]))
    assert np.all((slope > 5 / 3) & (slope < 2.0))


def test_a_screen_depends_on_its_address_only() -> None:
    """Reproducibility: equal bits from another object after other draws; another address is another screen."""
    first, second = Screens(GRID, outer_scale=20.0), Screens(GRID, outer_scale=20.0)
    address = {"seed": 1, "stream": 2**63 + 5, "realisation": 77, "index": 4}
    expected = first.phases(first.pair(**address))
    second.phases(second.pair(**{**address, "realisation": 1}))
    np.testing.assert_array_equal(second.phases(second.pair(**address)), expected)
    for word in address:
        other = second.phases(second.pair(**{**address, word: address[word] + 1}))
        assert likeness(other[0], expected[0]) < 0.03
    assert likeness(expected[0], expected[1]) < 0.03


def likeness(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation of second differences, which a few low frequencies do not make; 128^2 values scatter by 0.01."""
    return float(abs(np.corrcoef(np.diff(a, n=2).ravel(), np.diff(b, n=2).ravel())[0, 1]))


# Propagation


@pytest.mark.parametrize(("precision", "reciprocal", "unitary"), PRECISIONS)
@pytest.mark.parametrize("fft", ["scipy", "pyfftw"])
def test_reciprocity_of_any_screens(precision: Any, reciprocal: float, unitary: float, fft: Any) -> None:
    """<plane wave | forward g> = <g | backward plane wave>, exact on paper with screens, absorber and uneven steps."""
    if fft == "pyfftw":
        pytest.importorskip("pyfftw")
    phases, steps = screens(3), [400.0, 900.0, 100.0, 250.0]
    told = {"grid": GRID, "wavelength": WAVELENGTH, "precision": precision, "fft": fft}
    g = gaussian(GRID, 0.1, x=0.05) * np.exp(1j * 40.0 * GRID.axis)
    up = waves.propagate(g, phases=phases, steps=steps, **told).astype(complex).sum()
    down = waves.propagate(1.0, phases=phases[::-1], steps=steps[::-1], **told).astype(complex)
    assert abs(np.sum(g * down) / up - 1) < reciprocal


@pytest.mark.parametrize(("precision", "reciprocal", "unitary"), PRECISIONS)
def test_vacuum_and_screens_keep_the_power(precision: Any, reciprocal: float, unitary: float) -> None:
    """Unitary on paper, without the absorber."""
    told = {"grid": GRID, "wavelength": WAVELENGTH, "precision": precision, "absorbing": False}
    g = gaussian(GRID, 0.2)
    out = waves.propagate(g, phases=screens(2), steps=[300.0, 900.0, 800.0], **told).astype(complex)
    assert np.sum(np.abs(out) ** 2) == pytest.approx(np.sum(np.abs(g) ** 2), rel=unitary)


@pytest.mark.parametrize(("precision", "tolerance", "unitary"), PRECISIONS)
def test_two_steps_are_one(precision: Any, tolerance: float, unitary: float) -> None:
    told = {"grid": GRID, "wavelength": WAVELENGTH, "precision": precision}
    g = gaussian(GRID, 0.1)
    two = waves.propagate(g, phases=[None], steps=[700.0, 1100.0], **told)
    one = waves.propagate(g, phases=[], steps=[1800.0], **told)
    assert np.abs(two - one).max() < tolerance
    back = waves.propagate(one, phases=[], steps=[-1800.0], **told)
    assert np.abs(back - g).max() < tolerance


@pytest.mark.parametrize("distance", [0.0, 500.0, 4000.0, 12000.0])
def test_gaussian_beam_has_its_radius_curvature_and_gouy_phase(distance: float) -> None:
    """Paper: W(z), R(z) and arctan(z/z_R) in one complex amplitude, 1e-5."""
    grid, waist = Grid(256, 0.005), 0.06
    rayleigh = np.pi * waist**2 / WAVELENGTH
    told = {"grid": grid, "wavelength": WAVELENGTH, "precision": "double"}
    out = waves.propagate(gaussian(grid, waist), phases=[], steps=[distance], **told)
    q = 1.0 + 1j * distance / rayleigh
    square = grid.axis[:, None] ** 2 + grid.axis**2
    assert np.abs(out - np.exp(-square / (waist**2 * q)) / q).max() < 1e-5


def test_tilt_moves_a_beam_by_angle_times_distance() -> None:
    """Geometry on paper, in the direction that the axes say."""
    grid, angle, distance = Grid(256, 0.005), 30e-6, 3000.0
    wave = 2 * np.pi / WAVELENGTH
    g = gaussian(grid, 0.06) * np.exp(1j * wave * angle * grid.axis)
    out = np.abs(waves.propagate(g, grid=grid, wavelength=WAVELENGTH, phases=[], steps=[distance])) ** 2
    assert np.sum(out * grid.axis) / np.sum(out) == pytest.approx(angle * distance, rel=1e-4)
    assert np.sum(out * grid.axis[:, None]) / np.sum(out) == pytest.approx(0, abs=1e-6)


def test_light_does_not_come_back_on_the_other_side() -> None:
    """A beam sent at the edge is taken by the absorber: less than 1e-4 of it is left where it would come back."""
    grid = Grid(256, 0.005)
    wave, angle = 2 * np.pi / WAVELENGTH, 60e-6
    g = gaussian(grid, 0.06) * np.exp(1j * wave * angle * grid.axis)
    flat = np.zeros((256, 256), np.float32)
    out = waves.propagate(g, grid=grid, wavelength=WAVELENGTH, phases=[flat] * 60, steps=[200.0] * 61)
    assert np.sum(np.abs(out) ** 2) < 1e-4 * np.sum(g.real**2)


def test_the_two_transforms_agree() -> None:
    """Second library, to rounding."""
    pytest.importorskip("pyfftw")
    told = {"grid": GRID, "wavelength": WAVELENGTH, "phases": screens(2), "steps": [100.0, 500.0, 900.0]}
    a, b = (waves.propagate(1.0, fft=fft, **told) for fft in ("scipy", "pyfftw"))
    assert np.abs(a - b).max() < 5e-6
    names = waves.fft_name("scipy"), waves.fft_name("pyfftw"), waves.fft_name("auto")
    assert names[0].startswith("scipy ") and names[1].startswith("pyfftw ") and names[2] == names[1]


# Zernike modes


def test_variances_are_those_of_the_residuals() -> None:
    """Second route: differences of the residuals, which are half the mean structure function less the variances."""
    residual = noll_residual(np.arange(1, 37))
    variances = [waves.noll_covariance(mode, mode) for mode in range(2, 37)]
    np.testing.assert_allclose(-np.diff(residual), variances, rtol=1e-10)


@pytest.mark.parametrize(
    ("modes", "orders"), [((2, 2), (1, 1)), ((4, 4), (2, 2)), ((7, 7), (3, 3)), ((2, 8), (1, 3)), ((4, 11), (2, 4))]
)
def test_covariances_are_integrals_of_the_spectrum(modes: tuple[int, int], orders: tuple[int, int]) -> None:
    """Second route: quadrature; the published variance of tilt, and the ratios of Gamma functions on paper."""
    n, m = orders
    total = 0.0
    edges = np.concatenate([[0], np.geomspace(1e-3, 200, 90)])
    for a, b in itertools.pairwise(edges):
        total += quad(lambda x: x ** (-14 / 3) * jv(n + 1, x) * jv(m + 1, x), a, b)[0]
    sign = (-1) ** ((n - m) // 2)
    value = sign * 8 * np.pi ** (8 / 3) * SPECTRUM_CONSTANT * np.sqrt((n + 1) * (m + 1)) * total
    assert waves.noll_covariance(*modes) == pytest.approx(value, rel=2e-5)
    known = {(2, 2): 0.448879, (4, 4): 0.448879 * 1.5 / 29, (7, 7): 0.448879 * 1.5 / 29 * 4 / 15}
    if modes in known:
        assert waves.noll_covariance(*modes) == pytest.approx(known[modes], rel=2e-6)


def test_modes_of_another_angle_are_uncorrelated() -> None:
    assert waves.noll_covariance(2, 3) == waves.noll_covariance(2, 4) == waves.noll_covariance(5, 6) == 0.0


def test_modes_are_orthonormal_over_the_disc() -> None:
    """Paper, modes 1 to 15 by Gauss-Legendre quadrature, exact for the polynomials."""
    x, w = np.polynomial.legendre.leggauss(12)
    radius, angle = (x + 1) / 2, np.arange(24) * np.pi / 12
    weight = (w / 2 * radius)[:, None] * np.full(24, 2 * np.pi / 24) / np.pi
    values = [waves.zernike(mode, radius=radius[:, None], angle=angle) for mode in range(1, 16)]
    gram = np.einsum("ira,jra,ra->ij", values, values, weight)
    np.testing.assert_allclose(gram, np.eye(15), atol=1e-13)


def test_first_modes_at_points() -> None:
    """Paper: focus at the edge, coma on the axis; even numbers are cosines."""
    assert waves.zernike(4, radius=1.0, angle=0.3) == pytest.approx(np.sqrt(3))
    assert waves.zernike(8, radius=1.0, angle=0.0) == pytest.approx(np.sqrt(8))
    assert waves.zernike(2, radius=0.5, angle=0.0) == pytest.approx(1.0)
    assert waves.zernike(3, radius=0.5, angle=np.pi / 2) == pytest.approx(1.0)


# Mistakes


@pytest.mark.parametrize("number", [0, 8, 15, 22, 8194, 16384, -32])
def test_grids_of_other_sizes_are_refused(number: int) -> None:
    with pytest.raises(UserError, match=f"grid: number {number}; an even number from 16 to 8192"):
        Grid(number, 0.01)


@pytest.mark.parametrize("pixel", [0.0, -1.0, np.nan, np.inf])
def test_pixels_that_are_no_length_are_refused(pixel: float) -> None:
    with pytest.raises(UserError, match="grid: pixel .*; a positive length is allowed"):
        Grid(64, pixel)


def test_other_words_are_refused() -> None:
    with pytest.raises(UserError, match="fft: 'mkl'; allowed"):
        Screens(GRID, outer_scale=1.0, fft="mkl")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="precision: 'half'; allowed"):
        Propagator(GRID, wavelength=1e-6, precision="half")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="outer_scale: 0.0"):
        Screens(GRID, outer_scale=0.0)
    with pytest.raises(UserError, match="steps: 1 values for 1 screens"):
        waves.propagate(1.0, grid=GRID, wavelength=1e-6, steps=[1.0], phases=[None])
    with pytest.raises(UserError, match="begin with 1"):
        waves.zernike(0, radius=1.0, angle=0.0)
    with pytest.raises(UserError, match="piston has no finite variance"):
        waves.noll_covariance(1, 4)


SOUND: dict[str, Any] = {
    "wavelength": 810e-9,
    "distance": np.array([9000.0, 300.0]),
    "steps": np.array([8700.0, 300.0]),
    "fried_parameters": np.array([0.5, 0.1]),
    "needed": 1.0,
    "needed_for": "an aperture",
}


@pytest.mark.parametrize(
    ("grid", "changed", "message"),
    [
        (Grid(512, 0.005), {"steps": np.array([16000.0, 300.0])}, "carries steps up to 15802 m, the longest is 16000 m"),
        (
            Grid(512, 0.005),
            {"fried_parameters": np.array([0.5, 0.009])},
            "too coarse for a layer of Fried parameter 0.009 m",
        ),
        (
            Grid(512, 0.0025),
            {"steps": np.array([3e3, 300.0]), "needed": 1.2},
            "width 1.28 m is too small for an aperture of 1.2",
        ),
        (Grid(512, 0.005), {"fried_parameters": np.array([0.1, 0.1])}, "layer 1 has a Rytov variance of .* over the vacuum"),
    ],
)
def test_sampling_rules(grid: Grid, changed: dict[str, Any], message: str) -> None:
    """Each rule alone, and the sound case that breaks none."""
    waves.check_sampling(Grid(512, 0.005), **SOUND)
    with pytest.raises(UserError, match=message):
        waves.check_sampling(grid, **{**SOUND, **changed})
