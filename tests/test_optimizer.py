"""Best sources: the run's own key on the way, a global search that finds no better, and policies that are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import qphys
from qphys import optimizer, recipe
from qphys.errors import UserError
from qphys.river import River

RUN = """
title = "Fixed"
receiver = "{receiver}"
{head}
[source]
model = "micius-decoy"
mean_photon_numbers = {numbers}
intensity_probabilities = {probabilities}
{orbit}
[statistics]
realisations = 0
[analysis]
{analysis}
[optimize]
{optimize}
"""
FIXED = """
[orbit]
kind = "table"
table = "fixed-path.csv"
[channel]
kind = "fixed"
loss_db = 27.0
scintillation_index = 0.1
correlation_time_ms = 5.0
includes = ["diffraction", "pointing", "transmitter optics", "atmosphere", "turbulence", "receiver optics"]
background_rate_hz = 1000.0
[sweep.values]
"channel.loss_db" = [24.0, 27.0, 30.0]
"""
HEAD = """
station = "xinglong"
terminal = "micius"
channel = { model = "micius-2017-free-space", extra_loss_db = 4.0 }
"""
PASS = """
[orbit]
kind = "circle"
altitude_km = 500.0
maximum_elevation_deg = 60.0
[window]
minimum_elevation_deg = 22.0
time_step_s = 5.0
"""


def write(folder: Path, **changes: str) -> Path:
    told = {
        "receiver": "micius-xinglong",
        "numbers": "[0.7, 0.15, 0.0]",
        "probabilities": "[0.5, 0.3, 0.2]",
        "head": "",
        "orbit": FIXED,
        "analysis": 'proof = "auto"',
        "optimize": "",
    }
    path = folder / "run.toml"
    path.write_text(RUN.format(**(told | changes)))
    return path


@pytest.mark.parametrize(
    ("numbers", "probabilities"), [("[0.7, 0.15, 0.0]", "[0.5, 0.3, 0.2]"), ("[0.7, 0.15]", "[0.6, 0.4]")]
)
def test_key_before_is_the_key_that_the_run_itself_gives(tmp_path: Path, numbers: str, probabilities: str) -> None:
    path = write(tmp_path, numbers=numbers, probabilities=probabilities)
    best = qphys.optimize(path)
    statistics = qphys.run(path, output=tmp_path / "run.h5")
    own = qphys.analyze(statistics)["expected_key_length"].values
    statistics.close()
    assert np.all(own > 0)
    np.testing.assert_allclose(best["key_length_before"], own, atol=1.0)
    assert np.all(best["key_length"] > best["key_length_before"])
    assert best.attrs["proof"] == ("lim2014" if numbers.count(",") == 2 else "wiesemann2026")


def test_a_run_with_the_values_found_gives_the_key_that_was_promised(tmp_path: Path) -> None:
    best = qphys.optimize(write(tmp_path)).isel(point=1)
    value = {name: float(best[name]) for name in best.data_vars}
    weakest = 1.0 - value["signal_probability"] - value["decoy_probability"]
    overrides = {
        "source.mean_photon_numbers": [value["signal_mean_photon_number"], value["decoy_mean_photon_number"], 0.0],
        "source.intensity_probabilities": [value["signal_probability"], value["decoy_probability"], weakest],
        "source.basis_probability_z": value["basis_probability_z"],
    }
    statistics = qphys.run(write(tmp_path), output=tmp_path / "best.h5", overrides=overrides)
    key = float(qphys.analyze(statistics)["expected_key_length"].values[1])
    statistics.close()
    assert key == pytest.approx(value["key_length"], abs=2.0)


def problem(path: Path) -> tuple[Any, Any]:
    """The function that is searched, and the settings."""
    told = recipe.read_recipe(path)
    river, points = River(told.catalogue), [told.point(i) for i in range(len(told))]
    links = [optimizer.link_of(river, point) for point in points]
    chosen = optimizer.OptimizeSettings()
    settings = optimizer.settings_for(points[0].run, 3, "run.toml")
    return optimizer.Problem(links, chosen, settings, "run.toml"), links


def test_no_global_search_finds_a_better_source(tmp_path: Path) -> None:
    from scipy.optimize import differential_evolution

    path = write(tmp_path)
    function, _ = problem(path)
    best = qphys.optimize(path)["key_length"].values
    for link, found in enumerate(best):

        def loss(points: Any, link: int = link) -> Any:
            return -function.margin(np.ascontiguousarray(points.T)[np.newaxis], np.array([link]))[0]

        other = differential_evolution(
            loss, [(0, 1)] * 5, vectorized=True, updating="deferred", popsize=12, maxiter=60, tol=1e-8, seed=1, polish=False
        )
        assert found >= (1.0 - 1e-3) * -other.fun


def test_the_window_is_optimised_with_the_source(tmp_path: Path) -> None:
    wide = 'minimum_elevation_deg = [22.0, 55.0]\nbasis_probability_z = "fixed"'
    with_window = qphys.optimize(write(tmp_path, head=HEAD, orbit=PASS, optimize=wide))
    without = qphys.optimize(write(tmp_path, head=HEAD, orbit=PASS, optimize='basis_probability_z = "fixed"'))
    assert "basis_probability_z" not in with_window
    # the window's low end is the whole pass, so that leaving steps out can only help, but for the last per mille of a search
    assert float(with_window["key_length"][0]) >= 0.999 * float(without["key_length"][0]) > 0
    lowest = float(with_window["minimum_elevation_deg"][0])
    assert 22.0 <= lowest <= 55.0


def test_a_receiver_that_follows_the_senders_bias_gains(tmp_path: Path) -> None:
    active = '{ model = "micius-xinglong", basis_choice = "active", active_detectors = 2 }'
    source = write(tmp_path).read_text().replace('receiver = "micius-xinglong"', f"receiver = {active}")
    own, follow = tmp_path / "own.toml", tmp_path / "follow.toml"
    # a long block, where little is spent on the test
    long = source.replace("loss_db = 27.0", "loss_db = 20.0").replace("[24.0, 27.0, 30.0]", "[12.0]")
    long = long.replace('proof = "auto"', 'proof = "auto"\nkey_basis = "Z"')
    own.write_text(long)
    follow.write_text(long + 'receiver_basis = "as sender"\n')
    assert float(qphys.optimize(follow)["key_length"][0]) > 1.2 * float(qphys.optimize(own)["key_length"][0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"optimize": "signal_mean_photon_number = [0.5, 0.2]"},
            r"signal_mean_photon_number = \[0.5, 0.2\]: must rise within 0",
        ),
        ({"optimize": "signal_probability = [0.5, 1.2]"}, "must rise within 0 and 1"),
        ({"optimize": "mu = [0.5, 1.2]"}, "optimize.mu: unknown key"),
        ({"optimize": 'receiver_basis = "as sender"'}, "the receiver's choice is passive"),
        ({"optimize": "minimum_elevation_deg = [10.0, 30.0]"}, "the orbit does not tell the elevation of every step"),
        ({"analysis": 'proof = "ma2005"'}, "an asymptotic rate has no best source of finite blocks"),
        ({"analysis": 'proof = "rusca2018"'}, "does not take the source's 3 intensities"),
        ({"analysis": 'block = "all"'}, "optimised for each pass by itself"),
    ],
)
def test_what_cannot_be_optimised_is_told(tmp_path: Path, changes: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        qphys.optimize(write(tmp_path, **changes))


def test_a_link_without_any_key_has_no_source(tmp_path: Path) -> None:
    path = write(tmp_path, orbit=FIXED.replace("[24.0, 27.0, 30.0]", "[24.0, 60.0]"))
    best = qphys.optimize(path)
    assert best["key_length"].values[1] == 0
    assert np.isnan(best["signal_probability"].values[1])
    assert best["signal_probability"].values[0] > 0
