/* SPDX-License-Identifier: Apache-2.0 */
/* Issuers: their metadata and keys, fetched once for all who ask. */
#include "identity/oidc_private.h"

#include "api/notify.h"
#include "base/clock.h"
#include "base/heap.h"
#include "cel/cel.h"
#include "io/http_client.h"
#include "io/tls.h"

#include <stdio.h>

enum {
        URL_BYTES_MAX = 512,
        DOCUMENT_BYTES_MAX = 256 * 1024,
        CALL_TIMEOUT_MS = 5000,
        SCRATCH_BYTES = 4 << 20
};

#define FRESH_MS ((int64_t)15 * 60 * 1000)
#define STALE_MS ((int64_t)24 * 60 * 60 * 1000)

/* ---- the whole -------------------------------------------------------------------------------------- */

bool oidc_new(const struct services *services, const struct oidc_options *options, struct oidc **ret,
              struct err *err)
{
        struct oidc *oidc = heap_alloc_zeroed(1, sizeof(*oidc));
        struct tls_client_config tls = {.ca_file = STR("")};
        struct http_client_config http;

        if (!oidc)
                return err_set(err, ERR_NO_MEMORY, "no memory to start");
        oidc->services = services;
        oidc->options = *options;
        (void)pthread_mutex_init(&oidc->lock, NULL);
        http_client_config_init(&http);
        http.user_agent = STR("countersign");
        http.address_is_good = options->private_issuers ? NULL : http_address_is_public;
        if (tls_client_new(&tls, &oidc->tls, err)) {
                http.tls = oidc->tls;
                if (http_client_new(&http, &oidc->http, err) &&
                    oidc_environment_new(&oidc->environment, err)) {
                        *ret = oidc;
                        return true;
                }
        }
        oidc_free(oidc);
        return false;
}

void oidc_keys_release(struct oidc_keys *keys)
{
        if (keys && atomic_fetch_sub(&keys->users, 1) == 1) {
                jose_keys_free(keys->keys);
                heap_free(keys);
        }
}

static void issuer_free(struct known_issuer *known)
{
        if (!known)
                return;
        oidc_keys_release(known->keys);
        heap_free(known->issuer);
        heap_free(known->authorization_endpoint);
        heap_free(known->token_endpoint);
        heap_free(known->end_session_endpoint);
        heap_free(known->jwks_uri);
        heap_free(known);
}

void oidc_free(struct oidc *oidc)
{
        if (!oidc)
                return;
        for (unsigned i = 0; i < OIDC_ISSUERS_MAX; i++)
                issuer_free(oidc->issuers[i]);
        http_client_free(oidc->http);
        tls_client_free(oidc->tls);
        cel_env_free(oidc->environment);
        (void)pthread_mutex_destroy(&oidc->lock);
        heap_free(oidc);
}

/* ---- URLs ------------------------------------------------------------------------------------------- */

static bool is_loopback_http(struct str url)
{
        static const char *const hosts[] = {"http://127.0.0.1", "http://localhost", "http://[::1]"};

        for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
                struct str host = str_from(hosts[i]);

                if (str_starts(url, host) &&
                    (url.len == host.len || url.ptr[host.len] == ':' || url.ptr[host.len] == '/'))
                        return true;
        }
        return false;
}

bool oidc_url_check(const struct oidc *oidc, struct str url, struct err *err)
{
        struct str rest = url;
        struct str authority;

        if (url.len > URL_BYTES_MAX)
                return err_set(err, ERR_BAD_FIELD, "the URL is longer than %d bytes", URL_BYTES_MAX);
        for (size_t i = 0; i < url.len; i++)
                if (url.ptr[i] <= ' ' || url.ptr[i] > '~' || strchr("\"<>\\^`{|}#", url.ptr[i]))
                        return err_set(err, ERR_BAD_FIELD,
                                       "the URL has a character that a URL does not have");
        if (str_starts(url, STR("https://")))
                rest = str_slice(url, 8, url.len);
        else if (oidc->options.private_issuers && is_loopback_http(url))
                rest = str_slice(url, 7, url.len);
        else
                return err_set(err, ERR_BAD_FIELD, "the URL must begin with https://");
        (void)str_cut(&rest, '/', &authority);
        if (authority.len == 0 || str_find(authority, '@') >= 0 || str_find(authority, '?') >= 0)
                return err_set(err, ERR_BAD_FIELD, "the URL has no host, or names a user");
        return true;
}

