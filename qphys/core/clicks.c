/* Probability of every outcome of a trial, for each lane (time step t, fading node n) and setting c of the sender:
 * coherent light on up to four threshold detectors with noise, dead time, gate and afterpulses. Equations in clicks.h
 * and in the twin, reference_clicks.py; docs/physics/receiver.md.
 *
 * Lanes go in blocks. Scratch lies on the stack in rows of `lanes` doubles: light of every cell (e, c, s, d), kept from
 * the first pass (mean click rates, which give dead time and afterpulses) to the second (patterns) if it fits, else
 * computed twice. Lanes never meet, so that results do not depend on the blocks. */
#include "clicks.h"
#include "kernels.h"

enum { T, N, U, E, C, S, D, V, M, O };
enum input {
    TRANSMITTANCE,
    PHOTONS,
    EMISSION_WEIGHT,
    SENDER_PROBABILITY,
    RECEIVER_PROBABILITY,
    GATE_FRACTION,
    NOISE,
    FREE_NOISE,
    DEAD_TRIALS,
    AFTERPULSE,
    OUTCOME_OF_PATTERN,
    OUTCOMES,
    PROBABILITY
};
enum { SCRATCH = 12288, WIDTH = 8 }; /* doubles (96 KiB); blocks are whole multiples of WIDTH where they can be */

/* Lanes [first, first + count) of the flattened (t, n). */
struct block {
    ptrdiff_t count;
    ptrdiff_t step[QPHYS_LANES], node[QPHYS_LANES];
    double transmittance[QPHYS_LANES];
    double poison[QPHYS_LANES]; /* 0, or NaN in a lane with an impossible input */
};

static void fill(ptrdiff_t lanes, double *restrict row, double value) {
    for (ptrdiff_t i = 0; i < lanes; i++)
        row[i] = value;
}

static void add(ptrdiff_t lanes, double *restrict to, double weight, const double *restrict row) {
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++)
        to[i] += weight * row[i];
}

static void begin(struct block *b, const struct qphys_array *transmittance, ptrdiff_t first, ptrdiff_t count,
                  ptrdiff_t nodes) {
    ptrdiff_t step = first / nodes, node = first % nodes;
    b->count = count;
    for (ptrdiff_t i = 0; i < count; i++) {
        b->step[i] = step;
        b->node[i] = node;
        const double value = *QPHYS_AT2(const double, *transmittance, step, node);
        b->transmittance[i] = value;
        b->poison[i] = clicks_within(value, CLICKS_FINITE) ? 0.0 : (double)NAN;
        step += node + 1 == nodes;
        node = node + 1 == nodes ? 0 : node + 1;
    }
}

/* One element of every step as a row of lanes; `stride` is 0 where all steps share it. Poisons what is not in [0, top].
 */
static void gather(struct block *b, double *restrict row, const char *element, ptrdiff_t stride, double top) {
    if (stride == 0) {
        fill(b->count, row, *(const double *)element);
        if (!clicks_within(row[0], top))
            fill(b->count, b->poison, (double)NAN);
        return;
    }
    for (ptrdiff_t i = 0; i < b->count; i++)
        row[i] = *(const double *)(element + b->step[i] * stride);
    for (ptrdiff_t i = 0; i < b->count; i++)
        b->poison[i] = clicks_within(row[i], top) ? b->poison[i] : (double)NAN;
}

/* Photons at transmittance 1 -> click and silent. */
static void light(const struct block *b, const double *restrict photons, double gate, double *restrict click,
                  double *restrict silent) {
    const double *restrict transmittance = b->transmittance;
#pragma omp simd
    for (ptrdiff_t i = 0; i < b->count; i++) {
        double c, s;
        clicks_light(gate * (transmittance[i] * photons[i]), &c, &s);
        click[i] = c;
        silent[i] = s;
    }
}

/* What a detector shows to a pattern, a row each. */
struct face {
    const double *spurious, *seen, *blind, *click, *silent;
};

