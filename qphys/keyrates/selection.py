"""Which trials become key: slots and steps kept by a rule, and the edges that cut a pass into blocks.

Counts that a rule keeps are an ordinary file of counts, which the proofs of `decoy_bb84` take unchanged. The rule may look
at whatever the adversary may know or decide: a probe's reading, the geometry, the clock, and whether the receiver clicked,
but at no basis, bit, intensity or outcome. Its thresholds stand before the data, or come from data that make no key, or cost
a share of both epsilons each (docs/physics/selection.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise, product
from math import prod
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from qphys.errors import UserError
from qphys.record import Record
from qphys.statistics import schema

if TYPE_CHECKING:
    import xarray as xr

Floats = NDArray[np.float64]
Masks = NDArray[np.bool_]
Threshold = float | tuple[float, ...] | None

CELLS: Final = (*schema.SETTINGS_BB84, schema.BOB_OUTCOME)

THRESHOLDS: Final[Mapping[str, tuple[str, str]]] = {
    "maximum_probe_loss_db": ("dB", "readings of the probe above this loss are left out"),
    "minimum_elevation_deg": ("deg", "steps below this elevation are left out"),
    "minimum_click_rate_hz": ("s-1", "steps with fewer clicks a second are left out"),
}
"""Keys of a selection that take one threshold or several candidates: unit and meaning."""

EDGES: Final[Mapping[str, str]] = {
    "time_edges_s": "time",
    "elevation_edges_deg": "elevation",
    "loss_edges_db": "mean loss",
    "probe_loss_edges_db": "probe's reading",
}
"""Keys of parts, and what they cut along."""

SAME_READING: Final = 1e-9
"""Relative distance within which a threshold is an edge of the probe's bins."""

MOST_CANDIDATES: Final = 1000


