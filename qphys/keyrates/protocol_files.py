"""Protocols as a TOML file describes them: their key rate by optimisation with proof, or in closed form."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PlainValidator, model_validator

from qphys.errors import UserError, nearest
from qphys.keyrates import numerical_finite
from qphys.keyrates.efficiency_mismatch import ignorance_of_clicks, rate_with_discarding
from qphys.keyrates.entropies import binary_entropy, shannon_leakage
from qphys.keyrates.flag_state import (
    Receiver,
    coherent_statistics,
    flag_constraints,
    photon_statistics,
    squashed_effects,
    squashed_numbers,
)
from qphys.keyrates.numerical import EDGE, Bound, Matrix, Programme, bound, connected_parts
from qphys.keyrates.numerical_finite import Finite
from qphys.keyrates.phase_encoding import (
    BRIGHTEST,
    STATES,
    Pulses,
    basis_fidelity,
    coin_phase_error,
    component_probability,
    encoded_states,
    pulse_statistics,
)
from qphys.record import Record, parse

if TYPE_CHECKING:
    import xarray as xr

Floats = NDArray[np.float64]


def _observed(value: Any) -> float | tuple[float, float]:
    numbers = value if isinstance(value, tuple) else (value,)
    if not all(isinstance(number, int | float) and not isinstance(number, bool) for number in numbers):
        raise ValueError("must be a probability or an interval [low, high]")
    if len(numbers) not in (1, 2) or not all(0.0 <= number <= 1.0 for number in numbers) or numbers[0] > numbers[-1]:
        raise ValueError("must be a probability, 0 to 1, or an interval [low, high] of such")
    return (float(numbers[0]), float(numbers[1])) if len(numbers) == 2 else float(numbers[0])


Chance = Annotated[float, Field(ge=0.0, le=1.0)]
Observed = Annotated[float | tuple[float, float], PlainValidator(_observed)]
"""A probability that is known, or an interval [low, high]."""

STATUS: Final = ("good", "no_key", "inconsistent_statistics", "solver_failed")

SECURITY: Final = (
    "asymptotic, collective attacks: the entropy is proven for every state that meets the statistics, with operators as "
    "given; the statistics are taken as exact probabilities or intervals"
)
FINITE_SECURITY: Final = (
    "finite key, collective attacks, fixed length: {secrecy:.3g}-secret and {correctness:.3g}-correct; entropy of a block: "
    "{source}; the entropy of a trial is proven for every state that the accepted tests leave, with operators as given"
)
COMMON_GAPS: Final = "finite-size terms, coherent attacks in finite blocks"
NOT_COVERED: Final = f"{COMMON_GAPS}, more photons at the receiver than the given measurement has, pulses of discrete phase"
UNSEEN_MODES: Final = (
    "efficiencies that depend on more than the result (arrival time, direction), memory of detectors, "
    "pulses of discrete phase"
)


ZERO: Final = np.array([1.0, 0.0])
ONE: Final = np.array([0.0, 1.0])
PLUS: Final = np.array([1.0, 1.0]) / np.sqrt(2.0)
MINUS: Final = np.array([1.0, -1.0]) / np.sqrt(2.0)
QUBITS: Final = {"Z": (ZERO, ONE), "X": (PLUS, MINUS)}
PAULI_X: Final = np.array([[0.0, 1.0], [1.0, 0.0]])
PAULI_Z: Final = np.diag([1.0, -1.0])
IMAGINARY_Y: Final = np.array([[0.0, 1.0], [-1.0, 0.0]])
"""The Pauli matrix Y times i."""


PULSE_RESULTS: Final = {
    "Z0": np.array([0.0, 1.0, 1.0]) / np.sqrt(2.0),
    "Z1": np.array([0.0, 1.0, -1.0]) / np.sqrt(2.0),
    "X0": np.array([0.0, 1.0, 1.0j]) / np.sqrt(2.0),
    "X1": np.array([0.0, 1.0, -1.0j]) / np.sqrt(2.0),
}
"""What Bob's bits project on: nothing, the first pulse, the second pulse; phases 0 and pi (Z), pi/2 and 3 pi/2 (X)."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a protocol asks of the optimisation, and what makes a key of its answer."""

    programme: Programme
    leakage: float
    """At the Shannon limit, upper bound [bit] a trial."""
    kept: float
    """Probability that a trial is kept, upper end [1]."""
    scale: float = 1.0
    """Trials that the programme speaks of, a trial of the protocol [1], lower bound."""
    trial: str
    """What the key rate is counted by."""
    assumptions: str
    closed_entropy: float | None = None
    """Eve's ignorance in closed form, or a bound of it [bit], where there is one."""
    closed_source: str = ""
    tested: tuple[str, ...] = ()
    """For each observable the group of disclosed trials that tells it in a finite block; empty where it is known."""
    outcomes: Mapping[str, int] = field(default_factory=dict)
    """For each group the number of outcomes of its measurement."""
    kept_lower: float | None = None
    """Lower end of `kept`; none: the same."""
    not_covered: str = NOT_COVERED
    """What lies outside."""
    finite_closed: Callable[[Programme], float] | None = None
    """Eve's ignorance in closed form for other intervals of the same observables."""


class Decoy(Record):
    """Table ``[decoy]``: the programme speaks of single photons, the leakage of all detections."""

    single_photons: Observed
    """Lower bound (the low end counts) of the single photons a signal: emitted ones for kinds that see losses
    (``efficiency-mismatch``, ``generic``), detected ones for ``bb84-qubit`` and ``six-state``."""
    gain: Chance
    """Probability that a signal is kept."""
    error_rate: Chance
    """Of the kept signals."""


class _Protocol(Record):
    error_correction_efficiency: float = Field(default=1.16, ge=1.0)
    """Disclosed bits over the Shannon limit, f_EC."""
    decoy: Decoy | None = None
    finite: Finite | None = None

    def task(self, where: str) -> Task:
        """The programme of this protocol."""
        raise NotImplementedError

    def _with_decoy(self, task: Task) -> Task:
        if self.decoy is None:
            return task
        return Task(
            programme=task.programme,
            leakage=self.decoy.gain * float(binary_entropy(self.decoy.error_rate)),
            kept=self.decoy.gain,
            scale=_ends(self.decoy.single_photons)[0],
            trial="signal in the key basis",
            assumptions=f"{task.assumptions}; phase-randomised pulses, bounds of the single photons as given",
            closed_entropy=task.closed_entropy,
            closed_source=task.closed_source,
        )


class ErrorRates(Record):
    """Error rates by basis [1], numbers or intervals."""

    Z: Observed
    X: Observed


class SixErrorRates(ErrorRates):
    """As above, with the third basis; for the state |00> + |11> unequal results are errors in Z and X, equal ones in Y."""

    Y: Observed


QUBIT_ASSUMPTIONS: Final = (
    "a qubit for each party (single photons, squashing), detection independent of the basis, error rates of the kept signals"
)


class Bb84Qubit(_Protocol):
    """BB84 or BBM92 on qubits: error rates of both bases, key from Z.

    Examples
    --------
    >>> protocol = parse(Bb84Qubit, {"kind": "bb84-qubit", "error_rates": {"Z": 0.05, "X": 0.11}}, "mine.toml")
    >>> round(bound(protocol.task("mine.toml").programme).entropy_lower, 7)  # 1 - h(0.11)
    0.500084
    """

    kind: Literal["bb84-qubit"]
    error_rates: ErrorRates

    def task(self, where: str) -> Task:
        rates = self.error_rates
        return self._with_decoy(
            Task(
                programme=_qubits({"Z": rates.Z, "X": rates.X}),
                leakage=_greatest_entropy(rates.Z),
                kept=1.0,
                trial="signal kept in the key basis",
                assumptions=QUBIT_ASSUMPTIONS,
                closed_entropy=1.0 - _greatest_entropy(rates.X),
                closed_source="1 - h(e_X)",
                tested=("Z", "X"),
                outcomes={"Z": 2, "X": 2},
                finite_closed=lambda wide: 1.0 - _greatest_entropy((float(wide.lower[1]), float(wide.upper[1]))),
            )
        )


