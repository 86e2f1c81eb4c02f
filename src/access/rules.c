/* SPDX-License-Identifier: Apache-2.0 */
#include "access/rules.h"

#include "access/access_sql.h"
#include "access/rules_private.h"
#include "base/heap.h"

#include <stdlib.h>

/* ---- life -------------------------------------------------------------------------------------- */

struct access_rules *access_rules_hold(struct access_rules *rules)
{
        atomic_fetch_add_explicit(&rules->holds, 1, memory_order_relaxed);
        return rules;
}

void access_rules_release(struct access_rules *rules)
{
        if (!rules || atomic_fetch_sub_explicit(&rules->holds, 1, memory_order_acq_rel) != 1)
                return;
        for (uint32_t i = 0; i < rules->condition_count; i++)
                cel_program_free(rules->conditions[i]);
        heap_free(rules->conditions);
        arena_done(&rules->many_arena);
        arena_done(&rules->arena);
        heap_free(rules);
}

struct str access_rules_principal(const struct access_rules *rules)
{
        return id_str(&rules->principal);
}

struct str access_rules_tenant(const struct access_rules *rules)
{
        return id_str(&rules->tenant);
}

size_t access_rules_bytes(const struct access_rules *rules)
{
        return sizeof(*rules) + rules->arena.used_bytes + rules->many_arena.used_bytes +
               rules->program_bytes;
}

bool access_rules_need_place(const struct access_rules *rules)
{
        return rules->needs_place;
}

const struct agent_limits *access_rules_agent(const struct access_rules *rules)
{
        return rules->agent;
}

const struct str *access_rules_groups(const struct access_rules *rules, size_t *ret_count)
{
        *ret_count = rules->group_count;
        return rules->groups;
}

/* ---- permissions of the tenant's own -------------------------------------------------------------- */

bool permission_is_custom(struct str name)
{
        if (!str_starts(name, STR("x:")) || name.len <= 2 || name.len > CUSTOM_NAME_MAX)
                return false;
        for (size_t i = 2; i < name.len; i++) {
                char c = name.ptr[i];

                if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '.' || c == '_' || c == '-' || c == ':' || c == '/'))
                        return false;
        }
        return true;
}

static int custom_index(const struct access_rules *rules, struct str name)
{
        for (size_t i = 0; i < rules->custom_count; i++)
                if (str_eq(rules->custom[i], name))
                        return (int)i;
        return -2;
}

struct access_asked access_ask(const struct access_rules *rules, struct str name)
{
        enum permission permission;

        if (permission_from(name, &permission))
                return access_ask_ours(permission);
        return (struct access_asked){.permission = -1, .custom = custom_index(rules, name)};
}

bool access_set_has(const struct access_set *set, struct access_asked asked)
{
        if (asked.permission >= 0)
                return permission_set_has(&set->ours, (unsigned)asked.permission);
        return asked.custom >= 0 && permission_set_has(&set->custom, (unsigned)asked.custom);
}

void access_set_or(struct access_set *set, const struct access_set *other)
{
        permission_set_or(&set->ours, &other->ours);
        permission_set_or(&set->custom, &other->custom);
}

static void access_set_subtract(struct access_set *set, const struct access_set *other)
{
        permission_set_subtract(&set->ours, &other->ours);
        permission_set_subtract(&set->custom, &other->custom);
}

/* ---- places -------------------------------------------------------------------------------------- */

