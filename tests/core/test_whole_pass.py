"""The kernel of a whole pass: against its twin, against the kernels it fuses, limits on paper, and itself in pieces."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qphys import core
from qphys.core.reference_whole_pass import whole_pass as twin

Inputs = tuple[Any, ...]
(TRANSMITTANCE, WEIGHT, TRIALS, PHOTONS, INTENSITY, EMISSION, SENDER, RECEIVER, GATE, NOISE, FREE, DEAD, AFTER) = range(13)
PATTERNS, MU, KEY_BASIS = 13, 14, 15
NAMES = ("none", "Z0", "Z1", "X0", "X1", "double_Z", "double_X", "across")


def outcome(z: int, x: int) -> int:
    """Index of the outcome where these detectors of Z and of X clicked, a bit for each."""
    name = "across" if z and x else (("none", "Z0", "Z1", "double_Z")[z] if not x else ("none", "X0", "X1", "double_X")[x])
    return NAMES.index(name)


RECEIVERS = {
    "passive": np.array([[outcome(m & 3, m >> 2) for m in range(16)]]),
    "two detectors": np.array([[outcome(m, 0) for m in range(4)], [outcome(0, m) for m in range(4)]]),
    "four detectors": np.array([[outcome(m & 3, 0) for m in range(16)], [outcome(0, m >> 2) for m in range(16)]]),
    "X1 is missing": np.array([[outcome(m & 3, m >> 2) for m in range(8)]]),
}


def case(
    receiver: str = "passive",
    t: int = 131,
    n: int = 1,
    u: int = 1,
    e: int = 1,
    j: int = 1,
    v: int = 1,
    brightness: float = 1e-3,
    intensity: tuple[float, float, float] = (0.8, 0.1, 0.0),
    gate: float = 1.0,
    dead: float = 5.0,
    afterpulse: float = 0.01,
    key_basis: tuple[int, ...] = (0,),
    seed: int = 20161219,
) -> list[Any]:
    """A pass with 1e11 pulses, light as of a real receiver: half where it should be, a little on the wrong side."""
    rng = np.random.default_rng(seed)
    patterns = RECEIVERS[receiver]
    s, d = len(patterns), patterns.shape[1].bit_length() - 1
    photons = rng.uniform(0.002, 0.02, (u, e, j, 4, s, d))
    for setting, detector in np.ndindex(s, d):
        said = int(patterns[setting, 1 << detector]) - 1
        for state in range(4):
            if said >= 0 and said // 2 != state // 2:
                photons[..., state, setting, detector] += 0.2
            elif said == state:
                photons[..., state, setting, detector] += 0.4
    sender = np.array([[0.5], [0.25], [0.25]]) * rng.uniform(0.9, 1.1, (3, 4))
    return [
        brightness * rng.uniform(0.01, 1, (t, n)),
        rng.dirichlet(np.ones(n), t),
        1e11 / max(t, 1) * rng.uniform(0.5, 1.5, t),
        photons,
        np.array(intensity),
        rng.dirichlet(np.ones(e)),
        sender / sender.sum(),
        rng.dirichlet(5 * np.ones(s)),
        gate * rng.uniform(0.9 if gate < 1 else 1, 1, d),
        10.0 ** rng.uniform(-8, -6, (v, s, d)),
        10.0 ** rng.uniform(-8, -5, (v, s, d)),
        dead * rng.uniform(0, 1, d),
        afterpulse * rng.uniform(0, 1, d),
        patterns,
        np.array([0.8, 0.1, 0.0]),
        np.array(key_basis, dtype=np.int8),
        1e-9,
        1e-15,
        1.16,
        np.int8(0),
        np.int8(0),
        np.int8(0),
    ]


CASES: dict[str, dict[str, Any]] = {
    "passive": {},
    "401 slots": {"t": 401},
    "one lane": {"t": 1},
    "active, two detectors, key of both bases": {"receiver": "two detectors", "key_basis": (0, 1)},
    "active, four detectors, key of X": {"receiver": "four detectors", "key_basis": (1,)},
    "a detector is missing": {"receiver": "X1 is missing"},
    "fading, intensity fluctuates": {"n": 5, "e": 3},
    "response changes by step": {"u": 131, "v": 131, "n": 2},
    "each intensity has its own light": {"j": 3, "intensity": (1.0, 0.125, 0.01)},
    "each intensity has its own light by step": {"j": 3, "u": 131, "intensity": (1.0, 0.125, 0.0)},
    "gate cuts light off": {"gate": 0.7, "receiver": "four detectors"},
    "no dead time, no afterpulses": {"dead": 0.0, "afterpulse": 0.0},
    "light does not fit into scratch": {"e": 29, "t": 17, "u": 17, "gate": 0.8},
    "bright": {"brightness": 10.0, "intensity": (3.0, 0.5, 0.2)},
    "blinding": {"brightness": 1e3, "intensity": (3.0, 0.5, 0.2), "dead": 1e3, "afterpulse": 1.0},
}
cases = pytest.mark.parametrize("sizes", CASES.values(), ids=CASES.keys())


def agree(got: Inputs, expected: Inputs) -> None:
    """Events to 1e-12, the key in every bit, bounds to 1e-12 of the largest term."""
    for i in (0, 1):
        np.testing.assert_allclose(got[i], expected[i], rtol=1e-12)
    np.testing.assert_array_equal(got[2], expected[2])
    for i in (3, 4, 5, 6, 8):
        np.testing.assert_allclose(got[i], expected[i], rtol=1e-12, atol=1e-12 * np.sum(expected[0]))
    np.testing.assert_allclose(got[7], expected[7], rtol=1e-11)
    for i in (9, 10):
        np.testing.assert_array_equal(got[i], expected[i])


@cases
@pytest.mark.parametrize("level", core.instruction_sets())
def test_kernel_agrees_with_its_twin(sizes: dict[str, Any], level: str) -> None:
    inputs = case(**sizes)
    agree(core.kernels(level)["whole_pass"](*inputs), twin(*inputs))


def test_ordinary_passes_do_give_key() -> None:
    """Else the agreement would say nothing of bounds and key."""
    for name in ("passive", "401 slots", "active, two detectors, key of both bases", "response changes by step"):
        key, status = (core.KERNELS["whole_pass"](*case(**CASES[name]))[i] for i in (2, -1))
        assert np.all(key > 1e4)
        assert np.all(status == 0)


@cases
def test_pass_equals_click_probabilities_sums_and_lim2014(sizes: dict[str, Any]) -> None:
    """The road of the pipeline, by kernels: outcomes of every step, sums, key."""
    x = case(**{**sizes, "j": 1})
    settings = (x[PHOTONS] * x[INTENSITY][:, np.newaxis, np.newaxis, np.newaxis]).reshape(
        len(x[PHOTONS]), len(x[EMISSION]), 12, *x[PHOTONS].shape[-2:]
    )
    probability = core.KERNELS["click_probabilities"](
        x[TRANSMITTANCE], settings, x[EMISSION], x[SENDER].ravel(), *x[RECEIVER : PATTERNS + 1], np.zeros(8)
    )
    trials = np.einsum("tn,t,c->tnc", x[WEIGHT], x[TRIALS], x[SENDER].ravel())
    counts = np.einsum("tnc,tnco->co", trials, probability).reshape(3, 2, 2, 8)
    z, zero, one = counts[:, 0], counts[:, :, 0], counts[:, :, 1]
    events = np.stack([z[..., [1, 2, 5]].sum(axis=(1, 2)), counts[:, 1][..., [3, 4, 6]].sum(axis=(1, 2))], axis=-1)
    errors = np.stack(
        [
            zero[:, 0, 2] + one[:, 0, 1] + (zero + one)[:, 0, 5] / 2,
            zero[:, 1, 4] + one[:, 1, 3] + (zero + one)[:, 1, 6] / 2,
        ],
        axis=-1,
    )
    got = core.KERNELS["whole_pass"](*x)
    np.testing.assert_allclose(got[0], events, rtol=1e-12)
    np.testing.assert_allclose(got[1], errors, rtol=1e-12)
    shares = x[SENDER].reshape(3, 2, 2).sum(axis=-1)
    for place, key in enumerate(x[KEY_BASIS]):
        pair = [key, 1 - key]
        block = core.KERNELS["lim2014"](
            *(a[:, b] for b in pair for a in (got[0], got[1])), x[MU], *(shares[:, b] for b in pair), *x[KEY_BASIS + 1 :]
        )
        for value, expected in zip(got[2:], block, strict=True):
            np.testing.assert_array_equal(value[place], expected)


@pytest.mark.parametrize("brightness", 2.0 ** np.arange(-20, 9))
def test_light_agrees_with_the_twin_at_every_brightness(brightness: float) -> None:
    """No step shows where one power series follows another. (Brighter still, the twin loses digits.)"""
    for factor in (0.99, 1.01):
        inputs = case(t=19, brightness=factor * brightness, intensity=(2.5, 0.1, 0.01), dead=1e-3, seed=5)
        got, expected = core.KERNELS["whole_pass"](*inputs), twin(*inputs)
        for i in (0, 1):
            np.testing.assert_allclose(got[i], expected[i], rtol=2e-13)


def ideal(photons: Any) -> list[Any]:
    """One step of 1,000 trials, only Z0 sent and only signal, no noise, no dead time: photons at Z0, Z1, X0, X1."""
    inputs = case(t=1, dead=0.0, afterpulse=0.0, intensity=(1.0, 0.0, 0.0))
    inputs[TRANSMITTANCE], inputs[TRIALS] = np.ones((1, 1)), np.array([1000.0])
    inputs[PHOTONS] = np.zeros((1, 1, 1, 4, 1, 4))
    inputs[PHOTONS][0, 0, 0, 0, 0] = photons
    inputs[SENDER] = np.zeros((3, 4))
    inputs[SENDER][0, 0] = 1.0
    inputs[NOISE], inputs[FREE] = np.zeros((1, 1, 4)), np.zeros((1, 1, 4))
    return inputs


def test_light_at_the_right_detector_alone_is_sifted_without_errors_unless_the_other_basis_clicks() -> None:
    events, errors, *_ = core.KERNELS["whole_pass"](*ideal([0.3, 0.0, 0.1, 0.15]))
    assert events[0, 0] == pytest.approx(1000 * (1 - np.exp(-0.3)) * np.exp(-0.25), rel=1e-14)
    assert errors[0, 0] == 0.0
    assert np.count_nonzero(events) == 1


def test_half_of_the_double_clicks_are_errors() -> None:
    events, errors, *_ = core.KERNELS["whole_pass"](*ideal([0.3, 0.5, 0.0, 0.0]))
    right, wrong = 1 - np.exp(-0.3), 1 - np.exp(-0.5)
    assert events[0, 0] == pytest.approx(1000 * (1 - np.exp(-0.8)), rel=1e-14)
    assert errors[0, 0] == pytest.approx(1000 * (wrong * (1 - right) + right * wrong / 2), rel=1e-14)


def test_light_shared_evenly_by_both_bits_has_an_error_rate_of_one_half_at_any_brightness() -> None:
    for photons in (1e-9, 1e-3, 0.2, 3.0, 100.0):
        events, errors, *_ = core.KERNELS["whole_pass"](*ideal([photons, photons, 0.0, 0.0]))
        assert errors[0, 0] / events[0, 0] == pytest.approx(0.5, rel=1e-15)


@cases
def test_every_instruction_set_gives_equal_bits(sizes: dict[str, Any]) -> None:
    inputs = case(**sizes)
    first, *others = (core.kernels(level)["whole_pass"](*inputs) for level in core.instruction_sets())
    for other in others:
        for got, expected in zip(other, first, strict=True):
            np.testing.assert_array_equal(got, expected)


def test_threads_chunks_and_strides_of_a_batch_change_no_bit() -> None:
    """An optimiser's batch: intensities vary, and what the analysis believes of them."""
    inputs = case(t=23, v=23, e=2)
    scale = np.linspace(0.5, 1.3, 29)[:, np.newaxis]
    inputs[INTENSITY], inputs[MU] = scale * inputs[INTENSITY], scale * inputs[MU]
    whole = core.KERNELS["whole_pass"](*inputs)
    threaded = core.evaluate(core.KERNELS["whole_pass"], *inputs, threads=3, smallest_slice=1)
    spread = [np.repeat(np.asarray(x)[..., np.newaxis], 3, axis=-1)[..., 1] for x in inputs]
    strided = core.KERNELS["whole_pass"](*spread)
    for got, again, expected in zip(threaded, strided, whole, strict=True):
        np.testing.assert_array_equal(got, expected)
        np.testing.assert_array_equal(again, expected)
    for point in (0, 17, 28):
        one = list(inputs)
        one[INTENSITY], one[MU] = inputs[INTENSITY][point], inputs[MU][point]
        for got, expected in zip(core.KERNELS["whole_pass"](*one), whole, strict=True):
            np.testing.assert_array_equal(got, expected[point])


