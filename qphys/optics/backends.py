"""Three roads from a circuit to its detectors' statistics: our C kernel, Strawberry Fields' Gaussian and Fock backends."""

from __future__ import annotations

from math import comb
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from qphys.errors import UserError
from qphys.optics.circuit import (
    Attenuation,
    Circuit,
    NumberResolvingDetector,
    Photons,
    Shift,
    SingleModeSqueezing,
    TwoModeSqueezing,
    Unitary,
)
from qphys.stages import Floats

BACKENDS: Final = ("kernel", "gaussian", "fock")

KERNEL_MODES: Final = 8
"""Modes that the C kernel takes."""

BATCH: Final = "arrays as parameters: Strawberry Fields runs one circuit at a time; use backend 'kernel'"

FOCK_SIZE: Final = 10**8
"""Largest number of entries of a state vector or a density matrix in the Fock backend."""


def kernel(circuit: Circuit, *, schmidt_modes: ArrayLike) -> Floats:
    """Return the statistics of threshold detectors from normal-ordered moments, by the C kernel.

    Parameters
    ----------
    circuit : Circuit
        Gaussian light, threshold detectors that see 8 modes at most. Its parameters may be arrays.
    schmidt_modes : array_like
        Number of equal, independent copies of the light, >= 1.

    Returns
    -------
    ndarray
        (..., 2, 2, ...): silent and click of each detector.

    Raises
    ------
    UserError
        There are photon-number-resolving detectors, number states, or too many modes.
    """
    from qphys.core.patterns import gaussian_patterns

    _demand_threshold(circuit, "kernel")
    moments = circuit.detected_moments()
    n = moments.mean.shape[-1]
    if n > KERNEL_MODES:
        raise UserError(f"backend 'kernel' takes {KERNEL_MODES} detected modes, the circuit has {n}: use 'gaussian'")
    silent = np.zeros(n)
    of_modes = gaussian_patterns(
        moments.number, moments.anomalous, mean=moments.mean, copies=schmidt_modes, dark_probabilities=silent
    ).probability
    detectors = len(circuit.detectors)
    outcome = np.zeros(2**n, dtype=np.int64)
    position = 0
    for detector, watched in enumerate(circuit.seen):
        for _ in watched:
            outcome |= (np.arange(2**n) >> position & 1) << (detectors - 1 - detector)
            position += 1
    patterns = np.zeros((*of_modes.shape[:-1], 2**detectors))
    for pattern in range(2**n):
        patterns[..., outcome[pattern]] += of_modes[..., pattern]
    return _with_dark_counts(patterns.reshape(*of_modes.shape[:-1], *[2] * detectors), circuit)


def gaussian(circuit: Circuit) -> Floats:
    """Return the statistics of threshold detectors from Strawberry Fields' covariance matrix.

    Parameters
    ----------
    circuit : Circuit
        Gaussian light, threshold detectors, numbers as parameters.

    Returns
    -------
    ndarray
        (2, 2, ...): silent and click of each detector.

    Raises
    ------
    UserError
        There are photon-number-resolving detectors, number states, or arrays as parameters.

    Notes
    -----
    Inclusion and exclusion over vacuum probabilities: absolute error 1e-15, so that a pattern of probability 1e-12 keeps
    three digits.
    """
    _demand_threshold(circuit, "gaussian")
    state = strawberryfields_state(circuit)
    groups = circuit.seen
    modes = circuit.modes
    n = len(groups)
    silent = np.ones([2] * n)
    for subset in np.ndindex(*[2] * n):
        quiet = sorted(modes.index(m) for group, chosen in zip(groups, subset, strict=True) if chosen for m in group)
        if quiet:
            mean, covariance = state.reduced_gaussian(quiet)
            # hbar = 2: the vacuum's covariance is 1.
            total = covariance + np.eye(2 * len(quiet))
            exponent = -0.5 * mean @ np.linalg.solve(total, mean)
            silent[subset] = 2 ** len(quiet) * np.exp(exponent) / np.sqrt(np.linalg.det(total))
    for axis in range(n):
        # Index 1 says silent, 0 that nobody asks: click is the difference.
        asked, unasked = silent.take(1, axis), silent.take(0, axis)
        silent = np.stack([asked, unasked - asked], axis=axis)
    return _with_dark_counts(silent, circuit)


