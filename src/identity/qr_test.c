/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/qr.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <setjmp.h>
#include <stddef.h>
#include <cmocka.h>

/* ISO/IEC 18004:2015, table 7, level L, byte mode. */
static void as_much_fits_as_the_standard_says(void **state)
{
        static const int most[QR_VERSION_MAX + 1] = {0,   17,  32,  53,  78,  106, 134, 154, 192, 230, 271,
                                                     321, 367, 425, 458, 520, 586, 644, 718, 792, 858};
        static char text[QR_TEXT_MAX + 1];
        static struct qr qr;

        (void)state;
        memset(text, 'x', sizeof(text));
        for (int version = 1; version <= QR_VERSION_MAX; version++) {
                assert_true(qr_make(str_make(text, (size_t)most[version]), &qr));
                assert_int_equal(qr.version, version);
                assert_int_equal(qr.size, 17 + 4 * version);
                assert_true(qr_make(str_make(text, (size_t)most[version - 1] + 1), &qr));
                assert_int_equal(qr.version, version);
        }
        assert_false(qr_make(str_make(text, QR_TEXT_MAX + 1), &qr));
}

/* What a reader finds first: finders, their separators, the timing, the dark module (section 6.3). */
static void a_reader_finds_its_way(void **state)
{
        static const char finder[7][8] = {"1111111", "1000001", "1011101", "1011101",
                                          "1011101", "1000001", "1111111"};
        static struct qr qr;

        (void)state;
        assert_true(qr_make(STR("otpauth://totp/Countersign:ann?secret=AAAA"), &qr));
        for (int y = 0; y < 7; y++)
                for (int x = 0; x < 7; x++) {
                        int dark = finder[y][x] == '1';

                        assert_int_equal(qr.dark[y][x], dark);
                        assert_int_equal(qr.dark[y][qr.size - 7 + x], dark);
                        assert_int_equal(qr.dark[qr.size - 7 + y][x], dark);
                }
        for (int i = 0; i < 8; i++)
                assert_int_equal(qr.dark[7][i] | qr.dark[i][7], 0);
        for (int i = 8; i < qr.size - 8; i++) {
                assert_int_equal(qr.dark[6][i], i % 2 == 0);
                assert_int_equal(qr.dark[i][6], i % 2 == 0);
        }
        assert_int_equal(qr.dark[qr.size - 8][8], 1);
}

/* Annex C: the formats of level L by mask, and annex D: version 7. */
static void format_and_version_are_the_standards(void **state)
{
        static const unsigned formats[8] = {0x77C4, 0x72F3, 0x7DAA, 0x789D, 0x662F, 0x6318, 0x6C41, 0x6976};
        static char text[154];
        static struct qr qr;
        unsigned format = 0, again = 0, version = 0;
        bool known = false;

        (void)state;
        memset(text, 'y', sizeof(text));
        assert_true(qr_make(str_make(text, sizeof(text)), &qr));
        for (int i = 14; i >= 0; i--) {
                format = format << 1 | (i < 6    ? qr.dark[i][8]
                                        : i < 8  ? qr.dark[i + 1][8]
                                        : i == 8 ? qr.dark[8][7]
                                                 : qr.dark[8][14 - i]);
                again = again << 1 | (i < 8 ? qr.dark[8][qr.size - 1 - i] : qr.dark[qr.size - 15 + i][8]);
        }
        for (int mask = 0; mask < 8; mask++)
                known |= format == formats[mask];
        assert_true(known);
        assert_int_equal(format, again);
        for (int i = 17; i >= 0; i--) {
                version = version << 1 | qr.dark[i / 3][qr.size - 11 + i % 3];
                assert_int_equal(qr.dark[i / 3][qr.size - 11 + i % 3], qr.dark[qr.size - 11 + i % 3][i / 3]);
        }
        assert_int_equal(version, 0x07C94);
}

/* ---- a reader that corrects nothing ---- */

/* Table 9, level L: codewords in all, for error correction in a block, and blocks. */
static const struct layout {
        int total, ecc, blocks;
} layouts[QR_VERSION_MAX + 1] = {
        {0, 0, 0},    {26, 7, 1},   {44, 10, 1},  {70, 15, 1},  {100, 20, 1}, {134, 26, 1}, {172, 18, 2},
        {196, 20, 2}, {242, 24, 2}, {292, 30, 2}, {346, 18, 4}, {404, 20, 4}, {466, 24, 4}, {532, 26, 4},
        {581, 30, 4}, {655, 22, 6}, {733, 24, 6}, {815, 28, 6}, {901, 30, 6}, {991, 28, 7}, {1085, 28, 8}};

