"""Two stations see one satellite over the same steps; an arm on board has none."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from qphys import orbits
from qphys.catalogue import Catalogue
from qphys.errors import UserError
from qphys.record import parse

SHELF = Catalogue()
ORBIT = parse(orbits.KINDS["tle"], SHELF.read("satellites", "micius-2018-09-15"), "orbit")
DELINGHA, NANSHAN, TENERIFE = (
    parse(orbits.Station, SHELF.read("stations", name), name) for name in ("delingha", "nanshan", "tenerife")
)


def window(**over: object) -> orbits.Window:
    told = {
        "start": datetime(2018, 9, 14, 18, 0, tzinfo=UTC),
        "stop": datetime(2018, 9, 14, 18, 30, tzinfo=UTC),
        "minimum_elevation_deg": 13.0,
    }
    return parse(orbits.Window, told | over, "window")


def test_the_dual_downlink_of_2018_lasts_281_s_and_its_shortest_path_is_1546_km() -> None:
    # Oracle: an independent propagation: both above 13 deg for 281.3 s, smallest summed range 1545.837 km at 18:16:03.5.
    alice, bob = orbits.joint_tracks([ORBIT, ORBIT], [DELINGHA, NANSHAN], window(), files=SHELF, where="run.toml: orbit")
    assert len(alice.time) == len(bob.time) == 281
    assert all(angle.shape == alice.time.shape for one in (alice, bob) for angle in one.frame_angle.values())
    np.testing.assert_allclose(alice.time, bob.time, atol=1e-3)
    assert min(alice.elevation.min(), bob.elevation.min()) > np.deg2rad(13.0)
    total = alice.range + bob.range
    assert total.min() == pytest.approx(1_545_837.0, abs=20.0)
    moment = datetime.fromisoformat(alice.epoch).timestamp() + alice.time[np.argmin(total)]
    assert moment == pytest.approx(datetime(2018, 9, 14, 18, 16, 3, 500_000, tzinfo=UTC).timestamp(), abs=0.6)


def test_an_arm_on_board_shares_the_steps_and_knows_no_geometry() -> None:
    alice, bob = orbits.joint_tracks([ORBIT, ORBIT], [None, NANSHAN], window(), files=SHELF, where="run.toml: orbit")
    alone = orbits.track(ORBIT, NANSHAN, window(), files=SHELF, where="run.toml: orbit")
    np.testing.assert_array_equal(bob.range, alone.range)
    np.testing.assert_array_equal(alice.time, bob.time)
    assert np.isnan(alice.range).all() and np.isnan(alice.elevation).all()
    assert np.isnan(alice.slew_rate).all() and not alice.frame_angle
    np.testing.assert_array_equal(bob.frame_angle["velocity"], alone.frame_angle["velocity"])


def test_stations_that_never_see_the_satellite_together_are_told() -> None:
    with pytest.raises(UserError, match="window"):
        orbits.joint_tracks([ORBIT, ORBIT], [DELINGHA, TENERIFE], window(), files=SHELF, where="run.toml: orbit")
    with pytest.raises(UserError, match="no arm has a station"):
        orbits.joint_tracks([ORBIT, ORBIT], [None, None], window(), files=SHELF, where="run.toml: orbit")


def test_two_arms_between_fixed_places_need_no_station() -> None:
    fixed = orbits.Fixed(kind="fixed", range_km=20.0, duration_s=3.0)
    both = orbits.joint_tracks([fixed, fixed], [None, None], orbits.Window(), files=SHELF, where="run.toml: orbit")
    for one in both:
        np.testing.assert_array_equal(one.range, 20e3)
