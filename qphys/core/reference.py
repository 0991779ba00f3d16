"""The slow twins of the kernels: same names, same order of arguments, NumPy's own functions, written to be read.

A twin is defined for every input that its kernel is defined for. Tests hold the two together to 1e-12 of the largest
term; nothing else uses this file.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

Array = np.ndarray[Any, Any]


@np.errstate(all="ignore")
def elementary(x: ArrayLike) -> tuple[Array, Array, Array, Array]:
    """Return exp, expm1, log and log1p of x."""
    x = np.asarray(x, dtype=np.float64)
    return np.exp(x), np.expm1(x), np.log(x), np.log1p(x)
