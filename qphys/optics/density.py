r"""Two-qubit polarization states of pairs and what happens to them, as QuTiP objects over (HH, HV, VH, VV), signal first.

States have trace 1. A channel is a tuple of Kraus operators on one photon, :math:`\rho \to \sum_k K_k \rho K_k^\dagger`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike

from qphys.errors import UserError, nearest
from qphys.optics import jones
from qphys.stages import Complexes, Floats

if TYPE_CHECKING:
    from qutip import Qobj

BELL_STATES: Final[dict[str, tuple[int, int, float]]] = {
    "psi-": (1, 2, -1.0),
    "psi+": (1, 2, 1.0),
    "phi+": (0, 3, 1.0),
    "phi-": (0, 3, -1.0),
}
"""Positions in (HH, HV, VH, VV) of the two terms, and the sign of the second."""

Channel = tuple[Any, ...]
"""Kraus operators of one photon."""


def state(density_matrix: ArrayLike) -> Qobj:
    """Make a QuTiP state of a matrix, such as that of `qphys.optics.circuit.Circuit.pair_state`.

    Parameters
    ----------
    density_matrix : array_like
        (4, 4) over (HH, HV, VH, VV): Hermitian, positive, trace 1.

    Returns
    -------
    Qobj

    Raises
    ------
    UserError
        The matrix is no state, by more than 1e-9.
    """
    from qutip import Qobj

    matrix = np.asarray(density_matrix, dtype=np.complex128)
    if matrix.shape != (4, 4):
        raise UserError(f"a two-qubit state has shape (4, 4), not {matrix.shape}")
    if np.abs(matrix - matrix.conj().T).max() > 1e-9 or abs(np.trace(matrix) - 1.0) > 1e-9:
        raise UserError("a density matrix must be Hermitian and have trace 1")
    if np.linalg.eigvalsh(matrix)[0] < -1e-9:
        raise UserError(f"the density matrix has the negative eigenvalue {np.linalg.eigvalsh(matrix)[0]:.3g}")
    return Qobj(matrix, dims=[[2, 2], [2, 2]])


def bell(name: str, *, imbalance: float = 0.0, phase: float = 0.0) -> Qobj:
    r"""Return a Bell state, or one whose terms differ in weight and phase.

    .. math:: \sqrt{\tfrac{1+b}{2}}\, |1\rangle \pm e^{i\phi} \sqrt{\tfrac{1-b}{2}}\, |2\rangle

    Parameters
    ----------
    name : str
        ``psi-``, ``psi+`` (HV and VH), ``phi+`` or ``phi-`` (HH and VV).
    imbalance : float
        b [1], -1 to 1: positive where the term with the signal in H is the heavier.
    phase : float
        :math:`\phi` [rad], beside the sign of the name.

    Returns
    -------
    Qobj

    Raises
    ------
    UserError
        The name is unknown, or b outside of -1 to 1.

    Examples
    --------
    >>> round(concurrence(bell("psi-", imbalance=0.6)), 12)
    0.8
    """
    first, second, sign = _terms(name)
    _within("imbalance", imbalance, -1.0, 1.0)
    vector = np.zeros(4, dtype=np.complex128)
    vector[first] = np.sqrt((1.0 + imbalance) / 2.0)
    vector[second] = sign * np.exp(1j * phase) * np.sqrt((1.0 - imbalance) / 2.0)
    return state(np.outer(vector, vector.conj()))


def werner(name: str, visibility: float) -> Qobj:
    r"""Return a Bell state in white noise, :math:`V |B\rangle\langle B| + (1-V)/4`.

    Parameters
    ----------
    name : str
        Of the Bell state.
    visibility : float
        V [1], 0 to 1: that of every basis.

    Returns
    -------
    Qobj

    Notes
    -----
    R. F. Werner, Phys. Rev. A 40, 4277 (1989). Entangled above 1/3, violates CHSH above :math:`1/\sqrt 2`.
    """
    _within("visibility", visibility, 0.0, 1.0)
    return state(visibility * bell(name).full() + (1.0 - visibility) / 4.0 * np.eye(4))


def bell_diagonal(weights: Sequence[float]) -> Qobj:
    """Return a mixture of the four Bell states.

    Parameters
    ----------
    weights : sequence of float
        Of psi-, psi+, phi+, phi-; they sum to 1.

    Returns
    -------
    Qobj

    Raises
    ------
    UserError
        The weights are no distribution over four.
    """
    if len(weights) != 4 or min(weights) < 0.0 or abs(sum(weights) - 1.0) > 1e-9:
        raise UserError(f"weights = {tuple(weights)}: four are needed (psi-, psi+, phi+, phi-), none negative, of sum 1")
    return state(sum(weight * bell(name).full() for name, weight in zip(BELL_STATES, weights, strict=True)))


def colored_noise(name: str, visibility: float) -> Qobj:
    r"""Return a Bell state whose noise keeps its polarizations, :math:`V |B\rangle\langle B| + (1-V)(P_1 + P_2)/2`.

    Parameters
    ----------
    name : str
        Of the Bell state.
    visibility : float
        V [1]: in the diagonal bases; that of H and V stays 1.

    Returns
    -------
    Qobj

    Notes
    -----
    A. Cabello, A. Feito, A. Lamas-Linares, Phys. Rev. A 72, 052112 (2005), Eq. (2): what distinguishable paths or times
    inside of a crystal leave. It is the Bell state with its coherence times V.
    """
    _within("visibility", visibility, 0.0, 1.0)
    first, second, _ = _terms(name)
    noise = np.zeros((4, 4))
    noise[[first, second], [first, second]] = 0.5
    return state(visibility * bell(name).full() + (1.0 - visibility) * noise)


def crystal_phase(
    temperature: ArrayLike,
    *,
    reference_temperature: float,
    length: float,
    wavelength: float,
    birefringence: float,
    thermo_optic_difference: float,
    expansion: float,
) -> Floats:
    r"""Return the phase between the two terms that a birefringent crystal adds, against its temperature.

    .. math:: \phi(T) = \frac{2\pi L}{\lambda} \left(1 + \alpha \Delta T\right)
        \left(\Delta n + \frac{d \Delta n}{d T} \Delta T\right), \qquad \Delta T = T - T_0

    Parameters
    ----------
    temperature : array_like
        T [K or degree Celsius].
    reference_temperature : float
        :math:`T_0` of the other values, in the same scale.
    length : float
        L at :math:`T_0` [m].
    wavelength : float
        :math:`\lambda` in vacuum [m].
    birefringence : float
        :math:`\Delta n` at :math:`T_0` [1].
    thermo_optic_difference : float
        :math:`d\Delta n/dT` [1/K].
    expansion : float
        :math:`\alpha`, linear thermal expansion along the light [1/K].

    Returns
    -------
    ndarray
        [rad], not wrapped.

    Notes
    -----
    First order in the temperature, for a few kelvins around :math:`T_0`. A compensator's phase enters with the opposite
    sign; phases of several crystals and of signal and idler add.

    Examples
    --------
    A crystal of 1 mm whose birefringence falls by 1e-5 a kelvin turns the phase at 800 nm by 4.5 degrees a kelvin.

    >>> at = dict(reference_temperature=20.0, length=1e-3, wavelength=800e-9, birefringence=0.0, expansion=0.0)
    >>> round(float(np.rad2deg(crystal_phase(21.0, thermo_optic_difference=1e-5, **at))), 9)
    4.5
    """
    change = np.asarray(temperature, dtype=np.float64) - reference_temperature
    delay = length * (1.0 + expansion * change) * (birefringence + thermo_optic_difference * change)
    phase: Floats = 2.0 * np.pi * delay / wavelength
    return phase


def phase_noise_coherence(phase_rms: ArrayLike) -> Floats:
    r"""Return the factor that a normally distributed phase leaves of the coherence, :math:`e^{-\sigma^2/2}`.

    Parameters
    ----------
    phase_rms : array_like
        :math:`\sigma` [rad]: of a temperature's scatter, :math:`\sigma = |d\phi/dT|\, \sigma_T`.

    Returns
    -------
    ndarray
    """
    coherence: Floats = np.exp(-0.5 * np.square(np.asarray(phase_rms, dtype=np.float64)))
    return coherence


def depolarizing(probability: float) -> Channel:
    r"""Return the channel that replaces the photon's polarization by a random one, :math:`\rho \to (1-p) \rho + p/2`.

    Parameters
    ----------
    probability : float
        p [1], 0 to 1.

    Returns
    -------
    tuple of Qobj
    """
    from qutip import qeye, sigmax, sigmay, sigmaz

    _within("probability", probability, 0.0, 1.0)
    paulis = (sigmax(), sigmay(), sigmaz())
    return (np.sqrt(1.0 - 0.75 * probability) * qeye(2), *(np.sqrt(probability / 4.0) * pauli for pauli in paulis))


def dephasing(coherence: float, *, angle: float = 0.0) -> Channel:
    r"""Return the channel that leaves a part of the coherence between a linear polarization and its orthogonal.

    Parameters
    ----------
    coherence : float
        c [1], 0 to 1: :math:`\rho_{HV} \to c \rho_{HV}`.
    angle : float
        Of the polarization that keeps its weight [rad]; 0 is H.

    Returns
    -------
    tuple of Qobj
    """
    from qutip import Qobj, qeye

    _within("coherence", coherence, 0.0, 1.0)
    turn = jones.rotation(angle)
    reflection = Qobj(turn @ np.diag([1.0, -1.0]) @ turn.conj().T)
    return (np.sqrt((1.0 + coherence) / 2.0) * qeye(2), np.sqrt((1.0 - coherence) / 2.0) * reflection)


def retardance(amount: float, *, angle: float = 0.0) -> Channel:
    """Return the channel of a retarder: a birefringent window or fibre, or an imperfect waveplate.

    Parameters
    ----------
    amount : float
        Phase of the slow axis behind the fast one [rad]; a half-wave plate that is off by x has pi + x.
    angle : float
        Of the fast axis [rad].

    Returns
    -------
    tuple of Qobj
        One unitary.
    """
    from qutip import Qobj

    return (Qobj(jones.waveplate(amount, angle)),)


def rotation(angle: float) -> Channel:
    """Return the channel that turns the frame.

    Parameters
    ----------
    angle : float
        From H towards V [rad].

    Returns
    -------
    tuple of Qobj
        One unitary.
    """
    from qutip import Qobj

    return (Qobj(jones.rotation(angle)),)


def polarization_dependent_loss(transmittances: tuple[float, float], *, angle: float = 0.0) -> Channel:
    r"""Return the channel :math:`K = R(\theta)\, \mathrm{diag}(\sqrt{T_1}, \sqrt{T_2})\, R(-\theta)` of photons that pass.

    Parameters
    ----------
    transmittances : tuple of float
        :math:`T_1` along the axis and :math:`T_2` across [1].
    angle : float
        Of the axis [rad].

    Returns
    -------
    tuple of Qobj
        One contraction: the probability to pass depends on the state, see `send`.
    """
    from qutip import Qobj

    for transmittance in transmittances:
        _within("transmittances", transmittance, 0.0, 1.0)
    turn = jones.rotation(angle)
    return (Qobj(turn @ np.diag(np.sqrt(np.asarray(transmittances, dtype=np.float64))) @ turn.conj().T),)


def send(pair: Qobj, *, signal: Sequence[Channel] = (), idler: Sequence[Channel] = ()) -> tuple[Qobj, float]:
    """Send the two photons of a pair through channels.

    Parameters
    ----------
    pair : Qobj
        State before.
    signal, idler : sequence of channels
        In the order in which the photon meets them.

    Returns
    -------
    state : Qobj
        Of pairs of which both photons pass, trace 1.
    probability : float
        That both pass [1].

    Raises
    ------
    UserError
        No pair passes.

    Examples
    --------
    >>> mixed, passed = send(bell("phi+"), signal=[depolarizing(0.1)], idler=[rotation(0.2)])
    >>> round(passed, 12)
    1.0
    """
    from qutip import qeye, tensor

    result = pair
    for side, channels in enumerate((signal, idler)):
        for channel in channels:
            operators = [tensor(k, qeye(2)) if side == 0 else tensor(qeye(2), k) for k in channel]
            result = sum(k * result * k.dag() for k in operators)
    probability = float(result.tr().real)
    if probability <= 0.0:
        raise UserError("no pair passes the channels")
    return result / probability, probability


def fidelity(pair: Qobj, name: str) -> float:
    r"""Return the fidelity with a Bell state, :math:`\langle B|\rho|B\rangle`.

    Parameters
    ----------
    pair : Qobj
    name : str
        Of the Bell state.

    Returns
    -------
    float
        A probability (QuTiP's own `fidelity` is its square root).
    """
    return float((pair * bell(name)).tr().real)


def concurrence(pair: Qobj) -> float:
    """Return the concurrence, 0 for separable and 1 for Bell states.

    Parameters
    ----------
    pair : Qobj

    Returns
    -------
    float

    Notes
    -----
    W. K. Wootters, Phys. Rev. Lett. 80, 2245 (1998), by QuTiP.
    """
    import qutip

    return float(qutip.concurrence(pair))


def correlation(pair: Qobj, signal_angle: ArrayLike, idler_angle: ArrayLike) -> Floats:
    r"""Return the correlation of two linear analysers, :math:`E = \langle A(\alpha) \otimes A(\beta) \rangle`.

    .. math:: A(\theta) = \cos 2\theta\, \sigma_z + \sin 2\theta\, \sigma_x

    Parameters
    ----------
    pair : Qobj
    signal_angle, idler_angle : array_like
        Polarization that counts as +1 [rad]; its orthogonal is -1.

    Returns
    -------
    ndarray
        -1 to 1.
    """
    tensor = correlation_matrix(pair)
    signal, idler = (np.stack([np.sin(2 * a), np.cos(2 * a)], -1) for a in map(np.asarray, (signal_angle, idler_angle)))
    result: Floats = np.einsum("...i,ij,...j->...", signal, tensor[np.ix_([0, 2], [0, 2])], idler)
    return result


def correlation_matrix(pair: Qobj) -> Floats:
    r"""Return :math:`T_{ij} = \langle \sigma_i \otimes \sigma_j \rangle` for x (diagonal), y (circular), z (H and V).

    Parameters
    ----------
    pair : Qobj

    Returns
    -------
    ndarray
        (3, 3).
    """
    from qutip import sigmax, sigmay, sigmaz, tensor

    paulis = (sigmax(), sigmay(), sigmaz())
    return np.array([[float((pair * tensor(a, b)).tr().real) for b in paulis] for a in paulis])


def bit_error_rate(pair: Qobj, angle: ArrayLike, *, name: str) -> Floats:
    r"""Return the error rate of two analysers at the same angle, for the correlations of a Bell state.

    .. math:: E = (1 - V)/2, \qquad V = \mathrm{sgn}(E_B)\, E(\theta, \theta)

    Parameters
    ----------
    pair : Qobj
    angle : array_like
        Of both analysers [rad]: 0 is Z, pi/4 is X.
    name : str
        Bell state whose sign of correlation is no error.

    Returns
    -------
    ndarray

    Raises
    ------
    UserError
        The Bell state has no correlation at the angle.
    """
    ideal = correlation(bell(name), angle, angle)
    if np.any(np.abs(ideal) < 1e-9):
        raise UserError(f"{name} is not correlated at the angle {angle!r} rad of both analysers")
    rate: Floats = (1.0 - np.sign(ideal) * correlation(pair, angle, angle)) / 2.0
    return rate


def chsh(
    pair: Qobj,
    signal_angles: tuple[float, float],
    *,
    idler_angles: tuple[float, float],
    signs: tuple[float, float, float, float] = (1.0, 1.0, 1.0, -1.0),
) -> float:
    r"""Return the CHSH value of given analysers, :math:`S = |\sum_{ij} s_{ij} E(\alpha_i, \beta_j)|`.

    Parameters
    ----------
    pair : Qobj
    signal_angles, idler_angles : tuple of float
        The two analysers of each side [rad].
    signs : tuple of float
        Of :math:`E(\alpha_0, \beta_0), E(\alpha_0, \beta_1), E(\alpha_1, \beta_0), E(\alpha_1, \beta_1)`.

    Returns
    -------
    float

    Notes
    -----
    J. F. Clauser, M. A. Horne, A. Shimony, R. A. Holt, Phys. Rev. Lett. 23, 880 (1969).

    Examples
    --------
    >>> angles = np.deg2rad([[0.0, 45.0], [22.5, -22.5]])
    >>> round(chsh(bell("phi+"), tuple(angles[0]), idler_angles=tuple(angles[1])), 9)
    2.828427125
    """
    values = correlation(pair, np.asarray(signal_angles)[:, np.newaxis], np.asarray(idler_angles))
    return float(abs(np.sum(values * np.reshape(signs, (2, 2)))))


def chsh_maximum(pair: Qobj) -> float:
    r"""Return the largest CHSH value of any analysers, :math:`2 \sqrt{u_1 + u_2}`.

    Parameters
    ----------
    pair : Qobj

    Returns
    -------
    float
        Analysers may have to be elliptical.

    Notes
    -----
    :math:`u_1, u_2` are the largest eigenvalues of :math:`T^T T`: R., P. and M. Horodecki, Phys. Lett. A 200, 340 (1995).
    """
    singular = np.linalg.svd(correlation_matrix(pair), compute_uv=False)
    return float(2.0 * np.hypot(singular[0], singular[1]))


def matrix(pair: Qobj) -> Complexes:
    """Return the density matrix over (HH, HV, VH, VV) as an array.

    Parameters
    ----------
    pair : Qobj

    Returns
    -------
    ndarray
        (4, 4).
    """
    return np.asarray(pair.full(), dtype=np.complex128)


def _terms(name: str) -> tuple[int, int, float]:
    if name not in BELL_STATES:
        raise UserError(f"Bell state {name!r} is unknown{nearest(name, BELL_STATES)} (known: {', '.join(BELL_STATES)})")
    return BELL_STATES[name]


def _within(name: str, value: float, least: float, largest: float) -> None:
    if not least <= value <= largest:
        raise UserError(f"{name} = {value} is outside of {least:g} to {largest:g}")
