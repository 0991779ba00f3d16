"""Decoy-state BB84: sifted counts of two or more intensities to secret key, finite (Lim et al. 2014 with two decoys, Rusca
et al. 2018 and Wiesemann et al. 2026 with one, any number by linear programme; Tupkary et al. 2025 where the length follows
the counts) or asymptotic (Ma et al. 2005).

Security claim (``lim2014``, ``rusca2018``, ``wiesemann2026``, ``linear-programme``): the final key is
``security_epsilon``-secret and ``correctness_epsilon``-correct against coherent attacks, for a fixed-length protocol whose
acceptance test is met by the counts, if the sender's pulses are phase-randomised coherent states of the claimed mean photon
numbers chosen independently of basis and bit, the bits are uniform, the probability of detection does not depend on the
receiver's basis, and double clicks are assigned at random. Not covered: dead time and afterpulsing (correlations between
pulses), efficiency mismatch, intensity fluctuation and correlation, side channels, authentication. ``variable-length`` and
``tupkary2025`` make the same claim for a protocol whose length follows the counts, without acceptance test. ``ma2005`` is
asymptotic: no failure probability, no statement on finite data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qphys import core
from qphys.errors import UserError, nearest
from qphys.keyrates import linear_programme, sifting, truth
from qphys.keyrates.entropies import binary_entropy
from qphys.keyrates.proofs import PROOFS, preferred
from qphys.keyrates.settings import AnalysisSettings
from qphys.keyrates.sifting import BASIS, Sifted, error_rate
from qphys.statistics import schema

if TYPE_CHECKING:
    import xarray as xr

Floats = NDArray[np.float64]
Statuses = NDArray[np.int8]

DOUBLE_CLICKS: Final = "double clicks"
"""Cause of errors that sifting itself tells apart."""

KEY_BASIS: Final = "key_basis"
"""Dimension of blocks: the basis whose bits become key."""

OWN_STATUS: Final[dict[str, int]] = {
    "bits_not_uniform": 64,
    "more_clicks_than_trials": 65,
    "linear_programme_without_solution": 66,
    "fixed_length_not_proven": 67,
}
"""Statuses of the analysis, behind those of the kernels."""

UNIFORMITY: Final = 1e-6
"""Largest relative departure of claimed probabilities from uniform bits and from the sum 1."""

LARGEST_COUNT: Final = 1e15
"""Largest count that the kernels take."""

MANY_PULSES: Final = 2.0**40
"""Pulses for the asymptotic proof, over those that would have clicked without loss."""


@dataclass(frozen=True, kw_only=True)
class Key:
    """Key of any batch ``...``, with the bounds that it rests on; last dimension of a block's arrays: key basis."""

    key_length: Floats
    """Secret bits of all blocks [bit], (...)."""
    status: Statuses
    """0: key; else the largest status of a block that has none, (...)."""
    block_key_length: Floats
    """[bit], (..., key_basis)."""
    s0_lower: Floats
    """Sifted events of the block that come from vacuum, at least, (..., key_basis)."""
    s1_lower: Floats
    """Sifted events of the block that come from single photons, at least, (..., key_basis)."""
    phase_error_upper: Floats
    """Phase error rate of those single photons, at most, (..., key_basis)."""
    leakage: Floats
    """Bits disclosed for error correction [bit], (..., key_basis)."""
    sampling_used: Statuses
    """How phase errors were bounded: none, gamma of the paper, exact tail; 0 for asymptotic proofs, (..., key_basis)."""
    block_status: Statuses
    """(..., key_basis)."""


@dataclass(frozen=True, kw_only=True)
class Sender:
    """What the sender claims, for each point: only what the decoy bounds need."""

    mean_photon_number: Floats
    """(point, intensity)."""
    intensity_probability: Floats
    """Probability of an intensity among those used, given the basis, (point, intensity, basis)."""
    status: Statuses
    """0 where the claims fit the proof, (point)."""
    labels: tuple[str, ...]
    """Intensities used, in the file's order."""
    places: tuple[int, ...]
    """Their places in the file."""


def key_bases(settings: AnalysisSettings) -> tuple[str, ...]:
    """Bases whose bits become key."""
    return schema.BASES if settings.key_basis == "both" else (settings.key_basis,)


def block_epsilons(settings: AnalysisSettings) -> tuple[float, float]:
    """Secrecy and correctness failure probability of one block.

    Examples
    --------
    >>> block_epsilons(AnalysisSettings(security_epsilon=1e-9, correctness_epsilon=1e-15))
    (5e-10, 5e-16)
    >>> block_epsilons(AnalysisSettings(security_epsilon=1e-9, correctness_epsilon=1e-15, epsilon_split="block"))
    (1e-09, 1e-15)
    """
    parts = len(key_bases(settings)) if settings.epsilon_split == "key" else 1
    return settings.security_epsilon / parts, settings.correctness_epsilon / parts


def key_epsilons(settings: AnalysisSettings) -> tuple[float, float]:
    """Secrecy and correctness failure probability of the whole key: the sum over its blocks."""
    security, correctness = block_epsilons(settings)
    return security * len(key_bases(settings)), correctness * len(key_bases(settings))


def epsilon_parts(settings: AnalysisSettings, intensities: int) -> int | None:
    """Equal parts of a block's secrecy epsilon; None for an asymptotic proof.

    Examples
    --------
    >>> epsilon_parts(AnalysisSettings(proof="linear-programme"), 3)
    35
    """
    shares = PROOFS[settings.proof].epsilon_shares(key_from=settings.key_from, intensities=intensities)
    return sum(shares.values()) or None


