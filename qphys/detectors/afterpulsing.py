"""Afterpulses: clicks by carriers that an earlier avalanche trapped."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from qphys.stages import Floats


def markov_rate(
    rate: ArrayLike,
    dead_time: ArrayLike,
    *,
    probability: ArrayLike,
    delay: ArrayLike,
    twilight: ArrayLike = 0.0,
) -> Floats:
    r"""Click rate of a non-paralysable detector with afterpulses of the last avalanche only.

    .. math::
        \frac{1}{r} = \tau + e^{-R\alpha} \left( \frac{1 - p_a}{R} + \sum_c \frac{p_c}{R + 1/t_c} \right),
        \qquad p_a = \sum_c p_c

    Parameters
    ----------
    rate : array_like
        R [1/s]: light and dark counts, Poisson process.
    dead_time : array_like
        :math:`\tau` [s].
    probability : array_like
        :math:`p_c` [1], (..., trap): an avalanche is followed by an afterpulse of trap level c, after the end of the
        dead time.
    delay : array_like
        :math:`t_c` [s], (..., trap): mean delay after the end of the dead time.
    twilight : array_like, optional
        :math:`\alpha` [s]: last part of the recovery, in which an avalanche starts but is seen at its end.

    Returns
    -------
    ndarray
        r [1/s].

    Notes
    -----
    Mean of the renewal interval. Traps that outlive a later avalanche are left out: 0.3 % of the rate at R = 1e6 /s and 3 %.
    Twilight after I. Straka et al., J. Lightwave Technol. (2020), doi 10.1109/JLT.2020.2994654.

    Examples
    --------
    >>> round(float(markov_rate(1e6, 100e-9, probability=[0.03], delay=[200e-9])), 1)
    930232.6
    """
    rate, dead_time, twilight = (np.asarray(x, dtype=np.float64) for x in (rate, dead_time, twilight))
    probability, delay = np.asarray(probability, dtype=np.float64), np.asarray(delay, dtype=np.float64)
    waiting = (1.0 - probability.sum(axis=-1)) / rate + (probability / (rate[..., np.newaxis] + 1.0 / delay)).sum(axis=-1)
    interval = dead_time + np.exp(-rate * twilight) * waiting
    clicks: Floats = 1.0 / interval
    return clicks


def markov_share(rate: ArrayLike, *, probability: ArrayLike, delay: ArrayLike) -> Floats:
    r"""Part of the clicks that are afterpulses, with those of the last avalanche only.

    .. math:: s = \sum_c \frac{p_c}{1 + R t_c}

    Parameters
    ----------
    rate : array_like
        R [1/s].
    probability, delay : array_like
        :math:`p_c` [1] and :math:`t_c` [s], (..., trap), as in :func:`markov_rate`.

    Returns
    -------
    ndarray
        s [1]: an afterpulse is seen where no photon comes before it.

    Examples
    --------
    >>> round(float(markov_share(1e6, probability=[0.03], delay=[200e-9])), 5)
    0.025
    """
    rate = np.asarray(rate, dtype=np.float64)[..., np.newaxis]
    probability, delay = np.asarray(probability, dtype=np.float64), np.asarray(delay, dtype=np.float64)
    share: Floats = (probability / (1.0 + rate * delay)).sum(axis=-1)
    return share


def in_gate_probability(probability: ArrayLike, *, gate: ArrayLike, trial_rate: ArrayLike) -> Floats:
    r"""Probability that a click of a free-running detector is followed by an afterpulse inside a gate.

    .. math:: A = p_a \min(1, T_g f)

    Parameters
    ----------
    probability : array_like
        :math:`p_a` [1]: followed by an afterpulse at any time after the dead time, as data sheets give it.
    gate : array_like
        :math:`T_g` [s]: length of the gate around each pulse.
    trial_rate : array_like
        f [1/s]: pulses a second.

    Returns
    -------
    ndarray
        A [1].

    Notes
    -----
    Holds where the delays spread over several periods, so that an afterpulse meets any phase of the clock alike.

    Examples
    --------
    >>> round(float(in_gate_probability(0.01, gate=2e-9, trial_rate=100e6)), 6)
    0.002
    """
    open_part = np.minimum(1.0, np.asarray(gate, dtype=np.float64) * np.asarray(trial_rate, dtype=np.float64))
    inside: Floats = np.asarray(probability, dtype=np.float64) * open_part
    return inside
