/* Random variates and the sampling of click statistics.
 *
 * Every draw is a function of (seed, stream, realisation, step, purpose) and of nothing else: no chunk, order, worker
 * or instruction set changes a bit. Ratios of probabilities are written in exact integer differences: they keep 1e-7 at
 * counts of 1e15, where differences of log-factorials have lost all their digits. */
#include "kernels.h"
#include "philox.h"
#include "status.h"
#include "vmath.h"

/* Integers up to here are exact as doubles: larger means and numbers of trials are refused. */
#define COUNT_MAX 9007199254740992.0

/* What sample_counts holds: outcomes of a trial (16 a side for two parties), settings, and their product. */
#define OUTCOMES_MAX 256
#define SETTINGS_MAX 256
#define CELLS_MAX 4096

/* Up to so many clicks each is dealt to an outcome on its own: cheaper than a binomial for every outcome. */
#define FEW_CLICKS 12

/* Up to this mean a walk up the distribution from 0 is cheaper than rejection, whose hats need a mean of 10. */
#define WALK_MEAN_MAX 10.0

/* A walk that gets here has met the rounding of its own sum (the true mass beyond is under 1e-70): it starts again. */
#define WALK_END 110

/* Rounding that a sum of probabilities may show. */
#define SUM_TOLERANCE 1e-9

#define HALF_LOG_TWO_PI 0.91893853320467274178

/* ---- masses ------------------------------------------------------------------------------------------------------ */

/* log k! - [(k + 1/2) log(k + 1) - (k + 1) + log(2 pi)/2]; the series' next term is 1/1188/17^9 = 7e-15. */
static inline double stirling_tail(double k) {
    static const double tabulated[16] = {
        0.081061466795327258, 0.041340695955409294, 0.027677925684998339, 0.020790672103765093,
        0.016644691189821192, 0.013876128823070748, 0.011896709945891770, 0.010411265261972096,
        0.009255462182712733, 0.008330563433362871, 0.007573675487951841, 0.006942840107209530,
        0.006408994188004207, 0.005951370112758848, 0.005554733551962801, 0.005207655919609640,
    };
    if (k < 16.0)
        return tabulated[(int)k];
    const double x = 1.0 / (k + 1.0);
    const double y = x * x;
    return x * (1.0 / 12.0 - y * (1.0 / 360.0 - y * (1.0 / 1260.0 - y / 1680.0)));
}

/* log P(k) - log P(m) of Binomial(n, p). With k = m + d the large logarithms cancel on paper:
 *   log m! - log k! = -d log(m + 1) - (k + 1/2) log(1 + d/(m + 1)) + d + tail(m) - tail(k), and so for n - m and n - k.
 */
static inline double log_ratio_binomial(double n, double p, double k, double m) {
    const double d = k - m;
    return d * vm_log(p * (n - m + 1.0) / ((1.0 - p) * (m + 1.0))) - (k + 0.5) * vm_log1p(d / (m + 1.0)) -
           (n - k + 0.5) * vm_log1p(-d / (n - m + 1.0)) + stirling_tail(m) + stirling_tail(n - m) - stirling_tail(k) -
           stirling_tail(n - k);
}

/* log(mean^k exp(-mean)/k!), by the same road with d = k + 1 - mean. */
static inline double log_mass_poisson(double mean, double k) {
    const double d = k + 1.0 - mean;
    return d - k * vm_log1p(d / mean) - 0.5 * vm_log(k + 1.0) - HALF_LOG_TWO_PI - stirling_tail(k);
}

/* ---- variates ---------------------------------------------------------------------------------------------------- */

/* Hoermann 1993, Insurance: Mathematics and Economics 12, 39, algorithm PTRS; mean >= 10. */
static int64_t poisson_by_rejection(struct philox *source, double mean) {
    const double b = 0.931 + 2.53 * sqrt(mean);
    const double a = -0.059 + 0.02483 * b;
    const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
    const double v_accepted = 0.9277 - 3.6224 / (b - 2.0);
    for (;;) {
        const double u = philox_uniform_open(source) - 0.5;
        const double v = philox_uniform_open(source);
        const double u_s = 0.5 - fabs(u);
        const double x = (2.0 * a / u_s + b) * u + mean + 0.43;
        if (!(x >= 0.0 && x < 2.0 * COUNT_MAX))
            continue;
        const int64_t k = (int64_t)x;
        if (u_s >= 0.07 && v <= v_accepted)
            return k;
        if (u_s < 0.013 && v > u_s)
            continue;
        if (vm_log(v * inverse_alpha / (a / (u_s * u_s) + b)) <= log_mass_poisson(mean, (double)k))
            return k;
    }
}

