/* The sampling bound of sampling_bound.h as a kernel of its own: whole numbers in, the bound on the key's errors out.
 */
#include "sampling_bound.h"

LANE_KERNEL(errors_upper) {
    (void)constant;
    double v[QPHYS_LANES], k[QPHYS_LANES], n[QPHYS_LANES], log_eps[QPHYS_LANES], bound[QPHYS_LANES];
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        const int good = in[0][i] >= 0.0 && in[1][i] >= 1.0 && in[2][i] >= 1.0 && in[0][i] <= in[1][i] &&
                         in[1][i] <= QPHYS_LARGEST_COUNT && in[2][i] <= QPHYS_LARGEST_COUNT && in[3][i] < 0.0 &&
                         in[3][i] >= -1e6;
        v[i] = good ? vm_ceil(in[0][i]) : 0.0;
        k[i] = good ? vm_floor(in[1][i]) : 1.0;
        n[i] = good ? vm_floor(in[2][i]) : 1.0;
        log_eps[i] = good ? in[3][i] : -1.0;
    }
    sb_errors_upper(lanes, v, k, n, log_eps, bound);
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++)
        out[0][i] = in[0][i] <= in[1][i] && in[3][i] < 0.0 ? bound[i] : (double)NAN;
}
