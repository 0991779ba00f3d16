"""Polarization optics as a photonic circuit: a list of elements that can be printed, drawn, changed and run.

A mode is an arm, a polarization and an internal mode (a wave packet, a wavelength or a path that a detector does not tell
apart), written ``signal.H`` or ``signal.H.1``. An element names the arms or modes it acts on; angles are in radians from H
towards V, as in `qphys.optics.jones`. Parameters may be arrays: the circuit is then a batch, for the routes that take one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from qphys.errors import UserError, nearest
from qphys.optics import gaussian, jones
from qphys.optics.gaussian import GaussianMoments
from qphys.stages import Complexes, Floats

Parameter = float | Floats
"""A number, or an array of numbers for a batch of circuits."""

POLARIZATIONS = ("H", "V")


class Mode(NamedTuple):
    """One mode of light."""

    arm: str
    polarization: str = "H"
    internal: int = 0

    def __str__(self) -> str:
        return f"{self.arm}.{self.polarization}" + (f".{self.internal}" if self.internal else "")


def mode(name: str | Mode) -> Mode:
    """Read a mode from its name.

    Parameters
    ----------
    name : str or Mode
        ``arm.H``, ``arm.V`` or ``arm.H.1``.

    Returns
    -------
    Mode

    Raises
    ------
    UserError
        The name is not of that form.

    Examples
    --------
    >>> mode("signal.V.1")
    Mode(arm='signal', polarization='V', internal=1)
    """
    if isinstance(name, Mode):
        return name
    arm, _, rest = name.partition(".")
    polarization, _, internal = rest.partition(".")
    if not arm or polarization not in POLARIZATIONS or not (internal or "0").isdecimal():
        raise UserError(f"mode {name!r} is not of the form 'arm.H', 'arm.V' or 'arm.H.1'")
    return Mode(arm, polarization, int(internal or "0"))


class Unitary(NamedTuple):
    """Passive optics without loss: a -> U a."""

    modes: tuple[Mode, ...]
    matrix: Complexes


class TwoModeSqueezing(NamedTuple):
    """exp(r (e^(i phi) a' b' - h.c.))."""

    modes: tuple[Mode, Mode]
    squeezing: Parameter
    phase: Parameter


class SingleModeSqueezing(NamedTuple):
    """exp(r (e^(i phi) a'^2 - h.c.) / 2)."""

    modes: tuple[Mode]
    squeezing: Parameter
    phase: Parameter


class Shift(NamedTuple):
    """Coherent light is added."""

    modes: tuple[Mode]
    amplitude: complex | Complexes


class Attenuation(NamedTuple):
    """A part of the light passes, and thermal light comes in by the other port."""

    modes: tuple[Mode]
    transmittance: Parameter
    background: Parameter


class Photons(NamedTuple):
    """A number state in a mode that was dark."""

    modes: tuple[Mode]
    number: int


Primitive = Unitary | TwoModeSqueezing | SingleModeSqueezing | Shift | Attenuation | Photons
"""What a route must be able to do."""


class Label(NamedTuple):
    """How an element is drawn."""

    name: str
    detail: str
    ends: dict[str, str]
    """What is written where an arm enters; its keys are the arms, in order."""


E = TypeVar("E", bound="Element")


@dataclass(frozen=True, eq=False)
class Element(ABC):
    """A part of a circuit. Frozen; parameters are checked when it is made."""

    kind: ClassVar[Literal["source", "plate", "splitter", "loss", "detector"]]
    limits: ClassVar[tuple[tuple[str, float, float], ...]] = ()
    """Least and largest value of each parameter."""

    def __post_init__(self) -> None:
        for name, least, largest in self.limits:
            given = getattr(self, name)
            value = np.array(given, dtype=np.float64)
            if not np.all((value >= least) & (value <= largest) & np.isfinite(value)):
                raise UserError(f"{type(self).__name__}: {name} = {given} is outside of {least:g} to {largest:g}")
            value.setflags(write=False)
            object.__setattr__(self, name, value if value.ndim else float(value))
        polarization = getattr(self, "polarization", None)
        if polarization not in (None, *POLARIZATIONS):
            raise UserError(f"{type(self).__name__}: polarization = {polarization!r} is not 'H' or 'V'")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(np.array_equal(getattr(self, f.name), getattr(other, f.name)) for f in fields(self))

    def __hash__(self) -> int:
        return hash(repr(self))

    @abstractmethod
    def primitives(self, light: Sequence[Mode]) -> tuple[Primitive, ...]:
        """Steps on the modes that hold light so far, and on those the element lights up."""

    @abstractmethod
    def label(self) -> Label:
        """What to draw."""

    @property
    def arms(self) -> tuple[str, ...]:
        """Arms that the element touches."""
        return tuple(self.label().ends)


@dataclass(frozen=True, eq=False)
class TwoModeSqueezer(Element):
    r"""Pairs into two modes, :math:`\exp[r (e^{i\phi} a^\dagger b^\dagger - \mathrm{h.c.})]`.

    Their mean number is :math:`\sinh^2 r`, in thermal statistics.
    """

    first: str | Mode
    second: str | Mode
    squeezing: Parameter = field(kw_only=True)
    """r [1]."""
    phase: Parameter = field(default=0.0, kw_only=True)
    """phi [rad]."""
    kind = "source"
    limits = (("squeezing", -10.0, 10.0), ("phase", -np.inf, np.inf))

    def __post_init__(self) -> None:
        super().__post_init__()
        if mode(self.first) == mode(self.second):
            raise UserError("TwoModeSqueezer: needs two modes; one alone is a Squeezer")

    def primitives(self, light: Sequence[Mode]) -> tuple[Primitive, ...]:
        return (TwoModeSqueezing((mode(self.first), mode(self.second)), self.squeezing, self.phase),)

    def label(self) -> Label:
        first, second = mode(self.first), mode(self.second)
        if first.arm == second.arm:
            ends = {first.arm: f"{_short(first)} {_short(second)}"}
        else:
            ends = {first.arm: _short(first), second.arm: _short(second)}
        return Label("S2", f"r {_number(self.squeezing)}" + _angle(self.phase, "φ"), ends)


@dataclass(frozen=True, eq=False)
class Squeezer(Element):
    r"""Squeezed light in one mode, :math:`\exp[\tfrac r2 (e^{i\phi} a^{\dagger 2} - \mathrm{h.c.})]`."""

    mode: str | Mode
    squeezing: Parameter = field(kw_only=True)
    """r [1]."""
    phase: Parameter = field(default=0.0, kw_only=True)
    """phi [rad]."""
    kind = "source"
    limits = (("squeezing", -10.0, 10.0), ("phase", -np.inf, np.inf))

    def primitives(self, light: Sequence[Mode]) -> tuple[Primitive, ...]:
        return (SingleModeSqueezing((mode(self.mode),), self.squeezing, self.phase),)

    def label(self) -> Label:
        where = mode(self.mode)
        return Label("S1", f"r {_number(self.squeezing)}" + _angle(self.phase, "φ"), {where.arm: _short(where)})


@dataclass(frozen=True, eq=False)
class Displacement(Element):
    """Coherent light of a given amplitude is added to a mode."""

    mode: str | Mode
    amplitude: complex | Complexes = field(kw_only=True)
    """Square root of photons, with its phase."""
    kind = "source"

    def primitives(self, light: Sequence[Mode]) -> tuple[Primitive, ...]:
        return (Shift((mode(self.mode),), self.amplitude),)

    def label(self) -> Label:
        where = mode(self.mode)
        photons = np.abs(np.asarray(self.amplitude)) ** 2
        return Label("D", f"|α|² {_number(photons)}" + _angle(np.angle(self.amplitude), "∠"), {where.arm: _short(where)})


@dataclass(frozen=True, eq=False)
class NumberState(Element):
    """A fixed number of photons in a mode that is dark so far: no Gaussian state, so the Fock route only."""

    mode: str | Mode
    number: int = field(kw_only=True)
    kind = "source"
    limits = (("number", 0, 100),)

    def __post_init__(self) -> None:
        super().__post_init__()
        if float(self.number) != int(self.number):
            raise UserError(f"NumberState: number = {self.number} is not a whole number")
        object.__setattr__(self, "number", int(self.number))

    def primitives(self, light: Sequence[Mode]) -> tuple[Primitive, ...]:
        if mode(self.mode) in light:
            raise UserError(f"NumberState: mode {mode(self.mode)} holds light already")
        return (Photons((mode(self.mode),), self.number),)

    def label(self) -> Label:
        where = mode(self.mode)
        return Label(f"|{self.number}⟩", "", {where.arm: _short(where)})


@dataclass(frozen=True, eq=False)
class _Plate(Element):
    """A Jones matrix on both polarizations of an arm, the same for all its internal modes."""

    arm: str
    kind = "plate"

    @abstractmethod
    def jones(self) -> Complexes:
        """Jones matrix, (..., 2, 2), unitary."""

    def primitives(self, light: Sequence[Mode]) -> tuple[Primitive, ...]:
        matrix = self.jones()
        internals = sorted({m.internal for m in light if m.arm == self.arm})
        return tuple(Unitary((Mode(self.arm, "H", k), Mode(self.arm, "V", k)), matrix) for k in internals)


@dataclass(frozen=True, eq=False)
class HalfWavePlate(_Plate):
    """Retarder of half a wave: mirrors linear polarization at its fast axis."""

    angle: Parameter = field(kw_only=True)
    """Of the fast axis [rad]."""
    limits = (("angle", -np.inf, np.inf),)

    def jones(self) -> Complexes:
        return jones.waveplate(np.pi, self.angle)

    def label(self) -> Label:
        return Label("λ/2", _angle(self.angle), {self.arm: ""})


@dataclass(frozen=True, eq=False)
class QuarterWavePlate(_Plate):
    """Retarder of a quarter of a wave."""

    angle: Parameter = field(kw_only=True)
    """Of the fast axis [rad]."""
    limits = (("angle", -np.inf, np.inf),)

    def jones(self) -> Complexes:
        return jones.waveplate(np.pi / 2, self.angle)

    def label(self) -> Label:
        return Label("λ/4", _angle(self.angle), {self.arm: ""})


@dataclass(frozen=True, eq=False)
class Retarder(_Plate):
    """Any retarder: an imperfect plate, a birefringent window or fibre."""

    retardance: Parameter = field(kw_only=True)
    """Phase of the slow axis behind the fast one [rad]."""
    angle: Parameter = field(default=0.0, kw_only=True)
    """Of the fast axis [rad]."""
    limits = (("retardance", -np.inf, np.inf), ("angle", -np.inf, np.inf))

    def jones(self) -> Complexes:
        return jones.waveplate(self.retardance, self.angle)

    def label(self) -> Label:
        return Label("retarder", f"δ {_angle(self.retardance)}" + _angle(self.angle, "at"), {self.arm: ""})


@dataclass(frozen=True, eq=False)
class Rotation(_Plate):
    r"""Turns every polarization by an angle from H towards V: :math:`a_H \to \cos\theta\, a_H - \sin\theta\, a_V`."""

    angle: Parameter = field(kw_only=True)
    """[rad]."""
    limits = (("angle", -np.inf, np.inf),)

    def jones(self) -> Complexes:
        return jones.rotation(self.angle)

    def label(self) -> Label:
        return Label("rotation", _angle(self.angle), {self.arm: ""})


@dataclass(frozen=True, eq=False)
class Analyser(_Plate):
    r"""Turns linear polarization at an angle onto H and its orthogonal onto V, where the detectors are.

    .. math:: a_H \to \cos\theta\, a_H + \sin\theta\, a_V, \qquad a_V \to -\sin\theta\, a_H + \cos\theta\, a_V
    """

    angle: Parameter = field(kw_only=True)
    """Of the polarization that H's detector sees [rad]."""
    limits = (("angle", -np.inf, np.inf),)

    def jones(self) -> Complexes:
        return jones.rotation(-np.asarray(self.angle, dtype=np.float64))

    def label(self) -> Label:
        return Label("analyser", _angle(self.angle), {self.arm: ""})


@dataclass(frozen=True, eq=False)
class Phase(Element):
    """A phase on all light of an arm, or of one polarization of it."""

    arm: str
    phase: Parameter = field(kw_only=True)
    r""":math:`\phi` of :math:`a \to e^{i\phi} a` [rad]."""
    polarization: str | None = field(default=None, kw_only=True)
    """None: both."""
    kind = "plate"
    limits = (("phase", -np.inf, np.inf),)

    def primitives(self, light: Sequence[Mode]) -> tuple[Primitive, ...]:
        factor = np.exp(1j * np.asarray(self.phase, dtype=np.float64))[..., np.newaxis, np.newaxis]
        return tuple(Unitary((m,), factor) for m in _of(light, self.arm, self.polarization))

    def label(self) -> Label:
        return Label("phase", _angle(self.phase), {self.arm: self.polarization or ""})


@dataclass(frozen=True, eq=False)
class BeamSplitter(Element):
    r"""Two arms meet at a beam splitter, :math:`a \to \sqrt T a + i \sqrt R\, b`, :math:`b \to i \sqrt R\, a + \sqrt T b`.

    Only modes equal in polarization and internal mode interfere.
    """

    first: str
    second: str
    transmittance: Parameter = field(default=0.5, kw_only=True)
    """T [1]."""
    kind = "splitter"
    limits = (("transmittance", 0.0, 1.0),)

    def primitives(self, light: Sequence[Mode]) -> tuple[Primitive, ...]:
        matrix = _splitter(self.transmittance)
        return tuple(Unitary(pair, matrix) for pair in _meeting(light, self.first, self.second))

    def label(self) -> Label:
        return Label("BS", f"T {_number(self.transmittance)}", {self.first: "", self.second: ""})


@dataclass(frozen=True, eq=False)
class PolarizingBeamSplitter(Element):
    """Two arms meet at a polarizing beam splitter: H stays in its arm, V goes to the other with a phase of 90 degrees.

    A beam displacer that joins two paths is the same.
    """

    first: str
    second: str
    leak_fraction: Parameter = field(default=0.0, kw_only=True)
    """Part of the power of either polarization that goes to the wrong output [1], 0 to 1/2."""
    kind = "splitter"
    limits = (("leak_fraction", 0.0, 0.5),)

    def primitives(self, light: Sequence[Mode]) -> tuple[Primitive, ...]:
        leak = np.asarray(self.leak_fraction, dtype=np.float64)
        matrix = {"H": _splitter(1.0 - leak), "V": _splitter(leak)}
        return tuple(Unitary(pair, matrix[pair[0].polarization]) for pair in _meeting(light, self.first, self.second))

    def label(self) -> Label:
        leak = "" if np.all(np.asarray(self.leak_fraction) == 0.0) else f"leak {_number(self.leak_fraction)}"
        return Label("PBS", leak, {self.first: "", self.second: ""})


@dataclass(frozen=True, eq=False)
class ModeMismatch(Element):
    """Light of an arm overlaps in part with the wave packets of the rest: what does not goes to another internal mode."""

    arm: str
    overlap: Parameter = field(kw_only=True)
    """Squared overlap of the wave packets [1]."""
    polarization: str | None = field(default=None, kw_only=True)
    """None: both."""
    internal: int = field(default=1, kw_only=True)
    """Internal mode that takes the rest; dark before."""
    kind = "loss"
    limits = (("overlap", 0.0, 1.0),)

    def primitives(self, light: Sequence[Mode]) -> tuple[Primitive, ...]:
        steps = []
        for m in _of(light, self.arm, self.polarization):
            if m.internal:
                continue
            beside = Mode(m.arm, m.polarization, self.internal)
            if beside in light:
                raise UserError(f"ModeMismatch: mode {beside} holds light already; give another internal")
            kept, gone = np.sqrt(self.overlap), np.sqrt(1.0 - np.asarray(self.overlap))
            steps.append(Unitary((m, beside), _matrix(kept, -gone, gone, kept)))
        return tuple(steps)

    def label(self) -> Label:
        return Label("mismatch", f"overlap {_number(self.overlap)}", {self.arm: self.polarization or ""})


@dataclass(frozen=True, eq=False)
class Loss(Element):
    """A part of the light of an arm passes; of one polarization only, it is polarization-dependent loss."""

    arm: str
    transmittance: Parameter = field(kw_only=True)
    """[1]."""
    polarization: str | None = field(default=None, kw_only=True)
    """None: both."""
    kind = "loss"
    limits = (("transmittance", 0.0, 1.0),)

    def primitives(self, light: Sequence[Mode]) -> tuple[Primitive, ...]:
        return tuple(Attenuation((m,), self.transmittance, 0.0) for m in _of(light, self.arm, self.polarization))

    def label(self) -> Label:
        return Label("loss", f"T {_number(self.transmittance)}", {self.arm: self.polarization or ""})


@dataclass(frozen=True, eq=False)
class ThermalBackground(Element):
    r"""Thermal light through a coupler: :math:`\langle a^\dagger a\rangle \to T \langle a^\dagger a\rangle + n`.

    It fills every internal mode of the arm that holds light, and at least the first.
    """

    arm: str
    mean_photon_number: Parameter = field(kw_only=True)
    """n, photons that come in, per mode [1]."""
    transmittance: Parameter = field(kw_only=True)
    """T of the arm's own light [1], below 1: without a second port nothing comes in."""
    polarization: str | None = field(default=None, kw_only=True)
    """None: both, unpolarized background."""
    kind = "source"
    limits = (("mean_photon_number", 0.0, 1e6), ("transmittance", 0.0, 1.0 - 1e-12))

    def primitives(self, light: Sequence[Mode]) -> tuple[Primitive, ...]:
        internals = sorted({m.internal for m in light if m.arm == self.arm} | {0})
        polarizations = POLARIZATIONS if self.polarization is None else (self.polarization,)
        modes = [Mode(self.arm, p, k) for k in internals for p in polarizations]
        return tuple(Attenuation((m,), self.transmittance, self.mean_photon_number) for m in modes)

    def label(self) -> Label:
        detail = f"n {_number(self.mean_photon_number)} T {_number(self.transmittance)}"
        return Label("background", detail, {self.arm: self.polarization or ""})


@dataclass(frozen=True, eq=False)
class ThresholdDetector(Element):
    """Clicks or stays silent; sees all internal modes of one polarization of an arm, or of both."""

    arm: str
    polarization: str | None = None
    efficiency: Parameter = field(default=1.0, kw_only=True)
    """Probability that a photon is detected [1]."""
    dark_probability: Parameter = field(default=0.0, kw_only=True)
    """Probability of a click without light [1]."""
    kind = "detector"
    limits = (("efficiency", 0.0, 1.0), ("dark_probability", 0.0, 1.0))

    def primitives(self, light: Sequence[Mode]) -> tuple[Primitive, ...]:
        return ()

    def label(self) -> Label:
        dark = "" if np.all(np.asarray(self.dark_probability) == 0.0) else f" dark {_number(self.dark_probability)}"
        return Label("click", f"η {_number(self.efficiency)}{dark}", {self.arm: self.polarization or "H+V"})


@dataclass(frozen=True, eq=False)
class NumberResolvingDetector(Element):
    """Counts photons, without dark counts: the Fock route only."""

    arm: str
    polarization: str | None = None
    efficiency: Parameter = field(default=1.0, kw_only=True)
    """Probability that a photon is counted [1]."""
    kind = "detector"
    limits = (("efficiency", 0.0, 1.0),)

    def primitives(self, light: Sequence[Mode]) -> tuple[Primitive, ...]:
        return ()

    def label(self) -> Label:
        return Label("count", f"η {_number(self.efficiency)}", {self.arm: self.polarization or "H+V"})


Detector = ThresholdDetector | NumberResolvingDetector


@dataclass(frozen=True)
class Circuit:
    """Elements in the order in which light meets them, and then the detectors.

    Parameters
    ----------
    elements : sequence of Element
    name : str
        Title of the drawing.

    Raises
    ------
    UserError
        An element acts on an arm that holds no light or was detected already.

    Examples
    --------
    >>> source = Circuit([TwoModeSqueezer("signal.H", "idler.H", squeezing=0.1)])
    >>> seen = source.then(ThresholdDetector("signal", efficiency=0.5), ThresholdDetector("idler", efficiency=0.5))
    >>> [str(m) for m in seen.modes]
    ['signal.H', 'idler.H']
    """

    elements: Sequence[Element]
    name: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "elements", tuple(self.elements))
        self._walk()

    def then(self, *elements: Element) -> Circuit:
        """Return the circuit with elements added at its end."""
        return Circuit((*self.elements, *elements), self.name)

    def replace(self, old: Element, new: Element) -> Circuit:
        """Return the circuit with each element that equals `old` replaced.

        Raises
        ------
        UserError
            There is none.
        """
        if old not in self.elements:
            raise UserError(f"the circuit has no element {old}")
        return Circuit([new if element == old else element for element in self.elements], self.name)

    def _walk(self) -> tuple[tuple[Primitive, ...], tuple[Mode, ...]]:
        light: list[Mode] = []
        steps: list[Primitive] = []
        watched: set[tuple[str, str]] = set()
        for element in self.elements:
            known = {m.arm for m in light}
            if element.kind != "source":
                for arm in element.arms:
                    self._demand_light(element, arm, known, others=len(element.arms) > 1)
            if element.kind == "detector":
                ports = {(arm, p) for arm in element.arms for p in _polarizations(element)}
                if ports & watched:
                    raise UserError(f"{element}: its light is detected already")
                watched |= ports
                continue
            if {arm for arm, _ in watched} & set(element.arms):
                raise UserError(f"{element}: light of its arm is detected already")
            added = element.primitives(light)
            steps += added
            light += [m for step in added for m in dict.fromkeys(step.modes) if m not in light]
        return tuple(steps), tuple(light)

    @staticmethod
    def _demand_light(element: Element, arm: str, known: set[str], *, others: bool) -> None:
        if arm in known or (others and known & set(element.arms)):
            return
        hint = nearest(arm, known)
        raise UserError(f"{type(element).__name__}: arm {arm!r} holds no light{hint} (arms: {', '.join(sorted(known))})")

    @property
    def modes(self) -> tuple[Mode, ...]:
        """Modes that hold light, in the order in which they are lit."""
        return self._walk()[1]

    @property
    def primitives(self) -> tuple[Primitive, ...]:
        """Steps of all elements before the detectors."""
        return self._walk()[0]

    @property
    def detectors(self) -> tuple[Detector, ...]:
        """Detectors, in order."""
        return tuple(e for e in self.elements if isinstance(e, ThresholdDetector | NumberResolvingDetector))

    @property
    def seen(self) -> tuple[tuple[Mode, ...], ...]:
        """Modes that each detector sees, in the order of the detectors."""
        modes = self.modes
        return tuple(tuple(_of(modes, d.arm, d.polarization)) for d in self.detectors)

    def gaussian(self) -> GaussianMoments:
        """Return the normal-ordered moments before the detectors, losses in.

        Returns
        -------
        GaussianMoments
            Over `modes`, with the batch of the parameters in front. Efficiencies are not in: see `detected_moments`.

        Raises
        ------
        UserError
            A number state is no Gaussian state.
        """
        steps, modes = self._walk()
        moments = gaussian.vacuum(len(modes))
        for step in steps:
            moments = _propagate(moments, step, [modes.index(m) for m in step.modes])
        return moments

    def detected_moments(self) -> GaussianMoments:
        """Return the moments of what is detected: over the modes of `seen`, one detector after the other, efficiencies in.

        Returns
        -------
        GaussianMoments

        Raises
        ------
        UserError
            A number state is no Gaussian state, or nothing is detected.
        """
        modes = self.modes
        order = [modes.index(m) for watched in self.seen for m in watched]
        if not order:
            raise UserError("the circuit has no detector that sees light")
        efficiency = [d.efficiency for d, watched in zip(self.detectors, self.seen, strict=True) for _ in watched]
        amplitude = np.sqrt(np.stack(np.broadcast_arrays(*efficiency), axis=-1))
        return gaussian.transform(self.gaussian(), amplitude[..., np.newaxis] * np.eye(len(modes))[order])

    def statistics(
        self,
        backend: Literal["kernel", "gaussian", "fock"] = "kernel",
        *,
        schmidt_modes: ArrayLike = 1.0,
        cutoff: int | None = None,
    ) -> Floats:
        """Return the joint probability of what the detectors say.

        Parameters
        ----------
        backend : str
            ``kernel``: moments and the C kernel, batched, exact for any loss. ``gaussian``: Strawberry Fields' Gaussian
            backend. ``fock``: its Fock backend, for number states and number-resolving detectors.
        schmidt_modes : array_like
            Equal and independent copies of the light that the detectors do not tell apart; ``kernel`` only.
        cutoff : int
            Photon numbers 0 to cutoff - 1 in each mode; ``fock`` only, and needed there.

        Returns
        -------
        ndarray
            One axis a detector, in order, behind the batch: silent and click, or 0, 1, ... photons.

        Raises
        ------
        UserError
            The backend cannot run the circuit; the message says which can.

        Examples
        --------
        >>> source = Circuit([TwoModeSqueezer("signal.H", "idler.H", squeezing=0.1)])
        >>> probability = source.then(ThresholdDetector("signal"), ThresholdDetector("idler")).statistics("gaussian")
        >>> round(float(probability[1, 1]), 6)
        0.009934
        """
        from qphys.optics import backends

        if backend not in backends.BACKENDS:
            raise UserError(f"backend = {backend!r} is unknown{nearest(backend, backends.BACKENDS)}")
        if backend != "kernel" and not np.all(np.asarray(schmidt_modes) == 1.0):
            raise UserError(f"schmidt_modes: backend {backend!r} holds one copy of the light; use 'kernel'")
        if (cutoff is None) == (backend == "fock"):
            raise UserError("cutoff: needed by backend 'fock', and by no other")
        if cutoff is not None:
            return backends.fock(self, cutoff=cutoff)
        return backends.kernel(self, schmidt_modes=schmidt_modes) if backend == "kernel" else backends.gaussian(self)

    def pair_state(self, signal: str = "signal", idler: str = "idler") -> tuple[Complexes, Floats]:
        r"""Return the two-qubit state of a single pair before the detectors, and the mean number of pairs, for weak light.

        .. math:: \rho_{pq,p'q'} \propto \sum_{kl} M_{pk,ql} M^*_{p'k,q'l}

        over polarizations p of the signal, q of the idler and internal modes k, l.

        Parameters
        ----------
        signal, idler : str
            The two arms.

        Returns
        -------
        state : ndarray
            (..., 4, 4) over (HH, HV, VH, VV), trace 1; of the pairs of which both photons are left.
        mean_pair_number : ndarray
            (...), of such pairs, to first order.
        """
        modes, anomalous = self.modes, self.gaussian().anomalous
        internals = sorted({m.internal for m in modes})
        padded = np.zeros((*anomalous.shape[:-2], len(modes) + 1, len(modes) + 1), dtype=np.complex128)
        padded[..., :-1, :-1] = anomalous
        rows, columns = (
            [modes.index(m) if (m := Mode(arm, p, k)) in modes else len(modes) for p in POLARIZATIONS for k in internals]
            for arm in (signal, idler)
        )
        n = len(internals)
        part = padded[..., rows, :][..., columns].reshape(*anomalous.shape[:-2], 2, n, 2, n)
        state = np.einsum("...pkql,...rksl->...pqrs", part, part.conj()).reshape(*anomalous.shape[:-2], 4, 4)
        total = np.einsum("...ii->...", state).real
        if np.any(total == 0.0):
            raise UserError(f"no pairs between arms {signal!r} and {idler!r}")
        return state / total[..., np.newaxis, np.newaxis], total

    def text(self) -> str:
        """Draw the circuit in text, a line of light an arm."""
        from qphys.optics import drawing

        return drawing.text(self)

    def svg(self) -> str:
        """Draw the circuit as an SVG picture."""
        from qphys.optics import drawing

        return drawing.svg(self)

    def _repr_svg_(self) -> str:
        return self.svg()

    def __str__(self) -> str:
        return self.text()


def _propagate(moments: GaussianMoments, step: Primitive, at: list[int]) -> GaussianMoments:
    n = moments.mean.shape[-1]
    match step:
        case Unitary():
            return gaussian.transform(moments, _embed(step.matrix, at, n))
        case TwoModeSqueezing():
            cosh, sinh, one = np.cosh(step.squeezing), np.sinh(step.squeezing), np.exp(1j * np.asarray(step.phase))
            sine = _embed(_matrix(0.0, one * sinh, one * sinh, 0.0), at, n, rest=0.0)
            return gaussian.squeeze(moments, _embed(_matrix(cosh, 0.0, 0.0, cosh), at, n), sine)
        case SingleModeSqueezing():
            sinh = np.exp(1j * np.asarray(step.phase)) * np.sinh(step.squeezing)
            cosine, sine = np.asarray(np.cosh(step.squeezing)), np.asarray(sinh)
            return gaussian.squeeze(moments, _embed(_single(cosine), at, n), _embed(_single(sine), at, n, rest=0.0))
        case Shift():
            return gaussian.displace(moments, np.asarray(step.amplitude)[..., np.newaxis] * np.eye(n)[at[0]])
        case Attenuation():
            passed = gaussian.transform(moments, _embed(_single(np.sqrt(step.transmittance)), at, n))
            return gaussian.add_thermal(passed, np.asarray(step.background)[..., np.newaxis] * np.eye(n)[at[0]])
        case Photons():
            raise UserError("a number state is no Gaussian state: use backend 'fock'")


def _embed(block: ArrayLike, at: list[int], n: int, *, rest: float = 1.0) -> Complexes:
    """Put a block at some modes into a matrix of all."""
    small = np.asarray(block, dtype=np.complex128)
    whole = np.zeros((*small.shape[:-2], n, n), dtype=np.complex128)
    whole[..., range(n), range(n)] = rest
    for row, i in enumerate(at):
        for column, j in enumerate(at):
            whole[..., i, j] = small[..., row, column]
    return whole


def _single(value: Any) -> Complexes:
    return np.asarray(value, dtype=np.complex128)[..., np.newaxis, np.newaxis]


def _matrix(a: ArrayLike, b: ArrayLike, c: ArrayLike, d: ArrayLike) -> Complexes:
    entries = np.stack(np.broadcast_arrays(*(np.asarray(x, dtype=np.complex128) for x in (a, b, c, d))), axis=-1)
    return entries.reshape(*entries.shape[:-1], 2, 2)


def _splitter(transmittance: ArrayLike) -> Complexes:
    through = np.sqrt(np.asarray(transmittance, dtype=np.float64))
    across = 1j * np.sqrt(1.0 - np.asarray(transmittance, dtype=np.float64))
    return _matrix(through, across, across, through)


def _of(light: Sequence[Mode], arm: str, polarization: str | None) -> list[Mode]:
    return [m for m in light if m.arm == arm and polarization in (None, m.polarization)]


def _meeting(light: Sequence[Mode], first: str, second: str) -> list[tuple[Mode, Mode]]:
    if first == second:
        raise UserError(f"a beam splitter joins two arms, not {first!r} with itself")
    here = dict.fromkeys((m.polarization, m.internal) for m in light if m.arm in (first, second))
    return [(Mode(first, *rest), Mode(second, *rest)) for rest in here]


def _polarizations(element: Element) -> tuple[str, ...]:
    polarization = getattr(element, "polarization", None)
    return POLARIZATIONS if polarization is None else (polarization,)


def _short(m: Mode) -> str:
    return m.polarization + (f".{m.internal}" if m.internal else "")


def _number(value: Any) -> str:
    array = np.asarray(value)
    return f"{float(array):.3g}" if array.ndim == 0 else f"({array.size} values)"


def _angle(value: Any, name: str = "") -> str:
    """An angle in degrees; a named one that is zero is left out."""
    array = np.asarray(value)
    if name and array.ndim == 0 and float(array) == 0.0:
        return ""
    shown = f"{float(np.rad2deg(array)):.4g}°" if array.ndim == 0 else f"({array.size} values)"
    return f" {name} {shown}" if name else f"{shown}"
