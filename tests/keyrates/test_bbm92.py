"""BBM92 from counts to key: sifting by hand, accidentals by law, policies, refusals, published numbers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import xarray as xr

from qphys import core
from qphys.errors import UserError
from qphys.keyrates import bbm92
from qphys.keyrates import pairs as two
from qphys.keyrates.bbm92 import BBM92Settings, analyze_bbm92, bbm92_over_time, secret_key, sift_pairs
from qphys.keyrates.proofs import PROOFS
from qphys.statistics import schema

O = {label: i for i, label in enumerate(schema.OUTCOMES_BB84)}  # noqa: E741
DIMS = ("point", "realisation", "time", "alice_outcome", "bob_outcome")
TRIALS = 10**9


def rates(pair: float, noise: float, error: float) -> np.ndarray:
    """Probability of pairs of outcomes (8, 8): one pair with `pair`, each detector's own noise, passive receivers."""
    cells = np.zeros((8, 8))
    for basis in "ZX":
        other = "X" if basis == "Z" else "Z"
        for a in "01":
            for b in "01":
                cells[O[basis + a], O[basis + b]] = pair / 8 * (1 - error if a == b else error)
                cells[O[basis + a], O[other + b]] = pair / 16
    single = np.array([0, noise, noise, noise, noise, 0, 0, 0])
    cells += np.outer(single, single)
    cells[0], cells[:, 0] = single, single
    cells[0, 0] = 0
    cells[0, 0] = 1 - cells.sum()
    return cells


def statistics(points: int = 3, realisations: int = 2, steps: int = 5, seed: int = 3, **attributes: Any) -> xr.Dataset:
    """Sampled and expected counts of points of rising loss; pairs come and go along the pass."""
    generator = np.random.default_rng(seed)
    strength = 3e-4 * np.linspace(1, 0.5, points)[:, np.newaxis] * np.sin(np.linspace(0.5, 2.6, steps))
    probability = np.stack([[rates(p, 2e-5, 0.02) for p in row] for row in strength])
    expected = probability * TRIALS / steps
    counts = generator.poisson(expected[:, np.newaxis], (points, realisations, steps, 8, 8))
    return xr.Dataset(
        {
            "counts": (DIMS, counts),
            "expected_counts": (("point", "time", *DIMS[3:]), expected),
            "trials": (("point", "time"), np.full((points, steps), 1.01 * TRIALS / steps)),
            "trial_rate": ("point", np.full(points, 1e8)),
            "block_identity": ("point", np.array(["a", "b", "a", "c"])[np.arange(points) % 4]),
        },
        {
            "alice_outcome": list(schema.OUTCOMES_BB84),
            "bob_outcome": list(schema.OUTCOMES_BB84),
            "time": np.arange(steps) + 0.5,
            "loss_db": ("point", np.linspace(50, 53, points)),
        },
        {"format": schema.FORMAT, "qphys_schema": schema.VERSION, "protocol": "bbm92", **attributes},
    )


def block(counts: tuple[int, int], errors: tuple[int, int]) -> xr.Dataset:
    """Counts of coincidences only, as a published table gives them."""
    cells = np.zeros((8, 8), dtype=np.int64)
    for basis, n, m in zip("ZX", counts, errors, strict=True):
        cells[O[f"{basis}0"], O[f"{basis}0"]] = n - m
        cells[O[f"{basis}0"], O[f"{basis}1"]] = m
    labels = list(schema.OUTCOMES_BB84[1:5])
    return xr.Dataset({"counts": (DIMS[3:], cells[1:5, 1:5])}, dict.fromkeys(DIMS[3:], labels), {"protocol": "bbm92"})


def test_every_variable_has_dimensions_a_unit_and_a_long_name() -> None:
    result = analyze_bbm92(statistics(), BBM92Settings())
    for prefix, dims in (("", ("point", "realisation")), ("expected_", ("point",))):
        for names, further in (
            (bbm92.SCALARS, ()),
            (bbm92.PER_BLOCK, ("key_basis",)),
            (bbm92.PER_BASIS, ("basis",)),
            (["key_length_by_proof"], ("proof",)),
        ):
            for name in names:
                assert result[prefix + name].dims == (*dims, *further), name
        for name, (dim, *_) in bbm92.PER_OUTCOME.items():
            assert result[prefix + name].dims == (*dims, dim)
    for name, variable in result.data_vars.items():
        assert variable.attrs["long_name"]
        assert ("units" in variable.attrs) != ("flag_values" in variable.attrs), name
    assert result["status"].dtype == np.int8
    assert result["loss_db"].dims == ("point",)


