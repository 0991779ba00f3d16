"""BBM92: coincidences of two receivers to sifted bits, error rates and secret key.

Security claim: the key is ``security_epsilon``-secret and ``correctness_epsilon``-correct against coherent attacks, whatever
the source is, for a fixed-length protocol whose acceptance test is met by the counts, if one party's measurements are those
of a qubit in unbiased bases, the probability of a detection depends on no basis, and double clicks get a random bit. By
``tomamichel_leverrier2017``, and by ``lim2021`` with the best verification, secrecy and correctness together fail by no more
than the sum.
Not covered: efficiency mismatch, dead time and afterpulsing, side channels, authentication. Results whose name ends in
``_estimate`` claim nothing.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from qphys import core
from qphys.errors import UserError
from qphys.keyrates import pairs as two
from qphys.keyrates import proofs
from qphys.keyrates.decoy_bb84 import OWN_STATUS, status_attributes
from qphys.keyrates.pairs import Pairs
from qphys.keyrates.proofs import PROOFS, proofs_of
from qphys.keyrates.sifting import BASIS, OPTIONAL_OUTCOMES, error_rate
from qphys.keyrates.table import status_names
from qphys.record import Record
from qphys.statistics import schema

if TYPE_CHECKING:
    import xarray as xr

Floats = NDArray[np.float64]
Statuses = NDArray[np.int8]

PROTOCOL: Final = proofs.BBM92
OUTCOMES: Final = (schema.OUTCOMES_BB84, schema.OUTCOMES_BB84)
KEY_BASIS: Final = "key_basis"
"""Dimension of blocks: the basis whose bits become key, or ``pooled``."""
POOLED: Final = "pooled"
PROOF: Final = "proof"
"""Dimension of `key_length_by_proof`."""

COMPOSABLE: Final = tuple(name for name, proof in proofs_of(PROTOCOL).items() if proof.is_finite)

FLIPPED_BASES: Final = "flipped_bases"
"""Attribute of a file: bases in which equal outcomes are errors, such as "Z X" for a singlet."""

FRACTIONS: Final = np.linspace(0.01, 0.99, 99)
"""Parts of a block tried as test, where Tomamichel and Leverrier 2017 leaves them free."""


class BBM92Settings(Record):
    """Table ``[analysis]`` of a run of BBM92, and options of ``qphys analyze``.

    Examples
    --------
    >>> BBM92Settings(proof="lim2021", verification="best").double_clicks
    'random'
    """

    proof: Literal["tomamichel2012", "tomamichel_leverrier2017", "lim2021", "asymptotic"] = "tomamichel2012"
    """``tomamichel2012``: one basis makes key, all of the other tests. ``tomamichel_leverrier2017``, ``lim2021`` (short
    blocks): both bases pooled, a random part is disclosed. ``asymptotic``: no finite-size terms at all."""
    security_epsilon: float = Field(default=1e-9, gt=0.0, lt=1.0)
    """Secrecy failure probability of the key (see `epsilon_split`)."""
    correctness_epsilon: float = Field(default=1e-15, gt=0.0, lt=1.0)
    """Probability that the two keys differ, of the key (see `epsilon_split`)."""
    epsilon_split: Literal["key", "block"] = "key"
    """``key``: both epsilons are those of the whole key, its blocks get equal parts; ``block``: each block has them in
    full, the whole key their sum. Pooled bases are one block."""
    sampling_bound: Literal["own", "exact"] = "own"
    """From errors of the test to phase errors: the proof's own inequality, or, for ``tomamichel2012``, the exact
    hypergeometric tail at the same failure probability."""
    verification: Literal["given", "best"] = "given"
    """Of ``lim2021``: the keys are compared by -log2 of the correctness epsilon bits; or both epsilons together are that
    of the whole, and the best number of bits takes its part of it."""
    error_correction_efficiency: float = Field(default=1.16, ge=1.0)
    """Disclosed bits over the Shannon limit, f_EC."""
    key_basis: Literal["Z", "X", "both"] = "both"
    """Basis whose bits become key; the other tests. ``both``: two blocks, each tested by the other basis. Proofs that pool
    the bases use both, whatever stands here."""
    test_fraction: float | None = Field(default=None, gt=0.0, lt=1.0)
    """Part of the sifted bits that proofs with pooled bases disclose. Nothing: the best for the counts, which a real
    protocol must choose before its run."""
    tolerated_error_rate: float | None = Field(default=None, ge=0.0, lt=0.5)
    """Error rate above which the protocol aborts, fixed before the run. Nothing: the test's own, which gives the length
    of the protocol that just accepts."""
    flipped_bases: Literal["file", "none", "Z", "X", "both"] = "file"
    """Bases in which equal outcomes are errors (both for a singlet). ``file``: as its attribute says, else none."""
    double_clicks: Literal["random", "discard"] = "random"
    """Both detectors of a basis on either side: a random bit, so half of these events are errors, or dropped. Dropping
    breaks the squashing argument: a study, whose key is 0 with a status."""
    across_clicks: Literal["discard"] = "discard"
    """Detectors of both bases: dropped."""
    block: Literal["pass", "all"] = "pass"
    """One block of counts a point (pass), or one of all points with equal block identity."""


@dataclass(frozen=True, kw_only=True)
class SiftedPairs:
    """Sifted events of any batch ``...``, basis in the order Z, X."""

    counts: Floats
    """Events in which both outcomes belong to the basis, (..., basis)."""
    errors: Floats
    """Those with the wrong bits, (..., basis)."""
    double_clicks: Floats
    """Those in which either party had a double click of the basis, kept or not, (..., basis)."""
    across_clicks: Floats
    """Coincidences in which either party had clicks of both bases, (...)."""


@dataclass(frozen=True, kw_only=True)
class PairKey:
    """Key of any batch ``...``; last dimension of a block's arrays: key basis."""

    key_length: Floats
    status: Statuses
    block_key_length: Floats
    key_count: Floats
    test_count: Floats
    phase_error_upper: Floats
    leakage: Floats
    block_status: Statuses


