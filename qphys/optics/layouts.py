r"""Entangled-pair sources as circuits, one function a layout, and two textbook circuits of single photons.

The four sources leave arms ``signal`` and ``idler``. Their weak light is the pure state

.. math:: \sqrt{\tfrac{1 + b}{2}}\, |1\rangle + e^{i\phi} \sqrt{\tfrac{1 - b}{2}}\, |2\rangle

with the terms HH and VV (type 0, beam displacement) or HV and VH (type II, Sagnac), signal first. The layouts differ in what
they squeeze, in where the phase comes from and in what goes wrong: each function says so.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from qphys.errors import UserError
from qphys.optics.circuit import (
    Analyser,
    BeamSplitter,
    Circuit,
    Element,
    HalfWavePlate,
    Loss,
    ModeMismatch,
    NumberResolvingDetector,
    NumberState,
    Parameter,
    Phase,
    PolarizingBeamSplitter,
    ThresholdDetector,
    TwoModeSqueezer,
)


def type_0(
    mean_pair_number: ArrayLike,
    *,
    phase: Parameter,
    imbalance: ArrayLike = 0.0,
    overlap: Parameter = 1.0,
) -> Circuit:
    r"""Return the source of two crossed type-0 (or type-I) crystals, one behind the other.

    *Squeezed*: signal H with idler H in the first crystal, signal V with idler V in the second; each crystal gives both
    photons the same polarization. *Phase*: of the two pump polarizations, and of the pairs of the first crystal in the
    second; it depends on both wavelengths and on the temperature, and drifts (Kwiat et al., Phys. Rev. A 60, R773 (1999)).
    *Goes wrong*: unequal crystals or pump; pairs of the second crystal that differ in time or place from those of the
    first, where the compensating crystals do not undo the walk-off.

    Parameters
    ----------
    mean_pair_number : array_like
        Of both crystals together, in one Schmidt mode [1].
    phase : array_like
        :math:`\phi` [rad]: 0 is :math:`\Phi^+`.
    imbalance : array_like
        b [1], -1 to 1: difference of the mean pair numbers over their sum.
    overlap : array_like
        Squared overlap of the second crystal's signal wave packets with the first's [1]; the coherence of the two terms
        is its square root.

    Returns
    -------
    Circuit
        Modes ``signal.H``, ``idler.H``, ``signal.V``, ``idler.V`` and, below full overlap, ``signal.V.1``.
    """
    first, second = _squeezing(mean_pair_number, imbalance)
    return Circuit(
        [
            TwoModeSqueezer("signal.H", "idler.H", squeezing=first),
            TwoModeSqueezer("signal.V", "idler.V", squeezing=second, phase=phase),
            *_mismatch(overlap, "signal", polarization="V"),
        ],
        "type 0, crossed crystals",
    )


def type_ii(
    mean_pair_number: ArrayLike,
    *,
    phase: Parameter,
    imbalance: ArrayLike = 0.0,
    overlap: Parameter = 1.0,
) -> Circuit:
    r"""Return the source of one type-II crystal whose two cones cross.

    *Squeezed*: signal H with idler V, and signal V with idler H, by the same pump in the same crystal. *Phase*: of the
    birefringence between the two polarizations, set by tilting a compensator or turning a half-wave plate (Kwiat et al.,
    Phys. Rev. Lett. 75, 4337 (1995)). *Goes wrong*: ordinary and extraordinary photons leave at different times, so that
    the arrival tells which is which; apertures and filters that favour one term.

    Parameters
    ----------
    mean_pair_number : array_like
        Of both terms together, in one Schmidt mode [1].
    phase : array_like
        :math:`\phi` [rad]: 0 is :math:`\Psi^+`, pi is :math:`\Psi^-`.
    imbalance : array_like
        b [1], -1 to 1: positive where HV is the brighter.
    overlap : array_like
        Squared overlap of the wave packets of H and V in an arm [1]; both arms are displaced, so that it is the coherence
        of the two terms.

    Returns
    -------
    Circuit
        Modes ``signal.H``, ``idler.V``, ``signal.V``, ``idler.H`` and, below full overlap, ``signal.V.1``, ``idler.V.1``.
    """
    first, second = _squeezing(mean_pair_number, imbalance)
    return Circuit(
        [
            TwoModeSqueezer("signal.H", "idler.V", squeezing=first),
            TwoModeSqueezer("signal.V", "idler.H", squeezing=second, phase=phase),
            *_mismatch(overlap, "signal", "idler", polarization="V"),
        ],
        "type II, crossed cones",
    )


def sagnac(
    mean_pair_number: ArrayLike,
    *,
    phase: Parameter,
    imbalance: ArrayLike = 0.0,
    leak_fraction: Parameter = 0.0,
    plate_error: ArrayLike = 0.0,
) -> Circuit:
    r"""Return the source of one type-II crystal in a loop, pumped from both sides.

    *Squeezed*: H at the signal's wavelength (internal mode 0) with V at the idler's (internal mode 1), clockwise and
    counterclockwise. A half-wave plate in the loop exchanges H and V of one direction, and the polarizing beam splitter
    that closes the loop sends the signals to one port and the idlers to the other. *Phase*: of the pump's two
    polarizations alone; both directions share the path, so that it does not drift (Kim, Fiorentino, Wong, Phys. Rev. A 73,
    012316 (2006)). *Goes wrong*: a beam splitter that leaks and a plate off its angle send photons to the wrong port, with
    the other wavelength; unequal pumping.

    Parameters
    ----------
    mean_pair_number : array_like
        Of both directions together, in one Schmidt mode [1].
    phase : array_like
        :math:`\phi` of the light that leaves [rad]: 0 is :math:`\Psi^+`, pi is :math:`\Psi^-`.
    imbalance : array_like
        b [1], -1 to 1: positive where the term HV is the brighter.
    leak_fraction : array_like
        Part of the power that the beam splitter sends to the wrong port [1].
    plate_error : array_like
        Angle between the axis of the half-wave plate and 45 degrees [rad].

    Returns
    -------
    Circuit
        Eight modes: both wavelengths in both polarizations of both ports. Detectors see both wavelengths.
    """
    first, second = _squeezing(mean_pair_number, imbalance)
    # The plate turns the pair of its direction by -i X per photon: a sign.
    return Circuit(
        [
            TwoModeSqueezer("signal.H", "signal.V.1", squeezing=first),
            TwoModeSqueezer("idler.H", "idler.V.1", squeezing=second, phase=np.mod(np.asarray(phase) + np.pi, 2.0 * np.pi)),
            HalfWavePlate("idler", angle=np.pi / 4 + np.asarray(plate_error, dtype=np.float64)),
            PolarizingBeamSplitter("signal", "idler", leak_fraction=leak_fraction),
        ],
        "Sagnac loop, type II",
    )


def beam_displacement(
    mean_pair_number: ArrayLike,
    *,
    phase: Parameter,
    imbalance: ArrayLike = 0.0,
    overlap: Parameter = 1.0,
    plate_error: ArrayLike = 0.0,
) -> Circuit:
    r"""Return the source of two parallel paths through one crystal, joined by beam displacers.

    *Squeezed*: signal H with idler H in either path, by a type-0 or type-I crystal. The second path turns to V behind a
    half-wave plate, and a beam displacer (a polarizing beam splitter, as a circuit) lays it over the first. *Phase*: of
    the difference of two short parallel paths through the displacers; it drifts with temperature and tilt, far less than
    that of separate paths (Fiorentino and Beausoleil, Opt. Express 16, 20149 (2008)). *Goes wrong*: paths that do not
    overlap behind the displacer; a plate off its angle, which costs pairs of the second term but sends none to a wrong
    port; unequal pumping of the paths.

    Parameters
    ----------
    mean_pair_number : array_like
        Of both paths together, in one Schmidt mode [1].
    phase : array_like
        :math:`\phi` of the light that leaves [rad]: 0 is :math:`\Phi^+`.
    imbalance : array_like
        b [1], -1 to 1: positive where HH is the brighter, before the plates.
    overlap : array_like
        Squared overlap of the two paths behind the displacer, of either photon [1]; it is the coherence of the two terms.
    plate_error : array_like
        Angle between the axes of the half-wave plates and 45 degrees [rad].

    Returns
    -------
    Circuit
        Arms ``signal`` and ``idler``, and the unused outputs ``second signal`` and ``second idler``.
    """
    first, second = _squeezing(mean_pair_number, imbalance)
    plate = np.pi / 4 + np.asarray(plate_error, dtype=np.float64)
    return Circuit(
        [
            TwoModeSqueezer("signal.H", "idler.H", squeezing=first),
            TwoModeSqueezer("second signal.H", "second idler.H", squeezing=second),
            # Plate and displacer give each photon a factor (-i)(i) = 1: the phase is that of the path.
            Phase("second signal", phase=phase),
            HalfWavePlate("second signal", angle=plate),
            HalfWavePlate("second idler", angle=plate),
            *_mismatch(overlap, "second signal", "second idler"),
            PolarizingBeamSplitter("signal", "second signal"),
            PolarizingBeamSplitter("idler", "second idler"),
        ],
        "beam displacement",
    )


def analysed(
    source: Circuit,
    *,
    angles: Sequence[Parameter],
    transmittances: Sequence[Parameter] = (1.0, 1.0),
    efficiencies: Sequence[Parameter] = (1.0, 1.0, 1.0, 1.0),
    dark_probabilities: Sequence[Parameter] = (0.0, 0.0, 0.0, 0.0),
) -> Circuit:
    """Return a pair source with a link, a polarization analyser and two threshold detectors in each arm.

    Parameters
    ----------
    source : Circuit
        With arms ``signal`` and ``idler``.
    angles : sequence
        Of the analysers of signal and idler [rad]: linear polarization that the first detector of the arm sees.
    transmittances : sequence
        Of the links of signal and idler [1].
    efficiencies, dark_probabilities : sequence
        Of the four detectors: signal, at the angle and across; idler, at the angle and across [1].

    Returns
    -------
    Circuit

    Raises
    ------
    UserError
        A sequence has the wrong length.
    """
    for name, given, needed in (
        ("angles", angles, 2),
        ("transmittances", transmittances, 2),
        ("efficiencies", efficiencies, 4),
        ("dark_probabilities", dark_probabilities, 4),
    ):
        if len(given) != needed:
            raise UserError(f"analysed: {name} needs {needed} values, not {len(given)}")
    arms = ("signal", "idler")
    links = [Loss(arm, transmittance=t) for arm, t in zip(arms, transmittances, strict=True) if np.any(np.asarray(t) != 1.0)]
    analysers = [Analyser(arm, angle=angle) for arm, angle in zip(arms, angles, strict=True)]
    ports = [(arm, polarization) for arm in arms for polarization in "HV"]
    detectors = [
        ThresholdDetector(*port, efficiency=efficiency, dark_probability=dark)
        for port, efficiency, dark in zip(ports, efficiencies, dark_probabilities, strict=True)
    ]
    return source.then(*links, *analysers, *detectors)


def heralded_single_photon(
    mean_pair_number: ArrayLike, *, herald_efficiency: Parameter, signal_efficiency: Parameter
) -> Circuit:
    r"""Return pairs of which one photon, counted, heralds the other.

    *Squeezed*: herald H with signal H. Given exactly one count of a detector without loss the signal is a number state;
    with efficiency :math:`\eta` it keeps two photons with the relative weight :math:`2 (1-\eta) \tanh^2 r`. Both detectors
    count photons, so that the Fock backend gives the heralded distribution ``statistics[1] / statistics[1].sum()``.

    Parameters
    ----------
    mean_pair_number : array_like
        In one Schmidt mode [1].
    herald_efficiency, signal_efficiency : array_like
        Of the two detectors [1].

    Returns
    -------
    Circuit
    """
    (squeezing, _) = _squeezing(mean_pair_number, 1.0)
    return Circuit(
        [
            TwoModeSqueezer("herald.H", "signal.H", squeezing=squeezing),
            NumberResolvingDetector("herald", "H", efficiency=herald_efficiency),
            NumberResolvingDetector("signal", "H", efficiency=signal_efficiency),
        ],
        "heralded single photon",
    )


def hong_ou_mandel(*, overlap: Parameter, transmittance: Parameter = 0.5) -> Circuit:
    r"""Return two photons that meet at a beam splitter.

    *Prepared*: one photon in either input. Photons of the same wave packet leave together: coincidences have the
    probability :math:`T^2 + R^2 - 2 T R\, |\langle 1|2\rangle|^2`, 0 at the dip and 1/2 far from it (Hong, Ou, Mandel,
    Phys. Rev. Lett. 59, 2044 (1987)).

    Parameters
    ----------
    overlap : array_like
        Squared overlap :math:`|\langle 1|2\rangle|^2` of the two wave packets [1].
    transmittance : array_like
        T of the beam splitter [1].

    Returns
    -------
    Circuit
    """
    return Circuit(
        [
            NumberState("first.H", number=1),
            NumberState("second.H", number=1),
            ModeMismatch("second", overlap=overlap),
            BeamSplitter("first", "second", transmittance=transmittance),
            NumberResolvingDetector("first", "H"),
            NumberResolvingDetector("second", "H"),
        ],
        "Hong-Ou-Mandel",
    )


def _mismatch(overlap: Parameter, *arms: str, polarization: str | None = None) -> list[Element]:
    """Nothing where the overlap is full, so that no mode is carried for nothing."""
    if np.all(np.asarray(overlap) == 1.0):
        return []
    return [ModeMismatch(arm, overlap=overlap, polarization=polarization) for arm in arms]


def _squeezing(mean_pair_number: ArrayLike, imbalance: ArrayLike) -> tuple[Parameter, Parameter]:
    """r of the two terms: sinh^2 r is the mean number of each."""
    number, b = np.asarray(mean_pair_number, dtype=np.float64), np.asarray(imbalance, dtype=np.float64)
    if np.any(~(number >= 0.0)) or np.any(~(np.abs(b) <= 1.0)):
        raise UserError(
            f"mean_pair_number = {mean_pair_number!r} must not be negative, imbalance = {imbalance!r} lie in -1 to 1"
        )
    first, second = (np.arcsinh(np.sqrt(number * (1.0 + sign * b) / 2.0)) for sign in (1.0, -1.0))
    return first, second
