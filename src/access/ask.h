/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions about who may do what, for people who want to know why and for
 * other programs. Answered by the same rules and the same code as the
 * pipeline's, in a transaction on the tenant's home cell.
 */
#pragma once

#include "access/access.h"

struct access_ask {
        /* The question; absent strings are {NULL, 0}. */
        struct str principal;
        struct str permission; /* ours, or "x:…" */
        struct str operation;
        struct str resource_type;
        struct str resource_id;
        struct str environment;
        struct str network_address;
        int64_t now_ms;
        int64_t second_factor_ms; /* 0: none */
        const struct json *principal_properties;
        const struct json *action_properties;
        const struct json *properties;
        const struct json *context;

        /* Filled: what the decision was made of. */
        bool known; /* there is such a principal, and it is not disabled */
        struct principal who;
        struct access_rules *rules; /* held; released by access_ask_done */
        struct access_facts facts;
        struct access_asked asked;
        struct access_answer answer;
};

/*
 * Makes the decision. A principal, a workspace or an action that is not there
 * is no error: the decision is no.
 */
bool access_ask_decide(struct request *req, struct access_ask *ask, struct err *err) MUST_USE;
void access_ask_done(struct access_ask *ask);
