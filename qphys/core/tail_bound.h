/* From a count to bounds of its mean, and from a mean to a bound of the count: named inequalities, one-sided, each
 * failing with probability exp(-beta) at most. `x` counts some of `total` events; E is the sum of their (conditional)
 * probabilities. docs/physics/tails.md derives every line. HOEFFDING      independent trials: x -+ sqrt(total beta / 2)
 *   CHERNOFF       P(x <= E - t) <= exp(-t^2 / 2E), P(x >= E + t) <= exp(-t^2 / (2E + t)), solved for E
 *   YIN_2020       the same with -beta/2 in the lower bound, as Yin et al., Sci. Rep. 10, 14312 (2020) print it
 *   ZHANG_2017     Zhang, Zhao, Razavi, Ma, PRA 95, 012333 (2017): x ln(x/E) - x + E = beta, what the two lines above
 * relax ZHANG_2017_SIMPLIFIED  their closed form, x > 6 beta; below it the equation BINOMIAL       Hoeffding, Ann.
 * Math. Stat. 27, 713 (1956): tails of independent trials lie below the binomial's one or more off the mean; that tail
 * is p(x) times a geometric series, p(x) by Robbins (see sampling_bound.h) KATO_2020      Kato, 2002.04357: trials that
 * depend on the past; needs a prediction of x / total, made beforehand The equations are solved by Newton's steps on
 * functions that are convex or concave, from the side on which the bound holds, where they stay; only a value is
 * returned for which the inequality was evaluated. */
#ifndef QPHYS_TAIL_BOUND_H
#define QPHYS_TAIL_BOUND_H

#include "kernels.h"
#include "vmath.h"

enum tail { HOEFFDING, CHERNOFF, YIN_2020, ZHANG_2017, ZHANG_2017_SIMPLIFIED, BINOMIAL, KATO_2020, TAILS };

#define TB_NEWTON 6      /* from these starts the fifth step is below rounding; one in reserve */
#define TB_STEPS 12      /* the binomial's start is farther away */
#define TB_MARGIN 1e-12  /* of beta: above the rounding of what is compared with it */
#define TB_SMALLEST 1e-9 /* counts below are taken as this where an upper bound rises with the count */

QPHYS_INLINE double tb_over(double x) { return x > 0.0 ? 2.0 * VM_PI * x : 1.0; }

/* u - ln(1 + u), to 1e-14 of itself: with s = u / (2 + u) it is s u - 2 s (s^2/3 + s^4/5 + ...). */
QPHYS_INLINE double tb_excess(double u) {
    const double s = u / (2.0 + u), y = s * s;
    const double series =
        1.0 / 3.0 + y * (1.0 / 5.0 + y * (1.0 / 7.0 + y * (1.0 / 9.0 + y * (1.0 / 11.0 + y * (1.0 / 13.0)))));
    return u > -0.1 && u < 0.1 ? s * u - 2.0 * s * y * series : u - vm_log1p(u);
}

/* Multiplicative Chernoff, inverted. */
QPHYS_INLINE double tb_chernoff_lower(double x, double beta) {
    return x + 0.5 * beta - sqrt(2.0 * beta * x + 0.25 * beta * beta);
}
QPHYS_INLINE double tb_chernoff_upper(double x, double beta) { return x + beta + sqrt(2.0 * beta * x + beta * beta); }

/* The same, for r = 1 + u that is kept to its own precision near 0. */
QPHYS_INLINE double tb_excess_near(double u, double r) {
    const double near_one = tb_excess(r < 0.5 ? -0.5 : u);
    return r < 0.5 ? u - vm_log_normal(r) : near_one;
}

