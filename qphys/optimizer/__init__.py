"""The source that gives the most key on a fixed response: intensities and probabilities of decoys, brightness of pairs.

It knows both sides of the statistics file: channel and receiver are computed once, then the source varies, through the
pipeline's own kernels. What it returns is the key of expected counts; a run with the values found gives the statistics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from qphys import recipe as recipes
from qphys import search
from qphys.catalogue import canonical
from qphys.errors import UserError
from qphys.record import parse

if TYPE_CHECKING:
    import xarray as xr

    from qphys.river import River

Floats = NDArray[np.float64]

LINKS_AT_ONCE: Final = 64

UNITS: Final[dict[str, tuple[str, str]]] = {
    "key_length": ("bit", "key of expected counts with the best source found"),
    "key_length_before": ("bit", "key of expected counts with the source of the run"),
    "signal_mean_photon_number": ("1", "mean photon number of the signal"),
    "decoy_mean_photon_number": ("1", "mean photon number of the first decoy"),
    "signal_probability": ("1", "probability of the signal"),
    "decoy_probability": ("1", "probability of the first decoy"),
    "mean_pair_number": ("1", "mean number of pairs in a pulse"),
    "pair_rate_mhz": ("MHz", "pairs that the source makes"),
    "coincidence_window_ns": ("ns", "coincidence window, full width"),
    "basis_probability_z": ("1", "probability of basis Z"),
    "minimum_elevation_deg": ("degree", "lowest elevation used"),
}
"""Variable of a result -> unit and long name."""

SHORT: Final[dict[str, str]] = {
    "key_length_before": "key before [bit]",
    "key_length": "key [bit]",
    "signal_mean_photon_number": "mu signal",
    "decoy_mean_photon_number": "mu decoy",
    "signal_probability": "p signal",
    "decoy_probability": "p decoy",
    "mean_pair_number": "pairs a pulse",
    "pair_rate_mhz": "pairs [MHz]",
    "coincidence_window_ns": "window [ns]",
    "basis_probability_z": "p Z",
    "minimum_elevation_deg": "lowest elevation [deg]",
}
"""Variable -> heading of its column, for a person."""


class Problem(Protocol):
    """The key of a batch of links as a function of points of the unit box; what a kind of source must tell the search."""

    names: tuple[str, ...]
    """What varies, in the order of the last axis of points."""

    def own_point(self) -> Floats:
        """The run's own source, which may lie outside the box, (L, n)."""

    def own_keys(self) -> Floats:
        """Key with the source as the run says [bit], (L)."""

    def beside(self, points: Floats, links: NDArray[np.intp]) -> Floats:
        """Points (B, H, n) where the key may have another hill, given the best ones known (B, n)."""

    def natural(self, points: Floats, links: NDArray[np.intp] | None = None) -> dict[str, Floats]:
        """Values of points (B, C, n), each (B, C)."""

    def margin(self, points: Floats, links: NDArray[np.intp]) -> Floats:
        """Key before it is cut, (B, C); negative where there is none."""

    def keys(self, points: Floats) -> Floats:
        """Key of one point a link [bit], (L)."""


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
        The run file. Its table ``[optimize]`` says what may vary, and between which bounds; ``[analysis]`` how counts
        become key.
    models, overrides, case
        As of :func:`qphys.run`.
    progress : callable, optional
        Called with the points done and the points in all.

    Returns
    -------
    xarray.Dataset
        Over ``point``: ``key_length`` and ``key_length_before`` [bit], and a variable for each quantity that varied, NaN
        where no source gives a key: of decoy-state BB84 ``signal_mean_photon_number``, ``decoy_mean_photon_number``,
        ``signal_probability``, ``decoy_probability``, ``basis_probability_z`` and ``minimum_elevation_deg``; of BBM92
        ``mean_pair_number`` or ``pair_rate_mhz`` and ``coincidence_window_ns``, and these last two.

    Raises
    ------
    UserError
        The protocol is neither decoy-state BB84 nor BBM92, the proof cannot be searched with, or a bound does not fit the
        run.

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
    where, river = str(path), River(told.catalogue)
    values: dict[str, Floats] = {}
    waiting: dict[tuple[Any, ...], list[tuple[int, Any]]] = {}
    labels: list[dict[str, Any]] = []
    proofs: dict[str, None] = {}
    done = evaluations = 0

    def solve(key: tuple[Any, ...]) -> int:
        batch = waiting.pop(key)
        maker, settings, chosen = makers[key]
        optimum = best_sources(maker([link for _, link in batch], chosen, settings, where), starts=chosen.starts)
        found = {"key_length": optimum.key_length, "key_length_before": optimum.key_length_before, **optimum.variables}
        for name, row in found.items():
            values.setdefault(name, np.full(len(told), np.nan))[[place for place, _ in batch]] = row
        if progress:
            progress(done, len(told))
        return optimum.evaluations

    makers: dict[tuple[Any, ...], tuple[Any, Any, Any]] = {}
    for place in range(len(told)):
        point = told.point(place)
        labels.append(point.label)
        link, maker, settings, chosen, shape = _prepared(river, point, where)
        proofs.setdefault(settings.proof)
        key = (maker, canonical(settings.model_dump()), canonical(chosen.model_dump()), shape)
        makers[key] = maker, settings, chosen
        waiting.setdefault(key, []).append((place, link))
        done += 1
        if len(waiting[key]) == LINKS_AT_ONCE:
            evaluations += solve(key)
    for key in list(waiting):
        evaluations += solve(key)
    data = {name: ("point", values[name], {"units": u, "long_name": t}) for name, (u, t) in UNITS.items() if name in values}
    coordinates = {key.replace(".", "_"): ("point", [label[key] for label in labels]) for key in labels[0]}
    attributes = {"title": told.title, "proof": ", ".join(proofs), "evaluations": evaluations, "run": Path(path).name}
    return xr.Dataset(data, coordinates, attributes)


