"""What a telescope makes of an arriving field: power, light in a fibre or through a field stop, correction by modes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qphys.channels.waves.arrivals import Arrival, LayeredPath
from qphys.channels.waves.grid import Field, Grid
from qphys.channels.waves.zernike import zernike
from qphys.core import KERNELS
from qphys.errors import UserError
from qphys.stages import Floats

FEWEST_PIXELS: Final = 8
"""Least number of pixels across an aperture or the diameter of a launched beam."""

MOST_MODES: Final = 231
"""Largest Noll number of a correction: radial order 20."""


@dataclass(frozen=True)
class Correction:
    """Adaptive optics that takes the first Zernike modes out of the wavefront, as a beacon shows it.

    Parameters
    ----------
    modes : int
        Largest Noll number J that is corrected, piston included: 1 corrects nothing, 3 tilt.
    delay : float
        Between the beacon's wavefront and its correction [s]; the layers move by wind times delay.
    noise : float
        Error of each mode's measurement, rms [rad].
    direction : tuple of float
        Of the beacon from the light that is corrected, along x and y [rad]: the point-ahead angle of an uplink.
    """

    modes: int
    delay: float = 0.0
    noise: float = 0.0
    direction: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        if not 1 <= self.modes <= MOST_MODES:
            raise UserError(f"modes: {self.modes}; from 1 (none) to {MOST_MODES} is allowed")
        if not (self.delay >= 0 and self.noise >= 0 and np.all(np.isfinite((self.delay, self.noise, *self.direction)))):
            raise UserError(f"correction: delay {self.delay!r} s, noise {self.noise!r} rad; finite and from 0 on is allowed")

    def displacement(self, path: LayeredPath) -> Floats:
        """Where the beacon's wavefront passes each layer, seen from the corrected light, along x and y [m], shape (L, 2)."""
        direction = np.asarray(self.direction, dtype=np.float64)
        return np.asarray(path.wind * self.delay + path.distance[:, None] * direction, dtype=np.float64)


def disc_weight(x: Floats, y: Floats, *, diameter: float, obscuration: float, pixel: float) -> NDArray[np.float32]:
    """Share of each pixel that lies in a centred annulus, by 8 x 8 points in each.

    Parameters
    ----------
    x, y : ndarray
        Coordinates of the pixels [m], shapes (M,) and (N,).
    diameter : float
        Outer diameter [m].
    obscuration : float
        Inner over outer diameter [1].
    pixel : float
        [m].

    Returns
    -------
    ndarray
        float32, shape (N, M).
    """
    inside = (np.arange(8) - 3.5) / 8.0 * pixel
    square_x, square_y = (x[:, None] + inside) ** 2, (y[:, None] + inside) ** 2
    share = np.zeros((y.size, x.size))
    for s in square_y.T:
        for t in square_x.T:
            square = 4.0 * (s[:, None] + t)
            share += (square <= diameter**2) & (square >= (obscuration * diameter) ** 2)
    return (share / 64.0).astype(np.float32)


