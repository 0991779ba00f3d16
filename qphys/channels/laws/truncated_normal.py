"""A normal variate given that it stays below a limit, without cancellation however far below the mean the limit lies."""

from __future__ import annotations

import numpy as np

from qphys.channels.quadrature import panels
from qphys.stages import Floats


def log_moment(order: int, mu: Floats, sigma: Floats) -> Floats:
    r"""Logarithm of a moment of the log-normal law cut at 1.

    .. math:: \ln\langle\eta^n\rangle = n\mu + \frac{n^2\sigma^2}{2} + \ln\frac{\Phi(z_u - n\sigma)}{\Phi(z_u)},
              \qquad z_u = -\frac{\mu}{\sigma}

    Parameters
    ----------
    order : int
        :math:`n`.
    mu, sigma : ndarray
        Mean and deviation of the untruncated logarithm [1].
    """
    from scipy.special import erfcx, log_ndtr

    z_upper = -mu / sigma
    cut, root = np.maximum(-z_upper, 0.0), np.sqrt(2.0)
    near = order * mu + 0.5 * (order * sigma) ** 2 + log_ndtr(z_upper - order * sigma) - log_ndtr(z_upper)
    # below 0 both logarithms grow as z_upper^2 and cancel: the Gaussian factors are taken out by hand
    far = np.log(erfcx((cut + order * sigma) / root) / erfcx(cut / root))
    return np.asarray(np.where(z_upper < 0.0, far, near), dtype=np.float64)


def log_tail_density(z: Floats, z_upper: Floats) -> Floats:
    """Logarithm of the density of a standard normal variate given that it is below `z_upper`, at z up to that."""
    from scipy.special import erfcx, log_ndtr

    cut = np.maximum(-z_upper, 0.0)
    near = -0.5 * z**2 - log_ndtr(z_upper)
    far = -0.5 * (z - z_upper) * (z + z_upper) - np.log(0.5 * erfcx(cut / np.sqrt(2.0)))
    return np.asarray(np.where(cut > 0.0, far, near) - 0.5 * np.log(2.0 * np.pi), dtype=np.float64)


def log_tail_share(z: Floats, z_upper: Floats) -> Floats:
    """Logarithm of the probability of a standard normal variate up to z given that it is below `z_upper`."""
    from scipy.special import erfcx, log_ndtr

    cut, root = np.maximum(-z_upper, 0.0), np.sqrt(2.0)
    below = np.maximum(z_upper - z, 0.0)
    near = log_ndtr(z) - log_ndtr(z_upper)
    deep = np.where(cut > 0.0, below, 0.0)
    far = -0.5 * deep * (deep + 2.0 * cut) + np.log(erfcx((cut + deep) / root) / erfcx(cut / root))
    return np.asarray(np.minimum(np.where(cut > 0.0, far, near), 0.0), dtype=np.float64)


def standard_points(z_upper: Floats, *, count: int) -> tuple[Floats, Floats]:
    """Points and weights of a standard normal variate given that it is below `z_upper`; one more axis of `count`, 16 n."""
    top, cut = np.minimum(z_upper, 9.0)[..., None], np.maximum(-z_upper, 0.0)[..., None]
    fraction, weights = panels(np.linspace(0.0, 1.0, count // 16 + 1))
    # from where exp(-40) is left up to the limit
    below = (np.maximum(top, 0.0) + 81.0 / (np.hypot(cut, 9.0) + cut)) * fraction
    weights = weights * np.exp(-0.5 * below * (below - 2.0 * top) - 0.5 * np.where(top > 0.0, top, 0.0) ** 2)
    return top - below, weights / np.sum(weights, axis=-1, keepdims=True)
