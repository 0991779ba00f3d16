"""Uplinks by wave optics and reciprocity: one downward propagation serves every transmitter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from qphys.channels.waves.arrivals import Arrival, LayeredPath, simulated
from qphys.channels.waves.grid import Fft, Grid, Precision
from qphys.channels.waves.pupil import FEWEST_PIXELS, Correction, Correctors, Pupil
from qphys.errors import UserError
from qphys.stages import Floats

WINDOW: Final = 3.0
"""Radius to which an untruncated beam is followed, in units of its 1/e^2 intensity radius: 1e-8 of the power is beyond."""


@dataclass(frozen=True)
class Launch:
    """A beam that leaves a telescope upwards.

    Parameters
    ----------
    waist : float
        1/e^2 intensity radius at the telescope [m].
    aperture : float
        Diameter of the telescope [m]; infinite: six times the waist, where nothing is left.
    obscuration : float
        Diameter of the central obscuration over that of the aperture [1].
    tilt : tuple of float
        Pointing error along x and y [rad].
    focus : float
        Radius of curvature of the wavefront, positive where the beam converges [m]; infinite: collimated.
    correction : Correction
        Taken out of the wavefront before launch; its `direction` is minus the point-ahead angle.
    """

    waist: float
    aperture: float = np.inf
    obscuration: float = 0.0
    tilt: tuple[float, float] = (0.0, 0.0)
    focus: float = np.inf
    correction: Correction = field(default_factory=lambda: Correction(1))


@dataclass(frozen=True)
class UplinkResult:
    """Realisations of an uplink."""

    transmittance: Floats
    """Far-field irradiance of each launch on the axis, over that of the same beam collimated, pointed and in vacuum, shape
    (realisations, times, launches)."""
    identity: Mapping[str, str]
    """Library of the transform and precision: what the numbers depend on beside the arguments."""


class _Observer:
    """The overlap of one arrival with each launched mode."""

    def __init__(self, path: LayeredPath, grid: Grid, launches: Sequence[Launch], *, seed: int, stream: int) -> None:
        wave = 2.0 * np.pi / path.wavelength
        self._parts = []
        for launch in launches:
            if not launch.waist * 2.0 >= FEWEST_PIXELS * grid.pixel:
                raise UserError(
                    f"launch: waist {launch.waist:g} m on pixels of {grid.pixel:g} m; from "
                    f"{FEWEST_PIXELS * grid.pixel / 2.0:g} m on is allowed"
                )
            pupil = Pupil(grid, diameter=_diameter(launch), obscuration=launch.obscuration)
            x, y = pupil.axis, pupil.axis[:, None]
            envelope = np.exp(-(x**2 + y**2) / launch.waist**2) * pupil.weight
            phase = wave * (launch.tilt[0] * x + launch.tilt[1] * y - (x**2 + y**2) / (2.0 * launch.focus))
            # the kernel conjugates its first operand, and the overlap of reciprocity has none
            mode = envelope * np.exp(-1j * phase)
            correctors = Correctors(pupil, path, (launch.correction,), seed=seed, stream=stream)
            self._parts.append((pupil, correctors, mode, 1.0 / float(np.sum(envelope)) ** 2, launch.correction.modes > 1))

    def __call__(self, arrival: Arrival) -> list[Floats]:
        values = []
        for pupil, correctors, mode, norm, corrects in self._parts:
            part = pupil.window(arrival.field)
            if corrects:
                part = pupil.corrected(part, correctors.phases(arrival)[0])
            values.append(pupil.coupled(part, mode, norm))
        return [np.array(values)]


def uplink(
    path: LayeredPath,
    launches: Sequence[Launch],
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
) -> UplinkResult:
    r"""Simulate an uplink: what turbulence leaves of the irradiance of some beams at a far satellite.

    By reciprocity the field of a beam g at a point far above is the overlap of g with the plane wave that comes down from
    there,

    .. math:: \eta = \frac{|\int g(x)\, u(x)\, d^2 x|^2}{|\int g_0(x)\, d^2 x|^2},

    exactly, for any screens: one propagation serves all beams.

    Parameters
    ----------
    path : LayeredPath
        From `slant_path`: in the direction in which the beam is sent, the point-ahead direction.
    launches : sequence of Launch
        Beams, all through the same realisations.
    grid, realisations, first, seed, stream, times, fft, precision, threads
        As for `downlink`.

    Returns
    -------
    UplinkResult

    Raises
    ------
    UserError
        As for `downlink`, and for a beam of fewer than 8 pixels across.

    Notes
    -----
    Shapiro, J. Opt. Soc. Am. 61, 492 (1971), for the reciprocity of the atmosphere. The satellite is taken as infinitely
    far, as for `downlink`, and its telescope as a point, small against the beam there.
    """
    largest = max((_diameter(launch) for launch in launches), default=0.0)
    observed, identity = simulated(
        path,
        _Observer(path, grid, launches, seed=seed, stream=stream),
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
    return UplinkResult(transmittance=observed[0], identity=identity)


def _diameter(launch: Launch) -> float:
    return min(launch.aperture, 2.0 * WINDOW * launch.waist)
