/* Decoy-state BB84 with two decoys, finite key: Lim, Curty, Walenta, Xu, Zbinden, PRA 89, 022307 (2014), 1311.7129.
 * X is the key basis, Z the test basis; intensities mu1 > mu2 + mu3, mu2 > mu3 >= 0. Three stages: what depends on
 * settings only (once a row of lanes, if these are broadcast), the bounds, the key. See docs/physics/keys.md, tails.md.
 */
#include "kernels.h"
#include "sampling_bound.h"
#include "status.h"
#include "tail_bound.h"
#include "vmath.h"

enum input {
    KEY_COUNT = 0,
    KEY_ERROR = 3,
    TEST_COUNT = 6,
    TEST_ERROR = 9,
    MU = 12,
    P_KEY = 15,
    P_TEST = 18,
    EPS_SEC = 21,
    EPS_COR,
    F_EC,
    TAIL,
    SAMPLING,
    SOURCE,
    INPUTS,
    PREDICTED = INPUTS /* of lim2014_predicted: shares of key counts, test counts, test errors */
};
enum sampling { LIM_2014, EXACT, EXACT_SMOOTHING, SERFLING, YIN_2020_GAMMA };
enum source { SIGNAL, ALL };

/* What follows from the settings: intensities, probabilities, epsilons, policies. */
enum setting {
    WEIGHT_KEY = 0,  /* exp(mu_k) / p_k in the key basis */
    WEIGHT_TEST = 3, /* ... in the test basis */
    TAU0_KEY = 6,    /* probability of no photon; a common factor of all p_k drops out of every bound */
    TAU1_KEY,
    TAU1_TEST,
    TAU0_KEY_INVERSE,
    TAU0_TEST_INVERSE,
    SCALE,        /* mu1 / (mu1 (mu2 - mu3) - mu2^2 + mu3^2) */
    SQUARE,       /* (mu2^2 - mu3^2) / mu1^2 */
    GAP_INVERSE,  /* 1 / (mu2 - mu3) */
    VACUUM_SHARE, /* of the vacuum events, those that enter the key */
    SINGLE_SHARE,
    BETA,  /* ln(1 / eps), eps one of the terms that make up eps_sec */
    COST,  /* privacy amplification and correctness [bit] */
    FAULT, /* status of impossible settings */
    SETTINGS
};

#define LN_2 0.693147180559945309417
#define LN_21 3.04452243772342299650
#define LN_23 3.13549421592914969081

