"""From the arrays of single points to the variables of a file, and to a Dataset in memory."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from qphys import stages
from qphys.errors import UserError
from qphys.statistics import schema

if TYPE_CHECKING:
    import xarray as xr

Array = NDArray[Any]
Label = str | int | float

LABELLED: Final = (
    *schema.SETTINGS_BB84,
    schema.ALICE_OUTCOME,
    schema.BOB_OUTCOME,
    schema.ARM,
    schema.CAUSE,
    schema.PROBE_BIN,
    schema.PHOTON_NUMBER,
)
"""Dimensions whose places have names."""

COORDINATES: Final[dict[str, tuple[str, str]]] = {
    schema.POINT: ("1", "number of the point (pass) in the run"),
    schema.REALISATION: ("1", "number of the sampled realisation"),
    schema.TIME: ("s", "time from the start of the pass, at the centre of the step"),
    schema.INTENSITY: ("", "intensity that the sender chose"),
    schema.ALICE_BASIS: ("", "basis that the sender chose"),
    schema.ALICE_BIT: ("", "bit that the sender chose"),
    schema.ALICE_OUTCOME: ("", "what Alice's receiver saw"),
    schema.BOB_OUTCOME: ("", "what the receiver saw"),
    schema.ARM: ("", "arm of the pair source"),
    schema.CAUSE: ("", "cause of errors that is switched off"),
    schema.PROBE_BIN: ("", "class of readings of the probe, ascending with the transmittance"),
    schema.PHOTON_NUMBER: ("", "photons of the pulse"),
}
"""Unit and meaning of every coordinate."""

SAMPLED: Final = ("counts", "accidental_counts", "counts_by_probe")
"""Variables of sampled numbers of trials, realisation by realisation and step by step."""

WHOLE: Final = (*SAMPLED, "trials")
"""Variables of whole numbers."""

ZERO_BEHIND_THE_END: Final = (*WHOLE, "expected_counts", "expected_accidental_counts", "expected_counts_by_probe")
"""Variables that are 0 behind the end of a shorter pass; the others are NaN there."""

TEXT: Final = ("block_identity",)
"""Variables of text."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a point says in words. It is kept with the point, so that a resumed run says the same as one in one go."""

    warnings: tuple[str, ...] = ()
    fading_model: str = ""
    track_facts: Mapping[str, Label] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PointArrays:
    """A point, checked: every array without the point's dimension, in the order of dimensions of the schema."""

    protocol: str
    arrays: dict[str, Array]
    labels: dict[str, tuple[str, ...]]
    """Names along each labelled dimension."""
    time: NDArray[np.float64] | None
    """Centres of the steps [s]; None where no variable has a time."""
    realisations: int | None
    told: Told

    @property
    def steps(self) -> int:
        """Number of time steps; 0 without a time."""
        return 0 if self.time is None else len(self.time)


def point_arrays(point: Mapping[str, Any], protocol: str = schema.PROTOCOL_DECOY_BB84) -> PointArrays:
    """Check the arrays of one point.

    Parameters
    ----------
    point : mapping
        Arrays under the names of `schema.variables`, without the dimension of the point; ``time`` [s]; ``axes``, labels of
        settings, outcomes, arms and causes (those of the schema by default); and, in words, ``warnings``, ``fading_model``
        and ``track_facts``.
    protocol : str, optional
        Of the file.

    Returns
    -------
    PointArrays

    Raises
    ------
    ValueError
        A name is unknown, a shape does not fit, or a count is negative or not whole.
    """
    given = dict(point)
    told = Told(
        warnings=tuple(given.pop("warnings", ())),
        fading_model=str(given.pop("fading_model", "")),
        track_facts=dict(given.pop("track_facts", {})),
    )
    axes = {str(dim): tuple(str(label) for label in labels) for dim, labels in given.pop("axes", {}).items()}
    time = given.pop(schema.TIME, None)
    sizes: dict[str, int] = {dim: len(labels) for dim, labels in axes.items()}
    if time is not None:
        time = np.asarray(time, dtype=np.float64)
        sizes[schema.TIME] = len(time)
    arrays: dict[str, Array] = {}
    for name, variable in schema.variables(protocol).items():
        if name not in given:
            continue
        arrays[name] = _array(name, given.pop(name))
        dims = variable.dims[1:]
        if arrays[name].ndim != len(dims):
            raise ValueError(f"{name}: dimensions {dims} are needed, the array has shape {arrays[name].shape}")
        for dim, size in zip(dims, arrays[name].shape, strict=True):
            if sizes.setdefault(dim, size) != size:
                raise ValueError(f"{name}: {size} places along '{dim}', elsewhere {sizes[dim]}")
    if given:
        raise ValueError(f"unknown names in a point of {protocol}: {', '.join(given)}")
    if schema.TIME in sizes and time is None:
        raise ValueError("time: missing; the centres of the steps are needed")
    return PointArrays(
        protocol=protocol,
        arrays=arrays,
        labels={dim: _labels(dim, size, axes, protocol) for dim, size in sizes.items() if dim in LABELLED},
        time=time,
        realisations=sizes.get(schema.REALISATION),
        told=told,
    )


