"""The page for an auditor cannot drift: every line of code, every test, every share of epsilon that it names is there."""

from __future__ import annotations

import ast
import importlib.util
import math
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qphys import core
from qphys.keyrates.proofs import PROOFS

ROOT = Path(__file__).parents[1]
specification = importlib.util.spec_from_file_location("audit", Path(__file__).with_name("audit.py"))
assert specification is not None
assert specification.loader is not None
audit = importlib.util.module_from_spec(specification)
sys.modules["audit"] = audit
specification.loader.exec_module(audit)

STEPS = [(proof, step) for proof, steps in audit.STEPS.items() for step in steps]
NAMES = [f"{proof.split(',')[0].split(' ')[0]}-{place}" for place, (proof, _) in enumerate(STEPS)]


@pytest.mark.parametrize(("proof", "step"), STEPS, ids=NAMES)
def test_the_line_of_every_term_stands_in_its_file_once_and_its_test_exists(proof: str, step: Any) -> None:
    text = (ROOT / audit.PLACES[step.file]).read_text()
    assert text.count(step.line) == 1, f"{step.file}: {text.count(step.line)} times {step.line!r}"
    assert step.line.count(step.broken[0]) == 1 and step.broken[0] != step.broken[1]
    path, name = step.test.split("::")
    functions = {node.name for node in ast.walk(ast.parse((ROOT / path).read_text())) if isinstance(node, ast.FunctionDef)}
    assert name.split("[")[0] in functions


def test_every_proof_is_there() -> None:
    told = {
        name
        for names in audit.STEPS
        for name in re.findall(r"[a-z_-]*[0-9]{4}|linear-programme|variable-length|fair_sampling", names)
    }
    assert told == {name for name, proof in PROOFS.items() if proof.attack != "asymptotic"}
    finite = {name for name, proof in PROOFS.items() if proof.is_finite}
    assert {name for name, _ in audit.LEDGERS} | set(audit.REASONS) == finite, (
        "a new proof needs its ledger in tests/audit.py"
    )


@pytest.mark.parametrize(("proof", "key_from"), audit.LEDGERS)
def test_shares_of_epsilon_add_up_to_those_of_the_registry(proof: str, key_from: str) -> None:
    fewest, most = PROOFS[proof].intensities or (0, 0)
    for intensities in range(fewest, (most or fewest + 4) + 1):
        told = PROOFS[proof].epsilon_shares(key_from=key_from, intensities=intensities)
        ours = dict.fromkeys(told, 0)
        for event in audit.LEDGERS[proof, key_from]:
            ours[event.part] += event.shares(intensities)
        assert ours == dict(told)


def test_constants_of_the_kernels_are_the_logarithms_that_their_names_say() -> None:
    found = 0
    for name in ("lim2014.c", "one_decoy.c", "variable_length.c"):
        for number, value in re.findall(r"#define LN_(\d+) ([0-9.]+)", (ROOT / audit.PLACES[name]).read_text()):
            assert float(value) == pytest.approx(math.log(int(number)), rel=1e-16)
            found += 1
    assert found >= 10


MU: list[float] = [0.5, 0.15, 0.01]
PROBABILITIES: list[list[float]] = [[0.7, 0.2, 0.1], [0.6, 0.3, 0.1]]
"""Given the key basis, given the test basis."""


def expected(pulses: float, probability: list[float]) -> tuple[list[float], list[float]]:
    """Counts and errors behind 20 dB with noise of 1e-4: large enough that nothing is clipped, which would hide a term."""
    arrived = [-math.expm1(-0.01 * m) for m in MU]
    return (
        [round(pulses * q * (1e-4 + a)) for q, a in zip(probability, arrived, strict=True)],
        [round(pulses * q * (0.5e-4 + 0.01 * a)) for q, a in zip(probability, arrived, strict=True)],
    )


