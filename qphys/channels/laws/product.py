"""Product of two independent laws and a constant: turbulence, pointing, and everything that does not fluctuate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from qphys.channels.fading import gauss_rule
from qphys.channels.laws.law import Law, at, branch, require
from qphys.stages import Floats

TABLE: Final = 256
"""Levels at which the cumulative probability of a costly law is computed, where many values are wanted."""


@dataclass(frozen=True, eq=False)
class Product:
    r"""Transmittance that is a constant times two independent fluctuating factors.

    .. math:: \eta = c\,\eta_1 \eta_2, \qquad F(x) = \int F_1\!\left(\frac{x}{c\,\eta_2}\right) p_2(\eta_2)\, d\eta_2, \qquad
              1 + \sigma_I^2 = (1 + \sigma_1^2)(1 + \sigma_2^2)

    Parameters
    ----------
    first : Law
        :math:`\eta_1`, with a density.
    second : Law
        :math:`\eta_2`, over whose `points` the density is averaged: the less smooth of the two, pointing for example.
    factor : array_like
        :math:`c` [1], shape (T,), above 0.

    Raises
    ------
    ValueError
        The laws have different numbers of steps, or the factor is not above 0.
    """

    first: Law
    second: Law
    factor: Floats

    def __init__(self, first: Law, second: Law, *, factor: ArrayLike = 1.0) -> None:
        object.__setattr__(self, "first", first)
        object.__setattr__(self, "second", second)
        object.__setattr__(self, "factor", _common_factor(factor, first, second))

    @property
    def name(self) -> str:
        """Name, as results state it."""
        return f"{self.first.name} x {self.second.name}"

    @property
    def validity(self) -> str:
        """Where the law holds and by how much it is off, in a sentence."""
        return f"independent factors; {self.first.validity}; {self.second.validity}"

    @property
    def mean(self) -> Floats:
        """Mean transmittance [1], shape (T,)."""
        return self.factor * self.first.mean * self.second.mean

    @property
    def scintillation_index(self) -> Floats:
        """Variance over squared mean [1], shape (T,)."""
        both = np.log1p(self.first.scintillation_index) + np.log1p(self.second.scintillation_index)
        return np.asarray(np.expm1(both))

    def density(self, x: ArrayLike) -> Floats:
        """Probability density at transmittances of shape (X,) or (T, X) [1]; shape (T, X)."""
        return self._averaged(x, density=True)

    def cumulative(self, x: ArrayLike) -> Floats:
        """Probability of a transmittance up to x, of shape (X,) or (T, X); shape (T, X)."""
        return np.minimum(self._averaged(x, density=False), 1.0)

    def points(self) -> tuple[Floats, Floats]:
        """Many transmittances and weights, shape (T, M): sums over them are integrals over the law of smooth functions."""
        return self._multiplied(32)

    def rule(self, number: int) -> tuple[Floats, Floats]:
        """Gauss quadrature: `number` transmittances and weights, shape (T, N), that keep 2 N - 1 moments."""
        return gauss_rule(*self._multiplied(number), number=number)

    def draw(self, number: int, *, seed: int, stream: int, index: int = 0) -> Floats:
        """`number` independent transmittances of every step, shape (T, number); a function of step, place and key alone."""
        x = self.first.draw(number, seed=seed, stream=branch(stream, 0), index=index)
        return self.factor[:, None] * x * self.second.draw(number, seed=seed, stream=branch(stream, 1), index=index)

    def _multiplied(self, number: int) -> tuple[Floats, Floats]:
        x, share_x = self.first.rule(number)
        y, share_y = self.second.rule(number)
        product = self.factor[:, None, None] * x[:, :, None] * y[:, None, :]
        joint = share_x[:, :, None] * share_y[:, None, :]
        return product.reshape(self.factor.size, -1), np.broadcast_to(joint, product.shape).reshape(self.factor.size, -1)

    def _averaged(self, x: ArrayLike, *, density: bool) -> Floats:
        values = at(x, self.factor.size)
        y, share = self.second.points()
        y = self.factor[:, None] * y
        total = np.zeros(values.shape)
        below: Callable[[ArrayLike], Floats] = self.first.cumulative
        if not density and getattr(self.first, "costly", False) and values.shape[1] * y.shape[1] > 4 * TABLE:
            below = _tabulated(self.first, values, y)
        for j in range(y.shape[1]):
            u = y[:, j, None]
            dark = u <= 0.0
            argument = values / np.where(dark, 1.0, u)
            found = self.first.density(argument) / np.where(dark, 1.0, u) if density else below(argument)
            total += share[:, j, None] * np.where(dark, 0.0 if density else 1.0, found)
        return total


@dataclass(frozen=True, eq=False)
class Scaled:
    r"""A law times a constant.

    .. math:: \eta = c\,\eta_1, \qquad F(x) = F_1(x / c)

    Parameters
    ----------
    law : Law
        :math:`\eta_1`.
    factor : array_like
        :math:`c` [1], shape (T,), above 0.

    Raises
    ------
    ValueError
        The factor has another number of steps than the law, or is not above 0.
    """

    law: Law
    factor: Floats

    def __init__(self, law: Law, factor: ArrayLike) -> None:
        object.__setattr__(self, "law", law)
        object.__setattr__(self, "factor", _common_factor(factor, law))

    @property
    def name(self) -> str:
        """Name, as results state it."""
        return self.law.name

    @property
    def validity(self) -> str:
        """Where the law holds and by how much it is off, in a sentence."""
        return self.law.validity

    @property
    def mean(self) -> Floats:
        """Mean transmittance [1], shape (T,)."""
        return self.factor * self.law.mean

    @property
    def scintillation_index(self) -> Floats:
        """Variance over squared mean [1], shape (T,)."""
        return self.law.scintillation_index

    def density(self, x: ArrayLike) -> Floats:
        """Probability density at transmittances of shape (X,) or (T, X) [1]; shape (T, X)."""
        factor = self.factor[:, None]
        return self.law.density(at(x, self.factor.size) / factor) / factor

    def cumulative(self, x: ArrayLike) -> Floats:
        """Probability of a transmittance up to x, of shape (X,) or (T, X); shape (T, X)."""
        return self.law.cumulative(at(x, self.factor.size) / self.factor[:, None])

    def points(self) -> tuple[Floats, Floats]:
        """Many transmittances and weights, shape (T, M): sums over them are integrals over the law of smooth functions."""
        x, weights = self.law.points()
        return x * self.factor[:, None], weights

    def rule(self, number: int) -> tuple[Floats, Floats]:
        """Gauss quadrature: `number` transmittances and weights, shape (T, N), that keep 2 N - 1 moments."""
        x, weights = self.law.rule(number)
        return x * self.factor[:, None], weights

    def draw(self, number: int, *, seed: int, stream: int, index: int = 0) -> Floats:
        """`number` independent transmittances of every step, shape (T, number); a function of step, place and key alone."""
        return self.factor[:, None] * self.law.draw(number, seed=seed, stream=stream, index=index)


def joined(turbulence: Law, pointing: Law | None, *, factor: ArrayLike = 1.0) -> Law:
    """Law of turbulence, pointing (None: perfect) and a constant together, all independent.

    Parameters
    ----------
    turbulence : Law
        Law of the transmittance with perfect pointing.
    pointing : Law or None
        Relative transmittance by pointing.
    factor : array_like
        Transmittance of all that does not fluctuate [1], shape (T,).

    Returns
    -------
    Law
        A `Product`, or without pointing a `Scaled`.
    """
    return Scaled(turbulence, factor) if pointing is None else Product(turbulence, pointing, factor=factor)


def _tabulated(law: Law, values: Floats, factors: Floats) -> Callable[[ArrayLike], Floats]:
    """Cumulative probability of a costly law, interpolated: its logarithm is straight in ln x between `TABLE` levels.

    The levels reach from the lowest argument that the factors can ask for to where the law ends; good to a relative 1e-3.
    """
    x, _ = law.points()
    high = np.log(2.0 * x.max(axis=1))
    asked = values.min(axis=1) / np.maximum(factors.max(axis=1), np.finfo(np.float64).tiny)
    low = np.log(np.clip(asked, 1e-12 * x.max(axis=1), x.max(axis=1)))
    level = low[:, None] + (high - low)[:, None] * np.linspace(0.0, 1.0, TABLE)
    logarithm = np.log(np.maximum(law.cumulative(np.exp(level)), np.finfo(np.float64).tiny))

    def cumulative(argument: ArrayLike) -> Floats:
        with np.errstate(divide="ignore"):
            place = np.log(np.asarray(argument, dtype=np.float64))
        return np.stack([np.exp(np.interp(*row)) for row in zip(place, level, logarithm, strict=True)])

    return cumulative


def _common_factor(factor: ArrayLike, *laws: Law) -> Floats:
    steps = laws[0].mean.size
    if any(law.mean.size != steps for law in laws):
        raise ValueError(f"laws of {', '.join(str(law.mean.size) for law in laws)} steps cannot be multiplied")
    value = np.asarray(factor, dtype=np.float64)
    if value.shape not in ((), (1,), (steps,)):
        raise ValueError(f"a factor of shape {value.shape} beside a law of {steps} steps")
    spread = np.broadcast_to(value, (steps,)).copy()
    require((spread > 0.0) & np.isfinite(spread), "factor must be above 0")
    return spread
