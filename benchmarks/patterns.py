"""Click patterns by the C core, against The Walrus, Strawberry Fields and batched NumPy, in one run on one core.

The case is a polarization-entangled source of two squeezers before two analysers: 4 threshold detectors and all their 16
patterns, every element of the batch another state; and two passive receivers, 8 detectors and 256 patterns. Goals on one
core: 10 million four-detector distributions a second for one Schmidt mode, 2 million for any number, 100,000 of eight.
Errors are against 80 digits, the largest over the patterns, at the transmissions named.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable

import mpmath
import numpy as np

from qphys import core
from qphys.core import patterns

Array = np.ndarray


def seconds(work: Callable[[], object], repeats: int = 15) -> float:
    """Return the shortest of some runs [s]."""
    work()
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def rotation(angle: float) -> Array:
    """Return an analyser's turn of H and V."""
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def arms(detectors: int, transmission: float) -> tuple[Array, Array]:
    """Return amplitudes of both receivers: an analyser, or behind a beam splitter two of them, 45 degrees apart."""
    angles = [0.0, np.pi / 4] if detectors == 4 else [0.0]
    signal = np.vstack([rotation(0.3 + angle) for angle in angles]) * [1, np.exp(0.7j)]
    idler = np.vstack([rotation(-0.5 + angle) for angle in angles]).astype(complex)
    loss = np.linspace(1, 0.8, detectors)[:, None] * transmission / len(angles)
    return np.sqrt(0.3 * loss) * signal, np.sqrt(0.5 * loss) * idler


def moments(n: Array, A: Array, B: Array) -> tuple[Array, Array]:
    """Return <a'a> and <aa> of the detectors' modes for mean numbers (..., 2)."""
    d = len(A)
    view = np.zeros((2 * d, 4), dtype=complex)
    view[:d, :2], view[d:, 2:] = A, B
    number, pair = np.zeros((*n.shape[:-1], 4, 4)), np.zeros((*n.shape[:-1], 4, 4))
    for i, j, p in ((0, 3, 0), (1, 2, 1)):
        number[..., i, i] = number[..., j, j] = n[..., p]
        pair[..., i, j] = pair[..., j, i] = np.sqrt(n[..., p] * (n[..., p] + 1))
    return view.conj() @ number @ view.T, view @ pair @ view.T


def quadratures(N: Array, M: Array) -> Array:
    """Return the covariance matrix (vacuum 1)."""
    symmetric = N + N.swapaxes(-1, -2)
    V = np.block([[symmetric.real + 2 * M.real, 2 * (N + M).imag], [2 * (M - N).imag, symmetric.real - 2 * M.real]])
    return V + np.eye(V.shape[-1])


def by_determinants(n: Array, A: Array, B: Array) -> Array:
    """Return the patterns by batched NumPy: a determinant a set, then inclusion and exclusion."""
    N, M = moments(n, A, B)
    d = len(A)
    gamma = np.block([[N[..., :d, :d], M[..., :d, d:].conj()], [M[..., d:, :d], N[..., d:, d:].swapaxes(-1, -2)]])
    every = 4**d - 1
    silence = np.ones((*n.shape[:-1], every + 1))
    for members in range(1, every + 1):
        rows = [j for j in range(2 * d) if members >> j & 1]
        silence[..., members] = 1 / np.linalg.det(np.eye(len(rows)) + gamma[..., rows, :][..., rows]).real
    value = silence[..., every ^ np.arange(every + 1)]
    for bit in (1 << j for j in range(2 * d)):
        at = np.arange(every + 1)[np.arange(every + 1) & bit > 0]
        value[..., at] = value[..., at] - value[..., at ^ bit]
    return value


def exact(n: Array, A: Array, B: Array) -> list[mpmath.mpf]:
    """Return the patterns of one state to 80 digits and more."""
    d = len(A)
    matrix = lambda m: mpmath.matrix([[mpmath.mpc(complex(v)) for v in row] for row in m])  # noqa: E731
    view = mpmath.matrix(2 * d, 4)
    view[:d, :2], view[d:, 2:] = matrix(A), matrix(B.conj())
    source = mpmath.matrix(4, 4)
    for i, j, p in ((0, 3, 0), (1, 2, 1)):
        mean = mpmath.mpf(float(n[p]))
        source[i, i] = source[j, j] = mean
        source[i, j] = source[j, i] = mpmath.sqrt(mean * (1 + mean))
    gamma = view * source * view.H
    every = 4**d - 1
    silence = [mpmath.mpf(1)]
    for members in range(1, every + 1):
        rows = [j for j in range(2 * d) if members >> j & 1]
        inner = mpmath.matrix([[gamma[i, j] + (i == j) for j in rows] for i in rows])
        silence.append(1 / mpmath.det(inner).real)
    value = [silence[every ^ clicks] for clicks in range(every + 1)]
    for bit in (1 << j for j in range(2 * d)):
        value = [v - value[at ^ bit] if at & bit else v for at, v in enumerate(value)]
    return value


def error(got: Array, expected: list[mpmath.mpf]) -> float:
    """Return the largest relative error of the patterns."""
    return max(abs(float((mpmath.mpf(float(g)) - e) / e)) for g, e in zip(got, expected, strict=True))


def line(name: str, a_second: float, errors: list[float]) -> None:
    """Print a line of a table."""
    print(f"{name:<44}{a_second:>14,.0f}" + "".join(f"{value:>10.1e}" for value in errors))


