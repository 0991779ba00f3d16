r"""How fast turbulence moves: spectra and correlation times of received power, tilt and wander, by frozen flow.

Each layer drifts across the path as a whole with its wind and the sweep of the line of sight (`profiles.wind_speed`).
Spectra are one-sided: integrated over frequencies from 0 up they give the variance.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qphys.channels import path
from qphys.channels.aperture import annular, circular, fresnel_integral, layer_integral
from qphys.channels.profiles import Air, wind_speed
from qphys.channels.quadrature import panels
from qphys.stages import Floats

_ROWS_AT_ONCE = 1024


def correlation_time(
    profile: Air,
    elevation: ArrayLike,
    *,
    wavelength: float,
    aperture: float,
    ground_wind: ArrayLike,
    slew_rate: ArrayLike = 0.0,
    obscuration: float = 0.0,
    outer_scale: float = np.inf,
) -> Floats:
    r"""Correlation time of the power that a telescope receives from a satellite: the integral of its autocorrelation.

    .. math:: \tau = \int_0^\infty \frac{B(t)}{B(0)}\, dt = \frac{\int dz\, C_n^2\, v^{-1} \int d\kappa\, \kappa^{-11/3}
              \left[1 - \cos\frac{\kappa^2 z}{k}\right] A^2}{\int dz\, C_n^2 \int d\kappa\, \kappa^{-8/3}
              \left[1 - \cos\frac{\kappa^2 z}{k}\right] A^2}

    Parameters
    ----------
    profile : Structure or Layers
        Of the turbulence.
    elevation : array_like
        :math:`e` [rad], from 15 degrees.
    wavelength : float
        Vacuum wavelength [m].
    aperture : float
        Diameter of the receiving aperture [m].
    ground_wind, slew_rate : array_like
        Of the wind :math:`v` (`profiles.wind_speed`) [m/s], [rad/s].
    obscuration, outer_scale : float
        As in `scintillation.scintillation_index`.

    Returns
    -------
    ndarray
        [s], broadcast; NaN without turbulence. An exponential autocorrelation :math:`e^{-t/\tau}` of this time gives counts
        over any longer time the right variance.

    Notes
    -----
    Tatarskii's frozen flow in weak theory: :math:`B(t)` is the integral of the index with :math:`J_0(\kappa v t)` in it
    (`autocovariance`), whose integral over time is :math:`1/\kappa v`. The autocorrelation is no exponential, but its 1/e
    time is 0.96 to 1.15 of this one (HV5/7, D from 0.01 to 1 m, with and without sweep). It is that of the fluctuation by
    turbulence; pointing has its own. Winds that add to the sweep (`profiles.wind_speed`) make it a lower end, by 15 % from a
    low orbit.
    """
    height, strength = path.heights(profile)
    angle, ground, slew = _broadcast(elevation, ground_wind, slew_rate)
    if not np.any(strength > 0.0):
        return np.full(angle.shape, np.nan)
    from scipy.interpolate import CubicSpline

    slant = 1.0 / np.sin(angle)[..., None]
    fresnel = 4.0 * height * slant * wavelength / (2.0 * np.pi * aperture**2)
    low, high = np.log(np.min(fresnel, initial=1.0)), np.log(np.max(fresnel, initial=1.0))
    grid = np.linspace(low - 0.1, high + 0.1, 32 + int(6.0 * (high - low)))
    told = {"obscuration": obscuration, "outer_number": np.pi * aperture / outer_scale}
    index, of_time = (CubicSpline(grid, np.log(layer_integral(np.exp(grid), power=m, **told))) for m in (1, 0))
    speed = wind_speed(height, ground_wind=ground[..., None], slew_rate=slew[..., None], elevation=angle[..., None])
    area = np.sum(strength / speed * np.exp(of_time(np.log(fresnel))), axis=-1)
    return np.asarray(0.5 * aperture * area / np.sum(strength * np.exp(index(np.log(fresnel))), axis=-1), dtype=np.float64)


def autocovariance(
    profile: Air,
    elevation: float,
    *,
    lag: ArrayLike,
    wavelength: float,
    aperture: float,
    ground_wind: float,
    slew_rate: float = 0.0,
    obscuration: float = 0.0,
) -> Floats:
    r"""Autocovariance of the power that a telescope receives from a satellite, over its squared mean.

    .. math:: B(t) = 8 \pi^2\, 0.033\, k^2 \int dz\, C_n^2 \int d\kappa\, \kappa^{-8/3}
              \left[1 - \cos\frac{\kappa^2 z}{k}\right] A^2\, J_0(\kappa v t)

    Parameters
    ----------
    profile : Structure or Layers
        Of the turbulence; a few layers are as good and faster.
    elevation : float
        :math:`e` [rad], from 15 degrees.
    lag : array_like
        :math:`t` [s]; while the air moves by up to about ten apertures.
    wavelength, aperture : float
        [m].
    ground_wind, slew_rate : float
        Of the wind :math:`v` (`profiles.wind_speed`) [m/s], [rad/s].
    obscuration : float
        Diameter of the central obscuration over that of the aperture [1].

    Returns
    -------
    ndarray
        [1], shape of `lag`; at 0 the scintillation index.

    Notes
    -----
    Tatarskii (1971); Kolmogorov spectrum, weak theory, frozen flow.
    """
    from scipy.special import j0

    height, strength, speed, fresnel = _along(
        profile, elevation, wavelength=wavelength, aperture=aperture, ground_wind=ground_wind, slew_rate=slew_rate
    )
    times = np.asarray(lag, dtype=np.float64)
    moved = (2.0 * speed / aperture * times.ravel()[:, None]).ravel()

    def weight(t: Floats, rows: NDArray[np.int64]) -> Floats:
        return np.asarray(t ** (-8 / 3) * annular(t, obscuration=obscuration) ** 2 * j0(moved[rows, None] * t))

    parts = _in_chunks(weight, np.tile(fresnel, times.size), end=np.full(moved.shape, 160.0))
    wavenumber = 2.0 * np.pi / wavelength
    factor = 8.0 * np.pi**2 * 0.033 * wavenumber**2 * (aperture / 2.0) ** (5 / 3) / np.sin(elevation)
    return np.asarray(factor * parts.reshape(times.size, height.size) @ strength).reshape(times.shape)


def power_spectrum(
    profile: Air,
    elevation: float,
    *,
    frequency: ArrayLike,
    wavelength: float,
    aperture: float,
    ground_wind: float,
    slew_rate: float = 0.0,
    obscuration: float = 0.0,
) -> Floats:
    r"""Spectrum of the power that a telescope receives from a satellite, over its squared mean.

    .. math:: W(f) = 32 \pi^2\, 0.033\, k^2 \int dz\, \frac{C_n^2}{v} \int_0^\infty d\kappa_y\, \kappa^{-11/3}
              \left[1 - \cos\frac{\kappa^2 z}{k}\right] A^2, \qquad \kappa^2 = \kappa_y^2 + \left(\frac{2 \pi f}{v}\right)^2

    Parameters
    ----------
    profile : Structure or Layers
        Of the turbulence; a few layers are as good and faster.
    elevation : float
        :math:`e` [rad], from 15 degrees.
    frequency : array_like
        :math:`f` [Hz], above 0, up to about 30 v/D.
    wavelength, aperture, ground_wind, slew_rate, obscuration : float
        As in `autocovariance`.

    Returns
    -------
    ndarray
        [1/Hz], shape of `frequency`, one-sided: the integral is the scintillation index, the value at 0 is four times index
        times `correlation_time`.

    Notes
    -----
    Tatarskii (1971); flat up to about v/D (for a small aperture, to the wind over the Fresnel zone) and falling as
    :math:`f^{-17/3}` beyond (:math:`f^{-8/3}` between the two for a point). Kolmogorov spectrum, weak theory, frozen flow.
    """
    height, strength, speed, fresnel = _along(
        profile, elevation, wavelength=wavelength, aperture=aperture, ground_wind=ground_wind, slew_rate=slew_rate
    )
    rates = np.asarray(frequency, dtype=np.float64)
    start = (np.pi * aperture * rates.ravel()[:, None] / speed).ravel()

    def weight(t: Floats, rows: NDArray[np.int64]) -> Floats:
        return np.asarray(t ** (-11 / 3) * annular(t, obscuration=obscuration) ** 2)

    parts = _in_chunks(weight, np.tile(fresnel, rates.size), start=start, end=4.0 * np.maximum(start, 20.0))
    wavenumber = 2.0 * np.pi / wavelength
    factor = 32.0 * np.pi**2 * 0.033 * wavenumber**2 * (aperture / 2.0) ** (8 / 3) / np.sin(elevation)
    return np.asarray(factor * parts.reshape(rates.size, height.size) @ (strength / speed)).reshape(rates.shape)


def tilt_spectrum(
    profile: Air,
    elevation: float,
    *,
    frequency: ArrayLike,
    aperture: float,
    ground_wind: float,
    slew_rate: float = 0.0,
    tilt: Literal["gradient", "zernike"] = "gradient",
    outer_scale: float = np.inf,
) -> Floats:
    r"""Spectrum of the tilt of the wavefront over an aperture, both axes together.

    .. math:: W(f) = 16 \pi^2\, 0.033 \int dz\, \frac{C_n^2}{v} \int_0^\infty d\kappa_y\, \kappa^2
              \left(\kappa^2 + \kappa_0^2\right)^{-11/6} H\!\left(\frac{\kappa D}{2}\right)^2, \qquad
              H = \frac{2 J_1(t)}{t} \text{ (gradient)}, \ \frac{8 J_2(t)}{t^2} \text{ (Zernike)}

    Parameters
    ----------
    profile : Structure or Layers
        Of the turbulence; a few layers are as good and faster.
    elevation : float
        :math:`e` [rad], from 15 degrees.
    frequency : array_like
        :math:`f` [Hz], above 0, up to about 30 v/D.
    aperture : float
        Diameter :math:`D` [m].
    ground_wind, slew_rate : float
        Of the wind :math:`v` (`profiles.wind_speed`) [m/s], [rad/s].
    tilt : {"gradient", "zernike"}
        Mean slope (what a centroid of the image follows), or the plane that fits best.
    outer_scale : float
        :math:`L_0` [m].

    Returns
    -------
    ndarray
        [rad^2/Hz], shape of `frequency`, one-sided, the same at every wavelength. Without an outer scale the integral is
        0.3638 (Zernike) or 0.3399 (gradient) times :math:`(\lambda/D)^2 (D/r_0)^{5/3}`.

    Notes
    -----
    Tyler, J. Opt. Soc. Am. A 11, 358 (1994); Conan, Rousset and Madec, J. Opt. Soc. Am. A 12, 1559 (1995). Falls as
    :math:`f^{-2/3}` and, beyond a knee at 0.24 v/D, as :math:`f^{-11/3}` (gradient), or beyond 0.44 v/D as :math:`f^{-17/3}`
    (Zernike); with an outer scale it is flat below :math:`v/L_0`. Diffraction by the air itself is left out, which a
    telescope above the size of the Fresnel zones does not see.
    """
    height, strength, speed, _ = _along(
        profile, elevation, wavelength=1.0, aperture=aperture, ground_wind=ground_wind, slew_rate=slew_rate
    )
    rates = np.asarray(frequency, dtype=np.float64)
    start = (np.pi * aperture * rates.ravel()[:, None] / speed).ravel()
    outer = np.pi * aperture / outer_scale
    x, step = panels(np.linspace(0.0, 1.0, 65))
    parts = np.empty(start.shape)
    for first in range(0, start.size, _ROWS_AT_ONCE):
        part = slice(first, first + _ROWS_AT_ONCE)
        end = 4.0 * np.maximum(start[part, None], 10.0)
        # the fifth power spreads the nodes over the decades below the knee
        t = np.hypot(start[part, None], end * x**5)
        response = circular(t) if tilt == "gradient" else _best_plane(t)
        values = t**2 * (t**2 + outer**2) ** (-11 / 6) * response**2
        parts[part] = np.sum(step * 5.0 * x**4 * end * values, axis=-1)
    factor = 16.0 * np.pi**2 * 0.033 * (aperture / 2.0) ** (2 / 3) / np.sin(elevation)
    return np.asarray(factor * parts.reshape(rates.size, height.size) @ (strength / speed)).reshape(rates.shape)


def wander_autocovariance(
    profile: Air,
    elevation: ArrayLike,
    *,
    lag: ArrayLike,
    beam_radius: float,
    ground_wind: ArrayLike,
    slew_rate: ArrayLike = 0.0,
    satellite_height: float = np.inf,
    outer_scale: float = np.inf,
) -> Floats:
    r"""Autocovariance of the direction of an uplink's centroid, per axis.

    .. math:: C(t) = 2 \pi^2\, 0.033 \int dz\, C_n^2 \left(1 - \frac{h}{H}\right)^2 \int d\kappa\, \kappa^3
              \left(\kappa^2 + \kappa_0^2\right)^{-11/6} e^{-\kappa^2 W^2/4} J_0(\kappa v t)

    Parameters
    ----------
    profile : Structure or Layers
        Of the turbulence.
    elevation : array_like
        :math:`e` [rad], from 15 degrees, shape (T,) or any.
    lag : array_like
        :math:`t` [s], shape (K,).
    beam_radius : float
        1/e^2 radius :math:`W` of the beam in the air [m]: that at the telescope, for a beam that keeps it through 20 km.
    ground_wind, slew_rate : array_like
        Of the wind :math:`v` (`profiles.wind_speed`) [m/s], [rad/s].
    satellite_height : float
        :math:`H` [m].
    outer_scale : float
        :math:`L_0` [m].

    Returns
    -------
    ndarray
        [rad^2], shape (T, K). At lag 0 without an outer scale half of :math:`4.568\, W^{-1/3} \int C_n^2 (1-h/H)^2 dz`.

    Notes
    -----
    Frozen flow. The variance is the centroid's; Andrews and Phillips' wander is the hot spot's, :math:`4^{1/3}` times as
    large. W enters as :math:`W^{-1/3}`: a beam that spreads by 40 % on its way out of the air moves the result by 11 % at
    most. Slow to decorrelate: without an outer scale the tail falls as :math:`t^{-1/3}` only.
    """
    angle, ground, slew = _broadcast(elevation, ground_wind, slew_rate)
    times = np.broadcast_to(np.asarray(lag, dtype=np.float64), (*angle.shape, np.size(lag)))
    told = {"beam_radius": beam_radius, "satellite_height": satellite_height, "outer_scale": outer_scale}
    return _wander(profile, angle, times, ground_wind=ground, slew_rate=slew, **told)


def wander_correlation_time(
    profile: Air,
    elevation: ArrayLike,
    *,
    beam_radius: float,
    ground_wind: ArrayLike,
    slew_rate: ArrayLike = 0.0,
    satellite_height: float = np.inf,
    outer_scale: float = np.inf,
) -> Floats:
    r"""Time after which the autocovariance of an uplink's wander has fallen to 1/e.

    Parameters
    ----------
    profile, elevation, beam_radius, ground_wind, slew_rate, satellite_height, outer_scale
        As in `wander_autocovariance`.

    Returns
    -------
    ndarray
        [s], broadcast, to 1e-3; NaN without turbulence.

    Notes
    -----
    The integral of the autocorrelation, which `correlation_time` gives for received power, is infinite for wander without an
    outer scale: its spectrum rises as :math:`f^{-2/3}` towards 0.
    """
    angle, ground, slew = _broadcast(elevation, ground_wind, slew_rate)
    height, strength = path.heights(profile)
    if not np.any(strength > 0.0):
        return np.full(angle.shape, np.nan)
    flat = [v.ravel() for v in (angle, ground, slew)]
    result = np.empty(flat[0].shape)
    told = {"beam_radius": beam_radius, "satellite_height": satellite_height, "outer_scale": outer_scale}
    for first in range(0, result.size, 128):
        at, wind, sweep = (v[first : first + 128] for v in flat)
        speed = wind_speed(height, ground_wind=wind[:, None], slew_rate=sweep[:, None], elevation=at[:, None])
        mean = np.sum(strength * speed, axis=-1) / np.sum(strength)
        times = beam_radius / mean[:, None] * np.concatenate([[0.0], np.geomspace(0.03, 3e3, 120)])
        share = _wander(profile, at, times, ground_wind=wind, slew_rate=sweep, **told)
        share = share / share[:, :1]
        after = np.argmax(share < np.exp(-1.0), axis=-1)
        row = np.arange(at.size)
        upper, lower = share[row, after - 1], share[row, after]
        part = (upper - np.exp(-1.0)) / (upper - lower)
        result[first : first + 128] = times[row, after - 1] * (times[row, after] / times[row, after - 1]) ** part
    return result.reshape(angle.shape)


def _wander(
    profile: Air,
    elevation: Floats,
    times: Floats,
    *,
    beam_radius: float,
    ground_wind: Floats,
    slew_rate: Floats,
    satellite_height: float,
    outer_scale: float,
) -> Floats:
    """Autocovariance at times of shape (*elevation.shape, K)."""
    height, strength = path.heights(profile)
    angle, ground, slew = (v[..., None] for v in (elevation, ground_wind, slew_rate))
    speed = wind_speed(height, ground_wind=ground, slew_rate=slew, elevation=angle)
    weight = strength * np.clip(1.0 - height / satellite_height, 0.0, None) ** 2 / np.sin(elevation)[..., None]
    moved = speed[..., None, :] * times[..., None] / beam_radius
    drift = _drifted(moved, outer_number=2.0 * np.pi * beam_radius / outer_scale)
    factor = 2.0 * np.pi**2 * 0.033 * beam_radius ** (-1 / 3)
    return np.asarray(factor * np.sum(weight[..., None, :] * drift, axis=-1))


def _drifted(moved: Floats, *, outer_number: float) -> Floats:
    r"""Layer's share of wander after a drift by x beam radii, int s^3 (s^2 + tau^2)^(-11/6) exp(-s^2/4) J0(s x) ds."""
    from scipy.interpolate import CubicSpline
    from scipy.special import gamma, j0, kv

    grid = np.linspace(0.0, np.arcsinh(max(float(np.max(moved, initial=0.0)), 1.0)) + 1e-9, 400)
    x = np.sinh(grid)
    values = np.empty(x.shape)
    near = x < 25.0
    y, step = panels(np.linspace(0.0, 1.0, 97))
    # beyond 14 the exponential is 1e-21; the power spreads the nodes towards 0, where the integrand is s^(-2/3)
    s = 14.0 * y**6
    spectrum = step * 84.0 * y**5 * s**3 * (s**2 + outer_number**2) ** (-11 / 6) * np.exp(-0.25 * s**2)
    values[near] = j0(x[near, None] * s) @ spectrum
    # far away the beam is nearly a point: exp(-s^2/4) = 1 - s^2/4 there, and each term is a power or a Bessel function
    far = x[~near]

    def term(order: float) -> Floats:
        """int s (s^2 + tau^2)^(-1 - order) J0(s x) ds."""
        if outer_number == 0.0:
            size = 2.0 ** (-1.0 - 2.0 * order) * gamma(-order) / gamma(1.0 + order)
            return np.asarray(size * far ** (2.0 * order))
        size = (far / (2.0 * outer_number)) ** order / gamma(1.0 + order)
        return np.asarray(size * kv(order, outer_number * far))

    square = outer_number**2
    values[~near] = term(-1 / 6) - 0.25 * (term(-7 / 6) - 2.0 * square * term(-1 / 6))
    if square > 0.0:
        values[~near] -= square * (1.0 + 0.25 * square) * term(5 / 6)
    return np.asarray(CubicSpline(grid, values)(np.arcsinh(moved)))


