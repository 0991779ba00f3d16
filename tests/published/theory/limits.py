"""Thresholds and bounds without statistics: BB84, six states, CHSH, PLOB, unequal detectors, numerical rates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from qphys import core, keyrates
from qphys.keyrates.bbm92 import inferred_chsh
from qphys.keyrates.efficiency_mismatch import equal_share, rate_with_discarding, rate_without_discarding
from qphys.keyrates.entropies import binary_entropy
from qphys.keyrates.limits import plob_bound

from . import Number, entropy, last, root, section


def six_state(error: float, *, numerical: bool = False) -> float:
    """Key a sifted bit of six states with equal error rates."""
    told = {"kind": "six-state", "error_rates": dict.fromkeys("ZXY", error), "error_correction_efficiency": 1.0}
    return float(keyrates.keyrate(told, numerical=numerical)["key_rate"])


@section(
    "thresholds",
    "Error rates where the key ends, and what no key exceeds",
    "P. W. Shor, J. Preskill, Phys. Rev. Lett. **85**, 441 (2000); D. Bruß, Phys. Rev. Lett. **81**, 3018 (1998) and "
    "H.-K. Lo, Quantum Inf. Comput. **1**, 81 (2001); A. Acín et al., Phys. Rev. Lett. **98**, 230501 (2007); S. "
    "Pirandola et al., Nat. Commun. **8**, 15043 (2017)",
    remarks="SARG04 (9.689 and 2.710 %) and measurement-device-independent keys (230.54 km) are other protocols, which "
    "qphys does not have: out of scope.",
)
def _thresholds() -> Iterator[Number]:
    for f, told in ((1.0, 11.00279), (1.1, 10.22828), (1.16, 9.81060), (1.22, 9.42352)):
        end = last(lambda q, f=f: core.bbm92_asymptotic(q, q, error_correction_efficiency=f).key_fraction, 0.01, 0.2)
        yield Number(
            quantity=f"BB84, $f_{{EC}}$ = {f:g} [%]", published=told, found=100 * end, within=6e-6, origin="recomputed"
        )
    yield Number(
        quantity="six states [%]",
        published=12.61931,
        found=100 * last(six_state, 0.1261, 0.1263, halvings=14),
        within=6e-6,
        origin="recomputed",
    )

    def independent(q: Any) -> Any:
        """Key a bit from a CHSH value of 2 sqrt 2 (1 - 2Q)."""
        return core.chsh_di_rate_estimate(2 * np.sqrt(2) * (1 - 2 * q), q).key_fraction

    yield Number(
        quantity="device-independent, CHSH [%]", published=7.14918, found=100 * last(independent, 0.01, 0.14), within=6e-6,
        origin="recomputed",
    )  # fmt: skip
    for q, told in ((0.01, 0.776598), (0.03, 0.470078), (0.05, 0.224950)):
        yield Number(
            quantity=f"the same, key a bit at {100 * q:g} %", published=told, found=float(independent(q)), within=6e-7,
            origin="recomputed",
        )  # fmt: skip
    classical = last(lambda q: core.chsh_di_rate_estimate(2 * np.sqrt(2) * (1 - 2 * q), 0.0).information, 0.1, 0.2)
    yield Number(quantity="where $S$ = 2 [%]", published=14.645, found=100 * classical, within=6e-4, origin="recomputed")
    for eta, told in ((0.1, 0.1520031), (0.01, 0.01449957), (0.001, 0.001443417)):
        yield Number(
            quantity=f"repeaterless bound, $\\eta$ = {eta:g} [bit a mode]", published=told, found=float(plob_bound(eta)),
            within=6e-7 * told, origin="recomputed",
        )  # fmt: skip


@section(
    "naik2000",
    "CHSH value and error rate of one experiment",
    "D. S. Naik, C. G. Peterson, A. G. White, A. J. Berglund, P. G. Kwiat, Phys. Rev. Lett. **84**, 4733 (2000): $S$ = "
    "2.665 ± 0.019, error rate 3.06 ± 0.11 %",
    remarks="For a Werner state $S = 2\\sqrt2\\,(1 - 2Q)$. The tolerances are one standard error.",
)
def _naik2000() -> Iterator[Number]:
    def inferred(q: float) -> float:
        return float(inferred_chsh([q * 1e6, q * 1e6], [1e6, 1e6])[0])

    yield Number(quantity="$S$ inferred from 3.06 %", published=2.665, found=inferred(0.0306), within=0.019)
    yield Number(
        quantity="error rate that gives $S$ = 2.665 [%]", published=2.89, found=100 * root(lambda q: inferred(q) - 2.665,
        0, 0.1),
        within=0.005, origin="recomputed",
    )  # fmt: skip
    yield Number(
        quantity="the same beside the measured one [%]", published=3.06, found=100 * root(lambda q: inferred(q) - 2.665,
        0, 0.1),
        within=0.34, why="0.34 is the standard error that follows from that of $S$",
    )  # fmt: skip


@section(
    "fung2009",
    "Unequal detectors",
    "C.-H. F. Fung, K. Tamaki, B. Qi, H.-K. Lo, X. Ma, Quantum Inf. Comput. **9**, 131 (2009); counts 10,992 and 1,541 "
    "and the error rate 5.68 % of Y. Zhao, C.-H. F. Fung, B. Qi, C. Chen, H.-K. Lo, Phys. Rev. A **78**, 042333 (2008)",
)
def _fung2009() -> Iterator[Number]:
    share = float(equal_share(10992, 1541))
    naive = 1 - 2 * float(entropy(0.0568))
    yield Number(quantity="mismatch", published=7.13, found=2 / share - 1, within=0.005, origin="second program")
    yield Number(
        quantity="key that ignores it, over the proven key with discarding", published=4.07,
        found=naive / float(rate_with_discarding(share, 0.0568, phase_error=0.0568)), within=0.005, origin="second program",
    )  # fmt: skip
    yield Number(
        quantity="proven key without discarding [bit]", published=0.0,
        found=float(rate_without_discarding(share, 0.0568, phase_error=0.0568)), within=0.0, origin="recomputed",
    )  # fmt: skip
    yield Number(
        quantity="entropy of the raw key at a mismatch of 2 [bit]", published=0.9183, found=float(binary_entropy(2 / 3)),
        within=5e-5, origin="recomputed",
    )  # fmt: skip


def isotropic(d: int, visibility: float) -> dict[str, Any]:
    """A protocol's table: all d + 1 unbiased bases of an isotropic state of odd prime dimension, key from the first."""
    w = np.exp(2j * np.pi / d)
    j, k = np.arange(d)[:, None], np.arange(d)[None]
    bases = [np.eye(d, dtype=complex)] + [w ** ((b * j * j + k * j) % d) / np.sqrt(d) for b in range(d)]
    state = np.eye(d).ravel() / np.sqrt(d)
    rho = visibility * np.outer(state, state) + (1 - visibility) * np.eye(d * d) / d**2
    alice, bob, table = [], [], {}
    for b, basis in enumerate(bases):
        for x in range(d):
            common = {"name": f"{b}{x}", "weight": 1 / (d + 1), "announcement": str(b)}
            alice.append(common | ({"key": x} if b == 0 else {}) | {"state": [str(complex(a)) for a in basis[:, x]]})
            bob.append(common | {"state": [str(complex(a)) for a in basis[:, x].conj()]})
    for ours in alice:
        row = []
        for theirs in bob:
            joint = np.kron(*(np.array([complex(a) for a in element["state"]]) for element in (ours, theirs)))
            row.append(float((joint.conj() @ rho @ joint).real) / (d + 1) ** 2)
        table[ours["name"]] = row
    return {"kind": "generic", "source": "entangled", "alice": alice, "bob": bob, "probabilities": table}


