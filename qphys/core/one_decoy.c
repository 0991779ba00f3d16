/* Decoy-state BB84 with one decoy, finite key, by two proofs:
 *   RUSCA_2018      Rusca, Boaron, Gruenenfelder, Martin, Zbinden, APL 112, 171104 (2018), 1801.03443, appendices A, B;
 *   WIESEMANN_2026  Wiesemann, Krause, Tupkary, Rusca, Walenta, Luetkenhaus, Quantum 10, 2037 (2026), 2405.16578.
 * X is the key basis, Z the test basis; intensities mu1 > mu2 > 0. Eq. numbers are those of
 * docs/physics/one-decoy.md, where both papers' own forms stand. The vacuum events are bounded from above by errors:
 * half of them are wrong whatever was sent. Neither text has tails other than Hoeffding's, nor a key of the signal
 * alone: what these need stands in docs/physics/tails.md. */
#include "kernels.h"
#include "sampling_bound.h"
#include "status.h"
#include "tail_bound.h"
#include "vmath.h"

enum input {
    KEY_COUNT = 0,
    KEY_ERROR = 2,
    TEST_COUNT = 4,
    TEST_ERROR = 6,
    MU = 8,
    P_KEY = 10,
    P_TEST = 12,
    EPS_SEC = 14,
    EPS_COR,
    F_EC,
    PROOF,
    SAMPLING,
    TAIL,
    SOURCE,
    PREDICTED /* shares of key counts, key errors, test counts, test errors */
};
enum proof { RUSCA_2018, WIESEMANN_2026 };
enum sampling { OF_THE_PROOF, EXACT, EXACT_SMOOTHING, SERFLING, YIN_2020_GAMMA };
enum source { SIGNAL, ALL };

#define LN_2 0.693147180559945309417
#define LN_15 2.70805020110221006599
#define LN_16 2.77258872223978123767
#define LN_19 2.94443897916644046000
#define LN_21 3.04452243772342299650

struct events {
    double vacuum, single, single_error, fault;
};

/* The counts of one basis and bounds of their means. */
struct basis {
    double lower[4][QPHYS_LANES], upper[4][QPHYS_LANES]; /* n1, n2, m1, m2 */
};

static void tabulate(ptrdiff_t lanes, const double *const *in, int first, const double *beta,
                     struct basis *restrict b) {
    for (int pair = 0; pair < 2; pair++) {
        const double *const *x = in + (first + 2 * pair);
        double total[QPHYS_LANES];
        for (ptrdiff_t i = 0; i < lanes; i++)
            total[i] = x[0][i] + x[1][i];
        for (int k = 0; k < 2; k++)
            tb_fill(lanes, in[TAIL], x[k], total, beta, in[PREDICTED + first + 2 * pair + k], b->lower[2 * pair + k],
                    b->upper[2 * pair + k]);
    }
}

/* Bounds of one basis from its counts n and errors m: at least so many vacuum and single-photon events, at most so many
 * wrong single-photon events. */
