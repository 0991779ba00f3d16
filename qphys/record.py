"""Base of all TOML records: frozen, strict, checked, units in the names, mistakes told to the user all at once."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, Final, TypeVar

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


TABLE: Final = "must be a table"

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
    """One line about one mistake: place, value, what is allowed."""
    shown, holders = _walk(record, problem["loc"])
    path, unknown = ".".join(shown), problem["type"] == "extra_forbidden"
    place = f"{where}{'.' if ': ' in where else ': '}{path}" if path else where
    value = problem.get("input")
    if unknown:
        allowed = sorted({name for holder in holders for name in holder.model_fields})
        return f"{place}: unknown key{nearest(shown[-1], allowed)} (allowed: {', '.join(allowed)})"
    if problem["type"] == "missing":
        return f"{place}: missing; it is required"
    if problem["type"] in ("union_tag_not_found", "union_tag_invalid"):
        told = problem["ctx"]
        tag, kinds = str(told["discriminator"]).strip("'"), _kinds(holders)
        if problem["type"] == "union_tag_not_found":
            return f"{place}.{tag}: missing; it is required (allowed: {', '.join(kinds)})"
        return f"{place}.{tag} = {told['tag']!r}: unknown{nearest(str(told['tag']), kinds)} (allowed: {', '.join(kinds)})"
    message = TABLE if problem["type"] in ("model_type", "model_attributes_type", "dict_type") else problem["msg"]
    message = message.removeprefix("Value error, ")
    shown_value = "" if isinstance(value, dict) and message is not TABLE else f" = {_plain(value)}"
    return f"{place}{shown_value}: {message[0].lower() + message[1:]}"


def _plain(value: Any) -> str:
    return "a table" if isinstance(value, dict) else repr(value)


def _walk(record: type[Record], path: tuple[Any, ...]) -> tuple[list[str], list[type[BaseModel]]]:
    """A key path as the user wrote it, without the tags of unions, and the records that may stand at its last table."""
    shown: list[str] = []
    here: list[type[BaseModel]] = [record]
    holders = here
    for part in path:
        fields = [holder.model_fields[part] for holder in here if part in holder.model_fields]
        tagged = [holder for holder in here if part in _kinds([holder])]
        if tagged and not fields:
            here = holders = tagged
            continue
        shown.append(str(part))
        if fields:
            holders, here = here, [model for field in fields for model in _models(field.annotation)] or here
        elif isinstance(part, str):
            holders = here
    return shown, here if path and _is_table(holders, path[-1]) else holders


def _is_table(holders: list[type[BaseModel]], part: Any) -> bool:
    """Whether a key of these records is itself a record."""
    return any(part in h.model_fields and _models(h.model_fields[part].annotation) for h in holders)


def _kinds(holders: list[type[BaseModel]]) -> list[str]:
    """Values that the key ``kind`` of these records may have."""
    return [
        str(value)
        for holder in holders
        if "kind" in holder.model_fields
        for value in getattr(holder.model_fields["kind"].annotation, "__args__", ())
    ]


def _models(annotation: Any) -> list[type[BaseModel]]:
    """Records in an annotation, through unions and containers."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in getattr(annotation, "__args__", ()) for model in _models(inner)]