static int64_t poisson(struct philox *source, double mean) {
    if (mean >= WALK_MEAN_MAX)
        return poisson_by_rejection(source, mean);
    const double mass_at_zero = vm_exp(-mean);
    for (;;) {
        double u = philox_uniform(source);
        double mass = mass_at_zero;
        for (int64_t k = 0; k < WALK_END; k++) {
            if (u < mass)
                return k;
            u -= mass;
            mass *= mean / (double)(k + 1);
        }
    }
}

/* Hoermann 1993, Journal of Statistical Computation and Simulation 46, 101, algorithm BTRS; p <= 1/2, n p >= 10. */
static int64_t binomial_by_rejection(struct philox *source, double n, double p) {
    const double root_npq = sqrt(n * p * (1.0 - p));
    const double b = 1.15 + 2.53 * root_npq;
    const double a = -0.0873 + 0.0248 * b + 0.01 * p;
    const double c = n * p + 0.5;
    const double v_accepted = 0.92 - 4.2 / b;
    for (;;) {
        const double u = philox_uniform_open(source) - 0.5;
        const double v = philox_uniform_open(source);
        const double u_s = 0.5 - fabs(u);
        const double x = (2.0 * a / u_s + b) * u + c;
        if (!(x >= 0.0 && x < n + 1.0))
            continue;
        const int64_t k = (int64_t)x;
        if (u_s >= 0.07 && v <= v_accepted)
            return k;
        const double mode = (double)(int64_t)((n + 1.0) * p);
        const double d = fabs((double)k - mode);
        const double npq = root_npq * root_npq;
        const double log_v = vm_log(v * (2.83 + 5.1 / b) * root_npq / (a / (u_s * u_s) + b));
        if (d < 0.5 * npq - 1.0) { /* the bounds of BTPE's step 5.2 on the ratio decide nearly always */
            const double inverse = 1.0 / npq;
            const double normal = -0.5 * d * d * inverse;
            const double squeeze = d * inverse * ((d * (d / 3.0 + 0.625) + 1.0 / 6.0) * inverse + 0.5);
            if (log_v < normal - squeeze)
                return k;
            if (log_v > normal + squeeze)
                continue;
        }
        if (log_v <= log_ratio_binomial(n, p, (double)k, mode))
            return k;
    }
}

/* Successes of p <= 1/2 in n trials. */
static int64_t binomial_of_smaller(struct philox *source, double n, double p) {
    const double mean = n * p;
    if (mean >= WALK_MEAN_MAX)
        return binomial_by_rejection(source, n, p);
    if (!(mean > 0.0))
        return 0;
    for (;;) {
        double u = philox_uniform(source);
        if (u < 1.0 - mean) /* Bernoulli: 1 - n p <= (1 - p)^n, so 0 is certain before any power is computed */
            return 0;
        const double odds = p / (1.0 - p);
        double mass = vm_exp(n * vm_log1p(-p));
        for (int64_t k = 0; k < WALK_END; k++) {
            if (u < mass)
                return k;
            u -= mass;
            mass *= odds * (n - (double)k) / (double)(k + 1); /* 0 behind k = n */
        }
    }
}

static inline int64_t binomial(struct philox *source, int64_t n, double p) {
    return p <= 0.5 ? binomial_of_smaller(source, (double)n, p)
                    : n - binomial_of_smaller(source, (double)n, 1.0 - p); /* 1 - p is exact for p >= 1/2 */
}

/* Sum of `shape` exponential variates of mean 1: the logarithm of a product of uniforms, or Best's rejection from
 * Student's t with two degrees of freedom (Devroye 1986, Non-Uniform Random Variate Generation, p. 410, XG). */
