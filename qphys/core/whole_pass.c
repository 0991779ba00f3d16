/* A whole decoy-state BB84 pass: light of three intensities and four states through a response, expected sifted events
 * and errors of each intensity and basis, and from them the key after Lim et al. 2014. The physics of a lane (a time
 * step and a fading node) is that of click_probabilities, from clicks.h; the twin composes the three steps. An
 * optimiser varies intensities and probabilities on a fixed response.
 *
 * What makes it fast and leaves it exact: an outcome is a product over detectors, so that only sifted events are
 * formed; an intensity without light needs no exponentials; where the brightest cell of a block is faint, 1 - exp(-m)
 * is a short power series. Totals are kept by lane and added in one order, so that every instruction set gives the same
 * bits. */
#include "clicks.h"
#include "kernels.h"

enum { T, N, U, E, J, STATES, S, D, INTENSITIES, V, M, B, BASES };
enum operand {
    TRANSMITTANCE,
    WEIGHT,
    TRIALS,
    PHOTONS,
    INTENSITY,
    EMISSION_WEIGHT,
    SENDER_PROBABILITY,
    RECEIVER_PROBABILITY,
    GATE_FRACTION,
    NOISE,
    FREE_NOISE,
    DEAD_TRIALS,
    AFTERPULSE,
    OUTCOME_OF_PATTERN,
    MEAN_PHOTON_NUMBERS,
    KEY_BASIS,
    EPS_SECRECY,
    EPS_CORRECTNESS,
    ERROR_CORRECTION_EFFICIENCY,
    TAIL_BOUND,
    SAMPLING_BOUND,
    KEY_FROM,
    COUNTS,
    ERRORS,
    KEY /* the nine outputs of lim2014 */
};
enum { SCRATCH = 12288, WIDTH = 8, GROUPS = 256, SETTINGS = 4 };          /* doubles; light kept; receiver settings */
enum { Z, X, BB84_BASES, BB84_STATES = 4, BB84_INTENSITIES = 3 };         /* state = 2 basis + bit */
enum { NONE, Z0, Z1, X0, X1, DOUBLE_Z, DOUBLE_X, ACROSS, BB84_OUTCOMES }; /* as in statistics/schema.py */
enum kind { DARK, FAINT, BRIGHT }; /* of a group's light: silent = 1, = 1 - click, or a row of its own */

struct block {
    ptrdiff_t count;
    ptrdiff_t step[QPHYS_LANES];
    _Alignas(64) double transmittance[QPHYS_LANES],
        trials[QPHYS_LANES]; /* trials of the step times weight of the node */
    double brightest;        /* largest transmittance */
    /* If the response changes by step: arriving photons of the cells (d, state) of a group. */
    _Alignas(64) double arriving[BB84_STATES * CLICKS_DETECTORS][QPHYS_LANES];
    double arriving_most;
    ptrdiff_t arriving_group;
};

/* The pass as its parts see it. A group of light is (emission node e, intensity k, receiver setting s): rows of `width`
 * lanes for its cells (d, state), first click, then silent. */
struct pass {
    const ptrdiff_t *size;
    const struct qphys_array *array;
    ptrdiff_t photon_step, noise_step, free_step; /* bytes from a step to the next, 0 where all steps share a value */
    double weights;                               /* sum over emission nodes and settings of the sender */
    int good;
    int kept; /* the light of all groups stays in scratch from the first part to the second */
    ptrdiff_t width;
    double *spurious, *seen, *unlit, *light;      /* rows (s, d), (s, d), (s, d), groups */
    ptrdiff_t detector_of[SETTINGS][BB84_STATES]; /* that says basis and bit, -1: none */
    enum kind kind[GROUPS];
    double unit[BB84_STATES * CLICKS_DETECTORS], unit_most; /* if it does not: photons of the cells of a group */
    ptrdiff_t unit_group;
};

static double value_at(const struct qphys_array *a, ptrdiff_t i) { return *QPHYS_AT1(const double, *a, i); }

static void fill(ptrdiff_t lanes, double *restrict row, double value) {
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++)
        row[i] = value;
}

