/* SPDX-License-Identifier: Apache-2.0 */
#include "api/api_types.h"
#include "api/listing.h"
#include "api/problem.h"
#include "api/route.h"

#include <setjmp.h>
#include <stdarg.h>

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define ACTION_ID "act_01jd5q8w2r7m3n4p5q6r7s8t9v"

static struct err err;
static struct arena arena;

static int setup(void **state)
{
        (void)state;
        arena_init(&arena, 1 << 20);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        arena_done(&arena);
        return 0;
}

static bool read_submit(struct str text, struct api_action_submit *ret)
{
        struct decoder d = {.arena = &arena, .err = &err};
        struct json value;

        err_clear(&err);
        return json_parse(&arena, text, &value, &err) && api_read_action_submit(&d, &value, ret);
}

static void refuse_submit(const char *text, enum err_code code, const char *place)
{
        struct api_action_submit in;

        if (read_submit(str_from(text), &in))
                fail_msg("accepted: %s", text);
        if (err.code != code || strcmp(err.place, place) != 0)
                fail_msg("%s: %s at \"%s\" (%s), expected %s at \"%s\"", text, err_name(err.code), err.place,
                         err.message, err_name(code), place);
}

#define SUBMIT(more)                                                                                        \
        "{\"environment\":\"test\",\"connector\":\"docker\",\"operation\":\"container.remove\"" more "}"

static void a_whole_body_is_read(void **state)
{
        struct api_action_submit in;

        (void)state;
        assert_true(read_submit(STR(SUBMIT(",\"target\":\"web\",\"parameters\":{\"force\":true},"
                                           "\"expires_in\":\"30m\",\"instruction\":\"\\u00e4\\n\"")),
                                &in));
        assert_true(str_is(in.environment, "test"));
        assert_true(str_is(in.target, "web"));
        assert_true(str_is(in.instruction, "ä\n"));
        assert_null(in.task_name.ptr);
        assert_int_equal(in.parameters.value->type, JSON_OBJECT);
}

static void a_wrong_body_names_its_place(void **state)
{
        (void)state;
        refuse_submit("{}", ERR_MISSING_FIELD, "/environment");
        refuse_submit("[]", ERR_BAD_FIELD, "");
        refuse_submit("\"a\"", ERR_BAD_FIELD, "");
        refuse_submit(SUBMIT(",\"force\":true"), ERR_UNKNOWN_FIELD, "/force");
        refuse_submit(SUBMIT(",\"a/b~c\":true"), ERR_UNKNOWN_FIELD, "/a~1b~0c");
        refuse_submit(SUBMIT(",\"target\":\"a\",\"target\":\"b\""), ERR_BAD_JSON, "/target");
        refuse_submit(SUBMIT(",\"parameters\":{\"x\":{\"y\":1,\"y\":2}}"), ERR_BAD_JSON, "/parameters/x/y");
        refuse_submit(SUBMIT(",\"target\":1"), ERR_BAD_FIELD, "/target");
        refuse_submit(SUBMIT(",\"target\":null"), ERR_BAD_FIELD, "/target");
        refuse_submit(SUBMIT(",\"target\":\"\""), ERR_BAD_FIELD, "/target");
        refuse_submit(SUBMIT(",\"parameters\":[]"), ERR_BAD_FIELD, "/parameters");
        refuse_submit(SUBMIT(",\"parameters\":\"x\""), ERR_BAD_FIELD, "/parameters");
        refuse_submit(SUBMIT(",\"expires_in\":\"1x\""), ERR_BAD_FIELD, "/expires_in");
        refuse_submit(SUBMIT(",\"expires_in\":\"1h \""), ERR_BAD_FIELD, "/expires_in");
        refuse_submit(SUBMIT(",\"expires_in\":\"1h\\n\""), ERR_BAD_FIELD, "/expires_in");
        refuse_submit(SUBMIT(",\"expires_in\":\"1h\\u0000\""), ERR_BAD_FIELD, "/expires_in");
        /* No text may have a NUL: one of the stores could not keep it. */
        refuse_submit(SUBMIT(",\"instruction\":\"a\\u0000b\""), ERR_BAD_FIELD, "/instruction");
        refuse_submit(SUBMIT(",\"parameters\":{\"x\":[\"a\",\"\\u0000\"]}"), ERR_BAD_FIELD,
                      "/parameters/x/1");
        refuse_submit(SUBMIT(",\"parameters\":{\"\\u0000x\":1}"), ERR_BAD_FIELD, "/parameters/");
        refuse_submit("{\"environment\":\"Test\",\"connector\":\"docker\",\"operation\":\"x\"}",
                      ERR_BAD_FIELD, "/environment");
}

