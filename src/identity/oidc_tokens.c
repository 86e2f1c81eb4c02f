/* SPDX-License-Identifier: Apache-2.0 */
/* An issuer's own tokens as credentials of the API (RFC 6750, RFC 9068). */
#include "identity/oidc_private.h"

#include "api/cell.h"
#include "api/services.h"
#include "identity/known.h"
#include "identity/realms.h"
#include "identity/realms_sql.h"

enum { AUDIENCES_MAX = 8, TOKEN_LIFETIME_MAX_H = 24, TENANT_ID_LEN = 4 + 26 };
/* For issuers that do not let one choose the audience. */
#define TENANT_CLAIM "countersign_tenant"

/* ---- whose token it says it is --------------------------------------------------------------------------
 */

struct place {
        struct jose_token token;
        struct str issuer;
        struct str tenant; /* by the claim; {NULL, 0}: it has none, and an audience names the tenant */
        struct str audience;
        struct sql_issuer_audience_get_row row;
        bool found;
};

static struct str audience_at(const struct json *aud, uint32_t i)
{
        if (!aud || i >= AUDIENCES_MAX)
                return STR_NULL;
        if (aud->type == JSON_STRING)
                return i == 0 ? aud->string : STR_NULL;
        if (aud->type != JSON_ARRAY || i >= aud->count || aud->items[i].type != JSON_STRING)
                return STR_NULL;
        return aud->items[i].string;
}

