/* SPDX-License-Identifier: Apache-2.0 */
#include "io/http_parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct http_limits limits = {.head_max_bytes = 2048, .target_max_bytes = 256, .headers_max = 8};

struct parsed {
        enum err_code code;
        char message[ERR_MESSAGE_MAX];
        struct http_request_head request;
        struct http_response_head response;
        struct http_body body;
        size_t head_len;
};

/* Feeds `step` bytes at a time, each time from memory of exactly that size, so that sanitizers see
 * overreads. */
static void parse(struct str bytes, size_t step, bool is_request, bool is_head_request, struct arena *arena,
                  struct parsed *ret)
{
        struct http_head_scan scan = {0};
        struct err err;
        bool ok = true;

        memset(ret, 0, sizeof(*ret));
        err_clear(&err);
        for (size_t len = 0; ok && ret->head_len == 0 && len < bytes.len;) {
                char *exact;

                len = len + step < bytes.len ? len + step : bytes.len;
                exact = malloc(len);
                assert_non_null(exact);
                memcpy(exact, bytes.ptr, len);
                ok = http_head_scan(&scan, exact, len, &limits, is_request, &ret->head_len, &err);
                free(exact);
        }
        if (ok && ret->head_len > 0) {
                struct str head = arena_str(arena, str_make(bytes.ptr, ret->head_len));

                if (is_request)
                        ok = http_request_parse(head, &limits, arena, &ret->request, &ret->body, &err);
                else
                        ok = http_response_parse(head, &limits, is_head_request, arena, &ret->response,
                                                 &ret->body, &err);
        }
        ret->code = ok ? ERR_NONE : err.code;
        snprintf(ret->message, sizeof(ret->message), "%s", err.message);
}

struct refused {
        const char *what;
        struct str bytes;
        enum err_code code;
};

#define GET "GET / HTTP/1.1\r\nHost: a\r\n"
#define POST "POST / HTTP/1.1\r\nHost: a\r\n"

