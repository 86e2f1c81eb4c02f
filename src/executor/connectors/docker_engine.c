/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to the Docker Engine. */
#include "executor/connectors/docker_private.h"

#include "base/test_hooks.h"

#include <stdio.h>

void docker_say(struct str text, char *ret, size_t size)
{
        struct str cut = str_slice(str_trim(text), 0, size - 1);
        size_t len = str_utf8_prefix(cut);

        for (size_t i = 0; i < len; i++) {
                unsigned char c = (unsigned char)cut.ptr[i];

                /* One line, whatever the engine says. */
                ret[i] = c < ' ' || c == 0x7f ? ' ' : (char)c;
        }
        ret[len] = '\0';
}

static bool new_client(struct http_client **ret, struct err *err)
{
        struct http_client_config config;

        http_client_config_init(&config);
        config.user_agent = STR("countersign-executor");
        return http_client_new(&config, ret, err);
}

static struct http_client_call call_make(const struct docker *docker, const char *method, struct str target,
                                         int64_t timeout_ms)
{
        return (struct http_client_call){
                .method = str_from(method),
                .unix_path = docker->socket,
                .target = target,
                .timeout_ms = timeout_ms,
                .cap_bytes = DOCKER_ANSWER_MAX_BYTES,
        };
}

/* Fills the answer from a response that came whole; false when it is nonsense. */
static bool read_answer(struct arena *arena, const struct http_response *response, struct docker_answer *ret,
                        struct err *err)
{
        ret->status = response->status;
        if (response->body.len == 0)
                return true;
        if (!json_parse(arena, response->body, &ret->json, err))
                return err_prefix(err, "the Docker Engine answers %d with what is not JSON",
                                  response->status);
        ret->has_json = true;
        if (response->status >= 400)
                docker_say(json_get_string(&ret->json, "message"), ret->said, sizeof(ret->said));
        return true;
}

static bool failed(const struct docker *docker, struct err *err)
{
        err->code = ERR_CONNECTOR_FAILED;
        return err_prefix(err, "the Docker Engine at %s", docker->socket.ptr);
}

bool docker_ask(struct docker *docker, struct arena *arena, struct str target, struct docker_answer *ret,
                struct err *err)
{
        struct http_client_call call = call_make(docker, "GET", target, docker->read_timeout_ms);
        struct http_response response;

        *ret = (struct docker_answer){0};
        if (!http_call(docker->reader, &call, arena, &response, err) ||
            !read_answer(arena, &response, ret, err))
                return failed(docker, err);
        if (ret->status == 404 && ret->said[0])
                return true;
        if (ret->status != 200 || !ret->has_json) {
                err_set(err, ERR_CONNECTOR_FAILED, "answers %d%s%s", ret->status, ret->said[0] ? ": " : "",
                        ret->said);
                return failed(docker, err);
        }
        return true;
}

static bool is_success(int status, const int *success)
{
        for (; *success; success++) {
                if (*success == status)
                        return true;
        }
        return false;
}

enum docker_fate docker_change(struct docker *docker, struct arena *arena, const char *method,
                               struct str target, struct str body, int64_t timeout_ms, const int *success,
                               struct docker_answer *ret, struct err *err)
{
        static const struct http_header json = {STR("Content-Type"), STR("application/json")};
        struct http_client_call call = call_make(docker, method, target, timeout_ms);
        struct http_response response;
        struct http_client *client;
        bool ok;

        *ret = (struct docker_answer){0};
        if (body.len > 0) {
                call.body = body;
                call.headers = &json;
                call.n_headers = 1;
        }
        if (!new_client(&client, err))
                return DOCKER_REFUSED;
        test_step("docker change");
        ok = http_call(client, &call, arena, &response, err);
        http_client_free(client);
        test_step("docker changed");
        if (!ok) {
                enum err_code code = err->code;

                failed(docker, err);
                return code == ERR_UPSTREAM_UNREACHABLE || code == ERR_BAD_PARAMETER ? DOCKER_REFUSED
                                                                                     : DOCKER_UNKNOWN;
        }
        if (!read_answer(arena, &response, ret, err)) {
                failed(docker, err);
                return DOCKER_UNKNOWN;
        }
        if (is_success(ret->status, success))
                return DOCKER_DONE;
        err_set(err, ERR_CONNECTOR_FAILED, "answers %d%s%s", ret->status, ret->said[0] ? ": " : "",
                ret->said);
        failed(docker, err);
        if (!ret->said[0])
                return DOCKER_UNKNOWN;
        if (ret->status >= 400 && ret->status < 500)
                return DOCKER_REFUSED;
        return ret->status >= 500 ? DOCKER_FAILED : DOCKER_UNKNOWN;
}

bool docker_open(struct docker *docker, const char *method, struct str target, int64_t read_timeout_ms,
                 struct docker_body *ret, struct err *err)
{
        struct http_client_call call = call_make(docker, method, target, docker->read_timeout_ms);
        const struct http_response *response;

        *ret = (struct docker_body){0};
        call.read_timeout_ms = read_timeout_ms;
        if (!new_client(&ret->client, err))
                return false;
        if (!http_stream_open(ret->client, &call, &ret->stream, err)) {
                docker_body_close(ret);
                return failed(docker, err);
        }
        response = http_stream_response(ret->stream);
        if (response->status != 200) {
                err_set(err, ERR_CONNECTOR_FAILED, "answers %d", response->status);
                docker_body_close(ret);
                return failed(docker, err);
        }
        return true;
}

void docker_body_close(struct docker_body *body)
{
        http_stream_close(body->stream);
        if (body->client)
                http_client_free(body->client);
        *body = (struct docker_body){0};
}
