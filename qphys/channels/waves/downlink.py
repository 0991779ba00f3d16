"""Downlinks by wave optics: power, light in a fibre with or without correction, light through a field stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from qphys.channels.waves.arrivals import Arrival, LayeredPath, simulated
from qphys.channels.waves.grid import Fft, Grid, Precision
from qphys.channels.waves.pupil import Correction, Correctors, FieldStop, Pupil
from qphys.stages import Floats


@dataclass(frozen=True)
class Receiver:
    """A telescope and what stands behind it.

    Parameters
    ----------
    aperture : float
        Diameter [m].
    obscuration : float
        Diameter of the central obscuration over that of the aperture [1].
    mode_ratio : float
        Radius of the aperture over the 1/e^2 intensity radius of the fibre's mode in it [1]; 1.1209 couples best without
        obscuration.
    stops : tuple of float
        Angular radii of field stops, on the sky [rad].
    corrections : tuple of Correction
        Each gives a fibre coupling of its own; stops see the light without correction.
    """

    aperture: float
    obscuration: float = 0.0
    mode_ratio: float = 1.12091
    stops: tuple[float, ...] = ()
    corrections: tuple[Correction, ...] = (Correction(1),)


@dataclass(frozen=True)
class DownlinkResult:
    """Realisations of a downlink; R realisations, T times. Powers are over those of irradiance 1 in the annulus."""

    irradiance: Floats
    """At the centre of the pupil, over its mean without turbulence, shape (R, T)."""
    power: tuple[Floats, ...]
    """Of each receiver, shape (R, T)."""
    coupling: tuple[Floats, ...]
    """Into the fibre of each receiver, shape (R, T, corrections)."""
    through_stop: tuple[Floats, ...]
    """Of each receiver, shape (R, T, stops)."""
    identity: Mapping[str, str]
    """Library of the transform and precision: what the numbers depend on beside the arguments."""


class _Observer:
    """The numbers of one arrival."""

    def __init__(self, path: LayeredPath, grid: Grid, receivers: Sequence[Receiver], *, seed: int, stream: int) -> None:
        self._centre = grid.number // 2
        self._parts = []
        for receiver in receivers:
            pupil = Pupil(grid, diameter=receiver.aperture, obscuration=receiver.obscuration)
            correctors = Correctors(pupil, path, receiver.corrections, seed=seed, stream=stream)
            stop = FieldStop(pupil, receiver.stops, wavelength=path.wavelength)
            self._parts.append((pupil, correctors, stop, *pupil.fibre_mode(receiver.mode_ratio)))

    def __call__(self, arrival: Arrival) -> list[Floats]:
        centre = arrival.field[self._centre, self._centre]
        numbers = [np.array(abs(complex(centre)) ** 2)]
        for pupil, correctors, stop, mode, norm in self._parts:
            part = pupil.window(arrival.field)
            phases = correctors.phases(arrival)
            numbers.append(np.array(pupil.power(part)))
            numbers.append(np.array([pupil.coupled(pupil.corrected(part, phase), mode, norm) for phase in phases]))
            numbers.append(stop.shares(part))
        return numbers


def downlink(
    path: LayeredPath,
    receivers: Sequence[Receiver],
    *,
    grid: Grid,
    realisations: int,
    seed: int,
    stream: int = 0,
    first: int = 0,
    times: Sequence[float] = (0.0,),
    fft: Fft = "scipy",
    precision: Precision = "single",
    threads: int = 1,
) -> DownlinkResult:
    """Simulate a downlink: a plane wave through the layers of a path to some telescopes on one axis.

    Parameters
    ----------
    path : LayeredPath
        From `slant_path`.
    receivers : sequence of Receiver
        Telescopes, all seeing the same realisations.
    grid : Grid
        The grid: 512 points of 5 mm carry 810 nm from zenith to 70 degrees for apertures up to 1 m.
    realisations, first : int
        How many, and the number of the first.
    seed, stream : int
        Of all draws: realisation n depends on them and n alone.
    times : sequence of float
        Times of each realisation [s], the layers moving with their winds.
    fft, precision : str
        As for `qphys.channels.waves.fft_name`; ``"single"`` or ``"double"``.
    threads : int
        Realisations at a time; no bit depends on it.

    Returns
    -------
    DownlinkResult

    Raises
    ------
    UserError
        For a grid that does not carry the path (`check_sampling`), an aperture or stop that does not fit on it, or a
        correction whose beacon leaves it.

    Notes
    -----
    A satellite at 500 km is taken as infinitely far: the wave is plane (r0 0.2 % too small, the Rytov variance 1.3 % too
    large). Scalar, paraxial, von Karman spectrum without inner scale. Against exact weak theory and long-exposure coupling
    see the page on wave optics.
    """
    largest = max((receiver.aperture for receiver in receivers), default=0.0)
    observed, identity = simulated(
        path,
        _Observer(path, grid, receivers, seed=seed, stream=stream),
        grid=grid,
        aperture=largest,
        realisations=realisations,
        seed=seed,
        stream=stream,
        first=first,
        times=times,
        fft=fft,
        precision=precision,
        threads=threads,
    )
    return DownlinkResult(
        irradiance=observed[0],
        power=tuple(observed[1::3]),
        coupling=tuple(observed[2::3]),
        through_stop=tuple(observed[3::3]),
        identity=identity,
    )
