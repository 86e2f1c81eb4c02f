/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A non-blocking stream socket, with or without TLS, on a loop or on a plain
 * thread. For src/io only.
 *
 * On a loop, one uv_poll handle watches the socket. What is armed stays armed
 * over many waits, because each change costs a system call; an event that
 * nobody waits for goes to on_event, or disarms.
 */
#pragma once

#include "io/fiber.h"

#include <openssl/types.h>
#include <sys/uio.h>
#include <uv.h>

struct net {
        int fd;
        int armed;         /* UV_READABLE | … on the loop */
        struct loop *loop; /* NULL on a plain thread */
        int cancel_fd;     /* on a plain thread, if above 0: readable ends every wait as a time-out does */
        struct fiber *waiter;
        SSL *ssl;                                      /* owned */
        void (*on_event)(struct net *net, int events); /* nobody waits; 0 = the socket failed */
        void (*on_closed)(struct net *net);            /* the memory may be freed */
        uv_poll_t poll;
};

/* Takes the descriptor when it succeeds. loop: of this thread, or NULL. */
bool net_init(struct net *net, struct loop *loop, int fd, struct err *err) MUST_USE;
/* Closes the descriptor at once, with TLS's close_notify if possible; on_closed comes later (at once without
 * loop). */
void net_close(struct net *net);

/* Nothing more will be written: says so to the peer. False when it cannot be told. */
bool net_shutdown_write(struct net *net);
/* Makes the close a reset: the peer must not take what it got for the whole. */
void net_reset_at_close(struct net *net);

/* Only on a loop: what on_event shall hear of. */
void net_arm(struct net *net, int events);

/*
 * One attempt. Bytes, 0 at the end of the stream, or negative: -EAGAIN (then
 * *ret_wait is UV_READABLE or UV_WRITABLE), another -errno, -EPROTO for TLS.
 */
ssize_t net_try_read(struct net *net, void *bytes, size_t size_bytes, int *ret_wait);
ssize_t net_try_write(struct net *net, const struct iovec *pieces, int n_pieces, int *ret_wait);
/* 0 when done, else as above. */
int net_try_handshake(struct net *net, int *ret_wait);

/* Whether a read would find bytes without the socket: only TLS can have them. */
bool net_has_pending(const struct net *net);

/* Waits until the socket is ready (or failed): true; false at the deadline. */
FIBER_FN bool net_wait(struct net *net, int events, int64_t deadline_mono_us);

/* Waits as long as needed. *ret_len 0 = end. -errno, or -ETIMEDOUT, or 0. */
FIBER_FN int net_read(struct net *net, void *bytes, size_t size_bytes, int64_t deadline_mono_us,
                      size_t *ret_len);
/* Writes all; the pieces are changed. Fails after timeout_ms without progress. 0 or -errno. */
FIBER_FN int net_write_all(struct net *net, struct iovec *pieces, int n_pieces, int64_t timeout_ms);

/* OpenSSL's queue of errors as text; empties it. Returns `text`. */
const char *net_tls_reason(char *text, size_t size_bytes);