def sift_pairs(
    cells: ArrayLike,
    *,
    flipped: tuple[bool, bool] = (False, False),
    double_clicks: Literal["random", "discard"] = "random",
    halves: Literal["rounded_up", "exact"] = "rounded_up",
) -> SiftedPairs:
    r"""Sift pairs of outcomes: both parties' outcomes must belong to one basis.

    With :math:`C_{xy}` trials of Alice's bit x and Bob's bit y in a basis and D trials with a double click of the basis on
    either side (the other party's outcome in the basis, too),

    .. math:: n = \sum_{xy} C_{xy} + D, \qquad m = C_{01} + C_{10} + D / 2,

    and :math:`C_{00} + C_{11}` instead in a flipped basis.

    Parameters
    ----------
    cells : array_like
        Trials with each pair of outcomes [1], (..., 8, 8) in the order of ``schema.OUTCOMES_BB84``.
    flipped : pair of bool, optional
        Whether equal bits are errors, for Z and X.
    double_clicks : {"random", "discard"}, optional
        A random bit, or dropped (no valid key).
    halves : {"rounded_up", "exact"}, optional
        Errors of an odd number of double clicks: rounded up for counts, exact for expectations.

    Returns
    -------
    SiftedPairs
        Float64 arrays.

    Examples
    --------
    >>> cells = np.zeros((8, 8))
    >>> cells[1, 1], cells[1, 2], cells[5, 1], cells[1, 3] = 9, 1, 3, 7  # Z0Z0, Z0Z1, double Z with Z0, Z0X0
    >>> sifted = sift_pairs(cells)
    >>> sifted.counts.tolist(), sifted.errors.tolist()
    ([13.0, 0.0], [3.0, 0.0])
    """
    c = np.asarray(cells, dtype=np.float64)
    place = {label: i for i, label in enumerate(schema.OUTCOMES_BB84)}
    kept, wrong, double = [], [], []
    for basis, flip in zip(schema.BASES, flipped, strict=True):
        zero, one, both = (place[name] for name in (f"{basis}0", f"{basis}1", f"double_{basis}"))
        equal, unequal = c[..., zero, zero] + c[..., one, one], c[..., zero, one] + c[..., one, zero]
        doubled = c[..., both, [zero, one, both]].sum(axis=-1) + c[..., [zero, one], both].sum(axis=-1)
        events, errors = equal + unequal, equal if flip else unequal
        if double_clicks == "random":
            events = events + doubled
            errors = errors + (np.ceil(doubled / 2) if halves == "rounded_up" else doubled / 2)
        kept.append(events)
        wrong.append(errors)
        double.append(doubled)
    across = place["across"]
    clicks = [i for label, i in place.items() if label != two.NONE]
    either = c[..., across, clicks].sum(axis=-1) + c[..., clicks, across].sum(axis=-1) - c[..., across, across]
    counts, errors_, doubles = (np.stack(arrays, axis=-1) for arrays in (kept, wrong, double))
    return SiftedPairs(counts=counts, errors=errors_, double_clicks=doubles, across_clicks=either)


def key_bases(settings: BBM92Settings) -> tuple[str, ...]:
    """Blocks of the key: bases whose bits become key, or both pooled.

    Examples
    --------
    >>> key_bases(BBM92Settings()), key_bases(BBM92Settings(proof="lim2021"))
    (('Z', 'X'), ('pooled',))
    """
    if not PROOFS[settings.proof].one_basis_tests:
        return (POOLED,)
    return schema.BASES if settings.key_basis == "both" else (settings.key_basis,)


def block_epsilons(settings: BBM92Settings) -> tuple[float, float]:
    """Secrecy and correctness failure probability of one block."""
    parts = len(key_bases(settings)) if settings.epsilon_split == "key" else 1
    return settings.security_epsilon / parts, settings.correctness_epsilon / parts


