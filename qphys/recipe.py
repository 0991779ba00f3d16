"""From a run file to the points of a run: experiment and case, overrides, sweep, models resolved.

A run file is a tree of tables. Where it names an experiment, the experiment's recipe (and that of one case, or of all cases,
each a point) lies under it. A sweep replaces single values; each combination is a point. Nothing is simulated here.
"""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
from pydantic import Field, model_validator

from qphys.catalogue import ROOMS, Catalogue, canonical, digest, merged, read_toml, without_origins
from qphys.errors import UserError, nearest
from qphys.record import Record, parse

STAGES: Final = (
    "protocol",
    "orbit",
    "station",
    "window",
    "terminal",
    "source",
    "channel",
    "receiver",
    "arms",
    "fading_correlation",
    "probe",
)
"""Tables of a run that physics depends on: they make a point's digest and so its random numbers."""


ARMS: Final = ("alice", "bob")


class Linear(Record):
    """Equally spaced values of a sweep, both ends included."""

    first: float
    last: float
    number: Annotated[int, Field(ge=2, le=1_000_000)]

    @property
    def values(self) -> list[float]:
        return [float(v) for v in np.linspace(self.first, self.last, self.number)]


class Sweep(Record):
    """Values to put in place of single keys; `mode` says whether lists are combined or taken together, entry by entry."""

    mode: Literal["product", "together"] = "product"
    values: dict[str, tuple[float | int | str, ...] | Linear]

    @model_validator(mode="after")
    def _fits(self) -> Sweep:
        lengths = {key: len(self.listed(key)) for key in self.values}
        if not lengths or 0 in lengths.values():
            raise ValueError("a sweep needs at least one key, and each key at least one value")
        if self.mode == "together" and len(set(lengths.values())) > 1:
            raise ValueError(f"mode 'together' needs lists of equal length; they have {lengths}")
        return self

    def listed(self, key: str) -> Sequence[float | int | str]:
        values = self.values[key]
        return values.values if isinstance(values, Linear) else values

    def points(self) -> Iterator[dict[str, float | int | str]]:
        lists = [self.listed(key) for key in self.values]
        combined = itertools.product(*lists) if self.mode == "product" else zip(*lists, strict=True)
        for combination in combined:
            yield dict(zip(self.values, combination, strict=True))


class StatisticsSettings(Record):
    """What the file of detection statistics holds."""

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1
    realisations: Annotated[int, Field(ge=0, le=1_000_000)] = 1
    expected: Literal["auto", "per step", "totals"] = "auto"
    """Expectations for every step or as totals of the pass; auto: as totals in a sweep."""
    causes: bool | None = None
    """Whether totals are also computed with each cause of errors off; without a word, not in a sweep."""
    photon_numbers: bool | None = None
    """Whether totals are also told by the photons of the pulse, which an analysis takes for reference points that no key can
    exceed; without a word, in runs of at most 200 points. Weak coherent sources only."""


class Arm(Record):
    """One photon's way from a pair source: where it is received, through what, by which receiver."""

    orbit: dict[str, Any] = Field(default_factory=dict)
    """Only where it differs from that of the run, such as a table of this arm's range."""
    station: dict[str, Any] = Field(default_factory=dict)
    """None: the photon stays on board."""
    terminal: dict[str, Any] = Field(default_factory=dict)
    channel: dict[str, Any]
    receiver: dict[str, Any]


