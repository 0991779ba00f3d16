"""BB84 with two detectors of unequal efficiency, in closed form: Fung et al. 2009, and the tight bound of 2019."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qphys.keyrates.entropies import binary_entropy

Floats = NDArray[np.float64]


def equal_share(first_efficiency: ArrayLike, second_efficiency: ArrayLike) -> Floats:
    r"""Share of the detections that detectors of equal efficiency would have made.

    .. math:: \frac{2 \min(\eta_0, \eta_1)}{\eta_0 + \eta_1}

    Parameters
    ----------
    first_efficiency, second_efficiency : array_like
        Efficiencies of the detectors for 0 and 1 [1], or numbers in proportion to them, such as counts.

    Returns
    -------
    ndarray
        [1], 1 for equal detectors; NaN for efficiencies that are negative, or both 0.

    Notes
    -----
    C.-H. F. Fung, K. Tamaki, B. Qi, H.-K. Lo, X. Ma, Quantum Inf. Comput. 9, 131 (2009), arXiv 0802.3788.

    Examples
    --------
    >>> equal_share(10992, 1541).round(4).item()
    0.2459
    """
    first, second = np.asarray(first_efficiency, dtype=np.float64), np.asarray(second_efficiency, dtype=np.float64)
    least, total = np.minimum(first, second), first + second
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where((least >= 0.0) & (total > 0.0), 2.0 * least / total, np.nan))


def rate_with_discarding(share: ArrayLike, bit_error: ArrayLike, *, phase_error: ArrayLike) -> Floats:
    r"""Key a sifted bit if the better detector's surplus is thrown away at random.

    .. math:: R = s\,[1 - h(e_{ph}) - h(e_{bit})]

    Parameters
    ----------
    share : array_like
        :math:`s` of `equal_share` [1].
    bit_error, phase_error : array_like
        Error rates of the kept bits in key and test basis [1].

    Returns
    -------
    ndarray
        [bit], before any loss by the error correction's inefficiency; 0 where it is not positive, NaN for NaN.

    Notes
    -----
    Fung et al. 2009. Asymptotic; one photon or none at the receiver; efficiencies that do not depend on the basis.

    Examples
    --------
    >>> naive, proven = 1 - 2 * binary_entropy(0.0568), rate_with_discarding(0.24591, 0.0568, phase_error=0.0568)
    >>> (naive / proven).round(2).item()  # what ignoring the mismatch overstates
    4.07
    """
    kept = 1.0 - _phase(phase_error) - binary_entropy(bit_error)
    return np.asarray(np.maximum(np.asarray(share, dtype=np.float64) * kept, 0.0))


def rate_without_discarding(share: ArrayLike, bit_error: ArrayLike, *, phase_error: ArrayLike) -> Floats:
    r"""Key a sifted bit if all bits are kept, of which Eve may know all that equal detectors would not have made.

    .. math:: R = s\,[1 - h(e_{ph})] - h(e_{bit})

    Parameters
    ----------
    share : array_like
        :math:`s` of `equal_share` [1].
    bit_error : array_like
        Error rate of all sifted bits of the key basis [1].
    phase_error : array_like
        Error rate of the test basis after discarding [1].

    Returns
    -------
    ndarray
        [bit], before any loss by the error correction's inefficiency; 0 where it is not positive, NaN for NaN.

    Notes
    -----
    Fung et al. 2009. Never more than `rate_with_discarding` at equal errors; more where the errors lie in the surplus.

    Examples
    --------
    >>> rate_without_discarding(1.0, 0.03, phase_error=0.05).round(6).item()
    0.519211
    """
    kept = np.asarray(share, dtype=np.float64) * (1.0 - _phase(phase_error))
    return np.asarray(np.maximum(kept - binary_entropy(bit_error), 0.0))


def ignorance_of_clicks(first_clicks: ArrayLike, second_clicks: ArrayLike, *, correlation: ArrayLike) -> Floats:
    r"""Eve's ignorance of Alice's bit if all bits are kept, from what the detectors saw.

    .. math::

        f \ge (a + b)\left[h\!\left(\frac{a}{a + b}\right)
            - h\!\left(\frac{1 - \sqrt{\delta_z^2 + \delta_x^2}}{2}\right)\right], \qquad
        \delta_z = \frac{a - b}{a + b}, \quad \delta_x = \frac{\sqrt{\eta_0\eta_1}\,C}{a + b}

    Parameters
    ----------
    first_clicks, second_clicks : array_like
        :math:`a, b`, probabilities that the detector for 0 and that for 1 clicks in the key basis [1].
    correlation : array_like
        :math:`\sqrt{\eta_0\eta_1}\,C` with :math:`C = \sum_{xy} (-1)^{x+y} p_{xy} / \eta_y` of the test basis,
        where :math:`p_{xy}` is the probability of bit and click [1].

    Returns
    -------
    ndarray
        [bit] a trial of the key basis; NaN where no state has these statistics (:math:`\delta_x^2 + \delta_z^2 > 1`).

    Notes
    -----
    Derived in the documentation (detectors of unequal efficiency). Tight where both bits err alike and results of the test
    basis are balanced; there it is the bound of M. K. Bochkov, A. S. Trushechkin, Phys. Rev. A 99, 032308 (2019).
    Asymptotic, collective attacks; one photon or none at the receiver; efficiencies known and equal in both bases; no dark
    counts.

    Examples
    --------
    >>> ignorance_of_clicks(0.5, 0.5, correlation=1 - 2 * 0.11).round(6).item()  # equal detectors: 1 - h(0.11)
    0.500084
    """
    first, second, c = (np.asarray(v, dtype=np.float64) for v in (first_clicks, second_clicks, correlation))
    total = first + second
    with np.errstate(invalid="ignore", divide="ignore"):
        bias = (first - second) / total
        length = np.hypot(bias, c / total)
        length = np.where((length > 1.0) & (length < 1.0 + 1e-12), 1.0, length)  # rounding of a pure state
        found = total * (binary_entropy((1.0 - bias) / 2.0) - binary_entropy((1.0 - length) / 2.0))
        some = (first >= 0.0) & (second >= 0.0) & (total > 0.0)
    return np.asarray(np.where(some, np.maximum(found, 0.0), np.nan))


def tight_rate(
    first_efficiency: ArrayLike, second_efficiency: ArrayLike, bit_error: ArrayLike, *, phase_error: ArrayLike
) -> Floats:
    r"""Key a sifted bit if all bits are kept: the most that these statistics allow.

    .. math::

        R = h\!\left(\frac{1 - \delta_z}{2}\right) - h\!\left(\frac{1 - \sqrt{\delta_z^2 + \delta_x^2}}{2}\right)
        - h(e_{bit}), \qquad \delta_z = \frac{\eta_0 - \eta_1}{\eta_0 + \eta_1}, \quad
        \delta_x = \frac{2\sqrt{\eta_0\eta_1}}{\eta_0 + \eta_1} (1 - 2 e_{ph})

    Parameters
    ----------
    first_efficiency, second_efficiency : array_like
        Efficiencies of the detectors for 0 and 1 [1], or numbers in proportion to them, such as counts.
    bit_error, phase_error : array_like
        Error rates of key and test basis as detectors of equal efficiency would see them, the same for both bits [1].

    Returns
    -------
    ndarray
        [bit], before any loss by the error correction's inefficiency; 0 where it is not positive, NaN for NaN.

    Notes
    -----
    Bochkov, Trushechkin 2019; see `ignorance_of_clicks` for derivation, attacks and assumptions.

    Examples
    --------
    >>> tight_rate(2.0, 1.0, 0.02, phase_error=0.02).round(4).item()  # Fung et al.: 0.4309
    0.6483
    """
    first, second = np.asarray(first_efficiency, dtype=np.float64), np.asarray(second_efficiency, dtype=np.float64)
    error = np.asarray(phase_error, dtype=np.float64)
    error = np.where((error >= 0.0) & (error <= 1.0), np.minimum(error, 0.5), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        a, b = first / (first + second), second / (first + second)
        known = ignorance_of_clicks(a, b, correlation=2.0 * np.sqrt(a * b) * (1.0 - 2.0 * error))
    return np.asarray(np.maximum(known - binary_entropy(bit_error), 0.0))


def _phase(error: ArrayLike) -> Floats:
    """Entropy of a phase error, 1 from one half on."""
    return binary_entropy(np.minimum(np.asarray(error, dtype=np.float64), 0.5))