/* ---- fetching ---------------------------------------------------------------------------------------- */

static FIBER_FN bool fetch(struct oidc *oidc, struct arena *arena, struct str url, struct str *ret_body,
                           struct err *err)
{
        const struct http_header headers[] = {{STR("Accept"), STR("application/json")}};
        const struct http_client_call call = {.method = STR("GET"),
                                              .url = url,
                                              .headers = headers,
                                              .n_headers = 1,
                                              .timeout_ms = CALL_TIMEOUT_MS,
                                              .cap_bytes = DOCUMENT_BYTES_MAX};
        struct http_response response;

        if (!http_fiber_call(oidc->http, &call, arena, &response, err))
                return false;
        /* Redirects are not followed: they would lead past the check of the URL. */
        if (response.status != 200)
                return err_set(err, ERR_UPSTREAM_PROTOCOL, "%.*s answered with status %d", STR_ARG(url),
                               response.status);
        *ret_body = response.body;
        return true;
}

static bool bad_metadata(struct err *err, const char *what)
{
        return err_set(err, ERR_UPSTREAM_PROTOCOL, "the issuer's metadata cannot be used: %s", what);
}

static char *copy_of(struct str text)
{
        char *copy = heap_alloc(text.len + 1);

        if (copy) {
                memcpy(copy, text.ptr, text.len);
                copy[text.len] = '\0';
        }
        return copy;
}

static bool copy_endpoint(const struct oidc *oidc, const struct json *document, const char *name,
                          bool required, char **ret, struct err *err)
{
        struct str url = json_get_string(document, name);
        struct err why;

        if (!url.ptr)
                return !required || bad_metadata(err, name);
        if (!oidc_url_check(oidc, url, &why))
                return bad_metadata(err, name);
        *ret = copy_of(url);
        return *ret || err_set(err, ERR_NO_MEMORY, "no memory for an issuer");
}

/* OpenID Connect Discovery section 4.3: the issuer in the document must be exactly the one that was asked
 * for. */
static bool read_metadata(const struct oidc *oidc, struct arena *arena, struct str body, struct str issuer,
                          struct known_issuer *ret, struct err *err)
{
        const struct json *names_itself;
        struct json document;

        if (!json_parse(arena, body, &document, err) || document.type != JSON_OBJECT)
                return bad_metadata(err, "it is no JSON object");
        if (!str_eq(json_get_string(&document, "issuer"), issuer))
                return bad_metadata(err, "it is about another issuer");
        names_itself = json_get(&document, "authorization_response_iss_parameter_supported");
        ret->names_itself = names_itself && names_itself->type == JSON_BOOL && names_itself->boolean;
        return copy_endpoint(oidc, &document, "authorization_endpoint", true, &ret->authorization_endpoint,
                             err) &&
               copy_endpoint(oidc, &document, "token_endpoint", true, &ret->token_endpoint, err) &&
               copy_endpoint(oidc, &document, "end_session_endpoint", false, &ret->end_session_endpoint,
                             err) &&
               copy_endpoint(oidc, &document, "jwks_uri", true, &ret->jwks_uri, err);
}

static FIBER_FN bool fetch_keys(struct oidc *oidc, struct arena *arena, const char *jwks_uri,
                                struct oidc_keys **ret, struct err *err)
{
        struct jose_keys *keys;
        struct str body;
        struct err why;

        if (!fetch(oidc, arena, str_from(jwks_uri), &body, err))
                return false;
        if (!jose_keys_parse(body, JOSE_PUBLIC, &keys, &why))
                return err_set(err, ERR_UPSTREAM_PROTOCOL, "the issuer's keys cannot be used: %s",
                               why.message);
        *ret = heap_alloc_zeroed(1, sizeof(**ret));
        if (!*ret) {
                jose_keys_free(keys);
                return err_set(err, ERR_NO_MEMORY, "no memory for an issuer's keys");
        }
        (*ret)->keys = keys;
        atomic_init(&(*ret)->users, 1);
        return true;
}

/* Metadata and keys, into `ret`, which is new. */
static FIBER_FN bool fetch_issuer(struct oidc *oidc, struct str issuer, struct known_issuer *ret,
                                  struct err *err)
{
        static const struct str well_known = {"/.well-known/openid-configuration", 33};
        struct str base = str_ends(issuer, STR("/")) ? str_slice(issuer, 0, issuer.len - 1) : issuer;
        ARENA_SCOPED scratch;
        struct str body;
        struct str url;

