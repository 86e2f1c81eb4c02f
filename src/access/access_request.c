/* SPDX-License-Identifier: Apache-2.0 */
/* What handlers ask of authorization. */
#include "access/access.h"

#include "access/access_sql.h"
#include "access/rules_private.h"
#include "api/route.h"
#include "api/services.h"
#include "base/clock.h"
#include "base/heap.h"

enum { SCRATCH_BYTES = 256 * 1024 };

bool access_refuse(struct request *req, struct str permission, const struct access_answer *answer,
                   struct err *err)
{
        const char *who = req->principal.id.text;

        request_log_detail(req, "permission", permission);
        if (answer && answer->rule)
                request_log_detail(req, "binding", id_str(&answer->rule->binding));
        if (answer && answer->forbidden)
                return err_set(err, ERR_FORBIDDEN,
                               "this needs the permission %.*s, which a binding forbids %s here",
                               STR_ARG(permission), who);
        return err_set(err, ERR_FORBIDDEN, "this needs the permission %.*s, which nothing gives %s here",
                       STR_ARG(permission), who);
}

static bool check(struct request *req, enum permission permission, const struct access_resource *resource,
                  struct err *err)
{
        const struct access_request *access = req->access;
        struct str name = str_from(permission_name(permission));
        struct access_answer answer = {0};
        struct access_facts facts;
        ARENA_SCOPED scratch = {0};

        if (!access || (req->principal.scoped && !permission_set_has(&req->principal.scopes, permission)))
                return access_refuse(req, name, NULL, err);
        arena_init(&scratch, SCRATCH_BYTES);
        facts = access->facts;
        facts.partial = false;
        facts.permission = name;
        if (resource) {
                facts.resource_type = str_from(resource->type.ptr ? resource->type.ptr : "");
                facts.resource_id = resource->id;
                facts.resource_owner = resource->owner;
                facts.environment = resource->environment;
                if (resource->organization.ptr)
                        facts.organization = resource->organization;
                if (resource->workspace.ptr)
                        facts.workspace = resource->workspace;
        }
        answer = access_decide(access_env(access->access), access->rules, access_ask_ours(permission),
                               &facts, &scratch);
        if (answer.verdict != ACCESS_ALLOW)
                return access_refuse(req, name, &answer, err);
        if (answer.rule)
                request_log_detail(req, "binding", id_str(&answer.rule->binding));
        return true;
}

bool access_check_resource(struct request *req, const struct access_resource *resource, struct err *err)
{
        req->resource_asked = true;
        if (!req->resource_open)
                return true; /* whatever the resource is, it is allowed */
        return check(req, (enum permission)req->route->permission, resource, err);
}

bool access_check(struct request *req, enum permission permission, const struct access_resource *resource,
                  struct err *err)
{
        return check(req, permission, resource, err);
}

bool access_still_allowed(struct request *req, bool *ret, struct err *err)
{
        _cleanup_(access_rules_releasep) struct access_rules *rules = NULL;
        const struct access_request *access = req->access;
        struct access_facts facts;
        ARENA_SCOPED scratch = {0};

        *ret = false;
        if (!access)
                return true;
        rules = access_rules_quick(req->services->access, id_str(&req->principal.id));
        if (!rules &&
            !access_rules_load(access_env(access->access), req->tx, id_str(&req->principal.id), &rules, err))
                return false;
        arena_init(&scratch, SCRATCH_BYTES);
        facts = access->facts;
        facts.now_ms = clock_now_ms();
        facts.groups = access_rules_groups(rules, &facts.group_count);
        *ret = access_decide(access_env(access->access), rules,
                             access_ask_ours((unsigned)req->route->permission), &facts, &scratch)
                       .verdict == ACCESS_ALLOW;
        return true;
}

/* ---- nobody raises themselves ------------------------------------------------------------------- */

static bool set_covered(const struct access_rules *mine, const struct access_rules *theirs, struct str at,
                        const struct access_set *set, struct err *err)
{
        struct str workspace = str_starts(at, STR("wsp_")) ? at : STR("");
        struct str organization = str_starts(at, STR("org_")) ? at : STR("");

        for (unsigned i = 0; i < PERMISSION_COUNT; i++)
                if (permission_set_has(&set->ours, i) &&
                    !access_rules_has_certainly(mine, organization, workspace, access_ask_ours(i)))
                        return err_set(err, ERR_FORBIDDEN,
                                       "nobody acts for who may do more: %s may %s there, and you may not",
                                       theirs->principal.text, permission_name((enum permission)i));
        return true;
}

static bool covers(const struct access_rules *mine, const struct access_rules *theirs, struct err *err)
{
        for (size_t i = 0; i < theirs->scope_count; i++) {
                const struct access_scope *scope = &theirs->scopes[i];
                struct str at = id_str(&scope->at);

                if (!set_covered(mine, theirs, at, &scope->allow, err) ||
                    !set_covered(mine, theirs, at, &scope->owner, err) ||
                    !set_covered(mine, theirs, at, &scope->may_allow, err))
                        return false;
        }
        return true;
}

bool access_check_reach(struct request *req, struct str principal, struct err *err)
{
        _cleanup_(access_rules_releasep) struct access_rules *theirs = NULL;
        const struct access_request *access = req->access;

        if (str_eq(principal, id_str(&req->principal.id)))
                return true;
        if (!access)
                return err_set(err, ERR_INTERNAL, "the request has no rules");
        return access_rules_load(access_env(access->access), req->tx, principal, &theirs, err) &&
               covers(access->rules, theirs, err);
}

bool access_check_administrators(const struct access *access, struct tx *tx, struct err *err)
{
        static const enum permission needed[] = {PERMISSION_BINDING_MANAGE, PERMISSION_PRINCIPAL_MANAGE,
                                                 PERMISSION_ROLE_MANAGE};
        SQL_SCOPED(access_administrators) c = {0};
        struct sql_access_administrators_row row;
        bool has;

        if (!sql_access_administrators_open(tx, STR("allow"), STR("tenant"), 100000, &c, err))
                return false;
        while (sql_access_administrators_next(&c, &row, &has, err)) {
                _cleanup_(access_rules_releasep) struct access_rules *rules = NULL;
                bool all = true;

                if (!has)
                        return err_set(err, ERR_CONFLICT,
                                       "then nobody would be left who can manage the tenant's principals "
                                       "and bindings");
                if (!access_rules_load(access_env(access), tx, row.id, &rules, err))
                        return false;
                for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
                        all = all && access_rules_has_certainly(rules, STR(""), STR(""),
                                                                access_ask_ours(needed[i]));
                if (all)
                        return true;
        }
        return false;
}
