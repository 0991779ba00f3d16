from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from qphys.channels import coupling, pupil
from qphys.channels.adaptive_optics import noll_residual, structure_function

# Without turbulence


@pytest.mark.parametrize(
    ("obscuration", "ratio", "share"),
    [
        (0.0, 1.12091, 0.814529),
        (0.1, 1.10829, 0.794443),
        (0.2, 1.07446, 0.738340),
        (0.3, 1.02795, 0.656164),
        (0.4, 0.97633, 0.558944),
        (0.5, 0.92432, 0.455760),
    ],
)
def test_best_coupling_of_obscured_apertures(obscuration, ratio, share):
    """Reference values to their last digit."""
    assert coupling.best_mode_ratio(obscuration) == pytest.approx(ratio, abs=6e-6)
    assert coupling.mode_overlap(ratio, obscuration=obscuration) == pytest.approx(share, abs=1e-6)


def test_overlap_is_the_overlap_integral():
    """Second route: quadrature of both fields over the annulus."""
    b, e = 0.8, 0.35
    field = quad(lambda r: np.exp(-(b**2) * r**2) * r, e, 1)[0]
    power = (1 - e**2) / 2 * quad(lambda r: np.exp(-2 * b**2 * r**2) * r, 0, np.inf)[0]
    assert coupling.mode_overlap(b, obscuration=e) == pytest.approx(field**2 / power, rel=1e-12)


# Exact means


def test_long_exposure_has_the_published_values():
    """Reference values: Kolmogorov, b = 1.1209, printed with 3.44 for 3.442."""
    strength = [0.5, 1, 2, 3, 4, 5, 7, 10, 20, 30]
    values = [0.6347, 0.4096, 0.1726, 0.0881, 0.0524, 0.0345, 0.01806, 0.00899, 0.00228, 0.00102]
    got = coupling.long_exposure_coupling(strength, mode_ratio=1.1209)
    np.testing.assert_allclose(got, values, atol=1e-3)
    np.testing.assert_allclose(got, values, rtol=5e-3)


@pytest.mark.parametrize("obscuration", [0.0, 0.05, 0.3, 0.5])
def test_long_exposure_without_turbulence_is_the_overlap(obscuration):
    """Limit: the integral of the autocorrelation is the squared integral of the field."""
    values = coupling._autocorrelation(np.zeros(1), mode_ratio=1.1, obscuration=obscuration)
    power = np.pi * (np.exp(-2 * 1.21 * obscuration**2) - np.exp(-2 * 1.21)) / (2 * 1.21)
    assert values == pytest.approx(power, rel=1e-9)
    edges = np.unique(
        np.concatenate([np.cbrt([0, 2, 2 * obscuration, 1 - obscuration, 1 + obscuration]), np.linspace(0, 1.26, 40)])
    )
    edges = edges[edges <= np.cbrt(2.0)]
    t, weights = coupling.panels(edges)
    h = coupling._autocorrelation(t**3, mode_ratio=1.1, obscuration=obscuration)
    total = 2 * np.pi * np.sum(weights * h * 3 * t**5)
    field = np.pi * (np.exp(-1.21 * obscuration**2) - np.exp(-1.21)) / 1.21
    assert total == pytest.approx(field**2, rel=3e-5)


def test_strong_turbulence_leaves_the_share_of_one_coherence_area():
    """Limit: (r0/D)^2 times the integral of exp(-3.44 s^(5/3)) over the mode's square."""
    b = 1.1209
    area = 2 * np.pi * quad(lambda s: s * np.exp(-0.5 * structure_function(s, fried_parameter=1.0)), 0, 10)[0]
    mode = np.pi * (1 - np.exp(-2 * b**2)) / (2 * b**2)  # integral of the mode's square over the disc of radius 1
    power = np.pi * np.pi / (2 * b**2)
    limit = area * 4 * mode / power / 300**2
    assert coupling.long_exposure_coupling(300.0, mode_ratio=b) == pytest.approx(limit, rel=0.01)


