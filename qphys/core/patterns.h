/* Set functions for click patterns: docs/physics/patterns.md gives the route.
 *
 * A set function f(S) over k detectors is held as its 2^k Moebius coefficients f^_T, f(S) = sum over T in S of f^_T, at
 * the index whose bit j is set where detector j is in T. Coefficients of all sizes, 1 and 1e-25, stand side by side, so
 * that products and quotients are formed of them by Leibniz's rule, D_i(a b) = D_i a (b + D_i b) + a D_i b, and values
 * of whole sets are never subtracted. Every function is made for k = 0..7 out of that for k - 1 (one detector, the
 * highest bit, splits an array into halves). A number is a vector of lanes as wide as the instruction set's registers:
 * lanes do not meet, so that every width gives the same bits. */
#ifndef QPHYS_PATTERNS_H
#define QPHYS_PATTERNS_H

#include "vmath.h"

#if defined(__AVX512F__)
#define PT_WIDTH 8
#elif defined(__AVX__)
#define PT_WIDTH 4
#else
#define PT_WIDTH 2
#endif
typedef double pt_lanes __attribute__((vector_size(PT_WIDTH * sizeof(double)), may_alias));
typedef long long pt_mask __attribute__((vector_size(PT_WIDTH * sizeof(long long)), may_alias));
#define PT_ALL(value) ((pt_lanes){0} + (value)) /* +0.0 + value: not for a value of -0.0 */

/* Lanes of a where the mask of a comparison holds, of b elsewhere. */
QPHYS_INLINE pt_lanes pt_select(pt_mask mask, pt_lanes a, pt_lanes b) {
    return (pt_lanes)((mask & (pt_mask)a) | (~mask & (pt_mask)b));
}

/* ---- one number, k = 0 ------------------------------------------------------------------------------------------- */

QPHYS_INLINE void pt_product_0(pt_lanes *o, const pt_lanes *a, const pt_lanes *b) { o[0] = a[0] * b[0]; }
QPHYS_INLINE void pt_add_product_0(pt_lanes *o, const pt_lanes *a, const pt_lanes *b) { o[0] += a[0] * b[0]; }
QPHYS_INLINE void pt_subtract_product_0(pt_lanes *o, const pt_lanes *a, const pt_lanes *b) { o[0] -= a[0] * b[0]; }
QPHYS_INLINE pt_lanes pt_product_top_0(const pt_lanes *a, const pt_lanes *b) { return a[0] * b[0]; }
QPHYS_INLINE void pt_divide_0(pt_lanes *u, const pt_lanes *d) { u[0] /= 1.0 + d[0]; }
QPHYS_INLINE void pt_connect_0(pt_lanes *a, const pt_lanes *x) { (void)a, (void)x; }
QPHYS_INLINE void pt_compose_0(pt_lanes *e) { (void)e; }
QPHYS_INLINE pt_lanes pt_compose_top_0(pt_lanes *e) { return e[0]; }

/* ---- k detectors out of `less` = k - 1 --------------------------------------------------------------------------- */

#define PT_PRODUCT(form, name, k, less)                                                                                \
    form void name##_##k(pt_lanes *restrict o, const pt_lanes *restrict a, const pt_lanes *restrict b) {               \
        enum { half = 1 << less };                                                                                     \
        pt_lanes with[half];                                                                                           \
        for (int s = 0; s < half; s++)                                                                                 \
            with[s] = b[s] + b[half + s];                                                                              \
        name##_##less(o, a, b);                                                                                        \
        name##_##less(o + half, a + half, with);                                                                       \
        PT_ACCUMULATE_##name(less)(o + half, a, b + half);                                                             \
    }
#define PT_ACCUMULATE_pt_product(less) pt_add_product_##less
#define PT_ACCUMULATE_pt_add_product(less) pt_add_product_##less
#define PT_ACCUMULATE_pt_subtract_product(less) pt_subtract_product_##less

