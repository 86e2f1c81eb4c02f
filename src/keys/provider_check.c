/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/provider_check.h"

#include "base/heap.h"
#include "io/http_client.h"
#include "io/tls.h"
#include "keys/providers.h"

#include <arpa/inet.h>
#include <ctype.h>

enum { LIVE_ARENA_BYTES = 64 * 1024, HOST_MAX = 253 };

bool providers_new(bool allow_loopback, int64_t timeout_ms, struct providers **ret, struct err *err)
{
        struct tls_client_config tls = {.ca_file = STR("")};
        struct providers *providers = heap_alloc_zeroed(1, sizeof(*providers));
        struct http_client_config config;

        *ret = NULL;
        if (!providers)
                return err_set(err, ERR_NO_MEMORY, "no memory to start");
        providers->allow_loopback = allow_loopback;
        providers->timeout_ms = timeout_ms;
        http_client_config_init(&config);
        if (!tls_client_new(&tls, &providers->tls, err)) {
                providers_free(providers);
                return false;
        }
        config.tls = providers->tls;
        config.user_agent = STR("countersign");
        config.idle_max = 0; /* a key is checked rarely, and its connection is not kept for the next */
        if (!http_client_new(&config, &providers->client, err)) {
                providers_free(providers);
                return false;
        }
        *ret = providers;
        return true;
}

void providers_free(struct providers *providers)
{
        if (!providers)
                return;
        http_client_free(providers->client);
        tls_client_free(providers->tls);
        heap_free(providers);
}

struct kind {
        const char *prefix;   /* of the key */
        size_t least, most;   /* characters */
        const char *base_url; /* NULL: the tenant's own */
        const char *path;     /* behind the base URL, for the check */
        const char *header, *scheme;
        const char *shape; /* for people */
};

static const struct kind kinds[] = {
        [PROVIDER_OPENAI] = {"sk-", 20, 256, "https://api.openai.com/v1", "/models", "Authorization",
                             "Bearer ", "\"sk-\" and at least 17 letters, digits, \"-\" or \"_\""},
        [PROVIDER_AZURE_OPENAI] = {"", 32, 128, NULL, "/openai/models?api-version=2024-10-21", "api-key", "",
                                   "at least 32 letters and digits"},
        [PROVIDER_ANTHROPIC] = {"sk-ant-", 24, 256, "https://api.anthropic.com", "/v1/models", "x-api-key",
                                "", "\"sk-ant-\" and at least 17 letters, digits, \"-\" or \"_\""},
        [PROVIDER_COMPATIBLE] = {"", 1, PROVIDER_SECRET_MAX, NULL, "/models", "Authorization", "Bearer ",
                                 "1 to 512 visible characters without blanks"},
};

static bool character_fits(enum provider provider, unsigned char c)
{
        switch (provider) {
        case PROVIDER_COMPATIBLE:
                return c > 0x20 && c < 0x7f;
        case PROVIDER_AZURE_OPENAI:
                return isalnum(c);
        default:
                return isalnum(c) || c == '-' || c == '_';
        }
}

bool provider_check_shape(enum provider provider, struct str secret, const char *place, struct err *err)
{
        const struct kind *kind = &kinds[provider];
        bool ok = secret.len >= kind->least && secret.len <= kind->most &&
                  str_starts(secret, str_from(kind->prefix));

        for (size_t i = 0; ok && i < secret.len; i++)
                ok = character_fits(provider, (unsigned char)secret.ptr[i]);
        return ok || err_set_at(err, ERR_BAD_FIELD, place, "a key of the provider \"%s\" is %s",
                                provider_name(provider), kind->shape);
}

/* ---- where it would be sent -------------------------------------------------------------------- */

static bool refuse_url(struct err *err, const char *why)
{
        return err_set_at(err, ERR_BAD_FIELD, "/base_url", "%s", why);
}

struct place {
        bool secure;
        bool loopback;
        bool forbidden; /* nobody's model is there */
};

static void look_at_v4(uint32_t address, struct place *ret)
{
        ret->loopback = address >> 24 == 127;
        ret->forbidden = address >> 24 == 0 || address >> 16 == 0xa9fe || address >> 28 >= 14;
}

/* Literal addresses; a name is the certificate's to vouch for. */
static void look_at_host(const char *host, struct place *ret)
{
        struct in6_addr six;
        struct in_addr four;

        if (strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0) {
                ret->loopback = true;
        } else if (inet_pton(AF_INET, host, &four) == 1) {
                look_at_v4(ntohl(four.s_addr), ret);
        } else if (inet_pton(AF_INET6, host, &six) == 1) {
                if (IN6_IS_ADDR_V4MAPPED(&six) || IN6_IS_ADDR_V4COMPAT(&six))
                        ret->forbidden = true; /* write it as what it is */
                else
                        ret->forbidden = IN6_IS_ADDR_LINKLOCAL(&six) || IN6_IS_ADDR_UNSPECIFIED(&six) ||
                                         IN6_IS_ADDR_MULTICAST(&six);
        }
}

/* The host of "host", "host:port", "[v6]:port", lower case and without a dot at its end; false: no such
 * form. */
