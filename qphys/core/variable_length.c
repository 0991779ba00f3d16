/* Decoy-state BB84 whose key length follows the counts (variable length), by the entropic uncertainty relation:
 *   TUPKARY_2025     two decoys: Tupkary, Nahar, Sinha, Luetkenhaus, Quantum 9, 1937 (2025), 2408.17349, perfect
 * detectors: every tail at the squared probability; VARIABLE_LENGTH  one or two decoys: the same, but photon numbers
 * are data that Eve may be given, so that their tails count once, and the bits of vacuum are kept (derived in
 * docs/physics/variable-length.md). X is the key basis, Z the test basis; key is made of all intensities. Eq. numbers
 * are those of that page. */
#include "kernels.h"
#include "sampling_bound.h"
#include "status.h"
#include "vmath.h"

enum proof { TUPKARY_2025, VARIABLE_LENGTH };
enum tail { HOEFFDING, CHERNOFF };
enum sampling { SERFLING, EXACT };

#define LN_2 0.693147180559945309417
#define LN_3 1.09861228866810969140
#define LN_13 2.56494935746153673605
#define LN_14 2.63905732961525861452
#define LN_15 2.70805020110221006599

struct events {
    double vacuum, single, single_error, fault;
};

/* Bounds of the mean of a sum of independent trials from the sum, each but with probability exp(-beta); see lim2014.c.
 */
QPHYS_INLINE double lower(double x, double total, double beta, int chernoff) {
    const double inverted = x + 0.5 * beta - sqrt(2.0 * beta * x + 0.25 * beta * beta);
    return vm_max(chernoff ? inverted : x - sqrt(0.5 * total * beta), 0.0);
}
QPHYS_INLINE double upper(double x, double total, double beta, int chernoff) {
    const double inverted = x + beta + sqrt(2.0 * beta * x + beta * beta);
    return vm_min(chernoff ? inverted : x + sqrt(0.5 * total * beta), total);
}

/* Two decoys: five tails of the counts n, two of the errors m. */
QPHYS_INLINE struct events two_decoys(const double n[3], const double m[3], const double p[3], const double mu[3],
                                      double beta, int chernoff) {
    const double total = n[0] + n[1] + n[2], wrong = m[0] + m[1] + m[2];
    const double v1 = p[0] * vm_exp_normal(-mu[0]), v2 = p[1] * vm_exp_normal(-mu[1]);
    const double v3 = p[2] * vm_exp_normal(-mu[2]), W1 = 1.0 / v1, W2 = 1.0 / v2, W3 = 1.0 / v3; /* e^mu / p */
    const double tau0 = v1 + v2 + v3, tau1 = v1 * mu[0] + v2 * mu[1] + v3 * mu[2];
    const double gap = mu[1] - mu[2], squares = mu[1] * mu[1] - mu[2] * mu[2];
    const double vacuum =
        tau0 / gap *
        (mu[1] * (W3 * lower(n[2], total, beta, chernoff)) - mu[2] * (W2 * upper(n[1], total, beta, chernoff))); /* 3 */
    struct events e;
    e.vacuum = vm_min(vm_max(vacuum, 0.0), total);
    const double rest = W1 * upper(n[0], total, beta, chernoff) - e.vacuum / tau0;
    const double single = tau1 * mu[0] / (mu[0] * gap - squares) *
                          (W2 * lower(n[1], total, beta, chernoff) - W3 * upper(n[2], total, beta, chernoff) -
                           squares / (mu[0] * mu[0]) * rest); /* Eq. 4 */
    const double single_error =
        tau1 / gap * (W2 * upper(m[1], wrong, beta, chernoff) - W3 * lower(m[2], wrong, beta, chernoff)); /* Eq. 5 */
    e.single = vm_min(vm_max(single, 0.0), total);
    e.single_error = vm_min(vm_max(single_error, 0.0), wrong);
    const int possible = (m[0] >= 0.0) & (m[1] >= 0.0) & (m[2] >= 0.0) & (m[0] <= n[0]) & (m[1] <= n[1]) &
                         (m[2] <= n[2]) & (total <= QPHYS_LARGEST_COUNT);
    e.fault = (total + wrong) * 0.0 == 0.0 ? (possible ? 0.0 : STATUS_BAD_COUNTS) : STATUS_NOT_FINITE;
    return e;
}

/* One decoy: two tails of the counts, two of the errors from above, one that half of the vacuum events err, and in the
 * test basis one of the errors from below. */
