"""Click patterns. Oracles: mpmath at 80 digits by inclusion and exclusion over determinants (which cancels, but has the
digits to spare); the published vector of two squeezers; The Walrus and Strawberry Fields where they do not cancel; the
slow twins; laws on paper. Bounds on errors are about ten times what was measured."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

from qphys import core
from qphys.core import patterns
from qphys.core import reference_patterns as reference

Array = np.ndarray[Any, Any]
GOOD = core.STATUS["good"]

# ---- exact arithmetic ------------------------------------------------------------------------------------------------


def bits(pattern: int) -> list[int]:
    return [j for j in range(pattern.bit_length()) if pattern >> j & 1]


def exact(matrix: Array) -> Any:
    return mpmath.matrix([[mpmath.mpc(complex(v).real, complex(v).imag) for v in row] for row in matrix])


def select(matrix: Any, rows: list[int]) -> Any:
    return mpmath.matrix([[matrix[i, j] for j in rows] for i in rows])


def patterns_of_silence(silence: list[Any]) -> list[Any]:
    """Patterns from the probability of silence of every set, by the Moebius transform of the sets' complements."""
    every = len(silence) - 1
    value = [silence[every ^ clicks] for clicks in range(every + 1)]
    for bit in (1 << j for j in range(every.bit_length())):
        value = [v - value[at ^ bit] if at & bit else v for at, v in enumerate(value)]
    return value


def exact_pairs(n: Array, A: Array, B: Array, K: float, dark: Array) -> list[Any]:
    """Patterns of two squeezers with mean numbers n in all of K modes."""
    d, e = len(A), len(B)
    a, b = exact(A), exact(B)
    modes = mpmath.mpf(K)
    per_mode = [mpmath.mpf(v) / modes if mpmath.isfinite(modes) else mpmath.mpf(v) for v in n.tolist()]
    number = mpmath.diag([*per_mode, per_mode[1], per_mode[0]])
    pair = [mpmath.sqrt(v * (1 + v)) if mpmath.isfinite(modes) else mpmath.sqrt(v) for v in per_mode]
    source = number.copy()
    source[0, 3] = source[3, 0] = pair[0]
    source[1, 2] = source[2, 1] = pair[1]
    view = mpmath.matrix(d + e, 4)
    view[:d, :2] = a
    view[d:, 2:] = b.apply(mpmath.conj)
    gamma = view * source * view.H
    silence = []
    for members in range(2 ** (d + e)):
        rows = bits(members)
        if not rows:
            log_silence = mpmath.mpf(0)
        elif mpmath.isfinite(modes):
            log_silence = -modes * mpmath.log(mpmath.det(mpmath.eye(len(rows)) + select(gamma, rows)).real)
        else:
            log_silence = -sum(gamma[j, j].real for j in rows)
            log_silence += sum(abs(gamma[j, k]) ** 2 for j in rows for k in rows if j < d <= k)
        silence.append(mpmath.exp(log_silence) * mpmath.fprod(1 - mpmath.mpf(dark[j]) for j in rows))
    return patterns_of_silence(silence)


def exact_gaussian(N: Array, M: Array, mean: Array, copies: float, dark: Array) -> list[Any]:
    n = len(mean)
    number, anomalous, alpha = exact(N), exact(M), exact(mean[:, None])
    gamma = mpmath.matrix(2 * n, 2 * n)
    gamma[:n, :n], gamma[:n, n:] = number.T, anomalous
    gamma[n:, :n], gamma[n:, n:] = anomalous.apply(mpmath.conj), number
    silence = []
    for members in range(2**n):
        rows = bits(members) + [n + j for j in bits(members)]
        if not rows:
            silence.append(mpmath.mpf(1))
            continue
        matrix = mpmath.eye(len(rows)) + select(gamma, rows)
        zeta = mpmath.matrix([alpha[j] if j < n else mpmath.conj(alpha[j - n]) for j in rows])
        exponent = (zeta.H * mpmath.lu_solve(matrix, zeta))[0].real / 2
        one = mpmath.exp(-mpmath.log(mpmath.det(matrix).real) / 2 - exponent)
        silence.append(one ** mpmath.mpf(copies) * mpmath.fprod(1 - mpmath.mpf(dark[j]) for j in bits(members)))
    return patterns_of_silence(silence)


def largest_relative_error(got: Array, expected: list[Any], above: float = 0.0) -> float:
    return max(abs(float((mpmath.mpf(g) - e) / e)) for g, e in zip(got.tolist(), expected, strict=True) if e > above)


# ---- cases -----------------------------------------------------------------------------------------------------------


def unitary(rng: np.random.Generator, size: int) -> Array:
    q, r = np.linalg.qr(rng.normal(size=(size, size)) + 1j * rng.normal(size=(size, size)))
    return q * (np.diag(r) / abs(np.diag(r)))


