"""Sources: the light that a sender emits for each of its settings.

A kind of source is a record with the methods ``emission()`` and ``claims()``; `KINDS` finds it by the ``kind`` in a source's
table.
"""

from __future__ import annotations

from typing import Final

from qphys.record import Record
from qphys.sources.density_pairs import DensityPairs
from qphys.sources.squeezers import SqueezedPairs
from qphys.sources.weak_coherent import WeakCoherent

KINDS: Final[dict[str, type[Record]]] = {
    "weak-coherent": WeakCoherent,
    "squeezed-pairs": SqueezedPairs,
    "density-pairs": DensityPairs,
}
"""Kind of source, as it stands in TOML, and its record."""

__all__ = ["KINDS", "DensityPairs", "SqueezedPairs", "WeakCoherent"]