def test_sifting_by_hand() -> None:
    # Z: 90 + 3 equal, 5 unequal, double clicks 2 with a bit, 1 with a double: n = 101, m = 5 + 2; X: one odd double click
    cells = np.zeros((8, 8))
    cells[O["Z0"], O["Z0"]], cells[O["Z1"], O["Z1"]], cells[O["Z1"], O["Z0"]] = 90, 3, 5
    cells[O["double_Z"], O["Z1"]], cells[O["Z0"], O["double_Z"]], cells[O["double_Z"], O["double_Z"]] = 1, 1, 1
    cells[O["X0"], O["X1"]], cells[O["double_X"], O["X1"]] = 4, 1
    cells[O["Z0"], O["X0"]], cells[O["double_Z"], O["X0"]], cells[O["none"], O["Z0"]] = 50, 7, 1000
    cells[O["across"], O["Z0"]], cells[O["X1"], O["across"]], cells[O["across"], O["across"]] = 2, 3, 4
    cells[O["across"], O["none"]] = 99
    sifted = sift_pairs(cells)
    assert sifted.counts.tolist() == [101, 5]
    assert sifted.errors.tolist() == [5 + 2, 4 + 1]
    assert sifted.double_clicks.tolist() == [3, 1]
    assert float(sifted.across_clicks) == 9
    assert sift_pairs(cells, halves="exact").errors.tolist() == [6.5, 4.5]
    assert sift_pairs(cells, double_clicks="discard").counts.tolist() == [98, 4]
    assert sift_pairs(cells, flipped=(True, False)).errors.tolist() == [93 + 2, 5]
    assert two.coincidences(cells, bbm92.OUTCOMES) == 90 + 3 + 5 + 3 + 5 + 57 + 9


def test_the_key_is_that_of_the_counts_summed_over_time() -> None:
    # oracle: sums by NumPy and the kernel
    dataset = statistics()
    result = analyze_bbm92(dataset, BBM92Settings(key_basis="X"))
    cells = dataset["counts"].values.sum(axis=2)
    x = np.array([O["X0"], O["X1"]])
    n = cells[..., x[:, np.newaxis], x].sum(axis=(-2, -1))
    m = cells[..., O["X0"], O["X1"]] + cells[..., O["X1"], O["X0"]]
    z = np.array([O["Z0"], O["Z1"]])
    k = cells[..., z[:, np.newaxis], z].sum(axis=(-2, -1))
    wrong = cells[..., O["Z0"], O["Z1"]] + cells[..., O["Z1"], O["Z0"]]
    key = core.bbm92_tomamichel2012(
        n, m, test_count=k, test_error_count=wrong, tolerated_error_rate=wrong / k, eps_secrecy=1e-9,
        eps_correctness=1e-15, error_correction_efficiency=1.16,
    )  # fmt: skip
    np.testing.assert_array_equal(result["key_length"], key.key_length)
    np.testing.assert_array_equal(result["phase_error_upper"][..., 0], key.phase_error_upper)
    np.testing.assert_array_equal(result["sifted_count"], n)
    np.testing.assert_array_equal(result["qber_x"], m / n)
    np.testing.assert_array_equal(result["qber_z"], wrong / k)
    assert (result["key_length"] > 0).all()


def test_samples_scatter_about_their_expectation() -> None:
    # oracle: Poisson counts: 5 sigma of the mean of 40 samples
    result = analyze_bbm92(statistics(points=1, realisations=40), BBM92Settings())
    for name in ("sifted_count", "coincidence_count", "alice_single_count"):
        expected = float(result[f"expected_{name}"][0])
        assert float(result[name].mean()) == pytest.approx(expected, abs=5 * np.sqrt(expected / 40))
    for name, tolerance in (("qber", 0.02), ("accidental_count", 0.01), ("signal_to_noise", 0.01)):
        assert float(result[name].mean()) == pytest.approx(float(result[f"expected_{name}"][0]), rel=tolerance)