def secret_key(counts: ArrayLike, errors: ArrayLike, *, settings: BBM92Settings) -> PairKey:
    """Secret key of sifted counts by the proof of the settings.

    Parameters
    ----------
    counts, errors : array_like
        Sifted events and those with the wrong bits [1], (..., 2): basis Z and X.
    settings : BBM92Settings
        All that the paper leaves open.

    Returns
    -------
    PairKey
        Impossible input gives key 0 and a status. ``key_count`` and ``test_count`` are n and k of the proof.

    Notes
    -----
    With pooled bases nobody knows from sums which bits were disclosed: the disclosed part is taken to show the error rate
    of all sifted events.

    Security
    --------
    See the head of this file; one block has the failure probabilities of :func:`block_epsilons`.

    Examples
    --------
    >>> key = secret_key([1e5, 1e5], [2e3, 2e3], settings=BBM92Settings(key_basis="Z"))
    >>> int(key.status), bool(key.key_length > 4e4)
    (0, True)
    """
    n, m = np.broadcast_arrays(np.asarray(counts, dtype=np.float64), np.asarray(errors, dtype=np.float64))
    if n.shape[-1:] != (2,):
        raise ValueError(f"the last dimension must be the two bases, not {n.shape}")
    PROOFS[settings.proof].check(settings)
    if PROOFS[settings.proof].one_basis_tests:
        kernel = KERNELS_OF_TWO_BASES[settings.proof]
        blocks = []
        for basis in key_bases(settings):
            key = schema.BASES.index(basis)
            blocks.append(kernel(n[..., key], m[..., key], n[..., 1 - key], m[..., 1 - key], settings))
    else:
        impossible = ~((m >= 0) & (m <= n)).all(axis=-1)
        with np.errstate(invalid="ignore"):
            total, wrong = n.sum(axis=-1), m.sum(axis=-1)
            # A basis with an impossible number refuses the sum of both.
            total = np.where(np.isfinite(total + wrong), np.where(impossible, -1.0, total), np.nan)
        blocks = [KERNELS_OF_POOLED_BASES[settings.proof](total, wrong, settings)]
    length, key_count, test_count, phase, leakage, status = (np.stack(a, axis=-1) for a in zip(*blocks, strict=True))
    return _composed(
        PairKey(
            key_length=np.zeros(n.shape[:-1]),
            status=np.zeros(n.shape[:-1], dtype=np.int8),
            block_key_length=length,
            key_count=key_count,
            test_count=test_count,
            phase_error_upper=phase,
            leakage=leakage,
            block_status=status.astype(np.int8),
        )
    )


Block = tuple[Floats, Floats, Floats, Floats, Floats, Statuses]
"""Key length, n, k, phase error, leakage, status."""


def _tomamichel2012(n: Floats, m_n: Floats, k: Floats, m_k: Floats, settings: BBM92Settings) -> Block:
    secrecy, correctness = block_epsilons(settings)
    observed = np.where(k > 0, np.clip(error_rate(m_k, k), 0.0, 1.0), 0.5)
    bound = core.bbm92_tomamichel2012(
        n,
        m_n,
        test_count=k,
        test_error_count=m_k,
        tolerated_error_rate=observed if settings.tolerated_error_rate is None else settings.tolerated_error_rate,
        eps_secrecy=secrecy,
        eps_correctness=correctness,
        error_correction_efficiency=settings.error_correction_efficiency,
        sampling_bound="exact" if settings.sampling_bound == "exact" else "serfling",
    )
    return bound.key_length, n, k, bound.phase_error_upper, bound.leakage, bound.status


def _asymptotic(n: Floats, m_n: Floats, k: Floats, m_k: Floats, settings: BBM92Settings) -> Block:
    f = settings.error_correction_efficiency
    good = (n >= 0) & (k >= 0) & (m_n >= 0) & (m_n <= n) & (m_k >= 0) & (m_k <= k) & np.isfinite(n + k)
    rate, phase = (np.where(b > 0, np.clip(error_rate(a, b), 0.0, 1.0), 0.5) for a, b in ((m_n, n), (m_k, k)))
    told = core.bbm92_asymptotic(rate, phase, error_correction_efficiency=f)
    secret = core.bbm92_asymptotic(rate, 0.0, error_correction_efficiency=1.0)
    length = np.floor(np.where(good, n, 0.0) * told.key_fraction)
    fault = np.where(np.isfinite(n + k + m_n + m_k), core.STATUS["impossible_counts"], core.STATUS["input_not_finite"])
    status = np.where(good, np.where(length > 0, 0, core.STATUS["no_key"]), fault).astype(np.int8)
    leakage = np.where(good, f * n * (1.0 - secret.key_fraction), np.nan)
    return np.where(status == 0, length, 0.0), n, k, np.where(good, phase, np.nan), leakage, status


