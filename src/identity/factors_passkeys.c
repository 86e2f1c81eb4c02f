/* SPDX-License-Identifier: Apache-2.0 */
/* Passkeys and security keys: challenges, registration, use. */
#include "api/services.h"
#include "base/base64.h"
#include "base/clock.h"
#include "identity/accounts_sql.h"
#include "identity/factors.h"

/* ---- who we are ----------------------------------------------------------------------------------------
 */

struct str webauthn_rp_id(const struct services *services)
{
        struct str rest = services->url;
        ptrdiff_t at = str_find_str(rest, STR("://"));
        struct str host;

        if (at >= 0)
                rest = str_slice(rest, (size_t)at + 3, rest.len);
        (void)str_cut(&rest, ':', &host);
        return host;
}

static struct webauthn_expect expect_of(const struct services *services, struct str challenge,
                                        bool verification)
{
        return (struct webauthn_expect){.challenge = challenge,
                                        .rp_id = webauthn_rp_id(services),
                                        .origins = &services->url,
                                        .origin_count = 1,
                                        .user_verification = verification};
}

/* ---- challenges
 * --------------------------------------------------------------------------------------------- */

/* "<tenant>|<whose>|<expires>|<challenge>" */
bool challenge_make(const struct services *services, struct arena *arena, const char *purpose,
                    struct str tenant, struct str whose, int64_t now_ms, struct challenge *ret,
                    struct err *err)
{
        int64_t expires_ms = now_ms + CHALLENGE_MS;
        struct str text;

        random_bytes(ret->bytes, CHALLENGE_SIZE);
        text = arena_printf(arena, "%.*s|%.*s|%lld|%.*s", STR_ARG(tenant), STR_ARG(whose),
                            (long long)expires_ms,
                            STR_ARG(base64url_encode(arena, str_make(ret->bytes, CHALLENGE_SIZE))));
        return arena_check(arena, err) &&
               signed_text_make(services, arena, arena_printf(arena, "webauthn-%s", purpose).ptr, text,
                                &ret->text, err);
}

static bool refuse_challenge(struct err *err)
{
        return err_set(err, ERR_FORBIDDEN,
                       "the challenge is not ours, too old, or was answered already; load the page again");
}

bool challenge_use(const struct services *services, struct tx *tx, const char *purpose, struct str tenant,
                   struct str whose, struct str text, int64_t now_ms, struct str *ret_challenge,
                   struct err *err)
{
        struct arena *arena = tx_arena(tx);
        struct str rest, its_tenant, its_whose, expires_text;
        struct sha256 hash;
        int64_t expires_ms, changes;

        if (!signed_text_read(services, arena, arena_printf(arena, "webauthn-%s", purpose).ptr, text,
                              &rest) ||
            !str_cut(&rest, '|', &its_tenant) || !str_cut(&rest, '|', &its_whose) ||
            !str_cut(&rest, '|', &expires_text) || !str_to_i64(expires_text, &expires_ms) ||
            !base64url_decode(arena, rest, ret_challenge) || !str_eq(its_tenant, tenant) ||
            !str_eq(its_whose, whose) || expires_ms <= now_ms)
                return refuse_challenge(err);
        sha256_of(*ret_challenge, &hash);
        if (!sql_account_challenge_expire(tx, now_ms, &changes, err) ||
            !sql_account_challenge_use(tx, sha256_str(&hash), expires_ms, &changes, err))
                return false;
        return changes == 1 || refuse_challenge(err);
}

/* ---- passkeys
 * --------------------------------------------------------------------------------------------------- */

static struct passkey passkey_from_row(const struct sql_account_passkey_list_row *row)
{
        return (struct passkey){
                .id = row->id,
                .principal = row->principal_id,
                .name = row->name,
                .credential_id = row->credential_id,
                .public_key = row->public_key,
                .keyid = row->keyid,
                .rp_id = row->rp_id,
                .origin = row->origin,
                .sign_count = row->sign_count,
                .created_ms = row->created_ms,
                .has_used = row->has_used_ms,
                .used_ms = row->used_ms,
        };
}

bool passkey_read_all(struct tx *tx, struct str principal, struct passkey **ret, size_t *ret_count,
                      struct err *err)
{
        struct passkey *passkeys = ARENA_ARRAY(tx_arena(tx), struct passkey, PASSKEYS_MAX);
        SQL_SCOPED(account_passkey_list) c = {0};
        struct sql_account_passkey_list_row row;
        bool has = true;

