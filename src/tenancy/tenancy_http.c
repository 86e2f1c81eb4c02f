/* SPDX-License-Identifier: Apache-2.0 */
#include "tenancy/tenancy.h"

#include "access/bindings.h"
#include "api/api_handlers.h"
#include "api/api_permissions.h"
#include "api/cell.h"
#include "api/cursor.h"
#include "api/services.h"
#include "base/test_hooks.h"
#include "crypto/secret.h"
#include "identity/identity_http.h"
#include "tenancy/regions.h"
#include "tenancy/tenancy_sql.h"

/* ---- making a tenant ---------------------------------------------------------------------------- */

struct create {
        struct request *req;
        struct tenancy_plan plan;
        struct api_tenant_created *out;
        bool ok;
        struct err err;
};

static void make_offloaded(void *arg)
{
        struct create *create = arg;

        create->ok = tenancy_prepare(create->req->services, &create->plan,
                                     id_str(&create->req->principal.id), &create->err);
}

static void activate_offloaded(void *arg)
{
        struct create *create = arg;

        create->ok = tenancy_activate(create->req->services, &create->plan, &create->err);
}

static bool created_reply(struct request *req, const struct tenancy_plan *plan,
                          struct api_tenant_created *out, struct err *err)
{
        struct arena *arena = req->arena;
        static struct str roles[2] = {{"administrator", 13}, {"approver", 8}};
        struct identity_principal administrator = {
                .id = arena_str(arena, id_str(&plan->principal)),
                .kind = PRINCIPAL_USER,
                .name = plan->administrator,
                .role_names = roles,
                .role_count = 2,
                .created_ms = plan->created_ms,
        };

        *out = (struct api_tenant_created){
                .tenant = {.id = arena_str(arena, id_str(&plan->tenant)),
                           .name = plan->name,
                           .tier = api_tier_from(plan->tier),
                           .region = plan->region,
                           .state = API_TENANT_STATE_ACTIVE,
                           .version = 1,
                           .created_at_ms = plan->created_ms},
                .organization = {.id = arena_str(arena, id_str(&plan->organization)),
                                 .name = STR("default"),
                                 .version = 1,
                                 .created_at_ms = plan->created_ms},
                .workspace = {.id = arena_str(arena, id_str(&plan->workspace)),
                              .name = STR("default"),
                              .organization = arena_str(arena, id_str(&plan->organization)),
                              .region = plan->region,
                              .state = API_WORKSPACE_STATE_ACTIVE,
                              .data_mode = API_DATA_MODE_METADATA_ONLY,
                              .version = 1,
                              .created_at_ms = plan->created_ms},
                .api_key = arena_str(arena, str_from(plan->credential.text)),
        };
        return identity_api_principal(arena, &administrator, &out->administrator, err) &&
               arena_check(arena, err);
}

/* In the platform's own cell: its log says who made the tenant, and its reply can be repeated. */
static bool created_work(struct request *req, void *arg, struct err *err)
{
        struct create *create = arg;
        struct str tenant = id_str(&create->plan.tenant);

        request_log_resource(req, "tenant", tenant);
        request_event(req, "tenant.created", tenant,
                      arena_printf(req->arena, "{\"tenant\":\"%.*s\"}", STR_ARG(tenant)));
        return created_reply(req, &create->plan, create->out, err) &&
               (!req->idempotency_key.ptr || tenancy_note_made(req->tx, &create->plan, err));
}

static bool nothing_work(struct request *req, void *arg, struct err *err)
{
        (void)req;
        (void)arg;
        (void)err;
        return true;
}

FIBER_FN bool tenant_create(struct request *req, const struct api_tenant_create_in *in,
                            struct api_tenant_created *out, struct err *err)
{
        const struct api_tenant_create *body = &in->body;
        struct create create = {
                .req = req,
                .out = out,
                .plan = {.name = body->name,
                         .tier = body->tier ? str_from(api_tier_name(body->tier)) : STR("standard"),
                         .region = body->region.ptr ? body->region : req->services->region,
                         .administrator = body->administrator.ptr ? body->administrator : STR("admin")}};
        bool ok;

        if (!regions_serves(req->services, create.plan.region))
                return err_set_at(err, ERR_WRONG_REGION, "/region",
                                  "this node does not serve the region %.*s", STR_ARG(create.plan.region));
        request_enter(req, id_str(&req->principal.tenant), req->principal.region);
        /* A request that comes again must find its reply before it finds the name taken. */
        if (req->idempotency_key.ptr && !request_prepare(req, nothing_work, NULL, err))
                return false;
        fiber_offload(make_offloaded, &create);
        if (!create.ok)
                *err = create.err;
        ok = create.ok && request_write(req, created_work, &create, err);
        if (ok) {
                /* Who asks again from here on gets this reply: it is made true now, or at the next start. */
                test_step("tenant: answered");
                fiber_offload(activate_offloaded, &create);
                ok = create.ok;
                if (!ok)
                        *err = create.err;
                test_step("tenant: active");
        }
        secret_wipe(&create.plan.credential, sizeof(create.plan.credential));
        return ok;
}

/* ---- who am I ---------------------------------------------------------------------------------- */

struct self {
        struct sql_tenant_self_get_row tenant;
        struct sql_workspace_get_row workspace;
        bool has_tenant, has_workspace;
        struct str principal;
        struct str *roles;
        size_t role_count;
        struct str bound; /* the credential's only workspace, or "" */
};

static bool self_work(struct tx *tx, void *arg, struct err *err)
{
        struct self *self = arg;
        SQL_SCOPED(workspace_list) c = {0};

        if (!access_role_names_of(tx, self->principal, &self->roles, &self->role_count, err) ||
            !sql_tenant_self_get(tx, &self->tenant, &self->has_tenant, err))
                return false;
        if (self->bound.len > 0)
                return sql_workspace_get(tx, self->bound, &self->workspace, &self->has_workspace, err);
        return sql_workspace_list_open(tx, STR(""), 1, &c, err) &&
               sql_workspace_list_next(&c, &self->workspace, &self->has_workspace, err);
}

FIBER_FN bool whoami_get(struct request *req, const struct api_whoami_get_in *in, struct api_whoami *out,
                         struct err *err)
{
        const struct principal *principal = &req->principal;
        struct cell_ref cell = {.tenant = id_str(&principal->tenant), .region = principal->region};
        struct self self = {.principal = id_str(&principal->id), .bound = id_str(&principal->workspace)};

        (void)in;
        if (!cell_read(req->services->store, &cell, req->arena, self_work, &self, err))
                return false;
        if (!self.has_tenant)
                return err_set(err, ERR_INTERNAL, "the cell of tenant %s does not know itself",
                               principal->tenant.text);
        *out = (struct api_whoami){
                .principal = id_str(&principal->id),
                .kind = identity_api_kind(principal->kind),
                .name = principal->name,
                .tenant = id_str(&principal->tenant),
                .tenant_name = self.tenant.name,
                .region = principal->region,
                .platform_administrator =
                        principal->platform && principal_may(principal, PERMISSION_TENANT_CREATE),
        };
        if (self.has_workspace) {
                out->workspace = self.workspace.id;
                out->organization = self.workspace.organization_id;
        } else if (principal->workspace.text[0]) { /* in another region */
                out->workspace = id_str(&principal->workspace);
        }
        out->roles = self.roles;
        out->roles_count = self.role_count;
        return identity_whoami(req, out, err);
}
