/* exp, expm1, log, log1p without branches or tables, so that a loop over lanes becomes vector code (libm stops that).
 * Below 1 ulp against mpmath (expm1 and log1p below 2), for every double; NaN gives NaN, the ends are IEEE's. Built of
 * additions, multiplications, divisions and selects only, each correctly rounded: every instruction set gives the same
 * bits. Reductions and polynomials are those of FreeBSD's msun (e_exp.c, e_log.c; Sun Microsystems, 1993). */
#ifndef QPHYS_VMATH_H
#define QPHYS_VMATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__)
#define QPHYS_INLINE static inline __attribute__((always_inline, unused))
#else
#define QPHYS_INLINE static inline
#endif

#define VM_LN2_HIGH 6.93147180369123816490e-01 /* its last 32 bits are zero: k * VM_LN2_HIGH is exact */
#define VM_LN2_LOW 1.90821492927058770002e-10
#define VM_BITS 1.44269504088896338700 /* bits a nat, 1 / ln 2 */
#define VM_PI 3.14159265358979311600
#define VM_2P52 4503599627370496.0

QPHYS_INLINE uint64_t vm_bits(double x) {
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

QPHYS_INLINE double vm_double(uint64_t u) {
    double x;
    memcpy(&x, &u, sizeof x);
    return x;
}

QPHYS_INLINE double vm_max(double a, double b) { return a > b ? a : b; }
QPHYS_INLINE double vm_min(double a, double b) { return a < b ? a : b; }

/* For |x| < 2^51: adding 1.5 * 2^52 rounds to the nearest whole number. */
QPHYS_INLINE double vm_round(double x) { return (x + 1.5 * VM_2P52) - 1.5 * VM_2P52; }
QPHYS_INLINE double vm_floor(double x) {
    const double r = vm_round(x);
    return r > x ? r - 1.0 : r;
}
QPHYS_INLINE double vm_ceil(double x) {
    const double r = vm_round(x);
    return r < x ? r + 1.0 : r;
}

/* 2^k for whole -1022 <= k <= 1023. */
QPHYS_INLINE double vm_exp2_whole(double k) { return vm_double(vm_bits(k + (VM_2P52 + 1023.0)) << 52); }

/* exp(r) = 1 + (r + vm_exp_tail), r = high - low, |r| <= ln(2)/2; e_exp.c */
QPHYS_INLINE double vm_exp_tail(double r, double low) {
    const double t = r * r;
    const double c = r - t * (1.66666666666666019037e-01 +
                              t * (-2.77777777770155933842e-03 +
                                   t * (6.61375632143793436117e-05 +
                                        t * (-1.65339022054652515390e-06 + t * 4.13813679705723846039e-08))));
    return (r * c) / (2.0 - c) - low;
}

QPHYS_INLINE double vm_exp(double x) {
    const double y = vm_min(vm_max(x, -750.0), 720.0);
    const double k = vm_round(y * VM_BITS);
    const double high = y - k * VM_LN2_HIGH;
    const double low = k * VM_LN2_LOW;
    const double e = 1.0 + (vm_exp_tail(high - low, low) + high);
    const double half = vm_round(0.5 * k); /* in two steps: 2^k itself may be subnormal or overflow */
    const double value = e * vm_exp2_whole(half) * vm_exp2_whole(k - half);
    return x == x ? value : x;
}

/* For |x| <= 700; beyond, some number, to be masked by the caller. */
QPHYS_INLINE double vm_exp_normal(double x) {
    const double k = vm_round(x * VM_BITS);
    const double high = x - k * VM_LN2_HIGH;
    const double low = k * VM_LN2_LOW;
    return (1.0 + (vm_exp_tail(high - low, low) + high)) * vm_exp2_whole(k);
}

QPHYS_INLINE double vm_expm1(double x) {
    const double y = vm_min(vm_max(x, -60.0), 720.0);
    const double k = vm_round(y * VM_BITS);
    const double high = y - k * VM_LN2_HIGH;
    const double low = k * VM_LN2_LOW;
    const double e = vm_exp_tail(high - low, low) + high;
    const double s = vm_exp2_whole(vm_min(k - 1.0, 1023.0)); /* half of 2^k, which may overflow */
    const double value = k == 0.0 ? e : 2.0 * (s * e + (s - 0.5));
    const double tiny = fabs(x) < 1e-300 ? x : value; /* where squares underflow */
    return x != x ? x : (x > 709.8 ? (double)INFINITY : tiny);
}

/* log(1 + f) less its first term f, for 1 + f in [sqrt(1/2), sqrt(2)], plus carry; e_log.c */
QPHYS_INLINE double vm_log_tail(double f, double carry) {
    const double s = f / (2.0 + f);
    const double z = s * s;
    const double w = z * z;
    const double t1 = w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01));
    const double t2 =
        z * (6.666666666666735130e-01 +
             w * (2.857142874366239149e-01 + w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)));
    const double half_square = 0.5 * f * f;
    return s * (half_square + (t1 + t2)) + carry - half_square;
}

/* x = 2^k m with m in [sqrt(1/2), sqrt(2)), x normal and positive */
QPHYS_INLINE double vm_split(double x, double *k) {
    const uint64_t u = vm_bits(x) + (UINT64_C(0x3ff0000000000000) - UINT64_C(0x3fe6a09e00000000));
    *k = vm_double((u >> 52) | UINT64_C(0x4330000000000000)) - (VM_2P52 + 1023.0);
    return vm_double((u & UINT64_C(0x000fffffffffffff)) + UINT64_C(0x3fe6a09e00000000));
}

/* Of a normal positive number; any other gives some number, to be masked by the caller. */
QPHYS_INLINE double vm_log_normal(double x) {
    double k;
    const double f = vm_split(x, &k) - 1.0;
    return k * VM_LN2_HIGH + (vm_log_tail(f, k * VM_LN2_LOW) + f);
}

QPHYS_INLINE double vm_log(double x) {
    const int small = x < 2.2250738585072014e-308;
    const double y = small ? x * 18014398509481984.0 : x; /* 2^54: subnormals become normal */
    double k;
    const double f = vm_split(y, &k) - 1.0;
    k = small ? k - 54.0 : k;
    const double value = k * VM_LN2_HIGH + (vm_log_tail(f, k * VM_LN2_LOW) + f);
    const double ends = x == 0.0 ? -(double)INFINITY : (x > 0.0 ? value : (double)NAN);
    return x < (double)INFINITY ? ends : x;
}

QPHYS_INLINE double vm_log1p(double x) {
    const double u = 1.0 + x;
    const double lost = x < 1.0 ? x - (u - 1.0) : 1.0 - (u - x); /* u + lost = 1 + x exactly */
    double k;
    const double f = vm_split(u, &k) - 1.0;
    const double value = k * VM_LN2_HIGH + (vm_log_tail(f, k * VM_LN2_LOW + lost / u) + f);
    const double tiny = fabs(x) < 1e-300 ? x : value;
    const double ends = x == -1.0 ? -(double)INFINITY : (x > -1.0 ? tiny : (double)NAN);
    return x < (double)INFINITY ? ends : x;
}

/* Binary entropy for 0 <= p <= 1/2, to the accuracy of 1 - p. */
QPHYS_INLINE double vm_entropy(double p) {
    const double nats = p * vm_log_normal(p) + (1.0 - p) * vm_log_normal(1.0 - p);
    return p > 0.0 ? -nats * VM_BITS : 0.0;
}

#endif