static void settle(ptrdiff_t lanes, const double *const *in, double (*restrict set)[QPHYS_LANES], int predicted) {
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        const double mu1 = in[MU][i], mu2 = in[MU + 1][i], mu3 = in[MU + 2][i];
        const double p1 = in[P_KEY][i], p2 = in[P_KEY + 1][i], p3 = in[P_KEY + 2][i];
        const double q1 = in[P_TEST][i], q2 = in[P_TEST + 1][i], q3 = in[P_TEST + 2][i];
        const double eps_sec = in[EPS_SEC][i], eps_cor = in[EPS_COR][i];
        const double tail = in[TAIL][i], sampling = in[SAMPLING][i], source = in[SOURCE][i];
        const double finite =
            ((mu1 + mu2 + mu3) + (p1 + p2 + p3) + (q1 + q2 + q3) + eps_sec + eps_cor + in[F_EC][i]) * 0.0;

        const double f1 = vm_exp_normal(-mu1), f2 = vm_exp_normal(-mu2), f3 = vm_exp_normal(-mu3);
        const double v1 = p1 * f1, v2 = p2 * f2, v3 = p3 * f3;
        const double u1 = q1 * f1, u2 = q2 * f2, u3 = q3 * f3;
        const double v123 = 1.0 / (v1 * v2 * v3),
                     u123 = 1.0 / (u1 * u2 * u3); /* a division costs as much as 16 products */
        set[WEIGHT_KEY][i] = v2 * v3 * v123;
        set[WEIGHT_KEY + 1][i] = v1 * v3 * v123;
        set[WEIGHT_KEY + 2][i] = v1 * v2 * v123;
        set[WEIGHT_TEST][i] = u2 * u3 * u123;
        set[WEIGHT_TEST + 1][i] = u1 * u3 * u123;
        set[WEIGHT_TEST + 2][i] = u1 * u2 * u123;
        const double tau0 = v1 + v2 + v3;
        const double tau1 = v1 * mu1 + v2 * mu2 + v3 * mu3;
        set[TAU0_KEY][i] = tau0;
        set[TAU1_KEY][i] = tau1;
        set[TAU1_TEST][i] = u1 * mu1 + u2 * mu2 + u3 * mu3;
        const double tau0_test = u1 + u2 + u3;
        const double gap = mu2 - mu3, squares = mu2 * mu2 - mu3 * mu3, excess = mu1 * gap - squares;
        const double taus = 1.0 / (tau0 * tau1 * tau0_test), numbers = 1.0 / (gap * excess * (mu1 * mu1));
        set[TAU0_KEY_INVERSE][i] = tau1 * tau0_test * taus;
        set[TAU0_TEST_INVERSE][i] = tau0 * tau1 * taus;
        set[GAP_INVERSE][i] = excess * (mu1 * mu1) * numbers;
        set[SCALE][i] = mu1 * gap * (mu1 * mu1) * numbers;
        set[SQUARE][i] = squares * gap * excess * numbers;
        set[VACUUM_SHARE][i] = source == SIGNAL ? v1 * tau1 * tau0_test * taus : 1.0;
        set[SINGLE_SHARE][i] = source == SIGNAL ? v1 * mu1 * (tau0 * tau0_test) * taus : 1.0;
        /* 12 tail bounds (5 in each basis, 2 on the test errors) and 9 of smoothing, sampling and hashing; a key of
         * signal states needs two more: the signal's share of the vacuum and of the single-photon events. */
        const double beta = (source == SIGNAL ? LN_23 : LN_21) - vm_log_normal(eps_sec);
        set[BETA][i] = beta;
        set[COST][i] = (6.0 * beta + (LN_2 - vm_log_normal(eps_cor))) * VM_BITS;

        double fault = 0.0;
        fault = in[F_EC][i] >= 1.0 ? fault : STATUS_BAD_EFFICIENCY;
        const int has_tail = tail >= HOEFFDING && tail < TAILS && (tail != KATO_2020 || predicted);
        fault = has_tail && (source == SIGNAL || source == ALL) && sampling >= LIM_2014 && sampling <= YIN_2020_GAMMA
                    ? vm_max(fault, 0.0)
                    : vm_max(fault, STATUS_BAD_OPTION);
        fault = eps_sec >= 1e-300 && eps_sec < 1.0 && eps_cor >= 1e-300 && eps_cor < 1.0 ? fault : STATUS_BAD_EPSILON;
        fault = p1 >= 1e-30 && p2 >= 1e-30 && p3 >= 1e-30 && p1 + p2 + p3 <= 1.0 + 1e-9 && q1 >= 1e-30 && q2 >= 1e-30 &&
                        q3 >= 1e-30 && q1 + q2 + q3 <= 1.0 + 1e-9
                    ? fault
                    : STATUS_BAD_PROBABILITIES;
        fault = mu3 >= 0.0 && mu2 > mu3 && mu1 > mu2 + mu3 && mu1 <= 100.0 ? fault : STATUS_BAD_INTENSITIES;
        set[FAULT][i] = finite == 0.0 ? fault : STATUS_NOT_FINITE;
    }
}

/* The two inequalities that most ask for, clipped to what a count can be; see tail_bound.h. */
QPHYS_INLINE double lower(double x, double hoeffding, double beta, int chernoff) {
    return vm_max(chernoff ? tb_chernoff_lower(x, beta) : x - hoeffding, 0.0);
}
QPHYS_INLINE double upper(double x, double hoeffding, double beta, int chernoff, double total) {
    return vm_min(chernoff ? tb_chernoff_upper(x, beta) : x + hoeffding, total);
}
QPHYS_INLINE double taken(double all, double share, double beta, int chernoff) {
    const double mean = share * all;
    const double spread = sqrt(chernoff ? 2.0 * beta * mean : 0.5 * beta * all);
    return share < 1.0 ? vm_max(mean - spread, 0.0) : all;
}

/* What the bounds hand on, a row each. */
enum bound { VACUUM, SINGLE, TEST_SINGLE, TEST_SINGLE_ERROR, PHASE, GAMMA_ERRORS, USED, COUNT_FAULT, BOUNDS };

