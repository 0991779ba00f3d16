"""Wrong input of every kind: one clear message on standard error, exit code 2, no traceback, nothing left behind.

The oracle is the message that a user needs: each case names the words (file, key, value, what is allowed, nearest name) that
must stand in it. An exception that is no message would leave `main` and fail the test.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
import pytest

from qphys.cli import main

RUN = """\
title = "Small"
source = "micius-decoy"
receiver = "micius-xinglong"
[orbit]
kind = "circle"
altitude_km = 500.0
maximum_elevation_deg = 60.0
[window]
minimum_elevation_deg = 59.0
[channel]
kind = "fixed"
loss_db = 33.0
includes = ["diffraction"]
background_rate_hz = 1000.0
[statistics]
seed = 11
realisations = 1
"""

FREE_SPACE = """\
source = "micius-decoy"
receiver = "micius-xinglong"
terminal = "micius"
station = "xinglong"
[orbit]
kind = "circle"
altitude_km = 500.0
maximum_elevation_deg = 60.0
[window]
minimum_elevation_deg = 59.0
[channel]
kind = "free-space"
background_rate_hz = 1000.0
correlation_time_ms = 10.0
"""

LINE_1 = "1 41731U 16051A   16353.90152003  .00000364  00000-0  17957-4 0  9993"
LINE_2 = "2 41731  97.3699 267.4500 0013200 178.5836 246.0824 15.23915303 19063"

TLE = f"""\
source = "micius-decoy"
receiver = "micius-xinglong"
station = "xinglong"
[orbit]
kind = "tle"
line1 = "{LINE_1}"
line2 = "{LINE_2}"
[window]
start = 2016-12-19T16:30:00Z
stop = 2016-12-19T17:15:00Z
[channel]
kind = "fixed"
loss_db = 33.0
includes = []
background_rate_hz = 1000.0
"""

OMM = """\
CCSDS_OMM_VERS = 2.0
CENTER_NAME = EARTH
REF_FRAME = TEME
TIME_SYSTEM = UTC
MEAN_ELEMENT_THEORY = SGP4
EPOCH = 2016-12-18T21:38:11.330592
MEAN_MOTION = 15.23915303
ECCENTRICITY = .0013200
INCLINATION = 97.3699
RA_OF_ASC_NODE = 267.4500
ARG_OF_PERICENTER = 178.5836
MEAN_ANOMALY = 246.0824
BSTAR = 0.17957E-4
"""

OEM = """\
CCSDS_OEM_VERS = 2.0
META_START
OBJECT_NAME = MICIUS
CENTER_NAME = EARTH
REF_FRAME = EME2000
TIME_SYSTEM = UTC
INTERPOLATION = LINEAR
INTERPOLATION_DEGREE = 1
META_STOP
2016-12-19T16:30:00.000 6800.0 0.0 0.0 0.0 7.5 0.0
2016-12-19T16:31:00.000 6790.0 450.0 0.0 -0.5 7.5 0.0
"""

COUNTS = "intensity,alice_basis,alice_bit,bob_outcome,counts\n" + "".join(
    f"{intensity},{basis},{bit},{outcome},{7 if outcome == basis + bit else 1}\n"
    for intensity in ("signal", "decoy", "vacuum")
    for basis in "ZX"
    for bit in "01"
    for outcome in ("Z0", "Z1", "X0", "X1")
)

LAB = """\
protocol = "decoy-bb84"
intensities = ["signal", "decoy", "vacuum"]
mean_photon_numbers = [0.5, 0.1, 0.0]
intensity_probabilities = [0.5, 0.25, 0.25]
basis_probability_z = 0.5
"""

EXPERIMENT = """\
title = "Bench"
citation = "nobody, never"
[run]
source = "micius-decoy"
receiver = "micius-xinglong"
orbit = { kind = "circle", altitude_km = 500.0, maximum_elevation_deg = 60.0 }
window = { minimum_elevation_deg = 59.0 }
channel = { kind = "fixed", loss_db = 33.0, includes = [], background_rate_hz = 1000.0 }
[cases.only]
claim = "closure"
assumption = "None."
[published.duration]
quantity = "duration"
value = 10.0
"""


@dataclass(frozen=True)
class Mistake:
    """Arguments, the files that they need (path below the folder -> content), and the words that the message must hold."""

    arguments: str
    told: tuple[str, ...]
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    code: int = 2
    lines: int = 1


def swapped(text: str, old: str, new: str) -> str:
    """`text` with its one place `old` replaced."""
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times"
    return text.replace(old, new)


def run_file(old: str, new: str, *told: str, base: str = RUN, lines: int = 1, **files: str | bytes) -> Mistake:
    """A run file with one slip in it."""
    beside = {name.replace("__", "."): content for name, content in files.items()}
    return Mistake("run {folder}/run.toml --quiet", told, {"run.toml": swapped(base, old, new), **beside}, lines=lines)


def elements(line: int, new: str, *told: str) -> Mistake:
    """Two-line elements with one line replaced."""
    return run_file(f'"{(LINE_1, LINE_2)[line - 1]}"', f'"{new}"', "run.toml", f"orbit.line{line}", *told, base=TLE)


def orbit_file(kind: str, content: str, *told: str) -> Mistake:
    """A run whose orbit is a file of another standard."""
    orbit = f'kind = "tle"\nline1 = "{LINE_1}"\nline2 = "{LINE_2}"\n'
    base = swapped(TLE, orbit, f'kind = "{kind}"\nfile = "orbit.txt"\n')
    return Mistake("run {folder}/run.toml --quiet", ("orbit.txt", *told), {"run.toml": base, "orbit.txt": content})


def path_table(content: str, *told: str) -> Mistake:
    """A run along a table of a pass."""
    base = swapped(
        RUN, 'kind = "circle"\naltitude_km = 500.0\nmaximum_elevation_deg = 60.0', 'kind = "table"\ntable = "path.csv"'
    )
    base = swapped(base, "minimum_elevation_deg = 59.0\n", "")
    return Mistake("run {folder}/run.toml --quiet", ("path.csv", *told), {"run.toml": base, "path.csv": content})


def loss_table(content: str, *told: str, against: str = "elevation") -> Mistake:
    """A run through a channel that is a table."""
    base = swapped(
        RUN,
        'kind = "fixed"\nloss_db = 33.0\n',
        f'kind = "table"\ntable = "loss.csv"\nagainst = "{against}"\nloss_column = "loss_db"\n',
    )
    return Mistake("run {folder}/run.toml --quiet", ("loss.csv", *told), {"run.toml": base, "loss.csv": content})


def counts_table(old: str, new: str, *told: str, lab: str = LAB, pulses: bool = False) -> Mistake:
    """A laboratory's table with one slip in it."""
    table = COUNTS.replace("counts\n", "counts,pulses_sent\n").replace("1\n", "1,500\n").replace("7\n", "7,500\n")
    files = {"counts.csv": swapped(table if pulses else COUNTS, old, new), "lab.toml": lab}
    return Mistake("analyze {folder}/counts.csv --protocol {folder}/lab.toml", ("counts.csv", *told), files)


