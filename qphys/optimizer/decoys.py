"""Intensities, probabilities, basis bias and lowest elevation of decoy-state BB84.

The source varies on a fixed response, through the kernel of a whole pass (``whole_pass`` in `qphys.core`) that takes
intensities to expected counts and to the key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from qphys import core, keyrates
from qphys import recipe as recipes
from qphys.errors import UserError
from qphys.keyrates import decoy_bb84
from qphys.keyrates.entropies import binary_entropy
from qphys.keyrates.proofs import PROOFS, no_cost
from qphys.optimizer.lanes import gauss_nodes, part_above, widths
from qphys.optimizer.ranges import check_ranges
from qphys.record import Record
from qphys.statistics import schema

if TYPE_CHECKING:
    from qphys.keyrates import AnalysisSettings
    from qphys.river import River
    from qphys.stages import CoherentEmission, Response

Floats = NDArray[np.float64]
Range = tuple[float, float]

VARIABLES: Final = (
    "signal_mean_photon_number",
    "decoy_mean_photon_number",
    "signal_probability",
    "decoy_probability",
    "basis_probability_z",
    "minimum_elevation_deg",
)
"""What may vary, in the order of the search."""

LEAST_PROBABILITY: Final = 1e-3
"""Probability that is left to an intensity whose share follows from the others."""

LINKS_AT_ONCE: Final = 64

FAINTER: Final = 0.98
"""A decoy's mean photon number over that of the signal less the weakest, at most."""

FREEST: Final = {"signal_mean_photon_number": 1, "signal_probability": 0}
"""Quantity that others depend on -> whether its low (0) or high (1) bound leaves them most room."""

NODES: Final = 12
"""Lanes that stand for all steps and fading nodes, where nothing but the transmittance changes."""


HILLS: Final = (
    (0.07, 0.14, 0.25, 0.47, 0.15),
    (0.09, 0.09, 0.18, 0.27, 0.09),
    (0.09, 0.12, 0.23, 0.38, 0.10),
    (0.08, 0.24, 0.28, 0.48, 0.10),
    (0.02, 0.22, 0.32, 0.37, 0.14),
    (0.00, 0.08, 0.00, 0.17, -0.19),
    (0.10, 0.05, 0.12, 0.19, 0.08),
    (-0.04, 0.29, 0.36, 0.43, 0.10),
    (0.02, 0.04, -0.03, 0.06, 0.06),
)
"""From one hill to another: logarithms of the ratios of mu1, mu2, 1 - p1, p2 and 1 - p_z. Bounds are the best of several,
such as errors of single photons by their decoys or by all errors, and each has its own best source. Found from 778 links
with two hills among 1,200 random ones; see docs/physics/optimizer.md."""


def other_hills(mu1: Floats, mu2: Floats, p1: Floats, p2: Floats, pz: Floats) -> tuple[Floats, ...]:
    """Sources (..., 2 len(HILLS)) where the key may have another hill, given the best one known (...).

    Examples
    --------
    >>> [round(float(x[0]), 4) for x in other_hills(*map(np.asarray, (0.6, 0.2, 0.7, 0.2, 0.9)))]
    [0.6435, 0.2301, 0.6148, 0.32, 0.8838]
    """
    ratios = np.exp(np.concatenate([HILLS, -np.asarray(HILLS)]))
    first, second, rest, decoy, other = (
        np.asarray(x)[..., np.newaxis] * r for x, r in zip((mu1, mu2, 1.0 - p1, p2, 1.0 - pz), ratios.T, strict=True)
    )
    return first, second, np.maximum(1.0 - rest, 0.0), decoy, np.maximum(1.0 - other, 0.0)