class Pupil:
    """An annular aperture at the centre of a grid.

    Parameters
    ----------
    grid : Grid
        The grid.
    diameter : float
        Outer diameter [m].
    obscuration : float
        Diameter of the central obscuration over that of the aperture [1].

    Raises
    ------
    UserError
        If it has fewer than 8 pixels across or does not fit on the grid.
    """

    def __init__(self, grid: Grid, *, diameter: float, obscuration: float = 0.0) -> None:
        if not FEWEST_PIXELS * grid.pixel <= diameter <= grid.width - 4 * grid.pixel:
            raise UserError(
                f"aperture: {diameter:g} m on a grid of {grid.number} pixels of {grid.pixel:g} m; from "
                f"{FEWEST_PIXELS * grid.pixel:g} to {grid.width - 4 * grid.pixel:g} m is allowed"
            )
        if not 0 <= obscuration < 1:
            raise UserError(f"obscuration: {obscuration:g}; from 0 to below 1 is allowed")
        self.grid, self.diameter, self.obscuration = grid, float(diameter), float(obscuration)
        half = int(np.ceil(diameter / 2.0 / grid.pixel)) + 1
        self.first, self.last = grid.number // 2 - half, grid.number // 2 + half + 1
        self.axis = grid.axis[self.first : self.last]
        self.weight = disc_weight(self.axis, self.axis, diameter=diameter, obscuration=obscuration, pixel=grid.pixel)
        self._total = float(np.sum(self.weight, dtype=np.float64))
        self._open = np.ones(self.axis.size, dtype=np.float32)

    @property
    def area(self) -> float:
        """Area of the annulus on the grid [m^2]."""
        return self._total * self.grid.pixel**2

    def window(self, field: Any) -> Any:
        """The part of an array on the grid in which the pupil lies."""
        return field[..., self.first : self.last, self.first : self.last]

    def power(self, part: Field) -> float:
        """Mean irradiance over the annulus of a field in the pupil's window."""
        kernel = KERNELS["power" if part.dtype == np.complex64 else "power_c128"]
        return float(kernel(part, self.weight)) / self._total

    def fibre_mode(self, mode_ratio: float) -> tuple[NDArray[np.complex128], float]:
        r"""Mode of a fibre thought back into the pupil, :math:`e^{-b^2 r^2/a^2}`, cut by it, and the norm of coupling.

        Parameters
        ----------
        mode_ratio : float
            :math:`b`, radius of the aperture over the mode's 1/e^2 intensity radius [1].

        Returns
        -------
        mode : ndarray
            In the pupil's window.
        norm : float
            :math:`|\langle mode|u \rangle|^2` times it is the coupled power over the mean power of irradiance 1 in the
            annulus.
        """
        radius = 0.5 * self.diameter
        square = (self.axis[:, None] ** 2 + self.axis**2) / radius**2
        mode = np.exp(-(mode_ratio**2) * square) * self.weight
        whole = np.pi * radius**2 / (2.0 * mode_ratio**2) / self.grid.pixel**2  # of the mode's square without a pupil
        return mode.astype(np.complex128), 1.0 / (whole * self._total)

    def modes(self, number: int) -> NDArray[np.float32]:
        """Zernike modes 2 to J, made orthonormal over the annulus on the grid in their order.

        Parameters
        ----------
        number : int
            Noll number J of the last one.

        Returns
        -------
        ndarray
            float32, shape (J - 1, M, M): without mean, mean square 1. Over a full disc they are Noll's to the pixel's error.
        """
        radius = np.hypot(self.axis[:, None], self.axis) * 2.0 / self.diameter
        angle = np.arctan2(self.axis[:, None], self.axis + 0.0 * self.axis[:, None])
        root = np.sqrt(self.weight.astype(np.float64)).ravel()
        inside = root > 0
        values = np.array([zernike(mode, radius=radius, angle=angle).ravel() for mode in range(1, number + 1)])
        q, r = np.linalg.qr((values * root)[:, inside].T)
        basis = np.zeros((number, root.size))
        # signs as of Noll's polynomials
        basis[:, inside] = (q * np.sign(np.diag(r)) / root[inside, None]).T * np.sqrt(self._total)
        return basis[1:].reshape(number - 1, *self.weight.shape).astype(np.float32)

    def corrected(self, part: Field, phase: NDArray[np.float32]) -> Field:
        """A field in the pupil's window with a phase taken out."""
        kernel = KERNELS["multiply_phase" if part.dtype == np.complex64 else "multiply_phase_c128"]
        return np.asarray(kernel(part, phase, -1.0, self._open, self._open))

    def coupled(self, part: Field, mode: NDArray[np.complex128], norm: float) -> float:
        """Coupled power of a field in the pupil's window, see `fibre_mode`."""
        kernel = KERNELS["overlap" if part.dtype == np.complex64 else "overlap_c128"]
        return float(abs(complex(kernel(mode.astype(part.dtype), part))) ** 2 * norm)


class Correctors:
    """Corrections of one pupil over one path: their modes, and the phases that they take out of an arrival.

    Parameters
    ----------
    pupil : Pupil
        The pupil.
    path : LayeredPath
        The path.
    corrections : sequence of Correction
        One or more.
    seed, stream : int
        Of the sensor's noise.

    Raises
    ------
    UserError
        If a beacon's light leaves the grid.

    Notes
    -----
    The wavefront that a beacon shows is the sum of the layers' phases along its direction and at its time, by bilinear
    interpolation: the geometric wavefront, which diffraction smooths only where a mode is finer than
    :math:`\\sqrt{\\lambda z}`, and which has no branch points where the field has dark spots.
    """

    def __init__(
        self, pupil: Pupil, path: LayeredPath, corrections: tuple[Correction, ...], *, seed: int, stream: int
    ) -> None:
        self.pupil, self.corrections = pupil, corrections
        self._address = np.uint64(seed), np.uint64(stream)
        most = max((correction.modes for correction in corrections), default=1)
        self._modes = pupil.modes(most)
        weight = pupil.weight.astype(np.float64)
        self._weighted = (self._modes * (weight / np.sum(weight))).reshape(most - 1, weight.size).astype(np.float32)
        self._moves = [correction.displacement(path) / pupil.grid.pixel for correction in corrections]
        room = pupil.first - 1
        for correction, move in zip(corrections, self._moves, strict=True):
            if np.max(np.abs(move), initial=0.0) > room:
                raise UserError(
                    f"correction: the beacon passes a layer {np.max(np.abs(move)) * pupil.grid.pixel:.3g} m beside the "
                    f"light, and the grid has {room * pupil.grid.pixel:.3g} m around the aperture; a wider grid, or a "
                    f"smaller delay ({correction.delay:g} s) or angle {correction.direction} is allowed"
                )

    def phases(self, arrival: Arrival) -> list[NDArray[np.float32]]:
        """Phase in the pupil's window that each correction takes out."""
        found: dict[bytes, NDArray[np.float32]] = {}
        phases = []
        for correction, move in zip(self.corrections, self._moves, strict=True):
            number = correction.modes - 1
            if number == 0:
                phases.append(np.zeros(self.pupil.weight.shape, dtype=np.float32))
                continue
            key = move.tobytes()
            if key not in found:
                found[key] = self._weighted @ self._wavefront(arrival, move).ravel()
            measured = found[key][:number].astype(np.float64)
            if correction.noise > 0:
                address = *self._address, np.uint64(arrival.realisation), np.uint64(arrival.step)
                measured = measured + KERNELS["sensor_noise"](np.full(number, correction.noise), *address)
            phases.append(np.tensordot(measured.astype(np.float32), self._modes[:number], axes=1))
        return phases

    def _wavefront(self, arrival: Arrival, move: Floats) -> NDArray[np.float32]:
        first, last = self.pupil.first, self.pupil.last
        total = np.zeros(self.pupil.weight.shape, dtype=np.float32)
        for phase, scale, (x, y) in zip(arrival.phases, arrival.scale, move, strict=True):
            column, row = int(np.floor(x)), int(np.floor(y))
            right, up = x - column, y - row
            for dy, dx, share in (
                (0, 0, (1 - up) * (1 - right)),
                (0, 1, (1 - up) * right),
                (1, 0, up * (1 - right)),
                (1, 1, up * right),
            ):
                if share > 0:
                    a, b = row + dy, column + dx
                    total += np.float32(scale * share) * phase[first + a : last + a, first + b : last + b]
        return total - np.mean(total, dtype=np.float64).astype(np.float32)


