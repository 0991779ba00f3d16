"""Brightness, coincidence window, basis bias and lowest elevation of an entangled-pair source (BBM92)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from qphys import detectors, sources, stages
from qphys import recipe as recipes
from qphys.errors import UserError
from qphys.keyrates import bbm92
from qphys.keyrates.entropies import binary_entropy
from qphys.keyrates.proofs import PROOFS
from qphys.optimizer.lanes import gauss_nodes, part_above, shares, widths
from qphys.optimizer.ranges import check_ranges
from qphys.record import Record
from qphys.river import River, build, ways
from qphys.sources.pump import ContinuousPump
from qphys.statistics import schema

Floats = NDArray[np.float64]
Range = tuple[float, float]

VARIABLES: Final = (
    "mean_pair_number",
    "pair_rate_mhz",
    "coincidence_window_ns",
    "basis_probability_z",
    "minimum_elevation_deg",
)
"""What may vary, in the order of the search."""

LOGARITHMIC: Final = ("mean_pair_number", "pair_rate_mhz", "coincidence_window_ns")
"""Searched on a scale of ratios."""

LANES_AT_ONCE: Final = 20_000

NODES: Final = (12, 7)
"""Lanes that stand for all steps and fading nodes: where one arm's transmittance changes; of each arm, where both do."""


class PairOptimizeSettings(Record):
    """Table ``[optimize]`` of a run of entangled pairs: bounds of what may vary; what is ``fixed`` stays as the run says.

    Examples
    --------
    >>> PairOptimizeSettings(coincidence_window_ns="fixed").varied(continuous=True)
    ('pair_rate_mhz',)
    """

    mean_pair_number: Range | Literal["fixed"] = (1e-3, 1.0)
    """Of a pulsed pump."""
    pair_rate_mhz: Range | Literal["fixed"] = (0.01, 10_000.0)
    """Of a continuous pump."""
    coincidence_window_ns: Range | Literal["fixed"] = (0.01, 10.0)
    """Of a continuous pump; the gates of both receivers follow. Left out, it is fixed where the source has no jitter."""
    basis_probability_z: Range | Literal["fixed"] = "fixed"
    """Of both receivers, alike: the beam splitter of a passive one, the switch of an active one."""
    minimum_elevation_deg: Range | Literal["fixed"] = "fixed"
    """Steps of the pass in which any station sees the satellite below it are left out."""
    starts: int = Field(default=3, ge=1, le=20)
    """Searches from different places, for each link."""

    @model_validator(mode="after")
    def _ordered(self) -> PairOptimizeSettings:
        limits = {
            "mean_pair_number": (0.0, 100.0),
            "pair_rate_mhz": (0.0, 1e6),
            "coincidence_window_ns": (0.0, 1e6),
            "basis_probability_z": (0.0, 1.0),
            "minimum_elevation_deg": (0.0, 90.0),
        }
        check_ranges(self, limits, above_zero=LOGARITHMIC)
        return self

    def varied(self, *, continuous: bool) -> tuple[str, ...]:
        """Names of what varies."""
        absent = {"mean_pair_number"} if continuous else {"pair_rate_mhz", "coincidence_window_ns"}
        return tuple(name for name in VARIABLES if name not in absent and getattr(self, name) != "fixed")


@dataclass(frozen=True, kw_only=True)
class PairLink:
    """One point of a run as the search sees it."""

    emission: stages.PairEmission
    pump: sources.pump.Pump
    responses: tuple[stages.Response, stages.Response]
    transmittance: Floats
    """Joint fading of both arms [1], (T, N, 2)."""
    seconds: Floats
    """Length of each step times the weight of the node [s], (T, N)."""
    elevation: Floats
    """Lowest of the stations' [degree], (T,); NaN where the orbit does not tell it."""
    drift: Floats
    """Rate of change of the delay between the arms [s/s], (T,)."""
    basis_z: float
    """Probability of basis Z, or part of the light, of both receivers; NaN where they differ."""
    where: str


