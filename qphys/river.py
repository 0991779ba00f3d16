"""The river: orbit, channel and receiver of each arm, the source, and the clicks they make; each stage made once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from threading import Lock
from typing import Any, Final, TypeVar

import numpy as np

from qphys import recipe, stages
from qphys.catalogue import Catalogue, canonical, digest, without_origins
from qphys.errors import UserError, nearest
from qphys.record import Record, parse

CACHED: Final = 256
"""Results of stages that a run keeps, so that a sweep of one key recomputes only what depends on it."""

GEOMETRY: Final = (*stages.GEOMETRY, *stages.SKY)
"""Fields of a track that go into the file under the same name."""

T = TypeVar("T")


@dataclass(frozen=True)
class Way:
    """The tables of one arm, from the sender to the detectors, and where the user wrote them."""

    name: str
    """``alice`` or ``bob`` of a pair source; empty where there is one arm."""
    orbit: dict[str, Any]
    station: dict[str, Any]
    terminal: dict[str, Any]
    channel: dict[str, Any]
    receiver: dict[str, Any]
    where: str
    alone: bool = False
    """Whether it is a link alone, without a source."""


@dataclass(frozen=True)
class Described:
    """A channel by itself: what it sees, its transmittance, the law of that, and the quantities of the path."""

    sight: stages.Sight
    transmittance: stages.Transmittance
    law: Any
    """A `channels.laws.Law` of the whole transmittance; None where nothing fluctuates."""
    path: Mapping[str, stages.Floats]


def ways(point: recipe.Point) -> tuple[Way, ...]:
    """Arms of a point: one, or Alice's and Bob's."""
    run = point.run
    if not run.arms:
        alone = isinstance(run, recipe.Link)
        return (Way("", run.orbit, run.station, run.terminal, run.channel, run.receiver, point.where, alone),)
    return tuple(
        Way(
            name, arm.orbit or run.orbit, arm.station, arm.terminal, arm.channel, arm.receiver, f"{point.where}: arms.{name}"
        )
        for name, arm in ((name, run.arms[name]) for name in recipe.ARMS)
    )


class River:
    """The stages of a run, each kept for the points that share it."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._kept: OrderedDict[str, Any] = OrderedDict()
        self._lock = Lock()

    def statistics(
        self, point: recipe.Point, *, seed: int, per_step: bool, causes: bool, photon_numbers: bool = False
    ) -> dict[str, Any]:
        """Arrays of one point, under the names of the schema of the statistics file.

        Parameters
        ----------
        point : Point
            What to simulate.
        seed : int
            Seed of all random numbers.
        per_step : bool
            Whether expectations are kept for every step, beside their totals.
        causes : bool
            Whether totals are also computed with each cause of errors switched off.
        photon_numbers : bool, optional
            Whether the totals of a weak coherent source are also told by the photons of the pulse.

        Returns
        -------
        dict
            Variable -> array.
        """
        from qphys.detectors import DETECTION_CAUSES, photon_number_probability, photon_yields
        from qphys.statistics import expect, sample, schema

        arms, tracks = ways(point), self.tracks(point)
        emission, clicks = self.emission(point), self.clicks(point)
        pairs = isinstance(emission, stages.PairEmission)
        ideal = not pairs or emission.ideal is not None
        told_causes = DETECTION_CAUSES if ideal else tuple(cause for cause in DETECTION_CAUSES if cause != "preparation")
        through = [self.transmittance(point, way) for way in arms]
        trials = expect.whole_trials(emission.trial_rate, tracks[0].time_step, len(tracks[0].time))

        begin = float(tracks[0].time[0]) - 0.5 * tracks[0].time_step

        def by_arm(values: list[Any]) -> Any:
            return np.stack(values) if len(arms) > 1 else values[0]

        result: dict[str, Any] = {
            **self._claims(emission),
            "trials": trials,
            "trial_rate": emission.trial_rate,
            "wavelength": emission.wavelength,
            "block_identity": self.block_identity(point),
            "axes": {**clicks.settings, **clicks.outcomes, schema.CAUSE: told_causes},
            "warnings": tuple(dict.fromkeys(line for track in tracks for line in track.warnings)),
            "track_facts": _facts(arms, tracks),
            "fading_model": "; ".join(dict.fromkeys(one.model for one in through)),
            "start_time": _unix_seconds(tracks[0].epoch) + begin,
            "time": tracks[0].time - begin,
            **{name: by_arm([getattr(track, name) for track in tracks]) for name in GEOMETRY},
            "mean_transmittance": by_arm([one.mean[:, 0] for one in through]),
            "mean_link_transmittance": by_arm([self._link(point, way) for way in arms]),
            "scintillation_index": by_arm([one.scintillation_index[:, 0] for one in through]),
            "background_rate": by_arm([one.background_rate[:, 0] for one in through]),
            "expected_total_counts": expect.expected_total_counts(clicks, trials),
        }
        if per_step:
            result["expected_counts"] = expect.expected_counts(clicks, trials)
        if causes:
            result["expected_total_counts_without"] = np.stack(
                [expect.expected_total_counts(self.clicks(point, without=cause), trials) for cause in told_causes]
            )
        if photon_numbers and isinstance(emission, stages.CoherentEmission):
            yields = photon_yields(emission, self.response(point))
            probability = emission.setting_probability * photon_number_probability(emission)
            result["expected_total_counts_by_photon_number"] = expect.expected_total_counts_by_photon_number(
                yields, trials, probability
            )
        draw: dict[str, Any] = {
            "seed": seed,
            "stream": self.stream(point),
            "realisations": point.run.statistics.realisations,
        }
        if point.run.probe:
            result |= self._by_probe(point, clicks, trials, per_step=per_step, draw=draw)
        elif draw["realisations"]:
            result["counts"] = sample.sampled_counts(clicks, trials, **draw)
        if pairs:
            result["expected_total_accidental_counts"] = expect.total_accidentals(clicks, trials)
            if per_step:
                result["expected_accidental_counts"] = expect.accidentals(clicks, trials)
            if draw["realisations"]:
                result["accidental_counts"] = sample.sampled_accidental_counts(clicks, trials, **draw)
        return result

    def _by_probe(
        self, point: recipe.Point, clicks: stages.Clicks, trials: stages.Integers, *, per_step: bool, draw: dict[str, Any]
    ) -> dict[str, Any]:
        """Counts by reading of the probe, the readings, and the sampled counts, which are their sums."""
        from qphys.statistics import expect, sample

        probe = self._probe(point)
        bins = probe.bin_of_node
        result: dict[str, Any] = {
            "expected_total_counts_by_probe": expect.by_probe(clicks, trials, bins, totals=True),
            "probe_lower": probe.lower,
            "probe_upper": probe.upper,
        }
        if per_step:
            result["expected_counts_by_probe"] = expect.by_probe(clicks, trials, bins)
        if draw["realisations"]:
            drawn = sample.sampled_counts_by_probe(clicks, trials, bins, **draw)
            result |= {"counts_by_probe": drawn, "counts": drawn.sum(axis=2)}
        return result

    @staticmethod
    def _probe(point: recipe.Point) -> Any:
        from qphys import channels

        return parse(channels.Probe, point.run.probe, f"{point.where}: probe")

    def _channel(self, point: recipe.Point, way: Way) -> stages.Transmittance:
        """Channel of an arm as the clicks see it: with a probe, its nodes know the reading."""
        plain = self.transmittance(point, way)
        if not point.run.probe:
            return plain
        from qphys import channels

        def make() -> stages.Transmittance:
            where = _place(way, "channel")
            law = build(channels.KINDS, way.channel, where).law(self.sight(point, way), files=self._catalogue, where=where)
            points = (plain.mean, np.ones(plain.mean.shape)) if law is None else law.points()
            return channels.probed(plain, *points, probe=self._probe(point))

        arms = [[one.orbit, one.station] for one in ways(point)]
        depends = [arms, point.run.window, way.terminal, way.channel, way.receiver, self.wavelength(point), point.run.probe]
        return self._once("probed", depends, make)

    def claims(self, point: recipe.Point) -> dict[str, str]:
        """Attributes that the source decides: bases in which equal outcomes are errors, signs of the four E in S."""
        if point.run.protocol == "bbm92":
            return {"flipped_bases": " ".join(self.emission(point).flipped_bases)}
        if point.run.protocol == "chsh":
            return {"chsh_signs": _chsh_signs(self.clicks(point))}
        return {}

    @staticmethod
    def _claims(emission: stages.Emission) -> dict[str, Any]:
        """What the source tells the analysis."""
        if isinstance(emission, stages.CoherentEmission):
            return {
                "mean_photon_number": emission.mean_photon_number,
                "setting_probability": emission.setting_probability,
            }
        return {}

    def stream(self, point: recipe.Point) -> int:
        """First 64 bits of the point's digest: with the seed, the key of its random numbers."""
        told = point.stages
        return int(digest({"stages": told, "files": self._catalogue.hashes(told)})[:16], 16)

    def block_identity(self, point: recipe.Point) -> str:
        """Counts of points where this agrees may be added to one block: same protocol, source and receivers."""
        told = without_origins([way.receiver for way in ways(point)])
        return digest({"protocol": point.run.protocol, "source": without_origins(point.run.source), "receivers": told})

    def tracks(self, point: recipe.Point) -> tuple[stages.Track, ...]:
        """Geometry of the pass, an arm each, over the same steps."""
        from qphys import orbits

        arms, run = ways(point), point.run

        def make() -> tuple[stages.Track, ...]:
            found = [build(orbits.KINDS, way.orbit, f"{way.where}: orbit") for way in arms]
            window = parse(orbits.Window, run.window, f"{point.where}: window")
            stations = [parse(orbits.Station, way.station, _place(way, "station")) if way.station else None for way in arms]
            where = f"{point.where}: orbit"
            if len(arms) == 1:
                return (orbits.track(found[0], stations[0], window, files=self._catalogue, where=where),)
            return orbits.joint_tracks(found, stations, window, files=self._catalogue, where=where)

        return self._once("tracks", [[[way.orbit, way.station] for way in arms], run.window], make)

    def emission(self, point: recipe.Point) -> Any:
        """Light of the source: a `stages.CoherentEmission` or a `stages.PairEmission`."""
        from qphys import sources

        def make() -> Any:
            found = build(sources.KINDS, point.run.source, f"{point.where}: source").emission()
            pairs = isinstance(found, stages.PairEmission)
            if pairs != bool(point.run.arms):
                what = "emits pairs" if pairs else "emits no pairs"
                raise UserError(f"{point.where}: source.kind: {what}, which protocol '{point.run.protocol}' cannot use")
            return found

        return self._once("emission", [point.run.source, point.run.protocol], make)

    def light(self, point: recipe.Point) -> Any:
        """Light of the source in each step: pairs meet in their trials as well as their times of flight are followed."""
        from qphys import sources

        emission = self.emission(point)
        if not isinstance(emission, stages.PairEmission):
            return emission
        where = f"{point.where}: source"
        pump = build(sources.KINDS, point.run.source, where).pump
        return emission.along_the_pass(pump.coincidences_along(self.drift(point), where))

    def drift(self, point: recipe.Point) -> stages.Floats:
        """Rate of change of the delay between the arms of a pair source [s/s], a step each."""
        from qphys.sources import timing

        # an arm without a station stays with the source: its time of flight is fixed
        rates = [
            track.range_rate if way.station else np.zeros(track.time.shape)
            for way, track in zip(ways(point), self.tracks(point), strict=True)
        ]
        return timing.flight_time_drift(*rates)

    def analyser(self, point: recipe.Point, way: Way) -> stages.Analyser:
        """Receiver of an arm, with the trial rate that the source gives it."""
        rate = self.emission(point).trial_rate

        def make() -> stages.Analyser:
            found: stages.Analyser = self._receiver(way).analyser(rate)
            return found

        return self._once("analyser", [way.receiver, rate], make)

    def wavelength(self, point: recipe.Point) -> float:
        """Vacuum wavelength [m]: that of the source, or of a link alone."""
        run = point.run
        return float(run.si.wavelength) if isinstance(run, recipe.Link) else float(self.emission(point).wavelength)

    @staticmethod
    def _receiver(way: Way) -> Any:
        from qphys import detectors

        if "kind" not in way.receiver and "model" not in way.receiver and way.alone:
            return parse(recipe.Collector, way.receiver, _place(way, "receiver"))
        return build(detectors.KINDS, way.receiver, _place(way, "receiver"))

    def _link(self, point: recipe.Point, way: Way) -> stages.Floats:
        """Mean transmittance of an arm up to the detectors, without their efficiency, a step each."""
        through = self.transmittance(point, way)
        optics = 1.0 if "receiver optics" in through.includes else float(self._receiver(way).si.optics_transmittance)
        efficiency = self.analyser(point, way).efficiency.mean() if "detector efficiency" in through.includes else 1.0
        found: stages.Floats = through.mean[:, 0] * (optics / float(efficiency))
        return found

    def sight(self, point: recipe.Point, way: Way) -> stages.Sight:
        """What the channel sees of an arm: track, wavelength and the telescopes as numbers."""
        from qphys import channels, orbits

        tracks, arms = self.tracks(point), ways(point)
        index = arms.index(way)
        receiver = self._receiver(way).si
        numbers: dict[str, float] = {}
        kind = channels.KINDS.get(str(way.channel.get("kind")))
        up = getattr(kind, "sends", "terminal") == "station"
        if way.terminal:
            role = channels.ReceivingTerminal if up else channels.Terminal
            numbers |= parse(role, way.terminal, _place(way, "terminal")).sight()
        if way.station and not up:
            station = parse(orbits.Station, way.station, _place(way, "station")).si
            numbers |= {"receiver_aperture": _number(station.aperture), "receiver_obscuration": station.obscuration_ratio}
        return stages.Sight(
            track=tracks[index],
            partner=tracks[1 - index] if len(arms) == 2 else None,
            wavelength=self.wavelength(point),
            receiver_optics_transmittance=receiver.optics_transmittance,
            field_of_view=_number(receiver.field_of_view),
            filter_bandwidth=_number(receiver.filter_bandwidth),
            **numbers,
        )

    def transmittance(self, point: recipe.Point, way: Way) -> stages.Transmittance:
        """Channel of an arm. A further loss only scales it, so that a sweep of that alone computes the channel once."""
        from qphys import channels

        extra = float(build(channels.KINDS, way.channel, _place(way, "channel")).extra_loss_db)
        told = {key: value for key, value in way.channel.items() if key != "extra_loss_db"}

        def make() -> stages.Transmittance:
            where = _place(way, "channel")
            found: stages.Transmittance = build(channels.KINDS, told, where).transmit(
                self.sight(point, way), files=self._catalogue, where=where
            )
            return found

        arms = [[one.orbit, one.station] for one in ways(point)]
        depends = [way.name, arms, point.run.window, way.terminal, told, way.receiver, self.wavelength(point)]
        return channels.attenuated(self._once("transmittance", depends, make), extra)

    def response(self, point: recipe.Point) -> stages.Response:
        """Channel and receiver of a point with one arm, before a source is chosen."""
        from qphys import detectors

        (way,) = ways(point)
        return detectors.respond(
            self.transmittance(point, way),
            self.analyser(point, way),
            trial_rate=self.emission(point).trial_rate,
            time_step=self.tracks(point)[0].time_step,
            receiver_optics_transmittance=float(self._receiver(way).si.optics_transmittance),
        )

    def described(self, point: recipe.Point, way: Way, *, most: int) -> Described:
        """Channel of an arm by itself, at no more than `most` steps of the track."""
        from qphys import channels

        where = _place(way, "channel")
        record = build(channels.KINDS, way.channel, where)
        sight = self.sight(point, way)
        steps = sight.track.time.size
        if steps > most:
            kept = np.unique(np.linspace(0, steps - 1, most).astype(int))
            partner = None if sight.partner is None else _at(sight.partner, kept)
            sight = replace(sight, track=_at(sight.track, kept), partner=partner)
        told: dict[str, Any] = {"files": self._catalogue, "where": where}
        return Described(sight, record.transmit(sight, **told), record.law(sight, **told), record.path(sight, **told))

    def clicks(self, point: recipe.Point, *, without: str | None = None) -> stages.Clicks:
        """Probability of every outcome; with one cause of errors switched off, if named."""
        from qphys import detectors

        emission, responses, joint = self._answers(point, without)
        if joint is None:
            return detectors.clicks(emission, responses[0])
        return detectors.pair_clicks(emission, (responses[0], responses[1]), joint)

    def pair_responses(self, point: recipe.Point) -> tuple[tuple[stages.Response, stages.Response], stages.Transmittance]:
        """Channel and receiver of both arms of a pair source, and the joint fading."""
        _, (alice, bob), joint = self._answers(point, None)
        assert joint is not None
        return (alice, bob), joint

    def _answers(
        self, point: recipe.Point, without: str | None
    ) -> tuple[Any, list[stages.Response], stages.Transmittance | None]:
        """Light, the response of each arm, and the joint fading of two; with one cause of errors switched off, if named."""
        from qphys import channels, detectors

        arms, emission, responses, through = ways(point), self.light(point), [], []
        for index, way in enumerate(arms):
            analyser = self.analyser(point, way)
            # totals without a cause need no readings, and the plain channel has fewer nodes
            transmittance = self._channel(point, way) if without is None else self.transmittance(point, way)
            if without is not None:
                light, analyser, transmittance = detectors.without(without, emission, analyser, transmittance)
                emission = light if index == len(arms) - 1 else emission
            through.append(transmittance)
            responses.append(
                detectors.respond(
                    transmittance,
                    analyser,
                    trial_rate=emission.trial_rate,
                    time_step=self.tracks(point)[0].time_step,
                    receiver_optics_transmittance=float(self._receiver(way).si.optics_transmittance),
                )
            )
        joint = channels.join(through, correlation=point.run.fading_correlation) if len(arms) == 2 else None
        return emission, responses, joint

    def _once(self, stage: str, told: Any, make: Callable[[], T]) -> T:
        """Result of a stage for these tables, made once; two threads may both make it, with equal results."""
        key = f"{stage}:{canonical(without_origins(told))}"
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                kept: T = self._kept[key]
                return kept
        made = make()
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > CACHED:
                self._kept.popitem(last=False)
        return made


