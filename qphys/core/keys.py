"""Key-rate kernels as Python functions: decoy-state BB84 with two decoys and with one, finite and asymptotic."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from qphys.core.levels import KERNELS
from qphys.core.parallel import evaluate

Floats = np.ndarray[Any, np.dtype[np.float64]]
Codes = np.ndarray[Any, np.dtype[np.int8]]

#: Policies of `lim2014` and `one_decoy`, and the codes that the kernels take.
TAIL_BOUNDS: Mapping[str, int] = MappingProxyType(
    {
        "hoeffding": 0,
        "chernoff": 1,
        "yin2020": 2,
        "zhang2017": 3,
        "zhang2017_simplified": 4,
        "binomial": 5,
        "kato2020": 6,
    }
)
SAMPLING_BOUNDS: Mapping[str, int] = MappingProxyType(
    {"lim2014": 0, "exact": 1, "exact_smoothing": 2, "serfling": 3, "yin2020": 4}
)
KEY_SOURCES: Mapping[str, int] = MappingProxyType({"signal": 0, "all": 1})

#: Which bound gave the phase error of a row; "gamma" is that of Lim et al. 2014, "yin2020" that of Yin et al. 2020.
SAMPLING_USED: Mapping[str, int] = MappingProxyType({"none": 0, "gamma": 1, "exact": 2, "serfling": 3, "yin2020": 4})

#: Proofs of `one_decoy` and its policies of sampling, with the codes that the kernel takes.
ONE_DECOY_PROOFS: Mapping[str, int] = MappingProxyType({"rusca2018": 0, "wiesemann2026": 1})
ONE_DECOY_SAMPLING_BOUNDS: Mapping[str, int] = MappingProxyType(
    {"own": 0, "exact": 1, "exact_smoothing": 2, "serfling": 3, "yin2020": 4}
)

#: Proofs of `variable_length` and its policies of sampling, with the codes that the kernels take.
VARIABLE_LENGTH_PROOFS: Mapping[str, int] = MappingProxyType({"tupkary2025": 0, "variable-length": 1})
VARIABLE_LENGTH_SAMPLING_BOUNDS: Mapping[str, int] = MappingProxyType({"serfling": 0, "exact": 1})


class Lim2014(NamedTuple):
    """Secret key of a block and the bounds behind it, each of the batch's shape."""

    key_length: Floats
    vacuum_lower: Floats
    single_photon_lower: Floats
    test_single_photon_lower: Floats
    test_single_photon_error_upper: Floats
    phase_error_upper: Floats
    leakage: Floats
    sampling_used: Codes
    status: Codes


class Ma2005(NamedTuple):
    """Asymptotic bounds and key rate, each of the batch's shape."""

    vacuum_yield_lower: Floats
    single_photon_yield_lower: Floats
    single_photon_error_upper: Floats
    single_photon_gain_lower: Floats
    key_rate: Floats
    status: Codes


class Ma2005Infinite(NamedTuple):
    """Asymptotic key rate where decoys tell yield and error exactly, each of the batch's shape."""

    single_photon_gain: Floats
    key_rate: Floats
    status: Codes


