"""A downlink into a single-mode fibre, and its correlation time. Oracles: limits, integrals written out, the laws alone."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad

import qphys
from qphys import channels
from qphys.catalogue import Catalogue
from qphys.channels import layers, path, temporal
from qphys.channels.coupling import best_mode_ratio, long_exposure_coupling, mode_throughput
from qphys.channels.laws import Pointing
from qphys.channels.profiles import HufnagelValley
from qphys.channels.scintillation import scintillation_index
from qphys.channels.single_mode import SingleMode, single_mode_law
from qphys.cli import main
from qphys.errors import UserError
from qphys.record import parse

ROOT = Path(__file__).parents[2]
LIGHT = 1.55e-6
HV57 = {"kind": "hufnagel-valley", "rms_wind_m_per_s": 21.0, "ground_cn2": 1.7e-14}
LINK = {"kind": "free-space", "background_rate_hz": 0.0}
FADING = LINK | {"correlation_time_ms": 1.0, "turbulence": HV57}
SEEN = {"wavelength": LIGHT, "divergence_half_angle": 15e-6, "pointing_jitter": 0.0, "receiver_aperture": 0.4}


def fibre(**values):
    return {"kind": "single-mode"} | values


def swept(seen, slew):
    return replace(seen, track=replace(seen.track, slew_rate=np.full(seen.track.time.shape, slew)))


# Coupling


def test_without_correction_the_loss_is_that_of_the_long_exposure(sight, transmit):
    seen = sight([600.0, 1100.0], [70.0, 30.0], receiver_obscuration=0.3, **SEEN)
    told = FADING | {"coupling": fibre(corrected_modes=1, mode_ratio=1.0, fibre_transmittance=0.9)}
    result = transmit(told, seen)
    r0 = path.fried_parameter(HufnagelValley(**HV57), np.deg2rad([70.0, 30.0]), wavelength=LIGHT)
    exact = 0.9 * long_exposure_coupling(0.4 / r0, mode_ratio=1.0, obscuration=0.3)
    np.testing.assert_allclose(result.terms_db["fibre coupling"][:, 0], -10 * np.log10(exact), rtol=1e-9)
    assert result.includes[-1] == "fibre coupling"
    assert "no correction, D/r0 up to 3.1" in result.model
    assert "up to D/r0 = 30" in result.model


def test_a_perfect_correction_leaves_the_overlap_and_what_does_not_fluctuate(sight, transmit):
    """Limit: 0.814529 of an unobscured aperture, times 0.9, times exp(-0.0591) of 60 nm."""
    told = FADING | {"coupling": fibre(corrected_modes=36, fibre_transmittance=0.9, static_rms_nm=60.0)}
    result = transmit(told, sight(600.0, 70.0, **(SEEN | {"receiver_aperture": 0.05})))
    expected = 0.814529 * 0.9 * np.exp(-((2 * np.pi * 60 / 1550) ** 2))
    assert 10 ** (-0.1 * result.terms_db["fibre coupling"][0, 0]) == pytest.approx(expected, rel=3e-3)
    still = transmit({key: value for key, value in told.items() if key != "turbulence"}, sight(600.0, 70.0, **SEEN))
    assert 10 ** (-0.1 * still.terms_db["fibre coupling"][0, 0]) == pytest.approx(expected, rel=1e-5)
    assert still.correlation_time == 0.0
    assert "still air" in still.model


def test_nodes_have_the_law_with_each_fluctuation_once(sight):
    """Independent factors: 1 + index multiply, over phase, received power and pointing; the mean is the losses'."""
    elevation = np.deg2rad([70.0, 30.0])
    seen = sight([600.0, 1100.0], [70.0, 30.0], **(SEEN | {"pointing_jitter": 2e-6}))
    table = FADING | {"coupling": fibre(corrected_modes=10, noise_rms_nm=30.0)}
    record = parse(channels.FreeSpace, table, "run.toml: channel")
    told = {"files": Catalogue(), "where": "run.toml: channel"}
    result, law = record.transmit(seen, **told), record.law(seen, **told)
    air = {"wavelength": LIGHT, "aperture": 0.4}
    profile = HufnagelValley(**HV57)
    alone = single_mode_law(
        parse(SingleMode, table["coupling"], ""),
        **air,
        obscuration=0.0,
        fried_parameter=path.fried_parameter(profile, elevation, wavelength=LIGHT),
        elevation=elevation,
    )
    pointing = Pointing.rayleigh(15e-6, 2e-6)
    power = scintillation_index(profile, elevation, **air)
    expected = (1 + alone.scintillation_index) * (1 + power) * (1 + pointing.scintillation_index) - 1
    np.testing.assert_allclose(result.scintillation_index[:, 0], expected, rtol=1e-6)
    np.testing.assert_allclose(law.scintillation_index, expected, rtol=1e-9)
    np.testing.assert_allclose(result.mean[:, 0], law.mean, rtol=1e-12)
    np.testing.assert_allclose(-10 * np.log10(result.mean), sum(result.terms_db.values()), atol=1e-9)
    drawn = law.draw(20_000, seed=7, stream=1)
    np.testing.assert_allclose(drawn.mean(axis=1), law.mean, rtol=0.01)


