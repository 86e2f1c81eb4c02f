/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many conditions over the same variables, answered together: each answer is
 * what cel_eval_bool would give for that program alone, with its own cost
 * limit, errors and all, only sooner. A comparison of a variable with a
 * constant (a text, a list of texts, a prefix, a number, a time, a network) is
 * a few instructions; whatever else several conditions have in common is
 * evaluated once; the rest is left to cel_eval. Why a condition has no value
 * is not told here: cel_eval_bool tells it.
 */
#pragma once

#include "cel/cel.h"

/* Immutable, read by any number of threads; lives as long as its arena and the programs. */
struct cel_many;

/*
 * The programs must have been compiled in one environment. Memory is the
 * arena's: a condition that does not fit any more is answered by cel_eval.
 * `cost_limit` is that of each condition.
 */
bool cel_many_new(struct arena *arena, const struct cel_program *const *programs, uint32_t count,
                  uint64_t cost_limit, const struct cel_many **ret, struct err *err) MUST_USE;

enum cel_holds {
        CEL_HOLDS_NOT,
        CEL_HOLDS,
        CEL_HOLDS_FAILED, /* an error, no bool, the cost limit, or no memory */
};

struct cel_seen;

/* One set of facts. */
struct cel_many_eval {
        const struct cel_many *many;
        const struct cel_activation *activation;
        struct arena *scratch;
        struct cel_seen *seen; /* what is known of each term; NULL: no memory, all is evaluated plainly */
        struct cel_memo *memo;
        uint32_t evaluated; /* how often something had to be evaluated */
        uint64_t dearest;   /* the most that a term has cost */
        uint64_t spent;     /* by the condition at hand, on what was evaluated */
        bool unsure;        /* the condition at hand must be evaluated alone */
};

/* `scratch` keeps what is remembered; whoever owns it rewinds it when the last answer was given. */
void cel_many_begin(const struct cel_many *many, const struct cel_activation *activation,
                    struct arena *scratch, struct cel_many_eval *ret);

/*
 * `conditions` are indexes into the programs. Returns the index into
 * `conditions`, from `from` on, of the first that holds or, with `failed`, of
 * the first that does not come out false; *ret says how it came out. `count`
 * when there is none.
 */
uint32_t cel_many_find(struct cel_many_eval *eval, const uint32_t *conditions, uint32_t from, uint32_t count,
                       bool failed, enum cel_holds *ret);
