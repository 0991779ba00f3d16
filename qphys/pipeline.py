"""The verbs that span the house: simulate a recipe into a file, report it, compare it with an experiment."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from qphys import recipe as recipes
from qphys.catalogue import Catalogue, canonical, digest, read_toml, without_origins
from qphys.errors import RunError
from qphys.river import River

if TYPE_CHECKING:
    import xarray as xr

POINTS_A_PART: Final = 50
"""Points that are computed, and written aside, together."""

FEW_POINTS: Final = 200
"""Up to so many points a run evaluates its clicks twice, to tell expected counts by photon number without being asked."""


def run(
    path: str | Path,
    *,
    output: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    models: Sequence[str | Path] = (),
    overrides: Mapping[str, Any] | None = None,
    case: str | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> xr.Dataset:
    """Simulate a run file and write its detection statistics.

    Parameters
    ----------
    path : path
        The run file (TOML).
    output : path, optional
        The HDF5 file to write; ``out/<name>.h5`` beside the run file by default.
    resume : bool, optional
        Go on from the parts that an interrupted run left behind.
    overwrite : bool, optional
        Replace a finished file, or the parts, of the same or an earlier run.
    models : sequence of paths, optional
        Folders of your own models, searched before those of qphys.
    overrides : mapping, optional
        Dotted key -> value, put over the run file.
    case : str, optional
        Only this case of the experiment that the run file names.
    workers : int, optional
        Threads; the processors of the machine by default. The result does not depend on it.
    progress : callable, optional
        Called with the points done and the points in all.

    Returns
    -------
    xarray.Dataset
        The file, opened lazily.

    Raises
    ------
    UserError
        The run file, a model or the output is wrong.
    RunError
        The work failed.

    Examples
    --------
    >>> import qphys
    >>> statistics = qphys.run("runs/fixed-loss.toml", output=folder / "fixed-loss.h5")
    >>> dict(statistics.sizes)["bob_outcome"]
    8
    """
    told = recipes.read_recipe(path, models=models, overrides=overrides, case=case)
    target = Path(output) if output is not None else Path(path).parent / "out" / f"{Path(path).stem}.h5"
    return simulate(told, target, resume=resume, overwrite=overwrite, workers=workers, progress=progress)


def simulate(
    recipe: recipes.Recipe,
    output: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> xr.Dataset:
    """Simulate a recipe's points, part by part, and write them to a statistics file; see `run`."""
    from qphys.statistics import files, read

    first = recipe.point(0)
    settings, protocol = first.run.statistics, first.run.protocol
    seed = settings.seed
    tell = progress or (lambda done, total: None)
    total = len(recipe)
    parts = files.Parts(output, identity(recipe), protocol=protocol, resume=resume, overwrite=overwrite)
    ranges = [range(first, min(first + POINTS_A_PART, total)) for first in range(0, total, POINTS_A_PART)]
    todo = [(number, points) for number, points in enumerate(ranges) if not parts.has(number)]
    done = total - sum(len(points) for _, points in todo)
    tell(done, total)
    river = River(recipe.catalogue)
    alone = recipe.sweep is None
    choice: dict[str, Any] = {
        "per_step": settings.expected == "per step" or (settings.expected == "auto" and alone),
        "causes": settings.causes if settings.causes is not None else alone,
        "photon_numbers": settings.photon_numbers if settings.photon_numbers is not None else total <= FEW_POINTS,
    }

    def work(number: int, points: range) -> int:
        results = [river.statistics(recipe.point(i), seed=seed, **choice) for i in points]
        parts.write(number, results)
        return len(points)

    if not parts.complete:
        with ThreadPoolExecutor(max_workers=workers or os.cpu_count() or 1) as pool:
            running: set[Future[int]] = set()
            queue = iter(todo)
            try:
                for number, points in queue:
                    running.add(pool.submit(work, number, points))
                    if len(running) > 2 * (workers or os.cpu_count() or 1):
                        finished, running = wait(running, return_when=FIRST_COMPLETED)
                        done += sum(f.result() for f in finished)
                        tell(done, total)
                while running:
                    finished, running = wait(running, return_when=FIRST_COMPLETED)
                    done += sum(f.result() for f in finished)
                    tell(done, total)
            except KeyboardInterrupt:
                pool.shutdown(wait=True, cancel_futures=True)
                raise RunError(f"interrupted; {parts.folder} keeps what was finished, --resume goes on from there") from None
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                parts.abandon()
                raise
        parts.finish(labels=recipe.labels, attributes={**attributes(recipe), **river.claims(first)})
    return read.open_statistics(output)


def identity(recipe: recipes.Recipe) -> str:
    """SHA-256 of all that the content of the file depends on."""
    from qphys import core
    from qphys.statistics import provenance

    settings = recipe.point(0).run.statistics
    return digest(
        {
            "recipe": recipe.identity_tree(),
            "statistics": without_origins(settings.model_dump()),
            "code": provenance.code_digest(core.SOURCE_DIGEST),
        }
    )