static double erlang(struct philox *source, double shape) {
    if (shape <= 8.0) {
        double product = 1.0;
        for (double k = 0.0; k < shape; k += 1.0)
            product *= philox_uniform_open(source);
        return 0.0 - vm_log(product);
    }
    const double b = shape - 1.0;
    const double c = 3.0 * shape - 0.75;
    for (;;) {
        const double u = philox_uniform_open(source);
        const double v = philox_uniform_open(source);
        const double w = u * (1.0 - u);
        const double y = sqrt(c / w) * (u - 0.5);
        const double x = b + y;
        if (!(x > 0.0))
            continue;
        const double z = 64.0 * w * w * w * v * v;
        if (z <= 1.0 - 2.0 * y * y / x || vm_log(z) <= 2.0 * (b * vm_log1p(y / b) - y))
            return x;
    }
}

/* ---- single draws, addressed by an index ------------------------------------------------------------------------- */

static inline struct philox open_draw(const struct qphys_array *key_and_index) {
    return philox_open(*QPHYS_AT0(const uint64_t, key_and_index[0]), *QPHYS_AT0(const uint64_t, key_and_index[1]),
                       *QPHYS_AT0(const uint64_t, key_and_index[2]), 0, PHILOX_DRAWS);
}

static inline int status_of(double parameter, double largest, int impossible) {
    return parameter != parameter ? STATUS_NOT_FINITE
                                  : (parameter >= 0.0 && parameter <= largest ? STATUS_GOOD : impossible);
}

ROW_KERNEL(draw_poisson) {
    (void)size;
    struct philox source = open_draw(array + 1);
    const double mean = *QPHYS_AT0(const double, array[0]);
    const int status = status_of(mean, COUNT_MAX, STATUS_BAD_COUNTS);
    *QPHYS_AT0(int64_t, array[4]) = status == STATUS_GOOD ? poisson(&source, mean) : 0;
    *QPHYS_AT0(int8_t, array[5]) = (int8_t)status;
}

ROW_KERNEL(draw_binomial) {
    (void)size;
    struct philox source = open_draw(array + 2);
    const int64_t n = *QPHYS_AT0(const int64_t, array[0]);
    const double p = *QPHYS_AT0(const double, array[1]);
    const int status_n = n < 0 || n > (int64_t)COUNT_MAX ? STATUS_BAD_COUNTS : STATUS_GOOD;
    const int status_p = status_of(p, 1.0, STATUS_BAD_PROBABILITIES);
    const int status = status_n > status_p ? status_n : status_p;
    *QPHYS_AT0(int64_t, array[5]) = status == STATUS_GOOD ? binomial(&source, n, p) : 0;
    *QPHYS_AT0(int8_t, array[6]) = (int8_t)status;
}

ROW_KERNEL(draw_erlang) {
    (void)size;
    struct philox source = open_draw(array + 1);
    const int64_t shape = *QPHYS_AT0(const int64_t, array[0]);
    const int status = shape < 0 || shape > (int64_t)COUNT_MAX ? STATUS_BAD_COUNTS : STATUS_GOOD;
    *QPHYS_AT0(double, array[4]) = status == STATUS_GOOD ? erlang(&source, (double)shape) : NAN;
    *QPHYS_AT0(int8_t, array[5]) = (int8_t)status;
}

ROW_KERNEL(philox) {
    (void)size;
    uint64_t counter[PHILOX_WORDS], key[2], word[PHILOX_WORDS];
    for (int i = 0; i < PHILOX_WORDS; i++)
        counter[i] = *QPHYS_AT1(const uint64_t, array[0], i);
    for (int i = 0; i < 2; i++)
        key[i] = *QPHYS_AT1(const uint64_t, array[1], i);
    philox_block(counter, key, word);
    for (int i = 0; i < PHILOX_WORDS; i++)
        *QPHYS_AT1(uint64_t, array[2], i) = word[i];
}

