r"""Finite-size terms of numerical key rates: intervals of tested probabilities, and what a finite block costs in entropy.

Security claim: the key is ``security_epsilon``-secret and ``correctness_epsilon``-correct against *collective* attacks
(every trial the same state, independent of the others), for a fixed-length protocol whose acceptance test is met by the
statistics. Coherent attacks are not covered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from qphys.errors import UserError
from qphys.keyrates.numerical import Programme
from qphys.record import Record

Floats = NDArray[np.float64]
Interval = Literal["clopper-pearson", "hoeffding", "variation"]
EntropyBound = Literal["george2021", "renyi"]

LARGEST_ORDER: Final = 0.75
"""Largest order of a Renyi entropy, less one, for which the bound of `entropy_cost` is derived."""

SHARES: Final[Mapping[str, tuple[str, ...]]] = {
    "george2021": ("tests", "smoothing", "hashing"),
    "renyi": ("tests", "hashing"),
}
"""Equal parts of the secrecy epsilon, by the bound of the entropy."""

SOURCES: Final[Mapping[str, str]] = {
    "george2021": "George, Lin, Luetkenhaus, Phys. Rev. Research 3, 013274 (2021)",
    "renyi": "Renyi entropies with the leftover hashing of Dupuis, arXiv 2105.05342",
}

ROUNDING: Final = 1e-12
"""Relative widening of an end of an interval for its own rounding."""

TAIL_ROUNDING: Final = 1e-5
"""Part of an epsilon that pays for the rounding of binomial tails, which for 1e10 trials is 4e-7."""

Tests = Annotated[float, Field(ge=1.0)]


class Finite(Record):
    """Table ``[finite]`` of a protocol: a block of finite length.

    Examples
    --------
    >>> Finite(trials=1e6, tests={"X": 1e5}).entropy_bound
    'george2021'
    """

    trials: float = Field(ge=1.0)
    """Trials that make key, of the kind that the key rate is counted by."""
    tests: Tests | dict[str, Tests]
    """Trials that are disclosed: one number, or by basis. Statistics of a basis that is absent are not used."""
    security_epsilon: float = Field(default=1e-9, gt=0.0, lt=1.0)
    """Secrecy failure probability of the key."""
    correctness_epsilon: float = Field(default=1e-15, gt=0.0, lt=1.0)
    """Probability that the two keys differ."""
    interval: Interval = "clopper-pearson"
    """From tested frequencies to probabilities: exact binomial tails, Hoeffding's inequality, or the variation distance of
    whole distributions as George et al. take it."""
    entropy_bound: EntropyBound = "george2021"
    """From the entropy of a trial to that of a block: asymptotic equipartition as George et al. take it, or Renyi entropies
    (more key)."""

    def share(self, part: str) -> float:
        """Part of the secrecy epsilon."""
        return share_of(self.security_epsilon, part, self.entropy_bound)


def share_of(security_epsilon: float, part: str, entropy_bound: EntropyBound) -> float:
    """Part of a secrecy epsilon that a step may fail with; 0 where the bound has no such step.

    Examples
    --------
    >>> share_of(6e-10, "tests", "george2021"), share_of(6e-10, "smoothing", "renyi")
    (2e-10, 0.0)
    """
    parts = SHARES[entropy_bound]
    return security_epsilon / len(parts) if part in parts else 0.0


def clopper_pearson(low: ArrayLike, high: ArrayLike, *, trials: ArrayLike, epsilon: float) -> tuple[Floats, Floats]:
    r"""Probabilities with which a count between `low` and `high` is not too rare.

    .. math::
        P[\mathrm{Bin}(m, p) \ge k^-] > \epsilon \text{ for } p > p^-, \qquad
        P[\mathrm{Bin}(m, p) \le k^+] > \epsilon \text{ for } p < p^+

    Parameters
    ----------
    low, high : array_like
        :math:`k^-, k^+`: ends of the counts that are accepted [1]; rounded down and up to whole numbers.
    trials : array_like
        m [1].
    epsilon : float
        Of each end.

    Returns
    -------
    lower, upper : ndarray
        :math:`p^-, p^+` [1]; NaN where a count is impossible.

    Notes
    -----
    C. J. Clopper, E. S. Pearson, Biometrika 26, 404 (1934): quantiles of beta distributions. An end of the distribution
    of counts has a probability at least as large as the other end's at every p, so that each is given up separately. Where
    the quantile is not finite or not inside the Chernoff bound (relative entropy), that bound is taken.

    Examples
    --------
    >>> lower, upper = clopper_pearson(0, 0, trials=100, epsilon=0.05)
    >>> lower.item(), round(1 - (1 - upper.item()) ** 100, 9)  # no event in 100: (1 - p)^100 = 0.05
    (0.0, 0.95)
    """
    from scipy.special import betaincinv

    k_low, k_high, m = np.broadcast_arrays(*(np.asarray(a, dtype=np.float64) for a in (low, high, trials)))
    with np.errstate(invalid="ignore"):
        possible = (k_low >= 0.0) & (k_low <= k_high) & (k_high <= m) & np.isfinite(m) & (m >= 1.0)
    k_low, k_high = np.floor(np.where(possible, k_low, 0.0)), np.ceil(np.where(possible, k_high, 0.0))
    m = np.floor(np.where(possible, m, 1.0))
    k_high = np.minimum(k_high, m)
    own = epsilon * (1.0 - TAIL_ROUNDING)
    with np.errstate(all="ignore"):
        lower = np.where(k_low > 0.0, betaincinv(np.maximum(k_low, 1.0), m - k_low + 1.0, own), 0.0)
        upper = np.where(k_high < m, 1.0 - betaincinv(np.maximum(m - k_high, 1.0), k_high + 1.0, own), 1.0)
        chernoff = _chernoff(k_low, k_high, m, epsilon)
        lower = np.where((lower >= chernoff[0]) & (lower <= k_low / m), lower, chernoff[0])
        upper = np.where((upper <= chernoff[1]) & (upper >= k_high / m), upper, chernoff[1])
    lower, upper = np.maximum(lower * (1.0 - ROUNDING), 0.0), np.minimum(upper * (1.0 + ROUNDING), 1.0)
    return np.where(possible, lower, np.nan), np.where(possible, upper, np.nan)


def _chernoff(k_low: Floats, k_high: Floats, m: Floats, epsilon: float) -> tuple[Floats, Floats]:
    """Ends beyond which m times the relative entropy of count and probability is above ln(1/epsilon), by bisection."""
    beta = -np.log(epsilon)

    def far(count: Floats, p: Floats) -> NDArray[np.bool_]:
        q = count / m
        with np.errstate(all="ignore"):
            one = np.where(q > 0.0, q * np.log(q / p), 0.0)
            other = np.where(q < 1.0, (1.0 - q) * (np.log1p(-q) - np.log1p(-p)), 0.0)
        return np.asarray(m * (one + other) > beta)

    found = []
    for count, end in ((k_low, 0.0), (k_high, 1.0)):
        outer, inner = np.full(count.shape, end), count / m
        for _ in range(200):
            middle = 0.5 * (outer + inner)
            beyond = far(count, middle)
            outer, inner = np.where(beyond, middle, outer), np.where(beyond, inner, middle)
        found.append(outer)
    return found[0], found[1]


def hoeffding(low: ArrayLike, high: ArrayLike, *, trials: ArrayLike, epsilon: float) -> tuple[Floats, Floats]:
    r"""Interval of a probability by Hoeffding's inequality, :math:`k^\pm / m \pm \sqrt{\ln(1/\epsilon) / 2m}`.

    Parameters
    ----------
    low, high, trials, epsilon
        As in :func:`clopper_pearson`.

    Returns
    -------
    lower, upper : ndarray
        [1], within 0 and 1; NaN where a count is impossible.

    Examples
    --------
    >>> lower, upper = hoeffding(50, 50, trials=100, epsilon=1e-6)
    >>> round(upper.item() - lower.item(), 4)
    0.5257
    """
    k_low, k_high, m = np.broadcast_arrays(*(np.asarray(a, dtype=np.float64) for a in (low, high, trials)))
    with np.errstate(all="ignore"):
        possible = (k_low >= 0.0) & (k_low <= k_high) & (k_high <= m) & np.isfinite(m) & (m >= 1.0)
        spread = np.sqrt(-np.log(epsilon) / (2.0 * m)) * (1.0 + ROUNDING)
        lower, upper = np.maximum(k_low / m - spread, 0.0), np.minimum(k_high / m + spread, 1.0)
    return np.where(possible, lower, np.nan), np.where(possible, upper, np.nan)


def variation_distance(trials: ArrayLike, outcomes: int, epsilon: float) -> Floats:
    r"""One-norm distance of a frequency from its distribution that is exceeded with no more than a probability epsilon.

    .. math:: \mu = \sqrt{2}\, \sqrt{\frac{\ln(1/\epsilon) + |\Sigma| \ln(m + 1)}{m}}

    Parameters
    ----------
    trials : array_like
        m [1].
    outcomes : int
        :math:`|\Sigma|`, of the test's whole measurement.
    epsilon : float
        [1].

    Returns
    -------
    ndarray
        :math:`\mu` [1].

    Notes
    -----
    George, Lin, Luetkenhaus, Phys. Rev. Research 3, 013274 (2021). It follows from the number of types, at most
    :math:`(m+1)^{|\Sigma|}`, each of probability at most :math:`e^{-m D}`, and Pinsker's inequality. A single probability
    is off by half of it at most, as the differences sum to 0.

    Examples
    --------
    >>> variation_distance(5e4, 16, 2.5e-11).round(5).item()
    0.08889
    """
    m = np.asarray(trials, dtype=np.float64)
    return np.asarray(np.sqrt(2.0 * (-np.log(epsilon) + outcomes * np.log(m + 1.0)) / m))


def entropy_cost(trials: ArrayLike, keys: int, *, security_epsilon: float, entropy_bound: EntropyBound) -> Floats:
    r"""Bits by which the key of n independent trials is shorter than n entropies of a trial, for secrecy alone.

    .. math::
        2 \log_2 (d + 3) \sqrt{n \log_2 (2/\bar\epsilon)} + 2 \log_2 (2/\epsilon_{PA}), \qquad
        n \frac{2 [\cosh(s \ln(d+3)) - 1]}{s \ln 2} + \frac{1 + s}{s} \log_2 \frac{1}{\epsilon_{PA}} - 2

    Parameters
    ----------
    trials : array_like
        n, those that make key [1].
    keys : int
        d, values of a trial's key.
    security_epsilon : float
        Of the key; its parts are those of `SHARES`.
    entropy_bound : {"george2021", "renyi"}
        Left and right equation.

    Returns
    -------
    ndarray
        [bit].

    Notes
    -----
    Left: George, Lin, Luetkenhaus, Phys. Rev. Research 3, 013274 (2021), smoothing after R. Renner's thesis (ETH Zurich,
    2005). Right: docs/physics/numerical-finite.md derives it for the order 1 + s of the entropy, 0 < s <= 3/4, and any s
    that is chosen before the run; the hashing is that of F. Dupuis, arXiv 2105.05342. At equal epsilons the left one is
    never smaller where it leaves a key, so that the right one proves it as well.

    Examples
    --------
    >>> costs = [entropy_cost(1e6, 2, security_epsilon=1e-9, entropy_bound=name) for name in ("george2021", "renyi")]
    >>> [round(cost.item()) for cost in costs]
    [26532, 21520]
    """
    n = np.asarray(trials, dtype=np.float64)
    hashing = share_of(security_epsilon, "hashing", entropy_bound)
    if entropy_bound == "george2021":
        smoothing = share_of(security_epsilon, "smoothing", entropy_bound)
        return np.asarray(2.0 * np.log2(keys + 3) * np.sqrt(n * np.log2(2.0 / smoothing)) + 2.0 * np.log2(2.0 / hashing))
    width = np.log(keys + 3.0)
    s = np.minimum(np.sqrt(-np.log(hashing) / np.maximum(n, 1.0)) / width, LARGEST_ORDER)
    second_order = n * 4.0 * np.sinh(0.5 * s * width) ** 2 / (s * np.log(2.0))
    return np.asarray(second_order - (1.0 + s) / s * np.log2(hashing) - 2.0)


def widened(
    programme: Programme, tested: Sequence[str], outcomes: Mapping[str, int], finite: Finite, where: str, *, epsilon: float
) -> Programme:
    """The programme whose states are all those that an accepted test leaves, but with the tests' part of epsilon.

    Parameters
    ----------
    programme : Programme
        Its intervals are those of accepted frequencies.
    tested : sequence of str
        For each observable the group of tested trials that tells it; empty where it is known.
    outcomes : mapping of str to int
        For each group the outcomes of its measurement.
    finite : Finite
        Numbers of tests, epsilons.
    where : str
        File, for messages.
    epsilon : float
        Of all tests together.

    Returns
    -------
    Programme
        With wider intervals; observables without tests may have any value.

    Raises
    ------
    UserError
        Tests are named that the protocol does not have.

    Notes
    -----
    Each end of each tested observable has an equal part of the tests' epsilon (`interval` of ``variation``: each group).
    """
    groups = sorted({group for group in tested if group})
    numbers = finite.tests if isinstance(finite.tests, dict) else dict.fromkeys(groups, finite.tests)
    for name in numbers:
        if name not in groups:
            raise UserError(f"{where}: finite.tests.{name}: no group of tests of this kind (allowed: {', '.join(groups)})")
    lower, upper = programme.lower.copy(), programme.upper.copy()
    used = [i for i, group in enumerate(tested) if group in numbers]
    for i, group in enumerate(tested):
        if not group:
            continue
        if group not in numbers:
            lower[i], upper[i] = 0.0, 1.0
            continue
        m = float(np.floor(numbers[group]))
        if finite.interval == "variation":
            half = 0.5 * variation_distance(m, outcomes[group], epsilon / len(numbers)).item()
            ends = lower[i] - half, upper[i] + half
        else:
            method = clopper_pearson if finite.interval == "clopper-pearson" else hoeffding
            found = method(m * lower[i], m * upper[i], trials=m, epsilon=epsilon / (2 * len(used)))
            ends = float(found[0]), float(found[1])
        lower[i], upper[i] = max(ends[0], 0.0), min(ends[1], 1.0)
    return Programme(blocks=programme.blocks, operators=programme.operators, lower=lower, upper=upper)


@dataclass(frozen=True, kw_only=True)
class Length:
    """A key of finite length and what it is made of [bit]."""

    key_length: float
    """Whole bits; 0 where nothing is left."""
    entropy: float
    """Of the kept trials, those of a trial added up."""
    entropy_cost: float
    """Of finite length and hashing."""
    verification: float
    """Disclosed to verify that the keys agree."""


def length(
    entropy: float, kept: float, *, keys: int, leakage: float, security_epsilon: float, correctness_epsilon: float,
    entropy_bound: EntropyBound,
) -> Length:  # fmt: skip
    r"""Length of the key of a block.

    .. math::
        \ell = \Big\lfloor n H - \Delta(n) - \mathrm{leak} - \log_2 \frac{2}{\epsilon_{cor}} \Big\rfloor

    Parameters
    ----------
    entropy : float
        :math:`n H`, Eve's ignorance of the kept trials' key, proven [bit].
    kept : float
        n, trials that make key [1].
    keys : int
        Values of a trial's key.
    leakage : float
        Disclosed by error correction [bit].
    security_epsilon, correctness_epsilon : float
        Of the key.
    entropy_bound : {"george2021", "renyi"}
        Of :func:`entropy_cost`, which is :math:`\Delta`.

    Returns
    -------
    Length
        Nothing for arguments that are not numbers.
    """
    cost = float(entropy_cost(kept, keys, security_epsilon=security_epsilon, entropy_bound=entropy_bound))
    verification = float(np.log2(2.0 / correctness_epsilon))
    bits = entropy - cost - leakage - verification
    bits -= 1e-12 * (abs(entropy) + abs(cost) + abs(leakage))  # rounding of these lines
    positive = bool(np.isfinite(bits) and kept >= 1.0 and bits >= 1.0)
    return Length(
        key_length=float(np.floor(bits)) if positive else 0.0,
        entropy=entropy,
        entropy_cost=cost,
        verification=verification,
    )
