/* SPDX-License-Identifier: Apache-2.0 */
/* What rules are made of. Private to src/access. */
#pragma once

#include "access/rules.h"

#include <stdatomic.h>

struct access_rules {
        atomic_int holds;
        struct id principal;
        struct id tenant;
        enum principal_kind kind;
        bool platform; /* of the platform's own tenant */
        bool needs_place;
        bool has_organizations;
        bool has_workspaces;
        struct access_rule *rules; /* by scope, those with conditions first */
        size_t rule_count;
        struct access_scope *scopes; /* in the order of their ids */
        size_t scope_count;
        const struct access_scope *tenant_scope; /* NULL: none */
        struct str *custom;                      /* names of the tenant's own permissions */
        size_t custom_count;
        struct str *groups; /* names */
        size_t group_count;
        const struct agent_limits *agent; /* NULL: it is none */
        struct cel_program **conditions;  /* those of the bindings, equal texts once */
        uint32_t condition_count;
        const struct cel_many *many; /* the same, to be answered together; NULL: there is none */
        size_t program_bytes;
        struct arena arena;
        struct arena many_arena; /* a bound of its own: what does not fit is only slower */
};

/* Fills the scopes' classes, once the rules are in their order. */
bool access_classes_make(struct access_rules *rules, struct err *err) MUST_USE;

void access_set_or(struct access_set *set, const struct access_set *other);
