"""Formula checks as experiments: Ma, Fung and Lo 2007 and Neumann et al. 2021 against whole click patterns."""

from __future__ import annotations

import numpy as np
import pytest

from qphys.pipeline import compare_report


def residuals(name: str) -> dict[str, float]:
    table = compare_report(name).comparison
    assert table is not None
    assert set(table["claim"].values) == {"formula"}
    assert set(table["verdict"].values) == {"agrees"}
    return dict(zip(table["name"].values, np.asarray(table["residual_percent"].values), strict=True))


def test_gain_errors_and_key_are_those_of_ma_fung_lo() -> None:
    # Oracle: Eq. 9 exact to the six digits told; Eq. 10 lacks a factor of dark counts and takes a flip for a rotation.
    found = residuals("ma-fung-lo-2007")
    assert abs(found["coincidence_rate"]) < 2e-4 and abs(found["coincidence_rate_30_db"]) < 2e-4
    assert abs(found["error_rate"]) < 0.02 and abs(found["error_rate_30_db"]) < 0.02


def test_errors_beside_neumann_are_fewer_in_proportion_to_efficiency_and_accidentals() -> None:
    # Law: partners that were seen make double clicks, (eta_A + eta_B) CC_acc of CC_m, hand arithmetic at both losses.
    found = residuals("neumann-2021")
    doubled = []
    for name, eta, rate, window, told, error in (
        ("20_20", 1e-2, 599.428e6, 134e-12, 50429.5, 0.0586843),
        ("30_30", 1e-3, 991.503e6, 76e-12, 829.231, 0.0616191),
    ):
        accidentals = (rate * eta + 100.0) ** 2 * window
        doubled.append(found[f"error_rate_{name}"] / (100 * 2 * eta * accidentals / told / error))
        assert -0.5 < doubled[-1] < 0.0
        assert abs(found[f"coincidence_rate_{name}"]) < 0.2
    assert doubled[0] == pytest.approx(doubled[1], rel=0.1)
