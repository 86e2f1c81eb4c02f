/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"
#include "base/clock.h"
#include "base/heap.h"
#include "base/id.h"
#include "base/json.h"
#include "base/json_write.h"

#include <stdio.h>
#include <math.h>
#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

static void arena_stops_at_its_cap(void **state)
{
        struct arena arena;
        struct err err;

        (void)state;
        arena_init(&arena, 10000);
        assert_non_null(arena_alloc(&arena, 5000));
        assert_non_null(arena_alloc(&arena, 4000));
        assert_null(arena_alloc(&arena, 2000));
        assert_true(arena_failed(&arena));
        assert_false(arena_check(&arena, &err));
        assert_int_equal(err.code, ERR_NO_MEMORY);
        arena_reset(&arena);
        assert_false(arena_failed(&arena));
        assert_non_null(arena_alloc(&arena, 9000));
        arena_done(&arena);
}

static void arena_rewinds_to_a_mark(void **state)
{
        ARENA_SCOPED arena;
        struct arena_mark mark;
        struct str kept;

        (void)state;
        arena_init(&arena, 1 << 20);
        kept = arena_str(&arena, STR("kept"));
        mark = arena_mark(&arena);
        for (int i = 0; i < 100; i++)
                assert_non_null(arena_alloc(&arena, 1000));
        arena_rewind(&arena, mark);
        assert_true(arena.used_bytes <= 4096);
        assert_true(str_is(kept, "kept"));
}

static void arena_survives_every_failing_allocation(void **state)
{
        (void)state;
        for (size_t n = 1; n <= 3; n++) {
                ARENA_SCOPED arena;
                bool failed;

                arena_init(&arena, 1 << 20);
                heap_fail_from(n);
                for (int i = 0; i < 5; i++)
                        if (!arena_alloc(&arena, 100000))
                                break;
                heap_fail_from(0);
                failed = arena_failed(&arena);
                assert_true(failed);
        }
}

static void buf_failure_is_sticky_and_names_the_cap(void **state)
{
        BUF_SCOPED buf;
        struct err err;

        (void)state;
        buf_init(&buf, 10);
        buf_append_c(&buf, "12345");
        buf_append_c(&buf, "678901");
        buf_append_c(&buf, "x");
        assert_true(str_is(buf_str(&buf), "12345"));
        assert_false(buf_check(&buf, "the reply", &err));
        assert_int_equal(err.code, ERR_BODY_TOO_LARGE);
        assert_non_null(strstr(err.message, "the reply is larger than the 10 bytes"));
}

static void numbers_are_read_whole_or_not_at_all(void **state)
{
        int64_t i;
        uint64_t u;

        (void)state;
        assert_true(str_to_i64(STR("-9223372036854775808"), &i) && i == INT64_MIN);
        assert_false(str_to_i64(STR("9223372036854775808"), &i));
        assert_false(str_to_i64(STR(""), &i) || str_to_i64(STR("-"), &i) || str_to_i64(STR("1x"), &i));
        assert_true(str_to_u64(STR("18446744073709551615"), &u) && u == UINT64_MAX);
        assert_false(str_to_u64(STR("18446744073709551616"), &u) || str_to_u64(STR("+1"), &u));
        assert_true(str_to_u64_hex(STR("fedcBA9876543210"), &u) && u == UINT64_C(0xfedcba9876543210));
        assert_true(str_to_u64_hex(STR("0"), &u) && u == 0);
        assert_false(str_to_u64_hex(STR(""), &u) || str_to_u64_hex(STR("00000000000000001"), &u));
        assert_false(str_to_u64_hex(STR("0x1"), &u) || str_to_u64_hex(STR("g"), &u) ||
                     str_to_u64_hex(STR("1 "), &u));
}

static void utf8_is_checked_strictly(void **state)
{
        static const char *const bad[] = {"\xC0\x80", "\xED\xA0\x80",     "\xF4\x90\x80\x80",
                                          "\x80",     "\xF0\x80\x80\x80", "\xE2\x82",
                                          "\xFF"};

        (void)state;
        assert_true(str_is_utf8(STR("aé€😀")));
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                assert_false(str_is_utf8(str_from(bad[i])));
}

