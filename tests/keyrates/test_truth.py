"""Reference points beside a decoy key: limits that no proof may exceed, by closed form, other draws, and a wrong proof."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr

from qphys import analyze, core
from qphys.keyrates import decoy_bb84, truth
from qphys.keyrates.entropies import binary_entropy
from qphys.keyrates.proofs import proofs_of
from qphys.keyrates.sifting import Sifted
from qphys.statistics import schema

Maker = Callable[..., xr.Dataset]
MU = np.array([0.8, 0.1, 0.0])
PULSES, NOISE, ERROR = 1e10, 1e-6, 0.005


def events(eta: float, photons: int | None, noise: float = NOISE) -> np.ndarray:
    """Sifted events and errors of a basis by intensity, (2, 3), of pulses with so many photons or of all, on paper."""
    share = {None: np.ones(3), 0: np.exp(-MU), 1: MU * np.exp(-MU)}[photons]
    light = {None: -np.expm1(-eta * MU), 0: np.zeros(3), 1: np.full(3, eta)}[photons]
    sent = PULSES * np.array([0.5, 0.25, 0.25]) / 2 * share
    return np.stack([sent * (light + noise) / 2, sent * (light * ERROR + noise / 2) / 2])


def with_truth(dataset: xr.Dataset, scale: float = 1.0, noise: float = NOISE) -> xr.Dataset:
    """The maker's file with its counts by photon number; `scale` below 1 takes single photons away."""
    eta = 10 ** (-dataset["loss_db"].values / 10)
    cells = np.zeros((len(eta), 2, 3, 2, 2, 8))
    for point, photons in np.ndindex(len(eta), 2):
        n, m = events(eta[point], photons, noise) / 2 * (scale if photons else 1.0)
        for basis, bit in np.ndindex(2, 2):
            cells[point, photons, :, basis, bit, 1 + 2 * basis + bit] = n - m
            cells[point, photons, :, basis, bit, 2 + 2 * basis - bit] = m
    dims = (schema.POINT, schema.PHOTON_NUMBER, *schema.SETTINGS_BB84, schema.BOB_OUTCOME)
    dataset["expected_total_counts_by_photon_number"] = (dims, cells)
    return dataset


def test_the_limit_of_infinite_decoys_is_that_of_lo_ma_chen_and_the_vacuum(statistics: Maker) -> None:
    """Oracle: the kernel of the infinite limit, from yields on paper; then the vacuum's events by hand."""
    dataset = with_truth(statistics())
    result = analyze(dataset)
    for point, loss in enumerate(dataset["loss_db"].values):
        eta = 10 ** (-loss / 10)
        n, m = events(eta, None)
        single, wrong = events(eta, 1)
        e1 = wrong.sum() / single.sum()
        block = events(eta, 0)[0].sum() + single.sum() * (1 - binary_entropy(e1))
        block -= 1.16 * n.sum() * binary_entropy(m.sum() / n.sum())
        found = float(result["expected_infinite_decoy_key_length_estimate"][point])
        assert found == pytest.approx(2 * block, abs=2.0)
        # of the signal alone: gain and yield a pulse
        signal = analyze(dataset, key_from="signal")
        told = core.ma2005_infinite(
            -np.expm1(-eta * MU[0]) + NOISE,
            m[0] / n[0],
            mean_photon_number=MU[0],
            single_photon_yield=eta + NOISE,
            single_photon_error=(eta * ERROR + NOISE / 2) / (eta + NOISE),
            error_correction_efficiency=1.16,
            sifting_factor=1.0,
        )
        sent = PULSES * 0.5 / 2 / 2
        vacuum = events(eta, 0)[0][0]
        found = float(signal["expected_infinite_decoy_key_length_estimate"][point])
        assert found == pytest.approx(2 * (sent * float(told.key_rate) + vacuum), rel=1e-6, abs=2.0)


def test_no_finite_proof_passes_the_limits(statistics: Maker) -> None:
    """Oracle: bounds of a sound proof are worse than the truth; with few and many pulses, little and much noise."""
    for pulses, noise in ((1e10, 1e-6), (1e12, 1e-7)):
        dataset = with_truth(statistics(pulses=pulses, noise=noise, points=2, realisations=1), noise=noise)
        dataset["expected_total_counts_by_photon_number"] *= pulses / PULSES
        for proof, told in proofs_of("decoy-bb84").items():
            if not told.is_finite:
                continue
            few = dataset.isel(point=[0]) if proof == "linear-programme" else dataset  # a programme takes its time
            result = analyze(few, proof=proof)
            truth = result["known_truth_key_length_quantile_estimate"]
            assert (result["key_length"] < truth.isel(quantile=0)).all(), proof
            assert (result["expected_key_length"] < result["expected_infinite_decoy_key_length_estimate"]).all(), proof
            assert "contradicts itself" not in result.attrs["notes"]
    near = analyze(dataset, tail_bound="chernoff")
    assert (near["expected_key_length"] > 0.8 * near["expected_infinite_decoy_key_length_estimate"]).all()


