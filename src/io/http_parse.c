/* SPDX-License-Identifier: Apache-2.0 */
#include "io/http_parse.h"

static bool is_tchar(char c)
{
        return http_token_is_valid(str_make(&c, 1));
}

static bool scan_limits(const struct http_head_scan *scan, size_t len, const struct http_limits *limits,
                        bool is_request, struct err *err)
{
        /* "OPTIONS " and " HTTP/1.1" stand beside the target. */
        if (is_request && scan->n_lines == 0 && len - scan->line_start > limits->target_max_bytes + 32)
                return err_set(err, ERR_URI_TOO_LONG, "the request target is longer than %zu bytes",
                               limits->target_max_bytes);
        if (len > limits->head_max_bytes)
                return err_set(err, ERR_HEADERS_TOO_LARGE, "the head is larger than %zu bytes",
                               limits->head_max_bytes);
        return true;
}

bool http_head_scan(struct http_head_scan *scan, const char *bytes, size_t len,
                    const struct http_limits *limits, bool is_request, size_t *ret_head_len, struct err *err)
{
        *ret_head_len = 0;
        /* Anything else, a TLS hello above all, need not be waited for. */
        if (scan->scanned == 0 && len > 0 && !is_tchar(bytes[0]) && bytes[0] != '\r')
                return err_set(err, ERR_BAD_REQUEST, "this is not HTTP/1.1");
        while (scan->scanned < len) {
                const char *from = bytes + scan->scanned;
                const char *lf = memchr(from, '\n', len - scan->scanned);
                const char *cr = memchr(from, '\r', (size_t)(lf ? lf : bytes + len) - (size_t)from);

                /*
                 * RFC 9112 section 2.2 lets a recipient take a bare LF as a line's
                 * end and forbids to take a bare CR so. We take neither.
                 */
                if (cr && cr + 1 != lf && cr + 1 != bytes + len)
                        return err_set(err, ERR_BAD_REQUEST, "a CR without LF in the head");
                if (lf && (lf == bytes || lf[-1] != '\r'))
                        return err_set(err, ERR_BAD_REQUEST, "a line that ends in a bare LF in the head");
                if (!lf) {
                        /* A CR at the very end is looked at again with what follows. */
                        scan->scanned = cr ? (size_t)(cr - bytes) : len;
                        break;
                }
                scan->scanned = (size_t)(lf + 1 - bytes);
                if ((size_t)(lf - 1 - bytes) == scan->line_start) {
                        if (scan->n_lines > 0) {
                                *ret_head_len = scan->scanned;
                                return scan_limits(scan, scan->scanned, limits, is_request, err);
                        }
                        /* RFC 9112 section 2.2: ignore at least one empty line before the request-line. */
                        if (scan->skipped_empty_line || !is_request)
                                return err_set(err, ERR_BAD_REQUEST, "empty lines before the message");
                        scan->skipped_empty_line = true;
                        scan->line_start = scan->scanned;
                        continue;
                }
                if (!scan_limits(scan, scan->scanned, limits, is_request, err))
                        return false;
                scan->n_lines++;
                scan->line_start = scan->scanned;
        }
        return scan_limits(scan, len, limits, is_request, err);
}

/* Cuts the next line off; the CR LF is known to be there. */
static struct str next_line(struct str *rest)
{
        const char *cr = memchr(rest->ptr, '\r', rest->len);
        size_t len = (size_t)(cr - rest->ptr);
        struct str line = str_make(rest->ptr, len);

        *rest = str_make(cr + 2, rest->len - len - 2);
        return line;
}