QPHYS_INLINE struct events bounded(const struct basis *restrict at, ptrdiff_t i, double n1, double n2, double m1,
                                   double m2, double p1, double p2, double mu1, double mu2, double beta, int wiesemann,
                                   int hoeffding) {
    const double n = n1 + n2, m = m1 + m2;
    const double f1 = vm_exp_normal(-mu1), f2 = vm_exp_normal(-mu2);
    const double v1 = p1 * f1, v2 = p2 * f2, W1 = 1.0 / v1, W2 = 1.0 / v2; /* e^mu / p */
    const double tau0 = v1 + v2, tau1 = v1 * mu1 + v2 * mu2;
    const double n2_lower = at->lower[1][i], m2_upper = at->upper[3][i], m2_lower = at->lower[3][i];
    /* Both means add up to n, so that the decoy's bound is one of the signal's. Wiesemann et al. have a part of epsilon
     * for one of the two only (which are the same by Hoeffding), Rusca et al. for both. */
    const double n1_upper = hoeffding   ? at->upper[0][i]
                            : wiesemann ? n - n2_lower
                                        : vm_min(at->upper[0][i], n - n2_lower);
    const double m1_upper = hoeffding   ? at->upper[2][i]
                            : wiesemann ? m - m2_lower
                                        : vm_min(at->upper[2][i], m - m2_lower);
    const double gap = 1.0 / (mu1 - mu2), ratio = mu2 / mu1, square = ratio * ratio;
    const double vacuum = tau0 * gap * (mu1 * W2 * n2_lower - mu2 * W1 * n1_upper); /* Eq. 1 */
    /* Eq. 2: Rusca et al. name the decoy's errors; Wiesemann et al. take the better of both */
    const double wrong = wiesemann ? vm_min(W1 * m1_upper, W2 * m2_upper) : W2 * m2_upper;
    /* s - 2 delta(s) <= 2 tau0 wrong, delta of all events as the papers have it, or of the vacuum's own */
    const double twice = 2.0 * (tau0 * wrong);
    const double vacuum_upper = vm_min(
        hoeffding ? 2.0 * (tau0 * wrong + sqrt(0.5 * n * beta)) : twice + beta + sqrt(beta * (beta + 2.0 * twice)), n);
    const double single =
        tau1 * mu1 / mu2 * gap *
        (W2 * n2_lower - square * (W1 * n1_upper) - (1.0 - square) * (vacuum_upper / tau0)); /* Eq. 3 */
    const double single_error = tau1 * gap * (W1 * m1_upper - W2 * m2_lower);                /* Eq. 4 */
    struct events e;
    e.vacuum = vm_min(vm_max(vacuum, 0.0), n);
    e.single = vm_min(vm_max(single, 0.0), n);
    e.single_error = vm_min(vm_max(single_error, 0.0), m);
    const int possible = (m1 >= 0.0) & (m2 >= 0.0) & (m1 <= n1) & (m2 <= n2) & (n <= QPHYS_LARGEST_COUNT);
    e.fault = (n + m) * 0.0 == 0.0 ? (possible ? 0.0 : STATUS_BAD_COUNTS) : STATUS_NOT_FINITE;
    return e;
}

