"""Kernels for entangled pairs as Python functions: keys of BBM92, CHSH value, device-independent information."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import NormalDist
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from qphys.core.levels import KERNELS
from qphys.core.parallel import evaluate

Floats = np.ndarray[Any, np.dtype[np.float64]]
Codes = np.ndarray[Any, np.dtype[np.int8]]

#: Policies of `bbm92_lim2021` and the codes that its kernel takes.
TEST_SIZES: Mapping[str, int] = MappingProxyType({"given": 0, "best": 1})
VERIFICATIONS: Mapping[str, int] = MappingProxyType({"given": 0, "best": 1})


class Bbm92Asymptotic(NamedTuple):
    """Asymptotic key, each of the batch's shape."""

    key_fraction: Floats
    status: Codes


class Tomamichel2012(NamedTuple):
    """Secret key of one basis, each of the batch's shape."""

    key_length: Floats
    phase_error_upper: Floats
    leakage: Floats
    status: Codes


class TomamichelLeverrier2017(NamedTuple):
    """Secret key of pooled bases, each of the batch's shape."""

    key_length: Floats
    phase_error_upper: Floats
    leakage: Floats
    total_epsilon: Floats
    status: Codes


class Lim2021(NamedTuple):
    """Secret key of a short block of pooled bases, each of the batch's shape."""

    key_length: Floats
    test_count: Floats
    phase_error_upper: Floats
    leakage: Floats
    verification_bits: Floats
    status: Codes


class Chsh(NamedTuple):
    """CHSH value and how sure it is, each of the batch's shape."""

    chsh: Floats
    standard_error: Floats
    gaussian_lower: Floats
    gaussian_upper: Floats
    hoeffding_lower: Floats
    game_log10_p_value: Floats
    hoeffding_log10_p_value: Floats
    status: Codes


class ChshDiRateEstimate(NamedTuple):
    """Asymptotic device-independent key and information, each of the batch's shape."""

    key_fraction: Floats
    information: Floats
    status: Codes


def bbm92_asymptotic(
    bit_error_rate: ArrayLike,
    phase_error_rate: ArrayLike,
    *,
    error_correction_efficiency: ArrayLike,
    threads: int = 1,
) -> Bbm92Asymptotic:
    r"""Return the secret bits a sifted bit of an endless block, :math:`1 - f_{EC} h(e_b) - h(e_p)`.

    Parameters
    ----------
    bit_error_rate, phase_error_rate : array_like
        Error rate of the basis that makes key, e_b, and of the other, e_p [1]. h is 1 above 1/2.
    error_correction_efficiency : array_like
        f_EC >= 1.
    threads : int
        Threads over the leading dimension of the batch.

    Returns
    -------
    Bbm92Asymptotic
        Key fraction [bit a sifted bit], 0 where it is not positive; status (`STATUS`).

    Notes
    -----
    Source: Shor, Preskill, Phys. Rev. Lett. 85, 441 (2000); for pairs of any source Koashi, Preskill, Phys. Rev. Lett.
    90, 057902 (2003), Ma, Fung, Lo, Phys. Rev. A 76, 012307 (2007), Eq. 11. With e_b = e_p and f_EC = 1 it is positive
    below 11.00279 %.

    Examples
    --------
    >>> round(float(bbm92_asymptotic(0.03, 0.05, error_correction_efficiency=1.1).key_fraction), 4)
    0.4998
    """
    return Bbm92Asymptotic(
        *evaluate(
            KERNELS["bbm92_asymptotic"], bit_error_rate, phase_error_rate, error_correction_efficiency, threads=threads
        )
    )


