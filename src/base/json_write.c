/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_write.h"

#include "base/base64.h"
#include "base/clock.h"
#include "base/json_shim.h"

#include <math.h>

void json_writer_init(struct json_writer *w, struct buf *buf)
{
        *w = (struct json_writer){.buf = buf};
}

/* The comma before a value, unless it is a member's value or the first. */
static void json_before_value(struct json_writer *w)
{
        uint64_t bit = (uint64_t)1 << (w->depth % JSON_WRITE_DEPTH_MAX);

        if (w->after_key) {
                w->after_key = false;
                return;
        }
        if (w->depth > 0 && (w->has_members & bit))
                buf_append_char(w->buf, ',');
        w->has_members |= bit;
}

static void json_open(struct json_writer *w, char c)
{
        json_before_value(w);
        buf_append_char(w->buf, c);
        if (w->depth + 1 >= JSON_WRITE_DEPTH_MAX) {
                w->buf->failed = true;
                return;
        }
        w->depth++;
        w->has_members &= ~((uint64_t)1 << w->depth);
}

static void json_close(struct json_writer *w, char c)
{
        if (w->depth > 0)
                w->depth--;
        buf_append_char(w->buf, c);
}

void json_object_begin(struct json_writer *w)
{
        json_open(w, '{');
}

void json_object_end(struct json_writer *w)
{
        json_close(w, '}');
}

void json_array_begin(struct json_writer *w)
{
        json_open(w, '[');
}

void json_array_end(struct json_writer *w)
{
        json_close(w, ']');
}

void json_key_str(struct json_writer *w, struct str key)
{
        json_before_value(w);
        json_append_string(w->buf, key);
        buf_append_char(w->buf, ':');
        w->after_key = true;
}

void json_key(struct json_writer *w, const char *key)
{
        json_key_str(w, str_from(key));
}

void json_str(struct json_writer *w, struct str value)
{
        json_before_value(w);
        json_append_string(w->buf, value);
}

void json_c(struct json_writer *w, const char *value)
{
        json_str(w, str_from(value));
}

void json_int(struct json_writer *w, int64_t value)
{
        json_before_value(w);
        buf_append_i64(w->buf, value);
}

void json_bool(struct json_writer *w, bool value)
{
        json_before_value(w);
        buf_append_c(w->buf, value ? "true" : "false");
}

void json_null(struct json_writer *w)
{
        json_before_value(w);
        buf_append_c(w->buf, "null");
}

void json_double(struct json_writer *w, double value)
{
        json_before_value(w);
        json_append_double(w->buf, value);
}

void json_raw(struct json_writer *w, struct str json)
{
        json_before_value(w);
        buf_append_str(w->buf, json);
}

void json_base64(struct json_writer *w, struct str bytes)
{
        json_before_value(w);
        buf_append_char(w->buf, '"');
        base64_append(w->buf, bytes);
        buf_append_char(w->buf, '"');
}

void json_time(struct json_writer *w, int64_t time_ms)
{
        char text[CLOCK_RFC3339_SIZE];

        clock_format(time_ms, text);
        json_c(w, text);
}

void json_field_str(struct json_writer *w, const char *key, struct str value)
{
        json_key(w, key);
        json_str(w, value);
}

void json_field_c(struct json_writer *w, const char *key, const char *value)
{
        json_key(w, key);
        json_c(w, value);
}

void json_field_int(struct json_writer *w, const char *key, int64_t value)
{
        json_key(w, key);
        json_int(w, value);
}

void json_field_bool(struct json_writer *w, const char *key, bool value)
{
        json_key(w, key);
        json_bool(w, value);
}

static void append_escape(struct buf *buf, unsigned char c)
{
        static const char hex[] = "0123456789abcdef";
        static const char *const short_forms[32] = {
                ['\b'] = "\\b", ['\t'] = "\\t", ['\n'] = "\\n", ['\f'] = "\\f", ['\r'] = "\\r",
        };
        char unicode[] = "\\u0000";

        if (c == '"' || c == '\\') {
                buf_append_char(buf, '\\');
                buf_append_char(buf, (char)c);
                return;
        }
        if (short_forms[c]) {
                buf_append_c(buf, short_forms[c]);
                return;
        }
        unicode[4] = hex[c >> 4];
        unicode[5] = hex[c & 15];
        buf_append(buf, unicode, 6);
}

