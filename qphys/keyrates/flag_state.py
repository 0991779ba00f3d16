r"""Threshold detectors as they are: any number of photons at the receiver, by flag states.

Detectors that count clicks and not photons act on each photon number apart. Up to a photon number, the receiver is described
exactly; beyond, it is thought to be replaced by one that tells Eve its result, a flag. Two clicks at once bound how often
that happens. After Y. Zhang, P. J. Coles, A. Winick, J. Lin, N. Lutkenhaus, Phys. Rev. Research 3, 013076 (2021).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BASES: Final = ("Z", "X")
MOST_PHOTONS: Final = 2
"""Described exactly, at most: beyond two photons the modes other than polarization matter in more than one way."""

ANALYSED: Final = {
    "Z": np.array([[[1.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 1.0]]]),
    "X": np.array([[[0.5, 0.5], [0.5, 0.5]], [[0.5, -0.5], [-0.5, 0.5]]]),
}
"""Projectors of one photon on the bits 0 and 1, by basis."""

PAIRS: Final = np.array(
    [
        [1.0, 0.0, 0.0, 0.0],
        [0.0, np.sqrt(0.5), np.sqrt(0.5), 0.0],
        [0.0, 0.0, 0.0, 1.0],
        [0.0, np.sqrt(0.5), -np.sqrt(0.5), 0.0],
    ]
)
"""Two photons' polarization: three symmetric states, and the one of photons in different modes (antisymmetric), as rows."""


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """BB84 receiver of threshold detectors, whose efficiencies depend on the result and not on the light's other modes."""

    kind: Literal["active", "passive"]
    """``active``: the basis is chosen for each trial and two detectors are used; ``passive``: each photon chooses."""
    key_basis_probability: float
    """Of the Z basis, for a trial or a photon."""
    efficiencies: Mapping[str, tuple[float, float]]
    """Of the detectors for 0 and 1, by basis [1]."""
    dark_counts: Mapping[str, tuple[float, float]]
    """Probability of a click without light in a trial, by basis [1]."""

    @property
    def outcomes(self) -> tuple[str, ...]:
        """Names of what the receiver says of a trial."""
        if self.kind == "active":
            return ("Z0", "Z1", "double_Z", "none_Z", "X0", "X1", "double_X", "none_X")
        return ("Z0", "Z1", "double_Z", "X0", "X1", "double_X", "across", "none")

    @property
    def multiple(self) -> tuple[str, ...]:
        """Outcomes of two clicks or more."""
        return tuple(name for name in self.outcomes if name.startswith("double") or name == "across")

    @property
    def shares(self) -> dict[str, float]:
        """Probability of each basis."""
        return {"Z": self.key_basis_probability, "X": 1.0 - self.key_basis_probability}

    def effects(self, photons: int) -> Floats:
        r"""Effects of all outcomes on so many photons, each of a polarization.

        Parameters
        ----------
        photons : int
            :math:`n`.

        Returns
        -------
        ndarray
            In the order of `outcomes`, on the n-fold product of a photon's space, (8, 2^n, 2^n).

        Notes
        -----
        Detectors see photons one by one: none of a set :math:`T` of detectors clicks with
        :math:`\prod_{d \in T} (1 - q_d) \, (1 - \sum_{d \in T} E_d)^{\otimes n}`, where :math:`q` are the dark counts and
        :math:`E_d` a photon's effects, and inclusion and exclusion give each pattern of clicks.
        """

        def passed(unseen: Floats) -> Floats:
            power: Floats = np.ones((1, 1))
            for _ in range(photons):
                power = np.asarray(np.kron(power, np.eye(2) - unseen))
            return power

        return self._by_outcome(passed)

    def _by_outcome(self, passed: Callable[[Floats], Floats]) -> Floats:
        """Of all outcomes, from what the light does with a photon's effect to be unseen: probabilities or effects."""
        if self.kind == "active":
            return np.concatenate(
                [
                    self.shares[b] * np.stack([found[(0,)], found[(1,)], found[(0, 1)], found[()]])
                    for b in BASES
                    for found in [_patterns(self._photon(b), np.asarray(self.dark_counts[b]), passed)]
                ]
            )
        photon = np.concatenate([self.shares[b] * self._photon(b) for b in BASES])
        found = _patterns(photon, np.concatenate([self.dark_counts[b] for b in BASES]), passed)
        named = {(0,): 0, (1,): 1, (0, 1): 2, (2,): 3, (3,): 4, (2, 3): 5, (): 7}
        total = np.zeros((8, *found[()].shape))
        for pattern, effect in found.items():
            total[named.get(pattern, 6)] += effect
        return total

    def _photon(self, basis: str) -> Floats:
        return np.asarray(np.asarray(self.efficiencies[basis])[:, None, None] * ANALYSED[basis])

    def least_multiple(self, photons: int) -> float:
        r"""Least probability of two clicks or more that so many photons can have, and more photons no less [1].

        Notes
        -----
        Least eigenvalue of the sum of the effects of `multiple` on the whole product space, so for photons of any modes. It
        does not fall with the photon number: where n of n + 1 photons make two clicks or more, all of them do.
        """
        rows = [self.outcomes.index(name) for name in self.multiple]
        return max(float(np.linalg.eigvalsh(self.effects(photons)[rows].sum(axis=0))[0]), 0.0)

    def low_photon_weight(self, multiple_clicks: float, *, photons: int) -> float:
        r"""Lower bound of the probability that so many photons, or fewer, came.

        .. math:: W_{\le n} \ge 1 - \frac{p_{multi} - \lambda_0}{\lambda_{n+1} - \lambda_0}

        Parameters
        ----------
        multiple_clicks : float
            :math:`p_{multi}`, probability of two clicks or more in a trial, the chosen basis's or across [1].
        photons : int
            :math:`n`.

        Returns
        -------
        float
            [1]; 0 where two clicks say nothing, as for an active receiver and n = 1.

        Notes
        -----
        With :math:`\lambda_n` of `least_multiple`, as :math:`p_{multi} \ge \lambda_0 W_{\le n} +
        \lambda_{n+1} (1 - W_{\le n})`.

        Examples
        --------
        >>> pair = {"Z": (1.0, 1.0), "X": (1.0, 1.0)}
        >>> dark = {"Z": (0.0, 0.0), "X": (0.0, 0.0)}
        >>> seen = Receiver(kind="passive", key_basis_probability=0.5, efficiencies=pair, dark_counts=dark)
        >>> seen.least_multiple(2), round(seen.low_photon_weight(0.01, photons=1), 6)
        (0.5, 0.98)
        """
        floor, beyond = self.least_multiple(0), self.least_multiple(photons + 1)
        if beyond <= floor + 1e-12:
            return 0.0
        return float(np.clip(1.0 - (multiple_clicks - floor) / (beyond - floor), 0.0, 1.0))

    @cached_property
    def low_effects(self) -> tuple[Floats, ...]:
        """Effects on 0, 1 and 2 photons, those of 2 in the basis of `PAIRS`."""
        return (self.effects(0), self.effects(1), PAIRS @ self.effects(2) @ PAIRS.T)


