"""Numerical key rates: closed forms they must reach from below, and a proof that no argument can lift above the truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import qphys
from qphys.cli import main
from qphys.errors import UserError
from qphys.keyrates import keyrate_rows, status_names
from qphys.keyrates.efficiency_mismatch import equal_share, rate_with_discarding, rate_without_discarding
from qphys.keyrates.entropies import binary_entropy, shannon_leakage
from qphys.keyrates.numerical import Programme, bound, certified_bound, conditional_entropy, solve
from qphys.keyrates.protocol_files import KINDS

RUNS = Path(__file__).parents[2] / "runs" / "protocols"
IDENTITY = np.eye(4, dtype=np.complex128)
PAULIS = {"Z": np.diag([1.0, -1.0]), "X": np.array([[0.0, 1.0], [1.0, 0.0]]), "Y": np.array([[0.0, -1.0j], [1.0j, 0.0]])}


def h(p: float) -> float:
    return 0.0 if p in (0.0, 1.0) else float(-p * np.log2(p) - (1 - p) * np.log2(1 - p))


def qubits(low: dict[str, float], high: dict[str, float] | None = None) -> Programme:
    """Error rates of |00> + |11>, written here anew: an error in Y is an equal result."""
    operators = [(IDENTITY - (-1 if b == "Y" else 1) * np.kron(PAULIS[b], PAULIS[b])) / 2 for b in low]
    return Programme(
        blocks=((IDENTITY[:2], IDENTITY[2:]),),
        operators=np.stack(operators).astype(np.complex128),
        lower=np.array(list(low.values())),
        upper=np.array(list((high or low).values())),
    )


def test_entanglement_based_bb84_has_the_value_of_the_documentation_of_qics() -> None:
    # log 2 + q ln q + (1 - q) ln(1 - q) at q = 0.25 [nat]
    found = bound(qubits({"Z": 0.25, "X": 0.25}))
    assert found.entropy_lower * np.log(2) == pytest.approx(0.130812035941137, abs=1e-9)
    assert found.entropy_lower * np.log(2) < 0.130812035941137


@pytest.mark.parametrize(
    ("bit", "phase"),
    [(0.05, 0.11), (0.11, 0.01), (0.3, 0.02), (0.001, 0.2), (0.0, 0.05), (0.05, 0.0), (0.0, 0.0), (1e-6, 1e-5)],
)
def test_bb84_is_one_less_the_entropy_of_the_phase_error_from_below(bit: float, phase: float) -> None:
    found = bound(qubits({"Z": bit, "X": phase}))
    assert found.status == "good"
    assert 0.0 < (1 - h(phase)) - found.entropy_lower < 1e-8  # 1e-7 is asked; zero errors cost most, 3e-9
    assert 0.0 <= found.gap < 1e-8


def test_intervals_count_at_their_worst_end() -> None:
    found = bound(qubits({"Z": 0.05, "X": 0.01}, {"Z": 0.06, "X": 0.03}))
    assert 0.0 < (1 - h(0.03)) - found.entropy_lower < 1e-8
    assert bound(qubits({"Z": 0.05, "X": 0.3}, {"Z": 0.06, "X": 0.7})).entropy_lower < 1e-8


@pytest.mark.parametrize(
    ("kind", "threshold"),
    [("bb84-qubit", 0.1100279), ("six-state", 0.1261931)],  # theory: 11.00279 %, 12.61931 %
)
def test_thresholds_are_those_of_the_literature(kind: str, threshold: float) -> None:
    def key(error: float) -> Any:
        bases = "ZX" if kind == "bb84-qubit" else "ZXY"
        return qphys.keyrate({"kind": kind, "error_rates": dict.fromkeys(bases, error), "error_correction_efficiency": 1.0})

    # the digits given leave 1e-7 of error rate, either side
    below, above = key(threshold - 1e-7), key(threshold + 1e-7)
    assert below["key_rate"] > 0.0 and status_names(below["status"]) == ["good"]
    assert above["key_rate"] == 0.0 and status_names(above["status"]) == ["no key"]


def mutually_unbiased(d: int) -> list[np.ndarray]:
    """All d + 1 bases of an odd prime dimension, vectors as columns (Ivanovic 1981)."""
    w = np.exp(2j * np.pi / d)
    j, k = np.arange(d)[:, None], np.arange(d)[None]
    return [np.eye(d, dtype=complex)] + [w ** ((b * j * j + k * j) % d) / np.sqrt(d) for b in range(d)]


def isotropic(d: int, visibility: float) -> dict[str, Any]:
    """A file's table: all mutually unbiased bases of an isotropic state, key from the first; amplitudes as text."""
    state = np.eye(d).ravel() / np.sqrt(d)
    rho = visibility * np.outer(state, state) + (1 - visibility) * np.eye(d * d) / d**2
    alice, bob, table = [], [], {}
    for b, basis in enumerate(mutually_unbiased(d)):
        for x in range(d):
            common = {"name": f"{b}{x}", "weight": 1 / (d + 1), "announcement": str(b)}
            key = {"key": x} if b == 0 else {}
            alice.append(common | key | {"state": [str(complex(a)) for a in basis[:, x]]})
            bob.append(common | {"state": [str(complex(a)) for a in basis[:, x].conj()]})
    for ours in alice:
        row = []
        for theirs in bob:
            v, w = (np.array([complex(a) for a in element["state"]]) for element in (ours, theirs))
            joint = np.kron(v, w)
            row.append(float((joint.conj() @ rho @ joint).real) / (d + 1) ** 2)
        table[ours["name"]] = row
    return {"kind": "generic", "source": "entangled", "alice": alice, "bob": bob, "probabilities": table}


