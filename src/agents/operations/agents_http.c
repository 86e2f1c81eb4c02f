/* SPDX-License-Identifier: Apache-2.0 */
/* Agents: looking at them, changing how far they may go. */
#include "access/access.h"
#include "agents/agents.h"
#include "agents/operations/operations.h"
#include "api/api_handlers.h"
#include "api/listing.h"

bool agent_find(struct request *req, struct str id, struct sql_agent_profile_get_row *ret, struct err *err)
{
        bool found;

        if (!sql_agent_profile_get(req->tx, id, ret, &found, err))
                return false;
        if (!found)
                return err_set(err, ERR_NOT_FOUND, "there is no such agent");
        request_log_resource(req, "agent", id);
        return true;
}

struct api_agent agent_to_api(const struct sql_agent_profile_get_row *row)
{
        return (struct api_agent){
                .id = row->id,
                .name = row->name,
                .disabled = row->has_disabled_ms,
                .scope = api_agent_scope_from(row->scope),
                .risk = api_agent_risk_from(row->risk),
                .definition = row->definition_id,
                .revision = row->revision,
                .changed_at_ms = row->changed_ms,
        };
}

bool agent_changed(struct request *req, struct str id, const char *event, struct err *err)
{
        request_event(req, event, id, arena_printf(req->arena, "{\"agent\":\"%.*s\"}", STR_ARG(id)));
        return access_forget_on_commit(req->services, req->tx, id, err);
}

bool agent_is_another(const struct request *req, struct str id, struct err *err)
{
        return !str_eq(id, id_str(&req->principal.id)) ||
               err_set(err, ERR_FORBIDDEN, "nobody says themselves how far they may go");
}

/* ---- looking ------------------------------------------------------------------------------------- */

bool agent_list(struct request *req, const struct api_agent_list_in *in, struct api_agent_page *out,
                struct err *err)
{
        struct api_agent *items;
        struct listing listing;
        SQL_SCOPED(agent_profile_list) c = {0};
        struct sql_agent_profile_get_row row;
        bool has;

        if (!LISTING_BEGIN(&listing, req, in, &items, err) ||
            !sql_agent_profile_list_open(req->tx, listing.after, listing.rows, &c, err))
                return false;
        for (;;) {
                if (!sql_agent_profile_list_next(&c, &row, &has, err))
                        return false;
                if (!has || !listing_takes(&listing, row.id))
                        break;
                items[listing.count++] = agent_to_api(&row);
        }
        *out = (struct api_agent_page){items, listing.count, listing.next};
        return arena_check(req->arena, err);
}

bool agent_get(struct request *req, const struct api_agent_get_in *in, struct api_agent *out,
               struct err *err)
{
        struct access_resource resource = {
                .type = STR("agent"), .id = in->principal, .owner = in->principal};
        struct sql_agent_profile_get_row row;

        /* Asked before looking, so that the refusal is the same whether it is there or not. */
        if (!access_check_resource(req, &resource, err) || !agent_find(req, in->principal, &row, err))
                return false;
        request_set_etag(req, row.revision);
        *out = agent_to_api(&row);
        return true;
}

/* ---- changing ------------------------------------------------------------------------------------ */

bool agent_update(struct request *req, const struct api_agent_update_in *in, struct api_agent *out,
                  struct err *err)
{
        struct sql_agent_profile_get_row row;
        int64_t changes;

        if (!agent_find(req, in->principal, &row, err) || !agent_is_another(req, row.id, err) ||
            !request_check_version(req, row.revision, true, err))
                return false;
        if (in->body.scope)
                row.scope = str_from(api_agent_scope_name(in->body.scope));
        if (in->body.risk)
                row.risk = str_from(api_agent_risk_name(in->body.risk));
        if (!sql_agent_profile_update(req->tx, row.id, row.revision, row.scope, row.risk, STR_NULL,
                                      req->now_ms, &changes, err))
                return false;
        if (changes != 1)
                return err_set(err, ERR_PRECONDITION_FAILED, "the agent has changed meanwhile");
        request_log_detail(req, "agent_scope", row.scope);
        request_log_detail(req, "risk", row.risk);
        if (!agent_changed(req, row.id, "agent.updated", err) || !agent_find(req, row.id, &row, err))
                return false;
        request_set_etag(req, row.revision);
        *out = agent_to_api(&row);
        return true;
}