def secret_key(
    counts: ArrayLike,
    errors: ArrayLike,
    *,
    mean_photon_number: ArrayLike,
    intensity_probability: ArrayLike,
    settings: AnalysisSettings,
) -> Key:
    """Secret key of sifted counts, each basis of `settings` a block of its own that the other basis tests.

    Parameters
    ----------
    counts, errors : array_like
        Sifted events and those with the wrong bit [1], (..., K, 2): K intensities, as many as the
        proof takes, in any order, basis Z and X.
    mean_photon_number : array_like
        Claimed mean photon number of each intensity [1], (..., K).
    intensity_probability : array_like
        Probability of each intensity, given the basis and that it is one of these [1], (..., K, 2).
    settings : AnalysisSettings
        All that the paper leaves open.

    Returns
    -------
    Key
        Any invalid input (not finite, negative, more errors than events, mean photon numbers outside the proof) gives
        key 0 and a status.

    Notes
    -----
    The leakage is f_EC h(Q) per bit of the block, with the error rate Q measured over all intensities that enter the key,
    counted once. With two blocks the key is their sum, and so are the epsilons. Each block sees the counts of
    both bases, so that an impossible number in either refuses both.

    Security
    --------
    See the head of this file; one block has the failure probabilities of :func:`block_epsilons`.

    References
    ----------
    Lim et al., PRA 89, 022307 (2014), Eqs. 1 to 5; Ma et al., PRA 72, 012326 (2005), Eqs. 34 to 42; Rusca et al., APL 112,
    171104 (2018); Wiesemann et al., Quantum 10, 2037 (2026).
    """
    number = np.shape(counts)[-2] if np.ndim(counts) >= 2 else 0
    settings = with_proof(settings, number)
    number = _intensities_taken(settings.proof, max(number, 2))
    n, m, probability = (np.asarray(a, dtype=np.float64) for a in (counts, errors, intensity_probability))
    mu = np.asarray(mean_photon_number, dtype=np.float64)
    for array in (n, m, probability, mu[..., np.newaxis].repeat(2, axis=-1)):
        if array.shape[-2:] != (number, 2):
            raise ValueError(f"the last dimensions must be {number} intensities and 2 bases, not {array.shape}")
    batch = np.broadcast_shapes(n.shape[:-2], m.shape[:-2], probability.shape[:-2], mu.shape[:-1])
    order = np.broadcast_to(np.argsort(-mu, axis=-1, kind="stable"), (*batch, number))
    mu = np.take_along_axis(np.broadcast_to(mu, (*batch, number)), order, axis=-1)
    n, m, probability = (
        np.take_along_axis(np.broadcast_to(a, (*batch, number, 2)), order[..., np.newaxis], axis=-2)
        for a in (n, m, probability)
    )
    kernel = KERNELS[settings.proof]
    blocks = []
    for basis in key_bases(settings):
        key = schema.BASES.index(basis)
        pair = [key, 1 - key]
        blocks.append(kernel(n[..., pair], m[..., pair], mu, probability[..., pair], settings))
    length, s0, s1, phase_error, leakage, used, status = (np.stack(a, axis=-1) for a in zip(*blocks, strict=True))
    told = _composed(
        Key(
            key_length=np.zeros(batch),
            status=np.zeros(batch, dtype=np.int8),
            block_key_length=np.asarray(length, dtype=np.float64),
            s0_lower=s0,
            s1_lower=s1,
            phase_error_upper=phase_error,
            leakage=leakage,
            sampling_used=np.asarray(used, dtype=np.int8),
            block_status=np.asarray(status, dtype=np.int8),
        )
    )
    return _accepted(told, settings.fixed_length) if settings.fixed_length else told


Block = tuple[Floats, Floats, Floats, Floats, Floats, Statuses, Statuses]
"""Key length, s0, s1, phase error, leakage, sampling bound used, status."""


def _asked(n: Floats, m: Floats, mu: Floats, probability: Floats, settings: AnalysisSettings) -> dict[str, Any]:
    """What every kernel of a block is asked, beside the counts of its key."""
    security, correctness = block_epsilons(settings)
    return {
        "test_counts": n[..., 1],
        "test_errors": m[..., 1],
        "mean_photon_numbers": mu,
        "key_probabilities": probability[..., 0],
        "test_probabilities": probability[..., 1],
        "eps_secrecy": security,
        "eps_correctness": correctness,
        "error_correction_efficiency": settings.error_correction_efficiency,
        "tail_bound": settings.tail_bound,
    }


def _lim2014(n: Floats, m: Floats, mu: Floats, probability: Floats, settings: AnalysisSettings) -> Block:
    """One block of Lim et al. 2014; last axis of n, m, probability: key basis, test basis."""
    bound = core.lim2014(
        n[..., 0],
        m[..., 0],
        **_asked(n, m, mu, probability, settings),
        sampling_bound="lim2014" if settings.sampling_bound == "own" else settings.sampling_bound,
        key_from=settings.key_from,
        predicted_shares=_of_kato(mu, probability, settings, "key counts", "test counts", "test errors"),
    )
    return _told_by(bound)


def _one_decoy(n: Floats, m: Floats, mu: Floats, probability: Floats, settings: AnalysisSettings) -> Block:
    """One block of a one-decoy proof; last axis of n, m, probability: key basis, test basis."""
    bound = core.one_decoy(
        n[..., 0],
        m[..., 0],
        **_asked(n, m, mu, probability, settings),
        proof=settings.proof,
        sampling_bound=settings.sampling_bound,
        key_from=settings.key_from,
        predicted_shares=_of_kato(mu, probability, settings, "key counts", "key errors", "test counts", "test errors"),
    )
    return _told_by(bound)


def _of_kato(mu: Floats, probability: Floats, settings: AnalysisSettings, *groups: str) -> Floats | None:
    """Predicted share of each intensity in every group of counts, (..., groups x intensities); None where not needed."""
    if settings.tail_bound != "kato2020":
        return None
    number = mu.shape[-1]
    batch = np.broadcast_shapes(mu.shape[:-1], probability.shape[:-2])
    shares = []
    for group in groups:
        basis, kind = group.split()
        if settings.kato_prediction == "linear":
            light = probability[..., 0 if basis == "key" else 1] * mu
            share = error_rate(light, light.sum(axis=-1, keepdims=True))
        else:
            told = np.asarray(settings.kato_prediction, dtype=np.float64)
            share = told[number:] if kind == "errors" and len(told) > number else told[:number]
        shares.append(np.broadcast_to(share, (*batch, number)))
    return np.concatenate(shares, axis=-1)


def _pair(groups: list[Floats], first: int) -> tuple[Floats, Floats]:
    return groups[first], groups[first + 1]


def _variable_length(n: Floats, m: Floats, mu: Floats, probability: Floats, settings: AnalysisSettings) -> Block:
    """One block whose length follows the counts; last axis of n, m, probability: key basis, test basis."""
    bound = core.variable_length(
        n[..., 0],
        m[..., 0],
        **_asked(n, m, mu, probability, settings),
        proof=settings.proof,
        sampling_bound=settings.sampling_bound,
        detector_ratio=settings.detector_ratio,
    )
    return _told_by(bound)


