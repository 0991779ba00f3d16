"""Formula checks as experiments: Ma, Fung and Lo 2007 and Neumann et al. 2021 against whole click patterns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qphys import keyrates, pipeline
from qphys.pipeline import compare_report


def residuals(name: str) -> dict[str, float]:
    table = compare_report(name).comparison
    assert table is not None
    assert set(table["claim"].values) == {"formula"}
    assert set(table["verdict"].values) == {"agrees"}
    return dict(zip(table["name"].values, np.asarray(table["residual_percent"].values), strict=True))


def test_gain_errors_and_key_are_those_of_ma_fung_lo_at_six_losses() -> None:
    # Oracle: Eq. 9 exact to the six digits told; Eq. 10 lacks a factor of dark counts and takes a flip for a rotation.
    found = residuals("ma-fung-lo-2007")
    assert len(found) == 18
    largest = {"coincidence_rate": 2e-4, "error_rate": 0.02, "key_rate": 0.02}
    for name, residual in found.items():
        assert abs(residual) < next(bound for start, bound in largest.items() if name.startswith(start)), name


def test_errors_beside_neumann_are_fewer_by_the_triples_of_clicks() -> None:
    # Law, by hand (docs/physics/pairs.md): passive receivers, 3/2 (1/4 + e/2 - E) q / CC_m; the rest is of order B t_CC.
    found = residuals("neumann-2021")
    assert len(found) == 15
    for name, eta, rate, window, flip, told, error in (
        ("20_20", (1e-2, 1e-2), 599.428e6, 134e-12, 0.0121, 50429.5, 0.0586843),
        ("30_20", (1e-3, 1e-2), 484.948e6, 93e-12, 0.0535, 3909.06, 0.0784874),
        ("40_20", (1e-4, 1e-2), 766.316e6, 86e-12, 0.0295, 633.711, 0.0670452),
        ("30_30", (1e-3, 1e-3), 991.503e6, 76e-12, 0.0182, 829.231, 0.0616191),
        ("40_40", (1e-4, 1e-4), 1235.352e6, 46e-12, 0.0401, 10.1038, 0.0721053),
    ):
        singles = [rate * e + 100.0 for e in eta]
        triples = (told - singles[0] * singles[1] * window) * sum(singles) * window / told
        fewer = 1.5 * triples * (0.25 + flip / 2 - error) / error
        assert 1.0 < -found[f"error_rate_{name}"] / (100 * fewer) < 1.0 + 2.0 * rate * window
        assert found[f"coincidence_rate_{name}"] == pytest.approx(
            -100 * triples, rel=rate * window, abs=5e-4
        )  # six digits told


def test_numbers_of_formulas_are_not_called_published() -> None:
    tables = compare_report("neumann-2021").tables
    rows = [row for title, rows in tables.items() if "(formula)" in title for row in rows]
    assert rows and all("by formula" in row and "published" not in row for row in rows)


@pytest.mark.parametrize(
    ("run", "key", "best", "closed"),
    [
        ("optimal-brightness", "source.pump.pair_rate_mhz", 1000.0, 991.503),
        ("optimal-brightness-pulsed", "source.pump.mean_pair_number", 0.12, 0.1176),
    ],
)
def test_the_best_brightness_is_a_result(run: str, key: str, best: float, closed: float, tmp_path: Path) -> None:
    # Oracle: the optimum of the closed forms; keys are whole bits, which moves the top of the parabola by about a per cent.
    statistics = pipeline.run(Path(__file__).parents[2] / "runs" / f"{run}.toml", output=tmp_path / f"{run}.h5")
    found = keyrates.best_of_sweep(keyrates.analyze(statistics), statistics)
    assert found is not None and (found.key, found.value) == (key, pytest.approx(best))
    assert found.interpolated == pytest.approx(closed, rel=0.015)
    told = pipeline.report(statistics)
    assert found.note in told.notes and told.comparison is None
    statistics.close()
