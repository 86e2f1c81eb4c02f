/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalogue: every operation that an action can ask for, typed. Server,
 * executor and command line hold the same table and each checks against its
 * own copy; nothing outside the table can be asked for, approved or run.
 *
 * The table stands in operations.c. All of it is constant; every function here
 * may be called from any thread.
 */
#pragma once

#include "base/json.h"

enum effect {
        EFFECT_READS,    /* nothing is different afterwards */
        EFFECT_CHANGES,  /* something is, and can be changed back */
        EFFECT_DESTROYS, /* something is gone */
};

/* "reads", "changes", "destroys". */
const char *effect_name(enum effect effect);
bool effect_from(struct str name, enum effect *ret) MUST_USE;

/* What kind of thing an operation acts on. */
enum target_kind {
        TARGET_NONE,
        TARGET_CONTAINER, /* name or id */
        TARGET_IMAGE,     /* reference (repository, tag, digest) or id */
        TARGET_NETWORK,   /* name or id */
        TARGET_VOLUME,    /* name; Docker gives volumes no id */
        /* Of the server's own connector `countersign`: by id. */
        TARGET_TENANT,
        TARGET_WORKSPACE,
        TARGET_DOCUMENT, /* a definition, a policy, a binding: anything that has an id and a digest */
};

/* "none", "container", "image", "network", "volume", "tenant", "workspace", "document". */
const char *target_kind_name(enum target_kind kind);

/*
 * A fact about a target that its executor resolved, frozen in the statement's
 * `target` beside `name`, which is what was asked for. All facts are strings.
 */
struct target_fact {
        const char *name;
        const char *label; /* for people */
        bool required;
};

/*
 * The facts of a kind, in the order in which people read them.
 *
 *   container  id (64 hex digits), known_as (its name), image (the reference that
 *              it was made from), image_id (`sha256:` and 64 hex digits)
 *   image      id (`sha256:` and 64 hex digits), known_as (tags, joined by ", ")
 *   network    id (64 hex digits), known_as, driver
 *   volume     id (its name), created (as the engine writes it), driver
 *   tenant     id, known_as (its name), region
 *   workspace  id, known_as (its name), region
 *   document   id, known_as (its name), version, digest (64 hex digits)
 */
const struct target_fact *target_kind_facts(enum target_kind kind, unsigned *ret_count);

/* Whether the value can be the fact: for `id` its form, for all length and characters. */
bool target_fact_check(enum target_kind kind, struct str fact, struct str value, struct err *err) MUST_USE;

/* Whether the text can name a target of the kind at all. Place: /target. */
bool target_check(enum target_kind kind, struct str target, struct err *err) MUST_USE;

/*
 * A target given as a full id needs nobody to resolve it: true, with the id as
 * the fact `id` has it. Never for volumes, which only have names, nor for what the server itself
 * resolves.
 */
bool target_is_full_id(struct arena *arena, enum target_kind kind, struct str target, struct str *ret_id);

enum parameter_type {
        PARAMETER_BOOLEAN,
        PARAMETER_INTEGER,
        PARAMETER_STRING,
        PARAMETER_STRING_LIST,
        PARAMETER_STRING_MAP,
};

/* "boolean", "integer", "string", "string_list", "string_map". */
const char *parameter_type_name(enum parameter_type type);

struct catalogue_parameter {
        const char *name;
        enum parameter_type type;
        bool required;
        /*
         * Handed to a program that nobody here understands, such as a command:
         * people see it marked as uninspectable.
         */
        bool opaque;
        const char *label;   /* for people: "Memory limit (bytes)" */
        const char *summary; /* one line of help */
        /*
         * integer: the value; string: its bytes; list and map: the number of
         * items (`item_max_bytes` for each key and each value).
         */
        int64_t min, max;
        int64_t item_max_bytes;
        /* JSON; NULL: stays absent when it is not given. Never set together with `required`. */
        const char *default_json;
        /* For a string, a list's item, a map's key; NULL: anything. `form` says in words what it must be. */
        bool (*key_check)(struct str text);
        bool (*value_check)(struct str text);
        const char *form;
};

struct catalogue_operation {
        const char *connector;
        const char *name;    /* "container.remove" */
        const char *summary; /* "Remove a container" */
        enum effect effect;
        bool repeatable; /* running it twice does what running it once does */
        enum target_kind target;
        const struct catalogue_parameter *parameters; /* ordered by name */
        unsigned parameter_count;
};

size_t catalogue_count(void);
const struct catalogue_operation *catalogue_at(size_t index);
/* NULL: not in the catalogue. */
const struct catalogue_operation *catalogue_find(struct str connector, struct str operation);
const struct catalogue_parameter *catalogue_parameter_find(const struct catalogue_operation *operation,
                                                           struct str name);

/*
 * What somebody asked for: `given` (an object, or NULL for none) is checked and
 * every default filled in. The result is an object in the arena, ordered by
 * name. Errors: UNKNOWN_FIELD, MISSING_FIELD, BAD_FIELD, with the place under
 * /parameters.
 */
bool catalogue_parameters_fill(struct arena *arena, const struct catalogue_operation *operation,
                               const struct json *given, struct json *ret, struct err *err) MUST_USE;

/*
 * What a statement says: as above, and nothing may be missing that has a
 * default, since the statement must hold all that will happen.
 */
bool catalogue_parameters_check(const struct catalogue_operation *operation, const struct json *parameters,
                                struct err *err) MUST_USE;

/*
 * Reads of parameters that were filled or checked. Absent: false, 0, {NULL, 0}, NULL.
 */
bool parameter_bool(const struct json *parameters, const char *name);
int64_t parameter_int(const struct json *parameters, const char *name);
struct str parameter_string(const struct json *parameters, const char *name);
/* The array or object itself. */
const struct json *parameter_json(const struct json *parameters, const char *name);
