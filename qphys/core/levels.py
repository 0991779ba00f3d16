"""The kernels that the extension holds, the instruction set in use, and the table of statuses."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from qphys.core import _ufuncs


def instruction_sets() -> tuple[str, ...]:
    """Return the instruction sets that this build and this processor have, narrowest first.

    Examples
    --------
    >>> instruction_sets()[0]
    'baseline'
    """
    return tuple(_ufuncs.levels())


def kernels(instruction_set: str) -> Mapping[str, np.ufunc]:
    """Return every kernel of one instruction set by name, as NumPy generalized ufuncs.

    Parameters
    ----------
    instruction_set : str
        One of `instruction_sets`.

    Raises
    ------
    ValueError
        If this build or this processor lacks it.

    Examples
    --------
    >>> kernels("baseline")["ma2005"].signature
    '(3),(3),(3),(),()->(),(),(),(),(),()'
    """
    return MappingProxyType(_ufuncs.kernels(instruction_set))


def status_attributes() -> dict[str, object]:
    """Return the CF attributes ``flag_values`` and ``flag_meanings`` of a status variable.

    Examples
    --------
    >>> status_attributes()["flag_meanings"].split()[:2]
    ['good', 'no_key']
    """
    return {
        "flag_values": np.array(list(STATUS.values()), dtype=np.int8),
        "flag_meanings": " ".join(STATUS),
    }


#: Code of each meaning, from status.h: ``STATUS["good"] == 0``.
STATUS: Mapping[str, int] = MappingProxyType({meaning: code for code, meaning in _ufuncs.STATUS})

#: SHA-256 of the C sources that the extension was built from.
SOURCE_DIGEST: str = _ufuncs.SOURCE_DIGEST

#: The instruction set in use, and its kernels.
INSTRUCTION_SET: str = os.environ.get("QPHYS_INSTRUCTION_SET") or instruction_sets()[-1]
KERNELS: Mapping[str, np.ufunc] = kernels(INSTRUCTION_SET)
