/* SPDX-License-Identifier: Apache-2.0 */
/* What commands about documents share. */
#pragma once

#include "cli/cli.h"

/* A file; "-" is standard input. In the arena. */
bool definition_read_file(struct cli *cli, struct str path, size_t most, struct str *ret,
                          struct err *err) MUST_USE;
/* An id, or KIND/NAME@VERSION of the profile's workspace. NOT_FOUND. */
bool definition_id(struct cli *cli, struct str reference, struct str *ret_id, struct err *err) MUST_USE;
/* Asks for an operation of the server's own about a definition, and says who must agree. */
bool definition_ask(struct cli *cli, const char *operation, struct str target, const char *const *names,
                    const struct str *values, struct err *err) MUST_USE;