static bool is_masked(unsigned mask, int row, int column)
{
        int product = row * column;
        const bool masks[8] = {(row + column) % 2 == 0,
                               row % 2 == 0,
                               column % 3 == 0,
                               (row + column) % 3 == 0,
                               (row / 2 + column / 3) % 2 == 0,
                               product % 2 + product % 3 == 0,
                               (product % 2 + product % 3) % 2 == 0,
                               ((row + column) % 2 + product % 3) % 2 == 0};

        return masks[mask];
}

static int read_codewords(const struct qr *qr, uint8_t *ret)
{
        unsigned mask = 0;
        int bits = 0;
        bool up = true;

        /* The mask's three bits of the format, which is XORed with 101010000010010. */
        for (int column = 2; column <= 4; column++)
                mask = mask << 1 | qr->dark[8][column];
        mask ^= 5;
        memset(ret, 0, 1100);
        for (int pair = qr->size - 2; pair >= 0; pair -= 2, up = !up) {
                int left = pair < 6 ? pair - 1 : pair; /* the column of the timing is left out */

                for (int i = 0; i < qr->size; i++)
                        for (int column = left + 1; column >= left && left >= 0; column--) {
                                int row = up ? qr->size - 1 - i : i;

                                if (qr->function[row][column])
                                        continue;
                                if (qr->dark[row][column] ^ is_masked(mask, row, column))
                                        ret[bits / 8] |= (uint8_t)(0x80 >> bits % 8);
                                bits++;
                        }
        }
        return bits / 8;
}

static uint8_t times(uint8_t a, uint8_t b)
{
        static uint8_t power[255], log[256];

        if (!power[0])
                for (int i = 0, value = 1; i < 255; i++) {
                        power[i] = (uint8_t)value;
                        log[value] = (uint8_t)i;
                        value = value * 2 < 256 ? value * 2 : (value * 2) ^ 0x11D;
                }
        return a && b ? power[(log[a] + log[b]) % 255] : 0;
}

/* A block is as it was written exactly when each of the generator's roots is one of its polynomial too. */
static void check_block(const uint8_t *block, int len, int ecc)
{
        uint8_t root = 1;

        for (int i = 0; i < ecc; i++, root = times(root, 2)) {
                uint8_t value = 0;

                for (int j = 0; j < len; j++)
                        value = times(value, root) ^ block[j];
                assert_int_equal(value, 0);
        }
}

static void nothing_needs_to_be_corrected(void **state)
{
        static uint8_t words[1100], blocks[8][256], data[1100];
        static char text[QR_TEXT_MAX];
        static struct qr qr;

        (void)state;
        for (size_t i = 0; i < sizeof(text); i++)
                text[i] = (char)(' ' + i * i % 90);
        for (size_t len = 1; len <= sizeof(text); len += 7) {
                const struct layout *layout;
                int next = 0, at = 0, head;

                assert_true(qr_make(str_make(text, len), &qr));
                layout = &layouts[qr.version];
                assert_int_equal(read_codewords(&qr, words), layout->total);
                for (int i = 0; i <= layout->total / layout->blocks; i++)
                        for (int block = 0; block < layout->blocks; block++) {
                                bool is_long = block >= layout->blocks - layout->total % layout->blocks;
                                int mine = layout->total / layout->blocks - layout->ecc + is_long;

                                if (i < mine)
                                        blocks[block][i] = words[next++];
                        }
                for (int block = 0; block < layout->blocks; block++) {
                        bool is_long = block >= layout->blocks - layout->total % layout->blocks;
                        int mine = layout->total / layout->blocks - layout->ecc + is_long;

                        for (int i = 0; i < layout->ecc; i++)
                                blocks[block][mine + i] = words[next + i * layout->blocks + block];
                        check_block(blocks[block], mine + layout->ecc, layout->ecc);
                        memcpy(data + at, blocks[block], (size_t)mine);
                        at += mine;
                }
                head = qr.version < 10 ? 12 : 20;
                for (size_t i = 0; i < len; i++) {
                        size_t bit = (size_t)head + 8 * i;
                        unsigned byte = (unsigned)data[bit / 8] << 8 | data[bit / 8 + 1];

                        assert_int_equal(byte >> (8 - bit % 8) & 0xFF, (uint8_t)text[i]);
                }
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(as_much_fits_as_the_standard_says),
                cmocka_unit_test(a_reader_finds_its_way),
                cmocka_unit_test(format_and_version_are_the_standards),
                cmocka_unit_test(nothing_needs_to_be_corrected),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
