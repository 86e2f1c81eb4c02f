/* SPDX-License-Identifier: Apache-2.0 */
/* Names to addresses, sockets, TLS. On a fiber or on a plain thread. */
#include "io/http_client_private.h"

#include "base/clock.h"
#include "base/heap.h"
#include "io/tls_private.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A look-up outlives the fiber that stopped waiting for it. */
struct lookup {
        uv_getaddrinfo_t request;
        struct fiber *waiter; /* NULL = nobody wants it any more */
        struct addrinfo *result;
        int rc;
        bool is_done;
};

static void lookup_done(uv_getaddrinfo_t *request, int rc, struct addrinfo *result)
{
        struct lookup *lookup = CONTAINER_OF(request, struct lookup, request);
        struct loop *loop = CONTAINER_OF(request->loop, struct loop, uv);

        loop_enter(loop);
        lookup->rc = rc;
        lookup->result = result;
        lookup->is_done = true;
        if (lookup->waiter) {
                fiber_wake(lookup->waiter);
        } else {
                uv_freeaddrinfo(result);
                heap_free(lookup);
        }
        loop_leave(loop);
}

static FIBER_FN bool lookup_on_fiber(const char *name, const char *port, const struct addrinfo *hints,
                                     int64_t deadline_us, struct addrinfo **ret_list, struct err *err)
{
        struct lookup *lookup = heap_alloc_zeroed(1, sizeof(*lookup));
        int rc;

        if (!lookup)
                return err_set(err, ERR_NO_MEMORY, "no memory to look a name up");
        lookup->waiter = fiber_current();
        rc = uv_getaddrinfo(&loop_current()->uv, &lookup->request, lookup_done, name, port, hints);
        if (rc < 0) {
                heap_free(lookup);
                return err_set(err, ERR_UPSTREAM_UNREACHABLE, "cannot look up \"%s\": %s", name,
                               uv_strerror(rc));
        }
        fiber_suspend(deadline_us);
        if (!lookup->is_done) {
                lookup->waiter = NULL;
                return err_set(err, ERR_UPSTREAM_TIMEOUT, "looking up \"%s\" took too long", name);
        }
        rc = lookup->rc;
        *ret_list = lookup->result;
        heap_free(lookup);
        if (rc < 0)
                return err_set(err, ERR_UPSTREAM_UNREACHABLE, "cannot look up \"%s\": %s", name,
                               uv_strerror(rc));
        return true;
}

static FIBER_FN bool resolve(const struct http_origin *origin, int64_t deadline_us,
                             struct addrinfo **ret_list, struct err *err)
{
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
        char name[256];
        char port[8];
        int rc;

        snprintf(name, sizeof(name), "%.*s", STR_ARG(origin->host));
        snprintf(port, sizeof(port), "%u", origin->port);
        /* An address needs no look-up, and so no thread. */
        if (getaddrinfo(name, port, &hints, ret_list) == 0)
                return true;
        hints.ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG;
        if (loop_current())
                return lookup_on_fiber(name, port, &hints, deadline_us, ret_list, err);
        rc = getaddrinfo(name, port, &hints, ret_list);
        if (rc != 0)
                return err_set(err, ERR_UPSTREAM_UNREACHABLE, "cannot look up \"%s\": %s", name,
                               gai_strerror(rc));
        return true;
}

static FIBER_FN bool connect_to(struct http_client *client, const struct sockaddr *address, socklen_t len,
                                int64_t deadline_us, struct http_client_conn **ret_conn, struct err *err)
{
        int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        struct http_client_conn *conn;
        int number = 0;
        socklen_t number_len = sizeof(number);
        int one = 1;

        if (fd < 0)
                return err_set_errno(err, ERR_UPSTREAM_UNREACHABLE, errno, "cannot make a socket");
        if (address->sa_family != AF_UNIX)
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        conn = http_conn_new(client, fd, err);
        if (!conn)
                return false;
        if (connect(fd, address, len) != 0) {
                number = errno;
                if (number == EINPROGRESS) {
                        number = 0;
                        if (!net_wait(&conn->net, UV_WRITABLE, deadline_us))
                                number = ETIMEDOUT;
                        else
                                getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &number_len);
                }
        }
        if (number == 0) {
                *ret_conn = conn;
                return true;
        }
        http_conn_close(conn);
        return err_set_errno(err, number == ETIMEDOUT ? ERR_UPSTREAM_TIMEOUT : ERR_UPSTREAM_UNREACHABLE,
                             number, "cannot connect");
}

