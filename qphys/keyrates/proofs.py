"""Registry of proofs: what each one claims, takes, spends its epsilon on, assumes and leaves out.

A new proof is an entry of `PROOFS`, its name among those of the protocol's settings, and a kernel in the protocol's file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
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

Cost = Callable[[int, float, float], float]
"""Number of shares of a block's secrecy epsilon, that epsilon, that of correctness -> bits."""

EFFECTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "dead_time": "dead time",
        "afterpulsing": "afterpulsing",
        "intensity_fluctuation": "intensity fluctuation",
        "basis_dependent_preparation": "state preparation that depends on the basis",
        "efficiency_mismatch": "efficiency mismatch",
        "basis_mismatch": "mismatch between the bases",
        "discrete_phases": "discrete phases",
        "intensity_correlation": "intensity correlation",
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
        "detectors_alike_to_the_ratio": "the basis is chosen actively; efficiencies and dark counts of the detectors are "
        "alike to the ratio of the settings",
        "all_disclosed_bits_counted": "every bit that either party discloses for error correction is counted",
        "authenticated_channel": "the classical channel is authenticated",
        "no_side_channels": "no side channels at either end",
        "fair_sampling": "coincidences are a fair part of all pairs, double clicks dropped",
        "random_settings": "settings are drawn at random for each trial (the game's P value)",
        "identical_trials": "every trial is the same state, independent of the others",
        "alike_detectors": "a party's detectors are threshold detectors alike, and their noise is Eve's",
        "even_beam_splitter": "a beam splitter that chooses a basis has even parts, clicks of both bases random outcomes",
        "known_states": "one photon of a pulse is in the state that the file's run tells of its setting",
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

OUTSIDE_OF_PAIRS: Final = ("dead_time", "afterpulsing", "efficiency_mismatch", "basis_mismatch")
OUTSIDE_OF_PULSES: Final = (
    *OUTSIDE_OF_PAIRS,
    "intensity_fluctuation",
    "basis_dependent_preparation",
    "discrete_phases",
    "intensity_correlation",
)

PARTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "tail_bounds": "tail bounds of counts and errors",
        "smoothing_sampling": "smoothing of the entropy: phase errors sampled from the test's",
        "tails_smoothing_sampling": "smoothing of the entropy: all tails and sampling, together at the squared half of it",
        "chain_rules": "chain rules that part vacuum, single photons and more",
        "hashing": "privacy amplification",
        "sampling_hashing": "sampling and privacy amplification, parted as is best for the counts",
        "sampling_hashing_comparison": "sampling, privacy amplification, comparison of the keys, parted as the proof says",
        "correctness": "keys that differ and pass their comparison",
    }
)
"""Part of an epsilon budget -> what it pays for."""

ONE_DECOY_OPTIONS: Final = MappingProxyType({"sampling_bound": ("own", "exact", "exact_smoothing", "serfling", "yin2020")})
LINEAR_PROGRAMME_OPTIONS: Final = MappingProxyType({"sampling_bound": ("own", "exact", "exact_smoothing", "serfling")})

OTHER_TAILS: Final = ("chernoff", "yin2020", "zhang2017", "zhang2017_simplified", "binomial", "kato2020")
"""All but Hoeffding's, which the texts of Lim et al., Rusca et al. and Wiesemann et al. have."""

VARIABLE_LENGTH_OPTIONS: Final = MappingProxyType(
    {"key_from": ("all",), "tail_bound": ("hoeffding", "chernoff"), "sampling_bound": ("own", "exact")}
)


def _never(settings: Any) -> bool:
    return False


def no_shares(key_from: str, intensities: int) -> Mapping[str, int]:
    """Nothing to share: an asymptotic proof."""
    return {}


def six_shares_cost(shares: int, secrecy: float, correctness: float) -> float:
    r"""Bits that Lim et al. 2014 pays, :math:`6 \log_2 (T/\epsilon_{sec}) + \log_2 (2/\epsilon_{cor})` with T shares."""
    return 6.0 * math.log2(shares / secrecy) + math.log2(2.0 / correctness)


def _wiesemann_cost(shares: int, secrecy: float, correctness: float) -> float:
    return 4.0 * math.log2(shares / secrecy) - 1.0 + math.log2(2.0 / correctness)


def _tomamichel_cost(shares: int, secrecy: float, correctness: float) -> float:
    return 1.0 - 2.0 * math.log2(secrecy) - math.log2(correctness)


