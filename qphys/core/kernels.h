/* The table of kernels. To add one: a line in QPHYS_KERNELS, a .c file named in meson.build, a twin in reference.py.
 *
 *   LANES(level, name, "signature", "types", "doc")   every core dimension has a fixed size, e.g. "(3),(3),()->(),()".
 *     An operand with core dimension 3 becomes three rows of lanes. The kernel sees doubles only, whatever the types:
 *         LANE_KERNEL(name) { for (ptrdiff_t i = 0; i < lanes; i++) out[0][i] = in[0][i]; }
 *     with lanes <= QPHYS_LANES (fewer where the rows are many), in[] the input rows, out[] the output rows, all in the
 *     order of the signature; bit r < 64 of `constant` is set where input row r holds one value in all lanes (a
 *     broadcast setting), so that what depends on such rows alone may be computed once.
 *
 *   ROWS(level, name, "signature", "types", "doc")    any core dimensions, e.g. "(t,n),(k)->()".
 *         ROW_KERNEL(name) { double x = *QPHYS_AT2(const double, array[0], i, j); ... }
 *     is called once an element of the batch; size[] holds the core dimensions in order of first appearance, array[]
 *     the operands (inputs, then outputs) with their strides in bytes, one a core dimension. Nothing is copied.
 *
 * types: one letter an operand, '>' before the outputs: d float64, b int8, q int64, Q uint64 (lane kernels: d and b),
 * f float32, F complex64, D complex128.
 * The binding gives broadcasting, out=, dtype conversion, and drops the lock and the floating-point flags. A kernel
 * allocates nothing, keeps nothing, and defines every output for every input. */
#ifndef QPHYS_KERNELS_H
#define QPHYS_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#define QPHYS_LANES 128
#define QPHYS_LARGEST_COUNT 1e15 /* below 2^51: rounding by vm_round is exact */

