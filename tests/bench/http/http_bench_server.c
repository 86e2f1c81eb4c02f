/* SPDX-License-Identifier: Apache-2.0 */
/* The server with one static reply, to be measured: http_bench_server PORT [CERTIFICATE KEY]. Ends on
 * SIGTERM. */
#include "io/http_server.h"
#include "io/tls.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static FIBER_FN void reply(struct http_exchange *x, void *arg)
{
        static const struct http_header type = {STR("Content-Type"), STR("application/json")};
        const struct str *body = arg;
        struct err err;

        /* A client that went away is no concern of a benchmark. */
        if (!http_reply(x, 200, &type, 1, *body, &err))
                return;
}

static bool serve(struct loops *loops, int argc, char **argv, struct http_server **ret_server,
                  struct tls_server **ret_tls, struct err *err)
{
        static char text[142];
        static struct str body = {text, sizeof(text)};
        struct http_server_config config;

        for (size_t i = 0; i < sizeof(text); i++)
                text[i] = (char)('a' + i % 26);
        http_server_config_init(&config);
        config.port = (uint16_t)atoi(argv[1]);
        config.handler = reply;
        config.handler_arg = &body;
        config.idle_timeout_ms = 600000;
        if (argc >= 4) {
                struct tls_server_config tls = {.certificate_file = str_from(argv[2]),
                                                .key_file = str_from(argv[3])};

                if (!tls_server_new(&tls, ret_tls, err))
                        return false;
                config.tls = *ret_tls;
        }
        if (!http_server_open(loops, &config, ret_server, err))
                return false;
        http_server_serve(*ret_server);
        return true;
}

int main(int argc, char **argv)
{
        struct tls_server *tls = NULL;
        struct http_server *server;
        struct loops *loops;
        struct err err;
        sigset_t set;
        int number;

        if (argc < 2) {
                fprintf(stderr, "usage: %s PORT [CERTIFICATE KEY]\n", argv[0]);
                return 2;
        }
        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        sigprocmask(SIG_BLOCK, &set, NULL);
        if (!loops_start(0, &loops, &err) || !serve(loops, argc, argv, &server, &tls, &err)) {
                fprintf(stderr, "%s\n", err.message);
                return 1;
        }
        printf("%u\n", http_server_port(server));
        fflush(stdout);
        sigwait(&set, &number);
        http_server_free(server);
        tls_server_free(tls);
        loops_free(loops);
        return 0;
}
