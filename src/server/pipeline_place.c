/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pipeline's step "tenant and region": which cell a request is about, whether
 * this node serves its region, and whether tenant and workspace let it happen.
 */
#include "api/api_permissions.h"
#include "api/services.h"
#include "server/call.h"
#include "tenancy/regions.h"

struct place_work {
        struct call *call;
        struct str id;
        bool only_missing; /* what only reads needs the cell, and can do with yesterday's copies */
        bool ok;
        struct err *err;
};

/* ---- how tenant and workspace stand ------------------------------------------------------------ */

/* On a thread. */
static void tenant_blocking(void *arg)
{
        struct place_work *work = arg;

        work->ok = places_tenant(work->call->req.services->places, work->id, &work->call->tenant, work->err);
}

static FIBER_FN bool find_tenant(struct call *call, struct err *err)
{
        struct str id = id_str(&call->req.principal.tenant);
        struct place_work work = {.call = call, .id = id, .err = err};

        if (places_tenant_quick(call->req.services->places, id, &call->tenant))
                return true;
        fiber_offload(tenant_blocking, &work);
        /* It is gone, and with it whoever asks. */
        return work.ok || (err->code == ERR_NOT_FOUND &&
                           err_set(err, ERR_UNAUTHENTICATED, "the credential is not valid any more"));
}

static bool check_tenant(const struct call *call, struct err *err)
{
        switch (call->tenant.state) {
        case PLACE_SUSPENDED:
                return err_set(err, ERR_TENANT_SUSPENDED, "the tenant is suspended");
        case PLACE_CLOSED:
                return err_set(err, ERR_TENANT_SUSPENDED, "the tenant is being deleted");
        case PLACE_ACTIVE:
        case PLACE_ARCHIVED:
                break;
        }
        return true;
}

/* On a thread. */
static void workspace_blocking(void *arg)
{
        struct place_work *work = arg;

        work->ok = places_workspace(work->call->req.services->places, work->id, &work->call->workspace,
                                    work->err);
}

static FIBER_FN bool look_up_workspace(struct call *call, struct str id, struct err *err)
{
        struct place_work work = {.call = call, .id = id, .err = err};

        if (places_workspace_quick(call->req.services->places, id, &call->workspace))
                return true;
        fiber_offload(workspace_blocking, &work);
        return work.ok;
}

static FIBER_FN bool find_workspace(struct call *call, struct str workspace, struct err *err)
{
        struct request *req = &call->req;

        if (req->principal.workspace.text[0] && !str_eq(id_str(&req->principal.workspace), workspace))
                return call_nothing_here(err);
        if (!look_up_workspace(call, workspace, err))
                return err->code == ERR_NOT_FOUND ? call_nothing_here(err) : false;
        if (!str_is(id_str(&call->workspace.tenant), req->principal.tenant.text))
                return call_nothing_here(err);
        req->tenant = arena_str(req->arena, id_str(&call->workspace.tenant));
        req->region = arena_str(req->arena, str_from(call->workspace.region));
        req->workspace = workspace;
        return arena_check(req->arena, err);
}

/*
 * What is archived can be read, and deleted: that is asked for, decided and
 * withdrawn as an action. A suspended workspace can be read.
 */
static bool check_archived(struct call *call, struct err *err)
{
        const struct api_route *route = call->route;
        bool tenant = call->tenant.state == PLACE_ARCHIVED;
        bool workspace = route->scope == API_SCOPE_WORKSPACE && call->workspace.state != PLACE_ACTIVE;
        bool works = route->method != API_GET || route->permission == PERMISSION_WORK_TAKE;
        bool about_action = strcmp(route->operation, "action_submit") == 0 ||
                            strcmp(route->operation, "action_decide") == 0 ||
                            strcmp(route->operation, "action_cancel") == 0;

        if (route->scope == API_SCOPE_PUBLIC || route->scope == API_SCOPE_PLATFORM || !works)
                return true;
        if (workspace)
                return err_set(err, ERR_CONFLICT, "the workspace is %s: it can be read, nothing else",
                               call->workspace.state == PLACE_SUSPENDED ? "suspended" : "archived");
        call->req.deletion_only = tenant && about_action;
        return !tenant || about_action ||
               err_set(err, ERR_CONFLICT,
                       "the tenant is archived: it can be read, and its deletion asked for");
}