class SixState(_Protocol):
    """Six-state protocol on qubits: error rates of three bases, key from Z.

    Examples
    --------
    >>> table = {"kind": "six-state", "error_rates": {"Z": 0.1, "X": 0.1, "Y": 0.1}, "error_correction_efficiency": 1.0}
    >>> task = parse(SixState, table, "mine.toml").task("mine.toml")
    >>> round(bound(task.programme).entropy_lower - task.leakage, 6)  # 1 - h(3e/2) - (3e/2) log2(3)
    0.152415
    """

    kind: Literal["six-state"]
    error_rates: SixErrorRates

    def task(self, where: str) -> Task:
        rates = self.error_rates
        return self._with_decoy(
            Task(
                programme=_qubits({"Z": rates.Z, "X": rates.X, "Y": rates.Y}),
                leakage=_greatest_entropy(rates.Z),
                kept=1.0,
                trial="signal kept in the key basis",
                assumptions=QUBIT_ASSUMPTIONS,
                closed_entropy=_bell_diagonal_entropy(rates),
                closed_source="Bell-diagonal state",
                tested=("Z", "X", "Y"),
                outcomes={"Z": 2, "X": 2, "Y": 2},
            )
        )


Square = tuple[tuple[Observed, Observed], tuple[Observed, Observed]]


CLOSED_MISMATCH: Final = {
    "kept": "Bochkov, Trushechkin 2019, a lower bound of unbalanced statistics",
    "discarded": "Fung et al. 2009",
}


class ClickProbabilities(Record):
    """Probability that detector y clicks [1], given Alice's bit x and that Bob measured in her basis: rows x, columns y."""

    Z: Square
    X: Square


class MismatchChannel(Record):
    """A channel whose statistics stand for measured ones: it transmits or loses, and errs in Z and X independently."""

    transmittance: float = Field(gt=0.0, le=1.0)
    error_rates: ErrorRates

    @model_validator(mode="after")
    def _numbers(self) -> MismatchChannel:
        if isinstance(self.error_rates.Z, tuple) or isinstance(self.error_rates.X, tuple):
            raise ValueError("error_rates of a channel are numbers; intervals belong to click_probabilities")
        return self


class EfficiencyMismatch(_Protocol):
    """BB84 with detectors of unequal efficiency for the bits 0 and 1, the same in both bases; one photon or none arrives.

    Examples
    --------
    >>> table = {"kind": "efficiency-mismatch", "efficiencies": [0.2, 0.1],
    ...          "channel": {"transmittance": 0.1, "error_rates": {"Z": 0.02, "X": 0.02}}}
    >>> task = parse(EfficiencyMismatch, table, "mine.toml").task("mine.toml")
    >>> round(task.kept, 6), round(task.closed_entropy / task.kept, 4)  # Fung et al.: 0.5724
    (0.015, 0.7898)
    """

    kind: Literal["efficiency-mismatch"]
    efficiencies: tuple[Annotated[float, Field(gt=0.0, le=1.0)], Annotated[float, Field(gt=0.0, le=1.0)]]
    """Of the detectors for 0 and 1, their clicks by light; both are trusted, though only their ratio has an effect."""
    surplus: Literal["kept", "discarded"] = "kept"
    """Of the better detector: all bits make key, or its surplus is thrown away at random, as Fung et al. propose."""
    click_probabilities: ClickProbabilities | None = None
    channel: MismatchChannel | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> EfficiencyMismatch:
        if (self.click_probabilities is None) == (self.channel is None):
            raise ValueError("needs click_probabilities (measured) or channel (a model of them), one of both")
        return self

    def _clicks(self) -> tuple[Floats, Floats]:
        """Ends of the joint probabilities of bit and click, (basis, x, y)."""
        if self.click_probabilities is not None:
            table = self.click_probabilities
            return tuple(  # type: ignore[return-value]
                0.5 * np.array([[[_ends(cell)[end] for cell in row] for row in square] for square in (table.Z, table.X)])
                for end in (0, 1)
            )
        assert self.channel is not None
        rates = (self.channel.error_rates.Z, self.channel.error_rates.X)
        right = np.stack([np.array([[1.0 - _ends(e)[0], _ends(e)[0]], [_ends(e)[0], 1.0 - _ends(e)[0]]]) for e in rates])
        joint = 0.5 * self.channel.transmittance * right * np.asarray(self.efficiencies)
        return joint, joint

    def task(self, where: str) -> Task:
        efficiencies = np.asarray(self.efficiencies)
        equal = efficiencies.min() / efficiencies
        lower, upper = self._clicks()
        # Bob's space: nothing, 0, 1
        operators = [np.kron(pauli, np.eye(3)) for pauli in (PAULI_X, PAULI_Z)]
        values = [(0.0, 0.0)] * 2
        for b, states in enumerate(QUBITS.values()):
            for x in (0, 1):
                for y in (0, 1):
                    bob = np.append(0.0, states[y])
                    operators.append(np.kron(np.outer(states[x], states[x]), efficiencies[y] * np.outer(bob, bob)))
                    values.append((lower[b, x, y], upper[b, x, y]))
        weights = equal if self.surplus == "discarded" else np.ones(2)
        filtered = np.hstack([np.zeros((2, 1)), np.diag(np.sqrt(efficiencies * weights))])
        blocks = tuple(np.kron(states[None], filtered).astype(np.complex128) for states in QUBITS["Z"])
        joint = upper[0] * weights
        closed = None
        if np.array_equal(lower, upper):
            fair = lower * equal
            if self.surplus == "discarded":
                phase = float((fair[1, 0, 1] + fair[1, 1, 0]) / fair[1].sum()) if fair[1].sum() > 0.0 else 0.5
                closed = float(rate_with_discarding(fair[0].sum(), 0.0, phase_error=phase))
            else:
                seen = float((fair[1] * [[1, -1], [-1, 1]]).sum()) / np.sqrt(efficiencies.min() / efficiencies.max())
                closed = float(np.nan_to_num(ignorance_of_clicks(*lower[0].sum(axis=0), correlation=seen)))
        return self._with_decoy(
            Task(
                programme=_programme((blocks,), operators, values),
                leakage=shannon_leakage(joint),
                kept=float(min(joint.sum(), 1.0)),
                kept_lower=float((lower[0] * weights).sum()),
                tested=("", "", *(basis for basis in QUBITS for _ in range(4))),
                outcomes={"Z": 6, "X": 6},
                trial="signal sent and measured in the key basis",
                assumptions="one photon or none at the receiver, efficiencies known and equal in both bases, uniform bits",
                closed_entropy=closed,
                closed_source=CLOSED_MISMATCH[self.surplus],
            )
        )


_Event = tuple[int, int, int]
"""Basis and bit of Alice, number of Bob's outcome."""


class Pairs(Record):
    """Numbers of the detectors for 0 and 1, by basis."""

    Z: tuple[Chance, Chance]
    X: tuple[Chance, Chance]


class ThresholdChannel(MismatchChannel):
    """A channel whose statistics stand for measured ones; a second photon may come with Alice's."""

    second_photon: Chance = 0.0
    """Probability that a photon without polarization comes with hers."""


