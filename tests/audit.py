"""What an auditor follows: for each proof its terms, the line of code of each, the test that falls with it; and its epsilon.

``tests/test_audit.py`` checks that every line and every test is there, that the shares add up to the registry's, and, among
the slow tests, that each line broken in the way told here makes its test fail. ``docs/generate_audit.py`` writes the page.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

LIM, ONE, LP, BBM, CHSH, VAR = "lim2014.c", "one_decoy.c", "linear_programme.py", "bbm92.c", "chsh.c", "variable_length.c"

PLACES: Final = {
    **{name: f"qphys/core/{name}" for name in (LIM, ONE, BBM, CHSH, VAR, "sampling_bound.h", "tail_bound.h")},
    **{name: f"qphys/keyrates/{name}" for name in (LP, "decoy_bb84.py", "sifting.py")},
}
"""Short name -> file of the code."""

BY_HAND: Final = "tests/test_audit.py::test_two_decoys_by_hand"
TAIL: Final = (
    "tests/core/test_sampling_bound.py::test_bound_holds_against_the_exact_tail_and_is_nearly_the_smallest_that_does"
)
ONE_BY_HAND: Final = "tests/test_audit.py::test_one_decoy_by_hand"
PAIRS_BY_HAND: Final = "tests/core/test_pairs.py::test_lengths_by_the_formulas_on_paper_at_50_digits"
SIMPLEX: Final = "tests/core/test_pairs.py::test_search_of_short_blocks_finds_what_a_simplex_search_finds"
AUTHORS: Final = "tests/core/test_variable_length.py::test_key_of_the_published_proof_is_that_of_its_authors_expressions"
PARTS_ONE: Final = "tests/core/test_variable_length.py::test_bounds_of_one_decoy_are_those_of_wiesemann2026_at_equal_parts"
PARTS_TWO: Final = "tests/core/test_variable_length.py::test_bounds_of_two_decoys_are_those_of_lim2014_at_equal_parts"


@dataclass(frozen=True, kw_only=True)
class Step:
    """A term of a key, where it is computed, and how that is checked."""

    symbol: str
    """As in the docs."""
    meaning: str
    equation: str
    """Where it stands in the source, or in our docs where it is derived there."""
    file: str
    """Short name of `PLACES`."""
    line: str
    """Text that stands in this file once: the line of code."""
    broken: tuple[str, str]
    """What of it is replaced by what to see the test fail."""
    test: str
    """Node of the test, without parameters."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """A failure that the secrecy epsilon pays for."""

    what: str
    part: str
    """Of the registry's parts of an epsilon budget."""
    shares: Callable[[int], int]
    """Number of intensities -> equal shares."""
    why: str
    """How often it is counted, and where."""


def times(number: int) -> Callable[[int], int]:
    """The same shares whatever the number of intensities."""
    return lambda intensities: number


