"""Distributions of what couples into one mode: closed where adaptive optics leave little, sampled pupils everywhere else.

Both are laws of transmittance with the same methods: `name`, `validity`, `mean`, `scintillation_index`, `density`,
`cumulative`, `points`, `rule`, `draw`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Final

import numpy as np
from numpy.typing import ArrayLike

from qphys.channels.coupling import long_exposure_coupling, modal_coupling, modal_scintillation_index, mode_overlap
from qphys.channels.fading import gauss_rule
from qphys.channels.pupil import GRIDS, PolarPupil, mean_coupling, mode_variances, polar_pupil, residual_factors
from qphys.channels.quadrature import panels
from qphys.core import KERNELS
from qphys.stages import Complexes, Floats, Integers

MODES: Final = 48
"""Modes that the closed law keeps one by one; the others enter by their mean factor."""

MODAL_LIMIT: Final = 1.0
"""Residual phase variance in the fibre's mode [rad^2] up to which the closed law is used."""

SAMPLES: Final = 16384
"""Pupils behind a sampled law at each of its nodes."""

NODES: Final = 12
"""Steps at which a sampled law is computed; between them the shape is interpolated in the logarithm of the mean."""

_SEED: Final = 0x636F75706C696E67
"""Of the pupils behind `points` and `cumulative`: always the same, so that the shape changes smoothly along a pass."""

_TAILS: Final = np.array([1.0, 4.0, 12.0, 30.0])
"""Exponents of the probabilities beyond the saddle points through which the lines of integration run, on either side."""

_LEAN: Final = 0.12 * np.pi
"""Angle by which lines of integration lean to the left; below a quarter, or scintillation would grow along them [rad]."""

_STEPS_AT_ONCE: Final = 64


