/* SPDX-License-Identifier: Apache-2.0 */
/* Grants: which operations an agent may ask for, where. */
#include "access/access.h"
#include "agents/agents.h"
#include "agents/operations/operations.h"
#include "api/api_handlers.h"
#include "api/listing.h"

static struct api_grant grant_to_api(struct str principal, const struct sql_agent_grant_get_row *row)
{
        return (struct api_grant){
                .id = row->id,
                .principal = principal,
                .connector = row->connector,
                .operation = row->operation,
                .environment = row->environment.len > 0 ? row->environment : STR_NULL,
                .granted_by = row->granted_by,
                .granted_at_ms = row->granted_ms,
                .revoked_by = row->revoked_by,
                .has_revoked_at = row->has_revoked_ms,
                .revoked_at_ms = row->revoked_ms,
        };
}

static bool grant_find(struct request *req, struct str principal, struct str id,
                       struct sql_agent_grant_get_row *ret, struct err *err)
{
        bool found;

        if (!sql_agent_grant_get(req->tx, principal, id, ret, &found, err))
                return false;
        return found || err_set(err, ERR_NOT_FOUND, "the agent has no such grant");
}

bool grant_list(struct request *req, const struct api_grant_list_in *in, struct api_grant_page *out,
                struct err *err)
{
        struct access_resource resource = {
                .type = STR("agent"), .id = in->principal, .owner = in->principal};
        struct api_grant *items;
        struct listing listing;
        SQL_SCOPED(agent_grant_list) c = {0};
        struct sql_agent_profile_get_row agent;
        struct sql_agent_grant_get_row row;
        bool has;

        if (!access_check_resource(req, &resource, err) || !agent_find(req, in->principal, &agent, err) ||
            !LISTING_BEGIN(&listing, req, in, &items, err) ||
            !sql_agent_grant_list_open(req->tx, agent.id, listing.after, listing.rows, &c, err))
                return false;
        for (;;) {
                if (!sql_agent_grant_list_next(&c, &row, &has, err))
                        return false;
                if (!has || !listing_takes(&listing, row.id))
                        break;
                items[listing.count++] = grant_to_api(agent.id, &row);
        }
        *out = (struct api_grant_page){items, listing.count, listing.next};
        return arena_check(req->arena, err);
}

/* Names of the catalogue, or "*": no personal data. */
static void log_grant(struct request *req, const struct sql_agent_grant_get_row *row)
{
        request_log_detail(req, "grant", row->id);
        request_log_detail(req, "connector", row->connector);
        request_log_detail(req, "operation", row->operation);
        request_log_detail(req, "environment", row->environment);
}

bool grant_create(struct request *req, const struct api_grant_create_in *in, struct api_grant *out,
                  struct err *err)
{
        struct agent_tool tool = {in->body.connector, in->body.operation,
                                  in->body.environment.ptr ? in->body.environment : STR("")};
        struct sql_agent_profile_get_row agent;
        struct sql_agent_grant_get_row row;
        struct str id;

        if (!agent_find(req, in->principal, &agent, err) || !agent_is_another(req, agent.id, err))
                return false;
        if (agent.has_disabled_ms)
                return err_set(err, ERR_CONFLICT, "the agent is disabled");
        if (!agent_grant(req->tx, agent.id, &tool, id_str(&req->principal.id), req->now_ms, &id, err) ||
            !grant_find(req, agent.id, id, &row, err))
                return false;
        log_grant(req, &row);
        *out = grant_to_api(agent.id, &row);
        return agent_changed(req, agent.id, "agent.granted", err);
}

bool grant_revoke(struct request *req, const struct api_grant_revoke_in *in, struct err *err)
{
        struct sql_agent_profile_get_row agent;
        struct sql_agent_grant_get_row row;
        int64_t changes;

        if (!agent_find(req, in->principal, &agent, err) ||
            !grant_find(req, agent.id, in->grant, &row, err) ||
            !sql_agent_grant_revoke(req->tx, agent.id, row.id, id_str(&req->principal.id), req->now_ms,
                                    &changes, err))
                return false;
        log_grant(req, &row);
        /* Revoking again changes nothing. */
        return changes == 0 || agent_changed(req, agent.id, "agent.revoked", err);
}