/* Largest of a row; infinite if one is not within [0, top]. */
static double largest(ptrdiff_t lanes, const double *restrict row, double top) {
    double most = 0.0;
#pragma omp simd reduction(max : most)
    for (ptrdiff_t i = 0; i < lanes; i++) {
        const double value = clicks_within(row[i], top) ? row[i] : (double)INFINITY;
        most = value > most ? value : most;
    }
    return most;
}

/* ---- what all lanes share ---------------------------------------------------------------------------------------- */

/* Which detector says which basis and bit, from the outcomes of single clicks; a detector that says `none` is not read.
 * The whole table must follow from that. */
static int read_patterns(struct pass *p) {
    const ptrdiff_t *size = p->size;
    int good = 1;
    for (ptrdiff_t s = 0; s < size[S]; s++) {
        ptrdiff_t bits_of[CLICKS_DETECTORS] = {0};
        for (int i = 0; i < BB84_STATES; i++)
            p->detector_of[s][i] = -1;
        for (ptrdiff_t d = 0; d < size[D]; d++) {
            const int64_t outcome = *QPHYS_AT2(const int64_t, p->array[OUTCOME_OF_PATTERN], s, (ptrdiff_t)1 << d);
            if (outcome < Z0 || outcome > X1) {
                good &= outcome == NONE;
                continue;
            }
            good &= p->detector_of[s][outcome - Z0] < 0;
            p->detector_of[s][outcome - Z0] = d;
            bits_of[d] = (ptrdiff_t)1 << (outcome - Z0);
        }
        for (ptrdiff_t m = 0; m < size[M]; m++) {
            static const int64_t outcome_of[1 << BB84_STATES] = {
                NONE, Z0,     Z1,     DOUBLE_Z, X0,       ACROSS, ACROSS, ACROSS,
                X1,   ACROSS, ACROSS, ACROSS,   DOUBLE_X, ACROSS, ACROSS, ACROSS,
            };
            ptrdiff_t bits = 0;
            for (ptrdiff_t d = 0; d < size[D]; d++)
                bits |= m >> d & 1 ? bits_of[d] : 0;
            good &= *QPHYS_AT2(const int64_t, p->array[OUTCOME_OF_PATTERN], s, m) == outcome_of[bits];
        }
    }
    return good;
}

static int vector_within(const struct qphys_array *a, ptrdiff_t length, double top) {
    int good = 1;
    for (ptrdiff_t i = 0; i < length; i++)
        good &= clicks_within(value_at(a, i), top);
    return good;
}

static int possible(struct pass *p) {
    const ptrdiff_t *size = p->size;
    const struct qphys_array *array = p->array;
    if (!(size[D] >= 1 && size[D] <= CLICKS_DETECTORS && size[M] == (ptrdiff_t)1 << size[D] && size[S] <= SETTINGS &&
          (size[U] == 1 || size[U] == size[T]) && (size[V] == 1 || size[V] == size[T]) &&
          (size[J] == 1 || size[J] == BB84_INTENSITIES)))
        return 0;
    int good = vector_within(&array[INTENSITY], BB84_INTENSITIES, CLICKS_FINITE) &
               vector_within(&array[EMISSION_WEIGHT], size[E], CLICKS_FINITE) &
               vector_within(&array[RECEIVER_PROBABILITY], size[S], CLICKS_FINITE) &
               vector_within(&array[GATE_FRACTION], size[D], 1.0) &
               vector_within(&array[DEAD_TRIALS], size[D], CLICKS_FINITE) &
               vector_within(&array[AFTERPULSE], size[D], 1.0);
    double emissions = 0.0, senders = 0.0;
    for (ptrdiff_t e = 0; e < size[E]; e++)
        emissions += value_at(&array[EMISSION_WEIGHT], e);
    for (ptrdiff_t k = 0; k < BB84_INTENSITIES; k++)
        for (ptrdiff_t i = 0; i < BB84_STATES; i++) {
            const double probability = *QPHYS_AT2(const double, array[SENDER_PROBABILITY], k, i);
            good &= clicks_within(probability, CLICKS_FINITE);
            senders += probability;
        }
    p->weights = emissions * senders;
    return good & read_patterns(p);
}

/* ---- lanes ------------------------------------------------------------------------------------------------------- */

/* The next lanes of the pass from (*step, *node) on; steps without trials are left out, whatever they hold. Dark lanes
 * without trials fill up the last WIDTH. */