def mean_bounds(
    count: ArrayLike,
    total: ArrayLike,
    *,
    log_inverse_epsilon: ArrayLike,
    tail_bound: str,
    predicted_share: ArrayLike | None = None,
) -> tuple[Floats, Floats]:
    r"""Return bounds of the mean of a count, each one-sided and failing with probability epsilon at most.

    .. math::
        \text{hoeffding} &: \; x \pm \sqrt{n \beta / 2} \\
        \text{chernoff} &: \; x + \beta/2 - \sqrt{2 \beta x + \beta^2/4}, \; x + \beta + \sqrt{2 \beta x + \beta^2} \\
        \text{zhang2017} &: \; x \ln (x/E) - x + E = \beta \\
        \text{binomial} &: \; P(\mathrm{Bin}(n, E/n) \lessgtr x) = e^{-\beta}

    Parameters
    ----------
    count, total : array_like
        x of n trials, 0 <= x <= n <= 1e15. Real numbers (expected counts) do; "binomial" rounds them to the safe side.
    log_inverse_epsilon : array_like
        beta, above 0 and at most 1e6.
    tail_bound : {"hoeffding", "chernoff", "yin2020", "zhang2017", "zhang2017_simplified", "binomial", "kato2020"}
        All but the last are for independent trials of any probabilities; the mean is the sum of these. "yin2020" is
        "chernoff" with :math:`-\beta/2` in the lower bound; "zhang2017_simplified" is :math:`x/(1 \pm \delta)` with
        :math:`\delta = (3\beta + \sqrt{\beta^2 + 8 \beta x}) / (2 (x - \beta))` above :math:`x = 6\beta`, and
        "zhang2017" below. "kato2020" bounds the sum of the probabilities given the past, for trials that depend on it.
    predicted_share : array_like, optional
        For "kato2020": x / n as predicted before the run.

    Returns
    -------
    lower, upper : ndarray
        Clipped to [0, n]; NaN where the input is impossible.

    Notes
    -----
    Sources and derivations: docs/physics/tails.md.

    Examples
    --------
    >>> lower, upper = mean_bounds(100, 1e4, log_inverse_epsilon=23.0, tail_bound="binomial")
    >>> round(float(lower), 1), round(float(upper), 1)
    (49.0, 177.9)
    """
    share = _needed(predicted_share, "predicted_share") if tail_bound == "kato2020" else np.nan
    code = _code(TAIL_BOUNDS, tail_bound, "tail_bound")
    lower, upper = KERNELS["mean_bounds"](count, total, log_inverse_epsilon, code, share)
    return np.asarray(lower), np.asarray(upper)


