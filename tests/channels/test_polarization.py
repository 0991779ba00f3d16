"""Polarization on the way: rotation, retardance, diattenuation, mounts, depolarization, compensation, and its table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from qphys.channels import polarization
from qphys.channels.polarization import Polarization, basis_error_rate
from qphys.errors import UserError
from qphys.optics import jones
from qphys.record import parse
from qphys.stages import Sight, Track, Transmittance

WHERE = "run.toml: channel.polarization"
Z, X = 0.0, np.pi / 4
SEED = 77003


def plain_track(range_km: Any, elevation_deg: Any, **values: Any) -> Track:
    distance = np.atleast_1d(np.asarray(range_km, dtype=np.float64)) * 1e3
    unknown = np.full(distance.shape, np.nan)
    told: dict[str, Any] = dict.fromkeys(("azimuth", "range_rate", "sun_elevation", "sunlit"), unknown)
    told |= {"time": np.arange(distance.size) + 0.5, "time_step": 1.0, "epoch": "", "range": distance}
    told["elevation"] = np.broadcast_to(np.deg2rad(elevation_deg), distance.shape).copy()
    return Track(**(told | values))


def track(steps: int = 101, *, step: float = 1.0) -> Track:
    """A pass whose frame turns like that of a low orbit, with azimuth and elevation."""
    t = (np.arange(steps) - steps // 2) * step
    return plain_track(
        np.full(steps, 800.0),
        50.0 - 30.0 * (t / 60.0) ** 2 / (1.0 + (t / 60.0) ** 2),
        time=t,
        time_step=step,
        azimuth=(2.0 + 1.2 * np.arctan(t / 40.0)) % (2.0 * np.pi),
        frame_angle={"velocity": -np.arctan(t / 35.0), "orbit-normal": 0.5 * np.pi - 1.4 * np.arctan(t / 25.0)},
    )


def maps(table: dict[str, Any], where: Track | None = None) -> polarization.Maps:
    record = parse(Polarization, {"attitude": "velocity"} | table, WHERE)
    return record.maps(where or track(), where=WHERE)


def rates(table: dict[str, Any], where: Track | None = None) -> np.ndarray:
    """Error rate of Z and X in each step, (T, 2)."""
    found = maps(table, where)
    return basis_error_rate(found.ensemble @ found.jones[:, None], found.weight, angle=[Z, X])


def test_uncorrected_rotation_errs_by_its_squared_sine_in_both_bases() -> None:
    """Oracle: Malus's law."""
    for law in ("velocity", "orbit-normal"):
        expected = np.sin(track().frame_angle[law] + np.deg2rad(7.0)) ** 2
        found = rates({"attitude": law, "sender_offset_deg": 7.0})
        np.testing.assert_allclose(found, np.stack([expected] * 2, axis=1), atol=1e-14)


def test_retardance_along_a_basis_leaves_it_alone_and_flips_the_other() -> None:
    """Oracle: sin^2(delta / 2) for the basis at 45 degrees to the axes, nothing for the basis along them."""
    element = {"place": "telescope", "retardance_deg": 40.0}
    found = rates({"attitude": "none", "elements": [element]})
    np.testing.assert_allclose(found[:, 0], 0.0, atol=1e-15)
    np.testing.assert_allclose(found[:, 1], np.sin(np.deg2rad(20.0)) ** 2, rtol=1e-12)
    turned = rates({"attitude": "none", "elements": [element | {"axis_deg": 45.0}]})
    np.testing.assert_allclose(turned[:, ::-1], found, atol=1e-15)


def test_a_compensated_rotation_turns_the_axes_of_the_mirrors_through_the_pass() -> None:
    """Oracle: sin^2(delta/2) sin^2(2 theta) in Z and cos^2(2 theta) in X; their sum does not depend on the angle."""
    found = rates(
        {
            "elements": [{"place": "telescope", "retardance_deg": 30.0}],
            "compensation": {"kind": "rotation"},
        }
    )
    theta, size = track().frame_angle["velocity"], np.sin(np.deg2rad(15.0)) ** 2
    np.testing.assert_allclose(found[:, 0], size * np.sin(2.0 * theta) ** 2, atol=1e-14)
    np.testing.assert_allclose(found[:, 1], size * np.cos(2.0 * theta) ** 2, atol=1e-14)


