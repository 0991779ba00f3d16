"""Two-qubit tomography: counts of analyser settings to the density matrix of largest likelihood. NumPy only."""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from qphys.errors import RunError, UserError
from qphys.optics import jones
from qphys.stages import Complexes, Floats

POLARIZATIONS: Final[dict[str, tuple[complex, complex]]] = {
    "H": (1.0, 0.0),
    "V": (0.0, 1.0),
    "D": (2**-0.5, 2**-0.5),
    "A": (2**-0.5, -(2**-0.5)),
    "R": (2**-0.5, -1j * 2**-0.5),
    "L": (2**-0.5, 1j * 2**-0.5),
}
"""Amplitudes along H and V: D is at +45 degrees; R and L are the negative and positive eigenstates of sigma_y."""


class Tomography(NamedTuple):
    """What a reconstruction found."""

    state: Complexes
    """(4, 4) over (HH, HV, VH, VV), signal first: positive, trace 1."""
    likelihood_gap: float
    """Upper bound of what the log-likelihood still lacks to its maximum."""
    iterations: int


def projectors(settings: ArrayLike) -> Complexes:
    """Return projectors of analyser settings by name.

    Parameters
    ----------
    settings : array_like of str
        Two letters each, of H, V, D, A, R, L: signal's polarization and idler's.

    Returns
    -------
    ndarray
        (n, 4, 4).

    Raises
    ------
    UserError
        A name is not of that form.

    Examples
    --------
    >>> projectors(["HV"])[0].real.diagonal().tolist()
    [0.0, 1.0, 0.0, 0.0]
    """
    vectors = []
    for name in np.ravel(np.asarray(settings, dtype=str)):
        if len(name) != 2 or not set(name) <= set(POLARIZATIONS):
            raise UserError(f"setting {str(name)!r} must be two letters of {', '.join(POLARIZATIONS)}")
        vectors.append(np.kron(POLARIZATIONS[name[0]], POLARIZATIONS[name[1]]))
    stacked = np.array(vectors, dtype=np.complex128)
    projectors: Complexes = np.einsum("ni,nj->nij", stacked, stacked.conj())
    return projectors


def complete_settings() -> tuple[str, ...]:
    """Return the 36 settings of three bases a side: HV, DA and RL, both outcomes.

    Returns
    -------
    tuple of str
    """
    return tuple(first + second for first in POLARIZATIONS for second in POLARIZATIONS)


