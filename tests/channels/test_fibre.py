"""Fibre: check numbers of dispersion, PMD and Raman light, second routes by integration, and the kind of link."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from qphys.catalogue import Catalogue
from qphys.channels import fibre
from qphys.constants import SPEED_OF_LIGHT
from qphys.errors import UserError
from qphys.record import parse
from qphys.stages import Sight, Transmittance

NM = np.array([1260.0, 1310.0, 1383.0, 1490.0, 1550.0, 1565.0, 1625.0])
PS_PER_NM_KM = 1e-6
PS_PER_NM2_KM = 1e3


@pytest.mark.parametrize(
    ("zero", "slope", "expected"),
    [
        (1300.0, 0.092, [-3.859, 0.910, 6.976, 14.412, 18.010, 18.857, 22.066]),
        (1324.0, 0.092, [-6.352, -1.309, 5.090, 12.904, 16.671, 17.556, 20.904]),
        (1313.0, 0.086, [-4.854, -0.259, 5.578, 12.718, 16.166, 16.977, 20.046]),
    ],
)
def test_dispersion_is_that_of_a_second_program(zero: float, slope: float, expected: list[float]) -> None:
    """Oracle: a table computed apart, printed to 1e-3 ps/(nm km)."""
    found = fibre.dispersion(NM * 1e-9, zero_dispersion_wavelength=zero * 1e-9, slope=slope * PS_PER_NM2_KM)
    np.testing.assert_allclose(found / PS_PER_NM_KM, expected, atol=6e-4)


def test_pulses_broaden_as_a_gaussian_does() -> None:
    """Oracle: 51.425 / 78.192 / 130.215 ps, and a Fourier transform of the pulse with the quadratic phase."""
    told = {"dispersion": 17.0 * PS_PER_NM_KM, "wavelength": 1550e-9}
    found = fibre.broadened_fwhm(50e-12, np.array([10e3, 50e3, 100e3]), **told)
    np.testing.assert_allclose(found * 1e12, [51.425, 78.192, 130.215], rtol=1e-4)
    t = (np.arange(16384) - 8192) * 0.2e-12
    frequency = 2.0 * np.pi * np.fft.fftfreq(t.size, 0.2e-12)
    curvature = -17e-6 * 1550e-9**2 / (2.0 * np.pi * SPEED_OF_LIGHT)
    assert curvature == pytest.approx(-21.683e-27, rel=1e-4)
    pulse = np.exp(-2.0 * np.log(2.0) * (t / 50e-12) ** 2)
    field = np.fft.ifft(np.fft.fft(pulse) * np.exp(0.5j * curvature * 50e3 * frequency**2))
    power = np.abs(field) ** 2
    rms = np.sqrt(np.sum(power * t**2) / power.sum())
    assert rms * np.sqrt(8.0 * np.log(2.0)) == pytest.approx(found[1], rel=1e-6)
    spread = fibre.spectral_spread(0.1e-9, 50e3, dispersion=17.0 * PS_PER_NM_KM)
    assert spread == pytest.approx(85e-12, rel=1e-12)
    assert fibre.group_delay(1e3, group_index=1.4682) == pytest.approx(4.8974e-6, rel=1e-5)


def test_delay_between_polarizations_follows_maxwell() -> None:
    """Oracle: SciPy's law of the same mean, the printed tails, and a Gaussian spectrum by integration."""
    from scipy.stats import maxwell

    x = np.array([0.0, 0.5, 1.0, 3.0, 3.2, 3.7])
    found = fibre.group_delay_exceeded(x)
    np.testing.assert_allclose(found, maxwell.sf(x, scale=np.sqrt(np.pi / 8.0)), rtol=1e-9)
    np.testing.assert_allclose(found[3:], [4.200e-5, 9.195e-6, 1.303e-7], rtol=5e-4)
    assert fibre.mean_group_delay_difference(100e3, pmd=0.1e-12 / np.sqrt(1e3)) == pytest.approx(1e-12, rel=1e-12)
    w = np.linspace(-8e11, 8e11, 20001)
    weight = np.exp(-0.5 * (w / 1e11) ** 2)
    kept = np.sum(weight * np.cos(w * 4e-12)) / weight.sum()
    assert fibre.pmd_depolarization(4e-12, angular_frequency_rms=1e11) == pytest.approx(1.0 - kept, rel=1e-9)


@pytest.mark.parametrize(("pump", "own"), [(0.2, 0.35), (0.2, 0.2), (0.25, 0.2500001), (0.0, 0.0)])
def test_effective_lengths_are_the_integrals(pump: float, own: float) -> None:
    """Oracle: the integral over the place of the scattering, by Gauss-Legendre."""
    node, weight = np.polynomial.legendre.leggauss(40)
    z = 12.5e3 * (node + 1.0)
    c, q = (1e-4 * np.log(10.0) * a for a in (pump, own))
    told = {"pump_loss_db_per_km": pump, "loss_db_per_km": own}
    forward = 12.5e3 * np.sum(weight * np.exp(-c * z - q * (25e3 - z)))
    backward = 12.5e3 * np.sum(weight * np.exp(-(c + q) * z))
    assert fibre.forward_length(25e3, **told) == pytest.approx(forward, rel=1e-12)
    assert fibre.backward_length(25e3, **told) == pytest.approx(backward, rel=1e-12)
    if own == 0.35:
        np.testing.assert_allclose([forward, backward], [5294.79, 7563.28], rtol=1e-6)


