"""Residuals are arithmetic on a file; declarations are checked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

from qphys.comparison import QUANTITIES, compare, experiment, key_choices, rows
from qphys.errors import UserError

DECLARED: dict[str, Any] = {
    "title": "T",
    "citation": "C",
    "cases": {"a": {"claim": "closure", "assumption": "x"}, "b": {"claim": "prediction", "assumption": "y"}},
    "published": {"n": {"quantity": "detections", "value": 100.0, "tolerance_percent": 5.0}},
}
OUTCOMES = ("none", "Z0", "Z1", "X0", "X1", "double_Z", "double_X", "across")


def declared(**published: Any) -> Any:
    return experiment({**DECLARED, "published": published or DECLARED["published"]}, "e.toml")


def statistics(cases: tuple[str, ...] = ("a", "b"), steps: int = 5) -> xr.Dataset:
    """Each case and step: the signal has 7 right and 1 wrong bit in Z, 4 right in X, 2 across; the decoy 3 right in Z."""
    cells = np.zeros((len(cases), steps, 2, 2, 2, 8))
    cells[:, :, 0, 0, 0, 1:3] = [7, 1]
    cells[:, :, 0, 1, 1, 4] = 4
    cells[:, :, 0, 1, 1, 7] = 2
    cells[:, :, 1, 0, 1, 2] = 3
    dims = ("point", "time", "intensity", "alice_basis", "alice_bit", "bob_outcome")
    one = (("point", "time"), np.ones((len(cases), steps)))
    distance = np.array([900e3, 700e3, 650e3, 710e3, 950e3])[:steps]
    return xr.Dataset(
        {
            "expected_counts": (dims, cells),
            "expected_total_counts": ((dims[0], *dims[2:]), cells.sum(axis=1)),
            "trials": one,
            "range": (("point", "time"), np.tile(distance, (len(cases), 1))),
            "elevation": (("point", "time"), np.full((len(cases), steps), 0.5)),
            "mean_link_transmittance": (("point", "time"), np.tile(10.0 ** -np.arange(1.0, steps + 1), (len(cases), 1))),
        },
        coords={
            "case": ("point", np.asarray(cases, dtype=object)),
            "time": np.arange(steps) * 2.0 + 1.0,
            "intensity": ["mu1", "mu2"],
            "alice_basis": ["Z", "X"],
            "alice_bit": ["0", "1"],
            "bob_outcome": list(OUTCOMES),
        },
        attrs={"protocol": "decoy-bb84"},
    )


@pytest.mark.parametrize(
    ("quantity", "value", "more"),
    [
        ("detections", 5 * (8 + 4 + 2 + 3), {}),
        ("signal_detections", 5 * (8 + 4 + 2), {}),
        ("sifted", 5 * (8 + 4 + 3), {}),
        ("sifted_signal", 5 * 12, {}),
        ("sifted_signal_over_detections", 12 / 17, {}),
        ("qber", 100 * 1 / 15, {}),
        ("qber_signal", 100 * 1 / 12, {}),
        ("duration", 10.0, {}),
        ("closest_range", 650.0, {}),
        ("largest_range", 950.0, {}),
        ("highest_elevation", np.rad2deg(0.5), {}),
        ("mean_loss", -10 * np.log10(np.mean([1e-1, 1e-2, 1e-3, 1e-4, 1e-5])), {}),
        ("loss_at_range", 30.0, {"at_range_km": 655.0}),
        ("sifted_signal_rate_at_range", 6.0, {"at_range_km": 700.0}),
    ],
)
def test_every_quantity_is_what_a_hand_counts(quantity: str, value: float, more: dict[str, float]) -> None:
    found = compare(statistics(), declared(n={"quantity": quantity, "value": 2.0, **more}))
    np.testing.assert_allclose(found["simulated"].values, value, rtol=1e-12)
    np.testing.assert_allclose(found["residual_percent"].values, 100 * (value / 2.0 - 1), rtol=1e-12)


def test_every_quantity_but_the_key_is_counted_above() -> None:
    (mark,) = test_every_quantity_is_what_a_hand_counts.pytestmark  # type: ignore[attr-defined]
    assert {argument[0] for argument in mark.args[1]} == set(QUANTITIES) - {"key_length"}


@pytest.mark.parametrize(
    ("published", "verdict"),
    [
        ({"value": 85.0, "tolerance_percent": 1.0}, "agrees"),
        ({"value": 80.0, "tolerance_percent": 1.0}, "differs"),
        ({"value": 80.0, "sigma": 3.0}, "agrees"),
        ({"value": 80.0, "sigma": 2.0}, "differs"),
        ({"value": 80.0, "sigma": 2.0, "role": "input"}, "input"),
        ({"value": 80.0}, ""),
    ],
)
def test_a_verdict_needs_a_tolerance_or_two_sigma_and_an_input_gets_none(published: dict[str, Any], verdict: str) -> None:
    found = compare(statistics(), declared(n={"quantity": "detections", **published}))
    assert set(found["verdict"].values) == {verdict}


def test_a_published_number_is_compared_with_its_cases_only() -> None:
    found = compare(statistics(), declared(n={"quantity": "detections", "value": 1.0, "cases": ["b"]}))
    assert found["case"].values.tolist() == ["b"]
    assert rows(found, "a") == []


def test_a_file_without_the_experiments_cases_is_refused() -> None:
    with pytest.raises(UserError, match="none of the experiment's cases"):
        compare(statistics(("x", "y")), declared())
    with pytest.raises(UserError, match="no case of an experiment"):
        compare(statistics().drop_vars("case"), declared())
    with pytest.raises(UserError, match="expectations for every step"):
        compare(
            statistics().drop_vars("expected_counts"),
            declared(n={"quantity": "sifted_signal_rate_at_range", "at_range_km": 1.0, "value": 1.0}),
        )


@pytest.mark.parametrize(
    ("over", "told"),
    [
        ({"published": {"n": {"quantity": "detection", "value": 1.0}}}, "did you mean 'detections'"),
        ({"published": {"n": {"quantity": "loss_at_range", "value": 1.0}}}, "needs at_range_km"),
        ({"published": {"n": {"quantity": "detections", "value": 1.0, "cases": ["c"]}}}, "no case 'c'"),
        ({"published": {}}, "published"),
        ({"cases": {}}, "cases"),
        ({"cases": {"a": {"claim": "guess", "assumption": ""}}}, "cases.a.claim = 'guess'"),
        ({"key_choices": {"k": {}}, "key_choices_case": "z"}, "key_choices_case = 'z'"),
    ],
)
def test_a_mistake_in_a_declaration_is_told(over: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match="e.toml") as error:
        experiment({**DECLARED, **over}, "e.toml")
    assert told in str(error.value)


def test_choices_without_their_case_in_the_file_give_no_keys() -> None:
    chosen = experiment({**DECLARED, "key_choices": {"k": {}}, "key_choices_case": "a"}, "e.toml")
    assert key_choices(statistics(("b",)), chosen).sizes["choice"] == 0
