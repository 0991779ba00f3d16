r"""Pairs of a quantum dot: the biexciton-exciton cascade with fine-structure splitting, in closed form and by QuTiP.

The first photon leaves the exciton in :math:`(|H\rangle|X_H\rangle + |V\rangle|X_V\rangle)/\sqrt2`. While the exciton lives,
its two states, split by S, turn against each other in phase; the second photon takes their state over. Without time
resolution the phases average.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from qphys.errors import UserError
from qphys.stages import Complexes

HBAR: Final = 6.62607015e-34 / (2.0 * np.pi)
"""Reduced Planck constant [J s], from the exact h of SI."""


@dataclass(frozen=True, kw_only=True)
class Cascade:
    r"""A dot's constants.

    Raises
    ------
    UserError
        A time is not positive.
    """

    splitting: float
    """Fine-structure splitting S, energy of the exciton :math:`X_H` above :math:`X_V` [J]; 1 ueV is 1.602e-25 J."""
    lifetime: float
    """Radiative lifetime tau of the exciton [s]."""
    spin_scattering_time: float = float("inf")
    """t_ss [s]: the exciton flips between its two states at the rate 1/(2 t_ss) each way."""
    cross_dephasing_time: float = float("inf")
    """t_HV [s]: pure dephasing between the two states."""

    def __post_init__(self) -> None:
        for name in ("lifetime", "spin_scattering_time", "cross_dephasing_time"):
            if not getattr(self, name) > 0.0:
                raise UserError(f"Cascade: {name} = {getattr(self, name)} must be above 0 s")
        if not np.isfinite(self.splitting) or not np.isfinite(self.lifetime):
            raise UserError("Cascade: splitting and lifetime must be finite")

    @property
    def phase(self) -> float:
        r""":math:`x = S \tau / \hbar` [rad], the phase that a lifetime makes."""
        return self.splitting * self.lifetime / HBAR


def closed_form(dot: Cascade) -> Complexes:
    r"""Return the two-photon state of a cascade, averaged over the time between the photons.

    .. math::
        \rho_{HH,VV} = \frac{g}{2 (1 + i g x)}, \quad \rho_{HH,HH} = \rho_{VV,VV} = \frac{1 + g'}{4}, \quad
        \rho_{HV,HV} = \rho_{VH,VH} = \frac{1 - g'}{4}

    with :math:`x = S\tau/\hbar`, :math:`g' = 1/(1 + \tau/t_{ss})` and
    :math:`g = 1/(1 + \tau/(2 t_{ss}) + \tau/t_{HV})`.

    Parameters
    ----------
    dot : Cascade

    Returns
    -------
    ndarray
        (4, 4) over (HH, HV, VH, VV), trace 1.

    Notes
    -----
    Fidelity with :math:`\Phi^+`: :math:`F = \tfrac14 (1 + g' + 2 g / (1 + g^2 x^2))`, after Hudson et al., Phys. Rev. Lett.
    99, 266802 (2007); without flips and dephasing :math:`F = \tfrac12 (1 + 1/(1 + x^2))`, concurrence
    :math:`(1 + x^2)^{-1/2}`. One excitation, no light of other sources, no time gate.

    Examples
    --------
    >>> dot = Cascade(splitting=1.602176634e-25, lifetime=1e-9)
    >>> rho = closed_form(dot)
    >>> round(dot.phase, 4), round(float((rho[0, 0] + rho[0, 3]).real), 4)
    (1.5193, 0.6511)
    """
    flips = dot.lifetime / dot.spin_scattering_time
    populations = 1.0 / (1.0 + flips)
    coherence = 1.0 / (1.0 + flips / 2.0 + dot.lifetime / dot.cross_dephasing_time)
    state = np.diag([1.0 + populations, 1.0 - populations, 1.0 - populations, 1.0 + populations]).astype(np.complex128) / 4.0
    state[0, 3] = coherence / (2.0 * (1.0 + 1j * coherence * dot.phase))
    state[3, 0] = state[0, 3].conj()
    return state


def master_equation(dot: Cascade, *, lifetimes: float = 40.0) -> Complexes:
    r"""Return the same state by integrating the exciton's master equation with ``qutip.mesolve``.

    The first photon's polarization is a qubit; the exciton and its photon are four levels
    :math:`X_H, X_V, H, V`. Emission is one collapse operator
    :math:`(|H\rangle\langle X_H| + |V\rangle\langle X_V|)/\sqrt\tau`, which keeps the coherence; spin flips are
    :math:`|X_V\rangle\langle X_H|/\sqrt{2 t_{ss}}` and back, dephasing
    :math:`(|X_H\rangle\langle X_H| - |X_V\rangle\langle X_V|)/\sqrt{2 t_{HV}}`.

    Parameters
    ----------
    dot : Cascade
    lifetimes : float
        Time to integrate over, in lifetimes: :math:`e^{-40} = 4 \times 10^{-18}` is left by default.

    Returns
    -------
    ndarray
        (4, 4) over (HH, HV, VH, VV), trace 1.
    """
    import qutip

    # Times in lifetimes, energies in hbar over a lifetime.
    level = [qutip.basis(4, k) for k in range(4)]
    exciton = [level[0] * level[0].dag(), level[1] * level[1].dag()]
    emission = level[2] * level[0].dag() + level[3] * level[1].dag()
    one = qutip.qeye(2)
    collapse = [qutip.tensor(one, emission)]
    flips, dephasing = dot.lifetime / dot.spin_scattering_time, dot.lifetime / dot.cross_dephasing_time
    if flips > 0.0:
        flip = np.sqrt(flips / 2.0) * level[1] * level[0].dag()
        collapse += [qutip.tensor(one, flip), qutip.tensor(one, flip.dag())]
    if dephasing > 0.0:
        collapse.append(qutip.tensor(one, np.sqrt(dephasing / 2.0) * (exciton[0] - exciton[1])))
    hamiltonian = qutip.tensor(one, dot.phase / 2.0 * (exciton[0] - exciton[1]))
    start = (qutip.tensor(qutip.basis(2, 0), level[0]) + qutip.tensor(qutip.basis(2, 1), level[1])).unit()
    options = {"rtol": 1e-11, "atol": 1e-13, "nsteps": 100_000, "progress_bar": ""}
    result = qutip.mesolve(hamiltonian, start.proj(), [0.0, lifetimes], c_ops=collapse, options=options)
    photons = result.states[-1].full()[np.ix_([2, 3, 6, 7], [2, 3, 6, 7])]
    state: Complexes = photons / np.trace(photons)
    return state
