/* Click patterns of threshold detectors: probability of every pattern of 4 or of 8 detectors, for pairs of two
 * squeezers, for any Gaussian state, for pairs of a density matrix, and for whatever sums of connected parts these are
 * made into.
 *
 * The probability that no detector of S clicks is p0(S) = exp(sum over non-empty T in S of kappa_T). Each kernel finds
 * the connected parts kappa_T of its light without a difference of nearly equal numbers (a kappa of 1e-20 stands beside
 * one of 1e-5, both to 1e-15), and the patterns of them. docs/physics/patterns.md has the derivation; step numbers
 * below are its. Bit j of a set's or pattern's index belongs to detector j; signal detectors come before the idler's.
 */
#include "patterns.h"
#include "kernels.h"
#include "status.h"

#define MOST_DETECTORS 8
#define MOST_PATTERNS 256
#define OUTCOMES 64

/* What rounding may add to a transmission of 1, or a correlation of 1. */
#define TOLERANCE 1e-9

/* No pair source is as bright: products of eight moments stay far from overflow. */
#define BRIGHTEST 1e12

/* ---- tiles of lanes ---------------------------------------------------------------------------------------------- */

struct tile {
    const double *const *in;
    double *const *out;
    ptrdiff_t first, lanes;
};

/* Lanes of an input row; behind the last one zeros. */
QPHYS_INLINE pt_lanes load(const struct tile *t, ptrdiff_t row) {
    pt_lanes v = {0};
    if (t->lanes == PT_WIDTH)
        memcpy(&v, t->in[row] + t->first, sizeof v);
    else
        for (ptrdiff_t l = 0; l < t->lanes; l++)
            v[l] = t->in[row][t->first + l];
    return v;
}

QPHYS_INLINE void store(const struct tile *t, ptrdiff_t row, pt_lanes v) {
    if (t->lanes == PT_WIDTH)
        memcpy(t->out[row] + t->first, &v, sizeof v);
    else
        for (ptrdiff_t l = 0; l < t->lanes; l++)
            t->out[row][t->first + l] = v[l];
}

#define EACH_TILE(t)                                                                                                   \
    (void)constant;                                                                                                    \
    for (struct tile t = {in, out, 0, 0}; (t.lanes = lanes - t.first < PT_WIDTH ? lanes - t.first : PT_WIDTH) > 0;     \
         t.first += PT_WIDTH)

/* ---- checks of inputs; a comparison with NaN blames as well, but judge() has the last word ----------------------- */

QPHYS_INLINE void check(pt_mask right, double code, pt_lanes *status) {
    const pt_lanes wrong = pt_select(*status > code, *status, PT_ALL(code));
    *status = pt_select(right, *status, wrong);
}

QPHYS_INLINE void check_within(pt_lanes v, double low, double high, double code, pt_lanes *status) {
    check((v >= low) & (v <= high), code, status);
}

/* The status of lanes of which `rows` inputs must be finite and that of number `unbounded`, if any, no NaN. */
static pt_lanes judge(const struct tile *t, ptrdiff_t rows, ptrdiff_t unbounded, pt_lanes status) {
    pt_lanes sum = {0};
    for (ptrdiff_t row = 0; row < rows; row++) {
        const pt_lanes v = load(t, row);
        if (row != unbounded)
            sum += v * 0.0;
        else
            sum += pt_select(v == v, (pt_lanes){0}, v);
    }
    return pt_select(sum == 0.0, status, PT_ALL((double)STATUS_NOT_FINITE));
}

/* Number of Schmidt modes or of copies, at least 1. */
static pt_lanes load_modes(const struct tile *t, ptrdiff_t row, double largest, pt_lanes *status) {
    const pt_lanes K = load(t, row);
    check_within(K, 1.0, largest, STATUS_IMPOSSIBLE_STATE, status);
    return pt_select(K >= 1.0, K, PT_ALL(1.0));
}

/* ---- from w to connected parts (step 3) and their exponentials --------------------------------------------------- */

/* kappa = -log1p(x w) / x, in the limit of x = 0 -w. */
static void logarithms(ptrdiff_t sets, const pt_lanes *w, pt_lanes x, pt_lanes *kappa) {
    double factor[PT_WIDTH];
    for (int l = 0; l < PT_WIDTH; l++)
        factor[l] = x[l] > 0.0 ? -1.0 / x[l] : 0.0;
    for (ptrdiff_t T = 0; T < sets; T++) {
        const double *restrict from = (const double *)&w[T];
        double *restrict to = (double *)&kappa[T];
#pragma omp simd
        for (int l = 0; l < PT_WIDTH; l++) {
            const double xw = x[l] * from[l];
            to[l] = fabs(xw) < 1e-17 ? -from[l] : factor[l] * vm_log1p(xw);
        }
    }
}

/* exp and expm1 with one reduction, for |kappa| <= 700: neither is 1 away from the other. */
static void exponentials(ptrdiff_t sets, const pt_lanes *kappa, pt_lanes *e, pt_lanes *power) {
    const double *restrict from = (const double *)kappa;
    double *restrict less_one = (double *)e, *restrict whole = (double *)power;
#pragma omp simd
    for (ptrdiff_t i = 0; i < sets * PT_WIDTH; i++) {
        const double y = vm_min(vm_max(from[i], -700.0), 700.0);
        const double k = vm_round(y * VM_BITS);
        const double high = y - k * VM_LN2_HIGH;
        const double low = k * VM_LN2_LOW;
        const double r = vm_exp_tail(high - low, low) + high;
        const double s = vm_exp2_whole(k);
        whole[i] = s + s * r;
        less_one[i] = fabs(y) < 1e-300 ? y : (s - 1.0) + s * r;
    }
}