def bbm92_tomamichel2012(
    key_count: ArrayLike,
    key_error_count: ArrayLike,
    *,
    test_count: ArrayLike,
    test_error_count: ArrayLike,
    tolerated_error_rate: ArrayLike,
    eps_secrecy: ArrayLike,
    eps_correctness: ArrayLike,
    error_correction_efficiency: ArrayLike,
    sampling_bound: str = "serfling",
    threads: int = 1,
) -> Tomamichel2012:
    r"""Return the secret key of the sifted bits of one basis, tested by all those of the other.

    .. math:: \ell = \lfloor n (1 - h(Q_{tol} + \mu)) - f_{EC} n h(m/n)
              - \log_2 \frac{2}{\epsilon_{sec}^2 \epsilon_{cor}} \rfloor, \quad
              \mu = \sqrt{\frac{n+k}{nk} \frac{k+1}{k} \ln \frac{4}{\epsilon_{sec}}}

    Parameters
    ----------
    key_count, key_error_count : array_like
        n sifted bits of the key's basis and m errors among them [1]; m only sets the leakage.
    test_count, test_error_count : array_like
        k sifted bits of the other basis, all compared, and the errors among them [1].
    tolerated_error_rate : array_like
        Q_tol [1]: the protocol aborts, key 0, where the test shows more.
    eps_secrecy, eps_correctness : array_like
        Failure probabilities, each at least 1e-300 and below 1.
    error_correction_efficiency : array_like
        f_EC >= 1.
    sampling_bound : {"serfling", "exact"}
        mu as above; or, in place of Q_tol + mu, the most errors of the key whose hypergeometric tail is above
        (eps_secrecy / 4)^2, the probability that the proof gives to sampling, over n. It is never above the other by more
        than the test's errors rounded up.
    threads : int
        Threads over the leading dimension of the batch.

    Returns
    -------
    Tomamichel2012
        Whole bits, Q_tol + mu (at most 1/2), leakage [bit], status (`STATUS`). Impossible input has key 0, NaN and a
        status that names the fault.

    Notes
    -----
    Source: [1]_, Theorem and Eq. 2 (published version), with mutually unbiased qubit measurements (q = 1). Block sizes,
    length and Q_tol are fixed before the run. Given the test's own error rate as Q_tol, the result is the length of the
    protocol that would have been fixed so, and just accepts; no statement covers choosing it afterwards.

    Security
    --------
    BB84 and BBM92, coherent attacks, fixed length, composable with eps_secrecy + eps_correctness. Assumes that losses
    do not depend on the basis, one party's measurements are those of a qubit in unbiased bases, double clicks get a
    random bit, authenticated messages.

    References
    ----------
    .. [1] tomamichel2012: Tomamichel, Lim, Gisin, Renner, Nat. Commun. 3, 634 (2012), arXiv:1103.4130.

    Examples
    --------
    >>> key = bbm92_tomamichel2012(
    ...     1e6, 1e4, test_count=2e4, test_error_count=200, tolerated_error_rate=0.0175,
    ...     eps_secrecy=1e-9, eps_correctness=1e-15, error_correction_efficiency=1.1,
    ... )
    >>> bool(key.key_length > 6e5), int(key.status)
    (True, 0)
    """
    kernels = {"serfling": "bbm92_tomamichel2012", "exact": "bbm92_tomamichel2012_exact"}
    if sampling_bound not in kernels:
        raise ValueError(f"sampling_bound must be one of {', '.join(kernels)}, not {sampling_bound!r}")
    return Tomamichel2012(
        *evaluate(
            KERNELS[kernels[sampling_bound]],
            key_count,
            key_error_count,
            test_count,
            test_error_count,
            tolerated_error_rate,
            eps_secrecy,
            eps_correctness,
            error_correction_efficiency,
            threads=threads,
        )
    )


def bbm92_tomamichel_leverrier2017(
    block_count: ArrayLike,
    test_count: ArrayLike,
    *,
    tolerated_error_rate: ArrayLike,
    error_rate: ArrayLike,
    epsilon: ArrayLike,
    error_correction_efficiency: ArrayLike,
    threads: int = 1,
) -> TomamichelLeverrier2017:
    r"""Return the secret key of m sifted bits of both bases, of which k at random places are compared.

    .. math:: \ell = \lfloor n (1 - h(\delta + \nu)) - \lceil f_{EC} n h(Q) \rceil - t
              - 2 \log_2 \frac{1}{2 \epsilon_{pa}} \rfloor, \quad
              \epsilon_{pe} = 2 \exp(-\frac{n k^2 \nu^2}{m (k + 1)}), \quad n = m - k

    Parameters
    ----------
    block_count, test_count : array_like
        m sifted bits of both bases together and the k of them that are disclosed [1].
    tolerated_error_rate : array_like
        delta [1], fixed beforehand: the protocol aborts above it.
    error_rate : array_like
        Q [1], which sets the leakage.
    epsilon : array_like
        Failure probability of the whole, at least 1e-300 and below 1.
    error_correction_efficiency : array_like
        f_EC >= 1.
    threads : int
        Threads over the leading dimension of the batch.

    Returns
    -------
    TomamichelLeverrier2017
        Whole bits, delta + nu (at most 1/2), leakage [bit], the failure probability that this length has (at most
        `epsilon`), status (`STATUS`).

    Notes
    -----
    Source: [1]_, with the split of epsilon of the authors' example: alpha = m^(-1/2) of it for t = ceil(-log2(alpha
    epsilon)) bits of verification, beta = 0.9 (1 - alpha) for the estimate of the errors.

    Security
    --------
    Entanglement-based BB84, both bases chosen by the same random string and pooled, coherent attacks, fixed length,
    composable with `epsilon`. Same assumptions as `bbm92_tomamichel2012`.

    References
    ----------
    .. [1] tomamichel2017: Tomamichel, Leverrier, Quantum 1, 14 (2017), arXiv:1506.08458.

    Examples
    --------
    >>> key = bbm92_tomamichel_leverrier2017(
    ...     36123, 5911, tolerated_error_rate=0.01, error_rate=0.01, epsilon=1e-10, error_correction_efficiency=1.1
    ... )
    >>> float(key.key_length)
    15323.0
    """
    return TomamichelLeverrier2017(
        *evaluate(
            KERNELS["bbm92_tomamichel_leverrier2017"],
            block_count,
            test_count,
            tolerated_error_rate,
            error_rate,
            epsilon,
            error_correction_efficiency,
            threads=threads,
        )
    )


