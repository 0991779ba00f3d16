"""Laws of transmittance: what a channel's transmittance may be, step by step, and how often.

One file a law; each is a frozen dataclass with parameters of shape (T,) that offers what `Law` names, says where it is valid
and by how much it is off, and gives the same distribution as a density, as quadrature nodes and as draws.
"""

from qphys.channels.laws.beam_wander import BeamWanderMarcum, BeamWanderWeibull
from qphys.channels.laws.beta import Beta
from qphys.channels.laws.circular_beam import CircularBeam
from qphys.channels.laws.elliptic_beam import EllipticBeam
from qphys.channels.laws.gamma_gamma import GammaGamma
from qphys.channels.laws.law import Law
from qphys.channels.laws.log_normal import LogNormal
from qphys.channels.laws.pointing import Pointing
from qphys.channels.laws.product import Product, Scaled, joined
from qphys.channels.laws.total_probability import TotalProbability

__all__ = [
    "BeamWanderMarcum",
    "BeamWanderWeibull",
    "Beta",
    "CircularBeam",
    "EllipticBeam",
    "GammaGamma",
    "Law",
    "LogNormal",
    "Pointing",
    "Product",
    "Scaled",
    "TotalProbability",
    "joined",
]
