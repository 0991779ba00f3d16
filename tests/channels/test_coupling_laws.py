"""Laws of coupling. Oracles: reference values of full pupils, the rung below, closed moments, whole pupils drawn afresh."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy import stats

from qphys.channels import coupling
from qphys.channels.coupling_laws import CouplingLaw, ModalCoupling, PupilCoupling, coupling_law
from qphys.channels.laws import Pointing, Product
from qphys.channels.pupil import mode_variances, polar_pupil, residual_factors
from qphys.channels.quadrature import panels

B = 1.12091


def law(order: int, strength: float | list[float], *, index: float = 0.0, residual: float = 0.0) -> CouplingLaw:
    x = np.atleast_1d(np.asarray(strength, dtype=np.float64))
    left = np.full((x.size, order), residual)
    return coupling_law(x, residual=left, ceiling=0.814529, mode_ratio=B, scintillation_index=index)


@cache
def drawn(order: int, strength: float, number: int = 40_009) -> np.ndarray:
    """Whole pupils behind perfect correction."""
    whole = law(order, strength)
    if isinstance(whole, ModalCoupling):
        pupil = polar_pupil(mode_ratio=B, obscuration=0.0, corrected_order=order, rings=8, angles=32)
        whole = PupilCoupling(pupil, np.array([strength]), np.zeros((1, order)), np.array([0.814529]), np.zeros(1))
    return np.sort(whole.draw(number, seed=11, stream=3)[0])


# The table of perfectly corrected modes


@pytest.mark.parametrize(("order", "mean", "index"), [(1, 0.176, 0.36), (3, 0.461, 0.023), (5, 0.602, 0.0036)])
def test_pupils_with_corrected_modes_have_the_published_moments(order, mean, index):
    """Reference values: 3000 Kolmogorov pupils at D/r0 = 5 with 3, 10, 21 modes; their own error is 1 % and 3 to 6 %."""
    sample = drawn(order, 5.0)
    assert np.mean(sample) == pytest.approx(mean, rel=0.01)
    assert np.var(sample) / np.mean(sample) ** 2 == pytest.approx(index, rel=0.06)


@pytest.mark.parametrize(("order", "mean"), [(3, 0.461), (5, 0.602)])
def test_product_form_is_within_3_percent_from_ten_modes_on(order, mean):
    pupil = polar_pupil(mode_ratio=B, obscuration=0.0, corrected_order=order, rings=8, angles=32)
    factors = residual_factors(pupil, aperture_over_fried=[5.0], residual=np.zeros((1, order)))
    variances, rest = mode_variances(pupil, factors, number=48)
    assert 0.814529 * coupling.modal_coupling(variances)[0] * rest[0] == pytest.approx(mean, rel=0.03)
    closed = law(order, 5.0)
    assert isinstance(closed, ModalCoupling)
    assert closed.mean[0] == pytest.approx(mean, rel=5e-3)


@pytest.mark.parametrize(("order", "strength"), [(1, 3.4), (2, 5.0), (3, 6.9)])
def test_closed_law_is_that_of_whole_pupils(order, strength):
    """Two rungs at about 1 rad^2: mean exact, index 4 to 12 % low, distance below 0.02; a log-normal law is off by more."""
    closed = law(order, strength)
    assert isinstance(closed, ModalCoupling)
    assert 0.8 < np.sum(closed.variances) <= 1.0
    sample = drawn(order, strength, 20_011)
    index = np.var(sample) / np.mean(sample) ** 2
    assert np.mean(sample) == pytest.approx(
        closed.mean[0], abs=4 * np.std(sample) / np.sqrt(sample.size) + 4e-3 * closed.mean[0]
    )
    assert 0.86 < closed.scintillation_index[0] / index < 0.99
    place = (np.arange(sample.size) + 0.5) / sample.size
    distance = np.max(np.abs(closed.cumulative(sample[::25])[0] - place[::25]))
    sigma = np.sqrt(np.log1p(index))
    log_normal = stats.norm.cdf(np.log(sample[::25] / np.mean(sample)) / sigma + 0.5 * sigma)
    assert distance < 0.022
    assert np.max(np.abs(log_normal - place[::25])) > 2.5 * distance
    # one sample in a hundred lies below this; the log-normal law gives it at most a thirtieth of that
    low = sample[sample.size // 100]
    assert 0.004 < closed.cumulative([low])[0, 0] < 0.012
    assert stats.norm.cdf(np.log(low / np.mean(sample)) / sigma + 0.5 * sigma) < 0.01 / 30


def test_law_is_chosen_by_the_phase_that_is_left():
    assert isinstance(law(3, [2.0, 6.0]), ModalCoupling)
    assert isinstance(law(3, [2.0, 8.0]), PupilCoupling)
    assert isinstance(law(0, 2.0), PupilCoupling)
    assert isinstance(law(3, 2.0, residual=0.2), PupilCoupling)
    with pytest.raises(ValueError, match="D/r0 of 31; pupils are sampled up to 30"):
        law(0, 31.0)


# The closed law by itself


def one(variances: list[float], log_variance: float = 0.0, ceiling: float = 0.8) -> ModalCoupling:
    return ModalCoupling(np.array([variances]), np.array([ceiling]), np.array([log_variance]))


def test_two_equal_modes_are_a_power_law():
    """Closed: exp(-s2 chi2_2) is uniform to the power 2 s2."""
    pair = one([0.2, 0.2, 1e-4, 1e-4, 1e-4], log_variance=1e-3)
    x = 0.8 * np.array([1e-4, 0.05, 0.3, 0.7])
    # below the ceiling the others enter by their moment of order -2.5
    others = (1 - 5e-4) ** -1.5 * np.exp(1e-3 * 2.5 * 3.5 / 2)
    np.testing.assert_allclose(pair.cumulative(x)[0], (x / 0.8) ** 2.5 * others, rtol=2e-3)


def test_many_equal_modes_are_a_gamma_law():
    """Closed: -ln is a gamma variate, tail included."""
    many = one([0.03] * 20)
    gamma = stats.gamma(10, scale=0.06)
    x = 0.8 * np.exp(-np.array([gamma.ppf(p) for p in (1e-9, 1e-3, 0.3, 0.9, 1 - 1e-6, 1 - 1e-10)]))
    np.testing.assert_allclose(many.cumulative(x)[0], gamma.sf(-np.log(x / 0.8)), rtol=1e-6)
    np.testing.assert_allclose(many.density(x)[0], gamma.pdf(-np.log(x / 0.8)) / x, rtol=1e-5, atol=2e-5)


def test_scintillation_alone_is_log_normal():
    alone = one([1e-12], log_variance=0.4)
    law_of = stats.lognorm(np.sqrt(0.4), scale=0.8 * np.exp(-0.2))
    x = law_of.ppf([1e-8, 0.01, 0.5, 0.999])
    np.testing.assert_allclose(alone.cumulative(x)[0], law_of.cdf(x), rtol=1e-7)
    np.testing.assert_allclose(alone.density(x)[0], law_of.pdf(x), rtol=1e-7)


def test_density_is_that_of_the_draws_and_of_the_moments():
    """Kolmogorov-Smirnov of 40,009 draws at the level 1e-4; integrals of the density by quadrature."""
    mixed = one([0.3, 0.1, 0.1, 0.05, 0.02, 0.02, 0.01], log_variance=0.03)
    sample = mixed.draw(40_009, seed=5, stream=9)[0]
    assert stats.kstest(sample, lambda x: mixed.cumulative(x)[0]).pvalue > 1e-4
    log_x, weights = panels(np.linspace(-14.0, 1.0, 31))
    x = np.exp(log_x)
    for q in (0.0, 1.0, 2.0):
        integral = np.sum(weights * x ** (q + 1) * mixed.density(x)[0])
        expected = 0.8**q * coupling.modal_coupling(mixed.variances[0], q) * np.exp(0.03 * q * (q - 1) / 2)
        assert integral == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("log_variance", [0.0, 0.05])
def test_rule_keeps_the_closed_moments(log_variance):
    many = one([0.2, 0.1, 0.1, 0.08, 0.05, 0.05, 0.02, 0.02, 0.01, 0.01], log_variance=log_variance)
    nodes, weights = many.rule(8)
    assert nodes.shape == weights.shape == (1, 8)
    for q in range(1, 12):
        closed = 0.8**q * coupling.modal_coupling(many.variances[0], q) * np.exp(log_variance * q * (q - 1) / 2)
        assert np.sum(weights * nodes**q) == pytest.approx(closed, rel=3e-4)  # of the 11th moment 1e-4
    assert np.sum(weights * nodes) == pytest.approx(many.mean[0], rel=1e-12)
    assert np.var(many.draw(50_021, seed=1, stream=1)) / many.mean[0] ** 2 == pytest.approx(
        many.scintillation_index[0], rel=0.03
    )


# Sampled pupils


def test_sampled_law_is_that_of_pupils_drawn_afresh():
    """Other seeds: two-sample distance at the level 1e-4, index within its sampling error, mean in 4 sigma."""
    for order, strength in ((0, 2.0), (1, 5.0)):
        sampled = law(order, strength)
        assert isinstance(sampled, PupilCoupling)
        fresh = drawn(order, strength)
        place = (np.arange(fresh.size) + 0.5) / fresh.size
        distance = np.max(np.abs(sampled.cumulative(fresh[::20])[0] - place[::20]))
        assert distance < 2.2 * np.sqrt(1 / 16384 + 1 / fresh.size)
        assert np.var(fresh) / np.mean(fresh) ** 2 == pytest.approx(sampled.scintillation_index[0], rel=0.06)
        assert np.mean(fresh) == pytest.approx(sampled.mean[0], abs=4 * np.std(fresh) / np.sqrt(fresh.size))


def test_strong_uncorrected_light_is_nearly_exponential_in_the_tail():
    """Limit: a field of many speckles is complex Gaussian, and faint light has the probability x over its local mean."""
    sampled = law(0, 10.0)
    x = sampled.mean[0] * np.array([1e-3, 2e-3, 4e-3])
    p = sampled.cumulative(x)[0]
    np.testing.assert_allclose(p[1:] / p[:-1], 2.0, rtol=0.15)
    assert 1.5 < sampled.scintillation_index[0] < 2.3


def test_density_is_the_slope_of_the_cumulative():
    sampled = law(0, [2.0, 5.0], index=0.05)
    x = np.geomspace(1e-5, 0.9, 4001)
    below, density = sampled.cumulative(x), sampled.density(x)
    steps = 0.5 * (density[:, 1:] + density[:, :-1]) * np.diff(x)
    np.testing.assert_allclose(np.cumsum(steps, axis=-1) + below[:, :1], below[:, 1:], atol=2e-3)
    assert np.all(sampled.density([-1.0, 0.0]) == 0.0)
    assert np.all(sampled.cumulative([-1.0, 0.0]) == 0.0)


def test_scintillation_multiplies_the_index_of_the_pupils():
    """Independent factors: 1 + SI multiply; the mean stays."""
    still, moving = law(0, [2.0, 4.0]), law(0, [2.0, 4.0], index=0.2)
    np.testing.assert_allclose(moving.mean, still.mean, rtol=1e-12)
    np.testing.assert_allclose(1 + moving.scintillation_index, 1.2 * (1 + still.scintillation_index), rtol=0.01)
    nodes, weights = moving.rule(8)
    np.testing.assert_allclose(np.sum(nodes * weights, axis=-1), moving.mean, rtol=1e-9)
    np.testing.assert_allclose(
        np.sum(nodes**2 * weights, axis=-1) / moving.mean**2 - 1, moving.scintillation_index, rtol=1e-6
    )


def test_shape_between_the_nodes_is_that_of_the_step_itself():
    """Second route: each step as a law of its own, with the same pupils."""
    strength = np.linspace(2.0, 4.9, 41)
    along = law(0, list(strength))
    for t in (7, 20, 33):
        alone = law(0, float(strength[t]))
        assert along.mean[t] == pytest.approx(alone.mean[0], rel=1e-12)
        assert along.scintillation_index[t] == pytest.approx(alone.scintillation_index[0], rel=3e-3)
        x = alone.mean[0] * np.array([0.02, 0.3, 1.0, 3.0])
        np.testing.assert_allclose(along.cumulative(x)[t], alone.cumulative(x)[0], rtol=0.01)


def test_draws_depend_on_their_address_alone():
    for laws in (law(0, [2.0, 3.0, 4.0]), law(3, [2.0, 3.0, 4.0])):
        whole = laws.draw(33, seed=1, stream=2)
        assert whole.shape == (3, 33)
        np.testing.assert_array_equal(laws.draw(20, seed=1, stream=2), whole[:, :20])
        assert not np.any(laws.draw(33, seed=1, stream=2, index=1) == whole)


def test_no_steps_are_a_law_of_no_steps():
    empty = coupling_law([], residual=np.zeros((0, 2)), ceiling=0.8, mode_ratio=B)
    assert empty.mean.shape == empty.scintillation_index.shape == (0,)
    assert empty.rule(8)[0].shape == (0, 8)
    assert empty.draw(5, seed=1, stream=1).shape == (0, 5)
    assert empty.cumulative([0.1]).shape == (0, 1)


def test_every_law_names_itself_and_its_validity():
    for laws in (law(0, 2.0), law(3, 2.0)):
        assert laws.validity.startswith(laws.name)
        assert "%" in laws.validity


def test_a_product_with_many_values_takes_a_table_of_the_coupling_that_is_good_to_one_in_a_thousand() -> None:
    law = coupling_law(np.array([2.0, 6.0]), residual=np.full((2, 3), 0.02), ceiling=0.8, mode_ratio=1.12)
    product = Product(law, Pointing.rayleigh(np.full(2, 5e-6), jitter=1e-6), factor=np.array([1e-2, 1e-3]))
    levels = product.mean[:, None] * 10.0 ** np.linspace(-1.5, 0.4, 97)
    exact = np.concatenate([product.cumulative(levels[:, i : i + 1]) for i in (24, 72)], axis=1)
    np.testing.assert_allclose(product.cumulative(levels)[:, [24, 72]], exact, rtol=2e-3, atol=1e-12)
