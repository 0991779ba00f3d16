"""From counts of settings and outcomes to sifted events, errors and error rates, in bounded memory.

An event is sifted where Bob's outcome belongs to Alice's basis. A click of both detectors of that basis is a sifted event
with a random bit (squashing), so half of these events are errors; clicks across the bases are dropped, by the only policy
there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from math import prod
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qphys.errors import UserError, nearest
from qphys.statistics import schema

if TYPE_CHECKING:
    import xarray as xr

Floats = NDArray[np.float64]
DoubleClicks = Literal["random", "discard"]
Halves = Literal["rounded_up", "exact"]

BASIS: Final = "basis"
"""Dimension of sifted events: Alice's basis, which is that of Bob's outcome."""

OPTIONAL_OUTCOMES: Final = ("none", "double_Z", "double_X", "across")
"""Outcomes that a file may lack; double clicks that are absent count as 0."""

CELLS: Final = (*schema.SETTINGS_BB84, schema.BOB_OUTCOME)
BLOCK_BYTES: Final = 2**25
"""Counts held in memory at once [byte]."""


@dataclass(frozen=True, kw_only=True)
class Sifted:
    """Sifted events of any batch (leading dimensions ``...``); NaN where a count was no count."""

    counts: Floats
    """Sifted events, (..., intensity, basis)."""
    errors: Floats
    """Those with the wrong bit, (..., intensity, basis)."""
    double_clicks: Floats
    """Clicks of both detectors of Alice's basis, whether kept or not, (..., intensity, basis)."""
    detections: Floats
    """Trials with any click, (..., intensity)."""
    across_clicks: Floats
    """Clicks of detectors of both bases, (..., intensity)."""

    def __getitem__(self, place: Any) -> Sifted:
        """The same part of each array, such as one point."""
        return self.each(lambda array: array[place])

    def each(self, function: Callable[[Floats], Floats]) -> Sifted:
        """The same done to each array, such as a sum or a reshape of the leading dimensions."""
        return Sifted(**{f.name: function(getattr(self, f.name)) for f in fields(self)})


def sift(
    counts: ArrayLike,
    outcomes: Sequence[str] = schema.OUTCOMES_BB84,
    *,
    bases: Sequence[str] = schema.BASES,
    bits: Sequence[str] = schema.BITS,
    double_clicks: DoubleClicks = "random",
    halves: Halves = "rounded_up",
) -> Sifted:
    r"""Sift counts of a BB84 receiver.

    In basis b, with :math:`C_{xy}` trials of Alice's bit x and Bob's outcome y in her basis and :math:`D` clicks of both
    detectors of that basis,

    .. math:: n = \sum_{xy} C_{xy} + D, \qquad m = C_{01} + C_{10} + D / 2 .

    Parameters
    ----------
    counts : array_like
        Trials with each setting and outcome [1], (..., intensity, alice_basis, alice_bit, bob_outcome).
    outcomes, bases, bits : sequence of str, optional
        Labels of the last, third last and second last axis, in their order.
    double_clicks : {"random", "discard"}, optional
        Policy for both detectors of a basis: a random bit, or dropped (no valid key).
    halves : {"rounded_up", "exact"}, optional
        Errors of an odd number of double clicks: rounded up for counts, exact for expectations.

    Returns
    -------
    Sifted
        Float64 arrays; basis in the order Z, X.

    Raises
    ------
    UserError
        A label is missing or unknown.

    Examples
    --------
    >>> counts = np.zeros((1, 2, 2, 8))
    >>> counts[0, 0, 0] = [90, 5, 1, 1, 2, 3, 0, 0]  # Z, bit 0: 5 right, 1 wrong, 3 double clicks
    >>> sifted = sift(counts)
    >>> sifted.counts[0].tolist(), sifted.errors[0].tolist()
    ([9.0, 0.0], [3.0, 0.0])
    """
    check_labels(schema.BOB_OUTCOME, outcomes, schema.OUTCOMES_BB84, optional=OPTIONAL_OUTCOMES)
    check_labels(schema.ALICE_BASIS, bases, schema.BASES)
    check_labels(schema.ALICE_BIT, bits, schema.BITS)
    cells = np.asarray(counts, dtype=np.float64)
    zero = np.zeros(cells.shape[:-1])
    by_outcome = {
        name: cells[..., list(outcomes).index(name)] if name in outcomes else zero for name in schema.OUTCOMES_BB84
    }
    clicks = np.asarray(sum(array for name, array in by_outcome.items() if name != "none"))
    bit = [list(bits).index(b) for b in schema.BITS]
    kept, wrong, double = [], [], []
    for basis in schema.BASES:
        row = (..., list(bases).index(basis), slice(None))
        zero_outcome, one_outcome = by_outcome[f"{basis}0"][row], by_outcome[f"{basis}1"][row]
        both = by_outcome[f"double_{basis}"][row].sum(axis=-1)
        errors = one_outcome[..., bit[0]] + zero_outcome[..., bit[1]]
        events = zero_outcome.sum(axis=-1) + one_outcome.sum(axis=-1)
        if double_clicks == "random":
            events = events + both
            errors = errors + (np.ceil(both / 2) if halves == "rounded_up" else both / 2)
        kept.append(events)
        wrong.append(errors)
        double.append(both)
    return Sifted(
        counts=np.stack(kept, axis=-1),
        errors=np.stack(wrong, axis=-1),
        double_clicks=np.stack(double, axis=-1),
        detections=clicks.sum(axis=(-2, -1)),
        across_clicks=by_outcome["across"].sum(axis=(-2, -1)),
    )


