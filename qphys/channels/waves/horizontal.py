"""Horizontal links by wave optics: a Gaussian beam through constant turbulence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np

from qphys.channels.waves.grid import Fft, Grid, Precision, fft_name
from qphys.channels.waves.propagation import Propagator
from qphys.channels.waves.pupil import FEWEST_PIXELS, Pupil
from qphys.channels.waves.screens import Screens, layer_fried_parameter
from qphys.errors import UserError
from qphys.stages import Floats

FRIED_PIXELS: Final = 4.0
"""Least Fried parameter of the whole path in pixels."""

RYTOV_SCREEN_LIMIT: Final = 0.1
"""Rytov variance of one slab up to which it may be one screen."""


@dataclass(frozen=True)
class HorizontalResult:
    """Realisations of a beam at the end of a horizontal path."""

    transmittance: Floats
    """Share of the launched power inside each centred aperture, shape (R, apertures)."""
    irradiance: Floats
    """On the axis, over that of the same beam in vacuum, shape (R,)."""
    centroid: Floats
    """Of the irradiance along x and y [m], shape (R, 2)."""
    radius: Floats
    """Twice the rms distance from the centroid along one axis, 1/e^2 radius of a Gaussian, shape (R,) [m]."""
    identity: Mapping[str, str]
    """Library of the transform and precision: what the numbers depend on beside the arguments."""


def horizontal(
    structure_constant: float,
    *,
    length: float,
    screens: int,
    waist: float,
    focus: float = np.inf,
    wavelength: float,
    outer_scale: float,
    apertures: Sequence[float],
    grid: Grid,
    realisations: int,
    seed: int,
    stream: int = 0,
    first: int = 0,
    fft: Fft = "scipy",
    precision: Precision = "single",
    threads: int = 1,
) -> HorizontalResult:
    r"""Simulate a Gaussian beam through a path of constant turbulence, each screen at the middle of its slab.

    Parameters
    ----------
    structure_constant : float
        :math:`C_n^2` [m^(-2/3)].
    length : float
        Of the path, L [m].
    screens : int
        Number of slabs.
    waist : float
        1/e^2 intensity radius at launch, :math:`W_0` [m].
    focus : float
        Radius of curvature of the launched wavefront, positive where the beam converges [m].
    wavelength, outer_scale : float
        [m].
    apertures : sequence of float
        Diameters of receiving apertures [m].
    grid, realisations, first, seed, stream, fft, precision, threads
        As for `downlink`.

    Returns
    -------
    HorizontalResult

    Raises
    ------
    UserError
        If the grid does not carry the beam: its width below :math:`2 (W_{LT} + 2 \lambda L/r_0)`, its pixel above
        :math:`r_0/4` or an eighth of the narrowest beam's radius, a step above :math:`N d^2/\lambda`, or the Rytov
        variance of a slab above 0.1.

    Notes
    -----
    :math:`W_{LT}^2 = W^2 + 2 (4 L/k r_0)^2`, the plane-wave :math:`r_0` of the whole path (Dios et al., Appl. Opt. 43, 3866
    (2004)), serves the rules only. Above a Rytov variance of 2 the pixel decides, more than the number of screens.
    """
    if not (structure_constant >= 0 and length > 0 and screens >= 1 and waist > 0 and realisations >= 1 and threads >= 1):
        raise UserError(
            f"structure_constant {structure_constant:g}, length {length:g}, waist {waist:g}, screens {screens}, "
            f"realisations {realisations}, threads {threads}: from 0 on, two positive lengths and three numbers from 1 on "
            "are allowed"
        )
    slab = length / screens
    wave = 2.0 * np.pi / wavelength
    whole = float(layer_fried_parameter(structure_constant * length, wavelength=wavelength))
    at_end, narrowest = _vacuum_radii(waist, focus, length, wavelength)
    _check(grid, wavelength, length, slab, structure_constant, whole, at_end, narrowest)
    pupils = [Pupil(grid, diameter=diameter) for diameter in apertures]
    square = grid.axis[:, None] ** 2 + grid.axis**2
    launched = np.exp(-square * (1.0 / waist**2 + 0.5j * wave / focus))
    power = float(np.sum(np.abs(launched) ** 2))
    on_axis = (waist / at_end) ** 2
    scale_of = layer_fried_parameter(structure_constant * slab, wavelength=wavelength)

    def some(numbers: Sequence[int]) -> list[Floats]:
        source = Screens(grid, outer_scale=outer_scale, fft=fft)
        light = Propagator(grid, wavelength=wavelength, fft=fft, precision=precision)
        scale = float(source.scale(scale_of))
        rows = []
        for number in numbers:
            light.start(launched)
            for index in range((screens + 1) // 2):
                pair = source.still(seed=seed, stream=stream, realisation=number, index=index)
                for screen, phase in enumerate(pair[: screens - 2 * index], start=2 * index):
                    light.vacuum(slab / 2.0 if screen == 0 else slab)
                    light.screen(phase, scale=scale)
            light.vacuum(slab / 2.0)
            rows.append(_moments(light, grid, pupils, power, on_axis))
        return rows

    numbers = range(first, first + realisations)
    workers = min(threads, realisations)
    values = np.empty((realisations, len(apertures) + 4))
    with ThreadPoolExecutor(workers) as pool:
        for worker, part in enumerate(pool.map(some, [numbers[worker::workers] for worker in range(workers)])):
            values[worker::workers] = part
    shares, (axis, x, y, radius) = values[:, 4:], values[:, :4].T
    return HorizontalResult(
        transmittance=shares,
        irradiance=axis,
        centroid=np.column_stack([x, y]),
        radius=radius,
        identity={"fft": fft_name(fft), "precision": precision},
    )


def _moments(light: Propagator, grid: Grid, pupils: Sequence[Pupil], power: float, on_axis: float) -> Floats:
    field = light.field
    irradiance = field.real.astype(np.float64) ** 2 + field.imag.astype(np.float64) ** 2
    along, across = np.sum(irradiance, axis=0), np.sum(irradiance, axis=1)
    total = np.sum(along)
    x, y = np.sum(along * grid.axis) / total, np.sum(across * grid.axis) / total
    spread = (np.sum(along * (grid.axis - x) ** 2) + np.sum(across * (grid.axis - y) ** 2)) / (2.0 * total)
    centre = irradiance[grid.number // 2, grid.number // 2] / on_axis
    shares = [pupil.power(pupil.window(field)) * pupil.area / grid.pixel**2 / power for pupil in pupils]
    return np.array([centre, x, y, 2.0 * np.sqrt(spread), *shares])


def _vacuum_radii(waist: float, focus: float, length: float, wavelength: float) -> tuple[float, float]:
    """1/e^2 radius at the end, and the least along the path, without turbulence."""
    rayleigh = np.pi * waist**2 / wavelength
    where = np.linspace(0.0, length, 257)
    radius = waist * np.hypot(1.0 - where / focus, where / rayleigh)
    return float(radius[-1]), float(np.min(radius))


def _check(
    grid: Grid,
    wavelength: float,
    length: float,
    slab: float,
    structure_constant: float,
    fried_parameter: float,
    at_end: float,
    narrowest: float,
) -> None:
    wave = 2.0 * np.pi / wavelength
    long_term = np.hypot(at_end, np.sqrt(2.0) * 4.0 * length / (wave * fried_parameter))
    least = 2.0 * (long_term + 2.0 * wavelength * length / fried_parameter)
    if grid.width < least:
        raise UserError(
            f"grid: width {grid.width:.3g} m is too small for a beam of radius {long_term:.3g} m and light scattered around "
            f"it; from {least:.3g} m on is allowed"
        )
    finest = min(fried_parameter / FRIED_PIXELS, narrowest / FEWEST_PIXELS)
    if grid.pixel > finest:
        raise UserError(
            f"grid: pixel {grid.pixel:g} m is too coarse for r0 = {fried_parameter:.3g} m and a beam of radius "
            f"{narrowest:.3g} m where it is narrowest; up to {finest:.3g} m is allowed"
        )
    if slab > grid.number * grid.pixel**2 / wavelength:
        raise UserError(
            f"screens: steps of {slab:.0f} m on a grid that carries {grid.number * grid.pixel**2 / wavelength:.0f} m; more "
            "screens, or a wider grid, are allowed"
        )
    rytov = 1.23 * structure_constant * wave ** (7 / 6) * slab ** (11 / 6)
    if rytov > RYTOV_SCREEN_LIMIT:
        raise UserError(
            f"screens: the Rytov variance of a slab of {slab:.0f} m is {rytov:.2g}; up to {RYTOV_SCREEN_LIMIT:g} one screen "
            "stands for it: more screens are allowed"
        )
