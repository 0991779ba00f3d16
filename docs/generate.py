"""What the documentation shows and no person should copy: the comparisons with Micius as the code gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final


def generate(folder: Path) -> None:
    """Write ``micius-2017``, ``micius-budget``, ``proofs``, ``selection``, ``tails``, ``lengths`` and pairs."""
    import generate_audit
    import generate_numbers
    import generate_pairs
    import generate_selection
    import generate_tails

    from qphys import plots
    from qphys.pipeline import compare_report

    folder.mkdir(exist_ok=True)
    report = compare_report("micius-2017")
    plots.draw(report.statistics, folder / "micius-2017.png", comparison=report.comparison)
    experiment = [(title, rows) for title, rows in report.tables.items() if "secure key (" not in title]
    parts = [f"**{title}**\n\n{_table(rows)}" for title, rows in experiment]
    _write(folder / "micius-2017.md", "\n\n".join(parts) + "\n")
    _micius_budget(folder)
    _lengths(folder)
    most = _proofs(folder) | _most_of_pairs()
    _write(folder / "proofs-registry.md", registry(most))
    generate_pairs.generate(folder)
    generate_selection.generate(folder)
    generate_tails.generate(folder)
    generate_numbers.generate(folder)
    generate_audit.generate(folder)


CHOICES: Final[dict[str, dict[str, Any]]] = {
    "two decoys, Lim 2014, Chernoff": {"analysis.tail_bound": "chernoff"},
    "two decoys, Lim 2014, Hoeffding": {},
    "one decoy, Rusca 2018": {"analysis.proof": "rusca2018"},
    "one decoy, Wiesemann 2026": {"analysis.proof": "wiesemann2026"},
}
"""Name -> what differs in runs/proofs-against-block.toml."""

ONE_DECOY: Final = {"source.mean_photon_numbers": [0.5, 0.15], "source.intensity_probabilities": [0.7, 0.3]}


def _proofs(folder: Path) -> dict[str, str]:
    """Key a pulse of each proof against the length of the block, the source optimised for each; where each has most."""
    from matplotlib.figure import Figure

    import qphys

    run = Path(__file__).parent.parent / "runs" / "proofs-against-block.toml"
    axes = (canvas := Figure(figsize=(7.5, 4.5), layout="constrained")).subplots()
    rows: list[dict[str, Any]] = []
    for line, (name, choice) in enumerate(CHOICES.items()):
        best = qphys.optimize(run, overrides=choice | (ONE_DECOY if name.startswith("one") else {}))
        pulses = 1e7 * best["source_repetition_rate_mhz"].values
        rate = best["key_length"].values / pulses
        axes.plot(pulses[rate > 0], rate[rate > 0], "o-", markersize=4, color=f"C{line}", label=name)
        rows = rows or [{"pulses": float(n)} for n in pulses]
        for row, key in zip(rows, best["key_length"].values, strict=True):
            row[f"{name} [bit]"] = float(key)
    axes.set(xscale="log", yscale="log", xlabel="pulses", ylabel="key a pulse [bit]")
    axes.legend()
    axes.grid(alpha=0.3)
    canvas.savefig(folder / "proofs.png", dpi=140, metadata={"Software": None})
    _write(folder / "proofs.md", _table(rows) + "\n")
    sizes = [row["pulses"] for row in rows]

    def best(*columns: str) -> dict[str, str]:
        keys = [{column: row[f"{column} [bit]"] for column in columns} for row in rows]
        return _won([max(row, key=row.__getitem__) if max(row.values()) > 0 else "" for row in keys], sizes)

    chernoff, hoeffding, *one_decoy = CHOICES
    told = {"lim2014": f"with Chernoff's bounds of all: {best(*CHOICES).get(chernoff, 'never')} pulses"}
    for column, proof in zip(one_decoy, ("rusca2018", "wiesemann2026"), strict=True):
        more = best(hoeffding, column).get(column)
        told[proof] = f"than `lim2014` with Hoeffding's bounds: {f'{more} pulses' if more else 'never'}"
    return told


def _lengths(folder: Path) -> None:
    """Length that follows the counts and length fixed before, over the nights of runs/variable-length.toml."""
    from tempfile import TemporaryDirectory

    import qphys
    from qphys.keyrates import length_rows

    with TemporaryDirectory() as aside:
        run = Path(__file__).parent.parent / "runs" / "variable-length.toml"
        rows = length_rows(qphys.run(run, output=Path(aside) / "lengths.h5"))
    _write(folder / "lengths.md", _table([{name: row[name] for name in row if name != "point"} for row in rows]) + "\n")


def _won(winners: Sequence[str], sizes: Sequence[float]) -> dict[str, str]:
    """Sizes of block, rising, between which each winner has most key."""

    def size(number: float) -> str:
        return f"{number:,.0f}" if number < 1e6 else f"{number:.2g}"

    found = {}
    for name in dict.fromkeys(winners):
        own = [number for winner, number in zip(winners, sizes, strict=True) if winner == name]
        found[name] = f"{size(own[0])} to {size(own[-1])}" if own[-1] < sizes[-1] else f"from {size(own[0])} on"
    return found


def _most_of_pairs() -> dict[str, str]:
    """Sifted blocks, half of each basis, for which each proof of pairs has most key at 3 % errors and epsilon 1e-10."""
    import numpy as np

    from qphys.keyrates import bbm92
    from qphys.keyrates.proofs import proofs_of

    sizes = np.round(np.logspace(3.3, 6.0, 109))
    events = np.stack([sizes / 2, sizes / 2], axis=-1)
    names = [name for name, proof in proofs_of("bbm92").items() if proof.is_finite]
    chosen = [bbm92.BBM92Settings(proof=name, security_epsilon=1e-10) for name in names]
    keys = np.stack([bbm92.secret_key(events, np.round(0.03 * events), settings=own).key_length for own in chosen])
    winners = ["" if top == 0 else names[i] for i, top in zip(keys.argmax(axis=0), keys.max(axis=0), strict=True)]
    won = _won(winners, sizes.tolist())
    return {
        name: f"of its protocol at 3 % errors: {won[name]} sifted bits" if name in won else "never at 3 % errors"
        for name in names
    }


def registry(most: Mapping[str, str]) -> str:
    """Tables of all proofs as the registry has them: claims, assumptions, effects that lie outside."""
    from qphys.keyrates.numerical_files import NumericalSettings, proof_of
    from qphys.keyrates.proofs import ASSUMPTIONS, EFFECTS, PARTS, PROOFS, Proof

    finite = NumericalSettings(length="finite")
    numerical = {f"numerical, {protocol}": proof_of(protocol, finite) for protocol in ("decoy-bb84", "bbm92")}

    def takes(proof: Proof) -> str:
        if proof.intensities is None:
            return ""
        fewest, top = proof.intensities
        return f"{fewest} or more" if top is None else ", ".join(str(number) for number in range(fewest, top + 1))

    def parts(proof: Proof) -> str:
        fewest, top = proof.intensities or (0, 0)
        numbers = range(fewest, (3 if top is None else top) + 1)
        told = [proof.epsilon_shares(key_from="all", intensities=number) for number in numbers]
        names = [", ".join(f"{name.replace('_', ' ')} {share}" for name, share in shares.items()) for shares in told]
        texts = [f"{sum(shares.values())}: {text}" for shares, text in zip(told, names, strict=True) if shares]
        return "; ".join(dict.fromkeys(texts))

    def choices(proof: Proof) -> str:
        return "; ".join(f"`{key}` {', '.join(values)}" for key, values in proof.options.items())

    claims = [
        {
            "proof": f"`{name}`",
            "protocol": proof.protocol,
            "attack": proof.attack,
            "key length": proof.length,
            "intensities": takes(proof),
            "equal parts of the secrecy epsilon": parts(proof),
            "takes only": choices(proof),
            "more key": most.get(name, ""),
            "source": proof.source,
        }
        for name, proof in (PROOFS | numerical).items()
    ]
    assumed = [
        {"assumption": f"`{name}`", "says": text, "of": _users(name, "assumptions")} for name, text in ASSUMPTIONS.items()
    ]
    effects = [{"effect": text, "outside": _users(name, "outside") or "no proof"} for name, text in EFFECTS.items()]
    spent = [{"part": name.replace("_", " "), "pays for": text} for name, text in PARTS.items()]
    return "\n\n".join(_table(rows) for rows in (claims, spent, assumed, effects)) + "\n"


def _users(name: str, field: str) -> str:
    """Proofs whose field holds a name; a protocol where all of its proofs do."""
    from qphys.keyrates.proofs import PROOFS, proofs_of

    told = []
    for protocol in dict.fromkeys(proof.protocol for proof in PROOFS.values()):
        all_of_it = proofs_of(protocol)
        own = [proof for proof in all_of_it if name in getattr(all_of_it[proof], field)]
        told += [f"all of {protocol}"] if len(own) == len(all_of_it) else [f"`{proof}`" for proof in own]
    return ", ".join(told)


OPTICS: Final = 0.16
"""Receiver's optics as Liao et al. 2017 print them, fibre coupling included; the measured loss holds them."""