def bbm92_lim2021(
    block_count: ArrayLike,
    test_count: ArrayLike | None = None,
    *,
    tolerated_error_rate: ArrayLike,
    error_rate: ArrayLike,
    eps_secrecy: ArrayLike,
    eps_correctness: ArrayLike,
    error_correction_efficiency: ArrayLike,
    verification: str = "given",
    threads: int = 1,
) -> Lim2021:
    r"""Return the secret key of a short block of m sifted bits of both bases, of which k at random places are compared.

    .. math:: \ell = \lfloor n (1 - h(\delta + \nu)) - f_{EC} n h(Q) - t
              + 2 \log_2 (2 (\epsilon_{sec} - 2 \epsilon_{pe})) \rfloor, \quad n = m - k
    .. math:: \epsilon_{pe}^2 = e^{-2 m k \xi^2 / (n+1)} + e^{-2 \gamma ((n (\nu - \xi))^2 - 1)}, \quad
              \gamma = \frac{1}{1 + m (\delta + \xi)} + \frac{1}{1 + m - m (\delta + \xi)}

    Parameters
    ----------
    block_count : array_like
        m sifted bits of both bases together [1].
    test_count : array_like, optional
        The k of them that are disclosed [1]; nothing: the best number for this block and these error rates.
    tolerated_error_rate : array_like
        delta [1], fixed beforehand: the protocol aborts above it.
    error_rate : array_like
        Q [1], which sets the leakage.
    eps_secrecy, eps_correctness : array_like
        Failure probabilities, each at least 1e-300, their sum below 1.
    error_correction_efficiency : array_like
        f_EC >= 1.
    verification : {"given", "best"}
        "given": t = ceil(-log2 eps_correctness) bits compare the keys. "best": the sum of both epsilons is that of the
        whole, and the best whole number of bits t takes 2^-t of it, which is what the paper does.
    threads : int
        Threads over the leading dimension of the batch.

    Returns
    -------
    Lim2021
        Whole bits, k, delta + nu (at most 1/2), leakage [bit], t [bit], status (`STATUS`).

    Raises
    ------
    ValueError
        If `verification` is unknown or shapes do not broadcast.

    Notes
    -----
    Source: [1]_. xi, nu, the share of epsilon_pe, and k and t where they are free, are found by a search of fixed length
    in the kernel (golden sections, 8 rounds). Every point of the search is a valid choice, so the search can only lose
    key: less than 0.1 bit in blocks of 5e5 in the tests.

    Security
    --------
    As `bbm92_tomamichel_leverrier2017`, with eps_secrecy + eps_correctness. The choices that are free must be made
    from what is expected before the run, not from its data.

    References
    ----------
    .. [1] lim2021: Lim, Xu, Pan, Ekert, Phys. Rev. Lett. 126, 100501 (2021), arXiv:2009.04882.

    Examples
    --------
    >>> key = bbm92_lim2021(3100, tolerated_error_rate=0.0451, error_rate=0.0451, eps_secrecy=9e-6, eps_correctness=1e-6,
    ...                     error_correction_efficiency=1.19, verification="best")
    >>> float(key.key_length)
    60.0
    """
    if verification not in VERIFICATIONS:
        raise ValueError(f"verification must be one of {', '.join(VERIFICATIONS)}, not {verification!r}")
    return Lim2021(
        *evaluate(
            KERNELS["bbm92_lim2021"],
            block_count,
            0.0 if test_count is None else test_count,
            tolerated_error_rate,
            error_rate,
            eps_secrecy,
            eps_correctness,
            error_correction_efficiency,
            np.int8(TEST_SIZES["best" if test_count is None else "given"]),
            np.int8(VERIFICATIONS[verification]),
            threads=threads,
        )
    )


