"""Wave optics on one core against AOtools, HCIPy and a bare pair of Fourier transforms, in one run.

Goals: a screen of 512 x 512 points with correct low orders in 1.5 ms; a step (screen's phase factor, vacuum) below 1.5 times
the bare pair of transforms; a realisation of a downlink of ten layers in 35 ms; the figures of the goals are of a core on
which FFTW takes 1.55 ms a pair, so that each line also gives its time in pairs of FFTW (or of SciPy without it).
The error of a screen is its structure function at half the grid over theory, at L0 = 50 m.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from qphys import core
from qphys.channels import waves
from qphys.channels.adaptive_optics import structure_function

NUMBER, PIXEL, WAVELENGTH = 512, 0.005, 810e-9
HEIGHT = np.array([19, 67, 142, 342, 1313, 3269, 7331, 10131, 12395, 16037], dtype=float)
STRENGTH = 2.23540e-12 * np.array([0.262, 0.2283, 0.1939, 0.1442, 0.071, 0.0383, 0.0209, 0.0163, 0.0138, 0.0113])


def milliseconds(work: Callable[[], object], repeats: int = 15) -> float:
    """Return the shortest of some runs [ms]."""
    work()
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return 1e3 * best


def pair_of(fft: Any) -> float:
    """Return the time of a bare transform there and back, complex64 [ms]."""
    buffers = waves.Buffers(1, (NUMBER, NUMBER), fft=fft, precision="single")

    def both() -> None:
        buffers.transform(0)
        buffers.transform_back(0)
        buffers.fields[0] *= 0  # of zeros, lest it overflows; 2 % of the time

    buffers.fields[0][...] = 0
    return milliseconds(both)


def line(name: str, value: float, pair: float, note: str = "") -> None:
    """Print a line."""
    print(f"{name:<56}{value:>9.2f} ms{value / pair:>8.2f}  {note}")


def ours(fft: Any, pair: float) -> None:
    """Print our own times with one library of transforms."""
    grid = waves.Grid(NUMBER, PIXEL)
    name = waves.fft_name(fft)
    bare = pair_of(fft)
    line(f"{name}: bare pair, complex64", bare, pair)
    source = waves.Screens(grid, outer_scale=50.0, fft=fft)
    out = np.empty((2, NUMBER, NUMBER), np.float32)
    address = {"seed": 1, "stream": 2, "realisation": 3, "index": 4}
    drawn = source.pair(**address)
    two = milliseconds(lambda: source.still(**address, out=(out[0], out[1])))
    line(f"{name}: screen (two at once)", two / 2, pair, "goal 1.5 ms")
    moving = milliseconds(lambda: source.phases(drawn, shift=(0.01, 0.02), out=(out[0], out[1])))
    line(f"{name}: screen moved by a time step", moving, pair, "goal 2 ms")
    for precision in ("single", "double"):
        light = waves.Propagator(grid, wavelength=WAVELENGTH, fft=fft, precision=precision)  # type: ignore[arg-type]
        light.start(1.0)

        def step(light: waves.Propagator = light) -> None:
            light.screen(out[0], scale=0.1)
            light.vacuum(1000.0)

        took = milliseconds(step)
        note = f"goal 1.5 bare pairs: {took / bare:.2f}" if precision == "single" else ""
        line(f"{name}: step (phase, absorber, vacuum), {precision}", took, pair, note)
    path = waves.slant_path(HEIGHT, STRENGTH, elevation=np.pi / 2, wavelength=WAVELENGTH, outer_scale=50.0)
    arrivals = waves.Arrivals(path, grid=grid, aperture=1.0, seed=1, stream=2, fft=fft)
    whole = milliseconds(lambda: next(arrivals.realisation(7)), 15)
    line(f"{name}: downlink realisation, 10 layers", whole, pair, "goal 35 ms")
    arrival = next(arrivals.realisation(7))
    pupil = waves.Pupil(grid, diameter=0.9)
    modes = [np.exp(-(pupil.axis[:, None] ** 2 + pupil.axis**2) / w**2) + 0j for w in np.linspace(0.05, 0.15, 10)]
    part = pupil.window(arrival.field)
    ten = milliseconds(lambda: [pupil.coupled(part, mode, 1.0) for mode in modes])
    line(f"{name}: ten launched beams of an uplink more", ten, pair, f"goal 5 %: {100 * ten / whole:.1f} %")


def error_of(make: Callable[[], Any], screens: int) -> str:
    """Return the structure function at half the grid's width over theory, less 1, and its standard error, in per cent."""
    half = NUMBER // 2
    values = []
    for _ in range(screens):
        p = np.asarray(make(), dtype=float)
        values.append(0.5 * (np.mean((p[:, half:] - p[:, :-half]) ** 2) + np.mean((p[half:] - p[:-half]) ** 2)))
    theory = float(structure_function(half * PIXEL, fried_parameter=0.1, outer_scale=50.0))
    off, error = np.mean(values) / theory - 1, np.std(values) / theory / np.sqrt(screens)
    return f"structure function {100 * off:+.0f}({100 * error:.0f}) %"


