/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/root_providers.h"

#include "base/clock.h"
#include "base/heap.h"
#include "crypto/aead.h"

#include <dlfcn.h>
#define CRYPTOKI_COMPAT /* the names of the standard */
#include <p11-kit/pkcs11.h>

enum { SLOTS_MAX = 64, LABEL_MAX = 255, SECRETS_BYTES = 16384 };

struct root_pkcs11 {
        struct root_key root; /* first */
        struct root_pkcs11_config config;
        void *library;
        CK_FUNCTION_LIST_PTR token;
        CK_SESSION_HANDLE session;
        bool initialized, open;
};

static bool check(CK_RV result, const char *what, struct err *err)
{
        return result == CKR_OK || err_set(err, ERR_SYSTEM, "the token cannot %s (PKCS #11: 0x%lx)", what,
                                           (unsigned long)result);
}

/* A token's label is padded with blanks (PKCS #11 2.40, section 3.2). */
static bool is_label(const unsigned char label[32], const char *wanted)
{
        return str_is(str_trim(str_make(label, 32)), wanted);
}

static bool find_slot(struct root_pkcs11 *pkcs11, CK_SLOT_ID *ret, struct err *err)
{
        CK_SLOT_ID slots[SLOTS_MAX];
        CK_ULONG count = SLOTS_MAX;
        CK_TOKEN_INFO info;

        if (!check(pkcs11->token->C_GetSlotList(CK_TRUE, slots, &count), "list its slots", err))
                return false;
        for (CK_ULONG i = 0; i < count; i++)
                if (pkcs11->token->C_GetTokenInfo(slots[i], &info) == CKR_OK &&
                    is_label(info.label, pkcs11->config.token)) {
                        *ret = slots[i];
                        return true;
                }
        return err_set(err, ERR_CONFIG, "there is no token \"%s\"", pkcs11->config.token);
}

static bool log_in(struct root_pkcs11 *pkcs11, struct err *err)
{
        ARENA_SCOPED secrets;
        CK_SLOT_ID slot;
        struct str pin;

        arena_init_zeroing(&secrets, SECRETS_BYTES);
        if (!root_secret_read(&secrets, pkcs11->config.pin_file, "the token's PIN file", &pin, err) ||
            !find_slot(pkcs11, &slot, err) ||
            !check(pkcs11->token->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &pkcs11->session),
                   "open a session", err))
                return false;
        pkcs11->open = true;
        CK_RV result = pkcs11->token->C_Login(pkcs11->session, CKU_USER, (unsigned char *)(uintptr_t)pin.ptr,
                                              pin.len);

        return result == CKR_USER_ALREADY_LOGGED_IN || check(result, "take the PIN", err);
}

static bool find_key(struct root_pkcs11 *pkcs11, struct str label, CK_OBJECT_HANDLE *ret, struct err *err)
{
        CK_OBJECT_CLASS class = CKO_SECRET_KEY;
        CK_KEY_TYPE type = CKK_AES;
        CK_ATTRIBUTE wanted[] = {
                {CKA_CLASS, &class, sizeof(class)},
                {CKA_KEY_TYPE, &type, sizeof(type)},
                {CKA_LABEL, (void *)(uintptr_t)label.ptr, label.len},
        };
        CK_OBJECT_HANDLE found[2];
        CK_ULONG count = 0;
        bool ok = check(pkcs11->token->C_FindObjectsInit(pkcs11->session, wanted, 3), "look for a key", err);

        if (ok) {
                ok = check(pkcs11->token->C_FindObjects(pkcs11->session, found, 2, &count), "look for a key",
                           err);
                (void)pkcs11->token->C_FindObjectsFinal(pkcs11->session);
        }
        if (!ok)
                return false;
        *ret = found[0];
        return count == 1 || err_set(err, ERR_CONFIG, "the token has %s AES key \"%.*s\"",
                                     count == 0 ? "no" : "more than one", STR_ARG(label));
}

/* label length (1) || label || nonce (12) || ciphertext and tag; the label is associated data. */
static void gcm_of(uint8_t *nonce, struct str label, CK_GCM_PARAMS *ret_gcm, CK_MECHANISM *ret)
{
        *ret_gcm = (CK_GCM_PARAMS){.pIv = nonce,
                                   .ulIvLen = AEAD_NONCE_SIZE,
                                   .ulIvBits = 8 * AEAD_NONCE_SIZE,
                                   .pAAD = (unsigned char *)(uintptr_t)label.ptr,
                                   .ulAADLen = label.len,
                                   .ulTagBits = 8 * AEAD_TAG_SIZE};
        *ret = (CK_MECHANISM){CKM_AES_GCM, ret_gcm, sizeof(*ret_gcm)};
}

static bool pkcs11_wrap(struct root_key *root, struct arena *arena, struct str key, struct str *ret_wrapped,
                        struct err *err)
{
        struct root_pkcs11 *pkcs11 = (struct root_pkcs11 *)root;
        struct str label = str_from(pkcs11->config.key);
        size_t head = 1 + label.len + AEAD_NONCE_SIZE;
        CK_ULONG len = key.len + AEAD_TAG_SIZE;
        uint8_t *out = (uint8_t *)arena_alloc_bytes(arena, head + len);
        CK_OBJECT_HANDLE handle;
        CK_MECHANISM mechanism;
        CK_GCM_PARAMS gcm;