def _broadcast(*values: ArrayLike) -> tuple[Floats, ...]:
    return tuple(np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in values)))


def _along(
    profile: Air, elevation: float, *, wavelength: float, aperture: float, ground_wind: float, slew_rate: float
) -> tuple[Floats, Floats, Floats, Floats]:
    """Heights, strengths, winds and Fresnel numbers 4 z / k D^2 of the layers along one path, (L,) each."""
    height, strength = path.heights(profile)
    speed = wind_speed(height, ground_wind=ground_wind, slew_rate=slew_rate, elevation=elevation)
    fresnel = 4.0 * height / np.sin(elevation) * wavelength / (2.0 * np.pi * aperture**2)
    return height, strength, speed, fresnel


def _in_chunks(
    weight: Callable[[Floats, NDArray[np.int64]], Floats], rate: Floats, *, end: Floats, start: Floats | None = None
) -> Floats:
    """`aperture.fresnel_integral`, a thousand rows at a time, since each needs some thousand nodes."""
    begin = np.zeros(rate.shape) if start is None else start
    parts = [np.empty(0)]
    for first in range(0, rate.size, _ROWS_AT_ONCE):
        part = slice(first, first + _ROWS_AT_ONCE)

        def own(t: Floats, rows: NDArray[np.int64], first: int = first) -> Floats:
            return weight(t, rows + first)

        parts.append(fresnel_integral(own, rate[part], start=begin[part], end=end[part]))
    return np.concatenate(parts)


def _best_plane(t: Floats) -> Floats:
    """Response of the plane that fits a wave best, 8 J2(t) / t^2."""
    from scipy.special import jv

    small = t < 1e-3
    safe = np.where(small, 1.0, t)
    return np.asarray(np.where(small, 1.0 - t**2 / 12.0, 8.0 * jv(2, safe) / safe**2))
