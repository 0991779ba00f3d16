/* Draws of transmittance from its laws: one kernel a law, the physical variables drawn and carried through its
 * formulas.
 *
 * Draw n of step t is a function of (seed, stream, index, t, n) and of nothing else: it owns the 256 blocks of Philox
 * from 256 n + 1 on. Blocks of 128 draws run through each formula together; the few that a rejection sends back are
 * finished one by one from their own further blocks. */
#include "kernels.h"
#include "philox.h"
#include "status.h"
#include "vmath.h"

#define LANES QPHYS_LANES
#define BLOCKS_A_DRAW 256
#define TERMS 22
#define TABLE_MIN 2

/* ---- random numbers ---------------------------------------------------------------------------------------------- */

/* Uniforms, 1/2 to 2^52 - 1/2 over 2^52, of one block of each draw; `number` has the draws' numbers. */
struct address {
    uint64_t seed, stream, index, step;
};

static void block_of(const struct address *address, uint64_t number, uint64_t block, double *restrict u) {
    const uint64_t key[2] = {address->seed, address->stream};
    const uint64_t counter[PHILOX_WORDS] = {number * BLOCKS_A_DRAW + block + 1, address->index, address->step,
                                            PHILOX_LAWS};
    uint64_t word[PHILOX_WORDS];
    philox_block(counter, key, word);
    for (int i = 0; i < PHILOX_WORDS; i++)
        u[i] = ((double)(word[i] >> 12) + 0.5) * 0x1p-52;
}

struct uniforms {
    double u[PHILOX_WORDS][LANES];
};

static void first_blocks(const struct address *address, const uint64_t *number, ptrdiff_t lanes, uint64_t block,
                         struct uniforms *to) {
    for (ptrdiff_t i = 0; i < lanes; i++) {
        double u[PHILOX_WORDS];
        block_of(address, number[i], block, u);
        for (int w = 0; w < PHILOX_WORDS; w++)
            to->u[w][i] = u[w];
    }
}

/* sin and cos of a turn times u, 0 < u < 1; Taylor to the 17th power on an eighth of a turn, 2 ulp. */
QPHYS_INLINE void turn(double u, double *sine, double *cosine) {
    const double quarter = vm_round(4.0 * u);
    const double x = (u - 0.25 * quarter) * (2.0 * VM_PI);
    const double y = x * x;
    const double s =
        x * (1.0 + y * (-1.0 / 6.0 +
                        y * (1.0 / 120.0 +
                             y * (-1.0 / 5040.0 + y * (1.0 / 362880.0 +
                                                       y * (-1.0 / 39916800.0 + y * (1.0 / 6227020800.0 -
                                                                                     y * (1.0 / 1307674368000.0))))))));
    const double c =
        1.0 +
        y * (-0.5 + y * (1.0 / 24.0 +
                         y * (-1.0 / 720.0 + y * (1.0 / 40320.0 +
                                                  y * (-1.0 / 3628800.0 + y * (1.0 / 479001600.0 +
                                                                               y * (-1.0 / 87178291200.0 +
                                                                                    y * (1.0 / 20922789888000.0))))))));
    const int odd = (quarter == 1.0) | (quarter == 3.0);
    const int back = (quarter == 2.0) | (quarter == 3.0);
    const int behind = (quarter == 1.0) | (quarter == 2.0);
    const double first = odd ? c : s, second = odd ? s : c;
    *sine = back ? -first : first;
    *cosine = behind ? -second : second;
}

/* Two independent standard normals from two uniforms: Box and Muller, Ann. Math. Stat. 29, 610 (1958). */
QPHYS_INLINE void normals(double u, double v, double *first, double *second) {
    const double radius = sqrt(-2.0 * vm_log_normal(u));
    double s, c;
    turn(v, &s, &c);
    *first = radius * c;
    *second = radius * s;
}

/* A standard normal that does not exceed the limit, from block 1 of the draw on. Below 0 by an exponential hat: Robert,
 * Statistics and Computing 5, 121 (1995). */
