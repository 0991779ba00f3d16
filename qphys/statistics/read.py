"""Reading a file of detection statistics, whoever wrote it: checked, lazily, in the dimensions of the schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import product
from math import ceil, prod
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from qphys.errors import UserError, nearest
from qphys.statistics import schema
from qphys.statistics.dataset import LABELLED, SAMPLED, TEXT, Array, known_labels, labelled
from qphys.statistics.files import PART_FORMAT

if TYPE_CHECKING:
    import xarray as xr

COUNTS: Final = ("counts", "expected_counts", "expected_total_counts")
"""A file needs at least one of these."""

ACCIDENTALS: Final = ("accidental_counts", "expected_accidental_counts", "expected_total_accidental_counts")
"""Counts of shifted windows, which a file of a pair protocol may hold."""

PROBED: Final = ("counts_by_probe", "expected_counts_by_probe", "expected_total_counts_by_probe")
"""Counts by reading of a probe, which a file of decoy-bb84 may hold beside the others."""

SINGLE_CLICKS: Final = ("Z0", "Z1", "X0", "X1")
"""Outcomes that no file may lack."""

DOUBLE_CLICKS: Final = ("double_Z", "double_X", "across")
"""Outcomes that count as 0 where a file lacks them; in a CHSH test, ``double`` does."""

CHECKED_BYTES: Final = 2**28
"""Counts of a file that qphys wrote are checked one by one when opened up to this size; those of others always [byte]."""

BLOCK_BYTES: Final = 2**25
"""Counts in memory at once [byte]."""

TOLERANCE: Final = 1e-6
"""Of a sum of probabilities that a file gives in decimals."""

EXTRA: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    schema.PROTOCOL_DECOY_BB84: {
        "intensity_probability": (schema.INTENSITY,),
        "basis_probability": (schema.ALICE_BASIS,),
        "pulses_sent": (schema.POINT, schema.REALISATION, schema.TIME, *schema.SETTINGS_BB84),
    },
}
"""Variables that other files of a protocol may hold. Of decoy-bb84: the first two instead of ``setting_probability`` where
the sender's choices are independent and the bits equally likely; the third instead of the outcome ``none``."""

OPTIONAL: Final = (schema.POINT, schema.REALISATION, schema.TIME)
"""Dimensions that other files may lack."""


def open_statistics(path: str | PathLike[str]) -> xr.Dataset:
    """Open a file of detection statistics.

    Parameters
    ----------
    path : path
        HDF5 file of qphys, or any other that has the required fields of docs/format.

    Returns
    -------
    xarray.Dataset
        Arrays are read when used. Close it, or use it as a context manager.

    Raises
    ------
    UserError
        No such file, truncated, not HDF5, not of this format or version, or its content does not conform.

    Examples
    --------
    >>> import qphys
    >>> with qphys.open_statistics(folder / "fixed-loss.h5") as statistics:
    ...     statistics["mean_photon_number"].dims
    ('point', 'intensity')
    """
    import xarray as xr

    place = Path(path)
    _check_file(place)
    try:
        opened = xr.open_dataset(place, engine="h5netcdf", decode_times=False, cache=False, phony_dims="sort")
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise UserError(f"{place}: cannot be read: {_one_line(error)}") from None
    try:
        return check(opened, str(place))
    except OSError as error:
        opened.close()
        raise UserError(f"{place}: damaged, a part of it cannot be read: {_one_line(error)}") from None
    except BaseException:
        opened.close()
        raise