def no_cost(shares: int, secrecy: float, correctness: float) -> float:
    """Nothing: an asymptotic proof, or one whose cost cannot be told from its bounds."""
    return 0.0


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
    beyond_text: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Key of the settings -> values that the authors do not have; why the proof holds with them stands in the docs."""
    shares: Shares = no_shares
    """How a block's secrecy epsilon is shared, see :data:`Shares`; parts of :data:`PARTS`."""
    joint_epsilon: Callable[[Any], bool] = _never
    """Whether by these settings one epsilon, the sum of both, bounds secrecy and correctness together."""
    cost: Cost = no_cost
    """Bits that a block pays for privacy and verification beside its leakage."""
    vacuum_is_secret: bool = True
    """Whether events without a photon are bits of the key."""
    takes_unlike_detectors: bool = False
    """Whether it has a bound for detectors that are alike to a ratio only (`detector_ratio` of the settings)."""
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
        """Part of a block's secrecy epsilon -> its number of equal shares; empty where nothing finite is claimed."""
        return self.shares(key_from, intensities)

    def bits_paid(self, *, security: float, correctness: float, key_from: str = "all", intensities: int = 0) -> float:
        """Bits that a block of these epsilons pays for privacy and verification, beside its leakage [bit].

        The key of the block is what its bounds leave less its leakage and these, cut to whole bits; see `cost`.
        """
        shares = sum(self.epsilon_shares(key_from=key_from, intensities=intensities).values())
        return self.cost(shares, security, correctness)

    def takes(self, intensities: int) -> bool:
        """Whether the proof takes this number of intensities."""
        if self.intensities is None:
            return False
        fewest, most = self.intensities
        return fewest <= intensities and (most is None or intensities <= most)

    def beyond(self, settings: Any) -> list[str]:
        """Choices of the settings that the authors' text does not have, each "key = value"."""
        chosen = ((name, getattr(settings, name)) for name in self.beyond_text)
        return [f"{name} = {value}" for name, value in chosen if value in self.beyond_text[name]]

    def for_unlike_detectors(self) -> Proof:
        """The proof as it stands where the settings have a ratio of detectors."""
        replaced = {"basis_independent_detection": "detectors_alike_to_the_ratio"}
        return replace(
            self,
            assumptions=tuple(replaced.get(name, name) for name in self.assumptions),
            outside=tuple(name for name in self.outside if name not in ("efficiency_mismatch", "basis_mismatch")),
        )

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


SPLIT: Final = MappingProxyType({"smoothing_sampling": 4, "chain_rules": 4, "hashing": 1})
"""Lim et al. 2014, Eq. B4: eps_sec = 2 [2 a1 + a2 + a3] + nu + tails; a1 smooths the entropy of single photons and is the
failure of their sampling, a2 and a3 part off the rest and the vacuum."""


def _lim2014(key_from: str, intensities: int) -> Mapping[str, int]:
    # Ten for counts and two for errors; a key of signal states takes two more, for its share of vacuum and single photons.
    return {"tail_bounds": 12 + (2 if key_from == "signal" else 0)} | SPLIT


def _rusca2018(key_from: str, intensities: int) -> Mapping[str, int]:
    return {"tail_bounds": 10 + (2 if key_from == "signal" else 0)} | SPLIT


def _wiesemann2026(key_from: str, intensities: int) -> Mapping[str, int]:
    # The vacuum is not parted off, which saves a chain rule. Of two intensities one count deviates as the other, so that a
    # basis has four tail bounds: detections, errors in either direction, errors of the vacuum. The signal's share of single
    # photons takes one more.
    return {"tail_bounds": 8 + (1 if key_from == "signal" else 0)} | SPLIT | {"chain_rules": 2}


def _linear_programme(key_from: str, intensities: int) -> Mapping[str, int]:
    return {"tail_bounds": 2 * linear_programme.tail_parts(intensities) + (2 if key_from == "signal" else 0)} | SPLIT


def _tomamichel2012(key_from: str, intensities: int) -> Mapping[str, int]:
    # The sampling fails by the square of eps_sec / 4, which smoothing by eps_sec / 4 pays for, twice; hashing has the rest.
    return {"smoothing_sampling": 1, "hashing": 1}


def _best_for_the_counts(key_from: str, intensities: int) -> Mapping[str, int]:
    return {"sampling_hashing": 1}


def _variable_length(key_from: str, intensities: int) -> Mapping[str, int]:
    # docs/physics/variable-length.md: tails of photon numbers once, smoothing twice, hashing once.
    return {"tail_bounds": 12 if intensities == 3 else 11, "smoothing_sampling": 2, "hashing": 1}


