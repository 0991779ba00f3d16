"""Intensities, probabilities, basis bias and window of decoy-state BB84 that give the most key on a fixed response.

It knows both sides of the statistics file: channel and receiver are computed once, then the source varies, through the
kernel of a whole pass (``whole_pass`` in `qphys.core`) that takes intensities to expected counts and to the key. What it
returns is the key of expected counts; a run with the values found gives the statistics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from qphys import core, keyrates, search
from qphys import recipe as recipes
from qphys.errors import UserError
from qphys.keyrates.entropies import binary_entropy
from qphys.record import Record, parse

if TYPE_CHECKING:
    import xarray as xr

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

LOG_2: Final = float(np.log(2.0))


class OptimizeSettings(Record):
    """Table ``[optimize]`` of a run: what may vary, and between which bounds; what is ``fixed`` stays as the run says.

    Examples
    --------
    >>> OptimizeSettings(basis_probability_z="fixed").varied(3)
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
    starts: int = Field(default=3, ge=1, le=20)
    """Searches from different places, for each link."""

    @model_validator(mode="after")
    def _ordered(self) -> OptimizeSettings:
        limits = {
            "signal_mean_photon_number": (0.0, 100.0),
            "decoy_mean_photon_number": (0.0, 100.0),
            "signal_probability": (0.0, 1.0),
            "decoy_probability": (0.0, 1.0),
            "basis_probability_z": (0.0, 1.0),
            "minimum_elevation_deg": (0.0, 90.0),
        }
        for name, (least, most) in limits.items():
            value = getattr(self, name)
            if value == "fixed":
                continue
            low, high = value
            if not least <= low < high <= most:
                raise ValueError(f"{name} = [{low:g}, {high:g}]: must rise within {least:g} and {most:g}")
        return self

    def varied(self, intensities: int) -> tuple[str, ...]:
        """Names of what varies."""
        absent = {"decoy_probability"} if intensities == 2 else set()
        return tuple(name for name in VARIABLES if name not in absent and getattr(self, name) != "fixed")


@dataclass(frozen=True, kw_only=True)
class Link:
    """One point of a run as the search sees it."""

    emission: CoherentEmission
    response: Response
    elevation: Floats
    """Of each step [rad], T; NaN where the orbit does not tell it."""
    trials: Floats
    """Pulses in each step [1], T."""


@dataclass(frozen=True, kw_only=True)
class Optimum:
    """Best source of each link."""

    variables: dict[str, Floats]
    """By name, (L)."""
    key_length: Floats
    """Key of expected counts [bit], (L)."""
    key_length_before: Floats
    """The same with the source as the run says [bit], (L)."""
    evaluations: int
    """Sources tried, over all links."""


