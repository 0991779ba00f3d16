"""Second routes to the clicks of pairs: closed forms of Ma, Fung and Lo 2007 and of Neumann et al. 2021, Werner states."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qphys import channels, detectors, sources
from qphys.record import parse
from qphys.sources import timing
from qphys.stages import Clicks, Transmittance

SEED = 12307


def link(eta: float) -> Transmittance:
    return Transmittance(
        transmittance=np.full((1, 1, 1), eta),
        weight=np.ones((1, 1)),
        correlation_time=0.0,
        jones=np.eye(2, dtype=np.complex128)[None, None],
        background_rate=np.zeros((1, 1)),
        includes=("receiver optics", "detector efficiency"),
    )


def receiver(gate_ns: float, *, dark_probability: float = 0.0, **changes: Any) -> dict[str, Any]:
    """A polarization analyser whose detectors count dark in a gate with this probability each."""
    return {
        "kind": "polarization-analyser",
        "basis_choice": "active",
        "basis_probability_z": 0.5,
        "optics_transmittance": 1.0,
        "gate_ns": gate_ns,
        "detector": {
            "efficiency": 1.0,
            "dark_rate_hz": float(-np.log1p(-dark_probability) / (gate_ns * 1e-9)),
            "dead_time_ns": 0.0,
            "afterpulse_probability": 0.0,
        },
        **changes,
    }


def clicks(source: dict[str, Any], etas: tuple[float, float], receivers: tuple[Any, Any]) -> Clicks:
    emission = parse(sources.KINDS[source["kind"]], source, "source").emission()  # type: ignore[attr-defined]
    arms = [link(eta) for eta in etas]
    responses = []
    for arm, table in zip(arms, receivers, strict=True):
        analyser = parse(detectors.KINDS[table["kind"]], table, "receiver").analyser(emission.trial_rate)  # type: ignore[attr-defined]
        responses.append(
            detectors.respond(
                arm, analyser, trial_rate=emission.trial_rate, time_step=1.0, receiver_optics_transmittance=1.0
            )
        )
    joint = channels.join(arms, correlation="independent")
    return detectors.pair_clicks(emission, (responses[0], responses[1]), joint)


def pulsed(mean: float, **changes: Any) -> dict[str, Any]:
    return {
        "kind": "squeezed-pairs",
        "wavelength_nm": 710.0,
        "pump": {"kind": "pulsed", "repetition_rate_mhz": 249.0, "mean_pair_number": mean},
        "schmidt_modes": 1.0,
        "bell_state": "psi-",
        **changes,
    }


def density(mean: float, **state: Any) -> dict[str, Any]:
    return pulsed(mean, kind="density-pairs", state=state) | {"kind": "density-pairs"}


def without(table: dict[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key not in names}


def werner(visibility: float, pump: dict[str, Any]) -> dict[str, Any]:
    state = {"kind": "werner", "bell_state": "psi-", "visibility": visibility}
    return {"kind": "density-pairs", "wavelength_nm": 810.0, "pump": pump, "state": state}


def gain(found: Clicks) -> float:
    """Probability that both sides see something."""
    return float(found.probability[0, 0, 1:, 1:].sum())


def errors(found: Clicks) -> tuple[float, float]:
    """Gain and errors of both bases of a singlet, a double click within a basis given at random."""
    p = found.probability[0, 0]
    total = wrong = 0.0
    for zero, one, double in ((1, 2, 5), (3, 4, 6)):
        own = [zero, one, double]
        total += p[np.ix_(own, own)].sum()
        wrong += p[zero, zero] + p[one, one] + 0.5 * (p[double, own].sum() + p[own, double].sum() - p[double, double])
    return float(total), float(wrong)


def ma_fung_lo_gain(lam: float, eta_a: float, eta_b: float, y_a: float, y_b: float) -> float:
    """Eq. 9 of the paper without its cancellation (see docs/physics/pairs.md)."""
    a, b = eta_a * lam, eta_b * lam
    p_a, p_b = (a * (2 + a) + y_a) / (1 + a) ** 2, (b * (2 + b) + y_b) / (1 + b) ** 2
    d, e = 1 + a + b - eta_a * b, (1 + a) * (1 + b)
    return p_a * p_b + (1 - y_a) * (1 - y_b) * eta_a * b * (1 + lam) * (d + e) / (d**2 * e**2)


def ma_fung_lo_errors(lam: float, eta_a: float, eta_b: float, q: float) -> float:
    """Eq. 10 of the paper at e_d = 0, exact without dark counts."""
    a, b = eta_a * lam, eta_b * lam
    return 0.5 * q - eta_a * b * (1 + lam) / ((1 + a) * (1 + b) * (1 + a + b - eta_a * b))


@pytest.mark.parametrize("lam", [1e-3, 0.0588, 0.7])
@pytest.mark.parametrize(("loss_a", "loss_b"), [(0.0, 0.0), (3.0, 17.0), (35.0, 35.0), (60.0, 60.0)])
@pytest.mark.parametrize("choice", ["active", "passive"])
def test_gain_is_eq_9_of_ma_fung_lo(choice: str, lam: float, loss_a: float, loss_b: float) -> None:
    """Oracle: the closed form in its stable reading, with the dark counts of Table 1 on both sides."""
    eta = 0.145 * 10 ** (-0.1 * loss_a), 0.145 * 10 ** (-0.1 * loss_b)
    number = 2 if choice == "active" else 4
    dark = -np.expm1(np.log1p(-6.02e-6) / number)
    station = receiver(4.0, dark_probability=dark, basis_choice=choice)
    found = gain(clicks(pulsed(2 * lam), eta, (station, station)))
    assert found == pytest.approx(ma_fung_lo_gain(lam, *eta, 6.02e-6, 6.02e-6), rel=1e-11)


@pytest.mark.parametrize("lam", [1e-3, 0.0588, 0.7])
@pytest.mark.parametrize(("loss_a", "loss_b"), [(0.0, 0.0), (3.0, 17.0), (35.0, 35.0), (60.0, 60.0)])
def test_errors_are_eq_10_of_ma_fung_lo(lam: float, loss_a: float, loss_b: float) -> None:
    """Oracle: the closed form, last factor to the first power, where it is exact: no dark counts, e_d a bit flip (0)."""
    eta = 0.145 * 10 ** (-0.1 * loss_a), 0.145 * 10 ** (-0.1 * loss_b)
    total, wrong = errors(clicks(pulsed(2 * lam), eta, (receiver(4.0), receiver(4.0))))
    # half of the trials have the same basis; the formula's errors are a difference, good to 1e-15 of the gain over lam
    expected = ma_fung_lo_gain(lam, *eta, 0.0, 0.0)
    assert total == pytest.approx(0.5 * expected, rel=1e-11)
    assert wrong == pytest.approx(0.5 * ma_fung_lo_errors(lam, *eta, expected), rel=1e-11, abs=1e-14 * total)


def test_table_1_of_ma_fung_lo_gives_the_gain_of_its_optimum() -> None:
    """Oracle: back to back at mu = 0.1176, Q = 2.7766e-3 and E = 5.738 % by the published formulas."""
    dark = -np.expm1(0.5 * np.log1p(-6.02e-6))
    station = receiver(4.0, dark_probability=dark)
    total, wrong = errors(clicks(pulsed(0.1176), (0.145, 0.145), (station, station)))
    assert 2 * total == pytest.approx(2.7766e-3, rel=2e-4)
    assert 0.015 + (1 - 2 * 0.015) * wrong / total == pytest.approx(0.05738, rel=2e-3)


@pytest.mark.parametrize("seed", range(4))
def test_gaussian_pairs_become_poisson_pairs_as_one_over_the_modes(seed: int) -> None:
    """Law: the difference of the two routes, an outcome each, falls as 1/K, over random imperfections."""
    random = np.random.default_rng(SEED + seed)
    told = {
        "bell_state": str(random.choice(["psi-", "psi+", "phi+", "phi-"])),
        "imbalance": random.uniform(-0.5, 0.5),
        "phase_deg": random.uniform(-180.0, 180.0),
    }
    stations = tuple(
        receiver(
            4.0,
            dark_probability=1e-4,
            basis_choice=choice,
            polarization_contrast=random.uniform(20.0, 500.0),
            analyser_offset_deg=random.uniform(-20.0, 20.0),
        )
        for choice in ("passive", "active")
    )
    eta = tuple(random.uniform(0.05, 0.9, 2))
    limit = clicks(pulsed(0.3, schmidt_modes="poisson", **told), eta, stations).probability  # type: ignore[arg-type]
    difference = [
        modes * (clicks(pulsed(0.3, schmidt_modes=modes, **told), eta, stations).probability - limit)  # type: ignore[arg-type]
        for modes in (300.0, 3000.0)
    ]
    large = np.abs(difference[1]) > 0.05 * np.abs(difference[1]).max()
    np.testing.assert_allclose(difference[0][large], difference[1][large], rtol=0.02)
    assert np.abs(difference[1]).max() > 1e-3


def test_poisson_pairs_of_a_crystal_are_those_of_its_density_matrix() -> None:
    """Oracle: the same state told in two ways."""
    state = {"kind": "dephased", "bell_state": "phi-", "coherence": 1.0, "imbalance": 0.3, "phase_deg": 25.0}
    table = {"imbalance": 0.3, "phase_deg": 25.0, "bell_state": "phi-", "schmidt_modes": "poisson"}
    stations = (receiver(4.0, basis_choice="passive"), receiver(4.0, analyser_offset_deg=7.0))
    crystal = pulsed(0.2, **table)
    matrix = without(pulsed(0.2), "schmidt_modes", "bell_state") | {"kind": "density-pairs", "state": state}
    np.testing.assert_allclose(
        clicks(crystal, (0.2, 0.4), stations).probability, clicks(matrix, (0.2, 0.4), stations).probability, rtol=1e-12
    )


@pytest.mark.parametrize("visibility", [1.0, 0.9704, 0.6])
def test_a_werner_state_errs_by_half_of_what_it_lacks(visibility: float) -> None:
    """Oracle: (1 - V) / 2 in both bases, in the limit of few pairs."""
    pump = {"kind": "pulsed", "repetition_rate_mhz": 100.0, "mean_pair_number": 1e-9}
    total, wrong = errors(
        clicks(werner(visibility, pump), (0.1, 0.3), (receiver(4.0), receiver(4.0, basis_choice="passive")))
    )
    assert wrong / total == pytest.approx((1 - visibility) / 2, abs=1e-8)


@pytest.mark.parametrize("visibility", [1.0, 0.838])
def test_a_werner_state_has_s_of_2_sqrt_2_v(visibility: float) -> None:
    """Oracle: S = 2 sqrt 2 V; V = 0.838 is QBER 8.1 %, S = 2.370 (Yin et al. 2017, 2.37 +- 0.09)."""
    pump = {"kind": "pulsed", "repetition_rate_mhz": 100.0, "mean_pair_number": 1e-9}
    angles = ([0.0, 45.0], [22.5, 67.5])
    stations = tuple(
        without(receiver(4.0), "basis_choice", "basis_probability_z") | {"kind": "correlation-analyser", "angles_deg": a}
        for a in angles
    )
    found = clicks(werner(visibility, pump), (0.1, 0.3), stations)  # type: ignore[arg-type]
    p = found.probability[0, 0]
    assert found.outcomes["alice_outcome"][1:3] == ("a0+", "a0-")
    value = 0.0
    for a in range(2):
        for b in range(2):
            cell = p[1 + 2 * a : 3 + 2 * a, 1 + 2 * b : 3 + 2 * b]
            correlation = (cell[0, 0] + cell[1, 1] - cell[0, 1] - cell[1, 0]) / cell.sum()
            value += -correlation if (a, b) != (0, 1) else correlation
    assert value == pytest.approx(2 * np.sqrt(2) * visibility, abs=1e-7)


@pytest.mark.parametrize("jitter", [0.0, 900.0])
@pytest.mark.parametrize(("choice", "factor"), [("active", 1.0), ("passive", 1.5)])
def test_few_pairs_a_window_are_those_of_neumann(choice: str, factor: float, jitter: float) -> None:
    """Law: coincidences and error rate differ from the closed forms by the triples of clicks, by hand, and so as the window.

    A photon of another pair, or noise, in the window of a true coincidence: the closed form counts two events with
    1/2 + e errors, a window has one with 1/4 + e/2; a passive receiver loses half of the sifted ones across its bases.
    """
    eta, noise, visibility = (0.02, 0.003), (30e3, 2e3), 0.96
    flip = (1 - visibility) / 2
    worst = []
    for window, tolerance in ((2.0, 0.05), (0.2, 0.006)):
        pump = {"kind": "continuous", "pair_rate_mhz": 20.0, "coincidence_window_ns": window}
        if jitter:
            # as much of a window, so that the part inside is the same in both
            pump["jitter_fwhm_ps"] = [0.8 * jitter * window / 2.0, 0.6 * jitter * window / 2.0]  # type: ignore[assignment]
        number = {"active": 2, "passive": 4}[choice]
        stations = tuple(
            receiver(window, dark_probability=-np.expm1(-rate / number * window * 1e-9), basis_choice=choice)
            for rate in noise
        )
        found = clicks(werner(visibility, pump), eta, stations)  # type: ignore[arg-type]
        singles = [timing.singles_rate(20e6, e, noise_rate=d) for e, d in zip(eta, noise, strict=True)]
        accidentals = timing.accidental_rate(*singles, window=window * 1e-9)
        fraction = timing.coincidence_fraction(2.0, jitter * 1e-3)
        expected = timing.coincidence_rate(20e6, *eta, fraction=fraction, accidentals=accidentals)
        total, wrong = errors(found)
        qber = timing.error_rate(expected, accidentals, polarization_error=flip)
        rate = gain(found) / (window * 1e-9)
        assert 2 * total / (window * 1e-9) == pytest.approx(expected, rel=2e-3)
        worst.append([rate / expected - 1, wrong / total - qber])
        triples = (expected - accidentals) * sum(singles) * window * 1e-9 / expected
        assert rate / expected - 1 == pytest.approx(-triples, rel=tolerance)
        assert wrong / total - qber == pytest.approx(-factor * triples * (0.25 + flip / 2 - qber), rel=tolerance)
    np.testing.assert_allclose(worst[0], 10 * np.array(worst[1]), rtol=0.1)
    assert np.all(np.abs(worst[0]) < 2e-3)


def test_the_dual_downlink_of_yin_2020_has_its_published_signal_to_noise_ratio_and_error_rate() -> None:
    """Closure: background and polarization error were chosen for 15:1 and 4.51 %; published 2.2 pairs a second."""
    from qphys import orbits
    from qphys.catalogue import Catalogue
    from qphys.stages import Sight

    catalogue = Catalogue()
    names = ("delingha", "nanshan")
    found = [parse(orbits.KINDS["table"], {"kind": "table", "table": f"yin2020-range-{n}.csv"}, n) for n in names]
    window = parse(orbits.Window, {}, "window")
    tracks = [orbits.track(o, None, window, files=catalogue, where="orbit") for o in found]
    emission = parse(sources.KINDS["density-pairs"], catalogue.read("sources", "micius-pairs"), "source").emission()  # type: ignore[attr-defined]
    arms, responses = [], []
    for k, name in enumerate(names):
        sight = Sight(track=tracks[k], partner=tracks[1 - k], wavelength=emission.wavelength)
        table = catalogue.read("channels", f"yin2020-{name}")
        arms.append(parse(channels.KINDS[table["kind"]], table, name).transmit(sight, files=catalogue, where=name))  # type: ignore[attr-defined]
        station = parse(detectors.PolarizationAnalyser, catalogue.read("receivers", f"micius-{name}"), name)
        responses.append(
            detectors.respond(
                arms[k],
                station.analyser(emission.trial_rate),
                trial_rate=emission.trial_rate,
                time_step=1.0,
                receiver_optics_transmittance=1.0,
            )
        )
    joint = channels.join(arms, correlation="independent")
    probability = detectors.pair_clicks(emission, (responses[0], responses[1]), joint).probability[:, 0]
    rate = probability * emission.trial_rate
    coincidences = rate[:, 1:, 1:].sum(axis=(1, 2))
    singles = [rate[:, 1:, :].sum(axis=(1, 2)), rate[:, :, 1:].sum(axis=(1, 2))]
    accidentals = timing.accidental_rate(*singles, window=1 / emission.trial_rate)
    true = float(np.mean(coincidences - accidentals))
    assert true == pytest.approx(2.2, rel=0.01)
    assert true / float(np.mean(accidentals)) == pytest.approx(15.0, rel=0.01)
    same = [1, 2, 5], [3, 4, 6]
    sifted = sum(rate[:, own][:, :, own].sum() for own in same)
    wrong = rate[:, [1, 2, 3, 4], [1, 2, 3, 4]].sum()
    assert wrong / sifted == pytest.approx(0.0451, abs=0.0002)
