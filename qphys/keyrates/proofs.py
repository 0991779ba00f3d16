"""Registry of proofs: what each one claims, takes, spends its epsilon on, assumes and leaves out.

A new proof is an entry of `PROOFS`, its name among those of the protocol's settings, and a kernel in the protocol's file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal

from qphys.errors import UserError
from qphys.keyrates import linear_programme
from qphys.statistics import schema

BBM92: Final = "bbm92"
CHSH: Final = "chsh"

Attack = Literal["coherent", "collective", "asymptotic", "none"]
Length = Literal["fixed", "variable", "none"]
Shares = Callable[[str, int], Mapping[str, int]]
"""`key_from` of the settings and number of intensities -> part -> equal shares of a block's secrecy epsilon."""

EFFECTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "afterpulsing": "afterpulsing",
        "dead_time": "dead time",
        "efficiency_mismatch": "efficiency mismatch",
        "basis_mismatch": "mismatch between the bases",
        "discrete_phases": "discrete phases",
        "intensity_fluctuation": "intensity fluctuation",
        "intensity_correlation": "intensity correlation",
        "basis_dependent_preparation": "state preparation that depends on the basis",
        "background": "background",
        "double_clicks": "double clicks",
        "misalignment": "misalignment",
    }
)
"""Effect that may be in the counts -> what it is called in a sentence."""

ASSUMPTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "phase_randomised": "pulses are phase-randomised coherent states of the claimed mean photon numbers",
        "independent_settings": "a pulse's intensity is drawn independently of its bit and of all other pulses",
        "uniform_bits": "the sender's bits are uniform",
        "alike_bases": "both bases of the sender look alike for one photon",
        "qubit_of_one_party": "one party's measurements are those of a qubit in unbiased bases",
        "basis_independent_detection": "the probability of a detection does not depend on the receiver's basis",
        "memoryless_receiver": "no detection depends on an earlier one",
        "random_double_clicks": "a double click within a basis gets a random bit",
        "acceptance_met": "the counts meet an acceptance test and a key length fixed before the run",
        "authenticated_channel": "the classical channel is authenticated",
        "no_side_channels": "no side channels at either end",
        "fair_sampling": "coincidences are a fair part of all pairs, double clicks dropped",
        "random_settings": "settings are drawn at random for each trial (the game's P value)",
        "independent_trials": "trials are independent (Gaussian interval and Hoeffding bound)",
    }
)
"""Short name of an assumption -> what it says."""

OF_PULSES: Final = (
    "phase_randomised",
    "independent_settings",
    "uniform_bits",
    "alike_bases",
    "basis_independent_detection",
    "memoryless_receiver",
    "random_double_clicks",
    "authenticated_channel",
    "no_side_channels",
)
"""Assumptions of decoy-state BB84."""

OF_PAIRS: Final = (
    "qubit_of_one_party",
    "basis_independent_detection",
    "memoryless_receiver",
    "random_double_clicks",
    "authenticated_channel",
    "no_side_channels",
)
"""Assumptions of BBM92; nothing is assumed of the source."""

OUTSIDE_OF_PULSES: Final = (
    "afterpulsing",
    "dead_time",
    "efficiency_mismatch",
    "basis_mismatch",
    "discrete_phases",
    "intensity_fluctuation",
    "intensity_correlation",
    "basis_dependent_preparation",
)
OUTSIDE_OF_PAIRS: Final = ("afterpulsing", "dead_time", "efficiency_mismatch", "basis_mismatch")

ONE_DECOY_OPTIONS: Final = MappingProxyType(
    {"key_from": ("all",), "tail_bound": ("hoeffding",), "sampling_bound": ("own", "exact", "exact_smoothing")}
)


