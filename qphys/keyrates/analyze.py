"""The door of the room: detection statistics in, sifted counts and secret key out, whoever wrote the file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from qphys.errors import UserError, nearest
from qphys.keyrates import bbm92, blocks, chsh, limits, selection, table
from qphys.keyrates.decoy_bb84 import analyze_decoy_bb84, sender_of
from qphys.keyrates.profile import OUTSIDE, add_profile, profile
from qphys.keyrates.proofs import EFFECTS, PROOFS, proofs_of
from qphys.keyrates.run_facts import effects_in_counts, effects_of_files, resolved_run, tables
from qphys.keyrates.settings import AnalysisSettings
from qphys.keyrates.sifting import sifted_over_time
from qphys.keyrates.sweeps import best_of_sweep
from qphys.keyrates.table import status_names
from qphys.record import Record, parse
from qphys.statistics import schema

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Protocol:
    """What this room can do for a protocol."""

    settings: type[Record]
    """Table ``[analysis]``."""
    analyze: Callable[[xr.Dataset, Any], xr.Dataset]
    heading: Callable[[xr.Dataset], str]
    rows: Callable[[xr.Dataset], list[dict[str, Any]]]


PROTOCOLS: Final[Mapping[str, Protocol]] = {
    schema.PROTOCOL_DECOY_BB84: Protocol(AnalysisSettings, analyze_decoy_bb84, table.heading, table.rows),
    bbm92.PROTOCOL: Protocol(bbm92.BBM92Settings, bbm92.analyze_bbm92, bbm92.heading, bbm92.rows),
    chsh.PROTOCOL: Protocol(chsh.CHSHSettings, chsh.analyze_chsh, chsh.heading, chsh.rows),
}
"""Protocol of a file -> its analysis. Another protocol is another file of this room and a line here."""


def analyze(
    dataset: xr.Dataset | str | PathLike[str] | Sequence[xr.Dataset | str | PathLike[str]],
    settings: Record | Mapping[str, Any] | None = None,
    **overrides: Any,
) -> xr.Dataset:
    """Sift detection statistics and bound the secret key that they give.

    Parameters
    ----------
    dataset : xarray.Dataset or path, or a sequence of these
        Detection statistics, or their file. Counts are read in blocks, so that memory stays bounded. Of several files, the
        points stand one after the other in the result; with ``block = "all"`` they make one block.
    settings : AnalysisSettings or mapping, optional
        What the proof leaves open. Nothing: the table ``[analysis]`` of the run that wrote the file, or the defaults.
    **overrides
        Single values that replace those of `settings`, such as ``key_from="signal"``, also dotted ones
        (``**{"selection.minimum_elevation_deg": 20.0}``).

    Returns
    -------
    xarray.Dataset
        See :func:`qphys.keyrates.decoy_bb84.analyze_decoy_bb84`. Attributes: the settings as JSON and where they are from,
        the security claim, the epsilons of the key, effects in the counts that the proof does not cover, the identity of
        the statistics. The proof profile stands in variables, see :func:`qphys.keyrates.profile`.

    Raises
    ------
    UserError
        The settings, the file or its protocol are not what the analysis needs.

    Examples
    --------
    >>> import qphys
    >>> result = qphys.analyze(folder / "fixed-loss.h5", key_from="signal")
    >>> result["block_key_length"].dims
    ('point', 'realisation', 'key_basis')

    Security
    --------
    A positive ``key_length`` has the claim of the protocol's file and of docs/physics/security.md, and no more.
    """
    from contextlib import ExitStack

    from qphys.statistics.read import open_statistics

    given: list[Any] = list(dataset) if isinstance(dataset, list | tuple) else [dataset]
    with ExitStack() as stack:
        opened = [stack.enter_context(open_statistics(d)) if isinstance(d, str | PathLike) else d for d in given]
        return _analyzed(opened, settings, overrides)


def analyze_over_time(
    dataset: xr.Dataset,
    settings: Record | Mapping[str, Any] | None = None,
    *,
    point: int = 0,
    **overrides: Any,
) -> xr.Dataset:
    """Sifted rate, rate of all clicks and error rate of one point against time.

    Parameters
    ----------
    dataset : xarray.Dataset
        Detection statistics with time.
    settings : AnalysisSettings or mapping, optional
        As in :func:`analyze`; `key_from` and `intensities` choose whose sifted events are shown.
    point : int, optional
        Place of the point.
    **overrides
        Single values that replace those of `settings`.

    Returns
    -------
    xarray.Dataset
        Over (realisation, time) from ``counts`` and, with the prefix ``expected_``, over (time) from ``expected_counts``:
        ``sifted_rate`` [1/s], ``detection_rate`` [1/s], ``qber`` [1].

    Raises
    ------
    UserError
        The file holds no counts against time, or there is no such point.
    """
    chosen, _ = own_settings(dataset, settings, overrides)
    if isinstance(chosen, bbm92.BBM92Settings):
        return bbm92.bbm92_over_time(dataset, chosen, point=point, duration=_durations(dataset, point))
    if not isinstance(chosen, AnalysisSettings):
        raise UserError(f"protocol = '{dataset.attrs['protocol']}': has no sifted rate against time")
    sender = sender_of(dataset, chosen)
    if not 0 <= point < len(sender.status):
        raise UserError(f"point = {point}: the file has points 0 to {len(sender.status) - 1}")
    places = list(sender.places)
    if chosen.key_from == "signal":
        places = [places[int(np.argmax(sender.mean_photon_number[point]))]]
    parts: dict[str, xr.DataArray] = {}
    for name, prefix in (("counts", ""), ("expected_counts", "expected_")):
        if name in dataset and schema.TIME in dataset[name].dims:
            told = sifted_over_time(
                dataset[name],
                point=point,
                duration=_durations(dataset, point),
                intensities=places,
                double_clicks=chosen.double_clicks,
            )
            parts |= {f"{prefix}{key!s}": value for key, value in told.data_vars.items()}
    if not parts:
        raise UserError("the file holds no counts against time (counts or expected_counts with the dimension 'time')")
    import xarray as xr

    return xr.Dataset(parts)


def own_settings(
    dataset: xr.Dataset,
    settings: Record | Mapping[str, Any] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> tuple[Any, str]:
    """Settings of an analysis and where they are from: given, of the file's own run, or the defaults.

    Raises
    ------
    UserError
        A setting is unknown or not allowed, or the file's runs have different ones and none are given.
    """
    record = _protocol(dataset).settings
    replaced = {key: value for key, value in (overrides or {}).items() if value is not None}
    base = settings.model_dump() if isinstance(settings, Record) else dict(settings or {})
    told = f", {', '.join(sorted(replaced))} replaced" if replaced else ""
    if isinstance(settings, Record) or settings:
        return parse(record, _put(base, replaced), "analysis"), f"given{told}"
    own = [found for found in tables(resolved_run(dataset), "analysis") if isinstance(found, Mapping)]
    distinct = {json.dumps(found, sort_keys=True): found for found in own if found}
    if len(distinct) > 1:
        raise UserError("the file's runs have different tables [analysis]; give the settings")
    if distinct:
        chosen = next(iter(distinct.values()))
        return parse(record, _put(chosen, replaced), "resolved_run: analysis"), f"run{told}"
    return parse(record, _put({}, replaced), "analysis"), f"defaults{told}"


def _put(table: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A table with values in place of its own; a dotted key lies in an inner table, an inner table replaces one."""
    result = dict(table)
    for key, value in values.items():
        head, _, rest = key.partition(".")
        if rest:
            inner = result.get(head)
            result[head] = _put(inner if isinstance(inner, Mapping) else {}, {rest: value})
        else:
            result[head] = value
    return result


