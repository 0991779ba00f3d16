r"""Key rates of any protocol by convex optimisation: a lower bound that holds whatever the solver returned.

A protocol is a state of Alice and Bob that nobody knows, linear constraints on it, and the map that makes Alice's key. Eve's
ignorance of the key is a convex function of the state. A solver finds its minimum; a tangent plane, evaluated in 60 digits,
proves a number below it. Only the second one makes a key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Matrix = NDArray[np.complex128]
Status = Literal["good", "inconsistent_statistics", "solver_failed"]

ROUNDING: Final = 1e-14
"""Every constraint is widened by this before the proof: more than the rounding of operators and of given numbers [1]."""

INCONSISTENT: Final = 1e-6
"""Misfit of a constraint from which on the statistics are called inconsistent, a kept trial [1]: with loss,
probabilities are small and must agree the better. Solvers leave about 1e-12."""

EDGE: Final = 1e-9
"""Distance from an observable's extreme value below which the solver works on the face of that value."""

CLOSEST: Final = 1e-13
"""The same where no state of that face has the statistics, as with rare events that are known well."""

STOPPED: Final = 1e-6
"""Misfit below which a search that found no state is taken to have stopped short, and is repeated [1]."""

FLATTENED: Final = 1e-10
"""Least weight of a direction in the coordinates of that second search [1]."""

PENALTIES: Final = (1e3, 1e5, 1e7)
"""Multipliers tried for the observables of the face; each gives a valid bound, the best is kept."""

MIXTURES: Final = (1e-10, 1e-14, 1e-12, 1e-16, 1e-8, 1e-6)
"""Parts of the maximally mixed state in the point of tangency; each gives a valid bound, the best is kept."""

CLOSE: Final = 1e-9
"""Gap to the solver's value that needs no further attempt [bit]."""

DIGITS: Final = 60
FLOOR: Final = 1e-30
"""Added to the argument of the logarithms, so that they exist without any decision about a rank (see `certified_bound`)."""
MARGIN: Final = 1e-15
"""Taken off the proven number for the rounding of its own evaluation, which is below 1e-25 [bit]."""


@dataclass(frozen=True, kw_only=True)
class Programme:
    r"""A protocol as a convex programme: minimise :math:`f(\rho)` over states that meet the statistics.

    .. math::

        f(\rho) = \sum_a D\big(K_a \rho K_a^\dagger \,\|\, \mathcal{Z}(K_a \rho K_a^\dagger)\big), \qquad
        K_a = \sum_x |x\rangle \otimes B_{ax},

    with the pinching :math:`\mathcal{Z}` in the key :math:`x`. Each announcement :math:`a` has one Kraus operator, since Eve
    learns the announcement and nothing else.
    """

    blocks: tuple[tuple[Matrix, ...], ...]
    """:math:`B_{ax}`, by announcement and key value, each (rows, d); :math:`B^\\dagger B` is the joint effect."""
    operators: Matrix
    """Observables :math:`\\Gamma_i`, Hermitian, (n, d, d)."""
    lower: Floats
    """Least expectation of each observable, (n,)."""
    upper: Floats
    """Greatest expectation, (n,); equal to `lower` where the value is known."""

    @property
    def dimension(self) -> int:
        """Of the joint state."""
        return int(self.operators.shape[-1])

    @cached_property
    def seen(self) -> NDArray[np.bool_]:
        """Entries of the state that operators of the programme can depend on, (d, d)."""
        effects = [block.conj().T @ block for blocks in self.blocks for block in blocks]
        wholes = [whole.conj().T @ whole for whole in map(np.concatenate, self.blocks)]
        tied = np.any([*self.operators, *effects, *wholes], axis=0)
        seen = np.zeros(tied.shape, dtype=np.bool_)
        for part in connected_parts(tied):
            seen[np.ix_(part, part)] = True
        return seen

    @cached_property
    def is_real(self) -> bool:
        """Whether all operators are: then a real state is as bad as any (average it with its conjugate)."""
        arrays = (self.operators, *(block for blocks in self.blocks for block in blocks))
        return all(not np.any(array.imag) for array in arrays)