def test_outer_scale_helps():
    """Second route: a wide Gaussian mode in an aperture that cuts nothing is one integral over the structure function."""
    waist, r0, outer, b = 0.05, 0.0885, 50.0, 3.5
    aperture = 2 * b * waist
    for scale in (np.inf, outer):
        r, weights = coupling.panels(np.linspace(0.0, 0.5, 40))
        d = structure_function(r, fried_parameter=r0, outer_scale=scale)
        disturbed = np.sum(weights * r * np.exp(-(r**2) / (2 * waist**2) - d / 2))
        got = coupling.long_exposure_coupling(aperture / r0, mode_ratio=b, outer_scale_over_aperture=scale / aperture)
        assert got / coupling.mode_overlap(b) == pytest.approx(disturbed / waist**2, rel=1e-4)


def test_dikmelik_and_davidsons_values():
    """Published: Dikmelik and Davidson 2005, recomputed to five digits."""
    values = [0.81453, 0.44066, 0.29732, 0.17925, 0.09985, 0.05302, 0.00900]
    np.testing.assert_allclose(coupling.dikmelik_davidson([0, 1, 2, 4, 8, 16, 100]), values, atol=6e-6)
    assert coupling.dikmelik_davidson(4.0, mode_ratio=1.382) == pytest.approx(0.18766, abs=6e-6)
    # 10,000 speckles: each takes its share of the mode
    assert coupling.dikmelik_davidson(1e4) == pytest.approx(2 * (1 - np.exp(-2 * 1.12**2)) / 2 / 1e4, rel=0.02)


# Closed forms by modes


@pytest.mark.parametrize(("modes", "strength", "product"), [(10, 5.0, 0.4567), (10, 10.0, 0.1372), (21, 10.0, 0.3140)])
def test_product_over_zernike_modes(modes, strength, product):
    """Reference values of the product over single Zernike variances; Marechal is below."""
    from qphys.channels.adaptive_optics import modal_variance, zernike_orders

    order = np.concatenate([zernike_orders(7000)[0][modes:]])
    variance = modal_variance(order) * strength ** (5 / 3)
    rest = np.exp(-noll_residual(7000) * strength ** (5 / 3))
    assert 0.8145 * coupling.modal_coupling(variance) * rest == pytest.approx(
        product, rel=3e-3
    )  # the printed ones ended at fewer modes
    total = noll_residual(modes) * strength ** (5 / 3)
    assert 0.8145 * coupling.marechal_coupling(total) < product
    if (modes, strength) == (10, 5.0):
        assert 0.8145 * coupling.marechal_coupling(total) == pytest.approx(0.4526, rel=1e-3)
        assert coupling.modal_scintillation_index(variance) == pytest.approx(0.0171, rel=5e-3)


def test_modal_moments_are_those_of_one_gaussian():
    """Second route: quadrature over a single mode; the index of tiny variances keeps its digits."""
    s2 = 0.3
    for q in (1.0, 2.0, 0.5):
        integral = quad(lambda a, q=q: np.exp(-q * a**2 - a**2 / (2 * s2)) / np.sqrt(2 * np.pi * s2), -9, 9)[0]
        assert coupling.modal_coupling([s2], q) == pytest.approx(integral, rel=1e-10)
    mean, second = coupling.modal_coupling([s2, 0.1]), coupling.modal_coupling([s2, 0.1], 2.0)
    assert coupling.modal_scintillation_index([s2, 0.1]) == pytest.approx(second / mean**2 - 1, rel=1e-12)
    assert coupling.modal_scintillation_index([1e-9]) == pytest.approx(2e-18, rel=1e-6)


# Rings


@pytest.mark.parametrize(("largest", "rings", "angles"), [*pupil.GRIDS[:2], (20.0, *pupil.GRIDS[2][1:])])
@pytest.mark.parametrize(("obscuration", "outer"), [(0.0, np.inf), (0.3, 50.0)])
def test_mean_on_rings_is_the_exact_long_exposure(largest, rings, angles, obscuration, outer):
    """Second route: the integral along the autocorrelation; the rings' error is what GRIDS tells."""
    ratio = float(coupling.best_mode_ratio(obscuration))
    grid = pupil.polar_pupil(
        mode_ratio=ratio,
        obscuration=obscuration,
        corrected_order=0,
        rings=rings,
        angles=angles,
        outer_scale_over_aperture=outer,
    )
    strength = largest * np.array([0.5, 1.0])
    factors = pupil.residual_factors(grid, aperture_over_fried=strength, residual=np.zeros((2, 0)))
    exact = coupling.long_exposure_coupling(
        strength, mode_ratio=ratio, obscuration=obscuration, outer_scale_over_aperture=outer
    ) / coupling.mode_overlap(ratio, obscuration=obscuration)
    error = pupil.mean_coupling(grid, factors) / exact - 1.0
    assert np.all(error > -1e-5)
    assert error[0] < 1e-3
    assert error[1] < 5.5e-3


