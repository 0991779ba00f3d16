"""One function a panel or figure. Panels take an Axes; figures are drawn without a display and written to a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from qphys.errors import RunError, UserError
from qphys.plots import pairs
from qphys.plots.pairs import COLOURS
from qphys.plots.selection import selection

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

BIN: Final = 10
"""Steps that are joined for an error rate that can be read."""

APART: Final = 1e-3
"""Difference of the bases' error rates from which on each has its line."""


def draw(
    statistics: xr.Dataset,
    path: str | Path,
    *,
    figure: str = "auto",
    point: int = 0,
    comparison: xr.Dataset | None = None,
) -> Path:
    """Draw a statistics file into a picture.

    Parameters
    ----------
    statistics : xarray.Dataset
        Detection statistics, as `qphys.open_statistics` returns them.
    path : path
        PNG, PDF or SVG to write.
    figure : str, optional
        One of `FIGURES`; ``auto`` takes the comparison where the points are cases, the sweep where they are many.
    point : int, optional
        Which point of a sweep, for figures of one pass.
    comparison : xarray.Dataset, optional
        Result of `qphys.compare`, for published values in the figure.

    Returns
    -------
    Path
        The picture.

    Raises
    ------
    UserError
        Unknown figure, point out of range, a file that lacks what the figure shows, an ending that matplotlib cannot write.

    Examples
    --------
    >>> import qphys
    >>> with qphys.open_statistics(folder / "fixed-loss.h5") as statistics:
    ...     qphys.plot(statistics, folder / "fixed-loss.png").name
    'fixed-loss.png'
    """
    from matplotlib.figure import Figure as Canvas

    path = Path(path)
    name = _choice(statistics) if figure == "auto" else figure
    figures = PAIR_FIGURES if "alice_outcome" in statistics.dims else FIGURES
    if name not in figures:
        raise UserError(f"figure = {name!r}: not for this file (allowed: auto, {', '.join(figures)})")
    points = int(statistics.sizes.get("point", 1))
    if not 0 <= point < points:
        raise UserError(f"point = {point}: the file has points 0 to {points - 1}")
    canvas = Canvas(figsize=(13, 7.5) if figures is PAIR_FIGURES else (10, 7.5), layout="constrained")
    if name == "overview":
        statistics = statistics.isel(point=[point]) if "point" in statistics.dims else statistics
    figures[name](statistics, canvas, comparison)
    return save(canvas, path)


def save(canvas: Figure, path: Path) -> Path:
    """Write a figure, without a trace of the hour or of the program, so that equal figures are equal bytes.

    Parameters
    ----------
    canvas : matplotlib Figure
        What to write.
    path : Path
        PNG, PDF or SVG.

    Returns
    -------
    Path
        The picture.

    Raises
    ------
    UserError
        An ending that matplotlib cannot write.
    RunError
        The folder cannot be written to.
    """
    if path.suffix.lstrip(".") not in canvas.canvas.get_supported_filetypes():
        raise UserError(f"{path}: cannot draw '{path.suffix}' (allowed: .png, .pdf, .svg)")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        canvas.savefig(path, dpi=140, metadata={"Software": None} if path.suffix == ".png" else None)
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error.strerror})") from None
    return path


def _choice(statistics: xr.Dataset) -> str:
    if str(statistics.attrs.get("protocol", "")) == "chsh":
        swept = [n for n, c in statistics.coords.items() if c.dims == ("point",) and n not in ("point", "case")]
        return "correlations" if swept else "chsh"
    if "case" in statistics.coords and len(set(np.atleast_1d(statistics["case"].values).tolist())) > 1:
        return "comparison"
    return "sweep" if statistics.sizes.get("point", 1) > 1 else "overview"


def overview(statistics: xr.Dataset, canvas: Figure, comparison: xr.Dataset | None = None) -> list[Axes]:
    """One pass in four panels: geometry, channel, sifted rate, error rate, all against time.

    Parameters
    ----------
    statistics : xarray.Dataset
        A file of one point.
    canvas : matplotlib Figure
        Where to draw.
    comparison : xarray.Dataset, optional
        Not used here.

    Returns
    -------
    list of Axes
    """
    axes = canvas.subplots(2, 2, sharex=True)
    sky(statistics, axes[0, 0])
    loss(statistics, axes[0, 1])
    rates(statistics, axes[1, 0])
    qber(statistics, axes[1, 1])
    for axis in axes[1]:
        axis.set_xlabel("time from closest approach [s]")
    canvas.suptitle(str(statistics.attrs.get("title", "")))
    return list(axes.ravel())