@dataclass(frozen=True, kw_only=True)
class Solution:
    """What a solver returned; a claim that nothing rests on."""

    state: Matrix
    """(d, d)."""
    multipliers: Floats
    """Of the constraints, (n,)."""
    entropy_estimate: float
    """:math:`f` at the state [bit]."""
    misfit: float
    """Largest distance of an expectation from its interval [1]."""
    status: Status


@dataclass(frozen=True, kw_only=True)
class Bound:
    """Eve's ignorance of the key, from both sides."""

    entropy_lower: float
    """Proven [bit]; 0 where the status is not good."""
    entropy_estimate: float
    """Of the solver's state, an upper bound of the minimum as far as that state meets the statistics [bit]."""
    misfit: float
    status: Status

    @property
    def gap(self) -> float:
        """What the proof may have given away [bit]."""
        return self.entropy_estimate - self.entropy_lower


def conditional_entropy(programme: Programme, state: Matrix) -> float:
    r"""Eve's ignorance of the key, :math:`f(\rho) = \sum_a [\sum_x S(B_{ax}\rho B_{ax}^\dagger) - S(K_a \rho K_a^\dagger)]`.

    Parameters
    ----------
    programme : Programme
        The protocol.
    state : ndarray
        Joint state of Alice and Bob, (d, d).

    Returns
    -------
    float
        [bit] for each trial, kept or not; it is that of a purification held by Eve.

    Notes
    -----
    P. J. Coles, E. M. Metodiev, N. Lutkenhaus, Nat. Commun. 7, 11712 (2016).

    Examples
    --------
    >>> identity = np.eye(4, dtype=complex)
    >>> bell = np.zeros((4, 4), dtype=complex)
    >>> bell[::3, ::3] = 0.5
    >>> trace = {"operators": identity[None], "lower": np.ones(1), "upper": np.ones(1)}
    >>> protocol = Programme(blocks=((identity[:2], identity[2:]),), **trace)
    >>> round(conditional_entropy(protocol, bell), 12), round(conditional_entropy(protocol, np.diag(np.diag(bell))), 12)
    (1.0, 0.0)
    """
    total = 0.0
    for blocks in programme.blocks:
        total += sum(_entropy(block @ state @ block.conj().T) for block in blocks)
        whole = np.concatenate(blocks)
        total -= _entropy(whole @ state @ whole.conj().T)
    return total


def _entropy(matrix: Matrix) -> float:
    values = np.linalg.eigvalsh(matrix)
    values = values[values > 0.0]
    return float(-(values * np.log2(values)).sum())


def solve(programme: Programme) -> Solution:
    """Minimise Eve's ignorance with an interior-point method (QICS, cone of quantum key distribution).

    Parameters
    ----------
    programme : Programme
        The protocol.

    Returns
    -------
    Solution
        State and multipliers, from which `certified_bound` proves a number.

    Notes
    -----
    K. He, J. Saunderson, H. Fawzi, "QICS: quantum information conic solver". Statistics at the edge of what is possible,
    such as an error rate of 0, leave no state of full rank, which such a method needs: the programme is solved on the face
    of states that can have them, and the proof is made in the whole space.
    """
    return _solve(programme)[0]


def _solve(programme: Programme) -> tuple[Solution, _Face | None]:
    """Solution and the face it was found on."""
    first: tuple[Solution, _Face | None] | None = None
    for edge in (EDGE, CLOSEST):
        face = _face(programme, edge)
        for _ in range(2):
            found = _solve_on(programme, face)
            first = first or (found, face)
            if found.status == "good" or face is None:
                return found, face
            if not found.misfit < STOPPED:
                break
            # stopped short: once more in coordinates in which that state is flat, so that rare events are not small
            face = replace(face, basis=face.basis @ _root_within(face.basis, found.state))
        if face is None or not np.any(face.penalties):
            break
    assert first is not None
    return first


