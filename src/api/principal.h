/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who acts, as the pipeline found it out. Plain data: the strings live in the
 * request's arena. The permission bits are generated from api/openapi.yaml
 * (api_permissions.h: enum permission); src/identity fills them from roles.
 */
#pragma once

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
        uint64_t permissions; /* PERMISSION_BIT(…), over all bindings that reach this request's scope */
        uint32_t roles;       /* bits of enum role (src/identity) */
        bool platform;        /* of the platform's own tenant: may hold platform permissions */
};

#define PERMISSION_BIT(permission) ((uint64_t)1 << (permission))

static inline bool principal_may(const struct principal *principal, unsigned permission)
{
        return (principal->permissions >> permission & 1) != 0;
}

/* "user", "service", "agent", "executor", "nobody". */
const char *principal_kind_name(enum principal_kind kind);