def _linear_programme(n: Floats, m: Floats, mu: Floats, probability: Floats, settings: AnalysisSettings) -> Block:
    r"""One block by linear programme; last axis of n, m, probability: key basis, test basis.

    The key is :math:`\lfloor s_0 + s_1 [1 - h(\phi)] - f_{EC} n h(m/n) - 6 \log_2 (T/\epsilon_{sec}) - \log_2
    (2/\epsilon_{cor}) \rfloor` as of Lim et al. 2014, with T of :func:`epsilon_parts`; phi by the exact hypergeometric tail.
    """
    security, correctness = block_epsilons(settings)
    intensities = n.shape[-2]
    beta = float(np.log(epsilon_parts(settings, intensities) or np.nan) - np.log(security))
    fault = _fault(n, m, mu, probability)
    with np.errstate(invalid="ignore"):
        falling = (np.diff(mu, axis=-1) < 0).all(axis=-1) & (mu[..., -1] >= 0) & (mu[..., 0] <= linear_programme.BRIGHTEST)
        possible = (probability >= linear_programme.RAREST).all(axis=(-2, -1))
    wrong_settings = np.where(falling, 0, core.STATUS["intensities_break_the_conditions_of_the_bound"])
    fault = np.maximum(fault, np.where(possible, wrong_settings, core.STATUS["impossible_probabilities"]))
    predicted = _of_kato(mu, probability, settings, "key counts", "key errors", "test counts", "test errors")
    bounds = np.full((*fault.shape, 4), np.nan)  # s0, s1, s1 and wrong ones of the test basis
    for place in np.ndindex(fault.shape):
        if fault[place] == 0:
            key, test = (
                linear_programme.decoy_bounds(
                    n[place][:, basis],
                    m[place][:, basis],
                    mean_photon_number=mu[place],
                    probability=probability[place][:, basis],
                    beta=beta,
                    tail_bound=settings.tail_bound,
                    predicted_shares=None if predicted is None else _pair(np.split(predicted[place], 4), 2 * basis),
                )
                for basis in (0, 1)
            )
            bounds[place] = (
                key.vacuum_lower,
                key.single_photon_lower,
                test.single_photon_lower,
                test.single_photon_error_upper,
            )
    s0, s1, tested, wrong = np.moveaxis(bounds, -1, 0)
    unsolved = (fault == 0) & ~np.isfinite(bounds).all(axis=-1)
    enters = slice(0, 1) if settings.key_from == "signal" else slice(None)
    with np.errstate(all="ignore"):
        if settings.key_from == "signal":
            dark = probability[..., 0] * np.exp(-mu)
            light = dark * mu
            tail = np.int8(core.TAIL_BOUNDS[settings.tail_bound])
            s0, s1 = (
                core.KERNELS["taken_lower"](events, of[..., 0] / of.sum(axis=-1), beta, tail)
                for events, of in ((s0, dark), (s1, light))
            )
        enough = (np.floor(tested) >= 1) & (np.floor(s1) >= 2) & (np.ceil(wrong) <= np.floor(tested))
        log_eps = -beta * (2 if settings.sampling_bound == "exact_smoothing" else 1)
        whole = (np.where(enough, f(a), 1.0) for f, a in ((np.ceil, wrong), (np.floor, tested), (np.floor, s1)))
        most = core.KERNELS["errors_upper"](*whole, log_eps)
        phase_error = most / np.floor(s1)
        if settings.sampling_bound == "serfling":
            phase_error = wrong / tested + np.sqrt((s1 + tested) * (tested + 1) / (s1 * tested**2) * beta / 2)
            phase_error = np.where(phase_error < 0.5, phase_error, np.nan)
        bounded = enough & np.isfinite(phase_error)
        phase_error = np.where(bounded, phase_error, 0.5)
        bits = n[..., enters, 0].sum(axis=-1)
        rate = np.where(bits > 0, np.minimum(m[..., enters, 0].sum(axis=-1) / bits, 0.5), 0.0)
        leakage = settings.error_correction_efficiency * bits * binary_entropy(rate)
        cost = PROOFS[settings.proof].bits_paid(security=security, correctness=correctness, intensities=intensities)
        length = np.floor(s0 + s1 * (1 - binary_entropy(phase_error)) - leakage - cost)
        status = np.where(length > 0, core.STATUS["good"], core.STATUS["no_key"])
        status = np.where(bounded, status, core.STATUS["no_sampling_bound"])
        status = np.where((s1 > 0) & (tested > 0), status, core.STATUS["no_single_photons_proven"])
    status = np.where(unsolved, OWN_STATUS["linear_programme_without_solution"], status)
    status = np.where(fault > 0, fault, status).astype(np.int8)
    invalid = (fault > 0) | unsolved
    s0, s1, phase_error, leakage = (np.where(invalid, np.nan, a) for a in (s0, s1, phase_error, leakage))
    how = core.SAMPLING_USED["serfling" if settings.sampling_bound == "serfling" else "exact"]
    used = np.where(bounded & ~invalid, how, core.SAMPLING_USED["none"]).astype(np.int8)
    return np.where(status == 0, length, 0.0), s0, s1, phase_error, leakage, used, status


def _told_by(bound: core.Lim2014) -> Block:
    return (
        bound.key_length,
        bound.vacuum_lower,
        bound.single_photon_lower,
        bound.phase_error_upper,
        bound.leakage,
        bound.sampling_used,
        bound.status,
    )


