"""Width of every concentration inequality against the count, and the key that each one leaves at one link."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

PARTS: Final = 21
EPSILON: Final = 1e-9
COUNTS: Final = (0, 1, 10, 100, 10**4, 10**6, 10**8)
SHARE: Final = 0.1
"""Of a count in its total, true and predicted."""

SENDERS: Final[dict[str, tuple[list[float], list[float]]]] = {
    "lim2014": ([0.5, 0.15, 2e-4], [0.7, 0.2, 0.1]),
    "rusca2018": ([0.5, 0.15], [0.7, 0.3]),
    "wiesemann2026": ([0.5, 0.15], [0.7, 0.3]),
}
BLOCKS: Final = (1e9, 1e10, 1e12)
"""Pulses with both choices of basis equal."""


def generate(folder: Path) -> None:
    """Write ``tails.png``, ``tails-width.md`` and ``tails-key.md``."""
    from generate import _table, _write
    from matplotlib.figure import Figure

    from qphys import core

    beta = float(np.log(PARTS / EPSILON))

    def bounds(name: str, count: Any) -> tuple[Any, Any]:
        total = np.maximum(np.asarray(count, dtype=np.float64), 100.0) / SHARE
        return core.mean_bounds(count, total, log_inverse_epsilon=beta, tail_bound=name, predicted_share=SHARE)

    figure = Figure(figsize=(7.5, 4.0), layout="constrained")
    axes = figure.subplots(1, 2, sharex=True)
    many = np.unique(np.round(np.logspace(0, 8, 161)))
    for name in core.TAIL_BOUNDS:
        for axis, side, sign in zip(axes, bounds(name, many), (-1, 1), strict=True):
            style = "--" if name in ("yin2020", "zhang2017_simplified") else "-"
            axis.semilogx(many, sign * (side - many) / np.sqrt(many), label=name, linestyle=style)
    for axis, title, top in zip(
        axes, ("mean below the count by at most", "mean above it by at most"), (12, 30), strict=True
    ):
        axis.set_title(title, fontsize="medium")
        axis.set_xlabel("count")
        axis.set_ylim(0, top)
    axes[0].set_ylabel("over the root of the count")
    axes[1].legend(frameon=False, fontsize="small")
    figure.savefig(folder / "tails.png", dpi=150)

    rows: list[dict[str, Any]] = []
    for name in core.TAIL_BOUNDS:
        told = {"`tail_bound`": f"`{name}`"}
        for count in COUNTS:
            lower, upper = (float(side) for side in bounds(name, count))
            size = max(count, 1) ** 0.5
            told[f"{count:.0e}" if count > 100 else str(count)] = (
                f"-{(count - lower) / size:.2f} +{(upper - count) / size:.2f}"
            )
        rows.append(told)
    _write(folder / "tails-width.md", _table(rows) + "\n")
    _write(folder / "tails-key.md", _table([_keys(name) for name in core.TAIL_BOUNDS]) + "\n")


def _keys(tail_bound: str) -> dict[str, Any]:
    """Key a pulse [1e-6] of each proof, 30 dB of loss, dark probability 1e-6, 1 % misalignment, bases 80 to 20."""
    from qphys import core

    told: dict[str, Any] = {"`tail_bound`": f"`{tail_bound}`"}
    for proof, (numbers, probabilities) in SENDERS.items():
        mu, p = np.array(numbers), np.array(probabilities)
        clicks = 1 - (1 - 2e-6) * np.exp(-1e-3 * mu)
        wrong = 0.01 * -np.expm1(-1e-3 * mu) + 1e-6
        light = p * mu / (p * mu).sum()
        for pulses in BLOCKS:
            key, test = 0.64 * pulses, 0.04 * pulses
            common: dict[str, Any] = {
                "test_counts": test * p * clicks,
                "test_errors": test * p * wrong,
                "mean_photon_numbers": mu,
                "key_probabilities": p,
                "test_probabilities": p,
                "eps_secrecy": EPSILON,
                "eps_correctness": 1e-15,
                "error_correction_efficiency": 1.16,
                "tail_bound": tail_bound,
                "key_from": "all",
                "sampling_bound": "lim2014" if proof == "lim2014" else "own",
                "predicted_shares": np.tile(light, 3 if proof == "lim2014" else 4),
            }
            if proof == "lim2014":
                bound = core.lim2014(key * p * clicks, key * p * wrong, **common)
            else:
                bound = core.one_decoy(key * p * clicks, key * p * wrong, proof=proof, **common)
            told[f"`{proof}`, {pulses:.0e}"] = f"{float(bound.key_length) / pulses * 1e6:.2f}"
    return told
