"""A profile as a few thin layers, which is what a propagation in steps needs."""

from __future__ import annotations

import numpy as np

from qphys.channels import path
from qphys.channels.profiles import PROFILE_TOP, Layers, Structure, wind_speed
from qphys.stages import Floats


def compressed(profile: Structure, number: int, *, ground_wind: float | None = None) -> Layers:
    r"""Few layers that keep the coherence, the Rytov variance and the Greenwood frequency of a profile.

    .. math:: s_l = \int_{h_{l-1}}^{h_l} C_n^2\, dh, \qquad
              \bar h_l = \left[\frac{1}{s_l} \int_{h_{l-1}}^{h_l} C_n^2\, h^{5/6}\, dh\right]^{6/5}, \qquad
              \bar v_l = \left[\frac{1}{s_l} \int_{h_{l-1}}^{h_l} C_n^2\, v^{5/3}\, dh\right]^{3/5}

    Parameters
    ----------
    profile : Structure
        Of the structure constant; with turbulence somewhere.
    number : int
        Number of layers L, from 1.
    ground_wind : float, optional
        Wind at the ground :math:`v_g` of `profiles.wind_speed` [m/s], without slew; none: the layers' wind is NaN.

    Returns
    -------
    Layers
        Ascending. Boundaries at equal quantiles of 35 % of the turbulence and 65 % of what makes scintillation,
        :math:`0.35\, C_n^2/\mu_0 + 0.65\, C_n^2 h^{5/6}/\mu_{5/6}`.

    Raises
    ------
    ValueError
        Less than one layer, or a profile without turbulence.

    Notes
    -----
    Plane-wave :math:`r_0`, :math:`\sigma_R^2` and (without slew) :math:`f_G` are those of the profile at every elevation
    and wavelength, to rounding. What weighs height more than :math:`h^{5/6}` is low, since a layer has no thickness: HV5/7
    with ten layers has :math:`\theta_0` +0.8 % and the aperture-averaged index -0.7 % (D = 0.05 m) to -1.7 % (1 m); with six
    layers +2.3 % and -2.4 to -4.7 %, with twenty +0.2 % and at most -0.6 %. Greenwood's profile, which falls
    slowest, is twice as sensitive (ten layers: +1.2 %, -3.3 %).
    """
    if number < 1:
        raise ValueError(f"{number} layers; must be 1 or more")
    height, strength = path.heights(profile)
    if not np.any(strength > 0.0):
        raise ValueError("a profile without turbulence has no layers")
    whole, high = float(np.sum(strength)), float(np.sum(strength * height ** (5 / 6)))
    between = _boundaries(profile, number)
    height, strength = path.heights(profile, edges=tuple(between))
    layer = np.searchsorted(between, height)

    def within(values: Floats) -> Floats:
        return np.bincount(layer, weights=values, minlength=number).astype(np.float64)

    own = within(strength)
    # panels with other edges differ in the tenth digit: what is to be kept is put back to the last
    own = own * (whole / np.sum(own))
    lifted = within(strength * height ** (5 / 6))
    lifted = lifted * (high / np.sum(lifted))
    wind = np.full(number, np.nan)
    if ground_wind is not None:
        swept = strength * wind_speed(height, ground_wind=ground_wind) ** (5 / 3)
        wind = (within(swept) / within(strength)) ** (3 / 5)
    return Layers(height=(lifted / own) ** (6 / 5), strength=own, wind=wind)


def _boundaries(profile: Structure, number: int) -> Floats:
    """Heights between the layers (L - 1,), from the cumulative mixture on a grid of a thousand cells."""
    cells = PROFILE_TOP * np.linspace(0.0, 1.0, 1025) ** 3
    height, strength = path.heights(profile, edges=tuple(cells))
    at = np.searchsorted(cells, height) - 1
    parts = [np.bincount(at, weights=strength * height**p, minlength=cells.size - 1) for p in (0.0, 5 / 6)]
    share = sum(w * part / np.sum(part) for w, part in zip((0.35, 0.65), parts, strict=True))
    reached = np.concatenate([[0.0], np.cumsum(share)])
    quantile = np.arange(1, number) / number
    return np.asarray(np.interp(quantile, reached / reached[-1], cells), dtype=np.float64)
