"""Click patterns of threshold detectors as Python functions: docs/physics/patterns.md gives the physics.

A pattern is a number whose bit j is set where detector j clicked; the signal's detectors come before the idler's.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from qphys.core.levels import KERNELS
from qphys.core.parallel import evaluate

Floats = np.ndarray[Any, np.dtype[np.float64]]
Complexes = np.ndarray[Any, np.dtype[np.complex128]]
Codes = np.ndarray[Any, np.dtype[np.int8]]

#: What a table of outcomes may hold: 0 to 63.
OUTCOMES = 64


class Patterns(NamedTuple):
    """Probabilities (..., patterns) or (..., outcomes), and the status (...) of each row."""

    probability: Floats
    status: Codes


class Cumulants(NamedTuple):
    """Connected parts (..., sets) of the logarithm of the probability of silence, and the status (...) of each row."""

    cumulant: Floats
    status: Codes


class Moments(NamedTuple):
    """Normal-ordered moments of n modes: ``<a_i' a_j>`` and ``<a_i a_j>`` less those of the means ``<a_i>``."""

    number: Complexes
    anomalous: Complexes
    mean: Complexes


def pair_patterns(
    mean_photon_numbers: ArrayLike,
    signal_amplitudes: ArrayLike,
    *,
    idler_amplitudes: ArrayLike,
    schmidt_modes: ArrayLike,
    dark_probabilities: ArrayLike,
    threads: int = 1,
) -> Patterns:
    r"""Return the probability of every click pattern of the pairs of two squeezers.

    .. math:: |\psi\rangle = e^{r_1 (s_H^\dagger i_V^\dagger - h.c.) + r_2 (s_V^\dagger i_H^\dagger - h.c.)} |0\rangle,
              \qquad c_j = \sum_p A_{jp} s_p, \quad d_k = \sum_p B_{kp} i_p

    A phase between the squeezers is a factor of an amplitude: :math:`e^{i\phi} A_{jV}` gives the second one the phase
    :math:`\phi`. For pairs HH and VV exchange the columns of `idler_amplitudes`.

    Parameters
    ----------
    mean_photon_numbers : array_like
        :math:`\sinh^2 r` of the first (signal H, idler V) and second (signal V, idler H) squeezer, (..., 2); each the
        total over all Schmidt modes, 0 to 1e12.
    signal_amplitudes : array_like
        :math:`A` (..., d, 2), complex: amplitude of detector j for polarization H and V, square roots of transmission
        and efficiency included. No singular value is above 1. At most four detectors.
    idler_amplitudes : array_like
        :math:`B` (..., d', 2).
    schmidt_modes : array_like
        Number :math:`K \ge 1` of equally bright Schmidt modes: 1 thermal, infinity Poisson pairs.
    dark_probabilities : array_like
        Probability of a click without light, (..., d + d').
    threads : int
        Threads over the batch.

    Returns
    -------
    Patterns
        Probabilities (..., 2**(d + d')). A row with an impossible input is NaN, its status says why.

    Raises
    ------
    ValueError
        If shapes do not fit.

    Notes
    -----
    Relative error below 1e-12 down to 1e-25 where no pattern is suppressed by interference; a pattern that perfect
    detectors forbid is a difference, and keeps an error of 1e-15 of what is subtracted.

    Examples
    --------
    >>> probability, status = pair_patterns(
    ...     [0.01, 0.01], [[1, 0], [0, 1]], idler_amplitudes=[[1, 0], [0, 1]], schmidt_modes=1, dark_probabilities=[0] * 4
    ... )
    >>> float(probability[0b1001].round(6)), int(status)
    (0.009803, 0)
    """
    arms, size = _arms(signal_amplitudes, idler_amplitudes)
    noise = _pad_detectors(dark_probabilities, arms)
    kernel = KERNELS[f"pair_patterns_{2 * size}"]
    n, K = _float(mean_photon_numbers), _float(schmidt_modes)
    probability, status = evaluate(
        kernel, n, arms.signal, arms.idler, K, noise, threads=threads, smallest_slice=_SMALLEST_SLICE[size]
    )
    return Patterns(_drop_absent(probability, arms), status)


