"""Distributions of transmittance as a few nodes that keep the law's moments."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qphys.channels.interpolation import through_nodes
from qphys.channels.quadrature import panels
from qphys.stages import Floats

MAXIMUM_NODES: Final = 32

_STEPS_AT_ONCE: Final = 1024


def gauss_rule(points: Floats, weights: Floats, *, number: int) -> tuple[Floats, Floats]:
    r"""Gauss quadrature of discrete distributions: fewer nodes that keep the moments of order 0 to ``2 number - 1``.

    Parameters
    ----------
    points : ndarray
        Values of each distribution, shape (T, M).
    weights : ndarray
        Their weights, not negative, of any positive sum, shape (T, M).
    number : int
        Number of nodes N.

    Returns
    -------
    nodes, node_weights : ndarray
        Shape (T, N): nodes ascending, within the range of the points; weights sum to 1. A distribution of fewer than N
        distinct points gets nodes of weight 0.

    Notes
    -----
    Lanczos' method on the diagonal matrix of the points, started from the square roots of the weights, gives the Jacobi
    matrix; its eigenvalues are the nodes and the squared first components of its eigenvectors the weights (Golub and Welsch,
    Math. Comp. 23, 221 (1969)). Both are done for all T at once, with full reorthogonalisation and in units of mean and
    standard deviation, since raw moments would lose all digits at N = 8.
    """
    weights = weights / np.sum(weights, axis=-1, keepdims=True)
    mean = np.sum(weights * points, axis=-1, keepdims=True)
    deviation = np.sqrt(np.sum(weights * (points - mean) ** 2, axis=-1, keepdims=True))
    fixed = deviation <= 1e-14 * np.abs(mean)
    y = np.where(fixed, 0.0, points - mean) / np.where(fixed, 1.0, deviation)
    steps = points.shape[0]
    diagonal, beside = np.zeros((steps, number)), np.zeros((steps, number - 1))
    basis = np.zeros((steps, number, points.shape[1]))
    basis[:, 0] = np.sqrt(weights)
    for n in range(number):
        vector = y * basis[:, n]
        diagonal[:, n] = np.vecdot(basis[:, n], vector)
        if n + 1 == number:
            break
        size = np.sqrt(np.vecdot(vector, vector))
        earlier = basis[:, : n + 1]
        for _ in range(2):
            overlap = vector[:, None] @ earlier.mT
            vector -= (overlap @ earlier)[:, 0]
        residual = np.sqrt(np.vecdot(vector, vector))
        # an exhausted distribution leaves rounding noise: its further nodes stand at the mean with weight 0
        alive = residual > 1e-12 * size
        residual = np.where(alive, residual, 0.0)
        basis[:, n + 1] = np.where(alive[:, None], vector / np.where(alive, residual, 1.0)[:, None], 0.0)
        beside[:, n] = residual
    eigenvalues, node_weights = from_jacobi(diagonal, beside)
    lowest, highest = points.min(axis=-1, keepdims=True), points.max(axis=-1, keepdims=True)
    nodes = np.clip(mean + deviation * eigenvalues, lowest, highest)
    return nodes, node_weights


def log_normal_rule(log_variance: Floats, *, upper: Floats, number: int) -> tuple[Floats, Floats]:
    r"""Gauss quadrature of a log-normal factor of mean 1 that never exceeds an upper limit.

    .. math:: I = e^{\mu + \sigma z}, \quad z \sim N(0, 1) \text{ given } I \le u, \qquad
              e^{\mu + \sigma^2/2}\, \frac{\Phi(z_u - \sigma)}{\Phi(z_u)} = 1, \quad z_u = \frac{\ln u - \mu}{\sigma}

    Parameters
    ----------
    log_variance : ndarray
        Variance :math:`\sigma^2 = \ln(1 + \sigma_I^2)` of the untruncated logarithm [1], shape (T,).
    upper : ndarray
        Largest value :math:`u \ge 1` of the factor [1], shape (T,): one over the transmittance it multiplies, so that
        no node gives back more light than was sent.
    number : int
        Number of nodes N.

    Returns
    -------
    nodes, weights : ndarray
        Factors and probabilities, shape (T, N).

    Notes
    -----
    Where even the highest moment does not feel the limit (`_is_free`), the rule is that of the Stieltjes-Wigert polynomials
    (Chihara, *An Introduction to Orthogonal Polynomials* (1978), VI.2). Elsewhere the truncated density is put on a grid
    and reduced by `gauss_rule`. A plain cut at u lowers the mean (from 0.5 to 0.476 at a scintillation index of 0.2); here
    :math:`\mu` is solved for, so that the mean stays 1. The variance is then below the untruncated one; far from the limit
    the law is the log-normal itself, with all its moments :math:`e^{n(n-1)\sigma^2/2}`.
    """
    free = _is_free(log_variance, upper=upper, number=number)
    nodes, weights = np.empty((free.size, number)), np.empty((free.size, number))
    nodes[free], weights[free] = _free_rule(log_variance[free], number=number)
    if not np.all(free):
        nodes[~free], weights[~free] = _truncated_rule(log_variance[~free], upper=upper[~free], number=number)
    return nodes, weights


def _is_free(log_variance: Floats, *, upper: Floats, number: int) -> NDArray[np.bool_]:
    """Where the limit lies nine deviations above the density times the highest power kept: what it cuts weighs 1e-19."""
    sigma = np.sqrt(log_variance)
    return (log_variance > 0.0) & (np.log(upper) + 0.5 * log_variance >= sigma * (9.0 + (2 * number - 1) * sigma))


def _free_rule(log_variance: Floats, *, number: int) -> tuple[Floats, Floats]:
    r"""Nodes and weights of the log-normal law itself, from its Jacobi matrix.

    .. math:: \alpha_n = q^{-2n} (1 + q - q^{n+1}), \quad \beta_n = q^{3-4n} (1 - q^n), \quad q = e^{-\sigma^2}
    """
    variance, n = log_variance[:, None], np.arange(number)
    # less the mean 1, in whose rounding errors a small variance would be lost
    alpha = np.expm1(2 * n * variance) - np.exp((2 * n - 1) * variance) * np.expm1(-n * variance)
    beta = -np.exp((4 * n - 3) * variance) * np.expm1(-n * variance)
    nodes, weights = from_jacobi(alpha, np.sqrt(beta[:, 1:]))
    return np.maximum(1.0 + nodes, 0.0), weights


def from_jacobi(diagonal: Floats, beside: Floats) -> tuple[Floats, Floats]:
    """Nodes and weights of Gauss quadrature from Jacobi matrices (Golub and Welsch, Math. Comp. 23, 221 (1969)).

    Parameters
    ----------
    diagonal : ndarray
        Diagonals, shape (T, N).
    beside : ndarray
        What stands beside them, shape (T, N - 1).

    Returns
    -------
    nodes, weights : ndarray
        Eigenvalues, ascending, and squared first components of the eigenvectors, shape (T, N).
    """
    number = diagonal.shape[-1]
    jacobi = diagonal[:, :, None] * np.eye(number)
    at = np.arange(number - 1)
    # of a symmetric matrix the lower triangle is read
    jacobi[:, at + 1, at] = beside
    eigenvalues, eigenvectors = np.linalg.eigh(jacobi)
    return eigenvalues, eigenvectors[:, 0, :] ** 2


def _truncated_rule(log_variance: Floats, *, upper: Floats, number: int) -> tuple[Floats, Floats]:
    """Nodes and weights of the log-normal law of mean 1 given that it does not exceed the limit."""
    still = (log_variance <= 0.0) | (np.log(upper) < 1e-9)
    sigma = np.sqrt(np.where(still, 1.0, log_variance))
    ceiling = np.where(still, 1.0, np.log(upper))
    mu = -0.5 * sigma**2
    # nine deviations from the limit, the cut part weighs 1e-19
    tight = (ceiling - mu) / sigma - sigma < 9.0
    if np.any(tight):
        mu[tight] = truncated_median(sigma[tight], ceiling[tight])
    z_upper = (ceiling - mu) / sigma
    cut = np.maximum(-z_upper, 0.0)
    # distance below the limit in units of sigma: from where the highest moment has faded to where the density has
    first = np.maximum(z_upper - 9.0 - (2 * number - 1) * sigma, 0.0)
    last = np.maximum(z_upper, 0.0) + 81.0 / (np.hypot(cut, 9.0) + cut)
    # a Gaussian wants a panel each 4.5 deviations, an exponential that falls by exp(-40) wants six
    count = max(6, int(np.ceil(float(np.max(last - first, initial=0.0)) / 4.5)))
    fraction, weights = panels(np.linspace(0.0, 1.0, count + 1))
    below = first[:, None] + (last - first)[:, None] * fraction
    density = np.exp(-0.5 * (np.maximum(z_upper, 0.0)[:, None] - below) ** 2 - cut[:, None] * below)
    values = np.where(still[:, None], 1.0, np.exp(ceiling[:, None] - sigma[:, None] * below))
    nodes, node_weights = gauss_rule(values, weights * density, number=number)
    return np.minimum(nodes, upper[:, None]), node_weights


def truncated_median(sigma: Floats, ceiling: Floats) -> Floats:
    """Median of the logarithm for which the log-normal cut at a ceiling has the mean 1, by bisection.

    Parameters
    ----------
    sigma : ndarray
        Deviation of the untruncated logarithm [1], above 0, any shape.
    ceiling : ndarray
        Logarithm of the largest value [1], above 0, of the same shape.

    Returns
    -------
    ndarray
        Median of the untruncated logarithm [1].
    """
    from scipy.special import erfcx, log_ndtr

    root = np.sqrt(2.0)
    # the mean rises with the shift; Jensen's inequality and the Mills ratio give the upper end
    low, high = -0.5 * sigma**2, ceiling + sigma**2 / ceiling
    for _ in range(100):
        mu = 0.5 * (low + high)
        z_upper = (ceiling - mu) / sigma
        # below 0 the two logarithms grow as z_upper^2 and cancel: there the Gaussian factors are taken out by hand
        near = mu + 0.5 * sigma**2 + log_ndtr(z_upper - sigma) - log_ndtr(z_upper)
        cut = np.maximum(-z_upper, 0.0)
        far = ceiling + np.log(erfcx((cut + sigma) / root) / erfcx(cut / root))
        above = np.where(z_upper < 0.0, far, near) > 0.0
        low, high = np.where(above, low, mu), np.where(above, mu, high)
    return np.asarray(0.5 * (low + high), dtype=np.float64)


def fading_rule(
    scintillation_index: ArrayLike,
    *,
    upper: ArrayLike,
    pointing: tuple[Floats, Floats] | None,
    number: int,
) -> tuple[Floats, Floats]:
    """Nodes of the product of a log-normal factor (turbulence) and an independent pointing factor, for every time step.

    Parameters
    ----------
    scintillation_index : array_like
        Variance of the log-normal factor over its squared mean [1], shape (T,); 0: no fluctuation.
    upper : array_like
        Largest value of the log-normal factor [1], shape (T,).
    pointing : tuple of ndarray, or None
        Nodes and weights of the pointing factor (`pointing_rule`), of at least `number` nodes; None: no jitter.
    number : int
        Number of nodes N.

    Returns
    -------
    nodes, weights : ndarray
        Shape (T, N): nodes ascending, with the moments of order 0 to 2 N - 1 of the product. Node n is the n-th darkest at
        every step, so that a fade may run on from step to step by its index. Without any fluctuation there is one node of 1.
    """
    index = np.atleast_1d(np.asarray(scintillation_index, dtype=np.float64))
    limit = np.broadcast_to(np.asarray(upper, dtype=np.float64), index.shape)
    if not np.any(index > 0.0):
        nodes, weights = (np.ones(1), np.ones(1)) if pointing is None else pointing
        return np.tile(nodes, (index.size, 1)), np.tile(weights, (index.size, 1))
    variance = np.log1p(index)
    nodes, weights = np.empty((index.size, number)), np.empty((index.size, number))
    free = _is_free(variance, upper=limit, number=number)
    if np.any(free):
        nodes[free], weights[free] = _free_product_rule(variance[free], pointing=pointing, number=number)
    if not np.all(free):
        nodes[~free], weights[~free] = _product_rule(variance[~free], upper=limit[~free], pointing=pointing, number=number)
    return nodes, weights


def _free_product_rule(variance: Floats, *, pointing: tuple[Floats, Floats] | None, number: int) -> tuple[Floats, Floats]:
    """Rule of steps that do not feel the limit: analytic in the logarithm of the variance, on which alone it depends."""

    def rule(logarithm: Floats) -> Floats:
        limit = np.full(logarithm.shape, np.inf)
        nodes, weights = _product_rule(np.exp(logarithm), upper=limit, pointing=pointing, number=number)
        # components of eigenvectors: all are known to about 1e-16, while the weights span many decades
        return np.concatenate([nodes, np.sqrt(weights)], axis=-1)

    nodes, components = np.split(through_nodes(rule, np.log(variance), number=48, tolerance=1e-13), 2, axis=-1)
    return np.maximum(nodes, 0.0), components**2


def _product_rule(
    variance: Floats, *, upper: Floats, pointing: tuple[Floats, Floats] | None, number: int
) -> tuple[Floats, Floats]:
    nodes, weights = np.empty((variance.size, number)), np.empty((variance.size, number))
    for first in range(0, variance.size, _STEPS_AT_ONCE):
        part = slice(first, first + _STEPS_AT_ONCE)
        factor, share = log_normal_rule(variance[part], upper=upper[part], number=number)
        if pointing is not None:
            product = factor[:, :, None] * pointing[0]
            joint = share[:, :, None] * pointing[1]
            factor, share = gauss_rule(product.reshape(len(factor), -1), joint.reshape(len(factor), -1), number=number)
        nodes[part], weights[part] = factor, share
    return nodes, weights