def settings_of(protocol: str, given: Mapping[str, Any], *, where: str) -> Record:
    """Checked settings of a protocol's analysis, so that a mistake is told before anything is simulated.

    Parameters
    ----------
    protocol : str
        Name of the protocol.
    given : mapping
        Parsed TOML.
    where : str
        File and key path, for messages.

    Returns
    -------
    Record
        The checked settings.

    Raises
    ------
    UserError
        Unknown key or value that is not allowed.
    """
    return parse(PROTOCOLS[protocol].settings, given, where)


def heading(result: xr.Dataset) -> str:
    """One line over the table of a result: title, proof, epsilons and the other choices."""
    return PROTOCOLS[str(result.attrs["protocol"])].heading(result)


def rows(result: xr.Dataset) -> list[dict[str, Any]]:
    """A row for each point of a result: from its expected counts, and the mean over its samples."""
    return PROTOCOLS[str(result.attrs["protocol"])].rows(result)


def rows_by_proof(
    dataset: xr.Dataset, proofs: Sequence[str], settings: Record | Mapping[str, Any] | None = None, **overrides: Any
) -> list[dict[str, Any]]:
    """Rows of several proofs on the same statistics, with what proofs differ in.

    Parameters
    ----------
    dataset : xarray.Dataset
        Detection statistics.
    proofs : sequence of str
        Names of proofs of the file's protocol.
    settings, **overrides
        As in :func:`analyze`, the same for all proofs.

    Returns
    -------
    list of dict
        For each point and kind of counts a row a proof: the labels of the point, ``proof``, ``counts``, key, bounds, status.

    Raises
    ------
    UserError
        As :func:`analyze`; the proof that refuses is named.

    Examples
    --------
    >>> import qphys
    >>> rows = rows_by_proof(qphys.open_statistics(folder / "fixed-loss.h5"), ["lim2014", "rusca2018"])
    >>> [row["proof"] for row in rows if row["counts"] == "expected"]
    ['lim2014', 'rusca2018']
    """
    told = []
    for proof in proofs:
        for place, row in enumerate(rows(analyze(dataset, settings, **(overrides | {"proof": proof})))):
            told.append((place, row, proof))
    found = []
    for _, row, proof in sorted(told, key=lambda one: one[0]):
        names = list(row)
        at = names.index("counts") if "counts" in names else 0
        found.append({n: row[n] for n in names[:at]} | {"proof": proof} | {n: row[n] for n in names[at:]})
    return found