def _root_within(basis: Matrix, state: Matrix) -> Matrix:
    """Square root of a state on the span of a basis, mixed with a little of all."""
    inside = basis.conj().T @ state @ basis
    values, vectors = np.linalg.eigh((inside + inside.conj().T) / 2.0)
    heights = np.sqrt(np.maximum(values, 0.0) + FLATTENED)
    return np.asarray((vectors * heights) @ vectors.conj().T)


def _solve_on(programme: Programme, face: _Face | None) -> Solution:
    if face is None:
        return _failed(programme, "inconsistent_statistics")
    kraus, keys = _kraus(programme)
    real = programme.is_real
    reduced = [np.ascontiguousarray((k @ face.basis).real if real else k @ face.basis) for k in kraus]
    told = _minimise(programme, face, lambda cones: cones.QuantKeyDist(reduced, keys, iscomplex=not real))
    if isinstance(told, str):
        return _failed(programme, told)
    state, multipliers = told
    state = _nearest_state(np.where(programme.seen, face.basis @ state @ face.basis.conj().T, 0.0))
    expectations = np.einsum("nij,ji->n", programme.operators, state).real
    misfit = float(np.max(np.maximum(programme.lower - expectations, expectations - programme.upper), initial=0.0))
    return Solution(
        state=state,
        multipliers=multipliers,
        entropy_estimate=conditional_entropy(programme, state),
        misfit=misfit,
        status="good" if misfit <= INCONSISTENT * _kept(programme, state) else "inconsistent_statistics",
    )


def _kept(programme: Programme, state: Matrix) -> float:
    """Probability that a trial makes key."""
    parts = (block for blocks in programme.blocks for block in blocks)
    return min(float(sum(np.trace(part @ state @ part.conj().T).real for part in parts)), 1.0)


def _failed(programme: Programme, status: Status) -> Solution:
    d = programme.dimension
    nothing = np.zeros(programme.lower.size)
    return Solution(
        state=np.eye(d, dtype=np.complex128) / d, multipliers=nothing, entropy_estimate=0.0, misfit=np.inf, status=status
    )


@dataclass(frozen=True, kw_only=True)
class _Face:
    """Where states can meet statistics at the edge of what is possible."""

    basis: Matrix
    """Isometry into the joint space, (d, r)."""
    penalties: Floats
    """Sign of the multiplier that keeps a state on the face, by observable; 0 for those in the interior, (n,)."""


def _face(programme: Programme, edge: float) -> _Face | None:
    """Smallest face that single observables tell; None where one of them is out of reach or not a number."""
    lower, upper = programme.lower, programme.upper
    if not (np.isfinite(lower).all() and np.isfinite(upper).all() and np.all(lower <= upper)):
        return None
    basis = np.eye(programme.dimension, dtype=np.complex128)
    penalties = np.zeros(lower.size)
    for i in range(lower.size):
        values, vectors = np.linalg.eigh(basis.conj().T @ programme.operators[i] @ basis)
        if upper[i] < values[0] - INCONSISTENT or lower[i] > values[-1] + INCONSISTENT:
            return None
        near = edge * max(1.0, np.abs(values).max())
        if values[-1] - values[0] <= near:
            continue
        if upper[i] <= values[0] + near:
            penalties[i], chosen = -1.0, values <= values[0] + near
        elif lower[i] >= values[-1] - near:
            penalties[i], chosen = 1.0, values >= values[-1] - near
        else:
            continue
        basis = basis @ vectors[:, chosen]
    return _Face(basis=basis.real.astype(np.complex128) if programme.is_real else basis, penalties=penalties)