def test_isotropic_qutrits_have_the_rate_of_araujo_et_al() -> None:
    # Araujo et al. 2023: log2 d - (1 - v_t) log2(d^2 - 1) - h(v_t), v_t = v + (1 - v) / d^2, a kept trial
    d, v = 3, 0.9
    v_t = v + (1 - v) / d**2
    expected = np.log2(d) - (1 - v_t) * np.log2(d * d - 1) - h(v_t)
    result = qphys.keyrate(isotropic(d, v), overrides={"error_correction_efficiency": 1.0})
    assert result["kept_probability"] == pytest.approx(1 / (d + 1) ** 2, rel=1e-12)
    assert 0.0 < expected - result["key_fraction"] < 1e-7
    # for qubits the formula is that of the six-state protocol
    v = 1 - 2 * 0.07
    v_t = v + (1 - v) / 4
    six = qphys.keyrate({"kind": "six-state", "error_rates": dict.fromkeys("ZXY", 0.07), "error_correction_efficiency": 1.0})
    assert six["key_rate"] == pytest.approx(1 - (1 - v_t) * np.log2(3) - h(v_t), abs=1e-9)


def random_state(rng: np.random.Generator, d: int, rank: int) -> np.ndarray:
    root = rng.normal(size=(d, rank)) + 1j * rng.normal(size=(d, rank))
    return np.asarray(root @ root.conj().T / np.linalg.norm(root) ** 2)


def test_entropy_of_the_programme_is_that_of_a_purification_held_by_eve() -> None:
    rng = np.random.default_rng(5)
    result = KINDS["efficiency-mismatch"].model_validate(
        {
            "kind": "efficiency-mismatch",
            "efficiencies": (0.7, 0.2),
            "channel": {"transmittance": 0.5, "error_rates": {"Z": 0.1, "X": 0.2}},
        }
    )
    programme = result.task("here").programme
    state = random_state(rng, 6, 6)
    values, vectors = np.linalg.eigh(state)
    purified = (vectors * np.sqrt(values)).reshape(2, 3, 6)  # Alice, Bob, Eve
    kept = np.sqrt([0.0, 0.7, 0.2])[None, :, None] * purified  # Bob's filter
    by_key = [np.einsum("be,bf->ef", kept[x], kept[x].conj()) for x in (0, 1)]

    def entropy(matrix: np.ndarray) -> float:
        p = np.linalg.eigvalsh(matrix)
        return float(-sum(v * np.log2(v) for v in p if v > 1e-15))

    # H(KE) - H(E), not normalised
    expected = sum(map(entropy, by_key)) - entropy(by_key[0] + by_key[1])
    assert conditional_entropy(programme, state) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), size=st.sampled_from([1e-9, 1e-4, 0.1, 3.0]), phase=st.floats(0.005, 0.45))