@pytest.mark.parametrize("nodes", [1, 3])
def test_steps_without_trials_count_nothing_whatever_they_hold(nodes: int) -> None:
    """A shorter pass in a long time axis."""
    inputs = case(t=37, n=nodes, u=37, v=37)
    padded = list(inputs)
    where = np.sort(np.random.default_rng(1).choice(61, 37, replace=False))
    for operand in (TRANSMITTANCE, WEIGHT, PHOTONS, NOISE, FREE):
        padded[operand] = np.full((61, *inputs[operand].shape[1:]), np.nan)
        padded[operand][where] = inputs[operand]
    padded[TRIALS] = np.zeros(61)
    padded[TRIALS][where] = inputs[TRIALS]
    agree(core.KERNELS["whole_pass"](*padded), core.KERNELS["whole_pass"](*inputs))
    agree(core.KERNELS["whole_pass"](*padded), twin(*padded))


def test_steps_without_trials_behind_a_full_block_leave_its_events_as_they_are() -> None:
    inputs = case(t=300)
    expected = twin(*inputs)
    longer = list(inputs)
    for operand in (TRANSMITTANCE, WEIGHT, TRIALS):
        longer[operand] = np.concatenate([inputs[operand], np.zeros_like(inputs[operand])])
    agree(core.KERNELS["whole_pass"](*longer), expected)