#define QPHYS_KERNELS(LANES, ROWS, level)                                                                              \
    LANES(level, elementary, "()->(),(),(),()", "d>dddd",                                                              \
          "exp, expm1, log and log1p of x, as the kernels compute them.")                                              \
    LANES(level, errors_upper, "(),(),(),()->()", "dddd>d",                                                            \
          "Errors in the key's sample: test errors, test size, key size, log of the failure probability.")             \
    LANES(level, mean_bounds, "(),(),(),(),()->(),()", "dddbd>dd",                                                     \
          "Bounds of the mean of a count: count, total, log of 1 / failure probability, inequality, predicted share.") \
    LANES(level, taken_lower, "(),(),(),()->()", "dddb>d",                                                             \
          "Events taken at least: all, probability, log of 1 / failure probability, inequality.")                      \
    LANES(level, lim2014, "(3),(3),(3),(3),(3),(3),(3),(),(),(),(),(),()->(),(),(),(),(),(),(),(),()",                 \
          "ddddddddddbbb>dddddddbb", "Finite key of decoy-state BB84 with two decoys, Lim et al. 2014.")               \
    LANES(level, lim2014_predicted, "(3),(3),(3),(3),(3),(3),(3),(),(),(),(),(),(),(9)->(),(),(),(),(),(),(),(),()",   \
          "ddddddddddbbbd>dddddddbb",                                                                                  \
          "As lim2014, with predicted shares of key counts, test counts and test errors for Kato's inequality.")       \
    LANES(level, one_decoy, "(2),(2),(2),(2),(2),(2),(2),(),(),(),(),(),(),(),(8)->(),(),(),(),(),(),(),(),()",        \
          "ddddddddddbbbbd>dddddddbb", "Finite key of decoy-state BB84 with one decoy, Rusca 2018 or Wiesemann 2026.") \
    LANES(level, variable_length_one_decoy, "(2),(2),(2),(2),(2),(2),(2),(),(),(),(),()->(),(),(),(),(),(),(),(),()",  \
          "dddddddddddb>dddddddbb", "Key of decoy-state BB84 with one decoy whose length follows the counts.")         \
    LANES(level, variable_length_two_decoys,                                                                           \
          "(3),(3),(3),(3),(3),(3),(3),(),(),(),(),(),(),()->(),(),(),(),(),(),(),(),()", "dddddddddddbbb>dddddddbb",  \
          "Key of decoy-state BB84 with two decoys whose length follows the counts, by either count of epsilon.")      \
    LANES(level, ma2005, "(3),(3),(3),(),()->(),(),(),(),(),()", "ddddd>dddddb",                                       \
          "Asymptotic decoy bounds and key rate with two decoys, Ma et al. 2005.")                                     \
    LANES(level, ma2005_infinite, "(),(),(),(),(),(),()->(),(),()", "ddddddd>ddb",                                     \
          "Asymptotic key rate with known single-photon yield and error, Ma et al. 2005.")                             \
    LANES(level, bbm92_asymptotic, "(),(),()->(),()", "ddd>db",                                                        \
          "Asymptotic key a sifted bit, from bit error, phase error, f_EC.")                                           \
    LANES(level, bbm92_tomamichel2012, "(),(),(),(),(),(),(),()->(),(),(),()", "dddddddd>dddb",                        \
          "Finite key of one basis tested by the other, Tomamichel et al. 2012.")                                      \
    LANES(level, bbm92_tomamichel2012_exact, "(),(),(),(),(),(),(),()->(),(),(),()", "dddddddd>dddb",                  \
          "The same, with the exact hypergeometric tail.")                                                             \
    LANES(level, bbm92_tomamichel_leverrier2017, "(),(),(),(),(),()->(),(),(),(),()", "dddddd>ddddb",                  \
          "Finite key of pooled bases, Tomamichel and Leverrier 2017.")                                                \
    LANES(level, bbm92_lim2021, "(),(),(),(),(),(),(),(),()->(),(),(),(),(),()", "dddddddbb>dddddb",                   \
          "Finite key of short blocks of pooled bases, Lim et al. 2021.")                                              \
    LANES(level, chsh, "(4),(4),(4),(4),()->(),(),(),(),(),()", "ddddd>dddddb",                                        \
          "CHSH value, standard error, lower bound, log10 of P values, from equal and unequal results.")               \
    LANES(level, chsh_di_rate_estimate, "(),(),()->(),(),()", "ddd>ddb",                                               \
          "Asymptotic device-independent key a bit, from CHSH value, bit error, f_EC.")                                \
    ROWS(level, philox, "(4),(2)->(4)", "QQ>Q",                                                                        \
         "Philox4x64-10: four words from a counter (block, realisation, step, purpose) and a key (seed, stream).")     \
    ROWS(level, draw_poisson, "(),(),(),()->(),()", "dQQQ>qb",                                                         \
         "A Poisson variate of the mean given, then seed, stream, index: the count and its status.")                   \
    ROWS(level, draw_binomial, "(),(),(),(),()->(),()", "qdQQQ>qb",                                                    \
         "A binomial variate of trials and probability, then seed, stream, index: the count and its status.")          \
    ROWS(level, draw_erlang, "(),(),(),()->(),()", "qQQQ>db",                                                          \
         "The sum of a number of exponential variates of mean 1, then seed, stream, index: the sum and its status.")   \
    LANES(level, binomial_log_ratio, "(),(),(),()->()", "dddd>d",                                                      \
          "log P(k) - log P(m) of the binomial distribution, from trials, probability, k, m.")                         \
    LANES(level, poisson_log_mass, "(),()->()", "dd>d", "log P(k) of the Poisson distribution, from mean and k.")      \
    ROWS(level, draw_log_normal, "(t),(t),(t),(),(),(),(n)->(t,n),(t)", "dddQQQQ>db",                                  \
         "Log-normal below a limit: median and deviation of the logarithm, limit in deviations, seed, stream, index, " \
         "numbers of the draws: the draws and the status of each step.")                                               \
    ROWS(level, draw_beta, "(t),(t),(),(),(),(n)->(t,n),(t)", "ddQQQQ>db",                                             \
         "Beta: alpha, beta, seed, stream, index, numbers of the draws: the draws and the status of each step.")       \
    ROWS(level, draw_gamma_gamma, "(t),(t),(t),(),(),(),(n)->(t,n),(t)", "dddQQQQ>db",                                 \
         "Gamma-gamma: mean, alpha, beta, seed, stream, index, numbers of the draws: the draws and the status of "     \
         "each step.")                                                                                                 \
    ROWS(level, draw_pointing, "(t),(t),(t),(t),(t),(),(),(),(n)->(t,n),(t)", "dddddQQQQ>db",                          \
         "Pointing: half-angle, jitters and biases of both axes, seed, stream, index, numbers of the draws: the "      \
         "draws and the status of each step.")                                                                         \
    ROWS(level, draw_beam_wander_marcum, "(t),(t),(t),(t),(t,k),(t,k),(),(),(),(n)->(t,n),(t)", "ddddddQQQQ>db",       \
         "Beam wander: wander, offset, ends of a table, log transmittance and slope in it, seed, stream, index, "      \
         "numbers of the draws: the draws and the status of each step.")                                               \
    ROWS(level, draw_beam_wander_weibull, "(t),(t),(t),(t),(t),(),(),(),(n)->(t,n),(t)", "dddddQQQQ>db",               \
         "Log-negative Weibull: log of the highest, scale, exponent, wander, offset, seed, stream, index, numbers of " \
         "the draws: the draws and the status of each step.")                                                          \
    ROWS(level, draw_total_probability, "(t),(t),(t),(t),(t),(),(),(),(n)->(t,n),(t)", "dddddQQQQ>db",                 \
         "Total probability: log median, deviation, scale, exponent, wander, seed, stream, index, numbers of the "     \
         "draws: the draws and the status of each step.")                                                              \
    ROWS(level, draw_circular_beam, "(t),(t),(t),(t),(),(),(),(n)->(t,n),(t)", "ddddQQQQ>db",                          \
         "Circular beam: mean and deviation of log W^2, aperture radius, wander, seed, stream, index, numbers of the " \
         "draws: the draws and the status of each step.")                                                              \
    ROWS(level, draw_elliptic_beam, "(t),(t),(t),(t),(t),(),(),(),(n)->(t,n),(t)", "dddddQQQQ>db",                     \
         "Elliptic beam: mean of Theta, deviations of half its sum and difference, (a/W0)^2, wander/a, seed, stream, " \
         "index, numbers of the draws: the draws and the status of each step.")                                        \
    LANES(level, weibull_shape, "()->(),(),()", "d>ddd", "Lambda, ell and Q of the Weibull approximation, from q.")    \
    ROWS(level, fading_occupancy, "(t,n),(),(),(),()->(t,n),(t)", "ddQQQ>db",                                          \
         "Part of each step in each fading node: weights, correlation time over step, seed, stream, realisation.")     \
    ROWS(level, sample_counts, "(t,n,c,o),(t,n),(c),(t),(),(),()->(t,c,o),(t,c),(t)", "dddqQQQ>qqb",                   \
         "Counts of outcomes and trials of settings: probability of outcomes, part of the step in each node, "         \
         "probability of settings, trials, seed, stream, realisation.")                                                \
    ROWS(level, click_probabilities, "(t,n),(u,e,c,s,d),(e),(c),(s),(d),(v,s,d),(v,s,d),(d),(d),(s,m),(o)->(t,n,c,o)", \
         "ddddddddddqd>d",                                                                                             \
         "Probability of every outcome of a trial: transmittance, photons, emission_weight, sender_probability, "      \
         "receiver_probability, gate_fraction, noise, free_noise, dead_trials, afterpulse, outcome_of_pattern, "       \
         "outcomes.")                                                                                                  \
    ROWS(level, whole_pass,                                                                                            \
         "(t,n),(t,n),(t),(u,e,j,4,s,d),(3),(e),(3,4),(s),(d),(v,s,d),(v,s,d),(d),(d),(s,m),(3),(b),(),(),(),(),(),()" \
         "->(3,2),(3,2),(b),(b),(b),(b),(b),(b),(b),(b),(b)",                                                          \
         "dddddddddddddqdbdddbbb>dddddddddbb",                                                                         \
         "A decoy-state BB84 pass to its key: transmittance, weight, trials, photons, intensity, emission_weight, "    \
         "sender_probability, receiver_probability, gate_fraction, noise, free_noise, dead_trials, afterpulse, "       \
         "outcome_of_pattern, mean_photon_numbers, key_basis, and as lim2014 eps_secrecy to key_from.")                \
    LANES(level, pair_patterns_4, "(2),(8),(8),(),(4)->(16),()", "ddddd>db",                                           \
          "Patterns of 2 + 2 detectors, pairs of two squeezers: mean numbers, signal and idler amplitudes (detector, " \
          "polarization, real and imaginary part), Schmidt modes, dark probabilities.")                                \
    LANES(level, pair_patterns_8, "(2),(16),(16),(),(8)->(256),()", "ddddd>db",                                        \
          "Patterns of 4 + 4 detectors, pairs of two squeezers.")                                                      \
    LANES(level, pair_outcomes_8, "(2),(16),(16),(),(8),(256)->(64),()", "dddddb>db",                                  \
          "Patterns of 4 + 4 detectors, pairs of two squeezers, summed by a table of the outcome of each pattern.")    \
    LANES(level, pair_cumulants_4, "(2),(8),(8),()->(16),()", "dddd>db",                                               \
          "Connected parts of log P(silence) of 2 + 2 detectors, pairs of two squeezers.")                             \
    LANES(level, pair_cumulants_8, "(2),(16),(16),()->(256),()", "dddd>db",                                            \
          "Connected parts of log P(silence) of 4 + 4 detectors, pairs of two squeezers.")                             \
    LANES(level, poisson_pair_cumulants_4, "(),(32),(8),(8)->(16),()", "dddd>db",                                      \
          "Connected parts for Poisson pairs: mean number, density matrix, signal and idler amplitudes.")              \
    LANES(level, poisson_pair_cumulants_8, "(),(32),(16),(16)->(256),()", "dddd>db",                                   \
          "Connected parts for Poisson pairs, 4 + 4 detectors.")                                                       \
    LANES(level, gaussian_patterns_4, "(32),(32),(8),(),(4)->(16),()", "ddddd>db",                                     \
          "Patterns of 4 detectors, a Gaussian state: <a'a>, <aa>, <a>, copies, dark probabilities.")                  \
    LANES(level, gaussian_patterns_8, "(128),(128),(16),(),(8)->(256),()", "ddddd>db",                                 \
          "Patterns of 8 detectors, a Gaussian state: <a'a>, <aa>, <a>, copies, dark probabilities.")                  \
    LANES(level, gaussian_cumulants_4, "(32),(32),(8),()->(16),()", "dddd>db",                                         \
          "Connected parts of log P(silence) of 4 detectors, a Gaussian state.")                                       \
    LANES(level, gaussian_cumulants_8, "(128),(128),(16),()->(256),()", "dddd>db",                                     \
          "Connected parts of log P(silence) of 8 detectors, a Gaussian state.")                                       \
    LANES(level, cumulant_patterns_4, "(16),(4)->(16),()", "dd>db",                                                    \
          "Patterns of 4 detectors from the sum of their connected parts, and dark probabilities.")                    \
    LANES(level, cumulant_patterns_8, "(256),(8)->(256),()", "dd>db",                                                  \
          "Patterns of 8 detectors from the sum of their connected parts, and dark probabilities.")                    \
    LANES(level, cumulant_outcomes_8, "(256),(8),(256)->(64),()", "ddb>db",                                            \
          "Patterns of 8 detectors from their connected parts, summed by a table of the outcome of each pattern.")     \
    ROWS(level, screen_modes, "(p,3),(),(),(),(),()->(2),(p,2),(p)", "ddQQQQ>ddD",                                     \
         "Low frequencies of a pair of screens: cells (centre and width), outer, seed, stream, realisation, screen; "  \
         "the grid's offset, frequencies and coefficients.")                                                           \
    ROWS(level, screen_spectrum, "(n),(m),(2),(),(),(),(),()->(n,m)", "ddddQQQQ>F",                                    \
         "Random spectrum of a pair of screens: index_y, index_x, offset, outer, seed, stream, realisation, screen.")  \
    ROWS(level, screen_phase, "(n,m),(n),(m),(p,2),(p)->(n,m),(n,m)", "FFFdD>ff",                                      \
         "A pair of screens: transformed spectrum, ramps along y and x, frequencies and coefficients.")                \
    ROWS(level, sensor_noise, "(n),(),(),(),()->(n)", "dQQQQ>d",                                                       \
         "Normal variates: standard deviation, seed, stream, realisation, step.")                                      \
    ROWS(level, multiply_phase, "(n,m),(n,m),(),(n),(m)->(n,m)", "Ffdff>F",                                            \
         "A field times exp(i scale phase) times a window: field, phase, scale, window along y and x.")                \
    ROWS(level, multiply_phase_c128, "(n,m),(n,m),(),(n),(m)->(n,m)", "Dfdff>D", "As multiply_phase, complex128.")     \
    ROWS(level, multiply_separable, "(n,m),(n),(m)->(n,m)", "FFF>F", "A field times factors along y and x.")           \
    ROWS(level, multiply_separable_c128, "(n,m),(n),(m)->(n,m)", "DDD>D", "As multiply_separable, complex128.")        \
    ROWS(level, overlap, "(n,m),(n,m)->()", "FF>D", "Sum of conj(a) b, in double.")                                    \
    ROWS(level, overlap_c128, "(n,m),(n,m)->()", "DD>D", "As overlap, complex128.")                                    \
    ROWS(level, power, "(n,m),(n,m)->()", "Ff>d", "Sum of weight times squared modulus of a field, in double.")        \
    ROWS(level, power_c128, "(n,m),(n,m)->()", "Df>d", "As power, complex128.")                                        \
    ROWS(level, modal_coupling, "(k),(),(),(),(),(),(s)->(s)", "dddQQQQ>d",                                            \
         "Coupling by independent modes: variances, ceiling, variance of the log-normal factor, seed, stream, index, " \
         "samples.")                                                                                                   \
    ROWS(                                                                                                              \
        level, pupil_coupling, "(m,r,r),(r),(),(),(),(),(s)->(s)", "dddQQQQ>d",                                        \
        "Coupling by whole pupils: factors of each azimuthal order, weights of the rings, variance of the log-normal " \
        "factor, seed, stream, index, samples.")