@dataclass(frozen=True, eq=False)
class ModalCoupling:
    r"""Coupling of a wave whose few residual radians are independent Gaussian modes, times log-normal scintillation.

    .. math:: \eta = c\, e^{-\sum_j a_j^2}\, S, \qquad
              \langle \eta^q \rangle = c^q \prod_j (1 + 2 q s_j^2)^{-1/2}\, e^{q (q - 1) \sigma^2 / 2}

    Parameters
    ----------
    variances : ndarray
        :math:`s_j^2` of each mode [rad^2], shape (T, K).
    ceiling : ndarray
        :math:`c`, coupling when all modes are 0 [1], shape (T,).
    log_variance : ndarray
        :math:`\sigma^2` of the logarithm of a factor S of mean 1 [1], shape (T,).

    Notes
    -----
    The moments of every real and complex order are closed, and density and cumulative distribution are the inverse of this
    Mellin transform along lines through its saddle points, so that tails keep their relative accuracy. A log-normal law it
    is not: its logarithm is skewed by -0.5 to -1.8.
    """

    costly: ClassVar[bool] = True
    """Its cumulative probability is an integral of its own for each value: products tabulate it."""

    variances: Floats
    ceiling: Floats
    log_variance: Floats

    name = "modal coupling"
    validity = (
        "modal coupling: a residual phase up to 1 rad^2 in the fibre's mode; exact mean; against whole pupils the "
        "scintillation index is 4 % low at 0.3 rad^2 and 6 to 11 % at 1 rad^2, the distance (Kolmogorov-Smirnov) 0.006 and "
        "up to 0.016; against our wave optics (0.2 m, Rytov variance 0.13) behind 3, 6, 10, 21 modes the mean is 0.7, 1.3, "
        "2.3, 3.8 % high, the index 3 to 18 % low and the distance 0.028, 0.057, 0.10, 0.15, since air at height turns "
        "phase that was corrected into amplitude"
    )

    @cached_property
    def mean(self) -> Floats:
        """Mean coupling [1], shape (T,)."""
        return np.asarray(self.ceiling * modal_coupling(self.variances))

    @cached_property
    def scintillation_index(self) -> Floats:
        """Variance over squared mean [1], shape (T,)."""
        return np.asarray((1.0 + modal_scintillation_index(self.variances)) * np.exp(self.log_variance) - 1.0)

    def density(self, x: ArrayLike) -> Floats:
        """Probability density at couplings of shape (X,) or (T, X) [1]; shape (T, X)."""
        values = _at(x, self.ceiling.size)
        with np.errstate(divide="ignore"):
            logarithm = np.log(values / self.ceiling[:, None])
        density = np.maximum(self._inverse(logarithm, tail=False), 0.0) / np.where(values > 0.0, values, 1.0)
        return np.where(values > 0.0, density, 0.0)

    def cumulative(self, x: ArrayLike) -> Floats:
        """Probability of a coupling up to x, of shape (X,) or (T, X); shape (T, X)."""
        values = _at(x, self.ceiling.size)
        with np.errstate(divide="ignore"):
            logarithm = np.log(values / self.ceiling[:, None])
        return np.where(values > 0.0, self._inverse(logarithm, tail=True), 0.0)

    def points(self) -> tuple[Floats, Floats]:
        """Many couplings and weights, shape (T, M): sums over them are integrals over the law of smooth functions."""
        low, high = self._range()
        u, weights = panels(np.linspace(0.0, 1.0, 8))
        logarithm = low[:, None] + (high - low)[:, None] * u
        share = weights * np.maximum(self._inverse(logarithm, tail=False), 0.0)
        values = self.ceiling[:, None] * np.exp(logarithm)
        share /= np.sum(share, axis=-1, keepdims=True)
        # what quadrature leaves open, 1e-6, does not touch the mean
        return values * (self.mean / np.sum(values * share, axis=-1))[:, None], share

    def rule(self, number: int) -> tuple[Floats, Floats]:
        """Gauss quadrature: `number` couplings and weights, shape (T, N), that keep 2 N - 1 moments."""
        return gauss_rule(*self.points(), number=number)

    def draw(self, number: int, *, seed: int, stream: int, index: int = 0) -> Floats:
        """Independent couplings, shape (T, number), a function of the addresses alone."""
        scale = self.ceiling, self.log_variance
        return _drawn("modal_coupling", (self.variances, *scale), self.ceiling.size, number, seed, stream, index)

    def _cumulants(self, s: Floats) -> tuple[Floats, Floats, Floats]:
        """Logarithm of the moment of order s (T, G) of the coupling over its ceiling, and its first two derivatives."""
        double = 2.0 * self.variances[:, None, :]
        factor = 1.0 + s[..., None] * double
        first = -0.5 * np.sum(double / factor, axis=-1) + self.log_variance[:, None] * (s - 0.5)
        second = 0.5 * np.sum((double / factor) ** 2, axis=-1) + self.log_variance[:, None]
        zeroth = -0.5 * np.sum(np.log(factor), axis=-1) + 0.5 * self.log_variance[:, None] * s * (s - 1.0)
        return zeroth, first, second

    @property
    def _lowest(self) -> Floats:
        """Order below which no moment is finite, (T, 1)."""
        return np.asarray(-0.5 / np.maximum(np.max(self.variances, axis=-1), 1e-300))[:, None]

    def _orders_of_tails(self, exponents: Floats, *, upper: bool) -> Floats:
        """Orders whose saddle points have about the probabilities exp(-exponent) beyond them, (T, G), by bisection."""
        spread = 1.0 / np.sqrt(self._cumulants(np.zeros((self.ceiling.size, 1)))[2])
        near = np.zeros((self.ceiling.size, exponents.size))
        far = near + (1e8 * spread if upper else self._lowest * (1.0 - 1e-9))
        for _ in range(90):
            middle = 0.5 * (near + far)
            zeroth, first, _ = self._cumulants(middle)
            inside = middle * first - zeroth < exponents
            near, far = np.where(inside, middle, near), np.where(inside, far, middle)
        return near

    def _range(self) -> tuple[Floats, Floats]:
        """Logarithms of the coupling over its ceiling between which all but 1e-15 of the law lies."""
        beyond = np.array([36.0])
        low = self._cumulants(self._orders_of_tails(beyond, upper=False))[1][:, 0]
        high = self._cumulants(self._orders_of_tails(beyond, upper=True))[1][:, 0]
        # without scintillation the law ends at its ceiling
        return low, np.where(self.log_variance > 0.0, high, np.minimum(high, 0.0))

    def _inverse(self, logarithm: Floats, *, tail: bool) -> Floats:
        """Density of the logarithm, or its cumulative distribution, at (T, X)."""
        result = np.empty(logarithm.shape)
        for first in range(0, logarithm.shape[0], _STEPS_AT_ONCE):
            part = slice(first, first + _STEPS_AT_ONCE)
            law = ModalCoupling(self.variances[part], self.ceiling[part], self.log_variance[part])
            result[part] = law._inverse_part(logarithm[part], tail=tail)
        return result

    def _inverse_part(self, y: Floats, *, tail: bool) -> Floats:
        steps = self.ceiling.size
        sides = [self._orders_of_tails(_TAILS, upper=upper) for upper in (False, True)]
        lines = np.concatenate(sides, axis=-1)
        _, saddles, curvature = self._cumulants(lines)
        nearest = np.argmin(np.abs(saddles[:, None, :] - np.where(np.isfinite(y), y, 0.0)[:, :, None]), axis=-1)
        # hyperbolas through the saddle points that lean to the left, where exp(-s y) fades: its waves need no steps then
        t = (np.arange(96) + 0.5) * 0.09
        width = 2.0 / np.sqrt(curvature)[:, :, None]
        lean = np.where(saddles < 0.0, _LEAN, 0.0)[:, :, None]
        s = lines[:, :, None] + width * (np.sin(lean) * (1.0 - np.cosh(t)) + 1j * np.cos(lean) * np.sinh(t))
        slope = width * (1j * np.sin(lean) * np.sinh(t) + np.cos(lean) * np.cosh(t))
        # seen from the saddle point, or the highest moments would overflow
        moment = self._complex_moment(s, y=saddles)
        if tail:
            moment = moment / s
        kernel = np.where(np.isfinite(moment), moment, 0.0) * slope * (0.09 / np.pi)
        row = np.arange(steps)[:, None]
        distance = np.where(np.isfinite(y), y, 0.0) - saddles[row, nearest]
        exponent = -s[row, nearest] * distance[:, :, None]
        # far out the kernel has vanished, whatever multiplies it
        exponent.real = np.minimum(exponent.real, 700.0)
        value = np.sum((kernel[row, nearest] * np.exp(exponent)).real, axis=-1)
        if tail:
            # right of the pole the integral is the probability above, left of it minus the one below
            value = np.where(np.take_along_axis(lines, nearest, axis=1) > 0.0, 1.0 - value, -value)
            value = np.clip(value, 0.0, 1.0)
        ended = (self.log_variance[:, None] <= 0.0) & (y >= 0.0)
        value = np.where(ended, 1.0 if tail else 0.0, value)
        return np.where(y == -np.inf, 0.0, np.where(y == np.inf, 1.0 if tail else 0.0, value))

    def _complex_moment(self, s: Complexes, *, y: Floats) -> Complexes:
        """Moment of complex order (T, G, U) of the coupling over its ceiling, times exp(-s y)."""
        root = np.ones(s.shape, dtype=np.complex128)
        for variance in self.variances.T:
            root *= np.sqrt(1.0 + 2.0 * variance[:, None, None] * s)
        scintillation = 0.5 * self.log_variance[:, None, None] * s * (s - 1.0)
        return np.asarray(np.exp(scintillation - s * y[:, :, None]) / root)


