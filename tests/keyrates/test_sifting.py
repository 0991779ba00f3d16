"""Sifting against counts written down by hand, whatever the order, the blocks and the policy."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qphys.errors import UserError
from qphys.keyrates import sifting
from qphys.statistics import schema

OUTCOMES = list(schema.OUTCOMES_BB84)
#                 none  Z0  Z1  X0  X1  dZ  dX  across
HAND_COUNTS = np.array(
    [
        [  # signal
            [[900, 50, 2, 20, 22, 3, 4, 1], [880, 1, 60, 25, 21, 2, 1, 2]],  # Alice Z: bit 0, bit 1
            [[870, 24, 23, 70, 5, 1, 1, 0], [860, 20, 19, 4, 80, 0, 6, 3]],  # Alice X: bit 0, bit 1
        ],
        [  # decoy
            [[990, 7, 0, 3, 2, 0, 0, 0], [991, 1, 6, 2, 2, 1, 1, 0]],
            [[992, 3, 3, 8, 1, 0, 2, 0], [993, 2, 2, 0, 9, 0, 0, 1]],
        ],
    ]
)


def as_dataset(cells: np.ndarray, dims: tuple[str, ...] = ()) -> xr.DataArray:
    coords = {
        "alice_basis": list(schema.BASES),
        "alice_bit": list(schema.BITS),
        "bob_outcome": OUTCOMES,
        "intensity": [f"mu{i}" for i in range(cells.shape[-4])],
    }
    return xr.DataArray(cells, dims=(*dims, *sifting.CELLS), coords=coords, name="counts")


def test_sifting_agrees_with_counts_added_by_hand() -> None:
    sifted = sifting.sift(HAND_COUNTS)
    # oracle: signal, Z: 50 + 2 + 1 + 60 right and wrong, 5 double clicks; wrong 2 + 1, plus 5 / 2 rounded up
    np.testing.assert_array_equal(sifted.counts, [[113 + 5, 159 + 7], [14 + 1, 18 + 2]])
    np.testing.assert_array_equal(sifted.errors, [[3 + 3, 9 + 4], [1 + 1, 1 + 1]])
    np.testing.assert_array_equal(sifted.double_clicks, [[5, 7], [1, 2]])
    np.testing.assert_array_equal(sifted.across_clicks, [6, 1])
    np.testing.assert_array_equal(sifted.detections, HAND_COUNTS[..., 1:].sum(axis=(1, 2, 3)))


def test_half_of_an_odd_number_of_double_clicks_is_rounded_up_for_counts_and_exact_for_expectations() -> None:
    for doubles, up, exact in ((0, 0, 0.0), (1, 1, 0.5), (2, 1, 1.0), (7, 4, 3.5), (8, 4, 4.0)):
        cells = np.zeros((1, 2, 2, 8))
        cells[0, 1, 1, OUTCOMES.index("double_X")] = doubles
        assert sifting.sift(cells).errors[0, 1] == up
        assert sifting.sift(cells, halves="exact").errors[0, 1] == exact


def test_discarded_double_clicks_are_neither_events_nor_errors_but_still_counted() -> None:
    sifted = sifting.sift(HAND_COUNTS, double_clicks="discard")
    np.testing.assert_array_equal(sifted.counts, [[113, 159], [14, 18]])
    np.testing.assert_array_equal(sifted.errors, [[3, 9], [1, 1]])
    np.testing.assert_array_equal(sifted.double_clicks, [[5, 7], [1, 2]])


def test_order_of_labels_changes_nothing() -> None:
    # oracle: the same counts, permuted together with their labels
    outcomes = [OUTCOMES[i] for i in (5, 7, 0, 3, 1, 6, 2, 4)]
    permuted = HAND_COUNTS[:, ::-1, ::-1][..., [OUTCOMES.index(o) for o in outcomes]]
    one = sifting.sift(permuted, outcomes, bases=("X", "Z"), bits=("1", "0"))
    two = sifting.sift(HAND_COUNTS)
    for name in ("counts", "errors", "double_clicks", "detections", "across_clicks"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


def test_absent_double_clicks_and_none_count_as_zero() -> None:
    sifted = sifting.sift(HAND_COUNTS[..., 1:5], OUTCOMES[1:5])
    np.testing.assert_array_equal(sifted.counts, [[113, 159], [14, 18]])
    np.testing.assert_array_equal(sifted.detections, HAND_COUNTS[..., 1:5].sum(axis=(1, 2, 3)))


@pytest.mark.parametrize(
    ("outcomes", "message"),
    [
        (["none", "Z0", "Z1", "X0"], "X1 missing"),
        (["none", "Z0", "Z1", "X0", "X1", "doubleZ"], "did you mean 'double_Z'"),
        (["none", "Z0", "Z1", "X0", "X1", "X1"], "twice"),
    ],
)
def test_wrong_outcomes_are_told_to_the_user(outcomes: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        sifting.sift(np.zeros((1, 2, 2, len(outcomes))), outcomes)


def test_a_missing_or_unknown_dimension_is_told_to_the_user() -> None:
    good = as_dataset(HAND_COUNTS)
    with pytest.raises(UserError, match="'bob_outcome' is missing; did you mean 'bob_outcomes'"):
        sifting.sift_variable(good.rename(bob_outcome="bob_outcomes"))
    with pytest.raises(UserError, match="'weather' is unknown"):
        sifting.sift_variable(good.expand_dims("weather"))
    with pytest.raises(UserError, match="a coordinate 'bob_outcome' must name them"):
        sifting.sift_variable(good.drop_vars("bob_outcome").isel(bob_outcome=slice(5)))
    with pytest.raises(UserError, match="no point or realisation"):
        sifting.sift_variable(good.expand_dims("point").isel(point=slice(0)))


def test_blocks_of_any_size_give_the_same_sums_and_double_clicks_are_halved_after_the_sum_over_time() -> None:
    counts = np.random.default_rng(5).integers(0, 9, (3, 2, 7, 2, 2, 2, 8))
    variable = as_dataset(counts, ("point", "realisation", "time")).transpose("time", ..., "point")
    whole = sifting.sift(counts.sum(axis=2))
    for block_bytes in (1, 700, 5000, 20_011, 2**25):
        parts = sifting.sift_variable(variable, block_bytes=block_bytes)
        np.testing.assert_array_equal(parts.counts, whole.counts)
        np.testing.assert_array_equal(parts.errors, whole.errors)
        np.testing.assert_array_equal(parts.detections, whole.detections)
    assert whole.counts.shape == (3, 2, 2, 2)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, -1.0, 0.5])
def test_a_number_that_is_no_count_spoils_its_own_row_even_if_a_sum_would_hide_it(wrong: float) -> None:
    counts = np.full((2, 5, 1, 2, 2, 8), 10.0)
    counts[1, 3, 0, 0, 0, 1] = wrong
    sifted = sifting.sift_variable(as_dataset(counts, ("point", "time")))
    assert np.isfinite(sifted.counts[0]).all()
    assert np.isnan(sifted.counts[1, 0, 0])
    assert np.isnan(sifted.detections[1, 0])


def test_an_expectation_need_not_be_whole() -> None:
    sifted = sifting.sift_variable(as_dataset(HAND_COUNTS + 0.25), halves="exact")
    assert sifted.counts[0, 0] == pytest.approx(118 + 6 * 0.25, rel=1e-14)


def test_negative_integers_spoil_their_row() -> None:
    counts = np.ones((3, 1, 2, 2, 8), dtype=np.int32)
    counts[1, 0, 0, 1, 2] = -1
    sifted = sifting.sift_variable(as_dataset(counts, ("time",)))
    assert np.isnan(sifted.counts[0, 0])
    assert np.isnan(sifted.detections[0])


def test_small_unsigned_counts_do_not_overflow() -> None:
    counts = np.full((300, 1, 2, 2, 8), 255, dtype=np.uint8)
    assert sifting.sift_variable(as_dataset(counts, ("time",))).detections[0] == 300 * 255 * 28


def test_text_is_no_count() -> None:
    with pytest.raises(UserError, match="numbers are needed"):
        sifting.sift_variable(as_dataset(HAND_COUNTS.astype(str)))


@given(hnp.arrays(np.int64, (2, 2, 2, 8), elements=st.integers(0, 2**40)))
def test_errors_never_exceed_events_and_no_event_is_lost(counts: np.ndarray) -> None:
    for policy in ("random", "discard"):
        sifted = sifting.sift(counts, double_clicks=policy)  # type: ignore[arg-type]
        assert np.all(sifted.errors <= sifted.counts)
        assert np.all(sifted.counts.sum(axis=-1) <= sifted.detections)


def test_error_rate_without_events_is_nan_and_silent() -> None:
    np.testing.assert_array_equal(sifting.error_rate([[3, 0, np.nan]], [12, 0, 5]), [[0.25, np.nan, np.nan]])


def test_sifting_a_large_variable_holds_only_a_block_of_it() -> None:
    steps, points = 301, 53

    counts = np.broadcast_to(np.uint16(3), (points, 1, steps, 3, 2, 2, 8))  # 12 MB if written out, none as it stands
    variable: Any = as_dataset(counts, ("point", "realisation", "time"))
    tracemalloc.start()
    sifted = sifting.sift_variable(variable, block_bytes=10**6)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sifted.detections[points - 1, 0, 0] == 3 * steps * 28
    assert peak < 5 * 10**6
