"""Threshold detectors and flag states: Fock space written anew, random states of up to three photons, closed forms."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
from scipy.linalg import expm

import qphys
from qphys.errors import UserError
from qphys.keyrates import status_names
from qphys.keyrates.efficiency_mismatch import tight_rate
from qphys.keyrates.entropies import binary_entropy
from qphys.keyrates.flag_state import PAIRS, Receiver, coherent_statistics, photon_statistics
from qphys.keyrates.numerical import Programme, conditional_entropy
from qphys.keyrates.protocol_files import KINDS, parse

Kind = Literal["active", "passive"]
KIND: tuple[Kind, Kind] = ("active", "passive")


def receiver(
    kind: Kind, eta: tuple[float, float] = (0.9, 0.4), dark: tuple[float, float] = (0.0, 0.0), share: float = 0.5
) -> Receiver:
    return Receiver(
        kind=kind, key_basis_probability=share, efficiencies=dict.fromkeys("ZX", eta), dark_counts=dict.fromkeys("ZX", dark)
    )


def table(kind: Kind = "passive", eta: tuple[float, float] = (0.2, 0.1), dark: float = 0.0, **more: Any) -> dict[str, Any]:
    channel = {"transmittance": 0.1, "error_rates": {"Z": 0.02, "X": 0.03}} | more.pop("channel", {})
    return {
        "kind": "bb84-threshold",
        "receiver": kind,
        "efficiencies": {"Z": list(eta), "X": list(eta)},
        "dark_counts": {"Z": [dark, dark], "X": [dark, dark]},
        "channel": channel,
        "error_correction_efficiency": 1.0,
    } | more


@pytest.mark.parametrize("photons", [0, 1, 2, 3])
def test_effects_of_an_active_receiver_are_those_of_lossy_threshold_detectors_in_fock_space(photons: int) -> None:
    """Two modes, a beam splitter as a matrix exponential, no click with (1 - q)(1 - eta)^n: no photon is looked at alone."""
    eta, dark, size = (0.8, 0.3), (0.02, 0.05), photons + 1
    lower = np.diag(np.sqrt(np.arange(1.0, size)), 1)
    first, second = np.kron(lower, np.eye(size)), np.kron(np.eye(size), lower)
    # turns |1, 0> into (|1, 0> + |0, 1>)/sqrt 2 and |0, 1> into (|0, 1> - |1, 0>)/sqrt 2
    turn = expm(np.pi / 4 * (second.T @ first - first.T @ second))
    silent = [np.diag((1 - dark[d]) * (1 - eta[d]) ** np.arange(size)) for d in (0, 1)]
    neither = np.kron(*silent)
    zero, one = (np.kron(*pair) - neither for pair in ((np.eye(size), silent[1]), (silent[0], np.eye(size))))
    in_z = np.stack([zero, one, np.eye(size**2) - zero - one - neither, neither])
    in_x = turn @ in_z @ turn.T
    # photons in one mode: the symmetric states of the product, k of them in the second polarization
    number = [k + size * (photons - k) for k in range(size)]
    symmetric = np.zeros((size, 2**photons))
    for word in range(2**photons):
        symmetric[word.bit_count(), word] = 1.0
    symmetric /= np.linalg.norm(symmetric, axis=1)[:, None]
    found = symmetric @ receiver("active", eta, dark, 0.7).effects(photons) @ symmetric.T
    np.testing.assert_allclose(found[:4], 0.7 * in_z[:, number][:, :, number], atol=1e-13)
    sign = (-1.0) ** np.arange(size)  # the phase of the second mode is a convention
    turned = in_x[:, number][:, :, number]
    flipped = [4, 5, 6, 7]
    assert np.allclose(found[flipped], 0.3 * turned, atol=1e-13) or np.allclose(
        found[flipped], 0.3 * sign[:, None] * turned * sign, atol=1e-13
    )


@pytest.mark.parametrize("kind", KIND)
def test_effects_are_a_measurement_and_more_photons_click_together_no_less(kind: Kind) -> None:
    seen = receiver(kind, (0.9, 0.4), (1e-3, 2e-3), 0.6)
    for n in range(4):
        effects = seen.effects(n)
        np.testing.assert_allclose(effects.sum(axis=0), np.eye(2**n), atol=1e-14)
        assert np.linalg.eigvalsh(effects).min() > -1e-15
    least = [seen.least_multiple(n) for n in range(6)]
    assert np.all(np.diff(least) >= -1e-14)
    np.testing.assert_allclose(PAIRS @ PAIRS.T, np.eye(4), atol=1e-15)
    pairs = PAIRS @ seen.effects(2) @ PAIRS.T
    assert np.abs(pairs[:, :3, 3]).max() < 1e-15  # no result depends on the coherence between them


def test_two_clicks_are_as_rare_as_on_paper() -> None:
    # |2,0> + |0,2> never clicks twice in Z or in X, so that two photons hide from an active receiver; at a beam splitter
    # they part with probability one half, and three photons cannot hide from either
    assert receiver("active", (1.0, 1.0)).least_multiple(2) == pytest.approx(0.0, abs=1e-15)
    assert receiver("active", (1.0, 1.0)).least_multiple(3) == pytest.approx(0.25, abs=1e-14)
    assert receiver("passive", (1.0, 1.0)).least_multiple(2) == pytest.approx(0.5, abs=1e-14)
    assert receiver("active").low_photon_weight(0.01, photons=1) == 0.0
    # without light, dark counts alone: the weight is not lessened by them
    dark = receiver("passive", (1.0, 1.0), (1e-2, 1e-2))
    alone = dark.effects(0)[[2, 5, 6], 0, 0].sum()
    assert dark.low_photon_weight(alone, photons=1) == pytest.approx(1.0, abs=1e-12)


def shared_state(rng: np.random.Generator, weights: list[float]) -> np.ndarray:
    """Random state of Alice's qubit and up to three photons of any modes, near to a good one where a photon came; Alice's
    part maximally mixed."""
    bell = np.zeros(30)
    bell[[1, 15 + 2]] = np.sqrt(0.5)  # photon number 1 begins at 1
    numbers = np.repeat(np.arange(4), [1, 2, 4, 8])
    rho = np.zeros((30, 30), dtype=complex)
    for n, weight in enumerate(weights):
        some = np.tile(numbers == n, 2)
        root = np.where(some[:, None], rng.normal(size=(30, 3)) + 1j * rng.normal(size=(30, 3)), 0.0)
        part = root @ root.conj().T
        rho += weight * part / np.trace(part).real * (0.1 if n == 1 else 1.0)
    rho += 0.9 * weights[1] * np.outer(bell, bell)
    # mend Alice's part: s = rho_A^(-1/2) / sqrt 2
    alice = np.einsum("ajbj->ab", rho.reshape(2, 15, 2, 15))
    values, vectors = np.linalg.eigh(alice)
    mend = np.kron((vectors / np.sqrt(2 * values)) @ vectors.conj().T, np.eye(15))
    return np.asarray(mend @ rho @ mend.conj().T)


@pytest.mark.parametrize(
    ("kind", "seed"),
    [
        ("passive", 1),
        *(pytest.param(kind, seed, marks=pytest.mark.slow) for kind, seed in (("passive", 2), ("active", 1), ("active", 2))),
    ],
)
def test_proven_ignorance_is_below_that_of_the_state_that_gave_the_statistics(kind: Kind, seed: int) -> None:
    """Eve may send three photons: her true ignorance, from the receiver as it is, is never below the squashed bound."""
    rng = np.random.default_rng(seed)
    seen = receiver(kind, (1.0, 0.6), (1e-3, 1e-3))
    rho = shared_state(rng, [0.5, 0.48, 0.015, 0.005])
    effects = np.zeros((8, 15, 15))
    for n, start in enumerate((0, 1, 3, 7)):
        effects[:, start : start + 2**n, start : start + 2**n] = seen.effects(n)
    plus = np.array([1.0, 1.0]) / np.sqrt(2)
    states = {"Z0": np.array([1.0, 0.0]), "Z1": np.array([0.0, 1.0]), "X0": plus, "X1": plus * [1, -1]}
    clicks = {
        name: {
            outcome: float(2 * np.trace(rho @ np.kron(np.outer(v, v), effect)).real)
            for outcome, effect in zip(seen.outcomes, effects, strict=True)
        }
        for name, v in states.items()
    }
    values, vectors = np.linalg.eigh(effects[0] + effects[1])
    root = (vectors * np.sqrt(np.maximum(values, 0.0))).T
    blocks = (tuple(np.kron(states[f"Z{x}"][None], root).astype(complex) for x in (0, 1)),)
    true = conditional_entropy(
        Programme(blocks=blocks, operators=np.eye(30)[None].astype(complex), lower=np.ones(1), upper=np.ones(1)), rho
    )
    described = table(kind, (1.0, 0.6), 1e-3, common_loss="trusted", click_probabilities=clicks)
    del described["channel"]
    found = qphys.keyrate(described)
    assert status_names(found["status"]) == ["good"]
    assert 0.5 * true < found["entropy_lower"] < true


@pytest.mark.parametrize("kind", KIND)
def test_without_two_clicks_the_bound_is_that_of_one_photon(kind: Kind) -> None:
    squashed, assumed = (qphys.keyrate(table(kind, squashing=s)) for s in ("flag-state", "single-photon-assumed"))
    tight = float(tight_rate(0.2, 0.1, 0.0, phase_error=0.03))
    for result in (squashed, assumed):
        assert 0.0 < tight - result["entropy_lower"] / result["kept_probability"] < 1e-7
    assert "one photon or none" in assumed.attrs["assumptions"] and "any number" in squashed.attrs["assumptions"]
    assert "more photons" in assumed.attrs["not_covered"] and "more photons" not in squashed.attrs["not_covered"]


@pytest.mark.slow
def test_equal_detectors_tend_to_bb84_as_two_clicks_vanish() -> None:
    def missing(second: float) -> float:
        result = qphys.keyrate(table("passive", (0.2, 0.2), channel={"second_photon": second}))
        errors = binary_entropy(0.02) + binary_entropy(0.03)
        return float(1.0 - errors - result["key_fraction"])

    lost = [missing(second) for second in (3e-2, 3e-3, 3e-4)]
    assert 0.0 < missing(0.0) < 1e-7
    assert 0.0 < lost[2] < lost[1] < lost[0] < 0.3
    assert lost[2] < 3e-3 and lost[1] < 0.02


def test_two_clicks_cost_key_with_flags_and_contradict_the_assumption_of_one_photon() -> None:
    many = table("passive", channel={"second_photon": 0.05})
    rates = {n: qphys.keyrate(many | {"photons": n}) for n in (1, 2)}
    assert 0.1 < rates[1]["key_fraction"] < rates[2]["key_fraction"] < 0.9 * tight_rate(0.2, 0.1, 0.02, phase_error=0.03)
    assumed = qphys.keyrate(many | {"squashing": "single-photon-assumed"})
    assert assumed["key_rate"] == 0.0 and status_names(assumed["status"]) == ["inconsistent statistics"]
    # an active receiver sees two photons that hide, and needs them described
    hidden = qphys.keyrate(table("active", photons=1))
    assert hidden["key_rate"] == 0.0 and status_names(hidden["status"]) == ["no key"]


@pytest.mark.slow
def test_double_clicks_as_random_bits_and_loss_in_the_receiver_are_sound_choices_too() -> None:
    base = table("passive", dark=1e-4, channel={"second_photon": 0.02})
    kept = qphys.keyrate(base)
    random = qphys.keyrate(base | {"double_clicks": "random"})
    trusted = qphys.keyrate(base | {"common_loss": "trusted"})
    assert random["kept_probability"] > kept["kept_probability"]
    assert 0.9 < random["key_rate"] / kept["key_rate"] < 1.1
    assert 0.3 < trusted["key_rate"] / kept["key_rate"] < 1.3 and trusted["key_rate"] != kept["key_rate"]


@pytest.mark.slow
def test_a_finite_block_costs_and_converges() -> None:
    base = table("passive", channel={"second_photon": 1e-3})
    whole = float(qphys.keyrate(base)["key_rate"])
    part = [float(qphys.keyrate(base | {"finite": {"trials": n, "tests": n}})["key_rate"]) for n in (1e9, 1e12)]
    assert 0.0 < part[0] < part[1] < whole
    assert whole - part[1] < 0.1 * whole


@pytest.mark.slow
def test_intervals_and_outcomes_left_out_cost_key() -> None:
    described = parse(KINDS["bb84-threshold"], table("passive"), "here")
    told = photon_statistics(
        described._receiver(), transmittance=0.1, error_rates={"Z": 0.02, "X": 0.03}, second_photon=0.01
    )
    names = described._receiver().outcomes
    base = table("passive")
    del base["channel"]

    def key(width: float, without: tuple[str, ...] = ()) -> float:
        clicks = {
            state: {
                n: [v * (1 - width), min(v * (1 + width), 1.0)] for n, v in zip(names, row, strict=True) if n not in without
            }
            for state, row in told.items()
        }
        return float(qphys.keyrate(base | {"click_probabilities": clicks})["key_rate"])

    exact = float(qphys.keyrate(table("passive", channel={"second_photon": 0.01}))["key_rate"])
    assert key(0.0) == pytest.approx(exact, rel=1e-5)
    assert 0.0 < key(0.02) < 0.999 * exact
    assert key(0.0, ("across", "double_Z", "double_X", "none")) == 0.0  # nothing says how many photons came


@pytest.mark.parametrize("kind", KIND)
def test_pulses_click_as_their_photon_numbers_do(kind: Kind) -> None:
    seen, mu, transmittance = receiver(kind, (0.8, 0.5), (1e-3, 2e-3), 0.6), 0.4, 0.7
    found = coherent_statistics(seen, mu, transmittance=transmittance, error_rates={"Z": 0.1, "X": 0.2}, second_photon=0.3)
    bit = {"Z0": [[1, 0], [0, 0]], "X1": [[0.5, -0.5], [-0.5, 0.5]]}
    for name, error in (("Z0", 0.1), ("X1", 0.2)):
        total, weight = np.zeros(8), np.exp(-mu * transmittance)
        for n in range(7):  # 7 photons and more: 1e-8
            for share, state in ((1 - error, np.array(bit[name])), (error, np.eye(2) - np.array(bit[name]))):
                for extra in (0, 1):
                    light = np.ones((1, 1))
                    for part in [state] * n + [np.eye(2) / 2] * extra:
                        light = np.kron(light, part)
                    clicks = np.einsum("kij,ji->k", seen.effects(n + extra), light)
                    total += share * (0.3 if extra else 0.7) * weight * clicks
            weight *= mu * transmittance / (n + 1)
        np.testing.assert_allclose(found[name], total, atol=3e-8)


def test_decoys_tell_the_single_photons_of_a_receiver_with_unequal_detectors() -> None:
    """Six intensities pin the single photons, of which the tight bound is known; two clicks come from more of them."""
    many = {"intensities": [0.5, 0.2, 0.1, 0.03, 0.01, 0.0]}
    result = qphys.keyrate(table("passive", **many, photons=1))
    single = photon_statistics(
        receiver("passive", (0.2, 0.1)), transmittance=0.1, error_rates={"Z": 0.02, "X": 0.03}, second_photon=0.0
    )
    kept = (single["Z0"][:2].sum() + single["Z1"][:2].sum()) / 2
    expected = 0.5 * np.exp(-0.5) * kept * tight_rate(0.2, 0.1, 0.0, phase_error=0.03)
    assert 0.0 < expected - result["entropy_lower"] < 0.01 * expected
    pulses = coherent_statistics(
        receiver("passive", (0.2, 0.1)), 0.5, transmittance=0.1, error_rates={"Z": 0.02, "X": 0.03}, second_photon=0.0
    )
    assert result["kept_probability"] == pytest.approx((pulses["Z0"][:2].sum() + pulses["Z1"][:2].sum()) / 2, rel=1e-12)
    assert pulses["Z0"][6] > 1e-4 * pulses["Z0"][0]  # while pulses do click across the bases
    with pytest.raises(UserError, match="no finite-size terms"):
        qphys.keyrate(table("passive", **many, finite={"trials": 1e9, "tests": 1e9}))


@pytest.mark.slow
def test_three_decoys_find_a_key_at_twenty_decibels_and_what_is_not_found_has_none() -> None:
    three = {"intensities": [0.5, 0.1, 0.001], "channel": {"transmittance": 1e-2}}
    result = qphys.keyrate(table("active", dark=1e-6, **three))
    assert status_names(result["status"]) == ["good"] and result["gap"] < 1e-4 * result["entropy_lower"]
    assert 0.1 < result["key_fraction"] < 0.5
    # a search may stop short where hardly anything is kept; then there is a status, and no key
    three["channel"] = {"transmittance": 1e-3}
    far = qphys.keyrate(table("active", dark=1e-6, **three))
    assert far["key_rate"] == 0.0 or status_names(far["status"]) == ["good"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"intensities": [0.5, 0.5]}, ("must differ",)),
        ({"intensities": [0.5], "decoy": {"single_photons": 0.1, "gain": 0.1, "error_rate": 0.1}}, ("are the decoys",)),
        ({"intensities": [0.5, 0.1], "click_probabilities": [{}]}, ("one table for each",)),
        ({"click_probabilities": [{}]}, ("one table where there are no intensities",)),
        ({"intensities": [0.5], "click_probabilities": [{"Z0": {"Z7": 0.1}}]}, ("click_probabilities[0].Z0.Z7",)),
        ({"click_probabilities": {"Z2": {"Z0": 0.1}}}, ("click_probabilities.Z2", "allowed: Z0, Z1")),
        ({"click_probabilities": {"Z0": {"none_Z": 0.1}}}, ("click_probabilities.Z0.none_Z", "across")),
        ({"click_probabilities": {"Z0": {"Z0": 0.1}}}, ("are needed for Z0 and Z1",)),
        ({"efficiencies": {"Z": [0.0, 0.0], "X": [0.0, 0.0]}}, ("must not all be 0",)),
        ({"efficiencies": {"Z": [1.2, 0.1], "X": [0.1, 0.1]}}, ("efficiencies.Z",)),
        ({"receiver": "both"}, ("receiver", "active")),
        ({"photons": 3}, ("photons",)),
        ({}, ("click_probabilities (measured) or channel",)),
    ],
)
def test_mistakes_are_told(change: dict[str, Any], told: tuple[str, ...]) -> None:
    described = table() | change
    if "click_probabilities" in change or not change:
        del described["channel"]
    with pytest.raises(UserError) as error:
        qphys.keyrate(described)
    assert all(words in str(error.value) for words in told)
