/* SPDX-License-Identifier: Apache-2.0 */
#include "definitions/document.h"

#include "base/yaml.h"

#include <libfyaml.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- problems ----------------------------------------------------------------------------------- */

void problems_init(struct problems *problems, struct arena *arena)
{
        *problems = (struct problems){.arena = arena};
}

struct place {
        int line, column;
        struct str path;
};

static struct place place_of(struct problems *problems, const struct node *at, bool key)
{
        if (!at)
                return (struct place){0, 0, STR("")};
        if (key && at->key_line)
                return (struct place){at->key_line, at->key_column, node_path(problems->arena, at)};
        return (struct place){at->line, at->column, node_path(problems->arena, at)};
}

static void PRINTF_LIKE(4, 0) add(struct problems *problems, struct place place,
                                  enum problem_severity severity, const char *format, va_list args)
{
        struct problem_item *item;
        char message[ERR_MESSAGE_MAX];

        if (severity == PROBLEM_ERROR)
                problems->errors++;
        else
                problems->warnings++;
        if (problems->errors + problems->warnings > PROBLEMS_MAX)
                return;
        (void)vsnprintf(message, sizeof(message), format, args);
        item = ARENA_NEW(problems->arena, struct problem_item);
        if (!item)
                return;
        *item = (struct problem_item){
                .severity = severity,
                .line = place.line,
                .column = place.column,
                .path = place.path,
                .message = arena_str(problems->arena, str_make(message, str_utf8_prefix(str_from(message)))),
        };
        if (problems->last)
                problems->last->next = item;
        else
                problems->first = item;
        problems->last = item;
}

void problems_add(struct problems *problems, const struct node *at, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        add(problems, place_of(problems, at, false), PROBLEM_ERROR, format, args);
        va_end(args);
}

void problems_add_key(struct problems *problems, const struct node *at, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        add(problems, place_of(problems, at, true), PROBLEM_ERROR, format, args);
        va_end(args);
}

void problems_warn(struct problems *problems, const struct node *at, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        add(problems, place_of(problems, at, false), PROBLEM_WARNING, format, args);
        va_end(args);
}

/* ---- scalars (YAML 1.2.2, section 10.3.2) --------------------------------------------------------- */

static bool is_one_of(struct str text, const char *const *words)
{
        for (; *words; words++)
                if (str_is(text, *words))
                        return true;
        return false;
}

static bool all_digits(struct str text, const char *digits)
{
        for (size_t i = 0; i < text.len; i++)
                if (!strchr(digits, text.ptr[i]))
                        return false;
        return text.len > 0;
}

