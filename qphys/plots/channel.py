"""Pictures of a channel by itself: losses by term, law of the transmittance, fading, quantities of the path."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from qphys.plots.figures import save
from qphys.plots.pairs import COLOURS

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

CURVES: Final = 3
"""Laws that are drawn: of the highest step, the lowest, and one between."""

STRETCH: Final = 480
"""Samples of the fading that are drawn: sixty correlation times."""

PATH: Final = {
    "fried_parameter": ("$r_0$ [cm]", 100.0),
    "isoplanatic_angle": (r"$\theta_0$ [µrad]", 1e6),
    "coherence_time": (r"$\tau_0$ [ms]", 1e3),
    "greenwood_frequency": ("$f_G$ [Hz]", 1.0),
    "rytov_variance": (r"$\sigma_R^2$", 1.0),
    "scintillation_index": (r"$\sigma_I^2$ of the received power", 1.0),
}
"""Quantities of the path that are drawn, on one logarithmic axis: label with unit, and factor from SI."""


def draw_channel(told: xr.Dataset, path: str | Path) -> Path:
    """Draw a channel in four panels: losses by term, law, fading, path.

    Parameters
    ----------
    told : xarray.Dataset
        As `qphys.channel` returns it.
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

    canvas = Canvas(figsize=(11, 8), layout="constrained")
    axes = canvas.subplots(2, 2)
    waterfall(told, axes[0, 0])
    law(told, axes[0, 1])
    series(told, axes[1, 0])
    quantities(told, axes[1, 1])
    title = str(told.attrs["title"]) + (f", arm {told.attrs['arm']}" if told.attrs["arm"] else "")
    canvas.suptitle(f"{title}: {1e9 * told.attrs['wavelength_m']:g} nm")
    return save(canvas, Path(path))


def waterfall(told: xr.Dataset, axis: Axes) -> Axes:
    """Mean loss by term: areas against elevation, or, where nothing moves, steps from term to term."""
    terms = [str(name) for name in told.term.values]
    axis.set_title("mean loss by term", loc="left", fontsize="medium")
    if not _moves(told):
        losses = told.loss_db.values[:, 0]
        ends = np.cumsum(losses)
        for row, (loss, end) in enumerate(zip(losses, ends, strict=True)):
            axis.barh(row, loss, left=end - loss, color=COLOURS[row % len(COLOURS)])
            axis.text(end, row, f" {loss:.2f} dB", va="center", fontsize="small")
        axis.barh(len(terms), ends[-1] if terms else 0.0, color="0.6")
        axis.text(
            ends[-1] if terms else 0.0, len(terms), f" {float(told.total_loss_db[0]):.2f} dB", va="center", fontsize="small"
        )
        axis.set_yticks(range(len(terms) + 1), [*terms, "total"])
        axis.yaxis.set_inverted(True)
        axis.margins(x=0.18)
        axis.set_xlabel("loss [dB]")
        return axis
    x, order = _abscissa(told)
    axis.stackplot(
        x, told.loss_db.values[:, order], labels=terms, colors=[COLOURS[i % len(COLOURS)] for i in range(len(terms))]
    )
    axis.plot(x, told.total_loss_db.values[order], color="black", linewidth=1)
    axis.yaxis.set_inverted(True)
    axis.set_xlim(x.min(), x.max())
    axis.set_ylabel("loss [dB]")
    axis.set_xlabel(_abscissa_label(told))
    axis.legend(fontsize="small", frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=4)
    return axis


def law(told: xr.Dataset, axis: Axes) -> Axes:
    """Density of the transmittance about its mean, for a few elevations, and the fades that are exceeded."""
    axis.set_title(f"law: {told.attrs['law']}", loc="left", fontsize="medium")
    if "cumulative_probability" not in told:
        axis.text(0.5, 0.5, "the transmittance does not fluctuate", ha="center", va="center", transform=axis.transAxes)
        axis.set_axis_off()
        return axis
    level = told.relative_db.values
    steps = _some(told)
    for color, i in zip(COLOURS, steps, strict=False):
        below = told.cumulative_probability.values[i]
        label = f"{np.rad2deg(float(told.elevation[i])):.0f}°" if np.isfinite(told.elevation[i]) and _moves(told) else None
        axis.plot(level, below, color=color, label=label)
    axis.set_yscale("log")
    axis.set_ylim(1e-4, 1.3)
    shown = level[(told.cumulative_probability.values[steps].max(axis=0) > 1e-4)]
    axis.set_xlim(shown.min(), min(10.0, _top(told, steps)))
    axis.set_xlabel("transmittance over its mean [dB]")
    axis.set_ylabel("probability of less")
    if _moves(told):
        axis.legend(fontsize="small", frameon=False)
    return axis


