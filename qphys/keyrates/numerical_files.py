r"""Numerical key rates of statistics files: counts to intervals, intervals to a programme of two qubits, its proof to a key.

Security claim: the key is ``security_epsilon``-secret and ``correctness_epsilon``-correct against *collective* attacks
(every trial alike and independent), for a fixed-length protocol whose acceptance test is met by the counts; or, where it is
told so, asymptotic. The receiver is squashed to a qubit. That is allowed for threshold detectors that are alike, with double
clicks as random bits and, where a beam splitter of even parts chooses the basis, clicks of both bases as random outcomes.
What the file says to be otherwise is refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from qphys.errors import UserError
from qphys.keyrates import bbm92, linear_programme, numerical_finite, pairs, qubit_pairs, sifting, yields
from qphys.keyrates.analyze import analyze, own_settings
from qphys.keyrates.analyze import rows as rows_of
from qphys.keyrates.decoy_bb84 import sender_of
from qphys.keyrates.entropies import binary_entropy
from qphys.keyrates.numerical import bound
from qphys.keyrates.profile import OUTSIDE, add_profile, profile
from qphys.keyrates.proofs import OF_PAIRS, OF_PULSES, PROOFS, Proof
from qphys.keyrates.run_facts import resolved_run
from qphys.keyrates.settings import AnalysisSettings
from qphys.keyrates.sifting import error_rate
from qphys.record import Record, parse
from qphys.statistics import schema

if TYPE_CHECKING:
    import xarray as xr

Floats = NDArray[np.float64]
Progress = Callable[[int, int], None]

NAME: Final = "numerical"
"""Of this proof, in results and tables."""

KEY_BASIS: Final = "key_basis"
EXPECTED: Final = "expected_"
STATUS: Final = (
    "good",
    "no_key",
    "input_not_finite",
    "impossible_counts",
    "impossible_probabilities",
    "bits_not_uniform",
    "more_clicks_than_trials",
    "linear_programme_without_solution",
    "no_single_photons_proven",
    "inconsistent_statistics",
    "solver_failed",
)
"""Why there is no key; the place in this list is the value of ``status``."""

INTO_BITS: Final = np.array(
    # columns: Z0, Z1, X0, X1
    [
        [0.0, 0.0, 0.0, 0.0],
        [1.0, 0.0, 0.0, 0.0],
        [0.0, 1.0, 0.0, 0.0],
        [0.0, 0.0, 1.0, 0.0],
        [0.0, 0.0, 0.0, 1.0],
        [0.5, 0.5, 0.0, 0.0],
        [0.0, 0.0, 0.5, 0.5],
        [0.25, 0.25, 0.25, 0.25],
    ]
)
"""Part of each outcome of the schema that becomes a bit of a basis: double clicks are random bits of theirs, clicks of both
bases random outcomes of the four."""

WIDENING: Final = 1e-12
"""Relative widening of expected probabilities for the rounding of a file."""

EVEN: Final = 1e-9
"""Departure from even parts, and from equal offsets [rad], that is rounding."""

COMMON: Final = (
    "key_basis",
    "key_from",
    "security_epsilon",
    "correctness_epsilon",
    "epsilon_split",
    "error_correction_efficiency",
)
"""Settings that are taken from the file's own table ``[analysis]``."""


class NumericalSettings(Record):
    """Options of ``qphys keyrate FILE.h5 --numerical``; those that a file's own ``[analysis]`` has as well default to it.

    Examples
    --------
    >>> NumericalSettings(length="asymptotic").statistics
    'cells'
    """

    length: Literal["finite", "asymptotic"] = "finite"
    """Key of the block's counts, or of their frequencies taken as exact probabilities."""
    security_epsilon: float = Field(default=1e-9, gt=0.0, lt=1.0)
    """Secrecy failure probability of the key (see `epsilon_split`)."""
    correctness_epsilon: float = Field(default=1e-15, gt=0.0, lt=1.0)
    """Probability that the two keys differ (see `epsilon_split`)."""
    epsilon_split: Literal["key", "block"] = "key"
    """``key``: both epsilons are those of the whole key, its blocks get equal parts; ``block``: each block has them."""
    entropy_bound: numerical_finite.EntropyBound = "george2021"
    """From the entropy of a trial to that of a block, see `qphys.keyrates.numerical_finite.Finite`."""
    error_correction_efficiency: float = Field(default=1.16, ge=1.0)
    """Disclosed bits over the Shannon limit, f_EC."""
    key_basis: Literal["Z", "X", "both"] = "both"
    """Basis whose bits become key; ``both``: two blocks. All counts test each."""
    key_from: Literal["signal", "all"] = "all"
    """Of pulses: intensities whose bits become key, the brightest or all. All test."""
    statistics: qubit_pairs.Statistics = "cells"
    """``cells``: each pair of bits in each pair of bases; ``bases``: only detections and unequal bits of each pair of bases,
    which take fewer parts of epsilon."""
    receiver: Literal["file", "active", "passive"] = "file"
    """How the basis is chosen: as the file's run says, switched, or by a beam splitter of even parts."""
    signal_states: Literal["file", "ideal"] = "file"
    """Alice's states of one photon, of pulses: with the offsets that the file's run tells, or the ideal ones."""
    counts: Literal["all", "expected", "sampled"] = "all"
    """Which counts of the file are worked on. Asymptotic, ``all`` are the expected ones where the file has them, as
    frequencies of samples, taken as exact, contradict one another."""
    flipped_bases: Literal["file", "none", "Z", "X", "both"] = "file"
    """Of pairs: bases in which equal outcomes are errors."""

    @property
    def bases(self) -> tuple[str, ...]:
        """Bases whose bits become key."""
        return schema.BASES if self.key_basis == "both" else (self.key_basis,)

    @property
    def block_epsilons(self) -> tuple[float, float]:
        """Secrecy and correctness failure probability of one block."""
        parts = len(self.bases) if self.epsilon_split == "key" else 1
        return self.security_epsilon / parts, self.correctness_epsilon / parts


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What the sender of pulses claims at one point."""

    mean_photon_number: Floats
    """(K,)."""
    probability: Floats
    """Joint, of intensity, basis and bit, (K, 2, 2)."""
    states: Floats
    """Real amplitudes of Z0, Z1, X0, X1, (4, 2)."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What counts say about one block: programme, and what its function is multiplied by."""

    key_basis: int
    effects: Floats
    seen: qubit_pairs.Seen
    kept: float
    """Bits of the block [1]."""
    wrong: float
    """Those that are unlike Alice's [1]."""
    outcomes_of_one: float
    """What the programme's function is multiplied by: kept bits times the probability of one photon with an outcome in the
    key basis, over the probability that a trial is kept [1]."""
    single_photons: float
    """Kept bits of one photon, at least [1]."""
    vacuum: float
    """Kept bits of no photon, at least [1]."""


