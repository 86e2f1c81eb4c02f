/* SPDX-License-Identifier: Apache-2.0 */
/* Values as text: CEL literals for people, and JSON. */
#include "cel/print.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { PRINT_DEPTH_MAX = 100 };

void print_double(struct buf *buf, double number)
{
        if (isnan(number)) {
                buf_append_c(buf, "NaN");
        } else if (isinf(number)) {
                buf_append_c(buf, number < 0 ? "-Infinity" : "Infinity");
        } else if (number == 0 && signbit(number)) {
                buf_append_c(buf, "-0");
        } else {
                json_append_double(buf, number);
        }
}

void print_quoted(struct buf *buf, struct str s)
{
        static const char from[] = "\a\b\f\n\r\t\v\\\"";
        static const char to[] = "abfnrtv\\\"";

        buf_append_char(buf, '"');
        for (size_t i = 0; i < s.len; i++) {
                const char *found = s.ptr[i] ? strchr(from, s.ptr[i]) : NULL;

                if (found) {
                        buf_append_char(buf, '\\');
                        buf_append_char(buf, to[found - from]);
                } else {
                        buf_append_char(buf, s.ptr[i]);
                }
        }
        buf_append_char(buf, '"');
}

static void append_bytes(struct buf *buf, struct str s)
{
        buf_append_c(buf, "b\"");
        for (size_t i = 0; i < s.len; i++) {
                unsigned char c = (unsigned char)s.ptr[i];

                if (c < ' ' || c >= 0x7F || c == '"' || c == '\\')
                        buf_printf(buf, "\\x%02x", c);
                else
                        buf_append_char(buf, (char)c);
        }
        buf_append_char(buf, '"');
}

static void append(struct buf *buf, struct cel_value value, unsigned depth);

static void append_parts(struct buf *buf, struct cel_value value, unsigned depth)
{
        uint32_t count = cel_count(value);

        buf_append_char(buf, value.kind == CEL_LIST ? '[' : '{');
        for (uint32_t i = 0; i < count && !buf->failed; i++) {
                if (i > 0)
                        buf_append_c(buf, ", ");
                if (value.kind == CEL_LIST) {
                        append(buf, cel_at(NULL, value, i), depth + 1);
                } else {
                        struct cel_entry entry = cel_entry_at(NULL, value, i);

                        append(buf, entry.key, depth + 1);
                        buf_append_c(buf, ": ");
                        append(buf, entry.value, depth + 1);
                }
        }
        buf_append_char(buf, value.kind == CEL_LIST ? ']' : '}');
}

static void append_time(struct buf *buf, struct cel_value value)
{
        char text[TIME_TEXT_MAX];
        uint32_t len = value.kind == CEL_TIMESTAMP ? time_format(text, value.integer, value.len)
                                                   : duration_format(text, value.integer);

        buf_printf(buf, "%s(\"%.*s\")", value.kind == CEL_TIMESTAMP ? "timestamp" : "duration", (int)len,
                   text);
}

static void append_double(struct buf *buf, double number)
{
        char text[64];
        struct buf shown = {.ptr = text, .size_bytes = sizeof(text) - 1, .cap_bytes = sizeof(text) - 1};

        text[0] = '\0';
        print_double(&shown, number);
        if (!isfinite(number)) {
                buf_printf(buf, "double(\"%s\")", text);
                return;
        }
        buf_append_c(buf, text);
        if (!strpbrk(text, ".e"))
                buf_append_c(buf, ".0");
}

