/* SPDX-License-Identifier: Apache-2.0 */
/* A server to test against, and sockets to torment it with. Included by the tests only. */
#pragma once

#include "base/buf.h"
#include "base/clock.h"
#include "base/heap.h"
#include "io/http_client.h"
#include "io/http_server.h"
#include "io/sse.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* What no test may exceed; reached only when something is wrong. */
enum { TEST_PATIENCE_MS = 20000 };

struct fixture {
        struct loops *loops;
        struct http_server *server;
        uint16_t port;
        /* What handlers saw. */
        pthread_mutex_t lock;
        pthread_cond_t changed;
        int entered;
        int finished;
        int streams_ended;
        /* Of whichever handler came last; they run on several loops. */
        _Atomic enum err_code last_error;
        atomic_bool notified;
        atomic_bool was_gone;
        atomic_bool was_draining;
};

static inline void note(struct fixture *f, int *counter)
{
        pthread_mutex_lock(&f->lock);
        (*counter)++;
        pthread_cond_broadcast(&f->changed);
        pthread_mutex_unlock(&f->lock);
}

static inline void wait_for(struct fixture *f, const int *counter, int at_least)
{
        pthread_mutex_lock(&f->lock);
        while (*counter < at_least)
                pthread_cond_wait(&f->changed, &f->lock);
        pthread_mutex_unlock(&f->lock);
}

static inline void fixture_start(struct fixture *f, const struct http_server_config *config)
{
        struct err err;

        memset(f, 0, sizeof(*f));
        pthread_mutex_init(&f->lock, NULL);
        pthread_cond_init(&f->changed, NULL);
        if (!loops_start(2, &f->loops, &err))
                fail_msg("%s", err.message);
        if (config) {
                struct http_server_config mine = *config;

                mine.handler_arg = mine.protocol_error_arg = f;
                if (!http_server_open(f->loops, &mine, &f->server, &err))
                        fail_msg("%s", err.message);
                http_server_serve(f->server);
                f->port = http_server_port(f->server);
        }
}

static inline void fixture_end(struct fixture *f)
{
        http_server_free(f->server);
        loops_free(f->loops);
        pthread_mutex_destroy(&f->lock);
        pthread_cond_destroy(&f->changed);
}

static inline int dial(uint16_t port)
{
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int one = 1;

        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        assert_true(fd >= 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        return fd;
}

/* The peer may have closed already: that is for the reply to tell. */
static inline void give(int fd, struct str bytes)
{
        while (bytes.len > 0) {
                ssize_t len = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);

                if (len <= 0)
                        return;
                bytes = str_slice(bytes, (size_t)len, bytes.len);
        }
}

/* Reads until `needle` was seen `times` times (0 = until the end) or the end; NUL-terminated, to be freed.
 */
static inline char *take(int fd, const char *needle, int times)
{
        char *text = calloc(1, 1 << 20);
        size_t len = 0;

        assert_non_null(text);
        for (;;) {
                struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
                ssize_t got;
                int seen = 0;

                for (const char *at = text; needle && (at = strstr(at, needle)); at += strlen(needle))
                        seen++;
                if (times > 0 && seen >= times)
                        return text;
                if (poll(&poll_fd, 1, TEST_PATIENCE_MS) != 1)
                        fail_msg("no answer; so far: %s", text);
                got = recv(fd, text + len, (1 << 20) - 1 - len, 0);
                if (got <= 0)
                        return text;
                len += (size_t)got;
        }
}

/* Sends all, reads all, closes. */
static inline char *ask(uint16_t port, struct str bytes)
{
        int fd = dial(port);
        char *text;

        give(fd, bytes);
        text = take(fd, NULL, 0);
        close(fd);
        return text;
}

static inline int count_of(const char *text, const char *needle)
{
        int n = 0;

        for (; (text = strstr(text, needle)); text += strlen(needle))
                n++;
        return n;
}
