/* SPDX-License-Identifier: Apache-2.0 */
/* Listening, starting, draining. */
#include "io/http_server_private.h"

#include "base/clock.h"
#include "base/heap.h"
#include "base/log_line.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ACCEPTS_PER_TURN = 64, ACCEPT_RETRY_MS = 100, LISTEN_BACKLOG = 4096 };

void http_server_config_init(struct http_server_config *config)
{
        *config = (struct http_server_config){
                .host = STR("127.0.0.1"),
                .head_max_bytes = 32 * 1024,
                .target_max_bytes = 8 * 1024,
                .headers_max = 100,
                .body_max_bytes = 16 * 1024 * 1024,
                .arena_max_bytes = 4 * 1024 * 1024,
                .connections_max = 65536,
                .head_timeout_ms = 10000,
                .body_timeout_ms = 20000,
                .body_min_bytes_per_s = 1024,
                .write_timeout_ms = 20000,
                .idle_timeout_ms = 75000,
                .tls_timeout_ms = 10000,
        };
}

static void listener_poll(uv_poll_t *poll, int status, int events);

static void listener_retry(struct loop_timer *timer)
{
        struct http_listener *listener = CONTAINER_OF(timer, struct http_listener, retry);

        if (listener->listening)
                uv_poll_start(&listener->poll, UV_READABLE, listener_poll);
}

static void listener_accept(struct http_listener *listener)
{
        for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
                struct sockaddr_in6 peer;
                socklen_t len = sizeof(peer);
                int fd;

                memset(&peer, 0, sizeof(peer));
                fd = accept4(listener->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
                if (fd >= 0) {
                        if (peer.sin6_family == AF_INET) {
                                struct in_addr address = ((struct sockaddr_in *)(void *)&peer)->sin_addr;

                                memset(&peer.sin6_addr, 0, sizeof(peer.sin6_addr));
                                peer.sin6_addr.s6_addr[10] = peer.sin6_addr.s6_addr[11] = 0xff;
                                memcpy(&peer.sin6_addr.s6_addr[12], &address, sizeof(address));
                        }
                        conn_accept(listener, fd, &peer);
                } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
                        /* The connection stays in the queue; without this pause the loop would spin. */
                        log_line(LOG_WARN, "cannot accept connections", LOG_C("reason", strerror(errno)));
                        uv_poll_stop(&listener->poll);
                        loop_timer_start(listener->loop, &listener->retry,
                                         clock_mono_us() + ACCEPT_RETRY_MS * 1000);
                        return;
                } else if (errno == EAGAIN) {
                        return;
                }
        }
}

static void listener_poll(uv_poll_t *poll, int status, int events)
{
        struct http_listener *listener = CONTAINER_OF(poll, struct http_listener, poll);

        (void)status;
        (void)events;
        loop_enter(listener->loop);
        if (listener->listening)
                listener_accept(listener);
        loop_leave(listener->loop);
}

/* Without its handle it would only collect connections that nobody serves. */
static void listener_give_up(struct http_listener *listener)
{
        log_line(LOG_ERROR, "cannot watch a listening socket", LOG_INT("loop", loop_index(listener->loop)));
        close(listener->fd);
        listener->fd = -1;
        listener->poll_closed = true;
}

static void listener_started(struct loop_task *task)
{
        struct http_listener *listener = CONTAINER_OF(task, struct http_listener, start);
        struct http_server *server = listener->server;

        listener->listening = uv_poll_init(&listener->loop->uv, &listener->poll, listener->fd) == 0;
        if (listener->listening)
                uv_poll_start(&listener->poll, UV_READABLE, listener_poll);
        else
                listener_give_up(listener);
        pthread_mutex_lock(&server->lock);
        server->listeners_started++;
        pthread_cond_broadcast(&server->changed);
        pthread_mutex_unlock(&server->lock);
}

static void listener_closed(uv_handle_t *handle)
{
        struct http_listener *listener = CONTAINER_OF(handle, struct http_listener, poll);
        struct loop *loop = listener->loop;

        loop_enter(loop);
        listener->poll_closed = true;
        listener_check_done(listener);
        loop_leave(loop);
}

static void listener_drain(struct loop_task *task)
{
        struct http_listener *listener = CONTAINER_OF(task, struct http_listener, drain);

        if (listener->listening) {
                /* Who is in the queue has a connection already, and would see a reset. */
                listener_accept(listener);
                listener->listening = false;
                uv_close((uv_handle_t *)&listener->poll, listener_closed);
        }
        if (listener->fd >= 0)
                close(listener->fd);
        listener->fd = -1;
        listener->draining = true;
        for (struct http_conn *conn = listener->conns; conn; conn = conn->next)
                conn_drain(conn);
        listener_check_done(listener);
}