LANE_KERNEL(one_decoy) {
    (void)constant;
    double s0[QPHYS_LANES], s1[QPHYS_LANES], s_Z1[QPHYS_LANES], v_Z1[QPHYS_LANES], phase[QPHYS_LANES];
    double used[QPHYS_LANES], fault[QPHYS_LANES], good[QPHYS_LANES], gamma_errors[QPHYS_LANES], log_eps[QPHYS_LANES];
    double cost[QPHYS_LANES], parts[QPHYS_LANES], predicted[QPHYS_LANES];
    double vacuum_share[QPHYS_LANES], single_share[QPHYS_LANES];
    struct basis key_basis, test_basis;
    if (lanes < 1)
        return;
    for (ptrdiff_t i = 0; i < lanes; i++) {
        /* The signal's share of single photons takes one more part, that of the vacuum another where it makes key. */
        const int wiesemann = in[PROOF][i] == WIESEMANN_2026, signal = in[SOURCE][i] == SIGNAL;
        parts[i] = (wiesemann ? (signal ? LN_16 : LN_15) : (signal ? LN_21 : LN_19)) - vm_log_normal(in[EPS_SEC][i]);
        predicted[i] = 0.0;
        for (int j = 0; j < 8; j++) {
            const double share = in[PREDICTED + j][i];
            const double wrong = share * 0.0 == 0.0 ? STATUS_BAD_PROBABILITIES : STATUS_NOT_FINITE;
            predicted[i] =
                in[TAIL][i] != KATO_2020 || (share >= 0.0 && share <= 1.0) ? predicted[i] : vm_max(predicted[i], wrong);
        }
    }
    tabulate(lanes, in, KEY_COUNT, parts, &key_basis);
    tabulate(lanes, in, TEST_COUNT, parts, &test_basis);
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        const double mu1 = in[MU][i], mu2 = in[MU + 1][i];
        const double p1 = in[P_KEY][i], p2 = in[P_KEY + 1][i], q1 = in[P_TEST][i], q2 = in[P_TEST + 1][i];
        const double eps_sec = in[EPS_SEC][i], eps_cor = in[EPS_COR][i];
        const double proof = in[PROOF][i], sampling = in[SAMPLING][i];
        const int wiesemann = proof == WIESEMANN_2026;
        const double beta = parts[i], tail = in[TAIL][i], source = in[SOURCE][i];
        const struct events key = bounded(&key_basis, i, in[KEY_COUNT][i], in[KEY_COUNT + 1][i], in[KEY_ERROR][i],
                                          in[KEY_ERROR + 1][i], p1, p2, mu1, mu2, beta, wiesemann, tail == HOEFFDING);
        const struct events test = bounded(&test_basis, i, in[TEST_COUNT][i], in[TEST_COUNT + 1][i], in[TEST_ERROR][i],
                                           in[TEST_ERROR + 1][i], q1, q2, mu1, mu2, beta, wiesemann, tail == HOEFFDING);
        const double w1 = p1 * vm_exp_normal(-mu1), w2 = p2 * vm_exp_normal(-mu2);
        vacuum_share[i] = source == SIGNAL ? w1 / (w1 + w2) : 1.0;
        single_share[i] = source == SIGNAL ? w1 * mu1 / (w1 * mu1 + w2 * mu2) : 1.0;
        s0[i] = key.vacuum;
        s1[i] = key.single;
        s_Z1[i] = test.single;
        v_Z1[i] = test.single_error;

        cost[i] = ((wiesemann ? 4.0 * beta - LN_2 : 6.0 * beta) + LN_2 - vm_log_normal(eps_cor)) * VM_BITS;

        const double finite = ((mu1 + mu2) + (p1 + p2) + (q1 + q2) + eps_sec + eps_cor + in[F_EC][i]) * 0.0;
        double wrong = vm_max(key.fault, test.fault);
        wrong = in[F_EC][i] >= 1.0 ? wrong : vm_max(wrong, STATUS_BAD_EFFICIENCY);
        wrong = vm_max(wrong, predicted[i]);
        wrong = (proof == RUSCA_2018 || wiesemann) && sampling >= OF_THE_PROOF && sampling <= YIN_2020_GAMMA &&
                        (source == SIGNAL || source == ALL) && tail >= HOEFFDING && tail < TAILS
                    ? wrong
                    : vm_max(wrong, STATUS_BAD_OPTION);
        wrong = eps_sec >= 1e-300 && eps_sec < 1.0 && eps_cor >= 1e-300 && eps_cor < 1.0
                    ? wrong
                    : vm_max(wrong, STATUS_BAD_EPSILON);
        wrong =
            p1 >= 1e-30 && p2 >= 1e-30 && p1 + p2 <= 1.0 + 1e-9 && q1 >= 1e-30 && q2 >= 1e-30 && q1 + q2 <= 1.0 + 1e-9
                ? wrong
                : vm_max(wrong, STATUS_BAD_PROBABILITIES);
        wrong = mu2 >= 1e-30 && mu1 > mu2 && mu1 <= 100.0 ? wrong : vm_max(wrong, STATUS_BAD_INTENSITIES);
        fault[i] = finite == 0.0 ? wrong : STATUS_NOT_FINITE;
        good[i] = fault[i] == 0.0 ? 1.0 : 0.0;
    }
    tb_take(lanes, in[TAIL], s0, vacuum_share, parts);
    tb_take(lanes, in[TAIL], s1, single_share, parts);
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        const int wiesemann = in[PROOF][i] == WIESEMANN_2026;
        const double sampling = in[SAMPLING][i], beta = parts[i], log_sec = vm_log_normal(in[EPS_SEC][i]);
        const double c = s_Z1[i], d = s1[i], b = v_Z1[i] / c;
        const int enough = (vm_floor(c) >= 1.0) & (vm_floor(d) >= 2.0) & (b < 0.5);
        /* Eq. 5a: gamma of Lim et al. 2014, with their 21 */
        const double some = v_Z1[i] > 0.0 ? b : 0.5;
        const double likely = (c + d) / (c * d * ((1.0 - some) * some));
        const double gamma =
            sqrt((c + d) * (1.0 - some) * some / (c * d) * (vm_log_normal(likely) + 2.0 * (LN_21 - log_sec))) * VM_BITS;
        /* Eq. 5b: Serfling, of Wiesemann et al. for the squared failure probability that the smoothing asks */
        const double depth = wiesemann ? 1.0 : 0.5;
        const double serfling = sqrt((c + d) * (c + 1.0) / (c * d * c) * (depth * beta));
        const int by_serfling = (sampling == SERFLING) | (wiesemann & (sampling == OF_THE_PROOF));
        const int by_yin = sampling == YIN_2020_GAMMA, by_gamma = !wiesemann & (sampling == OF_THE_PROOF);
        const double sum = b + (by_serfling ? serfling : (by_yin ? sb_yin(b, c, d, 2.0 * depth * beta) : gamma));
        const double m = vm_floor(vm_floor(d) * sum) + 1.0;
        const int own = enough & (by_serfling | by_yin | by_gamma) & (sum < 0.5);
        const int gamma_usable = own & !by_serfling & (v_Z1[i] > 0.0) & (2.0 * m <= vm_floor(d));
        phase[i] = (by_serfling & own) | gamma_usable ? sum : 0.5;
        gamma_errors[i] = gamma_usable ? m : 0.0;
        used[i] = enough ? (by_serfling ? (own ? USED_SERFLING : USED_NONE) : USED_OPEN) : USED_NONE;
        log_eps[i] = (sampling == EXACT_SMOOTHING || wiesemann ? -2.0 : -1.0) * beta;
    }
    sb_close(lanes, good, v_Z1, s_Z1, s1, log_eps, gamma_errors, phase, used);
    for (ptrdiff_t i = 0; i < lanes; i++)
        used[i] = in[SAMPLING][i] == YIN_2020_GAMMA && used[i] == USED_GAMMA ? USED_YIN : used[i];
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        const int all = in[SOURCE][i] == ALL;
        const double n = in[KEY_COUNT][i] + (all ? in[KEY_COUNT + 1][i] : 0.0);
        const double m = in[KEY_ERROR][i] + (all ? in[KEY_ERROR + 1][i] : 0.0);
        const double rate = n > 0.0 ? vm_min(m / n, 0.5) : 0.0;
        const double leak = in[F_EC][i] * n * vm_entropy(rate);
        /* Eq. 6; Wiesemann et al. offer the vacuum events as an option, which is not taken: less key, never more */
        const double vacuum = in[PROOF][i] == WIESEMANN_2026 ? 0.0 : s0[i];
        const double key = vm_floor(vacuum + s1[i] * (1.0 - vm_entropy(phase[i])) - leak - cost[i]);
        double status = key > 0.0 ? STATUS_GOOD : STATUS_NO_KEY;
        status = used[i] == USED_NONE ? STATUS_NO_SAMPLING_BOUND : status;
        status = s1[i] > 0.0 && s_Z1[i] > 0.0 ? status : STATUS_NO_SINGLE_PHOTONS;
        status = fault[i] > 0.0 ? fault[i] : status;
        const int valid = fault[i] == 0.0;
        out[0][i] = status == STATUS_GOOD ? key : 0.0;
        out[1][i] = valid ? s0[i] : (double)NAN;
        out[2][i] = valid ? s1[i] : (double)NAN;
        out[3][i] = valid ? s_Z1[i] : (double)NAN;
        out[4][i] = valid ? v_Z1[i] : (double)NAN;
        out[5][i] = valid ? phase[i] : (double)NAN;
        out[6][i] = valid ? leak : (double)NAN;
        out[7][i] = valid ? used[i] : USED_NONE;
        out[8][i] = status;
    }
}