def no_shares(key_from: str, intensities: int) -> Mapping[str, int]:
    """Nothing to share: an asymptotic proof, or one that does not share equally."""
    return {}


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What a proof claims and what it takes."""

    name: str
    """As in the settings."""
    protocol: str
    """As in the attribute of a statistics file."""
    attack: Attack
    """Against whom: coherent, collective, asymptotic (no finite-size statement), none (no key)."""
    length: Length
    """Whether the key's length is fixed before the run or follows the counts; none: nothing finite is claimed."""
    source: str
    """Authors and paper."""
    intensities: tuple[int, int | None] | None = None
    """Fewest and most intensities (None: any number); None where the protocol has none."""
    preferred_for: tuple[int, ...] = ()
    """Numbers of intensities for which settings that leave the proof open take this one."""
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Key of the settings -> values that the proof takes; a key that is absent takes all."""
    shares: Shares = no_shares
    """How a block's secrecy epsilon is shared, see :data:`Shares`."""
    one_basis_tests: bool = True
    """Each basis makes key and the other tests; else both are pooled and a random part is disclosed."""
    assumptions: tuple[str, ...]
    """Of :data:`ASSUMPTIONS`."""
    outside: tuple[str, ...]
    """Of :data:`EFFECTS`: those that the proof does not cover."""

    @property
    def is_finite(self) -> bool:
        """Whether the proof makes a key of finite data."""
        return self.length != "none"

    @property
    def claim(self) -> str:
        """One line: what is claimed, and whose proof it is."""
        if self.attack == "none":
            return f"none: {self.source}"
        if not self.is_finite:
            return f"asymptotic, no finite-size statement: {self.source}"
        return f"finite key, {self.attack} attacks, {self.length} length: {self.source}"

    def epsilon_shares(self, *, key_from: str, intensities: int) -> Mapping[str, int]:
        """Part of a block's secrecy epsilon -> its number of equal shares; empty where they are not equal or none."""
        return self.shares(key_from, intensities)

    def takes(self, intensities: int) -> bool:
        """Whether the proof takes this number of intensities."""
        if self.intensities is None:
            return False
        fewest, most = self.intensities
        return fewest <= intensities and (most is None or intensities <= most)

    def check(self, settings: Any) -> None:
        """Refuse what the proof cannot do.

        Parameters
        ----------
        settings : Record
            Of the protocol's analysis.

        Raises
        ------
        UserError
            A setting has a value that the proof does not take.
        """
        for name, own in self.options.items():
            value = getattr(settings, name)
            if value not in own:
                told = " or ".join([", ".join(own[:-1])] * (len(own) > 1) + [own[-1]])
                raise UserError(f"analysis.{name} = '{value}': the proof {self.name} has {told} only")


def _lim2014(key_from: str, intensities: int) -> Mapping[str, int]:
    # A key of signal states takes two more, for the signal's share of vacuum and of single photons.
    return {"tail_bounds": 12 + (2 if key_from == "signal" else 0), "smoothing_sampling_hashing": 9}


def _rusca2018(key_from: str, intensities: int) -> Mapping[str, int]:
    return {"tail_bounds": 10, "smoothing_sampling_hashing": 9}


def _wiesemann2026(key_from: str, intensities: int) -> Mapping[str, int]:
    return {"tail_bounds": 11, "smoothing_sampling_hashing": 4}


def _linear_programme(key_from: str, intensities: int) -> Mapping[str, int]:
    # Two bases; smoothing, sampling and hashing as Lim et al. 2014 count them.
    return {"tail_bounds": 2 * linear_programme.tail_parts(intensities), "smoothing_sampling_hashing": 9}


def _of_pulses(name: str, source: str, **further: Any) -> Proof:
    """A proof of decoy-state BB84, finite and against coherent attacks unless `further` says otherwise."""
    told: dict[str, Any] = {
        "attack": "coherent",
        "length": "fixed",
        "assumptions": (*OF_PULSES, "acceptance_met"),
        "outside": OUTSIDE_OF_PULSES,
    }
    return Proof(name=name, protocol=schema.PROTOCOL_DECOY_BB84, source=source, **(told | further))


