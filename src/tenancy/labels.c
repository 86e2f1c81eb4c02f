/* SPDX-License-Identifier: Apache-2.0 */
#include "tenancy/labels.h"

#include "base/buf.h"
#include "base/json.h"

#include <stdio.h>

enum { NAME_MAX_BYTES = 63, PREFIX_MAX_BYTES = 253, STORED_MAX_BYTES = 64 * 1024 };

static bool is_alphanumeric(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool name_ok(struct str text)
{
        if (text.len == 0 || text.len > NAME_MAX_BYTES || !is_alphanumeric(text.ptr[0]) ||
            !is_alphanumeric(text.ptr[text.len - 1]))
                return false;
        for (size_t i = 0; i < text.len; i++)
                if (!is_alphanumeric(text.ptr[i]) && !strchr("-_.", text.ptr[i]))
                        return false;
        return true;
}

/* RFC 1123 section 2.1: labels of lower-case letters, digits and hyphens, separated by dots. */
static bool prefix_ok(struct str text)
{
        bool at_start = true;

        if (text.len == 0 || text.len > PREFIX_MAX_BYTES)
                return false;
        for (size_t i = 0; i < text.len; i++) {
                char c = text.ptr[i];
                bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

                if (!plain && (at_start || (c != '-' && c != '.') || i + 1 == text.len))
                        return false;
                if (c == '.' && text.ptr[i - 1] == '-')
                        return false;
                at_start = c == '.';
        }
        return true;
}

static bool key_ok(struct str key)
{
        ptrdiff_t slash = str_find(key, '/');

        if (slash < 0)
                return name_ok(key);
        return prefix_ok(str_slice(key, 0, (size_t)slash)) &&
               name_ok(str_slice(key, (size_t)slash + 1, key.len));
}

static bool value_ok(struct str value)
{
        return value.len == 0 || name_ok(value);
}

static bool check(const struct api_pair *label, struct err *err)
{
        char place[ERR_PLACE_MAX];

        (void)snprintf(place, sizeof(place), "/labels/%.*s", STR_ARG(str_slice(label->key, 0, 64)));
        if (!key_ok(label->key))
                return err_set_at(err, ERR_BAD_FIELD, place,
                                  "a label's key is a name of letters, digits, '-', '_' and '.', at most %d "
                                  "long, perhaps behind a domain and a slash",
                                  NAME_MAX_BYTES);
        return value_ok(label->value) ||
               err_set_at(err, ERR_BAD_FIELD, place,
                          "a label's value is empty, or letters, digits, '-', '_' and '.', at most %d long",
                          NAME_MAX_BYTES);
}

bool labels_format(struct arena *arena, const struct api_pair *labels, size_t count, struct str *ret_json,
                   struct err *err)
{
        struct json_member *members = ARENA_ARRAY(arena, struct json_member, count);
        struct json object = {.type = JSON_OBJECT, .count = (uint32_t)count, .members = members};
        BUF_SCOPED buf = {0};

        if (!members)
                return arena_check(arena, err);
        if (count > LABELS_MAX)
                return err_set_at(err, ERR_BAD_FIELD, "/labels", "at most %d labels are allowed",
                                  LABELS_MAX);
        for (size_t i = 0; i < count; i++) {
                if (!check(&labels[i], err))
                        return false;
                members[i] = (struct json_member){.key = labels[i].key,
                                                  .value = {.type = JSON_STRING, .string = labels[i].value}};
        }
        buf_init(&buf, STORED_MAX_BYTES);
        json_append_canonical(&buf, &object);
        if (!buf_check(&buf, "the labels", err))
                return false;
        *ret_json = arena_str(arena, buf_str(&buf));
        return arena_check(arena, err);
}

bool labels_parse(struct arena *arena, struct str json, const struct api_pair **ret_labels,
                  size_t *ret_count, struct err *err)
{
        struct api_pair *labels;
        struct json object;

        *ret_labels = NULL;
        *ret_count = 0;
        if (json.len <= 2) /* {} */
                return true;
        if (!json_parse(arena, json, &object, err)) {
                err->code = ERR_INTERNAL;
                return err_prefix(err, "stored labels");
        }
        labels = ARENA_ARRAY(arena, struct api_pair, object.count);
        if (!labels)
                return arena_check(arena, err);
        for (uint32_t i = 0; i < object.count; i++)
                labels[i] = (struct api_pair){object.members[i].key, object.members[i].value.string};
        *ret_labels = labels;
        *ret_count = object.count;
        return true;
}

/* ---- selectors --------------------------------------------------------------------------------- */

static bool refuse(struct str term, struct err *err)
{
        return err_set_at(err, ERR_BAD_PARAMETER, "selector",
                          "\"%.*s\" is none of: a=b, a!=b, a in (b,c), a notin (b,c), a, !a",
                          STR_ARG(str_slice(term, 0, 64)));
}

static bool add_value(struct selector_term *term, struct str value)
{
        value = str_trim(value);
        if (term->value_count == SELECTOR_VALUES_MAX || !value_ok(value))
                return false;
        term->values[term->value_count++] = value;
        return true;
}

/* " in (a, b)" behind a key. */
static bool parse_set(struct str rest, struct selector_term *term)
{
        struct str value;
        bool more = true;

        term->kind = SELECTOR_IN;
        if (str_starts(rest, STR("notin"))) {
                term->kind = SELECTOR_NOT_IN;
                rest = str_slice(rest, 3, rest.len);
        }
        if (!str_starts(rest, STR("in")))
                return false;
        rest = str_trim(str_slice(rest, 2, rest.len));
        if (rest.len < 2 || rest.ptr[0] != '(' || rest.ptr[rest.len - 1] != ')')
                return false;
        rest = str_slice(rest, 1, rest.len - 2);
        while (more) {
                more = str_cut(&rest, ',', &value);
                if (!add_value(term, value))
                        return false;
        }
        return true;
}

static bool parse_term(struct str text, struct selector_term *ret)
{
        ptrdiff_t equals = str_find(text, '='), space = str_find(text, ' ');
        struct str value;

        *ret = (struct selector_term){.kind = SELECTOR_HAS, .key = text};
        if (text.len > 0 && text.ptr[0] == '!') {
                ret->kind = SELECTOR_HAS_NOT;
                ret->key = str_trim(str_slice(text, 1, text.len));
        } else if (equals >= 0) {
                bool not = equals > 0 && text.ptr[equals - 1] == '!';

                ret->kind = not ? SELECTOR_NOT_IN : SELECTOR_IN;
                ret->key = str_trim(str_slice(text, 0, (size_t)equals - (not ? 1 : 0)));
                value = str_slice(text, (size_t)equals + 1, text.len);
                if (!not &&value.len > 0 && value.ptr[0] == '=')
                        value = str_slice(value, 1, value.len);
                if (!add_value(ret, value))
                        return false;
        } else if (space >= 0) {
                ret->key = str_slice(text, 0, (size_t)space);
                if (!parse_set(str_trim(str_slice(text, (size_t)space, text.len)), ret))
                        return false;
        }
        return key_ok(ret->key);
}

/* The text up to the next comma outside of parentheses. */
static struct str next_term(struct str *rest)
{
        bool inside = false;
        struct str term;
        size_t i = 0;

        for (; i < rest->len && (inside || rest->ptr[i] != ','); i++)
                inside = rest->ptr[i] == '(' || (inside && rest->ptr[i] != ')');
        term = str_slice(*rest, 0, i);
        *rest = i < rest->len ? str_slice(*rest, i + 1, rest->len) : STR_NULL;
        return str_trim(term);
}

bool selector_parse(struct str text, struct selector *ret, struct err *err)
{
        *ret = (struct selector){0};
        if (!text.ptr || str_trim(text).len == 0)
                return true;
        while (text.ptr) {
                struct str term = next_term(&text);

                if (ret->count == SELECTOR_TERMS_MAX)
                        return err_set_at(err, ERR_BAD_PARAMETER, "selector", "at most %d terms are allowed",
                                          SELECTOR_TERMS_MAX);
                if (!parse_term(term, &ret->terms[ret->count++]))
                        return refuse(term, err);
        }
        return true;
}

static bool term_matches(const struct selector_term *term, const struct api_pair *labels, size_t count)
{
        const struct str *value = NULL;
        bool equal = false;

        for (size_t i = 0; i < count; i++)
                if (str_eq(labels[i].key, term->key))
                        value = &labels[i].value;
        for (unsigned i = 0; value && i < term->value_count; i++)
                equal = equal || str_eq(*value, term->values[i]);
        switch (term->kind) {
        case SELECTOR_IN:
                return equal;
        case SELECTOR_NOT_IN:
                return !equal;
        case SELECTOR_HAS:
                return value != NULL;
        case SELECTOR_HAS_NOT:
                return value == NULL;
        }
        return false;
}

bool selector_matches(const struct selector *selector, const struct api_pair *labels, size_t count)
{
        for (unsigned i = 0; i < selector->count; i++)
                if (!term_matches(&selector->terms[i], labels, count))
                        return false;
        return true;
}
