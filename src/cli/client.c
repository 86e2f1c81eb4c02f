/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/client.h"

#include "base/id.h"
#include "base/json_write.h"
#include "cli/profile.h"
#include "io/http_client.h"
#include "io/tls.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum {
        CLI_REPLY_MAX_BYTES = 32 * 1024 * 1024,
        CLI_TIMEOUT_MS = 90 * 1000, /* above the longest wait that we ask for */
        CLI_PAGE_ITEMS = 200,
};

static bool client_start(struct cli *cli, struct err *err)
{
        struct http_client_config config;
        struct tls_client_config tls = {.ca_file = cli->profile.ca.ptr ? cli->profile.ca : STR("")};

        if (cli->http)
                return true;
        http_client_config_init(&config);
        config.user_agent = STR("countersign-cli");
        if (str_starts(cli->profile.server, STR("https://"))) {
                if (!tls_client_new(&tls, &cli->tls, err))
                        return false;
                config.tls = cli->tls;
        }
        return http_client_new(&config, &cli->http, err);
}

void cli_client_done(struct cli *cli)
{
        http_client_free(cli->http);
        tls_client_free(cli->tls);
        cli->http = NULL;
        cli->tls = NULL;
}

static enum err_code code_from(struct str name, int status)
{
        for (int code = 1; code < ERR_COUNT; code++)
                if (str_is(name, err_name((enum err_code)code)))
                        return (enum err_code)code;
        for (int code = 1; code < ERR_COUNT; code++)
                if (err_status((enum err_code)code) == status)
                        return (enum err_code)code;
        return ERR_UPSTREAM_PROTOCOL;
}

static bool problem(struct cli *cli, int status, struct str text, struct err *err)
{
        struct json json = {0}; /* what it points to is in the arena */
        struct err ignored;
        struct str detail;
        struct str pointer;

        if (!json_parse(&cli->arena, text, &json, &ignored))
                return err_set(err, code_from(STR(""), status), "the server answered %d without saying why",
                               status);
        detail = json_get_string(&json, "detail");
        pointer = json_get_string(&json, "pointer");
        cli->request_id = json_get_string(&json, "request");
        cli->problems = json_get(&json, "problems");
        err_set(err, code_from(json_get_string(&json, "code"), status), "%.*s", STR_ARG(detail));
        snprintf(err->place, sizeof(err->place), "%.*s", STR_ARG(pointer));
        return false;
}

/* The idempotency key makes a create that is sent again the same create. */
static size_t fill_headers(struct cli *cli, bool creates, struct http_header *headers)
{
        size_t count = 0;

        if (cli->if_match.ptr)
                headers[count++] = (struct http_header){STR("If-Match"), cli->if_match};

        if (cli->profile.key.ptr)
                headers[count++] =
                        (struct http_header){STR("Authorization"), arena_printf(&cli->arena, "Bearer %.*s",
                                                                                STR_ARG(cli->profile.key))};
        headers[count++] = (struct http_header){STR("Accept"), STR("*/*")};
        if (creates) {
                headers[count++] = (struct http_header){STR("Content-Type"), STR("application/json")};
                headers[count++] = (struct http_header){
                        STR("Idempotency-Key"), arena_str(&cli->arena, str_from(id_new("idk").text))};
        }
        return count;
}

bool cli_request(struct cli *cli, const char *method, struct str path, struct str body,
                 struct cli_reply *ret, struct err *err)
{
        struct http_header headers[5];
        struct http_client_call call = {
                .method = str_from(method),
                .url = arena_printf(&cli->arena, "%.*s%.*s", STR_ARG(cli->profile.server), STR_ARG(path)),
                .headers = headers,
                .body = body,
                .timeout_ms = CLI_TIMEOUT_MS,
                .cap_bytes = CLI_REPLY_MAX_BYTES,
        };
        struct http_response response;

        *ret = (struct cli_reply){0};
        call.n_headers = fill_headers(cli, body.ptr != NULL, headers);
        if (!arena_check(&cli->arena, err) || !client_start(cli, err) ||
            !http_call(cli->http, &call, &cli->arena, &response, err))
                return false;
        if (response.status < 200 || response.status > 299)
                return problem(cli, response.status, response.body, err);
        ret->status = response.status;
        ret->text = response.body;
        if (str_starts(http_response_header(&response, STR("Content-Type")), STR("application/json")))
                return json_parse(&cli->arena, response.body, &ret->json, err) ||
                       err_prefix(err, "the server's answer");
        return true;
}

