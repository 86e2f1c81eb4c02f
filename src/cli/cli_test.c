/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include "cli/client.h"
#include "cli/output.h"
#include "cli/profile.h"
#include "cli/signing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WORDS_MAX = 32 };

/* Splits at spaces; the line is changed. */
static int split(char *line, char **words)
{
        int count = 0;
        char *at = line;

        while (count < WORDS_MAX && (words[count] = strsep(&at, " ")) != NULL)
                if (*words[count])
                        count++;
        words[count] = NULL;
        return count;
}

/* Parses a line without the program's name, as cli_main would. */
static bool parse(struct cli *cli, const char *text, struct err *err)
{
        static char line[1024];
        char *words[WORDS_MAX + 1];
        int named = 0;
        int count;

        snprintf(line, sizeof(line), "%s", text);
        count = split(line, words);
        *cli = (struct cli){.command = cli_find(count, words, &named)};
        assert_non_null(cli->command);
        return cli_parse(cli, count - named, words + named, err);
}

static void every_example_is_taken(void **state)
{
        struct cli cli;
        struct err err;
        unsigned examples = 0;

        (void)state;
        for (const struct cli_command *command = cli_commands; command->name; command++) {
                struct str rest = str_from(command->examples);
                struct str line;

                while (rest.len > 0) {
                        char text[512];
                        char *redirect;

                        str_cut(&rest, '\n', &line);
                        assert_true(str_starts(line, STR("countersign ")));
                        snprintf(text, sizeof(text), "%.*s", (int)(line.len - 12), line.ptr + 12);
                        redirect = strchr(text, '>');
                        if (redirect)
                                *redirect = '\0';
                        if (!parse(&cli, text, &err))
                                fail_msg("%s: %s", text, err.message);
                        examples++;
                }
        }
        assert_true(examples > 20);
}

static void commands_are_found_by_all_their_words(void **state)
{
        char *submit[] = {"action", "submit", "test", NULL};
        char *alone[] = {"action", NULL};
        char *unknown[] = {"actions", "submit", NULL};
        int words;

        (void)state;
        assert_string_equal(cli_find(3, submit, &words)->name, "action submit");
        assert_int_equal(words, 2);
        assert_null(cli_find(1, alone, &words));
        assert_null(cli_find(2, unknown, &words));
        for (const struct cli_command *a = cli_commands; a->name; a++)
                for (const struct cli_command *b = a + 1; b->name; b++)
                        assert_string_not_equal(a->name, b->name);
}

static void parameters_follow_the_catalogue(void **state)
{
        struct cli cli;
        struct err err;

        (void)state;
        assert_true(parse(&cli, "action submit test docker container.remove web --force --wait", &err));
        assert_int_equal(cli.parameter_count, 1);
        assert_true(str_is(cli.parameters[0].name, "force"));
        assert_true(str_is(cli.parameters[0].value, "true"));
        assert_true(cli_flag(&cli, "wait"));
        assert_true(parse(&cli, "action submit test docker container.remove web --force=false", &err));
        assert_true(str_is(cli.parameters[0].value, "false"));
        /* A misspelt parameter must never be dropped in silence. */
        assert_false(parse(&cli, "action submit test docker container.remove web --forse", &err));
        assert_int_equal(err.code, ERR_BAD_PARAMETER);
        assert_false(parse(&cli, "action submit --force test docker container.remove web", &err));
        assert_false(parse(&cli, "action submit test docker container.explode web --force", &err));
}

static void wrong_lines_are_refused(void **state)
{
        static const char *const lines[] = {
                "whoami extra",        "login --key",         "login --nonsense",
                "action show",         "action list --state", "approve",
                "approve act_1 act_2", "whoami --json=1",     "key revoke one",
        };
        struct cli cli;
        struct err err;

        (void)state;
        for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
                assert_false(parse(&cli, lines[i], &err));
                assert_int_equal(err.code, ERR_BAD_PARAMETER);
        }
}