def rows_by_construction(
    dataset: xr.Dataset, settings: Record | Mapping[str, Any] | None = None, **overrides: Any
) -> list[dict[str, Any]]:
    """Rows of several ways to make blocks of the same trials: one block, cuts, windows, thresholds of a probe.

    Parameters
    ----------
    dataset : xarray.Dataset
        Detection statistics of decoy-bb84, better with time.
    settings, **overrides
        As in :func:`analyze`, the same for all; their own selection and parts are one construction more.

    Returns
    -------
    list of dict
        For each point and kind of counts a row a construction: the labels of the point, ``construction``, ``counts``, key,
        part of the trials kept, threshold, status.

    Raises
    ------
    UserError
        As :func:`analyze`; or the protocol knows no selection.
    """
    chosen, _ = own_settings(dataset, settings, overrides)
    if not isinstance(chosen, AnalysisSettings):
        raise UserError(f"protocol = '{dataset.attrs['protocol']}': its analysis has no selection of trials")
    plain = chosen.model_copy(update={"selection": None, "parts": None})
    base = plain.model_dump()
    ways = [(name, parse(AnalysisSettings, base | way, name)) for name, way in blocks.constructions(dataset)]
    if selection.selects(chosen):
        ways.append(("as the settings say", chosen))
    told = []
    for name, one in ways:
        result = analyze(dataset, one)
        for place, row in enumerate(rows(result)):
            told.append((place, row, name))
    found = []
    for _, row, name in sorted(told, key=lambda one: one[0]):
        names = list(row)
        labels = {n: row[n] for n in names[: names.index("counts")]}
        thresholds = ", ".join(f"{row[n]} {unit}" for n, (unit, _) in selection.THRESHOLDS.items() if n in row)
        kept = {n: row[n] for n in ("counts", "key [bit]", "sifted", "QBER %", "phase error %, upper bound")}
        kept["trials kept %"] = row.get("trials kept %", 100.0)
        found.append(labels | {"construction": name} | kept | {"threshold": thresholds or "-", "status": row["status"]})
    return found