def comparison(statistics: xr.Dataset, canvas: Figure, comparison: xr.Dataset | None = None) -> list[Axes]:
    """All cases of an experiment: loss, sifted rate and error rate against time, and residuals of the published numbers.

    Parameters
    ----------
    statistics : xarray.Dataset
        A file whose points are cases.
    canvas : matplotlib Figure
        Where to draw.
    comparison : xarray.Dataset, optional
        Result of `qphys.compare`: published values and residuals.

    Returns
    -------
    list of Axes
    """
    if "case" not in statistics.coords:
        raise UserError("figure 'comparison' needs the cases of an experiment, and the file has none")
    axes = canvas.subplots(2, 2)
    cases = [str(v) for v in np.atleast_1d(statistics["case"].values)]
    for index, case in enumerate(cases):
        one = statistics.isel(point=[index])
        for panel, axis in ((loss, axes[0, 0]), (rates, axes[0, 1]), (qber, axes[1, 0])):
            panel(one, axis, color=COLOURS[index % len(COLOURS)], label=case, samples=index == 0)
    for axis in (axes[0, 0], axes[0, 1], axes[1, 0]):
        axis.set_xlabel("time from closest approach [s]")
    axes[0, 0].legend(fontsize="small", frameon=False)
    if comparison is not None:
        _anchors(statistics, axes[0, 1], axes[1, 0], comparison)
        residuals(axes[1, 1], comparison, cases)
    else:
        axes[1, 1].set_axis_off()
    canvas.suptitle(str(statistics.attrs.get("title", "")))
    return list(axes.ravel())


def sky(statistics: xr.Dataset, axis: Axes) -> Axes:
    """Slant range and elevation against time."""
    time, session = _time(statistics)
    distance, elevation = (np.asarray(statistics[name].values[0][session]) for name in ("range", "elevation"))
    axis.set_title("geometry", loc="left", fontsize="medium")
    axis.plot(time, distance / 1e3, color=COLOURS[0])
    axis.set_ylabel("slant range [km]", color=COLOURS[0])
    other = axis.twinx()
    other.plot(time, np.rad2deg(elevation), color=COLOURS[1])
    other.set_ylabel("elevation [deg]", color=COLOURS[1])
    return axis


def loss(statistics: xr.Dataset, axis: Axes, *, color: str = COLOURS[0], label: str = "", samples: bool = True) -> Axes:
    """Mean loss up to the detectors against time, with the band that one standard deviation of the fading spans."""
    time, session = _time(statistics)
    transmittance = np.asarray(statistics["mean_link_transmittance"].values[0][session])
    spread = np.sqrt(np.asarray(statistics["scintillation_index"].values[0][session]))
    axis.set_title("link up to the detectors", loc="left", fontsize="medium")
    axis.plot(time, _db(transmittance), color=color, label=label or None)
    if samples and np.any(spread > 0):
        low, high = _db(transmittance * (1 + spread)), _db(transmittance * np.clip(1 - spread, 1e-3, None))
        axis.fill_between(time, low, high, color=color, alpha=0.15, linewidth=0)
    axis.set_ylabel("loss [dB]")
    axis.yaxis.set_inverted(True)
    return axis


def rates(statistics: xr.Dataset, axis: Axes, *, color: str = COLOURS[0], label: str = "", samples: bool = True) -> Axes:
    """Sifted bits of the brightest intensity a second, against time: expected line, sampled points."""
    time, session = _time(statistics)
    step = _step(statistics)
    expected, sampled = _series(statistics, session)
    if samples and sampled is not None:
        axis.plot(time, sampled[0] / step, ".", color=color, alpha=0.35, markersize=4)
    if expected is not None:
        axis.plot(time, expected[0] / step, color=color, label=label or None)
    axis.set_title("sifted rate, signal", loc="left", fontsize="medium")
    axis.set_ylabel("sifted rate [bit/s]")
    axis.set_yscale("log")
    return axis


def qber(statistics: xr.Dataset, axis: Axes, *, color: str = COLOURS[0], label: str = "", samples: bool = True) -> Axes:
    """Error rate of the sifted bits of the brightest intensity against time; samples joined over ten steps.

    Where the bases differ, each has a line of its own.
    """
    time, session = _time(statistics)
    expected, sampled = _series(statistics, session)
    if samples and sampled is not None and len(time) >= BIN:
        whole = len(time) // BIN * BIN
        middle, counts, errors = (np.add.reduceat(v[:whole], np.arange(0, whole, BIN)) for v in (time, *sampled))
        rate = 100 * np.divide(errors, counts, out=np.full(len(counts), np.nan), where=counts > 0)
        sigma = 100 * np.sqrt(np.divide(errors, counts**2, out=np.full(len(counts), np.nan), where=counts > 0))
        axis.errorbar(middle / BIN, rate, sigma, fmt=".", color=color, alpha=0.45, markersize=3, linewidth=0.8)
    if expected is not None:
        counts, errors = expected
        axis.plot(time, 100 * errors / np.where(counts > 0, counts, np.nan), color=color, label=label or None)
        bases = _basis_rates(statistics, session)
        if not label and np.any(np.abs(bases["Z"] - bases["X"]) > APART):
            for style, (name, rate) in zip(("--", ":"), bases.items(), strict=True):
                axis.plot(time, 100 * rate, style, color=color, linewidth=1, label=f"basis {name}")
            axis.legend(fontsize="small", frameon=False)
    axis.set_title("error rate, signal", loc="left", fontsize="medium")
    axis.set_ylabel("QBER [%]")
    axis.set_ylim(bottom=0)
    return axis


