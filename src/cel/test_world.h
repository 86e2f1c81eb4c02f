/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the engine's tests share: a host with a list, a map and a type of its
 * own, and variables that are fetched. Private to src/cel.
 */
#pragma once

#include "cel/cel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct numbers {
        struct cel_host_list list;
        uint32_t count;
};

struct request {
        struct cel_host_map map;
        const char *method;
        unsigned asked;
};

struct color {
        struct cel_opaque opaque;
        int rgb;
};

struct world {
        struct arena arena;
        struct cel_env *env;
        struct numbers numbers;
        struct request request;
        struct color red;
        struct cel_value values[8];
        unsigned fetched;
};

int world_setup(void **state);
int world_teardown(void **state);
/* slot 3 is a string, 4 cannot be fetched, others have no value. `data` is the world. */
struct cel_value world_fetch(void *data, struct cel_call *call, uint32_t slot);
/* Fails the test when the expression is wrong. */
struct cel_program *world_compile(struct world *w, const char *expression);