@pytest.mark.parametrize("t", [0, 5])
def test_a_pass_without_trials_has_no_events_and_no_key(t: int) -> None:
    inputs = case(t=t)
    inputs[TRIALS] = np.zeros(t)
    got = core.KERNELS["whole_pass"](*inputs)
    assert np.all(got[0] == 0)
    assert got[2] == 0
    assert got[-1] == core.STATUS["no_single_photons_proven"]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1e-9])
@pytest.mark.parametrize("operand", range(13))
@pytest.mark.parametrize("by_step", [False, True])
def test_impossible_physics_has_nan_events_no_key_and_a_status(operand: int, bad: float, by_step: bool) -> None:
    inputs = case(t=11, u=11, v=11) if by_step else case(t=11)
    inputs[operand] = inputs[operand].copy()
    inputs[operand][(-1,) * inputs[operand].ndim] = bad
    got = core.KERNELS["whole_pass"](*inputs)
    assert np.all(np.isnan(got[0]))
    assert np.all(np.isnan(got[1]))
    assert got[2] == 0
    assert got[-1] == core.STATUS["input_not_finite"]
    assert twin(*inputs)[-1] == core.STATUS["input_not_finite"]


@pytest.mark.parametrize("place", [0, 1, 3, 7, 15])
def test_outcome_table_that_does_not_follow_from_its_single_clicks_is_refused(place: int) -> None:
    inputs = case(t=5)
    inputs[PATTERNS] = inputs[PATTERNS].copy()
    inputs[PATTERNS][0, place] = 6 if place else 1
    got = core.KERNELS["whole_pass"](*inputs)
    assert np.all(np.isnan(got[0]))
    assert got[2] == 0
    assert got[-1] == core.STATUS["input_not_finite"]


