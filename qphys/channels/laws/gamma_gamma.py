"""Gamma-gamma law: small-scale fluctuations modulated by large-scale ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import ArrayLike

from qphys.channels.fading import from_jacobi, gauss_rule
from qphys.channels.laws.law import at, drawn, in_parts, require, settle
from qphys.stages import Floats

_CELLS: Final = 401


@dataclass(frozen=True, eq=False)
class GammaGamma:
    r"""Product of two independent gamma variates of mean 1.

    .. math:: \eta = m X Y, \qquad
              p(I) = \frac{2 (\alpha\beta)^{(\alpha+\beta)/2}}{\Gamma(\alpha) \Gamma(\beta)} I^{(\alpha+\beta)/2 - 1}
              K_{\alpha-\beta}(2 \sqrt{\alpha\beta I}), \qquad
              \sigma_I^2 = \frac{1}{\alpha} + \frac{1}{\beta} + \frac{1}{\alpha\beta}

    Parameters
    ----------
    mean : array_like
        Mean transmittance :math:`m` [1], shape (T,), above 0.
    alpha, beta : array_like
        Numbers :math:`\alpha` of large and :math:`\beta` of small cells [1], shape (T,), above 0.

    Raises
    ------
    ValueError
        A parameter is outside its range.

    Notes
    -----
    Al-Habash, Andrews and Phillips, Opt. Eng. 40, 1554 (2001). The law has no upper end: a mean near 1 gives transmittances
    above 1 (`cumulative` tells how many), so it is meant for receivers that catch a small part of the beam.
    """

    mean: Floats
    alpha: Floats
    beta: Floats

    def __init__(self, mean: ArrayLike, *, alpha: ArrayLike, beta: ArrayLike) -> None:
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "alpha", alpha)
        object.__setattr__(self, "beta", beta)
        settle(self, "mean", "alpha", "beta")
        for name in ("mean", "alpha", "beta"):
            value = getattr(self, name)
            require((value > 0.0) & np.isfinite(value), f"{name} must be above 0")

    @classmethod
    def of_plane_wave(cls, mean: ArrayLike, rytov_variance: ArrayLike) -> Self:
        r"""Law at a point of a plane wave, without inner scale.

        .. math:: \frac{1}{\alpha} = \exp\left[\frac{0.49\,\sigma_R^2}{(1 + 1.11\,\sigma_R^{12/5})^{7/6}}\right] - 1, \qquad
                  \frac{1}{\beta} = \exp\left[\frac{0.51\,\sigma_R^2}{(1 + 0.69\,\sigma_R^{12/5})^{5/6}}\right] - 1

        Parameters
        ----------
        mean : array_like
            Mean transmittance [1], shape (T,).
        rytov_variance : array_like
            Plane-wave Rytov variance :math:`\sigma_R^2` [1], shape (T,), above 0.

        Examples
        --------
        >>> law = GammaGamma.of_plane_wave(1.0, 1.0)
        >>> round(float(law.alpha[0]), 4), round(float(law.beta[0]), 4), round(float(law.scintillation_index[0]), 5)
        (4.3939, 2.5636, 0.70644)
        """
        alpha, beta = _cells(rytov_variance, 1.11)
        return cls(mean, alpha=alpha, beta=beta)

    @classmethod
    def of_spherical_wave(cls, mean: ArrayLike, rytov_variance: ArrayLike) -> Self:
        r"""Law at a point of a spherical wave, without inner scale: as `of_plane_wave`, with 0.56 in place of 1.11.

        Parameters
        ----------
        mean : array_like
            Mean transmittance [1], shape (T,).
        rytov_variance : array_like
            *Spherical-wave* Rytov variance :math:`\beta_0^2` [1], shape (T,), above 0: 0.40 of the plane-wave one on a
            level path.
        """
        alpha, beta = _cells(rytov_variance, 0.56)
        return cls(mean, alpha=alpha, beta=beta)

    @property
    def name(self) -> str:
        """Name, as results state it."""
        return "gamma-gamma"

    @property
    def validity(self) -> str:
        """Where the law holds and by how much it is off, in a sentence."""
        above = 1.0 - float(np.min(self.cumulative(np.ones(1)), initial=1.0))
        return (
            "gamma-gamma: a plane or spherical wave at a receiver smaller than the Fresnel zone sqrt(wavelength x path); "
            "not for larger apertures, nor for an uplink with a beam wider than the Fried parameter; its index of a slant "
            "path is low in moderate fluctuations (0.69 where our wave optics gives 1.05, Rytov variance 0.96); probability "
            f"of a transmittance above 1: up to {above:.1e}"
        )

    @property
    def scintillation_index(self) -> Floats:
        """Variance over squared mean [1], shape (T,)."""
        return np.asarray(1.0 / self.alpha + 1.0 / self.beta + 1.0 / (self.alpha * self.beta))

    def density(self, x: ArrayLike) -> Floats:
        """Probability density at transmittances of shape (X,) or (T, X) [1]; shape (T, X)."""
        from scipy.special import gammaln

        values = at(x, self.mean.size)

        def part(steps: slice) -> tuple[Floats]:
            alpha = self.alpha[steps, None, None]
            y, share = self._large_cells(steps)
            u = np.maximum(values[steps], 0.0)[:, :, None] / (self.mean[steps, None] * y)[:, None, :]
            with np.errstate(divide="ignore", invalid="ignore"):
                logarithm = alpha * np.log(alpha * u) - alpha * u - gammaln(alpha)
                found = np.sum(share[:, None, :] * np.exp(logarithm), axis=-1) / values[steps]
            return (np.where(values[steps] > 0.0, found, 0.0),)

        return in_parts(part, self.mean.size, at_once=self._at_once(values))[0]

    def cumulative(self, x: ArrayLike) -> Floats:
        """Probability of a transmittance up to x, of shape (X,) or (T, X); shape (T, X)."""
        from scipy.special import gammainc

        values = at(x, self.mean.size)

        def part(steps: slice) -> tuple[Floats]:
            alpha = self.alpha[steps, None, None]
            y, share = self._large_cells(steps)
            u = np.maximum(values[steps], 0.0)[:, :, None] / (self.mean[steps, None] * y)[:, None, :]
            return (np.sum(share[:, None, :] * gammainc(alpha, alpha * u), axis=-1),)

        return np.minimum(in_parts(part, self.mean.size, at_once=self._at_once(values))[0], 1.0)

    def points(self) -> tuple[Floats, Floats]:
        """Many transmittances and weights, shape (T, M): sums over them are integrals over the law of smooth functions."""
        x, share_x = _laguerre(self.alpha, 32)
        y, share_y = _laguerre(self.beta, 32)
        product = self.mean[:, None, None] * x[:, :, None] * y[:, None, :]
        joint = share_x[:, :, None] * share_y[:, None, :]
        return product.reshape(self.mean.size, -1), joint.reshape(self.mean.size, -1)

    def rule(self, number: int) -> tuple[Floats, Floats]:
        """Gauss quadrature: `number` transmittances and weights, shape (T, N), that keep 2 N - 1 moments."""
        x, share_x = _laguerre(self.alpha, number)
        y, share_y = _laguerre(self.beta, number)
        product = self.mean[:, None, None] * x[:, :, None] * y[:, None, :]
        joint = share_x[:, :, None] * share_y[:, None, :]
        steps = self.mean.size
        return gauss_rule(product.reshape(steps, -1), joint.reshape(steps, -1), number=number)

    def draw(self, number: int, *, seed: int, stream: int, index: int = 0) -> Floats:
        """`number` independent transmittances of every step, shape (T, number); a function of step, place and key alone."""
        return drawn("gamma_gamma", self.mean, self.alpha, self.beta, number=number, seed=seed, stream=stream, index=index)

    def _large_cells(self, steps: slice) -> tuple[Floats, Floats]:
        """Values of the second factor and their shares, by the trapezoidal rule in the logarithm (error exp(-c/h))."""
        beta = self.beta[steps, None]
        width = np.sqrt(200.0 / beta)
        low = -(width + 40.0 / beta)
        high = np.minimum(width, 1.3 * np.log1p(150.0 / beta) + 0.1)
        t = low + (high - low) * np.linspace(0.0, 1.0, _CELLS)
        share = np.exp(beta * (t - np.expm1(t)))
        return np.exp(t), share / np.sum(share, axis=-1, keepdims=True)

    def _at_once(self, values: Floats) -> int:
        return int(max(1, 2_000_000 // (_CELLS * max(values.shape[1], 1))))


def _cells(rytov_variance: ArrayLike, large: float) -> tuple[Floats, Floats]:
    variance = np.asarray(rytov_variance, dtype=np.float64)
    power = variance ** (6 / 5)
    alpha = 1.0 / np.expm1(0.49 * variance / (1.0 + large * power) ** (7 / 6))
    beta = 1.0 / np.expm1(0.51 * variance / (1.0 + 0.69 * power) ** (5 / 6))
    return np.asarray(alpha), np.asarray(beta)


def _laguerre(shape: Floats, number: int) -> tuple[Floats, Floats]:
    """Gauss rule of the gamma law of mean 1, from the Jacobi matrix of the Laguerre polynomials (DLMF 18.9.2)."""
    alpha, n = shape[:, None], np.arange(number)
    k = n[1:]
    # less the mean, in whose rounding a small variance would be lost
    deviation, weights = from_jacobi(2.0 * n / alpha, np.sqrt(k * (k + alpha - 1.0)) / alpha)
    return np.maximum(1.0 + deviation, 0.0), weights
