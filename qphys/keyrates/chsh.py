"""CHSH: coincidences at four pairs of settings to S, its uncertainty, and the P value of local realism.

Nothing here is a key. Only coincidences count, so that every statement rests on fair sampling: those found are taken to be
a fair part of all pairs. Double clicks are dropped, which is a part of that assumption.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from qphys import core
from qphys.errors import UserError, nearest
from qphys.keyrates import pairs as two
from qphys.keyrates import proofs
from qphys.keyrates.bbm92 import EXPECTED, rows_of_points
from qphys.keyrates.decoy_bb84 import OWN_STATUS, status_attributes
from qphys.keyrates.pairs import Pairs
from qphys.keyrates.sifting import error_rate
from qphys.record import Record
from qphys.statistics import schema

if TYPE_CHECKING:
    import xarray as xr

Floats = NDArray[np.float64]

PROTOCOL: Final = proofs.CHSH
PROOF: Final = "fair_sampling"
DOUBLE: Final = "double"
OUTCOMES: Final = (
    (two.NONE, "a0+", "a0-", "a1+", "a1-", DOUBLE),
    (two.NONE, "b0+", "b0-", "b1+", "b1-", DOUBLE),
)
"""Setting and result of Alice and of Bob; ``double``: more than one detector."""
OPTIONAL: Final = (two.NONE, DOUBLE)

SETTINGS: Final = "settings"
"""Dimension of correlations: pair of settings."""
SETTING_PAIRS: Final = ("a0b0", "a0b1", "a1b0", "a1b1")
SIGNS: Final = ("+++-", "++-+", "+-++", "-+++", "---+", "--+-", "-+--", "+---")
CHSH_SIGNS: Final = "chsh_signs"
"""Attribute of a file: signs of the four correlations in S, such as "+++-"."""

ASSUMPTIONS: Final = (
    "fair sampling: coincidences are a fair part of all pairs, double clicks dropped; "
    "game: settings drawn at random for each trial; Gaussian interval and Hoeffding bound: independent trials"
)


class CHSHSettings(Record):
    """Table ``[analysis]`` of a run of CHSH, and options of ``qphys analyze``.

    Examples
    --------
    >>> CHSHSettings(signs="+++-").confidence
    0.95
    """

    signs: Literal["file", "+++-", "++-+", "+-++", "-+++", "---+", "--+-", "-+--", "+---"] = "file"
    """Signs of the correlations a0b0, a0b1, a1b0, a1b1 in S, fixed before the run. ``file``: as its attribute says, else
    ``+++-``."""
    confidence: float = Field(default=0.95, gt=0.0, lt=1.0)
    """Of the two-sided Gaussian interval and of the one-sided Hoeffding bound."""
    setting_probabilities: tuple[float, float, float, float] = (0.25, 0.25, 0.25, 0.25)
    """Probability of each pair of settings in a trial; a rare pair weakens the game's P value."""
    block: Literal["pass", "all"] = "pass"
    """One block of counts a point (pass), or one of all points with equal block identity."""


SCALARS: Final[dict[str, tuple[str, str]]] = {
    "chsh": ("1", "CHSH value S"),
    "chsh_standard_error": ("1", "standard error of S"),
    "chsh_gaussian_lower": ("1", "lower end of the two-sided Gaussian interval of S"),
    "chsh_gaussian_upper": ("1", "upper end of the two-sided Gaussian interval of S"),
    "chsh_hoeffding_lower": ("1", "one-sided lower bound of S by Hoeffding's inequality"),
    "game_log10_p_value": ("1", "log10 of the P value of local realism, CHSH game with random settings, upper bound"),
    "hoeffding_log10_p_value": ("1", "log10 of the P value of S at most 2, independent trials, upper bound"),
    "di_information_estimate": ("bit", "device-independent information a bit, asymptotic, from S; claims nothing"),
    "status": ("", "why there is no S; 0 where there is one"),
    "sifted_count": ("1", "coincidences at the four pairs of settings"),
    **two.FIGURES,
    "double_click_count": ("1", "coincidences with a double click on either side, dropped"),
}
"""Variables over (point, realisation), or (point) with the prefix ``expected_``: unit and long name."""

PER_SETTINGS: Final[dict[str, tuple[str, str]]] = {
    "correlation": ("1", "correlation of the results"),
    "equal_count": ("1", "coincidences with equal results"),
    "unequal_count": ("1", "coincidences with unequal results"),
}
"""Variables with the further dimension ``settings``."""

_Variables = dict[str, tuple[tuple[str, ...], NDArray[Any], dict[str, Any]]]


