"""Numerical key rates of statistics files: given truths that no bound may pass, closed forms, refusals."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy import optimize, stats
from scipy.special import gammaln

import qphys
from qphys.cli import main
from qphys.errors import UserError
from qphys.keyrates import NumericalSettings, keyrate_of_statistics, numerical_rows, profile, rows_against, status_names
from qphys.keyrates.numerical import bound, conditional_entropy
from qphys.keyrates.numerical_files import INTO_BITS, Evidence, Sent, evidence_of_entangled, evidence_of_pulses, proof_of
from qphys.keyrates.qubit_pairs import IDEAL_ANGLES, programme, sender_effects, vectors
from qphys.keyrates.yields import certified_minimum, photon_numbers, yield_of_one_photon, yields_of_bases
from qphys.statistics import schema

Maker = Callable[..., xr.Dataset]
MU = np.array([0.5, 0.1, 2e-4])
SHARES = np.array([0.6, 0.25, 0.15])
N = 1e10


def h(p: float) -> float:
    return 0.0 if p in (0.0, 1.0) else float(-p * np.log2(p) - (1 - p) * np.log2(1 - p))


def poisson(mu: np.ndarray, last: int = 30) -> np.ndarray:
    n = np.arange(last + 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.exp(np.where(n == 0, 0.0, n * np.log(mu)[:, None]) - mu[:, None] - gammaln(n + 1)))


def sent(z: float = 0.5, angles: tuple[float, ...] = IDEAL_ANGLES) -> Sent:
    """A sender with basis Z of probability z."""
    joint = np.einsum("k,a,x->kax", SHARES, [z, 1 - z], [0.5, 0.5])
    return Sent(mean_photon_number=MU, probability=joint, states=vectors(np.array(angles)))


def random_channel(rng: np.random.Generator, noise: float) -> np.ndarray:
    """Kraus operators of a qubit channel near a rotation, real, (k, 2, 2)."""
    angle = rng.normal(scale=0.1)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    kraus = [np.sqrt(1 - noise) * rotation]
    kraus += [
        np.sqrt(noise / 3) * p
        for p in (np.diag([1.0, -1.0]), np.array([[0, 1.0], [1.0, 0]]), np.array([[0, 1.0], [-1.0, 0]]))
    ]
    return np.stack(kraus)


def yields_of(
    kraus: np.ndarray, states: np.ndarray, transmittance: float, dark: float, bob_z: float = 0.5, last: int = 30
) -> np.ndarray:
    """Of n photons: setting (a, x), Bob's basis and bit; one photon by the channel, more as Eve likes, (n, 2, 2, 2, 2)."""
    bob = vectors(np.array(IDEAL_ANGLES)).reshape(2, 2, 2)
    share = np.array([bob_z, 1 - bob_z])[:, None] * np.full((2, 2), 0.5)
    out = np.zeros((last + 1, 2, 2, 2, 2))
    for a in (0, 1):
        for x in (0, 1):
            rho = np.einsum("kij,j,l,kml->im", kraus, states[2 * a + x], states[2 * a + x], kraus)
            one = np.einsum("byi,ij,byj->by", bob, rho, bob) * 2 * share
            out[0, a, x] = dark * share
            out[1, a, x] = transmittance * one + (1 - transmittance) * dark * share
            out[2:, a, x] = 1.8 * transmittance * one + dark * share
    return out


def counts_of(yields: np.ndarray, claims: Sent, pulses: float = N) -> np.ndarray:
    gains = np.einsum("kn,naxby->kaxby", poisson(claims.mean_photon_number, len(yields) - 1), yields)
    return np.asarray(pulses * claims.probability[..., None, None] * gains)


def entropy_of_truth(kraus: np.ndarray, claims: Sent, found: Evidence) -> float:
    """The programme's function at the state that the channel makes of an entangled pair, with the evidence's effects."""
    weights = (claims.mean_photon_number * np.exp(-claims.mean_photon_number))[:, None, None] * claims.probability
    weights = weights.sum(axis=0).ravel() / weights.sum()
    values, axes = np.linalg.eigh(np.einsum("x,xi,xj->ij", weights, claims.states, claims.states))
    purified = np.einsum("ia,a,ja->ij", axes, np.sqrt(values), axes).ravel()  # symmetric: Alice's half as Bob's
    state = sum(np.outer(v, v) for v in (np.kron(np.eye(2), k) @ purified for k in kraus))
    return conditional_entropy(programme(found.effects, found.seen, found.key_basis), np.asarray(state, dtype=complex))


