/* SPDX-License-Identifier: Apache-2.0 */
/* The generated tables' rows. Private to src/access. */
#pragma once

#include "access/roles.h"

enum { PERMISSION_AT_PLATFORM = 1, PERMISSION_AT_TENANT = 2, PERMISSION_AT_WORKSPACE = 4 };

struct role_row {
        const char *name;
        const char *about;
        unsigned kinds;    /* bits of enum principal_kind */
        enum role same_as; /* ROLE_COUNT: none */
        struct permission_set permissions;
        struct permission_set owner;
        struct permission_set platform;
};

struct permission_row {
        const char *about;
        bool writes;
        int see; /* enum permission; -1: any that reads */
        unsigned levels;
        unsigned kinds;
};

extern const struct role_row access_roles[ROLE_COUNT];
extern const struct permission_row access_permissions[PERMISSION_COUNT];