/* E = x (1 + u) with u - ln(1 + u) = beta / x, above and below 0. The steps are taken by all lanes together. */
static inline void tb_exact(ptrdiff_t lanes, const double *restrict x, const double *restrict beta,
                            double *restrict lower, double *restrict upper) {
    double up[QPHYS_LANES], best_up[QPHYS_LANES], u[QPHYS_LANES], r[QPHYS_LANES], best_u[QPHYS_LANES];
    double best_r[QPHYS_LANES];
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        const double all = beta[i] / vm_max(x[i], TB_SMALLEST) * (1.0 + 2.0 * TB_MARGIN), c = vm_min(all, 600.0);
        const double near_one = 0.5 * c - sqrt(c * (2.0 + 0.25 * c)), small = vm_exp(-1.0 - c);
        up[i] = best_up[i] = all + sqrt(all * (2.0 + all));
        u[i] = best_u[i] = vm_max(near_one, small - 1.0);
        r[i] = best_r[i] = near_one > small - 1.0 ? 1.0 + near_one : small;
    }
    for (int step = 0; step < TB_NEWTON; step++) {
#pragma omp simd
        for (ptrdiff_t i = 0; i < lanes; i++) {
            const double c = beta[i] / vm_max(x[i], TB_SMALLEST), aim = c * (1.0 + 2.0 * TB_MARGIN);
            const double next = up[i] - (tb_excess(up[i]) - aim) * (1.0 + up[i]) / up[i];
            best_up[i] = tb_excess(next) >= c * (1.0 + TB_MARGIN) ? next : best_up[i];
            up[i] = next;
            const double few = vm_min(c, 600.0);
            const double move = (tb_excess_near(u[i], r[i]) - few * (1.0 + 2.0 * TB_MARGIN)) * r[i] / u[i];
            u[i] -= move;
            r[i] -= move;
            const int proven = tb_excess_near(u[i], r[i]) >= few * (1.0 + TB_MARGIN);
            best_u[i] = proven ? u[i] : best_u[i];
            best_r[i] = proven ? r[i] : best_r[i];
        }
    }
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        const double some = vm_max(x[i], TB_SMALLEST);
        const double least = best_r[i] < 0.5 ? some * best_r[i] : some + some * best_u[i];
        lower[i] = x[i] * 600.0 >= beta[i] ? least : 0.0;
        upper[i] = x[i] > 0.0 ? some + some * best_up[i] : beta[i];
    }
}
/* The other way, x = E w with 1 - w + w ln w = beta / E, w below 1; none where beta > E. */
QPHYS_INLINE double tb_exact_count(double mean, double beta) {
    const double some = vm_max(mean, TB_SMALLEST), c = beta / some, aim = c * (1.0 + 2.0 * TB_MARGIN);
    const double enough = c * (1.0 + TB_MARGIN), rest = vm_max(1.0 - aim, 1e-300);
    const double near_one = sqrt(2.0 * aim), small = rest / (2.0 * (1.0 - vm_log_normal(rest)));
    double w = vm_max(1.0 - near_one, small), u = 1.0 - near_one > small ? near_one : 1.0 - small;
    double best_w = 0.0, best_u = 1.0;
    for (int step = 0; step < TB_NEWTON; step++) {
        const double logarithm = w < 0.5 ? vm_log_normal(w) : vm_log1p(-u);
        const double move = (w * tb_excess(u / w) - aim) / logarithm;
        w -= move;
        u += move;
        const int proven = w * tb_excess(u / w) >= enough && w > 0.0;
        best_w = proven ? w : best_w;
        best_u = proven ? u : best_u;
    }
    const double count = best_w < 0.5 ? some * best_w : some - some * best_u;
    return aim < 1.0 ? count : 0.0;
}