class Run(Record):
    """A run file, after its experiment and models are resolved. The stages are checked by the rooms that they belong to.

    A prepare-and-measure protocol has one arm, told by `station`, `terminal`, `channel`, `receiver`; an entangled one has
    `arms.alice` and `arms.bob`, each with these tables.
    """

    protocol: Literal["decoy-bb84", "bbm92", "chsh"] = "decoy-bb84"
    experiment: str = ""
    orbit: dict[str, Any] = Field(default_factory=dict)
    station: dict[str, Any] = Field(default_factory=dict)
    window: dict[str, Any] = Field(default_factory=dict)
    terminal: dict[str, Any] = Field(default_factory=dict)
    source: dict[str, Any]
    channel: dict[str, Any] = Field(default_factory=dict)
    receiver: dict[str, Any] = Field(default_factory=dict)
    arms: dict[str, Arm] = Field(default_factory=dict)
    fading_correlation: Literal["independent", "common"] = "independent"
    """How the fading of the two arms is joined; their paths through the air differ, so that independent is the rule."""
    probe: dict[str, Any] = Field(default_factory=dict)
    """A classical probe of the transmittance (`channels.Probe`): counts are then also kept by its reading."""
    statistics: StatisticsSettings = StatisticsSettings()
    analysis: dict[str, Any] = Field(default_factory=dict)
    optimize: dict[str, Any] = Field(default_factory=dict)
    """What `qphys optimize` may vary (`optimizer.decoys`, `optimizer.pairs`); a run takes no notice of it."""

    @model_validator(mode="after")
    def _complete(self) -> Run:
        one, two = ("orbit", "channel", "receiver"), ("station", "terminal", "channel", "receiver")
        if self.protocol == "decoy-bb84":
            missing = [name for name in one if not getattr(self, name)]
            if missing or self.arms:
                told = f"{', '.join(missing)} missing" if missing else "arms belong to an entangled protocol"
                raise ValueError(f"protocol 'decoy-bb84' needs orbit, channel and receiver: {told}")
        elif self.probe:
            raise ValueError(f"protocol '{self.protocol}': a probe belongs to a link with one arm, of decoy-bb84")
        elif set(self.arms) != set(ARMS):
            raise ValueError(
                f"protocol '{self.protocol}' needs [arms.alice] and [arms.bob]; there are: {', '.join(self.arms) or 'none'}"
            )
        elif given := [name for name in two if getattr(self, name)]:
            raise ValueError(f"protocol '{self.protocol}': {', '.join(given)} belong into [arms.alice] and [arms.bob]")
        return self


class Link(Run):
    """A link alone, for `qphys channel`: light of one wavelength from the terminal to the receiver, and no protocol."""

    wavelength_nm: Annotated[float, Field(gt=0)]
    source: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _complete(self) -> Link:
        missing = [name for name in ("orbit", "channel") if not getattr(self, name)]
        if missing:
            raise ValueError(f"a link needs orbit and channel: {', '.join(missing)} missing")
        return self


class Collector(Record):
    """Receiver of a link alone: what a channel sees of it."""

    optics_transmittance: Annotated[float, Field(gt=0, le=1)] = 1.0
    """From the aperture to the analyser's entrance."""
    field_of_view_urad: Annotated[float, Field(gt=0)] | None = None
    """Full angle."""
    filter_bandwidth_nm: Annotated[float, Field(gt=0)] | None = None


LINK: Final = ("title", "wavelength_nm", "orbit", "station", "window", "terminal", "channel", "receiver")
"""Keys of the file of a link alone."""


@dataclass(frozen=True)
class Point:
    """One point of a run: its label (case, swept values) and its resolved tables."""

    label: dict[str, float | int | str]
    run: Run
    where: str

    @property
    def stages(self) -> dict[str, Any]:
        """The resolved tables that the physics depends on, without titles and origins."""
        tree = self.run.model_dump(include=set(STAGES), exclude_defaults=True)
        told: dict[str, Any] = without_origins(tree)
        return told


