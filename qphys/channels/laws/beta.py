"""Beta law of transmittance: two moments on the interval from 0 to 1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from qphys.channels.fading import from_jacobi
from qphys.channels.laws.law import at, drawn, require, settle
from qphys.stages import Floats


@dataclass(frozen=True, eq=False)
class Beta:
    r"""Beta law, set by the mean and the scintillation index.

    .. math:: p(\eta) = \frac{\eta^{\alpha-1} (1-\eta)^{\beta-1}}{B(\alpha, \beta)}, \qquad
              \alpha = \frac{1-m}{\sigma_I^2} - m, \quad \beta = \alpha\, \frac{1-m}{m}

    Parameters
    ----------
    mean : array_like
        Mean transmittance :math:`m` [1], shape (T,), between 0 and 1.
    scintillation_index : array_like
        Variance over squared mean :math:`\sigma_I^2` [1], shape (T,), above 0 and below :math:`(1-m)/m`, which a channel
        that is either open or closed has.

    Raises
    ------
    ValueError
        A parameter is outside its range.

    Notes
    -----
    A shape without a derivation, but the best of two parameters where fluctuations are moderate to strong: see `validity`.
    For a small mean it is the gamma law of shape :math:`1/\sigma_I^2`; at an index of 1 the exponential one.
    """

    mean: Floats
    scintillation_index: Floats

    def __init__(self, mean: ArrayLike, scintillation_index: ArrayLike) -> None:
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "scintillation_index", scintillation_index)
        settle(self, "mean", "scintillation_index")
        require((self.mean > 0.0) & (self.mean < 1.0), "mean transmittance must be above 0 and below 1")
        largest = (1.0 - self.mean) / self.mean
        index = self.scintillation_index
        require((index > 0.0) & (index < largest), "scintillation index must be above 0 and below (1 - mean) / mean")

    @property
    def alpha(self) -> Floats:
        r"""Exponent :math:`\alpha` [1], shape (T,)."""
        return np.asarray((1.0 - self.mean) / self.scintillation_index - self.mean)

    @property
    def beta(self) -> Floats:
        r"""Exponent :math:`\beta` [1], shape (T,)."""
        return np.asarray(self.alpha * (1.0 - self.mean) / self.mean)

    @property
    def name(self) -> str:
        """Name, as results state it."""
        return "beta"

    @property
    def validity(self) -> str:
        """Where the law holds and by how much it is off, in a sentence."""
        return (
            "beta: any mean and index on the interval from 0 to 1; the closest of the laws of two parameters at a Rytov "
            "variance of 2.9, where its distance (Kolmogorov-Smirnov) to our wave optics is 0.060 to 0.16, the latter for "
            "an aperture that catches 0.7 of the light; at a Rytov variance of 0.15 it is 0.042 to 0.044"
        )

    def density(self, x: ArrayLike) -> Floats:
        """Probability density at transmittances of shape (X,) or (T, X) [1]; shape (T, X)."""
        from scipy.special import betaln, xlog1py, xlogy

        values = at(x, self.mean.size)
        inside = (values >= 0.0) & (values <= 1.0)
        y, alpha, beta = np.where(inside, values, 0.5), self.alpha[:, None], self.beta[:, None]
        logarithm = xlogy(alpha - 1.0, y) + xlog1py(beta - 1.0, -y) - betaln(alpha, beta)
        return np.where(inside, np.exp(logarithm), 0.0)

    def cumulative(self, x: ArrayLike) -> Floats:
        """Probability of a transmittance up to x, of shape (X,) or (T, X); shape (T, X)."""
        from scipy.special import betainc

        values = at(x, self.mean.size)
        return np.asarray(betainc(self.alpha[:, None], self.beta[:, None], np.clip(values, 0.0, 1.0)), dtype=np.float64)

    def points(self) -> tuple[Floats, Floats]:
        """Many transmittances and weights, shape (T, M): sums over them are integrals over the law of smooth functions."""
        return self.rule(96)

    def rule(self, number: int) -> tuple[Floats, Floats]:
        """Gauss quadrature: `number` transmittances and weights, shape (T, N), that keep 2 N - 1 moments.

        Notes
        -----
        The Jacobi matrix of the Jacobi polynomials (DLMF 18.9.2), less the mean, in whose rounding a small variance would
        be lost.
        """
        a, b, n = self.beta[:, None] - 1.0, self.alpha[:, None] - 1.0, np.arange(number)
        s = a + b
        # n = 0 and 1 by themselves: there s or s + 1 may be 0 above and below
        later = np.maximum(n, 1)
        shift = np.where(
            n == 0, 0.0, -4.0 * n * (b - a) * (n + s + 1.0) / ((2 * later + s) * (2 * later + s + 2.0) * (s + 2.0))
        )
        k = np.arange(1, number)
        more = np.maximum(k, 2)
        beside = 4.0 * more * (more + a) * (more + b) * (more + s)
        beside = beside / ((2 * more + s) ** 2 * (2 * more + s + 1.0) * (2 * more + s - 1.0))
        beside = np.where(k == 1, 4.0 * (1.0 + a) * (1.0 + b) / ((2.0 + s) ** 2 * (3.0 + s)), beside)
        deviation, weights = from_jacobi(0.5 * shift, 0.5 * np.sqrt(beside))
        return np.clip(self.mean[:, None] + deviation, 0.0, 1.0), weights

    def draw(self, number: int, *, seed: int, stream: int, index: int = 0) -> Floats:
        """`number` independent transmittances of every step, shape (T, number); a function of step, place and key alone."""
        return drawn("beta", self.alpha, self.beta, number=number, seed=seed, stream=stream, index=index)
