/* SPDX-License-Identifier: Apache-2.0 */
/* Sections are those of ISO/IEC 18004:2015. */
#include "identity/qr.h"

#include <stdlib.h>
#include <string.h>

enum { CODEWORDS_MAX = 1085, ECC_MAX = 30, MASKS = 8 };

/* Table 9, level L: error correction codewords of a block, and how many blocks there are. */
static const uint8_t ecc_of_block[QR_VERSION_MAX + 1] = {0,  7,  10, 15, 20, 26, 18, 20, 24, 30, 18,
                                                         20, 24, 26, 30, 22, 24, 28, 30, 28, 28};
static const uint8_t blocks_of[QR_VERSION_MAX + 1] = {0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 4,
                                                      4, 4, 4, 4, 6, 6, 6, 6, 7, 8};

/* ---- codewords ---------------------------------------------------------------------------------------- */

/* Alignment patterns of a side (annex E). */
static int alignments(int version)
{
        return version == 1 ? 0 : version / 7 + 2;
}

/* What is left when finders, timing, alignment, format and version have their modules (table 1). */
static int codewords(int version)
{
        int size = 17 + 4 * version;
        int n = alignments(version);
        int bits = size * size - 3 * 64 - 2 * (size - 16) - 31;

        if (n > 0)
                bits -= 25 * (n * n - 3) - 10 * (n - 2);
        if (version >= 7)
                bits -= 36;
        return bits / 8;
}

static int data_codewords(int version)
{
        return codewords(version) - ecc_of_block[version] * blocks_of[version];
}

static int head_bits(int version)
{
        return 4 + (version < 10 ? 8 : 16);
}

struct bits {
        uint8_t *bytes;
        int count;
};

static void put(struct bits *bits, unsigned value, int count)
{
        for (int i = count - 1; i >= 0; i--, bits->count++)
                bits->bytes[bits->count / 8] |= (uint8_t)((value >> i & 1) << (7 - bits->count % 8));
}

/* Section 7.4: mode, count, bytes, terminator, padding. */
static void write_data(struct str text, int version, uint8_t *ret_data)
{
        int most = data_codewords(version);
        struct bits bits = {ret_data, 0};

        memset(ret_data, 0, (size_t)most);
        put(&bits, 4, 4);
        put(&bits, (unsigned)text.len, head_bits(version) - 4);
        for (size_t i = 0; i < text.len; i++)
                put(&bits, (uint8_t)text.ptr[i], 8);
        /* The terminator's and the last byte's zeros are there already; a full symbol has less of them. */
        for (int at = (bits.count + 4 + 7) / 8, pad = 0xEC; at < most; at++, pad ^= 0xEC ^ 0x11)
                ret_data[at] = (uint8_t)pad;
}

/* In GF(256) modulo x^8 + x^4 + x^3 + x^2 + 1 (section 7.5.2). */
static uint8_t multiply(uint8_t a, uint8_t b)
{
        unsigned product = 0;

        for (int i = 7; i >= 0; i--) {
                product = product << 1 ^ (product >> 7) * 0x11D;
                product ^= (unsigned)(b >> i & 1) * a;
        }
        return (uint8_t)product;
}

/* The remainder of the data by the product of (x - 2^i), i below `count`. */
static void error_correction(const uint8_t *data, int len, int count, uint8_t *ret_ecc)
{
        uint8_t generator[ECC_MAX] = {0};
        uint8_t root = 1;

        generator[count - 1] = 1;
        for (int i = 0; i < count; i++) {
                for (int j = 0; j < count; j++) {
                        generator[j] = multiply(generator[j], root);
                        if (j + 1 < count)
                                generator[j] ^= generator[j + 1];
                }
                root = multiply(root, 2);
        }
        memset(ret_ecc, 0, (size_t)count);
        for (int i = 0; i < len; i++) {
                uint8_t factor = data[i] ^ ret_ecc[0];

                memmove(ret_ecc, ret_ecc + 1, (size_t)count - 1);
                ret_ecc[count - 1] = 0;
                for (int j = 0; j < count; j++)
                        ret_ecc[j] ^= multiply(generator[j], factor);
        }
}