def results_by_settings(cells: Floats) -> tuple[Floats, Floats]:
    """Coincidences with equal and with unequal results for each pair of settings.

    Parameters
    ----------
    cells : ndarray
        Trials with each pair of outcomes [1], (..., 6, 6) in the order of `OUTCOMES`.

    Returns
    -------
    equal, unequal : ndarray
        Counts [1], (..., 4) in the order of `SETTING_PAIRS`.

    Examples
    --------
    >>> cells = np.zeros((6, 6))
    >>> cells[1, 3], cells[2, 4], cells[1, 4], cells[5, 3] = 5, 4, 2, 1  # a0+b1+, a0-b1-, a0+b1-, double with b1+
    >>> [counts.tolist() for counts in results_by_settings(cells)]
    [[0.0, 9.0, 0.0, 0.0], [0.0, 2.0, 0.0, 0.0]]
    """
    equal, unequal = [], []
    for name in SETTING_PAIRS:
        a, b = (
            [own.index(f"{setting}{sign}") for sign in "+-"]
            for own, setting in zip(OUTCOMES, (name[:2], name[2:]), strict=True)
        )
        equal.append(cells[..., a[0], b[0]] + cells[..., a[1], b[1]])
        unequal.append(cells[..., a[0], b[1]] + cells[..., a[1], b[0]])
    return np.stack(equal, axis=-1), np.stack(unequal, axis=-1)


def analyze_chsh(dataset: xr.Dataset, settings: CHSHSettings) -> xr.Dataset:
    """Find S of a file of pairs of outcomes, for every point and realisation.

    Parameters
    ----------
    dataset : xarray.Dataset
        Counts over (point, realisation, time, alice_outcome, bob_outcome), expected counts without realisation; all but
        the outcomes may be absent. Outcomes as in `OUTCOMES`. May be lazy: counts are read in blocks.
    settings : CHSHSettings
        Signs, confidence, probabilities of the settings.

    Returns
    -------
    xarray.Dataset
        The variables of `SCALARS` and `PER_SETTINGS`: over (point, realisation) from ``counts``, and over (point) with the
        prefix ``expected_`` from expected counts, as if they had been counted. Accidentals are counted, not subtracted.

    Raises
    ------
    UserError
        The file lacks what the analysis needs, or the settings' probabilities do not sum to 1.
    """
    import xarray as xr

    if min(settings.setting_probabilities) <= 0 or abs(sum(settings.setting_probabilities) - 1) > 1e-9:
        raise UserError(f"analysis.setting_probabilities = {list(settings.setting_probabilities)}: above 0, sum 1")
    two.check_counts(dataset)
    groups, facts = two.blocks_of_points(dataset, two.points_of(dataset), settings.block)
    signs = signs_of(dataset, settings)
    variables: _Variables = dict(facts)
    sources = []
    for name, prefix, dims in (("counts", "", two.BATCH), (two.expected_name(dataset), EXPECTED, (schema.POINT,))):
        if name is None or name not in dataset:
            continue
        pairs, source = two.read_pairs(dataset, name, outcomes=OUTCOMES, dims=dims, optional=OPTIONAL)
        sources.append(source)
        told = _results(pairs.pooled(groups), dims, signs, settings)
        variables |= {prefix + key: value for key, value in told.items()}
    coords = {SETTINGS: list(SETTING_PAIRS)}
    result = xr.Dataset({name: (dims, value, told) for name, (dims, value, told) in variables.items()}, coords)
    kept = {(schema.REALISATION,)} | ({(schema.POINT,)} if settings.block == "pass" else set())
    for label, coord in dataset.coords.items():
        if coord.dims in kept and coord.dims[0] in result.dims:
            result = result.assign_coords({str(label): coord})
    result.attrs |= {"proof": PROOF, "security_claim": proofs.PROOFS[PROOF].claim}
    result.attrs["assumptions"] = ASSUMPTIONS
    result.attrs[CHSH_SIGNS] = signs
    result.attrs[two.ACCIDENTALS_FROM] = ", ".join(dict.fromkeys(sources))
    labels = two.labels_of_file(dataset, OUTCOMES)
    if any(DOUBLE not in own for own in labels.values()):
        result.attrs["absent_outcomes"] = DOUBLE
    return result


def signs_of(dataset: xr.Dataset, settings: CHSHSettings) -> str:
    """Signs of the correlations in S, by the settings or by the file.

    Raises
    ------
    UserError
        The file's attribute holds no four signs with an odd number of minus.
    """
    if settings.signs != "file":
        return settings.signs
    signs = str(dataset.attrs.get(CHSH_SIGNS, SIGNS[0]))
    if signs not in SIGNS:
        raise UserError(f"attribute '{CHSH_SIGNS}' = '{signs}'{nearest(signs, SIGNS)} (allowed: {', '.join(SIGNS)})")
    return signs