def test_draws_scatter_around_the_limit_as_other_draws_do(statistics: Maker) -> None:
    """Oracle: NumPy's generator dealing the same events; mean within 5 standard errors, spread within a quarter."""
    dataset = with_truth(statistics(points=1, realisations=1))
    result = analyze(dataset, key_basis="Z")
    drawn = result["known_truth_key_length_quantile_estimate"][0, 0].values
    eta = 10 ** (-float(dataset["loss_db"][0]) / 10)
    cells = dataset["counts"].sum("time")[0, 0].values
    generator = np.random.default_rng(5)
    n = np.array([[cells[k, 0, x, 1 + y] for x in (0, 1) for y in (0, 1)] for k in range(3)]).reshape(3, 2, 2)
    counted = np.stack([n[:, 0, 0] + n[:, 1, 1], n[:, 0, 1] + n[:, 1, 0]])
    of_all, vacuum, single = (np.stack([a[0] - a[1], a[1]]) for a in (events(eta, p) for p in (None, 0, 1)))
    # clicks of both detectors are rare enough here to leave out
    keys = []
    for _ in range(2000):
        v = generator.binomial(counted, np.clip(vacuum / of_all, 0, 1))
        s = generator.binomial(counted - v, np.clip(single / np.maximum(of_all - vacuum, 1e-9), 0, 1)).sum()
        wrong = generator.binomial(s, events(eta, 1)[1].sum() / events(eta, 1)[0].sum())
        keys.append(v.sum() + s * (1 - binary_entropy(wrong / s)))
    keys = np.array(keys) - float(result["leakage"][0, 0, 0])
    assert float(result["known_truth_key_length_estimate"][0, 0]) == pytest.approx(keys.mean(), abs=0.5 * keys.std())
    assert drawn[2] - drawn[0] == pytest.approx(np.quantile(keys, 0.99) - np.quantile(keys, 0.01), rel=0.35)


def test_draws_of_a_row_depend_on_no_other_row(statistics: Maker) -> None:
    """Oracle: each point alone, and the points in another order, with the same seed; another seed draws otherwise."""
    dataset = with_truth(statistics())
    dataset.attrs["seed"] = 7
    name = "known_truth_key_length_estimate"
    whole = analyze(dataset)[name].values
    np.testing.assert_array_equal(whole, analyze(dataset)[name].values)
    np.testing.assert_array_equal(analyze(dataset.isel(point=[2, 0, 1]))[name].values, whole[[2, 0, 1]])
    np.testing.assert_array_equal(analyze(dataset.isel(point=[1], realisation=[1]))[name].values, whole[1:2, 1:])
    assert not np.any(analyze(dataset.assign_attrs(seed=8))[name].values == whole)


def test_a_key_beyond_the_limits_is_told(statistics: Maker) -> None:
    """Oracle: a file whose single photons are too few for its counts; the asymptotic proof claims no key of finite data."""
    dataset = with_truth(statistics(pulses=1e12, noise=1e-7), scale=0.1, noise=1e-7)
    dataset["expected_total_counts_by_photon_number"] *= 100
    notes = analyze(dataset).attrs["notes"]
    assert "expected_key_length: 3 of 3 rows longer than the key of infinitely many decoys" in notes
    assert "key_length: 6 of 6 rows longer than the key of one who knows all photon numbers" in notes
    assert "contradicts itself" not in analyze(dataset, proof="ma2005").attrs["notes"]