def test_no_state_and_no_multipliers_give_a_bound_above_the_truth(seed: int, size: float, phase: float) -> None:
    rng = np.random.default_rng(seed)
    programme = qubits({"Z": 0.07, "X": phase})
    truth = 1 - h(phase)
    # the optimum on paper, disturbed
    weights = np.outer([0.93, 0.07], [1 - phase, phase]).ravel()
    bell = np.array([[1, 0, 0, 1], [1, 0, 0, -1], [0, 1, 1, 0], [0, 1, -1, 0]]) / np.sqrt(2)
    state = (bell.T * weights) @ bell + size * random_state(rng, 4, int(rng.integers(1, 5)))
    multipliers = np.array([0.0, np.log(phase / (1 - phase))]) + size * rng.normal(size=2)
    found = certified_bound(programme, state, multipliers)
    assert found < truth
    assert size > 1e-9 or truth - found < 1e-6  # and the optimum itself loses next to nothing


def test_a_bound_holds_for_states_that_meet_the_statistics() -> None:
    """Complex operators, several announcements, intervals: against states, not against a formula."""
    rng = np.random.default_rng(11)
    d = 6
    blocks = tuple(tuple(rng.normal(size=(2, d)) + 1j * rng.normal(size=(2, d)) for _ in range(3)) for _ in range(2))
    operators = np.stack([random_state(rng, d, 3) for _ in range(4)])
    truth, below, above = random_state(rng, d, 2), np.array([0.0, 0.0, 0.01, 0.02]), np.array([0.0, 0.0, 0.02, 0.0])
    values = np.einsum("nij,ji->n", operators, truth).real
    programme = Programme(blocks=blocks, operators=operators, lower=values - below, upper=values + above)
    found = bound(programme)
    assert found.status == "good"
    assert 0.0 < found.gap < 1e-5
    solution = solve(programme)
    feasible = [truth, *(truth + s * (solution.state - truth) for s in (0.3, 0.9, 0.999))]
    assert all(conditional_entropy(programme, state) > found.entropy_lower for state in feasible)
    assert found.entropy_lower > 0.5 * conditional_entropy(programme, solution.state)


@pytest.mark.parametrize(
    "rates",
    [
        {"Z": 0.0, "X": 0.3, "Y": 0.1},  # Y within |Z - X| and Z + X only
        {"Z": 0.1, "X": 0.1, "Y": 0.25},
        {"Z": 0.9, "X": 0.9, "Y": 0.9},
    ],
)
def test_statistics_of_no_state_give_no_key_and_a_status(rates: dict[str, float]) -> None:
    result = qphys.keyrate({"kind": "six-state", "error_rates": rates})
    assert result["key_rate"] == 0.0 and result["entropy_lower"] == 0.0
    assert status_names(result["status"]) == ["inconsistent statistics"]


@pytest.mark.parametrize("transmittance", [1e-1, 1e-3, 1e-5])
def test_loss_neither_costs_key_nor_hides_that_statistics_contradict_themselves(transmittance: float) -> None:
    def square(error: float, surplus: float) -> list[list[float]]:
        p = 0.4 * transmittance * (1 + surplus)
        return [[p * (1 - error), p * error], [p * error, p * (1 - error)]]

    table = mismatch((0.4, 0.4), 0.02, 0.03)
    del table["channel"]
    good = qphys.keyrate(table | {"click_probabilities": {"Z": square(0.02, 0.0), "X": square(0.03, 0.0)}})
    assert 0.0 < (1 - h(0.02) - h(0.03)) - good["key_fraction"] < 1e-5
    # more clicks in X than in Z: no state of one photon does that
    wrong = qphys.keyrate(table | {"click_probabilities": {"Z": square(0.02, 0.0), "X": square(0.03, 1e-3)}})
    assert wrong["key_rate"] == 0.0 and status_names(wrong["status"]) == ["inconsistent statistics"]


