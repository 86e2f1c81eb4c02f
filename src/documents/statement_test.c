/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/samples.h"

#include "base/heap.h"

static void what_is_built_is_read_back(void **state)
{
        ARENA_SCOPED arena;
        struct err err;
        struct statement statement, again;
        const struct catalogue_operation *operation;
        struct str bytes;

        (void)state;
        arena_init(&arena, 1 << 20);
        statement = sample_statement(&arena);
        bytes = sample_bytes(&arena, &statement);
        assert_true(str_starts(bytes, STR("{\"action\":\"act_")));
        assert_true(statement_parse(&arena, bytes, &again, &err));
        assert_true(str_eq(again.action, statement.action));
        assert_true(str_eq(again.target_name, statement.target_name));
        assert_true(str_eq(statement_fact(&again, "id"), statement.facts[0].value));
        assert_null(statement_fact(&again, "image").ptr);
        assert_int_equal(again.decisions, 2);
        assert_true(statement_has_role(&again, STR("approver")));
        assert_true(parameter_bool(&again.parameters, "force"));
        assert_false(parameter_bool(&again.parameters, "volumes"));
        assert_true(statement_check(&again, &operation, &err));
        assert_string_equal(operation->name, "container.remove");
        assert_true(str_eq(sample_bytes(&arena, &again), bytes));
}

/*
 * Every byte, replaced by several others: either the bytes are refused, or they
 * say something else and have another digest. Nothing altered reads the same.
 */
static void no_altered_byte_reads_the_same(void **state)
{
        static const char others[] = {0, ' ', '"', '0', '1', 'a', '{', '}', ',', '\\', '\x7f', '\xff'};
        ARENA_SCOPED arena, scratch;
        struct statement statement;
        struct str bytes, digest;
        size_t taken = 0, tried = 0;

        (void)state;
        arena_init(&arena, 1 << 20);
        arena_init(&scratch, 4 << 20);
        statement = sample_statement(&arena);
        bytes = sample_bytes(&arena, &statement);
        digest = statement_digest(&arena, bytes);
        for (size_t i = 0; i < bytes.len; i++)
                for (size_t j = 0; j < sizeof(others); j++) {
                        char *copy;
                        struct err err;
                        struct statement read;
                        struct str altered;

                        arena_reset(&scratch);
                        copy = arena_alloc_bytes(&scratch, bytes.len);
                        assert_non_null(copy);
                        memcpy(copy, bytes.ptr, bytes.len);
                        if (copy[i] == others[j])
                                continue;
                        copy[i] = others[j];
                        altered = str_make(copy, bytes.len);
                        tried++;
                        if (!statement_parse(&scratch, altered, &read, &err)) {
                                assert_int_equal(err.code, ERR_BAD_ENVELOPE);
                                continue;
                        }
                        taken++;
                        assert_false(str_eq(statement_digest(&scratch, altered), digest));
                        /* It says exactly its own bytes, not the original's. */
                        assert_true(str_eq(sample_bytes(&scratch, &read), altered));
                }
        assert_true(tried > 8000);
        assert_true(taken < tried / 2);
}

static void every_truncation_is_refused(void **state)
{
        ARENA_SCOPED arena;
        struct statement statement, read;
        struct err err;
        struct str bytes;

        (void)state;
        arena_init(&arena, 8 << 20);
        statement = sample_statement(&arena);
        bytes = sample_bytes(&arena, &statement);
        for (size_t len = 0; len < bytes.len; len++)
                assert_false(statement_parse(&arena, str_slice(bytes, 0, len), &read, &err));
}

static void every_missing_member_is_refused(void **state)
{
        ARENA_SCOPED arena;
        struct statement statement, read;
        struct json tree;
        struct err err;
        unsigned optional = 0;

        (void)state;
        arena_init(&arena, 1 << 20);
        statement = sample_statement(&arena);
        assert_true(json_parse(&arena, sample_bytes(&arena, &statement), &tree, &err));
        for (uint32_t i = 0; i < tree.count; i++) {
                struct json less = tree;
                struct json_member *members = ARENA_ARRAY(&arena, struct json_member, tree.count);
                BUF_SCOPED buf;

                buf_init(&buf, 1 << 16);
                less.count = 0;
                less.members = members;
                for (uint32_t j = 0; j < tree.count; j++)
                        if (j != i)
                                members[less.count++] = tree.members[j];
                json_append_canonical(&buf, &less);
                if (statement_parse(&arena, buf_str(&buf), &read, &err)) {
                        const struct catalogue_operation *operation;

                        /* `target` and `requirement` may be absent, but not from this operation. */
                        optional++;
                        assert_false(statement_check(&read, &operation, &err));
                }
                assert_int_equal(err.code, ERR_BAD_ENVELOPE);
        }
        assert_int_equal(optional, 2);
}

