/* Wave optics: spectra of random phase screens, the screens themselves, and products and sums over a field.
 *
 * A screen is a sum of plane waves whose frequencies are drawn: one common offset for the whole grid of the Fourier
 * transform, and a frequency of its own in each cell of some finer 3 x 3 levels about the origin (randomised spectral
 * sampling; Paulson, Wu, Davis, JOSA B 36, 3249 (2019)). Its structure function is then that of the spectrum itself,
 * which a fixed grid misses by tens of per cent. Frequencies are in cells of the grid, 1/X for a grid X wide; a unit
 * screen has the spectrum (f^2 + q^2)^(-11/6). Every draw has the address (seed, stream, realisation, screen). */
#include "kernels.h"
#include "philox.h"
#include "vmath.h"

#define PARTIAL_SUMS 16
#define NORMALS_AT_ONCE 128 /* complex; a multiple of 8, the halves of a Philox block */
#define TERMS 11            /* of exp(i a), |a| <= pi/2: the next one is (pi/2)^11/11! = 4e-6 */

static inline double added(const double sum[PARTIAL_SUMS]) {
    double half[PARTIAL_SUMS / 2];
    for (int k = 0; k < PARTIAL_SUMS / 2; k++)
        half[k] = sum[k] + sum[k + PARTIAL_SUMS / 2];
    return ((half[0] + half[4]) + (half[1] + half[5])) + ((half[2] + half[6]) + (half[3] + half[7]));
}

/* ---- elementary functions ---------------------------------------------------------------------------------------- */

