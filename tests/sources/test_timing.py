"""Formulas of continuous pair sources (Neumann et al. 2021) and the pumps that use them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qphys.errors import UserError
from qphys.record import parse
from qphys.sources import timing
from qphys.sources.density_pairs import DensityPairs

SEED = 20210405


def entropy(x: Any) -> Any:
    return -x * np.log2(x) - (1 - x) * np.log2(1 - x)


@pytest.mark.parametrize(("delay", "seen"), [(0.0, 0.76096), (0.3e-9, None), (1.1e-9, None)])
def test_the_fraction_is_that_of_gaussian_click_times(delay: float, seen: float | None) -> None:
    """Oracle: events. Two detectors of 0.6 and 0.8 ns FWHM, a window of 1 ns; at no delay erf(sqrt(ln 2)) = 0.76096."""
    random = np.random.default_rng(SEED)
    widths = np.array([0.6e-9, 0.8e-9])
    clicks = random.normal(size=(400_009, 2)) * widths / timing.FWHM_PER_RMS
    inside = np.abs(clicks[:, 0] - clicks[:, 1] - delay) < 0.5e-9
    fraction = timing.coincidence_fraction(1e-9, timing.combined_fwhm(*widths), delay=delay)
    sigma = np.sqrt(fraction * (1 - fraction) / len(inside))
    assert abs(inside.mean() - fraction) < 4 * sigma
    if seen is not None:
        assert fraction == pytest.approx(seen, abs=1e-5)


@pytest.mark.parametrize("widths", [(0.6e-9, 0.8e-9), (0.0, 0.0), (5e-12, 0.0)])
@pytest.mark.parametrize(("first", "last"), [(0.0, 0.4e-9), (-0.7e-9, 2.3e-9), (0.4e-9, 0.4e-9 - 11e-9)])
def test_a_drifting_delay_keeps_the_mean_over_the_ages_of_its_correction(
    widths: tuple[float, float], first: float, last: float
) -> None:
    """Oracle: events. Pairs at random ages of the correction, two Gaussian detectors, a window of 1 ns."""
    random = np.random.default_rng(SEED)
    ages = random.random(200_003)
    clicks = random.normal(size=(len(ages), 2)) * np.array(widths) / timing.FWHM_PER_RMS
    inside = np.abs(clicks[:, 0] - clicks[:, 1] - (first + (last - first) * ages)) < 0.5e-9
    fraction = timing.drifting_coincidence_fraction(1e-9, timing.combined_fwhm(*widths), first_delay=first, last_delay=last)
    assert abs(inside.mean() - fraction) < 4 * np.sqrt(fraction * (1 - fraction) / len(inside)) + 1e-12


@pytest.mark.parametrize("width", [0.0, 1e-12, 1e-9, 40e-9])
@pytest.mark.parametrize("first", [0.0, 0.35e-9, -1.9e-9])
def test_a_delay_that_does_not_drift_is_a_fixed_one(width: float, first: float) -> None:
    """Limit: the fixed delay's fraction, and next to it on both sides of the change of method."""
    still = timing.coincidence_fraction(1e-9, width, delay=first)
    for moved in (0.0, 1e-24):
        found = timing.drifting_coincidence_fraction(1e-9, width, first_delay=first, last_delay=first + moved)
        assert found == pytest.approx(still, abs=1e-12)
    if width:
        step = 0.01 * min(width, 1e-9)
        both = [
            timing.drifting_coincidence_fraction(1e-9, width, first_delay=first, last_delay=first + step * side)
            for side in (1 - 1e-9, 1 + 1e-9)
        ]
        assert both[0] == pytest.approx(both[1], abs=1e-11)


def test_without_jitter_the_window_keeps_all_inside_and_nothing_outside() -> None:
    """Oracle: a rectangle."""
    delay = np.array([0.0, 0.49e-9, 0.51e-9, -0.7e-9])
    np.testing.assert_array_equal(timing.coincidence_fraction(1e-9, 0.0, delay=delay), [1.0, 1.0, 0.0, 0.0])


def test_a_delay_scan_holds_the_window_whatever_the_jitter() -> None:
    """Oracle: the integral over all delays of the part inside is the window's width."""
    delay = np.linspace(-8e-9, 8e-9, 20_011)
    for width in (0.3e-9, 1.7e-9):
        scan = timing.coincidence_fraction(1.3e-9, width, delay=delay)
        assert np.trapezoid(scan, delay) == pytest.approx(1.3e-9, rel=1e-6)


@pytest.mark.parametrize(
    ("loss_a", "loss_b", "error", "window_ps", "rate", "key"),
    [
        (20, 20, 0.0121, 134, 5.99e8, 8154.0),
        (30, 20, 0.0535, 93, 4.85e8, 325.75),
        (40, 20, 0.0295, 86, 7.66e8, 80.77),
        (30, 30, 0.0182, 76, 9.915e8, 123.94),
        (40, 40, 0.0401, 46, 1.235e9, 1.087),
    ],
)
def test_the_best_brightness_follows_from_the_analysis(
    loss_a: float, loss_b: float, error: float, window_ps: float, rate: float, key: float
) -> None:
    """Oracle: the same formulas by public code, settings of Fig. 4 of the paper (jitter FWHM = window, 100 /s of noise)."""
    brightness = np.geomspace(1e7, 1e10, 30_011)
    window, eta_a, eta_b = window_ps * 1e-12, 10 ** (-0.1 * loss_a), 10 ** (-0.1 * loss_b)
    singles = [timing.singles_rate(brightness, eta, noise_rate=100.0) for eta in (eta_a, eta_b)]
    accidentals = timing.accidental_rate(*singles, window=window)
    coincidences = timing.coincidence_rate(
        brightness, eta_a, eta_b, fraction=timing.coincidence_fraction(window, window), accidentals=accidentals
    )
    qber = timing.error_rate(coincidences, accidentals, polarization_error=error)
    secure = 0.5 * coincidences * (1.0 - 2.1 * entropy(qber))
    assert brightness[secure.argmax()] == pytest.approx(rate, rel=3e-3)
    assert secure.max() == pytest.approx(key, rel=1e-3)