/* Section 7.6: one codeword of each block in turn; the last blocks may have one more of data. */
static void interleave(const uint8_t *data, int version, uint8_t *ret)
{
        int blocks = blocks_of[version];
        int ecc_len = ecc_of_block[version];
        int total = codewords(version);
        int few = blocks - total % blocks;
        int len = total / blocks - ecc_len; /* of the first, the short ones */
        int data_len = data_codewords(version);

        for (int block = 0; block < blocks; block++) {
                int mine = len + (block >= few);
                uint8_t ecc[ECC_MAX];

                error_correction(data, mine, ecc_len, ecc);
                for (int i = 0; i < len; i++)
                        ret[i * blocks + block] = data[i];
                if (mine > len)
                        ret[len * blocks + block - few] = data[len];
                for (int i = 0; i < ecc_len; i++)
                        ret[data_len + i * blocks + block] = ecc[i];
                data += mine;
        }
}

/* ---- modules ------------------------------------------------------------------------------------------ */

static void set(struct qr *qr, int x, int y, bool dark)
{
        if (x < 0 || y < 0 || x >= qr->size || y >= qr->size)
                return;
        qr->dark[y][x] = dark;
        qr->function[y][x] = 1;
}

/* Squares around a centre, with the ring of light that parts them: finders (radius 4) and alignments (2). */
static void draw_square(struct qr *qr, int cx, int cy, int radius)
{
        for (int dy = -radius; dy <= radius; dy++)
                for (int dx = -radius; dx <= radius; dx++) {
                        int ring = abs(dx) > abs(dy) ? abs(dx) : abs(dy);

                        set(qr, cx + dx, cy + dy, radius == 4 ? ring != 2 && ring != 4 : ring != 1);
                }
}

/* Annex E. */
static int alignment_at(const struct qr *qr, int index)
{
        int n = alignments(qr->version);
        int step = (qr->version * 4 + n * 2 + 1) / (n * 2 - 2) * 2;

        return index == 0 ? 6 : qr->size - 7 - (n - 1 - index) * step;
}

static void draw_version(struct qr *qr)
{
        unsigned rest = (unsigned)qr->version;
        unsigned bits;

        if (qr->version < 7)
                return;
        for (int i = 0; i < 12; i++) /* section 7.10: BCH (18, 6) */
                rest = rest << 1 ^ (rest >> 11) * 0x1F25;
        bits = (unsigned)qr->version << 12 | rest;
        for (int i = 0; i < 18; i++) {
                int far = qr->size - 11 + i % 3;

                set(qr, far, i / 3, bits >> i & 1);
                set(qr, i / 3, far, bits >> i & 1);
        }
}

/* Section 7.9: level L, the mask, BCH (15, 5); twice, and the module that is always dark. */
static void draw_format(struct qr *qr, unsigned mask)
{
        unsigned rest = 1U << 3 | mask;
        unsigned bits = rest;

        for (int i = 0; i < 10; i++)
                rest = rest << 1 ^ (rest >> 9) * 0x537;
        bits = (bits << 10 | rest) ^ 0x5412;
        for (int i = 0; i < 15; i++) {
                bool dark = bits >> i & 1;

                if (i < 8)
                        set(qr, 8, i < 6 ? i : i + 1, dark);
                else
                        set(qr, i == 8 ? 7 : 14 - i, 8, dark);
                if (i < 8)
                        set(qr, qr->size - 1 - i, 8, dark);
                else
                        set(qr, 8, qr->size - 15 + i, dark);
        }
        set(qr, 8, qr->size - 8, true);
}

static void draw_function(struct qr *qr)
{
        int n = alignments(qr->version);

        for (int i = 0; i < qr->size; i++) {
                set(qr, 6, i, i % 2 == 0);
                set(qr, i, 6, i % 2 == 0);
        }
        draw_square(qr, 3, 3, 4);
        draw_square(qr, qr->size - 4, 3, 4);
        draw_square(qr, 3, qr->size - 4, 4);
        for (int i = 0; i < n; i++)
                for (int j = 0; j < n; j++)
                        if (!(i == 0 && j == 0) && !(i == 0 && j == n - 1) && !(i == n - 1 && j == 0))
                                draw_square(qr, alignment_at(qr, i), alignment_at(qr, j), 2);
        draw_format(qr, 0);
        draw_version(qr);
}

/* Section 7.7.3: two columns at a time from the right, up and down in turn, around what is there. */
static void place(struct qr *qr, const uint8_t *words, int count)
{
        int at = 0;

        for (int right = qr->size - 1; right >= 1; right -= 2) {
                if (right == 6)
                        right = 5;
                for (int i = 0; i < qr->size; i++)
                        for (int x = right; x > right - 2; x--) {
                                int y = ((right + 1) & 2) == 0 ? qr->size - 1 - i : i;

                                if (qr->function[y][x] || at >= count * 8)
                                        continue;
                                qr->dark[y][x] = words[at / 8] >> (7 - at % 8) & 1;
                                at++;
                        }
        }
}