def read_any(path: str | PathLike[str], protocol: str | PathLike[str] | Mapping[str, Any] | None = None) -> xr.Dataset:
    """Open an HDF5 file, or read a CSV table with the protocol that it belongs to.

    Parameters
    ----------
    path : path
        A file whose name ends in ``.csv`` is a table.
    protocol : path or mapping, optional
        TOML file of the protocol, or its content; needed with a table, and only there.

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    UserError
        As :func:`open_statistics` and :func:`qphys.statistics.csv.read_csv`.
    """
    from qphys.statistics.csv import read_csv

    if Path(path).suffix.lower() == ".csv":
        if protocol is None:
            raise UserError(f"{path}: a CSV table needs the protocol that it belongs to: --protocol LAB.toml")
        return read_csv(path, protocol)
    if protocol is not None:
        raise UserError(f"{path}: --protocol belongs to a CSV table; this file says its protocol itself")
    return open_statistics(path)


def _check_file(path: Path) -> None:
    """Say what is wrong with a file that cannot be, or must not be, opened."""
    import h5py

    if path.is_dir():
        raise UserError(f"{path}: is a folder; a file of detection statistics is needed")
    if not path.exists():
        parts = path.with_name(path.name + ".parts")
        hint = f"; {parts.name} holds parts of an unfinished run: --resume goes on from them" if parts.is_dir() else ""
        raise UserError(f"{path}: no such file{hint}")
    try:
        with path.open("rb") as file:
            start = file.read(1)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({(error.strerror or str(error)).lower()})") from None
    if not start:
        raise UserError(f"{path}: empty")
    if not h5py.is_hdf5(path):
        raise UserError(f"{path}: not an HDF5 file")
    try:
        with h5py.File(path, "r") as file:
            attributes = {
                name: _text(file.attrs[name]) for name in ("format", "qphys_schema", "protocol") if name in file.attrs
            }
            _check_attributes(attributes, str(path))
            _check_scales(path, file)
    except OSError as error:
        raise UserError(f"{path}: truncated or damaged: {_one_line(error)}") from None


def _check_scales(path: Path, file: Any) -> None:
    """Every dimension of a variable that is read needs a name, given by a dimension scale."""
    import h5py

    for name in _names(_text(file.attrs["protocol"])):
        if name in file and isinstance(file[name], h5py.Dataset):
            for axis in range(file[name].ndim):
                if not len(file[name].dims[axis]) and not file[name].is_scale:
                    raise UserError(
                        f"{path}: {name}: its dimension {axis} has no dimension scale, so that nobody knows what it is "
                        "(in h5py: make_scale and attach_scale, see docs/format)"
                    )


def _check_attributes(attributes: Mapping[str, str], path: str) -> None:
    form = attributes.get("format")
    if form == PART_FORMAT:
        raise UserError(f"{path}: is a part of an unfinished run; qphys run --resume joins it with the others")
    if form != schema.FORMAT:
        told = "is missing" if form is None else f"= {form!r}"
        raise UserError(f"{path}: not detection statistics: attribute 'format' {told}; it must be '{schema.FORMAT}'")
    version = attributes.get("qphys_schema")
    if version is None:
        raise UserError(f"{path}: attribute 'qphys_schema' is missing; this qphys reads '{schema.VERSION}'")
    if version.partition(".")[0] != schema.VERSION.partition(".")[0]:
        raise UserError(
            f"{path}: qphys_schema = {version!r}: this qphys reads versions '{schema.VERSION.partition('.')[0]}.x'"
        )
    protocol = attributes.get("protocol")
    if protocol is None:
        raise UserError(f"{path}: attribute 'protocol' is missing (allowed: {', '.join(schema.PROTOCOLS)})")
    if protocol not in schema.PROTOCOLS:
        hint = nearest(protocol, schema.PROTOCOLS)
        raise UserError(f"{path}: protocol = {protocol!r}: unknown{hint} (allowed: {', '.join(schema.PROTOCOLS)})")


