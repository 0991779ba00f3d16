/* The inequalities of tail_bound.h as kernels of their own. */
#include "tail_bound.h"

LANE_KERNEL(mean_bounds) {
    (void)constant;
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        const double x = in[0][i], total = in[1][i], beta = in[2][i], tail = in[3][i], share = in[4][i];
        const int good = (x >= 0.0) & (x <= total) & (total <= QPHYS_LARGEST_COUNT) & (beta > 0.0) & (beta <= 1e6) &
                         (tail >= 0.0) & (tail < TAILS) & (tail != KATO_2020 || (share >= 0.0 && share <= 1.0));
        const struct tb_interval at = tb_mean(tail, good ? x : 0.0, good ? total : 1.0, good ? beta : 1.0, share);
        out[0][i] = good ? at.lower : (double)NAN;
        out[1][i] = good ? at.upper : (double)NAN;
    }
}

LANE_KERNEL(taken_lower) {
    (void)constant;
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        const double all = in[0][i], share = in[1][i], beta = in[2][i], tail = in[3][i];
        const int good = (all >= 0.0) & (all <= QPHYS_LARGEST_COUNT) & (share >= 0.0) & (share <= 1.0) & (beta > 0.0) &
                         (beta <= 1e6) & (tail >= 0.0) & (tail < TAILS);
        const double least = tb_taken(tail, good ? all : 1.0, good ? share : 0.5, good ? beta : 1.0);
        out[0][i] = good ? least : (double)NAN;
    }
}
