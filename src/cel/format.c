/* SPDX-License-Identifier: Apache-2.0 */
/* string.format of the extension strings: %s %d %f %e %b %o %x %X, precision, %%. */
#include "cel/fn.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { PRECISION_MAX = 100, DEPTH_MAX = 64 };

struct formatter {
        struct builder out;
        struct cel_value error; /* CEL_UNSET: none */
};

static void fail_formatting(struct formatter *f, const char *what, struct cel_value value)
{
        if (f->error.kind == CEL_UNSET)
                f->error = cel_fail(f->out.call, "error during formatting: %s, was given %.*s", what,
                                    STR_ARG(cel_type_name(value)));
}

static void append_c(struct formatter *f, const char *text)
{
        builder_append(&f->out, str_from(text));
}

static void append_value(struct formatter *f, struct cel_value value, unsigned depth);

static void append_list(struct formatter *f, struct cel_value list, unsigned depth)
{
        append_c(f, "[");
        for (uint32_t i = 0, count = cel_count(list); i < count && !f->out.failed; i++) {
                if (i > 0)
                        append_c(f, ", ");
                append_value(f, cel_at(f->out.call, list, i), depth + 1);
        }
        append_c(f, "]");
}

/* Entries in the order of their keys' texts. */
static void append_map(struct formatter *f, struct cel_value map, unsigned depth)
{
        struct cel_call *call = f->out.call;
        uint32_t count = cel_count(map);
        struct cel_value *keys = eval_alloc(call, count, sizeof(*keys));
        struct cel_value error;
        uint32_t *order;

        for (uint32_t i = 0; keys && i < count; i++) {
                struct formatter key = {.out = {.call = call}};

                append_value(&key, cel_entry_at(call, map, i).key, depth + 1);
                keys[i] = builder_string(&key.out);
        }
        order = keys && !call->stopped ? sort_order(call, keys, count, &error) : NULL;
        f->out.failed |= !order;
        append_c(f, "{");
        for (uint32_t i = 0; i < count && !f->out.failed; i++) {
                if (i > 0)
                        append_c(f, ", ");
                builder_append(&f->out, cel_text(keys[order[i]]));
                append_c(f, ": ");
                append_value(f, cel_entry_at(call, map, order[i]).value, depth + 1);
        }
        append_c(f, "}");
}

static void append_zeros(struct formatter *f, int count)
{
        for (int i = 0; i < count; i++)
                builder_char(&f->out, '0');
}

/* The exponent of a double's shortest form: at most three digits, perhaps with a sign. */
static int exponent_of(struct str text)
{
        bool negative = text.len > 0 && text.ptr[0] == '-';
        int value = 0;

        for (size_t i = 0; i < text.len; i++)
                if (text.ptr[i] >= '0' && text.ptr[i] <= '9')
                        value = value * 10 + (text.ptr[i] - '0');
        return negative ? -value : value;
}

/* The shortest digits that read back, without an exponent: 0.0000001, not 1e-7. */
static void append_plain(struct formatter *f, struct str text)
{
        ptrdiff_t at = str_find(text, 'e');
        char digits[32];
        int count = 0;
        int point;

        if (at < 0) {
                builder_append(&f->out, text);
                return;
        }
        point = 1 + exponent_of(str_slice(text, (size_t)at + 1, SIZE_MAX)); /* digits before the point */
        for (ptrdiff_t i = 0; i < at; i++) {
                if (text.ptr[i] == '-')
                        builder_char(&f->out, '-');
                else if (text.ptr[i] != '.')
                        digits[count++] = text.ptr[i];
        }
        if (point <= 0) {
                append_c(f, "0.");
                append_zeros(f, -point);
                builder_append(&f->out, str_make(digits, (size_t)count));
        } else {
                /* A double has at most 17 digits, and is written with an exponent from 10^21 on. */
                builder_append(&f->out, str_make(digits, (size_t)count));
                append_zeros(f, point - count);
        }
}

