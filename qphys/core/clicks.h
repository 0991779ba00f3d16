/* The physics of one lane (a time step and a fading node): light and noise in, clicks out. Shared by every kernel that
 * knows light. A probability P and its complement are carried apart, both to full relative precision: neither is ever
 * computed as 1 - the other. docs/physics/receiver.md gives the derivation. */
#ifndef QPHYS_CLICKS_H
#define QPHYS_CLICKS_H

#include "vmath.h"

#define CLICKS_DETECTORS 4
#define CLICKS_PATTERNS 16

/* Does x lie in [0, top]? False for NaN. */
QPHYS_INLINE int clicks_within(double x, double top) { return (x >= 0.0) & (x <= top); }
#define CLICKS_FINITE 1.7976931348623157e308

/* Coherent light of m >= 0 photoelectrons: click = 1 - exp(-m), silent = exp(-m) (not below exp(-700)). vm_expm1 in one
 * range, with both results. */
QPHYS_INLINE void clicks_light(double m, double *click, double *silent) {
    const double y = vm_max(-m, -700.0);
    const double k = vm_round(y * VM_BITS);
    const double high = y - k * VM_LN2_HIGH;
    const double low = k * VM_LN2_LOW;
    const double e = vm_exp_tail(high - low, low) + high;
    const double s = vm_exp2_whole(k);
    *silent = s + s * e;
    *click = (1.0 - s) - s * e;
}

/* click alone for m up to the bound of CLICKS_TERMS, by so many terms of its power series: without a division, four
 * times as fast. The first term left out is below 5e-17 of the sum. */
#define CLICKS_TERMS(X) X(4, 0x1p-12) X(5, 0x1p-9) X(6, 0x1p-7) X(9, 0x1p-4) X(12, 0x1p-2)
QPHYS_INLINE double clicks_faint_light(double m, const int terms) {
    static const double inverse_factorial[] = {
        1.0,        1.0 / 2,     1.0 / 6,      1.0 / 24,      1.0 / 120,      1.0 / 720,
        1.0 / 5040, 1.0 / 40320, 1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600,
    };
    double sum = inverse_factorial[terms - 1];
    for (int j = terms - 2; j >= 0; j--)
        sum = inverse_factorial[j] - m * sum;
    return m * sum;
}

/* Probability that a non-paralysable detector is live, and that it is blind: a renewal process with `free` clicks a
 * live trial, each blocking `dead` trials. */
QPHYS_INLINE double clicks_live(double free, double dead) { return 1.0 / (1.0 + free * dead); }
QPHYS_INLINE double clicks_blind(double free, double dead, double live) { return free * dead * live; }

/* Weighted mean of 1 - (1 - noise) (1 - click) from the mean of click; `total` is the sum of the weights. */
QPHYS_INLINE double clicks_with_noise(double noise, double mean_click, double total) {
    return noise * total + (1.0 - noise) * mean_click;
}

/* Of a detector in one lane: P(click) = spurious + seen click(m), P(no click) = blind + seen silent(m). `noise`: dark
 * and sky counts in the gate; `after`: an afterpulse of an earlier click in it. */
QPHYS_INLINE double clicks_spurious(double live, double noise, double after) {
    return live * (noise + (1.0 - noise) * after);
}
QPHYS_INLINE double clicks_seen(double live, double noise, double after) {
    return live * ((1.0 - noise) * (1.0 - after));
}
QPHYS_INLINE double clicks_probability(double spurious, double seen, double click) { return spurious + seen * click; }
QPHYS_INLINE double clicks_complement(double blind, double seen, double silent) { return blind + seen * silent; }

/* The same for faint light, with unlit = blind + seen. */
QPHYS_INLINE double clicks_complement_faint(double unlit, double seen, double click) { return unlit - seen * click; }

/* Of a basis with detectors for two bits, `silent` the probability that none of the other basis clicks: the event is
 * sifted, and sifted with the wrong bit. Both detectors clicking makes a random bit: half of it is wrong. */
QPHYS_INLINE double clicks_sifted(double right, double wrong, double silent) {
    return ((right + wrong) - right * wrong) * silent;
}
QPHYS_INLINE double clicks_sifted_wrong(double right, double wrong, double silent) {
    return (wrong - 0.5 * (right * wrong)) * silent;
}

#endif