QPHYS_INLINE uint32_t bits_f(float x) {
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

QPHYS_INLINE float float_of(uint32_t u) {
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* For |a| <= pi/4; polynomials of Cephes (sinf.c), 6e-8. */
QPHYS_INLINE void octant_f(float a, float *sine, float *cosine) {
    const float z = a * a;
    *sine = ((-1.9515295891e-4f * z + 8.3321608736e-3f) * z - 1.6666654611e-1f) * z * a + a;
    *cosine =
        ((2.443315711809948e-5f * z - 1.388731625493765e-3f) * z + 4.166664568298827e-2f) * z * z - 0.5f * z + 1.0f;
}

/* The octant's pair turned by whole quadrants. */
QPHYS_INLINE void turned_f(uint32_t quadrant, float s, float c, float *sine, float *cosine) {
    const float a = quadrant & 1 ? c : s, b = quadrant & 1 ? s : c;
    *sine = quadrant & 2 ? -a : a;
    *cosine = (quadrant + 1) & 2 ? -b : b;
}

/* For |a| up to some thousands; beyond, the argument itself has lost its digits. */
QPHYS_INLINE void sincos_f(float a, float *sine, float *cosine) {
    const float shifted = a * 0.63661977236758134f + 12582912.0f; /* 1.5 * 2^23: the last bits are the whole number */
    const float k = shifted - 12582912.0f;
    const float r = ((a - k * 1.5703125f) - k * 4.837512969970703125e-4f) - k * 7.549789948768648e-8f;
    float s, c;
    octant_f(r, &s, &c);
    turned_f(bits_f(shifted), s, c, sine, cosine);
}

/* For |a| < 2^20; reduction and polynomials of FreeBSD's msun (e_rem_pio2.c, k_sin.c, k_cos.c). */
QPHYS_INLINE void sincos_d(double a, double *sine, double *cosine) {
    const double shifted = a * 0.63661977236758134308 + 1.5 * VM_2P52;
    const double k = shifted - 1.5 * VM_2P52;
    const double r = (a - k * 1.57079632673412561417e+00) - k * 6.07710050650619224932e-11;
    const double z = r * r;
    const double s = r + r * z *
                             (-1.66666666666666324348e-01 +
                              z * (8.33333333332248946124e-03 +
                                   z * (-1.98412698298579493134e-04 +
                                        z * (2.75573137070700676789e-06 +
                                             z * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10)))));
    const double c =
        1.0 - (0.5 * z - z * z *
                             (4.16666666666666019037e-02 +
                              z * (-1.38888888888741095749e-03 +
                                   z * (2.48015872894767294178e-05 +
                                        z * (-2.75573143513906633035e-07 +
                                             z * (2.08757232129817482790e-09 + z * -1.13596475577881948265e-11))))));
    const uint64_t quadrant = vm_bits(shifted);
    const double first = quadrant & 1 ? c : s, second = quadrant & 1 ? s : c;
    *sine = quadrant & 2 ? -first : first;
    *cosine = (quadrant + 1) & 2 ? -second : second;
}

/* x = 2^k (1 + z) with 1 + z in [sqrt(1/2), sqrt(2)), for normal positive x. */
QPHYS_INLINE float split_f(float x, float *k) {
    const uint32_t u = bits_f(x) + (0x3f800000u - 0x3f3504f3u);
    *k = (float)((int32_t)(u >> 23) - 127);
    return float_of((u & 0x007fffffu) + 0x3f3504f3u) - 1.0f;
}

/* For normal positive x; the polynomial interpolates log(1 + z)/z at Chebyshev nodes, 1.3e-6. */
QPHYS_INLINE float log_f(float x) {
    float k;
    const float z = split_f(x, &k);
    float p = 1.165780614e-1f;
    p = p * z - 1.857384013e-1f;
    p = p * z + 2.052544362e-1f;
    p = p * z - 2.492033626e-1f;
    p = p * z + 3.331356329e-1f;
    p = p * z - 5.000087739e-1f;
    p = p * z + 1.000001027f;
    return k * 0.69314718f + p * z;
}

/* x^(-11/12) = (1 + z)^(1/12) 2^(k/12) / x for normal positive x; polynomials at Chebyshev nodes, 1e-5 in all. */
QPHYS_INLINE float power_law_f(float x) {
    float k;
    const float z = split_f(x, &k);
    const float shifted = k * (1.0f / 12.0f) + 12582912.0f;
    const float f = k * (1.0f / 12.0f) - (shifted - 12582912.0f);
    float root = -1.549886548e-2f;
    root = root * z + 2.607802516e-2f;
    root = root * z - 3.847741685e-2f;
    root = root * z + 8.329170411e-2f;
    root = root * z + 1.000003172f;
    float two = 9.666368515e-3f;
    two = two * f + 5.592197584e-2f;
    two = two * f + 2.402234904e-1f;
    two = two * f + 6.931210452e-1f;
    two = two * f + 1.0f;
    return root * two * float_of((bits_f(shifted) + 127u) << 23) / x;
}

/* ---- screens ----------------------------------------------------------------------------------------------------- */

/* Two independent standard normals from 32 bits (Box and Muller 1958): 18 for the radius, up to 5.1, and 14 for the
 * angle. Midpoints keep the variance to 1.3e-6, and equal angles every moment that a screen can show. */
QPHYS_INLINE void normal_pair(uint32_t bits, float *re, float *im) {
    const float u = ((float)(int32_t)(bits >> 14) + 0.5f) * 0x1p-18f;
    const float radius = sqrtf(-2.0f * log_f(u));
    const float angle = (float)((int32_t)(bits & 0xfffu) - 0x800) * 3.8349519697141029e-4f; /* pi/8192 */
    float s, c, sine, cosine;
    octant_f(angle, &s, &c);
    turned_f(bits >> 12, s, c, &sine, &cosine);
    *re = radius * cosine;
    *im = radius * sine;
}

/* Halves of the words from the block `first` on, low half first; `count` <= NORMALS_AT_ONCE, rounded up to whole
 * blocks. */
static inline void halves(uint64_t first, const uint64_t key[2], uint64_t realisation, uint64_t screen,
                          uint64_t purpose, ptrdiff_t count, uint32_t *restrict half) {
    for (ptrdiff_t i = 0; i < count; i += 2 * PHILOX_WORDS) {
        const uint64_t counter[PHILOX_WORDS] = {1 + first + (uint64_t)(i / (2 * PHILOX_WORDS)), realisation, screen,
                                                purpose};
        uint64_t word[PHILOX_WORDS];
        philox_block(counter, key, word);
        for (int k = 0; k < PHILOX_WORDS; k++) {
            half[i + 2 * k] = (uint32_t)word[k];
            half[i + 2 * k + 1] = (uint32_t)(word[k] >> 32);
        }
    }
}

/* Inputs: index_y (n), index_x (m), offset (2), outer, seed, stream, realisation, screen. Output (n, m):
 *     c = [(index_y + offset_y)^2 + (index_x + offset_x)^2 + outer^2]^(-11/12) (a + i b),
 * 0 where both indices are 0: that cell is the finer levels'. */
ROW_KERNEL(screen_spectrum) {
    const ptrdiff_t n = size[0], m = size[1];
    const float offset_y = (float)*QPHYS_AT1(const double, array[2], 0);
    const float offset_x = (float)*QPHYS_AT1(const double, array[2], 1);
    const float outer = (float)*QPHYS_AT0(const double, array[3]);
    const uint64_t key[2] = {*QPHYS_AT0(const uint64_t, array[4]), *QPHYS_AT0(const uint64_t, array[5])};
    const uint64_t realisation = *QPHYS_AT0(const uint64_t, array[6]), screen = *QPHYS_AT0(const uint64_t, array[7]);
    const uint64_t blocks = (uint64_t)(m + 2 * PHILOX_WORDS - 1) / (2 * PHILOX_WORDS); /* of a row */
    for (ptrdiff_t y = 0; y < n; y++) {
        const float index_y = (float)*QPHYS_AT1(const double, array[0], y);
        const float row = (index_y + offset_y) * (index_y + offset_y) + outer * outer;
        for (ptrdiff_t first = 0; first < m; first += NORMALS_AT_ONCE) {
            const ptrdiff_t lanes = m - first < NORMALS_AT_ONCE ? m - first : NORMALS_AT_ONCE;
            uint32_t half[NORMALS_AT_ONCE];
            float re[NORMALS_AT_ONCE], im[NORMALS_AT_ONCE], index_x[NORMALS_AT_ONCE];
            halves((uint64_t)y * blocks + (uint64_t)(first / (2 * PHILOX_WORDS)), key, realisation, screen,
                   PHILOX_SCREEN_SPECTRUM, lanes, half);
            for (ptrdiff_t i = 0; i < lanes; i++)
                index_x[i] = (float)*QPHYS_AT1(const double, array[1], first + i);
#pragma omp simd
            for (ptrdiff_t i = 0; i < lanes; i++) {
                float a, b;
                normal_pair(half[i], &a, &b);
                const float x = index_x[i] + offset_x;
                const float square = row + x * x;
                const int centre = (index_y == 0.0f) & (index_x[i] == 0.0f);
                const float inside = centre ? 1.0f : square;
                const float amplitude = centre ? 0.0f : power_law_f(inside);
                re[i] = amplitude * a;
                im[i] = amplitude * b;
            }
            for (ptrdiff_t i = 0; i < lanes; i++) {
                float *c = QPHYS_AT2(float, array[8], y, first + i);
                c[0] = re[i];
                c[1] = im[i];
            }
        }
    }
}

/* Inputs: cell (p, 3) = centre_y, centre_x, width of each cell of the finer levels; outer, seed, stream, realisation,
 * screen. Outputs: offset (2) of the grid, frequency (p, 2), coefficient (p). */
ROW_KERNEL(screen_modes) {
    const double outer = *QPHYS_AT0(const double, array[1]);
    struct philox source =
        philox_open(*QPHYS_AT0(const uint64_t, array[2]), *QPHYS_AT0(const uint64_t, array[3]),
                    *QPHYS_AT0(const uint64_t, array[4]), *QPHYS_AT0(const uint64_t, array[5]), PHILOX_SCREEN_MODES);
    for (int axis = 0; axis < 2; axis++)
        *QPHYS_AT1(double, array[6], axis) = philox_uniform_open(&source) - 0.5;
    for (ptrdiff_t p = 0; p < size[0]; p++) {
        const double width = *QPHYS_AT2(const double, array[0], p, 2);
        double frequency[2];
        for (int axis = 0; axis < 2; axis++) {
            frequency[axis] =
                *QPHYS_AT2(const double, array[0], p, axis) + width * (philox_uniform_open(&source) - 0.5);
            *QPHYS_AT2(double, array[7], p, axis) = frequency[axis];
        }
        const double square = frequency[0] * frequency[0] + frequency[1] * frequency[1] + outer * outer;
        const double amplitude = width * vm_exp(vm_log(square) * (-11.0 / 12.0));
        const double radius = sqrt(-2.0 * vm_log(philox_uniform_open(&source)));
        double sine, cosine;
        sincos_d(2.0 * VM_PI * philox_uniform(&source), &sine, &cosine);
        double *c = QPHYS_AT1(double, array[8], p);
        c[0] = amplitude * radius * cosine;
        c[1] = amplitude * radius * sine;
    }
}

/* sum_p c_p exp(2 pi i (f_y y + f_x x)) along a row as a polynomial in x, with x, y in grid widths from the centre,
 * less its value at the centre: piston is of no use and would take the digits of a float. */
static inline void row_polynomial(ptrdiff_t modes, const struct qphys_array *frequency,
                                  const struct qphys_array *coefficient, double y, float re[TERMS], float im[TERMS]) {
    double sum_re[TERMS] = {0.0}, sum_im[TERMS] = {0.0};
    for (ptrdiff_t p = 0; p < modes; p++) {
        const double *c = QPHYS_AT1(const double, *coefficient, p);
        const double slope = 2.0 * VM_PI * *QPHYS_AT2(const double, *frequency, p, 1);
        double sine, cosine;
        sincos_d(2.0 * VM_PI * *QPHYS_AT2(const double, *frequency, p, 0) * y, &sine, &cosine);
        double term_re = c[0] * cosine - c[1] * sine, term_im = c[0] * sine + c[1] * cosine;
        sum_re[0] += term_re - c[0];
        sum_im[0] += term_im - c[1];
        for (int k = 1; k < TERMS; k++) {
            const double factor = slope / k, turned = term_re * factor; /* times i slope / k */
            term_re = -term_im * factor;
            term_im = turned;
            sum_re[k] += term_re;
            sum_im[k] += term_im;
        }
    }
    for (int k = 0; k < TERMS; k++) {
        re[k] = (float)sum_re[k];
        im[k] = (float)sum_im[k];
    }
}

typedef struct {
    float re, im;
} complex_f;

QPHYS_INLINE void screen_row(ptrdiff_t m, const char *field, ptrdiff_t field_step, const char *ramp,
                             ptrdiff_t ramp_step, char *first, ptrdiff_t first_step, char *second,
                             ptrdiff_t second_step, complex_f row_ramp, const float re[TERMS], const float im[TERMS]) {
    const float per_pixel = 1.0f / (float)m, minus_row_im = -row_ramp.im;
#pragma omp simd
    for (ptrdiff_t i = 0; i < m; i++) {
        const complex_f u = *(const complex_f *)(field + i * field_step);
        const complex_f f = *(const complex_f *)(ramp + i * ramp_step);
        const float c = row_ramp.re * f.re + minus_row_im * f.im;
        const float s = row_ramp.re * f.im + row_ramp.im * f.re;
        const float x = (float)((int32_t)i - (int32_t)(m / 2)) * per_pixel;
        float a = re[TERMS - 1], b = im[TERMS - 1];
        for (int k = TERMS - 2; k >= 0; k--) {
            a = a * x + re[k];
            b = b * x + im[k];
        }
        *(float *)(first + i * first_step) = u.re * c + u.im * -s + a;
        *(float *)(second + i * second_step) = u.re * s + u.im * c + b;
    }
}

/* Inputs: the transformed spectrum (n, m), the offset's ramp along y (n) and x (m), frequency (p, 2), coefficient (p).
 * Outputs: two screens (n, m), the real and the imaginary part of
 *     ramp_y ramp_x field + sum_p c_p [exp(2 pi i f.x) - 1]. */
ROW_KERNEL(screen_phase) {
    const ptrdiff_t n = size[0], m = size[1], wide = (ptrdiff_t)sizeof(complex_f), narrow = (ptrdiff_t)sizeof(float);
    const struct qphys_array field = array[0], ramp = array[2], first = array[5], second = array[6];
    const int plain =
        field.stride[1] == wide && ramp.stride[0] == wide && first.stride[1] == narrow && second.stride[1] == narrow;
    for (ptrdiff_t y = 0; y < n; y++) {
        const complex_f row_ramp = *QPHYS_AT1(const complex_f, array[1], y);
        float re[TERMS], im[TERMS];
        row_polynomial(size[2], &array[3], &array[4], (double)(y - n / 2) / (double)n, re, im);
        char *from = field.data + y * field.stride[0];
        char *to = first.data + y * first.stride[0], *other = second.data + y * second.stride[0];
        if (plain)
            screen_row(m, from, wide, ramp.data, wide, to, narrow, other, narrow, row_ramp, re, im);
        else
            screen_row(m, from, field.stride[1], ramp.data, ramp.stride[0], to, first.stride[1], other,
                       second.stride[1], row_ramp, re, im);
    }
}

/* Inputs: standard deviation (n), seed, stream, realisation, step. Output: normal variates (n). */
ROW_KERNEL(sensor_noise) {
    struct philox source =
        philox_open(*QPHYS_AT0(const uint64_t, array[1]), *QPHYS_AT0(const uint64_t, array[2]),
                    *QPHYS_AT0(const uint64_t, array[3]), *QPHYS_AT0(const uint64_t, array[4]), PHILOX_SENSOR_NOISE);
    for (ptrdiff_t k = 0; k < size[0]; k++) {
        const double radius = sqrt(-2.0 * vm_log(philox_uniform_open(&source)));
        double sine, cosine;
        sincos_d(2.0 * VM_PI * philox_uniform(&source), &sine, &cosine);
        *QPHYS_AT1(double, array[5], k) = *QPHYS_AT1(const double, array[0], k) * radius * cosine;
    }
}

/* ---- fields ------------------------------------------------------------------------------------------------------ */

#define REAL float
#define FIELD(name) name##_single
#define SINCOS sincos_f
#include "waves_field.h"
#undef REAL
#undef FIELD
#undef SINCOS

#define REAL double
#define FIELD(name) name##_double
#define SINCOS sincos_d
#include "waves_field.h"
#undef REAL
#undef FIELD
#undef SINCOS

/* Inputs: field (n, m), phase (n, m), scale, window along y (n) and x (m). Output: field exp(i scale phase) window. */
ROW_KERNEL(multiply_phase) { multiply_phase_single(size, array); }
ROW_KERNEL(multiply_phase_c128) { multiply_phase_double(size, array); }

/* Inputs: field (n, m), factors along y (n) and x (m). Output: their product. */
ROW_KERNEL(multiply_separable) { multiply_separable_single(size, array); }
ROW_KERNEL(multiply_separable_c128) { multiply_separable_double(size, array); }

/* Inputs: a, b (n, m). Output: sum of conj(a) b. */
ROW_KERNEL(overlap) { overlap_single(size, array); }
ROW_KERNEL(overlap_c128) { overlap_double(size, array); }

/* Inputs: field (n, m), weight (n, m). Output: sum of weight |field|^2. */
ROW_KERNEL(power) { power_single(size, array); }
ROW_KERNEL(power_c128) { power_double(size, array); }
