/* SPDX-License-Identifier: Apache-2.0 */
#include "executor/server.h"

#include "base/id.h"
#include "base/json_write.h"

enum {
        CALL_TIMEOUT_MS = 30 * 1000,
        WAIT_EXTRA_MS = 15 * 1000, /* beyond the wait that we ask for */
        ANSWER_MAX_BYTES = 8 * 1024 * 1024,
        BODY_MAX_BYTES = 1024 * 1024,
        WORK_MAX = 1000,
        ROSTER_VERSIONS_MAX = 10000,
};

bool server_init(struct server *server, struct tls_client *tls, struct str url, struct err *err)
{
        struct http_client_config config;

        *server = (struct server){.url = url};
        while (str_ends(server->url, STR("/")))
                server->url.len--;
        http_client_config_init(&config);
        config.tls = tls;
        config.user_agent = STR("countersign-executor");
        return http_client_new(&config, &server->client, err);
}

void server_done(struct server *server)
{
        if (server->client)
                http_client_free(server->client);
        *server = (struct server){0};
}

static enum err_code code_from_name(struct str name)
{
        for (int code = ERR_NONE + 1; code < ERR_COUNT; code++) {
                if (str_is(name, err_name(code)))
                        return code;
        }
        return ERR_UPSTREAM_PROTOCOL;
}

/* Our error from the server's problem document (RFC 9457). */
static bool read_problem(struct arena *arena, const struct http_response *response,
                         enum server_verdict *ret_verdict, struct err *err)
{
        struct json problem = {0};
        struct err ignored;

        if (!json_parse(arena, response->body, &problem, &ignored))
                problem = (struct json){0};
        if (json_get_string(&problem, "detail").len > 0)
                err_set(err, code_from_name(json_get_string(&problem, "code")), "%.*s",
                        STR_ARG(json_get_string(&problem, "detail")));
        else
                err_set(err, ERR_UPSTREAM_PROTOCOL, "the server answers %d", response->status);
        /* 408 and 429 ask to come back; a 4xx without a problem is not from our server. */
        if (response->status == 401)
                *ret_verdict = SERVER_STOP;
        else if (response->status >= 500 || response->status == 408 || response->status == 429 ||
                 problem.type != JSON_OBJECT)
                *ret_verdict = SERVER_AGAIN;
        else
                *ret_verdict = SERVER_NO;
        return false;
}

static bool call_with_key(struct server *server, struct arena *arena, const char *method, struct str path,
                          struct str key, struct str body, int64_t timeout_ms, struct json *ret,
                          enum server_verdict *ret_verdict, struct err *err)
{
        struct http_header headers[3];
        size_t n_headers = 0;
        struct http_client_call request = {.method = str_from(method),
                                           .headers = headers,
                                           .timeout_ms = timeout_ms,
                                           .cap_bytes = ANSWER_MAX_BYTES};
        struct http_response response;

        *ret_verdict = SERVER_AGAIN;
        *ret = (struct json){0};
        /* Only what waits is cut short at the end: a report that is on its way shall arrive. */
        if (timeout_ms > CALL_TIMEOUT_MS)
                request.cancel_fd = server->stop_fd;
        request.url = arena_printf(arena, "%.*s%.*s", STR_ARG(server->url), STR_ARG(path));
        if (server->api_key.len > 0)
                headers[n_headers++] = (struct http_header){
                        STR("Authorization"), arena_printf(arena, "Bearer %.*s", STR_ARG(server->api_key))};
        if (body.len > 0) {
                headers[n_headers++] = (struct http_header){STR("Content-Type"), STR("application/json")};
                request.body = body;
        }
        if (key.len > 0)
                headers[n_headers++] = (struct http_header){STR("Idempotency-Key"), key};
        request.n_headers = n_headers;
        if (!arena_check(arena, err) || !http_call(server->client, &request, arena, &response, err))
                return false;
        if (response.status < 200 || response.status > 299)
                return read_problem(arena, &response, ret_verdict, err);
        return response.body.len == 0 || json_parse(arena, response.body, ret, err);
}

static bool call(struct server *server, struct arena *arena, const char *method, struct str path,
                 struct str body, int64_t timeout_ms, struct json *ret, enum server_verdict *ret_verdict,
                 struct err *err)
{
        return call_with_key(server, arena, method, path, STR_NULL, body, timeout_ms, ret, ret_verdict, err);
}

/* /v1/workspaces/<ours>/<folder>/<id><tail> */
static struct str workspace_path(const struct server *server, struct arena *arena, const char *folder,
                                 struct str id, const char *tail)
{
        return arena_printf(arena, "/v1/workspaces/%.*s/%s/%.*s%s", STR_ARG(server->workspace), folder,
                            STR_ARG(id), tail);
}

