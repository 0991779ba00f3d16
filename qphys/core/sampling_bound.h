/* Errors in the unseen part of a sample drawn without replacement: an upper bound that is proven, not asymptotic.
 *
 * Of N = n + k single photons with T errors, a random k are tested and show V; n make key and hold M = T - V.
 *     P(V <= v) <= p(v) / (1 - r),   p(v) = C(k,v) C(n,m) / C(N,T),  m = T - v,
 *     r = p(v-1) / p(v) = v (n-m) / ((m+1) (k-v+1)) < 1:
 * p is log-concave in v, so the terms below v fall at least as a geometric series. With g(x) = ln x! - x ln x + x,
 *     ln p = - sum of deviances + g(k) + g(n) + g(T) + g(N-T) - g(N) - g(v) - g(k-v) - g(m) - g(n-m),
 * and Robbins (Am. Math. Mon. 62, 26, 1955), 1/(12x+1) < g(x) - ln(2 pi x)/2 < 1/(12x), g(0) = 0, an upper bound
 * within 0.7 % of p in closed form. The smallest m with P <= eps bounds M: more errors of either kind only make
 * P(V <= v) smaller, and m grows with v (one error more adds at most one to V). v, k, n, m are whole numbers. */
#ifndef QPHYS_SAMPLING_BOUND_H
#define QPHYS_SAMPLING_BOUND_H

#include "kernels.h"
#include "vmath.h"

/* exp(2 g(x)) without Robbins' term. */
QPHYS_INLINE double sb_over(double x) { return x > 0.0 ? 2.0 * VM_PI * x : 1.0; }

/* x ln(x / mean) for a part x = mean + excess: the deviance, less terms that cancel over the parts. */
QPHYS_INLINE double sb_deviance(double x, double mean, double excess) {
    return x > 0.0 ? x * vm_log1p(excess / mean) : 0.0;
}
struct sb_population {
    double all, errors, mean_test_error, mean_test_right, mean_key_error, mean_key_right, excess;
};

QPHYS_INLINE struct sb_population sb_populate(double v, double k, double n, double m) {
    struct sb_population p;
    p.all = n + k;
    p.errors = v + m;
    const double rate = p.errors / p.all;
    const double right = (p.all - p.errors) / p.all;
    p.mean_test_error = k * rate;
    p.mean_test_right = k * right;
    p.mean_key_error = n * rate;
    p.mean_key_right = n * right;
    p.excess = (k * m - n * v) / p.all; /* errors that the test shows below, the key above, its mean */
    return p;
}

/* The square of what multiplies exp(-deviance + Robbins' terms) in p / (1 - r). */
QPHYS_INLINE double sb_prefactor_square(const struct sb_population *p, double v, double k, double n, double m) {
    const double ratio_over = (m + 1.0) * (k - v + 1.0);
    const double gap = ratio_over / (ratio_over - v * (n - m)); /* 1 / (1 - r), negative where r > 1 */
    const double g = (sb_over(k) * sb_over(n) * sb_over(p->errors) * sb_over(p->all - p->errors)) /
                     (sb_over(p->all) * sb_over(v) * sb_over(k - v) * sb_over(m) * sb_over(n - m));
    return gap > 0.0 ? g * gap * gap : (double)INFINITY;
}

QPHYS_INLINE double sb_robbins(const struct sb_population *p, double v, double k, double n, double m) {
    const double above = 1.0 / k + 1.0 / n + 1.0 / vm_max(p->errors, 1.0) + 1.0 / (p->all - p->errors);
    const double below = (v > 0.0 ? 1.0 / (12.0 * v + 1.0) : 0.0) + (k - v > 0.0 ? 1.0 / (12.0 * (k - v) + 1.0) : 0.0) +
                         (m > 0.0 ? 1.0 / (12.0 * m + 1.0) : 0.0) + (n - m > 0.0 ? 1.0 / (12.0 * (n - m) + 1.0) : 0.0) +
                         1.0 / (12.0 * p->all + 1.0);
    return above / 12.0 - below;
}

