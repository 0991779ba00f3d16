"""Entangled pairs and the responses of two arms become clicks: the joint probability of both arms' outcomes in a trial."""

from __future__ import annotations

import itertools
import math
import re
from typing import Final, NamedTuple

import numpy as np

from qphys.core import KERNELS, STATUS
from qphys.detectors.dead_time import blocked_slots
from qphys.errors import UserError
from qphys.stages import (
    Analyser,
    Clicks,
    Complexes,
    DensityPairEmission,
    Floats,
    GaussianPairEmission,
    PairEmission,
    Response,
    Transmittance,
)

OUTCOME_DIMENSIONS: Final = ("alice_outcome", "bob_outcome")
"""Dimensions of the result, Alice's (signal) first."""

LARGEST_GATE_ERROR: Final = 1e-6
"""Relative difference of a gate from the window of a continuous source that is taken for rounding."""

PURE: Final = 1e-12
"""Relative difference of moments from those of two squeezers that is taken for rounding."""

_LANES_AT_ONCE: Final = 2048


class Choices(NamedTuple):
    """What is chosen of a source and its receivers in each step: an optimiser takes its candidates for steps."""

    brightness: Floats
    """Mean pair number of a trial over that of the emission [1], (T,)."""
    trial_rate: Floats
    """Pulses, or windows of a continuous source, a second [1/s], (T,)."""
    setting_probability: tuple[Floats, Floats]
    """Of Alice's and of Bob's receiver, (T, S)."""

    def at(self, part: slice) -> Choices:
        """Some of the steps."""
        alice, bob = self.setting_probability
        return Choices(self.brightness[part], self.trial_rate[part], (alice[part], bob[part]))


class _Light(NamedTuple):
    """What both arms' detectors see of the source."""

    number: tuple[Complexes, Complexes]
    """<a'_p a_q> of each arm at brightness 1, all Schmidt modes together, (2, 2)."""
    modes: float
    """Schmidt modes; infinity is Poisson light."""
    kept: Floats
    """Part of an arm's photons that fall into the trial of their pair, the square root of the coincidence fraction, (T,)."""

    def silence(self, photons: Floats) -> Floats:
        """-log of the probability that a detector sees none of this mean number of photons, (T, ...)."""
        own = self.over_steps(self.kept, photons) * photons
        return photons if math.isinf(self.modes) else self.modes * np.log1p(own / self.modes) + (photons - own)

    @staticmethod
    def over_steps(values: Floats, like: Floats) -> Floats:
        """Values of each step, (T,), with as many axes as an array that begins with the steps."""
        return values.reshape(-1, *(1,) * (like.ndim - 1))


class _Detectors(NamedTuple):
    """One arm's detectors in each step and fading node."""

    noise: Floats
    """Probability of a noise count, afterpulses included, (T, N, S, D)."""
    live: Floats
    """Probability that the detector is live, (T, N, D)."""
    dead: Floats
    """1 - live without cancellation, (T, N, D)."""
    strays: Floats
    """Photons of pairs of other trials, (T, N, S, D)."""


