"""Random phase screens whose structure function is that of the spectrum, at any lag."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qphys.channels.adaptive_optics import SPECTRUM_CONSTANT
from qphys.channels.waves.grid import Buffers, Fft, Grid
from qphys.core import KERNELS
from qphys.errors import UserError
from qphys.stages import Floats

FEWEST_LEVELS: Final = 4
KOLMOGOROV_LEVELS: Final = 12

Phase = NDArray[np.float32]


def layer_fried_parameter(strength: ArrayLike, *, wavelength: float) -> Floats:
    r"""Fried parameter of one layer for a plane wave, :math:`r_0 = (0.423\, k^2 J)^{-3/5}`.

    Parameters
    ----------
    strength : array_like
        :math:`J = \int C_n^2\,dz` through the layer, along the path [m^(1/3)].
    wavelength : float
        Vacuum wavelength [m].

    Returns
    -------
    ndarray
        [m]; infinite where the strength is 0.

    Notes
    -----
    Fried, J. Opt. Soc. Am. 56, 1372 (1966).
    """
    moment = 0.423 * (2.0 * np.pi / wavelength) ** 2 * np.asarray(strength, dtype=np.float64)
    with np.errstate(divide="ignore"):
        return np.asarray(moment ** (-3 / 5), dtype=np.float64)


@dataclass(frozen=True)
class Pair:
    """Two independent unit screens as their frequencies: the real and the imaginary part of one complex sum.

    Both have the spectrum :math:`(f^2 + q^2)^{-11/6}` with frequencies in cells of the grid.
    """

    spectrum: NDArray[np.complex64]
    """Coefficients on the grid of the transform, shape (N, N)."""
    offset: Floats
    """Common offset of that grid, along y and x, from -1/2 to 1/2 [cells]."""
    frequency: Floats
    """Low frequencies, along y and x, shape (P, 2) [cells]."""
    coefficient: NDArray[np.complex128]
    """Their coefficients, shape (P,)."""


class Screens:
    r"""Random phase screens of the von Karman spectrum by randomised spectral sampling.

    A screen is :math:`\sum_k c_k \exp[2 \pi i (k + \delta) x / X]` over the grid of the transform, with one random offset
    :math:`\delta` of half a cell at most, and the cell at the origin is cut into 3 x 3 smaller ones, again and again, each
    with a frequency drawn uniformly inside it. Every cell thus gives in the mean exactly its integral of the spectrum, and
    the screen is not periodic in the grid.

    Parameters
    ----------
    grid : Grid
        The grid.
    outer_scale : float
        :math:`L_0` [m]; infinite for Kolmogorov's spectrum.
    fft : str
        As for `qphys.channels.waves.fft_name`.

    Raises
    ------
    UserError
        If the outer scale is not positive.

    Notes
    -----
    Paulson, Wu and Davis, J. Opt. Soc. Am. B 36, 3249 (2019); Charnotskii, arXiv:1911.09185. The only bias left is that of
    the pixel: frequencies above half a cycle a pixel are missing (-2.4 % of the structure function at a lag of 2 pixels,
    -0.9 % at 4). With Kolmogorov's spectrum the twelfth level has a hole, without which the tilt's variance would not
    converge (-1 %). Given its frequencies a screen is Gaussian; over their draw its largest scales have heavier tails than a
    Gaussian, while second moments are exact. The two screens of a pair have the same frequencies and are uncorrelated.

    A draw depends on (seed, stream, realisation, pair) only.
    """

    def __init__(self, grid: Grid, *, outer_scale: float, fft: Fft = "scipy") -> None:
        if not outer_scale > 0:
            raise UserError(f"outer_scale: {outer_scale!r}; a positive length or infinity is allowed")
        self.grid = grid
        self.outer_scale = float(outer_scale)
        self._outer = grid.width / self.outer_scale
        self._cells = finer_cells(self._outer)
        self._index = grid.index
        self._buffers = Buffers(1, (grid.number, grid.number), fft=fft, precision="single")
        # of a point in grid widths, exactly as the kernel counts them
        self._place = (np.arange(grid.number) - grid.number // 2) / grid.number

    def scale(self, fried_parameter: ArrayLike) -> Floats:
        r"""Factor that makes a unit screen one of a Fried parameter, :math:`\sqrt{0.0229}\,(X / r_0)^{5/6}` [rad]."""
        return np.asarray(
            np.sqrt(SPECTRUM_CONSTANT) * (self.grid.width / np.asarray(fried_parameter, dtype=np.float64)) ** (5 / 6),
            dtype=np.float64,
        )

    def pair(self, *, seed: int, stream: int, realisation: int, index: int) -> Pair:
        """Draw the frequencies and coefficients of a pair of screens.

        Parameters
        ----------
        seed, stream, realisation, index : int
            Address of the draw, each up to 2^64 - 1.

        Returns
        -------
        Pair
        """
        address = tuple(np.uint64(word) for word in (seed, stream, realisation, index))
        offset, frequency, coefficient = KERNELS["screen_modes"](self._cells, self._outer, *address)
        spectrum = KERNELS["screen_spectrum"](self._index, self._index, offset, self._outer, *address)
        return Pair(spectrum, offset, frequency, coefficient)

    def phases(
        self, pair: Pair, *, shift: ArrayLike = (0.0, 0.0), out: tuple[Phase, Phase] | None = None
    ) -> tuple[Phase, Phase]:
        """Both unit screens of a pair on the grid, moved by a distance.

        Parameters
        ----------
        pair : Pair
            From `pair`.
        shift : array_like
            How far the screens have moved along x and y [m]: the screen at x is what it was at x - shift, to the last digit
            for any part of a pixel. The values return, turned by a random phase, after a whole grid width.
        out : tuple of ndarray, optional
            Where to put them.

        Returns
        -------
        first, second : ndarray
            float32, shape (N, N), rows along y; to be multiplied by `scale`. Piston has no meaning.
        """
        moved = np.asarray(shift, dtype=np.float64)[::-1] / self.grid.width
        coefficient = pair.coefficient
        field = self._buffers.fields[0]
        if np.any(moved):
            turn = np.exp(-2j * np.pi * (self._index + pair.offset[:, None]) * moved[:, None])
            KERNELS["multiply_separable"](pair.spectrum, *turn.astype(np.complex64), out=field)
            coefficient = coefficient * np.exp(-2j * np.pi * (pair.frequency @ moved))
        else:
            np.copyto(field, pair.spectrum)
        return self._transformed(pair.offset, pair.frequency, coefficient, out)

    def still(
        self, *, seed: int, stream: int, realisation: int, index: int, out: tuple[Phase, Phase] | None = None
    ) -> tuple[Phase, Phase]:
        """Draw both unit screens of a pair that does not move: `phases` of `pair` with the same bits, in less time.

        Parameters
        ----------
        seed, stream, realisation, index : int
            Address of the draw.
        out : tuple of ndarray, optional
            Where to put them.

        Returns
        -------
        first, second : ndarray
            As of `phases`.
        """
        address = tuple(np.uint64(word) for word in (seed, stream, realisation, index))
        offset, frequency, coefficient = KERNELS["screen_modes"](self._cells, self._outer, *address)
        field = self._buffers.fields[0]
        KERNELS["screen_spectrum"](self._index, self._index, offset, self._outer, *address, out=field)
        return self._transformed(offset, frequency, coefficient, out)

    def _transformed(
        self, offset: Floats, frequency: Floats, coefficient: Any, out: tuple[Phase, Phase] | None
    ) -> tuple[Phase, Phase]:
        self._buffers.transform_back(0)
        ramp = np.exp(2j * np.pi * self._place * offset[:, None]).astype(np.complex64)
        place = (None, None) if out is None else out
        first, second = KERNELS["screen_phase"](self._buffers.fields[0], *ramp, frequency, coefficient, out=place)
        return first, second


def finer_cells(outer: float) -> Floats:
    """Cells at the origin of the spectrum, each 3 x 3 times smaller than those of the level before.

    Parameters
    ----------
    outer : float
        Grid width over outer scale; 0 for Kolmogorov's spectrum.

    Returns
    -------
    ndarray
        Centre along y and x, and width of each, in cells of the transform's grid, shape (P, 3). The levels go on until a
        cell is smaller than the spectrum's flat top, and the last middle cell belongs to them; without an outer scale there
        are 12 and the last middle cell is left out.
    """
    levels = KOLMOGOROV_LEVELS if outer == 0 else max(FEWEST_LEVELS, int(np.ceil(np.log(1.0 / outer) / np.log(3.0))))
    levels = min(levels, KOLMOGOROV_LEVELS)
    steps = np.array([(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)], dtype=np.float64)
    rings = [np.column_stack([steps * 3.0**-level, np.full(8, 3.0**-level)]) for level in range(1, levels + 1)]
    middle = [] if outer == 0 else [np.array([[0.0, 0.0, 3.0**-levels]])]
    return np.concatenate(rings + middle)


def expected_structure_function(separation: ArrayLike, *, grid: Grid, fried_parameter: float, outer_scale: float) -> Floats:
    r"""Exact mean structure function of the screens of `Screens`, over all their draws.

    .. math:: \langle D(r) \rangle = \int_\text{band} 2 [1 - \cos(2 \pi f \cdot r)]\, W(f)\, d^2 f

    Parameters
    ----------
    separation : array_like
        Separations along x and y [m], shape (..., 2), each component up to the grid's width.
    grid : Grid
        The grid, whose band is integrated over.
    fried_parameter, outer_scale : float
        :math:`r_0` and :math:`L_0` [m].

    Returns
    -------
    ndarray
        [rad^2], shape (...).

    Notes
    -----
    The expectation of a cell over a uniform frequency inside it is the integral over the cell; Gauss-Legendre nodes in
    each, 4 by 4 in those of the grid and 12 by 12 in the finer ones and their neighbours.
    """
    r = np.asarray(separation, dtype=np.float64) / grid.width
    outer = grid.width / outer_scale
    scale = SPECTRUM_CONSTANT * (grid.width / fried_parameter) ** (5 / 3)
    result = np.zeros(r.shape[:-1])
    number = grid.number // 2

    def add(edges_y: Floats, edges_x: Floats, nodes: int, mask: Any = None) -> None:
        y, wy = _panels(edges_y, nodes)
        x, wx = _panels(edges_x, nodes)
        weight = wy[:, None] * wx * (y[:, None] ** 2 + x**2 + outer**2) ** (-11 / 6)
        if mask is not None:
            weight = weight * mask(y[:, None], x)
        for place in np.ndindex(result.shape):
            turn_y, turn_x = np.exp(2j * np.pi * r[place][1] * y), np.exp(2j * np.pi * r[place][0] * x)
            result[place] += 2.0 * scale * float(np.sum(weight) - (turn_y @ weight @ turn_x).real)

    edges = np.arange(-number - 0.5, number)
    add(edges, edges, 4, lambda y, x: (np.abs(y) > 1.5) | (np.abs(x) > 1.5))
    near = np.array([-1.5, -0.5, 0.5, 1.5])
    add(near, near, 12, lambda y, x: (np.abs(y) > 0.5) | (np.abs(x) > 0.5))
    for centre_y, centre_x, width in finer_cells(outer):
        half = np.array([-0.5, 0.5]) * width
        add(centre_y + half, centre_x + half, 12)
    return result


def _panels(edges: Floats, number: int) -> tuple[Floats, Floats]:
    """Gauss-Legendre points and weights, some in each panel."""
    points, weights = np.polynomial.legendre.leggauss(number)
    half = np.diff(edges)[:, None] / 2.0
    return (edges[:-1, None] + half * (points + 1.0)).ravel(), (half * weights).ravel()