Told = Evidence | str
"""Evidence, or the status why there is none."""


def is_statistics(path: str | PathLike[str]) -> bool:
    """Whether a file's name is that of detection statistics and not of a protocol's TOML."""
    return not str(path).lower().endswith(".toml")


def keyrate_of_statistics(
    dataset: xr.Dataset,
    settings: NumericalSettings | Mapping[str, Any] | None = None,
    *,
    progress: Progress | None = None,
    **overrides: Any,
) -> xr.Dataset:
    r"""Secret key of detection statistics by optimisation with a proof that does not trust the solver.

    .. math::
        \ell = \Big\lfloor n\,\frac{w_1 T_1 \min f + w_0 Y_0}{Q^+} - \Delta(n) - f_{EC}\, n\, h(m/n)
               - \log_2 \frac{2}{\epsilon_{cor}} \Big\rfloor

    Parameters
    ----------
    dataset : xarray.Dataset
        Detection statistics of decoy-state BB84 or BBM92.
    settings : NumericalSettings or mapping, optional
        Nothing: the epsilons, the basis and the error correction of the table ``[analysis]`` of the run that wrote the file.
    progress : callable, optional
        Told the keys done and their number.
    **overrides
        Single values that replace those of `settings`.

    Returns
    -------
    xarray.Dataset
        ``key_length``, ``status``, ``sifted_count``, ``qber`` over (point, realisation) from ``counts``, and with the prefix
        ``expected_`` over (point) from expected counts; the variables of `PER_BLOCK` with the further dimension
        ``key_basis``. Attributes: claim, epsilons, assumptions, what lies outside.

    Raises
    ------
    UserError
        The file lacks what is needed, or says what the proof does not allow.

    Notes
    -----
    :math:`w_n` is the probability to send n photons (:math:`w_0`: in the key basis), :math:`T_1` that of an outcome in the
    key basis given one photon, :math:`Y_0` given none, Q that a trial is kept; of pairs, :math:`w_1 T_1 = Q` and
    :math:`w_0 = 0`. Intervals of all of them are of one event whose probability to fail is the tests' part of epsilon;
    docs/physics/numerical-files.md.

    Security
    --------
    Collective attacks only. See the head of this file.
    """
    base, source = own_settings(dataset)
    common = {name: getattr(base, name) for name in COMMON if hasattr(base, name)}
    given = (
        settings.model_dump(exclude={"title", "model", "origin"}) if isinstance(settings, Record) else dict(settings or {})
    )
    replaced = {key: value for key, value in overrides.items() if value is not None}
    chosen = parse(NumericalSettings, common | given | replaced, "keyrate")
    if getattr(base, "double_clicks", "random") != "random":
        raise UserError("analysis.double_clicks = 'discard': a receiver that drops them has no qubit in its place")
    protocol = str(dataset.attrs["protocol"])
    makers = {schema.PROTOCOL_DECOY_BB84: _pulses, bbm92.PROTOCOL: _entangled}
    if protocol not in makers:
        raise UserError(f"protocol = '{protocol}': no numerical key rate of such files (there are: {', '.join(makers)})")
    rows = makers[protocol](dataset, chosen)
    result = _solved(rows, chosen, progress)
    result = _claimed(result, dataset, chosen, protocol)
    result.attrs["settings_from"] = "given" if given or replaced else source
    return _with_labels(result, dataset)


@dataclass(frozen=True, kw_only=True)
class Row:
    """The blocks of one point and one kind of counts, made when they are asked for."""

    prefix: str
    place: tuple[int, ...]
    """Point and, for sampled counts, realisation."""
    shape: tuple[int, ...]
    blocks: Callable[[], list[Told]]