SETTINGS = NumericalSettings(key_basis="Z")
ASYMPTOTIC = NumericalSettings(key_basis="Z", length="asymptotic")


@pytest.mark.parametrize("offsets", [(0.0, 0.0, 0.0, 0.0), (0.02, -0.03, 0.05, 0.01)])
@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_no_bound_passes_the_truth_of_a_given_channel(seed: int, offsets: tuple[float, ...]) -> None:
    """Channel, photon numbers and states are known here: single photons, vacuum and entropy are bounded from below."""
    rng = np.random.default_rng(seed)
    claims = sent(z=0.7, angles=tuple(np.array(IDEAL_ANGLES) + offsets))
    kraus = random_channel(rng, noise=0.04)
    transmittance, dark = 10 ** rng.uniform(-4, -1), 10 ** rng.uniform(-8, -6)
    truth = yields_of(kraus, claims.states, transmittance, dark, bob_z=0.6)
    bits = counts_of(truth, claims)
    kept = float(bits[:, 0, :, 0, :].sum())
    ideal = 0.0
    for chosen in (ASYMPTOTIC, SETTINGS, SETTINGS.model_copy(update={"statistics": "bases"})):
        (found,) = evidence_of_pulses(bits, N, claims, chosen=chosen)
        assert isinstance(found, Evidence)
        assert found.kept == pytest.approx(kept, rel=1e-12)
        one = float((MU * np.exp(-MU) * SHARES).sum()) * 0.7
        singles = N * one * truth[1, 0, :, 0, :].sum(axis=-1).mean()
        empty = N * float((np.exp(-MU) * SHARES).sum()) * 0.7 * truth[0, 0, 0, 0].sum()
        assert 0.0 < found.single_photons <= singles * (1 + 1e-9)
        assert 0.0 <= found.vacuum <= empty * (1 + 1e-9)
        proven = bound(programme(found.effects, found.seen, 0))
        assert proven.status == "good"
        actual = entropy_of_truth(kraus, claims, found)  # dark counts make Eve's state worse still: a bound all the same
        assert proven.entropy_lower <= actual + 1e-9
        assert found.outcomes_of_one * proven.entropy_lower <= singles * actual / 0.7 * 1.05
        if chosen.length == "asymptotic":
            ideal = found.outcomes_of_one * proven.entropy_lower
            assert ideal > 0.8 * singles * actual / 0.7 - 2 * empty
        else:
            assert found.outcomes_of_one * proven.entropy_lower < ideal * (1 + 1e-9)


def primal(cost: np.ndarray, low: np.ndarray, high: np.ndarray, unequal: tuple[np.ndarray, np.ndarray]) -> float:
    """The same programme as `yields_of_bases`, by the solver's own value."""
    p = poisson(MU)
    n = p.shape[1]
    rows = np.block([[p, p], [np.zeros_like(p), p]])
    same = np.zeros((1, 2 * n))
    same[0, 0], same[0, n] = 1, -1
    scale = high.max()
    ends = np.concatenate([high, unequal[1]]), np.concatenate([low, unequal[0]])
    solved = optimize.linprog(
        cost, np.vstack([rows, -rows]), np.concatenate([ends[0], -ends[1]]) / scale, same, [0.0], bounds=(0, 1 / scale)
    )
    return float(solved.fun * scale)


