"""The proof profile of results: epsilons that sum to what is declared, effects from the file's run, back from a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from qphys import analyze
from qphys.errors import UserError
from qphys.keyrates.bbm92 import BBM92Settings
from qphys.keyrates.profile import COVERAGE, coverage, epsilon_by_part, profile
from qphys.keyrates.proofs import ASSUMPTIONS, EFFECTS, PARTS, PROOFS, proofs_of
from qphys.keyrates.run_facts import IN_THE_RUN, effects_in_counts

Maker = Callable[..., xr.Dataset]

SOUND: dict[str, Any] = {
    "receiver": {
        "detector": {"dead_time_ns": 0.0, "afterpulse_probability": 0.0, "efficiency": 0.5, "dark_rate_hz": 0.0},
        "analyser_offset_deg": [0.0, 0.0],
        "polarization_contrast": None,
    },
    "source": {"phase": "random", "intensity_fluctuation": 0.0, "preparation_offset_deg": [0.0, 0.0, 0.0, 0.0]},
    "channel": {"background_rate_hz": 0.0},
}
"""A run without any effect."""


def pairs(protocol: str, outcomes: tuple[list[str], list[str]]) -> xr.Dataset:
    """One point with equal counts of equal results and few of unequal ones, `none` left out."""
    alike = np.array([[a[:-1][1:] == b[:-1][1:] and a[-1] == b[-1] for b in outcomes[1]] for a in outcomes[0]])
    counts = np.where(alike, 20_000, 300)[np.newaxis]
    return xr.Dataset(
        {"counts": (("point", "alice_outcome", "bob_outcome"), counts)},
        {"alice_outcome": outcomes[0], "bob_outcome": outcomes[1]},
        {"protocol": protocol},
    )


def pair_statistics() -> xr.Dataset:
    labels = ["Z0", "Z1", "X0", "X1"]
    return pairs("bbm92", (labels, labels))


def chsh_statistics() -> xr.Dataset:
    return pairs("chsh", (["a0+", "a0-", "a1+", "a1-"], ["b0+", "b0-", "b1+", "b1-"]))


def made_by(run: Any) -> xr.Dataset:
    return xr.Dataset(attrs={"resolved_run": json.dumps({"": run})})


def changed(room: str, key: str, value: Any) -> dict[str, Any]:
    """`SOUND` with one value changed."""
    run = json.loads(json.dumps(SOUND))
    (run[room]["detector"] if key in run[room].get("detector", {}) else run[room])[key] = value
    return dict(run)


@pytest.mark.parametrize(
    ("room", "key", "value", "effects"),
    [
        ("receiver", "dead_time_ns", 50.0, {"dead_time"}),
        ("receiver", "dead_time_ns", [0.0, 0.0, 0.0, 1.0], {"dead_time"}),
        ("receiver", "afterpulse_probability", 0.01, {"afterpulsing"}),
        ("receiver", "efficiency", [0.5, 0.4, 0.4, 0.5], {"efficiency_mismatch"}),
        ("receiver", "efficiency", [0.5, 0.5, 0.5, 0.4], {"efficiency_mismatch", "basis_mismatch"}),
        ("receiver", "efficiency", [0.5, 0.5, 0.5, 0.5], set()),
        ("receiver", "dark_rate_hz", 25.0, {"background"}),
        ("receiver", "polarization_contrast", 280.0, {"misalignment"}),
        ("source", "intensity_fluctuation", 0.05, {"intensity_fluctuation"}),
        ("source", "preparation_offset_deg", [0.0, 0.0, 1.0, 0.0], {"basis_dependent_preparation"}),
        ("source", "phase", "sixteen", {"discrete_phases"}),
        ("source", "intensity_correlation", 0.1, {"intensity_correlation"}),
        ("channel", "background_rate_hz", 1000.0, {"background"}),
    ],
)
def test_each_effect_is_told_from_the_run_by_the_value_that_makes_it(
    room: str, key: str, value: Any, effects: set[str]
) -> None:
    told = effects_in_counts(made_by(changed(room, key, value)))
    assert {name for name, present in told.items() if present} == effects
    assert {name for name, present in told.items() if present is None} == {"double_clicks"}
    assert set(IN_THE_RUN) | {"double_clicks"} == set(EFFECTS)


def test_a_laboratory_file_says_nothing_unless_it_is_asked() -> None:
    assert set(effects_in_counts(xr.Dataset()).values()) == {None}
    told = {"effects_present": "dead_time afterpulsing", "effects_absent": "discrete_phases"}
    found = effects_in_counts(xr.Dataset(attrs=told))
    assert (found["dead_time"], found["discrete_phases"], found["efficiency_mismatch"]) == (True, False, None)
    assert effects_in_counts(made_by(SOUND).assign_attrs(told))["dead_time"] is True
    with pytest.raises(UserError, match="'effects_present': no effect 'deadtime'; did you mean 'dead_time'"):
        effects_in_counts(xr.Dataset(attrs={"effects_present": "deadtime"}))
    with pytest.raises(UserError, match="'effects_present' and 'effects_absent' both name 'dead_time'"):
        effects_in_counts(xr.Dataset(attrs={"effects_present": "dead_time", "effects_absent": "dead_time"}))


@pytest.mark.parametrize("name", PROOFS)
def test_an_effect_outside_a_proof_is_covered_by_nothing_that_a_file_says(name: str) -> None:
    proof = PROOFS[name]
    for present in (True, False, None):
        told = coverage(proof, dict.fromkeys(EFFECTS, present))
        assert set(told) == set(EFFECTS)
        for effect, word in told.items():
            inside = effect not in proof.outside
            assert word == ("not in the data" if present is False else "covered" if inside else _outside(present))


def _outside(present: bool | None) -> str:
    return "unknown" if present is None else "outside the proof"


def test_dropped_double_clicks_are_outside_a_key_but_part_of_fair_sampling() -> None:
    present = {"double_clicks": True}
    assert coverage(PROOFS["lim2014"], present, double_clicks="discard")["double_clicks"] == "outside the proof"
    assert coverage(PROOFS["lim2014"], present)["double_clicks"] == "covered"
    assert coverage(PROOFS["fair_sampling"], present, double_clicks="discard")["double_clicks"] == "covered"


def test_parts_of_epsilon_are_those_of_the_paper() -> None:
    # Lim et al. 2014, Eq. B4: 2 [2 a1 + a2 + a3] + nu + 10 e1 + 2 e2, all equal
    parts = epsilon_by_part(PROOFS["lim2014"], 21.0, 0.5, key_from="all", intensities=3)
    assert parts == {"tail_bounds": 12.0, "smoothing_sampling": 4.0, "chain_rules": 4.0, "hashing": 1.0, "correctness": 0.5}
    # key cost 4 log2(15 / eps) - 1: one chain rule, 2 log2(1/a2) + 1, and hashing, 2 log2(1/nu) - 2; so 2 [2 a1 + a2] + nu
    parts = epsilon_by_part(PROOFS["wiesemann2026"], 15.0, 0.5, key_from="all", intensities=2)
    assert parts == {"tail_bounds": 8.0, "smoothing_sampling": 4.0, "chain_rules": 2.0, "hashing": 1.0, "correctness": 0.5}
    # Tomamichel et al. 2012: ln(4 / eps) makes the sampling fail by (eps / 4)^2, log2(1 / eps^2) = 2 log2(1 / (2 eps_pa))
    epsilon, n, k = 1e-9, 1e5, 1e5
    parts = epsilon_by_part(PROOFS["tomamichel2012"], epsilon, 1e-15, key_from="all", intensities=0)
    mu = np.sqrt((n + k) / (n * k) * (k + 1) / k * np.log(4 / epsilon))
    failure = np.exp(-2 * n * k**2 * mu**2 / ((n + k) * (k + 1)))
    assert parts["smoothing_sampling"] == pytest.approx(2 * np.sqrt(failure), rel=1e-9)
    assert 2 * np.log2(1 / (2 * parts["hashing"])) == pytest.approx(np.log2(1 / epsilon**2), rel=1e-12)


@pytest.mark.parametrize("split", ["key", "block"])
@pytest.mark.parametrize("key_basis", ["both", "X"])
@pytest.mark.parametrize("proof", proofs_of("decoy-bb84"))
def test_parts_of_decoy_keys_sum_to_the_declared_epsilons(statistics: Maker, proof: str, key_basis: str, split: str) -> None:
    result = analyze(statistics(), proof=proof, key_basis=key_basis, epsilon_split=split)
    told = profile(result)
    blocks = 2 if key_basis == "both" and split == "block" else 1
    if PROOFS[proof].is_finite:
        assert told.total_epsilon == pytest.approx(blocks * (1e-9 + 1e-15), rel=1e-12)
        assert told.epsilon["correctness"] == pytest.approx(blocks * 1e-15, rel=1e-12)
        assert set(told.epsilon) <= set(PARTS)
    else:
        assert told.epsilon == {}
        assert "epsilon_by_part" not in result
        assert "nothing claimed of finite data" in told.line
    assert told.claim == result.attrs["security_claim"] == PROOFS[proof].claim


@pytest.mark.parametrize(
    ("choice", "parts", "total"),
    [
        ({}, {"smoothing_sampling", "hashing", "correctness"}, 1e-9 + 1e-15),
        ({"epsilon_split": "block"}, {"smoothing_sampling", "hashing", "correctness"}, 2e-9 + 2e-15),
        ({"proof": "lim2021"}, {"sampling_hashing", "correctness"}, 1e-9 + 1e-15),
        ({"proof": "lim2021", "verification": "best"}, {"sampling_hashing_comparison"}, 1e-9 + 1e-15),
        ({"proof": "tomamichel_leverrier2017"}, {"sampling_hashing_comparison"}, 1e-9 + 1e-15),
        ({"proof": "asymptotic"}, set(), 0.0),
    ],
)
def test_parts_of_pair_keys_sum_to_the_declared_epsilons(choice: dict[str, Any], parts: set[str], total: float) -> None:
    told = profile(analyze(pair_statistics(), BBM92Settings(**choice)))
    assert set(told.epsilon) == parts
    assert sum(told.epsilon.values()) == pytest.approx(total, rel=1e-12)


def test_one_epsilon_for_secrecy_and_correctness_is_declared_as_one() -> None:
    from qphys.keyrates import heading

    joint = analyze(pair_statistics(), proof="tomamichel_leverrier2017")
    assert "correctness_epsilon_of_key" not in joint.attrs
    assert joint.attrs["epsilon_of_key"] == pytest.approx(1e-9 + 1e-15, rel=1e-15)
    assert "secrecy and correctness 1e-09 together" in heading(joint)


def test_a_chsh_test_has_a_profile_without_a_key() -> None:
    told = profile(analyze(chsh_statistics()))
    assert (told.proof, told.attack, told.key_length, dict(told.epsilon)) == ("fair_sampling", "none", "none", {})
    assert "fair_sampling" in told.assumptions
    assert "no key" in told.line
    assert np.isnan(told.total_epsilon)


def test_a_profile_comes_back_from_the_file_of_a_result(statistics: Maker, tmp_path: Path) -> None:
    from qphys.statistics import write_result

    dataset = statistics()
    dataset.attrs["resolved_run"] = json.dumps(changed("receiver", "dead_time_ns", 30.0))
    result = analyze(dataset)
    told = profile(result)
    assert told.effects["dead_time"] == "outside the proof"
    assert told.effects["discrete_phases"] == "not in the data"
    assert set(told.effects.values()) <= set(COVERAGE)
    assert told.assumptions == {name: ASSUMPTIONS[name] for name in PROOFS["lim2014"].assumptions}
    assert result.attrs["notes"].count("outside the proof: dead time") == 1
    write_result(result, tmp_path / "result.nc")
    with xr.open_dataset(tmp_path / "result.nc", engine="h5netcdf") as back:
        assert profile(back) == told
    assert {row["what"] for row in told.rows} == {"claim", "epsilon", "assumption", "effect"}
    assert [row["value"] for row in told.rows if row["name"] == "sum"] == [told.total_epsilon]
    with pytest.raises(UserError, match="no proof profile"):
        profile(result.drop_vars("effect_coverage"))


def test_a_file_that_does_not_say_leaves_what_a_proof_needs_unknown(statistics: Maker) -> None:
    told = profile(analyze(statistics()))
    assert {name for name, word in told.effects.items() if word == "unknown"} == set(PROOFS["lim2014"].outside)
    assert "does not say whether it holds dead time, afterpulsing" in told.line