static void ids_are_canonical_and_carry_their_time(void **state)
{
        struct id a = id_new("act");
        int64_t age = clock_now_ms() - id_time_ms(id_str(&a));

        (void)state;
        assert_int_equal(strlen(a.text), 30);
        assert_true(id_is(id_str(&a), "act") && !id_is(id_str(&a), "ac") && !id_is(id_str(&a), "ten"));
        assert_true(age >= 0 && age < 5000);
        assert_false(id_is_any(STR("act_8zzzzzzzzzzzzzzzzzzzzzzzzz")));
        assert_true(id_is_any(STR("act_7zzzzzzzzzzzzzzzzzzzzzzzzz")));
        assert_false(id_is_any(STR("act_0000000000000000000000000U")));
        assert_false(id_is_any(STR("ACT_00000000000000000000000000")));
        for (int i = 0; i < 1000; i++) {
                struct id b = id_new("act");

                assert_true(id_is(id_str(&b), "act"));
                assert_string_not_equal(a.text, b.text);
        }
}

static void times_are_read_and_written(void **state)
{
        char text[CLOCK_RFC3339_SIZE];
        int64_t t;

        (void)state;
        assert_true(clock_parse(STR("2026-11-21T02:34:42.5+01:30"), &t));
        clock_format(t, text);
        assert_string_equal(text, "2026-11-21T01:04:42.500Z");
        assert_true(clock_parse(STR("1969-12-31T23:59:59.999Z"), &t));
        assert_int_equal(t, -1);
        assert_false(clock_parse(STR("2026-02-29T00:00:00Z"), &t));
        assert_false(clock_parse(STR("2026-11-21T02:34:42"), &t));
        assert_false(clock_parse(STR("2026-11-21T02:34:42.Z"), &t));
        assert_true(duration_parse(STR("1h30m"), &t) && t == 5400000);
        assert_true(duration_parse(STR("500ms"), &t) && t == 500);
        assert_false(duration_parse(STR("5"), &t) || duration_parse(STR("99999d"), &t) ||
                     duration_parse(STR("-1s"), &t) || duration_parse(STR(""), &t));
}

static void base64_is_strict(void **state)
{
        char five[5];
        ARENA_SCOPED arena;
        struct str bytes;

        (void)state;
        arena_init(&arena, 1 << 16);
        assert_true(str_is(base64_encode(&arena, STR("")), ""));
        assert_true(str_is(base64_encode(&arena, STR("fo")), "Zm8="));
        assert_true(str_is(base64_encode(&arena, STR("foo")), "Zm9v"));
        assert_true(str_is(base64_encode(&arena, STR("foob")), "Zm9vYg=="));
        assert_true(str_is(base64_encode(&arena, STR("\xFF\xFF\xFF\xFE")), "/////g=="));
        assert_true(str_is(base64url_encode(&arena, STR("f")), "Zg"));
        assert_true(str_is(base64url_encode(&arena, STR("\xFB\xFF")), "-_8"));
        assert_true(base64_decode(&arena, STR("Zm9vYmE="), &bytes) && str_is(bytes, "fooba"));
        assert_false(base64_decode(&arena, STR("Zm9vYg="), &bytes));
        assert_false(base64_decode(&arena, STR("Zm9vYh=="), &bytes));
        assert_false(base64_decode(&arena, STR("Zm9v Yg="), &bytes));
        assert_true(base64_decode_to(STR("Zm9vYmE="), five, sizeof(five)) && memcmp(five, "fooba", 5) == 0);
        assert_false(base64_decode_to(STR("Zm9vYg=="), five, sizeof(five)));
        assert_false(base64_decode_to(STR("Zm9vYmFy"), five, sizeof(five)));
        assert_false(base64_decode_to(STR("Zm9vYmF="), five, sizeof(five)));
        assert_false(base64_decode_to(STR("Zm9vYmE"), five, sizeof(five)));
        assert_false(base64url_decode(&arena, STR("Zg=="), &bytes));
        assert_true(hex_decode(&arena, STR("00fF"), &bytes) && bytes.len == 2);
        assert_false(hex_decode(&arena, STR("0"), &bytes) || hex_decode(&arena, STR("0g"), &bytes));
}

