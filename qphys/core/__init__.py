"""The C core: kernels as NumPy generalized ufuncs, their statuses, and threads over a batch.

The extension holds every kernel once an instruction set, with equal results bit for bit. The widest that the processor
has is used; the environment variable ``QPHYS_INSTRUCTION_SET`` (``baseline``, ``avx2``, ``avx512``) chooses another.
"""

from qphys.core.keys import (
    KEY_SOURCES,
    ONE_DECOY_PROOFS,
    ONE_DECOY_SAMPLING_BOUNDS,
    SAMPLING_BOUNDS,
    SAMPLING_USED,
    TAIL_BOUNDS,
    Lim2014,
    Ma2005,
    Ma2005Infinite,
    lim2014,
    ma2005,
    ma2005_infinite,
    one_decoy,
)
from qphys.core.levels import INSTRUCTION_SET, KERNELS, SOURCE_DIGEST, STATUS, instruction_sets, kernels, status_attributes
from qphys.core.pairs import (
    TEST_SIZES,
    VERIFICATIONS,
    Bbm92Asymptotic,
    Chsh,
    ChshDiRateEstimate,
    Lim2021,
    Tomamichel2012,
    TomamichelLeverrier2017,
    bbm92_asymptotic,
    bbm92_lim2021,
    bbm92_tomamichel2012,
    bbm92_tomamichel_leverrier2017,
    chsh,
    chsh_di_rate_estimate,
)
from qphys.core.parallel import evaluate

__all__ = [
    "INSTRUCTION_SET",
    "KERNELS",
    "KEY_SOURCES",
    "ONE_DECOY_PROOFS",
    "ONE_DECOY_SAMPLING_BOUNDS",
    "SAMPLING_BOUNDS",
    "SAMPLING_USED",
    "SOURCE_DIGEST",
    "STATUS",
    "TAIL_BOUNDS",
    "TEST_SIZES",
    "VERIFICATIONS",
    "Bbm92Asymptotic",
    "Chsh",
    "ChshDiRateEstimate",
    "Lim2014",
    "Lim2021",
    "Ma2005",
    "Ma2005Infinite",
    "Tomamichel2012",
    "TomamichelLeverrier2017",
    "bbm92_asymptotic",
    "bbm92_lim2021",
    "bbm92_tomamichel2012",
    "bbm92_tomamichel_leverrier2017",
    "chsh",
    "chsh_di_rate_estimate",
    "evaluate",
    "instruction_sets",
    "kernels",
    "lim2014",
    "ma2005",
    "ma2005_infinite",
    "one_decoy",
    "status_attributes",
]
