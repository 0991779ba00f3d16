"""Detectors and fibres: the numbers of the reference that are no keys."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from qphys.channels import fibre
from qphys.constants import SPEED_OF_LIGHT
from qphys.detectors import dead_time
from qphys.keyrates.sifting import sift

from . import Number, section


@section(
    "detectors",
    "Detectors",
    "a true rate of $10^6$ /s and 100 ns of dead time; Rusca et al. 2018, Eq. B3; Lim et al. 2014, model of afterpulses",
    remarks="Afterpulses, gain times $1 + p$ and errors plus $p/2$ of the gain, are held by "
    "`tests/detectors/test_clicks.py`. Two detectors of a basis of which any click blocks both (W. Rogers et al. 2007) "
    "are one renewal process here, `common_dead_time`; a dead time that every click prolongs is an option of a detector. "
    "The jitter of E. Diamanti et al. 2006, a Gaussian of 79.3 ps beside a separate tail, is not built: jitter here is "
    "Gaussian or exponentially modified ([](receiver.md)).",
)
def _detectors() -> Iterator[Number]:
    yield Number(
        quantity="counted, dead time that clicks do not prolong [1/s]", published=909090.9,
        found=float(dead_time.non_paralysable_rate(1e6, 100e-9)), within=0.05, origin="recomputed",
    )  # fmt: skip
    yield Number(
        quantity="counted, dead time that clicks prolong [1/s]", published=904837.4,
        found=float(dead_time.paralysable_rate(1e6, 100e-9)), within=0.05, origin="recomputed",
    )  # fmt: skip
    yield Number(
        quantity="live part of pulses, $c_{DT}$ at $P_{det}$ = 0.01, 1 GHz, 100 ns", published=1 / (1 + 1e9 * 0.01 * 100e-9),
        found=float(dead_time.pulsed_click_probability(0.01, dead_time.blocked_slots(100e-9, 1e9))) / 0.01, within=0.006,
        why="blocked are the 99 whole pulses inside the dead time",
    )  # fmt: skip
    counts = np.zeros((1, 2, 2, 8))
    counts[0, 0, 0, 5] = 1000
    told = sift(counts)
    yield Number(
        quantity="error rate of double clicks", published=0.5, found=float(told.errors.sum() / told.counts.sum()),
        within=1e-12,
        origin="recomputed",
    )  # fmt: skip


@section(
    "raman",
    "Raman light in a fibre",
    "R. Kumar, H. Qin, R. Alléaume, New J. Phys. **17**, 043027 (2015): 0 dBm behind 0.5 dB, 25 km, 0.2 dB/km, "
    "$3\\times10^{-9}$ /(km nm), 1531.12 nm; P. Eraerds et al., New J. Phys. **12**, 063027 (2010)",
    remarks="The package has the light as functions (`qphys.channels.fibre`), not as a noise of the link ([](fibre.md)). "
    "Coefficients are inputs: those of Eraerds et al. are not at hand, and one quoted for light at 1310 nm "
    "($4\\times10^{-11}$) is unconfirmed. Rayleigh backscatter is not modelled.",
)
def _raman() -> Iterator[Number]:
    told = {"pump_loss_db_per_km": 0.2, "loss_db_per_km": 0.2}
    wavelength, width = 1531.12e-9, 1e-12
    of_a_mode = SPEED_OF_LIGHT * width / wavelength**2
    for name, length, printed, script in (
        ("forward", fibre.forward_length(25e3, **told), 1.3e-3, 1.2737e-3),
        ("backward", fibre.backward_length(25e3, **told), 1.6e-3, 1.5743e-3),
    ):
        found = (
            float(
                fibre.raman_photon_rate(
                    1e-3 * 10**-0.05, length, coefficient=3e-3, filter_bandwidth=width, wavelength=wavelength
                )
            )
            / of_a_mode
        )
        yield Number(quantity=f"photons of a mode, {name}", published=printed, found=found, within=5e-5)
        yield Number(
            quantity=f"photons of a mode, {name}, five digits", published=script, found=found, within=5e-4 * script,
            origin="recomputed", why="constants of nature rounded there",
        )  # fmt: skip
    loss = 1e-4 * np.log(10.0) * 0.2
    end = np.exp(-loss * 25e3)
    yield Number(
        quantity="backward length over $\\sinh(\\alpha L)/\\alpha$ of the power at the end", published=1.0,
        found=float(fibre.backward_length(25e3, **told)) / (end * np.sinh(loss * 25e3) / loss), within=1e-12,
        origin="recomputed", why="the form of Eraerds et al.",
    )  # fmt: skip