/* e = (1 + x w)^(-1/x) - 1; a lane of one mode needs no logarithm, and has the same bits whatever lies beside it. */
static void exponentials_of_modes(ptrdiff_t sets, const pt_lanes *w, pt_lanes x, pt_lanes *e, pt_lanes *power) {
    int single = 0;
    for (int l = 0; l < PT_WIDTH; l++)
        single += x[l] == 1.0;
    if (single < PT_WIDTH) {
        pt_lanes kappa[MOST_PATTERNS];
        logarithms(sets, w, x, kappa);
        exponentials(sets, kappa, e, power);
    }
    if (single == 0)
        return;
    for (ptrdiff_t T = 0; T < sets; T++) {
        const pt_lanes p = 1.0 / (1.0 + w[T]), q = -w[T] * p;
        power[T] = single == PT_WIDTH ? p : pt_select(x == 1.0, p, power[T]);
        e[T] = single == PT_WIDTH ? q : pt_select(x == 1.0, q, e[T]);
    }
}

/* ---- patterns (step 5) ------------------------------------------------------------------------------------------- */

/* SPLIT_u_c: u detectors are undecided, the c that click lie below them in the index of e. The lowest undecided one is
 * silent, and joins the silent ones: e^(R or j)_U = e_U + e_(U or j) + e_U e_(U or j); or it clicks. */
#define SPLIT_END(form, c)                                                                                             \
    form void split_0_##c(pt_lanes *e, unsigned clicks, unsigned all, const pt_lanes *silence, pt_lanes *P) {          \
        const pt_lanes p = silence[all & ~clicks] * pt_compose_top_##c(e);                                             \
        P[clicks] = (c) % 2 ? -p : p;                                                                                  \
    }
#define SPLIT(form, u, c, fewer, more)                                                                                 \
    form void split_##u##_##c(pt_lanes *e, unsigned clicks, unsigned all, const pt_lanes *silence, pt_lanes *P) {      \
        enum { step = 1 << (c), half = 1 << (fewer + (c)) };                                                           \
        pt_lanes silent[half];                                                                                         \
        for (int high = 0; high < half; high += step)                                                                  \
            for (int low = 0; low < step; low++) {                                                                     \
                const pt_lanes without = e[2 * high + low], with = e[2 * high + low + step];                           \
                silent[high + low] = without + (with + without * with);                                                \
            }                                                                                                          \
        silent[0] = (pt_lanes){0};                                                                                     \
        split_##fewer##_##c(silent, clicks, all, silence, P);                                                          \
        split_##fewer##_##more(e, clicks | ((all + 1) >> (u)), all, silence, P);                                       \
    }
#define INLINED QPHYS_INLINE
#define CALLED __attribute__((noinline)) static
QPHYS_INLINE void split_0_0(pt_lanes *e, unsigned clicks, unsigned all, const pt_lanes *silence, pt_lanes *P) {
    (void)e;
    P[clicks] = silence[all];
}
SPLIT_END(INLINED, 1)
SPLIT_END(INLINED, 2)
SPLIT_END(INLINED, 3)
SPLIT_END(INLINED, 4)
SPLIT_END(INLINED, 5)
SPLIT_END(INLINED, 6)
SPLIT_END(INLINED, 7)
SPLIT_END(INLINED, 8)
SPLIT(INLINED, 1, 0, 0, 1)
SPLIT(INLINED, 1, 1, 0, 2)
SPLIT(INLINED, 1, 2, 0, 3)
SPLIT(INLINED, 1, 3, 0, 4)
SPLIT(CALLED, 1, 4, 0, 5)
SPLIT(CALLED, 1, 5, 0, 6)
SPLIT(CALLED, 1, 6, 0, 7)
SPLIT(CALLED, 1, 7, 0, 8)
SPLIT(CALLED, 2, 0, 1, 1)
SPLIT(CALLED, 2, 1, 1, 2)
SPLIT(CALLED, 2, 2, 1, 3)
SPLIT(CALLED, 2, 3, 1, 4)
SPLIT(CALLED, 2, 4, 1, 5)
SPLIT(CALLED, 2, 5, 1, 6)
SPLIT(CALLED, 2, 6, 1, 7)
SPLIT(CALLED, 3, 0, 2, 1)
SPLIT(CALLED, 3, 1, 2, 2)
SPLIT(CALLED, 3, 2, 2, 3)
SPLIT(CALLED, 3, 3, 2, 4)
SPLIT(CALLED, 3, 4, 2, 5)
SPLIT(CALLED, 3, 5, 2, 6)
SPLIT(CALLED, 4, 0, 3, 1)
SPLIT(CALLED, 4, 1, 3, 2)
SPLIT(CALLED, 4, 2, 3, 3)
SPLIT(CALLED, 4, 3, 3, 4)
SPLIT(CALLED, 4, 4, 3, 5)
SPLIT(CALLED, 5, 0, 4, 1)
SPLIT(CALLED, 5, 1, 4, 2)
SPLIT(CALLED, 5, 2, 4, 3)
SPLIT(CALLED, 5, 3, 4, 4)
SPLIT(CALLED, 6, 0, 5, 1)
SPLIT(CALLED, 6, 1, 5, 2)
SPLIT(CALLED, 6, 2, 5, 3)
SPLIT(CALLED, 7, 0, 6, 1)
SPLIT(CALLED, 7, 1, 6, 2)
SPLIT(CALLED, 8, 0, 7, 1)