static bool is_word(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* The first tenant's id that stands in the text as a word of its own; {NULL, 0}: none does. */
static struct str tenant_in(struct str text)
{
        for (size_t i = 0; i + TENANT_ID_LEN <= text.len; i++) {
                struct str one = str_slice(text, i, TENANT_ID_LEN);
                bool starts = i == 0 || !is_word(text.ptr[i - 1]);
                bool ends = i + TENANT_ID_LEN == text.len || !is_word(text.ptr[i + TENANT_ID_LEN]);

                if (starts && ends && id_is(one, "ten"))
                        return one;
        }
        return STR_NULL;
}

/*
 * The first audience that the tenant which the token names has registered with this issuer. What other
 * tenants have registered is never looked at, so nobody can stand in a token's way.
 */
static bool place_work(struct tx *tx, void *arg, struct err *err)
{
        struct place *place = arg;
        const struct json *aud = json_get(&place->token.payload, "aud");

        for (uint32_t i = 0; !place->found && audience_at(aud, i).ptr; i++) {
                struct str tenant;

                place->audience = audience_at(aud, i);
                tenant = place->tenant.ptr ? place->tenant : tenant_in(place->audience);
                if (tenant.ptr && !sql_issuer_audience_get(tx, tenant, place->issuer, place->audience,
                                                           &place->row, &place->found, err))
                        return false;
        }
        return true;
}

static bool peek(struct arena *arena, struct str token, struct place *ret, struct err *err)
{
        const struct json *claim;

        if (!jose_looks_like_token(token) || !jose_peek(arena, token, &ret->token, err))
                return refuse_credential(err);
        ret->issuer = json_get_string(&ret->token.payload, "iss");
        claim = json_get(&ret->token.payload, TENANT_CLAIM);
        if (claim)
                ret->tenant = claim->type == JSON_STRING ? claim->string : STR("");
        return (ret->issuer.len > 0 && (!claim || id_is(ret->tenant, "ten"))) || refuse_credential(err);
}

FIBER_FN bool oidc_token_prepare(struct oidc *oidc, struct arena *arena, struct str token, struct err *err)
{
        struct place place = {0};
        struct oidc_issuer issuer;
        bool known;

        /* Only an issuer that a tenant has named is ever asked: a token cannot make us call anybody. */
        if (!peek(arena, token, &place, err) ||
            !cell_read(oidc->services->store, &CELL_DIRECTORY, arena, place_work, &place, err))
                return false;
        if (!place.found || !oidc_issuer_get(oidc, arena, place.issuer, &issuer, err))
                return refuse_credential(err);
        known = !place.token.kid.ptr || jose_keys_have(issuer.keys->keys, place.token.kid);
        oidc_issuer_done(&issuer);
        if (!known)
                oidc_issuer_refresh(oidc, arena, &issuer);
        return true;
}

/* ---- how the person proved who they are
 * ---------------------------------------------------------------------- */

/* RFC 8176: words of lower-case letters and digits. */
static struct str methods_of(struct arena *arena, const struct json *claims, bool *ret_mfa)
{
        const struct json *amr = json_get(claims, "amr");
        struct str all = STR("oidc");

        *ret_mfa = false;
        for (uint32_t i = 0; amr && amr->type == JSON_ARRAY && i < amr->count && i < 8; i++) {
                struct str one = amr->items[i].type == JSON_STRING ? amr->items[i].string : STR("");
                bool good = one.len > 0 && one.len <= 16;

                for (size_t j = 0; j < one.len; j++)
                        good &= (one.ptr[j] >= 'a' && one.ptr[j] <= 'z') ||
                                (one.ptr[j] >= '0' && one.ptr[j] <= '9');
                if (good)
                        all = arena_printf(arena, "%.*s %.*s", STR_ARG(all), STR_ARG(one));
                *ret_mfa |= str_is(one, "mfa");
        }
        return all;
}

void oidc_proof_of(struct arena *arena, const struct realm *realm, const struct json *claims, int64_t now_ms,
                   struct oidc_proof *ret)
{
        int64_t auth_time_s;
        bool mfa;

        *ret = (struct oidc_proof){.methods = methods_of(arena, claims, &mfa)};
        mfa |= realm->second_factor_acr.ptr &&
               str_eq(json_get_string(claims, "acr"), realm->second_factor_acr);
        if (!json_get_int(claims, "auth_time", &auth_time_s) || auth_time_s <= 0 ||
            auth_time_s > (now_ms + realm->clock_skew_ms) / 1000)
                return;
        ret->authenticated_ms = auth_time_s * 1000 < now_ms ? auth_time_s * 1000 : now_ms;
        ret->second_factor_ms = mfa ? ret->authenticated_ms : 0;
}

/* ---- and whether it is
 * -------------------------------------------------------------------------------------- */

struct holder {
        const struct oidc *oidc;
        struct str realm_id;
        struct realm realm;
        bool found;
        const struct jose_token *token;
        struct jose_claims claims;
        struct arena *arena;
        int64_t now_ms;
        struct identity_principal person;
};

static bool realm_work(struct tx *tx, void *arg, struct err *err)
{
        struct holder *holder = arg;

        return realm_find(tx, holder->realm_id, &holder->realm, err);
}

static bool person_work(struct tx *tx, void *arg, struct err *err)
{
        struct holder *holder = arg;
        struct realm_roles roles;
        bool is_new;

        return realm_roles(holder->oidc, tx, &holder->realm, &holder->token->payload, &roles, err) &&
               realm_person(holder->oidc->services, tx, &holder->realm, holder->claims.subject,
                            &holder->token->payload, &roles, holder->now_ms, &holder->person, &is_new, err);
}

/* RFC 9068 section 4; an ID token, which is for somebody to read and not to act with, is told by its nonce
 * or type. */
static bool check_claims(struct holder *holder, struct str audience, struct err *err)
{
        const struct jose_token *token = holder->token;
        struct jose_expect expect = {.issuer = holder->realm.issuer,
                                     .audience = audience,
                                     .now_ms = holder->now_ms,
                                     .leeway_ms = holder->realm.clock_skew_ms,
                                     .max_lifetime_ms = (int64_t)TOKEN_LIFETIME_MAX_H * 3600 * 1000,
                                     .needs_iat = true,
                                     .needs_sub = true};

        /* Issuers that do not follow RFC 9068 write JWT, or nothing. */
        if (token->typ.ptr && !str_eq_nocase(token->typ, STR("JWT")))
                expect.typ = "at+jwt";
        return !json_get(&token->payload, "nonce") && !json_get(&token->payload, "events") &&
               jose_claims_check(token, &expect, &holder->claims, err);
}

static BLOCKING_FN bool find_holder(struct oidc *oidc, struct holder *holder, const struct cell_ref *cell,
                                    const struct place *place, struct str token,
                                    struct jose_token *ret_token, struct err *err)
{
        struct oidc_keys *keys;
        bool ok;

        if (!store_read(oidc->services->store, cell, holder->arena, realm_work, holder, err))
                return err->code == ERR_NOT_FOUND ? refuse_credential(err) : false;
        /* The directory may lag behind the realm for a moment. */
        if (!str_eq(holder->realm.issuer, place->issuer) || !str_eq(holder->realm.audience, place->audience))
                return refuse_credential(err);
        keys = oidc_keys_known(oidc, place->issuer);
        ok = keys && jose_verify(holder->arena, keys->keys, holder->realm.algs, token, ret_token, NULL, err);
        oidc_keys_release(keys);
        return (ok && check_claims(holder, place->audience, err)) || refuse_credential(err);
}

static BLOCKING_FN bool authenticate(void *data, struct arena *arena, struct str token, int64_t now_ms,
                                     struct principal *ret, struct err *err)
{
        struct oidc *oidc = data;
        struct jose_token verified = {0};
        struct holder holder = {.oidc = oidc, .token = &verified, .arena = arena, .now_ms = now_ms};
        struct place place = {0};
        struct oidc_proof proof;
        struct cell_ref cell;

        if (!peek(arena, token, &place, err) ||
            !store_read(oidc->services->store, &CELL_DIRECTORY, arena, place_work, &place, err))
                return false;
        if (!place.found)
                return refuse_credential(err);
        cell = (struct cell_ref){place.row.tenant_id, place.row.region};
        holder.realm_id = place.row.realm_id;
        if (!find_holder(oidc, &holder, &cell, &place, token, &verified, err))
                return false;
        if (!store_write(oidc->services->store, &cell, arena, person_work, &holder, err))
                return false;
        oidc_proof_of(arena, &holder.realm, &verified.payload, now_ms, &proof);
        *ret = (struct principal){
                .kind = PRINCIPAL_USER,
                .id = id_from(holder.person.id),
                .tenant = id_from(place.row.tenant_id),
                .region = place.row.region,
                .name = holder.person.name,
                .realm = holder.realm.id,
                .methods = proof.methods,
                .authenticated_ms =
                        proof.authenticated_ms != 0 ? proof.authenticated_ms : holder.claims.issued_ms,
                .second_factor_ms = proof.second_factor_ms,
                .expires_ms = holder.claims.expires_ms,
        };
        return arena_check(arena, err);
}

const struct identity_jwt *oidc_jwt(struct oidc *oidc)
{
        oidc->jwt = (struct identity_jwt){.authenticate = authenticate, .data = oidc};
        return &oidc->jwt;
}
