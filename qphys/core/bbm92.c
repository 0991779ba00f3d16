/* Keys of BBM92 and of other BB84 by single pairs of qubits. Tomamichel, Lim, Gisin, Renner, Nat. Commun. 3, 634
 * (2012): one basis makes key, the other tests. Tomamichel, Leverrier, Quantum 1, 14 (2017) and Lim, Xu, Pan, Ekert,
 * PRL 126, 100501 (2021): both bases are pooled, k of m sifted bits tell the errors, n = m - k make key. The length
 * belongs to a protocol that aborts above an error rate fixed beforehand. See docs/physics/bbm92.md. */
#include "kernels.h"
#include "sampling_bound.h"
#include "status.h"
#include "vmath.h"

/* Binary entropy in bits for 0 <= p <= 1/2, 1 above. */
QPHYS_INLINE double entropy(double p) {
    const double q = vm_min(p, 0.5);
    const double nats = q * vm_log(q) + (1.0 - q) * vm_log1p(-q);
    return q > 0.0 ? -nats * VM_BITS : 0.0;
}

QPHYS_INLINE int is_share(double x) { return (x >= 0.0) & (x <= 1.0); }
QPHYS_INLINE int is_epsilon(double x) { return (x >= 1e-300) & (x < 1.0); }
QPHYS_INLINE double log2_of(double x) { return vm_log(x) * VM_BITS; }

LANE_KERNEL(bbm92_asymptotic) {
    (void)constant;
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        const double bit = in[0][i], phase = in[1][i], f = in[2][i];
        double fault = f >= 1.0 ? 0.0 : STATUS_BAD_EFFICIENCY;
        fault = is_share(bit) & is_share(phase) ? fault : STATUS_BAD_PROBABILITIES;
        fault = (bit + phase + f) * 0.0 == 0.0 ? fault : STATUS_NOT_FINITE;
        const double rate = 1.0 - f * entropy(bit) - entropy(phase);
        double status = rate > 0.0 ? STATUS_GOOD : STATUS_NO_KEY;
        status = fault > 0.0 ? fault : status;
        out[0][i] = status == STATUS_GOOD ? rate : 0.0;
        out[1][i] = status;
    }
}

/* Phase error rate of the key's n bits from a test of k that passes at the error rate Q_tol: hypergeometric tail at
 * (eps_sec / 4)^2, the probability that Serfling's inequality has in the proof. NaN without a bound. */
static void exact_phase(ptrdiff_t lanes, const double *const *in, double *restrict phase) {
    double v[QPHYS_LANES], k[QPHYS_LANES], n[QPHYS_LANES], log_eps[QPHYS_LANES], most[QPHYS_LANES];
    for (ptrdiff_t i = 0; i < lanes; i++) {
        const double of_key = in[0][i], of_test = in[2][i], Q_tol = in[4][i], eps_sec = in[5][i];
        const int good = of_key >= 1.0 && of_test >= 1.0 && of_key <= QPHYS_LARGEST_COUNT &&
                         of_test <= QPHYS_LARGEST_COUNT && is_share(Q_tol) && is_epsilon(eps_sec) &&
                         vm_ceil(Q_tol * of_test) <= vm_floor(of_test);
        v[i] = good ? vm_ceil(Q_tol * of_test) : 0.0;
        k[i] = good ? vm_floor(of_test) : 1.0;
        n[i] = good ? vm_floor(of_key) : 1.0;
        log_eps[i] = good ? -2.0 * vm_log(4.0 / eps_sec) : -1.0;
        phase[i] = good ? 1.0 : (double)NAN;
    }
    sb_errors_upper(lanes, v, k, n, log_eps, most);
    for (ptrdiff_t i = 0; i < lanes; i++)
        phase[i] *= most[i] / n[i];
}