class DecoyOptimizeSettings(Record):
    """Table ``[optimize]`` of a run: what may vary, and between which bounds; what is ``fixed`` stays as the run says.

    Examples
    --------
    >>> DecoyOptimizeSettings(basis_probability_z="fixed").varied(3)
    ('signal_mean_photon_number', 'decoy_mean_photon_number', 'signal_probability', 'decoy_probability')
    """

    signal_mean_photon_number: Range | Literal["fixed"] = (0.1, 1.0)
    decoy_mean_photon_number: Range | Literal["fixed"] = (0.01, 0.5)
    """The weakest of three intensities stays as the run says."""
    signal_probability: Range | Literal["fixed"] = (0.05, 0.995)
    decoy_probability: Range | Literal["fixed"] = (0.001, 0.9)
    """Of the first decoy, where there are two; with one decoy it has what the signal leaves."""
    basis_probability_z: Range | Literal["fixed"] = (0.05, 0.99)
    """The sender's."""
    receiver_basis: Literal["fixed", "as sender"] = "fixed"
    """Whether the receiver's choice of the basis follows the sender's; a switched (active) analyser only."""
    minimum_elevation_deg: Range | Literal["fixed"] = "fixed"
    """Steps of the pass below it are left out."""
    starts: int = Field(default=2, ge=1, le=20)
    """Searches from different places, for each link."""

    @model_validator(mode="after")
    def _ordered(self) -> DecoyOptimizeSettings:
        limits = {
            "signal_mean_photon_number": (0.0, 100.0),
            "decoy_mean_photon_number": (0.0, 100.0),
            "signal_probability": (0.0, 1.0),
            "decoy_probability": (0.0, 1.0),
            "basis_probability_z": (0.0, 1.0),
            "minimum_elevation_deg": (0.0, 90.0),
        }
        check_ranges(self, limits)
        return self

    def varied(self, intensities: int) -> tuple[str, ...]:
        """Names of what varies."""
        absent = {"decoy_probability"} if intensities == 2 else set()
        return tuple(name for name in VARIABLES if name not in absent and getattr(self, name) != "fixed")


@dataclass(frozen=True, kw_only=True)
class DecoyLink:
    """One point of a run as the search sees it."""

    emission: CoherentEmission
    response: Response
    elevation: Floats
    """Of each step [rad], T; NaN where the orbit does not tell it."""
    trials: Floats
    """Pulses in each step [1], T."""


def decoy_link_of(river: River, point: recipes.Point) -> DecoyLink:
    """One point of a run as the search sees it: its light, and all behind it, computed once."""
    emission, track = river.emission(point), river.tracks(point)[0]
    trials = np.full(len(track.time), emission.trial_rate * track.time_step)
    return DecoyLink(emission=emission, response=river.response(point), elevation=track.elevation, trials=trials)


