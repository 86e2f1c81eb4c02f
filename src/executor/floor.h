/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor: what this executor demands by itself, whatever the server says. A
 * local YAML file that only this machine's operator writes:
 *
 *   default:                 # for every environment that is not named below
 *     reads: allow           # allow, refuse, or how many decisions (1 to 16)
 *     changes: 1             # how many decisions, or refuse
 *     destroys: 1
 *   environments:
 *     prd:
 *       destroys: 2
 *       operations:          # where given, nothing else runs
 *         - docker container.list
 *         - docker container.restart
 *
 * What is left out is as in `default`, and there as in the built-in floor: reads
 * allowed, changes 1, destroys 1, and in an environment called `prd` destroys 2.
 * A key that is not known, a key twice, a value of zero, an alias or a second
 * document is a mistake, named with its line.
 */
#pragma once

#include "base/arena.h"
#include "catalogue/catalogue.h"

enum {
        FLOOR_ENVIRONMENTS_MAX = 32,
        FLOOR_OPERATIONS_MAX = 64,
        FLOOR_DECISIONS_MAX = 16,
        FLOOR_FILE_MAX_BYTES = 64 * 1024,
};

struct floor_rule {
        bool refuse;
        unsigned decisions; /* at least so many; 0: none are needed, for reads only */
};

/* The floor of one environment. */
struct floor {
        struct floor_rule rules[EFFECT_DESTROYS + 1]; /* by enum effect */
        bool only_listed;
        unsigned operation_count;
        struct str operations[FLOOR_OPERATIONS_MAX]; /* "docker container.list"; in the arena */
};

/* Without a file. */
void floor_built_in(struct str environment, struct floor *ret);

/* The text's floor for the environment. CONFIG, with "line:column" as the place. */
bool floor_parse(struct arena *arena, struct str text, struct str environment, struct floor *ret,
                 struct err *err) MUST_USE;
/* From a file; `path` NULL gives the built-in floor. */
bool floor_load(struct arena *arena, const char *path, struct str environment, struct floor *ret,
                struct err *err) MUST_USE;

/*
 * Whether the operation may run at all, and with how many decisions at least.
 * FLOOR_REFUSED when it may not.
 */
bool floor_check(const struct floor *floor, struct str connector, struct str operation, enum effect effect,
                 unsigned *ret_decisions, struct err *err) MUST_USE;
