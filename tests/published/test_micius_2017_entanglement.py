"""Micius 2017, entanglement over 1,203 km (Yin et al., Science 356, 1140): a closure of S, and what it cannot show."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from qphys import keyrates
from qphys.pipeline import Report, analysis_of, compare_report


@pytest.fixture(scope="module")
def report() -> Report:
    return compare_report("micius-2017-entanglement", overrides={"statistics.realisations": 0})


def row(table: xr.Dataset | None, case: str, name: str) -> dict[str, float]:
    assert table is not None
    (index,) = np.flatnonzero((table["case"].values == case) & (table["name"].values == name))
    return {key: table[key].values[index] for key in table.data_vars}  # type: ignore[misc]


def test_s_of_the_closure_is_that_of_the_error_rate_quoted_for_it(report: Report) -> None:
    # Oracle: 2 sqrt 2 (1 - 2 x 0.081) = 2.370; published 2.37 +- 0.09, and called an input.
    told = row(report.comparison, "closure", "chsh")
    assert told["simulated"] == pytest.approx(2 * np.sqrt(2) * (1 - 2 * 0.081), abs=0.005)
    assert told["verdict"] == "input"


def test_accidentals_alone_leave_s_above_the_published_value(report: Report) -> None:
    # Oracle: coincidences without correlation are 1 in 1 + signal to noise.
    told = row(report.comparison, "ideal-state", "chsh_of_a_perfect_state")
    ratio = keyrates.analyze(report.statistics, analysis_of(report.statistics))["expected_signal_to_noise"].values[1]
    assert told["simulated"] == pytest.approx(2 * np.sqrt(2) * ratio / (1 + ratio), rel=0.002)
    assert told["verdict"] == "differs"


def test_one_pass_is_not_the_sample_of_the_published_error(report: Report) -> None:
    # Oracle: sqrt(4 (4 - S^2/4) / n): 0.09 needs about 1,280 events, so that one pass scatters more.
    found = keyrates.analyze(report.statistics, analysis_of(report.statistics))
    error, events = (float(found[f"expected_{n}"].values[0]) for n in ("chsh_standard_error", "coincidence_count"))
    assert error == pytest.approx(np.sqrt((16 - 2.37**2) / events), rel=0.02)
    assert error > 0.09