def sweep(statistics: xr.Dataset, canvas: Figure, comparison: xr.Dataset | None = None) -> list[Axes]:
    """Secure key length and error rate along the first key that a sweep varies.

    Parameters
    ----------
    statistics : xarray.Dataset
        A file of many points.
    canvas : matplotlib Figure
        Where to draw.
    comparison : xarray.Dataset, optional
        Not used here.

    Returns
    -------
    list of Axes
    """
    from qphys import keyrates

    swept = (str(n) for n, c in statistics.coords.items() if c.dims == ("point",) and str(n) not in ("point", "case"))
    name = next(swept, "point")
    result = keyrates.analyze(statistics)
    x = statistics[name].values
    axes = canvas.subplots(2, 1, sharex=True)
    if "key_length" in result:
        sampled = result["key_length"].values
        axes[0].plot(np.repeat(x, sampled.shape[1]), sampled.ravel(), ".", color=COLOURS[0], alpha=0.4, markersize=4)
        axes[1].plot(
            np.repeat(x, sampled.shape[1]),
            100 * result["qber"].values.ravel(),
            ".",
            color=COLOURS[1],
            alpha=0.4,
            markersize=4,
        )
    if "expected_key_length" in result:
        axes[0].plot(x, result["expected_key_length"].values, color=COLOURS[0])
        axes[1].plot(x, 100 * result["expected_qber"].values, color=COLOURS[1])
    _reference_points(result, x, axes[0])
    if "repeaterless_bound" in result:
        axes[0].plot(x, result["repeaterless_bound"].values, ":", color=COLOURS[4], label="repeaterless bound (PLOB)")
        axes[0].set_yscale("symlog", linthresh=1000.0, linscale=0.5)
        decades = 10.0 ** np.arange(3.0, np.ceil(np.log10(max(axes[0].get_ylim()[1], 1e4))) + 0.5)
        axes[0].set_yticks([0.0, *decades])
        axes[0].set_ylim(bottom=-150.0)
        axes[0].legend(fontsize="small")
    best = keyrates.best_of_sweep(result, statistics)
    if best is not None and not best.at_an_end:
        at = best.value if best.interpolated is None else best.interpolated
        axes[0].axvline(at, color=COLOURS[2], linestyle="--", linewidth=1)
        axes[0].plot([best.value], [best.key_length], "o", color=COLOURS[2], label=f"most key, near {at:.4g}")
        axes[0].legend(fontsize="small")
    axes[0].set_ylabel("secure key [bit]")
    axes[1].set_ylabel("QBER [%]")
    axes[1].set_xlabel(name.replace("_", " "))
    axes[1].set_ylim(bottom=0)
    canvas.suptitle(str(statistics.attrs.get("title", "")))
    return list(axes)


def _reference_points(result: xr.Dataset, x: Any, axis: Axes) -> None:
    """Keys that nobody can reach, beside the key."""
    for name, style, label in (
        ("expected_asymptotic_key_length_estimate", "-.", "blocks without end"),
        ("expected_infinite_decoy_key_length_estimate", "--", "infinitely many decoys"),
    ):
        if name in result and result[name].dims == ("point",):
            axis.plot(x, result[name].values, style, color=COLOURS[3], linewidth=1, label=label)
    name = "known_truth_key_length_quantile_estimate"
    if name in result:
        lowest, highest = result[name].isel(quantile=0).min("realisation"), result[name].isel(quantile=-1).max("realisation")
        axis.fill_between(x, lowest.values, highest.values, color=COLOURS[3], alpha=0.2, label="photon numbers known")
    if axis.get_legend_handles_labels()[1]:
        axis.legend(fontsize="small")


FIGURES: Final[dict[str, Callable[[Any, Any, Any], list[Any]]]] = {
    "overview": overview,
    "sweep": sweep,
    "comparison": comparison,
    "selection": selection,
}
"""Figures of a prepare-and-measure protocol that `draw` knows."""

PAIR_FIGURES: Final[dict[str, Callable[[Any, Any, Any], list[Any]]]] = {
    "overview": pairs.overview,
    "sweep": sweep,
    "comparison": pairs.cases,
    "correlations": pairs.correlations,
    "chsh": pairs.chsh_cases,
}
"""Figures of an entangled protocol that `draw` knows."""


