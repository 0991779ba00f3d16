"""Light and a response become clicks: the probability of every outcome of a trial."""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np

from qphys.core import KERNELS
from qphys.detectors.dead_time import blocked_slots
from qphys.stages import Clicks, CoherentEmission, Complexes, Floats, Response

Array = TypeVar("Array", Floats, Complexes)


def photoelectrons(emission: CoherentEmission, response: Response) -> Floats:
    r"""Expected photoelectrons of every detector at unit transmittance of the fading, without the gate.

    .. math:: \mu_{tekcsd} = \frac{1}{g_d} \Big( \Big| \sum_{mp} (A - L)_{tksdmp}\, a_{ecmp} \Big|^2
              + \Big| \sum_{mp} L_{tksdmp}\, a_{ecmp} \Big|^2 \Big)

    Parameters
    ----------
    emission : CoherentEmission
        Amplitudes a.
    response : Response
        Amplitude rows A, in which the gate fraction g is included, and their leak L, which comes without a fixed phase.

    Returns
    -------
    ndarray
        [1], (t or 1, emission node and polarization map, setting of the sender, setting of the receiver, detector), the map
        running fastest; one step where the rows are the same at all.

    Raises
    ------
    ValueError
        Source and receiver have different internal modes, or a detector's gate holds nothing.
    """
    modes = emission.amplitude.shape[-2]
    if response.amplitude.shape[-2] != modes:
        raise ValueError(f"the source has {modes} internal modes, the receiver {response.amplitude.shape[-2]}")
    if not np.all(response.analyser.gate_fraction > 0.0):
        raise ValueError("gate_fraction must be positive")
    rows, leak = one_if_constant(response.amplitude), response.leak
    sent = emission.amplitude.reshape(len(emission.amplitude), -1, modes, 2)
    if leak is None:
        photons = _power(rows, sent)
    else:
        leak = leak[: len(rows)]
        photons = _power(rows - leak, sent) + _power(leak, sent)
    steps, nodes, maps = photons.shape[:3]
    found: Floats = photons.reshape(steps, nodes * maps, *photons.shape[3:]) / response.analyser.gate_fraction
    return found


def _power(rows: Complexes, sent: Complexes) -> Floats:
    """Photons behind rows, (T, E, K, C, S, D)."""
    amplitude = np.einsum("tksdmp,ecmp->tekcsd", rows, sent)
    power: Floats = amplitude.real**2 + amplitude.imag**2
    return power


def clicks(emission: CoherentEmission, response: Response) -> Clicks:
    """Probability of every outcome in a trial, for each step, fading node and setting of the sender.

    Parameters
    ----------
    emission : CoherentEmission
        Light of each setting.
    response : Response
        Channel and receiver.

    Returns
    -------
    Clicks

    Raises
    ------
    ValueError
        Source and receiver do not fit together, or an input is not finite.

    Notes
    -----
    Phase-randomised coherent light gives every detector a Poisson number of photons, independent of the other detectors
    given the setting, the fading and the polarization map, which is drawn anew for each trial, as the intensity is; see
    `qphys.core.reference_clicks` for dead time and afterpulses. The dead time blocks whole pulses: noise between two pulses
    is counted as if it fell on one.
    """
    analyser = response.analyser
    probability = KERNELS["click_probabilities"](
        response.transmittance,
        photoelectrons(emission, response),
        np.outer(emission.node_weight, response.map_weight).ravel(),
        emission.setting_probability.ravel(),
        analyser.setting_probability,
        analyser.gate_fraction,
        one_if_constant(response.noise_probability),
        one_if_constant(response.ungated_noise_rate) / emission.trial_rate,
        blocked_slots(analyser.dead_time, emission.trial_rate),
        analyser.afterpulse_probability,
        analyser.outcome_of_pattern,
        np.zeros(len(analyser.outcomes)),
    )
    # NaN marks a lane with an input out of range; a sum finds it without another array of the same size.
    if not math.isfinite(float(probability.sum())):
        raise ValueError("click probabilities are not finite: an input of the receiver or source is out of range")
    sent = tuple(len(labels) for labels in emission.settings.values())
    return Clicks(
        settings=emission.settings,
        outcomes={analyser.outcome_dimension: analyser.outcomes},
        probability=probability.reshape(*response.weight.shape, *sent, len(analyser.outcomes)),
        weight=response.weight,
        setting_probability=emission.setting_probability,
        trial_rate=emission.trial_rate,
        correlation_time=response.correlation_time,
        time_step=response.time_step,
    )


def one_if_constant(values: Array) -> Array:
    """The first step alone where all steps are equal, so that the kernel computes what follows from it once."""
    return values[:1] if bool(np.all(values == values[:1])) else values