LANE_KERNEL(binomial_log_ratio) {
    (void)constant;
    for (ptrdiff_t i = 0; i < lanes; i++) {
        const double n = in[0][i], p = in[1][i], k = in[2][i], m = in[3][i];
        const int good = p > 0.0 && p < 1.0 && k >= 0.0 && k <= n && m >= 0.0 && m <= n && n <= COUNT_MAX;
        out[0][i] = good ? log_ratio_binomial(n, p, k, m) : (double)NAN;
    }
}

LANE_KERNEL(poisson_log_mass) {
    (void)constant;
    for (ptrdiff_t i = 0; i < lanes; i++) {
        const double mean = in[0][i], k = in[1][i];
        const int good = mean > 0.0 && mean <= COUNT_MAX && k >= 0.0 && k <= 2.0 * COUNT_MAX;
        out[0][i] = good ? log_mass_poisson(mean, k) : (double)NAN;
    }
}

/* ---- fading ------------------------------------------------------------------------------------------------------ */

/* The node whose share of the weights holds the quantile u; where rounding leads beyond, the last that has a weight. */
static ptrdiff_t node_at_quantile(struct qphys_array weight, ptrdiff_t t, ptrdiff_t nodes, double total, double u) {
    double cumulative = 0.0;
    ptrdiff_t found = 0;
    for (ptrdiff_t n = 0; n < nodes; n++) {
        const double w = *QPHYS_AT2(const double, weight, t, n);
        if (w > 0.0) {
            found = n;
            cumulative += w;
            if (u * total < cumulative)
                break;
        }
    }
    return found;
}

/* Part of each step that the fading spends in each node. The fading is a quantile, drawn afresh at Poisson times of
 * rate 1/tau and running on from step to step; every step maps it to a node by its own weights. M redraws cut a step
 * into M + 1 exchangeable spacings: the first keeps the quantile of the step before, the others have independent ones,
 * so the parts given the numbers of spacings of each node are Dirichlet, gamma variates over their sum. That is the law
 * itself, for any correlation time, at a cost that does not depend on it. */
ROW_KERNEL(fading_occupancy) {
    const ptrdiff_t steps = size[0], nodes = size[1];
    const struct qphys_array weight = array[0], part = array[5], status = array[6];
    const double tau_over_dt = *QPHYS_AT0(const double, array[1]);
    const uint64_t seed = *QPHYS_AT0(const uint64_t, array[2]);
    const uint64_t stream = *QPHYS_AT0(const uint64_t, array[3]);
    const uint64_t realisation = *QPHYS_AT0(const uint64_t, array[4]);
#define PART(n) (*QPHYS_AT2(double, part, t, n))
#define WEIGHT(n) (*QPHYS_AT2(const double, weight, t, n))

    const int averaged = tau_over_dt * COUNT_MAX < 1.0; /* the parts then leave the weights by less than 1e-7 */
    const double mean_redraws = averaged ? 0.0 : 1.0 / tau_over_dt;
    const int time_status =
        !(tau_over_dt >= 0.0) ? (tau_over_dt < 0.0 ? STATUS_BAD_PROBABILITIES : STATUS_NOT_FINITE) : STATUS_GOOD;
    double quantile = 0.0;

    for (ptrdiff_t t = 0; t < steps; t++) {
        struct philox source = philox_open(seed, stream, realisation, (uint64_t)t, PHILOX_FADING);
        int row_status = time_status;
        double total = 0.0; /* from the end, so that the split below divides sums and never subtracts them */
        for (ptrdiff_t n = nodes - 1; n >= 0; n--) {
            row_status = WEIGHT(n) < 0.0 ? STATUS_BAD_PROBABILITIES : row_status;
            total += WEIGHT(n);
            PART(n) = total;
        }
        row_status = total == 0.0 ? STATUS_BAD_PROBABILITIES : row_status;
        row_status = total - total != 0.0 ? STATUS_NOT_FINITE : row_status;
        *QPHYS_AT1(int8_t, status, t) = (int8_t)row_status;

        /* The quantile moves in a step of bad weights too: what follows does not depend on them. */
        quantile = t == 0 ? philox_uniform(&source) : quantile;
        const double first = quantile;
        const int64_t redraws = mean_redraws > 0.0 ? poisson(&source, mean_redraws) : 0;
        quantile = redraws > 0 ? philox_uniform(&source) : quantile;

        if (row_status != STATUS_GOOD) {
            for (ptrdiff_t n = 0; n < nodes; n++)
                PART(n) = NAN;
        } else if (averaged) {
            for (ptrdiff_t n = 0; n < nodes; n++)
                PART(n) = WEIGHT(n) / total;
        } else if (redraws == 0) {
            for (ptrdiff_t n = 0; n < nodes; n++)
                PART(n) = 0.0;
            PART(node_at_quantile(weight, t, nodes, total, first)) = 1.0;
        } else {
            int64_t left = redraws - 1;
            for (ptrdiff_t n = 0; n < nodes; n++) {
                const int64_t spacings = left > 0 ? binomial(&source, left, WEIGHT(n) / PART(n)) : 0;
                PART(n) = (double)spacings;
                left -= spacings;
            }
            PART(node_at_quantile(weight, t, nodes, total, first)) += 1.0;
            PART(node_at_quantile(weight, t, nodes, total, quantile)) += 1.0;
            double duration = 0.0;
            for (ptrdiff_t n = 0; n < nodes; n++) {
                PART(n) = erlang(&source, PART(n));
                duration += PART(n);
            }
            for (ptrdiff_t n = 0; n < nodes; n++)
                PART(n) /= duration;
        }
    }
#undef PART
#undef WEIGHT
}

