/* The functions of vmath.h as a kernel of their own, so that tests can hold them against mpmath. */
#include "kernels.h"
#include "vmath.h"

LANE_KERNEL(elementary) {
    (void)constant;
    const double *restrict x = in[0];
    double *restrict e = out[0], *restrict em1 = out[1], *restrict l = out[2], *restrict l1p = out[3];
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        e[i] = vm_exp(x[i]);
        em1[i] = vm_expm1(x[i]);
        l[i] = vm_log(x[i]);
        l1p[i] = vm_log1p(x[i]);
    }
}