        arena_init(&scratch, SCRATCH_BYTES);
        url = arena_printf(&scratch, "%.*s%.*s", STR_ARG(base), STR_ARG(well_known));
        return arena_check(&scratch, err) && fetch(oidc, &scratch, url, &body, err) &&
               read_metadata(oidc, &scratch, body, issuer, ret, err) &&
               fetch_keys(oidc, &scratch, ret->jwks_uri, &ret->keys, err);
}

/* ---- what is known ------------------------------------------------------------------------------------ */

static uint32_t hash_of(struct str text)
{
        uint32_t hash = 2166136261u;

        for (size_t i = 0; i < text.len; i++)
                hash = (hash ^ (unsigned char)text.ptr[i]) * 16777619u;
        return hash;
}

/* Under the lock. A new one takes the place of the one that rested longest; NULL when all are being fetched.
 */
static struct known_issuer *find(struct oidc *oidc, struct str issuer, int64_t now_ms)
{
        struct known_issuer **place = NULL;
        uint32_t hash = hash_of(issuer);

        for (unsigned i = 0; i < OIDC_ISSUERS_MAX; i++) {
                struct known_issuer *known = oidc->issuers[i];

                if (known && known->hash == hash && str_is(issuer, known->issuer)) {
                        known->used_ms = now_ms;
                        return known;
                }
                if (!known ? !place || *place
                           : !known->is_fetching &&
                                     (!place || (*place && known->used_ms < (*place)->used_ms)))
                        place = &oidc->issuers[i];
        }
        if (!place)
                return NULL;
        issuer_free(*place);
        *place = heap_alloc_zeroed(1, sizeof(**place));
        if (*place) {
                (*place)->hash = hash;
                (*place)->used_ms = now_ms;
                (*place)->issuer = copy_of(issuer);
                if (!(*place)->issuer) {
                        issuer_free(*place);
                        *place = NULL;
                }
        }
        return *place;
}

static struct str copy_out(struct arena *arena, const char *text)
{
        return text ? arena_str(arena, str_from(text)) : STR_NULL;
}

/* Under the lock. */
static bool give(struct arena *arena, const struct known_issuer *known, struct oidc_issuer *ret,
                 struct err *err)
{
        ret->issuer = copy_out(arena, known->issuer);
        ret->authorization_endpoint = copy_out(arena, known->authorization_endpoint);
        ret->token_endpoint = copy_out(arena, known->token_endpoint);
        ret->end_session_endpoint = copy_out(arena, known->end_session_endpoint);
        ret->names_itself = known->names_itself;
        ret->keys_fetched_ms = known->fetched_ms;
        if (!arena_check(arena, err))
                return false;
        ret->keys = known->keys;
        atomic_fetch_add(&known->keys->users, 1);
        return true;
}

void oidc_issuer_done(struct oidc_issuer *issuer)
{
        oidc_keys_release(issuer->keys);
        issuer->keys = NULL;
}

/* Under the lock: what a fetch brought takes the place of what was known. A failure leaves that alone. */
static void settle(struct known_issuer *known, struct known_issuer *fresh, bool ok, int64_t now_ms,
                   const struct err *err)
{
        known->is_fetching = false;
        known->tried_ms = now_ms;
        if (!ok) {
                known->error = *err;
                return;
        }
        oidc_keys_release(known->keys);
        heap_free(known->authorization_endpoint);
        heap_free(known->token_endpoint);
        heap_free(known->end_session_endpoint);
        heap_free(known->jwks_uri);
        known->authorization_endpoint = fresh->authorization_endpoint;
        known->token_endpoint = fresh->token_endpoint;
        known->end_session_endpoint = fresh->end_session_endpoint;
        known->jwks_uri = fresh->jwks_uri;
        known->names_itself = fresh->names_itself;
        known->keys = fresh->keys;
        known->fetched_ms = now_ms;
        fresh->authorization_endpoint = fresh->token_endpoint = fresh->end_session_endpoint = NULL;
        fresh->jwks_uri = NULL;
        fresh->keys = NULL;
}

