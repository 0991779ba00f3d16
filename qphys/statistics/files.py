"""Writing a file of detection statistics in parts, so that a kill costs little and changes no bit.

A growing HDF5 file does not survive a kill. Each part is written aside in ``FILE.parts/``, synchronised to the disk and
renamed; the end joins the parts by moving their packed chunks, renames the whole and removes the folder. No clock time, no
order of workers and no place of an interruption enters: equal runs are equal bytes, with the same libraries.

A chunk of the counts, and of expectations by step, is one point, one realisation and at most `STEPS_A_CHUNK` steps, so that
a part is independent of all others and an analysis reads point by point. The smaller variables are packed when joined.
"""

from __future__ import annotations

import errno
import json
import os
import weakref
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from qphys.errors import RunError, UserError
from qphys.statistics import schema
from qphys.statistics.dataset import (
    COORDINATES,
    SAMPLED,
    TEXT,
    Array,
    Label,
    PointArrays,
    Told,
    common_time,
    coordinate_attributes,
    count_type,
    file_attributes,
    padded,
    point_arrays,
    same_form,
    sweep_coordinates,
    swept_attributes,
)

PART_FORMAT: Final = "qphys part of detection statistics"
STEPS_A_CHUNK: Final = 128
"""Steps of one chunk of the large variables. A pass from this length on is never packed again when parts are joined."""
CHUNK_BYTES: Final = 2**17
"""About the size of a chunk of the smaller variables [byte]."""
DEFLATE_LEVEL: Final = 2
"""Of zlib: level 6 takes twice the time and saves 5 % of the counts."""
LARGE: Final = (*SAMPLED, "expected_counts", "expected_accidental_counts", "expected_counts_by_probe")
"""Variables whose chunks are packed in the parts and moved as they are."""
LIBRARY_VERSIONS: Final = ("earliest", "v110")
"""Bounds of the HDF5 format, so that the bytes do not depend on what a newer library prefers."""