def lim2014(
    key_counts: ArrayLike,
    key_errors: ArrayLike,
    *,
    test_counts: ArrayLike,
    test_errors: ArrayLike,
    mean_photon_numbers: ArrayLike,
    key_probabilities: ArrayLike,
    test_probabilities: ArrayLike,
    eps_secrecy: ArrayLike,
    eps_correctness: ArrayLike,
    error_correction_efficiency: ArrayLike,
    tail_bound: str,
    sampling_bound: str,
    key_from: str,
    predicted_shares: ArrayLike | None = None,
    threads: int = 1,
) -> Lim2014:
    r"""Return the secret key length of one block of decoy-state BB84 with two decoys.

    .. math:: \ell = \lfloor s_0 + s_1 (1 - h(\phi)) - f_{EC} n h(m/n)
              - 6 \log_2 (T / \epsilon_{sec}) - \log_2 (2 / \epsilon_{cor}) \rfloor

    Parameters
    ----------
    key_counts, key_errors : array_like, shape (..., 3)
        Detections n_k and errors m_k in the key basis, for [signal, decoy, weakest]. Real numbers (expected counts) do.
    test_counts, test_errors : array_like, shape (..., 3)
        The same in the basis that tests.
    mean_photon_numbers : array_like, shape (..., 3)
        mu_1 > mu_2 + mu_3, mu_2 > mu_3 >= 0, mu_1 <= 100 [photons a pulse].
    key_probabilities, test_probabilities : array_like, shape (..., 3)
        Probability p_k of each intensity given the basis. A common factor drops out, so joint probabilities do too.
    eps_secrecy, eps_correctness : array_like
        Failure probabilities, each at least 1e-300 and below 1.
    error_correction_efficiency : array_like
        f_EC >= 1; the leakage counts the errors of all detections that enter the key.
    tail_bound : {"hoeffding", "chernoff", "yin2020", "zhang2017", "zhang2017_simplified", "binomial", "kato2020"}
        Bound between a count and its mean, see `mean_bounds`; Lim et al. use Hoeffding's.
    sampling_bound : {"lim2014", "exact", "exact_smoothing", "serfling", "yin2020"}
        "lim2014": Lim et al.'s gamma where the exact tail allows it, else the exact tail. "exact": always the tail,
        failing with probability eps. "exact_smoothing": with eps squared, as the smoothing of the entropy asks.
        "serfling": Serfling's inequality, with eps. "yin2020": gamma of Yin et al. 2020 where the exact tail allows it.
    key_from : {"signal", "all"}
        Whether key is made of the signal's detections only, or of all.
    predicted_shares : array_like, shape (..., 9), optional
        For "kato2020", which refuses without: share of each intensity among key counts, test counts and test errors, as
        predicted before the run. A poor prediction costs key, no security; one taken from the counts is no prediction.
    threads : int
        Threads over the leading dimension of the batch.

    Returns
    -------
    Lim2014
        Whole bits, the bounds s_0, s_1 (of the detections that enter the key), s_1 and v_1 of the test basis, phase
        error, leakage [bit], which sampling bound was used (`SAMPLING_USED`), status (`STATUS`). Impossible input has
        key 0, NaN bounds and a status that names the fault.

    Raises
    ------
    ValueError
        If a policy is unknown or shapes do not broadcast.

    Notes
    -----
    Source: [1]_, Eqs 1-5. T = 21 terms make up eps_secrecy; a key of signal states needs two more, T = 23.
    Equations, soundness of the sampling bound, and what the proof leaves out stand in docs/physics/keys.md.

    Security
    --------
    Efficient BB84 with phase-randomised pulses of three intensities, coherent attacks, fixed-length key. Composable,
    eps_secrecy + eps_correctness. Assumes detection independent of the basis and no side channels; authentication and
    the acceptance test are not counted.

    References
    ----------
    .. [1] lim2014: Lim, Curty, Walenta, Xu, Zbinden, Phys. Rev. A 89, 022307 (2014), arXiv:1311.7129.

    Examples
    --------
    >>> key = lim2014(
    ...     [8e6, 1.2e6, 1e4], [4e4, 7e3, 4e3], test_counts=[4e5, 6e4, 500], test_errors=[2e3, 350, 200],
    ...     mean_photon_numbers=[0.5, 0.15, 2e-4], key_probabilities=[0.7, 0.2, 0.1], test_probabilities=[0.7, 0.2, 0.1],
    ...     eps_secrecy=1e-9, eps_correctness=1e-15, error_correction_efficiency=1.16,
    ...     tail_bound="hoeffding", sampling_bound="lim2014", key_from="all",
    ... )
    >>> bool(key.key_length > 0), int(key.status)
    (True, 0)
    """
    predicted = (
        _needed(predicted_shares, "predicted_shares") if tail_bound == "kato2020" else None  # else it is not looked at
    )
    return Lim2014(
        *evaluate(
            KERNELS["lim2014" if predicted is None else "lim2014_predicted"],
            key_counts,
            key_errors,
            test_counts,
            test_errors,
            mean_photon_numbers,
            key_probabilities,
            test_probabilities,
            eps_secrecy,
            eps_correctness,
            error_correction_efficiency,
            _code(TAIL_BOUNDS, tail_bound, "tail_bound"),
            _code(SAMPLING_BOUNDS, sampling_bound, "sampling_bound"),
            _code(KEY_SOURCES, key_from, "key_from"),
            *(() if predicted is None else (predicted,)),
            threads=threads,
        )
    )