def arm(rng: np.random.Generator, detectors: int, transmission: float) -> Array:
    """Amplitudes of a passive receiver: random optics on two polarizations, unequal efficiencies."""
    optics = unitary(rng, max(detectors, 2))[:detectors, :2]
    return np.sqrt(transmission * rng.uniform(0.4, 1, (detectors, 1))) * optics


def rotation(angle: float) -> Array:
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def published(transmission: float = 1.0) -> tuple[Array, Array, Array]:
    """The two squeezers of the published vector."""
    signal = np.sqrt(transmission * np.array([[0.3], [0.25]])) * rotation(0.3) * [1, np.exp(0.7j)]
    idler = np.sqrt(transmission * np.array([[0.5], [0.45]])) * rotation(-0.5)
    return np.sinh([0.2, 0.15]) ** 2, signal, idler


#: 50-digit arithmetic, confirmed by Strawberry Fields to 5e-11; detectors of signal, then idler, from left to right.
PUBLISHED = {
    "0000": 0.9619539139765,
    "0001": 1.09521989313e-2,
    "0010": 9.4735337649864e-3,
    "0011": 1.1324226181031e-4,
    "0100": 2.9004793066069e-3,
    "0101": 2.5222404138533e-4,
    "0110": 2.7637592704857e-3,
    "0111": 3.304029612359e-5,
    "1000": 6.012141076354e-3,
    "1001": 4.6816915007131e-3,
    "1010": 7.2492957952108e-4,
    "1011": 6.7416344667383e-5,
    "1100": 1.8558599016537e-5,
    "1101": 1.7687481992116e-5,
    "1110": 2.3817511325643e-5,
    "1111": 1.1366057209984e-5,
}
PUBLISHED_FAR = {"0110": 2.9340687032777e-13, "0111": 4.8083323628244e-20, "1111": 1.2558154128045e-25}


def gaussian_of_pairs(n: Array, A: Array, B: Array) -> tuple[Array, Array]:
    """Normal-ordered moments of two squeezers behind amplitudes, each in one mode."""
    view = np.zeros((len(A) + len(B), 4), dtype=complex)
    view[: len(A), :2], view[len(A) :, 2:] = A, B
    pair = np.sqrt(n * (n + 1))
    source = np.zeros((4, 4))
    source[0, 3] = source[3, 0] = pair[0]
    source[1, 2] = source[2, 1] = pair[1]
    anomalous = view @ source @ view.T
    return view.conj() @ np.diag([*n, n[1], n[0]]) @ view.T, (anomalous + anomalous.T) / 2


def gaussian_of_optics(rng: np.random.Generator, detectors: int, transmission: float) -> tuple[Array, Array, Array]:
    """A random Gaussian state: squeezed and thermal modes, displaced, through random optics and losses."""
    squeezing, thermal = rng.uniform(0.05, 0.6, detectors), rng.uniform(0, 0.2, detectors)
    number = np.diag((thermal + 0.5) * np.cosh(2 * squeezing) - 0.5)
    anomalous = np.diag((thermal + 0.5) * np.sinh(2 * squeezing))
    optics = np.sqrt(transmission * rng.uniform(0.3, 1, (detectors, 1))) * unitary(rng, detectors)
    M = optics @ anomalous @ optics.T
    N = optics.conj() @ number @ optics.T
    mean = np.sqrt(transmission) * 0.3 * (rng.normal(size=detectors) + 1j * rng.normal(size=detectors))
    return (N + N.conj().T) / 2, (M + M.T) / 2, mean


# ---- pairs of two squeezers ------------------------------------------------------------------------------------------


def pairs(n: Array, A: Array, B: Array, K: Any = 1.0, dark: Any = None) -> Array:
    dark = np.zeros(A.shape[-2] + B.shape[-2]) if dark is None else dark
    probability, status = patterns.pair_patterns(n, A, idler_amplitudes=B, schmidt_modes=K, dark_probabilities=dark)
    assert not status.any()
    return probability


def index(text: str) -> int:
    return int(text[::-1], 2)


def test_published_vector_comes_out_to_its_last_digit() -> None:
    got = pairs(*published())
    for text, value in PUBLISHED.items():
        assert got[index(text)] == pytest.approx(value, rel=5e-13, abs=0), text


def test_published_patterns_of_a_dual_downlink_come_out_to_their_last_digit() -> None:
    got = pairs(*published(1e-5))
    for text, value in PUBLISHED_FAR.items():
        assert got[index(text)] == pytest.approx(value, rel=1e-13, abs=0), text


