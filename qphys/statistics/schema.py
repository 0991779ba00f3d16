"""The waist of the hourglass: dimensions, variables and attributes of a file of detection statistics.

All before this schema may be a real experiment; all after it knows nothing but what stands here. Names work as Python
keywords and attributes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

VERSION: Final = "1.4"
"""Version of the schema, in the attribute ``qphys_schema``: a reader refuses another number before the dot."""

FORMAT: Final = "qphys detection statistics"
"""Attribute ``format`` of every file."""

POINT: Final = "point"
REALISATION: Final = "realisation"
ARM: Final = "arm"
TIME: Final = "time"
INTENSITY: Final = "intensity"
ALICE_BASIS: Final = "alice_basis"
ALICE_BIT: Final = "alice_bit"
ALICE_OUTCOME: Final = "alice_outcome"
BOB_OUTCOME: Final = "bob_outcome"
CAUSE: Final = "cause"
PROBE_BIN: Final = "probe_bin"
"""Class of readings of a probe of the transmittance, from the lowest reading to the highest."""
PHOTON_NUMBER: Final = "photon_number"

ARMS: Final = ("alice", "bob")
"""Arms of a pair source."""
SETTINGS_BB84: Final = (INTENSITY, ALICE_BASIS, ALICE_BIT)
BASES: Final = ("Z", "X")
BITS: Final = ("0", "1")
OUTCOMES_BB84: Final = ("none", "Z0", "Z1", "X0", "X1", "double_Z", "double_X", "across")
"""Outcomes of a receiver: nothing; one detector of a basis; both of a basis; detectors of both bases."""
PHOTON_NUMBERS: Final = ("0", "1")
"""Photons of a pulse that a simulation tells apart: none and one."""
NO_CLICK: Final = "none"
DOUBLE_CLICK_CHSH: Final = "double"
"""Outcome of an arm of a CHSH test in which more than one detector clicked."""
RESULTS_CHSH: Final = ("+", "-")

PROTOCOL_DECOY_BB84: Final = "decoy-bb84"
PROTOCOL_BBM92: Final = "bbm92"
PROTOCOL_CHSH: Final = "chsh"
PAIR_PROTOCOLS: Final = (PROTOCOL_BBM92, PROTOCOL_CHSH)
"""Protocols of a pair source: each arm has an outcome, nobody a setting of a sender."""
PROTOCOLS: Final = (PROTOCOL_DECOY_BB84, *PAIR_PROTOCOLS)

CELLS: Final[dict[str, tuple[str, ...]]] = {
    PROTOCOL_DECOY_BB84: (*SETTINGS_BB84, BOB_OUTCOME),
    PROTOCOL_BBM92: (ALICE_OUTCOME, BOB_OUTCOME),
    PROTOCOL_CHSH: (ALICE_OUTCOME, BOB_OUTCOME),
}
"""Dimensions of the cells that trials are counted in, by protocol."""


@dataclass(frozen=True)
class Variable:
    """A variable of the file: its dimensions, unit, meaning, and whether anybody's file must have it."""

    dims: tuple[str, ...]
    units: str
    long_name: str
    required: bool = False


