"""Channels: from the light that a sender emits to the light that reaches the analyser, as a distribution for each time step.

A kind of channel is a record with a method ``transmit(sight, *, files, where) -> Transmittance``; `KINDS` finds it by the
``kind`` in a channel's table.
"""

from __future__ import annotations

from typing import Final

from qphys.channels.arms import SplitLossTable, join
from qphys.channels.fibre import Fibre
from qphys.channels.free_space import FreeSpace
from qphys.channels.horizontal import Horizontal
from qphys.channels.link import attenuated
from qphys.channels.probe import Probe, probed
from qphys.channels.table import FixedLoss, LossTable
from qphys.channels.terminal import ReceivingTerminal, Terminal
from qphys.channels.uplink import Launch, Uplink
from qphys.record import Record

KINDS: Final[dict[str, type[Record]]] = {
    "free-space": FreeSpace,
    "table": LossTable,
    "fixed": FixedLoss,
    "fibre": Fibre,
    "split-table": SplitLossTable,
    "uplink": Uplink,
    "horizontal": Horizontal,
}
"""Kind of channel, as it stands in TOML, and its record."""

__all__ = [
    "KINDS",
    "Fibre",
    "FixedLoss",
    "FreeSpace",
    "Horizontal",
    "Launch",
    "LossTable",
    "Probe",
    "ReceivingTerminal",
    "SplitLossTable",
    "Terminal",
    "Uplink",
    "attenuated",
    "join",
    "probed",
]
