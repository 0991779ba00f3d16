"""Published numbers of keys from entangled pairs and of CHSH, from the kernels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq

from qphys import core


@pytest.mark.parametrize(("error_rate", "rate_percent"), [(0.010, 47.8), (0.025, 35.7)])
def test_tomamichel_2012_table_2_blocks_of_a_million(error_rate: float, rate_percent: float) -> None:
    # oracle: Nat. Commun. 3, 634 (2012), Table II: r = (1 - eps_rob) l / M, M = (sqrt n + sqrt k)^2, epsilon = 1e-14 l, the
    # best k and Q_tol. Reproduced with the leakage at the error rate itself and eps_cor far below eps_sec, to 0.1 point.
    n = 1e6
    k = np.geomspace(1e4, 5e4, 301)[:, np.newaxis]
    tolerated = error_rate + np.linspace(0.002, 0.02, 301)
    log_odds = np.log((1 - error_rate) / error_rate) / (1 - 2 * error_rate)
    robust = 1 - np.exp(-k * (tolerated - error_rate) ** 2 * log_odds)
    length = 4e5
    for _ in range(5):
        key = core.bbm92_tomamichel2012(
            n, error_rate * n, test_count=k, test_error_count=error_rate * k, tolerated_error_rate=tolerated,
            eps_secrecy=1e-14 * length, eps_correctness=1e-17 * length, error_correction_efficiency=1.1,
        )  # fmt: skip
        rate = robust * key.key_length / (np.sqrt(n) + np.sqrt(k)) ** 2
        length = float(key.key_length.flat[int(np.argmax(rate))])
    assert 100 * rate.max() == pytest.approx(rate_percent, abs=0.1)


@pytest.mark.parametrize(
    ("error_rate", "block", "test", "length", "nu", "epsilon"),
    [
        (0.010, 36123, 5911, 15323, 0.06943318811415392, 9.778763272730244e-11),
        (0.025, 51114, 8484, 17009, 0.0580348064984291, 9.698272881235974e-11),
        (0.050, 128989, 20941, 27878, 0.03685663259331777, 9.872424026202253e-11),
        (0.075, 731680, 104258, 85453, 0.016324856748689963, 9.9261091464143e-11),
    ],
)
def test_tomamichel_leverrier_2017_four_points_to_the_bit(
    error_rate: float, block: int, test: int, length: int, nu: float, epsilon: float
) -> None:
    # oracle: points of Fig. 7 of Quantum 1, 14 (2017) from the authors' public example, epsilon 1e-10, leakage 1.1 h
    key = core.bbm92_tomamichel_leverrier2017(
        block, test, tolerated_error_rate=error_rate, error_rate=error_rate, epsilon=1e-10, error_correction_efficiency=1.1
    )
    assert key.key_length == length
    assert float(key.phase_error_upper) - error_rate == pytest.approx(nu, rel=1e-14)
    assert float(key.total_epsilon) == pytest.approx(epsilon, rel=1e-12)


@pytest.mark.parametrize(
    ("efficiency", "epsilon", "length"),
    [
        (1.19, 1e-5, 60),
        (1.19, 1e-6, 14),
        (1.19, 1e-7, 0),
        (1.19, 1e-10, 0),
        (1.2, 1e-5, 56),
        (1.2, 1e-6, 10),
        (1.2, 1e-7, 0),
    ],
)
def test_lim_2021_gives_the_micius_block_a_short_key_at_1e_5(efficiency: float, epsilon: float, length: int) -> None:
    # oracle: PRL 126, 100501 (2021), abstract: the data of Yin et al. 2020 give key at the 1e-5 level; lengths by a simplex
    # search over the paper's formula
    key = core.bbm92_lim2021(
        3100, tolerated_error_rate=0.0451, error_rate=0.0451, eps_secrecy=epsilon, eps_correctness=1e-300,
        error_correction_efficiency=efficiency, verification="best",
    )  # fmt: skip
    assert key.key_length == length


@pytest.mark.parametrize(
    ("error_rate", "smallest", "of_2017"), [(0.01, 1508, 1758), (0.025, 2253, 2780), (0.05, 5065, 6821)]
)
def test_lim_2021_needs_blocks_smaller_by_what_the_paper_says(error_rate: float, smallest: int, of_2017: int) -> None:
    # oracle: abstract of PRL 126, 100501 (2021): blocks are 14 to 17 % smaller; our search of both formulas gives these
    # smallest blocks, with whole bits of leakage, at epsilon 1e-10 and f_EC 1.1: 0.3 %
    blocks = np.arange(smallest - 60, smallest + 60)
    key = core.bbm92_lim2021(
        blocks, tolerated_error_rate=error_rate, error_rate=error_rate, eps_secrecy=1e-10, eps_correctness=1e-300,
        error_correction_efficiency=1.1, verification="best",
    )  # fmt: skip
    found = int(blocks[key.key_length > 0][0])
    assert found == pytest.approx(smallest, rel=0.003)
    assert 0.13 < 1 - found / of_2017 < 0.27


@pytest.mark.parametrize(
    ("efficiency", "threshold"), [(1.0, 0.1100279), (1.1, 0.1022828), (1.16, 0.0981060), (1.22, 0.0942352)]
)
def test_asymptotic_key_ends_at_the_known_error_rate(efficiency: float, threshold: float) -> None:
    # oracle: (1 + f) h(Q) = 1; 11.00279 % at f = 1
    def key(q: float) -> float:
        return float(core.bbm92_asymptotic(q, q, error_correction_efficiency=efficiency).key_fraction)

    assert key(threshold - 1e-6) > 0
    assert key(threshold + 1e-6) == 0


def test_device_independent_rates_and_threshold() -> None:
    # oracle: Acin et al. 2007, S = 2 sqrt 2 (1 - 2Q): threshold 7.14918 %; rates at 1, 3, 5 %
    q = np.array([0.01, 0.03, 0.05])
    rates = core.chsh_di_rate_estimate(2 * np.sqrt(2) * (1 - 2 * q), q)
    np.testing.assert_allclose(rates.key_fraction, [0.776598, 0.470078, 0.224950], atol=1e-6)

    def balance(rate: float) -> float:
        told = core.chsh_di_rate_estimate(2 * np.sqrt(2) * (1 - 2 * rate), rate)
        return (
            float(told.information) + float(core.bbm92_asymptotic(rate, 0, error_correction_efficiency=1).key_fraction) - 1
        )

    assert brentq(balance, 0.05, 0.1) == pytest.approx(0.0714918, abs=1e-7)
    # S = 2 at 14.645 %
    assert core.chsh_di_rate_estimate(2 * np.sqrt(2) * (1 - 2 * 0.146447), 0.0).information == 0


def test_published_chsh_of_1203_km_needs_about_1280_events() -> None:
    # oracle: S = 2.37 +- 0.09 (Science 356, 1140 (2017)): four correlations of S / 4 over N events have sigma_S^2 =
    # 16 (1 - (S / 4)^2) / N, so N = 1280; the 134 coincidences of one pass would give 0.28
    for events, sigma in [(1280, 0.09), (134, 0.28)]:
        equal = events / 4 * (0.5 + 2.37 / 8)
        told = core.chsh([equal] * 3 + [events / 4 - equal], [events / 4 - equal] * 3 + [equal], confidence=0.95)
        assert float(told.chsh) == pytest.approx(2.37, rel=1e-12)
        assert float(told.standard_error) == pytest.approx(sigma, abs=0.005)