@dataclass(frozen=True, eq=False)
class PupilCoupling:
    r"""Coupling of a Gaussian residual phase of any size, by whole pupils, times log-normal scintillation.

    .. math:: \eta = c\, \Big|\sum_i w_i \frac1A \sum_k e^{i \phi(\rho_i, \theta_k)}\Big|^2 S

    Parameters
    ----------
    pupil : PolarPupil
        Rings, mode, and what is corrected.
    aperture_over_fried : ndarray
        :math:`D/r_0` [1], shape (T,).
    residual : ndarray
        Variance that the correction leaves in one mode of each radial order [rad^2], shape (T, N).
    ceiling : ndarray
        :math:`c`, coupling of an undisturbed wave [1], shape (T,).
    log_variance : ndarray
        :math:`\sigma^2` of the logarithm of a factor S of mean 1 [1], shape (T,).

    Notes
    -----
    The mean is exact at every step. The shape rests on `SAMPLES` pupils of one fixed seed at up to `NODES` steps, between
    which it is interpolated in the logarithm of the mean; `draw` computes whole pupils at every step.
    """

    costly: ClassVar[bool] = True
    """Its cumulative probability is an integral of its own for each value: products tabulate it."""

    pupil: PolarPupil
    aperture_over_fried: Floats
    residual: Floats
    ceiling: Floats
    log_variance: Floats

    name = "pupil coupling"
    validity = (
        "pupil coupling: any strength of turbulence up to D/r0 = 30; mean exact without correction, else up to 0.5 % high "
        "(3 % at D/r0 = 30); phase and log-amplitude act as one Gaussian phase; sampling error of the scintillation index "
        "1 % at 0.3 and 3 % at 1.5; distance (Kolmogorov-Smirnov) to our wave optics 0.021 to 0.045, its noise 0.048"
    )

    @cached_property
    def mean(self) -> Floats:
        """Mean coupling [1], shape (T,)."""
        parts = [mean_coupling(self.pupil, self._factors(part)) for part in self._parts]
        return np.asarray(self.ceiling * np.concatenate([*parts, np.zeros(0)]))

    @cached_property
    def scintillation_index(self) -> Floats:
        """Variance over squared mean [1], shape (T,)."""
        values, weights = self.points()
        return np.asarray(np.sum(weights * (values / self.mean[:, None] - 1.0) ** 2, axis=-1))

    def density(self, x: ArrayLike) -> Floats:
        """Probability density at couplings of shape (X,) or (T, X) [1]; shape (T, X)."""
        values = _at(x, self.ceiling.size)
        level, slope = self._hazard(values)
        positive = np.where(values > 0.0, values, 1.0)
        return np.where(values > 0.0, np.exp(level - np.exp(level)) * slope / positive, 0.0)

    def cumulative(self, x: ArrayLike) -> Floats:
        """Probability of a coupling up to x, of shape (X,) or (T, X); shape (T, X)."""
        values = _at(x, self.ceiling.size)
        return np.where(values > 0.0, -np.expm1(-np.exp(self._hazard(values)[0])), 0.0)

    def points(self) -> tuple[Floats, Floats]:
        """Many couplings and weights, shape (T, M): sums over them are integrals over the law of smooth functions."""
        values, weights = self._shape
        return values * self.mean[:, None], np.broadcast_to(weights, values.shape)

    def rule(self, number: int) -> tuple[Floats, Floats]:
        """Gauss quadrature: `number` couplings and weights, shape (T, N), that keep 2 N - 1 moments."""
        return gauss_rule(*self.points(), number=number)

    def draw(self, number: int, *, seed: int, stream: int, index: int = 0) -> Floats:
        """Independent couplings, shape (T, number), a function of the addresses alone."""
        drawn = [
            _drawn(
                "pupil_coupling",
                (self._factors(part), self.pupil.mode_weight, self.log_variance[part]),
                self.ceiling[part].size,
                number,
                seed,
                stream,
                index,
                first=part.start,
            )
            for part in self._parts
        ]
        return np.concatenate([*drawn, np.zeros((0, number))]) * self.ceiling[:, None]

    @property
    def _parts(self) -> list[slice]:
        """Slices of the steps whose factors are in memory at once."""
        steps = self.ceiling.size
        return [slice(first, min(first + _STEPS_AT_ONCE, steps)) for first in range(0, steps, _STEPS_AT_ONCE)]

    def _factors(self, steps: slice | Integers) -> Floats:
        strength, residual = self.aperture_over_fried[steps], self.residual[steps]
        return residual_factors(self.pupil, aperture_over_fried=strength, residual=residual)

    @cached_property
    def _shape(self) -> tuple[Floats, Floats]:
        """Couplings over their mean, ascending (T, M), and their weights (M,)."""
        steps = self.ceiling.size
        edges, weights = _groups()
        if steps == 0:
            return np.zeros((0, weights.size)), weights
        logarithm = np.log(self.mean / self.ceiling)
        order = np.argsort(logarithm, kind="stable")
        chosen = order[np.unique(np.round(np.linspace(0, steps - 1, min(NODES, steps))).astype(np.int64))]
        nodes = np.empty((chosen.size, weights.size))
        one = np.zeros(1)
        for k, step in enumerate(chosen):
            factor = self._factors(np.array([step]))
            sample = _drawn("pupil_coupling", (factor, self.pupil.mode_weight, one), 1, SAMPLES, _SEED, 0, 0)[0]
            ascending = np.sort(sample)
            nodes[k] = np.add.reduceat(ascending, edges[:-1]) / np.diff(edges)
            nodes[k] /= np.sum(weights * nodes[k])
        shape = _between(logarithm, logarithm[chosen], nodes)
        if not np.any(self.log_variance > 0.0):
            return shape, weights
        return _scintillating(shape, weights, self.log_variance)

    @cached_property
    def _knots(self) -> tuple[Floats, Floats]:
        """Logarithm of the coupling over its mean, (T, Q), at levels ln(-ln(1 - P)), (Q,)."""
        values, weights = self._shape
        below = np.cumsum(weights) - 0.5 * weights
        # an exponential law is a straight line in these coordinates
        level = np.linspace(np.log(-np.log1p(-2e-3)), np.log(-np.log(2e-3)), 25)
        probability = -np.expm1(-np.exp(level))
        logarithm = np.log(values)
        rows = [np.interp(probability, below, row) for row in logarithm]
        return np.reshape(rows, (len(rows), level.size)), level

    def _hazard(self, values: Floats) -> tuple[Floats, Floats]:
        """Level ln(-ln(1 - P)) and its derivative by the logarithm of the coupling, at (T, X)."""
        from scipy.interpolate import PchipInterpolator

        knots, level = self._knots
        y = np.log(np.where(values > 0.0, values, 1.0) / self.mean[:, None])
        result, slope = np.empty(y.shape), np.empty(y.shape)
        for t, row in enumerate(knots):
            curve = PchipInterpolator(row, level)
            inside = np.clip(y[t], row[0], row[-1])
            # beyond its ends the level runs on straight, as that of an exponential law would
            first, last = ((level[k + 4] - level[k]) / (row[k + 4] - row[k]) for k in (0, level.size - 5))
            slope[t] = np.where(y[t] < row[0], first, np.where(y[t] > row[-1], last, curve(inside, 1)))
            result[t] = curve(inside) + slope[t] * (y[t] - inside)
        return result, slope


