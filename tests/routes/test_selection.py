"""Selection by a probe, by two roads: a run with its analysis, and integrals over the law of the transmittance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

import qphys

BASE = """
source = "micius-decoy"
receiver = "micius-xinglong"
orbit = { kind = "circle", altitude_km = 500.0, maximum_elevation_deg = 60.0 }
window = { minimum_elevation_deg = 58.0, time_step_s = 1.0 }
[channel]
kind = "fixed"
loss_db = 32.0
includes = ["diffraction", "pointing", "transmitter optics", "atmosphere", "turbulence"]
background_rate_hz = 2000.0
"""

PROBE = """
correlation_time_ms = 10.0
scintillation_index = 0.8
[probe]
lowest_loss_db = 24.0
highest_loss_db = 42.0
bin_db = 0.5
relative_error = 0.1
slot_ms = 0.0
"""

LOSSES = np.arange(23.0, 41.01, 0.25)


@pytest.fixture(scope="module")
def constant(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Long-block key and clicks a trial at constant loss, and the loss at which the key ends."""
    folder = tmp_path_factory.mktemp("constant")
    (folder / "run.toml").write_text(BASE)
    sweep = {"values": {"channel.loss_db": [float(loss) for loss in LOSSES]}}
    with qphys.run(folder / "run.toml", overrides={"sweep": sweep, "statistics.realisations": 0}) as told:
        result = qphys.analyze(told, proof="ma2005")
        trials = float(told["trials"].isel(point=0).sum())
    key = result["expected_key_length"].values / trials
    clicks = result["expected_detection_count"].values / trials
    last = int(np.flatnonzero(key > 0)[-1])
    eta = 10 ** (-0.1 * LOSSES)
    critical = eta[last] - key[last] * (eta[last - 1] - eta[last]) / (key[last - 1] - key[last])
    return {"eta": eta, "key": key, "clicks": clicks, "critical_db": -10 * np.log10(critical)}


def faded(folder: Path, **changed: Any) -> Any:
    """A short pass whose transmittance fades, with its probe."""
    (folder / "run.toml").write_text(BASE + PROBE)
    overrides = {key.replace("__", "."): value for key, value in changed.items()}
    with qphys.run(folder / "run.toml", overrides={"statistics.realisations": 0} | overrides, overwrite=True) as told:
        return told.load()


def kept(index: float, loss_db: float, threshold_db: float) -> tuple[float, float]:
    """Part of the trials that read at least the threshold, and their mean transmittance, by SciPy's integral."""
    variance = np.log1p(index)
    mean = 10 ** (-0.1 * loss_db)

    def weight(z: float, power: int) -> float:
        eta = mean * np.exp(np.sqrt(variance) * z - variance / 2)
        return norm.pdf(z) * eta**power * norm.sf(10 ** (-0.1 * threshold_db), eta, 0.1 * eta)

    share, moment = (quad(weight, -9, 13, args=(power,), limit=200, epsabs=0)[0] for power in (0, 1))
    return share, moment / share


def test_what_a_threshold_keeps_is_the_integral_over_the_law(constant: dict[str, Any], tmp_path: Path) -> None:
    """Oracle: clicks and long-block key of the kept slots from those at constant loss, at the mean of what is kept.

    Both are functions of the mean alone as far as clicks are affine in the transmittance: at 24 dB and 8 dB of optics and
    detectors the light's own curvature is below 1e-3 (dead time and saturation), which is the tolerance.
    """
    told = faded(tmp_path)
    trials = float(told["trials"].sum())
    checked = 0
    for threshold in (26.0, 29.0, 31.5, 34.0, 38.0):
        result = qphys.analyze(told, {"proof": "ma2005", "selection": {"maximum_probe_loss_db": threshold}})
        share, mean = kept(0.8, 32.0, threshold)
        assert float(result["expected_kept_fraction"][0]) == pytest.approx(share, rel=1e-4)
        loss = -10 * np.log10(mean)
        clicks = np.exp(np.interp(loss, LOSSES, np.log(constant["clicks"])))
        assert float(result["expected_detection_count"][0]) == pytest.approx(trials * share * clicks, rel=2e-3)
        key = np.interp(loss, LOSSES, constant["key"])
        if key > 1e-7:
            assert float(result["expected_key_length"][0]) == pytest.approx(trials * share * key, rel=4e-3)
            checked += 1
    assert checked >= 3