static bool header_parse(struct str line, struct http_header *ret_header, struct err *err)
{
        struct str value = line;

        /* RFC 9112 section 5.2: a server MUST either reject obs-fold or replace it. */
        if (line.ptr[0] == ' ' || line.ptr[0] == '\t')
                return err_set(err, ERR_BAD_REQUEST, "a folded header line");
        if (!str_cut(&value, ':', &ret_header->name))
                return err_set(err, ERR_BAD_REQUEST, "a header line without a colon");
        /* Section 5.1: no whitespace between the name and the colon. */
        if (!http_token_is_valid(ret_header->name))
                return err_set(err, ERR_BAD_REQUEST,
                               "a header name that is empty or has a forbidden character");
        if (!http_value_is_safe(value))
                return err_set(err, ERR_BAD_REQUEST, "a control character in the value of header \"%.*s\"",
                               STR_ARG(str_slice(ret_header->name, 0, 64)));
        while (value.len > 0 && (value.ptr[0] == ' ' || value.ptr[0] == '\t'))
                value = str_make(value.ptr + 1, value.len - 1);
        while (value.len > 0 && (value.ptr[value.len - 1] == ' ' || value.ptr[value.len - 1] == '\t'))
                value.len--;
        ret_header->value = value;
        return true;
}

static bool headers_parse(struct str rest, const struct http_limits *limits, struct arena *arena,
                          struct http_head *head, struct err *err)
{
        struct http_header *headers;
        size_t n_lines = 0;

        for (struct str count = rest; count.len > 2; n_lines++)
                next_line(&count);
        if (n_lines > limits->headers_max)
                return err_set(err, ERR_HEADERS_TOO_LARGE, "more than %u headers", limits->headers_max);
        headers = ARENA_ARRAY(arena, struct http_header, n_lines);
        if (!headers)
                return arena_check(arena, err);
        for (size_t i = 0; i < n_lines; i++) {
                if (!header_parse(next_line(&rest), &headers[i], err))
                        return false;
        }
        head->headers = headers;
        head->n_headers = n_lines;
        return true;
}

/* RFC 9110 section 5.6.1: a list of tokens. Looks for two of them. */
static void connection_parse(struct str value, bool *ret_close)
{
        struct str token;
        bool more = true;

        while (more) {
                more = str_cut(&value, ',', &token);
                if (str_eq_nocase(str_trim(token), STR("close")))
                        *ret_close = true;
        }
}

static bool length_parse(struct str value, uint64_t *ret_length, struct err *err)
{
        for (size_t i = 0; i < value.len; i++) {
                if (value.ptr[i] < '0' || value.ptr[i] > '9')
                        return err_set(err, ERR_BAD_REQUEST, "a Content-Length that is not a number");
        }
        if (!str_to_u64(value, ret_length) || *ret_length > INT64_MAX)
                return err_set(err, ERR_BAD_REQUEST, "a Content-Length that is not a number");
        return true;
}

/* RFC 9112 section 6.3, and stricter: whatever two parsers could read differently is refused. */
static bool framing_parse(struct http_head *head, bool is_request, struct err *err)
{
        bool has_length = false;
        bool has_coding = false;
        bool close = head->version_minor == 0;

        head->framing = is_request ? HTTP_FRAMING_NONE : HTTP_FRAMING_CLOSE;
        for (size_t i = 0; i < head->n_headers; i++) {
                const struct http_header *header = &head->headers[i];

                if (str_eq_nocase(header->name, STR("content-length"))) {
                        if (has_length)
                                return err_set(err, ERR_BAD_REQUEST, "more than one Content-Length");
                        has_length = true;
                        if (!length_parse(header->value, &head->content_length, err))
                                return false;
                        head->framing = HTTP_FRAMING_LENGTH;
                } else if (str_eq_nocase(header->name, STR("transfer-encoding"))) {
                        if (has_coding)
                                return err_set(err, ERR_BAD_REQUEST, "more than one Transfer-Encoding");
                        has_coding = true;
                        if (!str_eq_nocase(header->value, STR("chunked")))
                                return err_set(err, ERR_NOT_IMPLEMENTED,
                                               "a transfer coding other than \"chunked\"");
                        head->framing = HTTP_FRAMING_CHUNKED;
                } else if (str_eq_nocase(header->name, STR("connection"))) {
                        connection_parse(header->value, &close);
                }
        }
        if (has_length && has_coding)
                return err_set(err, ERR_BAD_REQUEST, "both Content-Length and Transfer-Encoding");
        /* Section 6.1: a Transfer-Encoding in HTTP/1.0 means that the framing is faulty. */
        if (has_coding && head->version_minor == 0)
                return err_set(err, ERR_BAD_REQUEST, "Transfer-Encoding in HTTP/1.0");
        head->keep_alive = !close;
        return true;
}

