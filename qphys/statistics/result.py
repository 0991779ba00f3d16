"""Writing a Dataset of an analysis as netCDF-4: aside, then renamed."""

from __future__ import annotations

import os
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qphys.errors import UserError
from qphys.statistics import schema

if TYPE_CHECKING:
    import xarray as xr


def write_result(dataset: xr.Dataset, path: str | PathLike[str], *, overwrite: bool = False) -> None:
    """Write a Dataset, such as the result of an analysis or a block of counts, as netCDF-4.

    Parameters
    ----------
    dataset : xarray.Dataset
        In memory or small; `files.Parts` writes the large ones.
    path : path
        An earlier result there is replaced.
    overwrite : bool, optional
        Replace also a file of detection statistics, which would be lost.

    Raises
    ------
    UserError
        The path holds detection statistics, or cannot be written.
    """
    import h5py

    target = Path(path)
    if target.is_dir():
        raise UserError(f"{target}: is a folder; a file's name is needed")
    if target.exists() and not overwrite and h5py.is_hdf5(target):
        with h5py.File(target, "r") as file:
            if file.attrs.get("format") == schema.FORMAT:
                raise UserError(f"{target}: holds detection statistics, which would be lost; choose another name")
    aside = target.with_name(target.name + ".tmp")
    encoding: dict[Any, dict[str, Any]] = {name: {"_FillValue": None} for name in dataset.variables}
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        dataset.to_netcdf(aside, engine="h5netcdf", encoding=encoding)
        os.replace(aside, target)
    except OSError as error:
        raise UserError(f"{target}: cannot be written ({(error.strerror or str(error)).lower()})") from None