def pair_clicks(emission: PairEmission, responses: tuple[Response, Response], transmittance: Transmittance) -> Clicks:
    r"""Joint probability of Alice's and Bob's outcomes in a trial, for each step and fading node.

    The probability that no detector of a set S clicks is :math:`\exp \sum_{T \subseteq S} \kappa_T`; the connected parts
    :math:`\kappa_T` of the pairs come from kernels without cancellation (`qphys.core`). Where only a part c of the pairs has
    both photons in one trial, the part :math:`\sqrt c` of each arm's photons stays where it was, and the rest, a Poisson
    number of the same polarization, comes from pairs of other trials,

    .. math:: \kappa_j \to \kappa_j(\sqrt c\,\eta) - (1 - \sqrt c)\, \bar n_j .

    Parameters
    ----------
    emission : PairEmission
        Two squeezers, any Gaussian light of two arms, or pairs of a density matrix.
    responses : tuple of Response
        Alice's and Bob's, each made from the Transmittance of its own arm; their fading nodes are not used.
    transmittance : Transmittance
        Joint fading of both arms.

    Returns
    -------
    Clicks
        No settings of a sender; outcomes ``alice_outcome`` and ``bob_outcome`` with each receiver's labels, averaged over
        the settings that the receivers draw. Every probability is good to a relative 1e-10, however small.

    Raises
    ------
    UserError
        The gates do not span the windows of a continuous source.
    ValueError
        Source, responses and channel do not fit together, or the light is none.

    Notes
    -----
    Dead time as in `clicks`: a detector is live with :math:`L = 1/(1 + \bar f d)`, :math:`\bar f` its click probability in a
    trial at this node's transmittance over all settings, gates and polarizations of its arm. For pulses d is the number of
    blocked ones; for windows of length T of a continuous source :math:`d = \tau/T - 1/2`, which gives the rate
    :math:`R/(1 + R\tau)` but for :math:`(RT)^2/12`. Live states of different detectors are taken as independent.

    References
    ----------
    Patterns: X. Ma, C.-H. F. Fung and H.-K. Lo, Phys. Rev. A 76, 012307 (2007) for one mode a squeezer and one transmission
    an arm; accidentals: S. P. Neumann et al., Phys. Rev. A 104, 022406 (2021).
    """
    _check(emission, responses, transmittance)
    steps = len(transmittance.weight)
    own = Choices(
        brightness=np.ones(steps),
        trial_rate=np.full(steps, emission.trial_rate),
        setting_probability=(
            np.broadcast_to(responses[0].analyser.setting_probability, (steps, responses[0].amplitude.shape[2])),
            np.broadcast_to(responses[1].analyser.setting_probability, (steps, responses[1].amplitude.shape[2])),
        ),
    )
    return Clicks(
        settings={},
        outcomes={
            name: tuple(re.sub(r"^S(?=\d)", party, label) for label in response.analyser.outcomes)
            for name, party, response in zip(OUTCOME_DIMENSIONS, "ab", responses, strict=True)
        },
        probability=pair_probabilities(emission, responses, transmittance.transmittance, choices=own),
        weight=transmittance.weight,
        setting_probability=emission.setting_probability,
        trial_rate=emission.trial_rate,
        correlation_time=transmittance.correlation_time,
        time_step=responses[0].time_step,
    )