def error_rate(errors: ArrayLike, counts: ArrayLike) -> Floats:
    """Errors over events; NaN where there are no events.

    Parameters
    ----------
    errors, counts : array_like
        Number of errors and of events [1].

    Returns
    -------
    ndarray
        Error rate [1].

    Examples
    --------
    >>> error_rate([3, 0], [12, 0]).tolist()
    [0.25, nan]
    """
    m, n = np.broadcast_arrays(np.asarray(errors, dtype=np.float64), np.asarray(counts, dtype=np.float64))
    rate: Floats = np.divide(m, n, out=np.full(n.shape, np.nan), where=n > 0)
    return rate


def sift_variable(
    variable: xr.DataArray,
    *,
    double_clicks: DoubleClicks = "random",
    halves: Halves = "rounded_up",
    block_bytes: int = BLOCK_BYTES,
) -> Sifted:
    """Sift a variable of a statistics file, summed over time, reading no more of it at once than `block_bytes`.

    Parameters
    ----------
    variable : xarray.DataArray
        Counts [1] over the settings, the outcomes and any of point, realisation, time, cause. May be lazy.
    double_clicks, halves : str, optional
        As in :func:`sift`. With ``rounded_up``, half of the double clicks is rounded after the sum over time, and a
        number that is not whole is no count.
    block_bytes : int, optional
        Largest block of the variable in memory [byte].

    Returns
    -------
    Sifted
        Leading dimensions in the order of `variable`, without time. A cell that is negative, not finite or no whole
        count makes its row NaN, so that the key is 0.

    Raises
    ------
    UserError
        A dimension or a label is missing or unknown.
    """
    batch = batch_dimensions(variable)
    labels = {dim: labels_of(variable, dim) for dim in CELLS}
    shape = tuple(int(variable.sizes[dim]) for dim in batch)
    whole = halves == "rounded_up"
    result: Sifted | None = None
    for place, cells in _totals(variable, batch, whole=whole, block_bytes=block_bytes):
        part = sift(
            cells,
            labels[schema.BOB_OUTCOME],
            bases=labels[schema.ALICE_BASIS],
            bits=labels[schema.ALICE_BIT],
            double_clicks=double_clicks,
            halves=halves,
        )
        if result is None:
            result = Sifted(**{f.name: np.zeros(shape + getattr(part, f.name).shape[len(batch) :]) for f in fields(Sifted)})
        for f in fields(Sifted):
            getattr(result, f.name)[place] = getattr(part, f.name)
    if result is None:
        raise UserError(f"{variable.name}: no point or realisation in it; at least one of each is needed")
    return result


