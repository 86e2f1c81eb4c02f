/* SPDX-License-Identifier: Apache-2.0 */
/* One-time passwords and recovery codes. */
#include "identity/factors.h"

#include "api/services.h"
#include "base/clock.h"
#include "crypto/envelope.h"
#include "crypto/secret.h"
#include "identity/accounts_sql.h"
#include "identity/totp.h"
#include "keys/tenant_keys.h"

#include <ctype.h>
#include <stdio.h>

enum { RECOVERY_CHARACTERS = 16, SEED_ARENA_BYTES = 4096 };

bool factors_get(struct tx *tx, struct str principal, struct factors *ret, struct err *err)
{
        struct sql_account_recovery_left_row left;
        struct sql_account_totp_get_row totp;
        struct passkey *passkeys;
        bool found;

        *ret = (struct factors){0};
        if (!sql_account_totp_get(tx, principal, &totp, &found, err))
                return false;
        ret->totp = found && totp.has_confirmed_ms;
        ret->totp_ms = ret->totp ? totp.confirmed_ms : 0;
        if (!sql_account_recovery_left(tx, principal, &left, &found, err))
                return false;
        ret->recovery_codes = found ? left.codes : 0;
        return passkey_read_all(tx, principal, &passkeys, &ret->passkeys, err);
}

bool factors_reset(struct tx *tx, struct str principal, int64_t *ret_count, struct err *err)
{
        int64_t totp, codes, passkeys;

        if (!sql_account_totp_delete(tx, principal, &totp, err) ||
            !sql_account_recovery_delete(tx, principal, &codes, err) ||
            !sql_account_passkey_delete_all(tx, principal, &passkeys, err))
                return false;
        *ret_count = totp + codes + passkeys;
        return true;
}

/* ---- one-time passwords ------------------------------------------------------------------------------- */

bool totp_begin(struct tx *tx, struct str principal, int64_t now_ms, uint8_t ret_seed[TOTP_SEED_SIZE],
                struct err *err)
{
        const struct str row[] = {STR("account_totp"), principal, STR("seed_sealed")};
        struct str sealed;
        int64_t changes;

        random_bytes(ret_seed, TOTP_SEED_SIZE);
        if (!tenant_key_seal(tx, row, 3, str_make(ret_seed, TOTP_SEED_SIZE), &sealed, err) ||
            !sql_account_totp_put(tx, principal, sealed, now_ms, &changes, err))
                return false;
        return changes == 1 || err_set(err, ERR_CONFLICT,
                                       "one-time passwords are set up already; take the factor away before "
                                       "you set up another");
}

bool totp_pending(struct tx *tx, struct str principal, uint8_t ret_seed[TOTP_SEED_SIZE], bool *ret_found,
                  struct err *err)
{
        const struct str row[] = {STR("account_totp"), principal, STR("seed_sealed")};
        struct sql_account_totp_get_row totp;
        ARENA_SCOPED secrets;
        struct str seed;
        bool found;

        arena_init_zeroing(&secrets, SEED_ARENA_BYTES);
        *ret_found = false;
        if (!sql_account_totp_get(tx, principal, &totp, &found, err))
                return false;
        if (!found || totp.has_confirmed_ms)
                return true;
        if (!tenant_key_open(tx, &secrets, row, 3, totp.seed_sealed, &seed, err))
                return false;
        *ret_found = seed.len == TOTP_SEED_SIZE;
        if (*ret_found)
                memcpy(ret_seed, seed.ptr, TOTP_SEED_SIZE);
        return true;
}

static bool refuse_code(struct err *err)
{
        return err_set(err, ERR_UNAUTHENTICATED, "the code is not right, or was used already");
}

bool totp_use(struct tx *tx, struct str principal, struct str code, bool confirmed, int64_t now_ms,
              struct err *err)
{
        const struct str row[] = {STR("account_totp"), principal, STR("seed_sealed")};
        struct sql_account_totp_get_row totp;
        ARENA_SCOPED secrets;
        int64_t step, changes;
        struct str seed;
        bool found;

        arena_init_zeroing(&secrets, SEED_ARENA_BYTES);
        if (!sql_account_totp_get(tx, principal, &totp, &found, err))
                return false;
        if (!found || (confirmed && !totp.has_confirmed_ms))
                return refuse_code(err);
        if (!tenant_key_open(tx, &secrets, row, 3, totp.seed_sealed, &seed, err))
                return false;
        if (!totp_check(seed, code, now_ms, totp.last_step, &step))
                return refuse_code(err);
        if (!sql_account_totp_use(tx, principal, step, now_ms, &changes, err))
                return false;
        return changes == 1 || refuse_code(err);
}