@pytest.mark.parametrize("entropy_bound", ["george2021", "renyi"])
def test_a_key_of_pulses_is_the_closed_form_at_the_bounds_of_its_programmes(entropy_bound: str) -> None:
    """With bases alone, ideal states and unpolarised errors the worst state is on paper: 1 - h(e), e of single photons."""
    claims = sent()
    kraus = np.stack([np.sqrt(0.96) * np.eye(2), np.sqrt(0.04) * np.array([[0, 1.0], [-1.0, 0]])])  # both bases err alike
    bits = counts_of(yields_of(kraus, claims.states, 1e-3, 1e-7), claims)
    chosen = NumericalSettings(key_basis="Z", statistics="bases", entropy_bound=entropy_bound)
    total = 1e-9
    part = total / {"george2021": 3, "renyi": 2}[entropy_bound]
    epsilon = part / (2 * 3 * 8 + 1)

    def ends(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        k, up = np.floor(counts), np.ceil(counts)
        low = np.where(k > 0, stats.beta.ppf(epsilon, np.maximum(k, 1), N - k + 1), 0.0)
        return low, stats.beta.isf(epsilon, up + 1, N - up)

    setting = SHARES / 2
    totals = [ends(bits[:, a, :, b, :].sum(axis=(1, 2))) for a, b in ((0, 0), (1, 0), (1, 1), (0, 1))]
    wrongs = [ends(bits[:, a, 0, b, 1] + bits[:, a, 1, b, 0]) for a, b in ((0, 0), (1, 0), (1, 1), (0, 1))]
    size = 31
    one, bad, none = np.zeros(2 * size), np.zeros(2 * size), np.zeros(2 * size)
    one[[1, size + 1]], bad[size + 1], none[[0, size]] = 1.0, -1.0, 1.0
    scaled = [
        (*(end / setting for end in pair), tuple(end / setting for end in wrong))
        for pair, wrong in zip(totals, wrongs, strict=True)
    ]
    z_yield = max(primal(one, *scaled[i]) for i in (0, 1))
    x_yield = max(primal(one, *scaled[i]) for i in (2, 3))
    phase = -primal(bad, *scaled[2]) / x_yield
    vacuum = primal(none, *scaled[0])
    kept = float(bits[:, 0, :, 0, :].sum())
    most = float(stats.beta.isf(epsilon, np.ceil(kept) + 1, N - np.ceil(kept)))
    weight_one, weight_none = float((SHARES * MU * np.exp(-MU)).sum()) / 2, float((SHARES * np.exp(-MU)).sum()) / 2
    entropy = kept * (weight_one * z_yield * (1 - h(phase)) + weight_none * vacuum) / most
    if entropy_bound == "george2021":
        cost = 2 * np.log2(5) * np.sqrt(kept * np.log2(2 / part)) + 2 * np.log2(2 / part)
    else:
        s = np.geomspace(1e-5, 0.7, 100_001)
        cost = np.min(kept * 2 * (np.cosh(s * np.log(5)) - 1) / (s * np.log(2)) + (1 + s) / s * np.log2(1 / part) - 2)
    wrong = float(bits[:, 0, 0, 0, 1].sum() + bits[:, 0, 1, 0, 0].sum())
    expected = entropy - cost - 1.16 * kept * h(wrong / kept) - np.log2(2e15)
    result = keyrate_of_statistics(file_of(bits, claims), chosen, receiver="active")
    assert expected > 1e4
    assert result["expected_key_length"].item() == pytest.approx(expected, rel=1e-5)


def file_of(bits: np.ndarray, claims: Sent, run: dict[str, Any] | None = None, pulses: float = N) -> xr.Dataset:
    cells = np.zeros((*bits.shape[:3], 8))
    cells[..., 1:5] = bits.reshape(*bits.shape[:3], 4)
    dims = (*schema.SETTINGS_BB84, schema.BOB_OUTCOME)
    told = {"resolved_run": json.dumps({"": run})} if run is not None else {}
    return xr.Dataset(
        {
            "expected_total_counts": (dims, cells),
            "mean_photon_number": (("intensity",), claims.mean_photon_number),
            "setting_probability": (schema.SETTINGS_BB84, claims.probability),
            "trials": pulses,
        },
        {
            "intensity": ["a", "b", "c"],
            "alice_basis": list(schema.BASES),
            "alice_bit": list(schema.BITS),
            "bob_outcome": list(schema.OUTCOMES_BB84),
        },
        {"format": schema.FORMAT, "qphys_schema": schema.VERSION, "protocol": schema.PROTOCOL_DECOY_BB84} | told,
    )


def test_a_known_rotation_costs_no_secrecy_where_all_cells_are_seen() -> None:
    """Errors of a rotation by 10 degrees tell Eve nothing; XX alone would have to count them as phase errors."""
    claims = sent()
    angle = np.deg2rad(10.0)
    rotation = np.array([[[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]])
    bits = counts_of(yields_of(rotation, claims.states, 1e-2, 0.0)[:2], claims)  # pulses of two photons give no click
    result = keyrate_of_statistics(file_of(bits, claims), receiver="active", length="asymptotic", key_basis="Z")
    error = np.sin(angle) ** 2
    assert result["expected_qber"].item() == pytest.approx(error, rel=1e-9)
    assert result["expected_single_photon_entropy"].item() == pytest.approx(1.0, abs=2e-3)
    assert 1 - h(error) < 0.81  # what the error rate alone would leave


def test_states_with_offsets_are_in_the_proof_where_the_file_tells_them() -> None:
    offsets = (0.0, 0.0, 4.0, 4.0)  # the X states are turned
    claims = sent(angles=tuple(np.array(IDEAL_ANGLES) + np.deg2rad(offsets)))
    kraus = np.stack([np.sqrt(0.98) * np.eye(2), np.sqrt(0.02) * np.diag([1.0, -1.0])])
    bits = counts_of(yields_of(kraus, claims.states, 1e-2, 1e-8)[:2], claims)  # pulses of two photons give no click
    source = {
        "kind": "weak-coherent",
        "mean_photon_numbers": [0.5, 0.1],
        "phase": "random",
        "preparation_offset_deg": offsets,
    }
    run = {"source": source, "receiver": {"basis_choice": "active", "basis_probability_z": 0.5}}
    dataset = file_of(bits, claims, run)
    known = keyrate_of_statistics(dataset, length="asymptotic", key_basis="Z")
    # the true phase error is 2 %: the offset adds to the errors in X and not to Eve's knowledge
    assert known["expected_single_photon_entropy"].item() == pytest.approx(1 - h(0.02), abs=1e-3)
    assert profile(known).effects["basis_dependent_preparation"] == "covered"
    ideal = keyrate_of_statistics(dataset, length="asymptotic", key_basis="Z", signal_states="ideal", statistics="bases")
    assert profile(ideal).effects["basis_dependent_preparation"] == "outside the proof"
    assert "state preparation that depends on the basis" in ideal.attrs["notes"]


def pairs_of(error_z: float, error_x: float, pairs: float, singlet: bool = False) -> np.ndarray:
    """Coincidences of outcomes of both parties, even bases, (8, 8); equal bits in both bases but for errors."""
    cells = np.zeros((8, 8))
    for b, error in enumerate((error_z, error_x)):
        for x in (0, 1):
            for y in (0, 1):
                cells[1 + 2 * b + x, 1 + 2 * b + y] = pairs / 8 * (error if (x != y) != singlet else 1 - error)
    cells[1:3, 3:5] = cells[3:5, 1:3] = pairs / 16
    return cells


def pair_file(cells: np.ndarray, flipped: str = "") -> xr.Dataset:
    attrs = {"format": schema.FORMAT, "qphys_schema": schema.VERSION, "protocol": "bbm92", "flipped_bases": flipped}
    labels = list(schema.OUTCOMES_BB84)
    return xr.Dataset(
        {"expected_total_counts": (("alice_outcome", "bob_outcome"), cells)},
        {"alice_outcome": labels, "bob_outcome": labels},
        attrs,
    )


@pytest.mark.parametrize("singlet", [False, True])
def test_a_key_of_pairs_is_the_closed_form_at_the_worst_phase_error(singlet: bool) -> None:
    pairs, z, x = 8e5, 0.02, 0.03
    dataset = pair_file(pairs_of(z, x, pairs, singlet), "Z X" if singlet else "")
    result = keyrate_of_statistics(dataset, receiver="passive", key_basis="Z", statistics="bases")
    n = pairs / 4
    part = 1e-9 / 3
    worst = float(stats.beta.isf(part / 8, n * x + 1, n * (1 - x)))  # two ends of four rates of unequal bits
    cost = 2 * np.log2(5) * np.sqrt(n * np.log2(2 / part)) + 2 * np.log2(2 / part)
    expected = n * (1 - h(worst)) - cost - 1.16 * n * h(z) - np.log2(2e15)
    assert result["expected_key_length"].item() == pytest.approx(expected, abs=3.0)
    assert result["expected_qber"].item() == pytest.approx(z, rel=1e-12)
    exact = keyrate_of_statistics(dataset, receiver="passive", length="asymptotic")
    per_bit = 2 - h(z) - h(x) - 1.16 * (h(z) + h(x))
    assert exact["expected_key_length"].item() == pytest.approx(n * per_bit, abs=3.0)
    assert exact["expected_key_length"] > result["expected_key_length"] * 2


def test_longer_runs_and_larger_epsilons_give_more(statistics: Maker) -> None:
    chosen: dict[str, Any] = {"receiver": "passive", "key_basis": "Z", "counts": "expected", "statistics": "bases"}

    def rate(pulses: float, **more: Any) -> float:
        dataset = statistics(points=1, pulses=pulses)
        return float(keyrate_of_statistics(dataset, **(chosen | more))["expected_key_length"].item()) / pulses

    rates = [rate(p) for p in (1e9, 1e10, 1e12, 1e15)]
    limit = rate(1e15, length="asymptotic")
    assert all(a < b for a, b in zip(rates, [*rates[1:], limit], strict=True))
    assert rates[-1] > 0.99 * limit
    assert rate(1e10, security_epsilon=1e-6) > rates[1] > rate(1e10, security_epsilon=1e-14)
    assert rate(1e10, entropy_bound="renyi") > rates[1] > rate(1e10, error_correction_efficiency=1.3)


def test_the_asymptotic_key_is_that_of_ma_et_al_and_vacuum(statistics: Maker) -> None:
    dataset = statistics(points=1)
    result = keyrate_of_statistics(dataset, receiver="passive", length="asymptotic")
    rows = rows_against(dataset, result, ["ma2005"])
    ours, theirs = (row["key [bit]"] for row in rows if row["counts"] == "expected")
    vacuum = float(result["expected_s0_lower"].sum())
    # with a vacuum state as decoy their bounds are nearly those of the programme; they leave vacuum out
    assert 0.0 < vacuum < 0.01 * ours
    assert ours - vacuum == pytest.approx(theirs, rel=2e-3)
    assert [row["proof"] for row in rows] == ["numerical", "ma2005"]


def test_samples_have_keys_around_that_of_the_expected_counts(statistics: Maker) -> None:
    dataset = statistics(points=1, realisations=2)
    told: list[tuple[int, int]] = []
    result = keyrate_of_statistics(
        dataset, receiver="passive", key_basis="X", statistics="bases", progress=lambda done, of: told.append((done, of))
    )
    assert result["key_length"].dims == ("point", "realisation") and result["key_length"].shape == (1, 2)
    assert result["key_basis"].values.tolist() == ["X"] and result["loss_db"].dims == ("point",)
    assert np.all(np.abs(result["key_length"] / result["expected_key_length"] - 1) < 0.1)
    assert told[0] == (0, 3) and told[-1] == (3, 3)
    rows = numerical_rows(result)
    assert [row["counts"] for row in rows] == ["expected", "sampled, mean of 2"] and rows[0]["status"] == "good"
    for variable in result.data_vars.values():
        assert ("units" in variable.attrs) != ("flag_values" in variable.attrs) and variable.attrs["long_name"]
    assert "collective attacks" in result.attrs["security_claim"]
    assert result.attrs["security_epsilon_of_key"] == 1e-9
    told_of_it = profile(result)
    assert told_of_it.attack == "collective" and told_of_it.total_epsilon == pytest.approx(1e-9 + 1e-15, rel=1e-12)
    assert set(told_of_it.epsilon) == {"tail_bounds", "smoothing_sampling", "hashing", "correctness"}
    assert "identical_trials" in told_of_it.assumptions and told_of_it.effects["dead_time"] == "unknown"


def test_the_signal_alone_may_make_the_key(statistics: Maker) -> None:
    dataset = statistics(points=1, noise=1e-5)
    everything, signal = (
        keyrate_of_statistics(
            dataset, receiver="passive", key_basis="Z", counts="expected", statistics="bases", key_from=key_from
        )
        for key_from in ("all", "signal")
    )
    assert signal["expected_sifted_count"] < everything["expected_sifted_count"]
    # a vacuum decoy adds errors alone
    assert signal["expected_qber"] < everything["expected_qber"]
    share = 0.5 * 0.8 * np.exp(-0.8) / (0.5 * 0.8 * np.exp(-0.8) + 0.25 * 0.1 * np.exp(-0.1))
    ratio = signal["expected_s1_lower"].item() / everything["expected_s1_lower"].item()
    assert ratio == pytest.approx(share, rel=0.01)


def test_double_clicks_and_clicks_of_both_bases_become_random_bits() -> None:
    assert INTO_BITS[1:].sum(axis=1).tolist() == [1.0] * 7 and INTO_BITS[0].sum() == 0.0
    cells = pairs_of(0.02, 0.02, 8e5)
    more = cells.copy()
    more[7, 1] += 4e3  # Alice clicks in both bases, Bob in Z0: a quarter each of four outcomes
    few, many = (
        keyrate_of_statistics(pair_file(c), receiver="passive", key_basis="Z", statistics="bases") for c in (cells, more)
    )
    assert many["expected_sifted_count"].item() - few["expected_sifted_count"].item() == pytest.approx(2e3)
    wrong = [r["expected_error_count"].item() for r in (few, many)]
    assert wrong[1] - wrong[0] == pytest.approx(1e3)
    with pytest.raises(UserError, match="clicks of both bases"):
        keyrate_of_statistics(pair_file(more), receiver="active")


def passive_operators(n: int) -> list[np.ndarray]:
    """Effects of Z0, Z1, X0, X1 of n photons behind an even beam splitter, random bits as `INTO_BITS` has them, (n+1, n+1).

    Built from the amplitudes of each pattern of photons in the four detectors, in the symmetric space of n photons.
    """
    from itertools import product
    from math import comb, factorial

    detectors = np.array([[1, 0], [0, 1], [1, 1] / np.sqrt(2), [1, -1] / np.sqrt(2)]) / np.sqrt(2)
    found = [np.zeros((n + 1, n + 1)) for _ in range(4)]
    for pattern in product(range(n + 1), repeat=4):
        if sum(pattern) != n:
            continue
        # <pattern| of the four detectors as a vector over |n - k, k>: coefficients of prod_d (a_d h + b_d v)^m_d
        poly = np.array([1.0])
        for (a, b), m in zip(detectors, pattern, strict=True):
            poly = np.convolve(poly, [comb(m, j) * a ** (m - j) * b**j for j in range(m + 1)])
        vector = np.array([poly[k] * np.sqrt(factorial(n - k) * factorial(k)) for k in range(n + 1)])
        vector /= np.sqrt(np.prod([factorial(m) for m in pattern]))
        clicks = [m > 0 for m in pattern]
        z, x = clicks[0] or clicks[1], clicks[2] or clicks[3]
        row = 7 if z and x else 5 if all(clicks[:2]) else 6 if all(clicks[2:]) else 1 + clicks.index(True)
        for y in range(4):
            found[y] += INTO_BITS[row, y] * np.outer(vector, vector)
    return found


@pytest.mark.parametrize("photons", [1, 2, 3, 4])
def test_a_passive_receiver_of_even_parts_is_a_shrunk_active_one(photons: int) -> None:
    """What lets it be squashed: its bases are as likely, and its Z and X are those of active detectors times 2^(1-n)."""
    effects = passive_operators(photons)
    np.testing.assert_allclose(np.sum(effects, axis=0), np.eye(photons + 1), atol=1e-12)
    np.testing.assert_allclose(effects[0] + effects[1], np.eye(photons + 1) / 2, atol=1e-12)
    active = np.zeros((photons + 1, photons + 1))
    active[0, 0], active[-1, -1] = 1.0, -1.0  # all photons in one detector, others are random bits
    np.testing.assert_allclose(effects[0] - effects[1], 2.0 ** (1 - photons) * active / 2, atol=1e-12)


def test_effects_of_the_sender_prepare_her_states() -> None:
    """On the purified mean state: sigma^(1/2) P_x sigma^(1/2) = p_x |phi_x><phi_x|, and the effects are complete."""
    rng = np.random.default_rng(9)
    states, p = vectors(rng.uniform(0, np.pi, 4)), rng.dirichlet(np.ones(4))
    found = sender_effects(states, p)
    np.testing.assert_allclose(found.T @ found, np.eye(2), atol=1e-12)
    values, axes = np.linalg.eigh(np.einsum("x,xi,xj->ij", p, states, states))
    root = (axes * np.sqrt(values)) @ axes.T
    for x in range(4):
        prepared = root @ np.outer(found[x], found[x]) @ root
        np.testing.assert_allclose(prepared, p[x] * np.outer(states[x], states[x]), atol=1e-12)


@pytest.mark.parametrize("size", [1e-9, 1e-3, 0.1, 10.0])
def test_multipliers_of_a_bad_solver_make_a_bound_of_yields_looser_and_never_wrong(
    size: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(17)
    y = 1 - (1 - 1e-6) * (1 - 1e-3) ** np.arange(31)
    gain = poisson(MU) @ y
    honest = yield_of_one_photon(gain, gain, MU)
    solver = optimize.linprog

    def careless(*args: Any, **kwargs: Any) -> Any:
        told = solver(*args, **kwargs)
        told.ineqlin.marginals = told.ineqlin.marginals + size * rng.normal(size=told.ineqlin.marginals.size)
        return told

    monkeypatch.setattr("scipy.optimize.linprog", careless)
    for _ in range(5):
        low, high = yield_of_one_photon(gain, gain, MU)
        assert low <= y[1] <= high
        assert low <= honest[0] * (1 + 1e-9) and high >= honest[1] * (1 - 1e-9)


def test_bounds_of_yields_contain_the_truth() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        y = rng.uniform(0, 1, 31) * 10 ** rng.uniform(-7, 0)
        gain = poisson(MU) @ y
        low, high = yield_of_one_photon(gain * 0.999, gain * 1.001, MU)
        assert low <= y[1] <= high
        wrong = y * rng.uniform(0, 1, 31)
        wrong[0] = y[0] / 2
        found = yields_of_bases(gain, gain, *[poisson(MU) @ wrong] * 2, mean_photon_number=MU)
        assert found.lower <= y[1] <= found.upper and found.unequal_lower <= wrong[1] <= found.unequal_upper
        assert found.vacuum_lower <= y[0]
    assert np.isnan(yield_of_one_photon([0.1, 0.2, 0.3], [0.1, 0.2, 0.3], MU)).all()  # fainter pulses click more
    assert np.isnan(certified_minimum(np.ones(2), np.eye(2), np.ones(2), np.zeros(2), tail=np.zeros(2)))
    bright, beyond = photon_numbers([90.0, 0.0])
    assert bright[0].sum() + beyond[0] >= 1 - 1e-12 and beyond.max() < 1e-17


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"counts": np.nan}, "input not finite"),
        ({"counts": -1.0}, "input not finite"),  # no count: refused where it is read
        ({"trials": 1e3}, "more clicks than trials"),
        ({"bits": 0.1}, "bits not uniform"),
        ({"mean": np.nan}, "impossible probabilities"),
        ({"fainter": 100.0}, "linear programme without solution"),
    ],
)
def test_impossible_files_give_no_key_and_a_status(statistics: Maker, change: dict[str, float], status: str) -> None:
    dataset = statistics(points=1).drop_vars("counts")
    ((what, value),) = change.items()
    if what == "counts":
        dataset["expected_total_counts"][0, 0, 0, 0, 1] = value
    elif what == "trials":
        dataset["trials"] = dataset["trials"] * 0 + value
    elif what == "bits":
        dataset["setting_probability"][0, 0, 0, 0] += value
        dataset["setting_probability"][0, 0, 0, 1] -= value
    elif what == "mean":
        dataset["mean_photon_number"][0, 1] = value
    else:  # the vacuum clicks more than all others
        dataset["expected_total_counts"][0, 2, :, :, 1:] *= value * 100
    result = keyrate_of_statistics(dataset, receiver="passive", key_basis="Z")
    assert result["expected_key_length"] == 0.0
    assert status_names(result["expected_status"]) == [status]