class ThresholdBb84(_Protocol):
    """BB84 with threshold detectors, of unequal efficiency or not, and any number of photons at the receiver.

    Examples
    --------
    >>> pairs = {"Z": [0.2, 0.1], "X": [0.2, 0.1]}
    >>> channel = {"transmittance": 0.1, "error_rates": {"Z": 0.02, "X": 0.02}}
    >>> table = {"kind": "bb84-threshold", "receiver": "passive", "efficiencies": pairs, "channel": channel,
    ...          "squashing": "single-photon-assumed"}
    >>> task = parse(ThresholdBb84, table, "mine.toml").task("mine.toml")
    >>> round(task.kept, 6)  # half of the light to each basis
    0.0075
    """

    kind: Literal["bb84-threshold"]
    receiver: Literal["active", "passive"]
    """The basis is chosen for a trial, or by each photon at a beam splitter."""
    key_basis_probability: float = Field(default=0.5, gt=0.0, lt=1.0)
    """Of Bob's Z basis."""
    efficiencies: Pairs
    """Of all detectors, known."""
    dark_counts: Pairs = Pairs(Z=(0.0, 0.0), X=(0.0, 0.0))
    """Probability of a click without light, known."""
    common_loss: Literal["given-to-eve", "trusted"] = "given-to-eve"
    """Loss that all detectors share: part of the channel, or of the receiver. Either is sound."""
    squashing: Literal["flag-state", "single-photon-assumed"] = "flag-state"
    photons: Literal[1, 2] = 2
    """Numbers of photons described exactly, up to this one; more are flags."""
    double_clicks: Literal["discarded", "random"] = "discarded"
    """Two clicks in the Z basis make no key, or a random bit of Bob."""
    intensities: tuple[Annotated[float, Field(ge=0.0, le=BRIGHTEST)], ...] | None = Field(
        default=None, min_length=1, max_length=6
    )
    """Mean photon numbers of pulses of random phase; the first one makes key, all tell of single photons. None: Alice sends
    single photons."""
    click_probabilities: dict[str, dict[str, Observed]] | tuple[dict[str, dict[str, Observed]], ...] | None = None
    """By Alice's state (``Z0``, ``Z1``, ``X0``, ``X1``) and outcome, given the state; Bob's choice of basis included.
    What is left out is not constrained. With intensities one table for each."""
    channel: ThresholdChannel | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> ThresholdBb84:
        if (self.click_probabilities is None) == (self.channel is None):
            raise ValueError("needs click_probabilities (measured) or channel (a model of them), one of both")
        if max(*self.efficiencies.Z, *self.efficiencies.X) <= 0.0:
            raise ValueError("efficiencies must not all be 0")
        tables = self.click_probabilities
        if self.intensities is None:
            if isinstance(tables, tuple):
                raise ValueError("click_probabilities is one table where there are no intensities")
            return self
        if tables is not None and (isinstance(tables, dict) or len(tables) != len(self.intensities)):
            raise ValueError("click_probabilities needs one table for each of the intensities")
        if self.intensities[0] <= 0.0 or len(set(self.intensities)) < len(self.intensities):
            raise ValueError("intensities must differ, and the first be above 0")
        if self.decoy is not None:
            raise ValueError("decoy: not with intensities, which are the decoys")
        return self

    def _receiver(self, *, common: float = 1.0) -> Receiver:
        return Receiver(
            kind=self.receiver,
            key_basis_probability=self.key_basis_probability,
            efficiencies={b: tuple(eta / common for eta in getattr(self.efficiencies, b)) for b in QUBITS},
            dark_counts={b: getattr(self.dark_counts, b) for b in QUBITS},
        )

    def _tables(self, receiver: Receiver, where: str) -> list[dict[_Event, tuple[float, float]]]:
        """Ends of the probabilities of outcome k given bit x in basis b, by (b, x, k); a table an intensity, else one."""
        if self.channel is not None:
            rates = {b: _ends(getattr(self.channel.error_rates, b))[0] for b in QUBITS}
            more = {"transmittance": self.channel.transmittance, "second_photon": self.channel.second_photon}
            whole = self._receiver()
            modelled = (
                [photon_statistics(whole, error_rates=rates, **more)]
                if self.intensities is None
                else [coherent_statistics(whole, mu, error_rates=rates, **more) for mu in self.intensities]
            )
            return [
                {
                    (b, x, k): (float(value), float(value))
                    for b, basis in enumerate(QUBITS)
                    for x in (0, 1)
                    for k, value in enumerate(told[f"{basis}{x}"])
                }
                for told in modelled
            ]
        given = self.click_probabilities
        if isinstance(given, tuple):
            return [self._table(table, receiver, f"{where}: click_probabilities[{i}]") for i, table in enumerate(given)]
        return [self._table(given or {}, receiver, f"{where}: click_probabilities")]

    def _table(
        self, table: Mapping[str, Mapping[str, Observed]], receiver: Receiver, where: str
    ) -> dict[_Event, tuple[float, float]]:
        found, states = {}, [f"{basis}{x}" for basis in QUBITS for x in (0, 1)]
        for state, row in table.items():
            if state not in states:
                raise UserError(f"{where}.{state}: no state of Alice{nearest(state, states)} (allowed: {', '.join(states)})")
            for outcome, value in row.items():
                if outcome not in receiver.outcomes:
                    told = f"{nearest(outcome, receiver.outcomes)} (allowed: {', '.join(receiver.outcomes)})"
                    raise UserError(f"{where}.{state}.{outcome}: no outcome of this receiver{told}")
                place = states.index(state)
                found[place // 2, place % 2, receiver.outcomes.index(outcome)] = _ends(value)
        return found

    def _of_single_photons(
        self, receiver: Receiver, tables: list[dict[_Event, tuple[float, float]]], used: list[int]
    ) -> dict[tuple[_Event, ...], tuple[float, float]]:
        """Ends of the probabilities of events, their states averaged: of single ones, and with decoys of sums too."""
        if self.intensities is None:
            return {(event,): ends for event, ends in tables[0].items()}
        pulses, names = Pulses(intensities=self.intensities, phases=None), receiver.outcomes
        multiple = [names.index(name) for name in receiver.multiple]
        events: list[tuple[_Event, ...]] = [((b, x, k),) for b in (0, 1) for x in (0, 1) for k in range(len(names))]
        events += [tuple((0, x, k) for k in used) for x in (0, 1)] + [tuple((0, x, k) for x in (0, 1) for k in used)]
        for b, basis in enumerate(QUBITS):
            events += [tuple((b, x, names.index(f"{basis}{x ^ wrong}")) for x in (0, 1)) for wrong in (0, 1)]
            events.append(tuple((b, x, k) for x in (0, 1) for k in multiple))
        found = {}
        for group in events:
            if all(event in table for table in tables for event in group):
                states = len({event[:2] for event in group})
                gains = [tuple(sum(table[event][end] for event in group) / states for end in (0, 1)) for table in tables]
                low, high = pulses.yield_bounds([(low, high) for low, high in gains], component=1)
                # not so rare that the search would take it for never
                found[group] = (low, max(high, 4.0 * EDGE))
        return found

    def _weights(
        self, receiver: Receiver, told: Mapping[tuple[_Event, ...], tuple[float, float]]
    ) -> list[tuple[int, float]]:
        """Photon numbers and how often so many or more come, at most, by the clicks of two detectors or more."""
        multiple = [receiver.outcomes.index(name) for name in receiver.multiple]
        most = []
        for b in (0, 1):
            group = tuple((b, x, k) for x in (0, 1) for k in multiple)
            if group in told:
                most.append(told[group][1])
            elif all((event,) in told for event in group):
                most.append(sum(told[(event,)][1] for event in group) / 2.0)
        weights = [
            (least, 1.0 - receiver.low_photon_weight(min(most, default=1.0), photons=least - 1))
            for least in range(1, self.photons + 2)
        ]
        return [(least, weight) for least, weight in weights if weight < 1.0]

    def task(self, where: str) -> Task:
        common = max(*self.efficiencies.Z, *self.efficiencies.X) if self.common_loss == "given-to-eve" else 1.0
        receiver = self._receiver(common=common)
        flags = self.squashing == "flag-state"
        bob = squashed_effects(receiver, photons=self.photons if flags else 1, flags=flags)
        d = bob.shape[-1]
        operators: list[Any] = [np.kron(pauli, np.eye(d)) for pauli in (PAULI_X, PAULI_Z)]
        values = [(0.0, 0.0)] * 2
        tables = self._tables(receiver, where)
        names = receiver.outcomes
        used = [names.index(name) for name in ("Z0", "Z1", *(["double_Z"] if self.double_clicks == "random" else []))]
        told = self._of_single_photons(receiver, tables, used)
        states = list(QUBITS.values())
        for events, (low, high) in told.items():
            whole = len({event[:2] for event in events}) / 2.0
            operators.append(np.sum([np.kron(np.outer(states[b][x], states[b][x]), bob[k]) for b, x, k in events], axis=0))
            values.append((low * whole, high * whole))
        if flags:
            # implied by the flags' constraints below; it tells the search what is rare
            for least, limit in self._weights(receiver, told) if self.finite is None else ():
                above = np.diag((squashed_numbers(photons=self.photons) >= least).astype(np.float64))
                operators.append(np.kron(np.eye(2), above))
                values.append((0.0, limit))
            known, positive = flag_constraints(receiver, photons=self.photons)
            for diagonal in known:
                on_flags = np.diag(np.append(np.zeros(d - diagonal.size), diagonal))
                operators += [np.kron(alice, on_flags) for alice in (np.eye(2), PAULI_X, PAULI_Z)]
                values += [(0.0, 0.0)] * 3
            for diagonal in positive:
                on_flags = np.diag(np.append(np.zeros(d - diagonal.size), diagonal))
                operators += [np.kron(np.outer(v, v), on_flags) for pair in states for v in pair]
                values += [(0.0, 1.0)] * 4
        observed = tables[0]
        if self.decoy is None and any((0, x, k) not in observed for x in (0, 1) for k in used):
            raise UserError(f"{where}: click_probabilities: the outcomes that make key are needed for Z0 and Z1")
        ends = np.array([[observed.get((0, x, k), (0.0, 0.0)) for k in used] for x in (0, 1)]) / 2.0
        joint = ends[:, :2, 1] + ends[:, 2:, 1].sum(axis=1, keepdims=True) / 2.0  # a double click is either bit
        outside = _root(bob[used].sum(axis=0))
        blocks = tuple(np.asarray(np.kron(state[None], outside), dtype=np.complex128) for state in QUBITS["Z"])
        light = (
            f"any number of photons in any modes, up to {self.photons} exactly"
            if flags
            else "one photon or none at the receiver"
        )
        mu = None if self.intensities is None else self.intensities[0]
        source = "single photons" if mu is None else "pulses of random phase and exact intensities"
        return self._with_decoy(
            Task(
                programme=_programme((blocks,), operators, values),
                leakage=shannon_leakage(joint),
                kept=float(min(joint.sum(), 1.0)),
                kept_lower=float(ends[..., 0].sum()),
                scale=1.0 if mu is None else component_probability(mu, 1, phases=None) * (1.0 - 1e-12),
                tested=()
                if mu is not None
                else tuple(_filled(["", "", *("ZX"[event[0][0]] for event in told)], len(operators))),
                outcomes={"Z": 16, "X": 16},
                trial="signal sent in the key basis"
                if mu is None
                else "pulse of the first intensity, sent in the key basis",
                not_covered=f"{COMMON_GAPS}, {UNSEEN_MODES}" if flags else NOT_COVERED,
                assumptions=f"{source}; {light}; dark counts and efficiencies known, one of each for a result; uniform bits",
            )
        )


class PulseChannel(Record):
    """A channel whose statistics stand for measured ones."""

    transmittance: float = Field(gt=0.0, le=1.0)
    """From Alice's output to a click: detectors, and the half of the light in side slots, are in it."""
    visibility: Chance = 1.0
    """Of the interference."""
    dark_count: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Probability of a click without light in the slot, of each detector."""


class PhaseEncoded(_Protocol):
    """BB84 with double pulses, decoys, and a common phase that takes M values.

    Examples
    --------
    >>> table = {"kind": "phase-encoded", "phases": 16, "intensities": [0.5, 0.1, 0.001],
    ...          "channel": {"transmittance": 0.01, "visibility": 0.98}}
    >>> task = parse(PhaseEncoded, table, "mine.toml").task("mine.toml")
    >>> round(task.kept, 6), task.closed_entropy > 0.8 * task.kept * 0.5
    (0.004988, True)
    """

    kind: Literal["phase-encoded"]
    phases: Annotated[int, Field(ge=2, le=64)] | Literal["continuous"]
    """Values of the common phase of both pulses, equally spaced, each as likely, unknown to Eve."""
    intensities: tuple[Annotated[float, Field(ge=0.0, le=BRIGHTEST)], ...] = Field(min_length=1, max_length=6)
    """Mean photon numbers of both pulses together; the first one makes key, all tell of the channel."""
    click_probabilities: tuple[dict[str, dict[str, Observed]], ...] | None = None
    """For each intensity, by Alice's state and Bob's bit, ``Z0`` to ``X1``, given state and Bob's basis; a double click is
    either bit with one half. Z is the key basis (relative phases 0 and pi), X the test basis."""
    channel: PulseChannel | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> PhaseEncoded:
        if (self.click_probabilities is None) == (self.channel is None):
            raise ValueError("needs click_probabilities (measured) or channel (a model of them), one of both")
        if self.click_probabilities is not None and len(self.click_probabilities) != len(self.intensities):
            raise ValueError("click_probabilities needs one table for each of the intensities")
        if self.intensities[0] <= 0.0 or len(set(self.intensities)) < len(self.intensities):
            raise ValueError("intensities must differ, and the first be above 0")
        if self.decoy is not None:
            raise ValueError("decoy: this kind has its own decoys, the intensities")
        return self

    def _observed(self, where: str) -> list[dict[str, dict[str, tuple[float, float]]]]:
        """Ends by intensity, state and bit."""
        if self.channel is not None:
            channel = self.channel
            told = [
                pulse_statistics(
                    mu, transmittance=channel.transmittance, visibility=channel.visibility, dark_count=channel.dark_count
                )
                for mu in self.intensities
            ]
            return [{x: {y: (p, p) for y, p in row.items()} for x, row in table.items()} for table in told]
        for i, table in enumerate(self.click_probabilities or ()):
            for x in STATES:
                if set(table.get(x, {})) != set(STATES) or set(table) != set(STATES):
                    needed = f"the states and bits {', '.join(STATES)} are needed, all of them"
                    raise UserError(f"{where}: click_probabilities[{i}].{x}: {needed}")
        tables = self.click_probabilities or ()
        return [{x: {y: _ends(cell) for y, cell in row.items()} for x, row in table.items()} for table in tables]

    def task(self, where: str) -> Task:
        observed = self._observed(where)
        phases = None if self.phases == "continuous" else self.phases
        pulses, mu = Pulses(intensities=self.intensities, phases=phases), self.intensities[0]

        known: dict[tuple[tuple[float, float], ...], tuple[float, float]] = {}

        def told(*events: tuple[str, str]) -> tuple[float, float]:
            """Ends of the probability of events, those of Alice's states averaged, for the component of one photon."""
            states = len({x for x, _ in events})
            gains = tuple(
                (sum(table[x][y][0] for x, y in events) / states, sum(table[x][y][1] for x, y in events) / states)
                for table in observed
            )
            if gains not in known:
                known[gains] = pulses.yield_bounds(gains, component=1)
            return known[gains]

        pairs = {"Z": ("Z0", "Z1"), "X": ("X0", "X1")}
        one = [((x, y),) for x in STATES for y in STATES]
        detected = [tuple((x, y) for y in pairs[b]) for x in STATES for b in "ZX"]
        right = {b: tuple(zip(pairs[b], pairs[b], strict=True)) for b in "ZX"}
        wrong = {b: tuple(zip(pairs[b], pairs[b][::-1], strict=True)) for b in "ZX"}
        whole = {(a, b): tuple((x, y) for x in pairs[a] for y in pairs[b]) for a in "ZX" for b in "ZX"}
        ends = {events: told(*events) for events in (*one, *detected, *right.values(), *wrong.values(), *whole.values())}
        # the channel as a state, a quarter of its Choi operator: Alice's half is flat, and the operators carry her states
        states = dict(zip(STATES, encoded_states(mu, 1, phases=phases), strict=True))
        operators: list[Any] = []
        values: list[tuple[float, float]] = []
        for events, limits in ends.items():
            mean = 4.0 / len({x for x, _ in events})
            operators.append(
                np.sum(
                    [
                        mean
                        * np.kron(np.outer(states[x].conj(), states[x]), np.outer(PULSE_RESULTS[y], PULSE_RESULTS[y].conj()))
                        for x, y in events
                    ],
                    axis=0,
                )
            )
            values.append(limits)
        for matrix in _hermitian_basis(4, real=False):
            operators.append(np.kron(matrix, np.eye(3)))
            values.append((float(np.trace(matrix).real) / 4.0,) * 2)
        light = np.eye(3)[1:]
        blocks = tuple(np.asarray(np.kron(np.sqrt(2.0) * states[x][None], light), dtype=np.complex128) for x in pairs["Z"])
        joint = np.array([[0.5 * observed[0][x][y][1] for y in pairs["Z"]] for x in pairs["Z"]])
        errors, rights = ends[wrong["X"]][1], ends[right["X"]][0]
        gain = min(ends[whole["Z", "X"]][0], ends[whole["X", "X"]][0])
        phase = coin_phase_error(
            errors / (errors + rights) if errors > 0.0 else 0.0, fidelity=basis_fidelity(mu, 1, phases=phases), gain=gain
        )
        return Task(
            programme=_programme((blocks,), operators, values),
            leakage=shannon_leakage(joint),
            kept=float(min(joint.sum(), 1.0)),
            scale=component_probability(mu, 1, phases=phases) * (1.0 - 1e-12),
            trial="pulse of the first intensity, sent and measured in the key basis",
            assumptions=(
                f"{'phases of any value' if phases is None else f'{phases} exact phases'}, as likely and unknown to Eve; "
                "intensities exact; equal detectors, basis of Bob chosen for each trial, double clicks as random bits, "
                "photons at the receiver squashed"
            ),
            not_covered=f"{COMMON_GAPS}, efficiency mismatch, intensities or phases that are off or correlated",
            closed_entropy=float(ends[whole["Z", "Z"]][0] * (1.0 - binary_entropy(phase))),
            closed_source="decoy bounds and the coin argument, a lower bound",
        )


def _amplitude(value: Any) -> complex:
    try:
        found = complex(value)
    except (TypeError, ValueError):
        raise ValueError("must be a number or text such as '0.5-0.5j'") from None
    if isinstance(value, bool) or not np.isfinite(found):
        raise ValueError("must be a finite number or text such as '0.5-0.5j'")
    return found


Amplitude = Annotated[complex, PlainValidator(_amplitude)]


class Element(Record):
    """A state that Alice prepares, or an effect of a measurement: a vector (normalised here) or a matrix, by a weight."""

    name: str = Field(min_length=1)
    state: tuple[Amplitude, ...] | None = None
    """Amplitudes, such as ``[1, "1j"]``."""
    matrix: tuple[tuple[Amplitude, ...], ...] | None = None
    """Density matrix or effect, for what is not pure."""
    rest: bool = False
    """The effect that completes the measurement; for one element of a party at most."""
    weight: float = Field(default=1.0, gt=0.0, le=1.0)
    """Probability of a prepared state; factor of an effect, such as the probability of the basis."""
    announcement: str = ""
    """What the party says in public of this element."""
    key: int | None = Field(default=None, ge=0, le=15)
    """Alice's key value; none: it tests only."""

    @model_validator(mode="after")
    def _one_of_three(self) -> Element:
        if (self.state is not None) + (self.matrix is not None) + self.rest != 1:
            raise ValueError(f"element '{self.name}' needs one of state, matrix, rest = true")
        return self


class Generic(_Protocol):
    """Any protocol of finite dimension, with direct reconciliation."""

    kind: Literal["generic"]
    source: Literal["prepared", "entangled"]
    """``prepared``: Alice sends states, her part of the joint state is known; ``entangled``: she measures, it is not."""
    alice: tuple[Element, ...] = Field(min_length=1)
    bob: tuple[Element, ...] = Field(min_length=1)
    keep: tuple[tuple[str, str], ...] | None = None
    """Pairs of announcements, Alice's and Bob's, that make key; default: equal ones for which Alice has key values."""
    probabilities: dict[str, tuple[Observed, ...]] = Field(min_length=1)
    """By Alice's element, those of Bob's elements in their order; given the state for a prepared source, else joint.
    Elements that are left out are not constrained."""
    leakage: float | None = Field(default=None, ge=0.0)
    """At the Shannon limit [bit] a trial; needed where the statistics of kept elements are left out."""

    def task(self, where: str) -> Task:
        bob, dims_b = _effects(self.bob, f"{where}: bob")
        if self.source == "entangled":
            alice, dims_a = _effects(self.alice, f"{where}: alice")
            marginal: Matrix | None = None
            scale = np.ones(len(self.alice))
        else:
            alice, marginal = _source_replacement(self.alice, f"{where}: alice")
            dims_a, scale = marginal.shape[0], np.array([element.weight for element in self.alice])
        names = [element.name for element in self.alice]
        kept = self._kept(where)
        operators: list[Any] = []
        values: list[tuple[float, float]] = []
        ends = np.full((2, len(names), len(self.bob)), np.nan)
        for name, row in self.probabilities.items():
            if name not in names:
                raise UserError(
                    f"{where}: probabilities.{name}: no element of alice{nearest(name, names)} (allowed: {', '.join(names)})"
                )
            if len(row) != len(self.bob):
                raise UserError(
                    f"{where}: probabilities.{name}: {len(row)} values, {len(self.bob)} are needed, one an element of bob"
                )
            x = names.index(name)
            for y, cell in enumerate(row):
                low, high = _ends(cell)
                ends[:, x, y] = low * scale[x], high * scale[x]
                operators.append(np.kron(alice[x], bob[y]))
                values.append((ends[0, x, y], ends[1, x, y]))
        tested = len(operators)
        if marginal is not None:
            is_real = not any(np.any(np.imag(effect)) for effect in (*alice, *bob))
            for basis in _hermitian_basis(dims_a, real=is_real):
                operators.append(np.kron(basis, np.eye(dims_b)))
                value = float(np.trace(basis @ marginal).real)
                values.append((value, value))
        blocks, leakage, probability, least = [], 0.0, 0.0, 0.0
        for spoken, heard in kept:
            ours = [i for i, element in enumerate(self.alice) if element.announcement == spoken]
            theirs = [i for i, element in enumerate(self.bob) if element.announcement == heard]
            outside = _root(np.sum([bob[y] for y in theirs], axis=0))
            keys = sorted({key for x in ours if (key := self.alice[x].key) is not None})
            by_key = [[x for x in ours if self.alice[x].key == key] for key in keys]
            inside = [_root(np.sum([alice[x] for x in xs], axis=0)) for xs in by_key]
            blocks.append(tuple(np.asarray(np.kron(root, outside), dtype=np.complex128) for root in inside))
            joint = np.array([[ends[1][xs, y].sum() for y in theirs] for xs in by_key])
            leakage += shannon_leakage(joint)
            probability += float(joint.sum())
            least += float(ends[0][np.ix_(ours, theirs)].sum())
        if self.leakage is not None:
            leakage = self.leakage
        elif self.decoy is None and np.isnan(probability):
            raise UserError(f"{where}: leakage: missing; it is required where kept elements have no probabilities")
        assumptions = (
            f"measurements{'' if marginal is None else ' and states'} as given, one-way error correction from Alice"
        )
        return self._with_decoy(
            Task(
                programme=_programme(tuple(blocks), operators, values),
                leakage=leakage,
                kept=min(probability, 1.0),
                kept_lower=least,
                trial="trial",
                tested=("all",) * tested + ("",) * (len(operators) - tested),
                outcomes={"all": len(self.alice) * len(self.bob)},
                assumptions=assumptions,
            )
        )

    def _kept(self, where: str) -> list[tuple[str, str]]:
        """Pairs of announcements that make key; each of Alice's elements in them needs a key value."""
        ours, theirs = ({element.announcement for element in party} for party in (self.alice, self.bob))
        if self.keep is None:
            silent = {element.announcement for element in self.alice if element.key is None}
            pairs = [(name, name) for name in sorted((ours & theirs) - silent)]
        else:
            pairs = list(dict.fromkeys(self.keep))
        for spoken, heard in pairs:
            for name, known, party in ((spoken, ours, "alice"), (heard, theirs, "bob")):
                if name not in known:
                    raise UserError(f"{where}: keep = '{name}': no announcement of {party}{nearest(name, known)}")
            for element in self.alice:
                if element.announcement == spoken and element.key is None:
                    raise UserError(f"{where}: alice: element '{element.name}': key: missing; its announcement is kept")
        if not pairs:
            raise UserError(f"{where}: keep: no announcement of alice, with key values, is one of bob's; nothing makes key")
        return pairs


KINDS: Final[dict[str, type[_Protocol]]] = {
    "bb84-qubit": Bb84Qubit,
    "six-state": SixState,
    "efficiency-mismatch": EfficiencyMismatch,
    "bb84-threshold": ThresholdBb84,
    "phase-encoded": PhaseEncoded,
    "generic": Generic,
}
"""Value of the key ``kind`` and its record."""


def _ends(value: Observed) -> tuple[float, float]:
    return value if isinstance(value, tuple) else (value, value)


def _filled(groups: list[str], length: int) -> list[str]:
    return groups + [""] * (length - len(groups))


def _greatest_entropy(value: Observed) -> float:
    low, high = _ends(value)
    return float(binary_entropy(min(max(0.5, low), high)))


def _bell_diagonal_entropy(rates: SixErrorRates) -> float | None:
    """1 + h(e_Z) - H(eigenvalues): Eve's ignorance of Z for the only Bell-diagonal state with these error rates."""
    if any(isinstance(rate, tuple) for rate in (rates.Z, rates.X, rates.Y)):
        return None
    z, x, y = (_ends(rate)[0] for rate in (rates.Z, rates.X, rates.Y))
    weights = np.array([1.0 - (z + x + y) / 2.0, (z + x - y) / 2.0, (z + y - x) / 2.0, (x + y - z) / 2.0])
    if np.any(weights < -1e-12):
        return None
    weights = weights[weights > 0.0]
    return float(1.0 + binary_entropy(z) + (weights * np.log2(weights)).sum())


def _programme(blocks: tuple[tuple[Matrix, ...], ...], operators: list[Any], values: list[tuple[float, float]]) -> Programme:
    ends = np.array(values, dtype=np.float64)
    return Programme(blocks=blocks, operators=np.stack(operators).astype(np.complex128), lower=ends[:, 0], upper=ends[:, 1])


def _qubits(rates: Mapping[str, Observed]) -> Programme:
    """Two qubits; an error in Z or X is an unequal result, in Y an equal one."""
    correlation = {"Z": np.kron(PAULI_Z, PAULI_Z), "X": np.kron(PAULI_X, PAULI_X), "Y": np.kron(IMAGINARY_Y, IMAGINARY_Y)}
    identity = np.eye(4)
    operators = [(identity - correlation[basis]) / 2.0 for basis in rates]
    whole = identity.astype(np.complex128)
    return _programme(((whole[:2], whole[2:]),), operators, [_ends(rate) for rate in rates.values()])


def _array(element: Element, where: str) -> Matrix:
    """The matrix of an element without its weight."""
    place = f"{where}: element '{element.name}'"
    if element.state is not None:
        vector = np.array(element.state)
        if not np.linalg.norm(vector) > 0.0:
            raise UserError(f"{place}: state: must not be zero")
        return np.asarray(np.outer(vector, vector.conj()) / np.vdot(vector, vector).real, dtype=np.complex128)
    rows = element.matrix or ()
    if not rows or any(len(row) != len(rows) for row in rows):
        raise UserError(f"{place}: matrix: must be square")
    matrix = np.array(rows, dtype=np.complex128)
    if not np.allclose(matrix, matrix.conj().T, rtol=0.0, atol=1e-12):
        raise UserError(f"{place}: matrix: must be Hermitian")
    if np.linalg.eigvalsh(matrix)[0] < -1e-12:
        raise UserError(f"{place}: matrix: must have no negative eigenvalue")
    return (matrix + matrix.conj().T) / 2.0


def _given(elements: tuple[Element, ...], where: str) -> dict[int, Matrix]:
    """Matrices of the elements that have one, all of one size, names once each."""
    names = [element.name for element in elements]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"{where}: element '{name}' is there more than once")
    found = {i: _array(element, where) for i, element in enumerate(elements) if not element.rest}
    sizes = {matrix.shape[0] for matrix in found.values()}
    if len(sizes) != 1:
        raise UserError(f"{where}: elements of dimensions {sorted(sizes)}, one is needed")
    return found