/* A value below zero by rounding is zero; a state whose patterns are negative or do not add to 1 is none. */
QPHYS_INLINE void check_patterns(const unsigned patterns, pt_lanes *P, pt_lanes *status) {
    pt_lanes least = {0}, sum = {0};
    for (unsigned T = 0; T < patterns; T++) {
        least = pt_select(P[T] >= least, least, P[T]); /* a NaN stays until a number follows; then the sum is NaN */
        sum += P[T];
        P[T] = pt_select(P[T] < 0.0, (pt_lanes){0}, P[T]);
    }
    pt_lanes bad = {0};
    check_within(least, -TOLERANCE, 1.0, STATUS_IMPOSSIBLE_STATE, &bad);
    check_within(sum, 1.0 - 1e-6, 1.0 + 1e-6, STATUS_IMPOSSIBLE_STATE, &bad);
    *status = pt_select(*status > 0.0, *status, bad); /* what is wrong with the input says more */
}

/* Patterns of e_T = expm1(kappa_T), power = exp(kappa_T), both spoilt; noise d_j silences by 1 - d_j (step 4). */
QPHYS_INLINE void find_patterns(const int n, const pt_lanes *noise, pt_lanes *e, pt_lanes *power, pt_lanes *P) {
    const unsigned all = (1u << n) - 1;
    for (int j = 0; j < n; j++) {
        const int T = 1 << j;
        e[T] = e[T] * (1.0 - noise[j]) - noise[j];
        power[T] *= 1.0 - noise[j];
    }
    e[0] = (pt_lanes){0};
    power[0] = PT_ALL(1.0);
    for (unsigned bit = 1; bit <= all; bit <<= 1) /* power becomes p0 of every set */
        for (unsigned S = 0; S <= all; S++)
            if (S & bit)
                power[S] *= power[S ^ bit];
    if (n == 4)
        split_4_0(e, 0, all, power, P);
    else
        split_8_0(e, 0, all, power, P);
}

/* ---- one Schmidt mode, four detectors: no connected parts needed (step 6) ---------------------------------------- */

/* SINGLE_u_c as SPLIT_u_c, of the coefficients d of D and the values r of 1/D, at the silence of those that are silent.
 */
#define SINGLE_END(c)                                                                                                  \
    QPHYS_INLINE void single_0_##c(const pt_lanes *d, const pt_lanes *r, unsigned clicks, pt_lanes *P) {               \
        const pt_lanes p = pt_inverse_top_##c(d, r);                                                                   \
        P[clicks] = (c) % 2 ? -p : p;                                                                                  \
    }
#define SINGLE(u, c, fewer, more)                                                                                      \
    QPHYS_INLINE void single_##u##_##c(const pt_lanes *d, const pt_lanes *r, unsigned clicks, pt_lanes *P) {           \
        enum { step = 1 << (c), half = 1 << (fewer + (c)) };                                                           \
        pt_lanes silent[half], values[half];                                                                           \
        for (int high = 0; high < half; high += step)                                                                  \
            for (int low = 0; low < step; low++) {                                                                     \
                silent[high + low] = d[2 * high + low] + d[2 * high + low + step];                                     \
                values[high + low] = r[2 * high + low + step];                                                         \
            }                                                                                                          \
        single_##fewer##_##c(silent, values, clicks, P);                                                               \
        single_##fewer##_##more(d, r, clicks | (16 >> (u)), P);                                                        \
    }
SINGLE_END(0)
SINGLE_END(1)
SINGLE_END(2)
SINGLE_END(3)
SINGLE_END(4)
SINGLE(1, 0, 0, 1)
SINGLE(1, 1, 0, 2)
SINGLE(1, 2, 0, 3)
SINGLE(1, 3, 0, 4)
SINGLE(2, 0, 1, 1)
SINGLE(2, 1, 1, 2)
SINGLE(2, 2, 1, 3)
SINGLE(3, 0, 2, 1)
SINGLE(3, 1, 2, 2)
SINGLE(4, 0, 3, 1)

/* a: coefficients of D - 1. */
static void find_single_mode_patterns(const pt_lanes *noise, const pt_lanes *a, pt_lanes *P) {
    pt_lanes d[16], r[16];
    d[0] = r[0] = PT_ALL(1.0);
    for (int T = 1; T < 16; T++)
        d[T] = r[T] = a[T];
    for (int bit = 1; bit < 16; bit <<= 1)
        for (int S = 0; S < 16; S++)
            if (S & bit)
                r[S] += r[S ^ bit];
    for (int S = 0; S < 16; S++)
        r[S] = 1.0 / r[S];
    single_4_0(d, r, 0, P);
    for (int j = 0; j < 4; j++)
        for (int T = 0; T < 16; T++)
            if (!(T >> j & 1)) {
                P[T | 1 << j] += noise[j] * P[T];
                P[T] *= 1.0 - noise[j];
            }
}

QPHYS_INLINE void load_noise(const struct tile *t, const int n, ptrdiff_t first, pt_lanes *noise, pt_lanes *status) {
    for (int j = 0; j < n; j++) {
        noise[j] = load(t, first + j);
        check_within(noise[j], 0.0, 1.0, STATUS_BAD_PROBABILITIES, status);
    }
}

QPHYS_INLINE void store_rows(const struct tile *t, ptrdiff_t rows, const pt_lanes *v, pt_lanes status) {
    const pt_lanes p = pt_select(status > 0.0, PT_ALL((double)NAN), (pt_lanes){0});
    for (ptrdiff_t row = 0; row < rows; row++)
        store(t, row, v[row] + p);
    store(t, rows, status);
}