/* How a row of lanes gets the bounds of its counts: all by Hoeffding, by Hoeffding or Chernoff, or from a table. */
enum mode { ONLY_HOEFFDING, CLOSED_FORMS, TABLE };
enum count { X_1, X_2, X_3, Z_1, Z_2, Z_3, C_1, C_2, C_3, COUNTS };
struct table {
    _Alignas(64) double lower[COUNTS][QPHYS_LANES], upper[COUNTS][QPHYS_LANES];
};

static void tabulate(ptrdiff_t lanes, const double *const *in, double (*restrict set)[QPHYS_LANES], int predicted,
                     struct table *restrict table, double *restrict fault) {
    static const enum input first[3] = {KEY_COUNT, TEST_COUNT, TEST_ERROR};
    double total[QPHYS_LANES], none[QPHYS_LANES];
    for (ptrdiff_t i = 0; i < lanes; i++) {
        none[i] = (double)NAN;
        fault[i] = 0.0;
    }
    for (int group = 0; group < 3; group++) {
        const double *const *x = in + first[group];
        for (ptrdiff_t i = 0; i < lanes; i++)
            total[i] = x[0][i] + x[1][i] + x[2][i];
        for (int k = 0; k < 3; k++) {
            const double *share = predicted ? in[PREDICTED + 3 * group + k] : none;
            tb_fill(lanes, in[TAIL], x[k], total, set[BETA], share, table->lower[3 * group + k],
                    table->upper[3 * group + k]);
            for (ptrdiff_t i = 0; i < lanes; i++) {
                const double wrong = share[i] * 0.0 == 0.0 ? STATUS_BAD_PROBABILITIES : STATUS_NOT_FINITE;
                fault[i] = !predicted || in[TAIL][i] != KATO_2020 || (share[i] >= 0.0 && share[i] <= 1.0)
                               ? fault[i]
                               : vm_max(fault[i], wrong);
            }
        }
    }
}

/* Bounds of both bases: vacuum and single-photon events, wrong ones of the test. `mode` is a constant where this is
 * inlined. */
