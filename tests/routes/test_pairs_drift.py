"""Drift of the times of flight along a pass, from the orbit to the coincidences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qphys.errors import UserError
from qphys.recipe import read_recipe
from qphys.river import River
from qphys.stages import PairEmission

SPEED_OF_LIGHT = 299_792_458.0
SEED = 7103

RUN = """
title = "Drift"
protocol = "bbm92"
source = "micius-pairs"
[orbit]
kind = "circle"
altitude_km = 500.0
maximum_elevation_deg = 80.0
[window]
minimum_elevation_deg = 25.0
time_step_s = 5.0
[arms.alice]
channel = "on-board"
receiver = "micius-delingha"
[arms.bob]
receiver = "micius-nanshan"
[arms.bob.station]
altitude_m = 0.0
[arms.bob.channel]
kind = "fixed"
loss_db = 30.0
includes = ["diffraction", "pointing", "transmitter optics", "atmosphere", "turbulence", "receiver optics"]
background_rate_hz = 500.0
[statistics]
realisations = 0
"""


def rates(folder: Path, overrides: dict[str, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Range rate, mean of the fraction in each step and true coincidences a trial."""
    path = folder / "drift.toml"
    path.write_text(RUN)
    recipe = read_recipe(path, overrides=overrides)
    point, river = recipe.point(0), River(recipe.catalogue)
    emission, clicks = river.light(point), river.clicks(point)
    assert isinstance(emission, PairEmission)
    cells = np.einsum("tnab,tn->tab", clicks.probability, clicks.weight)
    chance = cells[:, 1:].sum(axis=(1, 2)) * cells[:, :, 1:].sum(axis=(1, 2))
    true = cells[:, 1:, 1:].sum(axis=(1, 2)) - chance
    return river.tracks(point)[1].range_rate, np.asarray(emission.coincidence_fraction), true


def test_coincidences_follow_the_arrival_times_of_the_photons(tmp_path: Path) -> None:
    """Oracle: events. Pairs at random ages of a correction that is made every 2 ms, arrival by the range of the moment."""
    drifting = {
        "source.pump.correction_interval_ms": 2.0,
        "source.pump.uncorrected_drift": 0.1,
        "source.pump.jitter_rms_ps": [300.0, 500.0],
    }
    rate, fraction, true = rates(tmp_path, drifting)
    followed = rates(tmp_path, {"source.pump.jitter_rms_ps": [300.0, 500.0]})
    random = np.random.default_rng(SEED)
    for step in (0, len(rate) // 2, len(rate) - 3):
        age = 2e-3 * random.random(200_003)
        ranges = 700e3 + rate[step] * age
        predicted = 700e3 + 0.9 * rate[step] * age
        late = (ranges - predicted) / SPEED_OF_LIGHT + random.normal(size=age.size) * np.hypot(300e-12, 500e-12)
        kept = np.mean(np.abs(late) < 1.25e-9)
        sigma = np.sqrt(kept * (1 - kept) / age.size)
        assert fraction[step] == pytest.approx(kept, abs=4 * sigma)
        # what the window loses of the true coincidences; singles, and so accidentals, stay
        assert true[step] / followed[2][step] == pytest.approx(fraction[step] / followed[1][step], rel=2e-3)
    assert np.ptp(fraction) > 0.3


def test_a_delay_that_is_followed_loses_nothing(tmp_path: Path) -> None:
    """Limit: no interval, or a prediction that leaves no drift."""
    _, fraction, true = rates(tmp_path, {})
    np.testing.assert_array_equal(fraction, 1.0)
    predicted = rates(tmp_path, {"source.pump.correction_interval_ms": 1e3, "source.pump.uncorrected_drift": 0.0})
    np.testing.assert_allclose(predicted[2], true, rtol=1e-13)


def test_a_pass_without_range_rates_cannot_drift(tmp_path: Path) -> None:
    path = tmp_path / "table.toml"
    path.write_text(
        RUN.replace('kind = "circle"\naltitude_km = 500.0\nmaximum_elevation_deg = 80.0', 'kind = "table"\ntable = "t.csv"')
        .replace("minimum_elevation_deg = 25.0\n", "")
        .replace("[window]\ntime_step_s = 5.0\n", "")
    )
    (tmp_path / "t.csv").write_text("time_s,elevation_deg\n0,30\n1,31\n2,32\n")
    recipe = read_recipe(path, overrides={"source.pump.correction_interval_ms": 1.0})
    with pytest.raises(UserError, match=r"source\.pump\.correction_interval_ms = 1: the drift of the delay needs"):
        River(recipe.catalogue).light(recipe.point(0))
