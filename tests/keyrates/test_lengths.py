"""Lengths that follow the counts against lengths fixed before."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr
from scipy.stats import norm

from qphys.errors import UserError
from qphys.keyrates.analyze import analyze
from qphys.keyrates.lengths import best_fixed_length, length_rows


def test_best_fixed_length_of_a_normal_spread_is_that_of_its_own_equation() -> None:
    # L P(l >= L) with l = 1 + s g is largest at L = 1 - x s, where L phi(x) / s = Phi(x)
    spread = 0.05
    x = np.linspace(0, 5, 100001)
    expected = np.max((1 - spread * x) * norm.cdf(x))
    lengths = 1 + spread * np.random.default_rng(3).standard_normal(400002)
    told = best_fixed_length(lengths)
    assert float(told.mean_key_length) == pytest.approx(expected, rel=1e-3)  # shares of 2e5 samples, 3 sigma 1e-3
    best = x[np.argmax((1 - spread * x) * norm.cdf(x))]
    assert float(told.acceptance_probability) == pytest.approx(norm.cdf(best), abs=5e-3)
    assert float(told.mean_key_length) < lengths.mean()


def test_length_is_not_fitted_to_the_samples_that_it_is_tried_on() -> None:
    # the samples to choose from prove 100 bits, those to try on half of the time only
    told = best_fixed_length([100.0, 100.0, 100.0, 0.0, 100.0, 100.0, 100.0, 0.0])
    assert float(told.length) == 100
    assert float(told.acceptance_probability) == 0.5
    assert float(best_fixed_length(np.zeros(6)).mean_key_length) == 0


def test_a_batch_is_its_rows() -> None:
    lengths = np.random.default_rng(4).exponential(1.0, (3, 101))
    told = best_fixed_length(lengths)
    for place in range(3):
        alone = best_fixed_length(lengths[place])
        assert told.length[place] == alone.length
        assert told.acceptance_probability[place] == alone.acceptance_probability


def test_rows_tell_the_analysis_of_each_proof_and_all_points_together(statistics: Callable[..., xr.Dataset]) -> None:
    data = statistics(points=3, realisations=9)
    rows = length_rows(data, key_basis="Z")
    assert [row["proof"] for row in rows] == ["lim2014", "variable-length"] * 4
    assert [row["is a claim"] for row in rows[:2]] == ["no", "yes"]
    key = analyze(data, proof="variable-length", key_basis="Z").key_length.values
    for place in range(3):
        row = rows[2 * place + 1]
        assert row["length read off the counts, mean [bit]"] == key[place].mean()
        assert row["5 % [bit]"] <= row["length read off the counts, mean [bit]"] <= row["95 % [bit]"]
        assert row["fixed length, mean key [bit]"] == row["best fixed length [bit]"] * row["accepted %"] / 100
    # links that differ a lot: no fixed length does as well as one that follows, and both halves saw every link
    together = rows[-1]
    assert together["loss_db"] == "all, equally likely"
    assert together["length read off the counts, mean [bit]"] == pytest.approx(key[:, :8].mean(), rel=1e-12)
    assert together["fixed length, mean key [bit]"] < 0.85 * together["length read off the counts, mean [bit]"]


def test_proofs_can_be_named(statistics: Callable[..., xr.Dataset]) -> None:
    rows = length_rows(statistics(points=1, realisations=4), ["tupkary2025", "rusca2018"])
    assert [(row["proof"], row["is a claim"]) for row in rows] == [("tupkary2025", "yes"), ("rusca2018", "no")]


def test_what_has_no_lengths_is_refused(statistics: Callable[..., xr.Dataset]) -> None:
    with pytest.raises(UserError, match="at least 4 realisations"):
        length_rows(statistics(points=1, realisations=3))
    with pytest.raises(UserError, match="ma2005 is asymptotic"):
        length_rows(statistics(points=1, realisations=4), ["ma2005"])
    with pytest.raises(UserError, match="decoy_bb84|decoy"):
        length_rows(statistics(points=1, realisations=4).assign_attrs(protocol="bbm92"))
    with pytest.raises(UserError, match="half of at least 4"):
        best_fixed_length([1.0, 2.0, 3.0])


def test_a_length_fixed_before_is_made_in_full_or_not_at_all(statistics: Callable[..., xr.Dataset]) -> None:
    data = statistics(points=3, realisations=9)
    proven = analyze(data, key_basis="Z").key_length.values
    length = int(np.median(proven[1]))
    result = analyze(data, key_basis="Z", fixed_length=length)
    np.testing.assert_array_equal(result.key_length.values, np.where(proven >= length, length, 0))
    meanings = dict(
        zip(result.status.attrs["flag_values"].tolist(), result.status.attrs["flag_meanings"].split(), strict=True)
    )
    told = np.vectorize(lambda value: meanings[int(value)])(result.status.values)
    assert set(told[proven < length]) == {"fixed_length_not_proven"}
    assert set(told[proven >= length]) == {"good"}
    assert 0 < (proven[1] < length).sum() < 9
    np.testing.assert_array_equal(result.block_key_length.values[..., 0], result.key_length.values)
    assert (result.expected_key_length.values <= length).all()
    plain = analyze(data, key_basis="Z")  # what stands beside a key as a reference is fixed by nobody
    np.testing.assert_array_equal(result.asymptotic_key_length_estimate.values, plain.asymptotic_key_length_estimate.values)


def test_a_fixed_length_is_that_of_one_block(statistics: Callable[..., xr.Dataset]) -> None:
    with pytest.raises(UserError, match="fixed_length is that of one block: set key_basis to 'Z' or 'X'"):
        analyze(statistics(points=1), fixed_length=1000)
    with pytest.raises(UserError, match="fixed_length"):
        analyze(statistics(points=1), key_basis="Z", fixed_length=-1)
