"""The picture of wave optics against laws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from qphys import UserError, plots


@pytest.fixture
def study() -> xr.Dataset:
    """Four cases of uniform samples, their own law and one that does not apply."""
    x = np.linspace(0, 1, 11)
    sample = np.random.default_rng(1).random((4, 50))
    cumulative = np.stack([np.tile(x, (4, 1)), np.full((4, 11), np.nan)], axis=1)
    return xr.Dataset(
        {
            "transmittance": (("case", "realisation"), sample),
            "distance": (("case", "law"), np.tile([0.05, np.nan], (4, 1))),
            "x": (("case", "quantile"), np.tile(x, (4, 1))),
            "cumulative": (("case", "law", "quantile"), cumulative),
        },
        coords={"case": list("abcd"), "law": ["uniform", "none"]},
    )


def test_each_case_has_a_panel_with_the_sample_and_the_laws_that_apply(study: xr.Dataset) -> None:
    axes = plots.wave_study(study, Figure())
    assert [axis.get_title() for axis in axes] == list("abcd")
    for axis, sample in zip(axes, study["transmittance"].values, strict=True):
        simulated, law = axis.get_lines()
        np.testing.assert_array_equal(simulated.get_xdata(), np.sort(sample))
        np.testing.assert_array_equal(law.get_xdata(), law.get_ydata())
        assert law.get_label() == "uniform, 0.050"


def test_picture_is_written_and_other_endings_refused(study: xr.Dataset, tmp_path: Path) -> None:
    assert plots.draw_wave_study(study, tmp_path / "laws.png").stat().st_size > 10_000
    with pytest.raises(UserError, match="cannot draw"):
        plots.draw_wave_study(study, tmp_path / "laws.xyz")
