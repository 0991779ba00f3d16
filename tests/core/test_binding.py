"""What the binding promises of every kernel: shapes, equal bits however a batch is cut, no floating-point warnings."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from qphys import core


def test_every_status_has_its_own_code_and_a_meaning_without_spaces() -> None:
    attributes = core.status_attributes()
    assert attributes["flag_values"].dtype == np.int8
    assert len(set(attributes["flag_values"].tolist())) == len(attributes["flag_meanings"].split()) == len(core.STATUS)


def test_unknown_instruction_set_is_named_in_the_error() -> None:
    with pytest.raises(ValueError, match="'neon9' is not available"):
        core.kernels("neon9")


def test_environment_chooses_the_instruction_set() -> None:
    code = "from qphys import core; print(core.INSTRUCTION_SET)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"QPHYS_INSTRUCTION_SET": "baseline"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "baseline"


def test_lanes_give_equal_bits_on_every_instruction_set_at_every_length_and_stride() -> None:
    x = np.random.default_rng(5).normal(0, 30, (331, 2))
    whole = core.kernels("baseline")["elementary"](x)
    for level in core.instruction_sets():
        kernel = core.kernels(level)["elementary"]
        for length in (1, 2, 7, 127, 128, 129, 257, 331):
            for got, expected in zip(kernel(x[:length, 1]), whole, strict=True):
                np.testing.assert_array_equal(got, expected[:length, 1])


def test_kernel_writes_into_out_of_any_stride_and_dtype() -> None:
    x = np.linspace(-1, 1, 307)
    target = [np.full((307, 3), np.nan)[:, 1] for _ in range(4)]
    core.KERNELS["elementary"](x, out=tuple(target))
    for got, expected in zip(target, core.KERNELS["elementary"](x), strict=True):
        np.testing.assert_array_equal(got, expected)
    in_place = x.copy()
    core.KERNELS["elementary"](in_place, out=(in_place, None, None, None))
    np.testing.assert_array_equal(in_place, core.KERNELS["elementary"](x)[0])


@pytest.mark.parametrize("shape", [(), (0,), (1,), (13, 0, 2), (13, 7)])
def test_kernel_keeps_the_shape_of_the_batch(shape: tuple[int, ...]) -> None:
    assert all(np.shape(value) == shape for value in core.KERNELS["elementary"](np.zeros(shape)))


@pytest.mark.parametrize("threads", [1, 2, 3, 5])
@pytest.mark.parametrize("shape", [(1009,), (3, 101), (2, 1, 31), (1,), (), (0,)])
def test_threads_change_no_bit_and_no_shape(threads: int, shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(7).normal(0, 1, shape)
    alone = core.KERNELS["elementary"](x)
    for got, expected in zip(
        core.evaluate(core.KERNELS["elementary"], x, threads=threads, smallest_slice=1), alone, strict=True
    ):
        np.testing.assert_array_equal(got, expected)


def test_threads_below_one_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        core.evaluate(core.KERNELS["elementary"], 1.0, threads=0)
