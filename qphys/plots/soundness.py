"""How often the bounds of a proof fail where the truth is known, against the probability that they may."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from qphys.plots.figures import save
from qphys.plots.pairs import COLOURS

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = "osD^v"
"""A marker a bound or way of sampling."""


def draw_soundness(told: xr.Dataset, path: str | Path) -> Path:
    """Draw failure frequencies of bounds into a picture.

    Parameters
    ----------
    told : xarray.Dataset
        See :func:`soundness`.
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

    canvas = Canvas(figsize=(10, 4.5), layout="constrained")
    soundness(told, canvas)
    return save(canvas, Path(path))


def soundness(told: xr.Dataset, canvas: Figure) -> list[Axes]:
    """Failure frequency against epsilon, with the line of equality: a sound bound lies on it or below.

    Parameters
    ----------
    told : xarray.Dataset
        ``failure_frequency`` (proof, bound, epsilon) and ``sampling_failure_frequency`` (sampling, epsilon) [1], coordinate
        ``epsilon`` [1], attribute ``trials``, the number of blocks behind each frequency.
    canvas : matplotlib Figure
        Where to draw.

    Returns
    -------
    list of Axes
        Bounds of whole proofs, sampling alone. A frequency below one block is drawn at half a block, as an open marker.
    """
    left, right = axes = list(canvas.subplots(1, 2, sharex=True, sharey=True))
    epsilon = told.epsilon.values
    floor = 0.5 / float(told.attrs["trials"])
    for colour, proof in enumerate(told.proof.values):
        for marker, bound in zip(MARKERS, told.bound.values, strict=False):
            frequency = told.failure_frequency.sel(proof=proof, bound=bound).values
            _points(left, epsilon, frequency, floor, COLOURS[colour], marker, f"{proof}, {bound}")
    for marker, sampling in zip(MARKERS, told.sampling.values, strict=False):
        frequency = told.sampling_failure_frequency.sel(sampling=sampling).values
        _points(right, epsilon, frequency, floor, COLOURS[MARKERS.index(marker)], marker, str(sampling))
    span = np.array([epsilon.min() / 2, epsilon.max() * 2])
    for axis, title in ((left, "bounds of whole proofs"), (right, "sampling alone, few errors")):
        axis.plot(span, span, "k--", linewidth=1, label="equality")
        axis.set(xscale="log", yscale="log", xlabel=r"$\epsilon$ of one part")
        axis.set_title(title, loc="left", fontsize="medium")
        axis.legend(fontsize="xx-small", ncols=2)
        axis.grid(alpha=0.3)
    left.set_ylabel("share of blocks outside the bound")
    return axes


def _points(axis: Axes, x: np.ndarray, frequency: np.ndarray, floor: float, colour: str, marker: str, label: str) -> None:
    seen = frequency > 0
    axis.plot(x[seen], frequency[seen], marker, color=colour, markersize=5, label=label if seen.any() else None)
    (hollow,) = axis.plot(x[~seen], np.full(int((~seen).sum()), floor), marker, color=colour, markersize=4)
    hollow.set_markerfacecolor("none")
    if not seen.any():
        hollow.set_label(label)