static bool parse_fails(const char *text, const char *place)
{
        ARENA_SCOPED arena;
        struct json json;
        struct err err;

        arena_init(&arena, 1 << 20);
        return !json_parse(&arena, str_from(text), &json, &err) && err.code == ERR_BAD_JSON &&
               strcmp(err.place, place) == 0;
}

static void json_refuses_what_is_not_json(void **state)
{
        (void)state;
        assert_true(parse_fails("", ""));
        assert_true(parse_fails("{} {}", ""));
        assert_true(parse_fails("[1,]", ""));
        assert_true(parse_fails("\"\\ud800\"", ""));
        assert_true(parse_fails("\"\xFF\"", ""));
        assert_true(parse_fails("01", "") && parse_fails("NaN", ""));
        assert_true(parse_fails("{\"a\":{\"b\":1,\"c\":2,\"b\":3}}", "/a/b"));
        assert_true(parse_fails("[{\"a\":1},{\"a\":1,\"a\":1}]", "/1/a"));
        assert_true(parse_fails("{\"a\":1,\"\\u0061\":1}", "/a"));
        assert_true(parse_fails("{\"1\":1,\"2\":1,\"3\":1,\"4\":1,\"5\":1,\"6\":1,\"7\":1,\"8\":1,\"9\":1,"
                                "\"1\":1}",
                                "/1"));
}

static void json_depth_is_bounded(void **state)
{
        char *deep = malloc(20001);

        (void)state;
        memset(deep, '[', 10000);
        memset(deep + 10000, ']', 10000);
        deep[20000] = '\0';
        assert_true(parse_fails(deep, ""));
        free(deep);
}

static void json_tree_is_read(void **state)
{
        ARENA_SCOPED arena;
        struct json json;
        struct err err;
        int64_t n;

        (void)state;
        arena_init(&arena, 1 << 20);
        assert_true(json_parse(&arena, STR("{\"n\":-5,\"s\":\"a\\u0000b\",\"l\":[1.5,null,true,{}]}"), &json,
                               &err));
        assert_true(json_get_int(&json, "n", &n) && n == -5);
        assert_int_equal(json_get_string(&json, "s").len, 3);
        assert_int_equal(json_get(&json, "l")->count, 4);
        assert_null(json_get(&json, "x"));
}

static void canonical_is(const char *text, const char *expected)
{
        ARENA_SCOPED arena;
        BUF_SCOPED buf;
        struct json json;
        struct err err;

        arena_init(&arena, 1 << 20);
        buf_init(&buf, 1 << 20);
        assert_true(json_parse(&arena, str_from(text), &json, &err));
        json_append_canonical(&buf, &json);
        assert_string_equal(buf.ptr, expected);
}

static void canonical_json_is_sorted_and_shortest(void **state)
{
        (void)state;
        canonical_is("{ \"b\": 1.0, \"a\": [1e21, 1e-7, 0.000001, 1.2345678901234568e20] }",
                     "{\"a\":[1e+21,1e-7,0.000001,123456789012345680000],\"b\":1}");
        canonical_is("{\"\\ud83d\\ude00\":1,\"\\ufb33\":2,\"\\u20ac\":3}",
                     "{\"€\":3,\"😀\":1,\"\xEF\xAC\xB3\":2}");
        canonical_is("\"\\u001f\\u000a\\\"\\\\/\\u007f\"", "\"\\u001f\\n\\\"\\\\/\x7f\"");
}

static void json_writer_places_commas(void **state)
{
        BUF_SCOPED buf;
        struct json_writer w;

        (void)state;
        buf_init(&buf, 1000);
        json_writer_init(&w, &buf);
        json_object_begin(&w);
        json_field_c(&w, "a", "x\xFFy");
        json_key(&w, "b");
        json_array_begin(&w);
        json_int(&w, INT64_MIN);
        json_object_begin(&w);
        json_object_end(&w);
        json_double(&w, NAN);
        json_array_end(&w);
        json_field_bool(&w, "c", true);
        json_object_end(&w);
        assert_string_equal(buf.ptr,
                            "{\"a\":\"x\xEF\xBF\xBDy\",\"b\":[-9223372036854775808,{},null],\"c\":true}");
}