def _variables(protocol: str) -> dict[str, Variable]:
    cells, pairs = CELLS[protocol], protocol in PAIR_PROTOCOLS
    link = (POINT, ARM, TIME) if pairs else (POINT, TIME)
    of_what = "this pair of outcomes" if pairs else "this setting and outcome"
    counts = {
        "counts": Variable((POINT, REALISATION, TIME, *cells), "1", f"sampled number of trials with {of_what}"),
        "expected_counts": Variable((POINT, TIME, *cells), "1", f"expected number of trials with {of_what}"),
        "expected_total_counts": Variable((POINT, *cells), "1", f"expected number of trials with {of_what}, whole pass"),
        "expected_total_counts_without": Variable(
            (POINT, CAUSE, *cells), "1", "expected_total_counts with one cause of errors switched off"
        ),
    }
    sender = {
        "expected_total_counts_by_photon_number": Variable(
            (POINT, PHOTON_NUMBER, *cells), "1", "part of expected_total_counts from pulses of no photon and of one photon"
        ),
        "mean_photon_number": Variable(
            (POINT, INTENSITY), "1", "mean photon number of each intensity as claimed by the source", True
        ),
        "setting_probability": Variable((POINT, *SETTINGS_BB84), "1", "joint probability of the sender's setting", True),
        "counts_by_probe": Variable((POINT, REALISATION, TIME, PROBE_BIN, *cells), "1", "counts by reading of the probe"),
        "expected_counts_by_probe": Variable(
            (POINT, TIME, PROBE_BIN, *cells), "1", "expected_counts by reading of the probe"
        ),
        "expected_total_counts_by_probe": Variable(
            (POINT, PROBE_BIN, *cells), "1", "expected_total_counts by reading of the probe"
        ),
        "probe_lower": Variable((POINT, PROBE_BIN), "1", "lowest reading of the bin, as a transmittance; 0 in the first"),
        "probe_upper": Variable((POINT, PROBE_BIN), "1", "end of the bin's readings; infinite in the last"),
    }
    source = {
        "accidental_counts": Variable(
            (POINT, REALISATION, TIME, *cells), "1", f"sampled number of pairs of shifted windows with {of_what}"
        ),
        "expected_accidental_counts": Variable(
            (POINT, TIME, *cells), "1", f"expected number of pairs of shifted windows with {of_what}"
        ),
        "expected_total_accidental_counts": Variable(
            (POINT, *cells), "1", f"expected number of pairs of shifted windows with {of_what}, whole pass"
        ),
        "mean_pair_number": Variable((POINT,), "1", "mean number of pairs that the source emits in a trial"),
        "coincidence_window": Variable((POINT,), "s", "length of the time window of a trial"),
        "pair_rate": Variable((POINT,), "s-1", "pairs that the source emits a second"),
    }
    trials = "trials (time windows)" if pairs else "trials (pulses sent)"
    return {
        **counts,
        **(source if pairs else sender),
        "trials": Variable((POINT, TIME), "1", f"{trials} in the step; 0 behind the end of a shorter pass"),
        "block_identity": Variable(
            (POINT,), "", "SHA-256 of protocol, source, receiver and claims: equal ones may form one block"
        ),
        "trial_rate": Variable((POINT,), "s-1", "trials a second"),
        "wavelength": Variable((POINT,), "m", "vacuum wavelength"),
        "start_time": Variable(
            (POINT,), "s", "start of the time axis, seconds since 1970-01-01T00:00:00 UTC; NaN without a date"
        ),
        "range": Variable(link, "m", "slant range"),
        "elevation": Variable(link, "rad", "elevation of the satellite"),
        "azimuth": Variable(link, "rad", "azimuth of the satellite, from north over east"),
        "range_rate": Variable(link, "m s-1", "rate of change of the slant range"),
        "sun_elevation": Variable(link, "rad", "elevation of the sun at the station"),
        "sun_azimuth": Variable(link, "rad", "azimuth of the sun, from north over east"),
        "moon_elevation": Variable(link, "rad", "elevation of the moon at the station"),
        "moon_azimuth": Variable(link, "rad", "azimuth of the moon, from north over east"),
        "moon_illuminated_fraction": Variable(link, "1", "sunlit part of the moon's disc"),
        "sunlit": Variable(link, "1", "1 where the satellite is in sunlight"),
        "mean_transmittance": Variable(link, "1", "mean transmittance of the channel, with the terms it includes"),
        "mean_link_transmittance": Variable(
            link, "1", "mean transmittance from the sender's aperture to the detectors, without their efficiency"
        ),
        "scintillation_index": Variable(link, "1", "variance of the transmittance over its squared mean"),
        "background_rate": Variable(link, "s-1", "sky photons at the analyser's entrance"),
    }


VARIABLES: Final[dict[str, dict[str, Variable]]] = {protocol: _variables(protocol) for protocol in PROTOCOLS}
"""Every variable that qphys writes, by protocol. `time` is in seconds from the start of the pass, at the centre of the step.

A file needs at least one of ``counts``, ``expected_counts``, ``expected_total_counts``; every other dimension than those of
settings, outcomes and arms may be absent in a file that qphys did not write.
"""


def variables(protocol: str) -> dict[str, Variable]:
    """Variables of a protocol's file under their names.

    Raises
    ------
    ValueError
        There is no such protocol.

    Examples
    --------
    >>> variables("bbm92")["expected_counts"].dims
    ('point', 'time', 'alice_outcome', 'bob_outcome')
    """
    if protocol not in VARIABLES:
        raise ValueError(f"protocol {protocol!r}: unknown (allowed: {', '.join(PROTOCOLS)})")
    return VARIABLES[protocol]


def split_outcome(label: str) -> tuple[str, str] | None:
    """Setting and result, ``+`` or ``-``, of an outcome of a CHSH test; None where the label has no such form.

    Examples
    --------
    >>> split_outcome("a0+"), split_outcome("-22.5-"), split_outcome("none")
    (('a0', '+'), ('-22.5', '-'), None)
    """
    setting, result = label[:-1], label[-1:]
    if result not in RESULTS_CHSH or not setting or setting[-1] in RESULTS_CHSH or any(c.isspace() for c in setting):
        return None
    return setting, result


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