static FIBER_FN bool connect_unix(struct http_client *client, struct str path, int64_t deadline_us,
                                  struct http_client_conn **ret_conn, struct err *err)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};

        snprintf(address.sun_path, sizeof(address.sun_path), "%.*s", STR_ARG(path));
        if (connect_to(client, (struct sockaddr *)&address, sizeof(address), deadline_us, ret_conn, err))
                return true;
        return err_prefix(err, "%.*s", STR_ARG(path));
}

static FIBER_FN bool connect_host(struct http_client *client, const struct http_origin *origin,
                                  int64_t deadline_us, struct http_client_conn **ret_conn, struct err *err)
{
        struct addrinfo *list = NULL;
        bool is_connected = false;

        if (!resolve(origin, deadline_us, &list, err))
                return false;
        err_set(err, ERR_UPSTREAM_UNREACHABLE, "the name has no address that may be called");
        for (struct addrinfo *at = list; at && !is_connected; at = at->ai_next)
                is_connected =
                        (!client->config.address_is_good || client->config.address_is_good(at->ai_addr)) &&
                        connect_to(client, at->ai_addr, at->ai_addrlen, deadline_us, ret_conn, err);
        freeaddrinfo(list);
        return is_connected || err_prefix(err, "%.*s", STR_ARG(origin->authority));
}

static bool tls_failed(struct http_client_conn *conn, const struct http_origin *origin, int rc,
                       struct err *err)
{
        long verified = SSL_get_verify_result(conn->net.ssl);
        char reason[128];

        if (rc == -ETIMEDOUT)
                err_set(err, ERR_UPSTREAM_TIMEOUT, "the TLS handshake took too long");
        else if (verified != X509_V_OK)
                err_set(err, ERR_TLS, "the certificate is not accepted: %s",
                        X509_verify_cert_error_string(verified));
        else if (rc == -EPROTO)
                err_set(err, ERR_TLS, "the TLS handshake failed: %s",
                        net_tls_reason(reason, sizeof(reason)));
        else
                err_set_errno(err, ERR_TLS, -rc, "the TLS handshake failed");
        ERR_clear_error();
        return err_prefix(err, "%.*s", STR_ARG(origin->authority));
}

static FIBER_FN bool secure(struct http_client_conn *conn, const struct http_origin *origin,
                            int64_t deadline_us, struct err *err)
{
        int wait = UV_WRITABLE;
        int rc;

        if (!tls_connect(conn->client->config.tls, conn->net.fd, origin->host, &conn->net.ssl, err))
                return false;
        while ((rc = net_try_handshake(&conn->net, &wait)) == -EAGAIN) {
                if (!net_wait(&conn->net, wait, deadline_us)) {
                        rc = -ETIMEDOUT;
                        break;
                }
        }
        return rc == 0 || tls_failed(conn, origin, rc, err);
}

FIBER_FN bool http_connect(struct http_client *client, const struct http_origin *origin,
                           int64_t deadline_mono_us, struct http_client_conn **ret_conn, struct err *err)
{
        BUF_SCOPED key = {0};
        struct http_client_conn *conn;

        if (origin->is_tls && !client->config.tls)
                return err_set(err, ERR_BAD_PARAMETER, "https:// is not set up here");
        if (origin->unix_path.len > 0) {
                if (!connect_unix(client, origin->unix_path, deadline_mono_us, &conn, err))
                        return false;
        } else if (!connect_host(client, origin, deadline_mono_us, &conn, err)) {
                return false;
        }
        buf_init(&key, 1024);
        http_origin_key(origin, &key);
        if (buf_check(&key, "the origin", err))
                conn->origin = heap_alloc(key.len + 1);
        if (!conn->origin) {
                http_conn_close(conn);
                return err_set(err, ERR_NO_MEMORY, "no memory for a connection");
        }
        memcpy(conn->origin, key.ptr, key.len + 1);
        if (origin->is_tls && !secure(conn, origin, deadline_mono_us, err)) {
                http_conn_close(conn);
                return false;
        }
        *ret_conn = conn;
        return true;
}
