"""A probe of the transmittance: classical light beside the quantum signal, read once a slot, and what its readings tell."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Final, Self

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, model_validator

from qphys.channels.fading import gauss_rule
from qphys.record import Record
from qphys.stages import Floats, Transmittance

MOST_BINS: Final = 200

STEPS_AT_ONCE: Final = 32
"""Steps whose points are reduced to nodes together, so that memory stays small."""

EMPTY: Final = 1e-250
"""Probability of a reading below which its bin is taken as empty."""


class Probe(Record):
    """Table ``[probe]``: a beacon whose power tells the transmittance of each slot of time.

    The readings are sorted into bins of equal width in decibels of loss, and the counts of a run are kept bin by bin, so
    that any edge of a bin may serve as a threshold afterwards.
    """

    lowest_loss_db: float
    """Loss at which the last bin but one ends; better readings share the last bin."""
    highest_loss_db: float
    """Loss at which the second bin begins; worse readings share the first."""
    bin_db: Annotated[float, Field(gt=0)] = 0.5
    """Width of a bin."""
    relative_error: Annotated[float, Field(ge=0.01, le=1)] = 0.05
    """Standard deviation of a reading over the transmittance."""
    noise_loss_db: float | None = None
    """Standard deviation of a reading of no light, as the loss at which the beacon gives as much; None: no such noise."""
    slot_ms: Annotated[float, Field(ge=0)] = 1.0
    """Length of a slot; its reading is taken in its middle. 0: a reading at every pulse."""
    nodes_per_bin: Annotated[int, Field(ge=1, le=8)] = 3
    """Quadrature nodes of the transmittance given the reading."""

    @model_validator(mode="after")
    def _has_bins(self) -> Self:
        if not self.lowest_loss_db < self.highest_loss_db:
            raise ValueError("lowest_loss_db must be below highest_loss_db")
        number = (self.highest_loss_db - self.lowest_loss_db) / self.bin_db
        if abs(number - round(number)) > 1e-6 or number + 2 > MOST_BINS:
            raise ValueError(f"bin_db must divide the range of losses into whole bins, {MOST_BINS - 2} at most")
        return self

    @property
    def edges(self) -> Floats:
        """Readings between the bins, as transmittances, ascending, (bins - 1)."""
        number = round((self.highest_loss_db - self.lowest_loss_db) / self.bin_db)
        losses = self.highest_loss_db - self.bin_db * np.arange(number + 1)
        return np.asarray(10.0 ** (-0.1 * losses), dtype=np.float64)

    @property
    def lower(self) -> Floats:
        """Lowest reading of each bin; 0 in the first."""
        return np.concatenate([[0.0], self.edges])

    @property
    def upper(self) -> Floats:
        """End of each bin; infinite in the last."""
        return np.concatenate([self.edges, [np.inf]])

    @property
    def bin_of_node(self) -> tuple[slice, ...]:
        """Places of each bin's nodes in what `probed` makes."""
        size = self.nodes_per_bin
        return tuple(slice(size * b, size * (b + 1)) for b in range(len(self.edges) + 1))

    def reading_probability(self, transmittance: ArrayLike) -> Floats:
        r"""Probability of each bin of readings given the transmittance.

        .. math:: r = \eta + z \sqrt{(\epsilon \eta)^2 + \eta_0^2}, \quad z \sim N(0, 1)

        Parameters
        ----------
        transmittance : array_like
            :math:`\eta` [1], any shape.

        Returns
        -------
        ndarray
            [1], the shape of `transmittance` and the bins.
        """
        from scipy.special import ndtr

        eta = np.asarray(transmittance, dtype=np.float64)[..., np.newaxis]
        noise = 0.0 if self.noise_loss_db is None else 10.0 ** (-0.1 * self.noise_loss_db)
        deviation = np.maximum(np.hypot(self.relative_error * eta, noise), np.finfo(np.float64).tiny)
        below = ndtr((self.edges - eta) / deviation)
        ends = np.ones_like(below[..., :1])
        return np.asarray(np.diff(np.concatenate([0.0 * ends, below, ends], axis=-1), axis=-1), dtype=np.float64)

    def freshness(self, correlation_time: float) -> float:
        r"""Part of a slot's pulses whose transmittance is that which its reading met.

        .. math:: q = \frac{2\tau}{s} \left(1 - e^{-s/2\tau}\right)

        The fading is drawn afresh at Poisson times of rate :math:`1/\tau`; a pulse at a distance t from the reading has the
        same draw with probability :math:`e^{-t/\tau}`, else an independent one. This is its mean over the slot of length s.

        Parameters
        ----------
        correlation_time : float
            :math:`\tau` [s].

        Returns
        -------
        float
            [1].

        Examples
        --------
        >>> probe = Probe(lowest_loss_db=30.0, highest_loss_db=40.0, slot_ms=2.0)
        >>> round(probe.freshness(1e-3), 6), probe.freshness(0.0)
        (0.632121, 0.0)
        """
        slot = 1e-3 * self.slot_ms
        if slot == 0.0 or np.isinf(correlation_time):
            return 1.0
        if correlation_time == 0.0:
            return 0.0
        half = 0.5 * slot / correlation_time
        return float(-np.expm1(-half) / half)


