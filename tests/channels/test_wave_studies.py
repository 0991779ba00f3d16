"""Statistical studies of wave optics, minutes each in all: ``python -m pytest -m slow tests/channels/test_wave_studies.py``.

HV5/7 in ten layers that keep its r0 and Rytov variance, outer scale 50 m, 810 nm, grid of 512 points of 5 mm. Oracles: exact
weak theory, long-exposure coupling, the Markov mean of an uplink, published wave optics; tolerances are theirs or 3 sigma of
the sample. The picture of the laws goes to runs/out/wave-optics.png, the table of their distances to
runs/out/law-distances.md."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from qphys import plots
from qphys.channels import waves
from qphys.channels.adaptive_optics import structure_function
from qphys.channels.beam import (
    centroid_variance,
    encircled_mean,
    level_path,
    long_term_radius,
    on_axis_mean,
    short_term_radius,
)
from qphys.channels.coupling import long_exposure_coupling
from qphys.channels.laws import (
    BeamWanderMarcum,
    BeamWanderWeibull,
    Beta,
    CircularBeam,
    EllipticBeam,
    GammaGamma,
    LogNormal,
    Pointing,
    Product,
    TotalProbability,
)
from qphys.channels.profiles import Layers
from qphys.channels.scintillation import scintillation_index
from qphys.channels.single_mode import SingleMode, single_mode_law, uplink_law
from qphys.channels.waves import Correction, Grid, Launch, Receiver

pytestmark = pytest.mark.slow

HEIGHT = np.array([19, 67, 142, 342, 1313, 3269, 7331, 10131, 12395, 16037], dtype=float)
STRENGTH = 2.23540e-12 * np.array([0.262, 0.2283, 0.1939, 0.1442, 0.071, 0.0383, 0.0209, 0.0163, 0.0138, 0.0113])
GRID = Grid(512, 0.005)
ORDERS = (1, 3, 6, 10, 21)
WAISTS = (0.05, 0.1, 0.15)


def hv57(zenith_angle: float, *, strength: float = 1.0) -> waves.LayeredPath:
    return waves.slant_path(
        HEIGHT, strength * STRENGTH, elevation=np.deg2rad(90 - zenith_angle), wavelength=810e-9, outer_scale=50.0
    )


def index(sample: np.ndarray) -> tuple[float, float]:
    """Scintillation index and its standard error, by the influence of each realisation."""
    x = sample / np.mean(sample)
    value = float(np.var(x))
    influence = (x - 1) ** 2 - value - 2 * value * (x - 1)
    return value, float(np.std(influence) / np.sqrt(x.size))


def point_index(path: waves.LayeredPath, realisations: int) -> tuple[float, float]:
    """Point scintillation index over the central metre, and its standard error."""
    middle = slice(156, 356)

    def moments(arrival: waves.Arrival) -> list[np.ndarray]:
        irradiance = np.abs(arrival.field[middle, middle].astype(complex)) ** 2
        return [np.array([np.mean(irradiance), np.mean(irradiance**2)])]

    (sample,), _ = waves.simulated(path, moments, grid=GRID, aperture=1.0, realisations=realisations, seed=2, stream=0)
    first, second = sample[:, 0].T
    value = np.mean(second) / np.mean(first) ** 2
    influence = second / np.mean(first) ** 2 - 2 * value * first / np.mean(first)
    return float(value - 1), float(np.std(influence) / np.sqrt(realisations))


def test_structure_function_of_two_thousand_pairs() -> None:
    """Theory to 3 % from 2 pixels to three quarters of the grid, plus 2 sigma of the sample (0.2 to 1.5 %)."""
    grid, lags = Grid(128, 0.02), (2, 4, 8, 16, 32, 64, 96)
    source = waves.Screens(grid, outer_scale=50.0)
    scale, sample = float(source.scale(0.1)), []
    for realisation in range(2000):
        for phase in source.still(seed=5, stream=1, realisation=realisation, index=0):
            p = scale * phase.astype(float)
            along = [np.mean((p[:, n:] - p[:, :-n]) ** 2) + np.mean((p[n:] - p[:-n]) ** 2) for n in lags]
            sample.append(0.5 * np.array(along))
    theory = structure_function(np.array(lags) * grid.pixel, fried_parameter=0.1, outer_scale=50.0)
    ratio = np.mean(sample, axis=0) / theory
    error = np.std(sample, axis=0) / np.sqrt(2000) / theory  # the two screens of a pair share their frequencies
    assert np.all(np.abs(ratio - 1) < 0.03 + 2 * error)
    assert np.all(error < 0.025)


def test_point_index_at_zenith() -> None:
    """Published wave optics .1326, weak theory .1339: 2 %."""
    value, error = point_index(hv57(0), 150)
    assert error < 0.001
    assert value == pytest.approx(0.1326, rel=0.02)


def test_point_index_at_70_degrees() -> None:
    """Published wave optics 1.05 +- .04; the formula for strong turbulence would give .688, weak theory .96."""
    value, error = point_index(hv57(70), 200)
    assert error < 0.015
    assert value == pytest.approx(1.05, abs=0.04)


@pytest.fixture(scope="module")
def zenith() -> waves.DownlinkResult:
    orders = tuple(Correction(modes) for modes in ORDERS)
    receivers = [Receiver(0.1), Receiver(0.2, corrections=orders), Receiver(0.3), Receiver(1.0)]
    return waves.downlink(hv57(0), receivers, grid=GRID, realisations=800, seed=1)


@pytest.fixture(scope="module")
def beams() -> waves.UplinkResult:
    launches = [Launch(waist, correction=Correction(modes)) for modes in (1, 3) for waist in WAISTS]
    return waves.uplink(hv57(0), launches, grid=GRID, realisations=800, seed=1)


def test_aperture_averaged_index(zenith: waves.DownlinkResult) -> None:
    """Exact weak theory of these ten layers, .0347 .00421 .000293 at 0.1, 0.3, 1 m: 5 % and 3 sigma."""
    for receiver, exact in ((0, 0.0347), (2, 0.00421), (3, 0.000293)):
        value, error = index(zenith.power[receiver][:, 0])
        assert value == pytest.approx(exact, abs=0.05 * exact + 3 * error)
        assert error < 0.08 * exact


def test_long_exposure_coupling(zenith: waves.DownlinkResult) -> None:
    """Exact theory at L0 = 50 m, .167 at 0.2 m: 3 sigma."""
    exact = long_exposure_coupling(0.2 / hv57(0).fried_parameter, mode_ratio=1.12091, outer_scale_over_aperture=250.0)
    sample = zenith.coupling[1][:, 0, 0]
    assert np.mean(sample) == pytest.approx(exact, abs=3 * np.std(sample) / np.sqrt(sample.size))


def test_uplink_mean_on_the_axis(beams: waves.UplinkResult) -> None:
    """Markov integral at L0 = 50 m: 3 sigma and 3 %."""
    for launch, waist in enumerate((0.05, 0.1, 0.15)):
        sample = beams.transmittance[:, 0, launch]
        exact = float(on_axis_mean(waist, hv57(0).fried_parameter, outer_scale=50.0))
        error = float(np.std(sample) / np.sqrt(sample.size))
        assert np.mean(sample) == pytest.approx(exact, abs=0.03 * exact + 3 * error)


@pytest.mark.parametrize(
    ("ratio", "published"),
    [(2.0, (0.558, 0.669, 0.719, 0.763)), (5.0, (0.176, 0.337, 0.461, 0.602)), (10.0, (0.0255, 0.0641, 0.143, 0.315))],
)
def test_coupling_behind_perfect_correction(ratio: float, published: tuple[float, ...]) -> None:
    """Published Monte Carlo of 3000 pupils for J = 3, 6, 10, 21 (+-.001 to .002): 3 sigma and 1 %."""
    strength = (0.5 / ratio) ** (-5 / 3) / 0.423 / (2 * np.pi / 810e-9) ** 2
    path = waves.slant_path([1.0], [strength], elevation=np.pi / 2, wavelength=810e-9, outer_scale=np.inf)
    receiver = Receiver(0.5, corrections=tuple(Correction(modes) for modes in (3, 6, 10, 21)))
    result = waves.downlink(path, [receiver], grid=Grid(128, 0.00625), realisations=3000, seed=1)
    sample = result.coupling[0][:, 0]
    error = np.std(sample, axis=0) / np.sqrt(3000)
    assert np.all(np.abs(np.mean(sample, axis=0) - published) < 3 * error + 0.01 * np.array(published) + 0.002)


@pytest.fixture(scope="module")
def level() -> waves.HorizontalResult:
    return waves.horizontal(
        1e-15,
        length=2000.0,
        screens=13,
        waist=0.02,
        focus=2000.0,
        wavelength=808e-9,
        outer_scale=1000.0,
        apertures=(0.012, 0.024, 0.05),
        grid=Grid(512, 0.0005),
        realisations=1000,
        seed=1,
    )


def test_horizontal_encircled_mean_and_wander(level: waves.HorizontalResult) -> None:
    """Exact means of the extended Huygens-Fresnel integral to 1 % and 3 sigma; centroid 2.237e-5 m^2 to 6 % and 2 sigma."""
    wave = 2 * np.pi / 808e-9
    fried = (0.423 * 0.375 * wave**2 * 1e-15 * 2000.0) ** (-3 / 5)
    radius = 808e-9 * 2000.0 / (np.pi * 0.02)
    told = {"distance": 2000.0, "wavelength": 808e-9, "fried_parameter": fried, "outer_scale": 1000.0}
    exact = encircled_mean(np.array([0.006, 0.012, 0.025]), radius, **told)
    error = np.std(level.transmittance, axis=0) / np.sqrt(1000)
    assert np.all(np.abs(np.mean(level.transmittance, axis=0) - exact) < 0.01 * exact + 3 * error)
    position, strength = level_path(2000.0, 1e-15)
    along = 0.02 * np.hypot(1 - position / 2000.0, position * 808e-9 / (np.pi * 0.02**2))
    variance = float(centroid_variance(position, strength, beam_radius=along, distance=2000.0, outer_scale=1000.0))
    assert variance == pytest.approx(2.237e-5, rel=2e-3)
    assert np.mean(level.centroid**2) == pytest.approx(variance, rel=0.06 + 2 * np.sqrt(2 / 2000))


Cumulative = Callable[[np.ndarray], np.ndarray]


def two_moments(sample: np.ndarray) -> dict[str, Cumulative]:
    """Laws that any mean and index make; beside them gamma, which beta is where the mean is small."""
    from scipy import stats

    mean, spread = float(np.mean(sample)), float(np.var(sample) / np.mean(sample) ** 2)
    laws: dict[str, Cumulative] = {"gamma": stats.gamma(1 / spread, scale=mean * spread).cdf}
    if spread < (1 - mean) ** 2 / (mean * (2 - mean)):
        log_normal = LogNormal.of_moments(mean, spread)
        laws["log-normal"] = lambda x: log_normal.cumulative(x)[0]
    if spread < (1 - mean) / mean:
        beta = Beta(mean, spread)
        laws["beta"] = lambda x: beta.cumulative(x)[0]
    return laws


def level_laws(sample: np.ndarray, radius: float) -> dict[str, Cumulative]:
    """Laws of a beam beside an aperture: mean and index of the sample, wander by theory; the elliptic one by its authors."""
    wave = 2 * np.pi / 808e-9
    mean, spread = float(np.mean(sample)), float(np.var(sample) / np.mean(sample) ** 2)
    position, strength = level_path(2000.0, 1e-15)
    along = 0.02 * np.hypot(1 - position / 2000.0, position * 808e-9 / (np.pi * 0.02**2))
    wander = np.sqrt(centroid_variance(position, strength, beam_radius=along, distance=2000.0, outer_scale=1000.0))
    spot = float(short_term_radius(long_term_radius(mean, radius), wander))
    size = {"aperture_radius": radius, "wander": wander}
    made = {
        "total probability": TotalProbability.of_moments(mean, spread, beam_radius=spot, **size),
        "circular beam": CircularBeam.of_moments(mean, spread, **size),
        "wander, Marcum": BeamWanderMarcum(radius, spot, wander=wander),
        "wander, Weibull": BeamWanderWeibull(radius, spot, wander=wander),
        "elliptic beam": EllipticBeam.of_weak_turbulence(
            0.02, radius, distance=2000.0, wavelength=808e-9, structure_constant=1e-15
        ),
        "gamma-gamma": GammaGamma.of_spherical_wave(mean, 1.23 * 1e-15 * wave ** (7 / 6) * 2000.0 ** (11 / 6)),
    }
    return {name: lambda x, law=law: law.cumulative(x)[0] for name, law in made.items()}


def index_of(aperture: float) -> float:
    layers = Layers(height=HEIGHT, strength=STRENGTH, wind=np.full(HEIGHT.shape, np.nan))
    return float(scintillation_index(layers, np.pi / 2, wavelength=810e-9, aperture=aperture, outer_scale=50.0))


def fibre_law(modes: int) -> Cumulative:
    """Law that a link takes, from the path alone."""
    law = single_mode_law(
        SingleMode(kind="single-mode", corrected_modes=modes, mode_ratio=1.12091),
        wavelength=810e-9,
        aperture=0.2,
        obscuration=0.0,
        fried_parameter=hv57(0).fried_parameter,
        elevation=np.pi / 2,
        scintillation_index=index_of(0.2),
        outer_scale=50.0,
    )
    return lambda x: law.cumulative(x)[0]


def reciprocal_law(waist: float, modes: int) -> Cumulative:
    """Law that a link takes, from the path alone, in the simulation's pupil of six waists."""
    law = uplink_law(
        waist=waist,
        fried_parameter=hv57(0).fried_parameter,
        elevation=np.pi / 2,
        aperture=6 * waist,
        corrected_modes=modes,
        scintillation_index=index_of(2 * waist),
        outer_scale=50.0,
    )
    return lambda x: law.cumulative(x)[0]