class Selection(Record):
    """Table ``[analysis.selection]``: which trials may become key.

    A threshold is one number, or several candidates of which `chosen_from` says how one is chosen.

    Examples
    --------
    >>> Selection(maximum_probe_loss_db=(36.0, 38.0), chosen_from="same-data").candidates()[1]
    {'maximum_probe_loss_db': 38.0}
    """

    maximum_probe_loss_db: Threshold = None
    """Slots whose probe reads a larger loss are left out; an edge of the file's bins."""
    minimum_elevation_deg: Threshold = None
    """Steps at a lower elevation are left out."""
    minimum_click_rate_hz: Threshold = None
    """Steps with fewer clicks a second, of any outcome, are left out: the signal itself is the probe."""
    begin_s: float | None = None
    """Steps whose centre is earlier after the start of the pass are left out."""
    end_s: float | None = None
    """Steps whose centre is later are left out."""
    chosen_from: Literal["given", "expected", "training", "same-data"] = "given"
    """How one of several candidates is chosen. ``given``: there is one. ``expected``: the one with most key from the file's
    expected counts, a prediction that no sampled count enters. ``training``: the one with most key from a share of the
    steps, which then make no key. ``same-data``: the one with most key from the very counts; each of J candidates gets a
    J-th part of both epsilons."""
    training_share: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Of the steps, for ``training``: evenly spread over the pass."""

    @model_validator(mode="after")
    def _is_decided_before(self) -> Self:
        number = len(self.candidates())
        if number == 0:
            raise ValueError("a list of candidates is empty")
        if number > MOST_CANDIDATES:
            raise ValueError(f"{number} candidates; {MOST_CANDIDATES} at most")
        if number > 1 and self.chosen_from == "given":
            raise ValueError(
                f"{number} candidates for the thresholds: chosen_from must say from what one is chosen "
                "('expected', 'training', or 'same-data', which costs epsilon)"
            )
        if (self.training_share is not None) != (self.chosen_from == "training"):
            raise ValueError("training_share is needed with chosen_from = 'training', and only there")
        rules = (*THRESHOLDS, "begin_s", "end_s")
        if all(getattr(self, name) is None for name in rules):
            raise ValueError(f"a selection needs a rule: {', '.join(rules)}")
        return self

    def candidates(self) -> list[dict[str, float]]:
        """Every combination of the thresholds."""
        lists = {}
        for name in THRESHOLDS:
            value = getattr(self, name)
            if value is not None:
                lists[name] = value if isinstance(value, tuple) else (value,)
        return [dict(zip(lists, values, strict=True)) for values in product(*lists.values())]


class Parts(Record):
    """Table ``[analysis.parts]``: the edges that cut a pass into blocks of their own, given before the data.

    The whole key is the sum of the blocks' keys; with ``epsilon_split = "key"`` they share both epsilons equally.
    """

    time_edges_s: tuple[float, ...] = ()
    """After the start of the pass."""
    elevation_edges_deg: tuple[float, ...] = ()
    """Rise and set of the same elevation are in one block."""
    loss_edges_db: tuple[float, ...] = ()
    """Of the mean transmittance that the file tells of each step."""
    probe_loss_edges_db: tuple[float, ...] = ()
    """Of the probe's reading; edges of the file's bins."""

    @model_validator(mode="after")
    def _has_one_kind_of_edge(self) -> Self:
        given = [name for name in EDGES if getattr(self, name)]
        if len(given) != 1:
            raise ValueError(f"exactly one of {', '.join(EDGES)} is required")
        edges = getattr(self, given[0])
        if any(not b > a for a, b in pairwise(edges)):
            raise ValueError(f"{given[0]} must rise")
        return self

    @property
    def edges(self) -> tuple[str, tuple[float, ...]]:
        """Key and its edges."""
        name = next(name for name in EDGES if getattr(self, name))
        return name, getattr(self, name)

    def labels(self) -> list[str]:
        """Name of each part.

        Examples
        --------
        >>> Parts(elevation_edges_deg=(20.0, 40.0)).labels()
        ['elevation below 20 deg', 'elevation 20 to 40 deg', 'elevation from 40 deg']
        """
        name, edges = self.edges
        unit, what = name.rpartition("_")[2].replace("db", "dB"), EDGES[name]
        inner = [f"{what} {a:g} to {b:g} {unit}" for a, b in pairwise(edges)]
        return [f"{what} below {edges[0]:g} {unit}", *inner, f"{what} from {edges[-1]:g} {unit}"]


def selects(settings: Any) -> bool:
    """Whether settings of an analysis leave trials out or cut a pass into parts."""
    return getattr(settings, "selection", None) is not None or getattr(settings, "parts", None) is not None


# ---- what a rule keeps ------------------------------------------------------------------------------------------------


class _Steps:
    """What rules may look at in one point of a file: nothing that depends on a setting, a basis or a bit."""

    def __init__(self, dataset: xr.Dataset, point: int) -> None:
        self._dataset, self._point = dataset, point
        self.steps = int(dataset.sizes[schema.TIME])

    def of(self, name: str, why: str) -> Floats:
        """A variable of the steps, (T)."""
        if name not in self._dataset.variables:
            raise UserError(f"analysis.{why} needs the variable '{name}', which the file lacks")
        variable = self._dataset[name]
        if schema.POINT in variable.dims:
            variable = variable.isel({schema.POINT: self._point})
        if variable.dims != (schema.TIME,):
            raise UserError(f"analysis.{why}: {name} has the dimensions {variable.dims}; 'time' is needed")
        return np.asarray(variable.values, dtype=np.float64)

    def seconds(self, why: str) -> Floats:
        """Time of the steps [s], (T)."""
        if schema.TIME not in self._dataset.coords:
            raise UserError(f"analysis.{why} needs the coordinate 'time' [s], which the file lacks")
        return np.asarray(self._dataset.coords[schema.TIME].values, dtype=np.float64)

    def durations(self, why: str) -> Floats:
        """Length of the steps [s], (T)."""
        if "trial_rate" not in self._dataset:
            raise UserError(f"analysis.{why} needs the variable 'trial_rate', which the file lacks")
        rate = self._dataset["trial_rate"]
        per_second = float(np.atleast_1d(rate.values)[self._point if schema.POINT in rate.dims else 0])
        return self.of("trials", why) / per_second

    def place_of_reading(self, loss_db: float, why: str) -> int:
        """First bin of the readings from this loss on; a UserError where that is no edge of the bins."""
        lower = self.lowest_readings(why)
        wanted = 10.0 ** (-0.1 * loss_db)
        near = np.flatnonzero(np.abs(lower - wanted) <= SAME_READING * wanted)
        if near.size == 0:
            losses = ", ".join(f"{value:g}" for value in np.round(-10 * np.log10(lower[1:]), 9)[::-1])
            raise UserError(f"analysis.{why} = {loss_db:g}: no edge of the probe's bins (the file has {losses or 'none'})")
        return int(near[0])

    def lowest_readings(self, why: str) -> Floats:
        """Lowest reading of each bin of the probe, (B)."""
        if "probe_lower" not in self._dataset:
            raise UserError(f"analysis.{why} needs a probe, which the file lacks (table [probe] of a run)")
        lower = self._dataset["probe_lower"]
        return np.asarray(lower.isel({schema.POINT: self._point}).values, dtype=np.float64)


def _uses_probe(selection: Selection | None, parts: Parts | None) -> bool:
    return (selection is not None and selection.maximum_probe_loss_db is not None) or (
        parts is not None and bool(parts.probe_loss_edges_db)
    )


def _fixed_masks(
    steps: _Steps, bins: int, selection: Selection | None, parts: Parts | None, candidates: Sequence[Mapping[str, float]]
) -> Masks:
    """What the geometry, the clock and the probe keep, (J, K, T, B): candidate, part, step, bin."""
    number = 1 if parts is None else len(parts.labels())
    masks = np.ones((len(candidates), number, steps.steps, bins), dtype=np.bool_)
    if selection is not None:
        for key, keeps in (("begin_s", np.greater_equal), ("end_s", np.less_equal)):
            edge = getattr(selection, key)
            if edge is not None:
                masks &= keeps(steps.seconds(f"selection.{key}"), edge)[:, np.newaxis]
        for place, thresholds in enumerate(candidates):
            if "minimum_elevation_deg" in thresholds:
                elevation = steps.of("elevation", key := "selection.minimum_elevation_deg")
                masks[place] &= (elevation >= np.deg2rad(thresholds["minimum_elevation_deg"]))[:, np.newaxis]
            if "maximum_probe_loss_db" in thresholds:
                key = "selection.maximum_probe_loss_db"
                masks[place] &= np.arange(bins) >= steps.place_of_reading(thresholds["maximum_probe_loss_db"], key)
    if parts is not None:
        masks &= _part_of(steps, bins, parts)[np.newaxis] == np.arange(number)[np.newaxis, :, np.newaxis, np.newaxis]
    return masks


def _part_of(steps: _Steps, bins: int, parts: Parts) -> NDArray[np.intp]:
    """Part of each step and bin, (1, T, B); -1 where what decides is unknown."""
    name, edges = parts.edges
    key = f"parts.{name}"
    if name == "probe_loss_edges_db":
        first = [steps.place_of_reading(edge, key) for edge in edges]
        # a bin from the edge's place on has at most that loss
        part = (np.arange(bins)[:, np.newaxis] < np.array(first)).sum(axis=-1)
        return np.broadcast_to(part, (1, steps.steps, bins))
    if name == "time_edges_s":
        values = steps.seconds(key)
    elif name == "elevation_edges_deg":
        values = np.rad2deg(steps.of("elevation", key))
    else:
        mean = steps.of("mean_transmittance", key)
        with np.errstate(divide="ignore", invalid="ignore"):
            values = -10.0 * np.log10(mean)
    place = np.where(np.isnan(values), -1, np.searchsorted(np.array(edges), values, side="right"))
    return np.broadcast_to(place[np.newaxis, :, np.newaxis], (1, steps.steps, bins))


def training_steps(steps: int, share: float) -> Masks:
    """Steps of the training share, evenly spread from the first on, (T).

    Examples
    --------
    >>> training_steps(6, 1 / 3).tolist()
    [False, False, True, False, False, True]
    """
    ends = np.floor(np.arange(steps + 1) * share + 1e-9)
    found: Masks = np.diff(ends) > 0
    return found


# ---- sums of what is kept ---------------------------------------------------------------------------------------------

Piece = tuple[bool, int, int]
"""Training or key, candidate, part."""


def reduced(
    dataset: xr.Dataset, selection: Selection | None, parts: Parts | None, candidates: Sequence[Mapping[str, float]]
) -> dict[Piece, xr.Dataset]:
    """Counts that each candidate keeps in each part, summed over time and readings.

    Parameters
    ----------
    dataset : xarray.Dataset
        Detection statistics.
    selection : Selection or None
        Its rules; None keeps all.
    parts : Parts or None
        Its edges; None makes one part.
    candidates : sequence of mapping
        Thresholds of each candidate; one empty mapping where there is no selection.

    Returns
    -------
    dict
        For each piece a file of counts without time.

    Raises
    ------
    UserError
        The file lacks what a rule looks at, or contradicts itself.
    """
    probe = _uses_probe(selection, parts)
    timed = selection is not None or parts is not None
    names: dict[str, tuple[str, ...]] = {
        "counts": ("counts_by_probe",) if probe else ("counts",),
        "expected_total_counts": ("expected_counts_by_probe",) if probe else ("expected_counts",),
    }
    if not timed:
        names["expected_total_counts"] = ("expected_counts", "expected_total_counts")
    elif probe and _only_probe(selection, parts):
        names["expected_total_counts"] = ("expected_counts_by_probe", "expected_total_counts_by_probe")
    sources = {total: next((n for n in found if n in dataset), None) for total, found in names.items()}
    if all(source is None for source in sources.values()):
        what = "counts by reading of a probe (table [probe] of a run)" if probe else "counts of each time step"
        raise UserError(f"analysis.selection, analysis.parts: need {what}, which the file lacks")
    for source in (s for s in sources.values() if s is not None and timed and not s.startswith("expected_total")):
        if schema.TIME not in dataset[source].dims:
            raise UserError(f"analysis.selection, analysis.parts: {source} has no dimension 'time'")
    if probe:
        _check_sums(dataset)
    number = 1 if parts is None else len(parts.labels())
    trained = selection is not None and selection.chosen_from == "training"
    places: list[Piece] = [
        (t, j, k) for t in ((False, True) if trained else (False,)) for j in range(len(candidates)) for k in range(number)
    ]
    sums = {
        total: _sums(dataset, source, selection, parts, candidates, trained)
        for total, source in sources.items()
        if source is not None
    }
    return {
        place: _file_of(dataset, {name: (dims, all_[i]) for name, (dims, all_) in sums.items()})
        for i, place in enumerate(places)
    }


def _only_probe(selection: Selection | None, parts: Parts | None) -> bool:
    """Whether nothing but readings decides, so that expected totals by reading will do."""
    decided = selection is None or (
        all(getattr(selection, n) is None for n in ("minimum_elevation_deg", "minimum_click_rate_hz", "begin_s", "end_s"))
        and selection.chosen_from != "training"
    )
    return decided and (parts is None or bool(parts.probe_loss_edges_db))


def _sums(
    dataset: xr.Dataset,
    source: str,
    selection: Selection | None,
    parts: Parts | None,
    candidates: Sequence[Mapping[str, float]],
    trained: bool,
) -> tuple[tuple[str, ...], Floats]:
    """Sums of a variable for each piece, and their dimensions."""
    variable = dataset[source]
    sampled = not source.startswith("expected")
    batch = [dim for dim in (schema.POINT, schema.REALISATION) if dim in variable.dims]
    if schema.POINT not in batch:
        variable, batch = variable.expand_dims(schema.POINT), [schema.POINT, *batch]
    inner = [dim for dim in (schema.TIME, schema.PROBE_BIN) if dim in variable.dims]
    labels = [str(v) for v in variable.coords[schema.BOB_OUTCOME].values] if schema.BOB_OUTCOME in variable.coords else []
    clicked = np.array([label != schema.NO_CLICK for label in labels or schema.OUTCOMES_BB84])
    shape = tuple(int(variable.sizes[dim]) for dim in CELLS)
    found: list[list[Floats]] = []
    for point in range(int(variable.sizes[schema.POINT])):
        steps = _Steps(dataset, point) if schema.TIME in dataset.sizes else None
        of_point = variable.isel({schema.POINT: point})
        row = []
        for realisation in range(int(variable.sizes.get(schema.REALISATION, 1))):
            one = of_point.isel({schema.REALISATION: realisation}) if schema.REALISATION in batch else of_point
            cells = _checked(one.load().transpose(*inner, *CELLS).values, whole=sampled)
            cells = cells.reshape(*(int(variable.sizes[dim]) for dim in inner), *shape)
            if schema.TIME not in inner:
                cells = cells[np.newaxis]
            if schema.PROBE_BIN not in inner:
                cells = cells[:, np.newaxis]
            masks = _masks(steps, cells, clicked, selection, parts, candidates)
            if trained:
                assert selection is not None and selection.training_share is not None
                training = training_steps(cells.shape[0], selection.training_share)[:, np.newaxis]
                masks = np.concatenate([masks & ~training, masks & training])
            flat = cells.reshape(prod(cells.shape[:2]), -1)
            total = masks.reshape(-1, len(flat)).astype(np.float64) @ flat
            if trained:
                total = _predicted(total, cells.shape[0], training[:, 0], sampled=sampled)
            row.append(total.reshape(-1, *shape))
        found.append(row)
    sums = np.moveaxis(np.array(found), 2, 0)  # piece, point, realisation, cells
    if schema.REALISATION not in batch:
        sums = sums[:, :, 0]
    return (*batch, *CELLS), sums


def _predicted(total: Floats, steps: int, training: Masks, *, sampled: bool) -> Floats:
    """The training half of the pieces scaled to the steps that are left: what their key would be."""
    half = len(total) // 2
    used = int(training.sum())
    if used == 0 or used == steps:
        raise UserError(f"analysis.selection.training_share: {used} of {steps} steps train; at least one, and not all, must")
    scaled = total[half:] * (steps - used) / used
    return np.concatenate([total[:half], np.rint(scaled) if sampled else scaled])


def _checked(cells: NDArray[Any], *, whole: bool) -> Floats:
    """Counts as float64; a cell that is no count is NaN, so that no sum over it is a number."""
    values = cells.astype(np.float64)
    with np.errstate(invalid="ignore"):
        bad = ~np.isfinite(values) | (values < 0)
        if whole:
            bad |= np.floor(values) != values
    return np.where(bad, np.nan, values)


def _masks(
    steps: _Steps | None,
    cells: Floats,
    clicked: Masks,
    selection: Selection | None,
    parts: Parts | None,
    candidates: Sequence[Mapping[str, float]],
) -> Masks:
    """Trials of a point's realisation that each piece keeps, (J, K, T, B); `cells` has (T, B, ...)."""
    if selection is None and parts is None:
        return np.ones((1, 1, *cells.shape[:2]), dtype=np.bool_)
    if steps is None or cells.shape[0] != steps.steps:
        steps = _WithoutTime(steps, cells.shape[0])
    masks = _fixed_masks(steps, cells.shape[1], selection, parts, candidates)
    for place, thresholds in enumerate(candidates):
        if "minimum_click_rate_hz" in thresholds:
            duration = steps.durations("selection.minimum_click_rate_hz")
            clicks = cells[..., clicked].sum(axis=tuple(range(1, cells.ndim)))
            enough = (clicks >= thresholds["minimum_click_rate_hz"] * duration) & (duration > 0)
            masks[place] &= enough[:, np.newaxis]
    return masks