/* One fetch, with `known` marked as being fetched, so that it stays where it is. */
static FIBER_FN void refresh(struct oidc *oidc, struct known_issuer *known, struct str issuer)
{
        struct known_issuer *fresh = heap_alloc_zeroed(1, sizeof(*fresh));
        struct err err;
        bool ok;

        err_clear(&err);
        ok = fresh ? fetch_issuer(oidc, issuer, fresh, &err)
                   : err_set(&err, ERR_NO_MEMORY, "no memory for an issuer");
        (void)pthread_mutex_lock(&oidc->lock);
        settle(known, fresh, ok, clock_now_ms(), &err);
        (void)pthread_mutex_unlock(&oidc->lock);
        issuer_free(fresh);
        notify_publish(STR("oidc"), issuer);
}

enum step { STEP_GIVE, STEP_WAIT, STEP_FETCH, STEP_FAIL };

/* Under the lock. `newer_than_ms`: keys that were fetched at that time or before will not do; 0: any. */
static enum step next_step(const struct oidc *oidc, struct known_issuer *known, int64_t newer_than_ms,
                           int64_t now_ms)
{
        bool usable = known->keys && now_ms < known->fetched_ms + STALE_MS;
        bool good = usable && known->fetched_ms > newer_than_ms && (now_ms < known->fetched_ms + FRESH_MS);
        bool may_try = now_ms < known->tried_ms || now_ms >= known->tried_ms + oidc->options.refetch_ms;

        if (good)
                return STEP_GIVE;
        if (known->is_fetching)
                return STEP_WAIT;
        if (may_try)
                return STEP_FETCH;
        /* Tried a moment ago: what is old must do; newer keys than those there are not. */
        return usable && newer_than_ms == 0 ? STEP_GIVE : STEP_FAIL;
}

static FIBER_FN bool get_newer(struct oidc *oidc, struct arena *arena, struct str issuer,
                               int64_t newer_than_ms, struct oidc_issuer *ret, struct err *err)
{
        int64_t deadline_us = clock_mono_us() + (int64_t)3 * CALL_TIMEOUT_MS * 1000;
        bool waited = true;

        *ret = (struct oidc_issuer){0};
        while (waited) {
                struct notify_waiter waiter;
                struct known_issuer *known;
                enum step step = STEP_FAIL;
                bool ok = false;

                notify_begin(&waiter, STR("oidc"), issuer);
                (void)pthread_mutex_lock(&oidc->lock);
                known = find(oidc, issuer, clock_now_ms());
                (void)err_set(err, ERR_OVERLOADED, "no room for one more issuer");
                if (known)
                        step = next_step(oidc, known, newer_than_ms, clock_now_ms());
                if (step == STEP_GIVE)
                        ok = give(arena, known, ret, err);
                else if (step == STEP_FETCH)
                        known->is_fetching = true;
                else if (step == STEP_FAIL && known)
                        *err = known->error;
                (void)pthread_mutex_unlock(&oidc->lock);
                if (step == STEP_WAIT)
                        waited = notify_wait(&waiter, deadline_us);
                notify_end(&waiter);
                if (step == STEP_GIVE || step == STEP_FAIL)
                        return ok || (err->code == ERR_NONE ? err_set(err, ERR_UPSTREAM_PROTOCOL,
                                                                      "the issuer has no newer keys")
                                                            : false);
                if (step == STEP_FETCH)
                        refresh(oidc, known, issuer);
        }
        return err_set(err, ERR_UPSTREAM_TIMEOUT, "the issuer did not answer in time");
}

FIBER_FN bool oidc_issuer_get(struct oidc *oidc, struct arena *arena, struct str issuer,
                              struct oidc_issuer *ret, struct err *err)
{
        return get_newer(oidc, arena, issuer, 0, ret, err);
}

struct oidc_keys *oidc_keys_known(struct oidc *oidc, struct str issuer)
{
        struct oidc_keys *keys = NULL;
        uint32_t hash = hash_of(issuer);
        int64_t now_ms = clock_now_ms();

        (void)pthread_mutex_lock(&oidc->lock);
        for (unsigned i = 0; i < OIDC_ISSUERS_MAX && !keys; i++) {
                struct known_issuer *known = oidc->issuers[i];

                if (known && known->hash == hash && str_is(issuer, known->issuer) && known->keys &&
                    now_ms < known->fetched_ms + STALE_MS) {
                        keys = known->keys;
                        atomic_fetch_add(&keys->users, 1);
                }
        }
        (void)pthread_mutex_unlock(&oidc->lock);
        return keys;
}