def _solved(rows: list[Row], chosen: NumericalSettings, progress: Progress | None) -> xr.Dataset:
    import xarray as xr

    if not rows:
        raise UserError(f"the file has no {'' if chosen.counts == 'all' else chosen.counts + ' '}counts: nothing to work on")
    arrays: dict[str, Floats] = {}
    for done, row in enumerate(rows):
        if progress is not None:
            progress(done, len(rows))
        blocks = [_key(told, chosen) for told in row.blocks()]
        for name in PER_BLOCK:
            values = arrays.setdefault(row.prefix + name, np.full((*row.shape, len(blocks)), np.nan))
            values[row.place] = [block[name] for block in blocks]
        lengths = [block["block_key_length"] for block in blocks]
        status = 0.0 if sum(lengths) > 0.0 else max(block["block_status"] for block in blocks)
        bits, wrong = (float(np.sum([block[name] for block in blocks])) for name in ("kept_count", "error_count"))
        totals = {
            "key_length": sum(lengths),
            "status": status,
            "sifted_count": bits,
            "qber": wrong / bits if bits > 0.0 else np.nan,
        }
        for name, value in totals.items():
            arrays.setdefault(row.prefix + name, np.full(row.shape, np.nan))[row.place] = value
    if progress is not None:
        progress(len(rows), len(rows))
    variables = {}
    for name, array in arrays.items():
        plain = name.removeprefix(EXPECTED)
        dims: tuple[str, ...] = (schema.POINT,) if name.startswith(EXPECTED) else (schema.POINT, schema.REALISATION)
        dims = (*dims, KEY_BASIS) if plain in PER_BLOCK else dims
        units, text = (PER_BLOCK | SCALARS)[plain]
        told: dict[str, Any] = {"units": units, "long_name": text} if units else {"long_name": text}
        if plain.endswith("status"):
            array = array.astype(np.int8)
            told |= {"flag_values": np.arange(len(STATUS), dtype=np.int8), "flag_meanings": " ".join(STATUS)}
        variables[name] = (dims, array, told)
    return xr.Dataset(variables, {KEY_BASIS: list(chosen.bases)})


def _key(told: Told, chosen: NumericalSettings) -> dict[str, float]:
    """The variables of `PER_BLOCK` of one block."""
    found = dict.fromkeys(PER_BLOCK, np.nan) | {"block_key_length": 0.0}
    if isinstance(told, str):
        return found | {"block_status": float(STATUS.index(told))}
    n = told.kept
    rate = float(np.minimum(error_rate(told.wrong, n), 0.5)) if n > 0.0 else 0.0
    leakage = chosen.error_correction_efficiency * n * float(binary_entropy(rate))
    found |= {"kept_count": n, "error_count": told.wrong, "leakage": leakage}
    found |= {"s0_lower": told.vacuum, "s1_lower": told.single_photons}
    if not told.outcomes_of_one > 0.0:
        return found | {"block_status": float(STATUS.index("no_single_photons_proven"))}
    proven = bound(qubit_pairs.programme(told.effects, told.seen, told.key_basis))
    if proven.status != "good":
        return found | {"block_status": float(STATUS.index(proven.status))}
    entropy, estimate = (
        told.outcomes_of_one * value + told.vacuum for value in (proven.entropy_lower, proven.entropy_estimate)
    )
    if chosen.length == "asymptotic":
        bits, cost = np.floor(entropy - leakage - WIDENING * n), 0.0
    else:
        security, correctness = chosen.block_epsilons
        key = numerical_finite.length(
            entropy,
            n,
            keys=2,
            leakage=leakage,
            security_epsilon=security,
            correctness_epsilon=correctness,
            entropy_bound=chosen.entropy_bound,
        )
        bits, cost = key.key_length, key.entropy_cost + key.verification
    positive = bool(np.isfinite(bits) and bits > 0.0)
    return found | {
        "block_key_length": float(bits) if positive else 0.0,
        "block_entropy": entropy,
        "block_entropy_estimate": estimate,
        "single_photon_entropy": told.outcomes_of_one * proven.entropy_lower / told.single_photons,
        "entropy_cost": cost,
        "block_status": float(STATUS.index("good" if positive else "no_key")),
    }


SCALARS: Final[dict[str, tuple[str, str]]] = {
    "key_length": ("bit", "secret key of all blocks"),
    "status": ("", "why there is no key; 0 where there is one"),
    "sifted_count": ("1", "bits of all blocks, double clicks and clicks of both bases among them"),
    "qber": ("1", "error rate of these bits"),
}
"""Variables over (point, realisation), or (point) with the prefix ``expected_``: unit and long name."""

PER_BLOCK: Final[dict[str, tuple[str, str]]] = {
    "block_key_length": ("bit", "secret key of the block of one basis"),
    "kept_count": ("1", "bits of the block"),
    "error_count": ("1", "bits of the block that are unlike Alice's"),
    "s0_lower": ("1", "bits of the block from vacuum, lower bound"),
    "s1_lower": ("1", "bits of the block from single photons, or from pairs, lower bound"),
    "single_photon_entropy": ("bit", "Eve's ignorance of one of these, proven lower bound"),
    "block_entropy": ("bit", "Eve's ignorance of the block's bits, proven lower bound"),
    "block_entropy_estimate": ("bit", "the same at the solver's state, unproven"),
    "entropy_cost": ("bit", "less for the finite block, hashing and verification"),
    "leakage": ("bit", "disclosed for error correction"),
    "block_status": ("", "why the block gives no key; 0 where it does"),
}
"""Variables with the further dimension ``key_basis``."""