@pytest.mark.parametrize("tail", ["hoeffding", "chernoff"])
@pytest.mark.parametrize("source", ["all", "signal"])
def test_two_decoys_by_hand(tail: str, source: str) -> None:
    # Oracle: Eqs. 1 to 5 of Lim et al. 2014 and the choices of docs/physics/keys.md, with plain numbers, not clipped.
    eps, eps_cor, f = 1e-9, 1e-15, 1.16
    terms = 21 if source == "all" else 23
    beta = math.log(terms / eps)
    mu = MU

    def around(x: float, total: float) -> tuple[float, float]:
        if tail == "hoeffding":
            delta = math.sqrt(total / 2 * beta)
            return x - delta, x + delta
        return (
            x + beta / 2 - math.sqrt(2 * beta * x + beta**2 / 4),
            x + beta + math.sqrt(2 * beta * x + beta**2),
        )

    def tau(p: list[float], n: int) -> float:
        return sum(q * math.exp(-m) * m**n for q, m in zip(p, mu, strict=True))

    def weighted(counts: list[float], p: list[float]) -> list[tuple[float, float]]:
        total = sum(counts)
        return [
            (math.exp(m) / q * low, math.exp(m) / q * high)
            for m, q, (low, high) in zip(mu, p, [around(x, total) for x in counts], strict=True)
        ]

    def photons(counts: list[float], p: list[float]) -> tuple[float, float]:
        n1, n2, n3 = weighted(counts, p)
        vacuum = tau(p, 0) * (mu[1] * n3[0] - mu[2] * n2[1]) / (mu[1] - mu[2])
        bracket = n2[0] - n3[1] - (mu[1] ** 2 - mu[2] ** 2) / mu[0] ** 2 * (n1[1] - vacuum / tau(p, 0))
        return vacuum, tau(p, 1) * mu[0] * bracket / (mu[0] * (mu[1] - mu[2]) - mu[1] ** 2 + mu[2] ** 2)

    p, q = PROBABILITIES
    (x, a), (z, c) = expected(1e11, p), expected(1e10, q)
    n, m = x, a
    (s0, s1), (_, z1) = photons(n, p), photons(z, q)
    _, m2, m3 = weighted(c, q)
    v1 = tau(q, 1) * (m2[1] - m3[0]) / (mu[1] - mu[2])
    if source == "signal":
        shares = p[0] * math.exp(-mu[0]) / tau(p, 0), p[0] * math.exp(-mu[0]) * mu[0] / tau(p, 1)
        s0, s1 = (
            share * s - (math.sqrt(s * beta / 2) if tail == "hoeffding" else math.sqrt(2 * beta * share * s))
            for share, s in zip(shares, (s0, s1), strict=True)
        )
        n, m = n[:1], m[:1]
    b = v1 / z1
    inside = (z1 + s1) / (z1 * s1 * (1 - b) * b) * terms**2 / eps**2
    phase = b + math.sqrt((z1 + s1) * (1 - b) * b / (z1 * s1 * math.log(2)) * math.log2(inside))

    def h(x: float) -> float:
        return -x * math.log2(x) - (1 - x) * math.log2(1 - x)

    leak = f * sum(n) * h(sum(m) / sum(n))
    key = math.floor(s0 + s1 * (1 - h(phase)) - leak - 6 * math.log2(terms / eps) - math.log2(2 / eps_cor))
    found = core.lim2014(
        x, a, test_counts=z, test_errors=c, mean_photon_numbers=mu, key_probabilities=p, test_probabilities=q,
        eps_secrecy=eps, eps_correctness=eps_cor, error_correction_efficiency=f, tail_bound=tail, sampling_bound="lim2014",
        key_from=source,
    )  # fmt: skip
    told = [float(np.asarray(value)) for value in found]
    assert told[1:7] == pytest.approx([s0, s1, z1, v1, phase, leak], rel=1e-11)
    assert int(found.sampling_used) == core.SAMPLING_USED["gamma"]
    assert told[0] == key > 1e5
    assert s0 > 0 and v1 < sum(c), "nothing is clipped"


@pytest.mark.parametrize("proof", core.ONE_DECOY_PROOFS)
def test_one_decoy_by_hand(proof: str) -> None:
    # Oracle: Eqs. A16 to A25 of Rusca et al. 2018, and docs/physics/one-decoy.md, with plain numbers, not clipped.
    eps, eps_cor, f = 1e-9, 1e-15, 1.16
    parts = 19 if proof == "rusca2018" else 15
    beta = math.log(parts / eps)
    mu = [0.5, 0.02]
    p, q = [0.6, 0.4], [0.5, 0.5]

    def counts(pulses: float, probability: list[float]) -> tuple[list[float], list[float]]:
        gain = [(2e-4 - math.expm1(-0.01 * m), 1e-4 - 2e-3 * math.expm1(-0.01 * m)) for m in mu]
        told = [[round(pulses * r * g[i]) for r, g in zip(probability, gain, strict=True)] for i in (0, 1)]
        return told[0], told[1]

    def photons(n: list[float], m: list[float], r: list[float]) -> tuple[float, float, float, float, float]:
        d_n, d_m = math.sqrt(sum(n) / 2 * beta), math.sqrt(sum(m) / 2 * beta)
        w1, w2 = math.exp(mu[0]) / r[0], math.exp(mu[1]) / r[1]
        tau0 = r[0] * math.exp(-mu[0]) + r[1] * math.exp(-mu[1])
        tau1 = r[0] * mu[0] * math.exp(-mu[0]) + r[1] * mu[1] * math.exp(-mu[1])
        strong, weak = w1 * (n[0] + d_n), w2 * (n[1] - d_n)
        least = tau0 / (mu[0] - mu[1]) * (mu[0] * weak - mu[1] * strong)
        of_decoy, of_signal = w2 * (m[1] + d_m), w1 * (m[0] + d_m)
        wrong = of_decoy if proof == "rusca2018" else min(of_decoy, of_signal)
        most = 2 * (tau0 * wrong + d_n)
        ratio = (mu[1] / mu[0]) ** 2
        one = tau1 * mu[0] / (mu[1] * (mu[0] - mu[1])) * (weak - ratio * strong - (1 - ratio) * most / tau0)
        error = tau1 / (mu[0] - mu[1]) * (of_signal - w2 * (m[1] - d_m))
        return least, most, one, error, sum(m)

    (n, m), (z, c) = counts(1e12, p), counts(1e12, q)
    s0, most, s1, _, _ = photons(n, m, p)
    _, _, z1, v1, all_wrong = photons(z, c, q)
    b = v1 / z1
    if proof == "rusca2018":
        inside = (z1 + s1) / (z1 * s1 * (1 - b) * b) * 21**2 / eps**2
        spread = math.sqrt((z1 + s1) * (1 - b) * b / (z1 * s1 * math.log(2)) * math.log2(inside))
        cost = 6 * math.log2(19 / eps)
    else:
        spread = math.sqrt((s1 + z1) / (s1 * z1) * (z1 + 1) / z1 * beta)
        cost = 4 * math.log2(15 / (2**0.25 * eps))
    phase = b + spread

    def h(x: float) -> float:
        return -x * math.log2(x) - (1 - x) * math.log2(1 - x)

    leak = f * sum(n) * h(sum(m) / sum(n))
    kept = s0 if proof == "rusca2018" else 0.0
    key = math.floor(kept + s1 * (1 - h(phase)) - leak - cost - math.log2(2 / eps_cor))
    found = core.one_decoy(
        n, m, test_counts=z, test_errors=c, mean_photon_numbers=mu, key_probabilities=p, test_probabilities=q,
        eps_secrecy=eps, eps_correctness=eps_cor, error_correction_efficiency=f, proof=proof,
    )  # fmt: skip
    told = [float(np.asarray(value)) for value in found]
    assert told[1:7] == pytest.approx([s0, s1, z1, v1, phase, leak], rel=1e-11)
    assert 0 < s0 < most < sum(n) and s1 > 0 and v1 < all_wrong and phase < 0.5, "nothing is clipped"
    assert told[0] == key > 1e5


