"""The waist: files of detection statistics, written by qphys or by anybody, and what is expected and drawn for them."""

from __future__ import annotations

from qphys.statistics.merge import add_blocks
from qphys.statistics.read import info, open_statistics, read_any
from qphys.statistics.result import write_result

__all__ = ["add_blocks", "info", "open_statistics", "read_any", "write_result"]