def _ma2005(n: Floats, m: Floats, mu: Floats, probability: Floats, settings: AnalysisSettings) -> Block:
    r"""One block of Ma et al. 2005: yields from the key basis, phase error from the test basis.

    Eq. 1 is homogeneous in the gains n_k / (N p_k), so that any number of pulses N serves that is too large for a yield to
    be clipped at 1. The block has :math:`s_1 = N Y_1 \sum_k p_k \mu_k e^{-\mu_k}` single-photon events, summed over the
    intensities that enter the key.
    """
    fault = _fault(n, m, mu, probability)
    with np.errstate(all="ignore"):
        per_pulse = n / probability
        most = per_pulse.max(axis=-2)
        pulses = np.where(most > 0, MANY_PULSES * most, 1.0)
        gains = per_pulse / pulses[..., np.newaxis, :]
        rates = np.where((n == 0) & (m == 0), 0.0, m / n)
        key, test = (
            core.ma2005(
                gains[..., i],
                rates[..., i],
                mean_photon_numbers=mu,
                error_correction_efficiency=settings.error_correction_efficiency,
                sifting_factor=1.0,
            )
            for i in (0, 1)
        )
        enters = slice(0, 1) if settings.key_from == "signal" else slice(None)
        share = probability[..., enters, 0] * np.exp(-mu[..., enters]) * pulses[..., np.newaxis, 0]
        s0 = share.sum(axis=-1) * key.vacuum_yield_lower
        s1 = (share * mu[..., enters]).sum(axis=-1) * key.single_photon_yield_lower
        phase_error = np.minimum(test.single_photon_error_upper, 0.5)
        bits = n[..., enters, 0].sum(axis=-1)
        rate = np.minimum(error_rate(m[..., enters, 0].sum(axis=-1), bits), 0.5)
        leakage = settings.error_correction_efficiency * bits * np.where(bits > 0, binary_entropy(rate), 0.0)
        length = np.floor(s1 * (1 - binary_entropy(phase_error)) - leakage)
    # The kernel's key rate is that of one basis only; whether there is a key is decided by `length`.
    no_key = core.STATUS["no_key"]
    told = [np.where(status == no_key, 0, status) for status in (key.status, test.status)]
    wrong = np.maximum(np.maximum(*told), fault)
    status = np.where(wrong > 0, wrong, np.where(length > 0, 0, no_key)).astype(np.int8)
    s0, s1, phase_error, leakage = (np.where(fault > 0, np.nan, a) for a in (s0, s1, phase_error, leakage))
    return np.where(status == 0, length, 0.0), s0, s1, phase_error, leakage, np.zeros_like(status), status


KERNELS: Final[dict[str, Callable[[Floats, Floats, Floats, Floats, AnalysisSettings], Block]]] = {
    "lim2014": _lim2014,
    "rusca2018": _one_decoy,
    "wiesemann2026": _one_decoy,
    "linear-programme": _linear_programme,
    "variable-length": _variable_length,
    "tupkary2025": _variable_length,
    "ma2005": _ma2005,
}
"""Proof -> one block of it, from events and errors (..., K, 2), mean photon numbers, probabilities, brightest first."""


def _intensities_taken(proof: str, given: int) -> int:
    """How many of the given intensities a proof takes."""
    takes = PROOFS[proof].intensities
    return given if takes is None or takes[1] is None or takes[0] <= given <= takes[1] else takes[1]


def _fault(n: Floats, m: Floats, mu: Floats, probability: Floats) -> Statuses:
    """Status of numbers that are no counts or no probabilities; 0 where all are possible."""
    with np.errstate(all="ignore"):
        counts = (m >= 0) & (m <= n) & (n <= LARGEST_COUNT)
        finite = np.isfinite(n).all(axis=(-2, -1)) & np.isfinite(m).all(axis=(-2, -1)) & np.isfinite(mu).all(axis=-1)
        finite &= np.isfinite(probability).all(axis=(-2, -1))
        possible = (probability > 0).all(axis=(-2, -1)) & (probability.sum(axis=-2) <= 1 + 1e-9).all(axis=-1)
    fault = np.where(counts.all(axis=(-2, -1)), 0, core.STATUS["impossible_counts"])
    fault = np.where(possible, fault, np.maximum(fault, core.STATUS["impossible_probabilities"]))
    return np.where(finite, fault, core.STATUS["input_not_finite"]).astype(np.int8)


def _composed(key: Key) -> Key:
    """Add up the blocks that have a key."""
    good = (key.block_status == 0) & np.isfinite(key.block_key_length) & (key.block_key_length > 0)
    block_length = np.where(good, key.block_key_length, 0.0)
    length = block_length.sum(axis=-1)
    status = np.where(length > 0, 0, key.block_status.max(axis=-1)).astype(np.int8)
    return replace(key, key_length=length, status=status, block_key_length=block_length)


def _accepted(key: Key, length: int) -> Key:
    """Key of a length fixed before: made in full where the counts prove it."""
    proven = (key.block_status == 0) & (key.block_key_length >= length)
    status = np.where(proven, 0, np.where(key.block_status == 0, OWN_STATUS["fixed_length_not_proven"], key.block_status))
    blocks = np.where(proven, float(length), 0.0)
    return _composed(replace(key, block_key_length=blocks, block_status=status.astype(np.int8)))


def _refused(key: Key, status: Statuses) -> Key:
    """No key where `status` is not 0; the larger status stays."""
    blocks = np.maximum(key.block_status, np.asarray(status, dtype=np.int8)[..., np.newaxis])
    return _composed(replace(key, block_status=blocks))


def with_proof(settings: AnalysisSettings, intensities: int) -> AnalysisSettings:
    """Settings with the proof decided, and what it cannot do refused.

    Parameters
    ----------
    settings : AnalysisSettings
        May leave the proof open.
    intensities : int
        Number of intensities that the analysis is to use.

    Returns
    -------
    AnalysisSettings

    Raises
    ------
    UserError
        A policy that the proof does not have, Kato's inequality without a prediction for every intensity, a variable length
        with one decoy and the exact tail, a fixed length for two blocks, or unlike detectors where the proof has none.

    Examples
    --------
    >>> with_proof(AnalysisSettings(), 2).proof, with_proof(AnalysisSettings(), 3).proof
    ('wiesemann2026', 'lim2014')
    """
    if settings.proof == "auto":
        settings = settings.model_copy(update={"proof": preferred(intensities, otherwise="lim2014")})
    PROOFS[settings.proof].check(settings)
    _check_prediction(settings, intensities)
    if settings.detector_ratio < 1 and not PROOFS[settings.proof].takes_unlike_detectors:
        raise UserError(
            f"analysis.detector_ratio = {settings.detector_ratio:g}: the proof {settings.proof} is for like detectors; "
            "for unlike ones there is variable-length"
        )
    if settings.detector_ratio < 1 and settings.sampling_bound != "own":
        raise UserError("analysis.sampling_bound: with detector_ratio below 1 there is own only (Serfling's inequality)")
    if settings.fixed_length and settings.key_basis == "both":
        raise UserError("analysis.fixed_length is that of one block: set key_basis to 'Z' or 'X'")
    if settings.proof == "variable-length" and intensities == 2 and settings.sampling_bound == "exact":
        raise UserError(
            "analysis.sampling_bound = 'exact': with one decoy the proof variable-length has own only (Serfling's "
            "inequality), as its bound of the single photons follows errors of the key"
        )
    return settings