def check(dataset: xr.Dataset, path: str) -> xr.Dataset:
    """Check detection statistics and bring them to the dimensions of the schema.

    Parameters
    ----------
    dataset : xarray.Dataset
        What a file holds. Dimensions may stand in any order; point and realisation may be absent and are added with length
        1; the probabilities may be given as those of intensity and basis, and ``none`` as ``pulses_sent``.
    path : str
        For messages.

    Returns
    -------
    xarray.Dataset
        Dimensions in the order of the schema, labels as text. The attribute ``notes`` says, a line each, what the file
        leaves open.

    Raises
    ------
    UserError
        A required field is missing, a dimension, label or value is not allowed.
    """
    _check_attributes({str(name): _text(value) for name, value in dataset.attrs.items()}, path)
    present = [name for name in COUNTS if name in dataset.variables]
    if not present:
        hint = nearest("counts", [str(name) for name in dataset.variables])
        raise UserError(f"{path}: no counts: at least one of the variables {', '.join(COUNTS)} is needed{hint}")
    protocol = protocol_of(dataset)
    _check_dimensions(dataset, path, protocol)
    dataset = _with_labels(dataset, path, protocol)
    if protocol == schema.PROTOCOL_DECOY_BB84:
        dataset = _with_probabilities(dataset, path)
    for name, variable in schema.variables(protocol).items():
        if variable.required and name not in dataset.variables:
            hint = nearest(name, [str(n) for n in dataset.variables])
            raise UserError(f"{path}: variable '{name}' is missing; it is required{hint}")
    dataset = _in_order(dataset, path, protocol)
    _check_claims(dataset, path, protocol)
    _check_probe(dataset, path, protocol)
    own = "qphys_version" in dataset.attrs
    further = [n for n in (*ACCIDENTALS, *PROBED) if n in dataset.variables and n in schema.variables(protocol)]
    for name in (*present, *further):
        size = dataset[name].size * dataset[name].dtype.itemsize
        if not own or size <= CHECKED_BYTES:
            _check_counts(dataset, name, path, protocol)
    if protocol == schema.PROTOCOL_DECOY_BB84:
        dataset = _with_none(dataset, path)
        notes = _notes(dataset)
    else:
        notes = _notes_of_pairs(dataset, protocol)
    if notes:
        dataset.attrs["notes"] = "\n".join(dict.fromkeys([*str(dataset.attrs.get("notes", "")).splitlines(), *notes]))
    return dataset


def protocol_of(dataset: xr.Dataset) -> str:
    """Protocol that the counts of checked detection statistics belong to."""
    return _text(dataset.attrs["protocol"])


def _names(protocol: str) -> dict[str, tuple[str, ...]]:
    """Variables that are read, with their dimensions in the schema's order; other variables of a file are left alone."""
    return {name: variable.dims for name, variable in schema.variables(protocol).items()} | EXTRA.get(protocol, {})


def _check_dimensions(dataset: xr.Dataset, path: str, protocol: str) -> None:
    known = {*OPTIONAL, *LABELLED}
    for name, allowed in _names(protocol).items():
        if name not in dataset.variables:
            continue
        variable = dataset.variables[name]
        dims = [str(dim) for dim in variable.dims]
        for dim in dims:
            if dim not in allowed:
                hint = nearest(dim, allowed) if dim not in known else ""
                raise UserError(f"{path}: {name}: dimension '{dim}' is not allowed{hint} (allowed: {', '.join(allowed)})")
        for dim in allowed:
            if dim not in dims and dim not in OPTIONAL:
                raise UserError(f"{path}: {name}: dimension '{dim}' is missing; there are {', '.join(dims) or 'none'}")
        empty = [dim for dim, size in zip(dims, variable.shape, strict=True) if size == 0]
        if empty:
            raise UserError(f"{path}: {name}: nothing along the dimension '{empty[0]}'; at least one is needed")
        if name not in TEXT and variable.dtype.kind not in "iuf":
            raise UserError(f"{path}: {name}: values of type '{variable.dtype}'; numbers are needed")