def lab_file(old: str, new: str, *told: str) -> Mistake:
    """A laboratory's protocol with one slip in it."""
    files = {"counts.csv": COUNTS, "lab.toml": swapped(LAB, old, new)}
    return Mistake("analyze {folder}/counts.csv --protocol {folder}/lab.toml", ("lab.toml", *told), files)


def own_model(path: str, content: str, *told: str, run: str = RUN, lines: int = 1) -> Mistake:
    """A run that takes a model of the user's own folder."""
    return Mistake(
        "run {folder}/run.toml --quiet --models {folder}/mine",
        told,
        {"run.toml": run, f"mine/{path}": content},
        lines=lines,
    )


def experiment(old: str, new: str, *told: str) -> Mistake:
    """An experiment of the user's own folder with one slip in it."""
    files = {"mine/experiments/bench.toml": swapped(EXPERIMENT, old, new)}
    return Mistake("compare bench --models {folder}/mine --quiet", ("bench.toml", *told), files)


def setting(argument: str, *told: str) -> Mistake:
    """A good run file, and a `--set` with a slip in it."""
    return Mistake(f"run {{folder}}/run.toml --quiet --set {argument}", told, {"run.toml": RUN})


RUN_FILES = {
    "no such file": Mistake("run {folder}/rum.toml", ("rum.toml", "no such file")),
    "a folder": Mistake("run {folder}", ("is a folder", "TOML")),
    "no TOML": run_file(
        "kind = ", "kind ", "run.toml", "not valid TOML", "line 5", base=swapped(RUN, 'kind = "fixed"\n', "")
    ),
    "no text": Mistake("run {folder}/run.toml", ("run.toml", "not UTF-8", "byte 9"), {"run.toml": b'title = "\xff"'}),
    "a key twice": run_file("seed = 11", "seed = 11\nseed = 12", "run.toml", "not valid TOML", "line 17"),
    "unknown table": run_file('source = "', 'sorce = "', "run.toml", "sorce: unknown key", "did you mean 'source'?"),
    "no receiver": run_file('receiver = "micius-xinglong"\n', "", "run.toml", "receiver", "missing"),
    "a number for a model": run_file('source = "micius-decoy"', "source = 3", "run.toml: source = 3", "must be a table"),
    "unknown model": run_file(
        "micius-decoy", "micius-decoi", "source.model", "'micius-decoi'", "did you mean 'micius-decoy'?"
    ),
    "a path for a model": run_file("micius-decoy", "../micius", "source.model", "'../micius'", "plain name"),
    "unknown protocol": run_file('title = "Small"', 'protocol = "bb48"', "run.toml: protocol = 'bb48'", "'decoy-bb84'"),
    "no kind": run_file('kind = "fixed"\n', "", "run.toml: channel.kind: missing", "free-space, table, fixed"),
    "unknown kind": run_file('"circle"', '"cirkle"', "orbit.kind = 'cirkle'", "did you mean 'circle'?", "tle, omm, oem"),
    "out of range": run_file("= 500.0", "= 50.0", "run.toml: orbit.altitude_km = 50.0", "greater than or equal to 100"),
    "a word for a number": run_file("= 33.0", '= "33"', "run.toml: channel.loss_db = '33'", "valid number"),
    "not a number": run_file("= 33.0", "= nan", "run.toml: channel.loss_db = nan", "finite"),
    "negative loss": run_file("= 33.0", "= -33.0", "run.toml: channel.loss_db = -33.0", "greater than or equal to 0"),
    "unit slip": run_file(
        "loss_db = 33.0", "los_db = 33.0", "channel.los_db: unknown key", "did you mean 'loss_db'?", lines=2
    ),
    "unknown loss term": run_file('"diffraction"', '"difraction"', "channel.includes", "did you mean 'diffraction'?"),
    "two skies": run_file(
        "seed",
        "#",
        "background_rate_hz, sky_radiance_w_per_m2_um_sr and sky is required",
        base=swapped(RUN, "= 33.0", "= 33.0\nsky_radiance_w_per_m2_um_sr = 1e-5"),
    ),
    "a window above the pass": run_file("= 59.0", "= 61.0", "run.toml: window", "elevation above 61 deg", "60.00 deg"),
    "no step fits": run_file("= 59.0", "= 59.0\ntime_step_s = 900.0", "window.time_step_s = 900", "no centre of a step"),
    "too many steps": run_file("= 59.0", "= 59.0\ntime_step_s = 1e-6", "window.time_step_s = 1e-06", "1000000"),
    "dates on a circle": run_file(
        "= 59.0", "= 59.0\nstart = 2016-12-19T16:30:00Z\nstop = 2016-12-19T17:00:00Z", "window.start", "no date"
    ),
    "negative seed": run_file("= 11", "= -11", "run.toml: statistics.seed = -11", "greater than or equal to 0"),
    "half a realisation": run_file(
        "realisations = 1", "realisations = 1.5", "statistics.realisations = 1.5", "valid integer"
    ),
    "unknown expectation": run_file("seed = 11", 'expected = "steps"', "statistics.expected = 'steps'", "'per step'"),
    "an empty sweep": run_file(
        "[stat", '[sweep.values]\n"channel.loss_db" = []\n[stat', "run.toml: sweep", "at least one value"
    ),
    "a ragged sweep": run_file(
        "[stat",
        '[sweep]\nmode = "together"\n[sweep.values]\n"channel.loss_db" = [1.0, 2.0]\n"statistics.seed" = [1, 2, 3]\n[stat',
        "run.toml: sweep",
        "equal length",
    ),
    "a sweep of no table": run_file(
        "[stat", '[sweep.values]\n"chanel.loss_db" = [1.0]\n[stat', "chanel.loss_db", "did you mean 'channel'?"
    ),
    "a sweep of no key": run_file(
        "[stat", '[sweep.values]\n"channel.los_db" = [1.0]\n[stat', "channel.los_db: unknown key", "'loss_db'"
    ),
    "a sweep out of range": run_file(
        "[stat", '[sweep.values]\n"channel.loss_db" = [1.0, -1.0]\n[stat', "channel.loss_db = -1.0"
    ),
    "unknown setting of the analysis": run_file(
        "[stat",
        '[analysis]\nkey_form = "all"\n[stat',
        "run.toml: analysis",
        "key_form: unknown key",
        "did you mean 'key_from'?",
    ),
    "a law of nothing": run_file(
        "hz = 1000.0", 'hz = 1000.0\ndistribution = "gama"', "channel.distribution = 'gama'", "'log-normal'", base=FREE_SPACE
    ),
    "conditions on listed elevations": run_file(
        'kind = "circle"\naltitude_km = 500.0\nmaximum_elevation_deg = 60.0',
        'kind = "elevations"\naltitude_km = 500.0\nelevation_deg = [30.0]',
        "window.minimum_elevation_deg",
        "lists its own steps",
    ),
    "no such link": Mistake("channel {folder}/lnk.toml", ("lnk.toml", "no such file")),
    "a link without a channel": Mistake(
        "channel {folder}/link.toml",
        ("link.toml", "a link needs orbit and channel: channel missing"),
        {"link.toml": 'wavelength_nm = 785.0\n[orbit]\nkind = "fixed"\nrange_km = 1.0\nduration_s = 1.0\n'},
    ),
    "a link with a source": Mistake(
        "channel {folder}/link.toml",
        ("link.toml", "source: unknown key", "of a link alone", "wavelength_nm"),
        {"link.toml": 'wavelength_nm = 785.0\nsource = "micius-decoy"\n'},
    ),
    "a link of negative light": Mistake(
        "channel {folder}/link.toml",
        ("link.toml", "wavelength_nm = -785.0", "greater than 0"),
        {
            "link.toml": 'wavelength_nm = -785.0\norbit = { kind = "fixed", range_km = 1.0, duration_s = 1.0 }\n'
            'channel = { kind = "fixed", loss_db = 1.0, includes = [], background_rate_hz = 0.0 }\n'
        },
    ),
    "no terminal": run_file('terminal = "micius"\n', "", "run.toml: channel", "divergence or the aperture", base=FREE_SPACE),
    "no aperture": run_file('station = "xinglong"\n', "", "run.toml: channel", "receiver's aperture", base=FREE_SPACE),
    "no correlation time": run_file(
        "correlation_time_ms = 10.0\n", "", "run.toml: channel", "correlation_time_ms is required", base=FREE_SPACE
    ),
    "unknown air": run_file(
        "hz = 1000.0", 'hz = 1000.0\natmosphere = "clear-23k"', "channel.atmosphere", "'clear-23km'", base=FREE_SPACE
    ),
    "a case of nothing": run_file('title = "Small"', 'case = "closure"', "case = 'closure'", "belongs to an experiment"),
    "unknown experiment": run_file(
        'title = "Small"', 'experiment = "micius-2018"', "experiment", "did you mean 'micius-2017'?"
    ),
    "unknown case": Mistake(
        "run {folder}/run.toml --case closur",
        ("case = 'closur'", "'closure'", "prediction-most"),
        {"run.toml": 'experiment = "micius-2017"'},
    ),
    "outside the path table": path_table("time_s,range_km\n0,1\n", "1 rows", "at least 2"),
    "a path without place": path_table("time_s,azimuth_deg\n0,1\n1,2\n", "elevation_deg and range_km: both missing"),
    "a path that goes back": path_table("time_s,range_km\n0,1\n2,1\n1,1\n", "row 3 of time_s = 1", "increase"),
    "an unknown column": path_table("time_s,range\n0,1\n1,1\n", "column 'range' is unknown", "did you mean 'range_km'?"),
    "a word in a table": path_table("time_s,range_km\n0,1\n1,far\n", "line 3, column range_km = 'far'", "not a number"),
    "a ragged table": path_table("time_s,range_km\n0,1\n1,2,3\n", "line 3: 3 fields; 2 are needed"),
    "an empty table": path_table("# nothing\n", "empty; a line of column names"),
    "no text in a table": Mistake(
        "run {folder}/run.toml", ("path.csv", "not UTF-8"), {**path_table("").files, "path.csv": b"time_s\xff"}
    ),
    "no such table": run_file(
        "kind = ",
        "kind = ",
        "orbit.table",
        "'pth.csv'",
        base=RUN.replace(
            'kind = "circle"\naltitude_km = 500.0\nmaximum_elevation_deg = 60.0', 'kind = "table"\ntable = "pth.csv"'
        ).replace('kind = "fixed"', "kynd = 1"),
    ),
    "outside the loss table": loss_table(
        "elevation_deg,loss_db\n10,40\n59.5,30\n", "outside tables/loss.csv", "nothing is extrapolated"
    ),
    "no such loss column": loss_table("elevation_deg,loss\n10,40\n90,30\n", "no column 'loss_db'", "did you mean 'loss'?"),
    "a loss that is gain": loss_table("elevation_deg,loss_db\n10,40\n90,-3\n", "0 dB or more"),
    "a table out of order": loss_table("elevation_deg,loss_db\n10,40\n5,40\n90,30\n", "must rise or fall"),
}

