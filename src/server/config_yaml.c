/* SPDX-License-Identifier: Apache-2.0 */
#include "server/config_yaml.h"

#include "base/yaml.h"

#include <libfyaml.h>
#include <stdio.h>

enum { DEPTH_MAX = 4, KEY_MAX = 200 };

struct reader {
        struct arena *arena;
        const char *file_name;
        struct buf *problems;
        struct buf diagnosis;
        struct yaml_entry *first;
        struct yaml_entry **last;
        struct str keys[DEPTH_MAX]; /* of the mappings around, outermost first */
        unsigned depth;             /* open mappings */
        bool has_key;               /* keys[depth - 1] waits for its value */
        bool ok;
};

static void complain(struct reader *r, int line, const char *what)
{
        buf_printf(r->problems, "%s:%d: %s\n", r->file_name, line, what);
        r->ok = false;
}

static struct str key_path(struct reader *r)
{
        char path[KEY_MAX] = "";
        size_t at = 0;

        for (unsigned i = 0; i < r->depth && at < sizeof(path); i++) {
                int len = snprintf(path + at, sizeof(path) - at, "%s%.*s", i > 0 ? "." : "",
                                   STR_ARG(r->keys[i]));

                at += len > 0 ? (size_t)len : 0;
        }
        return arena_str(r->arena, str_from(path));
}

static void entry_add(struct reader *r, struct str value, int line)
{
        struct yaml_entry *entry = ARENA_NEW(r->arena, struct yaml_entry);

        if (!entry)
                return;
        *entry = (struct yaml_entry){.key = key_path(r), .value = arena_str(r->arena, value), .line = line};
        for (const struct yaml_entry *other = r->first; other; other = other->next)
                if (str_eq(other->key, entry->key)) {
                        buf_printf(r->problems, "%s:%d: %.*s: appears again; it is set on line %d\n",
                                   r->file_name, line, STR_ARG(entry->key), other->line);
                        r->ok = false;
                        return;
                }
        *r->last = entry;
        r->last = &entry->next;
}

static void on_scalar(struct reader *r, struct fy_event *event, int line)
{
        size_t len = 0;
        const char *text = fy_token_get_text(event->scalar.value, &len);

        if (event->scalar.tag)
                complain(r, line, "a YAML tag is not allowed here");
        if (r->depth == 0) {
                if (len > 0)
                        complain(r, line, "the file must be a mapping of keys to values");
                return;
        }
        if (!r->has_key) {
                r->keys[r->depth - 1] = arena_str(r->arena, str_make(text, len));
                r->has_key = true;
                return;
        }
        entry_add(r, str_make(text, len), line);
        r->has_key = false;
}

static void on_mapping(struct reader *r, int line)
{
        if (r->depth > 0 && !r->has_key)
                complain(r, line, "a key must be a plain word");
        if (r->depth == DEPTH_MAX) {
                complain(r, line, "nested too deep");
                return;
        }
        r->depth++;
        r->has_key = false;
}

static bool on_event(void *arg, struct fy_event *event, int line, int column)
{
        struct reader *r = arg;

        (void)column;
        switch (event->type) {
        case FYET_SCALAR:
                on_scalar(r, event, line);
                break;
        case FYET_MAPPING_START:
                on_mapping(r, line);
                break;
        case FYET_MAPPING_END:
                if (r->depth > 0)
                        r->depth--;
                r->has_key = false;
                break;
        case FYET_SEQUENCE_START:
                complain(r, line, "a list is not allowed here");
                break;
        case FYET_ALIAS:
                complain(r, line, "an alias is not allowed here");
                break;
        default:
                break;
        }
        return r->ok;
}

static void parse(struct reader *r, struct str text)
{
        enum yaml_outcome outcome = yaml_read(text, on_event, r, &r->diagnosis);

        if (outcome == YAML_NO_MEMORY)
                complain(r, 0, "no memory to read it");
        if (outcome == YAML_INVALID) {
                buf_printf(r->problems, "%s: not valid YAML: %.*s\n", r->file_name,
                           STR_ARG(str_trim(buf_str(&r->diagnosis))));
                r->ok = false;
        }
}

bool config_yaml_read(struct arena *arena, struct str text, const char *file_name,
                      struct yaml_entry **ret_entries, struct buf *problems)
{
        struct reader r = {.arena = arena, .file_name = file_name, .problems = problems, .ok = true};

        r.last = &r.first;
        buf_init(&r.diagnosis, 4096);
        if (!str_is_utf8(text))
                complain(&r, 0, "not UTF-8");
        else if (text.len > 0)
                parse(&r, text);
        buf_done(&r.diagnosis);
        if (arena_failed(arena))
                complain(&r, 0, "larger than a configuration may be");
        *ret_entries = r.first;
        return r.ok;
}
