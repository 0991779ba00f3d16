"""Sampled statistics: the fading of a realisation, and multinomial counts given it, drawn in the C core."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from qphys.core import KERNELS, STATUS, evaluate
from qphys.errors import RunError, UserError
from qphys.stages import Clicks, Floats, Integers
from qphys.statistics.expect import of_nodes, shifted

ACCIDENTAL: Final = 0x41_43_43_49_44_45_4E_54
"""Turns a point's stream into that of its shifted windows; any constant but 0 would do."""

PROBED: Final = 0x9E_37_79_B9_7F_4A_7C_15
"""Its odd multiples turn a point's stream into those of the probe's bins."""


def sampled_fading(
    clicks: Clicks, *, seed: int, stream: int, realisations: int, first_realisation: int = 0, threads: int = 1
) -> Floats:
    """Draw the part of each step that the fading spends in each node.

    The fading is a quantile that is drawn afresh at Poisson times of rate 1/tau (tau the correlation time) and runs on from
    step to step; each step maps it to one of its nodes by its own weights. The autocorrelation is exp(-lag/tau), so that
    the mean over a step of length dt has the variance of the fading times g(dt/tau), g(x) = 2 (x - 1 + exp(-x))/x**2.

    Parameters
    ----------
    clicks : Clicks
        Gives the nodes' weights, the correlation time and the step.
    seed : int
        Seed of the run, 0 ... 2**64 - 1.
    stream : int
        First 64 bits of the point's SHA-256, so that a point's counts do not depend on its place in a sweep.
    realisations : int
        Number of realisations R.
    first_realisation : int
        Number of the first of them: each is the same whatever others are asked for.
    threads : int
        Threads over the realisations; they change no bit.

    Returns
    -------
    numpy.ndarray
        Parts that sum to 1 over the nodes, (R, T, N); NaN in steps whose weights are no weights.

    Raises
    ------
    UserError
        If the seed, the stream or a realisation is no whole number in its range.

    Notes
    -----
    The law is exact for every correlation time, 0 (the weights themselves) and infinity (one node) included; below
    dt * 2**-53 the parts are taken as the weights, from which they differ by 1e-7.
    """
    key = _key(seed, stream, realisations, first_realisation)
    tau_over_dt = clicks.correlation_time / clicks.time_step
    parts: Floats
    parts, _ = evaluate(KERNELS["fading_occupancy"], clicks.weight, tau_over_dt, *key, threads=threads, smallest_slice=1)
    return parts


def sampled_counts(
    clicks: Clicks,
    trials: Integers,
    *,
    seed: int,
    stream: int,
    realisations: int,
    first_realisation: int = 0,
    threads: int = 1,
) -> Integers:
    """Draw the counts of every outcome, for each realisation, step and setting of the sender.

    The fading is drawn first (`sampled_fading`), shared by all settings and outcomes. Given it, the whole trials of a step
    are dealt to the settings by their probabilities, and those of a setting to the outcomes by the probabilities averaged
    over the parts of the step that the fading spends in each node: exact multinomial draws.

    Parameters
    ----------
    clicks : Clicks
        Probabilities of the outcomes for each step, node and setting.
    trials : array_like
        Whole trials of each step, (T,), at most 2**53; a step without trials is not read.
    seed : int
        Seed of the run, 0 ... 2**64 - 1.
    stream : int
        First 64 bits of the point's SHA-256, so that a point's counts do not depend on its place in a sweep.
    realisations : int
        Number of realisations R.
    first_realisation : int
        Number of the first of them: each is the same whatever others are asked for.
    threads : int
        Threads over the realisations; they change no bit.

    Returns
    -------
    numpy.ndarray
        Counts, int64, (R, T, *settings, *outcomes). Their sum over the outcomes is the number of trials with that setting,
        and over the settings too, `trials`.

    Raises
    ------
    UserError
        If the seed, the stream or a realisation is no whole number in its range.
    RunError
        If the probabilities of a step that has trials are none.

    Notes
    -----
    Valid for independent trials given the fading: counts of detectors near saturation, whose dead time spans trials,
    scatter less than this says (variance r T/(1 + R tau_d)**2). Trials of one step see the averaged probability, each for
    itself: against trials that see their own moment's, the variance is too large by at most the click probability times
    the scintillation index, relative.

    References
    ----------
    Salmon et al., SC'11 (2011), doi:10.1145/2063384.2063405 (the generator); Hoermann, J. Stat. Comput. Simul. 46, 101
    (1993) (binomial variates).
    """
    parts = sampled_fading(
        clicks,
        seed=seed,
        stream=stream,
        realisations=realisations,
        first_realisation=first_realisation,
        threads=threads,
    )
    return _dealt(clicks, parts, trials, _key(seed, stream, realisations, first_realisation), threads)


