"""BB84 with two detectors of unequal efficiency, in closed form after Fung et al. 2009."""

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


def _phase(error: ArrayLike) -> Floats:
    """Entropy of a phase error, 1 from one half on."""
    return binary_entropy(np.minimum(np.asarray(error, dtype=np.float64), 0.5))
