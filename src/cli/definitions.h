/* SPDX-License-Identifier: Apache-2.0 */
/* What commands about other things need of definitions. */
#pragma once

#include "cli/cli.h"

/* An id, or KIND/NAME@VERSION of the profile's workspace. NOT_FOUND. */
bool definition_id(struct cli *cli, struct str reference, struct str *ret_id, struct err *err) MUST_USE;
