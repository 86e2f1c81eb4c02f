/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures by COSE keys (RFC 9052 section 7, RFC 9053); private to this folder. */
#pragma once

#include "crypto/webauthn.h"

/*
 * Over the concatenation of the parts. ERR_BAD_SIGNATURE also for a key that is
 * not in the one form that webauthn_key_check takes. ES256 signatures are the
 * DER form of WebAuthn section 6.5.6.
 */
bool webauthn_key_verify(struct str cose_key, const struct str *parts, size_t count, struct str signature,
                         struct err *err) MUST_USE;
