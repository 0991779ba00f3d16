"""Scintillation after weak-fluctuation theory: aperture-averaged index of a downlink of any profile and of a level path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final, Literal

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field

from qphys.channels import path
from qphys.channels.interpolation import through_nodes
from qphys.channels.profiles import Air, AnyProfile
from qphys.channels.quadrature import panels
from qphys.record import Record
from qphys.stages import Floats

RYTOV_LIMIT: Final = 1.0
"""Plane-wave Rytov variance up to which weak-fluctuation theory is used."""

MINIMUM_ELEVATION: Final = path.MINIMUM_ELEVATION
"""Elevation above which the plane atmosphere holds for these integrals [rad]."""


class GivenIndex(Record):
    """Turbulence by a measured scintillation index of the received power, the same at every elevation."""

    kind: Literal["index"]
    scintillation_index: Annotated[float, Field(ge=0, le=3)]


Turbulence = AnyProfile | GivenIndex


def scintillation_index(profile: Air, elevation: ArrayLike, *, wavelength: float, aperture: float) -> Floats:
    r"""Aperture-averaged scintillation index of a plane wave from space, by the exact integral of weak theory.

    .. math:: \sigma_I^2(D) = 8 \pi^2\, 0.033\, k^2 \int dz\, C_n^2 \int d\kappa\, \kappa^{-8/3}
              \left[1 - \cos\frac{\kappa^2 z}{k}\right] \left[\frac{2 J_1(\kappa D/2)}{\kappa D / 2}\right]^2,
              \quad z = \frac{h}{\sin e}

    Parameters
    ----------
    profile : Structure or Layers
        Of the turbulence.
    elevation : array_like
        Elevation :math:`e` [rad], above 15 degrees.
    wavelength : float
        Vacuum wavelength [m].
    aperture : float
        Diameter :math:`D` of the receiving aperture [m]; a central obscuration is not seen.

    Returns
    -------
    ndarray
        Variance of the received power over its squared mean [1].

    Notes
    -----
    Andrews and Phillips (2005), chapter 10, plane wave, Kolmogorov spectrum. For a power-summing detector and
    :math:`\sigma_R^2` up to about 1; against wave optics (HV5/7, 810 nm) it is right within the simulation's error at zenith
    and high by 10 to 16 % at :math:`\sigma_R^2 = 0.96` with D from 0.3 to 1 m. The soft-aperture formula of the same book
    would be off by +15 % at 0.3 m, its large-aperture limit by +30 %. Not for single-mode fibre, nor for an uplink.
    """
    height, strength = path.heights(profile)
    slant = 1.0 / np.sin(np.asarray(elevation, dtype=np.float64))
    if not np.any(strength > 0.0):
        return np.zeros(slant.shape)
    wavenumber = 2.0 * np.pi / wavelength
    fresnel = 4.0 * height / (wavenumber * aperture**2)
    weight = _tabled_filter(fresnel[0], fresnel[-1] * float(np.max(slant, initial=1.0)))
    factor = 8.0 * np.pi**2 * 0.033 * wavenumber**2 * (aperture / 2.0) ** (5 / 3)

    def logarithm(log_slant: Floats) -> Floats:
        layers = strength * np.exp(weight(log_slant[:, None] + np.log(fresnel)))
        return np.asarray(log_slant[:, None] + np.log(factor * np.sum(layers, axis=-1, keepdims=True)))

    log_index = through_nodes(logarithm, np.log(slant).ravel(), number=20, tolerance=1e-8)
    return np.asarray(np.exp(log_index), dtype=np.float64).reshape(slant.shape)


def horizontal_index(
    cn2: ArrayLike, length: float, *, wavelength: float, aperture: float, wave: Literal["plane", "spherical"]
) -> Floats:
    r"""Aperture-averaged scintillation index of a path of constant turbulence, by the exact integral of weak theory.

    .. math:: \sigma_I^2 = 8 \pi^2\, 0.033\, k^2 C_n^2 \int_0^L dz \int d\kappa\, \kappa^{-8/3}
              \left[1 - \cos\frac{\kappa^2 z \xi}{k}\right]
              \left[\frac{2 J_1(\kappa D \xi/2)}{\kappa D \xi / 2}\right]^2

    with z from the receiver and :math:`\xi = 1` for a plane wave, :math:`1 - z/L` for a spherical one.

    Parameters
    ----------
    cn2 : array_like
        Structure constant :math:`C_n^2` [m^(-2/3)].
    length : float
        :math:`L` [m].
    wavelength : float
        Vacuum wavelength [m].
    aperture : float
        Diameter :math:`D` of the receiving aperture [m].
    wave : {"plane", "spherical"}
        The wave at the sender. A beam lies between the two: plane where its Rayleigh range passes L, spherical where it is
        far below.

    Returns
    -------
    ndarray
        Variance of the received power over its squared mean [1], shape of `cn2`.

    Notes
    -----
    Andrews and Phillips (2005), chapters 8 and 10. For :math:`\sigma_R^2` up to about 1
    (`path.horizontal_rytov_variance`, plane wave) and a beam that does not wander against the receiver; no outer scale.
    """
    # both ends vary as a power 5/6: the map is flat to second order there
    x, weights = panels(np.linspace(0.0, 1.0, 11))
    part, step = x**3 * (10.0 - 15.0 * x + 6.0 * x**2), weights * 30.0 * (x * (1.0 - x)) ** 2
    shrink = np.ones(part.shape) if wave == "plane" else (1.0 - x) ** 3 * (1.0 + 3.0 * x + 6.0 * x**2)
    wavenumber = 2.0 * np.pi / wavelength
    fresnel = 4.0 * length * part / (wavenumber * aperture**2 * shrink)
    weight = np.exp(_tabled_filter(fresnel[0], fresnel[-1])(np.log(fresnel)))
    factor = 8.0 * np.pi**2 * 0.033 * wavenumber**2 * (aperture / 2.0) ** (5 / 3)
    one = factor * length * float(np.sum(step * shrink ** (5 / 3) * weight))
    return np.asarray(one * np.asarray(cn2, dtype=np.float64))


def soft_aperture_index(profile: Air, elevation: ArrayLike, *, wavelength: float, aperture: float) -> Floats:
    r"""Index of the same downlink with the book's Gaussian in place of the hard aperture, to compare with others' numbers.

    .. math:: \sigma_I^2 = 8.70\, k^{7/6} \frac{1}{\sin e}\, \mathrm{Re} \int C_n^2
              \left[\left(\frac{k D^2}{16} + i z\right)^{5/6} - \left(\frac{k D^2}{16}\right)^{5/6}\right] dh

    Parameters
    ----------
    profile : Structure or Layers
        Of the turbulence.
    elevation : array_like
        Elevation :math:`e` [rad], above 15 degrees; :math:`z = h/\sin e`.
    wavelength, aperture : float
        [m].

    Returns
    -------
    ndarray
        [1].

    Notes
    -----
    Andrews and Phillips (2005), chapter 12. Against `scintillation_index` (HV5/7, 810 nm, zenith): +2 % at D = 0.05 m, +6 %
    at 0.1 m, +12 to 15 % at 0.3 m, +2 % at 0.6 m, -3 % at 1 m.
    """
    height, strength = path.heights(profile)
    slant = 1.0 / np.sin(np.asarray(elevation, dtype=np.float64))[..., None]
    wavenumber = 2.0 * np.pi / wavelength
    soft = wavenumber * aperture**2 / 16.0
    # the difference of two powers would lose digits where z is small against it
    power = soft ** (5 / 6) * np.expm1(5 / 6 * np.log1p(1j * height * slant / soft)).real
    return np.asarray(8.70 * wavenumber ** (7 / 6) * slant[..., 0] * np.sum(strength * power, axis=-1), dtype=np.float64)


def large_aperture_index(profile: Air, elevation: ArrayLike, *, aperture: ArrayLike) -> Floats:
    r"""Limit of the index for an aperture that is large against the Fresnel zones, the same at every wavelength.

    .. math:: \sigma_I^2 = 17.34\, D^{-7/3} (\sin e)^{-3} \int C_n^2 h^2\, dh

    Parameters
    ----------
    profile : Structure or Layers
        Of the turbulence.
    elevation : array_like
        Elevation :math:`e` [rad], above 15 degrees.
    aperture : array_like
        Diameter :math:`D` [m].

    Returns
    -------
    ndarray
        [1], broadcast.

    Notes
    -----
    Andrews and Phillips (2005), chapter 10; the constant is 17.3408. Too high throughout: by 9 to 11 % at D = 1 m and 30 %
    at 0.3 m (HV5/7, 810 nm).
    """
    slant = 1.0 / np.sin(np.asarray(elevation, dtype=np.float64))
    diameter = np.asarray(aperture, dtype=np.float64)
    return np.asarray(17.34 * diameter ** (-7 / 3) * slant**3 * path.moment(profile, 2.0))


def strong_point_index_estimate(rytov_variance: ArrayLike) -> Floats:
    r"""Index of a point receiver beyond weak turbulence after Andrews and Phillips, whose bias is known and not small.

    .. math:: \sigma_I^2 = \exp\left[\frac{0.49\, \sigma_R^2}{(1 + 1.11\, \sigma_R^{12/5})^{7/6}}
              + \frac{0.51\, \sigma_R^2}{(1 + 0.69\, \sigma_R^{12/5})^{5/6}}\right] - 1

    Parameters
    ----------
    rytov_variance : array_like
        :math:`\sigma_R^2` of a plane wave [1].

    Returns
    -------
    ndarray
        [1]; :math:`\sigma_R^2` in weak turbulence, saturating beyond it.

    Notes
    -----
    Andrews and Phillips (2005), chapter 12 (plane wave, no inner or outer scale). Never a default here. Made for constant
    turbulence; on a downlink it saturates too early: HV5/7, 810 nm, 70 degrees from zenith, :math:`\sigma_R^2 = 0.957` gives
    0.688, weak theory 0.957, and wave optics, converged in grid and pixel, 1.05. At zenith (0.134) all agree.
    """
    variance = np.asarray(rytov_variance, dtype=np.float64)
    large = 0.49 * variance / (1.0 + 1.11 * variance ** (6 / 5)) ** (7 / 6)
    small = 0.51 * variance / (1.0 + 0.69 * variance ** (6 / 5)) ** (5 / 6)
    return np.asarray(np.expm1(large + small), dtype=np.float64)


def filtered_layer(argument: ArrayLike) -> Floats:
    r"""Weight of a thin layer in the aperture-averaged index, as a function of its Fresnel number alone.

    .. math:: g(q) = \int_0^\infty t^{-8/3} \left[1 - \cos(q t^2)\right] \left[\frac{2 J_1(t)}{t}\right]^2 dt,
              \qquad q = \frac{4 z}{k D^2}

    Parameters
    ----------
    argument : array_like
        :math:`q`, above 0 [1].

    Returns
    -------
    ndarray
        :math:`g` [1], to a relative 1e-7.

    Notes
    -----
    With :math:`[2 J_1(t)/t]^2 = {}_1F_2(3/2; 2, 3; -t^2)` it is a 2F2 of :math:`-i/q`. From 0.07 on its series in
    :math:`1/q`, whose constant is the Weber-Schafheitlin integral of :math:`J_1^2 t^{-14/3}` (DLMF 10.22.57); below 0.003
    its asymptotic expansion (DLMF 16.11, without the oscillating part of order :math:`q^{31/6}`); between them by
    Gauss-Legendre panels.
    """
    q = np.atleast_1d(np.asarray(argument, dtype=np.float64))
    return np.piecewise(q, [q < 0.003, q >= 0.07], [_by_asymptote, _by_series, _by_panels]).reshape(np.shape(argument))


def _by_asymptote(q: Floats) -> Floats:
    from scipy.special import gamma

    result = np.zeros(q.shape)
    # of the first row order 0 cancels the constant and order 1 is imaginary
    for own, other, orders in ((-5 / 6, 3 / 2, (2,)), (3 / 2, -5 / 6, (0, 1))):
        for n in orders:
            size = gamma(own + n) * gamma(other - own - n) / (gamma(2 - own - n) * gamma(3 - own - n) * gamma(n + 1))
            power = 5 / 6 + own + n
            result -= (-1.0) ** n * size * np.cos(0.5 * np.pi * power) * q**power
    return np.asarray(result / gamma(3 / 2), dtype=np.float64)


def _by_panels(q: Floats) -> Floats:
    from scipy.special import j1

    # t = u^3 makes the integrand's t^(4/3) at the origin a polynomial
    u, weights = panels(np.linspace(0.0, np.cbrt(160.0), 101))
    kernel = 2.0 * weights * 3.0 * u**2 * u**-8.0 * (2.0 * j1(u**3) / u**3) ** 2
    # beyond the last edge, 1 - cos averages to 1 and the Bessel factor to 4 / (pi t^3)
    return np.asarray(np.sin(0.5 * q[..., None] * u**6) ** 2 @ kernel + 12.0 / (14.0 * np.pi) * 160.0 ** (-14 / 3))


def _by_series(q: Floats) -> Floats:
    from scipy.special import gamma, gammaln

    order = np.arange(60)
    size = np.exp(
        gammaln(2 * order + 3) - gammaln(order + 1) - gammaln(order + 3) - 2 * gammaln(order + 2) - 2 * order * np.log(2.0)
    )
    terms = (-1.0) ** order * size * 0.5 * gamma(order - 5 / 6) * np.cos(0.5 * np.pi * (order - 5 / 6))
    power = q[..., None] ** (5 / 6 - order)
    constant = 4.0 * gamma(14 / 3) * gamma(-5 / 6) / (2.0 ** (14 / 3) * gamma(17 / 6) ** 2 * gamma(23 / 6))
    return np.asarray(constant - np.sum(terms * power, axis=-1), dtype=np.float64)


def _tabled_filter(lowest: float, highest: float) -> Callable[[Floats], Floats]:
    """Logarithm of `filtered_layer` as a spline of the logarithm of its argument, six knots an e-fold (2e-6)."""
    from scipy.interpolate import CubicSpline

    low, high = np.log(lowest), np.log(highest)
    grid = np.linspace(low - 0.1, high + 0.1, 32 + int(6.0 * (high - low)))
    spline: Callable[[Floats], Floats] = CubicSpline(grid, np.log(filtered_layer(np.exp(grid))))
    return spline