QPHYS_INLINE void tomamichel2012(ptrdiff_t lanes, const double *const *in, double *const *out, const int exact) {
    double sampled[QPHYS_LANES];
    if (lanes < 1)
        return;
    if (exact)
        exact_phase(lanes, in, sampled);
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        const double n = in[0][i], m_n = in[1][i], k = in[2][i], m_k = in[3][i], Q_tol = in[4][i];
        const double eps_sec = in[5][i], eps_cor = in[6][i], f = in[7][i];
        double fault = f >= 1.0 ? 0.0 : STATUS_BAD_EFFICIENCY;
        fault = is_epsilon(eps_sec) & is_epsilon(eps_cor) ? fault : STATUS_BAD_EPSILON;
        fault = is_share(Q_tol) ? fault : STATUS_BAD_PROBABILITIES;
        fault = (m_n >= 0.0) & (m_n <= n) & (m_k >= 0.0) & (m_k <= k) & (n <= QPHYS_LARGEST_COUNT) &
                        (k <= QPHYS_LARGEST_COUNT)
                    ? fault
                    : STATUS_BAD_COUNTS;
        fault = ((n + m_n) + (k + m_k) + Q_tol + eps_sec + eps_cor + f) * 0.0 == 0.0 ? fault : STATUS_NOT_FINITE;

        const int some = (n > 0.0) & (k > 0.0);
        const double mu = sqrt((n + k) / (n * k) * ((k + 1.0) / k) * vm_log(4.0 / eps_sec)); /* Eq. 2 */
        const double upper = exact ? (sampled[i] == sampled[i] ? sampled[i] : 0.5) : Q_tol + mu;
        const double phase = some ? vm_min(upper, 0.5) : 0.5;
        const double leak = n > 0.0 ? f * n * entropy(m_n / n) : 0.0;
        const double cost = log2_of(2.0) - 2.0 * log2_of(eps_sec) - log2_of(eps_cor);
        const double key = vm_floor(n * (1.0 - entropy(phase)) - leak - cost); /* Theorem, Eq. 1 */
        const int accepted = some && m_k / k <= Q_tol;

        double status = accepted && key > 0.0 ? STATUS_GOOD : STATUS_NO_KEY;
        status = phase < 0.5 ? status : STATUS_NO_SAMPLING_BOUND;
        status = fault > 0.0 ? fault : status;
        out[0][i] = status == STATUS_GOOD ? key : 0.0;
        out[1][i] = fault == 0.0 ? phase : (double)NAN;
        out[2][i] = fault == 0.0 ? leak : (double)NAN;
        out[3][i] = status;
    }
}

LANE_KERNEL(bbm92_tomamichel2012) {
    (void)constant;
    tomamichel2012(lanes, in, out, 0);
}

LANE_KERNEL(bbm92_tomamichel2012_exact) {
    (void)constant;
    tomamichel2012(lanes, in, out, 1);
}

/* The epsilons are split as in the authors' example: alpha = m^(-1/2) of eps for correctness, beta = 0.9 (1 - alpha)
 * for the estimate of the errors, the rest for privacy amplification. */
LANE_KERNEL(bbm92_tomamichel_leverrier2017) {
    (void)constant;
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        const double m = in[0][i], k = in[1][i], delta = in[2][i], Q = in[3][i], eps = in[4][i], f = in[5][i];
        double fault = f >= 1.0 ? 0.0 : STATUS_BAD_EFFICIENCY;
        fault = is_epsilon(eps) ? fault : STATUS_BAD_EPSILON;
        fault = is_share(delta) & is_share(Q) ? fault : STATUS_BAD_PROBABILITIES;
        fault = (k >= 0.0) & (k <= m) & (m <= QPHYS_LARGEST_COUNT) ? fault : STATUS_BAD_COUNTS;
        fault = ((m + k) + delta + Q + eps + f) * 0.0 == 0.0 ? fault : STATUS_NOT_FINITE;

        const double n = m - k;
        const int some = (n > 0.0) & (k > 0.0) & (m > 1.0);
        const double alpha = 1.0 / sqrt(m);
        const double beta = 0.9 * (1.0 - alpha);
        const double t = vm_ceil(-log2_of(alpha * eps));
        const double eps_pa = (1.0 - alpha - beta) * eps;
        const double nu = sqrt(m * (k + 1.0) / (n * k * k) * vm_log(2.0 / (beta * eps)));
        const double eps_pe = 2.0 * vm_exp(-n * k * k * nu * nu / (m * (k + 1.0)));
        const double phase = some ? vm_min(delta + nu, 0.5) : 0.5;
        const double r = vm_ceil(f * entropy(Q) * n);
        const double secret = n * (1.0 - entropy(phase)) - r - t;
        const double key = vm_floor(secret - 2.0 * log2_of(1.0 / (2.0 * eps_pa)));
        const double total = eps_pe + vm_exp(-t / VM_BITS) + 0.5 * vm_exp(-0.5 * (secret - key) / VM_BITS);

        double status = key > 0.0 ? STATUS_GOOD : STATUS_NO_KEY;
        status = phase < 0.5 ? status : STATUS_NO_SAMPLING_BOUND;
        status = fault > 0.0 ? fault : status;
        out[0][i] = status == STATUS_GOOD ? key : 0.0;
        out[1][i] = fault == 0.0 ? phase : (double)NAN;
        out[2][i] = fault == 0.0 ? r : (double)NAN;
        out[3][i] = fault == 0.0 && phase < 0.5 ? total : (double)NAN;
        out[4][i] = status;
    }
}

