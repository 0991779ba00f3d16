"""Pictures of statistics files, comparisons and channels: one function a figure, Dataset in, Axes out."""

from __future__ import annotations

from qphys.plots.channel import draw_channel, residual
from qphys.plots.figures import FIGURES, PAIR_FIGURES, comparison, draw, loss, overview, qber, rates, save, sky, sweep
from qphys.plots.optimum import draw_optimum, optimum
from qphys.plots.selection import selection
from qphys.plots.soundness import draw_soundness, soundness
from qphys.plots.waves import draw_wave_study, wave_study

__all__ = [
    "FIGURES",
    "PAIR_FIGURES",
    "comparison",
    "draw",
    "draw_channel",
    "draw_optimum",
    "draw_soundness",
    "draw_wave_study",
    "loss",
    "optimum",
    "overview",
    "qber",
    "rates",
    "residual",
    "save",
    "selection",
    "sky",
    "soundness",
    "sweep",
    "wave_study",
]