QPHYS_INLINE struct events one_decoy(const double n[2], const double m[2], const double p[2], const double mu[2],
                                     double beta, int chernoff) {
    const double total = n[0] + n[1], wrong = m[0] + m[1];
    const double v1 = p[0] * vm_exp_normal(-mu[0]), v2 = p[1] * vm_exp_normal(-mu[1]);
    const double W1 = 1.0 / v1, W2 = 1.0 / v2, tau0 = v1 + v2, tau1 = v1 * mu[0] + v2 * mu[1];
    const double n1 = upper(n[0], total, beta, chernoff), n2 = lower(n[1], total, beta, chernoff);
    const double m1 = upper(m[0], wrong, beta, chernoff), m2 = upper(m[1], wrong, beta, chernoff);
    const double gap = mu[0] - mu[1], ratio = mu[1] / mu[0], square = ratio * ratio;
    const double vacuum = tau0 / gap * (mu[0] * W2 * n2 - mu[1] * W1 * n1); /* Eq. 6 */
    const double vacuum_upper =
        vm_min(2.0 * (tau0 * vm_min(W1 * m1, W2 * m2) + sqrt(0.5 * total * beta)), total); /* Eq. 7 */
    const double single = tau1 * mu[0] / (mu[1] * gap) *
                          (W2 * n2 - square * (W1 * n1) - (1.0 - square) * (vacuum_upper / tau0)); /* Eq. 8 */
    const double single_error = tau1 / gap * (W1 * m1 - W2 * lower(m[1], wrong, beta, chernoff));  /* Eq. 9 */
    struct events e;
    e.vacuum = vm_min(vm_max(vacuum, 0.0), total);
    e.single = vm_min(vm_max(single, 0.0), total);
    e.single_error = vm_min(vm_max(single_error, 0.0), wrong);
    const int possible =
        (m[0] >= 0.0) & (m[1] >= 0.0) & (m[0] <= n[0]) & (m[1] <= n[1]) & (total <= QPHYS_LARGEST_COUNT);
    e.fault = (total + wrong) * 0.0 == 0.0 ? (possible ? 0.0 : STATUS_BAD_COUNTS) : STATUS_NOT_FINITE;
    return e;
}

/* What both kernels share: K intensities, K a constant where this is inlined. Input rows: counts and errors of the key
 * basis and of the test basis, mean photon numbers, probabilities in both bases, K rows each; then five or more. */
enum setting { EPS_SEC, EPS_COR, F_EC, RATIO, TAIL, PROOF, SAMPLING };