def pair_outcomes(
    mean_photon_numbers: ArrayLike,
    signal_amplitudes: ArrayLike,
    *,
    idler_amplitudes: ArrayLike,
    schmidt_modes: ArrayLike,
    dark_probabilities: ArrayLike,
    outcome_of_pattern: ArrayLike,
    threads: int = 1,
) -> Patterns:
    """Return the patterns of `pair_patterns` summed to outcomes, in one call.

    Parameters
    ----------
    mean_photon_numbers, signal_amplitudes, idler_amplitudes, schmidt_modes, dark_probabilities
        As in `pair_patterns`.
    outcome_of_pattern : array_like
        (2**(d + d'),) or (..., 2**(d + d')): the outcome, 0 to 63, of each pattern. For two receivers of four detectors
        and eight outcomes each: ``8 * signal_outcome[pattern & 15] + idler_outcome[pattern >> 4]``.
    threads : int
        Threads over the batch.

    Returns
    -------
    Patterns
        Probabilities (..., 64).

    Raises
    ------
    ValueError
        If shapes do not fit.

    Examples
    --------
    >>> clicks = [bin(pattern).count("1") for pattern in range(16)]
    >>> probability, _ = pair_outcomes(
    ...     [0.01, 0.01],
    ...     [[1, 0], [0, 1]],
    ...     idler_amplitudes=[[1, 0], [0, 1]],
    ...     schmidt_modes=1,
    ...     dark_probabilities=[0] * 4,
    ...     outcome_of_pattern=clicks,
    ... )
    >>> float(probability[2].round(6))
    0.019606
    """
    arms, _ = _arms(signal_amplitudes, idler_amplitudes, size=4)
    table = np.asarray(outcome_of_pattern)
    if table.shape[-1] != 2 ** (arms.signal_detectors + arms.idler_detectors):
        raise ValueError(f"outcome_of_pattern needs an entry a pattern, its shape is {table.shape}")
    whole = np.zeros((*table.shape[:-1], 256), dtype=np.int8)
    whole[..., _present(arms)] = np.where((table >= 0) & (table < OUTCOMES), table, -1)
    probability, status = evaluate(
        KERNELS["pair_outcomes_8"],
        _float(mean_photon_numbers),
        arms.signal,
        arms.idler,
        _float(schmidt_modes),
        _pad_detectors(dark_probabilities, arms),
        whole,
        threads=threads,
        smallest_slice=_SMALLEST_SLICE[4],
    )
    return Patterns(probability, status)


def pair_cumulants(
    mean_photon_numbers: ArrayLike,
    signal_amplitudes: ArrayLike,
    *,
    idler_amplitudes: ArrayLike,
    schmidt_modes: ArrayLike,
    threads: int = 1,
) -> Cumulants:
    r"""Return the connected parts :math:`\kappa_T` of the pairs of two squeezers.

    .. math:: \log P(\text{no detector of } S \text{ clicks}) = \sum_{\emptyset \ne T \subseteq S} \kappa_T

    Those of independent light add: unequal Schmidt modes (one call each, ``schmidt_modes=1``), other pairs, background.
    `cumulant_patterns` makes patterns of the sum.

    Parameters
    ----------
    mean_photon_numbers, signal_amplitudes, idler_amplitudes, schmidt_modes, threads
        As in `pair_patterns`; two or four detectors an arm.

    Returns
    -------
    Cumulants
        (..., 16) or (..., 256); that of the empty set is 0.

    Raises
    ------
    ValueError
        If shapes do not fit.
    """
    arms, size = _arms(signal_amplitudes, idler_amplitudes, padding=False)
    kernel = KERNELS[f"pair_cumulants_{2 * size}"]
    n, K = _float(mean_photon_numbers), _float(schmidt_modes)
    return Cumulants(*evaluate(kernel, n, arms.signal, arms.idler, K, threads=threads))