static void what_is_not_json_is_refused(void **state)
{
        static const char *const bodies[] = {
                "",
                " ",
                "{",
                "}",
                "nul",
                "{\"a\":1,}",
                "{'a':1}",
                "{\"a\":01}",
                "{\"a\":NaN}",
                "{\"a\":+1}",
                "{\"a\":1}x",
                "{\"a\":1}{}",
                "\xEF\xBB\xBF{}",
                "{\"a\":\"\xFF\"}",
                "{\"a\":\"\xC0\x80\"}",
                "{\"a\":\"\xED\xA0\x80\"}",
                "{\"a\":\"\\ud800\"}",
                "{\"a\":\"\n\"}",
                "{\"a\":\"\\x41\"}",
                "/**/{}",
                "{\"a\":1e999}",
                "{a:1}",
        };

        (void)state;
        for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
                refuse_submit(bodies[i], ERR_BAD_JSON, "");
}

static void every_truncation_is_refused(void **state)
{
        struct str whole = STR(SUBMIT(",\"target\":\"web\",\"parameters\":{\"a\":[1,2,{\"b\":null}]}"));
        struct api_action_submit in;

        (void)state;
        for (size_t len = 0; len < whole.len; len++)
                assert_false(read_submit(str_slice(whole, 0, len), &in));
        assert_true(read_submit(whole, &in));
}

static void depth_is_bounded(void **state)
{
        enum { DEEP = 10000 };
        struct api_action_submit in;
        struct buf text;

        (void)state;
        buf_init(&text, 1 << 20);
        buf_append_c(&text, "{\"environment\":\"test\",\"connector\":\"docker\",\"operation\":\"x\","
                            "\"parameters\":{\"a\":");
        for (int i = 0; i < DEEP; i++)
                buf_append_char(&text, '[');
        for (int i = 0; i < DEEP; i++)
                buf_append_char(&text, ']');
        buf_append_c(&text, "}}");
        assert_false(read_submit(buf_str(&text), &in));
        assert_int_equal(err.code, ERR_BAD_JSON);
        buf_done(&text);
}

static void lengths_count_characters_not_bytes(void **state)
{
        struct api_principal_create in;
        struct decoder d = {.arena = &arena, .err = &err};
        struct json value;
        struct buf text;

        (void)state;
        for (int count = 100; count <= 101; count++) {
                bool ok;

                buf_init(&text, 4096);
                buf_append_c(&text, "{\"kind\":\"user\",\"roles\":[\"agent\"],\"name\":\"");
                for (int i = 0; i < count; i++)
                        buf_append_c(&text, "€");
                buf_append_c(&text, "\"}");
                assert_true(json_parse(&arena, buf_str(&text), &value, &err));
                ok = api_read_principal_create(&d, &value, &in);
                assert_int_equal(ok, count == 100);
                buf_done(&text);
        }
        assert_string_equal(err.place, "/name");
}

static bool read_principal(const char *text)
{
        struct api_principal_create in;
        struct decoder d = {.arena = &arena, .err = &err};
        struct json value;

        err_clear(&err);
        return json_parse(&arena, str_from(text), &value, &err) &&
               api_read_principal_create(&d, &value, &in);
}

static void arrays_and_words_are_checked(void **state)
{
        (void)state;
        assert_true(read_principal("{\"kind\":\"agent\",\"name\":\"a\",\"roles\":[\"agent\"]}"));
        assert_false(read_principal("{\"kind\":\"agent\",\"name\":\"a\",\"roles\":[\"agent\",\"ro_ot\"]}"));
        assert_int_equal(err.code, ERR_BAD_FIELD);
        assert_string_equal(err.place, "/roles/1");
        assert_false(read_principal("{\"kind\":\"agent\",\"name\":\"a\",\"roles\":[\"agent\",7]}"));
        assert_string_equal(err.place, "/roles/1");
        assert_false(read_principal(
                "{\"kind\":\"agent\",\"name\":\"a\",\"roles\":[\"a\",\"a\",\"a\",\"a\",\"a\",\"a\","
                "\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\"]}"));
        assert_string_equal(err.place, "/roles");
        assert_false(read_principal("{\"kind\":\"executor\",\"name\":\"a\",\"roles\":[\"agent\"]}"));
        assert_string_equal(err.place, "/kind");
}

static bool read_output(const char *text, struct api_output_append *ret)
{
        struct decoder d = {.arena = &arena, .err = &err};
        struct json value;

        err_clear(&err);
        return json_parse(&arena, str_from(text), &value, &err) && api_read_output_append(&d, &value, ret);
}

