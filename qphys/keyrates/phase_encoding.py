r"""Pulses whose common phase takes M values: what they are made of, what decoys tell of it, and the key of double pulses.

A coherent pulse with one of M equally spaced phases, unknown to Eve, is a mixture of M pure states: photon numbers of equal
remainder by M, in superposition. After Z. Cao, Z. Zhang, H.-K. Lo, X. Ma, New J. Phys. 17, 053014 (2015). Component 1 is a
single photon with a little of M + 1 photons; it depends a little on the intensity, and its encoded states are no qubit's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Matrix = NDArray[np.complex128]

MOST_PHOTONS: Final = 200
"""Photons in sums; an intensity of 10 has 1e-150 beyond."""

BRIGHTEST: Final = 10.0
"""Largest mean photon number of a pulse."""

CONTINUOUS: Final = 30
"""Photon numbers told apart for pulses of any phase; what is beyond may do as it likes."""

ROUNDING: Final = 256 * np.finfo(np.float64).eps
"""Relative error allowed to the sums of a bound, always to the safe side."""

STATES: Final = ("Z0", "Z1", "X0", "X1")
"""Alice's: relative phases of the two pulses 0, pi (key) and pi/2, 3 pi/2 (test)."""

PHASES: Final = np.array([0.0, np.pi, np.pi / 2.0, 3.0 * np.pi / 2.0])


def poisson(mean_photon_number: float) -> Floats:
    """Probabilities of 0 to `MOST_PHOTONS` photons [1]."""
    n = np.arange(MOST_PHOTONS + 1)
    if mean_photon_number == 0.0:
        return np.asarray((n == 0).astype(np.float64))
    logarithms = np.concatenate([[0.0], np.cumsum(np.log(mean_photon_number) - np.log(n[1:]))])
    return np.asarray(np.exp(logarithms - mean_photon_number))


def _of_component(component: int, phases: int | None) -> NDArray[np.int64]:
    """Photon numbers of a component."""
    return np.array([component]) if phases is None else np.arange(component, MOST_PHOTONS + 1, phases)


def component_probability(mean_photon_number: float, component: int, *, phases: int | None) -> float:
    r"""Probability of a component, :math:`P_j = \sum_l e^{-\mu} \mu^{lM+j} / (lM+j)!`.

    Parameters
    ----------
    mean_photon_number : float
        :math:`\mu` [1].
    component : int
        :math:`j`, 0 to M - 1.
    phases : int, optional
        :math:`M`; None: any phase, the photon number itself.

    Returns
    -------
    float
        [1].

    Notes
    -----
    Cao, Zhang, Lo, Ma, New J. Phys. 17, 053014 (2015).

    Examples
    --------
    >>> round(component_probability(0.5, 1, phases=4), 6), round(component_probability(0.5, 1, phases=None), 6)
    (0.303423, 0.303265)
    """
    return float(poisson(mean_photon_number)[_of_component(component, phases)].sum())


def encoded_spectrum(mean_photon_number: float, component: int, *, phases: int | None) -> Floats:
    r"""Weights of a component on the four eigenstates of a quarter turn of the second pulse.

    .. math:: \lambda_q = \frac{1}{P_j} \sum_{n \equiv j} p_n \sum_{m \equiv q \,(4)} \binom{n}{m} 2^{-n}

    Parameters
    ----------
    mean_photon_number, component, phases
        As for `component_probability`.

    Returns
    -------
    ndarray
        [1], (4,), sum 1; (1/2, 1/2, 0, 0) for a single photon.

    Notes
    -----
    The pulse :math:`|n\rangle` of two modes with relative phase :math:`\varphi` is
    :math:`\sum_m \sqrt{\binom{n}{m} 2^{-n}} e^{i m \varphi} |n-m, m\rangle`, so that the encoded state is
    :math:`\sum_q \sqrt{\lambda_q} e^{i q \varphi} |q\rangle`, with the same orthonormal :math:`|q\rangle` for all phases.
    """
    weights = poisson(mean_photon_number)
    found = np.zeros(4)
    for n in _of_component(component, phases):
        binomial = np.exp(_log_binomial(int(n)) - n * np.log(2.0))
        for q in range(4):
            found[q] += weights[n] * binomial[q::4].sum()
    return np.asarray(found / found.sum())


def _log_binomial(n: int) -> Floats:
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    return np.asarray(logs[n] - logs - logs[::-1])