def reconstruct(
    counts: ArrayLike,
    settings: ArrayLike,
    *,
    exposures: ArrayLike = 1.0,
    accidentals: ArrayLike = 0.0,
    largest_gap: float = 1e-3,
    largest_iterations: int = 20_000,
) -> Tomography:
    r"""Return the density matrix of largest likelihood for coincidence counts.

    Counts are Poisson, with the means :math:`\mu_k = \nu t_k \operatorname{tr} \rho \Pi_k + b_k` at an unknown rate
    :math:`\nu`. With :math:`X = \nu \rho \ge 0` the maximum of

    .. math:: \log L(X) = \sum_k n_k \log \mu_k - \mu_k

    is concave, and a point is the maximum where the gradient :math:`\sum_k (n_k/\mu_k - 1) t_k \Pi_k` has no positive
    eigenvalue.

    Parameters
    ----------
    counts : array_like
        :math:`n_k` (n,).
    settings : array_like
        Names as in `projectors` (n,), or projectors :math:`\Pi_k` (n, 4, 4) of real analysers, efficiencies included.
    exposures : array_like
        :math:`t_k` (n,): relative time of each setting, or number of trials.
    accidentals : array_like
        :math:`b_k` (n,): expected coincidences of unrelated photons, from shifted windows.
    largest_gap : float
        Of the log-likelihood to its maximum; statistical noise is about 1.
    largest_iterations : int

    Returns
    -------
    Tomography

    Raises
    ------
    UserError
        Shapes do not fit, counts are negative or all zero, or the settings do not determine a state.
    RunError
        The gap is still too large after all iterations.

    Notes
    -----
    Likelihood: James, Kwiat, Munro, White, Phys. Rev. A 64, 052312 (2001), with Poisson statistics. Maximised by
    accelerated projected gradients with restart, J. Shang, Z. Zhang, H. K. Ng, Phys. Rev. A 95, 062336 (2017); unlike the
    iteration :math:`R \rho R` of Hradil et al. (2004) it needs no closed measurement, and it is fast for pure states. The
    bound of the gap is :math:`\lambda_+ \operatorname{tr} X_{max}`, from concavity.

    Examples
    --------
    >>> bell = np.outer([0, 1, -1, 0], [0, 1, -1, 0]) / 2
    >>> settings = complete_settings()
    >>> counts = 1000 * np.einsum("nij,ji->n", projectors(settings), bell).real
    >>> found = reconstruct(counts, settings)
    >>> bool(np.allclose(found.state, bell, atol=1e-3))
    True
    """
    observed = np.asarray(counts, dtype=np.float64)
    given = np.asarray(settings)
    operators = projectors(given) if given.dtype.kind in "UO" else np.asarray(given, dtype=np.complex128)
    if observed.ndim != 1 or operators.shape != (observed.size, 4, 4):
        raise UserError(f"counts of shape {observed.shape} do not fit projectors of shape {operators.shape}")
    time, background = (np.broadcast_to(np.asarray(x, np.float64), observed.shape) for x in (exposures, accidentals))
    if np.any(~(observed >= 0.0)) or not np.all(np.isfinite(observed)) or observed.sum() == 0.0:
        raise UserError("counts must not be negative, and not all be zero")
    if np.any(~(time > 0.0)) or np.any(~(background >= 0.0)):
        raise UserError("exposures must be above 0, accidentals not below")
    operators = time[:, np.newaxis, np.newaxis] * operators
    whole = operators.sum(axis=0)
    if np.linalg.matrix_rank(operators.reshape(-1, 16)) < 16:
        raise UserError("the settings do not determine a state: 16 independent ones are needed")
    # In units where all settings together are the identity, tr Y is the mean number of counts.
    values, vectors = np.linalg.eigh(whole)
    root = (vectors / np.sqrt(values)) @ vectors.conj().T
    operators = root @ operators @ root
    found, gap, iterations = _maximise(observed, operators, background, largest_gap, largest_iterations)
    if gap > largest_gap:
        raise RunError(
            f"tomography: after {iterations} iterations the log-likelihood may lack {gap:.2g}, not {largest_gap:g}"
        )
    state = root @ found @ root
    state = (state + state.conj().T) / 2.0
    return Tomography(state / np.trace(state).real, gap, iterations)