def key_against_threshold(
    dataset: xr.Dataset, settings: Record | Mapping[str, Any] | None = None, **overrides: Any
) -> xr.Dataset:
    """Key of the slots that read at most each loss that is an edge of the probe's bins, each threshold as if given before.

    Parameters
    ----------
    dataset : xarray.Dataset
        Detection statistics with a probe.
    settings, **overrides
        As in :func:`analyze`; other rules of their selection stay.

    Returns
    -------
    xarray.Dataset
        The variables of :func:`analyze` with the further first dimension ``maximum_probe_loss_db`` [dB], ascending, which
        ends in infinity: all slots. A curve to look at: a threshold that is read off it and used on the same counts costs
        epsilon (``chosen_from = "same-data"``).

    Raises
    ------
    UserError
        The file has no probe, or as :func:`analyze`.
    """
    import xarray as xr

    chosen, _ = own_settings(dataset, settings, overrides)
    if not isinstance(chosen, AnalysisSettings) or "probe_lower" not in dataset:
        raise UserError("the file has no probe of the transmittance (table [probe] of a run)")
    name = "maximum_probe_loss_db"
    lower = np.asarray(dataset["probe_lower"].isel({schema.POINT: 0}).values, dtype=np.float64)[:0:-1]
    losses = [*np.round(-10 * np.log10(lower), 9).tolist(), np.inf]
    told = {} if chosen.selection is None else chosen.selection.model_dump(exclude_defaults=True)
    told = {key: value for key, value in told.items() if key not in (name, "chosen_from", "training_share")}
    results = []
    for loss in losses:
        rule = told | ({} if np.isinf(loss) else {name: loss})
        results.append(analyze(dataset, chosen.model_dump() | {"selection": rule or None}))
    for whole in ("key_length", "expected_key_length"):
        kept = whole.replace("key_length", "kept_fraction")
        if kept in results[0] and kept not in results[-1]:
            results[-1][kept] = xr.ones_like(results[-1][whole]).assign_attrs(results[0][kept].attrs)
    shared = set.intersection(*(set(one.data_vars) for one in results))
    every = sorted(str(n) for n in shared if schema.POINT in results[0][n].dims and schema.CAUSE not in results[0][n].dims)
    stacked = xr.concat([one[every] for one in results], dim=name, coords="minimal", compat="override", join="exact")
    attributes = {"units": "dB", "long_name": "largest loss that the probe may read"}
    stacked = stacked.assign_coords({name: ((name,), np.array(losses), attributes)})
    return stacked.assign_attrs({key: value for key, value in results[-1].attrs.items() if key != "notes"})


def unproven_effects(dataset: xr.Dataset) -> tuple[str, ...]:
    """Effects that a file says are in its counts and that the proofs of its protocol do not cover."""
    outside = {effect for proof in proofs_of(str(dataset.attrs["protocol"])).values() for effect in proof.outside}
    present = effects_in_counts(dataset)
    return tuple(told for name, told in EFFECTS.items() if present[name] and name in outside)


def _analyzed(
    datasets: Sequence[xr.Dataset], settings: Record | Mapping[str, Any] | None, overrides: Mapping[str, Any]
) -> xr.Dataset:
    if not datasets:
        raise UserError("no statistics to analyse; at least one file is needed")
    dataset = datasets[0]
    chosen, source = own_settings(dataset, settings, overrides)
    named = [str(one.attrs["identity"]) for one in datasets if one.attrs.get("identity")]
    if len(set(named)) < len(named):
        raise UserError("a file stands twice among the files: its counts would be taken for new ones")
    for number, other in enumerate(datasets[1:], 1):
        if _protocol(other) is not _protocol(dataset):
            told = dataset.attrs["protocol"]
            raise UserError(f"file {number}: protocol {other.attrs['protocol']}; that of the first file is {told}")
        if own_settings(other, settings, overrides)[0] != chosen:
            raise UserError(f"file {number}: its run has another table [analysis] than the first file's; give the settings")
    if len(datasets) > 1 and not isinstance(chosen, AnalysisSettings):
        raise UserError(f"several files: those of {dataset.attrs['protocol']} are added by qphys.statistics.add_blocks")
    if len(datasets) > 1 or selection.selects(chosen):
        result = blocks.analyze_selected(datasets, chosen, _protocol(dataset).analyze)
    else:
        result = _protocol(dataset).analyze(dataset, chosen)
    result = add_profile(result, effects_of_files(datasets), chosen)
    bounds = [limits.repeaterless_bound(one) for one in datasets]
    bound = None if any(b is None for b in bounds) else np.concatenate([b for b in bounds if b is not None])
    if bound is not None and bound.size == result.sizes.get(schema.POINT, 0):
        told = {"units": "bit", "long_name": "repeaterless bound of the link (PLOB), which no key can exceed"}
        result["repeaterless_bound"] = ((schema.POINT,), bound, told)
    notes = list(dict.fromkeys(line for one in datasets for line in str(one.attrs.get("notes", "")).splitlines()))
    if "absent_outcomes" in result.attrs and not any(result.attrs["absent_outcomes"] in note for note in notes):
        notes.append(f"not in the file, counted as 0: {result.attrs['absent_outcomes']}")
    if "dropped_intensities" in result.attrs:
        notes.append(
            f"clicks of {result.attrs['dropped_intensities']} are dropped: not part of the proof {result.attrs['proof']}"
        )
    effects = profile(result).named(OUTSIDE)
    if effects:
        notes.append(f"in the counts, but outside the proof: {', '.join(effects)}")
    notes += [note for prefix in ("expected_", "") for note in _refusals(result, prefix)]
    notes += list(_beyond_physics(result))
    notes += list(_reference_points(result))
    best = best_of_sweep(result, dataset)
    if best is not None:
        notes.append(best.note)
    result.attrs = {
        "title": str(dataset.attrs.get("title", "")),
        "protocol": str(dataset.attrs["protocol"]),
        "statistics_identity": str(dataset.attrs.get("identity", "")),
        "analysis_settings": json.dumps(_plain(chosen), sort_keys=True),
        "analysis_settings_from": source,
        "unproven_effects": "; ".join(effects),
        "notes": "\n".join(notes),
        **result.attrs,
    }
    return result


