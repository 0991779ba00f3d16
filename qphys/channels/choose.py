"""The law of transmittance that a regime asks for, with the sentence that names it."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from qphys.channels.laws import Beta, GammaGamma, Law, LogNormal
from qphys.channels.laws.law import of_steps
from qphys.stages import Floats

WEAK_RYTOV: Final = 1.0
"""Rytov variance up to which fluctuations are taken as weak."""

POINT_RECEIVER: Final = 0.5
"""Aperture over Fresnel zone up to which a receiver is taken as a point."""


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


def _largest(values: Floats) -> float:
    return float(np.max(values, initial=0.0))


def _named(law: Law, regime: str) -> Choice:
    return Choice(law, f"{regime}: {law.validity}")
