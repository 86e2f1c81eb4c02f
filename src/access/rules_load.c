/* SPDX-License-Identifier: Apache-2.0 */
/* From rows to rules. */
#include "access/access_sql.h"
#include "access/roles_table.h"
#include "access/rules_private.h"
#include "base/heap.h"

#include <stdlib.h>

enum {
        RULES_BYTES_MAX = 8 << 20,
        MANY_BYTES_MAX = 2 << 20,
        TEXT_SLOTS = 8192, /* at least twice as many as conditions */
};

_Static_assert((int)TEXT_SLOTS >= 2 * (int)RULES_MAX, "every condition's text finds a slot");

struct loading {
        const struct condition_env *env;
        struct access_rules *rules;
        uint16_t *texts; /* by the hash of its text: a condition's index + 1; NULL: none yet */
};

/* ---- one binding --------------------------------------------------------------------------------- */

static bool custom_add(struct access_rules *rules, struct str name, struct permission_set *set,
                       struct err *err)
{
        size_t i = 0;

        if (!rules->custom)
                rules->custom = ARENA_ARRAY(&rules->arena, struct str, CUSTOM_MAX);
        if (!rules->custom)
                return arena_check(&rules->arena, err);
        while (i < rules->custom_count && !str_eq(rules->custom[i], name))
                i++;
        if (i == CUSTOM_MAX)
                return err_set(err, ERR_LIMIT_REACHED,
                               "more than %d permissions of the tenant's own reach one principal",
                               CUSTOM_MAX);
        if (i == rules->custom_count)
                rules->custom[rules->custom_count++] = arena_str(&rules->arena, name);
        permission_set_add(set, (unsigned)i);
        return true;
}

/* What a later version of the program knows, and this one does not, allows and forbids nothing here. */
static bool names_to_set(struct access_rules *rules, struct str names, struct access_set *set,
                         struct err *err)
{
        while (names.len > 0) {
                enum permission permission;
                struct str name;

                (void)str_cut(&names, ' ', &name);
                if (permission_from(name, &permission)) {
                        if (!permission_is_platform(permission))
                                permission_set_add(&set->ours, permission);
                } else if (permission_is_custom(name) && !custom_add(rules, name, &set->custom, err)) {
                        return false;
                }
        }
        return true;
}

static bool rule_permissions(struct access_rules *rules, const struct sql_access_rules_of_row *row,
                             struct access_rule *rule, struct err *err)
{
        struct permission_set possible = permissions_of_kind(rules->kind);
        enum role role;

        if (row->role_id.ptr) {
                rule->role = arena_str(&rules->arena, row->role_name);
                if (!names_to_set(rules, row->permissions, &rule->allows, err) ||
                    !names_to_set(rules, row->owner_permissions, &rule->owner, err))
                        return false;
        } else if (role_from(row->role, &role)) {
                rule->role = str_from(role_name(role));
                /* By a group a role may reach somebody who cannot hold it: then it gives nothing. */
                if (role_fits(rules->kind, role)) {
                        rule->allows.ours = roles_permissions(
                                ROLE_BIT(role), rules->platform && str_is(row->level, "tenant"));
                        rule->owner.ours = roles_owner_permissions(ROLE_BIT(role));
                }
        }
        /* A ban of a role is a ban of all that it names. */
        if (rule->forbid)
                access_set_or(&rule->allows, &rule->owner);
        else
                permission_set_and(&rule->allows.ours, &possible);
        permission_set_and(&rule->owner.ours, &possible);
        if (rule->forbid)
                rule->owner = (struct access_set){0};
        return true;
}

/* FNV-1a. */
static uint32_t hash_of(struct str text)
{
        uint32_t hash = 2166136261u;

        for (size_t i = 0; i < text.len; i++)
                hash = (hash ^ (uint8_t)text.ptr[i]) * 16777619u;
        return hash;
}

/* The slot of a condition with this text, or the free one where it belongs; NULL: no memory. */
static uint16_t *text_slot(struct loading *loading, struct str text)
{
        const struct access_rules *rules = loading->rules;

        if (!loading->texts)
                loading->texts = heap_alloc_zeroed(TEXT_SLOTS, sizeof(*loading->texts));
        for (uint32_t at = hash_of(text); loading->texts; at++) {
                uint16_t *slot = &loading->texts[at % TEXT_SLOTS];

                if (*slot == 0 || str_eq(cel_program_source(rules->conditions[*slot - 1]), text))
                        return slot;
        }
        return NULL;
}

