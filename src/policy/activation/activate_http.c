/* SPDX-License-Identifier: Apache-2.0 */
/* Which policies are in force: seeing it, and changing it. */
#include "access/access.h"
#include "access/roles.h"
#include "api/api_handlers.h"
#include "api/services.h"
#include "policy/policies.h"

struct changing {
        struct policy_change change;
        bool activate;
        struct policy_document_row document;
        struct api_policy_active *out;
};

static bool needs_approval(const struct policy_change *change, bool activate, struct err *err)
{
        return err_set(err, ERR_APPROVAL_NEEDED,
                       "the tenant's policies are protected: submit the action policy.%s of the connector "
                       "countersign with this definition as its target and the layer %s",
                       activate ? "activate" : "deactivate", policy_layer_name(change->layer));
}

static uint32_t rules_of(struct arena *arena, struct str content)
{
        struct problems problems;
        const struct node *root;

        problems_init(&problems, arena);
        root = document_read(content, &problems);
        root = root ? node_get(root, "rules") : NULL;
        return root ? root->count : 0;
}

static bool change_work(struct request *req, void *arg, struct err *err)
{
        struct changing *changing = arg;
        const struct policy_change *change = &changing->change;
        bool guarded;

        request_log_resource(req, "definition", change->definition);
        request_log_detail(req, "layer", str_from(policy_layer_name(change->layer)));
        if (!policy_change_guarded(req->tx, &guarded, err))
                return false;
        if (guarded)
                return needs_approval(change, changing->activate, err);
        if (!changing->activate)
                return policy_change_deactivate(req->tx, change, err);
        if (!policy_change_activate(req->tx, change, &changing->document, err))
                return false;
        request_log_detail(req, "digest", changing->document.digest);
        return true;
}

static void fill_active(struct request *req, struct changing *changing)
{
        ARENA_SCOPED scratch;

        arena_init(&scratch, 32 << 20);
        *changing->out = (struct api_policy_active){
                .layer = (enum api_policy_layer)(changing->change.layer + API_POLICY_LAYER_PLATFORM),
                .name = arena_str(req->arena, changing->document.name),
                .version = arena_str(req->arena, changing->document.version),
                .digest = arena_str(req->arena, changing->document.digest),
                .rules = rules_of(&scratch, changing->document.content),
        };
}

static FIBER_FN bool change(struct request *req, struct changing *changing, struct err *err)
{
        struct policy_force *force;
        bool guarded;

        changing->change.services = req->services;
        changing->change.by = id_str(&req->principal.id);
        changing->change.now_ms = req->now_ms;
        /* Away from home, only this knows how the tenant wants it. */
        if (!policies_of_request(req, &force, err))
                return false;
        guarded = force->guarded;
        policy_force_release(force);
        if (guarded)
                return needs_approval(&changing->change, changing->activate, err);
        if (!request_write(req, change_work, changing, err))
                return false;
        if (changing->activate)
                fill_active(req, changing);
        return arena_check(req->arena, err);
}

FIBER_FN bool policy_activate(struct request *req, const struct api_policy_activate_in *in,
                              struct api_policy_active *out, struct err *err)
{
        struct changing changing = {
                .change = {.layer = POLICY_WORKSPACE,
                           .scope = req->workspace,
                           .definition = in->body.definition},
                .activate = true,
                .out = out,
        };

        return change(req, &changing, err);
}

FIBER_FN bool policy_deactivate(struct request *req, const struct api_policy_deactivate_in *in,
                                struct err *err)
{
        struct changing changing = {.change = {
                                            .layer = POLICY_WORKSPACE,
                                            .scope = req->workspace,
                                            .definition = in->definition,
                                    }};

        return change(req, &changing, err);
}

/* ---- the tenant's, the platform's -------------------------------------------------------------- */

struct publishing {
        struct request *req;
        bool ok;
        struct err err;
};

static void publish_blocking(void *arg)
{
        struct publishing *publishing = arg;
        const struct request *req = publishing->req;
        struct cell_ref home = {.tenant = req->tenant, .region = req->region};

        publishing->ok = policies_publish_platform(req->services, &home, &publishing->err);
}