def _with_labels(dataset: xr.Dataset, path: str, protocol: str) -> xr.Dataset:
    """Labels as text; without a coordinate those of the schema, where their number agrees."""
    known = known_labels(protocol)
    outcomes = (schema.ALICE_OUTCOME, schema.BOB_OUTCOME)
    for dim in labelled(protocol):
        if dim not in dataset.sizes:
            continue
        size = int(dataset.sizes[dim])
        if dim in dataset.coords:
            labels = [_text(value) for value in dataset.coords[dim].values]
        elif dim in known and len(known[dim]) == size:
            labels = list(known[dim])
        elif dim in known or dim in outcomes:
            raise UserError(f"{path}: {dim}: {size} places without names; a coordinate variable '{dim}' must hold them")
        else:
            labels = [str(i) for i in range(size)]
        if len(set(labels)) != size:
            raise UserError(f"{path}: {dim}: a label stands twice in {', '.join(labels)}")
        for label in labels if dim in known else ():
            if label not in known[dim]:
                hint = nearest(label, known[dim])
                raise UserError(f"{path}: {dim} = '{label}': unknown label{hint} (allowed: {', '.join(known[dim])})")
        if dim in outcomes and dim not in known:
            _check_settings(labels, f"{path}: {dim}")
        needed = known.get(dim, ()) if dim not in outcomes else SINGLE_CLICKS if dim in known else ()
        missing = [label for label in needed if label not in labels]
        if missing:
            raise UserError(f"{path}: {dim}: {', '.join(missing)} missing; there are {', '.join(labels)}")
        attributes = dataset.coords[dim].attrs if dim in dataset.coords else {}
        dataset = dataset.assign_coords({dim: (dim, np.asarray(labels, dtype=object), attributes)})
    return dataset


def _check_settings(labels: list[str], place: str) -> None:
    """Outcomes of an arm of a CHSH test: both results of every setting, and no click or more than one."""
    settings: dict[str, set[str]] = {}
    for label in labels:
        told = schema.split_outcome(label)
        if told is not None:
            settings.setdefault(told[0], set()).add(told[1])
        elif label not in (schema.NO_CLICK, schema.DOUBLE_CLICK_CHSH):
            raise UserError(
                f"{place} = '{label}': unknown label (allowed: a setting and its result, such as 'a0+' and 'a0-', "
                f"{schema.NO_CLICK}, {schema.DOUBLE_CLICK_CHSH})"
            )
    if not settings:
        raise UserError(f"{place}: no setting; labels such as 'a0+' and 'a0-' are needed, there are {', '.join(labels)}")
    missing = [s + result for s, seen in settings.items() for result in schema.RESULTS_CHSH if result not in seen]
    if missing:
        raise UserError(f"{place}: {', '.join(missing)} missing; there are {', '.join(labels)}")


def _with_probabilities(dataset: xr.Dataset, path: str) -> xr.Dataset:
    """The joint probability of the settings from those of intensity and basis, where a file gives only these."""
    parts = ("intensity_probability", "basis_probability")
    if "setting_probability" in dataset.variables or not any(name in dataset.variables for name in parts):
        return dataset
    for name in parts:
        if name not in dataset.variables:
            raise UserError(f"{path}: variable '{name}' is missing; without 'setting_probability' it is required")
        _check_probabilities(dataset[name], EXTRA[schema.PROTOCOL_DECOY_BB84][name][0], path)
    intensity, basis = (dataset[name] / dataset[name].sum() for name in parts)
    bits = len(schema.BITS)
    joint = (intensity * basis).expand_dims({schema.ALICE_BIT: bits}) / bits
    variable = schema.variables(schema.PROTOCOL_DECOY_BB84)["setting_probability"]
    joint.attrs.update(units=variable.units, long_name=variable.long_name)
    result: xr.Dataset = dataset.assign(setting_probability=joint.transpose(*schema.SETTINGS_BB84))
    return result


