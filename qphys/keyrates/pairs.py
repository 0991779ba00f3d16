"""Counts of two receivers, read in bounded memory: coincidences, singles and accidental coincidences.

A trial is a coincidence where both parties have an outcome other than ``none``. Accidentals are found as an experiment finds
them, by coincidences of windows that are shifted by a whole trial: their expectation in a step of N trials is the product
of the marginals, S_x S_y / N. A file may bring counted ones (``accidental_counts``, ``expected_accidental_counts``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from qphys.errors import UserError, nearest
from qphys.keyrates.sifting import error_rate
from qphys.statistics import schema

if TYPE_CHECKING:
    import xarray as xr

Floats = NDArray[np.float64]

NONE: Final = "none"
BATCH: Final = (schema.POINT, schema.REALISATION)
CELLS: Final = (schema.ALICE_OUTCOME, schema.BOB_OUTCOME)
BLOCK_BYTES: Final = 2**25
"""Counts held in memory at once [byte]."""

ACCIDENTALS_FROM: Final = "accidentals_from"
"""Attribute of a result: where its accidental coincidences are from."""


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Counts of any batch ``...``, outcomes in the order that the reader was given; NaN where a count was no count."""

    cells: Floats
    """Trials with each pair of outcomes, (..., alice_outcome, bob_outcome)."""
    accidentals: Floats
    """Accidental coincidences, alike; NaN where the file does not tell them."""
    trials: Floats
    """Trials, (...); infinite where the file does not say."""
    alice_singles: Floats
    """Trials with each outcome of Alice, whatever Bob's, (..., alice_outcome); NaN without his outcome ``none``."""
    bob_singles: Floats
    """Trials with each outcome of Bob, (..., bob_outcome); NaN without her outcome ``none``."""

    def pooled(self, groups: Sequence[NDArray[np.intp]]) -> Pairs:
        """Sum over the points of each block, the first dimension."""
        return Pairs(
            **{f.name: np.stack([getattr(self, f.name)[group].sum(axis=0) for group in groups]) for f in fields(Pairs)}
        )


