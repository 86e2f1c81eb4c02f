/* SPDX-License-Identifier: Apache-2.0 */
#include "executor/floor.h"

#include <errno.h>
#include <fcntl.h>
#include <libfyaml.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* One section of the file: what it sets, and what it leaves out. */
struct section {
        bool has_rule[EFFECT_DESTROYS + 1];
        struct floor_rule rules[EFFECT_DESTROYS + 1];
        bool has_operations;
        unsigned operation_count;
        struct str operations[FLOOR_OPERATIONS_MAX];
};

struct reader {
        struct fy_parser *parser;
        struct fy_diag *diag;
        struct fy_event *event; /* the one at hand; NULL before the first and after the last */
        int line, column;       /* of the last event that has a place (an empty value has none), from 1 */
        struct arena *arena;
        struct str environment;
        struct err *err;
        struct section fallback;
        struct section chosen;
        struct section other; /* of environments that are not ours: read for their mistakes */
        unsigned environment_count;
        struct str environments[FLOOR_ENVIRONMENTS_MAX];
};

/* ---- events ------------------------------------------------------------------------------------- */

static bool mistake(struct reader *r, const char *format, ...) PRINTF_LIKE(2, 3);
static bool mistake(struct reader *r, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        err_setv(r->err, ERR_CONFIG, format, args);
        va_end(args);
        snprintf(r->err->place, sizeof(r->err->place), "%d:%d", r->line, r->column);
        return err_prefix(r->err, "line %d", r->line);
}

static bool not_yaml(struct reader *r)
{
        struct fy_diag_error *error;
        void *iterator = NULL;

        error = fy_diag_errors_iterate(r->diag, &iterator);
        if (!error)
                return err_set(r->err, ERR_CONFIG, "the floor ends too early");
        return err_set_at(r->err, ERR_CONFIG, "yaml", "line %d: this is not YAML: %s", error->line + 1,
                          error->msg ? error->msg : "it cannot be read");
}

/* The next event; an alias, an anchor and a tag are mistakes, since they hide what a reader sees. */
static bool next(struct reader *r)
{
        struct fy_token *anchor = NULL, *tag = NULL;
        const struct fy_mark *mark;

        fy_parser_event_free(r->parser, r->event);
        r->event = fy_parser_parse(r->parser);
        if (!r->event)
                return not_yaml(r);
        mark = fy_event_start_mark(r->event);
        if (mark) {
                r->line = mark->line + 1;
                r->column = mark->column + 1;
        }
        switch (r->event->type) {
        case FYET_ALIAS:
                return mistake(r, "an alias is not allowed here; write the value out");
        case FYET_SCALAR:
                anchor = r->event->scalar.anchor;
                tag = r->event->scalar.tag;
                break;
        case FYET_MAPPING_START:
                anchor = r->event->mapping_start.anchor;
                tag = r->event->mapping_start.tag;
                break;
        case FYET_SEQUENCE_START:
                anchor = r->event->sequence_start.anchor;
                tag = r->event->sequence_start.tag;
                break;
        default:
                break;
        }
        if (anchor || tag)
                return mistake(r, "anchors and tags are not allowed here; write the plain value");
        return true;
}

static bool next_is(struct reader *r, enum fy_event_type type, const char *what)
{
        if (!next(r))
                return false;
        if (r->event->type != type)
                return mistake(r, "here must be %s", what);
        return true;
}

/* The scalar at hand, in the arena. */
static bool scalar(struct reader *r, struct str *ret)
{
        size_t len = 0;
        const char *text = fy_token_get_text(r->event->scalar.value, &len);

        *ret = arena_str(r->arena, str_make(text ? text : "", text ? len : 0));
        return arena_check(r->arena, r->err);
}

static bool next_scalar(struct reader *r, const char *what, struct str *ret)
{
        return next_is(r, FYET_SCALAR, what) && scalar(r, ret);
}

/* The next key of a mapping, or its end. */
static bool next_key(struct reader *r, struct str *ret_key, bool *ret_end)
{
        if (!next(r))
                return false;
        *ret_end = r->event->type == FYET_MAPPING_END;
        if (*ret_end)
                return true;
        if (r->event->type != FYET_SCALAR)
                return mistake(r, "a key must be a word");
        return scalar(r, ret_key);
}

/* ---- the file -------------------------------------------------------------------------------------- */

static bool read_rule(struct reader *r, enum effect effect, struct floor_rule *ret)
{
        struct str value = STR_NULL;
        uint64_t number;

        if (!next_scalar(r, "`refuse` or a number of decisions", &value))
                return false;
        *ret = (struct floor_rule){0};
        if (str_is(value, "refuse")) {
                ret->refuse = true;
                return true;
        }
        if (str_is(value, "allow") && effect == EFFECT_READS)
                return true;
        if (!str_to_u64(value, &number) || number < 1 || number > FLOOR_DECISIONS_MAX)
                return mistake(r,
                               "\"%.*s\" is not possible for `%s`: write %s`refuse`, or how many decisions, "
                               "1 to %d",
                               STR_ARG(value), effect_name(effect),
                               effect == EFFECT_READS ? "`allow`, " : "", FLOOR_DECISIONS_MAX);
        ret->decisions = (unsigned)number;
        return true;
}

