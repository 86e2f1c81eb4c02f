/* SPDX-License-Identifier: Apache-2.0 */
#include "executor/fake_engine.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct connection {
        struct fake_engine *fake;
        int fd;
};

/* Waits for bytes; false when the test is over. */
static bool readable(const struct fake_engine *fake, int fd)
{
        struct pollfd fds[] = {{.fd = fd, .events = POLLIN}, {.fd = fake->stop_fd, .events = POLLIN}};

        while (poll(fds, 2, -1) < 0 && errno == EINTR)
                ;
        return (fds[1].revents & POLLIN) == 0;
}

static size_t content_length(struct str head)
{
        ptrdiff_t at = str_find_str(head, STR("Content-Length: "));

        return at < 0 ? 0 : strtoul(head.ptr + at + 16, NULL, 10);
}

/* A whole request, with its body. */
static bool read_request(const struct fake_engine *fake, int fd, struct buf *request)
{
        for (;;) {
                ptrdiff_t end = str_find_str(buf_str(request), STR("\r\n\r\n"));
                char *room = buf_reserve(request, 4096);
                ssize_t n;

                if (end >= 0 && request->len >= (size_t)end + 4 + content_length(buf_str(request)))
                        return true;
                if (!room || !readable(fake, fd) || (n = recv(fd, room, 4096, 0)) <= 0)
                        return false;
                buf_advance(request, (size_t)n);
        }
}

static bool find_step(struct fake_engine *fake, struct str request, struct fake_step *ret)
{
        bool found = false;

        pthread_mutex_lock(&fake->lock);
        buf_append_str(&fake->requests, request);
        buf_append_c(&fake->requests, "\n");
        for (unsigned i = 0; i < fake->step_count && !found; i++) {
                struct fake_step *step = &fake->steps[i];

                if (!step->used && str_starts(request, str_from(step->request))) {
                        step->used = true;
                        *ret = *step;
                        found = true;
                }
        }
        if (!found)
                fake->unexpected++;
        pthread_mutex_unlock(&fake->lock);
        return found;
}

static void send_all(int fd, struct str bytes)
{
        while (bytes.len > 0) {
                ssize_t n = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);

                if (n <= 0)
                        return;
                bytes = str_slice(bytes, (size_t)n, bytes.len);
        }
}

static void *serve(void *arg)
{
        struct connection *connection = arg;
        struct fake_engine *fake = connection->fake;
        struct fake_step step;
        struct buf request;

        buf_init(&request, 1 << 20);
        if (read_request(fake, connection->fd, &request) && find_step(fake, buf_str(&request), &step)) {
                send_all(connection->fd, step.answer);
                if (step.manner == FAKE_HANG) {
                        struct pollfd over = {.fd = fake->stop_fd, .events = POLLIN};

                        (void)poll(&over, 1, -1);
                }
        }
        buf_done(&request);
        close(connection->fd);
        pthread_mutex_lock(&fake->lock);
        fake->connections--;
        pthread_cond_broadcast(&fake->changed);
        pthread_mutex_unlock(&fake->lock);
        free(connection);
        return NULL;
}

static void *listen_main(void *arg)
{
        struct fake_engine *fake = arg;

        while (readable(fake, fake->listen_fd)) {
                struct connection *connection = malloc(sizeof(*connection));
                pthread_t thread;

                *connection = (struct connection){fake, accept(fake->listen_fd, NULL, NULL)};
                pthread_mutex_lock(&fake->lock);
                fake->connections++;
                pthread_mutex_unlock(&fake->lock);
                if (pthread_create(&thread, NULL, serve, connection) != 0)
                        abort();
                pthread_detach(thread);
        }
        return NULL;
}

void fake_engine_start(struct fake_engine *fake)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};

        *fake = (struct fake_engine){.dir = test_dir_new(),
                                     .lock = PTHREAD_MUTEX_INITIALIZER,
                                     .changed = PTHREAD_COND_INITIALIZER};
        buf_init(&fake->requests, 4 << 20);
        snprintf(fake->path, sizeof(fake->path), "%s/engine.sock", fake->dir.path);
        memcpy(address.sun_path, fake->path, strlen(fake->path) + 1);
        fake->stop_fd = eventfd(0, EFD_CLOEXEC);
        fake->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fake->stop_fd < 0 || fake->listen_fd < 0 ||
            bind(fake->listen_fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
            listen(fake->listen_fd, 16) < 0 || pthread_create(&fake->thread, NULL, listen_main, fake) != 0)
                abort();
}

void fake_engine_stop(struct fake_engine *fake)
{
        uint64_t one = 1;

        if (write(fake->stop_fd, &one, sizeof(one)) < 0)
                abort();
        pthread_join(fake->thread, NULL);
        pthread_mutex_lock(&fake->lock);
        while (fake->connections > 0)
                pthread_cond_wait(&fake->changed, &fake->lock);
        pthread_mutex_unlock(&fake->lock);
        close(fake->listen_fd);
        close(fake->stop_fd);
        for (unsigned i = 0; i < fake->step_count; i++)
                free((char *)fake->steps[i].answer.ptr);
        buf_done(&fake->requests);
        test_dir_remove(&fake->dir);
}

void fake_engine_say(struct fake_engine *fake, const char *request, enum fake_manner manner,
                     struct str answer)
{
        char *copy = malloc(answer.len + 1);

        memcpy(copy, answer.ptr, answer.len);
        pthread_mutex_lock(&fake->lock);
        if (fake->step_count == FAKE_STEPS_MAX)
                abort();
        fake->steps[fake->step_count++] =
                (struct fake_step){request, manner, str_make(copy, answer.len), false};
        pthread_mutex_unlock(&fake->lock);
}

void fake_engine_json(struct fake_engine *fake, const char *request, int status, const char *json)
{
        BUF_SCOPED answer;

        buf_init(&answer, 1 << 20);
        buf_printf(&answer, "HTTP/1.1 %d Whatever\r\nConnection: close\r\n", status);
        if (status != 204 && status != 304)
                buf_printf(&answer, "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                           strlen(json), json);
        else
                buf_append_c(&answer, "\r\n");
        fake_engine_say(fake, request, FAKE_ANSWER, buf_str(&answer));
}

unsigned fake_engine_count(struct fake_engine *fake, const char *request)
{
        struct str rest;
        unsigned count = 0;
        ptrdiff_t at;

        pthread_mutex_lock(&fake->lock);
        rest = buf_str(&fake->requests);
        while ((at = str_find_str(rest, str_from(request))) >= 0) {
                count++;
                rest = str_slice(rest, (size_t)at + 1, rest.len);
        }
        pthread_mutex_unlock(&fake->lock);
        return count;
}