def _effects(elements: tuple[Element, ...], where: str) -> tuple[list[Matrix], int]:
    """Effects of a measurement, complete, and their dimension."""
    given = _given(elements, where)
    effects = {i: elements[i].weight * matrix for i, matrix in given.items()}
    d = next(iter(effects.values())).shape[0]
    left = np.eye(d) - np.sum(list(effects.values()), axis=0)
    rests = [i for i, element in enumerate(elements) if element.rest]
    if len(rests) > 1:
        raise UserError(f"{where}: more than one element with rest = true")
    if rests:
        effects[rests[0]] = left
        if np.linalg.eigvalsh(left)[0] < -1e-12:
            raise UserError(f"{where}: the effects sum to more than the identity")
    elif np.abs(left).max() > 1e-12:
        raise UserError(
            f"{where}: the effects do not sum to the identity (off by {np.abs(left).max():.3g}); mend the weights or give "
            "one element rest = true"
        )
    return [effects[i] for i in range(len(elements))], d


def _source_replacement(elements: tuple[Element, ...], where: str) -> tuple[list[Matrix], Matrix]:
    r"""Alice's measurement on her half of an entangled state that prepares these states, and her half's state.

    With the mean state :math:`\sigma = \sum_x p_x \sigma_x`, diagonal in its own basis, the effect
    :math:`P_x = p_x (\sigma^{-1/2} \sigma_x \sigma^{-1/2})^T` on the purification :math:`\sum_i \sqrt{\lambda_i} |ii\rangle`
    prepares :math:`\sigma_x` with probability :math:`p_x`. Alice's space has the dimension of what the states span, so that
    the joint state can have full rank.
    """
    for element in elements:
        if element.rest:
            raise UserError(f"{where}: element '{element.name}': rest = true is for effects; a prepared state is needed")
    states = _given(elements, where)
    total = sum(element.weight for element in elements)
    if abs(total - 1.0) > 1e-9:
        raise UserError(f"{where}: weights of prepared states are their probabilities and sum to {total:.12g}, not to 1")
    weighted = [elements[i].weight * states[i] / np.trace(states[i]).real for i in range(len(elements))]
    values, vectors = np.linalg.eigh(np.sum(weighted, axis=0))
    some = values > 1e-14
    values, vectors = values[some], vectors[:, some]
    scaled = vectors / np.sqrt(values)
    effects = [(scaled.conj().T @ state @ scaled).T for state in weighted]
    return [(effect + effect.conj().T) / 2.0 for effect in effects], np.diag(values).astype(np.complex128)


