/* SPDX-License-Identifier: Apache-2.0 */
#include "io/net.h"

#include "base/clock.h"
#include "io/loop_private.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static void net_event(uv_poll_t *poll, int status, int events)
{
        struct net *net = CONTAINER_OF(poll, struct net, poll);
        struct loop *loop = net->loop;

        loop_enter(loop);
        if (status < 0)
                net->armed = 0; /* libuv has stopped the handle */
        if (net->waiter)
                fiber_wake(net->waiter);
        else if (net->on_event)
                net->on_event(net, status < 0 ? 0 : events);
        else
                net_arm(net, 0);
        loop_leave(loop);
}

bool net_init(struct net *net, struct loop *loop, int fd, struct err *err)
{
        int rc;

        *net = (struct net){.fd = fd, .loop = loop};
        if (!loop)
                return true;
        rc = uv_poll_init(&loop->uv, &net->poll, fd);
        if (rc < 0)
                return err_set(err, ERR_SYSTEM, "cannot watch a socket: %s", uv_strerror(rc));
        return true;
}

static void net_handle_closed(uv_handle_t *handle)
{
        struct net *net = CONTAINER_OF(handle, struct net, poll);
        struct loop *loop = net->loop;

        loop_enter(loop);
        if (net->on_closed)
                net->on_closed(net);
        loop_leave(loop);
}

void net_close(struct net *net)
{
        if (net->ssl) {
                ERR_clear_error();
                if (SSL_is_init_finished(net->ssl))
                        SSL_shutdown(net->ssl);
                ERR_clear_error();
                SSL_free(net->ssl);
                net->ssl = NULL;
        }
        if (net->loop)
                uv_close((uv_handle_t *)&net->poll, net_handle_closed);
        if (net->fd >= 0)
                close(net->fd);
        net->fd = -1;
        net->armed = 0;
        if (!net->loop && net->on_closed)
                net->on_closed(net);
}

bool net_shutdown_write(struct net *net)
{
        if (net->ssl) {
                ERR_clear_error();
                SSL_shutdown(net->ssl);
                ERR_clear_error();
                SSL_set_quiet_shutdown(net->ssl, 1); /* once is enough */
        }
        return shutdown(net->fd, SHUT_WR) == 0;
}