QPHYS_INLINE void decoys(ptrdiff_t lanes, const double *const *in, double (*restrict set)[QPHYS_LANES],
                         double (*restrict to)[QPHYS_LANES], const struct table *restrict table, const int mode) {
#define LOWER(count, x, d) (mode == TABLE ? table->lower[count][i] : lower(x, d, beta, multiplicative))
#define UPPER(count, x, d, total) (mode == TABLE ? table->upper[count][i] : upper(x, d, beta, multiplicative, total))
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        const double mu2 = in[MU + 1][i], mu3 = in[MU + 2][i];
        const double beta = set[BETA][i], tau0 = set[TAU0_KEY][i];
        const int multiplicative = mode == CLOSED_FORMS && in[TAIL][i] == CHERNOFF;

        const double x1 = in[KEY_COUNT][i], x2 = in[KEY_COUNT + 1][i], x3 = in[KEY_COUNT + 2][i];
        const double a1 = in[KEY_ERROR][i], a2 = in[KEY_ERROR + 1][i], a3 = in[KEY_ERROR + 2][i];
        const double z1 = in[TEST_COUNT][i], z2 = in[TEST_COUNT + 1][i], z3 = in[TEST_COUNT + 2][i];
        const double c1 = in[TEST_ERROR][i], c2 = in[TEST_ERROR + 1][i], c3 = in[TEST_ERROR + 2][i];
        const double n_X = x1 + x2 + x3, n_Z = z1 + z2 + z3, m_X = a1 + a2 + a3, m_Z = c1 + c2 + c3;
        const int possible = (a1 >= 0.0) & (a2 >= 0.0) & (a3 >= 0.0) & (c1 >= 0.0) & (c2 >= 0.0) & (c3 >= 0.0) &
                             (a1 <= x1) & (a2 <= x2) & (a3 <= x3) & (c1 <= z1) & (c2 <= z2) & (c3 <= z3) &
                             (n_X <= QPHYS_LARGEST_COUNT) & (n_Z <= QPHYS_LARGEST_COUNT);
        const double finite = (n_X + n_Z + m_X + m_Z) * 0.0;
        const double fault = mode == TABLE ? to[COUNT_FAULT][i] : 0.0;
        to[COUNT_FAULT][i] = finite == 0.0 ? (possible ? fault : vm_max(fault, STATUS_BAD_COUNTS)) : STATUS_NOT_FINITE;

        const double d_X = sqrt(0.5 * n_X * beta), d_Z = sqrt(0.5 * n_Z * beta), d_c = sqrt(0.5 * m_Z * beta);
        const double square = set[SQUARE][i], scale = set[SCALE][i], gap_inverse = set[GAP_INVERSE][i];

        const double W1 = set[WEIGHT_KEY][i], W2 = set[WEIGHT_KEY + 1][i], W3 = set[WEIGHT_KEY + 2][i];
        const double vacuum = (mu2 * (W3 * LOWER(X_3, x3, d_X)) - mu3 * (W2 * UPPER(X_2, x2, d_X, n_X))) *
                              gap_inverse; /* s_X0 / tau_0, Eq. 2 */
        const double S0 = vm_min(vm_max(vacuum, 0.0), n_X * set[TAU0_KEY_INVERSE][i]);
        const double single =
            W2 * LOWER(X_2, x2, d_X) - W3 * UPPER(X_3, x3, d_X, n_X) - square * (W1 * UPPER(X_1, x1, d_X, n_X) - S0);
        to[VACUUM][i] = S0 * tau0;
        to[SINGLE][i] = vm_min(vm_max(set[TAU1_KEY][i] * scale * single, 0.0), n_X); /* Eq. 3 */

        const double Y1 = set[WEIGHT_TEST][i], Y2 = set[WEIGHT_TEST + 1][i], Y3 = set[WEIGHT_TEST + 2][i];
        const double test_vacuum =
            (mu2 * (Y3 * LOWER(Z_3, z3, d_Z)) - mu3 * (Y2 * UPPER(Z_2, z2, d_Z, n_Z))) * gap_inverse;
        const double test_single = Y2 * LOWER(Z_2, z2, d_Z) - Y3 * UPPER(Z_3, z3, d_Z, n_Z) -
                                   square * (Y1 * UPPER(Z_1, z1, d_Z, n_Z) -
                                             vm_min(vm_max(test_vacuum, 0.0), n_Z * set[TAU0_TEST_INVERSE][i]));
        to[TEST_SINGLE][i] = vm_min(vm_max(set[TAU1_TEST][i] * scale * test_single, 0.0), n_Z);
        const double wrong = (Y2 * UPPER(C_2, c2, d_c, m_Z) - Y3 * LOWER(C_3, c3, d_c)) * gap_inverse;
        to[TEST_SINGLE_ERROR][i] = vm_min(vm_max(set[TAU1_TEST][i] * wrong, 0.0), m_Z); /* Eq. 4 */
    }
#undef LOWER
#undef UPPER
}

/* The part of the key's events that comes from the signal, where only that makes key. */
QPHYS_INLINE void take(ptrdiff_t lanes, const double *const *in, double (*restrict set)[QPHYS_LANES],
                       double (*restrict to)[QPHYS_LANES], const int mode) {
    if (mode == TABLE) {
        tb_take(lanes, in[TAIL], to[VACUUM], set[VACUUM_SHARE], set[BETA]);
        tb_take(lanes, in[TAIL], to[SINGLE], set[SINGLE_SHARE], set[BETA]);
        return;
    }
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        const int multiplicative = mode == CLOSED_FORMS && in[TAIL][i] == CHERNOFF;
        to[VACUUM][i] = taken(to[VACUUM][i], set[VACUUM_SHARE][i], set[BETA][i], multiplicative);
        to[SINGLE][i] = taken(to[SINGLE][i], set[SINGLE_SHARE][i], set[BETA][i], multiplicative);
    }
}

