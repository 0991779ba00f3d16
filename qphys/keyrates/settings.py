"""What a paper leaves open when counts become a key: named settings, each stored with the result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from qphys.record import Record, parse


class AnalysisSettings(Record):
    """Table ``[analysis]`` of a run, and options of ``qphys analyze``.

    Examples
    --------
    >>> settings = AnalysisSettings(key_from="signal", error_correction_efficiency=1.22)
    >>> settings.proof, settings.key_basis
    ('lim2014', 'both')
    """

    proof: Literal["lim2014", "ma2005"] = "lim2014"
    """``lim2014``: finite key, Lim et al. 2014; ``ma2005``: asymptotic, Ma et al. 2005, no finite-size terms at all."""
    security_epsilon: float = Field(default=1e-9, gt=0.0, lt=1.0)
    """Secrecy failure probability of the key (see `epsilon_split`)."""
    correctness_epsilon: float = Field(default=1e-15, gt=0.0, lt=1.0)
    """Probability that the two keys differ, of the key (see `epsilon_split`)."""
    epsilon_split: Literal["key", "block"] = "key"
    """``key``: both epsilons are those of the whole key, its blocks get equal parts; ``block``: each block has them in
    full, the whole key their sum."""
    error_correction_efficiency: float = Field(default=1.16, ge=1.0)
    """Disclosed bits over the Shannon limit, f_EC."""
    tail_bound: Literal["hoeffding", "chernoff"] = "hoeffding"
    """How counts bound their expectations: Hoeffding (additive) or multiplicative Chernoff."""
    sampling_bound: Literal["lim2014", "exact", "exact_smoothing"] = "lim2014"
    """From errors of the test sample to phase errors: gamma of Lim et al. 2014 where the exact hypergeometric tail
    certifies it, else that tail; always the exact tail; the exact tail at the squared failure probability."""
    key_from: Literal["signal", "all"] = "all"
    """Intensities whose sifted bits become key: the brightest only, or all that the decoy bounds use."""
    key_basis: Literal["Z", "X", "both"] = "both"
    """Basis whose bits become key; the other tests. ``both``: two blocks, each tested by the other basis."""
    double_clicks: Literal["random", "discard"] = "random"
    """Both detectors of a basis: a random bit, so half of them are errors, or dropped. Dropping breaks the squashing
    argument: a study, whose key is 0 with a status."""
    across_clicks: Literal["discard"] = "discard"
    """Detectors of both bases: dropped."""
    block: Literal["pass", "all"] = "pass"
    """One block of counts a point (pass), or one of all points with equal block identity."""
    intensities: tuple[str, ...] = ()
    """Labels of the intensities to use where a file has more than the proof takes; the others' clicks are dropped. Empty:
    all."""


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
