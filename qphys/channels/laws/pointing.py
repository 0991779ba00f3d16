"""Pointing of a Gaussian beam at a receiver small against it: Rayleigh, Rice, Hoyt, and both together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from qphys.channels.fading import gauss_rule
from qphys.channels.laws.law import at, drawn, in_parts, require, settle
from qphys.channels.quadrature import panels
from qphys.stages import Floats


@dataclass(frozen=True, eq=False)
class Pointing:
    r"""Transmittance, relative to perfect pointing, of a Gaussian beam with Gaussian pointing errors on two axes.

    .. math:: \eta = e^{-2 (x^2 + y^2)/\theta^2}, \quad x \sim N(b_x, s_x), \quad y \sim N(b_y, s_y), \qquad
              \langle\eta^n\rangle = \prod_{i = x, y} \frac{1}{\sqrt{1 + 4 n s_i^2/\theta^2}}
              \exp\!\left(-\frac{2 n b_i^2}{\theta^2 + 4 n s_i^2}\right)

    The offset is Rayleigh distributed (equal jitters), Rice (and a boresight error), or Hoyt (unequal jitters). Equal
    jitters alone: :math:`p = \beta\eta^{\beta-1}`, :math:`\beta = \theta^2/4s^2`.

    Parameters
    ----------
    half_angle : array_like
        Half-angle :math:`\theta` at which the far-field intensity is 1/e^2 [rad], shape (T,), above 0. Any unit of length
        serves as well, if it is that of the other parameters: beam radius and wander, at the receiver [m].
    jitter_x, jitter_y : array_like
        Pointing error rms of each axis :math:`s_x, s_y` [rad], shape (T,), above 0.
    bias_x, bias_y : array_like
        Constant offset of each axis :math:`b_x, b_y` [rad], shape (T,).

    Raises
    ------
    ValueError
        A parameter is outside its range.

    Notes
    -----
    Gaussian integrals; for the Rayleigh case Esposito, Appl. Opt. 6, 2107 (1967).

    Examples
    --------
    >>> round(float(Pointing.rayleigh(5e-6, 1e-6).mean[0]), 5)
    0.86207
    """

    half_angle: Floats
    jitter_x: Floats
    jitter_y: Floats
    bias_x: Floats
    bias_y: Floats

    def __init__(
        self,
        half_angle: ArrayLike,
        *,
        jitter_x: ArrayLike,
        jitter_y: ArrayLike,
        bias_x: ArrayLike = 0.0,
        bias_y: ArrayLike = 0.0,
    ) -> None:
        names = ("half_angle", "jitter_x", "jitter_y", "bias_x", "bias_y")
        for field, value in zip(names, (half_angle, jitter_x, jitter_y, bias_x, bias_y), strict=True):
            object.__setattr__(self, field, value)
        settle(self, *names)
        for field in names[:3]:
            value = getattr(self, field)
            require((value > 0.0) & np.isfinite(value), f"{field} must be above 0")
        require(np.isfinite(self.bias_x) & np.isfinite(self.bias_y), "bias must be finite")

    @classmethod
    def rayleigh(cls, half_angle: ArrayLike, jitter: ArrayLike) -> Pointing:
        """Equal jitters of both axes, `jitter` rms *per axis*, and no boresight error; as in `Pointing`."""
        return cls(half_angle, jitter_x=jitter, jitter_y=jitter)

    @classmethod
    def rice(cls, half_angle: ArrayLike, jitter: ArrayLike, *, bias: ArrayLike) -> Pointing:
        """Equal jitters of both axes about a boresight error `bias`; as in `Pointing`."""
        return cls(half_angle, jitter_x=jitter, jitter_y=jitter, bias_x=bias)

    @classmethod
    def hoyt(cls, half_angle: ArrayLike, *, jitter_x: ArrayLike, jitter_y: ArrayLike) -> Pointing:
        """Unequal jitters and no boresight error; as in `Pointing`."""
        return cls(half_angle, jitter_x=jitter_x, jitter_y=jitter_y)

    @property
    def name(self) -> str:
        """Name, as results state it."""
        unequal = bool(np.any(self.jitter_x != self.jitter_y))
        biased = bool(np.any(self._bias > 0.0))
        return (
            "pointing ("
            + ("Beckmann" if unequal and biased else "Hoyt" if unequal else "Rice" if biased else "Rayleigh")
            + ")"
        )

    @property
    def validity(self) -> str:
        """Where the law holds and by how much it is off, in a sentence."""
        return (
            f"{self.name}: a Gaussian beam wide against the receiver; with receiver radius a and beam radius W the mean is "
            "low by 0.5 % at a/W = 0.2 and by 3 % at 0.5 (jitter W/5): from there on use beam wander (Marcum)"
        )

    @property
    def mean(self) -> Floats:
        """Mean transmittance relative to perfect pointing [1], shape (T,)."""
        return self.moment(1)

    @property
    def scintillation_index(self) -> Floats:
        """Variance over squared mean [1], shape (T,)."""
        # log1p and expm1: at small jitters the two moments agree to all digits
        logarithm = np.zeros(self.half_angle.size)
        w2 = self.half_angle**2
        for s, b in ((self.jitter_x, self.bias_x), (self.jitter_y, self.bias_y)):
            v = 4.0 * s**2 / w2
            logarithm += 0.5 * np.log1p(v**2 / (1.0 + 2.0 * v)) + 4.0 * b**2 / w2 * v / ((1.0 + v) * (1.0 + 2.0 * v))
        return np.asarray(np.expm1(logarithm))

    def moment(self, order: float) -> Floats:
        """Moment of any order [1], shape (T,)."""
        result = np.ones(self.half_angle.size)
        for s, b in ((self.jitter_x, self.bias_x), (self.jitter_y, self.bias_y)):
            spread = self.half_angle**2 + 4.0 * order * s**2
            result *= self.half_angle / np.sqrt(spread) * np.exp(-2.0 * order * b**2 / spread)
        return result

    def density(self, x: ArrayLike) -> Floats:
        """Probability density at transmittances of shape (X,) or (T, X) [1]; shape (T, X)."""
        return self._evaluate(x)[0]

    def cumulative(self, x: ArrayLike) -> Floats:
        """Probability of a transmittance up to x, of shape (X,) or (T, X); shape (T, X)."""
        return self._evaluate(x)[1]

    def points(self) -> tuple[Floats, Floats]:
        """Many transmittances and weights, shape (T, M): sums over them are integrals over the law of smooth functions."""
        w, s, b = self.half_angle, np.maximum(self.jitter_x, self.jitter_y), self._bias
        fraction, weights = panels(np.linspace(0.0, 1.0, 25))
        fine = w / 8.0
        low, high = np.arcsinh(np.maximum(b - 9.0 * s, 0.0) / fine), np.arcsinh((b + 9.0 * s) / fine)
        t = low[:, None] + (high - low)[:, None] * fraction
        x = np.exp(-2.0 * (np.sinh(t) / 8.0) ** 2)
        # the density along t; transmittances that underflow weigh nothing in any sum
        share = weights * self.density(x) * x * np.sinh(2.0 * t)
        return x, share / np.sum(share, axis=-1, keepdims=True)

    def rule(self, number: int) -> tuple[Floats, Floats]:
        """Gauss quadrature: `number` transmittances and weights, shape (T, N), that keep 2 N - 1 moments."""
        return gauss_rule(*self._product(number), number=number)

    def draw(self, number: int, *, seed: int, stream: int, index: int = 0) -> Floats:
        """`number` independent transmittances of every step, shape (T, number); a function of step, place and key alone."""
        jitter, bias = (self.jitter_x, self.jitter_y), (self.bias_x, self.bias_y)
        return drawn("pointing", self.half_angle, *jitter, *bias, number=number, seed=seed, stream=stream, index=index)

    @property
    def _bias(self) -> Floats:
        return np.hypot(self.bias_x, self.bias_y)

    def _product(self, number: int) -> tuple[Floats, Floats]:
        """Gauss rules of both axes, which are independent factors, multiplied out."""
        steps = self.half_angle.size
        x, share_x = _axis_rule(self.half_angle, self.jitter_x, self.bias_x, number=number)
        y, share_y = _axis_rule(self.half_angle, self.jitter_y, self.bias_y, number=number)
        product, joint = x[:, :, None] * y[:, None, :], share_x[:, :, None] * share_y[:, None, :]
        return product.reshape(steps, -1), joint.reshape(steps, -1)

    def _evaluate(self, x: ArrayLike) -> tuple[Floats, Floats]:
        values = at(x, self.half_angle.size)
        density, cumulative = np.zeros(values.shape), np.zeros(values.shape)
        equal = self.jitter_x == self.jitter_y
        for chosen, evaluate in (
            (equal & (self._bias == 0.0), self._rayleigh),
            (equal & (self._bias > 0.0), self._rice),
            (~equal, self._beckmann),
        ):
            if np.any(chosen):
                inside = np.clip(values[chosen], 1e-300, 1.0)
                density[chosen], cumulative[chosen] = evaluate(inside, chosen)
        return (
            np.where((values > 0.0) & (values <= 1.0), density, 0.0),
            np.where(values <= 0.0, 0.0, np.where(values >= 1.0, 1.0, np.clip(cumulative, 0.0, 1.0))),
        )

    def _rayleigh(self, x: Floats, chosen: Floats) -> tuple[Floats, Floats]:
        beta = (self.half_angle[chosen] / (2.0 * self.jitter_x[chosen]))[:, None] ** 2
        return beta * x ** (beta - 1.0), x**beta

    def _rice(self, x: Floats, chosen: Floats) -> tuple[Floats, Floats]:
        from scipy.special import i0e
        from scipy.stats import ncx2

        w, s, b = (value[chosen][:, None] for value in (self.half_angle, self.jitter_x, self._bias))
        r = w * np.sqrt(-0.5 * np.log(x))
        density = w**2 / (4.0 * s**2 * x) * np.exp(-0.5 * ((r - b) / s) ** 2) * i0e(r * b / s**2)
        return density, np.asarray(ncx2.sf((r / s) ** 2, 2, (b / s) ** 2), dtype=np.float64)

    def _beckmann(self, x: Floats, chosen: Floats) -> tuple[Floats, Floats]:
        """Integral over the axis of less jitter, whose Gaussian is narrow against the other's."""
        w, sx, sy, bx, by = (
            value[chosen][:, None, None]
            for value in (self.half_angle, self.jitter_x, self.jitter_y, self.bias_x, self.bias_y)
        )
        swap = sx > sy
        sx, sy, bx, by = np.where(swap, sy, sx), np.where(swap, sx, sy), np.where(swap, by, bx), np.where(swap, bx, by)
        fraction, weights = panels(np.linspace(0.0, 1.0, 13))

        def part(steps: slice) -> tuple[Floats, Floats]:
            r = w[steps, 0] * np.sqrt(-0.5 * np.log(x[steps]))
            r = r[:, :, None]
            low, high = bx[steps] - 9.0 * sx[steps], bx[steps] + 9.0 * sx[steps]
            safe = np.maximum(r, 1e-300)
            first, last = np.arcsin(np.clip(low / safe, -1.0, 1.0)), np.arcsin(np.clip(high / safe, -1.0, 1.0))
            t = first + (last - first) * fraction
            share = weights * (last - first) * _normal((r * np.sin(t) - bx[steps]) / sx[steps]) / sx[steps]
            y = r * np.cos(t)
            above, below = (y - by[steps]) / sy[steps], (-y - by[steps]) / sy[steps]
            density = np.sum(share * (_normal(above) + _normal(below)) / sy[steps], axis=-1)
            density *= w[steps, 0] ** 2 / (4.0 * x[steps])
            # P(r > R): beyond R on the narrow axis, or beyond what is left on the other
            outside = _beyond((r - bx[steps]) / sx[steps]) + _beyond((r + bx[steps]) / sx[steps])
            tail = np.sum(share * y * (_beyond(above) + _beyond(-below)), axis=-1) + outside[..., 0]
            return density, tail

        return in_parts(part, x.shape[0], at_once=max(1, 2_000_000 // (fraction.size * max(x.shape[1], 1))))  # type: ignore[return-value]


def _normal(z: Floats) -> Floats:
    return np.asarray(np.exp(-0.5 * z**2) / np.sqrt(2.0 * np.pi))


def _beyond(z: Floats) -> Floats:
    from scipy.special import ndtr

    return np.asarray(ndtr(-z))


def _axis_rule(half_angle: Floats, jitter: Floats, bias: Floats, *, number: int) -> tuple[Floats, Floats]:
    """Gauss rule of the factor exp(-2 x^2 / w^2) of one axis."""
    fine = half_angle / 16.0  # exp(-2 n x^2 / w^2) of the highest power kept is this narrow
    low, high = np.arcsinh((bias - 9.0 * jitter) / fine), np.arcsinh((bias + 9.0 * jitter) / fine)
    fraction, weights = panels(np.linspace(0.0, 1.0, 17))
    # in the inverse hyperbolic sine both the beam about 0 and the Gaussian about the bias are some panels wide
    t = low[:, None] + (high - low)[:, None] * fraction
    x = fine[:, None] * np.sinh(t)
    share = weights * np.cosh(t) * np.exp(-0.5 * ((x - bias[:, None]) / jitter[:, None]) ** 2)
    return gauss_rule(np.exp(-2.0 * (x / half_angle[:, None]) ** 2), share, number=number)
