/* SPDX-License-Identifier: Apache-2.0 */
/* A person's second factors: looked at, set up, taken away. */
#include "access/access.h"
#include "api/api_handlers.h"
#include "api/services.h"
#include "crypto/secret.h"
#include "identity/factors.h"
#include "identity/own.h"
#include "identity/sessions.h"
#include "identity/totp.h"
#include "identity/accounts_sql.h"

bool own_is_fresh(const struct request *req, const struct factors *factors)
{
        const struct principal *caller = &req->principal;

        return !factors_are_set(factors) ||
               (caller->second_factor_ms != 0 && req->now_ms - caller->second_factor_ms <= FACTOR_FRESH_MS);
}

bool own_browser(const struct request *req, struct err *err)
{
        return req->principal.by_cookie ||
               err_set(err, ERR_FORBIDDEN, "this page is for people in a browser: log in");
}

bool own_check(struct request *req, struct str principal, struct err *err)
{
        const struct principal *caller = &req->principal;
        struct factors factors;

        if (!str_eq(principal, id_str(&caller->id)))
                return err_set(err, ERR_FORBIDDEN, "how somebody logs in is their own to change");
        request_log_resource(req, "principal", principal);
        if (!caller->session.text[0])
                return err_set(err, ERR_FORBIDDEN,
                               "log in first: an API key cannot change how its owner logs in");
        if (!factors_get(req->tx, principal, &factors, err))
                return false;
        if (own_is_fresh(req, &factors))
                return true;
        return err_set(err, ERR_SECOND_FACTOR_REQUIRED,
                       "this needs a second factor that is not older than %lld s: show it again",
                       (long long)(FACTOR_FRESH_MS / 1000));
}

/* ---- looking, and taking away
 * ------------------------------------------------------------------------------ */

static struct api_passkey passkey_to_api(const struct request *req, const struct passkey *passkey)
{
        const struct str *origins = &passkey->origin;
        struct str *copy = ARENA_NEW(req->arena, struct str);

        if (copy)
                *copy = *origins;
        return (struct api_passkey){.id = passkey->id,
                                    .name = passkey->name,
                                    .keyid = passkey->keyid,
                                    .public_key = passkey->public_key,
                                    .rp_id = passkey->rp_id,
                                    .origins = copy,
                                    .origins_count = copy ? 1 : 0,
                                    .created_at_ms = passkey->created_ms,
                                    .has_used_at = passkey->has_used,
                                    .used_at_ms = passkey->used_ms};
}

bool factors_read(struct request *req, const struct api_factors_read_in *in, struct api_factors *out,
                  struct err *err)
{
        struct identity_principal principal;
        struct passkey *passkeys;
        struct api_passkey *items;
        struct factors factors;
        size_t count;

        if (!identity_principal_get(req->tx, in->principal, &principal, err))
                return false;
        request_log_resource(req, "principal", in->principal);
        if (!factors_get(req->tx, in->principal, &factors, err) ||
            !passkey_read_all(req->tx, in->principal, &passkeys, &count, err))
                return false;
        items = ARENA_ARRAY(req->arena, struct api_passkey, count);
        if (!items)
                return arena_check(req->arena, err);
        for (size_t i = 0; i < count; i++)
                items[i] = passkey_to_api(req, &passkeys[i]);
        *out = (struct api_factors){.has_totp_at = factors.totp,
                                    .totp_at_ms = factors.totp_ms,
                                    .recovery_codes = factors.recovery_codes,
                                    .passkeys = items,
                                    .passkeys_count = count};
        return arena_check(req->arena, err);
}

bool factors_remove(struct request *req, const struct api_factors_remove_in *in, struct err *err)
{
        struct identity_principal principal;
        int64_t count;

        if (!identity_principal_get(req->tx, in->principal, &principal, err))
                return false;
        request_log_resource(req, "principal", in->principal);
        /* Without them a stolen password is enough to be that person. */
        if (!access_check_reach(req, in->principal, err) ||
            !factors_reset(req->tx, in->principal, &count, err))
                return false;
        request_log_detail(req, "factors", arena_printf(req->arena, "%lld", (long long)count));
        return true;
}

/* ---- one-time passwords, recovery codes
 * -------------------------------------------------------------------------- */

bool totp_create(struct request *req, const struct api_totp_create_in *in, struct api_totp_seed *out,
                 struct err *err)
{
        uint8_t seed[TOTP_SEED_SIZE];
        struct account account;

