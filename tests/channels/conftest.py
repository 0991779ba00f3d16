from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from qphys import channels
from qphys.catalogue import Catalogue
from qphys.record import parse
from qphys.stages import Sight, Track, Transmittance


def track(range_km: Any, elevation_deg: Any, **values: Any) -> Track:
    distance = np.atleast_1d(np.asarray(range_km, dtype=np.float64)) * 1e3
    unknown = np.full(distance.shape, np.nan)
    told = {
        "time": np.arange(distance.size) + 0.5,
        "time_step": 1.0,
        "epoch": "",
        "range": distance,
        "elevation": np.broadcast_to(np.deg2rad(np.asarray(elevation_deg, dtype=np.float64)), distance.shape).copy(),
        "azimuth": unknown,
        "range_rate": unknown,
        "sun_elevation": unknown,
        "sunlit": unknown,
    }
    return Track(**(told | values))


@pytest.fixture
def sight() -> Callable[..., Sight]:
    """A link like that of Micius, with single values replaced."""

    def make(range_km: Any = 1200.0, elevation_deg: Any = 30.0, **values: Any) -> Sight:
        told = {
            "wavelength": 848.6e-9,
            "divergence_half_angle": 7.41e-6,
            "pointing_jitter": 1.2e-6,
            "receiver_aperture": 1.0,
        }
        return Sight(track=track(range_km, elevation_deg), **(told | values))

    return make


@pytest.fixture
def transmit() -> Callable[..., Transmittance]:
    """Parse a channel's table as the run file would and send light through it."""

    def make(table: dict[str, Any], sight: Sight, files: Any = None) -> Transmittance:
        record = parse(channels.KINDS[table["kind"]], table, "run.toml: channel")
        return record.transmit(sight, files=files or Catalogue(), where="run.toml: channel")

    return make