def read_pairs(
    dataset: xr.Dataset,
    name: str,
    *,
    outcomes: tuple[Sequence[str], Sequence[str]],
    dims: Sequence[str],
    optional: Sequence[str],
    block_bytes: int = BLOCK_BYTES,
) -> tuple[Pairs, str]:
    """Sum a variable of counts over time, with singles and accidentals of each step.

    Parameters
    ----------
    dataset : xarray.Dataset
        Detection statistics; may be lazy. With ``trials`` over (point, time) a step's trials are those, else all its cells.
    name : str
        ``counts`` (whole numbers), ``expected_counts`` or ``expected_total_counts``.
    outcomes : pair of sequences of str
        Labels of Alice and of Bob, in the order of the result; ``none`` first.
    dims : sequence of str
        Dimensions of the batch in the result; each of length 1 where the variable lacks it.
    optional : sequence of str
        Labels that a file may lack: they count as 0.
    block_bytes : int, optional
        Largest block in memory [byte].

    Returns
    -------
    pairs : Pairs
        Summed over time.
    accidentals_from : str
        "file", "steps" (product of marginals in each step), "totals" (of the whole, for want of steps) or "unknown".

    Raises
    ------
    UserError
        A dimension or a label is missing or unknown.
    """
    variable = dataset[name]
    places = _places(variable, dims, outcomes, optional)
    known = [all(NONE in _labels(variable, dim, own) for dim, own in zip(CELLS, outcomes, strict=True))]
    windows_name = {"counts": "accidental_counts"}.get(name, "expected_accidental_counts")
    windows = dataset.get(windows_name)
    if windows is not None:
        window_places = _places(windows, dims, outcomes, optional)
    trials = _trials(dataset)
    whole = name == "counts"
    batch = [dim for dim in dims if dim in variable.dims]
    sizes = [int(variable.sizes[dim]) for dim in batch]
    steps = int(variable.sizes.get(schema.TIME, 1))
    length = (len(outcomes[0]), len(outcomes[1]))
    shapes = {"cells": length, "accidentals": length, "trials": (), "alice_singles": length[:1], "bob_singles": length[1:]}
    total = {key: np.full((*sizes, *shape), np.nan) for key, shape in shapes.items()}
    for place in _blocks(sizes, max(1, block_bytes // (steps * length[0] * length[1] * 8))):
        index = dict(zip(batch, place, strict=True))
        cells = _canonical(variable.isel(index), batch, places, length, whole=whole)
        here = trials
        if trials is not None and schema.POINT in index and schema.POINT in trials.dims:
            here = trials.isel({schema.POINT: index[schema.POINT]})
        number = _trials_of_steps(here, cells, timed=schema.TIME in variable.dims, batch=batch)
        singles = cells.sum(axis=-1), cells.sum(axis=-2)
        total["cells"][place] = cells.sum(axis=-3)
        total["trials"][place] = np.inf if here is None and not known[0] else number.sum(axis=-1)
        if known[0]:
            total["alice_singles"][place], total["bob_singles"][place] = (s.sum(axis=-2) for s in singles)
        if windows is not None:
            at = {dim: cut for dim, cut in index.items() if dim in windows.dims}
            order = [dim for dim in batch if dim in windows.dims]
            counted = _canonical(windows.isel(at), order, window_places, length, whole=False).sum(axis=-3)
            missing = tuple(i for i, dim in enumerate(batch) if dim not in order)
            total["accidentals"][place] = np.broadcast_to(
                np.expand_dims(counted, missing), total["accidentals"][place].shape
            )
        elif known[0]:
            rate = error_rate(1.0, number)[..., np.newaxis]
            rate = np.where((number == 0)[..., np.newaxis] & (singles[0] == 0), 0.0, rate)
            total["accidentals"][place] = np.einsum("...ta,...tb->...ab", singles[0] * rate, singles[1])
    absent = tuple(i for i, dim in enumerate(dims) if dim not in batch)
    pairs = Pairs(**{key: np.expand_dims(value, absent) for key, value in total.items()})
    kind = "steps" if schema.TIME in variable.dims else "totals"
    return pairs, "file" if windows is not None else kind if known[0] else "unknown"


def coincidences(cells: Floats, outcomes: tuple[Sequence[str], Sequence[str]]) -> Floats:
    """Sum of the cells where both parties have an outcome other than ``none``."""
    here = [[i for i, label in enumerate(own) if label != NONE] for own in outcomes]
    total: Floats = cells[..., here[0], :][..., here[1]].sum(axis=(-2, -1))
    return total


def figures_of_pairs(pairs: Pairs, outcomes: tuple[Sequence[str], Sequence[str]]) -> dict[str, Floats]:
    """Coincidences, singles, accidentals and what follows from them; NaN where it cannot be told.

    Parameters
    ----------
    pairs : Pairs
        Of any batch.
    outcomes : pair of sequences of str
        Labels of Alice and of Bob.

    Returns
    -------
    dict
        The variables of `FIGURES`.

    Notes
    -----
    With coincidences C, accidentals A and singles S: signal to noise (C - A) / A, heralding efficiency of Alice
    (C - A) / S_B, the probability that she has a click given one of Bob's that belongs to a pair (Klyshko); noise in S
    makes it smaller.
    """
    both, chance = (coincidences(cells, outcomes) for cells in (pairs.cells, pairs.accidentals))
    clicks = [
        singles[..., [i for i, label in enumerate(own) if label != NONE]].sum(axis=-1)
        for singles, own in zip((pairs.alice_singles, pairs.bob_singles), outcomes, strict=True)
    ]
    return {
        "coincidence_count": both,
        "accidental_count": chance,
        "alice_single_count": clicks[0],
        "bob_single_count": clicks[1],
        "signal_to_noise": error_rate(both - chance, chance),
        "coincidence_to_accidental_ratio": error_rate(both, chance),
        "alice_heralding_efficiency": error_rate(both - chance, clicks[1]),
        "bob_heralding_efficiency": error_rate(both - chance, clicks[0]),
    }


FIGURES: Final[dict[str, tuple[str, str]]] = {
    "coincidence_count": ("1", "trials with an outcome of both parties"),
    "accidental_count": ("1", "accidental coincidences, as shifted windows show them"),
    "alice_single_count": ("1", "trials with an outcome of Alice"),
    "bob_single_count": ("1", "trials with an outcome of Bob"),
    "signal_to_noise": ("1", "coincidences less accidentals, over accidentals"),
    "coincidence_to_accidental_ratio": ("1", "coincidences over accidentals"),
    "alice_heralding_efficiency": ("1", "coincidences less accidentals, over Bob's singles"),
    "bob_heralding_efficiency": ("1", "coincidences less accidentals, over Alice's singles"),
}
"""Results of `figures_of_pairs`: unit and long name."""


def clicks_of_either(pairs: Pairs, outcomes: tuple[Sequence[str], Sequence[str]]) -> Floats:
    """Trials with an outcome of either party."""
    silent = [list(own).index(NONE) for own in outcomes]
    clicks: Floats = pairs.cells.sum(axis=(-2, -1)) - pairs.cells[..., silent[0], silent[1]]
    return clicks


def blocks_of_points(dataset: xr.Dataset, points: int, block: str) -> tuple[list[NDArray[np.intp]], dict[str, Any]]:
    """Points of each block of counts, and the variables that tell of them.

    Raises
    ------
    UserError
        ``block = "all"`` without ``block_identity`` of each point.
    """
    if block == "pass":
        return [np.array([i]) for i in range(points)], {}
    if "block_identity" not in dataset:
        raise UserError("analysis.block = 'all' needs the variable 'block_identity', which the file lacks")
    identities = [str(v) for v in np.atleast_1d(dataset["block_identity"].values).tolist()]
    if len(identities) != points:
        raise UserError(f"block_identity: {len(identities)} values for {points} points")
    groups: dict[str, list[int]] = {}
    for i, identity in enumerate(identities):
        groups.setdefault(identity, []).append(i)
    told = {"units": "1", "long_name": "points whose counts make this block"}
    facts = {
        "points_in_block": ((schema.POINT,), np.array([len(g) for g in groups.values()], dtype=np.int64), told),
        "block_identity": ((schema.POINT,), np.array(list(groups)), {"units": "", "long_name": "block identity"}),
    }
    return [np.array(group) for group in groups.values()], facts


def expected_name(dataset: xr.Dataset) -> str | None:
    """The variable of expected counts that tells most: with time, if there is one."""
    return next((name for name in ("expected_counts", "expected_total_counts") if name in dataset), None)


def check_counts(dataset: xr.Dataset) -> None:
    """Raise a UserError where a file holds no counts."""
    if "counts" not in dataset and expected_name(dataset) is None:
        raise UserError("the file holds neither counts nor expected_counts nor expected_total_counts: nothing to analyse")


def points_of(dataset: xr.Dataset) -> int:
    """Number of points of a file."""
    return int(dataset.sizes.get(schema.POINT, 1))


def _labels(variable: xr.DataArray, dim: str, own: Sequence[str]) -> list[str]:
    """Labels of a dimension; without a coordinate those of the protocol, where their number agrees."""
    if dim in variable.coords:
        return [v.decode() if isinstance(v, bytes) else str(v) for v in variable.coords[dim].values.tolist()]
    if int(variable.sizes[dim]) != len(own):
        raise UserError(
            f"{variable.name}: {variable.sizes[dim]} values of '{dim}' without labels; a coordinate '{dim}' must name them"
        )
    return list(own)


def _places(
    variable: xr.DataArray, dims: Sequence[str], outcomes: tuple[Sequence[str], Sequence[str]], optional: Sequence[str]
) -> list[list[int]]:
    """Check dimensions and labels; place of each label of the file in the order of the result."""
    present = [str(dim) for dim in variable.dims]
    for dim in CELLS:
        if dim not in present:
            raise UserError(f"{variable.name}: dimension '{dim}' is missing{nearest(dim, present)}")
    allowed = (*dims, schema.TIME, *CELLS)
    for dim in present:
        if dim not in allowed:
            raise UserError(f"{variable.name}: dimension '{dim}' does not belong here (allowed: {', '.join(allowed)})")
    places = []
    for dim, own in zip(CELLS, outcomes, strict=True):
        labels = _labels(variable, dim, own)
        for label in labels:
            if label not in own:
                raise UserError(f"{dim} = '{label}': unknown label{nearest(label, own)} (allowed: {', '.join(own)})")
        if len(set(labels)) != len(labels):
            raise UserError(f"{dim}: a label stands twice in {', '.join(labels)}")
        missing = [label for label in own if label not in labels and label not in optional]
        if missing:
            raise UserError(f"{dim}: {', '.join(missing)} missing; there are {', '.join(labels) or 'none'}")
        places.append([list(own).index(label) for label in labels])
    return places


def _canonical(
    variable: xr.DataArray, batch: Sequence[str], places: list[list[int]], length: tuple[int, int], *, whole: bool
) -> Floats:
    """Values as (batch, time, alice, bob) with every label; NaN where a cell is no count."""
    if schema.TIME not in variable.dims:
        variable = variable.expand_dims(schema.TIME)
    # Loaded before the axes are turned: a lazy transpose reads a file cell by cell.
    values = np.asarray(variable.load().transpose(*batch, schema.TIME, *CELLS).values)
    if values.dtype.kind not in "iuf":
        raise UserError(f"{variable.name}: counts of type '{values.dtype}': numbers are needed")
    cells = np.zeros((*values.shape[:-2], *length))
    cells[..., np.array(places[0])[:, np.newaxis], np.array(places[1])] = values
    with np.errstate(invalid="ignore"):
        good = np.isfinite(cells) & (cells >= 0) & ((np.floor(cells) == cells) if whole else True)
    return np.where(good, cells, np.nan)


def _trials(dataset: xr.Dataset) -> xr.DataArray | None:
    """Trials of each step, if the file tells them over (point, time) or a part of these."""
    if "trials" not in dataset:
        return None
    trials = dataset["trials"]
    for dim in trials.dims:
        if dim not in (schema.POINT, schema.TIME):
            raise UserError(f"trials: dimension '{dim}' does not belong here (allowed: {schema.POINT}, {schema.TIME})")
    return trials


def _trials_of_steps(trials: xr.DataArray | None, cells: Floats, *, timed: bool, batch: Sequence[str]) -> Floats:
    """Trials of each step, of the shape (batch, time) of `cells`."""
    if trials is None:
        return np.asarray(cells.sum(axis=(-2, -1)))
    if not timed and schema.TIME in trials.dims:
        trials = trials.sum(schema.TIME, skipna=False)
    wanted = [dim for dim in (schema.POINT, schema.TIME) if dim in trials.dims]
    values = np.asarray(trials.transpose(*wanted).values, dtype=np.float64)
    shape = [values.shape[wanted.index(dim)] if dim in wanted else 1 for dim in (*batch, schema.TIME)]
    return np.broadcast_to(values.reshape(shape), cells.shape[:-2])


def _blocks(sizes: Sequence[int], room: int) -> Iterator[tuple[slice, ...]]:
    """Blocks that tile an array of `sizes`, with at most `room` elements each or one."""
    lengths: list[int] = []
    for size in reversed(sizes):
        lengths.insert(0, max(1, min(size, room)))
        room = max(1, room // max(size, 1))
    for place in np.ndindex(*[-(-size // length) for size, length in zip(sizes, lengths, strict=True)]):
        yield tuple(slice(i * length, (i + 1) * length) for i, length in zip(place, lengths, strict=True))


def labels_of_file(dataset: xr.Dataset, outcomes: tuple[Sequence[str], Sequence[str]]) -> Mapping[str, list[str]]:
    """Labels of a file's outcomes."""
    variable = dataset["counts" if "counts" in dataset else str(expected_name(dataset))]
    return {dim: _labels(variable, dim, own) for dim, own in zip(CELLS, outcomes, strict=True)}
