/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Docker connector: containers, images, networks and volumes of one Docker
 * Engine, over its Unix socket (Engine API 1.41).
 *
 * Requests are built from the typed model only: ids that were checked, parameters
 * of the catalogue, and a body that this code writes. No byte of a statement is
 * copied into a path or a body unchecked. What could reach the host (privileged
 * mode, binds, devices, capabilities, the host's namespaces) has no parameter,
 * and the body says no to each of them.
 */
#pragma once

#include "executor/connectors/connector.h"

#define DOCKER_SOCKET_DEFAULT "/var/run/docker.sock"

struct docker_config {
        const char *socket_path;   /* NULL = DOCKER_SOCKET_DEFAULT */
        int64_t read_timeout_ms;   /* 0 = 10 s: of a request that changes nothing */
        int64_t change_timeout_ms; /* 0 = 60 s: of one that does, beside its own parameters */
        /*
         * 0 = 5 s: how long after its beginning an operation that left no trace may
         * still be under way in the engine, beside its own parameters.
         */
        int64_t settle_ms;
};

bool docker_connector_new(const struct docker_config *config, struct connector **ret,
                          struct err *err) MUST_USE;
