"""Log-normal transmittance that never exceeds a limit, with its mean solved for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qphys.channels.fading import log_normal_rule, truncated_median
from qphys.channels.laws.law import at, drawn, of_steps, require, settle
from qphys.channels.laws.truncated_normal import log_moment, log_tail_density, log_tail_share, standard_points
from qphys.stages import Floats

_SMALLEST_CEILING: Final = 1e-9
"""Logarithm of the limit over the mean below which the law is taken as a point, as in `fading.log_normal_rule`."""


@dataclass(frozen=True, eq=False)
class LogNormal:
    r"""Log-normal law given that the transmittance does not exceed a limit; the mean is that of the truncated law.

    .. math:: p(\eta) = \frac{1}{\Phi(z_u)\,\sigma\eta\sqrt{2\pi}} e^{-z^2/2}, \quad
              z = \frac{\ln(\eta/m) - \mu}{\sigma}, \quad z_u = z(u), \quad
              e^{\mu + \sigma^2/2}\, \frac{\Phi(z_u - \sigma)}{\Phi(z_u)} = 1

    Parameters
    ----------
    mean : array_like
        Mean transmittance :math:`m` [1], shape (T,), above 0 and at most `upper`.
    log_variance : array_like
        Variance :math:`\sigma^2` of the untruncated logarithm [1], shape (T,); 0: no fluctuation.
    upper : array_like
        Largest transmittance :math:`u` [1], shape (T,): 1 for a receiver that can catch the whole beam.

    Raises
    ------
    ValueError
        A parameter is outside its range.

    Notes
    -----
    Far below the limit it is the log-normal itself, with :math:`\sigma^2 = \ln(1 + \sigma_I^2)`. A plain cut would lower the
    mean: from 0.5 to 0.476 at an index of 0.2. `of_moments` solves for the index as well.
    """

    mean: Floats
    log_variance: Floats
    upper: Floats

    def __init__(self, mean: ArrayLike, log_variance: ArrayLike, *, upper: ArrayLike = 1.0) -> None:
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "log_variance", log_variance)
        object.__setattr__(self, "upper", upper)
        settle(self, "mean", "log_variance", "upper")
        require((self.mean > 0.0) & (self.mean <= self.upper), "mean transmittance must be above 0 and at most the limit")
        require((self.log_variance >= 0.0) & np.isfinite(self.log_variance), "variance of the logarithm must be 0 or more")

    @classmethod
    def of_moments(cls, mean: ArrayLike, scintillation_index: ArrayLike, *, upper: ArrayLike = 1.0) -> Self:
        r"""Law whose mean and scintillation index, after truncation, are those given.

        Parameters
        ----------
        mean, scintillation_index, upper : array_like
            Mean transmittance, variance over squared mean, largest transmittance [1], shape (T,).

        Raises
        ------
        ValueError
            No truncated log-normal law has these moments. The widest with mean :math:`m u` is
            :math:`p \propto \eta^{\beta-1}`, whose index is :math:`(1-m)^2/m(2-m)`.
        """
        m, index, limit = of_steps(mean, scintillation_index, upper)
        variance = np.log1p(index)
        share = m / limit
        require(
            (index >= 0.0) & ((index == 0.0) | (index < (1.0 - share) ** 2 / (share * (2.0 - share)))),
            "no truncated log-normal law has this scintillation index: the largest for a mean m is (1 - m)^2 / m (2 - m)",
        )
        tight = (index > 0.0) & (_moment_excess(variance, -np.log(share)) < -1e-14 * (1.0 + index))
        if np.any(tight):
            ceiling, wanted = -np.log(share[tight]), index[tight]
            low, high = variance[tight], variance[tight] * 2.0
            # the index rises with the variance; the bound above ends the search for an upper end
            for _ in range(60):
                short = _index(high, ceiling) < wanted
                if not np.any(short):
                    break
                high = np.where(short, 4.0 * high, high)
            require(_index(high, ceiling) >= wanted, "the scintillation index is too near to the largest for its mean")
            for _ in range(60):
                middle = np.sqrt(low * high)
                below = _index(middle, ceiling) < wanted
                low, high = np.where(below, middle, low), np.where(below, high, middle)
            variance[tight] = np.sqrt(low * high)
        return cls(m, variance, upper=limit)

    @property
    def name(self) -> str:
        """Name, as results state it."""
        return "log-normal"

    @property
    def validity(self) -> str:
        """Where the law holds and by how much it is off, in a sentence."""
        return (
            "log-normal: weak fluctuations of a received power that is summed (scintillation index up to about 0.3, Rytov "
            "variance up to 1); against our wave optics its distance (Kolmogorov-Smirnov) is 0.057 to 0.076 at a Rytov "
            "variance of 0.15 and 0.16 to 0.28 at 2.9; too light in the lower tail of light coupled into a fibre above an "
            "index of 0.02"
        )

    @property
    def scintillation_index(self) -> Floats:
        """Variance over squared mean of the truncated law [1], shape (T,)."""
        return _index(self.log_variance, np.log(self.upper / self.mean))

    def density(self, x: ArrayLike) -> Floats:
        """Probability density at transmittances of shape (X,) or (T, X) [1]; shape (T, X)."""
        values = at(x, self.mean.size)
        z, z_upper, sigma = self._standard(values)
        inside = (values > 0.0) & (values <= self.upper[:, None])
        y = np.where(inside, values, 1.0)
        result = np.where(inside, np.exp(log_tail_density(z, z_upper)) / (sigma * y), 0.0)
        fixed = np.where(values == self.mean[:, None], np.inf, 0.0)
        return np.where(self._still, fixed, result)

    def cumulative(self, x: ArrayLike) -> Floats:
        """Probability of a transmittance up to x, of shape (X,) or (T, X); shape (T, X)."""
        values = at(x, self.mean.size)
        z, z_upper, _ = self._standard(values)
        result = np.exp(log_tail_share(z, z_upper))
        result = np.where(values <= 0.0, 0.0, np.where(values >= self.upper[:, None], 1.0, result))
        return np.where(self._still, (values >= self.mean[:, None]).astype(np.float64), result)

    def points(self) -> tuple[Floats, Floats]:
        """Many transmittances and weights, shape (T, M): sums over them are integrals over the law of smooth functions."""
        mu, sigma, z_upper = self._parameters
        z, weights = standard_points(z_upper, count=192)
        values = self.mean[:, None] * np.exp(mu[:, None] + sigma[:, None] * z)
        values = np.where(self._still, self.mean[:, None], np.minimum(values, self.upper[:, None]))
        return values, weights

    def rule(self, number: int) -> tuple[Floats, Floats]:
        """Gauss quadrature: `number` transmittances and weights, shape (T, N), that keep 2 N - 1 moments."""
        nodes, weights = log_normal_rule(self.log_variance, upper=self.upper / self.mean, number=number)
        return nodes * self.mean[:, None], weights

    def draw(self, number: int, *, seed: int, stream: int, index: int = 0) -> Floats:
        """`number` independent transmittances of every step, shape (T, number); a function of step, place and key alone."""
        mu, sigma, z_upper = self._parameters
        still = self._still[:, 0]
        median, deviation = np.log(self.mean) + np.where(still, 0.0, mu), np.where(still, 0.0, sigma)
        limit = np.where(still, np.inf, z_upper)
        values = drawn("log_normal", median, deviation, limit, number=number, seed=seed, stream=stream, index=index)
        return np.minimum(values, self.upper[:, None])

    @property
    def _still(self) -> NDArray[np.bool_]:
        """Where the law is a point, shape (T, 1)."""
        return (self.log_variance <= 0.0)[:, None] | (np.log(self.upper / self.mean) < _SMALLEST_CEILING)[:, None]

    @cached_property
    def _parameters(self) -> tuple[Floats, Floats, Floats]:
        """Median and deviation of the logarithm of the factor, limit in units of it; of a fixed factor, deviation 1."""
        sigma = np.sqrt(np.where(self.log_variance > 0.0, self.log_variance, 1.0))
        ceiling = np.log(self.upper / self.mean)
        mu = _median(sigma, ceiling)
        return mu, sigma, (ceiling - mu) / sigma

    def _standard(self, values: Floats) -> tuple[Floats, Floats, Floats]:
        mu, sigma, z_upper = self._parameters
        positive = np.where(values > 0.0, values, 1.0)
        z = (np.log(positive / self.mean[:, None]) - mu[:, None]) / sigma[:, None]
        return z, z_upper[:, None], sigma[:, None]


def _median(sigma: Floats, ceiling: Floats) -> Floats:
    """Median of the logarithm for which the truncated law has the mean 1."""
    mu = -0.5 * sigma**2
    # nine deviations from the limit, the cut part weighs 1e-19; at the limit itself the law is a point
    tight = ((ceiling - mu) / sigma - sigma < 9.0) & (ceiling >= _SMALLEST_CEILING)
    if np.any(tight):
        mu[tight] = truncated_median(sigma[tight], ceiling[tight])
    return mu


def _moment_excess(variance: Floats, ceiling: Floats) -> Floats:
    """Second moment of the truncated law of mean 1 less that of the untruncated."""
    return np.asarray(_index(variance, ceiling) - np.expm1(variance))


def _index(variance: Floats, ceiling: Floats) -> Floats:
    """Scintillation index of the truncated law of mean 1."""
    still = (variance <= 0.0) | (ceiling < _SMALLEST_CEILING)
    sigma = np.sqrt(np.where(still, 1.0, variance))
    mu = _median(sigma, ceiling)
    free = (ceiling - mu) / sigma - 2.0 * sigma >= 9.0
    logarithm = np.where(free, sigma**2, 2.0 * ceiling + log_moment(2, mu - ceiling, sigma))
    return np.asarray(np.where(still, 0.0, np.expm1(logarithm)), dtype=np.float64)
