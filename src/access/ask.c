/* SPDX-License-Identifier: Apache-2.0 */
#include "access/ask.h"

#include "access/access_sql.h"
#include "access/rules_private.h"
#include "api/services.h"

enum { SCRATCH_BYTES = 512 * 1024 };

/* ---- who ----------------------------------------------------------------------------------------- */

static bool find_who(struct request *req, struct access_ask *ask, struct err *err)
{
        struct access *access = req->services->access;
        struct sql_access_principal_get_row row;
        bool found;

        if (!sql_access_principal_get(req->tx, ask->principal, &row, &found, err))
                return false;
        ask->known = found && !row.has_disabled_ms;
        ask->rules = ask->known ? access_rules_quick(access, ask->principal) : NULL;
        if (!ask->rules && !access_rules_load(access_env(access), req->tx, ask->principal, &ask->rules, err))
                return false;
        if (!ask->known)
                return true;
        ask->who = (struct principal){
                .kind = ask->rules->kind,
                .id = id_from(ask->principal),
                .tenant = id_from(req->tenant),
                .name = row.name,
                .methods = STR(""),
                .second_factor_ms = ask->second_factor_ms,
                .workspace = id_from(row.workspace_id),
        };
        return true;
}

/* ---- what ---------------------------------------------------------------------------------------- */

static bool place_facts(struct request *req, struct str workspace, struct access_facts *facts, bool owns,
                        struct err *err)
{
        struct sql_access_workspace_get_row row;
        struct json *labels;
        bool found;

        if (!sql_access_workspace_get(req->tx, workspace, &row, &found, err))
                return false;
        if (!found)
                return true;
        labels = ARENA_NEW(req->arena, struct json);
        if (!labels)
                return arena_check(req->arena, err);
        facts->workspace = workspace;
        facts->organization = row.organization_id;
        facts->region = row.region;
        facts->data_mode = row.data_mode;
        facts->labels = labels;
        if (owns)
                facts->resource_owner = row.owner_id;
        return json_parse(req->arena, row.labels, labels, err);
}

static bool action_facts(struct request *req, struct str action, struct access_facts *facts, struct err *err)
{
        struct sql_access_action_get_row row;
        bool found;

        if (!sql_access_action_get(req->tx, action, &row, &found, err))
                return false;
        if (!found)
                return true;
        facts->resource_owner = row.requester_id;
        facts->environment = row.environment;
        return place_facts(req, row.workspace_id, facts, false, err);
}

/* A thing of another program may say in its properties where it belongs and whose it is. */
static bool other_facts(struct request *req, struct access_facts *facts, struct err *err)
{
        struct str workspace = json_get_string(facts->properties, "workspace");
        struct str owner = json_get_string(facts->properties, "owner");

        facts->resource_owner = owner;
        return !workspace.ptr || place_facts(req, workspace, facts, false, err);
}

static bool find_what(struct request *req, struct access_ask *ask, struct err *err)
{
        struct access_facts *facts = &ask->facts;

        *facts = (struct access_facts){
                .now_ms = ask->now_ms,
                .peer = ask->network_address,
                .environment = ask->environment,
                .resource_type = ask->resource_type,
                .resource_id = ask->resource_id,
                .tenant = req->tenant,
                .permission = ask->permission,
                .operation = ask->operation,
                .properties = ask->properties,
                .action_properties = ask->action_properties,
                .principal_properties = ask->principal_properties,
                .context = ask->context,
                .principal = &ask->who,
        };
        facts->groups = access_rules_groups(ask->rules, &facts->group_count);
        if (str_is(ask->resource_type, "workspace"))
                return place_facts(req, ask->resource_id, facts, true, err);
        if (str_is(ask->resource_type, "action"))
                return action_facts(req, ask->resource_id, facts, err);
        if (str_is(ask->resource_type, "organization")) {
                facts->organization = ask->resource_id;
                return true;
        }
        return other_facts(req, facts, err);
}

/* ---- the decision ---------------------------------------------------------------------------------- */

bool access_ask_decide(struct request *req, struct access_ask *ask, struct err *err)
{
        const struct id *only = &ask->who.workspace;
        ARENA_SCOPED scratch;

        arena_init(&scratch, SCRATCH_BYTES);
        if (!find_who(req, ask, err) || !find_what(req, ask, err))
                return false;
        ask->asked = access_ask(ask->rules, ask->permission);
        /* Executors reach one workspace only, whatever they are bound to. */
        if (!ask->known ||
            (only->text[0] && ask->facts.workspace.len > 0 && !str_eq(id_str(only), ask->facts.workspace)))
                return true;
        ask->answer = access_decide(ask->rules, ask->asked, &ask->facts, &scratch);
        return true;
}

void access_ask_done(struct access_ask *ask)
{
        access_rules_release(ask->rules);
        ask->rules = NULL;
}
