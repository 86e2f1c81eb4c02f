/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/signing.h"

#include "base/base64.h"
#include "cli/profile.h"
#include "crypto/secret.h"

#include <unistd.h>

/* OneAsymmetricKey, version 0, algorithm 1.3.101.112, an octet string of 32 bytes (RFC 8410 section 7). */
static const uint8_t der_head[] = {0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
                                   0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20};

enum { DER_BYTES = sizeof(der_head) + ED25519_SEED_SIZE, KEY_FILE_MAX_BYTES = 4096 };

#define PEM_HEAD "-----BEGIN PRIVATE KEY-----\n"
#define PEM_TAIL "-----END PRIVATE KEY-----\n"

static bool write_key(struct cli *cli, const uint8_t seed[ED25519_SEED_SIZE], struct err *err)
{
        uint8_t der[DER_BYTES];
        struct buf pem;
        bool ok;

        memcpy(der, der_head, sizeof(der_head));
        memcpy(der + sizeof(der_head), seed, ED25519_SEED_SIZE);
        buf_init(&pem, KEY_FILE_MAX_BYTES);
        buf_append_c(&pem, PEM_HEAD);
        base64_append(&pem, str_make(der, sizeof(der)));
        buf_append_c(&pem, "\n" PEM_TAIL);
        ok = buf_check(&pem, "the key", err) &&
             file_write_private(cli->profile.signing_key, buf_str(&pem), true, err);
        buf_done_zeroing(&pem);
        secret_wipe(der, sizeof(der));
        return ok;
}

bool signing_file_create(struct cli *cli, struct ed25519_key **ret, struct err *err)
{
        uint8_t seed[ED25519_SEED_SIZE];
        bool ok;

        ed25519_seed_new(seed);
        ok = ed25519_key_from_seed(seed, ret, err);
        if (ok && !write_key(cli, seed, err)) {
                ed25519_key_free(*ret);
                *ret = NULL;
                ok = false;
        }
        secret_wipe(seed, sizeof(seed));
        return ok;
}

static bool parse_key(struct arena *arena, struct str pem, struct str *ret_seed)
{
        struct str der;

        if (!str_starts(pem, STR(PEM_HEAD)) || !str_ends(pem, STR(PEM_TAIL)) ||
            pem.len < strlen(PEM_HEAD PEM_TAIL))
                return false;
        pem = str_slice(pem, strlen(PEM_HEAD), pem.len - strlen(PEM_HEAD PEM_TAIL));
        if (!base64_decode(arena, str_trim(pem), &der) || der.len != DER_BYTES ||
            memcmp(der.ptr, der_head, sizeof(der_head)) != 0)
                return false;
        *ret_seed = str_slice(der, sizeof(der_head), ED25519_SEED_SIZE);
        return true;
}

bool signing_file_load(struct cli *cli, struct ed25519_key **ret, struct err *err)
{
        struct str path = cli->profile.signing_key;
        struct arena secret;
        struct str pem;
        struct str seed;
        bool ok;

        if (access(path.ptr, F_OK) != 0)
                return err_set(err, ERR_SYSTEM,
                               "there is no signing key at %s; `countersign signing-key create` makes one",
                               path.ptr);
        arena_init_zeroing(&secret, 16 * KEY_FILE_MAX_BYTES);
        ok = file_read(&secret, path, true, KEY_FILE_MAX_BYTES, &pem, err);
        if (ok && !parse_key(&secret, pem, &seed))
                ok = err_set(err, ERR_SYSTEM, "%s is no Ed25519 key in PKCS #8 PEM", path.ptr);
        ok = ok && ed25519_key_from_seed((const uint8_t *)seed.ptr, ret, err);
        arena_done(&secret);
        return ok;
}
