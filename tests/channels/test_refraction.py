from __future__ import annotations

import numpy as np
import pytest

from qphys.channels.refraction import (
    apparent_elevation,
    dispersion,
    refraction_from_apparent,
    refraction_from_geometric,
    refractivity,
    standard_air,
)

AIR = {"pressure": 101_000.0, "temperature": 283.0}
STANDARD = {"pressure": 101_325.0, "temperature": 288.15}


def minutes(angle):
    return np.rad2deg(angle) * 60.0


@pytest.mark.parametrize(("degrees", "value"), [(0, 34.4775), (10, 5.3915), (45, 0.99485)])
def test_refraction_after_bennett(degrees, value):
    """Published table (34.478', 5.392', 0.9948')."""
    assert minutes(refraction_from_apparent(np.deg2rad(degrees), **AIR)) == pytest.approx(value, rel=1e-4)


@pytest.mark.parametrize(("degrees", "value"), [(0, 28.982), (10, 5.4077), (45, 1.0127)])
def test_refraction_after_saemundsson(degrees, value):
    """Published table."""
    assert minutes(refraction_from_geometric(np.deg2rad(degrees), **AIR)) == pytest.approx(value, rel=1e-4)


def test_the_two_formulas_undo_each_other():
    """Second route: the ray bent up by one is bent down by the other, to the 0.1' that Saemundsson fitted it to."""
    geometric = np.deg2rad(np.linspace(-0.5, 90.0, 182))
    seen = apparent_elevation(geometric, **AIR)
    assert np.max(np.abs(minutes(seen - refraction_from_apparent(seen, **AIR) - geometric))) < 0.12


def test_refraction_grows_with_the_density_of_the_air():
    """Law of the formula: in proportion to P / T."""
    base, thin = refraction_from_apparent(0.3, **AIR), refraction_from_apparent(0.3, pressure=50_500.0, temperature=250.0)
    assert thin / base == pytest.approx(0.5 * 283.0 / 250.0, rel=1e-12)


def test_no_refraction_at_the_zenith_and_none_known_below_the_horizon():
    """Bennett's formula gives -0.0014' at the zenith."""
    assert refraction_from_apparent(np.pi / 2, **AIR) == 0.0
    assert refraction_from_geometric(np.pi / 2, **AIR) == 0.0
    assert np.all(np.isnan(refraction_from_apparent(np.deg2rad([-1.01, -90.0, np.nan]), **AIR)))
    assert np.rad2deg(apparent_elevation(np.deg2rad(-20.0), **AIR)) == pytest.approx(-20.0)
    assert np.isnan(apparent_elevation(np.nan, **AIR))


def test_standard_air_at_the_heights_of_stations():
    """Published tables of ISO 2533: 0, 890 and 3153 m of height."""
    pressure, temperature = standard_air(np.array([0.0, 2000.0, 5000.0]))
    np.testing.assert_allclose(pressure, [101_325.0, 79_495.0, 54_020.0], rtol=2e-4)
    np.testing.assert_allclose(temperature, [288.15, 275.15, 255.65], atol=1e-9)


@pytest.mark.parametrize("nanometres", [500.0, 633.0, 785.0, 848.6, 1550.0])
def test_index_of_air_by_three_laboratories(nanometres):
    """Second and third route: Peck and Reeder (1972), Birch and Downs (1994), standard air of 15 degrees; 1e-4 of n - 1."""
    s = (nanometres / 1000.0) ** -2
    peck = 8060.51 + 2480990.0 / (132.274 - s) + 17455.7 / (39.32957 - s)
    birch = 8342.54 + 2406147.0 / (130.0 - s) + 15998.0 / (38.9 - s)
    found = refractivity(nanometres * 1e-9, **STANDARD) * 1e8
    assert found == pytest.approx(peck, rel=1e-4)
    assert found == pytest.approx(birch, rel=1e-4)


def test_dispersion_is_that_of_a_plane_atmosphere():
    """Second route: (n1 - n2) cot h. The formula's constant of 58.3" against 57.1" of Ciddor's index leaves 2 to 3 %."""
    elevation = np.deg2rad(np.array([20.0, 30.0, 60.0]))
    found = dispersion(elevation, wavelength=785e-9, other=1550e-9, **STANDARD)
    plane = (refractivity(785e-9, **STANDARD) - refractivity(1550e-9, **STANDARD)) / np.tan(elevation)
    np.testing.assert_allclose(found, plane, rtol=0.035)
    assert np.all(found > 0)
    # published: a few microradians at 20 degrees; a third of a typical beam
    assert found[0] == pytest.approx(5.2e-6, abs=0.15e-6)
    np.testing.assert_allclose(dispersion(elevation, wavelength=1550e-9, other=785e-9, **STANDARD), -found)
