"""Strength of turbulence and wind against height: what a site's air is like before any beam goes through it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field

from qphys.errors import UserError
from qphys.record import Record
from qphys.stages import Files, Floats

PROFILE_TOP: Final = 60e3
"""Height above the station at which every profile ends [m]."""


class Structure(Protocol):
    """What integrals along a path ask of a profile."""

    @property
    def edges(self) -> tuple[float, ...]:
        """Heights at which the profile has a jump or a kink [m], so that a quadrature puts its panels between them."""

    def structure_constant(self, height: ArrayLike) -> Floats:
        """Refractive-index structure constant at a height above the station [m^(-2/3)]; height [m]."""


@dataclass(frozen=True, kw_only=True)
class Layers:
    """Air as thin layers: `layers.compressed`, or somebody's measurement of some."""

    height: Floats
    """Of each layer above the station [m], shape (L,)."""
    strength: Floats
    """Integral of the structure constant through each layer [m^(1/3)], shape (L,)."""
    wind: Floats
    """Speed of the air in each layer across a path to the zenith [m/s], shape (L,); NaN where nobody told it."""


Air = Structure | Layers
"""What may stand in an integral along a path."""


class Profile(Record):
    """Keys that every profile may carry beside its own."""

    ground_wind_m_per_s: Annotated[float, Field(ge=0)] | None = None
    """Wind at the ground across the path, the base of Bufton's profile of wind; needed by what depends on time only."""
    outer_scale_m: Annotated[float, Field(gt=0)] | None = None
    """Outer scale of a von Karman spectrum, the same at every height; none: a Kolmogorov spectrum."""

    def resolved(self, files: Files, *, where: str) -> Structure:
        """The profile as a function of height.

        Parameters
        ----------
        files : Files
            Reads a table.
        where : str
            Place of the profile in the run, for messages, such as ``runs/pass.toml: channel.turbulence``.

        Returns
        -------
        Structure
            With `structure_constant` and `edges`.

        Raises
        ------
        UserError
            A table is not sound.
        """
        raise NotImplementedError


class Formula(Profile):
    """A profile that is a formula."""

    @property
    def edges(self) -> tuple[float, ...]:
        """Heights at which the formula has a jump [m]; none for most."""
        return ()

    def structure_constant(self, height: ArrayLike) -> Floats:
        """Structure constant at a height above the station [m^(-2/3)]; height [m]."""
        raise NotImplementedError

    def resolved(self, files: Files, *, where: str) -> Structure:
        """The formula itself. See `Profile.resolved`."""
        return self


class HufnagelValley(Formula):
    """The profile of Hufnagel and Valley with the constants of ITU-R P.1621, from the rms wind aloft."""

    kind: Literal["hufnagel-valley"]
    rms_wind_m_per_s: Annotated[float, Field(ge=0)]
    """Root mean square of the wind between 5 and 20 km; 21 with a ground_cn2 of 1.7e-14 is HV5/7."""
    ground_cn2: Annotated[float, Field(ge=0)]
    """Structure constant at the ground, above the 2.7e-16 of the profile itself [m^(-2/3)]."""

    def structure_constant(self, height: ArrayLike) -> Floats:
        """`hufnagel_valley` of the record's wind and ground [m^(-2/3)]."""
        return hufnagel_valley(height, rms_wind=self.rms_wind_m_per_s, ground_cn2=self.ground_cn2)


class ItuP1621(Formula):
    """The profile of Recommendation ITU-R P.1621, from the wind at the ground."""

    kind: Literal["itu-p1621"]
    ground_wind_m_per_s: Annotated[float, Field(ge=0)]
    """Wind at the ground, from which the Recommendation takes the rms wind aloft (`rms_wind`)."""
    ground_cn2: Annotated[float, Field(ge=0)]
    """Structure constant at the ground, above the 2.7e-16 of the profile itself [m^(-2/3)]."""

    def structure_constant(self, height: ArrayLike) -> Floats:
        """`hufnagel_valley` of the rms wind that goes with the ground wind [m^(-2/3)]."""
        aloft = float(rms_wind(self.ground_wind_m_per_s))
        return hufnagel_valley(height, rms_wind=aloft, ground_cn2=self.ground_cn2)


class HV1010(Formula):
    """HV10/10: a site and night of good seeing, r0 = 10 cm and theta0 = 10 urad at 500 nm."""

    kind: Literal["hv-10-10"]

    def structure_constant(self, height: ArrayLike) -> Floats:
        r"""Structure constant [m^(-2/3)].

        .. math:: C_n^2 = 4.5 \times 10^{-15} e^{-h/100} + 9 \times 10^{-17} e^{-h/1500}
                  + 2 \times 10^{-53} h^{10} e^{-h/1000}
        """
        h = np.asarray(height, dtype=np.float64)
        ground = 4.5e-15 * np.exp(-h / 100.0) + 9e-17 * np.exp(-h / 1500.0)
        return np.asarray(ground + 2e-53 * h**10 * np.exp(-h / 1000.0), dtype=np.float64)


