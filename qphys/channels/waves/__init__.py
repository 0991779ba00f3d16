"""Wave optics: fields through random phase screens, for numbers that no formula gives and to judge those that one does."""

from qphys.channels.waves.grid import Buffers, Fft, Field, Grid, Precision, fft_name
from qphys.channels.waves.propagation import Propagator, absorber, check_sampling, propagate, transfer_function
from qphys.channels.waves.screens import (
    Pair,
    Screens,
    expected_structure_function,
    finer_cells,
    layer_fried_parameter,
)
from qphys.channels.waves.zernike import noll_covariance, zernike

__all__ = [
    "Buffers",
    "Fft",
    "Field",
    "Grid",
    "Pair",
    "Precision",
    "Propagator",
    "Screens",
    "absorber",
    "check_sampling",
    "expected_structure_function",
    "fft_name",
    "finer_cells",
    "layer_fried_parameter",
    "noll_covariance",
    "propagate",
    "transfer_function",
    "zernike",
]
