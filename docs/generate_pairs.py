"""Pictures of entangled pairs for the documentation, each made by the code that the page describes."""

from __future__ import annotations

from pathlib import Path

RUNS = Path(__file__).parent.parent / "runs"


def generate(folder: Path) -> None:
    """Write ``circuit.svg``, ``circuit-patterns``, ``cascade``, ``micius-2020``, ``correlation-curves``, ``brightness``."""
    _circuit(folder)
    _cascade(folder)
    _experiment(folder)
    _sweeps(folder)


def _circuit(folder: Path) -> None:
    """A source with analysers and detectors of unequal efficiency: its drawing and its sixteen patterns."""
    import numpy as np
    from matplotlib.figure import Figure

    from qphys import plots
    from qphys.optics import layouts
    from qphys.optics.circuit import Analyser, ThresholdDetector

    eyes = [("signal", "H", 0.3), ("signal", "V", 0.25), ("idler", "H", 0.5), ("idler", "V", 0.45)]
    seen = layouts.type_ii(0.1, phase=np.pi).then(
        Analyser("signal", angle=0.3),
        Analyser("idler", angle=-0.5),
        *(ThresholdDetector(arm, polarization, efficiency=e) for arm, polarization, e in eyes),
    )
    (folder / "circuit.svg").write_text(seen.svg())
    canvas = Figure(figsize=(8, 4), layout="constrained")
    axes = canvas.subplots()
    places = np.arange(15)
    for shift, modes, label in ((-0.2, 1.0, "one Schmidt mode"), (0.2, 1000.0, "1,000 modes at the same brightness")):
        source = layouts.type_ii(0.1 / modes, phase=np.pi).then(*seen.elements[2:])
        probability = source.statistics(schmidt_modes=modes).reshape(16)[1:]
        axes.bar(places + shift, probability, width=0.4, label=label)
    axes.set_xticks(places, [f"{pattern:04b}" for pattern in range(1, 16)], rotation=45)
    axes.set(yscale="log", xlabel="clicks of signal H, signal V, idler H, idler V", ylabel="probability")
    axes.legend(frameon=False)
    plots.save(canvas, folder / "circuit-patterns.png")


def _cascade(folder: Path) -> None:
    """Fidelity and concurrence of a quantum dot's pairs against its fine-structure splitting."""
    import numpy as np
    from matplotlib.figure import Figure

    from qphys import plots
    from qphys.optics import density
    from qphys.optics.cascade import Cascade, closed_form, master_equation

    microelectronvolt = 1.602176634e-25
    canvas = Figure(figsize=(8, 4), layout="constrained")
    axes = canvas.subplots()
    for color, (told, noise) in enumerate(
        (
            ("no noise", {}),
            ("spin flips 15 ns, dephasing 4 ns", {"spin_scattering_time": 15e-9, "cross_dephasing_time": 4e-9}),
        )
    ):
        fine, few = np.linspace(0.0, 6.0, 61), np.linspace(0.0, 6.0, 7)
        for style, mark, name in (("-", "o", "fidelity"), ("--", "s", "concurrence")):
            for splittings, solver in ((fine, closed_form), (few, master_equation)):
                dots = [Cascade(splitting=s * microelectronvolt, lifetime=1e-9, **noise) for s in splittings]
                states = [density.state(solver(dot)) for dot in dots]
                figures = [
                    density.fidelity(rho, "phi+") if name == "fidelity" else density.concurrence(rho) for rho in states
                ]
                line = (
                    {"linestyle": style, "label": f"{name}, {told}"} if solver is closed_form else {"marker": mark, "ls": ""}
                )
                axes.plot(splittings, figures, color=f"C{color}", **line)
    axes.set(xlabel="fine-structure splitting [µeV]", ylabel="fidelity, concurrence", ylim=(0.0, 1.03))
    axes.legend(frameon=False, fontsize="small", title="lifetime 1 ns; lines closed form, marks master equation")
    plots.save(canvas, folder / "cascade.png")


def _experiment(folder: Path) -> None:
    from qphys import plots
    from qphys.pipeline import compare_report

    report = compare_report("micius-2020")
    plots.draw(report.statistics, folder / "micius-2020.png", comparison=report.comparison)


def _sweeps(folder: Path) -> None:
    from tempfile import TemporaryDirectory

    import qphys
    from qphys import plots

    with TemporaryDirectory(prefix="qphys-") as scratch:
        for run, name in (("correlation-curves", "correlation-curves"), ("optimal-brightness", "brightness")):
            with qphys.run(RUNS / f"{run}.toml", output=Path(scratch) / f"{run}.h5") as statistics:
                plots.draw(statistics, folder / f"{name}.png")
    plots.draw_optimum(qphys.optimize(RUNS / "optimal-pairs.toml"), folder / "optimal-pairs.png")
