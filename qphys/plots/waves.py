"""Results of wave optics against laws: how often a transmittance is not exceeded."""

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


def draw_wave_study(study: xr.Dataset, path: str | Path) -> Path:
    """Draw samples of wave optics beside laws of the same moments into a picture.

    Parameters
    ----------
    study : xarray.Dataset
        As for `wave_study`.
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

    columns = min(3, study.sizes["case"])
    rows = -(-study.sizes["case"] // columns)
    canvas = Canvas(figsize=(4.2 * columns, 3.4 * rows), layout="constrained")
    wave_study(study, canvas)
    return save(canvas, Path(path))


def wave_study(study: xr.Dataset, canvas: Figure) -> list[Axes]:
    """A panel a case: the simulated distribution of transmittance and those of the laws.

    Parameters
    ----------
    study : xarray.Dataset
        ``transmittance`` (case, realisation), the samples [1]; ``cumulative`` (case, law, quantile), each law's probability
        at ``x`` (case, quantile); ``distance`` (case, law), the largest difference of the two distributions.
    canvas : matplotlib Figure
        Where to draw.

    Returns
    -------
    list of Axes
    """
    columns = min(3, study.sizes["case"])
    axes = np.atleast_1d(canvas.subplots(-(-study.sizes["case"] // columns), columns)).ravel()
    for axis in axes[study.sizes["case"] :]:
        axis.set_axis_off()
    for index, axis in zip(range(study.sizes["case"]), axes, strict=False):
        case = study.isel(case=index)
        sample = np.sort(case["transmittance"].values)
        axis.step(
            sample, (np.arange(sample.size) + 0.5) / sample.size, color="black", lw=2.5, alpha=0.5, label="wave optics"
        )
        for place, law in enumerate(study["law"].values):
            distance = float(case["distance"][place])
            if np.isfinite(distance):
                told = f"{law}, {distance:.3f}"
                axis.plot(case["x"], case["cumulative"][place], color=COLOURS[place], lw=1.2, label=told)
        axis.set_title(str(case["case"].values), fontsize="medium")
        axis.set_xlabel("transmittance")
        axis.set_ylabel("probability not to exceed it")
        axis.legend(fontsize="x-small")
    return list(axes[: study.sizes["case"]])