MODELS = {
    "no such folder of models": Mistake("models list --models {folder}/mine", ("mine", "no such folder of models")),
    "unknown room": Mistake("models list source", ("'source'", "did you mean 'sources'?")),
    "no such model to show": Mistake(
        "models show sources/micius", ("no model 'micius' in sources", "did you mean 'micius-", "there are: ")
    ),
    "no such name to show": Mistake("models show micius-deco", ("'micius-deco'", "did you mean 'micius-decoy'?")),
    "a broken model": own_model(
        "sources/micius-decoy.toml", "kind weak\n", "mine/sources/micius-decoy.toml", "not valid TOML", "line 1"
    ),
    "a broken model in a list": Mistake(
        "models list --models {folder}/mine", ("x.toml", "not valid TOML"), {"mine/sources/x.toml": "="}
    ),
    "a model without kind": own_model("sources/micius-decoy.toml", 'title = "x"\n', "source.kind: missing", "weak-coherent"),
    "a source with a slip": own_model(
        "sources/mine.toml",
        'kind = "weak-coherent"\nwavelength = 850.0\nrepetition_rate_mhz = 100.0\nmean_photon_numbers = [0.5, 0.1]\n'
        "intensity_probabilities = [0.5, 0.5]\nbasis_probability_z = 0.5\n",
        "source.wavelength: unknown key",
        "did you mean 'wavelength_nm'?",
        run=swapped(RUN, "micius-decoy", "mine"),
        lines=2,
    ),
    "probabilities that are none": own_model(
        "sources/mine.toml",
        'kind = "weak-coherent"\nwavelength_nm = 850.0\nrepetition_rate_mhz = 100.0\nmean_photon_numbers = [0.5, 0.1]\n'
        "intensity_probabilities = [0.5, 0.4]\nbasis_probability_z = 0.5\n",
        "intensity_probabilities",
        "0.9",
        run=swapped(RUN, "micius-decoy", "mine"),
    ),
    "a model that names no model": own_model(
        "receivers/mine.toml",
        'kind = "polarization-analyser"\ndetector = "micius-spat"\n',
        "receivers/mine.toml: detector.model",
        "did you mean 'micius-spad'?",
        run=swapped(RUN, "micius-xinglong", "mine"),
    ),
    "a model that names itself": own_model(
        "atmospheres/mine.toml",
        'atmosphere = "mine"\n',
        "atmospheres/mine.toml",
        "itself",
        run=swapped(FREE_SPACE, "hz = 1000.0", 'hz = 1000.0\natmosphere = "mine"'),
    ),
    "an experiment without cases": experiment(
        '[cases.only]\nclaim = "closure"\nassumption = "None."\n', "", "cases: missing"
    ),
    "an unknown quantity": experiment('"duration"', '"duratoin"', "published.duration.quantity", "did you mean 'duration'?"),
    "an unknown claim": experiment('"closure"', '"guess"', "cases.only.claim = 'guess'", "'prediction'"),
    "no such experiment": Mistake("compare micius-2018", ("'micius-2018'", "did you mean 'micius-2017'?")),
}