static int llhttp_head_complete(llhttp_t *llhttp)
{
        struct http_body *body = llhttp->data;

        body->llhttp_head_done = true;
        /* We never change protocols; what looks like it is an ordinary message. */
        llhttp->upgrade = 0;
        return body->framing == HTTP_FRAMING_NONE;
}

static int llhttp_body_piece(llhttp_t *llhttp, const char *at, size_t len)
{
        struct http_body *body = llhttp->data;

        memmove(body->out + body->out_len, at, len);
        body->out_len += len;
        return 0;
}

static int llhttp_message_complete(llhttp_t *llhttp)
{
        struct http_body *body = llhttp->data;

        body->llhttp_done = true;
        return HPE_PAUSED;
}

static const llhttp_settings_t llhttp_callbacks = {
        .on_headers_complete = llhttp_head_complete,
        .on_body = llhttp_body_piece,
        .on_message_complete = llhttp_message_complete,
};

/* llhttp reads the head too; unless it sees the same message as we do, nobody shall. */
static bool llhttp_agrees(struct str bytes, const struct http_head *head, bool is_request,
                          struct http_body *body, struct err *err)
{
        llhttp_errno_t rc;

        memset(body, 0, sizeof(*body));
        llhttp_init(&body->llhttp, is_request ? HTTP_REQUEST : HTTP_RESPONSE, &llhttp_callbacks);
        body->llhttp.data = body;
        body->framing = head->framing;
        body->left = head->framing == HTTP_FRAMING_LENGTH ? head->content_length : 0;
        rc = llhttp_execute(&body->llhttp, bytes.ptr, bytes.len);
        if (rc != HPE_OK && !(rc == HPE_PAUSED && body->llhttp_done))
                return err_set(err, ERR_BAD_REQUEST, "the head is malformed: %s",
                               llhttp_get_error_reason(&body->llhttp));
        if (!body->llhttp_head_done || body->llhttp.http_major != 1 ||
            body->llhttp.http_minor != head->version_minor)
                return err_set(err, ERR_BAD_REQUEST, "the head is ambiguous");
        body->done = head->framing == HTTP_FRAMING_NONE ||
                     (head->framing == HTTP_FRAMING_LENGTH && head->content_length == 0);
        if (body->llhttp_done != body->done)
                return err_set(err, ERR_BAD_REQUEST, "the framing of the message is ambiguous");
        if (!body->done && head->framing == HTTP_FRAMING_LENGTH &&
            body->llhttp.content_length != head->content_length)
                return err_set(err, ERR_BAD_REQUEST, "the length of the message is ambiguous");
        return true;
}

static bool version_parse(struct str version, int *ret_minor, struct err *err)
{
        if (str_is(version, "HTTP/1.1") || str_is(version, "HTTP/1.0")) {
                *ret_minor = version.ptr[7] - '0';
                return true;
        }
        if (version.len == 8 && str_starts(version, STR("HTTP/")) && version.ptr[5] >= '0' &&
            version.ptr[5] <= '9' && version.ptr[6] == '.' && version.ptr[7] >= '0' && version.ptr[7] <= '9')
                return err_set(err, ERR_VERSION_UNSUPPORTED, "%.*s is not supported, HTTP/1.1 is",
                               STR_ARG(version));
        return err_set(err, ERR_BAD_REQUEST, "a malformed request line");
}

/* RFC 3986 sections 3.3 and 3.4: pchar, "/", "?"; escapes are two hexadecimal digits. */
static bool path_is_valid(struct str path)
{
        static const char allowed[] = "-._~!$&'()*+,;=:@/?";

        for (size_t i = 0; i < path.len; i++) {
                char c = path.ptr[i];
                bool is_alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

                if (is_alnum || (c != '\0' && strchr(allowed, c)))
                        continue;
                if (c != '%' || i + 2 >= path.len)
                        return false;
                for (int k = 1; k <= 2; k++) {
                        char hex = path.ptr[i + k];

                        if (!((hex >= '0' && hex <= '9') || (hex >= 'a' && hex <= 'f') ||
                              (hex >= 'A' && hex <= 'F')))
                                return false;
                }
                i += 2;
        }
        return true;
}

