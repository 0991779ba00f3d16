"""Finds models and their tables by name: the user's folders first, then those of the package.

A model is one TOML file in a room's folder, `models/sources/micius-decoy.toml`. Wherever a table of a run or model has a key
`model`, the named file lies under it and the table's other keys replace single values; `source = "micius-decoy"` is short
for `[source]` with only that key. A resolved run is a plain tree that holds every value, so that its digest is its identity.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from qphys.errors import UserError, nearest

if TYPE_CHECKING:
    import xarray as xr

ROOMS: Final[dict[str, str]] = {
    "orbit": "satellites",
    "station": "stations",
    "terminal": "terminals",
    "launch": "launches",
    "source": "sources",
    "channel": "channels",
    "atmosphere": "atmospheres",
    "fibre": "fibres",
    "sky": "skies",
    "receiver": "receivers",
    "detector": "detectors",
}
"""Key of a table in a run or model, and the folder in which its models lie."""

FOLDERS: Final = (*ROOMS.values(), "experiments", "tables")


def own_folder() -> Path:
    """Folder of the models that come with qphys: inside an installed package, or beside it in a checkout."""
    installed = Path(__file__).parent / "_models"
    return installed if installed.is_dir() else Path(__file__).parent.parent / "models"


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the values of `over` in it, table by table; single values put over a model's name keep the model.

    Examples
    --------
    >>> merged({"a": {"x": 1, "y": 2}}, {"a": {"y": 3}})
    {'a': {'x': 1, 'y': 3}}
    >>> merged({"source": "micius-decoy"}, {"source": {"repetition_rate_mhz": 200.0}})
    {'source': {'model': 'micius-decoy', 'repetition_rate_mhz': 200.0}}
    """
    result = dict(base)
    for key, value in over.items():
        old = result.get(key)
        if key in ROOMS and isinstance(old, str):
            old = {"model": old}
        result[key] = merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return result