def _plain(record: Record) -> dict[str, Any]:
    """Values of a record and of its tables, without title, model and origin."""
    told = record.model_dump(exclude={"title", "model", "origin"})
    return told | {name: _plain(v) for name in told if isinstance(v := getattr(record, name), Record)}


def _refusals(result: xr.Dataset, prefix: str) -> Iterator[str]:
    """One line for each status but good: how many rows have it."""
    name = f"{prefix}status"
    if name in result:
        names = Counter(status_names(result[name]))
        for meaning, number in sorted(names.items()):
            if meaning != "good":
                kind = "expected" if prefix else "sampled"
                yield f"key 0 in {number} of {result[name].size} rows of {kind} counts: {meaning}"


def _beyond_physics(result: xr.Dataset) -> Iterator[str]:
    """A line where a key is longer than any protocol could make it over this link."""
    for name in ("expected_key_length", "key_length"):
        if name in result and "repeaterless_bound" in result:
            over = int((result[name] > result["repeaterless_bound"]).sum())
            if over:
                rows = f"{over} of {result[name].size} rows"
                yield f"{name}: {rows} beyond the repeaterless bound: the file contradicts itself"
    for name, limit, what in (
        ("expected_key_length", _at_most(result, "expected_infinite_decoy_key_length_estimate"), "infinitely many decoys"),
        ("key_length", _at_most(result, "known_truth_key_length_quantile_estimate"), "one who knows all photon numbers"),
    ):
        if limit is not None and PROOFS[str(result.attrs["proof"])].is_finite:
            over = int((result[name] > limit).sum())
            if over:
                rows = f"{over} of {result[name].size} rows"
                yield f"{name}: {rows} longer than the key of {what}: the file contradicts itself, or the proof is wrong"


def _at_most(result: xr.Dataset, name: str) -> xr.DataArray | None:
    """A reference point, or the largest of its quantiles; None where the result has none."""
    if name not in result:
        return None
    return result[name].isel(quantile=-1, drop=True) if "quantile" in result[name].dims else result[name]


def _reference_points(result: xr.Dataset) -> Iterator[str]:
    """A line that tells how far the key of a single point is from what could be."""
    if result.sizes.get(schema.POINT) != 1 or "expected_key_length" not in result:
        return
    named = {
        "blocks without end": "expected_asymptotic_key_length_estimate",
        "infinitely many decoys": "expected_infinite_decoy_key_length_estimate",
        "repeaterless bound": "repeaterless_bound",
    }
    told = [f"{what} {float(result[name][0]):,.0f} bit" for what, name in named.items() if name in result]
    if told:
        yield f"reference points for the expected {float(result['expected_key_length'][0]):,.0f} bit: {', '.join(told)}"


def _protocol(dataset: xr.Dataset) -> Protocol:
    protocol = dataset.attrs.get("protocol")
    if protocol is None:
        raise UserError("attribute 'protocol' is missing; it names the protocol that the counts belong to")
    if protocol not in PROTOCOLS:
        hint = nearest(str(protocol), PROTOCOLS)
        raise UserError(f"protocol = '{protocol}': no analysis for it{hint} (there are: {', '.join(PROTOCOLS)})")
    return PROTOCOLS[protocol]


def _durations(dataset: xr.Dataset, point: int) -> NDArray[np.float64]:
    """Length of each step of a point [s]: from trials and their rate, else from the distance of the steps."""
    if "trials" in dataset and "trial_rate" in dataset:
        trials, rate = (
            dataset[name].isel({schema.POINT: point}) if schema.POINT in dataset[name].dims else dataset[name]
            for name in ("trials", "trial_rate")
        )
        return np.asarray(trials.values, dtype=np.float64) / float(rate.values)
    if schema.TIME not in dataset.coords or dataset.sizes[schema.TIME] < 2:
        raise UserError("rates need the length of a step: variables 'trials' and 'trial_rate', or a coordinate 'time'")
    return np.asarray(np.gradient(dataset.coords[schema.TIME].values.astype(np.float64)))