STEPS: Final[dict[str, tuple[Step, ...]]] = {
    "every proof of decoy states": (
        Step(
            symbol="$n_b$, $m_b$",
            meaning="sifted events and errors of a basis",
            equation="[](security.md), sifting",
            file="sifting.py",
            line="errors = one_outcome[..., bit[0]] + zero_outcome[..., bit[1]]",
            broken=("one_outcome[..., bit[0]]", "zero_outcome[..., bit[0]]"),
            test="tests/keyrates/test_sifting.py::test_sifting_agrees_with_counts_added_by_hand",
        ),
        Step(
            symbol="$D/2$",
            meaning="a double click errs in half of the cases, rounded up",
            equation="[](security.md), sifting",
            file="sifting.py",
            line='errors = errors + (np.ceil(both / 2) if halves == "rounded_up" else both / 2)',
            broken=("np.ceil(both / 2)", "np.floor(both / 2)"),
            test="tests/keyrates/test_sifting.py::"
            "test_half_of_an_odd_number_of_double_clicks_is_rounded_up_for_counts_and_exact_for_expectations",
        ),
        Step(
            symbol="key, test",
            meaning="each basis makes key and the other tests it",
            equation="[](security.md), choices",
            file="decoy_bb84.py",
            line="pair = [key, 1 - key]",
            broken=("1 - key", "key"),
            test="tests/keyrates/test_decoy_bb84.py::"
            "test_each_block_is_one_kernel_call_with_bases_exchanged_and_the_key_is_their_sum",
        ),
        Step(
            symbol="$\\epsilon_{sec}$, $\\epsilon_{cor}$ of a block",
            meaning="those of the key in equal parts",
            equation="[](security.md), choices",
            file="decoy_bb84.py",
            line='parts = len(key_bases(settings)) if settings.epsilon_split == "key" else 1',
            broken=("len(key_bases(settings))", "1"),
            test="tests/keyrates/test_decoy_bb84.py::test_epsilons_of_the_blocks_add_up_to_those_of_the_key",
        ),
    ),
    "lim2014": (
        Step(
            symbol="$\\tau_0$",
            meaning="probability of no photon",
            equation="below Eq. 2",
            file=LIM,
            line="const double tau0 = v1 + v2 + v3;",
            broken=("v1 + v2 + v3", "v1 + v2"),
            test=BY_HAND,
        ),
        Step(
            symbol="$\\tau_1$",
            meaning="probability of one photon",
            equation="below Eq. 2",
            file=LIM,
            line="const double tau1 = v1 * mu1 + v2 * mu2 + v3 * mu3;",
            broken=("v2 * mu2", "v2 * mu1"),
            test=BY_HAND,
        ),
        Step(
            symbol="$e^{\\mu_k}/p_k$",
            meaning="weight of a count of intensity $k$",
            equation="below Eq. 2",
            file=LIM,
            line="set[WEIGHT_KEY + 1][i] = v1 * v3 * v123;",
            broken=("v1 * v3", "v2 * v3"),
            test=BY_HAND,
        ),
        Step(
            symbol="$\\ln(1/\\epsilon)$",
            meaning="one share of $\\epsilon_{sec}$, of 21 or 23",
            equation="Eq. B4",
            file=LIM,
            line="const double beta = (source == SIGNAL ? LN_23 : LN_21) - vm_log_normal(eps_sec);",
            broken=("? LN_23", "? LN_21"),
            test=BY_HAND,
        ),
        Step(
            symbol="$\\delta$",
            meaning="Hoeffding's deviation",
            equation="Eq. A1, A2",
            file=LIM,
            line="d_Z = sqrt(0.5 * n_Z * beta), d_c = sqrt(0.5 * m_Z * beta);",
            broken=("0.5 * m_Z", "0.4 * m_Z"),
            test=BY_HAND,
        ),
        Step(
            symbol="$n^-$",
            meaning="a count's mean from below, Chernoff",
            equation="[](keys.md), choices",
            file="tail_bound.h",
            line="return x + 0.5 * beta - sqrt(2.0 * beta * x + 0.25 * beta * beta);",
            broken=("- sqrt(2.0 * beta * x", "- sqrt(1.0 * beta * x"),
            test=BY_HAND,
        ),
        Step(
            symbol="$n^+$",
            meaning="a count's mean from above, Chernoff",
            equation="[](keys.md), choices",
            file="tail_bound.h",
            line="double beta) { return x + beta + sqrt(2.0 * beta * x + beta * beta); }",
            broken=("x + beta +", "x +"),
            test=BY_HAND,
        ),
        Step(
            symbol="$s_{X,0}$",
            meaning="vacuum events, at least",
            equation="Eq. 2 (A4)",
            file=LIM,
            line="gap_inverse; /* s_X0 / tau_0, Eq. 2 */",
            broken=("gap_inverse;", "1.1 * gap_inverse;"),
            test=BY_HAND,
        ),
        Step(
            symbol="$s_{X,1}$",
            meaning="single photons, at least",
            equation="Eq. 3 (A5)",
            file=LIM,
            line="to[SINGLE][i] = vm_min(vm_max(set[TAU1_KEY][i] * scale * single, 0.0), n_X); /* Eq. 3 */",
            broken=("scale * single", "1.01 * scale * single"),
            test=BY_HAND,
        ),
        Step(
            symbol="$s_{Z,1}$",
            meaning="the same of the test basis",
            equation="Eq. 3",
            file=LIM,
            line="to[TEST_SINGLE][i] = vm_min(vm_max(set[TAU1_TEST][i] * scale * test_single, 0.0), n_Z);",
            broken=("TAU1_TEST", "TAU1_KEY"),
            test=BY_HAND,
        ),
        Step(
            symbol="$v_{Z,1}$",
            meaning="wrong single photons of the test, at most",
            equation="Eq. 4 (A6)",
            file=LIM,
            line="to[TEST_SINGLE_ERROR][i] = vm_min(vm_max(set[TAU1_TEST][i] * wrong, 0.0), m_Z); /* Eq. 4 */",
            broken=("* wrong", "* 0.9 * wrong"),
            test=BY_HAND,
        ),
        Step(
            symbol="$\\gamma$",
            meaning="from the test's errors to the key's",
            equation="Eq. 5 (B2)",
            file=LIM,
            line="const double gamma = sqrt(variance * (vm_log_normal(likely) + 2.0 * beta)) * VM_BITS; /* Eq. 5 */",
            broken=("2.0 * beta", "1.0 * beta"),
            test=BY_HAND,
        ),
        Step(
            symbol="$\\gamma$ allowed?",
            meaning="only where the exact tail certifies it",
            equation="[](keys.md), sampling",
            file="sampling_bound.h",
            line="if (m[j] > 0.0 && tail[j] <= limit[j]) {",
            broken=("tail[j] <= limit[j]", "tail[j] < 0"),
            test="tests/core/test_sampling_bound.py::"
            "test_gamma_is_used_only_where_the_exact_tail_allows_it_and_would_fail_badly_elsewhere",
        ),
        Step(
            symbol="$P(V \\le v)$",
            meaning="exact hypergeometric tail, from above",
            equation="[](keys.md), sampling",
            file="sampling_bound.h",
            line="p.excess = (k * m - n * v) / p.all;",
            broken=("n * v", "0.9 * n * v"),
            test=TAIL,
        ),
        Step(
            symbol="signal's share",
            meaning="of the single photons, those of the signal, at least",
            equation="[](keys.md), signal",
            file=LIM,
            line="const double spread = sqrt(chernoff ? 2.0 * beta * mean : 0.5 * beta * all);",
            broken=("0.5 * beta * all", "0.0 * all"),
            test=BY_HAND,
        ),
        Step(
            symbol="$\\lambda_{EC}$",
            meaning="disclosed bits",
            equation="section IV, times the bits",
            file=LIM,
            line="const double leak = f_EC[i] * n * vm_entropy(rate);",
            broken=("f_EC[i] * n", "f_EC[i] * x1[i]"),
            test=BY_HAND,
        ),
        Step(
            symbol="$6\\log_2\\frac{T}{\\epsilon_{sec}} + \\log_2\\frac{2}{\\epsilon_{cor}}$",
            meaning="chain rules, hashing, verification",
            equation="Eq. 1, B3",
            file=LIM,
            line="set[COST][i] = (6.0 * beta + (LN_2 - vm_log_normal(eps_cor))) * VM_BITS;",
            broken=("6.0 * beta", "4.0 * beta"),
            test=BY_HAND,
        ),
        Step(
            symbol="$\\ell$",
            meaning="the key",
            equation="Eq. 1",
            file=LIM,
            line="const double key = vm_floor(s0 + s1 * (1.0 - vm_entropy(phase)) - leak - set[COST][i]); /* Eq. 1 */",
            broken=("s0 + s1", "2.0 * s0 + s1"),
            test=BY_HAND,
        ),
    ),
    "rusca2018, wiesemann2026": (
        Step(
            symbol="$\\ln(1/\\epsilon)$",
            meaning="one share of $\\epsilon_{sec}$, of 15 or 19",
            equation="A24; $\\epsilon_0$",
            file=ONE,
            line="parts[i] = (wiesemann ? (signal ? LN_16 : LN_15) : (signal ? LN_21 : LN_19)) -",
            broken=(": LN_15)", ": 0.0)"),
            test=ONE_BY_HAND,
        ),
        Step(
            symbol="$\\delta$",
            meaning="Hoeffding's deviation",
            equation="A2, A4",
            file="tail_bound.h",
            line="spread = sqrt(0.5 * total[i] * b)",
            broken=("0.5 *", "0.4 *"),
            test=ONE_BY_HAND,
        ),
        Step(
            symbol="$s_0^-$",
            meaning="vacuum events, at least",
            equation="A19; Eq. 1 of [](one-decoy.md)",
            file=ONE,
            line="const double vacuum = tau0 * gap * (mu1 * W2 * n2_lower - mu2 * W1 * n1_upper); /* Eq. 1 */",
            broken=("tau0 * gap", "1.1 * tau0 * gap"),
            test=ONE_BY_HAND,
        ),
        Step(
            symbol="$s_0^+$",
            meaning="vacuum events, at most: half of them err",
            equation="A16; Eq. 2",
            file=ONE,
            line="hoeffding ? 2.0 * (tau0 * wrong + sqrt(0.5 * n * beta))",
            broken=("? 2.0 *", "? 1.9 *"),
            test=ONE_BY_HAND,
        ),
        Step(
            symbol="$s_1^-$",
            meaning="single photons, at least",
            equation="A17; Eq. 3",
            file=ONE,
            line="(W2 * n2_lower - square * (W1 * n1_upper) - (1.0 - square) * (vacuum_upper / tau0)); /* Eq. 3 */",
            broken=("(1.0 - square)", "(0.9 - square)"),
            test=ONE_BY_HAND,
        ),
        Step(
            symbol="$v_1^+$",
            meaning="wrong single photons, at most",
            equation="A22; Eq. 4",
            file=ONE,
            line="const double single_error = tau1 * gap * (W1 * m1_upper - W2 * m2_lower);",
            broken=("W1 * m1_upper", "0.9 * W1 * m1_upper"),
            test=ONE_BY_HAND,
        ),
        Step(
            symbol="$\\gamma_{2018}$",
            meaning="Lim's sampling formula, where certified",
            equation="A21; Eq. 5",
            file=ONE,
            line="(vm_log_normal(likely) + 2.0 * (LN_21 - log_sec))) * VM_BITS;",
            broken=("2.0 * (LN_21", "1.0 * (LN_21"),
            test=ONE_BY_HAND,
        ),
        Step(
            symbol="$\\gamma_{2026}$",
            meaning="Serfling at the squared probability",
            equation="Eq. 5",
            file=ONE,
            line="const double serfling = sqrt((c + d) * (c + 1.0) / (c * d * c) * (depth * beta));",
            broken=("(depth * beta)", "(0.5 * depth * beta)"),
            test=ONE_BY_HAND,
        ),
        Step(
            symbol="costs",
            meaning="chain rules, hashing, verification",
            equation="A25; Eq. 6",
            file=ONE,
            line="cost[i] = ((wiesemann ? 4.0 * beta - LN_2 : 6.0 * beta) + LN_2 - vm_log_normal(eps_cor)) * VM_BITS;",
            broken=("4.0 * beta - LN_2", "4.0 * beta - 3.0 * LN_2"),
            test=ONE_BY_HAND,
        ),
        Step(
            symbol="$\\ell$",
            meaning="the key",
            equation="A25; Eq. 6",
            file=ONE,
            line="const double vacuum = in[PROOF][i] == WIESEMANN_2026 ? 0.0 : s0[i];",
            broken=("? 0.0", "? 1.0"),
            test=ONE_BY_HAND,
        ),
    ),
    "linear-programme": (
        Step(
            symbol="$P(k|n)$",
            meaning="intensity given the photons, Bayes",
            equation="Lim et al. A3",
            file=LP,
            line="given = ratio[:, : last + 1] / ratio[:, : last + 1].sum(axis=0)",
            broken=(".sum(axis=0)", ".sum(axis=0) * 1.01"),
            test="tests/keyrates/test_linear_programme.py::"
            "test_certified_bounds_are_those_of_the_primal_programme_written_anew",
        ),
        Step(
            symbol="$n_k^\\pm$, $m_k^\\pm$",
            meaning="intervals of counts",
            equation="[](keys.md), choices",
            file=LP,
            line="log_inverse_epsilon=beta,",
            broken=("=beta", "=0.5 * beta"),
            test="tests/keyrates/test_linear_programme.py::test_intervals_are_those_of_the_closed_forms",
        ),
        Step(
            symbol="$(r_0 - v_0)/2$",
            meaning="half of the vacuum events err",
            equation="Rusca et al. A12",
            file=LP,
            line="of_vacuum[0, [0, columns]] = -slope, 1 - slope",
            broken=("1 - slope", "1.1 - slope"),
            test="tests/keyrates/test_linear_programme.py::"
            "test_certified_bounds_are_those_of_the_primal_programme_written_anew",
        ),
        Step(
            symbol="dual",
            meaning="any multipliers give a bound",
            equation="[](proofs.md), certified",
            file=LP,
            line="rows = np.where(y > 0, y * low, y * high)",
            broken=("y > 0", "y < 0"),
            test="tests/keyrates/test_linear_programme.py::"
            "test_certified_bounds_are_those_of_the_primal_programme_written_anew",
        ),
        Step(
            symbol="all $n$",
            meaning="the least reduced cost, also beyond the last column",
            equation="[](proofs.md), certified",
            file=LP,
            line="least.append(min(float(reduced[kind].min()), tail))",
            broken=("min(float(reduced[kind].min()), tail)", "float(reduced[kind].min())"),
            test="tests/keyrates/test_linear_programme.py::"
            "test_any_multipliers_give_a_bound_also_against_events_of_more_photons_than_the_programme_holds",
        ),
        Step(
            symbol="$8K + 11$",
            meaning="shares of $\\epsilon_{sec}$",
            equation="[](proofs.md)",
            file=LP,
            line="return 4 * intensities + 1",
            broken=("4 * intensities", "2 * intensities"),
            test="tests/keyrates/test_linear_programme.py::test_key_is_that_of_lim_with_its_own_number_of_parts",
        ),
    ),
    "variable-length, tupkary2025": (
        Step(
            symbol="$\\ln(1/\\epsilon)$",
            meaning="tails at $\\epsilon_{sec}/15$ or /14; published: at $\\epsilon_{AT}^2/13$",
            equation="[](variable-length.md)",
            file=VAR,
            line="const double beta = squared ? LN_13 + 2.0 * (LN_3 - log_sec) : (K == 3 ? LN_15 : LN_14) - log_sec;",
            broken=("LN_13 + 2.0", "LN_13 + 1.0"),
            test=AUTHORS,
        ),
        Step(
            symbol="$s_1^-$",
            meaning="single photons, two decoys",
            equation="Eq. 4",
            file=VAR,
            line="const double single = tau1 * mu[0] / (mu[0] * gap - squares) *",
            broken=("tau1 *", "1.01 * tau1 *"),
            test=PARTS_TWO,
        ),
        Step(
            symbol="$s_0^+$",
            meaning="vacuum events, one decoy, at most",
            equation="Eq. 7",
            file=VAR,
            line="vm_min(2.0 * (tau0 * vm_min(W1 * m1, W2 * m2) + sqrt(0.5 * total * beta)), total); /* Eq. 7 */",
            broken=("2.0 * (tau0", "1.9 * (tau0"),
            test=PARTS_ONE,
        ),
        Step(
            symbol="$\\phi^+$",
            meaning="Serfling at its own squared probability",
            equation="Eq. 10",
            file=VAR,
            line="(0.5 * beta_each)); /* Eq. 10 */",
            broken=("0.5 * beta", "0.4 * beta"),
            test=AUTHORS,
        ),
        Step(
            symbol="$g$",
            meaning="phase error with unlike detectors (`variable-length`)",
            equation="Eq. 11",
            file=VAR,
            line="(serfling + 0.5 * (1.0 - g * g) + spread) / kept : 1.0; /* Eq. 11 */",
            broken=("1.0 - g * g", "1.0 - g"),
            test="tests/core/test_variable_length.py::test_unlike_detectors_cost_what_the_formula_says",
        ),
        Step(
            symbol="$a$",
            meaning="what is announced of the key",
            equation="Eq. 1",
            file=VAR,
            line="announced += vm_log_normal(vm_max(n[k], 0.0) + 1.0);",
            broken=("announced +=", "announced = 0.0 *"),
            test=AUTHORS,
        ),
        Step(
            symbol="$2\\log_2\\frac{1}{2\\epsilon_{PA}}$",
            meaning="hashing",
            equation="Eq. 1",
            file=VAR,
            line="cost[i] = (2.0 * (log_hashing - LN_2) + (LN_2 - vm_log_normal(eps_cor)) + announced) * VM_BITS;",
            broken=("2.0 * (log_hashing", "1.0 * (log_hashing"),
            test=AUTHORS,
        ),
        Step(
            symbol="$\\ell$",
            meaning="the key",
            equation="Eq. 1",
            file=VAR,
            line="vm_floor(vacuum + s1[i] * (1.0 - vm_entropy(phase[i])) - leak - cost[i]); /* Eq. 1 */",
            broken=("- leak", "- 0.99 * leak"),
            test=AUTHORS,
        ),
    ),
    "tomamichel2012": (
        Step(
            symbol="$\\mu$",
            meaning="from the test's error rate to the key's, Serfling",
            equation="Eq. 2",
            file=BBM,
            line="const double mu = sqrt((n + k) / (n * k) * ((k + 1.0) / k) * vm_log(4.0 / eps_sec)); /* Eq. 2 */",
            broken=("4.0 / eps_sec", "2.0 / eps_sec"),
            test=PAIRS_BY_HAND,
        ),
        Step(
            symbol="$\\log_2\\frac{2}{\\epsilon_{sec}^2\\epsilon_{cor}}$",
            meaning="hashing, verification",
            equation="Eq. 1",
            file=BBM,
            line="const double cost = log2_of(2.0) - 2.0 * log2_of(eps_sec) - log2_of(eps_cor);",
            broken=("2.0 * log2_of(eps_sec)", "1.0 * log2_of(eps_sec)"),
            test=PAIRS_BY_HAND,
        ),
        Step(
            symbol="$\\ell$",
            meaning="the key",
            equation="Theorem, Eq. 1",
            file=BBM,
            line="const double key = vm_floor(n * (1.0 - entropy(phase)) - leak - cost); /* Theorem, Eq. 1 */",
            broken=("- leak", "- 0.99 * leak"),
            test=PAIRS_BY_HAND,
        ),
        Step(
            symbol="$m_k/k \\le Q_{tol}$",
            meaning="the acceptance test",
            equation="parameter estimation",
            file=BBM,
            line="const int accepted = some && m_k / k <= Q_tol;",
            broken=("m_k / k <= Q_tol", "m_k / k <= 2.0 * Q_tol"),
            test="tests/keyrates/test_bbm92.py::test_more_errors_than_tolerated_abort",
        ),
    ),
    "tomamichel_leverrier2017": (
        Step(
            symbol="$\\nu$",
            meaning="from the disclosed sample to the rest, Serfling",
            equation="[](bbm92.md)",
            file=BBM,
            line="const double nu = sqrt(m * (k + 1.0) / (n * k * k) * vm_log(2.0 / (beta * eps)));",
            broken=("vm_log(2.0 /", "vm_log(1.0 /"),
            test="tests/published/test_theory.py::test_numbers[tomamichel-leverrier2017]",
        ),
        Step(
            symbol="$t$",
            meaning="bits that compare the keys",
            equation="[](bbm92.md)",
            file=BBM,
            line="const double t = vm_ceil(-log2_of(alpha * eps));",
            broken=("alpha * eps", "eps"),
            test="tests/published/test_theory.py::test_numbers[tomamichel-leverrier2017]",
        ),
        Step(
            symbol="$\\ell$",
            meaning="the key, hashing paid by $\\epsilon_{pa}$",
            equation="[](bbm92.md)",
            file=BBM,
            line="const double key = vm_floor(secret - 2.0 * log2_of(1.0 / (2.0 * eps_pa)));",
            broken=("2.0 * eps_pa", "4.0 * eps_pa"),
            test="tests/published/test_theory.py::test_numbers[tomamichel-leverrier2017]",
        ),
        Step(
            symbol="$\\epsilon$",
            meaning="failure probability that this length has",
            equation="[](bbm92.md)",
            file=BBM,
            line="const double total = eps_pe + vm_exp(-t / VM_BITS) + 0.5 * vm_exp(-0.5 * (secret - key) / VM_BITS);",
            broken=("eps_pe + ", "2.0 * eps_pe + "),
            test="tests/published/test_theory.py::test_numbers[tomamichel-leverrier2017]",
        ),
    ),
    "lim2021": (
        Step(
            symbol="$\\xi$",
            meaning="errors of the whole block from the sample",
            equation="[](bbm92.md)",
            file=BBM,
            line="const double xi = sqrt((n + 1.0) * (deviation - vm_log(w)) / (2.0 * m * k));",
            broken=("2.0 * m * k", "4.0 * m * k"),
            test=SIMPLEX,
        ),
        Step(
            symbol="$\\gamma$",
            meaning="variance of the second step",
            equation="[](bbm92.md)",
            file=BBM,
            line="const double gamma = 1.0 / (1.0 + wrong) + 1.0 / (1.0 + m - wrong);",
            broken=("1.0 / (1.0 + wrong)", "1.0 / wrong"),
            test=SIMPLEX,
        ),
        Step(
            symbol="$\\nu$",
            meaning="errors of the key",
            equation="[](bbm92.md)",
            file=BBM,
            line="const double nu = xi + sqrt(1.0 + (deviation - vm_log(1.0 - w)) / (2.0 * gamma)) / n;",
            broken=("(2.0 * gamma)", "(4.0 * gamma)"),
            test=SIMPLEX,
        ),
        Step(
            symbol="$\\ell$",
            meaning="the key, $\\epsilon_{sec} - 2\\epsilon_{pe}$ pays for hashing",
            equation="[](bbm92.md)",
            file=BBM,
            line="c.value = n * (1.0 - unknown) - leak_a_bit * n - t + 2.0 * log2_of(2.0 * eps * (1.0 - s));",
            broken=("2.0 * eps * (1.0 - s)", "4.0 * eps * (1.0 - s)"),
            test=SIMPLEX,
        ),
    ),
    "fair_sampling (CHSH, no key)": (
        Step(
            symbol="$S$",
            meaning="sum of four correlations",
            equation="[](chsh.md)",
            file=CHSH,
            line="const double E = (a - d) / n;",
            broken=("(a - d) / n", "(a - d) / (n + 1.0)"),
            test="tests/core/test_pairs.py::test_chsh_value_and_gaussian_interval_of_counts_by_hand",
        ),
        Step(
            symbol="Hoeffding",
            meaning="$S$ from below, one-sided",
            equation="[](chsh.md)",
            file=CHSH,
            line="out[2][i] = good ? S - sqrt(-2.0 * weight * vm_log(alpha)) : (double)NAN;",
            broken=("-2.0 * weight", "-1.0 * weight"),
            test="tests/core/test_pairs.py::test_chsh_value_and_gaussian_interval_of_counts_by_hand",
        ),
        Step(
            symbol="$\\xi$",
            meaning="a local model wins a trial at most so often",
            equation="Elkouss, Wehner 2016",
            file=CHSH,
            line="const double xi = good ? 1.0 - p_min : 0.75;",
            broken=("1.0 - p_min", "0.75"),
            test="tests/core/test_pairs.py::test_biased_settings_cost_p_value",
        ),
        Step(
            symbol="$P$",
            meaning="binomial tail, from above",
            equation="Elkouss, Wehner 2016",
            file=CHSH,
            line="term *= vm_max(lost - (double)j, 0.0) / (c + (double)(j + 1)) * odds;",
            broken=("(double)(j + 1)", "(double)(j + 2)"),
            test="tests/core/test_pairs.py::test_game_p_value_bounds_the_binomial_tail_from_above_and_closely",
        ),
    ),
}
"""Proofs -> terms in the order in which a key is made."""