static void numbers_and_base64_are_checked(void **state)
{
        static const char *const bad_offsets[] = {"-1",
                                                  "1073741825",
                                                  "1.0",
                                                  "1e3",
                                                  "\"1\"",
                                                  "true",
                                                  "null",
                                                  "9223372036854775808",
                                                  "18446744073709551615"};
        struct api_output_append in;
        char text[128];

        (void)state;
        assert_true(read_output("{\"offset\":1073741824,\"data\":\"AAEC\"}", &in));
        assert_int_equal(in.offset, 1073741824);
        assert_int_equal(in.data.len, 3);
        assert_memory_equal(in.data.ptr, "\0\1\2", 3);
        for (size_t i = 0; i < sizeof(bad_offsets) / sizeof(bad_offsets[0]); i++) {
                (void)snprintf(text, sizeof(text), "{\"offset\":%s,\"data\":\"AAEC\"}", bad_offsets[i]);
                assert_false(read_output(text, &in));
                assert_int_equal(err.code, ERR_BAD_FIELD);
                assert_string_equal(err.place, "/offset");
        }
        assert_false(read_output("{\"offset\":0,\"data\":\"AAE\"}", &in));
        assert_false(read_output("{\"offset\":0,\"data\":\"AAEC=\"}", &in));
        assert_false(read_output("{\"offset\":0,\"data\":\"AA_C\"}", &in));
        assert_string_equal(err.place, "/data");
}

static void an_action_survives_its_json(void **state)
{
        static const struct api_rendering_line lines[] = {
                {.label = STR("target"), .value = STR("we\"b\\\x01"), .has_uninspectable = true}};
        static const struct api_decision decisions[] = {{.principal = STR("usr_01jd5q8w2r7m3n4p5q6r7s8t9v"),
                                                         .verdict = API_VERDICT_APPROVE,
                                                         .keyid = STR("aa"),
                                                         .decided_at_ms = 5}};
        struct api_requirement requirement = {.rule = STR("prd"), .decisions = 2};
        struct api_action action = {
                .id = STR(ACTION_ID),
                .workspace = STR("wsp_01jd5q8w2r7m3n4p5q6r7s8t9v"),
                .state = API_ACTION_STATE_PENDING,
                .revision = 3,
                .requester = STR("agt_01jd5q8w2r7m3n4p5q6r7s8t9v"),
                .effect = API_EFFECT_DESTROYS,
                .requirement = &requirement,
                .statement = STR("{\"a\":1}"),
                .rendering = lines,
                .rendering_count = 1,
                .decisions = decisions,
                .decisions_count = 1,
                .created_at_ms = 1700000000123,
        };
        struct api_decision_create decision;
        struct json value;
        struct buf text;

        (void)state;
        buf_init(&text, 1 << 16);
        api_write_action(&text, &action);
        assert_true(json_parse(&arena, buf_str(&text), &value, &err));
        assert_true(str_is(json_get_string(&value, "state"), "pending"));
        assert_true(str_is(json_get_string(&value, "created_at"), "2023-11-14T22:13:20.123Z"));
        assert_true(str_is(json_get_string(&value, "statement"), "eyJhIjoxfQ=="));
        assert_null(json_get(&value, "target"));
        assert_null(json_get(&value, "closed_at"));
        assert_null(json_get(&value, "outcome"));
        assert_true(
                str_is(json_get_string(&json_get(&value, "rendering")->items[0], "value"), "we\"b\\\x01"));
        assert_int_equal(json_get(json_get(&value, "requirement"), "decisions")->integer, 2);
        /* A client takes members that it does not know; the server does not. */
        assert_true(api_parse_decision_create(
                &arena,
                STR("{\"verdict\":\"approve\",\"signature\":{\"keyid\":"
                    "\"0000000000000000000000000000000000000000000000000000000000000000\",\"sig\":"
                    "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
                    "AAAAAAAA==\"},\"new\":1}"),
                &decision, &err));
        assert_int_equal(decision.signature.sig.len, 64);
        buf_done(&text);
}

/* ---- routes: a tree of our own, so that the contract may grow ---------------------------------- */

#define NONE                                                                                                \
        {                                                                                                   \
                -1, -1, -1, -1, -1                                                                          \
        }