def best_sources(problem: Problem, *, starts: int) -> Optimum:
    """Find the best source of each link of a problem.

    Parameters
    ----------
    problem : Problem
        The key as a function of what varies.
    starts : int
        Searches from different places, for each link.

    Returns
    -------
    Optimum
        A source that gives no key is NaN.
    """
    before = problem.own_keys()
    if not problem.names:
        return Optimum(variables={}, key_length=before, key_length_before=before, evaluations=0)
    own = problem.own_point()
    inside = np.all(np.isfinite(own), axis=-1, keepdims=True)
    found = search.maximum(
        problem.margin,
        links=len(own),
        variables=len(problem.names),
        guesses=np.clip(np.where(inside, own, 0.5), 0.0, 1.0)[:, np.newaxis],
        scattered=min(96, 32 * len(problem.names)),
        starts=starts,
        beside=problem.beside,
    )
    best, point = problem.keys(found.point), found.point
    # of steps used as a whole the run's own source may give more; it is one of the box
    kept = (before > best) & np.all((own >= 0.0) & (own <= 1.0), axis=-1)
    best, point = np.where(kept, before, best), np.where(kept[:, np.newaxis], own, point)
    told = problem.natural(point[:, np.newaxis])
    return Optimum(
        variables={name: np.where(best > 0.0, told[name][:, 0], np.nan) for name in problem.names},
        key_length=best,
        key_length_before=before,
        evaluations=found.evaluations,
    )


def _prepared(river: River, point: recipes.Point, where: str) -> tuple[Any, Any, Any, Any, Any]:
    """Link of a point, the class of its problem, settings of the analysis, bounds, and what links of a batch share."""
    from qphys.optimizer import decoys, pairs

    run = point.run
    if run.protocol == "bbm92":
        chosen = parse(pairs.PairOptimizeSettings, run.optimize, f"{where}: optimize")
        return pairs.pair_link_of(river, point), pairs.PairProblem, pairs.pair_settings_for(run, where), chosen, ""
    if run.protocol != "decoy-bb84":
        raise UserError(f"{where}: protocol = '{run.protocol}': sources of decoy-bb84 and of bbm92 can be optimised")
    told = parse(decoys.DecoyOptimizeSettings, run.optimize, f"{where}: optimize")
    link = decoys.decoy_link_of(river, point)
    settings = decoys.decoy_settings_for(run, len(link.emission.mean_photon_number), where)
    shape = tuple(np.shape(row) for row in decoys.rows_of(link).values())
    patterns = link.response.analyser.outcome_of_pattern.tobytes()
    return link, decoys.DecoyProblem, settings, told, (len(link.emission.mean_photon_number), shape, patterns)


def rows(result: xr.Dataset) -> list[dict[str, Any]]:
    """A row for each point of a result of `optimize`, for a person."""
    labels = {str(name): coord.values.tolist() for name, coord in result.coords.items()}
    return [
        ({name: values[i] for name, values in labels.items()} or {"point": i})
        | {told: float(result[name].values[i]) for name, told in SHORT.items() if name in result}
        for i in range(int(result.sizes["point"]))
    ]
