/* SPDX-License-Identifier: Apache-2.0 */
/* A published definition becomes what an agent is. */
#include "access/access.h"
#include "agents/agents.h"
#include "agents/operations/operations.h"
#include "api/api_handlers.h"
#include "api/api_permissions.h"
#include "definitions/definitions.h"
#include "definitions/definitions_sql.h"

enum { SCRATCH_BYTES = 32 << 20, ENVIRONMENTS_MAX = AGENT_GRANTS_MAX };

/* Published, of the right kind, and the caller may read it: otherwise it is not there. */
static bool definition_of(struct request *req, struct str id, struct sql_definition_get_row *ret,
                          struct err *err)
{
        bool found;

        if (!sql_definition_by_id(req->tx, id, ret, &found, err))
                return false;
        if (!found || !str_is(ret->kind, "agent"))
                return err_set_at(err, ERR_BAD_FIELD, "/definition",
                                  "the tenant's home has no such definition of an agent");
        if (!access_check(req, PERMISSION_DEFINITION_READ,
                          &(struct access_resource){
                                  .type = STR("definition"), .id = id, .workspace = ret->workspace_id},
                          err))
                return false;
        return str_is(ret->state, "published") ||
               err_set_at(err, ERR_CONFLICT, "/definition", "it is a draft; publish it first");
}

static bool add_tool(struct arena *arena, const struct node *node, struct agent_tool_list *list,
                     struct err *err)
{
        const struct node *operations = node_get(node, "operations");
        const struct node *listed = node_get(node, "environments");
        struct str *environments = ARENA_ARRAY(arena, struct str, ENVIRONMENTS_MAX);
        size_t count = 0;

        if (!environments)
                return arena_check(arena, err);
        for (const struct node *item = listed ? listed->first : NULL; item; item = item->next) {
                if (count == ENVIRONMENTS_MAX)
                        return err_set(err, ERR_LIMIT_REACHED, "an agent has at most %d grants",
                                       AGENT_GRANTS_MAX);
                environments[count++] = item->text;
        }
        for (const struct node *item = operations ? operations->first : NULL; item; item = item->next)
                if (!agent_tool_list_add(arena, list, node_text(node, "connector"), item->text, environments,
                                         count, err))
                        return false;
        return true;
}

static bool read_document(struct problems *problems, struct str content, struct agent_limits *ret,
                          struct agent_tool_list *list, struct err *err)
{
        const struct node *root = document_read(content, problems);
        const struct node *tools = node_get(root, "tools");

        /* It was checked when it was published; the catalogue may be another by now. */
        if (!root || !agent_scope_from(node_text(root, "scope"), &ret->scope) ||
            !agent_risk_from(node_text(root, "risk"), &ret->risk))
                return err_set_at(err, ERR_BAD_DEFINITION, "/definition",
                                  "this version of the program cannot read it");
        for (const struct node *tool = tools ? tools->first : NULL; tool; tool = tool->next)
                if (!add_tool(problems->arena, tool, list, err))
                        return false;
        ret->tools = list->items;
        ret->tool_count = list->count;
        return true;
}

/* What it had is revoked, and what the definition names is granted: together or not at all. */
static bool put(struct request *req, const struct sql_agent_profile_get_row *row,
                const struct agent_limits *limits, struct str definition, struct err *err)
{
        struct str by = id_str(&req->principal.id);
        struct str grant;
        int64_t changes;

        if (!sql_agent_profile_update(
                    req->tx, row->id, row->revision, str_from(agent_scope_name(limits->scope)),
                    str_from(agent_risk_name(limits->risk)), definition, req->now_ms, &changes, err))
                return false;
        if (changes != 1)
                return err_set(err, ERR_PRECONDITION_FAILED, "the agent has changed meanwhile");
        if (!sql_agent_grant_revoke_all(req->tx, row->id, by, req->now_ms, err))
                return false;
        for (size_t i = 0; i < limits->tool_count; i++)
                if (!agent_grant(req->tx, row->id, &limits->tools[i], by, req->now_ms, &grant, err))
                        return false;
        return true;
}

bool agent_apply(struct request *req, const struct api_agent_apply_in *in, struct api_agent *out,
                 struct err *err)
{
        struct sql_agent_profile_get_row row;
        struct sql_definition_get_row definition;
        struct agent_tool_list list = {0};
        struct agent_limits limits = {0};
        struct problems problems;
        ARENA_SCOPED scratch;

        arena_init(&scratch, SCRATCH_BYTES);
        problems_init(&problems, &scratch);
        if (!agent_find(req, in->principal, &row, err) || !agent_is_another(req, row.id, err) ||
            !request_check_version(req, row.revision, false, err) ||
            !definition_of(req, in->body.definition, &definition, err) ||
            !read_document(&problems, definition.content, &limits, &list, err) ||
            !put(req, &row, &limits, definition.id, err))
                return false;
        request_log_detail(req, "definition", definition.id);
        request_log_detail(req, "digest", definition.digest);
        request_log_detail(req, "agent_scope", str_from(agent_scope_name(limits.scope)));
        request_log_detail(req, "risk", str_from(agent_risk_name(limits.risk)));
        if (!agent_changed(req, row.id, "agent.updated", err) || !agent_find(req, row.id, &row, err))
                return false;
        request_set_etag(req, row.revision);
        *out = agent_to_api(&row);
        return true;
}