@pytest.mark.parametrize(("low", "high"), [(np.nan, np.nan), (0.1, np.inf), (0.3, 0.2), (-0.2, -0.1), (1.1, 1.2)])
def test_garbage_gives_no_key(low: float, high: float) -> None:
    found = bound(qubits({"Z": 0.1, "X": low}, {"Z": 0.1, "X": high}))
    assert found.entropy_lower == 0.0 and found.status == "inconsistent_statistics"
    assert certified_bound(qubits({"Z": 0.1, "X": 0.1}), IDENTITY * np.nan, np.zeros(2)) == -np.inf
    assert certified_bound(qubits({"Z": 0.1, "X": 0.1}), IDENTITY / 4, np.array([0.0, np.inf])) == -np.inf


def mismatch(efficiencies: tuple[float, float], z: float, x: float, **more: Any) -> dict[str, Any]:
    channel = {"transmittance": 0.3, "error_rates": {"Z": z, "X": x}}
    return {
        "kind": "efficiency-mismatch",
        "efficiencies": list(efficiencies),
        "channel": channel,
        "error_correction_efficiency": 1.0,
    } | more


def test_equal_detectors_give_bb84() -> None:
    result = qphys.keyrate(mismatch((0.4, 0.4), 0.03, 0.05))
    assert result["kept_probability"] == pytest.approx(0.12, rel=1e-12)
    assert 0.0 < (1 - h(0.03) - h(0.05)) - result["key_fraction"] < 1e-7
    assert 0.0 < (1 - 2 * h(0.05)) - qphys.keyrate(mismatch((0.4, 0.4), 0.05, 0.05))["key_fraction"] < 1e-7


def test_without_errors_mismatch_costs_the_bias_of_the_key_alone() -> None:
    # Eve knows nothing, but one bit is seen twice as often: h(2/3) = 0.9183
    result = qphys.keyrate(mismatch((0.4, 0.2), 0.0, 0.0))
    # probabilities of exactly 0 are proven by a finite penalty, which costs 5e-6 here
    assert 0.0 < h(2 / 3) - result["key_fraction"] < 1e-5


@pytest.mark.parametrize(("efficiencies", "error"), [((0.2, 0.15), 0.05), ((0.1, 0.2), 0.02), ((0.713, 0.1), 0.01)])
def test_mismatch_gives_no_less_than_the_bounds_of_fung_et_al(efficiencies: tuple[float, float], error: float) -> None:
    share = equal_share(*efficiencies)
    table = mismatch(efficiencies, error, error)
    kept = qphys.keyrate(table)
    fung = float(rate_without_discarding(share, error, phase_error=error))
    assert kept["key_rate"] / kept["kept_probability"] > fung + 1e-3
    assert kept["entropy_lower"] / kept["kept_probability"] <= binary_entropy(efficiencies[0] / sum(efficiencies))
    # with the surplus discarded their rate is exact
    fair = qphys.keyrate(table, overrides={"surplus": "discarded"})
    sifted = 0.3 * sum(efficiencies) / 2
    assert fair["key_rate"] / sifted == pytest.approx(float(rate_with_discarding(share, error, phase_error=error)), abs=1e-8)


def test_fung_bounds_have_the_numbers_of_the_time_shift_experiment() -> None:
    # Zhao et al. 2008: 10992 and 1541 counts, mismatch 7.13, error rate 5.68 %
    share = equal_share(10992, 1541)
    assert pytest.approx(7.13, abs=0.005) == 10992 / 1541
    naive = 1 - 2 * h(0.0568)
    assert naive / rate_with_discarding(share, 0.0568, phase_error=0.0568) == pytest.approx(4.07, abs=0.005)
    assert rate_without_discarding(share, 0.0568, phase_error=0.0568) == 0.0
    assert np.isnan(equal_share(-1.0, 1.0)) and np.isnan(equal_share(0.0, 0.0)) and equal_share(0.3, 0.3) == 1.0