@pytest.mark.parametrize(
    ("receiver", "told"),
    [
        ({"basis_choice": "passive", "basis_probability_z": 0.7}, "basis_probability_z = 0.7"),
        ({"basis_choice": "active", "analyser_offset_deg": [0.0, 3.0]}, "analyser_offset_deg"),
        (
            {"basis_choice": "active", "detector": {"dark_rate_hz": 1.0, "efficiency": [0.5, 0.4, 0.5, 0.5]}},
            "unequal efficiency",
        ),
    ],
)
def test_receivers_without_a_qubit_in_their_place_are_refused(receiver: dict[str, Any], told: str) -> None:
    claims = sent()
    bits = counts_of(yields_of(np.eye(2)[None], claims.states, 1e-3, 1e-7), claims)
    with pytest.raises(UserError, match=told) as error:
        keyrate_of_statistics(file_of(bits, claims, {"receiver": receiver}))
    assert "\n" not in str(error.value)


def test_files_that_say_too_little_or_something_else_are_refused(statistics: Maker) -> None:
    dataset = statistics(points=1)
    with pytest.raises(UserError, match="receiver=active"):
        keyrate_of_statistics(dataset)
    discards = {"analysis": {"double_clicks": "discard"}}
    discrete = {"source": {"kind": "weak-coherent", "mean_photon_numbers": [0.5], "phase": "discrete"}}
    for run, told in ((discards, "discard"), (discrete, "phase = 'discrete'")):
        other = dataset.assign_attrs(resolved_run=json.dumps({"": run}))
        with pytest.raises(UserError, match=told):
            keyrate_of_statistics(other, receiver="passive")
    with pytest.raises(UserError, match="length = 'long'"):
        keyrate_of_statistics(dataset, receiver="passive", length="long")
    with pytest.raises(UserError, match="no numerical key rate"):
        keyrate_of_statistics(dataset.assign_attrs(protocol="chsh"), receiver="passive")
    with pytest.raises(UserError, match="no sampled counts"):
        keyrate_of_statistics(dataset.drop_vars("counts"), receiver="passive", counts="sampled")
    with pytest.raises(UserError, match="trials"):
        keyrate_of_statistics(dataset.drop_vars("trials").isel(bob_outcome=slice(1, None)), receiver="passive")