static void begin(struct pass *p, struct block *b, ptrdiff_t *step, ptrdiff_t *node) {
    const struct qphys_array eta = p->array[TRANSMITTANCE], weight = p->array[WEIGHT], trials = p->array[TRIALS];
    const ptrdiff_t steps = p->size[T], nodes = p->size[N], width = p->width;
    ptrdiff_t count = 0, t = *step, n = *node;
    for (; nodes == 1 && t < steps && count < width; t++) { /* the same as below, without branches */
        const double here = *QPHYS_AT1(const double, trials, t);
        b->step[count] = t;
        b->transmittance[count] = *QPHYS_AT1(const double, eta, t);
        b->trials[count] = here * *QPHYS_AT1(const double, weight, t);
        count += here != 0.0;
    }
    while (t < steps && count < width) {
        const double here = *QPHYS_AT1(const double, trials, t);
        const ptrdiff_t last = here == 0.0 ? 0 : nodes - n < width - count ? nodes : n + (width - count);
        for (; n < last; n++, count++) {
            b->step[count] = t;
            b->transmittance[count] = *QPHYS_AT2(const double, eta, t, n);
            b->trials[count] = here * *QPHYS_AT2(const double, weight, t, n);
        }
        if (here == 0.0 || n == nodes)
            t++, n = 0;
    }
    *step = t;
    *node = n;
    for (; count % WIDTH; count++) {
        b->step[count] = b->step[count - 1];
        b->transmittance[count] = b->trials[count] = 0.0;
    }
    b->count = count;
    b->arriving_group = -1;
    b->brightest = largest(count, b->transmittance, CLICKS_FINITE);
    p->good &= b->brightest <= CLICKS_FINITE && largest(count, b->trials, CLICKS_FINITE) <= CLICKS_FINITE;
}

/* One element of every step as a row of lanes; `stride` is 0 where all steps share it. */
static void gather(struct pass *p, const struct block *b, double *restrict row, const char *element, ptrdiff_t stride,
                   double top) {
    if (stride == 0) {
        fill(b->count, row, *(const double *)element);
        p->good &= clicks_within(row[0], top);
        return;
    }
    for (ptrdiff_t i = 0; i < b->count; i++)
        row[i] = *(const double *)(element + b->step[i] * stride);
    p->good &= largest(b->count, row, top) <= top;
}

/* ---- light ------------------------------------------------------------------------------------------------------- */

/* The four states of a group at one detector. */
struct states {
    const double *base[BB84_STATES]; /* m = factor * base */
    double factor[BB84_STATES], weight[BB84_STATES];
    double *click[BB84_STATES], *silent[BB84_STATES];
};

/* Adds the mean over the states to `mean`. `terms` is a constant where this is inlined. */
QPHYS_INLINE void faint_states(ptrdiff_t lanes, const struct states *s, double *restrict mean, const int terms) {
    const double *const b0 = s->base[0], *const b1 = s->base[1], *const b2 = s->base[2], *const b3 = s->base[3];
    double *restrict c0 = s->click[0], *restrict c1 = s->click[1], *restrict c2 = s->click[2],
                     *restrict c3 = s->click[3];
    const double f0 = s->factor[0], f1 = s->factor[1], f2 = s->factor[2], f3 = s->factor[3];
    const double w0 = s->weight[0], w1 = s->weight[1], w2 = s->weight[2], w3 = s->weight[3];
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        const double e0 = clicks_faint_light(f0 * b0[i], terms), e1 = clicks_faint_light(f1 * b1[i], terms);
        const double e2 = clicks_faint_light(f2 * b2[i], terms), e3 = clicks_faint_light(f3 * b3[i], terms);
        c0[i] = e0;
        c1[i] = e1;
        c2[i] = e2;
        c3[i] = e3;
        mean[i] += (w0 * e0 + w1 * e1) + (w2 * e2 + w3 * e3);
    }
}

static void bright_states(ptrdiff_t lanes, const struct states *s, double *restrict mean) {
    for (int state = 0; state < BB84_STATES; state++) {
        const double *restrict base = s->base[state];
        double *restrict click = s->click[state], *restrict silent = s->silent[state];
        const double factor = s->factor[state], weight = s->weight[state];
#pragma omp simd
        for (ptrdiff_t i = 0; i < lanes; i++) {
            double c, q;
            clicks_light(factor * base[i], &c, &q);
            click[i] = c;
            silent[i] = q;
            mean[i] += weight * c;
        }
    }
}