/* RFC 3986 section 3.2.2 and 3.2.3: reg-name, IPv4 or [IPv6], and a port. No user. */
static bool host_is_valid(struct str host)
{
        static const char allowed[] = "-._~!$&'()*+,;=%";
        struct str port = STR_NULL;
        ptrdiff_t colon;

        if (host.len == 0)
                return false;
        if (host.ptr[0] == '[') {
                ptrdiff_t end = str_find(host, ']');

                if (end < 3)
                        return false;
                for (ptrdiff_t i = 1; i < end; i++) {
                        if (!strchr("0123456789abcdefABCDEF:.", host.ptr[i]))
                                return false;
                }
                port = str_slice(host, (size_t)end + 1, host.len);
                if (port.len > 0 && port.ptr[0] != ':')
                        return false;
                port = str_slice(port, 1, port.len);
        } else {
                colon = str_find(host, ':');
                if (colon >= 0) {
                        port = str_slice(host, (size_t)colon + 1, host.len);
                        host.len = (size_t)colon;
                }
                for (size_t i = 0; i < host.len; i++) {
                        char c = host.ptr[i];

                        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              (c != '\0' && strchr(allowed, c))))
                                return false;
                }
        }
        for (size_t i = 0; i < port.len; i++) {
                if (port.ptr[i] < '0' || port.ptr[i] > '9')
                        return false;
        }
        return host.len > 0 && port.len <= 5;
}

/* RFC 9112 section 3.2. */
static bool target_parse(struct http_request_head *request, struct err *err)
{
        struct str rest = request->target;
        struct str authority = STR_NULL;
        ptrdiff_t end;

        if (request->method == HTTP_METHOD_OPTIONS && str_is(rest, "*")) {
                request->path = rest;
                return true;
        }
        if (str_eq_nocase(str_slice(rest, 0, 7), STR("http://")))
                authority = str_slice(rest, 7, rest.len);
        else if (str_eq_nocase(str_slice(rest, 0, 8), STR("https://")))
                authority = str_slice(rest, 8, rest.len);
        if (authority.ptr) {
                end = str_find(authority, '/');
                if (end < 0)
                        return err_set(err, ERR_BAD_REQUEST, "an absolute request target without a path");
                rest = str_slice(authority, (size_t)end, authority.len);
                authority.len = (size_t)end;
                /* Section 3.2.2 lets the target win; we take no chance that somebody before us did not. */
                if (!str_eq_nocase(authority, request->host) && request->head.version_minor > 0)
                        return err_set(err, ERR_BAD_REQUEST,
                                       "the request target and Host name different hosts");
                if (!host_is_valid(authority))
                        return err_set(err, ERR_BAD_REQUEST, "a malformed host in the request target");
                request->host = authority;
        }
        if (rest.len == 0 || rest.ptr[0] != '/' || !path_is_valid(rest))
                return err_set(err, ERR_BAD_REQUEST, "a malformed request target");
        request->path = rest;
        end = str_find(rest, '?');
        if (end >= 0) {
                request->path.len = (size_t)end;
                request->query = str_slice(rest, (size_t)end + 1, rest.len);
        }
        return true;
}

static bool request_line_parse(struct str line, const struct http_limits *limits,
                               struct http_request_head *request, struct err *err)
{
        struct str method;

        if (!str_cut(&line, ' ', &method) || !str_cut(&line, ' ', &request->target) ||
            !http_token_is_valid(method) || request->target.len == 0 || str_find(line, ' ') >= 0)
                return err_set(err, ERR_BAD_REQUEST, "a malformed request line");
        if (!version_parse(line, &request->head.version_minor, err))
                return false;
        if (request->target.len > limits->target_max_bytes)
                return err_set(err, ERR_URI_TOO_LONG, "the request target is longer than %zu bytes",
                               limits->target_max_bytes);
        if (!http_method_parse(method, &request->method))
                return err_set(err, ERR_NOT_IMPLEMENTED, "the method \"%.*s\" is not implemented",
                               STR_ARG(str_slice(method, 0, 32)));
        return true;
}