/* Patterns summed to outcomes; the table's 256 rows stand at `first`. */
static void store_outcomes(const struct tile *t, ptrdiff_t first, const pt_lanes *P, pt_lanes status) {
    pt_lanes sum[OUTCOMES];
    for (int o = 0; o < OUTCOMES; o++)
        sum[o] = (pt_lanes){0};
    for (ptrdiff_t T = 0; T < MOST_PATTERNS; T++)
        for (ptrdiff_t l = 0; l < t->lanes; l++) {
            const double o = t->in[first + T][t->first + l];
            if (o >= 0.0 && o < OUTCOMES)
                sum[(int)o][l] += P[T][l];
            else
                status[l] = status[l] > 0.0 ? status[l] : STATUS_BAD_OPTION;
        }
    store_rows(t, OUTCOMES, sum, status);
}

/* ---- pairs of two squeezers (step 1) ----------------------------------------------------------------------------- */

/* What an arm of d <= 4 detectors sees of its two polarizations: |amplitude|^2 and |minors|^2. */
struct arm {
    pt_lanes weight[4][2], determinant[4][4];
};

/* Amplitudes (detector, polarization, real and imaginary part) from row `first`. No passive optics has a singular value
 * above 1. */
QPHYS_INLINE void load_arm(const struct tile *t, const int d, ptrdiff_t first, pt_lanes (*a)[2][2], struct arm *arm,
                           pt_lanes *status) {
    pt_lanes horizontal = {0}, vertical = {0}, real = {0}, imaginary = {0};
    for (int j = 0; j < d; j++) {
        for (int r = 0; r < 4; r++)
            a[j][r / 2][r % 2] = load(t, first + 4 * j + r);
        for (int p = 0; p < 2; p++)
            arm->weight[j][p] = a[j][p][0] * a[j][p][0] + a[j][p][1] * a[j][p][1];
        horizontal += arm->weight[j][0];
        vertical += arm->weight[j][1];
        real += a[j][0][0] * a[j][1][0] + a[j][0][1] * a[j][1][1];
        imaginary += a[j][0][0] * a[j][1][1] - a[j][0][1] * a[j][1][0];
    }
    const double most = 1.0 + TOLERANCE;
    check_within(horizontal, 0.0, most, STATUS_BAD_PROBABILITIES, status);
    check_within(vertical, 0.0, most, STATUS_BAD_PROBABILITIES, status);
    check(real * real + imaginary * imaginary <= (most - horizontal) * (most - vertical) + TOLERANCE * TOLERANCE,
          STATUS_BAD_PROBABILITIES, status);
    for (int j = 0; j < d; j++)
        for (int k = j + 1; k < d; k++) {
            const pt_lanes x = (a[j][0][0] * a[k][1][0] - a[j][0][1] * a[k][1][1]) -
                               (a[j][1][0] * a[k][0][0] - a[j][1][1] * a[k][0][1]);
            const pt_lanes y = (a[j][0][0] * a[k][1][1] + a[j][0][1] * a[k][1][0]) -
                               (a[j][1][0] * a[k][0][1] + a[j][1][1] * a[k][0][0]);
            arm->determinant[j][k] = x * x + y * y;
        }
}

/* Rows: mean numbers (2), amplitudes of the signal's and the idler's d detectors, Schmidt modes. Squeezer 0 joins the
 * signal's H with the idler's V, squeezer 1 V with H. With x = 1/K a mode holds x n photons; D = 1 + x a, so that all
 * of a stays finite as K grows. Minors of three and four are exact in closed form (Cauchy-Binet): nothing cancels. */
QPHYS_INLINE void load_pairs(const struct tile *t, const int d, pt_lanes *x, pt_lanes *a, pt_lanes *status) {
    pt_lanes n[2], s[2], A[4][2][2], B[4][2][2];
    struct arm signal, idler;
    for (int p = 0; p < 2; p++) {
        n[p] = load(t, p);
        check_within(n[p], 0.0, BRIGHTEST, STATUS_IMPOSSIBLE_STATE, status);
    }
    load_arm(t, d, 2, A, &signal, status);
    load_arm(t, d, 2 + 4 * d, B, &idler, status);
    *x = 1.0 / load_modes(t, 2 + 8 * d, (double)INFINITY, status);

    for (int p = 0; p < 2; p++) {
        const pt_lanes square = n[p] + n[p] * (*x * n[p]);
        double *restrict root = (double *)&s[p];
        const double *restrict from = (const double *)&square;
#pragma omp simd
        for (int l = 0; l < PT_WIDTH; l++)
            root[l] = sqrt(from[l]);
    }
    for (int T = 0; T < 1 << 2 * d; T++)
        a[T] = (pt_lanes){0};
    const pt_lanes both = *x * (n[0] * n[1]);
    for (int j = 0; j < d; j++) {
        a[1 << j] = n[0] * signal.weight[j][0] + n[1] * signal.weight[j][1];
        a[1 << (d + j)] = n[0] * idler.weight[j][1] + n[1] * idler.weight[j][0];
    }
    for (int j = 0; j < d; j++)
        for (int i = 0; i < d; i++) {
            pt_lanes m[2][2]; /* real and imaginary part of <a_j b_i> of each squeezer */
            for (int p = 0; p < 2; p++) {
                const pt_lanes *b = B[i][1 - p];
                m[p][0] = s[p] * (A[j][p][0] * b[0] - A[j][p][1] * b[1]);
                m[p][1] = s[p] * (A[j][p][0] * b[1] + A[j][p][1] * b[0]);
            }
            const pt_lanes real = m[0][0] + m[1][0], imaginary = m[0][1] + m[1][1];
            a[1 << j | 1 << (d + i)] = *x * (a[1 << j] * a[1 << (d + i)]) - (real * real + imaginary * imaginary);
        }
    for (int j = 0; j < d; j++)
        for (int k = j + 1; k < d; k++) {
            const int J = 1 << j | 1 << k;
            const pt_lanes ss = both * signal.determinant[j][k], ii = both * idler.determinant[j][k];
            a[J] = ss;
            a[J << d] = ii;
            for (int i = 0; i < d; i++) {
                a[J | 1 << (d + i)] = -ss * (idler.weight[i][0] + idler.weight[i][1]);
                a[J << d | 1 << i] = -ii * (signal.weight[i][0] + signal.weight[i][1]);
            }
            for (int i = 0; i < d; i++)
                for (int h = i + 1; h < d; h++)
                    a[J | (1 << i | 1 << h) << d] = ss * idler.determinant[i][h];
        }
}

