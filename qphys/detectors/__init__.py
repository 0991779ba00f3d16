"""Receivers and their detectors: from the light behind a channel to the probability of every outcome.

A kind of receiver is a record with a method ``analyser(trial_rate) -> Analyser``; `KINDS` finds it by the ``kind`` in a
receiver's table.
"""

from __future__ import annotations

from typing import Final

from qphys.detectors.clicks import clicks, one_if_constant, photoelectrons
from qphys.detectors.correlation_analyser import CorrelationAnalyser
from qphys.detectors.dead_time import blocked_slots
from qphys.detectors.detector import Detector
from qphys.detectors.pair_clicks import Choices, pair_clicks, pair_probabilities
from qphys.detectors.photons import photon_number_probability, photon_yields
from qphys.detectors.polarization_analyser import PolarizationAnalyser
from qphys.detectors.receiver import DETECTION_CAUSES, respond, without
from qphys.record import Record

KINDS: Final[dict[str, type[Record]]] = {
    "polarization-analyser": PolarizationAnalyser,
    "correlation-analyser": CorrelationAnalyser,
}
"""Kind of receiver, as it stands in TOML, and its record."""

__all__ = [
    "DETECTION_CAUSES",
    "KINDS",
    "Choices",
    "CorrelationAnalyser",
    "Detector",
    "PolarizationAnalyser",
    "blocked_slots",
    "clicks",
    "one_if_constant",
    "pair_clicks",
    "pair_probabilities",
    "photoelectrons",
    "photon_number_probability",
    "photon_yields",
    "respond",
    "without",
]
