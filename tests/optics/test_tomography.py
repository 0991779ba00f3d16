"""Maximum likelihood: states it must find, and a second algorithm."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import qphys
from qphys.catalogue import Catalogue
from qphys.errors import RunError, UserError
from qphys.optics import tomography
from qphys.recipe import read_recipe
from qphys.river import River

JAMES = ("HH", "HV", "VV", "VH", "RH", "RV", "DV", "DH", "DR", "DD", "RD", "HD", "VD", "VL", "HL", "RL")
"""The sixteen settings of James et al. 2001."""


def random_state(seed: int, rank: int = 4) -> np.ndarray:
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(4, rank)) + 1j * rng.normal(size=(4, rank))
    return root @ root.conj().T / np.trace(root @ root.conj().T).real


def means(state: np.ndarray, settings: tuple[str, ...], number: float) -> np.ndarray:
    return number * np.einsum("nij,ji->n", tomography.projectors(settings), state).real


@pytest.mark.parametrize("rank", [1, 2, 3, 4])
@pytest.mark.parametrize("settings", [JAMES, tomography.complete_settings()], ids=["sixteen", "thirty-six"])
def test_exact_counts_give_the_state_back(rank: int, settings: tuple[str, ...]) -> None:
    """Oracle: the state itself; a gap of g allows a deviation of about sqrt(g / counts)."""
    state = random_state(rank, rank)
    found = tomography.reconstruct(means(state, settings, 1e6), settings, largest_gap=1e-4)
    np.testing.assert_allclose(found.state, state, atol=1e-4)
    assert found.likelihood_gap <= 1e-4


def test_result_is_a_state_whatever_the_noise() -> None:
    """Oracle: positive, trace 1; ten pairs a setting of a pure state, where linear inversion is negative."""
    rng, settings = np.random.default_rng(7), tomography.complete_settings()
    for seed in range(11):
        counts = rng.poisson(means(random_state(seed, 1), settings, 10.0))
        state = tomography.reconstruct(counts, settings).state
        np.testing.assert_allclose(state, state.conj().T, atol=1e-15)
        assert np.linalg.eigvalsh(state)[0] > -1e-12 and np.trace(state).real == pytest.approx(1.0)


def test_noise_moves_the_state_by_its_standard_error() -> None:
    """Oracle: infidelity falls as one over the counts; two decades, within a factor of three."""
    rng, settings, state = np.random.default_rng(8), tomography.complete_settings(), random_state(3)

    def error(number: float) -> float:
        found = [tomography.reconstruct(rng.poisson(means(state, settings, number)), settings).state for _ in range(20)]
        return float(np.mean([np.linalg.norm(f - state) ** 2 for f in found]))

    assert 100 / 3 < error(1e3) / error(1e5) < 100 * 3


def test_no_other_algorithm_finds_a_larger_likelihood() -> None:
    """Oracle: the iteration R rho R (Hradil et al. 2004) on a closed set of settings, 3,000 steps."""
    settings = tomography.complete_settings()
    operators = tomography.projectors(settings) / 9.0
    counts = np.random.default_rng(9).poisson(means(random_state(4, 2), settings, 50.0))

    def likelihood(state: np.ndarray) -> float:
        probability = np.einsum("nij,ji->n", operators, state).real
        return float(np.sum(counts[counts > 0] * np.log(probability[counts > 0])))

    other = np.eye(4) / 4
    for _ in range(3000):
        weights = counts / np.einsum("nij,ji->n", operators, other).real
        r = np.einsum("n,nij->ij", weights, operators)
        other = r @ other @ r
        other /= np.trace(other).real
    found = tomography.reconstruct(counts, settings, largest_gap=1e-5)
    assert likelihood(found.state) > likelihood(other) - found.likelihood_gap
    np.testing.assert_allclose(found.state, other, atol=2e-3)


def test_exposures_and_accidentals_are_taken_out() -> None:
    """Oracle: the state, from exact means of settings measured for unequal times on a flat background."""
    state, settings = random_state(5), JAMES
    exposures, accidentals = np.linspace(1.0, 3.0, 16), np.linspace(20.0, 5.0, 16)
    counts = exposures * means(state, settings, 1e5) + accidentals
    found = tomography.reconstruct(counts, settings, exposures=exposures, accidentals=accidentals, largest_gap=1e-4)
    np.testing.assert_allclose(found.state, state, atol=5e-4)


def test_circular_letters_are_eigenstates_of_sigma_y() -> None:
    """Oracle: <sigma_y> = -1 and +1 for R and L."""
    sigma_y = np.array([[0, -1j], [1j, 0]])
    for letter, value in (("R", -1.0), ("L", 1.0)):
        vector = np.array(tomography.POLARIZATIONS[letter])
        assert (vector.conj() @ sigma_y @ vector).real == pytest.approx(value)


@pytest.mark.parametrize(
    ("counts", "settings", "extra", "message"),
    [
        ([1.0] * 15, JAMES, {}, "do not fit"),
        ([-1.0] * 16, JAMES, {}, "negative"),
        ([0.0] * 16, JAMES, {}, "all be zero"),
        ([1.0] * 16, JAMES, {"exposures": 0.0}, "exposures"),
        ([1.0] * 16, ("HH",) * 16, {}, "16 independent"),
        ([1.0] * 16, ("HX",) * 16, {}, "two letters"),
    ],
)
def test_mistakes_are_told(counts: list[float], settings: tuple[str, ...], extra: dict[str, float], message: str) -> None:
    """Oracle: the wording."""
    with pytest.raises(UserError, match=message):
        tomography.reconstruct(counts, settings, **extra)


def test_an_unfinished_search_is_no_result() -> None:
    """Oracle: an error, not a state."""
    with pytest.raises(RunError, match="after 2 iterations"):
        tomography.reconstruct(means(random_state(1, 1), JAMES, 1e6), JAMES, largest_iterations=2)


def test_a_statistics_file_gives_back_the_state_of_its_source(tmp_path: Path) -> None:
    """Oracle: the source's own state; 36 settings by quarter-wave plates, drawn counts, fidelity above 0.98."""
    root = Path(__file__).parents[2]
    statistics = qphys.run(root / "runs" / "tomography.toml", output=tmp_path / "tomography.h5")
    told = tomography.coincidences_of(statistics)
    statistics.close()
    assert told["counts"].sum() > 3000
    found = tomography.reconstruct(**told)
    state = River(Catalogue()).emission(read_recipe(root / "runs" / "tomography.toml").point(0)).pair_state
    root_of = np.linalg.cholesky(found.state + 1e-12 * np.eye(4))
    overlap = np.linalg.svd(root_of.conj().T @ np.linalg.cholesky(state + 1e-12 * np.eye(4)), compute_uv=False).sum() ** 2
    assert overlap > 0.98
