"""The best source that `qphys optimize` found, along a sweep."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from qphys.plots.figures import save
from qphys.plots.pairs import COLOURS

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SOURCE: Final[dict[str, tuple[str, str, int]]] = {
    "mean_pair_number": ("mean pair number of a pulse", "-", 1),
    "signal_mean_photon_number": ("mean photon number, signal", "-", 0),
    "decoy_mean_photon_number": ("mean photon number, decoy", "--", 0),
    "signal_probability": ("probability, signal", "-", 1),
    "decoy_probability": ("probability, decoy", "--", 1),
    "basis_probability_z": ("probability, basis Z", "-", 2),
}
"""Variable without a unit -> label, line and colour; one panel for all."""

FURTHER: Final[dict[str, tuple[str, int]]] = {
    "pair_rate_mhz": ("pairs made [MHz]", 1),
    "coincidence_window_ns": ("coincidence window [ns]", 2),
    "minimum_elevation_deg": ("lowest elevation [deg]", 4),
}
"""Variable with a unit -> label and colour; a panel for each."""


def draw_optimum(result: xr.Dataset, path: str | Path) -> Path:
    """Draw a result of `qphys.optimize` into a picture.

    Parameters
    ----------
    result : xarray.Dataset
        Key lengths and the source of each point.
    path : path
        PNG, PDF or SVG to write.

    Returns
    -------
    Path
        The picture.

    Raises
    ------
    UserError
        An ending that matplotlib cannot write.
    """
    from matplotlib.figure import Figure as Canvas

    further = sum(name in result for name in FURTHER)
    canvas = Canvas(figsize=(10, 7.5 + (1.5 * (further - 1) if further else 0.0)), layout="constrained")
    optimum(result, canvas)
    return save(canvas, Path(path))


def optimum(result: xr.Dataset, canvas: Figure) -> list[Axes]:
    """Key with the run's source and with the best one, and what the best one is, along the first key that a sweep varies.

    Parameters
    ----------
    result : xarray.Dataset
        As `qphys.optimize` returns it.
    canvas : matplotlib Figure
        Where to draw.

    Returns
    -------
    list of Axes
    """
    name = next((str(n) for n, c in result.coords.items() if c.dtype.kind in "fi"), "")
    x = result[name].values if name else np.arange(result.sizes["point"])
    plain = [variable for variable in SOURCE if variable in result]
    further = [variable for variable in FURTHER if variable in result]
    panels = 1 + bool(plain) + len(further)
    axes = np.atleast_1d(canvas.subplots(panels, 1, sharex=True, height_ratios=[2, *[2] * bool(plain), *[1] * len(further)]))
    marker = "o" if len(x) < 30 else ""
    for variable, label, colour in (
        ("key_length", "best source", COLOURS[0]),
        ("key_length_before", "source of the run", COLOURS[3]),
    ):
        key = np.where(result[variable].values > 0.0, result[variable].values, np.nan)
        label += "" if np.any(key > 0.0) else ": no key"
        axes[0].plot(x, key, marker=marker, markersize=4, color=colour, label=label)
    axes[0].set_ylabel("secure key [bit]")
    if np.any(result["key_length"].values > 0.0):
        axes[0].set_yscale("log")
    axes[0].legend()
    if plain:
        for variable in plain:
            label, line, place = SOURCE[variable]
            axes[1].plot(x, result[variable].values, line, marker=marker, markersize=3, color=COLOURS[place], label=label)
        axes[1].set_ylabel("best source")
        axes[1].set_ylim(0.0, None)
        axes[1].legend(fontsize="small")
    for axis, variable in zip(axes[1 + bool(plain) :], further, strict=True):
        label, place = FURTHER[variable]
        axis.plot(x, result[variable].values, marker=marker, markersize=3, color=COLOURS[place])
        axis.set_ylabel(label)
        if np.any(np.isfinite(result[variable].values)):
            axis.set_ylim(0.0, 1.1 * np.nanmax(result[variable].values))
    axes[-1].set_xlabel(name.replace("_", " ") or "point")
    canvas.suptitle(f"{result.attrs.get('title', '')} ({result.attrs.get('proof', '')})")
    return list(axes)
