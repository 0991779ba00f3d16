"""Expected numbers of trials with each setting and outcome, averaged over the fading."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Final

import numpy as np

from qphys.errors import UserError
from qphys.stages import Clicks, Floats, Integers

DENOMINATOR: Final = 10**6
"""Trials in a step (or, below one, steps in a trial) are taken as the nearest fraction with at most this denominator: 0.3 s
at 100 MHz are 30,000,000 trials, although the product of the two doubles lies a little below."""


def whole_trials(trial_rate: float, time_step: float, steps: int) -> Integers:
    r"""Whole trials in each time step, such that no trial is lost over the pass.

    .. math:: N_i = \lfloor (i + 1) R \Delta t \rfloor - \lfloor i R \Delta t \rfloor

    in exact integers, so that a long pass does not lose the precision of a double.

    Parameters
    ----------
    trial_rate : float
        Trials a second, R [1/s].
    time_step : float
        Length of a step, :math:`\Delta t` [s].
    steps : int
        Number of steps T.

    Returns
    -------
    ndarray
        Trials, int64, (T,).

    Raises
    ------
    UserError
        Rate or step is not positive and finite, or there are more than 2^53 trials (a double skips whole numbers there).

    Examples
    --------
    >>> whole_trials(2.5, 1.0, 4).tolist()
    [2, 3, 2, 3]
    """
    if not (trial_rate > 0 and math.isfinite(trial_rate)):
        raise UserError(f"trial rate = {trial_rate!r} /s: must be positive and finite")
    if not (time_step > 0 and math.isfinite(time_step)):
        raise UserError(f"time step = {time_step!r} s: must be positive and finite")
    if steps < 0:
        raise UserError(f"steps = {steps!r}: must not be negative")
    exact = Fraction(trial_rate * time_step)
    a_step = exact.limit_denominator(DENOMINATOR) if exact >= 1 else 1 / (1 / exact).limit_denominator(DENOMINATOR)
    if a_step * steps > 2**53:
        raise UserError(f"{trial_rate:g} trials/s over {steps} steps of {time_step:g} s: more than 2^53 trials in one pass")
    ends = [(i * a_step.numerator) // a_step.denominator for i in range(steps + 1)]
    return np.asarray([after - before for before, after in pairwise(ends)], dtype=np.int64)


def expected_counts(clicks: Clicks, trials: Integers) -> Floats:
    r"""Expected number of trials with each setting and outcome, for each step.

    .. math:: \bar C_{t c o} = N_t\, q_c \sum_n w_{t n}\, P_{t n c o}

    Parameters
    ----------
    clicks : Clicks
        Outcome probabilities P, weights w of the fading nodes, setting probabilities q.
    trials : array_like
        Trials in each step N, int64, (T,). A step without trials expects nothing, whatever its probabilities.

    Returns
    -------
    ndarray
        (T, \*settings, \*outcomes) [1].
    """
    steps, nodes, cells = _flattened(clicks, trials)
    mean = np.matmul(clicks.weight[:, np.newaxis, :], clicks.probability.reshape(steps, nodes, cells))
    by_trial = mean.reshape(steps, *_setting_shape(clicks), -1) * clicks.setting_probability[..., np.newaxis]
    sent = np.asarray(trials, dtype=np.float64).reshape(steps, *(1,) * (by_trial.ndim - 1))
    expected: Floats = np.where(sent > 0, by_trial * sent, 0.0).reshape(_cell_shape(clicks, steps))
    return expected


def expected_total_counts(clicks: Clicks, trials: Integers) -> Floats:
    r"""Expected number of trials with each setting and outcome over the whole pass.

    The sum over t of :func:`expected_counts`, without the array of all steps in memory.

    Parameters
    ----------
    clicks : Clicks
        Outcome probabilities, weights of the fading nodes, setting probabilities.
    trials : array_like
        Trials in each step, int64, (T,).

    Returns
    -------
    ndarray
        (\*settings, \*outcomes) [1].
    """
    steps, nodes, cells = _flattened(clicks, trials)
    sent = np.asarray(trials, dtype=np.float64)
    used = sent > 0
    weight = clicks.weight * sent[:, np.newaxis]
    probability = clicks.probability
    if not used.all():
        weight, probability, steps = weight[used], probability[used], int(used.sum())
    total = weight.reshape(-1) @ probability.reshape(steps * nodes, cells)
    by_setting = total.reshape(*_setting_shape(clicks), -1) * clicks.setting_probability[..., np.newaxis]
    expected: Floats = by_setting.reshape(_cell_shape(clicks))
    return expected


def of_nodes(clicks: Clicks, nodes: slice) -> Clicks:
    """The same clicks in some of the fading's nodes only; their weights do not sum to 1."""
    return replace(clicks, probability=clicks.probability[:, nodes], weight=clicks.weight[:, nodes])


