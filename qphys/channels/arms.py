"""Two arms of a pair source: one fading for both, and losses that were measured of both together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

import numpy as np

from qphys.channels.table import LossTable, MeasuredLoss
from qphys.errors import UserError
from qphys.stages import Files, Floats, Sight, Transmittance

FadingCorrelation = Literal["independent", "common"]

MODELS: Final[dict[str, str]] = {
    "independent": "arms fade independently",
    "common": "arms fade together (the same quantile)",
}
"""How the fading of two arms belongs together, for the file."""

SAME: Final = 1e-9
"""Relative difference of two correlation times that is taken for none."""


def join(arms: Sequence[Transmittance], *, correlation: FadingCorrelation) -> Transmittance:
    r"""Joint fading of the arms of a pair source.

    A node of the result is a node of each arm. With ``independent`` fading all pairs of nodes occur, with the product of
    their weights; with ``common`` fading both arms are at the same quantile of their distributions at any time, so that the
    best moments coincide.

    Parameters
    ----------
    arms : sequence of Transmittance
        Alice's and Bob's, one arm each, over the same time steps.
    correlation : {"independent", "common"}
        Named model of their fading.

    Returns
    -------
    Transmittance
        Two arms. Its means and scintillation indices by arm are those of the arms. `includes` holds what both include: make
        the response of each arm from its own Transmittance. Terms of the loss that an arm does not tell are 0 dB there.

    Raises
    ------
    ValueError
        Not two single arms, different steps, or common fading with different correlation times.

    Notes
    -----
    Correlation times :math:`\tau` of independent arms with scintillation indices :math:`\sigma^2` give coincidences the
    autocovariance
    :math:`\sigma_1^2 e^{-t/\tau_1} + \sigma_2^2 e^{-t/\tau_2} + \sigma_1^2\sigma_2^2 e^{-t/\tau_1 - t/\tau_2}`. The joint
    fading is redrawn at one rate, with the time that keeps its integral, and so the variance of coincidences over times much
    longer than both,

    .. math:: \tau = \frac{\sigma_1^2\tau_1 + \sigma_2^2\tau_2 + \sigma_1^2\sigma_2^2\, \tau_1\tau_2/(\tau_1+\tau_2)}
                          {\sigma_1^2 + \sigma_2^2 + \sigma_1^2\sigma_2^2},

    numerator and denominator summed over the pass with the squared mean coincidence rate. Singles of an arm then fade with
    :math:`\tau` too. Nodes of common fading are the overlaps of the arms' quantiles: moments of one arm are exact, mixed
    ones are those of the two discrete distributions.
    """
    if len(arms) != 2 or any(arm.transmittance.shape[2] != 1 for arm in arms):
        raise ValueError("two single arms are needed")
    first, second = arms
    if first.weight.shape[0] != second.weight.shape[0]:
        raise ValueError(f"the arms have {first.weight.shape[0]} and {second.weight.shape[0]} time steps")
    if correlation == "independent":
        nodes, weight = _all_pairs(first, second)
        time = _effective_time(first, second)
    else:
        nodes, weight = _same_quantile(first, second)
        time = _common_time(first, second)
    names = tuple(dict.fromkeys((*first.terms_db, *second.terms_db)))
    silent = np.zeros((len(weight), 1))
    models = dict.fromkeys(arm.model for arm in arms if arm.model)
    return Transmittance(
        transmittance=nodes,
        weight=weight,
        correlation_time=time,
        jones=np.concatenate([arm.jones for arm in arms], axis=1),
        **_ensembles(arms),
        background_rate=np.concatenate([arm.background_rate for arm in arms], axis=1),
        includes=tuple(term for term in first.includes if term in second.includes),
        terms_db={name: np.concatenate([arm.terms_db.get(name, silent) for arm in arms], axis=1) for name in names},
        model="; ".join([*models, MODELS[correlation]]),
    )


def _ensembles(arms: Sequence[Transmittance]) -> dict[str, Any]:
    """Polarization maps of both arms in one array; the shorter ensemble is filled up with maps that never occur."""
    steps = max(len(arm.ensemble) for arm in arms)
    maps = max(arm.ensemble_weight.shape[1] for arm in arms)
    joint = np.tile(np.eye(2, dtype=np.complex128), (steps, len(arms), maps, 1, 1))
    weight = np.zeros((len(arms), maps))
    for k, arm in enumerate(arms):
        own = arm.ensemble_weight.shape[1]
        joint[:, k, :own] = arm.ensemble[:, 0]
        weight[k, :own] = arm.ensemble_weight[0]
    return {"ensemble": joint, "ensemble_weight": weight}


def _all_pairs(first: Transmittance, second: Transmittance) -> tuple[Floats, Floats]:
    """Nodes (T, N1 N2, 2) and weights (T, N1 N2), the second arm's node running fastest."""
    steps = len(first.weight)
    pairs = np.broadcast_arrays(first.transmittance[:, :, None, 0], second.transmittance[:, None, :, 0])
    weight: Floats = (first.weight[:, :, None] * second.weight[:, None, :]).reshape(steps, -1)
    return np.stack(pairs, axis=-1).reshape(steps, -1, 2), weight


