/* The inequalities of tail_bound.h as kernels of their own. */
#include "tail_bound.h"

LANE_KERNEL(mean_bounds) {
    (void)constant;
    double x[QPHYS_LANES], total[QPHYS_LANES], beta[QPHYS_LANES], tail[QPHYS_LANES];
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        const double share = in[4][i];
        const int good = (in[0][i] >= 0.0) & (in[0][i] <= in[1][i]) & (in[1][i] <= QPHYS_LARGEST_COUNT) &
                         (in[2][i] > 0.0) & (in[2][i] <= 1e6) &
                         ((in[3][i] != KATO_2020) | ((share >= 0.0) & (share <= 1.0)));
        x[i] = good ? in[0][i] : 0.0;
        total[i] = good ? in[1][i] : 1.0;
        beta[i] = good ? in[2][i] : 1.0;
        tail[i] = good ? in[3][i] : -1.0; /* of none the bounds are NaN */
    }
    tb_fill(lanes, tail, x, total, beta, in[4], out[0], out[1]);
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
