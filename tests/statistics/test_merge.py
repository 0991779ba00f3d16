"""Counts of equal block identity add up; others are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr

from qphys.errors import UserError
from qphys.statistics import add_blocks
from qphys.statistics.dataset import from_points
from qphys.statistics.read import check

Point = Callable[..., dict[str, Any]]


def some(point: Point, *numbers: int, **change: Any) -> xr.Dataset:
    return check(from_points([point(n) | change for n in numbers]), "memory")


def test_points_and_files_add_to_one_block(point: Point, monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: sums of the points' own arrays."""
    monkeypatch.setattr("qphys.statistics.merge.BLOCK_BYTES", 1)
    block = add_blocks(some(point, 0, 2, 3), some(point, 5))
    points = [point(n) for n in (0, 2, 3, 5)]
    assert block["counts"].dims == ("point", "realisation", "intensity", "alice_basis", "alice_bit", "bob_outcome")
    np.testing.assert_array_equal(block["counts"].values[0], sum(p["counts"].sum(axis=1) for p in points))
    for name in (
        "expected_total_counts",
        "expected_total_counts_without",
        "expected_total_counts_by_photon_number",
    ):
        np.testing.assert_allclose(block[name].values[0], sum(p[name] for p in points), rtol=1e-12)
    assert block["trials_of_block"].values.tolist() == [sum(p["trials"].sum() for p in points)]
    assert block["block_identity"].values.tolist() == ["ab" * 32]
    xr.testing.assert_equal(check(block, "block"), block)


def test_sums_pass_the_type_of_the_counts(point: Point) -> None:
    """4,000,000,000 twice is more than 32 bits hold."""
    big = point(4, rate=4.2e9)
    big["counts"] = np.zeros_like(big["counts"])
    big["counts"][..., 0, 0, 0, 0] = 4_000_000_000
    made = from_points([big, big])
    assert made["counts"].dtype == np.uint32
    assert int(add_blocks(made)["counts"].max()) == 8_000_000_000


def test_totals_follow_from_steps_where_a_file_has_only_these(point: Point) -> None:
    one = some(point, 0, 1)
    without = add_blocks(one.drop_vars("expected_total_counts"))
    xr.testing.assert_allclose(without["expected_total_counts"], add_blocks(one)["expected_total_counts"], rtol=1e-12)


def test_unequal_blocks_are_refused(point: Point) -> None:
    with pytest.raises(UserError, match="file 0, point 0 and file 1, point 0 have different block identities"):
        add_blocks(some(point, 0), some(point, 1, block_identity="cd" * 32))


def test_counts_without_identity_are_refused(point: Point) -> None:
    with pytest.raises(UserError, match="'block_identity' is missing"):
        add_blocks(some(point, 0).drop_vars("block_identity"))


def test_unequal_claims_are_refused(point: Point) -> None:
    with pytest.raises(UserError, match="mean_photon_number is not that of the first point"):
        add_blocks(some(point, 0), some(point, 1, mean_photon_number=[0.8, 0.1, 0.01]))


def test_unequal_realisations_and_labels_are_refused(point: Point) -> None:
    with pytest.raises(UserError, match="its 'realisation' is not that"):
        add_blocks(some(point, 0), check(from_points([point(1, realisations=3)]), "memory"))
    with pytest.raises(UserError, match="its 'intensity' is not that"):
        add_blocks(some(point, 0), some(point, 1, axes={"intensity": ("a", "b", "c"), "cause": ("optics", "dark counts")}))


def test_nothing_adds_to_nothing() -> None:
    with pytest.raises(UserError, match="at least one file"):
        add_blocks()