def chsh(
    equal_counts: ArrayLike,
    unequal_counts: ArrayLike,
    *,
    signs: ArrayLike = (1.0, 1.0, 1.0, -1.0),
    setting_probabilities: ArrayLike = (0.25, 0.25, 0.25, 0.25),
    confidence: float,
    threads: int = 1,
) -> Chsh:
    r"""Return the CHSH value of counts, its uncertainty, and the P value of local realism by two methods.

    .. math:: S = \sum_{j=1}^{4} s_j E_j, \quad E_j = \frac{N_j^= - N_j^{\ne}}{N_j}, \quad
              \sigma_S^2 = \sum_j \frac{1 - E_j^2}{N_j}

    Parameters
    ----------
    equal_counts, unequal_counts : array_like, shape (..., 4)
        Trials with equal and with unequal results for the pairs of settings a0b0, a0b1, a1b0, a1b1 [1].
    signs : array_like, shape (..., 4)
        s_j = +-1 with product -1, fixed before the run.
    setting_probabilities : array_like, shape (..., 4)
        Probability of each pair of settings in a trial [1], sum 1.
    confidence : float
        Of the two-sided Gaussian interval and of the one-sided Hoeffding bound, between 0 and 1.
    threads : int
        Threads over the leading dimension of the batch.

    Returns
    -------
    Chsh
        S, sigma_S; S -+ z sigma_S at `confidence`, Gaussian; lower bound S - sqrt(2 sum(1/N_j) ln(1/(1 - confidence)));
        log10 of the P values, each an upper bound: of the game, and of Hoeffding's inequality; status (`STATUS`).

    Raises
    ------
    ValueError
        If `confidence` is outside 0 to 1 or shapes do not broadcast.

    Notes
    -----
    Game [1]_: a trial is won where s_j = 1 and the results agree, or s_j = -1 and they differ. Whatever came before, a
    local model wins with probability at most xi = 1 - min(p_j), so P <= sum_(i >= c) C(n,i) xi^i (1-xi)^(n-i) for c wins
    of n; it needs settings drawn at random for each trial, and no assumption on memory. The tail is bounded from above
    (Robbins and a geometric series; within 7 % in the tests, closer away from n xi). Hoeffding:
    P <= exp(-(S - 2)^2 / (2 sum(1/N_j))); it needs independent trials, but no random settings. Neither does without fair
    sampling where only coincidences are counted.

    References
    ----------
    .. [1] elkouss2016: Elkouss, Wehner, npj Quantum Inf. 2, 16026 (2016), arXiv:1510.07233.

    Examples
    --------
    >>> told = chsh([820, 815, 830, 170], [180, 185, 170, 830], confidence=0.95)
    >>> round(float(told.chsh), 2), round(float(told.standard_error), 3), bool(told.game_log10_p_value < -12)
    (2.59, 0.048, True)
    """
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must be between 0 and 1, not {confidence}")
    value, error, lower, game, hoeffding, status = evaluate(
        KERNELS["chsh"],
        equal_counts,
        unequal_counts,
        signs,
        setting_probabilities,
        1.0 - confidence,
        threads=threads,
    )
    reach = NormalDist().inv_cdf(0.5 + 0.5 * confidence) * error
    return Chsh(value, error, value - reach, value + reach, lower, game, hoeffding, status)


def chsh_di_rate_estimate(
    chsh: ArrayLike, bit_error_rate: ArrayLike, *, error_correction_efficiency: ArrayLike = 1.0, threads: int = 1
) -> ChshDiRateEstimate:
    r"""Estimate the asymptotic device-independent key a bit, :math:`1 - f_{EC} h(Q) - h((1 + \sqrt{S^2/4 - 1})/2)`.

    Parameters
    ----------
    chsh : array_like
        S [1]; at most 2 proves nothing, above 2 sqrt 2 (by chance) counts as 2 sqrt 2.
    bit_error_rate : array_like
        Q [1] of the settings that make key.
    error_correction_efficiency : array_like
        f_EC >= 1.
    threads : int
        Threads over the leading dimension of the batch.

    Returns
    -------
    ChshDiRateEstimate
        Key fraction [bit], 0 where it is not positive; the information without the leakage [bit]; status (`STATUS`).

    Notes
    -----
    Source: [1]_. With S = 2 sqrt 2 (1 - 2Q) it is positive below 7.14918 %.

    Security
    --------
    None: an information. It is the rate of collective attacks in the limit of endless data, for S without the detection
    loophole. Post-selected coincidences and inferred S do not give that.

    References
    ----------
    .. [1] acin2007: Acin, Brunner, Gisin, Massar, Pironio, Scarani, Phys. Rev. Lett. 98, 230501 (2007).

    Examples
    --------
    >>> round(float(chsh_di_rate_estimate(2.6587, 0.03).key_fraction), 3)
    0.47
    """
    return ChshDiRateEstimate(
        *evaluate(KERNELS["chsh_di_rate_estimate"], chsh, bit_error_rate, error_correction_efficiency, threads=threads)
    )