/* Adds weight x P(pattern) to the row of every pattern. The rows of different patterns may be one. */
static void add_patterns(ptrdiff_t lanes, double weight, const struct face *face, double *const *to) {
    const struct face a = face[0], b = face[1], c = face[2], d = face[3];
#pragma omp simd
    for (ptrdiff_t i = 0; i < lanes; i++) {
        const double yes0 = clicks_probability(a.spurious[i], a.seen[i], a.click[i]);
        const double yes1 = clicks_probability(b.spurious[i], b.seen[i], b.click[i]);
        const double yes2 = clicks_probability(c.spurious[i], c.seen[i], c.click[i]);
        const double yes3 = clicks_probability(d.spurious[i], d.seen[i], d.click[i]);
        const double no0 = weight * clicks_complement(a.blind[i], a.seen[i], a.silent[i]);
        const double no1 = clicks_complement(b.blind[i], b.seen[i], b.silent[i]);
        const double no2 = clicks_complement(c.blind[i], c.seen[i], c.silent[i]);
        const double no3 = clicks_complement(d.blind[i], d.seen[i], d.silent[i]);
        const double low[4] = {no0 * no1, weight * yes0 * no1, no0 * yes1, weight * yes0 * yes1};
        const double high[4] = {no2 * no3, yes2 * no3, no2 * yes3, yes2 * yes3};
        to[0][i] += low[0] * high[0];
        to[1][i] += low[1] * high[0];
        to[2][i] += low[2] * high[0];
        to[3][i] += low[3] * high[0];
        to[4][i] += low[0] * high[1];
        to[5][i] += low[1] * high[1];
        to[6][i] += low[2] * high[1];
        to[7][i] += low[3] * high[1];
        to[8][i] += low[0] * high[2];
        to[9][i] += low[1] * high[2];
        to[10][i] += low[2] * high[2];
        to[11][i] += low[3] * high[2];
        to[12][i] += low[0] * high[3];
        to[13][i] += low[1] * high[3];
        to[14][i] += low[2] * high[3];
        to[15][i] += low[3] * high[3];
    }
}

static double value_at(const struct qphys_array *a, ptrdiff_t i) { return *QPHYS_AT1(const double, *a, i); }

/* Can the kernel work with what all lanes share? */
static int possible(const ptrdiff_t *size, const struct qphys_array *array) {
    const struct {
        enum input operand;
        ptrdiff_t length;
        double top;
    } vectors[] = {
        {EMISSION_WEIGHT, size[E], CLICKS_FINITE},      {SENDER_PROBABILITY, size[C], CLICKS_FINITE},
        {RECEIVER_PROBABILITY, size[S], CLICKS_FINITE}, {GATE_FRACTION, size[D], 1.0},
        {DEAD_TRIALS, size[D], CLICKS_FINITE},          {AFTERPULSE, size[D], 1.0},
    };
    int good = size[D] >= 1 && size[D] <= CLICKS_DETECTORS && size[M] == (ptrdiff_t)1 << size[D] &&
               (size[U] == 1 || size[U] == size[T]) && (size[V] == 1 || size[V] == size[T]);
    for (size_t v = 0; v < sizeof vectors / sizeof vectors[0]; v++)
        for (ptrdiff_t i = 0; i < vectors[v].length; i++)
            good &= clicks_within(value_at(&array[vectors[v].operand], i), vectors[v].top);
    for (ptrdiff_t s = 0; s < size[S]; s++)
        for (ptrdiff_t m = 0; m < size[M]; m++) {
            const int64_t outcome = *QPHYS_AT2(const int64_t, array[OUTCOME_OF_PATTERN], s, m);
            good &= outcome >= 0 && outcome < size[O];
        }
    return good;
}

/* The pass as the two passes over a block see it. */
struct pass {
    const ptrdiff_t *size;
    const struct qphys_array *array;
    ptrdiff_t photon_step, noise_step, free_step; /* bytes from a step to the next, 0 where all steps share a value */
    double weights;                               /* sum over e and c */
    int kept;                                     /* light of all cells stays in scratch */
    ptrdiff_t width;
    double *outcome, *spurious, *seen, *light; /* rows of `width` lanes: (o), (s, d), (s, d), cells or (d), two each */
};

/* Row of a cell's clicks, computed if `fresh` or not kept; its silences are the next row. */
static double *cell(const struct pass *p, struct block *b, ptrdiff_t e, ptrdiff_t c, ptrdiff_t s, ptrdiff_t d,
                    int fresh) {
    const struct qphys_array photons = p->array[PHOTONS];
    const ptrdiff_t index = p->kept ? ((c * p->size[S] + s) * p->size[E] + e) * p->size[D] + d : d;
    double *const click = p->light + 2 * index * p->width, *const silent = click + p->width;
    if (!fresh && p->kept)
        return click;
    const char *const element =
        photons.data + e * photons.stride[1] + c * photons.stride[2] + s * photons.stride[3] + d * photons.stride[4];
    if (p->photon_step == 0 && *(const double *)element == 0.0) {
        fill(b->count, click, 0.0);
        fill(b->count, silent, 1.0);
        return click;
    }
    double row[QPHYS_LANES];
    gather(b, row, element, p->photon_step, CLICKS_FINITE);
    light(b, row, value_at(&p->array[GATE_FRACTION], d), click, silent);
    return click;
}

