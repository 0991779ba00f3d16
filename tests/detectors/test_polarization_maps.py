"""An ensemble of polarization maps behind a channel: averages of clicks, and no cost or change where there is one map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from qphys import channels, detectors
from qphys.optics import jones
from qphys.record import parse
from qphys.sources import KINDS
from qphys.stages import PairEmission, Transmittance

Maker = Callable[..., Any]
BUSY = {
    "efficiency": [0.5, 0.55, 0.6, 0.45],
    "dark_rate_hz": 4e4,
    "dead_time_ns": 95.0,
    "afterpulse_probability": 0.05,
}
MAPS = np.stack([jones.rotation(0.2), jones.waveplate(1.3, 0.4), jones.rotation(-0.7) @ jones.waveplate(0.5, 1.0)])
WEIGHT = np.array([0.5, 0.3, 0.2])


def respond(link: Transmittance, station: Any, rate: float) -> Any:
    return detectors.respond(link, station.analyser(rate), trial_rate=rate, time_step=1.0, receiver_optics_transmittance=1.0)


def with_maps(link: Transmittance, maps: Any = MAPS, weight: Any = WEIGHT) -> Transmittance:
    return replace(link, ensemble=np.asarray(maps)[None, None], ensemble_weight=np.asarray(weight)[None])


def test_clicks_are_the_average_over_the_maps(receiver: Maker, emission: Maker, channel: Maker) -> None:
    """Oracle: each map alone, weighted; no dead time, since that joins the trials."""
    station = receiver(polarization_contrast=30.0, detector={"dark_rate_hz": 1e5})
    sent, turned = emission(intensity_fluctuation=0.1), jones.waveplate(0.4, 0.1)
    link = channel([[0.2, 0.9], [0.4, 0.1]], jones=turned)
    found = detectors.clicks(sent, respond(with_maps(link), station, 1e8)).probability
    alone = [
        detectors.clicks(sent, respond(replace(link, jones=(one @ link.jones)), station, 1e8)).probability for one in MAPS
    ]
    np.testing.assert_allclose(found, np.einsum("k,k...->...", WEIGHT, np.stack(alone)), rtol=1e-12)


def test_dead_time_sees_all_maps(receiver: Maker, emission: Maker, channel: Maker) -> None:
    """Oracle: the renewal law p / (1 + p d) with the click probability over all maps; H goes to Z0 every other time."""
    half = with_maps(channel(1.0), [jones.rotation(0.0), jones.rotation(np.pi / 2)], [0.5, 0.5])
    sent = emission(
        mean_photon_numbers=[0.8, 0.1, 0.0], intensity_probabilities=[1.0, 0.0, 0.0], basis_probability_z=0.999999
    )
    free = detectors.clicks(sent, respond(half, receiver(), 1e8)).probability[0, 0, 0, 0, 0]
    dead = detectors.clicks(sent, respond(half, receiver(detector={"dead_time_ns": 24.0}), 1e8)).probability[0, 0, 0, 0, 0]
    p = -np.expm1(-0.8 * 0.5 * 0.5)
    # Z0 sees light in one half of the trials of either bit; with the X detectors alike to first order
    live_z = 1.0 / (1.0 + 0.5 * p * 2.0)
    q = -np.expm1(-0.8 * 0.25 * 0.5)
    live_x = 1.0 / (1.0 + q * 2.0)
    expected = 0.5 * live_z * p * (1.0 - live_x * q) ** 2
    assert dead[1] == pytest.approx(expected, rel=1e-5)
    assert free[1] == pytest.approx(0.5 * p * (1.0 - q) ** 2, rel=1e-5)


def pairs(**changes: Any) -> PairEmission:
    table = {
        "kind": "squeezed-pairs",
        "wavelength_nm": 810.0,
        "pump": {"kind": "pulsed", "repetition_rate_mhz": 100.0, "mean_pair_number": 0.1},
        "schmidt_modes": 3.0,
        "bell_state": "psi-",
        "imbalance": 0.2,
    }
    found: PairEmission = parse(KINDS["squeezed-pairs"], table | changes, "source").emission()  # type: ignore[attr-defined]
    return found


def pair_clicks(emission: PairEmission, links: Any, stations: Any) -> Any:
    responses = tuple(respond(link, one, emission.trial_rate) for link, one in zip(links, stations, strict=True))
    return detectors.pair_clicks(emission, responses, channels.join(links, correlation="independent")).probability  # type: ignore[arg-type]


def test_clicks_of_pairs_are_the_average_over_the_maps_of_both_arms(receiver: Maker, channel: Maker) -> None:
    """Oracle: each pair of maps alone, weighted with the product; an arm with another number of maps."""
    stations = (receiver(polarization_contrast=20.0), receiver(basis_choice="active", detector={"dark_rate_hz": 1e4}))
    links = [channel([[0.3, 0.7], [0.1, 0.2]]), channel([[0.2], [0.9]], jones=jones.rotation(0.3))]
    few = (MAPS[:2], np.array([0.25, 0.75]))
    found = pair_clicks(pairs(), [with_maps(links[0]), with_maps(links[1], *few)], stations)
    expected = np.zeros(found.shape)
    for a, u in zip(WEIGHT, MAPS, strict=True):
        for b, v in zip(few[1], few[0], strict=True):
            turned = [replace(link, jones=one @ link.jones) for link, one in zip(links, (u, v), strict=True)]
            expected += a * b * pair_clicks(pairs(), turned, stations)
    np.testing.assert_allclose(found, expected, rtol=1e-11)


@pytest.mark.parametrize("fraction", [1.0, 0.4])
def test_an_ensemble_of_equal_maps_is_one_map(fraction: float, receiver: Maker, channel: Maker, emission: Maker) -> None:
    """Oracle: the one map; dead time, afterpulses, strays and noise on."""
    stations = (receiver(detector=BUSY), receiver(detector=BUSY, basis_probability_z=0.7))
    light = replace(pairs(), coincidence_fraction=fraction)
    links = [channel([[0.3, 0.7]], background_rate=1e4), channel([[0.2]], background_rate=1e4)]
    one = pair_clicks(light, [replace(x, jones=MAPS[1] @ x.jones) for x in links], stations)
    same = pair_clicks(light, [with_maps(x, [MAPS[1]] * 3) for x in links], stations)
    np.testing.assert_allclose(same, one, rtol=1e-11)
    sent = emission(intensity_fluctuation=0.2)
    alone = detectors.clicks(sent, respond(replace(links[0], jones=MAPS[1] @ links[0].jones), stations[0], 1e8)).probability
    equal = detectors.clicks(sent, respond(with_maps(links[0], [MAPS[1]] * 3), stations[0], 1e8)).probability
    np.testing.assert_allclose(equal, alone, rtol=1e-12)


def test_one_map_takes_the_way_it_took_before(receiver: Maker, emission: Maker, channel: Maker) -> None:
    """Wiring: one weight of 1, rows for one map, and a constant channel computed once for all steps."""
    link = channel(np.full((50, 2), 0.3))
    response = respond(link, receiver(), 1e8)
    assert response.amplitude.shape == (50, 1, 1, 4, 1, 2)
    np.testing.assert_array_equal(response.map_weight, [1.0])
    from qphys.detectors.clicks import photoelectrons

    assert photoelectrons(emission(), response).shape[:2] == (1, 1)


def test_switching_optics_off_takes_the_ensemble_away(receiver: Maker, emission: Maker, channel: Maker) -> None:
    """Oracle: the ideal link: no wrong clicks are left, and the loss stays."""
    station, sent = receiver(), emission()
    link = replace(with_maps(channel(0.5)), jones=0.8 * jones.rotation(0.3)[None, None])
    _, analyser, straight = detectors.without("optics", sent, station.analyser(1e8), link)
    np.testing.assert_allclose(straight.jones[0, 0], 0.8 * np.eye(2), atol=1e-15)
    told = {"trial_rate": 1e8, "time_step": 1.0, "receiver_optics_transmittance": 1.0}
    found = detectors.clicks(sent, detectors.respond(straight, analyser, **told)).probability
    assert found[0, 0, 0, 0, 0, 2] == 0.0 < found[0, 0, 0, 0, 0, 1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ensemble_weight": np.array([[0.5, 0.4]])}, "sum to 1"),
        ({"ensemble_weight": np.array([[1.5, -0.5]])}, "not be negative"),
        ({"ensemble_weight": np.ones((2, 1))}, "shape"),
        ({"ensemble": np.zeros((3, 1, 2, 2, 2))}, "shape"),
    ],
)
def test_an_ensemble_that_is_none_is_refused(changes: Any, message: str, channel: Maker) -> None:
    with pytest.raises(ValueError, match=message):
        replace(channel(0.5), **({"ensemble": np.stack([np.eye(2)] * 2)[None, None] + 0j} | changes))


@pytest.mark.parametrize("bell", ["psi-", "psi+", "phi+", "phi-"])
@pytest.mark.parametrize("contrast", [20.0, 150.0])
def test_leaks_of_both_arms_err_by_the_same_for_every_bell_state(
    bell: str, contrast: float, receiver: Maker, channel: Maker
) -> None:
    """Oracle: one of two splitters errs: 2 C / (1 + C)^2 in both bases, since powers add behind a splitter.

    A leak with a phase of its own would be a turn, which psi- does not see, and which doubles the errors of others.
    """
    light = pairs(
        bell_state=bell, imbalance=0.0, pump={"kind": "pulsed", "repetition_rate_mhz": 100.0, "mean_pair_number": 1e-7}
    )
    found = pair_clicks(light, [channel(0.1), channel(0.2)], (receiver(polarization_contrast=contrast),) * 2)[0, 0]
    for first, basis in ((1, "Z"), (3, "X")):
        four = found[first : first + 2, first : first + 2]
        same = np.trace(four) / four.sum()
        error = 1.0 - same if basis not in light.flipped_bases else same
        assert error == pytest.approx(2.0 * contrast / (1.0 + contrast) ** 2, rel=1e-5)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_leak_adds_its_power_whatever_the_hand_of_the_light(
    sign: float, receiver: Maker, emission: Maker, channel: Maker
) -> None:
    """Oracle: E = e (1 - l) + l (1 - e) for light with a share e across, in or out of phase with a leak l."""
    share, contrast = 0.04, 24.0
    sent = emission(extinction_ratio_db=10.0 * np.log10((1.0 - share) / share))
    straight = channel(1e-6, jones=np.diag([1.0, sign]))
    found = detectors.clicks(sent, respond(straight, receiver(polarization_contrast=contrast), 1e8)).probability[0, 0, 0, 0]
    wrong = found[0, 2] / (found[0, 1] + found[0, 2])
    leak = 1.0 / (1.0 + contrast)
    assert wrong == pytest.approx(share * (1.0 - leak) + leak * (1.0 - share), rel=1e-5)
