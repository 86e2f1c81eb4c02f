/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can protect the root key file instead of its mode alone (crypto/root_key.h).
 *
 * PKCS#11 (OASIS PKCS #11 version 2.40): an AES-256 secret key on a token, found
 * by its label, not extractable; the file's keys are encrypted with CKM_AES_GCM.
 * A wrapped key names the label, so that another key may take over by
 * configuration while the older one still opens.
 *
 * HashiCorp Vault or OpenBao, transit engine (HTTP API v1): encrypt and decrypt.
 * The service names the version of its key in the ciphertext ("vault:v3:…").
 */
#pragma once

#include "crypto/root_key.h"

struct root_pkcs11_config {
        const char *module;   /* path of the token's library */
        const char *token;    /* label */
        const char *key;      /* label */
        const char *pin_file; /* one line; others may not read it */
};
bool root_pkcs11_open(const struct root_pkcs11_config *config, struct root_key **ret,
                      struct err *err) MUST_USE;

struct root_vault_config {
        const char *url;        /* "https://vault.example:8200"; http only to this machine */
        const char *mount;      /* "transit" */
        const char *key;        /* the transit key's name */
        const char *token_file; /* one line; others may not read it; read again for each call */
        const char *ca_file;    /* "": the system's */
};
bool root_vault_open(const struct root_vault_config *config, struct root_key **ret,
                     struct err *err) MUST_USE;

/* A secret of one line from a file of at most 4 KiB that others may not read. In the arena: a zeroing one.
 */
bool root_secret_read(struct arena *arena, const char *path, const char *what, struct str *ret,
                      struct err *err) MUST_USE;