def _tupkary2025(key_from: str, intensities: int) -> Mapping[str, int]:
    # eps_sec = 2 eps_AT + eps_PA in thirds; every tail, of photon numbers and of sampling, has eps_AT^2 / 13.
    return {"tails_smoothing_sampling": 2, "hashing": 1}


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
        "options": {"sampling_bound": ("own",)},
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
                beyond_text=MappingProxyType(
                    {
                        "tail_bound": OTHER_TAILS,
                        "key_from": ("signal",),
                        "sampling_bound": ("exact", "exact_smoothing", "serfling", "yin2020"),
                    }
                ),
                shares=_lim2014,
                cost=six_shares_cost,
            ),
            _of_pulses(
                "rusca2018",
                "Rusca, Boaron, Gruenenfelder, Martin, Zbinden, APL 112, 171104 (2018)",
                intensities=(2, 2),
                options=ONE_DECOY_OPTIONS,
                beyond_text=MappingProxyType(
                    {
                        "tail_bound": OTHER_TAILS,
                        "key_from": ("signal",),
                        "sampling_bound": ("exact", "exact_smoothing", "serfling", "yin2020"),
                    }
                ),
                shares=_rusca2018,
                cost=six_shares_cost,
            ),
            _of_pulses(
                "wiesemann2026",
                "Wiesemann, Krause, Tupkary, Rusca, Walenta, Luetkenhaus, Quantum 10, 2037 (2026)",
                intensities=(2, 2),
                preferred_for=(2,),
                options=ONE_DECOY_OPTIONS,
                beyond_text=MappingProxyType(
                    {
                        "tail_bound": OTHER_TAILS,
                        "key_from": ("signal",),
                        "sampling_bound": ("exact", "exact_smoothing", "yin2020"),
                    }
                ),
                shares=_wiesemann2026,
                cost=_wiesemann_cost,
                vacuum_is_secret=False,
            ),
            _of_pulses(
                "linear-programme",
                "key formula of Lim, Curty, Walenta, Xu, Zbinden, PRA 89, 022307 (2014), decoy bounds by linear programme, "
                "certified by its dual",
                intensities=(2, None),
                options=LINEAR_PROGRAMME_OPTIONS,
                shares=_linear_programme,
                cost=six_shares_cost,
            ),
            _of_pulses(
                "variable-length",
                "derived in docs/physics/variable-length.md, after Tupkary, Nahar, Sinha, Luetkenhaus, Quantum 9, 1937 "
                "(2025)",
                length="variable",
                intensities=(2, 3),
                options=VARIABLE_LENGTH_OPTIONS,
                shares=_variable_length,
                takes_unlike_detectors=True,
                assumptions=(*OF_PULSES, "all_disclosed_bits_counted"),
            ),
            _of_pulses(
                "tupkary2025",
                "Tupkary, Nahar, Sinha, Luetkenhaus, Quantum 9, 1937 (2025), and Tupkary, Tan, Luetkenhaus, Phys. Rev. "
                "Research 6, 023002 (2024)",
                length="variable",
                intensities=(3, 3),
                options=VARIABLE_LENGTH_OPTIONS,
                shares=_tupkary2025,
                vacuum_is_secret=False,
                assumptions=(*OF_PULSES, "all_disclosed_bits_counted"),
            ),
            _of_pulses(
                "ma2005",
                "Ma, Qi, Zhao, Lo, PRA 72, 012326 (2005)",
                attack="asymptotic",
                length="none",
                intensities=(3, 3),
                assumptions=OF_PULSES,
            ),
            _of_pairs(
                "tomamichel2012",
                "Tomamichel et al., Nat. Commun. 3, 634 (2012)",
                options={},
                beyond_text={"sampling_bound": ("exact",)},
                shares=_tomamichel2012,
                cost=_tomamichel_cost,
            ),
            _of_pairs(
                "tomamichel_leverrier2017",
                "Tomamichel, Leverrier, Quantum 1, 14 (2017)",
                one_basis_tests=False,
                shares=_best_for_the_counts,
                joint_epsilon=lambda settings: True,
            ),
            _of_pairs(
                "lim2021",
                "Lim, Xu, Pan, Ekert, PRL 126, 100501 (2021)",
                one_basis_tests=False,
                shares=_best_for_the_counts,
                joint_epsilon=lambda settings: bool(settings.verification == "best"),
            ),
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
                outside=OUTSIDE_OF_PAIRS,
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