static enum kind light_states(ptrdiff_t lanes, const struct states *s, double *mean, double brightest) {
#define FAINT_STATES(terms, below)                                                                                     \
    if (brightest <= below) {                                                                                          \
        faint_states(lanes, s, mean, terms);                                                                           \
        return FAINT;                                                                                                  \
    }
    CLICKS_TERMS(FAINT_STATES)
    bright_states(lanes, s, mean);
    return BRIGHT;
}

/* Photons of the cells of a group at unit intensity: `unit` at unit transmittance where all steps share them, else
 * `arriving`. Kept until another group is asked for. */
static void take_photons(struct pass *p, struct block *b, ptrdiff_t e, ptrdiff_t j, ptrdiff_t s) {
    const struct qphys_array a = p->array[PHOTONS];
    const char *const photons = a.data + e * a.stride[1] + j * a.stride[2] + s * a.stride[4];
    const ptrdiff_t group = (e * p->size[J] + j) * p->size[S] + s;
    if (p->photon_step == 0 ? p->unit_group == group : b->arriving_group == group)
        return;
    p->unit_group = b->arriving_group = group;
    p->unit_most = b->arriving_most = 0.0;
    for (ptrdiff_t cell = 0; cell < p->size[D] * BB84_STATES; cell++) {
        const char *const element = photons + cell % BB84_STATES * a.stride[3] + cell / BB84_STATES * a.stride[5];
        if (p->photon_step == 0) {
            p->unit[cell] = *(const double *)element;
            p->unit_most = vm_max(largest(1, &p->unit[cell], CLICKS_FINITE), p->unit_most);
            continue;
        }
        double *restrict row = b->arriving[cell], most = 0.0;
        for (ptrdiff_t i = 0; i < b->count; i++)
            row[i] = *(const double *)(element + b->step[i] * p->photon_step);
#pragma omp simd reduction(max : most)
        for (ptrdiff_t i = 0; i < b->count; i++) {
            const double value = clicks_within(row[i], CLICKS_FINITE) ? row[i] * b->transmittance[i] : (double)INFINITY;
            row[i] = value;
            most = value > most ? value : most;
        }
        b->arriving_most = vm_max(most, b->arriving_most);
    }
}

/* Light of a group into its rows, its weighted means added to `inside` (in the gate) and `outside` (at all times; only
 * where a gate cuts and the detector has a dead time). */
static enum kind light_group(struct pass *p, struct block *b, ptrdiff_t e, ptrdiff_t k, ptrdiff_t s, double *rows,
                             double (*inside)[QPHYS_LANES], double (*outside)[QPHYS_LANES]) {
    const ptrdiff_t detectors = p->size[D], lanes = b->count;
    const double intensity = value_at(&p->array[INTENSITY], k), emission = value_at(&p->array[EMISSION_WEIGHT], e);
    const int shared = p->photon_step == 0;
    take_photons(p, b, e, p->size[J] == 1 ? 0 : k, s);
    const double brightest = intensity * (shared ? p->unit_most * b->brightest : b->arriving_most);
    p->good &= brightest <= CLICKS_FINITE;
    if (brightest == 0.0)
        return DARK;

    enum kind kind = DARK;
    for (ptrdiff_t d = 0; d < detectors; d++) {
        const double gate = value_at(&p->array[GATE_FRACTION], d);
        _Alignas(64) double unused[BB84_STATES][2][QPHYS_LANES];
        struct states gated, free;
        for (ptrdiff_t state = 0; state < BB84_STATES; state++) {
            const ptrdiff_t cell = d * BB84_STATES + state;
            gated.base[state] = shared ? b->transmittance : b->arriving[cell];
            free.factor[state] = shared ? intensity * p->unit[cell] : intensity;
            gated.factor[state] = gate * free.factor[state];
            gated.weight[state] = emission * *QPHYS_AT2(const double, p->array[SENDER_PROBABILITY], k, state);
            gated.click[state] = rows + cell * p->width;
            gated.silent[state] = gated.click[state] + detectors * BB84_STATES * p->width;
        }
        kind = light_states(lanes, &gated, inside[d], brightest);
        if (gate != 1.0 && value_at(&p->array[DEAD_TRIALS], d) > 0.0) {
            for (ptrdiff_t state = 0; state < BB84_STATES; state++) {
                free.base[state] = gated.base[state];
                free.weight[state] = gated.weight[state];
                free.click[state] = unused[state][0];
                free.silent[state] = unused[state][1];
            }
            light_states(lanes, &free, outside[d], brightest);
        }
    }
    return kind;
}

