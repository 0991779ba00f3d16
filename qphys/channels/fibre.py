"""Optical fibre: loss of a link; delay, dispersion, polarization-mode dispersion and Raman light as functions."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, model_validator

from qphys.channels.link import Link, Passage, log_normal_passage
from qphys.constants import PLANCK, SPEED_OF_LIGHT
from qphys.errors import UserError
from qphys.record import Record
from qphys.stages import Files, Floats, Sight

NEPER_PER_DB = 0.1 * np.log(10.0)
"""Natural logarithm of the power ratio of one decibel."""


def group_delay(length: ArrayLike, *, group_index: ArrayLike) -> Floats:
    r"""Time that light takes, :math:`\tau = n_g L / c`.

    Parameters
    ----------
    length : array_like
        L [m].
    group_index : array_like
        :math:`n_g` [1].

    Returns
    -------
    ndarray
        [s].
    """
    delay: Floats = np.asarray(group_index, np.float64) * np.asarray(length, np.float64) / SPEED_OF_LIGHT
    return delay


def dispersion(wavelength: ArrayLike, *, zero_dispersion_wavelength: ArrayLike, slope: ArrayLike) -> Floats:
    r"""Chromatic dispersion of a single-mode fibre by the three-term Sellmeier fit.

    .. math:: D(\lambda) = \frac{S_0}{4}\left(\lambda - \frac{\lambda_0^4}{\lambda^3}\right)

    Parameters
    ----------
    wavelength, zero_dispersion_wavelength : array_like
        :math:`\lambda` and :math:`\lambda_0` [m].
    slope : array_like
        :math:`S_0` at :math:`\lambda_0` [s/m^3] (1 ps/(nm^2 km) is 1000 s/m^3).

    Returns
    -------
    ndarray
        [s/m^2] (1 ps/(nm km) is 1e-6 s/m^2).

    Notes
    -----
    The form that ITU-T G.652 gives for fibres with an unshifted zero; meant for 1260 to 1625 nm.
    """
    w = np.asarray(wavelength, np.float64)
    found: Floats = (
        0.25 * np.asarray(slope, np.float64) * (w - np.asarray(zero_dispersion_wavelength, np.float64) ** 4 / w**3)
    )
    return found


def broadened_fwhm(fwhm: ArrayLike, length: ArrayLike, *, dispersion: ArrayLike, wavelength: ArrayLike) -> Floats:
    r"""Length of a transform-limited Gaussian pulse behind a dispersive fibre.

    .. math:: \tau' = \tau\sqrt{1 + (\beta_2 L / T_0^2)^2}, \qquad \beta_2 = -\frac{D\lambda^2}{2\pi c},
              \qquad T_0 = \frac{\tau}{2\sqrt{\ln 2}}

    Parameters
    ----------
    fwhm : array_like
        Full width at half maximum :math:`\tau` of the power [s].
    length : array_like
        L [m].
    dispersion : array_like
        D [s/m^2].
    wavelength : array_like
        :math:`\lambda` [m].

    Returns
    -------
    ndarray
        [s].

    Notes
    -----
    Second order only: near the zero of the dispersion, the slope makes what is left. Source: G. P. Agrawal, Nonlinear Fiber
    Optics, ch. 3.
    """
    width = np.asarray(fwhm, np.float64)
    curvature = (
        -np.asarray(dispersion, np.float64) * np.asarray(wavelength, np.float64) ** 2 / (2.0 * np.pi * SPEED_OF_LIGHT)
    )
    found: Floats = width * np.hypot(1.0, curvature * np.asarray(length, np.float64) * 4.0 * np.log(2.0) / width**2)
    return found


def spectral_spread(bandwidth: ArrayLike, length: ArrayLike, *, dispersion: ArrayLike) -> Floats:
    r"""Spread of arrival times of light of a bandwidth, :math:`\Delta t = |D| L \Delta\lambda`.

    Parameters
    ----------
    bandwidth : array_like
        :math:`\Delta\lambda` [m], wide against the inverse of the pulse's length; the measure (such as FWHM) is that of the
        result.
    length : array_like
        L [m].
    dispersion : array_like
        D [s/m^2].

    Returns
    -------
    ndarray
        [s].
    """
    found: Floats = np.abs(np.asarray(dispersion, np.float64)) * np.asarray(length, np.float64) * np.asarray(bandwidth)
    return found


def mean_group_delay_difference(length: ArrayLike, *, pmd: ArrayLike) -> Floats:
    r"""Mean delay between the principal states of polarization, :math:`\langle\Delta\tau\rangle = D_p\sqrt{L}`.

    Parameters
    ----------
    length : array_like
        L [m], long against the correlation length of the birefringence (100 m).
    pmd : array_like
        :math:`D_p` [s/m^(1/2)].

    Returns
    -------
    ndarray
        [s].
    """
    found: Floats = np.asarray(pmd, np.float64) * np.sqrt(np.asarray(length, np.float64))
    return found


def group_delay_exceeded(ratio: ArrayLike) -> Floats:
    r"""Probability that the delay difference exceeds a multiple of its mean, by Maxwell's law.

    .. math:: P = \mathrm{erfc}\frac{2x}{\sqrt\pi} + \frac{4x}{\pi} e^{-4x^2/\pi}

    Parameters
    ----------
    ratio : array_like
        x [1]: delay over the mean delay.

    Returns
    -------
    ndarray
        [1].

    Notes
    -----
    Long fibres with random coupling. The mean of Maxwell's law is :math:`\sigma\sqrt{8/\pi}`.
    """
    from scipy.special import erfc

    x = np.asarray(ratio, np.float64)
    found: Floats = erfc(2.0 * x / np.sqrt(np.pi)) + 4.0 * x / np.pi * np.exp(-4.0 * x**2 / np.pi)
    return found


def pmd_depolarization(delay: ArrayLike, *, angular_frequency_rms: ArrayLike) -> Floats:
    r"""Depolarization of light of a Gaussian spectrum by a delay between two polarizations.

    .. math:: p = 1 - e^{-(\Delta\tau\,\sigma_\omega)^2 / 2}

    Parameters
    ----------
    delay : array_like
        :math:`\Delta\tau` [s].
    angular_frequency_rms : array_like
        :math:`\sigma_\omega` of the spectrum [rad/s].

    Returns
    -------
    ndarray
        Lost degree of polarization [1], of light that goes in equal parts into both principal states: the worst case.
    """
    product = np.asarray(delay, np.float64) * np.asarray(angular_frequency_rms, np.float64)
    lost: Floats = -np.expm1(-0.5 * product**2)
    return lost


def forward_length(length: ArrayLike, *, pump_loss_db_per_km: ArrayLike, loss_db_per_km: ArrayLike) -> Floats:
    r"""Effective length of Raman scattering into the direction of the pump.

    .. math:: L_f = \int_0^L e^{-\alpha_c z} e^{-\alpha_q (L - z)} dz
              = \frac{e^{-\alpha_c L} - e^{-\alpha_q L}}{\alpha_q - \alpha_c}

    Parameters
    ----------
    length : array_like
        L [m].
    pump_loss_db_per_km, loss_db_per_km : array_like
        Attenuation of the classical light and of the quantum channel [dB/km].

    Returns
    -------
    ndarray
        [m]; :math:`L e^{-\alpha L}` where both are the same.
    """
    z = np.asarray(length, np.float64)
    c, q = (1e-3 * NEPER_PER_DB * np.asarray(a, np.float64) for a in (pump_loss_db_per_km, loss_db_per_km))
    x = (q - c) * z
    # (1 - e^-x) / x, without cancellation for nearly equal losses
    share = np.where(np.abs(x) < 1e-12, 1.0, -np.expm1(-x) / np.where(np.abs(x) < 1e-12, 1.0, x))
    found: Floats = z * np.exp(-c * z) * share
    return found


def backward_length(length: ArrayLike, *, pump_loss_db_per_km: ArrayLike, loss_db_per_km: ArrayLike) -> Floats:
    r"""Effective length of Raman scattering against the direction of the pump, seen at the pump's entrance.

    .. math:: L_b = \int_0^L e^{-(\alpha_c + \alpha_q) z} dz = \frac{1 - e^{-(\alpha_c + \alpha_q) L}}{\alpha_c + \alpha_q}

    Parameters
    ----------
    length : array_like
        L [m].
    pump_loss_db_per_km, loss_db_per_km : array_like
        Attenuation of the classical light and of the quantum channel [dB/km].

    Returns
    -------
    ndarray
        [m].
    """
    z = np.asarray(length, np.float64)
    total = sum(1e-3 * NEPER_PER_DB * np.asarray(a, np.float64) for a in (pump_loss_db_per_km, loss_db_per_km))
    lossless = np.asarray(total) == 0.0
    found: Floats = np.where(lossless, z, -np.expm1(-total * z) / np.where(lossless, 1.0, total))
    return found


def raman_photon_rate(
    pump_power: ArrayLike,
    effective_length: ArrayLike,
    *,
    coefficient: ArrayLike,
    filter_bandwidth: ArrayLike,
    wavelength: ArrayLike,
) -> Floats:
    r"""Photons of spontaneous Raman scattering that classical light in the same fibre puts into the quantum channel.

    .. math:: R = P\,\beta\, L_e\, \Delta\lambda\, \frac{\lambda}{h c}

    Parameters
    ----------
    pump_power : array_like
        Launched power P [W].
    effective_length : array_like
        :math:`L_e` [m], `forward_length` or `backward_length`.
    coefficient : array_like
        :math:`\beta` [1/m^2], a metre of fibre and of wavelength (1 /(km nm) is 1e6 /m^2), both polarizations together.
    filter_bandwidth : array_like
        :math:`\Delta\lambda` [m].
    wavelength : array_like
        :math:`\lambda` of the quantum channel [m].

    Returns
    -------
    ndarray
        [1/s], at the end of the fibre.

    Notes
    -----
    One pump, weak enough not to be depleted; the coefficient depends on both wavelengths and on the fibre and is an input:
    measured values near 1550 nm are 1e-9 to 1e-8 /(km nm). Source: R. Kumar, H. Qin and R. Alleaume, New J. Phys. 17, 043027
    (2015).
    """
    energy = PLANCK * SPEED_OF_LIGHT / np.asarray(wavelength, np.float64)
    power = np.asarray(pump_power, np.float64) * np.asarray(coefficient) * np.asarray(effective_length)
    rate: Floats = power * np.asarray(filter_bandwidth, np.float64) / energy
    return rate


class FibreType(Record):
    """A kind of fibre: what its data sheet says."""

    wavelength_nm: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=2)]
    """Where the attenuation is told, rising."""
    attenuation_db_per_km: Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(min_length=2)]
    """At these wavelengths; straight lines between them."""
    group_index: Annotated[float, Field(ge=1, lt=3)]
    zero_dispersion_wavelength_nm: Annotated[float, Field(gt=0)]
    dispersion_slope_ps_per_nm2_km: Annotated[float, Field(gt=0)]
    pmd_ps_per_sqrt_km: Annotated[float, Field(ge=0)]

    @model_validator(mode="after")
    def _lists_fit(self) -> Self:
        if len(self.wavelength_nm) != len(self.attenuation_db_per_km):
            raise ValueError("wavelength_nm and attenuation_db_per_km must have the same number of values")
        if np.any(np.diff(self.wavelength_nm) <= 0.0):
            raise ValueError("wavelength_nm must rise from value to value")
        return self

    def attenuation(self, wavelength: float, *, where: str) -> float:
        """Attenuation at a wavelength [dB/km].

        Parameters
        ----------
        wavelength : float
            [m].
        where : str
            Place of the table in the run, for messages.

        Returns
        -------
        float

        Raises
        ------
        UserError
            The data sheet does not tell it there; nothing is extrapolated.
        """
        own = np.asarray(self.wavelength_nm) * 1e-9
        if not own[0] * (1.0 - 1e-12) <= wavelength <= own[-1] * (1.0 + 1e-12):
            raise UserError(
                f"{where}.wavelength_nm: {1e9 * wavelength:g} nm of the source is outside ({self.wavelength_nm[0]:g} to "
                f"{self.wavelength_nm[-1]:g}); nothing is extrapolated"
            )
        return float(np.interp(wavelength, own, self.attenuation_db_per_km))


class Fibre(Link):
    """A fibre with its connectors and splices. Its loss is the same at every moment; a fibre polarizes as its table says."""

    kind: Literal["fibre"]
    length_km: Annotated[float, Field(ge=0)]
    attenuation_db_per_km: Annotated[float, Field(ge=0)] | None = None
    """At the source's wavelength; not given: from the fibre's data sheet."""
    fibre: FibreType | None = None
    connectors: Annotated[int, Field(ge=0)] = 0
    connector_loss_db: Annotated[float, Field(ge=0)] = 0.0
    """Of each."""
    splices: Annotated[int, Field(ge=0)] = 0
    splice_loss_db: Annotated[float, Field(ge=0)] = 0.0
    """Of each."""

    @model_validator(mode="after")
    def _has_one_attenuation(self) -> Self:
        if self.attenuation_db_per_km is None and self.fibre is None:
            raise ValueError("attenuation_db_per_km or fibre is required")
        return self

    def passage(self, sight: Sight, *, files: Files, where: str) -> Passage:
        """Loss of the fibre, its connectors and its splices; see `Link.passage`."""
        attenuation = self.attenuation_db_per_km
        if attenuation is None:
            assert self.fibre is not None
            attenuation = self.fibre.attenuation(sight.wavelength, where=f"{where}.fibre")
        every = np.ones(sight.track.time.shape)
        loss_db = {"fibre": attenuation * self.length_km * every}
        if self.connectors:
            loss_db["connectors"] = self.connectors * self.connector_loss_db * every
        if self.splices:
            loss_db["splices"] = self.splices * self.splice_loss_db * every
        return log_normal_passage(
            loss_db=loss_db,
            captured=10.0 ** (-0.1 * sum(loss_db.values(), np.zeros(every.shape))),
            scintillation_index=np.zeros(every.shape),
            includes=(),
            model=f"fibre of {self.length_km:g} km, {attenuation:g} dB/km, no fading",
        )