def test_a_mismatch_from_measured_clicks_is_that_of_the_channel_and_intervals_cost() -> None:
    def square(error: float, width: float) -> list[list[list[float]]]:
        p = [[0.3 * eta * (1 - error if x == y else error) for y, eta in enumerate((0.4, 0.3))] for x in (0, 1)]
        return [[[v * (1 - width), v * (1 + width)] for v in row] for row in p]

    table = mismatch((0.4, 0.3), 0.02, 0.03)
    modelled = qphys.keyrate(table)["key_rate"]
    del table["channel"]
    exact = qphys.keyrate(table | {"click_probabilities": {"Z": square(0.02, 0.0), "X": square(0.03, 0.0)}})["key_rate"]
    wide = qphys.keyrate(table | {"click_probabilities": {"Z": square(0.02, 0.01), "X": square(0.03, 0.01)}})["key_rate"]
    assert exact == pytest.approx(float(modelled), abs=1e-9)
    assert 0.5 * exact < wide < 0.99 * exact


def test_prepared_states_give_the_rate_of_the_entangled_description() -> None:
    # three states suffice: with the statistics of all of them the phase error is known (Tamaki et al. 2014)
    result = qphys.keyrate(RUNS / "three-states.toml")
    assert result["kept_probability"] == pytest.approx(0.081, rel=1e-12)
    assert 0.0 < (1 - h(0.02)) - result["entropy_lower"] / 0.081 < 1e-7
    assert result["leakage"] == pytest.approx(1.16 * 0.081 * h(0.02), rel=1e-12)


def test_two_states_give_no_key_where_the_loss_lets_eve_discriminate_them() -> None:
    """B92: unambiguous discrimination succeeds with 1 - overlap, and Eve loses the rest: at this transmittance no key."""
    overlap = 0.6
    states = [[1.0, 0.0], [overlap, float(np.sqrt(1 - overlap**2))]]
    alice = [{"name": str(k), "state": s, "weight": 0.5, "announcement": "seen", "key": k} for k, s in enumerate(states)]
    # Bob's conclusive effects: orthogonal to the other state, half the time each
    others = [[-states[1][1], states[1][0], 0.0], [0.0, 1.0, 0.0]]
    bob: list[dict[str, Any]] = [
        {"name": str(k), "state": s, "weight": 0.5, "announcement": "seen"} for k, s in enumerate(others)
    ]
    bob.append({"name": "none", "rest": True, "announcement": "none"})

    def key(transmittance: float) -> float:
        click = 0.5 * transmittance * (1 - overlap**2)
        rows = {"0": [click, 0.0, 1 - click], "1": [0.0, click, 1 - click]}
        table = {"kind": "generic", "source": "prepared", "alice": alice, "bob": bob, "probabilities": rows}
        return float(qphys.keyrate(table)["key_rate"])

    assert key(1.0 - overlap) < 1e-7
    assert key(1.0 - overlap + 0.1) > 1e-3


def test_decoy_bounds_scale_the_single_photons_and_the_leakage_counts_all() -> None:
    decoy = {"single_photons": [0.004, 0.005], "gain": 0.009, "error_rate": 0.02}
    result = qphys.keyrate({"kind": "bb84-qubit", "error_rates": {"Z": [0.0, 0.03], "X": [0.0, 0.03]}, "decoy": decoy})
    assert result["key_rate"] == pytest.approx(0.004 * (1 - h(0.03)) - 1.16 * 0.009 * h(0.02), abs=1e-10)


def test_entropies_have_their_limits() -> None:
    np.testing.assert_allclose(binary_entropy([0.0, 0.25, 0.5, 1.0]), [0.0, 0.8112781244591328, 1.0, 0.0], rtol=1e-14)
    assert np.isnan(binary_entropy([-0.1, 1.1, np.nan])).all()
    assert shannon_leakage([[0.5 * 0.9, 0.5 * 0.1], [0.5 * 0.1, 0.5 * 0.9]]) == pytest.approx(h(0.1), rel=1e-14)


