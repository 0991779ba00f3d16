"""Two arms: their joint fading, and a loss that was measured of both."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from qphys.catalogue import Catalogue
from qphys.channels import KINDS, SplitLossTable, join
from qphys.errors import UserError
from qphys.record import parse
from qphys.stages import Sight, Track, Transmittance

SEED = 1120


def arm(nodes: Any, weight: Any, *, time: float = 0.01, **changes: Any) -> Transmittance:
    nodes, weight = np.atleast_2d(np.asarray(nodes, float)), np.atleast_2d(np.asarray(weight, float))
    steps = len(nodes)
    told = {
        "jones": np.tile(np.eye(2, dtype=np.complex128), (steps, 1, 1, 1)),
        "background_rate": np.full((steps, 1), 7.0),
        "includes": ("diffraction", "atmosphere"),
        "terms_db": {"diffraction": np.full((steps, 1), 3.0)},
        "model": "made up",
    }
    return Transmittance(transmittance=nodes[:, :, None], weight=weight, correlation_time=time, **(told | changes))


def random_arm(steps: int, nodes: int, seed: int, **changes: Any) -> Transmittance:
    random = np.random.default_rng(SEED + seed)
    weight = random.random((steps, nodes))
    return arm(np.sort(random.random((steps, nodes)), axis=1), weight / weight.sum(axis=1, keepdims=True), **changes)


def test_independent_arms_multiply_their_means() -> None:
    """Oracle: E[xy] = E[x] E[y] and E[x^2 y^2] alike, at every step."""
    first, second = random_arm(5, 3, 1), random_arm(5, 7, 2)
    joint = join([first, second], correlation="independent")
    assert joint.transmittance.shape == (5, 21, 2)
    x, y = joint.transmittance[..., 0], joint.transmittance[..., 1]
    for power in (1, 2):
        mean = np.sum(joint.weight * (x * y) ** power, axis=1)
        separate = [np.sum(a.weight * a.transmittance[:, :, 0] ** power, axis=1) for a in (first, second)]
        np.testing.assert_allclose(mean, separate[0] * separate[1], rtol=1e-12)


@pytest.mark.parametrize("correlation", ["independent", "common"])
def test_each_arm_keeps_its_own_distribution(correlation: Any) -> None:
    """Oracle: the arms alone: mean, scintillation index, map, sky light."""
    turned = np.tile(np.array([[0.0, -1.0], [1.0, 0.0]], dtype=np.complex128), (5, 1, 1, 1))
    arms = [random_arm(5, 3, 3), random_arm(5, 4, 4, jones=turned, background_rate=np.full((5, 1), 11.0))]
    joint = join(arms, correlation=correlation)
    for k, alone in enumerate(arms):
        np.testing.assert_allclose(joint.mean[:, k], alone.mean[:, 0], rtol=1e-12)
        np.testing.assert_allclose(joint.scintillation_index[:, k], alone.scintillation_index[:, 0], rtol=1e-9)
        np.testing.assert_array_equal(joint.jones[:, k], alone.jones[:, 0])
        np.testing.assert_array_equal(joint.background_rate[:, k], alone.background_rate[:, 0])
    assert correlation == "common" or "independently" in joint.model


def test_common_fading_pairs_the_same_quantiles() -> None:
    """Oracle: a million quantiles, looked up in both arms."""
    first, second = random_arm(2, 3, 5), random_arm(2, 4, 6)
    joint = join([first, second], correlation="common")
    assert joint.weight.shape[1] <= 3 + 4 - 1
    quantile = (np.arange(1_000_003) + 0.5) / 1_000_003
    for t in range(2):
        seen = [a.transmittance[t, np.searchsorted(np.cumsum(a.weight[t])[:-1], quantile), 0] for a in (first, second)]
        product = np.sum(joint.weight[t] * np.prod(joint.transmittance[t], axis=1))
        assert product == pytest.approx(np.mean(seen[0] * seen[1]), rel=1e-5)


def test_arms_with_the_same_weights_share_their_nodes() -> None:
    """Oracle: node n of both."""
    first = random_arm(3, 4, 7)
    second = replace(first, transmittance=first.transmittance**2)
    joint = join([first, second], correlation="common")
    np.testing.assert_array_equal(joint.transmittance[..., 1], first.transmittance[..., 0] ** 2)
    np.testing.assert_array_equal(joint.weight, first.weight)


def test_the_correlation_time_keeps_the_variance_of_coincidences() -> None:
    """Oracle: the integral of the product's autocovariance, by quadrature."""
    first, second = random_arm(1, 3, 8, time=0.004), random_arm(1, 5, 9, time=0.05)
    joint = join([first, second], correlation="independent")
    a, b = first.scintillation_index[0, 0], second.scintillation_index[0, 0]
    lag = np.linspace(0.0, 2.0, 400_001)
    p, q = np.exp(-lag / 0.004), np.exp(-lag / 0.05)
    integral = np.trapezoid(a * p + b * q + a * b * p * q, lag)
    assert joint.correlation_time == pytest.approx(integral / (a + b + a * b), rel=1e-6)