@pytest.mark.parametrize("dark", [0.0, 1e-6])
@pytest.mark.parametrize("K", [1.0, 2.5, 1e3, 1e6, np.inf])
@pytest.mark.parametrize("transmission", [1.0, 0.1, 1e-3, 1e-5, 1e-6])
def test_pair_patterns_keep_their_relative_precision(transmission: float, K: float, dark: float) -> None:
    rng = np.random.default_rng(int(-np.log10(transmission)) + 17)
    A, B = arm(rng, 2, transmission), arm(rng, 2, transmission)
    n = rng.uniform(0.002, 0.1, 2)
    noise = dark * rng.uniform(0.5, 2, 4)
    with mpmath.workdps(80):
        assert largest_relative_error(pairs(n, A, B, K, noise), exact_pairs(n, A, B, K, noise)) < 1e-13


@pytest.mark.parametrize(("transmission", "K"), [(1.0, 1.0), (1e-2, 2.5), (1e-5, 1.0), (1e-5, 1e6), (1e-6, np.inf)])
def test_patterns_of_two_passive_receivers_keep_their_relative_precision(transmission: float, K: float) -> None:
    rng = np.random.default_rng(3)
    A, B = arm(rng, 4, transmission), arm(rng, 4, transmission)
    n, noise = np.array([0.05, 0.03]), 1e-7 * rng.uniform(0.5, 2, 8)
    with mpmath.workdps(110):
        expected = exact_pairs(n, A, B, K, noise)
    assert largest_relative_error(pairs(n, A, B, K, noise), expected) < 5e-13


def test_bright_light_keeps_the_precision_of_silence() -> None:
    # at 40 photons a detector silence has 1e-6: differences of clicks from 1 would lose ten digits
    rng = np.random.default_rng(5)
    A, B, n = arm(rng, 2, 0.3), arm(rng, 2, 0.3), np.array([300.0, 150.0])
    for K in (1.0, 2.5):
        with mpmath.workdps(80):
            assert largest_relative_error(pairs(n, A, B, K), exact_pairs(n, A, B, K, np.zeros(4))) < 1e-10


@pytest.mark.parametrize("K", [1.0, 1.7, np.inf])
def test_patterns_add_to_one(K: float) -> None:
    rng = np.random.default_rng(11)
    batch = [(rng.uniform(0, 2, 2), arm(rng, 2, rng.uniform()), arm(rng, 2, rng.uniform())) for _ in range(211)]
    n, A, B = (np.array(part) for part in zip(*batch, strict=True))
    np.testing.assert_allclose(pairs(n, A, B, K).sum(axis=-1), 1, rtol=0, atol=1e-14)


def test_one_squeezer_before_perfect_detectors_clicks_in_pairs() -> None:
    # P(both) = n/(1 + n), P(one alone) = 0
    got = pairs(np.array([0.3, 0.0]), np.eye(2, dtype=complex), np.eye(2, dtype=complex))
    np.testing.assert_allclose(got[[0, 0b1001]], [1 / 1.3, 0.3 / 1.3], rtol=1e-15)
    assert np.delete(got, [0, 0b1001]).max() < 1e-16


def test_schmidt_modes_of_equal_brightness_are_the_kernel_s_k() -> None:
    n, A, B = published(1e-3)
    one, _ = patterns.pair_cumulants(n / 3, A, idler_amplitudes=B, schmidt_modes=1)
    added, _ = patterns.cumulant_patterns(3 * one, dark_probabilities=np.zeros(4))
    np.testing.assert_allclose(added, pairs(n, A, B, 3.0), rtol=1e-12)


def test_unequal_schmidt_modes_add() -> None:
    _, A, B = published(1e-4)
    modes = np.array([[0.03, 0.02], [0.01, 0.004], [0.002, 0.001]])
    kappa, _ = patterns.pair_cumulants(modes, A, idler_amplitudes=B, schmidt_modes=1)
    got, _ = patterns.cumulant_patterns(kappa.sum(axis=0), dark_probabilities=np.zeros(4))
    with mpmath.workdps(80):
        each = [exact_pairs(n, A, B, 1.0, np.zeros(4)) for n in modes]
        silence = [
            mpmath.fprod(mpmath.fsum(mode[T] for T in range(16) if not T & members) for mode in each)
            for members in range(16)
        ]
        assert largest_relative_error(got, patterns_of_silence(silence)) < 1e-11


def test_lanes_of_one_mode_have_the_same_bits_beside_any_other() -> None:
    n, A, B = published(1e-4)
    alone = pairs(n, A, B, 1.0)
    for size in (2, 7, 8, 9, 131):
        K = np.where(np.arange(size) % 3 == 1, 1.0, 2.5)
        np.testing.assert_array_equal(pairs(n, A, B, K)[1::3], np.broadcast_to(alone, (len(K[1::3]), 16)))


