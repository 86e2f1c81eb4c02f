/* SPDX-License-Identifier: Apache-2.0 */
/* Who is woken by what; the waiting itself is tested in src/io. */
#include "api/notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>

static struct notify_waiter one, all, other;

static int waiters_begin(void **state)
{
        (void)state;
        notify_begin(&one, STR("ten_a"), STR("act_1"));
        notify_begin(&all, STR("ten_a"), STR(""));
        notify_begin(&other, STR("ten_b"), STR("act_1"));
        return 0;
}

static int waiters_end(void **state)
{
        (void)state;
        notify_end(&one);
        notify_end(&all);
        notify_end(&other);
        return 0;
}

static void assert_fired(bool one_is, bool all_is, bool other_is)
{
        assert_int_equal(fiber_event_is_fired(&one.event), one_is);
        assert_int_equal(fiber_event_is_fired(&all.event), all_is);
        assert_int_equal(fiber_event_is_fired(&other.event), other_is);
}

static void a_subject_wakes_its_waiters_and_the_tenants(void **state)
{
        (void)state;
        notify_publish(STR("ten_a"), STR("act_2"));
        assert_fired(false, true, false);
        notify_publish(STR("ten_a"), STR("act_1"));
        assert_fired(true, true, false);
}

static void what_another_node_tells_wakes_the_same(void **state)
{
        char text[64];

        (void)state;
        (void)snprintf(text, sizeof(text), "w %016" PRIx64 " %016" PRIx64, one.key, all.key);
        notify_hear(str_from(text));
        assert_fired(true, true, false);
}

static void a_garbled_message_wakes_nobody(void **state)
{
        char texts[6][80];

        (void)state;
        (void)snprintf(texts[0], sizeof(texts[0]), "f %016" PRIx64 " %016" PRIx64, one.key, all.key);
        (void)snprintf(texts[1], sizeof(texts[1]), "w %016" PRIx64, one.key);
        (void)snprintf(texts[2], sizeof(texts[2]), "w %016" PRIx64 " %016" PRIx64 "0", one.key, all.key);
        (void)snprintf(texts[3], sizeof(texts[3]), "w %016" PRIx64 " x", one.key);
        (void)snprintf(texts[4], sizeof(texts[4]), "w");
        (void)snprintf(texts[5], sizeof(texts[5]), "%c", '\0');
        for (size_t i = 0; i < 6; i++)
                notify_hear(str_from(texts[i]));
        assert_fired(false, false, false);
}

static void a_missed_message_wakes_everybody(void **state)
{
        (void)state;
        notify_hear(STR_NULL);
        assert_fired(true, true, true);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, waiters_begin, waiters_end)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_subject_wakes_its_waiters_and_the_tenants),
                TEST(what_another_node_tells_wakes_the_same),
                TEST(a_garbled_message_wakes_nobody),
                TEST(a_missed_message_wakes_everybody),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
