"""From the trials that a selection keeps to a key: parts of a pass, candidates for a threshold, passes of several files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from qphys.errors import UserError
from qphys.keyrates.decoy_bb84 import ASYMPTOTIC, PER_BLOCK, PER_SETTING, SCALARS
from qphys.keyrates.proofs import PROOFS
from qphys.keyrates.selection import CELLS, THRESHOLDS, Parts, Piece, Selection, reduced
from qphys.record import Record
from qphys.statistics import schema

if TYPE_CHECKING:
    import xarray as xr


def analyze_selected(
    datasets: Sequence[xr.Dataset], settings: Any, analyze: Callable[[xr.Dataset, Any], xr.Dataset]
) -> xr.Dataset:
    """Key of the trials that a selection keeps, of the parts that a pass is cut into, and of passes from several files.

    Parameters
    ----------
    datasets : sequence of xarray.Dataset
        Detection statistics of one protocol; their points stand one after the other in the result.
    settings : AnalysisSettings
        With `selection`, `parts`, or neither.
    analyze : callable
        The protocol's analysis of a file of counts.

    Returns
    -------
    xarray.Dataset
        As of `analyze`, where a selection was made with ``kept_fraction``, the part of the trials kept, and
        ``chosen_...``, the threshold that the key has; with parts, ``part_key_length`` and others over (..., part).

    Raises
    ------
    UserError
        A file lacks what a rule looks at, or a threshold is no edge of the probe's bins.

    Security
    --------
    As of `analyze`, for the trials that are kept: see docs/physics/selection.md.
    """
    selection, parts = settings.selection, settings.parts
    candidates = [{}] if selection is None else selection.candidates()
    by_file = [reduced(dataset, selection, parts, candidates) for dataset in datasets]
    pieces = {place: _joined([one[place] for one in by_file]) for place in by_file[0]}
    number = 1 if parts is None else len(parts.labels())
    tried = len(candidates) if selection is not None and selection.chosen_from == "same-data" else 1
    if tried > 1:
        _check_length(pieces[False, 0, 0], settings, analyze)
    shares = tried * (number if settings.epsilon_split == "key" else 1)
    own = settings.model_copy(
        update={
            "security_epsilon": settings.security_epsilon / shares,
            "correctness_epsilon": settings.correctness_epsilon / shares,
            "selection": None,
            "parts": None,
        }
    )

    def keys_of(training: bool) -> list[xr.Dataset]:
        results = []
        for j in range(len(candidates)):
            one = _summed([analyze(pieces[training, j, k], own) for k in range(number)], parts)
            results.append(one if settings.block == "all" else one.assign(_kept(pieces, j, number)))
        return results

    found = keys_of(False)
    if selection is None:
        result = found[0]
    else:
        judged = keys_of(True) if selection.chosen_from == "training" else found
        result = _chosen(found, judged, candidates, selection)
    if "security_epsilon_of_key" in result.attrs:
        for name in ("security", "correctness"):
            result.attrs[f"{name}_epsilon_of_key"] *= tried * number
    if selection is not None:
        result.attrs["selection"] = json.dumps(_told(selection))
        result.attrs["thresholds_tried_on_the_key"] = tried
    if parts is not None:
        result.attrs["parts"] = json.dumps(_told(parts))
    return result


def _check_length(dataset: xr.Dataset, settings: Any, analyze: Callable[[xr.Dataset, Any], xr.Dataset]) -> None:
    """The union bound over candidates is shown for keys of fixed length (and free for asymptotic rates)."""
    plain = settings.model_copy(update={"selection": None, "parts": None})
    proof = PROOFS[str(analyze(dataset, plain).attrs["proof"])]
    if proof.length == "variable":
        raise UserError(
            f"analysis.selection.chosen_from = 'same-data': the length of the proof {proof.name} follows the counts; "
            "choose from 'expected' or 'training'"
        )


def _kept(pieces: Mapping[Piece, xr.Dataset], candidate: int, number: int) -> dict[str, xr.DataArray]:
    """Part of the trials that a candidate keeps, by counts; empty where a file does not count trials without a click."""
    found = {}
    for total, prefix in (("counts", ""), ("expected_total_counts", "expected_")):
        every = [pieces[False, candidate, part] for part in range(number)]
        first = every[0]
        labels = first.coords[schema.BOB_OUTCOME].values.tolist() if schema.BOB_OUTCOME in first.coords else []
        if total not in first or "trials" not in first or schema.NO_CLICK not in labels:
            continue
        with np.errstate(invalid="ignore", divide="ignore"):
            kept = sum(one[total].sum(CELLS) for one in every) / first["trials"]
        found[f"{prefix}kept_fraction"] = kept.assign_attrs(units="1", long_name="part of the trials that may become key")
    return found


def _told(record: Record) -> dict[str, Any]:
    return {name: value for name, value in record.model_dump(exclude_defaults=True).items() if name != "origin"}


def _joined(datasets: Sequence[xr.Dataset]) -> xr.Dataset:
    """Points of several files one after the other; a UserError where they are not alike."""
    import xarray as xr

    first = datasets[0]
    if len(datasets) == 1:
        return first
    for number, dataset in enumerate(datasets):
        if set(dataset.data_vars) != set(first.data_vars):
            told = sorted(str(name) for name in set(dataset.data_vars) ^ set(first.data_vars))
            raise UserError(f"file {number}: {', '.join(told)} stand in some files only; all must hold the same")
        for dim in (schema.REALISATION, *CELLS):
            one, other = (d.coords[dim].values.tolist() if dim in d.coords else d.sizes.get(dim) for d in (first, dataset))
            if one != other:
                raise UserError(f"file {number}: its '{dim}' is not that of the first file: {other} against {one}")
    whole = []
    for dataset in datasets:
        drop = [name for name, coord in dataset.coords.items() if coord.dims == (schema.POINT,)]
        whole.append(dataset.drop_vars(drop))
    joined = xr.concat(whole, dim=schema.POINT, data_vars="minimal", coords="minimal", compat="override", join="override")
    for name in ("mean_photon_number", "setting_probability", "block_identity", "trials"):
        if name in first and schema.POINT not in first[name].dims:
            raise UserError(f"{name} without points: files of several passes need it point by point")
    sizes = [int(dataset.sizes[schema.POINT]) for dataset in datasets]
    joined = joined.assign_coords(
        {schema.POINT: np.arange(sum(sizes)), "file": (schema.POINT, np.repeat(np.arange(len(sizes)), sizes))}
    )
    joined.attrs = dict(first.attrs)
    return joined


# ---- keys of parts and of candidates ----------------------------------------------------------------------------------

PER_PART: Final = {
    "key_length": ("bit", "secret key of the part"),
    "sifted_count": ("1", "sifted events of the part that enter its key"),
    "qber": ("1", "error rate of these"),
    "status": ("", "why the part gives no key; 0 where it does"),
}
"""Variables of a part, over the dimension `part`: unit and long name."""

PART: Final = "part"

COUNTED: Final = ("sifted_count", "detection_count", "sifted_count_by_setting", "error_count_by_setting")
"""Variables that are unknown for the whole where they are for a part."""

FEWEST_STEPS: Final = 20
"""Steps from which on a tenth of them may train a threshold, in a comparison of constructions."""


def _summed(results: Sequence[xr.Dataset], parts: Parts | None) -> xr.Dataset:
    """Key of all parts together; each part's own beside it."""
    if parts is None:
        return results[0]
    first = results[0]
    every = {str(name): np.stack([one[name].values for one in results]) for name in first.data_vars if first[name].size}
    whole: dict[str, Any] = {}
    for prefix in ("expected_", ""):
        if f"{prefix}key_length" not in every:
            continue
        sifted = np.nan_to_num(every[f"{prefix}sifted_count"])
        by_basis = np.nan_to_num(every[f"{prefix}sifted_count_by_setting"]).sum(axis=-2)
        weights = {
            "qber": sifted,
            "qber_z": by_basis[..., 0],
            "qber_x": by_basis[..., 1],
            "phase_error_upper": np.nan_to_num(every[f"{prefix}s1_lower"]),
        }
        for base in (*SCALARS, *PER_BLOCK, *PER_SETTING):
            name, values = f"{prefix}{base}", every[f"{prefix}{base}"]
            total: NDArray[Any]
            if base in weights:
                total = _mean(values, weights[base])
            elif base in ("status", "block_status"):
                total = np.where((values == 0).any(axis=0), 0, values.max(axis=0)).astype(np.int8)
            elif base == "sampling_used":
                total = values.max(axis=0)
            else:
                total = values.sum(axis=0) if base in COUNTED else np.nan_to_num(values).sum(axis=0)
            whole[name] = (first[name].dims, total, first[name].attrs)
        estimate = f"{prefix}{ASYMPTOTIC}"
        if estimate in every:
            whole[estimate] = (first[estimate].dims, every[estimate].sum(axis=0), first[estimate].attrs)
        for base, (unit, told) in PER_PART.items():
            of = first[f"{prefix}{base}"]
            attributes = dict(of.attrs) | {"long_name": told} | ({"units": unit} if unit else {})
            whole[f"{prefix}part_{base}"] = ((*of.dims, PART), np.moveaxis(every[f"{prefix}{base}"], 0, -1), attributes)
    left = first.drop_vars([name for name in first.data_vars if str(name) == "expected_qber_by_cause"])
    return left.assign(whole).assign_coords({PART: parts.labels()})