def _time(statistics: xr.Dataset) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Time from the closest approach [s] of the steps with trials, and which steps these are."""
    for name in ("trials", "time", "range"):
        if name not in statistics.variables:
            raise UserError(f"the file has no '{name}', which pictures of a pass need")
    session = np.asarray(statistics["trials"].values[0] > 0)
    time = np.asarray(statistics["time"].values, dtype=np.float64)[session]
    distance = np.asarray(statistics["range"].values[0])[session]
    middle = time[int(np.nanargmin(distance))] if np.isfinite(distance).any() else 0.0
    return time - middle, session


def _step(statistics: xr.Dataset) -> float:
    time = statistics["time"].values
    return float(time[1] - time[0]) if len(time) > 1 else 1.0


Series = tuple["NDArray[np.float64]", "NDArray[np.float64]"]


def _series(statistics: xr.Dataset, session: NDArray[np.bool_]) -> tuple[Series | None, Series | None]:
    """Sifted counts and errors of the brightest intensity for each step: expected, and of the first realisation."""
    from qphys.keyrates import sifting

    found: list[Series | None] = []
    for name in ("expected_counts", "counts"):
        if name not in statistics.variables:
            found.append(None)
            continue
        variable = statistics[name].isel(point=0)
        if "realisation" in variable.dims:
            variable = variable.isel(realisation=0)
        outcomes = [str(v) for v in statistics["bob_outcome"].values]
        sifted = sifting.sift(variable.values[session], outcomes, halves="exact")
        found.append((sifted.counts[:, 0].sum(axis=-1), sifted.errors[:, 0].sum(axis=-1)))
    return found[0], found[1]


def _basis_rates(statistics: xr.Dataset, session: NDArray[np.bool_]) -> dict[str, NDArray[np.float64]]:
    """Expected error rate of the brightest intensity in the bases Z and X, a step each."""
    from qphys.keyrates import sifting

    outcomes = [str(v) for v in statistics["bob_outcome"].values]
    cells = statistics["expected_counts"].isel(point=0).values[session]
    sifted = sifting.sift(cells, outcomes, halves="exact")
    rates = sifting.error_rate(sifted.errors[:, 0], sifted.counts[:, 0])
    return {"Z": rates[:, 0], "X": rates[:, 1]}


def _db(transmittance: NDArray[np.float64]) -> NDArray[np.float64]:
    loss_db: NDArray[np.float64] = -10 * np.log10(np.where(transmittance > 0, transmittance, np.nan))
    return loss_db


def _anchors(statistics: xr.Dataset, rate_axis: Axes, qber_axis: Axes, comparison: xr.Dataset) -> None:
    """Published values as lines and marks in the panels they belong to."""
    for row in range(comparison.sizes["row"]):
        one = comparison.isel(row=row)
        if str(one["case"].values) != str(comparison["case"].values[0]):
            continue
        value, quantity = float(one["published"]), str(one["quantity"].values)
        if quantity.startswith("error rate"):
            qber_axis.axhline(value, color="black", linestyle=":", linewidth=1, label="published mean")
            qber_axis.legend(fontsize="small", frameon=False)
        elif "a second at a slant range" in quantity:
            rate_axis.axhline(value, color="black", linestyle=":", linewidth=1)
            rate_axis.annotate(
                f"published {str(one['name'].values).replace('_', ' ')}",
                (0.5, value),
                xycoords=("axes fraction", "data"),
                ha="center",
                va="bottom",
                fontsize="x-small",
            )


def residuals(axis: Axes, comparison: xr.Dataset, cases: list[str]) -> None:
    """Residuals in per cent of each published output, a mark a case."""
    from textwrap import fill

    outputs = comparison.isel(row=np.flatnonzero(comparison["verdict"].values.astype(str) != "input"))
    names = list(dict.fromkeys(str(v) for v in outputs["name"].values))
    for index, case in enumerate(cases):
        mine = np.flatnonzero(outputs["case"].values.astype(str) == case)
        y = [names.index(str(outputs["name"].values[i])) for i in mine]
        axis.plot(
            outputs["residual_percent"].values[mine], y, "o", color=COLOURS[index % len(COLOURS)], markersize=5, alpha=0.8
        )
    axis.axvline(0, color="black", linewidth=0.8)
    axis.set_yticks(range(len(names)), [fill(n.replace("_", " "), 16) for n in names], fontsize="small")
    axis.yaxis.set_inverted(True)
    axis.set_xscale("symlog", linthresh=10)
    axis.margins(x=0.08)
    axis.set_xlabel("simulated less published [%]")
    axis.set_title("residuals", loc="left", fontsize="medium")