def test_a_pair_source_is_poissonian_in_the_limit_as_1_over_k() -> None:
    n, A, B = published(1e-2)
    limit = pairs(n, A, B, np.inf)
    distance = [abs(pairs(n, A, B, K) / limit - 1).max() for K in (1e3, 1e4, 1e5)]
    assert distance[0] / distance[1] == pytest.approx(10, rel=0.01)
    assert distance[1] / distance[2] == pytest.approx(10, rel=0.01)


def test_arms_of_other_sizes_are_those_with_blind_detectors() -> None:
    rng = np.random.default_rng(2)
    n, A, B = np.array([0.1, 0.2]), arm(rng, 4, 0.5), arm(rng, 2, 0.5)
    got = pairs(n, A[:3], B[:1], 1.0, np.full(4, 1e-3))
    with mpmath.workdps(60):
        assert largest_relative_error(got, exact_pairs(n, A[:3], B[:1], 1.0, np.full(4, 1e-3))) < 1e-11


def test_outcomes_are_patterns_summed_by_the_table() -> None:
    rng = np.random.default_rng(19)
    n, A, B = rng.uniform(0, 0.1, (13, 2)), arm(rng, 4, 1e-3), arm(rng, 4, 1e-3)
    table, dark = rng.integers(0, 64, 256), np.full(8, 1e-6)
    got, status = patterns.pair_outcomes(
        n, A, idler_amplitudes=B, schmidt_modes=1, dark_probabilities=dark, outcome_of_pattern=table
    )
    every = pairs(n, A, B, 1.0, dark)
    expected = np.stack([every[:, table == o].sum(axis=-1) for o in range(64)], axis=-1)
    assert not status.any()
    np.testing.assert_allclose(got, expected, rtol=1e-13)
    kappa, _ = patterns.pair_cumulants(n, A, idler_amplitudes=B, schmidt_modes=1)
    again, _ = patterns.cumulant_outcomes(kappa, dark_probabilities=dark, outcome_of_pattern=table)
    np.testing.assert_allclose(again, expected, rtol=1e-11)


# ---- density matrices, background ------------------------------------------------------------------------------------


def random_state(rng: np.random.Generator, rank: int = 4) -> Array:
    root = rng.normal(size=(4, rank)) + 1j * rng.normal(size=(4, rank))
    rho = root @ root.conj().T
    return np.asarray((rho + rho.conj().T) / (2 * np.trace(rho).real))


