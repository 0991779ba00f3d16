"""The command line: a few lines a command, no logic. Tables go to standard output, all else to standard error."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    name="qphys",
    help="Quantum-optics physical-layer simulator for satellite and fibre quantum key distribution.",
    epilog="Example:  qphys run runs/micius-2017.toml",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
models_app = typer.Typer(
    help="List and show the models that runs name.",
    epilog="Example:  qphys models list sources\n\nExample:  qphys models show sources/micius-decoy",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(models_app, name="models")

SHOWN = 12
"""Rows of a table that a run prints: the first and the last half of them."""

Json = Annotated[bool, typer.Option("--json", help="Print the table as JSON.")]
Models = Annotated[
    list[Path] | None, typer.Option("--models", metavar="FOLDER", help="Your own models, searched before those of qphys.")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Put one value over the file, such as channel.extra_loss_db=3."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no notes.")]


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"qphys {version('qphys')}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    pass


@app.command(
    epilog="Example:  qphys run runs/micius-2017.toml\n\nExample:  qphys run my.toml --set statistics.seed=7 --resume"
)
def run(
    file: Annotated[Path, typer.Argument(metavar="RUN.toml", help="The run file.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE.h5", help="Default: out/RUN.h5 beside it.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what an interrupted run left behind.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file, or its parts, of an earlier run.")
    ] = False,
    case: Annotated[str | None, typer.Option("--case", help="Only this case of the experiment that the run names.")] = None,
    set_: Set = None,
    models: Models = None,
    workers: Annotated[int | None, typer.Option("--workers", min=1, help="Threads; default: one a processor.")] = None,
    plot: Annotated[bool, typer.Option("--plot/--no-plot", help="Draw the pass into a PNG beside the HDF5 file.")] = True,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Simulate a run file: statistics into HDF5, the key, the comparison if it names an experiment, a picture."""
    from qphys import pipeline, recipe

    target = output or file.parent / "out" / f"{file.stem}.h5"
    told = recipe.read_recipe(file, models=models or (), overrides=dict(map(recipe.parse_override, set_ or ())), case=case)
    with _progress(quiet) as tell:
        statistics = pipeline.simulate(told, target, resume=resume, overwrite=overwrite, workers=workers, progress=tell)
    _report(pipeline.report(statistics, models=models or ()), json=json, quiet=quiet, written=target, plot=plot)