/* Lim et al. 2021. Any point (k, t, s, w) of the search is a valid choice, so that the search can only lose key, never
 * security: s is the part of the secrecy that the estimate of the errors takes, 2 eps_pe = s eps; w divides eps_pe^2
 * between the two steps of the estimate (errors of the whole block, errors of the key). Then xi and nu follow. */
enum search { SHARE, SPLIT, WEIGHT, COORDINATES };
enum { GRID = 32, ROUNDS = 8, STEPS = 24 };

struct choice {
    double phase, value;
};

QPHYS_INLINE struct choice choose(double m, double k, double delta, double leak_a_bit, double eps, double t, double s,
                                  double w) {
    const double n = m - k;
    const double deviation = -2.0 * vm_log(0.5 * s * eps); /* -ln eps_pe^2 */
    const double xi = sqrt((n + 1.0) * (deviation - vm_log(w)) / (2.0 * m * k));
    const double wrong = m * (delta + xi);
    const double gamma = 1.0 / (1.0 + wrong) + 1.0 / (1.0 + m - wrong);
    const double nu = xi + sqrt(1.0 + (deviation - vm_log(1.0 - w)) / (2.0 * gamma)) / n;
    const double phase = delta + nu;
    /* Above 1/2, where there is no key, a slope leads the search back. */
    const double unknown = phase < 0.5 && delta + xi <= 0.5 ? entropy(phase) : 1.0 + 4.0 * vm_max(phase - 0.5, 0.0);
    struct choice c;
    c.phase = delta + xi <= 0.5 ? vm_min(phase, 0.5) : 0.5;
    c.value = n * (1.0 - unknown) - leak_a_bit * n - t + 2.0 * log2_of(2.0 * eps * (1.0 - s));
    return c;
}

enum lim_input { M, K, DELTA, Q, EPS_SEC, EPS_COR, F_EC, TEST_SIZE, VERIFICATION };
enum test_size { TEST_GIVEN, TEST_BEST };
enum verification { VERIFICATION_GIVEN, VERIFICATION_BEST };

struct lim_lanes {
    _Alignas(64) double m[QPHYS_LANES], delta[QPHYS_LANES], leak[QPHYS_LANES];
    _Alignas(64) double total[QPHYS_LANES], eps[QPHYS_LANES], t[QPHYS_LANES], at[COORDINATES][QPHYS_LANES];
    _Alignas(64) double low[QPHYS_LANES], high[QPHYS_LANES], best[QPHYS_LANES], fault[QPHYS_LANES];
};

QPHYS_INLINE double value_with(const struct lim_lanes *b, ptrdiff_t i, int coordinate, double x) {
    const double share = coordinate == SHARE ? x : b->at[SHARE][i];
    const double s = coordinate == SPLIT ? x : b->at[SPLIT][i];
    const double w = coordinate == WEIGHT ? x : b->at[WEIGHT][i];
    return choose(b->m[i], share * b->m[i], b->delta[i], b->leak[i], b->eps[i], b->t[i], s, w).value;
}

