/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/login.h"

#include "base/base64.h"
#include "base/clock.h"
#include "base/percent.h"
#include "cli/output.h"
#include "crypto/sha256.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CLIENT_ID "countersign-cli"
#define DEVICE_GRANT "urn:ietf:params:oauth:grant-type:device_code"
/* How old a second factor may be that --second-factor asks for; what operations ask for is 300 s. */
#define SECOND_FACTOR_S "240"

enum { VERIFIER_BYTES = 32, STATE_BYTES = 12, REQUEST_MAX = 8192, LOGIN_WAIT_S = 300, READ_WAIT_MS = 5000 };

extern char **environ;

static struct str random_text(struct cli *cli, size_t len)
{
        uint8_t bytes[VERIFIER_BYTES];

        random_bytes(bytes, len);
        return base64url_encode(&cli->arena, str_make(bytes, len));
}

/* What the server says of its endpoints (RFC 8414). */
static bool get_metadata(struct cli *cli, struct cli_reply *ret, struct err *err)
{
        cli->profile.key = STR_NULL; /* an old one would be refused */
        return cli_get(cli, ret, err, "/.well-known/oauth-authorization-server");
}

/* ---- the browser of this machine --------------------------------------------------------------- */

static void close_fd(int *fd)
{
        if (*fd >= 0)
                close(*fd);
}

static bool listen_loopback(int *ret_fd, unsigned *ret_port, struct err *err)
{
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t len = sizeof(address);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, 4) != 0 ||
            getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
                err_set_errno(err, ERR_SYSTEM, errno, "cannot listen on 127.0.0.1 for the browser's answer");
                close_fd(&fd);
                return false;
        }
        *ret_fd = fd;
        *ret_port = ntohs(address.sin_port);
        return true;
}

/* Whatever opens pages here; without any, the person opens the address that was printed. */
static void open_browser(const char *url)
{
        char *words[] = {(char *)"xdg-open", (char *)url, NULL};
        posix_spawn_file_actions_t actions;
        pid_t pid;

        if (posix_spawn_file_actions_init(&actions) != 0)
                return;
        if (posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0) == 0 &&
            posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0) == 0 &&
            posix_spawnp(&pid, words[0], &actions, NULL, words, environ) == 0)
                (void)waitpid(pid, NULL, WNOHANG);
        posix_spawn_file_actions_destroy(&actions);
}

struct callback {
        struct str code;
        struct str error;
};

/* The head of one request, within the time; "" when it is none. */
static struct str read_head(struct cli *cli, int fd)
{
        char *head = arena_alloc_bytes(&cli->arena, REQUEST_MAX);
        int64_t end_us = clock_mono_us() + (int64_t)READ_WAIT_MS * 1000;
        size_t len = 0;

        while (head && len < REQUEST_MAX) {
                struct pollfd ready = {.fd = fd, .events = POLLIN};
                int left_ms = (int)((end_us - clock_mono_us()) / 1000);
                ssize_t got;

                if (left_ms <= 0 || poll(&ready, 1, left_ms) <= 0)
                        break;
                got = recv(fd, head + len, REQUEST_MAX - len, 0);
                if (got <= 0)
                        break;
                len += (size_t)got;
                if (str_find_str(str_make(head, len), STR("\r\n\r\n")) >= 0)
                        return str_make(head, len);
        }
        return STR("");
}

static void answer(int fd, const char *status, const char *words)
{
        char reply[1024];
        int len = snprintf(reply, sizeof(reply),
                           "HTTP/1.1 %s\r\nContent-Type: text/html; charset=utf-8\r\nConnection: close\r\n"
                           "Cache-Control: no-store\r\nContent-Security-Policy: default-src 'none'\r\n"
                           "Content-Length: %zu\r\n\r\n%s",
                           status, strlen(words), words);

        (void)!send(fd, reply, (size_t)len, MSG_NOSIGNAL);
}

/*
 * Whether the request is the answer to ours: the state is (RFC 6749 section 10.12), and so is the issuer
 * (RFC 9207 section 2.4). Anything else on this port is somebody else's, and is not listened to.
 */
static bool take_callback(struct cli *cli, struct str head, struct str state, struct str issuer,
                          struct callback *ret)
{
        struct str target;
        struct str method;
        struct str path;
        bool ours = false;
        bool known_issuer = false;
        bool more = true;

        (void)str_cut(&head, ' ', &method);
        (void)str_cut(&head, ' ', &target);
        if (!str_is(method, "GET") || !str_cut(&target, '?', &path) || !str_is(path, "/callback"))
                return false;
        while (more) {
                struct str value;
                struct str pair;
                struct str name;

                more = str_cut(&target, '&', &pair);
                (void)str_cut(&pair, '=', &name);
                if (!percent_decode(&cli->arena, pair, true, &value))
                        return false;
                if (str_is(name, "state"))
                        ours = str_eq_secret(value, state);
                else if (str_is(name, "iss"))
                        known_issuer = str_eq(value, issuer);
                else if (str_is(name, "code"))
                        ret->code = value;
                else if (str_is(name, "error"))
                        ret->error = value;
        }
        return ours && known_issuer && (ret->code.len > 0 || ret->error.len > 0);
}

static bool wait_for_callback(struct cli *cli, int listener, struct str state, struct str issuer,
                              struct callback *ret, struct err *err)
{
        int64_t end_us = clock_mono_us() + (int64_t)LOGIN_WAIT_S * 1000000;