static double normal_below(const struct address *address, uint64_t number, double limit) {
    double u[PHILOX_WORDS];
    const double cut = -limit;
    const double rate = 0.5 * (cut + sqrt(cut * cut + 4.0));
    for (uint64_t block = 1; block < BLOCKS_A_DRAW; block++) {
        block_of(address, number, block, u);
        for (int w = 0; w < PHILOX_WORDS; w += 2) {
            if (limit >= 0.0) {
                double first, second;
                normals(u[w], u[w + 1], &first, &second);
                if (first <= limit)
                    return first;
                if (second <= limit)
                    return second;
            } else {
                const double x = cut - vm_log(u[w]) / rate;
                if (vm_log(u[w + 1]) <= -0.5 * (x - rate) * (x - rate))
                    return -x;
            }
        }
    }
    return limit; /* after 510 failures of a chance below 1/2 each */
}

/* Logarithm of a gamma variate: Marsaglia and Tsang, ACM Trans. Math. Softw. 26, 363 (2000), for a shape of 1 or more.
 * Returns NaN where the pair of a normal and a uniform is rejected. */
QPHYS_INLINE double log_gamma_variate(double shape, double normal, double u) {
    const double d = shape - 1.0 / 3.0;
    const double c = 1.0 / sqrt(9.0 * d);
    const double root = 1.0 + c * normal;
    const double v = root * root * root;
    const double log_v = vm_log_normal(vm_max(v, 1e-300));
    const int accepted = (root > 0.0) & (vm_log_normal(u) < 0.5 * normal * normal + d - d * v + d * log_v);
    return accepted ? vm_log_normal(d) + log_v : (double)NAN;
}

static double log_gamma_again(const struct address *address, uint64_t number, double shape, uint64_t first_block) {
    double u[PHILOX_WORDS], normal, other;
    for (uint64_t block = first_block; block < first_block + 127; block++) {
        block_of(address, number, block, u);
        normals(u[0], u[1], &normal, &other);
        const double value = log_gamma_variate(shape, normal, u[2]);
        if (value == value)
            return value;
    }
    return vm_log(shape); /* after 127 failures of a chance below 0.06 each */
}

/* ---- what an aperture catches ------------------------------------------------------------------------------------ */

/* Chebyshev coefficients of Lambda, ell and Q (below) in three ranges of q: up to 8 of Lambda / q, ell, Q / q in q; up
 * to 64 and beyond of Lambda, ell / sqrt q, Q in 1 / sqrt q. Computed with 60 digits; the terms left out sum to 1e-10.
 */