static void append_number(struct formatter *f, struct cel_value value)
{
        char memory[48];
        struct buf text = {.ptr = memory, .size_bytes = sizeof(memory) - 1, .cap_bytes = sizeof(memory) - 1};

        memory[0] = '\0';
        if (value.kind == CEL_INT)
                buf_append_i64(&text, value.integer);
        else if (value.kind == CEL_UINT)
                buf_append_u64(&text, value.uinteger);
        else
                print_double(&text, value.number);
        append_plain(f, buf_str(&text));
}

/* Bytes as text: each run of what is no UTF-8 becomes one U+FFFD. */
static void append_bytes(struct formatter *f, struct str bytes)
{
        while (bytes.len > 0 && !f->out.failed) {
                size_t valid = str_utf8_prefix(bytes);

                builder_append(&f->out, str_slice(bytes, 0, valid));
                bytes = str_slice(bytes, valid, SIZE_MAX);
                if (bytes.len > 0)
                        append_c(f, "\xEF\xBF\xBD");
                while (bytes.len > 0 && str_utf8_prefix(str_slice(bytes, 0, 4)) == 0)
                        bytes = str_slice(bytes, 1, SIZE_MAX);
        }
}

static void append_value(struct formatter *f, struct cel_value value, unsigned depth)
{
        char text[TIME_TEXT_MAX];

        if (f->error.kind != CEL_UNSET || f->out.failed)
                return;
        if (depth > DEPTH_MAX) {
                fail_formatting(f, "the value is nested too deep", value);
                return;
        }
        switch ((enum cel_kind)value.kind) {
        case CEL_BYTES:
                append_bytes(f, cel_text(value));
                break;
        case CEL_STRING:
        case CEL_TYPE:
                builder_append(&f->out, cel_text(value));
                break;
        case CEL_NULL:
                append_c(f, "null");
                break;
        case CEL_BOOL:
                append_c(f, value.boolean ? "true" : "false");
                break;
        case CEL_INT:
        case CEL_UINT:
        case CEL_DOUBLE:
                append_number(f, value);
                break;
        case CEL_TIMESTAMP:
                builder_append(&f->out, str_make(text, time_format(text, value.integer, value.len)));
                break;
        case CEL_DURATION:
                builder_append(&f->out, str_make(text, duration_format(text, value.integer)));
                break;
        case CEL_LIST:
                append_list(f, value, depth);
                break;
        case CEL_MAP:
                append_map(f, value, depth);
                break;
        default:
                fail_formatting(
                        f,
                        "string clause can only be used on strings, bools, bytes, ints, doubles, maps, "
                        "lists, types, durations, and timestamps",
                        value);
        }
}

/* NaN and the infinities have one text for every clause. */
static bool append_special(struct formatter *f, struct cel_value value)
{
        if (value.kind != CEL_DOUBLE || isfinite(value.number))
                return false;
        append_number(f, value);
        return true;
}

static void append_decimal(struct formatter *f, struct cel_value value)
{
        if (value_is_number(value))
                append_number(f, value);
        else
                fail_formatting(f, "decimal clause can only be used on integers", value);
}

/* %f and %e. */
static void append_float(struct formatter *f, struct cel_value value, char clause, int precision)
{
        char text[512];

        if (!value_is_number(value)) {
                fail_formatting(f,
                                clause == 'e' ? "scientific clause can only be used on doubles"
                                              : "fixed-point clause can only be used on doubles",
                                value);
                return;
        }
        if (append_special(f, value))
                return;
        if (value.kind == CEL_INT)
                value.number = (double)value.integer;
        else if (value.kind == CEL_UINT)
                value.number = (double)value.uinteger;
        if (clause == 'e')
                snprintf(text, sizeof(text), "%.*e", precision, value.number);
        else
                snprintf(text, sizeof(text), "%.*f", precision, value.number);
        append_c(f, text);
}

