"""The registry of proofs: one record a proof, complete, and the same names in settings, kernels and documentation."""

from __future__ import annotations

from typing import get_args

import pytest

from qphys.errors import UserError
from qphys.keyrates import bbm92, decoy_bb84
from qphys.keyrates.bbm92 import BBM92Settings
from qphys.keyrates.proofs import ASSUMPTIONS, EFFECTS, PROOFS, Proof, preferred, proofs_of
from qphys.keyrates.settings import AnalysisSettings
from qphys.statistics import schema


def named(record: type, field: str) -> set[str]:
    return set(get_args(record.model_fields[field].annotation))  # type: ignore[attr-defined]


def test_settings_registry_and_kernels_name_the_same_proofs() -> None:
    of_pulses = set(proofs_of(schema.PROTOCOL_DECOY_BB84))
    assert named(AnalysisSettings, "proof") - {"auto"} == of_pulses == set(decoy_bb84.KERNELS)
    of_pairs = set(proofs_of("bbm92"))
    assert named(BBM92Settings, "proof") == of_pairs
    assert of_pairs == set(bbm92.KERNELS_OF_TWO_BASES) | set(bbm92.KERNELS_OF_POOLED_BASES)
    assert {name for name in of_pairs if PROOFS[name].one_basis_tests} == set(bbm92.KERNELS_OF_TWO_BASES)


@pytest.mark.parametrize("proof", PROOFS.values(), ids=PROOFS)
def test_a_proof_names_what_the_registry_knows(proof: Proof) -> None:
    assert set(proof.assumptions) <= set(ASSUMPTIONS)
    assert set(proof.outside) <= set(EFFECTS)
    assert proof.assumptions
    assert proof.source in proof.claim
    settings = AnalysisSettings if proof.protocol == schema.PROTOCOL_DECOY_BB84 else BBM92Settings
    for option, values in proof.options.items():
        assert set(values) <= named(settings, option)


@pytest.mark.parametrize(
    ("name", "key_from", "intensities", "total"),
    [
        # printed constants: 6 log2(21/eps), 6 log2(19/eps), 4 log2(15/...); 8 K + 11 by docs/physics/proofs.md
        ("lim2014", "all", 3, 21),
        ("lim2014", "signal", 3, 23),
        ("rusca2018", "all", 2, 19),
        ("wiesemann2026", "all", 2, 15),
        ("linear-programme", "all", 2, 27),
        ("linear-programme", "all", 4, 43),
        ("variable-length", "all", 3, 15),  # and 14: docs/physics/variable-length.md
        ("variable-length", "all", 2, 14),
        ("tupkary2025", "all", 3, 3),
        ("ma2005", "all", 3, 0),
    ],
)
def test_shares_of_epsilon_sum_to_the_constant_in_the_key(name: str, key_from: str, intensities: int, total: int) -> None:
    assert sum(PROOFS[name].epsilon_shares(key_from=key_from, intensities=intensities).values()) == total


def test_a_proof_left_open_follows_the_number_of_intensities() -> None:
    assert [preferred(k, "lim2014") for k in (1, 2, 3, 4)] == ["lim2014", "wiesemann2026", "lim2014", "lim2014"]
    assert [k for k in range(1, 6) if PROOFS["linear-programme"].takes(k)] == [2, 3, 4, 5]
    assert [k for k in range(1, 6) if PROOFS["rusca2018"].takes(k)] == [2]
    assert not PROOFS["tomamichel2012"].takes(2)


def test_a_setting_outside_a_proof_is_refused_with_what_it_takes() -> None:
    with pytest.raises(
        UserError, match="analysis.tail_bound = 'binomial': the proof tupkary2025 has hoeffding or chernoff only"
    ):
        PROOFS["tupkary2025"].check(AnalysisSettings(tail_bound="binomial"))
    PROOFS["linear-programme"].check(AnalysisSettings(tail_bound="binomial"))


def test_choices_that_the_authors_do_not_have_are_told() -> None:
    assert PROOFS["rusca2018"].beyond(AnalysisSettings()) == []
    chosen = AnalysisSettings(tail_bound="zhang2017", key_from="signal", sampling_bound="serfling")
    assert PROOFS["rusca2018"].beyond(chosen) == ["tail_bound = zhang2017", "key_from = signal", "sampling_bound = serfling"]
    assert PROOFS["wiesemann2026"].beyond(chosen) == ["tail_bound = zhang2017", "key_from = signal"]