static const double lambda_coefficient[3][TERMS] = {
    {0.2472290709279395,      -0.18729948010880487,   0.05371363436821071,     -0.01128761945784273,
     0.001165158816028331,    0.000348464452414674,   -0.0002529719557048255,  8.368000989901916e-05,
     -1.4547115435243609e-05, -1.487034659916263e-06, 2.1786862583292213e-06,  -8.792661541212378e-07,
     1.9056451646523761e-07,  1.984765080762418e-09,  -2.1326306765336242e-08, 1.0063366870335194e-08,
     -2.551133359062243e-09,  1.3809565565760853e-10, 2.1314532243600244e-10,  -1.1923023649659014e-10,
     3.464625915479581e-11,   -3.686961080758712e-12},
    {0.790965666017923,       0.04441378240363752,    -0.003619294619785255,   -0.0019041328355264685,
     -0.00044239025340362184, 2.732332076349887e-05,  4.392651560243597e-05,   2.5051268935810193e-06,
     -4.478454037916886e-06,  -3.331808377298893e-07, 5.240344303458709e-07,   3.1228416850566026e-09,
     -6.276545214515522e-08,  8.015808616521749e-09,  6.300192804661295e-09,   -2.155655933696076e-09,
     -3.115699035020157e-10,  3.357208875680264e-10,  -4.7175863577651055e-11, -2.8257285365963316e-11,
     1.4020114033241361e-11,  -8.20789650929604e-13},
    {0.7185927561940946,      0.025623931452118442,   0.000183129645513091,    4.846569687412937e-06,
     7.552630751677332e-08,   2.8471884127301743e-09, 6.604464291316161e-11,   3.114915118218274e-12,
     9.960972286157032e-14,   4.9268592298800094e-15, -1.5536418624316939e-16, -2.630943132886976e-16,
     -1.9126798883635016e-16, -1.281668851139315e-16, -8.228658213018041e-17,  -5.063113888666992e-17,
     -2.977153755750799e-17,  -1.666253206061119e-17, -8.829089940279552e-18,  -4.396594119158418e-18,
     -2.0354120447645425e-18, -8.612078693688209e-19},
};
static const double ell_coefficient[3][TERMS] = {
    {2.411260739844475,      0.5348135930060423,      0.099949130074478,       -0.027209719188777882,
     0.00037229912763698186, 0.002527108911593443,    -0.0012247866512132247,  0.0002952259196336192,
     6.275592710607846e-06,  -4.0105289810023246e-05, 1.9046906326561822e-05,  -4.456611201885378e-06,
     -1.25355800555589e-07,  5.997086623741557e-07,   -2.8019589186117226e-07, 6.64893035267723e-08,
     5.445878386254842e-10,  -8.184383315392717e-09,  4.000097784501722e-09,   -1.01808503590992e-09,
     3.2073351281332845e-11, 1.0520921007530602e-10},
    {1.0905545582529066,      -0.02908865115495634,    0.003767914415718615,   0.0023524565846726473,
     0.0005123146473522227,   -4.855511748070235e-05,  -5.363981443829742e-05, -3.0682661393072356e-07,
     6.0327718648607384e-06,  7.899198838558391e-08,   -7.395933976452493e-07, 3.868421008043374e-08,
     8.844930010996521e-08,   -1.5923869123703738e-08, -8.541912378746079e-09, 3.4693170342284153e-09,
     3.4698637370854777e-10,  -4.966291330972583e-10,  7.979390204897837e-11,  3.812945209861471e-11,
     -2.0488261634209628e-11, 1.7173516818552182e-12},
    {1.136854222879628,       -0.014765252487919859,  -0.0005161816703599146, -1.0586629910433497e-06,
     -2.5504754465899633e-07, -2.007455687152647e-09, -2.522547575828307e-10, -4.7234258493648976e-12,
     -4.0792315232467423e-13, -1.245407256077074e-14, -4.061474541511524e-16, 3.709467578119516e-16,
     2.852014243041629e-16,   1.9230818487916595e-16, 1.2342654376488514e-16, 7.587309305624535e-17,
     4.456108388221312e-17,   2.490433903458332e-17,  1.3173228150312876e-17, 6.545482439297658e-18,
     3.0215838736425793e-18,  1.2733889462469036e-18},
};
static const double complement_coefficient[3][TERMS] = {
    {0.3407954456225507,     -0.3507897098474704,     0.1723298646214386,     -0.07968047015651121,
     0.034481624215607645,   -0.01393542039453943,    0.00525792397642095,    -0.0018536577555999675,
     0.0006115465323042737,  -0.00018917311747924793, 5.4987489923513265e-05, -1.5053304915699431e-05,
     3.890094958296118e-06,  -9.511090362572522e-07,  2.204922934477624e-07,  -4.856932019832446e-08,
     1.0186039645917094e-08, -2.037734206219322e-09,  3.8955381645278956e-10, -7.128528902745071e-11,
     1.2506541683874973e-11, -2.1068395171654255e-12},
    {0.903569676424818,       -0.04670592114789583,    -0.00026734774391179455, -2.6810787346569787e-05,
     -1.2311231139264017e-06, -1.2989893409150565e-07, -1.4752820536522819e-08, -2.3348231208465307e-09,
     -4.2067124632245637e-10, -7.159343008414875e-11,  -5.697692505385541e-12,  2.8855418723080054e-12,
     1.7719372176474557e-12,  4.951445984226333e-13,   3.481089115348309e-14,   -3.3203651188755165e-14,
     -1.4513569945103773e-14, -1.2802432087429812e-15, 1.0850574246285646e-15,  4.18922382927892e-16,
     -1.1176349234321438e-17, -4.695718688262602e-17},
    {0.9750354569467359,      -0.024979904177058886,   -1.846625057628701e-05,  -3.1206770878420884e-06,
     -1.7361256113542465e-08, -1.8348982439471735e-09, -2.6027589899733723e-11, -2.129790821720661e-12,
     -5.442075190521597e-14,  -3.91441000083989e-15,   -1.4880431840741865e-16, -1.0249550786432212e-17,
     -5.122467906987012e-19,  -3.5726418751542324e-20, -2.1634378810054465e-21, -1.5785834112488925e-22,
     -1.0992813688276001e-23, -8.529352992217833e-25,  -6.613222650590685e-26,  -5.489341924461605e-27,
     -4.6465633416350936e-28, -4.1277596653082286e-29},
};