/* Upper bound of ln P(V <= v) where key and test together hold v + m errors; +infinity where r >= 1. */
QPHYS_INLINE double sb_log_tail(double v, double k, double n, double m) {
    const struct sb_population p = sb_populate(v, k, n, m);
    const double deviance =
        (sb_deviance(v, p.mean_test_error, -p.excess) + sb_deviance(k - v, p.mean_test_right, p.excess)) +
        (sb_deviance(m, p.mean_key_error, p.excess) + sb_deviance(n - m, p.mean_key_right, -p.excess));
    return 0.5 * vm_log(sb_prefactor_square(&p, v, k, n, m)) + sb_robbins(&p, v, k, n, m) - deviance;
}

/* Is the bound proven to be at most exp(-beta)? The same made larger but free of logarithms, for whole m >= 1:
 * deviances by Bernstein, x ln(x/M) - x + M >= 3 (x-M)^2 / (2 (x + 2M)), the prefactor by ln y <= y - 1, all of
 * Robbins' terms by 4/12; then multiplied by all denominators, as this is asked of every lane. (With counts of 1e15
 * they reach 1e290.) A no is no answer: then sb_log_tail decides. */
QPHYS_INLINE int sb_proven_quickly(double v, double k, double n, double m, double beta) {
    const double all = n + k, errors = v + m, right = all - errors;
    const double excess = k * m - n * v; /* times all, as the four means below */
    const double a = 3.0 * (k * errors) - excess, b = 3.0 * (k * right) + excess;
    const double c = 3.0 * (n * errors) + excess, d = 3.0 * (n * right) - excess;
    const double ab = a * b, cd = c * d;
    const double deviance = 1.5 * (excess * excess) * ((a + b) * cd + (c + d) * ab), deviance_over = all * (ab * cd);
    const double over = (m + 1.0) * (k - v + 1.0), gap = over - v * (n - m);
    const double y = (sb_over(k) * sb_over(n)) * (sb_over(errors) * sb_over(right)) * (over * over);
    const double y_over = (sb_over(all) * sb_over(v)) * (sb_over(k - v) * sb_over(m)) * (sb_over(n - m) * (gap * gap));
    const double enough = beta + 4.0 / 12.0 - 0.5;
    return (gap > 0.0) & (0.5 * y * deviance_over + enough * (deviance_over * y_over) <= deviance * y_over);
}

/* Derivative of sb_log_tail in m, its last term that of -ln(1 - r); a little too steep where that matters. */
QPHYS_INLINE double sb_slope(double v, double k, double n, double m) {
    const double right = n + k - v - m;
    const double over = (m + 1.0) * (k - v + 1.0);
    const double gap = over - v * (n - m);
    return vm_log_normal((n - m) * (v + m + 1.0) / ((m + 1.0) * right)) - v * (n + 1.0) / ((m + 1.0) * gap);
}

#define SB_STEPS 64

/* For each lane the smallest whole m <= n / 2 with sb_log_tail <= log_eps, or NaN if there is none. The function falls
 * and is concave, so Newton's steps from the proven side, rounded up, mostly stay there; where one does not, the
 * bracket is halved. Only an m that was tested is returned. The loop ends when no lane moves: a lane at rest stays
 * where it is. */
static inline void sb_errors_upper(ptrdiff_t lanes, const double *restrict v, const double *restrict k,
                                   const double *restrict n, const double *restrict log_eps, double *restrict bound) {
    double m[QPHYS_LANES], low[QPHYS_LANES];
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        const double beta = -log_eps[i];
        const double rate = (v[i] + beta + sqrt(2.0 * beta * v[i] + beta * beta)) / k[i]; /* Chernoff: too large */
        const double start = n[i] * rate + (k[i] * rate - v[i]) + 1.0;
        m[i] = vm_floor(vm_min(start, 0.5 * n[i]));
        low[i] = -1.0;
        bound[i] = (double)NAN;
    }
    double moving = 1.0;
    for (int step = 0; step < SB_STEPS && moving > 0.0; step++) {
        moving = 0.0;
#pragma omp simd reduction(+ : moving)
        for (ptrdiff_t i = 0; i < lanes; i++) {
            const double over = sb_log_tail(v[i], k[i], n[i], m[i]) - log_eps[i];
            const int proven = over <= 0.0;
            bound[i] = proven ? m[i] : bound[i];
            low[i] = proven ? low[i] : m[i];
            const double half = vm_floor(0.5 * n[i]);
            const int any = bound[i] == bound[i];
            const double high = any ? bound[i] : half + 1.0; /* the lowest that may not be tried again */
            const double newton = vm_min(vm_ceil(m[i] - over / sb_slope(v[i], k[i], n[i], m[i])), m[i] - 1.0);
            const double middle = vm_floor(0.5 * (low[i] + high));
            const double next = vm_max(proven ? newton : (any ? middle : vm_ceil(1.25 * m[i] + 1.0)), low[i] + 1.0);
            const int rests = low[i] + 1.0 >= high;
            m[i] = rests ? (any ? bound[i] : half) : vm_min(next, high - 1.0);
            moving += rests ? 0.0 : 1.0;
        }
    }
}