@pytest.mark.parametrize("detectors", [2, 4])
@pytest.mark.parametrize("transmission", [1.0, 1e-3, 1e-6])
def test_poisson_pairs_of_a_density_matrix_keep_their_relative_precision(transmission: float, detectors: int) -> None:
    rng = np.random.default_rng(29)
    A, B, mu, rho = arm(rng, detectors, transmission), arm(rng, detectors, transmission), 0.07, random_state(rng)
    kappa, status = patterns.poisson_pair_cumulants(mu, rho, signal_amplitudes=A, idler_amplitudes=B)
    sky = patterns.background_cumulants(np.full(2 * detectors, 1e-8), modes=np.inf)
    got, again = patterns.cumulant_patterns(kappa + sky, dark_probabilities=np.full(2 * detectors, 1e-9))
    assert not status and not again
    with mpmath.workdps(110):
        state, a, b = exact(rho), exact(A), exact(B)

        def seen(rows: list[int], view: Any) -> Any:
            total = mpmath.zeros(2, 2)
            for j in rows:
                total += mpmath.matrix([[mpmath.conj(view[j, p]) * view[j, q] for q in range(2)] for p in range(2)])
            return total

        silence = []
        for members in range(4**detectors):
            blind = [
                mpmath.eye(2) - seen(bits(members & 2**detectors - 1), a),
                mpmath.eye(2) - seen(bits(members >> detectors), b),
            ]
            unseen = mpmath.fsum(
                (state[r, q] * blind[0][q // 2, r // 2] * blind[1][q % 2, r % 2]).real for q in range(4) for r in range(4)
            )
            clicks = members.bit_count()
            dark = (1 - mpmath.mpf(1e-9)) ** clicks * mpmath.exp(-clicks * mpmath.mpf(1e-8))
            trace = mpmath.fsum(state[q, q].real for q in range(4))
            silence.append(mpmath.exp(-mpmath.mpf(mu) * (trace - unseen)) * dark)
        expected = patterns_of_silence(silence)
    assert largest_relative_error(got, expected) < 1e-11


def test_poisson_pairs_of_a_pure_state_are_squeezers_of_many_modes() -> None:
    rng = np.random.default_rng(31)
    A, B, n, phase = arm(rng, 2, 0.2), arm(rng, 2, 0.1), np.array([0.02, 0.05]), np.exp(0.4j)
    psi = np.array([0, np.sqrt(n[0]), phase * np.sqrt(n[1]), 0]) / np.sqrt(n.sum())
    kappa, _ = patterns.poisson_pair_cumulants(n.sum(), np.outer(psi, psi.conj()), signal_amplitudes=A, idler_amplitudes=B)
    got, _ = patterns.cumulant_patterns(kappa, dark_probabilities=np.zeros(4))
    np.testing.assert_allclose(got, pairs(n, A * [1, phase], B, np.inf), rtol=1e-12)


@pytest.mark.parametrize("modes", [1.0, 3.0, 1e9, np.inf])
def test_background_clicks_by_its_photon_statistics(modes: float) -> None:
    n = np.array([1e-12, 0.3, 2.0, 0.0])
    kappa = patterns.background_cumulants(n, modes=modes)
    got, _ = patterns.cumulant_patterns(kappa, dark_probabilities=np.zeros(4))
    silent = np.exp(-n) if np.isinf(modes) else (1 + n / modes) ** -modes
    assert got[0b0000] == pytest.approx(silent.prod(), rel=1e-6 if modes == 1e9 else 1e-13)
    assert got[0b0001] == pytest.approx(1e-12 * silent[1:].prod(), rel=1e-6 if modes == 1e9 else 1e-11)


def test_silence_before_bright_light_keeps_its_relative_precision() -> None:
    # exp(-30) is not 1 - P(click): that would leave three digits
    n = np.array([30.0, 35.0, 0.1, 20.0])
    got, _ = patterns.cumulant_patterns(patterns.background_cumulants(n, modes=np.inf), dark_probabilities=np.zeros(4))
    expected = [np.prod([-np.expm1(-n[j]) if T >> j & 1 else np.exp(-n[j]) for j in range(4)]) for T in range(16)]
    np.testing.assert_allclose(got, expected, rtol=1e-13)


# ---- Gaussian states -------------------------------------------------------------------------------------------------


def gaussian(N: Array, M: Array, mean: Array, copies: float = 1.0, dark: Any = None) -> Array:
    dark = np.zeros(mean.shape[-1]) if dark is None else dark
    probability, status = patterns.gaussian_patterns(N, M, mean=mean, copies=copies, dark_probabilities=dark)
    assert not status.any()
    return probability


@pytest.mark.parametrize("copies", [1.0, 2.5, 1e3])
@pytest.mark.parametrize("transmission", [1.0, 0.1, 1e-3, 1e-6])
def test_gaussian_patterns_of_four_detectors_keep_their_relative_precision(transmission: float, copies: float) -> None:
    rng = np.random.default_rng(37)
    N, M, mean = gaussian_of_optics(rng, 4, transmission)
    N, M, mean = N / copies, M / np.sqrt(copies) * 0.2 if copies > 1 else M, mean / np.sqrt(copies)
    noise = 1e-7 * rng.uniform(0.5, 2, 4)
    with mpmath.workdps(80):
        expected = exact_gaussian(N, M, mean, copies, noise)
    assert largest_relative_error(gaussian(N, M, mean, copies, noise), expected) < 1e-13


SLOW_EIGHT = [pytest.param(8, t, marks=pytest.mark.slow) for t in (1.0, 1e-3, 1e-5)]


@pytest.mark.parametrize(("detectors", "transmission"), [(5, 1.0), (6, 1e-4), *SLOW_EIGHT])
def test_gaussian_patterns_of_many_detectors_keep_their_relative_precision(detectors: int, transmission: float) -> None:
    N, M, mean = gaussian_of_optics(np.random.default_rng(41), detectors, transmission)
    with mpmath.workdps(90):
        expected = exact_gaussian(N, M, mean, 1.0, np.zeros(detectors))
    assert largest_relative_error(gaussian(N, M, mean), expected) < 1e-12


@pytest.mark.parametrize("detectors", [2, 4])
@pytest.mark.parametrize("transmission", [1.0, 1e-5])
def test_gaussian_route_and_route_of_pairs_agree(transmission: float, detectors: int) -> None:
    rng = np.random.default_rng(43)
    n, A, B = np.array([0.04, 0.07]), arm(rng, detectors, transmission), arm(rng, detectors, transmission)
    N, M = gaussian_of_pairs(n, A, B)
    np.testing.assert_allclose(gaussian(N, M, np.zeros(2 * detectors)), pairs(n, A, B), rtol=1e-11)


def test_coherent_light_clicks_independently() -> None:
    mean = np.array([0.1, 1e-6j, 0.5 - 0.2j, 2.0])
    zero = np.zeros((4, 4))
    click = -np.expm1(-(abs(mean) ** 2))
    expected = [np.prod([click[j] if T >> j & 1 else 1 - click[j] for j in range(4)]) for T in range(16)]
    np.testing.assert_allclose(gaussian(zero, zero, mean), expected, rtol=1e-13)


def test_fewer_detectors_than_four_are_those_with_blind_ones() -> None:
    rng = np.random.default_rng(47)
    N, M, mean = gaussian_of_optics(rng, 4, 0.3)
    whole = gaussian(N, M, mean)
    got = gaussian(N[:3, :3], M[:3, :3], mean[:3])
    np.testing.assert_allclose(got, whole[:8] + whole[8:], rtol=1e-13)


# ---- other programs --------------------------------------------------------------------------------------------------


def covariance_of_circuit(n: Array, signal_angle: float, idler_angle: float, phase: float) -> tuple[Array, Array]:
    """Strawberry Fields' covariance of two squeezers behind analysers; modes sH sV iH iV."""
    module = pytest.importorskip("qphys.optics._strawberryfields")
    sf = module.import_strawberryfields()
    r = np.arcsinh(np.sqrt(n))
    program = sf.Program(4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with program.context as q:
            sf.ops.S2gate(r[0]) | (q[0], q[3])
            sf.ops.S2gate(r[1], phase) | (q[1], q[2])
            for first, angle in ((0, signal_angle), (2, idler_angle)):
                sf.ops.BSgate(-angle, 0) | (q[first], q[first + 1])
            for mode, transmission in enumerate((0.3, 0.25, 0.5, 0.45)):
                sf.ops.LossChannel(transmission) | q[mode]
        state = sf.Engine("gaussian").run(program).state
    return np.asarray(state.cov()), np.asarray(state.means())


def overlaps_with_vacuum(V: Array, means: Array) -> list[float]:
    """Probability of silence of every set of modes, from Gaussian Wigner functions (vacuum 1)."""
    n = len(means) // 2
    silence = []
    for members in range(2**n):
        some = [j + k for k in (0, n) for j in bits(members)]
        both, m = V[np.ix_(some, some)] + np.eye(len(some)), means[some]
        silence.append(np.exp(-m @ np.linalg.solve(both, m) / 2) / np.sqrt(np.linalg.det(both / 2)))
    return silence


def test_patterns_agree_with_the_circuit_in_strawberry_fields() -> None:
    n, A, B = published()
    cov, mean = covariance_of_circuit(n, 0.3, -0.5, 0.7)
    expected = patterns_of_silence(overlaps_with_vacuum(cov, mean))
    np.testing.assert_allclose(gaussian(*patterns.moments_from_covariance(cov, mean)), expected, rtol=1e-9)
    np.testing.assert_allclose(pairs(n, A, B), expected, rtol=1e-9)


@pytest.mark.slow  # its compilation takes 15 s
def test_patterns_agree_with_the_walrus() -> None:
    threshold = pytest.importorskip("thewalrus").threshold_detection_prob
    cases = [(*gaussian_of_pairs(*published()), np.zeros(4)), gaussian_of_optics(np.random.default_rng(53), 3, 0.5)]
    for N, M, mean in cases:
        V, means = quadratures(N, M, mean)
        walrus = [threshold(means, V, [T >> j & 1 for j in range(len(mean))], hbar=2) for T in range(2 ** len(mean))]
        np.testing.assert_allclose(gaussian(N, M, mean), walrus, rtol=1e-9)


def quadratures(N: Array, M: Array, mean: Array) -> tuple[Array, Array]:
    """Covariance and means in The Walrus's order and units (vacuum 1)."""
    V = np.block([[(N + N.T).real + 2 * M.real, 2 * (N + M).imag], [2 * (M - N).imag, (N + N.T).real - 2 * M.real]])
    return V + np.eye(2 * len(mean)), 2 * np.concatenate([mean.real, mean.imag])


def test_covariance_of_a_displaced_state_gives_its_patterns() -> None:
    N, M, mean = gaussian_of_optics(np.random.default_rng(53), 3, 0.5)
    V, means = quadratures(N, M, mean)
    back = patterns.moments_from_covariance(V, means)
    for got, expected in zip(back, (N, M, mean), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-15)
    np.testing.assert_allclose(gaussian(*back), patterns_of_silence(overlaps_with_vacuum(V, means)), rtol=1e-11)


def test_a_covariance_has_lost_the_digits_of_faint_light() -> None:
    # what the docstring of moments_from_covariance says of 1e-5
    n, A, B = published(1e-5)
    N, M = gaussian_of_pairs(n, A, B)
    back = patterns.moments_from_covariance(*quadratures(N, M, np.zeros(4)))
    error = abs(gaussian(*back) / gaussian(N, M, np.zeros(4)) - 1).max()
    assert 1e-12 < error < 1e-7


# ---- twins, bits, inputs ---------------------------------------------------------------------------------------------


def rows(matrix: Array) -> Array:
    return np.ascontiguousarray(matrix, dtype=complex).view(float).reshape(*matrix.shape[:-2], -1)


def raw_inputs(name: str, size: int, seed: int = 59) -> list[Array]:
    """A batch of inputs of a kernel, a prime number of them."""
    rng = np.random.default_rng(seed)
    count = 11
    d = size // 2
    n = rng.uniform(0, 0.3, (count, 2))
    A = rows(np.array([arm(rng, d, t) for t in 10.0 ** -rng.uniform(0, 5, count)]))
    B = rows(np.array([arm(rng, d, t) for t in 10.0 ** -rng.uniform(0, 5, count)]))
    K = np.array([1.0, 2.5, np.inf, 1e3, 1.0, 1.0, 7.0, 1e6, np.inf, 2.0, 1.0])
    dark = 10.0 ** -rng.uniform(2, 9, (count, size))
    table = rng.integers(0, 64, (count, 2**size)).astype(np.int8)
    if name.startswith("gaussian"):
        parts = [gaussian_of_optics(rng, size, t) for t in 10.0 ** -rng.uniform(0, 4, count)]
        N, M, mean = (np.array(part) for part in zip(*parts, strict=True))
        inputs = [rows(N), rows(M), np.ascontiguousarray(mean).view(float), rng.uniform(1, 4, count)]
        return [*inputs, dark] if "patterns" in name else inputs
    if name.startswith("poisson"):
        return [n.sum(axis=1), rows(np.array([random_state(rng) for _ in range(count)])), A, B]
    if name.startswith("cumulant"):
        kappa = core.KERNELS[f"pair_cumulants_{size}"](n, A, B, K)[0]
        return [kappa, dark, table] if "outcomes" in name else [kappa, dark]
    return {
        "pair_patterns": [n, A, B, K, dark],
        "pair_outcomes": [n, A, B, K, dark, table],
        "pair_cumulants": [n, A, B, K],
    }[name]


KERNELS = [
    ("pair_patterns", 4),
    ("pair_cumulants", 4),
    ("poisson_pair_cumulants", 4),
    ("gaussian_cumulants", 4),
    ("gaussian_patterns", 4),
    ("cumulant_patterns", 4),
    ("pair_patterns", 8),
    ("pair_outcomes", 8),
    ("pair_cumulants", 8),
    ("poisson_pair_cumulants", 8),
    ("gaussian_patterns", 8),
    ("gaussian_cumulants", 8),
    ("cumulant_patterns", 8),
    ("cumulant_outcomes", 8),
]


@pytest.mark.parametrize(("name", "size"), [pair for pair in KERNELS if pair[1] == 4 and pair[0] != "gaussian_patterns"])
def test_kernels_agree_with_their_slow_twins(name: str, size: int) -> None:
    inputs = raw_inputs(name, size)
    got, status = core.KERNELS[f"{name}_{size}"](*inputs)
    expected, expected_status = getattr(reference, name)(*inputs)
    np.testing.assert_array_equal(status, expected_status)
    np.testing.assert_allclose(got, expected, rtol=1e-9)


def test_outcomes_agree_with_their_slow_twin() -> None:
    inputs = [v[:1] for v in raw_inputs("pair_outcomes", 8)]
    got, status = core.KERNELS["pair_outcomes_8"](*inputs)
    expected, expected_status = reference.pair_outcomes(*inputs)
    np.testing.assert_array_equal(status, expected_status)
    np.testing.assert_allclose(got, expected, rtol=1e-9)


@pytest.mark.parametrize(("name", "size"), KERNELS)
def test_kernels_give_equal_bits_on_every_instruction_set_and_in_every_chunk(name: str, size: int) -> None:
    inputs = raw_inputs(name, size)
    whole = core.kernels("baseline")[f"{name}_{size}"](*inputs)
    assert not whole[1].any()
    for level in core.instruction_sets():
        kernel = core.kernels(level)[f"{name}_{size}"]
        for first, last in [(0, 11), (0, 8), (3, 11), (5, 6), (2, 9)]:
            for got, expected in zip(kernel(*[v[first:last] for v in inputs]), whole, strict=True):
                np.testing.assert_array_equal(got, expected[first:last])


@pytest.mark.parametrize(("name", "size"), KERNELS)
def test_kernels_keep_the_shape_of_the_batch_and_broadcast(name: str, size: int) -> None:
    kernel = core.KERNELS[f"{name}_{size}"]
    inputs = [v[0] for v in raw_inputs(name, size)]
    whole = kernel(*inputs)
    for shape in [(0,), (1,), (3, 0), (2, 3)]:
        first = np.broadcast_to(inputs[0], (*shape, *np.shape(inputs[0])))
        probability, status = kernel(first, *inputs[1:])
        assert status.shape == shape and probability.shape == (*shape, whole[0].shape[-1])
        np.testing.assert_array_equal(probability, np.broadcast_to(whole[0], probability.shape))


@pytest.mark.parametrize(("name", "size"), KERNELS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_inputs_that_are_not_finite_end_as_nan_with_a_status(name: str, size: int, bad: float) -> None:
    kernel = core.KERNELS[f"{name}_{size}"]
    for which, value in enumerate(raw_inputs(name, size)):
        if value.dtype != float or (np.isposinf(bad) and name.startswith("pair") and which == 3):
            continue
        inputs = raw_inputs(name, size)
        inputs[which] = value.copy()
        inputs[which][4, ...] = bad
        probability, status = kernel(*inputs)
        assert np.isnan(probability[4]).all() and np.isfinite(np.delete(probability, 4, axis=0)).all()
        expected = "impossible_state_of_light" if name.startswith("pair") and which == 3 and bad < 0 else "input_not_finite"
        assert status[4] == core.STATUS[expected] and not np.delete(status, 4).any()


def spoil(inputs: list[Array], which: int, at: tuple[int, ...], value: float) -> list[Array]:
    spoilt = [v.copy() for v in inputs]
    spoilt[which][(4, *at)] = value
    return spoilt


@pytest.mark.parametrize(
    ("name", "which", "at", "value", "meaning"),
    [
        ("pair_patterns_4", 0, (0,), -1e-3, "impossible_state_of_light"),
        ("pair_patterns_4", 0, (1,), 1e13, "impossible_state_of_light"),
        ("pair_patterns_4", 1, (0,), 1.001, "impossible_probabilities"),
        ("pair_patterns_4", 2, (3,), -1.5, "impossible_probabilities"),
        ("pair_patterns_4", 3, (), 0.5, "impossible_state_of_light"),
        ("pair_patterns_4", 4, (2,), -1e-9, "impossible_probabilities"),
        ("pair_patterns_4", 4, (2,), 1.1, "impossible_probabilities"),
        ("pair_outcomes_8", 5, (17,), 64, "unknown_option"),
        ("pair_outcomes_8", 5, (17,), -1, "unknown_option"),
        ("gaussian_patterns_4", 0, (0,), -0.1, "impossible_state_of_light"),
        ("gaussian_patterns_4", 0, (2,), 5.0, "impossible_state_of_light"),
        ("gaussian_patterns_4", 1, (0,), 5.0, "impossible_state_of_light"),
        ("gaussian_patterns_4", 3, (), 0.9, "impossible_state_of_light"),
        ("poisson_pair_cumulants_4", 0, (), -0.1, "impossible_state_of_light"),
        ("poisson_pair_cumulants_4", 1, (0,), 2.0, "impossible_state_of_light"),
        ("poisson_pair_cumulants_4", 1, (2,), 0.9, "impossible_state_of_light"),
        ("cumulant_patterns_4", 0, (1,), 0.5, "impossible_state_of_light"),
        ("cumulant_patterns_4", 0, (3,), 3.0, "impossible_state_of_light"),
    ],
)
def test_impossible_inputs_end_as_nan_with_a_status(
    name: str, which: int, at: tuple[int, ...], value: float, meaning: str
) -> None:
    inputs = spoil(raw_inputs(name[:-2], int(name[-1])), which, at, value)
    probability, status = core.KERNELS[name](*inputs)
    assert np.isnan(probability[4]).all() and status[4] == core.STATUS[meaning]
    assert np.isfinite(np.delete(probability, 4, axis=0)).all() and not np.delete(status, 4).any()
    twin: Callable[..., Any] | None = getattr(reference, name[:-2], None)
    if twin is not None and name.endswith("4"):
        assert twin(*[v[4] for v in inputs])[1] == core.STATUS[meaning]


@pytest.mark.parametrize(
    "call",
    [
        lambda: patterns.pair_patterns(
            [1, 1], np.eye(3), idler_amplitudes=np.eye(2), schmidt_modes=1, dark_probabilities=[0] * 4
        ),
        lambda: patterns.pair_patterns(
            [1, 1], np.eye(2), idler_amplitudes=np.eye(2), schmidt_modes=1, dark_probabilities=[0] * 3
        ),
        lambda: patterns.pair_cumulants([1, 1], np.eye(2), idler_amplitudes=np.eye(2)[:1], schmidt_modes=1),
        lambda: patterns.gaussian_patterns(np.eye(4), np.eye(3), mean=np.zeros(4), copies=1, dark_probabilities=np.zeros(4)),
        lambda: patterns.gaussian_patterns(np.eye(9), np.eye(9), mean=np.zeros(9), copies=1, dark_probabilities=np.zeros(9)),
        lambda: patterns.cumulant_patterns(np.zeros(15), dark_probabilities=np.zeros(4)),
        lambda: patterns.moments_from_covariance(np.eye(3), np.zeros(3)),
    ],
)
def test_shapes_that_do_not_fit_are_refused(call: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="shape|detectors"):
        call()
