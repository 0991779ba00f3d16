"""Quantities of an entangled experiment, from the statistics of one case."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from qphys.errors import UserError

if TYPE_CHECKING:
    import xarray as xr

    from qphys.comparison.experiment import Published


class PairNumbers:
    """Quantities of one point of BBM92 or CHSH; each is that of the session, or of the published data time."""

    def __init__(self, point: xr.Dataset, analysis: Mapping[str, Any]) -> None:
        self._point = point
        self._analysis = dict(analysis)
        self._results: dict[tuple[float, str], xr.Dataset] = {}
        self.duration = duration(point)

    def value(self, published: Published) -> float:
        """Expected value, in the quantity's unit."""
        name = published.quantity
        if name in _OF_THE_PASS:
            return _OF_THE_PASS[name](self._point, self.duration)
        result = self._result(published, "expected_total_counts")
        return float(_COUNTED[name](result, "expected_", published.data_time_s or self.duration).ravel()[0])

    def spread(self, published: Published) -> float:
        """Standard deviation over the samples of a session; NaN where there are fewer than two, or no sample is scaled."""
        name = published.quantity
        if name in _OF_THE_PASS or published.data_time_s or self._point.sizes.get("realisation", 0) < 2:
            return float("nan")
        return float(np.std(_COUNTED[name](self._result(published, "counts"), "", self.duration).ravel(), ddof=1))

    def _result(self, published: Published, variable: str) -> xr.Dataset:
        from qphys import keyrates

        seconds = published.data_time_s
        key = (seconds or self.duration, variable)
        if key not in self._results:
            point = self._point if seconds is None else scaled(self._point, seconds)
            self._results[key] = keyrates.analyze(point, self._analysis)
        return self._results[key]


def duration(point: xr.Dataset) -> float:
    """Length of the session of the first point [s]."""
    time = point["time"].values
    step = float(time[1] - time[0]) if len(time) > 1 else 1.0
    return float((point["trials"].values[0] > 0).sum() * step)


def scaled(point: xr.Dataset, seconds: float) -> xr.Dataset:
    """A point with its expected totals as of a longer data time; samples and expectations by step are left out."""
    factor = seconds / duration(point)
    names = ("expected_total_counts", "expected_total_counts_without", "expected_total_accidental_counts")
    grown = {name: point[name].astype(np.float64) * factor for name in names if name in point}
    gone = ("expected_counts", "counts", "accidental_counts", "expected_accidental_counts", "trials")
    return point.drop_vars([name for name in gone if name in point]).assign(grown)


Counted = Callable[["xr.Dataset", str, float], "np.ndarray[Any, np.dtype[np.float64]]"]


def _rate(name: str) -> Counted:
    return lambda result, prefix, seconds: np.asarray(result[prefix + name].values, dtype=np.float64) / seconds


def _number(name: str, factor: float = 1.0) -> Counted:
    return lambda result, prefix, seconds: np.asarray(result[prefix + name].values, dtype=np.float64) * factor


_COUNTED: Final[dict[str, Counted]] = {
    "coincidences": _number("coincidence_count"),
    "coincidence_rate": _rate("coincidence_count"),
    "signal_to_noise": _number("signal_to_noise"),
    "sifted": _number("sifted_count"),
    "sifted_rate": _rate("sifted_count"),
    "qber": _number("qber", 100.0),
    "qber_z": _number("qber_z", 100.0),
    "qber_x": _number("qber_x", 100.0),
    "chsh": _number("chsh"),
    "chsh_inferred": _number("inferred_chsh"),
    "asymptotic_key_rate": _rate("asymptotic_key_length_estimate"),
    "key_length": _number("key_length"),
    "yin2020_key_length_estimate": _number("yin2020_key_length_estimate"),
}


def _loss_of_both(point: xr.Dataset, seconds: float) -> float:
    transmittance = point["mean_link_transmittance"].values[0]
    return float(-10.0 * np.log10(np.nanmean(np.prod(transmittance, axis=0))))


def _summed_range(point: xr.Dataset, seconds: float) -> float:
    distance = point["range"].values[0].sum(axis=0)
    if np.isnan(distance).all():
        raise UserError("quantity 'closest_summed_range' needs the slant range of both arms")
    return float(np.nanmin(distance)) / 1e3


_OF_THE_PASS: Final[dict[str, Callable[[Any, float], float]]] = {
    "duration": lambda point, seconds: seconds,
    "loss_of_both_links": _loss_of_both,
    "closest_summed_range": _summed_range,
}

QUANTITIES: Final = (*_OF_THE_PASS, *_COUNTED)
"""Names that an entangled experiment may publish."""
