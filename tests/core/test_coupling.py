"""Kernels of coupling.c. Oracles: the slow twins, closed moments, the exact mean over rings, addresses of the draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qphys import core
from qphys.channels.coupling import modal_coupling, modal_scintillation_index
from qphys.channels.pupil import mean_coupling, polar_pupil, residual_factors
from qphys.core import reference_coupling as reference

Array = np.ndarray[Any, Any]
KEY = (np.uint64(20161219), np.uint64(0xFEDC_BA98_7654_3210), np.uint64(7))
FEW = np.array([0, 5, 2**32 + 1, 2**40, 1, 2, 3, 4, 6, 9, 11], dtype=np.uint64)


def many(number: int) -> Array:
    return np.arange(number, dtype=np.uint64)


def factors(order: int, strength: float, rings: int = 8, angles: int = 32) -> tuple[Any, Array]:
    pupil = polar_pupil(mode_ratio=1.12, obscuration=0.2, corrected_order=order, rings=rings, angles=angles)
    return pupil, residual_factors(pupil, aperture_over_fried=[strength], residual=np.full((1, order), 0.01))[0]


@pytest.mark.parametrize("level", core.instruction_sets())
@pytest.mark.parametrize("modes", [1, 7, 8, 48, 256])
@pytest.mark.parametrize("log_variance", [0.0, 0.3])
def test_modal_samples_are_those_of_the_twin(level: str, modes: int, log_variance: float) -> None:
    variance = np.geomspace(0.5, 1e-3, modes)
    variance[2:4] = variance[2:3]  # a pair of equal modes takes another branch
    parameters = (variance, 0.7, log_variance, *KEY, FEW)
    expected = reference.modal_coupling(*parameters)
    np.testing.assert_allclose(core.kernels(level)["modal_coupling"](*parameters), expected, rtol=1e-12)


@pytest.mark.parametrize("level", core.instruction_sets())
@pytest.mark.parametrize(("rings", "angles"), [(8, 4), (8, 32), (16, 64), (32, 128)])
def test_pupil_samples_are_those_of_the_twin(level: str, rings: int, angles: int) -> None:
    pupil, factor = factors(1, 6.0, rings, angles)
    parameters = (factor, pupil.mode_weight, 0.2, *KEY, FEW)
    got = core.kernels(level)["pupil_coupling"](*parameters)
    # a sum of a thousand phases that may cancel
    np.testing.assert_allclose(got, reference.pupil_coupling(*parameters), rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("level", core.instruction_sets())
def test_every_instruction_set_gives_the_same_bits(level: str) -> None:
    pupil, factor = factors(0, 5.0)
    for name, parameters in (
        ("modal_coupling", (np.geomspace(0.5, 1e-3, 31), 0.7, 0.1)),
        ("pupil_coupling", (factor, pupil.mode_weight, 0.1)),
    ):
        ours = core.kernels(level)[name](*parameters, *KEY, many(101))
        np.testing.assert_array_equal(ours, core.kernels("baseline")[name](*parameters, *KEY, many(101)))


def test_a_sample_depends_on_its_address_alone() -> None:
    """Any chunk, order and neighbour; another seed, stream, index or sample is another draw."""
    pupil, factor = factors(0, 5.0)
    for name, parameters in (
        ("modal_coupling", (np.array([0.3, 0.1, 0.1]), 1.0, 0.1)),
        ("pupil_coupling", (factor, pupil.mode_weight, 0.1)),
    ):
        kernel = core.KERNELS[name]
        whole = kernel(*parameters, *KEY, many(37))
        np.testing.assert_array_equal(whole[11:24], kernel(*parameters, *KEY, many(37)[11:24]))
        np.testing.assert_array_equal(whole[::-3], kernel(*parameters, *KEY, many(37)[::-3]))
        for k in range(3):
            other = list(KEY)
            other[k] += np.uint64(1)
            assert not np.any(whole == kernel(*parameters, *other, many(37)))
        assert np.unique(whole).size == 37


def test_modal_samples_have_the_closed_moments() -> None:
    """Closed moments of a product of Gaussian modes and a log-normal factor: 4 sigma of 200,003 samples."""
    variance = np.concatenate([[0.3, 0.3, 0.1], np.geomspace(0.05, 1e-4, 30)])
    sample = core.KERNELS["modal_coupling"](variance, 0.8, 0.05, *KEY, many(200_003))
    for q in (1.0, 2.0, -0.3):
        expected = 0.8**q * modal_coupling(variance, q) * np.exp(q * (q - 1) * 0.05 / 2)
        error = np.std(sample**q) / np.sqrt(sample.size)
        assert np.mean(sample**q) == pytest.approx(expected, abs=4 * error)
    index = (1 + modal_scintillation_index(variance)) * np.exp(0.05) - 1
    assert np.var(sample) / np.mean(sample) ** 2 == pytest.approx(index, rel=0.02)


@pytest.mark.parametrize(("order", "strength"), [(0, 1.0), (0, 4.0), (1, 4.0), (3, 5.0)])
def test_pupil_samples_have_the_exact_mean(order: int, strength: float) -> None:
    """The sum over pairs of points, exact on the rings: 4 sigma of 20,011 pupils."""
    pupil, factor = factors(order, strength)
    sample = core.KERNELS["pupil_coupling"](factor, pupil.mode_weight, 0.0, *KEY, many(20_011))
    expected = mean_coupling(pupil, factor[None])[0]
    assert np.mean(sample) == pytest.approx(expected, abs=4 * np.std(sample) / np.sqrt(sample.size))


def test_scintillation_multiplies_each_sample() -> None:
    """The factor's normals come after the pupil's: ratios are log-normal, with the mean 1 in 4 sigma."""
    pupil, factor = factors(1, 3.0)
    kernel = core.KERNELS["pupil_coupling"]
    ratio = kernel(factor, pupil.mode_weight, 0.09, *KEY, many(4001)) / kernel(
        factor, pupil.mode_weight, 0.0, *KEY, many(4001)
    )
    assert np.mean(np.log(ratio)) == pytest.approx(-0.045, abs=4 * 0.3 / np.sqrt(4001))
    assert np.std(np.log(ratio)) == pytest.approx(0.3, rel=0.05)


def test_sizes_that_no_kernel_can_hold_give_nan() -> None:
    assert np.all(np.isnan(core.KERNELS["modal_coupling"](np.zeros(257), 1.0, 0.0, *KEY, many(3))))
    for shape in ((17, 7, 7), (13, 8, 8), (2, 8, 8), (129, 8, 8), (17, 40, 40)):
        got = core.KERNELS["pupil_coupling"](np.zeros(shape), np.ones(shape[1]), 0.0, *KEY, many(9))
        assert np.all(np.isnan(got))
    assert core.KERNELS["modal_coupling"](np.zeros(2), 1.0, 0.0, *KEY, many(0)).shape == (0,)
    bad = core.KERNELS["modal_coupling"](np.array([np.nan, 0.1]), 1.0, 0.0, *KEY, many(3))
    assert np.all(np.isnan(bad))
    pupil, factor = factors(0, 1.0)
    assert np.all(np.isnan(core.KERNELS["pupil_coupling"](factor * np.nan, pupil.mode_weight, 0.0, *KEY, many(3))))