def test_settings_of_the_files_own_analysis_are_taken(statistics: Maker) -> None:
    run = json.dumps({"": {"analysis": {"key_basis": "X", "security_epsilon": 1e-6}}})
    dataset = statistics(points=1, realisations=1).assign_attrs(resolved_run=run)
    result = keyrate_of_statistics(
        dataset, receiver="passive", counts="expected", statistics="bases", correctness_epsilon=1e-9
    )
    assert "one block" not in result.attrs["notes"]
    used = json.loads(result.attrs["settings"])
    assert (used["key_basis"], used["security_epsilon"], used["correctness_epsilon"]) == ("X", 1e-6, 1e-9)


def test_blocks_of_the_files_own_analysis_are_told_not_to_be_used(statistics: Maker) -> None:
    run = json.dumps({"": {"analysis": {"block": "all", "key_basis": "Z"}}})
    dataset = statistics(points=1, realisations=1).assign_attrs(resolved_run=run)
    result = keyrate_of_statistics(dataset, receiver="passive", counts="expected", statistics="bases")
    assert "not used here: block; all counts of a point are one block" in result.attrs["notes"]


def test_the_command_takes_statistics_and_compares_proofs(
    statistics: Maker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "counts.h5"
    statistics(points=1, realisations=1).to_netcdf(path, engine="h5netcdf")
    options = ["--set", "receiver=passive", "--set", "key_basis=Z", "--set", "statistics=bases", "--set", "counts=expected"]
    assert main(["keyrate", str(path), "--numerical", "--proof", "lim2014", "--json", *options]) == 0
    told = capsys.readouterr()
    rows = json.loads(told.out)
    assert [row["proof"] for row in rows] == ["numerical", "lim2014"] and rows[0]["key [bit]"] > rows[1]["key [bit]"] > 0
    assert "collective attacks" in told.err
    assert main(["keyrate", str(path), "--numerical", "-o", str(tmp_path / "key.nc"), "-q", *options]) == 0
    assert (tmp_path / "key.nc").exists()
    assert main(["keyrate", str(path)]) == 2


def test_a_proof_says_what_it_assumes_and_leaves_out() -> None:
    finite, endless = (proof_of("decoy-bb84", NumericalSettings(length=length)) for length in ("finite", "asymptotic"))
    assert finite.is_finite and finite.attack == "collective" and not endless.is_finite
    assert "alike_bases" in finite.assumptions and "efficiency_mismatch" in finite.outside
    known = proof_of("decoy-bb84", NumericalSettings(), states_known=True)
    assert "basis_dependent_preparation" in finite.outside and "basis_dependent_preparation" not in known.outside
    assert "alike_bases" not in known.assumptions and "known_states" in known.assumptions


def test_pairs_without_coincidences_have_no_key() -> None:
    bits = np.zeros((2, 2, 2, 2))
    assert evidence_of_entangled(bits, (False, False), chosen=SETTINGS) == ["no_key"]
    assert evidence_of_entangled(bits * np.nan, (False, False), chosen=SETTINGS) == ["input_not_finite"]
    assert evidence_of_entangled(bits - 1, (False, False), chosen=SETTINGS) == ["impossible_counts"]


@pytest.mark.slow
def test_the_run_of_the_documentation_has_its_keys(tmp_path: Path) -> None:
    """docs/physics/numerical-files.md; expected counts do not depend on a seed."""
    dataset = qphys.run(Path(__file__).parents[2] / "runs" / "fixed-loss.toml", output=tmp_path / "fixed.h5")
    for told, key in (({}, 11_976), ({"entropy_bound": "renyi"}, 14_476), ({"length": "asymptotic"}, 39_074)):
        result = keyrate_of_statistics(dataset, counts="expected", **told)
        assert result["expected_key_length"].item() == pytest.approx(key, abs=4)
    # against closed forms at the same epsilons: collective attacks and exact tails leave more than coherent and Hoeffding's
    rows = rows_against(dataset, keyrate_of_statistics(dataset, counts="expected"), ["lim2014", "linear-programme"])
    keys = [row["key [bit]"] for row in rows]
    assert keys[0] > keys[2] > keys[1] > 0