def one_decoy(
    key_counts: ArrayLike,
    key_errors: ArrayLike,
    *,
    test_counts: ArrayLike,
    test_errors: ArrayLike,
    mean_photon_numbers: ArrayLike,
    key_probabilities: ArrayLike,
    test_probabilities: ArrayLike,
    eps_secrecy: ArrayLike,
    eps_correctness: ArrayLike,
    error_correction_efficiency: ArrayLike,
    proof: str,
    sampling_bound: str = "own",
    tail_bound: str = "hoeffding",
    key_from: str = "all",
    predicted_shares: ArrayLike | None = None,
    threads: int = 1,
) -> Lim2014:
    r"""Return the secret key length of one block of decoy-state BB84 with one decoy.

    .. math::
        \ell_{2018} &= \lfloor s_0 + s_1 (1 - h(\phi)) - f_{EC} n h(m/n)
              - 6 \log_2 (19 / \epsilon_{sec}) - \log_2 (2 / \epsilon_{cor}) \rfloor

        \ell_{2026} &= \lfloor s_1 (1 - h(\phi)) - f_{EC} n h(m/n)
              - 4 \log_2 \frac{15}{2^{1/4} \epsilon_{sec}} - \log_2 (2 / \epsilon_{cor}) \rfloor

    Parameters
    ----------
    key_counts, key_errors : array_like, shape (..., 2)
        Detections n_k and errors m_k in the key basis, for [signal, decoy]. Real numbers (expected counts) do.
    test_counts, test_errors : array_like, shape (..., 2)
        The same in the basis that tests.
    mean_photon_numbers : array_like, shape (..., 2)
        100 >= mu_1 > mu_2 > 0 [photons a pulse].
    key_probabilities, test_probabilities : array_like, shape (..., 2)
        Probability p_k of each intensity given the basis. A common factor drops out, so joint probabilities do too.
    eps_secrecy, eps_correctness : array_like
        Failure probabilities, each at least 1e-300 and below 1.
    error_correction_efficiency : array_like
        f_EC >= 1; the leakage counts the errors of all detections of the key basis, from both intensities.
    proof : {"rusca2018", "wiesemann2026"}
        Whose bound.
    sampling_bound : {"own", "exact", "exact_smoothing", "serfling", "yin2020"}
        "own": the proof's; of Rusca et al. gamma where the exact hypergeometric tail allows it, else that tail; of
        Wiesemann et al. Serfling's inequality. "exact": the exact tail (for Wiesemann et al. at the squared failure
        probability, as their smoothing asks). "exact_smoothing": the exact tail at the squared failure probability.
        "serfling", "yin2020": as of `lim2014`, for Wiesemann et al. at the squared failure probability.
    tail_bound : {"hoeffding", "chernoff", "yin2020", "zhang2017", "zhang2017_simplified", "binomial", "kato2020"}
        As of `lim2014`; both papers have Hoeffding's only.
    key_from : {"all", "signal"}
        Both papers make key of all. The signal's share costs parts of epsilon, see docs/physics/tails.md.
    predicted_shares : array_like, shape (..., 8), optional
        As of `lim2014`, among key counts, key errors, test counts and test errors.
    threads : int
        Threads over the leading dimension of the batch.

    Returns
    -------
    Lim2014
        As of `lim2014`. The vacuum events s_0 are told for both proofs and enter the key of Rusca et al. only.

    Raises
    ------
    ValueError
        If a policy is unknown or shapes do not broadcast.

    Notes
    -----
    Source: [1]_, appendices A and B (its Eq. A18 lacks the factor e^k / p_k), vacuum errors taken of the decoy; [2]_,
    whose vacuum events are an option that is left out here: less key, never more. Equations: docs/physics/one-decoy.md.

    Security
    --------
    Efficient BB84 with phase-randomised pulses of two intensities, coherent attacks, fixed-length key. Composable,
    eps_secrecy + eps_correctness; eps_secrecy is 19 or 15 equal terms. Assumes detection independent of the basis and no
    side channels; authentication and the acceptance test are not counted. Wiesemann et al. mend flaws that they find in
    the treatment of fixed length and of acceptance in the earlier proofs: it is the one to prefer.

    References
    ----------
    .. [1] rusca2018: Rusca, Boaron, Gruenenfelder, Martin, Zbinden, Appl. Phys. Lett. 112, 171104 (2018), arXiv:1801.03443.
    .. [2] wiesemann2026: Wiesemann, Krause, Tupkary, Rusca, Walenta, Luetkenhaus, Quantum 10, 2037 (2026),
       arXiv:2405.16578.

    Examples
    --------
    >>> key = one_decoy(
    ...     [8e6, 1.2e6], [4e4, 7e3], test_counts=[4e5, 6e4], test_errors=[2e3, 350], mean_photon_numbers=[0.5, 0.15],
    ...     key_probabilities=[0.7, 0.3], test_probabilities=[0.7, 0.3], eps_secrecy=1e-9, eps_correctness=1e-15,
    ...     error_correction_efficiency=1.16, proof="wiesemann2026",
    ... )
    >>> bool(key.key_length > 0), int(key.status)
    (True, 0)
    """
    return Lim2014(
        *evaluate(
            KERNELS["one_decoy"],
            key_counts,
            key_errors,
            test_counts,
            test_errors,
            mean_photon_numbers,
            key_probabilities,
            test_probabilities,
            eps_secrecy,
            eps_correctness,
            error_correction_efficiency,
            _code(ONE_DECOY_PROOFS, proof, "proof"),
            _code(ONE_DECOY_SAMPLING_BOUNDS, sampling_bound, "sampling_bound"),
            _code(TAIL_BOUNDS, tail_bound, "tail_bound"),
            _code(KEY_SOURCES, key_from, "key_from"),
            _needed(predicted_shares, "predicted_shares") if tail_bound == "kato2020" else np.full(8, np.nan),
            threads=threads,
        )
    )


