/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conditions of bindings: CEL (src/cel) over facts of the request. A condition
 * is checked when it is written: unknown names, wrong types and costs above the
 * limit are refused with the place. Names and types stand in condition.c and,
 * for people, in docs/access.md.
 */
#pragma once

#include "api/principal.h"
#include "base/arena.h"
#include "base/err.h"
#include "cel/cel.h"
#include "cel/many.h"

enum { CONDITION_MAX_BYTES = 2000, CONDITION_COST_MAX = 5000 };

/* The names that a condition may use; made once, then only read. */
struct condition_env;

/* NULL: err says why. */
struct condition_env *condition_env_new(struct err *err) MUST_USE;
void condition_env_free(struct condition_env *env);

/* EXPRESSION, at "line:column", when it is not a condition. Free with cel_program_free. */
bool condition_compile(const struct condition_env *env, struct str text, struct cel_program **ret,
                       struct err *err) MUST_USE;
/* Whether it depends on what only the handler of a request knows of the resource. */
bool condition_is_late(const struct condition_env *env, const struct cel_program *program);
/* Whether it depends on what is known of a workspace. */
bool condition_needs_place(const struct condition_env *env, const struct cel_program *program);

/* What a condition can look at. Absent strings are {NULL, 0} and read as "". */
struct access_facts {
        int64_t now_ms;
        struct str peer;        /* the client's address */
        struct str environment; /* late: "prd" */

        struct str resource_type; /* late: "workspace", "action", … */
        struct str resource_id;   /* late */
        struct str resource_owner;
        struct str tenant;
        struct str organization;
        struct str workspace;
        struct str region;
        struct str data_mode;
        const struct json *labels;     /* an object of strings; NULL: none */
        const struct json *properties; /* of an AuthZEN resource; NULL: none */

        struct str permission; /* what is asked for: "action.submit" */
        struct str operation;  /* the contract's name of it, "" for other programs */
        const struct json *action_properties;
        const struct json *context;

        const struct principal *principal;
        const struct str *groups; /* names */
        size_t group_count;
        const struct json *principal_properties;

        bool partial; /* what is late is not known yet */
};

enum condition_outcome { CONDITION_FALSE, CONDITION_TRUE, CONDITION_FAILED, CONDITION_UNKNOWN };

/*
 * `scratch` takes what the evaluation needs, and is rewound. CONDITION_UNKNOWN
 * when the facts are partial and the condition is late. `trace` (NULL: none)
 * records the values for cel_trace_append; then nothing is rewound.
 * `ret_failed` (NULL: not wanted) says why it failed.
 */
enum condition_outcome condition_evaluate(const struct condition_env *env, const struct cel_program *program,
                                          bool late, const struct access_facts *facts, struct arena *scratch,
                                          struct cel_trace *trace, struct err *ret_failed);

/*
 * Many conditions over one set of facts, as condition_evaluate would answer each of them when nothing is
 * partial: those that are late are left out by the caller.
 */
struct condition_many {
        struct cel_activation activation;
        struct cel_many_eval eval;
        struct arena *scratch;
        struct arena_mark mark;
};
void condition_many_begin(const struct cel_many *many, const struct access_facts *facts,
                          struct arena *scratch, struct condition_many *ret);
/* The first of `conditions` that is true or, with `failed`, that is not false, or `count`. */
uint32_t condition_many_find(struct condition_many *many, const uint32_t *conditions, uint32_t count,
                             bool failed);
/* Gives back what it took of `scratch`. */
void condition_many_end(struct condition_many *many);