class DecoyProblem:
    """The key of a batch of links as a function of points of the unit box."""

    def __init__(
        self, links: Sequence[DecoyLink], chosen: DecoyOptimizeSettings, settings: AnalysisSettings, where: str
    ) -> None:
        first = links[0].emission
        self.intensities = len(first.mean_photon_number)
        self.names = chosen.varied(self.intensities)
        self.chosen, self.settings = chosen, settings
        rows = [rows_of(link) for link in links]
        self.rows = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
        self.mu = np.stack([link.emission.mean_photon_number for link in links])
        self.joint = np.stack([link.emission.setting_probability for link in links])
        self.elevation = np.degrees(np.stack([link.elevation for link in links]))
        self.trials = np.stack([link.trials for link in links])
        self.patterns = links[0].response.analyser.outcome_of_pattern
        if "minimum_elevation_deg" in self.names and np.any(np.isnan(self.elevation)):
            raise UserError(f"{where}: optimize.minimum_elevation_deg: the orbit does not tell the elevation of every step")
        if chosen.receiver_basis == "as sender" and links[0].response.analyser.setting_probability.size != 2:
            raise UserError(
                f"{where}: optimize.receiver_basis = 'as sender': the receiver's choice is passive; set 'fixed', or take "
                "a receiver with basis_choice = 'active'"
            )
        bits = self.joint.sum(axis=(1, 2))
        if np.any(np.abs(bits - 0.5) > 1e-9):
            raise UserError(f"{where}: source: the bits are not uniform, which the proof demands")
        # the sender's bias must be one number to be varied
        self.basis_z = self.joint.sum(axis=(1, 3))[:, 0]
        spread = np.abs(self.joint.sum(axis=3)[:, :, 0] / self.joint.sum(axis=(2, 3)) - self.basis_z[:, np.newaxis])
        if np.any(spread > 1e-9) and self.names:
            raise UserError(
                f"{where}: source.joint_probability: intensities of different basis bias cannot be optimised; give "
                "intensity_probabilities and basis_probability_z"
            )
        self.probability = self.joint.sum(axis=(2, 3))
        self._check_limits(where)
        self.steps = widths(self.elevation)
        self.few = None if "minimum_elevation_deg" in self.names else self._few_lanes()

    def _few_lanes(self) -> tuple[Floats, Floats] | None:
        """Transmittance and trials of few lanes a link, (L, n); None where more than the transmittance changes."""
        if any(self.rows[name].shape[1] > 1 for name in ("photons", "noise", "free_noise")):
            return None
        weights = self.trials[:, :, np.newaxis] * self.rows["weight"]
        found = [
            gauss_nodes(points.ravel(), own.ravel(), number=NODES)
            for points, own in zip(self.rows["transmittance"], weights, strict=True)
        ]
        few = np.zeros((2, len(found), max(len(lanes) for lanes, _ in found)))
        for link, (lanes, trials) in enumerate(found):
            few[:, link, : len(lanes)] = lanes, trials
        return few[0], few[1]

    def _bounds(self, name: str) -> Range:
        value = getattr(self.chosen, name)
        assert value != "fixed"
        return float(value[0]), float(value[1])

    def _limits(self, name: str, value: dict[str, Floats], links: NDArray[np.intp]) -> tuple[Floats, Floats]:
        """Bounds (B, C or 1) of what varies, given what was decided before it: decoys are fainter, and a rest is left."""
        low, high = (np.full((len(links), 1), bound) for bound in self._bounds(name))
        weakest = self.mu[links, 2:3] if self.intensities == 3 else np.zeros((len(links), 1))
        if name == "signal_mean_photon_number":
            low = np.maximum(low, self._least("decoy_mean_photon_number", links) / FAINTER + weakest)
        elif name == "decoy_mean_photon_number":
            high = np.minimum(high, FAINTER * (value["signal_mean_photon_number"] - weakest))
        elif name == "signal_probability" and self.intensities == 3:
            high = np.minimum(high, 1.0 - LEAST_PROBABILITY - self._least("decoy_probability", links))
        elif name == "decoy_probability":
            high = np.minimum(high, 1.0 - LEAST_PROBABILITY - value["signal_probability"])
        return low, high

    def _least(self, name: str, links: NDArray[np.intp]) -> Floats:
        """Least value that a quantity may have, (B, 1)."""
        if name in self.names:
            return np.full((len(links), 1), self._bounds(name)[0])
        return self._own()[name][links, np.newaxis]

    def _check_limits(self, where: str) -> None:
        """Refuse bounds between which no source lies."""
        own = {name: value[:, np.newaxis] for name, value in self._own().items()}
        links = np.arange(len(self.mu))
        room = {
            "signal_mean_photon_number": "is brighter than the decoy",
            "decoy_mean_photon_number": "is fainter than the signal",
        }
        for name in self.names:
            # a decoy's highest bound is that beside a signal that may still grow
            told = own | {n: np.full((len(links), 1), self._bounds(n)[i]) for n, i in FREEST.items() if n in self.names}
            low, high = self._limits(name, told, links)
            if np.any(low > high * (1.0 + 1e-12)):
                reason = room.get(name, "leaves the other intensities their part")
                least, most = self._bounds(name)
                raise UserError(f"{where}: optimize.{name} = [{least:g}, {most:g}]: none within it {reason}")

    def natural(self, points: Floats, links: NDArray[np.intp] | None = None) -> dict[str, Floats]:
        """Values of points (B, C, n), each (B, C)."""
        index = np.arange(len(points)) if links is None else links
        value: dict[str, Floats] = {}
        for name, own in self._own().items():
            if name in self.names:
                low, high = self._limits(name, value, index)
                value[name] = low + points[..., self.names.index(name)] * np.maximum(high - low, 0.0)
            elif name == "decoy_probability" and self.intensities == 2:
                value[name] = 1.0 - value["signal_probability"]
            else:
                value[name] = np.broadcast_to(own[index, np.newaxis], points.shape[:2])
        return value

    def _own(self) -> dict[str, Floats]:
        """Values of the source as the run says, (L)."""
        return {
            "signal_mean_photon_number": self.mu[:, 0],
            "decoy_mean_photon_number": self.mu[:, 1],
            "signal_probability": self.probability[:, 0],
            "decoy_probability": self.probability[:, 1],
            "basis_probability_z": self.basis_z,
            "minimum_elevation_deg": np.full(len(self.mu), -90.0),
        }

    def _unit(self, value: dict[str, Floats], links: NDArray[np.intp]) -> Floats:
        """Points (B, C, n) of values (B, C), the inverse of `natural`; they may leave the box."""
        points = []
        for name in self.names:
            low, high = self._limits(name, value, links)
            points.append((value[name] - low) / np.maximum(high - low, 1e-12))
        return np.stack(points, axis=-1)

    def own_point(self) -> Floats:
        """The run's own source in the unit box, which it may leave, (L, n)."""
        own = {name: value[:, np.newaxis] for name, value in self._own().items()}
        return self._unit(own, np.arange(len(self.mu)))[:, 0]

    def beside(self, points: Floats, links: NDArray[np.intp]) -> Floats:
        """Points (B, H, n) where the key may have another hill, given the best ones known (B, n)."""
        value = {name: here[:, 0] for name, here in self.natural(points[:, np.newaxis], links).items()}
        source = [name for name in VARIABLES if name != "minimum_elevation_deg"]
        there = dict(zip(source, other_hills(*(value[name] for name in source)), strict=True))
        lowest = value["minimum_elevation_deg"][:, np.newaxis]
        # what is fixed stays
        moved = {name: there[name] if name in self.names else value[name][:, np.newaxis] for name in source}
        shape = there["basis_probability_z"].shape
        told = {name: np.broadcast_to(v, shape) for name, v in (moved | {"minimum_elevation_deg": lowest}).items()}
        return np.clip(self._unit(told, links), 0.0, 1.0)

    def own_keys(self) -> Floats:
        """Key [bit] with source and receiver as the run says, (L)."""
        own = {name: value[:, np.newaxis] for name, value in self._own().items()}
        return self._evaluated(own, np.arange(len(self.mu)), whole=True, receiver_basis="fixed")[1][:, 0]

    def keys(self, points: Floats) -> Floats:
        """Key [bit] of one point a link over all steps and fading nodes, (L); a step is used or not, never in part."""
        index = np.arange(len(points))
        value = self.natural(points[:, np.newaxis], index)
        return self._evaluated(value, index, whole=True, receiver_basis=self.chosen.receiver_basis)[1][:, 0]

    def margin(self, points: Floats, links: NDArray[np.intp]) -> Floats:
        """Key before it is cut to whole bits and at 0, (B, C); where there is none, how much a sifted bit lacks."""
        value = self.natural(points, links)
        return self._evaluated(value, links, whole=False, receiver_basis=self.chosen.receiver_basis)[0]

    def _evaluated(
        self, value: dict[str, Floats], links: NDArray[np.intp], *, whole: bool, receiver_basis: str
    ) -> tuple[Floats, Floats]:
        three = self.intensities == 3
        mu1, mu2 = value["signal_mean_photon_number"], value["decoy_mean_photon_number"]
        mu3 = np.broadcast_to(self.mu[links, 2:3], mu1.shape) if three else np.zeros_like(mu1)
        p1, p2 = value["signal_probability"], value["decoy_probability"]
        p3 = 1.0 - p1 - p2 if three else np.zeros_like(p1)
        pz = value["basis_probability_z"]
        mu, p = np.stack([mu1, mu2, mu3], axis=-1), np.stack([p1, p2, p3], axis=-1)
        bases = np.stack([pz, pz, 1.0 - pz, 1.0 - pz], axis=-1) / 2.0
        row = {name: array[links, np.newaxis] for name, array in self.rows.items()}
        if self.few is not None and not whole:
            few = [array[links, np.newaxis] for array in self.few]
            light, trials = (few[0][..., np.newaxis], np.ones_like(few[0])[..., np.newaxis]), few[1]
        else:
            light, trials = (row["transmittance"], row["weight"]), self.trials[links, np.newaxis]
            if "minimum_elevation_deg" in self.names:
                lowest = value["minimum_elevation_deg"][..., np.newaxis]
                here, width = self.elevation[links, np.newaxis], self.steps[links, np.newaxis]
                trials = trials * part_above(here, lowest, width, whole=whole)
        settings = self.settings
        security, correctness = keyrates.block_epsilons(settings)
        as_lim = PROOFS[settings.proof].name == "lim2014"
        # of another proof only the counts are read
        policies = (
            np.int8(core.TAIL_BOUNDS[settings.tail_bound] if as_lim else 0),
            np.int8(core.SAMPLING_BOUNDS["lim2014" if settings.sampling_bound == "own" else settings.sampling_bound])
            if as_lim
            else np.int8(0),
            np.int8(core.KEY_SOURCES[settings.key_from] if as_lim else 0),
        )
        codes = np.array([0 if basis == "Z" else 1 for basis in keyrates.key_bases(settings)], dtype=np.int8)
        told = core.KERNELS["whole_pass"](
            *light,
            trials,
            row["photons"],
            mu,
            row["emission_weight"],
            p[..., np.newaxis] * bases[..., np.newaxis, :],
            np.stack([pz, 1.0 - pz], axis=-1) if receiver_basis == "as sender" else row["receiver_probability"],
            row["gate_fraction"],
            row["noise"],
            row["free_noise"],
            row["dead_trials"],
            row["afterpulse"],
            self.patterns,
            mu,
            codes,
            security,
            correctness,
            settings.error_correction_efficiency,
            *policies,
        )
        if as_lim:
            length, vacuum, single, phase, leak, status = (told[2 + i] for i in (0, 1, 2, 5, 6, 8))
        else:
            number = self.intensities
            length, vacuum, single, phase, leak, status = self._blocks(
                told[0][..., :number, :], told[1][..., :number, :], mu[..., :number], p[..., :number]
            )
        proof = PROOFS[settings.proof]
        cost = proof.bits_paid(
            security=security, correctness=correctness, key_from=settings.key_from, intensities=self.intensities
        )
        counted = vacuum if proof.vacuum_is_secret else 0.0
        smooth = counted + single * (1.0 - binary_entropy(phase)) - leak - cost
        key = np.where(status == core.STATUS["good"], length, 0.0)
        # of a proof that does not tell its cost apart the whole bits must do
        blocks = np.where(key > 0.0, key if proof.cost is no_cost else smooth, np.minimum(smooth, 0.0))
        blocks = np.where(np.isfinite(blocks), blocks, -np.inf)
        positive = np.maximum(blocks, 0.0).sum(axis=-1)
        # less light loses less: a slope towards a key needs what a bit lacks, not the whole block
        sifted = told[0].sum(axis=-2)[..., codes]
        lacking = (blocks / np.maximum(sifted, 1.0)).max(axis=-1)
        return np.where(positive > 0.0, positive, lacking), key.sum(axis=-1)

    def _blocks(self, events: Floats, errors: Floats, mu: Floats, p: Floats) -> tuple[Any, ...]:
        """Length, vacuum, single photons, phase error, leakage and status of a proof's blocks, last axis the key basis."""
        kernel = decoy_bb84.KERNELS[self.settings.proof]
        probability = np.broadcast_to(p[..., np.newaxis], events.shape)
        blocks = []
        for basis in keyrates.key_bases(self.settings):
            key = schema.BASES.index(basis)
            pair = [key, 1 - key]
            told = kernel(events[..., pair], errors[..., pair], mu, probability[..., pair], self.settings)
            blocks.append([told[i] for i in (0, 1, 2, 3, 4, 6)])
        return tuple(np.stack(parts, axis=-1) for parts in zip(*blocks, strict=True))