def wandering_law(sample: np.ndarray, waist: float) -> Cumulative | None:
    """Wander by theory times log-normal with what it leaves of the index, as `choose.uplink_law` for narrow beams."""
    mean, spread = float(np.mean(sample)), float(np.var(sample) / np.mean(sample) ** 2)
    told = {"beam_radius": np.full(HEIGHT.shape, waist), "distance": 1e9, "outer_scale": 50.0}
    jitter = float(np.sqrt(centroid_variance(HEIGHT, STRENGTH, **told))) / 1e9
    angle = short_term_radius(810e-9 / (np.pi * waist) / np.sqrt(mean), jitter)
    wander = Pointing.rayleigh(angle, jitter)
    rest = (1 + spread) / (1 + wander.scintillation_index) - 1
    if np.any(rest <= 0):
        return None
    # a hundredth of all, so that nothing is cut at 1, as where diffraction has taken most of the light
    law = Product(LogNormal(0.01 * mean / wander.mean, np.log1p(rest)), wander)
    return lambda x: law.cumulative(0.01 * x)[0]


def distance(sample: np.ndarray, cumulative: Cumulative) -> float:
    """Kolmogorov and Smirnov's, the largest difference of the sample's distribution from a law."""
    x, n = np.sort(sample), sample.size
    p = np.asarray(cumulative(x))
    return float(max(np.max(np.arange(1, n + 1) / n - p), np.max(p - np.arange(n) / n)))


