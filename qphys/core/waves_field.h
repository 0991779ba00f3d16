/* Kernels on a complex field, once a precision: included by waves.c with REAL, FIELD(name), SINCOS. No include guard.
 */

typedef struct {
    REAL re, im;
} FIELD(complex);

#define ROW(array, y) ((array).data + (y) * (array).stride[0])
#define SIDE_BY_SIDE(array, dimension, type) ((array).stride[dimension] == (ptrdiff_t)sizeof(type))

/* to = from * exp(i scale phase) * window; the strides are constants where rows lie side by side. */
QPHYS_INLINE void FIELD(phase_row)(ptrdiff_t m, const char *from, ptrdiff_t from_step, const char *phase,
                                   ptrdiff_t phase_step, const char *window, ptrdiff_t window_step, char *to,
                                   ptrdiff_t to_step, REAL scale, REAL row_window) {
#pragma omp simd
    for (ptrdiff_t x = 0; x < m; x++) {
        const FIELD(complex) u = *(const FIELD(complex) *)(from + x * from_step);
        const REAL a = row_window * (REAL) * (const float *)(window + x * window_step);
        REAL sine, cosine;
        SINCOS(scale * (REAL) * (const float *)(phase + x * phase_step), &sine, &cosine);
        const REAL c = a * cosine, s = a * sine, minus_s = -s;
        ((FIELD(complex) *)(to + x * to_step))->re = u.re * c + u.im * minus_s;
        ((FIELD(complex) *)(to + x * to_step))->im = u.re * s + u.im * c;
    }
}

/* to = from * row_factor * factor. Sums only: of a difference beside a sum gcc makes a fused vfmaddsub, whatever
 * -ffp-contract says. */
QPHYS_INLINE void FIELD(separable_row)(ptrdiff_t m, const char *from, ptrdiff_t from_step, const char *factor,
                                       ptrdiff_t factor_step, char *to, ptrdiff_t to_step, FIELD(complex) row_factor) {
    const REAL minus_row_im = -row_factor.im;
#pragma omp simd
    for (ptrdiff_t x = 0; x < m; x++) {
        const FIELD(complex) u = *(const FIELD(complex) *)(from + x * from_step);
        const FIELD(complex) f = *(const FIELD(complex) *)(factor + x * factor_step);
        const REAL c = row_factor.re * f.re + minus_row_im * f.im;
        const REAL s = row_factor.re * f.im + row_factor.im * f.re;
        const REAL minus_s = -s;
        ((FIELD(complex) *)(to + x * to_step))->re = u.re * c + u.im * minus_s;
        ((FIELD(complex) *)(to + x * to_step))->im = u.re * s + u.im * c;
    }
}

/* Sums in double over a fixed number of partial sums, so that every instruction set adds in one order. */
QPHYS_INLINE void FIELD(overlap_row)(ptrdiff_t m, const char *a, ptrdiff_t a_step, const char *b, ptrdiff_t b_step,
                                     double re[PARTIAL_SUMS], double im[PARTIAL_SUMS]) {
    for (ptrdiff_t x = 0; x < m; x += PARTIAL_SUMS) {
        const ptrdiff_t lanes = m - x < PARTIAL_SUMS ? m - x : PARTIAL_SUMS;
#pragma omp simd
        for (ptrdiff_t k = 0; k < lanes; k++) {
            const FIELD(complex) u = *(const FIELD(complex) *)(a + (x + k) * a_step);
            const FIELD(complex) v = *(const FIELD(complex) *)(b + (x + k) * b_step);
            re[k] += (double)u.re * (double)v.re + (double)u.im * (double)v.im;
            im[k] += (double)u.re * (double)v.im + (-(double)u.im) * (double)v.re;
        }
    }
}

QPHYS_INLINE void FIELD(power_row)(ptrdiff_t m, const char *field, ptrdiff_t field_step, const char *weight,
                                   ptrdiff_t weight_step, double sum[PARTIAL_SUMS]) {
    for (ptrdiff_t x = 0; x < m; x += PARTIAL_SUMS) {
        const ptrdiff_t lanes = m - x < PARTIAL_SUMS ? m - x : PARTIAL_SUMS;
#pragma omp simd
        for (ptrdiff_t k = 0; k < lanes; k++) {
            const FIELD(complex) u = *(const FIELD(complex) *)(field + (x + k) * field_step);
            const double w = (double)*(const float *)(weight + (x + k) * weight_step);
            sum[k] += w * ((double)u.re * (double)u.re + (double)u.im * (double)u.im);
        }
    }
}

