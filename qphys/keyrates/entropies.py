"""Entropies that more than one key rate needs, in bits."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def binary_entropy(probability: ArrayLike) -> Floats:
    r"""Entropy of a bit, :math:`h(p) = -p \log_2 p - (1-p) \log_2 (1-p)`.

    Parameters
    ----------
    probability : array_like
        :math:`p` [1].

    Returns
    -------
    ndarray
        [bit]; NaN outside 0 to 1.

    Examples
    --------
    >>> binary_entropy([0.0, 0.110027864, 0.5]).round(6).tolist()
    [0.0, 0.5, 1.0]
    """
    p = np.asarray(probability, dtype=np.float64)
    p = np.where((p >= 0.0) & (p <= 1.0), p, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        one = np.where(p > 0.0, -p * np.log2(np.where(p > 0.0, p, 1.0)), np.where(np.isnan(p), np.nan, 0.0))
        other = np.where(p < 1.0, -(1.0 - p) * np.log1p(-np.where(p < 1.0, p, 0.0)) / np.log(2.0), 0.0)
    return np.asarray(one + other)


def shannon_leakage(joint: ArrayLike) -> float:
    r"""Bits that correct Alice's key at the Shannon limit, :math:`\sum_{xy} p_{xy} \log_2 (p_y / p_{xy})`.

    Parameters
    ----------
    joint : array_like
        Probability of Alice's key :math:`x` and Bob's outcome :math:`y` [1], (key, outcome); need not sum to 1. The result
        grows with each entry, so that upper ends of intervals give an upper bound.

    Returns
    -------
    float
        [bit] a trial.

    Examples
    --------
    >>> shannon_leakage([[0.25, 0.25], [0.0, 0.5]])
    0.6887218755408671
    """
    p = np.asarray(joint, dtype=np.float64)
    total = np.broadcast_to(p.sum(axis=0), p.shape)
    some = p > 0.0
    return float((p[some] * np.log2(total[some] / p[some])).sum())
