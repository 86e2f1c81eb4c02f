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
        struct id credential; /* the API key (key_…) or the session (ses_…) that was shown */
        struct id session;    /* ses_… when it was a session; "" for API keys */
        struct str name;
        struct str realm;         /* where the person logged in: "local", a realm's id; "" for API keys */
        struct str methods;       /* how: RFC 8176 "amr" values with blanks between; "" for API keys */
        int64_t authenticated_ms; /* when; for API keys the time when the key was made */
        int64_t second_factor_ms; /* when a second factor was shown; 0: never */
        int64_t expires_ms;       /* until when the credential holds; 0: without end */
        struct str agent_scope;   /* of an agent's token: "read_only", …; {NULL, 0}: not said */
        struct str risk_tier;     /* {NULL, 0}: not said */
        bool browser;   /* a session that a browser was given: the only credential that a cookie may hold */
        bool by_cookie; /* a browser sent it by itself: unsafe requests need proof of their origin */
        bool scoped;    /* whether the credential itself is limited, to `scopes` */
        struct permission_set scopes;
        struct permission_set permissions; /* of enum permission: what holds at this request's level */
        struct permission_set owner;       /* and what holds there on the principal's own resources only */
        bool platform;                     /* of the platform's own tenant: may hold platform permissions */
};

static inline bool principal_may(const struct principal *principal, unsigned permission)
{
        return permission_set_has(&principal->permissions, permission);
}

/* "user", "service", "agent", "executor", "nobody". */
const char *principal_kind_name(enum principal_kind kind);
