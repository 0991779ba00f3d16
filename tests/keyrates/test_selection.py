"""Selection of trials and blocks of a pass: what is kept, the epsilon that a choice costs, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from qphys import plots
from qphys.errors import UserError
from qphys.keyrates import analyze, key_against_threshold, rows, rows_by_construction
from qphys.keyrates.selection import Parts, Selection, training_steps
from qphys.statistics import schema

Maker = Callable[..., xr.Dataset]

LOSSES = (35.0, 34.0, 33.0, 32.0)
"""Edges of the probe's bins below, from the lowest reading up [dB]."""


@pytest.fixture
def probed(statistics: Maker) -> Maker:
    """Maker of statistics with a probe of five bins and an elevation that rises and falls; bin and step tell themselves."""

    def make(**given: Any) -> xr.Dataset:
        dataset = statistics(**({"steps": 6, "pulses": 6e10} | given))
        generator = np.random.default_rng(5)
        counts = dataset["counts"].values
        share = generator.dirichlet(np.ones(5), counts.shape[:3])
        split = np.moveaxis(
            generator.multinomial(
                counts, np.broadcast_to(share[..., np.newaxis, np.newaxis, np.newaxis, np.newaxis, :], (*counts.shape, 5))
            ),
            -1,
            3,
        )
        cells = (*schema.SETTINGS_BB84, schema.BOB_OUTCOME)
        weight = np.array([0.1, 0.2, 0.3, 0.2, 0.2])
        steps = counts.shape[2]
        rise = np.array([0.2, 0.3, 0.3, 0.1, 0.05, 0.05])
        whole = (
            dataset["expected_total_counts"].values[:, np.newaxis] * rise[:, np.newaxis, np.newaxis, np.newaxis, np.newaxis]
        )
        edges = 10 ** (-0.1 * np.array(LOSSES))
        lower, upper = np.concatenate([[0.0], edges]), np.concatenate([edges, [np.inf]])
        points = counts.shape[0]
        return dataset.assign(
            counts_by_probe=((schema.POINT, schema.REALISATION, schema.TIME, schema.PROBE_BIN, *cells), split),
            expected_counts=((schema.POINT, schema.TIME, *cells), whole),
            expected_counts_by_probe=(
                (schema.POINT, schema.TIME, schema.PROBE_BIN, *cells),
                whole[:, :, np.newaxis] * weight[:, np.newaxis, np.newaxis, np.newaxis, np.newaxis],
            ),
            probe_lower=((schema.POINT, schema.PROBE_BIN), np.tile(lower, (points, 1))),
            probe_upper=((schema.POINT, schema.PROBE_BIN), np.tile(upper, (points, 1))),
            elevation=((schema.POINT, schema.TIME), np.deg2rad(np.tile([15.0, 25.0, 40.0, 40.0, 25.0, 15.0], (points, 1)))),
            mean_transmittance=((schema.POINT, schema.TIME), np.tile([1e-4, 5e-4, 2e-3] * (steps // 3), (points, 1))),
        )

    return make


def kept(dataset: xr.Dataset, counts: np.ndarray, expected: np.ndarray) -> xr.Dataset:
    """A file without time that holds just these counts: what a selection must amount to."""
    cells = (*schema.SETTINGS_BB84, schema.BOB_OUTCOME)
    claims = dataset[["mean_photon_number", "setting_probability", "block_identity"]]
    return claims.assign(
        counts=((schema.POINT, schema.REALISATION, *cells), counts),
        expected_total_counts=((schema.POINT, *cells), expected),
    )


def same(one: xr.Dataset, other: xr.Dataset) -> None:
    """Both results have the same keys and bounds."""
    for name in ("key_length", "expected_key_length", "s1_lower", "phase_error_upper", "sifted_count", "status", "qber"):
        np.testing.assert_allclose(one[name].values, other[name].values, rtol=1e-12)


def test_a_threshold_keeps_the_bins_of_better_readings(probed: Maker) -> None:
    """Oracle: the counts added by hand, and the plain analysis of them with the same epsilon."""
    dataset = probed()
    result = analyze(dataset, {"selection": {"maximum_probe_loss_db": 33.0}})
    counts = dataset["counts_by_probe"].values[:, :, :, 3:].sum(axis=(2, 3))
    expected = dataset["expected_counts_by_probe"].values[:, :, 3:].sum(axis=(1, 2))
    same(result, analyze(kept(dataset, counts, expected)))
    assert (result["key_length"] > 0).all()
    assert result.attrs["security_epsilon_of_key"] == 1e-9
    np.testing.assert_allclose(result["expected_kept_fraction"], 0.4 * 1e10 / 1.01e10 * 1.0, rtol=1e-9)


@pytest.mark.parametrize(
    ("rule", "steps"),
    [
        ({"minimum_elevation_deg": 20.0}, [1, 2, 3, 4]),
        ({"begin_s": 150.0, "end_s": 420.0}, [2, 3]),
        ({"minimum_elevation_deg": 20.0, "end_s": 260.0}, [1, 2]),
    ],
)
def test_rules_of_steps_keep_what_they_say(probed: Maker, rule: dict[str, float], steps: list[int]) -> None:
    """Oracle: as above. The steps' centres lie at 50, 150, ... s, so that an edge at a centre keeps it."""
    dataset = probed()
    assert dataset["time"].values[:2].tolist() == [50.0, 150.0]
    if "begin_s" in rule:
        steps = [1, 2, 3]
    result = analyze(dataset, {"selection": rule})
    counts = dataset["counts"].values[:, :, steps].sum(axis=2)
    expected = dataset["expected_counts"].values[:, steps].sum(axis=1)
    same(result, analyze(kept(dataset, counts, expected)))


def test_clicks_of_the_signal_itself_select_steps(probed: Maker) -> None:
    """Oracle: steps picked by hand from all clicks of each realisation; basis, bit and intensity do not enter."""
    dataset = probed()
    dataset["counts"][:, :, ::2] *= 2  # every second step is bright
    dataset = dataset.drop_vars(["counts_by_probe", "expected_counts", "expected_counts_by_probe", "expected_total_counts"])
    dataset["trials"] = dataset["trials"] * 2
    clicks = dataset["counts"].isel(bob_outcome=slice(1, None)).sum([*schema.SETTINGS_BB84, schema.BOB_OUTCOME])
    rate = clicks / (dataset["trials"] / dataset["trial_rate"])
    middle = float(rate.isel(point=0).mean())
    result = analyze(dataset.isel(point=[0]), {"selection": {"minimum_click_rate_hz": middle}})
    counts = dataset["counts"].values[:1, :, ::2].sum(axis=2)
    plain = analyze(kept(dataset.isel(point=[0]), counts, np.zeros((1, 3, 2, 2, 8))))
    np.testing.assert_array_equal(result["key_length"], plain["key_length"])
    assert (result["key_length"] > 0).all()
    assert (rate.isel(point=0, time=slice(0, None, 2)) > middle).all() and (
        rate.isel(point=0, time=slice(1, None, 2)) < middle
    ).all()


def test_a_choice_from_the_same_data_costs_every_candidate_its_share(probed: Maker) -> None:
    """Oracle: each candidate analysed alone with a quarter of both epsilons; the best of these, row by row."""
    dataset = probed()
    losses = tuple(reversed(LOSSES))
    result = analyze(dataset, {"selection": {"maximum_probe_loss_db": losses, "chosen_from": "same-data"}})
    alone = [
        analyze(
            dataset,
            {"security_epsilon": 1e-9 / 4, "correctness_epsilon": 1e-15 / 4, "selection": {"maximum_probe_loss_db": loss}},
        )
        for loss in losses
    ]
    for name in ("key_length", "expected_key_length"):
        every = np.stack([one[name].values for one in alone])
        np.testing.assert_array_equal(result[name], every.max(axis=0))
        which = result["chosen_maximum_probe_loss_db" if name == "key_length" else "expected_chosen_maximum_probe_loss_db"]
        np.testing.assert_array_equal(which, np.array(losses)[every.argmax(axis=0)])
    assert result.attrs["security_epsilon_of_key"] == pytest.approx(1e-9)
    assert result.attrs["correctness_epsilon_of_key"] == pytest.approx(1e-15)
    assert result.attrs["thresholds_tried_on_the_key"] == 4
    free = analyze(dataset, {"selection": {"maximum_probe_loss_db": losses, "chosen_from": "expected"}})
    assert (free["expected_key_length"] > result["expected_key_length"]).all()
    assert free.attrs["thresholds_tried_on_the_key"] == 1


def test_a_threshold_from_expected_counts_does_not_follow_the_sample(probed: Maker) -> None:
    """Oracle: the choice stays when the sampled counts are those of another world; the key is that threshold's."""
    dataset = probed()
    rule = {"maximum_probe_loss_db": LOSSES, "chosen_from": "expected"}
    result = analyze(dataset, {"selection": rule})
    other = dataset.assign(
        counts_by_probe=dataset["counts_by_probe"][:, :, :, ::-1].assign_coords({}), counts=dataset["counts"]
    )
    changed = analyze(other, {"selection": rule})
    name = "chosen_maximum_probe_loss_db"
    np.testing.assert_array_equal(result[name], changed[name])
    by_point = result[name].values[:, 0]
    for point, loss in enumerate(by_point):
        alone = analyze(dataset.isel(point=[point]), {"selection": {"maximum_probe_loss_db": float(loss)}})
        np.testing.assert_array_equal(result["key_length"][point], alone["key_length"][0])


def test_steps_that_train_make_no_key(probed: Maker) -> None:
    """Oracle: with the training steps replaced by rubbish of the same choice, the key is the same to a bit."""
    dataset = probed()
    rule = {"maximum_probe_loss_db": LOSSES, "chosen_from": "training", "training_share": 1 / 3}
    result = analyze(dataset, {"selection": rule})
    training = training_steps(6, 1 / 3)
    assert training.tolist() == [False, False, True, False, False, True]
    chosen = result["chosen_maximum_probe_loss_db"].values
    first = {35.0: 1, 34.0: 2, 33.0: 3, 32.0: 4}
    counts = np.zeros((3, 2, 3, 2, 2, 8))
    for point, realisation in np.ndindex(3, 2):
        kept_steps = dataset["counts_by_probe"].values[point, realisation][~training]
        counts[point, realisation] = kept_steps[:, first[chosen[point, realisation]] :].sum(axis=(0, 1))
    plain = analyze(kept(dataset, counts, np.zeros((3, 3, 2, 2, 8))))
    np.testing.assert_array_equal(result["key_length"], plain["key_length"])
    assert (result["key_length"] > 0).all()
    # the choice: the best of the training steps scaled by two
    for point, realisation in np.ndindex(3, 2):
        of_training = dataset["counts_by_probe"].values[point, realisation][training].sum(axis=0) * 2.0
        keys = []
        for loss in LOSSES:
            scaled = of_training[first[loss] :].sum(axis=0)[np.newaxis, np.newaxis]
            one = kept(dataset.isel(point=[point]), scaled, np.zeros((1, 3, 2, 2, 8)))
            keys.append(int(analyze(one)["key_length"][0, 0]))
        assert chosen[point, realisation] == LOSSES[int(np.argmax(keys))]


@pytest.mark.parametrize(
    ("parts", "of_step", "number"),
    [
        ({"time_edges_s": (200.0, 400.0)}, [0, 0, 1, 1, 2, 2], 3),
        ({"elevation_edges_deg": (20.0,)}, [0, 1, 1, 1, 1, 0], 2),
        ({"loss_edges_db": (30.0, 35.0)}, [2, 1, 0, 2, 1, 0], 3),
    ],
)
def test_parts_are_blocks_of_their_own(probed: Maker, parts: dict[str, Any], of_step: list[int], number: int) -> None:
    """Oracle: the steps of each part added by hand and analysed alone with its share of both epsilons; the keys added."""
    dataset = probed()
    result = analyze(dataset, {"parts": parts})
    share = {"security_epsilon": 1e-9 / number, "correctness_epsilon": 1e-15 / number}
    total, sifted, wrong = 0.0, 0.0, 0.0
    for part in range(number):
        steps = np.flatnonzero(np.array(of_step) == part)
        counts = dataset["counts"].values[:, :, steps].sum(axis=2)
        alone = analyze(kept(dataset, counts, dataset["expected_counts"].values[:, steps].sum(axis=1)), share)
        np.testing.assert_array_equal(result["part_key_length"][..., part], alone["key_length"])
        np.testing.assert_array_equal(result["expected_part_key_length"][..., part], alone["expected_key_length"])
        total, sifted = total + alone["key_length"], sifted + alone["sifted_count"]
        wrong = wrong + alone["sifted_count"] * alone["qber"]
    np.testing.assert_array_equal(result["key_length"], total)
    np.testing.assert_array_equal(result["sifted_count"], sifted)
    np.testing.assert_allclose(result["qber"], wrong / sifted, rtol=1e-12)
    assert result.attrs["security_epsilon_of_key"] == pytest.approx(1e-9)
    full = analyze(dataset, {"parts": parts, "epsilon_split": "block"})
    assert full.attrs["security_epsilon_of_key"] == pytest.approx(2 * number * 1e-9)
    assert (full["expected_key_length"] >= result["expected_key_length"]).all()
    assert result["part"].values.tolist() == Parts(**parts).labels()


def test_parts_by_reading_cut_at_the_same_places_as_a_threshold(probed: Maker) -> None:
    dataset = probed()
    result = analyze(dataset, {"parts": {"probe_loss_edges_db": (33.0, 35.0)}, "epsilon_split": "block"})
    best = analyze(dataset, {"selection": {"maximum_probe_loss_db": 33.0}, "epsilon_split": "block"})
    # "below 33 dB" are the readings better than 33 dB
    np.testing.assert_array_equal(result["part_key_length"][..., 0], best["key_length"])
    np.testing.assert_array_equal(result["part_sifted_count"].sum("part"), analyze(dataset)["sifted_count"])


def test_a_part_without_key_does_not_hide_that_of_another(probed: Maker) -> None:
    dataset = probed(noise=1e-6)
    cut = analyze(dataset, {"parts": {"time_edges_s": (-1.0, 300.0)}})
    assert (cut["part_status"][..., 0] != 0).all() and (cut["part_key_length"][..., 0] == 0).all()
    assert (cut["key_length"] > 0).all() and (cut["status"] == 0).all()


def test_what_cannot_be_selected_is_refused(probed: Maker, statistics: Maker) -> None:
    """Fail closed: no probe, no edge, no time, candidates without a word on their choice, a file that contradicts itself."""
    dataset = probed()
    for rule, told in (
        ({"maximum_probe_loss_db": (33.0, 34.0)}, "chosen_from must say"),
        ({"maximum_probe_loss_db": 33.2}, "no edge of the probe's bins .the file has 32, 33, 34, 35"),
        ({"maximum_probe_loss_db": (33.0,), "training_share": 0.1}, "training_share"),
        ({"maximum_probe_loss_db": (33.0, 34.0), "chosen_from": "training"}, "training_share"),
        ({}, "needs a rule"),
        ({"maximum_probe_loss_db": ()}, "empty"),
    ):
        with pytest.raises(UserError, match=told):
            analyze(dataset, {"selection": rule})
    for parts in ({}, {"time_edges_s": (2.0, 1.0)}, {"time_edges_s": (1.0,), "loss_edges_db": (30.0,)}):
        with pytest.raises(UserError, match="parts"):
            analyze(dataset, {"parts": parts})
    probe = {"selection": {"maximum_probe_loss_db": 33.0}}
    with pytest.raises(UserError, match="need counts by reading of a probe"):
        analyze(statistics(), probe)
    with pytest.raises(UserError, match="'elevation'"):
        analyze(statistics(), {"selection": {"minimum_elevation_deg": 10.0}})
    with pytest.raises(UserError, match="has no dimension 'time'"):
        analyze(statistics().isel(time=0).drop_vars("expected_total_counts"), {"selection": {"begin_s": 0.0}})
    wrong = dataset.copy(deep=True)
    wrong["counts_by_probe"][0, 0, 0, 0, 0, 0, 0, 0] += 1
    with pytest.raises(UserError, match="does not add up"):
        analyze(wrong, probe)
    with pytest.raises(UserError, match="no expected counts"):
        analyze(
            dataset.drop_vars([n for n in dataset if str(n).startswith("expected")]),
            {"selection": {"maximum_probe_loss_db": (33.0, 34.0), "chosen_from": "expected"}},
        )
    with pytest.raises(UserError, match="steps train"):
        analyze(
            dataset,
            {"selection": {"maximum_probe_loss_db": (33.0, 34.0), "chosen_from": "training", "training_share": 0.01}},
        )


@pytest.mark.parametrize("bad", [-1.0, np.nan, 0.5, np.inf])
def test_a_cell_that_is_no_count_gives_no_key(probed: Maker, bad: float) -> None:
    """Also where the rule leaves that cell out: a file with it deserves no trust."""
    dataset = probed().drop_vars(["counts_by_probe"])
    dataset["counts"] = dataset["counts"].astype(np.float64)
    dataset["counts"][0, 0, 0, 0, 0, 0, 1] = bad
    result = analyze(dataset, {"selection": {"minimum_elevation_deg": 20.0}})
    assert result["key_length"][0, 0] == 0 and result["status"][0, 0] != 0
    assert (result["key_length"].values.ravel()[1:] > 0).all()


def test_passes_of_several_files_make_one_block(probed: Maker) -> None:
    """Oracle: the counts of all points added by hand; passes of different length, dates and elevations."""
    one, two = probed(points=2), probed(points=1, seed=12).isel(time=slice(1, 5))
    for dataset, identity in ((one, "a" * 64), (two, "b" * 64)):
        dataset["block_identity"] = ("point", np.full(dataset.sizes["point"], "same", dtype=object))
        dataset.attrs["identity"] = identity
        dataset["start_time"] = ("point", np.arange(dataset.sizes["point"]) * 86400.0)
    together = analyze([one, two], block="all")
    counts = one["counts"].sum(["point", "time"]).values + two["counts"].sum(["point", "time"]).values
    expected = one["expected_counts"].sum(["point", "time"]).values + two["expected_counts"].sum(["point", "time"]).values
    plain = analyze(kept(one.isel(point=[0]), counts[np.newaxis], expected[np.newaxis]))
    same(together, plain)
    assert together["points_in_block"].values.tolist() == [3]
    apart = analyze([one, two])
    assert apart["key_length"].shape == (3, 2)
    np.testing.assert_array_equal(apart["key_length"][:2], analyze(one)["key_length"])
    np.testing.assert_array_equal(apart["file"], [0, 0, 1])
    assert (together["key_length"] > apart["key_length"].sum("point")).all()
    chosen = analyze([one, two], {"selection": {"maximum_probe_loss_db": 34.0}, "block": "all"})
    counts = sum(
        d["counts_by_probe"].isel(probe_bin=slice(2, None)).sum(["point", "time", "probe_bin"]).values for d in (one, two)
    )
    expected = sum(
        d["expected_counts_by_probe"].isel(probe_bin=slice(2, None)).sum(["point", "time", "probe_bin"]).values
        for d in (one, two)
    )
    same(chosen, analyze(kept(one.isel(point=[0]), counts[np.newaxis], expected[np.newaxis])))


def test_files_that_do_not_belong_together_are_refused(probed: Maker) -> None:
    one, two = probed(points=1), probed(points=1)
    one.attrs["identity"] = two.attrs["identity"] = "a" * 64
    with pytest.raises(UserError, match="stands twice"):
        analyze([one, two])
    two.attrs["identity"] = "b" * 64
    with pytest.raises(UserError, match="'realisation' is not that"):
        analyze([one, two.isel(realisation=[0])])
    with pytest.raises(UserError, match="in some files only"):
        analyze([one, two.drop_vars([n for n in two if str(n).startswith("expected")])])
    two.attrs["resolved_run"] = '{"": {"analysis": {"key_basis": "Z"}}}'
    with pytest.raises(UserError, match="another table"):
        analyze([one, two])
    with pytest.raises(UserError, match="at least one file"):
        analyze([])


def test_constructions_are_compared_on_the_same_data(probed: Maker) -> None:
    dataset = probed(points=1)
    told = rows_by_construction(dataset)
    names = list(dict.fromkeys(row["construction"] for row in told))
    assert names[0] == "one block, all trials" and len(names) == 9
    whole = rows(analyze(dataset))[0]["key [bit]"]
    by_name = {(row["construction"], row["counts"]): row for row in told}
    assert by_name["one block, all trials", "expected"]["key [bit]"] == whole
    assert by_name["2 blocks by time", "expected"]["key [bit]"] < whole
    with_own = rows_by_construction(dataset, {"selection": {"maximum_probe_loss_db": 33.0}})
    assert with_own[len(names)]["construction"] == "as the settings say"


def test_a_curve_against_the_threshold_is_that_of_thresholds_given_one_by_one(probed: Maker) -> None:
    dataset = probed(points=1)
    curve = key_against_threshold(dataset, {"selection": {"minimum_elevation_deg": 20.0}})
    name = "maximum_probe_loss_db"
    assert curve[name].values.tolist() == [32.0, 33.0, 34.0, 35.0, np.inf]
    for loss in (33.0, np.inf):
        rule = {"minimum_elevation_deg": 20.0} | ({} if np.isinf(loss) else {name: loss})
        alone = analyze(dataset, {"selection": rule})
        for key in ("key_length", "expected_key_length", "kept_fraction", "expected_qber"):
            np.testing.assert_array_equal(curve[key].sel({name: loss}), alone[key])
    assert (np.diff(curve["expected_kept_fraction"][:, 0]) > 0).all()
    whole = key_against_threshold(dataset)
    np.testing.assert_array_equal(whole["key_length"][-1], analyze(dataset)["key_length"])
    np.testing.assert_array_equal(whole["kept_fraction"][-1], 1.0)
    with pytest.raises(UserError, match="no probe"):
        key_against_threshold(dataset.drop_vars(["probe_lower", "probe_upper"]))


def test_the_picture_marks_the_threshold_that_may_be_fixed_before(probed: Maker, tmp_path: Path) -> None:
    dataset = probed(points=1)
    canvas = Figure()
    key, rate = plots.selection(dataset, canvas)
    curve = key_against_threshold(dataset)["expected_key_length"].values[:-1, 0]
    best = [32.0, 33.0, 34.0, 35.0][int(np.argmax(curve))]
    assert any(f"lim2014: most key at {best:g} dB" in text.get_text() for text in key.get_legend().get_texts())
    marks = [line.get_xydata().tolist() for line in key.lines if line.get_marker() == "o"]
    assert marks[0] == [[best, curve.max()]]
    assert rate.get_ylabel() == "QBER [%]"
    assert plots.draw(dataset, tmp_path / "selection.png", figure="selection").stat().st_size > 10_000
    with pytest.raises(UserError, match="needs a probe"):
        plots.selection(dataset.drop_vars(["probe_lower", "probe_upper"]), Figure())


def test_a_choice_from_the_same_data_needs_a_key_of_fixed_length(probed: Maker) -> None:
    """The union bound is shown for these only."""
    rule = {"maximum_probe_loss_db": LOSSES, "chosen_from": "same-data"}
    with pytest.raises(UserError, match="follows the counts"):
        analyze(probed(points=1), {"selection": rule, "proof": "variable-length"})
    expected = rule | {"chosen_from": "expected"}
    assert (analyze(probed(points=1), {"selection": expected, "proof": "variable-length"})["key_length"] > 0).all()


def test_dotted_values_reach_into_tables(probed: Maker) -> None:
    dataset = probed()
    told = {"selection.maximum_probe_loss_db": 33.0}
    same(analyze(dataset, **told), analyze(dataset, {"selection": {"maximum_probe_loss_db": 33.0}}))
    assert Selection(maximum_probe_loss_db=33.0).candidates() == [{"maximum_probe_loss_db": 33.0}]