def _in_order(dataset: xr.Dataset, path: str, protocol: str) -> xr.Dataset:
    """Every variable with the dimensions of the schema, in its order. A time that is absent stays so."""
    import xarray as xr

    points = int(dataset.sizes.get(schema.POINT, 1))
    realisations = int(dataset.sizes.get(schema.REALISATION, 1))
    for name, dims in _names(protocol).items():
        if name not in dataset.variables or name in ("intensity_probability", "basis_probability"):
            continue
        variable = dataset.variables[name]
        wanted = [dim for dim in dims if dim in variable.dims or dim in (schema.POINT, schema.REALISATION)]
        if name in SAMPLED:
            for dim, size in ((schema.POINT, points), (schema.REALISATION, realisations)):
                if dim not in variable.dims and size > 1:
                    raise UserError(f"{path}: {name}: dimension '{dim}' is missing, although the file has {size} of them")
        if set(wanted) != set(variable.dims):
            sizes = {schema.POINT: points, schema.REALISATION: realisations}
            added = [dim for dim in wanted if dim not in variable.dims]
            shape = (*(sizes[dim] for dim in added), *variable.shape)
            variable = xr.Variable((*added, *variable.dims), np.broadcast_to(variable.values, shape), variable.attrs)
        if variable.dims != tuple(wanted):
            variable = variable.transpose(*wanted)
        if variable is not dataset.variables[name]:
            dataset = dataset.drop_vars(name).assign({name: variable})
    return dataset


def _check_claims(dataset: xr.Dataset, path: str, protocol: str) -> None:
    if protocol in schema.PAIR_PROTOCOLS:
        for name in ("mean_pair_number", "coincidence_window", "pair_rate"):
            if name in dataset.variables:
                values = np.asarray(dataset[name].values, dtype=np.float64)
                if not (np.isfinite(values).all() and (values >= 0).all()):
                    raise UserError(f"{path}: {name} = {_first_bad(values)}: must be finite and not negative")
        return
    mean = dataset["mean_photon_number"].values
    if not (np.isfinite(mean).all() and (mean >= 0).all()):
        raise UserError(f"{path}: mean_photon_number = {_first_bad(mean)}: must be finite and not negative")
    _check_probabilities(dataset["setting_probability"], "settings", path)


def _check_probe(dataset: xr.Dataset, path: str, protocol: str) -> None:
    """Readings of a probe need their ranges: without gaps, from 0 to infinity."""
    known = schema.variables(protocol)
    ends = [name for name in ("probe_lower", "probe_upper") if name in dataset.variables and name in known]
    if not ends and not any(name in dataset.variables and name in known for name in PROBED):
        return
    if len(ends) < 2:
        raise UserError(f"{path}: counts by reading of a probe need the readings: probe_lower and probe_upper")
    lower, upper = (np.asarray(dataset[name].values, dtype=np.float64) for name in ends)
    if not ((lower[:, 1:] == upper[:, :-1]).all() and (lower[:, 0] == 0).all() and (upper > lower).all()):
        raise UserError(f"{path}: probe_lower, probe_upper: bins must follow one another without a gap, the first from 0")
    if not np.isposinf(upper[:, -1]).all():
        raise UserError(f"{path}: probe_upper = {upper[0, -1]:g}: the last bin has no end, so it must be infinite")


def _check_probabilities(variable: xr.DataArray, of_what: str, path: str) -> None:
    values = np.asarray(variable.values, dtype=np.float64)
    if not (np.isfinite(values).all() and (values >= 0).all() and (values <= 1 + TOLERANCE).all()):
        raise UserError(f"{path}: {variable.name} = {_first_bad(values, 1 + TOLERANCE)}: must lie between 0 and 1")
    axes = tuple(i for i, dim in enumerate(variable.dims) if dim != schema.POINT)
    total = np.ravel(values.sum(axis=axes))
    worst = total[np.argmax(np.abs(total - 1))]
    if abs(worst - 1) > TOLERANCE:
        raise UserError(f"{path}: {variable.name}: sums to {worst:.9g} over {of_what}; must be 1")


