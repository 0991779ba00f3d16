r"""Continuous pair sources: singles, coincidences, accidentals and the coincidence window.

Formulas of S. P. Neumann et al., Phys. Rev. A 104, 022406 (2021), for pairs that come at a rate B, arms that detect a
photon with probability :math:`\eta_A, \eta_B`, and a coincidence window of full width :math:`t_{CC}`. They are the limit of
few pairs a window; the simulation itself uses the whole click patterns.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from qphys.constants import SPEED_OF_LIGHT
from qphys.stages import Floats

FWHM_PER_RMS: Final = float(2.0 * np.sqrt(2.0 * np.log(2.0)))
"""Full width at half maximum of a Gaussian over its root mean square: 2.355."""


def combined_fwhm(*jitter_fwhm: ArrayLike) -> Floats:
    r"""Width of the time between the two clicks of a pair.

    .. math:: t_\Delta = \sqrt{\textstyle\sum_k t_k^2}

    Parameters
    ----------
    *jitter_fwhm : array_like
        :math:`t_k` [s]: full width at half maximum of each Gaussian contribution: both detectors, both time taggers,
        dispersion, clock.

    Returns
    -------
    ndarray
        :math:`t_\Delta` [s], full width at half maximum.

    Examples
    --------
    >>> float(combined_fwhm(3e-10, 4e-10))
    5e-10
    """
    squares = [np.asarray(width, dtype=np.float64) ** 2 for width in jitter_fwhm]
    width: Floats = np.sqrt(np.sum(np.stack(np.broadcast_arrays(*squares)), axis=0))
    return width


def coincidence_fraction(window: ArrayLike, jitter_fwhm: ArrayLike, *, delay: ArrayLike = 0.0) -> Floats:
    r"""Part of the true coincidences that fall into the coincidence window.

    .. math::
        \eta_{t_{CC}} = \tfrac12 \left[ \mathrm{erf}\!\left(\sqrt{\ln 2}\,\frac{t_{CC} + 2\delta}{t_\Delta}\right)
        + \mathrm{erf}\!\left(\sqrt{\ln 2}\,\frac{t_{CC} - 2\delta}{t_\Delta}\right) \right]

    With :math:`\delta = 0` this is :math:`\mathrm{erf}(\sqrt{\ln 2}\, t_{CC} / t_\Delta)`.

    Parameters
    ----------
    window : array_like
        :math:`t_{CC}` [s], full width of the window, not negative.
    jitter_fwhm : array_like
        :math:`t_\Delta` [s], full width at half maximum of the time between the clicks, of both sides together; 0: none.
    delay : array_like, optional
        :math:`\delta` [s]: centre of the window from that of the coincidences. As a function of it, this is a delay scan.

    Returns
    -------
    ndarray
        [1].

    Notes
    -----
    Neumann et al. 2021 at :math:`\delta = 0`. A Gaussian time between the clicks; detectors with tails lose more.

    Examples
    --------
    >>> round(float(coincidence_fraction(1e-9, 1e-9)), 4)
    0.761
    """
    from scipy.special import erf

    window, width, delay = np.broadcast_arrays(*(np.asarray(x, dtype=np.float64) for x in (window, jitter_fwhm, delay)))
    right, left = window + 2.0 * delay, window - 2.0 * delay
    spread = width > 0.0
    scale = np.sqrt(np.log(2.0)) / np.where(spread, width, 1.0)
    fraction: Floats = 0.5 * np.where(spread, erf(scale * right) + erf(scale * left), np.sign(right) + np.sign(left))
    return fraction


def drifting_coincidence_fraction(
    window: ArrayLike, jitter_fwhm: ArrayLike, *, first_delay: ArrayLike, last_delay: ArrayLike
) -> Floats:
    r"""Part of the true coincidences inside a window whose delay drifts evenly from one value to another.

    .. math::
        \bar\eta_{t_{CC}} = \frac{1}{\delta_2 - \delta_1} \int_{\delta_1}^{\delta_2} \eta_{t_{CC}}(\delta)\, d\delta
        = \frac{G(t_{CC} + 2\delta_2) - G(t_{CC} + 2\delta_1) - G(t_{CC} - 2\delta_2) + G(t_{CC} - 2\delta_1)}
        {4 (\delta_2 - \delta_1)},
        \qquad G(x) = x\,\mathrm{erf}(a x) + \frac{e^{-a^2 x^2}}{a \sqrt\pi}, \quad a = \frac{\sqrt{\ln 2}}{t_\Delta} .

    Parameters
    ----------
    window : array_like
        :math:`t_{CC}` [s], full width of the window, positive.
    jitter_fwhm : array_like
        :math:`t_\Delta` [s], full width at half maximum of the time between the clicks; 0: none, and G(x) = abs(x).
    first_delay, last_delay : array_like
        :math:`\delta_1, \delta_2` [s]: centre of the window from that of the coincidences, right after a correction and
        just before the next one.

    Returns
    -------
    ndarray
        [1]; :func:`coincidence_fraction` where the delay does not move.

    Notes
    -----
    The mean of :func:`coincidence_fraction`, derived here. G would cancel where the delay moves by less than a hundredth
    of the window and of the jitter; there eight points of Gauss's rule give the mean to rounding, but for an edge without
    jitter, where G is exact.

    Examples
    --------
    A window of 2.5 ns that is left behind by 5 ns between two corrections, from its centre, keeps the first quarter.

    >>> round(float(drifting_coincidence_fraction(2.5e-9, 0.0, first_delay=0.0, last_delay=5e-9)), 12)
    0.25
    """
    from scipy.special import erf

    t, width, first, last = np.broadcast_arrays(
        *(np.asarray(x, dtype=np.float64) for x in (window, jitter_fwhm, first_delay, last_delay))
    )
    points, weights = np.polynomial.legendre.leggauss(8)
    middle, half = 0.5 * (first + last)[..., None], 0.5 * (last - first)[..., None]
    few = 0.5 * np.sum(weights * coincidence_fraction(t[..., None], width[..., None], delay=middle + half * points), axis=-1)
    spread = width > 0.0
    a = np.sqrt(np.log(2.0)) / np.where(spread, width, 1.0)

    def integral(x: Floats) -> Floats:
        smooth = x * erf(a * x) + np.exp(-((a * x) ** 2)) / (a * np.sqrt(np.pi))
        found: Floats = np.where(spread, smooth, np.abs(x))
        return found

    moved = last - first
    area = integral(t + 2 * last) - integral(t + 2 * first) - integral(t - 2 * last) + integral(t - 2 * first)
    with np.errstate(divide="ignore", invalid="ignore"):
        wide = area / (4.0 * moved)
    still = np.abs(moved) < 0.01 * np.where(spread, np.minimum(width, t), 1e-6 * t)
    fraction: Floats = np.clip(np.where(still, few, wide), 0.0, 1.0)
    return fraction


def singles_rate(pair_rate: ArrayLike, efficiency: ArrayLike, *, noise_rate: ArrayLike) -> Floats:
    r"""Clicks of one arm.

    .. math:: S = B \eta + D

    Parameters
    ----------
    pair_rate : array_like
        B [1/s]: pairs that the source makes.
    efficiency : array_like
        :math:`\eta` [1]: probability that a photon of a pair makes a click in this arm, all losses included.
    noise_rate : array_like
        D [1/s]: dark and sky counts of the arm.

    Returns
    -------
    ndarray
        S [1/s].

    Notes
    -----
    Neumann et al. 2021.
    """
    B, eta, D = (np.asarray(x, dtype=np.float64) for x in (pair_rate, efficiency, noise_rate))
    singles: Floats = B * eta + D
    return singles


def accidental_rate(singles_rate_alice: ArrayLike, singles_rate_bob: ArrayLike, *, window: ArrayLike) -> Floats:
    r"""Coincidences of clicks that do not belong together.

    .. math:: CC_{acc} = S_A S_B\, t_{CC}

    Parameters
    ----------
    singles_rate_alice, singles_rate_bob : array_like
        :math:`S_A, S_B` [1/s].
    window : array_like
        :math:`t_{CC}` [s], full width.

    Returns
    -------
    ndarray
        [1/s].

    Notes
    -----
    Neumann et al. 2021; for independent clicks, :math:`S t_{CC} \ll 1`. It counts the clicks of true coincidences
    among the singles, as a measurement with shifted windows does.
    """
    S_A, S_B, t = (np.asarray(x, dtype=np.float64) for x in (singles_rate_alice, singles_rate_bob, window))
    accidentals: Floats = S_A * S_B * t
    return accidentals


def coincidence_rate(
    pair_rate: ArrayLike,
    efficiency_alice: ArrayLike,
    efficiency_bob: ArrayLike,
    *,
    fraction: ArrayLike,
    accidentals: ArrayLike,
) -> Floats:
    r"""Measured coincidences, true and accidental.

    .. math:: CC_m = \eta_{t_{CC}}\, B \eta_A \eta_B + CC_{acc}

    Parameters
    ----------
    pair_rate : array_like
        B [1/s].
    efficiency_alice, efficiency_bob : array_like
        :math:`\eta_A, \eta_B` [1].
    fraction : array_like
        :math:`\eta_{t_{CC}}` [1], from :func:`coincidence_fraction`.
    accidentals : array_like
        :math:`CC_{acc}` [1/s], from :func:`accidental_rate`.

    Returns
    -------
    ndarray
        [1/s].

    Notes
    -----
    Neumann et al. 2021.
    """
    B, eta_A, eta_B, eta_t, CC_acc = (
        np.asarray(x, dtype=np.float64) for x in (pair_rate, efficiency_alice, efficiency_bob, fraction, accidentals)
    )
    coincidences: Floats = eta_t * B * eta_A * eta_B + CC_acc
    return coincidences


def error_rate(coincidences: ArrayLike, accidentals: ArrayLike, *, polarization_error: ArrayLike) -> Floats:
    r"""Error rate of the sifted bits.

    .. math:: E = \frac{(CC_m - CC_{acc})\, e_{pol} + \tfrac12 CC_{acc}}{CC_m}

    Parameters
    ----------
    coincidences : array_like
        :math:`CC_m` [1/s], from :func:`coincidence_rate`.
    accidentals : array_like
        :math:`CC_{acc}` [1/s].
    polarization_error : array_like
        :math:`e_{pol}` [1]: error rate of the true coincidences.

    Returns
    -------
    ndarray
        E [1].

    Notes
    -----
    Neumann et al. 2021. Half of the accidentals are errors, not three quarters: those in different bases are sifted
    away with the true ones.
    """
    CC_m, CC_acc, e_pol = (np.asarray(x, dtype=np.float64) for x in (coincidences, accidentals, polarization_error))
    error: Floats = ((CC_m - CC_acc) * e_pol + 0.5 * CC_acc) / CC_m
    return error


def coincidence_to_accidental_ratio(coincidences: ArrayLike, accidentals: ArrayLike) -> Floats:
    r"""True over accidental coincidences.

    .. math:: \mathrm{CAR} = \frac{CC_m - CC_{acc}}{CC_{acc}}

    Parameters
    ----------
    coincidences : array_like
        :math:`CC_m`: all that are measured, rate or number.
    accidentals : array_like
        :math:`CC_{acc}`: accidental ones, as shifted windows count them; positive.

    Returns
    -------
    ndarray
        [1]. Some papers print :math:`CC_m / CC_{acc}`, larger by 1.
    """
    CC_m, CC_acc = (np.asarray(x, dtype=np.float64) for x in (coincidences, accidentals))
    ratio: Floats = (CC_m - CC_acc) / CC_acc
    return ratio


def heralding_efficiency(
    coincidences: ArrayLike, partner_singles: ArrayLike, *, accidentals: ArrayLike, partner_noise: ArrayLike
) -> Floats:
    r"""Efficiency of an arm from counts alone (Klyshko).

    .. math:: \eta_A = \frac{CC_m - CC_{acc}}{S_B - D_B}

    Parameters
    ----------
    coincidences : array_like
        :math:`CC_m`, rate or number.
    partner_singles : array_like
        :math:`S_B`: clicks of the other arm.
    accidentals : array_like
        :math:`CC_{acc}`.
    partner_noise : array_like
        :math:`D_B`: dark and sky counts of the other arm.

    Returns
    -------
    ndarray
        [1]: the arm's efficiency times the part of the coincidences inside the window.

    Notes
    -----
    D. N. Klyshko, Sov. J. Quantum Electron. 10, 1112 (1980).
    """
    CC_m, S_B, CC_acc, D_B = (
        np.asarray(x, dtype=np.float64) for x in (coincidences, partner_singles, accidentals, partner_noise)
    )
    efficiency: Floats = (CC_m - CC_acc) / (S_B - D_B)
    return efficiency


def flight_time_drift(range_rate_alice: ArrayLike, range_rate_bob: ArrayLike) -> Floats:
    r"""Drift of the delay between the arms along a pass.

    .. math:: \dot\delta = (\dot R_A - \dot R_B) / c

    Parameters
    ----------
    range_rate_alice, range_rate_bob : array_like
        :math:`\dot R` [m/s] of each arm; 0 for a photon that stays on board.

    Returns
    -------
    ndarray
        [s/s]. Times the age of the last correction it is the `delay` of :func:`coincidence_fraction`.

    Examples
    --------
    One arm at 7 km/s moves a window of 2.5 ns by a tenth in 11 microseconds.

    >>> round(0.1 * 2.5e-9 / float(flight_time_drift(7e3, 0.0)) * 1e6, 1)
    10.7
    """
    drift: Floats = (
        np.asarray(range_rate_alice, dtype=np.float64) - np.asarray(range_rate_bob, dtype=np.float64)
    ) / SPEED_OF_LIGHT
    return drift