def _check_prediction(settings: AnalysisSettings, intensities: int) -> None:
    """Refuse Kato's inequality without shares that were told beforehand, one for each intensity."""
    if settings.tail_bound != "kato2020" or not PROOFS[settings.proof].is_finite or settings.kato_prediction == "linear":
        return
    told, taken = settings.kato_prediction, PROOFS[settings.proof].intensities
    if taken is not None and taken[0] == taken[1]:  # a one-decoy proof drops what a file has more
        intensities = taken[0]
    if told is None:
        raise UserError(
            "analysis.kato_prediction is missing: tail_bound = 'kato2020' needs 'linear' or shares fixed before the run"
        )
    if len(told) not in (intensities, 2 * intensities) or not all(0 <= share <= 1 for share in told):
        raise UserError(
            f"analysis.kato_prediction = {list(told)}: give {intensities} shares of counts between 0 and 1, from the "
            f"brightest intensity on, or these and then {intensities} of errors"
        )


def sender_of(dataset: xr.Dataset, settings: AnalysisSettings) -> Sender:
    """What the sender of a statistics file claims, for the intensities that the settings choose.

    Parameters
    ----------
    dataset : xarray.Dataset
        With ``mean_photon_number`` and ``setting_probability``.
    settings : AnalysisSettings
        Names the intensities where the file has more than three.

    Returns
    -------
    Sender
        Status ``impossible_probabilities`` or ``bits_not_uniform`` where the claims do not fit the proof.

    Raises
    ------
    UserError
        A variable is missing, or the number of intensities is not that of the proof.
    """
    for name in ("mean_photon_number", "setting_probability"):
        if name not in dataset:
            raise UserError(f"variable '{name}' is missing; a file of {schema.PROTOCOL_DECOY_BB84} needs it")
    claims = dataset["setting_probability"]
    labels = sifting.labels_of(claims, schema.INTENSITY)
    strength = _with_point(dataset["mean_photon_number"], schema.INTENSITY)[0]
    places = _chosen(labels, settings, strength)
    bases, bits = (sifting.labels_of(claims, dim) for dim in (schema.ALICE_BASIS, schema.ALICE_BIT))
    sifting.check_labels(schema.ALICE_BASIS, bases, schema.BASES)
    sifting.check_labels(schema.ALICE_BIT, bits, schema.BITS)
    joint = _with_point(claims, *schema.SETTINGS_BB84)
    mu = _with_point(dataset["mean_photon_number"], schema.INTENSITY)[:, list(places)]
    used = joint[:, list(places)]
    of_basis = used.sum(axis=-1)
    with np.errstate(invalid="ignore"):
        bits_differ = np.abs(used[..., 0] - used[..., 1]) > UNIFORMITY * of_basis
        possible = np.all(joint >= 0, axis=(1, 2, 3)) & (np.abs(joint.sum(axis=(1, 2, 3)) - 1) <= UNIFORMITY)
    status = np.zeros(len(joint), dtype=np.int8)
    status[bits_differ.any(axis=(1, 2))] = OWN_STATUS["bits_not_uniform"]
    status[~possible] = core.STATUS["impossible_probabilities"]
    return Sender(
        mean_photon_number=mu,
        intensity_probability=error_rate(of_basis, of_basis.sum(axis=1, keepdims=True)),
        status=status,
        labels=tuple(labels[i] for i in places),
        places=places,
    )


def _chosen(labels: list[str], settings: AnalysisSettings, mean_photon_number: Floats) -> tuple[int, ...]:
    """Places of the intensities that the proof gets."""
    for label in settings.intensities:
        if label not in labels:
            raise UserError(
                f"analysis.intensities = '{label}': the file has no such intensity{nearest(label, labels)} "
                f"(there are: {', '.join(labels)})"
            )
    chosen = settings.intensities or tuple(labels)
    if len(set(chosen)) != len(chosen):
        raise UserError(f"analysis.intensities: an intensity stands twice in {', '.join(chosen)}")
    settings = with_proof(settings, len(chosen))
    if settings.proof == "linear-programme" and len(chosen) < 2:
        raise UserError(f"{len(chosen)} intensities ({', '.join(chosen)}): the proof linear-programme takes two or more")
    number = _intensities_taken(settings.proof, len(chosen))
    if len(chosen) == number:
        return tuple(labels.index(label) for label in chosen)
    if len(chosen) < number:
        takes = "a signal and two decoys" if number == 3 else "a signal and a decoy"
        raise UserError(
            f"{len(chosen)} intensities ({', '.join(chosen)}): the proof {settings.proof} takes {number}, {takes}"
            + ("; with a signal and one decoy there are wiesemann2026 and rusca2018" if len(chosen) == 2 else "")
        )
    if number == 2 and not settings.intensities and np.all(np.isfinite(mean_photon_number)):
        brightest = np.argsort(-mean_photon_number, kind="stable")[:number]
        return tuple(sorted(int(place) for place in brightest))
    raise UserError(
        f"the file has {len(chosen)} intensities ({', '.join(chosen)}), the proof {settings.proof} takes {number}: "
        f"name {'three' if number == 3 else 'two'} of them in analysis.intensities; clicks of the others are dropped"
        "; the proof linear-programme takes all"
    )


def _with_point(variable: xr.DataArray, *dims: str) -> Floats:
    """Values with dimensions (point, *dims); without a point in the file, one point."""
    extra = [str(d) for d in variable.dims if d not in (schema.POINT, *dims)]
    lacking = [d for d in dims if d not in variable.dims]
    if extra or lacking:
        told = f"has the unknown dimension '{extra[0]}'" if extra else f"lacks the dimension '{lacking[0]}'"
        raise UserError(f"{variable.name} {told} (allowed: {', '.join((schema.POINT, *dims))})")
    if schema.POINT not in variable.dims:
        variable = variable.expand_dims(schema.POINT)
    values: Floats = np.asarray(variable.transpose(schema.POINT, *dims).values, dtype=np.float64)
    return values


SCALARS: Final[dict[str, tuple[str, str]]] = {
    "key_length": ("bit", "secret key of all blocks"),
    "status": ("", "why there is no key; 0 where there is one"),
    "sifted_count": ("1", "sifted events that enter the key"),
    "detection_count": ("1", "trials with any click, all intensities, bases and outcomes"),
    "qber": ("1", "error rate of the sifted events that enter the key"),
    "qber_z": ("1", "error rate in basis Z, intensities that enter the key"),
    "qber_x": ("1", "error rate in basis X, intensities that enter the key"),
    "double_click_count": ("1", "clicks of both detectors of the sender's basis, intensities of the analysis"),
    "across_click_count": ("1", "clicks of detectors of both bases, intensities of the analysis"),
}
"""Variables over (point, realisation), or (point) with the prefix ``expected_``: unit and long name."""