        *ret_count = 0;
        *ret = passkeys;
        if (!passkeys)
                return arena_check(tx_arena(tx), err);
        if (!sql_account_passkey_list_open(tx, principal, &c, err))
                return false;
        while (has && *ret_count < PASSKEYS_MAX) {
                if (!sql_account_passkey_list_next(&c, &row, &has, err))
                        return false;
                if (has)
                        passkeys[(*ret_count)++] = passkey_from_row(&row);
        }
        return true;
}

bool passkey_register(const struct services *services, struct tx *tx, struct str principal, struct str name,
                      struct str challenge, struct str attestation_object, struct str client_data,
                      int64_t now_ms, struct passkey *ret, struct err *err)
{
        const struct webauthn_expect expect = expect_of(services, challenge, false);
        struct webauthn_registration made;
        struct passkey *others;
        char keyid[WEBAUTHN_KEY_ID_SIZE];
        struct id id = id_new("pky");
        int64_t changes;
        size_t count;

        if (!passkey_read_all(tx, principal, &others, &count, err))
                return false;
        if (count >= PASSKEYS_MAX)
                return err_set(err, ERR_LIMIT_REACHED, "a person has at most %d passkeys", PASSKEYS_MAX);
        if (!webauthn_verify_registration(tx_arena(tx), &expect, services->accounts->attestation,
                                          attestation_object, client_data, &made, err))
                return false;
        webauthn_key_id(made.data.public_key, keyid);
        *ret = (struct passkey){.id = arena_str(tx_arena(tx), id_str(&id)),
                                .principal = principal,
                                .name = name,
                                .credential_id = made.data.credential_id,
                                .public_key = made.data.public_key,
                                .keyid = arena_str(tx_arena(tx), str_from(keyid)),
                                .rp_id = expect.rp_id,
                                .origin = services->url,
                                .sign_count = made.data.sign_count,
                                .created_ms = now_ms};
        if (!arena_check(tx_arena(tx), err) ||
            !sql_account_passkey_insert(tx,
                                        &(struct sql_account_passkey_insert_in){
                                                .id = ret->id,
                                                .principal_id = principal,
                                                .name = name,
                                                .credential_id = ret->credential_id,
                                                .public_key = ret->public_key,
                                                .keyid = ret->keyid,
                                                .rp_id = ret->rp_id,
                                                .origin = ret->origin,
                                                .sign_count = ret->sign_count,
                                                .now = now_ms,
                                        },
                                        &changes, err))
                return false;
        /* Section 7.1, step 22: a credential id is one person's. */
        return changes == 1 || err_set(err, ERR_ALREADY_EXISTS, "this passkey is registered already");
}

static bool refuse_passkey(struct err *err)
{
        return err_set(err, ERR_UNAUTHENTICATED,
                       "the passkey is not known here, or its answer does not hold");
}

bool passkey_use(const struct services *services, struct tx *tx, struct str principal, struct str challenge,
                 const struct passkey_answer *answer, int64_t now_ms, struct passkey *ret, struct err *err)
{
        bool passwordless = principal.ptr == NULL;
        const struct webauthn_expect expect = expect_of(services, challenge, passwordless);
        struct sql_account_passkey_list_row row;
        struct webauthn_assertion assertion;
        int64_t changes;
        bool found;

        if (!sql_account_passkey_by_credential(tx, answer->credential_id, &row, &found, err))
                return false;
        if (!found || (!passwordless && !str_eq(row.principal_id, principal)))
                return refuse_passkey(err);
        *ret = passkey_from_row(&row);
        /* Section 7.2, step 6: whoever logs in without a name is named by the handle, which we made from
         * their id. */
        if (answer->user_handle.len > 0 ? !str_eq(answer->user_handle, ret->principal) : passwordless)
                return refuse_passkey(err);
        if (!webauthn_verify_assertion(tx_arena(tx), &expect, ret->public_key, answer->authenticator_data,
                                       answer->client_data, answer->signature, &assertion, err)) {
                return err->code == ERR_BAD_SIGNATURE ? refuse_passkey(err) : false;
        }
        if (!sql_account_passkey_use(tx, ret->id, assertion.sign_count, now_ms, &changes, err))
                return false;
        return changes == 1 || refuse_passkey(err);
}

bool passkey_note_use(struct tx *tx, struct str principal, struct str keyid, uint32_t sign_count,
                      int64_t now_ms, struct err *err)
{
        struct sql_account_passkey_list_row row;
        int64_t changes;
        bool found;

        if (!sql_account_passkey_by_keyid(tx, principal, keyid, &row, &found, err))
                return false;
        if (!found)
                return true;
        if (!sql_account_passkey_use(tx, row.id, sign_count, now_ms, &changes, err))
                return false;
        return changes == 1 || err_set(err, ERR_BAD_SIGNATURE,
                                       "the passkey's counter has not grown: there may be a copy of it");
}