def _mean(values: NDArray[Any], weight: NDArray[Any]) -> NDArray[Any]:
    """Weighted mean over parts, of those that have a weight; NaN where none has."""
    used = np.where(np.isnan(values), 0.0, weight)
    total = used.sum(axis=0)
    top = (np.nan_to_num(values) * used).sum(axis=0)
    mean: NDArray[Any] = np.divide(top, total, out=np.full(total.shape, np.nan), where=total > 0)
    return mean


def _chosen(
    found: Sequence[xr.Dataset],
    judged: Sequence[xr.Dataset],
    candidates: Sequence[Mapping[str, float]],
    selection: Selection,
) -> xr.Dataset:
    """The result of the candidate that the rule chooses, for each point and realisation."""
    first, expected = found[0], "expected_key_length"
    if selection.chosen_from == "expected" and expected not in first:
        raise UserError("analysis.selection.chosen_from = 'expected': the file has no expected counts for it")
    whole: dict[str, Any] = {}
    for prefix in ("expected_", ""):
        key = f"{prefix}key_length"
        if key not in first:
            continue
        dims = first[key].dims
        if selection.chosen_from == "expected":
            by = np.stack([one[expected].values for one in judged])
            by = by.reshape(*by.shape, *(1,) * (len(dims) - 1))
        else:
            by = np.stack([one[key].values for one in judged])
        place = np.broadcast_to(by.argmax(axis=0), first[key].shape)
        for variable in first.data_vars:
            of = first[variable]
            if str(variable).startswith("expected_") == bool(prefix) and of.dims[: len(dims)] == dims:
                every = np.stack([one[variable].values for one in found])
                index = place.reshape(1, *place.shape, *(1,) * (of.ndim - place.ndim))
                whole[str(variable)] = (of.dims, np.take_along_axis(every, index, axis=0)[0], of.attrs)
        for name in candidates[0]:
            unit, told = THRESHOLDS[name]
            attributes = {"units": unit, "long_name": f"threshold of the key: {told}"}
            values = np.array([one[name] for one in candidates])[place]
            whole[f"{prefix}chosen_{name}"] = (dims, values, attributes)
    return first.assign(whole)