#: Takes the editable install out of the way of the copy, whose extension is the one built there.
CONFTEST = """import sys
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in type(finder).__module__]
from qphys import core
assert core.__file__.startswith({folder!r}), core.__file__
"""

FLAGS = "-std=c11 -O1 -fPIC -fno-math-errno -fno-trapping-math -ffp-contract=off -fopenmp-simd -DQPHYS_LEVEL=baseline"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Any, bool], int]:
    """A copy of package and tests, built anew, and a function that breaks a line there or not and runs its test."""
    folder = tmp_path_factory.mktemp("broken")
    shutil.copytree(ROOT / "tests", folder / "tests")
    shutil.copytree(ROOT / "qphys", folder / "qphys", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    (folder / "conftest.py").write_text(CONFTEST.format(folder=str(folder)))
    compiler, source = os.environ.get("CC", "cc"), folder / "qphys" / "core"
    extension = f"_ufuncs{sysconfig.get_config_var('EXT_SUFFIX')}"
    includes = ["-isystem", sysconfig.get_path("include"), "-isystem", np.get_include()]
    numpy = [*includes, "-DNPY_NO_DEPRECATED_API=NPY_2_0_API_VERSION", "-DNPY_TARGET_VERSION=NPY_2_0_API_VERSION"]

    def build(names: list[str]) -> None:
        for name in names:
            own = numpy if name.startswith("_") else []
            told = [compiler, *FLAGS.split(), *own, "-c", str(source / name), "-o", str(folder / f"{name}.o")]
            subprocess.run(told, check=True)
        objects = [str(path) for path in sorted(folder.glob("*.c.o"))]
        subprocess.run([compiler, "-shared", *objects, "-lm", "-o", str(source / extension)], check=True)

    every = [path.name for path in source.glob("*.c")]
    build(every)

    passed: set[str] = set()

    def run(step: Any, broken: bool) -> int:
        if not broken and step.test in passed:
            return 0
        path = folder / audit.PLACES[step.file]
        whole = path.read_text()
        touched = [step.file] if step.file.endswith(".c") else []
        if step.file.endswith(".h"):
            touched = [name for name in every if f'"{step.file}"' in (source / name).read_text()]
        try:
            if broken:
                path.write_text(whole.replace(step.line, step.line.replace(*step.broken)))
                build(touched)
            command = [sys.executable, "-P", "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--import-mode=importlib"]
            command += ["--rootdir", str(folder), "-c", str(ROOT / "pyproject.toml"), str(folder / step.test)]
            environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
            done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        finally:
            path.write_text(whole)
            if broken:
                build(touched)
        if done.returncode == 0 and not broken:
            passed.add(step.test)
        return done.returncode

    return run


@pytest.mark.slow
@pytest.mark.parametrize(("proof", "step"), STEPS, ids=NAMES)
def test_a_broken_line_makes_its_test_fail(bench: Callable[[Any, bool], int], proof: str, step: Any) -> None:
    assert bench(step, False) == 0, "whole, the test passes"
    assert bench(step, True) == 1, "broken, it fails"