def of_entropy(chain_rules: int, why: str) -> tuple[Event, ...]:
    """Shares of smoothing, chain rules and hashing, as Lim et al. 2014 count them."""
    told = (
        Event(
            what="entropy of the single photons is smoothed: their sampling fails",
            part="smoothing_sampling",
            shares=times(4),
            why=f"{why}: twice in the smoothing, each twice in the distance",
        ),
        Event(
            what="bits of several photons given away",
            part="chain_rules",
            shares=times(2),
            why=f"{why}: a chain rule, twice in the distance",
        ),
        Event(
            what="bits of vacuum parted off",
            part="chain_rules",
            shares=times(2),
            why=f"{why}: a chain rule, twice",
        ),
        Event(what="hashing (leftover hash lemma)", part="hashing", shares=times(1), why=f"{why}: once"),
    )
    return told if chain_rules == 2 else (told[0], told[1], told[3])


def tails(what: str, number: Callable[[int], int], why: str) -> Event:
    """Tail bounds of counts and errors."""
    return Event(what=what, part="tail_bounds", shares=number, why=why)


LEDGERS: Final[dict[tuple[str, str], tuple[Event, ...]]] = {
    ("lim2014", "all"): (
        *of_entropy(2, "Eq. B4"),
        tails("$n_3^-, n_2^+, n_2^-, n_3^+, n_1^+$ of the key basis", times(5), "$\\epsilon_1$: Eq. 2 and 3"),
        tails("the same of the test basis", times(5), "$\\epsilon_1$: Eq. 2 and 3"),
        tails("$m_2^+, m_3^-$ of the test basis", times(2), "$\\epsilon_2$: Eq. 4"),
    ),
    ("lim2014", "signal"): (
        *of_entropy(2, "Eq. B4"),
        tails("as with all intensities", times(12), "$\\epsilon_1$, $\\epsilon_2$"),
        tails("the signal's share of vacuum and of single photons", times(2), "[](keys.md): one each"),
    ),
    ("rusca2018", "all"): (
        *of_entropy(2, "A24"),
        tails("$n_2^-, n_1^+$ and half of the vacuum errs, both bases", times(6), "A24: $6\\epsilon_1$"),
        tails("$m_2^+$ of both bases; $m_1^+, m_2^-$ of the test", times(4), "A24: $4\\epsilon_2$"),
    ),
    ("rusca2018", "signal"): (
        *of_entropy(2, "A24"),
        tails("as with all intensities", times(10), "A24"),
        tails("the signal's share of vacuum and of single photons", times(2), "[](keys.md): one each"),
    ),
    ("wiesemann2026", "all"): (
        *of_entropy(1, "as in Lim et al."),
        tails(
            "detections, both bases",
            times(2),
            "$n_1^+$ and $n_2^-$ are one event: of two intensities one deviates as the other",
        ),
        tails(
            "errors, either direction, both bases", times(4), "$m_1^+$ and $m_2^-$ are one event, $m_2^+$ and $m_1^-$ too"
        ),
        tails("half of the vacuum errs, both bases", times(2), "Eq. 2 of [](one-decoy.md)"),
    ),
    ("wiesemann2026", "signal"): (
        *of_entropy(1, "as in Lim et al."),
        tails("as with all intensities", times(8), "above"),
        tails("the signal's share of single photons", times(1), "[](keys.md)"),
    ),
    ("linear-programme", "all"): (
        *of_entropy(2, "as in Lim et al."),
        tails("two sides of each count and error count, both bases", lambda k: 8 * k, "[](proofs.md)"),
        tails("half of the vacuum errs, both bases", times(2), "[](proofs.md)"),
    ),
    ("linear-programme", "signal"): (
        *of_entropy(2, "as in Lim et al."),
        tails("as with all intensities", lambda k: 8 * k + 2, "[](proofs.md)"),
        tails("the signal's share of vacuum and of single photons", times(2), "[](keys.md): one each"),
    ),
    ("variable-length", "all"): (
        Event(
            what="smoothing; sampling at the squared share",
            part="smoothing_sampling",
            shares=times(2),
            why="[](variable-length.md): twice in the distance",
        ),
        Event(what="hashing", part="hashing", shares=times(1), why="$\\epsilon_{PA}$"),
        tails(
            "tails of photon numbers",
            lambda k: 12 if k == 3 else 11,
            "two decoys as `lim2014`; one decoy: $n_1^+, n_2^-, m_1^+, m_2^+$ and half of the vacuum errs in each basis, "
            "$m_2^-$ of the test",
        ),
    ),
}
"""(proof, key_from) -> events in equal shares of a block's secrecy epsilon."""

