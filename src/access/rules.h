/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that one principal may and may not do, made from its bindings and those
 * of its groups: for each level where it has any, what always holds as sets of
 * permissions, and beside them the bindings that have conditions. Made once,
 * then only read, by any thread; counted.
 *
 * The rules of deciding are Cedar's: default deny, forbid wins, order does not
 * matter. A forbid whose condition cannot be evaluated denies (a deviation from
 * Cedar, on the safe side); an allow whose condition cannot be evaluated does
 * not allow.
 */
#pragma once

#include "access/condition.h"
#include "access/roles.h"
#include "agents/agents.h"
#include "store/store.h"

enum {
        RULES_MAX = 4000,       /* bindings that reach one principal */
        RULES_OWN_MAX = 1000,   /* of its own */
        RULES_GROUP_MAX = 1000, /* of one group */
        GROUPS_MAX = 64,        /* that one principal is a member of */
        CUSTOM_MAX = 256,       /* names of a tenant's own permissions that reach one principal */
        CUSTOM_NAME_MAX = 64,
};

/* A tenant's own permission: "x:" and a name. Asked for by other programs only. */
bool permission_is_custom(struct str name);

/* Permissions of ours and, by their index in the principal's names, of the tenant's own. */
struct access_set {
        struct permission_set ours;
        struct permission_set custom;
};

/* One binding. */
struct access_rule {
        struct id binding;
        struct id group; /* by which it reaches the principal; "" for its own */
        struct str role;
        bool forbid;
        bool late; /* the condition depends on what only a handler knows */
        struct access_set allows;
        struct access_set owner;             /* on the principal's own resources only */
        const struct cel_program *condition; /* NULL: always; the rules' own */
        uint32_t condition_index;            /* equal conditions have one */
};

/* Conditional bindings at one place that allow, or forbid, the same. */
struct access_class {
        bool forbid;
        struct access_set allows, owner;
        const uint32_t *conditions; /* each once; those that are late come last */
        const uint32_t *rules;      /* beside each, one of the scope's rules that has it */
        uint32_t count;
        uint32_t late_count;
};

/* The bindings at one tenant, organization or workspace. */
struct access_scope {
        struct id at;
        /* What holds without conditions. */
        struct access_set allow, owner, forbid;
        /* What a condition may add: where a permission is in none of them no condition is looked at. */
        struct access_set may_allow, may_forbid;
        const struct access_rule *rules; /* those with conditions first */
        size_t rule_count;
        size_t conditional_count;
        const struct access_class *classes; /* of the conditional ones */
        size_t class_count;
};

struct access_rules;

/*
 * In a transaction on the principal's home cell. A principal that is not there
 * or disabled has no rules. LIMIT_REACHED when there are too many: then nothing
 * is allowed.
 */
bool access_rules_load(const struct condition_env *env, struct tx *tx, struct str principal,
                       struct access_rules **ret, struct err *err) MUST_USE;
struct access_rules *access_rules_hold(struct access_rules *rules);
/* NULL is fine. */
void access_rules_release(struct access_rules *rules);
static inline void access_rules_releasep(struct access_rules **rules)
{
        access_rules_release(*rules);
}

struct str access_rules_principal(const struct access_rules *rules);
struct str access_rules_tenant(const struct access_rules *rules);
size_t access_rules_bytes(const struct access_rules *rules);
/* Whether an answer may depend on what is known of a workspace besides its id. */
bool access_rules_need_place(const struct access_rules *rules);
/* How far an agent may go; NULL for all others, and for one that is disabled. Lives as long as the rules. */
const struct agent_limits *access_rules_agent(const struct access_rules *rules);
/* Names of the principal's groups. */
const struct str *access_rules_groups(const struct access_rules *rules, size_t *ret_count);
/* The scopes that reach a place, the tenant's first; returns how many, at most 3. */
size_t access_rules_scopes(const struct access_rules *rules, struct str organization, struct str workspace,
                           const struct access_scope *ret_scopes[3]);

/* A permission of ours (custom < 0), or the tenant's own by its index. */
struct access_asked {
        int permission;
        int custom; /* -1: none; -2: a custom one that no binding names */
};
struct access_asked access_ask(const struct access_rules *rules, struct str name);
static inline struct access_asked access_ask_ours(unsigned permission)
{
        return (struct access_asked){.permission = (int)permission, .custom = -1};
}
bool access_set_has(const struct access_set *set, struct access_asked asked);

enum access_verdict {
        ACCESS_DENY,
        ACCESS_ALLOW,
        ACCESS_UNDECIDED, /* the facts are partial: it depends on the resource */
};

struct access_answer {
        enum access_verdict verdict;
        bool forbidden; /* a forbid decided */
        const struct access_rule
                *rule; /* that decided, or one of them, where a binding with a condition did */
};

/* `facts->organization` and `facts->workspace` say where. Does not wait; bounded by the conditions' cost. */
struct access_answer access_decide(const struct access_rules *rules, struct access_asked asked,
                                   const struct access_facts *facts, struct arena *scratch);

/* What holds at a place without any condition, and what holds there on the principal's own resources. */
struct access_set access_rules_certain(const struct access_rules *rules, struct str organization,
                                       struct str workspace);
struct access_set access_rules_certain_owner(const struct access_rules *rules, struct str organization,
                                             struct str workspace);
/* Whether a permission is certain there, and no condition can take it away. */
bool access_rules_has_certainly(const struct access_rules *rules, struct str organization,
                                struct str workspace, struct access_asked asked);

/*
 * Whether the principal of `mine` holds, without any condition, all that
 * `names` (permissions separated by spaces) list at the place; if not,
 * FORBIDDEN naming the first that is missing.
 */
bool access_rules_cover(const struct access_rules *mine, struct str organization, struct str workspace,
                        struct str names, struct err *err) MUST_USE;
/* The names of a built-in role's permissions, its owner's too, separated by spaces. */
struct str access_role_permissions(struct arena *arena, enum role role, bool platform);
