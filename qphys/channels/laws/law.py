"""What every law of transmittance offers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import ArrayLike

from qphys.core import KERNELS
from qphys.stages import Floats

_WORD: Final = 2**64


class Law(Protocol):
    """A distribution of transmittance for each time step, with parameters of shape (T,)."""

    @property
    def name(self) -> str:
        """Name, as results state it."""

    @property
    def validity(self) -> str:
        """Where the law holds and by how much it is off, in a sentence."""

    @property
    def mean(self) -> Floats:
        """Mean transmittance [1], shape (T,)."""

    @property
    def scintillation_index(self) -> Floats:
        """Variance over squared mean [1], shape (T,)."""

    def density(self, x: ArrayLike) -> Floats:
        """Probability density at transmittances of shape (X,) or (T, X) [1]; shape (T, X)."""

    def cumulative(self, x: ArrayLike) -> Floats:
        """Probability of a transmittance up to x, of shape (X,) or (T, X); shape (T, X)."""

    def points(self) -> tuple[Floats, Floats]:
        """Many transmittances and weights, shape (T, M): sums over them are integrals over the law of smooth functions."""

    def rule(self, number: int) -> tuple[Floats, Floats]:
        """Gauss quadrature: `number` transmittances and weights, shape (T, N), that keep 2 N - 1 moments."""

    def draw(self, number: int, *, seed: int, stream: int, index: int = 0) -> Floats:
        """`number` independent transmittances of every step, shape (T, number); a function of step, place and key alone."""


def of_steps(*parameters: ArrayLike) -> list[Floats]:
    """Parameters broadcast to one shape (T,), as float64.

    Examples
    --------
    >>> [value.tolist() for value in of_steps(1.0, [2.0, 3.0])]
    [[1.0, 1.0], [2.0, 3.0]]
    """
    arrays = np.broadcast_arrays(*(np.atleast_1d(np.asarray(value, dtype=np.float64)) for value in parameters))
    if arrays[0].ndim != 1:
        raise ValueError(f"parameters of a law have the shape (T,), not {arrays[0].shape}")
    return [np.ascontiguousarray(array) for array in arrays]


def settle(law: Any, *names: str) -> None:
    """Replace fields of a frozen dataclass by their values broadcast to (T,)."""
    for name, value in zip(names, of_steps(*(getattr(law, name) for name in names)), strict=True):
        object.__setattr__(law, name, value)


def require(good: Any, message: str) -> None:
    """Raise ValueError with the number of steps for which a parameter is not good (NaN is not)."""
    bad = int(np.size(good) - np.count_nonzero(good))
    if bad:
        raise ValueError(f"{message} ({bad} of {np.size(good)} steps)")


def at(x: ArrayLike, steps: int) -> Floats:
    """Arguments of a density: shape (X,) or (T, X) brought to (T, X)."""
    values = np.asarray(x, dtype=np.float64)
    if values.ndim not in (1, 2):
        raise ValueError(f"a law is evaluated at x of shape (X,) or (T, X), not {values.shape}")
    return np.broadcast_to(values, (steps, values.shape[-1]))


def in_parts(work: Callable[[slice], tuple[Floats, ...]], steps: int, *, at_once: int) -> tuple[Floats, ...]:
    """Results of a function of a slice of steps, slice by slice: what it holds in memory stays small."""
    parts = [work(slice(first, first + at_once)) for first in range(0, max(steps, 1), at_once)]
    return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))


def drawn(kernel: str, *parameters: Floats, number: int, seed: int, stream: int, index: int) -> Floats:
    """Draws of a law by its kernel.

    Parameters
    ----------
    kernel : str
        Name of the kernel, without ``draw_``.
    *parameters : ndarray
        Its parameters, shape (T,), of a table (T, K).
    number : int
        Draws of each step.
    seed, stream, index : int
        Key: draw n of step t is a function of these, t and n, whatever the number. `stream` is 64 bits of the digest of what
        is simulated, `index` the realisation.

    Returns
    -------
    ndarray
        Transmittances [1], shape (T, number).

    Raises
    ------
    ValueError
        A parameter is outside the kernel's range, or the number negative.
    """
    if number < 0:
        raise ValueError(f"{number} draws; must be 0 or more")
    key = (np.uint64(seed % _WORD), np.uint64(stream % _WORD), np.uint64(index % _WORD))
    values, status = KERNELS[f"draw_{kernel}"](*parameters, *key, np.arange(number, dtype=np.uint64))
    require(status == 0, f"the kernel draw_{kernel} refuses the parameters")
    return np.asarray(values, dtype=np.float64)


def branch(stream: int, number: int) -> int:
    """Stream of one factor of a product: the bits mixed (splitmix64; Steele, Lea and Flood 2014), so that none meet."""
    z = (stream + (number + 1) * 0x9E3779B97F4A7C15) % _WORD
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % _WORD
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % _WORD
    return z ^ (z >> 31)