static bool read_operations(struct reader *r, struct section *section)
{
        struct str text = STR_NULL, operation, connector;

        if (!next_is(r, FYET_SEQUENCE_START, "a list of operations"))
                return false;
        for (;;) {
                if (!next(r))
                        return false;
                if (r->event->type == FYET_SEQUENCE_END)
                        return true;
                if (r->event->type != FYET_SCALAR)
                        return mistake(r, "an operation is written `docker container.list`");
                if (!scalar(r, &text))
                        return false;
                operation = text;
                if (!str_cut(&operation, ' ', &connector) || !catalogue_find(connector, operation))
                        return mistake(r,
                                       "\"%.*s\" is no operation of the catalogue; one is written `docker "
                                       "container.list`",
                                       STR_ARG(text));
                if (section->operation_count == FLOOR_OPERATIONS_MAX)
                        return mistake(r, "more than %d operations", FLOOR_OPERATIONS_MAX);
                section->operations[section->operation_count++] = text;
        }
}

static bool read_section(struct reader *r, struct section *section)
{
        enum effect effect;
        struct str key = STR_NULL;
        bool end = false;

        if (!next_is(r, FYET_MAPPING_START, "a mapping: `reads`, `changes`, `destroys`, `operations`"))
                return false;
        for (;;) {
                if (!next_key(r, &key, &end))
                        return false;
                if (end)
                        return true;
                if (effect_from(key, &effect)) {
                        if (section->has_rule[effect])
                                return mistake(r, "`%s` stands here twice", effect_name(effect));
                        section->has_rule[effect] = true;
                        if (!read_rule(r, effect, &section->rules[effect]))
                                return false;
                } else if (str_is(key, "operations")) {
                        if (section->has_operations)
                                return mistake(r, "`operations` stands here twice");
                        section->has_operations = true;
                        if (!read_operations(r, section))
                                return false;
                } else {
                        return mistake(r,
                                       "the key \"%.*s\" is not known; there are `reads`, `changes`, "
                                       "`destroys` and `operations`",
                                       STR_ARG(key));
                }
        }
}

static bool read_environments(struct reader *r)
{
        struct section *section;
        struct str name = STR_NULL;
        bool end = false;

        if (!next_is(r, FYET_MAPPING_START, "a mapping of environments"))
                return false;
        for (;;) {
                if (!next_key(r, &name, &end))
                        return false;
                if (end)
                        return true;
                for (unsigned i = 0; i < r->environment_count; i++) {
                        if (str_eq(r->environments[i], name))
                                return mistake(r, "the environment \"%.*s\" stands here twice",
                                               STR_ARG(name));
                }
                if (r->environment_count == FLOOR_ENVIRONMENTS_MAX)
                        return mistake(r, "more than %d environments", FLOOR_ENVIRONMENTS_MAX);
                r->environments[r->environment_count++] = name;
                r->other = (struct section){0};
                section = str_eq(name, r->environment) ? &r->chosen : &r->other;
                if (!read_section(r, section))
                        return false;
        }
}

static bool read_top(struct reader *r)
{
        bool has_default = false, has_environments = false, end;
        struct str key = STR_NULL;

        if (!next_is(r, FYET_MAPPING_START, "a mapping: `default`, `environments`"))
                return false;
        for (;;) {
                if (!next_key(r, &key, &end))
                        return false;
                if (end)
                        return true;
                if (str_is(key, "default") && !has_default) {
                        has_default = true;
                        if (!read_section(r, &r->fallback))
                                return false;
                } else if (str_is(key, "environments") && !has_environments) {
                        has_environments = true;
                        if (!read_environments(r))
                                return false;
                } else if (str_is(key, "default") || str_is(key, "environments")) {
                        return mistake(r, "`%.*s` stands here twice", STR_ARG(key));
                } else {
                        return mistake(
                                r, "the key \"%.*s\" is not known; there are `default` and `environments`",
                                STR_ARG(key));
                }
        }
}

static bool read_file(struct reader *r)
{
        return next_is(r, FYET_STREAM_START, "the floor") &&
               next_is(r, FYET_DOCUMENT_START, "`default` or `environments`; an empty file is no floor") &&
               read_top(r) && next_is(r, FYET_DOCUMENT_END, "the end") &&
               next_is(r, FYET_STREAM_END, "the end: one document only");
}

/* ---- what follows from it ---------------------------------------------------------------------------- */

static void apply(struct floor *floor, const struct section *section)
{
        for (int effect = EFFECT_READS; effect <= EFFECT_DESTROYS; effect++) {
                if (section->has_rule[effect])
                        floor->rules[effect] = section->rules[effect];
        }
        if (section->has_operations) {
                floor->only_listed = true;
                floor->operation_count = section->operation_count;
                memcpy(floor->operations, section->operations, sizeof(floor->operations));
        }
}