def rows_of(link: DecoyLink) -> dict[str, Floats]:
    """What the kernel of a whole pass needs of a link, at unit intensity."""
    from qphys import detectors

    emission, response = link.emission, link.response
    analyser = response.analyser
    sent = detectors.photoelectrons(emission, response)
    u, nodes = sent.shape[:2]
    states = sent.reshape(u, nodes, -1, 4, *sent.shape[3:])
    return {
        "transmittance": response.transmittance,
        "weight": response.weight,
        # the states of all intensities are those of the brightest, scaled
        "photons": states[:, :, :1] / emission.mean_photon_number[0],
        "emission_weight": np.outer(emission.node_weight, response.map_weight).ravel(),
        "receiver_probability": analyser.setting_probability,
        "gate_fraction": analyser.gate_fraction,
        "noise": detectors.one_if_constant(response.noise_probability),
        "free_noise": detectors.one_if_constant(response.ungated_noise_rate) / emission.trial_rate,
        "dead_trials": detectors.blocked_slots(analyser.dead_time, emission.trial_rate),
        "afterpulse": analyser.afterpulse_probability,
    }


def decoy_settings_for(run: recipes.Run, intensities: int, where: str) -> AnalysisSettings:
    """Settings of the analysis with the proof decided."""
    given = keyrates.settings_of(run.protocol, run.analysis, where=f"{where}: analysis")
    assert isinstance(given, keyrates.AnalysisSettings)
    settings = keyrates.with_proof(given, intensities)
    proof = PROOFS[settings.proof]
    if not proof.is_finite:
        raise UserError(f"{where}: analysis.proof = '{proof.name}': an asymptotic rate has no best source of finite blocks")
    if intensities not in (2, 3):
        raise UserError(f"{where}: source.mean_photon_numbers: {intensities} intensities; two or three can be optimised")
    if proof.name == "linear-programme":
        raise UserError(f"{where}: analysis.proof = 'linear-programme': a programme a block is too slow to search with")
    if not proof.takes(intensities):
        raise UserError(f"{where}: analysis.proof = '{proof.name}' does not take the source's {intensities} intensities")
    for name in ("selection", "parts"):
        if getattr(settings, name) is not None:
            raise UserError(f"{where}: analysis.{name}: a source is optimised for all trials of a pass; leave it out")
    if settings.tail_bound == "kato2020":
        raise UserError(f"{where}: analysis.tail_bound = 'kato2020': a prediction belongs to one source, not to a search")
    if settings.block == "all":
        raise UserError(f"{where}: analysis.block = 'all': a source is optimised for each pass by itself; set 'pass'")
    return settings