def _same_quantile(first: Transmittance, second: Transmittance) -> tuple[Floats, Floats]:
    """Nodes (T, N, 2) and weights (T, N): one by one where the weights agree, otherwise the overlaps of their quantiles."""
    if first.weight.shape == second.weight.shape and np.allclose(first.weight, second.weight, rtol=0.0, atol=1e-12):
        return np.concatenate([first.transmittance, second.transmittance], axis=2), first.weight
    ends = [np.cumsum(arm.weight, axis=1) for arm in (first, second)]
    for end in ends:
        end[:, -1] = 1.0
    edges = np.sort(np.concatenate([ends[0], ends[1][:, :-1]], axis=1), axis=1)
    edges = np.concatenate([np.zeros((len(edges), 1)), np.minimum(edges, 1.0)], axis=1)
    middle = 0.5 * (edges[:, 1:] + edges[:, :-1])
    nodes = []
    for arm, end in zip((first, second), ends, strict=True):
        at = np.sum(middle[:, :, None] > end[:, None, :], axis=2)
        nodes.append(np.take_along_axis(arm.transmittance[:, :, 0], np.minimum(at, end.shape[1] - 1), axis=1))
    weight = np.diff(edges, axis=1)
    return np.stack(nodes, axis=-1), weight / weight.sum(axis=1, keepdims=True)


def _effective_time(first: Transmittance, second: Transmittance) -> float:
    a, b = first.scintillation_index[:, 0], second.scintillation_index[:, 0]
    seen = (first.mean[:, 0] * second.mean[:, 0]) ** 2
    p, q = first.correlation_time, second.correlation_time
    both = p * q / (p + q) if p > 0.0 and q > 0.0 else 0.0
    variance = float(np.sum(seen * (a + b + a * b)))
    return float(np.sum(seen * (a * p + b * q + a * b * both))) / variance if variance > 0.0 else 0.0


def _common_time(first: Transmittance, second: Transmittance) -> float:
    times = [arm.correlation_time for arm in (first, second) if np.any(arm.scintillation_index > 0.0)]
    if not times:
        return 0.0
    if abs(times[0] - times[-1]) > SAME * max(times):
        raise ValueError(f"common fading has one correlation time, not {times[0]:g} s and {times[-1]:g} s")
    return times[0]


class SplitLossTable(MeasuredLoss):
    r"""One arm's share of a loss that was measured of both arms of a pair source together, against time.

    With ``range`` the arms differ as the squares of their slant ranges R, with ``even`` not at all,

    .. math:: L_k = \tfrac12 L \pm 10 \log_{10}(R_k / R_{other}), \qquad L_1 + L_2 = L.

    Both arms name the same table; `includes`, fading, background and `extra_loss_db` are those of this arm.
    """

    kind: Literal["split-table"]
    table: str
    """CSV file with a column ``time_s`` and one of the loss of both arms together [dB]."""
    loss_column: str
    split: Literal["range", "even"]

    def measured(self, sight: Sight, *, files: Files, where: str) -> tuple[Floats, str]:
        """Loss of this arm along the pass.

        Parameters
        ----------
        sight : Sight
            Track of this arm and of its partner.
        files : Files
            Reads the table.
        where : str
            Place of the channel in the run, for messages.

        Returns
        -------
        loss_db : ndarray
            Shape (T,).
        name : str
            What it is.

        Raises
        ------
        UserError
            There is no other arm, the ranges are unknown, a share would amplify, or as `LossTable.measured`.
        """
        if sight.partner is None:
            raise UserError(f"{where}.kind = 'split-table': the loss of two arms; this run has one (use kind = 'table')")
        both = LossTable(
            kind="table",
            table=self.table,
            against="time",
            loss_column=self.loss_column,
            includes=self.includes,
            background_rate_hz=0.0,
        )
        share = 0.5 * both.measured(sight, files=files, where=where)[0]
        if self.split == "range":
            own, other = sight.track.range, sight.partner.range
            if own.shape != other.shape or np.any(np.isnan(own) | np.isnan(other)):
                raise UserError(f"{where}.split = 'range': needs the slant range of both arms at every step")
            share = share + 10.0 * np.log10(own / other)
        if np.any(share < 0.0):
            raise UserError(
                f"{where}.split = 'range': at {np.count_nonzero(share < 0.0)} of {share.size} steps the arms differ by more "
                "than the loss of both; this table does not belong to these tracks"
            )
        return share, "share of the loss measured of both arms"
