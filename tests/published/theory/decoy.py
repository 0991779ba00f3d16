"""Asymptotic decoy states: Ma et al. 2005 on the set-up of Gobby, Yuan and Shields, and what Lo, Ma and Chen say of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from qphys import core

from . import Number, last, root, section

Array = np.ndarray[Any, Any]

#: Gobby, Yuan, Shields, APL 84, 3762 (2004), as Table 1 of Ma et al. 2005 has it.
LOSS_DB_A_KM, MISALIGNMENT, BACKGROUND, EFFICIENCY = 0.21, 0.033, 1.7e-6, 0.045
F_EC, SIFTING = 1.22, 0.5


def arm(distance_km: Any) -> Array:
    """Transmittance with the receiver's efficiency."""
    return np.asarray(EFFICIENCY * 10 ** (-LOSS_DB_A_KM * np.asarray(distance_km) / 10))


def gys(distance_km: Any, number: Any) -> tuple[Array, Array]:
    """Gain and error rate, Eqs. 10 and 11."""
    arrived = -np.expm1(-arm(distance_km) * np.asarray(number))
    gain = BACKGROUND + arrived
    return gain, (BACKGROUND / 2 + MISALIGNMENT * arrived) / gain


def single(distance_km: Any) -> tuple[Array, Array]:
    """Yield and error rate of single photons, Eqs. 7 and 9."""
    eta = arm(distance_km)
    total = BACKGROUND + eta - BACKGROUND * eta
    return total, (BACKGROUND / 2 + MISALIGNMENT * eta) / total


def infinite(distance_km: Any, mu: Any = 0.48) -> Array:
    """Key a pulse with infinitely many decoys."""
    gain, error = gys(distance_km, mu)
    one, wrong = single(distance_km)
    return core.ma2005_infinite(
        gain, error, mean_photon_number=mu, single_photon_yield=one, single_photon_error=wrong,
        error_correction_efficiency=F_EC, sifting_factor=SIFTING,
    ).key_rate  # fmt: skip


def two_decoys(distance_km: Any, numbers: tuple[float, float, float]) -> core.Ma2005:
    """Bounds and key a pulse with two decoys."""
    gain, error = gys(np.asarray(distance_km)[..., None], np.asarray(numbers))
    return core.ma2005(
        gain, error, mean_photon_numbers=numbers, error_correction_efficiency=F_EC, sifting_factor=SIFTING
    )  # fmt: skip


def without_decoys(distance_km: Any, mu: Any) -> Array:
    """Key a pulse where every pulse of several photons may have been detected (Gottesman, Lo, Luetkenhaus, Preskill)."""
    gain, error = gys(distance_km, mu)
    several = -np.expm1(-mu) - mu * np.exp(-mu)
    one = np.maximum(gain - several, 0.0)
    some = np.maximum(one, 1e-300)
    return core.ma2005_infinite(
        gain, error, mean_photon_number=mu, single_photon_yield=one / (mu * np.exp(-mu)),
        single_photon_error=np.minimum(gain * error / some, 0.5), error_correction_efficiency=F_EC, sifting_factor=SIFTING,
    ).key_rate  # fmt: skip


def best_intensity(f: float) -> float:
    """Best mean photon number for much loss and no background, Eq. 12."""
    mu, eta = np.arange(0.3, 0.8, 1e-4), 1e-6
    rate = core.ma2005_infinite(
        eta * mu, MISALIGNMENT, mean_photon_number=mu, single_photon_yield=eta, single_photon_error=MISALIGNMENT,
        error_correction_efficiency=f, sifting_factor=SIFTING,
    ).key_rate  # fmt: skip
    return float(mu[np.argmax(rate)])


@section(
    "ma2005",
    "Two decoys without statistics",
    "X. Ma, B. Qi, Y. Zhao, H.-K. Lo, Phys. Rev. A **72**, 012326 (2005), on the set-up of C. Gobby, Z. L. Yuan, A. J. "
    "Shields, Appl. Phys. Lett. **84**, 3762 (2004)",
    remarks="Eq. 10 of the paper leaves out $Y_0\\,\\eta\\mu$, as here. Of its worked example with finite data "
    "($6\\times10^9$ pulses, ten standard deviations) and of the set-up KTH no numbers are at hand.",
)
def _ma2005() -> Iterator[Number]:
    for f, told in ((1.0, 0.54), (1.22, 0.48)):
        yield Number(quantity=f"best mean photon number, $f = {f:g}$", published=told, found=best_intensity(f), within=0.005)
    bound = two_decoys(40.0, (0.48, 0.12, 0.0))
    eta = arm(40.0)
    one = BACKGROUND + eta
    wrong = (BACKGROUND / 2 + MISALIGNMENT * eta) / one
    yield Number(
        quantity="deviation of $Y_1$, 40 km, $\\nu/\\mu = 1/4$ [%]", published=3.5,
        found=100 * float(1 - bound.single_photon_yield_lower / one), within=0.05,
    )  # fmt: skip
    yield Number(
        quantity="deviation of $e_1$, the same [%]", published=16.8,
        found=100 * float(bound.single_photon_error_upper / wrong - 1), within=0.05,
    )  # fmt: skip
    weak = (0.48, 0.05, 0.0)
    yield Number(
        quantity="largest distance, vacuum and weak decoy [km]", published=140.55,
        found=last(lambda d: two_decoys(d, weak).key_rate, 100, 200), within=0.1,
        why="at $\\mu$ = 0.48, $\\nu$ = 0.05; the paper does not tell its $\\nu$",
    )  # fmt: skip
    yield Number(
        quantity="largest distance, infinitely many decoys [km]", published=142.05,
        found=last(infinite, 100, 200), within=0.1, why="at $\\mu$ = 0.48; 142.21 km where $\\mu$ is best at each distance",
    )  # fmt: skip
    rows = {20: (9.6245e-4, 9.0777e-4), 50: (2.2260e-4, 2.0962e-4), 100: (1.7184e-5, 1.6020e-5), 122: (4.1225e-6, 3.7172e-6)}
    for distance, (many, few) in rows.items():
        for name, told, found in (
            ("infinitely many decoys", many, infinite(distance)),
            ("vacuum and weak", few, two_decoys(distance, weak).key_rate),
        ):
            yield Number(
                quantity=f"key a pulse, {distance} km, {name}", published=told, found=float(found), within=5.1e-5 * told,
                origin="recomputed",
            )  # fmt: skip


