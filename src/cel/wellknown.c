/* SPDX-License-Identifier: Apache-2.0 */
/* protobuf's well-known types that CEL knows as plain values (langdef "Protocol Buffer Data Conversion"). */
#include "cel/fn.h"

#include <math.h>

/* The field's value, or CEL_UNSET. */
static struct cel_value field(const struct cel_entry *fields, uint32_t count, const char *name)
{
        for (uint32_t i = 0; i < count; i++)
                if (str_is(cel_text(fields[i].key), name))
                        return fields[i].value;
        return (struct cel_value){0};
}

static struct cel_value bad_field(struct cel_call *call, const char *type)
{
        return cel_fail(call, "range error: a field of %s has a value that does not fit", type);
}

static struct cel_value wrap(struct cel_call *call, struct cel_value value, struct cel_value zero,
                             const char *type)
{
        if (value.kind == CEL_UNSET)
                return zero;
        return value.kind == zero.kind ? value : bad_field(call, type);
}

static struct cel_value make_bool(struct cel_call *call, const struct cel_entry *fields, uint32_t count)
{
        return wrap(call, field(fields, count, "value"), cel_bool(false), "BoolValue");
}

static struct cel_value make_bytes(struct cel_call *call, const struct cel_entry *fields, uint32_t count)
{
        return wrap(call, field(fields, count, "value"), cel_bytes(STR("")), "BytesValue");
}

static struct cel_value make_string(struct cel_call *call, const struct cel_entry *fields, uint32_t count)
{
        return wrap(call, field(fields, count, "value"), cel_string(STR("")), "StringValue");
}

static struct cel_value make_double(struct cel_call *call, const struct cel_entry *fields, uint32_t count)
{
        return wrap(call, field(fields, count, "value"), cel_double(0), "DoubleValue");
}

static struct cel_value make_float(struct cel_call *call, const struct cel_entry *fields, uint32_t count)
{
        struct cel_value value = make_double(call, fields, count);

        if (!is_error(value))
                value.number = (double)(float)value.number;
        return value;
}

static struct cel_value make_int64(struct cel_call *call, const struct cel_entry *fields, uint32_t count)
{
        return wrap(call, field(fields, count, "value"), cel_int(0), "Int64Value");
}

static struct cel_value make_int32(struct cel_call *call, const struct cel_entry *fields, uint32_t count)
{
        struct cel_value value = make_int64(call, fields, count);

        if (!is_error(value) && (value.integer < INT32_MIN || value.integer > INT32_MAX))
                return bad_field(call, "Int32Value");
        return value;
}

static struct cel_value make_uint64(struct cel_call *call, const struct cel_entry *fields, uint32_t count)
{
        return wrap(call, field(fields, count, "value"), cel_uint(0), "UInt64Value");
}

static struct cel_value make_uint32(struct cel_call *call, const struct cel_entry *fields, uint32_t count)
{
        struct cel_value value = make_uint64(call, fields, count);

        if (!is_error(value) && value.uinteger > UINT32_MAX)
                return bad_field(call, "UInt32Value");
        return value;
}

static struct cel_value make_timestamp(struct cel_call *call, const struct cel_entry *fields, uint32_t count)
{
        struct cel_value seconds = wrap(call, field(fields, count, "seconds"), cel_int(0), "Timestamp");
        struct cel_value nanos = wrap(call, field(fields, count, "nanos"), cel_int(0), "Timestamp");

        if (is_error(seconds) || is_error(nanos))
                return is_error(seconds) ? seconds : nanos;
        return time_make(call, seconds.integer, nanos.integer);
}

static struct cel_value make_duration(struct cel_call *call, const struct cel_entry *fields, uint32_t count)
{
        struct cel_value seconds = wrap(call, field(fields, count, "seconds"), cel_int(0), "Duration");
        struct cel_value nanos = wrap(call, field(fields, count, "nanos"), cel_int(0), "Duration");
        int64_t total;

        if (is_error(seconds) || is_error(nanos))
                return is_error(seconds) ? seconds : nanos;
        if (__builtin_mul_overflow(seconds.integer, NANOS_PER_SECOND, &total) ||
            __builtin_add_overflow(total, nanos.integer, &total))
                return bad_field(call, "Duration");
        return cel_duration(total);
}

static struct cel_value make_list(struct cel_call *call, const struct cel_entry *fields, uint32_t count)
{
        return wrap(call, field(fields, count, "values"), cel_list(NULL, 0), "ListValue");
}

static struct cel_value make_struct(struct cel_call *call, const struct cel_entry *fields, uint32_t count)
{
        struct cel_value given = field(fields, count, "fields");

        if (given.kind == CEL_UNSET)
                return map_from_entries(call, NULL, 0);
        return given.kind == CEL_MAP ? given : bad_field(call, "Struct");
}

/* One of its fields at most; a number is a double there. */
static struct cel_value make_value(struct cel_call *call, const struct cel_entry *fields, uint32_t count)
{
        static const struct {
                const char *name;
                enum cel_kind kind;
        } choices[] = {
                {"number_value", CEL_DOUBLE}, {"string_value", CEL_STRING}, {"bool_value", CEL_BOOL},
                {"struct_value", CEL_MAP},    {"list_value", CEL_LIST},
        };

        for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
                struct cel_value value = field(fields, count, choices[i].name);

                if (value.kind != CEL_UNSET)
                        return value.kind == choices[i].kind ? value : bad_field(call, "Value");
        }
        return cel_null();
}

static const struct {
        const char *name;
        const char *fields; /* blank-separated */
        struct cel_value (*make)(struct cel_call *call, const struct cel_entry *fields, uint32_t count);
} types[] = {
        {"BoolValue", "value", make_bool},
        {"BytesValue", "value", make_bytes},
        {"DoubleValue", "value", make_double},
        {"Duration", "seconds nanos", make_duration},
        {"FloatValue", "value", make_float},
        {"Int32Value", "value", make_int32},
        {"Int64Value", "value", make_int64},
        {"ListValue", "values", make_list},
        {"StringValue", "value", make_string},
        {"Struct", "fields", make_struct},
        {"Timestamp", "seconds nanos", make_timestamp},
        {"UInt32Value", "value", make_uint32},
        {"UInt64Value", "value", make_uint64},
        {"Value", "null_value number_value string_value bool_value struct_value list_value", make_value},
};

static int find_type(struct str name)
{
        static const char prefix[] = "google.protobuf.";

        if (!str_starts(name, STR("google.protobuf.")))
                return -1;
        name = str_slice(name, sizeof(prefix) - 1, SIZE_MAX);
        for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
                if (str_is(name, types[i].name))
                        return (int)i;
        return -1;
}

bool wellknown_name(struct str name)
{
        return find_type(name) >= 0;
}

static bool knows_field(const char *known, struct str name)
{
        struct str rest = str_from(known);
        struct str word;
        bool more;

        do {
                more = str_cut(&rest, ' ', &word);
                if (str_eq(word, name))
                        return true;
        } while (more);
        return false;
}

struct cel_value wellknown_make(struct cel_call *call, struct str name, const struct cel_entry *fields,
                                uint32_t count)
{
        int type = find_type(name);

        if (type < 0)
                return cel_fail(call, "there is no type \"%.*s\" whose values are written with braces",
                                STR_ARG(str_slice(name, 0, 80)));
        for (uint32_t i = 0; i < count; i++)
                if (!knows_field(types[type].fields, cel_text(fields[i].key)))
                        return cel_fail(call, "no such field: \"%.*s\"",
                                        STR_ARG(str_slice(cel_text(fields[i].key), 0, 80)));
        return types[type].make(call, fields, count);
}
