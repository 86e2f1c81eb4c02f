/* SPDX-License-Identifier: Apache-2.0 */
/* What handlers ask of authorization. */
#include "access/access.h"

#include "access/access_sql.h"
#include "access/bindings.h"
#include "access/rules_private.h"
#include "api/route.h"
#include "api/services.h"
#include "base/clock.h"
#include "base/heap.h"

enum { SCRATCH_BYTES = 512 * 1024 };

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

bool access_is_beyond_bound(const struct request *req, enum permission permission)
{
        const struct principal *principal = &req->principal;

        return principal->session.text[0] && principal->workspace.text[0] &&
               req->route->scope != API_SCOPE_WORKSPACE && permission_writes(permission);
}

static bool check(struct request *req, enum permission permission, const struct access_resource *resource,
                  struct err *err)
{
        const struct access_request *access = req->access;
        struct str name = str_from(permission_name(permission));
        struct access_answer answer = {0};
        struct access_facts facts;
        ARENA_SCOPED scratch = {0};

        if (!access || access_is_beyond_bound(req, permission) ||
            (req->principal.scoped && !permission_set_has(&req->principal.scopes, permission)))
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
        answer = access_decide(access->rules, access_ask_ours(permission), &facts, &scratch);
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
        *ret = access_decide(rules, access_ask_ours((unsigned)req->route->permission), &facts, &scratch)
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

static bool scopes_hold(const struct request *req, struct str names)
{
        while (names.len > 0) {
                enum permission permission;
                struct str name;

                (void)str_cut(&names, ' ', &name);
                if (name.len == 0)
                        continue;
                if (permission_is_custom(name))
                        permission = PERMISSION_ROLE_MANAGE; /* as access_rules_cover has it */
                else if (!permission_from(name, &permission))
                        return false;
                if (!permission_set_has(&req->principal.scopes, permission))
                        return false;
        }
        return true;
}

bool access_check_grant(struct request *req, struct str organization, struct str workspace, struct str names,
                        struct err *err)
{
        if (!req->access)
                return err_set(err, ERR_INTERNAL, "the request has no rules");
        if (req->principal.scoped && !scopes_hold(req, names))
                return err_set(err, ERR_FORBIDDEN,
                               "nobody gives more than the scopes of the credential that they show");
        return access_rules_cover(req->access->rules, organization, workspace, names, err);
}

bool access_check_reach_scoped(struct request *req, struct str principal, struct str scopes, struct err *err)
{
        _cleanup_(access_rules_releasep) struct access_rules *theirs = NULL;
        const struct access_request *access = req->access;

        if (req->principal.scoped && (!scopes.ptr || !scopes_hold(req, scopes)))
                return err_set(err, ERR_FORBIDDEN,
                               "a credential that is limited to scopes makes none that may more");
        if (str_eq(principal, id_str(&req->principal.id)))
                return true;
        if (!access)
                return err_set(err, ERR_INTERNAL, "the request has no rules");
        return access_rules_load(access_env(access->access), req->tx, principal, &theirs, err) &&
               covers(access->rules, theirs, err);
}

bool access_check_reach(struct request *req, struct str principal, struct err *err)
{
        return access_check_reach_scoped(req, principal, STR_NULL, err);
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
