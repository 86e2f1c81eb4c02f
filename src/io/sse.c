/* SPDX-License-Identifier: Apache-2.0 */
#include "io/sse.h"

void sse_parser_init(struct sse_parser *parser, size_t cap_bytes)
{
        *parser = (struct sse_parser){.retry_ms = -1};
        buf_init(&parser->input, cap_bytes);
        buf_init(&parser->data, cap_bytes);
        buf_init(&parser->name, cap_bytes);
        buf_init(&parser->id, cap_bytes);
}

void sse_parser_done(struct sse_parser *parser)
{
        buf_done(&parser->input);
        buf_done(&parser->data);
        buf_done(&parser->name);
        buf_done(&parser->id);
}

bool sse_parser_feed(struct sse_parser *parser, struct str bytes, struct err *err)
{
        buf_consume(&parser->input, parser->at);
        parser->at = 0;
        buf_append_str(&parser->input, bytes);
        if (parser->input.capped)
                return err_set(err, ERR_BODY_TOO_LARGE, "an event is larger than %zu bytes",
                               parser->input.cap_bytes);
        return buf_check(&parser->input, "the event stream", err);
}

/* One line, without its end: CR LF, LF or CR. False when its end is not here yet. */
static bool line_take(struct sse_parser *parser, struct str *ret_line)
{
        struct str rest = str_slice(buf_str(&parser->input), parser->at, parser->input.len);
        size_t len = 0;

        while (len < rest.len && rest.ptr[len] != '\n' && rest.ptr[len] != '\r')
                len++;
        /* After a CR at the end of what is here, a LF may follow. */
        if (len == rest.len || (rest.ptr[len] == '\r' && len + 1 == rest.len))
                return false;
        *ret_line = str_make(rest.ptr, len);
        parser->at += len + (rest.ptr[len] == '\r' && rest.ptr[len + 1] == '\n' ? 2 : 1);
        return true;
}

static void field_take(struct sse_parser *parser, struct str line)
{
        struct str value = line;
        struct str name;
        uint64_t number;

        if (!str_cut(&value, ':', &name))
                value = STR("");
        if (value.len > 0 && value.ptr[0] == ' ')
                value = str_slice(value, 1, value.len);
        if (str_is(name, "data")) {
                if (parser->has_data)
                        buf_append_char(&parser->data, '\n');
                buf_append_str(&parser->data, value);
                parser->has_data = true;
        } else if (str_is(name, "event")) {
                buf_reset(&parser->name);
                buf_append_str(&parser->name, value);
        } else if (str_is(name, "id") && str_find(value, '\0') < 0) {
                buf_reset(&parser->id);
                buf_append_str(&parser->id, value);
        } else if (str_is(name, "retry") && str_to_u64(value, &number) && number < INT64_MAX) {
                parser->retry_ms = (int64_t)number;
        }
}

static bool parser_check(const struct sse_parser *parser, struct err *err)
{
        if (parser->data.capped || parser->name.capped || parser->id.capped)
                return err_set(err, ERR_BODY_TOO_LARGE, "an event is larger than %zu bytes",
                               parser->data.cap_bytes);
        return buf_check(&parser->data, "the event", err) && buf_check(&parser->name, "the event", err) &&
               buf_check(&parser->id, "the event", err);
}

bool sse_parser_next(struct sse_parser *parser, struct sse_event *ret_event, bool *ret_found,
                     struct err *err)
{
        struct str line;

        *ret_found = false;
        if (parser->is_given) {
                buf_reset(&parser->data);
                buf_reset(&parser->name);
                parser->has_data = parser->is_given = false;
        }
        while (line_take(parser, &line)) {
                if (!parser->started && str_starts(line, STR("\xef\xbb\xbf")))
                        line = str_slice(line, 3, line.len);
                parser->started = true;
                if (line.len > 0) {
                        if (line.ptr[0] != ':')
                                field_take(parser, line);
                        if (!parser_check(parser, err))
                                return false;
                        continue;
                }
                if (!parser->has_data) {
                        buf_reset(&parser->name);
                        continue;
                }
                *ret_event = (struct sse_event){
                        .name = parser->name.len > 0 ? buf_str(&parser->name) : STR("message"),
                        .id = buf_str(&parser->id),
                        .data = buf_str(&parser->data),
                };
                *ret_found = parser->is_given = true;
                return true;
        }
        return true;
}
