/* SPDX-License-Identifier: Apache-2.0 */
#include "api/problem.h"

#include "base/json_write.h"

void problem_write(struct buf *buf, const struct err *err, struct str request_id,
                   const struct problem_more *more)
{
        const char *detail =
                err_is_internal(err->code)
                        ? "the operator finds the reason in the server's log, by this request's id"
                        : err->message;
        struct json_writer w;

        json_writer_init(&w, buf);
        json_object_begin(&w);
        json_key(&w, "type");
        buf_append_c(buf, "\"urn:countersign:problem:");
        buf_append_c(buf, err_slug(err->code));
        buf_append_char(buf, '"');
        w.after_key = false;
        json_field_c(&w, "title", err_title(err->code));
        json_field_int(&w, "status", err_status(err->code));
        json_field_c(&w, "detail", detail);
        json_field_c(&w, "code", err_name(err->code));
        if (err->place[0] && !err_is_internal(err->code))
                json_field_c(&w, "pointer", err->place);
        if (more && more->location.ptr)
                json_field_str(&w, "location", more->location);
        json_field_str(&w, "request", request_id);
        if (more && more->problems_json.ptr) {
                json_key(&w, "problems");
                json_raw(&w, more->problems_json);
        }
        json_object_end(&w);
}

/* The codes that RFC 6749 and RFC 8628 define have their names as slugs; whatever else is one of theirs. */
static const char *oauth_error(enum err_code code)
{
        switch (code) {
        case ERR_INVALID_CLIENT:
                return "invalid_client";
        case ERR_INVALID_GRANT:
                return "invalid_grant";
        case ERR_UNAUTHORIZED_CLIENT:
                return "unauthorized_client";
        case ERR_UNSUPPORTED_GRANT_TYPE:
                return "unsupported_grant_type";
        case ERR_INVALID_SCOPE:
                return "invalid_scope";
        case ERR_AUTHORIZATION_PENDING:
                return "authorization_pending";
        case ERR_SLOW_DOWN:
                return "slow_down";
        case ERR_EXPIRED_TOKEN:
                return "expired_token";
        case ERR_ACCESS_DENIED:
                return "access_denied";
        default:
                if (err_status(code) == 429 || err_status(code) == 503)
                        return "temporarily_unavailable";
                return err_status(code) >= 500 ? "server_error" : "invalid_request";
        }
}

void oauth_problem_write(struct buf *buf, const struct err *err)
{
        char text[ERR_MESSAGE_MAX];
        struct json_writer w;

        /* Section 5.2: %x20-21 / %x23-5B / %x5D-7E. */
        for (size_t i = 0; i < sizeof(text); i++) {
                char c = err->message[i];

                text[i] = c == '\0' || (c >= ' ' && c <= '~' && c != '"' && c != '\\') ? c : '\'';
                if (c == '\0')
                        break;
        }
        json_writer_init(&w, buf);
        json_object_begin(&w);
        json_field_c(&w, "error", oauth_error(err->code));
        if (!err_is_internal(err->code))
                json_field_c(&w, "error_description", text);
        json_object_end(&w);
}