@section(
    "lo-ma-chen2005",
    "What decoys gain",
    "H.-K. Lo, X. Ma, K. Chen, Phys. Rev. Lett. **94**, 230504 (2005), the same set-up",
)
def _lo_ma_chen2005() -> Iterator[Number]:
    yield Number(
        quantity="distance where single photons err by 1/4, beyond which intercepting and resending is not seen [km]",
        published=208.0, found=root(lambda d: float(single(d)[1]) - 0.25, 150, 250), within=0.5,
    )  # fmt: skip
    yield Number(
        quantity="largest distance with decoys is above 140 km [km]", published=140.0,
        found=last(lambda d: np.max(infinite(d, np.linspace(0.4, 0.6, 101))), 100, 200, halvings=20), within=2.5,
        why="told as \"over 140 km\"; here with the best $\\mu$",
    )  # fmt: skip
    yield Number(
        quantity="largest distance without decoys [km]", published=30.0,
        found=last(lambda d: np.max(without_decoys(d, np.geomspace(1e-3, 0.03, 401))), 5, 100, halvings=20), within=0.1,
        regression=40.2,
        why="told as about 30 km; it is that of the best $\\mu$ at each distance here, and theirs is not known",
    )  # fmt: skip


@section(
    "decoy-bounds",
    "Decoy bounds against a linear programme",
    "the closed forms of Ma et al. 2005 beside the exact optimum over all yields up to 20 photons (HiGHS), set-up as "
    "above, vacuum and one weak decoy",
    remarks="No number above 1 may ever appear here: a closed form cannot prove more than the optimum.",
)
def _decoy_bounds() -> Iterator[Number]:
    from scipy.optimize import linprog

    def optimum(numbers: tuple[float, ...], distance_km: float) -> float:
        """Least Y1 that gains of these intensities allow."""
        n = np.arange(21)
        factorial = np.cumprod(np.concatenate([[1.0], n[1:]]))
        mu = np.asarray(numbers)[:, None]
        share = np.exp(-mu) * mu**n / factorial
        gain = gys(distance_km, np.asarray(numbers))[0]
        rest = 1 - share.sum(axis=1)
        # in units of the gains, so that the solver's tolerance does not matter; photons above 20 may all be detected
        scale = np.maximum(gain, 1e-12)[:, None]
        cost = np.zeros(21)
        cost[1] = 1.0
        found = linprog(
            cost,
            A_ub=np.concatenate([share, -share]) / np.tile(scale, (2, 1)),
            b_ub=np.concatenate([gain, rest - gain]) / np.tile(scale[:, 0], 2),
            bounds=[(0.0, 1.0)] * 21,
            method="highs",
        )
        assert found.status == 0
        return float(found.fun)

    for nu in (0.24, 0.12, 0.05, 0.005):
        bound = float(two_decoys(40.0, (0.48, nu, 0.0)).single_photon_yield_lower)
        share = bound / optimum((0.48, nu, 0.0), 40.0)
        yield Number(
            quantity=f"$Y_1$ over its optimum, 40 km, $\\mu$ = 0.48, $\\nu$ = {nu:g}", published=1.0, found=share,
            within=1e-9, origin="recomputed",
        )  # fmt: skip
    for nu in (0.05, 0.005):
        truth = float(two_decoys(40.0, (0.48, nu, 0.0)).single_photon_yield_lower) / float(BACKGROUND + arm(40.0))
        yield Number(
            quantity=f"$Y_1$ over the true yield, $\\nu$ = {nu:g}", published=1.0, found=truth, within=0.3 * nu,
            origin="recomputed", why="the limit of weak decoys; the distance falls in proportion to $\\nu$",
        )  # fmt: skip
