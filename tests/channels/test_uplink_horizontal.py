"""Links up to a satellite and along the ground: exact means by a second route, indices against wave optics, and limits."""

from __future__ import annotations

import re

import numpy as np
import pytest

from qphys.channels import beam
from qphys.channels.path import fried_parameter
from qphys.channels.profiles import HufnagelValley
from qphys.errors import UserError

LIGHT = 810e-9
HV57 = {"kind": "hufnagel-valley", "rms_wind_m_per_s": 21.0, "ground_cn2": 1.7e-14, "outer_scale_m": 50.0}
PROFILE = HufnagelValley(**HV57)
UP = {"kind": "uplink", "background_rate_hz": 0.0, "correlation_time_ms": 5.0}
LEVEL = {"kind": "horizontal", "focus": "receiver", "background_rate_hz": 0.0, "correlation_time_ms": 5.0}
AIR = {"kind": "constant", "cn2": 1e-15}


def launch(waist, **values):
    """A beam of given waist in its far field, that no edge cuts."""
    angle = 1e6 * LIGHT / (np.pi * waist)
    told = {
        "divergence_half_angle_urad": angle,
        "pointing_jitter_urad": 0.0,
        "optics_transmittance": 1.0,
        "corrected_modes": 1,
    }
    return UP | {"launch": told | values}


def up(sight, elevation=90.0, distance=500.0, **values):
    told = {"wavelength": LIGHT, "receiver_aperture": 0.3, "pointing_jitter": 0.0, "divergence_half_angle": np.nan}
    return sight(distance, elevation, **(told | values))


# Uplink


@pytest.mark.parametrize("waist", [0.05, 0.10, 0.15])
def test_mean_of_an_uplink_is_that_of_the_extended_huygens_fresnel_integral(sight, transmit, waist):
    """Second route: the integral over the mutual coherence on the axis; pupils on rings differ from it by up to 1 %."""
    result = transmit(launch(waist) | {"turbulence": HV57}, up(sight))
    r0 = fried_parameter(PROFILE, np.pi / 2, wavelength=LIGHT, satellite_height=500e3)
    exact = beam.on_axis_mean(waist, r0, outer_scale=50.0)
    found = 10 ** (-0.1 * result.terms_db["turbulence"][0, 0])
    assert found == pytest.approx(float(exact), rel=0.012)
    assert -10 * np.log10(result.mean[0, 0]) == pytest.approx(sum(v[0, 0] for v in result.terms_db.values()), abs=1e-9)


@pytest.mark.parametrize(("waist", "index"), [(0.05, 0.56), (0.10, 1.29), (0.15, 1.63)])
def test_index_of_an_untracked_uplink_is_that_of_wave_optics(sight, transmit, waist, index):
    """Split-step propagation, 2,500 realisations, HV5/7 and an outer scale of 50 m: good to about 5 %, and so is the law."""
    result = transmit(launch(waist) | {"turbulence": HV57, "fading_nodes": 16}, up(sight))
    assert result.scintillation_index[0, 0] == pytest.approx(index, rel=0.08)
    assert "untracked" in result.model


@pytest.mark.parametrize("jitter", [1e-6, 4e-6])
def test_jitter_costs_less_in_a_beam_that_turbulence_has_spread(sight, transmit, jitter):
    """Second route: jitter multiplies the coherence by exp(-k^2 s^2 r^2 / 2), as a narrower waist would; the spread beam is
    no Gaussian, so that the pointing law on its long-term width is off by up to 8 %."""
    waist, k = 0.05, 2 * np.pi / LIGHT
    result = transmit(launch(waist, pointing_jitter_urad=1e6 * jitter) | {"turbulence": HV57}, up(sight))
    r0 = fried_parameter(PROFILE, np.pi / 2, wavelength=LIGHT, satellite_height=500e3)
    narrow = 1 / np.sqrt(1 / waist**2 + (k * jitter) ** 2)
    exact = beam.on_axis_mean(narrow, r0, outer_scale=50.0) * (narrow / waist) ** 2
    terms = {name: value[0, 0] for name, value in result.terms_db.items()}
    assert 10 ** (-0.1 * (terms["turbulence"] + terms["pointing"])) == pytest.approx(float(exact), rel=0.08)


