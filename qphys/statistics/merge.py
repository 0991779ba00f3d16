"""Adding the counts of passes, or of files, to one block for the analysis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from qphys.errors import UserError
from qphys.statistics import schema
from qphys.statistics.dataset import LABELLED, coordinate_attributes

if TYPE_CHECKING:
    import xarray as xr

BLOCK_BYTES: Final = 2**25
"""Counts in memory at once [byte]."""

CLAIMS: Final = ("mean_photon_number", "setting_probability")
"""What the sender claims: equal in every point of a block."""


def add_blocks(*datasets: xr.Dataset) -> xr.Dataset:
    """Add the counts of all points and time steps to one block.

    Counts may be added where protocol, source, receiver and claims agree, which ``block_identity`` says; then one analysis
    over the block gives the key of all passes together.

    Parameters
    ----------
    *datasets : xarray.Dataset
        Detection statistics, as :func:`qphys.open_statistics` returns them.

    Returns
    -------
    xarray.Dataset
        One point, without time: ``counts`` (realisation by realisation), ``expected_total_counts``,
        ``expected_total_counts_without``, ``trials_of_block``, claims and ``block_identity``.

    Raises
    ------
    UserError
        A block identity is missing, or these, the claims, the labels or the realisations are not equal.
    """
    import xarray as xr

    if not datasets:
        raise UserError("no statistics to add; at least one file is needed")
    identity = _common_identity(datasets)
    first = datasets[0]
    for number, dataset in enumerate(datasets):
        _check_alike(first, dataset, number)
    variables: dict[str, Any] = {name: first[name].isel({schema.POINT: [0]}).load() for name in CLAIMS}
    variables["block_identity"] = ((schema.POINT,), np.asarray([identity], dtype=object), _attributes("block_identity"))
    for name in ("counts", "expected_total_counts", "expected_total_counts_without"):
        if all(_source(dataset, name) for dataset in datasets):
            dims = tuple(dim for dim in schema.VARIABLES[name].dims if dim != schema.TIME)
            total = sum(_sum(dataset[_source(dataset, name)], dims) for dataset in datasets)
            variables[name] = (dims, np.asarray(total)[np.newaxis], _attributes(name))
    if all("trials" in dataset for dataset in datasets):
        trials = sum(int(dataset["trials"].sum()) for dataset in datasets)
        told = {"units": "1", "long_name": "trials (pulses sent) of the block"}
        variables["trials_of_block"] = ((schema.POINT,), np.asarray([trials], dtype=np.int64), told)
    point = (schema.POINT, np.zeros(1, dtype=np.int64), coordinate_attributes(schema.POINT))
    labels = {dim: first.coords[dim] for dim in LABELLED if dim in first.coords}
    kept = ("format", "qphys_schema", "protocol", "title", "notes")
    attributes = {name: first.attrs[name] for name in kept if name in first.attrs}
    block = xr.Dataset(variables, {schema.POINT: point, **labels}, attributes)
    return block.drop_vars([str(name) for name in block.coords if name not in block.dims])


def _attributes(name: str) -> dict[str, str]:
    return {"units": schema.VARIABLES[name].units, "long_name": schema.VARIABLES[name].long_name}


def _common_identity(datasets: tuple[xr.Dataset, ...]) -> str:
    found: dict[str, tuple[int, int]] = {}
    for number, dataset in enumerate(datasets):
        if "block_identity" not in dataset:
            raise UserError(f"file {number}: variable 'block_identity' is missing; without it counts cannot be added")
        for point, identity in enumerate(dataset["block_identity"].values.ravel()):
            found.setdefault(str(identity), (number, point))
    if len(found) != 1:
        (one, at), (other, there) = list(found.items())[:2]
        raise UserError(
            f"file {at[0]}, point {at[1]} and file {there[0]}, point {there[1]} have different block identities "
            f"({one[:12]}, {other[:12]}): their protocol, source, receiver or claims differ, so they form no block"
        )
    return next(iter(found))


def _check_alike(first: xr.Dataset, dataset: xr.Dataset, number: int) -> None:
    for name in CLAIMS:
        claims = dataset[name].values
        if not np.allclose(claims, first[name].isel({schema.POINT: [0]}).values, rtol=1e-12, atol=0):
            raise UserError(f"file {number}: {name} is not that of the first point: counts of one block need equal claims")
    for dim in (schema.REALISATION, *LABELLED):
        one, other = (list(d.coords[dim].values) if dim in d.coords else d.sizes.get(dim) for d in (first, dataset))
        if one != other:
            raise UserError(f"file {number}: its '{dim}' is not that of the first file: counts of one block need equal ones")


def _source(dataset: xr.Dataset, name: str) -> str:
    """Variable whose sum is that total; empty where there is none."""
    if name in dataset:
        return name
    return "expected_counts" if name == "expected_total_counts" and "expected_counts" in dataset else ""


def _sum(variable: xr.DataArray, dims: tuple[str, ...]) -> NDArray[Any]:
    """Sum over points and time, read in blocks; the dimensions that stay are those of `dims` after the point."""
    total: NDArray[Any] | None = None
    kept = [dim for dim in dims if dim != schema.POINT]
    size = variable.dtype.itemsize * variable.size // max(1, variable.sizes[schema.POINT])
    step = max(1, BLOCK_BYTES // max(1, size))
    for start in range(0, variable.sizes[schema.POINT], step):
        part = variable.isel({schema.POINT: slice(start, start + step)})
        gone = [dim for dim in part.dims if dim not in kept]
        values = part.transpose(*gone, *kept).values
        dtype = np.int64 if values.dtype.kind in "iu" else np.float64
        added = values.sum(axis=tuple(range(len(gone))), dtype=dtype)
        total = added if total is None else total + added
    if total is None:
        raise UserError(f"{variable.name}: no point in it")
    return total
