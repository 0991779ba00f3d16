"""Scintillation of a downlink after weak-fluctuation theory: profile, Rytov variance, aperture-averaged index."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field

from qphys.channels.interpolation import through_nodes
from qphys.channels.quadrature import panels
from qphys.record import Record
from qphys.stages import Floats

RYTOV_LIMIT: Final = 1.0
"""Plane-wave Rytov variance up to which weak-fluctuation theory is used."""

MINIMUM_ELEVATION: Final = np.deg2rad(15.0)
"""Elevation above which the plane atmosphere (path = height / sin elevation) holds for these integrals [rad]."""

PROFILE_TOP: Final = 60e3
"""Height above the station at which the profile ends [m]."""


class HufnagelValley(Record):
    """Turbulence by the profile of ITU-R P.1621."""

    kind: Literal["hufnagel-valley"]
    rms_wind_m_per_s: Annotated[float, Field(ge=0)]
    """Root mean square of the wind between 5 and 20 km; with a ground wind v, P.1621 takes sqrt(v^2 + 30.69 v + 348.91)."""
    ground_cn2: Annotated[float, Field(ge=0)]
    """Structure constant at the ground, above the 2.7e-16 of the profile itself [m^(-2/3)]."""


class GivenIndex(Record):
    """Turbulence by a measured scintillation index of the received power, the same at every elevation."""

    kind: Literal["index"]
    scintillation_index: Annotated[float, Field(ge=0, le=3)]


Turbulence = HufnagelValley | GivenIndex


def structure_constant(height: ArrayLike, *, rms_wind: float, ground_cn2: float) -> Floats:
    r"""Hufnagel-Valley profile of the refractive-index structure constant as ITU-R P.1621 writes it.

    .. math:: C_n^2 = 8.148 \times 10^{-56}\, v^2 h^{10} e^{-h/1000} + 2.7 \times 10^{-16} e^{-h/1500} + C_0 e^{-h/100}

    Parameters
    ----------
    height : array_like
        Height above the station [m].
    rms_wind : float
        :math:`v` [m/s]; 21 with :math:`C_0 = 1.7 \times 10^{-14}` is HV5/7.
    ground_cn2 : float
        :math:`C_0` [m^(-2/3)].

    Returns
    -------
    ndarray
        [m^(-2/3)].

    Notes
    -----
    Recommendation ITU-R P.1621-2, structure constant of the refractive index. Equal to Hufnagel (1974) and Valley (1980) to
    1e-5. One profile for all nights: fits to single passes scatter by 30 % (Knoedler and Moll 2021).
    """
    h = np.asarray(height, dtype=np.float64)
    # h^10 overflows no double, but 1e-56 h^10 in this order keeps the digits
    wind_layer = 8.148e-56 * rms_wind**2 * h**10 * np.exp(-h / 1000.0)
    return np.asarray(wind_layer + 2.7e-16 * np.exp(-h / 1500.0) + ground_cn2 * np.exp(-h / 100.0), dtype=np.float64)


def rytov_variance(elevation: ArrayLike, *, wavelength: float, rms_wind: float, ground_cn2: float) -> Floats:
    r"""Rytov variance of a plane wave from space, the scintillation index of a point receiver in weak turbulence.

    .. math:: \sigma_R^2 = 2.25\, k^{7/6} (\sin e)^{-11/6} \int C_n^2(h)\, h^{5/6}\, dh

    Parameters
    ----------
    elevation : array_like
        Elevation :math:`e` [rad], above 15 degrees.
    wavelength : float
        Vacuum wavelength [m], :math:`k = 2 \pi / \lambda`.
    rms_wind, ground_cn2 : float
        As in `structure_constant`.

    Returns
    -------
    ndarray
        [1].

    Notes
    -----
    Andrews and Phillips, *Laser Beam Propagation through Random Media* (2005), chapter 12; Recommendation ITU-R P.1622
    (constant 2.253 there).
    """
    heights, weights = _heights()
    profile = weights * structure_constant(heights, rms_wind=rms_wind, ground_cn2=ground_cn2)
    moment = float(np.sum(profile * heights ** (5 / 6)))
    wavenumber = 2.0 * np.pi / wavelength
    slant = 1.0 / np.sin(np.asarray(elevation, dtype=np.float64))
    return np.asarray(2.25 * wavenumber ** (7 / 6) * slant ** (11 / 6) * moment, dtype=np.float64)


def scintillation_index(
    elevation: ArrayLike, *, wavelength: float, aperture: float, rms_wind: float, ground_cn2: float
) -> Floats:
    r"""Aperture-averaged scintillation index of a plane wave from space, by the exact integral of weak theory.

    .. math:: \sigma_I^2(D) = 8 \pi^2\, 0.033\, k^2 \int dz\, C_n^2 \int d\kappa\, \kappa^{-8/3}
              \left[1 - \cos\frac{\kappa^2 z}{k}\right] \left[\frac{2 J_1(\kappa D/2)}{\kappa D / 2}\right]^2,
              \quad z = \frac{h}{\sin e}

    Parameters
    ----------
    elevation : array_like
        Elevation :math:`e` [rad], above 15 degrees.
    wavelength : float
        Vacuum wavelength [m].
    aperture : float
        Diameter :math:`D` of the receiving aperture [m]; a central obscuration is not seen.
    rms_wind, ground_cn2 : float
        As in `structure_constant`.

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
    from scipy.interpolate import CubicSpline

    heights, weights = _heights()
    profile = weights * structure_constant(heights, rms_wind=rms_wind, ground_cn2=ground_cn2)
    slant = 1.0 / np.sin(np.asarray(elevation, dtype=np.float64))
    wavenumber = 2.0 * np.pi / wavelength
    fresnel = 4.0 * heights / (wavenumber * aperture**2)
    ends = np.log(fresnel[0]), np.log(fresnel[-1] * float(np.max(slant, initial=1.0)))
    grid = np.linspace(ends[0] - 0.1, ends[1] + 0.1, 32 + int(6.0 * (ends[1] - ends[0])))
    spline = CubicSpline(grid, np.log(filtered_layer(np.exp(grid))))
    factor = 8.0 * np.pi**2 * 0.033 * wavenumber**2 * (aperture / 2.0) ** (5 / 3)

    def logarithm(log_slant: Floats) -> Floats:
        layers = profile * np.exp(spline(log_slant[:, None] + np.log(fresnel)))
        return np.asarray(log_slant[:, None] + np.log(factor * np.sum(layers, axis=-1, keepdims=True)))

    log_index = through_nodes(logarithm, np.log(slant).ravel(), number=20, tolerance=1e-8)
    return np.asarray(np.exp(log_index), dtype=np.float64).reshape(slant.shape)


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


def _heights() -> tuple[Floats, Floats]:
    """Heights and weights of the integral over the profile; cubed, since it varies within 100 m at the ground."""
    x, weights = panels(np.linspace(0.0, 1.0, 11))
    return PROFILE_TOP * x**3, weights * 3.0 * PROFILE_TOP * x**2