class Greenwood(Formula):
    """Night profile of Greenwood for astronomical sites on mountains."""

    kind: Literal["greenwood"]

    def structure_constant(self, height: ArrayLike) -> Floats:
        r"""Structure constant [m^(-2/3)].

        .. math:: C_n^2 = \left[2.2 \times 10^{-13} (h + 10)^{-1.3} + 4.3 \times 10^{-17}\right] e^{-h/4000}
        """
        h = np.asarray(height, dtype=np.float64)
        return np.asarray((2.2e-13 * (h + 10.0) ** -1.3 + 4.3e-17) * np.exp(-h / 4000.0), dtype=np.float64)


CLEAR_1_STATION: Final = 1230.0
"""Height above sea level of the station at which CLEAR 1 begins [m]."""


class Clear1(Formula):
    """CLEAR 1: nights in the desert of New Mexico, from 1.23 km above sea level."""

    kind: Literal["clear-1"]

    @property
    def edges(self) -> tuple[float, ...]:
        """Heights above the station where one fit takes over from another, and where the last ends [m]."""
        return (2130.0 - CLEAR_1_STATION, 10340.0 - CLEAR_1_STATION, 30000.0 - CLEAR_1_STATION)

    def structure_constant(self, height: ArrayLike) -> Floats:
        r"""Structure constant [m^(-2/3)], 0 above 30 km; x is the height above sea level in km.

        .. math:: \log_{10} C_n^2 = \begin{cases} -10.7025 - 4.3507 x + 0.8141 x^2 & x \le 2.13 \\
                  -16.2897 + 0.0335 x - 0.0134 x^2 & x \le 10.34 \\
                  -17.0577 - 0.0449 x - 0.0005 x^2 + 0.6181\, e^{-[(x - 15.5617)/3.4666]^2/2} & x \le 30 \end{cases}
        """
        x = (np.asarray(height, dtype=np.float64) + CLEAR_1_STATION) / 1000.0
        low = -10.7025 - 4.3507 * x + 0.8141 * x**2
        middle = -16.2897 + 0.0335 * x - 0.0134 * x**2
        high = -17.0577 - 0.0449 * x - 0.0005 * x**2 + 0.6181 * np.exp(-0.5 * ((x - 15.5617) / 3.4666) ** 2)
        exponent = np.where(x <= 2.13, low, np.where(x <= 10.34, middle, high))
        return np.asarray(np.where(x <= 30.0, 10.0 ** np.minimum(exponent, 0.0), 0.0), dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class Tabled:
    """A measured profile: exponential between its entries (linear where an end is 0), nothing above the last."""

    height: Floats
    """Heights above the station, rising from 0 [m], shape (H,)."""
    value: Floats
    """Structure constants [m^(-2/3)], shape (H,)."""

    @property
    def edges(self) -> tuple[float, ...]:
        """Heights of the entries [m]."""
        return tuple(float(h) for h in self.height[1:])

    def structure_constant(self, height: ArrayLike) -> Floats:
        """Structure constant at a height above the station [m^(-2/3)]; height [m]."""
        h = np.asarray(height, dtype=np.float64)
        at = np.clip(np.searchsorted(self.height, h, side="right") - 1, 0, self.height.size - 2)
        low, high = self.value[at], self.value[at + 1]
        share = (h - self.height[at]) / (self.height[at + 1] - self.height[at])
        both = (low > 0.0) & (high > 0.0)
        ratio = np.where(both, high, 1.0) / np.where(both, low, 1.0)
        inside = np.where(both, low * ratio**share, low + (high - low) * share)
        return np.asarray(np.where((h >= 0.0) & (h <= self.height[-1]), inside, 0.0), dtype=np.float64)


class ProfileTable(Profile):
    """A profile from a table: a radiosonde, a scintillation detector, another model."""

    kind: Literal["profile-table"]
    table: str
    """CSV file with columns ``height_m`` (above the station, rising from 0) and ``cn2`` [m^(-2/3)]."""

    def resolved(self, files: Files, *, where: str) -> Structure:
        """The table as a function of height. See `Profile.resolved`."""
        return _tabled(files.table(self.table, f"{where}.table"), f"{where}: tables/{self.table}")


def _tabled(columns: Mapping[str, Floats], where: str) -> Tabled:
    for name in ("height_m", "cn2"):
        if name not in columns:
            raise UserError(f"{where} has no column '{name}' (there are: {', '.join(columns)})")
    height, value = columns["height_m"], columns["cn2"]
    if height.size < 2 or height[0] != 0.0 or not np.all(height[1:] > height[:-1]):
        raise UserError(f"{where}, column height_m must rise from 0, the station, over two lines or more")
    if not height[-1] <= PROFILE_TOP:
        raise UserError(f"{where}, column height_m ends at {height[-1]:g}; profiles end at {PROFILE_TOP:g} m")
    if not np.all((value >= 0.0) & (value < np.inf)):
        raise UserError(f"{where}, column cn2 must be 0 or more everywhere")
    return Tabled(height=height, value=value)


AnyProfile = HufnagelValley | ItuP1621 | HV1010 | Greenwood | Clear1 | ProfileTable
"""Profiles that a table ``kind = "..."`` may ask for."""

PROFILE_NAMES: Final = {
    "hufnagel-valley": "Hufnagel-Valley profile of ITU-R P.1621",
    "itu-p1621": "profile of ITU-R P.1621 from the ground wind",
    "hv-10-10": "profile HV10/10",
    "greenwood": "profile of Greenwood",
    "clear-1": "profile CLEAR 1",
    "profile-table": "profile of a table",
}
"""Kind of profile, and how a result names it."""


def hufnagel_valley(height: ArrayLike, *, rms_wind: float, ground_cn2: float) -> Floats:
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
    2e-5. One profile for all nights: fits to single passes scatter by 30 % (Knoedler and Moll 2021).
    """
    h = np.asarray(height, dtype=np.float64)
    # h^10 overflows no double, but 1e-56 h^10 in this order keeps the digits
    wind_layer = 8.148e-56 * rms_wind**2 * h**10 * np.exp(-h / 1000.0)
    return np.asarray(wind_layer + 2.7e-16 * np.exp(-h / 1500.0) + ground_cn2 * np.exp(-h / 100.0), dtype=np.float64)


def rms_wind(ground_wind: ArrayLike) -> Floats:
    r"""Root mean square of the wind between 5 and 20 km from the wind at the ground, as ITU-R P.1621 takes it.

    .. math:: v = \sqrt{v_g^2 + 30.69\, v_g + 348.91}

    Parameters
    ----------
    ground_wind : array_like
        :math:`v_g` [m/s].

    Returns
    -------
    ndarray
        [m/s]; 21 m/s at 2.754 m/s.

    Notes
    -----
    The mean square of Bufton's profile (`wind_speed`) over these heights is :math:`v_g^2 + 30.685 v_g + 348.905`.
    """
    wind = np.asarray(ground_wind, dtype=np.float64)
    return np.asarray(np.sqrt(wind**2 + 30.69 * wind + 348.91), dtype=np.float64)


def wind_speed(
    height: ArrayLike, *, ground_wind: ArrayLike, slew_rate: ArrayLike = 0.0, elevation: ArrayLike = np.pi / 2
) -> Floats:
    r"""Speed of the air across the line of sight after Bufton, with the sweep of a tracking telescope.

    .. math:: v(h) = v_g + 30\, e^{-[(h - 9400)/4800]^2} + \omega\, \frac{h}{\sin e}

    Parameters
    ----------
    height : array_like
        Height :math:`h` above the station [m].
    ground_wind : array_like
        :math:`v_g` [m/s].
    slew_rate : array_like
        Angular rate :math:`\omega` of the line of sight [rad/s]; 0 for a geostationary satellite. 15.2 mrad/s for a circular
        orbit of 500 km at zenith.
    elevation : array_like
        :math:`e` [rad].

    Returns
    -------
    ndarray
        [m/s], broadcast.

    Notes
    -----
    Bufton, Appl. Opt. 12, 1785 (1973), in the form with slew of Andrews and Phillips (2005), chapter 12. Wind and sweep are
    added as if parallel and across the path, which makes all rates upper ends: at right angles :math:`\sqrt{v^2 + w^2}`
    holds. For a low orbit the Greenwood frequency of HV5/7 is 11 to 14 % lower with it.
    """
    h = np.asarray(height, dtype=np.float64)
    jet = 30.0 * np.exp(-(((h - 9400.0) / 4800.0) ** 2))
    sweep = np.asarray(slew_rate, dtype=np.float64) * h / np.sin(np.asarray(elevation, dtype=np.float64))
    return np.asarray(np.asarray(ground_wind, dtype=np.float64) + jet + sweep, dtype=np.float64)