def test_accidentals_are_the_product_of_the_marginals_of_each_step() -> None:
    # oracle: independent clicks whose rates vary along the pass: all coincidences are accidental, step by step; from totals
    # the same counts would show fewer
    rate = np.array([1e-3, 5e-3, 2e-3])
    cells = np.zeros((1, 3, 8, 8))
    cells[0, :, 1, 1] = rate**2 * 1e6
    cells[0, :, 1, 0] = cells[0, :, 0, 1] = (rate - rate**2) * 1e6
    cells[0, :, 0, 0] = (1 - rate) ** 2 * 1e6
    steps = xr.Dataset({"expected_counts": (("point", "time", *DIMS[3:]), cells)}, attrs={"protocol": "bbm92"})
    result = analyze_bbm92(steps, BBM92Settings())
    assert float(result["expected_accidental_count"][0]) == pytest.approx(1e6 * np.sum(rate**2), rel=1e-12)
    assert float(result["expected_signal_to_noise"][0]) == pytest.approx(0, abs=1e-12)
    assert float(result["expected_alice_heralding_efficiency"][0]) == pytest.approx(0, abs=1e-15)
    assert result.attrs["accidentals_from"] == "steps"
    totals = xr.Dataset({"expected_total_counts": (DIMS[3:], cells[0].sum(axis=0))}, attrs={"protocol": "bbm92"})
    result = analyze_bbm92(totals, BBM92Settings())
    assert float(result["expected_accidental_count"][0]) == pytest.approx(1e6 * np.sum(rate) ** 2 / 3, rel=1e-12)
    assert result.attrs["accidentals_from"] == "totals"


def test_trials_of_the_file_count_where_silent_trials_are_not_listed() -> None:
    cells = np.zeros((1, 1, 8, 8))
    cells[..., 1, 0], cells[..., 0, 1], cells[..., 1, 1] = 1000, 2000, 50
    dataset = xr.Dataset(
        {"expected_counts": (("point", "time", *DIMS[3:]), cells), "trials": (("point", "time"), [[1e6]])},
        attrs={"protocol": "bbm92"},
    )
    result = analyze_bbm92(dataset, BBM92Settings())
    assert float(result["expected_accidental_count"][0]) == pytest.approx(1050 * 2050 / 1e6, rel=1e-14)
    # two steps of unequal length have each its own trials
    cells = np.concatenate([cells, 3 * cells], axis=1)
    dataset = xr.Dataset(
        {"expected_counts": (("point", "time", *DIMS[3:]), cells), "trials": (("point", "time"), [[1e6, 2e6]])},
        attrs={"protocol": "bbm92"},
    )
    result = analyze_bbm92(dataset, BBM92Settings())
    assert float(result["expected_accidental_count"][0]) == pytest.approx(1050 * 2050 * (1 / 1e6 + 9 / 2e6), rel=1e-14)


def test_heralding_efficiency_is_that_of_the_arm() -> None:
    # oracle: pairs of rate B with arms of 3 % and 5 %, no noise: coincidences over the other's singles
    pairs, a, b = 1e-4, 0.03, 0.05
    cells = np.zeros((8, 8))
    cells[1, 1], cells[1, 0], cells[0, 1] = pairs * a * b, pairs * a * (1 - b), pairs * b * (1 - a)
    cells[0, 0] = 1 - cells.sum()
    dataset = xr.Dataset({"expected_total_counts": (DIMS[3:], cells * 1e12)}, attrs={"protocol": "bbm92"})
    result = analyze_bbm92(dataset, BBM92Settings())
    assert float(result["expected_alice_heralding_efficiency"][0]) == pytest.approx(a, rel=1e-3)
    assert float(result["expected_bob_heralding_efficiency"][0]) == pytest.approx(b, rel=1e-3)


