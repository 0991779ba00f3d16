"""A channel whose loss was measured: a table against range, time or elevation, or a single value."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import numpy as np
from pydantic import Field, field_validator

from qphys.channels.link import Link, Passage, log_normal_passage
from qphys.errors import UserError, nearest
from qphys.stages import LOSS_TERMS, Files, Floats, Sight

COLUMNS: Final = {
    "range": ("range_km", 1e3),
    "time": ("time_s", 1.0),
    "elevation": ("elevation_deg", np.pi / 180.0),
}
"""What a loss may be tabled against: the column's name and the factor to SI."""


class MeasuredLoss(Link):
    """Keys of a loss that is given and not computed."""

    includes: tuple[str, ...]
    """Terms of `stages.LOSS_TERMS` that the loss holds; the receiver does not apply them again."""
    scintillation_index: Annotated[float, Field(ge=0, le=3)] = 0.0
    """Of a log-normal fading about the given mean."""

    @field_validator("includes")
    @classmethod
    def _known(cls, includes: tuple[str, ...]) -> tuple[str, ...]:
        for term in includes:
            if term not in LOSS_TERMS:
                raise ValueError(
                    f"'{term}' is no term of loss{nearest(term, LOSS_TERMS)} (allowed: {', '.join(LOSS_TERMS)})"
                )
        if len(set(includes)) < len(includes):
            raise ValueError("each term may stand once")
        return includes

    def passage(self, sight: Sight, *, files: Files, where: str) -> Passage:
        """The measured loss and its fading; see `Link.passage`."""
        loss_db, name = self.measured(sight, files=files, where=where)
        fading = f", fading of index {self.scintillation_index:g}" if self.scintillation_index else ", no fading"
        return log_normal_passage(
            loss_db={name: loss_db},
            captured=10.0 ** (-0.1 * loss_db),
            scintillation_index=np.full(loss_db.shape, self.scintillation_index),
            includes=self.includes,
            model=f"{name}{fading}",
        )

    def measured(self, sight: Sight, *, files: Files, where: str) -> tuple[Floats, str]:
        """Loss [dB], shape (T,), and what it is; arguments as of `Link.transmit`."""
        raise NotImplementedError


class FixedLoss(MeasuredLoss):
    """The same loss at every moment: a laboratory, a fibre, a study against loss."""

    kind: Literal["fixed"]
    loss_db: Annotated[float, Field(ge=0)]

    def measured(self, sight: Sight, *, files: Files, where: str) -> tuple[Floats, str]:
        """The given loss at every step; see `MeasuredLoss.measured`."""
        return np.full(sight.track.time.shape, self.loss_db), "given loss"


class LossTable(MeasuredLoss):
    """A measured loss against range, time or elevation."""

    kind: Literal["table"]
    table: str
    """CSV file with a column ``range_km``, ``time_s`` or ``elevation_deg``, rising or falling, and one of loss [dB]."""
    against: Literal["range", "time", "elevation"]
    loss_column: str

    def measured(self, sight: Sight, *, files: Files, where: str) -> tuple[Floats, str]:
        """Loss along the pass, interpolated from the table.

        Parameters
        ----------
        sight : Sight
            Track of the arm; its telescopes matter for a sky radiance only.
        files : Files
            Reads the table.
        where : str
            Place of the channel in the run, for messages, such as ``runs/pass.toml: channel``.

        Returns
        -------
        loss_db : ndarray
            Shape (T,); linear in dB between entries.
        name : str
            What it is.

        Raises
        ------
        UserError
            The pass leaves the table (nothing is extrapolated), the track does not tell what the table is against, or the
            table is not sound.
        """
        column, factor = COLUMNS[self.against]
        columns = files.table(self.table, f"{where}.table")
        for name in (column, self.loss_column):
            if name not in columns:
                raise UserError(
                    f"{where}: tables/{self.table} has no column '{name}'{nearest(name, columns)} "
                    f"(there are: {', '.join(columns)})"
                )
        at, loss = columns[column], columns[self.loss_column]
        if len(at) > 1 and at[0] > at[-1]:
            at, loss = at[::-1], loss[::-1]
        if np.any(~(np.diff(at) > 0)) or np.any(np.isnan(at)):
            raise UserError(f"{where}: tables/{self.table}, column {column} must rise or fall from line to line")
        if not np.all(loss >= 0):
            raise UserError(
                f"{where}: tables/{self.table}, column {self.loss_column} must be a loss of 0 dB or more everywhere"
            )
        values = getattr(sight.track, self.against) / factor
        if np.any(np.isnan(values)):
            raise UserError(
                f"{where}: a loss against {self.against} needs the {self.against}, which the orbit does not tell"
            )
        outside = (values < at[0]) | (values > at[-1])
        if np.any(outside):
            worst = values[np.argmax(np.maximum(at[0] - values, values - at[-1]))]
            raise UserError(
                f"{where}: {column} = {worst:.3f} is outside tables/{self.table} ({at[0]:g} to {at[-1]:g}) "
                f"at {np.count_nonzero(outside)} of {values.size} steps; nothing is extrapolated"
            )
        return np.asarray(np.interp(values, at, loss)), f"measured loss against {self.against}"