ORBITS = {
    "a wrong checksum": elements(1, LINE_1[:-1] + "4", "checksum", "column 69 is 4", "sum to 3"),
    "swapped lines": elements(1, LINE_2, "this is line 2"),
    "a short line": elements(2, LINE_2[:-1], "69 characters", "68"),
    "a letter in a number": elements(2, LINE_2.replace("97.3699", "97.E699"), "columns 9-16 (inclination)"),
    "two satellites": run_file(LINE_2, LINE_2.replace("41731", "41732")[:-1] + "4", "orbit", "41731", "41732", base=TLE),
    "no window": run_file(
        "start = 2016-12-19T16:30:00Z\nstop = 2016-12-19T17:15:00Z\n", "", "window.start: missing", base=TLE
    ),
    "half a window": run_file("stop = 2016-12-19T17:15:00Z\n", "", "run.toml: window", "belong together", base=TLE),
    "no offset from UTC": run_file("T16:30:00Z", "T16:30:00", "window.start", "offset from UTC", base=TLE),
    "an end before the start": run_file("T17:15:00Z", "T16:15:00Z", "run.toml: window", "must come after start", base=TLE),
    "no pass": run_file("T17:15:00Z", "T16:35:00Z", "run.toml: window", "no moment between start and stop", base=TLE),
    "two passes": run_file("2016-12-19T17:15:00Z", "2016-12-20T17:15:00Z", "passes fulfil it", "pass_number", base=TLE),
    "no place on Earth": run_file('station = "xinglong"\n', "", "station.latitude_deg: missing", base=TLE),
    "no such file of elements": run_file(
        "orbit.txt", "gone.txt", "orbit.file", "'gone.txt'", base=orbit_file("omm", "").files["run.toml"]
    ),  # type: ignore[arg-type]
    "an empty OMM": orbit_file("omm", "\n", "empty; an OMM is needed"),
    "an OMM without drag": orbit_file("omm", swapped(OMM, "BSTAR = 0.17957E-4\n", ""), "BSTAR: missing"),
    "an OMM of another frame": orbit_file("omm", swapped(OMM, "TEME", "GCRF"), "REF_FRAME = GCRF", "TEME"),
    "an OMM with a hyperbola": orbit_file(
        "omm", swapped(OMM, ".0013200", "1.3200"), "ECCENTRICITY = 1.3200", "between 0 and"
    ),
    "an OMM with a word": orbit_file("omm", swapped(OMM, "15.23915303", "fast"), "MEAN_MOTION = 'fast'", "not a number"),
    "an OMM without a date": orbit_file("omm", swapped(OMM, "-12-18T", "-12-18 "), "EPOCH", "not a date"),
    "an OMM on February 30": orbit_file("omm", swapped(OMM, "-12-18T", "-02-30T"), "EPOCH", "not a date"),
    "an OMM of two": orbit_file("omm", "[{}, {}]", "holds 2 objects"),
    "an OMM in broken JSON": orbit_file("omm", "{", "not valid JSON"),
    "an OMM in broken XML": orbit_file("omm", "<omm>", "not valid XML"),
    "an OEM without a head": orbit_file("oem", OEM[21:].lstrip(), "line 1", "CCSDS_OEM_VERS"),
    "an OEM of Mars": orbit_file("oem", swapped(OEM, "= EARTH", "= MARS"), "CENTER_NAME = MARS", "EARTH"),
    "an OEM of no frame": orbit_file("oem", swapped(OEM, "EME2000", "EME20000"), "REF_FRAME", "did you mean 'EME2000'?"),
    "an OEM of one state": orbit_file("oem", OEM[: OEM.rindex("2016")], "1 states", "needs 2"),
    "an OEM with a ragged line": orbit_file("oem", OEM.removesuffix(" 0.0\n"), "line 11"),
    "an OEM that goes back": orbit_file(
        "oem", swapped(OEM, "16:31", "16:29"), "times of a segment must increase", "state 2"
    ),
    "an OEM of another day": orbit_file("oem", OEM.replace("-12-19", "-12-18"), "does not cover", "2016-12-18T16:30"),
}