        if (!own_check(req, in->principal, err) || !account_get(req->tx, in->principal, &account, err) ||
            !totp_begin(req->tx, in->principal, req->now_ms, seed, err))
                return false;
        out->seed = totp_seed_text(req->arena, str_make(seed, sizeof(seed)));
        out->uri = totp_uri(req->arena, STR("Countersign"), account.login.ptr ? account.login : account.name,
                            str_make(seed, sizeof(seed)));
        secret_wipe(seed, sizeof(seed));
        return arena_check(req->arena, err);
}

bool totp_confirm(struct request *req, const struct api_totp_confirm_in *in, struct err *err)
{
        if (!own_check(req, in->principal, err))
                return false;
        /* Who has just shown a code has shown a second factor. */
        if (totp_use(req->tx, in->principal, in->body.code, false, req->now_ms, err))
                return session_second_factor(req->services, req->tx, id_str(&req->principal.session),
                                             STR("otp"), req->now_ms, NULL, err);
        /* The caller is known; it is the field that is wrong. */
        if (err->code == ERR_UNAUTHENTICATED)
                return err_set_at(err, ERR_BAD_FIELD, "/code", "the code is not right, or was used already");
        return false;
}

bool totp_remove(struct request *req, const struct api_totp_remove_in *in, struct err *err)
{
        int64_t changes;

        if (!own_check(req, in->principal, err) ||
            !sql_account_totp_delete(req->tx, in->principal, &changes, err))
                return false;
        return changes == 1 || err_set(err, ERR_NOT_FOUND, "no one-time passwords are set up");
}

bool recovery_codes_create(struct request *req, const struct api_recovery_codes_create_in *in,
                           struct api_recovery_codes *out, struct err *err)
{
        struct str *items = ARENA_ARRAY(req->arena, struct str, RECOVERY_CODES);
        char codes[RECOVERY_CODES][RECOVERY_CODE_SIZE];

        if (!items)
                return arena_check(req->arena, err);
        if (!own_check(req, in->principal, err) ||
            !recovery_make(req->services, req->tx, in->principal, req->now_ms, codes, err))
                return false;
        for (int i = 0; i < RECOVERY_CODES; i++)
                items[i] = arena_str(req->arena, str_from(codes[i]));
        secret_wipe(codes, sizeof(codes));
        out->codes = items;
        out->codes_count = RECOVERY_CODES;
        return arena_check(req->arena, err);
}

/* ---- passkeys
 * ------------------------------------------------------------------------------------------------------ */

bool passkey_begin(struct request *req, const struct api_passkey_begin_in *in,
                   struct api_passkey_options *out, struct err *err)
{
        struct challenge challenge;
        struct passkey *passkeys;
        struct str *ids;
        size_t count;

        if (!own_check(req, in->principal, err) ||
            !challenge_make(req->services, req->arena, "register", req->tenant, in->principal, req->now_ms,
                            &challenge, err) ||
            !passkey_read_all(req->tx, in->principal, &passkeys, &count, err))
                return false;
        ids = ARENA_ARRAY(req->arena, struct str, count);
        for (size_t i = 0; ids && i < count; i++)
                ids[i] = passkeys[i].credential_id;
        *out = (struct api_passkey_options){
                .challenge = arena_str(req->arena, str_make(challenge.bytes, CHALLENGE_SIZE)),
                .state = challenge.text,
                .rp_id = webauthn_rp_id(req->services),
                .user_handle = arena_str(req->arena, in->principal),
                .exclude = ids,
                .exclude_count = ids ? count : 0};
        return arena_check(req->arena, err);
}

bool passkey_create(struct request *req, const struct api_passkey_create_in *in, struct api_passkey *out,
                    struct err *err)
{
        struct passkey passkey;
        struct str challenge;

        if (!own_check(req, in->principal, err) ||
            !challenge_use(req->services, req->tx, "register", req->tenant, in->principal, in->body.state,
                           req->now_ms, &challenge, err) ||
            !passkey_register(req->services, req->tx, in->principal, in->body.name, challenge,
                              in->body.attestation_object, in->body.client_data_json, req->now_ms, &passkey,
                              err) ||
            !session_second_factor(req->services, req->tx, id_str(&req->principal.session), STR("hwk"),
                                   req->now_ms, NULL, err))
                return false;
        request_log_detail(req, "passkey", passkey.id);
        request_log_detail(req, "keyid", passkey.keyid);
        *out = passkey_to_api(req, &passkey);
        return arena_check(req->arena, err);
}

bool passkey_remove(struct request *req, const struct api_passkey_remove_in *in, struct err *err)
{
        int64_t changes;

        if (!own_check(req, in->principal, err) ||
            !sql_account_passkey_delete(req->tx, in->principal, in->passkey, &changes, err))
                return false;
        if (changes != 1)
                return err_set(err, ERR_NOT_FOUND, "there is no such passkey");
        request_log_detail(req, "passkey", in->passkey);
        return true;
}