def _pooled_rates(m: Floats, wrong: Floats, settings: BBM92Settings) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Error rate, tolerated error rate, and whether the protocol accepts."""
    rate = np.where(m > 0, np.clip(error_rate(wrong, m), 0.0, 1.0), 0.5)
    if settings.tolerated_error_rate is None:
        return rate, rate, np.ones(rate.shape, dtype=np.bool_)
    tolerated = np.full(rate.shape, settings.tolerated_error_rate)
    return rate, tolerated, rate <= tolerated


def _accepted(length: Floats, status: Statuses, accepts: NDArray[np.bool_]) -> tuple[Floats, Statuses]:
    told = np.where(accepts, status, np.maximum(status, core.STATUS["no_key"])).astype(np.int8)
    return np.where(told == 0, length, 0.0), told


def _lim2021(m: Floats, wrong: Floats, settings: BBM92Settings) -> Block:
    secrecy, correctness = block_epsilons(settings)
    rate, tolerated, accepts = _pooled_rates(m, wrong, settings)
    bound = core.bbm92_lim2021(
        m,
        None if settings.test_fraction is None else np.floor(settings.test_fraction * m),
        tolerated_error_rate=tolerated,
        error_rate=rate,
        eps_secrecy=secrecy,
        eps_correctness=correctness,
        error_correction_efficiency=settings.error_correction_efficiency,
        verification=settings.verification,
    )
    length, status = _accepted(bound.key_length, bound.status, accepts)
    return length, m - bound.test_count, bound.test_count, bound.phase_error_upper, bound.leakage, status


def _tomamichel_leverrier2017(m: Floats, wrong: Floats, settings: BBM92Settings) -> Block:
    rate, tolerated, accepts = _pooled_rates(m, wrong, settings)
    fractions = FRACTIONS if settings.test_fraction is None else np.array([settings.test_fraction])
    k = np.floor(fractions * m[..., np.newaxis])
    bound = core.bbm92_tomamichel_leverrier2017(
        m[..., np.newaxis],
        k,
        tolerated_error_rate=tolerated[..., np.newaxis],
        error_rate=rate[..., np.newaxis],
        epsilon=sum(block_epsilons(settings)),
        error_correction_efficiency=settings.error_correction_efficiency,
    )
    best = np.argmax(bound.key_length, axis=-1)[..., np.newaxis]
    length, k, phase, leakage, status = (
        np.take_along_axis(a, best, axis=-1)[..., 0]
        for a in (bound.key_length, k, bound.phase_error_upper, bound.leakage, bound.status)
    )
    length, status = _accepted(length, status, accepts)
    return length, m - k, k, phase, leakage, status


KERNELS_OF_TWO_BASES: Final[dict[str, Callable[[Floats, Floats, Floats, Floats, BBM92Settings], Block]]] = {
    "tomamichel2012": _tomamichel2012,
    "asymptotic": _asymptotic,
}
"""Proof -> one block of it, from events and errors of the key basis and of the test basis."""

KERNELS_OF_POOLED_BASES: Final[dict[str, Callable[[Floats, Floats, BBM92Settings], Block]]] = {
    "tomamichel_leverrier2017": _tomamichel_leverrier2017,
    "lim2021": _lim2021,
}
"""Proof -> its block, from events and errors of both bases."""


def _composed(key: PairKey) -> PairKey:
    """Add up the blocks that have a key."""
    block_length = np.where(key.block_status == 0, key.block_key_length, 0.0)
    length = block_length.sum(axis=-1)
    status = np.where(length > 0, 0, key.block_status.max(axis=-1)).astype(np.int8)
    return replace(key, key_length=length, status=status, block_key_length=block_length)


def _refused(key: PairKey, status: Statuses) -> PairKey:
    """No key where `status` is not 0; the larger status stays."""
    return _composed(replace(key, block_status=np.maximum(key.block_status, status[..., np.newaxis]).astype(np.int8)))


def yin2020_key_length_estimate(
    sifted_count: ArrayLike, error_rate: ArrayLike, *, error_correction_efficiency: ArrayLike, epsilon: ArrayLike
) -> Floats:
    r"""Estimate key as in Yin et al. 2020, :math:`m [1 - f_{EC} h(E) - h(E + \sqrt{\ln(2/\epsilon) / (2 m / 2)})]`.

    Parameters
    ----------
    sifted_count : array_like
        m sifted bits of both bases [1]; half of them count as the sample.
    error_rate : array_like
        E [1].
    error_correction_efficiency : array_like
        f_EC >= 1.
    epsilon : array_like
        Failure probability of Hoeffding's inequality, above 0 and below 1.

    Returns
    -------
    ndarray
        Bits, not rounded, 0 where they are not positive; NaN for impossible input.

    Notes
    -----
    Found from the printed 372 bit and threshold of Nature 582, 501 (2020), doi 10.1038/s41586-020-2401-y; the paper's own
    derivation may differ.

    Security
    --------
    None: not composable. The sample is not taken from the key, and there are no terms for verification, privacy
    amplification or sampling without replacement.

    Examples
    --------
    >>> told = yin2020_key_length_estimate(3100, 0.0451, error_correction_efficiency=1.19, epsilon=1e-10)
    >>> round(float(told))
    372
    """
    m, e, f, eps = (
        np.asarray(a, dtype=np.float64) for a in (sifted_count, error_rate, error_correction_efficiency, epsilon)
    )
    good = np.asarray((m >= 0) & (m < np.inf) & (e >= 0) & (e <= 1) & (f >= 1) & (eps > 0) & (eps < 1))
    with np.errstate(all="ignore"):
        phase = np.where(m > 0, np.minimum(e + np.sqrt(np.log(2 / eps) / m), 0.5), 0.5)
    told = core.bbm92_asymptotic(
        np.where(good, e, 0.5), np.where(good, phase, 0.5), error_correction_efficiency=np.where(good, f, 1.0)
    )
    length: Floats = np.where(good, m * told.key_fraction, np.nan)
    return length


def inferred_chsh(
    errors: ArrayLike, counts: ArrayLike, *, flipped: tuple[bool, bool] = (False, False)
) -> tuple[Floats, Floats]:
    r"""Infer the CHSH value from the visibilities of two bases, :math:`S = 2 \sqrt{E_Z^2 + E_X^2}`, and its standard error.

    Parameters
    ----------
    errors, counts : array_like
        Errors and sifted events [1], (..., 2): basis Z and X.
    flipped : pair of bool, optional
        Whether equal bits are errors; S depends on squares only.

    Returns
    -------
    value, standard_error : ndarray
        S [1] and its standard error [1]; NaN without events in both bases or, for the error, at S = 0.

    Notes
    -----
    Inferred, not measured: the largest S of settings in the plane of Z and X, for a state whose correlations off the
    diagonal vanish there (Horodecki, Horodecki, Horodecki, Phys. Lett. A 200, 340 (1995)). No setting that a CHSH test
    needs was measured, so it says nothing against local realism.

    Examples
    --------
    >>> value, _ = inferred_chsh([50, 50], [1000, 1000])
    >>> round(float(value), 4)
    2.5456
    """
    rate = error_rate(errors, counts)
    visibility = np.where(np.array(flipped), -1.0, 1.0) * (1 - 2 * rate)
    length = np.sqrt((visibility**2).sum(axis=-1))
    variance = error_rate(4 * rate * (1 - rate), counts)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.where(length > 0, 2 * np.sqrt((visibility**2 * variance).sum(axis=-1)) / length, np.nan)
    return 2 * length, spread


SCALARS: Final[dict[str, tuple[str, str]]] = {
    "key_length": ("bit", "secret key of all blocks"),
    "status": ("", "why there is no key; 0 where there is one"),
    "sifted_count": ("1", "sifted events of the bases that enter the key or its test sample"),
    "qber": ("1", "error rate of these sifted events"),
    "qber_z": ("1", "error rate in basis Z"),
    "qber_x": ("1", "error rate in basis X"),
    **two.FIGURES,
    "sifted_accidental_count": ("1", "accidental coincidences among the sifted events of both bases"),
    "double_click_count": ("1", "events with a double click of the basis on either side"),
    "across_click_count": ("1", "coincidences with clicks of both bases on either side"),
    "inferred_chsh": ("1", "CHSH value inferred from the visibilities of both bases, 2 sqrt(E_Z^2 + E_X^2); not measured"),
    "inferred_chsh_standard_error": ("1", "standard error of the inferred CHSH value"),
    "asymptotic_key_length_estimate": ("bit", "key of the same bits without finite-size terms; claims nothing"),
    "yin2020_key_length_estimate": ("bit", "key by the formula of Yin et al. 2020 at security_epsilon; not composable"),
    "di_key_length_estimate": ("bit", "asymptotic device-independent key from the inferred CHSH value; claims nothing"),
}
"""Variables over (point, realisation), or (point) with the prefix ``expected_``: unit and long name."""

PER_BLOCK: Final[dict[str, tuple[str, str]]] = {
    "block_key_length": ("bit", "secret key of the block"),
    "key_count": ("1", "sifted bits of the block that become key, n"),
    "test_count": ("1", "sifted bits that test the block, k"),
    "phase_error_upper": ("1", "phase error rate of the block's bits, upper bound"),
    "leakage": ("bit", "disclosed for error correction"),
    "block_status": ("", "why the block gives no key; 0 where it does"),
}
"""Variables with the further dimension ``key_basis``."""

PER_BASIS: Final[dict[str, tuple[str, str]]] = {
    "sifted_count_by_basis": ("1", "sifted events"),
    "error_count_by_basis": ("1", "sifted events with the wrong bits"),
    "accidental_count_by_basis": ("1", "accidental coincidences among the sifted events"),
}
"""Variables with the further dimension ``basis``."""

PER_OUTCOME: Final[dict[str, tuple[str, str, str]]] = {
    "alice_single_count_by_outcome": (schema.ALICE_OUTCOME, "1", "trials with this outcome of Alice"),
    "bob_single_count_by_outcome": (schema.BOB_OUTCOME, "1", "trials with this outcome of Bob"),
}
"""Variables with one further dimension: that, unit, long name."""

EXPECTED: Final = "expected_"
"""Prefix of what follows from expected counts; a key length is then that of the expected counts, no expectation of keys."""

_Variables = dict[str, tuple[tuple[str, ...], NDArray[Any], dict[str, Any]]]


def analyze_bbm92(dataset: xr.Dataset, settings: BBM92Settings) -> xr.Dataset:
    """Sift a file of pairs of outcomes and bound its secret key, for every point and realisation.

    Parameters
    ----------
    dataset : xarray.Dataset
        Counts over (point, realisation, time, alice_outcome, bob_outcome), expected counts without realisation; all but
        the outcomes may be absent. May be lazy: counts are read in blocks.
    settings : BBM92Settings
        All that the proof leaves open.

    Returns
    -------
    xarray.Dataset
        The variables of `SCALARS`, `PER_BLOCK`, `PER_BASIS`, `PER_OUTCOME` and ``key_length_by_proof``, the composable
        proofs side by side: over (point, realisation) from ``counts``, and over (point) with the prefix ``expected_``
        from expected counts; ``expected_qber_by_cause`` over (point, cause), the error rate less that with the cause
        off. With ``block = "all"`` a point is a block of all points with equal block identity.

    Raises
    ------
    UserError
        The file lacks what the protocol needs.
    """
    import xarray as xr

    two.check_counts(dataset)
    points = two.points_of(dataset)
    groups, facts = two.blocks_of_points(dataset, points, settings.block)
    flipped = flipped_bases(dataset, settings)
    variables: _Variables = dict(facts)
    sources = []
    expected = two.expected_name(dataset)
    for name, prefix, dims in (("counts", "", two.BATCH), (expected, EXPECTED, (schema.POINT,))):
        if name is None or name not in dataset:
            continue
        pairs, source = two.read_pairs(dataset, name, outcomes=OUTCOMES, dims=dims, optional=OPTIONAL_OUTCOMES)
        sources.append(source)
        pooled = pairs.pooled(groups)
        told = _results(pooled, dims, flipped, settings, halves="exact" if prefix else "rounded_up")
        variables |= {prefix + key: value for key, value in told.items()}
        if prefix:
            variables |= _by_cause(dataset, pooled, groups, flipped, settings)
    coords = {
        BASIS: list(schema.BASES),
        KEY_BASIS: list(key_bases(settings)),
        PROOF: list(COMPOSABLE),
        schema.ALICE_OUTCOME: list(schema.OUTCOMES_BB84),
        schema.BOB_OUTCOME: list(schema.OUTCOMES_BB84),
    }
    result = xr.Dataset({name: (dims, value, told) for name, (dims, value, told) in variables.items()}, coords)
    kept = {(schema.REALISATION,)} | ({(schema.POINT,)} if settings.block == "pass" else set())
    for label, coord in dataset.coords.items():
        if coord.dims in kept and coord.dims[0] in result.dims:
            result = result.assign_coords({str(label): coord})
    result.attrs |= {"proof": settings.proof, "security_claim": PROOFS[settings.proof].claim}
    if beyond := PROOFS[settings.proof].beyond(settings):
        result.attrs["beyond_the_proofs_text"] = ", ".join(beyond)
    result.attrs["flipped_bases"] = " ".join(b for b, flip in zip(schema.BASES, flipped, strict=True) if flip)
    result.attrs[two.ACCIDENTALS_FROM] = ", ".join(dict.fromkeys(sources))
    if PROOFS[settings.proof].is_finite:
        parts = len(key_bases(settings))
        security, correctness = (parts * epsilon for epsilon in block_epsilons(settings))
        if PROOFS[settings.proof].joint_epsilon(settings):
            result.attrs["epsilon_of_key"] = security + correctness
        else:
            result.attrs |= {"security_epsilon_of_key": security, "correctness_epsilon_of_key": correctness}
    labels = two.labels_of_file(dataset, OUTCOMES)
    absent = [o for o in schema.OUTCOMES_BB84 if o != two.NONE and any(o not in own for own in labels.values())]
    if absent:
        result.attrs["absent_outcomes"] = ", ".join(absent)
    return result


def flipped_bases(dataset: xr.Dataset, settings: BBM92Settings) -> tuple[bool, bool]:
    """Whether equal outcomes are errors in Z and X, by the settings or by the file.

    Raises
    ------
    UserError
        The file's attribute names something else than bases.
    """
    if settings.flipped_bases != "file":
        return (settings.flipped_bases in ("Z", "both"), settings.flipped_bases in ("X", "both"))
    named = str(dataset.attrs.get(FLIPPED_BASES, "")).split()
    for name in named:
        if name not in schema.BASES:
            raise UserError(f"attribute '{FLIPPED_BASES}' = '{' '.join(named)}': bases are {', '.join(schema.BASES)}")
    return ("Z" in named, "X" in named)


def bbm92_over_time(dataset: xr.Dataset, settings: BBM92Settings, *, point: int = 0, duration: ArrayLike) -> xr.Dataset:
    """Rates, error rates and inferred CHSH value of one point against time, for pictures.

    Parameters
    ----------
    dataset : xarray.Dataset
        Detection statistics with time.
    settings : BBM92Settings
        Policies of sifting.
    point : int, optional
        Place of the point.
    duration : array_like
        Length of each step [s], (time) or a scalar.

    Returns
    -------
    xarray.Dataset
        Over (realisation, time) from ``counts`` and, with the prefix ``expected_``, over (time) from ``expected_counts``:
        ``coincidence_rate``, ``accidental_rate``, ``sifted_rate`` [1/s], ``qber``, ``qber_z``, ``qber_x``,
        ``inferred_chsh``.

    Raises
    ------
    UserError
        There is no time or no such point.
    """
    import xarray as xr

    names = [name for name in ("counts", "expected_counts") if name in dataset and schema.TIME in dataset[name].dims]
    if not names:
        raise UserError("the file holds no counts against time (counts or expected_counts with the dimension 'time')")
    if not 0 <= point < two.points_of(dataset):
        raise UserError(f"point = {point}: the file has points 0 to {two.points_of(dataset) - 1}")
    flipped = flipped_bases(dataset, settings)
    here = dataset.isel({schema.POINT: point}, drop=True) if schema.POINT in dataset.dims else dataset
    # Each step is read as a point of its own.
    steps = here.rename({schema.TIME: schema.POINT})
    variables: _Variables = {}
    seconds = np.asarray(duration, dtype=np.float64)
    for name in names:
        sampled = name == "counts"
        timed = [dim for dim in (schema.POINT, schema.REALISATION) if dim in steps[name].dims]
        pairs, _ = two.read_pairs(steps, name, outcomes=OUTCOMES, dims=timed, optional=OPTIONAL_OUTCOMES)
        dims = tuple(schema.TIME if dim == schema.POINT else dim for dim in timed)[::-1]
        sifted = sift_pairs(pairs.cells, flipped=flipped, double_clicks=settings.double_clicks, halves="exact")
        length = seconds.reshape(seconds.shape + (1,) * (len(timed) - 1)) if seconds.ndim else seconds
        with np.errstate(divide="ignore", invalid="ignore"):
            values = {
                "coincidence_rate": ("s-1", "coincidences a second", two.coincidences(pairs.cells, OUTCOMES) / length),
                "accidental_rate": (
                    "s-1",
                    "accidental coincidences a second",
                    two.coincidences(pairs.accidentals, OUTCOMES) / length,
                ),
                "sifted_rate": ("s-1", "sifted events a second", sifted.counts.sum(axis=-1) / length),
            }
        rates = error_rate(sifted.errors, sifted.counts)
        values |= {
            "qber": ("1", "error rate of sifted events", error_rate(sifted.errors.sum(-1), sifted.counts.sum(-1))),
            "qber_z": ("1", "error rate in basis Z", rates[..., 0]),
            "qber_x": ("1", "error rate in basis X", rates[..., 1]),
            "inferred_chsh": ("1", SCALARS["inferred_chsh"][1], inferred_chsh(sifted.errors, sifted.counts)[0]),
        }
        for key, (units, text, value) in values.items():
            variables[key if sampled else EXPECTED + key] = (dims, value.T, _told(units, text))
    result = xr.Dataset({name: (dims, value, told) for name, (dims, value, told) in variables.items()})
    kept = [name for name in (schema.TIME, schema.REALISATION) if name in here.coords and name in result.dims]
    return result.assign_coords({name: here.coords[name] for name in kept})


def _results(
    pairs: Pairs,
    dims: tuple[str, ...],
    flipped: tuple[bool, bool],
    settings: BBM92Settings,
    *,
    halves: Literal["rounded_up", "exact"],
) -> _Variables:
    """Key, bounds, totals and error rates of pairs whose leading dimensions are `dims`."""
    sifted = sift_pairs(pairs.cells, flipped=flipped, double_clicks=settings.double_clicks, halves=halves)
    chance = sift_pairs(pairs.accidentals, flipped=flipped, double_clicks=settings.double_clicks, halves="exact")
    # A cell that is no count makes the whole row doubtful, also where that cell is not sifted.
    bad = np.isnan(pairs.cells.sum(axis=(-2, -1)))[..., np.newaxis]
    n, m = (np.where(bad, np.nan, a) for a in (sifted.counts, sifted.errors))
    clicks = two.clicks_of_either(pairs, OUTCOMES)
    refused = np.where(
        (clicks > pairs.trials * (1 + 1e-9)) | np.isnan(pairs.trials), OWN_STATUS["more_clicks_than_trials"], 0
    )
    refused = np.where(bad[..., 0], 0, refused)
    if settings.double_clicks == "discard":
        refused = np.maximum(refused, core.STATUS["double_clicks_discarded_within_a_basis"])

    def key_by(proof: str) -> PairKey:
        # A proof that pools the bases has both, and so must what stands beside it.
        both = {"key_basis": "both"} if key_bases(settings) == (POOLED,) else {}
        own = {} if proof == settings.proof else {"sampling_bound": "own"}
        chosen = settings.model_copy(update={"proof": proof} | both | own)
        return _refused(secret_key(n, m, settings=chosen), refused.astype(np.int8))

    keys = {proof: key_by(proof) for proof in dict.fromkeys((settings.proof, *COMPOSABLE))}
    key = keys[settings.proof]
    by_proof = np.stack([keys[proof].key_length for proof in COMPOSABLE], axis=-1)
    pooled = key_bases(settings) == (POOLED,)
    bases = [0, 1] if pooled else [schema.BASES.index(basis) for basis in key_bases(settings)]
    used, wrong = n[..., bases].sum(axis=-1), m[..., bases].sum(axis=-1)
    rate = error_rate(wrong, used)
    whole, whole_wrong = n.sum(axis=-1), m.sum(axis=-1)
    f = settings.error_correction_efficiency
    value, spread = inferred_chsh(m, n, flipped=flipped)
    secret = core.chsh_di_rate_estimate(value, rate, error_correction_efficiency=f)
    scalars: dict[str, NDArray[Any]] = {
        "key_length": key.key_length,
        "status": key.status,
        "sifted_count": used,
        "qber": rate,
        "qber_z": error_rate(m[..., 0], n[..., 0]),
        "qber_x": error_rate(m[..., 1], n[..., 1]),
        **two.figures_of_pairs(pairs, OUTCOMES),
        "sifted_accidental_count": chance.counts.sum(axis=-1),
        "double_click_count": sifted.double_clicks.sum(axis=-1),
        "across_click_count": sifted.across_clicks,
        "inferred_chsh": value,
        "inferred_chsh_standard_error": spread,
        "asymptotic_key_length_estimate": key_by("asymptotic").key_length,
        "yin2020_key_length_estimate": yin2020_key_length_estimate(
            whole,
            np.where(whole > 0, error_rate(whole_wrong, whole), np.where(np.isnan(whole), np.nan, 0.5)),
            error_correction_efficiency=f,
            epsilon=settings.security_epsilon,
        ),
        "di_key_length_estimate": np.floor(np.where(secret.status == 0, used * secret.key_fraction, 0.0)),
    }
    by_basis = {
        "sifted_count_by_basis": n,
        "error_count_by_basis": m,
        "accidental_count_by_basis": chance.counts,
    }
    by_outcome = {
        "alice_single_count_by_outcome": pairs.alice_singles,
        "bob_single_count_by_outcome": pairs.bob_singles,
    }
    variables: _Variables = {name: (dims, scalars[name], _told(*told)) for name, told in SCALARS.items()}
    variables |= {name: ((*dims, KEY_BASIS), getattr(key, name), _told(*told)) for name, told in PER_BLOCK.items()}
    variables |= {name: ((*dims, BASIS), by_basis[name], _told(*told)) for name, told in PER_BASIS.items()}
    variables |= {
        name: ((*dims, further), by_outcome[name], _told(units, text))
        for name, (further, units, text) in PER_OUTCOME.items()
    }
    told = _told("bit", "secret key by each composable proof, at the same epsilons")
    variables["key_length_by_proof"] = ((*dims, PROOF), by_proof, told)
    for name in ("status", "block_status"):
        variables[name][2].update(status_attributes())
    return variables


def _told(units: str, long_name: str) -> dict[str, Any]:
    return {"units": units, "long_name": long_name} if units else {"long_name": long_name}


def _by_cause(
    dataset: xr.Dataset,
    pairs: Pairs,
    groups: list[NDArray[np.intp]],
    flipped: tuple[bool, bool],
    settings: BBM92Settings,
) -> _Variables:
    """Error rate of both bases less that with one cause off. The parts need not add up to the whole."""

    def sifted_of(cells: Floats) -> SiftedPairs:
        return sift_pairs(cells, flipped=flipped, double_clicks=settings.double_clicks, halves="exact")

    def rate(counts: Floats, errors: Floats) -> Floats:
        return error_rate(errors.sum(axis=-1), counts.sum(axis=-1))

    sifted, chance = sifted_of(pairs.cells), sifted_of(pairs.accidentals)
    whole = rate(sifted.counts, sifted.errors)
    parts = {"accidentals": whole - rate(sifted.counts - chance.counts, sifted.errors - chance.errors)}
    if settings.double_clicks == "random":
        parts["double clicks"] = rate(sifted.counts, sifted.double_clicks / 2)
    name = "expected_total_counts_without"
    if name in dataset:
        for place in range(int(dataset.sizes[schema.CAUSE])):
            label = dataset[schema.CAUSE].values[place] if schema.CAUSE in dataset.coords else place
            cause = label.decode() if isinstance(label, bytes) else str(label)
            only = dataset.isel({schema.CAUSE: place}, drop=True)
            without, _ = two.read_pairs(only, name, outcomes=OUTCOMES, dims=(schema.POINT,), optional=OPTIONAL_OUTCOMES)
            off = sifted_of(without.pooled(groups).cells)
            parts[cause] = whole - rate(off.counts, off.errors)
    told = _told("1", "error rate of both bases less that without the cause; double clicks: their half over sifted events")
    return {
        "expected_qber_by_cause": ((schema.POINT, schema.CAUSE), np.stack(list(parts.values()), axis=-1), told),
        schema.CAUSE: ((schema.CAUSE,), np.array(list(parts)), {"long_name": "cause of errors"}),
    }


def heading(result: xr.Dataset) -> str:
    """One line over the table: title, proof, epsilons and the other choices."""
    chosen = json.loads(str(result.attrs["analysis_settings"]))
    told = [f"proof {chosen['proof']}", f"blocks {', '.join(result[KEY_BASIS].values.tolist())}"]
    told.append(f"f_EC {chosen['error_correction_efficiency']:g}")
    if "security_epsilon_of_key" in result.attrs:
        told.append(f"secrecy {result.attrs['security_epsilon_of_key']:.3g}")
        told.append(f"correctness {result.attrs['correctness_epsilon_of_key']:.3g}")
    if "epsilon_of_key" in result.attrs:
        told.append(f"secrecy and correctness {result.attrs['epsilon_of_key']:.3g} together")
    title = str(result.attrs.get("title", ""))
    return f"{title + ': ' if title else ''}secure key of entangled pairs ({', '.join(told)})"


def rows(result: xr.Dataset) -> list[dict[str, Any]]:
    """A row for each point: from its expected counts, and the mean over its samples.

    Parameters
    ----------
    result : xarray.Dataset
        What :func:`analyze_bbm92` returns.

    Returns
    -------
    list of dict
        Column -> value; counts and key as numbers, error rates in per cent.
    """
    return rows_of_points(result, _columns)


def rows_of_points(result: xr.Dataset, columns: Callable[[xr.Dataset, str], dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of points and kinds of counts, each begun by the point's coordinates."""
    labels = {str(name): c.values.tolist() for name, c in result.coords.items() if c.dims == (schema.POINT,)}
    found = []
    for point in range(int(result.sizes[schema.POINT])):
        named = {name: values[point] for name, values in labels.items()} or {"point": point}
        found += [named | row for row in _kinds(result.isel({schema.POINT: point}), columns)]
    return found


def _kinds(point: xr.Dataset, columns: Callable[[xr.Dataset, str], dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for prefix in (EXPECTED, ""):
        if f"{prefix}status" not in point:
            continue
        number = point[f"{prefix}status"].size
        kind = "expected" if prefix else f"sampled, mean of {number}" if number > 1 else "sampled"
        names = Counter(status_names(point[f"{prefix}status"]))
        status = ", ".join(f"{name} ({n} of {number})" if len(names) > 1 else name for name, n in names.items())
        yield {"counts": kind} | columns(point, prefix) | {"status": status}


def _columns(point: xr.Dataset, prefix: str) -> dict[str, Any]:
    def mean(name: str) -> float:
        return float(np.mean(point[f"{prefix}{name}"].values))

    return {
        "key [bit]": mean("key_length"),
        "coincidences": mean("coincidence_count"),
        "signal to noise": mean("signal_to_noise"),
        "sifted": mean("sifted_count"),
        "QBER %": 100 * mean("qber"),
        "QBER Z %": 100 * mean("qber_z"),
        "QBER X %": 100 * mean("qber_x"),
        "S, inferred": mean("inferred_chsh"),
        "asymptotic, no proof [bit]": mean("asymptotic_key_length_estimate"),
    }