def fock(circuit: Circuit, *, cutoff: int) -> Floats:
    """Return the statistics of the detectors from Strawberry Fields' photon-number states.

    Parameters
    ----------
    circuit : Circuit
        Any light, any detectors, numbers as parameters; few modes.
    cutoff : int
        Photon numbers 0 to cutoff - 1 in each mode.

    Returns
    -------
    ndarray
        One axis a detector: silent and click, or 0, 1, ... photons up to ``cutoff - 1`` for each mode it sees.

    Raises
    ------
    UserError
        The state is too large, or there are arrays as parameters.

    Notes
    -----
    The probability that is missing from 1 tells the truncation. Efficiencies thin the photon numbers afterwards, so that
    a circuit without loss stays a pure state.
    """
    if cutoff < 2:
        raise UserError(f"cutoff = {cutoff} must be 2 or more")
    modes = circuit.modes
    mixed = any(isinstance(step, Attenuation) for step in circuit.primitives)
    ancilla = any(isinstance(step, Attenuation) and np.any(np.asarray(step.background) > 0) for step in circuit.primitives)
    size = float(cutoff) ** ((len(modes) + ancilla) * (2 if mixed else 1))
    if size > FOCK_SIZE:
        raise UserError(f"backend 'fock': {len(modes)} modes of {cutoff} photon numbers need {size:.1e} amplitudes")
    numbers = np.asarray(strawberryfields_state(circuit, cutoff=cutoff).all_fock_probs(cutoff=cutoff), dtype=np.float64)
    numbers = numbers.reshape([cutoff] * len(modes))
    statistics = _counts(numbers, [[modes.index(m) for m in group] for group in circuit.seen])
    for axis, detector in enumerate(circuit.detectors):
        largest = statistics.shape[axis] - 1
        matrix = _thinning(_scalar(detector.efficiency), largest)
        if not isinstance(detector, NumberResolvingDetector):
            matrix = np.stack([matrix[0], matrix[1:].sum(axis=0)])
        statistics = np.moveaxis(np.tensordot(matrix, statistics, axes=(1, axis)), 0, axis)
    return _with_dark_counts(statistics, circuit)


def strawberryfields_state(circuit: Circuit, *, cutoff: int | None = None) -> Any:
    """Run a circuit, up to its detectors, in Strawberry Fields.

    Parameters
    ----------
    circuit : Circuit
        Numbers as parameters.
    cutoff : int, optional
        Photon numbers of the Fock backend; without it the Gaussian backend runs, and efficiencies of the detectors are in.

    Returns
    -------
    strawberryfields.backends.BaseState
        Over ``circuit.modes``, in that order.

    Raises
    ------
    UserError
        Parameters are arrays, or a number state meets the Gaussian backend.
    ImportError
        Strawberry Fields is not installed.
    """
    from qphys.optics._strawberryfields import import_strawberryfields

    sf = import_strawberryfields()
    modes = circuit.modes
    if not modes:
        raise UserError("the circuit holds no light")
    program = sf.Program(len(modes))
    with program.context as register:
        for step in circuit.primitives:
            _apply(sf.ops, register, step, [modes.index(m) for m in step.modes], fock=cutoff is not None)
        if cutoff is None:
            for detector, group in zip(circuit.detectors, circuit.seen, strict=True):
                for m in group:
                    sf.ops.LossChannel(_scalar(detector.efficiency)) | register[modes.index(m)]
    name, options = ("gaussian", {}) if cutoff is None else ("fock", {"cutoff_dim": cutoff})
    engine = sf.Engine(name, backend_options=options)
    # Arms that never meet are no mistake.
    return engine.run(program, compile_options={"warn_connected": False}).state