def test_counted_accidentals_of_the_file_replace_the_product() -> None:
    dataset = statistics()
    counted = np.zeros((3, 5, 8, 8))
    counted[:, :, O["Z0"], O["Z1"]], counted[:, :, O["Z0"], O["X1"]] = 7, 2
    dataset["accidental_counts"] = (("point", "time", *DIMS[3:]), counted)
    result = analyze_bbm92(dataset, BBM92Settings())
    np.testing.assert_array_equal(result["accidental_count"], np.full((3, 2), 45.0))
    np.testing.assert_array_equal(result["accidental_count_by_basis"], np.full((3, 2, 2), [35.0, 0.0]))
    assert result.attrs["accidentals_from"] == "file, steps"


def test_singles_and_accidentals_of_coincidences_alone_are_unknown() -> None:
    result = analyze_bbm92(block((1550, 1550), (70, 70)), BBM92Settings())
    for name in ("alice_single_count", "accidental_count", "signal_to_noise", "bob_heralding_efficiency"):
        assert np.isnan(result[name].item())
    assert result["coincidence_count"].item() == 3100
    assert result.attrs["accidentals_from"] == "unknown"
    assert result.attrs["absent_outcomes"] == "double_Z, double_X, across"


@pytest.mark.parametrize(("epsilon", "length"), [(1e-5, 60), (1e-6, 14), (1e-10, 0)])
def test_micius_2020_has_372_bits_by_its_own_formula_and_few_by_composable_proofs(epsilon: float, length: int) -> None:
    # oracle: Nature 582, 501 (2020): 372 bit of 3,100 sifted bits with 140 errors, f_EC 1.19, 1e-10, asymptotic 0.43 bit/s;
    # PRL 126, 100501 (2021): key at the 1e-5 level; Tomamichel et al. 2012 gives none
    published = BBM92Settings(security_epsilon=1e-10, error_correction_efficiency=1.19)
    dataset = block((1550, 1550), (70, 70))
    result = analyze_bbm92(dataset, published)
    assert result["qber"].item() == pytest.approx(0.0451, abs=1e-4)
    estimate = bbm92.yin2020_key_length_estimate(3100, 0.0451, error_correction_efficiency=1.19, epsilon=1e-10)
    assert float(estimate) == pytest.approx(371.9, abs=0.05)
    assert result["yin2020_key_length_estimate"].item() == pytest.approx(370.4, abs=0.05)  # 140 / 3100 is 4.516 %
    assert result["key_length_by_proof"].sel(proof="tomamichel2012").item() == 0
    assert result["key_length"].item() == 0
    short = published.model_copy(
        update={"proof": "lim2021", "security_epsilon": epsilon, "correctness_epsilon": 1e-300, "verification": "best"}
    )
    # QBER 4.516 % of whole errors against the published 4.51: half a bit less
    assert analyze_bbm92(dataset, short)["key_length"].item() == pytest.approx(length, abs=1)
    assert float(secret_key([1550, 1550], [0.0451 * 1550] * 2, settings=short).key_length) == length
    # asymptotic: 3,410 sifted bits of 3,100 s at 1.1 /s give 0.46 bit/s, 3,100 give 0.42, printed 0.43
    assert 0.41 < result["asymptotic_key_length_estimate"].item() / 3100 < 0.43


def test_yin_formula_ends_near_the_printed_threshold() -> None:
    # oracle: Nature 582, 501 (2020): key needs a QBER below about 6.0 %; the formula's own threshold is 6.09 %
    def length(rate: float) -> float:
        told = bbm92.yin2020_key_length_estimate(3100, rate, error_correction_efficiency=1.19, epsilon=1e-10)
        return float(told)

    assert length(0.0608) > 0
    assert length(0.0610) == 0
    garbage = bbm92.yin2020_key_length_estimate(
        [np.nan, -1, 3100, 3100], [0.05, 0.05, 1.2, 0.05], error_correction_efficiency=[1.2, 1.2, 1.2, 0.9], epsilon=1e-9
    )
    assert np.all(np.isnan(garbage))