def attributes(recipe: recipes.Recipe) -> dict[str, str | int]:
    """Attributes of the file, as `statistics.schema.ATTRIBUTES` lists them; those of single points lie in the parts."""
    from qphys.statistics import provenance

    first = recipe.point(0).run
    runs = {case: recipe.point_tree(i) for i, case in _first_of_case(recipe).items()}
    return {
        "title": recipe.title,
        "protocol": first.protocol,
        "experiment": recipe.experiment,
        "seed": first.statistics.seed,
        "resolved_run": canonical(runs),
        "sweep": canonical(recipe.sweep.model_dump(exclude_defaults=True)) if recipe.sweep else "",
        "model_hashes": canonical(recipe.hashes()),
        **provenance.versions(),
    }


def _first_of_case(recipe: recipes.Recipe) -> dict[int, str]:
    first: dict[str, int] = {}
    for index, label in enumerate(recipe.labels):
        first.setdefault(str(label.get("case", "")), index)
    return {index: case for case, index in first.items()}


@dataclass(frozen=True)
class Report:
    """What a run shows: tables (title -> rows), notes, the statistics and, for an experiment, the comparison."""

    tables: dict[str, list[dict[str, Any]]]
    notes: list[str]
    statistics: xr.Dataset
    comparison: xr.Dataset | None = None


def report(statistics: xr.Dataset, *, models: Sequence[str | Path] = ()) -> Report:
    """Tables of a simulated file: the key of each point and, where it belongs to an experiment, the comparison.

    Parameters
    ----------
    statistics : xarray.Dataset
        As `run` returns it.
    models : sequence of paths, optional
        Folders with the user's own models, among them the experiment.

    Returns
    -------
    Report
    """
    from qphys import comparison, keyrates

    name = str(statistics.attrs.get("experiment", ""))
    result = keyrates.analyze(statistics, analysis_of(statistics))
    rows = keyrates.rows(result)
    tables: dict[str, list[dict[str, Any]]] = {}
    notes = [str(w) for w in json.loads(str(statistics.attrs.get("warnings", "[]")))]
    compared = None
    labels = statistics.coords["case"].values.tolist() if "case" in statistics.coords else []
    if name and len(set(labels)) < len(labels):
        notes.append(f"a sweep of {name}: its points are other settings than those whose numbers it publishes; not compared")
    elif name:
        declared = _experiment(name, models)
        compared = comparison.compare(statistics, declared, analysis=analysis_of(statistics))
        for case, declaration in declared.cases.items():
            told = comparison.rows(compared, case)
            if told:
                tables[f"{declared.title}: {case} ({declaration.claim}). {declaration.assumption}"] = told
        if declared.key_choices:
            choices = comparison.key_choices(statistics, declared)
            tables[f"Secure key by what the paper leaves open, counts of '{declared.key_choices_case}'"] = (
                comparison.choice_rows(choices, declared)
            )
        notes += declared.notes
    best = keyrates.best_of_sweep(result, statistics)
    if best is not None:
        notes.append(best.note)
    tables[keyrates.heading(result)] = rows
    return Report(tables, notes, statistics, compared)


def analysis_of(statistics: xr.Dataset) -> dict[str, Any]:
    """Settings of the analysis that the run of a file asked for; of the first case, where an experiment has several."""
    runs: dict[str, dict[str, Any]] = json.loads(str(statistics.attrs.get("resolved_run", "{}")))
    for resolved in runs.values():
        return dict(resolved.get("analysis", {}))
    return {}


def _experiment(name: str, models: Sequence[str | Path]) -> Any:
    from qphys import comparison

    path = Catalogue(tuple(Path(m) for m in models)).find("experiments", name)
    return comparison.experiment(read_toml(path), str(path))


def compare(
    experiment: str,
    *,
    output: str | Path | None = None,
    models: Sequence[str | Path] = (),
    overrides: Mapping[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> xr.Dataset:
    """Simulate all cases of a published experiment and compare them with what was published.

    Parameters
    ----------
    experiment : str
        Name of an experiment, such as ``micius-2017``.
    output : path, optional
        Keep the statistics in this file.
    models : sequence of paths, optional
        Folders with your own experiments and models.
    overrides : mapping, optional
        Dotted key -> value, put over the experiment's recipe.
    progress : callable, optional
        Called with the points done and the points in all.

    Returns
    -------
    xarray.Dataset
        A row for each published number and case: published, simulated, residuals, verdict.

    Raises
    ------
    UserError
        No such experiment, or a mistake in it.

    Examples
    --------
    >>> import qphys
    >>> table = qphys.compare("micius-2017")
    >>> bool((abs(table.residual_percent[table.name == "duration"]) < 0.5).all())
    True
    """
    found = compare_report(experiment, output=output, models=models, overrides=overrides, progress=progress).comparison
    assert found is not None
    return found


def compare_report(
    experiment: str,
    *,
    output: str | Path | None = None,
    models: Sequence[str | Path] = (),
    overrides: Mapping[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """The whole report of `compare`."""
    from tempfile import TemporaryDirectory

    _experiment(experiment, models)
    told = recipes.experiment_recipe(experiment, models=models, overrides=overrides)
    if output is not None:
        return report(simulate(told, Path(output), overwrite=True, progress=progress), models=models)
    with TemporaryDirectory(prefix="qphys-") as folder:
        statistics = simulate(told, Path(folder) / f"{experiment}.h5", progress=progress)
        loaded = statistics.load()
        statistics.close()
        return report(loaded, models=models)
