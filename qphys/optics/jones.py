"""Jones vectors and matrices: amplitudes along H and V, whose squares are photons.

Angles are measured from H towards V, as seen by the receiver. Conventions of R. C. Jones, J. Opt. Soc. Am. 31, 488 (1941),
with the phase :math:`e^{-i \\omega t}`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from qphys.stages import Complexes, Floats


def linear(angle: ArrayLike) -> Complexes:
    r"""Return the linear polarization at an angle, :math:`(\cos\theta, \sin\theta)`.

    Parameters
    ----------
    angle : array_like
        :math:`\theta` [rad] from H towards V.

    Returns
    -------
    ndarray
        (..., 2).

    Examples
    --------
    >>> linear(0.0).real.tolist()
    [1.0, 0.0]
    """
    return elliptical(angle, 0.0)


def elliptical(angle: ArrayLike, minor_fraction: ArrayLike) -> Complexes:
    r"""Return a polarization ellipse of fixed handedness.

    .. math:: R(\theta) \begin{pmatrix} \sqrt{1 - \epsilon} \\ i \sqrt{\epsilon} \end{pmatrix}

    Parameters
    ----------
    angle : array_like
        :math:`\theta` [rad] of the major axis, from H towards V.
    minor_fraction : array_like
        :math:`\epsilon` [1]: part of the power along the minor axis, 0 to 1/2 (0: linear, 1/2: circular).

    Returns
    -------
    ndarray
        (..., 2), of length 1.

    Examples
    --------
    >>> round(float(abs(elliptical(0.0, 0.01)[1]) ** 2), 12)
    0.01
    """
    angle, minor_fraction = np.broadcast_arrays(np.asarray(angle, np.float64), np.asarray(minor_fraction, np.float64))
    own_axes = np.stack([np.sqrt(1.0 - minor_fraction) + 0j, 1j * np.sqrt(minor_fraction)], axis=-1)
    turned: Complexes = np.einsum("...ij,...j->...i", rotation(angle), own_axes)
    return turned


def rotation(angle: ArrayLike) -> Complexes:
    r"""Return the Jones matrix that turns every polarization by an angle.

    .. math:: R(\theta) = \begin{pmatrix} \cos\theta & -\sin\theta \\ \sin\theta & \cos\theta \end{pmatrix}

    Parameters
    ----------
    angle : array_like
        :math:`\theta` [rad] from H towards V.

    Returns
    -------
    ndarray
        (..., 2, 2), unitary.
    """
    c, s = np.cos(angle), np.sin(angle)
    return _matrix(c, -s, s, c)


def waveplate(retardance: ArrayLike, angle: ArrayLike) -> Complexes:
    r"""Return the Jones matrix of a retarder.

    .. math:: R(\theta)\, \mathrm{diag}(e^{-i\delta/2}, e^{i\delta/2})\, R(-\theta)

    Parameters
    ----------
    retardance : array_like
        :math:`\delta` [rad]: :math:`\pi` for a half-wave plate, :math:`\pi/2` for a quarter-wave plate.
    angle : array_like
        :math:`\theta` [rad] of the fast axis, from H towards V.

    Returns
    -------
    ndarray
        (..., 2, 2), unitary.

    Examples
    --------
    A half-wave plate at 22.5 degrees turns H to 45 degrees.

    >>> h = waveplate(np.pi, np.pi / 8) @ linear(0.0)
    >>> bool(np.allclose(abs(h) ** 2, 0.5))
    True
    """
    half = 0.5 * np.asarray(retardance, np.float64)
    zero = np.zeros_like(half)
    plate = _matrix(np.exp(-1j * half), zero, zero, np.exp(1j * half))
    turned: Complexes = rotation(angle) @ plate @ rotation(-np.asarray(angle, np.float64))
    return turned


def polarizing_beam_splitter(angle: ArrayLike, leak_fraction: ArrayLike) -> Complexes:
    r"""Return the amplitude rows of the two outputs of a polarizing beam splitter.

    .. math::
        B = \begin{pmatrix} \sqrt{1 - \epsilon} & i \sqrt{\epsilon} \\ i \sqrt{\epsilon} & \sqrt{1 - \epsilon} \end{pmatrix}
        R(-\theta)

    The photons in output k are :math:`|\sum_p B_{kp} a_p|^2`.

    Parameters
    ----------
    angle : array_like
        :math:`\theta` [rad]: linear polarization that goes to the first output, from H towards V.
    leak_fraction : array_like
        :math:`\epsilon` [1]: part of the power that goes to the wrong output, 0 to 1/2.

    Returns
    -------
    ndarray
        (..., output, polarization), unitary: no light is lost.

    Notes
    -----
    Behind a real splitter the leak keeps its own polarization, so that powers add,
    :math:`(1-\epsilon)\cos^2(\alpha-\theta) + \epsilon\sin^2(\alpha-\theta)` for a linear polarization at :math:`\alpha`.
    With the leak 90 degrees out of phase one amplitude does the same for linear light; elliptical or entangled light needs
    the mean over both signs of the leak, `polarizing_beam_splitter_leak`. The other basis, at 45 degrees, sees one half.

    Examples
    --------
    >>> rows = polarizing_beam_splitter(0.0, 1 / 281)
    >>> right, wrong = abs(rows @ linear(0.0)) ** 2
    >>> round(float(right / wrong), 6)
    280.0
    """
    angle, leak_fraction = np.broadcast_arrays(np.asarray(angle, np.float64), np.asarray(leak_fraction, np.float64))
    through, across = np.sqrt(1.0 - leak_fraction) + 0j, 1j * np.sqrt(leak_fraction)
    rows: Complexes = _matrix(through, across, across, through) @ rotation(-angle)
    return rows


def polarizing_beam_splitter_leak(angle: ArrayLike, leak_fraction: ArrayLike) -> Complexes:
    """Return the part of the rows of `polarizing_beam_splitter` that is in the wrong output.

    Parameters
    ----------
    angle, leak_fraction : array_like
        As there.

    Returns
    -------
    ndarray
        (..., output, polarization). With its sign turned the rows are as good: nothing fixes the phase of a leak.

    Examples
    --------
    >>> rows, leak = polarizing_beam_splitter(0.0, 0.1), polarizing_beam_splitter_leak(0.0, 0.1)
    >>> circular = elliptical(0.0, 0.5)
    >>> (0.5 * abs(rows @ circular) ** 2 + 0.5 * abs((rows - 2 * leak) @ circular) ** 2).round(12).tolist()
    [0.5, 0.5]
    """
    angle, leak_fraction = np.broadcast_arrays(np.asarray(angle, np.float64), np.asarray(leak_fraction, np.float64))
    across = 1j * np.sqrt(leak_fraction)
    leak: Complexes = _matrix(np.zeros_like(across), across, across, np.zeros_like(across)) @ rotation(-angle)
    return leak


def mueller(matrix: ArrayLike) -> Floats:
    r"""Return the Mueller matrix of a Jones matrix.

    .. math:: M_{ij} = \tfrac12 \mathrm{tr}(\sigma_i J \sigma_j J^\dagger)

    Parameters
    ----------
    matrix : array_like
        J, (..., 2, 2).

    Returns
    -------
    ndarray
        On Stokes vectors (power, H over V, +45 over -45 degrees, circular), (..., 4, 4). The mean over an ensemble of Jones
        matrices is the Mueller matrix of a depolarizer.

    Notes
    -----
    The circular component is positive where V runs a quarter behind H, :math:`S_3 = 2\,\mathrm{Im}(a_H^* a_V)`. Source:
    S.-Y. Lu and R. A. Chipman, J. Opt. Soc. Am. A 13, 1106 (1996).

    Examples
    --------
    >>> (mueller(rotation(np.pi / 8)) @ [1.0, 1.0, 0.0, 0.0]).round(6).tolist()
    [1.0, 0.707107, 0.707107, 0.0]
    """
    j = np.asarray(matrix, dtype=np.complex128)
    pauli = np.array([[[1, 0], [0, 1]], [[1, 0], [0, -1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]]])
    product = np.einsum("iab,...bc,jcd,...ad->...ij", pauli, j, pauli, j.conj(), optimize=True)
    found: Floats = 0.5 * product.real
    return found


def _matrix(a: ArrayLike, b: ArrayLike, c: ArrayLike, d: ArrayLike) -> Complexes:
    """Stack ((a, b), (c, d)) along two last axes."""
    entries = np.stack(np.broadcast_arrays(*(np.asarray(x, np.complex128) for x in (a, b, c, d))), axis=-1)
    return entries.reshape(*entries.shape[:-1], 2, 2)