/* Upper bounds of ln P(Bin <= x) for x < E and of ln P(Bin >= x) for x > E, Bin of N trials and mean E; x, N whole. */
QPHYS_INLINE double tb_log_mass(double x, double n, double mean) {
    const double rest = n - x;
    const double deviance = (x > 0.0 ? x * tb_excess((mean - x) / x) : mean) +
                            (rest > 0.0 ? rest * tb_excess((x - mean) / rest) : n - mean);
    const double robbins =
        1.0 / (12.0 * n) - (x > 0.0 ? 1.0 / (12.0 * x + 1.0) : 0.0) - (rest > 0.0 ? 1.0 / (12.0 * rest + 1.0) : 0.0);
    return 0.5 * vm_log(tb_over(n) / (tb_over(x) * tb_over(rest))) + robbins - deviance;
}
QPHYS_INLINE double tb_log_below(double x, double n, double mean) {
    return tb_log_mass(x, n, mean) + vm_log((n - x + 1.0) * mean / (n * (mean - x) + mean));
}
QPHYS_INLINE double tb_log_above(double x, double n, double mean) {
    return tb_log_mass(x, n, mean) + vm_log((x + 1.0) * (n - mean) / (n * (x - mean) + (n - mean)));
}

/* Newton's step in ln E / (n - E), in which the tails are nearly straight at both ends; aimed beyond the rounding of E.
 */
QPHYS_INLINE double tb_logit_step(double mean, double n, double over, double slope) {
    const double move = -(over + 4e-16 * mean * vm_max(slope, -slope)) * n / (slope * mean * (n - mean));
    const double grown = vm_expm1(vm_max(vm_min(move, 600.0), -600.0));
    return mean + mean * (n - mean) * grown / (n + mean * grown);
}

/* The smallest and the largest mean that x does not exclude. On entry `lower` and `upper` are those of the Chernoff
 * bound, which hold as well; Newton's step is taken where it stays between what is proven and what is not. */
static inline void tb_binomial(ptrdiff_t lanes, const double *restrict x, const double *restrict total,
                               const double *restrict beta, double *restrict lower, double *restrict upper) {
    double n[QPHYS_LANES], v[QPHYS_LANES], w[QPHYS_LANES], open_up[QPHYS_LANES], open_low[QPHYS_LANES];
    double mean[QPHYS_LANES], other[QPHYS_LANES];
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        n[i] = vm_max(vm_ceil(total[i]), 1.0);
        v[i] = vm_ceil(x[i]);
        w[i] = vm_max(vm_floor(x[i]), 1.0);
        const double most = upper[i], least = lower[i];
        upper[i] = vm_min(most, n[i] * (1.0 - 0x1p-40));
        lower[i] = vm_max(least, 1e-300);
        mean[i] = vm_min(v[i] + (most - v[i]) * sqrt(vm_max(1.0 - v[i] / n[i], 0.0)), upper[i]);
        other[i] = vm_max(w[i] + (least - w[i]) * sqrt(vm_max(1.0 - w[i] / n[i], 0.0)), lower[i]);
        open_up[i] = v[i];
        open_low[i] = w[i];
    }
    for (int step = 0; step <= TB_STEPS; step++) {
#pragma omp simd
        for (ptrdiff_t i = 0; i < lanes; i++) {
            const double limit = -beta[i] * (1.0 + TB_MARGIN), E = mean[i], N = n[i];
            const double over = tb_log_below(v[i], N, E) - limit;
            const double slope = (v[i] - E) * N / (E * (N - E)) + 1.0 / E - (N + 1.0) / (N * (E - v[i]) + E);
            const double next = tb_logit_step(E, N, over + 1e-13 * beta[i], slope);
            upper[i] = over <= 0.0 ? vm_min(upper[i], E) : upper[i];
            open_up[i] = over <= 0.0 ? open_up[i] : vm_max(open_up[i], E);
            mean[i] = next > open_up[i] && next < upper[i] ? next : 0.5 * (open_up[i] + upper[i]);
        }
#pragma omp simd
        for (ptrdiff_t i = 0; i < lanes; i++) {
            const double limit = -beta[i] * (1.0 + TB_MARGIN), E = other[i], N = n[i];
            const double over = tb_log_above(w[i], N, E) - limit;
            const double slope =
                (w[i] - E) * N / (E * (N - E)) - 1.0 / (N - E) + (N + 1.0) / (N * (w[i] - E) + (N - E));
            const double next = tb_logit_step(E, N, over + 1e-13 * beta[i], slope);
            lower[i] = over <= 0.0 ? vm_max(lower[i], E) : lower[i];
            open_low[i] = over <= 0.0 ? open_low[i] : vm_min(open_low[i], E);
            other[i] = next < open_low[i] && next > lower[i] ? next : 0.5 * (open_low[i] + lower[i]);
        }
    }
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        upper[i] = v[i] + 1.0 < n[i] ? vm_max(upper[i], v[i] + 1.0) : n[i];
        lower[i] = x[i] >= 2.0 ? vm_max(vm_min(lower[i], w[i] - 1.0), 0.0) : 0.0;
    }
}
/* Of `all` events, each taken with probability `share`, so many are taken at least: one more than the largest whole x
 * with ln P(Bin <= x) <= -beta. */
