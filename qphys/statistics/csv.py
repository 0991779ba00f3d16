"""A laboratory's table of counts, a line for each setting and outcome, and the protocol that it belongs to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from qphys.catalogue import read_toml
from qphys.errors import UserError, nearest
from qphys.record import Record, parse
from qphys.statistics import schema
from qphys.statistics.dataset import coordinate_attributes
from qphys.statistics.read import DOUBLE_CLICKS, SINGLE_CLICKS, check

if TYPE_CHECKING:
    import xarray as xr

PULSES: Final = "pulses_sent"
"""Column that a table of decoy-bb84 may have: pulses sent with the line's setting, the same in all lines of a setting."""

ACCIDENTAL: Final = "accidental_counts"
"""Column that a table of bbm92 may have: coincidences with this pair of outcomes in shifted windows."""

COLUMNS: Final = {
    schema.PROTOCOL_DECOY_BB84: (*schema.CELLS[schema.PROTOCOL_DECOY_BB84], "counts"),
    schema.PROTOCOL_BBM92: (*schema.CELLS[schema.PROTOCOL_BBM92], "counts"),
}
"""Columns that a table of a protocol must have, in any order."""

OPTIONAL_COLUMNS: Final = {schema.PROTOCOL_DECOY_BB84: PULSES, schema.PROTOCOL_BBM92: ACCIDENTAL}
"""The column that it may have besides."""

MOST: Final = 2**53
"""Largest count: beyond it a double skips whole numbers."""

Probability = Annotated[float, Field(ge=0, le=1)]


class LabProtocol(Record):
    """What a laboratory's sender claims: intensities and the probabilities of its choices; both bits are equally likely."""

    protocol: Literal["decoy-bb84"]
    intensities: tuple[str, ...] = ()
    """Names, as in the table; ``0``, ``1``, ... by default."""
    mean_photon_numbers: tuple[Annotated[float, Field(ge=0)], ...]
    intensity_probabilities: tuple[Probability, ...]
    basis_probability_z: Probability | None = None
    """Probability that the sender chooses Z, with every intensity."""
    basis_probabilities_z: tuple[Probability, ...] | None = None
    """Instead: this probability for each intensity."""
    trial_rate_mhz: Annotated[float, Field(gt=0)] | None = None
    wavelength_nm: Annotated[float, Field(gt=0)] | None = None
    effects_present: tuple[str, ...] = ()
    """Effects that the counts hold, such as ``dead_time``, so that an analysis can say which its proof does not cover."""
    effects_absent: tuple[str, ...] = ()
    """Effects that the counts are known not to hold."""

    @model_validator(mode="after")
    def _fits(self) -> LabProtocol:
        number = len(self.mean_photon_numbers)
        if number == 0:
            raise ValueError("mean_photon_numbers: at least one intensity is needed")
        if len(self.intensity_probabilities) != number:
            raise ValueError(f"intensity_probabilities: {len(self.intensity_probabilities)} values for {number} intensities")
        if abs(sum(self.intensity_probabilities) - 1) > 1e-6:
            raise ValueError(f"intensity_probabilities: sum to {sum(self.intensity_probabilities):.9g}; must be 1")
        if self.intensities and len(self.intensities) != number:
            raise ValueError(f"intensities: {len(self.intensities)} names for {number} intensities")
        if len(set(self.intensities)) != len(self.intensities):
            raise ValueError(f"intensities: a name stands twice in {', '.join(self.intensities)}")
        if (self.basis_probability_z is None) == (self.basis_probabilities_z is None):
            raise ValueError("basis_probability_z: give it, or basis_probabilities_z, and not both")
        if self.basis_probabilities_z is not None and len(self.basis_probabilities_z) != number:
            raise ValueError(f"basis_probabilities_z: {len(self.basis_probabilities_z)} values for {number} intensities")
        return self

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the intensities."""
        return self.intensities or tuple(str(i) for i in range(len(self.mean_photon_numbers)))

    @property
    def setting_probability(self) -> NDArray[np.float64]:
        """Joint probability of intensity, basis and bit."""
        given = self.basis_probability_z if self.basis_probabilities_z is None else self.basis_probabilities_z
        z = np.broadcast_to(np.asarray(given, dtype=np.float64), len(self.labels))
        intensity = np.asarray(self.intensity_probabilities) / sum(self.intensity_probabilities)
        joint = intensity[:, np.newaxis] * np.stack([z, 1 - z], axis=1) / len(schema.BITS)
        return np.repeat(joint[..., np.newaxis], len(schema.BITS), axis=-1)


class PairLabProtocol(Record):
    """What a laboratory says of its pair source; a table of counts needs nothing but the protocol's name."""

    protocol: Literal["bbm92"]
    trials: Annotated[int, Field(ge=1, le=MOST)] | None = None
    """Time windows, or pulses, in all."""
    trial_rate_mhz: Annotated[float, Field(gt=0)] | None = None
    wavelength_nm: Annotated[float, Field(gt=0)] | None = None
    mean_pair_number: Annotated[float, Field(ge=0)] | None = None
    """Mean number of pairs that the source emits in a trial."""
    coincidence_window_ns: Annotated[float, Field(gt=0)] | None = None
    pair_rate_mhz: Annotated[float, Field(ge=0)] | None = None
    """Pairs that the source emits a second."""
    effects_present: tuple[str, ...] = ()
    """Effects that the counts hold, such as ``dead_time``, so that an analysis can say which its proof does not cover."""
    effects_absent: tuple[str, ...] = ()
    """Effects that the counts are known not to hold."""