def total_cells(variable: xr.DataArray, *, whole: bool, block_bytes: int = BLOCK_BYTES) -> Floats:
    """Counts of each setting and outcome, summed over time, reading no more at once than `block_bytes`.

    Parameters
    ----------
    variable : xarray.DataArray
        Counts [1] over the settings, the outcomes and any of point, realisation, time, cause. May be lazy.
    whole : bool
        Whether a number that is not whole is no count.
    block_bytes : int, optional
        Largest block of the variable in memory [byte].

    Returns
    -------
    ndarray
        Leading dimensions of `variable` without time, then intensity, basis, bit and outcome in the order of the file. NaN
        where a cell is no count.

    Raises
    ------
    UserError
        A dimension is missing or unknown.
    """
    batch = batch_dimensions(variable)
    found = np.zeros(tuple(int(variable.sizes[dim]) for dim in (*batch, *CELLS)))
    for place, cells in _totals(variable, batch, whole=whole, block_bytes=block_bytes):
        found[place] = cells
    return found


def sifted_over_time(
    variable: xr.DataArray,
    *,
    point: int = 0,
    duration: ArrayLike,
    intensities: Sequence[int] | None = None,
    double_clicks: DoubleClicks = "random",
) -> xr.Dataset:
    """Sifted rate, rate of all clicks and error rate of one point against time, for pictures.

    Parameters
    ----------
    variable : xarray.DataArray
        ``counts`` or ``expected_counts`` of a statistics file; only the one point is read.
    point : int, optional
        Place of the point.
    duration : array_like
        Length of each step [s], (time) or a scalar.
    intensities : sequence of int, optional
        Places of the intensities whose sifted events are shown; all if not given. Clicks are those of all.
    double_clicks : {"random", "discard"}, optional
        As in :func:`sift`; half of the double clicks is exact here, since steps are short.

    Returns
    -------
    xarray.Dataset
        ``sifted_rate`` [1/s], ``detection_rate`` [1/s], ``qber`` (NaN without events), over time and, for sampled counts,
        realisation.

    Raises
    ------
    UserError
        A dimension or a label is missing or unknown, there is no such point, or no time.
    """
    import xarray as xr

    batch = batch_dimensions(variable)
    if schema.TIME not in variable.dims:
        raise UserError(f"{variable.name}: has no dimension '{schema.TIME}', so nothing can be told against time")
    if schema.POINT in batch:
        if not 0 <= point < int(variable.sizes[schema.POINT]):
            raise UserError(f"point = {point}: the file has points 0 to {int(variable.sizes[schema.POINT]) - 1}")
        variable = variable.isel({schema.POINT: point}, drop=True)
    dims = (*(dim for dim in batch if dim != schema.POINT), schema.TIME)
    sifted = sift(
        variable.load().transpose(*dims, *CELLS).values,
        labels_of(variable, schema.BOB_OUTCOME),
        bases=labels_of(variable, schema.ALICE_BASIS),
        bits=labels_of(variable, schema.ALICE_BIT),
        double_clicks=double_clicks,
        halves="exact",
    )
    chosen = slice(None) if intensities is None else list(intensities)
    events, errors = (a[..., chosen, :].sum(axis=(-2, -1)) for a in (sifted.counts, sifted.errors))
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = {
            "sifted_rate": ("s-1", "sifted events a second", events / np.asarray(duration)),
            "detection_rate": (
                "s-1",
                "trials with any click a second",
                sifted.detections.sum(axis=-1) / np.asarray(duration),
            ),
            "qber": ("1", "error rate of sifted events", error_rate(errors, events)),
        }
    told = {name: (dims, values, {"units": units, "long_name": text}) for name, (units, text, values) in rates.items()}
    return xr.Dataset(told, {dim: variable.coords[dim] for dim in dims if dim in variable.coords})


def batch_dimensions(variable: xr.DataArray) -> tuple[str, ...]:
    """Dimensions of a variable besides those of time, settings and outcomes; an unknown one is a UserError."""
    known = (schema.POINT, schema.CAUSE, schema.REALISATION)
    dims = [str(dim) for dim in variable.dims]
    for dim in CELLS:
        if dim not in dims:
            raise UserError(f"{variable.name}: dimension '{dim}' is missing{nearest(dim, dims)}")
    for dim in dims:
        if dim not in (*known, schema.TIME, *CELLS):
            raise UserError(
                f"{variable.name}: dimension '{dim}' is unknown (allowed: {', '.join((*known, schema.TIME, *CELLS))})"
            )
    return tuple(dim for dim in known if dim in dims)


