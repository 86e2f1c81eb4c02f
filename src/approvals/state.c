/* SPDX-License-Identifier: Apache-2.0 */
#include "approvals/state.h"

static const char *const state_names[] = {
        [ACTION_NEW] = "new",
        [ACTION_DENIED] = "denied",
        [ACTION_PENDING] = "pending",
        [ACTION_APPROVED] = "approved",
        [ACTION_CLAIMED] = "claimed",
        [ACTION_SUCCEEDED] = "succeeded",
        [ACTION_FAILED] = "failed",
        [ACTION_INDETERMINATE] = "indeterminate",
        [ACTION_REJECTED] = "rejected",
        [ACTION_EXPIRED] = "expired",
        [ACTION_CANCELLED] = "cancelled",
        [ACTION_LAPSED] = "lapsed",
};

static const char *const event_names[] = {
        [ACTION_EVENT_DENY] = "deny",
        [ACTION_EVENT_SUBMIT] = "submit",
        [ACTION_EVENT_DECIDE] = "decide",
        [ACTION_EVENT_REQUIREMENT_MET] = "requirement met",
        [ACTION_EVENT_REJECT] = "reject",
        [ACTION_EVENT_TIME_UP] = "time up",
        [ACTION_EVENT_CANCEL] = "cancel",
        [ACTION_EVENT_CLAIM] = "claim",
        [ACTION_EVENT_SUCCEED] = "succeed",
        [ACTION_EVENT_FAIL] = "fail",
        [ACTION_EVENT_LOSE_TRACK] = "lose track",
        [ACTION_EVENT_SETTLE_SUCCEEDED] = "settle: succeeded",
        [ACTION_EVENT_SETTLE_FAILED] = "settle: failed",
};

/* 0, which is ACTION_NEW and leads nowhere: no such row. */
static const enum action_state next[ACTION_STATE_COUNT][ACTION_EVENT_COUNT] = {
#define TRANSITION(from, event, to, guard) [ACTION_##from][ACTION_EVENT_##event] = ACTION_##to,
#include "approvals/transitions.def"
#undef TRANSITION
};

const char *action_state_name(enum action_state state)
{
        return state_names[state];
}

bool action_state_from(struct str name, enum action_state *ret)
{
        for (unsigned i = ACTION_DENIED; i < ACTION_STATE_COUNT; i++)
                if (str_is(name, state_names[i])) {
                        *ret = (enum action_state)i;
                        return true;
                }
        return false;
}

const char *action_event_name(enum action_event event)
{
        return event_names[event];
}

bool action_next(enum action_state from, enum action_event event, enum action_state *ret_to)
{
        *ret_to = next[from][event];
        return *ret_to != ACTION_NEW;
}

bool action_state_is_open(enum action_state state)
{
        return next[state][ACTION_EVENT_TIME_UP] != ACTION_NEW;
}

bool action_state_is_final(enum action_state state)
{
        for (unsigned i = 0; i < ACTION_EVENT_COUNT; i++)
                if (next[state][i] != ACTION_NEW)
                        return false;
        return true;
}

bool action_state_is_closed(enum action_state state)
{
        return state != ACTION_NEW && state != ACTION_PENDING && state != ACTION_APPROVED &&
               state != ACTION_CLAIMED;
}
