"""A run file becomes points: experiment and case below it, overrides above it, a sweep across it."""

from __future__ import annotations

from pathlib import Path

import pytest

from qphys.errors import UserError
from qphys.recipe import Recipe, Sweep, parse_override, read_recipe
from qphys.record import parse

RUN = """
source = "s"
receiver = { gate_ns = 2.0 }
[orbit]
kind = "circle"
[channel]
kind = "fixed"
loss_db = 30.0
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "models" / "sources").mkdir(parents=True)
    (tmp_path / "models" / "experiments").mkdir()
    (tmp_path / "models" / "sources" / "s.toml").write_text('kind = "k"\nrate_mhz = 100.0\n')
    (tmp_path / "models" / "sources" / "other.toml").write_text('kind = "k"\nrate_mhz = 50.0\n')
    (tmp_path / "models" / "experiments" / "e.toml").write_text(
        f'title = "E"\n[run]\n{RUN.replace("[", "[run.")}\n'
        "[cases.a]\nrun = { channel = { loss_db = 31.0 } }\n[cases.b]\nrun = { channel = { loss_db = 32.0 } }\n"
    )
    return tmp_path


def read(folder: Path, text: str, **options: object) -> Recipe:
    (folder / "run.toml").write_text(text)
    return read_recipe(folder / "run.toml", models=[folder / "models"], **options)  # type: ignore[arg-type]


def test_a_plain_run_is_one_point_with_its_models_in_it(folder: Path) -> None:
    recipe = read(folder, RUN)
    assert len(recipe) == 1 and recipe.labels == [{}]
    assert recipe.point(0).run.source == {"model": "s", "kind": "k", "rate_mhz": 100.0}


def test_a_sweep_combines_its_lists_in_order_and_together_takes_them_entry_by_entry(folder: Path) -> None:
    lists = '[sweep.values]\n"channel.loss_db" = [1.0, 2.0]\n"source.rate_mhz" = [3.0, 4.0]\n'
    product = read(folder, RUN + lists)
    assert [tuple(label.values()) for label in product.labels] == [(1.0, 3.0), (1.0, 4.0), (2.0, 3.0), (2.0, 4.0)]
    assert product.point(2).run.channel["loss_db"] == 2.0
    assert product.point(2).run.source["rate_mhz"] == 3.0
    together = read(folder, RUN + '[sweep]\nmode = "together"\n' + lists)
    assert [tuple(label.values()) for label in together.labels] == [(1.0, 3.0), (2.0, 4.0)]


def test_a_swept_model_brings_its_own_values_and_its_own_hash(folder: Path) -> None:
    recipe = read(folder, RUN + '[sweep.values]\n"source.model" = ["s", "other"]\n')
    assert [recipe.point(i).run.source["rate_mhz"] for i in (0, 1)] == [100.0, 50.0]
    assert set(recipe.hashes()) == {"sources/s", "sources/other"}


def test_equally_spaced_values_hold_both_ends() -> None:
    sweep = parse(Sweep, {"values": {"channel.loss_db": {"first": 0.0, "last": 1.0, "number": 5}}}, "x")
    assert [p["channel.loss_db"] for p in sweep.points()] == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_cases_of_an_experiment_are_points_and_the_run_file_lies_over_them(folder: Path) -> None:
    recipe = read(folder, 'experiment = "e"\n[source]\nrate_mhz = 7.0\n')
    assert recipe.labels == [{"case": "a"}, {"case": "b"}]
    assert [recipe.point(i).run.channel["loss_db"] for i in (0, 1)] == [31.0, 32.0]
    assert {recipe.point(i).run.source["rate_mhz"] for i in (0, 1)} == {7.0}
    assert recipe.point(0).run.source["model"] == "s"
    assert read(folder, 'experiment = "e"\ncase = "b"\n').labels == [{"case": "b"}]
    assert read(folder, 'experiment = "e"\n', case="a").labels == [{"case": "a"}]


def test_a_points_stages_do_not_know_the_sweep_it_stands_in(folder: Path) -> None:
    alone = read(folder, RUN.replace("30.0", "2.0")).point(0).stages
    swept = read(folder, RUN + '[sweep.values]\n"channel.loss_db" = [1.0, 2.0]\n').point(1).stages
    assert alone == swept


def test_titles_and_origins_change_no_identity_and_a_value_does(folder: Path) -> None:
    plain = read(folder, RUN).identity_tree()
    titled = read(folder, 'title = "T"\n' + RUN).identity_tree()
    changed = read(folder, RUN.replace("30.0", "30.5")).identity_tree()
    assert plain == titled
    assert plain != changed


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (RUN.replace('source = "s"', 'sorce = "s"'), "sorce: unknown key; did you mean 'source'"),
        (RUN.replace('source = "s"', 'source = "t"'), "source.model: no model 't' in sources"),
        (RUN.replace('source = "s"', ""), "source: missing"),
        (RUN + "[statistics]\nseed = -1\n", "statistics.seed = -1"),
        (RUN + "[statistics]\nrealizations = 3\n", "did you mean 'realisations'"),
        (RUN + '[sweep.values]\n"chanel.loss_db" = [1.0]\n', "chanel.loss_db: unknown key; did you mean 'channel'"),
        (RUN + '[sweep.values]\n"channel.loss_db" = []\n', "each key at least one value"),
        (
            RUN + '[sweep]\nmode = "together"\n[sweep.values]\n"channel.loss_db" = [1.0]\n"source.x" = [1, 2]\n',
            "equal length",
        ),
        (RUN + '[sweep.values]\n"channel.loss_db" = { first = 0.0, last = 1.0, number = 1 }\n', "number = 1"),
        ('experiment = "f"\n', "no model 'f' in experiments"),
        ('experiment = "e"\ncase = "c"\n', "case = 'c': unknown"),
        ('case = "a"\n' + RUN, "a case belongs to an experiment"),
        ("source = [\n", "not valid TOML"),
    ],
)
def test_a_mistake_in_a_run_file_is_told_in_one_line(folder: Path, text: str, told: str) -> None:
    with pytest.raises(UserError) as error:
        read(folder, text).point(0)
    assert told in str(error.value)
    assert "run.toml" in str(error.value)


def test_overrides_are_toml_or_a_bare_word(folder: Path) -> None:
    assert parse_override("a.b=[1, 2]") == ("a.b", [1, 2])
    assert parse_override("a = true") == ("a", True)
    assert read(folder, RUN, overrides={"source.rate_mhz": 9.0}).point(0).run.source["rate_mhz"] == 9.0
    for bad in ("a", "=1", "a="):
        with pytest.raises(UserError, match="must be KEY=VALUE"):
            parse_override(bad)
    with pytest.raises(UserError, match="did you mean 'source'"):
        read(folder, RUN, overrides={"sourc.rate_mhz": 9.0})
    with pytest.raises(UserError, match="rate_mhz is a value, not a table"):
        read(folder, RUN, overrides={"source.rate_mhz": 1.0, "source.rate_mhz.x": 9.0})