def test_a_steady_arm_leaves_the_time_of_the_other() -> None:
    """Oracle: a constant factor changes no correlation."""
    fading, steady = random_arm(2, 4, 10, time=0.02), arm([[0.5], [0.4]], [[1.0], [1.0]], time=0.0)
    for correlation in ("independent", "common"):
        for arms in ([fading, steady], [steady, fading]):
            assert join(arms, correlation=correlation).correlation_time == pytest.approx(0.02, rel=1e-12)  # type: ignore[arg-type]
    assert join([steady, steady], correlation="independent").correlation_time == 0.0


def test_the_joint_link_tells_what_both_arms_include() -> None:
    """Oracle: the intersection; a term that one arm lacks is 0 dB there."""
    first = random_arm(2, 2, 11)
    second = random_arm(2, 2, 12, includes=("atmosphere",), terms_db={"atmosphere": np.full((2, 1), 5.0)})
    joint = join([first, second], correlation="independent")
    assert joint.includes == ("atmosphere",)
    np.testing.assert_array_equal(joint.terms_db["diffraction"], [[3.0, 0.0]] * 2)
    np.testing.assert_array_equal(joint.terms_db["atmosphere"], [[0.0, 5.0]] * 2)


def test_what_does_not_fit_together_is_told() -> None:
    slow, quick = random_arm(2, 3, 13, time=0.01), random_arm(2, 3, 14, time=0.02)
    with pytest.raises(ValueError, match="one correlation time"):
        join([slow, quick], correlation="common")
    with pytest.raises(ValueError, match="two single arms"):
        join([slow], correlation="independent")
    with pytest.raises(ValueError, match="2 and 3 time steps"):
        join([slow, random_arm(3, 3, 15)], correlation="independent")


TOTALS = {"time_s": np.array([0.0, 10.0]), "loss_db": np.array([60.0, 66.0])}
SPLIT = {
    "kind": "split-table",
    "table": "both.csv",
    "loss_column": "loss_db",
    "split": "range",
    "includes": ["diffraction"],
    "background_rate_hz": 5.0,
}


class OneTable:
    def table(self, name: str, where: str = "") -> Any:
        return TOTALS

    def text(self, name: str, where: str = "") -> str:
        raise AssertionError


def sights(first_km: Any, second_km: Any, time: Any) -> list[Sight]:
    time = np.asarray(time, float)
    unknown = np.full(time.shape, np.nan)
    tracks = [
        Track(
            time=time,
            time_step=1.0,
            epoch="",
            range=np.broadcast_to(np.asarray(km, float) * 1e3, time.shape).copy(),
            elevation=unknown,
            azimuth=unknown,
            range_rate=unknown,
            sun_elevation=unknown,
            sunlit=unknown,
        )
        for km in (first_km, second_km)
    ]
    return [Sight(track=own, partner=other, wavelength=810e-9) for own, other in (tracks, tracks[::-1])]