def digest(value: Any) -> str:
    """SHA-256 of a tree of plain values, independent of the order of its keys.

    Examples
    --------
    >>> digest({"b": 1, "a": 2}) == digest({"a": 2, "b": 1})
    True
    """
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def canonical(value: Any) -> str:
    """JSON of a tree with sorted keys and no spaces; dates in ISO 8601."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=_plain, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Path):
        return value.name
    return value.item() if hasattr(value, "item") else list(value)


def read_toml(path: Path) -> dict[str, Any]:
    """Parse a TOML file; a mistake becomes a UserError with file and place."""
    try:
        text = path.read_bytes().decode("utf-8")
        return tomllib.loads(text)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise UserError(f"{path}: is a folder, a TOML file is needed") from None
    except PermissionError:
        raise UserError(f"{path}: cannot be read (permission denied)") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text (byte {error.start})") from None
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: not valid TOML: {error}") from None


@dataclass(frozen=True)
class Catalogue:
    """Models by room and name: beside the run file (tables only), then the user's folders, then those of the package."""

    extra: tuple[Path, ...] = ()
    beside: Path | None = None
    _read: dict[Path, dict[str, Any]] = field(default_factory=dict, compare=False, repr=False)
    """Files read so far: a catalogue sees each as it was when first used."""
    _hashed: dict[Path, str] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def folders(self) -> tuple[Path, ...]:
        for folder in self.extra:
            if not folder.is_dir():
                raise UserError(f"{folder}: no such folder of models")
        return (*self.extra, own_folder())

    def names(self, room: str) -> list[str]:
        """Names of all models in a room, sorted."""
        suffix = "" if room == "tables" else ".toml"
        found = {p.name.removesuffix(suffix) for f in self.folders for p in (f / room).glob(f"*{suffix}") if p.is_file()}
        return sorted(found)

    def find(self, room: str, name: str, where: str = "") -> Path:
        """Path of a model (or, in the room ``tables``, of a file with its ending)."""
        if room not in FOLDERS:
            raise UserError(f"no kind of model is called '{room}'{nearest(room, FOLDERS)} (allowed: {', '.join(FOLDERS)})")
        place = f"{where}: " if where else ""
        if not isinstance(name, str) or not name or "/" in name or "\\" in name or name.startswith("."):
            raise UserError(f"{place}{name!r} is no name of a model (a plain name, without folders)")
        candidates = [folder / room / (name if room == "tables" else f"{name}.toml") for folder in self.folders]
        if room == "tables" and self.beside is not None:
            candidates.insert(0, self.beside / name)
        for path in candidates:
            if path.is_file():
                return path
        names = self.names(room)
        raise UserError(
            f"{place}no model '{name}' in {room}{nearest(name, names)} (there are: {', '.join(names) or 'none'})"
        )

    def listing(self, room: str | None = None) -> list[dict[str, str]]:
        """Room, name and title of every model, for people."""
        if room is not None and room not in FOLDERS:
            raise UserError(f"no kind of model is called '{room}'{nearest(room, FOLDERS)} (allowed: {', '.join(FOLDERS)})")
        rows = []
        for shelf in FOLDERS if room is None else (room,):
            for name in self.names(shelf):
                title = "" if shelf == "tables" else str(read_toml(self.find(shelf, name)).get("title", ""))
                rows.append({"room": shelf, "name": name, "title": title})
        return rows

    def locate(self, name: str) -> tuple[str, str]:
        """Room and name of a model given as ``room/name``, or by its name where only one room has it."""
        room, _, plain = name.rpartition("/")
        if room:
            self.find(room, plain)
            return room, plain
        rooms = [shelf for shelf in FOLDERS if plain in self.names(shelf)]
        if not rooms:
            every = sorted({n for shelf in FOLDERS for n in self.names(shelf)})
            raise UserError(f"no model is called '{plain}'{nearest(plain, every)}; `qphys models list` shows all")
        if len(rooms) > 1:
            raise UserError(f"'{plain}' is a model in {' and in '.join(rooms)}; write {rooms[0]}/{plain}")
        return rooms[0], plain

    def values(self, room: str, name: str) -> list[dict[str, str]]:
        """Every value of a model with its origin, key path by key path; the lines of a table."""
        if room == "tables":
            return [{"line": line} for line in self.text(name).splitlines()]
        return list(_flat(read_toml(self.find(room, name)), "", {}))

    def read(self, room: str, name: str, where: str = "", *, within: tuple[Path, ...] = ()) -> dict[str, Any]:
        """A model's table with all models that it names resolved; `within` holds the files that led here."""
        path = self.find(room, name, where)
        if path in within:
            chain = " names ".join(f"{p.parent.name}/{p.name}" for p in (*within[within.index(path) :], path))
            raise UserError(f"{chain}: a model cannot hold itself")
        if path not in self._read:
            self._read[path] = self.resolve(read_toml(path), f"{room}/{path.name}", within=(*within, path))
        return self._read[path]

    def resolve(self, table: Mapping[str, Any], where: str, *, within: tuple[Path, ...] = ()) -> dict[str, Any]:
        """Replace every reference to a model in a tree by the model's values, overridden by the values beside it."""
        return {key: self._resolve(key, value, f"{where}: {key}", within) for key, value in table.items()}

    def _resolve(self, key: str, value: Any, place: str, within: tuple[Path, ...]) -> Any:
        room = ROOMS.get(key)
        if room and isinstance(value, str):
            value = {"model": value}
        if not isinstance(value, Mapping):
            return value
        if room and "model" in value:
            value = merged(self.read(room, value["model"], f"{place}.model", within=within), value)
        return {k: v if k == "origin" else self._resolve(k, v, f"{place}.{k}", within) for k, v in value.items()}

    def hashes(self, tree: Mapping[str, Any], where: str = "") -> dict[str, str]:
        """SHA-256 of the file of every model and table that a tree names."""
        found: dict[str, str] = {}
        for key, value in tree.items():
            room, place = ROOMS.get(key), f"{where}{'.' if ': ' in where else ': '}{key}" if where else key
            if key == "origin":
                continue
            if isinstance(value, Mapping):
                if room and "model" in value:
                    found[f"{room}/{value['model']}"] = self._file_hash(room, value["model"], f"{place}.model")
                found |= self.hashes(value, place)
            elif key in ("table", "file") and isinstance(value, str):
                found[f"tables/{value}"] = self._file_hash("tables", value, place)
        return dict(sorted(found.items()))

    def text(self, name: str, where: str = "") -> str:
        """Content of a text file in the room ``tables``."""
        path = self.find("tables", name, where)
        try:
            return path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise UserError(f"{path}: not UTF-8 text (byte {error.start})") from None

    def table(self, name: str, where: str = "") -> dict[str, NDArray[np.float64]]:
        """Columns of a CSV file in the room ``tables``: the first line that is no comment (``#``) names the columns.

        An empty field is NaN. Anything else that is no number is an error with file, line and column.
        """
        path = self.find("tables", name, where)
        lines = [
            (i, line) for i, line in enumerate(self.text(name, where).splitlines(), 1) if line.strip() and line[0] != "#"
        ]
        if len(lines) < 2:
            raise UserError(f"{path}: empty; a line of column names and lines of numbers are needed")
        header = [column.strip() for column in lines[0][1].split(",")]
        rows = []
        for number, line in lines[1:]:
            fields = [field.strip() for field in line.split(",")]
            if len(fields) != len(header):
                raise UserError(
                    f"{path}, line {number}: {len(fields)} fields; {len(header)} are needed ({', '.join(header)})"
                )
            rows.append(
                [_number(field, f"{path}, line {number}, column {h}") for field, h in zip(fields, header, strict=True)]
            )
        values = np.asarray(rows, dtype=np.float64)
        return {column: values[:, i] for i, column in enumerate(header)}

    def _file_hash(self, room: str, name: str, where: str) -> str:
        path = self.find(room, name, where)
        if path not in self._hashed:
            self._hashed[path] = hashlib.sha256(path.read_bytes()).hexdigest()
        return self._hashed[path]