void net_reset_at_close(struct net *net)
{
        struct linger at_once = {.l_onoff = 1, .l_linger = 0};

        if (net->ssl)
                SSL_set_quiet_shutdown(net->ssl, 1);
        setsockopt(net->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

void net_arm(struct net *net, int events)
{
        if (net->armed == events || net->fd < 0)
                return;
        net->armed = events;
        if (events == 0)
                uv_poll_stop(&net->poll);
        else
                uv_poll_start(&net->poll, events, net_event);
}

static ssize_t tls_result(struct net *net, int rc, int *ret_wait)
{
        switch (SSL_get_error(net->ssl, rc)) {
        case SSL_ERROR_WANT_READ:
                *ret_wait = UV_READABLE;
                return -EAGAIN;
        case SSL_ERROR_WANT_WRITE:
                *ret_wait = UV_WRITABLE;
                return -EAGAIN;
        case SSL_ERROR_ZERO_RETURN:
                return 0;
        case SSL_ERROR_SYSCALL:
                return errno ? -errno : -ECONNRESET;
        default:
                /* OpenSSL 3 calls a missing close_notify an error; we tell it from an end, as a reset. */
                if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
                        ERR_clear_error();
                        return -ECONNRESET;
                }
                return -EPROTO;
        }
}

ssize_t net_try_read(struct net *net, void *bytes, size_t size_bytes, int *ret_wait)
{
        ssize_t len;

        if (net->ssl) {
                int rc;

                ERR_clear_error();
                errno = 0;
                rc = SSL_read(net->ssl, bytes, size_bytes > INT32_MAX ? INT32_MAX : (int)size_bytes);
                return rc > 0 ? rc : tls_result(net, rc, ret_wait);
        }
        do {
                len = recv(net->fd, bytes, size_bytes, 0);
        } while (len < 0 && errno == EINTR);
        if (len >= 0)
                return len;
        *ret_wait = UV_READABLE;
        return errno == EWOULDBLOCK ? -EAGAIN : -errno;
}

/* A record takes one piece of memory; small pieces are gathered. */
static ssize_t tls_write(struct net *net, const struct iovec *pieces, int n_pieces, int *ret_wait)
{
        static __thread char record[16 * 1024];
        const char *bytes = pieces[0].iov_base;
        size_t len = pieces[0].iov_len;
        int rc;

        if (n_pieces > 1 && len < sizeof(record)) {
                bytes = record;
                len = 0;
                for (int i = 0; i < n_pieces && len < sizeof(record); i++) {
                        size_t take = pieces[i].iov_len < sizeof(record) - len ? pieces[i].iov_len
                                                                               : sizeof(record) - len;

                        memcpy(record + len, pieces[i].iov_base, take);
                        len += take;
                }
        }
        ERR_clear_error();
        errno = 0;
        rc = SSL_write(net->ssl, bytes, len > INT32_MAX ? INT32_MAX : (int)len);
        return rc > 0 ? rc : tls_result(net, rc, ret_wait);
}

ssize_t net_try_write(struct net *net, const struct iovec *pieces, int n_pieces, int *ret_wait)
{
        struct msghdr message = {.msg_iov = (struct iovec *)pieces, .msg_iovlen = (size_t)n_pieces};
        ssize_t len;

        if (net->ssl)
                return tls_write(net, pieces, n_pieces, ret_wait);
        do {
                if (n_pieces == 1)
                        len = send(net->fd, pieces[0].iov_base, pieces[0].iov_len, MSG_NOSIGNAL);
                else
                        len = sendmsg(net->fd, &message, MSG_NOSIGNAL);
        } while (len < 0 && errno == EINTR);
        if (len >= 0)
                return len;
        *ret_wait = UV_WRITABLE;
        return errno == EWOULDBLOCK ? -EAGAIN : -errno;
}

int net_try_handshake(struct net *net, int *ret_wait)
{
        int rc;
        ssize_t result;

        ERR_clear_error();
        errno = 0;
        rc = SSL_do_handshake(net->ssl);
        if (rc == 1)
                return 0;
        result = tls_result(net, rc, ret_wait);
        return result == 0 ? -ECONNRESET : (int)result;
}

bool net_has_pending(const struct net *net)
{
        return net->ssl && SSL_has_pending(net->ssl);
}

static bool net_wait_thread(struct net *net, int events, int64_t deadline_mono_us)
{
        struct pollfd fds[] = {{.fd = net->fd},
                               {.fd = net->cancel_fd > 0 ? net->cancel_fd : -1, .events = POLLIN}};

        if (events & UV_READABLE)
                fds[0].events |= POLLIN;
        if (events & UV_WRITABLE)
                fds[0].events |= POLLOUT;
        for (;;) {
                int64_t left_us = deadline_mono_us - clock_mono_us();
                int timeout_ms = -1;
                int rc;

                if (deadline_mono_us != FIBER_FOREVER) {
                        if (left_us < 0)
                                left_us = 0;
                        timeout_ms = left_us > 1000000000LL ? 1000000 : (int)((left_us + 999) / 1000);
                }
                rc = poll(fds, 2, timeout_ms);
                if (rc > 0 && fds[0].revents == 0)
                        return false;
                if (rc > 0 || (rc < 0 && errno != EINTR))
                        return true;
                if (deadline_mono_us != FIBER_FOREVER && clock_mono_us() >= deadline_mono_us)
                        return false;
        }
}

FIBER_FN bool net_wait(struct net *net, int events, int64_t deadline_mono_us)
{
        bool ready;

        if (!net->loop)
                return net_wait_thread(net, events, deadline_mono_us);
        net_arm(net, events);
        net->waiter = fiber_current();
        ready = fiber_suspend(deadline_mono_us);
        net->waiter = NULL;
        return ready;
}

FIBER_FN int net_read(struct net *net, void *bytes, size_t size_bytes, int64_t deadline_mono_us,
                      size_t *ret_len)
{
        int wait = 0;

        for (;;) {
                ssize_t len = net_try_read(net, bytes, size_bytes, &wait);

                if (len >= 0) {
                        *ret_len = (size_t)len;
                        return 0;
                }
                if (len != -EAGAIN)
                        return (int)len;
                if (!net_wait(net, wait, deadline_mono_us))
                        return -ETIMEDOUT;
        }
}

static void pieces_advance(struct iovec **pieces, int *n_pieces, size_t len)
{
        while (*n_pieces > 0 && len >= (*pieces)->iov_len) {
                len -= (*pieces)->iov_len;
                (*pieces)++;
                (*n_pieces)--;
        }
        if (len > 0) {
                (*pieces)->iov_base = (char *)(*pieces)->iov_base + len;
                (*pieces)->iov_len -= len;
        }
}

FIBER_FN int net_write_all(struct net *net, struct iovec *pieces, int n_pieces, int64_t timeout_ms)
{
        int wait = 0;

        pieces_advance(&pieces, &n_pieces, 0); /* drops empty ones at the front */
        while (n_pieces > 0) {
                ssize_t len = net_try_write(net, pieces, n_pieces, &wait);

                if (len > 0)
                        pieces_advance(&pieces, &n_pieces, (size_t)len);
                else if (len != -EAGAIN)
                        return len == 0 ? -ECONNRESET : (int)len;
                else if (!net_wait(net, wait, clock_mono_us() + timeout_ms * 1000))
                        return -ETIMEDOUT;
        }
        return 0;
}

const char *net_tls_reason(char *text, size_t size_bytes)
{
        unsigned long code = ERR_peek_last_error();
        const char *reason = code ? ERR_reason_error_string(code) : NULL;

        snprintf(text, size_bytes, "%s", reason ? reason : "the connection broke off");
        ERR_clear_error();
        return text;
}