def by_probe(clicks: Clicks, trials: Integers, bins: Sequence[slice], *, totals: bool = False) -> Floats:
    r"""Expected number of trials with each setting and outcome by reading of a probe.

    .. math:: \bar C_{t b c o} = N_t\, q_c \sum_{n \in b} w_{t n}\, P_{t n c o}

    Parameters
    ----------
    clicks : Clicks
        Of a channel whose nodes know the reading.
    trials : array_like
        Trials in each step N, int64, (T,).
    bins : sequence of slice
        Nodes of each bin b.
    totals : bool, optional
        Whole pass instead of every step.

    Returns
    -------
    ndarray
        (T, bins, \*settings, \*outcomes), without T for totals [1].
    """
    if totals:
        return np.stack([expected_total_counts(of_nodes(clicks, nodes), trials) for nodes in bins])
    return np.stack([expected_counts(of_nodes(clicks, nodes), trials) for nodes in bins], axis=1)


def expected_total_counts_by_photon_number(yields: Clicks, trials: Integers, probability: Floats) -> Floats:
    r"""Expected number of trials from pulses of n photons, with each setting and outcome, over the whole pass.

    .. math:: \bar C_{n k b x o} = p_{n k b x} \sum_t N_t \sum_m w_{t m}\, Y_{t m, n b x o}

    Parameters
    ----------
    yields : Clicks
        Probability Y of outcomes of a pulse of n photons, with n in place of the intensity; setting probabilities 1.
    trials : array_like
        Trials in each step N, int64, (T,).
    probability : array_like
        Joint probability p of photon number and setting of the sender, (n, k, b, x).

    Returns
    -------
    ndarray
        (n, k, b, x, \*outcomes) [1].
    """
    by_number = expected_total_counts(yields, trials)
    expected: Floats = probability[..., np.newaxis] * by_number[:, np.newaxis]
    return expected


def shifted(clicks: Clicks) -> Clicks:
    r"""Outcomes of a pair source in two windows far apart, as an experiment counts accidental coincidences.

    .. math:: P^{\mathrm{acc}}_{t n a b} = \Bigl(\sum_{b'} P_{t n a b'}\Bigr) \Bigl(\sum_{a'} P_{t n a' b}\Bigr)

    Alice's window and Bob's share no pair, but the same fading: the product is taken in each node, before any average.

    Parameters
    ----------
    clicks : Clicks
        Of two arms: no settings, two dimensions of outcomes.

    Returns
    -------
    Clicks
        The same with that probability.

    Raises
    ------
    ValueError
        These are no clicks of a pair source.

    Notes
    -----
    Valid for a shift longer than the coherence time of the pairs and the dead times of the detectors, and far shorter than
    the correlation time of the fading: hundreds of windows or pulses, less than a microsecond.
    """
    if clicks.settings or len(clicks.outcomes) != 2:
        raise ValueError(
            f"clicks of a pair source have no settings and two arms, not {list(clicks.settings)} and {list(clicks.outcomes)}"
        )
    probability = clicks.probability
    alice, bob = probability.sum(axis=-1, keepdims=True), probability.sum(axis=-2, keepdims=True)
    return replace(clicks, probability=alice * bob)


def accidentals(clicks: Clicks, trials: Integers) -> Floats:
    r"""Expected number of pairs of shifted windows with each pair of outcomes, for each step.

    .. math:: \bar A_{t a b} = N_t \sum_n w_{t n} \sum_{b'} P_{t n a b'} \sum_{a'} P_{t n a' b}

    Parameters
    ----------
    clicks : Clicks
        Of two arms; see :func:`shifted`.
    trials : array_like
        Trials in each step, int64, (T,).

    Returns
    -------
    ndarray
        (T, outcomes of Alice, outcomes of Bob) [1].
    """
    return expected_counts(shifted(clicks), trials)


def total_accidentals(clicks: Clicks, trials: Integers) -> Floats:
    """Expected number of pairs of shifted windows with each pair of outcomes over the whole pass.

    Parameters
    ----------
    clicks : Clicks
        Of two arms; see :func:`shifted`.
    trials : array_like
        Trials in each step, int64, (T,).

    Returns
    -------
    ndarray
        (outcomes of Alice, outcomes of Bob) [1].
    """
    return expected_total_counts(shifted(clicks), trials)


def _setting_shape(clicks: Clicks) -> tuple[int, ...]:
    return tuple(len(labels) for labels in clicks.settings.values())


def _cell_shape(clicks: Clicks, *leading: int) -> tuple[int, ...]:
    return (*leading, *_setting_shape(clicks), *(len(labels) for labels in clicks.outcomes.values()))


def _flattened(clicks: Clicks, trials: Integers) -> tuple[int, int, int]:
    """Number of steps, fading nodes and cells."""
    steps, nodes = clicks.weight.shape
    if np.shape(trials) != (steps,):
        raise ValueError(f"trials must have shape ({steps},), not {np.shape(trials)}")
    return steps, nodes, math.prod(_cell_shape(clicks))
