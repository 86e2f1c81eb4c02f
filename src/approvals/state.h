/* SPDX-License-Identifier: Apache-2.0 */
/* The states of an action and the events that change them; the table is transitions.def. */
#pragma once

#include "base/err.h"
#include "base/str.h"

enum action_state {
        ACTION_NEW, /* before it is stored; no row has it */
        ACTION_DENIED,
        ACTION_PENDING,
        ACTION_APPROVED,
        ACTION_CLAIMED,
        ACTION_SUCCEEDED,
        ACTION_FAILED,
        ACTION_INDETERMINATE,
        ACTION_REJECTED,
        ACTION_EXPIRED,
        ACTION_CANCELLED,
        ACTION_LAPSED,
        ACTION_STATE_COUNT,
};

enum action_event {
        ACTION_EVENT_DENY,
        ACTION_EVENT_SUBMIT,
        ACTION_EVENT_DECIDE,
        ACTION_EVENT_REQUIREMENT_MET,
        ACTION_EVENT_REJECT,
        ACTION_EVENT_TIME_UP,
        ACTION_EVENT_CANCEL,
        ACTION_EVENT_CLAIM,
        ACTION_EVENT_SUCCEED,
        ACTION_EVENT_FAIL,
        ACTION_EVENT_LOSE_TRACK,
        ACTION_EVENT_SETTLE_SUCCEEDED,
        ACTION_EVENT_SETTLE_FAILED,
        ACTION_EVENT_COUNT,
};

/* "pending", … as in the contract; "new" for ACTION_NEW. */
const char *action_state_name(enum action_state state);
bool action_state_from(struct str name, enum action_state *ret) MUST_USE;
/* "requirement met", … for messages. */
const char *action_event_name(enum action_event event);

/* Where the event leads; false when the table has no such row. */
bool action_next(enum action_state from, enum action_event event, enum action_state *ret_to) MUST_USE;

/* Whether time changes it: pending and approved. */
bool action_state_is_open(enum action_state state);
/* Whether no event changes it any more. */
bool action_state_is_final(enum action_state state);
/* Whether nothing will run any more, unless it runs already: all but pending, approved and claimed. */
bool action_state_is_closed(enum action_state state);
