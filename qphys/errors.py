"""Errors that speak to the user: one line that names the file, the key, the value and what is allowed."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class QphysError(Exception):
    """Base of all errors that qphys raises on purpose."""


class UserError(QphysError):
    """The input is wrong. The command line prints the message and leaves with exit code 2.

    Examples
    --------
    >>> import qphys
    >>> try:
    ...     qphys.run("runs/fixed-loss.toml", overrides={"channel.los_db": 20.0}, output=folder / "x.h5")
    ... except qphys.UserError as error:
    ...     print(error)
    runs/fixed-loss.toml: channel.los_db: unknown key; did you mean 'loss_db'? (allowed: ...)
    """


class RunError(QphysError):
    """The input was accepted, but the work failed. The command line leaves with exit code 1."""


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Return a hint ``; did you mean 'x'?`` for the allowed name closest to `name`, or an empty string."""
    close = get_close_matches(name, list(allowed), n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else ""
