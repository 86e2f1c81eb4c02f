/* SPDX-License-Identifier: Apache-2.0 */
/* What the HTTP server and client share. */
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

struct http_header {
        struct str name;
        struct str value;
};

/* RFC 9110 section 9.3 and RFC 5789; the server answers 501 to every other
 * method. */
enum http_method {
        HTTP_METHOD_GET,
        HTTP_METHOD_HEAD,
        HTTP_METHOD_POST,
        HTTP_METHOD_PUT,
        HTTP_METHOD_PATCH,
        HTTP_METHOD_DELETE,
        HTTP_METHOD_OPTIONS,
        HTTP_METHOD_COUNT,
};

struct str http_method_name(enum http_method method);
/* Case-sensitive (RFC 9110 section 9.1). */
bool http_method_parse(struct str name, enum http_method *ret_method);

/* "Not Found"; "" for a status that is not in RFC 9110's registry. */
const char *http_status_reason(int status);

/*
 * The first header of that name (case-insensitive), or STR_NULL; returns how
 * many there are, so that duplicates can be refused.
 */
size_t http_headers_find(const struct http_header *headers, size_t n_headers, struct str name,
                         struct str *ret_value);

/* Whether bytes may stand in a field value that we send: no CTL but HTAB (RFC
 * 9110 section 5.5). */
bool http_value_is_safe(struct str value);
bool http_token_is_valid(struct str token);
