"""Gaussian states as normal-ordered moments, which stay exact however faint the light is.

A covariance matrix of quadratures holds the vacuum's 1 beside the photons' 1e-10 and has lost their digits; normal-ordered
moments hold the photons alone. Every function broadcasts over leading axes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from qphys.stages import Complexes, Floats


class GaussianMoments(NamedTuple):
    r"""A Gaussian state of n modes: :math:`N`, :math:`M` and :math:`\alpha`."""

    number: Complexes
    r""":math:`N_{ij} = \langle a_i^\dagger a_j \rangle - \alpha_i^* \alpha_j`, (..., n, n)."""
    anomalous: Complexes
    r""":math:`M_{ij} = \langle a_i a_j \rangle - \alpha_i \alpha_j`, (..., n, n)."""
    mean: Complexes
    r""":math:`\alpha_i = \langle a_i \rangle`, (..., n)."""


def vacuum(modes: int) -> GaussianMoments:
    """Return the vacuum of some modes: all moments are zero.

    Parameters
    ----------
    modes : int
        Number of modes.

    Returns
    -------
    GaussianMoments
    """
    zero = np.zeros((modes, modes), dtype=np.complex128)
    return GaussianMoments(zero, zero, np.zeros(modes, dtype=np.complex128))


def transform(moments: GaussianMoments, matrix: ArrayLike) -> GaussianMoments:
    r"""Send light through passive linear optics, losses included.

    .. math:: a \to A a: \qquad N \to A^* N A^T, \quad M \to A M A^T, \quad \alpha \to A \alpha

    Parameters
    ----------
    moments : GaussianMoments
    matrix : array_like
        :math:`A` (..., m, n): amplitude of each output mode for each input mode, no singular value above 1. What a
        contraction takes away goes to modes nobody looks at, and their vacuum adds nothing to normal-ordered moments.

    Returns
    -------
    GaussianMoments
        Of m modes.

    Examples
    --------
    Half of the photons are lost, in each of two modes.

    >>> light = squeeze(vacuum(2), [[1, 0], [0, 1]], np.sinh(0.1) * np.array([[0, 1], [1, 0]]))
    >>> lost = transform(light, np.sqrt(0.5) * np.eye(2))
    >>> bool(np.allclose(lost.number, light.number / 2))
    True
    """
    amplitude = np.asarray(matrix, dtype=np.complex128)
    transposed = amplitude.swapaxes(-1, -2)
    return GaussianMoments(
        amplitude.conj() @ moments.number @ transposed,
        amplitude @ moments.anomalous @ transposed,
        (amplitude @ moments.mean[..., np.newaxis])[..., 0],
    )


def squeeze(moments: GaussianMoments, cosine: ArrayLike, sine: ArrayLike) -> GaussianMoments:
    r"""Send light through a parametric amplifier.

    .. math::
        a \to C a + S a^{\dagger}: \quad
        N &\to C^* N C^T + S^* (1 + N^T) S^T + C^* M^* S^T + S^* M C^T \\
        M &\to C M C^T + S M^* S^T + C (1 + N^T) S^T + S N C^T

    Parameters
    ----------
    moments : GaussianMoments
    cosine, sine : array_like
        :math:`C, S` (..., n, n), with :math:`C C^\dagger - S S^\dagger = 1` and :math:`C S^T` symmetric. Two modes:
        :math:`\cosh r` on the diagonal, :math:`e^{i\phi} \sinh r` beside it.

    Returns
    -------
    GaussianMoments

    Notes
    -----
    The vacuum's contribution is :math:`S^* S^T` itself; nothing is subtracted from 1.
    """
    C, S = np.asarray(cosine, dtype=np.complex128), np.asarray(sine, dtype=np.complex128)
    Ct, St = C.swapaxes(-1, -2), S.swapaxes(-1, -2)
    N, M, alpha = moments
    antinormal = np.eye(N.shape[-1]) + N.swapaxes(-1, -2)
    number = C.conj() @ N @ Ct + S.conj() @ antinormal @ St + C.conj() @ M.conj() @ St + S.conj() @ M @ Ct
    anomalous = C @ M @ Ct + S @ M.conj() @ St + C @ antinormal @ St + S @ N @ Ct
    mean = (C @ alpha[..., np.newaxis] + S @ alpha.conj()[..., np.newaxis])[..., 0]
    return GaussianMoments(number, anomalous, mean)


def add_thermal(moments: GaussianMoments, mean_photon_numbers: ArrayLike) -> GaussianMoments:
    r"""Add thermal light that arrives in the modes, :math:`N_{ii} \to N_{ii} + n_i`.

    Parameters
    ----------
    moments : GaussianMoments
    mean_photon_numbers : array_like
        :math:`n_i \ge 0` (..., n): photons behind the coupler that lets them in.

    Returns
    -------
    GaussianMoments
    """
    added = np.asarray(mean_photon_numbers, dtype=np.float64)
    return moments._replace(number=moments.number + added[..., np.newaxis] * np.eye(added.shape[-1]))


def displace(moments: GaussianMoments, amplitudes: ArrayLike) -> GaussianMoments:
    r"""Add coherent light, :math:`\alpha_i \to \alpha_i + \beta_i`.

    Parameters
    ----------
    moments : GaussianMoments
    amplitudes : array_like
        :math:`\beta_i` (..., n), square roots of photons.

    Returns
    -------
    GaussianMoments
    """
    return moments._replace(mean=moments.mean + np.asarray(amplitudes, dtype=np.complex128))


def covariance(moments: GaussianMoments) -> tuple[Floats, Floats]:
    r"""Return means and covariance of the quadratures :math:`x = a + a^\dagger`, :math:`p = -i(a - a^\dagger)`.

    .. math:: V_{xx} = 1 + 2 \Re(N + M), \quad V_{pp} = 1 + 2 \Re(N - M), \quad V_{xp} = 2 \Im(N + M)

    Parameters
    ----------
    moments : GaussianMoments

    Returns
    -------
    mean : ndarray
        (..., 2 n), all x and then all p.
    covariance : ndarray
        (..., 2 n, 2 n); the vacuum is 1 (:math:`\hbar = 2`).

    Notes
    -----
    For comparison with other programs: beside the 1, light of n photons keeps a relative precision of 1e-16/n only.
    """
    N, M, alpha = moments
    one = np.eye(N.shape[-1])
    xx, pp = one + 2.0 * (N + M).real, one + 2.0 * (N - M).real
    xp = 2.0 * (N + M).imag
    matrix: Floats = np.concatenate(
        [np.concatenate([xx, xp], axis=-1), np.concatenate([xp.swapaxes(-1, -2), pp], axis=-1)], axis=-2
    )
    return np.concatenate([2.0 * alpha.real, 2.0 * alpha.imag], axis=-1), matrix