/* Shape of the Weibull approximation to the share that a circle catches of a Gaussian (q = 4 a^2 / W^2):
 *   Q = 1 - exp(-q) I0(q), Lambda = log(2 (1 - exp(-q/2)) / Q), ell = 2 q exp(-q) I1(q) / (Q Lambda). */
struct shape {
    double lambda_over_q, ell, complement;
};

QPHYS_INLINE struct shape shape_of(double q) {
    const double s = 1.0 / sqrt(q);
    const int low = q <= 8.0, high = q > 64.0;
    const double in_s =
        high ? 16.0 * s - 1.0 : (s - 0.5 * (0.125 + 0.35355339059327379)) / (0.5 * (0.35355339059327379 - 0.125));
    const double y = low ? 0.25 * q - 1.0 : in_s;
    double l1 = 0.0, l2 = 0.0, e1 = 0.0, e2 = 0.0, c1 = 0.0, c2 = 0.0; /* Clenshaw */
#pragma GCC unroll 22
    for (int k = TERMS - 1; k > 0; k--) {
        const double l = low ? lambda_coefficient[0][k] : (high ? lambda_coefficient[2][k] : lambda_coefficient[1][k]);
        const double e = low ? ell_coefficient[0][k] : (high ? ell_coefficient[2][k] : ell_coefficient[1][k]);
        const double c =
            low ? complement_coefficient[0][k] : (high ? complement_coefficient[2][k] : complement_coefficient[1][k]);
        const double l0 = l + 2.0 * y * l1 - l2, e0 = e + 2.0 * y * e1 - e2, c0 = c + 2.0 * y * c1 - c2;
        l2 = l1;
        l1 = l0;
        e2 = e1;
        e1 = e0;
        c2 = c1;
        c1 = c0;
    }
    const double l = low ? lambda_coefficient[0][0] : (high ? lambda_coefficient[2][0] : lambda_coefficient[1][0]);
    const double e = low ? ell_coefficient[0][0] : (high ? ell_coefficient[2][0] : ell_coefficient[1][0]);
    const double c =
        low ? complement_coefficient[0][0] : (high ? complement_coefficient[2][0] : complement_coefficient[1][0]);
    const double lambda = l + y * l1 - l2, ell = e + y * e1 - e2, complement = c + y * c1 - c2;
    return (struct shape){low ? lambda : lambda * s * s, low ? ell : ell / s, low ? complement * q : complement};
}

/* (r / R)^ell at an offset of r aperture radii; 0 at r = 0. */
QPHYS_INLINE double depth_at(struct shape shape, double q, double r) {
    return shape.lambda_over_q * q * vm_exp(vm_min(shape.ell * vm_log_normal(vm_max(r, 1e-300)), 700.0));
}

/* Solution w of w + log w = y: Fritsch, Shafer and Crowley, Comm. ACM 16, 123 (1973), of fourth order. */
QPHYS_INLINE double omega(double y) {
    const double e = vm_exp_normal(vm_max(vm_min(y, 1.0), -700.0));
    double w = y > 1.0 ? y - vm_log_normal(vm_max(y, 1.0)) : e / (1.0 + e);
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
        const double z = y - w - vm_log_normal(w);
        const double q = 2.0 * (1.0 + w) * (1.0 + w + z * (2.0 / 3.0));
        w = w * (1.0 + z / (1.0 + w) * (q - z) / (q - 2.0 * z));
    }
    return w;
}

