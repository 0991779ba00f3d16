"""Key against the threshold of a probe: what a selection of slots gains, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from qphys.errors import UserError
from qphys.plots.pairs import COLOURS

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def selection(statistics: xr.Dataset, canvas: Figure, comparison: xr.Dataset | None = None) -> list[Axes]:
    """Key, error rate and part of the trials kept against the largest loss that a probe may read.

    Parameters
    ----------
    statistics : xarray.Dataset
        A file with a probe; its first point is drawn.
    canvas : matplotlib Figure
        Where to draw.
    comparison : xarray.Dataset, optional
        Not used here.

    Returns
    -------
    list of Axes
        Lines from expected counts (dashed: long blocks), dots from samples, level lines without a threshold, a mark at the
        threshold with most key from expected counts: the one that may be fixed before.
    """
    from qphys import keyrates

    if "probe_lower" not in statistics:
        raise UserError("figure 'selection' needs a probe of the transmittance, which the file lacks")
    one = statistics.isel(point=[0])
    axes = list(canvas.subplots(2, 1, sharex=True))
    finite = keyrates.key_against_threshold(one)
    losses = finite["maximum_probe_loss_db"].values[:-1]
    if "key_length" in finite:
        for name, axis, scale, colour in (("key_length", axes[0], 1.0, 0), ("qber", axes[1], 100.0, 1)):
            dots = scale * finite[name].values[:-1, 0]
            x = np.repeat(losses, dots.shape[1])
            axis.plot(x, dots.ravel(), ".", color=COLOURS[colour], alpha=0.4, markersize=4)
    if "expected_key_length" in finite:
        curves = [(finite, "-", str(finite.attrs["proof"]))]
        if one.sizes["intensity"] == 3 and finite.attrs["proof"] != "ma2005":
            curves.append((keyrates.key_against_threshold(one, proof="ma2005"), "--", "long blocks (ma2005)"))
        for curve, style, label in curves:
            key = curve["expected_key_length"].values[:, 0]
            best = int(np.argmax(key[:-1]))
            shown = f"{label}: most key at {losses[best]:g} dB" if key[best] > 0 else f"{label}: no key"
            axes[0].plot(losses, key[:-1], style, color=COLOURS[0], label=shown)
            axes[0].axhline(key[-1], linestyle=style, color=COLOURS[3], linewidth=0.8)
            if key[best] > 0:
                axes[0].plot([losses[best]], [key[best]], "o", color=COLOURS[2])
        axes[1].plot(losses, 100 * finite["expected_qber"].values[:-1, 0], color=COLOURS[1])
        other = axes[1].twinx()
        kept = finite.get("expected_kept_fraction")
        if kept is not None:
            other.plot(losses, 100 * kept.values[:-1, 0], ":", color=COLOURS[2])
            other.set(ylabel="trials kept [%]", ylim=(0, 105))
    axes[0].plot([], [], color=COLOURS[3], linewidth=0.8, label="all slots")
    axes[0].set(ylabel="secure key [bit]", ylim=(0, None))
    axes[0].legend(fontsize="small")
    axes[1].set(ylabel="QBER [%]", xlabel="threshold: largest loss that the probe may read [dB]", ylim=(0, None))
    canvas.suptitle(str(statistics.attrs.get("title", "")))
    return axes