def _patterns(photon: Floats, dark_counts: Floats, passed: Callable[[Floats], Floats]) -> dict[tuple[int, ...], Floats]:
    """Effect of each set of detectors that click, by their numbers."""
    detectors = tuple(range(len(photon)))

    def silent(some: tuple[int, ...]) -> Floats:
        return np.asarray(np.prod(1.0 - dark_counts[list(some)]) * passed(photon[list(some)].sum(axis=0)))

    found = {}
    for size in range(len(detectors) + 1):
        for clicked in combinations(detectors, size):
            rest = tuple(d for d in detectors if d not in clicked)
            parts = [(-1) ** k * silent(rest + some) for k in range(size + 1) for some in combinations(clicked, k)]
            found[clicked] = np.sum(parts, axis=0)
    return found


def squashed_effects(receiver: Receiver, *, photons: int, flags: bool) -> Floats:
    r"""Effects on the space that stands for all light: photon numbers up to a limit, and a flag for each outcome.

    Parameters
    ----------
    receiver : Receiver
        Threshold detectors.
    photons : int
        Described exactly up to here, 1 or 2.
    flags : bool
        Whether more photons may come; else they are assumed away.

    Returns
    -------
    ndarray
        In the order of the receiver's outcomes, (8, d, d), with d = 3 or 7 and 8 more for flags.
    """
    parts = receiver.low_effects[: photons + 1]
    low = sum(part.shape[-1] for part in parts)
    found = np.zeros((8, low + 8 * flags, low + 8 * flags))
    start = 0
    for part in parts:
        stop = start + part.shape[-1]
        found[:, start:stop, start:stop] = part
        start = stop
    if flags:
        found[np.arange(8), low + np.arange(8), low + np.arange(8)] = 1.0
    return found


def squashed_numbers(*, photons: int) -> NDArray[np.int64]:
    """Photon number of each dimension of `squashed_effects` with flags; of a flag, the least that it can stand for.

    Examples
    --------
    >>> squashed_numbers(photons=2).tolist()
    [0, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3]
    """
    return np.repeat(np.arange(photons + 2), [(1, 2, 4)[n] for n in range(photons + 1)] + [8])


