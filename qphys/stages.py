"""What the stages hand over: frozen, checked, SI.

Letters in shapes: T time step, N fading node, A arm, S receiver setting, D detector, M internal mode, P polarization (2),
K polarization map, E emission node, C settings of the sender, O outcomes. A polarization vector holds the amplitudes along H
and V.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Protocol, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]
Integers = NDArray[np.int64]
Axes = dict[str, tuple[str, ...]]
"""Dimension name -> labels, in order."""

LOSS_TERMS: Final = (
    "diffraction",
    "pointing",
    "transmitter optics",
    "atmosphere",
    "turbulence",
    "fibre coupling",
    "receiver optics",
    "detector efficiency",
)
"""Terms that a loss may include. What a channel includes already is not applied again by the receiver."""

ERROR_CAUSES: Final = ("preparation", "optics", "dark counts", "sky", "double clicks")
"""Causes by which the error rate is told, beside its total."""


ATTITUDE_LAWS: Final = ("velocity", "orbit-normal", "inertial-velocity", "inertial-orbit-normal")
"""Axis of the satellite along which the sender's H lies: what `Track.frame_angle` may be told for."""


class Files(Protocol):
    """Contents of named files, so that no room of physics opens one."""

    def table(self, name: str, where: str = "") -> Mapping[str, Floats]:
        """Columns of a CSV file of the models' folder ``tables``, under the names in its header line."""

    def text(self, name: str, where: str = "") -> str:
        """A text file of the models' folder ``tables``: orbital elements, ephemerides."""


GEOMETRY: Final = ("range", "elevation", "azimuth", "range_rate", "sun_elevation", "sunlit")
"""Fields of a `Track` with a value for each step, which every maker of a track must give."""

SKY: Final = ("sun_azimuth", "moon_elevation", "moon_azimuth", "moon_illuminated_fraction")
"""Further ones, which are unknown (NaN) where the pass has no date."""

FURTHER: Final = (*SKY, "point_ahead_angle", "slew_rate")
"""Fields of a `Track` that may be left out, and are NaN then."""


