/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must happen before an action may run. One question, one answer; what
 * stands behind it is a small built-in table here and policies in CEL later.
 *
 * Default deny: what no rule speaks of is denied. Of several rules that match,
 * the strictest counts, whatever their order.
 */
#pragma once

#include "base/buf.h"
#include "catalogue/catalogue.h"

struct policy_input {
        struct str tenant;
        struct str workspace;
        struct str environment;
        const struct catalogue_operation *operation;
        struct str target; /* as resolved, or {NULL, 0} */
        const struct json *parameters;
        struct str requester_id;
        struct str requester_kind; /* "user", "service", "agent" */
        /* Of agents, the stricter of profile and credential; {NULL, 0} for all others. */
        struct str requester_scope; /* "read_only", "code_gen", "read_write" */
        struct str requester_risk;  /* "low", "medium", "high", "critical" */
};

enum policy_verdict {
        POLICY_DENY,    /* never */
        POLICY_ALLOW,   /* at once; for operations that only read */
        POLICY_REQUIRE, /* once enough people have signed */
};

enum { POLICY_ROLES_MAX = 8, POLICY_DECISIONS_MAX = 16 };

struct policy_decision {
        enum policy_verdict verdict;
        struct str rule;    /* the name of the rule that decided; constant memory */
        struct str reason;  /* one sentence for people; constant memory */
        unsigned decisions; /* POLICY_REQUIRE: 1 to 16; else 0 */
        unsigned role_count;
        struct str roles[POLICY_ROLES_MAX]; /* any of them */
        struct str digest;                  /* SHA-256 of the policy, 64 hex digits; constant memory */
};

/*
 * Always answers. Whatever the rules say, an operation that changes or destroys
 * is never POLICY_ALLOW.
 */
void policy_decide(const struct policy_input *input, struct policy_decision *ret);

/* The rules themselves, in RFC 8785 form: what the digest is of. */
struct str policy_text(void);

/* One rule, for explanations. */
struct policy_rule {
        const char *name;
        const char *reason;
        enum effect effect;
        const char *environment;     /* NULL: any */
        const char *not_environment; /* NULL: none is left out */
        enum policy_verdict verdict;
        unsigned decisions;
};
const struct policy_rule *policy_rules(size_t *ret_count);
/* Which rules matched an input, in the order of the table: bit i is rule i. */
uint64_t policy_matches(const struct policy_input *input);