def coincidences_of(statistics: Any, *, realisation: int = 0) -> dict[str, Any]:
    """Take from a statistics file of correlation analysers what `reconstruct` needs.

    Parameters
    ----------
    statistics : xarray.Dataset
        As `qphys.open_statistics` returns it, of receivers ``correlation-analyser``; the points of a sweep of
        ``turn_deg`` or ``retardance_deg`` are further settings, such as those of runs/tomography.toml.
    realisation : int
        Which drawn sample.

    Returns
    -------
    dict
        ``counts`` (n,), ``settings`` (n, 4, 4), ``exposures`` (n,) and ``accidentals`` (n,), by these names the arguments of
        `reconstruct`; losses and efficiencies are taken for alike in all settings.

    Raises
    ------
    UserError
        The file has no counts, no run that made it, or other receivers.
    """
    if "counts" not in statistics or not isinstance(statistics.attrs.get("resolved_run"), str):
        raise UserError("tomography needs counts, and the run that made them (attribute 'resolved_run')")
    run: dict[str, Any] = next(iter(json.loads(statistics.attrs["resolved_run"]).values()), {})
    arms = run.get("arms", {})
    receivers = [arms.get(side, {}).get("receiver", {}) for side in ("alice", "bob")]
    if any(receiver.get("kind") != "correlation-analyser" for receiver in receivers):
        raise UserError("tomography needs receivers of kind 'correlation-analyser' in both arms")
    trials = np.asarray(statistics["trials"].values, dtype=np.float64).reshape(statistics.sizes["point"], -1).sum(axis=1)
    told: dict[str, list[Any]] = {"counts": [], "settings": [], "exposures": [], "accidentals": []}
    for point in range(statistics.sizes["point"]):
        here = statistics.isel(point=point, realisation=realisation)
        rows = []
        for side, receiver in zip(("alice", "bob"), receivers, strict=True):
            value = {"turn_deg": 0.0, "retardance_deg": 0.0} | receiver
            for key in ("turn_deg", "retardance_deg"):
                name = f"arms_{side}_receiver_{key}"
                value[key] = float(here[name]) if name in here.coords else value[key]
            angles = np.deg2rad(np.asarray(value["angles_deg"]) + value["turn_deg"])
            row = jones.polarizing_beam_splitter(angles, 0.0) @ jones.waveplate(np.deg2rad(value["retardance_deg"]), 0.0)
            share = np.asarray(value.get("setting_probabilities") or np.ones(len(angles)), dtype=np.float64)
            rows.append((row.reshape(-1, 2).conj(), np.repeat(share / share.sum(), 2)))
        vectors = np.einsum("ai,bj->abij", rows[0][0], rows[1][0]).reshape(-1, 4)
        told["settings"] += list(np.einsum("ni,nj->nij", vectors, vectors.conj()))
        told["exposures"] += list(trials[point] * np.outer(rows[0][1], rows[1][1]).ravel())
        names = [
            [f"{letter}{k}{sign}" for k in range(len(r[1]) // 2) for sign in "+-"]
            for letter, r in zip("ab", rows, strict=True)
        ]
        for variable, target in (("counts", "counts"), ("accidental_counts", "accidentals")):
            cells = here[variable].sum([d for d in here[variable].dims if d not in ("alice_outcome", "bob_outcome")])
            cells = cells.transpose("alice_outcome", "bob_outcome").sel(alice_outcome=names[0], bob_outcome=names[1])
            told[target] += list(np.asarray(cells.values, dtype=np.float64).ravel())
    return {name: np.asarray(values) for name, values in told.items()}


def _maximise(
    counts: Floats, operators: Complexes, background: Floats, largest_gap: float, largest_iterations: int
) -> tuple[Complexes, float, int]:
    """Accelerated projected gradient over positive matrices Y; the sum of the operators is the identity."""
    total = float(counts.sum())
    flat = operators.reshape(-1, 16)
    seen = counts > 0.0

    def means(at: Complexes) -> Floats:
        return np.asarray((flat.conj() @ at.reshape(16)).real, dtype=np.float64)

    def slope(at: Complexes) -> Complexes:
        """Of the negative log-likelihood."""
        ratio = np.divide(counts, means(at) + background, out=np.zeros_like(counts), where=seen)
        return np.asarray(((1.0 - ratio) @ flat).reshape(4, 4), dtype=np.complex128)

    def curvature(at: Complexes, change: Complexes) -> float:
        """Growth of the negative log-likelihood beyond its slope: a sum of positive terms, so that it keeps its digits."""
        x = means(change)[seen] / (means(at) + background)[seen]
        if np.any(x <= -1.0):
            return float("inf")
        near = np.abs(x) < 1e-3
        series = x**2 * (1.0 / 2.0 - x * (1.0 / 3.0 - x * (1.0 / 4.0 - x / 5.0)))
        return float(np.sum(counts[seen] * np.where(near, series, x - np.log1p(np.where(near, 0.0, x)))))

    def positive(at: Complexes) -> Complexes:
        values, vectors = np.linalg.eigh(at)
        return np.asarray((vectors * np.maximum(values, 0.0)) @ vectors.conj().T, dtype=np.complex128)

    here = np.eye(4, dtype=np.complex128) * total / 4.0
    ahead, momentum, step = here, 1.0, total / 4.0
    gap, iteration = float("inf"), 0
    while gap > largest_gap and iteration < largest_iterations:
        iteration += 1
        downhill = slope(ahead)
        while True:
            there = positive(ahead - step * downhill)
            change = there - ahead
            if curvature(ahead, change) <= float(np.vdot(change, change).real) / (2.0 * step):
                break
            step /= 2.0
        if momentum > 1.0 and float(np.vdot(downhill, there - here).real) > 0.0:
            # The momentum has carried past the minimum: start anew.
            ahead, momentum = here, 1.0
            continue
        following = (1.0 + np.sqrt(1.0 + 4.0 * momentum**2)) / 2.0
        trial = there + (momentum - 1.0) / following * (there - here)
        here, momentum = there, following
        # The momentum may lead out of the positive matrices, where a mean of observed counts may vanish.
        inside = np.all((means(trial) + background)[seen] > 0.0)
        ahead, momentum = (trial, momentum) if inside else (here, 1.0)
        step *= 1.1
        downhill = slope(here)
        # tr Y <= total at the maximum, and the log-likelihood is concave.
        lowest = float(np.linalg.eigvalsh(downhill)[0])
        gap = max(0.0, -lowest) * total + float(np.vdot(downhill, here).real)
    return here, gap, iteration