@pytest.mark.parametrize(
    ("order", "means"),
    [(1, (0.558, 0.176, 0.0255)), (2, (0.669, 0.337, 0.0641)), (3, (0.719, 0.461, 0.143)), (5, (0.763, 0.602, 0.315))],
)
def test_mean_with_perfect_correction(order, means):
    """Reference values: 3000 Kolmogorov pupils, +-0.002, at D/r0 = 2, 5, 10 with 3, 6, 10, 21 modes corrected."""
    grid = pupil.polar_pupil(mode_ratio=1.12091, obscuration=0.0, corrected_order=order, rings=16, angles=64)
    factors = pupil.residual_factors(grid, aperture_over_fried=[2.0, 5.0, 10.0], residual=np.zeros((3, order)))
    np.testing.assert_allclose(0.814529 * pupil.mean_coupling(grid, factors), means, atol=2.5e-3)


def test_variances_of_the_rings_are_nolls():
    """Second route: evenly weighted, the modes' variances sum to Noll's residual, with and without correction."""
    for order, modes in ((0, 1), (1, 3), (3, 10)):
        grid = pupil.polar_pupil(mode_ratio=1e-4, obscuration=0.0, corrected_order=order, rings=16, angles=64)
        factors = pupil.residual_factors(grid, aperture_over_fried=[1.0], residual=np.zeros((1, order)))
        variances, _ = pupil.mode_variances(grid, factors, number=16 * 64)
        assert np.sum(variances) == pytest.approx(noll_residual(modes), rel=2e-3 if modes < 10 else 8e-3)
    # a mode that is corrected and comes back with its own variance
    grid = pupil.polar_pupil(mode_ratio=1e-4, obscuration=0.0, corrected_order=1, rings=16, angles=64)
    factors = pupil.residual_factors(grid, aperture_over_fried=[1.0], residual=[[0.448879]])
    variances, _ = pupil.mode_variances(grid, factors, number=2)
    assert variances[0] == pytest.approx([0.448879, 0.448879], rel=1e-8)


def test_modal_form_with_the_rings_variances_meets_the_exact_mean():
    """Two rungs: within 2.5 % below 2 rad^2 from six modes on, and nearer the fewer radians are left."""
    strength = np.array([2.0, 5.0, 7.0])
    for order in (2, 3, 5):
        grid = pupil.polar_pupil(mode_ratio=1.12091, obscuration=0.0, corrected_order=order, rings=16, angles=64)
        factors = pupil.residual_factors(grid, aperture_over_fried=strength, residual=np.zeros((3, order)))
        variances, rest = pupil.mode_variances(grid, factors, number=64)
        error = np.abs(coupling.modal_coupling(variances) * rest / pupil.mean_coupling(grid, factors) - 1.0)
        assert np.all(error < 0.025)
        assert error[0] < 1e-3


def test_many_variances_and_the_rest_are_one_product():
    grid = pupil.polar_pupil(mode_ratio=1.1, obscuration=0.2, corrected_order=2, rings=8, angles=32)
    factors = pupil.residual_factors(grid, aperture_over_fried=[3.0, 4.0], residual=[[0.1, 0.02]] * 2)
    few, rest = pupil.mode_variances(grid, factors, number=20)
    every, nothing = pupil.mode_variances(grid, factors, number=8 * 32)
    np.testing.assert_allclose(coupling.modal_coupling(few) * rest, coupling.modal_coupling(every), rtol=1e-12)
    np.testing.assert_array_equal(nothing, [1.0, 1.0])
    assert np.all(np.diff(every, axis=1) <= 0)
