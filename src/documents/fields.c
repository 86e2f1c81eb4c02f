/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/fields.h"

#include "base/heap.h"
#include "base/id.h"
#include "crypto/sha256.h"

#include <stdio.h>

bool fields_refuse(const struct fields *fields, const char *name, struct err *err, const char *format, ...)
{
        char place[ERR_PLACE_MAX];
        va_list args;

        (void)snprintf(place, sizeof(place), "%s/%s", fields->path, name);
        va_start(args, format);
        (void)err_setv(err, ERR_BAD_ENVELOPE, format, args);
        va_end(args);
        (void)snprintf(err->place, sizeof(err->place), "%s", place);
        return false;
}

bool fields_parse(struct arena *arena, struct str bytes, size_t max_bytes, const char *what,
                  struct json *ret, struct err *err)
{
        BUF_SCOPED canonical;

        buf_init(&canonical, max_bytes);
        if (bytes.len > max_bytes)
                return err_set(err, ERR_BAD_ENVELOPE, "the %s has %zu bytes, above %zu", what, bytes.len,
                               max_bytes);
        if (!json_parse(arena, bytes, ret, err)) {
                if (err->code == ERR_BAD_JSON)
                        err->code = ERR_BAD_ENVELOPE;
                return err_prefix(err, "the %s is not valid JSON", what);
        }
        if (ret->type != JSON_OBJECT)
                return err_set(err, ERR_BAD_ENVELOPE, "the %s is %s, not an object", what,
                               json_type_name(ret->type));
        /* One document, one text: what another parser might read differently is refused. */
        json_append_canonical(&canonical, ret);
        if (!canonical.failed && str_eq(buf_str(&canonical), bytes))
                return true;
        if (canonical.failed && !canonical.capped)
                return buf_check(&canonical, what, err);
        return err_set(err, ERR_BAD_ENVELOPE, "the %s is not in the canonical form of RFC 8785", what);
}

bool fields_exact(const struct fields *fields, const char *const *names, struct err *err)
{
        for (uint32_t i = 0; i < fields->object->count; i++) {
                struct str key = fields->object->members[i].key;
                bool known = false;

                for (const char *const *name = names; *name && !known; name++)
                        known = str_is(key, **name == '?' ? *name + 1 : *name);
                if (!known)
                        return fields_refuse(fields, "", err, "the member \"%.*s\" is not known",
                                             STR_ARG(str_slice(key, 0, 64)));
        }
        for (const char *const *name = names; *name; name++)
                if (**name != '?' && !json_get(fields->object, *name))
                        return fields_refuse(fields, *name, err, "the member \"%s\" is missing", *name);
        return true;
}

bool fields_has(const struct fields *fields, const char *name)
{
        return json_get(fields->object, name) != NULL;
}

bool fields_of_type(const struct fields *fields, const char *name, enum json_type type,
                    const struct json **ret, struct err *err)
{
        const struct json *value = json_get(fields->object, name);

        if (!value)
                return fields_refuse(fields, name, err, "the member \"%s\" is missing", name);
        if (value->type != type)
                return fields_refuse(fields, name, err, "%s must be %s, not %s", name, json_type_name(type),
                                     json_type_name(value->type));
        *ret = value;
        return true;
}

bool fields_text(const struct fields *fields, const char *name, size_t min, size_t max, struct str *ret,
                 struct err *err)
{
        const struct json *value;

        if (!fields_of_type(fields, name, JSON_STRING, &value, err))
                return false;
        if (value->string.len < min || value->string.len > max)
                return fields_refuse(fields, name, err, "%s must have %zu to %zu bytes, not %zu", name, min,
                                     max, value->string.len);
        if (value->string.len > 0 && memchr(value->string.ptr, 0, value->string.len))
                return fields_refuse(fields, name, err, "%s holds a zero byte", name);
        *ret = value->string;
        return true;
}

bool fields_format(const struct fields *fields, const char *format, struct err *err)
{
        struct str found;

        if (!fields_text(fields, "format", 1, 64, &found, err))
                return false;
        if (!str_is(found, format))
                return fields_refuse(fields, "format", err, "the format is \"%.*s\", not \"%s\"",
                                     STR_ARG(found), format);
        return true;
}

bool fields_id(const struct fields *fields, const char *name, const char *prefix, struct str *ret,
               struct err *err)
{
        if (!fields_text(fields, name, 1, ID_SIZE, ret, err))
                return false;
        if (prefix ? !id_is(*ret, prefix) : !id_is_any(*ret))
                return fields_refuse(fields, name, err, "%s is not an id%s%s%s", name,
                                     prefix ? " of the form " : "", prefix ? prefix : "",
                                     prefix ? "_…" : "");
        return true;
}

bool fields_sha256(const struct fields *fields, const char *name, struct str *ret, struct err *err)
{
        struct sha256 hash;

        if (!fields_text(fields, name, 64, 64, ret, err))
                return false;
        if (!sha256_parse(*ret, &hash))
                return fields_refuse(fields, name, err, "%s is not a SHA-256 in lower-case hexadecimal",
                                     name);
        return true;
}

bool fields_int(const struct fields *fields, const char *name, int64_t min, int64_t max, int64_t *ret,
                struct err *err)
{
        const struct json *value;

        if (!fields_of_type(fields, name, JSON_INT, &value, err))
                return false;
        if (value->integer < min || value->integer > max)
                return fields_refuse(fields, name, err, "%s must be %lld to %lld, not %lld", name,
                                     (long long)min, (long long)max, (long long)value->integer);
        *ret = value->integer;
        return true;
}

bool fields_bool(const struct fields *fields, const char *name, bool *ret, struct err *err)
{
        const struct json *value;

        if (!fields_of_type(fields, name, JSON_BOOL, &value, err))
                return false;
        *ret = value->boolean;
        return true;
}
