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

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(as_much_fits_as_the_standard_says),
                cmocka_unit_test(a_reader_finds_its_way),
                cmocka_unit_test(format_and_version_are_the_standards),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