static bool condition_add(struct loading *loading, struct str text, uint16_t *slot, struct err *err)
{
        struct access_rules *rules = loading->rules;
        uint32_t count = rules->condition_count;

        if ((count & (count - 1)) == 0) {
                struct cel_program **more =
                        heap_realloc(rules->conditions, (count ? count * 2u : 1u) * sizeof(*more));

                if (!more)
                        return err_set(err, ERR_NO_MEMORY, "no memory for the conditions of a principal");
                rules->conditions = more;
        }
        if (!condition_compile(loading->env, text, &rules->conditions[count], err))
                return false;
        rules->program_bytes +=
                cel_program_size_bytes(rules->conditions[count]) + 2 * sizeof(struct cel_program *);
        *slot = (uint16_t)++rules->condition_count;
        return true;
}

static bool rule_condition(struct loading *loading, struct str text, struct access_rule *rule,
                           struct err *err)
{
        struct access_rules *rules = loading->rules;
        uint16_t *slot;

        if (!text.ptr)
                return true;
        slot = text_slot(loading, text);
        if (!slot)
                return err_set(err, ERR_NO_MEMORY, "no memory for the conditions of a principal");
        if (*slot == 0 && !condition_add(loading, text, slot, err))
                return err_prefix(err, "binding %s", rule->binding.text);
        rule->condition_index = *slot - 1u;
        rule->condition = rules->conditions[rule->condition_index];
        rule->late = condition_is_late(loading->env, rule->condition);
        rules->needs_place = rules->needs_place || condition_needs_place(loading->env, rule->condition);
        return true;
}

static bool add(struct loading *loading, const struct sql_access_rules_of_row *row, struct id *at,
                struct err *err)
{
        struct access_rules *rules = loading->rules;
        struct access_rule *rule = &rules->rules[rules->rule_count];

        *at = id_from(row->scope_id);
        *rule = (struct access_rule){.binding = id_from(row->id),
                                     .group = id_from(row->group_id),
                                     .forbid = str_is(row->effect, "forbid")};
        rules->has_organizations = rules->has_organizations || str_is(row->level, "organization");
        rules->has_workspaces = rules->has_workspaces || str_is(row->level, "workspace");
        rules->rule_count++;
        return rule_permissions(rules, row, rule, err) &&
               rule_condition(loading, row->condition, rule, err) && arena_check(&rules->arena, err);
}

/* ---- by scope ------------------------------------------------------------------------------------ */

struct placed {
        struct id at;
        struct access_rule rule;
};

static int compare_placed(const void *a, const void *b)
{
        const struct placed *one = a;
        const struct placed *two = b;
        int order = strcmp(one->at.text, two->at.text);

        if (order != 0)
                return order;
        if (!one->rule.condition != !two->rule.condition)
                return one->rule.condition ? -1 : 1;
        return strcmp(one->rule.binding.text, two->rule.binding.text);
}

static void scope_add(struct access_scope *scope, const struct access_rule *rule)
{
        scope->rule_count++;
        if (rule->condition) {
                scope->conditional_count++;
                access_set_or(rule->forbid ? &scope->may_forbid : &scope->may_allow, &rule->allows);
                if (!rule->forbid)
                        access_set_or(&scope->may_allow, &rule->owner);
                return;
        }
        access_set_or(rule->forbid ? &scope->forbid : &scope->allow, &rule->allows);
        access_set_or(&scope->owner, &rule->owner);
}

static bool arrange(struct access_rules *rules, struct placed *placed, struct err *err)
{
        size_t count = rules->rule_count;

        for (size_t i = 0; i < count; i++)
                placed[i].rule = rules->rules[i];
        qsort(placed, count, sizeof(*placed), compare_placed);
        rules->scopes = ARENA_ARRAY(&rules->arena, struct access_scope, count + 1);
        if (!rules->scopes)
                return arena_check(&rules->arena, err);
        for (size_t i = 0; i < count; i++) {
                struct access_scope *scope = &rules->scopes[rules->scope_count];

                rules->rules[i] = placed[i].rule;
                if (i == 0 || strcmp(placed[i - 1].at.text, placed[i].at.text) != 0) {
                        scope->at = placed[i].at;
                        scope->rules = &rules->rules[i];
                        rules->scope_count++;
                } else {
                        scope--;
                }
                scope_add(scope, &rules->rules[i]);
        }
        for (size_t i = 0; i < rules->scope_count; i++)
                if (strcmp(rules->scopes[i].at.text, rules->tenant.text) == 0)
                        rules->tenant_scope = &rules->scopes[i];
        rules->needs_place = rules->needs_place || rules->has_organizations;
        return true;
}

/* ---- reading -------------------------------------------------------------------------------------- */

static bool too_many(struct err *err)
{
        return err_set(err, ERR_LIMIT_REACHED, "more than %d bindings reach one principal", RULES_MAX);
}