static bool resolve_based(struct node *node)
{
        struct str rest = str_slice(node->text, 2, SIZE_MAX);
        bool hex = str_starts(node->text, STR("0x"));
        bool octal = str_starts(node->text, STR("0o"));
        char copy[24];

        if ((!hex && !octal) || rest.len > 15 ||
            !all_digits(rest, hex ? "0123456789abcdefABCDEF" : "01234567"))
                return false;
        (void)snprintf(copy, sizeof(copy), "%.*s", STR_ARG(rest));
        node->type = JSON_INT;
        node->integer = strtoll(copy, NULL, hex ? 16 : 8);
        return true;
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool resolve_float(struct node *node)
{
        struct str rest = node->text;
        char copy[64];
        double value;
        bool digits = false;
        size_t i = 0;

        if (rest.len >= sizeof(copy))
                return false;
        if (i < rest.len && (rest.ptr[i] == '-' || rest.ptr[i] == '+'))
                i++;
        for (; i < rest.len && rest.ptr[i] >= '0' && rest.ptr[i] <= '9'; i++)
                digits = true;
        if (i < rest.len && rest.ptr[i] == '.')
                for (i++; i < rest.len && rest.ptr[i] >= '0' && rest.ptr[i] <= '9'; i++)
                        digits = true;
        if (!digits)
                return false;
        if (i < rest.len && (rest.ptr[i] == 'e' || rest.ptr[i] == 'E')) {
                i++;
                if (i < rest.len && (rest.ptr[i] == '-' || rest.ptr[i] == '+'))
                        i++;
                if (!all_digits(str_slice(rest, i, SIZE_MAX), "0123456789"))
                        return false;
                i = rest.len;
        }
        if (i != rest.len)
                return false;
        (void)snprintf(copy, sizeof(copy), "%.*s", STR_ARG(rest));
        value = strtod(copy, NULL);
        if (!isfinite(value))
                return false;
        node->type = JSON_DOUBLE;
        node->number = value;
        return true;
}

static void resolve_plain(struct node *node)
{
        static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
        static const char *const yes[] = {"true", "True", "TRUE", NULL};
        static const char *const no[] = {"false", "False", "FALSE", NULL};
        struct str digits = node->text;

        node->type = JSON_STRING;
        if (is_one_of(node->text, nulls)) {
                node->type = JSON_NULL;
        } else if (is_one_of(node->text, yes) || is_one_of(node->text, no)) {
                node->type = JSON_BOOL;
                node->boolean = is_one_of(node->text, yes);
        } else if (!resolve_based(node)) {
                if (str_starts(digits, STR("+")))
                        digits = str_slice(digits, 1, SIZE_MAX);
                if (!str_starts(digits, STR("-")) || str_eq(digits, node->text)) {
                        if (str_to_i64(digits, &node->integer)) {
                                node->type = JSON_INT;
                                return;
                        }
                }
                (void)resolve_float(node);
        }
}

/* ---- building the tree ----------------------------------------------------------------------------- */

struct reader {
        struct problems *problems;
        struct buf diagnosis;
        struct node *root, *open; /* the collection that is being filled */
        unsigned depth, documents;
        uint32_t nodes;
        bool has_key; /* of the open mapping, for its next value */
        struct str key;
        int key_line, key_column;
};

static bool stopped(const struct reader *r)
{
        return r->problems->errors > 0 || arena_failed(r->problems->arena);
}

/* A problem at a place that is no node yet: the path is that of what is around it. */
static void PRINTF_LIKE(4, 5) complain(struct reader *r, int line, int column, const char *format, ...)
{
        struct place place = {line, column, r->open ? node_path(r->problems->arena, r->open) : STR("")};
        va_list args;

        va_start(args, format);
        add(r->problems, place, PROBLEM_ERROR, format, args);
        va_end(args);
}

static struct node *attach(struct reader *r, int line, int column)
{
        struct node *node = ARENA_NEW(r->problems->arena, struct node);

        if (!node)
                return NULL;
        if (++r->nodes > DOCUMENT_NODES_MAX) {
                complain(r, line, column, "the document has more than %d values; split it",
                         DOCUMENT_NODES_MAX);
                return NULL;
        }
        *node = (struct node){.line = line, .column = column, .parent = r->open};
        if (!r->open) {
                r->root = node;
                return node;
        }
        if (r->open->type == JSON_OBJECT) {
                node->key = r->key;
                node->key_line = r->key_line;
                node->key_column = r->key_column;
                r->has_key = false;
        }
        node->index = r->open->count++;
        if (r->open->last)
                r->open->last->next = node;
        else
                r->open->first = node;
        r->open->last = node;
        return node;
}

static void take_key(struct reader *r, struct str text, int line, int column)
{
        if (str_is(text, "<<")) {
                complain(r, line, column, "merge keys (<<) are not taken; write the members out");
                return;
        }
        if (text.len > DOCUMENT_KEY_MAX) {
                complain(r, line, column, "a key has %zu bytes; at most %d are taken", text.len,
                         DOCUMENT_KEY_MAX);
                return;
        }
        if (r->open->count == DOCUMENT_MEMBERS_MAX) {
                complain(r, line, column, "more than %d members in one mapping", DOCUMENT_MEMBERS_MAX);
                return;
        }
        for (const struct node *other = r->open->first; other; other = other->next)
                if (str_eq(other->key, text)) {
                        complain(r, line, column, "the key \"%.*s\" appears again; it is set on line %d",
                                 STR_ARG(text), other->key_line);
                        return;
                }
        r->key = arena_str(r->problems->arena, text);
        r->key_line = line;
        r->key_column = column;
        r->has_key = true;
}

static void on_scalar(struct reader *r, struct fy_event *event, int line, int column)
{
        enum fy_scalar_style style = fy_token_scalar_style(event->scalar.value);
        size_t len = 0;
        const char *text = fy_token_get_text(event->scalar.value, &len);
        struct node *node;

        if (event->scalar.tag || event->scalar.anchor) {
                complain(r, line, column,
                         "tags (!…) and anchors (&…) are not taken; write the value plainly");
                return;
        }
        if (memchr(text ? text : "", 0, len)) {
                complain(r, line, column, "a text with a NUL character is not taken");
                return;
        }
        if (r->open && r->open->type == JSON_OBJECT && !r->has_key) {
                take_key(r, str_make(text ? text : "", len), line, column);
                return;
        }
        node = attach(r, line, column);
        if (!node)
                return;
        node->text = arena_str(r->problems->arena, str_make(text ? text : "", len));
        if (style == FYSS_PLAIN)
                resolve_plain(node);
        else
                node->type = JSON_STRING;
}

static void on_collection(struct reader *r, enum json_type type, bool marked, int line, int column)
{
        struct node *node;

        if (marked) {
                complain(r, line, column,
                         "tags (!…) and anchors (&…) are not taken; write the value plainly");
                return;
        }
        if (r->open && r->open->type == JSON_OBJECT && !r->has_key) {
                complain(r, line, column, "a key must be a plain word");
                return;
        }
        if (r->depth == DOCUMENT_DEPTH_MAX) {
                complain(r, line, column, "nested more than %d levels deep", DOCUMENT_DEPTH_MAX);
                return;
        }
        node = attach(r, line, column);
        if (!node)
                return;
        node->type = type;
        r->open = node;
        r->depth++;
        r->has_key = false;
}

static void on_end(struct reader *r)
{
        if (!r->open)
                return;
        r->open = (struct node *)r->open->parent; /* ours, made writable */
        r->depth--;
        r->has_key = false;
}

static bool on_event(void *arg, struct fy_event *event, int line, int column)
{
        struct reader *r = arg;

        switch (event->type) {
        case FYET_DOCUMENT_START:
                if (++r->documents > 1)
                        complain(r, line, column, "there is a second document; give one at a time");
                break;
        case FYET_SCALAR:
                on_scalar(r, event, line, column);
                break;
        case FYET_MAPPING_START:
                on_collection(r, JSON_OBJECT, event->mapping_start.anchor || event->mapping_start.tag, line,
                              column);
                break;
        case FYET_SEQUENCE_START:
                on_collection(r, JSON_ARRAY, event->sequence_start.anchor || event->sequence_start.tag, line,
                              column);
                break;
        case FYET_MAPPING_END:
        case FYET_SEQUENCE_END:
                on_end(r);
                break;
        case FYET_ALIAS:
                complain(r, line, column - 1, "aliases (*…) are not taken; write the value out");
                break;
        default:
                break;
        }
        return !stopped(r);
}

/* libfyaml's first line is "<source>:12:3: error: message". */
static void tell_diagnosis(struct reader *r)
{
        struct str text = str_trim(buf_str(&r->diagnosis));
        struct str line, part;
        int64_t at[2] = {0, 0};

        (void)str_cut(&text, '\n', &line);
        for (int found = 0; found < 2 && str_cut(&line, ':', &part);)
                if (str_to_i64(str_trim(part), &at[found]))
                        found++;
        line = str_trim(line);
        if (str_starts(line, STR("error:")))
                line = str_trim(str_slice(line, 6, SIZE_MAX));
        complain(r, (int)at[0], (int)at[1], "not valid YAML: %.*s", STR_ARG(line));
}

static void parse(struct reader *r, struct str text)
{
        enum yaml_outcome outcome = yaml_read(text, on_event, r, &r->diagnosis);

        if (outcome == YAML_NO_MEMORY)
                complain(r, 0, 0, "no memory to read it");
        else if (outcome == YAML_INVALID && !stopped(r))
                tell_diagnosis(r);
}

const struct node *document_read(struct str text, struct problems *problems)
{
        struct reader r = {.problems = problems};

        buf_init(&r.diagnosis, 4096);
        if (text.len > DOCUMENT_BYTES_MAX)
                complain(&r, 0, 0, "the document has %zu bytes; at most %d are taken", text.len,
                         DOCUMENT_BYTES_MAX);
        else if (!str_is_utf8(text))
                complain(&r, 0, 0, "the document is not UTF-8");
        else
                parse(&r, text);
        if (problems->errors == 0 && (!r.root || r.root->type != JSON_OBJECT))
                complain(&r, r.root ? r.root->line : 0, r.root ? r.root->column : 0,
                         "the document must be a mapping of keys to values");
        buf_done(&r.diagnosis);
        return problems->errors > 0 || arena_failed(problems->arena) ? NULL : r.root;
}

/* ---- looking into it ---------------------------------------------------------------------------------- */

const struct node *node_get(const struct node *object, const char *key)
{
        if (!object || object->type != JSON_OBJECT)
                return NULL;
        for (const struct node *node = object->first; node; node = node->next)
                if (str_is(node->key, key))
                        return node;
        return NULL;
}

struct str node_text(const struct node *object, const char *key)
{
        const struct node *node = node_get(object, key);

        return node && node->type == JSON_STRING ? node->text : (struct str){NULL, 0};
}

/* RFC 6901 section 3: "~" and "/" are escaped. */
static void append_step(struct buf *buf, const struct node *node)
{
        buf_append_char(buf, '/');
        if (!node->key.ptr) {
                buf_printf(buf, "%u", node->index);
                return;
        }
        for (size_t i = 0; i < node->key.len; i++)
                if (node->key.ptr[i] == '~' || node->key.ptr[i] == '/')
                        buf_append_c(buf, node->key.ptr[i] == '~' ? "~0" : "~1");
                else
                        buf_append_char(buf, node->key.ptr[i]);
}

struct str node_path(struct arena *arena, const struct node *node)
{
        const struct node *way[DOCUMENT_DEPTH_MAX + 2];
        unsigned count = 0;
        struct str path;
        BUF_SCOPED text;

        buf_init(&text, (DOCUMENT_KEY_MAX * 2 + 2) * (DOCUMENT_DEPTH_MAX + 2));
        for (; node->parent && count < sizeof(way) / sizeof(way[0]); node = node->parent)
                way[count++] = node;
        while (count > 0)
                append_step(&text, way[--count]);
        path = arena_str(arena, buf_str(&text));
        return path.ptr ? path : STR("");
}

bool node_to_json(struct arena *arena, const struct node *node, struct json *ret, struct err *err)
{
        struct json_member *members;
        struct json *items;

        *ret = (struct json){.type = node->type, .count = node->count};
        switch (node->type) {
        case JSON_OBJECT:
                ret->members = members = ARENA_ARRAY(arena, struct json_member, node->count + 1U);
                for (const struct node *child = node->first; members && child; child = child->next) {
                        members->key = child->key;
                        if (!node_to_json(arena, child, &(members++)->value, err))
                                return false;
                }
                break;
        case JSON_ARRAY:
                ret->items = items = ARENA_ARRAY(arena, struct json, node->count + 1U);
                for (const struct node *child = node->first; items && child; child = child->next)
                        if (!node_to_json(arena, child, items++, err))
                                return false;
                break;
        case JSON_STRING:
                ret->string = node->text;
                break;
        case JSON_BOOL:
                ret->boolean = node->boolean;
                break;
        case JSON_INT:
        case JSON_UINT:
                ret->integer = node->integer;
                break;
        case JSON_DOUBLE:
                ret->number = node->number;
                break;
        case JSON_NULL:
                break;
        }
        return arena_check(arena, err);
}