@pytest.mark.parametrize(("index", "loss_db"), [(0.3, 32.0), (2.0, 34.0), (0.8, 30.0)])
def test_the_best_threshold_of_long_blocks_lies_where_the_key_ends_whatever_the_law(
    constant: dict[str, Any], tmp_path: Path, index: float, loss_db: float
) -> None:
    """Oracle: the loss at which there is no key without fading. From the tangent rule the best threshold is never below
    that transmittance; the probe's error of 10 % and bins of 0.5 dB blur it by at most a decibel."""
    told = faded(tmp_path, channel__scintillation_index=index, channel__loss_db=loss_db)
    losses = np.round(-10 * np.log10(told["probe_lower"].values[0, 1:]), 9)
    keys = [
        float(
            qphys.analyze(told, {"proof": "ma2005", "selection": {"maximum_probe_loss_db": float(loss)}})[
                "expected_key_length"
            ][0]
        )
        for loss in losses
    ]
    best = losses[int(np.argmax(keys))]
    assert constant["critical_db"] - 1.25 <= best <= constant["critical_db"] + 0.5
    assert max(keys) >= float(qphys.analyze(told, proof="ma2005")["expected_key_length"][0])


def test_the_tangent_at_the_mean_of_what_is_kept_crosses_zero_at_the_best_threshold(constant: dict[str, Any]) -> None:
    """Oracle: the key of pooled slots, S f(m/S), maximised on a grid, against T = x - f(x)/f'(x), with our own f(x)."""
    eta, key = constant["eta"][::-1], constant["key"][::-1]
    # a smooth f through the positive part, from a polynomial of its logarithm against that of x
    good = key > 0.02 * key[np.searchsorted(eta, 10**-3.0)]
    fit = np.polynomial.Polynomial.fit(eta[good & (eta < 2e-3)], key[good & (eta < 2e-3)], 6)
    slope = fit.deriv()
    losses = np.arange(30.0, 36.0, 0.02)
    variance = np.log1p(0.8)
    mean = 10**-3.2
    z = (np.log(10 ** (-0.1 * losses) / mean) + variance / 2) / np.sqrt(variance)
    share, moment = norm.sf(z), mean * norm.sf(z - np.sqrt(variance))
    pooled = share * fit(moment / share)
    at = int(np.argmax(pooled))
    assert 0 < at < len(losses) - 1
    x = moment[at] / share[at]
    tangent = x - fit(x) / slope(x)
    assert -10 * np.log10(tangent) == pytest.approx(losses[at], abs=0.03)
    assert losses[at] <= constant["critical_db"]


def test_a_probe_changes_no_expected_count(tmp_path: Path) -> None:
    """Oracle: the same run without the probe, whose channel has the usual eight nodes."""
    with_probe = faded(tmp_path)
    (tmp_path / "plain.toml").write_text((BASE + PROBE).split("[probe]")[0])
    with qphys.run(tmp_path / "plain.toml", overrides={"statistics.realisations": 0}) as told:
        plain = told["expected_total_counts"].values
        np.testing.assert_allclose(with_probe["expected_total_counts"].values, plain, rtol=1e-6)
        assert told["mean_transmittance"].values == pytest.approx(with_probe["mean_transmittance"].values, rel=1e-12)
    together = with_probe["expected_counts_by_probe"].sum("probe_bin").values
    np.testing.assert_allclose(together, with_probe["expected_counts"].values, rtol=1e-12)


def test_samples_scatter_about_the_expected_key_of_the_kept_slots(tmp_path: Path) -> None:
    """Oracle: sifted events of a selected sample against their expectation. 40 samples of a pass of some 20 s and 1/tau of
    100 /s: the kept time scatters by a few per cent, its mean by less than one."""
    told = faded(tmp_path, statistics__realisations=40, statistics__expected="per step")
    result = qphys.analyze(told, {"selection": {"maximum_probe_loss_db": 31.0}})
    sampled, expected = result["sifted_count"].values, float(result["expected_sifted_count"][0])
    assert sampled.std(ddof=1) > 2 * np.sqrt(expected)
    assert sampled.mean() == pytest.approx(expected, abs=4 * sampled.std(ddof=1) / np.sqrt(40))
    np.testing.assert_array_equal(told["counts_by_probe"].sum("probe_bin").values, told["counts"].values)


def test_pairs_have_no_probe(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text((Path(__file__).parents[2] / "runs" / "entangled-fibre.toml").read_text())
    with pytest.raises(qphys.UserError, match="a probe belongs to a link with one arm"):
        qphys.run(tmp_path / "run.toml", overrides={"probe": {"lowest_loss_db": 1.0, "highest_loss_db": 2.0}})
