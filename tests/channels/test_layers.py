from __future__ import annotations

import numpy as np
import pytest

from qphys.channels import path
from qphys.channels.layers import compressed
from qphys.channels.profiles import HV1010, Clear1, Greenwood, HufnagelValley, Layers, Tabled, wind_speed
from qphys.channels.scintillation import scintillation_index

HV57 = HufnagelValley(kind="hufnagel-valley", rms_wind_m_per_s=21.0, ground_cn2=1.7e-14)
OTHERS = [Greenwood(kind="greenwood"), Clear1(kind="clear-1"), HV1010(kind="hv-10-10")]


@pytest.mark.parametrize("air", [HV57, *OTHERS], ids=lambda air: air.kind)
@pytest.mark.parametrize("number", [1, 4, 10, 37])
def test_layers_keep_coherence_rytov_variance_and_greenwood_frequency(air, number):
    """Kept by construction: 1e-12."""
    few = compressed(air, number, ground_wind=3.0)
    told = {"elevation": np.deg2rad([90.0, 25.0]), "wavelength": 810e-9}
    np.testing.assert_allclose(path.fried_parameter(few, **told), path.fried_parameter(air, **told), rtol=1e-12)
    np.testing.assert_allclose(path.rytov_variance(few, **told), path.rytov_variance(air, **told), rtol=1e-12)
    by_hand = 2.31 * 810e-9**-1.2 * np.sum(few.strength * few.wind ** (5 / 3)) ** 0.6
    assert by_hand == pytest.approx(
        float(path.greenwood_frequency(air, np.pi / 2, wavelength=810e-9, ground_wind=3.0)), rel=1e-9
    )
    assert few.height.shape == few.strength.shape == few.wind.shape == (number,)
    assert np.all(np.diff(few.height) > 0) and np.all(few.strength > 0)


def test_ten_layers_of_hv57_are_the_published_ones():
    """Table computed elsewhere: heights, rounded or cut to a metre, and shares of the turbulence."""
    few = compressed(HV57, 10)
    heights = [19, 67, 142, 342, 1313, 3269, 7331, 10131, 12395, 16037]
    shares = [0.262, 0.2283, 0.1939, 0.1442, 0.071, 0.0383, 0.0209, 0.0163, 0.0138, 0.0113]
    np.testing.assert_allclose(few.height, heights, rtol=5e-4, atol=0.7)
    np.testing.assert_allclose(few.strength / np.sum(few.strength), shares, rtol=5e-3)
    assert np.all(np.isnan(few.wind))


@pytest.mark.parametrize("degrees", [90.0, 20.0])
def test_ten_layers_of_hv57_have_its_angle_to_1_and_its_index_to_2_per_cent(degrees):
    """Published errors, 0.8 % and 2 %, with their signs: a thin layer lacks the heights about it."""
    few, e = compressed(HV57, 10), np.deg2rad(degrees)
    angle = path.isoplanatic_angle(few, e, wavelength=810e-9) / path.isoplanatic_angle(HV57, e, wavelength=810e-9)
    assert 1.002 < angle < 1.01
    for aperture in (0.05, 0.1, 0.3, 0.6, 1.0, 1.8):
        told = {"wavelength": 810e-9, "aperture": aperture}
        ratio = scintillation_index(few, e, **told) / scintillation_index(HV57, e, **told)
        assert 0.98 < ratio < 0.998


def test_layers_converge_to_the_profile():
    """Limit: errors of angle and index fall with the number, nearly as its square."""
    for air in (HV57, *OTHERS):
        exact = float(path.isoplanatic_angle(air, 1.0, wavelength=810e-9))
        off = [float(path.isoplanatic_angle(compressed(air, n), 1.0, wavelength=810e-9)) / exact - 1 for n in (5, 20, 80)]
        assert off[0] > 2.5 * off[1] > 6.0 * off[2] > 0
        assert off[2] < 1e-3


def test_a_measured_step_is_cut_where_it_ends():
    """By hand: two slabs of equal turbulence, two layers; each at its own mean of h^(5/6)."""
    slab = Tabled(height=np.array([0.0, 1000.0, 1000.001, 2000.0, 2000.001]), value=np.array([1e-15, 1e-15, 0.0, 0.0, 0.0]))
    one = compressed(slab, 1, ground_wind=2.0)
    assert one.strength[0] == pytest.approx(1e-12, rel=2e-6)
    assert one.height[0] == pytest.approx(1000.0 * (6 / 11) ** 1.2, rel=2e-6)
    speed = wind_speed(np.linspace(0.5, 999.5, 1000), ground_wind=2.0)
    assert one.wind[0] == pytest.approx(np.mean(speed ** (5 / 3)) ** 0.6, rel=1e-5)


def test_layers_made_by_hand_go_through_the_integrals():
    """One screen: closed."""
    screen = Layers(height=np.array([1e4]), strength=np.array([1e-13]), wind=np.array([np.nan]))
    k = 2 * np.pi / 1e-6
    assert path.rytov_variance(screen, np.pi / 2, wavelength=1e-6) == pytest.approx(
        2.25 * k ** (7 / 6) * 1e-13 * 1e4 ** (5 / 6)
    )
    assert path.fried_parameter(screen, np.pi / 6, wavelength=1e-6) == pytest.approx((0.423 * k**2 * 2e-13) ** -0.6)


def test_what_has_no_layers_is_refused():
    with pytest.raises(ValueError, match="0 layers"):
        compressed(HV57, 0)
    with pytest.raises(ValueError, match="without turbulence"):
        compressed(Tabled(height=np.array([0.0, 1e4]), value=np.zeros(2)), 3)