/* First pass: what each detector does on average over all settings, and so how often it is blind or afterpulses. */
static void find_detectors(const struct pass *p, struct block *b, double (*restrict blind)[QPHYS_LANES]) {
    const ptrdiff_t *size = p->size, lanes = b->count;
    const struct qphys_array *array = p->array;
    double free[CLICKS_DETECTORS][QPHYS_LANES], mean[CLICKS_DETECTORS][QPHYS_LANES]; /* clicks a trial, all settings */
    for (ptrdiff_t d = 0; d < size[D]; d++) {
        fill(lanes, free[d], 0.0);
        fill(lanes, mean[d], 0.0);
    }
    for (ptrdiff_t s = 0; s < size[S]; s++) {
        const double receiver = value_at(&array[RECEIVER_PROBABILITY], s);
        for (ptrdiff_t d = 0; d < size[D]; d++) {
            const int blinds = value_at(&array[DEAD_TRIALS], d) > 0.0, repeats = value_at(&array[AFTERPULSE], d) > 0.0;
            const int gated = value_at(&array[GATE_FRACTION], d) != 1.0;
            double inside[QPHYS_LANES], outside[QPHYS_LANES], row[QPHYS_LANES];
            double free_clicks[QPHYS_LANES], unused[QPHYS_LANES];
            fill(lanes, inside, 0.0);
            fill(lanes, outside, 0.0);
            for (ptrdiff_t e = 0; e < size[E]; e++)
                for (ptrdiff_t c = 0; c < size[C]; c++) {
                    const double weight =
                        value_at(&array[EMISSION_WEIGHT], e) * value_at(&array[SENDER_PROBABILITY], c);
                    const double *const click = cell(p, b, e, c, s, d, 1);
                    if (repeats || (blinds && !gated))
                        add(lanes, inside, weight, click);
                    if (blinds && gated) {
                        const struct qphys_array photons = array[PHOTONS];
                        gather(b, row,
                               photons.data + e * photons.stride[1] + c * photons.stride[2] + s * photons.stride[3] +
                                   d * photons.stride[4],
                               p->photon_step, CLICKS_FINITE);
                        light(b, row, 1.0, free_clicks, unused);
                        add(lanes, outside, weight, free_clicks);
                    }
                }
            const double *const any = gated ? outside : inside;
            double *const noise = p->spurious + (s * size[D] + d) * p->width; /* for now */
            gather(b, noise, array[NOISE].data + s * array[NOISE].stride[1] + d * array[NOISE].stride[2], p->noise_step,
                   1.0);
            gather(b, row, array[FREE_NOISE].data + s * array[FREE_NOISE].stride[1] + d * array[FREE_NOISE].stride[2],
                   p->free_step, CLICKS_FINITE);
#pragma omp simd
            for (ptrdiff_t i = 0; i < lanes; i++) {
                double click, silent;
                clicks_light(row[i], &click, &silent);
                free[d][i] += receiver * clicks_with_noise(click, any[i], p->weights);
                mean[d][i] += receiver * clicks_with_noise(noise[i], inside[i], p->weights);
            }
        }
    }
    for (ptrdiff_t d = 0; d < size[D]; d++) {
        const double dead = value_at(&array[DEAD_TRIALS], d), afterpulse = value_at(&array[AFTERPULSE], d);
#pragma omp simd
        for (ptrdiff_t i = 0; i < lanes; i++)
            blind[d][i] = clicks_blind(free[d][i], dead, clicks_live(free[d][i], dead));
        for (ptrdiff_t s = 0; s < size[S]; s++) {
            double *restrict spurious = p->spurious + (s * size[D] + d) * p->width;
            double *restrict seen = p->seen + (s * size[D] + d) * p->width;
#pragma omp simd
            for (ptrdiff_t i = 0; i < lanes; i++) {
                const double live = clicks_live(free[d][i], dead);
                const double noise = spurious[i], after = afterpulse * live * mean[d][i];
                spurious[i] = clicks_spurious(live, noise, after);
                seen[i] = clicks_seen(live, noise, after);
            }
        }
    }
}

/* Every `width`-th value from `from` to `to`; contiguous memory, the usual case, in a loop of its own. */
static void scatter(ptrdiff_t count, const double *restrict from, ptrdiff_t width, double poison, char *to,
                    ptrdiff_t stride) {
    double *restrict next = (double *)to;
    if (stride == sizeof(double))
#pragma omp simd
        for (ptrdiff_t o = 0; o < count; o++)
            next[o] = from[o * width] + poison;
    else
        for (ptrdiff_t o = 0; o < count; o++)
            *(double *)(to + o * stride) = from[o * width] + poison;
}

