"""Micius 2020 (Yin et al., Nature 582, 501): rates predicted, errors closed, and the key by each proof."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from qphys.pipeline import Report, compare_report


@pytest.fixture(scope="module")
def report() -> Report:
    return compare_report("micius-2020", overrides={"statistics.realisations": 0})


@pytest.fixture(scope="module")
def table(report: Report) -> xr.Dataset:
    assert report.comparison is not None
    return report.comparison


def row(table: xr.Dataset, case: str, name: str) -> dict[str, float]:
    (index,) = np.flatnonzero((table["case"].values == case) & (table["name"].values == name))
    return {key: table[key].values[index] for key in table.data_vars}  # type: ignore[misc]


def test_the_coincidence_rate_is_predicted_to_the_digits_printed(table: xr.Dataset) -> None:
    # Oracle: 2.2 /s; 0.5 dB of two links is 12 %. True pairs alone are 2.21 /s, and 1 in 16 is accidental.
    told = row(table, "closure", "coincidence_rate")
    assert told["simulated"] == pytest.approx(2.21 * 16 / 15, rel=0.01)
    assert told["verdict"] == "agrees"


def test_inputs_are_called_inputs(table: xr.Dataset) -> None:
    for name, value in (("signal_to_noise", 15.0), ("error_rate", 4.51)):
        told = row(table, "closure", name)
        assert told["verdict"] == "input"
        assert told["simulated"] == pytest.approx(value, rel=0.01)


def test_accidentals_alone_do_not_explain_the_error_rate(table: xr.Dataset) -> None:
    # Oracle: half of one in sixteen, 3.13 %, by hand.
    told = row(table, "no-polarization-error", "error_rate_predicted")
    assert told["simulated"] == pytest.approx(100 / 32, rel=0.01)
    assert told["verdict"] == "differs"


def test_the_published_formula_gives_key_where_composable_proofs_give_none(report: Report, table: xr.Dataset) -> None:
    # Oracle: n [1 - f h(E) - h(E + sqrt(ln(2/eps)/n))] by hand at the simulated bits and error rate.
    n, error = (row(table, "closure", name)["simulated"] for name in ("sifted_bits", "error_rate"))

    def h(x: float) -> float:
        return float(-x * np.log2(x) - (1 - x) * np.log2(1 - x))

    error /= 100
    by_hand = n * (1 - 1.19 * h(error) - h(error + np.sqrt(np.log(2e10) / n)))
    assert row(table, "closure", "final_key")["simulated"] == pytest.approx(by_hand, abs=2)
    assert row(table, "closure", "final_key_by_a_composable_proof")["simulated"] == 0
    (title,) = [t for t in report.tables if t.startswith("Secure key by what the paper leaves open")]
    lengths = {str(r["choice"]): r["key [bit]"] for r in report.tables[title]}
    assert lengths["Tomamichel 2012, 1e-10"] == lengths["Lim 2021, 1e-10"] == 0
    assert 0 < lengths["Lim 2021, 1e-6"] < lengths["Lim 2021, 1e-5"] < 372
