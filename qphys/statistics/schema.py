"""The waist of the hourglass: dimensions, variables and attributes of a file of detection statistics.

All before this schema may be a real experiment; all after it knows nothing but what stands here. Names work as Python
keywords and attributes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

VERSION: Final = "1.0"
"""Version of the schema, in the attribute ``qphys_schema``: a reader refuses another number before the dot."""

FORMAT: Final = "qphys detection statistics"
"""Attribute ``format`` of every file."""

POINT: Final = "point"
REALISATION: Final = "realisation"
TIME: Final = "time"
INTENSITY: Final = "intensity"
ALICE_BASIS: Final = "alice_basis"
ALICE_BIT: Final = "alice_bit"
ALICE_OUTCOME: Final = "alice_outcome"
BOB_OUTCOME: Final = "bob_outcome"
CAUSE: Final = "cause"

SETTINGS_BB84: Final = (INTENSITY, ALICE_BASIS, ALICE_BIT)
BASES: Final = ("Z", "X")
BITS: Final = ("0", "1")
OUTCOMES_BB84: Final = ("none", "Z0", "Z1", "X0", "X1", "double_Z", "double_X", "across")
"""Bob's outcomes: nothing; one detector of a basis; both of a basis; detectors of both bases."""

PROTOCOL_DECOY_BB84: Final = "decoy-bb84"


@dataclass(frozen=True)
class Variable:
    """A variable of the file: its dimensions, unit, meaning, and whether anybody's file must have it."""

    dims: tuple[str, ...]
    units: str
    long_name: str
    required: bool = False


_CELLS: Final = (*SETTINGS_BB84, BOB_OUTCOME)

VARIABLES: Final[dict[str, Variable]] = {
    "counts": Variable((POINT, REALISATION, TIME, *_CELLS), "1", "sampled number of trials with this setting and outcome"),
    "expected_counts": Variable((POINT, TIME, *_CELLS), "1", "expected number of trials with this setting and outcome"),
    "expected_total_counts": Variable(
        (POINT, *_CELLS), "1", "expected number of trials with this setting and outcome, whole pass"
    ),
    "expected_total_counts_without": Variable(
        (POINT, CAUSE, *_CELLS), "1", "expected_total_counts with one cause of errors switched off"
    ),
    "mean_photon_number": Variable(
        (POINT, INTENSITY), "1", "mean photon number of each intensity as claimed by the source", True
    ),
    "setting_probability": Variable((POINT, *SETTINGS_BB84), "1", "joint probability of the sender's setting", True),
    "trials": Variable((POINT, TIME), "1", "trials (pulses sent) in the step; 0 behind the end of a shorter pass"),
    "block_identity": Variable(
        (POINT,), "", "SHA-256 of protocol, source, receiver and claims: equal ones may form one block"
    ),
    "trial_rate": Variable((POINT,), "s-1", "trials a second"),
    "wavelength": Variable((POINT,), "m", "vacuum wavelength"),
    "start_time": Variable(
        (POINT,), "s", "start of the time axis, seconds since 1970-01-01T00:00:00 UTC; NaN without a date"
    ),
    "range": Variable((POINT, TIME), "m", "slant range"),
    "elevation": Variable((POINT, TIME), "rad", "elevation of the satellite"),
    "azimuth": Variable((POINT, TIME), "rad", "azimuth of the satellite, from north over east"),
    "range_rate": Variable((POINT, TIME), "m s-1", "rate of change of the slant range"),
    "sun_elevation": Variable((POINT, TIME), "rad", "elevation of the sun at the station"),
    "sunlit": Variable((POINT, TIME), "1", "1 where the satellite is in sunlight"),
    "mean_transmittance": Variable((POINT, TIME), "1", "mean transmittance of the channel, with the terms it includes"),
    "mean_link_transmittance": Variable(
        (POINT, TIME), "1", "mean transmittance from the sender's aperture to the detectors, without their efficiency"
    ),
    "scintillation_index": Variable((POINT, TIME), "1", "variance of the transmittance over its squared mean"),
    "background_rate": Variable((POINT, TIME), "s-1", "sky photons at the analyser's entrance"),
}
"""Every variable that qphys writes. `time` is in seconds from the start of the pass, at the centre of the step.

A file needs at least one of ``counts``, ``expected_counts``, ``expected_total_counts``; every other dimension than those of
settings and outcomes may be absent in a file that qphys did not write.
"""

ATTRIBUTES: Final[dict[str, str]] = {
    "format": "always 'qphys detection statistics'",
    "qphys_schema": "version of this schema",
    "protocol": "name of the protocol that the counts belong to",
    "identity": "SHA-256 of all that the content depends on",
    "qphys_version": "version of qphys",
    "resolved_run": "JSON of the whole run, every model in it",
    "model_hashes": "JSON: model or table -> SHA-256 of its file",
    "library_versions": "JSON: library -> version",
    "seed": "seed of all random numbers",
    "title": "title of the run",
    "fading_model": "name and validity of the fading model",
    "track_facts": "JSON: where the geometry comes from",
    "warnings": "JSON: list of warnings for the user",
}
"""Attributes of the file. Required of anybody's file: format, qphys_schema, protocol."""
