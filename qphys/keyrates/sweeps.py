"""Where along a sweep there is most key, as a result of the analysis."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from qphys.statistics import schema

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, kw_only=True)
class Best:
    """The point of a sweep with most key."""

    key: str
    """Swept key of the run, dotted where the file tells it, else the name of its coordinate."""
    value: float
    """Its value at the best point that was computed, in the key's own unit."""
    key_length: float
    """Key of the expected counts there [bit]."""
    interpolated: float | None
    """Top of a parabola through the best three points; None at an end of the sweep, or where the key is level."""
    at_an_end: bool
    """The best point is the first or the last of the sweep: more key may lie beyond."""

    @property
    def note(self) -> str:
        """One line for a report."""
        told = f"most key at {self.key} = {self.value:g}: {self.key_length:,.0f} bit"
        if self.at_an_end:
            return f"{told}; an end of the sweep, more may lie beyond"
        if self.interpolated is None:
            return told
        return f"{told}; interpolated by a parabola through the best three points: {self.interpolated:.4g}"


def swept_key(dataset: xr.Dataset) -> tuple[str, str] | None:
    """Coordinate and dotted key of what a file sweeps, where it is one number.

    Parameters
    ----------
    dataset : xarray.Dataset
        Statistics or a result; the attribute ``sweep`` of a file has the dotted key.

    Returns
    -------
    tuple of str, or None
        None where nothing, more than one key, text, or several cases are swept.
    """
    names = [
        str(n)
        for n, c in dataset.coords.items()
        if c.dims == (schema.POINT,) and n not in (schema.POINT, "case") and c.dtype.kind in "iuf"
    ]
    others = [n for n, c in dataset.coords.items() if c.dims == (schema.POINT,) and n != schema.POINT and n not in names]
    if len(names) != 1 or any(len(set(dataset[n].values.tolist())) > 1 for n in others):
        return None
    told: dict[str, Any] = json.loads(str(dataset.attrs.get("sweep") or "{}"))
    dotted = (key for part in told.values() if isinstance(part, dict) for key in part)
    return names[0], next((key for key in dotted if key.replace(".", "_") == names[0]), names[0])


def best_of_sweep(result: xr.Dataset, statistics: xr.Dataset | None = None) -> Best | None:
    r"""Find the point of a sweep whose expected counts give most key.

    With the three best neighbouring points :math:`(x_i, \ell_i)` the optimum between them is the top of their parabola,
    :math:`-b / 2a` of :math:`a x^2 + b x + c`.

    Parameters
    ----------
    result : xarray.Dataset
        What :func:`qphys.keyrates.analyze` returns.
    statistics : xarray.Dataset, optional
        The file, for the dotted name of the key.

    Returns
    -------
    Best or None
        None where no single number is swept, there are fewer than three points, or no point has a key.

    Examples
    --------
    >>> import xarray as xr
    >>> pairs = ("point", [100.0, 200.0, 300.0])
    >>> result = xr.Dataset({"expected_key_length": ("point", [10.0, 18.0, 14.0])}, {"pair_rate_mhz": pairs})
    >>> print(best_of_sweep(result).note)
    most key at pair_rate_mhz = 200: 18 bit; interpolated by a parabola through the best three points: 216.7
    """
    swept = swept_key(result if statistics is None else statistics)
    if swept is None or "expected_key_length" not in result or result["expected_key_length"].dims != (schema.POINT,):
        return None
    values = np.asarray((result if statistics is None else statistics)[swept[0]].values, dtype=np.float64)
    keys = np.asarray(result["expected_key_length"].values, dtype=np.float64)
    if len(keys) < 3 or len(values) != len(keys) or len(set(values.tolist())) < len(values) or not keys.max() > 0.0:
        return None
    order = np.argsort(values)
    x, length = values[order], keys[order]
    top = int(np.argmax(length))
    if top in (0, len(x) - 1):
        return Best(key=swept[1], value=float(x[top]), key_length=float(length[top]), interpolated=None, at_an_end=True)
    # Distances from the best point, so that large values with small steps keep their digits.
    step = float(x[top + 1] - x[top - 1])
    a, b, _ = np.polyfit((x[top - 1 : top + 2] - x[top]) / step, length[top - 1 : top + 2], 2)
    peak = float(x[top] - step * b / (2.0 * a)) if a < -1e-12 * length[top] else None
    return Best(key=swept[1], value=float(x[top]), key_length=float(length[top]), interpolated=peak, at_an_end=False)
