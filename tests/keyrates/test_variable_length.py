"""Analysis of files by the proofs whose length follows the counts."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr

from qphys import core
from qphys.errors import UserError
from qphys.keyrates.analyze import analyze
from qphys.keyrates.decoy_bb84 import secret_key
from qphys.keyrates.profile import profile
from qphys.keyrates.proofs import PROOFS
from qphys.keyrates.settings import settings_from

COUNTS = np.array([[6972000.0, 597600.0], [601200.0, 90180.0], [21000.0, 2100.0]])
ERRORS = np.array([[73150.0, 6270.0], [7000.0, 1050.0], [700.0, 70.0]])
SENDER: dict[str, Any] = {
    "mean_photon_number": [0.5, 0.15, 0.01],
    "intensity_probability": [[0.7, 0.6], [0.2, 0.3], [0.1, 0.1]],
}


@pytest.mark.parametrize("proof", ["variable-length", "tupkary2025"])
def test_blocks_of_both_bases_are_those_of_the_kernel_with_half_of_each_epsilon(proof: str) -> None:
    key = secret_key(COUNTS, ERRORS, **SENDER, settings=settings_from(proof=proof))
    probability = np.array(SENDER["intensity_probability"])
    for place in (0, 1):
        block = core.variable_length(
            COUNTS[:, place],
            ERRORS[:, place],
            test_counts=COUNTS[:, 1 - place],
            test_errors=ERRORS[:, 1 - place],
            mean_photon_numbers=SENDER["mean_photon_number"],
            key_probabilities=probability[:, place],
            test_probabilities=probability[:, 1 - place],
            eps_secrecy=5e-10,
            eps_correctness=5e-16,
            error_correction_efficiency=1.16,
            tail_bound="hoeffding",
            proof=proof,
        )
        assert key.block_key_length[place] == block.key_length > 0
        assert key.s1_lower[place] == block.single_photon_lower
    assert key.key_length == key.block_key_length.sum()


def test_order_of_intensities_does_not_matter_and_the_brighter_two_make_a_key_alone() -> None:
    settings = settings_from(proof="variable-length", key_basis="Z")
    three = secret_key(COUNTS, ERRORS, **SENDER, settings=settings)
    turned = {name: np.array(value)[[2, 0, 1]] for name, value in SENDER.items()}
    assert secret_key(COUNTS[[2, 0, 1]], ERRORS[[2, 0, 1]], **turned, settings=settings).key_length == three.key_length
    two = {"mean_photon_number": [0.5, 0.15], "intensity_probability": np.array([[7 / 9, 2 / 3], [2 / 9, 1 / 3]])}
    one_decoy = secret_key(COUNTS[:2], ERRORS[:2], **two, settings=settings)
    assert 0 < one_decoy.key_length < three.key_length


def test_a_file_is_told_whose_claim_its_key_is(statistics: Callable[..., xr.Dataset]) -> None:
    for proof, split in (("variable-length", "15 equal parts"), ("tupkary2025", "3 equal parts")):
        result = analyze(statistics(points=2), proof=proof)
        assert (result.key_length > 0).all()
        assert "variable length" in result.attrs["security_claim"]
        assert split in result.attrs["epsilon_split_in_block"]
        assert result.attrs["security_epsilon_of_key"] == 1e-9
        assert "acceptance_met" not in PROOFS[proof].assumptions


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"proof": "variable-length", "key_from": "signal"}, "key_from = 'signal': the proof variable-length has all only"),
        ({"proof": "tupkary2025", "sampling_bound": "lim2014"}, "the proof tupkary2025 has own or exact only"),
        ({"proof": "tupkary2025", "intensities": ("signal", "decoy")}, "the proof tupkary2025 takes 3"),
        (
            {"proof": "variable-length", "sampling_bound": "exact", "intensities": ("signal", "decoy")},
            "with one decoy the proof variable-length has own only",
        ),
        ({"detector_ratio": 0.98}, "detector_ratio = 0.98: the proof lim2014 is for like detectors"),
        ({"proof": "variable-length", "detector_ratio": 0.98, "sampling_bound": "exact"}, "there is own only"),
        ({"proof": "variable-length", "detector_ratio": 1.5}, "detector_ratio"),
    ],
)
def test_what_the_proof_does_not_have_is_refused(
    statistics: Callable[..., xr.Dataset], table: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        analyze(statistics(points=1), table)


def test_a_ratio_of_detectors_costs_key_and_covers_what_the_run_says(statistics: Callable[..., xr.Dataset]) -> None:
    data = statistics(points=1)

    def told(ratio: float, **receiver: Any) -> xr.Dataset:
        told = data.assign_attrs(resolved_run=json.dumps({"receiver": receiver}))
        return analyze(told, proof="variable-length", detector_ratio=ratio)

    keys = [float(told(ratio).key_length.mean()) for ratio in (1.0, 0.999, 0.99)]
    assert keys[0] > keys[1] > keys[2] > 0
    close, far = [0.5, 0.499, 0.498, 0.5], [0.5, 0.49, 0.5, 0.5]
    assert profile(told(0.99, efficiency=close)).effects["efficiency_mismatch"] == "covered"
    assert "detectors_alike_to_the_ratio" in profile(told(0.99, efficiency=close)).assumptions
    for facts in ({"efficiency": far}, {"efficiency": close, "basis_choice": "passive"}):
        assert profile(told(0.99, **facts)).effects["efficiency_mismatch"] == "outside the proof"
        assert "basis_independent_detection" in profile(told(0.99, **facts)).assumptions
    assert profile(told(1.0, efficiency=close)).effects["efficiency_mismatch"] == "outside the proof"
    dark = {"efficiency": close, "dark_rate_hz": [100.0, 101.0, 100.0, 120.0]}
    assert profile(told(0.99, **dark)).effects["efficiency_mismatch"] == "outside the proof"
