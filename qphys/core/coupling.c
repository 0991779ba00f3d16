/* Samples of what couples into a single mode: by independent modes, and by whole pupils on polar rings.
 *
 * A sample is a function of (seed, stream, index, sample) and of nothing else. Eight samples go side by side through
 * every step, so that each loop over them is one register and no transform needs a shuffle. */
#include "kernels.h"
#include "normals.h"
#include "vmath.h"

#define RINGS_MAX 32
#define ANGLES_MAX 128
#define ORDERS_MAX (ANGLES_MAX / 2 + 1)
#define MODES_MAX 256

/* Counters of the next samples; beyond the last one they repeat it, and are not stored. */
static void open_samples(uint64_t counter[SIDE][PHILOX_WORDS], struct qphys_array sample, ptrdiff_t first,
                         ptrdiff_t samples, uint64_t index, uint64_t purpose) {
    for (ptrdiff_t k = 0; k < SIDE; k++) {
        const ptrdiff_t at = first + k < samples ? first + k : samples - 1;
        counter[k][0] = 0;
        counter[k][1] = index;
        counter[k][2] = *QPHYS_AT1(const uint64_t, sample, at);
        counter[k][3] = purpose;
    }
}

/* A log-normal factor of mean 1 on every sample. */
static void scintillate(const uint64_t key[2], uint64_t counter[SIDE][PHILOX_WORDS], double log_variance,
                        double share[SIDE]) {
    double normal[NORMALS][SIDE];
    next_normals(key, counter, normal);
    const double sigma = sqrt(log_variance), mu = -0.5 * log_variance;
#pragma omp simd
    for (int k = 0; k < SIDE; k++)
        share[k] *= vm_exp(sigma * normal[0][k] + mu);
}

/* ceiling exp(-sum of variance z^2), z normal, times a log-normal factor of mean 1. */
ROW_KERNEL(modal_coupling) {
    const ptrdiff_t modes = size[0], samples = size[1];
    const double ceiling = *QPHYS_AT0(const double, array[1]), log_variance = *QPHYS_AT0(const double, array[2]);
    const uint64_t key[2] = {*QPHYS_AT0(const uint64_t, array[3]), *QPHYS_AT0(const uint64_t, array[4])};
    const uint64_t index = *QPHYS_AT0(const uint64_t, array[5]);
    const ptrdiff_t blocks = (modes + NORMALS - 1) / NORMALS;
    double variance[MODES_MAX + NORMALS] = {0.0};
    for (ptrdiff_t j = 0; j < modes && j < MODES_MAX; j++)
        variance[j] = *QPHYS_AT1(const double, array[0], j);
    const double scale = modes <= MODES_MAX ? ceiling : (double)NAN;

    for (ptrdiff_t first = 0; first < samples && modes <= MODES_MAX; first += SIDE) {
        uint64_t counter[SIDE][PHILOX_WORDS];
        open_samples(counter, array[6], first, samples, index, PHILOX_MODES);
        double exponent[SIDE] = {0.0}, share[SIDE];
        for (ptrdiff_t b = 0; b < blocks; b++) {
            double square[PHILOX_WORDS][SIDE], turn[PHILOX_WORDS][SIDE];
            polar_normals(key, counter, square, turn);
            for (int p = 0; p < PHILOX_WORDS; p++) {
                const double one = variance[NORMALS * b + 2 * p], other = variance[NORMALS * b + 2 * p + 1];
                if (one == other) { /* a pair of equal modes does not feel the angle */
#pragma omp simd
                    for (int k = 0; k < SIDE; k++)
                        exponent[k] += one * square[p][k];
                    continue;
                }
#pragma omp simd
                for (int k = 0; k < SIDE; k++) {
                    double sine, cosine;
                    sincos_turns(turn[p][k], &sine, &cosine);
                    exponent[k] += square[p][k] * (one * (cosine * cosine) + other * (sine * sine));
                }
            }
        }
#pragma omp simd
        for (int k = 0; k < SIDE; k++)
            share[k] = scale * vm_exp(-exponent[k]);
        if (log_variance != 0.0)
            scintillate(key, counter, log_variance, share);
        for (ptrdiff_t k = 0; k < SIDE && first + k < samples; k++)
            *QPHYS_AT1(double, array[7], first + k) = share[k];
    }
    for (ptrdiff_t s = 0; s < samples && modes > MODES_MAX; s++)
        *QPHYS_AT1(double, array[7], s) = NAN;
}

/* coefficient[i] = sum over j of factor[i, j] normal[j] for every ring i. */
static inline void mix(struct qphys_array factor, ptrdiff_t m, ptrdiff_t rings, double normal[RINGS_MAX][SIDE],
                       double coefficient[RINGS_MAX][SIDE]) {
    for (ptrdiff_t i = 0; i < rings; i += 4) {
        double sum[4][SIDE] = {{0.0}};
        for (ptrdiff_t j = 0; j < rings; j++)
            for (int r = 0; r < 4; r++) {
                const double f = *QPHYS_AT3(const double, factor, m, i + r, j);
#pragma omp simd
                for (int k = 0; k < SIDE; k++)
                    sum[r][k] += f * normal[j][k];
            }
        for (int r = 0; r < 4; r++)
            for (int k = 0; k < SIDE; k++)
                coefficient[i + r][k] = sum[r][k];
    }
}

/* Unnormalised Fourier sum with exp(+i), decimated in frequency: its values come out of order, which a mean over them
 * does not see. */
