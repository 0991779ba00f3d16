"""Decoy bounds by linear programme: truths that are known, closed forms, weak duality, and the key that rests on them."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from math import factorial, floor, log, log2
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import scipy.optimize
import xarray as xr

from qphys import core
from qphys.errors import UserError
from qphys.keyrates import AnalysisSettings, analyze, linear_programme
from qphys.keyrates.decoy_bb84 import OWN_STATUS, epsilon_parts, secret_key
from qphys.keyrates.linear_programme import decoy_bounds

specification = importlib.util.spec_from_file_location("soundness", Path(__file__).parents[1] / "core" / "soundness.py")
assert specification is not None
assert specification.loader is not None
soundness = importlib.util.module_from_spec(specification)
specification.loader.exec_module(soundness)

Array = np.ndarray[Any, Any]


def channel(
    numbers: Array, probabilities: Array, pulses: float, transmittance: float, noise: float = 3e-5, most: int = 25
) -> tuple[Array, Array, Array, Array]:
    """Expected events and errors by intensity, and by photon number, of a lossy channel: noise errs half of the time."""
    n = np.arange(most)
    poisson = np.exp(-numbers[:, None]) * numbers[:, None] ** n / np.array([factorial(k) for k in n], dtype=float)
    passed = 1 - (1 - transmittance) ** n
    clicks = 1 - (1 - noise) * (1 - passed)
    events = pulses * probabilities[:, None] * poisson * clicks
    wrong = pulses * probabilities[:, None] * poisson * (0.01 * passed + 0.5 * (clicks - passed))
    return events.sum(axis=1), wrong.sum(axis=1), events.sum(axis=0), wrong.sum(axis=0)


@pytest.mark.parametrize("intensities", [3, 2])
@pytest.mark.parametrize("name", soundness.CHANNELS)
def test_no_closed_form_beats_the_programme_over_the_same_intervals(intensities: int, name: str) -> None:
    # The closed forms are duals of the same programme; truth lies inside, at a probability of 1e-6 a part.
    told = soundness.truth(name, "many", intensities, 3, seed=9)
    numbers, *probabilities = soundness.SENDERS[intensities]
    eps = 1e-6
    for proof, policy in soundness.policies():
        if not soundness.takes(proof, policy, intensities) or policy.get("key_from", "all") != "all":
            continue
        if policy["sampling_bound"] not in ("exact", "own", "lim2014", "serfling"):  # the sampling does not enter
            continue
        closed = soundness.bounds(told, proof, policy, eps)
        share = soundness.PREDICTION[intensities][:intensities]
        predicted = (share, share) if policy.get("tail_bound") == "kato2020" else None
        for block in range(3):
            key, test = (
                decoy_bounds(
                    counts[block],
                    errors[block],
                    mean_photon_number=numbers,
                    probability=probability,
                    beta=log(1 / eps),
                    tail_bound=policy.get("tail_bound", "hoeffding"),
                    predicted_shares=predicted,
                )
                for counts, errors, probability in zip(
                    (told.key_counts, told.test_counts), (told.key_errors, told.test_errors), probabilities, strict=True
                )
            )
            slack = 1e-9 * told.key_counts[block].sum()
            assert closed.vacuum_lower[block] - slack <= key.vacuum_lower <= told.vacuum["all"][block]
            assert closed.single_photon_lower[block] + 1 < key.single_photon_lower <= told.single["all"][block]
            assert closed.test_single_photon_lower[block] + 1 < test.single_photon_lower <= told.test_single[block]
            most = closed.test_single_photon_error_upper[block]
            assert told.test_wrong[block] <= test.single_photon_error_upper <= most + slack


@pytest.mark.parametrize("intensities", [3, 2])
@pytest.mark.parametrize("tail_bound", ["hoeffding", "chernoff", "binomial"])
def test_certified_bounds_are_those_of_the_primal_programme_written_anew(intensities: int, tail_bound: Any) -> None:
    # oracle: SciPy's primal value, in all events s_n and wrong ones v_n <= s_n, with vacuum as s_0 <= 2 (v_0 + delta), or,
    # but for Hoeffding's, below the tangent of s_0 / 2 - sqrt(s_0 beta / 2) <= v_0 where the largest v_0 is reached
    told = soundness.truth("lossy", "few", intensities, 1, seed=4)
    numbers, probability, _ = soundness.SENDERS[intensities]
    n, m, beta, most = told.key_counts[0], told.key_errors[0], 14.0, 80
    photons = np.arange(most)
    weight = probability[:, None] * np.exp(-numbers[:, None]) * (numbers / numbers[0])[:, None] ** photons
    given, nothing = weight / weight.sum(axis=0), np.zeros((intensities, most))
    total, wrong = n.sum(), m.sum()
    (n_low, n_high), (m_low, m_high) = (
        linear_programme.intervals(count, count.sum(), beta=beta, tail_bound=tail_bound) for count in (n, m)
    )
    vacuum = np.zeros((1, 2 * most))
    vacuum[0, [0, most]] = 1.0, -2.0
    vacuum_limit = [2 * np.sqrt(total * beta / 2)]
    if tail_bound != "hoeffding":
        largest = min(float(np.min(m_high / given[:, 0])), wrong)
        touch = min((np.sqrt(beta / 2) + np.sqrt(beta / 2 + 2 * largest)) ** 2, total)
        vacuum[0, [0, most]] = 0.5 - np.sqrt(beta / touch / 8), -1.0
        vacuum_limit = [np.sqrt(touch * beta / 2) / 2]
    rows = [
        np.block([given, nothing]),
        np.block([-given, nothing]),
        np.block([nothing, given]),
        np.block([nothing, -given]),
        np.block([-np.eye(most), np.eye(most)]),
        vacuum,
    ]
    limits = np.concatenate([n_high, -n_low, m_high, -m_low, np.zeros(most), vacuum_limit])
    found = decoy_bounds(n, m, mean_photon_number=numbers, probability=probability, beta=beta, tail_bound=tail_bound)
    for place, sign, bound in (
        (0, 1, found.vacuum_lower),
        (1, 1, found.single_photon_lower),
        (most + 1, -1, found.single_photon_error_upper),
    ):
        cost = np.zeros(2 * most)
        cost[place] = sign
        sums = np.kron(np.eye(2), np.ones((1, most)))
        solved = scipy.optimize.linprog(cost, np.concatenate(rows), limits / total, sums, np.array([total, wrong]) / total)
        assert solved.status == 0
        # a certified bound loses what the solver's tolerances leave open, more where the row of vacuum is a tangent
        loss = 1e-5 if tail_bound == "hoeffding" else 5e-5
        assert bound == pytest.approx(sign * solved.fun * total, abs=loss * total)


@pytest.mark.parametrize("weakest", [0.0, 1e-3])
def test_many_decoys_and_intervals_of_no_width_tell_the_true_yields(weakest: float) -> None:
    # oracle: the photon numbers that made the expected counts; more intensities come closer
    gaps = []
    for numbers in ([0.5, 0.1, weakest], [0.5, 0.3, 0.1, weakest], [0.8, 0.5, 0.3, 0.1, 0.03, weakest]):
        mu = np.array(numbers)
        probability = np.full(len(mu), 1 / len(mu))
        counts, errors, events, wrong = channel(mu, probability, 1e12, 0.01)
        found = decoy_bounds(
            counts, errors, mean_photon_number=mu, probability=probability, beta=0.0, tail_bound="hoeffding"
        )
        single, error, vacuum = found.single_photon_lower, found.single_photon_error_upper, found.vacuum_lower
        assert single <= events[1] * (1 + 1e-9)
        assert error >= wrong[1] * (1 - 1e-9)
        assert vacuum <= events[0] * (1 + 1e-6)
        gaps.append((1 - single / events[1], error / wrong[1] - 1))
    assert gaps[2][0] < gaps[1][0] < gaps[0][0] < 0.04
    assert gaps[2][0] < 1e-4
    assert gaps[2][1] < 1e-3


def test_any_multipliers_give_a_bound_also_against_events_of_more_photons_than_the_programme_holds() -> None:
    # oracle: weak duality, on events of known photon numbers, some beyond the last column of the programme
    rng = np.random.default_rng(12)
    mu, p = np.array([0.5, 0.4999, 0.1]), np.array([0.4, 0.5, 0.1])
    given, beyond = linear_programme.intensity_given_photons(mu, p)
    number, columns = given.shape
    assert columns - 1 == linear_programme.MOST_PHOTONS, "two nearly equal intensities: the tail term is needed"
    many = columns + 3000
    ratio = p * np.exp(-mu) * (mu / mu[0]) ** many
    far = ratio / ratio.sum()
    assert np.all(far[1:] <= beyond[1:])
    half = np.zeros((1, columns))
    half[0, 0] = 0.5
    matrix = np.block([[given, given], [np.zeros_like(given), given], [-half, half]])
    cost = np.zeros(2 * columns)
    cost[[1, columns + 1]] = 1.0
    x = np.zeros(2 * columns)
    x[[0, 1, 2, columns, columns + 1]] = [40.0, 5000.0, 900.0, 50.0, 80.0]
    beyond_events = 1e6  # right events of `many` photons
    value = matrix @ x
    value[:number] += beyond_events * far
    masses = np.array([x[:columns].sum() + beyond_events, x[columns:].sum()])
    for _ in range(500):
        y = rng.normal(size=len(value)) * 10 ** rng.uniform(-3, 3)
        low, high = value - rng.uniform(0, 10, len(value)), value + rng.uniform(0, 10, len(value))
        bound = linear_programme._dual_bound(y, cost, matrix, low, high, masses, beyond)
        assert bound <= cost @ x


def test_a_solver_that_errs_makes_bounds_looser_and_never_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    told = soundness.truth("splitting", "many", 3, 1, seed=10)
    numbers, probability, _ = soundness.SENDERS[3]
    chosen: dict[str, Any] = {"mean_photon_number": numbers, "probability": probability, "beta": 14.0}
    block = told.key_counts[0], told.key_errors[0]
    honest = decoy_bounds(*block, **chosen, tail_bound="chernoff")
    solve, rng = scipy.optimize.linprog, np.random.default_rng(1)

    def sloppy(*args: Any, **options: Any) -> Any:
        found = solve(*args, **options)
        marginals = found.ineqlin.marginals * rng.normal(1, 0.05, found.ineqlin.marginals.shape)
        return SimpleNamespace(status=0, ineqlin=SimpleNamespace(marginals=marginals))

    monkeypatch.setattr(scipy.optimize, "linprog", sloppy)
    for _ in range(5):
        found = decoy_bounds(*block, **chosen, tail_bound="chernoff")
        assert found.single_photon_lower < honest.single_photon_lower
        assert found.single_photon_error_upper >= honest.single_photon_error_upper
    monkeypatch.setattr(scipy.optimize, "linprog", lambda *a, **o: SimpleNamespace(status=4))
    assert np.isnan(decoy_bounds(*block, **chosen, tail_bound="chernoff").single_photon_lower)


def blocks(numbers: list[float], pulses: float = 3e9) -> dict[str, Any]:
    mu = np.array(numbers)
    probability = np.full(len(mu), 1 / len(mu))
    both = [channel(mu, probability, n, 0.01, noise=1e-6)[:2] for n in (pulses, pulses / 3)]
    counts, errors = (np.round(np.stack([basis[part] for basis in both], axis=-1)) for part in (0, 1))
    chances = np.stack([probability, probability], axis=-1)
    return {"counts": counts, "errors": errors, "mean_photon_number": mu, "intensity_probability": chances}


@pytest.mark.parametrize("numbers", [[0.5, 0.15], [0.5, 0.15, 0.0], [0.5, 0.3, 0.1, 1e-3], [0.6, 0.4, 0.2, 0.1, 0.0]])
def test_key_is_that_of_lim_with_its_own_number_of_parts(numbers: list[float]) -> None:
    settings = AnalysisSettings(proof="linear-programme", key_basis="Z", tail_bound="chernoff")
    told = blocks(numbers)
    key = secret_key(**told, settings=settings)
    parts = 8 * len(numbers) + 11  # each basis: two a count, two an error count, one for vacuum; nine of Lim et al.
    assert epsilon_parts(settings, len(numbers)) == parts
    s0, s1, phase = (float(a[0]) for a in (key.s0_lower, key.s1_lower, key.phase_error_upper))
    n, m = told["counts"][:, 0].sum(), told["errors"][:, 0].sum()

    def entropy(x: float) -> float:
        return -x * log2(x) - (1 - x) * log2(1 - x)

    cost = 6 * log2(parts / 1e-9) + log2(2 / 1e-15)
    assert key.key_length == floor(s0 + s1 * (1 - entropy(phase)) - 1.16 * n * entropy(m / n) - cost) > 1e5
    assert int(key.sampling_used[0]) == core.SAMPLING_USED["exact"]
    # the order of intensities does not matter, more errors and a stricter epsilon give less
    turned = {name: value[::-1] for name, value in told.items()}
    assert secret_key(**turned, settings=settings).key_length == key.key_length
    assert secret_key(**(told | {"errors": told["errors"] * 1.1}), settings=settings).key_length < key.key_length
    strict = settings.model_copy(update={"security_epsilon": 1e-12})
    assert secret_key(**told, settings=strict).key_length < key.key_length


@pytest.mark.parametrize(
    ("change", "meaning"),
    [
        ({"counts": np.array([[1e3, 1e3], [1e3, 1e3], [1e7, 1e7]])}, "linear_programme_without_solution"),
        ({"counts": np.zeros((3, 2)), "errors": np.zeros((3, 2))}, "no_single_photons_proven"),
        ({"counts": np.full((3, 2), np.nan)}, "input_not_finite"),
        ({"errors": np.full((3, 2), 1e15)}, "impossible_counts"),
        ({"mean_photon_number": np.array([0.5, 0.5, 0.0])}, "intensities_break_the_conditions_of_the_bound"),
        ({"mean_photon_number": np.array([0.5, 0.1, -0.1])}, "intensities_break_the_conditions_of_the_bound"),
        ({"mean_photon_number": np.array([500.0, 0.1, 0.0])}, "intensities_break_the_conditions_of_the_bound"),
        ({"intensity_probability": np.array([[0.5, 0.5], [0.5, 0.5], [0.0, 0.0]])}, "impossible_probabilities"),
    ],
)
def test_what_is_impossible_gives_key_zero_and_says_why(change: dict[str, Any], meaning: str) -> None:
    told = blocks([0.5, 0.15, 0.0]) | change
    if meaning == "linear_programme_without_solution":
        told["errors"] = told["counts"] / 2
    key = secret_key(**told, settings=AnalysisSettings(proof="linear-programme"))
    assert key.key_length == 0
    assert int(key.status) == (dict(core.STATUS) | OWN_STATUS)[meaning]
    assert np.all(np.isnan(key.s1_lower)) or meaning == "no_single_photons_proven"


def test_many_errors_leave_no_sampling_bound_or_no_key() -> None:
    told = blocks([0.5, 0.15, 0.0])
    key = secret_key(**(told | {"errors": told["counts"] * 0.45}), settings=AnalysisSettings(proof="linear-programme"))
    assert key.key_length == 0
    assert set(key.block_status.tolist()) <= {core.STATUS["no_sampling_bound"], core.STATUS["no_key"]}


def test_a_file_is_analysed_with_any_number_of_its_intensities(statistics: Callable[..., xr.Dataset]) -> None:
    dataset = statistics(points=1, realisations=1)
    result = analyze(dataset, proof="linear-programme", tail_bound="chernoff")
    assert "35 equal parts" in result.attrs["epsilon_split_in_block"]
    assert "linear programme" in result.attrs["security_claim"]
    # more terms than Lim's proof, tighter bounds: near its key, and below the asymptotic one
    ratio = result["expected_key_length"] / analyze(dataset, proof="lim2014", tail_bound="chernoff")["expected_key_length"]
    assert 0.95 < float(ratio[0]) < 1.5
    assert (result["expected_key_length"] < analyze(dataset, proof="ma2005")["expected_key_length"]).all()
    two = analyze(dataset, proof="linear-programme", intensities=("signal", "decoy"))
    assert "27 equal parts" in two.attrs["epsilon_split_in_block"]
    signal = analyze(dataset, proof="linear-programme", key_from="signal")
    assert "37 equal parts" in signal.attrs["epsilon_split_in_block"]
    assert 0 < float(signal["expected_key_length"].max()) < float(result["expected_key_length"].max())
    with pytest.raises(UserError, match="takes two or more"):
        analyze(dataset, proof="linear-programme", intensities=("signal",))
    with pytest.raises(UserError, match="has own, exact, exact_smoothing or serfling"):
        analyze(dataset, proof="linear-programme", sampling_bound="lim2014")


def test_intervals_are_those_of_the_closed_forms() -> None:
    # oracle: the inequalities P(x >= E + t) <= exp(-t^2 / (2E + t)) and P(x <= E - t) <= exp(-t^2 / 2E), at the ends E
    beta, count, total = 9.0, np.array([50.0, 4000.0]), 4050.0
    low, high = linear_programme.intervals(count, total, beta=beta, tail_bound="chernoff")
    np.testing.assert_allclose((count - low) ** 2 / (count + low), beta, rtol=1e-12)
    np.testing.assert_allclose((high[0] - count[0]) ** 2 / (2 * high[0]), beta, rtol=1e-12)
    assert high[1] == total
    # and Hoeffding's exp(-2 t^2 / N)
    low, high = linear_programme.intervals(count, total, beta=beta, tail_bound="hoeffding")
    np.testing.assert_allclose(2 * (count[1] - low[1]) ** 2 / total, beta, rtol=1e-12)
    assert low[0] == 0.0
    assert high[1] == total