bool cli_get(struct cli *cli, struct cli_reply *ret, struct err *err, const char *path, ...)
{
        struct str whole;
        va_list args;

        va_start(args, path);
        whole = arena_vprintf(&cli->arena, path, args);
        va_end(args);
        return cli_request(cli, "GET", whole, STR_NULL, ret, err);
}

bool cli_post(struct cli *cli, struct str body, struct cli_reply *ret, struct err *err, const char *path,
              ...)
{
        struct str whole;
        va_list args;

        va_start(args, path);
        whole = arena_vprintf(&cli->arena, path, args);
        va_end(args);
        return cli_request(cli, "POST", whole, body, ret, err);
}

bool cli_put(struct cli *cli, struct str body, struct cli_reply *ret, struct err *err, const char *path, ...)
{
        struct str whole;
        va_list args;

        va_start(args, path);
        whole = arena_vprintf(&cli->arena, path, args);
        va_end(args);
        return cli_request(cli, "PUT", whole, body, ret, err);
}

/* "authorization_pending" and the slug "authorization-pending" are one. */
static bool same_word(struct str word, const char *slug)
{
        size_t len = strlen(slug);

        if (word.len != len)
                return false;
        for (size_t i = 0; i < len; i++)
                if (word.ptr[i] != (slug[i] == '-' ? '_' : slug[i]))
                        return false;
        return true;
}

static bool oauth_problem(struct cli *cli, const struct http_response *response, struct err *err)
{
        enum err_code found = code_from(STR(""), response->status);
        struct json json = {0};
        struct err ignored;
        struct str word;

        if (!json_parse(&cli->arena, response->body, &json, &ignored))
                return err_set(err, found, "the server answered %d without saying why", response->status);
        word = json_get_string(&json, "error");
        for (int code = 1; code < ERR_COUNT; code++)
                if (same_word(word, err_slug((enum err_code)code)))
                        found = (enum err_code)code;
        return err_set(err, found, "%.*s", STR_ARG(json_get_string(&json, "error_description")));
}

bool cli_post_form(struct cli *cli, struct str url, struct str form, struct cli_reply *ret, struct err *err)
{
        const struct http_header headers[] = {
                {STR("Content-Type"), STR("application/x-www-form-urlencoded")},
                {STR("Accept"), STR("application/json")}};
        struct http_client_call call = {
                .method = STR("POST"),
                .url = url,
                .headers = headers,
                .n_headers = 2,
                .body = form,
                .timeout_ms = CLI_TIMEOUT_MS,
                .cap_bytes = CLI_REPLY_MAX_BYTES,
        };
        struct http_response response;

        *ret = (struct cli_reply){0};
        if (!arena_check(&cli->arena, err) || !client_start(cli, err) ||
            !http_call(cli->http, &call, &cli->arena, &response, err))
                return false;
        if (response.status != 200)
                return oauth_problem(cli, &response, err);
        ret->status = response.status;
        ret->text = response.body;
        return json_parse(&cli->arena, response.body, &ret->json, err) ||
               err_prefix(err, "the server's answer");
}

bool cli_delete(struct cli *cli, struct err *err, const char *path, ...)
{
        struct cli_reply reply;
        struct str whole;
        va_list args;

        va_start(args, path);
        whole = arena_vprintf(&cli->arena, path, args);
        va_end(args);
        return cli_request(cli, "DELETE", whole, STR_NULL, &reply, err);
}

/* The page's items, each as canonical JSON, behind those that are there. */
static void append_items(struct json_writer *w, struct buf *item, const struct json *page, int64_t *left)
{
        const struct json *items = json_get(page, "items");

        for (uint32_t i = 0; items && items->type == JSON_ARRAY && i<items->count && * left> 0; i++) {
                buf_reset(item);
                json_append_canonical(item, &items->items[i]);
                json_raw(w, buf_str(item));
                --*left;
        }
}

static bool get_pages(struct cli *cli, struct str path, struct str query, int64_t left,
                      struct json_writer *w, struct err *err)
{
        BUF_SCOPED item;
        struct str next = STR("");
        struct cli_reply page;

        buf_init(&item, CLI_REPLY_MAX_BYTES);
        do {
                if (!cli_get(cli, &page, err, "%.*s?limit=%d%s%.*s%s%.*s", STR_ARG(path),
                             left < CLI_PAGE_ITEMS ? (int)left : CLI_PAGE_ITEMS, query.len > 0 ? "&" : "",
                             STR_ARG(query), next.len > 0 ? "&cursor=" : "", STR_ARG(next)))
                        return false;
                append_items(w, &item, &page.json, &left);
                next = json_get_string(&page.json, "next");
        } while (next.len > 0 && left > 0);
        return buf_check(&item, "an item", err);
}