LAWS = (
    "log-normal",
    "gamma",
    "beta",
    "total probability",
    "circular beam",
    "wander, Marcum",
    "wander, Weibull",
    "elliptic beam",
    "gamma-gamma",
    "wander x log-normal",
    "single mode",
)


@pytest.fixture(scope="module")
def cases(
    zenith: waves.DownlinkResult, beams: waves.UplinkResult, level: waves.HorizontalResult
) -> dict[str, tuple[np.ndarray, dict[str, Cumulative]]]:
    """Every sample and the distributions of the laws that are offered for it."""
    found: dict[str, tuple[np.ndarray, dict[str, Cumulative]]] = {}
    for place, radius in enumerate((0.006, 0.012, 0.025)):
        sample = level.transmittance[:, place]
        found[f"2 km, a = {1e3 * radius:g} mm"] = sample, two_moments(sample) | level_laws(sample, radius)
    for place, diameter in ((0, 0.1), (2, 0.3), (3, 1.0)):
        sample = zenith.power[place][:, 0] / 10  # far below 1, as behind diffraction
        law = GammaGamma.of_plane_wave(float(np.mean(sample)), index_of(1e-4))
        plane = {"gamma-gamma": lambda x, law=law: law.cumulative(x)[0]}
        found[f"downlink, bucket, {diameter:g} m"] = sample, two_moments(sample) | plane
    for place, modes in enumerate(ORDERS):
        sample = zenith.coupling[1][:, 0, place]
        found[f"downlink, fibre, 0.2 m, J = {modes}"] = sample, two_moments(sample) | {"single mode": fibre_law(modes)}
    for place, (modes, waist) in enumerate((modes, waist) for modes in (1, 3) for waist in WAISTS):
        sample = beams.transmittance[:, 0, place]
        laws = two_moments(sample) | {"single mode": reciprocal_law(waist, modes)}
        wandering = wandering_law(sample, waist) if modes == 1 else None
        if wandering is not None:
            laws["wander x log-normal"] = wandering
        found[f"uplink, W0 = {100 * waist:g} cm{', tilt tracked' if modes == 3 else ''}"] = sample, laws
    return found


