"""Sources: the light that a sender emits for each of its settings.

A kind of source is a record with the methods ``emission()`` and ``claims()``; `KINDS` finds it by the ``kind`` in a source's
table.
"""

from __future__ import annotations

from typing import Final

from qphys.record import Record
from qphys.sources.weak_coherent import WeakCoherent

KINDS: Final[dict[str, type[Record]]] = {"weak-coherent": WeakCoherent}
"""Kind of source, as it stands in TOML, and its record."""

__all__ = ["KINDS", "WeakCoherent"]