PER_BLOCK: Final[dict[str, tuple[str, str]]] = {
    "block_key_length": ("bit", "secret key of the block of one basis"),
    "s0_lower": ("1", "sifted events of the block from vacuum, lower bound"),
    "s1_lower": ("1", "sifted events of the block from single photons, lower bound"),
    "phase_error_upper": ("1", "phase error rate of these single photons, upper bound"),
    "leakage": ("bit", "disclosed for error correction"),
    "sampling_used": ("", "how the phase errors were bounded"),
    "block_status": ("", "why the block gives no key; 0 where it does"),
}
"""Variables with the further dimension ``key_basis``."""

PER_SETTING: Final[dict[str, tuple[str, str]]] = {
    "sifted_count_by_setting": ("1", "sifted events"),
    "error_count_by_setting": ("1", "sifted events with the wrong bit"),
}
"""Variables with the further dimensions ``intensity`` and ``basis``."""

ASYMPTOTIC: Final = "asymptotic_key_length_estimate"
"""Variable that results of three intensities have besides: no key, but what blocks without end would give."""

EXPECTED: Final = "expected_"
"""Prefix of what follows from expected counts; a key length is then that of the expected counts, no expectation of keys."""

_Variables = dict[str, tuple[tuple[str, ...], NDArray[Any], dict[str, Any]]]


def analyze_decoy_bb84(dataset: xr.Dataset, settings: AnalysisSettings) -> xr.Dataset:
    """Sift a file of detection statistics and bound its secret key, for every point and realisation.

    Parameters
    ----------
    dataset : xarray.Dataset
        Detection statistics of the protocol; may be lazy: its counts are read in blocks.
    settings : AnalysisSettings
        All that the proof leaves open.

    Returns
    -------
    xarray.Dataset
        The variables of `SCALARS`, `PER_BLOCK` and `PER_SETTING`: over (point, realisation) from ``counts``, and over
        (point) with the prefix ``expected_`` from expected counts; ``expected_qber_by_cause`` over (point, cause), the
        error rate of the key less that with the cause switched off. Reference points, which nobody could make:
        ``asymptotic_key_length_estimate`` of three intensities and, where the file tells the photon numbers of its counts,
        ``expected_infinite_decoy_key_length_estimate`` over (point), ``known_truth_key_length_estimate`` over (point,
        realisation) and ``known_truth_key_length_quantile_estimate`` with a further dimension ``quantile``; see
        :mod:`qphys.keyrates.truth`. With ``block = "all"`` a point is a block of all points
        with equal block identity, and ``points_in_block`` says how many.

    Raises
    ------
    UserError
        The file lacks what the protocol needs.
    """
    import xarray as xr

    sender = sender_of(dataset, settings)
    settings = with_proof(settings, len(sender.labels))
    groups, block_facts = _blocks_of_points(dataset, len(sender.status), settings)
    first = [int(group[0]) for group in groups]
    pooled = replace(
        sender,
        mean_photon_number=sender.mean_photon_number[first],
        intensity_probability=sender.intensity_probability[first],
        status=sender.status[first],
    )
    _check_equal_claims(sender, groups)
    limit = _pooled_sum(_trials(dataset, len(sender.status)), groups)
    variables: _Variables = dict(block_facts)
    expected = next((name for name in ("expected_total_counts", "expected_counts") if name in dataset), None)
    if "counts" not in dataset and expected is None:
        raise UserError("the file holds neither counts nor expected_counts nor expected_total_counts: nothing to analyse")
    counted = None
    if "counts" in dataset:
        sifted = _sifted(dataset["counts"], (schema.POINT, schema.REALISATION), sender, settings, "rounded_up")
        counted = _pooled(sifted, groups)
        variables |= _results(counted, (schema.POINT, schema.REALISATION), pooled, limit, settings)
    if expected is not None:
        sifted = _pooled(_sifted(dataset[expected], (schema.POINT,), sender, settings, "exact"), groups)
        told = _results(sifted, (schema.POINT,), pooled, limit, settings)
        variables |= {EXPECTED + name: value for name, value in told.items()}
        variables |= _by_cause(dataset, sifted, groups, sender, pooled, settings)
        variables |= _known_truth(dataset, sifted, counted, groups, sender, pooled, settings, variables)
    coords = {
        schema.INTENSITY: list(sender.labels),
        BASIS: list(schema.BASES),
        KEY_BASIS: list(key_bases(settings)),
    }
    result = xr.Dataset({name: (dims, value, told) for name, (dims, value, told) in variables.items()}, coords)
    if truth.QUANTILE in result.dims:
        result = result.assign_coords({truth.QUANTILE: list(truth.QUANTILES)})
    kept = {(schema.REALISATION,)} | ({(schema.POINT,)} if settings.block == "pass" else set())
    for name, coord in dataset.coords.items():
        if coord.dims in kept and coord.dims[0] in result.dims:
            result = result.assign_coords({str(name): coord})
    result.attrs |= {"proof": settings.proof, "security_claim": PROOFS[settings.proof].claim}
    if beyond := PROOFS[settings.proof].beyond(settings):
        result.attrs["beyond_the_proofs_text"] = ", ".join(beyond)
    if (parts := epsilon_parts(settings, len(sender.labels))) is not None:
        security, correctness = key_epsilons(settings)
        result.attrs |= {"security_epsilon_of_key": security, "correctness_epsilon_of_key": correctness}
        result.attrs["epsilon_split_in_block"] = f"{settings.proof}: the block's secrecy epsilon in {parts} equal parts"
    dropped = [
        label for label in sifting.labels_of(dataset["setting_probability"], schema.INTENSITY) if label not in sender.labels
    ]
    if dropped:
        result.attrs["dropped_intensities"] = ", ".join(dropped)
    present = sifting.labels_of(dataset["counts" if "counts" in dataset else str(expected)], schema.BOB_OUTCOME)
    absent = [o for o in schema.OUTCOMES_BB84 if o not in present and o != "none"]
    if absent:
        result.attrs["absent_outcomes"] = ", ".join(absent)
    return result


