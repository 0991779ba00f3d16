from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import beta

from qphys.channels import path
from qphys.channels.profiles import HV1010, Clear1, Greenwood, HufnagelValley, Tabled, wind_speed

HV57 = HufnagelValley(kind="hufnagel-valley", rms_wind_m_per_s=21.0, ground_cn2=1.7e-14)
NIGHT = HufnagelValley(kind="hufnagel-valley", rms_wind_m_per_s=21.0, ground_cn2=1.7e-15)
ELEVATION = np.deg2rad([90.0, 45.0, 20.0])
SLEW = np.array([15.23e-3, 11.15e-3, 6.38e-3])

# nm: r0 [cm], r0 uplink [cm], theta0 [urad], Rytov down, up, fG [Hz], with slew, fT [Hz], with slew; zenith angles 0, 45, 70
TABLE = {
    500: [
        (4.961, 4.029, 2.606),
        (4.970, 4.037, 2.611),
        (6.894, 3.960, 1.239),
        (0.2351, 0.4439, 1.681),
        (0.2322, 0.4383, 1.660),
        (72.0, 88.6, 137),
        (352, 446, 795),
        (9.03, 10.74, 15.4),
        (50.9, 62.3, 104),
    ],
    810: [
        (8.850, 7.189, 4.649),
        (8.868, 7.203, 4.658),
        (12.300, 7.064, 2.210),
        (0.1339, 0.2528, 0.9574),
        (0.1323, 0.2497, 0.9455),
        (40.3, 49.7, 76.8),
        (197, 250, 446),
        (5.57, 6.63, 9.53),
        (31.4, 38.5, 64.1),
    ],
    1550: [
        (19.283, 15.662, 10.130),
        (19.321, 15.693, 10.150),
        (26.799, 15.392, 4.815),
        (0.0628, 0.1186, 0.4490),
        (0.0620, 0.1171, 0.4435),
        (18.5, 22.8, 35.3),
        (90, 115, 205),
        (2.91, 3.46, 4.98),
        (16.4, 20.1, 33.5),
    ],
}


@pytest.mark.parametrize("nanometres", TABLE)
def test_path_quantities_of_hv57_at_zenith_angles_0_45_70(nanometres):
    """Table computed elsewhere, 1e-3 or half a unit of its last digit; wind of Bufton at 5 m/s, satellite at 500 km."""
    told = {"wavelength": nanometres * 1e-9}
    windy = told | {"ground_wind": 5.0}
    values = [
        path.fried_parameter(HV57, ELEVATION, **told) * 100,
        path.fried_parameter(HV57, ELEVATION, **told, satellite_height=500e3) * 100,
        path.isoplanatic_angle(HV57, ELEVATION, **told) * 1e6,
        path.rytov_variance(HV57, ELEVATION, **told),
        path.rytov_variance(HV57, ELEVATION, **told, satellite_height=500e3),
        path.greenwood_frequency(HV57, ELEVATION, **windy),
        path.greenwood_frequency(HV57, ELEVATION, **windy, slew_rate=SLEW),
        path.tilt_frequency(HV57, ELEVATION, **windy, aperture=1.0),
        path.tilt_frequency(HV57, ELEVATION, **windy, aperture=1.0, slew_rate=SLEW),
    ]
    for got, row in zip(values, TABLE[nanometres], strict=True):
        for one, expected in zip(got, row, strict=True):
            # a printed number stands for an interval of one unit of its last digit; slews are printed to 5e-4
            text = f"{expected}"
            unit = 10.0 ** -(len(text) - text.index(".") - 1) if "." in text else 1.0
            assert one == pytest.approx(expected, rel=1e-3, abs=0.5 * unit + 5e-4 * expected)