def variable_length(
    key_counts: ArrayLike,
    key_errors: ArrayLike,
    *,
    test_counts: ArrayLike,
    test_errors: ArrayLike,
    mean_photon_numbers: ArrayLike,
    key_probabilities: ArrayLike,
    test_probabilities: ArrayLike,
    eps_secrecy: ArrayLike,
    eps_correctness: ArrayLike,
    error_correction_efficiency: ArrayLike,
    tail_bound: str,
    proof: str = "variable-length",
    sampling_bound: str = "own",
    detector_ratio: ArrayLike = 1.0,
    threads: int = 1,
) -> Lim2014:
    r"""Return the secret key length of one block of decoy-state BB84 in a protocol whose length follows the counts.

    .. math:: \ell = \max\{0, \lfloor s_0 + s_1 [1 - h(\phi)] - f_{EC} n h(m/n) - a
              - 2 \log_2 \frac{1}{2 \epsilon_{PA}} - \log_2 (2 / \epsilon_{cor}) \rfloor\}

    with :math:`a = \log_2 (n + 1) + \sum_k \log_2 (n_k + 1)` for what is announced of the key's errors.

    Parameters
    ----------
    key_counts, key_errors : array_like, shape (..., K)
        Detections n_k and errors m_k in the key basis, brightest first; K = 3 (two decoys) or 2 (one).
    test_counts, test_errors : array_like, shape (..., K)
        The same in the basis that tests.
    mean_photon_numbers : array_like, shape (..., K)
        K = 3: mu_1 > mu_2 + mu_3, mu_2 > mu_3 >= 0; K = 2: mu_1 > mu_2 > 0; mu_1 <= 100 [photons a pulse].
    key_probabilities, test_probabilities : array_like, shape (..., K)
        Probability p_k of each intensity given the basis. A common factor drops out, so joint probabilities do too.
    eps_secrecy, eps_correctness : array_like
        Failure probabilities, each at least 1e-300 and below 1.
    error_correction_efficiency : array_like
        f_EC >= 1; the leakage counts the errors of all detections of the key basis.
    tail_bound : {"hoeffding", "chernoff"}
        Bound between a count and its mean, as of `lim2014`.
    proof : {"variable-length", "tupkary2025"}
        "variable-length": eps_secrecy in T + 3 equal parts, for T = 12 (two decoys) or 11 (one) tails of photon numbers,
        the smoothing twice, hashing once; sampling at the squared part. "tupkary2025", two decoys only: as published,
        eps_secrecy = 2 eps_AT + eps_PA in equal thirds, 13 tails at eps_AT^2 / 13 each, no vacuum events.
    sampling_bound : {"own", "serfling", "exact"}
        "own": of "variable-length" with two decoys and like detectors the exact hypergeometric tail, else Serfling's
        inequality. "exact" is for two decoys and like detectors only.
    detector_ratio : array_like
        g, above 0 and at most 1: smallest over largest, of the efficiency and of the dark-count probability, of any two of
        the receiver's detectors, whatever arrives and when. 1: like detectors. Below 1 for "variable-length" only.
    threads : int
        Threads over the leading dimension of the batch.

    Returns
    -------
    Lim2014
        As of `lim2014`. The vacuum events s_0 are told for both proofs and enter the key of "variable-length" only.

    Raises
    ------
    ValueError
        If a policy is unknown or not for this number of intensities, or shapes do not broadcast.

    Notes
    -----
    Source of "tupkary2025": [1]_, with [2]_ for the length that follows the counts; a is ours. "variable-length" is
    derived in docs/physics/variable-length.md.

    Security
    --------
    Efficient BB84 with phase-randomised pulses of two or three intensities, coherent attacks, variable length, so that
    no acceptance test is needed. Composable, eps_secrecy + eps_correctness. Assumes detection independent of the basis (or,
    with `detector_ratio`, an active choice of basis before detectors alike to that ratio), no side channels, and that all
    bits which error correction discloses are counted; authentication is not counted.

    References
    ----------
    .. [1] tupkary2025: Tupkary, Nahar, Sinha, Luetkenhaus, Quantum 9, 1937 (2025), arXiv:2408.17349.
    .. [2] tupkary2024: Tupkary, Tan, Luetkenhaus, Phys. Rev. Research 6, 023002 (2024).

    Examples
    --------
    >>> key = variable_length(
    ...     [8e6, 1.2e6, 1e4], [4e4, 7e3, 4e3], test_counts=[4e5, 6e4, 500], test_errors=[2e3, 350, 200],
    ...     mean_photon_numbers=[0.5, 0.15, 2e-4], key_probabilities=[0.7, 0.2, 0.1], test_probabilities=[0.7, 0.2, 0.1],
    ...     eps_secrecy=1e-9, eps_correctness=1e-15, error_correction_efficiency=1.16, tail_bound="hoeffding",
    ... )
    >>> bool(key.key_length > 0), int(key.status)
    (True, 0)
    """
    code = _code(VARIABLE_LENGTH_PROOFS, proof, "proof")
    intensities = np.shape(key_counts)[-1] if np.ndim(key_counts) else 0
    if intensities not in ((3,) if proof == "tupkary2025" else (2, 3)):
        raise ValueError(f"{proof} takes {'3' if proof == 'tupkary2025' else '2 or 3'} intensities, not {intensities}")
    unlike = bool(np.any(np.asarray(detector_ratio) < 1))
    if unlike and (proof == "tupkary2025" or sampling_bound == "exact"):
        raise ValueError("detector_ratio below 1 is for the proof variable-length with Serfling's inequality")
    if sampling_bound == "own":
        sampling_bound = "exact" if intensities == 3 and proof == "variable-length" and not unlike else "serfling"
    elif intensities == 2 and sampling_bound == "exact":
        raise ValueError("sampling_bound must be own or serfling with one decoy, not 'exact'")
    closed_forms = {name: TAIL_BOUNDS[name] for name in ("hoeffding", "chernoff")}
    settings: tuple[ArrayLike, ...] = (
        key_counts,
        key_errors,
        test_counts,
        test_errors,
        mean_photon_numbers,
        key_probabilities,
        test_probabilities,
        eps_secrecy,
        eps_correctness,
        error_correction_efficiency,
        detector_ratio,
        _code(closed_forms, tail_bound, "tail_bound"),
    )
    sampling = _code(VARIABLE_LENGTH_SAMPLING_BOUNDS, sampling_bound, "sampling_bound")
    if intensities == 3:
        return Lim2014(*evaluate(KERNELS["variable_length_two_decoys"], *settings, code, sampling, threads=threads))
    return Lim2014(*evaluate(KERNELS["variable_length_one_decoy"], *settings, threads=threads))