def _minimise(
    programme: Programme, face: _Face, cone: Callable[[Any], Any] | None, cost: Matrix | None = None
) -> tuple[Matrix, Floats] | Status:
    """State on the face and multipliers of the constraints, for the cone of a function of the state or for a linear cost."""
    import numba
    import qics
    from qics.vectorize import mat_to_vec

    real, r = programme.is_real, face.basis.shape[1]

    def vector(array: Matrix) -> Floats:
        inside = face.basis.conj().T @ array @ face.basis
        return np.asarray(mat_to_vec(np.ascontiguousarray(inside.real if real else inside)).ravel())

    inner = np.flatnonzero(face.penalties == 0.0)
    operators = np.concatenate([np.eye(programme.dimension)[None], programme.operators[inner]])
    lower, upper = np.append(1.0, programme.lower[inner]), np.append(1.0, programme.upper[inner])
    vectors = np.stack([vector(operator) for operator in operators])
    known = lower == upper
    # an observable that is zero on the face is told by the face
    some = np.linalg.norm(vectors, axis=1) > CLOSEST * np.linalg.norm(operators, axis=(1, 2))
    kept = np.flatnonzero(some & (~known | _independent(vectors, known & some)))
    ranges = np.flatnonzero(~known[kept])
    head, n, m, size = int(cone is not None), kept.size, ranges.size, vectors.shape[1]
    # variables: bound of the function, state, expectations less their lower ends, upper ends less expectations
    matrix = np.zeros((n + m, head + size + 2 * m))
    matrix[:n, head : head + size] = vectors[kept]
    slack = head + size + np.arange(m)
    matrix[ranges, slack] = -1.0
    matrix[n + np.arange(m), slack] = matrix[n + np.arange(m), slack + m] = 1.0
    right = np.concatenate([lower[kept], (upper - lower)[kept][ranges]])[:, None]
    costs = np.zeros((matrix.shape[1], 1))
    if cost is None:
        costs[0] = 1.0
    else:
        costs[:size, 0] = vector(cost)
    cones = [cone(qics.cones) if cone else qics.cones.PosSemidefinite(r, iscomplex=not real)]
    cones += [qics.cones.NonNegOrthant(2 * m)] if m else []
    threads = numba.get_num_threads()
    numba.set_num_threads(1)  # the matrices are small: threads would only wait for one another
    try:
        with np.errstate(all="ignore"):
            model = qics.Model(c=costs, A=matrix, b=right, cones=cones)
            found = qics.Solver(model, verbose=0, tol_gap=1e-12, tol_feas=1e-12).solve()
    except (np.linalg.LinAlgError, ValueError, ArithmeticError):
        return "solver_failed"
    finally:
        numba.set_num_threads(threads)
    if "pinfeas" in found["sol_status"]:
        return "inconsistent_statistics"
    state = np.asarray(found["s_opt"].mats[0][head], dtype=np.complex128)
    y = np.zeros(lower.size)
    y[kept] = -found["y_opt"].ravel()[:n]
    multipliers = np.zeros(programme.lower.size)
    multipliers[inner] = y[1:]
    return (state, multipliers) if np.isfinite(state).all() and np.isfinite(multipliers).all() else "solver_failed"


