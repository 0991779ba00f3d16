"""The result of an analysis as rows that a person reads."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from qphys.statistics import schema

if TYPE_CHECKING:
    import xarray as xr


def status_names(status: xr.DataArray) -> list[str]:
    """Meanings of a status variable, element by element, from its own CF attributes.

    Parameters
    ----------
    status : xarray.DataArray
        With attributes ``flag_values`` and ``flag_meanings``.

    Returns
    -------
    list of str
        In C order, words separated by spaces.

    Examples
    --------
    >>> import xarray as xr
    >>> told = {"flag_values": [0, 1], "flag_meanings": "good no_key"}
    >>> status_names(xr.DataArray([1, 0], attrs=told))
    ['no key', 'good']
    """
    values = np.atleast_1d(status.attrs["flag_values"]).tolist()
    meanings = dict(zip(values, str(status.attrs["flag_meanings"]).split(), strict=True))
    return [meanings[int(v)].replace("_", " ") for v in status.values.ravel()]


def heading(result: xr.Dataset) -> str:
    """One line over the table: title, proof, epsilons and the other choices."""
    chosen = json.loads(str(result.attrs["analysis_settings"]))
    told = [f"proof {result.attrs['proof']}", f"key from {chosen['key_from']} intensities", f"basis {chosen['key_basis']}"]
    told.append(f"f_EC {chosen['error_correction_efficiency']:g}")
    if "security_epsilon_of_key" in result.attrs:
        told.append(f"secrecy {result.attrs['security_epsilon_of_key']:.3g}")
        told.append(f"correctness {result.attrs['correctness_epsilon_of_key']:.3g}")
        told.append(f"{chosen['tail_bound']} tails")
    title = str(result.attrs.get("title", ""))
    return f"{title + ': ' if title else ''}secure key ({', '.join(told)})"


def rows(result: xr.Dataset) -> list[dict[str, Any]]:
    """A row for each point: from its expected counts, and the mean over its samples.

    Parameters
    ----------
    result : xarray.Dataset
        What :func:`qphys.keyrates.analyze` returns.

    Returns
    -------
    list of dict
        Column -> value; counts and key as numbers, error rates in per cent.
    """
    labels = {str(name): coord.values.tolist() for name, coord in result.coords.items() if coord.dims == (schema.POINT,)}
    found = []
    for point in range(int(result.sizes[schema.POINT])):
        named = {name: values[point] for name, values in labels.items()} or {"point": point}
        found += [named | row for row in _rows_of(result.isel({schema.POINT: point}))]
    return found


def _rows_of(point: xr.Dataset) -> Iterator[dict[str, Any]]:
    for prefix in ("expected_", ""):
        if f"{prefix}key_length" not in point:
            continue
        keys = point[f"{prefix}key_length"].values
        names = Counter(status_names(point[f"{prefix}status"]))
        told = {
            "counts": "expected" if prefix else f"sampled, mean of {keys.size}" if keys.size > 1 else "sampled",
            "key [bit]": float(keys.mean()),
        }
        if keys.size > 1:
            told["key, standard deviation"] = float(keys.std(ddof=1))
        blocks = {
            name: np.atleast_2d(point[f"{prefix}{name}"].values) for name in ("s1_lower", "phase_error_upper", "leakage")
        }
        yield told | {
            "sifted": float(point[f"{prefix}sifted_count"].values.mean()),
            "detections": float(point[f"{prefix}detection_count"].values.mean()),
            "QBER %": 100 * float(point[f"{prefix}qber"].values.mean()),
            "single photons, lower bound": float(blocks["s1_lower"].sum(axis=-1).mean()),
            "phase error %, upper bound": 100 * float(blocks["phase_error_upper"].max(axis=-1).mean()),
            "leakage [bit]": float(blocks["leakage"].sum(axis=-1).mean()),
            **_selected(point, prefix),
            "status": ", ".join(
                f"{name} ({number} of {keys.size})" if len(names) > 1 else name for name, number in names.items()
            ),
        }


def _selected(point: xr.Dataset, prefix: str) -> dict[str, Any]:
    """Of a selection: the part of the trials that it keeps and its threshold, a range where realisations differ."""
    told: dict[str, Any] = {}
    if f"{prefix}kept_fraction" in point:
        told["trials kept %"] = 100 * float(point[f"{prefix}kept_fraction"].values.mean())
    for name in point.data_vars:
        base = str(name).removeprefix(prefix)
        if base.startswith("chosen_") and f"{prefix}{base}" == str(name):
            least, most = float(point[name].values.min()), float(point[name].values.max())
            told[base.removeprefix("chosen_")] = f"{least:g}" if least == most else f"{least:g} to {most:g}"
    return told
