"""Dead time: what part of the clicks a detector misses while it recovers.

R is the rate (p the probability a slot) at which a detector without dead time would click, tau the dead time.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from qphys.stages import Floats

SLOT_TOLERANCE: Final = 1e-9
"""Part of a slot by which a dead time may pass a whole number of slots and still count as that number (rounding)."""


def non_paralysable_rate(rate: ArrayLike, dead_time: ArrayLike) -> Floats:
    r"""Click rate of a detector that is dead for a fixed time after each click.

    .. math:: r = \frac{R}{1 + R\tau}

    Parameters
    ----------
    rate : array_like
        R [1/s], Poisson process.
    dead_time : array_like
        :math:`\tau` [s].

    Returns
    -------
    ndarray
        r [1/s].

    Notes
    -----
    W. Feller, "On probability problems in the theory of counters" (1948); G. F. Knoll, "Radiation Detection and
    Measurement", 4th ed., eq. 4.23.

    Examples
    --------
    >>> round(float(non_paralysable_rate(1e6, 100e-9)), 1)
    909090.9
    """
    rate, dead_time = _floats(rate, dead_time)
    return rate / (1.0 + rate * dead_time)


def non_paralysable_count_variance(rate: ArrayLike, dead_time: ArrayLike, *, duration: ArrayLike) -> Floats:
    r"""Variance of the counts of a non-paralysable detector in a time that holds many dead times.

    .. math:: \mathrm{Var}\,N = \frac{r T}{(1 + R\tau)^2}

    Parameters
    ----------
    rate, dead_time : array_like
        R [1/s], :math:`\tau` [s].
    duration : array_like
        T [s].

    Returns
    -------
    ndarray
        [1]; below that of a Poisson process, rT.

    Notes
    -----
    Renewal theory, leading order in :math:`\tau / T`: J. W. Mueller, Nucl. Instrum. Methods 112, 47 (1973).
    """
    rate, dead_time = _floats(rate, dead_time)
    clicks = non_paralysable_rate(rate, dead_time) * np.asarray(duration, dtype=np.float64)
    variance: Floats = clicks / (1.0 + rate * dead_time) ** 2
    return variance


def paralysable_rate(rate: ArrayLike, dead_time: ArrayLike) -> Floats:
    r"""Click rate of a detector whose dead time begins anew with every avalanche, seen or not.

    .. math:: r = R\, e^{-R\tau}

    Parameters
    ----------
    rate, dead_time : array_like
        R [1/s], :math:`\tau` [s].

    Returns
    -------
    ndarray
        r [1/s], at most :math:`1/(e\tau)`.

    Notes
    -----
    Knoll, eq. 4.27. Detectors that blind each other behave like this: D. J. Rogers et al., New J. Phys. 9, 319 (2007).

    Examples
    --------
    >>> round(float(paralysable_rate(1e6, 100e-9)), 1)
    904837.4
    """
    rate, dead_time = _floats(rate, dead_time)
    clicks: Floats = rate * np.exp(-rate * dead_time)
    return clicks


def hybrid_rate(rate: ArrayLike, *, paralysable: ArrayLike, non_paralysable: ArrayLike) -> Floats:
    r"""Click rate of a detector with a paralysable dead time inside a non-paralysable one.

    .. math:: r = \frac{R\, e^{-R\tau_p}}{1 + R\tau_n}

    Parameters
    ----------
    rate : array_like
        R [1/s].
    paralysable, non_paralysable : array_like
        :math:`\tau_p`, :math:`\tau_n` [s].

    Returns
    -------
    ndarray
        r [1/s].

    Notes
    -----
    S. H. Lee and R. P. Gardner, Appl. Radiat. Isot. 53, 731 (2000), eq. 3.
    """
    rate, paralysable, non_paralysable = _floats(rate, paralysable, non_paralysable)
    clicks: Floats = rate * np.exp(-rate * paralysable) / (1.0 + rate * non_paralysable)
    return clicks


def blocked_slots(dead_time: ArrayLike, trial_rate: ArrayLike) -> Floats:
    r"""Pulses after a click that fall into the dead time.

    .. math:: d = \max(0, \lceil \tau f \rceil - 1)

    Parameters
    ----------
    dead_time : array_like
        :math:`\tau` [s].
    trial_rate : array_like
        f [1/s]: pulses a second.

    Returns
    -------
    ndarray
        Whole numbers. A pulse at the very end of the dead time is seen.

    Examples
    --------
    >>> blocked_slots([8e-9, 24e-9, 50e-9], 100e6).tolist()
    [0.0, 2.0, 4.0]
    """
    dead_time, trial_rate = _floats(dead_time, trial_rate)
    slots: Floats = np.maximum(0.0, np.ceil(dead_time * trial_rate - SLOT_TOLERANCE) - 1.0)
    return slots


def pulsed_click_probability(click_probability: ArrayLike, slots: ArrayLike) -> Floats:
    r"""Click probability a slot of a detector that misses the d slots after each click.

    .. math:: r = \frac{p}{1 + p d}

    Parameters
    ----------
    click_probability : array_like
        p [1]: of a live detector, in any slot.
    slots : array_like
        d [1]: slots blocked by a click, from :func:`blocked_slots`.

    Returns
    -------
    ndarray
        r [1]. Exact where slots are independent: a renewal process with mean distance :math:`1/p + d`.

    Examples
    --------
    >>> float(pulsed_click_probability(1e-3, 100))
    0.0009090909090909091
    """
    click_probability, slots = _floats(click_probability, slots)
    return click_probability / (1.0 + click_probability * slots)


def common_dead_time(click_probability: ArrayLike, slots: ArrayLike) -> Floats:
    r"""Click probability a slot of each of several detectors where a click of one blocks all.

    .. math:: r_j = \frac{p_j}{1 + p d}, \qquad p = 1 - \prod_j (1 - p_j)

    Parameters
    ----------
    click_probability : array_like
        :math:`p_j` [1], (..., detector): of live detectors, independent of each other.
    slots : array_like
        d [1], (...): slots blocked by a click.

    Returns
    -------
    ndarray
        :math:`r_j` [1], (..., detector).

    Notes
    -----
    One renewal process of the whole station. With Poisson light, or small p, p is the sum of the :math:`p_j`.
    """
    click_probability, slots = _floats(click_probability, slots)
    # 1 - prod(1 - p) loses all digits below 1e-16.
    any_click = -np.expm1(np.log1p(-click_probability).sum(axis=-1))
    shared: Floats = click_probability / (1.0 + any_click * slots)[..., np.newaxis]
    return shared


def _floats(*values: ArrayLike) -> list[Floats]:
    return [np.asarray(value, dtype=np.float64) for value in values]