def flag_constraints(receiver: Receiver, *, photons: int) -> tuple[Floats, Floats]:
    r"""What holds for more photons than are described, as operators on the flags.

    Parameters
    ----------
    receiver : Receiver
        Threshold detectors.
    photons : int
        Described exactly up to here.

    Returns
    -------
    known : ndarray
        Diagonals of flag operators of expectation 0, also together with any operator of Alice: an active receiver's basis is
        independent of the light, (n, 8).
    positive : ndarray
        Diagonals of flag operators of expectation 0 or more, also together with any positive operator of Alice: two clicks
        or more come at least as often as :math:`\lambda` of `Receiver.least_multiple` says, (1, 8).
    """
    names = receiver.outcomes
    multiple = np.isin(names, receiver.multiple).astype(np.float64)
    positive = multiple - receiver.least_multiple(photons + 1) * (1.0 - 1e-12)  # rounded down
    if receiver.kind == "passive":
        return np.zeros((0, 8)), positive[None]
    key = np.array([name.endswith("Z") or name.startswith("Z") for name in names], dtype=np.float64)
    return (key - receiver.key_basis_probability)[None], positive[None]


def photon_statistics(
    receiver: Receiver, *, transmittance: float, error_rates: Mapping[str, float], second_photon: float
) -> dict[str, Floats]:
    """Probabilities of all outcomes for a channel that stands for measurements, given Alice's state.

    Parameters
    ----------
    receiver : Receiver
        Threshold detectors.
    transmittance : float
        Probability that Alice's photon arrives [1].
    error_rates : mapping
        Probability that its bit is turned, independently in Z and X [1].
    second_photon : float
        Probability that a photon without polarization comes with it [1].

    Returns
    -------
    dict of ndarray
        By state, ``Z0`` to ``X1``, those of the receiver's outcomes [1], (8,).

    Examples
    --------
    >>> pair, dark = {"Z": (0.2, 0.1), "X": (0.2, 0.1)}, {"Z": (0.0, 0.0), "X": (0.0, 0.0)}
    >>> seen = Receiver(kind="active", key_basis_probability=0.5, efficiencies=pair, dark_counts=dark)
    >>> told = photon_statistics(seen, transmittance=0.1, error_rates={"Z": 0.1, "X": 0.1}, second_photon=0.0)
    >>> told["Z0"][:2].round(6).tolist()
    [0.009, 0.0005]
    """
    found = {}
    one, two = receiver.effects(1), receiver.effects(2)
    for b in BASES:
        for bit in (0, 1):
            state = (1.0 - error_rates[b]) * ANALYSED[b][bit] + error_rates[b] * ANALYSED[b][1 - bit]
            single = np.einsum("kij,ji->k", one, state)
            double = np.einsum("kij,ji->k", two, np.kron(state, np.eye(2) / 2.0))
            arrived = (1.0 - second_photon) * single + second_photon * double
            found[f"{b}{bit}"] = transmittance * arrived + (1.0 - transmittance) * receiver.effects(0)[:, 0, 0]
    return found


def coherent_statistics(
    receiver: Receiver,
    mean_photon_number: float,
    *,
    transmittance: float,
    error_rates: Mapping[str, float],
    second_photon: float,
) -> dict[str, Floats]:
    r"""The same for pulses of random phase: detectors see independent Poissonian photons.

    Parameters
    ----------
    receiver : Receiver
        Threshold detectors.
    mean_photon_number : float
        :math:`\mu`, sent [1].
    transmittance : float
        Of intensity [1].
    error_rates : mapping
        Probability that the polarization of a pulse is turned, independently in Z and X [1].
    second_photon : float
        Probability that a photon without polarization comes with a pulse [1].

    Returns
    -------
    dict of ndarray
        By state, ``Z0`` to ``X1``, those of the receiver's outcomes [1], (8,).

    Notes
    -----
    None of a set of detectors with a photon's effect E clicks with :math:`e^{-\mu\eta\,\mathrm{tr}\,\rho E}`, times
    :math:`1 - r\,\mathrm{tr}\,E/2` for the photon that comes along with probability r.
    """
    found = {}
    for b in BASES:
        for bit in (0, 1):
            parts = []
            for weight, sent in ((1.0 - error_rates[b], bit), (error_rates[b], 1 - bit)):
                state = ANALYSED[b][sent]

                def passed(unseen: Floats, state: Floats = state) -> Floats:
                    light = mean_photon_number * transmittance * np.trace(state @ unseen)
                    return np.asarray(np.exp(-light) * (1.0 - second_photon * np.trace(unseen) / 2.0))

                parts.append(weight * receiver._by_outcome(passed))
            found[f"{b}{bit}"] = np.sum(parts, axis=0)
    return found
