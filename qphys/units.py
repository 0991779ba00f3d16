"""One table of unit suffixes: a record's field carries its unit in its name, and only SI leaves the record.

``wavelength_nm = 848.6`` becomes ``wavelength = 8.486e-7``. Logarithmic units keep their suffix, since a loss in decibels
is what the field writes and adds (``loss_db`` stays ``loss_db``).
"""

from __future__ import annotations

import math
from typing import Final

FACTORS: Final[dict[str, float]] = {
    "_nm": 1e-9,
    "_um": 1e-6,
    "_mm": 1e-3,
    "_cm": 1e-2,
    "_km": 1e3,
    "_m": 1.0,
    "_fs": 1e-15,
    "_ps": 1e-12,
    "_ns": 1e-9,
    "_us": 1e-6,
    "_ms": 1e-3,
    "_s": 1.0,
    "_min": 60.0,
    "_hz": 1.0,
    "_khz": 1e3,
    "_mhz": 1e6,
    "_ghz": 1e9,
    "_thz": 1e12,
    "_deg": math.pi / 180.0,
    "_mrad": 1e-3,
    "_urad": 1e-6,
    "_rad": 1.0,
    "_m_per_s": 1.0,
    "_w_per_m2_um_sr": 1e6,
    "_ps_per_nm2_km": 1e3,
    "_ps_per_sqrt_km": 1e-12 / math.sqrt(1e3),
    "_percent": 1e-2,
}
"""Unit suffix of a record's key and the factor that turns its value into SI [SI unit / unit]."""

LOGARITHMIC: Final[tuple[str, ...]] = ("_db", "_db_per_km")
"""Suffixes that stay as they are, in records and in code."""


def si_name_and_factor(key: str) -> tuple[str, float]:
    """Split a record's key into its SI name and the factor to SI.

    Parameters
    ----------
    key : str
        Field name with its unit suffix, such as ``wavelength_nm``.

    Returns
    -------
    name : str
        Name without the suffix (``wavelength``); keys without a unit, or with a logarithmic one, are returned unchanged.
    factor : float
        Number that multiplies the value to give SI.

    Examples
    --------
    >>> si_name_and_factor("dead_time_ns")
    ('dead_time', 1e-09)
    >>> si_name_and_factor("loss_db")
    ('loss_db', 1.0)
    """
    if key.endswith(LOGARITHMIC):
        return key, 1.0
    for suffix in sorted(FACTORS, key=len, reverse=True):
        if key.endswith(suffix) and len(key) > len(suffix):
            return key[: -len(suffix)], FACTORS[suffix]
    return key, 1.0