FIBER_FN void oidc_issuer_refresh(struct oidc *oidc, struct arena *arena, const struct oidc_issuer *issuer)
{
        struct oidc_issuer newer;
        struct err ignored;

        if (get_newer(oidc, arena, issuer->issuer, issuer->keys_fetched_ms, &newer, &ignored))
                oidc_issuer_done(&newer);
}

/* ---- tokens ---------------------------------------------------------------------------------------------
 */

static bool not_authentic(struct err *err)
{
        char message[ERR_MESSAGE_MAX];

        (void)snprintf(message, sizeof(message), "%s", err->message);
        return err_set(err, ERR_UNAUTHENTICATED, "%s", message);
}

FIBER_FN bool oidc_verify(struct oidc *oidc, struct arena *arena, struct str issuer, uint32_t algs,
                          struct str token, struct jose_token *ret, struct err *err)
{
        struct oidc_issuer known;
        struct oidc_issuer newer;
        enum jose_why why;
        struct err ignored;
        bool ok;

        if (!oidc_issuer_get(oidc, arena, issuer, &known, err))
                return false;
        ok = jose_verify(arena, known.keys->keys, algs & JOSE_PUBLIC, token, ret, &why, err);
        if (!ok && why == JOSE_NO_KEY &&
            get_newer(oidc, arena, issuer, known.keys_fetched_ms, &newer, &ignored)) {
                ok = jose_verify(arena, newer.keys->keys, algs & JOSE_PUBLIC, token, ret, &why, err);
                oidc_issuer_done(&newer);
        }
        oidc_issuer_done(&known);
        return ok || not_authentic(err);
}

/* ---- forms
 * ------------------------------------------------------------------------------------------------ */

void form_escape(struct buf *buf, struct str text)
{
        static const char digits[] = "0123456789ABCDEF";

        for (size_t i = 0; i < text.len; i++) {
                unsigned char c = (unsigned char)text.ptr[i];

                if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    (c && strchr("-._~", c))) {
                        buf_append_char(buf, (char)c);
                } else {
                        buf_append_char(buf, '%');
                        buf_append_char(buf, digits[c >> 4]);
                        buf_append_char(buf, digits[c & 15]);
                }
        }
}

void form_append(struct buf *buf, const char *name, struct str value)
{
        if (buf->len > 0 && buf->ptr[buf->len - 1] != '?' && buf->ptr[buf->len - 1] != '&')
                buf_append_char(buf, '&');
        buf_append_c(buf, name);
        buf_append_char(buf, '=');
        form_escape(buf, value);
}

FIBER_FN bool oidc_post(struct oidc *oidc, struct arena *arena, struct str url,
                        const struct oidc_form_field *fields, size_t count, struct str authorization,
                        int *ret_status, struct json *ret, struct err *err)
{
        struct http_header headers[] = {{STR("Content-Type"), STR("application/x-www-form-urlencoded")},
                                        {STR("Accept"), STR("application/json")},
                                        {STR("Authorization"), authorization}};
        struct http_client_call call = {.method = STR("POST"),
                                        .url = url,
                                        .headers = headers,
                                        .n_headers = authorization.ptr ? 3 : 2,
                                        .timeout_ms = CALL_TIMEOUT_MS,
                                        .cap_bytes = DOCUMENT_BYTES_MAX};
        struct http_response response;
        struct buf body;
        bool ok;

        buf_init(&body, 16 * 1024);
        for (size_t i = 0; i < count; i++)
                if (fields[i].value.ptr)
                        form_append(&body, fields[i].name, fields[i].value);
        call.body = buf_str(&body);
        ok = buf_check(&body, "a form", err) && http_fiber_call(oidc->http, &call, arena, &response, err);
        buf_done_zeroing(&body);
        if (!ok)
                return false;
        *ret_status = response.status;
        if (response.status < 200 || (response.status >= 300 && response.status < 400) ||
            response.status >= 500)
                return err_set(err, ERR_UPSTREAM_PROTOCOL, "%.*s answered with status %d", STR_ARG(url),
                               response.status);
        return (json_parse(arena, response.body, ret, err) && ret->type == JSON_OBJECT) ||
               err_set(err, ERR_UPSTREAM_PROTOCOL, "%.*s answered with something that is no JSON object",
                       STR_ARG(url));
}
