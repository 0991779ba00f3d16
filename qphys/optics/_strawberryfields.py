"""The one place that imports Strawberry Fields: release 0.23 needs two names that SciPy and setuptools have dropped."""

from __future__ import annotations

import importlib.util
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


def import_strawberryfields() -> ModuleType:
    """Return the module ``strawberryfields``, with what it needs and no longer finds put back for it.

    Raises
    ------
    ImportError
        Strawberry Fields is not installed.

    Notes
    -----
    SciPy 1.14 dropped ``simps`` for ``simpson``. Newer releases of setuptools have no ``pkg_resources``, of which Strawberry
    Fields asks the folder of its own sample data; a stand-in with that one function is there while it is imported.
    """
    from scipy import integrate

    if not hasattr(integrate, "simps"):
        integrate.simps = integrate.simpson
    with warnings.catch_warnings(), _resources():
        warnings.simplefilter("ignore")
        import strawberryfields

    module: ModuleType = strawberryfields
    return module


@contextmanager
def _resources() -> Iterator[None]:
    """A stand-in for ``pkg_resources`` where it is missing, gone afterwards."""
    name = "pkg_resources"
    if name in sys.modules or importlib.util.find_spec(name) is not None:
        yield
        return
    stand_in = ModuleType(name)
    stand_in.resource_filename = _resource_filename  # type: ignore[attr-defined]
    sys.modules[name] = stand_in
    try:
        yield
    finally:
        del sys.modules[name]


def _resource_filename(package: str, resource: str) -> str:
    from importlib import resources

    return str(resources.files(package).joinpath(resource))
