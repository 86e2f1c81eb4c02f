/* SPDX-License-Identifier: Apache-2.0 */
#include "approvals/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

/*
 * The table once more, as a picture that a person can check: rows are states,
 * columns are events in the order of enum action_event, letters are where it
 * leads. It is written by hand and compared with transitions.def in full.
 */
static char letter(enum action_state state)
{
        static const char by_state[] = {
                [ACTION_NEW] = '.',      [ACTION_DENIED] = 'd',        [ACTION_PENDING] = 'p',
                [ACTION_APPROVED] = 'a', [ACTION_CLAIMED] = 'c',       [ACTION_SUCCEEDED] = 's',
                [ACTION_FAILED] = 'f',   [ACTION_INDETERMINATE] = 'i', [ACTION_REJECTED] = 'r',
                [ACTION_EXPIRED] = 'x',  [ACTION_CANCELLED] = 'n',     [ACTION_LAPSED] = 'l',
        };

        return by_state[state];
}

/*                 DENY SUBMIT DECIDE MET REJECT TIME_UP CANCEL CLAIM SUCCEED FAIL LOSE_TRACK
                   SETTLE_SUCCEEDED SETTLE_FAILED */
static const char *const picture[ACTION_STATE_COUNT] = {
        [ACTION_NEW] = "dp...........",       [ACTION_DENIED] = ".............",
        [ACTION_PENDING] = "..parxn......",   [ACTION_APPROVED] = ".....lnc.....",
        [ACTION_CLAIMED] = "........sfisf",   [ACTION_SUCCEEDED] = ".............",
        [ACTION_FAILED] = ".............",    [ACTION_INDETERMINATE] = "........sf.sf",
        [ACTION_REJECTED] = ".............",  [ACTION_EXPIRED] = ".............",
        [ACTION_CANCELLED] = ".............", [ACTION_LAPSED] = ".............",
};

static void every_state_and_event_is_as_in_the_picture(void **state)
{
        (void)state;
        for (unsigned from = 0; from < ACTION_STATE_COUNT; from++) {
                assert_int_equal(strlen(picture[from]), ACTION_EVENT_COUNT);
                for (unsigned event = 0; event < ACTION_EVENT_COUNT; event++) {
                        enum action_state to;
                        char found = '.';

                        if (action_next((enum action_state)from, (enum action_event)event, &to))
                                found = letter(to);
                        if (found != picture[from][event])
                                fail_msg("%s, %s: %c instead of %c",
                                         action_state_name((enum action_state)from),
                                         action_event_name((enum action_event)event), found,
                                         picture[from][event]);
                }
        }
}

static void no_pair_stands_twice(void **state)
{
        static const struct {
                enum action_state from;
                enum action_event event;
        } rows[] = {
#define TRANSITION(from, event, to, guard) {ACTION_##from, ACTION_EVENT_##event},
#include "approvals/transitions.def"
#undef TRANSITION
        };
        size_t count = sizeof(rows) / sizeof(rows[0]);

        (void)state;
        for (size_t i = 0; i < count; i++)
                for (size_t j = 0; j < i; j++)
                        assert_false(rows[i].from == rows[j].from && rows[i].event == rows[j].event);
}

static void only_a_met_requirement_leads_to_approved(void **state)
{
        (void)state;
        for (unsigned from = 0; from < ACTION_STATE_COUNT; from++)
                for (unsigned event = 0; event < ACTION_EVENT_COUNT; event++) {
                        enum action_state to;

                        if (action_next((enum action_state)from, (enum action_event)event, &to) &&
                            to == ACTION_APPROVED) {
                                assert_int_equal(from, ACTION_PENDING);
                                assert_int_equal(event, ACTION_EVENT_REQUIREMENT_MET);
                        }
                }
}

static void only_a_claim_leads_to_claimed_and_nothing_back(void **state)
{
        (void)state;
        for (unsigned from = 0; from < ACTION_STATE_COUNT; from++)
                for (unsigned event = 0; event < ACTION_EVENT_COUNT; event++) {
                        enum action_state to;

                        if (!action_next((enum action_state)from, (enum action_event)event, &to))
                                continue;
                        if (to == ACTION_CLAIMED) {
                                assert_int_equal(from, ACTION_APPROVED);
                                assert_int_equal(event, ACTION_EVENT_CLAIM);
                        }
                        if (from == ACTION_CLAIMED || from == ACTION_INDETERMINATE)
                                assert_true(to == ACTION_SUCCEEDED || to == ACTION_FAILED ||
                                            to == ACTION_INDETERMINATE);
                }
}

static void every_state_can_be_reached_and_the_rest_is_final(void **state)
{
        bool reached[ACTION_STATE_COUNT] = {[ACTION_NEW] = true};

        (void)state;
        for (unsigned round = 0; round < ACTION_STATE_COUNT; round++)
                for (unsigned from = 0; from < ACTION_STATE_COUNT; from++)
                        for (unsigned event = 0; reached[from] && event < ACTION_EVENT_COUNT; event++) {
                                enum action_state to;

                                if (action_next((enum action_state)from, (enum action_event)event, &to))
                                        reached[to] = true;
                        }
        for (unsigned i = 0; i < ACTION_STATE_COUNT; i++) {
                enum action_state found;

                assert_true(reached[i]);
                if (i != ACTION_NEW) {
                        assert_true(action_state_from(str_from(action_state_name((enum action_state)i)),
                                                      &found));
                        assert_int_equal(found, i);
                }
                if (action_state_is_final((enum action_state)i))
                        assert_true(action_state_is_closed((enum action_state)i));
        }
        assert_true(action_state_is_open(ACTION_PENDING) && action_state_is_open(ACTION_APPROVED));
        assert_false(action_state_is_open(ACTION_CLAIMED));
        assert_false(action_state_is_final(ACTION_INDETERMINATE));
        assert_true(action_state_is_closed(ACTION_INDETERMINATE));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_state_and_event_is_as_in_the_picture),
                cmocka_unit_test(no_pair_stands_twice),
                cmocka_unit_test(only_a_met_requirement_leads_to_approved),
                cmocka_unit_test(only_a_claim_leads_to_claimed_and_nothing_back),
                cmocka_unit_test(every_state_can_be_reached_and_the_rest_is_final),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