def pair_probabilities(
    emission: PairEmission, responses: tuple[Response, Response], transmittance: Floats, *, choices: Choices
) -> Floats:
    """Joint probability of both arms' outcomes in a trial, where each step has a brightness and a window of its own.

    Parameters
    ----------
    emission : PairEmission
        The light at brightness 1, its coincidence fraction one value or one for each step.
    responses : tuple of Response
        Alice's and Bob's; each step's noise is that of the step's own gate.
    transmittance : ndarray
        Joint fading of both arms [1], (T, N, 2).
    choices : Choices
        What differs between the steps.

    Returns
    -------
    ndarray
        (T, N, outcomes of Alice, outcomes of Bob); `pair_clicks` tells what it is.

    Raises
    ------
    ValueError
        The light is none, or cannot be made brighter since it is no pure state of pairs.
    """
    steps, nodes = transmittance.shape[:2]
    size = 2 if max(len(response.analyser.efficiency) for response in responses) <= 2 else 4
    light = _light(emission, steps)
    ways = [_ways(response) for response in responses]
    amplitudes = [_padded(rows, size) for rows, _ in ways]
    maps = [list(enumerate(weight)) for _, weight in ways]
    detectors = [
        _detectors(emission, response, light, transmittance[:, :, arm], choices, arm=arm)
        for arm, response in enumerate(responses)
    ]
    tables = [_outcome_tables(response.analyser, size) for response in responses]
    settings = math.prod(len(response.analyser.setting_probability) for response in responses)
    probability = np.empty((steps, nodes, *(table.shape[2] for table in tables)))
    at_once = max(1, _LANES_AT_ONCE // (nodes * settings))
    for first in range(0, steps, at_once):
        part = slice(first, first + at_once)
        fading = [np.sqrt(light.kept[part, None] * transmittance[part, :, arm])[:, :, None, None, None] for arm in range(2)]
        chosen = choices.at(part)
        weighted = [q[:, :, None, None] * table for q, table in zip(chosen.setting_probability, tables, strict=True)]
        probability[part] = 0.0
        for (a, alice), (b, bob) in itertools.product(*maps):
            rows = [one * amplitude[part, k, None] for one, amplitude, k in zip(fading, amplitudes, (a, b), strict=True)]
            connected = _connected(emission, chosen.brightness, rows[0][:, :, :, None], rows[1][:, :, None, :])
            probability[part] += alice * bob * _outcomes(connected, detectors, weighted, size=size, part=part)
    return probability


def _check(emission: PairEmission, responses: tuple[Response, Response], transmittance: Transmittance) -> None:
    steps, _, arms = transmittance.transmittance.shape
    if arms != 2 or len(responses) != 2:
        raise ValueError(f"two arms are needed, not {arms} with {len(responses)} responses")
    if responses[0].time_step != responses[1].time_step:
        raise ValueError("the arms have different time steps")
    for name, response in zip(("alice", "bob"), responses, strict=True):
        if response.amplitude.shape[0] != steps:
            raise ValueError(f"{name}: the response has {response.amplitude.shape[0]} time steps, the channel {steps}")
        told = np.size(emission.coincidence_fraction)
        if told not in (1, steps):
            raise ValueError(f"the source has a coincidence_fraction for {told} time steps, the channel {steps}")
        if response.amplitude.shape[-2] != 1:
            raise ValueError(f"{name}: pairs have one internal mode, the receiver has {response.amplitude.shape[-2]}")
        if len(response.analyser.efficiency) > 4:
            raise ValueError(f"{name}: {len(response.analyser.efficiency)} detectors; at most 4 an arm")
        if not emission.continuous:
            continue
        if abs(response.analyser.gate * emission.trial_rate - 1.0) > LARGEST_GATE_ERROR:
            raise UserError(
                f"arms.{name}.receiver: gate_ns = {1e9 * response.analyser.gate:g}: must be the source's "
                f"coincidence_window_ns = {1e9 / emission.trial_rate:g}, since a continuous source has no pulses to gate"
            )
        if np.any(response.analyser.gate_fraction < 1.0):
            raise UserError(
                f"arms.{name}.receiver: jitter moves a continuous source's clicks between windows: give it as "
                "source.pump.jitter_fwhm_ps, and leave it out of the detector"
            )


def _light(emission: PairEmission, steps: int) -> _Light:
    kept: Floats = np.broadcast_to(np.sqrt(emission.coincidence_fraction), (steps,))
    if isinstance(emission, DensityPairEmission):
        state = emission.state.reshape(2, 2, 2, 2)
        mean = emission.mean_pair_number
        arms = (mean * np.einsum("pxqx->qp", state), mean * np.einsum("xpxq->qp", state))
        return _Light(arms, math.inf, kept)
    if isinstance(emission, GaussianPairEmission):
        crossed = (emission.number[:2, 2:], emission.anomalous[:2, :2], emission.anomalous[2:, 2:])
        if any(np.any(block != 0.0) for block in crossed):
            raise ValueError("pairs join the arms by <a a>, and nothing else: photons in both arms, or squeezing in one")
        modes = emission.schmidt_modes
        return _Light((modes * emission.number[:2, :2], modes * emission.number[2:, 2:]), modes, kept)
    raise ValueError(f"{type(emission).__name__}: not a kind of pairs that clicks are computed of")


def _ways(response: Response) -> tuple[Complexes, Floats]:
    """Amplitude rows (T, K, S, D, P) of every way through channel and analyser, and the probability of each way.

    A leak has either sign: the mean over both, of each arm by itself, is the sum of powers for a photon in each arm.
    """
    rows = response.amplitude[..., 0, :]
    if response.leak is None:
        return rows, response.map_weight
    other = rows - 2.0 * response.leak[..., 0, :]
    return np.concatenate([rows, other], axis=1), np.concatenate([response.map_weight, response.map_weight]) / 2.0


def _padded(rows: Complexes, size: int) -> Complexes:
    """Amplitude rows (T, K, S, size, P): detectors that are not there see nothing."""
    padding = size - rows.shape[3]
    return np.pad(rows, ((0, 0), (0, 0), (0, 0), (0, padding), (0, 0))) if padding else rows


def _detectors(
    emission: PairEmission, response: Response, light: _Light, transmittance: Floats, choices: Choices, *, arm: int
) -> _Detectors:
    """Noise, afterpulses and dead time of one arm's detectors."""
    analyser, q, rate = response.analyser, choices.setting_probability[arm], choices.trial_rate[:, None, None]
    rows, weight = _ways(response)
    photons = np.einsum("tksdp,pq,tksdq->tksd", rows.conj(), light.number[arm], rows).real
    seen = (choices.brightness[:, None] * transmittance)[:, :, None, None, None] * np.maximum(photons, 0.0)[:, None]
    noise = response.noise_probability[:, None]
    free_noise = response.ungated_noise_rate[:, None, None] / rate[..., None, None]
    anywhere = light.silence(seen / analyser.gate_fraction) + free_noise
    clicks = np.einsum("tnksd,ts,k->tnd", -np.expm1(-anywhere), q, weight)
    blocked = blocked_slots(analyser.dead_time, rate)
    slots = np.maximum(0.0, analyser.dead_time * rate - 0.5) if emission.continuous else blocked
    live = 1.0 / (1.0 + clicks * slots)
    clicking = np.einsum("tnksd,k->tnsd", -np.expm1(-light.silence(seen)), weight)
    in_gate = np.einsum("tnsd,ts->tnd", noise + (1.0 - noise) * clicking, q)
    afterpulse = (analyser.afterpulse_probability * live * in_gate)[:, :, None]
    # photons of other trials came through other maps
    strays = (1.0 - light.kept)[:, None, None, None] * np.einsum("tnksd,k->tnsd", seen, weight)
    return _Detectors(noise + (1.0 - noise) * afterpulse, live, clicks * slots * live, strays)


def _connected(emission: PairEmission, brightness: Floats, signal: Complexes, idler: Complexes) -> Floats:
    """Connected parts (T, ..., sets of detectors) of the pairs of a trial for amplitude rows (T, ..., D, P) of both arms."""
    name = "8" if signal.shape[-2] == 4 else "4"
    bright = brightness.reshape(-1, *(1,) * (signal.ndim - 3))
    if isinstance(emission, DensityPairEmission):
        connected, status = KERNELS[f"poisson_pair_cumulants_{name}"](
            bright * emission.mean_pair_number, _reals(emission.state), _reals(signal), _reals(idler)
        )
    else:
        assert isinstance(emission, GaussianPairEmission)
        squeezers = two_squeezers(emission.number, emission.anomalous)
        if squeezers is not None:
            n, signal_modes, idler_modes = squeezers
            connected, status = KERNELS[f"pair_cumulants_{name}"](
                bright[..., None] * (emission.schmidt_modes * n),
                _reals(signal @ signal_modes),
                # the kernel's squeezer 0 has its idler in V, squeezer 1 in H
                _reals(idler @ idler_modes[:, ::-1]),
                emission.schmidt_modes,
            )
        elif np.any(brightness != 1.0):
            raise ValueError("light that is no pure state of pairs has no brightness that could be changed")
        else:
            connected, status = _connected_gaussian(emission, signal, idler, name)
    if np.any(status > 0):
        meaning = {code: text for text, code in STATUS.items()}[int(status.max())]
        raise ValueError(f"clicks of pairs in {np.count_nonzero(status)} of {status.size} cases: {meaning}")
    parts: Floats = connected
    return parts


def two_squeezers(number: Complexes, anomalous: Complexes) -> tuple[Floats, Complexes, Complexes] | None:
    r"""Two two-mode squeezers that make these moments, if any do.

    .. math:: \langle s_p i_q \rangle = \sum_k U_{pk} \sqrt{n_k (1 + n_k)}\, V_{qk}

    Parameters
    ----------
    number, anomalous : ndarray
        Moments of one Schmidt mode over (sH, sV, iH, iV), (4, 4).

    Returns
    -------
    mean_numbers, signal_modes, idler_modes : ndarray
        n (2,), U and V (2, 2) unitary; None where the light is no pure state of pairs (loss or noise inside the source).

    Notes
    -----
    Singular values of the anomalous block, a form of the Bloch-Messiah decomposition.
    """
    signal_modes, size, idler_modes = np.linalg.svd(anomalous[:2, 2:])
    idler_modes = idler_modes.T
    n = 2.0 * size**2 / (1.0 + np.sqrt(1.0 + 4.0 * size**2))
    blocks = ((number[:2, :2], signal_modes), (number[2:, 2:], idler_modes))
    pure = all(
        np.allclose(block, (modes.conj() * n) @ modes.T, rtol=0.0, atol=PURE * float(n.sum())) for block, modes in blocks
    )
    return (n, signal_modes, idler_modes) if pure else None


def _connected_gaussian(
    emission: GaussianPairEmission, signal: Complexes, idler: Complexes, name: str
) -> tuple[Floats, Floats]:
    lead = np.broadcast_shapes(signal.shape[:-2], idler.shape[:-2])
    size = signal.shape[-2]
    rows = np.zeros((*lead, 2 * size, 4), dtype=np.complex128)
    rows[..., :size, :2] = signal
    rows[..., size:, 2:] = idler
    number = rows.conj() @ emission.number @ rows.mT
    anomalous = rows @ emission.anomalous @ rows.mT
    connected, status = KERNELS[f"gaussian_cumulants_{name}"](
        _reals(number), _reals(anomalous), np.zeros(4 * size), emission.schmidt_modes
    )
    return connected, status


def _outcomes(connected: Floats, detectors: list[_Detectors], tables: list[Floats], *, size: int, part: slice) -> Floats:
    """Probability of every pair of outcomes, (T, N, O, O), from connected parts (T, N, S, S, sets)."""
    lead, number = connected.shape[:-1], 2 * size
    noise = np.zeros((*lead, number))
    for arm, (own, setting) in enumerate(zip(detectors, (np.s_[:, :, :, None], np.s_[:, :, None, :]), strict=True)):
        there = own.noise.shape[-1]
        noise[..., arm * size : arm * size + there] = own.noise[part][setting]
        connected[..., 2 ** np.arange(arm * size, arm * size + there)] -= own.strays[part][setting]
    patterns, status = KERNELS[f"cumulant_patterns_{number}"](connected, noise)
    if np.any(status > 0):
        meaning = {code: text for text, code in STATUS.items()}[int(status.max())]
        raise ValueError(f"patterns of pairs in {np.count_nonzero(status)} of {status.size} cases: {meaning}")
    for arm, own in enumerate(detectors):
        for d in range(own.live.shape[-1]):
            _thin(patterns, arm * size + d, own.live[part, :, d], own.dead[part, :, d])
    both = patterns.reshape(*lead, 2**size, 2**size)
    by_alice = both @ tables[0][:, None, :, None]
    outcomes: Floats = (by_alice.mT @ tables[1][:, None, None]).sum(axis=(2, 3))
    return outcomes


def _thin(patterns: Floats, detector: int, live: Floats, dead: Floats) -> None:
    """Silence a detector while it is dead, in place."""
    if not np.any(dead > 0.0):
        return
    view = patterns.reshape(*patterns.shape[:-1], -1, 2, 2**detector)
    view[..., 0, :] += dead[:, :, None, None, None, None] * view[..., 1, :]
    view[..., 1, :] *= live[:, :, None, None, None, None]


def _outcome_tables(analyser: Analyser, size: int) -> Floats:
    """1 where a pattern gives an outcome, (S, 2**size, O); patterns of detectors not there give none."""
    of_pattern = analyser.outcome_of_pattern
    table = np.zeros((len(of_pattern), 2**size, len(analyser.outcomes)))
    for s, outcomes in enumerate(of_pattern):
        table[s, np.arange(len(outcomes)), outcomes] = 1.0
    return table


def _reals(values: Complexes) -> Floats:
    """Rows of complex numbers as one row of real and imaginary parts."""
    flat = np.ascontiguousarray(values).reshape(*values.shape[:-2], -1)
    pairs: Floats = flat.view(np.float64)
    return pairs