@pytest.mark.parametrize(
    ("air", "values"),
    [
        (NIGHT, (9.910, 6.918, 0.2063)),
        (HV1010(kind="hv-10-10"), (10.337, 10.160, 0.1053)),
        (Greenwood(kind="greenwood"), (12.782, 13.699, 0.0821)),
        (Clear1(kind="clear-1"), (11.125, 8.492, 0.1537)),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_other_profiles_at_500_nm_and_zenith(air, values):
    """Table computed elsewhere, 1e-3."""
    told = {"elevation": np.pi / 2, "wavelength": 500e-9}
    assert path.fried_parameter(air, **told) * 100 == pytest.approx(values[0], rel=1e-3)
    assert path.isoplanatic_angle(air, **told) * 1e6 == pytest.approx(values[1], rel=1e-3)
    assert path.rytov_variance(air, **told) == pytest.approx(values[2], rel=1e-3)


def test_scalings_are_exact():
    """Laws known on paper: powers of wavelength and slant path, 1e-12."""
    zenith, low = (np.pi / 2, 1e-6), (np.pi / 6, 2e-6)
    for function, of_wavelength, of_slant in (
        (path.fried_parameter, 6 / 5, -3 / 5),
        (path.isoplanatic_angle, 6 / 5, -8 / 5),
        (path.rytov_variance, -7 / 6, 11 / 6),
    ):
        base, other = (function(HV57, e, wavelength=w) for e, w in (zenith, low))
        assert other == pytest.approx(base * 2.0 ** (of_wavelength + of_slant), rel=1e-12)
    base, other = (path.greenwood_frequency(HV57, e, wavelength=w, ground_wind=5.0) for e, w in (zenith, low))
    assert other == pytest.approx(base * 2.0 ** (-6 / 5 + 3 / 5), rel=1e-12)
    base, other = (path.tilt_frequency(HV57, e, wavelength=w, aperture=0.7, ground_wind=5.0) for e, w in (zenith, low))
    assert other == pytest.approx(base * 2.0 ** (-1 + 1 / 2), rel=1e-12)


def test_integrals_by_a_second_route():
    """Adaptive quadrature over the height, 1e-7."""
    k, top, pieces = 2 * np.pi / 810e-9, 500e3, [100, 1e3, 1e4, 2e4]
    told = {"points": pieces, "limit": 400, "epsabs": 0.0, "epsrel": 1e-10}
    cn2 = HV57.structure_constant
    plane = quad(lambda h: float(cn2(h)), 0, 60e3, **told)[0]
    upward = quad(lambda h: float(cn2(h)) * (1 - h / top) ** (5 / 3), 0, 60e3, **told)[0]
    in_space = quad(lambda h: float(cn2(h)) * (h / top) ** (5 / 3), 0, 60e3, **told)[0]
    spherical = quad(lambda h: float(cn2(h)) * (h * (1 - h / top)) ** (5 / 6), 0, 60e3, **told)[0]
    speed = quad(lambda h: float(cn2(h) * wind_speed(h, ground_wind=3.0) ** (5 / 3)), 0, 60e3, **told)[0]
    at = {"elevation": np.pi / 2, "wavelength": 810e-9}
    for got, expected in (
        (path.fried_parameter(HV57, **at), (0.423 * k**2 * plane) ** -0.6),
        (path.fried_parameter(HV57, **at, satellite_height=top), (0.423 * k**2 * upward) ** -0.6),
        (path.fried_parameter(HV57, **at, satellite_height=top, end="satellite"), (0.423 * k**2 * in_space) ** -0.6),
        (path.rytov_variance(HV57, **at, satellite_height=top), 2.25 * k ** (7 / 6) * spherical),
        (path.coherence_time(HV57, **at, ground_wind=3.0), (2.914 * k**2 * speed) ** -0.6),
    ):
        assert got == pytest.approx(expected, rel=1e-7)


def test_wave_from_far_away_is_plane():
    """Limits known on paper: H to infinity; and the coherence in space, where only air near the satellite would matter."""
    at = {"elevation": ELEVATION, "wavelength": 810e-9}
    np.testing.assert_allclose(
        path.fried_parameter(HV57, **at, satellite_height=1e12), path.fried_parameter(HV57, **at), rtol=1e-6
    )
    np.testing.assert_allclose(
        path.rytov_variance(HV57, **at, satellite_height=1e12), path.rytov_variance(HV57, **at), rtol=1e-6
    )
    assert np.all(path.fried_parameter(HV57, **at, satellite_height=500e3, end="satellite") > 2.0)


def test_phase_changes_by_one_radian_in_013_over_the_greenwood_frequency():
    """Law known on paper: f_G tau0 = 2.31 / (2.914^(3/5) (2 pi)^(6/5)) = 0.1340."""
    at = {"elevation": ELEVATION, "wavelength": 810e-9, "ground_wind": 5.0, "slew_rate": SLEW}
    np.testing.assert_allclose(path.coherence_time(HV57, **at) * path.greenwood_frequency(HV57, **at), 0.1340, rtol=5e-4)


def test_tilt_is_that_of_noll():
    """Published: 0.18192 and 0.36385 = 2 axes, (4 / pi^2) Noll's 0.448879."""
    assert path.tilt_variance(1e-6, aperture=1.0, fried_parameter=1.0) == pytest.approx(0.36385 / 2 * 1e-12, rel=1e-4)
    assert path.tilt_variance(1e-6, aperture=1.0, fried_parameter=1.0) == pytest.approx(
        4 / np.pi**2 * 0.448879 * 1e-12, rel=1e-4
    )
    # the wavelength cancels
    r0 = path.fried_parameter(HV57, np.pi / 2, wavelength=np.array([500e-9, 1550e-9]))
    red = path.tilt_variance([500e-9, 1550e-9], aperture=0.3, fried_parameter=r0)
    assert red[1] == pytest.approx(red[0], rel=1e-12)


def test_level_path_of_two_kilometres():
    """Published: 2 km, 808 nm, 1e-15: Rytov variance 0.15171; spherical constants 3/8 and B(11/6, 11/6)."""
    told = {"wavelength": 808e-9}
    assert path.horizontal_rytov_variance(1e-15, 2e3, **told, wave="plane") == pytest.approx(0.15171, rel=1e-4)
    ratio = path.horizontal_rytov_variance(1e-15, 2e3, **told, wave="spherical") / 0.15171
    assert ratio == pytest.approx(11 / 6 * beta(11 / 6, 11 / 6), rel=2e-3)
    plane, spherical = (path.horizontal_fried_parameter(1e-15, 2e3, **told, wave=w) for w in ("plane", "spherical"))
    assert plane == pytest.approx((0.423 * (2 * np.pi / 808e-9) ** 2 * 2e-12) ** -0.6, rel=1e-12)
    assert spherical / plane == pytest.approx((8 / 3) ** 0.6, rel=1e-12)
    # a slab of constant turbulence in a table is the same path, stood upright
    slab = Tabled(height=np.array([0.0, 2e3]), value=np.array([1e-15, 1e-15]))
    assert path.fried_parameter(slab, np.pi / 2, **told) == pytest.approx(float(plane), rel=1e-9)
    assert path.rytov_variance(slab, np.pi / 2, **told) == pytest.approx(0.15171, rel=3e-3)
    assert path.rytov_variance(slab, np.pi / 2, **told, satellite_height=2e3) == pytest.approx(
        2.25 * (2 * np.pi / 808e-9) ** (7 / 6) * 1e-15 * 2e3 ** (11 / 6) * beta(11 / 6, 11 / 6), rel=1e-5
    )


def test_still_air_is_coherent_everywhere():
    still = Tabled(height=np.array([0.0, 1e4]), value=np.zeros(2))
    at = {"elevation": ELEVATION, "wavelength": 810e-9}
    assert np.all(np.isinf(path.fried_parameter(still, **at)))
    assert np.all(np.isinf(path.isoplanatic_angle(still, **at)))
    assert np.all(path.rytov_variance(still, **at) == 0.0)
    assert np.all(path.greenwood_frequency(still, **at, ground_wind=5.0) == 0.0)


def test_everything_broadcasts():
    """Elevations over a pass, wavelengths across; none of no steps."""
    e, w = np.linspace(0.3, 1.5, 7)[:, None], np.array([500e-9, 810e-9, 1550e-9])
    assert path.fried_parameter(HV57, e, wavelength=w, satellite_height=5e5).shape == (7, 3)
    assert path.isoplanatic_angle(HV57, e, wavelength=w).shape == (7, 3)
    assert path.rytov_variance(HV57, e, wavelength=w).shape == (7, 3)
    assert path.greenwood_frequency(HV57, e, wavelength=w, ground_wind=3.0, slew_rate=0.01).shape == (7, 3)
    assert path.tilt_frequency(HV57, e, wavelength=w, aperture=1.0, ground_wind=3.0).shape == (7, 3)
    assert path.fried_parameter(HV57, np.empty(0), wavelength=8e-7).shape == (0,)