def test_a_correction_in_time_meets_wind_and_slew(sight, transmit):
    """Order: follows at once, wind alone, wind and slew; the model says which. Second route: a hundred layers."""
    windy = FADING | {"turbulence": HV57 | {"ground_wind_m_per_s": 3.0}}
    seen = sight(600.0, 70.0, **SEEN)
    loop = windy | {"coupling": fibre(corrected_modes=10, loop_bandwidth_hz=30.0)}
    at_once = transmit(windy | {"coupling": fibre(corrected_modes=10)}, seen)
    wind, slew = transmit(loop, seen), transmit(loop, swept(seen, 0.012))
    assert at_once.mean[0, 0] > 1.02 * wind.mean[0, 0] > 1.04 * slew.mean[0, 0]
    profile = HufnagelValley(**HV57)
    fine = layers.compressed(profile, 100, ground_wind=3.0)
    expected = single_mode_law(
        parse(SingleMode, loop["coupling"], ""),
        wavelength=LIGHT,
        aperture=0.4,
        obscuration=0.0,
        fried_parameter=path.fried_parameter(profile, np.deg2rad(70.0), wavelength=LIGHT),
        elevation=np.deg2rad(70.0),
        layer_height=fine.height,
        layer_weight=fine.strength / fine.strength.sum(),
        layer_wind=fine.wind,
        slew_rate=0.012,
    )
    assert 10 ** (-0.1 * slew.terms_db["fibre coupling"][0, 0]) == pytest.approx(expected.mean[0], rel=2e-3)
    assert "against wind alone (the orbit does not tell the slew" in wind.model
    assert "against wind and slew" in slew.model


def test_a_fibre_takes_one_mode_of_the_sky_as_far_as_it_leaves_the_aperture(sight, transmit):
    """Published arithmetic, 18,746 photons, times the part of the mode over the annulus by numerical integration."""
    sky = {key: value for key, value in FADING.items() if key != "background_rate_hz"} | {"sky_radiance_w_per_m2_um_sr": 1.0}
    told = sky | {"coupling": fibre(corrected_modes=3, fibre_transmittance=0.9)}
    result = transmit(told, sight(600.0, 70.0, filter_bandwidth=1e-9, receiver_obscuration=0.3, **SEEN))
    b = float(best_mode_ratio(0.3))
    passed = quad(lambda r: 4 * b**2 * r * np.exp(-2 * (b * r) ** 2), 0.3, 1.0)[0]
    assert mode_throughput(b, obscuration=0.3) == pytest.approx(passed, rel=1e-9)
    assert result.background_rate[0, 0] == pytest.approx(18_746 * 0.9 * passed, rel=1e-4)
    given = transmit(FADING | {"background_rate_hz": 5.0, "coupling": fibre(corrected_modes=3)}, sight(600.0, 70.0, **SEEN))
    assert given.background_rate[0, 0] == 5.0
    # reciprocity: no plane wave couples better than the mode that goes out
    for hole in (0.0, 0.3, 0.5):
        assert long_exposure_coupling(1e-9, mode_ratio=b, obscuration=hole) < mode_throughput(b, obscuration=hole)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"coupling": fibre(corrected_modes=3), "turbulence": {"kind": "index", "scintillation_index": 0.1}}, "profile"),
        ({"coupling": fibre(corrected_modes=3, delay_ms=1.0)}, "give run.toml: channel.turbulence.ground_wind_m_per_s"),
        ({"coupling": fibre(corrected_modes=3), "distribution": "beta"}, "coupled light has its own"),
        ({"coupling": fibre(corrected_modes=5)}, "channel.coupling: corrected_modes = 5 completes no radial order"),
        ({"coupling": fibre(corrected_modes=3), "correlation_time_ms": None}, "correlation_time_ms is required"),
        (
            {
                "coupling": fibre(corrected_modes=3),
                "background_rate_hz": None,
                "sky_radiance_w_per_m2_um_sr": 1.0,
                "sky_etendue": "field-of-view",
            },
            "a single-mode fibre takes one mode",
        ),
    ],
)
def test_what_coupling_cannot_do_is_said_in_one_line(sight, transmit, told, said):
    with pytest.raises(UserError, match=re.escape(said)) as error:
        transmit({key: value for key, value in (FADING | told).items() if value is not None}, sight(600.0, 70.0, **SEEN))
    assert "\n" not in str(error.value)


