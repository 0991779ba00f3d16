"""A channel by itself: loss by term against elevation, path quantities, law of the transmittance, a fading series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from qphys import recipe as recipes
from qphys import stages
from qphys.errors import UserError, nearest
from qphys.river import River, Way, ways

if TYPE_CHECKING:
    import xarray as xr

    from qphys.channels.laws import Law

MOST_STEPS: Final = 60
"""Steps of a pass that are described; a longer one is thinned evenly."""

PROBABILITIES: Final = (0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999)
FADES_DB: Final = (3.0, 6.0, 10.0, 20.0)

RELATIVE_DB: Final = np.concatenate(
    [np.arange(-60.0, -12.0, 1.0), np.arange(-12.0, -3.0, 0.25), np.arange(-3.0, 3.0, 0.1), np.arange(3.0, 12.1, 0.25)]
)
"""Levels about the mean transmittance at which the law is told: closest where most of it lies."""

SERIES: Final = 4000
"""Samples of the fading series, an eighth of the correlation time apart."""

SHOWN: Final = 9
"""Elevations that the tables show."""

LOSSES: Final = "Loss that is exceeded in a part of the time [dB], and fades below the mean transmittance"

NAMES: Final = {
    "fried_parameter": ("m", "Fried parameter"),
    "isoplanatic_angle": ("rad", "isoplanatic angle"),
    "greenwood_frequency": ("Hz", "Greenwood frequency"),
    "tilt_frequency": ("Hz", "tilt frequency"),
    "rytov_variance": ("1", "Rytov variance of a plane wave"),
    "coherence_time": ("s", "coherence time of the phase"),
    "point_scintillation_index": ("1", "scintillation index of a point receiver"),
    "point_ahead_angle": ("rad", "point-ahead angle"),
    "beam_radius": ("m", "long-term radius 1/e^2 of the beam at the receiver"),
    "short_term_beam_radius": ("m", "short-term radius 1/e^2 of the beam at the receiver"),
    "beam_wander": ("m", "wander of the beam's centroid at the receiver, rms per axis"),
}
"""Path quantities that a channel may tell: unit and meaning."""


def channel(
    path: str | Path,
    *,
    models: Sequence[str | Path] = (),
    overrides: Mapping[str, Any] | None = None,
    case: str | None = None,
    arm: str | None = None,
    seed: int = 1,
) -> xr.Dataset:
    """Describe the channel of a run file, or of the file of a link alone, without any source.

    Parameters
    ----------
    path : path
        A run file, without its sweep, or a file with `wavelength_nm`, `orbit`, `station`, `terminal`, `channel` and
        `receiver`.
    models : sequence of paths, optional
        Folders of your own models, searched before those of qphys.
    overrides : mapping, optional
        Dotted key -> value, put over the file.
    case : str, optional
        Case of the experiment that a run file names; its first by default.
    arm : str, optional
        ``alice`` or ``bob`` of a pair source; needed where there are two.
    seed : int, optional
        Of the fading series.

    Returns
    -------
    xarray.Dataset
        Over `time`: `loss_db` by `term`, `total_loss_db`, `mean_transmittance`, `scintillation_index`, `background_rate`,
        path quantities, `transmittance_quantile` by `probability`, `fade_probability` by `fade_db`, the cumulative
        probability by `relative_db`; over `sample`, a series of the transmittance at the step of the least mean loss. The
        models and their validity are attributes.

    Raises
    ------
    UserError
        The file or a model is wrong, or the channel is asked for something outside its valid range.

    Examples
    --------
    >>> import qphys
    >>> told = qphys.channel("runs/circular-pass.toml", overrides={"window.minimum_elevation_deg": 89.0})
    >>> bool(abs(told.loss_db.sum("term") - told.total_loss_db).max() < 1e-9)
    True
    """
    import xarray as xr

    point, title, catalogue = recipes.read_link(path, models=models, overrides=overrides, case=case)
    way = _way(point, arm, str(path))
    river = River(catalogue)
    described = river.described(point, way, most=MOST_STEPS)
    sight, transmittance = described.sight, described.transmittance
    track, law = sight.track, described.law
    terms = [name for name, value in transmittance.terms_db.items() if np.any(value > 0.0)]
    silent = np.zeros((0, track.time.size))
    losses = np.stack([transmittance.terms_db[name][:, 0] for name in terms]) if terms else silent
    variables: dict[str, Any] = {
        "loss_db": (("term", "time"), losses, {"units": "dB", "long_name": "mean loss by term"}),
        "total_loss_db": ("time", -10.0 * np.log10(transmittance.mean[:, 0]), {"units": "dB", "long_name": "mean loss"}),
        "mean_transmittance": ("time", transmittance.mean[:, 0], {"units": "1", "long_name": "mean transmittance"}),
        "scintillation_index": (
            "time",
            transmittance.scintillation_index[:, 0],
            {"units": "1", "long_name": "variance of the transmittance over its squared mean"},
        ),
        "background_rate": (
            "time",
            transmittance.background_rate[:, 0],
            {"units": "1/s", "long_name": "sky photons at the analyser's entrance"},
        ),
        "range": ("time", track.range, {"units": "m", "long_name": "path length"}),
        "elevation": ("time", track.elevation, {"units": "rad", "long_name": "elevation of the satellite"}),
    }
    for name, value in described.path.items():
        unit, long_name = NAMES[name]
        variables[name] = ("time", np.broadcast_to(value, track.time.shape).copy(), {"units": unit, "long_name": long_name})
    coordinates: dict[str, Any] = {
        "time": ("time", track.time, {"units": "s", "long_name": "time since the beginning of the track"}),
        "term": ("term", np.asarray(terms, dtype=object)),
    }
    attributes: dict[str, Any] = {
        "title": title,
        "arm": way.name,
        "wavelength_m": sight.wavelength,
        "model": transmittance.model,
        "law": law.name if law is not None else "none: the transmittance does not fluctuate",
        "validity": law.validity if law is not None else "",
        "correlation_time_s": transmittance.correlation_time,
        "includes": ", ".join(transmittance.includes),
        "highest": int(np.argmax(transmittance.mean[:, 0])),
    }
    if law is not None:
        variables |= _distribution(law)
        coordinates["probability"] = ("probability", np.asarray(PROBABILITIES), {"units": "1"})
        coordinates["relative_db"] = (
            "relative_db",
            RELATIVE_DB,
            {"units": "dB", "long_name": "transmittance over its mean"},
        )
        coordinates["fade_db"] = ("fade_db", np.asarray(FADES_DB), {"units": "dB"})
        if transmittance.correlation_time > 0.0:
            times, series = fading_series(
                variables["cumulative_probability"][1][attributes["highest"]],
                float(law.mean[attributes["highest"]]),
                correlation_time=transmittance.correlation_time,
                seed=seed,
            )
            coordinates["sample"] = ("sample", times, {"units": "s", "long_name": "time of the fading series"})
            variables["series"] = (
                "sample",
                series,
                {"units": "1", "long_name": "transmittance at the step of the least mean loss"},
            )
    return xr.Dataset(variables, coordinates, attributes)


def _way(point: recipes.Point, arm: str | None, path: str) -> Way:
    arms = ways(point)
    names = [way.name for way in arms]
    if arm is None:
        if len(arms) > 1:
            raise UserError(f"{path}: two arms; say which: --arm {' or --arm '.join(names)}")
        return arms[0]
    if arm not in names:
        told = f"there are: {', '.join(names)}" if len(arms) > 1 else "this file has one arm without a name"
        raise UserError(f"{path}: --arm {arm}: unknown{nearest(arm, names)} ({told})")
    return arms[names.index(arm)]


def _distribution(law: Law) -> dict[str, Any]:
    """Quantiles of the law, the probabilities of fades below its mean, and its cumulative probability."""
    depths = law.mean[:, None] * 10.0 ** (-0.1 * np.asarray(FADES_DB))
    below = law.cumulative(law.mean[:, None] * 10.0 ** (0.1 * RELATIVE_DB))
    return {
        "transmittance_quantile": (
            ("time", "probability"),
            quantile(law, np.asarray(PROBABILITIES), below=below),
            {"units": "1", "long_name": "transmittance that is not exceeded with the given probability"},
        ),
        "fade_probability": (
            ("time", "fade_db"),
            law.cumulative(depths),
            {"units": "1", "long_name": "probability of a transmittance that many decibels below the mean, or lower"},
        ),
        "cumulative_probability": (
            ("time", "relative_db"),
            below,
            {"units": "1", "long_name": "probability of no more than that transmittance"},
        ),
    }


def quantile(law: Law, probability: Any, *, below: stages.Floats | None = None) -> stages.Floats:
    """Transmittances that a law does not exceed with given probabilities.

    Parameters
    ----------
    law : Law
        Of T steps.
    probability : array_like
        Above 0 and below 1, shape (P,).
    below : ndarray, optional
        Cumulative probabilities of the law at `RELATIVE_DB` about its mean, if known, shape (T, X).

    Returns
    -------
    ndarray
        [1], shape (T, P). Between levels, normal quantiles are straight lines of the logarithm, exact for a log-normal law;
        three steps by false position follow: good to a relative 1e-6 for smooth laws.

    Examples
    --------
    >>> from qphys.channels.laws import LogNormal
    >>> quantile(LogNormal(1e-3, 0.04), [0.5]).round(8).tolist()
    [[0.0009802]]
    """
    from scipy.special import ndtri

    wanted = np.asarray(probability, dtype=np.float64)
    level = 0.1 * np.log(10.0) * RELATIVE_DB
    if below is None:
        below = law.cumulative(law.mean[:, None] * np.exp(level))
    found = np.empty((law.mean.size, wanted.size))
    low, high = np.empty_like(found), np.empty_like(found)
    for step, row in enumerate(np.maximum.accumulate(below, axis=1)):
        at = np.clip(np.searchsorted(row, wanted), 1, row.size - 1)
        low[step], high[step] = level[at - 1], level[at]
        found[step] = _at_quantile(row, wanted)
    goal = ndtri(wanted)

    def miss(x: stages.Floats) -> stages.Floats:
        share = law.cumulative(law.mean[:, None] * np.exp(x))
        return np.asarray(np.clip(ndtri(np.clip(share, 1e-300, 1.0 - 1e-16)), -40.0, 9.0) - goal)

    ends = [miss(low), miss(high)]
    for _ in range(3):
        gap = miss(found)
        under = gap < 0.0
        low, ends[0] = np.where(under, found, low), np.where(under, gap, ends[0])
        high, ends[1] = np.where(under, high, found), np.where(under, ends[1], gap)
        rise = ends[1] - ends[0]
        part = np.where(rise > 0.0, -ends[0] / np.where(rise > 0.0, rise, 1.0), 0.5)
        found = low + (high - low) * np.clip(part, 0.0, 1.0)
    return np.asarray(law.mean[:, None] * np.exp(found), dtype=np.float64)


def _at_quantile(below: stages.Floats, probability: stages.Floats) -> stages.Floats:
    """Logarithm of the transmittance over its mean at given probabilities, between the levels of `RELATIVE_DB`."""
    from scipy.special import ndtri

    inside = np.flatnonzero((below > 1e-290) & (below < 1.0 - 1e-15))
    first, last = max(int(inside[0]) - 1, 0), min(int(inside[-1]) + 1, below.size - 1)
    kept = slice(first, last + 1)
    normal = ndtri(np.clip(below[kept], 1e-300, 1.0 - 1e-16))
    return np.asarray(np.interp(ndtri(probability), normal, 0.1 * np.log(10.0) * RELATIVE_DB[kept]))


def fading_series(
    below: stages.Floats, mean: float, *, correlation_time: float, seed: int, number: int = SERIES
) -> tuple[stages.Floats, stages.Floats]:
    r"""Series of the transmittance with a given law and an exponential correlation.

    A stationary Gaussian process z of autocorrelation :math:`e^{-|t|/\tau}` is mapped by quantiles,
    :math:`\eta = F^{-1}(\Phi(z))`.

    Parameters
    ----------
    below : ndarray
        Cumulative probabilities of the law at `RELATIVE_DB` about its mean, shape (X,).
    mean : float
        Mean transmittance [1].
    correlation_time : float
        :math:`\tau` [s].
    seed : int
        Key of the random numbers.
    number : int
        Samples, an eighth of the correlation time apart.

    Returns
    -------
    time, transmittance : ndarray
        [s] and [1], shape (number,).

    Notes
    -----
    The values have the law. The autocorrelation of the transmittance is exp(-t / tau) in the limit of a small index; at an
    index of 1 it falls a little faster.
    """
    from scipy.signal import lfilter
    from scipy.special import ndtr

    ratio = 1.0 / 8.0
    keep = np.exp(-ratio)
    normals = np.random.Generator(np.random.Philox(key=seed)).standard_normal(number)
    normals[1:] *= np.sqrt(1.0 - keep**2)
    z = np.asarray(lfilter([1.0], [1.0, -keep], normals), dtype=np.float64)
    relative = _at_quantile(np.maximum.accumulate(below), np.clip(ndtr(z), 1e-15, 1.0 - 1e-15))
    time = np.arange(number, dtype=np.float64) * (ratio * correlation_time)
    return time, np.asarray(mean * np.exp(relative), dtype=np.float64)


def tables(told: xr.Dataset) -> dict[str, list[dict[str, Any]]]:
    """What the command prints: the waterfall, the path, the distribution; title -> rows, a row an elevation.

    Parameters
    ----------
    told : xarray.Dataset
        As `channel` returns it.

    Returns
    -------
    dict
    """
    steps = _shown(told)
    found: dict[str, list[dict[str, Any]]] = {"Mean loss by term [dB]": [], "Path": [], LOSSES: []}
    for i in steps:
        here = told.isel(time=i)
        place = _place(here)
        losses = {str(name): float(value) for name, value in zip(told.term.values, here.loss_db.values, strict=True)}
        found["Mean loss by term [dB]"].append(place | losses | {"total": float(here.total_loss_db)})
        row: dict[str, Any] = dict(place)
        for name, (unit, _) in NAMES.items():
            if name in told:
                shown, factor = _UNITS.get(name, (unit, 1.0))
                row[f"{_SHORT.get(name, name.replace('_', ' '))}{f' [{shown}]' if shown != '1' else ''}"] = factor * float(
                    here[name]
                )
        row["sky photons [1/s]"] = float(here.background_rate)
        found["Path"].append(row)
        if "transmittance_quantile" in told:
            loss = {
                f"in {100 * p:g} %": -10.0 * float(np.log10(here.transmittance_quantile.sel(probability=p)))
                for p in (0.01, 0.1, 0.5, 0.9, 0.99)
            }
            fades = {f"P(fade > {d:g} dB)": float(here.fade_probability.sel(fade_db=d)) for d in FADES_DB[:3]}
            found[LOSSES].append(place | {"index": float(here.scintillation_index)} | loss | fades)
    return {title: rows for title, rows in found.items() if rows}


_UNITS: Final = {
    "fried_parameter": ("cm", 100.0),
    "isoplanatic_angle": ("urad", 1e6),
    "coherence_time": ("ms", 1e3),
    "point_ahead_angle": ("urad", 1e6),
}
_SHORT: Final = {
    "fried_parameter": "r0",
    "greenwood_frequency": "Greenwood",
    "tilt_frequency": "tilt",
    "isoplanatic_angle": "isoplanatic",
    "point_ahead_angle": "point ahead",
    "coherence_time": "coherence",
    "point_scintillation_index": "point index",
    "short_term_beam_radius": "short-term beam",
    "beam_radius": "beam",
    "beam_wander": "wander",
}


def notes(told: xr.Dataset) -> list[str]:
    """Lines for the user: models, law, validity, what the loss includes.

    Parameters
    ----------
    told : xarray.Dataset
        As `channel` returns it.

    Returns
    -------
    list of str
    """
    lines = [f"model: {told.attrs['model']}", f"law of the transmittance: {told.attrs['law']}"]
    if told.attrs["validity"]:
        lines.append(f"validity: {told.attrs['validity']}")
    if told.attrs["correlation_time_s"] > 0.0:
        lines.append(f"correlation time of the fading: {1e3 * told.attrs['correlation_time_s']:.3g} ms")
    lines.append(f"the loss includes: {told.attrs['includes']}; the receiver adds the rest")
    return lines


def _place(here: xr.Dataset) -> dict[str, Any]:
    """Elevation and range of a step, where the track tells them."""
    found = {}
    if np.isfinite(here.elevation):
        found["elevation [deg]"] = float(np.rad2deg(here.elevation))
    if np.isfinite(here.range):
        found["range [km]"] = float(here.range) / 1e3
    return found or {"time [s]": float(here.time)}


def _shown(told: xr.Dataset) -> list[int]:
    """Steps of the tables: from the first to the highest, evenly in elevation; one where nothing moves."""
    size, elevation = told.sizes["time"], told.elevation.values
    if size <= SHOWN:
        steps = list(range(size))
    elif np.isnan(elevation).any() or np.ptp(elevation) < 1e-6:
        steps = sorted({int(i) for i in np.linspace(0, size - 1, SHOWN)})
    else:
        rising = elevation[: int(np.argmax(elevation)) + 1] if np.argmax(elevation) > 0 else elevation
        wanted = np.linspace(rising.min(), rising.max(), SHOWN)
        steps = sorted({int(np.argmin(np.abs(rising - e))) for e in wanted})
    still = np.ptp(told.total_loss_db.values[steps]) < 1e-9 and np.ptp(told.range.values[steps]) < 1e-6
    return steps[:1] if still else steps
