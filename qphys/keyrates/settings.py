"""What a paper leaves open when counts become a key: named settings, each stored with the result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from qphys.keyrates.selection import Parts, Selection
from qphys.record import Record, parse


class AnalysisSettings(Record):
    """Table ``[analysis]`` of a run, and options of ``qphys analyze``.

    Examples
    --------
    >>> settings = AnalysisSettings(key_from="signal", error_correction_efficiency=1.22)
    >>> settings.proof, settings.key_basis
    ('auto', 'both')
    """

    proof: Literal[
        "auto", "lim2014", "rusca2018", "wiesemann2026", "linear-programme", "variable-length", "tupkary2025", "ma2005"
    ] = "auto"
    """Finite key with two decoys: ``lim2014``, Lim et al. 2014. With one decoy: ``wiesemann2026``, Wiesemann et al. 2026,
    the corrected proof, and ``rusca2018``, Rusca et al. 2018. With any number of intensities from two on:
    ``linear-programme``, the key of Lim et al. 2014 with decoy bounds by linear programme. A length that follows the counts,
    no acceptance test: ``variable-length`` with one or two decoys, ``tupkary2025`` with two, Tupkary et al. 2025 as
    published. ``ma2005``: asymptotic, two decoys, Ma et al. 2005, no finite-size terms at all.
    ``auto``: ``lim2014`` where there are three intensities, ``wiesemann2026`` where two."""
    security_epsilon: float = Field(default=1e-9, gt=0.0, lt=1.0)
    """Secrecy failure probability of the key (see `epsilon_split`)."""
    correctness_epsilon: float = Field(default=1e-15, gt=0.0, lt=1.0)
    """Probability that the two keys differ, of the key (see `epsilon_split`)."""
    epsilon_split: Literal["key", "block"] = "key"
    """``key``: both epsilons are those of the whole key, its blocks get equal parts; ``block``: each block has them in
    full, the whole key their sum."""
    error_correction_efficiency: float = Field(default=1.16, ge=1.0)
    """Disclosed bits over the Shannon limit, f_EC."""
    tail_bound: Literal["hoeffding", "chernoff", "yin2020", "zhang2017", "zhang2017_simplified", "binomial", "kato2020"] = (
        "hoeffding"
    )
    """How counts bound their expectations: Hoeffding (additive), multiplicative Chernoff inverted, the same as Yin et al.
    2020 print it, the exact Chernoff equation of Zhang et al. 2017 and their simplified form, tails of the binomial
    distribution (tightest), Kato's inequality for trials that depend on the past (needs `kato_prediction`)."""
    kato_prediction: Literal["linear"] | tuple[float, ...] | None = None
    """What ``kato2020`` takes as each intensity's share of counts and errors, to be fixed before the run. ``linear``: in
    proportion to probability times mean photon number. Numbers: shares of the intensities from the brightest on, those of
    counts (for errors as well) or those of counts and then those of errors. Nothing: ``kato2020`` is refused."""
    sampling_bound: Literal["own", "lim2014", "exact", "exact_smoothing", "serfling", "yin2020"] = "own"
    """From errors of the test sample to phase errors. ``own``: the proof's, that is gamma of Lim et al. 2014 where the
    exact hypergeometric tail certifies it, else that tail (``lim2014``, which is also an older name of this choice, and
    ``rusca2018``), the tail (``linear-programme``; ``variable-length`` with two decoys, squared) or Serfling's inequality
    (``wiesemann2026``, ``tupkary2025``, ``variable-length`` with one decoy); always the exact tail; the exact tail at the
    squared failure probability; Serfling's inequality; gamma of Yin et al. 2020 where the exact tail certifies it, else that
    tail."""
    key_from: Literal["signal", "all"] = "all"
    """Intensities whose sifted bits become key: the brightest only, or all that the decoy bounds use."""
    key_basis: Literal["Z", "X", "both"] = "both"
    """Basis whose bits become key; the other tests. ``both``: two blocks, each tested by the other basis."""
    detector_ratio: float = Field(default=1.0, gt=0.0, le=1.0)
    """Smallest over largest, of the efficiency and of the dark-count probability, of any two of the receiver's detectors,
    whatever arrives and when. 1: like detectors. Below 1 for the proof ``variable-length`` and an active choice of basis."""
    fixed_length: int = Field(default=0, ge=0)
    """Length of the key chosen before the run [bit]: made in full where the counts prove it, else nothing. 0: not fixed, the
    length is read off the counts. For one key basis."""
    double_clicks: Literal["random", "discard"] = "random"
    """Both detectors of a basis: a random bit, so half of them are errors, or dropped. Dropping breaks the squashing
    argument: a study, whose key is 0 with a status."""
    across_clicks: Literal["discard"] = "discard"
    """Detectors of both bases: dropped."""
    block: Literal["pass", "all"] = "pass"
    """One block of counts a point (pass), or one of all points with equal block identity."""
    selection: Selection | None = None
    """Which trials may become key, by a rule that looks at no setting and no bit; None: all."""
    parts: Parts | None = None
    """Edges that cut each pass into blocks of their own, whose keys are added; None: one block."""
    intensities: tuple[str, ...] = ()
    """Labels of the intensities to use where a file has more than the proof takes; the others' clicks are dropped. Empty:
    all, or the brightest two for a one-decoy proof named by `proof`."""


def settings_from(
    settings: AnalysisSettings | Mapping[str, Any] | None = None, *, where: str = "analysis", **overrides: Any
) -> AnalysisSettings:
    """Checked settings from a record, a parsed TOML table or nothing, with single values replaced.

    Parameters
    ----------
    settings : AnalysisSettings or mapping, optional
        Nothing: the defaults.
    where : str, optional
        File and key path for messages.
    **overrides
        Values that replace those of `settings`; None means not given.

    Returns
    -------
    AnalysisSettings
        The checked, frozen record.

    Raises
    ------
    UserError
        Unknown key or value that is not allowed, one line each.

    Examples
    --------
    >>> settings_from({"key_basis": "Z"}, key_from="signal").key_from
    'signal'
    """
    table = settings.model_dump() if isinstance(settings, AnalysisSettings) else dict(settings or {})
    return parse(AnalysisSettings, table | {k: v for k, v in overrides.items() if v is not None}, where)