def _hermitian_basis(d: int, *, real: bool) -> list[Matrix]:
    """Observables that tell a state of Alice; with real operators throughout the imaginary ones add nothing."""
    found = []
    for j in range(d):
        for k in range(j, d):
            matrix = np.zeros((d, d), dtype=np.complex128)
            matrix[j, k] = matrix[k, j] = 1.0
            found.append(matrix)
            if not real and k > j:
                matrix = np.zeros((d, d), dtype=np.complex128)
                matrix[j, k], matrix[k, j] = 1j, -1j
                found.append(matrix)
    return found


def _root(effect: Matrix) -> Matrix:
    """B with B^dagger B the effect, a row for each eigenvalue above rounding."""
    if not np.any(np.imag(effect)):
        effect = np.real(effect)
    greatest = max(float(np.linalg.eigvalsh(effect)[-1]), 1e-300)
    rows = []
    for part in connected_parts(effect != 0.0):  # so that rows do not mix what the effect keeps apart
        values, vectors = np.linalg.eigh(effect[np.ix_(part, part)])
        some = values > 1e-15 * greatest
        rows.append(np.zeros((int(some.sum()), effect.shape[0]), dtype=np.complex128))
        rows[-1][:, part] = (vectors[:, some] * np.sqrt(values[some])).conj().T
    return np.concatenate(rows)


