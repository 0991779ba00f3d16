"""The C core: kernels as NumPy generalized ufuncs, their statuses, and threads over a batch.

The extension holds every kernel once an instruction set, with equal results bit for bit. The widest that the processor
has is used; the environment variable ``QPHYS_INSTRUCTION_SET`` (``baseline``, ``avx2``, ``avx512``) chooses another.
"""

from qphys.core.keys import (
    KEY_SOURCES,
    SAMPLING_BOUNDS,
    SAMPLING_USED,
    TAIL_BOUNDS,
    Lim2014,
    Ma2005,
    Ma2005Infinite,
    lim2014,
    ma2005,
    ma2005_infinite,
)
from qphys.core.levels import INSTRUCTION_SET, KERNELS, SOURCE_DIGEST, STATUS, instruction_sets, kernels, status_attributes
from qphys.core.parallel import evaluate

__all__ = [
    "INSTRUCTION_SET",
    "KERNELS",
    "KEY_SOURCES",
    "SAMPLING_BOUNDS",
    "SAMPLING_USED",
    "SOURCE_DIGEST",
    "STATUS",
    "TAIL_BOUNDS",
    "Lim2014",
    "Ma2005",
    "Ma2005Infinite",
    "evaluate",
    "instruction_sets",
    "kernels",
    "lim2014",
    "ma2005",
    "ma2005_infinite",
    "status_attributes",
]