def component_distance(first: float, second: float, component: int, *, phases: int | None) -> float:
    r"""Trace distance of the same component of two intensities: how far a yield may differ between them.

    .. math:: D = \sqrt{1 - F^2}, \qquad F = \sum_{n \equiv j} \sqrt{p_n p'_n} \Big/ \sqrt{P_j P'_j}

    Parameters
    ----------
    first, second : float
        Mean photon numbers [1].
    component, phases
        As for `component_probability`.

    Returns
    -------
    float
        [1]; 0 for pulses of any phase.

    Notes
    -----
    :math:`P P' - (\sum\sqrt{p p'})^2` is a sum of squares (Lagrange's identity), in which nothing cancels.

    Examples
    --------
    >>> [f"{component_distance(0.5, 0.1, 1, phases=M):.1e}" for M in (4, 8, 16)]
    ['2.2e-02', '1.0e-04', '2.1e-10']
    """
    numbers = _of_component(component, phases)
    a, b = np.sqrt(poisson(first)[numbers]), np.sqrt(poisson(second)[numbers])
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    if size == 0.0:
        return 1.0 if numbers.size > 1 else 0.0
    cross = np.outer(a, b)
    return float(min(np.sqrt(0.5 * ((cross - cross.T) ** 2).sum()) / size * (1.0 + 1e-12), 1.0))


@dataclass(frozen=True, kw_only=True)
class Pulses:
    """A source of pulses with one of M phases and one of several intensities."""

    intensities: tuple[float, ...]
    """Mean photon numbers of both pulses together; the first one makes key [1]."""
    phases: int | None
    """M; None: any phase."""

    @property
    def components(self) -> int:
        """Told apart."""
        return CONTINUOUS if self.phases is None else self.phases

    def yield_bounds(self, gains: Sequence[tuple[float, float]], *, component: int) -> tuple[float, float]:
        r"""Ends of what a component of the first intensity does, from what is seen at each intensity.

        .. math::

            Q_i = \sum_j P_j(\mu_i)\, Y_{ji}, \qquad |Y_{ji} - Y_{jk}| \le D_j(\mu_i, \mu_k), \qquad 0 \le Y_{ji} \le 1

        Parameters
        ----------
        gains : sequence of (float, float)
            Ends of the probability of an event, by intensity [1].
        component : int
            :math:`j`.

        Returns
        -------
        lower, upper : float
            Of :math:`Y_{j0}` [1].

        Notes
        -----
        A linear programme each; the bound is the dual's value at the solver's multipliers, which holds for any.
        """
        matrix, spread = self._rows
        n, count = self.components, len(self.intensities)
        low, high = (np.array([gain[end] for gain in gains]) for end in (0, 1))
        beyond = np.array([max(1.0 - float(row.sum()), 0.0) for row in self._probabilities]) + ROUNDING
        lower, upper = np.concatenate([low - beyond, -spread]), np.concatenate([high, spread])
        cost = np.zeros(n * count)
        cost[component * count] = 1.0
        unit = max(float(high.max()), 1e-300)
        # rows of rare events would be lost in the solver's tolerance
        scale = np.concatenate([np.maximum(high, 1e-6 * unit), np.full(spread.size, unit)])
        ends = [_at_least(sign * cost, matrix, lower, upper, scale=scale, unit=unit) for sign in (1.0, -1.0)]
        return float(np.clip(ends[0], 0.0, 1.0)), float(np.clip(-ends[1], 0.0, 1.0))

    @cached_property
    def _probabilities(self) -> list[Floats]:
        return [
            np.array([component_probability(mu, j, phases=self.phases) for j in range(self.components)])
            for mu in self.intensities
        ]

    @cached_property
    def _rows(self) -> tuple[Floats, Floats]:
        """Rows of the gains and of the differences, and the latter's limits; columns by component and intensity."""
        count, n = len(self.intensities), self.components
        gains = np.zeros((count, n, count))
        for i, row in enumerate(self._probabilities):
            gains[i, :, i] = row
        rows, limits = [], []
        for j in range(n):
            for i in range(count):
                for k in range(i + 1, count):
                    row = np.zeros((n, count))
                    row[j, i], row[j, k] = 1.0, -1.0
                    rows.append(row.ravel())
                    limits.append(component_distance(self.intensities[i], self.intensities[k], j, phases=self.phases))
        matrix = np.concatenate([gains.reshape(count, -1), np.array(rows).reshape(-1, n * count)])
        return matrix, np.array(limits)


def _at_least(cost: Floats, matrix: Floats, lower: Floats, upper: Floats, *, scale: Floats, unit: float) -> float:
    """Lower bound of the cost of numbers from 0 to 1 under rows with ends, by the dual; minus infinity where it fails."""
    from scipy.optimize import linprog

    rows = matrix / scale[:, None] * unit
    solved = linprog(
        cost,
        np.concatenate([-rows, rows]),
        np.concatenate([-lower / scale, upper / scale]),
        bounds=(0.0, 1.0 / unit),
        method="highs",
    )
    if solved.status != 0 or not np.all(np.isfinite(solved.ineqlin.marginals)):
        return -np.inf
    upward, downward = np.split(-solved.ineqlin.marginals, 2)
    y = (upward - downward) / scale * unit
    ends = np.where(y > 0.0, y * lower, y * upper)
    reduced = np.minimum(cost - y @ matrix, 0.0)
    size = float(np.abs(ends).sum() + np.abs(cost).sum() + (np.abs(y) @ np.abs(matrix)).sum() * unit)
    return float(ends.sum() + reduced.sum()) - ROUNDING * size


