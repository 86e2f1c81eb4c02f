/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far an agent may go: a scope, a risk tier, and grants. They hold whatever
 * roles the agent has: a role says that it may ask, this says for what.
 *
 * Everything here is in the tenant's home cell. Authorization loads it with the
 * agent's rules (access/rules.h: access_rules_agent) and keeps it as long, so
 * that whoever changes it calls access_forget_on_commit.
 */
#pragma once

#include "catalogue/catalogue.h"
#include "store/store.h"

enum agent_scope {
        AGENT_READ_ONLY,  /* operations that only read */
        AGENT_CODE_GEN,   /* reads anywhere, changes in `test` and `dev`, destroys nothing */
        AGENT_READ_WRITE, /* everything; each one reaches further than the one before */
};

enum agent_risk { AGENT_LOW, AGENT_MEDIUM, AGENT_HIGH, AGENT_CRITICAL };

enum { AGENT_GRANTS_MAX = 256 }; /* that hold, of one agent */

/* "read_only", … as in the contract. */
const char *agent_scope_name(enum agent_scope scope);
bool agent_scope_from(struct str name, enum agent_scope *ret) MUST_USE;
/* "low", … as in the contract. */
const char *agent_risk_name(enum agent_risk risk);
bool agent_risk_from(struct str name, enum agent_risk *ret) MUST_USE;

/* Whether a scope lets an agent ask for operations of the effect in the environment. */
bool agent_scope_reaches(enum agent_scope scope, enum effect effect, struct str environment);

/* One grant. */
struct agent_tool {
        struct str connector;   /* of the catalogue, or "*" */
        struct str operation;   /* of the connector, or "*" */
        struct str environment; /* "": any */
};

/* Tools that come one after another. */
struct agent_tool_list {
        struct agent_tool *items;
        size_t count;
};
/*
 * Adds the tool in each of the environments, or in any when there are none.
 * The strings stay the caller's. BAD_FIELD as agent_tool_check; LIMIT_REACHED
 * beyond AGENT_GRANTS_MAX.
 */
bool agent_tool_list_add(struct arena *arena, struct agent_tool_list *list, struct str connector,
                         struct str operation, const struct str *environments, size_t environment_count,
                         struct err *err) MUST_USE;

struct agent_limits {
        enum agent_scope scope;
        enum agent_risk risk;
        const struct agent_tool *tools; /* those that hold */
        size_t tool_count;
};

/* ---- asking -------------------------------------------------------------------------------------- */

/* What holds of an agent in one request. */
struct agent_reach {
        enum agent_scope scope;
        enum agent_risk risk;
};

/*
 * The stricter of what the profile and what the credential say; {NULL, 0}: the
 * credential does not say. A word of a credential that is not known here counts
 * as the strictest.
 */
struct agent_reach agent_reach_of(const struct agent_limits *limits, struct str credential_scope,
                                  struct str credential_risk);
/*
 * Whether the agent may ask for the operation there: NOT_GRANTED when no grant
 * covers it, BEYOND_SCOPE when the scope does not. The grant comes first, so
 * that who has none learns nothing else.
 */
bool agent_check_reach(const struct agent_limits *limits, struct agent_reach reach,
                       const struct catalogue_operation *operation, struct str environment,
                       struct err *err) MUST_USE;

/* ---- inside a transaction on the tenant's home cell ------------------------------------------------ */

/* In the arena; *ret NULL when the principal is no agent. LIMIT_REACHED: more grants than can be. */
bool agent_limits_load(struct tx *tx, struct str principal, struct arena *arena,
                       const struct agent_limits **ret, struct err *err) MUST_USE;
/*
 * The profile of an agent that is being made, and its grants, in one. `limits`
 * NULL: read_write, medium, and a grant of everything. `granted_by` {NULL, 0}:
 * the program.
 */
bool agent_profile_create(struct tx *tx, struct str principal, const struct agent_limits *limits,
                          struct str granted_by, int64_t now_ms, struct err *err) MUST_USE;
/*
 * BAD_FIELD at /connector, /operation: the catalogue has no such thing, or
 * everything of no connector in particular was asked for one operation.
 */
bool agent_tool_check(const struct agent_tool *tool, struct err *err) MUST_USE;
/* Checks it, and that there is room (LIMIT_REACHED). Fills *ret_id ("gnt_…", in the transaction's arena). */
bool agent_grant(struct tx *tx, struct str principal, const struct agent_tool *tool, struct str granted_by,
                 int64_t now_ms, struct str *ret_id, struct err *err) MUST_USE;
