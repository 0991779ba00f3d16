"""Published against simulated: the numbers of a case, their residuals, and the range of keys over stated choices.

Works on a statistics file alone. Simulated values are expectations; their own scatter, where the file holds samples, is told
beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from qphys.comparison import pairs as entangled
from qphys.comparison.experiment import QUANTITIES, Experiment, Published
from qphys.comparison.pairs import PairNumbers, scaled
from qphys.errors import UserError

if TYPE_CHECKING:
    import xarray as xr

    from qphys.keyrates.sifting import Floats, Sifted

ROW: Final = "row"


def compare(statistics: xr.Dataset, experiment: Experiment, *, analysis: Mapping[str, Any] | None = None) -> xr.Dataset:
    """Compare a statistics file with what an experiment published.

    Parameters
    ----------
    statistics : xarray.Dataset
        Its points carry the coordinate ``case``.
    experiment : Experiment
        The declaration.
    analysis : mapping, optional
        Settings of the key analysis for the quantity ``key_length``.

    Returns
    -------
    xarray.Dataset
        Over the dimension ``row``: quantity, case, claim, unit, published, simulated, residual in per cent, in sigma where
        a sigma is published, standard deviation of the samples, and a verdict.

    Raises
    ------
    UserError
        The file has no point of a case that the experiment names.
    """
    import xarray as xr

    columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    for case, point in _points(statistics, experiment).items():
        pairs = str(statistics.attrs.get("protocol", "")) in ("bbm92", "chsh")
        numbers = PairNumbers(point, analysis or {}) if pairs else _Numbers(point, dict(analysis or {}))
        for name, published in experiment.published.items():
            if published.cases and case not in published.cases:
                continue
            known = entangled.QUANTITIES if pairs else SINGLE_ARM
            if published.quantity not in known:
                raise UserError(
                    f"published.{name}.quantity = '{published.quantity}': not of this protocol (allowed: {', '.join(known)})"
                )
            simulated, spread = numbers.value(published), numbers.spread(published)
            row = _row(name, published, case, experiment.cases[case].claim, simulated, spread)
            for column, value in row.items():
                columns[column].append(value)
    units = {"residual_percent": "%"}
    data = {
        name: (ROW, np.asarray(values), {"long_name": _COLUMNS[name], "units": units.get(name, "")})
        for name, values in columns.items()
    }
    return xr.Dataset(data, attrs={"experiment": experiment.title, "citation": experiment.citation})


_COLUMNS: Final = {
    "name": "name of the published number",
    "quantity": "what it is",
    "case": "case of the experiment",
    "claim": "closure, prediction or formula",
    "unit": "unit of the values",
    "published": "published value",
    "simulated": "expected value of the simulation",
    "sampled_sigma": "standard deviation of the simulation's samples",
    "residual_percent": "simulated over published, less one",
    "residual_sigma": "simulated less published, over the published standard deviation",
    "verdict": "agrees, differs, or input",
}


def _row(name: str, published: Published, case: str, claim: str, simulated: float, spread: float) -> dict[str, Any]:
    percent = 100.0 * (simulated / published.value - 1.0) if published.value else np.nan
    sigma = (simulated - published.value) / published.sigma if published.sigma else np.nan
    verdict = ""
    if published.role == "input":
        verdict = "input"
    elif published.tolerance_percent is not None:
        verdict = "agrees" if abs(percent) <= published.tolerance_percent else "differs"
    elif published.sigma is not None:
        verdict = "agrees" if abs(sigma) <= 2.0 else "differs"
    return {
        "name": name,
        "quantity": QUANTITIES[published.quantity][1],
        "case": case,
        "claim": claim,
        "unit": QUANTITIES[published.quantity][0],
        "published": published.value,
        "simulated": simulated,
        "sampled_sigma": spread,
        "residual_percent": percent,
        "residual_sigma": sigma,
        "verdict": verdict,
    }


def key_choices(statistics: xr.Dataset, experiment: Experiment) -> xr.Dataset:
    """Key length by each choice that the paper leaves open, from the expected counts of one case.

    Parameters
    ----------
    statistics : xarray.Dataset
        Its points carry the coordinate ``case``.
    experiment : Experiment
        Its `key_choices` name settings of the analysis.

    Returns
    -------
    xarray.Dataset
        Over the dimension ``choice``: ``key_length`` [bit] and ``status``.
    """
    import xarray as xr

    from qphys import keyrates

    points = _points(statistics, experiment)
    names, lengths, statuses = [], [], []
    for name, choice in experiment.key_choices.items():
        if experiment.key_choices_case not in points:
            continue
        point = points[experiment.key_choices_case]
        if experiment.key_choices_data_time_s is not None:
            point = scaled(point, experiment.key_choices_data_time_s)
        result = keyrates.analyze(point, choice)
        names.append(name)
        lengths.append(float(result["expected_key_length"].values.ravel()[0]))
        statuses.append(keyrates.status_names(result["expected_status"])[0])
    return xr.Dataset(
        {
            "key_length": (
                "choice",
                np.asarray(lengths, dtype=np.float64),
                {"units": "bit", "long_name": "secure key length"},
            ),
            "status": ("choice", np.asarray(statuses, dtype=object), {"long_name": "status of the key"}),
        },
        coords={"choice": np.asarray(names, dtype=object)},
        attrs={"case": experiment.key_choices_case},
    )


def _points(statistics: xr.Dataset, experiment: Experiment) -> dict[str, xr.Dataset]:
    """The file's first point of each case, in the order of the declaration."""
    if "case" not in statistics.coords:
        raise UserError("the statistics name no case of an experiment (coordinate 'case'); run the experiment's own recipe")
    labels = [str(v) for v in np.atleast_1d(statistics["case"].values)]
    found = {case: statistics.isel(point=[labels.index(case)]) for case in experiment.cases if case in labels}
    if not found:
        raise UserError(f"the statistics hold none of the experiment's cases (there are: {', '.join(experiment.cases)})")
    return found