HIGH: Final = 24.0
"""Elevation from which the residual is looked at apart [deg]."""


def micius_residual() -> dict[str, Any]:
    """Measured less computed loss of Micius 2017 at sixty moments of the pass, term by term.

    Returns
    -------
    dict
        ``measured`` and ``computed`` as `qphys.channel` returns them, the receiver's optics a term of the latter;
        ``airmass`` and ``residual`` [dB], (T,); mean, scatter, slope and start of the residual from `HIGH` on (``high``)
        and of all moments (``all``).
    """
    import numpy as np
    import xarray as xr

    import qphys
    from qphys.channels.extinction import airmass
    from qphys.channels.refraction import apparent_elevation, standard_air

    run = Path(__file__).parent.parent / "runs" / "micius-2017.toml"
    measured, computed = (qphys.channel(run, case=case) for case in ("closure", "prediction-clear"))
    optics = xr.full_like(computed.loss_db.isel(term=[0]), -10.0 * np.log10(OPTICS))
    optics = optics.assign_coords(term=["receiver optics"])
    losses = xr.concat([computed.loss_db, optics], dim="term")
    computed = computed.drop_dims("term").assign(loss_db=losses, total_loss_db=losses.sum("term"))
    pressure, temperature = standard_air(890.0)
    mass = airmass(apparent_elevation(measured.elevation.values, pressure=pressure, temperature=temperature))
    left = measured.total_loss_db.values - computed.total_loss_db.values
    told: dict[str, Any] = {"measured": measured, "computed": computed, "airmass": mass, "residual": left}
    for name, part in (("all", mass > 0.0), ("high", np.rad2deg(measured.elevation.values) >= HIGH)):
        slope, start = np.polyfit(mass[part], left[part], 1)
        told[name] = {"mean": left[part].mean(), "scatter": left[part].std(ddof=2), "slope": slope, "start": start}
    return told


