"""Records refuse what they do not know, tell every mistake at once, and let only SI out."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import pytest
from pydantic import Field

from qphys.errors import UserError
from qphys.record import Record, parse
from qphys.units import FACTORS, si_name_and_factor


class Inner(Record):
    gate_ns: float = Field(gt=0)


class Cat(Record):
    kind: Literal["cat"]
    lives: int = Field(ge=1)


class Dog(Record):
    kind: Literal["dog"]
    tricks: int


class Sample(Record):
    kind: Literal["sample"] = "sample"
    wavelength_nm: float = Field(gt=0, le=20_000)
    loss_db: float = 0.0
    angles_deg: tuple[float, ...] = ()
    number: int = 1
    inner: Inner | None = None
    pet: Annotated[Cat | Dog, Field(discriminator="kind")] | None = None


def test_only_si_leaves_a_record() -> None:
    si = parse(Sample, {"wavelength_nm": 848.6, "loss_db": 3.0, "angles_deg": [0, 90.0]}, "x.toml").si
    assert si.wavelength == pytest.approx(848.6e-9, rel=1e-15)
    assert si.loss_db == 3.0
    np.testing.assert_allclose(si.angles, [0.0, np.pi / 2], rtol=1e-15)
    assert si.number == 1 and isinstance(si.number, int)


@pytest.mark.parametrize(("suffix", "factor"), list(FACTORS.items()))
def test_every_unit_suffix_is_split_off_and_never_shadowed_by_a_shorter_one(suffix: str, factor: float) -> None:
    assert si_name_and_factor(f"thing{suffix}") == ("thing", factor)


def test_a_name_that_is_only_a_suffix_has_no_unit() -> None:
    assert si_name_and_factor("_m") == ("_m", 1.0)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({}, "x.toml: source.wavelength_nm: missing"),
        ({"wavelength_nm": -1.0}, "wavelength_nm = -1.0: input should be greater than 0"),
        ({"wavelength_nm": float("nan")}, "wavelength_nm = nan"),
        ({"wavelength_nm": float("inf")}, "wavelength_nm = inf"),
        ({"wavelength_nm": "850"}, "wavelength_nm = '850': input should be a valid number"),
        ({"wavelength_nm": True}, "wavelength_nm = True"),
        ({"wavelength_nm": 850.0, "wavelenght": 1}, "unknown key; did you mean 'wavelength_nm'?"),
        ({"wavelength_nm": 850.0, "inner": {"gate_ns": 0.0}}, "x.toml: source.inner.gate_ns = 0.0"),
        ({"wavelength_nm": 850.0, "inner": {"gate": 1.0, "gate_ns": 1.0}}, "did you mean 'gate_ns'?"),
        ({"wavelength_nm": 850.0, "number": 1.5}, "number = 1.5"),
        ({"wavelength_nm": 850.0, "kind": "other"}, "kind = 'other'"),
        ({"wavelength_nm": 850.0, "angles_deg": ["a"]}, "angles_deg.0 = 'a'"),
        ({"wavelength_nm": 850.0, "inner": 3}, "x.toml: source.inner = 3: must be a table"),
        ({"wavelength_nm": 850.0, "pet": {"kind": "cat", "lives": 0}}, "x.toml: source.pet.lives = 0: input should be"),
        (
            {"wavelength_nm": 850.0, "pet": {"kind": "cat", "lives": 9, "live": 1}},
            "source.pet.live: unknown key; did you mean 'lives'",
        ),
        ({"wavelength_nm": 850.0, "pet": {"kind": "cow"}}, "source.pet.kind = 'cow': unknown (allowed: cat, dog)"),
        ({"wavelength_nm": 850.0, "pet": {}}, "source.pet.kind: missing; it is required (allowed: cat, dog)"),
    ],
)
def test_a_mistake_names_place_value_and_what_is_allowed(table: dict[str, object], told: str) -> None:
    with pytest.raises(UserError) as error:
        parse(Sample, table, "x.toml: source")
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(UserError) as error:
        parse(Sample, {"wavelength_nm": -1.0, "number": "a", "bad": 1}, "x.toml")
    assert len(str(error.value).splitlines()) == 3


def test_a_record_is_frozen() -> None:
    record = parse(Sample, {"wavelength_nm": 850.0}, "x.toml")
    with pytest.raises(ValueError, match="frozen"):
        record.number = 2  # type: ignore[misc]