def _check(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def _untold() -> Floats:
    return np.empty(0)


@dataclass(frozen=True, kw_only=True)
class Track:
    """Geometry of one arm along the pass. What a table does not tell is NaN."""

    time: Floats
    """Centre of each step after `epoch` [s], T."""
    time_step: float
    """Length of a step [s]."""
    epoch: str
    """Start of `time`, UTC, ISO 8601 (``2016-12-19T16:40:00Z``); empty where the pass has no date."""
    range: Floats
    """Slant range [m], T."""
    elevation: Floats
    """Geometric elevation of the satellite at the station [rad], T."""
    azimuth: Floats
    """Azimuth from north over east [rad], T."""
    range_rate: Floats
    """Rate of change of the slant range [m/s], T."""
    sun_elevation: Floats
    """Elevation of the sun at the station [rad], T."""
    sunlit: Floats
    """1 where the satellite is in sunlight, 0 in eclipse, T."""
    point_ahead_angle: Floats = field(default_factory=_untold)
    """Angle between the beam to the satellite and the light that comes from it [rad], T."""
    slew_rate: Floats = field(default_factory=_untold)
    """Angular rate of the line of sight in an inertial frame [rad/s], T."""
    frame_angle: Mapping[str, Floats] = field(default_factory=dict)
    """For each law of ATTITUDE_LAWS that is told, the angle of the sender's H at the receiver, from the horizontal H towards
    V, continuous but for multiples of pi [rad], T each."""
    sun_azimuth: Floats = field(default_factory=_untold)
    """Azimuth of the sun from north over east [rad], T; this and what follows of the moon: NaN where not given."""
    moon_elevation: Floats = field(default_factory=_untold)
    """Elevation of the moon's centre at the station, parallax included [rad], T."""
    moon_azimuth: Floats = field(default_factory=_untold)
    """Azimuth of the moon from north over east [rad], T."""
    moon_illuminated_fraction: Floats = field(default_factory=_untold)
    """Sunlit part of the moon's disc, (1 + cos alpha) / 2 with alpha its phase angle (0 at full moon), T."""
    station_altitude: float = 0.0
    """Height of the station above the ellipsoid [m]."""
    facts: Mapping[str, str | float] = field(default_factory=dict)
    """What the file must say about it: source, epoch and age of the elements."""
    warnings: tuple[str, ...] = ()
    """One line each, for the user: old elements, sun above the horizon."""

    def __post_init__(self) -> None:
        for name in FURTHER:
            if not getattr(self, name).size:
                object.__setattr__(self, name, np.full(self.time.shape, np.nan))
        _check(set(self.frame_angle) <= set(ATTITUDE_LAWS), f"Track.frame_angle knows {ATTITUDE_LAWS}")
        for law, angle in self.frame_angle.items():
            _check(angle.shape == self.time.shape, f"Track.frame_angle of {law} must have the shape of Track.time")
        for name in (*GEOMETRY, *FURTHER):
            _check(getattr(self, name).shape == self.time.shape, f"Track.{name} must have the shape of Track.time")
        _check(self.time_step > 0, "Track.time_step must be positive")


@dataclass(frozen=True, kw_only=True)
class Sight:
    """What a channel sees of an arm: the track, the wavelength and the two telescopes as numbers."""

    track: Track
    partner: Track | None = None
    """Track of the other arm of a pair source, for a loss that was measured of both together."""
    wavelength: float
    """Vacuum wavelength [m]."""
    transmitter_aperture: float = float("nan")
    """Diameter of the sending telescope [m]."""
    transmitter_obscuration: float = 0.0
    """Diameter of its central obscuration over that of the aperture."""
    transmitter_waist_ratio: float = float("nan")
    """Radius 1/e^2 of the Gaussian illumination over the radius of the aperture; NaN: uniform."""
    divergence_half_angle: float = float("nan")
    """Half-angle 1/e^2 of the far-field intensity [rad]; NaN: from the aperture."""
    pointing_jitter: float = 0.0
    """Pointing error, rms per axis [rad]."""
    pointing_bias: float = 0.0
    """Constant pointing offset (boresight) [rad]."""
    transmitter_optics_transmittance: float = 1.0
    receiver_aperture: float = float("nan")
    """Diameter of the receiving telescope [m]."""
    receiver_obscuration: float = 0.0
    receiver_optics_transmittance: float = 1.0
    """From the aperture to the analyser's entrance: telescope, filter; fibre coupling if the channel tells none."""
    field_of_view: float = float("nan")
    """Full angle of the field of view [rad]."""
    filter_bandwidth: float = float("nan")
    """Width of the spectral filter [m]."""


@dataclass(frozen=True, kw_only=True)
class Emission:
    """The light of each setting of the sender."""

    settings: Axes
    """What the sender chooses at random, C = product of their lengths; empty for a pair source."""
    setting_probability: Floats
    """Joint probability, shape of the settings."""
    trial_rate: float
    """Pulses, or windows of a continuous source, a second [1/s]."""
    wavelength: float
    """Vacuum wavelength [m]."""

    def __post_init__(self) -> None:
        shape = tuple(len(labels) for labels in self.settings.values())
        _check(self.setting_probability.shape == shape, "setting_probability must have the shape of the settings")
        _check(bool(np.all(self.setting_probability >= 0)), "setting_probability must not be negative")
        _check(abs(float(self.setting_probability.sum()) - 1.0) < 1e-12, "setting_probability must sum to 1")
        _check(self.trial_rate > 0, "trial_rate must be positive")


@dataclass(frozen=True, kw_only=True)
class CoherentEmission(Emission):
    """Pulses of phase-randomised coherent light."""

    amplitude: Complexes
    """Square root of photons a pulse, in node E: (E, *settings, M, P). The phase of the whole is random."""
    node_weight: Floats
    """Weight of what fluctuates from pulse to pulse (intensity), E; sums to 1."""
    mean_photon_number: Floats
    """What the sender claims to the analysis: nominal mean photon number of each intensity."""
    ideal_amplitude: Complexes
    """The same without preparation errors, for errors by cause."""


@dataclass(frozen=True, kw_only=True)
class PairEmission(Emission):
    """Entangled pairs: one photon of each to Alice (arm 0), the other to Bob (arm 1). There is no setting to choose."""

    coincidence_fraction: float | Floats = 1.0
    """Part of the pairs whose photons, both detected, fall into one trial (jitter, delay, window): one value, or T."""
    continuous: bool = False
    """Trials are adjoining windows of a continuous source: light falls on all of a window, and each gate must span it."""
    ideal: PairEmission | None = None
    """The same light with an ideal state, for errors by cause; None: the state has no errors to tell."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(not self.settings, "a pair source has no settings")
        fraction = np.asarray(self.coincidence_fraction)
        _check(fraction.ndim <= 1, "coincidence_fraction is one value, or one for each step")
        _check(bool(np.all((fraction >= 0.0) & (fraction <= 1.0))), "coincidence_fraction must lie in [0, 1]")

    def along_the_pass(self, coincidence_fraction: Floats) -> Self:
        """The same light, also the ideal one, with its `coincidence_fraction` in each step, T."""
        ideal = None if self.ideal is None else replace(self.ideal, coincidence_fraction=coincidence_fraction)
        return replace(self, coincidence_fraction=coincidence_fraction, ideal=ideal)

    @property
    def pair_state(self) -> Complexes:
        """State of a single pair over (HH, HV, VH, VV), (4, 4), of trace one."""
        raise NotImplementedError

    @property
    def flipped_bases(self) -> tuple[str, ...]:
        """Bases (Z: H, V; X: diagonals) in which the pairs' outcomes are opposite rather than equal."""
        sign = {"Z": np.diag([1.0, -1.0]), "X": np.array([[0.0, 1.0], [1.0, 0.0]])}
        state = self.pair_state
        return tuple(basis for basis, one in sign.items() if float(np.trace(state @ np.kron(one, one)).real) < 0.0)


@dataclass(frozen=True, kw_only=True)
class GaussianPairEmission(PairEmission):
    """Pairs of two-mode squeezers: normal-ordered moments over the modes (sH, sV, iH, iV), per Schmidt mode."""

    number: Complexes
    """<a'_j a_k>, (4, 4): block diagonal in the arms."""
    anomalous: Complexes
    """<a_j a_k>, (4, 4): between the arms."""
    schmidt_modes: float
    """Number of equal Schmidt modes, >= 1; infinity is Poisson light."""

    @property
    def pair_state(self) -> Complexes:
        """State of a single pair: the moments <a_s a_i> are its amplitudes where pairs are rare."""
        amplitude = self.anomalous[:2, 2:].ravel()
        state: Complexes = np.outer(amplitude, amplitude.conj()) / float(np.sum(np.abs(amplitude) ** 2))
        return state


@dataclass(frozen=True, kw_only=True)
class DensityPairEmission(PairEmission):
    """Pairs of a two-qubit state that arrive independently (compound Poisson)."""

    state: Complexes
    """Density matrix over (HH, HV, VH, VV), signal first, (4, 4)."""
    mean_pair_number: float
    """Mean number of pairs a trial."""

    @property
    def pair_state(self) -> Complexes:
        """State of a single pair."""
        return self.state


@dataclass(frozen=True, kw_only=True)
class Transmittance:
    """A distribution of transmittance per time step, with a correlation time: never only a number."""

    transmittance: Floats
    """Nodes of intensity transmittance, (T, N, A)."""
    weight: Floats
    """Probability of each node, (T, N); sums to 1 over N."""
    correlation_time: float
    """Time after which the fading is drawn afresh [s]; 0: the fading averages out within a step."""
    jones: Complexes
    """Map on polarization, (T, A, P, P). Its mean over polarizations is 1: what it loses stands in `transmittance`."""
    background_rate: Floats
    """Photons of sky light at the analyser's entrance [1/s], both polarizations together, (T, A)."""
    includes: tuple[str, ...]
    """Terms of LOSS_TERMS that `transmittance` holds already."""
    terms_db: Mapping[str, Floats] = field(default_factory=dict)
    """Mean loss by term [dB], each (T, A), for budgets and pictures."""
    model: str = ""
    """Name of the fading model and its validity, for the file."""
    ensemble: Complexes = field(default_factory=lambda: np.eye(2, dtype=np.complex128).reshape(1, 1, 1, 2, 2))
    """Maps on polarization that follow `jones`, one of them drawn anew in each trial, (1 or T, 1 or A, K, P, P)."""
    ensemble_weight: Floats = field(default_factory=lambda: np.ones((1, 1)))
    """Probability of each map of the ensemble, (1 or A, K)."""

    def __post_init__(self) -> None:
        steps, nodes, arms = self.transmittance.shape
        times, ways, maps = self.ensemble.shape[:3]
        _check(self.ensemble.shape[3:] == (2, 2), "Transmittance.ensemble must have shape (1 or T, 1 or A, K, 2, 2)")
        _check(times in (1, steps) and ways in (1, arms), "Transmittance.ensemble must have shape (1 or T, 1 or A, K, 2, 2)")
        _check(self.ensemble_weight.shape == (ways, maps), "Transmittance.ensemble_weight must have shape (1 or A, K)")
        _check(bool(np.all(self.ensemble_weight >= 0)), "Transmittance.ensemble_weight must not be negative")
        _check(bool(np.all(np.abs(self.ensemble_weight.sum(axis=1) - 1) < 1e-9)), "ensemble_weight must sum to 1")
        _check(self.weight.shape == (steps, nodes), "Transmittance.weight must have shape (T, N)")
        _check(self.jones.shape == (steps, arms, 2, 2), "Transmittance.jones must have shape (T, A, 2, 2)")
        _check(self.background_rate.shape == (steps, arms), "Transmittance.background_rate must have shape (T, A)")
        _check(set(self.includes) <= set(LOSS_TERMS), f"Transmittance.includes knows {LOSS_TERMS}")
        _check(bool(np.all((self.transmittance >= 0) & (self.transmittance <= 1))), "transmittance must lie in [0, 1]")
        _check(bool(np.all(np.abs(self.weight.sum(axis=1) - 1) < 1e-9)), "weights must sum to 1")

    @property
    def mean(self) -> Floats:
        """Mean transmittance, (T, A)."""
        mean: Floats = np.einsum("tna,tn->ta", self.transmittance, self.weight)
        return mean

    @property
    def scintillation_index(self) -> Floats:
        """Variance of the transmittance over its squared mean, (T, A); 0 where nothing arrives."""
        mean = self.mean
        variance = np.einsum("tna,tn->ta", (self.transmittance - mean[:, None, :]) ** 2, self.weight)
        index: Floats = np.divide(variance, mean**2, out=np.zeros_like(mean), where=mean > 0)
        return index


@dataclass(frozen=True, kw_only=True)
class Analyser:
    """One arm's receiver: amplitudes from the arriving polarizations to its detectors, for each of its settings."""

    setting_probability: Floats
    """What the receiver chooses, S; one setting where the choice is passive."""
    amplitude: Complexes
    """Optics only, (S, D, M, P), without the detectors' efficiency: |amplitude . a|^2 photons reach the detector."""
    ideal_amplitude: Complexes
    """The same without imperfect optics, for errors by cause."""
    efficiency: Floats
    """Probability that a photon at the detector makes an avalanche, D."""
    gate_fraction: Floats
    """Part of the signal's clicks that fall into the gate (jitter against gate), D."""
    background_share: Floats
    """Detected background for one photon at the analyser's entrance, (S, D), efficiency included."""
    dark_rate: Floats
    """Dark counts [1/s], D."""
    gate: float
    """Length of the time gate of one trial [s]."""
    dead_time: Floats
    """Non-paralysable dead time [s], D."""
    afterpulse_probability: Floats
    """Probability that a click is followed by an afterpulse, D."""
    outcome_dimension: str
    """Name of the outcome's dimension, such as ``bob_outcome``."""
    outcomes: tuple[str, ...]
    """Labels: the first is ``none``."""
    outcome_of_pattern: Integers
    """Index of the outcome for each click pattern (bit d of the pattern set: detector d clicked), (S, 2**D)."""
    leak: Complexes | None = None
    """Part of `amplitude` whose power adds to the rest's: light in the wrong output, of no fixed phase, (S, D, M, P)."""


@dataclass(frozen=True, kw_only=True)
class Response:
    """Everything between the source and the clicks, for one arm, before any source is chosen."""

    amplitude: Complexes
    """Per detector, without fading, square root of efficiency and gate included, (T, K, S, D, M, P)."""
    leak: Complexes | None
    """Part of `amplitude` of no fixed phase, the same shape; None: there is none."""
    map_weight: Floats
    """Probability of each polarization map, K; one where the channel has one map."""
    transmittance: Floats
    """Fading nodes, (T, N)."""
    weight: Floats
    """(T, N)."""
    correlation_time: float
    noise_probability: Floats
    """Probability of a dark or sky count in the gate of a trial, (T, S, D)."""
    ungated_noise_rate: Floats
    """Dark and sky counts at all times [1/s], which keep a detector dead, (T, S, D)."""
    analyser: Analyser
    time_step: float
    """[s]."""


@dataclass(frozen=True, kw_only=True)
class Clicks:
    """Probability of every outcome in a trial, for each step, fading node and setting of the sender."""

    settings: Axes
    outcomes: Axes
    """Outcome dimensions; the label ``none`` stands first in each."""
    probability: Floats
    """(T, N, *settings, *outcomes), sums to 1 over the outcomes."""
    weight: Floats
    """(T, N)."""
    setting_probability: Floats
    """Shape of the settings."""
    trial_rate: float
    correlation_time: float
    time_step: float

    def __post_init__(self) -> None:
        shape = (
            *self.weight.shape,
            *(len(v) for v in self.settings.values()),
            *(len(v) for v in self.outcomes.values()),
        )
        _check(self.probability.shape == shape, f"Clicks.probability must have shape {shape}")
