"""What the page on selection shows: key against the threshold of a probe, and constructions of the block."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np

RUN: Final = Path(__file__).parent.parent / "runs" / "fading-selection.toml"

BACKGROUNDS: Final = (100.0, 1200.0, 2400.0)
"""Sky photons a second at the analyser's entrance: night, twilight of the run, brighter twilight."""

INCLUDES: Final = ["diffraction", "pointing", "transmitter optics", "atmosphere", "turbulence"]


def generate(folder: Path) -> None:
    """Write ``selection.png`` and ``selection.md``."""
    from matplotlib.figure import Figure

    import qphys
    from qphys import keyrates

    canvas = Figure(figsize=(7.5, 4.2), layout="constrained")
    axes = canvas.subplots()
    rows: list[dict[str, Any]] = []
    with TemporaryDirectory() as place:
        for line, background in enumerate(BACKGROUNDS):
            changed = {"channel.background_rate_hz": background, "statistics.realisations": 0, "statistics.causes": False}
            with qphys.run(RUN, output=Path(place) / f"{line}.h5", overrides=changed) as opened:
                told = opened.load()
            found = key_against_threshold(told)
            critical = critical_loss(background, Path(place) / f"constant-{line}.h5")
            pulses = float(told["trials"].sum())
            for name, style in (("finite", "-"), ("asymptotic", "--")):
                axes.plot(found["loss"], found[name] / pulses, style, color=f"C{line}")
                axes.plot([found["loss"][-1] + 1], [found[f"{name} whole"] / pulses], "o", color=f"C{line}", mfc="none")
            axes.plot([], [], color=f"C{line}", label=f"{background:g} /s")
            axes.axvline(critical, color=f"C{line}", linewidth=0.8, linestyle=":")
            best = {name: int(np.argmax(found[name])) for name in ("finite", "asymptotic")}
            some = found["finite"][best["finite"]] > 0
            rows.append(
                {
                    "background [/s]": background,
                    "key without a threshold [bit]": found["finite whole"],
                    "best key [bit]": found["finite"][best["finite"]],
                    "at [dB]": found["loss"][best["finite"]] if some else "-",
                    "trials kept [%]": 100 * found["kept"][best["finite"]] if some else "-",
                    "long blocks: without [bit]": found["asymptotic whole"],
                    "best [bit]": found["asymptotic"][best["asymptotic"]],
                    "best at [dB]": found["loss"][best["asymptotic"]],
                    "zero at constant loss [dB]": round(critical, 2),
                }
            )
            if background == BACKGROUNDS[1]:
                constructions = [
                    {name: row[name] for name in ("construction", "key [bit]", "QBER %", "trials kept %", "threshold")}
                    for row in keyrates.rows_by_construction(told)
                    if row["construction"] != "as the settings say"
                ]
    axes.set(xlabel="threshold: largest loss that the probe may read [dB]", ylabel="key a pulse [bit]", ylim=(0, None))
    axes.legend(title="background (full: finite, dashed: long blocks)")
    axes.grid(alpha=0.3)
    canvas.savefig(folder / "selection.png", dpi=140, metadata={"Software": None})
    text = (
        "Expected counts; circles: no threshold; dotted: the loss at which long blocks give no key without fading.\n\n"
        f"{table(rows)}\n\nConstructions of the block at {BACKGROUNDS[1]:g} /s, expected counts:\n\n{table(constructions)}\n"
    )
    (folder / "selection.md").write_text(text)


def key_against_threshold(told: Any) -> dict[str, Any]:
    """Key of the trials above each edge of the probe's bins, by a finite proof and in the limit of long blocks."""
    from qphys import keyrates

    found: dict[str, Any] = {}
    for name, proof in (("finite", "lim2014"), ("asymptotic", "ma2005")):
        curve = keyrates.key_against_threshold(told, proof=proof)
        found["loss"] = curve["maximum_probe_loss_db"].values[:-1]
        found["kept"] = curve["expected_kept_fraction"].values[:-1, 0]
        *keys, whole = curve["expected_key_length"].values[:, 0]
        found[name], found[f"{name} whole"] = np.array(keys), whole
    return found


def critical_loss(background: float, file: Path) -> float:
    """Loss without fading at which long blocks give no key any more [dB], between points a quarter of a decibel apart."""
    import qphys

    changed = {
        "channel": {"kind": "fixed", "loss_db": 30.0, "includes": INCLUDES, "background_rate_hz": background},
        "probe": {},
        "analysis": {},
        "window.time_step_s": 20.0,
        "statistics": {"realisations": 0},
        "sweep": {"values": {"channel.loss_db": {"first": 22.0, "last": 48.0, "number": 105}}},
    }
    with qphys.run(RUN, output=file, overrides=changed) as told:
        key = qphys.analyze(told, {"proof": "ma2005"})["expected_key_length"].values
        losses = told["channel_loss_db"].values
    last = int(np.flatnonzero(key > 0)[-1])
    # the key falls to zero as a straight line in the transmittance
    eta = 10 ** (-0.1 * losses[last - 1 : last + 1])
    slope = (key[last - 1] - key[last]) / (eta[0] - eta[1])
    return float(-10 * np.log10(eta[1] - key[last] / slope))


def table(rows: list[dict[str, Any]]) -> str:
    """Rows in Markdown."""

    def shown(value: Any) -> str:
        return value if isinstance(value, str) else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"

    head = list(rows[0])
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(shown(row[name]) for name in head)} |" for row in rows)])


if __name__ == "__main__":
    generate(Path(__file__).parent / "_generated")
