/* SPDX-License-Identifier: Apache-2.0 */
#include "io/http_client_private.h"

/* What may stand in a request target that we send: no space, no control character, no fragment. */
static bool target_is_safe(struct str target)
{
        for (size_t i = 0; i < target.len; i++) {
                unsigned char c = (unsigned char)target.ptr[i];

                if (c <= ' ' || c >= 0x7f || c == '#')
                        return false;
        }
        return target.len > 0 && target.ptr[0] == '/';
}

/* "host", "host:port", "[::1]:port" */
static bool authority_parse(struct str authority, struct http_origin *origin)
{
        struct str port = STR_NULL;
        uint64_t number;

        if (authority.len > 0 && authority.ptr[0] == '[') {
                ptrdiff_t end = str_find(authority, ']');

                if (end < 0)
                        return false;
                origin->host = str_slice(authority, 1, (size_t)end - 1);
                port = str_slice(authority, (size_t)end + 1, authority.len);
                if (port.len > 0 && port.ptr[0] != ':')
                        return false;
                port = str_slice(port, 1, port.len);
        } else {
                port = authority;
                if (!str_cut(&port, ':', &origin->host))
                        port = STR_NULL;
        }
        for (size_t i = 0; i < origin->host.len; i++) {
                unsigned char c = (unsigned char)origin->host.ptr[i];

                /* No user, no escapes: what is left is a name or an address. */
                if (c <= ' ' || c >= 0x7f || strchr("@%/?#[]\\", c))
                        return false;
        }
        if (port.len > 0) {
                if (!str_to_u64(port, &number) || number == 0 || number > 65535)
                        return false;
                origin->port = (uint16_t)number;
        }
        return origin->host.len > 0 && origin->host.len < 256;
}

bool http_origin_parse(const struct http_client_call *call, struct http_origin *ret_origin, struct err *err)
{
        struct str rest = call->url;
        ptrdiff_t path;

        *ret_origin = (struct http_origin){0};
        if (call->unix_path.len > 0) {
                ret_origin->unix_path = call->unix_path;
                ret_origin->authority = STR("localhost");
                ret_origin->target = call->target;
                if (call->unix_path.len > 100)
                        return err_set(err, ERR_BAD_PARAMETER, "the path of the socket is too long: %.*s",
                                       STR_ARG(call->unix_path));
                if (!target_is_safe(call->target))
                        return err_set(err, ERR_BAD_PARAMETER, "\"%.*s\" cannot be a request target",
                                       STR_ARG(str_slice(call->target, 0, 200)));
                return true;
        }
        if (str_eq_nocase(str_slice(rest, 0, 7), STR("http://"))) {
                rest = str_slice(rest, 7, rest.len);
                ret_origin->port = 80;
        } else if (str_eq_nocase(str_slice(rest, 0, 8), STR("https://"))) {
                rest = str_slice(rest, 8, rest.len);
                ret_origin->port = 443;
                ret_origin->is_tls = true;
        } else {
                return err_set(err, ERR_BAD_PARAMETER, "\"%.*s\" is no http:// or https:// URL",
                               STR_ARG(str_slice(rest, 0, 200)));
        }
        path = str_find(rest, '/');
        ret_origin->authority = path < 0 ? rest : str_slice(rest, 0, (size_t)path);
        ret_origin->target = path < 0 ? STR("/") : str_slice(rest, (size_t)path, rest.len);
        if (!authority_parse(ret_origin->authority, ret_origin) || !target_is_safe(ret_origin->target))
                return err_set(err, ERR_BAD_PARAMETER, "\"%.*s\" is not a valid URL",
                               STR_ARG(str_slice(call->url, 0, 200)));
        return true;
}

void http_origin_key(const struct http_origin *origin, struct buf *ret_key)
{
        if (origin->unix_path.len > 0)
                buf_printf(ret_key, "unix:%.*s", STR_ARG(origin->unix_path));
        else
                buf_printf(ret_key, "%s:%.*s:%u", origin->is_tls ? "https" : "http", STR_ARG(origin->host),
                           origin->port);
}