static const struct refused refused[] = {
        {"CL and TE", STR(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"), ERR_BAD_REQUEST},
        {"TE and CL", STR(POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"), ERR_BAD_REQUEST},
        {"two CL, different", STR(POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n"), ERR_BAD_REQUEST},
        {"two CL, same", STR(POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n"), ERR_BAD_REQUEST},
        {"CL list", STR(POST "Content-Length: 5, 5\r\n\r\n"), ERR_BAD_REQUEST},
        {"CL with sign", STR(POST "Content-Length: +5\r\n\r\n"), ERR_BAD_REQUEST},
        {"CL negative", STR(POST "Content-Length: -5\r\n\r\n"), ERR_BAD_REQUEST},
        {"CL hexadecimal", STR(POST "Content-Length: 0x5\r\n\r\n"), ERR_BAD_REQUEST},
        {"CL empty", STR(POST "Content-Length:\r\n\r\n"), ERR_BAD_REQUEST},
        {"CL with a space inside", STR(POST "Content-Length: 5 0\r\n\r\n"), ERR_BAD_REQUEST},
        {"CL beyond 64 bits", STR(POST "Content-Length: 18446744073709551621\r\n\r\n"), ERR_BAD_REQUEST},
        {"CL beyond 63 bits", STR(POST "Content-Length: 9223372036854775808\r\n\r\n"), ERR_BAD_REQUEST},
        {"two TE", STR(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
         ERR_BAD_REQUEST},
        {"two TE, one hidden", STR(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n"),
         ERR_BAD_REQUEST},
        {"TE list", STR(POST "Transfer-Encoding: gzip, chunked\r\n\r\n"), ERR_NOT_IMPLEMENTED},
        {"TE chunked twice", STR(POST "Transfer-Encoding: chunked, chunked\r\n\r\n"), ERR_NOT_IMPLEMENTED},
        {"TE identity", STR(POST "Transfer-Encoding: identity\r\n\r\n"), ERR_NOT_IMPLEMENTED},
        {"TE xchunked", STR(POST "Transfer-Encoding: xchunked\r\n\r\n"), ERR_NOT_IMPLEMENTED},
        {"TE quoted", STR(POST "Transfer-Encoding: \"chunked\"\r\n\r\n"), ERR_NOT_IMPLEMENTED},
        {"TE empty", STR(POST "Transfer-Encoding:\r\n\r\n"), ERR_NOT_IMPLEMENTED},
        {"TE with a vertical tab", STR(POST "Transfer-Encoding: \vchunked\r\n\r\n"), ERR_BAD_REQUEST},
        {"TE with parameters", STR(POST "Transfer-Encoding: chunked;q=1\r\n\r\n"), ERR_NOT_IMPLEMENTED},
        {"TE folded", STR(POST "Transfer-Encoding:\r\n chunked\r\n\r\n"), ERR_BAD_REQUEST},
        {"TE in HTTP/1.0", STR("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
         ERR_BAD_REQUEST},
        {"space before the colon", STR(POST "Content-Length : 5\r\n\r\n"), ERR_BAD_REQUEST},
        {"tab before the colon", STR(POST "Transfer-Encoding\t: chunked\r\n\r\n"), ERR_BAD_REQUEST},
        {"obs-fold", STR(GET "X: a\r\n b\r\n\r\n"), ERR_BAD_REQUEST},
        {"obs-fold with a tab", STR(GET "X: a\r\n\tb\r\n\r\n"), ERR_BAD_REQUEST},
        {"first header folded", STR("GET / HTTP/1.1\r\n X: a\r\nHost: a\r\n\r\n"), ERR_BAD_REQUEST},
        {"empty header name", STR(GET ": a\r\n\r\n"), ERR_BAD_REQUEST},
        {"header without colon", STR(GET "nonsense\r\n\r\n"), ERR_BAD_REQUEST},
        {"space in a header name", STR(GET "X Y: a\r\n\r\n"), ERR_BAD_REQUEST},
        {"NUL in a header name", STR(GET "X\0Y: a\r\n\r\n"), ERR_BAD_REQUEST},
        {"8-bit byte in a header name", STR(GET "X\xe9: a\r\n\r\n"), ERR_BAD_REQUEST},
        {"NUL in a value", STR(GET "X: a\0b\r\n\r\n"), ERR_BAD_REQUEST},
        {"control character in a value", STR(GET "X: a\x01\r\n\r\n"), ERR_BAD_REQUEST},
        {"DEL in a value", STR(GET "X: a\x7f\r\n\r\n"), ERR_BAD_REQUEST},
        {"bare CR in a value", STR(GET "X: a\rb\r\n\r\n"), ERR_BAD_REQUEST},
        {"bare CR hides a header", STR(GET "X: a\rTransfer-Encoding: chunked\r\n\r\n"), ERR_BAD_REQUEST},
        {"bare LF ends a header", STR("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"), ERR_BAD_REQUEST},
        {"bare LF ends the request line", STR("GET / HTTP/1.1\nHost: a\r\n\r\n"), ERR_BAD_REQUEST},
        {"bare LF ends the head", STR(GET "\n"), ERR_BAD_REQUEST},
        {"bare CR ends the head", STR(GET "\rGET / HTTP/1.1\r\n"), ERR_BAD_REQUEST},
        {"CR CR LF ends the head", STR(GET "\r\r\n"), ERR_BAD_REQUEST},
        {"bare LFs throughout", STR("GET / HTTP/1.1\nHost: a\n\n"), ERR_BAD_REQUEST},
        {"no Host", STR("GET / HTTP/1.1\r\n\r\n"), ERR_BAD_REQUEST},
        {"two Hosts", STR(GET "Host: a\r\n\r\n"), ERR_BAD_REQUEST},
        {"two different Hosts", STR(GET "hOST: b\r\n\r\n"), ERR_BAD_REQUEST},
        {"two Hosts in HTTP/1.0", STR("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"), ERR_BAD_REQUEST},
        {"empty Host", STR("GET / HTTP/1.1\r\nHost:\r\n\r\n"), ERR_BAD_REQUEST},
        {"Host with a user", STR("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"), ERR_BAD_REQUEST},
        {"Host with a path", STR("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), ERR_BAD_REQUEST},
        {"Host with a space", STR("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), ERR_BAD_REQUEST},
        {"Host list", STR("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"), ERR_BAD_REQUEST},
        {"Host with a bad port", STR("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n"), ERR_BAD_REQUEST},
        {"Host with an open bracket", STR("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"), ERR_BAD_REQUEST},
        {"absolute target for another host", STR("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"),
         ERR_BAD_REQUEST},
        {"absolute target with a user", STR("GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n"), ERR_BAD_REQUEST},
        {"absolute target without a path", STR("GET http://a HTTP/1.1\r\nHost: a\r\n\r\n"), ERR_BAD_REQUEST},
        {"authority target", STR("GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n"), ERR_BAD_REQUEST},
        {"asterisk for GET", STR("GET * HTTP/1.1\r\nHost: a\r\n\r\n"), ERR_BAD_REQUEST},
        {"other scheme", STR("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"), ERR_BAD_REQUEST},
        {"fragment", STR("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"), ERR_BAD_REQUEST},
        {"bad escape", STR("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n"), ERR_BAD_REQUEST},
        {"short escape", STR("GET /%4 HTTP/1.1\r\nHost: a\r\n\r\n"), ERR_BAD_REQUEST},
        {"bad escape in the query", STR("GET /?%zz HTTP/1.1\r\nHost: a\r\n\r\n"), ERR_BAD_REQUEST},
        {"8-bit byte in the target", STR("GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n"), ERR_BAD_REQUEST},
        {"NUL in the target", STR("GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n"), ERR_BAD_REQUEST},
        {"backslash in the target", STR("GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n"), ERR_BAD_REQUEST},
        {"two spaces", STR("GET  / HTTP/1.1\r\nHost: a\r\n\r\n"), ERR_BAD_REQUEST},
        {"space at the end of the request line", STR("GET / HTTP/1.1 \r\nHost: a\r\n\r\n"), ERR_BAD_REQUEST},
        {"tab in the request line", STR("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"), ERR_BAD_REQUEST},
        {"HTTP/0.9", STR("GET /\r\nHost: a\r\n\r\n"), ERR_BAD_REQUEST},
        {"lower-case version", STR("GET / http/1.1\r\nHost: a\r\n\r\n"), ERR_BAD_REQUEST},
        {"long version", STR("GET / HTTP/1.10\r\nHost: a\r\n\r\n"), ERR_BAD_REQUEST},
        {"HTTP/2.0", STR("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), ERR_VERSION_UNSUPPORTED},
        {"HTTP/1.2", STR("GET / HTTP/1.2\r\nHost: a\r\n\r\n"), ERR_VERSION_UNSUPPORTED},
        {"the HTTP/2 preface", STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), ERR_VERSION_UNSUPPORTED},
        {"CONNECT", STR("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n"), ERR_NOT_IMPLEMENTED},
        {"TRACE", STR("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n"), ERR_NOT_IMPLEMENTED},
        {"lower-case method", STR("get / HTTP/1.1\r\nHost: a\r\n\r\n"), ERR_NOT_IMPLEMENTED},
        {"unknown method", STR("BREW / HTTP/1.1\r\nHost: a\r\n\r\n"), ERR_NOT_IMPLEMENTED},
        {"method with a forbidden character", STR("GE(T / HTTP/1.1\r\nHost: a\r\n\r\n"), ERR_BAD_REQUEST},
        {"leading space", STR(" GET / HTTP/1.1\r\nHost: a\r\n\r\n"), ERR_BAD_REQUEST},
        {"two empty lines before", STR("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), ERR_BAD_REQUEST},
        {"a TLS hello", STR("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), ERR_BAD_REQUEST},
        {"Expect something else", STR(POST "Expect: 200-ok\r\nContent-Length: 5\r\n\r\n"),
         ERR_EXPECTATION_FAILED},
        {"Expect twice",
         STR(POST "Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"),
         ERR_EXPECTATION_FAILED},
        {"too many headers", STR(GET "A:\r\nB:\r\nC:\r\nD:\r\nE:\r\nF:\r\nG:\r\nH:\r\n\r\n"),
         ERR_HEADERS_TOO_LARGE},
};

static void every_ambiguous_request_is_refused(void **state)
{
        ARENA_SCOPED arena = {0};

        (void)state;
        arena_init(&arena, 1 << 20);
        for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
                static const size_t steps[] = {1, 2, 3, 7, 10000};

                for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
                        struct parsed parsed;

                        parse(refused[i].bytes, steps[k], true, false, &arena, &parsed);
                        if (parsed.code != refused[i].code)
                                fail_msg("%s, %zu bytes at a time: %s (%s)", refused[i].what, steps[k],
                                         parsed.code ? err_name(parsed.code) : "accepted", parsed.message);
                        arena_reset(&arena);
                }
        }
}

static void ordinary_request_is_understood(void **state)
{
        struct str bytes = STR("\r\nPOST /a/b%20c?x=1&y=%2f HTTP/1.1\r\nhost: Example.com:8080\r\n"
                               "X-Empty:\r\nX-Padded: \t a b \t\r\nContent-Length: 5\r\n"
                               "Expect: 100-Continue\r\nConnection: foo, Close\r\n\r\nhello");
        struct parsed parsed;
        struct str value;
        ARENA_SCOPED arena = {0};

        (void)state;
        arena_init(&arena, 1 << 20);
        parse(bytes, 1, true, false, &arena, &parsed);
        assert_string_equal(parsed.message, "");
        assert_int_equal(parsed.head_len, bytes.len - 5);
        assert_int_equal(parsed.request.method, HTTP_METHOD_POST);
        assert_true(str_is(parsed.request.path, "/a/b%20c"));
        assert_true(str_is(parsed.request.query, "x=1&y=%2f"));
        assert_true(str_is(parsed.request.host, "Example.com:8080"));
        assert_true(parsed.request.expect_continue);
        assert_false(parsed.request.head.keep_alive);
        assert_int_equal(parsed.request.head.framing, HTTP_FRAMING_LENGTH);
        assert_int_equal(parsed.request.head.content_length, 5);
        assert_int_equal(http_headers_find(parsed.request.head.headers, parsed.request.head.n_headers,
                                           STR("x-padded"), &value),
                         1);
        assert_true(str_is(value, "a b"));
        assert_int_equal(http_headers_find(parsed.request.head.headers, parsed.request.head.n_headers,
                                           STR("X-EMPTY"), &value),
                         1);
        assert_int_equal(value.len, 0);
}

static void allowed_forms_are_accepted(void **state)
{
        static const struct str allowed[] = {
                STR(GET "\r\n"),
                STR("GET http://a/b HTTP/1.1\r\nHost: A\r\n\r\n"),
                STR("GET https://[::1]:8443/b?q HTTP/1.1\r\nHost: [::1]:8443\r\n\r\n"),
                STR("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
                STR("GET / HTTP/1.0\r\n\r\n"),
                STR(POST "Transfer-Encoding: Chunked\r\n\r\n"),
                STR(POST "Content-Length: 0\r\n\r\n"),
                STR(POST "Content-Length: 0000000000000005\r\n\r\n"),
                STR(GET "X: \xc3\xa9\r\n\r\n"),
                STR(GET "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
                STR(POST "Upgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 3\r\n\r\n"),
                STR("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"),
                STR("PATCH / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"),
        };
        ARENA_SCOPED arena = {0};

        (void)state;
        arena_init(&arena, 1 << 20);
        for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
                struct parsed parsed;

                parse(allowed[i], 1, true, false, &arena, &parsed);
                if (parsed.code != ERR_NONE || parsed.head_len != allowed[i].len)
                        fail_msg("refused: %s: %.*s", parsed.message, STR_ARG(allowed[i]));
        }
}

static void sizes_are_limited(void **state)
{
        char long_target[1024] = "GET /";
        char long_header[4096] = GET "X: ";
        struct parsed parsed;
        ARENA_SCOPED arena = {0};

        (void)state;
        arena_init(&arena, 1 << 20);
        memset(long_target + 5, 'a', sizeof(long_target) - 5);
        parse(str_make(long_target, sizeof(long_target)), 1, true, false, &arena, &parsed);
        assert_int_equal(parsed.code, ERR_URI_TOO_LONG);
        memset(long_header + strlen(long_header), 'a', sizeof(long_header) - strlen(long_header));
        parse(str_make(long_header, sizeof(long_header)), 100, true, false, &arena, &parsed);
        assert_int_equal(parsed.code, ERR_HEADERS_TOO_LARGE);
}

struct decoded {
        bool ok;
        bool done;
        char text[256];
        size_t len;
        size_t consumed;
};

static void decode(struct str raw, size_t step, size_t room, struct decoded *ret)
{
        struct parsed parsed;
        struct err err;
        ARENA_SCOPED arena = {0};

        memset(ret, 0, sizeof(*ret));
        arena_init(&arena, 1 << 20);
        parse(STR(POST "Transfer-Encoding: chunked\r\n\r\n"), 1000, true, false, &arena, &parsed);
        assert_int_equal(parsed.code, ERR_NONE);
        /* llhttp points into the body that it was begun with. */
        parsed.body.llhttp.data = &parsed.body;
        ret->ok = true;
        while (ret->ok && !parsed.body.done && ret->consumed < raw.len) {
                struct str in = str_slice(raw, ret->consumed, step);
                size_t consumed;
                size_t produced;

                ret->ok = http_body_decode(
                        &parsed.body, in, ret->text + ret->len,
                        room < sizeof(ret->text) - ret->len ? room : sizeof(ret->text) - ret->len, &consumed,
                        &produced, &err);
                ret->consumed += consumed;
                ret->len += produced;
        }
        ret->done = parsed.body.done;
}

static void chunked_body_is_decoded_at_every_split(void **state)
{
        static const struct str raw =
                STR("5\r\nhello\r\n00A;name=\"v\"\r\n, wor\r\nld!\r\n0\r\nX-Trailer: t\r\n\r\nGET /");

        (void)state;
        for (size_t step = 1; step < raw.len; step++) {
                for (size_t room = 1; room < 20; room++) {
                        struct decoded decoded;

                        decode(raw, step, room, &decoded);
                        assert_true(decoded.ok);
                        assert_true(decoded.done);
                        assert_int_equal(decoded.consumed, raw.len - 5);
                        assert_int_equal(decoded.len, 15);
                        assert_memory_equal(decoded.text, "hello, wor\r\nld!", 15);
                }
        }
}

static void malformed_chunks_are_refused(void **state)
{
        static const struct str bad[] = {
                STR("5\nhello\r\n0\r\n\r\n"),
                STR("5\rhello\r\n0\r\n\r\n"),
                STR("5\r\nhello\n0\r\n\r\n"),
                STR("5\r\nhelloX\r\n0\r\n\r\n"),
                STR("5\r\nhello0\r\n\r\n"),
                STR("0x5\r\nhello\r\n0\r\n\r\n"),
                STR("-5\r\nhello\r\n0\r\n\r\n"),
                STR("+5\r\nhello\r\n0\r\n\r\n"),
                STR(" 5\r\nhello\r\n0\r\n\r\n"),
                STR("5 \r\nhello\r\n0\r\n\r\n"),
                STR("5\t\r\nhello\r\n0\r\n\r\n"),
                STR("\r\nhello\r\n0\r\n\r\n"),
                STR("g\r\nhello\r\n0\r\n\r\n"),
                STR("10000000000000005\r\nhello\r\n"),
                STR("0000000000000005\r\nhello\r\n"),
                STR("5;a\nb\r\nhello\r\n0\r\n\r\n"),
                STR("5;a\x00\r\nhello\r\n0\r\n\r\n"),
                STR("0\r\n\n"),
                STR("0\r\nX: a\n\r\n"),
                STR("0\r\n: a\r\n\r\n"),
                STR("0\r\nX : a\r\n\r\n"),
                STR("0\r\n X: a\r\n\r\n"),
                STR("0\r\nX: a\r\n b\r\n\r\n"),
                STR("0\r\nX\r\n\r\n"),
                STR("0\r\nX: \x00\r\n\r\n"),
                STR("0\r\n\rX"),
        };

        (void)state;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                for (size_t step = 1; step < 40; step += 3) {
                        struct decoded decoded;

                        decode(bad[i], step, 64, &decoded);
                        if (decoded.ok)
                                fail_msg("accepted: %.*s", STR_ARG(bad[i]));
                }
        }
}

static void chunk_extensions_are_limited(void **state)
{
        char raw[6000] = "5;";
        struct decoded decoded;

        (void)state;
        memset(raw + 2, 'a', sizeof(raw) - 2);
        decode(str_make(raw, sizeof(raw)), 64, 64, &decoded);
        assert_false(decoded.ok);
}

static void response_framing_follows_the_rules(void **state)
{
        static const struct {
                struct str bytes;
                bool is_head_request;
                int status; /* 0 = refused */
                enum http_framing framing;
                bool keep_alive;
        } cases[] = {
                {STR("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), false, 200, HTTP_FRAMING_LENGTH, true},
                {STR("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), true, 200, HTTP_FRAMING_NONE, true},
                {STR("HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n"), false, 200, HTTP_FRAMING_CHUNKED,
                 true},
                {STR("HTTP/1.1 200 OK\r\n\r\n"), false, 200, HTTP_FRAMING_CLOSE, false},
                {STR("HTTP/1.1 204 No Content\r\n\r\n"), false, 204, HTTP_FRAMING_NONE, true},
                {STR("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"), false, 304,
                 HTTP_FRAMING_NONE, true},
                {STR("HTTP/1.1 100 Continue\r\n\r\n"), false, 100, HTTP_FRAMING_NONE, true},
                {STR("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n"), false, 200, HTTP_FRAMING_LENGTH,
                 false},
                {STR("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\n"), false, 200,
                 HTTP_FRAMING_LENGTH, false},
                {STR("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"), false, 0,
                 0, 0},
                {STR("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n"), false, 0, 0, 0},
                {STR("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), false, 0, 0, 0},
                {STR("HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n"), false, 0, 0, 0},
                {STR("HTTP/1.1 200 OK\nX: a\r\n\r\n"), false, 0, 0, 0},
                {STR("HTTP/1.1  200 OK\r\n\r\n"), false, 0, 0, 0},
                {STR("HTTP/1.1 20 OK\r\n\r\n"), false, 0, 0, 0},
                {STR("HTTP/1.1 999 OK\r\n\r\n"), false, 0, 0, 0},
                {STR("HTTP/1.1 2000 OK\r\n\r\n"), false, 0, 0, 0},
                {STR("HTTP/2 200\r\n\r\n"), false, 0, 0, 0},
                {STR("ICY 200 OK\r\n\r\n"), false, 0, 0, 0},
                {STR("\r\nHTTP/1.1 200 OK\r\n\r\n"), false, 0, 0, 0},
        };
        ARENA_SCOPED arena = {0};

        (void)state;
        arena_init(&arena, 1 << 20);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct parsed parsed;

                parse(cases[i].bytes, 1, false, cases[i].is_head_request, &arena, &parsed);
                if ((parsed.code == ERR_NONE) != (cases[i].status != 0))
                        fail_msg("%s: %.*s", parsed.message, STR_ARG(cases[i].bytes));
                if (parsed.code != ERR_NONE)
                        continue;
                assert_int_equal(parsed.response.status, cases[i].status);
                if (parsed.response.head.framing != cases[i].framing)
                        fail_msg("framing %d: %.*s", parsed.response.head.framing, STR_ARG(cases[i].bytes));
                assert_int_equal(parsed.response.head.keep_alive, cases[i].keep_alive);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_ambiguous_request_is_refused),
                cmocka_unit_test(ordinary_request_is_understood),
                cmocka_unit_test(allowed_forms_are_accepted),
                cmocka_unit_test(sizes_are_limited),
                cmocka_unit_test(chunked_body_is_decoded_at_every_split),
                cmocka_unit_test(malformed_chunks_are_refused),
                cmocka_unit_test(chunk_extensions_are_limited),
                cmocka_unit_test(response_framing_follows_the_rules),
        };

        return cmocka_run_group_tests_name("http_parse", tests, NULL, NULL);
}