#define PT_FUNCTIONS(form, k, less)                                                                                    \
    PT_PRODUCT(form, pt_add_product, k, less)                                                                          \
    PT_PRODUCT(form, pt_subtract_product, k, less)                                                                     \
    PT_PRODUCT(form, pt_product, k, less)                                                                              \
    /* The coefficient of the whole set in a b. */                                                                     \
    form pt_lanes pt_product_top_##k(const pt_lanes *restrict a, const pt_lanes *restrict b) {                         \
        enum { half = 1 << less };                                                                                     \
        pt_lanes with[half];                                                                                           \
        for (int s = 0; s < half; s++)                                                                                 \
            with[s] = b[s] + b[half + s];                                                                              \
        return pt_product_top_##less(a + half, with) + pt_product_top_##less(a, b + half);                             \
    }                                                                                                                  \
    /* u becomes u / (1 + d). */                                                                                       \
    form void pt_divide_##k(pt_lanes *restrict u, const pt_lanes *restrict d) {                                        \
        enum { half = 1 << less };                                                                                     \
        pt_lanes with[half];                                                                                           \
        for (int s = 0; s < half; s++)                                                                                 \
            with[s] = d[s] + d[half + s];                                                                              \
        pt_divide_##less(u, d);                                                                                        \
        pt_subtract_product_##less(u + half, u, d + half);                                                             \
        pt_divide_##less(u + half, with);                                                                              \
    }                                                                                                                  \
    /* Of 1 + x a: a[T] becomes w_T, log1p(x w_T) being the connected part of log(1 + x a), without differences. */    \
    form void pt_connect_##k(pt_lanes *restrict a, const pt_lanes *restrict x) {                                       \
        enum { half = 1 << less };                                                                                     \
        pt_lanes scaled[half];                                                                                         \
        for (int s = 0; s < half; s++)                                                                                 \
            scaled[s] = *x * a[s];                                                                                     \
        pt_divide_##less(a + half, scaled);                                                                            \
        pt_connect_##less(a, x);                                                                                       \
        pt_connect_##less(a + half, x);                                                                                \
    }                                                                                                                  \
    /* The way back: from e_T = expm1(connected part) to the coefficients of exp(their sums) - 1. */                   \
    form void pt_compose_##k(pt_lanes *restrict e) {                                                                   \
        enum { half = 1 << less };                                                                                     \
        pt_lanes change[half];                                                                                         \
        pt_compose_##less(e);                                                                                          \
        pt_compose_##less(e + half);                                                                                   \
        pt_product_##less(change, e, e + half);                                                                        \
        for (int s = 0; s < half; s++)                                                                                 \
            e[half + s] += change[s];                                                                                  \
    }                                                                                                                  \
    /* The same for the whole set alone; e is spoilt. */                                                               \
    form pt_lanes pt_compose_top_##k(pt_lanes *restrict e) {                                                           \
        enum { half = 1 << less };                                                                                     \
        pt_compose_##less(e);                                                                                          \
        pt_compose_##less(e + half);                                                                                   \
        return e[2 * half - 1] + pt_product_top_##less(e, e + half);                                                   \
    }

/* Small ones dissolve into their callers. */
PT_FUNCTIONS(QPHYS_INLINE, 1, 0)
PT_FUNCTIONS(QPHYS_INLINE, 2, 1)
PT_FUNCTIONS(__attribute__((unused)) static, 3, 2)
PT_FUNCTIONS(__attribute__((unused)) static, 4, 3)
PT_FUNCTIONS(__attribute__((unused)) static, 5, 4)
PT_FUNCTIONS(__attribute__((unused)) static, 6, 5)
PT_FUNCTIONS(__attribute__((unused)) static, 7, 6)
PT_FUNCTIONS(__attribute__((unused)) static, 8, 7)

/* ---- quotients where 1 / values are known ------------------------------------------------------------------------ */

QPHYS_INLINE void pt_quotient_0(pt_lanes *u, const pt_lanes *d, const pt_lanes *r) { (void)d, u[0] *= r[0]; }
QPHYS_INLINE pt_lanes pt_quotient_top_0(pt_lanes *u, const pt_lanes *d, const pt_lanes *r) {
    (void)d;
    return u[0] * r[0];
}
QPHYS_INLINE void pt_inverse_0(pt_lanes *u, const pt_lanes *d, const pt_lanes *r) { (void)d, u[0] = r[0]; }
QPHYS_INLINE pt_lanes pt_inverse_top_0(const pt_lanes *d, const pt_lanes *r) {
    (void)d;
    return r[0];
}