static bool take_host(struct str authority, char ret_host[HOST_MAX + 1])
{
        ptrdiff_t end = authority.len > 0 && authority.ptr[0] == '[' ? str_find(authority, ']')
                                                                     : str_find(authority, ':');
        struct str host = authority, port = STR_NULL;
        uint64_t number;

        if (authority.len > 0 && authority.ptr[0] == '[') {
                if (end < 0)
                        return false;
                host = str_slice(authority, 1, (size_t)end - 1);
                port = str_slice(authority, (size_t)end + 1, authority.len);
        } else if (end >= 0) {
                host = str_slice(authority, 0, (size_t)end);
                port = str_slice(authority, (size_t)end, authority.len);
        }
        if (port.len > 0 && (port.ptr[0] != ':' || !str_to_u64(str_slice(port, 1, port.len), &number) ||
                             number == 0 || number > 65535))
                return false;
        if (host.len > 0 && host.ptr[host.len - 1] == '.')
                host.len--;
        if (host.len == 0 || host.len > HOST_MAX)
                return false;
        for (size_t i = 0; i < host.len; i++) {
                unsigned char c = (unsigned char)host.ptr[i];

                if (!isalnum(c) && c != '-' && c != '.' && c != ':')
                        return false;
                ret_host[i] = (char)tolower(c);
        }
        ret_host[host.len] = '\0';
        return true;
}

/*
 * What resolvers read as an address though inet_pton does not: "127.1", "2130706433", "0x7f.1". A name
 * whose last label is a number is no name (RFC 3696 section 2).
 */
static bool ends_in_number(const char *host)
{
        const char *label = strrchr(host, '.');
        struct in_addr four;

        label = label ? label + 1 : host;
        return isdigit((unsigned char)*label) && inet_pton(AF_INET, host, &four) != 1 && !strchr(host, ':');
}

bool provider_check_url(struct arena *arena, const struct providers *providers, enum provider provider,
                        struct str url, struct str *ret_url, struct err *err)
{
        struct str rest, authority;
        struct place place = {0};
        char host[HOST_MAX + 1];

        if (!url.ptr) {
                if (!kinds[provider].base_url)
                        return err_set_at(err, ERR_MISSING_FIELD, "/base_url",
                                          "a key of the provider \"%s\" needs the address of its endpoint",
                                          provider_name(provider));
                url = str_from(kinds[provider].base_url);
        }
        for (size_t i = 0; i < url.len; i++)
                if (url.ptr[i] <= ' ' || url.ptr[i] >= 0x7f || strchr("?#@\\\"<>", url.ptr[i]))
                        return refuse_url(err,
                                          "the address has no user, no query, no fragment, and is ASCII");
        place.secure = str_starts(url, STR("https://"));
        if (!place.secure && !str_starts(url, STR("http://")))
                return refuse_url(err, "the address begins with https://");
        rest = str_slice(url, place.secure ? 8 : 7, url.len);
        (void)str_cut(&rest, '/', &authority);
        if (!take_host(authority, host) || ends_in_number(host))
                return refuse_url(err, "the address has no valid host");
        look_at_host(host, &place);
        if (place.forbidden)
                return refuse_url(err, "no provider can be at this address");
        if (place.loopback && !providers->allow_loopback)
                return refuse_url(err, "the server's own machine is no provider, unless "
                                       "providers.allow-loopback is set");
        if (!place.secure && !place.loopback)
                return refuse_url(err, "the address begins with https://: a key is never sent in the clear");
        while (url.len > 0 && url.ptr[url.len - 1] == '/')
                url.len--;
        *ret_url = arena_str(arena, url);
        return arena_check(arena, err);
}

/* ---- asking ------------------------------------------------------------------------------------ */

FIBER_FN bool provider_check_live(struct request *req, const struct providers *providers,
                                  enum provider provider, struct str base_url, struct str secret,
                                  bool *ret_valid, struct err *err)
{
        const struct kind *kind = &kinds[provider];
        struct http_stream *stream;
        struct err unreachable;
        ARENA_SCOPED secrets;
        int status = 0;

        (void)req;
        arena_init_zeroing(&secrets, LIVE_ARENA_BYTES);
        struct http_header headers[] = {
                {str_from(kind->header), arena_printf(&secrets, "%s%.*s", kind->scheme, STR_ARG(secret))},
                {STR("Accept"), STR("application/json")},
                {STR("anthropic-version"), STR("2023-06-01")},
        };
        struct http_client_call call = {
                .method = STR("GET"),
                .url = arena_printf(&secrets, "%.*s%s", STR_ARG(base_url), kind->path),
                .headers = headers,
                .n_headers = provider == PROVIDER_ANTHROPIC ? 3 : 2,
                .timeout_ms = providers->timeout_ms,
        };

        *ret_valid = false;
        if (!arena_check(&secrets, err))
                return false;
        /* The head of the answer says all; a list of models may be long. Redirects are not followed. */
        if (http_fiber_stream_open(providers->client, &call, &stream, &unreachable)) {
                status = http_stream_response(stream)->status;
                http_stream_close(stream);
        }
        *ret_valid = status >= 200 && status < 300;
        if (status == 401)
                return err_set(err, ERR_PROVIDER_KEY_INVALID,
                               "the provider at %.*s refuses this key (401); nothing was stored",
                               STR_ARG(base_url));
        return true;
}