def focal_irradiance(part: Field, *, axis: ArrayLike, angle: ArrayLike, wavelength: float, pixel: float) -> Floats:
    r"""Irradiance in the focal plane of a telescope, by a sum over its pupil at any angles.

    .. math:: I(\theta) = \left| \frac{1}{\lambda} \int u(x)\, e^{-i k \theta x}\, d^2 x \right|^2

    Parameters
    ----------
    part : ndarray
        Field in the pupil, shape (M, M), with the pupil's transmission as a factor.
    axis : array_like
        Coordinates of its points [m], shape (M,).
    angle : array_like
        Angles on the sky along each axis [rad], shape (A,).
    wavelength, pixel : float
        [m].

    Returns
    -------
    ndarray
        Power in the pupil's units per solid angle, shape (A, A), rows along y: its integral over all angles is the power in
        the pupil, :math:`\int |u|^2 d^2x`.
    """
    x, a = np.asarray(axis, dtype=np.float64), np.asarray(angle, dtype=np.float64)
    turn = np.exp(-2j * np.pi / wavelength * a[:, None] * x).astype(part.dtype)
    return np.asarray(np.abs(turn @ part @ turn.T) ** 2 * (pixel**2 / wavelength) ** 2, dtype=np.float64)


class FieldStop:
    """Round field stops in the focal plane of a pupil.

    Parameters
    ----------
    pupil : Pupil
        The pupil.
    radii : tuple of float
        Angular radii of the stops on the sky [rad].
    wavelength : float
        [m].

    Raises
    ------
    UserError
        If a radius is not positive, or beyond what the pixel resolves, ``wavelength / 2 pixel``.
    """

    def __init__(self, pupil: Pupil, radii: tuple[float, ...], *, wavelength: float) -> None:
        finest = wavelength / (2.0 * pupil.grid.pixel)
        if not all(0 < radius <= finest for radius in radii):
            raise UserError(f"field stop: radii {radii} rad; above 0 and up to {finest:.3g} rad on this grid are allowed")
        self._pupil, self._wavelength = pupil, wavelength
        largest = max(radii, default=0.0)
        # four points a diffraction width: the spot is band-limited to one a width
        spacing = min(0.25 * wavelength / pupil.diameter, min(radii, default=1.0) / 6.0)
        count = int(np.ceil(largest / spacing)) + 1
        self._angle = np.asarray(np.arange(-count, count + 1) * spacing, dtype=np.float64)
        self._weights = [
            disc_weight(self._angle, self._angle, diameter=2.0 * radius, obscuration=0.0, pixel=spacing).astype(np.float64)
            * spacing**2
            for radius in radii
        ]

    def shares(self, part: Field) -> Floats:
        """Power through each stop over the mean power of irradiance 1 in the annulus, shape (radii,)."""
        if not self._weights:
            return np.zeros(0)
        pupil = self._pupil
        spot = focal_irradiance(
            part * pupil.weight,  # the mean amplitude of the edge's pixels, as a far field sees them
            axis=pupil.axis,
            angle=self._angle,
            wavelength=self._wavelength,
            pixel=pupil.grid.pixel,
        )
        return np.array([np.sum(weight * spot) for weight in self._weights]) / pupil.area
