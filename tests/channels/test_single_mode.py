"""The record of a single-mode receiver and the uplink by reciprocity. Oracles: the functions of single effects, reference
values of wave optics, limits."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from qphys.channels.adaptive_optics import loop_residual, modal_variance, shift_residual, structure_function
from qphys.channels.coupling import long_exposure_coupling, mode_overlap
from qphys.channels.coupling_laws import ModalCoupling, PupilCoupling, coupling_law
from qphys.channels.single_mode import SingleMode, single_mode_law, uplink_law
from qphys.errors import UserError
from qphys.record import parse

HV57 = {
    "layer_height": np.array([19, 67, 142, 342, 1313, 3269, 7331, 10131, 12395, 16037.0]),
    "layer_weight": np.array([0.262, 0.2283, 0.1939, 0.1442, 0.071, 0.0383, 0.0209, 0.0163, 0.0138, 0.0113]),
}
SEEN = {"wavelength": 1.55e-6, "aperture": 0.4, "obscuration": 0.3, "fried_parameter": [0.2, 0.1], "elevation": [1.5, 0.6]}


def record(**values):
    return parse(SingleMode, {"kind": "single-mode"} | values, "run.toml: channel.coupling")


def test_uncorrected_fibre_has_the_long_exposure_mean():
    got = single_mode_law(record(corrected_modes=1, mode_ratio=1.0, fibre_transmittance=0.9), **SEEN)
    assert isinstance(got, PupilCoupling)
    exact = 0.9 * long_exposure_coupling([2.0, 4.0], mode_ratio=1.0, obscuration=0.3)
    np.testing.assert_allclose(got.mean, exact, rtol=1e-9)


def test_still_air_and_perfect_correction_leave_the_overlap_and_the_static_error():
    """Limit: r0 far above the aperture; 100 nm of static error at 1550 nm is exp(-0.1643)."""
    still = SEEN | {"fried_parameter": [1e3, 1e3]}
    got = single_mode_law(record(corrected_modes=10, static_rms_nm=100.0), **still)
    assert isinstance(got, ModalCoupling)
    np.testing.assert_allclose(got.mean, 0.656164 * np.exp(-((2 * np.pi * 100 / 1550) ** 2)), rtol=1e-5)


def test_errors_of_a_correction_add_by_mode():
    """Second route: residuals written out, layer by layer, into the law."""
    wind = np.linspace(5.0, 25.0, 10)
    told = record(corrected_modes=6, loop_bandwidth_hz=200.0, beacon_angle_urad=5.0, noise_rms_nm=30.0)
    got = single_mode_law(told, **SEEN, **HV57, layer_wind=wind, slew_rate=[0.01, 0.005])
    residual = np.zeros((2, 2))
    noise = (2 * np.pi * 30 / 1550) ** 2 * np.array([1 / 4, 1 / 9]) / (2 / 4 + 3 / 9)
    for t, (elevation, strength, slew) in enumerate(((1.5, 2.0, 0.01), (0.6, 4.0, 0.005))):
        for height, weight, speed in zip(HV57["layer_height"], HV57["layer_weight"], wind, strict=True):
            distance = height / np.sin(elevation)
            loop = loop_residual([1, 2], wind_speed=[speed + slew * distance], bandwidth=200.0, aperture=0.4)
            angle = shift_residual([1, 2], shift=[5e-6 * distance], aperture=0.4)
            residual[t] += weight * strength ** (5 / 3) * (loop + angle)
        residual[t] += noise
    assert np.all(residual < np.multiply.outer([2.0, 4.0], [1, 1]) ** (5 / 3) * modal_variance([1, 2]))
    ratio = 1.0279508
    ceiling = mode_overlap(ratio, obscuration=0.3)
    expected = coupling_law([2.0, 4.0], residual=residual, ceiling=ceiling, mode_ratio=ratio, obscuration=0.3)
    np.testing.assert_allclose(got.mean, expected.mean, rtol=1e-6)
    np.testing.assert_allclose(got.scintillation_index, expected.scintillation_index, rtol=1e-6)


def test_a_slow_correction_is_none_and_a_fast_one_perfect():
    """Limits of bandwidth and delay, of the mean."""
    seen = SEEN | HV57 | {"layer_wind": 10.0}
    perfect = single_mode_law(record(corrected_modes=6), **SEEN).mean
    none = single_mode_law(record(corrected_modes=1), **SEEN).mean
    np.testing.assert_allclose(single_mode_law(record(corrected_modes=6, delay_ms=0.0), **seen).mean, perfect, rtol=1e-12)
    np.testing.assert_allclose(
        single_mode_law(record(corrected_modes=6, loop_bandwidth_hz=1e5), **seen).mean, perfect, rtol=1e-3
    )
    slow = single_mode_law(record(corrected_modes=6, loop_bandwidth_hz=1e-4), **seen).mean
    np.testing.assert_allclose(slow, none, rtol=0.12)  # the correlation of tilt with coma is lost
    late = single_mode_law(record(corrected_modes=6, delay_ms=5e4), **seen).mean
    assert np.all(late < none)


def test_scintillation_of_the_aperture_is_a_factor():
    told = record(corrected_modes=10)
    still, moving = single_mode_law(told, **SEEN), single_mode_law(told, **SEEN, scintillation_index=[0.1, 0.02])
    np.testing.assert_allclose(moving.mean, still.mean, rtol=1e-12)
    np.testing.assert_allclose(
        1 + moving.scintillation_index, (1 + still.scintillation_index) * np.array([1.1, 1.02]), rtol=1e-12
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"corrected_modes": 5},
            "corrected_modes = 5 completes no radial order (allowed: 1, 3, 6, 10, 15, 21, 28, 36, ...)",
        ),
        ({"corrected_modes": 1, "loop_bandwidth_hz": 100.0}, "loop_bandwidth_hz needs a correction"),
        ({"corrected_modes": 1, "noise_rms_nm": 10.0}, "noise_rms_nm needs a correction"),
        ({"corrected_modes": 3, "loop_bandwidth_hz": 100.0, "delay_ms": 1.0}, "exclude each other"),
        ({"corrected_modes": 3, "corected": 1}, "run.toml: channel.coupling.corected: unknown key"),
    ],
)
def test_mistakes_in_the_table_are_told(values, message):
    import re

    with pytest.raises(UserError, match=re.escape(message)):
        record(**values)


def test_what_cannot_be_computed_is_told():
    with pytest.raises(UserError, match=r"channel.coupling.loop_bandwidth_hz: a correction in time needs the wind"):
        single_mode_law(record(corrected_modes=3, loop_bandwidth_hz=100.0), **SEEN)
    with pytest.raises(UserError, match=r"delay_ms: a correction in time needs the wind"):
        single_mode_law(record(corrected_modes=3, delay_ms=1.0), **SEEN)
    with pytest.raises(UserError, match=r"static_rms_nm = 300: 1.22 rad"):
        single_mode_law(record(corrected_modes=3, static_rms_nm=300.0), **SEEN)
    with pytest.raises(UserError, match=r"the aperture is 40 Fried parameters wide; coupling is computed up to 30"):
        single_mode_law(record(corrected_modes=3), **(SEEN | {"fried_parameter": [0.2, 0.01]}))
    with pytest.raises(UserError, match=r"4 corrected modes complete no radial order"):
        uplink_law(waist=0.1, fried_parameter=0.1, elevation=1.5, corrected_modes=4)


# Uplink


@pytest.mark.parametrize(("waist", "mean"), [(0.05, 0.2677), (0.10, 0.0876), (0.15, 0.0413)])
def test_uplink_on_the_axis_has_the_exact_mean(waist, mean):
    """Reference values: HV5/7, 810 nm, zenith, Kolmogorov; and the integral over the mutual coherence."""
    got = uplink_law(waist=waist, fried_parameter=0.0885, elevation=np.pi / 2)
    assert isinstance(got, PupilCoupling)
    coherence = quad(
        lambda r: r * np.exp(-(r**2) / (2 * waist**2) - 0.5 * structure_function(r, fried_parameter=0.0885)), 0, 8 * waist
    )[0]
    assert got.mean[0] == pytest.approx(coherence / waist**2, rel=1e-3)
    assert got.mean[0] == pytest.approx(mean, abs=3e-4)


@pytest.mark.parametrize(
    ("waist", "mean", "index", "aperture_index"),
    [(0.05, 0.3034, 0.56, 0.03), (0.10, 0.1050, 1.29, 0.01), (0.15, 0.0504, 1.63, 0.005)],
)
def test_untracked_uplink_is_that_of_wave_optics(waist, mean, index, aperture_index):
    """Reference values: wave optics by reciprocity, outer scale 50 m, mean +-1.5 to 2.6 %, index to a few percent."""
    got = uplink_law(
        waist=waist, fried_parameter=0.0885, elevation=np.pi / 2, outer_scale=50.0, scintillation_index=aperture_index
    )
    assert got.mean[0] == pytest.approx(mean, rel=0.03)
    assert got.scintillation_index[0] == pytest.approx(index, rel=0.07)


def test_tracking_helps_and_the_point_ahead_angle_takes_it_back():
    """Limits and order: perfect tilt, tilt seen 50 urad aside, untracked; a far beacon does harm."""
    seen = {"waist": 0.1, "fried_parameter": [0.0887, 0.05], "elevation": [1.57, 0.8]} | HV57
    untracked, tracked = (uplink_law(**seen, corrected_modes=modes).mean for modes in (1, 3))
    aside = uplink_law(**seen, corrected_modes=3, point_ahead_angle=50e-6).mean
    far = uplink_law(**seen, corrected_modes=3, point_ahead_angle=0.1).mean
    assert np.all(tracked > 2.0 * untracked)
    assert np.all((aside < tracked) & (aside > untracked))
    assert np.all(far < untracked)
    more = uplink_law(**seen, corrected_modes=10, point_ahead_angle=50e-6).mean
    assert np.all(more > aside)


def test_an_edge_of_the_telescope_only_matters_where_there_is_light():
    wide = uplink_law(waist=0.05, fried_parameter=0.1, elevation=1.5, aperture=0.3).mean
    free = uplink_law(waist=0.05, fried_parameter=0.1, elevation=1.5).mean
    assert wide == pytest.approx(free, rel=4e-3)
    # a beam that fills a small telescope sees less turbulence than one that spreads over a large one
    assert uplink_law(waist=0.05, fried_parameter=0.1, elevation=1.5, aperture=0.1).mean > 1.5 * free