static inline void transform(ptrdiff_t angles, const double root[2][ANGLES_MAX], double re[ANGLES_MAX][SIDE],
                             double im[ANGLES_MAX][SIDE]) {
    for (ptrdiff_t half = angles / 2, stride = 1; half >= 1; half /= 2, stride *= 2)
        for (ptrdiff_t start = 0; start < angles; start += 2 * half)
            for (ptrdiff_t j = 0; j < half; j++) {
                const double c = root[0][j * stride], s = root[1][j * stride], minus_s = -s;
                double *restrict re_low = re[start + j], *restrict re_high = re[start + j + half];
                double *restrict im_low = im[start + j], *restrict im_high = im[start + j + half];
#pragma omp simd
                for (int k = 0; k < SIDE; k++) {
                    const double x = re_low[k] - re_high[k], y = im_low[k] - im_high[k];
                    re_low[k] += re_high[k];
                    im_low[k] += im_high[k];
                    re_high[k] = x * c + y * minus_s;
                    im_high[k] = x * s + y * c;
                }
            }
}

/* |sum over rings of weight, mean over angles of exp(i phase)|^2 of Gaussian phases, times a log-normal factor. */
ROW_KERNEL(pupil_coupling) {
    const ptrdiff_t orders = size[0], rings = size[1], samples = size[2], angles = 2 * (orders - 1);
    const struct qphys_array factor = array[0], weight = array[1];
    const double log_variance = *QPHYS_AT0(const double, array[2]);
    const uint64_t key[2] = {*QPHYS_AT0(const uint64_t, array[3]), *QPHYS_AT0(const uint64_t, array[4])};
    const uint64_t index = *QPHYS_AT0(const uint64_t, array[5]);
    const int fits = rings >= NORMALS && rings <= RINGS_MAX && rings % NORMALS == 0 && angles >= 4 &&
                     angles <= ANGLES_MAX && (angles & (angles - 1)) == 0;
    for (ptrdiff_t s = 0; s < samples && !fits; s++)
        *QPHYS_AT1(double, array[7], s) = NAN;
    if (!fits)
        return;

    double root[2][ANGLES_MAX];
    for (ptrdiff_t a = 0; a < angles; a++)
        sincos_turns((double)a / (double)angles, &root[1][a], &root[0][a]);
    double even[ORDERS_MAX][RINGS_MAX][SIDE], odd[ORDERS_MAX][RINGS_MAX][SIDE]; /* of cos and sin of each order */
    double re[ANGLES_MAX][SIDE], im[ANGLES_MAX][SIDE];

    for (ptrdiff_t first = 0; first < samples; first += SIDE) {
        uint64_t counter[SIDE][PHILOX_WORDS];
        open_samples(counter, array[6], first, samples, index, PHILOX_PUPIL);
        for (ptrdiff_t m = 0; m < orders; m++) {
            double normal[RINGS_MAX][SIDE];
            for (ptrdiff_t j = 0; j < rings; j += NORMALS)
                next_normals(key, counter, normal + j);
            mix(factor, m, rings, normal, even[m]);
            if (m == 0 || m == orders - 1)
                continue; /* no sine */
            for (ptrdiff_t j = 0; j < rings; j += NORMALS)
                next_normals(key, counter, normal + j);
            mix(factor, m, rings, normal, odd[m]);
        }

        double sum_re[SIDE] = {0.0}, sum_im[SIDE] = {0.0};
        for (ptrdiff_t i = 0; i < rings; i += 2) { /* two real rings are one complex transform */
            for (int k = 0; k < SIDE; k++) {
                re[0][k] = even[0][i][k];
                im[0][k] = even[0][i + 1][k];
                re[orders - 1][k] = even[orders - 1][i][k];
                im[orders - 1][k] = even[orders - 1][i + 1][k];
            }
            for (ptrdiff_t m = 1; m < orders - 1; m++)
#pragma omp simd
                for (int k = 0; k < SIDE; k++) {
                    re[m][k] = 0.5 * (even[m][i][k] + odd[m][i + 1][k]);
                    im[m][k] = 0.5 * (even[m][i + 1][k] - odd[m][i][k]);
                    re[angles - m][k] = 0.5 * (even[m][i][k] - odd[m][i + 1][k]);
                    im[angles - m][k] = 0.5 * (even[m][i + 1][k] + odd[m][i][k]);
                }
            transform(angles, root, re, im);
            double ring[4][SIDE] = {{0.0}};
            for (ptrdiff_t a = 0; a < angles; a++)
#pragma omp simd
                for (int k = 0; k < SIDE; k++) {
                    double sine, cosine;
                    sincos_turns(re[a][k] * (1.0 / TWO_PI), &sine, &cosine);
                    ring[0][k] += cosine;
                    ring[1][k] += sine;
                    sincos_turns(im[a][k] * (1.0 / TWO_PI), &sine, &cosine);
                    ring[2][k] += cosine;
                    ring[3][k] += sine;
                }
            const double w = *QPHYS_AT1(const double, weight, i) / (double)angles;
            const double w_next = *QPHYS_AT1(const double, weight, i + 1) / (double)angles;
            for (int k = 0; k < SIDE; k++) {
                sum_re[k] += w * ring[0][k] + w_next * ring[2][k];
                sum_im[k] += w * ring[1][k] + w_next * ring[3][k];
            }
        }
        double share[SIDE];
        for (int k = 0; k < SIDE; k++)
            share[k] = sum_re[k] * sum_re[k] + sum_im[k] * sum_im[k];
        if (log_variance != 0.0)
            scintillate(key, counter, log_variance, share);
        for (ptrdiff_t k = 0; k < SIDE && first + k < samples; k++)
            *QPHYS_AT1(double, array[7], first + k) = share[k];
    }
}
