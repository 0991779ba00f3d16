/* Normal variates for eight samples side by side, and sine and cosine without branches.
 *
 * Every sample has its own counter of Philox, so that no chunk changes a bit. A word of 64 bits makes two normals by
 * Box and Muller: 32 bits of radius, which end at 6.7 standard deviations, and 32 of angle. */
#ifndef QPHYS_NORMALS_H
#define QPHYS_NORMALS_H

#include "philox.h"
#include "vmath.h"

#define SIDE 8                     /* samples side by side: one register of the widest set */
#define NORMALS (2 * PHILOX_WORDS) /* of one block of Philox */

#define TWO_PI 6.28318530717958647693

/* Sine and cosine of 2 pi t for |t| < 2^49; the polynomials of msun's k_sin.c and k_cos.c on [-pi/4, pi/4]. */
QPHYS_INLINE void sincos_turns(double t, double *sine, double *cosine) {
    const double shifted = 4.0 * t + 1.5 * VM_2P52; /* the quarter turn stands in its last bits */
    const uint64_t quarter = vm_bits(shifted);
    const double x = TWO_PI * (t - 0.25 * (shifted - 1.5 * VM_2P52));
    const double z = x * x;
    const double s = x + x * z *
                             (-1.66666666666666324348e-01 +
                              z * (8.33333333332248946124e-03 +
                                   z * (-1.98412698298579493134e-04 +
                                        z * (2.75573137070700676789e-06 +
                                             z * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10)))));
    const double c =
        1.0 + (-0.5 * z + z * z *
                              (4.16666666666666019037e-02 +
                               z * (-1.38888888888741095749e-03 +
                                    z * (2.48015872894767294178e-05 +
                                         z * (-2.75573143513906633035e-07 +
                                              z * (2.08757232129817482790e-09 + z * -1.13596475577881948265e-11))))));
    /* all in words of 64 bits: a comparison would halve the registers */
    const uint64_t swapped = (vm_bits(s) ^ vm_bits(c)) & (0 - (quarter & 1));
    *sine = vm_double(vm_bits(s) ^ swapped ^ ((quarter & 2) << 62));
    *cosine = vm_double(vm_bits(c) ^ swapped ^ (((quarter + 1) & 2) << 62));
}

/* The next words of each sample as squared radii, -2 log u, and angles in turns, of NORMALS / 2 pairs. */
static inline void polar_normals(const uint64_t key[2], uint64_t counter[SIDE][PHILOX_WORDS],
                                 double square[PHILOX_WORDS][SIDE], double turn[PHILOX_WORDS][SIDE]) {
    uint64_t word[SIDE][PHILOX_WORDS];
    for (int k = 0; k < SIDE; k++) {
        counter[k][0] += 1;
        philox_block(counter[k], key, word[k]);
    }
    for (int p = 0; p < PHILOX_WORDS; p++)
        for (int k = 0; k < SIDE; k++) {
            square[p][k] = ((double)(int64_t)(word[k][p] >> 32) + 0.5) * 0x1p-32;
            turn[p][k] = (double)(int64_t)(word[k][p] & UINT64_C(0xffffffff)) * 0x1p-32;
        }
    for (int p = 0; p < PHILOX_WORDS; p++)
#pragma omp simd
        for (int k = 0; k < SIDE; k++)
            square[p][k] = -2.0 * vm_log_normal(square[p][k]);
}

/* The next NORMALS normal variates of each sample. */
static inline void next_normals(const uint64_t key[2], uint64_t counter[SIDE][PHILOX_WORDS],
                                double normal[NORMALS][SIDE]) {
    double square[PHILOX_WORDS][SIDE], turn[PHILOX_WORDS][SIDE];
    polar_normals(key, counter, square, turn);
    for (int p = 0; p < PHILOX_WORDS; p++)
#pragma omp simd
        for (int k = 0; k < SIDE; k++) {
            double sine, cosine;
            sincos_turns(turn[p][k], &sine, &cosine);
            const double radius = sqrt(square[p][k]);
            normal[2 * p][k] = radius * cosine;
            normal[2 * p + 1][k] = radius * sine;
        }
}

#endif