def test_run_into_a_fibre_has_the_mean_of_the_law_and_its_key_grows_with_the_correction(tmp_path, capsys):
    from qphys import recipe
    from qphys.river import River, ways

    run, file = ROOT / "runs" / "c-band-pass.toml", tmp_path / "pass.h5"
    coarse = {"window.time_step_s": 20.0, "window.minimum_elevation_deg": 62.0, "statistics.realisations": 0}
    changes = [f"--set={key}={value}" for key, value in coarse.items()]
    assert main(["run", str(run), "--json", "--quiet", "--no-plot", "-o", str(file), *changes]) == 0
    (table,) = json.loads(capsys.readouterr().out).values()
    statistics = qphys.open_statistics(file)
    for i, modes in enumerate((3, 10, 36)):
        choice = coarse | {"channel.coupling.corrected_modes": modes}
        point, _, catalogue = recipe.read_link(run, overrides=choice, case=None)
        found = River(catalogue).described(point, ways(point)[0], most=1000)
        np.testing.assert_allclose(statistics["mean_transmittance"].values[i].squeeze(), found.law.mean, rtol=1e-9)
    keys = [row["key [bit]"] for row in table]
    assert keys[1] > 1.5 * keys[0] and keys[2] > 1.1 * keys[1]


# Correlation time


def test_correlation_time_is_that_of_the_received_power(sight, transmit):
    windy = LINK | {"turbulence": HV57 | {"ground_wind_m_per_s": 5.0, "outer_scale_m": 20.0}}
    seen = swept(sight(600.0, 70.0, receiver_obscuration=0.3, **SEEN), 0.012)
    result = transmit(windy, seen)
    told = {"wavelength": LIGHT, "aperture": 0.4, "ground_wind": 5.0, "slew_rate": 0.012, "obscuration": 0.3}
    expected = temporal.correlation_time(HufnagelValley(**HV57), np.deg2rad(70.0), outer_scale=20.0, **told)
    assert result.correlation_time == pytest.approx(float(expected), rel=1e-12)
    assert f"correlation time {1e3 * expected:.3g} ms (scintillation by frozen flow, wind and slew)" in result.model
    given = transmit(windy | {"correlation_time_ms": 7.0}, seen)
    assert given.correlation_time == 7e-3
    assert "correlation time" not in given.model


def test_correlation_time_with_pointing_keeps_the_variance_of_the_counts(sight, transmit):
    """Second route: the joint autocovariance integrated numerically, step by step, with the squared mean as weight."""
    windy = LINK | {"turbulence": HV57 | {"ground_wind_m_per_s": 5.0}, "pointing_correlation_time_ms": 8.0}
    elevation = np.deg2rad([70.0, 30.0])
    seen = swept(sight([600.0, 1100.0], [70.0, 30.0], **(SEEN | {"pointing_jitter": 3e-6})), 0.012)
    result = transmit(windy, seen)
    told = {"wavelength": LIGHT, "aperture": 0.4}
    times = temporal.correlation_time(HufnagelValley(**HV57), elevation, ground_wind=5.0, slew_rate=0.012, **told)
    index = scintillation_index(HufnagelValley(**HV57), elevation, **told)
    jitter = Pointing.rayleigh(15e-6, 3e-6).scintillation_index[0]
    area = total = 0.0
    for t, tau in enumerate(times):
        weight = result.mean[t, 0] ** 2

        def joint(lag, t=t, tau=tau):
            return (1 + index[t] * np.exp(-lag / tau)) * (1 + jitter * np.exp(-lag / 8e-3)) - 1

        area += weight * quad(joint, 0.0, 0.5, limit=500, points=[1e-3, 1e-2])[0]
        total += weight * joint(0.0)
    assert result.correlation_time == pytest.approx(area / total, rel=1e-6)
    assert times.max() < 8e-3 and times.min() < result.correlation_time < 8e-3
    alone = transmit(LINK | {"pointing_correlation_time_ms": 8.0}, seen)
    assert alone.correlation_time == pytest.approx(8e-3, rel=1e-12)


@pytest.mark.parametrize(
    ("told", "jitter", "slew", "said"),
    [
        ({}, 1e-6, 0.01, "pointing_correlation_time_ms is required beside the computed time"),
        ({}, 0.0, np.nan, "the orbit does not tell the rate at which the line of sight sweeps"),
        ({"turbulence": HV57}, 0.0, 0.01, "correlation_time_ms is required, since the transmittance fluctuates"),
        ({"correlation_time_ms": 1.0, "pointing_correlation_time_ms": 1.0}, 0.0, 0.01, "exclude each other"),
    ],
)
def test_what_a_correlation_time_needs_is_said_in_one_line(sight, transmit, told, jitter, slew, said):
    seen = swept(sight(600.0, 70.0, **(SEEN | {"pointing_jitter": jitter})), slew)
    with pytest.raises(UserError, match=re.escape(said)) as error:
        transmit(LINK | {"turbulence": HV57 | {"ground_wind_m_per_s": 5.0}} | told, seen)
    assert "\n" not in str(error.value)