static inline void FIELD(multiply_phase)(const ptrdiff_t *size, const struct qphys_array *array) {
    const ptrdiff_t n = size[0], m = size[1];
    const struct qphys_array u = array[0], phase = array[1], window = array[4], out = array[5];
    const REAL scale = (REAL)*QPHYS_AT0(const double, array[2]);
    const ptrdiff_t wide = (ptrdiff_t)sizeof(FIELD(complex)), narrow = (ptrdiff_t)sizeof(float);
    const int plain = SIDE_BY_SIDE(u, 1, FIELD(complex)) && SIDE_BY_SIDE(phase, 1, float) &&
                      SIDE_BY_SIDE(window, 0, float) && SIDE_BY_SIDE(out, 1, FIELD(complex));
    for (ptrdiff_t y = 0; y < n; y++) {
        const REAL row_window = (REAL)*QPHYS_AT1(const float, array[3], y);
        if (plain)
            FIELD(phase_row)
        (m, ROW(u, y), wide, ROW(phase, y), narrow, window.data, narrow, ROW(out, y), wide, scale, row_window);
        else FIELD(phase_row)(m, ROW(u, y), u.stride[1], ROW(phase, y), phase.stride[1], window.data, window.stride[0],
                              ROW(out, y), out.stride[1], scale, row_window);
    }
}

static inline void FIELD(multiply_separable)(const ptrdiff_t *size, const struct qphys_array *array) {
    const ptrdiff_t n = size[0], m = size[1];
    const struct qphys_array u = array[0], factor = array[2], out = array[3];
    const ptrdiff_t wide = (ptrdiff_t)sizeof(FIELD(complex));
    const int plain = SIDE_BY_SIDE(u, 1, FIELD(complex)) && SIDE_BY_SIDE(factor, 0, FIELD(complex)) &&
                      SIDE_BY_SIDE(out, 1, FIELD(complex));
    for (ptrdiff_t y = 0; y < n; y++) {
        const FIELD(complex) row_factor = *QPHYS_AT1(const FIELD(complex), array[1], y);
        if (plain)
            FIELD(separable_row)(m, ROW(u, y), wide, factor.data, wide, ROW(out, y), wide, row_factor);
        else
            FIELD(separable_row)
        (m, ROW(u, y), u.stride[1], factor.data, factor.stride[0], ROW(out, y), out.stride[1], row_factor);
    }
}

static inline void FIELD(overlap)(const ptrdiff_t *size, const struct qphys_array *array) {
    const struct qphys_array a = array[0], b = array[1];
    const ptrdiff_t wide = (ptrdiff_t)sizeof(FIELD(complex));
    const int plain = SIDE_BY_SIDE(a, 1, FIELD(complex)) && SIDE_BY_SIDE(b, 1, FIELD(complex));
    double re[PARTIAL_SUMS] = {0.0}, im[PARTIAL_SUMS] = {0.0};
    for (ptrdiff_t y = 0; y < size[0]; y++)
        if (plain)
            FIELD(overlap_row)(size[1], ROW(a, y), wide, ROW(b, y), wide, re, im);
        else
            FIELD(overlap_row)(size[1], ROW(a, y), a.stride[1], ROW(b, y), b.stride[1], re, im);
    double *out = QPHYS_AT0(double, array[2]);
    out[0] = added(re);
    out[1] = added(im);
}

static inline void FIELD(power)(const ptrdiff_t *size, const struct qphys_array *array) {
    const struct qphys_array u = array[0], weight = array[1];
    const ptrdiff_t wide = (ptrdiff_t)sizeof(FIELD(complex)), narrow = (ptrdiff_t)sizeof(float);
    const int plain = SIDE_BY_SIDE(u, 1, FIELD(complex)) && SIDE_BY_SIDE(weight, 1, float);
    double sum[PARTIAL_SUMS] = {0.0};
    for (ptrdiff_t y = 0; y < size[0]; y++)
        if (plain)
            FIELD(power_row)(size[1], ROW(u, y), wide, ROW(weight, y), narrow, sum);
        else
            FIELD(power_row)(size[1], ROW(u, y), u.stride[1], ROW(weight, y), weight.stride[1], sum);
    *QPHYS_AT0(double, array[2]) = added(sum);
}

#undef ROW
#undef SIDE_BY_SIDE
