"""The repeaterless bound: its printed values, where it stands, and that a key beyond it is told."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from qphys.keyrates import analyze
from qphys.keyrates.limits import plob_bound, repeaterless_bound

Maker = Callable[..., xr.Dataset]


def test_bound_has_the_values_of_the_literature_and_its_limits() -> None:
    # Pirandola et al. 2017, evaluated: 0.1520031, 0.01449957, 0.001443417 bits a use
    np.testing.assert_allclose(plob_bound([0.1, 0.01, 0.001]), [0.1520031, 0.01449957, 0.001443417], rtol=1e-6)
    # at the loss of a dual downlink a difference of numbers near one would have no digits left
    assert plob_bound(1e-17) == pytest.approx(1e-17 / np.log(2), rel=1e-12)
    assert np.isinf(plob_bound(1.0)) and plob_bound(0.0) == 0.0
    assert np.all(np.isnan(plob_bound([-0.1, 1.1, np.nan])))


def with_link(dataset: xr.Dataset, transmittance: float) -> xr.Dataset:
    steps = dataset.sizes["time"]
    shape = (dataset.sizes["point"], steps)
    dataset["mean_link_transmittance"] = (("point", "time"), np.full(shape, transmittance))
    dataset["trials"] = (("point", "time"), np.full(shape, 1e10 / steps))
    return dataset


def test_bound_is_summed_over_the_steps_of_a_pass_that_have_trials(statistics: Maker) -> None:
    dataset = with_link(statistics(points=2), 1e-3)
    np.testing.assert_allclose(repeaterless_bound(dataset), 2e10 * 0.001443417, rtol=1e-6)
    dataset["trials"][1, 3:] = 0.0
    dataset["mean_link_transmittance"][1, 3:] = np.nan
    np.testing.assert_allclose(repeaterless_bound(dataset)[1], 0.6 * 2e10 * 0.001443417, rtol=1e-6)


def test_a_file_that_does_not_tell_its_link_has_no_bound(statistics: Maker) -> None:
    assert repeaterless_bound(statistics()) is None
    assert "repeaterless_bound" not in analyze(statistics())


def test_a_key_beyond_the_bound_is_told(statistics: Maker) -> None:
    honest = analyze(with_link(statistics(points=1), 1e-3))
    assert (honest["expected_key_length"] < honest["repeaterless_bound"]).all()
    assert "beyond the repeaterless bound" not in honest.attrs["notes"]
    wrong = analyze(with_link(statistics(points=1), 1e-7))
    assert "beyond the repeaterless bound: the file contradicts itself" in wrong.attrs["notes"]
