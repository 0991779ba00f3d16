"""The best point of a sweep: a parabola by hand, ends, and files without one swept number."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

from qphys.keyrates import best_of_sweep


def result(x: list[float], keys: list[float], **coords: list[object]) -> xr.Dataset:
    return xr.Dataset(
        {"expected_key_length": ("point", keys)},
        {"source_pump_pair_rate_mhz": ("point", x)} | {name: ("point", v) for name, v in coords.items()},  # type: ignore[dict-item]
        {"sweep": json.dumps({"values": {"source.pump.pair_rate_mhz": x}})},
    )


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [3, 0, 4, 2, 1]])
def test_the_top_of_a_parabola_is_found_from_uneven_points_in_any_order(order: list[int]) -> None:
    # Oracle: 500 - 3 (x - 1042)^2 / 1e4, whose top is known; the best computed point is 1,100.
    x = np.array([500.0, 900.0, 1100.0, 1700.0, 2500.0])[order]
    best = best_of_sweep(result(x.tolist(), (500.0 - 3e-4 * (x - 1042.0) ** 2).tolist()))
    assert best is not None and best.value == 1100.0 and not best.at_an_end
    assert best.interpolated == pytest.approx(1042.0, rel=1e-9)
    assert best.note.startswith("most key at source.pump.pair_rate_mhz = 1100") and "interpolated" in best.note


def test_an_end_and_a_level_key_are_not_interpolated() -> None:
    end = best_of_sweep(result([1.0, 2.0, 3.0], [5.0, 7.0, 9.0]))
    assert end is not None and end.at_an_end and end.interpolated is None and "an end of the sweep" in end.note
    level = best_of_sweep(result([1.0, 2.0, 3.0, 4.0], [1.0, 7.0, 7.0, 7.0]))
    assert level is not None and level.value == 2.0 and level.interpolated is not None and 2.0 < level.interpolated < 3.0


def test_no_best_point_without_a_key_or_a_single_swept_number() -> None:
    assert best_of_sweep(result([1.0, 2.0, 3.0], [0.0, 0.0, 0.0])) is None
    assert best_of_sweep(result([1.0, 2.0], [1.0, 2.0])) is None
    assert best_of_sweep(result([1.0, 2.0, 3.0], [1.0, 3.0, 2.0], other=[1.0, 2.0, 2.0])) is None
    assert best_of_sweep(result([1.0, 2.0, 3.0], [1.0, 3.0, 2.0], case=["a", "b", "b"])) is None