def write_table(apart: dict[str, dict[str, float]], sizes: dict[str, int], path: Path) -> None:
    """Distances, number of realisations, and 1.36 / sqrt(n), which 95 of 100 samples of a law itself stay below."""
    lines = [f"| case | n | noise | {' | '.join(LAWS)} |", "|" + "---|" * (len(LAWS) + 3)]
    for case, row in apart.items():
        cells = [f"{row[law]:.3f}".lstrip("0") if law in row else "" for law in LAWS]
        noise = f"{1.36 / np.sqrt(sizes[case]):.3f}".lstrip("0")
        lines.append(f"| {case} | {sizes[case]} | {noise} | {' | '.join(cells)} |")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_laws_against_the_simulated_distributions(
    cases: dict[str, tuple[np.ndarray, dict[str, Cumulative]]],
) -> None:
    """Published distances at 2 km, .030 of sample noise in either; elsewhere the published order. Noise .043 to .048."""
    apart = {case: {law: distance(sample, cdf) for law, cdf in laws.items()} for case, (sample, laws) in cases.items()}
    folder = Path(__file__).parents[2] / "runs" / "out"
    write_table(apart, {case: sample.size for case, (sample, _) in cases.items()}, folder / "law-distances.md")
    # 2 km: published distances; the elliptic law is held to its own parameters, so that the sample's mean moves it more
    published = {
        "log-normal": (0.045, 0.051, 0.076),
        "beta": (0.032, 0.034, 0.042),
        "total probability": (0.020, 0.025, 0.036),
    }
    for place, radius in enumerate((6, 12, 25)):
        row = apart[f"2 km, a = {radius} mm"]
        for law, values in published.items():
            assert row[law] == pytest.approx(values[place], abs=0.03)
        assert row["elliptic beam"] == pytest.approx((0.52, 0.58, 0.61)[place], abs=0.07)
        assert row["circular beam"] < 0.05
        # wander without scintillation is too narrow
        assert min(row["wander, Marcum"], row["wander, Weibull"], row["gamma-gamma"]) > 0.15
    # power into a bucket: any law of the right moments, and none whose index is that of a point
    for diameter in ("0.1", "0.3", "1"):
        row = apart[f"downlink, bucket, {diameter} m"]
        assert max(row["log-normal"], row["gamma"], row["beta"]) < 0.05
        assert row["gamma-gamma"] > 0.15
    # a beam that wanders, or a fibre without correction: never the log-normal, but the law that a link takes
    loose = ("downlink, fibre, 0.2 m, J = 1", *(f"uplink, W0 = {waist} cm" for waist in (5, 10, 15)))
    for case in loose:
        assert apart[case]["log-normal"] > 0.08
    for case in (*loose, *(f"uplink, W0 = {waist} cm, tilt tracked" for waist in (5, 10, 15))):
        assert apart[case]["single mode"] < 0.07
    # corrected light: a mean 1 to 4 % high, which a narrow law shows the more the narrower it is
    for modes, least, most in ((3, 0.0, 0.07), (6, 0.0, 0.1), (10, 0.05, 0.15), (21, 0.09, 0.2)):
        assert least < apart[f"downlink, fibre, 0.2 m, J = {modes}"]["single mode"] < most