/* Golden section between low and high, of one coordinate with the others at rest; never to a worse place. */
QPHYS_INLINE void golden(ptrdiff_t lanes, struct lim_lanes *b, const int coordinate) {
    for (int step = 0; step < STEPS; step++) {
#pragma omp simd
        for (ptrdiff_t i = 0; i < lanes; i++) {
            const double part = 0.38196601125010515 * (b->high[i] - b->low[i]);
            const double left = b->low[i] + part, right = b->high[i] - part;
            const int rises = value_with(b, i, coordinate, left) < value_with(b, i, coordinate, right);
            b->low[i] = rises ? left : b->low[i];
            b->high[i] = rises ? b->high[i] : right;
        }
    }
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        const double x = 0.5 * (b->low[i] + b->high[i]);
        const int better = value_with(b, i, coordinate, x) > value_with(b, i, coordinate, b->at[coordinate][i]);
        b->at[coordinate][i] = better ? x : b->at[coordinate][i];
    }
}

static void search_part(ptrdiff_t lanes, struct lim_lanes *b, const int coordinate) {
    for (ptrdiff_t i = 0; i < lanes; i++) {
        b->low[i] = 1e-3;
        b->high[i] = 1.0 - 1e-3;
    }
    if (coordinate == SPLIT)
        golden(lanes, b, SPLIT);
    else
        golden(lanes, b, WEIGHT);
}

static void search_test_size(ptrdiff_t lanes, const double *const *in, struct lim_lanes *b, int whole) {
    for (ptrdiff_t i = 0; i < lanes; i++) {
        const int free = in[TEST_SIZE][i] == TEST_BEST;
        const double reach = 1.0 / (GRID + 1);
        b->low[i] = free ? vm_max(b->at[SHARE][i] - reach, 1e-6) : b->at[SHARE][i];
        b->high[i] = free ? vm_min(b->at[SHARE][i] + reach, 1.0 - 1e-6) : b->at[SHARE][i];
    }
    golden(lanes, b, SHARE);
    for (ptrdiff_t i = 0; whole && i < lanes; i++) {
        const double k = vm_min(vm_max(vm_round(b->at[SHARE][i] * b->m[i]), 1.0), vm_max(b->m[i] - 1.0, 1.0));
        b->at[SHARE][i] = in[TEST_SIZE][i] == TEST_BEST ? k / b->m[i] : b->at[SHARE][i];
    }
}

/* The hash that compares the keys has t bits: the whole number next to the best, eps_pe at rest. */
static void search_verification(ptrdiff_t lanes, const double *const *in, struct lim_lanes *b) {
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        const double estimate = b->at[SPLIT][i] * b->eps[i]; /* 2 eps_pe */
        const double rest = b->total[i] - estimate;
        const double t0 = vm_floor(log2_of(3.0 / rest));
        const double value0 = 2.0 * log2_of(rest - vm_exp(-t0 / VM_BITS)) - t0;
        const double value1 = 2.0 * log2_of(rest - vm_exp(-(t0 + 1.0) / VM_BITS)) - (t0 + 1.0);
        const double t = value0 >= value1 ? t0 : t0 + 1.0;
        const double eps = b->total[i] - vm_exp(-t / VM_BITS);
        const int free = in[VERIFICATION][i] == VERIFICATION_BEST;
        b->t[i] = free ? t : b->t[i];
        b->eps[i] = free ? eps : b->eps[i];
        b->at[SPLIT][i] = free ? vm_min(estimate / eps, 0.999) : b->at[SPLIT][i];
    }
}