/* ---- the kernels ------------------------------------------------------------------------------------------------- */

#define PARAMETER(i) (*QPHYS_AT1(const double, array[i], t))

static int status_of(int finite, int possible) {
    return finite ? (possible ? STATUS_GOOD : STATUS_BAD_PROBABILITIES) : STATUS_NOT_FINITE;
}

static int finite(double x) { return x - x == 0.0; }

struct row {
    struct address address;
    struct qphys_array draw, value;
    ptrdiff_t step, count;
};

/* The operands behind the parameters: seed, stream, index, draw numbers; values; status. */
static struct row row_of(const struct qphys_array *tail, ptrdiff_t t, ptrdiff_t count) {
    const struct row row = {
        {*QPHYS_AT0(const uint64_t, tail[0]), *QPHYS_AT0(const uint64_t, tail[1]), *QPHYS_AT0(const uint64_t, tail[2]),
         (uint64_t)t},
        tail[3],
        tail[4],
        t,
        count,
    };
    return row;
}

static void numbers(const struct row *row, ptrdiff_t first, ptrdiff_t lanes, uint64_t *number) {
    for (ptrdiff_t i = 0; i < lanes; i++)
        number[i] = *QPHYS_AT1(const uint64_t, row->draw, first + i);
}

static void store(const struct row *row, ptrdiff_t first, ptrdiff_t lanes, const double *value) {
    for (ptrdiff_t i = 0; i < lanes; i++)
        *QPHYS_AT2(double, row->value, row->step, first + i) = value[i];
}

static void refuse(const struct row *row) {
    for (ptrdiff_t i = 0; i < row->count; i++)
        *QPHYS_AT2(double, row->value, row->step, i) = (double)NAN;
}

/* Every kernel: for each step its parameters and their status; for each 128 draws their uniforms `r`, a body, a store.
 */
#define STEPS(parameters)                                                                                              \
    for (ptrdiff_t t = 0; t < size[0]; t++) {                                                                          \
        const struct qphys_array *const tail = array + (parameters);                                                   \
        const struct row row = row_of(tail, t, size[1]);
#define DRAWS(status)                                                                                                  \
    *QPHYS_AT1(int8_t, tail[5], t) = (int8_t)(status);                                                                 \
    if ((status) != STATUS_GOOD) {                                                                                     \
        refuse(&row);                                                                                                  \
        continue;                                                                                                      \
    }                                                                                                                  \
    for (ptrdiff_t first = 0; first < row.count; first += LANES) {                                                     \
        const ptrdiff_t lanes = row.count - first < LANES ? row.count - first : LANES;                                 \
        uint64_t number[LANES];                                                                                        \
        struct uniforms r;                                                                                             \
        double value[LANES];                                                                                           \
        numbers(&row, first, lanes, number);                                                                           \
        first_blocks(&row.address, number, lanes, 0, &r);
#define END                                                                                                            \
    store(&row, first, lanes, value);                                                                                  \
    }                                                                                                                  \
    }

/* Parameters: median of the logarithm, deviation, limit in deviations. */
ROW_KERNEL(draw_log_normal) {
    STEPS(3)
    const double mu = PARAMETER(0), sigma = PARAMETER(1), limit = PARAMETER(2);
    const int status = status_of(finite(mu) && finite(sigma) && limit == limit, sigma >= 0.0);
    DRAWS(status)
    double z[LANES];
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        double one, two;
        normals(r.u[0][i], r.u[1][i], &one, &two);
        z[i] = one <= limit ? one : two;
    }
    for (ptrdiff_t i = 0; i < lanes; i++)
        if (!(z[i] <= limit))
            z[i] = normal_below(&row.address, number[i], limit);
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++)
        value[i] = vm_exp(mu + sigma * z[i]);
    END
}

/* Logarithms of two gamma variates for 128 draws. A shape below 1 is raised by 1 and a uniform's power multiplied on.
 */