def _chsh_signs(clicks: stages.Clicks) -> str:
    """Signs of E(a0,b0), E(a0,b1), E(a1,b0), E(a1,b1) that make S of these clicks largest; one differs from the others."""
    alice, bob = (list(labels) for labels in clicks.outcomes.values())
    mean = np.einsum("tnab,tn->ab", clicks.probability, clicks.weight)

    def correlation(a: int, b: int) -> float:
        four = [mean[alice.index(f"a{a}{s}"), bob.index(f"b{b}{r}")] * (1 if s == r else -1) for s in "+-" for r in "+-"]
        return float(sum(four))

    found = [correlation(a, b) for a in (0, 1) for b in (0, 1)]
    signs = [[sign if i == odd else -sign for i in range(4)] for sign in (-1, 1) for odd in (3, 2, 1, 0)]
    best = max(signs, key=lambda pattern: sum(s * e for s, e in zip(pattern, found, strict=True)))
    return "".join("+" if sign > 0 else "-" for sign in best)


def build(kinds: Mapping[str, type[Record]], table: Mapping[str, Any], where: str) -> Any:
    """Record of the kind that a table names."""
    kind = table.get("kind")
    if kind is None:
        raise UserError(f"{where}.kind: missing; it is required (allowed: {', '.join(kinds)})")
    if not isinstance(kind, str) or kind not in kinds:
        raise UserError(f"{where}.kind = {kind!r}: unknown{nearest(str(kind), kinds)} (allowed: {', '.join(kinds)})")
    return parse(kinds[kind], table, where)


def _place(way: Way, table: str) -> str:
    return f"{way.where}.{table}" if way.name else f"{way.where}: {table}"


def _at(track: stages.Track, steps: Any) -> stages.Track:
    """Some steps of a track."""
    arrays = {field.name: getattr(track, field.name) for field in fields(track)}
    size = track.time.shape
    cut = {k: v[steps] for k, v in arrays.items() if isinstance(v, np.ndarray) and v.shape == size}
    return replace(track, frame_angle={law: angle[steps] for law, angle in track.frame_angle.items()}, **cut)


def _facts(arms: tuple[Way, ...], tracks: tuple[stages.Track, ...]) -> dict[str, str | float]:
    """Facts of the tracks; those of two arms carry the arm's name."""
    if len(arms) == 1:
        return dict(tracks[0].facts)
    return {
        f"{way.name}_{key}": value for way, track in zip(arms, tracks, strict=True) for key, value in track.facts.items()
    }


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _unix_seconds(epoch: str) -> float:
    return datetime.fromisoformat(epoch).timestamp() if epoch else float("nan")