/* ---- recovery codes
 * --------------------------------------------------------------------------------------- */

/* Crockford's base32, without the dashes. */
static bool code_normal(struct str typed, char ret_code[RECOVERY_CHARACTERS + 1])
{
        size_t len = 0;

        for (size_t i = 0; i < typed.len; i++) {
                char c = (char)tolower((unsigned char)typed.ptr[i]);

                if (c == '-' || c == ' ')
                        continue;
                if (len == RECOVERY_CHARACTERS || !isalnum((unsigned char)c))
                        return false;
                ret_code[len++] = (char)(c == 'o' ? '0' : c == 'i' || c == 'l' ? '1' : c);
        }
        ret_code[len] = '\0';
        return len == RECOVERY_CHARACTERS;
}

static bool code_hash(const struct services *services, uint32_t version, struct str principal,
                      const char *code, struct sha256 *ret, struct err *err)
{
        uint8_t key[32];
        char text[80 + RECOVERY_CHARACTERS];

        if (!envelope_derive(services->envelope, version, STR("recovery-code"), key, err))
                return false;
        (void)snprintf(text, sizeof(text), "%.*s %s", STR_ARG(principal), code);
        hmac_sha256(str_make(key, sizeof(key)), str_from(text), ret);
        secret_wipe(key, sizeof(key));
        secret_wipe(text, sizeof(text));
        return true;
}

static void code_new(char ret_code[RECOVERY_CODE_SIZE])
{
        static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";
        uint8_t bytes[RECOVERY_CHARACTERS];
        size_t at = 0;

        random_bytes(bytes, sizeof(bytes));
        for (size_t i = 0; i < RECOVERY_CHARACTERS; i++) {
                if (i > 0 && i % 4 == 0)
                        ret_code[at++] = '-';
                ret_code[at++] = alphabet[bytes[i] & 31];
        }
        ret_code[at] = '\0';
        secret_wipe(bytes, sizeof(bytes));
}

bool recovery_make(const struct services *services, struct tx *tx, struct str principal, int64_t now_ms,
                   char ret_codes[RECOVERY_CODES][RECOVERY_CODE_SIZE], struct err *err)
{
        uint32_t version = envelope_derive_version(services->envelope);
        int64_t changes;

        if (!sql_account_recovery_delete(tx, principal, &changes, err))
                return false;
        for (int i = 0; i < RECOVERY_CODES; i++) {
                char code[RECOVERY_CHARACTERS + 1];
                struct sha256 hash;
                bool ok;

                code_new(ret_codes[i]);
                ok = code_normal(str_from(ret_codes[i]), code) &&
                     code_hash(services, version, principal, code, &hash, err) &&
                     sql_account_recovery_insert(tx, principal, sha256_str(&hash), version, now_ms, err);
                secret_wipe(code, sizeof(code));
                if (!ok)
                        return false;
        }
        return true;
}

bool recovery_use(const struct services *services, struct tx *tx, struct str principal, struct str typed,
                  int64_t now_ms, bool *ret_used, struct err *err)
{
        SQL_SCOPED(account_recovery_versions) c = {0};
        struct sql_account_recovery_versions_row row;
        char code[RECOVERY_CHARACTERS + 1];
        uint32_t versions[8];
        size_t count = 0;
        bool has = true;

        *ret_used = false;
        if (!code_normal(typed, code))
                return true;
        if (!sql_account_recovery_versions_open(tx, principal, &c, err))
                return false;
        while (has && count < 8) {
                if (!sql_account_recovery_versions_next(&c, &row, &has, err))
                        return false;
                if (has)
                        versions[count++] = (uint32_t)row.hash_version;
        }
        for (size_t i = 0; i < count && !*ret_used; i++) {
                struct sha256 hash;
                int64_t changes;

                if (!code_hash(services, versions[i], principal, code, &hash, err) ||
                    !sql_account_recovery_use(tx, principal, sha256_str(&hash), now_ms, &changes, err))
                        return false;
                *ret_used = changes == 1;
        }
        secret_wipe(code, sizeof(code));
        return true;
}