def _apply(ops: Any, register: Any, step: Any, at: list[int], *, fock: bool) -> None:
    """Append a step to the program that is open."""
    match step:
        case Unitary(matrix=matrix) if len(at) == 1:
            ops.Rgate(float(np.angle(_scalar(matrix[..., 0, 0])))) | register[at[0]]
        case Unitary(matrix=matrix):
            if matrix.ndim > 2:
                raise UserError(BATCH)
            # U = [[t, -r e^(-ip)], [r e^(ip), t]] diag(e^(if), e^(ig)), with the t, r, p of BSgate. Any f does where t = 0.
            first = np.angle(matrix[0, 0])
            second = np.angle(np.linalg.det(matrix)) - first
            phase = np.angle(matrix[1, 0]) - first
            theta = float(np.arctan2(abs(matrix[1, 0]), abs(matrix[0, 0])))
            for angle, i in zip((first, second), at, strict=True):
                ops.Rgate(float(angle)) | register[i]
            ops.BSgate(theta, float(phase)) | (register[at[0]], register[at[1]])
        case TwoModeSqueezing(squeezing=squeezing, phase=phase):
            ops.S2gate(*_polar(squeezing, phase)) | (register[at[0]], register[at[1]])
        case SingleModeSqueezing(squeezing=squeezing, phase=phase):
            # Strawberry Fields' squeezer has the opposite sign.
            amount, angle = _polar(squeezing, phase)
            ops.Sgate(amount, angle + np.pi) | register[at[0]]
        case Shift(amplitude=amplitude):
            value = _scalar(amplitude)
            ops.Dgate(float(abs(value)), float(np.angle(value))) | register[at[0]]
        case Photons(number=number) if fock:
            ops.Fock(number) | register[at[0]]
        case Photons():
            raise UserError("a number state is no Gaussian state: use backend 'fock'")
        case Attenuation(transmittance=transmittance, background=background):
            _attenuate(ops, register, _scalar(transmittance), _scalar(background), at[0])


def _attenuate(ops: Any, register: Any, transmittance: float, background: float, at: int) -> None:
    if background == 0.0:
        ops.LossChannel(transmittance) | register[at]
        return
    # Not ThermalLossChannel: release 0.23 adds the photons to every entry of the matrix of moments, of all modes.
    (beside,) = ops.New(1)
    ops.Thermal(background / (1.0 - transmittance)) | beside
    ops.BSgate(float(np.arccos(np.sqrt(transmittance))), 0.0) | (register[at], beside)
    ops.Del | beside


def _scalar(value: Any) -> Any:
    array = np.asarray(value)
    if array.ndim:
        raise UserError(BATCH)
    return array[()]


def _polar(squeezing: Any, phase: Any) -> tuple[float, float]:
    amount, angle = float(_scalar(squeezing)), float(_scalar(phase))
    return abs(amount), angle + (np.pi if amount < 0.0 else 0.0)


def _demand_threshold(circuit: Circuit, backend: str) -> None:
    if any(isinstance(d, NumberResolvingDetector) for d in circuit.detectors):
        raise UserError(f"backend {backend!r} has threshold detectors only: use 'fock' to count photons")


def _counts(numbers: Floats, groups: list[list[int]]) -> Floats:
    """Joint distribution of the total photon number of each group of modes; unseen modes are summed over."""
    cutoff = numbers.shape[0] if numbers.ndim else 1
    unseen = tuple(set(range(numbers.ndim)) - {m for group in groups for m in group})
    kept = [m for m in range(numbers.ndim) if m not in unseen]
    ordered = numbers.sum(axis=unseen).transpose([kept.index(m) for group in groups for m in group])
    counts = np.zeros([(cutoff - 1) * len(group) + 1 for group in groups])
    ends = np.cumsum([len(group) for group in groups])
    index = np.indices(ordered.shape)
    totals = [index[end - len(group) : end].sum(axis=0) for end, group in zip(ends, groups, strict=True)]
    np.add.at(counts, tuple(totals), ordered)
    return counts


def _thinning(efficiency: float, largest: int) -> Floats:
    """Probability of k counts for n photons, (k, n): binomial."""
    matrix = np.zeros((largest + 1, largest + 1))
    for n in range(largest + 1):
        for k in range(n + 1):
            matrix[k, n] = comb(n, k) * efficiency**k * (1.0 - efficiency) ** (n - k)
    return matrix


def _with_dark_counts(statistics: Floats, circuit: Circuit) -> Floats:
    """A dark count turns silence into a click: nothing but sums of positive terms."""
    detectors = circuit.detectors
    for position, detector in enumerate(detectors):
        if isinstance(detector, NumberResolvingDetector):
            continue
        axis = position - len(detectors)
        tail = (1,) * (len(detectors) - 1)
        dark = np.asarray(detector.dark_probability)
        dark = dark.reshape((*dark.shape, *tail))
        silent, click = statistics.take(0, axis), statistics.take(1, axis)
        statistics = np.stack(np.broadcast_arrays((1.0 - dark) * silent, click + dark * silent), axis=axis)
    return statistics