UNITS: Final[dict[str, tuple[str, str]]] = {
    "key_rate": ("bit", "secret key rate, proven lower bound"),
    "key_rate_estimate": ("bit", "key rate of the solver's state, unproven"),
    "key_fraction": ("bit", "key rate for each kept trial"),
    "entropy_lower": ("bit", "Eve's ignorance of the key, proven lower bound"),
    "entropy_estimate": ("bit", "Eve's ignorance of the key at the solver's state, unproven"),
    "gap": ("bit", "unproven less proven entropy"),
    "closed_form_key_rate": ("bit", "key rate in closed form, for comparison"),
    "leakage": ("bit", "disclosed by error correction, upper bound"),
    "kept_probability": ("1", "probability that a trial is kept, upper end"),
    "key_length": ("bit", "secret key of the finite block"),
    "kept_trials": ("1", "trials of the block that make key, at least"),
    "block_entropy": ("bit", "proven entropy of the kept trials"),
    "entropy_cost": ("bit", "less for the finite block and for hashing"),
    "verification": ("bit", "disclosed to verify that the keys agree"),
    "kept_probability_upper": ("1", "probability that a trial is kept, upper bound"),
    "misfit": ("1", "largest distance of the solver's state from the statistics"),
    "status": ("", "why there is no key; 0 where there is one"),
}