def test_picture_of_the_laws(cases: dict[str, tuple[np.ndarray, dict[str, Cumulative]]]) -> None:
    """A panel a case, with the laws of two moments and the one that a link takes."""
    shown = {
        "downlink, bucket, 0.1 m": "gamma",
        "downlink, fibre, 0.2 m, J = 1": "single mode",
        "downlink, fibre, 0.2 m, J = 10": "single mode",
        "uplink, W0 = 5 cm": "single mode",
        "uplink, W0 = 15 cm, tilt tracked": "single mode",
        "2 km, a = 12 mm": "total probability",
    }
    names, rows = ("log-normal", "beta", "law taken"), []
    for case, taken in shown.items():
        sample, laws = cases[case]
        x = np.linspace(0, float(np.max(sample)), 200)[1:]
        drawn = [laws[name] for name in ("log-normal", "beta", taken)]
        rows.append((sample[:800], [distance(sample, law) for law in drawn], x, np.array([law(x) for law in drawn])))
    samples, apart, x, cumulative = (np.array(column) for column in zip(*rows, strict=True))
    study = xr.Dataset(
        {
            "transmittance": (("case", "realisation"), samples),
            "distance": (("case", "law"), apart),
            "x": (("case", "quantile"), x),
            "cumulative": (("case", "law", "quantile"), cumulative),
        },
        coords={"case": list(shown), "law": list(names)},
    )
    picture = Path(__file__).parents[2] / "runs" / "out" / "wave-optics.png"
    assert plots.draw_wave_study(study, picture).stat().st_size > 20_000
