"""Run every benchmark: each module of this folder with a ``main``, in the order of their names."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import benchmarks


def main() -> None:
    """Run them with the arguments of the command line (``--json``)."""
    for found in pkgutil.iter_modules(benchmarks.__path__):
        if not found.name.startswith("_"):
            importlib.import_module(f"benchmarks.{found.name}").main(sys.argv[1:])


if __name__ == "__main__":
    main()
