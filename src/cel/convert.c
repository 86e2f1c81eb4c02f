/* SPDX-License-Identifier: Apache-2.0 */
/* langdef "Type Conversions", type and size. */
#include "cel/fn.h"
#include "cel/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static struct cel_value out_of_range(struct cel_call *call, struct cel_value value, const char *type)
{
        return cel_fail(call, "range error: the %.*s does not fit a value of type %s",
                        STR_ARG(cel_type_name(value)), type);
}

static struct cel_value no_conversion(struct cel_call *call, struct cel_value value, const char *type)
{
        return cel_fail(call, "type conversion error: \"%.*s\" is no %s",
                        STR_ARG(str_slice(cel_text(value), 0, 60)), type);
}

FUNCTION(to_bool)
{
        static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True"};
        static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False"};

        UNUSED_ARGUMENTS;
        if (args[0].kind == CEL_BOOL)
                return args[0];
        if (args[0].kind != CEL_STRING)
                return no_overload();
        for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
                if (str_is(cel_text(args[0]), yes[i]))
                        return cel_bool(true);
                if (str_is(cel_text(args[0]), no[i]))
                        return cel_bool(false);
        }
        return no_conversion(call, args[0], "bool");
}

FUNCTION(to_int)
{
        struct cel_value a = args[0];
        struct str text;
        int64_t value;

        UNUSED_ARGUMENTS;
        switch ((enum cel_kind)a.kind) {
        case CEL_INT:
                return a;
        case CEL_UINT:
                return a.uinteger <= INT64_MAX ? cel_int(a.integer) : out_of_range(call, a, "int");
        case CEL_DOUBLE:
                /* The ends are excluded, as the specification has it: they may be rounded numbers beyond. */
                return a.number > -0x1p63 && a.number < 0x1p63 ? cel_int((int64_t)a.number)
                                                               : out_of_range(call, a, "int");
        case CEL_TIMESTAMP:
                return cel_int(a.integer);
        case CEL_STRING:
                text = cel_text(a);
                if (text.len > 1 && text.ptr[0] == '+' && text.ptr[1] != '-')
                        text = str_slice(text, 1, SIZE_MAX);
                return str_to_i64(text, &value) ? cel_int(value) : no_conversion(call, a, "int");
        default:
                return no_overload();
        }
}

FUNCTION(to_uint)
{
        struct cel_value a = args[0];
        uint64_t value;

        UNUSED_ARGUMENTS;
        switch ((enum cel_kind)a.kind) {
        case CEL_UINT:
                return a;
        case CEL_INT:
                return a.integer >= 0 ? cel_uint(a.uinteger) : out_of_range(call, a, "uint");
        case CEL_DOUBLE:
                return a.number >= 0 && a.number < 0x1p64 ? cel_uint((uint64_t)a.number)
                                                          : out_of_range(call, a, "uint");
        case CEL_STRING:
                return str_to_u64(cel_text(a), &value) ? cel_uint(value) : no_conversion(call, a, "uint");
        default:
                return no_overload();
        }
}

FUNCTION(to_double)
{
        struct cel_value a = args[0];
        char text[128];
        char *end;
        double value;

        UNUSED_ARGUMENTS;
        switch ((enum cel_kind)a.kind) {
        case CEL_DOUBLE:
                return a;
        case CEL_INT:
                return cel_double((double)a.integer);
        case CEL_UINT:
                return cel_double((double)a.uinteger);
        case CEL_STRING:
                if (a.len == 0 || a.len >= sizeof(text) || !strchr("+-.0123456789INin", a.bytes[0]))
                        return no_conversion(call, a, "double");
                memcpy(text, a.bytes, a.len);
                text[a.len] = '\0';
                value = strtod(text, &end);
                return end == text + a.len ? cel_double(value) : no_conversion(call, a, "double");
        default:
                return no_overload();
        }
}

static struct cel_value opaque_text(struct cel_call *call, const struct cel_opaque *opaque)
{
        char memory[256];
        struct buf text = {.ptr = memory, .size_bytes = sizeof(memory) - 1, .cap_bytes = sizeof(memory) - 1};

        memory[0] = '\0';
        opaque->type->append(&text, opaque);
        if (text.failed)
                return cel_fail(call, "the text of the %s is longer than %zu bytes", opaque->type->name,
                                sizeof(memory) - 1);
        return copy_text(call, memory, text.len);
}