static void append(struct buf *buf, struct cel_value value, unsigned depth)
{
        if (depth > PRINT_DEPTH_MAX) {
                buf_append_c(buf, "...");
                return;
        }
        switch ((enum cel_kind)value.kind) {
        case CEL_NULL:
                buf_append_c(buf, "null");
                break;
        case CEL_BOOL:
                buf_append_c(buf, value.boolean ? "true" : "false");
                break;
        case CEL_INT:
                buf_append_i64(buf, value.integer);
                break;
        case CEL_UINT:
                buf_append_u64(buf, value.uinteger);
                buf_append_char(buf, 'u');
                break;
        case CEL_DOUBLE:
                append_double(buf, value.number);
                break;
        case CEL_STRING:
                print_quoted(buf, cel_text(value));
                break;
        case CEL_BYTES:
                append_bytes(buf, cel_text(value));
                break;
        case CEL_LIST:
        case CEL_MAP:
                append_parts(buf, value, depth);
                break;
        case CEL_TIMESTAMP:
        case CEL_DURATION:
                append_time(buf, value);
                break;
        case CEL_TYPE:
                buf_append_str(buf, cel_text(value));
                break;
        case CEL_OPTIONAL:
                buf_append_c(buf, value.optional ? "optional.of(" : "optional.none()");
                if (value.optional) {
                        append(buf, *value.optional, depth + 1);
                        buf_append_char(buf, ')');
                }
                break;
        case CEL_OPAQUE:
                buf_printf(buf, "%s(\"", value.opaque->type->name);
                value.opaque->type->append(buf, value.opaque);
                buf_append_c(buf, "\")");
                break;
        case CEL_ERROR:
                buf_printf(buf, "error: %.*s", STR_ARG(cel_error_text(value)));
                break;
        case CEL_UNSET:
                buf_append_c(buf, "unset");
                break;
        }
}

void cel_append(struct buf *buf, struct cel_value value)
{
        append(buf, value, 0);
}

/* ---- JSON ---- */

/* A map's key: strings as they are, all else as string(key) would have it. */
static void write_key(struct json_writer *w, struct cel_value key)
{
        char text[32];

        if (key.kind == CEL_STRING) {
                json_key_str(w, cel_text(key));
                return;
        }
        if (key.kind == CEL_BOOL)
                snprintf(text, sizeof(text), "%s", key.boolean ? "true" : "false");
        else if (key.kind == CEL_INT)
                snprintf(text, sizeof(text), "%" PRId64, key.integer);
        else
                snprintf(text, sizeof(text), "%" PRIu64, key.uinteger);
        json_key(w, text);
}

static void write_parts(struct json_writer *w, struct cel_value value)
{
        uint32_t count = cel_count(value);

        if (w->depth + 1 >= JSON_WRITE_DEPTH_MAX) {
                json_null(w);
                return;
        }
        if (value.kind == CEL_LIST)
                json_array_begin(w);
        else
                json_object_begin(w);
        for (uint32_t i = 0; i < count && !w->buf->failed; i++) {
                if (value.kind == CEL_LIST) {
                        cel_write_json(w, cel_at(NULL, value, i));
                } else {
                        struct cel_entry entry = cel_entry_at(NULL, value, i);

                        write_key(w, entry.key);
                        cel_write_json(w, entry.value);
                }
        }
        if (value.kind == CEL_LIST)
                json_array_end(w);
        else
                json_object_end(w);
}

static void write_opaque(struct json_writer *w, struct cel_value value)
{
        BUF_SCOPED text;

        buf_init(&text, 4096);
        value.opaque->type->append(&text, value.opaque);
        json_str(w, buf_str(&text));
}

void cel_write_json(struct json_writer *w, struct cel_value value)
{
        char text[TIME_TEXT_MAX];

        switch ((enum cel_kind)value.kind) {
        case CEL_BOOL:
                json_bool(w, value.boolean);
                break;
        case CEL_INT:
                json_int(w, value.integer);
                break;
        case CEL_UINT:
                snprintf(text, sizeof(text), "%" PRIu64, value.uinteger);
                json_raw(w, str_from(text));
                break;
        case CEL_DOUBLE:
                json_double(w, value.number);
                break;
        case CEL_STRING:
        case CEL_TYPE:
                json_str(w, cel_text(value));
                break;
        case CEL_BYTES:
                json_base64(w, cel_text(value));
                break;
        case CEL_LIST:
        case CEL_MAP:
                write_parts(w, value);
                break;
        case CEL_TIMESTAMP:
                json_str(w, str_make(text, time_format(text, value.integer, value.len)));
                break;
        case CEL_DURATION:
                json_str(w, str_make(text, duration_format(text, value.integer)));
                break;
        case CEL_OPTIONAL:
                if (value.optional)
                        cel_write_json(w, *value.optional);
                else
                        json_null(w);
                break;
        case CEL_OPAQUE:
                write_opaque(w, value);
                break;
        case CEL_NULL:
        case CEL_ERROR:
        case CEL_UNSET:
                json_null(w);
                break;
        }
}