@dataclass(frozen=True)
class Recipe:
    """A run file read: its points in order, and what identifies them."""

    path: Path
    title: str
    experiment: str
    cases: dict[str, dict[str, Any]]
    """Unresolved tree of each case; one entry with an empty name where there is no experiment."""
    sweep: Sweep | None
    catalogue: Catalogue
    labels: list[dict[str, float | int | str]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.labels)

    def point(self, index: int) -> Point:
        """Resolve one point."""
        label = self.labels[index]
        tree = self.cases[str(label.get("case", ""))]
        for key, value in label.items():
            if key != "case":
                tree = _replaced(tree, key, value, f"{self.path}: sweep.values")
        resolved = self.catalogue.resolve(tree, str(self.path))
        return Point(label, parse(Run, resolved, str(self.path)), str(self.path))

    def hashes(self) -> dict[str, str]:
        """SHA-256 of every model and table that any point names."""
        found: dict[str, str] = {}
        for index in self._distinct():
            found |= self.catalogue.hashes(self.point_tree(index), str(self.path))
        return dict(sorted(found.items()))

    def point_tree(self, index: int) -> dict[str, Any]:
        """Resolved tree of a point, as plain values."""
        return self.point(index).run.model_dump(mode="python")

    def identity_tree(self) -> dict[str, Any]:
        """All that the points depend on: resolved tree of each case, the sweep, the content of models and tables."""
        return {
            "runs": [without_origins(self.point_tree(i)) for i in self._distinct()],
            "labels": digest([list(label.items()) for label in self.labels]),
            "files": self.hashes(),
        }

    def _distinct(self) -> list[int]:
        """Indices of points that may name different models: one of each case, all where the sweep replaces a model."""
        seen: dict[str, int] = {}
        for index, label in enumerate(self.labels):
            names = {
                k: v for k, v in label.items() if k == "case" or k.rpartition(".")[2] in {*ROOMS, "model", "table", "file"}
            }
            seen.setdefault(canonical(names), index)
        return list(seen.values())


def read_recipe(
    path: str | Path,
    *,
    models: Sequence[str | Path] = (),
    overrides: Mapping[str, Any] | None = None,
    case: str | None = None,
) -> Recipe:
    """Read a run file.

    Parameters
    ----------
    path : path
        The run file (TOML).
    models : sequence of paths, optional
        Folders of models to search before those of the package.
    overrides : mapping, optional
        Dotted key -> value, put over the run file, such as ``{"channel.extra_loss_db": 3.0}``.
    case : str, optional
        Only this case of the experiment that the run file names.

    Returns
    -------
    Recipe

    Raises
    ------
    UserError
        With file, key path, value and what is allowed.
    """
    path = Path(path)
    table = read_toml(path)
    catalogue = Catalogue(tuple(Path(m) for m in models), path.resolve().parent)
    for key, value in (overrides or {}).items():
        table = _replaced(table, key, value, "--set")
    return make_recipe(table, path, catalogue, case=case)


def experiment_recipe(name: str, *, models: Sequence[str | Path] = (), overrides: Mapping[str, Any] | None = None) -> Recipe:
    """Recipe of all cases of an experiment of the catalogue, as a run file with only its name would give it."""
    catalogue = Catalogue(tuple(Path(m) for m in models))
    path = catalogue.find("experiments", name, "experiment")
    table: dict[str, Any] = {"experiment": name}
    for key, value in (overrides or {}).items():
        table = _replaced(table, key, value, "--set")
    return make_recipe(table, path, catalogue)


def read_link(
    path: str | Path,
    *,
    models: Sequence[str | Path] = (),
    overrides: Mapping[str, Any] | None = None,
    case: str | None = None,
) -> tuple[Point, str, Catalogue]:
    """Read what `qphys channel` describes: a run file without its sweep, or the file of a link alone.

    A file with `wavelength_nm` at its top is a link alone: orbit, station, window, terminal, channel, receiver.

    Parameters
    ----------
    path : path
        The file (TOML).
    models, overrides, case
        As in `read_recipe`.

    Returns
    -------
    point : Point
        Its run is a `Link` where the file is one.
    title : str
        Of the file.
    catalogue : Catalogue
        Reads its models and tables.

    Raises
    ------
    UserError
        With file, key path, value and what is allowed.
    """
    path = Path(path)
    table = read_toml(path)
    catalogue = Catalogue(tuple(Path(m) for m in models), path.resolve().parent)
    alone = "wavelength_nm" in table
    for key, value in (overrides or {}).items():
        table = _replaced(table, key, value, "--set", **({"allowed": LINK} if alone else {}))
    if not alone:
        recipe = make_recipe({k: v for k, v in table.items() if k != "sweep"}, path, catalogue, case=case)
        return recipe.point(0), recipe.title, catalogue
    if case is not None:
        raise UserError(f"{path}: case = {case!r}: a case belongs to an experiment, and none is named")
    for key in table:
        if key not in LINK:
            raise UserError(f"{path}: {key}: unknown key{nearest(key, LINK)} (of a link alone: {', '.join(LINK)})")
    title = str(table.pop("title", path.stem))
    link = parse(Link, catalogue.resolve(table, str(path)), str(path))
    return Point({}, link, str(path)), title, catalogue