@pytest.mark.parametrize("place", ["sender", "telescope", "fork", "bench"])
def test_full_compensation_undoes_all_retardance(place: str) -> None:
    """Oracle: the identity; for a train with three mirrors and a Coude focus too."""
    elements = [
        {"place": place, "retardance_deg": 33.0, "axis_deg": 12.0},
        {"place": "sender", "retardance_deg": -21.0, "axis_deg": 70.0},
    ]
    table = {"focus": "coude", "elements": elements, "receiver_offset_deg": 11.0}
    assert rates(table | {"compensation": {"kind": "rotation"}}).max() > 0.01
    assert rates(table | {"compensation": {"kind": "full"}}).max() < 1e-14
    assert rates({"focus": "coude", "receiver_offset_deg": 11.0, "compensation": {"kind": "rotation"}}).max() < 1e-14


def test_mounts_turn_by_elevation_and_azimuth() -> None:
    """Oracle: the sum of the rotations: theta, theta - E, theta + A - E, and the constant."""
    here = track()
    theta, azimuth = here.frame_angle["velocity"], here.azimuth
    for focus, angle in (
        ("telescope", theta),
        ("nasmyth", theta - here.elevation),
        ("coude", theta + azimuth - here.elevation),
    ):
        expected = np.sin(angle + 0.3) ** 2
        found = rates({"focus": focus, "receiver_offset_deg": np.rad2deg(0.3)})
        np.testing.assert_allclose(found, np.stack([expected] * 2, axis=1), atol=1e-13)
    np.testing.assert_allclose(polarization.coude_rotation(azimuth, here.elevation), azimuth - here.elevation)


def test_an_element_acts_in_the_frame_in_which_it_stands() -> None:
    """Oracle: the product written out."""
    here = track()
    plates = {place: (0.2 + 0.1 * k, 0.3 * k) for k, place in enumerate(polarization.PLACES)}
    elements = [
        {"place": place, "retardance_deg": np.rad2deg(d), "axis_deg": np.rad2deg(a)} for place, (d, a) in plates.items()
    ]
    found = maps({"focus": "coude", "elements": elements, "receiver_offset_deg": np.rad2deg(0.7)}).jones
    sender, telescope, fork, bench = (jones.waveplate(d, a) for d, a in plates.values())
    expected = jones.rotation(0.7) @ bench @ jones.rotation(here.azimuth) @ fork @ jones.rotation(-here.elevation)
    expected = expected @ telescope @ jones.rotation(here.frame_angle["velocity"]) @ sender
    np.testing.assert_allclose(np.abs(np.einsum("tij,tij->t", found.conj(), expected)), 2.0, rtol=1e-12)


@pytest.mark.parametrize("d", [0.1, -0.3])
def test_diattenuation_loses_light_and_turns_polarizations_towards_its_better_axis(d: float) -> None:
    """Oracle: powers 1 and (1 - |D|) / (1 + |D|); the basis at 45 degrees errs by (1 - sqrt(1 - D^2)) / 2."""
    found = maps({"attitude": "none", "elements": [{"place": "telescope", "diattenuation": d}]})
    np.testing.assert_allclose(found.mean, 1.0 / (1.0 + abs(d)), rtol=1e-14)
    power = found.mean * np.sum(np.abs(found.jones[0]) ** 2, axis=0)[:, None]
    better, worse = (0, 1) if d > 0 else (1, 0)
    np.testing.assert_allclose(power[better], 1.0, rtol=1e-14)
    np.testing.assert_allclose(power[worse], (1.0 - abs(d)) / (1.0 + abs(d)), rtol=1e-14)
    errors = basis_error_rate(found.jones[:, None], [1.0], angle=[Z, X])
    np.testing.assert_allclose(errors[:, 0], 0.0, atol=1e-15)
    np.testing.assert_allclose(errors[:, 1], 0.5 * (1.0 - np.sqrt(1.0 - d**2)), rtol=1e-12)


@pytest.mark.parametrize("p", [0.0, 0.02, 1.0])
def test_depolarization_errs_by_half_of_itself_in_every_basis(p: float) -> None:
    """Oracle: p / 2, whatever the unitary before it."""
    found = maps({"depolarization": p, "compensation": {"kind": "full"}})
    errors = basis_error_rate(found.ensemble @ found.jones[:, None], found.weight, angle=np.linspace(0, np.pi, 7))
    np.testing.assert_allclose(errors, 0.5 * p, atol=1e-14)
    assert found.weight.sum() == pytest.approx(1.0, abs=1e-15)
    assert len(found.weight) == (1 if p == 0.0 else 4)


