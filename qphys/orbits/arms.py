"""Tracks of two arms over the same steps: two stations that see one satellite, or a station and the satellite itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np

from qphys import stages
from qphys.errors import UserError
from qphys.orbits.records import Fixed, Orbit, Station, Window
from qphys.orbits.session import track

APART = 1e-3
"""Largest difference of two arms' steps [s]; light travels 300 km in it, and geometry moves 7 m."""

ON_GROUND: Final = (*stages.GEOMETRY, *stages.FURTHER)
"""Arrays of a track beside its times; a photon that stays on board has none of them but `sunlit`."""


def joint_tracks(
    orbits: Sequence[Orbit], stations: Sequence[Station | None], window: Window, *, files: stages.Files, where: str
) -> tuple[stages.Track, ...]:
    """Geometry of a session in which the window's conditions hold for every arm at once.

    Parameters
    ----------
    orbits : sequence of orbits
        One an arm; the same one for a satellite that both stations see.
    stations : sequence of Station or None
        One an arm; None: the arm stays on board, and its geometry is NaN.
    window : Window
        Conditions that all stations must fulfil.
    files : Files
        Gives the content of tables and of OMM and OEM files.
    where : str
        Place of the orbit's table, for messages.

    Returns
    -------
    tuple of Track
        One an arm, with equal times.

    Raises
    ------
    UserError
        No arm has a station, no moment fulfils the window for all, or tables of two arms have different times.
    """
    # between fixed places, such as the ends of a fibre, a station has nothing to tell
    ground = [i for i, station in enumerate(stations) if station is not None or isinstance(orbits[i], Fixed)]
    if not ground:
        raise UserError(f"{where}: no arm has a station; at least one photon must reach the ground")
    found = {i: track(orbits[i], stations[i], window, files=files, where=where) for i in ground}
    if len(ground) > 1 and all(found[i].epoch for i in ground):
        begin = max(_edge(found[i], "first") for i in ground)
        end = min(_edge(found[i], "last") for i in ground)
        if end - begin < timedelta(seconds=window.time_step_s / 2):
            raise UserError(f"{where}: window: no moment fulfils it at all stations; each alone has one")
        common = window.model_copy(
            update={"start": begin, "stop": end, "start_s": None, "stop_s": None, "pass_number": None}
        )
        found = {i: track(orbits[i], stations[i], common, files=files, where=where) for i in ground}
    steps = min(len(one.time) for one in found.values())
    cut = {i: _first_steps(one, steps) for i, one in found.items()}
    reference = cut[ground[0]]
    for one in cut.values():
        if np.max(np.abs(one.time - reference.time)) > APART or one.epoch != reference.epoch:
            raise UserError(f"{where}: the tables of the two arms have different times; they must run over the same steps")
    return tuple(cut[i] if i in cut else _on_board(reference) for i in range(len(stations)))


def _edge(one: stages.Track, which: str) -> datetime:
    seconds = one.time[0] - one.time_step / 2 if which == "first" else one.time[-1] + one.time_step / 2
    return datetime.fromisoformat(one.epoch) + timedelta(seconds=float(seconds))


def _first_steps(one: stages.Track, steps: int) -> stages.Track:
    names = ("time", *ON_GROUND)
    angles = {law: angle[:steps] for law, angle in one.frame_angle.items()}
    return replace(one, **{name: getattr(one, name)[:steps] for name in names}, frame_angle=angles)


def _on_board(reference: stages.Track) -> stages.Track:
    unknown = np.full(reference.time.shape, np.nan)
    geometry: dict[str, Any] = {name: unknown for name in ON_GROUND if name != "sunlit"}
    return replace(reference, **geometry, frame_angle={}, station_altitude=0.0, warnings=())
