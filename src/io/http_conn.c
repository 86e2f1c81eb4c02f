/* SPDX-License-Identifier: Apache-2.0 */
/* A connection of the server, from accept to close. All of it on the loop's own stack. */
#include "io/http_server_private.h"

#include "base/clock.h"
#include "base/heap.h"
#include "io/tls_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

static void conn_event(struct net *net, int events);
static void conn_read_head(struct http_conn *conn);

static void conn_deadline(struct http_conn *conn, int64_t timeout_ms)
{
        loop_timer_start(conn->net.loop, &conn->timer, clock_mono_us() + timeout_ms * 1000);
}

static struct http_exchange *exchange_take(struct http_listener *listener)
{
        struct http_exchange *x = listener->free_exchanges;

        if (x) {
                listener->free_exchanges = x->next_free;
                listener->n_free_exchanges--;
                return x;
        }
        x = heap_alloc_zeroed(1, sizeof(*x));
        if (!x)
                return NULL;
        x->in = heap_alloc(INPUT_BYTES);
        x->in_size_bytes = INPUT_BYTES;
        if (!x->in) {
                heap_free(x);
                return NULL;
        }
        arena_init(&x->arena, listener->server->config.arena_max_bytes);
        return x;
}

/*
 * Its head may have carried a credential, and its body a secret: what came in goes,
 * but for the first `keep` bytes, which are the next request's.
 */
static void exchange_wipe(struct http_exchange *x, size_t keep)
{
        /* A body was read behind the head, and may have reached the end of the buffer. */
        bool filled = x->raw && (x->request.head.framing != HTTP_FRAMING_NONE || x->raw_at < x->raw_len);
        size_t used = filled || x->arena.zeroing ? x->in_size_bytes : x->in_len;

        if (used > keep)
                explicit_bzero(x->in + keep, used - keep);
}

static void exchange_free(struct http_exchange *x)
{
        exchange_wipe(x, 0);
        arena_done(&x->arena);
        heap_free(x->in);
        heap_free(x);
}

void exchanges_free(struct http_listener *listener)
{
        while (listener->free_exchanges) {
                struct http_exchange *x = listener->free_exchanges;

                listener->free_exchanges = x->next_free;
                exchange_free(x);
        }
        listener->n_free_exchanges = 0;
}

/* Ready for the next request, of which `keep` bytes are here; keeps the input buffer and the arena's first
 * block. */
static void exchange_reset(struct http_exchange *x, size_t keep)
{
        struct http_exchange kept = {.conn = x->conn, .in = x->in, .in_size_bytes = x->in_size_bytes};

        exchange_wipe(x, keep);
        arena_reset(&x->arena);
        x->arena.zeroing = false;
        kept.arena = x->arena;
        *x = kept;
}

static void exchange_put_back(struct http_listener *listener, struct http_exchange *x)
{
        if (listener->n_free_exchanges >= EXCHANGES_KEPT || x->in_size_bytes > INPUT_BYTES) {
                exchange_free(x);
                return;
        }
        exchange_reset(x, 0);
        x->conn = NULL;
        x->next_free = listener->free_exchanges;
        listener->free_exchanges = x;
        listener->n_free_exchanges++;
}

void listener_check_done(struct http_listener *listener)
{
        struct http_server *server = listener->server;

        if (listener->done || !listener->poll_closed || listener->conns)
                return;
        listener->done = true;
        exchanges_free(listener);
        loop_timer_stop(listener->loop, &listener->retry);
        pthread_mutex_lock(&server->lock);
        server->listeners_done++;
        pthread_cond_broadcast(&server->changed);
        pthread_mutex_unlock(&server->lock);
}

static void conn_freed(struct net *net)
{
        struct http_conn *conn = CONTAINER_OF(net, struct http_conn, net);
        struct http_listener *listener = conn->listener;

        if (conn->next)
                conn->next->prev = conn->prev;
        if (conn->prev)
                conn->prev->next = conn->next;
        else
                listener->conns = conn->next;
        heap_free(conn);
        listener_check_done(listener);
}

static void conn_close(struct http_conn *conn)
{
        struct http_listener *listener = conn->listener;

        if (conn->state == CONN_CLOSED)
                return;
        conn->state = CONN_CLOSED;
        loop_timer_stop(conn->net.loop, &conn->timer);
        if (conn->x) {
                exchange_put_back(listener, conn->x);
                conn->x = NULL;
        }
        if (conn->counted_peer)
                http_peers_leave(listener->server->peers, &conn->peer);
        atomic_fetch_sub(&listener->server->connections_open, 1);
        count(&listener->counters.open, (unsigned long long)-1);
        net_close(&conn->net);
}

