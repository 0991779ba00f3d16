"""The command line as a user meets it: what it prints, writes and returns."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from qphys.cli import main
from qphys.errors import RunError
from qphys.pipeline import run

RUN = """
title = "Small"
source = "micius-decoy"
receiver = "micius-xinglong"
[orbit]
kind = "circle"
altitude_km = 500.0
maximum_elevation_deg = 60.0
[window]
minimum_elevation_deg = 55.0
[channel]
kind = "fixed"
loss_db = 33.0
includes = ["diffraction", "pointing", "transmitter optics", "atmosphere", "turbulence", "receiver optics"]
background_rate_hz = 1000.0
[statistics]
seed = 11
realisations = 2
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    (folder / "small.toml").write_text(RUN)
    assert main(["run", str(folder / "small.toml"), "--quiet"]) == 0
    return folder


def test_a_run_writes_statistics_and_a_picture_beside_the_run_file(folder: Path) -> None:
    assert (folder / "out" / "small.h5").stat().st_size > 1000
    assert (folder / "out" / "small.png").read_bytes().startswith(b"\x89PNG")
    assert not list((folder / "out").glob("*.parts"))


def test_the_proof_profile_is_told_in_a_line_and_whole(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Oracle: what the run file and its models have: dead time and fluctuation on, no afterpulses, equal detectors."""
    file = str(folder / "out" / "small.h5")
    assert main(["analyze", file]) == 0
    told = capsys.readouterr().err
    assert "note: proof profile of lim2014: coherent attacks, fixed length; epsilon 1e-09 (tail bounds 5.7e-10" in told
    assert "outside the proof: dead time, intensity fluctuation\n" in told
    assert "note: reference points for the expected" in told
    assert "contradicts itself" not in told
    assert main(["analyze", file, "--profile", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    effects = {row["name"]: row["value"] for row in rows if row["what"] == "effect"}
    assert effects["dead time"] == effects["intensity fluctuation"] == "outside the proof"
    assert effects["afterpulsing"] == effects["efficiency mismatch"] == effects["discrete phases"] == "not in the data"
    assert effects["background"] == effects["misalignment"] == "covered"
    assert main(["analyze", file, "--profile", "--proof", "lim2014", "--table"]) == 2


def test_passes_of_several_files_make_one_block_and_constructions_one_table(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, other = str(folder / "out" / "small.h5"), str(folder / "other.h5")
    run = ["run", str(folder / "small.toml"), "-o", other, "--set", "statistics.seed=12", "--quiet", "--no-plot"]
    assert main([*run, "--set", "orbit.maximum_elevation_deg=70.0"]) == 0
    capsys.readouterr()
    assert main(["analyze", file, "--json"]) == 0
    alone = json.loads(capsys.readouterr().out)[0]
    assert main(["analyze", file, other, "--set", "block=all", "--json"]) == 0
    both = json.loads(capsys.readouterr().out)
    assert len(both) == 2  # one block: expected and sampled counts
    assert both[0]["sifted"] > 2 * alone["sifted"]
    assert main(["analyze", file, file, "--quiet"]) == 2
    assert "stands twice" in capsys.readouterr().err
    assert main(["analyze", file, "--constructions", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told[0]["construction"] == "one block, all trials" and told[0]["key [bit]"] == alone["key [bit]"]
    assert main(["analyze", file, other, "--constructions"]) == 2
    assert main(["analyze", file, "--set", "selection.maximum_probe_loss_db=30"]) == 2
    assert "need counts by reading of a probe" in capsys.readouterr().err


def test_proofs_are_compared_in_one_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(folder / "out" / "small.h5")
    assert main(["analyze", file, "--proof", "lim2014", "--proof", "wiesemann2026", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["proof"] for row in rows] == ["lim2014", "wiesemann2026"] * 2
    assert main(["analyze", file, "--proof", "rusca2018", "--table", "--json"]) == 0
    assert {row["proof"] for row in json.loads(capsys.readouterr().out)} == {"rusca2018"}
    assert main(["analyze", file, "--proof", "rusca2018", "--json"]) == 0
    assert "proof" not in json.loads(capsys.readouterr().out)[0]
    assert main(["analyze", file, "--proof", "lim2014", "--proof", "lim2015"]) == 2
    assert "'lim2015'" in capsys.readouterr().err


def test_json_goes_to_standard_output_and_all_else_to_standard_error(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(folder / "small.toml"), "--overwrite", "--json"]) == 0
    told = capsys.readouterr()
    (rows,) = json.loads(told.out).values()
    assert {row["counts"].split(",")[0] for row in rows} == {"expected", "sampled"}
    assert "statistics:" in told.err and "picture:" in told.err


def test_a_finished_file_is_not_replaced_without_being_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(folder / "small.toml")]) == 2
    assert "--overwrite" in capsys.readouterr().err


def test_an_analysis_takes_settings_and_says_its_status(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(folder / "out" / "small.h5")
    assert main(["analyze", file, "--json", "--set", "double_clicks=discard"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert all(row["key [bit]"] == 0 for row in rows)
    assert "double" in rows[0]["status"]


def test_every_table_is_also_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(folder / "out" / "small.h5")
    for arguments in (["info", file], ["models", "list", "sources"], ["models", "show", "micius-decoy"], ["analyze", file]):
        assert main([*arguments, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)


def test_models_are_shown_with_the_origin_of_every_value(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "show", "sources/micius-decoy", "--json"]) == 0
    rows = {row["key"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["wavelength_nm"]["value"] == "848.6"
    assert rows["wavelength_nm"]["origin"].startswith("published")


def test_your_own_models_come_first(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "stations").mkdir()
    (tmp_path / "stations" / "roof.toml").write_text(
        'title = "Roof"\nlatitude_deg = 1.0\nlongitude_deg = 2.0\naltitude_m = 3.0\n'
    )
    assert main(["models", "list", "stations", "--models", str(tmp_path), "--json"]) == 0
    assert "roof" in {row["name"] for row in json.loads(capsys.readouterr().out)}


@pytest.mark.parametrize("ending", [".png", ".pdf", ".svg"])
def test_pictures_have_the_ending_asked_for(folder: Path, ending: str) -> None:
    target = folder / f"picture{ending}"
    assert main(["plot", str(folder / "out" / "small.h5"), "--output", str(target)]) == 0
    assert target.stat().st_size > 1000


def test_a_sweep_is_drawn_as_a_sweep(folder: Path) -> None:
    sweep = folder / "sweep.toml"
    sweep.write_text(RUN + '[sweep.values]\n"channel.loss_db" = [30.0, 35.0]\n')
    assert main(["run", str(sweep), "--quiet"]) == 0
    assert (folder / "out" / "sweep.png").exists()


def test_help_answers_in_under_half_a_second_and_has_examples() -> None:
    command = [sys.executable, "-m", "qphys", "--help"]
    best = min(_seconds(command) for _ in range(5))
    assert best < 0.5
    for verb in ("run", "analyze", "compare", "plot", "info", "models"):
        told = subprocess.run([sys.executable, "-m", "qphys", verb, "--help"], capture_output=True, text=True, check=True)
        assert "Example:" in told.stdout


def test_version_and_unknown_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("qphys ")
    assert main(["rum"]) == 2
    assert main(["run", "--nonsense", "x"]) == 2


def _seconds(command: list[str]) -> float:
    """Processor time of a command, since others may use the machine."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_an_interrupted_run_resumes_to_the_same_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "long.toml"
    file.write_text(RUN + '[sweep.values]\n"channel.loss_db" = { first = 20.0, last = 40.0, number = 157 }\n')
    whole, broken = tmp_path / "whole.h5", tmp_path / "broken.h5"
    run(file, output=whole, workers=1).close()

    def interrupt(done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(RunError, match="interrupted; .*broken.h5.parts keeps what was finished, --resume"):
        run(file, output=broken, workers=1, progress=interrupt)
    assert not broken.exists()
    command = ["run", str(file), "--output", str(broken), "--no-plot", "--quiet"]
    assert main(command) == 2
    told = capsys.readouterr().err
    assert "--resume" in told and "--overwrite" in told
    assert main([*command, "--resume", "--workers", "2"]) == 0
    assert broken.read_bytes() == whole.read_bytes()


def test_long_tables_show_both_ends_and_json_holds_all(capsys: pytest.CaptureFixture[str]) -> None:
    from qphys import cli

    rows = [{"name": f"row{index:02d}"} for index in range(41)]
    cli._print({"many": rows}, json=False, most=cli.SHOWN)
    told = capsys.readouterr().out
    assert [row["name"] for row in rows if row["name"] in told] == [f"row{i:02d}" for i in (*range(6), *range(35, 41))]
    cli._print({"many": rows[:12]}, json=False, most=cli.SHOWN)
    assert capsys.readouterr().out.count("row") == 12
    cli._print({"many": rows}, json=True, most=cli.SHOWN)
    assert len(json.loads(capsys.readouterr().out)["many"]) == 41
