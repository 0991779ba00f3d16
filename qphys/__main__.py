"""``python -m qphys``."""

from __future__ import annotations

from qphys.cli import main

if __name__ == "__main__":
    main()