/* a becomes w at every set. */
QPHYS_INLINE void connect(const int d, const pt_lanes *x, pt_lanes *a) {
    if (d == 2)
        pt_connect_4(a, x);
    else
        pt_connect_8(a, x);
    a[0] = (pt_lanes){0};
}

static pt_lanes patterns_of_4(const struct tile *t, pt_lanes *P) {
    pt_lanes x, noise[4], w[16], e[16], power[16], single[16], status = {0};
    load_pairs(t, 2, &x, w, &status);
    load_noise(t, 4, 19, noise, &status);
    int singles = 0;
    for (int l = 0; l < PT_WIDTH; l++)
        singles += x[l] == 1.0;
    if (singles > 0)
        find_single_mode_patterns(noise, w, singles == PT_WIDTH ? P : single);
    if (singles < PT_WIDTH) {
        connect(2, &x, w);
        exponentials_of_modes(16, w, x, e, power);
        find_patterns(4, noise, e, power, P);
        for (int T = 0; T < 16 && singles > 0; T++) /* the same bits in a lane whatever lies beside it */
            P[T] = pt_select(x == 1.0, single[T], P[T]);
    }
    check_patterns(16, P, &status);
    return judge(t, 23, 18, status);
}

static pt_lanes patterns_of_8(const struct tile *t, pt_lanes *P) {
    pt_lanes x, noise[8], w[MOST_PATTERNS], e[MOST_PATTERNS], power[MOST_PATTERNS], status = {0};
    load_pairs(t, 4, &x, w, &status);
    load_noise(t, 8, 35, noise, &status);
    connect(4, &x, w);
    exponentials_of_modes(MOST_PATTERNS, w, x, e, power);
    find_patterns(8, noise, e, power, P);
    check_patterns(MOST_PATTERNS, P, &status);
    return judge(t, 43, 34, status);
}

QPHYS_INLINE void cumulants_of_pairs(const struct tile *t, const int d) {
    pt_lanes x, w[MOST_PATTERNS], kappa[MOST_PATTERNS], status = {0};
    load_pairs(t, d, &x, w, &status);
    connect(d, &x, w);
    logarithms(1 << 2 * d, w, x, kappa);
    store_rows(t, 1 << 2 * d, kappa, judge(t, 3 + 8 * d, 2 + 8 * d, status));
}

LANE_KERNEL(pair_patterns_4) {
    EACH_TILE(t) {
        pt_lanes P[16];
        const pt_lanes status = patterns_of_4(&t, P);
        store_rows(&t, 16, P, status);
    }
}

LANE_KERNEL(pair_patterns_8) {
    EACH_TILE(t) {
        pt_lanes P[MOST_PATTERNS];
        const pt_lanes status = patterns_of_8(&t, P);
        store_rows(&t, MOST_PATTERNS, P, status);
    }
}

LANE_KERNEL(pair_outcomes_8) {
    EACH_TILE(t) {
        pt_lanes P[MOST_PATTERNS];
        const pt_lanes status = patterns_of_8(&t, P);
        store_outcomes(&t, 43, P, status);
    }
}

LANE_KERNEL(pair_cumulants_4) {
    EACH_TILE(t)
    cumulants_of_pairs(&t, 2);
}

LANE_KERNEL(pair_cumulants_8) {
    EACH_TILE(t)
    cumulants_of_pairs(&t, 4);
}

/* ---- any sum of connected parts (step 4) ------------------------------------------------------------------------- */

QPHYS_INLINE pt_lanes patterns_of_cumulants(const struct tile *t, const int n, pt_lanes *P) {
    const ptrdiff_t sets = (ptrdiff_t)1 << n;
    pt_lanes kappa[MOST_PATTERNS], noise[MOST_DETECTORS], e[MOST_PATTERNS], power[MOST_PATTERNS], status = {0};
    for (ptrdiff_t T = 0; T < sets; T++)
        kappa[T] = load(t, T);
    load_noise(t, n, sets, noise, &status);
    exponentials(sets, kappa, e, power);
    find_patterns(n, noise, e, power, P);
    check_patterns(1u << n, P, &status);
    return judge(t, sets + n, -1, status);
}

LANE_KERNEL(cumulant_patterns_4) {
    EACH_TILE(t) {
        pt_lanes P[16];
        const pt_lanes status = patterns_of_cumulants(&t, 4, P);
        store_rows(&t, 16, P, status);
    }
}

LANE_KERNEL(cumulant_patterns_8) {
    EACH_TILE(t) {
        pt_lanes P[MOST_PATTERNS];
        const pt_lanes status = patterns_of_cumulants(&t, 8, P);
        store_rows(&t, MOST_PATTERNS, P, status);
    }
}

LANE_KERNEL(cumulant_outcomes_8) {
    EACH_TILE(t) {
        pt_lanes P[MOST_PATTERNS];
        const pt_lanes status = patterns_of_cumulants(&t, 8, P);
        store_outcomes(&t, MOST_PATTERNS + 8, P, status);
    }
}

/* ---- pairs of a density matrix, Poisson in number ---------------------------------------------------------------- */