QPHYS_INLINE double tb_binomial_count(double all, double share, double beta, double start) {
    const double n = vm_max(vm_floor(all), 1.0), mean = n * share, limit = -beta * (1.0 + TB_MARGIN);
    double low = -1.0, high = vm_max(vm_ceil(mean), 1.0), x = vm_min(vm_floor(vm_max(start, 0.0)), high - 1.0);
    for (int step = 0; step < 64; step++) {
        const double over = tb_log_below(x, n, mean) - limit;
        const int proven = x < mean && over <= 0.0;
        low = proven ? x : low;
        high = proven ? high : x;
        const double slope = vm_log_normal(mean * (n - x + 0.5) / ((x + 0.5) * (n - mean)));
        const double newton = vm_floor(x - over / slope), middle = vm_floor(0.5 * (low + high));
        const double next = step < 8 && newton > low && newton < high ? newton : middle;
        x = high - low > 1.0 ? vm_min(vm_max(next, low + 1.0), high - 1.0) : low + 1.0;
        x = vm_max(x, 0.0);
    }
    return low + 1.0;
}

/* Kato's inequality with his a and b at their best for the predicted share w: with s = 1 - 2w and A = 1 + 8 beta / 9 n,
 *     a = s sqrt(beta / (2 A^2 (A - s^2)) - B / A, b = sqrt(a^2 + (beta/2) (1 + 4a / 3 sqrt n)^2), B = 2 beta / 3 sqrt
 * n, E <= x + (b + a (2x/n - 1)) sqrt n; the lower bound is the same of what is not counted. */
QPHYS_INLINE double tb_kato_upper(double x, double total, double beta, double share) {
    const double n = vm_max(total, 1.0), root = sqrt(n), s = 1.0 - 2.0 * share;
    const double A = 1.0 + 8.0 * beta / (9.0 * n);
    const double a = s * sqrt(0.5 * beta / (A - s * s)) / A - 2.0 * beta / (3.0 * root * A);
    const double k = 1.0 + 4.0 * a / (3.0 * root), b = sqrt(a * a + 0.5 * beta * k * k);
    return x + (b + a * (2.0 * x / n - 1.0)) * root;
}

/* Bounds of the mean of a row of counts, clipped to [0, total], where lanes ask for `tail`, a constant where this is
 * inlined. `share`: the prediction, where one is needed. */