/* Second pass, one setting of the sender: patterns, and from them outcomes. */
static void find_outcomes(const struct pass *p, struct block *b, double (*restrict blind)[QPHYS_LANES], ptrdiff_t c) {
    const ptrdiff_t *size = p->size, lanes = b->count;
    const struct qphys_array *array = p->array;
    double zero[QPHYS_LANES], one[QPHYS_LANES], unused[QPHYS_LANES];
    fill(lanes, zero, 0.0);
    fill(lanes, one, 1.0);
    fill(lanes, unused, 0.0);
    for (ptrdiff_t o = 0; o < size[O]; o++)
        fill(lanes, p->outcome + o * p->width, 0.0);
    for (ptrdiff_t s = 0; s < size[S]; s++) {
        double *to[CLICKS_PATTERNS];
        for (ptrdiff_t m = 0; m < CLICKS_PATTERNS; m++)
            to[m] = m < size[M] ? p->outcome + *QPHYS_AT2(const int64_t, array[OUTCOME_OF_PATTERN], s, m) * p->width
                                : unused;
        for (ptrdiff_t e = 0; e < size[E]; e++) {
            struct face face[CLICKS_DETECTORS];
            for (ptrdiff_t d = 0; d < CLICKS_DETECTORS; d++) {
                face[d] = (struct face){zero, zero, one, zero, zero}; /* a detector that is not there never clicks */
                if (d >= size[D])
                    continue;
                const double *const click = cell(p, b, e, c, s, d, 0);
                const ptrdiff_t row = (s * size[D] + d) * p->width;
                face[d] = (struct face){p->spurious + row, p->seen + row, blind[d], click, click + p->width};
            }
            const double weight = value_at(&array[RECEIVER_PROBABILITY], s) * value_at(&array[EMISSION_WEIGHT], e);
            add_patterns(lanes, weight, face, to);
        }
    }
    const struct qphys_array out = array[PROBABILITY];
    for (ptrdiff_t i = 0; i < lanes; i++) {
        char *const to = out.data + b->step[i] * out.stride[0] + b->node[i] * out.stride[1] + c * out.stride[2];
        scatter(size[O], p->outcome + i, p->width, b->poison[i], to, out.stride[3]);
    }
}

ROW_KERNEL(click_probabilities) {
    /* Rows: outcomes, spurious and seen of each (s, d), light of every cell or of one (e, c, s). */
    _Alignas(64) double scratch[SCRATCH], blind[CLICKS_DETECTORS][QPHYS_LANES];
    const ptrdiff_t pairs = size[S] * size[D], cells = size[E] * size[C] * pairs, fixed = size[O] + 2 * pairs;
    const int kept = fixed + 2 * cells <= SCRATCH / WIDTH;
    const ptrdiff_t rows = fixed + 2 * (kept ? cells : size[D]);
    ptrdiff_t width = SCRATCH / (rows ? rows : 1);
    width = width > QPHYS_LANES ? QPHYS_LANES : width > WIDTH ? width - width % WIDTH : width;
    const int good = width > 0 && possible(size, array);
    struct pass p = {
        .size = size,
        .array = array,
        .photon_step = size[U] == 1 ? 0 : array[PHOTONS].stride[0],
        .noise_step = size[V] == 1 ? 0 : array[NOISE].stride[0],
        .free_step = size[V] == 1 ? 0 : array[FREE_NOISE].stride[0],
        .kept = kept,
        .width = width,
        .outcome = scratch,
        .spurious = scratch + size[O] * width,
        .seen = scratch + (size[O] + pairs) * width,
        .light = scratch + fixed * width,
    };
    double emissions = 0.0, senders = 0.0;
    for (ptrdiff_t e = 0; e < size[E]; e++)
        emissions += value_at(&array[EMISSION_WEIGHT], e);
    for (ptrdiff_t c = 0; c < size[C]; c++)
        senders += value_at(&array[SENDER_PROBABILITY], c);
    p.weights = emissions * senders;

    const ptrdiff_t total = size[T] * size[N];
    for (ptrdiff_t first = 0; good && first < total; first += width) {
        struct block b;
        begin(&b, &array[TRANSMITTANCE], first, total - first < width ? total - first : width, size[N]);
        find_detectors(&p, &b, blind);
        for (ptrdiff_t c = 0; c < size[C]; c++)
            find_outcomes(&p, &b, blind, c);
    }
    for (ptrdiff_t t = 0; !good && t < size[T]; t++)
        for (ptrdiff_t n = 0; n < size[N]; n++)
            for (ptrdiff_t c = 0; c < size[C]; c++)
                for (ptrdiff_t o = 0; o < size[O]; o++)
                    *(double *)((char *)QPHYS_AT3(double, array[PROBABILITY], t, n, c) +
                                o * array[PROBABILITY].stride[3]) = (double)NAN;
}