FIBER_FN bool call_still_stands(struct call *call)
{
        uint64_t generation = places_generation(call->req.services->places);
        struct err err;

        if (call->req.principal.kind == PRINCIPAL_NOBODY || generation == call->generation || call->stopped)
                return !call->stopped;
        call->generation = generation;
        call->stopped =
                !find_tenant(call, &err) || !check_tenant(call, &err) ||
                (call->req.workspace.len > 0 && (!look_up_workspace(call, call->req.workspace, &err))) ||
                !check_archived(call, &err);
        if (call->stopped)
                call->why_stopped = err;
        return !call->stopped;
}

/* ---- regions ----------------------------------------------------------------------------------- */

/* RFC 9110 section 15.5.20: this node is not the one to ask. */
static bool check_region(struct call *call, struct err *err)
{
        const struct request *req = &call->req;
        struct str url;

        if (call->route->scope == API_SCOPE_PUBLIC || regions_serves(req->services, req->region))
                return true;
        url = regions_url(req->services, req->region);
        if (!url.ptr)
                return err_set(err, ERR_WRONG_REGION,
                               "this is in the region %.*s, which this node does not serve",
                               STR_ARG(req->region));
        call->elsewhere =
                arena_printf(req->arena, "%.*s%.*s", STR_ARG(url), STR_ARG(http_exchange_path(call->x)));
        return err_set(err, ERR_WRONG_REGION, "this is in the region %.*s; ask %.*s", STR_ARG(req->region),
                       STR_ARG(url));
}

static void follow_blocking(void *arg)
{
        struct place_work *work = arg;
        const struct request *req = &work->call->req;
        const struct cell_ref cell = {.tenant = req->tenant, .region = req->region};

        bool exists = false;

        if (work->only_missing) {
                work->ok = store_cell_exists(req->services->store, &cell, &exists, work->err);
                if (!work->ok || exists)
                        return;
        }
        /* Whom home does not know it is not asked about: an executor is of its workspace's region. */
        work->ok = regions_follow_home(
                req->services, req->tenant, str_from(work->call->tenant.region), req->region,
                str_is(req->principal.region, work->call->tenant.region) ? id_str(&req->principal.id)
                                                                         : STR(""),
                work->err);
}

/* What changes away from home must know what home has said: people, roster, the workspace itself. */
FIBER_FN bool call_follow_home(struct call *call, struct err *err)
{
        const struct api_route *route = call->route;
        const struct request *req = &call->req;
        struct place_work work = {.call = call, .err = err};

        if (route->scope == API_SCOPE_PUBLIC || req->principal.kind == PRINCIPAL_NOBODY ||
            str_is(req->region, call->tenant.region))
                return true;
        work.only_missing = route->method == API_GET && route->permission != PERMISSION_WORK_TAKE &&
                            route->scope != API_SCOPE_TENANT && strcmp(route->capability, "tenancy") != 0;
        fiber_offload(follow_blocking, &work);
        return work.ok;
}

/* ---- the whole --------------------------------------------------------------------------------- */

FIBER_FN bool call_find_place(struct call *call, struct err *err)
{
        const struct api_route *route = call->route;
        struct request *req = &call->req;
        bool ok = true;

        if (req->principal.kind == PRINCIPAL_NOBODY)
                return true;
        call->generation = places_generation(req->services->places);
        if (!find_tenant(call, err) || !check_tenant(call, err))
                return false;
        if (route->scope == API_SCOPE_WORKSPACE) {
                ok = find_workspace(call, call->api.path[route->workspace_position], err);
                call->foreign = !ok && err->code == ERR_NOT_FOUND;
        } else {
                if (route->scope == API_SCOPE_TENANT &&
                    !str_eq(call->api.path[route->tenant_position], id_str(&req->principal.tenant))) {
                        call->foreign = true;
                        return call_nothing_here(err);
                }
                req->tenant = id_str(&req->principal.tenant);
                req->region = req->principal.region;
        }
        return ok && check_region(call, err) && check_archived(call, err);
}
