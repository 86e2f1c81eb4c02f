/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/courier.h"
#include "base/heap.h"
#include "crypto/key_wrap.h"
#include "crypto/secret.h"
#include "crypto/sha256.h"

#include <openssl/err.h>
#include <openssl/evp.h>

enum { PRIVATE_SIZE = 32, SHARED_SIZE = 32, KEK_SIZE = 32 };

/* In secret memory, whole. */
struct courier {
        uint8_t private_key[PRIVATE_SIZE];
        uint8_t public_key[COURIER_PUBLIC_SIZE];
};

static void pkey_freep(EVP_PKEY **key)
{
        EVP_PKEY_free(*key);
}

static void pkey_context_freep(EVP_PKEY_CTX **context)
{
        EVP_PKEY_CTX_free(*context);
}

static bool make_pair(struct courier *courier)
{
        _cleanup_(pkey_freep) EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
        size_t private_len = PRIVATE_SIZE, public_len = COURIER_PUBLIC_SIZE;

        return key && EVP_PKEY_get_raw_private_key(key, courier->private_key, &private_len) == 1 &&
               EVP_PKEY_get_raw_public_key(key, courier->public_key, &public_len) == 1;
}

bool courier_new(struct courier **ret, struct err *err)
{
        struct courier *courier = secret_alloc(sizeof(*courier));

        *ret = NULL;
        if (!courier)
                return err_set(err, ERR_NO_MEMORY, "no memory for a key pair");
        if (!make_pair(courier)) {
                ERR_clear_error();
                courier_free(courier);
                return err_set(err, ERR_INTERNAL, "cannot make a key pair");
        }
        *ret = courier;
        return true;
}

void courier_free(struct courier *courier)
{
        secret_free(courier, sizeof(*courier));
}

struct str courier_public(const struct courier *courier)
{
        return str_make(courier->public_key, COURIER_PUBLIC_SIZE);
}

/* RFC 7748 section 6.1; OpenSSL refuses a shared secret of zeros, which points of small order give. */
static bool agree(const struct courier *own, struct str other, uint8_t ret_shared[SHARED_SIZE])
{
        _cleanup_(pkey_freep) EVP_PKEY *mine =
                EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, own->private_key, PRIVATE_SIZE);
        _cleanup_(pkey_freep) EVP_PKEY *theirs = EVP_PKEY_new_raw_public_key(
                EVP_PKEY_X25519, NULL, (const unsigned char *)other.ptr, COURIER_PUBLIC_SIZE);
        _cleanup_(pkey_context_freep) EVP_PKEY_CTX *context = mine ? EVP_PKEY_CTX_new(mine, NULL) : NULL;
        size_t len = SHARED_SIZE;
        bool ok = theirs && context && EVP_PKEY_derive_init(context) == 1 &&
                  EVP_PKEY_derive_set_peer(context, theirs) == 1 &&
                  EVP_PKEY_derive(context, ret_shared, &len) == 1 && len == SHARED_SIZE;

        if (!ok)
                ERR_clear_error();
        return ok;
}

static bool derive_kek(const struct courier *own, struct str other, struct str ephemeral,
                       struct str receiver, struct str context, uint8_t ret_kek[KEK_SIZE], struct err *err)
{
        uint8_t shared[SHARED_SIZE], salt[2 * COURIER_PUBLIC_SIZE];
        bool ok = other.len == COURIER_PUBLIC_SIZE && agree(own, other, shared);

        if (!ok)
                return err_set(err, ERR_BAD_SIGNATURE, "no key can be agreed on with that public key");
        memcpy(salt, ephemeral.ptr, COURIER_PUBLIC_SIZE);
        memcpy(salt + COURIER_PUBLIC_SIZE, receiver.ptr, COURIER_PUBLIC_SIZE);
        ok = hkdf_sha256(str_make(shared, sizeof(shared)), str_make(salt, sizeof(salt)), context, ret_kek,
                         KEK_SIZE, err);
        secret_wipe(shared, sizeof(shared));
        return ok;
}

bool courier_seal(struct arena *arena, struct str to, struct str context, struct str key,
                  struct str *ret_sealed, struct err *err)
{
        struct courier *once;
        uint8_t kek[KEK_SIZE];
        struct str wrapped;
        char *out;
        bool ok;

        if (!courier_new(&once, err))
                return false;
        ok = derive_kek(once, to, courier_public(once), to, context, kek, err) &&
             key_wrap(arena, str_make(kek, sizeof(kek)), key, &wrapped, err);
        secret_wipe(kek, sizeof(kek));
        if (ok) {
                out = arena_alloc_bytes(arena, COURIER_PUBLIC_SIZE + wrapped.len);
                ok = out || arena_check(arena, err);
        }
        if (ok) {
                memcpy(out, once->public_key, COURIER_PUBLIC_SIZE);
                memcpy(out + COURIER_PUBLIC_SIZE, wrapped.ptr, wrapped.len);
                *ret_sealed = str_make(out, COURIER_PUBLIC_SIZE + wrapped.len);
        }
        courier_free(once);
        return ok;
}

bool courier_open(struct arena *arena, const struct courier *courier, struct str context, struct str sealed,
                  struct str *ret_key, struct err *err)
{
        struct str ephemeral = str_slice(sealed, 0, COURIER_PUBLIC_SIZE);
        uint8_t kek[KEK_SIZE];
        bool ok;

        if (sealed.len <= COURIER_PUBLIC_SIZE)
                return err_set(err, ERR_BAD_SIGNATURE, "a key that was sent cannot have %zu bytes",
                               sealed.len);
        ok = derive_kek(courier, ephemeral, ephemeral, courier_public(courier), context, kek, err) &&
             key_unwrap(arena, str_make(kek, sizeof(kek)),
                        str_slice(sealed, COURIER_PUBLIC_SIZE, sealed.len), ret_key, err);
        secret_wipe(kek, sizeof(kek));
        return ok;
}
