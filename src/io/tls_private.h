/* SPDX-License-Identifier: Apache-2.0 */
/* What the server and the client need of TLS. */
#pragma once

#include "io/net.h"
#include "io/tls.h"

/* A server's session on an accepted socket; false for want of memory. */
bool tls_accept(struct tls_server *tls, int fd, SSL **ret_ssl);

/* A client's session that will verify `host`, a name or an address. */
bool tls_connect(struct tls_client *tls, int fd, struct str host, SSL **ret_ssl, struct err *err) MUST_USE;
