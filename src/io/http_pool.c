/* SPDX-License-Identifier: Apache-2.0 */
/* The client's connections: made, kept, given out again, closed. */
#include "io/http_client_private.h"

#include "base/clock.h"
#include "base/heap.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void conn_freed(struct net *net)
{
        struct http_client_conn *conn = CONTAINER_OF(net, struct http_client_conn, net);
        struct http_client *client = conn->client;

        heap_free(conn->origin);
        heap_free(conn);
        pthread_mutex_lock(&client->lock);
        client->n_open--;
        pthread_cond_broadcast(&client->changed);
        pthread_mutex_unlock(&client->lock);
}

struct http_client_conn *http_conn_new(struct http_client *client, int fd, struct err *err)
{
        struct http_client_conn *conn = heap_alloc_zeroed(1, sizeof(*conn));

        if (!conn) {
                err_set(err, ERR_NO_MEMORY, "no memory for a connection");
                close(fd);
                return NULL;
        }
        if (!net_init(&conn->net, loop_current(), fd, err)) {
                heap_free(conn);
                close(fd);
                return NULL;
        }
        conn->client = client;
        conn->net.on_closed = conn_freed;
        pthread_mutex_lock(&client->lock);
        client->n_open++;
        pthread_mutex_unlock(&client->lock);
        return conn;
}

void http_conn_close(struct http_client_conn *conn)
{
        net_close(&conn->net);
}

/* With the client's lock held. */
static bool pool_remove(struct http_client_conn *conn)
{
        struct http_client *client = conn->client;

        if (!conn->is_idle)
                return false;
        for (struct http_client_conn **at = &client->idle; *at; at = &(*at)->next) {
                if (*at != conn)
                        continue;
                *at = conn->next;
                break;
        }
        conn->is_idle = false;
        client->n_idle--;
        return true;
}

/* On the connection's loop: the peer has closed it, or sent what nobody asked for. */
static void idle_event(struct net *net, int events)
{
        struct http_client_conn *conn = CONTAINER_OF(net, struct http_client_conn, net);
        bool was_idle;

        (void)events;
        pthread_mutex_lock(&conn->client->lock);
        was_idle = pool_remove(conn);
        pthread_mutex_unlock(&conn->client->lock);
        if (was_idle)
                http_conn_close(conn);
        else
                net_arm(net, 0);
}

struct http_client_conn *http_pool_take(struct http_client *client, const char *key)
{
        struct loop *loop = loop_current();
        char byte;
        int wait;

        for (;;) {
                int64_t oldest_us = clock_mono_us() - client->config.idle_timeout_ms * 1000;
                struct http_client_conn *conn;

                pthread_mutex_lock(&client->lock);
                for (conn = client->idle; conn; conn = conn->next) {
                        if (conn->net.loop == loop && strcmp(conn->origin, key) == 0)
                                break;
                }
                if (conn)
                        pool_remove(conn);
                pthread_mutex_unlock(&client->lock);
                if (!conn)
                        return NULL;
                /* An idle connection has nothing to say; if it has, it is at its end. */
                if (conn->idle_since_us >= oldest_us &&
                    net_try_read(&conn->net, &byte, 1, &wait) == -EAGAIN) {
                        conn->net.on_event = NULL;
                        return conn;
                }
                http_conn_close(conn);
        }
}

void http_pool_keep(struct http_client_conn *conn)
{
        struct http_client *client = conn->client;

        pthread_mutex_lock(&client->lock);
        if (client->n_idle >= client->config.idle_max) {
                pthread_mutex_unlock(&client->lock);
                http_conn_close(conn);
                return;
        }
        conn->idle_since_us = clock_mono_us();
        conn->was_used = true;
        conn->is_idle = true;
        conn->net.on_event = idle_event;
        conn->next = client->idle;
        client->idle = conn;
        client->n_idle++;
        pthread_mutex_unlock(&client->lock);
}

void http_client_config_init(struct http_client_config *config)
{
        *config = (struct http_client_config){
                .idle_max = 32,
                .idle_timeout_ms = 15000,
                .head_max_bytes = 64 * 1024,
                .headers_max = 200,
        };
}

bool http_client_new(const struct http_client_config *config, struct http_client **ret_client,
                     struct err *err)
{
        struct http_client *client = heap_alloc_zeroed(1, sizeof(*client));

        if (!http_value_is_safe(config->user_agent)) {
                heap_free(client);
                return err_set(err, ERR_BAD_PARAMETER, "the user agent has a control character");
        }
        if (client)
                client->user_agent = heap_alloc(config->user_agent.len + 1);
        if (!client || !client->user_agent) {
                heap_free(client);
                return err_set(err, ERR_NO_MEMORY, "no memory for an HTTP client");
        }
        snprintf(client->user_agent, config->user_agent.len + 1, "%.*s", STR_ARG(config->user_agent));
        /* OpenSSL writes with write(2): a peer that closed must be an error, not the end of the program. */
        signal(SIGPIPE, SIG_IGN);
        client->config = *config;
        client->config.user_agent = str_from(client->user_agent);
        pthread_mutex_init(&client->lock, NULL);
        pthread_cond_init(&client->changed, NULL);
        *ret_client = client;
        return true;
}

static void close_on_loop(struct loop_task *task)
{
        http_conn_close(CONTAINER_OF(task, struct http_client_conn, close));
}

BLOCKING_FN void http_client_free(struct http_client *client)
{
        if (!client)
                return;
        pthread_mutex_lock(&client->lock);
        while (client->idle) {
                struct http_client_conn *conn = client->idle;

                pool_remove(conn);
                pthread_mutex_unlock(&client->lock);
                conn->close.run = close_on_loop;
                if (conn->net.loop)
                        loop_post(conn->net.loop, &conn->close);
                else
                        http_conn_close(conn);
                pthread_mutex_lock(&client->lock);
        }
        while (client->n_open > 0)
                pthread_cond_wait(&client->changed, &client->lock);
        pthread_mutex_unlock(&client->lock);
        pthread_mutex_destroy(&client->lock);
        pthread_cond_destroy(&client->changed);
        heap_free(client->user_agent);
        heap_free(client);
}
