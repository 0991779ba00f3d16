"""Asymptotic decoy rates. Oracles: the figures that Ma et al. 2005 print for the GYS set-up, the twin, limits on paper."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qphys import core
from qphys.core import reference

Array = np.ndarray[Any, Any]

MISALIGNMENT, BACKGROUND, EFFICIENCY, LOSS_DB_A_KM = 0.033, 1.7e-6, 0.045, 0.21


def gys(distance_km: Any, number: Any, background: float = BACKGROUND) -> tuple[Array, Array]:
    """Gain and error rate of Ma et al. 2005, Eqs 10 and 11, for Gobby, Yuan, Shields 2004."""
    eta = EFFICIENCY * 10 ** (-LOSS_DB_A_KM * np.asarray(distance_km) / 10)
    arrived = -np.expm1(-eta * np.asarray(number))
    gain = background + arrived
    return gain, (background / 2 + MISALIGNMENT * arrived) / gain


def infinite(distance_km: Any, mu: Any = 0.48, f: float = 1.22) -> core.Ma2005Infinite:
    eta = EFFICIENCY * 10 ** (-LOSS_DB_A_KM * np.asarray(distance_km) / 10)
    gain, error = gys(distance_km, mu)
    single_yield = BACKGROUND + eta - BACKGROUND * eta
    return core.ma2005_infinite(
        gain,
        error,
        mean_photon_number=mu,
        single_photon_yield=single_yield,
        single_photon_error=(BACKGROUND / 2 + MISALIGNMENT * eta) / single_yield,
        error_correction_efficiency=f,
        sifting_factor=0.5,
    )


def two_decoys(distance_km: Any, numbers: tuple[float, float, float]) -> core.Ma2005:
    gain, error = gys(np.asarray(distance_km)[..., None], np.asarray(numbers))
    return core.ma2005(gain, error, mean_photon_numbers=numbers, error_correction_efficiency=1.22, sifting_factor=0.5)


@pytest.mark.parametrize(("f", "published"), [(1.0, 0.54), (1.22, 0.48)])
def test_best_intensity_of_gys_is_the_published_one_to_two_digits(f: float, published: float) -> None:
    # Eq. 12 is the limit of no background and much loss.
    mu, eta = np.arange(0.3, 0.8, 1e-3), 1e-5
    rate = core.ma2005_infinite(
        eta * mu,
        MISALIGNMENT,
        mean_photon_number=mu,
        single_photon_yield=eta,
        single_photon_error=MISALIGNMENT,
        error_correction_efficiency=f,
        sifting_factor=0.5,
    ).key_rate
    assert mu[np.argmax(rate)] == pytest.approx(published, abs=0.005)


def test_vacuum_and_weak_decoy_deviate_at_40_km_as_published() -> None:
    # Section IV: nu / mu = 25 %, deviations of Y1 3.5 %, of e1 16.8 %.
    eta = EFFICIENCY * 10 ** (-LOSS_DB_A_KM * 40 / 10)
    bound = two_decoys(40.0, (0.48, 0.12, 0.0))
    true_yield = BACKGROUND + eta
    true_error = (BACKGROUND / 2 + MISALIGNMENT * eta) / true_yield
    assert 1 - bound.single_photon_yield_lower / true_yield == pytest.approx(0.035, abs=0.0005)
    assert bound.single_photon_error_upper / true_error - 1 == pytest.approx(0.168, abs=0.0005)


def test_largest_distances_are_the_published_ones_to_100_m() -> None:
    distance = np.arange(135.0, 145.0, 0.01)
    assert distance[infinite(distance).key_rate > 0][-1] == pytest.approx(142.05, abs=0.1)
    assert distance[two_decoys(distance, (0.48, 0.05, 0.0)).key_rate > 0][-1] == pytest.approx(140.55, abs=0.1)


@pytest.mark.parametrize(
    ("distance", "infinitely_many", "weak"),
    [(20, 9.6245e-4, 9.0777e-4), (50, 2.2260e-4, 2.0962e-4), (100, 1.7184e-5, 1.6020e-5), (122, 4.1225e-6, 3.7172e-6)],
)
def test_rates_of_gys_stay_where_they_were(distance: float, infinitely_many: float, weak: float) -> None:
    # Regression values of an independent script, five digits.
    assert float(infinite(distance).key_rate) == pytest.approx(infinitely_many, rel=5e-5)
    assert float(two_decoys(distance, (0.48, 0.05, 0.0)).key_rate) == pytest.approx(weak, rel=5e-5)


def test_vacuum_decoy_reduces_the_general_bound_to_equations_34_and_37() -> None:
    mu, nu = 0.48, 0.05
    (q_mu, q_nu, y0), (_, e_nu, e0) = gys(60.0, np.array([mu, nu, 0.0]))
    weight = mu / (mu * nu - nu**2)
    eq34 = weight * (q_nu * np.exp(nu) - q_mu * np.exp(mu) * nu**2 / mu**2 - (mu**2 - nu**2) / mu**2 * y0)
    eq37 = (e_nu * q_nu * np.exp(nu) - e0 * y0) / (eq34 * nu)
    bound = two_decoys(60.0, (mu, nu, 0.0))
    assert float(bound.single_photon_yield_lower) == pytest.approx(eq34, rel=1e-12)
    assert float(bound.single_photon_error_upper) == pytest.approx(eq37, rel=1e-12)
    assert float(bound.vacuum_yield_lower) == pytest.approx(y0, rel=1e-12)


def test_weaker_decoys_approach_the_true_yield_and_error_from_the_safe_side() -> None:
    eta = EFFICIENCY * 10 ** (-LOSS_DB_A_KM * 40 / 10)
    true_yield = BACKGROUND + eta - BACKGROUND * eta
    bounds = [two_decoys(40.0, (0.48, nu, nu / 10)) for nu in (0.1, 0.03, 0.01, 0.003)]
    yields = [float(bound.single_photon_yield_lower) for bound in bounds]
    assert yields == sorted(yields)
    assert yields[-1] < true_yield * (1 + 1e-4)  # Eq. 10 of the paper leaves out Y0 eta
    assert yields[-1] == pytest.approx(true_yield, rel=2e-3)


def zoo() -> tuple[Array, ...]:
    rng = np.random.default_rng(11)
    count = 1013
    gain = np.sort(10 ** rng.uniform(-7, 0, (count, 3)))[:, ::-1]
    error = rng.uniform(0, 0.6, (count, 3))
    numbers = np.stack([rng.uniform(0.3, 0.9, count), rng.uniform(0.02, 0.3, count), rng.uniform(0, 0.02, count)], -1)
    f, q = rng.uniform(0.99, 1.3, count), rng.uniform(0, 1, count)
    for row, bad in enumerate((np.nan, np.inf, -1.0, 2.0)):
        gain[row, 0] = error[row + 10, 1] = numbers[row + 20, 2] = f[row + 30] = q[row + 40] = bad
    gain[50], error[51], numbers[52, 2], numbers[53] = 0.0, 0.0, 0.0, [0.1, 0.2, 0.0]
    return gain, error, numbers, f, q


@pytest.mark.parametrize("level", core.instruction_sets())
def test_kernel_agrees_with_its_twin_over_good_and_impossible_rows(level: str) -> None:
    inputs = zoo()
    got, expected = core.kernels(level)["ma2005"](*inputs), reference.ma2005(*inputs)
    np.testing.assert_array_equal(got[5], expected[5])
    scale = np.max(np.abs(np.nan_to_num(inputs[0], posinf=0)) * np.e, axis=-1) / 0.02
    for term in range(5):
        error = np.abs(got[term] - expected[term])
        both_nan = np.isnan(got[term]) & np.isnan(expected[term])
        limit = 1e-12 if term in (0, 1, 3, 4) else 1e-9
        assert np.all(both_nan | (error <= limit * np.maximum(scale, 1e-300)) | (error <= 1e-12 * np.abs(expected[term])))
    assert set(np.unique(got[5])) >= {0, 1, 2, 6, 8, 9, 11}
    assert np.all((got[4] > 0) == (got[5] == 0))


@pytest.mark.parametrize("level", core.instruction_sets())
def test_infinite_decoys_agree_with_their_twin_over_good_and_impossible_rows(level: str) -> None:
    gain, error, numbers, f, q = zoo()
    inputs = (gain[:, 0], error[:, 0], numbers[:, 0], gain[:, 1], error[:, 1] / 10, f, q)
    got, expected = core.kernels(level)["ma2005_infinite"](*inputs), reference.ma2005_infinite(*inputs)
    np.testing.assert_array_equal(got[2], expected[2])
    np.testing.assert_allclose(got[0], expected[0], rtol=1e-12)
    np.testing.assert_allclose(got[1], expected[1], atol=1e-13, rtol=1e-12)


def test_error_rates_above_one_half_give_no_key() -> None:
    for error in (0.5, 0.6, 1.0):
        assert infinite(10.0).key_rate > 0
        rate = core.ma2005_infinite(
            1e-3,
            0.01,
            mean_photon_number=0.5,
            single_photon_yield=1e-2,
            single_photon_error=error,
            error_correction_efficiency=1.0,
            sifting_factor=0.5,
        )
        assert rate.key_rate == 0
        assert rate.status == core.STATUS["no_key"]