FUNCTION(to_string)
{
        struct cel_value a = args[0];
        char memory[TIME_TEXT_MAX];
        struct buf text = {.ptr = memory, .size_bytes = sizeof(memory) - 1, .cap_bytes = sizeof(memory) - 1};

        UNUSED_ARGUMENTS;
        memory[0] = '\0';
        switch ((enum cel_kind)a.kind) {
        case CEL_STRING:
                return a;
        case CEL_BOOL:
                return cel_string(a.boolean ? STR("true") : STR("false"));
        case CEL_INT:
                buf_append_i64(&text, a.integer);
                break;
        case CEL_UINT:
                buf_append_u64(&text, a.uinteger);
                break;
        case CEL_DOUBLE:
                print_double(&text, a.number);
                break;
        case CEL_BYTES:
                if (!charge_bytes(call, a.len))
                        return eval_stopped();
                if (!str_is_utf8(cel_text(a)))
                        return cel_fail(call, "invalid UTF-8: the bytes are no string");
                return cel_string(cel_text(a));
        case CEL_TIMESTAMP:
                text.len = time_format(memory, a.integer, a.len);
                break;
        case CEL_DURATION:
                text.len = duration_format(memory, a.integer);
                break;
        case CEL_OPAQUE:
                return opaque_text(call, a.opaque);
        default:
                return no_overload();
        }
        return copy_text(call, memory, text.len);
}

FUNCTION(to_bytes)
{
        UNUSED_ARGUMENTS;
        if (args[0].kind != CEL_STRING && args[0].kind != CEL_BYTES)
                return no_overload();
        return cel_bytes(cel_text(args[0]));
}

FUNCTION(to_timestamp)
{
        int64_t seconds;
        uint32_t nanos;

        UNUSED_ARGUMENTS;
        if (args[0].kind == CEL_TIMESTAMP)
                return args[0];
        if (args[0].kind == CEL_INT)
                return time_make(call, args[0].integer, 0);
        if (args[0].kind != CEL_STRING)
                return no_overload();
        if (!time_parse(cel_text(args[0]), &seconds, &nanos))
                return cel_fail(
                        call,
                        "\"%.*s\" is no timestamp; write RFC 3339, like 2026-01-31T12:00:00Z, in the "
                        "range of years 0001 to 9999",
                        STR_ARG(str_slice(cel_text(args[0]), 0, 60)));
        return time_make(call, seconds, nanos);
}

FUNCTION(to_duration)
{
        int64_t nanos;
        bool range;

        UNUSED_ARGUMENTS;
        if (args[0].kind == CEL_DURATION)
                return args[0];
        if (args[0].kind != CEL_STRING)
                return no_overload();
        if (duration_read(cel_text(args[0]), &nanos, &range))
                return cel_duration(nanos);
        if (range)
                return cel_fail(call, "duration out of range: it does not fit 64-bit nanoseconds");
        return cel_fail(call, "\"%.*s\" is no duration; write numbers with units, like 1h30m or 1.5s",
                        STR_ARG(str_slice(cel_text(args[0]), 0, 60)));
}

FUNCTION(type_of)
{
        struct str name = cel_type_name(args[0]);

        UNUSED_ARGUMENTS;
        return (struct cel_value){.kind = CEL_TYPE, .len = (uint32_t)name.len, .bytes = name.ptr};
}

FUNCTION(size)
{
        UNUSED_ARGUMENTS;
        switch ((enum cel_kind)args[0].kind) {
        case CEL_STRING:
                return charge_bytes(call, args[0].len) ? cel_int(text_count(cel_text(args[0])))
                                                       : eval_stopped();
        case CEL_BYTES:
                return cel_int(args[0].len);
        case CEL_LIST:
        case CEL_MAP:
                return cel_int(cel_count(args[0]));
        default:
                return no_overload();
        }
}

static const struct builtin rows[] = {
        {"bool", "(bool) bool; (string) bool", to_bool},
        {"int", "(int) int; (uint) int; (double) int; (string) int; (timestamp) int", to_int},
        {"uint", "(uint) uint; (int) uint; (double) uint; (string) uint", to_uint},
        {"double", "(double) double; (int) double; (uint) double; (string) double", to_double},
        {"string",
         "(string) string; (bool) string; (int) string; (uint) string; (double) string; (bytes) string; "
         "(timestamp) string; (duration) string; (net.IP) string; (net.CIDR) string",
         to_string},
        {"bytes", "(bytes) bytes; (string) bytes", to_bytes},
        {"timestamp", "(timestamp) timestamp; (string) timestamp; (int) timestamp", to_timestamp},
        {"duration", "(duration) duration; (string) duration", to_duration},
        {"dyn", "(A) dyn", NULL}, /* for the checker only: the value is the argument's */
        {"type", "(A) type(A)", type_of},
        {"size",
         "(string) int; (bytes) int; (list(A)) int; (map(A, B)) int; string.() int; bytes.() int; "
         "list(A).() int; map(A, B).() int",
         size},
};

LIBRARY(library_convert, rows);
