"""Reference points beside a decoy-state key: what no proof could exceed if the photon number of every detection were known.

A simulated file tells how many counts are expected from pulses of no photon and of one photon. From that follow the key of
infinitely many decoys, and, by drawing which of the counted events they were, the key of one who knows.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from qphys import core
from qphys.keyrates.entropies import binary_entropy
from qphys.keyrates.sifting import Sifted, error_rate

Floats = NDArray[np.float64]

DRAWS: Final = 100
"""Times that the photon numbers of a row are drawn."""

ROWS: Final = 64
"""Rows in memory at once."""

QUANTILE: Final = "quantile"
"""Dimension of the quantiles over the draws."""
QUANTILES: Final = (0.01, 0.5, 0.99)

TELLS: Final = 0x54_52_55_54_48
"""Parts these draws from all others that a seed and a stream address; any constant would do."""


@dataclass(frozen=True, kw_only=True)
class Photons:
    """Expected sifted events by the photons of their pulse, of the intensities used; last axes intensity and basis."""

    vacuum: Sifted
    single: Sifted

    def error_rate(self) -> Floats:
        """Error rate of single photons in each basis, (..., basis), at most 1/2."""
        wrong, all_of_them = self.single.errors.sum(axis=-2), self.single.counts.sum(axis=-2)
        return np.where(all_of_them > 0, np.minimum(error_rate(wrong, all_of_them), 0.5), 0.5)


def infinite_decoy_key_length(photons: Photons, *, leakage: Floats, enters: NDArray[np.bool_], bases: list[int]) -> Floats:
    r"""Key of infinitely many decoys and pulses at the same rates.

    .. math:: \ell_\infty = \sum_b \big\lfloor s_{b,0} + s_{b,1} [1 - h(e_{b',1})] - \lambda_b \big\rfloor_{\ge 0}

    with the true events :math:`s_{b,0}`, :math:`s_{b,1}` of vacuum and of single photons, and the true error rate of single
    photons in the other basis.

    Parameters
    ----------
    photons : Photons
        Expected events, (...).
    leakage : ndarray
        Disclosed for error correction in each block [bit], (..., block).
    enters : ndarray
        Intensities whose bits become key, (..., intensity).
    bases : list of int
        Key basis of each block.

    Returns
    -------
    ndarray
        [bit], (...).

    Notes
    -----
    H.-K. Lo, X. Ma, K. Chen, PRL 94, 230504 (2005), with the vacuum's events added, which are as good as any bit that Eve
    has not seen.

    Security
    --------
    None: nobody can know these numbers. It is a limit from above.
    """
    phase_error = photons.error_rate()
    vacuum, single = (
        np.where(enters[..., np.newaxis], part.counts, 0.0).sum(-2) for part in (photons.vacuum, photons.single)
    )
    blocks = [
        vacuum[..., b] + single[..., b] * (1 - binary_entropy(phase_error[..., 1 - b])) - leakage[..., i]
        for i, b in enumerate(bases)
    ]
    total: Floats = np.maximum(np.floor(np.stack(blocks, axis=-1)), 0.0).sum(axis=-1)
    return total


def known_truth_key_lengths(
    photons: Photons,
    expected: Sifted,
    sifted: Sifted,
    *,
    leakage: Floats,
    enters: NDArray[np.bool_],
    bases: list[int],
    seed: int,
) -> Floats:
    r"""Draw the key of one who knows the photons of every detection, for each row of sampled counts.

    Each sifted event is one of vacuum, of a single photon or of more, with the probabilities that the expected counts give
    to its intensity, basis and correctness; of the single photons of the key, each would have erred in the other basis with
    the error rate of single photons there. Then :math:`\ell = \sum_b \lfloor s_{b,0} + s_{b,1} [1 - h(v_b / s_{b,1})] -
    \lambda_b \rfloor_{\ge 0}` has no finite-size term at all.

    Parameters
    ----------
    photons : Photons
        Expected events by photon number, (point, 1).
    expected, sifted : Sifted
        Expected and sampled events, (point, 1) and (point, realisation).
    leakage : ndarray
        Disclosed in each block of the sampled counts [bit], (point, realisation, block).
    enters : ndarray
        Intensities whose bits become key, (point, 1, intensity).
    bases : list of int
        Key basis of each block.
    seed : int
        Of the file.

    Returns
    -------
    ndarray
        [bit], (point, realisation, draw). NaN where the counts are none.

    Notes
    -----
    A draw is addressed by the seed, a digest of its own row and its number, so that it depends on no other row. The
    probabilities are those of the whole pass: that the fading of one realisation had another share of background than the
    mean of all is left out.
    """
    rows = np.broadcast_shapes(sifted.counts.shape[:-2], photons.single.counts.shape[:-2])
    kinds = []
    for wrong in (False, True):
        counted, whole, vacuum, single = (
            events.errors if wrong else events.counts - events.errors
            for events in (sifted, expected, photons.vacuum, photons.single)
        )
        used = np.where(enters[..., np.newaxis], counted, 0.0)
        of_vacuum, of_rest = (np.clip(error_rate(*pair), 0.0, 1.0) for pair in ((vacuum, whole), (single, whole - vacuum)))
        kinds.append([np.broadcast_to(np.nan_to_num(a), (*rows, *counted.shape[-2:])) for a in (used, of_vacuum, of_rest)])
    cells = [np.stack(parts, axis=-3) for parts in zip(*kinds, strict=True)]  # (*rows, right or wrong, intensity, basis)
    flat = [a.reshape(-1, *a.shape[len(rows) :]) for a in cells]
    phase_error = np.broadcast_to(photons.error_rate(), (*rows, 2)).reshape(-1, 2)
    drawn = [
        _drawn(*(a[start : start + ROWS] for a in (*flat, phase_error)), seed=seed)
        for start in range(0, max(len(phase_error), 1), ROWS)
    ]
    secret = np.concatenate(drawn).reshape(*rows, DRAWS, 2)
    length: Floats = np.floor(secret[..., bases] - leakage[..., np.newaxis, :])
    bad = np.isnan((sifted.counts + sifted.errors).sum(axis=(-2, -1)) + leakage.sum(axis=-1))[..., np.newaxis]
    total: Floats = np.where(bad, np.nan, np.maximum(length, 0.0).sum(axis=-1))
    return total


def _drawn(counted: Floats, of_vacuum: Floats, of_rest: Floats, phase_error: Floats, *, seed: int) -> Floats:
    """Secret bits of rows before error correction, (row, draw, basis); the first three are (row, kind, intensity, basis)."""
    streams = _streams(counted, of_vacuum, of_rest)
    number = np.arange(DRAWS, dtype=np.uint64)
    shape = counted.shape[1:]

    def draw(trials: NDArray[Any], probability: Floats, first: int) -> NDArray[np.int64]:
        """(row, draw, *cells); `first` parts the cells of one use from those of another."""
        own = trials.shape[2:]
        cell = np.uint64(first) + np.arange(int(np.prod(own)), dtype=np.uint64).reshape(own)
        ones = (1,) * len(own)
        place = number.reshape(DRAWS, *ones) * np.uint64(1 << 16) + cell
        stream = streams.reshape(-1, 1, *ones)
        found, _ = core.KERNELS["draw_binomial"](trials.astype(np.int64), probability, np.uint64(seed), stream, place)
        return np.asarray(found, dtype=np.int64)

    events = np.broadcast_to(np.rint(counted)[:, np.newaxis], (len(counted), DRAWS, *shape)).astype(np.int64)
    size = int(np.prod(shape))
    from_vacuum = draw(events, of_vacuum[:, np.newaxis], 0)
    from_single = draw(events - from_vacuum, of_rest[:, np.newaxis], size)
    vacuum, single = (a.sum(axis=(-3, -2)) for a in (from_vacuum, from_single))
    wrong = draw(single, phase_error[:, np.newaxis, ::-1], 2 * size)
    rate = np.where(single > 0, np.minimum(wrong / np.maximum(single, 1), 0.5), 0.5)
    secret: Floats = vacuum + single * (1 - binary_entropy(rate))
    return secret


def _streams(*arrays: Floats) -> NDArray[np.uint64]:
    """A stream for each row, from what the row holds."""
    told = [hashlib.sha256(b"".join(part.tobytes() for part in row)).digest()[:8] for row in zip(*arrays, strict=True)]
    words: NDArray[np.uint64] = np.array([int.from_bytes(word, "big") for word in told], dtype=np.uint64)
    return words ^ np.uint64(TELLS)