def _sifted(
    variable: xr.DataArray,
    dims: tuple[str, ...],
    sender: Sender,
    settings: AnalysisSettings,
    halves: sifting.Halves,
) -> Sifted:
    """Sifted events over `dims`, each of length 1 where the variable lacks it, of the intensities used."""
    known = sifting.batch_dimensions(variable)
    extra = [dim for dim in known if dim not in dims]
    if extra:
        raise UserError(f"{variable.name}: dimension '{extra[0]}' does not belong here (allowed: {', '.join(dims)})")
    sifted = sifting.sift_variable(variable, double_clicks=settings.double_clicks, halves=halves)
    missing = tuple(i for i, dim in enumerate(dims) if dim not in known)
    sifted = sifted.each(lambda array: np.expand_dims(array, missing))
    # A cell that is no count makes the whole row doubtful, also where that cell is not sifted.
    bad = np.isnan(sifted.detections.sum(axis=-1))[..., np.newaxis, np.newaxis]
    used = np.array(sender.places)
    return Sifted(
        counts=np.where(bad, np.nan, sifted.counts[..., used, :]),
        errors=np.where(bad, np.nan, sifted.errors[..., used, :]),
        double_clicks=sifted.double_clicks[..., used, :],
        detections=sifted.detections,
        across_clicks=sifted.across_clicks[..., used],
    )


def _blocks_of_points(
    dataset: xr.Dataset, points: int, settings: AnalysisSettings
) -> tuple[list[NDArray[np.intp]], _Variables]:
    """Points of each block, and what the result says about them."""
    if settings.block == "pass":
        return [np.array([i]) for i in range(points)], {}
    if "block_identity" not in dataset:
        raise UserError("analysis.block = 'all' needs the variable 'block_identity', which the file lacks")
    identities = [str(v) for v in np.atleast_1d(dataset["block_identity"].values).tolist()]
    if len(identities) != points:
        raise UserError(f"block_identity: {len(identities)} values for {points} points")
    groups: dict[str, list[int]] = {}
    for i, identity in enumerate(identities):
        groups.setdefault(identity, []).append(i)
    arrays = [np.array(group) for group in groups.values()]
    sizes = np.array([len(group) for group in arrays], dtype=np.int64)
    told = {"units": "1", "long_name": "points whose counts make this block"}
    return arrays, {
        "points_in_block": ((schema.POINT,), sizes, told),
        "block_identity": ((schema.POINT,), np.array(list(groups)), {"units": "", "long_name": "block identity"}),
    }


def _check_equal_claims(sender: Sender, groups: list[NDArray[np.intp]]) -> None:
    for group in groups:
        for name in ("mean_photon_number", "intensity_probability"):
            values = getattr(sender, name)[group]
            if not np.array_equal(values, np.broadcast_to(values[0], values.shape), equal_nan=True):
                raise UserError(f"block_identity: points {group[0]} and others share it, but differ in {name}")


def _pooled_sum(array: Floats, groups: list[NDArray[np.intp]]) -> Floats:
    """Sum over the points of each block."""
    if len(groups) == len(array):
        return array
    return np.stack([array[group].sum(axis=0) for group in groups])


def _pooled(sifted: Sifted, groups: list[NDArray[np.intp]]) -> Sifted:
    """Sum over the points of each block; errors were rounded up point by point, so their sum is on the safe side."""
    return sifted.each(lambda array: _pooled_sum(array, groups))


def _trials(dataset: xr.Dataset, points: int) -> Floats:
    """Pulses sent in each point; infinite where the file does not say."""
    if "trials" not in dataset:
        return np.full(points, np.inf)
    trials = dataset["trials"]
    if schema.TIME in trials.dims:
        trials = trials.sum(schema.TIME, skipna=False)
    return np.broadcast_to(_with_point(trials), (points,))


def _results(sifted: Sifted, dims: tuple[str, ...], sender: Sender, limit: Floats, settings: AnalysisSettings) -> _Variables:
    """Key, bounds, totals and error rates of sifted events whose leading dimensions are `dims`."""
    further = tuple(range(1, len(dims)))
    mu = np.expand_dims(sender.mean_photon_number, further)
    key = secret_key(
        sifted.counts,
        sifted.errors,
        mean_photon_number=mu,
        intensity_probability=np.expand_dims(sender.intensity_probability, further),
        settings=settings,
    )
    detections = sifted.detections.sum(axis=-1)
    pulses = np.expand_dims(limit, further)
    impossible = (detections > pulses * (1 + 1e-9)) | np.isnan(pulses)
    status = np.maximum(
        np.expand_dims(sender.status, further), np.where(impossible, OWN_STATUS["more_clicks_than_trials"], 0)
    )
    if settings.double_clicks == "discard":
        status = np.maximum(status, core.STATUS["double_clicks_discarded_within_a_basis"])
    status = status.astype(np.int8)
    key = _refused(key, status)
    n, m = _of_key(sifted, mu, settings)
    bases = [schema.BASES.index(basis) for basis in key_bases(settings)]
    sifted_count = n[..., bases].sum(axis=-1)
    scalars = {
        "key_length": key.key_length,
        "status": key.status,
        "sifted_count": sifted_count,
        "detection_count": detections,
        "qber": error_rate(m[..., bases].sum(axis=-1), sifted_count),
        "qber_z": error_rate(m[..., 0], n[..., 0]),
        "qber_x": error_rate(m[..., 1], n[..., 1]),
        "double_click_count": sifted.double_clicks.sum(axis=(-2, -1)),
        "across_click_count": sifted.across_clicks.sum(axis=-1),
    }
    per_setting = {"sifted_count_by_setting": sifted.counts, "error_count_by_setting": sifted.errors}
    variables = {name: (dims, scalars[name], _told(*told)) for name, told in SCALARS.items()}
    variables |= {name: ((*dims, KEY_BASIS), getattr(key, name), _told(*told)) for name, told in PER_BLOCK.items()}
    variables |= {
        name: ((*dims, schema.INTENSITY, BASIS), per_setting[name], _told(*told)) for name, told in PER_SETTING.items()
    }
    for name in ("status", "block_status"):
        variables[name][2].update(status_attributes())
    used = core.SAMPLING_USED
    flags = {"flag_values": np.array(list(used.values()), dtype=np.int8), "flag_meanings": " ".join(used)}
    variables["sampling_used"][2].update(flags)
    if PROOFS["ma2005"].takes(sifted.counts.shape[-2]) and settings.proof != "ma2005":
        probability = np.expand_dims(sender.intensity_probability, further)
        length = _asymptotic_key_length(sifted, mu, probability, status, settings)
        told = _told("bit", "key at the same rates in blocks without end by these three intensities, Ma et al. 2005")
        variables[ASYMPTOTIC] = (dims, length, told)
    return variables