static const struct api_node node_tail = {NULL, 0, NULL, NULL, {4, -1, -1, -1, -1}};
static const struct api_node node_mine = {NULL, 0, NULL, NULL, {3, -1, -1, -1, -1}};
static const struct api_edge edges_parameter[] = {{"stop", 4, &node_mine}};
static const struct api_node node_parameter = {edges_parameter, 1, NULL, NULL, {1, -1, -1, -1, 2}};
static const struct api_node node_literal = {NULL, 0, NULL, NULL, {0, -1, -1, -1, -1}};
static const struct api_node node_tile = {NULL, 0, NULL, &node_tail, NONE};
static const struct api_edge edges_root[] = {{"all", 3, &node_literal}, {"tile", 4, &node_tile}};
static const struct api_node root = {edges_root, 2, &node_parameter, NULL, NONE};

static enum api_found find(enum api_method method, const char *path, struct api_call *call, int *index)
{
        unsigned allow;

        memset(call, 0, sizeof(*call));
        return api_route_find(&root, method, str_from(path), &arena, call, index, &allow);
}

static void a_literal_wins_over_a_parameter(void **state)
{
        struct api_call call;
        int index;

        (void)state;
        assert_int_equal(find(API_GET, "/all", &call, &index), API_FOUND);
        assert_int_equal(index, 0);
        assert_int_equal(find(API_GET, "/other", &call, &index), API_FOUND);
        assert_int_equal(index, 1);
        assert_true(str_is(call.path[0], "other"));
        assert_int_equal(find(API_DELETE, "/all", &call, &index), API_FOUND);
        assert_int_equal(index, 2);
        assert_int_equal(find(API_GET, "/all/stop", &call, &index), API_FOUND);
        assert_int_equal(index, 3);
        assert_int_equal(find(API_GET, "/tile/0/x001/067", &call, &index), API_FOUND);
        assert_int_equal(index, 4);
        assert_true(str_is(call.path[0], "0/x001/067"));
}

static void paths_that_are_not_there_are_not_found(void **state)
{
        static const char *const paths[] = {"",       "x",          "*",     "/",    "//",
                                            "/all/",  "/all//stop", "//all", "/a/b", "/all/stop/x",
                                            "/tile/", "/%zz",       "/%00",  "/a%0"};
        struct api_call call;
        int index;

        (void)state;
        for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
                if (find(API_GET, paths[i], &call, &index) != API_FOUND_NO_PATH)
                        fail_msg("found: \"%s\"", paths[i]);
        assert_int_equal(find(API_POST, "/x", &call, &index), API_FOUND_NO_METHOD);
}

static void escapes_never_make_segments(void **state)
{
        struct api_call call;
        int index;

        (void)state;
        assert_int_equal(find(API_GET, "/a%2Fstop", &call, &index), API_FOUND);
        assert_true(str_is(call.path[0], "a/stop"));
        assert_int_equal(find(API_GET, "/%61ll", &call, &index), API_FOUND);
        assert_int_equal(index, 1); /* a literal stands unescaped in the path */
}

static void a_query_is_cut_and_decoded(void **state)
{
        struct api_call call = {0};

        (void)state;
        assert_true(api_query_parse(&arena, STR("a=1&b=%C3%A4+x&&c&d="), &call, &err));
        assert_int_equal(call.query_count, 4);
        assert_true(str_is(call.query[1].value, "ä x"));
        assert_true(str_is(call.query[2].name, "c"));
        assert_int_equal(call.query[3].value.len, 0);
        call = (struct api_call){0};
        assert_false(api_query_parse(&arena, STR("a=%"), &call, &err));
        assert_int_equal(err.code, ERR_BAD_PARAMETER);
        assert_false(api_query_parse(&arena, STR("&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&"), &call, &err));
}

static void cursors_come_back_and_strangers_do_not(void **state)
{
        struct str key;
        struct str cursor;
        int64_t number;
        bool has;

        (void)state;
        assert_true(cursor_take(&arena, STR_NULL, &key, &err));
        assert_int_equal(key.len, 0);
        cursor = cursor_make(&arena, STR(ACTION_ID));
        assert_true(cursor_take(&arena, cursor, &key, &err));
        assert_true(str_is(key, ACTION_ID));
        assert_false(cursor_take(&arena, STR(ACTION_ID), &key, &err));
        assert_false(cursor_take(&arena, STR(""), &key, &err));
        assert_false(cursor_take(&arena, STR("YzE6"), &key, &err));
        assert_string_equal(err.place, "cursor");
        assert_true(cursor_take_int(&arena, cursor_make_int(&arena, -7), &has, &number, &err));
        assert_true(has);
        assert_int_equal(number, -7);
        assert_false(cursor_take_int(&arena, cursor, &has, &number, &err));
}