def poisson_pair_cumulants(
    mean_pair_number: ArrayLike,
    density_matrix: ArrayLike,
    *,
    signal_amplitudes: ArrayLike,
    idler_amplitudes: ArrayLike,
    threads: int = 1,
) -> Cumulants:
    r"""Return the connected parts of pairs of a density matrix, Poisson in number.

    .. math:: \kappa_j = -\mu \langle E_j \rangle, \qquad \kappa_{jk} = \mu \langle E_j \otimes F_k \rangle

    Parameters
    ----------
    mean_pair_number : array_like
        :math:`\mu`, 0 to 1e12.
    density_matrix : array_like
        (..., 4, 4), complex, basis HH, HV, VH, VV of (signal, idler); trace 1.
    signal_amplitudes, idler_amplitudes : array_like
        As in `pair_patterns`: :math:`E_j = |A_j\rangle\langle A_j|` with the conjugate of row j as :math:`|A_j\rangle`.
    threads : int
        Threads over the batch.

    Returns
    -------
    Cumulants
        (..., 16) or (..., 256).

    Raises
    ------
    ValueError
        If shapes do not fit.
    """
    arms, size = _arms(signal_amplitudes, idler_amplitudes, padding=False)
    rho = _real(density_matrix, 4, 4, "density_matrix")
    kernel = KERNELS[f"poisson_pair_cumulants_{2 * size}"]
    return Cumulants(*evaluate(kernel, _float(mean_pair_number), rho, arms.signal, arms.idler, threads=threads))


def background_cumulants(mean_photon_numbers: ArrayLike, *, modes: ArrayLike) -> Floats:
    r"""Return the connected parts of light that meets each detector on its own.

    .. math:: \kappa_j = -K \log(1 + n_j / K)

    Parameters
    ----------
    mean_photon_numbers : array_like
        :math:`n_j` (..., 4) or (..., 8): mean number of detected photons, efficiency included.
    modes : array_like
        :math:`K \ge 1`, of one row's detectors: 1 thermal, infinity Poisson.

    Returns
    -------
    numpy.ndarray
        (..., 16) or (..., 256), zero in all sets of more than one detector.

    Examples
    --------
    >>> float(background_cumulants([1e-9, 0, 0, 0], modes=np.inf)[0b0001])
    -1e-09
    """
    n, K = np.broadcast_arrays(_float(mean_photon_numbers), _float(modes)[..., None])
    finite = np.where(np.isinf(K), 1.0, K)
    cumulant = np.zeros((*n.shape[:-1], 2 ** n.shape[-1]))
    cumulant[..., 2 ** np.arange(n.shape[-1])] = -np.where(np.isinf(K), n, finite * np.log1p(n / finite))
    return cumulant