def test_efficiencies_and_ratios_come_back_from_counts() -> None:
    """Oracle: inversion of the formulas."""
    singles = [timing.singles_rate(3e6, eta, noise_rate=noise) for eta, noise in ((0.11, 700.0), (0.23, 90.0))]
    accidentals = timing.accidental_rate(*singles, window=1e-9)
    coincidences = timing.coincidence_rate(3e6, 0.11, 0.23, fraction=0.9, accidentals=accidentals)
    found = timing.heralding_efficiency(coincidences, singles[1], accidentals=accidentals, partner_noise=90.0)
    assert found == pytest.approx(0.9 * 0.11, rel=1e-12)
    ratio = timing.coincidence_to_accidental_ratio(coincidences, accidentals)
    assert ratio == pytest.approx(0.9 * 3e6 * 0.11 * 0.23 / (singles[0] * singles[1] * 1e-9), rel=1e-12)


def test_opposite_motions_add_in_the_drift() -> None:
    """Oracle: light runs 299,792,458 m in a second."""
    assert timing.flight_time_drift(3000.0, -2995.849) == pytest.approx(20e-6, rel=1e-3)


def source(**pump: Any) -> Any:
    table = {
        "kind": "density-pairs",
        "wavelength_nm": 810.0,
        "pump": pump,
        "state": {"kind": "werner", "bell_state": "psi-", "visibility": 0.9},
    }
    return parse(DensityPairs, table, "run.toml: source")


def test_a_continuous_pump_counts_windows_and_loses_what_jitter_takes() -> None:
    """Oracle: 5.9e6 pairs /s in windows of 2.5 ns; erf(sqrt(ln 2) 2.5 / 0.5 / 2.355) for 0.3 and 0.4 ns rms."""
    told = {"kind": "continuous", "pair_rate_mhz": 5.9, "coincidence_window_ns": 2.5}
    emission = source(**told).emission()
    assert emission.continuous
    assert emission.trial_rate == pytest.approx(4e8, rel=1e-12)
    assert emission.mean_pair_number == pytest.approx(5.9e6 * 2.5e-9, rel=1e-12)
    assert emission.coincidence_fraction == 1.0
    rms = source(**told, jitter_rms_ps=[300.0, 400.0]).emission()
    fwhm = source(**told, jitter_fwhm_ps=[300.0, 400.0]).emission()
    assert rms.coincidence_fraction == pytest.approx(timing.coincidence_fraction(2.5e-9, 0.5e-9 * 2.3548200450309493))
    assert fwhm.coincidence_fraction == pytest.approx(timing.coincidence_fraction(2.5e-9, 0.5e-9))
    late = source(**told, jitter_fwhm_ps=[300.0, 400.0], delay_ps=1250.0).emission()
    assert late.coincidence_fraction == pytest.approx(0.5, abs=1e-6)


def test_a_pump_follows_the_times_of_flight_as_well_as_its_corrections_do() -> None:
    """Oracle: at 7 km/s a correction every 0.1 ms leaves 2.335 ns, so that 1.25 of them are inside; a tenth is harmless."""
    told = {"kind": "continuous", "pair_rate_mhz": 5.9, "coincidence_window_ns": 2.5}
    drift = timing.flight_time_drift([7e3, 0.0, -7e3], [0.0, 0.0, 0.0])
    lost = source(**told, correction_interval_ms=0.1).pump.coincidences_along(drift, "source")
    np.testing.assert_allclose(
        lost, [1.25e-9 / (1e-4 * 7e3 / 299792458.0), 1.0, 1.25e-9 / (1e-4 * 7e3 / 299792458.0)], rtol=1e-9
    )
    for harmless in ({}, {"correction_interval_ms": 0.1, "uncorrected_drift": 0.1}, {"correction_interval_ms": 0.01}):
        np.testing.assert_array_equal(source(**told, **harmless).pump.coincidences_along(drift, "source"), 1.0)
    with pytest.raises(UserError, match=r"source\.pump\.correction_interval_ms = 2: the drift of the delay needs"):
        source(**told, correction_interval_ms=2.0).pump.coincidences_along(np.array([np.nan]), "run.toml: source")
    np.testing.assert_array_equal(
        source(kind="pulsed", repetition_rate_mhz=80.0, mean_pair_number=0.05).pump.coincidences_along(drift, "source"), 1.0
    )


def test_a_pulsed_pump_counts_pulses_and_leaves_jitter_to_the_gates() -> None:
    """Oracle: the table."""
    emission = source(kind="pulsed", repetition_rate_mhz=80.0, mean_pair_number=0.05).emission()
    assert (emission.trial_rate, emission.mean_pair_number, emission.coincidence_fraction) == (80e6, 0.05, 1.0)
    assert not emission.continuous


def test_jitter_told_twice_is_a_mistake() -> None:
    with pytest.raises(UserError, match="jitter_rms_ps stands in place of jitter_fwhm_ps"):
        source(
            kind="continuous",
            pair_rate_mhz=1.0,
            coincidence_window_ns=1.0,
            jitter_rms_ps=[100.0, 100.0],
            jitter_fwhm_ps=[100.0, 100.0],
        )