class _Numbers:
    """Quantities of one point, each computed once."""

    def __init__(self, point: xr.Dataset, analysis: dict[str, Any]) -> None:
        self._point = point
        self._analysis = analysis
        self._session = np.asarray(point["trials"].values[0] > 0)
        self._totals: Sifted | None = None
        self._samples: Sifted | None = None

    def value(self, published: Published) -> float:
        name = published.quantity
        if name == "key_length":
            return self._key("expected_key_length")[0]
        if name in _COUNTED:
            return float(_COUNTED[name](self._expected())[0])
        return self._geometric(published)

    def spread(self, published: Published) -> float:
        """Standard deviation over the realisations; NaN where the quantity is not random or there are fewer than two."""
        name = published.quantity
        if "counts" not in self._point or self._point.sizes["realisation"] < 2:
            return float("nan")
        if name == "key_length":
            return float(np.std(self._key("key_length"), ddof=1))
        if name in _COUNTED:
            return float(np.std(_COUNTED[name](self._sampled()), ddof=1))
        return float("nan")

    def _expected(self) -> Sifted:
        from qphys.keyrates import sifting

        if self._totals is None:
            self._totals = sifting.sift_variable(self._point["expected_total_counts"], halves="exact")
        return self._totals

    def _sampled(self) -> Sifted:
        from qphys.keyrates import sifting

        if self._samples is None:
            self._samples = sifting.sift_variable(self._point["counts"])[0]
        return self._samples

    def _key(self, variable: str) -> list[float]:
        from qphys import keyrates

        result = keyrates.analyze(self._point, self._analysis)
        return [float(v) for v in result[variable].values.ravel()]

    def _track(self, name: str) -> Floats:
        values: Floats = self._point[name].values[0][self._session]
        return values

    def _geometric(self, published: Published) -> float:
        name = published.quantity
        time = self._point["time"].values
        step = float(time[1] - time[0]) if len(time) > 1 else 1.0
        if name == "duration":
            return float(self._session.sum() * step)
        if name in ("closest_range", "largest_range"):
            pick = np.nanmin if name == "closest_range" else np.nanmax
            return float(pick(self._track("range"))) / 1e3
        if name == "highest_elevation":
            return float(np.rad2deg(np.nanmax(self._track("elevation"))))
        transmittance = self._track("mean_link_transmittance")
        if name == "mean_loss":
            return float(-10.0 * np.log10(transmittance.mean()))
        nearest_step = self._step_at(published)
        if name == "loss_at_range":
            return float(-10.0 * np.log10(transmittance[nearest_step]))
        from qphys.keyrates import sifting

        if "expected_counts" not in self._point:
            raise UserError(f"quantity '{name}' needs expectations for every step (statistics.expected = 'per step')")
        cells = self._point["expected_counts"].isel(time=np.flatnonzero(self._session)[nearest_step]).values
        sifted = sifting.sift(cells, [str(v) for v in self._point["bob_outcome"].values], halves="exact")
        return float(sifted.counts[0, 0].sum() / step)

    def _step_at(self, published: Published) -> int:
        distance = np.abs(self._track("range") - 1e3 * float(published.at_range_km or np.nan))
        return int(np.nanargmin(distance))