@section(
    "numerical",
    "Numerical rates, proven from below",
    "the documentation of QICS; A. Winick, N. Lütkenhaus, P. J. Coles, Quantum **2**, 77 (2018); M. Araújo, M. Huber, M. "
    "Navascués, M. Pivoluska, A. Tavakoli, Quantum **7**, 1019 (2023)",
    remarks="Every rate is a lower bound that does not trust the solver ([](numerical.md)), so a difference may only be "
    "negative.",
    slow=True,
)
def _numerical() -> Iterator[Number]:
    bb84 = {"kind": "bb84-qubit", "error_correction_efficiency": 1.0}
    found = keyrates.keyrate(bb84 | {"error_rates": {"Z": 0.25, "X": 0.25}})
    nats = float(found["entropy_lower"]) * np.log(2)
    yield Number(
        quantity="entangled BB84 at $q$ = 0.25, $\\ln 2 + q \\ln q + (1-q)\\ln(1-q)$ [nat]", published=0.130812035941137,
        found=nats,
        within=1e-7,
    )  # fmt: skip
    yield Number(
        quantity="the same by the solver alone [nat]", published=0.1308120333864307, found=nats, within=1e-7,
        why="printed by its documentation",
    )  # fmt: skip
    for kind, bases, told in (("bb84-qubit", "ZX", 11.00279), ("six-state", "ZXY", 12.61931)):
        table = {"kind": kind, "error_correction_efficiency": 1.0}

        def proven(error: float, table: Any = table, bases: str = bases) -> float:
            return float(keyrates.keyrate(table | {"error_rates": dict.fromkeys(bases, error)})["key_rate"])

        yield Number(
            quantity=f"threshold of `{kind}` [%]", published=told,
            found=100 * last(proven, told / 100 - 5e-6, told / 100 + 5e-6, halvings=7), within=1e-5,
        )  # fmt: skip
    for d, v in ((2, 0.86), (3, 0.9)):
        v_t = v + (1 - v) / d**2
        told = np.log2(d) - (1 - v_t) * np.log2(d * d - 1) - float(entropy(v_t))
        if d == 2:
            value = six_state((1 - v) / 2, numerical=True)
        else:
            value = float(keyrates.keyrate(isotropic(d, v), overrides={"error_correction_efficiency": 1.0})["key_fraction"])
        yield Number(
            quantity=f"isotropic {'qubits' if d == 2 else 'qutrits'}, visibility {v:g}, all {d + 1} bases [bit]",
            published=told, found=value, within=1e-7, why="told by the closed form of Araújo et al.",
        )  # fmt: skip