def constructions(dataset: xr.Dataset) -> Iterator[tuple[str, dict[str, Any]]]:
    """Ways to make blocks of a file's trials, as settings: those that its variables allow.

    Parameters
    ----------
    dataset : xarray.Dataset
        Detection statistics.

    Yields
    ------
    name : str
    settings : dict
        To put over those of an analysis.
    """
    yield "one block, all trials", {}
    if schema.TIME not in dataset.sizes:
        return
    given = [name for name in ("counts", "expected_counts") if name in dataset and schema.TIME in dataset[name].dims]
    predicted = "expected_counts" in dataset
    if not given:
        return
    if schema.TIME in dataset.coords and dataset.sizes[schema.TIME] >= 4:
        used = np.asarray(dataset.coords[schema.TIME].values, dtype=np.float64)
        for number in (2, 4):
            edges = np.quantile(used, np.arange(1, number) / number)
            yield f"{number} blocks by time", {"parts": {"time_edges_s": tuple(float(e) for e in edges)}}
    elevation = np.rad2deg(np.asarray(dataset["elevation"].values)) if "elevation" in dataset else np.full(1, np.nan)
    if elevation.ndim == 2 and np.isfinite(elevation).any():
        low, high = (int(np.floor(f(elevation))) for f in (np.nanmin, np.nanmax))
        levels = tuple(float(e) for e in range(5 * (low // 5) + 5, high, 5))
        if levels:
            middle = levels[len(levels) // 2]
            yield f"2 blocks by elevation, cut at {middle:g} deg", {"parts": {"elevation_edges_deg": (middle,)}}
        if levels and predicted:
            rule = {"minimum_elevation_deg": (float(low), *levels), "chosen_from": "expected"}
            yield "window by elevation, chosen before from expected counts", {"selection": rule}
        if levels and "counts" in given:
            rule = {"minimum_elevation_deg": (float(low), *levels), "chosen_from": "same-data"}
            yield f"window by elevation, best of {len(levels) + 1}, epsilon shared", {"selection": rule}
    if "probe_lower" not in dataset:
        return
    lower = np.asarray(dataset["probe_lower"].isel({schema.POINT: 0}).values, dtype=np.float64)[1:]
    losses = tuple(float(v) for v in np.round(-10 * np.log10(lower), 9)[::-1])
    rule = {"maximum_probe_loss_db": losses}
    if predicted:
        yield "probe, threshold chosen before from expected counts", {"selection": rule | {"chosen_from": "expected"}}
    if "counts" in given:
        train = {"chosen_from": "training", "training_share": 0.1}
        if dataset.sizes[schema.TIME] >= FEWEST_STEPS:
            yield "probe, threshold from a tenth of the steps, which make no key", {"selection": rule | train}
        yield f"probe, best of {len(losses)} thresholds, epsilon shared", {"selection": rule | {"chosen_from": "same-data"}}
    middle_loss = losses[len(losses) // 2]
    yield f"2 blocks by reading, cut at {middle_loss:g} dB", {"parts": {"probe_loss_edges_db": (middle_loss,)}}
