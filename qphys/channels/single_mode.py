"""A single-mode receiver behind adaptive optics, and by reciprocity an uplink, as laws of transmittance along a pass."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, model_validator

from qphys.channels.adaptive_optics import MAXIMUM_ORDER, loop_residual, noise_residual, shift_residual, zernike_orders
from qphys.channels.coupling import best_mode_ratio, marechal_coupling, mode_overlap, mode_throughput
from qphys.channels.coupling_laws import CouplingLaw, coupling_law
from qphys.channels.pupil import GRIDS
from qphys.errors import UserError
from qphys.record import Record
from qphys.stages import Floats

COMPLETE: Final = tuple((n + 1) * (n + 2) // 2 for n in range(MAXIMUM_ORDER + 1))
"""Numbers of Zernike modes that complete a radial order: 1, 3, 6, 10, ..."""

UNTRUNCATED: Final = 2.8
"""Radius of the pupil over that of a launched beam where no edge cuts it: the mean is 0.1 % off by the faint rest."""


class SingleMode(Record):
    """Coupling into a single-mode fibre, with or without adaptive optics.

    `corrected_modes` counts Zernike modes in Noll's numbering with the piston: 1 is no correction, 3 tip and tilt. A
    correction without `loop_bandwidth_hz` and `delay_ms` follows the turbulence at once.
    """

    kind: Literal["single-mode"]
    corrected_modes: Annotated[int, Field(ge=1, le=COMPLETE[-1])]
    """1, 3, 6, 10, 15, 21, ...: radial orders are corrected whole."""
    loop_bandwidth_hz: Annotated[float, Field(gt=0)] | None = None
    """Frequency at which a first-order loop rejects half of the disturbance's power."""
    delay_ms: Annotated[float, Field(ge=0)] | None = None
    """Time from the measurement to its correction, in place of a bandwidth."""
    beacon_angle_urad: Annotated[float, Field(ge=0)] = 0.0
    """Angle between the light that is measured and the light that is coupled."""
    noise_rms_nm: Annotated[float, Field(ge=0)] = 0.0
    """Wavefront error by measurement noise over all corrected modes, after the loop."""
    static_rms_nm: Annotated[float, Field(ge=0)] = 0.0
    """Wavefront error of the optics that does not fluctuate, up to 1 rad."""
    mode_ratio: Annotated[float, Field(gt=0.2, lt=5)] | None = None
    """Radius of the aperture over that of the fibre's mode, thought back into it; left out: the best one in still air."""
    fibre_transmittance: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Of the fibre's end and its optics, where the receiver's optics do not hold it."""

    @model_validator(mode="after")
    def _can_be_built(self) -> Self:
        if self.corrected_modes not in COMPLETE:
            allowed = ", ".join(str(count) for count in COMPLETE[:8])
            raise ValueError(f"corrected_modes = {self.corrected_modes} completes no radial order (allowed: {allowed}, ...)")
        if self.loop_bandwidth_hz is not None and self.delay_ms is not None:
            raise ValueError("loop_bandwidth_hz and delay_ms exclude each other")
        if self.corrected_modes == 1:
            for key in ("loop_bandwidth_hz", "delay_ms", "beacon_angle_urad", "noise_rms_nm"):
                if getattr(self, key):
                    raise ValueError(f"{key} needs a correction, and corrected_modes = 1 is none")
        return self


def single_mode_law(
    record: SingleMode,
    *,
    wavelength: float,
    aperture: float,
    obscuration: float,
    fried_parameter: ArrayLike,
    elevation: ArrayLike,
    layer_height: ArrayLike = 0.0,
    layer_weight: ArrayLike = 1.0,
    layer_wind: ArrayLike = 0.0,
    slew_rate: ArrayLike = 0.0,
    scintillation_index: ArrayLike = 0.0,
    outer_scale: float = np.inf,
    where: str = "channel.coupling",
) -> CouplingLaw:
    r"""Law of the coupling of a downlink into a single-mode fibre along a pass.

    Parameters
    ----------
    record : SingleMode
        Fibre and correction.
    wavelength : float
        Vacuum wavelength [m].
    aperture : float
        Diameter D of the receiving telescope [m].
    obscuration : float
        Diameter of its central obscuration over that of the aperture [1].
    fried_parameter : array_like
        :math:`r_0` of the path at the wavelength, plane wave [m], shape (T,).
    elevation : array_like
        [rad], shape (T,).
    layer_height : array_like
        Height of each layer above the station [m], shape (L,); used by `beacon_angle_urad` and by the slew.
    layer_weight : array_like
        Share of each layer in the integral of :math:`C_n^2`, shape (L,); sums to 1.
    layer_wind : array_like
        Wind of each layer across the line of sight [m/s], shape (L,).
    slew_rate : array_like
        Of the telescope [rad/s], shape (T,): moves the line of sight through a layer at the slant distance times this.
    scintillation_index : array_like
        Of the power that the aperture receives [1], shape (T,): an independent log-normal factor of mean 1.
    outer_scale : float
        [m]
    where : str
        Place of the table in the run, for messages.

    Returns
    -------
    ModalCoupling or PupilCoupling
        Transmittance from the light in the aperture to the light in the fibre.

    Raises
    ------
    UserError
        A bandwidth or delay without any wind; D/r0 above 30; static error above 1 rad.

    Notes
    -----
    Errors of the correction add, mode by mode (`adaptive_optics`): loop or delay, direction, noise.
    """
    own = record.si
    strength: Floats = aperture / np.atleast_1d(np.asarray(fried_parameter, dtype=np.float64))
    orders = np.arange(1, int(zernike_orders(record.corrected_modes)[0][-1]) + 1)
    distance, speed = _layers(elevation, layer_height=layer_height, layer_wind=layer_wind, slew_rate=slew_rate)
    unit = np.zeros((strength.size, orders.size))
    if orders.size and (own.loop_bandwidth is not None or own.delay):
        if not np.any(speed > 0.0):
            key = "loop_bandwidth_hz" if own.loop_bandwidth is not None else "delay_ms"
            raise UserError(f"{where}.{key}: a correction in time needs the wind or the slew of the telescope")
        if own.loop_bandwidth is not None:
            unit += loop_residual(
                orders, wind_speed=speed, weight=layer_weight, bandwidth=own.loop_bandwidth, aperture=aperture
            )
        else:
            unit += shift_residual(orders, shift=speed * own.delay, weight=layer_weight, aperture=aperture)
    if orders.size and own.beacon_angle > 0.0:
        unit += shift_residual(orders, shift=distance * own.beacon_angle, weight=layer_weight, aperture=aperture)
    residual = np.asarray(strength[:, None] ** (5 / 3) * unit)
    if orders.size and own.noise_rms > 0.0:
        modes = zernike_orders(record.corrected_modes)[0][1:]
        noise = noise_residual(modes, total_rms=2.0 * np.pi * own.noise_rms / wavelength)
        residual += noise[np.searchsorted(modes, orders)]
    _check_strength(strength, where=where)
    return coupling_law(
        strength,
        residual=residual,
        ceiling=still_coupling(record, wavelength=wavelength, obscuration=obscuration, where=where),
        mode_ratio=_mode_ratio(record, obscuration=obscuration),
        obscuration=obscuration,
        scintillation_index=scintillation_index,
        outer_scale_over_aperture=outer_scale / aperture,
    )


def still_coupling(record: SingleMode, *, wavelength: float, obscuration: float, where: str = "channel.coupling") -> float:
    """Coupling of a plane wave into the fibre: overlap of the modes, static error, and the fibre's end.

    Parameters are those of `single_mode_law`.

    Returns
    -------
    float
        From the light in the aperture to the light in the fibre [1].

    Raises
    ------
    UserError
        The static error is above 1 rad.
    """
    static = (2.0 * np.pi * record.si.static_rms / wavelength) ** 2
    if static > 1.0:
        raise UserError(
            f"{where}.static_rms_nm = {record.static_rms_nm:g}: {np.sqrt(static):.2f} rad at this wavelength; its loss is "
            "known up to 1 rad"
        )
    overlap = mode_overlap(_mode_ratio(record, obscuration=obscuration), obscuration=obscuration)
    return float(overlap * marechal_coupling(static) * record.fibre_transmittance)


def sky_share(record: SingleMode, *, obscuration: float) -> float:
    """Share of one mode's sky light (`background.single_mode_sky_photon_rate`) that comes out of the fibre [1].

    What of the fibre's mode, sent backwards, leaves the aperture sees the sky (`coupling.mode_throughput`); turbulence and
    errors of the wavefront do not matter, since the sky is as bright beside.
    """
    throughput = mode_throughput(_mode_ratio(record, obscuration=obscuration), obscuration=obscuration)
    return float(throughput * record.fibre_transmittance)


def uplink_law(
    *,
    waist: float,
    fried_parameter: ArrayLike,
    elevation: ArrayLike,
    aperture: float | None = None,
    obscuration: float = 0.0,
    corrected_modes: int = 1,
    point_ahead_angle: ArrayLike = 0.0,
    layer_height: ArrayLike = 0.0,
    layer_weight: ArrayLike = 1.0,
    scintillation_index: ArrayLike = 0.0,
    outer_scale: float = np.inf,
    where: str = "channel",
) -> CouplingLaw:
    r"""Law of an uplink's intensity on the axis over that in vacuum, by reciprocity.

    .. math:: \frac{I}{I_{vac}} = \frac{\left|\int g(r)\, u(r)\, d^2 r\right|^2}{\left|\int g(r)\, d^2 r\right|^2}

    Parameters
    ----------
    waist : float
        1/e^2 intensity radius :math:`W_0` of the collimated beam in the sending aperture [m]; g is its amplitude.
    fried_parameter : array_like
        :math:`r_0` seen from the sender [m], shape (T,).
    elevation : array_like
        [rad], shape (T,).
    aperture : float, optional
        Diameter of the sending telescope [m]; without it no edge cuts the beam.
    obscuration : float
        Diameter of its central obscuration over that of the aperture [1].
    corrected_modes : int
        1: untracked; 3: the tilt of the downlink is applied to the uplink; more: pre-compensation.
    point_ahead_angle : array_like
        Between the downlink that is measured and the uplink [rad], shape (T,).
    layer_height, layer_weight : array_like
        As in `single_mode_law`; used by the point-ahead angle.
    scintillation_index : array_like
        Of a plane wave from above after averaging over the launched mode [1], shape (T,): an independent log-normal factor
        of mean 1.
    outer_scale : float
        [m]
    where : str
        Place of the table in the run, for messages.

    Returns
    -------
    ModalCoupling or PupilCoupling
        Factor on the received power; the mean loss by wander and spreading is in it, that of diffraction and of the
        aperture's edge is not.

    Raises
    ------
    UserError
        The modes complete no radial order, or the beam is too wide against r0.

    Notes
    -----
    u is a plane wave that came down from the satellite: the intensity that a launched mode makes there is what of u couples
    into that mode (Shapiro, J. Opt. Soc. Am. 61, 492 (1971)). The receiver must be small against the speckle on the
    satellite, :math:`\lambda H / 2 W_0`. Against wave optics (HV5/7, 810 nm, zenith, outer scale 50 m) means are within 1 %
    for :math:`W_0` of 5, 10 and 15 cm, and indices without the scintillation factor 0.52, 1.27, 1.58 for 0.56, 1.29, 1.63
    there. Neither log-normal nor gamma-gamma.
    """
    if corrected_modes not in COMPLETE:
        allowed = ", ".join(str(count) for count in COMPLETE[:8])
        raise UserError(f"{where}: {corrected_modes} corrected modes complete no radial order (allowed: {allowed}, ...)")
    diameter = 2.0 * UNTRUNCATED * waist if aperture is None else aperture
    strength = diameter / np.atleast_1d(np.asarray(fried_parameter, dtype=np.float64))
    orders = np.arange(1, int(zernike_orders(corrected_modes)[0][-1]) + 1)
    residual = np.zeros((strength.size, orders.size))
    if orders.size and np.any(np.asarray(point_ahead_angle) > 0.0):
        distance, _ = _layers(elevation, layer_height=layer_height, layer_wind=0.0, slew_rate=0.0)
        shift = distance * np.atleast_1d(np.asarray(point_ahead_angle, dtype=np.float64))[:, None]
        residual += strength[:, None] ** (5 / 3) * shift_residual(
            orders, shift=shift, weight=layer_weight, aperture=diameter
        )
    _check_strength(strength, where=where)
    return coupling_law(
        strength,
        residual=residual,
        ceiling=1.0,
        mode_ratio=0.5 * diameter / waist,
        obscuration=obscuration,
        scintillation_index=scintillation_index,
        outer_scale_over_aperture=outer_scale / diameter,
    )


def _mode_ratio(record: SingleMode, *, obscuration: float) -> float:
    """Given, or the best one in still air."""
    return float(best_mode_ratio(obscuration)) if record.mode_ratio is None else record.mode_ratio


def _layers(
    elevation: ArrayLike, *, layer_height: ArrayLike, layer_wind: ArrayLike, slew_rate: ArrayLike
) -> tuple[Floats, Floats]:
    """Slant distance of each layer [m] and speed of the line of sight in it [m/s], (T, L)."""
    sine = np.sin(np.atleast_1d(np.asarray(elevation, dtype=np.float64)))[:, None]
    distance = np.atleast_1d(np.asarray(layer_height, dtype=np.float64)) / sine
    slew = np.atleast_1d(np.asarray(slew_rate, dtype=np.float64))[:, None]
    return distance, np.atleast_1d(np.asarray(layer_wind, dtype=np.float64)) + slew * distance


def _check_strength(strength: Floats, *, where: str) -> None:
    largest = float(np.max(strength, initial=0.0))
    if not largest <= GRIDS[-1][0]:
        raise UserError(
            f"{where}: the aperture is {largest:.3g} Fried parameters wide; coupling is computed up to {GRIDS[-1][0]:g}: "
            "use a smaller aperture or a larger minimum elevation"
        )
