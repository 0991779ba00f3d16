"""exp, expm1, log and log1p of the kernels. Oracle: mpmath at 40 digits; the ends from IEEE 754."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from qphys import core

rng = np.random.default_rng(20161219)
#: Errors in units in the last place: a correctly rounded function has 0.5.
LARGEST_ERROR = {"exp": 1.0, "expm1": 2.0, "log": 1.0, "log1p": 2.0}
ARGUMENTS = {
    "exp": np.concatenate([rng.uniform(-745, 709.7, 1009), rng.normal(0, 1e-3, 211), [709.78, -708.4, -745.1]]),
    "expm1": np.concatenate(
        [
            rng.uniform(-50, 709.7, 503),
            rng.uniform(-1.5, 1.5, 1009),
            rng.normal(0, 1, 211) * 10.0 ** rng.uniform(-18, 0, 211),
        ]
    ),
    "log": np.concatenate([10.0 ** rng.uniform(-307, 308, 503), rng.uniform(0.5, 2, 1009), 1 + rng.normal(0, 1e-9, 211)]),
    "log1p": np.concatenate(
        [rng.uniform(-1, 1, 1009), 10.0 ** rng.uniform(-18, 18, 503), -(10.0 ** rng.uniform(-18, 0, 211)), [-1 + 2.0**-53]]
    ),
}


@pytest.mark.parametrize("level", core.instruction_sets())
@pytest.mark.parametrize("name", ["exp", "expm1", "log", "log1p"])
def test_elementary_function_agrees_with_mpmath_to_the_documented_ulp(name: str, level: str) -> None:
    x = ARGUMENTS[name]
    got = core.kernels(level)["elementary"](x)[["exp", "expm1", "log", "log1p"].index(name)]
    with mpmath.workdps(40):
        exact = [getattr(mpmath, name)(mpmath.mpf(v)) for v in x.tolist()]
        error = [
            abs(float((mpmath.mpf(g) - e) / mpmath.mpf(float(np.spacing(abs(float(e)))))))
            for g, e in zip(got.tolist(), exact, strict=True)
        ]
    assert max(error) < LARGEST_ERROR[name]


@pytest.mark.parametrize("level", core.instruction_sets())
def test_elementary_functions_end_as_ieee_says(level: str) -> None:
    x = np.array([0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 5e-324, 1e308, -1e308, 800.0, -800.0, -0.5])
    got = core.kernels(level)["elementary"](x)
    with np.errstate(all="ignore"):
        expected = np.exp(x), np.expm1(x), np.log(x), np.log1p(x)
    for g, e in zip(got, expected, strict=True):
        np.testing.assert_allclose(g, e, rtol=5e-16)