static void listener_cut(struct loop_task *task)
{
        struct http_listener *listener = CONTAINER_OF(task, struct http_listener, cut);

        for (struct http_conn *conn = listener->conns; conn; conn = conn->next)
                conn_cut(conn);
        pthread_mutex_lock(&listener->server->lock);
        listener->server->listeners_cut++;
        pthread_cond_broadcast(&listener->server->changed);
        pthread_mutex_unlock(&listener->server->lock);
}

static int listen_on(const struct addrinfo *address, uint16_t port, struct err *err)
{
        int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        struct sockaddr_storage bound;
        int one = 1;
        int zero = 0;

        if (fd < 0) {
                err_set_errno(err, ERR_SYSTEM, errno, "cannot make a socket");
                return -1;
        }
        memcpy(&bound, address->ai_addr, address->ai_addrlen);
        if (address->ai_family == AF_INET6) {
                ((struct sockaddr_in6 *)(void *)&bound)->sin6_port = htons(port);
                setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
        } else {
                ((struct sockaddr_in *)(void *)&bound)->sin_port = htons(port);
        }
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) == 0 &&
            bind(fd, (struct sockaddr *)&bound, address->ai_addrlen) == 0 && listen(fd, LISTEN_BACKLOG) == 0)
                return fd;
        err_set_errno(err, ERR_SYSTEM, errno, "cannot listen on port %u", port);
        close(fd);
        return -1;
}

/*
 * With SO_REUSEPORT a second program of the same user could listen beside us
 * unseen; so the port is first taken without it, which fails if it is in use.
 */
static bool port_is_free(const struct addrinfo *address, uint16_t port, struct err *err)
{
        struct sockaddr_storage bound;
        int fd;
        int one = 1;
        bool is_free;

        if (port == 0)
                return true;
        fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return err_set_errno(err, ERR_SYSTEM, errno, "cannot make a socket");
        memcpy(&bound, address->ai_addr, address->ai_addrlen);
        ((struct sockaddr_in *)(void *)&bound)->sin_port = htons(port); /* the same place in IPv6 */
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        is_free = bind(fd, (struct sockaddr *)&bound, address->ai_addrlen) == 0;
        if (!is_free)
                err_set_errno(err, ERR_SYSTEM, errno, "cannot listen on port %u", port);
        close(fd);
        return is_free;
}

static uint16_t port_of(int fd)
{
        struct sockaddr_in6 bound;
        socklen_t len = sizeof(bound);

        memset(&bound, 0, sizeof(bound));
        getsockname(fd, (struct sockaddr *)&bound, &len);
        return ntohs(bound.sin6_port); /* the same place in IPv4 */
}

static void listeners_close(struct http_server *server)
{
        for (unsigned i = 0; server->listeners && i < server->n_listeners; i++) {
                if (server->listeners[i].fd >= 0)
                        close(server->listeners[i].fd);
                server->listeners[i].fd = -1;
        }
}

static bool listeners_open_at(struct http_server *server, const struct addrinfo *address, struct err *err)
{
        if (!port_is_free(address, server->config.port, err))
                return false;
        server->port = server->config.port;
        for (unsigned i = 0; i < server->n_listeners; i++) {
                server->listeners[i].fd = listen_on(address, server->port, err);
                if (server->listeners[i].fd < 0) {
                        listeners_close(server);
                        return false;
                }
                if (server->port == 0)
                        server->port = port_of(server->listeners[i].fd);
        }
        return true;
}

/* "" means all addresses: the IPv6 wildcard, which takes IPv4 too, where there is IPv6. */
static bool listeners_open(struct http_server *server, struct err *err)
{
        const char *host = server->host[0] ? server->host : "::";
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
        struct addrinfo *list;
        int rc = getaddrinfo(host, "0", &hints, &list);
        bool is_open = false;

        if (rc != 0)
                return err_set(err, ERR_CONFIG, "cannot listen on \"%s\": %s", host, gai_strerror(rc));
        for (struct addrinfo *at = list; at && !is_open; at = at->ai_next)
                is_open = listeners_open_at(server, at, err);
        freeaddrinfo(list);
        if (!is_open && !server->host[0] && getaddrinfo("0.0.0.0", "0", &hints, &list) == 0) {
                is_open = listeners_open_at(server, list, err);
                freeaddrinfo(list);
        }
        return is_open || err_prefix(err, "%s", server->host[0] ? server->host : "all addresses");
}

static void server_free(struct http_server *server)
{
        if (!server)
                return;
        listeners_close(server);
        http_peers_free(server->peers);
        heap_free(server->listeners);
        heap_free(server->host);
        pthread_mutex_destroy(&server->lock);
        pthread_cond_destroy(&server->changed);
        heap_free(server);
}

static struct http_server *server_new(struct loops *loops, const struct http_server_config *config)
{
        struct http_server *server = heap_alloc_zeroed(1, sizeof(*server));
        pthread_condattr_t attributes;

