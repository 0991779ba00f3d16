/* What a kernel says about a row, as int8. The one table: qphys.core.status takes its CF flag_values and flag_meanings
 * from here. A code, once in a released file, keeps its number. Where several apply, the kernel returns the largest. */
#ifndef QPHYS_STATUS_H
#define QPHYS_STATUS_H

#define QPHYS_STATUS(X)                                                                                                \
    X(0, GOOD, "good")                                                                                                 \
    X(1, NO_KEY, "no_key")                                                                                             \
    X(2, NO_SINGLE_PHOTONS, "no_single_photons_proven")                                                                \
    X(3, NO_SAMPLING_BOUND, "no_sampling_bound")                                                                       \
    X(4, DOUBLE_CLICKS_DISCARDED, "double_clicks_discarded_within_a_basis")                                            \
    X(5, BAD_OPTION, "unknown_option")                                                                                 \
    X(6, BAD_EFFICIENCY, "error_correction_efficiency_below_one")                                                      \
    X(7, BAD_EPSILON, "failure_probability_outside_zero_to_one")                                                       \
    X(8, BAD_PROBABILITIES, "impossible_probabilities")                                                                \
    X(9, BAD_INTENSITIES, "intensities_break_the_conditions_of_the_bound")                                             \
    X(10, BAD_COUNTS, "impossible_counts")                                                                             \
    X(11, NOT_FINITE, "input_not_finite")                                                                              \
    X(12, IMPOSSIBLE_STATE, "impossible_state_of_light")

#define QPHYS_STATUS_ENUM(code, name, meaning) STATUS_##name = code,
enum qphys_status { QPHYS_STATUS(QPHYS_STATUS_ENUM) };
#undef QPHYS_STATUS_ENUM

#endif