/* ---- first part: detectors --------------------------------------------------------------------------------------- */

static ptrdiff_t group_of(const struct pass *p, ptrdiff_t e, ptrdiff_t k, ptrdiff_t s) {
    return p->kept ? (s * p->size[E] + e) * BB84_INTENSITIES + k : 0;
}
static double *rows_of(const struct pass *p, ptrdiff_t group) {
    return p->light + group * (2 * BB84_STATES * p->size[D] * p->width);
}

QPHYS_INLINE void faint_noise(ptrdiff_t lanes, double *restrict row, const int terms) {
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++)
        row[i] = clicks_faint_light(row[i], terms);
}

/* Expected counts -> probability of one or more. */
static void noise_clicks(ptrdiff_t lanes, double *restrict row) {
    const double most = largest(lanes, row, CLICKS_FINITE);
#define FAINT_NOISE(terms, below)                                                                                      \
    if (most <= below) {                                                                                               \
        faint_noise(lanes, row, terms);                                                                                \
        return;                                                                                                        \
    }
    CLICKS_TERMS(FAINT_NOISE)
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        double click, silent;
        clicks_light(row[i], &click, &silent);
        row[i] = click;
    }
}

/* Adds the share of one receiver setting to the mean clicks of a detector; `first` is a constant where it is inlined.
 */
QPHYS_INLINE void average(ptrdiff_t lanes, double *restrict to, double receiver, const double *restrict noise,
                          const double *restrict light, double weights, const int first) {
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++)
        to[i] = (first ? 0.0 : to[i]) + receiver * clicks_with_noise(noise[i], light[i], weights);
}

/* What each detector does on average over all settings, and so how often it is blind or afterpulses. */
static void find_detectors(struct pass *p, struct block *b, double (*restrict blind)[QPHYS_LANES]) {
    const ptrdiff_t *size = p->size, lanes = b->count;
    const struct qphys_array *array = p->array;
    _Alignas(64) double free[CLICKS_DETECTORS][QPHYS_LANES],
        mean[CLICKS_DETECTORS][QPHYS_LANES]; /* clicks a trial, all settings */
    for (ptrdiff_t s = 0; s < size[S]; s++) {
        const double receiver = value_at(&array[RECEIVER_PROBABILITY], s);
        _Alignas(64) double inside[CLICKS_DETECTORS][QPHYS_LANES], outside[CLICKS_DETECTORS][QPHYS_LANES];
        for (ptrdiff_t d = 0; d < size[D]; d++) {
            fill(lanes, inside[d], 0.0);
            if (value_at(&array[GATE_FRACTION], d) != 1.0)
                fill(lanes, outside[d], 0.0);
        }
        for (ptrdiff_t e = 0; e < size[E]; e++)
            for (ptrdiff_t k = 0; k < BB84_INTENSITIES; k++) {
                const ptrdiff_t group = group_of(p, e, k, s);
                p->kind[group] = light_group(p, b, e, k, s, rows_of(p, group), inside, outside);
            }
        for (ptrdiff_t d = 0; d < size[D]; d++) {
            const double *const any = value_at(&array[GATE_FRACTION], d) != 1.0 ? outside[d] : inside[d];
            double *const noise = p->spurious + (s * size[D] + d) * p->width; /* for now */
            _Alignas(64) double free_click[QPHYS_LANES];
            const struct qphys_array n = array[NOISE], f = array[FREE_NOISE];
            gather(p, b, noise, n.data + s * n.stride[1] + d * n.stride[2], p->noise_step, 1.0);
            gather(p, b, free_click, f.data + s * f.stride[1] + d * f.stride[2], p->free_step, CLICKS_FINITE);
            noise_clicks(p->free_step == 0 ? 1 : lanes, free_click);
            if (p->free_step == 0)
                fill(lanes, free_click, free_click[0]);
            if (s == 0) {
                average(lanes, free[d], receiver, free_click, any, p->weights, 1);
                average(lanes, mean[d], receiver, noise, inside[d], p->weights, 1);
            } else {
                average(lanes, free[d], receiver, free_click, any, p->weights, 0);
                average(lanes, mean[d], receiver, noise, inside[d], p->weights, 0);
            }
        }
    }
    for (ptrdiff_t s = 0; s < size[S]; s++)
        for (ptrdiff_t d = 0; d < size[D]; d++) {
            const double dead = value_at(&array[DEAD_TRIALS], d), afterpulse = value_at(&array[AFTERPULSE], d);
            const double *restrict free_d = free[d], *restrict mean_d = mean[d];
            double *restrict blind_d = blind[d];
            double *restrict spurious = p->spurious + (s * size[D] + d) * p->width;
            double *restrict seen = p->seen + (s * size[D] + d) * p->width;
            double *restrict unlit = p->unlit + (s * size[D] + d) * p->width;
#pragma omp simd
            for (ptrdiff_t i = 0; i < lanes; i++) {
                const double live = clicks_live(free_d[i], dead);
                const double noise = spurious[i], after = afterpulse * live * mean_d[i];
                blind_d[i] = clicks_blind(free_d[i], dead, live);
                spurious[i] = clicks_spurious(live, noise, after);
                seen[i] = clicks_seen(live, noise, after);
                unlit[i] = blind_d[i] + seen[i];
            }
        }
}

