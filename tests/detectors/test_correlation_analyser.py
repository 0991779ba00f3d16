"""Analysers at given angles: Malus' law, labels, mistakes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qphys.detectors import KINDS
from qphys.errors import UserError
from qphys.optics import jones
from qphys.record import parse

TABLE: dict[str, Any] = {
    "kind": "correlation-analyser",
    "angles_deg": [0.0, 45.0, 22.5],
    "optics_transmittance": 0.5,
    "gate_ns": 2.0,
    "detector": {"efficiency": 0.6, "dark_rate_hz": 10.0, "dead_time_ns": 30.0, "afterpulse_probability": 0.0},
}


def analyser(**changes: Any) -> Any:
    return parse(KINDS["correlation-analyser"], {**TABLE, **changes}, "run.toml: receiver").analyser(100e6)  # type: ignore[attr-defined]


def test_powers_follow_malus() -> None:
    """Oracle: cos^2 of the angle between light and setting, with a leak of 1/(1 + C)."""
    found = analyser(polarization_contrast=99.0)
    light = np.deg2rad(17.0)
    powers = np.abs(found.amplitude[:, :, 0] @ jones.linear(light)) ** 2
    along = np.cos(light - np.deg2rad([0.0, 45.0, 22.5])) ** 2
    np.testing.assert_allclose(powers[:, 0], 0.99 * along + 0.01 * (1 - along), rtol=1e-12)
    np.testing.assert_allclose(powers.sum(axis=1), 1.0, rtol=1e-12)


def test_a_quarter_wave_plate_in_front_measures_circular_light() -> None:
    """Oracle: circular light goes whole to one detector of the setting at 45 degrees; H is still H in the setting at 0."""
    found = analyser(retardance_deg=90.0)
    circular = jones.elliptical(0.0, 0.5)
    powers = np.abs(found.amplitude[:, :, 0] @ circular) ** 2
    np.testing.assert_allclose(sorted(powers[1]), [0.0, 1.0], atol=1e-12)
    np.testing.assert_allclose(powers[0], 0.5, rtol=1e-12)
    np.testing.assert_allclose(np.abs(found.amplitude[0, :, 0] @ jones.linear(0.0)) ** 2, [1.0, 0.0], atol=1e-12)


def test_labels_name_setting_and_result() -> None:
    """Oracle: every setting has three outcomes of its own."""
    found = analyser(setting_probabilities=[0.5, 0.2, 0.3])
    assert found.outcomes[:3] == ("none", "S0+", "S0-") and found.outcomes[-1] == "double"
    assert [found.outcomes[i] for i in found.outcome_of_pattern[2]] == ["none", "S2+", "S2-", "double"]
    np.testing.assert_allclose(found.setting_probability, [0.5, 0.2, 0.3], rtol=1e-15)
    np.testing.assert_allclose(analyser().setting_probability, 1 / 3, rtol=1e-15)
    np.testing.assert_allclose(found.background_share, 0.3, rtol=1e-15)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"setting_probabilities": [0.5, 0.5]}, "setting_probabilities has 2 values, angles_deg 3"),
        ({"setting_probabilities": [0.5, 0.5, 0.5]}, "must sum to 1; the sum is 1.5"),
        ({"detector": {**TABLE["detector"], "efficiency": [0.5, 0.5, 0.5]}}, "detector.efficiency has 3 values"),
        ({"angles_deg": []}, "angles_deg"),
    ],
)
def test_mistakes_are_told(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match="run.toml: receiver") as error:
        analyser(**changes)
    assert told in str(error.value)