/* The phase error, as far as no search is needed. */
static void sample(ptrdiff_t lanes, const double *const *in, double (*restrict set)[QPHYS_LANES],
                   double (*restrict to)[QPHYS_LANES]) {
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        const double c = to[TEST_SINGLE][i], d = to[SINGLE][i], v_Z1 = to[TEST_SINGLE_ERROR][i], beta = set[BETA][i];
        const double sampling = in[SAMPLING][i];
        const double some = v_Z1 > 0.0 ? v_Z1 : 1.0;
        const double odds = some * (c - some);         /* c^2 b (1-b) */
        const double inverse = 1.0 / ((c * d) * odds); /* the one division for what follows */
        const double c_inverse = d * odds * inverse, d_inverse = c * odds * inverse;
        const double b = v_Z1 * c_inverse;
        const double likely = (c + d) * (c * c) * inverse; /* (c+d) / (c d (1-b) b) */
        const double variance = (c + d) * d_inverse * odds * (c_inverse * c_inverse * c_inverse);
        const double gamma = sqrt(variance * (vm_log_normal(likely) + 2.0 * beta)) * VM_BITS; /* Eq. 5 */
        const double phase = b + gamma;

        /* Does the exact tail allow gamma? First by the bound without logarithms. */
        const double v = vm_ceil(v_Z1), k = vm_floor(c), n = vm_floor(d);
        const double m = vm_floor(n * phase) + 1.0;
        const int bounded = (k >= 1.0) & (n >= 2.0) & (b < 0.5);
        const int usable = bounded & (sampling == LIM_2014) & (v_Z1 > 0.0) & (phase < 0.5) & (2.0 * m <= n);
        const int proven = usable & sb_proven_quickly(v, k, n, m, beta);
        to[PHASE][i] = usable ? phase : 0.5;
        to[USED][i] = proven ? USED_GAMMA : (bounded ? USED_OPEN : USED_NONE);
        to[GAMMA_ERRORS][i] = usable ? m : 0.0;
    }
    int others = 0;
    for (ptrdiff_t i = 0; i < lanes; i++)
        others |= in[SAMPLING][i] == SERFLING || in[SAMPLING][i] == YIN_2020_GAMMA;
#pragma omp simd
    for (ptrdiff_t i = 0; i < (others ? lanes : 0); i++) {
        const double c = to[TEST_SINGLE][i], d = to[SINGLE][i], v_Z1 = to[TEST_SINGLE_ERROR][i], beta = set[BETA][i];
        const int serfling = in[SAMPLING][i] == SERFLING, yin = in[SAMPLING][i] == YIN_2020_GAMMA;
        const double b = v_Z1 / c, n = vm_floor(d);
        const double phase = b + (serfling ? sb_serfling(c, d, 0.5 * beta) : sb_yin(b, c, d, beta));
        const double m = vm_floor(n * phase) + 1.0;
        const int bounded = (serfling | yin) & (to[USED][i] == USED_OPEN) & (phase < 0.5);
        const int usable = bounded & (serfling | ((v_Z1 > 0.0) & (2.0 * m <= n)));
        to[PHASE][i] = usable ? phase : to[PHASE][i];
        to[GAMMA_ERRORS][i] = usable & yin ? m : to[GAMMA_ERRORS][i];
        to[USED][i] = serfling ? (usable ? USED_SERFLING : USED_NONE) : to[USED][i];
    }
}

/* Lanes still open: gamma where the full bound of the tail allows it, else the tail's own bound. */
static void bound_by_tail(ptrdiff_t lanes, const double *const *in, double (*restrict set)[QPHYS_LANES],
                          double (*restrict to)[QPHYS_LANES]) {
    double log_eps[QPHYS_LANES], good[QPHYS_LANES];
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        log_eps[i] = (in[SAMPLING][i] == EXACT_SMOOTHING ? -2.0 : -1.0) * set[BETA][i];
        good[i] = to[COUNT_FAULT][i] == 0.0 && set[FAULT][i] == 0.0 ? 1.0 : 0.0;
    }
    sb_close(lanes, good, to[TEST_SINGLE_ERROR], to[TEST_SINGLE], to[SINGLE], log_eps, to[GAMMA_ERRORS], to[PHASE],
             to[USED]);
    for (ptrdiff_t i = 0; i < lanes; i++)
        to[USED][i] = in[SAMPLING][i] == YIN_2020_GAMMA && to[USED][i] == USED_GAMMA ? USED_YIN : to[USED][i];
}