def _ends(counts: Floats, trials: Floats | float, epsilon: float | None) -> qubit_pairs.Interval:
    """Interval of a probability; without an epsilon the frequency itself."""
    if epsilon is None:
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = counts / np.asarray(trials, dtype=np.float64)
        return rate * (1.0 - WIDENING), rate * (1.0 + WIDENING)
    return numerical_finite.clopper_pearson(counts, counts, trials=trials, epsilon=epsilon)


def _epsilon_of_an_end(chosen: NumericalSettings, ends: int) -> float | None:
    if chosen.length == "asymptotic":
        return None
    return numerical_finite.share_of(chosen.block_epsilons[0], "tests", chosen.entropy_bound) / ends


def evidence_of_pulses(
    bits: Floats, trials: float, sent: Sent, *, chosen: NumericalSettings, clicks: float | None = None
) -> list[Told]:
    """What counts of weak coherent pulses say, for each key basis.

    Parameters
    ----------
    bits : ndarray
        Trials of intensity, Alice's basis and bit, Bob's basis and bit [1], (K, 2, 2, 2, 2).
    trials : float
        Pulses sent [1].
    sent : Sent
        Claims of the sender.
    chosen : NumericalSettings
        Epsilons, key basis, statistics.
    clicks : float, optional
        Trials with any click [1].

    Returns
    -------
    list of Evidence or str
        For each key basis; the status where there is none.
    """
    number = len(sent.mean_photon_number)
    fault = _fault(bits, trials, clicks)
    if not (np.isfinite(sent.probability).all() and (sent.probability >= linear_programme.RAREST).all()):
        fault = fault or "impossible_probabilities"
    of_basis = sent.probability.sum(axis=-1)
    if fault is None and np.any(np.abs(sent.probability[..., 0] - sent.probability[..., 1]) > 1e-6 * of_basis):
        fault = "bits_not_uniform"
    if fault is None and abs(sent.probability.sum() - 1.0) > 1e-6:
        fault = "impossible_probabilities"
    mu = sent.mean_photon_number
    if not (
        np.isfinite(mu).all()
        and (mu >= 0.0).all()
        and mu.max() <= linear_programme.BRIGHTEST
        and np.unique(mu).size == number
    ):
        fault = fault or "impossible_probabilities"
    if fault is not None:
        return [fault] * len(chosen.bases)
    cells_used = chosen.statistics == "cells"
    ends = 2 * number * (4 + 4 + (16 if cells_used else 0)) + 1
    epsilon = _epsilon_of_an_end(chosen, ends)

    def gains(counts: Floats, probability: Floats) -> qubit_pairs.Interval:
        low, high = _ends(counts, trials, epsilon)
        return low / probability, high / probability

    any_bit = bits.sum(axis=(2, 4))  # (K, a, b)
    unequal = bits[:, :, 0, :, 1] + bits[:, :, 1, :, 0]
    of_bases = {}
    for a in (0, 1):
        for b in (0, 1):
            total, wrong = gains(any_bit[:, a, b], of_basis[:, a]), gains(unequal[:, a, b], of_basis[:, a])
            of_bases[a, b] = yields.yields_of_bases(*total, *wrong, mean_photon_number=mu)
    if not all(
        np.isfinite([y.lower, y.upper, y.unequal_lower, y.unequal_upper, y.vacuum_lower]).all() for y in of_bases.values()
    ):
        return ["linear_programme_without_solution"] * len(chosen.bases)
    one = mu * np.exp(-mu)  # probability of one photon, given the intensity
    of_one = float((one[:, np.newaxis, np.newaxis] * sent.probability).sum())
    setting = (one[:, np.newaxis, np.newaxis] * sent.probability).sum(axis=0) / of_one  # (a, x), given one photon
    effects = qubit_pairs.sender_effects(sent.states, setting.ravel())
    of_alice = np.einsum("axi,axj->aij", effects.reshape(2, 2, 2), effects.reshape(2, 2, 2))
    alike = bool(np.abs(of_alice - setting.sum(axis=1)[:, np.newaxis, np.newaxis] * np.eye(2)).max() < EVEN)
    low_of_bob, high_of_bob = np.zeros(2), np.zeros(2)
    for b in (0, 1):
        parts = setting.sum(axis=1)
        lows, highs = ([getattr(of_bases[a, b], name) for a in (0, 1)] for name in ("lower", "upper"))
        low_of_bob[b], high_of_bob[b] = parts @ lows, parts @ highs
        if alike:  # then Bob's outcomes of one photon are as likely for both of Alice's bases
            low_of_bob[b], high_of_bob[b] = max(low_of_bob[b], *lows), min(high_of_bob[b], *highs)

    def given_outcome(low: Floats, high: Floats, share: Floats, bob: Any) -> qubit_pairs.Interval:
        """From a yield of one photon to a probability of setting and outcome, given an outcome in Bob's basis."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ends = share * low / high_of_bob[bob], share * high / low_of_bob[bob]
        return np.nan_to_num(ends[0], nan=0.0), np.nan_to_num(ends[1], nan=1.0, posinf=1.0)

    grid = np.array([[[getattr(of_bases[a, b], name) for b in (0, 1)] for a in (0, 1)] for name in YIELDS])
    part = setting.sum(axis=1)[:, np.newaxis]
    both = np.array([0, 1])
    cells = None
    if cells_used:
        low, high = np.zeros((2, 2, 2, 2)), np.zeros((2, 2, 2, 2))
        for place in np.ndindex(2, 2, 2, 2):
            a, x, _, _ = place
            outcome = gains(bits[(slice(None), *place)], sent.probability[:, a, x])
            low[place], high[place] = yields.yield_of_one_photon(*outcome, mu)
        if not (np.isfinite(low).all() and np.isfinite(high).all()):
            return ["linear_programme_without_solution"] * len(chosen.bases)
        cells = given_outcome(low, high, setting[:, :, np.newaxis, np.newaxis], both[:, np.newaxis])
    seen = qubit_pairs.Seen(
        cells=cells,
        unequal=given_outcome(grid[2], grid[3], part, both),
        bases=given_outcome(grid[0], grid[1], part, both),
    )
    used = np.arange(number) if chosen.key_from == "all" else np.array([int(np.argmax(mu))])
    found: list[Told] = []
    for name in chosen.bases:
        z = schema.BASES.index(name)
        kept = float(any_bit[used, z, z].sum())
        most = float(_ends(np.array(kept), trials, epsilon)[1])
        share = kept / most if most > 0.0 else 0.0
        empty = float((of_basis[used, z] * np.exp(-mu[used])).sum()) * of_bases[z, z].vacuum_lower
        of_kept = share * float((of_basis[used, z] * one[used]).sum())  # one photon in the key basis
        outcomes_of_one = of_kept / part[z, 0] * low_of_bob[z]  # the programme's function has that basis as a part
        singles = of_kept * (low_of_bob[z] if alike else of_bases[z, z].lower)
        found.append(
            Evidence(
                key_basis=z,
                effects=effects,
                seen=seen,
                kept=kept,
                wrong=float(unequal[used, z, z].sum()),
                outcomes_of_one=outcomes_of_one if singles > 0.0 else 0.0,
                single_photons=float(singles),
                vacuum=share * empty,
            )
        )
    return found


YIELDS: Final = ("lower", "upper", "unequal_lower", "unequal_upper")
"""Bounds of one photon, in this order."""


def evidence_of_entangled(
    bits: Floats,
    flipped: tuple[bool, bool],
    *,
    chosen: NumericalSettings,
    trials: float = np.inf,
    clicks: float | None = None,
) -> list[Told]:
    """What coincidences say, for each key basis.

    Parameters
    ----------
    bits : ndarray
        Trials of Alice's basis and bit, Bob's basis and bit [1], (2, 2, 2, 2).
    flipped : pair of bool
        Whether equal bits are errors, for Z and X.
    chosen : NumericalSettings
        Epsilons, key basis, statistics.
    trials : float, optional
        Windows or pulses [1].
    clicks : float, optional
        Trials with a click of either party [1].

    Returns
    -------
    list of Evidence or str
        For each key basis; the status where there is none.
    """
    fault = _fault(bits, trials, clicks)
    if fault is not None:
        return [fault] * len(chosen.bases)
    cells_used = chosen.statistics == "cells"
    epsilon = _epsilon_of_an_end(chosen, 2 * (4 + (16 if cells_used else 0)))
    total = bits.sum(axis=(1, 3))  # (a, b)
    unequal = bits[:, 0, :, 1] + bits[:, 1, :, 0]
    if not (total >= 1.0).all():
        return ["no_key"] * len(chosen.bases)

    def given_bases(counts: Floats, of: Floats) -> qubit_pairs.Interval:
        """Half of a probability given both bases: Alice's basis is drawn as well in the programme."""
        if epsilon is None:
            ends = _ends(counts, of, None)
        else:  # half a double click is no count: the side that is safe
            ends = _ends(counts, np.ceil(of), epsilon)[0], _ends(np.minimum(counts, np.floor(of)), np.floor(of), epsilon)[1]
        return 0.5 * ends[0], 0.5 * ends[1]

    seen = qubit_pairs.Seen(
        cells=given_bases(bits, total[:, np.newaxis, :, np.newaxis] + np.zeros_like(bits)) if cells_used else None,
        unequal=given_bases(unequal, total),
        bases=(np.full((2, 2), 0.5), np.full((2, 2), 0.5)),
    )
    effects = qubit_pairs.sender_effects(qubit_pairs.vectors(np.array(qubit_pairs.IDEAL_ANGLES)), np.full(4, 0.25))
    found: list[Told] = []
    for name in chosen.bases:
        z = schema.BASES.index(name)
        kept = float(total[z, z])
        found.append(
            Evidence(
                key_basis=z,
                effects=effects,
                seen=seen,
                kept=kept,
                wrong=float(kept - unequal[z, z] if flipped[z] else unequal[z, z]),
                outcomes_of_one=2.0 * kept,  # the programme's function counts half of the pairs
                single_photons=kept,
                vacuum=0.0,
            )
        )
    return found


