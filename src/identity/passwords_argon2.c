/* SPDX-License-Identifier: Apache-2.0 */
/* Argon2id and its PHC string. */
#include "base/base64.h"
#include "base/clock.h"
#include "crypto/secret.h"
#include "identity/passwords.h"
#include "identity/passwords_private.h"

#include <argon2.h>
#include <stdio.h>
#include <stdlib.h>

enum { SALT_SIZE = 16, HASH_SIZE = 32 };

struct encoded {
        struct password_parameters parameters;
        uint8_t salt[SALT_SIZE];
        uint8_t hash[HASH_SIZE];
};

/*
 * Argon2's memory is kept by each thread: tens of thousands of page faults for
 * each log-in would be felt by everybody. The library wipes it after each use.
 */
static _Thread_local uint8_t *kept;
static _Thread_local size_t kept_bytes;

static int take_memory(uint8_t **ret_memory, size_t bytes)
{
        if (kept_bytes != bytes) {
                free(kept);
                kept = NULL;
                kept_bytes = 0;
                if (posix_memalign((void **)&kept, 64, bytes) != 0)
                        return ARGON2_MEMORY_ALLOCATION_ERROR;
                kept_bytes = bytes;
        }
        *ret_memory = kept;
        return ARGON2_OK;
}

static void leave_memory(uint8_t *memory, size_t bytes)
{
        (void)memory;
        (void)bytes;
}

void password_memory_free(void)
{
        free(kept);
        kept = NULL;
        kept_bytes = 0;
}

static bool compute(const struct password_parameters *parameters, struct str password,
                    uint8_t salt[SALT_SIZE], uint8_t ret_hash[HASH_SIZE], struct err *err)
{
        argon2_context context = {
                .out = ret_hash,
                .outlen = HASH_SIZE,
                .pwd = (uint8_t *)(uintptr_t)(password.len > 0 ? password.ptr : ""),
                .pwdlen = (uint32_t)password.len,
                .salt = salt,
                .saltlen = SALT_SIZE,
                .t_cost = parameters->passes,
                .m_cost = parameters->memory_kib,
                .lanes = parameters->lanes,
                .threads = 1,
                .version = ARGON2_VERSION_13,
                .allocate_cbk = take_memory,
                .free_cbk = leave_memory,
                .flags = ARGON2_DEFAULT_FLAGS,
        };
        int code = argon2id_ctx(&context);

        if (code == ARGON2_OK)
                return true;
        return err_set(err, code == ARGON2_MEMORY_ALLOCATION_ERROR ? ERR_NO_MEMORY : ERR_CONFIG,
                       "Argon2: %s", argon2_error_message(code));
}

/* ---- the PHC string --------------------------------------------------------------------------------- */

/* Base64 without padding, in the standard alphabet (PHC string format). */
static struct str unpadded(struct arena *arena, const uint8_t *bytes, size_t len)
{
        struct str text = base64_encode(arena, str_make(bytes, len));

        while (text.len > 0 && text.ptr[text.len - 1] == '=')
                text.len--;
        return text;
}

static bool decode_into(struct arena *arena, struct str text, uint8_t *ret_bytes, size_t len)
{
        struct str padded =
                arena_printf(arena, "%.*s%.*s", STR_ARG(text), (int)((4 - text.len % 4) % 4), "===");
        struct str bytes;

        if (!base64_decode(arena, padded, &bytes) || bytes.len != len)
                return false;
        memcpy(ret_bytes, bytes.ptr, len);
        return true;
}

static bool encode(const struct encoded *encoded, char ret_text[PASSWORD_ENCODED_SIZE], struct err *err)
{
        ARENA_SCOPED arena;

        arena_init_zeroing(&arena, 4096);
        struct str salt = unpadded(&arena, encoded->salt, SALT_SIZE);
        struct str hash = unpadded(&arena, encoded->hash, HASH_SIZE);
        if (!arena_check(&arena, err))
                return false;
        (void)snprintf(ret_text, PASSWORD_ENCODED_SIZE, "$argon2id$v=19$m=%u,t=%u,p=%u$%.*s$%.*s",
                       encoded->parameters.memory_kib, encoded->parameters.passes, encoded->parameters.lanes,
                       STR_ARG(salt), STR_ARG(hash));
        return true;
}

static bool take_number(struct str *rest, const char *name, char end, uint32_t *ret)
{
        struct str part;
        uint64_t value;

        (void)str_cut(rest, end, &part);
        if (!str_starts(part, str_from(name)) ||
            !str_to_u64(str_slice(part, strlen(name), part.len), &value) || value > UINT32_MAX)
                return false;
        *ret = (uint32_t)value;
        return true;
}

static bool decode(struct str text, struct encoded *ret)
{
        ARENA_SCOPED arena;
        struct str rest = text, salt;

        arena_init_zeroing(&arena, 4096);
        if (!str_starts(text, STR("$argon2id$v=19$")))
                return false;
        rest = str_slice(text, strlen("$argon2id$v=19$"), text.len);
        return take_number(&rest, "m=", ',', &ret->parameters.memory_kib) &&
               take_number(&rest, "t=", ',', &ret->parameters.passes) &&
               take_number(&rest, "p=", '$', &ret->parameters.lanes) && str_cut(&rest, '$', &salt) &&
               decode_into(&arena, salt, ret->salt, SALT_SIZE) &&
               decode_into(&arena, rest, ret->hash, HASH_SIZE);
}

/* ---- hashing and comparing -----------------------------------------------------------------------------
 */

bool password_hash_here(const struct password_parameters *parameters, struct str prepared,
                        char ret_encoded[PASSWORD_ENCODED_SIZE], struct err *err)
{
        struct encoded encoded = {.parameters = *parameters};
        bool ok;

        random_bytes(encoded.salt, SALT_SIZE);
        ok = compute(parameters, prepared, encoded.salt, encoded.hash, err) &&
             encode(&encoded, ret_encoded, err);
        secret_wipe(&encoded, sizeof(encoded));
        return ok;
}

bool password_verify_here(const struct password_parameters *parameters, struct str prepared,
                          struct str stored, bool *ret_right, bool *ret_outdated, struct err *err)
{
        /* Nobody's: random salt and hash, so that nobody's password is right and takes as long. */
        struct encoded encoded = {.parameters = *parameters};
        uint8_t hash[HASH_SIZE];
        bool ok;

        *ret_right = *ret_outdated = false;
        random_bytes(encoded.salt, SALT_SIZE);
        random_bytes(encoded.hash, HASH_SIZE);
        if (stored.len > 0 && !decode(stored, &encoded))
                return err_set(err, ERR_INTERNAL, "a stored password is not in its form");
        ok = compute(&encoded.parameters, prepared, encoded.salt, hash, err);
        if (ok)
                *ret_right = str_eq_secret(str_make(hash, HASH_SIZE), str_make(encoded.hash, HASH_SIZE)) &&
                             stored.len > 0;
        *ret_outdated = *ret_right && (encoded.parameters.memory_kib != parameters->memory_kib ||
                                       encoded.parameters.passes != parameters->passes ||
                                       encoded.parameters.lanes != parameters->lanes);
        secret_wipe(&encoded, sizeof(encoded));
        secret_wipe(hash, sizeof(hash));
        return ok;
}
