/* SPDX-License-Identifier: Apache-2.0 */
/* Claims of JSON Web Tokens (RFC 7519 section 4; OpenID Connect Core section 3.1.3.7). */
#include "crypto/jose.h"

enum { LEEWAY_MOST_MS = 5 * 60 * 1000 };

static bool refuse(struct err *err, const char *why)
{
        return err_set(err, ERR_UNAUTHENTICATED, "the token is refused: %s", why);
}

/* RFC 7519 section 2, NumericDate: seconds, perhaps with a fraction. False when it is there and is none. */
static bool time_claim(const struct json *payload, const char *name, bool *ret_has, int64_t *ret_ms)
{
        const int64_t most_s = 253402300799; /* the end of the year 9999 */
        const struct json *value = json_get(payload, name);

        *ret_has = value != NULL;
        *ret_ms = 0;
        if (!value)
                return true;
        if (value->type == JSON_INT && value->integer >= 0 && value->integer <= most_s) {
                *ret_ms = value->integer * 1000;
                return true;
        }
        if (value->type == JSON_DOUBLE && value->number >= 0 && value->number <= (double)most_s) {
                *ret_ms = (int64_t)(value->number * 1000);
                return true;
        }
        return false;
}

static bool check_times(const struct json *payload, const struct jose_expect *expect,
                        struct jose_claims *ret, struct err *err)
{
        int64_t leeway = expect->leeway_ms < LEEWAY_MOST_MS ? expect->leeway_ms : LEEWAY_MOST_MS;
        int64_t not_before;
        bool has_expires;
        bool has_not_before;
        bool has_issued;

        if (!time_claim(payload, "exp", &has_expires, &ret->expires_ms) ||
            !time_claim(payload, "nbf", &has_not_before, &not_before) ||
            !time_claim(payload, "iat", &has_issued, &ret->issued_ms))
                return refuse(err, "exp, nbf or iat is no time");
        if (!has_expires)
                return refuse(err, "it has no exp");
        if (expect->now_ms >= ret->expires_ms + leeway)
                return refuse(err, "it has expired");
        if (has_not_before && expect->now_ms + leeway < not_before)
                return refuse(err, "it is not valid yet");
        if (has_issued && expect->now_ms + leeway < ret->issued_ms)
                return refuse(err, "it was issued in the future");
        if (!has_issued && (expect->needs_iat || expect->max_lifetime_ms > 0))
                return refuse(err, "it has no iat");
        if (expect->max_lifetime_ms > 0 && ret->expires_ms - ret->issued_ms > expect->max_lifetime_ms)
                return refuse(err, "it lives too long");
        return true;
}

/* RFC 7519 section 4.1.3: one string, or an array of them. */
static bool audience_has(const struct json *aud, struct str wanted, size_t *ret_count)
{
        bool found = false;

        *ret_count = 0;
        if (!aud)
                return false;
        if (aud->type == JSON_STRING) {
                *ret_count = 1;
                return str_eq(aud->string, wanted);
        }
        if (aud->type != JSON_ARRAY)
                return false;
        for (uint32_t i = 0; i < aud->count; i++) {
                if (aud->items[i].type != JSON_STRING)
                        return false;
                found |= str_eq(aud->items[i].string, wanted);
        }
        *ret_count = aud->count;
        return found;
}

static bool check_audience(const struct json *payload, const struct jose_expect *expect, struct err *err)
{
        const struct json *azp = json_get(payload, "azp");
        size_t count = 0;

        if (expect->audience.ptr) {
                if (!audience_has(json_get(payload, "aud"), expect->audience, &count))
                        return refuse(err, "it is for another audience");
                if (expect->audience_alone && count > 1)
                        return refuse(err, "it is for other audiences too");
        }
        if (!expect->azp.ptr)
                return true;
        if (!azp)
                return count <= 1 || refuse(err, "it is for several audiences and names no azp");
        return (azp->type == JSON_STRING && str_eq(azp->string, expect->azp)) ||
               refuse(err, "its azp is another");
}

/* RFC 7515 section 4.1.9: "application/" may be left out. */
static bool typ_is(struct str typ, const char *wanted)
{
        if (typ.len > 12 && str_eq_nocase(str_slice(typ, 0, 12), STR("application/")))
                typ = str_slice(typ, 12, typ.len);
        return typ.ptr && str_eq_nocase(typ, str_from(wanted));
}

static bool string_claim(const struct json *payload, const char *name, struct str *ret)
{
        const struct json *value = json_get(payload, name);

        *ret = STR_NULL;
        if (!value)
                return true;
        if (value->type != JSON_STRING)
                return false;
        *ret = value->string;
        return true;
}

bool jose_claims_check(const struct jose_token *token, const struct jose_expect *expect,
                       struct jose_claims *ret, struct err *err)
{
        const struct json *payload = &token->payload;
        struct str nonce;

        *ret = (struct jose_claims){0};
        if (expect->typ && !typ_is(token->typ, expect->typ))
                return refuse(err, "it is a token of another type");
        if (!string_claim(payload, "iss", &ret->issuer) || !string_claim(payload, "sub", &ret->subject) ||
            !string_claim(payload, "jti", &ret->jti) || !string_claim(payload, "nonce", &nonce))
                return refuse(err, "iss, sub, jti and nonce must be strings");
        if (expect->issuer.ptr && (!ret->issuer.ptr || !str_eq(ret->issuer, expect->issuer)))
                return refuse(err, "it is by another issuer");
        if (expect->needs_sub && ret->subject.len == 0)
                return refuse(err, "it has no sub");
        if (expect->needs_jti && ret->jti.len == 0)
                return refuse(err, "it has no jti");
        if (expect->nonce.ptr && (!nonce.ptr || !str_eq_secret(nonce, expect->nonce)))
                return refuse(err, "its nonce is another");
        return check_audience(payload, expect, err) && check_times(payload, expect, ret, err);
}