def _fault(bits: Floats, trials: float, clicks: float | None) -> str | None:
    """Status of numbers that are no counts; None where all are possible."""
    if not np.isfinite(bits).all() or np.isnan(trials):
        return "input_not_finite"
    if (bits < 0.0).any():
        return "impossible_counts"
    if max(float(bits.sum()), clicks or 0.0) > trials * (1.0 + 1e-9):
        return "more_clicks_than_trials"
    return None


def _kinds(dataset: xr.Dataset, chosen: NumericalSettings) -> Iterator[tuple[str, str]]:
    """Variables of counts to work on, with the prefix of their results."""
    expected = next((name for name in ("expected_total_counts", "expected_counts") if name in dataset), None)
    if expected is not None and chosen.counts != "sampled":
        yield expected, EXPECTED
        if chosen.length == "asymptotic" and chosen.counts == "all":
            return  # frequencies of samples, taken as exact, contradict one another
    if "counts" in dataset and chosen.counts != "expected":
        yield "counts", ""


def _pulses(dataset: xr.Dataset, chosen: NumericalSettings) -> list[Row]:
    """Rows of a file of decoy-state BB84."""
    _check_receivers(dataset, chosen, _across(dataset, (schema.BOB_OUTCOME,)))
    sender = sender_of(dataset, AnalysisSettings(proof="linear-programme"))
    claims = dataset["setting_probability"]
    if schema.POINT not in claims.dims:
        claims = claims.expand_dims(schema.POINT)
    places = [_order(sifting.labels_of(claims, dim), own) for dim, own in _SETTINGS]
    joint = np.asarray(claims.transpose(schema.POINT, *schema.SETTINGS_BB84).values, dtype=np.float64)
    joint = joint[:, :, places[0]][..., places[1]]
    states = _signal_states(dataset, chosen, len(joint))
    rows = []
    for name, prefix in _kinds(dataset, chosen):
        variable = dataset[name]
        dims = (schema.POINT, schema.REALISATION) if not prefix else (schema.POINT,)
        known = sifting.batch_dimensions(variable)
        if extra := [dim for dim in known if dim not in dims]:
            raise UserError(f"{name}: dimension '{extra[0]}' does not belong here (allowed: {', '.join(dims)})")
        outcomes = sifting.labels_of(variable, schema.BOB_OUTCOME)
        sifting.check_labels(schema.BOB_OUTCOME, outcomes, schema.OUTCOMES_BB84, optional=sifting.OPTIONAL_OUTCOMES)
        order = [_order(sifting.labels_of(variable, dim), own) for dim, own in _SETTINGS]
        cells = sifting.total_cells(variable, whole=not prefix)
        cells = np.expand_dims(cells, tuple(i for i, dim in enumerate(dims) if dim not in known))
        cells = cells[..., order[0], :, :][..., order[1], :]
        into = INTO_BITS[[schema.OUTCOMES_BB84.index(outcome) for outcome in outcomes]]
        clicked = np.array([outcome != schema.NO_CLICK for outcome in outcomes])
        shape = cells.shape[: len(dims)]
        trials = np.broadcast_to(_trials(dataset, cells, outcomes, shape[0]), shape[:1])
        for place in np.ndindex(shape):
            sent = Sent(
                mean_photon_number=sender.mean_photon_number[place[0]],
                probability=joint[place[0]],
                states=states[place[0]],
            )

            here = cells[place]
            bits = np.where(np.isnan(here.sum()), np.nan, (here @ into).reshape(*here.shape[:-1], 2, 2))
            blocks = partial(
                evidence_of_pulses,
                bits,
                float(trials[place[0]]),
                sent,
                chosen=chosen,
                clicks=float(here[..., clicked].sum()),
            )
            rows.append(Row(prefix=prefix, place=place, shape=shape, blocks=blocks))
    return rows


