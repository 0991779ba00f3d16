"""What the variables of both optimisers have in common: the check of their ranges."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from qphys.record import Record


def check_ranges(settings: Record, limits: Mapping[str, tuple[float, float]], *, above_zero: Collection[str] = ()) -> None:
    """Refuse ranges that do not rise within their limits.

    Parameters
    ----------
    settings : Record
        Holds ``[low, high]`` or "fixed" under each name of `limits`.
    limits : mapping
        Name -> least and largest value allowed.
    above_zero : collection of str, optional
        Names whose values must be above 0.

    Raises
    ------
    ValueError
        One line with name, value and what is allowed, for the record to tell.
    """
    for name, (least, most) in limits.items():
        value = getattr(settings, name)
        if value == "fixed":
            continue
        low, high = value
        if not least <= low < high <= most or (name in above_zero and not low > 0.0):
            allowed = f"above 0 and up to {most:g}" if name in above_zero else f"within {least:g} and {most:g}"
            raise ValueError(f"{name} = [{low:g}, {high:g}]: must rise {allowed}")