def make_recipe(table: Mapping[str, Any], path: Path, catalogue: Catalogue, *, case: str | None = None) -> Recipe:
    """Recipe of a run given as a table."""
    table = dict(table)
    experiment = table.get("experiment", "")
    wanted = case if case is not None else table.pop("case", None)
    sweep = parse(Sweep, table.pop("sweep"), f"{path}: sweep") if "sweep" in table else None
    _known(table, path)
    if experiment:
        file = catalogue.find("experiments", experiment, f"{path}: experiment")
        declared = read_toml(file)
        recipes = declared.get("cases", {})
        if not isinstance(recipes, Mapping) or not recipes:
            raise UserError(f"{file}: cases: missing; an experiment needs at least one case")
        if wanted is not None and wanted not in recipes:
            raise UserError(
                f"{path}: case = {wanted!r}: unknown{nearest(str(wanted), recipes)} (there are: {', '.join(recipes)})"
            )
        chosen = {k: v for k, v in recipes.items() if wanted in (None, k)}
        common = declared.get("run", {})
        cases = {k: merged(merged(common, v.get("run", {})), table) for k, v in chosen.items()}
        title = str(table.get("title") or declared.get("title", experiment))
    else:
        if wanted is not None:
            raise UserError(f"{path}: case = {wanted!r}: a case belongs to an experiment, and none is named")
        cases, title = {"": table}, str(table.get("title", path.stem))
    labels = []
    for name in cases:
        base: dict[str, float | int | str] = {"case": name} if name else {}
        labels += [base | values for values in (sweep.points() if sweep else [{}])]
    recipe = Recipe(path, title, experiment, cases, sweep, catalogue, labels)
    from qphys.keyrates import settings_of

    first = recipe.point(0).run
    settings_of(first.protocol, first.analysis, where=f"{path}: analysis")
    return recipe


def _known(table: Mapping[str, Any], path: Path) -> None:
    allowed = {*Run.model_fields}
    for key in table:
        if key not in allowed:
            told = sorted(allowed | {"case", "sweep"})
            raise UserError(f"{path}: {key}: unknown key{nearest(key, told)} (allowed: {', '.join(told)})")


def _replaced(
    tree: Mapping[str, Any],
    dotted: str,
    value: Any,
    where: str,
    *,
    allowed: Sequence[str] = (*Run.model_fields, "case", "sweep"),
) -> dict[str, Any]:
    """`tree` with one value put in place, by its dotted key."""
    head = dotted.partition(".")[0]
    if head not in allowed:
        raise UserError(f"{where} {dotted}: unknown key{nearest(head, allowed)}")
    return _put(tree, dotted, value, f"{where} {dotted}")


def _put(tree: Mapping[str, Any], dotted: str, value: Any, where: str) -> dict[str, Any]:
    head, _, rest = dotted.partition(".")
    if not rest:
        return {**tree, head: value}
    inner = tree.get(head, {})
    if head in ROOMS and isinstance(inner, str):
        inner = {"model": inner}
    if not isinstance(inner, Mapping):
        raise UserError(f"{where}: {head} is a value, not a table")
    return {**tree, head: _put(inner, rest, value, where)}


def parse_override(text: str) -> tuple[str, Any]:
    """Split ``key=value`` of the command line; the value is TOML, or a bare word taken as text.

    Examples
    --------
    >>> parse_override("channel.extra_loss_db=3")
    ('channel.extra_loss_db', 3)
    >>> parse_override("source.model=micius-decoy")
    ('source.model', 'micius-decoy')
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip() or not value.strip():
        raise UserError(f"--set {text!r}: must be KEY=VALUE, such as channel.extra_loss_db=3")
    try:
        return key.strip(), tomllib.loads(f"v = {value}")["v"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value.strip()