def test_raman_light_is_that_of_a_second_program() -> None:
    """Oracle: photons a second of 0 dBm, 3e-9 /(km nm), 0.2 dB/km, 0.1 nm; most forward light at 1/alpha = 21.71 km."""
    length = np.array([10.0, 25.0, 50.0, 100.0]) * 1e3
    told = {"pump_loss_db_per_km": 0.2, "loss_db_per_km": 0.2}
    common = {"coefficient": 3e-9 * 1e6, "filter_bandwidth": 0.1e-9, "wavelength": 1550e-9}
    forward = fibre.raman_photon_rate(1e-3, fibre.forward_length(length, **told), **common)
    backward = fibre.raman_photon_rate(1e-3, fibre.backward_length(length, **told), **common)
    np.testing.assert_allclose(forward, [1.4770e7, 1.8506e7, 1.1704e7, 2.3409e6], rtol=1e-4)
    np.testing.assert_allclose(backward, [1.5297e7, 2.2874e7, 2.5161e7, 2.5413e7], rtol=1e-4)
    fine = np.linspace(20e3, 23e3, 30001)
    assert fine[np.argmax(fibre.forward_length(fine, **told))] == pytest.approx(21.71e3, abs=5.0)


def test_raman_photons_of_a_mode_are_those_of_kumar() -> None:
    """Oracle: New J. Phys. 17, 043027 (2015): 1.3e-3 forward, 1.6e-3 backward (recomputed: 1.2741, 1.5748).

    0 dBm behind 0.5 dB, 1531.12 nm; a mode is as wide as one over its length, so that the rate is divided by that width.
    """
    told = {"pump_loss_db_per_km": 0.2, "loss_db_per_km": 0.2}
    wavelength, width = 1531.12e-9, 1e-12
    per_frequency = SPEED_OF_LIGHT * width / wavelength**2
    common = {"coefficient": 3e-3, "filter_bandwidth": width, "wavelength": wavelength}
    lengths = [fibre.forward_length(25e3, **told), fibre.backward_length(25e3, **told)]
    np.testing.assert_allclose(lengths, [7905.7, 9771.6], rtol=1e-5)
    found = [float(fibre.raman_photon_rate(1e-3 * 10**-0.05, one, **common)) / per_frequency for one in lengths]
    np.testing.assert_allclose(found, [1.2741e-3, 1.5748e-3], rtol=1e-4)


TABLE: dict[str, Any] = {"kind": "fibre", "length_km": 50.0, "attenuation_db_per_km": 0.2, "background_rate_hz": 0.0}


def test_a_link_loses_what_its_parts_lose(sight: Callable[..., Sight], transmit: Callable[..., Transmittance]) -> None:
    """Oracle: decibels added by hand; a data sheet between two of its wavelengths."""
    told = TABLE | {"connectors": 4, "connector_loss_db": 0.3, "splices": 10, "splice_loss_db": 0.05, "extra_loss_db": 1.0}
    found = transmit(told, sight())
    np.testing.assert_allclose(found.mean, 10.0 ** (-0.1 * (10.0 + 1.2 + 0.5 + 1.0)), rtol=1e-12)
    assert {name: float(value[0, 0]) for name, value in found.terms_db.items()} == pytest.approx(
        {"fibre": 10.0, "connectors": 1.2, "splices": 0.5, "extra": 1.0}
    )
    assert found.correlation_time == 0.0 and found.includes == ()
    sheet = {k: v for k, v in TABLE.items() if k != "attenuation_db_per_km"} | {
        "fibre": Catalogue().read("fibres", "smf28-ultra")
    }
    between = transmit(sheet, sight(wavelength=1587.5e-9))
    np.testing.assert_allclose(between.terms_db["fibre"], 50.0 * 0.19, rtol=1e-12)
    turned = transmit(TABLE | {"polarization": {"attitude": "none", "depolarization": 0.1}}, sight())
    assert turned.ensemble_weight.shape == (1, 4)
    with pytest.raises(UserError, match=r"channel.fibre.wavelength_nm: 848.6 nm of the source is outside \(1310 to 1625\)"):
        transmit(sheet, sight())


@pytest.mark.parametrize("name", ["g652d", "smf28-ultra"])
def test_fibres_of_the_catalogue_are_sound_and_say_where_values_come_from(name: str) -> None:
    """Oracle: dispersion in the range of the class, in SI through the units of the keys; an origin for each value."""
    table = Catalogue().read("fibres", name)
    record = parse(fibre.FibreType, table, name)
    own = record.si
    d = fibre.dispersion(1550e-9, zero_dispersion_wavelength=own.zero_dispersion_wavelength, slope=own.dispersion_slope)
    assert 16.0 < d / PS_PER_NM_KM < 17.0
    assert 1e12 * fibre.mean_group_delay_difference(100e3, pmd=own.pmd) == pytest.approx(10.0 * record.pmd_ps_per_sqrt_km)
    assert set(table["origin"]) == set(table) - {"origin", "title", "model"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attenuation_db_per_km": None}, "attenuation_db_per_km or fibre is required"),
        ({"length_km": -1.0}, "length_km = -1.0"),
        ({"connectors": 1.5}, "connectors = 1.5"),
    ],
)
def test_a_mistake_in_the_table_is_told(
    changes: dict[str, Any], message: str, sight: Callable[..., Sight], transmit: Callable[..., Transmittance]
) -> None:
    table = {k: v for k, v in (TABLE | changes).items() if v is not None}
    with pytest.raises(UserError, match=message):
        transmit(table, sight())