_SETTINGS: Final = ((schema.ALICE_BASIS, schema.BASES), (schema.ALICE_BIT, schema.BITS))


def _order(labels: list[str], own: tuple[str, ...]) -> list[int]:
    """Place of each own label in the file."""
    sifting.check_labels("setting", labels, own)
    return [labels.index(label) for label in own]


def _trials(dataset: xr.Dataset, cells: Floats, outcomes: list[str], points: int) -> Floats:
    """Pulses of each point."""
    if "trials" in dataset:
        trials = dataset["trials"]
        trials = trials.sum(schema.TIME, skipna=False) if schema.TIME in trials.dims else trials
        return np.broadcast_to(np.asarray(trials.values, dtype=np.float64), (points,))
    if schema.NO_CLICK in outcomes:
        whole = cells.reshape(points, -1, *cells.shape[-4:])[:, 0]
        return np.asarray(whole.sum(axis=(-4, -3, -2, -1)))
    raise UserError("variable 'trials' is missing, and the outcome 'none': yields need the number of pulses sent")


def _entangled(dataset: xr.Dataset, chosen: NumericalSettings) -> list[Row]:
    """Rows of a file of BBM92."""
    _check_receivers(dataset, chosen, _across(dataset, (schema.ALICE_OUTCOME, schema.BOB_OUTCOME)))
    flipped = bbm92.flipped_bases(dataset, bbm92.BBM92Settings(flipped_bases=chosen.flipped_bases))
    rows = []
    for name, prefix in _kinds(dataset, chosen):
        dims = (schema.POINT, schema.REALISATION) if not prefix else (schema.POINT,)
        found, _ = pairs.read_pairs(dataset, name, outcomes=bbm92.OUTCOMES, dims=dims, optional=sifting.OPTIONAL_OUTCOMES)
        shape = found.trials.shape
        clicks = pairs.clicks_of_either(found, bbm92.OUTCOMES)
        for place in np.ndindex(shape):
            cells = found.cells[place]
            bits = np.where(np.isnan(cells.sum()), np.nan, INTO_BITS.T @ cells @ INTO_BITS).reshape(2, 2, 2, 2)
            blocks = partial(
                evidence_of_entangled,
                bits,
                flipped,
                chosen=chosen,
                trials=float(found.trials[place]),
                clicks=float(clicks[place]),
            )
            rows.append(Row(prefix=prefix, place=place, shape=shape, blocks=blocks))
    return rows


