"""Every number of the theory that qphys is held to: what was published, what qphys gives, and how far apart they are.

A section is a function that computes its numbers with the functions of the package and yields each beside the published one.
``tests/published/test_theory.py`` holds them; ``docs/generate.py`` writes the page that lists them, from the same functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, Literal

import numpy as np

Origin = Literal["published", "digitised", "second program", "recomputed"]
"""Printed in the paper; read off its figure; by another public program; by our own script from the paper's formula."""

ORIGINS: Final[dict[str, str]] = {
    "published": "printed in the paper",
    "digitised": "read off a figure of the paper",
    "second program": "given by another public program",
    "recomputed": "by a script that knows nothing of qphys, from the paper's formula",
}


@dataclass(frozen=True, kw_only=True)
class Number:
    """A number beside the published one."""

    quantity: str
    """What it is, with its unit."""
    published: float
    """As told."""
    found: float
    """By qphys."""
    within: float
    """Largest difference that the told digits, or the reading of a figure, allow."""
    origin: Origin = "published"
    """Where the told number comes from."""
    regression: float | None = None
    """For a number that does not agree: what qphys gives, held to `within`."""
    at_least: bool = False
    """Whether the told number is a limit from below."""
    why: str = ""
    """Reason of such a misfit, or a remark."""

    @property
    def agrees(self) -> bool:
        """Whether qphys gives the told number."""
        over = self.found - self.published
        return bool(over >= -self.within if self.at_least else abs(over) <= self.within)

    @property
    def held(self) -> bool:
        """Whether qphys gives what it is held to: the told number, or the misfit that is known, neither more nor less."""
        if self.regression is None:
            return self.agrees
        return bool(abs(self.found - self.regression) <= self.within) and not self.agrees


@dataclass(frozen=True, kw_only=True)
class Section:
    """Numbers of one source."""

    name: str
    title: str
    source: str
    remarks: str
    """What the reader needs besides: what is not at hand, what is out of scope."""
    numbers: Callable[[], Iterator[Number]]
    slow: bool
    """Whether it takes so long that only the slow tests and the docs run it."""


SECTIONS: Final[dict[str, Section]] = {}
"""Name -> section, in the order of the page."""


def section(
    name: str, title: str, source: str, *, remarks: str = "", slow: bool = False
) -> Callable[[Callable[[], Iterator[Number]]], Callable[[], Iterator[Number]]]:
    """Enter a function among the sections."""

    def enter(function: Callable[[], Iterator[Number]]) -> Callable[[], Iterator[Number]]:
        SECTIONS[name] = Section(name=name, title=title, source=source, remarks=remarks, numbers=function, slow=slow)
        return function

    return enter


def entropy(p: Any) -> Any:
    """Entropy of a bit, written apart from the package's own."""
    p = np.clip(np.asarray(p, dtype=np.float64), 1e-300, 1 - 1e-16)
    return -(p * np.log2(p) + (1 - p) * np.log2(1 - p))


def root(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a function that changes its sign once has its zero."""
    from scipy.optimize import brentq

    return float(brentq(function, low, high, xtol=1e-13, rtol=1e-14))


def last(key: Callable[[Any], Any], low: float, high: float, *, halvings: int = 40) -> float:
    """Where a key that ends once ends, by halving: the package tells no key below 0, so that there is no sign to follow."""
    for _ in range(halvings):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if key(middle) > 0 else (low, middle)
    return low


for _room in ("decoy", "finite", "pairs", "limits", "devices"):
    import_module(f"{__name__}.{_room}")
