"""Models are found by name, merged value by value, and identified by their content."""

from __future__ import annotations

from pathlib import Path

import pytest

from qphys.catalogue import FOLDERS, Catalogue, canonical, digest, merged, own_folder, read_toml, without_origins
from qphys.errors import UserError


@pytest.fixture
def shelf(tmp_path: Path) -> Catalogue:
    (tmp_path / "detectors").mkdir()
    (tmp_path / "receivers").mkdir()
    (tmp_path / "tables").mkdir()
    (tmp_path / "detectors" / "d.toml").write_text('title = "D"\nefficiency = 0.5\n[origin]\nefficiency = "assumed: x"\n')
    (tmp_path / "receivers" / "r.toml").write_text('kind = "k"\ndetector = "d"\ngate_ns = 2.0\n')
    (tmp_path / "tables" / "t.csv").write_text("# a comment\nx, y\n1, 2.5\n3,\n")
    return Catalogue((tmp_path,))


def test_references_are_resolved_through_models_and_overridden_beside_the_name(shelf: Catalogue) -> None:
    tree = shelf.resolve({"receiver": {"model": "r", "detector": {"efficiency": 0.6}}}, "run.toml")
    assert tree["receiver"]["gate_ns"] == 2.0
    assert tree["receiver"]["detector"] == {
        "model": "d",
        "title": "D",
        "efficiency": 0.6,
        "origin": {"efficiency": "assumed: x"},
    }


def test_a_table_is_read_with_comments_spaces_and_blanks(shelf: Catalogue) -> None:
    columns = shelf.table("t.csv")
    assert columns["x"].tolist() == [1.0, 3.0]
    assert columns["y"][0] == 2.5 and columns["y"][1] != columns["y"][1]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("x,y\n1,2,3\n", "line 2: 3 fields; 2 are needed"),
        ("x,y\n1,two\n", "line 2, column y = 'two': not a number"),
        ("x,y\n1,inf\n", "must be finite"),
        ("# only a comment\n", "empty"),
    ],
)
def test_a_broken_table_tells_its_line(shelf: Catalogue, content: str, told: str) -> None:
    (shelf.extra[0] / "tables" / "broken.csv").write_text(content)
    with pytest.raises(UserError, match="broken.csv") as error:
        shelf.table("broken.csv")
    assert told in str(error.value)


def test_an_unknown_name_is_told_with_the_nearest_and_all(shelf: Catalogue) -> None:
    with pytest.raises(UserError, match="no model 'micius-decoi' in sources; did you mean 'micius-decoy'"):
        shelf.find("sources", "micius-decoi")
    with pytest.raises(UserError, match="is no name of a model"):
        shelf.find("sources", "../secret")
    with pytest.raises(UserError, match="no kind of model is called 'source'; did you mean 'sources'"):
        shelf.find("source", "x")


def test_the_users_folder_comes_first(tmp_path: Path) -> None:
    name = Catalogue().names("sources")[0]
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / f"{name}.toml").write_text('title = "mine"\n')
    assert Catalogue((tmp_path,)).read("sources", name)["title"] == "mine"


def test_hashes_change_with_the_content_and_name_every_file(shelf: Catalogue) -> None:
    tree = shelf.resolve({"receiver": "r"}, "run.toml")
    before = shelf.hashes(tree)
    assert set(before) == {"receivers/r", "detectors/d"}
    (shelf.extra[0] / "detectors" / "d.toml").write_text("efficiency = 0.5\n")
    assert shelf.hashes(tree) == before, "a catalogue sees each file as it was when first used"
    after = Catalogue(shelf.extra).hashes(tree)
    assert before["detectors/d"] != after["detectors/d"] and before["receivers/r"] == after["receivers/r"]


def test_a_digest_does_not_depend_on_the_order_of_keys_but_on_every_value() -> None:
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert digest({"a": 1}) != digest({"a": 1.5}) != digest({"a": "1"})
    assert canonical({"b": 1, "a": 2.5}) == '{"a":2.5,"b":1}'


def test_origins_and_titles_change_no_digest() -> None:
    assert without_origins({"a": {"x": 1, "origin": {"x": "y"}}, "title": "t"}) == {"a": {"x": 1}}


def test_merging_keeps_what_is_not_named() -> None:
    assert merged({"a": {"x": 1, "y": 2}, "b": 3}, {"a": {"y": 4}}) == {"a": {"x": 1, "y": 4}, "b": 3}


@pytest.mark.parametrize("path", sorted(own_folder().glob("*/*.toml")), ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_every_model_of_ours_says_what_it_is_and_where_its_values_come_from(path: Path) -> None:
    assert path.parent.name in FOLDERS
    assert path.read_text().startswith("# "), "the first line says what it is"
    table = read_toml(path)
    assert table.get("title")
    if path.parent.name == "experiments":
        origins = table["origin"]["published"]
        assert set(origins) == set(table["published"])
    else:
        _told(table, {})


def _told(table: dict[str, object], above: dict[str, object]) -> None:
    """Every value of a model has an origin, in its own table or its parent's."""
    origins = {**above, **table.get("origin", {})}  # type: ignore[dict-item]
    for key, value in table.items():
        if key in ("origin", "title", "kind", "model") or (
            isinstance(value, str) and key in ("detector", "atmosphere", "sky")
        ):
            continue
        if isinstance(value, dict):
            _told(value, origins.get(key, {}) if isinstance(origins.get(key), dict) else {})  # type: ignore[arg-type]
        else:
            assert str(origins.get(key, "")).startswith(("published", "digitised", "assumed", "derived")), key


def test_every_reference_of_our_models_resolves() -> None:
    shelf = Catalogue()
    for room in FOLDERS[:-2]:
        for name in shelf.names(room):
            assert shelf.read(room, name)