def test_a_wrong_proof_is_told(statistics: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: a kernel that forgets the multi-photon events: all detections as single photons, the paper's own trap."""
    honest = decoy_bb84.KERNELS["lim2014"]

    def careless(n: Any, m: Any, mu: Any, probability: Any, settings: Any) -> Any:
        _, s0, _, _, leakage, used, status = honest(n, m, mu, probability, settings)
        s1 = n[..., 0].sum(axis=-1)
        phase = m[..., 1].sum(axis=-1) / n[..., 1].sum(axis=-1)
        return np.floor(s1 * (1 - binary_entropy(phase)) - leakage), s0, s1, phase, leakage, used, np.zeros_like(status)

    dataset = with_truth(statistics())
    monkeypatch.setitem(decoy_bb84.KERNELS, "lim2014", careless)
    assert "6 of 6 rows longer than the key of one who knows all photon numbers" in analyze(dataset).attrs["notes"]


def test_blocks_of_several_points_have_their_limits_together(statistics: Maker) -> None:
    dataset = with_truth(statistics(points=5))
    result = analyze(dataset, block="all", key_basis="X")
    assert result.sizes["point"] == len(set(dataset["block_identity"].values)) == 3
    assert (result["key_length"] < result["known_truth_key_length_estimate"]).all()
    alone = analyze(dataset, key_basis="X")["expected_infinite_decoy_key_length_estimate"].values
    assert float(result["expected_infinite_decoy_key_length_estimate"][0]) > alone[0]


def test_the_asymptotic_estimate_is_the_asymptotic_proof(statistics: Maker) -> None:
    """Oracle: the proof itself. It needs no photon numbers, so that a laboratory's file has it too."""
    result, asymptotic = analyze(statistics()), analyze(statistics(), proof="ma2005")
    for prefix in ("", "expected_"):
        name = f"{prefix}asymptotic_key_length_estimate"
        np.testing.assert_array_equal(result[name], asymptotic[f"{prefix}key_length"])
        assert name not in asymptotic
        assert name not in analyze(statistics(), intensities=("signal", "decoy"))
    assert "expected_infinite_decoy_key_length_estimate" not in result
    assert (result["key_length"] < result["asymptotic_key_length_estimate"]).all()


def test_a_row_that_is_no_count_has_no_reference_point(statistics: Maker) -> None:
    dataset = with_truth(statistics())
    dataset["counts"] = dataset["counts"].astype(float)
    dataset["counts"][0, 0, 0, 0, 0, 0, 1] = np.nan
    result = analyze(dataset)
    assert np.isnan(result["known_truth_key_length_estimate"][0, 0])
    assert np.isfinite(result["known_truth_key_length_estimate"]).sum() == 5
    assert np.isnan(result["asymptotic_key_length_estimate"][0, 0])


def test_single_photons_err_as_they_do_in_the_other_basis() -> None:
    """Oracle: the formula by hand, 1 % errors in Z and 6 % in X; draws of 1e7 events agree within their scatter."""
    single, wrong = np.full((1, 2, 2), 4e6), np.array([[[4e4, 2.4e5], [4e4, 2.4e5]]])
    vacuum = np.full((1, 2, 2), 1e5)
    empty = np.zeros((1, 2, 2))

    def sifted(counts: np.ndarray, errors: np.ndarray) -> Sifted:
        return Sifted(
            counts=counts, errors=errors, double_clicks=empty, detections=empty[..., 0], across_clicks=empty[..., 0]
        )

    photons = truth.Photons(vacuum=sifted(vacuum, vacuum / 2), single=sifted(single, wrong))
    leakage = np.array([[1e5, 2e5]])
    enters = np.array([[True, False]])
    by_hand = [1e5 + 4e6 * (1 - binary_entropy(error)) - lost for error, lost in ((0.06, 1e5), (0.01, 2e5))]
    told = truth.infinite_decoy_key_length(photons, leakage=leakage, enters=enters, bases=[0, 1])
    assert float(told[0]) == pytest.approx(sum(by_hand), abs=2.0)
    told = truth.infinite_decoy_key_length(photons, leakage=leakage[:, 1:], enters=enters, bases=[1])
    assert float(told[0]) == pytest.approx(by_hand[1], abs=1.0)
    whole = sifted(1.25 * (single + vacuum), wrong + vacuum / 2 + 1e4)
    drawn = truth.known_truth_key_lengths(photons, whole, whole, leakage=leakage[:, :1], enters=enters, bases=[0], seed=1)
    # 6 % of 4e6: 475 errors of scatter, each worth h'(0.06) = 4 bit; photon numbers: 1,000 events
    assert float(drawn.mean()) == pytest.approx(by_hand[0], abs=5 * 2200 / np.sqrt(truth.DRAWS))
    assert 500 < float(drawn.std()) < 4000


def test_the_picture_of_a_sweep_draws_the_reference_points(statistics: Maker) -> None:
    from matplotlib.figure import Figure

    from qphys.plots import figures

    axes = figures.sweep(with_truth(statistics()), Figure())
    labels = axes[0].get_legend_handles_labels()[1]
    assert labels == ["blocks without end", "infinitely many decoys", "photon numbers known"]
    assert figures.sweep(statistics(), Figure())[0].get_legend_handles_labels()[1] == ["blocks without end"]


def test_a_single_point_tells_its_reference_points_in_a_line(statistics: Maker) -> None:
    notes = analyze(with_truth(statistics(points=1))).attrs["notes"]
    assert "blocks without end" in notes
    assert "infinitely many decoys" in notes
    assert "reference points" not in analyze(with_truth(statistics())).attrs["notes"]


def test_parts_of_a_pass_have_the_estimates_of_their_sum_and_no_known_truth(statistics: Maker) -> None:
    """Oracle: the parts analysed one by one. Photon numbers are told of the whole pass only."""
    dataset = with_truth(statistics(points=1))
    edge = float(dataset["time"][2] + dataset["time"][1]) / 2
    result = analyze(dataset, parts={"time_edges_s": [edge]})
    first, second = (
        analyze(dataset.isel(time=steps).drop_vars("expected_total_counts_by_photon_number"))
        for steps in (slice(0, 2), slice(2, None))
    )
    name = "asymptotic_key_length_estimate"
    np.testing.assert_array_equal(result[name], first[name] + second[name])
    assert not [name for name in result if "infinite_decoy" in str(name) or "known_truth" in str(name)]