class Parts:
    """The parts of one run beside its output file.

    Parameters
    ----------
    output : path
        The file that the parts become; its folder is made.
    identity : str
        SHA-256 of all that the content depends on.
    protocol : str, optional
        Of the file: it decides which variables there are.
    resume : bool, optional
        Go on where parts, or the whole, of the same identity lie.
    overwrite : bool, optional
        Begin anew where they lie, and replace a finished output file of whatever content.

    Raises
    ------
    UserError
        Parts of another identity lie there (they are never deleted), or of the same without `resume` or `overwrite`; the
        output exists; it cannot be written; or another process is writing it.

    Examples
    --------
    >>> parts = Parts(folder / "pass.h5", "0" * 64)
    >>> parts.has(0), parts.complete
    (False, False)
    """

    def __init__(
        self,
        output: str | Path,
        identity: str,
        *,
        protocol: str = schema.PROTOCOL_DECOY_BB84,
        resume: bool = False,
        overwrite: bool = False,
    ) -> None:
        if resume and overwrite:
            raise UserError(
                "--resume and --overwrite: one goes on from what lies there, the other replaces it; give only one"
            )
        self.output = Path(output)
        self.identity = identity
        self.protocol = protocol
        self.folder = self.output.with_name(self.output.name + ".parts")
        self.complete = False
        self._begin(resume=resume, overwrite=overwrite)

    def _begin(self, *, resume: bool, overwrite: bool) -> None:
        with _told_to_the_user(self.output):
            self.output.parent.mkdir(parents=True, exist_ok=True)
            finished = _finished(self.output, self.identity, resume=resume, overwrite=overwrite)
            existing = self.numbers() if self.folder.is_dir() else []
        own: list[int] = []
        strange: list[int] = []
        for number in existing:
            (own if _identity_of(self.path(number), PART_FORMAT) == self.identity else strange).append(number)
        if strange:
            raise UserError(
                f"{self.folder}: holds {len(strange)} parts of another run ({self.path(strange[0]).name}), which are never "
                "deleted: finish that run, remove the folder by hand, or choose another --output"
            )
        if own and not (resume or overwrite or finished):
            raise UserError(
                f"{self.folder}: holds {len(own)} parts of this run, left by an interruption: "
                "--resume goes on from them, --overwrite begins anew"
            )
        with _told_to_the_user(self.output):
            self.folder.mkdir(exist_ok=True)
            self._lock()
            for path in self.folder.glob("*.tmp"):
                path.unlink()
            if finished and resume:
                self.complete = True
                self._clear()
                return
            if overwrite:
                for number in own:
                    self.path(number).unlink()

    def path(self, number: int) -> Path:
        """Where a part lies."""
        return self.folder / f"part-{number:05d}.h5"

    def numbers(self) -> list[int]:
        """Numbers of the parts that are written."""
        names = (path.name.removeprefix("part-").removesuffix(".h5") for path in self.folder.glob("part-*.h5"))
        return sorted(int(name) for name in names if name.isdigit())

    def has(self, number: int) -> bool:
        """Whether a part is written."""
        return not self.complete and self.path(number).exists()

    def write(self, number: int, points: Sequence[Mapping[str, Any]]) -> None:
        """Write one part, aside and renamed; threads may write different parts at the same time.

        Parameters
        ----------
        number : int
            Place of the part in the run, from 0.
        points : sequence of mappings
            Its points, in order; see `dataset.point_arrays`.

        Raises
        ------
        UserError
            The points have no common time axis.
        RunError
            The disk is full or failed; the parts that are written stay.
        """
        if not points:
            raise ValueError("a part needs at least one point")
        checked = [point_arrays(point, self.protocol) for point in points]
        for index, point in enumerate(checked):
            same_form(checked[0], point, f"part {number}, point {index}")
        common_time([point.time for point in checked])
        path = self.path(number)
        aside = path.with_name(path.name + ".tmp")
        with _told_as_failure(path):
            _write_part(aside, checked, self.identity)
            _synchronised_rename(aside, path)

    def finish(
        self, *, labels: Sequence[Mapping[str, Label]] = (), attributes: Mapping[str, str | int | float] | None = None
    ) -> None:
        """Join all parts to the output file, rename it in place and remove the parts.

        Parameters
        ----------
        labels : sequence of mappings, optional
            For each point, swept key -> value.
        attributes : mapping, optional
            Of the file, besides ``format``, ``qphys_schema``, ``protocol`` and ``identity``; text and numbers only.

        Raises
        ------
        UserError
            The points have no common time axis.
        RunError
            A part is missing, or the disk is full or failed; the parts stay.
        """
        numbers = self.numbers()
        told = {"protocol": self.protocol, **(attributes or {}), "identity": self.identity}
        if told["protocol"] != self.protocol:
            raise ValueError(f"attribute protocol = {told['protocol']!r}: the parts are of {self.protocol!r}")
        if not numbers or numbers != list(range(len(numbers))):
            raise RunError(f"{self.folder}: parts are missing; those that lie there: {numbers}")
        aside = self.folder / "joined.tmp"
        with _told_as_failure(self.output):
            _join([self.path(n) for n in numbers], aside, labels, told)
            _synchronised_rename(aside, self.output)
        self.complete = True
        self._clear()

    def abandon(self) -> None:
        """Leave nothing behind where no part is written: for a run that fails before its first part."""
        if not self.complete and not self.numbers():
            self._clear()

    def _lock(self) -> None:
        """Keep a second process out; a lock ends with its process, however that ends."""
        try:
            import fcntl
        except ImportError:
            return
        handle = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        weakref.finalize(self, os.close, handle)
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            raise UserError(f"{self.folder}: another process is writing this run; wait for it, or end it") from None

    def _clear(self) -> None:
        """Remove what belongs to this run; a file of somebody else keeps the folder alive."""
        for number in self.numbers():
            self.path(number).unlink()
        (self.folder / "lock").unlink(missing_ok=True)
        if not any(self.folder.iterdir()):
            self.folder.rmdir()


def _finished(output: Path, identity: str, *, resume: bool, overwrite: bool) -> bool:
    """Whether the output exists and is this run's; raises where it must not be touched."""
    if output.is_dir():
        raise UserError(f"{output}: is a folder; --output must name a file")
    if not output.exists():
        return False
    found = _identity_of(output, schema.FORMAT)
    if found == identity:
        if not (resume or overwrite):
            raise UserError(
                f"{output}: this run is finished already; --resume uses the file as it is, --overwrite computes it again"
            )
        return True
    if not overwrite:
        what = "no file of detection statistics" if found is None else "the result of another run"
        raise UserError(f"{output}: exists and is {what}: --overwrite replaces it, or choose another --output")
    return False