static void make_key(ptrdiff_t lanes, const double *const *in, double *const *out, double (*restrict set)[QPHYS_LANES],
                     double (*restrict to)[QPHYS_LANES]) {
    double *restrict key_out = out[0], *restrict s0_out = out[1], *restrict s1_out = out[2], *restrict sZ_out = out[3];
    double *restrict v_out = out[4], *restrict phase_out = out[5], *restrict leak_out = out[6];
    double *restrict used_out = out[7], *restrict status_out = out[8];
    const double *restrict x1 = in[KEY_COUNT], *restrict x2 = in[KEY_COUNT + 1], *restrict x3 = in[KEY_COUNT + 2];
    const double *restrict a1 = in[KEY_ERROR], *restrict a2 = in[KEY_ERROR + 1], *restrict a3 = in[KEY_ERROR + 2];
    const double *restrict f_EC = in[F_EC], *restrict source = in[SOURCE];
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        const double decoy_count = x2[i] + x3[i], decoy_error = a2[i] + a3[i];
        const int all = source[i] == ALL;
        const double n = x1[i] + (all ? decoy_count : 0.0);
        const double m = a1[i] + (all ? decoy_error : 0.0);
        const double rate = n > 0.0 ? vm_min(m / n, 0.5) : 0.0;
        const double leak = f_EC[i] * n * vm_entropy(rate);
        const double phase = to[PHASE][i], s0 = to[VACUUM][i], s1 = to[SINGLE][i], s_Z1 = to[TEST_SINGLE][i];
        const double key = vm_floor(s0 + s1 * (1.0 - vm_entropy(phase)) - leak - set[COST][i]); /* Eq. 1 */

        double status = key > 0.0 ? STATUS_GOOD : STATUS_NO_KEY;
        status = to[USED][i] == USED_NONE ? STATUS_NO_SAMPLING_BOUND : status;
        status = s1 > 0.0 && s_Z1 > 0.0 ? status : STATUS_NO_SINGLE_PHOTONS;
        const double fault = vm_max(to[COUNT_FAULT][i], set[FAULT][i]);
        status = fault > 0.0 ? fault : status;
        const int valid = fault == 0.0;
        key_out[i] = status == STATUS_GOOD ? key : 0.0;
        s0_out[i] = valid ? s0 : (double)NAN;
        s1_out[i] = valid ? s1 : (double)NAN;
        sZ_out[i] = valid ? s_Z1 : (double)NAN;
        v_out[i] = valid ? to[TEST_SINGLE_ERROR][i] : (double)NAN;
        phase_out[i] = valid ? phase : (double)NAN;
        leak_out[i] = valid ? leak : (double)NAN;
        used_out[i] = valid ? to[USED][i] : USED_NONE;
        status_out[i] = status;
    }
}

static void whole_key(ptrdiff_t lanes, const double *const *in, double *const *out, uint64_t constant, int predicted) {
    _Alignas(64) double set[SETTINGS][QPHYS_LANES], to[BOUNDS][QPHYS_LANES];
    struct table table;
    const uint64_t settings = ((UINT64_C(1) << INPUTS) - 1) & ~((UINT64_C(1) << MU) - 1);
    const int hoisted = (constant & settings) == settings;
    settle(hoisted ? 1 : lanes, in, set, predicted);
    for (int row = 0; hoisted && row < SETTINGS; row++)
        for (ptrdiff_t i = 1; i < lanes; i++)
            set[row][i] = set[row][0];
    int chernoff = 0, other = 0;
    for (ptrdiff_t i = 0; i < lanes; i++) {
        chernoff |= in[TAIL][i] == CHERNOFF;
        other |= in[TAIL][i] > CHERNOFF;
    }
    if (other) {
        tabulate(lanes, in, set, predicted, &table, to[COUNT_FAULT]);
        decoys(lanes, in, set, to, &table, TABLE);
        take(lanes, in, set, to, TABLE);
    } else if (chernoff) {
        decoys(lanes, in, set, to, &table, CLOSED_FORMS);
        take(lanes, in, set, to, CLOSED_FORMS);
    } else {
        decoys(lanes, in, set, to, &table, ONLY_HOEFFDING);
        take(lanes, in, set, to, ONLY_HOEFFDING);
    }
    sample(lanes, in, set, to);
    bound_by_tail(lanes, in, set, to);
    make_key(lanes, in, out, set, to);
}

LANE_KERNEL(lim2014) { whole_key(lanes, in, out, constant, 0); }

/* The same with a prediction, made before the run, of each intensity's share of counts and errors. */
LANE_KERNEL(lim2014_predicted) { whole_key(lanes, in, out, constant, 1); }
