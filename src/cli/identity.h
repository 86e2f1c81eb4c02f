/* SPDX-License-Identifier: Apache-2.0 */
/* Finding principals by what a person types. */
#pragma once

#include "cli/client.h"

/* The principal with this id, or the only one with this name. ERR_NOT_FOUND, ERR_BAD_PARAMETER. */
BLOCKING_FN bool principal_find(struct cli *cli, struct str text, struct json *ret,
                                struct err *err) MUST_USE;
