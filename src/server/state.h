/* SPDX-License-Identifier: Apache-2.0 */
/* The running server, for its own handlers. Private to src/server. */
#pragma once

#include "identity/sessions.h"
#include "io/http_server.h"
#include "io/tls.h"
#include "log/log.h"
#include "server/pipeline.h"
#include "server/server.h"

#include <stdatomic.h>

struct server {
        struct services services; /* first: a handler's services are its server's */
        struct pipeline pipeline;
        struct log_signer signer;
        struct session_times session_times;
        struct envelope *envelope;
        struct root_key *root; /* what protects the root key file; NULL: its mode alone */
        struct tenant_keys *keys;
        struct store *store;
        struct loops *loops;
        struct tls_server *tls;
        struct http_server *http;
        char origin[256];
        char url[300];
        int64_t drain_ms;
        _Atomic bool ready;
        struct arena strings; /* copies of the configuration's */
};

static inline const struct server *server_of(const struct services *services)
{
        return (const struct server *)services;
}
