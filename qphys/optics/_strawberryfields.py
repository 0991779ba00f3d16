"""The one place that imports Strawberry Fields, a second route for checks: release 0.23 needs a name SciPy has dropped."""

from __future__ import annotations

import warnings
from types import ModuleType


def import_strawberryfields() -> ModuleType:
    """Return the module ``strawberryfields``, with SciPy's old name ``simps`` for ``simpson`` put back for it.

    Raises
    ------
    ImportError
        Strawberry Fields is not installed: it is a dependency of the tests only.
    """
    from scipy import integrate

    if not hasattr(integrate, "simps"):
        integrate.simps = integrate.simpson
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import strawberryfields

    module: ModuleType = strawberryfields
    return module