def test_tracking_helps_and_the_point_ahead_angle_takes_some_of_it_back(sight, transmit):
    """Order: untracked < tilt seen 50 urad aside < tilt seen in the beam's own direction; the latter is the tilt-corrected
    coupling of Noll's modes."""
    table = [
        launch(0.05),
        launch(0.05, corrected_modes=3, point_ahead_urad=50.0),
        launch(0.05, corrected_modes=3, point_ahead_urad=0.0),
    ]
    losses = [transmit(one | {"turbulence": HV57}, up(sight)).terms_db["turbulence"][0, 0] for one in table]
    assert losses[0] > losses[1] + 0.3 > losses[2] + 0.6


def test_in_still_air_an_uplink_is_the_downlink_of_the_same_telescopes(sight, transmit):
    """Reciprocity: transmittance between two apertures in vacuum, one of them small, with the same pointing law."""
    told = {
        "aperture_mm": 130.0,
        "waist_ratio": 0.89,
        "pointing_jitter_urad": 1.0,
        "optics_transmittance": 0.8,
        "corrected_modes": 1,
    }
    result = transmit(UP | {"launch": told}, up(sight, 40.0, 700.0))
    down = transmit(
        {"kind": "free-space", "background_rate_hz": 0.0, "correlation_time_ms": 5.0},
        up(
            sight,
            40.0,
            700.0,
            transmitter_aperture=0.13,
            transmitter_waist_ratio=0.89,
            pointing_jitter=1e-6,
            transmitter_optics_transmittance=0.8,
        ),
    )
    np.testing.assert_allclose(result.transmittance, down.transmittance, rtol=1e-12)
    np.testing.assert_allclose(result.weight, down.weight, rtol=1e-12)


@pytest.mark.parametrize(
    ("told", "seen", "said"),
    [
        ({}, {"distance": np.nan}, "needs the slant range"),
        ({}, {"receiver_aperture": np.nan}, "needs the aperture of the terminal"),
        ({"turbulence": HV57}, {"elevation": 14.0}, "turbulence in a plane atmosphere is computed from 15 deg"),
        ({"turbulence": HV57}, {"elevation": 16.0}, "on the way up; the law of an uplink is computed up to 1"),
        (launch(0.05, corrected_modes=3) | {"turbulence": HV57}, {}, "launch.point_ahead_urad: missing"),
        (
            launch(0.05, corrected_modes=4, point_ahead_urad=50.0) | {"turbulence": HV57},
            {},
            "4 corrected modes complete no radial order",
        ),
        (launch(0.5) | {"turbulence": HV57}, {"receiver_aperture": 0.1}, "Fried parameters wide"),
    ],
)
def test_what_an_uplink_cannot_do_is_said_in_one_line(sight, transmit, told, seen, said):
    with pytest.raises(UserError, match=re.escape(said)) as error:
        transmit(launch(0.05) | told, up(sight, **seen))
    assert "\n" not in str(error.value)


# Horizontal


def level(sight, aperture, **values):
    """808 nm over 2 km, a beam of 20 mm focused on the receiver."""
    told = {
        "wavelength": 808e-9,
        "divergence_half_angle": np.nan,
        "transmitter_aperture": 0.2,
        "transmitter_waist_ratio": 0.2,
        "receiver_aperture": aperture,
        "pointing_jitter": 0.0,
    }
    return sight(2.0, np.nan, **(told | values))


@pytest.mark.parametrize(("aperture", "mean"), [(0.024, 0.31011), (0.050, 0.79291)])
def test_mean_of_a_horizontal_link_is_the_published_one(sight, transmit, aperture, mean):
    """Our own table of the extended Huygens-Fresnel integral (wave optics 0.3102 and 0.7946), without outer scale."""
    result = transmit(LEVEL | {"turbulence": AIR}, level(sight, aperture))
    assert result.mean[0, 0] == pytest.approx(mean, rel=2e-3)
    assert "total probability" in result.model