/* ---- masks -------------------------------------------------------------------------------------------- */

/* Table 10. */
static bool mask_at(unsigned mask, int x, int y)
{
        switch (mask) {
        case 0:
                return (x + y) % 2 == 0;
        case 1:
                return y % 2 == 0;
        case 2:
                return x % 3 == 0;
        case 3:
                return (x + y) % 3 == 0;
        case 4:
                return (x / 3 + y / 2) % 2 == 0;
        case 5:
                return x * y % 2 + x * y % 3 == 0;
        case 6:
                return (x * y % 2 + x * y % 3) % 2 == 0;
        default:
                return ((x + y) % 2 + x * y % 3) % 2 == 0;
        }
}

/* Its own inverse. */
static void apply_mask(struct qr *qr, unsigned mask)
{
        for (int y = 0; y < qr->size; y++)
                for (int x = 0; x < qr->size; x++)
                        if (!qr->function[y][x])
                                qr->dark[y][x] ^= mask_at(mask, x, y);
        draw_format(qr, mask);
}

static bool dark_at(const struct qr *qr, bool down, int line, int i)
{
        return down ? qr->dark[i][line] : qr->dark[line][i];
}

/* Runs of five and more, and what looks like a finder between light: rules 1 and 3 of table 11. */
static int line_penalty(const struct qr *qr, bool down, int line)
{
        static const uint8_t finder[7] = {1, 0, 1, 1, 1, 0, 1};
        int penalty = 0;
        int run = 0;

        for (int i = 0; i < qr->size; i++) {
                run = i > 0 && dark_at(qr, down, line, i) == dark_at(qr, down, line, i - 1) ? run + 1 : 1;
                penalty += run == 5 ? 3 : run > 5;
        }
        for (int i = 0; i + 7 <= qr->size; i++) {
                bool same = true, before = true, after = true;

                for (int j = 0; j < 7 && same; j++)
                        same = dark_at(qr, down, line, i + j) == finder[j];
                for (int j = 1; j <= 4 && same; j++) {
                        before &= i - j < 0 || !dark_at(qr, down, line, i - j);
                        after &= i + 6 + j >= qr->size || !dark_at(qr, down, line, i + 6 + j);
                }
                penalty += same && (before || after) ? 40 : 0;
        }
        return penalty;
}

/* Section 7.8.3.1. */
static int penalty_of(const struct qr *qr)
{
        int penalty = 0;
        int dark = 0;

        for (int y = 0; y < qr->size; y++) {
                penalty += line_penalty(qr, false, y) + line_penalty(qr, true, y);
                for (int x = 0; x < qr->size; x++) {
                        dark += qr->dark[y][x];
                        if (x > 0 && y > 0 && qr->dark[y][x] == qr->dark[y - 1][x] &&
                            qr->dark[y][x] == qr->dark[y][x - 1] && qr->dark[y][x] == qr->dark[y - 1][x - 1])
                                penalty += 3;
                }
        }
        return penalty + abs(dark * 20 - qr->size * qr->size * 10) / (qr->size * qr->size) * 10;
}

bool qr_make(struct str text, struct qr *ret)
{
        uint8_t data[CODEWORDS_MAX], words[CODEWORDS_MAX];
        unsigned best = 0;
        int least = 0;

        memset(ret, 0, sizeof(*ret)); /* in place: it is too large for a fiber's stack */
        ret->version = 1;
        while (ret->version <= QR_VERSION_MAX &&
               head_bits(ret->version) + 8 * (int64_t)text.len > 8 * data_codewords(ret->version))
                ret->version++;
        if (ret->version > QR_VERSION_MAX)
                return false;
        ret->size = 17 + 4 * ret->version;
        write_data(text, ret->version, data);
        interleave(data, ret->version, words);
        draw_function(ret);
        place(ret, words, codewords(ret->version));
        for (unsigned mask = 0; mask < MASKS; mask++) {
                int penalty;

                apply_mask(ret, mask);
                penalty = penalty_of(ret);
                if (mask == 0 || penalty < least) {
                        least = penalty;
                        best = mask;
                }
                apply_mask(ret, mask);
        }
        apply_mask(ret, best);
        return true;
}
