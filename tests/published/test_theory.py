"""The numbers of the theory, one test a source. Oracle: what was published, digitised, or computed by another program."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

PLACE = Path(__file__).with_name("theory") / "__init__.py"
specification = importlib.util.spec_from_file_location("theory", PLACE, submodule_search_locations=[str(PLACE.parent)])
assert specification is not None
assert specification.loader is not None
theory = importlib.util.module_from_spec(specification)
sys.modules["theory"] = theory
specification.loader.exec_module(theory)


def held(name: str) -> None:
    numbers = list(theory.SECTIONS[name].numbers())
    assert len(numbers) >= 1
    assert len({number.quantity for number in numbers}) == len(numbers), "a quantity stands twice"
    wrong = [f"{n.quantity}: told {n.published:.10g}, found {n.found:.10g}" for n in numbers if not n.held]
    assert not wrong, "\n".join(wrong)
    # a misfit is explained, and is one
    assert all(n.why for n in numbers if n.regression is not None)


@pytest.mark.parametrize("name", [name for name, section in theory.SECTIONS.items() if not section.slow])
def test_numbers(name: str) -> None:
    held(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, section in theory.SECTIONS.items() if section.slow])
def test_costly_numbers(name: str) -> None:
    held(name)


def test_a_number_is_held_only_where_it_agrees_or_misses_as_it_did() -> None:
    def number(found: float, regression: float | None = None, *, at_least: bool = False) -> bool:
        told = theory.Number(quantity="x", published=1.0, found=found, within=0.1, regression=regression, at_least=at_least)
        return bool(told.held)

    assert number(1.05) and not number(1.2) and not number(float("nan"))
    assert number(2.05, 2.0) and not number(2.2, 2.0) and not number(float("nan"), 2.0)
    assert not number(1.05, 1.05), "a misfit that agrees is none"
    assert number(5.0, at_least=True) and not number(0.8, at_least=True)
