"""Kernels that draw transmittances. Oracles: the slow twins draw for draw, mpmath for the shape functions, the promises of
an address (no batch, order or instruction set changes a bit). That draws have their laws is tested in tests/channels."""

from __future__ import annotations

import re
from pathlib import Path

import mpmath
import numpy as np
import pytest

from qphys import core
from qphys.core import reference_laws as reference

KEY = (np.uint64(20161219), np.uint64(0xFEDC_BA98_7654_3210), np.uint64(3))
R = np.linspace(0.2, 3.0, 41)
CASES = {
    "draw_log_normal": ([-1.0, -3.0, 5.0, -0.2], [0.5, 0.1, 1.3, 0.0], [2.0, np.inf, -3.8, np.inf]),
    "draw_beta": ([0.4, 1.0, 7.0, 300.0], [2.0, 0.3, 30.0, 1e5]),
    "draw_gamma_gamma": ([1e-3, 0.1, 1.0], [4.4, 0.3, 21.6], [2.6, 1.0, 0.9]),
    "draw_pointing": ([5.0, 5.0], [1.0, 0.3], [2.0, 0.3], [0.0, -1.0], [0.0, 2.0]),
    "draw_beam_wander_marcum": (
        [0.5, 0.2],
        [0.0, 1.0],
        [0.2, 0.2],
        [3.0, 3.0],
        np.tile(-(R**2), (2, 1)),
        np.tile(-2 * R, (2, 1)),
    ),
    "draw_beam_wander_weibull": ([-0.1, -2.0], [1.1, 0.7], [2.3, 4.3], [0.5, 0.2], [0.0, 0.9]),
    "draw_total_probability": ([-1.1, -0.1, 0.8], [0.4, 0.2, 0.3], [1.1, 1.2, 0.9], [2.3, 2.0, 4.0], [0.4, 0.0, 0.2]),
    "draw_circular_beam": ([-0.3, 2.0, -5.0], [0.6, 0.2, 1.0], [1.0, 0.5, 1.0], [0.5, 0.4, 0.1]),
    "draw_elliptic_beam": ([0.78, -3.0, 4.0], [0.1, 0.5, 0.2], [0.25, 0.4, 0.1], [0.36, 1.0, 2.0], [0.43, 0.1, 2.0]),
}


def arguments(name):
    return tuple(np.asarray(value, dtype=np.float64) for value in CASES[name])


@pytest.mark.parametrize("level", core.instruction_sets())
@pytest.mark.parametrize("name", CASES)
def test_kernel_draws_what_its_twin_draws(name, level):
    """The shapes are interpolated to 1e-10; a depth of 700 in the exponent multiplies that."""
    numbers = np.array([0, 1, 5, 130, 7, 2**40, 3, 4, 8, 9, 10], dtype=np.uint64)
    values, status = core.kernels(level)[name](*arguments(name), *KEY, numbers)
    expected, twin_status = getattr(reference, name)(*arguments(name), *KEY, numbers)
    np.testing.assert_array_equal(status, twin_status)
    np.testing.assert_allclose(values, expected, rtol=2e-8, atol=1e-300)


@pytest.mark.parametrize("name", CASES)
def test_draws_depend_on_their_address_alone(name):
    kernel, given = core.KERNELS[name], arguments(name)
    numbers = np.arange(307, dtype=np.uint64)
    whole, _ = kernel(*given, *KEY, numbers)
    for level in core.instruction_sets():
        for part in (numbers[:1], numbers[100:229], numbers[::-3]):
            np.testing.assert_array_equal(core.kernels(level)[name](*given, *KEY, part)[0], whole[:, part.astype(int)])
    strided = np.repeat(numbers, 2)[::2]
    np.testing.assert_array_equal(kernel(*given, *KEY, strided)[0], whole)
    for other in ((KEY[0] + 1, *KEY[1:]), (KEY[0], KEY[1] + 1, KEY[2]), (*KEY[:2], np.uint64(4))):
        different = kernel(*given, *other, numbers)[0]
        assert np.mean(different == whole) <= 0.35  # a law that is a point, and spots that the aperture holds
    assert kernel(*given, *KEY, numbers[:0])[0].shape == (len(given[0]), 0)


@pytest.mark.parametrize("name", CASES)
def test_step_of_impossible_parameters_is_nan_with_its_status_and_the_others_are_not_touched(name):
    given = arguments(name)
    numbers = np.arange(5, dtype=np.uint64)
    whole, _ = core.KERNELS[name](*given, *KEY, numbers)
    broken = [value.copy() for value in given]
    broken[0][0] = np.nan
    values, status = core.KERNELS[name](*broken, *KEY, numbers)
    assert status[0] == core.STATUS["input_not_finite"] and np.all(np.isnan(values[0]))
    np.testing.assert_array_equal(values[1:], whole[1:])
    assert not status[1:].any()
    negative = {"draw_beam_wander_marcum": 0, "draw_pointing": 0, "draw_log_normal": 1}.get(name, 1)
    broken = [value.copy() for value in given]
    broken[negative][1] = -1.0
    values, status = core.KERNELS[name](*broken, *KEY, numbers)
    assert status[1] == core.STATUS["impossible_probabilities"] and np.all(np.isnan(values[1]))


@pytest.mark.parametrize("level", core.instruction_sets())
def test_shape_functions_agree_with_mpmath(level):
    """Documented: 1e-10 relative, everywhere, ends and borders of the three ranges among them."""
    q = np.concatenate([10.0 ** np.linspace(-20, 12, 97), [8.0, np.nextafter(8.0, 9.0), 64.0, np.nextafter(64.0, 65.0)]])
    got = core.kernels(level)["weibull_shape"](q)
    with mpmath.workdps(50):
        for k, x in enumerate(q.tolist()):
            z = mpmath.mpf(x)
            small = mpmath.exp(-z) if z < 1000 else None
            i0 = (
                small * mpmath.besseli(0, z)
                if small
                else (1 + 1 / (8 * z) + 9 / (128 * z**2)) / mpmath.sqrt(2 * mpmath.pi * z)
            )
            i1 = (
                small * mpmath.besseli(1, z)
                if small
                else (1 - 3 / (8 * z) - 15 / (128 * z**2)) / mpmath.sqrt(2 * mpmath.pi * z)
            )
            complement = 1 - i0
            logarithm = mpmath.log(2 * (1 - mpmath.exp(-z / 2)) / complement)
            for value, exact in zip(got, (logarithm, 2 * z * i1 / (complement * logarithm), complement), strict=True):
                assert value[k] == pytest.approx(float(exact), rel=1.5e-10 if z < 1000 or z > 1e5 else 1e-9)
    assert all(np.isnan(value) for value in core.kernels(level)["weibull_shape"](np.nan))


def test_purpose_of_the_draws_is_that_of_the_twin_and_of_no_other():
    header = (Path(__file__).parents[2] / "qphys" / "core" / "philox.h").read_text()
    purposes = {name: int(code) for name, code in re.findall(r"PHILOX_(\w+) = (\d+),", header)}
    assert purposes["LAWS"] == reference.LAWS
    purposes = {name: code for name, code in purposes.items() if name not in ("WORDS", "ROUNDS")}
    assert len(set(purposes.values())) == len(purposes)