class _WithoutTime(_Steps):
    """Totals of a pass: only readings can be told apart."""

    def __init__(self, steps: _Steps | None, number: int) -> None:
        if steps is None:
            raise UserError("analysis.selection, analysis.parts: the file has no dimension 'time'")
        self._dataset, self._point, self.steps = steps._dataset, steps._point, number

    def of(self, name: str, why: str) -> Floats:
        raise UserError(f"analysis.{why}: needs counts of each time step, and the file has totals only")

    def seconds(self, why: str) -> Floats:
        return self.of(schema.TIME, why)


def _check_sums(dataset: xr.Dataset) -> None:
    """Counts by reading add up to the counts: a file in which they do not contradicts itself."""
    for parts, whole in (
        ("counts_by_probe", "counts"),
        ("expected_counts_by_probe", "expected_counts"),
        ("expected_total_counts_by_probe", "expected_total_counts"),
    ):
        if parts in dataset and whole in dataset:
            for point in range(int(dataset.sizes.get(schema.POINT, 1))):
                one, other = (dataset[name].isel({schema.POINT: point}) for name in (parts, whole))
                total = one.sum(schema.PROBE_BIN).transpose(*other.dims).values
                tolerance = 0.0 if parts == "counts_by_probe" else 1e-9
                if not np.allclose(total, other.values, rtol=tolerance, atol=tolerance, equal_nan=True):
                    raise UserError(f"point {point}: {parts} does not add up to {whole}: the file contradicts itself")


