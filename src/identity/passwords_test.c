/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "identity/passwords.h"
#include "identity/passwords_list.h"
#include "io/loop.h"

#include <errno.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

/* Cheap, for tests. */
static const struct password_parameters cheap = {64, 1, 2};
static struct arena arena;
static struct err err;

static int setup(void **state)
{
        (void)state;
        arena_init(&arena, 4 << 20);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        arena_done(&arena);
        return 0;
}

static bool is_right(struct str password, struct str encoded, bool *ret_outdated)
{
        bool right;

        assert_true(password_verify_here(&cheap, password, encoded, &right, ret_outdated, &err));
        return right;
}

static void the_right_password_is_right(void **state)
{
        char one[PASSWORD_ENCODED_SIZE], two[PASSWORD_ENCODED_SIZE];
        bool outdated;

        (void)state;
        assert_true(password_hash_here(&cheap, STR("correct horse battery"), one, &err));
        assert_true(password_hash_here(&cheap, STR("correct horse battery"), two, &err));
        assert_string_not_equal(one, two); /* another salt */
        assert_non_null(strstr(one, "$argon2id$v=19$m=64,t=1,p=2$"));
        assert_true(is_right(STR("correct horse battery"), str_from(one), &outdated));
        assert_false(outdated);
        assert_false(is_right(STR("correct horse batterz"), str_from(one), &outdated));
        assert_false(is_right(STR(""), str_from(one), &outdated));
        assert_false(is_right(STR(""), STR(""), &outdated));
        assert_false(is_right(STR("correct horse battery"), STR(""), &outdated));
}

/* RFC 9106's test vectors use a secret and associated data; this one is the reference implementation's. */
static void the_reference_implementations_hash_is_verified(void **state)
{
        bool right, outdated;

        (void)state;
        /* echo -n password | argon2 somesaltsomesalt -id -t 2 -k 256 -p 1 -l 32 -e */
        assert_true(password_verify_here(&cheap, STR("password"),
                                         STR("$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$"
                                             "yrdGtGIZk/3JHsUHh5gLQUqQppLwvGjf4Z+cJbPLqew"),
                                         &right, &outdated, &err));
        assert_true(right);
        assert_true(outdated);
}

static void a_stored_password_that_is_none_is_an_error(void **state)
{
        static const char *const bad[] = {
                "$argon2i$v=19$m=64,t=1,p=2$c29tZXNhbHRzb21lc2FsdA$AAAA", "x",
                "$argon2id$v=19$m=64,t=1$c29tZXNhbHRzb21lc2FsdA$AAAA",
                "$argon2id$v=19$m=64,t=1,p=2$c29t$AAAA",
                "$argon2id$v=19$m=99999999999,t=1,p=2$c29tZXNhbHRzb21lc2FsdA$AAAA"};
        bool right, outdated;

        (void)state;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                assert_false(
                        password_verify_here(&cheap, STR("p"), str_from(bad[i]), &right, &outdated, &err));
}

static void forms_that_look_alike_are_one(void **state)
{
        struct str one, two;

        (void)state;
        assert_true(password_prepare(&arena, STR("caf\xc3\xa9 \xef\xac\x81ne"), &one, &err));
        assert_true(password_prepare(&arena, STR("cafe\xcc\x81 fine"), &two, &err));
        assert_true(str_eq(one, two));
        assert_false(password_prepare(&arena, STR("\xff"), &one, &err));
        assert_true(login_name_prepare(&arena,
                                       STR("Stra\xc3\x9f"
                                           "e@Example.ORG"),
                                       &one, &err));
        assert_true(login_name_prepare(&arena, STR("STRASSE@example.org"), &two, &err));
        assert_true(str_eq(one, two));
        assert_false(login_name_prepare(&arena, STR("a b"), &one, &err));
        assert_false(login_name_prepare(&arena, STR(""), &one, &err));
        assert_false(login_name_prepare(&arena, STR("a\n"), &one, &err));
}

static void write_file(const char *path, const char *text)
{
        FILE *file = fopen(path, "w");

        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
        assert_int_equal(fclose(file), 0);
}

static bool listed(const struct password_list *list, const char *word)
{
        bool failed;
        bool has = password_list_has(list, str_from(word), &failed);

        assert_false(failed);
        return has;
}