def pair_link_of(river: River, point: recipes.Point) -> PairLink:
    """One point of a run as the search sees it: channel and receivers of both arms, computed once."""
    arms, tracks = ways(point), river.tracks(point)
    responses, joint = river.pair_responses(point)
    source = build(sources.KINDS, point.run.source, f"{point.where}: source")
    assert isinstance(source, sources.DensityPairs | sources.SqueezedPairs)
    seen = [track.elevation for way, track in zip(arms, tracks, strict=True) if way.station]
    told = [float(_basis_z(response)) for response in responses]
    return PairLink(
        emission=river.emission(point),
        pump=source.pump,
        responses=responses,
        transmittance=joint.transmittance,
        seconds=tracks[0].time_step * joint.weight,
        elevation=np.degrees(np.min(seen, axis=0)) if seen else np.full(len(joint.weight), np.nan),
        drift=river.drift(point),
        basis_z=told[0] if abs(told[0] - told[1]) < 1e-9 else float("nan"),
        where=point.where,
    )


def pair_settings_for(run: recipes.Run, where: str) -> bbm92.BBM92Settings:
    """Settings of the analysis, where a best source is one of them."""
    from qphys import keyrates

    settings = keyrates.settings_of(run.protocol, run.analysis, where=f"{where}: analysis")
    assert isinstance(settings, bbm92.BBM92Settings)
    if settings.block == "all":
        raise UserError(f"{where}: analysis.block = 'all': a source is optimised for each pass by itself; set 'pass'")
    if settings.double_clicks == "discard":
        raise UserError(f"{where}: analysis.double_clicks = 'discard': gives no key that could be optimised; set 'random'")
    return settings