/* `layer`: 0 for the tenant's; 1 tenant, 2 tier, 3 platform. */
static FIBER_FN bool change_above(struct request *req, struct changing *changing, unsigned layer,
                                  unsigned tier, struct err *err)
{
        static const enum policy_layer layers[] = {POLICY_TENANT, POLICY_TENANT, POLICY_TIER,
                                                   POLICY_PLATFORM};
        static const char *const tiers[] = {"", "basic", "standard", "enterprise"};
        struct publishing publishing = {.req = req};

        changing->change.layer = layers[layer];
        changing->change.scope = str_from(tiers[tier]);
        if ((changing->change.layer == POLICY_TIER) != (tier != 0))
                return err_set_at(err, ERR_BAD_FIELD, "/tier",
                                  "it goes with the layer tier, and only with that");
        if (changing->change.layer == POLICY_TENANT)
                return change(req, changing, err);
        if (!access_check(req, PERMISSION_POLICY_GUARD, NULL, err) || !change(req, changing, err))
                return false;
        fiber_offload(publish_blocking, &publishing);
        if (!publishing.ok)
                *err = publishing.err;
        return publishing.ok;
}

FIBER_FN bool tenant_policy_activate(struct request *req, const struct api_tenant_policy_activate_in *in,
                                     struct api_policy_active *out, struct err *err)
{
        struct changing changing = {
                .change = {.definition = in->body.definition}, .activate = true, .out = out};

        return change_above(req, &changing, (unsigned)in->body.layer, (unsigned)in->body.tier, err);
}

FIBER_FN bool tenant_policy_deactivate(struct request *req, const struct api_tenant_policy_deactivate_in *in,
                                       struct err *err)
{
        struct changing changing = {.change = {.definition = in->definition}};

        return change_above(req, &changing, (unsigned)in->layer, (unsigned)in->tier, err);
}

/* ---- protection -------------------------------------------------------------------------------- */

bool policy_protection_get(struct request *req, const struct api_policy_protection_get_in *in,
                           struct api_policy_protection *out, struct err *err)
{
        (void)in;
        return policy_change_guarded(req->tx, &out->protected, err);
}

bool policy_protection_put(struct request *req, const struct api_policy_protection_put_in *in,
                           struct api_policy_protection *out, struct err *err)
{
        bool guarded;

        out->protected = in->body.protected;
        request_log_resource(req, "tenant", req->tenant);
        request_log_detail(req, "protected", in->body.protected ? STR("true") : STR("false"));
        if (!policy_change_guarded(req->tx, &guarded, err))
                return false;
        if (guarded && !in->body.protected)
                return err_set_at(err, ERR_APPROVAL_NEEDED, "/protected",
                                  "submit the action policy.unprotect of the connector countersign with "
                                  "the tenant as its target");
        if (guarded == in->body.protected)
                return true;
        return policy_change_guard(req->tx, req->services, in->body.protected, id_str(&req->principal.id),
                                   req->now_ms, err);
}

/* ---- what is in force -------------------------------------------------------------------------- */

FIBER_FN bool policy_active_list(struct request *req, const struct api_policy_active_list_in *in,
                                 struct api_policy_active_list *out, struct err *err)
{
        struct policy_force *force;
        struct api_policy_active *items;

        (void)in;
        if (!policies_of_request(req, &force, err))
                return false;
        items = ARENA_ARRAY(req->arena, struct api_policy_active, POLICY_LAYERS * POLICY_DOCUMENTS_MAX);
        out->digest = arena_str(req->arena, str_from(force->set.digest));
        out->protected = force->guarded;
        for (unsigned layer = 0; items && layer < POLICY_LAYERS; layer++)
                for (unsigned i = 0; i < force->set.counts[layer]; i++) {
                        const struct policy_document *document = force->set.documents[layer][i];

                        items[out->items_count++] = (struct api_policy_active){
                                .layer = (enum api_policy_layer)(layer + API_POLICY_LAYER_PLATFORM),
                                .name = arena_str(req->arena, document->name),
                                .version = arena_str(req->arena, document->version),
                                .digest = arena_str(req->arena, str_from(document->digest)),
                                .rules = document->rule_count,
                                .content = arena_str(req->arena, document->content),
                        };
                }
        out->items = items;
        policy_force_release(force);
        return arena_check(req->arena, err);
}