def ma2005(
    gains: ArrayLike,
    error_rates: ArrayLike,
    *,
    mean_photon_numbers: ArrayLike,
    error_correction_efficiency: ArrayLike,
    sifting_factor: ArrayLike,
    threads: int = 1,
) -> Ma2005:
    r"""Return decoy bounds and key rate of BB84 with two decoys in the limit of infinitely many pulses.

    .. math:: R = q \{ -Q_\mu f h(E_\mu) + Q_1 [1 - h(e_1)] \}

    Parameters
    ----------
    gains, error_rates : array_like, shape (..., 3)
        Q and E for [signal, decoy, weakest].
    mean_photon_numbers : array_like, shape (..., 3)
        mu > nu_1 + nu_2, nu_1 > nu_2 >= 0 [photons a pulse]; nu_2 = 0 is vacuum + weak decoy.
    error_correction_efficiency : array_like
        f >= 1.
    sifting_factor : array_like
        q, the share of pulses with equal bases; 1/2 where both are chosen evenly.
    threads : int
        Threads over the leading dimension of the batch.

    Returns
    -------
    Ma2005
        Y_0, Y_1, e_1, Q_1, R [bit a pulse], status (`STATUS`); a rate below 0 is 0 with status ``no_key``.

    Notes
    -----
    Source: [1]_, Eqs 1, 18, 21, 25 (two decoys), 34, 35, 37 (vacuum + weak). No statistics: an estimate, not a key.

    References
    ----------
    .. [1] ma2005: Ma, Qi, Zhao, Lo, Phys. Rev. A 72, 012326 (2005), arXiv:quant-ph/0503005.

    Examples
    --------
    >>> rate = ma2005([4.9e-3, 6.2e-4, 1.7e-6], [0.033, 0.034, 0.5], mean_photon_numbers=[0.48, 0.06, 0.0],
    ...               error_correction_efficiency=1.22, sifting_factor=0.5)
    >>> bool(rate.key_rate > 0)
    True
    """
    return Ma2005(
        *evaluate(
            KERNELS["ma2005"],
            gains,
            error_rates,
            mean_photon_numbers,
            error_correction_efficiency,
            sifting_factor,
            threads=threads,
        )
    )


