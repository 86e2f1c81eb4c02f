/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The approver's own Ed25519 key. It never leaves its file: PKCS #8 in PEM
 * (RFC 8410 section 7), unencrypted, mode 0600, beside the profile. OpenSSL
 * reads it too.
 */
#pragma once

#include "cli/cli.h"
#include "crypto/ed25519.h"

/* ERR_ALREADY_EXISTS when the file is there. The caller frees the key. */
bool signing_file_create(struct cli *cli, struct ed25519_key **ret, struct err *err) MUST_USE;
bool signing_file_load(struct cli *cli, struct ed25519_key **ret, struct err *err) MUST_USE;