def probed(transmittance: Transmittance, points: Floats, weights: Floats, *, probe: Probe) -> Transmittance:
    r"""The same channel with nodes that know the probe's reading: some for each bin, from the lowest reading up.

    .. math:: P(b, \eta) = p(\eta) \left[ q\, P(b \mid \eta) + (1 - q) \int p(\eta') P(b \mid \eta')\, d\eta' \right]

    Each bin's distribution is put into a Gauss rule, so that sums over all nodes keep the moments of the channel, and sums
    over the nodes of a bin those of the channel given the reading.

    Parameters
    ----------
    transmittance : Transmittance
        Of one arm.
    points, weights : ndarray
        Its law as many points and weights, (T, M); scaled to the mean of `transmittance`.
    probe : Probe
        Bins, noise and slot.

    Returns
    -------
    Transmittance
        With bins times nodes a bin as nodes; see `Probe.bin_of_node`.

    Raises
    ------
    ValueError
        It has more than one arm, or the points are of other steps.

    Notes
    -----
    Holds for slots that are short against the step. A sample's readings are redrawn with the fading: the noise of readings
    of one coherence time is one draw, so that the time that a step spends in a bin scatters a little more than it would.
    """
    steps = len(transmittance.weight)
    if transmittance.transmittance.shape[2] != 1 or len(points) != steps:
        raise ValueError("a probe needs one arm, and a law of as many steps")
    weights = weights / weights.sum(axis=-1, keepdims=True)
    scale = transmittance.mean[:, :1] / np.sum(points * weights, axis=-1, keepdims=True)
    values: Floats = np.minimum(points * scale, 1.0)
    bins, size = len(probe.edges) + 1, probe.nodes_per_bin
    fresh = probe.freshness(transmittance.correlation_time)
    nodes, shares = np.empty((steps, bins, size)), np.empty((steps, bins, size))
    for first in range(0, steps, STEPS_AT_ONCE):
        part = slice(first, first + STEPS_AT_ONCE)
        given = probe.reading_probability(values[part])
        average = np.einsum("tm,tmb->tb", weights[part], given)
        joint = np.swapaxes(weights[part][..., np.newaxis] * (fresh * given + (1.0 - fresh) * average[:, np.newaxis]), 1, 2)
        total = joint.sum(axis=-1, keepdims=True)
        empty = total < EMPTY
        rows = np.where(empty, weights[part][:, np.newaxis], joint)
        wide = np.broadcast_to(values[part][:, np.newaxis], rows.shape)
        found, share = gauss_rule(wide.reshape(-1, wide.shape[-1]), rows.reshape(-1, wide.shape[-1]), number=size)
        nodes[part] = found.reshape(*total.shape[:2], size)
        shares[part] = share.reshape(*total.shape[:2], size) * np.where(empty, 0.0, total)
    weight = shares.reshape(steps, -1)
    told = f"probe: {bins} bins of readings, error {100 * probe.relative_error:g} %, {100 * fresh:.3g} % of pulses fresh"
    return replace(
        transmittance,
        transmittance=nodes.reshape(steps, -1)[..., np.newaxis],
        weight=weight / weight.sum(axis=-1, keepdims=True),
        model="; ".join(part for part in (transmittance.model, told) if part),
    )