LABORATORIES = {
    "no protocol": Mistake("analyze {folder}/counts.csv", ("counts.csv", "--protocol"), {"counts.csv": COUNTS}),
    "no such protocol": Mistake(
        "analyze {folder}/counts.csv --protocol {folder}/lap.toml", ("lap.toml", "no such file"), {"counts.csv": COUNTS}
    ),
    "no such table of counts": Mistake(
        "analyze {folder}/count.csv --protocol {folder}/lab.toml", ("count.csv", "no such file"), {"lab.toml": LAB}
    ),
    "no line at all": Mistake(
        "analyze {folder}/counts.csv --protocol {folder}/lab.toml",
        ("counts.csv", "empty"),
        {"counts.csv": "", "lab.toml": LAB},
    ),
    "no text of counts": Mistake(
        "analyze {folder}/counts.csv --protocol {folder}/lab.toml",
        ("counts.csv", "not UTF-8"),
        {"counts.csv": b"\xff", "lab.toml": LAB},
    ),
    "semicolons": Mistake(
        "analyze {folder}/counts.csv --protocol {folder}/lab.toml",
        ("counts.csv, line 1", "separated by commas"),
        {"counts.csv": COUNTS.replace(",", ";"), "lab.toml": LAB},
    ),
    "an unknown column of counts": counts_table(
        "outcome,counts", "outcome,count", "line 1", "'count'", "did you mean 'counts'?"
    ),
    "an unknown intensity": counts_table(
        "signal,Z,0,Z0", "signl,Z,0,Z0", "line 2: intensity = 'signl'", "did you mean 'signal'?"
    ),
    "an unknown basis": counts_table("signal,Z,0,Z0", "signal,Y,0,Z0", "line 2: alice_basis = 'Y'", "Z, X"),
    "an unknown outcome": counts_table("signal,Z,0,Z0", "signal,Z,0,Z2", "line 2: bob_outcome = 'Z2'", "Z0, Z1"),
    "a negative count": counts_table("signal,Z,0,Z0,7", "signal,Z,0,Z0,-7", "line 2: counts = -7", "negative"),
    "half a count": counts_table("signal,Z,0,Z0,7", "signal,Z,0,Z0,7.5", "line 2: counts = 7.5", "whole number"),
    "a word for a count": counts_table("signal,Z,0,Z0,7", "signal,Z,0,Z0,many", "line 2: counts = 'many'", "not a number"),
    "an infinite count": counts_table("signal,Z,0,Z0,7", "signal,Z,0,Z0,1e400", "line 2: counts = 1e400", "finite"),
    "a missing line": counts_table("signal,Z,0,Z0,7\n", "", "1 lines are missing", "signal, Z, 0, Z0"),
    "a line twice": counts_table("signal,Z,0,Z1,", "signal,Z,0,Z0,", "line 3", "line 2 already"),
    "more clicks than pulses": counts_table("signal,Z,0,Z0,7,", "signal,Z,0,Z0,777,", "pulses_sent", pulses=True),
    "pulses that differ": counts_table("signal,Z,0,Z0,7,500", "signal,Z,0,Z0,7,501", "pulses_sent", "says 501", pulses=True),
    "an unknown key of a protocol": lab_file(
        "basis_probability_z", "basis_probabilty_z", "unknown key", "'basis_probability_z'"
    ),
    "an unknown protocol of a laboratory": lab_file('"decoy-bb84"', '"bb84"', "protocol = 'bb84'", "decoy-bb84"),
    "probabilities that do not sum to 1": lab_file("0.25, 0.25]", "0.25, 0.3]", "intensity_probabilities", "1.05"),
    "a probability too few": lab_file("0.25, 0.25]", "0.5]", "intensity_probabilities: 2 values for 3 intensities"),
    "a negative photon number": lab_file("[0.5, 0.1, 0.0]", "[0.5, -0.1, 0.0]", "mean_photon_numbers.1 = -0.1"),
    "no basis probability": lab_file("basis_probability_z = 0.5\n", "", "basis_probability_z"),
}