static bool read_rules(struct tx *tx, struct loading *loading, struct placed *placed, struct err *err)
{
        struct access_rules *rules = loading->rules;
        SQL_SCOPED(access_rules_of) c = {0};
        struct sql_access_rules_of_row row;
        bool has;

        if (!sql_access_rules_of_open(tx, id_str(&rules->principal), RULES_MAX + 1, &c, err))
                return false;
        for (;;) {
                if (!sql_access_rules_of_next(&c, &row, &has, err))
                        return false;
                if (!has)
                        return true;
                if (rules->rule_count == RULES_MAX)
                        return too_many(err);
                if (!add(loading, &row, &placed[rules->rule_count].at, err))
                        return false;
        }
}

static bool read_group_names(struct tx *tx, struct access_rules *rules, struct err *err)
{
        SQL_SCOPED(access_groups_of) c = {0};
        struct sql_access_groups_of_row row;
        bool has = true;

        rules->groups = ARENA_ARRAY(&rules->arena, struct str, GROUPS_MAX);
        if (!rules->groups)
                return arena_check(&rules->arena, err);
        if (!sql_access_groups_of_open(tx, id_str(&rules->principal), GROUPS_MAX, &c, err))
                return false;
        while (sql_access_groups_of_next(&c, &row, &has, err)) {
                if (!has)
                        return arena_check(&rules->arena, err);
                if (rules->group_count < GROUPS_MAX)
                        rules->groups[rules->group_count++] = arena_str(&rules->arena, row.name);
        }
        return false;
}

static bool kind_from(struct str name, enum principal_kind *ret)
{
        for (unsigned i = PRINCIPAL_USER; i <= PRINCIPAL_EXECUTOR; i++)
                if (str_is(name, principal_kind_name((enum principal_kind)i))) {
                        *ret = (enum principal_kind)i;
                        return true;
                }
        return false;
}

/* Conditions that are answered together, and which bindings have them. */
static bool answer_together(struct access_rules *rules, struct err *err)
{
        if (rules->condition_count == 0)
                return true;
        return cel_many_new(&rules->many_arena, (const struct cel_program *const *)rules->conditions,
                            rules->condition_count, CONDITION_COST_MAX, &rules->many, err) &&
               access_classes_make(rules, err);
}

/* In two passes, so that the rules take only as much room as there are. */
static bool fill(struct tx *tx, struct loading *loading, struct err *err)
{
        struct access_rules *rules = loading->rules;
        struct sql_access_principal_get_row row;
        _cleanup_(heap_freep) struct placed *placed = NULL;
        _cleanup_(heap_freep) struct access_rule *room = NULL;
        bool found;
        bool ok;

        if (!sql_access_principal_get(tx, id_str(&rules->principal), &row, &found, err))
                return false;
        if (!found || row.has_disabled_ms || !kind_from(row.kind, &rules->kind))
                return true;
        rules->platform = row.platform;
        if (rules->kind == PRINCIPAL_AGENT &&
            !agent_limits_load(tx, id_str(&rules->principal), &rules->arena, &rules->agent, err))
                return false;
        placed = heap_alloc_zeroed(RULES_MAX, sizeof(*placed));
        room = heap_alloc_zeroed(RULES_MAX, sizeof(*room));
        if (!placed || !room)
                return err_set(err, ERR_NO_MEMORY, "no memory for the rules of a principal");
        rules->rules = room;
        ok = read_rules(tx, loading, placed, err) && read_group_names(tx, rules, err);
        rules->rules = ARENA_ARRAY(&rules->arena, struct access_rule, rules->rule_count);
        if (!ok || !rules->rules)
                return ok && arena_check(&rules->arena, err);
        memcpy(rules->rules, room, rules->rule_count * sizeof(*room));
        return arrange(rules, placed, err) && answer_together(rules, err);
}

bool access_rules_load(const struct condition_env *env, struct tx *tx, struct str principal,
                       struct access_rules **ret, struct err *err)
{
        struct access_rules *rules = heap_alloc_zeroed(1, sizeof(*rules));
        struct loading loading = {.env = env, .rules = rules};
        bool ok;

        *ret = NULL;
        if (!rules)
                return err_set(err, ERR_NO_MEMORY, "no memory for the rules of a principal");
        atomic_init(&rules->holds, 1);
        arena_init(&rules->arena, RULES_BYTES_MAX);
        arena_init(&rules->many_arena, MANY_BYTES_MAX);
        rules->principal = id_from(principal);
        rules->tenant = id_from(tx_tenant(tx));
        ok = fill(tx, &loading, err);
        heap_free(loading.texts);
        if (!ok) {
                access_rules_release(rules);
                return false;
        }
        *ret = rules;
        return true;
}