/* Whether one of eight bytes is below 0x20, '"' or '\\', or not ASCII. */
static bool any_is_special(const char *bytes)
{
        const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones << 7;
        uint64_t eight, quote, backslash;

        memcpy(&eight, bytes, sizeof(eight));
        quote = eight ^ ones * '"';
        backslash = eight ^ ones * '\\';
        return ((eight - ones * 0x20) | (quote - ones) | (backslash - ones) | eight) & highs;
}

static void append_valid(struct buf *buf, struct str text)
{
        size_t start = 0;

        for (size_t i = 0; i < text.len; i++) {
                unsigned char c = (unsigned char)text.ptr[i];

                if (text.len - i >= 8 && !any_is_special(text.ptr + i)) {
                        i += 7;
                        continue;
                }
                if (c >= 0x20 && c != '"' && c != '\\')
                        continue;
                buf_append(buf, text.ptr + start, i - start);
                append_escape(buf, c);
                start = i + 1;
        }
        if (start < text.len)
                buf_append(buf, text.ptr + start, text.len - start);
}

/* How much at the front is ASCII that stands for itself. */
static size_t plain_prefix(struct str text)
{
        size_t at = 0;

        while (text.len - at >= 8 && !any_is_special(text.ptr + at))
                at += 8;
        /* The last eight again, which is quicker than the rest one by one. */
        if (at > 0 && text.len - at < 8 && !any_is_special(text.ptr + text.len - 8))
                return text.len;
        while (at < text.len && text.ptr[at] >= ' ' && text.ptr[at] <= '~' && text.ptr[at] != '"' &&
               text.ptr[at] != '\\')
                at++;
        return at;
}

void json_append_string(struct buf *buf, struct str value)
{
        size_t plain = plain_prefix(value);

        if (plain == value.len && buf->ptr && !buf->failed && buf->size_bytes - buf->len >= plain + 2) {
                char *to = buf->ptr + buf->len;

                to[0] = '"';
                if (plain > 0)
                        memcpy(to + 1, value.ptr, plain);
                to[plain + 1] = '"';
                to[plain + 2] = '\0';
                buf->len += plain + 2;
                return;
        }
        buf_append_char(buf, '"');
        buf_append(buf, value.ptr, plain);
        value = str_slice(value, plain, value.len);
        while (value.len > 0) {
                size_t valid = str_utf8_prefix(value);

                append_valid(buf, str_slice(value, 0, valid));
                value = str_slice(value, valid, value.len);
                if (value.len > 0) {
                        buf_append_c(buf, "\xEF\xBF\xBD");
                        value = str_slice(value, 1, value.len);
                }
        }
        buf_append_char(buf, '"');
}

/* ECMAScript Number::toString (ECMA-262 section 6.1.6.1.20) from the shortest digits. */
void json_append_double(struct buf *buf, double value)
{
        char digits[32];
        int exponent; /* value = 0.digits * 10^exponent */
        int len;

        if (!isfinite(value)) {
                buf_append_c(buf, "null");
                return;
        }
        if (value == 0) {
                buf_append_char(buf, '0');
                return;
        }
        if (value < 0) {
                buf_append_char(buf, '-');
                value = -value;
        }
        len = json_shim_shortest(value, digits, &exponent);
        if (len <= exponent && exponent <= 21) {
                buf_append(buf, digits, (size_t)len);
                for (int i = len; i < exponent; i++)
                        buf_append_char(buf, '0');
        } else if (0 < exponent && exponent <= 21) {
                buf_append(buf, digits, (size_t)exponent);
                buf_append_char(buf, '.');
                buf_append(buf, digits + exponent, (size_t)(len - exponent));
        } else if (-6 < exponent && exponent <= 0) {
                buf_append_c(buf, "0.");
                for (int i = exponent; i < 0; i++)
                        buf_append_char(buf, '0');
                buf_append(buf, digits, (size_t)len);
        } else {
                buf_append_char(buf, digits[0]);
                if (len > 1) {
                        buf_append_char(buf, '.');
                        buf_append(buf, digits + 1, (size_t)len - 1);
                }
                buf_printf(buf, "e%+d", exponent - 1);
        }
}