static bool host_parse(struct http_request_head *request, struct err *err)
{
        size_t count = http_headers_find(request->head.headers, request->head.n_headers, STR("host"),
                                         &request->host);

        /* RFC 9112 section 3.2: 400 to an HTTP/1.1 request that lacks Host, and to any with several. */
        if (count > 1)
                return err_set(err, ERR_BAD_REQUEST, "more than one Host");
        if (count == 0 && request->head.version_minor > 0)
                return err_set(err, ERR_BAD_REQUEST, "no Host");
        if (count == 1 && !host_is_valid(request->host))
                return err_set(err, ERR_BAD_REQUEST, "a malformed Host");
        return true;
}

static bool expect_parse(struct http_request_head *request, struct err *err)
{
        struct str value;
        size_t count =
                http_headers_find(request->head.headers, request->head.n_headers, STR("expect"), &value);

        /* RFC 9110 section 10.1.1: an HTTP/1.0 Expect is ignored. */
        if (count == 0 || request->head.version_minor == 0)
                return true;
        if (count > 1 || !str_eq_nocase(value, STR("100-continue")))
                return err_set(err, ERR_EXPECTATION_FAILED, "only \"100-continue\" can be expected");
        request->expect_continue = true;
        return true;
}

bool http_request_parse(struct str bytes, const struct http_limits *limits, struct arena *arena,
                        struct http_request_head *ret_head, struct http_body *ret_body, struct err *err)
{
        struct str rest = bytes;

        memset(ret_head, 0, sizeof(*ret_head));
        if (str_starts(rest, STR("\r\n")))
                rest = str_slice(rest, 2, rest.len);
        if (!request_line_parse(next_line(&rest), limits, ret_head, err) ||
            !headers_parse(rest, limits, arena, &ret_head->head, err) || !host_parse(ret_head, err) ||
            !target_parse(ret_head, err) || !framing_parse(&ret_head->head, true, err))
                return false;
        if (!llhttp_agrees(bytes, &ret_head->head, true, ret_body, err))
                return false;
        /* One that says how to frame its body is well-formed; only now its wishes count. */
        return expect_parse(ret_head, err);
}

static bool status_line_parse(struct str line, struct http_response_head *response, struct err *err)
{
        struct str version;
        struct str status = str_slice(line, 9, 3);
        uint64_t number;

        if (!str_cut(&line, ' ', &version) || !version_parse(version, &response->head.version_minor, err) ||
            status.len != 3 || !str_to_u64(status, &number) || number < 100 || number > 599 ||
            (line.len > 3 && line.ptr[3] != ' ') || !http_value_is_safe(line))
                return err_set(err, ERR_UPSTREAM_PROTOCOL, "the response has a malformed status line");
        response->status = (int)number;
        return true;
}

static bool as_upstream(struct err *err)
{
        if (err->code != ERR_NO_MEMORY)
                err->code = ERR_UPSTREAM_PROTOCOL;
        return err_prefix(err, "the response is refused");
}

bool http_response_parse(struct str bytes, const struct http_limits *limits, bool is_head_request,
                         struct arena *arena, struct http_response_head *ret_head,
                         struct http_body *ret_body, struct err *err)
{
        struct str rest = bytes;
        struct http_head *head = &ret_head->head;

        memset(ret_head, 0, sizeof(*ret_head));
        if (!status_line_parse(next_line(&rest), ret_head, err))
                return false;
        if (!headers_parse(rest, limits, arena, head, err) || !framing_parse(head, false, err))
                return as_upstream(err);
        /* RFC 9112 section 6.3, rule 1. */
        if (is_head_request || ret_head->status < 200 || ret_head->status == 204 || ret_head->status == 304)
                head->framing = HTTP_FRAMING_NONE;
        if (head->framing == HTTP_FRAMING_CLOSE)
                head->keep_alive = false;
        if (!llhttp_agrees(bytes, head, false, ret_body, err))
                return as_upstream(err);
        return true;
}
