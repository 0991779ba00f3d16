"""Jitter against SciPy's distribution and measured check numbers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import exponnorm, norm

from qphys.detectors import jitter

SHAPES = [(151e-12, 459e-12), (427e-12, 245e-12), (25.5e-12, 38.7e-12), (100e-12, 3e-9), (80e-12, 4e-12)]


@pytest.mark.parametrize(("sigma", "tau"), SHAPES)
def test_density_and_distribution_are_those_of_scipy(sigma: float, tau: float) -> None:
    """Oracle: scipy.stats.exponnorm, K = tau / sigma."""
    time = np.linspace(-6 * sigma, 6 * sigma + 12 * tau, 1009)
    oracle = exponnorm(tau / sigma, scale=sigma)
    np.testing.assert_allclose(jitter.density(time, sigma=sigma, tau=tau), oracle.pdf(time), rtol=1e-9)
    np.testing.assert_allclose(jitter.cumulative(time, sigma=sigma, tau=tau), oracle.cdf(time), atol=1e-14)


def test_no_tail_is_a_gaussian_and_a_short_tail_goes_there_smoothly() -> None:
    """Oracle: scipy.stats.norm; at sigma / tau = 1e6 the textbook form would be 0 times infinity."""
    time = np.linspace(-4.0, 4.0, 101)
    for tau in (0.0, 1e-12, 1e-6):
        np.testing.assert_allclose(jitter.density(time, sigma=1.0, tau=tau), norm.pdf(time), rtol=1e-5)
        np.testing.assert_allclose(jitter.cumulative(time, sigma=1.0, tau=tau), norm.cdf(time), atol=2e-6)


def test_a_long_way_out_the_tail_is_the_pure_exponential() -> None:
    """Oracle: exp(s^2 / 2 tau^2 - t / tau) / tau, where erfcx would overflow (t = 60 sigma)."""
    sigma, tau = 1.0, 3.0
    expected = np.exp(sigma**2 / (2 * tau**2) - 60.0 / tau) / tau
    assert float(jitter.density(60.0, sigma=sigma, tau=tau)) == pytest.approx(expected, rel=1e-13)


def test_width_of_the_measured_excelitas_histogram() -> None:
    """Oracle: 654 ps full width at half maximum of sigma 151 ps, tau 459 ps (658 ps measured)."""

    def density(time: float) -> float:
        return float(jitter.density(time, sigma=151.0, tau=459.0))

    top = minimize_scalar(lambda t: -density(t), bounds=(-200.0, 500.0), method="bounded").x
    left = brentq(lambda t: density(t) - density(top) / 2, -1000.0, top)
    right = brentq(lambda t: density(t) - density(top) / 2, top, 3000.0)
    assert right - left == pytest.approx(654.0, abs=1.0)


@pytest.mark.parametrize(
    ("gate", "tailed", "gaussian"), [(0.5e-9, 0.5372, 0.6322), (1e-9, 0.8108, 0.9283), (2e-9, 0.9715, 0.9997)]
)
def test_capture_of_the_best_window_is_the_known_number(gate: float, tailed: float, gaussian: float) -> None:
    """Oracle: check numbers of the measured shape, and of a Gaussian of the same half-width (654 ps, rounded: 0.1 %)."""
    assert float(jitter.capture(gate, sigma=151e-12, tau=459e-12)) == pytest.approx(tailed, abs=1e-4)
    sigma = 654e-12 / jitter.FWHM_PER_SIGMA
    assert float(jitter.capture(gate, sigma=sigma, tau=0.0)) == pytest.approx(gaussian, rel=1e-3)


@pytest.mark.parametrize(("sigma", "tau"), SHAPES)
def test_no_other_window_holds_more(sigma: float, tau: float) -> None:
    """Oracle: a scan over all places of the window with SciPy's distribution."""
    oracle = exponnorm(tau / sigma, scale=sigma)
    for gate in (0.3 * sigma, 2 * sigma + tau, 7 * (sigma + tau)):
        start = np.linspace(-gate - 5 * sigma, 5 * sigma + 5 * tau, 20011)
        best = np.max(oracle.cdf(start + gate) - oracle.cdf(start))
        found = float(jitter.capture(gate, sigma=sigma, tau=tau))
        assert best - 1e-14 <= found <= best * (1 + 1e-5) + 1e-12


def test_clicks_out_of_their_own_period_are_counted() -> None:
    """Oracle: SciPy's tails on both sides of the neighbours' windows."""
    sigma, tau, gate, period = 151e-12, 459e-12, 0.5e-9, 2e-9
    start = float(jitter.best_window(gate, sigma=sigma, tau=tau))
    oracle = exponnorm(tau / sigma, scale=sigma)
    expected = oracle.cdf(start + gate - period) + oracle.sf(start + period)
    assert float(jitter.stray(gate, sigma=sigma, tau=tau, period=period)) == pytest.approx(expected, rel=1e-9)
