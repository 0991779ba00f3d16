"""What only a simulation can know: how pulses of no photon and of one photon click."""

from __future__ import annotations

from dataclasses import replace
from math import factorial
from typing import Final

import numpy as np

from qphys.detectors.clicks import clicks
from qphys.stages import Clicks, CoherentEmission, Complexes, Floats, Response

STEP: Final = 1e-3
"""Mean photon numbers 0, STEP, 2 STEP at which the light of one photon is found: its relative error is STEP^2 Y_3 / (3 Y_1),
at most 1e-6, and rounding adds 1e-13."""

PHOTON_NUMBER: Final = "photon_number"
NUMBERS: Final = (0, 1)
"""Photon numbers told apart; all others are what is left."""


def photon_yields(emission: CoherentEmission, response: Response) -> Clicks:
    r"""Probability of every outcome of a pulse of no photon and of one photon.

    Of phase-randomised light, :math:`e^\mu P(o|\mu) = \sum_n Y_n(o)\, \mu^n / n!`, so that

    .. math:: Y_0 = P(o|0), \qquad Y_1 = \frac{d}{d\mu} \big[ e^\mu P(o|\mu) \big]_{\mu = 0}

    The derivative is taken over three intensities, sent with probability 0 beside the real ones: dead time and afterpulses
    stay those of the real light.

    Parameters
    ----------
    emission : CoherentEmission
        Light of each setting, the intensity first.
    response : Response
        Channel and receiver.

    Returns
    -------
    Clicks
        Settings ``photon_number`` (0, 1) and, as the sender's, basis and bit; all of `setting_probability` are 1.

    Raises
    ------
    ValueError
        As :func:`qphys.detectors.clicks`.
    """
    brightest = int(np.argmax(emission.mean_photon_number))
    strongest = emission.amplitude[:, brightest]
    state = strongest / np.sqrt(_power(strongest))[..., np.newaxis, np.newaxis]
    labels, *others = emission.settings
    root = np.sqrt(STEP * np.arange(3.0)).reshape(1, 3, *(1,) * (state.ndim - 1))
    added = root * state[:, np.newaxis]
    number = len(emission.settings[labels])
    nothing = np.zeros((3, *emission.setting_probability.shape[1:]))
    told = clicks(
        replace(
            emission,
            settings={labels: (*emission.settings[labels], "a", "b", "c"), **{o: emission.settings[o] for o in others}},
            setting_probability=np.concatenate([emission.setting_probability, nothing]),
            amplitude=np.concatenate([emission.amplitude, added], axis=1),
            ideal_amplitude=np.concatenate([emission.ideal_amplitude, added], axis=1),
        ),
        response,
    )
    none, once, twice = (told.probability[:, :, number + i] for i in range(3))
    slope = (4.0 * np.exp(STEP) * once - np.exp(2.0 * STEP) * twice - 3.0 * none) / (2.0 * STEP)
    slope = np.maximum(slope, 0.0)  # what one photon cannot do comes out within rounding of 0
    return replace(
        told,
        settings={PHOTON_NUMBER: tuple(map(str, NUMBERS)), **{o: emission.settings[o] for o in others}},
        probability=np.stack([none, slope], axis=2),
        setting_probability=np.ones((len(NUMBERS), *emission.setting_probability.shape[1:])),
    )


def photon_number_probability(emission: CoherentEmission) -> Floats:
    r"""Probability that a pulse of a setting has no photon and one photon, averaged over what fluctuates.

    .. math:: P(n) = \sum_e w_e e^{-\mu_e} \mu_e^n / n!

    Parameters
    ----------
    emission : CoherentEmission
        Light of each setting.

    Returns
    -------
    ndarray
        [1], (photon number, \*settings).
    """
    mu = _power(emission.amplitude)
    poisson = np.stack([np.exp(-mu) * mu**n / factorial(n) for n in NUMBERS])
    averaged: Floats = np.tensordot(poisson, emission.node_weight, axes=(1, 0))
    return averaged


def _power(amplitude: Complexes) -> Floats:
    """Photons a pulse, without the last two axes, internal mode and polarization."""
    power: Floats = (np.abs(amplitude) ** 2).sum(axis=(-2, -1))
    return power
