/* The CHSH value of counts, how sure it is, and what local realism gives it: Clauser, Horne, Shimony, Holt, PRL 23, 880
 * (1969). P value: the game of n trials with settings drawn anew each trial, which any local model, with memory too,
 * wins with probability at most xi; Elkouss, Wehner, npj Quantum Inf. 2, 16026 (2016). See docs/physics/chsh.md. */
#include "kernels.h"
#include "status.h"
#include "vmath.h"

#define LOG10_E 0.43429448190325182765
#define TAIL_TERMS 64

enum input { AGREE = 0, DISAGREE = 4, SIGN = 8, PROBABILITY = 12, FAILURE = 16 };

/* exp(2 (ln x! - x ln x + x)) without Robbins' term, and that term from below. */
QPHYS_INLINE double over(double x) { return x > 0.0 ? 2.0 * VM_PI * x : 1.0; }
QPHYS_INLINE double robbins(double x) { return x > 0.0 ? 1.0 / (12.0 * x + 1.0) : 0.0; }
QPHYS_INLINE double deviance(double x, double mean, double excess) {
    return x > 0.0 ? x * vm_log1p(excess / mean) : 0.0;
}

/* Upper bound of ln P(at least c wins of n): the first term by Robbins, TAIL_TERMS ratios, then a geometric series. */
QPHYS_INLINE double log_tail(double n, double c, double xi) {
    const double lost = n - c, mean = n * xi, excess = c - mean;
    const double first = 0.5 * vm_log(over(n) / (over(c) * over(lost))) + 1.0 / (12.0 * n) - robbins(c) -
                         robbins(lost) - deviance(c, mean, excess) - deviance(lost, n - mean, -excess);
    const double odds = xi / (1.0 - xi);
    double term = 1.0, sum = 1.0;
    for (int j = 0; j < TAIL_TERMS; j++) {
        term *= vm_max(lost - (double)j, 0.0) / (c + (double)(j + 1)) * odds;
        sum += term;
    }
    const double ratio = vm_max(lost - (double)TAIL_TERMS, 0.0) / (c + (double)(TAIL_TERMS + 1)) * odds;
    const double all = first + vm_log(sum + term * ratio / (1.0 - ratio));
    return excess > 0.0 && ratio < 1.0 ? vm_min(all, 0.0) : 0.0;
}

LANE_KERNEL(chsh) {
    (void)constant;
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        const double alpha = in[FAILURE][i];
        double S = 0.0, variance = 0.0, weight = 0.0, wins = 0.0, losses = 0.0, product = -1.0, p_all = 0.0,
               p_min = 1.0;
        int possible = 1, some = 1, signs = 1, shares = 1;
        double finite = alpha;
        for (int j = 0; j < 4; j++) {
            const double a = in[AGREE + j][i], d = in[DISAGREE + j][i];
            const double sign = in[SIGN + j][i], p = in[PROBABILITY + j][i];
            const double n = a + d;
            const double E = (a - d) / n;
            S += sign * E;
            variance += (1.0 - E) * (1.0 + E) / n;
            weight += 1.0 / n;
            wins += sign > 0.0 ? a : d;
            losses += sign > 0.0 ? d : a;
            product *= sign;
            p_all += p;
            p_min = vm_min(p_min, p);
            possible &= (a >= 0.0) & (d >= 0.0) & (n <= QPHYS_LARGEST_COUNT);
            some &= n > 0.0;
            signs &= (sign == 1.0) | (sign == -1.0);
            shares &= p > 0.0;
            finite += n + sign + p;
        }
        double fault = signs & (product == 1.0) ? 0.0 : STATUS_BAD_OPTION;
        fault = (alpha >= 1e-300) & (alpha < 1.0) ? fault : STATUS_BAD_EPSILON;
        fault = shares & (fabs(p_all - 1.0) <= 1e-9) ? fault : STATUS_BAD_PROBABILITIES;
        fault = possible ? fault : STATUS_BAD_COUNTS;
        fault = finite * 0.0 == 0.0 ? fault : STATUS_NOT_FINITE;
        const double status = fault > 0.0 ? fault : (some ? STATUS_GOOD : STATUS_NO_SAMPLING_BOUND);
        const int good = status == STATUS_GOOD;

        /* Counts that are expected need not be whole: fewer wins, more losses. */
        const double c = good ? vm_floor(wins) : 0.0, n = good ? c + vm_ceil(losses) : 1.0;
        const double xi = good ? 1.0 - p_min : 0.75;
        const double excess = vm_max(S - 2.0, 0.0);
        out[0][i] = good ? S : (double)NAN;
        out[1][i] = good ? sqrt(variance) : (double)NAN;
        out[2][i] = good ? S - sqrt(-2.0 * weight * vm_log(alpha)) : (double)NAN;
        out[3][i] = good ? log_tail(n, c, xi) * LOG10_E : 0.0;
        out[4][i] = good ? -excess * excess / (2.0 * weight) * LOG10_E : 0.0;
        out[5][i] = status;
    }
}

/* Binary entropy in bits for 0 <= p <= 1/2, 1 above. */
QPHYS_INLINE double entropy(double p) {
    const double q = vm_min(p, 0.5);
    const double nats = q * vm_log(q) + (1.0 - q) * vm_log1p(-q);
    return q > 0.0 ? -nats * VM_BITS : 0.0;
}

/* Acin et al., PRL 98, 230501 (2007): 1 - f h(Q) - h((1 + sqrt(S^2 / 4 - 1)) / 2). */
LANE_KERNEL(chsh_di_rate_estimate) {
    (void)constant;
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        const double S = in[0][i], Q = in[1][i], f = in[2][i];
        double fault = f >= 1.0 ? 0.0 : STATUS_BAD_EFFICIENCY;
        fault = (Q >= 0.0) & (Q <= 1.0) & (S >= -4.0) & (S <= 4.0) ? fault : STATUS_BAD_PROBABILITIES;
        fault = (S + Q + f) * 0.0 == 0.0 ? fault : STATUS_NOT_FINITE;
        /* Counts can exceed the quantum limit by chance: then that limit. */
        const double square = vm_min(vm_max(0.25 * S * S - 1.0, 0.0), 1.0);
        const double information = S > 2.0 ? 1.0 - entropy(0.5 * (1.0 - sqrt(square))) : 0.0;
        const double rate = information - f * entropy(Q);
        double status = rate > 0.0 ? STATUS_GOOD : STATUS_NO_KEY;
        status = fault > 0.0 ? fault : status;
        out[0][i] = status == STATUS_GOOD ? rate : 0.0;
        out[1][i] = fault == 0.0 ? information : (double)NAN;
        out[2][i] = status;
    }
}