QPHYS_INLINE void variable_length(ptrdiff_t lanes, const double *const *in, double *const *out, const int K) {
    double s0[QPHYS_LANES], s1[QPHYS_LANES], s_Z1[QPHYS_LANES], v_Z1[QPHYS_LANES], phase[QPHYS_LANES];
    double used[QPHYS_LANES], fault[QPHYS_LANES], good[QPHYS_LANES], no_gamma[QPHYS_LANES], log_eps[QPHYS_LANES];
    double cost[QPHYS_LANES];
    const double *const *own = in + 7 * K;
    if (lanes < 1)
        return;
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        double n[3], m[3], n_test[3], m_test[3], mu[3], p[3], q[3];
        double finite = 0.0, p_all = 0.0, q_all = 0.0, total = 0.0, announced = 0.0;
        int likely = 1;
        for (int k = 0; k < K; k++) {
            n[k] = in[k][i], m[k] = in[K + k][i], n_test[k] = in[2 * K + k][i], m_test[k] = in[3 * K + k][i];
            mu[k] = in[4 * K + k][i], p[k] = in[5 * K + k][i], q[k] = in[6 * K + k][i];
            finite += (mu[k] + p[k] + q[k]) * 0.0;
            p_all += p[k], q_all += q[k], total += n[k];
            likely &= (p[k] >= 1e-30) & (q[k] >= 1e-30);
            announced += vm_log_normal(vm_max(n[k], 0.0) + 1.0); /* the errors of each intensity, 0 to n_k */
        }
        announced += vm_log_normal(vm_max(total, 0.0) + 1.0); /* how many bits error correction discloses */
        const double eps_sec = own[EPS_SEC][i], eps_cor = own[EPS_COR][i], f_EC = own[F_EC][i], g = own[RATIO][i];
        const double tail = own[TAIL][i], proof = K == 3 ? own[PROOF][i] : VARIABLE_LENGTH;
        const double sampling = K == 3 ? own[SAMPLING][i] : SERFLING;
        const int chernoff = tail == CHERNOFF, squared = proof == TUPKARY_2025;
        const double log_sec = vm_log_normal(eps_sec);
        const double beta = squared ? LN_13 + 2.0 * (LN_3 - log_sec) : (K == 3 ? LN_15 : LN_14) - log_sec;
        const double beta_sampling = squared ? beta : 2.0 * beta; /* of its own probability, already squared */
        const struct events key =
            K == 3 ? two_decoys(n, m, p, mu, beta, chernoff) : one_decoy(n, m, p, mu, beta, chernoff);
        const struct events test = K == 3 ? two_decoys(n_test, m_test, q, mu, beta, chernoff)
                                          : one_decoy(n_test, m_test, q, mu, beta, chernoff);
        s0[i] = key.vacuum;
        s1[i] = key.single;
        s_Z1[i] = test.single;
        v_Z1[i] = test.single_error;

        const double c = test.single, d = key.single, b = test.single_error / c;
        const int enough = (vm_floor(c) >= 1.0) & (vm_floor(d) >= 2.0) & (b < 0.5), unlike = g < 1.0;
        const double beta_each = unlike ? beta_sampling + LN_3 : beta_sampling; /* three tails share it: Eq. 11 */
        const double serfling = b + sqrt((c + d) * (c + 1.0) / (c * d * c) * (0.5 * beta_each)); /* Eq. 10 */
        const double spread = sqrt(0.5 * beta_each / d), kept = g - spread;
        const double worse = kept > 0.0 ? (serfling + 0.5 * (1.0 - g * g) + spread) / kept : 1.0; /* Eq. 11 */
        const double rate = unlike ? worse : serfling;
        const int by_serfling = enough & (sampling == SERFLING) & (rate < 0.5);
        phase[i] = by_serfling ? rate : 0.5;
        used[i] = enough ? (sampling == SERFLING ? (by_serfling ? USED_SERFLING : USED_NONE) : USED_OPEN) : USED_NONE;
        log_eps[i] = -beta_sampling;
        no_gamma[i] = 0.0;

        const double log_hashing = squared ? LN_3 - log_sec : beta; /* ln(1 / eps_PA) */
        cost[i] = (2.0 * (log_hashing - LN_2) + (LN_2 - vm_log_normal(eps_cor)) + announced) * VM_BITS;

        double wrong = vm_max(key.fault, test.fault);
        wrong = f_EC >= 1.0 ? wrong : vm_max(wrong, STATUS_BAD_EFFICIENCY);
        wrong = (tail == HOEFFDING || tail == CHERNOFF) && (proof == TUPKARY_2025 || proof == VARIABLE_LENGTH) &&
                        (sampling == SERFLING || (sampling == EXACT && !unlike)) && !(unlike && proof == TUPKARY_2025)
                    ? wrong
                    : vm_max(wrong, STATUS_BAD_OPTION);
        wrong = eps_sec >= 1e-300 && eps_sec < 1.0 && eps_cor >= 1e-300 && eps_cor < 1.0
                    ? wrong
                    : vm_max(wrong, STATUS_BAD_EPSILON);
        likely &= (g > 0.0) & (g <= 1.0);
        wrong =
            likely & (p_all <= 1.0 + 1e-9) & (q_all <= 1.0 + 1e-9) ? wrong : vm_max(wrong, STATUS_BAD_PROBABILITIES);
        const int falling = K == 3 ? (mu[2] >= 0.0) & (mu[1] > mu[2]) & (mu[0] > mu[1] + mu[2]) & (mu[0] <= 100.0)
                                   : (mu[1] >= 1e-30) & (mu[0] > mu[1]) & (mu[0] <= 100.0);
        wrong = falling ? wrong : vm_max(wrong, STATUS_BAD_INTENSITIES);
        finite += (eps_sec + eps_cor + f_EC + g) * 0.0;
        fault[i] = finite == 0.0 ? wrong : STATUS_NOT_FINITE;
        good[i] = fault[i] == 0.0 ? 1.0 : 0.0;
    }
    sb_close(lanes, good, v_Z1, s_Z1, s1, log_eps, no_gamma, phase, used);
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        double n = 0.0, m = 0.0;
        for (int k = 0; k < K; k++)
            n += in[k][i], m += in[K + k][i];
        const double rate = n > 0.0 ? vm_min(m / n, 0.5) : 0.0;
        const double leak = own[F_EC][i] * n * vm_entropy(rate);
        const double vacuum = K == 3 && own[PROOF][i] == TUPKARY_2025 ? 0.0 : s0[i];
        const double key = vm_floor(vacuum + s1[i] * (1.0 - vm_entropy(phase[i])) - leak - cost[i]); /* Eq. 1 */
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

LANE_KERNEL(variable_length_one_decoy) {
    (void)constant;
    variable_length(lanes, in, out, 2);
}

LANE_KERNEL(variable_length_two_decoys) {
    (void)constant;
    variable_length(lanes, in, out, 3);
}