@app.command(
    epilog="Example:  qphys analyze runs/out/micius-2017.h5 --set key_from=all\n\n"
    "Example:  qphys analyze runs/out/micius-2017.h5 --proof lim2014 --proof wiesemann2026\n\n"
    "Example:  qphys analyze runs/out/micius-2017.h5 --profile\n\n"
    "Example:  qphys analyze runs/out/variable-length.h5 --lengths\n\n"
    "Example:  qphys analyze counts.csv --protocol lab.toml\n\n"
    "Example:  qphys analyze monday.h5 tuesday.h5 --set block=all\n\n"
    "Example:  qphys analyze runs/out/fading-selection.h5 --constructions"
)
def analyze(
    file: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Statistics (HDF5), of qphys or your own, or a CSV table; several passes."),
    ],
    protocol: Annotated[
        Path | None, typer.Option("--protocol", metavar="LAB.toml", help="The protocol that a CSV table needs.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE.nc", help="Also write the result as netCDF.")
    ] = None,
    proof: Annotated[
        list[str] | None,
        typer.Option("--proof", metavar="PROOF", help="Whose bounds; give it more than once to compare proofs."),
    ] = None,
    set_: Set = None,
    table: Annotated[bool, typer.Option("--table", help="A table with a row a proof, also for a single one.")] = False,
    profile: Annotated[
        bool,
        typer.Option("--profile", help="The proof profile instead of the key: claim, epsilons, assumptions, effects."),
    ] = False,
    lengths: Annotated[
        bool, typer.Option("--lengths", help="Over the samples: a length that follows the counts, and one fixed before.")
    ] = False,
    constructions: Annotated[
        bool, typer.Option("--constructions", help="Compare ways to make blocks of the trials: windows, cuts, thresholds.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Secure key of a file of detection statistics, with its bounds and status."""
    from qphys import keyrates, recipe, statistics

    files = [statistics.read_any(one, protocol) for one in file]
    data = files[0]
    chosen = dict(map(recipe.parse_override, set_ or ()))
    if len(files) > 1 and (constructions or lengths or table or (proof and len(proof) > 1)):
        raise typer.BadParameter("comparisons take one file; several files make one result")
    if lengths:
        if profile or output or table:
            raise typer.BadParameter("--lengths is a table of its own, without --table, --profile and --output")
        _table(
            keyrates.length_rows(data, proof or (), **chosen), f"{data.attrs.get('title', file[0].stem)}: lengths", json=json
        )
        return
    if constructions:
        if output or table or (proof and len(proof) > 1):
            raise typer.BadParameter("--constructions is a table of its own, with one proof and without --output")
        compared = keyrates.rows_by_construction(data, **(chosen | ({"proof": proof[0]} if proof else {})))
        _table(compared, f"{data.attrs.get('title', file[0].stem)}: constructions of the block", json=json)
        return
    if proof and (table or len(proof) > 1):
        if profile:
            raise typer.BadParameter("--profile tells of one proof")
        if output:
            raise typer.BadParameter("a comparison of proofs is a table; --output takes the result of one proof")
        _table(keyrates.rows_by_proof(data, proof, **chosen), f"{data.attrs.get('title', file[0].stem)}: proofs", json=json)
        return
    result = keyrates.analyze(files, **(chosen | ({"proof": proof[0]} if proof else {})))
    told = keyrates.profile(result)
    if profile:
        _table(told.rows, f"{result.attrs['title'] or file[0].stem}: proof profile", json=json)
    else:
        _table(keyrates.rows(result), keyrates.heading(result), json=json)
        _notes([told.line, *result.attrs.get("notes", "").splitlines()], quiet)
    if output:
        statistics.write_result(result, output)


@app.command(
    epilog="Example:  qphys keyrate runs/protocols/bb84-qubit.toml --numerical\n\n"
    "Example:  qphys keyrate runs/protocols/six-state.toml --numerical --set error_rates.Y=0.02\n\n"
    "Example:  qphys keyrate runs/out/fixed-loss.h5 --numerical --proof lim2014 --proof linear-programme"
)
def keyrate(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A protocol (TOML): states, measurements, statistics; or a statistics file."),
    ],
    numerical: Annotated[
        bool, typer.Option("--numerical", help="By optimisation with a proven lower bound; default: the closed form.")
    ] = False,
    protocol: Annotated[
        Path | None, typer.Option("--protocol", metavar="LAB.toml", help="The protocol that a CSV table needs.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE.nc", help="Also write the result as netCDF.")
    ] = None,
    proof: Annotated[
        list[str] | None,
        typer.Option("--proof", metavar="PROOF", help="Of a statistics file: closed forms to stand beside it."),
    ] = None,
    set_: Set = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Secret key rate of a protocol given by its states and statistics, or of a statistics file by optimisation."""
    from qphys import keyrates, recipe, statistics

    overrides = dict(map(recipe.parse_override, set_ or ()))
    if keyrates.is_statistics(file):
        if not numerical:
            raise typer.BadParameter(
                "closed forms for a file of detection statistics are those of qphys analyze: --numerical"
            )
        data = statistics.read_any(file, protocol)
        with _progress(quiet, "proving") as tell:
            result = keyrates.keyrate_of_statistics(data, progress=tell, **overrides)
        told = keyrates.rows_against(data, result, proof) if proof else keyrates.numerical_rows(result)
        _table(told, f"{result.attrs['title'] or file.stem}: numerical key ({result.attrs['security_claim']})", json=json)
        notes = [keyrates.profile(result).line, *result.attrs["notes"].splitlines()]
    else:
        result = keyrates.keyrate(file, numerical=numerical, overrides=overrides)
        title = f"{result.attrs['title'] or file.stem}: key a {result.attrs['counted_by']} ({result.attrs['proof']})"
        _table(keyrates.keyrate_rows(result), title, json=json)
        notes = [f"{name}: {result.attrs[name]}" for name in ("security", "assumptions", "not_covered")]
    _notes(notes, quiet)
    if output:
        statistics.write_result(result, output)


@app.command(
    epilog="Example:  qphys optimize runs/optimal-decoys.toml\n\n"
    "Example:  qphys optimize runs/optimal-pairs.toml --set optimize.coincidence_window_ns=fixed --picture pairs.png"
)
def optimize(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="RUN.toml", help="A run of decoy-state BB84 or BBM92; its table [optimize] says what may vary."
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE.nc", help="Also write the result as netCDF.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", metavar="FILE.png", help="Draw key and source along the sweep.")
    ] = None,
    case: Annotated[str | None, typer.Option("--case", help="Only this case of the experiment that the run names.")] = None,
    set_: Set = None,
    models: Models = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Find the source that gives the most key at every point of a run: decoys, or brightness and window of pairs."""
    from qphys import optimizer, recipe, statistics

    overrides = dict(map(recipe.parse_override, set_ or ()))
    with _progress(quiet) as tell:
        result = optimizer.optimize(file, models=models or (), overrides=overrides, case=case, progress=tell)
    _table(optimizer.rows(result), f"{result.attrs['title']}: best source ({result.attrs['proof']})", json=json)
    if output:
        statistics.write_result(result, output)
        _say(f"result: {output}", quiet)
    if picture:
        from qphys import plots

        plots.draw_optimum(result, picture)
        _say(f"picture: {picture}", quiet)


@app.command(epilog="Example:  qphys compare micius-2017")
def compare(
    experiment: Annotated[
        str, typer.Argument(metavar="EXPERIMENT", help="Name of an experiment; see `qphys models list experiments`.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE.h5", help="Keep the statistics in this file.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", metavar="FILE.png", help="Default: EXPERIMENT.png here.")
    ] = None,
    set_: Set = None,
    models: Models = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Simulate all cases of a published experiment and print published, simulated, residual."""
    from qphys import pipeline, recipe

    overrides = dict(map(recipe.parse_override, set_ or ()))
    with _progress(quiet) as tell:
        report = pipeline.compare_report(experiment, output=output, models=models or (), overrides=overrides, progress=tell)
    _report(report, json=json, quiet=quiet, written=output, plot=True, picture=picture or Path(f"{experiment}.png"))


@app.command(
    epilog="Example:  qphys channel runs/channel-ogs.toml\n\n"
    "Example:  qphys channel runs/micius-2017.toml --case prediction-clear --set channel.fading_nodes=12"
)
def channel(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE.toml", help="A run file, or a link alone: wavelength, orbit, telescopes, channel."),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE.png", help="Default: out/FILE-channel.png beside it.")
    ] = None,
    case: Annotated[str | None, typer.Option("--case", help="Case of the experiment that the run names.")] = None,
    arm: Annotated[str | None, typer.Option("--arm", help="alice or bob, where a pair source has two arms.")] = None,
    set_: Set = None,
    models: Models = None,
    plot: Annotated[bool, typer.Option("--plot/--no-plot", help="Draw the channel into a PNG.")] = True,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Describe a channel by itself: loss by term against elevation, path, law of the transmittance, fading."""
    from qphys import budget, recipe

    told = budget.channel(
        file, models=models or (), overrides=dict(map(recipe.parse_override, set_ or ())), case=case, arm=arm
    )
    _print(budget.tables(told), json=json)
    _notes(budget.notes(told), quiet)
    if plot:
        from qphys import plots

        target = output or file.parent / "out" / f"{file.stem}-channel.png"
        plots.draw_channel(told, target)
        _say(f"picture: {target}", quiet)


class Figure(StrEnum):
    """Pictures of a statistics file."""

    auto = "auto"
    overview = "overview"
    sweep = "sweep"
    comparison = "comparison"
    correlations = "correlations"
    chsh = "chsh"
    selection = "selection"


@app.command(
    epilog="Example:  qphys plot runs/out/micius-2017.h5\n\n"
    "Example:  qphys plot runs/out/fading-selection.h5 --figure selection"
)
def plot(
    file: Annotated[Path, typer.Argument(metavar="FILE.h5", help="A statistics file.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE.png", help="PNG, PDF or SVG.")] = None,
    figure: Annotated[Figure, typer.Option("--figure", help="What to draw.")] = Figure.auto,
    point: Annotated[int, typer.Option("--point", min=0, help="Which point of a sweep.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Draw a statistics file: rates and error rate against time, or the key along a sweep."""
    from qphys import plots, statistics

    target = output or file.with_suffix(".png")
    plots.draw(statistics.open_statistics(file), target, figure=figure.value, point=point)
    _say(f"picture: {target}", quiet)


@app.command(epilog="Example:  qphys info runs/out/micius-2017.h5")
def info(
    file: Annotated[Path, typer.Argument(metavar="FILE.h5", help="A statistics file.")],
    json: Json = False,
) -> None:
    """Say what a statistics file holds and what made it."""
    from qphys import statistics

    _table([{"key": k, "value": v} for k, v in statistics.info(file).items()], str(file), json=json)


@models_app.command("list")
def list_models(
    room: Annotated[str | None, typer.Argument(metavar="[ROOM]", help="sources, channels, receivers, ...")] = None,
    models: Models = None,
    json: Json = False,
) -> None:
    """List the models by room, with their titles."""
    from qphys import catalogue

    _table(catalogue.Catalogue(tuple(models or ())).listing(room), "Models", json=json)


@models_app.command("show")
def show_model(
    name: Annotated[
        str, typer.Argument(metavar="ROOM/NAME", help="A model; the name alone does where only one room has it.")
    ],
    models: Models = None,
    json: Json = False,
) -> None:
    """Print a model: every value, and where it comes from."""
    from qphys import catalogue

    shelf = catalogue.Catalogue(tuple(models or ()))
    room, found = shelf.locate(name)
    _table(shelf.values(room, found), f"{room}/{found}", json=json)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point: 0 done, 1 the run failed, 2 the input is wrong. A user's mistake never shows a traceback."""
    from qphys.errors import RunError, UserError

    try:
        app(args=list(arguments) if arguments is not None else None)
        code = 0
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 0
    except UserError as error:
        code = _complain(error, 2)
    except RunError as error:
        code = _complain(error, 1)
    except BrokenPipeError:
        sys.stderr.close()
        code = 1
    if arguments is None:
        sys.exit(code)
    return code


def _complain(error: object, code: int) -> int:
    for line in str(error).splitlines():
        typer.echo(f"qphys: {line}", err=True)
    return code


def _say(text: str, quiet: bool) -> None:
    if not quiet:
        typer.echo(text, err=True)


def _notes(lines: Sequence[str], quiet: bool) -> None:
    for line in lines:
        _say(f"note: {line}", quiet)


class _progress:
    """Progress on standard error: a bar in a terminal, nothing elsewhere."""

    def __init__(self, quiet: bool, doing: str = "simulating") -> None:
        self._quiet = quiet or not sys.stderr.isatty()
        self._doing = doing
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Callable[[int, int], None]:
        return self._tell

    def _tell(self, done: int, total: int) -> None:
        if self._quiet:
            return
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=Console(stderr=True))
            self._bar.start()
            self._task = self._bar.add_task(self._doing, total=total)
        self._bar.update(self._task, completed=done)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()


def _report(report: Any, *, json: bool, quiet: bool, written: Path | None, plot: bool, picture: Path | None = None) -> None:
    """Print the tables of a run, draw its picture, name the files."""
    _print(report.tables, json=json, most=SHOWN)
    left = sum(max(len(rows) - SHOWN, 0) for rows in report.tables.values())
    _notes(
        [*report.notes, *([f"{left} more rows: --json, and qphys analyze, print all"] if left and not json else [])], quiet
    )
    if written:
        _say(f"statistics: {written}", quiet)
    if plot:
        from qphys import plots

        target = picture or (written.with_suffix(".png") if written else Path("qphys.png"))
        plots.draw(report.statistics, target, comparison=report.comparison)
        _say(f"picture: {target}", quiet)


def _print(tables: Mapping[str, Sequence[Mapping[str, Any]]], *, json: bool, most: int | None = None) -> None:
    """Several tables, by their titles."""
    if json:
        import json as format_

        typer.echo(format_.dumps({title: list(rows) for title, rows in tables.items()}, indent=2, default=float))
        return
    for title, rows in tables.items():
        _table(rows, title, json=False, most=most)


def _table(rows: Sequence[Mapping[str, Any]], title: str, *, json: bool, most: int | None = None) -> None:
    """Rows under a title; beyond `most` the first and the last ones, with a line between."""
    if json:
        import json as format_

        # JSON has no word for what is no number
        plain = [{k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()} for row in rows]
        typer.echo(format_.dumps(plain, indent=2, default=float))
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title), title_justify="left", box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    cut = None
    if most is not None and len(rows) > most:
        cut = most // 2
        rows = [*rows[:cut], *rows[len(rows) - (most - cut) :]]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    for column in columns:
        cells = [_shown(row.get(column, "")) for row in rows]
        numeric = all(isinstance(row.get(column, 0), int | float) for row in rows)
        words = [len(word) for text in (column, *(cells if not numeric else ())) for word in text.split()]
        width = max([*words, *(len(cell) for cell in cells if numeric)], default=1)
        table.add_column(escape(column), justify="right" if numeric else "left", min_width=min(width, 40))
    for index, row in enumerate(rows):
        table.add_row(*(_shown(row.get(column, "")) for column in columns), end_section=cut is not None and index + 1 == cut)
    console = Console(width=None if sys.stdout.isatty() else 170)
    console.print(table)
    console.print()


def _shown(value: Any) -> str:
    from rich.markup import escape

    if isinstance(value, float):
        if value != value:
            return ""
        return f"{value:,.0f}" if 1e4 <= abs(value) < 1e15 else f"{value:.5g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else escape(str(value))