def _across(dataset: xr.Dataset, dims: tuple[str, ...]) -> bool:
    """Whether any count of the file is a click of both bases."""
    for name in ("counts", "expected_total_counts", "expected_counts"):
        if name in dataset:
            variable = dataset[name]
            for dim in dims:
                labels = sifting.labels_of(variable, dim) if dim in variable.dims and dim in variable.coords else []
                if "across" in labels:
                    here = variable.isel({dim: labels.index("across")})
                    if schema.POINT in here.dims:
                        if any(bool((here.isel({schema.POINT: i}) > 0).any()) for i in range(int(here.sizes[schema.POINT]))):
                            return True
                    elif bool((here > 0).any()):
                        return True
    return False


def _tables(tree: Any, key: str) -> Iterator[Mapping[str, Any]]:
    """Tables anywhere in a tree that have a key."""
    if isinstance(tree, Mapping):
        if key in tree:
            yield tree
        for name, value in tree.items():
            if name != "origin":
                yield from _tables(value, key)
    elif isinstance(tree, list):
        for value in tree:
            yield from _tables(value, key)


def _check_receivers(dataset: xr.Dataset, chosen: NumericalSettings, across: bool) -> None:
    """Refuse receivers that have no qubit in their place."""
    told = list(_tables(resolved_run(dataset), "basis_choice"))
    choices = {str(table["basis_choice"]) for table in told} if chosen.receiver == "file" else {chosen.receiver}
    if not choices:
        raise UserError(
            "keyrate.receiver = 'file': the file does not say how the receiver chooses its basis; give receiver=active or "
            "receiver=passive"
        )
    if choices == {"active"} and across:
        raise UserError("the file has clicks of both bases, which a receiver of active basis choice cannot have")
    for table in told:
        z = table.get("basis_probability_z", 0.5)
        if table["basis_choice"] == "passive" and abs(float(z) - 0.5) > EVEN:
            raise UserError(
                f"receiver.basis_probability_z = {z}: a beam splitter of uneven parts has no qubit in its place; the "
                "numerical key rate takes 0.5, or active choice"
            )
        offsets = table.get("analyser_offset_deg", [0.0])
        if max(offsets) - min(offsets) > EVEN:
            raise UserError(f"receiver.analyser_offset_deg = {offsets}: bases at another angle than 45 deg are no qubit's")
    for table in _tables(resolved_run(dataset), "dark_rate_hz"):
        given = table.get("efficiency")
        values = given if isinstance(given, list) else [given]
        if len(set(values)) > 1:
            raise UserError(
                f"receiver.detector.efficiency = {given}: detectors of unequal efficiency have no qubit in their place; see "
                "the kind efficiency-mismatch of a protocol's file"
            )


def _sources(dataset: xr.Dataset) -> Iterator[Mapping[str, Any]]:
    """Tables of the file's run that describe a source of pulses."""
    return (table for table in _tables(resolved_run(dataset), "mean_photon_numbers") if "kind" in table)


def _signal_states(dataset: xr.Dataset, chosen: NumericalSettings, points: int) -> Floats:
    """Alice's states of one photon at each point, (point, 4, 2)."""
    sources = list(_sources(dataset))
    for source in sources:
        if source.get("phase", "random") != "random":
            raise UserError(f"source.phase = '{source['phase']}': yields of photon numbers need a random phase")
        if source.get("extinction_ratio_db") is not None and chosen.signal_states == "file":
            raise UserError(
                "source.extinction_ratio_db: states off the plane of linear polarization are not built; signal_states=ideal "
                "leaves them outside of the proof"
            )
    offsets = [tuple(float(o) for o in source.get("preparation_offset_deg", (0.0,) * 4)) for source in sources]
    if chosen.signal_states == "ideal" or not offsets:
        offsets = [(0.0,) * 4]
    if len(set(offsets)) > 1 and len(offsets) != points:
        raise UserError("source.preparation_offset_deg: differs between the file's runs; give signal_states=ideal")
    angles = np.array(qubit_pairs.IDEAL_ANGLES) + np.deg2rad(np.array(offsets if len(set(offsets)) > 1 else offsets[:1]))
    return np.broadcast_to(qubit_pairs.vectors(angles), (points, 4, 2))


def proof_of(protocol: str, chosen: NumericalSettings, *, states_known: bool = False) -> Proof:
    """The registry's kind of record for this key rate; with Alice's states known, their faults are inside.

    Examples
    --------
    >>> proof_of("bbm92", NumericalSettings()).claim.partition(":")[0]
    'finite key, collective attacks, fixed length'
    """
    pulses = protocol == schema.PROTOCOL_DECOY_BB84
    like = PROOFS["linear-programme" if pulses else "tomamichel2012"]
    covered = ("basis_dependent_preparation",) if pulses and states_known else ()
    finite = chosen.length == "finite"
    replaced = ("alike_bases",) if states_known else ()
    assumed = [name for name in (OF_PULSES if pulses else OF_PAIRS) if name not in ("qubit_of_one_party", *replaced)]
    assumed += ["alike_detectors", "even_beam_splitter", "identical_trials"]
    assumed += ["known_states"] if pulses and states_known else []
    assumed += ["acceptance_met"] if finite else []
    names = {"tests": "tail_bounds", "smoothing": "smoothing_sampling", "hashing": "hashing"}
    parts = {names[part]: 1 for part in numerical_finite.SHARES[chosen.entropy_bound]} if finite else {}
    return Proof(
        name=NAME,
        protocol=protocol,
        attack="collective" if finite else "asymptotic",
        length="fixed" if finite else "none",
        source="conic programme with certified dual"
        + (f"; block: {numerical_finite.SOURCES[chosen.entropy_bound]}" if finite else "")
        + ("; yields by linear programme with certified dual" if pulses else ""),
        intensities=(2, None) if pulses else None,
        shares=lambda key_from, intensities: parts,
        assumptions=tuple(assumed),
        outside=tuple(effect for effect in like.outside if effect not in covered),
    )