def test_inferred_chsh_of_a_werner_state() -> None:
    # oracle: S = 2 sqrt 2 (1 - 2 Q); 8.1 % gives the 2.370 of Science 356, 1140 (2017); its error by 20,000 samples
    value, error = bbm92.inferred_chsh([81, 81], [1000, 1000])
    assert float(value) == pytest.approx(2.370, abs=5e-4)
    generator = np.random.default_rng(5)
    drawn, _ = bbm92.inferred_chsh(generator.binomial(1000, 0.081, (20011, 2)), [1000, 1000])
    assert float(error) == pytest.approx(float(np.std(drawn)), rel=0.03)
    uneven, spread = bbm92.inferred_chsh(generator.binomial([300, 2000], [0.02, 0.15], (20011, 2)), [300, 2000])
    assert float(np.mean(spread)) == pytest.approx(float(np.std(uneven)), rel=0.05)
    assert np.isnan(bbm92.inferred_chsh([0, 1], [0, 10])[0])


def test_singlet_is_read_with_flipped_bits() -> None:
    straight = statistics()
    swap = [O[label] for label in ("none", "Z1", "Z0", "X1", "X0", "double_Z", "double_X", "across")]
    flipped = straight.copy()
    for name in ("counts", "expected_counts"):
        flipped[name] = (straight[name].dims, straight[name].values[..., swap])
    flipped.attrs["flipped_bases"] = "Z X"
    expected = analyze_bbm92(straight, BBM92Settings())
    for dataset, settings in ((flipped, BBM92Settings()), (flipped, BBM92Settings(flipped_bases="both"))):
        got = analyze_bbm92(dataset, settings)
        for name in ("key_length", "qber", "inferred_chsh"):
            np.testing.assert_array_equal(got[name], expected[name])
    assert (analyze_bbm92(flipped, BBM92Settings(flipped_bases="none"))["qber"] > 0.9).all()
    flipped.attrs["flipped_bases"] = "Y"
    with pytest.raises(UserError, match="'flipped_bases' = 'Y': bases are Z, X"):
        analyze_bbm92(flipped, BBM92Settings())


def test_points_of_one_block_give_the_key_of_their_sum() -> None:
    dataset = statistics(points=4)
    whole = analyze_bbm92(dataset, BBM92Settings(block="all"))
    assert whole["points_in_block"].values.tolist() == [2, 1, 1]
    first = dataset["counts"].values[[0, 2]].sum(axis=(0, 2))
    sifted = sift_pairs(first)
    np.testing.assert_array_equal(whole["sifted_count_by_basis"][0], sifted.counts)
    key = secret_key(sifted.counts, sifted.errors, settings=BBM92Settings())
    np.testing.assert_array_equal(whole["key_length"][0], key.key_length)
    with pytest.raises(UserError, match="'block_identity', which the file lacks"):
        analyze_bbm92(dataset.drop_vars("block_identity"), BBM92Settings(block="all"))


@pytest.mark.parametrize("proof", ["tomamichel2012", "tomamichel_leverrier2017", "lim2021", "asymptotic"])
def test_every_proof_gives_key_below_the_asymptotic_one_and_none_at_11_percent(proof: Any) -> None:
    settings = BBM92Settings(proof=proof)
    key = secret_key([1e6, 1e6], [2e4, 2e4], settings=settings)
    limit = float(secret_key([1e6, 1e6], [2e4, 2e4], settings=BBM92Settings(proof="asymptotic")).key_length)
    assert int(key.status) == 0
    assert 0.5 * limit < float(key.key_length) <= limit
    none = secret_key([1e6, 1e6], [1.1e5, 1.1e5], settings=settings)
    assert float(none.key_length) == 0
    assert int(none.status) == core.STATUS["no_key"]


@pytest.mark.parametrize("proof", ["tomamichel2012", "tomamichel_leverrier2017", "lim2021", "asymptotic"])
@pytest.mark.parametrize(
    ("counts", "errors", "meaning"),
    [
        ([np.nan, 1e6], [1e4, 1e4], "input_not_finite"),
        ([1e6, 1e6], [1e4, np.inf], "input_not_finite"),
        ([1e6, -1.0], [1e4, -1.0], "impossible_counts"),
        ([1e6, 10.0], [1e4, 11.0], "impossible_counts"),
        ([0.0, 0.0], [0.0, 0.0], None),
        ([1e6, 0.0], [1e4, 0.0], None),
    ],
)
def test_impossible_numbers_in_either_basis_give_no_key(
    proof: Any, counts: list[float], errors: list[float], meaning: str | None
) -> None:
    for settings in (BBM92Settings(proof=proof), BBM92Settings(proof=proof, test_fraction=0.3, key_basis="Z")):
        key = secret_key(counts, errors, settings=settings)
        if meaning is not None:
            assert float(key.key_length) == 0
            assert int(key.status) == core.STATUS[meaning]
        elif PROOFS[settings.proof].one_basis_tests or not np.any(counts):
            assert float(key.key_length) == 0
            assert int(key.status) > 0