static void log_gammas(const struct address *address, const uint64_t *number, ptrdiff_t lanes, const struct uniforms *r,
                       double shape_1, double shape_2, double *restrict one, double *restrict two) {
    const double raised_1 = shape_1 < 1.0 ? shape_1 + 1.0 : shape_1, raised_2 = shape_2 < 1.0 ? shape_2 + 1.0 : shape_2;
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        double x, y;
        normals(r->u[0][i], r->u[1][i], &x, &y);
        one[i] = log_gamma_variate(raised_1, x, r->u[2][i]);
        two[i] = log_gamma_variate(raised_2, y, r->u[3][i]);
    }
    for (ptrdiff_t i = 0; i < lanes; i++) {
        if (one[i] != one[i])
            one[i] = log_gamma_again(address, number[i], raised_1, 2);
        if (two[i] != two[i])
            two[i] = log_gamma_again(address, number[i], raised_2, 129);
    }
    if (raised_1 != shape_1 || raised_2 != shape_2) {
        struct uniforms more;
        first_blocks(address, number, lanes, 1, &more);
        const double power_1 = raised_1 != shape_1 ? 1.0 / shape_1 : 0.0;
        const double power_2 = raised_2 != shape_2 ? 1.0 / shape_2 : 0.0;
#pragma omp simd
        for (ptrdiff_t i = 0; i < lanes; i++) {
            one[i] += power_1 * vm_log_normal(more.u[0][i]);
            two[i] += power_2 * vm_log_normal(more.u[1][i]);
        }
    }
}

/* Parameters: alpha, beta. */
ROW_KERNEL(draw_beta) {
    STEPS(2)
    const double alpha = PARAMETER(0), beta = PARAMETER(1);
    const int status = status_of(finite(alpha) && finite(beta), alpha > 0.0 && beta > 0.0);
    DRAWS(status)
    double one[LANES], two[LANES];
    log_gammas(&row.address, number, lanes, &r, alpha, beta, one, two);
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++)
        value[i] = 1.0 / (1.0 + vm_exp(two[i] - one[i]));
    END
}

/* Parameters: mean, alpha, beta. */
ROW_KERNEL(draw_gamma_gamma) {
    STEPS(3)
    const double mean = PARAMETER(0), alpha = PARAMETER(1), beta = PARAMETER(2);
    const int status =
        status_of(finite(mean) && finite(alpha) && finite(beta), mean > 0.0 && alpha > 0.0 && beta > 0.0);
    DRAWS(status)
    double one[LANES], two[LANES];
    const double scale = vm_log(mean) - vm_log(alpha) - vm_log(beta);
    log_gammas(&row.address, number, lanes, &r, alpha, beta, one, two);
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++)
        value[i] = vm_exp(scale + one[i] + two[i]);
    END
}

/* Parameters: half-angle, jitters, biases. */
ROW_KERNEL(draw_pointing) {
    STEPS(5)
    const double w = PARAMETER(0), sx = PARAMETER(1), sy = PARAMETER(2), bx = PARAMETER(3), by = PARAMETER(4);
    const int status =
        status_of(finite(w) && finite(sx) && finite(sy) && finite(bx) && finite(by), w > 0.0 && sx >= 0.0 && sy >= 0.0);
    DRAWS(status)
    const double steepness = -2.0 / (w * w);
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        double x, y;
        normals(r.u[0][i], r.u[1][i], &x, &y);
        x = bx + sx * x;
        y = by + sy * y;
        value[i] = vm_exp(steepness * (x * x + y * y));
    }
    END
}