/* ---- second part: sifted events ---------------------------------------------------------------------------------- */

/* What a detector shows to the two states of a basis, a row each. */
struct face {
    const double *spurious, *seen, *blind, *unlit, *click[2], *silent[2];
};

QPHYS_INLINE double yes(const struct face *f, int bit, ptrdiff_t i, const enum kind kind) {
    return kind == DARK ? f->spurious[i] : clicks_probability(f->spurious[i], f->seen[i], f->click[bit][i]);
}
QPHYS_INLINE double no(const struct face *f, int bit, ptrdiff_t i, const enum kind kind) {
    return kind == DARK    ? f->unlit[i]
           : kind == FAINT ? clicks_complement_faint(f->unlit[i], f->seen[i], f->click[bit][i])
                           : clicks_complement(f->blind[i], f->seen[i], f->silent[bit][i]);
}

/* Adds both states of a basis; `kind` is a constant where this is inlined. */
QPHYS_INLINE void sift(ptrdiff_t lanes, const struct face *face, const double *weight, const double *restrict trials,
                       double *restrict counts, double *restrict errors, const enum kind kind) {
    const struct face own0 = face[0], own1 = face[1], other0 = face[2], other1 = face[3];
    const double w0 = weight[0], w1 = weight[1];
    for (ptrdiff_t first = 0; first < lanes; first += WIDTH)
#pragma omp simd
        for (ptrdiff_t j = 0; j < WIDTH; j++) {
            const ptrdiff_t i = first + j;
            const double silent0 = w0 * (no(&other0, 0, i, kind) * no(&other1, 0, i, kind));
            const double silent1 = w1 * (no(&other0, 1, i, kind) * no(&other1, 1, i, kind));
            const double right0 = yes(&own0, 0, i, kind), wrong0 = yes(&own1, 0, i, kind);
            const double right1 = yes(&own1, 1, i, kind), wrong1 = yes(&own0, 1, i, kind);
            counts[j] += trials[i] * (clicks_sifted(right0, wrong0, silent0) + clicks_sifted(right1, wrong1, silent1));
            errors[j] += trials[i] *
                         (clicks_sifted_wrong(right0, wrong0, silent0) + clicks_sifted_wrong(right1, wrong1, silent1));
        }
}

typedef double totals[BB84_INTENSITIES][BB84_BASES][2][WIDTH]; /* counts, errors */

