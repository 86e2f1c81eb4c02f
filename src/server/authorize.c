/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pipeline's step "authorize". 401, 403 and 404 are exact: what one may not
 * know of does not exist; what one may see but not do is 403 and says which
 * permission is missing.
 */
#include "api/api_permissions.h"
#include "api/services.h"
#include "server/call.h"

enum { SCRATCH_BYTES = 512 * 1024, LABELS_MEMBERS_MAX = 64 };

struct looking {
        struct call *call;
        struct access_place *place;
        bool ok;
        struct err *err;
};

/* On a thread. The rules are where the principal is: in the tenant's home cell. */
static void rules_blocking(void *arg)
{
        struct looking *looking = arg;
        struct call *call = looking->call;
        const struct principal *principal = &call->req.principal;
        struct cell_ref home = {.tenant = id_str(&principal->tenant), .region = principal->region};

        looking->ok = access_rules_get(call->req.services->access, &home, id_str(&principal->id),
                                       &call->access.rules, looking->err);
}

static FIBER_FN bool find_rules(struct call *call, struct err *err)
{
        struct looking looking = {.call = call, .err = err};

        call->access.access = call->req.services->access;
        call->access.rules = access_rules_quick(call->req.services->access, id_str(&call->req.principal.id));
        if (!call->access.rules) {
                fiber_offload(rules_blocking, &looking);
                if (!looking.ok)
                        return false;
        }
        call->req.access = &call->access;
        return true;
}

static void place_blocking(void *arg)
{
        struct looking *looking = arg;
        struct request *req = &looking->call->req;
        struct cell_ref cell = {.tenant = req->tenant, .region = req->region};

        looking->ok = access_place_get(req->services->access, req->arena, &cell, req->workspace,
                                       looking->place, looking->err);
}

/* What is known of the workspace, where bindings or conditions ask for it. */
static FIBER_FN bool find_place(struct call *call, struct err *err)
{
        struct access_facts *facts = &call->access.facts;
        struct access_place place = {0};
        struct looking looking = {.call = call, .place = &place, .err = err};
        struct json *labels;

        facts->workspace = call->req.workspace;
        facts->region = call->req.region;
        facts->resource_type = call->req.workspace.len > 0 ? STR("workspace") : STR("tenant");
        facts->resource_id = call->req.workspace.len > 0 ? call->req.workspace : call->req.tenant;
        if (call->req.workspace.len == 0 || !access_rules_need_place(call->access.rules))
                return true;
        if (!access_place_quick(call->req.services->access, call->req.arena, call->req.workspace, &place)) {
                fiber_offload(place_blocking, &looking);
                if (!looking.ok)
                        return false;
        }
        facts->organization = place.organization;
        facts->region = place.region;
        facts->data_mode = place.data_mode;
        facts->resource_owner = place.owner;
        if (place.labels.len == 0)
                return true;
        labels = ARENA_NEW(call->req.arena, struct json);
        if (!labels)
                return arena_check(call->req.arena, err);
        facts->labels = labels;
        return json_parse(call->req.arena, place.labels, labels, err);
}

static void fill_facts(struct call *call)
{
        struct request *req = &call->req;
        struct access_facts *facts = &call->access.facts;

        facts->now_ms = req->now_ms;
        facts->peer = req->peer;
        facts->tenant = id_str(&req->principal.tenant);
        facts->operation = str_from(call->route->operation);
        facts->permission = call->route->permission < 0
                                    ? STR("")
                                    : str_from(permission_name((enum permission)call->route->permission));
        facts->principal = &req->principal;
        facts->groups = access_rules_groups(call->access.rules, &facts->group_count);
        facts->partial = call->route->late;
}

/* ---- refusing ------------------------------------------------------------------------------------ */

static bool nothing_here(struct call *call, struct err *err)
{
        call->foreign = true; /* so that it is entered into the caller's log */
        return call_nothing_here(err);
}

static bool holds(struct call *call, enum permission permission)
{
        const struct access_request *access = &call->access;
        struct access_facts facts = access->facts;
        ARENA_SCOPED scratch = {0};

        arena_init(&scratch, SCRATCH_BYTES);
        facts.partial = true;
        facts.permission = str_from(permission_name(permission));
        return access_decide(access->rules, access_ask_ours(permission), &facts, &scratch).verdict !=
               ACCESS_DENY;
}

static bool sees(struct call *call)
{
        enum permission wanted = (enum permission)call->route->permission;
        int see = permission_see(wanted);

        if (call->route->scope == API_SCOPE_WORKSPACE) {
                bool any = false;

                for (unsigned i = 0; i < PERMISSION_COUNT && !any; i++)
                        any = !permission_writes((enum permission)i) &&
                              permission_is_of_workspace((enum permission)i) &&
                              holds(call, (enum permission)i);
                if (!any)
                        return false;
        }
        if (!call->route->names_thing)
                return true;
        if (see >= 0)
                return holds(call, (enum permission)see);
        return permission_writes(wanted);
}

static bool refuse(struct call *call, const struct access_answer *answer, struct err *err)
{
        struct str name = str_from(permission_name((enum permission)call->route->permission));

        (void)access_refuse(&call->req, name, answer, err);
        return sees(call) ? false : nothing_here(call, err);
}

/* ---- deciding ------------------------------------------------------------------------------------ */

static bool decide(struct call *call, enum permission permission, struct err *err)
{
        struct request *req = &call->req;
        struct access_answer answer;
        ARENA_SCOPED scratch = {0};

        if (call->route->scope == API_SCOPE_PLATFORM && !req->principal.platform)
                return err_set(err, ERR_FORBIDDEN, "this is for administrators of the platform");
        if (req->principal.scoped && !permission_set_has(&req->principal.scopes, permission))
                return err_set(
                        err, ERR_FORBIDDEN,
                        "this needs the permission %s, which is not among the scopes of the credential",
                        permission_name(permission));
        if (access_is_beyond_bound(req, permission))
                return err_set(err, ERR_FORBIDDEN,
                               "this token is bound to the workspace %s; %s changes the whole tenant",
                               req->principal.workspace.text, permission_name(permission));
        arena_init(&scratch, SCRATCH_BYTES);
        answer = access_decide(call->access.rules, access_ask_ours(permission), &call->access.facts,
                               &scratch);
        if (answer.verdict == ACCESS_DENY)
                return refuse(call, &answer, err);
        req->resource_open = answer.verdict == ACCESS_UNDECIDED;
        if (answer.rule)
                request_log_detail(req, "binding", id_str(&answer.rule->binding));
        return true;
}

FIBER_FN bool call_authorize(struct call *call, struct err *err)
{
        struct request *req = &call->req;
        int permission = call->route->permission;
        const struct access_facts *facts = &call->access.facts;

        if (req->principal.kind == PRINCIPAL_NOBODY)
                return true;
        if (!find_rules(call, err))
                return false;
        fill_facts(call);
        if (!find_place(call, err))
                return false;
        req->principal.permissions =
                access_rules_certain(call->access.rules, facts->organization, facts->workspace).ours;
        req->principal.owner =
                access_rules_certain_owner(call->access.rules, facts->organization, facts->workspace).ours;
        if (req->principal.scoped) {
                permission_set_and(&req->principal.permissions, &req->principal.scopes);
                permission_set_and(&req->principal.owner, &req->principal.scopes);
        }
        return permission < 0 || decide(call, (enum permission)permission, err);
}

void call_authorize_done(struct call *call)
{
        access_rules_release(call->access.rules);
        call->access.rules = NULL;
        call->req.access = NULL;
}