def ours(detectors: int, size: int) -> None:
    """Print what the kernels do, state construction included, every element of the batch another."""
    rng = np.random.default_rng(1)
    n = rng.uniform(0.02, 0.06, (size, 2))
    turn = np.exp(1j * rng.uniform(0, 2 * np.pi, (size, 1, 1)))
    dark = np.full(2 * detectors, 1e-7)
    name = f"{2 * detectors}"
    errors: dict[float, list[float]] = {1.0: []}
    gaussian_errors = []
    for transmission in (1.0, 1e-5):
        A, B = arms(detectors, transmission)
        with mpmath.workdps(110):
            expected = exact(n[0], A, B)
        none = np.zeros(2 * detectors)
        got, _ = patterns.pair_patterns(n[0], A, idler_amplitudes=B, schmidt_modes=1, dark_probabilities=none)
        errors[1.0].append(error(got, expected))
        N, M = moments(n[0], A, B)
        got, _ = patterns.gaussian_patterns(N, M, mean=none, copies=1, dark_probabilities=none)
        gaussian_errors.append(error(got, expected))
    A, B = arms(detectors, 0.1)
    rows = lambda m: np.ascontiguousarray(m, dtype=complex).view(float).reshape(len(m), -1)  # noqa: E731
    signal, idler = rows(A * turn), rows(B * np.ones((size, 1, 1)))
    out = (np.empty((size, 4**detectors)), np.empty(size, dtype=np.int8))
    for K in (1.0, 2.5, np.inf):
        kernel = core.KERNELS[f"pair_patterns_{name}"]
        t = seconds(lambda K=K, kernel=kernel: kernel(n, signal, idler, K, dark, out=out))
        line(f"qphys, pairs of {K:g} Schmidt modes", size / t, errors.get(K, []))
    N, M = moments(n, A, B)
    N, M, mean = rows(N), rows(M), np.zeros(4 * detectors)
    for label, alpha in (("", mean), (", displaced", mean + 0.1)):
        kernel = core.KERNELS[f"gaussian_patterns_{name}"]
        t = seconds(lambda alpha=alpha, kernel=kernel: kernel(N, M, alpha, 1.0, dark, out=out))
        line(f"qphys, any Gaussian state{label}", size / t, gaussian_errors if not label else [])
    if detectors == 4:
        table = np.arange(256) % 64
        out = (np.empty((size, 64)), np.empty(size, dtype=np.int8))
        kernel = core.KERNELS["pair_outcomes_8"]
        t = seconds(lambda: kernel(n, signal, idler, 1.0, dark, table.astype(np.int8), out=out))
        line("qphys, pairs, summed to 8 x 8 outcomes", size / t, [])


def others(detectors: int, numpy_size: int, walrus: bool) -> None:
    """Print what others do with the same state."""
    rng = np.random.default_rng(1)
    n = rng.uniform(0.02, 0.06, (numpy_size, 2))
    errors: dict[str, list[float]] = {"numpy": [], "walrus": []}
    every = range(4**detectors)
    for transmission in (1.0, 1e-5):
        A, B = arms(detectors, transmission)
        with mpmath.workdps(110):
            expected = exact(n[0], A, B)
        errors["numpy"].append(error(by_determinants(n[0], A, B), expected))
        if walrus:
            from thewalrus import threshold_detection_prob

            V = quadratures(*moments(n[0], A, B))
            digits = [[T >> j & 1 for j in range(2 * detectors)] for T in every]
            got = [threshold_detection_prob(np.zeros(len(V)), V, clicks, hbar=2) for clicks in digits]
            errors["walrus"].append(error(np.real(got), expected))
    A, B = arms(detectors, 0.1)
    t = seconds(lambda: by_determinants(n, A, B), 3)
    line("NumPy, batched determinants", numpy_size / t, errors["numpy"])
    if walrus:
        V, means = quadratures(*moments(n[0], A, B)), np.zeros(4 * detectors)
        t = seconds(lambda: [threshold_detection_prob(means, V, clicks, hbar=2) for clicks in digits], 3)
        line("The Walrus, threshold_detection_prob", 1 / t, errors["walrus"])


def strawberryfields() -> None:
    """Print what Strawberry Fields' circuit takes to the same covariance, its patterns by The Walrus."""
    try:
        from qphys.optics._strawberryfields import import_strawberryfields
    except ImportError:
        print("Strawberry Fields: not in this build")
        return
    from thewalrus import threshold_detection_prob

    sf = import_strawberryfields()
    digits = [[T >> j & 1 for j in range(4)] for T in range(16)]

    def circuit() -> object:
        program = sf.Program(4)
        with program.context as q:
            sf.ops.S2gate(0.2) | (q[0], q[3])
            sf.ops.S2gate(0.15, 0.7) | (q[1], q[2])
            sf.ops.BSgate(-0.3, 0) | (q[0], q[1])
            sf.ops.BSgate(0.5, 0) | (q[2], q[3])
            for mode in range(4):
                sf.ops.LossChannel(0.03) | q[mode]
        state = sf.Engine("gaussian").run(program).state
        return [threshold_detection_prob(state.means(), state.cov(), clicks, hbar=2) for clicks in digits]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        line("Strawberry Fields, circuit and The Walrus", 1 / seconds(circuit, 3), [])


def main(arguments: object = None) -> None:
    """Print both tables."""
    print(f"instruction set: {core.INSTRUCTION_SET}")
    print(f"{'4 detectors, 16 patterns':<44}{'a second':>14}{'err at 1':>10}{'at 1e-5':>10}")
    ours(2, 20_011)
    others(2, 4001, walrus=True)
    strawberryfields()
    print(f"\n{'8 detectors, 256 patterns':<44}{'a second':>14}{'err at 1':>10}{'at 1e-5':>10}")
    ours(4, 1009)
    others(4, 211, walrus=False)


if __name__ == "__main__":
    main()