def test_two_detectors_that_say_the_same_are_refused() -> None:
    """X1 is wired as a second X0, in the whole table."""
    inputs = case(t=5)
    x0_of = (0, 1, 1, 1)
    inputs[PATTERNS] = np.array([[outcome(m & 3, x0_of[m >> 2]) for m in range(16)]])
    got = core.KERNELS["whole_pass"](*inputs)
    assert np.all(np.isnan(got[0]))
    assert got[2] == 0


def test_weights_that_sum_to_less_than_one_leave_out_a_part_alike_in_kernel_and_twin() -> None:
    inputs = case(e=3, receiver="two detectors")
    inputs[EMISSION], inputs[SENDER], inputs[RECEIVER] = 0.9 * inputs[EMISSION], 0.5 * inputs[SENDER], 0.7 * inputs[RECEIVER]
    agree(core.KERNELS["whole_pass"](*inputs), twin(*inputs))


@pytest.mark.parametrize("sizes", [{"u": 3}, {"v": 3}, {"j": 2}])
def test_sizes_that_do_not_fit_are_refused(sizes: dict[str, Any]) -> None:
    got = core.KERNELS["whole_pass"](*case(t=5, **sizes))
    assert np.all(np.isnan(got[0]))
    assert got[-1] == core.STATUS["input_not_finite"]


@pytest.mark.parametrize("basis", [-1, 2, 100])
def test_unknown_key_basis_has_no_key_and_says_so(basis: int) -> None:
    got = core.KERNELS["whole_pass"](*case(t=5, key_basis=(0, basis)))
    assert got[-1].tolist()[1] == core.STATUS["unknown_option"]
    assert got[2][1] == 0
    assert np.all(np.isfinite(got[0]))
