"""Declaration of a published experiment: inputs, free parameters, cases, published outputs. Frozen before comparison."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import Field, field_validator, model_validator

from qphys.errors import nearest
from qphys.record import Record, parse

QUANTITIES: Final[dict[str, tuple[str, str]]] = {
    "duration": ("s", "length of the session"),
    "closest_range": ("km", "smallest slant range"),
    "largest_range": ("km", "largest slant range in the session"),
    "highest_elevation": ("deg", "largest elevation"),
    "mean_loss": ("dB", "loss of the link up to the detectors, from the mean transmittance of the session"),
    "loss_at_range": ("dB", "loss of the link up to the detectors at a slant range (at_range_km)"),
    "detections": ("1", "trials with any click, all intensities"),
    "signal_detections": ("1", "trials with any click, brightest intensity"),
    "sifted": ("bit", "sifted bits, all intensities"),
    "sifted_signal": ("bit", "sifted bits, brightest intensity"),
    "sifted_signal_over_detections": ("1", "sifted bits of the brightest intensity over detections of all"),
    "sifted_signal_rate_at_range": (
        "bit/s",
        "sifted bits of the brightest intensity a second at a slant range (at_range_km)",
    ),
    "qber": ("%", "error rate of the sifted bits, all intensities"),
    "qber_signal": ("%", "error rate of the sifted bits, brightest intensity"),
    "key_length": ("bit", "secure key, by the choices of the analysis"),
    "coincidences": ("1", "coincidences of both parties"),
    "coincidence_rate": ("1/s", "coincidences a second"),
    "signal_to_noise": ("1", "coincidences less accidentals, over accidentals"),
    "sifted_rate": ("bit/s", "sifted bits a second"),
    "qber_z": ("%", "error rate of the sifted bits in basis Z"),
    "qber_x": ("%", "error rate of the sifted bits in basis X"),
    "chsh": ("1", "CHSH value S, measured with four settings"),
    "chsh_inferred": ("1", "CHSH value inferred from the visibilities of both bases"),
    "asymptotic_key_rate": ("bit/s", "key a second without finite-size terms, an estimate"),
    "yin2020_key_length_estimate": ("bit", "key by the formula that gives the published 372 bit; not composable"),
    "loss_of_both_links": ("dB", "loss of both links together up to the detectors, from the mean of the product"),
    "closest_summed_range": ("km", "smallest sum of both slant ranges"),
}
"""Quantity that an experiment may publish -> its unit and meaning."""


class Published(Record):
    """One published number, and what may be said of it."""

    quantity: str
    value: float
    sigma: float | None = Field(default=None, gt=0.0)
    """Published or stated uncertainty, one standard deviation."""
    tolerance_percent: float | None = Field(default=None, gt=0.0)
    """Agreement that the digits, or the digitised inputs, allow."""
    at_range_km: float | None = Field(default=None, gt=0.0)
    data_time_s: float | None = Field(default=None, gt=0.0)
    """Data time of the published number, where it is that of several passes: expectations are scaled to it."""
    role: Literal["output", "input"] = "output"
    """``input``: a free parameter was set by this number, so that its agreement shows nothing."""
    cases: tuple[str, ...] = ()
    """Cases that it is compared with; empty: all."""
    note: str = ""

    @field_validator("quantity")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in QUANTITIES:
            raise ValueError(f"unknown quantity{nearest(value, QUANTITIES)} (allowed: {', '.join(QUANTITIES)})")
        return value

    @model_validator(mode="after")
    def _complete(self) -> Published:
        if self.quantity.endswith("_at_range") and self.at_range_km is None:
            raise ValueError(f"quantity '{self.quantity}' needs at_range_km")
        return self


class Case(Record):
    """One way to simulate the experiment, and what agreement would mean."""

    claim: Literal["closure", "prediction", "formula"]
    """``closure``: measured curves go in, so that only the rest is tested; ``prediction``: design values go in;
    ``formula``: the compared numbers are a paper's closed forms, evaluated, and no measurement."""
    assumption: str
    """What this case assumes, in a sentence."""
    free_parameters: dict[str, str] = Field(default_factory=dict)
    """Dotted key of the run -> how its value was found."""
    run: dict[str, Any] = Field(default_factory=dict)


class Experiment(Record):
    """A published experiment: one file in ``models/experiments``."""

    origin: dict[str, Any] = Field(default_factory=dict)
    citation: str
    doi: str = ""
    notes: tuple[str, ...] = ()
    run: dict[str, Any] = Field(default_factory=dict)
    """Recipe that all cases share."""
    cases: dict[str, Case] = Field(min_length=1)
    published: dict[str, Published] = Field(min_length=1)
    key_choices: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Name of a choice -> settings of the analysis: the range of keys over what the paper leaves open."""
    key_choices_case: str = ""
    """Case whose counts the choices are applied to."""
    key_choices_data_time_s: float | None = Field(default=None, gt=0.0)
    """Data time to which its expected counts are scaled first, where the key is that of several passes."""

    @model_validator(mode="after")
    def _consistent(self) -> Experiment:
        for name, published in self.published.items():
            for case in published.cases:
                if case not in self.cases:
                    raise ValueError(f"published.{name}.cases: no case '{case}'{nearest(case, self.cases)}")
        if self.key_choices and self.key_choices_case not in self.cases:
            raise ValueError(
                f"key_choices_case = {self.key_choices_case!r}: no such case (there are: {', '.join(self.cases)})"
            )
        return self


def experiment(table: Mapping[str, Any], where: str) -> Experiment:
    """Check the table of an experiment's file.

    Parameters
    ----------
    table : mapping
        Parsed TOML.
    where : str
        The file, for messages.

    Raises
    ------
    UserError
        Each mistake with its key path, value and what is allowed.
    """
    return parse(Experiment, table, where)
