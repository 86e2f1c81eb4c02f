/* SPDX-License-Identifier: Apache-2.0 */
#include "api/decode.h"

#include "base/base64.h"
#include "base/clock.h"
#include "base/id.h"

#include <stdarg.h>
#include <stdio.h>

/* One reference token with "~" and "/" escaped (RFC 6901 section 3); long keys are cut. */
static size_t place_append(char *text, size_t at, const struct decode_place *place)
{
        enum { KEY_MOST = 40 };
        struct str key = str_slice(place->key, 0, KEY_MOST);

        if (!place->key.ptr) {
                int len = snprintf(text + at, ERR_PLACE_MAX - at, "/%zu", place->index);

                return at + (len > 0 ? (size_t)len : 0);
        }
        key.len = str_utf8_prefix(key);
        text[at++] = '/';
        for (size_t i = 0; i < key.len && at < ERR_PLACE_MAX - 3; i++) {
                char c = key.ptr[i];

                if (c == '~' || c == '/') {
                        text[at++] = '~';
                        text[at++] = c == '~' ? '0' : '1';
                } else {
                        text[at++] = c;
                }
        }
        text[at] = '\0';
        return at;
}

static size_t place_format(const struct decode_place *place, char *text)
{
        enum { TOKEN_MOST = 24 };
        size_t at = place->outer ? place_format(place->outer, text) : 0;

        return at < ERR_PLACE_MAX - TOKEN_MOST ? place_append(text, at, place) : at;
}

bool decode_fail(struct decoder *d, enum err_code code, const char *format, ...)
{
        char place[ERR_PLACE_MAX] = "";
        va_list args;

        if (d->in_path)
                return err_set(d->err, ERR_NOT_FOUND, "there is nothing here for you");

        va_start(args, format);
        (void)err_setv(d->err, code, format, args);
        va_end(args);
        if (d->parameter)
                (void)snprintf(place, sizeof(place), "%s", d->parameter);
        else if (d->place)
                (void)place_format(d->place, place);
        memcpy(d->err->place, place, sizeof(place));
        return false;
}

/* A parameter's mistake and a field's have codes of their own. */
static enum err_code bad_value(const struct decoder *d)
{
        return d->parameter ? ERR_BAD_PARAMETER : ERR_BAD_FIELD;
}

static bool wrong_type(struct decoder *d, const struct json *value, const char *wanted)
{
        return decode_fail(d, ERR_BAD_FIELD, "expected %s, found %s", wanted, json_type_name(value->type));
}

size_t utf8_count(struct str text)
{
        size_t count = 0;

        for (size_t i = 0; i < text.len; i++)
                count += ((unsigned char)text.ptr[i] & 0xC0) != 0x80;
        return count;
}

static bool format_holds(struct decoder *d, struct str text, const struct string_rule *rule)
{
        switch (rule->format) {
        case FORMAT_NONE:
                return true;
        case FORMAT_ID:
                if (rule->prefix[0] ? id_is(text, rule->prefix) : id_is_any(text))
                        return true;
                return decode_fail(d, bad_value(d), "not an id of the form %s_…",
                                   rule->prefix[0] ? rule->prefix : "kind");
        case FORMAT_TEXT:
        case FORMAT_TOKEN:
                for (size_t i = 0; i < text.len; i++) {
                        unsigned char c = (unsigned char)text.ptr[i];
                        bool blank = c == '\t' || c == '\n';

                        if (c == 0x7F || (c < 0x20 && (!blank || rule->format == FORMAT_TOKEN)) ||
                            (c == ' ' && rule->format == FORMAT_TOKEN))
                                return decode_fail(d, bad_value(d), "contains the character 0x%02x", c);
                }
                return true;
        }
        return true;
}

/* PostgreSQL cannot keep one in a text, so none is taken anywhere. */
static bool has_no_nul(struct decoder *d, struct str text)
{
        return d->tolerant || text.len == 0 || !memchr(text.ptr, '\0', text.len) ||
               decode_fail(d, bad_value(d), "contains a NUL, which no text may");
}

static bool string_holds(struct decoder *d, struct str text, const struct string_rule *rule)
{
        /* Bytes bound code points, so that the usual case counts nothing. */
        if (text.len < rule->min_length || text.len > rule->max_length || rule->min_length > 1) {
                size_t count = utf8_count(text);

                if (count < rule->min_length)
                        return decode_fail(d, bad_value(d), "%zu characters long, at least %u are needed",
                                           count, rule->min_length);
                if (count > rule->max_length)
                        return decode_fail(d, bad_value(d), "%zu characters long, at most %u are allowed",
                                           count, rule->max_length);
        }
        if (rule->format != FORMAT_NONE && !format_holds(d, text, rule))
                return false;
        if (!has_no_nul(d, text))
                return false;
        if (rule->pattern && !rule->pattern(text))
                return decode_fail(d, bad_value(d), "does not match %s", rule->pattern_text);
        return true;
}

bool decode_string(struct decoder *d, const struct json *value, const struct string_rule *rule,
                   struct str *ret)
{
        if (value->type != JSON_STRING)
                return wrong_type(d, value, "a string");
        *ret = value->string;
        return string_holds(d, value->string, rule);
}

