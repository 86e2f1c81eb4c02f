/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the HTTP server. Everything but the counters belongs to one loop. */
#pragma once

#include "base/buf.h"
#include "io/http_parse.h"
#include "io/http_server.h"
#include "io/loop_private.h"
#include "io/net.h"

#include <netinet/in.h>

enum {
        INPUT_BYTES = 8 * 1024,        /* of an exchange; grows for larger heads */
        EXCHANGES_KEPT = 64,           /* per loop */
        BODY_DISCARD_MAX = 256 * 1024, /* unread by the handler, read for the next request's sake */
        DISCARD_TIMEOUT_MS = 2000,
        LINGER_TIMEOUT_MS = 2000,
        LINGER_DRAIN_MS = 100,
        LINGER_MAX_BYTES = 1024 * 1024,
};

enum conn_state {
        CONN_HANDSHAKE,
        CONN_IDLE,   /* between requests: no exchange */
        CONN_HEAD,   /* a part of a head has come */
        CONN_ACTIVE, /* the fiber has it */
        CONN_LINGER, /* all is said; what the peer still sends is thrown away (RFC 9112 section 9.6) */
        CONN_CLOSED,
};

struct http_conn {
        struct net net;
        struct http_listener *listener;
        struct http_exchange *x;
        struct loop_timer timer;
        struct loop_task task; /* conn_request_done */
        struct http_conn *next;
        struct http_conn *prev;
        struct in6_addr peer; /* IPv4 is mapped */
        uint32_t lingered_bytes;
        uint8_t state;
        bool gone;
        bool counted_peer;
        bool was_used; /* has had a request */
};

enum reply_state { REPLY_NONE, REPLY_STREAM, REPLY_DONE };

struct http_exchange {
        struct http_conn *conn;
        struct http_exchange *next_free;
        struct arena arena;
        struct http_request_head request;
        struct http_body body;
        struct http_head_scan scan;
        char *in; /* the head; views point here */
        size_t in_size_bytes;
        size_t in_len;
        size_t head_len;
        /* What came after the head: a part of `in`, or of the arena when that is too small. */
        char *raw;
        size_t raw_size_bytes;
        size_t raw_at;
        size_t raw_len;
        uint64_t body_bytes;
        int64_t body_waited_us;
        int64_t start_us;
        struct fiber_event *notify;
        void *data;
        uint64_t bytes_out;
        int status;
        uint8_t reply;
        bool continue_due; /* the client waits for 100 */
        bool body_failed;
        bool stream_chunked;
        bool close_after;
};

/* Written by one loop, read by anyone. */
struct http_counters {
        atomic_ullong open;
        atomic_ullong accepted;
        atomic_ullong refused;
        atomic_ullong requests;
        atomic_ullong active;
        atomic_ullong protocol_errors;
        atomic_ullong bytes_in;
        atomic_ullong bytes_out;
        atomic_ullong handshakes_failed;
};

static inline void count(atomic_ullong *counter, unsigned long long by)
{
        /* One writer: no need for a locked instruction. */
        atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by,
                              memory_order_relaxed);
}

struct http_listener {
        struct http_server *server;
        struct loop *loop;
        uv_poll_t poll;
        int fd;
        struct http_conn *conns;
        struct http_exchange *free_exchanges;
        unsigned n_free_exchanges;
        struct loop_timer retry; /* after EMFILE */
        struct loop_task start;
        struct loop_task drain;
        struct loop_task cut;
        struct http_counters counters;
        int64_t date_second;
        char date[32]; /* RFC 9110 section 5.6.7 */
        bool listening;
        bool poll_closed;
        bool draining;
        bool done;
};

struct http_server {
        struct http_server_config config;
        struct http_limits limits;
        char *host;
        uint16_t port;
        struct http_listener *listeners;
        unsigned n_listeners;
        atomic_uint connections_open;
        struct http_peers *peers; /* NULL without a limit per address */
        bool serves;              /* of the thread that opened it */

        pthread_mutex_t lock; /* of what follows */
        pthread_cond_t changed;
        unsigned listeners_started;
        unsigned listeners_done;
        unsigned listeners_cut;
        bool drained;
};

/* http_conn.c, on the loop's stack */
void conn_accept(struct http_listener *listener, int fd, const struct sockaddr_in6 *peer);
/* Closes an idle connection, tells an active one that the peer is gone. */
void conn_cut(struct http_conn *conn);
void conn_drain(struct http_conn *conn);
/* When a listener has no connection left. */
void listener_check_done(struct http_listener *listener);
void exchanges_free(struct http_listener *listener);

/* http_exchange.c */
FIBER_ENTRY void exchange_main(void *arg);

/* http_reply.c */
const char *listener_date(struct http_listener *listener);
/* A whole reply to an error that the server found, for conn_protocol_error. */
bool protocol_error_render(struct http_listener *listener, const struct err *error, struct str peer,
                           bool is_head_request, struct buf *ret_reply);
/* After a handler that has not replied, or was in the middle of a stream. */
FIBER_FN void exchange_finish_reply(struct http_exchange *x);
void peer_format(const struct in6_addr *peer, char ret_text[INET6_ADDRSTRLEN]);

/* http_peers.c: connections per address. Any thread. */
struct http_peers;
struct http_peers *http_peers_new(unsigned per_peer_max);
void http_peers_free(struct http_peers *peers);
bool http_peers_enter(struct http_peers *peers, const struct in6_addr *peer);
void http_peers_leave(struct http_peers *peers, const struct in6_addr *peer);