def _file_of(dataset: xr.Dataset, sums: Mapping[str, tuple[tuple[str, ...], Floats]]) -> xr.Dataset:
    """A file of counts without time, with the claims of the file that they are from."""
    import xarray as xr

    variables: dict[str, Any] = {name: (dims, values) for name, (dims, values) in sums.items()}
    points = int(next(iter(variables.values()))[1].shape[0])
    for name in ("mean_photon_number", "setting_probability", "block_identity"):
        if name in dataset:
            variables[name] = dataset[name].variable
    if "trials" in dataset:
        trials = dataset["trials"]
        whole = trials.sum(schema.TIME, skipna=False) if schema.TIME in trials.dims else trials
        variables["trials"] = ((schema.POINT,), np.broadcast_to(np.atleast_1d(whole.values), (points,)))
    kept = {schema.POINT, schema.REALISATION, *CELLS}
    coords = {
        name: coord.variable
        for name, coord in dataset.coords.items()
        if set(coord.dims) <= kept and set(coord.dims) <= {dim for v in variables.values() for dim in _dims(v)}
    }
    return xr.Dataset(variables, coords, dataset.attrs)


def _dims(variable: Any) -> tuple[str, ...]:
    return tuple(variable[0]) if isinstance(variable, tuple) else tuple(str(d) for d in variable.dims)
