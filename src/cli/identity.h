/* SPDX-License-Identifier: Apache-2.0 */
/* Finding principals by what a person types. */
#pragma once

#include "cli/client.h"

/* The principal with this id, or the only one with this name. ERR_NOT_FOUND, ERR_BAD_PARAMETER. */
BLOCKING_FN bool principal_find(struct cli *cli, struct str text, struct json *ret,
                                struct err *err) MUST_USE;
/* The id itself, or the id of the only principal with that name. */
BLOCKING_FN bool principal_id(struct cli *cli, struct str text, struct str *ret, struct err *err) MUST_USE;
/* A new key: into the profile that --write-profile names, else shown, once. */
bool secret_show(struct cli *cli, struct str secret, struct str tenant, struct str workspace,
                 struct str principal, struct err *err) MUST_USE;
