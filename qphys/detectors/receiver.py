"""A channel and an analyser become a response: everything between the source and the clicks, before a source is chosen."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, overload

import numpy as np

from qphys.stages import ERROR_CAUSES, Analyser, CoherentEmission, Complexes, PairEmission, Response, Transmittance

DETECTION_CAUSES: Final = ERROR_CAUSES[:4]
"""Causes of errors that can be switched off before the clicks; double clicks are told by their own outcomes."""

_ONE_MAP: Final = np.eye(2, dtype=np.complex128).reshape(1, 1, 1, 2, 2)


def respond(
    transmittance: Transmittance,
    analyser: Analyser,
    *,
    trial_rate: float,
    time_step: float,
    receiver_optics_transmittance: float,
) -> Response:
    r"""Carry a channel through a receiver.

    The amplitude row of detector d in setting s at time t, and its noise,

    .. math::
        A_{tksd} &= \sqrt{\eta_o\, \eta_d\, g_d}\; B_{sd}\, U_{tk}\, J_t,

        R_{tsd} &= D_d + \beta_{sd} b_t, \qquad \nu_{tsd} = 1 - e^{-R_{tsd} T_g}.

    Parameters
    ----------
    transmittance : Transmittance
        Of one arm: fading nodes, polarization map J and the ensemble U of maps that follow it, sky light b [1/s].
    analyser : Analyser
        Rows B, efficiency :math:`\eta_d`, gate fraction g, dark rate D [1/s], share :math:`\beta` of the sky light, gate
        :math:`T_g` [s].
    trial_rate : float
        Pulses a second [1/s].
    time_step : float
        Length of a step [s].
    receiver_optics_transmittance : float
        :math:`\eta_o` [1], from the aperture to the analyser.

    Returns
    -------
    Response
        What `transmittance` includes already (receiver optics, detector efficiency) is not applied again. The leak goes the
        same way as the rows.

    Raises
    ------
    ValueError
        More than one arm, a gate longer than the period, or noise that is negative or not finite.
    """
    if transmittance.transmittance.shape[2] != 1:
        raise ValueError(f"one arm is needed, not {transmittance.transmittance.shape[2]}")
    if analyser.gate * trial_rate > 1.0 + 1e-9:
        raise ValueError("the gate is longer than the period: the analyser was made for another rate")
    rate = analyser.dark_rate + analyser.background_share * transmittance.background_rate[:, 0, np.newaxis, np.newaxis]
    if not np.all(np.isfinite(rate) & (rate >= 0.0)):
        raise ValueError("rates of dark and sky counts must be finite and not negative")
    power = analyser.gate_fraction.copy()
    if "receiver optics" not in transmittance.includes:
        power *= receiver_optics_transmittance
    if "detector efficiency" not in transmittance.includes:
        power *= analyser.efficiency
    maps = transmittance.ensemble[:, 0] @ transmittance.jones[:, 0, np.newaxis]

    def behind(rows: Complexes) -> Complexes:
        found: Complexes = np.einsum("sdmp,tkpq->tksdmq", np.sqrt(power)[:, np.newaxis, np.newaxis] * rows, maps)
        return found

    return Response(
        amplitude=behind(analyser.amplitude),
        leak=None if analyser.leak is None else behind(analyser.leak),
        map_weight=transmittance.ensemble_weight[0],
        transmittance=transmittance.transmittance[:, :, 0],
        weight=transmittance.weight,
        correlation_time=transmittance.correlation_time,
        noise_probability=-np.expm1(-rate * analyser.gate),
        ungated_noise_rate=rate,
        analyser=analyser,
        time_step=time_step,
    )


@overload
def without(
    cause: str, emission: CoherentEmission, analyser: Analyser, transmittance: Transmittance
) -> tuple[CoherentEmission, Analyser, Transmittance]: ...


@overload
def without(
    cause: str, emission: PairEmission, analyser: Analyser, transmittance: Transmittance
) -> tuple[PairEmission, Analyser, Transmittance]: ...


def without(
    cause: str, emission: CoherentEmission | PairEmission, analyser: Analyser, transmittance: Transmittance
) -> tuple[CoherentEmission | PairEmission, Analyser, Transmittance]:
    """The same source, receiver and channel with one cause of errors switched off.

    Parameters
    ----------
    cause : str
        ``preparation``: ideal states, of pairs their `ideal`. ``optics``: ideal analyser, no change of the polarization on
        the way (its loss stays). ``dark counts``: none. ``sky``: no background.
    emission, analyser, transmittance
        As they are.

    Returns
    -------
    emission, analyser, transmittance

    Raises
    ------
    ValueError
        `cause` is none of `DETECTION_CAUSES`.
    """
    if cause == "preparation":
        if isinstance(emission, PairEmission):
            return emission.ideal or emission, analyser, transmittance
        return replace(emission, amplitude=emission.ideal_amplitude), analyser, transmittance
    if cause == "optics":
        kept = 0.5 * (np.abs(transmittance.jones) ** 2).sum(axis=(-2, -1))
        straight = np.sqrt(kept)[..., np.newaxis, np.newaxis] * np.eye(2, dtype=np.complex128)
        way = replace(transmittance, jones=straight, ensemble=_ONE_MAP, ensemble_weight=np.ones((1, 1)))
        return emission, replace(analyser, amplitude=analyser.ideal_amplitude, leak=None), way
    if cause == "dark counts":
        return emission, replace(analyser, dark_rate=np.zeros_like(analyser.dark_rate)), transmittance
    if cause == "sky":
        dark = np.zeros_like(transmittance.background_rate)
        return emission, analyser, replace(transmittance, background_rate=dark)
    raise ValueError(f"cause {cause!r}: one of {', '.join(DETECTION_CAUSES)} can be switched off")