static void what_follows_two_dashes_is_an_argument(void **state)
{
        struct cli cli;
        struct err err;

        (void)state;
        assert_true(parse(&cli, "principal disable -- --json", &err));
        assert_false(cli.json);
        assert_true(str_is(cli_argument(&cli, 0), "--json"));
}

static void exit_statuses_follow_the_error(void **state)
{
        static const struct {
                enum err_code code;
                int status;
        } rows[] = {
                {ERR_UNAUTHENTICATED, CLI_EXIT_DENIED}, {ERR_SELF_APPROVAL, CLI_EXIT_DENIED},
                {ERR_NOT_FOUND, CLI_EXIT_NOT_FOUND},    {ERR_ACTION_NOT_PENDING, CLI_EXIT_CONFLICT},
                {ERR_BAD_FIELD, CLI_EXIT_BAD_INPUT},    {ERR_UPSTREAM_UNREACHABLE, CLI_EXIT_UNREACHABLE},
                {ERR_STORE_FULL, CLI_EXIT_SERVER},      {ERR_BAD_SIGNATURE, CLI_EXIT_PROOF},
                {ERR_PROOF_INVALID, CLI_EXIT_PROOF},    {ERR_SYSTEM, CLI_EXIT_FAILED},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct err err = {.code = rows[i].code};

                assert_int_equal(cli_exit_from(&err), rows[i].status);
        }
        /* None may look like success, or like the end of an action. */
        for (int code = 1; code < ERR_COUNT; code++) {
                struct err err = {.code = (enum err_code)code};

                assert_in_range(cli_exit_from(&err), CLI_EXIT_FAILED, CLI_EXIT_PROOF);
        }
}

/* A folder of its own, and a context whose files are there. */
struct place {
        char folder[64];
        char profile[128];
        char key[128];
        struct cli cli;
};

static void place_open(struct place *place)
{
        *place = (struct place){.folder = "/tmp/countersign-cli-XXXXXX"};
        assert_non_null(mkdtemp(place->folder));
        snprintf(place->profile, sizeof(place->profile), "%s/deep/er/profile.json", place->folder);
        snprintf(place->key, sizeof(place->key), "%s/signing.key", place->folder);
        arena_init(&place->cli.arena, 1 << 20);
        place->cli.profile.path = str_from(place->profile);
        place->cli.profile.signing_key = str_from(place->key);
}

static void place_close(struct place *place)
{
        char path[160];

        unlink(place->profile);
        unlink(place->key);
        snprintf(path, sizeof(path), "%s/deep/er", place->folder);
        rmdir(path);
        snprintf(path, sizeof(path), "%s/deep", place->folder);
        rmdir(path);
        assert_int_equal(rmdir(place->folder), 0); /* nothing half-written is left */
        arena_done(&place->cli.arena);
}

static void a_signing_key_comes_back_and_is_never_overwritten(void **state)
{
        struct ed25519_key *made = NULL;
        struct ed25519_key *loaded = NULL;
        struct ed25519_key *again = NULL;
        struct place place;
        struct stat info;
        struct err err;

        (void)state;
        place_open(&place);
        assert_false(signing_file_load(&place.cli, &loaded, &err));
        assert_true(signing_file_create(&place.cli, &made, &err));
        assert_int_equal(stat(place.key, &info), 0);
        assert_int_equal(info.st_mode & 0777, 0600);
        assert_true(signing_file_load(&place.cli, &loaded, &err));
        assert_true(ed25519_public_eq(ed25519_key_public(made), ed25519_key_public(loaded)));
        assert_false(signing_file_create(&place.cli, &again, &err));
        assert_int_equal(err.code, ERR_ALREADY_EXISTS);
        ed25519_key_free(made);
        ed25519_key_free(loaded);
        assert_int_equal(chmod(place.key, 0640), 0);
        assert_false(signing_file_load(&place.cli, &loaded, &err));
        place_close(&place);
}