@pytest.mark.parametrize("degrees", [0.5, 10.0, 30.0])
def test_residual_of_a_compensated_rotation_errs_by_the_mean_of_a_normal_angle(degrees: float) -> None:
    """Oracle: E sin^2 = (1 - exp(-2 s^2)) / 2, exactly; the fourth moment within the rule's order."""
    s = np.deg2rad(degrees)
    found = rates({"compensation": {"kind": "rotation", "residual_rms_deg": degrees}})
    np.testing.assert_allclose(found, 0.5 * (1.0 - np.exp(-2.0 * s**2)), rtol=1e-9)
    turns, weight = polarization.rotation_errors(s)
    angle = np.arctan2(turns[:, 1, 0].real, turns[:, 0, 0].real)
    assert weight @ angle**4 == pytest.approx(3.0 * s**4, rel=3.0 * s**2)


@pytest.mark.parametrize("degrees", [0.5, 10.0, 30.0])
def test_residual_of_a_full_compensation_is_the_mean_turn_of_a_normal_vector(degrees: float) -> None:
    """Oracle: Rodrigues's rotation of the sphere averaged over drawn vectors; 2 s^2 for small errors, in every basis."""
    s = np.deg2rad(degrees)
    turns, weight = polarization.unitary_errors(s)
    mean = np.einsum("k,kij->ij", weight, jones.mueller(turns))
    drawn = np.linalg.norm(np.random.default_rng(SEED).normal(0.0, 2.0 * s, (200_003, 3)), axis=1)
    shrunk = (1.0 + 2.0 * np.cos(drawn)) / 3.0
    error = 5.0 * shrunk.std() / np.sqrt(drawn.size)
    np.testing.assert_allclose(mean, np.diag([1.0, *(shrunk.mean(),) * 3]), atol=error)
    np.testing.assert_allclose(mean - np.diag(np.diag(mean)), 0.0, atol=1e-15)
    if degrees == 0.5:
        found = rates({"compensation": {"kind": "full", "residual_rms_deg": degrees}})
        np.testing.assert_allclose(found, 2.0 * s**2, rtol=3.0 * s**2)


@pytest.mark.parametrize("kind", ["rotation", "full"])
def test_a_lag_errs_by_the_turn_in_its_time(kind: str) -> None:
    """Oracle: sin^2 of what the frame turns in a lag, from the frame's own law; a straight line before the first step."""
    lag = 0.7
    here = track()
    found = rates({"compensation": {"kind": kind, "lag_ms": 1e3 * lag}})
    turned = np.arctan(here.time / 35.0) - np.arctan((here.time - lag) / 35.0)
    expected = np.sin(turned) ** 2
    # the spline errs by 1e-6 rad, the straight line by half of lag^2 theta'' = 1e-4 rad
    np.testing.assert_allclose(found[1:], np.stack([expected] * 2, axis=1)[1:], rtol=1e-3)
    np.testing.assert_allclose(found[0], expected[0], rtol=0.03)


def test_one_degree_a_second_and_a_second_of_lag_cost_what_they_should() -> None:
    """Oracle: 1.3 deg/s for 1 s costs sin^2(1.3 deg) = 5.15e-4; an error of 0.5 deg costs 7.6e-5."""
    t = np.arange(11.0)
    steady = plain_track(np.full(11, 700.0), 45.0, time=t, frame_angle={"velocity": np.deg2rad(1.3) * t})
    found = rates({"compensation": {"kind": "rotation", "lag_ms": 1000.0}}, steady)
    np.testing.assert_allclose(found, np.sin(np.deg2rad(1.3)) ** 2, rtol=1e-9)
    assert found[0, 0] == pytest.approx(5.15e-4, rel=2e-3)
    residual = rates({"compensation": {"kind": "rotation", "residual_rms_deg": 0.5}}, steady)
    assert residual[0, 0] == pytest.approx(7.6e-5, rel=3e-3)


def test_errors_of_independent_causes_add_where_they_are_small() -> None:
    """Oracle: (1 - product of (1 - 2 E)) / 2 for commuting maps."""
    table = {"depolarization": 0.03, "compensation": {"kind": "rotation", "residual_rms_deg": 5.0, "lag_ms": 2000.0}}
    here = track()
    angle = np.arctan(here.time / 35.0) - np.arctan((here.time - 2.0) / 35.0)
    parts = (1.0 - 0.03) * np.exp(-2.0 * np.deg2rad(5.0) ** 2) * np.cos(2.0 * angle)
    np.testing.assert_allclose(rates(table)[2:, 0], 0.5 * (1.0 - parts)[2:], rtol=1e-5)
    assert len(maps(table).weight) == 12


