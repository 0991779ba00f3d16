"""Threads over the batch: a kernel drops the interpreter's lock, so slices of the leading axis run side by side."""

from __future__ import annotations

import math
import re
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

#: Below this many evaluations a thread the pool costs more than it saves.
SMALLEST_SLICE = 4096


def evaluate(
    kernel: np.ufunc, *inputs: ArrayLike, threads: int = 1, smallest_slice: int = SMALLEST_SLICE
) -> tuple[np.ndarray[Any, Any], ...]:
    """Call a generalized ufunc over a batch in several threads, with the same bits as in one.

    Parameters
    ----------
    kernel : numpy.ufunc
        A kernel with fixed core dimensions or ones that its inputs give.
    *inputs : array_like
        Its inputs; the batch dimensions broadcast.
    threads : int
        Threads to use, at least 1.
    smallest_slice : int
        Elements of the batch below which a further thread is not worth its start.

    Returns
    -------
    tuple of numpy.ndarray
        Its outputs, always as a tuple.

    Raises
    ------
    ValueError
        If `threads` or `smallest_slice` is below 1.

    Examples
    --------
    >>> from qphys.core import KERNELS
    >>> exponential, *_ = evaluate(KERNELS["elementary"], [0.0, 1.0], threads=2)
    >>> float(exponential[0])
    1.0
    """
    if threads < 1 or smallest_slice < 1:
        raise ValueError(f"threads and smallest_slice must be at least 1, not {threads} and {smallest_slice}")
    arrays = [np.asarray(value) for value in inputs]
    signature = _signature(kernel)
    loops = [array.shape[: array.ndim - len(core)] for array, core in zip(arrays, signature, strict=False)]
    batch = np.broadcast_shapes(*loops)
    slices = min(threads, batch[0], max(1, math.prod(batch) // smallest_slice)) if batch else 1
    if slices <= 1:
        result = kernel(*arrays)
        return result if isinstance(result, tuple) else (result,)

    size = {name: int(name) for core in signature for name in core if name.isdecimal()}
    for array, core in zip(arrays, signature, strict=False):
        size |= dict(zip(core, array.shape[array.ndim - len(core) :], strict=True))
    letters = kernel.types[0].split("->")[1]
    outputs = tuple(
        np.empty(batch + tuple(size[name] for name in core), dtype=letter)
        for core, letter in zip(signature[kernel.nin :], letters, strict=True)
    )

    def part(first: int, last: int) -> None:
        cut = [
            array[first:last] if len(loop) == len(batch) and loop[0] > 1 else array
            for array, loop in zip(arrays, loops, strict=True)
        ]
        kernel(*cut, out=tuple(output[first:last] for output in outputs))

    edges = [batch[0] * k // slices for k in range(slices + 1)]
    with ThreadPoolExecutor(slices) as pool:
        for future in [pool.submit(part, first, last) for first, last in pairwise(edges)]:
            future.result()
    return outputs


def _signature(kernel: np.ufunc) -> list[list[str]]:
    """Return the names (or numbers) of the core dimensions of each operand, inputs first."""
    text = kernel.signature or ",".join(["()"] * kernel.nargs)
    return [[name for name in core.split(",") if name] for core in re.findall(r"\(([^)]*)\)", text)]