static void a_profile_keeps_what_it_was_given_and_stays_private(void **state)
{
        struct place place;
        struct stat info;
        struct err err;

        (void)state;
        place_open(&place);
        place.cli.profile.server = STR("http://[::1]:7070");
        place.cli.profile.key = STR("cs_secret");
        place.cli.profile.tenant = STR("ten_1");
        assert_true(profile_save(&place.cli.profile, &err));
        assert_int_equal(stat(place.profile, &info), 0);
        assert_int_equal(info.st_mode & 0777, 0600);
        assert_true(profile_save_roster(&place.cli, 7, STR("abc"), &err));
        unsetenv("COUNTERSIGN_SERVER");
        unsetenv("COUNTERSIGN_KEY");
        setenv("COUNTERSIGN_PROFILE", place.profile, 1);
        place.cli.profile = (struct profile){0};
        assert_true(profile_load(&place.cli, &err));
        assert_true(str_is(place.cli.profile.server, "http://[::1]:7070"));
        assert_true(str_is(place.cli.profile.key, "cs_secret"));
        assert_int_equal(place.cli.profile.roster_version, 7);
        setenv("COUNTERSIGN_KEY", "cs_other", 1);
        place.cli.profile = (struct profile){0};
        assert_true(profile_load(&place.cli, &err));
        assert_true(str_is(place.cli.profile.key, "cs_other"));
        unsetenv("COUNTERSIGN_KEY");
        assert_int_equal(chmod(place.profile, 0604), 0);
        place.cli.profile = (struct profile){0};
        assert_false(profile_load(&place.cli, &err));
        unsetenv("COUNTERSIGN_PROFILE");
        place_close(&place);
}

static void texts_from_outside_are_made_visible(void **state)
{
        struct json json;
        struct place place;
        struct err err;

        (void)state;
        place_open(&place);
        assert_true(json_parse(&place.cli.arena,
                               STR("{\"a\":{\"b\":\"x\\u001b[2Jy\"},\"t\":\"2026-11-21T02:34:42.123Z\","
                                   "\"l\":[\"p\",\"q\"],\"n\":7,\"f\":false}"),
                               &json, &err));
        assert_true(str_is(out_text(&place.cli, &json, "a.b"), "x<U+001B>[2Jy"));
        assert_true(str_is(out_text(&place.cli, &json, "t"), "2026-11-21 02:34:42Z"));
        assert_true(str_is(out_text(&place.cli, &json, "l"), "p, q"));
        assert_true(str_is(out_text(&place.cli, &json, "n"), "7"));
        assert_true(str_is(out_text(&place.cli, &json, "f"), "no"));
        assert_true(str_is(out_text(&place.cli, &json, "a.c"), ""));
        place_close(&place);
}

static void ids_that_could_leave_the_path_are_refused(void **state)
{
        struct err err;

        (void)state;
        assert_false(cli_check_id(STR("../whoami"), "act", "action", &err));
        assert_false(cli_check_id(STR(""), "act", "action", &err));
        assert_false(cli_check_id(STR("act_0/../../x"), "act", "action", &err));
        assert_false(cli_check_id(STR_NULL, "", "principal", &err));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_example_is_taken),
                cmocka_unit_test(commands_are_found_by_all_their_words),
                cmocka_unit_test(parameters_follow_the_catalogue),
                cmocka_unit_test(wrong_lines_are_refused),
                cmocka_unit_test(what_follows_two_dashes_is_an_argument),
                cmocka_unit_test(exit_statuses_follow_the_error),
                cmocka_unit_test(a_signing_key_comes_back_and_is_never_overwritten),
                cmocka_unit_test(a_profile_keeps_what_it_was_given_and_stays_private),
                cmocka_unit_test(texts_from_outside_are_made_visible),
                cmocka_unit_test(ids_that_could_leave_the_path_are_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
