"""Experiments as they were published, and how far a simulation is from them."""

from __future__ import annotations

from qphys.comparison.experiment import QUANTITIES, Case, Experiment, Published, experiment
from qphys.comparison.residuals import choice_rows, compare, key_choices, rows

__all__ = ["QUANTITIES", "Case", "Experiment", "Published", "choice_rows", "compare", "experiment", "key_choices", "rows"]
