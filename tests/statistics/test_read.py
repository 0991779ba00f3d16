"""What conforms is read, whoever wrote it; what does not is refused with one clear line."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr

from qphys.errors import UserError
from qphys.statistics import files, info, open_statistics, read, read_any, schema, write_result

Labels = dict[str, list[str]]
OUTCOMES = list(schema.OUTCOMES_BB84)
SETTINGS = ["intensity", "alice_basis", "alice_bit"]


def foreign(outcomes: list[str] = OUTCOMES, **variables: Any) -> xr.Dataset:
    """A file as another laboratory would write it: no point, no realisation, no time."""
    rng = np.random.default_rng(11)
    counts = rng.integers(0, 100, size=(3, 2, 2, len(outcomes)))
    labels: Labels = {
        "intensity": ["s", "d", "v"],
        "alice_basis": ["Z", "X"],
        "alice_bit": ["0", "1"],
        "bob_outcome": outcomes,
    }
    return xr.Dataset(
        {
            "counts": ([*SETTINGS, "bob_outcome"], counts),
            "mean_photon_number": (["intensity"], [0.5, 0.1, 0.0]),
            "setting_probability": (SETTINGS, np.full((3, 2, 2), 1 / 12)),
            **variables,
        },
        labels | {"bob_outcome": outcomes},
        {"format": schema.FORMAT, "qphys_schema": "1.0", "protocol": "decoy-bb84"},
    )


def stored(dataset: xr.Dataset, folder: Path) -> Path:
    path = folder / "lab.h5"
    dataset.to_netcdf(path, engine="h5netcdf")
    return path


def opened(dataset: xr.Dataset, folder: Path) -> xr.Dataset:
    with open_statistics(stored(dataset, folder)) as found:
        return found.load()


def test_a_file_without_point_realisation_and_time_is_read(tmp_path: Path) -> None:
    made = foreign()
    found = opened(made, tmp_path)
    assert found["counts"].dims == ("point", "realisation", *SETTINGS, "bob_outcome")
    assert found["mean_photon_number"].dims == ("point", "intensity")
    np.testing.assert_array_equal(found["counts"].values[0, 0], made["counts"].values)
    assert "notes" not in found.attrs


def test_dimensions_may_stand_in_any_order(tmp_path: Path) -> None:
    made = foreign()
    turned = made.transpose("bob_outcome", "alice_bit", "intensity", "alice_basis")
    xr.testing.assert_identical(opened(turned, tmp_path), opened(made, tmp_path))


def test_labels_in_another_order_stay_with_their_counts(tmp_path: Path) -> None:
    made = foreign()
    found = opened(made.isel(bob_outcome=[3, 1, 7, 0, 2, 6, 5, 4], alice_basis=[1, 0]), tmp_path)
    one, other = (d["counts"].sel(bob_outcome="Z1", alice_basis="X").values.ravel() for d in (found, made))
    np.testing.assert_array_equal(one, other)


def test_claims_without_point_hold_for_all_points(tmp_path: Path) -> None:
    made = foreign()
    several = made.assign(counts=made["counts"].expand_dims(point=3))
    found = opened(several, tmp_path)
    assert found["mean_photon_number"].shape == (3, 3)
    assert (found["setting_probability"].values == 1 / 12).all()


def test_labels_may_be_absent_where_all_are_there(tmp_path: Path) -> None:
    """A file by plain h5py with dimension scales that hold no names."""
    path = tmp_path / "plain.h5"
    made = foreign()
    with h5py.File(path, "w") as file:
        file.attrs.update(made.attrs)
        for name, variable in made.data_vars.items():
            file[str(name)] = variable.values
        for dim, size in made.sizes.items():
            scale = file.create_dataset(str(dim), (size,), dtype="f4")
            scale.make_scale(f"This is a netCDF dimension but not a netCDF variable. {size:10d}")
        for name, variable in made.data_vars.items():
            for axis, dim in enumerate(variable.dims):
                file[str(name)].dims[axis].attach_scale(file[str(dim)])
    with open_statistics(path) as found:
        assert found.coords["bob_outcome"].values.tolist() == OUTCOMES
        assert found.coords["intensity"].values.tolist() == ["0", "1", "2"]
        np.testing.assert_array_equal(found["counts"].values[0, 0], made["counts"].values)


def test_labels_of_fixed_length_are_text(tmp_path: Path) -> None:
    made = foreign()
    made = made.assign_coords(alice_basis=np.array([b"Z", b"X"]))
    with open_statistics(stored(made, tmp_path)) as found:
        assert found.coords["alice_basis"].values.tolist() == ["Z", "X"]


def test_probabilities_of_intensity_and_basis_make_the_joint_one(tmp_path: Path) -> None:
    made = foreign(intensity_probability=(["intensity"], [0.7, 0.2, 0.1]), basis_probability=(["alice_basis"], [0.9, 0.1]))
    found = opened(made.drop_vars("setting_probability"), tmp_path)
    assert found["setting_probability"].dims == ("point", *SETTINGS)
    assert found["setting_probability"].values[0, 0, 0, 1] == pytest.approx(0.7 * 0.9 / 2, rel=1e-14)
    assert float(found["setting_probability"].sum()) == pytest.approx(1, abs=1e-14)


def test_absent_outcomes_are_told(tmp_path: Path) -> None:
    found = opened(foreign(["Z0", "Z1", "X0", "X1"]), tmp_path)
    assert found.attrs["notes"].splitlines() == [
        "outcomes double_Z, double_X, across are not in the file and count as 0",
        "the number of pulses sent is unknown",
    ]


def test_none_follows_from_the_pulses_sent(tmp_path: Path) -> None:
    made = foreign(OUTCOMES[1:], pulses_sent=(SETTINGS, np.full((3, 2, 2), 1000)))
    found = opened(made, tmp_path)
    assert found.coords["bob_outcome"].values[0] == "none"
    assert (found["counts"].sum("bob_outcome") == 1000).all()
    assert "notes" not in found.attrs


def test_counts_are_read_lazily(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = foreign().assign_attrs(qphys_version="0.1.0")
    made = made.expand_dims(point=2, realisation=2).assign_coords(point=[0, 1], realisation=[0, 1])
    made["mean_photon_number"] = made["mean_photon_number"].isel(realisation=0)
    made["setting_probability"] = made["setting_probability"].isel(realisation=0)
    monkeypatch.setattr(read, "CHECKED_BYTES", 0)
    with open_statistics(stored(made, tmp_path)) as found:
        assert not found["counts"].variable._in_memory


def with_(name: str, value: Any) -> Callable[[xr.Dataset], xr.Dataset]:
    """The file with one variable's first cell replaced, as floating-point numbers."""

    def change(made: xr.Dataset) -> xr.Dataset:
        values = made[name].values.astype(np.float64)
        values.flat[0] = value
        return made.assign({name: (made[name].dims, values)})

    return change


