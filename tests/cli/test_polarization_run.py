"""A run whose polarization turns: from its TOML to the error rate of each basis, and to the picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import qphys
from qphys.cli import main
from qphys.keyrates import sifting

RUN = Path(__file__).parents[2] / "runs" / "polarization-pass.toml"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tenth of the steps, without noise and leak, so that the way alone makes the errors."""
    path = tmp_path_factory.mktemp("polarization") / "pass.h5"
    changes = {
        "window.time_step_s": 10.0,
        "statistics.realisations": 0,
        "channel.background_rate_hz": 0.0,
        "receiver.detector.dark_rate_hz": 0.0,
        "receiver.polarization_contrast": 1e12,
    }
    told = [f"--set={key}={value}" for key, value in changes.items()]
    assert main(["run", str(RUN), "--quiet", "--no-plot", "-o", str(path), *told]) == 0
    return path


def test_error_rates_of_both_bases_follow_the_frame(file: Path) -> None:
    """Oracle: the causes in closed form, with the frame of the pass from the orbits' own track; they add to first order."""
    from qphys import orbits
    from qphys.catalogue import Catalogue
    from qphys.record import parse

    statistics = qphys.open_statistics(file)
    cells = statistics["expected_counts"].values[0]
    sifted = sifting.sift(cells, [str(v) for v in statistics["bob_outcome"].values], halves="exact")
    found = sifting.error_rate(sifted.errors[:, 0], sifted.counts[:, 0])
    shelf = Catalogue()
    window = {
        "start": "2016-12-19T16:30:00Z",
        "stop": "2016-12-19T17:15:00Z",
        "minimum_elevation_deg": 20.0,
        "time_step_s": 10.0,
    }
    track = orbits.track(
        parse(orbits.KINDS["tle"], shelf.read("satellites", "micius-2016-12-18"), "orbit"),
        parse(orbits.Station, shelf.read("stations", "xinglong"), "station"),
        parse(orbits.Window, window, "window"),
        files=shelf,
        where="run.toml: orbit",
    )
    theta = track.frame_angle["velocity"]
    lag = np.sin(0.5 * np.gradient(theta, 10.0)) ** 2
    common = 0.5 * 0.002 + np.deg2rad(0.5) ** 2 + lag
    plate = np.sin(np.deg2rad(4.0)) ** 2
    expected = np.stack([plate * np.sin(2 * theta) ** 2, plate * np.cos(2 * theta) ** 2], axis=1) + common[:, None]
    # second order: 2 E E' of 0.5 % and 0.1 %, double clicks, and the diattenuator's 2.5e-5
    np.testing.assert_allclose(found, expected, rtol=0.01, atol=4e-5)
    assert found[len(theta) // 2, 1] > 3.0 * found[len(theta) // 2, 0]


def test_picture_has_a_line_for_each_basis_where_they_differ(file: Path) -> None:
    """Wiring: the two lines and their legend; none where both bases err alike."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    from qphys.plots.figures import qber

    statistics = qphys.open_statistics(file)
    axis = qber(statistics, Figure().subplots())
    assert [line.get_label() for line in axis.lines[1:]] == ["basis Z", "basis X"]
    alike = statistics.copy()
    alike["expected_counts"] = statistics["expected_counts"].copy()
    for outcome, other in (("X0", "Z0"), ("X1", "Z1"), ("double_X", "double_Z")):
        alike["expected_counts"].loc[{"alice_basis": "X", "bob_outcome": outcome}] = (
            statistics["expected_counts"].sel(alice_basis="Z", bob_outcome=other).values
        )
    assert len(qber(alike, Figure().subplots()).lines) == 1
