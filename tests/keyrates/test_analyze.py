"""The whole way from a Dataset or file to keys: dimensions, units, policies, refusals, memory."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from qphys import core
from qphys.errors import UserError
from qphys.keyrates import (
    PROTOCOLS,
    AnalysisSettings,
    analyze,
    analyze_over_time,
    heading,
    rows,
    rows_by_proof,
    sifting,
    status_names,
    unproven_effects,
)
from qphys.keyrates.decoy_bb84 import EXPECTED, OWN_STATUS, PER_BLOCK, PER_SETTING, SCALARS, secret_key
from qphys.statistics import schema

Maker = Callable[..., xr.Dataset]


def test_every_variable_has_dimensions_a_unit_and_a_long_name(statistics: Maker) -> None:
    result = analyze(statistics())
    for prefix, dims in (("", ("point", "realisation")), (EXPECTED, ("point",))):
        for names, further in ((SCALARS, ()), (PER_BLOCK, ("key_basis",)), (PER_SETTING, ("intensity", "basis"))):
            for name in names:
                assert result[prefix + name].dims == (*dims, *further)
    for name, variable in result.data_vars.items():
        assert variable.attrs["long_name"]
        assert ("units" in variable.attrs) != ("flag_values" in variable.attrs), name
    assert result["status"].dtype == np.int8


def test_the_key_is_that_of_the_counts_summed_over_time(statistics: Maker) -> None:
    # oracle: sums by NumPy, sifted and bounded by the functions that their own tests hold to the papers
    dataset = statistics()
    result = analyze(dataset, key_from="signal")
    sifted = sifting.sift(dataset["counts"].values.sum(axis=2))
    key = secret_key(
        sifted.counts,
        sifted.errors,
        mean_photon_number=dataset["mean_photon_number"].values[:, np.newaxis],
        intensity_probability=np.repeat(dataset["setting_probability"].values.sum(axis=-1)[:, np.newaxis] * 2, 1, axis=1),
        settings=AnalysisSettings(key_from="signal"),
    )
    np.testing.assert_array_equal(result["key_length"].values, key.key_length)
    np.testing.assert_array_equal(result["s1_lower"].values, key.s1_lower)
    assert (result["key_length"] > 0).all()
    np.testing.assert_array_equal(result["sifted_count"], sifted.counts[..., 0, :].sum(axis=-1))
    np.testing.assert_array_equal(result["qber_x"], sifted.errors[..., 0, 1] / sifted.counts[..., 0, 1])
    np.testing.assert_array_equal(result["detection_count"], dataset["counts"].values[..., 1:].sum(axis=(2, 3, 4, 5, 6)))


def test_samples_scatter_about_their_expectation(statistics: Maker) -> None:
    # oracle: Poisson counts: 5 sigma of the mean of 50 samples
    result = analyze(statistics(points=1, realisations=50))
    expected = float(result["expected_sifted_count"][0])
    assert float(result["sifted_count"].mean()) == pytest.approx(expected, abs=5 * np.sqrt(expected / 50))
    assert float(result["qber"].mean()) == pytest.approx(float(result["expected_qber"][0]), rel=0.02)


def test_settings_and_claim_are_stored_with_the_result(statistics: Maker) -> None:
    result = analyze(statistics(), {"key_basis": "Z", "security_epsilon": 1e-7}, error_correction_efficiency=1.2)
    told = json.loads(result.attrs["analysis_settings"])
    assert told == AnalysisSettings(key_basis="Z", security_epsilon=1e-7, error_correction_efficiency=1.2).model_dump(
        exclude={"title", "model", "origin"}
    ) | {"intensities": []}
    assert result.attrs["security_epsilon_of_key"] == 1e-7
    assert "2014" in result.attrs["security_claim"]
    assert result.attrs["analysis_settings_from"] == "given, error_correction_efficiency replaced"
    asymptotic = analyze(statistics(), proof="ma2005")
    assert "asymptotic" in asymptotic.attrs["security_claim"]
    assert "security_epsilon_of_key" not in asymptotic.attrs


def test_settings_come_from_the_run_of_the_file_where_none_are_given(statistics: Maker) -> None:
    dataset = statistics()
    dataset.attrs["resolved_run"] = json.dumps(
        {"a": {"analysis": {"key_basis": "X"}}, "b": {"analysis": {"key_basis": "X"}}}
    )
    result = analyze(dataset, key_from="signal")
    assert json.loads(result.attrs["analysis_settings"])["key_basis"] == "X"
    assert result.attrs["analysis_settings_from"] == "run, key_from replaced"
    dataset.attrs["resolved_run"] = json.dumps(
        {"a": {"analysis": {"key_basis": "X"}}, "b": {"analysis": {"key_basis": "Z"}}}
    )
    with pytest.raises(UserError, match="different tables"):
        analyze(dataset)
    assert analyze(dataset, {"key_basis": "Z"}).attrs["analysis_settings_from"] == "given"
    dataset.attrs["resolved_run"] = "{"
    with pytest.raises(UserError, match="no JSON"):
        analyze(dataset)


def test_discarding_double_clicks_within_a_basis_gives_key_zero_with_a_status(statistics: Maker) -> None:
    result = analyze(statistics(), double_clicks="discard")
    code = core.STATUS["double_clicks_discarded_within_a_basis"]
    for prefix in ("", EXPECTED):
        assert not result[f"{prefix}key_length"].values.any()
        assert not result[f"{prefix}block_key_length"].values.any()
        assert (result[f"{prefix}status"] == code).all()
        assert (result[f"{prefix}sifted_count"] > 0).all()
    assert set(status_names(result["status"])) == {"double clicks discarded within a basis"}
    assert "key 0 in 6 of 6 rows of sampled counts" in result.attrs["notes"]


def test_double_clicks_enter_as_half_errors_and_are_told_as_a_cause(statistics: Maker) -> None:
    dataset = statistics()
    place = {"alice_basis": "Z", "bob_outcome": "double_Z"}
    dataset["expected_total_counts"].loc[place] = 100.0  # signal, decoy and vacuum, both bits: 600 in all
    result = analyze(dataset)
    without = analyze(statistics())
    n, m = (without[f"expected_{name}"].values for name in ("sifted_count", "qber"))
    np.testing.assert_allclose(result["expected_qber"], (m * n + 300) / (n + 600), rtol=1e-12)
    np.testing.assert_allclose(result["expected_qber_by_cause"].sel(cause="double clicks"), 300 / (n + 600), rtol=1e-12)
    np.testing.assert_array_equal(result["expected_double_click_count"], 600)


def test_a_cause_is_what_the_error_rate_falls_by_without_it(statistics: Maker) -> None:
    dataset, dark, noisy = statistics(), statistics(noise=0.0), statistics(noise=5e-7)
    dims = ("point", "cause", *sifting.CELLS)
    without = np.stack([dark["expected_total_counts"].values, noisy["expected_total_counts"].values], axis=1)
    dataset["expected_total_counts_without"] = (dims, without)
    dataset = dataset.assign_coords(cause=["sky", "double clicks"])
    result = analyze(dataset)
    expected = analyze(dataset)["expected_qber"] - analyze(dark)["expected_qber"]
    np.testing.assert_allclose(result["expected_qber_by_cause"].sel(cause="sky"), expected, rtol=1e-12)
    assert result["cause"].values.tolist() == ["sky", "double clicks"]
    np.testing.assert_array_equal(result["expected_qber_by_cause"].sel(cause="double clicks"), 0)


def test_one_block_of_all_points_adds_counts_of_equal_identity_only(statistics: Maker) -> None:
    dataset = statistics(points=4)  # identities a b a c
    result = analyze(dataset, block="all")
    assert result["points_in_block"].values.tolist() == [2, 1, 1]
    assert result["block_identity"].values.tolist() == ["a", "b", "c"]
    each = analyze(dataset)
    np.testing.assert_array_equal(result["sifted_count"][0], each["sifted_count"][0] + each["sifted_count"][2])
    np.testing.assert_array_equal(result["key_length"][1:], each["key_length"][[1, 3]])
    assert (result["key_length"][0] > each["key_length"][0] + each["key_length"][2]).all()
    with pytest.raises(UserError, match="block_identity"):
        analyze(dataset.drop_vars("block_identity"), block="all")
    dataset["mean_photon_number"][2, 0] = 0.7
    with pytest.raises(UserError, match="differ in mean_photon_number"):
        analyze(dataset, block="all")


def test_a_foreign_file_may_lack_point_realisation_time_and_double_clicks(statistics: Maker) -> None:
    whole = statistics(points=1, realisations=1)
    foreign = xr.Dataset(
        {
            "counts": whole["counts"].sum("time").isel(point=0, realisation=0).sel(bob_outcome=["Z1", "X0", "Z0", "X1"]),
            "mean_photon_number": whole["mean_photon_number"].isel(point=0),
            "setting_probability": whole["setting_probability"].isel(point=0),
        },
        attrs={"protocol": "decoy-bb84"},
    ).drop_vars("loss_db")
    result = analyze(foreign)
    assert result["key_length"].dims == ("point", "realisation")
    assert result["key_length"].values == analyze(whole)["key_length"].values
    assert "counted as 0: double_Z, double_X, across" in result.attrs["notes"]


def test_intensities_beyond_three_must_be_named_and_their_clicks_are_dropped(statistics: Maker) -> None:
    dataset = statistics()
    more = xr.concat(
        [dataset, dataset.isel(intensity=[1]).assign_coords(intensity=["extra"])], "intensity", data_vars="minimal"
    )
    more["mean_photon_number"][:, 3] = 0.2
    more["setting_probability"] = more["setting_probability"] / 1.25
    with pytest.raises(UserError, match=r"4 intensities \(signal, decoy, vacuum, extra\).*name three"):
        analyze(more)
    with pytest.raises(UserError, match="did you mean 'decoy'"):
        analyze(more, intensities=("signal", "decoi", "vacuum"))
    with pytest.raises(UserError, match="twice"):
        analyze(more, intensities=("signal", "signal", "vacuum"))
    negative = more.copy(deep=True)
    negative["setting_probability"][0, 3] = -negative["setting_probability"][0, 3]
    negative["setting_probability"][0, 0] += (1 - negative["setting_probability"][0].sum()) / 4
    refused = analyze(negative, intensities=("vacuum", "signal", "decoy"))
    assert (refused["status"][0] == core.STATUS["impossible_probabilities"]).all()
    assert (refused["status"][1:] == 0).all()
    chosen = analyze(more, intensities=("vacuum", "signal", "decoy"))
    plain = analyze(dataset)
    np.testing.assert_array_equal(chosen["key_length"], plain["key_length"])
    np.testing.assert_array_equal(chosen["leakage"], plain["leakage"])
    np.testing.assert_array_equal(chosen["sifted_count"], plain["sifted_count"])
    assert (chosen["detection_count"] > plain["detection_count"]).all()


def test_two_intensities_take_the_corrected_one_decoy_proof_by_themselves(statistics: Maker) -> None:
    two = statistics(pulses=1e11).isel(intensity=[0, 1])
    # the sender of the smaller file sends these two only
    two["setting_probability"] = two["setting_probability"] / two["setting_probability"].sum(schema.SETTINGS_BB84)
    result = analyze(two)
    assert result.attrs["proof"] == "wiesemann2026"
    assert "Wiesemann" in result.attrs["security_claim"]
    assert "15 equal parts" in result.attrs["epsilon_split_in_block"]
    assert (result["expected_key_length"] > 0).all()
    with pytest.raises(UserError, match=r"proof lim2014 takes 3, a signal and two decoys; .* wiesemann2026 and rusca2018"):
        analyze(two, proof="lim2014")


def test_one_decoy_proof_takes_the_brightest_two_of_three_and_says_what_it_dropped(statistics: Maker) -> None:
    three = statistics(pulses=1e11)
    result = analyze(three, proof="rusca2018")
    assert list(result["intensity"].values) == ["signal", "decoy"]
    assert result.attrs["dropped_intensities"] == "vacuum"
    assert "clicks of vacuum are dropped: not part of the proof rusca2018" in result.attrs["notes"]
    # dropping data can only be harmless if the probabilities are those given that one of the two was sent
    two = three.isel(intensity=[0, 1])
    two["setting_probability"] = two["setting_probability"] / two["setting_probability"].sum(schema.SETTINGS_BB84)
    same = analyze(two, proof="rusca2018")
    np.testing.assert_allclose(result["expected_key_length"], same["expected_key_length"], rtol=1e-12)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (
            {"tail_bound": "kato2020"},
            "analysis.kato_prediction is missing: tail_bound = 'kato2020' needs 'linear' or shares",
        ),
        (
            {"tail_bound": "kato2020", "kato_prediction": (0.9,)},
            r"analysis.kato_prediction = \[0.9\]: give 2 shares of counts",
        ),
        ({"tail_bound": "kato2020", "kato_prediction": (0.9, 1.1)}, "between 0 and 1"),
        ({"sampling_bound": "lim2014"}, "analysis.sampling_bound = 'lim2014': the proof wiesemann2026 has own, exact"),
        ({"intensities": ("signal",)}, r"1 intensities \(signal\): the proof wiesemann2026 takes 2, a signal and a decoy"),
    ],
)
def test_policies_that_a_one_decoy_proof_lacks_are_refused(statistics: Maker, choice: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        analyze(statistics(), proof="wiesemann2026", **choice)


@pytest.mark.parametrize(("proof", "parts"), [("lim2014", 23), ("rusca2018", 21), ("wiesemann2026", 16)])
def test_tails_and_a_key_of_the_signal_are_taken_and_told_as_beyond_the_text(
    statistics: Maker, proof: str, parts: int
) -> None:
    dataset = statistics()
    plain = analyze(dataset, proof=proof)
    assert "beyond_the_proofs_text" not in plain.attrs
    keys = {}
    for tail_bound in ("hoeffding", "chernoff", "zhang2017", "binomial"):
        told = analyze(dataset, proof=proof, tail_bound=tail_bound)
        keys[tail_bound] = float(told["expected_key_length"].max())
        if tail_bound != "hoeffding":
            assert told.attrs["beyond_the_proofs_text"] == f"tail_bound = {tail_bound}"
    assert keys["hoeffding"] < keys["binomial"]
    assert keys["chernoff"] < keys["zhang2017"] < keys["binomial"]
    signal = analyze(dataset, proof=proof, key_from="signal", tail_bound="binomial", sampling_bound="exact")
    assert f"{parts} equal parts" in signal.attrs["epsilon_split_in_block"]
    assert "key_from = signal" in signal.attrs["beyond_the_proofs_text"]
    # a prediction in proportion to the light, or the same written out
    linear = analyze(dataset, proof=proof, tail_bound="kato2020", kato_prediction="linear")
    assert keys["hoeffding"] * 0.9 < float(linear["expected_key_length"].max()) < keys["binomial"]


def test_proofs_are_compared_on_the_same_counts_a_row_each(statistics: Maker) -> None:
    dataset = statistics(points=2)
    found = rows_by_proof(dataset, ["lim2014", "rusca2018", "wiesemann2026", "ma2005"])
    assert [row["proof"] for row in found[:4]] == ["lim2014", "rusca2018", "wiesemann2026", "ma2005"]
    assert len(found) == 2 * 2 * 4
    alone = rows(analyze(dataset, proof="rusca2018"))
    assert [row["key [bit]"] for row in found if row["proof"] == "rusca2018"] == [row["key [bit]"] for row in alone]
    # an asymptotic rate leaves no room for a finite key above it
    for key in ("lim2014", "rusca2018", "wiesemann2026"):
        pairs = zip(*([row["key [bit]"] for row in found if row["proof"] == name] for name in (key, "ma2005")), strict=True)
        assert all(finite < limit for finite, limit in pairs)


def _refusals() -> list[tuple[str, Callable[[xr.Dataset], Any], str]]:
    def put(name: str, value: float, **place: int) -> Callable[[xr.Dataset], Any]:
        def change(dataset: xr.Dataset) -> None:
            dataset[name] = dataset[name].astype(float)
            dataset[name][place] = value

        return change

    cell = {"point": 1, "realisation": 0, "time": 2, "intensity": 1, "alice_basis": 0, "alice_bit": 1, "bob_outcome": 2}
    claim = {"point": 1, "intensity": 0}
    setting = {"point": 1, "intensity": 0, "alice_basis": 0, "alice_bit": 0}
    both_bits = {"point": 1, "intensity": 0, "alice_basis": 0}
    return [
        ("a count is missing", put("counts", np.nan, **cell), "input_not_finite"),
        ("a count is negative", put("counts", -3, **cell), "input_not_finite"),
        ("a count is not whole", put("counts", 0.5, **cell), "input_not_finite"),
        ("a count that is not sifted is infinite", put("counts", np.inf, **(cell | {"bob_outcome": 7})), "input_not_finite"),
        ("a mean photon number is missing", put("mean_photon_number", np.nan, **claim), "input_not_finite"),
        (
            "a mean photon number is negative",
            put("mean_photon_number", -0.1, **(claim | {"intensity": 2})),
            "intensities_break_the_conditions_of_the_bound",
        ),
        (
            "two intensities are equal",
            put("mean_photon_number", 0.1, **claim),
            "intensities_break_the_conditions_of_the_bound",
        ),
        ("a probability is missing", put("setting_probability", np.nan, **setting), "input_not_finite"),
        ("a probability is negative", put("setting_probability", -0.125, **setting), "impossible_probabilities"),
        ("the probabilities do not sum to 1", put("setting_probability", 0.2, **both_bits), "impossible_probabilities"),
        ("there are more clicks than pulses", put("trials", 0.0, point=1), "more_clicks_than_trials"),
        ("the number of pulses is missing", put("trials", np.nan, point=1, time=0), "more_clicks_than_trials"),
    ]


@pytest.mark.parametrize(("what", "change", "status"), _refusals(), ids=[r[0] for r in _refusals()])
@pytest.mark.parametrize("proof", ["lim2014", "linear-programme", "ma2005"])
def test_fail_closed(statistics: Maker, what: str, change: Callable[[xr.Dataset], Any], status: str, proof: str) -> None:
    dataset = statistics()
    change(dataset)
    result = analyze(dataset, proof=proof)
    code = (dict(core.STATUS) | OWN_STATUS)[status]
    assert result["key_length"][1, 0] == 0, what
    assert not result["block_key_length"][1, 0].values.any()
    assert result["status"][1, 0] >= min(code, core.STATUS["impossible_counts"])
    if status not in ("impossible_probabilities", "input_not_finite"):
        assert result["status"][1, 0] == code
    assert (result["key_length"][[0, 2]] > 0).all()
    assert (result["status"][[0, 2]] == 0).all()


def test_bits_that_are_not_uniform_give_no_key(statistics: Maker) -> None:
    dataset = statistics()
    dataset["setting_probability"][1, 0, 0] = [0.1, 0.15]
    result = analyze(dataset)
    assert result["status"].values.tolist() == [[0, 0], [OWN_STATUS["bits_not_uniform"]] * 2, [0, 0]]
    assert result["expected_key_length"].values.astype(bool).tolist() == [True, False, True]


def test_an_intensity_choice_that_depends_on_the_basis_enters_each_basis_with_its_own_probabilities(
    statistics: Maker,
) -> None:
    # oracle: counts that follow the probabilities give the same yields, so bounds differ by statistics only
    dataset = statistics(pulses=1e15)
    factor = np.array([1.2, 0.6, 1.0])[:, np.newaxis]  # X sends more signals and fewer decoys
    for name in ("setting_probability", "expected_total_counts"):
        values = dataset[name].values
        values[:, :, 1] *= factor if values.ndim == 4 else factor[..., np.newaxis]
    plain, changed = analyze(statistics(pulses=1e15)), analyze(dataset)
    np.testing.assert_allclose(changed["expected_phase_error_upper"], plain["expected_phase_error_upper"], rtol=0.01)
    assert (changed["expected_status"] == 0).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.drop_vars("mean_photon_number"), "variable 'mean_photon_number' is missing"),
        (lambda d: d.drop_vars("setting_probability"), "variable 'setting_probability' is missing"),
        (lambda d: d.drop_vars(["counts", "expected_total_counts"]), "neither counts nor"),
        (lambda d: d.assign_attrs(protocol="decoy-bb85"), "did you mean 'decoy-bb84'"),
        (lambda d: d.drop_attrs(), "attribute 'protocol' is missing"),
        (lambda d: d.assign(mean_photon_number=d["trials"]), "lacks the dimension 'intensity'|unknown dimension 'time'"),
        (lambda d: d.assign_coords(alice_basis=["Z", "Y"]), "alice_basis = 'Y': unknown label"),
        (lambda d: d.assign_coords(bob_outcome=[*schema.OUTCOMES_BB84[:-1], "acros"]), "did you mean 'across'"),
        (lambda d: d.assign(counts=d["counts"].expand_dims("cause")), "does not belong here"),
    ],
)
def test_a_dataset_that_does_not_conform_is_told_to_the_user(
    statistics: Maker, change: Callable[[xr.Dataset], xr.Dataset], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        analyze(change(statistics()))


def test_rates_over_time_are_counts_over_the_length_of_a_step(statistics: Maker) -> None:
    dataset = statistics()
    told = analyze_over_time(dataset, key_from="signal", point=2)
    assert told["sifted_rate"].dims == ("realisation", "time")
    sifted = sifting.sift(dataset["counts"].values[2], halves="exact")
    duration = dataset["trials"].values[2] / 1e8
    np.testing.assert_allclose(told["sifted_rate"], sifted.counts[..., 0, :].sum(axis=-1) / duration, rtol=1e-14)
    np.testing.assert_allclose(told["detection_rate"], sifted.detections.sum(axis=-1) / duration, rtol=1e-14)
    np.testing.assert_allclose(
        told["qber"], sifted.errors[..., 0, :].sum(axis=-1) / sifted.counts[..., 0, :].sum(axis=-1), rtol=1e-14
    )
    assert "expected_sifted_rate" not in told
    dataset["expected_counts"] = dataset["counts"].mean("realisation")
    both = analyze_over_time(dataset.drop_vars("trials"), key_from="signal")
    assert both["expected_qber"].dims == ("time",)
    np.testing.assert_allclose(both["time"], dataset["time"])
    with pytest.raises(UserError, match="points 0 to 2"):
        analyze_over_time(dataset, point=3)
    with pytest.raises(UserError, match="no counts against time"):
        analyze_over_time(dataset.drop_vars(["counts", "expected_counts"]))


def test_effects_outside_the_proof_are_told_from_the_run_of_the_file(statistics: Maker) -> None:
    dataset = statistics()
    assert unproven_effects(dataset) == ()
    detectors = [{"dead_time_ns": 0.0, "efficiency": 0.5}, {"dead_time_ns": 30.0, "efficiency": 0.45}]
    run = {
        "one": {"receiver": {"detector": detectors, "afterpulse_probability": 0.0, "efficiency": True}},
        "two": {
            "receiver": {"detector": {"efficiency": 0.5}},
            "source": {"intensity_fluctuation": 0.05, "origin": {"afterpulse_probability": 1}},
        },
    }
    dataset.attrs["resolved_run"] = json.dumps(run)
    assert unproven_effects(dataset) == ("dead time", "intensity fluctuation", "efficiency mismatch")
    result = analyze(dataset)
    assert "outside the proof: dead time, intensity fluctuation, efficiency mismatch" in result.attrs["notes"]
    run["one"]["receiver"]["detector"] = {"efficiency": 0.4}
    dataset.attrs["resolved_run"] = json.dumps(run)
    assert unproven_effects(dataset) == ("intensity fluctuation",)
    run["two"]["source"] = {"preparation_offset_deg": [0.0, -1.0, 0.0, 0.0]}
    dataset.attrs["resolved_run"] = json.dumps(run)
    assert unproven_effects(dataset) == ("state preparation that depends on the basis",)


def test_rows_tell_expected_and_mean_sampled_key_of_each_point(statistics: Maker) -> None:
    result = analyze(statistics())
    told = rows(result)
    assert [row["counts"] for row in told] == ["expected", "sampled, mean of 2"] * 3
    assert [row["loss_db"] for row in told[::2]] == pytest.approx([30.0, 32.5, 35.0])
    assert told[1]["key [bit]"] == float(result["key_length"][0].mean())
    assert told[0]["status"] == "good"
    assert "secrecy 1e-09" in heading(result)
    refused = statistics()
    refused["counts"][0, 0, 0, 0, 0, 0, 0] = 10**9
    refused["counts"][0, 0, 0, 0, 0, 0, 1] = -1
    assert rows(analyze(refused))[1]["status"] == "input not finite (1 of 2), good (1 of 2)"
    assert "proof ma2005" in heading(analyze(statistics(), proof="ma2005"))


def test_the_result_holds_only_what_netcdf_can_write(statistics: Maker, tmp_path: Path) -> None:
    for block in ("pass", "all"):
        result = analyze(statistics(), block=block)
        result.to_netcdf(tmp_path / f"{block}.h5", engine="h5netcdf")
        with xr.open_dataset(tmp_path / f"{block}.h5", engine="h5netcdf") as back:
            np.testing.assert_array_equal(back["key_length"], result["key_length"])
            assert status_names(back["status"]) == status_names(result["status"])


def test_a_lazy_file_is_analysed_in_blocks_and_like_one_in_memory(statistics: Maker, tmp_path: Path) -> None:
    dataset = statistics(points=101, realisations=1, steps=97)
    size = dataset["counts"].size * 8
    assert size > 7e6
    dataset.to_netcdf(tmp_path / "large.h5", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "large.h5", engine="h5netcdf", cache=False) as lazy:
        tracemalloc.start()
        sifted = sifting.sift_variable(lazy["counts"], block_bytes=2**19)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4e6
        np.testing.assert_array_equal(analyze(lazy)["key_length"], analyze(dataset)["key_length"])
    np.testing.assert_array_equal(sifted.counts, sifting.sift(dataset["counts"].values.sum(axis=2)).counts)


def test_a_path_is_opened_checked_and_closed(statistics: Maker, tmp_path: Path) -> None:
    path = tmp_path / "statistics.h5"
    statistics().drop_vars("block_identity").to_netcdf(path, engine="h5netcdf")
    by_path = analyze(path)
    np.testing.assert_array_equal(by_path["key_length"], analyze(statistics())["key_length"])
    path.unlink()
    with pytest.raises(UserError, match="no such file"):
        analyze(path)


def test_each_protocol_has_an_analysis() -> None:
    assert set(PROTOCOLS) == set(schema.PROTOCOLS)