def encoded_states(mean_photon_number: float, component: int, *, phases: int | None) -> Matrix:
    """Alice's four states of a component, in the space that they span, as rows in the order of `STATES`, (4, 4)."""
    spectrum = encoded_spectrum(mean_photon_number, component, phases=phases)
    return np.asarray(np.exp(1j * np.outer(PHASES, np.arange(4))) * np.sqrt(spectrum))


def basis_fidelity(mean_photon_number: float, component: int, *, phases: int | None) -> float:
    r"""Overlap of what Alice prepares in key and test basis, her choice of phases the best one.

    Parameters
    ----------
    mean_photon_number, component, phases
        As for `component_probability`.

    Returns
    -------
    float
        :math:`F = \max |\langle\Psi_Z|\Psi_X\rangle|` [1], at least; 1 for a single photon.

    Notes
    -----
    :math:`|\Psi_Z\rangle = \sum_x |x\rangle|\varphi_x\rangle/\sqrt2` and
    :math:`|\Psi_X\rangle = \sum_s e^{i\alpha_s} |a_s\rangle|\varphi_s\rangle/\sqrt2` with
    :math:`|a_s\rangle = (|0\rangle + s i |1\rangle)/\sqrt2`; the phases :math:`\alpha_s` are free.

    Examples
    --------
    >>> round(1 - basis_fidelity(0.5, 1, phases=4), 6), round(1 - basis_fidelity(0.5, 1, phases=None), 12)
    (0.000651, 0.0)
    """
    z0, z1, x0, x1 = encoded_states(mean_photon_number, component, phases=phases)
    best = 0.0
    for turn in (1j, -1j):
        parts = [abs(np.vdot(z0, x) + sign * turn * np.vdot(z1, x)) for sign, x in ((1, x0), (-1, x1))]
        best = max(best, sum(parts) / (2.0 * np.sqrt(2.0)))
    return float(min(best, 1.0) - ROUNDING)


def coin_phase_error(bit_error: ArrayLike, *, fidelity: ArrayLike, gain: ArrayLike) -> Floats:
    r"""Largest phase error if the states of the bases differ: the argument of an unbalanced quantum coin.

    .. math:: e_{ph} = \sin^2(\arcsin\sqrt{e} + \arccos c), \qquad c = 1 - (1 - F)/Y

    Parameters
    ----------
    bit_error : array_like
        :math:`e`, of the test basis, at most [1].
    fidelity : array_like
        :math:`F` of `basis_fidelity` [1].
    gain : array_like
        :math:`Y`, probability of a detection in either basis, at least [1].

    Returns
    -------
    ndarray
        [1], at most 1/2, from where on there is no key.

    Notes
    -----
    Derived in the documentation (discrete phases), from the monotony of the fidelity.

    Examples
    --------
    >>> coin_phase_error(0.02, fidelity=[1.0, 1.0 - 1e-6], gain=1e-3).round(5).tolist()
    [0.02, 0.03443]
    """
    e, f, y = (np.asarray(v, dtype=np.float64) for v in (bit_error, fidelity, gain))
    with np.errstate(invalid="ignore", divide="ignore"):
        c = 1.0 - (1.0 - f) / y
        angle = np.arcsin(np.sqrt(np.clip(e, 0.0, 1.0))) + np.arccos(np.clip(c, 0.0, 1.0))
        found = np.where((angle < np.pi / 4.0) & (y > 0.0), np.sin(angle) ** 2, 0.5)
    return np.asarray(found)


def pulse_statistics(
    mean_photon_number: float, *, transmittance: float, visibility: float, dark_count: float
) -> dict[str, dict[str, float]]:
    r"""Probabilities of Bob's bits for a channel that stands for measurements, double clicks as random bits.

    Parameters
    ----------
    mean_photon_number : float
        :math:`\mu` of both pulses [1].
    transmittance : float
        From Alice to a click, the detectors' efficiency included [1].
    visibility : float
        Of the interference [1].
    dark_count : float
        Probability of a click of a detector without light [1].

    Returns
    -------
    dict of dict
        By Alice's state, Bob's basis and bit: ``Z0`` to ``X1``, given state and basis [1].

    Notes
    -----
    The detector of bit y sees :math:`\mu\eta\,[1 + (-1)^y V\cos(\varphi_A - \varphi_B)]/2` photons on average.
    """
    found: dict[str, dict[str, float]] = {}
    for name, phase in zip(STATES, PHASES, strict=True):
        found[name] = {}
        for basis, turn in (("Z", 0.0), ("X", np.pi / 2.0)):
            light = 0.5 * mean_photon_number * transmittance * (1.0 + np.array([1, -1]) * visibility * np.cos(phase - turn))
            silent = (1.0 - dark_count) * np.exp(-light)
            click = -np.expm1(-light + np.log1p(-dark_count))
            both = click.prod()
            for y in (0, 1):
                found[name][f"{basis}{y}"] = float(click[y] * silent[1 - y] + 0.5 * both)
    return found