def shares(split: str, first_km: Any, second_km: Any, time: Any, **changes: Any) -> list[Transmittance]:
    record = parse(SplitLossTable, {**SPLIT, "split": split, **changes}, "run.toml: channel")
    return [record.transmit(s, files=OneTable(), where="run.toml: channel") for s in sights(first_km, second_km, time)]


@pytest.mark.parametrize("split", ["range", "even"])
def test_the_arms_share_the_total_and_do_not_take_it_twice(split: str) -> None:
    """Oracle: the total of the table, 60 to 66 dB; the ratio of the arms is that of the squared ranges."""
    arms = shares(split, [600.0, 700.0, 900.0], [1200.0, 1000.0, 800.0], [0.0, 5.0, 10.0])
    np.testing.assert_allclose(arms[0].mean * arms[1].mean, 10 ** -np.array([[6.0], [6.3], [6.6]]), rtol=1e-12)
    ratio = (np.array([1200.0, 1000.0, 800.0]) / [600.0, 700.0, 900.0]) ** 2 if split == "range" else np.ones(3)
    np.testing.assert_allclose((arms[0].mean / arms[1].mean)[:, 0], ratio, rtol=1e-12)
    assert all(a.includes == ("diffraction",) for a in arms)


def test_a_further_loss_and_fading_are_of_one_arm() -> None:
    """Oracle: 1.5 dB more; the mean of a log-normal factor is 1, its index 0.2."""
    plain, lossy = (
        shares("even", 700.0, 700.0, [5.0], **changes)[0]
        for changes in ({}, {"extra_loss_db": 1.5, "scintillation_index": 0.2, "correlation_time_ms": 10.0})
    )
    assert lossy.mean[0, 0] / plain.mean[0, 0] == pytest.approx(10**-0.15, rel=1e-12)
    assert lossy.scintillation_index[0, 0] == pytest.approx(0.2, rel=1e-6)


def test_a_table_of_two_arms_needs_two_arms_that_it_fits() -> None:
    record = parse(SplitLossTable, SPLIT, "run.toml: channel")
    lonely = replace(sights(700.0, 700.0, [5.0])[0], partner=None)
    with pytest.raises(UserError, match="this run has one"):
        record.transmit(lonely, files=OneTable(), where="run.toml: channel")
    with pytest.raises(UserError, match="needs the slant range of both arms"):
        shares("range", 700.0, np.nan, [5.0])
    with pytest.raises(UserError, match="at 1 of 1 steps the arms differ by more"):
        shares("range", 1.0, 5000.0, [5.0])
    with pytest.raises(UserError, match="nothing is extrapolated"):
        shares("even", 700.0, 700.0, [11.0])


def test_the_measured_attenuation_of_yin_2020_gives_the_published_rate() -> None:
    """Published: 5.9e6 pairs/s through both links and the filters arrive as 2.2 pairs/s (Yin et al. 2020).

    The points of the figure, 2 to 286 s, mean 2.16; without their ends, which the digitised ranges do not reach, 2.21.
    """
    catalogue = Catalogue()
    time = np.arange(5.5, 285.0)
    columns = [catalogue.table(f"yin2020-range-{name}.csv") for name in ("delingha", "nanshan")]
    ranges = [np.interp(time, column["time_s"], column["range_km"]) for column in columns]
    arms = []
    for name, sight in zip(("delingha", "nanshan"), sights(*ranges, time), strict=True):
        table = catalogue.read("channels", f"yin2020-{name}")
        arms.append(parse(KINDS[table["kind"]], table, name).transmit(sight, files=catalogue, where=name))  # type: ignore[attr-defined]
    joint = join(arms, correlation="independent")
    pairs = 5.9e6 * np.mean(np.prod(joint.mean, axis=1))
    assert pairs == pytest.approx(2.2, rel=0.01)
    points = catalogue.table("yin2020-attenuation-of-both-links.csv")["loss_db"]
    assert 5.9e6 * 0.5 * np.mean(10 ** (-0.1 * points)) == pytest.approx(2.16, abs=0.005)