def series(told: xr.Dataset, axis: Axes) -> Axes:
    """A stretch of the fading at the step of the least mean loss."""
    axis.set_title("fading at the least mean loss", loc="left", fontsize="medium")
    if "series" not in told:
        axis.text(0.5, 0.5, "no fading series", ha="center", va="center", transform=axis.transAxes)
        axis.set_axis_off()
        return axis
    number = min(STRETCH, told.sizes["sample"])
    axis.plot(
        1e3 * told["sample"].values[:number], -10.0 * np.log10(told.series.values[:number]), color=COLOURS[0], linewidth=0.8
    )
    axis.axhline(float(told.total_loss_db[told.attrs["highest"]]), color="black", linewidth=0.8)
    axis.yaxis.set_inverted(True)
    axis.set_xlabel("time [ms]")
    axis.set_ylabel("loss [dB]")
    return axis


def quantities(told: xr.Dataset, axis: Axes) -> Axes:
    """Quantities of the path against elevation."""
    axis.set_title("path", loc="left", fontsize="medium")
    names = [name for name in PATH if name in told and np.any(told[name].values > 0.0)]
    if not names:
        axis.set_axis_off()
        return axis
    if not _moves(told):
        for row, name in enumerate(names):
            label, factor = PATH[name]
            axis.text(0.05, 0.9 - 0.12 * row, f"{label}: {factor * float(told[name][0]):.3g}", transform=axis.transAxes)
        axis.set_axis_off()
        return axis
    x, order = _abscissa(told)
    for color, name in zip(COLOURS, names, strict=False):
        label, factor = PATH[name]
        axis.plot(x, factor * told[name].values[order], color=color, label=label)
    axis.set_yscale("log")
    axis.set_xlim(x.min(), x.max())
    axis.set_xlabel(_abscissa_label(told))
    axis.legend(fontsize="small", frameon=False, ncols=2)
    return axis


def _moves(told: xr.Dataset) -> bool:
    """Whether the geometry changes from step to step."""
    return bool(told.sizes["time"] > 1 and np.ptp(_geometry(told)) > 1e-9)


def _geometry(told: xr.Dataset) -> NDArray[np.float64]:
    elevation = np.rad2deg(told.elevation.values)
    return np.asarray(elevation if np.isfinite(elevation).all() else told.range.values / 1e3)


def _abscissa(told: xr.Dataset) -> tuple[Any, Any]:
    """Elevation (or range), rising, of the steps up to the culmination, and their indices."""
    values = _geometry(told)
    top = int(np.argmax(values)) if np.isfinite(told.elevation.values).all() else int(np.argmin(values))
    part = np.arange(top + 1) if top > 0 else np.arange(values.size)
    order = part[np.argsort(values[part])]
    return values[order], order


def _abscissa_label(told: xr.Dataset) -> str:
    return "elevation [deg]" if np.isfinite(told.elevation.values).all() else "range [km]"


def _some(told: xr.Dataset) -> list[int]:
    if not _moves(told):
        return [0]
    _, order = _abscissa(told)
    return [int(order[i]) for i in np.unique(np.linspace(0, order.size - 1, CURVES).astype(int))]


def _top(told: xr.Dataset, steps: list[int]) -> float:
    """Level up to which the laws have not ended."""
    level = told.relative_db.values
    open_ = told.cumulative_probability.values[steps].min(axis=0) < 0.9999
    return float(level[open_].max(initial=0.0) + 0.5)


def residual(
    measured: xr.Dataset, computed: xr.Dataset, canvas: Figure, *, airmass: ArrayLike, steady: ArrayLike
) -> list[Axes]:
    """Measured loss against the terms of a model, and what is left against the airmass.

    Parameters
    ----------
    measured, computed : xarray.Dataset
        Two channels over the same steps, as `qphys.channel` returns them.
    canvas : matplotlib Figure
        Where to draw.
    airmass : array_like
        Of each step [1].
    steady : array_like of bool
        Steps whose mean residual is drawn as a line.

    Returns
    -------
    list of Axes
    """
    axes = list(canvas.subplots(1, 2))
    waterfall(computed, axes[0])
    axes[0].plot(np.rad2deg(measured.elevation.values), measured.total_loss_db.values, ".", color="black", label="measured")
    axes[0].legend(fontsize="small", frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=3)
    left = measured.total_loss_db.values - computed.total_loss_db.values
    x, kept = np.asarray(airmass, dtype=np.float64), np.asarray(steady)
    mean = float(left[kept].mean())
    axes[1].set_title("measured less computed", loc="left", fontsize="medium")
    axes[1].plot(x[kept], left[kept], ".", color=COLOURS[0])
    axes[1].plot(x[~kept], left[~kept], "x", color=COLOURS[1])
    axes[1].plot([x[kept].min(), x[kept].max()], [mean, mean], color=COLOURS[0], label=f"{mean:.1f} dB, the same everywhere")
    axes[1].set_ylim(bottom=0.0)
    axes[1].set_xlabel("airmass")
    axes[1].set_ylabel("residual [dB]")
    axes[1].legend(fontsize="small", frameon=False)
    return axes