def keyrate(
    protocol: str | Path | Mapping[str, Any], *, numerical: bool = True, overrides: Mapping[str, Any] | None = None
) -> xr.Dataset:
    r"""Secret key rate of a protocol that a file describes: asymptotic, or of a finite block with a table ``[finite]``.

    .. math:: R = s \min_\rho f(\rho) - f_{EC} H(K|B)

    Parameters
    ----------
    protocol : path or mapping
        A protocol's TOML file, or its table.
    numerical : bool, optional
        By optimisation with a proof that does not trust the solver; False: in closed form, where the kind has one.
    overrides : mapping, optional
        Values put over the file's, by dotted key.

    Returns
    -------
    xarray.Dataset
        Without dimensions: ``key_rate`` [bit], ``entropy_lower``, ``gap``, ``leakage``, ``status`` and more; attributes say
        what the rate is counted by, what it claims and what it assumes.

    Raises
    ------
    UserError
        The file is wrong, or has no closed form.

    Notes
    -----
    Security: against collective attacks, asymptotic or as `qphys.keyrates.numerical_finite` says, under the attribute
    ``assumptions``; what the attribute ``not_covered`` lists is outside. Fails closed: inconsistent statistics, or a solver
    that fails, give key 0 and a status.

    Examples
    --------
    >>> import qphys
    >>> result = qphys.keyrate("runs/protocols/bb84-qubit.toml")
    >>> round(result.key_rate.item(), 6), result.gap.item() < 1e-7
    (0.50974, True)
    >>> qphys.keyrate("runs/protocols/bb84-qubit.toml", overrides={"error_rates.X": [0.02, 0.05]}).key_rate.item() < 0.5
    True
    """
    where, table = _read(protocol)
    for key, value in (overrides or {}).items():
        table = _put(table, key.split("."), value, where)
    kind = table.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        told = "missing; it is required" if kind is None else f"unknown{nearest(str(kind), KINDS)}"
        place = "kind" if kind is None else f"kind = {kind!r}"
        raise UserError(f"{where}: {place}: {told} (allowed: {', '.join(KINDS)})")
    chosen: Any = parse(KINDS[kind], table, where)
    task = chosen.task(where)
    efficiency = chosen.error_correction_efficiency
    if chosen.finite is not None:
        task = _finite_task(task, chosen, where)
    if numerical:
        found = bound(task.programme)
    elif task.closed_entropy is None:
        raise UserError(f"{where}: kind = '{chosen.kind}' has no closed form for these statistics; use the numerical rate")
    else:
        found = Bound(entropy_lower=task.closed_entropy, entropy_estimate=task.closed_entropy, misfit=0.0, status="good")
    return _result(chosen, task, found, numerical=numerical, efficiency=efficiency)