class PairProblem:
    """The key of a batch of links as a function of points of the unit box."""

    def __init__(
        self, links: Sequence[PairLink], chosen: PairOptimizeSettings, settings: bbm92.BBM92Settings, where: str
    ) -> None:
        self.links, self.chosen, self.settings = links, chosen, settings
        self.proof = PROOFS[settings.proof]
        self.continuous = links[0].emission.continuous
        self.names = chosen.varied(continuous=self.continuous)
        if "coincidence_window_ns" not in chosen.model_fields_set and not all(_misses(link) for link in links):
            self.names = tuple(name for name in self.names if name != "coincidence_window_ns")
        self._check(where)
        self.few = [_few_lanes(link, self.names) for link in links]

    def _check(self, where: str) -> None:
        pump = "continuous" if self.continuous else "pulsed"
        other = ("mean_pair_number",) if self.continuous else ("pair_rate_mhz", "coincidence_window_ns")
        for name in other:
            if name in self.chosen.model_fields_set and getattr(self.chosen, name) != "fixed":
                raise UserError(f"{where}: optimize.{name}: the source's pump is {pump} and has none; leave it out")
        pooled = not self.proof.one_basis_tests
        for link in self.links:
            if not link.pump.trials().mean_pair_number > 0.0:
                own = "pair_rate_mhz" if self.continuous else "mean_pair_number"
                raise UserError(f"{where}: source.pump.{own} = 0: a source is varied from its own light; give any above 0")
            if link.emission.continuous != self.continuous:
                raise UserError(f"{where}: source.pump: pulsed and continuous sources cannot be optimised in one sweep")
            if any(response.analyser.outcomes != schema.OUTCOMES_BB84 for response in link.responses):
                raise UserError(f"{where}: arms: receivers that do not measure Z and X cannot be optimised")
            if "basis_probability_z" in self.names:
                if pooled:
                    raise UserError(
                        f"{where}: optimize.basis_probability_z: proof '{self.settings.proof}' pools the bases, which must "
                        "be equally probable; leave it out"
                    )
                if np.isnan(link.basis_z):
                    raise UserError(
                        f"{where}: optimize.basis_probability_z: Alice's and Bob's differ in the run; one bias of both is "
                        "varied"
                    )
            if "minimum_elevation_deg" in self.names and np.any(np.isnan(link.elevation)):
                raise UserError(
                    f"{where}: optimize.minimum_elevation_deg: the orbit does not tell the elevation of every step"
                )
            if "coincidence_window_ns" in self.names and not _misses(link):
                raise UserError(
                    f"{where}: optimize.coincidence_window_ns: without jitter the shortest window is always best; give "
                    "source.pump.jitter_fwhm_ps, or set it 'fixed'"
                )

    def _bounds(self, name: str) -> Range:
        value = getattr(self.chosen, name)
        assert value != "fixed"
        return float(value[0]), float(value[1])

    def natural(self, points: Floats, links: NDArray[np.intp] | None = None) -> dict[str, Floats]:
        """Values of points (B, C, n), each (B, C)."""
        values = {}
        for i, name in enumerate(self.names):
            low, high = self._bounds(name)
            unit = points[..., i]
            # the power of the ratio would leave the bounds by rounding
            values[name] = (
                np.clip(low * (high / low) ** unit, low, high) if name in LOGARITHMIC else low + unit * (high - low)
            )
        return values

    def own_point(self) -> Floats:
        """The run's own source in the unit box, which it may leave, (L, n)."""
        points = np.zeros((len(self.links), len(self.names)))
        for row, link in zip(points, self.links, strict=True):
            pump = link.pump
            own = {
                "basis_probability_z": link.basis_z,
                "minimum_elevation_deg": 0.0,
                **(
                    {"pair_rate_mhz": pump.pair_rate_mhz, "coincidence_window_ns": pump.coincidence_window_ns}
                    if isinstance(pump, ContinuousPump)
                    else {"mean_pair_number": pump.mean_pair_number}
                ),
            }
            for i, name in enumerate(self.names):
                low, high = self._bounds(name)
                if name in LOGARITHMIC:
                    row[i] = np.log(max(own[name], 1e-300) / low) / np.log(high / low)
                else:
                    row[i] = (own[name] - low) / (high - low)
        return points

    def beside(self, points: Floats, links: NDArray[np.intp]) -> Floats:
        """Points (B, H, n) where the key may have another hill: the bases exchanged."""
        there = points.copy()
        if "basis_probability_z" in self.names:
            low, high = self._bounds("basis_probability_z")
            place = self.names.index("basis_probability_z")
            there[:, place] = (1.0 - (low + points[:, place] * (high - low)) - low) / (high - low)
        return np.clip(there, 0.0, 1.0)[:, np.newaxis]

    def own_keys(self) -> Floats:
        """Key [bit] with the source as the run says, (L)."""
        own = [self._counts(i, {}, 1, whole=True) for i in range(len(self.links))]
        return np.array([self._judged(*sifted)[1][0] for sifted in own])

    def keys(self, points: Floats) -> Floats:
        """Key [bit] of one point a link over all steps and fading nodes, (L); a step is used or not, never in part."""
        value = self.natural(points[:, np.newaxis])
        found = [
            self._judged(*self._counts(i, {name: v[i] for name, v in value.items()}, 1, whole=True))[1][0]
            for i in range(len(self.links))
        ]
        return np.array(found)

    def margin(self, points: Floats, links: NDArray[np.intp]) -> Floats:
        """Key before it is cut to whole bits and at 0, (B, C); where there is none, how much a sifted bit lacks."""
        value = self.natural(points)
        margins = np.empty(points.shape[:2])
        for link in np.unique(links):
            rows = np.flatnonzero(links == link)
            here = {name: v[rows].ravel() for name, v in value.items()}
            counts, errors = self._counts(int(link), here, len(rows) * points.shape[1], whole=False)
            margins[rows] = self._judged(counts, errors)[0].reshape(len(rows), -1)
        return margins

    def _judged(self, counts: Floats, errors: Floats) -> tuple[Floats, Floats]:
        """Margin and key of sifted events and errors (C, 2)."""
        key = bbm92.secret_key(counts, errors, settings=self.settings)
        security, correctness = bbm92.block_epsilons(self.settings)
        cost = self.proof.bits_paid(security=security, correctness=correctness)
        smooth = key.key_count * (1.0 - binary_entropy(key.phase_error_upper)) - key.leakage - cost
        if self.proof.one_basis_tests:
            blocks = np.where(key.block_key_length > 0.0, smooth, np.minimum(smooth, 0.0))
        else:
            blocks = np.where(key.block_key_length > 0.0, key.block_key_length, np.minimum(smooth, 0.0))
        blocks = np.where(np.isfinite(blocks), blocks, -np.inf)
        positive = np.maximum(blocks, 0.0).sum(axis=-1)
        # less light loses less: a slope towards a key needs what a bit lacks, not the whole block
        lacking = (blocks / np.maximum(key.key_count, 1e-300)).max(axis=-1)
        return np.where(positive > 0.0, positive, lacking), key.key_length

    def _counts(self, index: int, value: dict[str, Floats], number: int, *, whole: bool) -> tuple[Floats, Floats]:
        """Sifted events and errors of each candidate, (C, 2)."""
        link, few = self.links[index], None if whole else self.few[index]
        lanes = link.transmittance.shape[0] * link.transmittance.shape[1] if few is None else len(few.transmittance)
        at_once = max(1, LANES_AT_ONCE // lanes)
        parts = [
            self._cells(link, few, {k: v[i : i + at_once] for k, v in value.items()}, min(at_once, number - i), whole=whole)
            for i in range(0, number, at_once)
        ]
        if self.settings.flipped_bases == "file":
            named = link.emission.flipped_bases
        else:
            named = schema.BASES if self.settings.flipped_bases == "both" else (self.settings.flipped_bases,)
        flipped = ("Z" in named, "X" in named)
        sifted = bbm92.sift_pairs(np.concatenate(parts), flipped=flipped, halves="exact")
        return sifted.counts, sifted.errors

    def _cells(self, link: PairLink, few: _FewLanes | None, value: dict[str, Floats], number: int, *, whole: bool) -> Floats:
        """Expected trials with each pair of outcomes, (C, 8, 8)."""
        emission, pump = link.emission, link.pump
        window = rate = brightness = None
        if isinstance(pump, ContinuousPump):
            window = 1e-9 * value.get("coincidence_window_ns", np.full(number, pump.coincidence_window_ns))
            pairs = 1e6 * value.get("pair_rate_mhz", np.full(number, pump.pair_rate_mhz))
            rate, brightness = 1.0 / window, pairs * window / pump.trials().mean_pair_number
        else:
            rate = np.full(number, emission.trial_rate)
            brightness = value.get("mean_pair_number", np.full(number, pump.mean_pair_number)) / pump.mean_pair_number
        seconds: Floats = np.broadcast_to(link.seconds, (number, *link.seconds.shape))
        if "minimum_elevation_deg" in value:
            lowest = value["minimum_elevation_deg"][:, np.newaxis]
            part = part_above(link.elevation, lowest, widths(link.elevation), whole=whole)
            seconds = seconds * part[:, :, np.newaxis]
        if few is None:
            steps = np.tile(np.arange(len(link.transmittance)), number)
            transmittance = link.transmittance[steps]
        else:
            steps = np.zeros(number * len(few.transmittance), dtype=np.intp)
            transmittance = np.tile(few.transmittance, (number, 1))[:, np.newaxis]
            seconds = (seconds.reshape(number, -1) @ few.shares)[:, :, np.newaxis]
        lanes = len(steps) // number
        kept = link.pump.coincidences_along(
            link.drift if few is None else link.drift[:1],
            link.where,
            window=None if window is None else window[:, np.newaxis],
        )
        kept = np.broadcast_to(kept, (number, kept.shape[-1]))
        each = np.repeat(np.arange(number), lanes)
        z = value.get("basis_probability_z")
        gate = None if window is None else window[each]
        told = [_response_at(one, steps, gate, None if z is None else z[each], link.basis_z) for one in link.responses]
        (alice, q_alice), (bob, q_bob) = told
        choices = detectors.Choices(brightness[each], rate[each], (q_alice, q_bob))
        light = replace(
            emission, coincidence_fraction=np.broadcast_to(kept, (number, lanes)).ravel() if few is None else kept[each, 0]
        )
        probability = detectors.pair_probabilities(light, (alice, bob), transmittance, choices=choices)
        nodes = probability.shape[1]
        trials = seconds.reshape(number, lanes * nodes) * rate[:, np.newaxis]
        cells: Floats = np.matmul(trials[:, np.newaxis], probability.reshape(number, lanes * nodes, -1))[:, 0]
        return cells.reshape(number, *probability.shape[2:])


@dataclass(frozen=True, kw_only=True)
class _FewLanes:
    """Transmittances that stand for all steps and fading nodes, and how weights move to them."""

    transmittance: Floats
    """(n, 2)."""
    shares: Floats
    """(T N, n)."""


def _misses(link: PairLink) -> bool:
    """Whether the window misses any pairs, so that a shorter one is not always better."""
    return bool(np.any(link.pump.coincidences_along(link.drift, link.where) < 1.0))


def _few_lanes(link: PairLink, names: Sequence[str]) -> _FewLanes | None:
    """Lanes of a link in which nothing but the transmittance changes from step to step; else None: all are needed."""
    constant = [
        np.ptp(rows, axis=0).max(initial=0.0) == 0.0
        for response in link.responses
        for rows in (response.amplitude.view(np.float64), response.ungated_noise_rate)
    ]
    fraction = link.pump.coincidences_along(link.drift, link.where)
    drifts = isinstance(link.pump, ContinuousPump) and link.pump.correction_interval_ms is not None
    if not all(constant) or np.ptp(fraction) > 0.0 or drifts:
        return None
    points = link.transmittance.reshape(-1, 2)
    weights = link.seconds.ravel()
    changing = [np.ptp(points[:, arm]) > 0.0 for arm in range(2)]
    number = NODES[1] if all(changing) else NODES[0]
    nodes = [gauss_nodes(points[:, arm], weights, number=number)[0] for arm in range(2)]
    if len(nodes[0]) * len(nodes[1]) >= len(points):
        return None
    alice, bob = (shares(points[:, arm], nodes[arm]) for arm in range(2))
    joined = np.stack([a.ravel() for a in np.meshgrid(*nodes, indexing="ij")], axis=-1)
    return _FewLanes(
        transmittance=joined, shares=(alice[:, :, np.newaxis] * bob[:, np.newaxis]).reshape(len(points), len(joined))
    )


def _response_at(
    response: stages.Response, steps: NDArray[np.intp], gate: Floats | None, basis_z: Floats | None, own_z: float
) -> tuple[stages.Response, Floats]:
    """Response of an arm at steps, with a gate and a basis bias for each, and the probability of its settings."""
    analyser = response.analyser
    amplitude, leak = response.amplitude[steps], None if response.leak is None else response.leak[steps]
    rate = response.ungated_noise_rate[steps]
    q: Floats = np.broadcast_to(analyser.setting_probability, (len(steps), len(analyser.setting_probability)))
    if basis_z is not None:
        if len(analyser.setting_probability) == 2:
            q = np.stack([basis_z, 1.0 - basis_z], axis=-1)
        else:
            basis = _basis_of_detector(analyser)
            share = np.where(basis == 0, basis_z[:, np.newaxis] / own_z, (1.0 - basis_z[:, np.newaxis]) / (1.0 - own_z))
            rate = analyser.dark_rate + (rate - analyser.dark_rate) * share[:, np.newaxis]
            scale = np.sqrt(share)[:, np.newaxis, np.newaxis, :, np.newaxis, np.newaxis]
            amplitude, leak = amplitude * scale, None if leak is None else leak * scale
    length = np.full(len(steps), analyser.gate) if gate is None else gate
    noise = -np.expm1(-rate * length[:, np.newaxis, np.newaxis])
    told = replace(response, amplitude=amplitude, leak=leak, noise_probability=noise, ungated_noise_rate=rate)
    return told, q


def _basis_of_detector(analyser: stages.Analyser) -> NDArray[np.intp]:
    """0 for detectors of basis Z, 1 for those of X, of a passive receiver, (D,)."""
    single = analyser.outcome_of_pattern[0][2 ** np.arange(len(analyser.efficiency))]
    return np.array([0 if schema.OUTCOMES_BB84[i].startswith("Z") else 1 for i in single], dtype=np.intp)


def _basis_z(response: stages.Response) -> float:
    """Probability of basis Z of a receiver, or the part of the light that goes to it."""
    analyser = response.analyser
    if len(analyser.setting_probability) == 2:
        return float(analyser.setting_probability[0])
    if analyser.outcomes != schema.OUTCOMES_BB84:
        return float("nan")
    power = np.sum(np.abs(analyser.amplitude[0]) ** 2, axis=(-2, -1))
    basis = _basis_of_detector(analyser)
    return float(power[basis == 0].sum() / power.sum())