ARGUMENTS = {
    "no value": setting("channel.loss_db", "'channel.loss_db'", "KEY=VALUE"),
    "no table of a run": setting("chanel.loss_db=3", "--set chanel.loss_db", "did you mean 'channel'?"),
    "no key of a table": setting("channel.los_db=3", "channel.los_db: unknown key", "did you mean 'loss_db'?"),
    "a word where a number belongs": setting("channel.loss_db=much", "channel.loss_db = 'much'", "valid number"),
    "a key below a value": setting("orbit.kind.x=1", "--set orbit.kind.x", "kind is a value, not a table"),
    "a title with keys": setting("title.x=1", "--set title.x", "title"),
    "no workers": Mistake(
        "run {folder}/run.toml --workers 0", ("--workers", "greater than or equal to 1"), {"run.toml": RUN}, lines=4
    ),
    "unknown figure": Mistake(
        "plot {folder}/run.h5 --figure skye", ("--figure", "'skye'", "overview"), {"run.h5": ""}, lines=4
    ),
    "unknown option": Mistake("run {folder}/run.toml --sed 3", ("--sed",), {"run.toml": RUN}, lines=4),
    "unknown command": Mistake("rum {folder}/run.toml", ("'rum'",), {"run.toml": RUN}, lines=4),
    "no experiment named": Mistake("compare", ("EXPERIMENT",), lines=4),
    "an output in a file": Mistake(
        "run {folder}/run.toml -o {folder}/run.toml/x.h5", ("run.toml/x.h5", "cannot be written"), {"run.toml": RUN}
    ),
    "an output that is a folder": Mistake(
        "run {folder}/run.toml -o {folder}", ("is a folder", "--output"), {"run.toml": RUN}
    ),
    "an output that is somebody's": Mistake(
        "run {folder}/run.toml -o {folder}/thesis.h5",
        ("thesis.h5", "--overwrite"),
        {"run.toml": RUN, "thesis.h5": "years of work"},
    ),
    "both ways at once": Mistake(
        "run {folder}/run.toml --resume --overwrite", ("--resume", "--overwrite", "only one"), {"run.toml": RUN}
    ),
}

