"""The proof profile of a result: what is claimed against whom, at what epsilon, assuming what, and what lies outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from qphys.errors import UserError
from qphys.keyrates.proofs import ASSUMPTIONS, EFFECTS, PARTS, PROOFS, Proof
from qphys.keyrates.run_facts import detectors_within, effects_in_counts

if TYPE_CHECKING:
    import xarray as xr

COVERED: Final = "covered"
OUTSIDE: Final = "outside the proof"
ABSENT: Final = "not in the data"
UNKNOWN: Final = "unknown"
COVERAGE: Final = (COVERED, OUTSIDE, ABSENT, UNKNOWN)
"""What a result can say of an effect; its place here is the flag of `effect_coverage`."""

EFFECT: Final = "effect"
PART: Final = "epsilon_part"
ASSUMPTION: Final = "assumption"
"""Dimensions of the profile in a result."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Proof profile of one result."""

    protocol: str
    proof: str
    claim: str
    attack: str
    """coherent, collective, asymptotic or none."""
    key_length: str
    """fixed, variable or none."""
    epsilon: Mapping[str, float]
    """Part of `PARTS` -> what it takes of the whole key's epsilon; empty where nothing finite is claimed."""
    assumptions: Mapping[str, str]
    """Name -> sentence."""
    effects: Mapping[str, str]
    """Name of `EFFECTS` -> one of `COVERAGE`."""

    @property
    def total_epsilon(self) -> float:
        """Secrecy and correctness together; NaN where nothing finite is claimed."""
        return sum(self.epsilon.values()) if self.epsilon else float("nan")

    def named(self, coverage: str) -> tuple[str, ...]:
        """What effects with this coverage are called in a sentence."""
        return tuple(EFFECTS[name] for name, told in self.effects.items() if told == coverage)

    @property
    def line(self) -> str:
        """The profile in a line."""
        told = {"asymptotic": "asymptotic, nothing claimed of finite data", "none": "no key"}
        parts = [told.get(self.attack, f"{self.attack} attacks, {self.key_length} length")]
        if self.epsilon:
            shares = ", ".join(f"{name.replace('_', ' ')} {value:.2g}" for name, value in self.epsilon.items())
            parts.append(f"epsilon {self.total_epsilon:.3g} ({shares})")
        unknown = self.named(UNKNOWN)
        if unknown:
            parts.append(f"the file does not say whether it holds {', '.join(unknown)}, which the proof does not cover")
        return f"proof profile of {self.proof}: {'; '.join(parts)}"

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The whole profile as rows of what, name and value."""
        lines: list[tuple[str, str, Any]] = [
            ("claim", "protocol", self.protocol),
            ("claim", "proof", self.proof),
            ("claim", "attack", self.attack),
            ("claim", "key length", self.key_length),
            ("claim", "source", self.claim),
        ]
        lines += [("epsilon", f"{name}: {PARTS[name]}", value) for name, value in self.epsilon.items()]
        lines += [("epsilon", "sum", self.total_epsilon)] if self.epsilon else []
        lines += [("assumption", name, text) for name, text in self.assumptions.items()]
        lines += [("effect", EFFECTS[name], told) for name, told in self.effects.items()]
        return [{"what": what, "name": name, "value": value} for what, name, value in lines]


def epsilon_by_part(
    proof: Proof, security_epsilon: float, correctness_epsilon: float | None, *, key_from: str, intensities: int
) -> dict[str, float]:
    """Epsilon of a whole key by what it pays for; the parts sum to both epsilons.

    Parameters
    ----------
    proof : Proof
        Of the registry.
    security_epsilon : float
        Of the whole key.
    correctness_epsilon : float or None
        Of the whole key; None where `security_epsilon` bounds secrecy and correctness together.
    key_from : str
        Intensities whose bits become key.
    intensities : int
        Number of intensities, 0 where the protocol has none.

    Returns
    -------
    dict
        Part -> epsilon; empty for a proof that claims nothing finite. All blocks of the key have equal parts, so that the
        parts of a key are those of a block times the number of blocks.

    Examples
    --------
    >>> told = epsilon_by_part(PROOFS["lim2014"], 2.1e-9, 1e-15, key_from="all", intensities=3)
    >>> {name: round(1e10 * value, 5) for name, value in told.items()}
    {'tail_bounds': 12.0, 'smoothing_sampling': 4.0, 'chain_rules': 4.0, 'hashing': 1.0, 'correctness': 1e-05}
    """
    if not proof.is_finite:
        return {}
    if correctness_epsilon is None:
        return {"sampling_hashing_comparison": security_epsilon}
    shares = proof.epsilon_shares(key_from=key_from, intensities=intensities)
    told = {name: security_epsilon * number / sum(shares.values()) for name, number in shares.items()}
    return told | {"correctness": correctness_epsilon}


def coverage(proof: Proof, present: Mapping[str, bool | None], *, double_clicks: str = "random") -> dict[str, str]:
    """What a proof says of each effect that counts may hold.

    Parameters
    ----------
    proof : Proof
        Of the registry.
    present : mapping
        Effect -> whether the counts hold it, None where nothing says so.
    double_clicks : str, optional
        Policy of the analysis; a random bit is what a key's proof asks for.

    Returns
    -------
    dict
        Name of `EFFECTS` -> one of `COVERAGE`. An effect that the proof covers is covered also where nothing says whether it
        is there.

    Examples
    --------
    >>> told = coverage(PROOFS["lim2014"], {"dead_time": True, "afterpulsing": False})
    >>> told["dead_time"], told["afterpulsing"], told["efficiency_mismatch"], told["background"]
    ('outside the proof', 'not in the data', 'unknown', 'covered')
    """
    outside = set(proof.outside)
    if "random_double_clicks" in proof.assumptions and double_clicks != "random":
        outside.add("double_clicks")
    told = {True: OUTSIDE, False: ABSENT, None: UNKNOWN}
    return {name: told[present.get(name)] if name in outside or present.get(name) is False else COVERED for name in EFFECTS}


def add_profile(result: xr.Dataset, statistics: xr.Dataset, settings: Any, *, proof: Proof | None = None) -> xr.Dataset:
    """A result with its proof profile as variables and attributes.

    Parameters
    ----------
    result : xarray.Dataset
        Of a protocol's analysis; its attribute ``proof`` names the proof; ``security_epsilon_of_key`` and
        ``correctness_epsilon_of_key``, or ``epsilon_of_key`` for both together, are there where a finite key is claimed.
    statistics : xarray.Dataset
        The file, for the effects that its counts hold.
    settings : Record
        Of the analysis.
    proof : Proof, optional
        In place of that of the registry.

    Returns
    -------
    xarray.Dataset
        With ``epsilon_by_part`` (epsilon_part) where a finite key is claimed, ``assumption_text`` (assumption) and
        ``effect_coverage`` (effect), CF flags, and the attributes ``attack_class`` and ``key_length_is``.
    """
    proof = proof or PROOFS[str(result.attrs["proof"])]
    ratio = float(getattr(settings, "detector_ratio", 1.0))
    if ratio < 1 and detectors_within(statistics, ratio):
        proof = proof.for_unlike_detectors()
    present = effects_in_counts(statistics)
    present["double_clicks"] = _any_double_click(result)
    effects = coverage(proof, present, double_clicks=getattr(settings, "double_clicks", "random"))
    meanings = " ".join(name.replace(" ", "_") for name in COVERAGE)
    flags = {"flag_values": np.arange(len(COVERAGE), dtype=np.int8), "flag_meanings": meanings}
    result = result.assign_coords({EFFECT: list(effects), ASSUMPTION: list(proof.assumptions)})
    result["effect_coverage"] = (
        (EFFECT,),
        np.array([COVERAGE.index(told) for told in effects.values()], dtype=np.int8),
        {"long_name": "what the proof says of an effect of the counts", **flags},
    )
    result["assumption_text"] = (
        (ASSUMPTION,),
        np.array([ASSUMPTIONS[name] for name in proof.assumptions]),
        {"units": "", "long_name": "what the claim assumes"},
    )
    joint = result.attrs.get("epsilon_of_key")
    secrecy = result.attrs.get("security_epsilon_of_key", joint)
    if secrecy is not None:
        parts = epsilon_by_part(
            proof,
            secrecy,
            None if joint is not None else float(result.attrs["correctness_epsilon_of_key"]),
            key_from=str(getattr(settings, "key_from", "all")),
            intensities=int(result.sizes.get("intensity", 0)),
        )
        result = result.assign_coords({PART: list(parts)})
        told = {"units": "1", "long_name": "epsilon of the whole key by what it pays for"}
        result["epsilon_by_part"] = ((PART,), np.array(list(parts.values())), told)
    result.attrs |= {
        "protocol": proof.protocol,
        "attack_class": proof.attack,
        "key_length_is": proof.length,
    }
    return result


def profile(result: xr.Dataset) -> Profile:
    """The proof profile of a result.

    Parameters
    ----------
    result : xarray.Dataset
        What :func:`qphys.analyze` returns, or its file.

    Returns
    -------
    Profile

    Raises
    ------
    UserError
        The result has none.

    Examples
    --------
    >>> import qphys
    >>> told = profile(qphys.analyze(folder / "fixed-loss.h5"))
    >>> told.proof, told.attack, told.effects["dead_time"], told.effects["afterpulsing"]
    ('lim2014', 'coherent', 'outside the proof', 'not in the data')
    """
    for name in ("effect_coverage", "assumption_text"):
        if name not in result:
            raise UserError(f"the result has no proof profile (variable '{name}'): analyse its statistics again")
    epsilon = result.get("epsilon_by_part")
    return Profile(
        protocol=str(result.attrs["protocol"]),
        proof=str(result.attrs["proof"]),
        claim=str(result.attrs["security_claim"]),
        attack=str(result.attrs["attack_class"]),
        key_length=str(result.attrs["key_length_is"]),
        epsilon={} if epsilon is None else dict(zip(epsilon[PART].values.tolist(), epsilon.values.tolist(), strict=True)),
        assumptions=dict(zip(result[ASSUMPTION].values.tolist(), result["assumption_text"].values.tolist(), strict=True)),
        effects={
            str(name): COVERAGE[int(flag)]
            for name, flag in zip(result[EFFECT].values.tolist(), result["effect_coverage"].values.tolist(), strict=True)
        },
    )


def _any_double_click(result: xr.Dataset) -> bool | None:
    """Whether the counts hold double clicks; None where outcomes of double clicks are absent."""
    names = [name for name in ("double_click_count", "expected_double_click_count") if name in result]
    if any(np.any(result[name].values > 0) for name in names):
        return True
    return None if "double" in str(result.attrs.get("absent_outcomes", "")) or not names else False