/* Everything that we have to say is sent: lets the peer read it before the socket goes. */
static void conn_linger(struct http_conn *conn)
{
        if (conn->x) {
                exchange_put_back(conn->listener, conn->x);
                conn->x = NULL;
        }
        if (conn->gone || !net_shutdown_write(&conn->net)) {
                conn_close(conn);
                return;
        }
        conn->state = CONN_LINGER;
        net_arm(&conn->net, UV_READABLE);
        conn_deadline(conn, conn->listener->draining ? LINGER_DRAIN_MS : LINGER_TIMEOUT_MS);
}

static void conn_lingering(struct http_conn *conn)
{
        char waste[4096];
        ssize_t len;

        while ((len = recv(conn->net.fd, waste, sizeof(waste), 0)) > 0) {
                conn->lingered_bytes += (uint32_t)len;
                if (conn->lingered_bytes > LINGER_MAX_BYTES)
                        break;
        }
        if (len < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        conn_close(conn);
}

/* Answers what the server itself refuses, in one attempt, and ends the connection. */
static void conn_protocol_error(struct http_conn *conn, const struct err *error)
{
        struct http_listener *listener = conn->listener;
        bool is_head =
                conn->x && conn->x->request.head.headers && conn->x->request.method == HTTP_METHOD_HEAD;
        char peer[INET6_ADDRSTRLEN];
        BUF_SCOPED reply = {0};
        int wait = 0;

        count(&listener->counters.protocol_errors, 1);
        peer_format(&conn->peer, peer);
        buf_init(&reply, 16 * 1024);
        if (protocol_error_render(listener, error, str_from(peer), is_head, &reply)) {
                struct iovec piece = {reply.ptr, reply.len};

                if (net_try_write(&conn->net, &piece, 1, &wait) > 0)
                        count(&listener->counters.bytes_out, reply.len);
        }
        conn_linger(conn);
}

static void conn_timed_out(struct loop_timer *timer)
{
        struct http_conn *conn = CONTAINER_OF(timer, struct http_conn, timer);
        struct err error;

        switch ((enum conn_state)conn->state) {
        case CONN_HEAD:
                err_set(&error, ERR_REQUEST_TIMEOUT, "the head of the request did not arrive within %lld ms",
                        (long long)conn->listener->server->config.head_timeout_ms);
                conn_protocol_error(conn, &error);
                break;
        case CONN_HANDSHAKE:
        case CONN_IDLE:
        case CONN_LINGER:
                conn_close(conn);
                break;
        case CONN_ACTIVE: /* left from before; the fiber keeps its own time */
        case CONN_CLOSED:
                break;
        }
}

static bool input_grow(struct http_exchange *x, size_t max_bytes)
{
        size_t size_bytes = x->in_size_bytes * 2 < max_bytes ? x->in_size_bytes * 2 : max_bytes;
        char *grown = size_bytes > x->in_size_bytes ? heap_alloc(size_bytes) : NULL;

        if (!grown)
                return false;
        /* Not realloc: it could leave a credential behind. */
        memcpy(grown, x->in, x->in_len);
        explicit_bzero(x->in, x->in_len);
        heap_free(x->in);
        x->in = grown;
        x->in_size_bytes = size_bytes;
        return true;
}

/* The head is complete: parses it and gives the request to a fiber. */
static void conn_dispatch(struct http_conn *conn)
{
        struct http_listener *listener = conn->listener;
        const struct http_server_config *config = &listener->server->config;
        struct http_exchange *x = conn->x;
        struct err error;

        if (!http_request_parse(str_make(x->in, x->head_len), &listener->server->limits, &x->arena,
                                &x->request, &x->body, &error)) {
                conn_protocol_error(conn, &error);
                return;
        }
        if (x->request.head.framing == HTTP_FRAMING_LENGTH &&
            x->request.head.content_length > config->body_max_bytes) {
                err_set(&error, ERR_BODY_TOO_LARGE, "the body is larger than %llu bytes",
                        (unsigned long long)config->body_max_bytes);
                conn_protocol_error(conn, &error);
                return;
        }
        x->conn = conn;
        x->raw = x->in + x->head_len;
        x->raw_size_bytes = x->in_size_bytes - x->head_len;
        x->raw_len = x->in_len - x->head_len;
        x->continue_due = x->request.expect_continue && !x->body.done && x->raw_len == 0;
        x->close_after = !x->request.head.keep_alive || listener->draining;
        x->start_us = clock_mono_us();
        conn->state = CONN_ACTIVE;
        conn->was_used = true;
        if (!fiber_spawn(conn->net.loop, exchange_main, x, &error)) {
                conn_protocol_error(conn, &error);
                return;
        }
        count(&listener->counters.requests, 1);
        count(&listener->counters.active, 1);
}

/* Looks at what is in the buffer: true when the connection needs no more reading for now. */
static bool conn_scan_head(struct http_conn *conn)
{
        struct http_exchange *x = conn->x;
        struct http_server *server = conn->listener->server;
        struct err error;

        if (!http_head_scan(&x->scan, x->in, x->in_len, &server->limits, true, &x->head_len, &error)) {
                conn_protocol_error(conn, &error);
                return true;
        }
        if (x->head_len > 0) {
                conn_dispatch(conn);
                return true;
        }
        if (x->in_len < x->in_size_bytes || input_grow(x, server->config.head_max_bytes + 1))
                return false;
        err_set(&error, ERR_OVERLOADED, "no memory for the head of the request");
        conn_protocol_error(conn, &error);
        return true;
}

static void conn_no_bytes(struct http_conn *conn, int wait)
{
        if (conn->x->in_len == 0) {
                exchange_put_back(conn->listener, conn->x);
                conn->x = NULL;
                conn->state = CONN_IDLE;
        }
        net_arm(&conn->net, wait);
}

static void conn_read_head(struct http_conn *conn)
{
        if (!conn->x) {
                conn->x = exchange_take(conn->listener);
                if (!conn->x) {
                        conn_close(conn);
                        return;
                }
                conn->x->conn = conn;
        }
        for (;;) {
                struct http_exchange *x = conn->x;
                size_t space = x->in_size_bytes - x->in_len;
                int wait = UV_READABLE;
                ssize_t len = net_try_read(&conn->net, x->in + x->in_len, space, &wait);

                if (len == -EAGAIN) {
                        conn_no_bytes(conn, wait);
                        return;
                }
                if (len <= 0) {
                        conn->gone = true;
                        conn_close(conn);
                        return;
                }
                count(&conn->listener->counters.bytes_in, (unsigned long long)len);
                x->in_len += (size_t)len;
                if (conn_scan_head(conn))
                        return;
                if (conn->state == CONN_IDLE) {
                        conn->state = CONN_HEAD;
                        conn_deadline(conn, conn->listener->server->config.head_timeout_ms);
                }
                /* A short read has emptied the socket; TLS may have more in its own buffers. */
                if ((size_t)len < space && !conn->net.ssl) {
                        net_arm(&conn->net, UV_READABLE);
                        return;
                }
        }
}

/* Unread bytes would turn our close into a reset, which can destroy the reply on its way. */
static bool conn_has_unread(struct http_conn *conn)
{
        const struct http_exchange *x = conn->x;
        char byte;

        return !x->body.done || x->raw_at < x->raw_len || net_has_pending(&conn->net) ||
               recv(conn->net.fd, &byte, 1, MSG_PEEK) > 0;
}

/* The fiber has ended: goes on with the next request, or ends. */
static void conn_request_done(struct loop_task *task)
{
        struct http_conn *conn = CONTAINER_OF(task, struct http_conn, task);
        struct http_exchange *x = conn->x;
        struct http_listener *listener = conn->listener;
        size_t left = x->raw_len - x->raw_at;

        count(&listener->counters.active, (unsigned long long)-1);
        if (conn->gone) {
                conn_close(conn);
                return;
        }
        if (x->close_after || listener->draining) {
                if (conn_has_unread(conn))
                        conn_linger(conn);
                else
                        conn_close(conn);
                return;
        }
        if (left > 0) {
                /* The next request was sent before this one's reply (RFC 9112 section 9.3.2). */
                memmove(x->in, x->raw + x->raw_at, left);
                exchange_reset(x, left);
                x->in_len = left;
                conn->state = CONN_HEAD;
                conn_deadline(conn, listener->server->config.head_timeout_ms);
                if (!conn_scan_head(conn))
                        net_arm(&conn->net, UV_READABLE);
                return;
        }
        exchange_put_back(listener, x);
        conn->x = NULL;
        conn->state = CONN_IDLE;
        conn_deadline(conn, listener->server->config.idle_timeout_ms);
        if (net_has_pending(&conn->net))
                conn_read_head(conn);
        else
                net_arm(&conn->net, UV_READABLE);
}

static void conn_peer_gone(struct http_conn *conn)
{
        conn->gone = true;
        net_arm(&conn->net, 0);
        if (conn->x->notify)
                fiber_event_fire(conn->x->notify);
}

/* Something happened on the socket while the fiber waits for something else. */
static void conn_active_event(struct http_conn *conn, int events)
{
        char byte;
        ssize_t len;

        if (events == 0 || events & UV_DISCONNECT) {
                conn_peer_gone(conn);
                return;
        }
        len = recv(conn->net.fd, &byte, 1, MSG_PEEK);
        if (len == 0 || (len < 0 && errno != EAGAIN && errno != EINTR))
                conn_peer_gone(conn);
        else
                net_arm(&conn->net, UV_DISCONNECT); /* bytes that it will read when it likes */
}

static void conn_handshake(struct http_conn *conn)
{
        int wait = UV_READABLE;
        int rc = net_try_handshake(&conn->net, &wait);

        if (rc == -EAGAIN) {
                net_arm(&conn->net, wait);
                return;
        }
        if (rc < 0) {
                count(&conn->listener->counters.handshakes_failed, 1);
                conn_close(conn);
                return;
        }
        conn->state = CONN_IDLE;
        conn_deadline(conn, conn->listener->server->config.head_timeout_ms);
        conn_read_head(conn);
}

static void conn_event(struct net *net, int events)
{
        struct http_conn *conn = CONTAINER_OF(net, struct http_conn, net);

        switch ((enum conn_state)conn->state) {
        case CONN_HANDSHAKE:
                conn_handshake(conn);
                break;
        case CONN_IDLE:
        case CONN_HEAD:
                conn_read_head(conn);
                break;
        case CONN_ACTIVE:
                conn_active_event(conn, events);
                break;
        case CONN_LINGER:
                conn_lingering(conn);
                break;
        case CONN_CLOSED:
                break;
        }
}

void conn_cut(struct http_conn *conn)
{
        if (conn->state != CONN_ACTIVE) {
                conn_close(conn);
                return;
        }
        /* Wakes a fiber that waits for the socket; every later attempt fails. */
        shutdown(conn->net.fd, SHUT_RDWR);
        conn->gone = true;
        if (conn->x->notify)
                fiber_event_fire(conn->x->notify);
}

void conn_drain(struct http_conn *conn)
{
        switch ((enum conn_state)conn->state) {
        case CONN_HANDSHAKE:
                conn_close(conn);
                break;
        case CONN_IDLE:
                /* A request that has just arrived is still answered. */
                conn_read_head(conn);
                if (conn->state == CONN_IDLE)
                        conn_close(conn);
                break;
        case CONN_ACTIVE:
                conn->x->close_after = true;
                if (conn->x->notify)
                        fiber_event_fire(conn->x->notify);
                break;
        case CONN_LINGER:
                conn_deadline(conn, LINGER_DRAIN_MS);
                break;
        case CONN_HEAD:
        case CONN_CLOSED:
                break;
        }
}

/* False when there is no room; then the peer is told, unless there are far too many. */
static bool conn_admit(struct http_conn *conn)
{
        struct http_server *server = conn->listener->server;
        unsigned open = atomic_fetch_add(&server->connections_open, 1) + 1;

        if (server->peers) {
                conn->counted_peer = http_peers_enter(server->peers, &conn->peer);
                if (!conn->counted_peer)
                        return false;
        }
        return open <= server->config.connections_max;
}

void conn_accept(struct http_listener *listener, int fd, const struct sockaddr_in6 *peer)
{
        const struct http_server_config *config = &listener->server->config;
        struct http_conn *conn = heap_alloc_zeroed(1, sizeof(*conn));
        int one = 1;
        struct err error;

        if (!conn || !net_init(&conn->net, listener->loop, fd, &error)) {
                heap_free(conn);
                close(fd);
                return;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        conn->listener = listener;
        conn->net.on_event = conn_event;
        conn->net.on_closed = conn_freed;
        conn->timer.fire = conn_timed_out;
        conn->task.run = conn_request_done;
        conn->peer = peer->sin6_addr;
        conn->next = listener->conns;
        if (conn->next)
                conn->next->prev = conn;
        listener->conns = conn;
        conn->state = CONN_IDLE;
        count(&listener->counters.accepted, 1);
        count(&listener->counters.open, 1);
        if (!conn_admit(conn)) {
                count(&listener->counters.refused, 1);
                err_set(&error, ERR_OVERLOADED, "too many connections");
                if (config->tls || atomic_load(&listener->server->connections_open) >
                                           config->connections_max + config->connections_max / 8 + 16)
                        conn_close(conn);
                else
                        conn_protocol_error(conn, &error);
                return;
        }
        if (config->tls && !tls_accept(config->tls, fd, &conn->net.ssl)) {
                conn_close(conn);
                return;
        }
        conn->state = config->tls ? CONN_HANDSHAKE : CONN_IDLE;
        conn_deadline(conn, config->tls ? config->tls_timeout_ms : config->head_timeout_ms);
        net_arm(&conn->net, UV_READABLE);
}