def test_pooled_bases_are_one_block_with_the_whole_epsilon() -> None:
    # oracle: the kernels, for the sum of both bases
    key = secret_key([1e5, 3e4], [2e3, 900], settings=BBM92Settings(proof="tomamichel_leverrier2017", test_fraction=0.25))
    told = core.bbm92_tomamichel_leverrier2017(
        130000, 32500, tolerated_error_rate=2900 / 130000, error_rate=2900 / 130000, epsilon=1e-9 + 1e-15,
        error_correction_efficiency=1.16,
    )  # fmt: skip
    assert float(key.key_length) == float(told.key_length) > 0
    short = secret_key([1e5, 3e4], [2e3, 900], settings=BBM92Settings(proof="lim2021", key_basis="X"))
    found = core.bbm92_lim2021(
        130000, tolerated_error_rate=2900 / 130000, error_rate=2900 / 130000, eps_secrecy=1e-9, eps_correctness=1e-15,
        error_correction_efficiency=1.16,
    )  # fmt: skip
    assert float(short.key_length) == float(found.key_length) > 0
    dataset = statistics()
    one, both = (analyze_bbm92(dataset, BBM92Settings(proof="lim2021", key_basis=basis)) for basis in ("Z", "both"))
    xr.testing.assert_equal(one, both)
    assert one["key_basis"].values.tolist() == ["pooled"]


@pytest.mark.parametrize("proof", ["tomamichel_leverrier2017", "lim2021"])
def test_given_test_fraction_is_kept_and_the_best_one_gives_more(proof: Any) -> None:
    given = secret_key([1e5, 1e5], [2e3, 2e3], settings=BBM92Settings(proof=proof, test_fraction=0.3))
    best = secret_key([1e5, 1e5], [2e3, 2e3], settings=BBM92Settings(proof=proof))
    assert given.test_count.tolist() == [60000] and given.key_count.tolist() == [140000]
    assert 0 < float(best.test_count[0]) < 60000
    assert float(best.key_length) > float(given.key_length) > 0


@pytest.mark.parametrize("proof", ["tomamichel2012", "tomamichel_leverrier2017", "lim2021"])
def test_more_errors_than_tolerated_abort(proof: Any) -> None:
    settings = BBM92Settings(proof=proof, tolerated_error_rate=0.025)
    assert float(secret_key([1e6, 1e6], [2e4, 2e4], settings=settings).key_length) > 0
    aborted = secret_key([1e6, 1e6], [2.6e4, 2.6e4], settings=settings)
    assert float(aborted.key_length) == 0
    assert int(aborted.status) == core.STATUS["no_key"]
    own = secret_key([1e6, 1e6], [2e4, 2e4], settings=BBM92Settings(proof=proof))
    assert float(own.key_length) > float(secret_key([1e6, 1e6], [2e4, 2e4], settings=settings).key_length)


def test_epsilons_are_split_between_blocks_or_add_up() -> None:
    key, blocks = BBM92Settings(security_epsilon=1e-9), BBM92Settings(security_epsilon=1e-9, epsilon_split="block")
    assert bbm92.block_epsilons(key) == (5e-10, 5e-16)
    assert bbm92.block_epsilons(blocks) == (1e-9, 1e-15)
    assert bbm92.block_epsilons(BBM92Settings(proof="lim2021")) == (1e-9, 1e-15)
    assert analyze_bbm92(statistics(), key).attrs["security_epsilon_of_key"] == 1e-9
    assert analyze_bbm92(statistics(), blocks).attrs["security_epsilon_of_key"] == 2e-9


def test_dropped_double_clicks_give_no_key() -> None:
    result = analyze_bbm92(statistics(), BBM92Settings(double_clicks="discard"))
    assert (result["key_length"] == 0).all() and (result["key_length_by_proof"] == 0).all()
    assert (result["status"] == core.STATUS["double_clicks_discarded_within_a_basis"]).all()


