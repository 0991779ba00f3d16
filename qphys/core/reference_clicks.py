"""The slow twin of the kernel between light and statistics: same name, same order of arguments, written to be read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

Array = np.ndarray[Any, Any]


@np.errstate(all="ignore")
def click_probabilities(
    transmittance: ArrayLike,
    photons: ArrayLike,
    emission_weight: ArrayLike,
    sender_probability: ArrayLike,
    receiver_probability: ArrayLike,
    gate_fraction: ArrayLike,
    noise: ArrayLike,
    free_noise: ArrayLike,
    dead_trials: ArrayLike,
    afterpulse: ArrayLike,
    outcome_of_pattern: ArrayLike,
    outcomes: ArrayLike,
) -> Array:
    r"""Return the probability of every outcome of a trial, for each time step, fading node and setting of the sender.

    With :math:`m = \eta\,\mu` photoelectrons at detector d (emission node e, sender's setting c, receiver's setting s),

    .. math::
        f_d &= \sum_s q_s \sum_{c e} \pi_c w_e \left(1 - e^{-(m_{ecsd} + b_{sd})}\right), \qquad
        L_d = \frac{1}{1 + f_d\,\Delta_d},

        p_{ecsd} &= \nu_{sd} + (1 - \nu_{sd}) \left(1 - e^{-g_d m_{ecsd}}\right), \qquad
        a_d = A_d L_d \sum_s q_s \sum_{c e} \pi_c w_e\, p_{ecsd},

        P_{ecsd} &= L_d \left(p_{ecsd} + (1 - p_{ecsd})\, a_d\right),

    and detectors that click independently of each other given (t, n, e, c, s).

    Parameters
    ----------
    transmittance : array_like
        :math:`\eta` [1], (t, n): intensity transmittance of each time step and fading node.
    photons : array_like
        :math:`\mu` [1], (u, e, c, s, d): expected photoelectrons at unit transmittance; u is 1 or t.
    emission_weight : array_like
        :math:`w` [1], (e).
    sender_probability : array_like
        :math:`\pi` [1], (c).
    receiver_probability : array_like
        q [1], (s).
    gate_fraction : array_like
        g [1], (d): part of the signal's clicks inside the gate.
    noise : array_like
        :math:`\nu` [1], (v, s, d): probability of a dark or sky count in the gate; v is 1 or t.
    free_noise : array_like
        b [1], (v, s, d): expected dark and sky counts in a whole period.
    dead_trials : array_like
        :math:`\Delta` [1], (d): trials for which a click blocks the detector.
    afterpulse : array_like
        A [1], (d): probability that a click is followed by an afterpulse in a later gate.
    outcome_of_pattern : array_like
        (s, 2**d): index of the outcome; bit d of the pattern is set where detector d clicked.
    outcomes : array_like
        (o): only its length is used, the number of outcomes.

    Returns
    -------
    ndarray
        (t, n, c, o). Each but the outcome of the empty pattern keeps its relative precision however small it is, since no
        probability is a difference from 1. A lane with an input that is NaN, infinite or out of its range is NaN; an
        outcome out of range makes all lanes NaN.

    Notes
    -----
    The live probability L is that of a renewal process (Feller, Prob. Theory I, ch. XIII; one slot for each
    trial), so it is exact where the clicks of one detector in different trials are independent.
    """
    transmittance = np.asarray(transmittance, dtype=np.float64)
    photons = np.asarray(photons, dtype=np.float64)
    w, pi, q, g, dead, after = (
        np.asarray(x, dtype=np.float64)
        for x in (emission_weight, sender_probability, receiver_probability, gate_fraction, dead_trials, afterpulse)
    )
    noise = np.asarray(noise, dtype=np.float64)
    free_noise = np.asarray(free_noise, dtype=np.float64)
    outcome_of_pattern = np.asarray(outcome_of_pattern)
    steps, nodes = transmittance.shape
    detectors, total = len(g), len(np.asarray(outcomes))

    good = _in(transmittance, 0.0, np.inf)
    for by_step, upper in ((photons, np.inf), (noise, 1.0), (free_noise, np.inf)):
        good = good & _in(by_step, 0.0, upper).reshape(len(by_step), -1).all(axis=1, keepdims=True)
    for common, upper in ((w, np.inf), (pi, np.inf), (q, np.inf), (g, 1.0), (dead, np.inf), (after, 1.0)):
        good = good & _in(common, 0.0, upper).all()
    good = good & bool(((outcome_of_pattern >= 0) & (outcome_of_pattern < total)).all())

    m = transmittance[:, :, np.newaxis, np.newaxis, np.newaxis, np.newaxis] * photons[:, np.newaxis]  # t n e c s d
    nu = noise[:, np.newaxis, np.newaxis, np.newaxis]
    b = free_noise[:, np.newaxis, np.newaxis, np.newaxis]
    f = np.einsum("tnecsd,e,c,s->tnd", -np.expm1(-(m + b)), w, pi, q)
    live = (1.0 / (1.0 + f * dead))[:, :, np.newaxis, np.newaxis, np.newaxis]
    p = nu + (1.0 - nu) * -np.expm1(-g * m)
    a = after * live * np.einsum("tnecsd,e,c,s->tnd", p, w, pi, q)[:, :, np.newaxis, np.newaxis, np.newaxis]
    click = live * (p + (1.0 - p) * a)

    result = np.zeros((steps, nodes, len(pi), total))
    for s, outcome_of in enumerate(outcome_of_pattern):
        for pattern, outcome in enumerate(outcome_of):
            if not 0 <= outcome < total:
                continue
            probability = np.ones(click.shape[:4])
            for d in range(detectors):
                probability = probability * (click[..., s, d] if pattern >> d & 1 else 1.0 - click[..., s, d])
            result[..., outcome] += q[s] * np.einsum("tnec,e->tnc", probability, w)
    result[~good] = np.nan
    return result


def _in(x: Array, lower: float, upper: float) -> Array:
    """Whether x is finite and in [lower, upper]."""
    inside: Array = np.isfinite(x) & (x >= lower) & (x <= upper)
    return inside