        if (!server)
                return NULL;
        server->config = *config;
        server->limits =
                (struct http_limits){config->head_max_bytes, config->target_max_bytes, config->headers_max};
        pthread_mutex_init(&server->lock, NULL);
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&server->changed, &attributes);
        pthread_condattr_destroy(&attributes);
        server->n_listeners = loops_count(loops);
        server->listeners = heap_alloc_zeroed(server->n_listeners, sizeof(*server->listeners));
        server->host = heap_alloc(config->host.len + 1);
        if (config->connections_per_ip_max > 0)
                server->peers = http_peers_new(config->connections_per_ip_max);
        if (!server->listeners || !server->host || (config->connections_per_ip_max > 0 && !server->peers)) {
                server->n_listeners = 0;
                server_free(server);
                return NULL;
        }
        snprintf(server->host, config->host.len + 1, "%.*s", STR_ARG(config->host));
        server->config.host = str_from(server->host);
        for (unsigned i = 0; i < server->n_listeners; i++) {
                struct http_listener *listener = &server->listeners[i];

                listener->server = server;
                listener->loop = loops_at(loops, i);
                listener->fd = -1;
                listener->date_second = -1;
                listener->retry.fire = listener_retry;
                listener->start.run = listener_started;
                listener->drain.run = listener_drain;
                listener->cut.run = listener_cut;
        }
        return server;
}

bool http_server_open(struct loops *loops, const struct http_server_config *config,
                      struct http_server **ret_server, struct err *err)
{
        struct http_server *server;

        if (!config->handler)
                return err_set(err, ERR_INTERNAL, "a server without a handler");
        server = server_new(loops, config);
        if (!server)
                return err_set(err, ERR_NO_MEMORY, "no memory for a server");
        if (!listeners_open(server, err)) {
                server_free(server);
                return false;
        }
        *ret_server = server;
        return true;
}

BLOCKING_FN void http_server_serve(struct http_server *server)
{
        server->serves = true;
        for (unsigned i = 0; i < server->n_listeners; i++)
                loop_post(server->listeners[i].loop, &server->listeners[i].start);
        pthread_mutex_lock(&server->lock);
        while (server->listeners_started < server->n_listeners)
                pthread_cond_wait(&server->changed, &server->lock);
        pthread_mutex_unlock(&server->lock);
}

uint16_t http_server_port(const struct http_server *server)
{
        return server->port;
}

/* Whether all listeners were done before the deadline. */
static bool wait_done(struct http_server *server, int64_t deadline_us)
{
        struct timespec until = {deadline_us / 1000000, deadline_us % 1000000 * 1000};
        bool is_done;

        pthread_mutex_lock(&server->lock);
        while (server->listeners_done < server->n_listeners) {
                if (deadline_us == FIBER_FOREVER)
                        pthread_cond_wait(&server->changed, &server->lock);
                else if (pthread_cond_timedwait(&server->changed, &server->lock, &until) == ETIMEDOUT)
                        break;
        }
        is_done = server->listeners_done == server->n_listeners;
        pthread_mutex_unlock(&server->lock);
        return is_done;
}

BLOCKING_FN bool http_server_drain(struct http_server *server, int64_t grace_ms)
{
        struct timespec now;

        if (server->drained || !server->serves)
                return true;
        server->drained = true;
        for (unsigned i = 0; i < server->n_listeners; i++)
                loop_post(server->listeners[i].loop, &server->listeners[i].drain);
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (wait_done(server, (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000 + grace_ms * 1000))
                return true;
        for (unsigned i = 0; i < server->n_listeners; i++)
                loop_post(server->listeners[i].loop, &server->listeners[i].cut);
        wait_done(server, FIBER_FOREVER);
        /* All may have ended by itself meanwhile; the tasks are still in the loops' queues. */
        pthread_mutex_lock(&server->lock);
        while (server->listeners_cut < server->n_listeners)
                pthread_cond_wait(&server->changed, &server->lock);
        pthread_mutex_unlock(&server->lock);
        return false;
}

BLOCKING_FN void http_server_free(struct http_server *server)
{
        if (!server)
                return;
        http_server_drain(server, 0);
        server_free(server);
}

void http_server_stats(const struct http_server *server, struct http_server_stats *ret_stats)
{
        *ret_stats = (struct http_server_stats){0};
        for (unsigned i = 0; i < server->n_listeners; i++) {
                const struct http_counters *counters = &server->listeners[i].counters;

#define SUM(to, from) ret_stats->to += atomic_load_explicit(&counters->from, memory_order_relaxed)
                SUM(connections_open, open);
                SUM(connections_accepted, accepted);
                SUM(connections_refused, refused);
                SUM(requests, requests);
                SUM(requests_active, active);
                SUM(protocol_errors, protocol_errors);
                SUM(bytes_in, bytes_in);
                SUM(bytes_out, bytes_out);
                SUM(tls_handshakes_failed, handshakes_failed);
#undef SUM
        }
}
