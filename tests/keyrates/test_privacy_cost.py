"""What a block pays for privacy is stated once, in the registry; the kernels' own constants must agree to a bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qphys.keyrates import AnalysisSettings, bbm92, block_epsilons
from qphys.keyrates.decoy_bb84 import secret_key
from qphys.keyrates.entropies import binary_entropy
from qphys.keyrates.proofs import PROOFS

MU = {3: [0.6, 0.15, 1e-3], 2: [0.4, 0.01]}
SHARE = {3: [0.6, 0.25, 0.15], 2: [0.7, 0.3]}


@pytest.mark.parametrize(
    ("proof", "number", "choice"),
    [
        ("lim2014", 3, {}),
        ("lim2014", 3, {"key_from": "signal"}),
        ("lim2014", 3, {"tail_bound": "chernoff"}),
        ("rusca2018", 2, {}),
        ("wiesemann2026", 2, {}),
        ("linear-programme", 3, {}),
    ],
)
@pytest.mark.parametrize("epsilons", [(1e-9, 1e-15), (1e-6, 1e-3)])
def test_the_key_of_a_decoy_block_is_what_its_bounds_leave_less_the_stated_cost(
    proof: str, number: int, choice: dict[str, Any], epsilons: tuple[float, float]
) -> None:
    rng = np.random.default_rng(6)
    settings = AnalysisSettings(proof=proof, security_epsilon=epsilons[0], correctness_epsilon=epsilons[1], **choice)
    mu, p = np.array(MU[number]), np.array(SHARE[number])
    pulses, dark, light = 10 ** rng.uniform(9.5, 11.0, (5, 1)) * p, 1e-4, -np.expm1(-1e-2 * mu)
    bases = np.array([0.6, 0.4])
    counts = (pulses * (dark + light))[..., np.newaxis] * bases
    errors = (pulses * (0.5 * dark + 0.005 * light))[..., np.newaxis] * bases
    key = secret_key(
        counts, errors, mean_photon_number=mu, intensity_probability=np.stack([p, p], axis=-1), settings=settings
    )
    security, correctness = block_epsilons(settings)
    told = PROOFS[proof]
    cost = told.bits_paid(security=security, correctness=correctness, key_from=settings.key_from, intensities=number)
    vacuum = key.s0_lower if told.vacuum_is_secret else 0.0
    left = vacuum + key.s1_lower * (1.0 - binary_entropy(key.phase_error_upper)) - key.leakage - cost
    assert np.all(key.block_key_length > 0)
    assert np.all(key.s0_lower > 10.0)
    np.testing.assert_array_equal(key.block_key_length, np.floor(left))


def test_the_key_of_a_block_of_pairs_is_what_its_bounds_leave_less_the_stated_cost() -> None:
    settings = bbm92.BBM92Settings(proof="tomamichel2012", security_epsilon=1e-8, correctness_epsilon=1e-12)
    key = bbm92.secret_key([[3e5, 2e5], [1.1e6, 9e5]], [[3e3, 2e3], [2e4, 1e4]], settings=settings)
    security, correctness = bbm92.block_epsilons(settings)
    cost = PROOFS["tomamichel2012"].bits_paid(security=security, correctness=correctness)
    left = key.key_count * (1.0 - binary_entropy(key.phase_error_upper)) - key.leakage - cost
    assert np.all(key.block_key_length > 0)
    np.testing.assert_array_equal(key.block_key_length, np.floor(left))