/* Goes through `rows` rows, named r00, r01 and so on; returns how many the page has. */
static size_t page_through(struct listing *listing, int from, int rows)
{
        for (int i = from; i < rows; i++) {
                if (!listing_takes(listing, arena_printf(&arena, "r%02d", i)))
                        break;
                if (i % 2 == 0)
                        listing->count++;
        }
        return listing->count;
}

static void a_page_ends_at_its_limit_and_leads_to_the_next(void **state)
{
        struct listing listing;

        (void)state;
        assert_true(listing_begin(&listing, &arena, 2, STR_NULL, &err));
        assert_int_equal(listing.after.len, 0);
        assert_int_equal(listing.rows, 3);
        listing.rows = 11; /* half of the rows become no item */
        assert_int_equal(page_through(&listing, 0, 10), 2);
        assert_non_null(listing.next.ptr);
        /* r02 filled the page: the next begins behind it. */
        assert_true(listing_begin(&listing, &arena, 2, listing.next, &err));
        assert_true(str_is(listing.after, "r02"));
        listing.rows = 11;
        assert_int_equal(page_through(&listing, 3, 6), 1);
        assert_null(listing.next.ptr);
}

static void a_page_that_finds_nothing_ends_after_what_it_may_look_at(void **state)
{
        struct listing listing;

        (void)state;
        assert_true(listing_begin(&listing, &arena, 3, STR_NULL, &err));
        assert_true(listing_takes(&listing, STR("a")));
        assert_true(listing_takes(&listing, STR("b")));
        assert_true(listing_takes(&listing, STR("c")));
        assert_false(listing_takes(&listing, STR("d")));
        assert_true(listing_begin(&listing, &arena, 3, listing.next, &err));
        assert_true(str_is(listing.after, "c"));
        assert_false(listing_begin(&listing, &arena, 3, STR("x"), &err));
        assert_int_equal(err.code, ERR_BAD_PARAMETER);
}

static void a_problem_hides_what_is_inside(void **state)
{
        struct json value;
        struct buf text;

        (void)state;
        buf_init(&text, 4096);
        (void)err_set_at(&err, ERR_BAD_FIELD, "/a", "too long");
        problem_write(&text, &err, STR("req_1"), NULL);
        assert_true(json_parse(&arena, buf_str(&text), &value, &err));
        assert_true(str_is(json_get_string(&value, "type"), "urn:countersign:problem:bad-field"));
        assert_true(str_is(json_get_string(&value, "pointer"), "/a"));
        assert_true(str_is(json_get_string(&value, "detail"), "too long"));
        assert_true(str_is(json_get_string(&value, "request"), "req_1"));
        buf_reset(&text);
        (void)err_set_at(&err, ERR_STORE_FAILED, "cells/x", "SELECT secret FROM row");
        problem_write(&text, &err, STR("req_1"), NULL);
        assert_true(str_find_str(buf_str(&text), STR("secret")) < 0);
        assert_true(str_find_str(buf_str(&text), STR("cells")) < 0);
        assert_true(json_parse(&arena, buf_str(&text), &value, &err));
        assert_true(str_is(json_get_string(&value, "code"), "STORE_FAILED"));
        buf_done(&text);
}

static void a_full_arena_is_an_error(void **state)
{
        struct api_action_submit in;
        struct arena small;
        struct decoder d = {.arena = &small, .err = &err};
        struct json value;

        (void)state;
        arena_init(&small, 64);
        err_clear(&err);
        assert_false(json_parse(&small, STR(SUBMIT("")), &value, &err) &&
                     api_read_action_submit(&d, &value, &in));
        assert_int_equal(err.code, ERR_NO_MEMORY);
        arena_done(&small);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(a_whole_body_is_read),
                TEST(a_wrong_body_names_its_place),
                TEST(what_is_not_json_is_refused),
                TEST(every_truncation_is_refused),
                TEST(depth_is_bounded),
                TEST(lengths_count_characters_not_bytes),
                TEST(arrays_and_words_are_checked),
                TEST(numbers_and_base64_are_checked),
                TEST(an_action_survives_its_json),
                TEST(a_literal_wins_over_a_parameter),
                TEST(paths_that_are_not_there_are_not_found),
                TEST(escapes_never_make_segments),
                TEST(a_query_is_cut_and_decoded),
                TEST(cursors_come_back_and_strangers_do_not),
                TEST(a_page_ends_at_its_limit_and_leads_to_the_next),
                TEST(a_page_that_finds_nothing_ends_after_what_it_may_look_at),
                TEST(a_problem_hides_what_is_inside),
                TEST(a_full_arena_is_an_error),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