static void find_events(struct pass *p, struct block *b, double (*restrict blind)[QPHYS_LANES], totals total) {
    const ptrdiff_t *size = p->size, lanes = b->count;
    _Alignas(64) double unused[CLICKS_DETECTORS][QPHYS_LANES];
    for (ptrdiff_t d = 0; !p->kept && d < CLICKS_DETECTORS; d++)
        fill(lanes, unused[d], 0.0);
    _Alignas(64) double zero[QPHYS_LANES], one[QPHYS_LANES];
    for (ptrdiff_t s = 0; s < size[S]; s++)
        for (int basis = 0; basis < BB84_BASES; basis++) {
            const ptrdiff_t *const own = p->detector_of[s] + 2 * basis;
            const ptrdiff_t *const other = p->detector_of[s] + 2 * (BB84_BASES - 1 - basis);
            const ptrdiff_t detector[4] = {own[0], own[1], other[0], other[1]};
            if (own[0] < 0 && own[1] < 0)
                continue;
            struct face face[4];
            for (int f = 0; f < 4; f++) {
                const ptrdiff_t d = detector[f], row = (s * size[D] + d) * p->width;
                if (d < 0) { /* no detector: no click */
                    fill(lanes, zero, 0.0);
                    fill(lanes, one, 1.0);
                    face[f] = (struct face){zero, zero, one, one, {zero, zero}, {zero, zero}};
                } else
                    face[f] = (struct face){p->spurious + row, p->seen + row, blind[d], p->unlit + row, {0}, {0}};
            }
            for (ptrdiff_t e = 0; e < size[E]; e++)
                for (ptrdiff_t k = 0; k < BB84_INTENSITIES; k++) {
                    const ptrdiff_t group = group_of(p, e, k, s);
                    double *const rows = rows_of(p, group);
                    const enum kind kind = p->kept ? p->kind[group] : light_group(p, b, e, k, s, rows, unused, unused);
                    for (int f = 0; f < 4; f++)
                        for (int bit = 0; detector[f] >= 0 && bit < 2; bit++) {
                            face[f].click[bit] = rows + (detector[f] * BB84_STATES + 2 * basis + bit) * p->width;
                            face[f].silent[bit] = face[f].click[bit] + size[D] * BB84_STATES * p->width;
                        }
                    double weight[2];
                    for (int bit = 0; bit < 2; bit++)
                        weight[bit] = value_at(&p->array[EMISSION_WEIGHT], e) *
                                      value_at(&p->array[RECEIVER_PROBABILITY], s) *
                                      *QPHYS_AT2(const double, p->array[SENDER_PROBABILITY], k, 2 * basis + bit);
                    double *const counts = total[k][basis][0], *const errors = total[k][basis][1];
                    if (kind == DARK)
                        sift(lanes, face, weight, b->trials, counts, errors, DARK);
                    else if (kind == FAINT)
                        sift(lanes, face, weight, b->trials, counts, errors, FAINT);
                    else
                        sift(lanes, face, weight, b->trials, counts, errors, BRIGHT);
                }
        }
}

/* ---- the pass ---------------------------------------------------------------------------------------------------- */

/* The sum of a row of WIDTH. */
static double sum(double *restrict row) {
    for (ptrdiff_t half = WIDTH / 2; half > 0; half /= 2)
        for (ptrdiff_t i = 0; i < half; i++)
            row[i] += row[i + half];
    return row[0];
}

static double scalar_at(const struct qphys_array *a) { return *QPHYS_AT0(const double, *a); }