        if (!out)
                return arena_check(arena, err);
        out[0] = (uint8_t)label.len;
        memcpy(out + 1, label.ptr, label.len);
        random_bytes(out + 1 + label.len, AEAD_NONCE_SIZE);
        gcm_of(out + 1 + label.len, label, &gcm, &mechanism);
        if (!find_key(pkcs11, label, &handle, err) ||
            !check(pkcs11->token->C_EncryptInit(pkcs11->session, &mechanism, handle), "encrypt", err) ||
            !check(pkcs11->token->C_Encrypt(pkcs11->session, (unsigned char *)(uintptr_t)key.ptr, key.len,
                                            out + head, &len),
                   "encrypt", err))
                return false;
        *ret_wrapped = str_make(out, head + len);
        return true;
}

static bool pkcs11_unwrap(struct root_key *root, struct arena *arena, struct str wrapped,
                          struct str *ret_key, struct err *err)
{
        struct root_pkcs11 *pkcs11 = (struct root_pkcs11 *)root;
        size_t label_len = wrapped.len > 0 ? (uint8_t)wrapped.ptr[0] : 0;
        size_t head = 1 + label_len + AEAD_NONCE_SIZE;
        CK_OBJECT_HANDLE handle;
        CK_MECHANISM mechanism;
        CK_GCM_PARAMS gcm;

        if (wrapped.len <= head + AEAD_TAG_SIZE)
                return err_set(err, ERR_BAD_SIGNATURE, "a wrapped root key of %zu bytes is malformed",
                               wrapped.len);
        struct str label = str_slice(wrapped, 1, label_len);
        struct str sealed = str_slice(wrapped, head, wrapped.len);
        CK_ULONG len = sealed.len;
        uint8_t *out = (uint8_t *)arena_alloc_bytes(arena, len);

        if (!out)
                return arena_check(arena, err);
        gcm_of((uint8_t *)(uintptr_t)wrapped.ptr + 1 + label_len, label, &gcm, &mechanism);
        if (!find_key(pkcs11, label, &handle, err) ||
            !check(pkcs11->token->C_DecryptInit(pkcs11->session, &mechanism, handle), "decrypt", err))
                return false;
        if (pkcs11->token->C_Decrypt(pkcs11->session, (unsigned char *)(uintptr_t)sealed.ptr, sealed.len,
                                     out, &len) != CKR_OK)
                return err_set(err, ERR_BAD_SIGNATURE,
                               "the root key was altered, or is by another key of the token than \"%.*s\"",
                               STR_ARG(label));
        *ret_key = str_make(out, len);
        return true;
}

static void pkcs11_free(struct root_key *root)
{
        struct root_pkcs11 *pkcs11 = (struct root_pkcs11 *)root;

        if (pkcs11->open)
                (void)pkcs11->token->C_CloseSession(pkcs11->session);
        if (pkcs11->initialized)
                (void)pkcs11->token->C_Finalize(NULL);
        if (pkcs11->library)
                dlclose(pkcs11->library);
        heap_free(pkcs11);
}

static const struct root_key_ops pkcs11_ops = {"pkcs11", pkcs11_wrap, pkcs11_unwrap, pkcs11_free};

static bool load(struct root_pkcs11 *pkcs11, struct err *err)
{
        CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
        CK_C_GetFunctionList list;

        pkcs11->library = dlopen(pkcs11->config.module, RTLD_NOW | RTLD_LOCAL);
        if (!pkcs11->library)
                return err_set(err, ERR_CONFIG, "the token's library cannot be loaded: %s", dlerror());
        /* POSIX lets a function's address pass through void *. */
        *(void **)&list = dlsym(pkcs11->library, "C_GetFunctionList");
        if (!list || list(&pkcs11->token) != CKR_OK)
                return err_set(err, ERR_CONFIG, "%s is no PKCS #11 library", pkcs11->config.module);
        if (!check(pkcs11->token->C_Initialize(&args), "be initialized", err))
                return false;
        pkcs11->initialized = true;
        return true;
}

bool root_pkcs11_open(const struct root_pkcs11_config *config, struct root_key **ret, struct err *err)
{
        if (config->module[0] == '\0' || config->token[0] == '\0' || config->key[0] == '\0' ||
            config->pin_file[0] == '\0' || strlen(config->key) > LABEL_MAX)
                return err_set(err, ERR_CONFIG, "root.pkcs11-module, -token, -key and -pin-file are needed");

        struct root_pkcs11 *pkcs11 = heap_alloc_zeroed(1, sizeof(*pkcs11));
        CK_OBJECT_HANDLE handle;

        if (!pkcs11)
                return err_set(err, ERR_NO_MEMORY, "no memory to start");
        pkcs11->root.ops = &pkcs11_ops;
        pkcs11->config = *config;
        if (!load(pkcs11, err) || !log_in(pkcs11, err) ||
            !find_key(pkcs11, str_from(config->key), &handle, err)) {
                pkcs11_free(&pkcs11->root);
                return false;
        }
        *ret = &pkcs11->root;
        return true;
}
