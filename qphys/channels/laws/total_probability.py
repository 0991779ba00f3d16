"""Law of total probability: log-normal about each offset of a wandering beam."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from qphys.channels.fading import gauss_rule
from qphys.channels.laws.aperture import weibull_shape
from qphys.channels.laws.law import at, drawn, in_parts, of_steps, require, settle
from qphys.channels.laws.truncated_normal import log_moment, log_tail_density, log_tail_share, standard_points
from qphys.channels.quadrature import panels
from qphys.stages import Floats


@dataclass(frozen=True, eq=False)
class TotalProbability:
    r"""Transmittance that is log-normal given the beam's offset, which is Rayleigh distributed.

    .. math:: p(\eta) = \int_0^\infty \frac{r}{\sigma^2} e^{-r^2/2\sigma^2}\, p_{LN}(\eta; \mu(r), s^2)\, dr, \qquad
              \mu(r) = \mu_0 - (r/R)^\ell

    with the log-normal :math:`p_{LN}` of median :math:`e^\mu` cut at 1, and the Weibull approximation of what the aperture
    catches at an offset (`weibull_shape`) for the short-term beam.

    Parameters
    ----------
    log_median : array_like
        :math:`\mu_0` of the untruncated logarithm without offset [1], shape (T,).
    log_variance : array_like
        Variance :math:`s^2` of the untruncated logarithm [1], shape (T,), above 0.
    aperture_radius, beam_radius : array_like
        Radius of the aperture, and *short-term* radius 1/e^2 of the beam [m], shape (T,).
    wander : array_like
        Wander of the centroid, rms per axis, :math:`\sigma` [m], shape (T,); 0: tracked.

    Raises
    ------
    ValueError
        A parameter is outside its range.

    Notes
    -----
    Vasylyev, Semenov, Vogel et al., Phys. Rev. A 97, 063852 (2018); on slant paths Phys. Rev. A 99, 053830 (2019). It goes
    over from the log-negative Weibull law (much wander) to the truncated log-normal one (none). There the moments of the
    untruncated law are set; `of_moments` solves for those of the law itself.
    """

    log_median: Floats
    log_variance: Floats
    aperture_radius: Floats
    beam_radius: Floats
    wander: Floats

    def __init__(
        self,
        log_median: ArrayLike,
        log_variance: ArrayLike,
        *,
        aperture_radius: ArrayLike,
        beam_radius: ArrayLike,
        wander: ArrayLike,
    ) -> None:
        names = ("log_median", "log_variance", "aperture_radius", "beam_radius", "wander")
        given = (log_median, log_variance, aperture_radius, beam_radius, wander)
        for field, value in zip(names, given, strict=True):
            object.__setattr__(self, field, value)
        settle(self, *names)
        require(np.isfinite(self.log_median), "log_median must be finite")
        for field in names[1:4]:
            value = getattr(self, field)
            require((value > 0.0) & np.isfinite(value), f"{field} must be above 0")
        require((self.wander >= 0.0) & np.isfinite(self.wander), "wander must be 0 or more")

    @classmethod
    def of_moments(
        cls,
        mean: ArrayLike,
        scintillation_index: ArrayLike,
        *,
        aperture_radius: ArrayLike,
        beam_radius: ArrayLike,
        wander: ArrayLike,
    ) -> Self:
        """Law whose mean and scintillation index, after truncation, are those given.

        Parameters
        ----------
        mean, scintillation_index : array_like
            Mean transmittance, variance over squared mean [1], shape (T,).
        aperture_radius, beam_radius, wander : array_like
            As in `TotalProbability` [m], shape (T,).

        Raises
        ------
        ValueError
            No such law has these moments: the index is below that of the wander alone, or near the largest of its mean.
        """
        m, index, a, w, s = of_steps(mean, scintillation_index, aperture_radius, beam_radius, wander)
        require((m > 0.0) & (m < 1.0), "mean transmittance must be above 0 and below 1")
        depth, weights = _depths(a, w, s)
        first = np.sum(weights * np.exp(-depth), axis=-1)
        excess = np.log1p(index) - np.log(np.sum(weights * np.exp(-2.0 * depth), axis=-1) / first**2)
        require(excess > 0.0, "the scintillation index is not above that of the wander alone")
        # of the untruncated law, then Newton for the truncated one
        x = np.stack([np.log(m / first) - 0.5 * excess, np.log(excess)])

        def mismatch(x: Floats) -> Floats:
            mu, sigma = x[0][:, None] - depth, np.exp(0.5 * x[1])[:, None]
            low = np.log(np.sum(weights * np.exp(log_moment(1, mu, sigma)), axis=-1))
            high = np.log(np.sum(weights * np.exp(log_moment(2, mu, sigma)), axis=-1))
            return np.stack([low - np.log(m), high - 2.0 * low - np.log1p(index)])

        error = mismatch(x)
        for _ in range(60):
            if np.all(np.abs(error) < 1e-12):
                break
            steps = [np.array([[1e-5], [0.0]]), np.array([[0.0], [1e-5]])]
            (a00, a10), (a01, a11) = ((mismatch(x + step) - mismatch(x - step)) / 2e-5 for step in steps)
            determinant = a00 * a11 - a01 * a10
            determinant = np.where(determinant == 0.0, np.inf, determinant)
            move = np.stack([a11 * error[0] - a01 * error[1], a00 * error[1] - a10 * error[0]]) / determinant
            move = np.clip(move, -0.7, 0.7)
            x = x - move
            error = mismatch(x)
        require(np.max(np.abs(error), axis=0) < 1e-9, "no law of total probability with these moments was found")
        return cls(x[0], np.exp(x[1]), aperture_radius=a, beam_radius=w, wander=s)

    @classmethod
    def of_slant_path(
        cls,
        mean: ArrayLike,
        scintillation_index: ArrayLike,
        *,
        aperture_radius: ArrayLike,
        beam_radius: ArrayLike,
        wander: ArrayLike,
        pointing_jitter: ArrayLike,
        distance: ArrayLike,
    ) -> Self:
        r"""Law of a satellite link: the offset at the receiver is that of turbulence and of the terminal's pointing.

        .. math:: \sigma^2 = \sigma_{\text{wander}}^2 + (L \sigma_\theta)^2

        Parameters
        ----------
        mean, scintillation_index : array_like
            Of everything together [1], shape (T,).
        aperture_radius, beam_radius, wander : array_like
            As in `TotalProbability` [m], shape (T,); of a downlink the wander by turbulence is 0.
        pointing_jitter : array_like
            Pointing error, rms per axis, :math:`\sigma_\theta` [rad].
        distance : array_like
            Range :math:`L` [m], shape (T,).

        Notes
        -----
        Vasylyev, Vogel and Moll, Phys. Rev. A 99, 053830 (2019), take the moments from weak theory on the slant path. Here
        they are the caller's, from `beam` and `scintillation`.
        """
        length, jitter, s = (np.asarray(value, dtype=np.float64) for value in (distance, pointing_jitter, wander))
        return cls.of_moments(
            mean,
            scintillation_index,
            aperture_radius=aperture_radius,
            beam_radius=beam_radius,
            wander=np.hypot(s, length * jitter),
        )

    @property
    def name(self) -> str:
        """Name, as results state it."""
        return "total probability"

    @property
    def validity(self) -> str:
        """Where the law holds and by how much it is off, in a sentence."""
        return (
            "total probability: weak fluctuations of a beam comparable with the aperture (Rytov variance up to about "
            "1), the closest law there: its distance (Kolmogorov-Smirnov) to our wave optics is 0.016 to 0.029 at a "
            "Rytov variance of 0.15, and 0.13 to 0.19 at 2.9, where beta is closer"
        )

    @property
    def mean(self) -> Floats:
        """Mean transmittance [1], shape (T,)."""
        return self._moment(1)

    @property
    def scintillation_index(self) -> Floats:
        """Variance over squared mean [1], shape (T,)."""
        return np.asarray(self._moment(2) / self.mean**2 - 1.0)

    def density(self, x: ArrayLike) -> Floats:
        """Probability density at transmittances of shape (X,) or (T, X) [1]; shape (T, X)."""
        values = at(x, self.wander.size)
        inside = (values > 0.0) & (values <= 1.0)
        y = np.where(inside, values, 0.5)

        def part(steps: slice) -> tuple[Floats]:
            z, z_upper, sigma, weights = self._standard(y, steps)
            return (np.sum(weights * np.exp(log_tail_density(z, z_upper)) / sigma, axis=-1) / y[steps],)

        return np.where(inside, in_parts(part, self.wander.size, at_once=_at_once(y))[0], 0.0)

    def cumulative(self, x: ArrayLike) -> Floats:
        """Probability of a transmittance up to x, of shape (X,) or (T, X); shape (T, X)."""
        values = at(x, self.wander.size)
        y = np.where((values > 0.0) & (values < 1.0), values, 0.5)

        def part(steps: slice) -> tuple[Floats]:
            z, z_upper, _, weights = self._standard(y, steps)
            return (np.sum(weights * np.exp(log_tail_share(z, z_upper)), axis=-1),)

        found = np.minimum(in_parts(part, self.wander.size, at_once=_at_once(y))[0], 1.0)
        return np.where(values <= 0.0, 0.0, np.where(values >= 1.0, 1.0, found))

    def points(self) -> tuple[Floats, Floats]:
        """Many transmittances and weights, shape (T, M): sums over them are integrals over the law of smooth functions."""
        return self._grid(64)

    def rule(self, number: int) -> tuple[Floats, Floats]:
        """Gauss quadrature: `number` transmittances and weights, shape (T, N), that keep 2 N - 1 moments."""

        def part(steps: slice) -> tuple[Floats, ...]:
            return gauss_rule(*self._grid(64, steps), number=number)

        nodes, weights = in_parts(part, self.wander.size, at_once=16)
        return nodes, weights

    def draw(self, number: int, *, seed: int, stream: int, index: int = 0) -> Floats:
        """`number` independent transmittances of every step, shape (T, number); a function of step, place and key alone."""
        logarithm, exponent, _ = weibull_shape(4.0 * (self.aperture_radius / self.beam_radius) ** 2)
        scale = self.aperture_radius * logarithm ** (-1.0 / exponent)
        parameters = (self.log_median, np.sqrt(self.log_variance), scale, exponent, self.wander)
        return drawn("total_probability", *parameters, number=number, seed=seed, stream=stream, index=index)

    def _grid(self, every: int, steps: slice = slice(None)) -> tuple[Floats, Floats]:
        """Offsets times standard normals."""
        depth, weights = _depths(self.aperture_radius[steps], self.beam_radius[steps], self.wander[steps])
        sigma = np.sqrt(self.log_variance[steps])[:, None]
        mu = self.log_median[steps, None] - depth
        z, share = standard_points(-mu / sigma, count=every)
        x = np.exp(np.minimum(mu[:, :, None] + sigma[:, :, None] * z, 0.0))
        return x.reshape(x.shape[0], -1), (weights[:, :, None] * share).reshape(x.shape[0], -1)

    def _moment(self, order: int) -> Floats:
        depth, weights = _depths(self.aperture_radius, self.beam_radius, self.wander)
        mu, sigma = self.log_median[:, None] - depth, np.sqrt(self.log_variance)[:, None]
        return np.asarray(np.sum(weights * np.exp(log_moment(order, mu, sigma)), axis=-1))

    def _standard(self, y: Floats, steps: slice) -> tuple[Floats, Floats, Floats, Floats]:
        depth, weights = _depths(self.aperture_radius[steps], self.beam_radius[steps], self.wander[steps])
        sigma = np.sqrt(self.log_variance[steps])[:, None, None]
        mu = (self.log_median[steps, None] - depth)[:, None, :]
        return (np.log(y[steps])[:, :, None] - mu) / sigma, -mu / sigma, sigma, weights[:, None, :]


def _depths(aperture_radius: Floats, beam_radius: Floats, wander: Floats) -> tuple[Floats, Floats]:
    r"""Loss :math:`(r/R)^\ell` at Rayleigh distributed offsets, and weights, shape (T, 160)."""
    logarithm, exponent, _ = weibull_shape(4.0 * (aperture_radius / beam_radius) ** 2)
    # r = sigma v: the Rayleigh density ends at v = 9
    v, weights = panels(np.linspace(0.0, 9.0, 11))
    weights = weights * v * np.exp(-0.5 * v**2)
    ratio = (wander / aperture_radius)[:, None] * v
    depth = logarithm[:, None] * ratio ** exponent[:, None]
    return depth, np.broadcast_to(weights / np.sum(weights), depth.shape)


def _at_once(values: Floats) -> int:
    return int(max(1, 2_000_000 // (160 * max(values.shape[1], 1))))
