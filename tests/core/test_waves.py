"""Kernels of wave optics. Oracles: the slow twins in double, normal moments, equal bits on every instruction set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from qphys import core
from qphys.core import reference_waves as reference

Array = np.ndarray[Any, Any]
ADDRESS = (np.uint64(11), np.uint64(0xFEDC_BA98_7654_3210), np.uint64(5), np.uint64(3))
CELLS = np.array([[0.0, 1 / 3, 1 / 3], [-1 / 9, 1 / 9, 1 / 9], [0.0, 0.0, 1 / 81]])
RNG_SHAPES = [(7, 13), (16, 16), (5, 131)]


def random_field(shape: tuple[int, int], dtype: Any, seed: int = 1) -> Array:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(dtype)


def test_low_frequencies_are_those_of_the_twin() -> None:
    for got, expected in zip(
        core.KERNELS["screen_modes"](CELLS, 0.05, *ADDRESS), reference.screen_modes(CELLS, 0.05, *ADDRESS), strict=True
    ):
        np.testing.assert_allclose(got, expected, rtol=1e-13, atol=1e-14)


def test_low_frequencies_stay_in_their_cells() -> None:
    """Each is uniform inside: the mean of a cell is its centre to 5 sigma of 4001 draws."""
    realisation = np.arange(4001, dtype=np.uint64)
    offset, frequency, _ = core.KERNELS["screen_modes"](CELLS, 0.05, *ADDRESS[:2], realisation, ADDRESS[3])
    assert np.all(np.abs(offset) < 0.5)
    away = (frequency - CELLS[:, :2]) / CELLS[:, 2:]
    assert np.all(np.abs(away) < 0.5)
    for sample in (*offset.T, *away.reshape(-1, 6).T):
        assert stats.kstest(sample + 0.5, "uniform").pvalue > 1e-4


@pytest.mark.parametrize("shape", RNG_SHAPES)
def test_spectrum_is_that_of_the_twin(shape: tuple[int, int]) -> None:
    """Polynomials of single precision: 1e-5 of the power law, and as much of the radius."""
    index_y, index_x = (np.fft.fftfreq(n, 1 / n) for n in shape)
    told = (index_y, index_x, np.array([0.3, -0.45]), 0.05, *ADDRESS)
    got, expected = core.KERNELS["screen_spectrum"](*told), reference.screen_spectrum(*told)
    assert got.dtype == np.complex64
    assert got[0, 0] == 0
    np.testing.assert_allclose(got, expected, rtol=0, atol=2e-5 * np.abs(expected).max())
    np.testing.assert_allclose(np.abs(got[1:]), np.abs(expected[1:]), rtol=3e-5)


def test_normals_of_the_spectrum_are_normal() -> None:
    """Moments on paper, 5 sigma of 2^19 variates; no neighbour knows of another."""
    index = np.zeros(512)
    index[:] = 1.0
    got = core.KERNELS["screen_spectrum"](index, index, np.zeros(2), 0.0, *ADDRESS) / 2.0 ** (-11 / 12)
    x = np.stack([got.real, got.imag]).astype(float)
    n = x.size
    assert np.mean(x) == pytest.approx(0, abs=5 / np.sqrt(n))
    assert np.mean(x**2) == pytest.approx(1, abs=5 * np.sqrt(2 / n))
    assert np.mean(x**4) == pytest.approx(3, abs=5 * np.sqrt(96 / n))
    assert np.mean(x**6) == pytest.approx(15, abs=5 * np.sqrt(10170 / n))
    assert np.mean(x[0] * x[1]) == pytest.approx(0, abs=5 / np.sqrt(n / 2))
    for step in (1, 2, 4, 8):
        assert np.mean(x[:, :, step:] * x[:, :, :-step]) == pytest.approx(0, abs=5 / np.sqrt(n))


@pytest.mark.parametrize("shape", RNG_SHAPES)
def test_screens_are_the_sum_of_their_waves(shape: tuple[int, int]) -> None:
    field = random_field(shape, np.complex64)
    ramps = [np.exp(1j * np.linspace(-1, 1, n)).astype(np.complex64) for n in shape]
    frequency = np.random.default_rng(2).uniform(-0.5, 0.5, (33, 2))
    coefficient = random_field((33, 1), complex, 3)[:, 0]
    told = (field, *ramps, frequency, coefficient)
    for got, expected in zip(core.KERNELS["screen_phase"](*told), reference.screen_phase(*told), strict=True):
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-4)


def test_sensor_noise_is_that_of_the_twin_and_normal() -> None:
    deviation = np.full(10_007, 2.0)
    got = core.KERNELS["sensor_noise"](deviation, *ADDRESS)
    np.testing.assert_allclose(got, reference.sensor_noise(deviation, *ADDRESS), rtol=1e-12, atol=1e-13)
    assert stats.kstest(got / 2.0, "norm").pvalue > 1e-4


@pytest.mark.parametrize(("suffix", "dtype", "tolerance"), [("", np.complex64, 4e-7), ("_c128", np.complex128, 3e-15)])
@pytest.mark.parametrize("shape", RNG_SHAPES)
def test_products_and_sums_are_those_of_the_twins(shape: tuple[int, int], suffix: str, dtype: Any, tolerance: float) -> None:
    """Single precision with double sums; double precision to its rounding."""
    field, other = random_field(shape, dtype), random_field(shape, dtype, 4)
    phase = np.random.default_rng(5).uniform(-300, 300, shape).astype(np.float32)
    windows = [np.linspace(0.1, 1, n).astype(np.float32) for n in shape]
    factors = [np.exp(1j * np.linspace(0, 20, n)).astype(dtype) for n in shape]
    kernel = core.KERNELS
    size = np.abs(field).max()
    np.testing.assert_allclose(
        kernel["multiply_phase" + suffix](field, phase, 0.125, *windows),
        reference.multiply_phase(field, phase, 0.125, *windows),
        rtol=0,
        atol=tolerance * size * (8 if suffix else 1),
    )
    np.testing.assert_allclose(
        kernel["multiply_separable" + suffix](field, *factors),
        reference.multiply_separable(field, *factors),
        rtol=0,
        atol=tolerance * size,
    )
    # the sums are in double with both types: they agree to 1e-14 of what is added
    scale = float(np.sum(np.abs(field) * np.abs(other)))
    assert abs(kernel["overlap" + suffix](field, other) - reference.overlap(field, other)) < 1e-14 * scale
    weight = np.abs(phase)
    assert kernel["power" + suffix](field, weight) == pytest.approx(reference.power(field, weight), rel=1e-14)


def test_phase_factor_is_unitary_at_large_phases() -> None:
    """|exp(i phi)| = 1 on paper, over a thousand turns."""
    phase = np.linspace(-6000, 6000, 100_352, dtype=np.float32).reshape(784, 128)
    one = np.ones(784, np.float32), np.ones(128, np.float32)
    got = core.KERNELS["multiply_phase"](np.ones(phase.shape, np.complex64), phase, 1.0, *one)
    np.testing.assert_allclose(np.abs(got.astype(complex)), 1.0, rtol=3e-7)
    np.testing.assert_allclose(got, np.exp(1j * phase.astype(float)), rtol=0, atol=4e-7)


def kernel_results(level: str, step: int) -> list[Array]:
    kernel = core.kernels(level)
    field = random_field((24, 40 * step), np.complex64)[:, ::step]
    phase = np.random.default_rng(5).uniform(-300, 300, (24, 40 * step)).astype(np.float32)[:, ::step]
    windows = [np.linspace(0.1, 1, n).astype(np.float32) for n in (24, 40)]
    factors = [np.exp(1j * np.linspace(0, 20, n)).astype(np.complex64) for n in (24, 40)]
    index = [np.fft.fftfreq(n, 1 / n) for n in (24, 40)]
    offset, frequency, coefficient = kernel["screen_modes"](CELLS, 0.05, *ADDRESS)
    results = [
        *(offset, frequency, coefficient),
        kernel["screen_spectrum"](*index, offset, 0.05, *ADDRESS),
        *kernel["screen_phase"](field, *factors, frequency, coefficient),
        kernel["sensor_noise"](np.ones(31), *ADDRESS),
        kernel["multiply_phase"](field, phase, 0.1, *windows),
        kernel["multiply_separable"](field, *factors),
        kernel["overlap"](field, phase * field),
        kernel["power"](field, phase),
    ]
    double, wide = field.astype(complex), [f.astype(complex) for f in factors]
    results += [
        kernel["multiply_phase_c128"](double, phase, 0.1, *windows),
        kernel["multiply_separable_c128"](double, *wide),
        kernel["overlap_c128"](double, phase * double),
        kernel["power_c128"](double, phase),
    ]
    return [np.asarray(result) for result in results]


@pytest.mark.parametrize("level", core.instruction_sets())
def test_every_instruction_set_gives_the_same_bits(level: str) -> None:
    for got, expected in zip(kernel_results(level, 1), kernel_results("baseline", 1), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_rows_that_lie_apart_give_the_same_bits() -> None:
    told = random_field((24, 80), np.complex64)
    phase = np.random.default_rng(5).uniform(-300, 300, (24, 80)).astype(np.float32)
    apart, beside = told[:, ::2], np.ascontiguousarray(told[:, ::2])
    windows = [np.linspace(0.1, 1, n).astype(np.float32) for n in (24, 40)]
    for name, rest in (("multiply_phase", (phase[:, ::2], 0.1, *windows)), ("power", (phase[:, ::2],))):
        np.testing.assert_array_equal(core.KERNELS[name](apart, *rest), core.KERNELS[name](beside, *rest))
    np.testing.assert_array_equal(core.KERNELS["overlap"](apart, apart), core.KERNELS["overlap"](beside, beside))


def test_a_field_of_double_precision_is_refused_by_the_single_kernels() -> None:
    """Nothing loses its digits unasked."""
    with pytest.raises(TypeError, match="not supported|Cannot cast"):
        core.KERNELS["overlap"](np.ones((2, 2), complex), np.ones((2, 2), complex))


def test_not_a_number_gives_not_a_number_and_no_crash() -> None:
    field = np.full((4, 20), np.nan + 0j, dtype=np.complex64)
    one = np.ones(4, np.float32), np.ones(20, np.float32)
    phase = np.full((4, 20), np.inf, dtype=np.float32)
    assert np.all(np.isnan(core.KERNELS["multiply_phase"](field, phase, 1.0, *one)))
    assert np.isnan(core.KERNELS["power"](field, phase))
    told = np.array([np.nan, 1.0])
    assert np.all(np.isnan(core.KERNELS["screen_spectrum"](told, told, np.zeros(2), 0.0, *ADDRESS)[0]))