def _flat(table: Mapping[str, Any], prefix: str, origins: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Key path, value and origin of every value in a tree; a table's own ``origin`` goes before its parent's."""
    mine = table.get("origin", {})
    for key, value in table.items():
        if key == "origin":
            continue
        path = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}.", mine.get(key, {}) if isinstance(mine.get(key), Mapping) else {})
        else:
            yield {"key": path, "value": str(value), "origin": str(mine.get(key, origins.get(key, "")))}


def _number(field: str, place: str) -> float:
    try:
        value = float(field) if field else np.nan
    except ValueError:
        raise UserError(f"{place} = {field!r}: not a number") from None
    if np.isinf(value):
        raise UserError(f"{place} = {field!r}: must be finite")
    return value


def without_origins(tree: Any) -> Any:
    """A tree without its `origin` and `title` entries: they say where values come from and change no result."""
    if isinstance(tree, Mapping):
        return {k: without_origins(v) for k, v in tree.items() if k not in ("origin", "title")}
    if isinstance(tree, Iterable) and not isinstance(tree, str | bytes):
        return [without_origins(v) for v in tree]
    return tree


def models(room: str | None = None, *, folders: Iterable[str | Path] = ()) -> xr.Dataset:
    """Models that runs can name, with their titles.

    Parameters
    ----------
    room : str, optional
        Only these: ``sources``, ``channels``, ``receivers``, ``experiments``, ...
    folders : iterable of paths, optional
        Your own models, searched before those of qphys.

    Returns
    -------
    xarray.Dataset
        ``room``, ``name`` and ``title`` over the dimension ``model``.

    Raises
    ------
    UserError
        No such room.

    Examples
    --------
    >>> import qphys
    >>> "micius-decoy" in qphys.models("sources").name
    True
    """
    import xarray as xr

    rows = Catalogue(tuple(Path(f) for f in folders)).listing(room)
    columns = {key: ("model", np.asarray([row[key] for row in rows], dtype=object)) for key in ("room", "name", "title")}
    return xr.Dataset(columns)
