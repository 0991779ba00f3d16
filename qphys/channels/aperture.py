"""What a telescope's edge and hole leave of fluctuations of every size, and of the scintillation of a thin layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qphys.channels.quadrature import panels
from qphys.stages import Floats

_CYCLES: Final = 2.0 * np.pi * 16.0
"""Phase after which a cosine is left out: the next term of the end is 2e-6 of the integral, for the sine is 0 there."""

_PANELS: Final = np.linspace(0.0, 1.0, 161)

_END: Final = 160.0
"""Argument at which the window that fades out the Bessel functions ends; it begins at half."""


def circular(argument: ArrayLike) -> Floats:
    r"""Response of a disc to a wave across it, :math:`2 J_1(t)/t` with :math:`t = \kappa D / 2`; 1 for long waves."""
    from scipy.special import j1

    t = np.asarray(argument, dtype=np.float64)
    small = np.abs(t) < 1e-4
    safe = np.where(small, 1.0, t)
    return np.asarray(np.where(small, 1.0 - t**2 / 8.0, 2.0 * j1(safe) / safe))


def annular(argument: ArrayLike, *, obscuration: float) -> Floats:
    r"""Response of an annulus to a wave across it.

    .. math:: A(t) = \frac{1}{1 - \epsilon^2}
              \left[\frac{2 J_1(t)}{t} - \epsilon^2\, \frac{2 J_1(\epsilon t)}{\epsilon t}\right],
              \qquad t = \frac{\kappa D}{2}

    Parameters
    ----------
    argument : array_like
        :math:`t` [1].
    obscuration : float
        Diameter of the central obscuration over that of the aperture, :math:`\epsilon` [1].

    Returns
    -------
    ndarray
        :math:`A` [1]; 1 for long waves.
    """
    whole = circular(argument)
    if obscuration == 0.0:
        return whole
    hole = obscuration**2
    return np.asarray((whole - hole * circular(obscuration * np.asarray(argument))) / (1.0 - hole))


def fresnel_integral(
    weight: Callable[[Floats, NDArray[np.int64]], Floats],
    rate: Floats,
    *,
    start: ArrayLike = 0.0,
    end: ArrayLike = _END,
) -> Floats:
    r"""Integrals of a filter against the scintillation of a thin layer.

    .. math:: \int_0^{\infty} w(t) \left[1 - \cos q t^2\right] d\eta, \qquad t^2 = t_0^2 + \eta^2

    Parameters
    ----------
    weight : callable
        :math:`w(t)`, from arguments, shape (R, K), and the rows they belong to, shape (R,); negligible beyond `end`.
    rate : ndarray
        :math:`q` of each row [1], above 0, shape (M,).
    start : array_like
        :math:`t_0` of each row [1].
    end : array_like
        Where :math:`\eta` ends, of each row [1].

    Returns
    -------
    ndarray
        Shape (M,), to about 1e-6 where the weight is smooth over a hundredth of the range.

    Notes
    -----
    Gauss-Legendre panels in the fifth root of :math:`\eta`, up to where the cosine has gone through 16 cycles; beyond it the
    cosine is left out, and the rest taken in the logarithm where it spans many decades.
    """
    first = np.broadcast_to(np.asarray(start, dtype=np.float64), rate.shape)
    last = np.broadcast_to(np.asarray(end, dtype=np.float64), rate.shape)
    rows = np.arange(rate.size)
    cycled = np.sqrt(np.maximum(_CYCLES / rate - first**2, 0.0))
    middle = np.minimum(cycled, last)
    x, step = panels(_PANELS)

    def between(low: Floats, high: Floats, at: NDArray[np.int64], *, fringes: bool) -> Floats:
        """In the fifth root of the distance, from the lower end."""
        a, b = low[at, None] ** 0.2, high[at, None] ** 0.2
        root = a + (b - a) * x
        t = np.sqrt(first[at, None] ** 2 + root**10)
        values = weight(t, at)
        if fringes:
            values = values * 2.0 * np.sin(0.5 * rate[at, None] * t**2) ** 2
        return np.asarray(np.sum(step * (b - a) * 5.0 * root**4 * values, axis=-1))

    total = np.zeros(rate.shape)
    inside = rows[middle > 0.0]
    total[inside] += between(np.zeros(rate.shape), middle, inside, fringes=True)
    outside = rows[middle < last]
    if outside.size:
        total[outside] += between(middle, last, outside, fringes=False)
    return total


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


def layer_integral(argument: ArrayLike, *, power: int, obscuration: float = 0.0, outer_number: ArrayLike = 0.0) -> Floats:
    r"""Weight of a thin layer in the index (power 1) and in its integral over time (power 0) of an annular aperture.

    .. math:: g_m(q) = \int_0^\infty t^m \left(t^2 + \tau^2\right)^{-11/6} \left[1 - \cos(q t^2)\right] A(t)^2\, dt,
              \qquad q = \frac{4 z}{k D^2}, \quad \tau = \frac{\pi D}{L_0}

    Parameters
    ----------
    argument : array_like
        :math:`q`, above 0 [1].
    power : int
        :math:`m`, 0 or 1.
    obscuration : float
        Diameter of the central obscuration over that of the aperture [1].
    outer_number : array_like
        :math:`\tau` [1], one or of the shape of the argument; 0 for a Kolmogorov spectrum.

    Returns
    -------
    ndarray
        [1], to a relative 1e-5 for :math:`q \tau^2 = 2 \pi \lambda z / L_0^2` up to 1: Fresnel zones below the outer scale.

    Notes
    -----
    The square of the annulus' response is that of the disc, that of the hole, which is the disc's with other arguments, and
    a cross term, which oscillates and may be faded out by a window. The disc's with power 1 and no outer scale is the closed
    function `filtered_layer`; an outer scale changes it by an integral that falls off as :math:`t^{-23/3}`.
    """
    q = np.atleast_1d(np.asarray(argument, dtype=np.float64)).ravel()
    outer = np.broadcast_to(np.asarray(outer_number, dtype=np.float64), np.shape(argument)).ravel()
    total = _disc(q, power=power, outer_number=outer)
    if obscuration > 0.0:
        hole = obscuration**2

        def cross(t: Floats, rows: NDArray[np.int64]) -> Floats:
            both = circular(t) * circular(obscuration * t)
            return np.asarray(t**power * (t**2 + outer[rows, None] ** 2) ** (-11 / 6) * both * _window(t))

        of_hole = _disc(q / hole, power=power, outer_number=obscuration * outer)
        total = total + obscuration ** (20 / 3 - power) * of_hole - 2.0 * hole * fresnel_integral(cross, q)
        total = total / (1.0 - hole) ** 2
    return total.reshape(np.shape(argument))


def _disc(q: Floats, *, power: int, outer_number: Floats) -> Floats:
    if power == 1:
        kolmogorov = filtered_layer(q)
        if not np.any(outer_number):
            return kolmogorov

        def lacking(t: Floats, rows: NDArray[np.int64]) -> Floats:
            missing = np.expm1(-11 / 6 * np.log1p((outer_number[rows, None] / t) ** 2))
            return np.asarray(t ** (-8 / 3) * missing * circular(t) ** 2)

        return np.asarray(kolmogorov + fresnel_integral(lacking, q))

    def faded(t: Floats, rows: NDArray[np.int64]) -> Floats:
        return np.asarray((t**2 + outer_number[rows, None] ** 2) ** (-11 / 6) * circular(t) ** 2 * _window(t))

    # beyond the window the Bessel function's square is its mean
    t, step = panels(np.linspace(np.log(0.5 * _END), np.log(500.0 * _END), 129))
    t = np.exp(t)
    mean = (1.0 - _window(t)) * t ** (-11 / 3) * 4.0 / (np.pi * t**3) * (1.0 + 3.0 / (8.0 * t**2))
    tail = (2.0 * np.sin(0.5 * q[:, None] * t**2) ** 2) @ (step * t * mean)
    return np.asarray(fresnel_integral(faded, q) + tail)


def _window(t: Floats) -> Floats:
    """1 up to half the end, 0 at the end, flat to fourth order at both."""
    x = np.clip(2.0 * t / _END - 1.0, 0.0, 1.0)
    return np.asarray(1.0 - x**5 * (126.0 - 420.0 * x + 540.0 * x**2 - 315.0 * x**3 + 70.0 * x**4))