def _identity_of(path: Path, form: str) -> str | None:
    """Identity that a file of the given format says; None for any other file."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return str(file.attrs.get("identity", "")) if file.attrs.get("format") == form else None
    except OSError:
        return None


@contextmanager
def _told_to_the_user(output: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"{output}: cannot be written here ({os.strerror(error.errno or errno.EIO).lower()})") from None


@contextmanager
def _told_as_failure(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else str(error)
        raise RunError(
            f"{path}: could not be written ({reason}); the parts that are finished stay, --resume goes on from them"
        ) from error


def _synchronised_rename(aside: Path, path: Path) -> None:
    for place in (aside, path.parent):
        handle = os.open(place, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        if place == aside:
            os.replace(aside, path)


def pack(block: Array) -> bytes:
    """A chunk as HDF5's filters shuffle and deflate leave it, but without HDF5's global lock.

    Examples
    --------
    >>> import zlib
    >>> zlib.decompress(pack(np.array([1, 2], dtype="<u2")))
    b'\\x01\\x02\\x00\\x00'
    """
    planes = np.ascontiguousarray(block).reshape(-1).view(np.uint8).reshape(-1, block.dtype.itemsize).T
    return zlib.compress(np.ascontiguousarray(planes).data, DEFLATE_LEVEL)


def _chunks_of_point(array: Array, axis: int, steps_a_chunk: int) -> Iterator[tuple[tuple[int, ...], bytes]]:
    """Places (without the point) and packed bytes of one point's chunks of a large variable; its time is at `axis`."""
    cells = array.shape[axis + 1 :]
    for leading in product(*(range(n) for n in array.shape[:axis])):
        for start in range(0, array.shape[axis], steps_a_chunk):
            block = array[leading][start : start + steps_a_chunk]
            if len(block) < steps_a_chunk:
                full = np.zeros((steps_a_chunk, *cells), dtype=array.dtype)
                full[: len(block)] = block
                block = full
            yield (*leading, start, *(0,) * len(cells)), pack(block)


def _large_chunk(axis: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*(1,) * axis, min(shape[axis], STEPS_A_CHUNK), *shape[axis + 1 :])