/* Wherever in a text of any length, and however much room the buffer has. */
static void a_special_character_is_found_at_every_place(void **state)
{
        static const struct {
                const char *byte, *written;
        } cases[] = {{"\"", "\\\""},      {"\\", "\\\\"},           {"\n", "\\n"},
                     {"\x1f", "\\u001f"}, {"\xff", "\xEF\xBF\xBD"}, {"z", "z"}};

        (void)state;
        for (size_t len = 1; len <= 40; len++)
                for (size_t at = 0; at < len; at++)
                        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                                char text[64], expected[64];
                                BUF_SCOPED buf;

                                memset(text, 'a', len);
                                text[at] = cases[i].byte[0];
                                (void)snprintf(expected, sizeof(expected), "\"%.*s%s%.*s\"", (int)at,
                                               "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", cases[i].written,
                                               (int)(len - at - 1),
                                               "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
                                buf_init(&buf, 256);
                                json_append_string(&buf, str_make(text, len));
                                assert_string_equal(buf.ptr, expected);
                                json_append_string(&buf, str_make(text, len));
                                assert_int_equal(buf.len, 2 * strlen(expected));
                                assert_string_equal(buf.ptr + strlen(expected), expected);
                        }
}

static void every_error_has_its_facts(void **state)
{
        struct err err;

        (void)state;
        for (int code = 1; code < ERR_COUNT; code++) {
                assert_in_range(err_status((enum err_code)code), 400, 599);
                assert_true(strlen(err_slug((enum err_code)code)) > 2);
        }
        assert_false(err_set(&err, ERR_NOT_FOUND, "no %s", "x"));
        assert_false(err_prefix(&err, "reading %d", 7));
        assert_string_equal(err.message, "reading 7: no x");
}

/* clock_parse reckons with timegm, clock_format by itself. */
static void every_year_is_written_as_it_is_read(void **state)
{
        const int64_t first_ms = INT64_C(-62167219200000), end_ms = INT64_C(253402300800000);
        char text[CLOCK_RFC3339_SIZE];
        int64_t read;

        (void)state;
        for (int64_t t = first_ms; t < end_ms; t += INT64_C(97) * 86400000 + 3723004) {
                clock_format(t, text);
                assert_true(clock_parse(str_from(text), &read));
                assert_int_equal(read, t);
        }
        assert_true(clock_parse(STR("2400-02-29T23:59:59.999Z"), &read));
        clock_format(read, text);
        assert_string_equal(text, "2400-02-29T23:59:59.999Z");
        clock_format(read + 1, text);
        assert_string_equal(text, "2400-03-01T00:00:00.000Z");
        clock_format(end_ms, text);
        assert_string_equal(text, "0000-01-01T00:00:00.000Z");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_year_is_written_as_it_is_read),
                cmocka_unit_test(arena_stops_at_its_cap),
                cmocka_unit_test(arena_rewinds_to_a_mark),
                cmocka_unit_test(arena_survives_every_failing_allocation),
                cmocka_unit_test(buf_failure_is_sticky_and_names_the_cap),
                cmocka_unit_test(numbers_are_read_whole_or_not_at_all),
                cmocka_unit_test(utf8_is_checked_strictly),
                cmocka_unit_test(ids_are_canonical_and_carry_their_time),
                cmocka_unit_test(times_are_read_and_written),
                cmocka_unit_test(base64_is_strict),
                cmocka_unit_test(json_refuses_what_is_not_json),
                cmocka_unit_test(json_depth_is_bounded),
                cmocka_unit_test(json_tree_is_read),
                cmocka_unit_test(canonical_json_is_sorted_and_shortest),
                cmocka_unit_test(json_writer_places_commas),
                cmocka_unit_test(a_special_character_is_found_at_every_place),
                cmocka_unit_test(every_error_has_its_facts),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