bool cli_get_all(struct cli *cli, struct str path, struct str query, struct cli_reply *ret, struct err *err)
{
        BUF_SCOPED text = {0};
        struct json_writer w;
        struct str limit = cli_value(cli, "limit");
        int64_t left = INT64_MAX;

        if (limit.ptr && (!str_to_i64(limit, &left) || left < 1))
                return err_set(err, ERR_BAD_PARAMETER, "--limit takes a number from 1 on");
        buf_init(&text, CLI_REPLY_MAX_BYTES);
        json_writer_init(&w, &text);
        json_object_begin(&w);
        json_key(&w, "items");
        json_array_begin(&w);
        if (!get_pages(cli, path, query, left, &w, err))
                return false;
        json_array_end(&w);
        json_object_end(&w);
        if (!buf_check(&text, "the collection", err))
                return false;
        *ret = (struct cli_reply){.status = 200, .text = arena_str(&cli->arena, buf_str(&text))};
        return arena_check(&cli->arena, err) && json_parse(&cli->arena, ret->text, &ret->json, err);
}

/* Reads what an answer other than 200 says; a problem is small. */
static bool stream_problem(struct cli *cli, struct http_stream *stream, int status, struct err *err)
{
        BUF_SCOPED text;
        char bytes[4096];
        size_t len = 1;

        buf_init(&text, 64 * 1024);
        while (len > 0 && !text.failed) {
                if (!http_stream_read(stream, bytes, sizeof(bytes), &len, err))
                        return false;
                buf_append(&text, bytes, len);
        }
        return problem(cli, status, arena_str(&cli->arena, buf_str(&text)), err);
}

bool cli_stream(struct cli *cli, struct str path, const char *header, struct str value,
                struct http_stream **ret, struct err *err)
{
        struct http_header headers[4];
        struct http_client_call call = {
                .method = STR("GET"),
                .url = arena_printf(&cli->arena, "%.*s%.*s", STR_ARG(cli->profile.server), STR_ARG(path)),
                .headers = headers,
        };
        int status;

        call.n_headers = fill_headers(cli, false, headers);
        if (header && value.len > 0)
                headers[call.n_headers++] = (struct http_header){str_from(header), value};
        if (!arena_check(&cli->arena, err) || !client_start(cli, err) ||
            !http_stream_open(cli->http, &call, ret, err))
                return false;
        status = http_stream_response(*ret)->status;
        if (status == 200)
                return true;
        stream_problem(cli, *ret, status, err);
        http_stream_close(*ret);
        *ret = NULL;
        return false;
}

bool cli_check_id(struct str text, const char *prefix, const char *what, struct err *err)
{
        if (*prefix ? id_is(text, prefix) : id_is_any(text))
                return true;
        return err_set(err, ERR_BAD_PARAMETER, "\"%.*s\" is no %s id%s%s%s", STR_ARG(str_slice(text, 0, 60)),
                       what, *prefix ? ": it would be " : "", prefix,
                       *prefix ? "_ and 26 letters and digits" : "");
}

void cli_body_begin(struct cli_body *body)
{
        buf_init(&body->text, 1024 * 1024);
        json_writer_init(&body->w, &body->text);
        json_object_begin(&body->w);
}

void cli_body_str(struct cli_body *body, const char *key, struct str value)
{
        if (value.ptr)
                json_field_str(&body->w, key, value);
}

bool cli_body_end(struct cli *cli, struct cli_body *body, struct str *ret, struct err *err)
{
        bool ok;

        json_object_end(&body->w);
        ok = buf_check(&body->text, "the request", err);
        if (ok)
                *ret = arena_str(&cli->arena, buf_str(&body->text));
        buf_done(&body->text);
        return ok && arena_check(&cli->arena, err);
}

struct str cli_query_escape(struct cli *cli, struct str value)
{
        static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
        struct str escaped;
        BUF_SCOPED text;

        buf_init(&text, 3 * value.len + 1);
        for (size_t i = 0; i < value.len; i++)
                if (value.ptr[i] && strchr(plain, value.ptr[i]))
                        buf_append_char(&text, value.ptr[i]);
                else
                        buf_printf(&text, "%%%02X", (unsigned char)value.ptr[i]);
        escaped = arena_str(&cli->arena, buf_str(&text));
        return escaped.ptr ? escaped : STR("");
}