def _told(units: str, long_name: str) -> dict[str, Any]:
    return {"units": units, "long_name": long_name} if units else {"long_name": long_name}


def status_attributes() -> dict[str, Any]:
    """CF attributes of a status variable: those of the kernels and those of the analysis.

    Examples
    --------
    >>> status_attributes()["flag_meanings"].split()[-1]
    'fixed_length_not_proven'
    """
    known = core.status_attributes()
    return {
        "flag_values": np.array([*np.asarray(known["flag_values"]), *OWN_STATUS.values()], dtype=np.int8),
        "flag_meanings": " ".join([str(known["flag_meanings"]), *OWN_STATUS]),
    }


def _of_key(sifted: Sifted, mu: Floats, settings: AnalysisSettings) -> tuple[Floats, Floats]:
    """Events and errors of the intensities that enter the key, (..., basis)."""
    if settings.key_from == "all":
        return sifted.counts.sum(axis=-2), sifted.errors.sum(axis=-2)
    signal = np.argsort(-mu, axis=-1, kind="stable")[..., :1, np.newaxis]
    signal = np.broadcast_to(signal, (*sifted.counts.shape[:-2], 1, 2))
    n, m = (np.take_along_axis(a, signal, axis=-2)[..., 0, :] for a in (sifted.counts, sifted.errors))
    return n, m


def _entering(mu: Floats, settings: AnalysisSettings) -> NDArray[np.bool_]:
    """Intensities whose bits become key, (..., intensity)."""
    if settings.key_from == "all":
        return np.ones(mu.shape, dtype=np.bool_)
    first = np.argmax(mu, axis=-1)[..., np.newaxis]
    return np.asarray(np.arange(mu.shape[-1]) == first)


def _asymptotic_key_length(
    sifted: Sifted, mu: Floats, probability: Floats, refused: Statuses, settings: AnalysisSettings
) -> Floats:
    """Key of three intensities by the same rates in blocks without end; NaN where the asymptotic proof refuses the input."""
    chosen = settings.model_copy(update={"proof": "ma2005", "detector_ratio": 1.0, "fixed_length": 0})
    told = secret_key(
        sifted.counts, sifted.errors, mean_photon_number=mu, intensity_probability=probability, settings=chosen
    )
    key = _refused(told, refused)
    known = (key.status == 0) | (key.status == core.STATUS["no_key"])
    return np.where(known, key.key_length, np.nan)


def _known_truth(
    dataset: xr.Dataset,
    expected: Sifted,
    counted: Sifted | None,
    groups: list[NDArray[np.intp]],
    sender: Sender,
    pooled: Sender,
    settings: AnalysisSettings,
    variables: _Variables,
) -> _Variables:
    """Keys of one who knows the photon numbers, where a simulated file tells them."""
    name = "expected_total_counts_by_photon_number"
    if name not in dataset:
        return {}
    none, one = (
        _pooled(_sifted(dataset[name].isel({schema.PHOTON_NUMBER: i}), (schema.POINT,), sender, settings, "exact"), groups)
        for i in (0, 1)
    )
    photons = truth.Photons(vacuum=none, single=one)
    choice: dict[str, Any] = {
        "enters": _entering(pooled.mean_photon_number, settings),
        "bases": [schema.BASES.index(basis) for basis in key_bases(settings)],
    }
    length = truth.infinite_decoy_key_length(photons, leakage=variables[EXPECTED + "leakage"][1], **choice)
    told = _told("bit", "key of infinitely many decoys and pulses at the expected rates, a limit that nobody can reach")
    found: _Variables = {"expected_infinite_decoy_key_length_estimate": ((schema.POINT,), length, told)}
    if counted is not None:
        rows = [part.each(lambda array: np.expand_dims(array, 1)) for part in (none, one, expected)]
        drawn = truth.known_truth_key_lengths(
            truth.Photons(vacuum=rows[0], single=rows[1]),
            rows[2],
            counted,
            leakage=variables["leakage"][1],
            enters=np.expand_dims(choice["enters"], 1),
            bases=choice["bases"],
            seed=int(dataset.attrs.get("seed", 0)),
        )
        dims = (schema.POINT, schema.REALISATION)
        what = "key of one who knows which events held no photon and one photon, and how the latter err in the other basis"
        found["known_truth_key_length_estimate"] = (dims, drawn.mean(axis=-1), _told("bit", f"{what}: mean of draws"))
        quantiles = np.moveaxis(np.quantile(drawn, truth.QUANTILES, axis=-1), 0, -1)
        told = _told("bit", f"{what}: quantiles of draws")
        found["known_truth_key_length_quantile_estimate"] = ((*dims, truth.QUANTILE), quantiles, told)
    return found


def _by_cause(
    dataset: xr.Dataset,
    expected: Sifted,
    groups: list[NDArray[np.intp]],
    sender: Sender,
    pooled: Sender,
    settings: AnalysisSettings,
) -> _Variables:
    """Error rate of the key less that with one cause off. The parts need not add up to the whole."""
    bases = [schema.BASES.index(basis) for basis in key_bases(settings)]

    def rate(sifted: Sifted) -> Floats:
        n, m = _of_key(sifted, pooled.mean_photon_number, settings)
        return error_rate(m[..., bases].sum(axis=-1), n[..., bases].sum(axis=-1))

    causes: list[str] = []
    parts: list[Floats] = []
    name = "expected_total_counts_without"
    if name in dataset:
        for place, cause in enumerate(sifting.labels_of(dataset[name], schema.CAUSE)):
            if cause != DOUBLE_CLICKS:
                without = dataset[name].isel({schema.CAUSE: place}, drop=True)
                sifted = _pooled(_sifted(without, (schema.POINT,), sender, settings, "exact"), groups)
                causes.append(cause)
                parts.append(rate(expected) - rate(sifted))
    if settings.double_clicks == "random":
        causes.append(DOUBLE_CLICKS)
        halved = replace(expected, errors=expected.double_clicks / 2)
        parts.append(rate(halved))
    if not causes:
        return {}
    told = _told("1", "error rate of the key less that without the cause; double clicks: their half over all sifted events")
    return {
        "expected_qber_by_cause": ((schema.POINT, schema.CAUSE), np.stack(parts, axis=-1), told),
        schema.CAUSE: ((schema.CAUSE,), np.array(causes), {"long_name": "cause of errors"}),
    }