def _micius_budget(folder: Path) -> None:
    import numpy as np
    from matplotlib.figure import Figure

    from qphys import plots

    told = micius_residual()
    measured, computed = told["measured"], told["computed"]
    elevation = np.rad2deg(measured.elevation.values)
    rows = []
    for low, high in ((19.0, 21.0), (21.0, 24.0), (24.0, 28.0), (28.0, 33.0), (33.0, 40.0), (40.0, 45.0), (45.0, 48.0)):
        part = (elevation >= low) & (elevation < high)
        terms = {str(name): float(computed.loss_db.sel(term=name).values[part].mean()) for name in computed.term.values}
        rows.append(
            {
                "elevation [deg]": f"{low:.0f}-{high:.0f}",
                "range [km]": float(measured.range.values[part].mean() / 1e3),
                **{f"{name} [dB]": value for name, value in terms.items()},
                "computed [dB]": float(computed.total_loss_db.values[part].mean()),
                "measured [dB]": float(measured.total_loss_db.values[part].mean()),
                "residual [dB]": float(told["residual"][part].mean()),
            }
        )
    lines = [
        {
            "moments": name,
            "mean residual [dB]": fit["mean"],
            "slope [dB an airmass]": fit["slope"],
            "scatter about the line [dB]": fit["scatter"],
        }
        for name, fit in ((f"from {HIGH:g}°", told["high"]), ("all", told["all"]))
    ]
    _write(folder / "micius-budget.md", f"{_table(rows)}\n\n{_table(lines)}\n")
    canvas = Figure(figsize=(11, 4.5), layout="constrained")
    plots.residual(measured, computed, canvas, airmass=told["airmass"], steady=elevation >= HIGH)
    plots.save(canvas, folder / "micius-budget.png")


def _write(path: Path, text: str) -> None:
    """Only where it changes, so that a page is not built again for nothing."""
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as a Markdown table, without columns that are empty throughout."""
    columns = [name for name in rows[0] if any(_cell(row.get(name)) for row in rows)]
    numeric = [all(isinstance(row[name], int | float) for row in rows) for name in columns]
    lines = [columns, ["---:" if right else "---" for right in numeric]]
    lines += [[_cell(row[name]) for name in columns] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        if value != value:
            return ""
        return f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.5g}"
    return str(value)