struct qphys_array {
    char *data;
    const ptrdiff_t *stride;
};
#define QPHYS_AT0(type, array) ((type *)(array).data)
#define QPHYS_AT1(type, array, i) ((type *)((array).data + (i) * (array).stride[0]))
#define QPHYS_AT2(type, array, i, j) ((type *)((array).data + (i) * (array).stride[0] + (j) * (array).stride[1]))
#define QPHYS_AT3(type, array, i, j, k)                                                                                \
    ((type *)((array).data + (i) * (array).stride[0] + (j) * (array).stride[1] + (k) * (array).stride[2]))

typedef void qphys_lane_kernel(ptrdiff_t lanes, const double *const *in, double *const *out, uint64_t constant);
typedef void qphys_row_kernel(const ptrdiff_t *size, const struct qphys_array *array);

/* The same source is compiled once an instruction set; the level is part of the symbol's name. */
#define QPHYS_PASTE(name, level) qphys_##name##_##level
#define QPHYS_NAME(name, level) QPHYS_PASTE(name, level)
#define QPHYS_DECLARE_LANES(level, name, ...) qphys_lane_kernel QPHYS_NAME(name, level);
#define QPHYS_DECLARE_ROWS(level, name, ...) qphys_row_kernel QPHYS_NAME(name, level);
#ifdef QPHYS_LEVEL
QPHYS_KERNELS(QPHYS_DECLARE_LANES, QPHYS_DECLARE_ROWS, QPHYS_LEVEL)
#define LANE_KERNEL(name)                                                                                              \
    void QPHYS_NAME(name, QPHYS_LEVEL)(ptrdiff_t lanes, const double *const *in, double *const *out, uint64_t constant)
#define ROW_KERNEL(name) void QPHYS_NAME(name, QPHYS_LEVEL)(const ptrdiff_t *size, const struct qphys_array *array)
#endif

#endif
