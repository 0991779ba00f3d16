"""Example runs of pairs with one photon beside the source: over fibre, and from the ground up to a satellite."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qphys import keyrates, run
from qphys.sources import timing

RUNS = Path(__file__).parents[2] / "runs"


def test_a_fibre_arm_gives_the_rates_of_hand_arithmetic(tmp_path: Path) -> None:
    # Oracle: 10 km at 0.35 dB and four connectors at 0.3 dB, 3.75 % of collection and detector, 10 us dead.
    with run(RUNS / "entangled-fibre.toml", output=tmp_path / "f.h5", overrides={"statistics.realisations": 0}) as file:
        found = keyrates.analyze(file)
        link = file["mean_link_transmittance"].values[0]
    assert -10 * np.log10(link[1] / link[0]) == pytest.approx(4.7, abs=1e-9)
    eta = 0.25 * 0.15 * np.array([1.0, 10**-0.47])
    fraction = float(timing.coincidence_fraction(1e-9, np.sqrt(2) * 250e-12))
    live = 1 / (1 + (1e6 * eta / 4 + 1000) * 1e-5)
    rate = 1e6 * fraction * eta.prod() * live.prod()
    assert float(found["expected_coincidence_count"][0]) / 600 == pytest.approx(rate, rel=0.01)
    # 2.5 % of the state and half of the accidentals, which are about 1/690 of the coincidences
    assert float(found["expected_qber"][0]) == pytest.approx(0.025 + 0.475 / 688, abs=1e-4)
    assert 90.0 < float(found["expected_key_length"][0]) / 600 < float(found["expected_sifted_count"][0]) / 600


def test_a_ground_source_reaches_the_satellite_with_the_measured_loss(tmp_path: Path) -> None:
    # Oracle: 41 dB at 500 km with 3 dB of the receiver counted, published; rates follow by hand at the closest step.
    changes = {"statistics.realisations": 0, "window.time_step_s": 20.0, "statistics.expected": "per step"}
    with run(RUNS / "entangled-ground-source.toml", output=tmp_path / "g.h5", overrides=changes) as file:
        found = keyrates.analyze(file)
        series = keyrates.analyze_over_time(file)
        link, distance = file["mean_link_transmittance"].values[0], file["range"].values[0]
    closest = int(np.argmin(distance[1]))
    assert np.isnan(distance[0]).all() and np.ptp(link[0]) == 0.0
    assert distance[1, closest] == pytest.approx(515e3, rel=0.02)
    # the receiver's 20 % hold the same half of the optics and 40 % of collection, which no published loss does
    assert -10 * np.log10(link[1, closest] / 0.4) == pytest.approx(41.0, abs=0.5)
    fraction = float(timing.coincidence_fraction(1e-9, np.sqrt(2) * 350e-12))
    dead = 1 / (1 + 60e6 * 0.24 / 4 * 30e-9)
    rate = 60e6 * 0.24 * dead * 0.55 * link[1, closest] * fraction
    found_rate = series["expected_coincidence_rate"] - series["expected_accidental_rate"]
    assert float(found_rate[closest]) == pytest.approx(rate, rel=0.03)
    assert 0.015 < float(found["expected_qber"][0]) < 0.06 and float(found["expected_key_length"][0]) > 0