static const struct access_scope *scope_find(const struct access_rules *rules, struct str id)
{
        size_t low = 0;
        size_t high = rules->scope_count;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int order = str_compare(id_str(&rules->scopes[middle].at), id);

                if (order == 0)
                        return &rules->scopes[middle];
                if (order < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return NULL;
}

size_t access_rules_scopes(const struct access_rules *rules, struct str organization, struct str workspace,
                           const struct access_scope *ret_scopes[3])
{
        const struct access_scope *found[3] = {
                rules->tenant_scope,
                organization.len > 0 && rules->has_organizations ? scope_find(rules, organization) : NULL,
                workspace.len > 0 && rules->has_workspaces ? scope_find(rules, workspace) : NULL,
        };
        size_t count = 0;

        for (unsigned i = 0; i < 3; i++)
                if (found[i])
                        ret_scopes[count++] = found[i];
        return count;
}

/* ---- deciding ------------------------------------------------------------------------------------ */

struct deciding {
        const struct access_rules *rules;
        struct access_asked asked;
        const struct access_facts *facts;
        struct arena *scratch;
        struct access_answer *answer;
        struct condition_many many; /* once `looking` */
        bool looking;
        bool allowed;
        bool maybe; /* depends on what is not known yet */
        bool is_owner;
};

/*
 * A condition of the class that is true or, with `failed`, cannot be evaluated, of those that can be known;
 * NULL: there is none. The rule is one that has it.
 */
static const struct access_rule *find(struct deciding *d, const struct access_scope *scope,
                                      const struct access_class *class, bool failed)
{
        uint32_t count = d->facts->partial ? class->count - class->late_count : class->count;
        uint32_t at;

        if (!d->looking)
                condition_many_begin(d->rules->many, d->facts, d->scratch, &d->many);
        d->looking = true;
        at = condition_many_find(&d->many, class->conditions, count, failed);
        return at < count ? &scope->rules[class->rules[at]] : NULL;
}

/* Whether what is late has to be known first. */
static bool is_open(const struct deciding *d, const struct access_class *class)
{
        return d->facts->partial && class->late_count > 0;
}

/* True: forbidden. */
static bool forbids(struct deciding *d, const struct access_scope *scope)
{
        if (access_set_has(&scope->forbid, d->asked))
                return true;
        if (!access_set_has(&scope->may_forbid, d->asked))
                return false;
        for (size_t i = 0; i < scope->class_count; i++) {
                const struct access_class *class = &scope->classes[i];

                if (!class->forbid || !access_set_has(&class->allows, d->asked))
                        continue;
                d->maybe = d->maybe || is_open(d, class);
                d->answer->rule = find(d, scope, class, true); /* a ban that fails bans */
                if (d->answer->rule)
                        return true;
        }
        return false;
}

static bool allows_without_condition(struct deciding *d, const struct access_scope *scope)
{
        if (access_set_has(&scope->allow, d->asked))
                return true;
        if (!access_set_has(&scope->owner, d->asked))
                return false;
        if (d->facts->partial)
                d->maybe = true;
        return d->facts->partial || d->is_owner;
}

static bool allows_by_condition(struct deciding *d, const struct access_scope *scope)
{
        if (!access_set_has(&scope->may_allow, d->asked))
                return false;
        for (size_t i = 0; i < scope->class_count; i++) {
                const struct access_class *class = &scope->classes[i];
                bool plainly = access_set_has(&class->allows, d->asked);
                bool as_owner =
                        access_set_has(&class->owner, d->asked) && (d->facts->partial || d->is_owner);
                const struct access_rule *rule;

                if (class->forbid || (!plainly && !as_owner))
                        continue;
                rule = find(d, scope, class, false);
                if (rule && (plainly || !d->facts->partial)) {
                        d->answer->rule = rule;
                        return true;
                }
                if (rule || is_open(d, class))
                        d->maybe = d->allowed = true; /* unless the rest is against it */
        }
        return false;
}

static bool holds_somewhere(const struct access_rules *rules, struct access_asked asked)
{
        for (size_t i = 0; i < rules->scope_count; i++)
                if (access_set_has(&rules->scopes[i].allow, asked) ||
                    access_set_has(&rules->scopes[i].may_allow, asked))
                        return true;
        return false;
}

/* Allowed by the scopes, of which none forbids it for certain; *ret_certain: whatever else comes to be
 * known. */
static bool allows(struct deciding *d, const struct access_scope *const scopes[3], size_t count,
                   bool *ret_certain)
{
        *ret_certain = false;
        for (size_t i = 0; i < count && !*ret_certain; i++) {
                d->maybe = false;
                if (allows_without_condition(d, scopes[i])) {
                        d->allowed = true;
                        *ret_certain = !d->maybe;
                }
        }
        for (size_t i = 0; i < count && !*ret_certain; i++)
                if (allows_by_condition(d, scopes[i]))
                        *ret_certain = d->allowed = true;
        /* At the tenant, of a resource that is not known yet: it may be where the permission holds. */
        if (!d->allowed && d->facts->partial && d->facts->workspace.len == 0 &&
            d->facts->organization.len == 0)
                d->allowed = holds_somewhere(d->rules, d->asked);
        return d->allowed;
}

static void decide(struct deciding *d, struct access_answer *answer)
{
        const struct access_scope *scopes[3];
        size_t count = access_rules_scopes(d->rules, d->facts->organization, d->facts->workspace, scopes);
        bool forbid_unknown;
        bool certain;

        for (size_t i = 0; i < count; i++)
                if (forbids(d, scopes[i])) {
                        answer->forbidden = true;
                        return;
                }
        forbid_unknown = d->maybe;
        if (allows(d, scopes, count, &certain))
                answer->verdict = certain && !forbid_unknown ? ACCESS_ALLOW : ACCESS_UNDECIDED;
}

struct access_answer access_decide(const struct access_rules *rules, struct access_asked asked,
                                   const struct access_facts *facts, struct arena *scratch)
{
        struct access_answer answer = {.verdict = ACCESS_DENY};
        struct deciding d;

        /* Not all of it: what conditions need is only touched when there is one to look at. */
        d.rules = rules;
        d.asked = asked;
        d.facts = facts;
        d.scratch = scratch;
        d.answer = &answer;
        d.looking = d.allowed = d.maybe = false;
        d.is_owner = !facts->partial && facts->resource_owner.len > 0 &&
                     str_eq(facts->resource_owner, id_str(&rules->principal));
        decide(&d, &answer);
        if (d.looking)
                condition_many_end(&d.many);
        return answer;
}

/* ---- what is certain ----------------------------------------------------------------------------- */

static struct access_set certain(const struct access_rules *rules, struct str organization,
                                 struct str workspace, bool owner)
{
        const struct access_scope *scopes[3];
        size_t count = access_rules_scopes(rules, organization, workspace, scopes);
        struct access_set all = {0};

        for (size_t i = 0; i < count; i++)
                access_set_or(&all, owner ? &scopes[i]->owner : &scopes[i]->allow);
        for (size_t i = 0; i < count; i++)
                access_set_subtract(&all, &scopes[i]->forbid);
        return all;
}

struct access_set access_rules_certain(const struct access_rules *rules, struct str organization,
                                       struct str workspace)
{
        return certain(rules, organization, workspace, false);
}

struct access_set access_rules_certain_owner(const struct access_rules *rules, struct str organization,
                                             struct str workspace)
{
        return certain(rules, organization, workspace, true);
}

bool access_rules_has_certainly(const struct access_rules *rules, struct str organization,
                                struct str workspace, struct access_asked asked)
{
        const struct access_scope *scopes[3];
        size_t count = access_rules_scopes(rules, organization, workspace, scopes);
        bool has = false;

        for (size_t i = 0; i < count; i++) {
                if (access_set_has(&scopes[i]->forbid, asked) ||
                    access_set_has(&scopes[i]->may_forbid, asked))
                        return false;
                has = has || access_set_has(&scopes[i]->allow, asked);
        }
        return has;
}

bool access_rules_cover(const struct access_rules *mine, struct str organization, struct str workspace,
                        struct str names, struct err *err)
{
        while (names.len > 0) {
                struct access_asked asked;
                struct str name;

                (void)str_cut(&names, ' ', &name);
                if (name.len == 0)
                        continue;
                asked = access_ask(mine, name);
                /* Who manages roles stands for all of the tenant's own permissions: we ask for none of them.
                 */
                if (asked.permission < 0 && permission_is_custom(name))
                        asked = access_ask_ours(PERMISSION_ROLE_MANAGE);
                if (!access_rules_has_certainly(mine, organization, workspace, asked))
                        return err_set(err, ERR_FORBIDDEN,
                                       "nobody gives what they do not hold: %.*s is missing there, or is "
                                       "held under "
                                       "a condition only",
                                       STR_ARG(name));
        }
        return true;
}

struct str access_role_permissions(struct arena *arena, enum role role, bool platform)
{
        struct permission_set all = roles_permissions(ROLE_BIT(role), platform);
        struct permission_set owner = roles_owner_permissions(ROLE_BIT(role));
        struct str names = STR("");

        permission_set_or(&all, &owner);
        for (unsigned i = 0; i < PERMISSION_COUNT; i++)
                if (permission_set_has(&all, i))
                        names = arena_printf(arena, "%.*s%s%s", STR_ARG(names), names.len > 0 ? " " : "",
                                             permission_name((enum permission)i));
        return names;
}
