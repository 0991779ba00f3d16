"""Wave optics: fields through random phase screens, for numbers that no formula gives and to judge those that one does."""

from qphys.channels.waves.arrivals import Arrival, Arrivals, LayeredPath, simulated, slant_path
from qphys.channels.waves.downlink import DownlinkResult, Receiver, downlink
from qphys.channels.waves.grid import Buffers, Fft, Field, Grid, Precision, fft_name
from qphys.channels.waves.horizontal import HorizontalResult, horizontal
from qphys.channels.waves.propagation import Propagator, absorber, check_sampling, propagate, transfer_function
from qphys.channels.waves.pupil import Correction, Correctors, FieldStop, Pupil, disc_weight, focal_irradiance
from qphys.channels.waves.screens import (
    Pair,
    Screens,
    expected_structure_function,
    finer_cells,
    layer_fried_parameter,
)
from qphys.channels.waves.uplink import Launch, UplinkResult, uplink
from qphys.channels.waves.zernike import noll_covariance, zernike

__all__ = [
    "Arrival",
    "Arrivals",
    "Buffers",
    "Correction",
    "Correctors",
    "DownlinkResult",
    "Fft",
    "Field",
    "FieldStop",
    "Grid",
    "HorizontalResult",
    "Launch",
    "LayeredPath",
    "Pair",
    "Precision",
    "Propagator",
    "Pupil",
    "Receiver",
    "Screens",
    "UplinkResult",
    "absorber",
    "check_sampling",
    "disc_weight",
    "downlink",
    "expected_structure_function",
    "fft_name",
    "finer_cells",
    "focal_irradiance",
    "horizontal",
    "layer_fried_parameter",
    "noll_covariance",
    "propagate",
    "simulated",
    "slant_path",
    "transfer_function",
    "uplink",
    "zernike",
]