CouplingLaw = ModalCoupling | PupilCoupling


def coupling_law(
    aperture_over_fried: ArrayLike,
    *,
    residual: ArrayLike,
    ceiling: ArrayLike,
    mode_ratio: float,
    obscuration: float = 0.0,
    scintillation_index: ArrayLike = 0.0,
    outer_scale_over_aperture: float = np.inf,
) -> CouplingLaw:
    """Law of the coupling into one mode behind adaptive optics, closed or sampled by how much phase is left.

    Parameters
    ----------
    aperture_over_fried : array_like
        D/r0 of the path [1], shape (T,), up to 30.
    residual : array_like
        Variance that the correction leaves in one mode of each corrected radial order 1 to N [rad^2], shape (T, N); an
        empty last axis is no correction.
    ceiling : array_like
        Coupling of an undisturbed wave [1], shape (T,) or one number: `coupling.mode_overlap` times fixed losses for a
        receiver; 1 for an uplink told relative to vacuum.
    mode_ratio : float
        Radius of the aperture over the 1/e^2 intensity radius of the mode [1].
    obscuration : float
        Diameter of the central obscuration over that of the aperture [1].
    scintillation_index : array_like
        Of an independent log-normal factor of mean 1, the power that the aperture receives [1], shape (T,) or one number.
    outer_scale_over_aperture : float
        Outer scale over the diameter of the aperture [1].

    Returns
    -------
    ModalCoupling or PupilCoupling
        The first where at most `MODAL_LIMIT` of phase variance is left at every step. Its ceiling is set so that the mean is
        the exact one.

    Raises
    ------
    ValueError
        D/r0 is above 30, beyond which the rings are too few.
    """
    strength = np.atleast_1d(np.asarray(aperture_over_fried, dtype=np.float64))
    left = np.asarray(residual, dtype=np.float64)
    left = np.broadcast_to(left, (strength.size, left.shape[-1]))
    top = np.broadcast_to(np.asarray(ceiling, dtype=np.float64), strength.shape)
    log_variance = np.log1p(np.broadcast_to(np.asarray(scintillation_index, dtype=np.float64), strength.shape))
    largest = float(np.max(strength, initial=0.0))
    rings, angles = _grid(largest)
    pupil = polar_pupil(
        mode_ratio=mode_ratio,
        obscuration=obscuration,
        corrected_order=left.shape[-1],
        rings=rings,
        angles=angles,
        outer_scale_over_aperture=outer_scale_over_aperture,
    )
    if strength.size == 0:
        return PupilCoupling(pupil, strength, left, top, log_variance)
    if left.shape[-1] == 0:
        # the half percent by which the rings exceed the integral that is known
        own = np.concatenate(
            [mean_coupling(pupil, residual_factors(pupil, aperture_over_fried=[x], residual=left[:1])) for x in strength]
        )
        exact = long_exposure_coupling(
            strength, mode_ratio=mode_ratio, obscuration=obscuration, outer_scale_over_aperture=outer_scale_over_aperture
        )
        top = top * exact / mode_overlap(mode_ratio, obscuration=obscuration) / own
    sampled = PupilCoupling(pupil, strength, left, top, log_variance)
    # the variance grows with every part of it: the worst step is among these
    parts = [mode_variances(pupil, sampled._factors(part), number=rings * angles) for part in sampled._parts]
    every = np.concatenate([variances for variances, _ in parts])
    if float(np.max(np.sum(every, axis=-1))) > MODAL_LIMIT:
        return sampled
    variances, rest = np.ascontiguousarray(every[:, :MODES]), modal_coupling(every[:, MODES:])
    return (
        ModalCoupling(variances, sampled.mean / modal_coupling(variances), log_variance) if np.all(rest > 0.0) else sampled
    )