_COUNTED: Final = {
    "detections": lambda s: s.detections.sum(axis=-1),
    "signal_detections": lambda s: s.detections[..., 0],
    "sifted": lambda s: s.counts.sum(axis=(-1, -2)),
    "sifted_signal": lambda s: s.counts[..., 0, :].sum(axis=-1),
    "sifted_signal_over_detections": lambda s: s.counts[..., 0, :].sum(axis=-1) / s.detections.sum(axis=-1),
    "qber": lambda s: 100.0 * s.errors.sum(axis=(-1, -2)) / s.counts.sum(axis=(-1, -2)),
    "qber_signal": lambda s: 100.0 * s.errors[..., 0, :].sum(axis=-1) / s.counts[..., 0, :].sum(axis=-1),
}

SINGLE_ARM: Final = (
    *_COUNTED,
    "key_length",
    "duration",
    "closest_range",
    "largest_range",
    "highest_elevation",
    "mean_loss",
    "loss_at_range",
    "sifted_signal_rate_at_range",
)
"""Names that a prepare-and-measure experiment may publish."""


def rows(compared: xr.Dataset, case: str) -> list[dict[str, Any]]:
    """Rows of one case as a person reads them: published, simulated, residual.

    Numbers of a claim ``formula`` are printed nowhere: they stand under "by formula", and not under "published".
    """
    found = []
    for index in np.flatnonzero(compared["case"].values.astype(str) == case):
        row = {name: compared[name].values[index].item() for name in _COLUMNS}
        formula = row["claim"] == "formula"
        found.append(
            {
                "compared number" if formula else "published number": row["name"].replace("_", " "),
                "unit": row["unit"],
                "by formula" if formula else "published": row["published"],
                "simulated": row["simulated"],
                "sample sigma": row["sampled_sigma"],
                "residual %": round(row["residual_percent"], 2),
                "residual sigma": row["residual_sigma"],
                "verdict": row["verdict"],
            }
        )
    return found


def choice_rows(choices: xr.Dataset, experiment: Experiment) -> list[dict[str, Any]]:
    """Rows of the key by choices, with the published key where there is one."""
    published = [p.value for p in experiment.published.values() if p.quantity == "key_length"]
    found = []
    for index, name in enumerate(choices["choice"].values):
        length = float(choices["key_length"].values[index])
        row: dict[str, Any] = {"choice": str(name), "key [bit]": length, "status": str(choices["status"].values[index])}
        if published:
            row["published"] = published[0]
            row["residual %"] = round(100.0 * (length / published[0] - 1.0), 2)
        found.append(row)
    return found