def test_obscuration_and_jitter_of_a_horizontal_link(sight, transmit):
    """Shares of the encircled light subtract; in still air a Gaussian that moves by a Gaussian is a wider Gaussian."""
    told = LEVEL | {"turbulence": AIR}
    whole, inner = (transmit(told, level(sight, a)).mean[0, 0] for a in (0.05, 0.02))
    hole = transmit(told, level(sight, 0.05, receiver_obscuration=0.4)).mean[0, 0]
    assert hole == pytest.approx(whole - inner, rel=1e-9)
    still = transmit(LEVEL, level(sight, 0.024, pointing_jitter=5e-6))
    spot = 2000.0 * 808e-9 / (np.pi * 0.02)
    assert still.mean[0, 0] == pytest.approx(-np.expm1(-2 * 0.012**2 / (spot**2 + 4 * (5e-6 * 2000) ** 2)), rel=1e-3)
    assert still.scintillation_index[0, 0] > 0.0


def test_index_of_a_horizontal_link_is_near_that_of_wave_optics(sight, transmit):
    """Wander alone of a small receiver has the closed index 1 / beta (beta + 2) of a wandering Gaussian."""
    small = transmit(LEVEL, level(sight, 0.002, pointing_jitter=2e-6)).scintillation_index[0, 0]
    spot = 2000.0 * 808e-9 / (np.pi * 0.02)
    beta = spot**2 / (4 * (2e-6 * 2000.0) ** 2)
    assert small == pytest.approx(1 / (beta * (beta + 2)), rel=5e-3)


def test_extinction_of_a_horizontal_link(sight, transmit):
    """Published arithmetic: Kruse, 5 km at 785 nm: 2.3805 dB/km; a given attenuation times the length."""
    haze = LEVEL | {"atmosphere": {"kind": "haze", "visibility_km": 5.0, "law": "kruse"}}
    found = transmit(haze, level(sight, 0.024, wavelength=785e-9)).terms_db["atmosphere"][0, 0]
    assert found == pytest.approx(2 * 2.3805, abs=1e-3)
    given = LEVEL | {"atmosphere": {"kind": "attenuation", "attenuation_db_per_km": 0.3}}
    assert transmit(given, level(sight, 0.024)).terms_db["atmosphere"][0, 0] == pytest.approx(0.6)


def test_strong_turbulence_takes_a_measured_index_and_keeps_the_exact_mean(sight, transmit):
    """10 km at 2.9: wave optics gives a mean of 0.2848(85) into 100 mm, the integral 0.2838."""
    told = {"wavelength": 808e-9, "transmitter_aperture": 0.6, "transmitter_waist_ratio": 0.2, "receiver_aperture": 0.1}
    seen = sight(10.0, np.nan, divergence_half_angle=np.nan, pointing_jitter=0.0, **told)
    strong = {"kind": "constant", "cn2": 1e-15}
    with pytest.raises(UserError, match="give scintillation_index"):
        transmit(LEVEL | {"turbulence": strong}, seen)
    result = transmit(LEVEL | {"turbulence": strong | {"scintillation_index": 0.2}}, seen)
    assert result.mean[0, 0] == pytest.approx(0.2848, abs=0.017)
    assert result.scintillation_index[0, 0] == pytest.approx(0.2, rel=1e-6)


@pytest.mark.parametrize(
    ("told", "seen", "said"),
    [
        ({}, {"aperture": np.nan}, "needs the receiver's aperture"),
        ({}, {"transmitter_aperture": np.nan}, "needs the divergence or the aperture"),
        ({}, {"pointing_bias": 1e-6}, "takes no constant pointing error"),
    ],
)
def test_what_a_horizontal_link_cannot_do_is_said_in_one_line(sight, transmit, told, seen, said):
    with pytest.raises(UserError, match=re.escape(said)):
        transmit(LEVEL | told, level(sight, **({"aperture": 0.024} | seen)))