QPHYS_INLINE void tb_fill_one(ptrdiff_t lanes, const double *restrict tails, const double *restrict x,
                              const double *restrict total, const double *restrict beta, const double *restrict share,
                              double *restrict lower, double *restrict upper, const int tail) {
    double least[QPHYS_LANES], most[QPHYS_LANES];
    if (tail == ZHANG_2017 || tail == ZHANG_2017_SIMPLIFIED || tail == BINOMIAL)
        tb_exact(lanes, x, beta, least, most);
    if (tail == BINOMIAL)
        tb_binomial(lanes, x, total, beta, least, most);
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        const double b = beta[i], y = x[i], spread = sqrt(0.5 * total[i] * b);
        double low = y - spread, high = y + spread;
        if (tail == CHERNOFF || tail == YIN_2020) {
            low = tail == CHERNOFF ? tb_chernoff_lower(y, b) : y - 0.5 * b - sqrt(2.0 * b * y + 0.25 * b * b);
            high = tb_chernoff_upper(y, b);
        }
        if (tail == ZHANG_2017 || tail == ZHANG_2017_SIMPLIFIED || tail == BINOMIAL) {
            low = least[i];
            high = most[i];
        }
        if (tail == ZHANG_2017_SIMPLIFIED) {
            const double large = vm_max(y, 6.0 * b * (1.0 + 0x1p-40));
            const double delta = (3.0 * b + sqrt(b * b + 8.0 * b * large)) / (2.0 * (large - b));
            low = y == large ? y / (1.0 + delta) : low;
            high = y == large ? y / (1.0 - delta) : high;
        }
        if (tail == KATO_2020) {
            low = total[i] - tb_kato_upper(total[i] - y, total[i], b, 1.0 - share[i]);
            high = tb_kato_upper(y, total[i], b, share[i]);
        }
        lower[i] = tails[i] == tail ? vm_max(low, 0.0) : lower[i];
        upper[i] = tails[i] == tail ? vm_min(high, total[i]) : upper[i];
    }
}
/* Each inequality that a lane asks for is computed in a loop of its own. */
static inline void tb_fill(ptrdiff_t lanes, const double *tails, const double *x, const double *total,
                           const double *beta, const double *share, double *lower, double *upper) {
    unsigned asked = 0;
    for (ptrdiff_t i = 0; i < lanes; i++) {
        lower[i] = upper[i] = (double)NAN;
        asked |= tails[i] >= 0.0 && tails[i] < TAILS ? 1u << (int)tails[i] : 0u;
    }
#define TB_CASE(tail)                                                                                                  \
    if (asked & (1u << (tail)))                                                                                        \
    tb_fill_one(lanes, tails, x, total, beta, share, lower, upper, tail)
    TB_CASE(HOEFFDING);
    TB_CASE(CHERNOFF);
    TB_CASE(YIN_2020);
    TB_CASE(ZHANG_2017);
    TB_CASE(ZHANG_2017_SIMPLIFIED);
    TB_CASE(BINOMIAL);
    TB_CASE(KATO_2020);
#undef TB_CASE
}

/* Of `all` events, each taken with probability `share`, at least so many are taken. The draws are independent, whatever
 * happened before: Kato's inequality is not needed for them. */
QPHYS_INLINE double tb_taken(double tail, double all, double share, double beta) {
    const double mean = share * all, exact = tb_exact_count(mean, beta);
    double least = mean - sqrt(tail == HOEFFDING ? 0.5 * beta * all : 2.0 * beta * mean);
    least = tail == ZHANG_2017 ? exact : least;
    least = tail == BINOMIAL ? tb_binomial_count(all, share, beta, exact) : least;
    return share < 1.0 ? vm_max(least, 0.0) : all;
}

QPHYS_INLINE void tb_take_one(ptrdiff_t lanes, const double *restrict tails, double *restrict events,
                              const double *restrict share, const double *restrict beta, const int tail) {
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        const double least = tb_taken(tail, events[i], share[i], beta[i]);
        events[i] = tails[i] == tail ? least : events[i];
    }
}
/* Rows of them, in place. */
static inline void tb_take(ptrdiff_t lanes, const double *tails, double *events, const double *share,
                           const double *beta) {
    unsigned asked = 0;
    for (ptrdiff_t i = 0; i < lanes; i++)
        asked |= share[i] < 1.0 && tails[i] >= 0.0 && tails[i] < TAILS ? 1u << (int)tails[i] : 0u;
#define TB_CASE(tail)                                                                                                  \
    if (asked & (1u << (tail)))                                                                                        \
    tb_take_one(lanes, tails, events, share, beta, tail)
    TB_CASE(HOEFFDING);
    TB_CASE(CHERNOFF);
    TB_CASE(YIN_2020);
    TB_CASE(ZHANG_2017);
    TB_CASE(ZHANG_2017_SIMPLIFIED);
    TB_CASE(BINOMIAL);
    TB_CASE(KATO_2020);
#undef TB_CASE
}

#endif
