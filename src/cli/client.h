/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls of the public API. Answers and their trees live in cli->arena.
 *
 * A problem (RFC 9457) becomes an error of the same code, with its detail as
 * the message and its pointer as the place.
 */
#pragma once

#include "base/json_write.h"
#include "cli/cli.h"
#include "io/fiber.h"

struct http_stream;

struct cli_reply {
        int status;
        struct str text;  /* as it came */
        struct json json; /* when the answer is JSON; else null */
};

/* `body` {NULL, 0}: none. */
BLOCKING_FN bool cli_request(struct cli *cli, const char *method, struct str path, struct str body,
                             struct cli_reply *ret, struct err *err) MUST_USE;
BLOCKING_FN bool cli_get(struct cli *cli, struct cli_reply *ret, struct err *err, const char *path, ...)
        PRINTF_LIKE(4, 5) MUST_USE;
BLOCKING_FN bool cli_post(struct cli *cli, struct str body, struct cli_reply *ret, struct err *err,
                          const char *path, ...) PRINTF_LIKE(5, 6) MUST_USE;
BLOCKING_FN bool cli_put(struct cli *cli, struct str body, struct cli_reply *ret, struct err *err,
                         const char *path, ...) PRINTF_LIKE(5, 6) MUST_USE;
/*
 * A form, without a credential, to the token endpoint's kind of operation; its errors (RFC 6749 section 5.2)
 * become those of api/errors.def: ERR_AUTHORIZATION_PENDING and so on. `url` is whole.
 */
BLOCKING_FN bool cli_post_form(struct cli *cli, struct str url, struct str form, struct cli_reply *ret,
                               struct err *err) MUST_USE;
BLOCKING_FN bool cli_delete(struct cli *cli, struct err *err, const char *path, ...)
        PRINTF_LIKE(3, 4) MUST_USE;

/*
 * All pages of a collection, or the first `--limit` items: an array in
 * ret->json ({"items": […]}) and its text in ret->text. `query` ("" or "state=pending") goes along.
 */
BLOCKING_FN bool cli_get_all(struct cli *cli, struct str path, struct str query, struct cli_reply *ret,
                             struct err *err) MUST_USE;

/* A streamed answer; a status other than 200 is the problem that it tells. */
BLOCKING_FN bool cli_stream(struct cli *cli, struct str path, const char *header, struct str value,
                            struct http_stream **ret, struct err *err) MUST_USE;

void cli_client_done(struct cli *cli);

/* ERR_BAD_PARAMETER unless the text is an id with the prefix ("" = any), so that it may stand in a path. */
bool cli_check_id(struct str text, const char *prefix, const char *what, struct err *err) MUST_USE;

/* A value for a query or a part of a path: all but RFC 3986's unreserved characters as %XX. */
struct str cli_query_escape(struct cli *cli, struct str value);

/* A JSON object to send: body_begin, fields through `w`, body_end. */
struct cli_body {
        struct buf text;
        struct json_writer w;
};
void cli_body_begin(struct cli_body *body);
/* A member, unless the value is {NULL, 0}. */
void cli_body_str(struct cli_body *body, const char *key, struct str value);
/* The text, in the arena; frees the rest, also when it fails. */
bool cli_body_end(struct cli *cli, struct cli_body *body, struct str *ret, struct err *err) MUST_USE;
