/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time-based one-time passwords (RFC 6238 over RFC 4226): HMAC-SHA-1, 6 digits,
 * steps of 30 seconds, which is what authenticator apps agree on. Pure
 * functions; the caller keeps the seed sealed, and the last step that was used.
 */
#pragma once

#include "base/arena.h"

#include <stdint.h>

enum {
        TOTP_SEED_SIZE = 20, /* RFC 4226 section 4, R6 */
        TOTP_DIGITS = 6,
        TOTP_STEP_MS = 30000,
        TOTP_CODE_SIZE = TOTP_DIGITS + 1,
        TOTP_SKEW_STEPS = 1, /* RFC 6238 section 5.2: one step before and behind */
};

/* The code of a step; `digits` up to 8, `ret_code` of digits + 1 bytes. */
void totp_code(struct str seed, int64_t step, int digits, char *ret_code);

/*
 * Whether the text is the code of now or of one step beside it, and of a later
 * step than `last_step` (RFC 6238 section 5.2: each code is accepted once). On
 * success *ret_step is the step to keep. Blanks within the text are allowed.
 */
bool totp_check(struct str seed, struct str text, int64_t now_ms, int64_t last_step, int64_t *ret_step);

/* Base32 (RFC 4648 section 6) without padding, as people type a seed. */
struct str totp_seed_text(struct arena *arena, struct str seed);
/* otpauth://totp/ISSUER:ACCOUNT?secret=…&issuer=ISSUER, for a QR code. */
struct str totp_uri(struct arena *arena, struct str issuer, struct str account, struct str seed);
