"""Panels and figures of entangled pairs: rates of both arms, error rate per basis, CHSH value, correlation curves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from qphys.errors import UserError

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS: Final = ("#1f4e79", "#c55a11", "#548235", "#7f3f98", "#808080", "#b8860b")
"""Line colours, told apart also in print and by colour-blind readers."""

DASHES: Final = ("-", (0, (4, 3)), (3.5, (4, 3)), (0, (1, 2)))
"""Line styles of curves that may lie on one another."""

LEAST_EVENTS: Final = 30.0
"""Sifted events that are joined, at least, for an error rate or a CHSH value that can be read."""


def overview(statistics: xr.Dataset, canvas: Figure, comparison: xr.Dataset | None = None) -> list[Axes]:
    """One pass of a pair source in six panels: ranges, losses, coincidences, error rate per basis, CHSH value, singles.

    Parameters
    ----------
    statistics : xarray.Dataset
        A file of one point of BBM92.
    canvas : matplotlib Figure
        Where to draw.
    comparison : xarray.Dataset, optional
        Not used here.

    Returns
    -------
    list of Axes
    """
    axes = canvas.subplots(2, 3, sharex=True)
    time, series = _series(statistics)
    ranges(statistics, axes[0, 0])
    losses(statistics, axes[0, 1])
    coincidences(time, series, axes[0, 2])
    error_rates(time, series, axes[1, 0])
    chsh(time, series, axes[1, 1])
    singles(statistics, axes[1, 2])
    for axis in axes[1]:
        axis.set_xlabel("time [s]")
    canvas.suptitle(str(statistics.attrs.get("title", "")))
    return list(axes.ravel())


def cases(statistics: xr.Dataset, canvas: Figure, comparison: xr.Dataset | None = None) -> list[Axes]:
    """All cases of an entangled experiment: coincidences, error rate and CHSH value against time, and residuals.

    Parameters
    ----------
    statistics : xarray.Dataset
        A file whose points are cases.
    canvas : matplotlib Figure
        Where to draw.
    comparison : xarray.Dataset, optional
        Result of `qphys.compare`.

    Returns
    -------
    list of Axes
    """
    from qphys.plots.figures import residuals

    axes = canvas.subplots(2, 3)
    names = [str(v) for v in np.atleast_1d(statistics["case"].values)]
    ranges(statistics.isel(point=[0]), axes[0, 0])
    losses(statistics.isel(point=[0]), axes[0, 1])
    for index, case in enumerate(names):
        time, series = _series(statistics.isel(point=[index]))
        colour = COLOURS[index % len(COLOURS)]
        coincidences(time, series, axes[0, 2], color=colour, label=case, samples=index == 0)
        axes[0, 2].lines[-1].set_linestyle(DASHES[index % len(DASHES)])
        error_rates(time, series, axes[1, 0], color=colour, label=case, samples=index == 0)
        chsh(time, series, axes[1, 1], color=colour, label=case, samples=index == 0)
    if comparison is None:
        axes[1, 2].set_axis_off()
    else:
        residuals(axes[1, 2], comparison, names)
    for axis in (*axes[0], axes[1, 0], axes[1, 1]):
        axis.set_xlabel("time [s]")
    axes[0, 2].legend(fontsize="small", frameon=False)
    canvas.suptitle(str(statistics.attrs.get("title", "")))
    return list(axes.ravel())


def correlations(statistics: xr.Dataset, canvas: Figure, comparison: xr.Dataset | None = None) -> list[Axes]:
    """Coincidences of each pair of results against the swept angle of an analyser.

    Parameters
    ----------
    statistics : xarray.Dataset
        A file whose points sweep an analyser.
    canvas : matplotlib Figure
        Where to draw.
    comparison : xarray.Dataset, optional
        Not used here.

    Returns
    -------
    list of Axes
    """
    swept = [str(n) for n, c in statistics.coords.items() if c.dims == ("point",) and str(n) not in ("point", "case")]
    if not swept:
        raise UserError("figure 'correlations' needs a sweep of an analyser's angle")
    x = np.asarray(statistics[swept[0]].values, dtype=np.float64)
    single = [[str(v) for v in statistics[d].values if str(v)[-1:] in "+-"] for d in ("alice_outcome", "bob_outcome")]
    axis, below = canvas.subplots(2, 1, sharex=True)
    styles = [(a, b) for a in single[0][:2] for b in single[1][:2]]
    for index, (a, b) in enumerate(styles):
        colour = COLOURS[index % len(COLOURS)]
        here = {"alice_outcome": a, "bob_outcome": b}
        dashes = "-" if index < 2 else (0, (4, 4))  # those of (-, +) and (-, -) lie on those of (+, -) and (+, +)
        axis.plot(x, statistics["expected_total_counts"].sel(here), color=colour, linestyle=dashes, label=f"{a} {b}")
        if "counts" in statistics:
            drawn = statistics["counts"].sel(here).sum("time")
            middle, spread = drawn.mean("realisation").values, drawn.std("realisation").values
            axis.errorbar(x, middle, spread, fmt=".", color=colour, alpha=0.6)
    axis.set_ylabel("coincidences")
    axis.set_ylim(bottom=0)
    axis.legend(title="Alice, Bob", frameon=False, fontsize="small")
    _values(statistics, x, below)
    below.set_xlabel(swept[0].replace("_", " "))
    canvas.suptitle(str(statistics.attrs.get("title", "")))
    return [axis, below]


def chsh_cases(statistics: xr.Dataset, canvas: Figure, comparison: xr.Dataset | None = None) -> list[Axes]:
    """CHSH value of each point with its spread, against the published one and the bounds of local and quantum theory.

    Parameters
    ----------
    statistics : xarray.Dataset
        A file of CHSH.
    canvas : matplotlib Figure
        Where to draw.
    comparison : xarray.Dataset, optional
        Result of `qphys.compare`.

    Returns
    -------
    list of Axes
    """
    axis = canvas.subplots()
    points = int(statistics.sizes["point"])
    names = [str(v) for v in statistics["case"].values] if "case" in statistics.coords else [str(i) for i in range(points)]
    _values(statistics, np.arange(points, dtype=np.float64), axis, line=False)
    axis.set_xticks(range(points), names)
    axis.set_xlim(-0.5, points - 0.5)
    if comparison is not None:
        axis.axhline(float(comparison["published"].values[0]), color=COLOURS[2], linewidth=1, label="published")
        axis.legend(frameon=False, fontsize="small")
    canvas.suptitle(str(statistics.attrs.get("title", "")))
    return [axis]


def _values(statistics: xr.Dataset, x: Any, axis: Axes, *, line: bool = True) -> None:
    """CHSH value of every point: expected with its standard error, samples as points."""
    from qphys import keyrates

    result = keyrates.analyze(statistics)
    value, error = (result[f"expected_{name}"].values for name in ("chsh", "chsh_standard_error"))
    axis.errorbar(x, value, error, fmt="-" if line else "o", color=COLOURS[0], capsize=2, label="expected, standard error")
    if "chsh" in result:
        drawn = result["chsh"].values
        axis.plot(np.repeat(x, drawn.shape[1]), drawn.ravel(), ".", color=COLOURS[1], alpha=0.4, label="sampled")
    for bound, style in ((2.0, ":"), (2.0 * np.sqrt(2.0), "--")):
        for sign in (1.0, -1.0) if np.any(value < 0) else (1.0,):
            axis.axhline(sign * bound, color="black", linestyle=style, linewidth=1)
    axis.set_ylabel("S")
    axis.legend(frameon=False, fontsize="small")


def ranges(statistics: xr.Dataset, axis: Axes) -> Axes:
    """Slant range of each arm against time."""
    return _arms(statistics, "range", axis, 1e-3, "slant range [km]", "geometry")


def losses(statistics: xr.Dataset, axis: Axes) -> Axes:
    """Mean loss of each arm up to the detectors against time."""
    time, session = _time(statistics)
    for index, arm in enumerate(statistics["arm"].values):
        values = statistics["mean_link_transmittance"].values[0, index][session]
        axis.plot(time, -10 * np.log10(np.where(values > 0, values, np.nan)), color=COLOURS[index], label=str(arm))
    axis.set_ylabel("loss [dB]")
    axis.yaxis.set_inverted(True)
    axis.legend(fontsize="small", frameon=False)
    axis.set_title("link up to the detectors", loc="left", fontsize="medium")
    return axis


def singles(statistics: xr.Dataset, axis: Axes) -> Axes:
    """Expected clicks of each party a second against time."""
    time, session = _time(statistics)
    step = float(np.median(np.diff(statistics["time"].values))) if statistics.sizes["time"] > 1 else 1.0
    cells = statistics["expected_counts"].isel(point=0, time=np.flatnonzero(session))
    for index, (arm, own) in enumerate((("alice", "alice_outcome"), ("bob", "bob_outcome"))):
        other = "bob_outcome" if index == 0 else "alice_outcome"
        clicked = cells.sum(other).isel({own: [i for i, v in enumerate(cells[own].values) if str(v) != "none"]}).sum(own)
        axis.plot(time, clicked.values / step, color=COLOURS[index], label=arm)
    axis.set_ylabel("singles [1/s]")
    axis.set_yscale("log")
    axis.legend(fontsize="small", frameon=False)
    axis.set_title("singles", loc="left", fontsize="medium")
    return axis


def coincidences(
    time: Any, series: xr.Dataset, axis: Axes, *, color: str = COLOURS[0], label: str = "", samples: bool = True
) -> Axes:
    """Coincidences and accidentals a second against time: expected lines, samples joined over some steps."""
    if samples and "coincidence_rate" in series:
        middle, mean, spread = _binned(time, series["coincidence_rate"].values)
        axis.errorbar(middle, mean, spread, fmt=".", color=color, alpha=0.5)
    axis.plot(time, series["expected_coincidence_rate"], color=color, label=label or "coincidences")
    if not label:
        axis.plot(time, series["expected_accidental_rate"], color=COLOURS[4], linestyle="--", label="accidentals")
        axis.legend(fontsize="small", frameon=False)
    axis.set_ylim(bottom=0)
    axis.set_ylabel("rate [1/s]")
    axis.set_title("coincidences", loc="left", fontsize="medium")
    return axis


def error_rates(
    time: Any, series: xr.Dataset, axis: Axes, *, color: str = "", label: str = "", samples: bool = True
) -> Axes:
    """Error rate in each basis against time."""
    for index, basis in enumerate(("z", "x")):
        shade = color or COLOURS[index]
        told = f"{basis.upper()} {label}".strip()
        style = "-" if index == 0 else "--"
        axis.plot(time, 100 * series[f"expected_qber_{basis}"], color=shade, linestyle=style, label=told)
    axis.set_ylabel("QBER [%]")
    axis.set_ylim(bottom=0)
    axis.legend(fontsize="x-small", frameon=False)
    axis.set_title("error rate per basis, expected", loc="left", fontsize="medium")
    return axis


def chsh(
    time: Any, series: xr.Dataset, axis: Axes, *, color: str = COLOURS[0], label: str = "", samples: bool = True
) -> Axes:
    """CHSH value inferred from the visibilities of both bases, against time, with the bound of local realism."""
    axis.plot(time, series["expected_inferred_chsh"], color=color, label=label or None)
    axis.axhline(2.0, color="black", linestyle=":", linewidth=1)
    axis.set_ylabel("S, inferred")
    axis.set_title("CHSH value from both visibilities", loc="left", fontsize="medium")
    return axis


def _arms(statistics: xr.Dataset, name: str, axis: Axes, factor: float, label: str, title: str) -> Axes:
    time, session = _time(statistics)
    for index, arm in enumerate(statistics["arm"].values):
        values = factor * statistics[name].values[0, index][session]
        if np.isfinite(values).any():  # a photon that stays with the source has no range
            axis.plot(time, values, color=COLOURS[index], label=str(arm))
    axis.set_ylabel(label)
    axis.legend(fontsize="small", frameon=False)
    axis.set_title(title, loc="left", fontsize="medium")
    return axis


def _time(statistics: xr.Dataset) -> tuple[Any, Any]:
    """Time [s] of the steps with trials, and which steps these are."""
    session = np.asarray(statistics["trials"].values[0] > 0)
    return np.asarray(statistics["time"].values, dtype=np.float64)[session], session


def _series(statistics: xr.Dataset) -> tuple[Any, xr.Dataset]:
    """Rates and error rates of the first point against time."""
    from qphys import keyrates

    if "expected_counts" not in statistics:
        raise UserError("the file holds no expectations for every step, which pictures of a pass need")
    time, session = _time(statistics)
    series = keyrates.analyze_over_time(statistics)
    return time, series.isel(time=np.flatnonzero(session))


def _binned(time: Any, rate: Any) -> tuple[Any, Any, Any]:
    """Centres, mean rate of the first realisation and its Poisson spread, over bins of at least some events."""
    values = rate[0] if rate.ndim > 1 else rate
    step = float(np.median(np.diff(time))) if len(time) > 1 else 1.0
    events = np.nan_to_num(values) * step
    width = max(1, int(np.ceil(LEAST_EVENTS / max(events.mean(), 1e-9))))
    width = min(width, max(len(time) // 4, 1))
    edges = np.arange(0, len(time) // width * width, width)
    counts = np.add.reduceat(events[: len(time) // width * width], edges)
    middle = np.add.reduceat(time[: len(time) // width * width], edges) / width
    return middle, counts / (width * step), np.sqrt(counts) / (width * step)
