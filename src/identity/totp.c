/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/totp.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>

void totp_code(struct str seed, int64_t step, int digits, char *ret_code)
{
        static const uint32_t powers[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
        uint8_t counter[8], hash[20];
        unsigned len = sizeof(hash), at;
        uint32_t value;

        for (int i = 0; i < 8; i++)
                counter[i] = (uint8_t)((uint64_t)step >> (56 - 8 * i));
        if (!HMAC(EVP_sha1(), seed.ptr, (int)seed.len, counter, sizeof(counter), hash, &len))
                abort(); /* as hmac_sha256 */
        /* RFC 4226 section 5.3, dynamic truncation. */
        at = hash[19] & 15;
        value = (uint32_t)(hash[at] & 0x7f) << 24 | (uint32_t)hash[at + 1] << 16 |
                (uint32_t)hash[at + 2] << 8 | hash[at + 3];
        (void)snprintf(ret_code, (size_t)digits + 1, "%0*u", digits, value % powers[digits]);
}

bool totp_check(struct str seed, struct str text, int64_t now_ms, int64_t last_step, int64_t *ret_step)
{
        int64_t now = now_ms / TOTP_STEP_MS;
        char typed[TOTP_CODE_SIZE];
        size_t len = 0;
        bool found = false;

        for (size_t i = 0; i < text.len; i++) {
                if (text.ptr[i] == ' ')
                        continue;
                if (text.ptr[i] < '0' || text.ptr[i] > '9' || len == TOTP_DIGITS)
                        return false;
                typed[len++] = text.ptr[i];
        }
        if (len != TOTP_DIGITS)
                return false;
        /* All three, so that the time does not tell which one it was. */
        for (int64_t step = now - TOTP_SKEW_STEPS; step <= now + TOTP_SKEW_STEPS; step++) {
                char code[TOTP_CODE_SIZE];

                totp_code(seed, step, TOTP_DIGITS, code);
                if (str_eq_secret(str_make(typed, TOTP_DIGITS), str_make(code, TOTP_DIGITS)) &&
                    step > last_step && !found) {
                        found = true;
                        *ret_step = step;
                }
        }
        return found;
}

struct str totp_seed_text(struct arena *arena, struct str seed)
{
        static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        size_t len = (seed.len * 8 + 4) / 5;
        char *text = arena_alloc_bytes(arena, len + 1);
        uint32_t bits = 0;
        unsigned have = 0;
        size_t at = 0;

        if (!text)
                return STR_NULL;
        for (size_t i = 0; i < seed.len; i++) {
                bits = bits << 8 | (uint8_t)seed.ptr[i];
                for (have += 8; have >= 5; have -= 5)
                        text[at++] = alphabet[bits >> (have - 5) & 31];
        }
        if (have > 0)
                text[at++] = alphabet[bits << (5 - have) & 31];
        text[at] = '\0';
        return str_make(text, at);
}

static struct str percent_encoded(struct arena *arena, struct str text)
{
        static const char digits[] = "0123456789ABCDEF";
        char *encoded = arena_alloc_bytes(arena, 3 * text.len + 1);
        size_t at = 0;

        if (!encoded)
                return STR_NULL;
        for (size_t i = 0; i < text.len; i++) {
                unsigned char c = (unsigned char)text.ptr[i];

                /* RFC 3986 section 2.3, unreserved */
                if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                    c == '.' || c == '_' || c == '~') {
                        encoded[at++] = (char)c;
                        continue;
                }
                encoded[at++] = '%';
                encoded[at++] = digits[c >> 4];
                encoded[at++] = digits[c & 15];
        }
        return str_make(encoded, at);
}

struct str totp_uri(struct arena *arena, struct str issuer, struct str account, struct str seed)
{
        struct str name = percent_encoded(arena, issuer);
        struct str who = percent_encoded(arena, account);
        struct str text = totp_seed_text(arena, seed);

        return arena_printf(
                arena, "otpauth://totp/%.*s:%.*s?secret=%.*s&issuer=%.*s&algorithm=SHA1&digits=%d&period=%d",
                STR_ARG(name), STR_ARG(who), STR_ARG(text), STR_ARG(name), TOTP_DIGITS, TOTP_STEP_MS / 1000);
}