def optimize(
    path: str | Path,
    *,
    models: Sequence[str | Path] = (),
    overrides: Mapping[str, Any] | None = None,
    case: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> xr.Dataset:
    """Find the source that gives the most key at every point of a run.

    Parameters
    ----------
    path : path
        The run file. Its table ``[optimize]`` says what may vary (`OptimizeSettings`), ``[analysis]`` how counts become
        key.
    models, overrides, case
        As of :func:`qphys.run`.
    progress : callable, optional
        Called with the points done and the points in all.

    Returns
    -------
    xarray.Dataset
        Over ``point``: ``key_length`` and ``key_length_before`` [bit], and a variable for each of `VARIABLES` that varied,
        NaN where no source gives a key.

    Raises
    ------
    UserError
        The protocol is not decoy-state BB84, the proof is asymptotic, or a bound does not fit the run.

    Notes
    -----
    The key is that of expected counts, with the proof and the policies of ``[analysis]``; fading, dead time and afterpulses
    are in it. The best source is one within the bounds: where the run's own lies outside them it may give more.

    Examples
    --------
    >>> import qphys
    >>> best = qphys.optimize("runs/optimal-decoys.toml")
    >>> bool((best["key_length"] >= best["key_length_before"]).all())
    True
    """
    import xarray as xr

    from qphys.river import River

    told = recipes.read_recipe(path, models=models, overrides=overrides, case=case)
    points = [told.point(i) for i in range(len(told))]
    where = str(path)
    chosen = parse(OptimizeSettings, points[0].run.optimize, f"{where}: optimize")
    river = River(told.catalogue)
    groups: dict[tuple[Any, ...], list[int]] = {}
    links: list[Link] = []
    for place, point in enumerate(points):
        if point.run.protocol != "decoy-bb84":
            raise UserError(f"{where}: protocol = '{point.run.protocol}': only the source of decoy-bb84 can be optimised")
        links.append(link_of(river, point))
        groups.setdefault(tuple(np.shape(row) for row in _rows(links[-1]).values()), []).append(place)
    settings = settings_for(points[0].run, len(links[0].emission.mean_photon_number), where)
    parts = [g[i : i + LINKS_AT_ONCE] for g in groups.values() for i in range(0, len(g), LINKS_AT_ONCE)]
    done = 0
    found: list[tuple[list[int], Optimum]] = []
    for part in parts:
        found.append((part, best_sources([links[i] for i in part], chosen, settings, where=where)))
        done += len(part)
        if progress:
            progress(done, len(links))
    values: dict[str, Floats] = {}
    for part, optimum in found:
        told_here = {"key_length": optimum.key_length, "key_length_before": optimum.key_length_before, **optimum.variables}
        for name, row in told_here.items():
            values.setdefault(name, np.full(len(links), np.nan))[part] = row
    data = {name: ("point", row, {"units": UNITS[name][0], "long_name": UNITS[name][1]}) for name, row in values.items()}
    labels = {key.replace(".", "_"): ("point", [p.label[key] for p in points]) for key in points[0].label}
    evaluations = sum(optimum.evaluations for _, optimum in found)
    attributes = {"title": told.title, "proof": settings.proof, "evaluations": evaluations, "run": Path(path).name}
    return xr.Dataset(data, labels, attributes)


UNITS: Final[dict[str, tuple[str, str]]] = {
    "key_length": ("bit", "key of expected counts with the best source found"),
    "key_length_before": ("bit", "key of expected counts with the source of the run"),
    "signal_mean_photon_number": ("1", "mean photon number of the signal"),
    "decoy_mean_photon_number": ("1", "mean photon number of the first decoy"),
    "signal_probability": ("1", "probability of the signal"),
    "decoy_probability": ("1", "probability of the first decoy"),
    "basis_probability_z": ("1", "probability of basis Z, sender"),
    "minimum_elevation_deg": ("degree", "lowest elevation used"),
}


def rows(result: xr.Dataset) -> list[dict[str, Any]]:
    """A row for each point of a result of `optimize`, for a person."""
    short = {
        "key_length_before": "key before [bit]",
        "key_length": "key [bit]",
        "signal_mean_photon_number": "mu signal",
        "decoy_mean_photon_number": "mu decoy",
        "signal_probability": "p signal",
        "decoy_probability": "p decoy",
        "basis_probability_z": "p Z",
        "minimum_elevation_deg": "lowest elevation [deg]",
    }
    labels = {str(name): coord.values.tolist() for name, coord in result.coords.items()}
    return [
        ({name: values[i] for name, values in labels.items()} or {"point": i})
        | {told: float(result[name].values[i]) for name, told in short.items() if name in result}
        for i in range(int(result.sizes["point"]))
    ]


def link_of(river: River, point: recipes.Point) -> Link:
    """One point of a run as the search sees it: its light, and all behind it, computed once."""
    emission, track = river.emission(point), river.tracks(point)[0]
    trials = np.full(len(track.time), emission.trial_rate * track.time_step)
    return Link(emission=emission, response=river.response(point), elevation=track.elevation, trials=trials)


def best_sources(links: Sequence[Link], chosen: OptimizeSettings, settings: AnalysisSettings, *, where: str) -> Optimum:
    """Find the best source of each link.

    Parameters
    ----------
    links : sequence of Link
        With arrays of equal shapes.
    chosen : OptimizeSettings
        What varies.
    settings : AnalysisSettings
        How counts become key; the proof decided.
    where : str
        Run file, for messages.

    Returns
    -------
    Optimum

    Raises
    ------
    UserError
        A bound does not fit the run.
    """
    problem = Problem(links, chosen, settings, where)
    own = problem.own_point()
    before = problem.keys(own, whole=True)
    if not problem.names:
        return Optimum(variables={}, key_length=before, key_length_before=before, evaluations=0)
    found = search.maximum(
        problem.margin,
        links=len(links),
        variables=len(problem.names),
        guesses=np.clip(own, 0.0, 1.0)[:, np.newaxis],
        starts=chosen.starts,
    )
    best = problem.keys(found.point, whole=True)
    told = problem.natural(found.point[:, np.newaxis])
    return Optimum(
        variables={name: np.where(best > 0.0, told[name][:, 0], np.nan) for name in problem.names},
        key_length=best,
        key_length_before=before,
        evaluations=found.evaluations,
    )


class Problem:
    """The key of a batch of links as a function of points of the unit box."""

    def __init__(self, links: Sequence[Link], chosen: OptimizeSettings, settings: AnalysisSettings, where: str) -> None:
        first = links[0].emission
        self.intensities = len(first.mean_photon_number)
        self.names = chosen.varied(self.intensities)
        self.chosen, self.settings = chosen, settings
        rows = [_rows(link) for link in links]
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
        self.steps = (
            np.abs(np.gradient(self.elevation, axis=1)) if self.elevation.shape[1] > 1 else np.ones_like(self.elevation)
        )

    def _bounds(self, name: str) -> Range:
        value = getattr(self.chosen, name)
        assert value != "fixed"
        return float(value[0]), float(value[1])

    def natural(self, points: Floats, links: NDArray[np.intp] | None = None) -> dict[str, Floats]:
        """Values of points (B, C, n), each (B, C)."""
        index = np.arange(len(points)) if links is None else links
        shape = points.shape[:2]
        unit = {name: points[..., i] for i, name in enumerate(self.names)}

        def spread(name: str, own: Floats, high: Any = np.inf) -> Floats:
            if name not in unit:
                return np.broadcast_to(own[index, np.newaxis], shape)
            low, most = self._bounds(name)
            most = np.minimum(most, high)
            return np.asarray(np.minimum(low, most) + unit[name] * np.maximum(most - low, 0.0))

        weakest = self.mu[index, 2:3] if self.intensities == 3 else np.zeros((len(index), 1))
        signal = spread("signal_mean_photon_number", self.mu[:, 0])
        decoy = spread("decoy_mean_photon_number", self.mu[:, 1], 0.98 * (signal - weakest))
        p_signal = spread("signal_probability", self.probability[:, 0])
        if self.intensities == 3:
            p_decoy = spread("decoy_probability", self.probability[:, 1], 1.0 - p_signal - LEAST_PROBABILITY)
        else:
            p_decoy = 1.0 - p_signal
        values = {
            "signal_mean_photon_number": signal,
            "decoy_mean_photon_number": decoy,
            "signal_probability": p_signal,
            "decoy_probability": np.asarray(p_decoy),
            "basis_probability_z": spread("basis_probability_z", self.basis_z),
            "minimum_elevation_deg": spread("minimum_elevation_deg", np.full(len(self.mu), -90.0)),
        }
        return values

    def own_point(self) -> Floats:
        """The run's own source in the unit box, which it may leave, (L, n)."""
        own = {
            "signal_mean_photon_number": self.mu[:, 0],
            "decoy_mean_photon_number": self.mu[:, 1],
            "signal_probability": self.probability[:, 0],
            "decoy_probability": self.probability[:, 1],
            "basis_probability_z": self.basis_z,
            "minimum_elevation_deg": np.zeros(len(self.mu)),
        }
        points = np.zeros((len(self.mu), len(self.names)))
        for i, name in enumerate(self.names):
            low, high = self._bounds(name)
            if name == "decoy_mean_photon_number":
                weakest = self.mu[:, 2] if self.intensities == 3 else 0.0
                most = np.minimum(high, 0.98 * (self.mu[:, 0] - weakest))
            elif name == "decoy_probability":
                most = np.minimum(high, 1.0 - self.probability[:, 0] - LEAST_PROBABILITY)
            else:
                most = np.full(len(self.mu), high)
            points[:, i] = (own[name] - low) / np.maximum(most - low, 1e-12)
        return points

    def keys(self, points: Floats, *, whole: bool) -> Floats:
        """Key [bit] of one point a link, (L); `whole`: a step is used or not, never in part."""
        return self._evaluated(points[:, np.newaxis], np.arange(len(points)), whole=whole)[1][:, 0]

    def margin(self, points: Floats, links: NDArray[np.intp]) -> Floats:
        """Key before it is cut to whole bits and at 0, (B, C): smooth, and rising towards a key where there is none."""
        return self._evaluated(points, links, whole=False)[0]

    def _evaluated(self, points: Floats, links: NDArray[np.intp], *, whole: bool) -> tuple[Floats, Floats]:
        value = self.natural(points, links)
        three = self.intensities == 3
        mu1, mu2 = value["signal_mean_photon_number"], value["decoy_mean_photon_number"]
        mu3 = np.broadcast_to(self.mu[links, 2:3], mu1.shape) if three else np.zeros_like(mu1)
        p1, p2 = value["signal_probability"], value["decoy_probability"]
        p3 = 1.0 - p1 - p2 if three else np.zeros_like(p1)
        pz = value["basis_probability_z"]
        mu, p = np.stack([mu1, mu2, mu3], axis=-1), np.stack([p1, p2, p3], axis=-1)
        bases = np.stack([pz, pz, 1.0 - pz, 1.0 - pz], axis=-1) / 2.0
        trials = np.broadcast_to(self.trials[links, np.newaxis], (*mu1.shape, self.trials.shape[1]))
        if "minimum_elevation_deg" in self.names:
            above = self.elevation[links, np.newaxis] - value["minimum_elevation_deg"][..., np.newaxis]
            used = above >= 0.0 if whole else np.clip(above / self.steps[links, np.newaxis] + 0.5, 0.0, 1.0)
            trials = trials * used
        row = {name: array[links, np.newaxis] for name, array in self.rows.items()}
        receiver = row["receiver_probability"]
        if self.chosen.receiver_basis == "as sender":
            receiver = np.stack([pz, 1.0 - pz], axis=-1)
        codes = np.array([0 if b == "Z" else 1 for b in keyrates.key_bases(self.settings)], dtype=np.int8)
        security, correctness = keyrates.block_epsilons(self.settings)
        policies = (
            np.int8(core.TAIL_BOUNDS[self.settings.tail_bound]),
            np.int8(
                core.SAMPLING_BOUNDS["lim2014" if self.settings.sampling_bound == "own" else self.settings.sampling_bound]
            ),
            np.int8(core.KEY_SOURCES[self.settings.key_from]),
        )
        told = core.KERNELS["whole_pass"](
            row["transmittance"],
            row["weight"],
            trials,
            row["photons"],
            mu,
            row["emission_weight"],
            p[..., np.newaxis] * bases[..., np.newaxis, :],
            receiver,
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
            self.settings.error_correction_efficiency,
            *policies,
        )
        if three:
            blocks, cost = told[2:], _cost_lim2014(self.settings, security, correctness)
        else:
            blocks, cost = self._one_decoy(told[0], told[1], mu, p, bases), _cost_one_decoy(self.settings)
        vacuum, single, phase, leak, status = blocks[1], blocks[2], blocks[5], blocks[6], blocks[8]
        counted = 0.0 if self.settings.proof == "wiesemann2026" else vacuum
        margin = counted + single * (1.0 - binary_entropy(phase)) - leak - cost
        margin = np.where(np.isfinite(margin), margin, -np.inf)
        positive = np.maximum(margin, 0.0).sum(axis=-1)
        key = np.where(status == core.STATUS["good"], blocks[0], 0.0).sum(axis=-1)
        return np.where(positive > 0.0, positive, margin.max(axis=-1)), key

    def _one_decoy(self, events: Floats, errors: Floats, mu: Floats, p: Floats, bases: Floats) -> tuple[Any, ...]:
        """Blocks of a one-decoy proof from the events of the pass, last axis the key basis."""
        by_basis = (
            p[..., :2, np.newaxis]
            * np.stack([bases[..., :2].sum(axis=-1), bases[..., 2:].sum(axis=-1)], axis=-1)[..., np.newaxis, :]
        )
        security, correctness = keyrates.block_epsilons(self.settings)
        blocks = []
        for basis in keyrates.key_bases(self.settings):
            key = 0 if basis == "Z" else 1
            blocks.append(
                core.one_decoy(
                    events[..., :2, key],
                    errors[..., :2, key],
                    test_counts=events[..., :2, 1 - key],
                    test_errors=errors[..., :2, 1 - key],
                    mean_photon_numbers=mu[..., :2],
                    key_probabilities=by_basis[..., key],
                    test_probabilities=by_basis[..., 1 - key],
                    eps_secrecy=security,
                    eps_correctness=correctness,
                    error_correction_efficiency=self.settings.error_correction_efficiency,
                    proof=self.settings.proof,
                    sampling_bound=self.settings.sampling_bound,
                )
            )
        return tuple(np.stack(parts, axis=-1) for parts in zip(*blocks, strict=True))


def _rows(link: Link) -> dict[str, Floats]:
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


def settings_for(run: recipes.Run, intensities: int, where: str) -> AnalysisSettings:
    """Settings of the analysis with the proof decided."""
    given = keyrates.settings_of(run.protocol, run.analysis, where=f"{where}: analysis")
    assert isinstance(given, keyrates.AnalysisSettings)
    settings = keyrates.with_proof(given, intensities)
    if settings.proof == "ma2005":
        raise UserError(f"{where}: analysis.proof = 'ma2005': an asymptotic rate has no best source of finite blocks")
    if intensities not in (2, 3):
        raise UserError(f"{where}: source.mean_photon_numbers: {intensities} intensities; two or three can be optimised")
    if settings.proof == "linear-programme":
        raise UserError(f"{where}: analysis.proof = 'linear-programme': a programme a block is too slow to search with")
    if (settings.proof == "lim2014") != (intensities == 3):
        raise UserError(f"{where}: analysis.proof = '{settings.proof}' does not take the source's {intensities} intensities")
    if settings.block == "all":
        raise UserError(f"{where}: analysis.block = 'all': a source is optimised for each pass by itself; set 'pass'")
    return settings


def _cost_lim2014(settings: AnalysisSettings, security: float, correctness: float) -> float:
    terms = 23.0 if settings.key_from == "signal" else 21.0
    return float((6.0 * np.log(terms / security) + np.log(2.0 / correctness)) / LOG_2)


def _cost_one_decoy(settings: AnalysisSettings) -> float:
    security, correctness = keyrates.block_epsilons(settings)
    if settings.proof == "wiesemann2026":
        return float((4.0 * np.log(15.0 / security) - LOG_2 + np.log(2.0 / correctness)) / LOG_2)
    return float((6.0 * np.log(19.0 / security) + np.log(2.0 / correctness)) / LOG_2)
