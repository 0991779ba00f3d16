"""Pairs become clicks: laws that hold for any light, dead time, noise, and mistakes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from qphys import channels, detectors, sources
from qphys.detectors.pair_clicks import two_squeezers
from qphys.errors import UserError
from qphys.optics import jones
from qphys.record import parse
from qphys.stages import Clicks, GaussianPairEmission, PairEmission

SEED = 40009
TABLE: dict[str, Any] = {
    "kind": "squeezed-pairs",
    "wavelength_nm": 810.0,
    "pump": {"kind": "pulsed", "repetition_rate_mhz": 100.0, "mean_pair_number": 0.1},
    "schmidt_modes": 1.0,
    "bell_state": "psi-",
}
CONTINUOUS = {"kind": "continuous", "pair_rate_mhz": 5.0, "coincidence_window_ns": 2.0}
WERNER = {"kind": "density-pairs", "schmidt_modes": None, "bell_state": None}


def pairs(**changes: Any) -> PairEmission:
    table = {key: value for key, value in {**TABLE, **changes}.items() if value is not None}
    found: PairEmission = parse(sources.KINDS[table["kind"]], table, "run.toml: source").emission()  # type: ignore[attr-defined]
    return found


def werner(visibility: float, **changes: Any) -> PairEmission:
    return pairs(**WERNER, state={"kind": "werner", "bell_state": "psi-", "visibility": visibility}, **changes)


@pytest.fixture
def clicks(channel: Any, receiver: Any) -> Callable[..., Clicks]:
    """Clicks of a source behind two arms; `through` are (nodes, keywords of the channel) of each."""

    def make(
        emission: PairEmission,
        *,
        through: tuple[Any, Any] = (0.3, 0.2),
        receivers: Any = None,
        correlation: Any = "independent",
        **changes: Any,
    ) -> Clicks:
        arms = [
            channel(nodes, **changes) if not isinstance(nodes, tuple) else channel(nodes[0], **nodes[1]) for nodes in through
        ]
        pair = receivers or (receiver(), receiver())
        responses = tuple(
            detectors.respond(
                arm,
                station.analyser(emission.trial_rate),
                trial_rate=emission.trial_rate,
                time_step=1.0,
                receiver_optics_transmittance=float(station.si.optics_transmittance),
            )
            for arm, station in zip(arms, pair, strict=True)
        )
        return detectors.pair_clicks(emission, responses, channels.join(arms, correlation=correlation))  # type: ignore[arg-type]

    return make


@pytest.fixture
def busy(receiver: Any) -> tuple[Any, Any]:
    """Two unlike receivers with every imperfection: passive with four detectors, active with two."""
    noisy = {
        "efficiency": [0.5, 0.55, 0.6, 0.45],
        "dark_rate_hz": 4e4,
        "dead_time_ns": 95.0,
        "afterpulse_probability": 0.05,
    }
    return (
        receiver(detector=noisy, polarization_contrast=150.0, basis_probability_z=0.6),
        receiver(
            basis_choice="active",
            basis_probability_z=0.7,
            detector={**noisy, "efficiency": [0.5, 0.4]},
            analyser_offset_deg=3.0,
        ),
    )


@pytest.mark.parametrize("modes", [1.0, 3.7, "poisson"])
def test_outcomes_sum_to_one_with_every_imperfection(clicks: Any, busy: Any, modes: Any) -> None:
    """Oracle: something happens in every trial."""
    emission = pairs(schmidt_modes=modes, imbalance=0.2, phase_deg=15.0)
    found = clicks(
        emission, receivers=busy, through=([[0.3, 0.7], [1e-6, 0.1]], [[0.9, 0.2], [1.0, 0.0]]), background_rate=1e4
    )
    assert found.probability.shape == (2, 4, 8, 8)
    np.testing.assert_allclose(found.probability.sum(axis=(-2, -1)), 1.0, rtol=1e-13)
    assert tuple(found.outcomes) == ("alice_outcome", "bob_outcome")
    assert found.settings == {} and found.setting_probability.shape == ()


@pytest.mark.parametrize("modes", [1.0, 3.7, "poisson"])
def test_pairs_that_never_meet_click_independently(clicks: Any, busy: Any, modes: Any) -> None:
    """Oracle: the product of the marginals, which for Poisson light the meeting of the pairs does not change."""
    emission = pairs(schmidt_modes=modes, imbalance=0.2)
    apart = clicks(replace(emission, coincidence_fraction=0.0), receivers=busy).probability
    half = clicks(replace(emission, coincidence_fraction=0.5), receivers=busy).probability
    whole = clicks(emission, receivers=busy).probability
    np.testing.assert_allclose(apart, apart.sum(-1)[..., None] * apart.sum(-2)[..., None, :], rtol=1e-11)
    if modes == "poisson":
        for other in (half, whole):
            for axis in (-1, -2):
                np.testing.assert_allclose(other.sum(axis), apart.sum(axis), rtol=1e-12)
    met = [(found - apart)[..., 1:, 1:].sum() for found in (half, whole)]
    # bunching of thermal photons changes the marginals, and so the accidentals, by mu eta / K of themselves
    assert met[0] / met[1] == pytest.approx(0.5, rel=1e-3 if modes == "poisson" else 0.01)
    assert met[1] > 1e-3


@pytest.mark.parametrize("modes", [1.0, "poisson"])
def test_each_step_has_the_coincidence_fraction_of_its_own(clicks: Any, busy: Any, modes: Any) -> None:
    """Oracle: the steps computed alone with one number each; 301 steps are computed in several parts."""
    random = np.random.default_rng(SEED)
    fraction = random.random(301)
    emission = pairs(schmidt_modes=modes)
    nodes = np.full((301, 1), 0.3), np.full((301, 2), 0.2)
    found = clicks(emission.along_the_pass(fraction), through=nodes, receivers=busy).probability
    for t in (0, 157, 300):
        alone = clicks(replace(emission, coincidence_fraction=float(fraction[t])), receivers=busy).probability[0, 0]
        np.testing.assert_allclose(found[t, 1], alone, rtol=1e-13)
    with pytest.raises(ValueError, match="2 time steps, the channel 301"):
        clicks(emission.along_the_pass(fraction[:2]), through=nodes)


def test_the_order_of_time_steps_and_nodes_is_kept(clicks: Any) -> None:
    """Oracle: one step and node alone; 301 steps are computed in several parts."""
    random = np.random.default_rng(SEED)
    nodes = random.random((301, 3)), random.random((301, 5))
    found = clicks(pairs(), through=nodes).probability
    for t, a, b in ((0, 0, 0), (157, 2, 1), (300, 1, 4)):
        alone = clicks(pairs(), through=(nodes[0][t, a], nodes[1][t, b])).probability[0, 0]
        np.testing.assert_allclose(found[t, 5 * a + b], alone, rtol=1e-13)


@pytest.mark.parametrize("modes", [1.0, 5.0])
def test_a_turn_inside_the_source_is_a_turn_on_the_way(clicks: Any, modes: float) -> None:
    """Oracle: the Jones map of the arms, applied to the moments or to the channel."""
    emission = pairs(schmidt_modes=modes, imbalance=0.3, phase_deg=40.0)
    assert isinstance(emission, GaussianPairEmission)
    turn = [jones.waveplate(1.1, 0.3), jones.waveplate(-0.7, 1.2) @ jones.rotation(0.4)]
    both = np.zeros((4, 4), dtype=np.complex128)
    both[:2, :2], both[2:, 2:] = turn
    inside = replace(emission, number=both.conj() @ emission.number @ both.T, anomalous=both @ emission.anomalous @ both.T)
    assert two_squeezers(inside.number, inside.anomalous) is not None
    outside = clicks(emission, through=((0.3, {"jones": turn[0]}), (1e-4, {"jones": turn[1]})))
    np.testing.assert_allclose(clicks(inside, through=(0.3, 1e-4)).probability, outside.probability, rtol=1e-10)


@pytest.mark.parametrize("modes", [1.0, 5.0])
@pytest.mark.parametrize("loss", [1.0, 1e-5])
def test_a_loss_inside_the_source_is_a_loss_on_the_way(clicks: Any, receiver: Any, modes: float, loss: float) -> None:
    """Oracle: the kernel of pure squeezers against that of any Gaussian light, which a lossy source needs; both turned."""
    emission = pairs(schmidt_modes=modes, imbalance=0.3, phase_deg=40.0)
    assert isinstance(emission, GaussianPairEmission)
    # a retarder and a polarization-dependent loss
    ways = [np.diag([0.8, 0.5]) @ jones.waveplate(1.1, 0.3), np.diag([0.3, 0.9]) @ jones.waveplate(-0.7, 1.2)]
    both = np.zeros((4, 4), dtype=np.complex128)
    both[:2, :2], both[2:, 2:] = ways
    inside = replace(emission, number=both.conj() @ emission.number @ both.T, anomalous=both @ emission.anomalous @ both.T)
    assert two_squeezers(inside.number, inside.anomalous) is None
    leaky = (receiver(polarization_contrast=5.0), receiver(polarization_contrast=8.0))
    found = clicks(inside, through=(0.3 * loss, 0.2 * loss), receivers=leaky).probability
    through = ((0.3 * loss, {"jones": ways[0]}), (0.2 * loss, {"jones": ways[1]}))
    expected = clicks(emission, through=through, receivers=leaky).probability
    np.testing.assert_allclose(found, expected, rtol=1e-10)


@pytest.mark.parametrize("modes", [1.0, "poisson"])
def test_unequal_passive_and_active_receivers_see_the_same_pairs(clicks: Any, receiver: Any, modes: Any) -> None:
    """Oracle: weak light; a passive splitter and an active switch of the same ratio differ by several photons only."""
    emission = pairs(schmidt_modes=modes, pump={**TABLE["pump"], "mean_pair_number": 1e-5})
    passive = clicks(emission, receivers=(receiver(basis_probability_z=0.3), receiver())).probability[0, 0, 1:5, 1:5]
    for number in (2, 4):
        switched = receiver(basis_choice="active", basis_probability_z=0.3, active_detectors=number)
        active = clicks(emission, receivers=(switched, receiver())).probability[0, 0, 1:5, 1:5]
        np.testing.assert_allclose(active, passive, rtol=0.0, atol=2e-4 * passive.max())


def test_dead_time_of_a_continuous_source_is_that_of_a_free_running_detector(clicks: Any, receiver: Any) -> None:
    """Oracle: R / (1 + R tau) of each detector; light R = 0.1 B eta with 0.2 transmission, 0.5 efficiency, four ways."""
    station = receiver(gate_ns=2.0, detector={"dead_time_ns": 95.0, "dark_rate_hz": 3e4})
    found = clicks(werner(0.9, pump=CONTINUOUS), through=(0.2, 0.2), receivers=(station, station)).probability[0, 0]
    rate = 5e6 * 0.1 / 4 + 3e4
    # a detector's clicks are in its own outcome and in the double ones: measured through both arms' silence of the rest
    per_detector = rate / (1 + rate * 95e-9) * 2e-9
    some = 1 - found[0].sum()
    # (R T)^2 / 12 and correlations of dead times are far below
    assert some == pytest.approx(1 - (1 - per_detector) ** 4, rel=2e-6)


def test_dead_time_of_pulses_blocks_whole_pulses(clicks: Any, receiver: Any) -> None:
    """Oracle: a renewal process, p / (1 + 9 p), of the one detector that sees light."""
    emission = werner(1.0, pump={"kind": "pulsed", "repetition_rate_mhz": 100.0, "mean_pair_number": 0.4})
    one_sees = {"efficiency": [0.8, 0.0]}
    stations = [receiver(basis_choice="active", detector={**one_sees, "dead_time_ns": t}) for t in (95.0, 0.0)]
    dead = clicks(emission, through=(0.5, 0.5), receivers=(stations[0], stations[1])).probability[0, 0]
    p = -np.expm1(-0.4 * 0.5 * 0.8 * 0.5)
    assert 1 - dead[0].sum() == pytest.approx(p / (1 + 9 * p), rel=1e-12)
    assert 1 - dead[:, 0].sum() == pytest.approx(p, rel=1e-12)


def test_clicks_outside_of_the_gate_keep_a_detector_dead(clicks: Any, receiver: Any) -> None:
    """Oracle: p g / (1 + 9 p), with the part g of the clicks in the gate and p of all light."""
    emission = werner(1.0, pump={"kind": "pulsed", "repetition_rate_mhz": 100.0, "mean_pair_number": 0.4})
    told = {"efficiency": [1.0, 0.0], "jitter": {"kind": "gaussian", "fwhm_ps": 2000.0}}
    stations = [receiver(basis_choice="active", detector={**told, "dead_time_ns": t}) for t in (95.0, 0.0)]
    dead, live = (clicks(emission, receivers=(s, receiver())).probability[0, 0] for s in stations)
    share = (1 - dead[0].sum()) / (1 - live[0].sum())
    assert share == pytest.approx(1 / (1 - 9 * np.expm1(-0.4 * 0.3 * 0.5)), rel=1e-12)
    assert 1 - live[0].sum() < 0.8 * -np.expm1(-0.4 * 0.3 * 0.5)


def test_afterpulses_add_to_the_noise(clicks: Any, receiver: Any) -> None:
    """Oracle: A p (1 - p) more clicks of the one detector that sees light, to no correlation with the partner."""
    told = {"efficiency": [0.8, 0.0], "afterpulse_probability": 0.05}
    station = receiver(basis_choice="active", gate_ns=10.0, detector=told)
    clean = receiver(basis_choice="active", gate_ns=10.0, detector={"efficiency": [0.8, 0.0]})
    emission = werner(1.0, pump={"kind": "pulsed", "repetition_rate_mhz": 100.0, "mean_pair_number": 0.01})
    with_them = clicks(emission, receivers=(station, clean)).probability[0, 0]
    without = clicks(emission, receivers=(clean, clean)).probability[0, 0]
    p = 1 - without[0].sum()
    assert 1 - with_them[0].sum() == pytest.approx(p + (1 - p) * 0.05 * p, rel=1e-10)
    bob = with_them[0, 1:].sum() - without[0, 1:].sum()
    assert bob == pytest.approx(-0.05 * p * without[0, 1:].sum(), rel=1e-10)


def test_noise_alone_is_a_product_of_dark_counts(clicks: Any, receiver: Any) -> None:
    """Oracle: 1 - exp(-D T) of each detector."""
    emission = werner(1.0, pump={"kind": "pulsed", "repetition_rate_mhz": 100.0, "mean_pair_number": 0.0})
    station = receiver(detector={"dark_rate_hz": 100.0})
    found = clicks(emission, receivers=(station, station)).probability[0, 0]
    d = -np.expm1(-100.0 * 2e-9)
    assert found[1, 4] == pytest.approx(d**2 * (1 - d) ** 6, rel=1e-12)
    assert found[5, 6] == pytest.approx(d**4 * (1 - d) ** 4, rel=1e-12)


def test_small_probabilities_keep_their_digits(clicks: Any) -> None:
    """Oracle: mpmath at 60 digits, sets of detectors by inclusion and exclusion, one mode, 60 and 70 dB."""
    from mpmath import mp, mpf

    found = clicks(pairs(), through=(1e-6, 1e-7)).probability[0, 0]
    with mp.workdps(60):
        lam = mpf("0.1") / 2

        # passive halves and detectors of 0.5: detectors Z0, Z1 of each arm; X0, X1 silent are traced out by sets
        def silent(sets: tuple[tuple[int, ...], tuple[int, ...]]) -> Any:
            eta = (mpf("1e-6") / 4, mpf("1e-7") / 4)
            angles = (0.0, mp.pi / 2, mp.pi / 4, -mp.pi / 4)

            def weight(arm: int) -> Any:
                total = mp.zeros(2, 2)
                for d in sets[arm]:
                    v = mp.matrix([mp.cos(angles[d]), mp.sin(angles[d])])
                    total += eta[arm] * v * v.T
                return total

            # p0 = 1 / det(1 + l (A + B') - l (1 + l) ... ): from the 4 x 4 Gamma of the two squeezers
            gamma = mp.zeros(4, 4)
            root = mp.sqrt(lam * (1 + lam))
            m = mp.matrix([[0, root], [-root, 0]])
            a, b = weight(0), weight(1)
            for i in range(2):
                for j in range(2):
                    gamma[i, j] = lam * a[i, j]
                    gamma[2 + i, 2 + j] = lam * b[i, j]
            am, bm = a * m, b * m.T
            for i in range(2):
                for j in range(2):
                    gamma[i, 2 + j] = am[i, j]
                    gamma[2 + i, j] = bm[i, j]
            return 1 / mp.det(mp.eye(4) + gamma)

        def pattern(clicked: tuple[tuple[int, ...], tuple[int, ...]]) -> Any:
            from itertools import chain, combinations

            dark = tuple(tuple(d for d in range(4) if d not in c) for c in clicked)
            total = mpf(0)
            lit = [(arm, d) for arm in range(2) for d in clicked[arm]]
            for some in chain.from_iterable(combinations(lit, r) for r in range(len(lit) + 1)):
                sets = tuple(dark[arm] + tuple(d for a, d in some if a == arm) for arm in range(2))
                total += (-1) ** len(some) * silent(sets)  # type: ignore[arg-type]
            return total

        for clicked, cell in (
            (((0,), (1,)), (1, 2)),
            (((0,), (0,)), (1, 1)),
            (((0, 1), (0, 1)), (5, 5)),
            (((2, 3), (1,)), (6, 2)),
        ):
            assert found[cell] == pytest.approx(float(pattern(clicked)), rel=1e-10, abs=0.0)
    assert found[5, 5] < 1e-27


@pytest.mark.parametrize(
    "emission",
    [
        pairs(imbalance=0.4, phase_deg=30.0, pump={**TABLE["pump"], "mean_pair_number": 1e-9}),
        werner(0.8, pump={**TABLE["pump"], "mean_pair_number": 1e-9}),
    ],
    ids=["squeezed", "werner"],
)
def test_without_errors_of_preparation_a_singlet_has_none(clicks: Any, channel: Any, receiver: Any, emission: Any) -> None:
    """Oracle: opposite results in both bases; other causes leave the source as it is."""
    analyser = receiver().analyser(emission.trial_rate)
    found = []
    for cause in ("optics", "preparation"):
        light, _, _ = detectors.without(cause, emission, analyser, channel())
        p = clicks(light).probability[0, 0]
        found.append(sum(p[k, k] for k in range(1, 5)) / p[1:5, 1:5].sum())
    assert found[0] > 0.02
    assert found[1] == pytest.approx(0.0, abs=1e-8)


def test_the_gates_of_a_continuous_source_are_its_windows(clicks: Any, receiver: Any) -> None:
    narrow = receiver(gate_ns=1.0)
    with pytest.raises(UserError, match=r"arms.alice.receiver: gate_ns = 1: must be .* coincidence_window_ns = 2"):
        clicks(werner(0.9, pump=CONTINUOUS), receivers=(narrow, receiver()))
    slow = receiver(detector={"jitter": {"kind": "gaussian", "fwhm_ps": 600.0}})
    with pytest.raises(UserError, match=r"arms.bob.receiver: jitter moves .* source.pump.jitter_fwhm_ps"):
        clicks(werner(0.9, pump=CONTINUOUS), receivers=(receiver(), slow))


def test_what_does_not_fit_together_is_told(clicks: Any, receiver: Any, emission: Any) -> None:
    good = pairs()
    assert isinstance(good, GaussianPairEmission)
    crossed = good.number.copy()
    crossed[0, 2] = 0.01
    with pytest.raises(ValueError, match="nothing else"):
        clicks(replace(good, number=crossed))
    with pytest.raises(ValueError, match="impossible_state_of_light"):
        clicks(replace(good, anomalous=1.5 * good.anomalous))
