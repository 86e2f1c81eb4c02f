/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's life: everything that stands before the first request and falls
 * after the last one.
 */
#pragma once

#include "api/services.h"
#include "server/config.h"
#include "store/store.h"

struct server;

/* What the first start on an empty store made; shown once. */
struct server_first {
        bool made;
        char tenant[40];
        char workspace[40];
        char api_key[128];
        char link[128]; /* one-time, by which a person becomes the first administrator */
};

/* Serves when it returns. Signals must be blocked before (server_block_signals). */
bool server_start(const struct config *config, struct server **ret_server, struct server_first *ret_first,
                  struct err *err) MUST_USE;
/* How the configured store is opened; the strings live in the arena. */
bool server_store_options(const struct config *config, struct arena *arena,
                          struct store_options *ret_options, struct err *err) MUST_USE;
/* "http://127.0.0.1:7070" */
const char *server_url(const struct server *server);
/* Where browsers reach it: node.url, or the same. */
struct str server_public_url(const struct server *server);
/* Reads the TLS files again. */
bool server_reload(struct server *server, struct err *err) MUST_USE;
/* Answers what runs, for at most the configured time, then ends. NULL is fine. */
void server_stop(struct server *server);

/* Blocks SIGTERM, SIGINT, SIGHUP for this thread and those it starts; ignores SIGPIPE. */
void server_block_signals(void);

/* The programs of main.c that stand in this folder: each takes its own words and returns an exit status. */
int server_main(int argc, char **argv);
int config_main(int argc, char **argv);
int migrate_main(int argc, char **argv);
int tenant_move_main(int argc, char **argv);
int dev_main(int argc, char **argv);
