/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The executor's side of the API (api/openapi.yaml, tag "executors"). Outbound
 * calls only, from plain threads, any number at once. Answers are read strictly
 * where something depends on them; members that we do not know are ignored, so
 * that the server may be newer.
 */
#pragma once

#include "base/json.h"
#include "crypto/dsse.h"
#include "io/http_client.h"

struct server {
        struct http_client *client;
        struct str url; /* without a slash at its end */
        struct str api_key;
        struct str workspace;
        int stop_fd; /* if above 0: readable ends a wait for work; borrowed */
};

/*
 * What a failure asks for. Every function here fills it on failure.
 *
 * AGAIN     the server is away, busy or broken: the same again later
 * NO        the server says no, and will again: the error is its problem's
 * STOP      our credential is not accepted any more
 */
enum server_verdict { SERVER_AGAIN, SERVER_NO, SERVER_STOP };

struct server_work {
        bool is_claim;                           /* else a resolution */
        struct str id;                           /* act_… or res_… */
        struct str connector, operation, target; /* of a resolution */
};

struct server_claim {
        struct str claim;
        struct dsse_envelope envelope;
        int64_t roster_version;
};

struct server_enrolled {
        struct str executor, tenant, workspace, environment, api_key;
        size_t roster_count;
        struct dsse_envelope *roster; /* version 1 first */
        struct str *roster_json;      /* the same, as JSON */
};

/* `url`, `api_key`, `workspace` are borrowed. */
bool server_init(struct server *server, struct tls_client *tls, struct str url, struct err *err) MUST_USE;
void server_done(struct server *server);

bool server_enrol(struct server *server, struct arena *arena, struct str token, struct str public_key,
                  struct server_enrolled *ret, enum server_verdict *ret_verdict, struct err *err) MUST_USE;

/* What waits; returns after `wait_ms` at the latest, and then perhaps with nothing. */
bool server_next_work(struct server *server, struct arena *arena, int64_t wait_ms, struct server_work **ret,
                      size_t *ret_count, enum server_verdict *ret_verdict, struct err *err) MUST_USE;

/* The facts as a JSON object, or an error. */
bool server_answer_resolution(struct server *server, struct arena *arena, struct str resolution,
                              struct str facts_json, const struct err *why, enum server_verdict *ret_verdict,
                              struct err *err) MUST_USE;

bool server_take_claim(struct server *server, struct arena *arena, struct str action,
                       struct server_claim *ret, enum server_verdict *ret_verdict, struct err *err) MUST_USE;

/* The roster's versions after this one, oldest first; both arrays have *ret_count items. */
bool server_get_roster(struct server *server, struct arena *arena, struct str tenant, int64_t after,
                       struct dsse_envelope **ret, struct str **ret_json, size_t *ret_count,
                       enum server_verdict *ret_verdict, struct err *err) MUST_USE;

bool server_send_output(struct server *server, struct arena *arena, struct str action, int64_t offset,
                        struct str piece, enum server_verdict *ret_verdict, struct err *err) MUST_USE;

/* The signed report, as JSON. */
bool server_send_report(struct server *server, struct arena *arena, struct str action, struct str report,
                        enum server_verdict *ret_verdict, struct err *err) MUST_USE;