static void breached_passwords_are_found_in_either_file(void **state)
{
        char path[] = "/tmp/countersign-passwords-XXXXXX";
        int fd = mkstemp(path);
        struct password_list *list;

        (void)state;
        assert_true(fd >= 0);
        close(fd);
        /* The SHA-1 of: hunter2 … in order of the hash. */
        write_file(path, "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8:10434004\r\n" /* password */
                         "7110EDA4D09E062AA5E4A390B0A572AC0D2C0220:1\r\n"        /* 1234 */
                         "B1B3773A05C0ED0176787A4F1574FF0075F7521E\r\n"          /* qwerty */
                         "F3BBBD66A63D4BF1747940578EC3D0103530E21D:17\r\n");     /* hunter2 */
        assert_true(password_list_open(path, &list, &err));
        assert_true(listed(list, "password"));
        assert_true(listed(list, "1234"));
        assert_true(listed(list, "qwerty"));
        assert_true(listed(list, "hunter2"));
        assert_false(listed(list, "hunter3"));
        assert_false(listed(list, ""));
        for (int i = 0; i < 500; i++)
                assert_false(listed(list, arena_printf(&arena, "not in it %d", i).ptr));
        password_list_close(list);
        write_file(path, "zebra\npassword\n\nhunter2\r\nlast without an end");
        assert_true(password_list_open(path, &list, &err));
        assert_true(listed(list, "password"));
        assert_true(listed(list, "hunter2"));
        assert_true(listed(list, "last without an end"));
        assert_false(listed(list, "1234"));
        password_list_close(list);
        unlink(path);
        assert_false(password_list_open(path, &list, &err));
}

/* ---- on fibers -------------------------------------------------------------------------------------------
 */

struct crowd {
        struct passwords *passwords;
        atomic_int right, refused;
        int count;
        char encoded[PASSWORD_ENCODED_SIZE];
        sem_t ended; /* once for each */
};

static FIBER_ENTRY void one_logs_in(void *arg)
{
        struct crowd *crowd = arg;
        bool right, outdated;
        struct err why;

        if (!passwords_verify(crowd->passwords, STR("correct horse battery"), str_from(crowd->encoded),
                              &right, &outdated, &why)) {
                if (why.code == ERR_OVERLOADED)
                        atomic_fetch_add(&crowd->refused, 1);
        } else if (right) {
                atomic_fetch_add(&crowd->right, 1);
        }
        sem_post(&crowd->ended);
}

static void a_full_queue_refuses_at_once_and_loses_nobody(void **state)
{
        const struct passwords_config config = {.parameters = {4096, 2, 1}, .threads = 1, .queue = 4};
        struct crowd crowd = {.count = 40};
        struct loops *loops;

        (void)state;
        assert_true(
                password_hash_here(&config.parameters, STR("correct horse battery"), crowd.encoded, &err));
        assert_int_equal(sem_init(&crowd.ended, 0, 0), 0);
        assert_true(passwords_start(&config, &crowd.passwords, &err));
        assert_true(loops_start(1, &loops, &err));
        for (int i = 0; i < crowd.count; i++)
                assert_true(fiber_spawn(loops_at(loops, 0), one_logs_in, &crowd, &err));
        for (int i = 0; i < crowd.count; i++)
                while (sem_wait(&crowd.ended) != 0)
                        assert_int_equal(errno, EINTR);
        /* 4 waited, and one or more were being served. */
        assert_true(atomic_load(&crowd.right) >= 4);
        assert_true(atomic_load(&crowd.refused) > 0);
        assert_int_equal(atomic_load(&crowd.right) + atomic_load(&crowd.refused), crowd.count);
        loops_free(loops);
        passwords_stop(crowd.passwords);
        sem_destroy(&crowd.ended);
}

static void rules_say_what_to_do(void **state)
{
        const struct passwords_config config = {.parameters = {64, 1, 1}, .threads = 1, .queue = 1};
        const struct passwords_config bad = {.parameters = {4, 1, 1}, .threads = 1, .queue = 1};
        struct passwords *passwords;

        (void)state;
        assert_false(passwords_start(&bad, &passwords, &err));
        assert_int_equal(err.code, ERR_CONFIG);
        assert_true(passwords_start(&config, &passwords, &err));
        assert_true(password_check(passwords, STR("correct horse battery"), STR("ann"), &err));
        assert_true(password_check(passwords, STR("            "), STR("ann"), &err));
        assert_false(password_check(passwords, STR("eleven char"), STR("ann"), &err));
        assert_false(password_check(passwords, STR("\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"),
                                    STR("a"), &err));
        assert_false(password_check(passwords, STR("ann@example.org"), STR("ANN@example.org"), &err));
        passwords_stop(passwords);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(the_right_password_is_right, setup, teardown),
                cmocka_unit_test_setup_teardown(the_reference_implementations_hash_is_verified, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(a_stored_password_that_is_none_is_an_error, setup, teardown),
                cmocka_unit_test_setup_teardown(forms_that_look_alike_are_one, setup, teardown),
                cmocka_unit_test_setup_teardown(breached_passwords_are_found_in_either_file, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(a_full_queue_refuses_at_once_and_loses_nobody, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(rules_say_what_to_do, setup, teardown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
