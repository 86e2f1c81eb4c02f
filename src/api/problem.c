/* SPDX-License-Identifier: Apache-2.0 */
#include "api/problem.h"

#include "base/json_write.h"

void problem_write(struct buf *buf, const struct err *err, struct str request_id, struct str location)
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
        if (location.ptr)
                json_field_str(&w, "location", location);
        json_field_str(&w, "request", request_id);
        json_object_end(&w);
}
