"""The law of transmittance that a regime asks for, with the sentence that names it."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from qphys.channels.beam import long_term_radius, short_term_radius
from qphys.channels.laws import BeamWanderMarcum, Beta, GammaGamma, Law, LogNormal, Pointing, Product, TotalProbability
from qphys.channels.laws.law import of_steps
from qphys.stages import Floats

WEAK_RYTOV: Final = 1.0
"""Rytov variance up to which fluctuations are taken as weak."""

POINT_RECEIVER: Final = 0.5
"""Aperture over Fresnel zone up to which a receiver is taken as a point."""


NARROW_LAUNCH: Final = 0.5
"""Launch radius over Fried parameter up to which an uplink wanders more than it breaks up."""


class Choice(NamedTuple):
    """A law and why it was taken."""

    law: Law
    reason: str
    """One sentence: regime, law, validity and bias; results carry it."""


def downlink_law(
    mean: ArrayLike,
    scintillation_index: ArrayLike,
    *,
    rytov_variance: ArrayLike,
    aperture: ArrayLike,
    fresnel_zone: ArrayLike,
    upper: ArrayLike = 1.0,
) -> Choice:
    r"""Law of a downlink into a receiver that sums power.

    Parameters
    ----------
    mean : array_like
        Mean transmittance [1], shape (T,).
    scintillation_index : array_like
        Aperture-averaged index [1], shape (T,).
    rytov_variance : array_like
        Plane-wave Rytov variance [1], shape (T,).
    aperture : array_like
        Diameter of the receiver [m].
    fresnel_zone : array_like
        :math:`\sqrt{\lambda h / \sin e}` of the turbulent layer that matters [m], shape (T,).
    upper : array_like
        Largest transmittance [1], shape (T,).

    Returns
    -------
    Choice
        Weak fluctuations (Rytov variance up to 1 at every step): log-normal. Stronger ones: gamma-gamma of the plane wave
        for a receiver below half the Fresnel zone, else beta with the given moments.

    Notes
    -----
    One kind of law holds for all steps, chosen by the worst, so that a pass has no seam.
    """
    m, index, rytov, size, zone, limit = of_steps(mean, scintillation_index, rytov_variance, aperture, fresnel_zone, upper)
    largest, shown = _largest(rytov), f"Rytov variance up to {_largest(rytov):.2f}"
    if largest <= WEAK_RYTOV:
        return _named(LogNormal(m, np.log1p(index), upper=limit), f"downlink in weak fluctuations ({shown})")
    if _largest(size / zone) <= POINT_RECEIVER:
        return _named(GammaGamma.of_plane_wave(m, rytov), f"downlink to a receiver below the Fresnel zone ({shown})")
    return _named(Beta(m, index), f"downlink in moderate to strong fluctuations ({shown}), index as given")


def level_law(
    mean: ArrayLike,
    scintillation_index: ArrayLike,
    *,
    rytov_variance: ArrayLike,
    aperture_radius: ArrayLike,
    wander: ArrayLike,
) -> Choice:
    """Law of a level path whose beam is comparable with the aperture.

    Parameters
    ----------
    mean : array_like
        Mean transmittance [1], shape (T,): `beam.encircled_mean`.
    scintillation_index : array_like
        Index of the power caught, wander included [1], shape (T,).
    rytov_variance : array_like
        Plane-wave Rytov variance [1], shape (T,).
    aperture_radius : array_like
        Radius of the receiver [m].
    wander : array_like
        Wander of the centroid, rms per axis [m], shape (T,): `beam.centroid_variance`, pointing included; 0: tracked.

    Returns
    -------
    Choice
        Weak fluctuations: total probability, with the short-term radius that the mean leaves (without any index beyond
        that of the wander: the wander alone, exactly). Stronger ones: beta.
    """
    m, index, rytov, a, s = of_steps(mean, scintillation_index, rytov_variance, aperture_radius, wander)
    shown = f"Rytov variance up to {_largest(rytov):.2f}"
    if _largest(rytov) > WEAK_RYTOV:
        return _named(Beta(m, index), f"level path in moderate to strong fluctuations ({shown})")
    radius = short_term_radius(long_term_radius(m, a), s)
    if float(np.min(s, initial=np.inf)) > 0.0:
        alone = BeamWanderMarcum(a, radius, wander=s)
        if np.all(index <= 1.02 * alone.scintillation_index):
            return _named(alone, f"level path in weak fluctuations ({shown}), whose wander makes all of its index")
    law = TotalProbability.of_moments(m, index, aperture_radius=a, beam_radius=radius, wander=s)
    return _named(law, f"level path in weak fluctuations ({shown})")


def uplink_law(
    mean: ArrayLike,
    scintillation_index: ArrayLike,
    *,
    launch_radius: ArrayLike,
    fried_parameter: ArrayLike,
    short_term_half_angle: ArrayLike,
    jitter: ArrayLike,
) -> Choice:
    """Law of an uplink to a receiver small against the beam.

    Parameters
    ----------
    mean : array_like
        Mean transmittance [1], shape (T,), wander included: `beam.on_axis_mean` and diffraction.
    scintillation_index : array_like
        Index of everything together [1], shape (T,).
    launch_radius, fried_parameter : array_like
        1/e^2 radius of the beam at the transmitter, and the uplink's Fried parameter [m], shape (T,).
    short_term_half_angle : array_like
        Half-angle 1/e^2 of the beam about its centroid [rad], shape (T,).
    jitter : array_like
        Direction of the centroid, rms per axis, wander and pointing together [rad], shape (T,), above 0.

    Returns
    -------
    Choice
        A narrow launch (up to half the Fried parameter at every step) whose wander leaves room in the index: wander times
        log-normal scintillation. Else beta with the given moments.

    Notes
    -----
    For a launch wider than the Fried parameter the spot breaks up and the law is near the exponential one, or wider (our
    wave optics, 810 nm, zenith: index 0.56, 1.29, 1.63 for 5, 10, 15 cm). Beta is the gamma law there, right at an
    index of 1; by reciprocity the fibre coupling of a plane wave samples the true one.
    """
    m, index, w0, r0, angle, s = of_steps(
        mean, scintillation_index, launch_radius, fried_parameter, short_term_half_angle, jitter
    )
    shown = f"launch radius up to {_largest(w0 / r0):.2f} of the Fried parameter"
    wander = Pointing.rayleigh(angle, s)
    rest = (1.0 + index) / (1.0 + wander.scintillation_index) - 1.0
    if _largest(w0 / r0) <= NARROW_LAUNCH and np.all(rest >= 0.0):
        law = Product(LogNormal(m / wander.mean, np.log1p(rest)), wander)
        return _named(law, f"uplink of a narrow beam ({shown})")
    return _named(Beta(m, index), f"uplink of a beam that breaks up ({shown}), a shape with the given moments only")


def _largest(values: Floats) -> float:
    return float(np.max(values, initial=0.0))


def _named(law: Law, regime: str) -> Choice:
    return Choice(law, f"{regime}: {law.validity}")