/* Parameters: wander, offset, first and last offset of the table; then the table of log eta and its slope. */
ROW_KERNEL(draw_beam_wander_marcum) {
    const ptrdiff_t entries = size[1];
    const ptrdiff_t sizes[2] = {size[0], size[2]};
    const struct qphys_array level = array[4], slope = array[5];
    size = sizes;
    STEPS(6)
    const double wander = PARAMETER(0), offset = PARAMETER(1), low = PARAMETER(2), high = PARAMETER(3);
    const int status = status_of(finite(wander) && finite(offset) && finite(low) && finite(high),
                                 wander >= 0.0 && high > low && entries >= TABLE_MIN);
    DRAWS(status)
    const double steps = (double)(entries - 1), width = (high - low) / steps;
    double place[LANES];
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        double x, y;
        normals(r.u[0][i], r.u[1][i], &x, &y);
        x = offset + wander * x;
        y = wander * y;
        place[i] = vm_min(vm_max((sqrt(x * x + y * y) - low) / width, 0.0), steps);
    }
    for (ptrdiff_t i = 0; i < lanes; i++) {
        const ptrdiff_t k = place[i] < steps ? (ptrdiff_t)place[i] : entries - 2;
        const double x = place[i] - (double)k, y = 1.0 - x;
        const double f0 = *QPHYS_AT2(const double, level, t, k), f1 = *QPHYS_AT2(const double, level, t, k + 1);
        const double g0 = *QPHYS_AT2(const double, slope, t, k), g1 = *QPHYS_AT2(const double, slope, t, k + 1);
        value[i] = f0 * y * y * (1.0 + 2.0 * x) + f1 * x * x * (1.0 + 2.0 * y) + width * x * y * (y * g0 - x * g1);
    }
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++)
        value[i] = vm_exp(vm_min(value[i], 0.0));
    END
}

/* Parameters: log eta_0, scale R, exponent, wander, offset. */
ROW_KERNEL(draw_beam_wander_weibull) {
    STEPS(5)
    const double top = PARAMETER(0), scale = PARAMETER(1), ell = PARAMETER(2), wander = PARAMETER(3);
    const double offset = PARAMETER(4);
    const int status = status_of(finite(top) && finite(scale) && finite(ell) && finite(wander) && finite(offset),
                                 top <= 0.0 && scale > 0.0 && ell > 0.0 && wander >= 0.0);
    DRAWS(status)
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        double x, y;
        normals(r.u[0][i], r.u[1][i], &x, &y);
        x = (offset + wander * x) / scale;
        y = wander * y / scale;
        const double square = vm_max(x * x + y * y, 1e-300);
        value[i] = vm_exp(top - vm_exp(vm_min(0.5 * ell * vm_log_normal(square), 700.0)));
    }
    END
}

/* Parameters: log median, deviation, scale R, exponent, wander. */
ROW_KERNEL(draw_total_probability) {
    STEPS(5)
    const double median = PARAMETER(0), sigma = PARAMETER(1), scale = PARAMETER(2), ell = PARAMETER(3);
    const double wander = PARAMETER(4);
    const int status = status_of(finite(median) && finite(sigma) && finite(scale) && finite(ell) && finite(wander),
                                 sigma > 0.0 && scale > 0.0 && ell > 0.0 && wander >= 0.0);
    DRAWS(status)
    double z[LANES], limit[LANES];
    const double ratio = wander / scale;
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        double one, two;
        normals(r.u[0][i], r.u[1][i], &one, &two);
        const double square = vm_max(-2.0 * ratio * ratio * vm_log_normal(r.u[2][i]), 1e-300);
        value[i] = median - vm_exp(vm_min(0.5 * ell * vm_log_normal(square), 700.0));
        limit[i] = -value[i] / sigma;
        z[i] = one <= limit[i] ? one : two;
    }
    for (ptrdiff_t i = 0; i < lanes; i++)
        if (!(z[i] <= limit[i]))
            z[i] = normal_below(&row.address, number[i], limit[i]);
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++)
        value[i] = vm_min(vm_exp(value[i] + sigma * z[i]), 1.0);
    END
}

/* Parameters: mean and deviation of log W^2, aperture radius, wander. */
ROW_KERNEL(draw_circular_beam) {
    STEPS(4)
    const double theta = PARAMETER(0), sigma = PARAMETER(1), a = PARAMETER(2), wander = PARAMETER(3);
    const int status = status_of(finite(theta) && finite(sigma) && finite(a) && finite(wander),
                                 sigma >= 0.0 && a > 0.0 && wander >= 0.0);
    DRAWS(status)
    const double level = vm_log(4.0 * a * a) - theta, ratio = wander / a;
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        double z, unused;
        normals(r.u[0][i], r.u[1][i], &z, &unused);
        const double q = vm_exp_normal(vm_min(vm_max(level - sigma * z, -600.0), 600.0));
        const double offset = ratio * sqrt(-2.0 * vm_log_normal(r.u[2][i]));
        const double depth = depth_at(shape_of(q), q, offset);
        value[i] = -vm_expm1(-0.5 * q) * vm_exp(-depth);
    }
    END
}

