"""Three readings of a key length over the samples of a file: read off the counts, fixed before, following the counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qphys.errors import UserError
from qphys.keyrates.proofs import PROOFS
from qphys.record import Record
from qphys.statistics import schema

if TYPE_CHECKING:
    import xarray as xr

Floats = NDArray[np.float64]

FEWEST: Final = 4
"""Fewest samples of which a fixed length can be chosen and tried."""


@dataclass(frozen=True, kw_only=True)
class FixedLength:
    """A key length chosen before the run, and how it fares; each of the batch's shape."""

    length: Floats
    """Bits of the key, where the counts are accepted [bit]."""
    acceptance_probability: Floats
    """Share of the runs whose counts are accepted [1]."""

    @property
    def mean_key_length(self) -> Floats:
        """Bits of key a run, runs without key counted [bit]."""
        return self.length * self.acceptance_probability


def best_fixed_length(key_lengths: ArrayLike) -> FixedLength:
    r"""Choose a fixed length from every second sample and try it on the others.

    .. math:: L = \arg\max_{L} L\, P_{even}(\ell \ge L), \qquad p = P_{odd}(\ell \ge L)

    Parameters
    ----------
    key_lengths : array_like
        Length that the counts of each run prove [bit], (..., S), S >= 4 samples.

    Returns
    -------
    FixedLength
        A length of 0 is accepted always: it is no key.

    Raises
    ------
    UserError
        Fewer than four samples.

    Notes
    -----
    The acceptance test is that the counts prove at least L. Choice and trial use different samples, so that the length is
    not fitted to the runs that it is judged by.

    Examples
    --------
    >>> told = best_fixed_length([90.0, 90.0, 100.0, 100.0, 10.0, 10.0, 95.0, 95.0])
    >>> float(told.length), float(told.acceptance_probability), float(told.mean_key_length)
    (90.0, 0.75, 67.5)
    """
    lengths = np.asarray(key_lengths, dtype=np.float64)
    if lengths.shape[-1] < FEWEST:
        raise UserError(f"{lengths.shape[-1]} samples: a fixed length is chosen from half of at least {FEWEST}")
    chosen_from, tried = np.sort(lengths[..., ::2], axis=-1), lengths[..., 1::2]
    size = chosen_from.shape[-1]
    mean = chosen_from * (size - np.arange(size)) / size  # L times the share of samples at or above it
    best = np.argmax(mean, axis=-1)[..., np.newaxis]
    length = np.take_along_axis(chosen_from, best, axis=-1)
    accepted = np.asarray((tried >= length).mean(axis=-1))
    return FixedLength(length=length[..., 0], acceptance_probability=accepted)


def length_rows(
    dataset: xr.Dataset,
    proofs: Sequence[str] = (),
    settings: Record | Mapping[str, Any] | None = None,
    **overrides: Any,
) -> list[dict[str, Any]]:
    """What a file's samples give by each proof: as a length that follows the counts, and as one fixed before.

    Parameters
    ----------
    dataset : xarray.Dataset
        Detection statistics of decoy-state BB84 with sampled counts, at least four realisations.
    proofs : sequence of str, optional
        Nothing: the proof of the settings, and ``variable-length``.
    settings, **overrides
        As in :func:`qphys.keyrates.analyze`; a fixed length among them is left aside.

    Returns
    -------
    list of dict
        For each point a row a proof, and where there are several points one more a proof with all of them as equally
        likely: the mean length that follows the counts with its 5 % and 95 % quantiles, what this claims, the best fixed
        length, how often it is accepted, its mean key.

    Raises
    ------
    UserError
        Another protocol, no samples or too few, an asymptotic proof, or as :func:`qphys.keyrates.analyze`.
    """
    from qphys.keyrates.analyze import analyze

    protocol = dataset.attrs.get("protocol")
    if protocol != schema.PROTOCOL_DECOY_BB84:
        raise UserError(f"protocol = '{protocol}': lengths are compared for {schema.PROTOCOL_DECOY_BB84} only")
    if "counts" not in dataset or dataset.sizes.get(schema.REALISATION, 1) < FEWEST:
        raise UserError(f"lengths are compared over samples: the file needs counts of at least {FEWEST} realisations")
    overrides = overrides | {"fixed_length": 0}
    results = [analyze(dataset, settings, **(overrides | {"proof": proof})) for proof in proofs]
    if not proofs:
        own = analyze(dataset, settings, **overrides)
        results = [own]
        if own.attrs["proof"] != "variable-length":
            further = {"key_from": "all", "sampling_bound": "own", "proof": "variable-length"}
            results.append(analyze(dataset, settings, **(overrides | further)))
    found = []
    for result in results:
        if not PROOFS[str(result.attrs["proof"])].is_finite:
            raise UserError(f"the proof {result.attrs['proof']} is asymptotic: it has no length of a finite key")
        lengths = result["key_length"].transpose(schema.POINT, schema.REALISATION).values
        coords = {str(n): c.values.tolist() for n, c in result.coords.items() if c.dims == (schema.POINT,)}
        for place in range(len(lengths)):
            label = {name: values[place] for name, values in coords.items()} or {"point": place}
            found.append((place, label | _row(str(result.attrs["proof"]), lengths[place])))
        if len(lengths) > 1:
            label = dict.fromkeys(coords or ["point"], "all, equally likely")
            # realisations outermost, so that both halves of the samples have every point
            found.append((len(lengths), label | _row(str(result.attrs["proof"]), _halved(lengths))))
    return [row for _, row in sorted(found, key=lambda one: one[0])]


def _halved(lengths: Floats) -> Floats:
    """Samples of all points in one row, even realisations at even places."""
    pairs = lengths.shape[-1] // 2
    return np.moveaxis(lengths[:, : 2 * pairs].reshape(len(lengths), pairs, 2), 2, 0).reshape(2, -1).T.ravel()


def _row(proof: str, lengths: Floats) -> dict[str, Any]:
    fixed = best_fixed_length(lengths)
    low, high = np.quantile(lengths, (0.05, 0.95))
    follows = PROOFS[proof].length == "variable"
    return {
        "proof": proof,
        "length read off the counts, mean [bit]": float(lengths.mean()),
        "5 % [bit]": float(low),
        "95 % [bit]": float(high),
        "is a claim": "yes" if follows else "no",
        "best fixed length [bit]": float(fixed.length),
        "accepted %": 100 * float(fixed.acceptance_probability),
        "fixed length, mean key [bit]": float(fixed.mean_key_length),
    }
