"""A path through layers, and the fields that arrive at its end: realisations of a plane wave from above."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from qphys.channels.waves.grid import Fft, Field, Grid, Precision, fft_name
from qphys.channels.waves.propagation import Propagator, check_sampling
from qphys.channels.waves.screens import Pair, Phase, Screens, layer_fried_parameter
from qphys.errors import UserError
from qphys.stages import Floats

LOWEST_ELEVATION: Final = np.deg2rad(15.0)
"""Elevation from which on distances are heights over its sine [rad]."""


@dataclass(frozen=True)
class LayeredPath:
    """Thin layers of turbulence across a path.

    Parameters
    ----------
    distance : ndarray
        Of each layer from the end of the path, the ground, along it [m], ascending, shape (L,).
    strength : ndarray
        Structure constant integrated through each layer along the path [m^(1/3)], shape (L,).
    wind : ndarray
        Velocity of each layer across the path, along x and y [m/s], shape (L, 2): the wind, and the slewing of the line of
        sight.
    wavelength : float
        Vacuum wavelength [m].
    outer_scale : float
        Of the von Karman spectrum [m]; infinite for Kolmogorov's.

    Raises
    ------
    UserError
        If shapes disagree, distances do not ascend from 0, or a strength is negative.
    """

    distance: Floats
    strength: Floats
    wind: Floats
    wavelength: float
    outer_scale: float

    def __post_init__(self) -> None:
        number = self.distance.size
        if self.distance.shape != (number,) or self.strength.shape != (number,) or self.wind.shape != (number, 2):
            raise UserError(
                f"layers: shapes {self.distance.shape}, {self.strength.shape}, {self.wind.shape} of distance, strength and "
                "wind; (L,), (L,), (L, 2) are allowed"
            )
        if number == 0 or not np.all(np.diff(self.distance, prepend=0.0) >= 0) or not np.all(np.isfinite(self.distance)):
            raise UserError("layers: at least one layer, and distances that ascend from 0, are allowed")
        if not (np.all(self.strength >= 0) and np.all(np.isfinite(self.strength)) and np.all(np.isfinite(self.wind))):
            raise UserError("layers: strengths from 0 on and finite winds are allowed")
        if not (self.wavelength > 0 and np.isfinite(self.wavelength)):
            raise UserError(f"wavelength: {self.wavelength!r}; a positive length is allowed")

    @property
    def steps(self) -> Floats:
        """Vacuum below each layer [m], shape (L,)."""
        return np.diff(self.distance, prepend=0.0)

    @property
    def fried_parameters(self) -> Floats:
        """Of each layer for a plane wave [m], shape (L,)."""
        return layer_fried_parameter(self.strength, wavelength=self.wavelength)

    @property
    def fried_parameter(self) -> float:
        """Of the whole path for a plane wave [m]."""
        return float(layer_fried_parameter(np.sum(self.strength), wavelength=self.wavelength))


def slant_path(
    height: ArrayLike,
    strength: ArrayLike,
    *,
    elevation: float,
    wavelength: float,
    outer_scale: float,
    wind: ArrayLike = (0.0, 0.0),
) -> LayeredPath:
    r"""Path from space to the ground through horizontal layers.

    Parameters
    ----------
    height : array_like
        Of each layer above the station [m], shape (L,).
    strength : array_like
        :math:`\int C_n^2\,dh` of each layer, vertically [m^(1/3)], shape (L,).
    elevation : float
        Of the path [rad], from 15 degrees on: distance is height over its sine.
    wavelength, outer_scale : float
        [m].
    wind : array_like
        Velocity of each layer across the path, along x and y [m/s], shape (L, 2).

    Returns
    -------
    LayeredPath

    Raises
    ------
    UserError
        Outside the elevations, or for layers that `LayeredPath` refuses.
    """
    if not LOWEST_ELEVATION <= elevation <= np.pi / 2 + 1e-12:
        raise UserError(f"elevation: {np.rad2deg(elevation):.3f} deg; from 15 to 90 deg is allowed")
    h = np.atleast_1d(np.asarray(height, dtype=np.float64))
    slant = 1.0 / np.sin(elevation)
    return LayeredPath(
        distance=h * slant,
        strength=np.atleast_1d(np.asarray(strength, dtype=np.float64)) * slant,
        wind=np.broadcast_to(np.asarray(wind, dtype=np.float64), (*h.shape, 2)).copy(),
        wavelength=float(wavelength),
        outer_scale=float(outer_scale),
    )


@dataclass(frozen=True)
class Arrival:
    """The field at the end of a path at one time of one realisation."""

    field: Field
    """Of a plane wave of irradiance 1, shape (N, N), rows along y; overwritten by the next one."""
    phases: tuple[Phase, ...]
    """Unit screens of the layers, nearest first; overwritten by the next one."""
    scale: Floats
    """Factor of each of them [rad], shape (L,)."""
    realisation: int
    time: float
    step: int
    """Number of the time."""


class Arrivals:
    """Makes the fields of a path, one realisation after another.

    Parameters
    ----------
    path : LayeredPath
        The path.
    grid : Grid
        The grid; what it cannot carry is refused by `check_sampling`.
    aperture : float
        Diameter within which the field must be right [m].
    seed, stream : int
        Of the draws.
    fft, precision : str
        As for `qphys.channels.waves.fft_name`; ``"single"`` or ``"double"``.
    """

    def __init__(
        self,
        path: LayeredPath,
        *,
        grid: Grid,
        aperture: float,
        seed: int,
        stream: int,
        fft: Fft = "scipy",
        precision: Precision = "single",
    ) -> None:
        check_sampling(
            grid,
            wavelength=path.wavelength,
            distance=path.distance,
            steps=path.steps,
            fried_parameters=path.fried_parameters,
            needed=aperture,
            needed_for="an aperture",
        )
        self.path, self.grid = path, grid
        self._seed, self._stream = seed, stream
        self._screens = Screens(grid, outer_scale=path.outer_scale, fft=fft)
        self._light = Propagator(grid, wavelength=path.wavelength, fft=fft, precision=precision)
        self._scale = self._screens.scale(path.fried_parameters)
        self._pairs = (path.distance.size + 1) // 2
        shape = (grid.number, grid.number)
        # layer 2 k and 2 k + 1 are the two screens of pair k
        self._phases = tuple(np.empty(shape, dtype=np.float32) for _ in range(2 * self._pairs))
        self._spare = np.empty(shape, dtype=np.float32)

    def realisation(self, number: int, times: Sequence[float] = (0.0,)) -> Iterator[Arrival]:
        """Fields of one realisation at some times, the layers moving with their winds.

        Parameters
        ----------
        number : int
            Its number: the screens depend on it, the seed and the stream alone.
        times : sequence of float
            [s].

        Yields
        ------
        Arrival
        """
        if not any(times) or not np.any(self.path.wind):
            for pair in range(self._pairs):
                out = self._phases[2 * pair], self._phases[2 * pair + 1]
                self._screens.still(seed=self._seed, stream=self._stream, realisation=number, index=pair, out=out)
            for step, time in enumerate(times):
                yield self._arrive(number, time, step)
            return
        pairs = [
            self._screens.pair(seed=self._seed, stream=self._stream, realisation=number, index=pair)
            for pair in range(self._pairs)
        ]
        for step, time in enumerate(times):
            self._move(pairs, time)
            yield self._arrive(number, time, step)

    def _move(self, pairs: Sequence[Pair], time: float) -> None:
        for layer, wind in enumerate(self.path.wind):
            own = self._phases[layer]
            out = (own, self._spare) if layer % 2 == 0 else (self._spare, own)
            self._screens.phases(pairs[layer // 2], shift=wind * time, out=out)

    def _arrive(self, number: int, time: float, step: int) -> Arrival:
        light, layers = self._light, self.path.distance.size
        light.start(1.0)
        for layer in reversed(range(layers)):
            light.screen(self._phases[layer], scale=float(self._scale[layer]))
            light.vacuum(float(self.path.steps[layer]))
        return Arrival(light.field, self._phases[:layers], self._scale, number, time, step)


def simulated(
    path: LayeredPath,
    observe: Callable[[Arrival], Sequence[Floats]],
    *,
    grid: Grid,
    aperture: float,
    realisations: int,
    seed: int,
    stream: int,
    first: int = 0,
    times: Sequence[float] = (0.0,),
    fft: Fft = "scipy",
    precision: Precision = "single",
    threads: int = 1,
) -> tuple[list[Floats], dict[str, str]]:
    """Observe many realisations of a path.

    Parameters
    ----------
    path : LayeredPath
        The path.
    observe : callable
        From an `Arrival` to some arrays, always of the same shapes.
    grid, aperture, seed, stream, fft, precision
        As for `Arrivals`.
    realisations, first : int
        How many, and the number of the first one.
    times : sequence of float
        Times of each realisation [s].
    threads : int
        Realisations at a time; no bit depends on it.

    Returns
    -------
    observed : list of ndarray
        Each of shape (realisations, times, ...).
    identity : dict
        Library of the transform and precision, for the identity of a result.

    Raises
    ------
    UserError
        For a grid that does not carry the path, times during which a layer moves by more than the grid's width, or numbers
        below 1.
    """
    if realisations < 1 or threads < 1 or first < 0 or len(times) < 1:
        raise UserError(
            f"realisations {realisations}, first {first}, times {len(times)}, threads {threads}: at least 1, 0, 1, 1 are "
            "allowed"
        )
    farthest = float(np.max(np.abs(path.wind))) * float(np.ptp(np.append(times, 0.0)))
    if farthest > grid.width:
        raise UserError(
            f"times: a layer moves by {farthest:.3g} m, and screens {grid.width:.3g} m wide return after that; a shorter "
            "series or a wider grid is allowed"
        )

    def some(numbers: Sequence[int]) -> list[list[Sequence[Floats]]]:
        source = Arrivals(path, grid=grid, aperture=aperture, seed=seed, stream=stream, fft=fft, precision=precision)
        return [[observe(arrival) for arrival in source.realisation(number, times)] for number in numbers]

    numbers = range(first, first + realisations)
    workers = min(threads, realisations)
    if workers == 1:
        rows = some(numbers)
    else:
        rows = [[] for _ in numbers]
        with ThreadPoolExecutor(workers) as pool:
            parts = list(pool.map(some, [numbers[worker::workers] for worker in range(workers)]))
        for worker, part in enumerate(parts):
            rows[worker::workers] = part
    columns = len(rows[0][0])
    observed = [np.array([[time[k] for time in row] for row in rows], dtype=np.float64) for k in range(columns)]
    return observed, {"fft": fft_name(fft), "precision": precision}