/* ---- answers ---------------------------------------------------------------------------------------- */

static bool strange(const char *what, struct err *err)
{
        return err_set(err, ERR_UPSTREAM_PROTOCOL, "the server's answer has no valid \"%s\"", what);
}

static bool get_id(const struct json *object, const char *key, const char *prefix, struct str *ret,
                   struct err *err)
{
        *ret = json_get_string(object, key);
        return id_is(*ret, prefix) || strange(key, err);
}

/* The canonical text of a parsed member, to be stored. */
static bool json_text(struct arena *arena, const struct json *value, struct str *ret, struct err *err)
{
        BUF_SCOPED buf;

        buf_init(&buf, ANSWER_MAX_BYTES);
        json_append_canonical(&buf, value);
        if (!buf_check(&buf, "a document", err))
                return false;
        *ret = arena_str(arena, buf_str(&buf));
        return arena_check(arena, err);
}

static bool read_roster(struct arena *arena, const struct json *items, struct dsse_envelope **ret,
                        struct str **ret_json, size_t *ret_count, struct err *err)
{
        *ret_count = 0;
        if (!items || items->type != JSON_ARRAY || items->count > ROSTER_VERSIONS_MAX)
                return strange("roster", err);
        *ret = ARENA_ARRAY(arena, struct dsse_envelope, items->count);
        *ret_json = ARENA_ARRAY(arena, struct str, items->count);
        if (!arena_check(arena, err))
                return false;
        for (uint32_t i = 0; i < items->count; i++) {
                const struct json *envelope = json_get(&items->items[i], "envelope");

                if (!envelope)
                        return strange("envelope", err);
                if (!dsse_read(arena, envelope, 1, &(*ret)[i], err) ||
                    !json_text(arena, envelope, &(*ret_json)[i], err))
                        return false;
        }
        *ret_count = items->count;
        return true;
}

/* ---- calls ------------------------------------------------------------------------------------------- */

bool server_enrol(struct server *server, struct arena *arena, struct str token, struct str public_key,
                  struct server_enrolled *ret, enum server_verdict *ret_verdict, struct err *err)
{
        struct json answer;
        BUF_SCOPED body;
        struct json_writer w;

        *ret_verdict = SERVER_NO;
        *ret = (struct server_enrolled){0};
        buf_init(&body, BODY_MAX_BYTES);
        json_writer_init(&w, &body);
        json_object_begin(&w);
        json_field_str(&w, "token", token);
        json_key(&w, "public_key");
        json_base64(&w, public_key);
        json_object_end(&w);
        if (!buf_check(&body, "the enrolment", err) ||
            !call(server, arena, "POST", STR("/v1/enrolments"), buf_str(&body), CALL_TIMEOUT_MS, &answer,
                  ret_verdict, err))
                return false;
        *ret_verdict = SERVER_NO;
        ret->environment = json_get_string(&answer, "environment");
        ret->api_key = json_get_string(&answer, "api_key");
        if (ret->environment.len == 0 || ret->api_key.len == 0)
                return strange("api_key", err);
        return get_id(&answer, "executor", "exe", &ret->executor, err) &&
               get_id(&answer, "tenant", "ten", &ret->tenant, err) &&
               get_id(&answer, "workspace", "wsp", &ret->workspace, err) &&
               read_roster(arena, json_get(&answer, "roster"), &ret->roster, &ret->roster_json,
                           &ret->roster_count, err);
}

static bool read_work(const struct json *item, struct server_work *ret, bool *ret_known, struct err *err)
{
        struct str kind = json_get_string(item, "kind");

        *ret = (struct server_work){.is_claim = str_is(kind, "claim")};
        /* A kind that a newer server has is not for us. */
        *ret_known = ret->is_claim || str_is(kind, "resolve");
        if (!*ret_known)
                return true;
        if (ret->is_claim)
                return get_id(item, "action", "act", &ret->id, err);
        ret->connector = json_get_string(item, "connector");
        ret->operation = json_get_string(item, "operation");
        ret->target = json_get_string(item, "target");
        return get_id(item, "resolution", "res", &ret->id, err);
}

