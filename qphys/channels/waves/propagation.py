"""A field through phase screens and vacuum: the split-step method, and the rules of its sampling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qphys.channels.waves.grid import Buffers, Fft, Field, Grid, Precision, field_type
from qphys.channels.waves.screens import Phase
from qphys.core import KERNELS
from qphys.errors import UserError
from qphys.stages import Floats

ABSORBER_EDGE: Final = 0.92
"""Half-width of the region that the absorber leaves alone, over that of the grid."""

ABSORBER_ORDER: Final = 24

RYTOV_STEP_LIMIT: Final = 0.1
"""Rytov variance of one layer over the vacuum behind it up to which the layer may be one thin screen."""

PIXELS_PER_FRIED_PARAMETER: Final = 2.0
"""Least Fried parameter of one screen in pixels: beyond, neighbours differ by more than 1.5 rad rms."""


def absorber(grid: Grid) -> NDArray[np.float32]:
    r"""Window along one axis that takes light away before it comes back on the other side of the grid.

    .. math:: \exp\left[-\left(\frac{|x|}{0.92\,X/2}\right)^{24}\right]

    Parameters
    ----------
    grid : Grid
        The grid, :math:`X` wide.

    Returns
    -------
    ndarray
        float32, shape (N,).
    """
    edge = ABSORBER_EDGE * grid.width / 2.0
    return np.exp(-((np.abs(grid.axis) / edge) ** ABSORBER_ORDER)).astype(np.float32)


def transfer_function(grid: Grid, *, wavelength: float, distance: float) -> NDArray[np.complex128]:
    r"""Fresnel transfer function of vacuum along one axis, :math:`\exp(-i \pi \lambda z f^2)`.

    Parameters
    ----------
    grid : Grid
        The grid.
    wavelength, distance : float
        :math:`\lambda` and :math:`z` [m]; a negative distance goes back.

    Returns
    -------
    ndarray
        Shape (N,), in the order of the transform; the two-dimensional function is the product of those along y and x. The
        phase :math:`kz` common to all is left out.

    Notes
    -----
    Goodman, *Introduction to Fourier Optics*, section 4.2. Paraxial: its phase error is :math:`\pi \lambda^3 z f^4/4`, below
    1e-4 rad at 10 km for features of 5 mm.
    """
    frequency = grid.index / grid.width
    return np.asarray(np.exp(-1j * np.pi * wavelength * distance * frequency**2), dtype=np.complex128)


class Propagator:
    """A field that goes through screens and vacuum.

    Parameters
    ----------
    grid : Grid
        The grid.
    wavelength : float
        Vacuum wavelength [m].
    fft, precision : str
        As for `qphys.channels.waves.fft_name`; ``"single"`` or ``"double"``.
    """

    def __init__(self, grid: Grid, *, wavelength: float, fft: Fft = "scipy", precision: Precision = "single") -> None:
        self.grid = grid
        self.wavelength = wavelength
        self._type = field_type(precision)
        self._buffers = Buffers(2, (grid.number, grid.number), fft=fft, precision=precision)
        self._at = 0
        suffix = "" if precision == "single" else "_c128"
        self._multiply_phase = KERNELS["multiply_phase" + suffix]
        self._multiply_separable = KERNELS["multiply_separable" + suffix]
        self._window = absorber(grid)
        self._open = np.ones(grid.number, dtype=np.float32)
        self._transfer: dict[float, Field] = {}

    @property
    def field(self) -> Field:
        """The field now, shape (N, N), rows along y: a view that the next step overwrites."""
        return self._buffers.fields[self._at]

    def start(self, field: ArrayLike) -> None:
        """Set the field; 1 is a plane wave."""
        self._buffers.fields[self._at][...] = field

    def screen(self, phase: Phase, *, scale: float = 1.0, window: bool = True) -> None:
        """Multiply by ``exp(i scale phase)`` and by the absorber.

        Parameters
        ----------
        phase : ndarray
            float32, shape (N, N) [rad over `scale`].
        scale : float
            Factor of the phase.
        window : bool
            Without it the absorber is left out.
        """
        edge = self._window if window else self._open
        other = 1 - self._at
        self._multiply_phase(self.field, phase, scale, edge, edge, out=self._buffers.fields[other])
        self._at = other

    def vacuum(self, distance: float) -> None:
        """Go through vacuum by the Fresnel transfer function.

        Parameters
        ----------
        distance : float
            Along the path [m].
        """
        if distance == 0.0:
            return
        if distance not in self._transfer:
            # the factor of the transform there and back, one half an axis
            along = transfer_function(self.grid, wavelength=self.wavelength, distance=distance) / self.grid.number
            self._transfer[distance] = along.astype(self._type)
        factor = self._transfer[distance]
        here, other = self._at, 1 - self._at
        self._buffers.transform(here)
        self._multiply_separable(self._buffers.fields[here], factor, factor, out=self._buffers.fields[other])
        self._buffers.transform_back(other)
        self._at = other


def check_sampling(
    grid: Grid,
    *,
    wavelength: float,
    distance: Floats,
    steps: Floats,
    fried_parameters: Floats,
    needed: float,
    needed_for: str,
) -> None:
    r"""Refuse a grid that cannot carry the light of a path through layers.

    Parameters
    ----------
    grid : Grid
        The grid.
    wavelength : float
        Vacuum wavelength [m].
    distance : ndarray
        From each layer to the end of the path [m], shape (L,).
    steps : ndarray
        Vacuum behind each layer [m], shape (L,).
    fried_parameters : ndarray
        Of each layer [m], shape (L,).
    needed : float
        Diameter at the end of the path within which the field must be right [m].
    needed_for : str
        What it is, for the message.

    Raises
    ------
    UserError
        Naming the rule, its value and the least grid that keeps it.

    Notes
    -----
    The rules, in the form of Schmidt, *Numerical Simulation of Optical Wave Propagation* (SPIE 2010), chapters 7 to 9:

    - a step is at most :math:`N d^2/\lambda`, else the transfer function turns by more than :math:`\pi` between neighbouring
      frequencies;
    - :math:`r_{0,i} \ge 2 d` for each screen;
    - the light scattered by all layers, :math:`\theta = \lambda [\sum (z_i / r_{0,i})^{5/3}]^{3/5}` wide at the end of the
      path, keeps two such widths on each side of what is needed, inside the absorber;
    - a layer is thin: its Rytov variance over the vacuum behind it, :math:`2.25\, k^{7/6} J z^{5/6}`, is at most 0.1.
    """
    longest = float(np.max(steps, initial=0.0))
    allowed = grid.number * grid.pixel**2 / wavelength
    if longest > allowed:
        raise UserError(
            f"grid: pixel {grid.pixel:g} m with {grid.number} points carries steps up to {allowed:.0f} m, the longest is "
            f"{longest:.0f} m; a pixel of {np.sqrt(longest * wavelength / grid.number):.2g} m or more, more points or more "
            "layers are allowed"
        )
    smallest = float(np.min(fried_parameters, initial=np.inf))
    if smallest < PIXELS_PER_FRIED_PARAMETER * grid.pixel:
        raise UserError(
            f"grid: pixel {grid.pixel:g} m is too coarse for a layer of Fried parameter {smallest:.3g} m; up to "
            f"{smallest / PIXELS_PER_FRIED_PARAMETER:.3g} m, or more layers, are allowed"
        )
    spread = wavelength * float(np.sum((distance / fried_parameters) ** (5 / 3))) ** (3 / 5)
    least = (needed + 4.0 * spread) / ABSORBER_EDGE
    if grid.width < least:
        raise UserError(
            f"grid: width {grid.width:.3g} m is too small for {needed_for} of {needed:.3g} m with twice {spread:.2g} m of "
            f"scattered light on each side; from {least:.3g} m on is allowed"
        )
    moment = fried_parameters ** (-5 / 3) / 0.423 * (wavelength / (2.0 * np.pi)) ** (5 / 6)
    rytov = 2.25 * moment * np.abs(steps) ** (5 / 6)
    thickest = float(np.max(rytov, initial=0.0))
    if thickest > RYTOV_STEP_LIMIT:
        raise UserError(
            f"layers: layer {int(np.argmax(rytov)) + 1} has a Rytov variance of {thickest:.2g} over the vacuum behind it; "
            f"up to {RYTOV_STEP_LIMIT:g} a screen is thin: more layers are allowed"
        )


def propagate(
    field: ArrayLike,
    *,
    grid: Grid,
    wavelength: float,
    steps: Sequence[float],
    phases: Sequence[Phase | None],
    fft: Fft = "scipy",
    precision: Precision = "single",
    absorbing: bool = True,
) -> Field:
    """Take a field through screens with vacuum between them.

    Parameters
    ----------
    field : array_like
        At the start, broadcast to (N, N).
    grid : Grid
        The grid.
    wavelength : float
        Vacuum wavelength [m].
    steps : sequence of float
        Vacuum *before* each screen, and after the last: one longer than `phases` [m].
    phases : sequence of ndarray or None
        float32 screens [rad], shape (N, N); None where there is none.
    fft, precision : str
        As for `Propagator`.
    absorbing : bool
        With the absorber at each screen, or none.

    Returns
    -------
    ndarray
        The field at the end, shape (N, N).
    """
    if len(steps) != len(phases) + 1:
        raise UserError(f"steps: {len(steps)} values for {len(phases)} screens; one more than the screens is allowed")
    light = Propagator(grid, wavelength=wavelength, fft=fft, precision=precision)
    light.start(field)
    for step, phase in zip(steps, phases, strict=False):
        light.vacuum(step)
        if phase is not None:
            light.screen(phase, window=absorbing)
    light.vacuum(steps[-1])
    return light.field.copy()