def _array(name: str, value: Any) -> Array:
    if name in TEXT:
        return np.asarray(str(value), dtype=object)
    if name not in WHOLE:
        return np.asarray(value, dtype=np.float64)
    whole = np.asarray(value)
    if whole.dtype.kind not in "iu" or (whole.size and whole.min() < 0):
        raise ValueError(f"{name}: whole numbers, none negative, are needed")
    return whole


def known_labels(protocol: str) -> dict[str, tuple[str, ...]]:
    """Labels that the schema fixes, by dimension; the outcomes of a CHSH test have only a form."""
    fixed: dict[str, tuple[str, ...]] = {schema.ALICE_BASIS: schema.BASES, schema.ALICE_BIT: schema.BITS}
    fixed |= {schema.ARM: schema.ARMS, schema.PHOTON_NUMBER: schema.PHOTON_NUMBERS}
    if protocol != schema.PROTOCOL_CHSH:
        fixed |= {schema.ALICE_OUTCOME: schema.OUTCOMES_BB84, schema.BOB_OUTCOME: schema.OUTCOMES_BB84}
    return {dim: fixed[dim] for dim in labelled(protocol) if dim in fixed}


def labelled(protocol: str) -> tuple[str, ...]:
    """Dimensions of a protocol's file whose places have names."""
    if protocol in schema.PAIR_PROTOCOLS:
        return (*schema.CELLS[protocol], schema.ARM, schema.CAUSE)
    return (*schema.CELLS[protocol], schema.PROBE_BIN, schema.PHOTON_NUMBER, schema.CAUSE)


def _labels(dim: str, size: int, axes: Mapping[str, tuple[str, ...]], protocol: str) -> tuple[str, ...]:
    own = {
        schema.INTENSITY: tuple(str(i) for i in range(size)),
        schema.CAUSE: stages.ERROR_CAUSES,
        schema.PROBE_BIN: tuple(str(i) for i in range(size)),
        **known_labels(protocol),
    }
    labels = axes.get(dim, own.get(dim, ()))
    if len(labels) != size:
        raise ValueError(f"axes: '{dim}' has {size} places; labels: {', '.join(labels) or 'none'}")
    return labels


def count_type(trials: int) -> np.dtype[Any]:
    """Smallest type for counts of which none passes the trials of a step: the run decides, not what was drawn.

    Examples
    --------
    >>> count_type(100_000_000).name, count_type(10**11).name
    ('uint32', 'int64')
    """
    return np.dtype("<u4") if trials < 2**32 else np.dtype("<i8")


def common_time(times: Sequence[NDArray[np.float64] | None]) -> NDArray[np.float64] | None:
    """Time axis of points with passes of different lengths: that of the longest.

    Raises
    ------
    UserError
        The points' steps do not lie at the same times after the start of their passes.
    """
    given = [time for time in times if time is not None]
    if not given:
        return None
    longest = max(given, key=len)
    for index, time in enumerate(times):
        if time is None or not np.allclose(time, longest[: len(time)], rtol=0, atol=1e-6):
            raise UserError(
                f"point {index}: its time steps are not those of the other points, and a file holds one time axis "
                "(s after the start of the pass): sweep over the time step with a file for each"
            )
    return longest


def sweep_coordinates(labels: Sequence[Mapping[str, Label]], points: int) -> dict[str, tuple[str, Array]]:
    """Swept keys as coordinates along the points.

    Parameters
    ----------
    labels : sequence of mappings
        For each point, swept key -> value; empty without a sweep.
    points : int
        Number of points.

    Returns
    -------
    dict
        Name of the coordinate (dots become underscores) -> (key, values); text as objects.
    """
    if not labels:
        return {}
    if len(labels) != points:
        raise ValueError(f"{len(labels)} labels for {points} points")
    keys = list(labels[0])
    if any(list(label) != keys for label in labels):
        raise ValueError("every point must be labelled by the same keys")
    result: dict[str, tuple[str, Array]] = {}
    for key in keys:
        name = key.replace(".", "_")
        if name in COORDINATES or name in result or any(name in own for own in schema.VARIABLES.values()):
            raise UserError(f"sweep.values {key}: a variable of the file is called '{name}' already")
        values = [label[key] for label in labels]
        if any(isinstance(value, str) for value in values):
            result[name] = (key, np.asarray([str(value) for value in values], dtype=object))
        elif all(isinstance(value, int) for value in values):
            result[name] = (key, np.asarray(values, dtype="<i8"))
        else:
            result[name] = (key, np.asarray(values, dtype="<f8"))
    return result


def attributes_told(told: Sequence[Told]) -> dict[str, str]:
    """Attributes of the file from what its points say, each thing once."""
    result = {}
    if warnings := sorted({line for point in told for line in point.warnings}):
        result["warnings"] = json.dumps(warnings, ensure_ascii=False)
    if fading := sorted({point.fading_model for point in told if point.fading_model}):
        result["fading_model"] = "; ".join(fading)
    facts = {json.dumps(dict(point.track_facts), sort_keys=True): None for point in told if point.track_facts}
    if facts:
        result["track_facts"] = f"[{', '.join(sorted(facts))}]"
    return result