/* Rows: mean number of pairs, density matrix (4 x 4, real and imaginary parts; basis HH, HV, VH, VV of signal and
 * idler), amplitudes of the signal's and the idler's d detectors. A photon clicks in one detector at most, so that
 * kappa_j = -mu tr(rho E_j), kappa_ji = mu tr(rho E_j F_i), and no other is left. */
QPHYS_INLINE void cumulants_of_poisson_pairs(const struct tile *t, const int d) {
    pt_lanes kappa[MOST_PATTERNS], rho[4][4][2], A[4][2][2], B[4][2][2], status = {0}, trace = {0};
    struct arm signal, idler;
    const pt_lanes mu = load(t, 0);
    check_within(mu, 0.0, BRIGHTEST, STATUS_IMPOSSIBLE_STATE, &status);
    for (int r = 0; r < 32; r++)
        rho[r / 8][r / 2 % 4][r % 2] = load(t, 1 + r);
    for (int q = 0; q < 4; q++) {
        trace += rho[q][q][0];
        for (int r = 0; r < 4; r++) {
            const pt_lanes real = rho[q][r][0] - rho[r][q][0], imaginary = rho[q][r][1] + rho[r][q][1];
            check_within(real * real + imaginary * imaginary, 0.0, TOLERANCE * TOLERANCE, STATUS_IMPOSSIBLE_STATE,
                         &status);
        }
    }
    check_within(trace, 1.0 - TOLERANCE, 1.0 + TOLERANCE, STATUS_IMPOSSIBLE_STATE, &status);
    load_arm(t, d, 33, A, &signal, &status);
    load_arm(t, d, 33 + 4 * d, B, &idler, &status);

    for (int T = 0; T < 1 << 2 * d; T++)
        kappa[T] = (pt_lanes){0};
    for (int j = 0; j < 2 * d; j++) {
        /* <a|rho_arm|a>, rho_arm the partial trace: elements of H, V and between them */
        const int is_signal = j < d, of_h = is_signal ? 2 : 1, other = is_signal ? 1 : 2;
        const pt_lanes(*a)[2] = is_signal ? A[j] : B[j - d];
        const pt_lanes *weight = is_signal ? signal.weight[j] : idler.weight[j - d];
        const pt_lanes HH = rho[0][0][0] + rho[other][other][0], VV = rho[of_h][of_h][0] + rho[3][3][0];
        const pt_lanes real = rho[0][of_h][0] + rho[other][3][0], imaginary = rho[0][of_h][1] + rho[other][3][1];
        const pt_lanes x = a[0][0] * a[1][0] + a[0][1] * a[1][1], y = a[0][0] * a[1][1] - a[0][1] * a[1][0];
        const pt_lanes p = (weight[0] * HH + weight[1] * VV) + 2.0 * (x * real + y * imaginary);
        check_within(p, -TOLERANCE, 1.0 + TOLERANCE, STATUS_IMPOSSIBLE_STATE, &status);
        kappa[1 << j] = -(mu * p);
    }
    for (int j = 0; j < d; j++)
        for (int i = 0; i < d; i++) {
            pt_lanes c[4][2], p = {0}; /* amplitude of finding HH, HV, VH, VV */
            for (int q = 0; q < 4; q++) {
                const pt_lanes *a = A[j][q / 2], *b = B[i][q % 2];
                c[q][0] = a[0] * b[0] - a[1] * b[1];
                c[q][1] = a[0] * b[1] + a[1] * b[0];
            }
            for (int q = 0; q < 4; q++)
                p += (c[q][0] * c[q][0] + c[q][1] * c[q][1]) * rho[q][q][0];
            for (int q = 0; q < 4; q++)
                for (int r = q + 1; r < 4; r++) {
                    const pt_lanes x = c[q][0] * c[r][0] + c[q][1] * c[r][1];
                    const pt_lanes y = c[q][0] * c[r][1] - c[q][1] * c[r][0];
                    p += 2.0 * (x * rho[q][r][0] + y * rho[q][r][1]);
                }
            check_within(p, -TOLERANCE, 1.0 + TOLERANCE, STATUS_IMPOSSIBLE_STATE, &status);
            kappa[1 << j | 1 << (d + i)] = mu * p;
        }
    store_rows(t, 1 << 2 * d, kappa, judge(t, 33 + 8 * d, -1, status));
}

LANE_KERNEL(poisson_pair_cumulants_4) {
    EACH_TILE(t)
    cumulants_of_poisson_pairs(&t, 2);
}

LANE_KERNEL(poisson_pair_cumulants_8) {
    EACH_TILE(t)
    cumulants_of_poisson_pairs(&t, 4);
}

/* ---- any Gaussian state ------------------------------------------------------------------------------------------ */

/* Moments of the detectors not yet met, as set functions of those met and silent: every entry is four arrays (real and
 * imaginary part of <a_b' a_a> and of <a_a a_b>), every mean two. */
#define MOMENTS_MAX (3 * 4 * 64) /* 6 entries with 5 detectors met, 3 with 6: the largest */
#define MEANS_MAX (2 * 2 * 64)

/* Where the entry (a, b), a <= b, of m detectors stands, a and b counted from the first not yet met. */
QPHYS_INLINE int entry(int m, int a, int b) { return a * m - a * (a + 1) / 2 + b; }

#define PRODUCT(o, a, b) PT_BY_SIZE(pt_product, k, o, a, b)
#define ADD_PRODUCT(o, a, b) PT_BY_SIZE(pt_add_product, k, o, a, b)
#define SUBTRACT_PRODUCT(o, a, b) PT_BY_SIZE(pt_subtract_product, k, o, a, b)

/* o -= a b, or a b* if `conjugate`; complex set functions: 2^k real parts, then as many imaginary ones, left alone if
 * the result is known to be real. */
