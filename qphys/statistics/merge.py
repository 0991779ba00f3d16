"""Adding the counts of passes, or of files, to one block for the analysis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from qphys.errors import UserError
from qphys.statistics import schema
from qphys.statistics.dataset import coordinate_attributes, labelled
from qphys.statistics.read import protocol_of

if TYPE_CHECKING:
    import xarray as xr

BLOCK_BYTES: Final = 2**25
"""Counts in memory at once [byte]."""

CLAIMS: Final = {
    schema.PROTOCOL_DECOY_BB84: ("mean_photon_number", "setting_probability"),
    schema.PROTOCOL_BBM92: ("mean_pair_number", "coincidence_window", "pair_rate"),
    schema.PROTOCOL_CHSH: ("mean_pair_number", "coincidence_window", "pair_rate"),
}
"""What is claimed of the source, by protocol: where it stands in the files, equal in every point of a block."""

SUMS: Final = {
    "counts": ("counts",),
    "expected_total_counts": ("expected_total_counts", "expected_counts"),
    "expected_total_counts_without": ("expected_total_counts_without",),
    "expected_total_counts_by_photon_number": ("expected_total_counts_by_photon_number",),
    "accidental_counts": ("accidental_counts",),
    "expected_total_accidental_counts": ("expected_total_accidental_counts", "expected_accidental_counts"),
}
"""Variables of a block, and those of a file whose sum each is: the first that is there."""


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
        ``expected_total_counts_without``, those of shifted windows, ``trials_of_block``, claims and ``block_identity``.

    Raises
    ------
    UserError
        A block identity is missing, or these, the protocol, the claims, the labels or the realisations are not equal.
    """
    import xarray as xr

    if not datasets:
        raise UserError("no statistics to add; at least one file is needed")
    identity = _common_identity(datasets)
    first = datasets[0]
    protocol = protocol_of(first)
    for number, dataset in enumerate(datasets):
        _check_alike(first, dataset, number)
    claims = [name for name in CLAIMS[protocol] if name in first]
    known = schema.variables(protocol)
    variables: dict[str, Any] = {name: first[name].isel({schema.POINT: [0]}).load() for name in claims}
    told = {name: {"units": known[name].units, "long_name": known[name].long_name} for name in known}
    variables["block_identity"] = ((schema.POINT,), np.asarray([identity], dtype=object), told["block_identity"])
    for name in SUMS:
        if name in known and all(_source(dataset, name) for dataset in datasets):
            dims = tuple(dim for dim in known[name].dims if dim != schema.TIME)
            total = sum(_sum(dataset[_source(dataset, name)], dims) for dataset in datasets)
            variables[name] = (dims, np.asarray(total)[np.newaxis], told[name])
    if all("trials" in dataset for dataset in datasets):
        trials = sum(int(dataset["trials"].sum()) for dataset in datasets)
        what = "trials (time windows)" if protocol in schema.PAIR_PROTOCOLS else "trials (pulses sent)"
        attributes = {"units": "1", "long_name": f"{what} of the block"}
        variables["trials_of_block"] = ((schema.POINT,), np.asarray([trials], dtype=np.int64), attributes)
    point = (schema.POINT, np.zeros(1, dtype=np.int64), coordinate_attributes(schema.POINT))
    labels = {dim: first.coords[dim] for dim in _labelled(protocol) if dim in first.coords}
    kept_attributes = ("format", "qphys_schema", "protocol", "title", "notes")
    of_file = {name: first.attrs[name] for name in kept_attributes if name in first.attrs}
    block = xr.Dataset(variables, {schema.POINT: point, **labels}, of_file)
    return block.drop_vars([str(name) for name in block.coords if name not in block.dims])


def _labelled(protocol: str) -> list[str]:
    """Dimensions with names that a block has: it holds no geometry of an arm, and no readings of a probe."""
    return [dim for dim in labelled(protocol) if dim not in (schema.ARM, schema.PROBE_BIN)]


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
    protocol = protocol_of(first)
    if protocol_of(dataset) != protocol:
        raise UserError(f"file {number}: protocol {protocol_of(dataset)}; that of the first file is {protocol}")
    for name in CLAIMS[protocol]:
        if (name in dataset) != (name in first):
            raise UserError(f"file {number}: {name} stands in some files only: counts of one block need equal claims")
        if name not in first:
            continue
        claims = dataset[name].values
        if not np.allclose(claims, first[name].isel({schema.POINT: [0]}).values, rtol=1e-12, atol=0):
            raise UserError(f"file {number}: {name} is not that of the first point: counts of one block need equal claims")
    for dim in (schema.REALISATION, *_labelled(protocol)):
        one, other = (list(d.coords[dim].values) if dim in d.coords else d.sizes.get(dim) for d in (first, dataset))
        if one != other:
            raise UserError(f"file {number}: its '{dim}' is not that of the first file: counts of one block need equal ones")


def _source(dataset: xr.Dataset, name: str) -> str:
    """Variable whose sum is that total; empty where there is none."""
    return next((source for source in SUMS[name] if source in dataset), "")


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