RECORDS: Final[dict[str, type[LabProtocol] | type[PairLabProtocol]]] = {
    schema.PROTOCOL_DECOY_BB84: LabProtocol,
    schema.PROTOCOL_BBM92: PairLabProtocol,
}
"""Protocols whose counts may be a table."""


@dataclass(frozen=True)
class _Line:
    """A line of the table, checked."""

    number: int
    setting: tuple[int, int, int]
    outcome: str
    counts: int
    pulses: int | None


def read_csv(path: str | PathLike[str], protocol: str | PathLike[str] | Mapping[str, Any]) -> xr.Dataset:
    """Read a table of counts.

    Parameters
    ----------
    path : path
        Comma-separated; lines that begin with ``#`` are comments. The first other line names the columns: of decoy-bb84
        ``intensity`` (name or number), ``alice_basis``, ``alice_bit``, ``bob_outcome``, ``counts`` and, if known,
        ``pulses_sent``; of bbm92 ``alice_outcome``, ``bob_outcome``, ``counts`` and, if known, ``accidental_counts``. A
        line for each setting, or outcome of Alice, and single click; those of double clicks count as 0 where they are
        absent, and the result says so; those of ``none`` follow from the pulses sent. With bbm92, lines of ``none`` are
        there for every single click of the other arm, or not at all; that of no click at all follows from the trials.
    protocol : path or mapping
        TOML file of a :class:`LabProtocol` or :class:`PairLabProtocol`, or its content.

    Returns
    -------
    xarray.Dataset
        One point, one realisation; ``counts`` over settings and outcomes, or pairs of outcomes. The attribute
        ``notes`` says what was assumed.

    Raises
    ------
    UserError
        With file, line and column.

    Examples
    --------
    >>> table = folder / "counts.csv"
    >>> lines = ["intensity,alice_basis,alice_bit,bob_outcome,counts"]
    >>> settings = ["Z,0", "Z,1", "X,0", "X,1"]
    >>> lines += [f"0,{setting},{outcome},3" for setting in settings for outcome in ("Z0", "Z1", "X0", "X1")]
    >>> _ = table.write_text("\\n".join(lines))
    >>> lab = {"protocol": "decoy-bb84", "mean_photon_numbers": [0.5], "intensity_probabilities": [1.0]}
    >>> int(read_csv(table, {**lab, "basis_probability_z": 0.5})["counts"].sum())
    48
    """
    where = "protocol" if isinstance(protocol, Mapping) else str(protocol)
    told = protocol if isinstance(protocol, Mapping) else read_toml(Path(protocol))
    name = told.get("protocol")
    if "protocol" in told and name not in RECORDS:
        raise UserError(
            f"{where}: protocol = {name!r}: unknown{nearest(str(name), RECORDS)} (allowed: {', '.join(RECORDS)})"
        )
    lab = parse(RECORDS[str(name)] if name in RECORDS else LabProtocol, told, where)
    if isinstance(lab, PairLabProtocol):
        return _of_pairs(Path(path), lab)
    lines = list(_lines(Path(path), lab))
    _check_complete(lines, lab, str(path))
    return _dataset(lines, lab, str(path))