/* One block of key: lim2014 with `basis` for the key and the other for the test. */
static void make_key(const struct qphys_array *array, ptrdiff_t place) {
    enum { INPUTS = 7 * BB84_INTENSITIES + 6, OUTPUTS = 9, DOUBLES = 7 };
    double value[INPUTS], result[OUTPUTS];
    const double *in[INPUTS];
    double *out[OUTPUTS];
    const int8_t wanted = *QPHYS_AT1(const int8_t, array[KEY_BASIS], place);
    const ptrdiff_t key = wanted == X;
    for (ptrdiff_t k = 0; k < BB84_INTENSITIES; k++) {
        value[k] = *QPHYS_AT2(const double, array[COUNTS], k, key);
        value[3 + k] = *QPHYS_AT2(const double, array[ERRORS], k, key);
        value[6 + k] = *QPHYS_AT2(const double, array[COUNTS], k, 1 - key);
        value[9 + k] = *QPHYS_AT2(const double, array[ERRORS], k, 1 - key);
        value[12 + k] = value_at(&array[MEAN_PHOTON_NUMBERS], k);
        for (ptrdiff_t basis = 0; basis < BB84_BASES; basis++)
            value[(basis == key ? 15 : 18) + k] = *QPHYS_AT2(const double, array[SENDER_PROBABILITY], k, 2 * basis) +
                                                  *QPHYS_AT2(const double, array[SENDER_PROBABILITY], k, 2 * basis + 1);
    }
    value[21] = scalar_at(&array[EPS_SECRECY]);
    value[22] = scalar_at(&array[EPS_CORRECTNESS]);
    value[23] = scalar_at(&array[ERROR_CORRECTION_EFFICIENCY]);
    value[24] = *QPHYS_AT0(const int8_t, array[TAIL_BOUND]);
    value[25] = *QPHYS_AT0(const int8_t, array[SAMPLING_BOUND]);
    value[26] = wanted == Z || wanted == X ? *QPHYS_AT0(const int8_t, array[KEY_FROM]) : -1; /* an unknown option */
    for (int i = 0; i < INPUTS; i++)
        in[i] = &value[i];
    for (int i = 0; i < OUTPUTS; i++)
        out[i] = &result[i];
    QPHYS_NAME(lim2014, QPHYS_LEVEL)(1, in, out, 0);
    for (int i = 0; i < DOUBLES; i++)
        *QPHYS_AT1(double, array[KEY + i], place) = result[i];
    for (int i = DOUBLES; i < OUTPUTS; i++)
        *QPHYS_AT1(int8_t, array[KEY + i], place) = (int8_t)result[i];
}

ROW_KERNEL(whole_pass) {
    _Alignas(64) double scratch[SCRATCH], blind[CLICKS_DETECTORS][QPHYS_LANES];
    _Alignas(64) totals total = {0};
    const ptrdiff_t pairs = size[S] * size[D], groups = size[E] * size[S] * BB84_INTENSITIES;
    const ptrdiff_t group_rows = 2 * BB84_STATES * size[D];
    struct pass p;
    p.size = size;
    p.array = array;
    p.photon_step = size[U] == 1 ? 0 : array[PHOTONS].stride[0];
    p.noise_step = size[V] == 1 ? 0 : array[NOISE].stride[0];
    p.free_step = size[V] == 1 ? 0 : array[FREE_NOISE].stride[0];
    p.kept = groups <= GROUPS && 3 * pairs + groups * group_rows <= SCRATCH / WIDTH;
    p.unit_group = -1;
    p.good = possible(&p);
    if (p.good) {
        const ptrdiff_t rows = 3 * pairs + (p.kept ? groups : 1) * group_rows, width = SCRATCH / rows;
        p.width = width > QPHYS_LANES ? QPHYS_LANES : width - width % WIDTH;
        const ptrdiff_t lanes = size[T] * size[N], blocks = (lanes + p.width - 1) / p.width; /* of about equal size */
        p.width = lanes == 0 ? p.width : ((lanes + blocks - 1) / blocks + WIDTH - 1) / WIDTH * WIDTH;
        p.spurious = scratch;
        p.seen = scratch + pairs * p.width;
        p.unlit = scratch + 2 * pairs * p.width;
        p.light = scratch + 3 * pairs * p.width;
    }
    for (ptrdiff_t step = 0, node = 0; p.good && step < size[T];) {
        struct block b;
        begin(&p, &b, &step, &node);
        if (b.count == 0)
            break; /* no trials any more */
        find_detectors(&p, &b, blind);
        find_events(&p, &b, blind, total);
    }
    for (int k = 0; k < BB84_INTENSITIES; k++)
        for (int basis = 0; basis < BB84_BASES; basis++) {
            const double counts = sum(total[k][basis][0]), errors = sum(total[k][basis][1]);
            *QPHYS_AT2(double, array[COUNTS], k, basis) = p.good ? counts : (double)NAN;
            *QPHYS_AT2(double, array[ERRORS], k, basis) = p.good ? errors : (double)NAN;
        }
    for (ptrdiff_t place = 0; place < size[B]; place++)
        make_key(array, place);
}