LINKS = [
    {"kind": "fixed", "loss_db": 20.0, "includes": ["diffraction"], "background_rate_hz": 0.0},
    {"kind": "free-space", "background_rate_hz": 0.0, "correlation_time_ms": 10.0},
]


@pytest.mark.parametrize("table", LINKS, ids=lambda table: table["kind"])
def test_every_kind_of_link_takes_a_polarization(table: dict[str, Any], transmit: Callable[..., Transmittance]) -> None:
    """Oracle: the same link without it, and the maps alone; diattenuation stands among the terms and in the mean."""
    sight = Sight(
        track=track(), wavelength=848.6e-9, divergence_half_angle=7.41e-6, pointing_jitter=1.2e-6, receiver_aperture=1.0
    )
    told = {
        "attitude": "velocity",
        "elements": [{"place": "telescope", "diattenuation": 0.05}],
        "depolarization": 0.01,
    }
    plain, found = transmit(table, sight), transmit(table | {"polarization": told, "extra_loss_db": 3.0}, sight)
    alone = maps(told)
    np.testing.assert_allclose(found.mean, plain.mean * alone.mean[:, None] * 10**-0.3, rtol=1e-12)
    np.testing.assert_allclose(found.terms_db["polarization"][:, 0], 10.0 * np.log10(1.05), rtol=1e-12)
    np.testing.assert_array_equal(found.jones[:, 0], alone.jones)
    np.testing.assert_array_equal(found.ensemble[0, 0], alone.ensemble)
    assert found.model.endswith("drawn in each trial, not compensated") and found.model.startswith(plain.model)
    assert plain.scintillation_index.max() == pytest.approx(found.scintillation_index.max(), rel=1e-12)
    assert "polarization" not in transmit(table | {"polarization": {"attitude": "velocity"}}, sight).terms_db


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"attitude": "inertial-velocity"}, "attitude = 'inertial-velocity': the orbit tells no polarization frame"),
        ({"attitude": "sideways"}, "attitude = 'sideways'"),
        ({"focus": "coude"}, "focus = 'coude': needs the azimuth, which the orbit does not tell"),
        ({"elements": [{"place": "fork"}]}, r"elements\[0\].place = 'fork': behind the analyser, .* 'telescope'"),
        ({"elements": [{"place": "telescope", "diattenuation": 1.0}]}, "elements.0.diattenuation = 1.0"),
        ({"depolarization": 1.1}, "depolarization = 1.1"),
        ({"compensation": {"kind": "half"}}, "compensation.kind = 'half'"),
        ({"compensation": {"kind": "full", "residual_rms_deg": 31.0}}, "residual_rms_deg = 31.0"),
        ({"compensation": {"kind": "full", "lag_ms": 5.0}}, "lag_ms: a frame turns by 60 deg between two steps"),
    ],
)
def test_a_mistake_in_the_table_is_told_with_its_place(table: dict[str, Any], message: str) -> None:
    jumping = plain_track([800.0, 800.0], 40.0, frame_angle={"velocity": np.deg2rad([0.0, 60.0])})
    with pytest.raises(UserError, match=message) as error:
        maps(table, jumping)
    assert str(error.value).startswith("run.toml: channel.polarization.")


def test_one_step_cannot_be_followed() -> None:
    alone = plain_track(800.0, 40.0, frame_angle={"velocity": np.zeros(1)})
    with pytest.raises(UserError, match="one step does not tell how the frame turns"):
        maps({"compensation": {"kind": "rotation", "lag_ms": 5.0}}, alone)
    assert rates({"compensation": {"kind": "rotation"}}, alone).max() < 1e-15


def test_law_of_a_link_holds_what_its_mirrors_lose() -> None:
    """Oracle: the mean of the transmittance in nodes."""
    from qphys.catalogue import Catalogue
    from qphys.channels import KINDS

    sight = Sight(
        track=track(), wavelength=848.6e-9, divergence_half_angle=7.41e-6, pointing_jitter=1.2e-6, receiver_aperture=1.0
    )
    told = {"attitude": "velocity", "elements": [{"place": "telescope", "diattenuation": 0.05}]}
    record: Any = parse(KINDS["free-space"], LINKS[1] | {"polarization": told, "extra_loss_db": 2.0}, "run.toml: channel")
    law = record.law(sight, files=Catalogue(), where="run.toml: channel")
    mean = record.transmit(sight, files=Catalogue(), where="run.toml: channel").mean[:, 0]
    np.testing.assert_allclose(law.mean, mean, rtol=1e-6)