def _fields(path: Path, protocol: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Number and fields of every line."""
    header: list[str] | None = None
    for number, text in enumerate(_text(path).splitlines(), 1):
        if not text.strip() or text.lstrip().startswith("#"):
            continue
        fields = [field.strip().strip('"') for field in text.split(",")]
        if header is None:
            header = _header(fields, f"{path}, line {number}", protocol)
            continue
        if len(fields) != len(header):
            raise UserError(f"{path}, line {number}: {len(fields)} fields; {len(header)} are needed ({', '.join(header)})")
        yield number, dict(zip(header, fields, strict=True))
    if header is None:
        raise UserError(f"{path}: empty; a line that names the columns is needed ({', '.join(COLUMNS[protocol])})")


def _lines(path: Path, lab: LabProtocol) -> Iterator[_Line]:
    seen: dict[tuple[tuple[int, int, int], str], int] = {}
    for number, fields in _fields(path, lab.protocol):
        line = _line(fields, number, lab, f"{path}, line {number}")
        if (line.setting, line.outcome) in seen:
            raise UserError(
                f"{path}, line {number}: {_told(line.setting, lab)}, {line.outcome} stands in line "
                f"{seen[line.setting, line.outcome]} already"
            )
        seen[line.setting, line.outcome] = number
        yield line


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text (byte {error.start})") from None
    except OSError as error:
        raise UserError(f"{path}: {(error.strerror or 'cannot be read').lower()}") from None


def _header(fields: list[str], place: str, protocol: str) -> list[str]:
    allowed = (*COLUMNS[protocol], OPTIONAL_COLUMNS[protocol])
    if len(fields) == 1 and (";" in fields[0] or "\t" in fields[0]):
        raise UserError(f"{place}: columns must be separated by commas")
    for name in fields:
        if name not in allowed:
            raise UserError(f"{place}: unknown column '{name}'{nearest(name, allowed)} (allowed: {', '.join(allowed)})")
    if len(set(fields)) != len(fields):
        raise UserError(f"{place}: a column stands twice in {', '.join(fields)}")
    missing = [name for name in COLUMNS[protocol] if name not in fields]
    if missing:
        raise UserError(f"{place}: column {', '.join(missing)} is missing; there are {', '.join(fields)}")
    return fields


def _line(fields: Mapping[str, str], number: int, lab: LabProtocol, place: str) -> _Line:
    intensity = fields[schema.INTENSITY]
    numbered = [str(i) for i in range(len(lab.labels))]
    if intensity not in lab.labels and intensity in numbered:
        intensity = lab.labels[int(intensity)]
    setting = (
        _place(intensity, lab.labels, f"{place}: {schema.INTENSITY}"),
        _place(fields[schema.ALICE_BASIS], schema.BASES, f"{place}: {schema.ALICE_BASIS}"),
        _place(fields[schema.ALICE_BIT], schema.BITS, f"{place}: {schema.ALICE_BIT}"),
    )
    outcome = fields[schema.BOB_OUTCOME]
    _place(outcome, schema.OUTCOMES_BB84, f"{place}: {schema.BOB_OUTCOME}")
    pulses = fields.get(PULSES, "")
    return _Line(
        number,
        setting,
        outcome,
        _count(fields["counts"], f"{place}: counts"),
        _count(pulses, f"{place}: {PULSES}") if pulses else None,
    )


def _place(label: str, allowed: Sequence[str], place: str) -> int:
    if label not in allowed:
        raise UserError(f"{place} = '{label}': unknown{nearest(label, allowed)} (allowed: {', '.join(allowed)})")
    return list(allowed).index(label)


def _count(text: str, place: str) -> int:
    """A whole number, also as 1e6 or 5.0."""
    try:
        value = int(text) if text.lstrip("+-").isdigit() else float(text)
    except ValueError:
        raise UserError(f"{place} = '{text}': not a number") from None
    if not (abs(value) <= MOST):
        raise UserError(f"{place} = {text}: must be a finite number, at most 2^53")
    if value < 0:
        raise UserError(f"{place} = {text}: must not be negative")
    if value != int(value):
        raise UserError(f"{place} = {text}: must be a whole number")
    return int(value)


def _told(setting: tuple[int, int, int], lab: LabProtocol) -> str:
    return f"{lab.labels[setting[0]]}, {schema.BASES[setting[1]]}, {schema.BITS[setting[2]]}"


def _check_complete(lines: list[_Line], lab: LabProtocol, path: str) -> None:
    """Every single click of every setting that is ever sent needs its line."""
    given = {(line.setting, line.outcome) for line in lines}
    sent = [(int(i), int(b), int(x)) for i, b, x in np.argwhere(lab.setting_probability > 0)]
    missing = [(setting, outcome) for setting in sent for outcome in SINGLE_CLICKS if (setting, outcome) not in given]
    if missing:
        setting, outcome = missing[0]
        raise UserError(
            f"{path}: {len(missing)} lines are missing, the first: {_told(setting, lab)}, {outcome} "
            "(a single click that was never seen needs a line with 0)"
        )


def _dataset(lines: list[_Line], lab: LabProtocol, path: str) -> xr.Dataset:
    outcomes = [label for label in schema.OUTCOMES_BB84 if any(line.outcome == label for line in lines)]
    shape = lab.setting_probability.shape
    counts = np.zeros((*shape, len(outcomes)), dtype=np.int64)
    told = np.zeros(counts.shape, dtype=bool)
    for line in lines:
        place = (*line.setting, outcomes.index(line.outcome))
        counts[place], told[place] = line.counts, True
    pulses = _pulses(lines, lab, path)
    possible = lab.setting_probability > 0
    notes = []
    for label in outcomes:
        absent = int((possible & ~told[..., outcomes.index(label)]).sum())
        if absent and label in DOUBLE_CLICKS:
            notes.append(f"outcome {label} has no line for {absent} settings and counts as 0 there")
    if "none" in outcomes and not told[..., outcomes.index("none")][possible].all():
        if pulses is None:
            raise UserError(f"{path}: bob_outcome none: has lines for some settings only; give all of them, or pulses_sent")
        none = outcomes.index("none")
        clicks = counts.sum(axis=-1) - counts[..., none]
        counts[..., none] = np.where(told[..., none], counts[..., none], pulses - clicks)
    variables: dict[str, Any] = {
        "counts": ((*schema.SETTINGS_BB84, schema.BOB_OUTCOME), counts),
        "mean_photon_number": ((schema.INTENSITY,), np.asarray(lab.mean_photon_numbers, dtype=np.float64)),
        "setting_probability": (schema.SETTINGS_BB84, lab.setting_probability),
    }
    if pulses is not None:
        variables[PULSES] = (schema.SETTINGS_BB84, pulses)
    variables |= _numbers(lab, ("trial_rate", "wavelength"))
    labels = {
        schema.INTENSITY: lab.labels,
        schema.ALICE_BASIS: schema.BASES,
        schema.ALICE_BIT: schema.BITS,
        schema.BOB_OUTCOME: outcomes,
    }
    return _checked(variables, labels, notes, lab, path)


def _numbers(lab: LabProtocol | PairLabProtocol, names: Sequence[str]) -> dict[str, Any]:
    """Numbers of the protocol's file that are variables of the statistics, where it gives them."""
    given = {name: getattr(lab.si, name) for name in names}
    return {name: ((), value) for name, value in given.items() if value is not None}


def _checked(
    variables: Mapping[str, Any],
    labels: Mapping[str, Sequence[str]],
    notes: Sequence[str],
    lab: LabProtocol | PairLabProtocol,
    path: str,
) -> xr.Dataset:
    import xarray as xr

    known = {name: (variable.units, variable.long_name) for name, variable in schema.variables(lab.protocol).items()}
    known[PULSES] = ("1", "pulses sent with this setting")
    dataset = xr.Dataset(
        {n: (*given, dict(zip(("units", "long_name"), known[n], strict=True))) for n, given in variables.items()},
        {dim: (dim, np.asarray(names, dtype=object), coordinate_attributes(dim)) for dim, names in labels.items()},
        {"format": schema.FORMAT, "qphys_schema": schema.VERSION, "protocol": lab.protocol},
    )
    if lab.title:
        dataset.attrs["title"] = lab.title
    if notes:
        dataset.attrs["notes"] = "\n".join(notes)
    told = {"effects_present": lab.effects_present, "effects_absent": lab.effects_absent}
    dataset.attrs |= {name: " ".join(effects) for name, effects in told.items() if effects}
    return check(dataset, path)


def _of_pairs(path: Path, lab: PairLabProtocol) -> xr.Dataset:
    counts: dict[tuple[str, str], int] = {}
    accidental: dict[tuple[str, str], int] = {}
    seen: dict[tuple[str, str], int] = {}
    for number, fields in _fields(path, lab.protocol):
        place = f"{path}, line {number}"
        for dim in schema.CELLS[lab.protocol]:
            _place(fields[dim], schema.OUTCOMES_BB84, f"{place}: {dim}")
        cell = (fields[schema.ALICE_OUTCOME], fields[schema.BOB_OUTCOME])
        if cell in seen:
            raise UserError(f"{place}: {', '.join(cell)} stands in line {seen[cell]} already")
        seen[cell] = number
        counts[cell] = _count(fields["counts"], f"{place}: counts")
        if fields.get(ACCIDENTAL):
            accidental[cell] = _count(fields[ACCIDENTAL], f"{place}: {ACCIDENTAL}")
    none = (schema.NO_CLICK, schema.NO_CLICK)
    if (
        lab.trials is not None
        and none not in counts
        and all(any(cell[arm] == none[arm] for cell in counts) for arm in range(2))
    ):
        for table in (counts, accidental) if accidental else (counts,):
            table[none] = lab.trials - sum(table.values())
            if table[none] < 0:
                raise UserError(f"{path}: more clicks than the {lab.trials} trials")
    outcomes = [tuple(o for o in schema.OUTCOMES_BB84 if any(cell[arm] == o for cell in counts)) for arm in range(2)]
    notes = _check_pairs(counts, outcomes, str(path))
    if accidental and len(accidental) != len(counts):
        cell = next(cell for cell in counts if cell not in accidental)
        raise UserError(f"{path}, line {seen[cell]}: {ACCIDENTAL} is missing; give it in all lines or in none")
    variables: dict[str, Any] = {"counts": (schema.CELLS[lab.protocol], _table(counts, outcomes))}
    if accidental:
        variables[ACCIDENTAL] = (schema.CELLS[lab.protocol], _table(accidental, outcomes))
    numbers = ("trials", "trial_rate", "wavelength", "mean_pair_number", "coincidence_window", "pair_rate")
    variables |= _numbers(lab, numbers)
    return _checked(variables, dict(zip(schema.CELLS[lab.protocol], outcomes, strict=True)), notes, lab, str(path))


def _check_pairs(counts: Mapping[tuple[str, str], int], outcomes: Sequence[Sequence[str]], path: str) -> list[str]:
    """Every pair of single clicks needs its line; an outcome ``none`` those with every single click of the other arm."""
    singles = [(*SINGLE_CLICKS, *(label for label in own if label == schema.NO_CLICK)) for own in outcomes]
    missing = [(a, b) for a in singles[0] for b in singles[1] if (a, b) not in counts]
    if missing:
        raise UserError(
            f"{path}: {len(missing)} lines are missing, the first: {', '.join(missing[0])} "
            "(what was never seen needs a line with 0; none, none follows from the trials)"
        )
    absent = sum((a, b) not in counts for a in outcomes[0] for b in outcomes[1])
    return [f"{absent} pairs of outcomes with a double click have no line and count as 0"] if absent else []


def _table(cells: Mapping[tuple[str, str], int], outcomes: Sequence[Sequence[str]]) -> NDArray[np.int64]:
    return np.asarray([[cells.get((a, b), 0) for b in outcomes[1]] for a in outcomes[0]], dtype=np.int64)


def _pulses(lines: list[_Line], lab: LabProtocol, path: str) -> NDArray[np.int64] | None:
    """Pulses sent with each setting; None where the table does not say."""
    if all(line.pulses is None for line in lines):
        return None
    sent = np.full(lab.setting_probability.shape, -1, dtype=np.int64)
    for line in lines:
        if line.pulses is None:
            continue
        if sent[line.setting] not in (-1, line.pulses):
            raise UserError(
                f"{path}, line {line.number}: {PULSES} = {line.pulses}: another line of {_told(line.setting, lab)} "
                f"says {sent[line.setting]}"
            )
        sent[line.setting] = line.pulses
    possible = lab.setting_probability > 0
    if (sent[possible] < 0).any():
        intensity, basis, bit = (int(i) for i in np.argwhere(possible & (sent < 0))[0])
        raise UserError(f"{path}: {PULSES} is missing for {_told((intensity, basis, bit), lab)}; give it for all settings")
    return np.maximum(sent, 0)
