"""The batched search: quadratics, curved valleys, ends of the box, missing values, and no link knows another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qphys.search import kronecker, maximum

Array = np.ndarray[Any, Any]


def quadratics(links: int, variables: int, seed: int) -> tuple[Any, Array]:
    rng = np.random.default_rng(seed)
    top = rng.uniform(0.1, 0.9, (links, variables))
    root = rng.normal(size=(links, variables, variables))
    shape = root @ np.swapaxes(root, 1, 2) + 0.3 * np.eye(variables)

    def function(points: Array, index: Array) -> Array:
        away = points - top[index, np.newaxis]
        return 7.0 - np.einsum("bci,bij,bcj->bc", away, shape[index], away)

    return function, top


@pytest.mark.parametrize("variables", [1, 2, 5, 6])
def test_maximum_of_a_quadratic_is_found_to_rounding(variables: int) -> None:
    function, top = quadratics(23, variables, seed=variables)
    found = maximum(function, links=23, variables=variables)
    np.testing.assert_allclose(found.value, 7.0, rtol=1e-9)
    np.testing.assert_allclose(found.point, top, atol=2e-4)


def test_a_curved_valley_is_followed_to_its_end() -> None:
    def valley(points: Array, index: Array) -> Array:
        x, y = 4.0 * points[..., 0] - 2.0, 4.0 * points[..., 1] - 2.0
        return -((1.0 - x) ** 2) - 5.0 * (y - x**2) ** 2

    found = maximum(valley, links=1, variables=2, rounds=30)
    assert found.value[0] == pytest.approx(0.0, abs=1e-4)


def test_a_maximum_at_a_corner_of_the_box_is_reached() -> None:
    found = maximum(lambda points, index: points @ np.array([1.0, -2.0, 3.0]), links=1, variables=3)
    np.testing.assert_allclose(found.point[0], [1.0, 0.0, 1.0], atol=1e-3)


def test_along_a_face_of_the_box_the_other_variables_find_their_maximum() -> None:
    """The top of a long ridge that leaves the box: on the face x = 1 it lies where the slope along y and z vanishes."""
    form = np.array([[2.0, -1.2, 0.4], [-1.2, 2.0, 0.3], [0.4, 0.3, 2.5]])
    away = np.array([1.4, 0.8, 0.3])

    def ridge(points: Array, index: Array) -> Array:
        d = points - away
        return -np.einsum("bci,ij,bcj->bc", d, form, d)

    found = maximum(ridge, links=1, variables=3)
    # of y, z at x = 1: form[1:, 1:] (yz - away) = -form[1:, 0] (1 - 1.4)
    rest = away[1:] + np.linalg.solve(form[1:, 1:], -form[1:, 0] * (1.0 - away[0]))
    np.testing.assert_allclose(found.point[0], [1.0, *rest], atol=2e-4)


def test_a_suspected_hill_is_climbed_where_it_is_the_higher_one() -> None:
    def hills(points: Array, index: Array) -> Array:
        wide = np.exp(-np.sum((points - 0.3) ** 2, axis=-1) / 0.3)
        needle = np.where(index[:, np.newaxis] == 0, 2.0, 0.1) * np.exp(-np.sum((points - 0.902) ** 2, axis=-1) / 5e-5)
        return np.asarray(wide + needle)

    alone = maximum(hills, links=2, variables=2)
    helped = maximum(hills, links=2, variables=2, beside=lambda points, links: points[:, np.newaxis] + 0.6)
    assert np.all(alone.value < 1.001)
    assert helped.value[0] == pytest.approx(2.0, abs=0.2)
    assert helped.value[0] > 2.0
    assert helped.value[1] == alone.value[1]


def test_the_higher_of_two_hills_is_found() -> None:
    def hills(points: Array, index: Array) -> Array:
        low = np.exp(-np.sum((points - 0.25) ** 2, axis=-1) / 0.02)
        high = 1.3 * np.exp(-np.sum((points - 0.8) ** 2, axis=-1) / 0.008)
        return np.asarray(low + high)

    found = maximum(hills, links=1, variables=2)
    assert found.value[0] == pytest.approx(1.3, rel=1e-4)


def test_a_link_does_not_depend_on_the_others() -> None:
    function, _ = quadratics(11, 3, seed=5)
    together = maximum(function, links=11, variables=3)
    for link in (0, 6, 10):
        alone = maximum(lambda points, index, link=link: function(points, np.full(len(index), link)), links=1, variables=3)
        # sums over a batch may round differently in the last digit
        np.testing.assert_allclose(alone.point[0], together.point[link], rtol=1e-9)


def test_missing_values_are_avoided_and_a_link_without_any_value_says_so() -> None:
    def half(points: Array, index: Array) -> Array:
        values = -((points[..., 0] - 0.3) ** 2)
        return np.where((points[..., 0] > 0.4) | (index[:, np.newaxis] == 1), np.nan, values)

    found = maximum(half, links=2, variables=1)
    assert found.point[0, 0] == pytest.approx(0.3, abs=1e-3)
    assert found.value[1] == -np.inf


def test_a_good_guess_is_never_lost() -> None:
    needle = np.array([0.637, 0.211])

    def hidden(points: Array, index: Array) -> Array:
        return np.where(np.max(np.abs(points - needle), axis=-1) < 1e-6, 1.0, -np.sum(points, axis=-1))

    found = maximum(hidden, links=1, variables=2, guesses=needle[np.newaxis, np.newaxis])
    assert found.value[0] == 1.0


def test_scattered_points_leave_no_large_hole() -> None:
    points = kronecker(256, 2)
    centres = (np.indices((8, 8)).reshape(2, -1).T + 0.5) / 8
    nearest = np.max(np.abs(points[:, np.newaxis] - centres), axis=2).min(axis=0)
    assert np.max(nearest) < 1 / 8