static void subtract_complex(int k, pt_lanes *o, const pt_lanes *a, const pt_lanes *b, int conjugate, int is_real) {
    const ptrdiff_t size = (ptrdiff_t)1 << k;
    SUBTRACT_PRODUCT(o, a, b);
    if (conjugate)
        SUBTRACT_PRODUCT(o, a + size, b + size);
    else
        ADD_PRODUCT(o, a + size, b + size);
    if (is_real)
        return;
    SUBTRACT_PRODUCT(o + size, a + size, b);
    if (conjugate)
        ADD_PRODUCT(o + size, a, b + size);
    else
        SUBTRACT_PRODUCT(o + size, a, b + size);
}

/* The k-th detector of n, given the silence of every set of those before: with A = <a'a>, B = <aa> of it and
 * H = (1 + [[A, B], [B*, A]])^-1 = [[p, s], [s*, p]] it is silent itself with (det H)^(1/2) exp(-q). w gets det H^-1 -
 * 1 and q the exponent, at the sets that contain k; then the others' moments given its silence too: G_ab -= G_ak H
 * G_kb, mean_a -= G_ak H mean_k. */
static void meet(int k, int n, const pt_lanes *G, const pt_lanes *mean, pt_lanes *G_next, pt_lanes *mean_next,
                 pt_lanes *w, pt_lanes *q, int has_mean) {
    const ptrdiff_t size = (ptrdiff_t)1 << k;
    const int m = n - k;
    const pt_lanes one = PT_ALL(1.0);
    const pt_lanes *A = G, *B = G + 2 * size;
    pt_lanes p[128], s[256], determinant[128], part[256];
    PRODUCT(determinant, A, A);
    SUBTRACT_PRODUCT(determinant, B, B);
    SUBTRACT_PRODUCT(determinant, B + size, B + size);
    for (ptrdiff_t S = 0; S < size; S++) {
        determinant[S] += 2.0 * A[S];
        w[size + S] = determinant[S];
        p[S] = A[S];
        s[S] = -B[S];
        s[size + S] = -B[size + S];
    }
    p[0] += 1.0;
    PT_BY_SIZE(pt_connect, k, w + size, &one);
    for (ptrdiff_t S = 0; S < size; S++)
        q[size + S] = (pt_lanes){0};
    if (m == 1 && !has_mean)
        return;
    PT_BY_SIZE(pt_divide, k, p, determinant);
    PT_BY_SIZE(pt_divide, k, s, determinant);
    PT_BY_SIZE(pt_divide, k, s + size, determinant);

    if (has_mean) { /* part = p mean + s mean*, q = Re(mean* part) */
        for (ptrdiff_t S = 0; S < 2 * size; S++)
            part[S] = (pt_lanes){0};
        ADD_PRODUCT(part, p, mean);
        ADD_PRODUCT(part + size, p, mean + size);
        ADD_PRODUCT(part, s, mean);
        ADD_PRODUCT(part, s + size, mean + size);
        ADD_PRODUCT(part + size, s + size, mean);
        SUBTRACT_PRODUCT(part + size, s, mean + size);
        PRODUCT(q + size, mean, part);
        ADD_PRODUCT(q + size, mean + size, part + size);
    }

    pt_lanes X[256]; /* G_ak H of every a: most with 5 detectors met, 2 * 4 * 32, and with 6, 4 * 64 */
    for (int a = 1; a < m; a++) {
        const pt_lanes *alpha = G + 4 * size * entry(m, 0, a), *beta = alpha + 2 * size; /* of (k, a) */
        pt_lanes *x = X + 4 * size * (a - 1), *y = x + 2 * size;
        /* alpha_ak = alpha_ka*: x = alpha_ka* p + beta s*, y = alpha_ka* s + beta p */
        PRODUCT(x, alpha, p);
        PRODUCT(x + size, alpha + size, p);
        PRODUCT(y, beta, p);
        PRODUCT(y + size, beta + size, p);
        ADD_PRODUCT(x, beta, s);
        ADD_PRODUCT(x, beta + size, s + size);
        for (ptrdiff_t S = 0; S < size; S++)
            x[size + S] = -x[size + S];
        ADD_PRODUCT(x + size, beta + size, s);
        SUBTRACT_PRODUCT(x + size, beta, s + size);
        ADD_PRODUCT(y, alpha, s);
        ADD_PRODUCT(y, alpha + size, s + size);
        ADD_PRODUCT(y + size, alpha, s + size);
        SUBTRACT_PRODUCT(y + size, alpha + size, s);
    }
    for (int a = 1; a < m; a++) {
        const pt_lanes *x = X + 4 * size * (a - 1), *y = x + 2 * size;
        pt_lanes change[4 * 64];
        for (int b = a; b < m + has_mean; b++) { /* b = m: the mean */
            const int is_mean = b == m;
            const pt_lanes *first = is_mean ? mean : G + 4 * size * entry(m, 0, b);
            const pt_lanes *second = is_mean ? mean : first + 2 * size;
            const pt_lanes *old = is_mean ? mean + 2 * size * a : G + 4 * size * entry(m, a, b);
            pt_lanes *to = is_mean ? mean_next + 4 * size * (a - 1) : G_next + 8 * size * entry(m - 1, a - 1, b - 1);
            for (ptrdiff_t S = 0; S < 4 * size; S++)
                change[S] = (pt_lanes){0};
            subtract_complex(k, change, x, first, 0, a == b);
            subtract_complex(k, change, y, second, 1, a == b);
            if (!is_mean) {
                subtract_complex(k, change + 2 * size, x, second, 0, 0);
                subtract_complex(k, change + 2 * size, y, first, 1, 0);
            }
            for (int part_of = 0; part_of < (is_mean ? 2 : 4); part_of++)
                for (ptrdiff_t S = 0; S < size; S++) {
                    to[2 * size * part_of + S] = old[size * part_of + S];
                    to[2 * size * part_of + size + S] = change[size * part_of + S];
                }
        }
    }
}

