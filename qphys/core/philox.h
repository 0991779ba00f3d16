/* Philox4x64-10: random numbers as a function of a key and a counter, so that every draw has an address.
 *
 * Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC'11, doi:10.1145/2063384.2063405.
 *
 * key     = (seed, stream); a stream is 64 bits of the digest of what is being simulated, never an index.
 * counter = (block, realisation, step, purpose); the block runs from 1, as in numpy.random.Philox with a counter of
 *           (0, realisation, step, purpose), which is therefore an exact oracle.
 */
#ifndef QPHYS_PHILOX_H
#define QPHYS_PHILOX_H

#include <stdint.h>

/* What a draw is for: the last word of the counter. A number once given keeps its meaning for ever. */
enum philox_purpose {
    PHILOX_FADING = 1,
    PHILOX_SETTINGS = 2,
    PHILOX_OUTCOMES = 3,
    PHILOX_DRAWS = 4, /* single draws, addressed by an index */
    PHILOX_LAWS = 5,
    PHILOX_SCREEN_SPECTRUM = 16,
    PHILOX_SCREEN_MODES = 17,
    PHILOX_SENSOR_NOISE = 18,
    PHILOX_MODES = 32, /* coupling by independent modes */
    PHILOX_PUPIL = 33, /* coupling by whole pupils */
};

enum { PHILOX_WORDS = 4, PHILOX_ROUNDS = 10 };

struct philox {
    uint64_t key[2];
    uint64_t counter[PHILOX_WORDS];
    uint64_t word[PHILOX_WORDS];
    int used;
};

__extension__ typedef unsigned __int128 philox_uint128;

static inline void philox_block(const uint64_t counter[PHILOX_WORDS], const uint64_t key[2],
                                uint64_t word[PHILOX_WORDS]) {
    const uint64_t multiplier_0 = UINT64_C(0xD2E7470EE14C6C93);
    const uint64_t multiplier_1 = UINT64_C(0xCA5A826395121157);
    uint64_t key_0 = key[0], key_1 = key[1];
    uint64_t word_0 = counter[0], word_1 = counter[1], word_2 = counter[2], word_3 = counter[3];

    for (int round = 0; round < PHILOX_ROUNDS; ++round) {
        const philox_uint128 product_0 = (philox_uint128)multiplier_0 * word_0;
        const philox_uint128 product_1 = (philox_uint128)multiplier_1 * word_2;
        word_0 = (uint64_t)(product_1 >> 64) ^ word_1 ^ key_0;
        word_1 = (uint64_t)product_1;
        word_2 = (uint64_t)(product_0 >> 64) ^ word_3 ^ key_1;
        word_3 = (uint64_t)product_0;
        key_0 += UINT64_C(0x9E3779B97F4A7C15); /* golden ratio */
        key_1 += UINT64_C(0xBB67AE8584CAA73B); /* sqrt(3) - 1 */
    }
    word[0] = word_0;
    word[1] = word_1;
    word[2] = word_2;
    word[3] = word_3;
}

static inline struct philox philox_open(uint64_t seed, uint64_t stream, uint64_t realisation, uint64_t step,
                                        uint64_t purpose) {
    const struct philox opened = {
        .key = {seed, stream},
        .counter = {0, realisation, step, purpose},
        .used = PHILOX_WORDS,
    };
    return opened;
}

static inline uint64_t philox_next(struct philox *source) {
    if (source->used == PHILOX_WORDS) {
        source->counter[0] += 1;
        philox_block(source->counter, source->key, source->word);
        source->used = 0;
    }
    return source->word[source->used++];
}

/* Uniform on {0, 1, ..., 2^53 - 1} / 2^53. */
static inline double philox_uniform(struct philox *source) { return (double)(philox_next(source) >> 11) * 0x1p-53; }

/* Uniform on {1/2, 3/2, ..., 2^52 - 1/2} / 2^52: never 0 and never 1, so that its logarithm is finite and not 0. */
static inline double philox_uniform_open(struct philox *source) {
    return ((double)(philox_next(source) >> 12) + 0.5) * 0x1p-52;
}

#endif