def gaussian_patterns(
    number: ArrayLike,
    anomalous: ArrayLike,
    *,
    mean: ArrayLike,
    copies: ArrayLike,
    dark_probabilities: ArrayLike,
    threads: int = 1,
) -> Patterns:
    r"""Return the probability of every click pattern of a Gaussian state, a detector on each mode.

    .. math:: P(\text{no click in } S) = \left[\det(1 + \Gamma_S)^{-1/2}
              e^{-\frac12 \zeta_S^\dagger (1 + \Gamma_S)^{-1} \zeta_S}\right]^K, \qquad
              \Gamma_{ij} = \begin{pmatrix} N_{ji} & M_{ij} \\ M_{ij}^* & N_{ij} \end{pmatrix}, \quad
              \zeta_i = (\alpha_i, \alpha_i^*)

    Parameters
    ----------
    number : array_like
        :math:`N_{ij} = \langle a_i^\dagger a_j \rangle - \alpha_i^* \alpha_j` (..., n, n), losses in; 1 to 8 detectors.
    anomalous : array_like
        :math:`M_{ij} = \langle a_i a_j \rangle - \alpha_i \alpha_j` (..., n, n).
    mean : array_like
        :math:`\alpha_i = \langle a_i \rangle` (..., n).
    copies : array_like
        :math:`K`, how often the state is there independently (Schmidt modes), 1 to 1e12; moments are those of one.
    dark_probabilities : array_like
        Probability of a click without light, (..., n).
    threads : int
        Threads over the batch.

    Returns
    -------
    Patterns
        Probabilities (..., 2**n).

    Raises
    ------
    ValueError
        If shapes do not fit.

    Notes
    -----
    Moments that break :math:`|N_{ij}|^2 \\le N_{ii} N_{jj}` or :math:`|M_{ij}|^2 \\le N_{ii} (N_{jj} + 1)`, or whose
    patterns come out negative, are answered with NaN and ``impossible_state_of_light``; not every impossible state is
    seen. Sparse light in many detectors keeps its relative precision whatever the losses.
    """
    N, M, alpha, n, size = _moments(number, anomalous, mean)
    noise = _float(dark_probabilities)
    if noise.shape[-1:] != (n,):
        raise ValueError(f"dark_probabilities need shape (..., {n}), not {noise.shape}")
    noise = np.pad(noise, [(0, 0)] * (noise.ndim - 1) + [(0, size - n)])
    kernel, K = KERNELS[f"gaussian_patterns_{size}"], _float(copies)
    least = _SMALLEST_SLICE[size // 2]
    probability, status = evaluate(kernel, N, M, alpha, K, noise, threads=threads, smallest_slice=least)
    return Patterns(probability[..., : 2**n], status)


def gaussian_cumulants(
    number: ArrayLike, anomalous: ArrayLike, *, mean: ArrayLike, copies: ArrayLike, threads: int = 1
) -> Cumulants:
    """Return the connected parts of a Gaussian state, a detector on each mode.

    Parameters
    ----------
    number, anomalous, mean, copies, threads
        As in `gaussian_patterns`.

    Returns
    -------
    Cumulants
        (..., 2**n).

    Raises
    ------
    ValueError
        If shapes do not fit.
    """
    N, M, alpha, n, size = _moments(number, anomalous, mean)
    kernel = KERNELS[f"gaussian_cumulants_{size}"]
    cumulant, status = evaluate(kernel, N, M, alpha, _float(copies), threads=threads)
    return Cumulants(cumulant[..., : 2**n], status)


def cumulant_patterns(cumulant: ArrayLike, *, dark_probabilities: ArrayLike, threads: int = 1) -> Patterns:
    """Return the probability of every click pattern from the sum of the connected parts of all light.

    Parameters
    ----------
    cumulant : array_like
        (..., 16) or (..., 256), as the functions above give it; that of the empty set is ignored.
    dark_probabilities : array_like
        Probability of a click without light, (..., 4) or (..., 8).
    threads : int
        Threads over the batch.

    Returns
    -------
    Patterns
        Probabilities (..., 16) or (..., 256).

    Raises
    ------
    ValueError
        If shapes do not fit.

    Examples
    --------
    >>> sky = background_cumulants([1e-6, 1e-6, 1e-6, 1e-6], modes=np.inf)
    >>> probability, _ = cumulant_patterns(sky, dark_probabilities=[0, 0, 0, 0])
    >>> round(float(probability[0b1111]) * 1e24, 5)
    1.0
    """
    kappa = _float(cumulant)
    n = {16: 4, 256: 8}.get(kappa.shape[-1] if kappa.ndim else 0)
    if n is None:
        raise ValueError(f"cumulants need a last axis of 16 or 256 sets, their shape is {kappa.shape}")
    return Patterns(*evaluate(KERNELS[f"cumulant_patterns_{n}"], kappa, _float(dark_probabilities), threads=threads))


def cumulant_outcomes(
    cumulant: ArrayLike, *, dark_probabilities: ArrayLike, outcome_of_pattern: ArrayLike, threads: int = 1
) -> Patterns:
    """Return the patterns of `cumulant_patterns` of eight detectors summed to outcomes, in one call.

    Parameters
    ----------
    cumulant : array_like
        (..., 256).
    dark_probabilities : array_like
        (..., 8).
    outcome_of_pattern : array_like
        (256,) or (..., 256): the outcome, 0 to 63, of each pattern.
    threads : int
        Threads over the batch.

    Returns
    -------
    Patterns
        Probabilities (..., 64).
    """
    table = np.asarray(outcome_of_pattern)
    table = np.where((table >= 0) & (table < OUTCOMES), table, -1).astype(np.int8)
    kernel = KERNELS["cumulant_outcomes_8"]
    return Patterns(*evaluate(kernel, _float(cumulant), _float(dark_probabilities), table, threads=threads))


def moments_from_covariance(covariance: ArrayLike, mean: ArrayLike, *, hbar: float = 2.0) -> Moments:
    r"""Return the normal-ordered moments of a Gaussian state from its quadratures.

    .. math:: N_{jk} = \frac{V_{xx} + V_{pp} + i (V_{xp} - V_{px})}{2 \hbar} - \frac{\delta_{jk}}{2}, \qquad
              M_{jk} = \frac{V_{xx} - V_{pp} + i (V_{xp} + V_{px})}{2 \hbar}

    Parameters
    ----------
    covariance : array_like
        :math:`V` (..., 2 n, 2 n), ordered :math:`x_1 \dots x_n, p_1 \dots p_n` (Strawberry Fields, The Walrus).
    mean : array_like
        Means of the quadratures (..., 2 n).
    hbar : float
        Variance of the vacuum times 2.

    Returns
    -------
    Moments
        For `gaussian_patterns`.

    Raises
    ------
    ValueError
        If the covariance is not square or its size odd.

    Notes
    -----
    A covariance in doubles has lost digits already: mean photon numbers are what is left of :math:`V - \hbar/2`, with an
    absolute error of about 1e-16. A detector that sees n photons has a relative error of 1e-16/n in its clicks: 5e-9 at a
    transmission of 1e-5 was measured. For dual downlinks give moments, not a covariance.

    Examples
    --------
    >>> moments_from_covariance([[3.0, 0.0], [0.0, 3.0]], [0.0, 0.0]).number.real
    array([[1.]])
    """
    V, r = _float(covariance), _float(mean)
    n = V.shape[-1] // 2 if V.ndim >= 2 else 0
    if n == 0 or V.shape[-2:] != (2 * n, 2 * n) or r.shape[-1:] != (2 * n,):
        raise ValueError(f"covariance {V.shape} and mean {r.shape} need shapes (..., 2 n, 2 n) and (..., 2 n)")
    xx, xp, px, pp = V[..., :n, :n], V[..., :n, n:], V[..., n:, :n], V[..., n:, n:]
    number = ((xx - hbar / 2 * np.eye(n)) + (pp - hbar / 2 * np.eye(n)) + 1j * (xp - px)) / (2 * hbar)
    anomalous = ((xx - pp) + 1j * (xp + px)) / (2 * hbar)
    alpha = (r[..., :n] + 1j * r[..., n:]) / np.sqrt(2 * hbar)
    return Moments(*(np.asarray(moment, dtype=np.complex128) for moment in (number, anomalous, alpha)))


#: Elements a thread should have, by detectors an arm: below, its start costs more than it saves.
_SMALLEST_SLICE = {2: 4096, 4: 64}


class _Arms(NamedTuple):
    signal: Floats
    idler: Floats
    signal_detectors: int
    idler_detectors: int
    size: int


def _float(value: ArrayLike) -> Floats:
    return np.asarray(value, dtype=np.float64)


def _real(matrix: ArrayLike, rows: int, columns: int, name: str) -> Floats:
    """Return complex matrices as rows of real and imaginary parts."""
    array = np.ascontiguousarray(matrix, dtype=np.complex128)
    if array.shape[-2:] != (rows, columns):
        raise ValueError(f"{name} needs shape (..., {rows}, {columns}), not {array.shape}")
    return array.view(np.float64).reshape(*array.shape[:-2], 2 * rows * columns)


def _arms(signal: ArrayLike, idler: ArrayLike, *, size: int = 2, padding: bool = True) -> tuple[_Arms, int]:
    """Bring both arms to two or to four detectors: one that is not there sees nothing."""
    arrays = [np.asarray(arm, dtype=np.complex128) for arm in (signal, idler)]
    for array, name in zip(arrays, ("signal_amplitudes", "idler_amplitudes"), strict=True):
        if array.ndim < 2 or array.shape[-1] != 2 or not 1 <= array.shape[-2] <= 4:
            raise ValueError(f"{name} needs shape (..., 1 to 4 detectors, 2 polarizations), not {array.shape}")
    detectors = [array.shape[-2] for array in arrays]
    size = max(size, 2 if max(detectors) <= 2 else 4)
    if not padding and detectors != [size, size]:
        raise ValueError(f"both arms need 2 or both need 4 detectors, not {detectors[0]} and {detectors[1]}")
    padded = [np.pad(a, [(0, 0)] * (a.ndim - 2) + [(0, size - a.shape[-2]), (0, 0)]) for a in arrays]
    rows = [_real(array, size, 2, "amplitudes") for array in padded]
    return _Arms(rows[0], rows[1], detectors[0], detectors[1], size), size


def _pad_detectors(values: ArrayLike, arms: _Arms) -> Floats:
    array = _float(values)
    total = arms.signal_detectors + arms.idler_detectors
    if array.shape[-1:] != (total,):
        raise ValueError(f"dark_probabilities need shape (..., {total}), not {array.shape}")
    whole = np.zeros((*array.shape[:-1], 2 * arms.size))
    whole[..., : arms.signal_detectors] = array[..., : arms.signal_detectors]
    whole[..., arms.size : arms.size + arms.idler_detectors] = array[..., arms.signal_detectors :]
    return whole


def _present(arms: _Arms) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the padded index of every pattern of the detectors that are there."""
    pattern = np.arange(2 ** (arms.signal_detectors + arms.idler_detectors))
    low = pattern & (2**arms.signal_detectors - 1)
    high = (pattern >> arms.signal_detectors) << arms.size
    return np.asarray(low + high, dtype=np.int64)


def _drop_absent(probability: Floats, arms: _Arms) -> Floats:
    if arms.signal_detectors == arms.idler_detectors == arms.size:
        return probability
    return probability[..., _present(arms)]


def _moments(number: ArrayLike, anomalous: ArrayLike, mean: ArrayLike) -> tuple[Floats, Floats, Floats, int, int]:
    """Bring moments to four or to eight detectors; return them as rows, the detectors there are, and 4 or 8."""
    alpha = np.asarray(mean, dtype=np.complex128)
    n = alpha.shape[-1] if alpha.ndim else 0
    if not 1 <= n <= 8:
        raise ValueError(f"mean needs a last axis of 1 to 8 detectors, its shape is {alpha.shape}")
    size = 4 if n <= 4 else 8
    rows = []
    for value, name in ((number, "number"), (anomalous, "anomalous")):
        matrix = np.asarray(value, dtype=np.complex128)
        if matrix.shape[-2:] != (n, n):
            raise ValueError(f"{name} needs shape (..., {n}, {n}), not {matrix.shape}")
        matrix = np.pad(matrix, [(0, 0)] * (matrix.ndim - 2) + [(0, size - n)] * 2)
        rows.append(_real(matrix, size, size, name))
    alpha = np.ascontiguousarray(np.pad(alpha, [(0, 0)] * (alpha.ndim - 1) + [(0, size - n)]))
    return rows[0], rows[1], alpha.view(np.float64), n, size
