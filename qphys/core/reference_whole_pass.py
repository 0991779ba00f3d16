"""The slow twin of the kernel of a whole pass: click probabilities, sums, key, one after the other, written to be read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from qphys.core.reference import lim2014
from qphys.core.reference_clicks import click_probabilities

Array = np.ndarray[Any, Any]

OUTCOMES = 8
"""none, Z0, Z1, X0, X1, double_Z, double_X, across: in the order of `qphys.statistics.schema`."""


@np.errstate(all="ignore")
def whole_pass(
    transmittance: ArrayLike,
    weight: ArrayLike,
    trials: ArrayLike,
    photons: ArrayLike,
    intensity: ArrayLike,
    emission_weight: ArrayLike,
    sender_probability: ArrayLike,
    receiver_probability: ArrayLike,
    gate_fraction: ArrayLike,
    noise: ArrayLike,
    free_noise: ArrayLike,
    dead_trials: ArrayLike,
    afterpulse: ArrayLike,
    outcome_of_pattern: ArrayLike,
    mean_photon_numbers: ArrayLike,
    key_basis: ArrayLike,
    eps_secrecy: ArrayLike,
    eps_correctness: ArrayLike,
    error_correction_efficiency: ArrayLike,
    tail_bound: ArrayLike,
    sampling_bound: ArrayLike,
    key_from: ArrayLike,
) -> tuple[Array, ...]:
    r"""Return expected sifted events and errors of a decoy-state BB84 pass, and the key of each wanted basis.

    With the outcome probabilities P of `click_probabilities`, N trials and node weights w,

    .. math::
        n_{kb} &= \sum_{tn} N_t w_{tn} \sum_x p_{kbx} \left(P_{b0} + P_{b1} + P_{\mathrm{double}\,b}\right), \qquad
        m_{kb} &= \sum_{tn} N_t w_{tn} \sum_x p_{kbx} \left(P_{b\bar x} + \tfrac12 P_{\mathrm{double}\,b}\right).

    Parameters
    ----------
    transmittance, weight : array_like
        [1], (t, n): fading nodes of each step and their probability.
    trials : array_like
        N [1], (t): pulses sent in each step. A step without any is left out, whatever it holds.
    photons : array_like
        [1], (u, e, j, 4, s, d): photoelectrons at unit transmittance and unit `intensity`; u is 1 or t, e the emission
        nodes, j is 1 or one for each intensity; states Z0, Z1, X0, X1; s the receiver's settings, d the detectors.
    intensity : array_like
        [1], (3): factor of `photons`, such as the mean photon number sent.
    emission_weight : array_like
        [1], (e).
    sender_probability : array_like
        p [1], (3, 4): joint probability of intensity and state.
    receiver_probability, gate_fraction, noise, free_noise, dead_trials, afterpulse : array_like
        As for `click_probabilities`.
    outcome_of_pattern : array_like
        (s, 2**d), index of the outcome. At most one detector for each basis and bit in each of at most 4 settings, any
        other says ``none``; both of a basis are a double click, clicks in both bases ``across``.
    mean_photon_numbers : array_like
        [1], (3): what the analysis takes `intensity` to be.
    key_basis : array_like
        (b): bases to make key of, each a block of its own that the other basis tests; 0 is Z, 1 is X.
    eps_secrecy, eps_correctness, error_correction_efficiency, tail_bound, sampling_bound, key_from : array_like
        As for `lim2014`, for each block.

    Returns
    -------
    tuple of ndarray
        Events (3, 2) and errors (3, 2) by intensity and basis, then the nine results of `lim2014`, each (b). Impossible
        input of the physics has NaN events and status ``input_not_finite``.
    """
    eta, w, sent = (np.asarray(x, dtype=np.float64) for x in (transmittance, weight, trials))
    p, mu = np.asarray(sender_probability, dtype=np.float64), np.asarray(intensity, dtype=np.float64)
    rows = np.asarray(photons, dtype=np.float64)
    used = sent != 0
    by_step = [x[used] if len(x) > 1 else x for x in (rows, np.asarray(noise), np.asarray(free_noise))]
    rows = by_step[0] * mu[:, np.newaxis, np.newaxis, np.newaxis]
    settings = rows.reshape(len(rows), rows.shape[1], 12, *rows.shape[-2:])
    probability = click_probabilities(
        eta[used],
        settings,
        emission_weight,
        p.ravel(),
        receiver_probability,
        gate_fraction,
        by_step[1],
        by_step[2],
        dead_trials,
        afterpulse,
        outcome_of_pattern,
        np.zeros(OUTCOMES),
    )
    lanes = sent[used, np.newaxis] * w[used]
    if np.any(~(lanes >= 0) | np.isinf(lanes)) or np.any(~(mu >= 0)):
        probability[...] = np.nan
    cells = (np.einsum("tnco,tn->co", probability, lanes) * p.reshape(12, 1)).reshape(3, 2, 2, OUTCOMES)
    events, errors = np.zeros((3, 2)), np.zeros((3, 2))
    for basis in (0, 1):
        for bit in (0, 1):
            right, wrong = cells[:, basis, bit, 1 + 2 * basis + bit], cells[:, basis, bit, 2 + 2 * basis - bit]
            double = cells[:, basis, bit, 5 + basis]
            events[:, basis] += right + wrong + double
            errors[:, basis] += wrong + double / 2
    by_basis = p.reshape(3, 2, 2).sum(axis=-1)
    blocks = [
        lim2014(
            events[:, key],
            errors[:, key],
            events[:, 1 - key],
            errors[:, 1 - key],
            mean_photon_numbers,
            by_basis[:, key],
            by_basis[:, 1 - key],
            eps_secrecy,
            eps_correctness,
            error_correction_efficiency,
            tail_bound,
            sampling_bound,
            key_from if wanted == key else -1,
        )
        for wanted in np.asarray(key_basis).tolist()
        for key in [int(wanted == 1)]
    ]
    return events, errors, *(np.array([block[i] for block in blocks]) for i in range(9))