MISTAKES = RUN_FILES | MODELS | ORBITS | LABORATORIES | ARGUMENTS


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_gives_one_clear_message_and_exit_code_2(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mistake = MISTAKES[name]
    for path, content in mistake.files.items():
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert main(mistake.arguments.format(folder=tmp_path).split()) == mistake.code
    check_message(capsys, mistake.told, lines=mistake.lines)
    written = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.suffix in (".h5", ".png", ".nc")}
    assert written <= set(mistake.files), "nothing is computed from wrong input"


@pytest.mark.parametrize("slip", ["seed = -1", 'expected = "steps"'])
def test_a_run_refused_for_its_settings_leaves_nothing_behind(slip: str, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(swapped(RUN, "seed = 11", slip))
    assert main(["run", str(tmp_path / "run.toml"), "--quiet"]) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["run.toml"]


def test_a_run_refused_for_its_physics_leaves_no_file_behind(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(swapped(RUN, "= 33.0", "= -33.0"))
    assert main(["run", str(tmp_path / "run.toml"), "--quiet"]) == 2
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["run.toml"]


def check_message(capsys: pytest.CaptureFixture[str], told: tuple[str, ...], *, lines: int = 1) -> None:
    """Standard output is empty; standard error has the message and nothing else."""
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    assert [words for words in told if words not in err] == [], err
    assert len(err.splitlines()) == lines, err


def without(name: str) -> Callable[[h5py.File], None]:
    """The file without a variable."""
    return lambda file: file.__delitem__(name)


def with_attribute(name: str, value: str | None) -> Callable[[h5py.File], None]:
    """The file with an attribute replaced, or removed."""

    def change(file: h5py.File) -> None:
        if value is None:
            del file.attrs[name]
        else:
            file.attrs[name] = value

    return change


def with_cell(name: str, value: float) -> Callable[[h5py.File], None]:
    """The file with the first cell of a variable replaced; counts as signed numbers, so that they can be negative."""

    def change(file: h5py.File) -> None:
        values = np.asarray(file[name])
        if name == "counts":
            values = values.astype(np.int64 if float(value).is_integer() else np.float64)
        values[(0,) * values.ndim] = value
        scales = [dict(dim.items()) for dim in file[name].dims]
        del file[name]
        made = file.create_dataset(name, data=values)
        for dim, attached in zip(made.dims, scales, strict=True):
            for scale in attached.values():
                dim.attach_scale(scale)

    return change


def with_label(name: str, place: int, label: str) -> Callable[[h5py.File], None]:
    """The file with a label of a dimension replaced."""
    return lambda file: file[name].__setitem__(place, label)


def without_scales(file: h5py.File) -> None:
    """The counts without the names of their dimensions."""
    values = np.asarray(file["counts"])
    del file["counts"]
    file.create_dataset("counts", data=values)


DAMAGED: dict[str, tuple[Callable[[h5py.File], None], tuple[str, ...]]] = {
    "no format": (with_attribute("format", None), ("attribute 'format' is missing", "qphys detection statistics")),
    "another format": (with_attribute("format", "photos"), ("'format' = 'photos'", "qphys detection statistics")),
    "a part of a run": (
        with_attribute("format", "qphys part of detection statistics"),
        ("part of an unfinished run", "--resume"),
    ),
    "no version": (with_attribute("qphys_schema", None), ("'qphys_schema' is missing", "this qphys reads")),
    "a version to come": (with_attribute("qphys_schema", "2.0"), ("qphys_schema = '2.0'", "1.x")),
    "no protocol": (with_attribute("protocol", None), ("'protocol' is missing", "decoy-bb84")),
    "another protocol": (
        with_attribute("protocol", "decoy-bb85"),
        ("protocol = 'decoy-bb85'", "did you mean 'decoy-bb84'?"),
    ),
    "no mean photon numbers": (without("mean_photon_number"), ("variable 'mean_photon_number' is missing",)),
    "no probabilities": (without("setting_probability"), ("variable 'setting_probability' is missing",)),
    "negative counts": (with_cell("counts", -1), ("counts = -1", "must not be negative")),
    "half counts": (with_cell("counts", 0.5), ("counts = 0.5", "whole numbers")),
    "counts that are none": (with_cell("counts", np.inf), ("counts = inf", "finite")),
    "more clicks than trials": (with_cell("counts", 2**40), ("counts", "trials with an outcome", "of 100000000 trials")),
    "negative photon number": (with_cell("mean_photon_number", -0.5), ("mean_photon_number = -0.5", "not negative")),
    "probabilities above 1": (with_cell("setting_probability", 1.5), ("setting_probability = 1.5", "between 0 and 1")),
    "probabilities that do not sum to 1": (
        with_cell("setting_probability", 0.5),
        ("setting_probability: sums to", "must be 1"),
    ),
    "an unknown outcome": (with_label("bob_outcome", 1, "Z2"), ("bob_outcome = 'Z2'", "Z0, Z1")),
    "an outcome twice": (with_label("bob_outcome", 1, "Z1"), ("bob_outcome: a label stands twice",)),
    "no names of dimensions": (without_scales, ("counts: its dimension 0 has no dimension scale", "attach_scale")),
}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small file of statistics."""
    folder = tmp_path_factory.mktemp("good")
    (folder / "run.toml").write_text(RUN)
    assert main(["run", str(folder / "run.toml"), "--no-plot", "--quiet", "-o", str(folder / "good.h5")]) == 0
    return folder / "good.h5"


@pytest.fixture
def copy(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(good, tmp_path / "copy.h5"))


@pytest.mark.parametrize("command", ["analyze", "info", "plot"])
@pytest.mark.parametrize("name", DAMAGED)
def test_a_file_that_does_not_conform_is_refused_by_every_command(
    name: str, command: str, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change, told = DAMAGED[name]
    with h5py.File(copy, "a") as file:
        change(file)
    assert main([command, str(copy)]) == 2
    check_message(capsys, ("copy.h5", *told))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "empty"),
        (b"intensity,counts\n", "not an HDF5 file"),
        (b"\x89HDF\r\n\x1a\n", "truncated or damaged"),
    ],
    ids=["empty", "text", "only a signature"],
)
def test_a_file_that_is_no_hdf5_is_refused(
    content: bytes, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "pass.h5"
    file.write_bytes(content)
    for command in ("analyze", "info", "plot"):
        assert main([command, str(file)]) == 2
        check_message(capsys, ("pass.h5", told))


@pytest.mark.parametrize("share", [0.001, 0.25, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(share: float, copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = copy.read_bytes()
    copy.write_bytes(content[: int(share * len(content))])
    for command in ("analyze", "info", "plot"):
        assert main([command, str(copy)]) == 2
        check_message(capsys, ("copy.h5", "truncated"))


def test_a_folder_or_nothing_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("analyze", "info", "plot"):
        assert main([command, str(tmp_path)]) == 2
        check_message(capsys, (str(tmp_path), "is a folder"))
        assert main([command, str(tmp_path / "gone.h5")]) == 2
        check_message(capsys, ("gone.h5", "no such file"))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("analyze {file} --set key_form=all", ("key_form: unknown key", "did you mean 'key_from'?")),
        ("analyze {file} --set key_from=some", ("key_from = 'some'", "'signal' or 'all'")),
        ("analyze {file} --set security_epsilon=2", ("security_epsilon = 2", "less than 1")),
        ("analyze {file} --set error_correction_efficiency=0.9", ("error_correction_efficiency = 0.9", "equal to 1")),
        ("analyze {file} --protocol lab.toml", ("copy.h5", "--protocol belongs to a CSV table")),
        ("plot {file} --point 1", ("point = 1", "0 to 0")),
        ("plot {file} --output {file}.bmp3", ("copy.h5.bmp3", ".png, .pdf, .svg")),
        ("plot {file} --figure comparison", ("case",)),
    ],
)
def test_wrong_arguments_with_a_good_file_are_refused(
    arguments: str, told: tuple[str, ...], copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments.format(file=copy).split()) == 2
    check_message(capsys, told)


def test_a_key_that_cannot_be_kept_is_still_shown(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", str(copy), "--json", "--output", str(copy / "key.nc")]) == 2
    told = capsys.readouterr()
    assert json.loads(told.out)
    assert "copy.h5/key.nc: cannot be written" in told.err and "Traceback" not in told.err


def test_a_picture_that_cannot_be_written_is_a_failure(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plot", str(copy), "--output", str(copy / "picture.png")]) == 1
    check_message(capsys, ("copy.h5/picture.png", "cannot be written"))


def test_parts_of_another_run_are_refused_and_kept(good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts = tmp_path / "pass.h5.parts"
    parts.mkdir()
    shutil.copy(good, parts / "part-00000.h5")
    (tmp_path / "run.toml").write_text(RUN)
    for further in ([], ["--resume"], ["--overwrite"]):
        assert main(["run", str(tmp_path / "run.toml"), "-o", str(tmp_path / "pass.h5"), *further]) == 2
        check_message(capsys, ("pass.h5.parts", "parts of another run", "never deleted"))
    assert (parts / "part-00000.h5").exists()