@pytest.mark.parametrize("name", sorted(p.name for p in RUNS.glob("*.toml")))
def test_files_of_the_checkout_have_a_key_and_say_what_they_claim(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert (RUNS / name).read_text().startswith("# ")
    assert main(["keyrate", str(RUNS / name), "--numerical"]) == 0
    told = capsys.readouterr()
    assert "good" in told.out and "proven lower bound" in told.out
    finite = "[finite]" in (RUNS / name).read_text()
    claim = "finite key, collective attacks" if finite else "asymptotic, collective attacks"
    assert claim in told.err and ("finite-size" in told.err) == (not finite)


def test_the_closed_form_is_the_default_of_the_command_and_refused_where_there_is_none(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["keyrate", str(RUNS / "bb84-qubit.toml"), "--json", "-o", str(tmp_path / "key.nc")]) == 0
    assert (tmp_path / "key.nc").exists()
    closed = qphys.keyrate(RUNS / "bb84-qubit.toml", numerical=False)
    proven = qphys.keyrate(RUNS / "bb84-qubit.toml")
    assert 0.0 < closed["key_rate"] - proven["key_rate"] < 1e-8
    assert keyrate_rows(closed)[0]["value"] == pytest.approx(1 - h(0.045) - 1.16 * h(0.03), rel=1e-12)
    assert main(["keyrate", str(RUNS / "three-states.toml")]) == 2
    assert "no closed form" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"kind": "bb84-qbit"}, ("kind = 'bb84-qbit'", "did you mean 'bb84-qubit'?", "six-state")),
        ({"kind": None}, ("kind: missing", "allowed: bb84-qubit")),
        ({"error_rates.Z": 1.5}, ("error_rates.Z = 1.5", "0 to 1")),
        ({"error_rates.Z": [0.2, 0.1]}, ("error_rates.Z = [0.2, 0.1]", "interval")),
        ({"error_rates.Z": "small"}, ("error_rates.Z = 'small'", "interval [low, high]")),
        ({"error_rates.Q": 0.1}, ("error_rates.Q: unknown key", "X, Z")),
        ({"title.x": 1}, ("title.x", "no table")),
        ({"block_size": 1e6}, ("block_size: unknown key",)),
    ],
)
def test_mistakes_in_a_file_are_told_in_one_line(change: dict[str, Any], told: tuple[str, ...]) -> None:
    with pytest.raises(UserError) as error:
        qphys.keyrate(RUNS / "bb84-qubit.toml", overrides=change)
    assert all(words in str(error.value) for words in (*told, "bb84-qubit.toml"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"keep": [["Z", "W"]]}, ("keep = 'W'", "bob")),
        ({"keep": [["X", "X"]]}, ("element 'X0'", "key: missing")),
        ({"keep": []}, ("nothing makes key",)),
        ({"probabilities": {"X01": [0.1]}}, ("probabilities.X01", "did you mean 'X0'?")),
        ({"probabilities": {"Z0": [0.1]}}, ("probabilities.Z0: 1 values, 5 are needed",)),
        ({"probabilities": {"X0": [0.045, 0.045, 0.0098, 0.0002, 0.9]}}, ("leakage: missing",)),
        ({"alice": [{"name": "a", "state": [1, 0], "weight": 0.9, "announcement": "Z", "key": 0}]}, ("sum to 0.9",)),
        ({"alice": [{"name": "a", "weight": 0.9}]}, ("'a' needs one of state, matrix, rest",)),
        ({"alice": [{"name": "a", "state": ["i", 0]}]}, ("'0.5-0.5j'",)),
        ({"bob": [{"name": "b", "state": [1, 0], "weight": 0.9}]}, ("do not sum to the identity", "rest = true")),
        ({"bob": [{"name": "b", "matrix": [[1, 2], [0, 1]]}]}, ("element 'b'", "Hermitian")),
        ({"bob": [{"name": "b", "matrix": [[1, 0], [0, -1]]}]}, ("element 'b'", "negative")),
        ({"bob": [{"name": "b", "state": [0, 0]}]}, ("element 'b'", "zero")),
    ],
)
def test_mistakes_in_a_described_protocol_are_told(change: dict[str, Any], told: tuple[str, ...]) -> None:
    with pytest.raises(UserError) as error:
        qphys.keyrate(RUNS / "three-states.toml", overrides=change)
    assert all(words in str(error.value) for words in told)