def _finite_task(task: Task, chosen: Any, where: str) -> Task:
    """The task with the intervals that the tests of a finite block leave."""
    if chosen.decoy is not None:
        raise UserError(
            f"{where}: finite: not with a table [decoy], whose bounds are of infinite statistics; give a statistics file"
        )
    if not any(task.tested) or len(task.tested) != task.programme.lower.size:
        raise UserError(f"{where}: finite: kind = '{chosen.kind}' has no finite-size terms")
    if not np.isfinite(task.kept):
        raise UserError(f"{where}: finite: kept elements without probabilities; the length of the block is not known")
    epsilon = chosen.finite.share("tests") * (1.0 if task.kept >= 1.0 else 0.5)  # the other half: see `_finite_result`
    wide = numerical_finite.widened(task.programme, task.tested, task.outcomes, chosen.finite, where, epsilon=epsilon)
    closed = None if task.finite_closed is None else task.finite_closed(wide)
    return replace(task, programme=wide, closed_entropy=closed)


def _read(protocol: str | Path | Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    from qphys.catalogue import read_toml

    if isinstance(protocol, Mapping):
        return "protocol", dict(protocol)
    return str(protocol), read_toml(Path(protocol))


def _put(table: Mapping[str, Any], path: list[str], value: Any, where: str) -> dict[str, Any]:
    """A copy of the table with one value in it."""
    if len(path) == 1:
        return dict(table) | {path[0]: value}
    inner = table.get(path[0], {})
    if not isinstance(inner, Mapping):
        raise UserError(f"{where}: {'.'.join(path)}: '{path[0]}' is no table")
    return dict(table) | {path[0]: _put(inner, path[1:], value, where)}


def _result(chosen: Any, task: Task, found: Bound, *, numerical: bool, efficiency: float) -> xr.Dataset:
    if chosen.finite is not None:
        return _finite_result(chosen, task, found, numerical=numerical, efficiency=efficiency)
    disclosed = efficiency * task.leakage
    good = found.status == "good"
    rate = task.scale * found.entropy_lower - disclosed
    rate = rate - 1e-15 if numerical else rate  # rounding of these two lines
    positive = bool(good and np.isfinite(rate) and rate > 0.0)
    status = found.status if not good else "good" if positive else "no_key"
    closed = np.nan if task.closed_entropy is None else max(task.scale * task.closed_entropy - disclosed, 0.0)
    values = {
        "key_rate": rate if positive else 0.0,
        "key_rate_estimate": max(task.scale * found.entropy_estimate - disclosed, 0.0) if good else 0.0,
        "key_fraction": rate / task.kept if positive and task.kept > 0.0 else 0.0,
        "entropy_lower": task.scale * found.entropy_lower,
        "entropy_estimate": task.scale * found.entropy_estimate,
        "gap": task.scale * found.gap,
        "closed_form_key_rate": closed,
        "leakage": disclosed,
        "kept_probability": task.kept,
        "misfit": found.misfit,
        "status": np.int8(STATUS.index(status)),
    }
    return _dataset(chosen, task, values, numerical=numerical, efficiency=efficiency)


def _dataset(chosen: Any, task: Task, values: Mapping[str, Any], *, numerical: bool, efficiency: float) -> xr.Dataset:
    """Values with their units, and what they claim."""
    import xarray as xr

    result = xr.Dataset(
        {name: ((), value, {"units": UNITS[name][0], "long_name": UNITS[name][1]}) for name, value in values.items()}
    )
    result["status"].attrs |= {"flag_values": np.arange(len(STATUS), dtype=np.int8), "flag_meanings": " ".join(STATUS)}
    del result["status"].attrs["units"]
    result.attrs |= {
        "title": chosen.title,
        "protocol": chosen.kind,
        "proof": "tangent plane with dual certificate, 60 digits" if numerical else f"closed form: {task.closed_source}",
        "security": SECURITY,
        "assumptions": task.assumptions,
        "not_covered": task.not_covered,
        "counted_by": task.trial,
        "error_correction_efficiency": efficiency,
        "closed_form": task.closed_source,
    }
    return result


def _finite_result(chosen: Any, task: Task, found: Bound, *, numerical: bool, efficiency: float) -> xr.Dataset:
    """The key of a finite block as rates, lengths and their parts."""
    own: Finite = chosen.finite
    trials = float(np.floor(own.trials))
    least = task.kept if task.kept_lower is None else task.kept_lower
    kept = float(np.floor(trials * least))
    most = 1.0
    if task.kept < 1.0:
        end = numerical_finite.clopper_pearson(0.0, trials * task.kept, trials=trials, epsilon=own.share("tests") / 2.0)
        most = float(end[1])
    keys = max(len(blocks) for blocks in task.programme.blocks)
    disclosed = trials * efficiency * task.leakage
    good = found.status == "good" and most > 0.0

    def length(entropy: float | None) -> numerical_finite.Length:
        return numerical_finite.length(
            np.nan if entropy is None or not good else kept * entropy / most,
            kept,
            keys=keys,
            leakage=disclosed,
            security_epsilon=own.security_epsilon,
            correctness_epsilon=own.correctness_epsilon,
            entropy_bound=own.entropy_bound,
        )

    key, estimate = length(found.entropy_lower), length(found.entropy_estimate)
    status = found.status if found.status != "good" else "good" if key.key_length > 0.0 else "no_key"
    values = {
        "key_rate": key.key_length / trials,
        "key_rate_estimate": estimate.key_length / trials,
        "key_fraction": key.key_length / kept if kept > 0.0 else 0.0,
        "key_length": key.key_length,
        "kept_trials": kept,
        "entropy_lower": found.entropy_lower,
        "entropy_estimate": found.entropy_estimate,
        "gap": found.gap,
        "closed_form_key_rate": np.nan if task.closed_entropy is None else length(task.closed_entropy).key_length / trials,
        "block_entropy": key.entropy if good else 0.0,
        "entropy_cost": key.entropy_cost,
        "leakage": disclosed / trials,
        "verification": key.verification,
        "kept_probability": task.kept,
        "kept_probability_upper": most,
        "misfit": found.misfit,
        "status": np.int8(STATUS.index(status)),
    }
    result = _dataset(chosen, task, values, numerical=numerical, efficiency=efficiency)
    claim = {"secrecy": own.security_epsilon, "correctness": own.correctness_epsilon}
    result.attrs |= {
        "security": FINITE_SECURITY.format(source=numerical_finite.SOURCES[own.entropy_bound], **claim),
        "not_covered": task.not_covered.removeprefix("finite-size terms, ").replace(" in finite blocks", ""),
        "security_epsilon_of_key": own.security_epsilon,
        "correctness_epsilon_of_key": own.correctness_epsilon,
        "epsilon_split": f"secrecy in {len(numerical_finite.SHARES[own.entropy_bound])} equal parts: "
        + ", ".join(numerical_finite.SHARES[own.entropy_bound]),
        "finite": json.dumps(own.model_dump(exclude={"title", "model", "origin"}), sort_keys=True),
    }
    return result


def keyrate_rows(result: xr.Dataset) -> list[dict[str, Any]]:
    """The result of `keyrate` as a table: a row a quantity, with its unit and meaning.

    Examples
    --------
    >>> import qphys
    >>> rows = keyrate_rows(qphys.keyrate("runs/protocols/bb84-qubit.toml", numerical=False))
    >>> rows[0]["quantity"], round(rows[0]["value"], 6), rows[-1]["value"]
    ('key_rate', 0.50974, 'good')
    """
    from qphys.keyrates.table import status_names

    found: list[dict[str, Any]] = []
    for name, variable in result.data_vars.items():
        if name == "status":
            value: Any = status_names(variable)[0]
        elif np.isnan(value := float(variable.item())):
            continue
        found.append(
            {
                "quantity": str(name),
                "value": value,
                "unit": variable.attrs.get("units", ""),
                "meaning": variable.attrs["long_name"],
            }
        )
    return found
