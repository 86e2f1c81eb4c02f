/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the HTTP client. */
#pragma once

#include "base/buf.h"
#include "io/http_client.h"
#include "io/http_parse.h"
#include "io/loop_private.h"
#include "io/net.h"

/* Where a call goes: views into the call. */
struct http_origin {
        struct str unix_path; /* or … */
        struct str host;      /* without brackets */
        struct str authority; /* for the Host header */
        uint16_t port;
        bool is_tls;
        struct str target;
};

struct http_client_conn {
        struct net net;
        struct http_client *client;
        struct http_client_conn *next; /* in the client's list of idle ones, under its lock */
        struct loop_task close;
        char *origin; /* as origin_key writes it */
        int64_t idle_since_us;
        bool is_idle; /* under the client's lock */
        bool was_used;
};

struct http_client {
        struct http_client_config config;
        char *user_agent;
        pthread_mutex_t lock; /* of what follows */
        pthread_cond_t changed;
        struct http_client_conn *idle; /* last used first */
        unsigned n_idle;
        unsigned n_open; /* connections whose memory is not freed yet */
};

/* http_origin.c: from a call's URL. ERR_BAD_PARAMETER. */
bool http_origin_parse(const struct http_client_call *call, struct http_origin *ret_origin,
                       struct err *err) MUST_USE;
void http_origin_key(const struct http_origin *origin, struct buf *ret_key);

/* http_connect.c: a new connection, with TLS done. */
FIBER_FN bool http_connect(struct http_client *client, const struct http_origin *origin,
                           int64_t deadline_mono_us, struct http_client_conn **ret_conn,
                           struct err *err) MUST_USE;

/* http_pool.c */
struct http_client_conn *http_conn_new(struct http_client *client, int fd, struct err *err);
/* A kept connection that is still alive, or NULL. */
struct http_client_conn *http_pool_take(struct http_client *client, const char *key);
/* Keeps the connection if there is room. */
void http_pool_keep(struct http_client_conn *conn);
void http_conn_close(struct http_client_conn *conn);