def _claimed(result: xr.Dataset, dataset: xr.Dataset, chosen: NumericalSettings, protocol: str) -> xr.Dataset:
    """The result with its claim, epsilons and proof profile."""
    known = chosen.signal_states == "file" and any(True for _ in _sources(dataset))
    proof = proof_of(protocol, chosen, states_known=known)
    result.attrs |= {
        "title": str(dataset.attrs.get("title", "")),
        "protocol": protocol,
        "statistics_identity": str(dataset.attrs.get("identity", "")),
        "proof": proof.name,
        "security_claim": proof.claim,
        "settings": json.dumps(chosen.model_dump(exclude={"title", "model", "origin"}), sort_keys=True),
    }
    notes = []
    if proof.is_finite:
        security, correctness = chosen.block_epsilons
        result.attrs |= {
            "security_epsilon_of_key": security * len(chosen.bases),
            "correctness_epsilon_of_key": correctness * len(chosen.bases),
        }
        notes.append("collective attacks: every trial the same state, independent of the others; no claim against others")
    result = add_profile(result, dataset, chosen, proof=proof)
    base, _ = own_settings(dataset)
    unused = [name for name in ("block", "selection", "parts") if getattr(base, name, None) not in (None, "pass")]
    if unused:
        notes.append(f"of the file's [analysis], not used here: {', '.join(unused)}; all counts of a point are one block")
    effects = profile(result).named(OUTSIDE)
    if effects:
        notes.append(f"in the counts, but outside the proof: {', '.join(effects)}")
    result.attrs["unproven_effects"] = "; ".join(effects)
    result.attrs["notes"] = "\n".join(notes)
    return result


def _with_labels(result: xr.Dataset, dataset: xr.Dataset) -> xr.Dataset:
    for name, coord in dataset.coords.items():
        if coord.dims in ((schema.POINT,), (schema.REALISATION,)) and coord.dims[0] in result.dims:
            result = result.assign_coords({str(name): coord})
    return result


def rows(result: xr.Dataset) -> list[dict[str, Any]]:
    """A row for each point of a result: from its expected counts, and the mean over its samples.

    Parameters
    ----------
    result : xarray.Dataset
        What :func:`keyrate_of_statistics` returns.

    Returns
    -------
    list of dict
        Column -> value; counts and key as numbers, error rates in per cent.
    """
    return bbm92.rows_of_points(result, _columns)


def _columns(point: xr.Dataset, prefix: str) -> dict[str, Any]:
    def mean(name: str) -> float:
        return float(np.mean(point[f"{prefix}{name}"].values))

    def total(name: str) -> float:
        values = point[f"{prefix}{name}"]
        return float(values.sum(KEY_BASIS).mean())

    return {
        "key [bit]": mean("key_length"),
        "sifted": mean("sifted_count"),
        "QBER %": 100.0 * mean("qber"),
        "single photons, lower bound": total("s1_lower"),
        "entropy of one [bit]": mean("single_photon_entropy"),
        "entropy of all [bit]": total("block_entropy"),
        "cost of the block [bit]": total("entropy_cost"),
        "leakage [bit]": total("leakage"),
    }


COMPARED: Final = ("key [bit]", "sifted", "QBER %", "single photons, lower bound", "status")
"""Columns that the table of several proofs has, where a proof has them."""


def rows_against(dataset: xr.Dataset, result: xr.Dataset, proofs: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of a numerical key rate and of proofs in closed form on the same statistics, at the same epsilons.

    Parameters
    ----------
    dataset : xarray.Dataset
        Detection statistics.
    result : xarray.Dataset
        What :func:`keyrate_of_statistics` returned for them.
    proofs : sequence of str
        Names of proofs of the file's protocol, as for :func:`qphys.keyrates.analyze`.

    Returns
    -------
    list of dict
        For each point and kind of counts a row a proof, the numerical one first.
    """
    used = json.loads(str(result.attrs["settings"]))
    base, _ = own_settings(dataset)
    same = {name: used[name] for name in COMMON if hasattr(base, name)}
    own = [row | {"proof": NAME} for row in rows(result)]
    closed = {proof: [row | {"proof": proof} for row in rows_of(analyze(dataset, **same, proof=proof))] for proof in proofs}
    found = []
    for row in own:
        labels = {name: value for name, value in row.items() if name in result.coords or name == "point"}
        alike = [
            other
            for several in closed.values()
            for other in several
            if all(other.get(name) == value for name, value in (labels | {"counts": row["counts"]}).items())
        ]
        for one in (row, *alike):
            told = {name: one[name] for name in COMPARED if name in one}
            found.append(labels | {"counts": row["counts"], "proof": one["proof"]} | told)
    return found