def _first_bad(values: Array, most: float = np.inf) -> float:
    flat = np.ravel(values)
    return float(flat[~(np.isfinite(flat) & (flat >= 0) & (flat <= most))][0])


def _check_counts(dataset: xr.Dataset, name: str, path: str, protocol: str) -> None:
    """Every cell is a number of trials, and no step has more clicks than trials."""
    variable = dataset[name]
    trials = dataset["trials"] if "trials" in dataset.variables else None
    whole = variable.dtype.kind in "iu"
    axes = tuple(i for i, dim in enumerate(variable.dims) if dim in schema.CELLS[protocol])
    for place in _blocks(variable):
        part = variable.isel(place)
        cells = part.values
        if variable.dtype.kind != "u":
            _check_cells(cells, name, path, whole=name in SAMPLED and not whole)
        if trials is not None:
            sent = trials.isel({dim: where for dim, where in place.items() if dim in trials.dims})
            if schema.TIME not in part.dims and schema.TIME in sent.dims:
                sent = sent.sum(schema.TIME)
            dims = [part.dims[i] for i in range(part.ndim) if i not in axes]
            clicks = cells.sum(axis=axes, dtype=np.float64)
            room = sent.expand_dims([d for d in dims if d not in sent.dims]).transpose(*dims).values
            excess = clicks > room * (1 + 1e-9)
            if excess.any():
                raise UserError(
                    f"{path}: {name}: {clicks[excess][0]:.15g} trials with an outcome in a step or pass of "
                    f"{np.broadcast_to(room, clicks.shape)[excess][0]:.15g} trials"
                )


def _check_cells(cells: Array, name: str, path: str, *, whole: bool) -> None:
    for bad, told in (
        (~np.isfinite(cells), "must be a finite number"),
        (cells < 0, "must not be negative"),
        ((cells != np.floor(cells)) if whole else np.zeros(1, dtype=bool), "counts must be whole numbers"),
    ):
        if bad.any():
            value = float(cells[bad][0])
            raise UserError(f"{path}: {name} = {value:g} in {int(bad.sum())} of {cells.size} cells: {told}")


