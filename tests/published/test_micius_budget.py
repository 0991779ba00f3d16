"""The residual of Micius 2017 by terms: what the page of the documentation says of it, from the code that makes the page."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def told():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.micius_residual()


def test_terms_and_residual_make_the_measured_loss(told):
    losses = told["computed"].loss_db.sum("term").values + told["residual"]
    np.testing.assert_allclose(losses, told["measured"].total_loss_db.values, atol=1e-9)


def test_residual_above_24_degrees_is_a_constant_within_what_the_digitised_curve_allows(told):
    """The paper's ranges leave 2.6 dB of pointing and 1.6 to 6.6 dB of air; the curve is good to 0.5 dB a point."""
    high = told["high"]
    assert high["mean"] == pytest.approx(4.0, abs=0.15)
    assert high["scatter"] < 0.6
    assert -1.0 < high["slope"] < 0.0


def test_rise_at_the_ends_is_steeper_than_any_extinction(told):
    """Extinction is a straight line in the airmass through both parts; these two differ by more than the scatter allows."""
    low = told["airmass"] > 2.6
    excess = told["residual"][low] - told["high"]["mean"]
    assert excess.max() > 4.0
    slope = np.polyfit(told["airmass"][low], told["residual"][low], 1)[0]
    assert slope > 5.0


def test_inverse_square_and_extinction_are_the_growth_of_the_model(told):
    """Closed form: 20 lg of the ranges, and the table's extinction; pointing and optics do not change."""
    computed = told["computed"]
    far, near = int(np.argmax(computed.range.values)), int(np.argmin(computed.range.values))
    growth = {
        str(t): float(computed.loss_db.sel(term=t)[far] - computed.loss_db.sel(term=t)[near]) for t in computed.term.values
    }
    ratio = 20 * np.log10(float(computed.range[far] / computed.range[near]))
    assert growth["diffraction"] == pytest.approx(ratio, abs=0.05)
    assert growth["pointing"] == growth["receiver optics"] == 0.0
    assert 0.6 < growth["atmosphere"] < 0.9