def _empty(file: Any, name: str, shape: tuple[int, ...], chunk: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """A packed variable without any chunk yet; what is never written is 0."""
    return file.create_dataset(
        name, shape, dtype, chunks=chunk, shuffle=True, compression="gzip", compression_opts=DEFLATE_LEVEL, track_times=False
    )


def _plain(file: Any, name: str, values: Array) -> Any:
    """A variable in one piece; text as strings of variable length, which netCDF reads."""
    import h5py

    dtype = h5py.string_dtype() if values.dtype.kind == "O" else values.dtype
    return file.create_dataset(name, data=values, dtype=dtype, track_times=False)


def _write_part(path: Path, points: Sequence[PointArrays], identity: str) -> None:
    import h5py

    first = points[0]
    length = max(point.steps for point in points)
    steps = np.asarray([point.steps for point in points], dtype="<i8")
    with h5py.File(path, "w", libver=LIBRARY_VERSIONS) as file:
        file.attrs["format"] = PART_FORMAT
        file.attrs["identity"] = identity
        file.attrs["protocol"] = first.protocol
        file.attrs["labels"] = json.dumps(first.labels)
        file.attrs["realisations"] = -1 if first.realisations is None else first.realisations
        file.attrs["told"] = json.dumps([asdict(point.told) for point in points])
        file.attrs["variables"] = json.dumps(list(first.arrays))
        _plain(file, "steps", steps)
        longest = max((p.time for p in points if p.time is not None), key=len, default=None)
        if longest is not None:
            _plain(file, schema.TIME, longest.astype("<f8"))
        trials = max((_most_trials(point) for point in points), default=0)
        for name, array in first.arrays.items():
            dims = schema.variables(first.protocol)[name].dims
            if name not in LARGE:
                stacked = np.stack([padded(name, dims[1:], point.arrays[name], length) for point in points])
                _plain(file, name, stacked.astype(_type_of(name, trials)))
                continue
            axis = dims.index(schema.TIME)
            shape = (len(points), *array.shape[: axis - 1], length, *array.shape[axis:])
            chunk = _large_chunk(axis, shape)
            variable = _empty(file, name, shape, chunk, _type_of(name, trials))
            for index, point in enumerate(points):
                values = point.arrays[name].astype(variable.dtype)
                for place, packed in _chunks_of_point(values, axis - 1, chunk[axis]):
                    variable.id.write_direct_chunk((index, *place), packed)


def _most_trials(point: PointArrays) -> int:
    if "trials" in point.arrays:
        most = int(point.arrays["trials"].max(initial=0))
        for name in SAMPLED:
            if name in point.arrays and int(point.arrays[name].max(initial=0)) > most:
                raise ValueError(f"{name}: more than the trials of a step")
        return most
    return 2**63 - 1


def _type_of(name: str, trials: int) -> np.dtype[Any]:
    if name in TEXT:
        return np.dtype(object)
    if name == "trials":
        return np.dtype("<i8")
    return count_type(trials) if name in SAMPLED else np.dtype("<f8")


class _Told:
    """Heads of all parts, checked against one another: what the joined file's shapes are made from."""

    def __init__(self, paths: Sequence[Path]) -> None:
        import h5py

        self.points: list[int] = []
        self.told: list[Told] = []
        times: list[NDArray[np.float64] | None] = []
        trials = 0
        for path in paths:
            with h5py.File(path, "r") as file:
                head = {key: json.loads(file.attrs[key]) for key in ("labels", "variables")}
                head["realisations"] = int(file.attrs["realisations"])
                head["protocol"] = str(file.attrs["protocol"])
                if path is paths[0]:
                    self.head = head
                if head != self.head:
                    raise ValueError(
                        f"{path.name}: its variables, labels, realisations or protocol are not those of {paths[0].name}"
                    )
                self.points.append(len(file["steps"]))
                self.told += [
                    Told(warnings=tuple(t["warnings"]), fading_model=t["fading_model"], track_facts=t["track_facts"])
                    for t in json.loads(file.attrs["told"])
                ]
                times.append(file[schema.TIME][...] if schema.TIME in file else None)
                most = int(file["trials"][...].max(initial=0)) if "trials" in file else 2**63 - 1
                trials = max(trials, most)
        self.trials = trials
        self.time = common_time(times)
        self.labels: dict[str, list[str]] = self.head["labels"]
        self.realisations: int = self.head["realisations"]
        self.sizes = {
            schema.POINT: sum(self.points),
            schema.REALISATION: self.realisations,
            schema.TIME: 0 if self.time is None else len(self.time),
            **{dim: len(names) for dim, names in self.labels.items()},
        }


def _join(
    paths: Sequence[Path], target: Path, labels: Sequence[Mapping[str, Label]], attributes: Mapping[str, str | int | float]
) -> None:
    import h5py

    whole = _Told(paths)
    swept = sweep_coordinates(labels, sum(whole.points))
    with h5py.File(target, "w", libver=LIBRARY_VERSIONS) as file:
        for name, value in file_attributes(attributes, whole.told).items():
            file.attrs[name] = value
        if swept:
            file.attrs["coordinates"] = " ".join(swept)
        _write_coordinates(file, whole, swept)
        writers: dict[str, Callable[[Any], None]] = {}
        closers: list[Callable[[], None]] = []
        for name in whole.head["variables"]:
            variable = schema.variables(whole.head["protocol"])[name]
            shape = tuple(whole.sizes[dim] for dim in variable.dims)
            dtype = _type_of(name, whole.trials)
            if name in LARGE:
                axis = variable.dims.index(schema.TIME)
                created = _empty(file, name, shape, _large_chunk(axis, shape), dtype)
                writers[name] = _Moved(name, created, axis)
            elif not {schema.TIME, schema.BOB_OUTCOME} & set(variable.dims):
                created = file.create_dataset(
                    name, shape, h5py.string_dtype() if dtype.kind == "O" else dtype, track_times=False
                )
                writers[name] = _InPlace(name, created)
            else:
                created = _empty(file, name, shape, _small_chunk(variable.dims, shape, dtype), dtype)
                writers[name] = packed = _Packed(name, created, variable.dims)
                closers.append(packed.close)
            created.attrs["units"] = variable.units
            created.attrs["long_name"] = variable.long_name
            for axis, dim in enumerate(variable.dims):
                created.dims[axis].attach_scale(file[dim])
        for path in paths:
            with h5py.File(path, "r") as part:
                for write in writers.values():
                    write(part)
        for close in closers:
            close()


def _write_coordinates(file: Any, whole: _Told, swept: Mapping[str, tuple[str, Array]]) -> None:
    places: dict[str, Array] = {schema.POINT: np.arange(whole.sizes[schema.POINT], dtype="<i8")}
    if whole.realisations >= 0:
        places[schema.REALISATION] = np.arange(whole.realisations, dtype="<i8")
    if whole.time is not None:
        places[schema.TIME] = whole.time.astype("<f8")
    places |= {dim: np.asarray(whole.labels[dim], dtype=object) for dim in COORDINATES if dim in whole.labels}
    for number, (dim, values) in enumerate(places.items()):
        scale = _plain(file, dim, values)
        scale.make_scale(dim)
        scale.attrs["_Netcdf4Dimid"] = np.int32(number)
        for key, text in coordinate_attributes(dim).items():
            scale.attrs[key] = text
    for name, (key, values) in swept.items():
        created = _plain(file, name, values)
        created.dims[0].attach_scale(file[schema.POINT])
        for attribute, text in swept_attributes(key).items():
            created.attrs[attribute] = text


class _Moved:
    """Moves packed chunks of a large variable; packs again where a part's passes are all short, or its type is narrower."""

    def __init__(self, name: str, target: Any, axis: int) -> None:
        self.name, self.target, self.axis, self.done = name, target, axis, 0

    def __call__(self, part: Any) -> None:
        source = part[self.name]
        steps = part["steps"][...]
        if source.chunks == self.target.chunks and source.dtype == self.target.dtype:
            for index in range(source.id.get_num_chunks()):
                place = source.id.get_chunk_info(index).chunk_offset
                _, packed = source.id.read_direct_chunk(place)
                self.target.id.write_direct_chunk((self.done + place[0], *place[1:]), packed)
        else:
            for index in range(len(steps)):
                taken = (index, *(slice(None),) * (self.axis - 1), slice(0, int(steps[index])))
                values = source[taken].astype(self.target.dtype)
                for place, packed in _chunks_of_point(values, self.axis - 1, self.target.chunks[self.axis]):
                    self.target.id.write_direct_chunk((self.done + index, *place), packed)
        self.done += len(steps)


class _InPlace:
    """Copies a variable of a few numbers a point, or of text, which lies in one piece."""

    def __init__(self, name: str, target: Any) -> None:
        self.name, self.target, self.done = name, target, 0

    def __call__(self, part: Any) -> None:
        values = part[self.name][...]
        self.target[self.done : self.done + len(values)] = values
        self.done += len(values)


class _Packed:
    """Gathers the points of a smaller variable to the rows of a chunk, and packs them."""

    def __init__(self, name: str, target: Any, dims: tuple[str, ...]) -> None:
        self.name, self.target, self.dims, self.done = name, target, dims, 0
        self.waiting: list[Array] = []

    def __call__(self, part: Any) -> None:
        values = part[self.name][...]
        length = self.target.shape[self.dims.index(schema.TIME)] if schema.TIME in self.dims else 0
        self.waiting += [padded(self.name, self.dims[1:], row, length) for row in values]
        rows = self.target.chunks[0]
        while len(self.waiting) >= rows:
            self._write(np.stack(self.waiting[:rows]))
            del self.waiting[:rows]

    def close(self) -> None:
        if self.waiting:
            rows = np.stack(self.waiting)
            full = np.zeros((self.target.chunks[0], *rows.shape[1:]), dtype=rows.dtype)
            full[: len(rows)] = rows
            self._write(full)
            self.waiting.clear()

    def _write(self, rows: Array) -> None:
        chunk = self.target.chunks
        for start in product(*(range(0, size, step) for size, step in zip(rows.shape[1:], chunk[1:], strict=True))):
            block = rows[(slice(None), *(slice(s, s + c) for s, c in zip(start, chunk[1:], strict=True)))]
            if block.shape != chunk:
                full = np.zeros(chunk, dtype=rows.dtype)
                full[tuple(slice(0, n) for n in block.shape)] = block
                block = full
            self.target.id.write_direct_chunk((self.done, *start), pack(block))
        self.done += len(rows)


def _small_chunk(dims: tuple[str, ...], shape: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[int, ...]:
    """As many whole points as fill `CHUNK_BYTES`; a long time axis is cut."""
    tail = list(shape[1:])
    if schema.TIME in dims:
        axis = dims.index(schema.TIME) - 1
        tail[axis] = min(tail[axis], CHUNK_BYTES // dtype.itemsize)
    row_bytes = int(np.prod(tail)) * dtype.itemsize
    return (max(1, min(shape[0], CHUNK_BYTES // max(row_bytes, 1))), *tail)
