/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets that a person types or pipes: never from the command line, where every process could read them. */
#pragma once

#include "base/arena.h"

/*
 * The next line of standard input without its end, into the arena. On a terminal
 * it is asked for with `what` and not shown. ERR_BAD_PARAMETER when nothing comes; `otherwise`
 * says what to do then.
 */
bool secret_input_read(struct arena *arena, const char *what, const char *otherwise, struct str *ret,
                       struct err *err) MUST_USE;