def _results(pairs: Pairs, dims: tuple[str, ...], signs: str, settings: CHSHSettings) -> _Variables:
    """S, its uncertainty and the totals of pairs whose leading dimensions are `dims`."""
    bad = np.isnan(pairs.cells.sum(axis=(-2, -1)))[..., np.newaxis]
    equal, unequal = (np.where(bad, np.nan, a) for a in results_by_settings(pairs.cells))
    told = core.chsh(
        equal,
        unequal,
        signs=[1.0 if sign == "+" else -1.0 for sign in signs],
        setting_probabilities=settings.setting_probabilities,
        confidence=settings.confidence,
    )
    clicks = two.clicks_of_either(pairs, OUTCOMES)
    impossible = ((clicks > pairs.trials * (1 + 1e-9)) | np.isnan(pairs.trials)) & ~bad[..., 0]
    status = np.where(impossible, OWN_STATUS["more_clicks_than_trials"], told.status).astype(np.int8)

    def refuse(value: Floats, instead: float) -> Floats:
        return np.where(status == 0, value, instead)

    value = refuse(told.chsh, np.nan)
    information = core.chsh_di_rate_estimate(value, 0.0).information
    place = OUTCOMES[0].index(DOUBLE)
    both = pairs.cells[..., 1:, 1:]  # all but none
    double = both[..., place - 1, :].sum(axis=-1) + both[..., :, place - 1].sum(axis=-1) - both[..., place - 1, place - 1]
    scalars: dict[str, NDArray[Any]] = {
        "chsh": value,
        "chsh_standard_error": refuse(told.standard_error, np.nan),
        "chsh_gaussian_lower": refuse(told.gaussian_lower, np.nan),
        "chsh_gaussian_upper": refuse(told.gaussian_upper, np.nan),
        "chsh_hoeffding_lower": refuse(told.hoeffding_lower, np.nan),
        "game_log10_p_value": refuse(told.game_log10_p_value, 0.0),
        "hoeffding_log10_p_value": refuse(told.hoeffding_log10_p_value, 0.0),
        "di_information_estimate": information,
        "status": status,
        "sifted_count": (equal + unequal).sum(axis=-1),
        **two.figures_of_pairs(pairs, OUTCOMES),
        "double_click_count": double,
    }
    by_settings = {
        "correlation": error_rate(equal - unequal, equal + unequal),
        "equal_count": equal,
        "unequal_count": unequal,
    }
    variables: _Variables = {name: (dims, scalars[name], _told(*text)) for name, text in SCALARS.items()}
    variables |= {name: ((*dims, SETTINGS), by_settings[name], _told(*text)) for name, text in PER_SETTINGS.items()}
    variables["status"][2].update(status_attributes())
    return variables


def _told(units: str, long_name: str) -> dict[str, Any]:
    return {"units": units, "long_name": long_name} if units else {"long_name": long_name}


def heading(result: xr.Dataset) -> str:
    """One line over the table: title, signs, confidence and what it rests on."""
    chosen = json.loads(str(result.attrs["analysis_settings"]))
    title = str(result.attrs.get("title", ""))
    told = f"signs {result.attrs[CHSH_SIGNS]}, confidence {chosen['confidence']:g}, fair sampling"
    return f"{title + ': ' if title else ''}CHSH value ({told})"


def rows(result: xr.Dataset) -> list[dict[str, Any]]:
    """A row for each point: from its expected counts, and the mean over its samples.

    Parameters
    ----------
    result : xarray.Dataset
        What :func:`analyze_chsh` returns.

    Returns
    -------
    list of dict
        Column -> value.
    """
    return rows_of_points(result, _columns)


def _columns(point: xr.Dataset, prefix: str) -> dict[str, Any]:
    def mean(name: str) -> float:
        return float(np.mean(point[f"{prefix}{name}"].values))

    return {
        "S": mean("chsh"),
        "standard error": mean("chsh_standard_error"),
        "Gaussian interval": f"{mean('chsh_gaussian_lower'):.3f} to {mean('chsh_gaussian_upper'):.3f}",
        "log10 P, game": mean("game_log10_p_value"),
        "log10 P, Hoeffding": mean("hoeffding_log10_p_value"),
        "coincidences": mean("sifted_count"),
        "signal to noise": mean("signal_to_noise"),
        "device-independent information, no proof [bit]": mean("di_information_estimate"),
    }