@pytest.mark.parametrize("bad", [np.nan, -1.0, 0.5])
def test_a_cell_that_is_no_count_refuses_its_row_only(bad: float) -> None:
    dataset = statistics()
    values = dataset["counts"].values.astype(float)
    values[1, 0, 2, O["Z0"], O["X1"]] = bad  # a cell that sifting drops
    dataset["counts"] = (DIMS, values)
    result = analyze_bbm92(dataset, BBM92Settings())
    refused = np.zeros((3, 2), dtype=bool)
    refused[1, 0] = True
    np.testing.assert_array_equal(result["status"] == core.STATUS["input_not_finite"], refused)
    np.testing.assert_array_equal(result["key_length"] == 0, refused)


def test_more_clicks_than_trials_give_no_key() -> None:
    dataset = statistics()
    dataset["trials"] = dataset["trials"] * 1e-5
    result = analyze_bbm92(dataset, BBM92Settings())
    assert (result["key_length"] == 0).all() and (result["status"] == 65).all()


def test_reading_in_small_blocks_gives_the_same_sums() -> None:
    dataset = statistics(points=3, realisations=5)
    told: dict[str, Any] = {"outcomes": bbm92.OUTCOMES, "dims": two.BATCH, "optional": two.NONE}
    whole, _ = two.read_pairs(dataset, "counts", **told)
    small, _ = two.read_pairs(dataset, "counts", block_bytes=5000, **told)
    for name in ("cells", "accidentals", "trials", "alice_singles", "bob_singles"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(small, name))
    np.testing.assert_array_equal(whole.cells, dataset["counts"].values.sum(axis=2))