/* Parameters: mean of Theta, deviations of half its sum and half its difference, (a / W0)^2, wander over a. Elliptic
 * spot: Vasylyev, Semenov and Vogel, Phys. Rev. Lett. 117, 090501 (2016); the limits as in laws/elliptic_beam.py. */
ROW_KERNEL(draw_elliptic_beam) {
    STEPS(5)
    const double theta = PARAMETER(0), sum = PARAMETER(1), difference = PARAMETER(2), ratio = PARAMETER(3);
    const double wander = PARAMETER(4);
    const int status = status_of(finite(theta) && finite(sum) && finite(difference) && finite(ratio) && finite(wander),
                                 sum >= 0.0 && difference >= 0.0 && ratio > 0.0 && wander >= 0.0);
    DRAWS(status)
    double p[LANES], s[LANES], delta[LANES], power[LANES], share[LANES]; /* in parts: fewer registers, vector code */
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        double x, y;
        normals(r.u[0][i], r.u[1][i], &x, &y);
        const double common = theta + sum * x, apart = difference * y;
        p[i] = ratio * vm_exp_normal(vm_min(vm_max(-(common + apart), -300.0), 300.0)); /* (a / W1)^2 */
        s[i] = ratio * vm_exp_normal(vm_min(vm_max(-(common - apart), -300.0), 300.0));
    }
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        const double v1 = sqrt(p[i]), v2 = sqrt(s[i]); /* a / W */
        const double gap = fabs(v1 - v2);
        delta[i] = vm_max(gap * gap, 1e-140);
        const struct shape shape = shape_of(delta[i]);
        const double log_ratio = vm_log_normal((v1 + v2) / vm_max(gap, 1e-70 * (v1 + v2)));
        /* ratio^ell Lambda = ratio^(ell - 2) (ratio^2 delta) (Lambda / delta) */
        power[i] = vm_exp(vm_min((shape.ell - 2.0) * log_ratio, 700.0)) * ((v1 + v2) * (v1 + v2)) * shape.lambda_over_q;
    }
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        const double least = 2.0 * vm_min(p[i], s[i]);
        const struct shape shape = shape_of(vm_max(fabs(p[i] - s[i]), 1e-140)); /* 1 - exp(-gap) I0(gap) */
        share[i] = -vm_expm1(-least) + vm_exp(-least) * shape.complement +
                   2.0 * vm_expm1(-0.5 * delta[i]) * vm_exp(-vm_min(power[i], 745.0));
        share[i] = vm_min(vm_max(share[i], 1e-300), 1.0);
    }
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        double unused, cosine;
        turn(r.u[3][i], &unused, &cosine);
        const double y = 1.3862943611198906 + 0.5 * vm_log_normal(p[i]) + 0.5 * vm_log_normal(s[i]) +
                         2.0 * (p[i] + s[i]) + (p[i] - s[i]) * cosine;
        const double q = omega(y);
        const double offset = wander * sqrt(-2.0 * vm_log_normal(r.u[2][i]));
        value[i] = share[i] * vm_exp(-depth_at(shape_of(q), q, offset));
    }
    END
}

/* The functions of the Weibull approximation as a kernel of their own, so that tests can hold them against mpmath. */
LANE_KERNEL(weibull_shape) {
    (void)constant;
    for (ptrdiff_t i = 0; i < lanes; i++) {
        const double q = in[0][i];
        const int good = q > 1e-150 && q < 1e150;
        const struct shape shape = shape_of(good ? q : 1.0);
        out[0][i] = good ? shape.lambda_over_q * q : (double)NAN;
        out[1][i] = good ? shape.ell : (double)NAN;
        out[2][i] = good ? shape.complement : (double)NAN;
    }
}
