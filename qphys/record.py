"""Base of all TOML records: frozen, strict, checked, units in the names, mistakes told to the user all at once."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from qphys.errors import UserError, nearest
from qphys.units import si_name_and_factor


class Record(BaseModel):
    """A checked table of a model or run file.

    A field's name is its TOML key with the unit in it (`wavelength_nm`), so that errors, limits, overrides and origins name
    what the user wrote; `si` gives the same values in SI under the name without the unit. `model` is the name of the file
    that a table came from; `origin` holds, for each key, where its value comes from.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    title: str = ""
    model: str = ""
    origin: dict[str, str] = Field(default_factory=dict)

    @property
    def si(self) -> SimpleNamespace:
        """The record's own numbers in SI (lists as float64 arrays), under names without the unit suffix."""
        return SimpleNamespace(**dict(_to_si(name, getattr(self, name)) for name in type(self).model_fields))


def _to_si(key: str, value: Any) -> tuple[str, Any]:
    name, factor = si_name_and_factor(key)
    if isinstance(value, bool) or value is None or isinstance(value, str | Record | dict):
        return name, value
    if isinstance(value, int | float):
        return (name, value) if factor == 1.0 else (name, value * factor)
    if isinstance(value, tuple | list) and value and all(isinstance(v, int | float) for v in value):
        return name, np.asarray(value, dtype=np.float64) * factor
    return name, value


R = TypeVar("R", bound=Record)


def parse(record: type[R], table: Mapping[str, Any], where: str) -> R:
    """Check a table read from a file and return it as a record.

    Parameters
    ----------
    record : type of Record
        What the table must be.
    table : mapping
        Parsed TOML.
    where : str
        File and key path of the table, for messages, such as ``runs/pass.toml: channel``.

    Returns
    -------
    Record
        The checked, frozen record.

    Raises
    ------
    UserError
        One message with a line for each mistake: file, key path, value, what is allowed, nearest valid name.
    """
    try:
        return record.model_validate(_tuples(table))
    except ValidationError as error:
        raise UserError("\n".join(_tell(record, problem, where) for problem in error.errors())) from None


def _tuples(value: Any) -> Any:
    """TOML arrays as tuples: strict, frozen records hold tuples; an integer is accepted for a float by Pydantic itself."""
    if isinstance(value, Mapping):
        return {key: _tuples(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_tuples(inner) for inner in value)
    return value


def _tell(record: type[Record], problem: Any, where: str) -> str:
    path = ".".join(str(part) for part in problem["loc"])
    place = f"{where}.{path}" if "." in where.rpartition(": ")[2] or ": " in where else f"{where}: {path}"
    if not path:
        place = where
    kind, value = problem["type"], problem.get("input")
    if kind == "extra_forbidden":
        allowed = _fields_at(record, problem["loc"][:-1])
        return f"{place}: unknown key{nearest(str(problem['loc'][-1]), allowed)} (allowed: {', '.join(sorted(allowed))})"
    if kind == "missing":
        return f"{place}: missing; it is required"
    message = problem["msg"].removeprefix("Value error, ")
    shown = repr(value) if not isinstance(value, dict) else "a table"
    return f"{place} = {shown}: {message[0].lower() + message[1:]}"


def _fields_at(record: type[Record], path: tuple[Any, ...]) -> list[str]:
    """Names allowed at a key path, as far as the record's annotations tell."""
    current: Any = record
    for part in path:
        fields = getattr(current, "model_fields", {})
        if part in fields:
            annotation = fields[part].annotation
            options = [annotation, *getattr(annotation, "__args__", ())]
            current = next((o for o in options if isinstance(o, type) and issubclass(o, BaseModel)), current)
    return list(getattr(current, "model_fields", {}))
