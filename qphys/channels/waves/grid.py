"""The grid of a field, and the choice of the Fourier transform."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from qphys.errors import UserError
from qphys.stages import Floats

Field = NDArray[np.complexfloating[Any, Any]]
"""A field on a grid: complex64 or complex128."""

Fft = Literal["scipy", "pyfftw", "auto"]
Precision = Literal["single", "double"]

SMALLEST: Final = 16
LARGEST: Final = 8192


@dataclass(frozen=True)
class Grid:
    """A square grid of points.

    Parameters
    ----------
    number : int
        Points a side: even, from 16 to 8192, without a prime factor above 7.
    pixel : float
        Distance of neighbours [m].

    Raises
    ------
    UserError
        For any other number or a pixel that is not positive.
    """

    number: int
    pixel: float

    def __post_init__(self) -> None:
        rest = self.number
        for prime in (2, 3, 5, 7):
            while rest > 1 and rest % prime == 0:
                rest //= prime
        if not SMALLEST <= self.number <= LARGEST or self.number % 2 or rest != 1:
            raise UserError(
                f"grid: number {self.number}; an even number from {SMALLEST} to {LARGEST} without a prime factor above 7 is "
                "allowed"
            )
        if not (np.isfinite(self.pixel) and self.pixel > 0):
            raise UserError(f"grid: pixel {self.pixel!r}; a positive length is allowed")

    @property
    def width(self) -> float:
        """Period of the grid, ``number * pixel`` [m]."""
        return self.number * self.pixel

    @property
    def axis(self) -> Floats:
        """Coordinate of each point [m]; point ``number / 2`` is the centre, 0."""
        return np.asarray((np.arange(self.number) - self.number // 2) * self.pixel, dtype=np.float64)

    @property
    def index(self) -> Floats:
        """Frequency of each element of the transform in cells of 1/width, in the order of the transform."""
        return np.asarray(np.fft.fftfreq(self.number, 1.0 / self.number), dtype=np.float64)


def fft_name(fft: Fft) -> str:
    """Name and version of the library that a choice means, for the identity of a result.

    Parameters
    ----------
    fft : str
        ``"scipy"``, ``"pyfftw"``, or ``"auto"``: pyFFTW where it is installed, SciPy otherwise.

    Returns
    -------
    str
        Such as ``"scipy 1.17.1"``.

    Raises
    ------
    UserError
        If the choice is unknown, or pyFFTW is chosen and not installed.

    Notes
    -----
    Results of the two agree to rounding (1e-6 in complex64). SciPy's are the same bits in every run on one machine; FFTW
    chooses its algorithm by timing, so that its last bits may differ from run to run.
    """
    if fft not in ("scipy", "pyfftw", "auto"):
        raise UserError(f"fft: {fft!r}; allowed: 'scipy', 'pyfftw', 'auto'")
    if fft != "scipy":
        try:
            import pyfftw
        except ImportError:
            if fft == "pyfftw":
                raise UserError("fft: 'pyfftw' is not installed; allowed: 'scipy', 'auto'") from None
        else:
            return f"pyfftw {pyfftw.__version__}"
    import scipy

    return f"scipy {scipy.__version__}"


def field_type(precision: Precision) -> np.dtype[Any]:
    """Type of a field, complex64 for ``"single"`` and complex128 for ``"double"``; phases are float32, sums float64."""
    if precision not in ("single", "double"):
        raise UserError(f"precision: {precision!r}; allowed: 'single', 'double'")
    return np.dtype(np.complex64 if precision == "single" else np.complex128)


class Buffers:
    """Some fields of one shape and their Fourier transforms in place, without any factor.

    Parameters
    ----------
    number : int
        How many fields.
    shape : tuple of int
        Shape of each.
    fft : str
        As for `fft_name`.
    precision : str
        ``"single"`` or ``"double"``.
    """

    def __init__(self, number: int, shape: tuple[int, int], *, fft: Fft, precision: Precision) -> None:
        dtype = field_type(precision)
        self.fields: list[Field] = []
        self._transforms: list[tuple[Callable[[], object], Callable[[], object]]] = []
        if fft_name(fft).startswith("pyfftw"):
            import pyfftw

            for _ in range(number):
                field = pyfftw.empty_aligned(shape, dtype=dtype)
                forward, backward = (
                    pyfftw.FFTW(field, field, axes=(0, 1), direction=direction, flags=("FFTW_MEASURE",), threads=1)
                    for direction in ("FFTW_FORWARD", "FFTW_BACKWARD")
                )
                self.fields.append(field)
                self._transforms.append((forward.execute, backward.execute))
        else:
            self.fields = [np.empty(shape, dtype=dtype) for _ in range(number)]

    def transform(self, which: int) -> None:
        """Replace a field by its transform, ``sum f exp(-2 pi i k n / N)``."""
        if self._transforms:
            self._transforms[which][0]()
        else:
            from scipy.fft import fft2

            self._place(which, fft2(self.fields[which], overwrite_x=True, workers=1))

    def transform_back(self, which: int) -> None:
        """Replace a field by ``sum f exp(+2 pi i k n / N)``."""
        if self._transforms:
            self._transforms[which][1]()
        else:
            from scipy.fft import ifft2

            self._place(which, ifft2(self.fields[which], norm="forward", overwrite_x=True, workers=1))

    def _place(self, which: int, result: Field) -> None:
        self.fields[which] = result
