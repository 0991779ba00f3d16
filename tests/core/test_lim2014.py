"""The finite-key kernel against its twin, and every promise about its rows: faults, bits, shapes."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qphys import core
from qphys.core import reference

specification = importlib.util.spec_from_file_location("blocks", Path(__file__).with_name("blocks.py"))
assert specification is not None
assert specification.loader is not None
blocks = importlib.util.module_from_spec(specification)
specification.loader.exec_module(blocks)

BLOCKS = blocks.random_blocks(5003, seed=20161219)


def largest_term(inputs: tuple[Any, ...]) -> Any:
    return np.sum(inputs[0], axis=-1) + np.sum(inputs[2], axis=-1)


@pytest.mark.parametrize("level", core.instruction_sets())
def test_kernel_agrees_with_its_twin_to_1e_12_of_the_largest_term_and_in_every_bit_of_the_key(level: str) -> None:
    got, expected = core.kernels(level)["lim2014"](*BLOCKS), reference.lim2014(*BLOCKS)
    np.testing.assert_array_equal(got[0], expected[0])
    for term in (1, 2, 3, 4, 6):
        assert np.max(np.abs(got[term] - expected[term]) / largest_term(BLOCKS)) < 1e-12
    np.testing.assert_allclose(got[5], expected[5], rtol=1e-12)
    np.testing.assert_array_equal(got[7], expected[7])
    np.testing.assert_array_equal(got[8], expected[8])
    # The blocks do reach every policy's branch.
    assert np.all(np.bincount(got[7]) > 200)
    assert np.all(np.bincount(got[8])[:4] > 5)


OTHERS = blocks.random_blocks(1009, seed=20200910, tails=6, samplings=5)
PREDICTED = np.random.default_rng(5).dirichlet([7, 2, 0.3], (1009, 3)).reshape(1009, 9)


@pytest.mark.parametrize("level", core.instruction_sets())
@pytest.mark.parametrize("kato", [False, True])
def test_kernel_agrees_with_its_twin_with_every_tail_bound(level: str, kato: bool) -> None:
    inputs = (*OTHERS[:10], np.where(kato, np.int8(6), OTHERS[10]), *OTHERS[11:])
    name, more = ("lim2014_predicted", (PREDICTED,)) if kato else ("lim2014", ())
    got, expected = core.kernels(level)[name](*inputs, *more), reference.lim2014(*inputs, *more)
    np.testing.assert_array_equal(got[0], expected[0])
    # Equations are met to 1e-12 of beta, which the weights e^mu / p enlarge. Of a whole number of events, which may be one
    # fewer, a whole number is taken.
    whole_events = (inputs[10] == 5) & (inputs[12] == 0)
    for term in (1, 2, 3, 4, 6):
        slack = 1e-10 * largest_term(OTHERS) + (whole_events if term < 3 else 0)
        assert np.all(np.isnan(got[term]) | (np.abs(got[term] - expected[term]) <= slack))
    np.testing.assert_allclose(got[5], expected[5], rtol=1e-9)
    np.testing.assert_array_equal(got[7], expected[7])
    np.testing.assert_array_equal(got[8], expected[8])
    assert np.all(np.bincount(got[7], minlength=5) > 30)
    # and the same bits whatever the neighbours are
    for cut in (slice(1), slice(5, 12), slice(129), slice(None, None, 3)):
        part = core.kernels(level)[name](*(value[cut] for value in (*inputs, *more)))
        for value, whole in zip(part, got, strict=True):
            np.testing.assert_array_equal(value, whole[cut])


@pytest.mark.parametrize(("share", "meaning"), [(np.nan, "input_not_finite"), (1.5, "impossible_probabilities")])
def test_kato_without_a_possible_prediction_gives_no_key(share: float, meaning: str) -> None:
    inputs = blocks.ordinary(tail_bound=np.int8(6))
    good = [0.87, 0.12, 0.01] * 3
    assert core.KERNELS["lim2014_predicted"](*inputs, good)[0] > 1e5
    for place in range(9):
        bad = [*good[:place], share, *good[place + 1 :]]
        got, expected = core.KERNELS["lim2014_predicted"](*inputs, bad), reference.lim2014(*inputs, bad)
        assert (got[0], got[8], expected[8]) == (0, core.STATUS[meaning], core.STATUS[meaning])


@pytest.mark.parametrize("policy", range(60))
def test_every_policy_gives_key_somewhere_and_agrees_with_its_twin(policy: int) -> None:
    choice = {
        name: np.int8(policy // step % n)
        for name, step, n in [("tail_bound", 1, 6), ("sampling_bound", 6, 5), ("key_from", 30, 2)]
    }
    inputs = blocks.ordinary(**choice)
    got, expected = core.KERNELS["lim2014"](*inputs), reference.lim2014(*inputs)
    assert got[0] > 1e5
    assert [float(value) for value in got] == pytest.approx([float(value) for value in expected], rel=1e-11)


@pytest.mark.parametrize(("change", "meaning"), blocks.IMPOSSIBLE)
def test_impossible_block_has_key_zero_nan_bounds_and_a_status_that_names_the_fault(
    change: dict[str, Any], meaning: str
) -> None:
    got = core.KERNELS["lim2014"](*blocks.ordinary(**change))
    assert got[0] == 0
    assert got[8] == core.STATUS[meaning]
    assert got[7] == 0
    assert np.all(np.isnan(got[1:7]))
    assert reference.lim2014(*blocks.ordinary(**change))[8] == core.STATUS[meaning]


@pytest.mark.parametrize(("change", "meaning"), blocks.EMPTY)
def test_possible_block_without_key_says_why(change: dict[str, Any], meaning: str) -> None:
    got = core.KERNELS["lim2014"](*blocks.ordinary(**change))
    assert got[0] == 0
    assert got[8] == core.STATUS[meaning]
    assert np.all(np.isfinite(got[1:7]))
    assert reference.lim2014(*blocks.ordinary(**change))[8] == core.STATUS[meaning]


def test_one_bad_row_leaves_the_other_lanes_alone() -> None:
    inputs = tuple(np.array(value) for value in BLOCKS)
    whole = core.KERNELS["lim2014"](*inputs)
    for row, column in [(3, 0), (130, 2), (1000, 1)]:
        inputs[0][row, column] = np.nan
    hurt = core.KERNELS["lim2014"](*inputs)
    others = np.setdiff1d(np.arange(len(whole[0])), [3, 130, 1000])
    for got, expected in zip(hurt, whole, strict=True):
        np.testing.assert_array_equal(got[others], expected[others])
    assert np.all(hurt[0][[3, 130, 1000]] == 0)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=24, max_size=24),
    st.tuples(*[st.integers(-128, 127)] * 3),
)
def test_no_input_raises_or_gives_key_without_a_good_status(numbers: list[float], codes: tuple[int, int, int]) -> None:
    vectors = [numbers[3 * i : 3 * i + 3] for i in range(7)]
    got = core.KERNELS["lim2014"](*vectors, *numbers[21:], *(np.int8(code) for code in codes))
    assert (got[0] > 0) == (got[8] == 0)
    assert np.isfinite(got[0])


def test_every_instruction_set_length_and_stride_gives_the_same_bits() -> None:
    whole = core.kernels("baseline")["lim2014"](*BLOCKS)
    for level in core.instruction_sets():
        kernel = core.kernels(level)["lim2014"]
        for cut in (slice(1), slice(5, 12), slice(127), slice(128), slice(129), slice(11, 1017), slice(None, None, 3)):
            for got, expected in zip(kernel(*(value[cut] for value in BLOCKS)), whole, strict=True):
                np.testing.assert_array_equal(got, expected[cut])


def test_broadcast_settings_give_the_same_bits_as_repeated_ones() -> None:
    settings_ = blocks.ordinary()[4:]
    hoisted = core.KERNELS["lim2014"](*BLOCKS[:4], *settings_)
    repeated = [np.ascontiguousarray(np.broadcast_to(value, (len(BLOCKS[0]), *np.shape(value)))) for value in settings_]
    for got, expected in zip(hoisted, core.KERNELS["lim2014"](*BLOCKS[:4], *repeated), strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("threads", [2, 3, 7])
def test_threads_give_the_same_bits(threads: int) -> None:
    alone = core.KERNELS["lim2014"](*BLOCKS)
    shared = core.evaluate(core.KERNELS["lim2014"], *BLOCKS, threads=threads, smallest_slice=1)
    for got, expected in zip(shared, alone, strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 0), (3, 2, 5)])
def test_shape_of_the_batch_is_kept(shape: tuple[int, ...]) -> None:
    inputs = [np.broadcast_to(value, (*shape, *np.shape(value))) for value in blocks.ordinary()]
    got = core.KERNELS["lim2014"](*inputs)
    assert all(np.shape(value) == shape for value in got)
    expected = core.KERNELS["lim2014"](*blocks.ordinary())
    for value, single in zip(got, expected, strict=True):
        assert np.all(value == single)


def test_function_passes_every_argument_to_its_place() -> None:
    given_ = {
        name: value for name, value in blocks.ORDINARY.items() if name not in ("tail_bound", "sampling_bound", "key_from")
    }
    got = core.lim2014(
        given_.pop("key_counts"),
        given_.pop("key_errors"),
        **given_,
        tail_bound="chernoff",
        sampling_bound="exact",
        key_from="signal",
    )
    raw = core.KERNELS["lim2014"](*blocks.ordinary(tail_bound=np.int8(1), sampling_bound=np.int8(1), key_from=np.int8(0)))
    assert [float(value) for value in got] == [float(value) for value in raw]


def test_unknown_policy_is_refused_with_the_allowed_names() -> None:
    given_ = {
        name: value for name, value in blocks.ORDINARY.items() if name not in ("tail_bound", "sampling_bound", "key_from")
    }
    with pytest.raises(ValueError, match="tail_bound must be one of hoeffding, chernoff, .*kato2020, not 'azuma'"):
        core.lim2014(
            given_.pop("key_counts"),
            given_.pop("key_errors"),
            **given_,
            tail_bound="azuma",
            sampling_bound="exact",
            key_from="all",
        )


def test_probabilities_of_a_common_factor_give_the_same_key() -> None:
    joint = blocks.ordinary(key_probabilities=[0.35, 0.1, 0.05], test_probabilities=[0.15, 0.075, 0.025])
    got, expected = core.KERNELS["lim2014"](*joint), core.KERNELS["lim2014"](*blocks.ordinary())
    assert [float(value) for value in got] == pytest.approx([float(value) for value in expected], rel=1e-12)


def test_key_grows_with_counts_and_falls_with_errors_and_stricter_epsilon() -> None:
    def key(**changes: Any) -> float:
        return float(core.KERNELS["lim2014"](*blocks.ordinary(**changes))[0])

    assert key(key_errors=[4e4, 7e3, 4e3]) > key(key_errors=[5e4, 7e3, 4e3])
    assert key(test_errors=[2e3, 350.0, 200.0]) > key(test_errors=[2e3, 450.0, 200.0])
    assert key(eps_secrecy=1e-9) > key(eps_secrecy=1e-12)
    assert key(key_counts=[9e6, 1.35e6, 1.1e4]) > key(key_counts=[8e6, 1.2e6, 1e4])
