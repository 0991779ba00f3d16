"""Gaussian phase over a round pupil on polar rings: exact covariance, Zernike correction, and what couples into a mode.

A disturbed wave couples :math:`\\eta/\\eta_0 = |\\sum_i w_i \\frac1A \\sum_k e^{i\\phi(\\rho_i, \\theta_k)}|^2` into a
Gaussian mode, with R Gauss nodes in the square of the radius and A equal angles. On them the covariance of a phase that
looks the same from every side is circulant in the angle, so that each azimuthal order m is a small Gaussian vector over the
rings: nothing of the spectrum is lost at either end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from qphys.channels.adaptive_optics import structure_function
from qphys.stages import Floats

GRIDS: Final = ((5.0, 8, 32), (10.0, 16, 64), (30.0, 32, 128))
"""Largest D/r0, rings R and angles A. Without correction the mean is 0.5 % high at D/r0 = 5, 10 and 20, and 3 % at 30."""


@dataclass(frozen=True, kw_only=True)
class PolarPupil:
    """Rings of an annular pupil of radius 1, a Gaussian mode on it, and turbulence less its first Zernike modes."""

    radius: Floats
    """Of each ring over that of the pupil [1], (R,)."""
    mode_weight: Floats
    """Share of each ring in the mode's amplitude [1], (R,); sums to 1."""
    uncorrected: Floats
    """Factor of the covariance of what is not corrected, at D/r0 = 1 [rad], (M, R, R), M = A/2 + 1 azimuthal orders."""
    zernike: Floats
    """Corrected modes of unit rms, (M, R, R): the last columns of each azimuthal order, other columns 0."""
    radial_order: Floats
    """Radial order of each of those columns, (M, R); 0 where the column is empty."""

    @property
    def angles(self) -> int:
        """Number of angles A of each ring."""
        return int(2 * (self.uncorrected.shape[0] - 1))


def polar_pupil(
    *,
    mode_ratio: float,
    obscuration: float,
    corrected_order: int,
    rings: int,
    angles: int,
    outer_scale_over_aperture: float = np.inf,
) -> PolarPupil:
    r"""Rings, mode and covariance of a pupil whose first Zernike modes are corrected.

    .. math:: B_{ij}(\theta) = -\tfrac12 D(|\rho_i - \rho_j e^{i\theta}|) + g_i + g_j, \qquad
              C^{(m)}_{ij} = \frac{2 - \delta_{m0} - \delta_{m,A/2}}{A} \sum_k B_{ij}(\theta_k) \cos m \theta_k

    Parameters
    ----------
    mode_ratio : float
        Radius of the pupil over the 1/e^2 intensity radius of the mode [1].
    obscuration : float
        Diameter of the central obscuration over that of the aperture [1].
    corrected_order : int
        Largest radial order N that is corrected, (N + 1)(N + 2)/2 modes with the piston; 0: the piston alone, which no
        detector sees.
    rings, angles : int
        R and A; A even and above 2 N.
    outer_scale_over_aperture : float
        :math:`L_0/D` [1]; infinite is the Kolmogorov spectrum.

    Returns
    -------
    PolarPupil

    Notes
    -----
    The piston's average is taken out by g, which touches m = 0 alone. The modes are Zernike's on a disc and Mahajan's on an
    annulus (J. Opt. Soc. Am. 71, 75 (1981)): each azimuthal order's powers, orthonormal on the rings. They are projected out
    with equal weight over the pupil, as a deformable mirror would.
    """
    x, gauss = np.polynomial.legendre.leggauss(rings)
    square = obscuration**2 + (1.0 - obscuration**2) * 0.5 * (x + 1.0)
    radius, area = np.sqrt(square), 0.5 * gauss
    weight = area * np.exp(-(mode_ratio**2) * square)
    theta = 2.0 * np.pi * np.arange(angles) / angles
    product = radius[:, None, None] * radius[None, :, None]
    # |a - b e^(i theta)|^2 as a sum of squares: a difference would leave rounding on the diagonal
    distance = np.sqrt((radius[:, None, None] - radius[None, :, None]) ** 2 + 4.0 * product * np.sin(0.5 * theta) ** 2)
    covariance = -0.5 * structure_function(distance, fried_parameter=2.0, outer_scale=2.0 * outer_scale_over_aperture)
    own = np.mean(covariance, axis=-1) @ area
    covariance += (area @ own) - own[:, None, None] - own[None, :, None]
    orders = angles // 2 + 1
    spectrum = np.moveaxis(np.fft.rfft(covariance, axis=-1).real, -1, 0) / angles
    spectrum[1:-1] *= 2.0
    uncorrected, zernike = np.zeros((orders, rings, rings)), np.zeros((orders, rings, rings))
    radial_order = np.zeros((orders, rings))
    root = np.sqrt(area)
    for m in range(orders):
        n = np.arange(m, corrected_order + 1, 2)
        powers = root[:, None] * radius[:, None] ** n
        modes = np.linalg.qr(powers)[0] if n.size else powers
        keep = np.eye(rings) - (modes / root[:, None]) @ (modes * root[:, None]).T
        values, vectors = np.linalg.eigh(keep @ spectrum[m] @ keep.T)
        # the corrected modes leave as many eigenvalues of rounding noise; they come first
        strength = np.sqrt(np.maximum(values[::-1], 0.0))
        strength[rings - n.size :] = 0.0
        uncorrected[m] = vectors[:, ::-1] * strength
        if n.size:
            zernike[m, :, rings - n.size :] = modes / root[:, None] * (1.0 if m == 0 else np.sqrt(2.0))
            radial_order[m, rings - n.size :] = n
    return PolarPupil(
        radius=radius,
        mode_weight=weight / np.sum(weight),
        uncorrected=uncorrected,
        zernike=zernike,
        radial_order=radial_order,
    )