#define PT_INVERSES(k, less)                                                                                           \
    /* u becomes u / d, r being the values of 1 / d at every set. */                                                   \
    QPHYS_INLINE void pt_quotient_##k(pt_lanes *restrict u, const pt_lanes *restrict d, const pt_lanes *restrict r) {  \
        enum { half = 1 << less };                                                                                     \
        pt_lanes with[half];                                                                                           \
        for (int s = 0; s < half; s++)                                                                                 \
            with[s] = d[s] + d[half + s];                                                                              \
        pt_quotient_##less(u, d, r);                                                                                   \
        pt_subtract_product_##less(u + half, u, d + half);                                                             \
        pt_quotient_##less(u + half, with, r + half);                                                                  \
    }                                                                                                                  \
    /* The coefficient of the whole set in u / d; u is spoilt. */                                                      \
    QPHYS_INLINE pt_lanes pt_quotient_top_##k(pt_lanes *restrict u, const pt_lanes *restrict d,                        \
                                              const pt_lanes *restrict r) {                                            \
        enum { half = 1 << less };                                                                                     \
        pt_lanes with[half];                                                                                           \
        for (int s = 0; s < half; s++)                                                                                 \
            with[s] = d[s] + d[half + s];                                                                              \
        pt_quotient_##less(u, d, r);                                                                                   \
        pt_subtract_product_##less(u + half, u, d + half);                                                             \
        return pt_quotient_top_##less(u + half, with, r + half);                                                       \
    }                                                                                                                  \
    /* u = 1 / d. */                                                                                                   \
    QPHYS_INLINE void pt_inverse_##k(pt_lanes *restrict u, const pt_lanes *restrict d, const pt_lanes *restrict r) {   \
        enum { half = 1 << less };                                                                                     \
        pt_lanes with[half];                                                                                           \
        pt_inverse_##less(u, d, r);                                                                                    \
        for (int s = 0; s < half; s++) {                                                                               \
            with[s] = d[s] + d[half + s];                                                                              \
            u[half + s] = (pt_lanes){0};                                                                               \
        }                                                                                                              \
        pt_subtract_product_##less(u + half, u, d + half);                                                             \
        pt_quotient_##less(u + half, with, r + half);                                                                  \
    }                                                                                                                  \
    /* The coefficient of the whole set in 1 / d. */                                                                   \
    QPHYS_INLINE pt_lanes pt_inverse_top_##k(const pt_lanes *restrict d, const pt_lanes *restrict r) {                 \
        enum { half = 1 << less };                                                                                     \
        pt_lanes u[2 * half], with[half];                                                                              \
        pt_inverse_##less(u, d, r);                                                                                    \
        for (int s = 0; s < half; s++) {                                                                               \
            with[s] = d[s] + d[half + s];                                                                              \
            u[half + s] = (pt_lanes){0};                                                                               \
        }                                                                                                              \
        pt_subtract_product_##less(u + half, u, d + half);                                                             \
        return pt_quotient_top_##less(u + half, with, r + half);                                                       \
    }
PT_INVERSES(1, 0)
PT_INVERSES(2, 1)
PT_INVERSES(3, 2)
PT_INVERSES(4, 3)

#define PT_BY_SIZE(function, k, ...)                                                                                   \
    do {                                                                                                               \
        switch (k) {                                                                                                   \
        case 0:                                                                                                        \
            function##_0(__VA_ARGS__);                                                                                 \
            break;                                                                                                     \
        case 1:                                                                                                        \
            function##_1(__VA_ARGS__);                                                                                 \
            break;                                                                                                     \
        case 2:                                                                                                        \
            function##_2(__VA_ARGS__);                                                                                 \
            break;                                                                                                     \
        case 3:                                                                                                        \
            function##_3(__VA_ARGS__);                                                                                 \
            break;                                                                                                     \
        case 4:                                                                                                        \
            function##_4(__VA_ARGS__);                                                                                 \
            break;                                                                                                     \
        case 5:                                                                                                        \
            function##_5(__VA_ARGS__);                                                                                 \
            break;                                                                                                     \
        case 6:                                                                                                        \
            function##_6(__VA_ARGS__);                                                                                 \
            break;                                                                                                     \
        default:                                                                                                       \
            function##_7(__VA_ARGS__);                                                                                 \
            break;                                                                                                     \
        }                                                                                                              \
    } while (0)

#endif