/* ---- counts ------------------------------------------------------------------------------------------------------ */

/* Probability of every cell (setting, outcome) over the parts of the step in each node. A node that was not visited
 * does not count, whatever it holds. */
static void average_over_nodes(struct qphys_array probability, struct qphys_array part, ptrdiff_t t, ptrdiff_t nodes,
                               ptrdiff_t settings, ptrdiff_t outcomes, double *restrict cell) {
    const ptrdiff_t *stride = probability.stride;
    const ptrdiff_t cells = settings * outcomes;
    const int contiguous = stride[3] == (ptrdiff_t)sizeof(double) && stride[2] == outcomes * stride[3];
    for (ptrdiff_t i = 0; i < cells; i++)
        cell[i] = 0.0;
    for (ptrdiff_t n = 0; n < nodes; n++) {
        const double f = *QPHYS_AT2(const double, part, t, n);
        const char *node = probability.data + t * stride[0] + n * stride[1];
        const double *restrict p = (const double *)node;
        if (f == 0.0)
            continue;
        if (contiguous) {
#pragma omp simd
            for (ptrdiff_t i = 0; i < cells; i++)
                cell[i] += f * p[i];
        } else {
            for (ptrdiff_t i = 0; i < cells; i++)
                cell[i] += f * *(const double *)(node + i / outcomes * stride[2] + i % outcomes * stride[3]);
        }
    }
}

/* Clicks of one setting: their total first, then its split, each outcome against the sum from it to the end. No
 * probability is the difference of others; outcome 0 (none) is what is left of the trials. `counts` comes cleared.
 * Returns the status. */
static int sample_outcomes(struct philox *source, ptrdiff_t outcomes, const double *click, int64_t sent,
                           struct qphys_array counts) {
    double from_here[OUTCOMES_MAX];
    int status = STATUS_GOOD;
    double total = 0.0;
    for (ptrdiff_t o = outcomes - 1; o > 0; o--) {
        status = click[o] < 0.0 ? STATUS_BAD_PROBABILITIES : status;
        total += click[o];
        from_here[o] = total;
    }
    status = total > 1.0 + SUM_TOLERANCE ? STATUS_BAD_PROBABILITIES : status;
    status = total - total != 0.0 ? STATUS_NOT_FINITE : status;

    int64_t left = status == STATUS_GOOD ? binomial(source, sent, vm_min(total, 1.0)) : 0;
    *QPHYS_AT1(int64_t, counts, 0) = sent - left;
    ptrdiff_t o = 1;
    for (; left > FEW_CLICKS; o++) { /* ends: the last outcome with a probability has the quotient 1, and takes all */
        const int64_t clicks = binomial(source, left, click[o] / from_here[o]);
        *QPHYS_AT1(int64_t, counts, o) = clicks;
        left -= clicks;
    }
    for (; left > 0; left--) {
        const double u = philox_uniform(source) * from_here[o];
        ptrdiff_t dealt = o;
        while (dealt + 1 < outcomes && u < from_here[dealt + 1])
            dealt++;
        *QPHYS_AT1(int64_t, counts, dealt) += 1;
    }
    return status;
}