def others(pair: float) -> None:
    """Print what others take for the same, where they are installed."""
    try:
        from aotools.opticalpropagation import angularSpectrum
        from aotools.turbulence.phasescreen import ft_sh_phase_screen
    except ImportError:
        print("AOtools: not installed")
    else:
        told = (0.1, NUMBER, PIXEL, 50.0, 0.005)
        off = error_of(lambda: ft_sh_phase_screen(*told), 40)
        took = milliseconds(lambda: ft_sh_phase_screen(*told), 7)
        line("AOtools: ft_sh_phase_screen", took, pair, off)
        u = np.ones((NUMBER, NUMBER), complex)
        line("AOtools: angularSpectrum", milliseconds(lambda: angularSpectrum(u, WAVELENGTH, PIXEL, PIXEL, 1000.0), 7), pair)
    try:
        import hcipy
    except ImportError:
        print("HCIPy: not installed")
    else:
        pupil_grid = hcipy.make_pupil_grid(NUMBER, NUMBER * PIXEL)
        cn2 = 0.1 ** (-5 / 3) / 0.423 / (2 * np.pi / WAVELENGTH) ** 2
        layer = hcipy.FiniteAtmosphericLayer(pupil_grid, cn2, 50.0, np.zeros(2), 0, 2, 1)

        def screen() -> Any:
            layer.reset(make_independent_realization=True)
            return layer.phase_for(WAVELENGTH).reshape(NUMBER, NUMBER)

        off = error_of(screen, 20)
        line("HCIPy: FiniteAtmosphericLayer", milliseconds(screen, 7), pair, off)
        front = hcipy.Wavefront(hcipy.Field(np.ones(NUMBER**2, complex), pupil_grid), WAVELENGTH)
        prop = hcipy.FresnelPropagator(pupil_grid, 1000.0)
        line("HCIPy: FresnelPropagator", milliseconds(lambda: prop.forward(front), 7), pair)


def main(arguments: object = None) -> None:
    """Print the table."""
    import warnings

    try:
        import pyfftw  # noqa: F401

        libraries = ["scipy", "pyfftw"]
    except ImportError:
        libraries = ["scipy"]
    pair = pair_of(libraries[-1])
    print(f"instruction set: {core.INSTRUCTION_SET}; one core; {NUMBER} x {NUMBER} points")
    print(f"{'':<56}{'':>9}   {'pairs':>8}  of {waves.fft_name(libraries[-1])}")
    for fft in libraries:
        ours(fft, pair)
    grid = waves.Grid(NUMBER, PIXEL)
    source = waves.Screens(grid, outer_scale=50.0)
    scale, numbers = float(source.scale(0.1)), iter(range(10_000))
    off = error_of(lambda: scale * source.still(seed=1, stream=2, realisation=next(numbers), index=0)[0], 600)
    exact = waves.expected_structure_function([NUMBER // 2 * PIXEL, 0], grid=grid, fried_parameter=0.1, outer_scale=50.0)
    theory = structure_function(NUMBER // 2 * PIXEL, fried_parameter=0.1, outer_scale=50.0)
    told = f"qphys, structure function at half the grid: exact mean {100 * (exact / theory - 1):+.2f} %"
    print(f"{told}; of 600 screens: {off}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        others(pair)


if __name__ == "__main__":
    main()
