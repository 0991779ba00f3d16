"""Coupling into one spatial mode, a single-mode fibre: without turbulence, in the mean, and by the modes' variances.

By reciprocity all of it holds for a beam that is launched upwards: what turbulence leaves of the intensity on the axis is
the coupling of a plane wave from above into the launched mode.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from qphys.channels.adaptive_optics import structure_function
from qphys.channels.quadrature import panels
from qphys.stages import Floats


def mode_overlap(mode_ratio: ArrayLike, *, obscuration: ArrayLike = 0.0) -> Floats:
    r"""Share of an undisturbed plane wave in an annular aperture that couples into a Gaussian mode.

    .. math:: \eta_0 = 2 \left[\frac{e^{-b^2 \epsilon^2} - e^{-b^2}}{b \sqrt{1 - \epsilon^2}}\right]^2,
              \qquad b = \frac{D}{2 w}

    Parameters
    ----------
    mode_ratio : array_like
        :math:`b`, radius of the aperture over the 1/e^2 intensity radius w of the fibre's mode, thought back into the
        aperture [1]. For a fibre of mode field radius :math:`w_f` behind a focal length f it is
        :math:`\pi D w_f / 2 \lambda f`.
    obscuration : array_like
        :math:`\epsilon`, diameter of the central obscuration over that of the aperture, below 1 [1].

    Returns
    -------
    ndarray
        Relative to the light that passes the annulus [1].

    Notes
    -----
    The overlap integral of the two fields (Ruilier and Cassaing, J. Opt. Soc. Am. A 18, 143 (2001)).

    Examples
    --------
    >>> round(float(mode_overlap(1.12091)), 6)
    0.814529
    """
    b, a = np.asarray(mode_ratio, dtype=np.float64), np.asarray(obscuration, dtype=np.float64)
    difference = np.exp(-((b * a) ** 2)) - np.exp(-(b**2))
    return np.asarray(2.0 * difference**2 / (b**2 * (1.0 - a**2)), dtype=np.float64)


def mode_throughput(mode_ratio: ArrayLike, *, obscuration: ArrayLike = 0.0) -> Floats:
    r"""Share of a Gaussian mode's power that passes an annular aperture, and so of the sky's light that the mode could take.

    .. math:: q = e^{-2 b^2 \epsilon^2} - e^{-2 b^2}

    Parameters
    ----------
    mode_ratio, obscuration : array_like
        :math:`b` and :math:`\epsilon` of `mode_overlap` [1].

    Returns
    -------
    ndarray
        [1]

    Notes
    -----
    The integral of the mode's intensity :math:`e^{-2 r^2/w^2}` over the annulus. What of the mode, sent backwards, meets the
    telescope's own parts sees no sky.

    Examples
    --------
    >>> round(float(mode_throughput(1.12091)), 4)
    0.919
    """
    b, a = np.asarray(mode_ratio, dtype=np.float64), np.asarray(obscuration, dtype=np.float64)
    return np.asarray(np.exp(-2.0 * (b * a) ** 2) - np.exp(-2.0 * b**2), dtype=np.float64)


def best_mode_ratio(obscuration: ArrayLike = 0.0) -> Floats:
    r"""Ratio of aperture to fibre mode for which an undisturbed plane wave couples best.

    .. math:: 2 b^2 \left(e^{-b^2} - \epsilon^2 e^{-b^2 \epsilon^2}\right) = e^{-b^2 \epsilon^2} - e^{-b^2}

    Parameters
    ----------
    obscuration : array_like
        :math:`\epsilon`, diameter of the central obscuration over that of the aperture, below 1 [1].

    Returns
    -------
    ndarray
        :math:`b` of `mode_overlap` [1], to rounding.

    Notes
    -----
    Turbulence moves the optimum to larger b: at an uncorrected D/r0 of 4 it is 1.53, and brings 7 % more light.

    Examples
    --------
    >>> round(float(best_mode_ratio(0.0)), 5)
    1.12091
    """
    a2 = np.asarray(obscuration, dtype=np.float64) ** 2
    low, high = np.full(a2.shape, 0.5), np.full(a2.shape, 1.2)
    for _ in range(60):
        b2 = (0.5 * (low + high)) ** 2
        near, far = np.exp(-b2 * a2), np.exp(-b2)
        below = 2.0 * b2 * (far - a2 * near) > near - far
        low, high = np.where(below, np.sqrt(b2), low), np.where(below, high, np.sqrt(b2))
    return np.asarray(0.5 * (low + high), dtype=np.float64)


def long_exposure_coupling(
    aperture_over_fried: ArrayLike, *, mode_ratio: float, obscuration: float = 0.0, outer_scale_over_aperture: float = np.inf
) -> Floats:
    r"""Mean coupling of an uncorrected wave, exactly.

    .. math:: \langle\eta\rangle = \frac{\int H(s)\, e^{-D(s)/2}\, d^2 s}{\int |P|^2 d^2 r \int M^2 d^2 r}, \qquad
              H(s) = \int (P M)(r)\, (P M)(r + s)\, d^2 r

    Parameters
    ----------
    aperture_over_fried : array_like
        :math:`D/r_0` of the path [1], up to 300.
    mode_ratio : float
        :math:`b` of `mode_overlap` [1].
    obscuration : float
        :math:`\epsilon`, diameter of the central obscuration over that of the aperture [1].
    outer_scale_over_aperture : float
        :math:`L_0/D` [1]; infinite is the Kolmogorov spectrum.

    Returns
    -------
    ndarray
        Relative to the light that passes the annulus [1]; `mode_overlap` without turbulence.

    Notes
    -----
    P is the annulus, M the fibre's mode there, D the structure function of phase and log-amplitude
    (`adaptive_optics.structure_function`): two points keep :math:`e^{-D/2}` at any strength of turbulence (Shaklan
    and Roddier, Appl. Opt. 27, 2334 (1988)). Not :math:`e^{-\sigma^2}`: at D/r0 = 2 that would be 0.031, and the coupling is
    0.172. An outer scale of 50 m over an aperture of 0.2 m raises the mean of D/r0 = 2.3 by 17 %.

    Examples
    --------
    >>> [round(float(eta), 4) for eta in long_exposure_coupling([0.5, 2.0, 10.0], mode_ratio=1.1209)]
    [0.6346, 0.1724, 0.009]
    """
    ratio = np.asarray(aperture_over_fried, dtype=np.float64)
    breaks = [0.0, 2.0, 2.0 * obscuration, 1.0 - obscuration, 1.0 + obscuration]
    # cubed: the structure function s^(5/3) is then a polynomial, and panels crowd where a strong one has its range
    edges = np.unique(np.concatenate([np.cbrt(breaks), np.linspace(0.0, np.cbrt(2.0), 25)]))
    t, weights = panels(edges)
    shift = t**3
    measure = _autocorrelation(shift, mode_ratio=mode_ratio, obscuration=obscuration) * shift * weights * 3.0 * t**2
    # in units of the aperture's radius
    outer = 2.0 * outer_scale_over_aperture
    unit = structure_function(shift, fried_parameter=2.0, outer_scale=outer)
    coherence = np.exp(-0.5 * ratio[..., None] ** (5 / 3) * unit)
    norm = float(np.sum(measure))
    share = np.sum(measure * coherence, axis=-1) / norm
    return np.asarray(share * mode_overlap(mode_ratio, obscuration=obscuration), dtype=np.float64)


def dikmelik_davidson(speckles: ArrayLike, *, mode_ratio: float = 1.12) -> Floats:
    r"""Mean coupling of partially coherent light with a Gaussian coherence function.

    .. math:: \langle\eta\rangle = 8 b^2 \int_0^1\!\!\int_0^1 e^{-(b^2 + A)(x_1^2 + x_2^2)} I_0(2 A x_1 x_2)\,
              x_1 x_2\, dx_1\, dx_2, \qquad A = \frac{A_R}{A_C}

    Parameters
    ----------
    speckles : array_like
        :math:`A`, area of the aperture over the coherence area :math:`\pi \rho_c^2` [1], up to 10,000.
    mode_ratio : float
        :math:`b` of `mode_overlap` [1].

    Returns
    -------
    ndarray
        [1].

    Notes
    -----
    Dikmelik and Davidson, Appl. Opt. 44, 4946 (2005): coherence :math:`e^{-\rho^2/\rho_c^2}` in place of the law of
    5/3. Kept as the literature's reference; `long_exposure_coupling` is exact for turbulence.

    Examples
    --------
    >>> round(float(dikmelik_davidson(4.0)), 5)
    0.17925
    """
    from scipy.special import i0e

    a = np.asarray(speckles, dtype=np.float64)
    x, weights = panels(np.linspace(0.0, 1.0, 21))
    flat = a.reshape(-1)
    result = np.empty(flat.shape)
    for k, area in enumerate(flat):
        # i0e carries exp(-2 A x1 x2): what is left of the exponent is a square
        exponent = -(mode_ratio**2) * (x[:, None] ** 2 + x**2) - area * (x[:, None] - x) ** 2
        kernel = np.exp(exponent) * i0e(2.0 * area * x[:, None] * x)
        result[k] = 8.0 * mode_ratio**2 * ((weights * x) @ kernel @ (weights * x))
    return result.reshape(a.shape)


def marechal_coupling(phase_variance: ArrayLike) -> Floats:
    r"""Share of coupling left by a phase of small variance that does not fluctuate, :math:`e^{-\sigma^2}`.

    Parameters
    ----------
    phase_variance : array_like
        :math:`\sigma^2` over the aperture [rad^2].

    Returns
    -------
    ndarray
        [1].

    Notes
    -----
    Extended Marechal approximation: right for static aberrations, and a lower bound for turbulence, of which it misses both
    the fluctuation (`modal_coupling`) and the halo (`long_exposure_coupling`). Up to 1 rad^2.
    """
    return np.asarray(np.exp(-np.asarray(phase_variance, dtype=np.float64)), dtype=np.float64)


def modal_coupling(variance: ArrayLike, order: ArrayLike = 1.0) -> Floats:
    r"""Moment of the coupling when independent Gaussian modes disturb the wave.

    .. math:: \left\langle \left(\frac{\eta}{\eta_0}\right)^q \right\rangle = \prod_j \frac{1}{\sqrt{1 + 2 q s_j^2}}, \qquad
              \frac{\eta}{\eta_0} = e^{-\sum_j a_j^2}, \quad a_j \sim N(0, s_j^2)

    Parameters
    ----------
    variance : array_like
        :math:`s_j^2` of every mode [rad^2], shape (..., K).
    order : array_like
        :math:`q` [1], shape (...,); 1 is the mean.

    Returns
    -------
    ndarray
        [1], shape (...,).

    Notes
    -----
    The form of Canuet et al., J. Opt. Soc. Am. A 35, 148 (2018). With the variances of Zernike modes beyond J the mean is
    within 3 % while their sum is below 2 rad^2, and the scintillation index 25 to 40 % low; with those of
    `pupil.mode_variances`, which know the fibre's mode and the modes' correlations, they are within 2.5 and 15 %.

    Examples
    --------
    >>> round(float(modal_coupling([0.1, 0.2])), 6)
    0.771517
    """
    q = np.asarray(order, dtype=np.float64)
    logarithm = np.log1p(2.0 * q[..., None] * np.asarray(variance, dtype=np.float64))
    return np.asarray(np.exp(-0.5 * np.sum(logarithm, axis=-1)), dtype=np.float64)


def modal_scintillation_index(variance: ArrayLike) -> Floats:
    r"""Scintillation index of the coupling when independent Gaussian modes disturb the wave.

    .. math:: \sigma_\eta^2 = \prod_j \frac{1 + 2 s_j^2}{\sqrt{1 + 4 s_j^2}} - 1

    Parameters
    ----------
    variance : array_like
        :math:`s_j^2` of every mode [rad^2], shape (..., K).

    Returns
    -------
    ndarray
        Variance over squared mean [1], shape (...,).

    Notes
    -----
    From the first two moments of `modal_coupling`.
    """
    s2 = np.asarray(variance, dtype=np.float64)
    # (1 + 2 s)^2 = (1 + 4 s) + 4 s^2: small indices keep their digits
    return np.asarray(np.expm1(0.5 * np.sum(np.log1p(4.0 * s2**2 / (1.0 + 4.0 * s2)), axis=-1)), dtype=np.float64)


def _autocorrelation(shift: Floats, *, mode_ratio: float, obscuration: float) -> Floats:
    """Integral of the product of two Gaussian modes in annuli of radius 1 whose centres are a shift apart."""
    # seen from the middle, the product is exp(-2 b^2 r^2 - b^2 s^2 / 2) on the overlap; over r it is an exact integral
    half = 0.5 * shift[:, None, None]
    meets = np.arcsin(np.minimum(1.0, obscuration / np.maximum(half, 1e-300)))
    # the edge of the obscuration is tangent at this angle: panels end there and their points crowd at their ends
    ends = np.concatenate([np.zeros_like(meets), meets, np.full_like(meets, 0.5 * np.pi)], axis=-1)
    u, weights = panels(np.linspace(0.0, 1.0, 4))
    angle = ends[:, 0, :-1, None] + np.diff(ends[:, 0])[:, :, None] * u**2 * (3.0 - 2.0 * u)
    measure = np.diff(ends[:, 0])[:, :, None] * weights * 6.0 * u * (1.0 - u)
    along, across = half * np.cos(angle), half * np.sin(angle)
    outer = np.maximum(np.sqrt(np.maximum(1.0 - across**2, 0.0)) - along, 0.0)
    chord = obscuration**2 - across**2
    root = np.sqrt(np.maximum(chord, 0.0))
    within = chord > 0.0
    # the obscuration ahead hides [along - root, along + root], the one behind [0, root - along]
    behind = np.where(within, np.maximum(root - along, 0.0), 0.0)
    first = np.where(within, np.maximum(along - root, 0.0), 0.0)
    last = np.where(within, along + root, 0.0)

    def up_to(radius: Floats) -> Floats:
        r = np.minimum(radius, outer)
        return np.asarray(-np.expm1(-2.0 * mode_ratio**2 * r**2) / (4.0 * mode_ratio**2), dtype=np.float64)

    open_part = up_to(outer) - up_to(np.maximum(behind, last)) + np.maximum(up_to(first) - up_to(behind), 0.0)
    total = 4.0 * np.sum(open_part * measure, axis=(1, 2))
    return np.asarray(total * np.exp(-0.5 * mode_ratio**2 * shift**2), dtype=np.float64)
