"""What a file says of the run that made it: values of its resolved run, and which effects its counts hold."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from qphys.errors import UserError, nearest
from qphys.keyrates.proofs import EFFECTS

if TYPE_CHECKING:
    import xarray as xr

PRESENT: Final = "effects_present"
"""Attribute of anybody's file: effects that its counts hold, names of `EFFECTS` with spaces between."""
ABSENT: Final = "effects_absent"
"""Attribute of anybody's file: effects that its counts do not hold."""


def resolved_run(dataset: xr.Dataset) -> Any:
    """The run of a file as a tree, None where the file has none.

    Raises
    ------
    UserError
        The attribute is no JSON.
    """
    text = dataset.attrs.get("resolved_run")
    if not isinstance(text, str):
        return None
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"attribute 'resolved_run' is no JSON: {error}") from None


def tables(tree: Any, name: str) -> Iterator[Any]:
    """Values under a key, anywhere in a tree."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            if key == name:
                yield value
            else:
                yield from tables(value, name)
    elif isinstance(tree, list):
        for value in tree:
            yield from tables(value, name)


def values_of(tree: Any, start: str) -> Iterator[Any]:
    """Values under keys with a start, anywhere in a tree but in origins."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            if str(key).startswith(start):
                yield value
            elif key != "origin":
                yield from values_of(value, start)
    elif isinstance(tree, list):
        for value in tree:
            yield from values_of(value, start)


def numbers(value: Any) -> Iterator[float]:
    """Numbers in a value or in a list of values."""
    if isinstance(value, list):
        for inner in value:
            yield from numbers(inner)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield float(value)


def effects_in_counts(dataset: xr.Dataset) -> dict[str, bool | None]:
    """Whether the counts of a file hold each effect; None where nothing says so.

    Parameters
    ----------
    dataset : xarray.Dataset
        Detection statistics. Its attributes `PRESENT` and `ABSENT` stand over what its run says.

    Returns
    -------
    dict
        Name of `EFFECTS` -> True, False or None. Double clicks are counted, so that nobody has to say it: None.

    Raises
    ------
    UserError
        An attribute names what is no effect, or one effect is both present and absent.

    Examples
    --------
    >>> import xarray as xr
    >>> told = effects_in_counts(xr.Dataset(attrs={"effects_present": "dead_time", "effects_absent": "afterpulsing"}))
    >>> told["dead_time"], told["afterpulsing"], told["background"]
    (True, False, None)
    """
    run = resolved_run(dataset)
    found: dict[str, bool | None] = dict.fromkeys(EFFECTS)
    if run is not None:
        found |= {name: says(run) for name, says in IN_THE_RUN.items()}
    declared = {attribute: _declared(dataset, attribute) for attribute in (PRESENT, ABSENT)}
    both = [name for name in declared[PRESENT] if name in declared[ABSENT]]
    if both:
        raise UserError(f"attributes '{PRESENT}' and '{ABSENT}' both name '{both[0]}'")
    return found | dict.fromkeys(declared[PRESENT], True) | dict.fromkeys(declared[ABSENT], False)


def effects_of_files(datasets: Sequence[xr.Dataset]) -> xr.Dataset:
    """What several files say of effects together, as a file without counts: an effect of any is in the counts of all.

    Parameters
    ----------
    datasets : sequence of xarray.Dataset
        Detection statistics.

    Returns
    -------
    xarray.Dataset
        The only file itself; else one with the attributes `PRESENT` and `ABSENT`.
    """
    import xarray as xr

    if len(datasets) == 1:
        return datasets[0]
    told = [effects_in_counts(dataset) for dataset in datasets]
    present = [name for name in EFFECTS if any(one[name] is True for one in told)]
    absent = [name for name in EFFECTS if all(one[name] is False for one in told)]
    return xr.Dataset(attrs={PRESENT: " ".join(present), ABSENT: " ".join(absent)})


def _declared(dataset: xr.Dataset, attribute: str) -> list[str]:
    names = str(dataset.attrs.get(attribute, "")).split()
    for name in names:
        if name not in EFFECTS:
            raise UserError(
                f"attribute '{attribute}': no effect '{name}'{nearest(name, EFFECTS)} (there are: {', '.join(EFFECTS)})"
            )
    return names


def detectors_within(dataset: xr.Dataset, ratio: float) -> bool:
    """Whether nothing in a file's own run says that its detectors differ by more than a ratio, or that the basis is passive.

    Parameters
    ----------
    dataset : xarray.Dataset
        Detection statistics.
    ratio : float
        Smallest over largest, of efficiencies and of dark counts.

    Returns
    -------
    bool
        True also where the file has no run.

    Examples
    --------
    >>> import xarray as xr
    >>> run = xr.Dataset(attrs={"resolved_run": '{"receiver": {"efficiency": [0.5, 0.49]}}'})
    >>> detectors_within(run, 0.98), detectors_within(run, 0.99)
    (True, False)
    """
    for receiver in tables(resolved_run(dataset), "receiver"):
        for key in ("efficiency", "dark"):
            for value in values_of(receiver, key):
                told = list(numbers(value))
                if told and min(told) < ratio * max(told) * (1 - 1e-9):
                    return False
        if any(
            len(set(numbers(value))) > 1 for key in ("fwhm_ps", "sigma_ps", "tau_ps") for value in values_of(receiver, key)
        ):
            return False
        if "passive" in values_of(receiver, "basis_choice"):
            return False
    return True


def _any_number(*starts: str) -> Callable[[Any], bool]:
    """Whether any number but 0 stands under keys that begin so."""
    return lambda run: any(any(numbers(value)) for start in starts for value in values_of(run, start))


def _unlike_detectors(run: Any) -> bool:
    """Efficiency, or jitter and with it the part of the light in the gate, differs within one receiver."""
    return any(
        len({n for value in values_of(receiver, key) for n in numbers(value)}) > 1
        for receiver in tables(run, "receiver")
        for key in ("efficiency", "fwhm_ps", "sigma_ps", "tau_ps")
    )


def _unlike_bases(run: Any) -> bool:
    """Four efficiencies in the order Z0, Z1, X0, X1 with another sum in Z than in X."""
    for receiver in tables(run, "receiver"):
        for value in values_of(receiver, "efficiency"):
            told = list(numbers(value))
            if len(told) == 4 and abs(told[0] + told[1] - told[2] - told[3]) > 1e-12:
                return True
    return False


def _phases_not_random(run: Any) -> bool:
    return any(
        isinstance(source, Mapping) and isinstance(source.get("phase"), str) and source["phase"] != "random"
        for source in tables(run, "source")
    )


IN_THE_RUN: Final[Mapping[str, Callable[[Any], bool]]] = {
    "dead_time": _any_number("dead_time"),
    "afterpulsing": _any_number("afterpulse"),
    "intensity_fluctuation": _any_number("intensity_fluctuation"),
    "basis_dependent_preparation": _any_number("preparation_offset"),
    "efficiency_mismatch": _unlike_detectors,
    "basis_mismatch": _unlike_bases,
    "discrete_phases": _phases_not_random,
    "intensity_correlation": _any_number("intensity_correlation"),
    "background": _any_number("background_rate", "dark_rate", "radiance", "sky"),
    "misalignment": _any_number("analyser_offset", "polarization_contrast", "extinction_ratio", "misalignment", "rotation"),
}
"""Effect -> whether a file's resolved run, which holds every value, has it."""