LANE_KERNEL(bbm92_lim2021) {
    (void)constant;
    struct lim_lanes b;
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        const double size = in[TEST_SIZE][i], verification = in[VERIFICATION][i];
        const double m = in[M][i], k = size == TEST_BEST ? 0.0 : in[K][i], delta = in[DELTA][i], q = in[Q][i];
        const double eps_sec = in[EPS_SEC][i], eps_cor = in[EPS_COR][i], f = in[F_EC][i];
        double fault = (size == TEST_GIVEN || size == TEST_BEST) &&
                               (verification == VERIFICATION_GIVEN || verification == VERIFICATION_BEST)
                           ? 0.0
                           : STATUS_BAD_OPTION;
        fault = f >= 1.0 ? fault : STATUS_BAD_EFFICIENCY;
        fault = is_epsilon(eps_sec) & is_epsilon(eps_cor) & (eps_sec + eps_cor < 1.0) ? fault : STATUS_BAD_EPSILON;
        fault = is_share(delta) & is_share(q) ? fault : STATUS_BAD_PROBABILITIES;
        fault = (k >= 0.0) & (k <= m) & (m <= QPHYS_LARGEST_COUNT) ? fault : STATUS_BAD_COUNTS;
        fault = ((m + k) + delta + q + eps_sec + eps_cor + f) * 0.0 == 0.0 ? fault : STATUS_NOT_FINITE;
        const int some = fault == 0.0 && m >= 2.0 && (size == TEST_BEST || (k > 0.0 && k < m));
        b.fault[i] = fault;
        b.m[i] = some ? m : 2.0;
        b.delta[i] = some ? delta : 0.5;
        b.leak[i] = some ? f * entropy(q) : 1.0;
        b.total[i] = some ? eps_sec + eps_cor : 0.5;
        b.t[i] = some ? vm_ceil(-log2_of(verification == VERIFICATION_BEST ? b.total[i] / 6.0 : eps_cor)) : 3.0;
        b.eps[i] = !some ? 0.25 : verification == VERIFICATION_BEST ? b.total[i] - vm_exp(-b.t[i] / VM_BITS) : eps_sec;
        b.at[SHARE][i] = some && size == TEST_GIVEN ? k / m : 0.5;
        b.at[SPLIT][i] = 0.5;
        b.at[WEIGHT][i] = 0.5;
        b.best[i] = -(double)INFINITY;
    }
    for (int step = 1; step <= GRID; step++) {
        const double share = (double)step / (GRID + 1);
#pragma omp simd
        for (ptrdiff_t i = 0; i < lanes; i++) {
            const double value = value_with(&b, i, SHARE, share);
            const int better = in[TEST_SIZE][i] == TEST_BEST && value > b.best[i];
            b.at[SHARE][i] = better ? share : b.at[SHARE][i];
            b.best[i] = better ? value : b.best[i];
        }
    }
    for (int round = 0; round < ROUNDS; round++) {
        search_test_size(lanes, in, &b, round == ROUNDS - 1);
        search_verification(lanes, in, &b);
        search_part(lanes, &b, SPLIT);
        search_part(lanes, &b, WEIGHT);
    }
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        const double fault = b.fault[i];
        const int given = in[TEST_SIZE][i] == TEST_GIVEN;
        const double m = fault == 0.0 ? in[M][i] : 2.0;
        const double k = given ? in[K][i] : vm_min(vm_round(b.at[SHARE][i] * b.m[i]), m);
        const int some = fault == 0.0 && m >= 2.0 && k > 0.0 && k < m;
        const struct choice c =
            choose(b.m[i], some ? k : 1.0, b.delta[i], b.leak[i], b.eps[i], b.t[i], b.at[SPLIT][i], b.at[WEIGHT][i]);
        const double phase = some ? c.phase : 0.5;
        const double key = vm_floor(c.value);
        double status = key > 0.0 ? STATUS_GOOD : STATUS_NO_KEY;
        status = some ? status : STATUS_NO_SAMPLING_BOUND;
        status = fault > 0.0 ? fault : status;
        out[0][i] = status == STATUS_GOOD ? key : 0.0;
        out[1][i] = fault == 0.0 ? k : (double)NAN;
        out[2][i] = fault == 0.0 ? phase : (double)NAN;
        out[3][i] = some ? b.leak[i] * (m - k) : (fault == 0.0 ? 0.0 : (double)NAN);
        out[4][i] = fault == 0.0 ? b.t[i] : (double)NAN;
        out[5][i] = status;
    }
}