def _grid(largest: float) -> tuple[int, int]:
    """Rings and angles for pupils up to this D/r0."""
    for limit, rings, angles in GRIDS:
        if largest <= limit:
            return rings, angles
    raise ValueError(f"D/r0 of {largest:.3g}; pupils are sampled up to {GRIDS[-1][0]:g}")


def _at(x: ArrayLike, steps: int) -> Floats:
    values = np.asarray(x, dtype=np.float64)
    return np.broadcast_to(values, (steps, values.shape[-1] if values.ndim else 1))


def _drawn(
    kernel: str,
    parameters: tuple[Floats, ...],
    steps: int,
    number: int,
    seed: int,
    stream: int,
    index: int,
    *,
    first: int = 0,
) -> Floats:
    """Samples (T, number) of a kernel, whose address holds the step in its upper and the sample in its lower half."""
    step = np.arange(first, first + steps, dtype=np.uint64)[:, None] << np.uint64(32)
    sample = step + np.arange(number, dtype=np.uint64)
    return np.asarray(KERNELS[kernel](*parameters, np.uint64(seed), np.uint64(stream), np.uint64(index), sample))


def _groups() -> tuple[Integers, Floats]:
    """Edges of groups of the sorted samples that become one point each, and their weights: single ones in both tails."""
    low, high, middle = 64, 256, 512
    inner = np.round(np.linspace(low, SAMPLES - high, middle + 1)).astype(np.int64)
    edges = np.concatenate([np.arange(low), inner, np.arange(SAMPLES - high + 1, SAMPLES + 1)])
    return edges, np.diff(edges) / SAMPLES


