"""qphys: a quantum-optics physical-layer simulator for satellite and fibre quantum key distribution.

The verbs of the command line, for notebooks; each returns an xarray Dataset. They are loaded when first used.

>>> import qphys
>>> sorted(qphys.__all__)
['UserError', 'analyze', 'channel', 'compare', 'info', 'keyrate', 'models', 'open_statistics', 'optimize', 'plot', 'run']
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from qphys.budget import channel
    from qphys.catalogue import models
    from qphys.errors import UserError
    from qphys.keyrates.analyze import analyze
    from qphys.keyrates.protocol_files import keyrate
    from qphys.optimizer import optimize
    from qphys.pipeline import compare, run
    from qphys.plots import draw as plot
    from qphys.statistics import info, open_statistics

_PLACES: Final = {
    "UserError": ("qphys.errors", "UserError"),
    "analyze": ("qphys.keyrates", "analyze"),
    "channel": ("qphys.budget", "channel"),
    "compare": ("qphys.pipeline", "compare"),
    "info": ("qphys.statistics", "info"),
    "keyrate": ("qphys.keyrates", "keyrate"),
    "models": ("qphys.catalogue", "models"),
    "optimize": ("qphys.optimizer", "optimize"),
    "open_statistics": ("qphys.statistics", "open_statistics"),
    "plot": ("qphys.plots", "draw"),
    "run": ("qphys.pipeline", "run"),
}

__all__ = [
    "UserError",
    "analyze",
    "channel",
    "compare",
    "info",
    "keyrate",
    "models",
    "open_statistics",
    "optimize",
    "plot",
    "run",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("qphys")
    if name not in _PLACES:
        raise AttributeError(f"module 'qphys' has no attribute '{name}'")
    module, attribute = _PLACES[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