static void what_does_not_fit_is_refused_with_its_place(void **state)
{
        static const struct {
                const char *piece, *by, *place;
        } cases[] = {
                {"{\"action\"", "{\"a\":1,\"action\"", "/"},
                {"\"decisions\":2", "\"decisions\":0", "/requirement/decisions"},
                {"\"decisions\":2", "\"decisions\":17", "/requirement/decisions"},
                {"\"decisions\":2", "\"decisions\":\"2\"", "/requirement/decisions"},
                {"\"decisions\":2,", "", "/requirement/decisions"},
                {"[\"approver\"]", "[]", "/requirement/roles"},
                {"[\"approver\"]", "\"approver\"", "/requirement/roles"},
                {"statement/v1", "statement/v2", "/format"},
                {"\"destroys\"", "\"deletes\"", "/effect"},
                {"\"effect\":\"destroys\"", "\"effect\":1", "/effect"},
                {"\"kind\":\"agent\"", "\"kind\":\"executor\"", "/requester/kind"},
                {"\"force\":true", "\"force\":null", "/parameters"},
                {"\"nonce\":\"AAEC", "\"nonce\":\"AAE=", "/nonce"},
                {"\"expires_ms\":1760003600000", "\"expires_ms\":1760000000000", "/expires_ms"},
                {"\"expires_ms\":1760003600000", "\"expires_ms\":9007199254740992", "/expires_ms"},
                {"\"web\"}", "\"web\",\"z\":1}", "/target/"},
                {"act_01", "exe_01", "/action"},
                /* Not in canonical form: another parser may read it otherwise. */
                {"{\"action\"", "{ \"action\"", ""},
                {"\"force\":true,\"volumes\":false", "\"volumes\":false,\"force\":true", ""},
                {"1760003600000", "1760003600000.0", ""},
                {"\"web\"", "\"\\u0077eb\"", ""},
                {"\"force\":true", "\"force\":true,\"force\":true", "/parameters/force"},
        };
        ARENA_SCOPED arena;
        struct statement statement;
        struct str bytes;

        (void)state;
        arena_init(&arena, 8 << 20);
        statement = sample_statement(&arena);
        bytes = sample_bytes(&arena, &statement);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct str altered = sample_replace(&arena, bytes, cases[i].piece, cases[i].by);
                struct statement read;
                struct err err = {0};

                if (statement_parse(&arena, altered, &read, &err))
                        fail_msg("taken: %s", cases[i].by);
                assert_int_equal(err.code, ERR_BAD_ENVELOPE);
                if (strcmp(err.place, cases[i].place) != 0)
                        fail_msg("%s: place %s: %s", cases[i].by, err.place, err.message);
        }
}

static void a_quorum_of_zero_cannot_be_written(void **state)
{
        ARENA_SCOPED arena;
        struct statement statement;
        const struct catalogue_operation *operation;
        struct err err = {0};
        struct str bytes;

        (void)state;
        arena_init(&arena, 1 << 20);
        statement = sample_statement(&arena);
        statement.decisions = 0; /* that is: no requirement at all */
        bytes = sample_bytes(&arena, &statement);
        assert_int_equal(str_find_str(bytes, STR("requirement")), -1);
        assert_true(statement_parse(&arena, bytes, &statement, &err));
        assert_false(statement_check(&statement, &operation, &err));
        assert_string_equal(err.place, "/requirement");
        statement.decisions = STATEMENT_DECISIONS_MAX + 1;
        assert_false(statement_build(&arena, &statement, &bytes, &err));
        assert_int_equal(err.code, ERR_INTERNAL);
}

static void the_catalogue_has_the_last_word(void **state)
{
        static const struct {
                const char *piece, *by, *place;
        } cases[] = {
                {"container.remove", "container.erase", "/operation"},
                {"\"connector\":\"docker\"", "\"connector\":\"podman\"", "/connector"},
                {"\"effect\":\"destroys\"", "\"effect\":\"reads\"", "/effect"},
                {"\"force\":true,", "", "/parameters/force"},
                {"\"force\":true", "\"force\":1", "/parameters/force"},
                {"\"volumes\":false", "\"volumes\":false,\"x\":1", "/parameters/x"},
                {"\"known_as\"", "\"knower_as\"", "/target"},
                {"\"id\":\"0123", "\"id\":\"g123", "/target"},
                {"\"name\":\"web\"", "\"name\":\"../web\"", "/target/name"},
        };
        ARENA_SCOPED arena;
        struct statement statement;
        struct str bytes;

        (void)state;
        arena_init(&arena, 8 << 20);
        statement = sample_statement(&arena);
        bytes = sample_bytes(&arena, &statement);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct str altered = sample_replace(&arena, bytes, cases[i].piece, cases[i].by);
                const struct catalogue_operation *operation;
                struct statement read;
                struct err err = {0};

                if (!statement_parse(&arena, altered, &read, &err))
                        fail_msg("%s: %s", cases[i].by, err.message);
                assert_false(statement_check(&read, &operation, &err));
                assert_int_equal(err.code, ERR_BAD_ENVELOPE);
        }
}

static void want_of_memory_is_an_error_not_a_statement(void **state)
{
        (void)state;
        for (size_t cap = 64; cap < 16384; cap += 64) {
                ARENA_SCOPED arena, good;
                struct statement statement, read;
                struct err err = {0};
                struct str bytes;

                arena_init(&good, 1 << 20);
                arena_init(&arena, cap);
                statement = sample_statement(&good);
                bytes = sample_bytes(&good, &statement);
                if (!statement_parse(&arena, bytes, &read, &err))
                        assert_int_equal(err.code, ERR_NO_MEMORY);
                else
                        assert_true(str_eq(read.nonce, statement.nonce));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_built_is_read_back),
                cmocka_unit_test(no_altered_byte_reads_the_same),
                cmocka_unit_test(every_truncation_is_refused),
                cmocka_unit_test(every_missing_member_is_refused),
                cmocka_unit_test(what_does_not_fit_is_refused_with_its_place),
                cmocka_unit_test(a_quorum_of_zero_cannot_be_written),
                cmocka_unit_test(the_catalogue_has_the_last_word),
                cmocka_unit_test(want_of_memory_is_an_error_not_a_statement),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