def _blocks(variable: xr.DataArray) -> Iterator[dict[str, slice]]:
    """Slices along point, realisation and time, of at most `BLOCK_BYTES`."""
    room = max(1, BLOCK_BYTES // (prod(s for d, s in variable.sizes.items() if d not in OPTIONAL) * variable.dtype.itemsize))
    lengths = {}
    for dim in reversed(OPTIONAL):
        if dim in variable.dims:
            lengths[dim] = max(1, min(int(variable.sizes[dim]), room))
            room = max(1, room // lengths[dim])
    dims = list(lengths)
    for starts in product(*(range(ceil(variable.sizes[dim] / lengths[dim])) for dim in dims)):
        yield {dim: slice(s * lengths[dim], (s + 1) * lengths[dim]) for dim, s in zip(dims, starts, strict=True)}


def _with_none(dataset: xr.Dataset, path: str) -> xr.Dataset:
    """Trials without a click from the pulses sent, where a file gives these instead."""
    if "pulses_sent" not in dataset.variables or "counts" not in dataset.variables:
        return dataset
    import xarray as xr

    counts, sent = dataset["counts"], dataset["pulses_sent"]
    _check_cells(sent.values, "pulses_sent", path, whole=sent.dtype.kind == "f")
    if (schema.TIME in sent.dims) != (schema.TIME in counts.dims):
        raise UserError(f"{path}: pulses_sent: either both it and counts have the dimension 'time', or neither")
    rest = sent.astype(np.int64) - counts.astype(np.int64).sum(schema.BOB_OUTCOME)
    if (rest < 0).any():
        raise UserError(f"{path}: counts: {int((rest < 0).sum())} settings have more clicks than pulses_sent")
    if "none" in counts.coords[schema.BOB_OUTCOME].values:
        if (rest != 0).any():
            raise UserError(f"{path}: counts: their sum over the outcomes, 'none' included, is not pulses_sent")
        return dataset
    others = [str(n) for n, v in dataset.data_vars.items() if schema.BOB_OUTCOME in v.dims and n != "counts"]
    if others:
        raise UserError(f"{path}: {others[0]}: the outcome 'none' is missing; pulses_sent stands in for that of counts only")
    none = rest.expand_dims({schema.BOB_OUTCOME: ["none"]})
    joined = xr.concat([none, counts.astype(np.int64)], dim=schema.BOB_OUTCOME).transpose(*counts.dims)
    joined.attrs.update(counts.attrs)
    result: xr.Dataset = dataset.drop_vars(["counts", schema.BOB_OUTCOME]).assign(counts=joined)
    return result


def _notes(dataset: xr.Dataset) -> list[str]:
    outcomes = [str(label) for label in dataset.coords[schema.BOB_OUTCOME].values]
    notes = []
    absent = [label for label in DOUBLE_CLICKS if label not in outcomes]
    if absent:
        notes.append(f"outcomes {', '.join(absent)} are not in the file and count as 0")
    if "none" not in outcomes and "pulses_sent" not in dataset.variables and "trials" not in dataset.variables:
        notes.append("the number of pulses sent is unknown")
    return notes


def _notes_of_pairs(dataset: xr.Dataset, protocol: str) -> list[str]:
    doubles = (schema.DOUBLE_CLICK_CHSH,) if protocol == schema.PROTOCOL_CHSH else DOUBLE_CLICKS
    notes = []
    for dim in schema.CELLS[protocol]:
        outcomes = [str(label) for label in dataset.coords[dim].values]
        absent = [label for label in doubles if label not in outcomes]
        if absent:
            notes.append(f"{dim}: outcomes {', '.join(absent)} are not in the file and count as 0")
        if schema.NO_CLICK not in outcomes:
            notes.append(f"{dim}: clicks of the other arm alone are not in the file")
    if any(schema.NO_CLICK not in dataset.coords[dim].values for dim in schema.CELLS[protocol]) and "trials" not in dataset:
        notes.append("the number of trials is unknown")
    return notes


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def info(path: str | PathLike[str]) -> dict[str, Any]:
    """What a file of detection statistics holds and what made it.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    dict
        Key -> text or number; what the file does not say is left out.

    Raises
    ------
    UserError
        As :func:`open_statistics`.

    Examples
    --------
    >>> import qphys
    >>> qphys.info(folder / "fixed-loss.h5")["protocol"]
    'decoy-bb84'
    """
    with open_statistics(path) as dataset:
        attributes = {str(name): value for name, value in dataset.attrs.items()}
        told: dict[str, Any] = {name: attributes[name] for name in ("title", "experiment", "protocol") if name in attributes}
        told["points"] = int(dataset.sizes.get(schema.POINT, 1))
        if swept := _swept(dataset):
            told["along the points"] = "; ".join(swept)
        if "counts" in dataset.variables:
            told["realisations"] = int(dataset.sizes.get(schema.REALISATION, 1))
        if schema.TIME in dataset.sizes:
            told["time steps"] = int(dataset.sizes[schema.TIME])
        if schema.TIME in dataset.coords:
            time = dataset.coords[schema.TIME].values
            told["time"] = f"{float(time[0]):g} to {float(time[-1]):g} s"
        told |= _told_of_pairs(dataset) if protocol_of(dataset) in schema.PAIR_PROTOCOLS else _told_of_sender(dataset)
        if "trials" in dataset.variables:
            told["trials"] = int(dataset["trials"].sum())
        told["variables"] = ", ".join(str(name) for name in dataset.data_vars)
        for name in ("seed", "fading_model", "qphys_version", "qphys_schema", "identity"):
            if name in attributes:
                value = attributes[name]
                told[name.replace("_", " ")] = int(value) if isinstance(value, np.integer) else _text(value)
        for name in ("model_hashes", "library_versions", "track_facts", "warnings"):
            if name in attributes:
                told[name.replace("_", " ")] = _listed(_text(attributes[name]))
        if "notes" in attributes:
            told["notes"] = "; ".join(str(attributes["notes"]).splitlines())
        told["bytes"] = Path(path).stat().st_size
    return told


def _told_of_sender(dataset: xr.Dataset) -> dict[str, Any]:
    mean = dataset["mean_photon_number"].isel({schema.POINT: 0})
    labels = [str(label) for label in dataset.coords[schema.INTENSITY].values]
    return {
        "mean photon numbers": ", ".join(f"{n} {float(v):g}" for n, v in zip(labels, mean.values, strict=True)),
        "outcomes": ", ".join(str(label) for label in dataset.coords[schema.BOB_OUTCOME].values),
    }


def _told_of_pairs(dataset: xr.Dataset) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for name, unit in (("mean_pair_number", ""), ("pair_rate", " /s"), ("coincidence_window", " s")):
        if name in dataset.variables:
            told[name.replace("_", " ")] = _range_of(dataset[name].values, unit)
    for dim, arm in ((schema.ALICE_OUTCOME, schema.ARMS[0]), (schema.BOB_OUTCOME, schema.ARMS[1])):
        told[f"outcomes of {arm}"] = ", ".join(str(label) for label in dataset.coords[dim].values)
    for what, names in (
        ("coincidences", ("expected_total_counts", "expected_counts", "counts")),
        ("coincidences of shifted windows", ("expected_total_accidental_counts", *ACCIDENTALS[1::-1])),
    ):
        for found in [name for name in names if name in dataset.variables][:1]:
            told[what] = f"{_range_of(_coincidences(dataset[found]), '')} {'sampled' if found in SAMPLED else 'expected'}"
    return told


def _range_of(values: Array, unit: str) -> str:
    """A number of each point: its range, or the one value."""
    least, most = f"{float(values.min()):.6g}", f"{float(values.max()):.6g}"
    return f"{least if least == most else f'{least} to {most}'}{unit}"


def _coincidences(variable: xr.DataArray) -> Array:
    """Trials in which both arms saw something, of each point (and realisation), read in blocks."""
    kept = [dim for dim in (schema.POINT, schema.REALISATION) if dim in variable.dims]
    total = np.zeros([int(variable.sizes[dim]) for dim in kept])
    clicked = {
        dim: np.flatnonzero(variable.coords[dim].values != schema.NO_CLICK)
        for dim in (schema.ALICE_OUTCOME, schema.BOB_OUTCOME)
    }
    for place in _blocks(variable):
        part = variable.isel(place).isel(clicked)
        gone = tuple(i for i, dim in enumerate(part.dims) if dim not in kept)
        total[tuple(place[dim] for dim in kept)] += part.values.sum(axis=gone, dtype=np.float64)
    return total


def _swept(dataset: xr.Dataset) -> list[str]:
    """Coordinates along the points with their range or number of values."""
    told = []
    for name, coordinate in dataset.coords.items():
        if coordinate.dims != (schema.POINT,) or name == schema.POINT:
            continue
        values = coordinate.values
        if values.dtype.kind in "iuf":
            told.append(f"{name} {float(values.min()):g} to {float(values.max()):g}")
        else:
            distinct = list(dict.fromkeys(str(value) for value in values))
            told.append(f"{name} {', '.join(distinct[:8])}{', ...' if len(distinct) > 8 else ''}")
    return told


def _listed(text: str) -> str:
    """A JSON attribute in a line for people; hashes shortened."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return text
    if isinstance(value, dict):
        short = {key: item[:12] if isinstance(item, str) and len(item) == 64 else item for key, item in value.items()}
        return ", ".join(f"{key} {item}" for key, item in short.items())
    return "; ".join(str(item) for item in value) if isinstance(value, list) else str(value)