def _between(at: Floats, nodes: Floats, values: Floats) -> Floats:
    """Rows (T, M) between the rows of the nodes, whose abscissae ascend, linear in their logarithms; nodes keep theirs."""
    if nodes.size == 1 or nodes[0] == nodes[-1]:
        return np.repeat(values[:1], at.size, axis=0)
    above = np.clip(np.searchsorted(nodes, at), 1, nodes.size - 1)
    width = nodes[above] - nodes[above - 1]
    share = np.where(width > 0.0, (at - nodes[above - 1]) / np.where(width > 0.0, width, 1.0), 0.0)[:, None]
    return np.asarray(values[above - 1] ** (1.0 - share) * values[above] ** share)


def _scintillating(shape: Floats, weights: Floats, log_variance: Floats) -> tuple[Floats, Floats]:
    """Points of the product with a log-normal factor of mean 1: seven Gauss nodes of it, merged again in order."""
    z, share = np.polynomial.hermite_e.hermegauss(7)
    share /= np.sum(share)
    factor = np.exp(np.sqrt(log_variance)[:, None] * z - 0.5 * log_variance[:, None])
    factor /= np.sum(factor * share, axis=-1, keepdims=True)
    product = (shape[:, :, None] * factor[:, None, :]).reshape(len(shape), -1)
    weight = (weights[:, None] * share).reshape(-1)
    order = np.argsort(product, axis=-1)
    product, joint = np.take_along_axis(product, order, axis=-1), weight[order]
    # back to as many points: pieces of equal probability, except that both tails stay fine
    edges = np.concatenate([[0.0], np.cumsum(weights)])
    edges[-1] = 1.0
    total = np.concatenate([np.zeros((len(shape), 1)), np.cumsum(joint, axis=-1)], axis=-1)
    moment = np.concatenate([np.zeros((len(shape), 1)), np.cumsum(joint * product, axis=-1)], axis=-1)
    means = np.stack([np.diff(np.interp(edges, t / t[-1], m)) for t, m in zip(total, moment, strict=True)])
    return np.maximum.accumulate(means / weights, axis=-1), weights
