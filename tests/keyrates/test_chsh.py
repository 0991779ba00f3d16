"""CHSH from counts: signs, P values, what is dropped and said, refusals."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import xarray as xr

from qphys import core
from qphys.errors import UserError
from qphys.keyrates import chsh
from qphys.keyrates.chsh import CHSHSettings, analyze_chsh

DIMS = ("point", "realisation", "time", "alice_outcome", "bob_outcome")


def probabilities(visibility: float, signs: str = "+++-", efficiency: float = 0.1) -> np.ndarray:
    """Outcomes (6, 6) of a Werner state at the best settings, each with probability 1/2, and lost photons."""
    cells = np.zeros((6, 6))
    for j, (a, b) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
        correlation = visibility / np.sqrt(2) * (1 if signs[j] == "+" else -1)
        for x in (0, 1):
            for y in (0, 1):
                cells[1 + 2 * a + x, 1 + 2 * b + y] = efficiency**2 / 16 * (1 + correlation * (1 if x == y else -1))
    cells[1:5, 0] = cells[0, 1:5] = efficiency * (1 - efficiency) / 4
    cells[0, 0] = (1 - efficiency) ** 2
    return cells


def statistics(visibility: float = 0.9, signs: str = "+++-", trials: float = 1e5, seed: int = 7) -> xr.Dataset:
    expected = np.tile(probabilities(visibility, signs) * trials / 4, (2, 4, 1, 1))
    counts = np.random.default_rng(seed).poisson(expected[:, np.newaxis], (2, 31, 4, 6, 6))
    return xr.Dataset(
        {"counts": (DIMS, counts), "expected_counts": (("point", "time", *DIMS[3:]), expected)},
        {"alice_outcome": list(chsh.OUTCOMES[0]), "bob_outcome": list(chsh.OUTCOMES[1]), "loss_db": ("point", [60.0, 61.0])},
        {"protocol": "chsh", "chsh_signs": signs},
    )


@pytest.mark.parametrize("signs", chsh.SIGNS)
def test_value_of_a_werner_state_is_found_for_every_choice_of_signs(signs: str) -> None:
    # oracle: S = 2 sqrt 2 V
    result = analyze_chsh(statistics(signs=signs), CHSHSettings())
    np.testing.assert_allclose(result["expected_chsh"], 2 * np.sqrt(2) * 0.9, rtol=1e-12)
    assert result.attrs["chsh_signs"] == signs
    wrong = analyze_chsh(statistics(signs=signs), CHSHSettings(signs="+++-" if signs != "+++-" else "++-+"))
    assert (wrong["expected_chsh"] < 2).all() and (wrong["expected_game_log10_p_value"] == 0).all()


def test_every_variable_has_dimensions_a_unit_and_a_long_name() -> None:
    result = analyze_chsh(statistics(), CHSHSettings())
    for prefix, dims in (("", ("point", "realisation")), ("expected_", ("point",))):
        for names, further in ((chsh.SCALARS, ()), (chsh.PER_SETTINGS, ("settings",))):
            for name in names:
                assert result[prefix + name].dims == (*dims, *further)
    for name, variable in result.data_vars.items():
        assert variable.attrs["long_name"]
        assert ("units" in variable.attrs) != ("flag_values" in variable.attrs), name
    assert "fair sampling" in result.attrs["assumptions"]
    assert result["loss_db"].dims == ("point",)


def test_samples_scatter_as_the_standard_error_says_and_the_interval_covers() -> None:
    # oracle: 62 samples: their spread within 30 % of the standard error (3.4 sigma); 95 % intervals miss at most 9
    result = analyze_chsh(statistics(), CHSHSettings())
    value, true = result["chsh"].values, 2 * np.sqrt(2) * 0.9
    assert np.std(value) == pytest.approx(float(result["chsh_standard_error"].mean()), rel=0.3)
    assert abs(np.mean(value) - true) < 4 * np.std(value) / np.sqrt(value.size)
    missed = (result["chsh_gaussian_lower"].values > true) | (result["chsh_gaussian_upper"].values < true)
    assert np.count_nonzero(missed) <= 9
    assert (result["chsh_hoeffding_lower"] < result["chsh_gaussian_lower"]).all()


def test_numbers_are_those_of_the_kernel_for_sums_over_time() -> None:
    dataset = statistics()
    result = analyze_chsh(dataset, CHSHSettings(confidence=0.9, setting_probabilities=(0.2, 0.3, 0.2, 0.3)))
    cells = dataset["counts"].values.sum(axis=2)
    equal, unequal = (
        np.stack(
            [
                cells[..., 1 + 2 * a, 1 + 2 * b + flip] + cells[..., 2 + 2 * a, 2 + 2 * b - flip]
                for a in (0, 1)
                for b in (0, 1)
            ],
            axis=-1,
        )
        for flip in (0, 1)
    )
    told = core.chsh(equal, unequal, setting_probabilities=[0.2, 0.3, 0.2, 0.3], confidence=0.9)
    np.testing.assert_array_equal(result["chsh"], told.chsh)
    np.testing.assert_array_equal(result["game_log10_p_value"], told.game_log10_p_value)
    np.testing.assert_array_equal(result["chsh_gaussian_upper"], told.gaussian_upper)
    np.testing.assert_array_equal(result["equal_count"], equal)
    np.testing.assert_array_equal(result["sifted_count"], (equal + unequal).sum(axis=-1))
    np.testing.assert_allclose(result["correlation"], (equal - unequal) / (equal + unequal), rtol=1e-15)


def test_double_clicks_are_counted_and_dropped() -> None:
    dataset = statistics()
    cells = dataset["counts"].values.copy()
    cells[..., 0, 5, 1], cells[..., 0, 2, 5], cells[..., 0, 5, 5], cells[..., 0, 5, 0] = 3, 2, 1, 100
    hurt = dataset.assign(counts=(DIMS, cells))
    plain, result = (analyze_chsh(d, CHSHSettings()) for d in (dataset, hurt))
    np.testing.assert_array_equal(result["chsh"], plain["chsh"])
    np.testing.assert_array_equal(result["double_click_count"], np.full((2, 31), 6.0))


def test_a_row_without_events_or_with_garbage_has_no_value_and_p_value_one() -> None:
    dataset = statistics()
    cells = dataset["counts"].values.astype(float)
    cells[0, 0, 0, 1, 1], cells[0, 1, :, 1:3, 1:3] = np.nan, 0.0
    result = analyze_chsh(dataset.assign(counts=(DIMS, cells)), CHSHSettings())
    assert result["status"].values[0, :3].tolist() == [
        core.STATUS["input_not_finite"],
        core.STATUS["no_sampling_bound"],
        0,
    ]
    assert np.isnan(result["chsh"].values[0, :2]).all() and (result["game_log10_p_value"].values[0, :2] == 0).all()


def test_more_clicks_than_trials_are_refused() -> None:
    dataset = statistics().assign(trials=("point", [10.0, 1e7]))
    result = analyze_chsh(dataset, CHSHSettings())
    assert (result["status"][0] == 65).all() and (result["status"][1] == 0).all()
    assert np.isnan(result["chsh"][0]).all() and (result["game_log10_p_value"][0] == 0).all()


def test_device_independent_information_of_the_expected_value() -> None:
    result = analyze_chsh(statistics(), CHSHSettings())
    told = core.chsh_di_rate_estimate(2 * np.sqrt(2) * 0.9, 0.0)
    np.testing.assert_allclose(result["expected_di_information_estimate"], told.information, rtol=1e-9)


@pytest.mark.parametrize(
    ("settings", "change", "message"),
    [
        ({"setting_probabilities": (0.3, 0.3, 0.3, 0.3)}, lambda d: d, "setting_probabilities"),
        ({}, lambda d: d.assign_attrs(chsh_signs="++++"), r"'chsh_signs' = '\+\+\+\+'"),
        ({}, lambda d: d.drop_vars(["counts", "expected_counts"]), "neither counts nor expected_counts"),
        ({}, lambda d: d.assign_coords(bob_outcome=["none", "b0+", "b0-", "b1+", "b2-", "double"]), "'b2-'"),
        ({}, lambda d: d.isel(alice_outcome=[0, 1, 2, 3, 5]), "alice_outcome: a1- missing"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_name(settings: dict[str, Any], change: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        analyze_chsh(change(statistics()), CHSHSettings(**settings))


def test_rows_and_heading_tell_value_interval_and_p_values() -> None:
    result = analyze_chsh(statistics(), CHSHSettings())
    result.attrs["analysis_settings"] = json.dumps(CHSHSettings().model_dump())
    told = chsh.rows(result)
    assert len(told) == 4
    assert told[0]["S"] == pytest.approx(2.5456, abs=1e-4)
    assert told[0]["loss_db"] == 60 and told[0]["status"] == "good"
    assert "CHSH value (signs +++-, confidence 0.95, fair sampling)" in chsh.heading(result)