def _independent(vectors: Floats, known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which known observables are no linear combination of earlier known ones."""
    found = np.zeros(known.size, dtype=np.bool_)
    basis = np.zeros((0, vectors.shape[1]))
    for i in np.flatnonzero(known):
        rest, size = vectors[i], np.linalg.norm(vectors[i])
        for _ in range(2):  # twice, so that what is left is orthogonal to rounding
            rest = rest - (basis @ rest) @ basis
        left = np.linalg.norm(rest)
        if left > EDGE * size:
            basis = np.vstack([basis, rest / left])
            found[i] = True
    return found


def _kraus(programme: Programme) -> tuple[list[Matrix], int]:
    """Kraus operators with rows (key, announcement, row), blocks of a key value all of one size, and the number of keys."""
    keys = max(len(blocks) for blocks in programme.blocks)
    rows = [max(block.shape[0] for block in blocks) for blocks in programme.blocks]
    start = np.cumsum([0, *rows])
    found = []
    for a, blocks in enumerate(programme.blocks):
        kraus = np.zeros((keys, start[-1], programme.dimension), dtype=np.complex128)
        for x, block in enumerate(blocks):
            kraus[x, start[a] : start[a] + block.shape[0]] = block
        found.append(kraus.reshape(-1, programme.dimension))
    return found, keys


def _nearest_state(matrix: Matrix) -> Matrix:
    """Without negative eigenvalues, of trace 1."""
    values, vectors = np.linalg.eigh((matrix + matrix.conj().T) / 2.0)
    values = np.maximum(values, 0.0)
    found = (vectors * (values / values.sum())) @ vectors.conj().T
    return np.asarray((found + found.conj().T) / 2.0)  # Hermitian to the last digit: 60 digits see the difference


def certified_bound(programme: Programme, state: Matrix, multipliers: Floats) -> float:
    r"""Number that Eve's ignorance cannot be below for any state that meets the statistics, whatever the arguments are.

    The function is convex and homogeneous, so that it lies above its tangent planes, and these pass through the origin: for
    each positive :math:`Y`

    .. math::

        f(\rho) \ge \mathrm{tr}\,\rho A, \qquad A = \sum_a K_a^\dagger [\log Y_a - \log \mathcal{Z}(Y_a)] K_a ,

    and for any multipliers :math:`y` and every state with :math:`\gamma_i^- \le \mathrm{tr}\,\rho\Gamma_i \le \gamma_i^+`

    .. math::

        f(\rho) \ge \sum_i \min(y_i \gamma_i^-, y_i \gamma_i^+) + \lambda_{min}\Big(A - \sum_i y_i \Gamma_i\Big) .

    Parameters
    ----------
    programme : Programme
        The protocol.
    state : ndarray
        Where the plane touches: :math:`Y_a = K_a \sigma K_a^\dagger + 10^{-30}` with the state mixed with a little of the
        maximally mixed one as :math:`\sigma`, (d, d).
    multipliers : ndarray
        :math:`y`, (n,). Those of the solver make the bound tight, no others make it wrong.

    Returns
    -------
    float
        [bit], the best over `MIXTURES`; minus infinity where the arguments are not numbers.

    Notes
    -----
    A. Winick, N. Lutkenhaus, P. J. Coles, Quantum 2, 77 (2018), who need the support of :math:`\mathcal{G}(\sigma)` and
    perturb the map. Here :math:`Y` is any positive operator, which need not be :math:`\mathcal{G}(\sigma)`: a small multiple
    of the identity, 1e-30, gives it full rank, and no eigenvalue is ever called zero. On the kernel of the map, which no
    state reaches, it has no effect: that is the facial reduction.

    The operators are taken as they are stored, in doubles. Constraints are widened by `ROUNDING`; the sum is evaluated with
    60 digits and rounded down.
    """
    if not (np.isfinite(state).all() and np.isfinite(multipliers).all()):
        return -np.inf
    return max(_proven(programme, _tangent(programme, state, mixture), multipliers) for mixture in MIXTURES)


def _exact() -> Any:
    """Arithmetic of its own: the precision of the user's session stays as it is."""
    from mpmath.ctx_mp import MPContext

    exact = MPContext()
    exact.dps = DIGITS
    return exact


def _tangent(programme: Programme, state: Matrix, mixture: float) -> Any:
    """The operator A at a state mixed with the maximally mixed one, a matrix of 60 digits; None where Y is not positive."""
    exact, d = _exact(), programme.dimension
    real = programme.is_real

    def matrix(array: Matrix) -> Any:
        return exact.matrix((array.real if real else array).tolist())

    # coherences that no operator sees are noise of the solver
    kept = np.where(programme.seen, _nearest_state(state), 0.0)
    sigma = matrix(np.asarray((1.0 - mixture) * kept + mixture * np.eye(d) / d, dtype=np.complex128))
    total = exact.zeros(d)
    for blocks in programme.blocks:
        for sign, part in ((1, np.concatenate(blocks)), *((-1, block) for block in blocks)):
            kraus = matrix(part)
            found = _eigensystem(exact, kraus * sigma * kraus.H + FLOOR * exact.eye(part.shape[0]), real=real)
            for values, vectors, rows in found:
                if min(values) <= 0:
                    return None
                inside = exact.matrix([[kraus[row, column] for column in range(d)] for row in rows])
                scaled = vectors.H * inside
                for row, value in enumerate(values):
                    height = sign * exact.log(value)
                    for column in range(d):
                        scaled[row, column] *= height
                total += inside.H * vectors * scaled
    return total


def _eigensystem(exact: Any, matrix: Any, *, real: bool) -> list[tuple[Any, Any, list[int]]]:
    """Eigenvalues and eigenvectors of each part of a Hermitian matrix that is tied to itself alone, and its rows."""
    size = matrix.rows
    parts = connected_parts(np.array([[matrix[j, k] != 0 for k in range(size)] for j in range(size)]))
    diagonal = exact.eigsy if real else exact.eighe
    return [(*diagonal(exact.matrix([[matrix[j, k] for k in rows] for j in rows])), rows) for rows in parts]


def connected_parts(tied: NDArray[np.bool_]) -> list[list[int]]:
    """Parts of a set of which no element of one is tied to one of another.

    Examples
    --------
    >>> connected_parts(np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]], dtype=bool))
    [[0, 2], [1]]
    """
    tied = tied | tied.T | np.eye(len(tied), dtype=np.bool_)
    reached = tied
    while True:
        further = (reached.astype(np.int64) @ tied.astype(np.int64)) > 0
        if np.array_equal(further, reached):
            break
        reached = further
    return [np.flatnonzero(row).tolist() for j, row in enumerate(reached) if np.flatnonzero(row)[0] == j]


def _proven(programme: Programme, tangent: Any, multipliers: Floats) -> float:
    """The bound of a tangent plane with multipliers [bit]."""
    if tangent is None:
        return -np.inf
    exact, real, d = _exact(), programme.is_real, programme.dimension
    rest, value = tangent.tolist(), exact.mpf(0)
    slack = exact.mpf(ROUNDING)
    for operator, y, low, high in zip(
        programme.operators, map(float, multipliers), programme.lower, programme.upper, strict=True
    ):
        for j, k in np.argwhere(operator).tolist():
            rest[j][k] -= exact.mpf(y) * exact.convert(float(operator[j, k].real) if real else complex(operator[j, k]))
        value += min(y * (exact.mpf(float(low)) - slack), y * (exact.mpf(float(high)) + slack))
    hermitian = exact.matrix([[(rest[j][k] + exact.conj(rest[k][j])) / 2 for k in range(d)] for j in range(d)])
    least = min(min(values) for values, _, _ in _eigensystem(exact, hermitian, real=real))
    bits = (value + least) / exact.log(2) - MARGIN
    return float(np.nextafter(float(bits), -np.inf))


def bound(programme: Programme) -> Bound:
    """Solve a protocol and prove a lower bound; 0 with a status where anything is amiss.

    Parameters
    ----------
    programme : Programme
        The protocol.

    Returns
    -------
    Bound
        Proven lower bound, the solver's value, and whether there is a state that meets the statistics.
    """
    found, face = _solve(programme)
    if found.status != "good":
        return Bound(entropy_lower=0.0, entropy_estimate=0.0, misfit=found.misfit, status=found.status)
    penalties = face.penalties if face else np.zeros(programme.lower.size)
    heights = PENALTIES if np.any(penalties) else (0.0,)
    proven = -np.inf
    for mixture in MIXTURES:
        tangent = _tangent(programme, found.state, mixture)
        best = found.multipliers
        for _ in range(2):
            proven = max(proven, *(_proven(programme, tangent, best + height * penalties) for height in heights))
            if found.entropy_estimate - proven < CLOSE or tangent is None or face is None:
                break
            # the multipliers of the tangent plane itself, in case that the solver stopped short of them
            told = _minimise(programme, face, None, np.array(tangent.tolist(), dtype=np.complex128))
            if isinstance(told, str):
                break
            best = told[1]
        if found.entropy_estimate - proven < CLOSE:
            break
    status: Status = "good"
    if not np.isfinite(proven):
        status = "solver_failed"
    elif proven > found.entropy_estimate + INCONSISTENT * _kept(programme, found.state):
        status = "inconsistent_statistics"  # no state lies below a proven bound, unless none meets the statistics
    if status != "good":
        return Bound(entropy_lower=0.0, entropy_estimate=0.0, misfit=found.misfit, status=status)
    return Bound(entropy_lower=max(proven, 0.0), entropy_estimate=found.entropy_estimate, misfit=found.misfit, status="good")