def residual_factors(pupil: PolarPupil, *, aperture_over_fried: ArrayLike, residual: ArrayLike) -> Floats:
    r"""Factors of the residual phase's covariance: a phase is their product with independent normal numbers.

    .. math:: \phi(\rho_i, \theta_k) = \sum_m \left[(F^{(m)} z_m)_i \cos m\theta_k + (F^{(m)} z'_m)_i \sin m\theta_k\right]

    Parameters
    ----------
    pupil : PolarPupil
        Rings, and what is corrected.
    aperture_over_fried : array_like
        :math:`D/r_0` [1], shape (T,).
    residual : array_like
        Variance that the correction leaves in one mode of each radial order 1 to N [rad^2], shape (T, N).

    Returns
    -------
    ndarray
        :math:`F` [rad], shape (T, M, R, R).

    Notes
    -----
    The residuals of corrected modes are taken as independent of each other and of the modes that are not corrected.
    """
    strength = np.atleast_1d(np.asarray(aperture_over_fried, dtype=np.float64)) ** (5 / 6)
    of_order = np.zeros((strength.size, int(np.max(pupil.radial_order)) + 1))
    of_order[:, 1:] = np.sqrt(
        np.broadcast_to(np.asarray(residual, dtype=np.float64), (strength.size, of_order.shape[1] - 1))
    )
    columns = of_order[:, pupil.radial_order.astype(np.int64)]
    return np.asarray(strength[:, None, None, None] * pupil.uncorrected + columns[:, :, None, :] * pupil.zernike)


def mean_coupling(pupil: PolarPupil, factors: Floats) -> Floats:
    r"""Mean share of the coupling that a Gaussian residual phase leaves, exactly on the rings.

    .. math:: \langle \eta/\eta_0 \rangle = \sum_{ij} w_i w_j \frac1A \sum_k e^{-D_{ij}(\theta_k)/2}, \qquad
              D_{ij} = B_{ii}(0) + B_{jj}(0) - 2 B_{ij}(\theta_k)

    Parameters
    ----------
    pupil : PolarPupil
        Rings and mode.
    factors : ndarray
        From `residual_factors`, shape (T, M, R, R).

    Returns
    -------
    ndarray
        [1], shape (T,).

    Notes
    -----
    No assumption on the size of the phase. Without correction it is `coupling.long_exposure_coupling`, on rings instead of
    along the autocorrelation; the two agree as `GRIDS` tells.
    """
    orders, w = np.arange(factors.shape[1]), pupil.mode_weight
    # the mean is even in the angle: half of the angles, those between the ends twice
    cosines = np.cos(2.0 * np.pi * np.outer(orders, orders) / pupil.angles)
    share = np.where((orders == 0) | (orders == orders[-1]), 1.0, 2.0) / pupil.angles
    result = np.empty(factors.shape[0])
    for t, factor in enumerate(factors):
        covariance = np.tensordot(cosines, factor @ factor.mT, axes=1)
        own = np.diagonal(covariance[0])
        result[t] = np.einsum("kij,k,i,j->", np.exp(covariance - 0.5 * (own[:, None] + own)), share, w, w, optimize=True)
    return result


def mode_variances(pupil: PolarPupil, factors: Floats, *, number: int) -> tuple[Floats, Floats]:
    r"""Variances of the independent modes that a Gaussian residual phase has in the fibre's own mode.

    .. math:: Q = \langle\phi^2\rangle_w - \langle\phi\rangle_w^2 = \sum_j a_j^2, \qquad a_j \sim N(0, s_j^2)

    Parameters
    ----------
    pupil : PolarPupil
        Rings and mode, whose amplitude is the weight w.
    factors : ndarray
        From `residual_factors`, shape (T, M, R, R).
    number : int
        How many variances K to tell.

    Returns
    -------
    variances : ndarray
        The largest, descending [rad^2], shape (T, K).
    rest : ndarray
        Mean factor :math:`\prod (1 + 2 s_j^2)^{-1/2}` of all others [1], shape (T,).

    Notes
    -----
    Eigenvalues of the covariance in the metric of w, with the mode's own piston taken out: the modes' correlations and the
    faint edge of the fibre's mode are in them, which sums over Zernike variances leave out. To second order in the phase
    :math:`\eta/\eta_0 = e^{-Q}`.
    """
    w = pupil.mode_weight
    weighted = np.sqrt(w)[:, None] * factors
    # an azimuthal order's mean square over the angle is 1 for m = 0 and the alternating one, and 1/2 for the others
    weighted[:, 1:-1] *= np.sqrt(0.5)
    weighted[:, 0] -= np.sqrt(w)[:, None] * (w @ factors[:, 0])[:, None, :]
    values = np.linalg.svd(weighted, compute_uv=False) ** 2
    every = np.concatenate([values[:, :1], np.repeat(values[:, 1:-1], 2, axis=1), values[:, -1:]], axis=1)
    flat = np.sort(every.reshape(len(values), -1), axis=-1)[:, ::-1]
    rest = np.exp(-0.5 * np.sum(np.log1p(2.0 * flat[:, number:]), axis=-1))
    return np.ascontiguousarray(flat[:, :number]), np.asarray(rest, dtype=np.float64)