/* Rows: <a_i' a_j> (n x n, real and imaginary parts), <a_i a_j> alike, <a_i> (n), number of copies. */
QPHYS_INLINE void connect_gaussian(const struct tile *t, const int n, pt_lanes *copies, pt_lanes *w, pt_lanes *q,
                                   pt_lanes *status) {
    pt_lanes G[2][MOMENTS_MAX], mean[2][MEANS_MAX];
    const ptrdiff_t M = 2 * n * n, alpha = 2 * M;
    const double most = 1.0 + TOLERANCE;
    for (int a = 0; a < n; a++) {
        mean[0][2 * a] = load(t, alpha + 2 * a);
        mean[0][2 * a + 1] = load(t, alpha + 2 * a + 1);
        const pt_lanes N_a = load(t, 2 * (n * a + a));
        check_within(N_a, 0.0, BRIGHTEST, STATUS_IMPOSSIBLE_STATE, status);
        for (int b = a; b < n; b++) {
            const pt_lanes N_b = load(t, 2 * (n * b + b)), smallest = PT_ALL(1e-290);
            pt_lanes part[4], twin[4];
            for (int r = 0; r < 4; r++) {
                const ptrdiff_t first = r / 2 * M + r % 2;
                part[r] = load(t, first + 2 * (n * b + a)); /* <a_b' a_a>, <a_b a_a> */
                twin[r] = load(t, first + 2 * (n * a + b));
                G[0][4 * entry(n, a, b) + r] = part[r];
            }
            const pt_lanes x = part[0] - twin[0], y = part[1] + twin[1], u = part[2] - twin[2], v = part[3] - twin[3];
            const pt_lanes square_N = part[0] * part[0] + part[1] * part[1];
            const pt_lanes square_M = part[2] * part[2] + part[3] * part[3];
            check(x * x + y * y <= TOLERANCE * TOLERANCE * (N_a * N_b) + smallest, STATUS_IMPOSSIBLE_STATE, status);
            check(u * u + v * v <= TOLERANCE * TOLERANCE * square_M + smallest, STATUS_IMPOSSIBLE_STATE, status);
            check(square_N <= most * (N_a * N_b) + smallest, STATUS_IMPOSSIBLE_STATE, status);
            check(square_M <= most * (N_a * N_b + N_a) + smallest, STATUS_IMPOSSIBLE_STATE, status);
            check(square_M <= most * (N_a * N_b + N_b) + smallest, STATUS_IMPOSSIBLE_STATE, status);
        }
    }
    *copies = load_modes(t, alpha + 2 * n, BRIGHTEST, status);
    w[0] = q[0] = (pt_lanes){0};
    int has_mean = 0;
    for (int a = 0; a < 2 * n; a++)
        for (int l = 0; l < PT_WIDTH; l++)
            has_mean |= !(mean[0][a][l] == 0.0);
    for (int k = 0; k < n; k++)
        meet(k, n, G[k % 2], mean[k % 2], G[(k + 1) % 2], mean[(k + 1) % 2], w, q, has_mean);
}

QPHYS_INLINE pt_lanes cumulants_of_gaussian(const struct tile *t, const int n, pt_lanes *kappa) {
    const ptrdiff_t sets = (ptrdiff_t)1 << n;
    pt_lanes copies, w[MOST_PATTERNS], q[MOST_PATTERNS], status = {0};
    connect_gaussian(t, n, &copies, w, q, &status);
    logarithms(sets, w, PT_ALL(1.0), kappa);
    for (ptrdiff_t T = 0; T < sets; T++)
        kappa[T] = copies * (0.5 * kappa[T] - q[T]);
    return status;
}

QPHYS_INLINE pt_lanes patterns_of_gaussian(const struct tile *t, const int n, pt_lanes *P) {
    const ptrdiff_t sets = (ptrdiff_t)1 << n, rows = 4 * n * n + 2 * n + 1;
    pt_lanes kappa[MOST_PATTERNS], noise[MOST_DETECTORS], e[MOST_PATTERNS], power[MOST_PATTERNS];
    pt_lanes status = cumulants_of_gaussian(t, n, kappa);
    load_noise(t, n, rows, noise, &status);
    exponentials(sets, kappa, e, power);
    find_patterns(n, noise, e, power, P);
    check_patterns(1u << n, P, &status);
    return judge(t, rows + n, -1, status);
}

LANE_KERNEL(gaussian_patterns_4) {
    EACH_TILE(t) {
        pt_lanes P[16];
        const pt_lanes status = patterns_of_gaussian(&t, 4, P);
        store_rows(&t, 16, P, status);
    }
}

LANE_KERNEL(gaussian_patterns_8) {
    EACH_TILE(t) {
        pt_lanes P[MOST_PATTERNS];
        const pt_lanes status = patterns_of_gaussian(&t, 8, P);
        store_rows(&t, MOST_PATTERNS, P, status);
    }
}

LANE_KERNEL(gaussian_cumulants_4) {
    EACH_TILE(t) {
        pt_lanes kappa[16];
        const pt_lanes status = cumulants_of_gaussian(&t, 4, kappa);
        store_rows(&t, 16, kappa, judge(&t, 73, -1, status));
    }
}

LANE_KERNEL(gaussian_cumulants_8) {
    EACH_TILE(t) {
        pt_lanes kappa[MOST_PATTERNS];
        const pt_lanes status = cumulants_of_gaussian(&t, 8, kappa);
        store_rows(&t, MOST_PATTERNS, kappa, judge(&t, 273, -1, status));
    }
}
