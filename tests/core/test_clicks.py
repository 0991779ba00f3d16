"""The kernel between light and statistics: against its twin, mpmath, limits on paper, and itself cut into pieces."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

from qphys import core
from qphys.core.reference_clicks import click_probabilities as twin

Inputs = tuple[Any, ...]
TRANSMITTANCE, PHOTONS, GATE, NOISE, FREE, DEAD, AFTER, PATTERNS = 0, 1, 5, 6, 7, 8, 9, 10


def case(
    t: int = 13,
    n: int = 3,
    u: int = 1,
    e: int = 1,
    c: int = 12,
    s: int = 1,
    d: int = 4,
    v: int = 1,
    o: int = 8,
    brightness: float = 1e-3,
    gate: float = 1.0,
    dead: float = 5.0,
    afterpulse: float = 0.02,
    seed: int = 20161219,
) -> Inputs:
    """Light of c settings, every fourth without any, on d detectors."""
    rng = np.random.default_rng(seed)
    photons = brightness * rng.uniform(0, 1, (u, e, c, s, d))
    photons[:, :, ::4] = 0.0
    patterns = rng.integers(1, o, (s, 2**d))
    patterns[:, 0] = 0
    return (
        rng.uniform(0.01, 1, (t, n)),
        photons,
        rng.dirichlet(np.ones(e)),
        rng.dirichlet(np.ones(c)),
        rng.dirichlet(np.ones(s)),
        np.full(d, gate) * rng.uniform(0.9 if gate < 1 else 1, 1, d),
        10.0 ** rng.uniform(-8, -5, (v, s, d)),
        10.0 ** rng.uniform(-8, -5, (v, s, d)),
        dead * rng.uniform(0, 1, d),
        afterpulse * rng.uniform(0, 1, d),
        patterns,
        np.zeros(o),
    )


CASES = {
    "a pass": {"t": 101, "n": 8},
    "one lane": {"t": 1, "n": 1},
    "response changes by step": {"u": 13, "v": 13},
    "intensity fluctuates, two receiver settings": {"e": 5, "s": 2, "gate": 0.8},
    "two detectors": {"d": 2, "s": 2, "o": 5},
    "one detector": {"d": 1, "o": 2, "c": 1},
    "three detectors": {"d": 3, "o": 3, "u": 13, "e": 3},
    "light does not fit into scratch": {"c": 67, "e": 7, "s": 2, "t": 5},
    "outcomes fill scratch": {"o": 3001, "t": 5, "c": 2},
    "no dead time, no afterpulses": {"dead": 0.0, "afterpulse": 0.0},
    "bright": {"brightness": 3.0, "gate": 0.5, "dead": 1e4, "afterpulse": 1.0},
}


def in_terms_of_the_twin(got: Any, expected: Any) -> None:
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=0)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("level", core.instruction_sets())
@pytest.mark.parametrize("sizes", CASES.values(), ids=CASES.keys())
def test_kernel_agrees_with_its_twin(sizes: dict[str, Any], level: str) -> None:
    inputs = case(**sizes)
    in_terms_of_the_twin(core.kernels(level)["click_probabilities"](*inputs), twin(*inputs))


@pytest.mark.parametrize("sizes", CASES.values(), ids=CASES.keys())
def test_outcomes_sum_to_one(sizes: dict[str, Any]) -> None:
    total = core.KERNELS["click_probabilities"](*case(**sizes)).sum(axis=-1)
    np.testing.assert_allclose(total, 1.0, rtol=1e-13)


def exact(inputs: Inputs) -> Any:
    """Outcomes by mpmath at 60 digits, every probability a plain difference from 1."""
    eta, photons, w, pi, q, gate, noise, free, dead, after, patterns, outcomes = (np.asarray(x) for x in inputs)
    result = np.zeros((*eta.shape, len(pi), len(outcomes)), dtype=object)
    d_all, s_all, ec = range(len(gate)), range(len(q)), [(e, c) for e in range(len(w)) for c in range(len(pi))]
    number = mpmath.mpf
    with mpmath.workdps(60):
        for t, n in np.ndindex(eta.shape):
            r, k = t % len(photons), t % len(noise)
            m = {
                (e, c, s, d): number(eta[t, n]) * number(photons[r, e, c, s, d]) for e, c in ec for s in s_all for d in d_all
            }
            live, later = [], []
            gated = {
                key: 1 - (1 - number(noise[k, key[2], key[3]])) * mpmath.exp(-number(gate[key[3]]) * value)
                for key, value in m.items()
            }

            def mean(of: dict[Any, Any], d: int) -> Any:
                return sum(number(q[s]) * number(pi[c]) * number(w[e]) * of[e, c, s, d] for e, c in ec for s in s_all)

            for d in d_all:
                any_click = {key: 1 - mpmath.exp(-(value + number(free[k, key[2], key[3]]))) for key, value in m.items()}
                live.append(1 / (1 + mean(any_click, d) * number(dead[d])))
                later.append(number(after[d]) * live[d] * mean(gated, d))
            for c in range(len(pi)):
                for s in s_all:
                    for e in range(len(w)):
                        click = [live[d] * (1 - (1 - gated[e, c, s, d]) * (1 - later[d])) for d in d_all]
                        for pattern, outcome in enumerate(patterns[s]):
                            weight = number(q[s]) * number(w[e])
                            result[t, n, c, outcome] += weight * mpmath.fprod(
                                click[d] if pattern >> d & 1 else 1 - click[d] for d in d_all
                            )
    return result


@pytest.mark.parametrize("brightness", [1e-8, 1e-3, 1.0, 40.0])
def test_every_outcome_keeps_its_relative_precision_down_to_1e_30(brightness: float) -> None:
    inputs = list(case(t=3, n=2, c=3, e=2, s=2, v=3, o=33, brightness=brightness, gate=0.7, afterpulse=1e-3))
    inputs[PATTERNS] = np.arange(32).reshape(2, 16)  # each pattern is an outcome
    inputs[NOISE] *= 1e-3
    inputs[DEAD] = np.array([0.0, 0.1, 1.0, 30.0])  # without dead time a bright detector is silent with exp(-m) only
    got, expected = core.KERNELS["click_probabilities"](*inputs), exact(tuple(inputs))
    tested = np.array([[float(p) > 1e-30 for p in row] for row in expected.reshape(-1, 33)]).reshape(got.shape)
    with mpmath.workdps(60):
        error = [float(abs(mpmath.mpf(g) / e - 1)) for g, e in zip(got[tested].tolist(), expected[tested], strict=True)]
    assert len(error) > 400
    assert max(error) < 1e-12
    if brightness < 1e-2:
        assert float(np.min(got[tested])) < 1e-25


def test_rare_bright_light_keeps_the_precision_of_silence() -> None:
    """A blind time of 1e-14 and a silence of exp(-30) add: neither may be a difference from 1."""
    inputs = list(case(t=1, n=1, c=2, d=2, o=4, afterpulse=0.0))
    inputs[TRANSMITTANCE], inputs[PHOTONS] = np.ones((1, 1)), np.array([30.0, 0.0]).reshape(1, 1, 2, 1, 1) * np.ones(2)
    inputs[3], inputs[DEAD], inputs[PATTERNS] = np.array([1e-12, 1 - 1e-12]), np.full(2, 1e-2), np.array([[0, 1, 2, 3]])
    inputs[NOISE], inputs[FREE] = np.zeros((2, 1, 1, 2))
    got, expected = core.KERNELS["click_probabilities"](*inputs)[0, 0, 0], exact(tuple(inputs))[0, 0, 0]
    np.testing.assert_allclose(got[1:], expected[1:].astype(float), rtol=1e-12)


def test_weights_that_sum_to_less_than_one_leave_out_a_part_alike_in_kernel_and_twin() -> None:
    inputs = list(case(e=3, s=2, gate=0.8))
    inputs[2], inputs[3], inputs[4] = 0.9 * inputs[2], 0.5 * inputs[3], 0.7 * inputs[4]
    in_terms_of_the_twin(core.KERNELS["click_probabilities"](*inputs), twin(*inputs))


def test_a_detector_that_fires_at_every_chance_clicks_once_in_one_plus_dead_trials() -> None:
    """Renewal: a trial that clicks, then `dead` blocked ones."""
    inputs = list(case(t=1, n=1, c=1, d=1, o=2))
    inputs[TRANSMITTANCE], inputs[PHOTONS] = np.ones((1, 1)), np.full((1, 1, 1, 1, 1), 600.0)
    inputs[DEAD], inputs[AFTER], inputs[PATTERNS] = np.array([99.0]), np.zeros(1), np.array([[0, 1]])
    assert core.KERNELS["click_probabilities"](*inputs)[0, 0, 0, 1] == pytest.approx(0.01, rel=1e-14)


def test_faint_light_without_noise_clicks_with_one_minus_exp_of_minus_m_in_the_gate() -> None:
    inputs = list(case(t=1, n=1, c=1, d=1, o=2, dead=0.0, afterpulse=0.0))
    inputs[TRANSMITTANCE], inputs[PHOTONS] = np.full((1, 1), 1e-3), np.full((1, 1, 1, 1, 1), 0.5)
    inputs[GATE], inputs[NOISE], inputs[PATTERNS] = np.array([0.8]), np.zeros((1, 1, 1)), np.array([[0, 1]])
    assert core.KERNELS["click_probabilities"](*inputs)[0, 0, 0, 1] == pytest.approx(-np.expm1(-4e-4), rel=1e-15)


def test_afterpulses_multiply_faint_clicks_by_one_plus_their_probability() -> None:
    """To first order: one afterpulse a click, spread over all settings alike (Lim et al. 2014, simulation)."""
    with_, without = (list(case(t=1, n=1, dead=0.0, brightness=1e-7)) for _ in range(2))
    with_[AFTER], without[AFTER] = np.full(4, 0.04), np.zeros(4)
    with_[PATTERNS] = without[PATTERNS] = np.arange(16)[np.newaxis]
    with_[-1] = without[-1] = np.zeros(16)
    rates = [
        np.einsum("co,c->o", core.KERNELS["click_probabilities"](*x)[0, 0], x[3])[[1, 2, 4, 8]] for x in (with_, without)
    ]
    np.testing.assert_allclose(rates[0] / rates[1], 1.04, rtol=1e-5)


@pytest.mark.parametrize("sizes", CASES.values(), ids=CASES.keys())
def test_every_instruction_set_gives_equal_bits(sizes: dict[str, Any]) -> None:
    inputs = case(**sizes)
    first, *others = (core.kernels(level)["click_probabilities"](*inputs) for level in core.instruction_sets())
    for other in others:
        np.testing.assert_array_equal(other, first)


def test_a_slice_of_the_steps_or_nodes_gives_the_bits_of_the_whole() -> None:
    inputs = list(case(t=211, n=5, u=211, v=211, c=4))
    kernel = core.KERNELS["click_probabilities"]
    whole = kernel(*inputs)
    for first, last in ((0, 1), (1, 8), (3, 211), (100, 117)):
        cut = list(inputs)
        for operand in (TRANSMITTANCE, PHOTONS, NOISE, FREE):
            cut[operand] = inputs[operand][first:last]
        np.testing.assert_array_equal(kernel(*cut), whole[first:last])
    inputs[TRANSMITTANCE] = inputs[TRANSMITTANCE][:, 1:4]
    np.testing.assert_array_equal(kernel(*inputs), whole[:, 1:4])


def test_threads_and_chunks_of_a_batch_change_no_bit() -> None:
    inputs = list(case(t=7, n=3, c=4))
    inputs[TRANSMITTANCE] = np.random.default_rng(3).uniform(0, 1, (29, 7, 3))
    kernel = core.KERNELS["click_probabilities"]
    whole = kernel(*inputs)
    (threaded,) = core.evaluate(kernel, *inputs, threads=3, smallest_slice=1)
    np.testing.assert_array_equal(threaded, whole)
    for point in (0, 17, 28):
        np.testing.assert_array_equal(kernel(inputs[TRANSMITTANCE][point], *inputs[1:]), whole[point])


def test_strides_and_out_change_no_bit() -> None:
    inputs = case(u=13, v=13, e=2, s=2)
    expected = core.KERNELS["click_probabilities"](*inputs)
    spread = [np.repeat(x[..., np.newaxis], 3, axis=-1)[..., 1] for x in inputs]
    target = np.full((*expected.shape, 2), -1.0)
    core.KERNELS["click_probabilities"](*[np.asfortranarray(x) for x in spread], out=target[..., 0])
    np.testing.assert_array_equal(target[..., 0], expected)
    assert np.all(target[..., 1] == -1.0)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1e-9, -np.inf])
@pytest.mark.parametrize("operand", [TRANSMITTANCE, PHOTONS, NOISE, FREE])
def test_impossible_input_makes_its_own_lanes_nan_and_no_other(operand: int, bad: float) -> None:
    inputs = list(case(u=13, v=13))
    expected = core.KERNELS["click_probabilities"](*inputs)
    inputs[operand] = inputs[operand].copy()
    inputs[operand][(5, 1) if operand == TRANSMITTANCE else (5, *(-1,) * (inputs[operand].ndim - 1))] = bad
    got = core.KERNELS["click_probabilities"](*inputs)
    lost = np.zeros((13, 3), dtype=bool)
    lost[(5, 1) if operand == TRANSMITTANCE else 5] = True
    assert np.all(np.isnan(got[lost]))
    np.testing.assert_array_equal(got[~lost], expected[~lost])
    np.testing.assert_array_equal(np.isnan(got), np.isnan(twin(*inputs)))


@pytest.mark.parametrize("operand", range(1, 10))
def test_impossible_input_shared_by_all_lanes_makes_them_all_nan(operand: int) -> None:
    for bad in (np.nan, np.inf, -1e-9):
        inputs = list(case())
        inputs[operand] = inputs[operand].copy()
        inputs[operand][(-1,) * inputs[operand].ndim] = bad
        assert np.all(np.isnan(core.KERNELS["click_probabilities"](*inputs)))
        assert np.all(np.isnan(twin(*inputs)))


@pytest.mark.parametrize(("operand", "bad"), [(GATE, 1.01), (NOISE, 1.01), (AFTER, 1.01), (PATTERNS, 8), (PATTERNS, -1)])
def test_input_beyond_its_range_makes_all_lanes_nan(operand: int, bad: float) -> None:
    inputs = list(case())
    inputs[operand] = inputs[operand].copy()
    inputs[operand][(-1,) * inputs[operand].ndim] = bad
    assert np.all(np.isnan(core.KERNELS["click_probabilities"](*inputs)))
    assert np.all(np.isnan(twin(*inputs)))


@pytest.mark.parametrize("sizes", [{"u": 5}, {"v": 5}, {"d": 5}, {"d": 3, "patterns": 16}, {"o": 20000}])
def test_sizes_that_the_kernel_cannot_serve_give_nan(sizes: dict[str, Any]) -> None:
    inputs = list(case(**{key: value for key, value in sizes.items() if key != "patterns"}, c=2))
    if "patterns" in sizes:
        inputs[PATTERNS] = np.zeros((1, sizes["patterns"]), dtype=np.int64)
    assert np.all(np.isnan(core.KERNELS["click_probabilities"](*inputs)))


@pytest.mark.parametrize("empty", ["t", "n", "c"])
def test_nothing_in_is_nothing_out(empty: str) -> None:
    inputs = list(case())
    axis = {"t": (TRANSMITTANCE, 0), "n": (TRANSMITTANCE, 1), "c": (PHOTONS, 2)}[empty]
    inputs[axis[0]] = np.take(inputs[axis[0]], [], axis=axis[1])
    if empty == "c":
        inputs[3] = np.zeros(0)
    assert core.KERNELS["click_probabilities"](*inputs).size == 0