static bool integer_holds(struct decoder *d, int64_t value, const struct integer_rule *rule)
{
        if (value < rule->minimum)
                return decode_fail(d, bad_value(d), "%lld is below the minimum %lld", (long long)value,
                                   (long long)rule->minimum);
        if (value > rule->maximum)
                return decode_fail(d, bad_value(d), "%lld is above the maximum %lld", (long long)value,
                                   (long long)rule->maximum);
        return true;
}

bool decode_integer(struct decoder *d, const struct json *value, const struct integer_rule *rule,
                    int64_t *ret)
{
        if (value->type == JSON_UINT)
                return decode_fail(d, ERR_BAD_FIELD, "%llu is above the maximum %lld",
                                   (unsigned long long)value->uinteger, (long long)rule->maximum);
        if (value->type != JSON_INT)
                return wrong_type(d, value, "an integer");
        *ret = value->integer;
        return integer_holds(d, value->integer, rule);
}

bool decode_number(struct decoder *d, const struct json *value, double *ret)
{
        switch (value->type) {
        case JSON_INT:
                *ret = (double)value->integer;
                return true;
        case JSON_UINT:
                *ret = (double)value->uinteger;
                return true;
        case JSON_DOUBLE:
                *ret = value->number;
                return true;
        default:
                return wrong_type(d, value, "a number");
        }
}

bool decode_bool(struct decoder *d, const struct json *value, bool *ret)
{
        if (value->type != JSON_BOOL)
                return wrong_type(d, value, "a boolean");
        *ret = value->boolean;
        return true;
}

bool decode_time(struct decoder *d, const struct json *value, int64_t *ret_ms)
{
        if (value->type != JSON_STRING)
                return wrong_type(d, value, "a time");
        if (!clock_parse(value->string, ret_ms))
                return decode_fail(d, ERR_BAD_FIELD, "not an RFC 3339 time such as 2026-11-21T12:00:00Z");
        return true;
}

bool decode_base64(struct decoder *d, const struct json *value, uint64_t max_bytes, struct str *ret_bytes)
{
        if (value->type != JSON_STRING)
                return wrong_type(d, value, "base64 text");
        if (!base64_decode(d->arena, value->string, ret_bytes)) {
                if (!arena_check(d->arena, d->err))
                        return false;
                return decode_fail(d, ERR_BAD_FIELD, "not base64 (RFC 4648 section 4, with padding)");
        }
        if (ret_bytes->len > max_bytes)
                return decode_fail(d, ERR_BAD_FIELD, "%zu bytes, at most %llu are allowed", ret_bytes->len,
                                   (unsigned long long)max_bytes);
        return true;
}

static bool enum_holds(struct decoder *d, struct str text, int (*from)(struct str), const char *allowed,
                       int *ret)
{
        *ret = from(text);
        if (*ret > 0)
                return true;
        text = str_slice(text, 0, 40);
        text.len = str_utf8_prefix(text);
        return decode_fail(d, bad_value(d), "\"%.*s\" is none of %s", STR_ARG(text), allowed);
}

bool decode_enum(struct decoder *d, const struct json *value, int (*from)(struct str), const char *allowed,
                 int *ret)
{
        if (value->type != JSON_STRING)
                return wrong_type(d, value, "a string");
        *ret = from(value->string);
        if (*ret == 0 && d->tolerant)
                return true; /* a state that this client does not know yet */
        return *ret > 0 || enum_holds(d, value->string, from, allowed, ret);
}

/* As deep as the parser lets a body be. */
static bool tree_has_no_nul(struct decoder *d, const struct json *value)
{
        const struct decode_place *outer = d->place;
        bool ok = value->type != JSON_STRING || has_no_nul(d, value->string);
        bool is_object = value->type == JSON_OBJECT;

        for (uint32_t i = 0; ok && (is_object || value->type == JSON_ARRAY) && i < value->count; i++) {
                struct decode_place here = {outer, is_object ? value->members[i].key : STR_NULL, i};

                d->place = &here;
                ok = (!is_object || has_no_nul(d, here.key)) &&
                     tree_has_no_nul(d, is_object ? &value->members[i].value : &value->items[i]);
                d->place = outer;
        }
        return ok;
}

bool decode_raw(struct decoder *d, const struct json *value, struct api_json *ret)
{
        *ret = (struct api_json){.value = value};
        return tree_has_no_nul(d, value);
}

bool decode_is_object(struct decoder *d, const struct json *value)
{
        return value->type == JSON_OBJECT || wrong_type(d, value, "an object");
}

bool decode_room(struct decoder *d, size_t size, void **ret)
{
        *ret = arena_alloc(d->arena, size);
        return *ret || arena_check(d->arena, d->err);
}