def sampled_counts_by_probe(
    clicks: Clicks,
    trials: Integers,
    bins: Sequence[slice],
    *,
    seed: int,
    stream: int,
    realisations: int,
    first_realisation: int = 0,
    threads: int = 1,
) -> Integers:
    """Draw the counts of every outcome by reading of a probe of the transmittance.

    The fading is drawn first, and with it the part of each step that each bin of readings has; the whole trials of a step
    are dealt to the bins by these parts, and those of a bin as `sampled_counts` does. The sum over the bins is a sample of
    the counts.

    Parameters
    ----------
    clicks : Clicks
        Probabilities of the outcomes for each step, node and setting, of a channel whose nodes know the reading.
    trials : array_like
        Whole trials of each step, (T,), at most 2**53; a step without trials is not read.
    bins : sequence of slice
        Nodes of each bin.
    seed, stream, realisations, first_realisation, threads : int
        As in `sampled_counts`.

    Returns
    -------
    numpy.ndarray
        Counts, int64, (R, T, bins, *settings, *outcomes).

    Raises
    ------
    UserError
        If the seed, the stream or a realisation is no whole number in its range.
    RunError
        If the probabilities of a step that has trials are none.

    Notes
    -----
    Slots are taken as short against the step: a bin's part of a step may be any number.
    """
    parts = sampled_fading(
        clicks,
        seed=seed,
        stream=stream,
        realisations=realisations,
        first_realisation=first_realisation,
        threads=threads,
    )
    sent = np.asarray(trials, dtype=np.int64)
    of_bin = np.stack([parts[..., nodes].sum(axis=-1) for nodes in bins], axis=-1)
    until = np.cumsum(of_bin, axis=-1)
    until = np.where(sent[:, np.newaxis] > 0, until / until[..., -1:], 0.0)
    ends = np.floor(until * sent[:, np.newaxis]).astype(np.int64)
    dealt = np.diff(ends, axis=-1, prepend=0)
    counts = []
    for number, nodes in enumerate(bins):
        share = of_bin[..., number, np.newaxis]
        within = np.divide(parts[..., nodes], share, out=np.zeros_like(parts[..., nodes]), where=share > 0)
        key = _key(seed, stream ^ (PROBED * (number + 1) % 2**64), realisations, first_realisation)
        counts.append(_dealt(of_nodes(clicks, nodes), within, dealt[..., number], key, threads))
    drawn: Integers = np.stack(counts, axis=2)
    return drawn


def sampled_accidental_counts(
    clicks: Clicks,
    trials: Integers,
    *,
    seed: int,
    stream: int,
    realisations: int,
    first_realisation: int = 0,
    threads: int = 1,
) -> Integers:
    """Draw the coincidences of shifted windows: what an experiment takes for its accidental coincidences.

    The fading is that of `sampled_counts` with the same seed and stream, since it does not change within the shift; the
    trials are dealt anew.

    Parameters
    ----------
    clicks : Clicks
        Of a pair source; see `expect.shifted`.
    trials : array_like
        Whole trials of each step, (T,), at most 2**53; a step without trials is not read.
    seed : int
        Seed of the run, 0 ... 2**64 - 1.
    stream : int
        Stream of the point, as for `sampled_counts`.
    realisations : int
        Number of realisations R.
    first_realisation : int
        Number of the first of them: each is the same whatever others are asked for.
    threads : int
        Threads over the realisations; they change no bit.

    Returns
    -------
    numpy.ndarray
        Pairs of windows, int64, (R, T, outcomes of Alice, outcomes of Bob).

    Raises
    ------
    UserError
        If the seed, the stream or a realisation is no whole number in its range.
    RunError
        If the probabilities of a step that has trials are none.
    ValueError
        If these are no clicks of a pair source.

    Notes
    -----
    Valid for rare coincidences: an experiment shifts the very clicks that it counts, so that its single clicks are the same
    in both, while these are drawn independently.
    """
    far = shifted(clicks)
    parts = sampled_fading(
        clicks,
        seed=seed,
        stream=stream,
        realisations=realisations,
        first_realisation=first_realisation,
        threads=threads,
    )
    return _dealt(far, parts, trials, _key(seed, stream ^ ACCIDENTAL, realisations, first_realisation), threads)


def _dealt(
    clicks: Clicks,
    parts: Floats,
    trials: Integers,
    key: tuple[np.uint64, np.uint64, NDArray[np.uint64]],
    threads: int,
) -> Integers:
    """Trials dealt to settings and outcomes, given the parts of each step that the fading spends in its nodes."""
    settings = tuple(len(labels) for labels in clicks.settings.values())
    outcomes = tuple(len(labels) for labels in clicks.outcomes.values())
    steps, nodes = clicks.weight.shape
    counts, _, status = evaluate(
        KERNELS["sample_counts"],
        clicks.probability.reshape(steps, nodes, int(np.prod(settings)), int(np.prod(outcomes))),
        parts,
        clicks.setting_probability.reshape(-1),
        trials,
        *key,
        threads=threads,
        smallest_slice=1,
    )
    if status.any():
        meaning = {code: name for name, code in STATUS.items()}[int(status.max())]
        bad = np.flatnonzero(status.any(axis=0))
        raise RunError(f"counts cannot be drawn in {bad.size} of {steps} steps, first in step {bad[0]}: {meaning}")
    sampled: Integers = counts.reshape(len(parts), steps, *settings, *outcomes)
    return sampled


def _key(
    seed: int, stream: int, realisations: int, first_realisation: int
) -> tuple[np.uint64, np.uint64, NDArray[np.uint64]]:
    """Return the words that address a stream of random numbers: seed, stream, realisations."""
    last = first_realisation + max(realisations, 1) - 1
    for name, value in (("seed", seed), ("stream", stream), ("first_realisation", first_realisation), ("realisation", last)):
        if not 0 <= value < 2**64:
            raise UserError(f"{name} = {value}: must be a whole number from 0 to 2**64 - 1")
    if realisations < 0:
        raise UserError(f"realisations = {realisations}: must not be negative")
    numbers = np.uint64(first_realisation) + np.arange(realisations, dtype=np.uint64)
    return np.uint64(seed), np.uint64(stream), numbers