        for (;;) {
                __attribute__((cleanup(close_fd))) int fd = -1;
                struct pollfd ready = {.fd = listener, .events = POLLIN};
                int64_t left_ms = (end_us - clock_mono_us()) / 1000;
                struct arena_mark mark = arena_mark(&cli->arena);

                if (left_ms <= 0 || poll(&ready, 1, (int)left_ms) == 0)
                        return err_set(err, ERR_UPSTREAM_TIMEOUT,
                                       "nobody logged in within five minutes; try again");
                fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
                if (fd < 0)
                        continue;
                *ret = (struct callback){0};
                if (take_callback(cli, read_head(cli, fd), state, issuer, ret)) {
                        answer(fd, "200 OK",
                               ret->code.len > 0
                                       ? "<!doctype html><title>Countersign</title><p>You are logged in. "
                                         "Close this page and go on in the command line."
                                       : "<!doctype html><title>Countersign</title><p>Nothing was allowed.");
                        return true;
                }
                answer(fd, "404 Not Found",
                       "<!doctype html><title>Countersign</title><p>There is nothing here.");
                arena_rewind(&cli->arena, mark);
        }
}

/* Also for people who read the screen of another program: one line, nothing else on it. */
static void show_address(struct cli *cli, struct str url)
{
        fprintf(stderr, "Log in with your browser at\n\n  %.*s\n\n", STR_ARG(out_visible(cli, url)));
        fflush(stderr);
        if (!cli_flag(cli, "no-browser"))
                open_browser(url.ptr);
}

bool login_browser(struct cli *cli, struct str *ret_token, struct err *err)
{
        __attribute__((cleanup(close_fd))) int listener = -1;
        struct str verifier = random_text(cli, VERIFIER_BYTES);
        struct str state = random_text(cli, STATE_BYTES);
        struct cli_reply about;
        struct cli_reply reply;
        struct callback back = {0};
        struct str redirect;
        struct sha256 hash;
        unsigned port;

        if (!get_metadata(cli, &about, err) || !listen_loopback(&listener, &port, err))
                return false;
        sha256_of(verifier, &hash);
        redirect = arena_printf(&cli->arena, "http%%3A%%2F%%2F127.0.0.1%%3A%u%%2Fcallback", port);
        show_address(cli,
                     arena_printf(&cli->arena,
                                  "%.*s?response_type=code&client_id=" CLIENT_ID
                                  "&redirect_uri=%.*s&code_challenge=%.*s&code_challenge_method=S256&"
                                  "state=%.*s%s",
                                  STR_ARG(json_get_string(&about.json, "authorization_endpoint")),
                                  STR_ARG(redirect),
                                  STR_ARG(base64url_encode(&cli->arena, sha256_str(&hash))), STR_ARG(state),
                                  cli_flag(cli, "second-factor") ? "&max_age=" SECOND_FACTOR_S : ""));
        if (!arena_check(&cli->arena, err) ||
            !wait_for_callback(cli, listener, state, json_get_string(&about.json, "issuer"), &back, err))
                return false;
        if (back.code.len == 0)
                return err_set(err, ERR_ACCESS_DENIED, "you did not let the command line in (%.*s)",
                               STR_ARG(str_slice(back.error, 0, 64)));
        if (!cli_post_form(cli, json_get_string(&about.json, "token_endpoint"),
                           arena_printf(&cli->arena,
                                        "grant_type=authorization_code&client_id=" CLIENT_ID
                                        "&code=%.*s&redirect_uri=%.*s&code_verifier=%.*s",
                                        STR_ARG(percent_encode(&cli->arena, back.code)), STR_ARG(redirect),
                                        STR_ARG(verifier)),
                           &reply, err))
                return false;
        *ret_token = json_get_string(&reply.json, "access_token");
        return ret_token->len > 0 || err_set(err, ERR_UPSTREAM_PROTOCOL, "the server gave no token");
}

/* ---- the browser of another machine ------------------------------------------------------------ */

static void sleep_s(int64_t seconds)
{
        struct timespec left = {.tv_sec = seconds};

        while (nanosleep(&left, &left) != 0 && errno == EINTR)
                ;
}

bool login_device(struct cli *cli, struct str *ret_token, struct err *err)
{
        struct cli_reply about;
        struct cli_reply codes;
        struct cli_reply reply;
        int64_t interval_s = 5;
        struct str form;

        if (!get_metadata(cli, &about, err) ||
            !cli_post_form(cli, json_get_string(&about.json, "device_authorization_endpoint"),
                           STR("client_id=" CLIENT_ID), &codes, err))
                return false;
        (void)json_get_int(&codes.json, "interval", &interval_s);
        fprintf(stderr, "On any device, open\n\n  %.*s\n\nand type the code  %.*s\n",
                STR_ARG(out_text(cli, &codes.json, "verification_uri")),
                STR_ARG(out_text(cli, &codes.json, "user_code")));
        form = arena_printf(
                &cli->arena, "grant_type=%.*s&client_id=" CLIENT_ID "&device_code=%.*s",
                STR_ARG(percent_encode(&cli->arena, STR(DEVICE_GRANT))),
                STR_ARG(percent_encode(&cli->arena, json_get_string(&codes.json, "device_code"))));
        if (!arena_check(&cli->arena, err))
                return false;
        for (;;) {
                struct arena_mark mark = arena_mark(&cli->arena);

                sleep_s(interval_s);
                if (cli_post_form(cli, json_get_string(&about.json, "token_endpoint"), form, &reply, err)) {
                        *ret_token = json_get_string(&reply.json, "access_token");
                        return ret_token->len > 0 ||
                               err_set(err, ERR_UPSTREAM_PROTOCOL, "the server gave no token");
                }
                if (err->code == ERR_SLOW_DOWN)
                        interval_s += 5; /* RFC 8628 section 3.5 */
                else if (err->code != ERR_AUTHORIZATION_PENDING)
                        return false;
                arena_rewind(&cli->arena, mark);
        }
}