MALFORMED: dict[str, tuple[Callable[[xr.Dataset], xr.Dataset], str]] = {
    "no format": (lambda d: d.drop_attrs(), "not detection statistics: attribute 'format' is missing"),
    "another format": (lambda d: d.assign_attrs(format="weather"), "attribute 'format' = 'weather'"),
    "no schema": (lambda d: d.assign_attrs(qphys_schema=""), r"qphys_schema = ''.*'1\.x'"),
    "a later schema": (lambda d: d.assign_attrs(qphys_schema="2.0"), r"qphys_schema = '2\.0'.*'1\.x'"),
    "unknown protocol": (lambda d: d.assign_attrs(protocol="decoy_bb84"), "unknown; did you mean 'decoy-bb84'"),
    "no counts": (lambda d: d.rename(counts="count"), "no counts: at least one.*did you mean 'counts'|no counts"),
    "no intensities": (lambda d: d.drop_vars("mean_photon_number"), "'mean_photon_number' is missing; it is required"),
    "no probabilities": (lambda d: d.drop_vars("setting_probability"), "'setting_probability' is missing"),
    "half of the probabilities": (
        lambda d: d.drop_vars("setting_probability").assign(basis_probability=("alice_basis", [0.5, 0.5])),
        "'intensity_probability' is missing; without",
    ),
    "missing dimension": (lambda d: d.assign(counts=d["counts"].isel(alice_bit=0)), "dimension 'alice_bit' is missing"),
    "unknown dimension": (
        lambda d: d.assign(counts=d["counts"].expand_dims(times=2)),
        "dimension 'times' is not allowed; did you mean 'time'",
    ),
    "time of the claims": (
        lambda d: d.assign(mean_photon_number=d["mean_photon_number"].expand_dims(time=2)),
        "mean_photon_number: dimension 'time' is not allowed",
    ),
    "counts of one point only": (
        lambda d: d.assign(mean_photon_number=d["mean_photon_number"].expand_dims(point=2)),
        "counts: dimension 'point' is missing, although the file has 2",
    ),
    "unknown outcome": (
        lambda d: d.assign_coords(bob_outcome=["nothing", *OUTCOMES[1:]]),
        "bob_outcome = 'nothing': unknown label",
    ),
    "missing outcome": (lambda d: d.isel(bob_outcome=[0, 1, 2, 3]), "bob_outcome: X1 missing"),
    "doubled label": (lambda d: d.assign_coords(alice_basis=["Z", "Z"]), "a label stands twice in Z, Z"),
    "missing basis": (lambda d: d.isel(alice_basis=[0]), "alice_basis: X missing"),
    "places without names": (
        lambda d: d.isel(bob_outcome=[1, 2, 3, 4]).drop_vars("bob_outcome"),
        "4 places without names",
    ),
    "nothing in it": (
        lambda d: d.assign(counts=d["counts"].expand_dims(point=2).isel(point=slice(0, 0))),
        "nothing along the dimension 'point'",
    ),
    "negative count": (with_("counts", -3), "counts = -3 in 1 of 96 cells: must not be negative"),
    "part of a count": (with_("counts", 2.5), r"counts = 2\.5 in 1 of 96 cells: counts must be whole numbers"),
    "NaN count": (with_("counts", np.nan), "counts = nan in 1 of 96 cells: must be a finite number"),
    "infinite count": (with_("counts", np.inf), "counts = inf in 1 of 96 cells"),
    "text for counts": (
        lambda d: d.assign(counts=(d["counts"].dims, d["counts"].values.astype(str))),
        "counts: values of type '.*'; numbers are needed",
    ),
    "negative intensity": (
        with_("mean_photon_number", -0.5),
        r"mean_photon_number = -0\.5: must be finite and not negative",
    ),
    "probability above 1": (with_("setting_probability", 1.5), r"setting_probability = 1\.5: must lie between 0 and 1"),
    "probabilities that do not sum to 1": (
        with_("setting_probability", 0.5),
        r"sums to 1\.41666667 over settings; must be 1",
    ),
    "more clicks than trials": (lambda d: d.assign(trials=((), 7)), "trials with an outcome in a step or pass of 7 trials"),
    "more clicks than pulses": (
        lambda d: d.isel(bob_outcome=slice(1, None)).assign(pulses_sent=(SETTINGS, np.ones((3, 2, 2), dtype=int))),
        "settings have more clicks than pulses_sent",
    ),
    "other sum than pulses": (
        lambda d: d.assign(pulses_sent=(SETTINGS, np.full((3, 2, 2), 9999))),
        "'none' included, is not pulses_sent",
    ),
    "pulses against time only": (
        lambda d: d.isel(bob_outcome=slice(1, None)).assign(pulses_sent=(["time", *SETTINGS], np.full((2, 3, 2, 2), 9999))),
        "either both it and counts have the dimension 'time', or neither",
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_file_is_refused_with_one_line(tmp_path: Path, name: str) -> None:
    change, told = MALFORMED[name]
    path = stored(change(foreign()), tmp_path)
    with pytest.raises(UserError, match=told) as caught:
        open_statistics(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def damage_start(path: Path) -> None:
    path.write_bytes(b"\0" * 16 + path.read_bytes()[16:])


def damage_end(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-500])


def damage_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def damage_counts(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file["counts"].id.write_direct_chunk((0,) * 7, b"no deflated bytes")


def no_scale(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        counts = file["counts"][...]
        del file["counts"]
        file["counts"] = counts


DAMAGED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "empty": (lambda p: p.write_bytes(b""), "empty"),
    "text": (lambda p: p.write_text("counts,1,2"), "not an HDF5 file"),
    "no signature": (damage_start, "not an HDF5 file"),
    "cut at the end": (damage_end, "truncated or damaged"),
    "cut in the middle": (damage_half, "truncated or damaged"),
    "chunk that does not unpack": (damage_counts, "damaged, a part of it cannot be read"),
    "no dimension scales": (no_scale, "counts: its dimension 0 has no dimension scale"),
    "a folder": (lambda p: (p.unlink(), p.mkdir()), "is a folder"),
    "absent": (lambda p: p.unlink(), "no such file"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_refused_with_one_line(tmp_path: Path, point: Callable[..., Any], name: str) -> None:
    damage, told = DAMAGED[name]
    path = tmp_path / "run.h5"
    parts = files.Parts(path, "0" * 64)
    parts.write(0, [point(4)])
    parts.finish()
    damage(path)
    with pytest.raises(UserError, match=re.escape(told)) as caught:
        open_statistics(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_part_and_an_unfinished_run_are_told(tmp_path: Path, point: Callable[..., Any]) -> None:
    parts = files.Parts(tmp_path / "run.h5", "0" * 64)
    parts.write(0, [point(4)])
    with pytest.raises(UserError, match="is a part of an unfinished run"):
        open_statistics(parts.path(0))
    with pytest.raises(UserError, match=r"no such file; run\.h5\.parts holds parts of an unfinished run: --resume"):
        open_statistics(tmp_path / "run.h5")


def test_a_refused_file_is_closed(tmp_path: Path) -> None:
    """An open handle would refuse to open the file for writing."""
    path = stored(with_("counts", -3)(foreign()), tmp_path)
    with pytest.raises(UserError):
        open_statistics(path)
    with h5py.File(path, "r+") as file:
        file["counts"][...] = 1
    open_statistics(path).close()


def test_a_table_needs_its_protocol_and_a_file_does_not(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--protocol"):
        read_any(tmp_path / "counts.csv")
    path = stored(foreign(), tmp_path)
    with pytest.raises(UserError, match="says its protocol itself"):
        read_any(path, "lab.toml")
    with read_any(path) as found:
        assert found.sizes["point"] == 1


def test_info_of_a_foreign_file_leaves_out_what_it_does_not_say(tmp_path: Path) -> None:
    told = info(stored(foreign(["Z0", "Z1", "X0", "X1"]), tmp_path))
    assert told["mean photon numbers"] == "s 0.5, d 0.1, v 0"
    assert "identity" not in told
    assert "pulses sent is unknown" in told["notes"]


def test_a_result_is_written_but_never_over_statistics(tmp_path: Path) -> None:
    result = xr.Dataset({"key_length": ("point", [1.0, 2.0])}, attrs={"title": "key"})
    write_result(result, tmp_path / "new" / "key.nc")
    write_result(result, tmp_path / "new" / "key.nc")
    with xr.open_dataset(tmp_path / "new" / "key.nc", engine="h5netcdf") as found:
        xr.testing.assert_identical(found.load(), result)
    path = stored(foreign(), tmp_path)
    with pytest.raises(UserError, match="would be lost"):
        write_result(result, path)
    write_result(result, path, overwrite=True)
    with pytest.raises(UserError, match="is a folder"):
        write_result(result, tmp_path)
    with pytest.raises(UserError, match="cannot be written"):
        write_result(result, "/dev/null/key.nc")