bool decode_array(struct decoder *d, const struct json *value, uint64_t min_items, uint64_t max_items,
                  size_t item_size, void **ret_items, size_t *ret_count)
{
        if (value->type != JSON_ARRAY)
                return wrong_type(d, value, "an array");
        if (value->count < min_items)
                return decode_fail(d, ERR_BAD_FIELD, "%u items, at least %llu are needed", value->count,
                                   (unsigned long long)min_items);
        if (value->count > max_items)
                return decode_fail(d, ERR_BAD_FIELD, "%u items, at most %llu are allowed", value->count,
                                   (unsigned long long)max_items);
        *ret_count = value->count;
        *ret_items = arena_alloc_array(d->arena, value->count, item_size);
        return *ret_items || arena_check(d->arena, d->err);
}

bool decode_pairs(struct decoder *d, const struct json *value, const struct string_rule *rule,
                  uint64_t max_count, const struct api_pair **ret_pairs, size_t *ret_count)
{
        const struct decode_place *outer = d->place;
        struct api_pair *pairs;

        if (!decode_is_object(d, value))
                return false;
        if (value->count > max_count)
                return decode_fail(d, ERR_BAD_FIELD, "%u members, at most %llu are allowed", value->count,
                                   (unsigned long long)max_count);
        pairs = ARENA_ARRAY(d->arena, struct api_pair, value->count);
        if (!pairs)
                return arena_check(d->arena, d->err);
        for (uint32_t i = 0; i < value->count; i++) {
                struct decode_place here = {outer, value->members[i].key, 0};

                bool ok;

                d->place = &here;
                pairs[i].key = value->members[i].key;
                ok = has_no_nul(d, pairs[i].key) &&
                     decode_string(d, &value->members[i].value, rule, &pairs[i].value);
                d->place = outer;
                if (!ok)
                        return false;
        }
        *ret_pairs = pairs;
        *ret_count = value->count;
        return true;
}

bool decode_unknown(struct decoder *d, struct str key)
{
        struct decode_place here = {d->place, key, 0};

        if (d->tolerant)
                return true;
        d->place = &here;
        (void)decode_fail(d, ERR_UNKNOWN_FIELD, "this field is not known here");
        d->place = here.outer;
        return false;
}

bool decode_missing(struct decoder *d, const char *const *names, uint64_t missing)
{
        struct decode_place here = {d->place, str_from(names[__builtin_ctzll(missing)]), 0};

        d->place = &here;
        (void)decode_fail(d, ERR_MISSING_FIELD, "this field is required");
        d->place = here.outer;
        return false;
}

bool decode_parameter_string(struct decoder *d, struct str text, const struct string_rule *rule,
                             struct str *ret)
{
        if (!str_is_utf8(text))
                return decode_fail(d, ERR_BAD_PARAMETER, "not UTF-8");
        *ret = text;
        return string_holds(d, text, rule);
}

bool decode_parameter_integer(struct decoder *d, struct str text, const struct integer_rule *rule,
                              int64_t *ret)
{
        if (!str_to_i64(text, ret))
                return decode_fail(d, ERR_BAD_PARAMETER, "not an integer that fits 64 bits");
        return integer_holds(d, *ret, rule);
}

bool decode_parameter_bool(struct decoder *d, struct str text, bool *ret)
{
        *ret = str_is(text, "true");
        return *ret || str_is(text, "false") ||
               decode_fail(d, ERR_BAD_PARAMETER, "neither \"true\" nor \"false\"");
}

bool decode_parameter_time(struct decoder *d, struct str text, int64_t *ret_ms)
{
        return clock_parse(text, ret_ms) ||
               decode_fail(d, ERR_BAD_PARAMETER, "not an RFC 3339 time such as 2026-11-21T12:00:00Z");
}

bool decode_parameter_duration(struct decoder *d, struct str text, int64_t maximum_ms, int64_t *ret_ms)
{
        if (!duration_parse(text, ret_ms))
                return decode_fail(d, ERR_BAD_PARAMETER, "not a duration such as 30s or 2m");
        if (*ret_ms > maximum_ms)
                return decode_fail(d, ERR_BAD_PARAMETER, "longer than %lld s",
                                   (long long)(maximum_ms / 1000));
        return true;
}

bool decode_parameter_enum(struct decoder *d, struct str text, int (*from)(struct str), const char *allowed,
                           int *ret)
{
        if (!str_is_utf8(text))
                return decode_fail(d, ERR_BAD_PARAMETER, "not UTF-8");
        return enum_holds(d, text, from, allowed, ret);
}

bool parameter_missing(struct decoder *d)
{
        return decode_fail(d, ERR_BAD_PARAMETER, "this parameter is required");
}

static bool parameter_refused(struct decoder *d, struct str name, const char *why)
{
        struct str shown = str_slice(name, 0, 60);
        char place[64];

        shown.len = str_utf8_prefix(shown);
        (void)snprintf(place, sizeof(place), "%.*s", STR_ARG(shown));
        d->parameter = place;
        (void)decode_fail(d, ERR_BAD_PARAMETER, "%s", why);
        d->parameter = NULL;
        return false;
}

bool parameter_unknown(struct decoder *d, struct str name)
{
        return parameter_refused(d, name, "this parameter is not known here");
}

bool parameter_repeated(struct decoder *d, struct str name)
{
        return parameter_refused(d, name, "this parameter appears more than once");
}