/* Serfling's inequality, Ann. Stat. 2, 39 (1974): the key's error rate above that of the test by at most this, but with
 * exp(-beta). It falls with k and n, so that lower bounds may stand for them. */
QPHYS_INLINE double sb_serfling(double k, double n, double beta) {
    return sqrt((k + n) * (k + 1.0) / (k * n * k) * beta);
}

/* gamma of Yin et al., Sci. Rep. 10, 14312 (2020), for the test's error rate b; no bound by itself, used where the
 * exact tail allows it. It rests on a normal approximation, as that of Lim et al. 2014, with the next term. */
QPHYS_INLINE double sb_yin(double b, double k, double n, double beta) {
    const double all = n + k, variance = b * (1.0 - b), size = vm_max(n, k) / all;
    const double G = all / (n * k) * (vm_log_normal(all / (2.0 * VM_PI * (n * k) * variance)) + 2.0 * beta);
    const double AG = size * G;
    return ((1.0 - 2.0 * b) * AG + sqrt(AG * AG + 4.0 * variance * G)) / (2.0 + 2.0 * (size * AG));
}

/* Which bound gave a lane's phase errors; OPEN: not yet decided. */
enum used { USED_NONE, USED_GAMMA, USED_EXACT, USED_SERFLING, USED_YIN, USED_OPEN };

/* Decide the lanes that are OPEN: the phase error that stands there (gamma of Lim et al. 2014, a whole number
 * `gamma_errors` of errors, 0: none) where the tail allows it, else the tail's own bound, else none. They are moved
 * together, so that a row with a few of them costs little. Lanes that are not good stay without a bound. */
static inline void sb_close(ptrdiff_t lanes, const double *restrict good, const double *restrict test_errors,
                            const double *restrict test, const double *restrict key, const double *restrict log_eps,
                            const double *restrict gamma_errors, double *restrict phase, double *restrict used) {
    ptrdiff_t lane[QPHYS_LANES], open = 0, left = 0;
    double v[QPHYS_LANES], k[QPHYS_LANES], n[QPHYS_LANES], limit[QPHYS_LANES], m[QPHYS_LANES], tail[QPHYS_LANES];
    for (ptrdiff_t i = 0; i < lanes; i++)
        if (used[i] == USED_OPEN) {
            used[i] = USED_NONE;
            v[open] = vm_ceil(test_errors[i]);
            k[open] = vm_floor(test[i]);
            n[open] = vm_floor(key[i]);
            limit[open] = log_eps[i];
            m[open] = gamma_errors[i];
            lane[open] = i;
            open += good[i] != 0.0;
        }
#pragma omp simd
    for (ptrdiff_t j = 0; j < open; j++)
        tail[j] = sb_log_tail(v[j], k[j], n[j], m[j]);
    for (ptrdiff_t j = 0; j < open; j++) {
        if (m[j] > 0.0 && tail[j] <= limit[j]) {
            used[lane[j]] = USED_GAMMA;
            continue;
        }
        v[left] = v[j], k[left] = k[j], n[left] = n[j], limit[left] = limit[j], lane[left] = lane[j];
        left++;
    }
    sb_errors_upper(left, v, k, n, limit, m);
    for (ptrdiff_t j = 0; j < left; j++) {
        const int found = m[j] == m[j];
        phase[lane[j]] = found ? m[j] / n[j] : 0.5;
        used[lane[j]] = found ? USED_EXACT : USED_NONE;
    }
}

#endif
