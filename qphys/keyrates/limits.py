"""What no protocol can exceed: bounds that stand beside every key, so that a rate above what physics allows is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qphys.statistics import schema

if TYPE_CHECKING:
    import xarray as xr

Floats = NDArray[np.float64]


def plob_bound(transmittance: ArrayLike) -> Floats:
    r"""Secret-key capacity of a pure-loss channel without repeaters, the bound of Pirandola, Laurenza, Ottaviani, Banchi.

    .. math:: K = -\log_2 (1 - \eta)

    Parameters
    ----------
    transmittance : array_like
        Intensity transmittance :math:`\eta` of the channel [1], 0 to 1.

    Returns
    -------
    ndarray
        Bits for each use of the channel [bit]; 1.44 :math:`\eta` at high loss, infinite without loss, NaN outside 0 to 1.

    Notes
    -----
    Pirandola et al., Nat. Commun. 8, 15043 (2017), Eq. 19. A use is one optical mode, so a pulse of one polarization and one
    time bin; for polarization encoding with two modes a pulse it is twice this.

    Examples
    --------
    >>> plob_bound([0.1, 0.01, 0.001]).round(9).tolist()
    [0.152003093, 0.01449957, 0.001443417]
    """
    eta = np.asarray(transmittance, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        bits = -np.log1p(-np.where((eta >= 0.0) & (eta <= 1.0), eta, np.nan)) / np.log(2.0)
    return np.asarray(bits, dtype=np.float64)


def repeaterless_bound(dataset: xr.Dataset) -> Floats | None:
    r"""Bits that a pass could give at most without a repeater, (point); None where the file does not tell its link.

    .. math:: \sum_t -2 N_t \log_2 (1 - \eta_t)

    with the trials N of each step and the mean transmittance from the sender's aperture to the detectors, two polarization
    modes a pulse. The mean stands for the fading's distribution: -log2(1 - eta) is linear to eta / 2.

    Parameters
    ----------
    dataset : xarray.Dataset
        Detection statistics of one arm.

    Returns
    -------
    ndarray or None
        [bit].
    """
    name = "mean_link_transmittance"
    if (
        name not in dataset
        or "trials" not in dataset
        or "arm" in dataset[name].dims
        or schema.TIME not in dataset[name].dims
    ):
        return None
    trials: Any = dataset["trials"]
    if schema.TIME not in trials.dims:
        return None
    capacity = dataset[name].copy(data=plob_bound(dataset[name].values)) * 2.0
    # steps without trials have no transmittance to speak of
    total = (capacity.where(trials > 0, 0.0) * trials).sum(schema.TIME, skipna=False)
    return np.atleast_1d(np.asarray(total.values, dtype=np.float64))