def ma2005_infinite(
    gain: ArrayLike,
    error_rate: ArrayLike,
    *,
    mean_photon_number: ArrayLike,
    single_photon_yield: ArrayLike,
    single_photon_error: ArrayLike,
    error_correction_efficiency: ArrayLike,
    sifting_factor: ArrayLike,
    threads: int = 1,
) -> Ma2005Infinite:
    """Return the key rate that infinitely many decoys would give: single-photon yield and error are known.

    Parameters
    ----------
    gain, error_rate : array_like
        Q and E of the signal.
    mean_photon_number : array_like
        mu of the signal, above 0 and at most 100.
    single_photon_yield, single_photon_error : array_like
        Y_1 and e_1.
    error_correction_efficiency, sifting_factor : array_like
        f >= 1 and q, see `ma2005`.
    threads : int
        Threads over the leading dimension of the batch.

    Returns
    -------
    Ma2005Infinite
        Q_1, R [bit a pulse], status (`STATUS`).

    Notes
    -----
    Source: Ma, Qi, Zhao, Lo, Phys. Rev. A 72, 012326 (2005), Eqs 1 and 35.

    Examples
    --------
    >>> rate = ma2005_infinite(4.9e-3, 0.033, mean_photon_number=0.48, single_photon_yield=0.0102,
    ...                        single_photon_error=0.033, error_correction_efficiency=1.22, sifting_factor=0.5)
    >>> bool(rate.key_rate > 0)
    True
    """
    return Ma2005Infinite(
        *evaluate(
            KERNELS["ma2005_infinite"],
            gain,
            error_rate,
            mean_photon_number,
            single_photon_yield,
            single_photon_error,
            error_correction_efficiency,
            sifting_factor,
            threads=threads,
        )
    )


def _needed(value: ArrayLike | None, what: str) -> ArrayLike:
    if value is None:
        raise ValueError(f"{what} is missing: Kato's inequality needs a prediction made before the run")
    return value


def _code(policies: Mapping[str, int], name: str, what: str) -> np.int8:
    if name not in policies:
        raise ValueError(f"{what} must be one of {', '.join(policies)}, not {name!r}")
    return np.int8(policies[name])