def file_attributes(attributes: Mapping[str, str | int | float], told: Sequence[Told] = ()) -> dict[str, str | int | float]:
    """Attributes of a file in their fixed order: those of the schema first, then others by name.

    Raises
    ------
    ValueError
        A value is no plain text or number: netCDF knows neither truth values nor tables.
    """
    given = {**attributes, **attributes_told(told), "format": schema.FORMAT, "qphys_schema": schema.VERSION}
    given.setdefault("protocol", schema.PROTOCOL_DECOY_BB84)
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError(f"attribute {name}: text or a number is needed, not {type(value).__name__}")
    order = [name for name in schema.ATTRIBUTES if name in given]
    return {name: given[name] for name in [*order, *sorted(set(given) - set(order))] if given[name] != ""}


def from_points(
    points: Sequence[Mapping[str, Any]],
    *,
    labels: Sequence[Mapping[str, Label]] = (),
    attributes: Mapping[str, str | int | float] | None = None,
) -> xr.Dataset:
    """Detection statistics of a few points as a Dataset in memory; `files.Parts` writes many.

    Parameters
    ----------
    points : sequence of mappings
        See :func:`point_arrays`. A shorter pass ends in steps without trials.
    labels : sequence of mappings, optional
        For each point, swept key -> value.
    attributes : mapping, optional
        Of the file, besides ``format`` and ``qphys_schema``. ``protocol`` decides which variables there are; decoy-bb84 by
        default.

    Returns
    -------
    xarray.Dataset
        With unit and long name on every variable.

    Raises
    ------
    UserError
        The points have no common time axis.
    ValueError
        The arrays do not fit the schema, or one another.
    """
    import xarray as xr

    protocol = str((attributes or {}).get("protocol", schema.PROTOCOL_DECOY_BB84))
    told = [point_arrays(point, protocol) for point in points]
    first = told[0]
    for index, point in enumerate(told):
        same_form(first, point, f"point {index}")
    time = common_time([point.time for point in told])
    length = 0 if time is None else len(time)
    trials = max((int(point.arrays["trials"].max(initial=0)) for point in told if "trials" in point.arrays), default=2**32)
    variables: dict[str, Any] = {}
    for name in first.arrays:
        variable = schema.variables(protocol)[name]
        stacked = np.stack([padded(name, variable.dims[1:], point.arrays[name], length) for point in told])
        if name in WHOLE:
            stacked = stacked.astype(count_type(trials) if name in SAMPLED else "<i8")
        variables[name] = (variable.dims, stacked, {"units": variable.units, "long_name": variable.long_name})
    places: dict[str, Array] = {schema.POINT: np.arange(len(told), dtype="<i8")}
    if first.realisations is not None:
        places[schema.REALISATION] = np.arange(first.realisations, dtype="<i8")
    if time is not None:
        places[schema.TIME] = time
    places |= {dim: np.asarray(names, dtype=object) for dim, names in first.labels.items()}
    coordinates: dict[str, Any] = {dim: ((dim,), values, coordinate_attributes(dim)) for dim, values in places.items()}
    for name, (key, values) in sweep_coordinates(labels, len(told)).items():
        coordinates[name] = ((schema.POINT,), values, swept_attributes(key))
    return xr.Dataset(variables, coordinates, file_attributes(attributes or {}, [point.told for point in told]))


def same_form(first: PointArrays, point: PointArrays, place: str) -> None:
    """Raise a ValueError where two points do not have the same variables, labels and number of realisations."""
    for what, one, other in (
        ("variables", list(first.arrays), list(point.arrays)),
        ("labels", first.labels, point.labels),
        ("number of realisations", first.realisations, point.realisations),
    ):
        if one != other:
            raise ValueError(f"{place}: its {what} {other} are not those of the first point, {one}")


def coordinate_attributes(dim: str) -> dict[str, str]:
    """Unit and long name of a coordinate."""
    units, long_name = COORDINATES[dim]
    return {"units": units, "long_name": long_name}


def swept_attributes(key: str) -> dict[str, str]:
    """Unit and long name of a swept key; its unit is part of its name."""
    return {"units": "", "long_name": f"value of {key} in the run, in the unit of that name"}


def padded(name: str, dims: Sequence[str], array: Array, length: int) -> Array:
    """An array of a point, over `dims`, with its time axis filled up to `length` steps; without a time axis, the array."""
    if schema.TIME not in dims:
        return array
    axis = list(dims).index(schema.TIME)
    if array.shape[axis] == length:
        return array
    shape = list(array.shape)
    shape[axis] = length
    full = np.full(shape, 0 if name in ZERO_BEHIND_THE_END else np.nan, dtype=array.dtype)
    full[(slice(None),) * axis + (slice(0, array.shape[axis]),)] = array
    return full
