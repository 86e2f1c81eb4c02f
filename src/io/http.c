/* SPDX-License-Identifier: Apache-2.0 */
#include "io/http.h"

static const char *const methods[HTTP_METHOD_COUNT] = {
        [HTTP_METHOD_GET] = "GET",         [HTTP_METHOD_HEAD] = "HEAD",   [HTTP_METHOD_POST] = "POST",
        [HTTP_METHOD_PUT] = "PUT",         [HTTP_METHOD_PATCH] = "PATCH", [HTTP_METHOD_DELETE] = "DELETE",
        [HTTP_METHOD_OPTIONS] = "OPTIONS",
};

struct str http_method_name(enum http_method method)
{
        return str_from(methods[method]);
}

bool http_method_parse(struct str name, enum http_method *ret_method)
{
        for (int i = 0; i < HTTP_METHOD_COUNT; i++) {
                if (str_is(name, methods[i])) {
                        *ret_method = (enum http_method)i;
                        return true;
                }
        }
        return false;
}

const char *http_status_reason(int status)
{
        static const struct {
                int status;
                const char *reason;
        } reasons[] = {
                {100, "Continue"},
                {101, "Switching Protocols"},
                {200, "OK"},
                {201, "Created"},
                {202, "Accepted"},
                {203, "Non-Authoritative Information"},
                {204, "No Content"},
                {205, "Reset Content"},
                {206, "Partial Content"},
                {300, "Multiple Choices"},
                {301, "Moved Permanently"},
                {302, "Found"},
                {303, "See Other"},
                {304, "Not Modified"},
                {307, "Temporary Redirect"},
                {308, "Permanent Redirect"},
                {400, "Bad Request"},
                {401, "Unauthorized"},
                {402, "Payment Required"},
                {403, "Forbidden"},
                {404, "Not Found"},
                {405, "Method Not Allowed"},
                {406, "Not Acceptable"},
                {408, "Request Timeout"},
                {409, "Conflict"},
                {410, "Gone"},
                {411, "Length Required"},
                {412, "Precondition Failed"},
                {413, "Content Too Large"},
                {414, "URI Too Long"},
                {415, "Unsupported Media Type"},
                {416, "Range Not Satisfiable"},
                {417, "Expectation Failed"},
                {421, "Misdirected Request"},
                {422, "Unprocessable Content"},
                {426, "Upgrade Required"},
                {428, "Precondition Required"},
                {429, "Too Many Requests"},
                {431, "Request Header Fields Too Large"},
                {500, "Internal Server Error"},
                {501, "Not Implemented"},
                {502, "Bad Gateway"},
                {503, "Service Unavailable"},
                {504, "Gateway Timeout"},
                {505, "HTTP Version Not Supported"},
                {507, "Insufficient Storage"},
        };

        for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
                if (reasons[i].status == status)
                        return reasons[i].reason;
        }
        return "";
}

size_t http_headers_find(const struct http_header *headers, size_t n_headers, struct str name,
                         struct str *ret_value)
{
        size_t count = 0;

        *ret_value = STR_NULL;
        for (size_t i = 0; i < n_headers; i++) {
                if (!str_eq_nocase(headers[i].name, name))
                        continue;
                if (count++ == 0)
                        *ret_value = headers[i].value;
        }
        return count;
}

bool http_value_is_safe(struct str value)
{
        for (size_t i = 0; i < value.len; i++) {
                unsigned char c = (unsigned char)value.ptr[i];

                if ((c < 0x20 && c != '\t') || c == 0x7f)
                        return false;
        }
        return true;
}

bool http_token_is_valid(struct str token)
{
        /* RFC 9110 section 5.6.2, one bit for each character from 0x20 on. */
        static const uint32_t tchars[3] = {0x03ff6cfa, 0xc7fffffe, 0x57ffffff};

        for (size_t i = 0; i < token.len; i++) {
                unsigned c = (unsigned char)token.ptr[i];

                if (c < 0x20 || c > 0x7f || !(tchars[(c - 0x20) / 32] >> (c % 32) & 1))
                        return false;
        }
        return token.len > 0;
}