/* What production demands unless its own section says otherwise. */
static void apply_production(struct floor *floor, struct str environment)
{
        struct floor_rule *destroys = &floor->rules[EFFECT_DESTROYS];

        if (str_is(environment, "prd") && destroys->decisions < 2)
                destroys->decisions = 2;
}

static void floor_start(struct floor *floor)
{
        *floor = (struct floor){0};
        floor->rules[EFFECT_CHANGES].decisions = 1;
        floor->rules[EFFECT_DESTROYS].decisions = 1;
}

void floor_built_in(struct str environment, struct floor *ret)
{
        floor_start(ret);
        apply_production(ret, environment);
}

static bool reader_init(struct reader *r, struct str text)
{
        struct fy_parse_cfg config = {.flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG};
        struct fy_diag_cfg diag;

        fy_diag_cfg_default(&diag);
        diag.fp = NULL;
        r->diag = fy_diag_create(&diag);
        if (!r->diag)
                return err_set(r->err, ERR_NO_MEMORY, "no memory to read the floor");
        fy_diag_set_collect_errors(r->diag, true);
        config.diag = r->diag;
        r->parser = fy_parser_create(&config);
        if (!r->parser || fy_parser_set_string(r->parser, text.ptr, text.len) != 0)
                return err_set(r->err, ERR_NO_MEMORY, "no memory to read the floor");
        return true;
}

static void reader_done(struct reader *r)
{
        if (r->parser) {
                fy_parser_event_free(r->parser, r->event);
                fy_parser_destroy(r->parser);
        }
        if (r->diag)
                fy_diag_destroy(r->diag);
}

bool floor_parse(struct arena *arena, struct str text, struct str environment, struct floor *ret,
                 struct err *err)
{
        struct reader *r = ARENA_NEW(arena, struct reader);
        bool ok;

        if (!r)
                return arena_check(arena, err);
        if (text.len == 0 || text.len > FLOOR_FILE_MAX_BYTES || !str_is_utf8(text))
                return err_set(err, ERR_CONFIG, "a floor is YAML in UTF-8, 1 to %d bytes",
                               FLOOR_FILE_MAX_BYTES);
        r->arena = arena;
        r->environment = environment;
        r->err = err;
        r->line = r->column = 1;
        ok = reader_init(r, text) && read_file(r);
        reader_done(r);
        if (!ok)
                return false;
        floor_start(ret);
        apply(ret, &r->fallback);
        apply_production(ret, environment);
        apply(ret, &r->chosen);
        return true;
}

static bool read_bytes(int fd, struct buf *buf, const char *path, struct err *err)
{
        for (;;) {
                char *room = buf_reserve(buf, 4096);
                ssize_t n;

                if (!room)
                        return err_set(err, ERR_CONFIG, "the floor %s is larger than %d bytes", path,
                                       FLOOR_FILE_MAX_BYTES);
                n = read(fd, room, 4096);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return err_set_errno(err, ERR_CONFIG, errno, "cannot read the floor %s", path);
                if (n == 0)
                        return true;
                buf_advance(buf, (size_t)n);
        }
}

bool floor_load(struct arena *arena, const char *path, struct str environment, struct floor *ret,
                struct err *err)
{
        BUF_SCOPED buf;
        int fd;
        bool ok;

        buf_init(&buf, FLOOR_FILE_MAX_BYTES + 4096);
        if (!path) {
                floor_built_in(environment, ret);
                return true;
        }
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return err_set_errno(err, ERR_CONFIG, errno, "cannot open the floor %s", path);
        ok = read_bytes(fd, &buf, path, err);
        close(fd);
        if (!ok)
                return false;
        if (!floor_parse(arena, buf_str(&buf), environment, ret, err))
                return err_prefix(err, "the floor %s", path);
        return true;
}

bool floor_check(const struct floor *floor, struct str connector, struct str operation, enum effect effect,
                 unsigned *ret_decisions, struct err *err)
{
        const struct floor_rule *rule = &floor->rules[effect];
        bool listed = !floor->only_listed;

        for (unsigned i = 0; i < floor->operation_count && !listed; i++) {
                struct str name = floor->operations[i], first;

                listed = str_cut(&name, ' ', &first) && str_eq(first, connector) && str_eq(name, operation);
        }
        if (!listed)
                return err_set(err, ERR_FLOOR_REFUSED,
                               "this executor's floor lists the operations that it runs, and %.*s %.*s is "
                               "not among them",
                               STR_ARG(connector), STR_ARG(operation));
        if (rule->refuse)
                return err_set(err, ERR_FLOOR_REFUSED, "this executor's floor refuses whatever %s",
                               effect_name(effect));
        *ret_decisions = rule->decisions;
        return true;
}