/* %b %o %x %X of an integer: sign and magnitude. */
static void append_radix(struct formatter *f, struct cel_value value, unsigned bits, const char *digits)
{
        char text[72];
        char *at = text + sizeof(text);
        bool negative = value.kind == CEL_INT && value.integer < 0;
        uint64_t magnitude = negative ? 0 - value.uinteger : value.uinteger;

        do {
                *--at = digits[magnitude & ((1u << bits) - 1)];
                magnitude >>= bits;
        } while (magnitude > 0);
        if (negative)
                *--at = '-';
        builder_append(&f->out, str_make(at, (size_t)(text + sizeof(text) - at)));
}

static void append_hex(struct formatter *f, struct cel_value value, const char *digits)
{
        if (value.kind == CEL_INT || value.kind == CEL_UINT) {
                append_radix(f, value, 4, digits);
                return;
        }
        if (value.kind != CEL_STRING && value.kind != CEL_BYTES) {
                fail_formatting(f, "only integers, byte buffers, and strings can be formatted as hex",
                                value);
                return;
        }
        for (uint32_t i = 0; i < value.len && !f->out.failed; i++) {
                unsigned char c = (unsigned char)value.bytes[i];
                char two[2] = {digits[c >> 4], digits[c & 15]};

                builder_append(&f->out, str_make(two, 2));
        }
}

static void append_clause(struct formatter *f, char clause, int precision, struct cel_value value)
{
        static const char lower[] = "0123456789abcdef";
        static const char upper[] = "0123456789ABCDEF";
        bool whole = value.kind == CEL_INT || value.kind == CEL_UINT;

        switch (clause) {
        case 's':
                append_value(f, value, 0);
                break;
        case 'd':
                append_decimal(f, value);
                break;
        case 'f':
        case 'e':
                append_float(f, value, clause, precision);
                break;
        case 'b':
                if (whole || value.kind == CEL_BOOL)
                        append_radix(f, value, 1, lower);
                else
                        fail_formatting(f, "only integers and bools can be formatted as binary", value);
                break;
        case 'o':
                if (whole)
                        append_radix(f, value, 3, lower);
                else
                        fail_formatting(f, "octal clause can only be used on integers", value);
                break;
        default:
                append_hex(f, value, clause == 'x' ? lower : upper);
        }
}

/* ".3" before a clause; 6 without. Moves *at. False: not a precision. */
static bool read_precision(struct str format, size_t *at, int *ret)
{
        int value = 0;
        size_t start;

        *ret = 6;
        if (*at >= format.len || format.ptr[*at] != '.')
                return true;
        start = ++*at;
        for (; *at < format.len && format.ptr[*at] >= '0' && format.ptr[*at] <= '9'; ++*at) {
                value = value * 10 + (format.ptr[*at] - '0');
                if (value > PRECISION_MAX)
                        return false;
        }
        *ret = value;
        return *at > start;
}

struct cel_value format_string(struct cel_call *call, struct str format, struct cel_value list)
{
        struct formatter f = {.out = {.call = call}};
        uint32_t used = 0;
        uint32_t count = cel_count(list);

        for (size_t at = 0; at < format.len && !f.out.failed && f.error.kind == CEL_UNSET;) {
                const char *next = memchr(format.ptr + at, '%', format.len - at);
                size_t end = next ? (size_t)(next - format.ptr) : format.len;
                int precision;

                builder_append(&f.out, str_make(format.ptr + at, end - at));
                if (!next)
                        break;
                at = end + 1;
                if (at < format.len && format.ptr[at] == '%') {
                        builder_char(&f.out, '%');
                        at++;
                        continue;
                }
                if (!read_precision(format, &at, &precision) || at >= format.len)
                        return cel_fail(call,
                                        "could not parse formatting clause: a precision is .0 to .%d, and a "
                                        "clause letter follows",
                                        PRECISION_MAX);
                if (!strchr("sdfeboxX", format.ptr[at]))
                        return cel_fail(
                                call,
                                "could not parse formatting clause: unrecognized formatting clause \"%c\"",
                                format.ptr[at]);
                if (used >= count)
                        return cel_fail(call, "index %u out of range", used);
                append_clause(&f, format.ptr[at], precision, cel_at(call, list, used));
                used++;
                at++;
        }
        return f.error.kind != CEL_UNSET ? f.error : builder_string(&f.out);
}