static void clear_step(struct qphys_array counts, struct qphys_array sent, ptrdiff_t t, ptrdiff_t settings,
                       ptrdiff_t outcomes) {
    for (ptrdiff_t c = 0; c < settings; c++) {
        *QPHYS_AT2(int64_t, sent, t, c) = 0;
        for (ptrdiff_t o = 0; o < outcomes; o++)
            *QPHYS_AT3(int64_t, counts, t, c, o) = 0;
    }
}

/* Counts of every outcome for every step and setting: whole trials are dealt to the settings, those of a setting to the
 * outcomes, by the probabilities averaged over the parts of the step that the fading spends in each node. */
ROW_KERNEL(sample_counts) {
    const ptrdiff_t steps = size[0], nodes = size[1], settings = size[2], outcomes = size[3];
    const struct qphys_array probability = array[0], part = array[1], setting_probability = array[2], trials = array[3];
    const struct qphys_array counts = array[7], sent = array[8], status = array[9];
    const uint64_t seed = *QPHYS_AT0(const uint64_t, array[4]);
    const uint64_t stream = *QPHYS_AT0(const uint64_t, array[5]);
    const uint64_t realisation = *QPHYS_AT0(const uint64_t, array[6]);

    const int too_many = settings > SETTINGS_MAX || outcomes > OUTCOMES_MAX || settings * outcomes > CELLS_MAX;
    int settings_status = too_many || outcomes < 1 ? STATUS_BAD_OPTION : STATUS_GOOD;
    double cell[CELLS_MAX];
    double share[SETTINGS_MAX]; /* of a setting in the sum from it to the end */
    double total = 0.0;
    for (ptrdiff_t c = settings_status == STATUS_GOOD ? settings - 1 : -1; c >= 0; c--) {
        const double p = *QPHYS_AT1(const double, setting_probability, c);
        settings_status = p < 0.0 ? STATUS_BAD_PROBABILITIES : settings_status;
        total += p;
        share[c] = p > 0.0 ? p / total : 0.0;
    }
    if (settings_status != STATUS_BAD_OPTION) {
        settings_status = fabs(total - 1.0) > SUM_TOLERANCE ? STATUS_BAD_PROBABILITIES : settings_status;
        settings_status = total - total != 0.0 ? STATUS_NOT_FINITE : settings_status;
    }

    for (ptrdiff_t t = 0; t < steps; t++) {
        struct philox of_settings = philox_open(seed, stream, realisation, (uint64_t)t, PHILOX_SETTINGS);
        struct philox of_outcomes = philox_open(seed, stream, realisation, (uint64_t)t, PHILOX_OUTCOMES);
        int64_t left = *QPHYS_AT1(const int64_t, trials, t);
        int step_status = left < 0 || left > (int64_t)COUNT_MAX ? STATUS_BAD_COUNTS : STATUS_GOOD;
        step_status = settings_status > step_status ? settings_status : step_status;

        clear_step(counts, sent, t, settings, outcomes);
        if (step_status == STATUS_GOOD && left > 0)
            average_over_nodes(probability, part, t, nodes, settings, outcomes, cell);
        for (ptrdiff_t c = 0; c < settings && step_status == STATUS_GOOD && left > 0; c++) {
            const struct qphys_array k = {(char *)QPHYS_AT2(int64_t, counts, t, c), counts.stride + 2};
            const int64_t pulses = binomial(&of_settings, left, share[c]);
            left -= pulses;
            *QPHYS_AT2(int64_t, sent, t, c) = pulses;
            step_status = sample_outcomes(&of_outcomes, outcomes, cell + c * outcomes, pulses, k);
        }
        if (step_status != STATUS_GOOD)
            clear_step(counts, sent, t, settings, outcomes);
        *QPHYS_AT1(int8_t, status, t) = (int8_t)step_status;
    }
}