def test_order_of_labels_and_dimensions_does_not_matter() -> None:
    dataset = statistics()
    turned = dataset.isel(alice_outcome=[3, 0, 7, 1, 2, 6, 5, 4]).transpose("bob_outcome", "time", ...)
    expected, got = (analyze_bbm92(d, BBM92Settings()) for d in (dataset, turned))
    xr.testing.assert_allclose(got, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.drop_vars(["counts", "expected_counts"]), "neither counts nor expected_counts"),
        (lambda d: d.assign_coords(bob_outcome=["none", "Z0", "Z1", "X0", "Y1", "double_Z", "double_X", "across"]), "'Y1'"),
        (lambda d: d.isel(alice_outcome=[0, 1, 2, 3, 5, 6, 7]), "alice_outcome: X1 missing"),
        (lambda d: d.rename(bob_outcome="bobs_outcome"), "'bob_outcome' is missing"),
        (lambda d: d.rename(realisation="sample"), "'sample' does not belong here"),
    ],
)
def test_files_that_lack_something_are_refused_with_its_name(change: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        analyze_bbm92(change(statistics()), BBM92Settings())


def test_qber_by_cause_tells_accidentals_and_what_the_file_switched_off() -> None:
    # oracle: with accidentals off about 2 % is left; without the polarization error accidentals and nothing else
    strength = 3e-5 * np.sin(np.linspace(0.5, 2.6, 5))
    expected, without = (
        np.stack([rates(p, 5e-4, error) for p in strength])[np.newaxis] * TRIALS / 5 for error in (0.02, 0.0)
    )
    dataset = xr.Dataset(
        {"expected_counts": (("point", "time", *DIMS[3:]), expected)},
        {dim: list(schema.OUTCOMES_BB84) for dim in DIMS[3:]},
        {"protocol": "bbm92"},
    )
    without = without.sum(axis=1)
    dataset["expected_total_counts_without"] = (("point", "cause", *DIMS[3:]), without[:, np.newaxis])
    dataset = dataset.assign_coords(cause=["polarization"])
    by_cause = analyze_bbm92(dataset, BBM92Settings())["expected_qber_by_cause"]
    assert by_cause["cause"].values.tolist() == ["accidentals", "double clicks", "polarization"]
    whole = float(analyze_bbm92(dataset, BBM92Settings())["expected_qber"][0])
    assert whole > 0.06
    # each detector has singles of noise, pairs and noise that meets noise: 8 sifted pairs of them, half of them errors
    shifted = (5e-4 * (1 + 4 * 5e-4) + strength / 4) ** 2
    left = np.sum(0.01 * strength + 4 * 5e-4**2 - 4 * shifted) / np.sum(strength / 2 + 8 * 5e-4**2 - 8 * shifted)
    assert whole - float(by_cause[0, 0]) == pytest.approx(left, rel=1e-9)
    assert left == pytest.approx(0.02, abs=3e-3)
    assert float(by_cause[0, 1]) == 0
    # an error of noise stays one: what is left is 0.02 of the share of pairs
    pairs, chance = (np.sum(x) for x in (strength, np.full(5, 16 * 5e-4**2)))
    assert float(by_cause[0, 2]) == pytest.approx(0.02 * pairs / (pairs + chance), rel=1e-9)


def test_rates_over_time_add_up_to_the_counts() -> None:
    dataset = statistics()
    told = bbm92_over_time(dataset, BBM92Settings(), point=1, duration=np.full(5, 2.0))
    result = analyze_bbm92(dataset, BBM92Settings())
    assert told["sifted_rate"].dims == ("realisation", "time") and told["expected_sifted_rate"].dims == ("time",)
    for name in ("coincidence", "accidental", "sifted"):
        total = 2.0 * told[f"{name}_rate"].sum("time")
        np.testing.assert_allclose(total, result[f"{name}_count"][1], rtol=1e-12)
    assert float((told["qber"] * told["sifted_rate"]).sum("time")[0] / told["sifted_rate"].sum("time")[0]) == pytest.approx(
        float(result["qber"][1, 0]), rel=1e-12
    )
    assert np.all(np.abs(told["expected_inferred_chsh"] - 2.7) < 0.1)
    with pytest.raises(UserError, match="the file has points 0 to 2"):
        bbm92_over_time(dataset, BBM92Settings(), point=3, duration=1.0)
    with pytest.raises(UserError, match="no counts against time"):
        bbm92_over_time(block((10, 10), (1, 1)), BBM92Settings(), duration=1.0)


def test_rows_and_heading_tell_key_proofs_and_estimates() -> None:
    result = analyze_bbm92(statistics(), BBM92Settings())
    result.attrs["analysis_settings"] = json.dumps(BBM92Settings().model_dump())
    told = bbm92.rows(result)
    assert len(told) == 6
    assert told[0]["counts"] == "expected" and told[1]["counts"] == "sampled, mean of 2"
    assert told[0]["loss_db"] == 50
    assert told[1]["key [bit]"] == float(result["key_length"][0].mean())
    assert told[0]["key [bit]"] == float(result["expected_key_length"][0])
    assert all("no proof" in column for column in told[0] if "Yin" in column or "asymptotic" in column)
    assert "proof tomamichel2012, blocks Z, X, f_EC 1.16, secrecy 1e-09" in bbm92.heading(result)


def test_the_exact_tail_is_a_choice_of_one_proof_and_told_as_beyond_its_text() -> None:
    own, exact = (
        bbm92.secret_key([1e4, 1e4], [200.0, 200.0], settings=bbm92.BBM92Settings(sampling_bound=bound))
        for bound in ("own", "exact")
    )
    assert exact.key_length > own.key_length > 0
    # oracle: the kernel, a block a basis with half of the epsilons
    block = core.bbm92_tomamichel2012(
        *(1e4, 200.0),
        test_count=1e4,
        test_error_count=200.0,
        tolerated_error_rate=0.02,
        eps_secrecy=5e-10,
        eps_correctness=5e-16,
        error_correction_efficiency=1.16,
        sampling_bound="exact",
    )
    assert exact.key_length == 2 * block.key_length
    with pytest.raises(UserError, match="lim2021 has own only"):
        bbm92.secret_key([1e4, 1e4], [1.0, 1.0], settings=bbm92.BBM92Settings(proof="lim2021", sampling_bound="exact"))
    with pytest.raises(ValueError, match="serfling, exact"):
        core.bbm92_tomamichel2012(
            *(1e4, 200.0),
            test_count=1e4,
            test_error_count=200.0,
            tolerated_error_rate=0.02,
            eps_secrecy=5e-10,
            eps_correctness=5e-16,
            error_correction_efficiency=1.16,
            sampling_bound="own",
        )
