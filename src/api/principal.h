/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who acts, as the pipeline found it out. Plain data: the strings live in the
 * request's arena. The permissions are generated from api/roles.yaml
 * (api_permissions.h: enum permission).
 */
#pragma once

#include "api/permission_set.h"
#include "base/id.h"
#include "base/str.h"

#include <stdint.h>

enum principal_kind {
        PRINCIPAL_NOBODY, /* not authenticated */
        PRINCIPAL_USER,
        PRINCIPAL_SERVICE,
        PRINCIPAL_AGENT,
        PRINCIPAL_EXECUTOR,
};

struct principal {
        enum principal_kind kind;
        struct id id;         /* usr_…, svc_…, agt_…, exe_…; "" for nobody */
        struct id tenant;     /* whose principal it is; "" for nobody */
        struct str region;    /* of the tenant's home cell, where the principal's row is */
        struct id workspace;  /* the only workspace that the credential reaches (executors); "" for any */
        struct id credential; /* the API key that was shown (key_…) */
        struct str name;
        struct permission_set permissions; /* of enum permission: what holds at this request's level */
        struct permission_set owner;       /* and what holds there on the principal's own resources only */
        uint32_t roles;                    /* bits of enum role (access/roles.h) */
        bool platform;                     /* of the platform's own tenant: may hold platform permissions */
};

static inline bool principal_may(const struct principal *principal, unsigned permission)
{
        return permission_set_has(&principal->permissions, permission);
}

/* "user", "service", "agent", "executor", "nobody". */
const char *principal_kind_name(enum principal_kind kind);
