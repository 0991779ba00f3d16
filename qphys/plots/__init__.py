"""Pictures of statistics files and comparisons: one function a figure, Dataset in, Axes out."""

from __future__ import annotations

from qphys.plots.figures import FIGURES, PAIR_FIGURES, comparison, draw, loss, overview, qber, rates, sky, sweep
from qphys.plots.optimum import draw_optimum, optimum

__all__ = [
    "FIGURES",
    "PAIR_FIGURES",
    "comparison",
    "draw",
    "draw_optimum",
    "loss",
    "optimum",
    "overview",
    "qber",
    "rates",
    "sky",
    "sweep",
]