def _of_pairs(name: str, source: str, **further: Any) -> Proof:
    """A proof of BBM92, finite and against coherent attacks unless `further` says otherwise."""
    told: dict[str, Any] = {
        "attack": "coherent",
        "length": "fixed",
        "assumptions": (*OF_PAIRS, "acceptance_met"),
        "outside": OUTSIDE_OF_PAIRS,
    }
    return Proof(name=name, protocol=BBM92, source=source, **(told | further))


PROOFS: Final[Mapping[str, Proof]] = MappingProxyType(
    {
        proof.name: proof
        for proof in (
            _of_pulses(
                "lim2014",
                "Lim, Curty, Walenta, Xu, Zbinden, PRA 89, 022307 (2014)",
                intensities=(3, 3),
                preferred_for=(3,),
                shares=_lim2014,
            ),
            _of_pulses(
                "rusca2018",
                "Rusca, Boaron, Gruenenfelder, Martin, Zbinden, APL 112, 171104 (2018)",
                intensities=(2, 2),
                options=ONE_DECOY_OPTIONS,
                shares=_rusca2018,
            ),
            _of_pulses(
                "wiesemann2026",
                "Wiesemann, Krause, Tupkary, Rusca, Walenta, Luetkenhaus, Quantum 10, 2037 (2026)",
                intensities=(2, 2),
                preferred_for=(2,),
                options=ONE_DECOY_OPTIONS,
                shares=_wiesemann2026,
            ),
            _of_pulses(
                "linear-programme",
                "key formula of Lim, Curty, Walenta, Xu, Zbinden, PRA 89, 022307 (2014), decoy bounds by linear programme, "
                "certified by its dual",
                intensities=(2, None),
                options=MappingProxyType(dict(ONE_DECOY_OPTIONS) | {"tail_bound": ("hoeffding", "chernoff")}),
                shares=_linear_programme,
            ),
            _of_pulses(
                "ma2005",
                "Ma, Qi, Zhao, Lo, PRA 72, 012326 (2005)",
                attack="asymptotic",
                length="none",
                intensities=(3, 3),
                assumptions=OF_PULSES,
            ),
            _of_pairs("tomamichel2012", "Tomamichel et al., Nat. Commun. 3, 634 (2012)"),
            _of_pairs(
                "tomamichel_leverrier2017",
                "Tomamichel, Leverrier, Quantum 1, 14 (2017)",
                one_basis_tests=False,
            ),
            _of_pairs("lim2021", "Lim, Xu, Pan, Ekert, PRL 126, 100501 (2021)", one_basis_tests=False),
            _of_pairs(
                "asymptotic",
                "Shor, Preskill, PRL 85, 441 (2000)",
                attack="asymptotic",
                length="none",
                assumptions=OF_PAIRS,
            ),
            Proof(
                name="fair_sampling",
                protocol=CHSH,
                attack="none",
                length="none",
                source="a test of local realism under fair sampling",
                assumptions=("fair_sampling", "random_settings", "independent_trials"),
                outside=("afterpulsing", "dead_time", "efficiency_mismatch", "basis_mismatch"),
            ),
        )
    }
)
"""Name -> proof. A name belongs to one proof, whatever the protocol."""


def proofs_of(protocol: str) -> dict[str, Proof]:
    """Proofs of a protocol by name, in the order of the registry.

    Examples
    --------
    >>> list(proofs_of("bbm92"))
    ['tomamichel2012', 'tomamichel_leverrier2017', 'lim2021', 'asymptotic']
    """
    return {name: proof for name, proof in PROOFS.items() if proof.protocol == protocol}


def preferred(intensities: int, otherwise: str) -> str:
    """Name of the proof that settings take for a number of intensities where they leave it open.

    Examples
    --------
    >>> preferred(2, "lim2014"), preferred(3, "lim2014"), preferred(7, "lim2014")
    ('wiesemann2026', 'lim2014', 'lim2014')
    """
    return next((name for name, proof in PROOFS.items() if intensities in proof.preferred_for), otherwise)
