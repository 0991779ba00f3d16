r"""Alice's and Bob's qubit: from intervals of what both saw to the programme of numerical key rates.

Bob's basis does not change whether he has an outcome, so that the pairs with one are copies of a state of two qubits, and
each of his bases tells probabilities given an outcome in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from qphys.keyrates.numerical import Programme

Floats = NDArray[np.float64]
Interval = tuple[Floats, Floats]
"""Lower and upper ends."""
Statistics = Literal["cells", "bases"]

IDEAL_ANGLES: Final = (0.0, np.pi / 2.0, np.pi / 4.0, -np.pi / 4.0)
"""Angles of the states Z0, Z1, X0, X1 [rad] from H towards V."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Intervals of probabilities, given that Bob has an outcome in a basis; Alice's setting is drawn as well [1]."""

    cells: Interval | None
    """Of Alice's basis and bit, Bob's basis (given), his bit: (2, 2, 2, 2); none: not used."""
    unequal: Interval
    """Of Alice's basis with unequal bits, by Bob's basis (given): (2, 2), Alice's first."""
    bases: Interval
    """Of Alice's basis, by Bob's basis (given): (2, 2), Alice's first."""


def vectors(angles: Floats) -> Floats:
    """Real amplitudes of linear polarizations at angles [rad], (..., 2).

    Examples
    --------
    >>> vectors(np.array([0.0, np.pi / 2])).round(12).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1)


def sender_effects(states: Floats, probability: Floats) -> Floats:
    r"""Alice's effects on her half of an entangled state that prepares her states.

    .. math:: P_x = p_x\, \sigma^{-1/2} |\varphi_x\rangle\langle\varphi_x| \sigma^{-1/2}, \qquad
        \sigma = \sum_x p_x |\varphi_x\rangle\langle\varphi_x|

    Parameters
    ----------
    states : ndarray
        Real amplitudes, (x, 2).
    probability : ndarray
        :math:`p_x` [1], (x,).

    Returns
    -------
    ndarray
        Vectors with :math:`P_x = v_x v_x^T`, (x, 2).

    Examples
    --------
    >>> found = sender_effects(vectors(np.array(IDEAL_ANGLES)), np.full(4, 0.25))
    >>> (found.T @ found).round(12).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    mean = np.einsum("x,xi,xj->ij", probability, states, states)
    values, axes = np.linalg.eigh(mean)
    root = (axes / np.sqrt(values)) @ axes.T
    return np.asarray(np.sqrt(probability)[:, np.newaxis] * (states @ root))


def programme(effects: Floats, seen: Seen, key_basis: int) -> Programme:
    """The convex programme of pairs that Bob has an outcome of, for Alice's key in one basis.

    Parameters
    ----------
    effects : ndarray
        Vectors of Alice's effects Z0, Z1, X0, X1, (4, 2).
    seen : Seen
        What was seen.
    key_basis : int
        0 for Z, 1 for X.

    Returns
    -------
    Programme
        Its function is Eve's ignorance a pair that Bob has an outcome of in the key basis, whatever basis Alice chose; pairs
        of unequal bases make no key.
    """
    bob = vectors(np.array(IDEAL_ANGLES)).reshape(2, 2, 2)
    alice = effects.reshape(2, 2, 2)
    ours = np.einsum("axi,axj->axij", alice, alice)
    theirs = np.einsum("byi,byj->byij", bob, bob)
    joint = np.einsum("axij,bykl->axbyikjl", ours, theirs).reshape(2, 2, 2, 2, 4, 4)
    operators: list[Floats] = []
    lower: list[float] = []
    upper: list[float] = []

    def add(operator: Floats, ends: Interval, place: tuple[int, ...]) -> None:
        operators.append(operator)
        lower.append(max(float(ends[0][place]), 0.0))
        upper.append(min(float(ends[1][place]), 1.0))

    for a in (0, 1):
        for b in (0, 1):
            add(joint[a, 0, b, 1] + joint[a, 1, b, 0], seen.unequal, (a, b))
            add(joint[a, :, b].sum(axis=(0, 1)), seen.bases, (a, b))
            if seen.cells is not None:
                for x in (0, 1):
                    for y in (0, 1):
                        add(joint[a, x, b, y], seen.cells, (a, x, b, y))
    blocks = tuple(np.kron(alice[key_basis, x][np.newaxis], np.eye(2)).astype(np.complex128) for x in (0, 1))
    return Programme(
        blocks=(blocks,),
        operators=np.stack(operators).astype(np.complex128),
        lower=np.array(lower),
        upper=np.array(upper),
    )