def labels_of(variable: xr.DataArray, dim: str) -> list[str]:
    """Labels of a dimension as text; without a coordinate those of the schema, where their number agrees."""
    if dim in variable.coords:
        return [v.decode() if isinstance(v, bytes) else str(v) for v in variable.coords[dim].values.tolist()]
    size = int(variable.sizes[dim])
    own: Mapping[str, tuple[str, ...]] = {
        schema.ALICE_BASIS: schema.BASES,
        schema.ALICE_BIT: schema.BITS,
        schema.BOB_OUTCOME: schema.OUTCOMES_BB84,
        schema.INTENSITY: tuple(str(i) for i in range(size)),
    }
    if len(own.get(dim, ())) != size:
        raise UserError(f"{variable.name}: {size} values of '{dim}' without labels; a coordinate '{dim}' must name them")
    return list(own[dim])


def check_labels(dim: str, labels: Sequence[str], known: Sequence[str], *, optional: Sequence[str] = ()) -> None:
    """Raise a UserError where labels of a dimension are unknown, doubled or missing."""
    for label in labels:
        if label not in known:
            raise UserError(f"{dim} = '{label}': unknown label{nearest(label, known)} (allowed: {', '.join(known)})")
    if len(set(labels)) != len(labels):
        raise UserError(f"{dim}: a label stands twice in {', '.join(labels)}")
    missing = [label for label in known if label not in labels and label not in optional]
    if missing:
        raise UserError(f"{dim}: {', '.join(missing)} missing; there are {', '.join(labels) or 'none'}")


def _totals(
    variable: xr.DataArray, batch: tuple[str, ...], *, whole: bool, block_bytes: int
) -> Iterator[tuple[tuple[slice, ...], Floats]]:
    """Sums over time of blocks of the batch, as float64, NaN where a cell is no count."""
    sizes = [int(variable.sizes[dim]) for dim in batch]
    timed = schema.TIME in variable.dims
    steps = int(variable.sizes[schema.TIME]) if timed else 1
    step_bytes = prod(int(variable.sizes[dim]) for dim in CELLS) * max(variable.dtype.itemsize, 8)
    time_block = max(1, min(steps, block_bytes // step_bytes))
    room = max(1, block_bytes // (step_bytes * max(steps, 1)))
    lengths: list[int] = []
    for size in reversed(sizes):
        lengths.insert(0, max(1, min(size, room)))
        room = max(1, room // max(size, 1))
    order = (*batch, schema.TIME, *CELLS) if timed else (*batch, *CELLS)
    for place in _blocks(sizes, lengths):
        total = np.zeros((*(s.stop - s.start for s in place), *(int(variable.sizes[dim]) for dim in CELLS)))
        for start in range(0, steps, time_block):
            index: dict[str, slice] = dict(zip(batch, place, strict=True))
            if timed:
                index[schema.TIME] = slice(start, start + time_block)
            # Loaded before the axes are turned: a lazy transpose reads a file cell by cell.
            cells = variable.isel(index).load().transpose(*order).values
            total += _sum_of_counts(cells, len(batch) if timed else None, whole=whole)
        yield place, total


def _blocks(sizes: Sequence[int], lengths: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    """All blocks of at most `lengths` that tile an array of `sizes`."""
    if not sizes:
        yield ()
        return
    for start in range(0, sizes[0], lengths[0]):
        for rest in _blocks(sizes[1:], lengths[1:]):
            yield (slice(start, min(start + lengths[0], sizes[0])), *rest)


def _sum_of_counts(cells: NDArray[np.generic], time_axis: int | None, *, whole: bool) -> Floats:
    """Sum over time; NaN where one term is negative, not finite or, for counts, not whole."""
    if cells.dtype.kind == "u":
        good: NDArray[np.bool_] | None = None
    elif cells.dtype.kind == "i":
        good = np.greater_equal(cells, 0)
    elif cells.dtype.kind == "f":
        values = cells.astype(np.float64, copy=False)
        good = np.isfinite(values) & (values >= 0)
        if whole:
            good &= np.floor(np.where(good, values, 0.0)) == values
        cells = np.where(good, values, np.nan)
    else:
        raise UserError(f"counts of type '{cells.dtype}': numbers are needed")
    if time_axis is None:
        total = np.asarray(cells, dtype=np.float64)
        return total if good is None else np.where(good, total, np.nan)
    total = np.asarray(cells.sum(axis=time_axis, dtype=np.float64))
    return total if good is None else np.where(good.all(axis=time_axis), total, np.nan)
