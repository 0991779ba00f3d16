"""Finite blocks of numerical key rates: closed forms where one number is tested, exact tails, entropies of given states."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import qphys
from qphys.cli import main
from qphys.errors import UserError
from qphys.keyrates import status_names
from qphys.keyrates.numerical_finite import clopper_pearson, entropy_cost, hoeffding, length, variation_distance
from qphys.keyrates.protocol_files import KINDS, _finite_task
from qphys.record import parse

RUNS = Path(__file__).parents[2] / "runs" / "protocols"


def h(p: float) -> float:
    return 0.0 if p in (0.0, 1.0) else float(-p * np.log2(p) - (1 - p) * np.log2(1 - p))


def bb84(error: float = 0.03, **finite: Any) -> dict[str, Any]:
    rates = {"Z": 0.02, "X": error}
    return {"kind": "bb84-qubit", "error_rates": rates, "finite": {"trials": 1e6, "tests": {"X": 1e5}} | finite}


@pytest.mark.parametrize("interval", ["clopper-pearson", "hoeffding", "variation"])
@pytest.mark.parametrize("entropy_bound", ["george2021", "renyi"])
def test_a_finite_key_of_bb84_is_that_of_the_worst_phase_error_of_the_interval(interval: str, entropy_bound: str) -> None:
    """The feasible set is one-dimensional: its worst point is on paper, and all terms are written here anew."""
    n, m, wrong, f, total, correct = 1e6, 1e5, 3000, 1.16, 1e-9, 1e-15
    part = total / {"george2021": 3, "renyi": 2}[entropy_bound]
    worst = {
        "clopper-pearson": float(stats.beta.isf(part / 2, wrong + 1, m - wrong)),
        "hoeffding": wrong / m + np.sqrt(np.log(2 / part) / (2 * m)),
        "variation": wrong / m + 0.5 * np.sqrt(2 * (np.log(1 / part) + 2 * np.log(m + 1)) / m),
    }[interval]
    if entropy_bound == "george2021":
        cost = 2 * np.log2(5) * np.sqrt(n * np.log2(2 / part)) + 2 * np.log2(2 / part)
    else:  # the best order by search: the one chosen beforehand loses next to nothing
        s = np.geomspace(1e-5, 0.7, 200_001)
        cost = np.min(n * 2 * (np.cosh(s * np.log(5)) - 1) / (s * np.log(2)) + (1 + s) / s * np.log2(1 / part) - 2)
    expected = n * (1 - h(worst)) - cost - f * n * h(0.02) - np.log2(2 / correct)
    result = qphys.keyrate(bb84(interval=interval, entropy_bound=entropy_bound, security_epsilon=total))
    assert result["key_length"] == pytest.approx(expected, abs=2.0)
    assert result["key_length"] <= expected
    assert result["key_rate"] == result["key_length"] / n
    assert result["closed_form_key_rate"] == pytest.approx(float(result["key_rate"]), abs=2e-6)


def test_a_finite_key_converges_to_the_asymptotic_one_from_below_and_grows_with_all_that_helps() -> None:
    def key(error: float = 0.03, **finite: Any) -> float:
        return float(qphys.keyrate(bb84(error, **finite))["key_rate"])

    asymptotic = 1 - h(0.03) - 1.16 * h(0.02)
    rates = [key(trials=n, tests={"X": n / 10}) for n in (1e4, 1e6, 1e8, 1e12)]
    assert all(a < b for a, b in zip(rates, [*rates[1:], asymptotic], strict=True))
    assert asymptotic - rates[-1] < 1e-4  # the test of 1e11: 6 sigma are 3e-6 in the error, 1.6e-5 in the entropy
    base = key()
    assert key(tests={"X": 2e5}) > base > key(tests={"X": 5e4})
    assert key(security_epsilon=1e-6) > base > key(security_epsilon=1e-12)
    assert key(correctness_epsilon=1e-9) > base > key(error=0.031)
    assert key(tests=1e5) < base  # Z is tested as well: it has a part of epsilon, and tells nothing
    assert base > key(interval="hoeffding") > key(interval="variation")
    assert key(entropy_bound="renyi") > base


@pytest.mark.parametrize(("count", "trials"), [(0, 100), (3, 1000), (500, 1000), (30_000, 1_000_000), (10**9, 10**10)])
@pytest.mark.parametrize("epsilon", [1e-3, 1e-12, 1e-30])
def test_ends_of_an_interval_are_as_rare_as_they_say(count: int, trials: int, epsilon: float) -> None:
    """The exact binomial tails at the ends, by another routine than the one that found them."""
    lower, upper = clopper_pearson(count, count, trials=trials, epsilon=epsilon)
    assert lower <= count / trials <= upper
    if count:
        assert stats.binom.sf(count - 1, trials, float(lower)) == pytest.approx(epsilon, rel=1e-4)
        assert stats.binom.sf(count - 1, trials, float(lower)) <= epsilon * (1 + 1e-9)
    assert stats.binom.cdf(count, trials, float(upper)) == pytest.approx(epsilon, rel=1e-4)
    assert stats.binom.cdf(count, trials, float(upper)) <= epsilon * (1 + 1e-9)
    wide = hoeffding(count, count, trials=trials, epsilon=epsilon)
    assert wide[0] <= lower and upper <= wide[1]


@pytest.mark.parametrize(("low", "high", "trials"), [(-1, 5, 10), (3, 2, 10), (0, 11, 10), (1, np.nan, 10), (1, 2, 0.5)])
def test_impossible_counts_have_no_interval(low: float, high: float, trials: float) -> None:
    for method in (clopper_pearson, hoeffding):
        assert np.isnan(method(low, high, trials=trials, epsilon=1e-9)).all()


def test_the_variation_distance_is_exceeded_no_more_often_than_it_says() -> None:
    m, epsilon = 40, 0.05
    mu = float(variation_distance(m, 2, epsilon))
    for p in (0.1, 0.3, 0.5):
        counts = np.arange(m + 1)
        off = 2 * np.abs(counts / m - p) > mu  # one-norm of two outcomes
        assert stats.binom.pmf(counts[off], m, p).sum() <= epsilon
    # the numbers of a preset of the authors' program: 1e6 signals, 5 % tested, 16 outcomes, epsilon 2.5e-11
    assert variation_distance(5e4, 16, 2.5e-11) == pytest.approx(np.sqrt(2 * (24.41215 + 16 * 10.81980) / 5e4), rel=1e-6)


def random_key_and_eve(rng: np.random.Generator, keys: int, dimension: int, rank: int) -> list[np.ndarray]:
    parts = []
    for _ in range(keys):
        root = rng.normal(size=(dimension, rank)) + 1j * rng.normal(size=(dimension, rank))
        root *= rng.exponential(scale=1.0) ** 2
        parts.append(root @ root.conj().T)
    whole = sum(np.trace(part).real for part in parts)
    return [part / whole for part in parts]


def power(matrix: np.ndarray, exponent: float) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    some = values > 1e-14
    return np.asarray((vectors[:, some] * values[some] ** exponent) @ vectors[:, some].conj().T)


@pytest.mark.parametrize(("keys", "dimension", "rank"), [(2, 2, 1), (2, 4, 2), (3, 3, 3), (5, 2, 1), (2, 1, 1)])
def test_renyi_entropies_of_explicit_states_are_above_the_bound_that_a_block_uses(
    keys: int, dimension: int, rank: int
) -> None:
    """H_(1+s) >= H - 2 [cosh(s ln(d+3)) - 1] / (s ln 2), the lemma of the docs, for states of key and Eve."""
    rng = np.random.default_rng(42)
    closest = np.inf
    for _ in range(40):
        parts = random_key_and_eve(rng, keys, dimension, rank)
        eve = np.sum(parts, axis=0)

        def entropy(matrix: np.ndarray) -> float:
            values = np.linalg.eigvalsh(matrix)
            return float(-sum(v * np.log2(v) for v in values if v > 1e-15))

        von_neumann = sum(map(entropy, parts)) - entropy(eve)
        for s in (1e-3, 0.05, 0.3, 0.75):
            moment = sum(np.trace(power(part, 1 + s) @ power(eve, -s)).real for part in parts)
            renyi = -np.log2(moment) / s
            bound = von_neumann - 2 * (np.cosh(s * np.log(keys + 3)) - 1) / (s * np.log(2))
            assert renyi >= bound
            closest = min(closest, (von_neumann - renyi) / (von_neumann - bound))
            # the two moments that the lemma rests on: orders 2 and 0
        assert sum(np.trace(power(part, 2.0) @ power(eve, -1.0)).real for part in parts) <= 1 + 1e-9
        assert sum(np.trace(power(part, 0.0) @ eve).real for part in parts) <= keys + 1e-9
    assert closest > -1e-6  # a Renyi entropy is below the other


def test_the_equipartition_of_george_et_al_costs_more_than_the_one_that_is_derived() -> None:
    """At equal epsilons: so the derivation proves that key, too, and a wrong constant in either would show."""
    for n in np.geomspace(1e2, 1e14, 25):
        for total in (1e-3, 1e-9, 1e-20):
            for keys in (2, 3, 16):
                ours, theirs = (
                    float(entropy_cost(n, keys, security_epsilon=total, entropy_bound=name))
                    for name in ("renyi", "george2021")
                )
                if theirs < n * np.log2(keys):  # else there is no key anyhow
                    assert 1.0 < theirs / ours < 1.4


def test_a_key_of_nothing_is_nothing() -> None:
    common: dict[str, Any] = {
        "keys": 2,
        "leakage": 0.0,
        "security_epsilon": 1e-9,
        "correctness_epsilon": 1e-15,
        "entropy_bound": "george2021",
    }
    assert length(1e6, 1e6, **common).key_length > 9e5
    for entropy, kept in ((np.nan, 1e6), (np.inf, 1e6), (1e6, np.nan), (1e6, 0.0), (100.0, 1e6), (-1.0, 1e6)):
        assert length(entropy, kept, **common).key_length == 0.0


def test_six_states_need_the_tests_of_all_bases() -> None:
    table = {"kind": "six-state", "error_rates": {"Z": 0.05, "X": 0.05, "Y": 0.05}}
    all_tested = qphys.keyrate(table | {"finite": {"trials": 1e8, "tests": 1e7}})["key_rate"]
    two = qphys.keyrate(table | {"finite": {"trials": 1e8, "tests": {"Z": 1e7, "X": 1e7}}})["key_rate"]
    asymptotic = qphys.keyrate(table)["key_rate"]
    assert asymptotic * 0.98 < all_tested < asymptotic
    # without the third basis the key is that of BB84
    assert two < 1 - h(0.05) - 1.16 * h(0.05) < all_tested


@pytest.mark.parametrize("name", ["three-states", "efficiency-mismatch"])
def test_kept_trials_of_a_lossy_protocol_carry_the_block(name: str) -> None:
    asymptotic = qphys.keyrate(RUNS / f"{name}.toml")
    rates = []
    for n in (1e8, 1e10, 1e14):
        result = qphys.keyrate(RUNS / f"{name}.toml", overrides={"finite": {"trials": n, "tests": n / 10}})
        rates.append(float(result["key_rate"]))
        kept = float(np.floor(n * asymptotic["kept_probability"]))
        assert result["kept_trials"] == pytest.approx(kept, abs=1.0)
        assert asymptotic["kept_probability"] < result["kept_probability_upper"] < asymptotic["kept_probability"] * 1.01
        # the cost is that of the kept trials, not of all that were sent
        assert result["entropy_cost"] == pytest.approx(2 * np.log2(5) * np.sqrt(kept * np.log2(6e9)), rel=1e-2)
    assert 0.0 < rates[0] < rates[1] < rates[2] < asymptotic["key_rate"]
    assert rates[2] > 0.999 * asymptotic["key_rate"]


def test_intervals_in_a_file_are_the_frequencies_that_a_test_accepts() -> None:
    exact = qphys.keyrate(bb84(0.03))["key_rate"]
    accepting = qphys.keyrate(bb84() | {"error_rates": {"Z": 0.02, "X": [0.02, 0.03]}})["key_rate"]
    assert accepting == exact


def test_a_finite_result_says_what_it_claims(capsys: pytest.CaptureFixture[str]) -> None:
    result = qphys.keyrate(bb84(), overrides={"finite.security_epsilon": 3e-10})
    assert "collective attacks" in result.attrs["security"] and "3e-10-secret" in result.attrs["security"]
    assert "coherent attacks" in result.attrs["not_covered"] and "finite-size" not in result.attrs["not_covered"]
    assert json.loads(result.attrs["finite"])["tests"] == {"X": 1e5}
    assert result.attrs["epsilon_split"] == "secrecy in 3 equal parts: tests, smoothing, hashing"
    assert main(["keyrate", str(RUNS / "bb84-finite.toml"), "--numerical"]) == 0
    told = capsys.readouterr()
    assert "key_length" in told.out and "collective attacks" in told.err


def test_statistics_of_no_state_give_no_finite_key() -> None:
    table = {"kind": "six-state", "error_rates": {"Z": 0.9, "X": 0.9, "Y": 0.9}, "finite": {"trials": 1e9, "tests": 1e8}}
    result = qphys.keyrate(table)
    assert result["key_length"] == 0.0 and status_names(result["status"]) == ["inconsistent statistics"]
    none = qphys.keyrate(bb84(trials=1e3, tests={"X": 100}))
    assert none["key_length"] == 0.0 and status_names(none["status"]) == ["no key"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"finite": {"tests": 1e5}}, ("finite.trials: missing",)),
        ({"finite": {"trials": 1e6, "tests": {"Q": 1e5}}}, ("finite.tests.Q", "allowed: X, Z")),
        ({"finite": {"trials": 1e6, "tests": 0.1}}, ("finite.tests",)),
        ({"finite": {"trials": 1e6, "tests": 1e5, "interval": "guess"}}, ("finite.interval = 'guess'", "clopper-pearson")),
        ({"finite": {"trials": 1e6, "tests": 1e5, "attack": "coherent"}}, ("finite.attack: unknown key",)),
        (
            {"finite": {"trials": 1e6, "tests": 1e5}, "decoy": {"single_photons": 0.1, "gain": 0.2, "error_rate": 0.1}},
            ("finite: not with a table [decoy]",),
        ),
    ],
)
def test_mistakes_in_the_table_of_a_finite_block_are_told(change: dict[str, Any], told: tuple[str, ...]) -> None:
    with pytest.raises(UserError) as error:
        qphys.keyrate(RUNS / "bb84-qubit.toml", overrides=change)
    assert all(words in str(error.value) for words in (*told, "bb84-qubit.toml"))


def test_a_kind_that_does_not_say_what_is_tested_has_no_finite_block() -> None:
    chosen = parse(KINDS["bb84-qubit"], bb84(), "mine.toml")
    task = chosen.task("mine.toml")
    assert _finite_task(task, chosen, "mine.toml").programme.upper[1] > task.programme.upper[1]
    for tested in ((), ("Z",), ("", "")):
        with pytest.raises(UserError, match="has no finite-size terms"):
            _finite_task(replace(task, tested=tested), chosen, "mine.toml")