REASONS: Final[dict[str, tuple[str, str]]] = {
    "tupkary2025": (
        "$\\epsilon_{sec} = 2\\epsilon_{AT} + \\epsilon_{PA}$, equal thirds",
        (
            "13 tails at $\\epsilon_{AT}^2/13$ fail together with at most $\\epsilon_{AT}^2$; its square root smooths, "
            "twice in the distance; hashing takes $\\epsilon_{PA}$"
        ),
    ),
    "tomamichel2012": (
        "$\\epsilon_{sec} = 2 \\cdot \\frac{\\epsilon_{sec}}{4} + \\frac{\\epsilon_{sec}}{2}$",
        (
            "Serfling at $\\mu$ fails with $(\\epsilon_{sec}/4)^2$, its square root smooths, twice in the distance; with "
            "$2\\log_2(1/\\epsilon_{sec})$ bits hashing takes $\\frac12 2^{-\\log_2(1/\\epsilon_{sec})}$"
        ),
    ),
    "tomamichel_leverrier2017": (
        "$\\epsilon = \\epsilon_{pe} + 2^{-t} + \\epsilon_{pa}$",
        (
            "$0.9(1 - \\alpha)$, $\\alpha$ and $0.1(1 - \\alpha)$ of it, $\\alpha = m^{-1/2}$; the kernel tells what whole "
            "bits leave of each"
        ),
    ),
    "lim2021": (
        "$\\epsilon_{sec} = 2\\epsilon_{pe} + \\epsilon_{pa}$, $\\epsilon_{cor} = 2^{-t}$",
        (
            "$\\epsilon_{pe}^2$ is the sum of two exponentials, errors of the block and errors of the key; its square root "
            "smooths, twice"
        ),
    ),
}
"""Proofs whose shares are not equal: the sum, and its parts."""