bool server_next_work(struct server *server, struct arena *arena, int64_t wait_ms, struct server_work **ret,
                      size_t *ret_count, enum server_verdict *ret_verdict, struct err *err)
{
        struct str path = arena_printf(arena, "/v1/workspaces/%.*s/work?wait=%llds",
                                       STR_ARG(server->workspace), (long long)(wait_ms / 1000));
        const struct json *items;
        struct json answer;
        bool known;

        *ret_count = 0;
        if (!call(server, arena, "GET", path, STR_NULL, wait_ms + WAIT_EXTRA_MS, &answer, ret_verdict, err))
                return false;
        *ret_verdict = SERVER_AGAIN;
        items = json_get(&answer, "items");
        if (!items || items->type != JSON_ARRAY || items->count > WORK_MAX)
                return strange("items", err);
        *ret = ARENA_ARRAY(arena, struct server_work, items->count);
        if (!arena_check(arena, err))
                return false;
        for (uint32_t i = 0; i < items->count; i++) {
                if (!read_work(&items->items[i], &(*ret)[*ret_count], &known, err))
                        return false;
                *ret_count += known;
        }
        return true;
}

bool server_answer_resolution(struct server *server, struct arena *arena, struct str resolution,
                              struct str facts_json, const struct err *why, enum server_verdict *ret_verdict,
                              struct err *err)
{
        struct str path = workspace_path(server, arena, "resolutions", resolution, "");
        struct json answer;
        BUF_SCOPED body;
        struct json_writer w;

        *ret_verdict = SERVER_NO;
        buf_init(&body, BODY_MAX_BYTES);
        json_writer_init(&w, &body);
        json_object_begin(&w);
        if (why) {
                json_field_str(&w, "error", str_slice(str_from(why->message), 0, 480));
                json_field_c(&w, "error_code",
                             why->code == ERR_TARGET_NOT_FOUND ? "target_not_found" : "connector_failed");
        } else {
                json_key(&w, "resolved");
                json_raw(&w, facts_json);
        }
        json_object_end(&w);
        return buf_check(&body, "a resolution", err) &&
               call(server, arena, "POST", path, buf_str(&body), CALL_TIMEOUT_MS, &answer, ret_verdict, err);
}

bool server_take_claim(struct server *server, struct arena *arena, struct str action,
                       struct server_claim *ret, enum server_verdict *ret_verdict, struct err *err)
{
        struct str path = workspace_path(server, arena, "actions", action, "/claim");
        const struct json *envelope;
        struct json answer;

        *ret = (struct server_claim){0};
        /* The action's id is the key: should the answer be lost, asking again gives the same claim. */
        if (!call_with_key(server, arena, "POST", path, action, STR_NULL, CALL_TIMEOUT_MS, &answer,
                           ret_verdict, err))
                return false;
        *ret_verdict = SERVER_AGAIN;
        envelope = json_get(&answer, "envelope");
        if (!envelope)
                return strange("envelope", err);
        if (!json_get_int(&answer, "roster_version", &ret->roster_version))
                return strange("roster_version", err);
        return get_id(&answer, "claim", "clm", &ret->claim, err) &&
               dsse_read(arena, envelope, 0, &ret->envelope, err);
}

bool server_get_roster(struct server *server, struct arena *arena, struct str tenant, int64_t after,
                       struct dsse_envelope **ret, struct str **ret_json, size_t *ret_count,
                       enum server_verdict *ret_verdict, struct err *err)
{
        struct str path =
                arena_printf(arena, "/v1/tenants/%.*s/roster?after=%lld", STR_ARG(tenant), (long long)after);
        struct json answer;

        *ret_count = 0;
        if (!call(server, arena, "GET", path, STR_NULL, CALL_TIMEOUT_MS, &answer, ret_verdict, err))
                return false;
        *ret_verdict = SERVER_AGAIN;
        return read_roster(arena, json_get(&answer, "items"), ret, ret_json, ret_count, err);
}

bool server_send_output(struct server *server, struct arena *arena, struct str action, int64_t offset,
                        struct str piece, enum server_verdict *ret_verdict, struct err *err)
{
        struct str path = workspace_path(server, arena, "actions", action, "/output");
        struct json answer;
        BUF_SCOPED body;
        struct json_writer w;

        *ret_verdict = SERVER_NO;
        buf_init(&body, BODY_MAX_BYTES);
        json_writer_init(&w, &body);
        json_object_begin(&w);
        json_field_int(&w, "offset", offset);
        json_key(&w, "data");
        json_base64(&w, piece);
        json_object_end(&w);
        return buf_check(&body, "output", err) &&
               call(server, arena, "POST", path, buf_str(&body), CALL_TIMEOUT_MS, &answer, ret_verdict, err);
}

bool server_send_report(struct server *server, struct arena *arena, struct str action, struct str report,
                        enum server_verdict *ret_verdict, struct err *err)
{
        struct str path = workspace_path(server, arena, "actions", action, "/report");
        struct json answer;

        return call(server, arena, "POST", path, report, CALL_TIMEOUT_MS, &answer, ret_verdict, err);
}
