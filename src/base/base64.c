/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"

static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char hex_digits[] = "0123456789abcdef";

static size_t encoded_len(size_t len, bool pad)
{
        return pad ? (len + 2) / 3 * 4 : (len * 4 + 2) / 3;
}

static void encode(char *to, struct str bytes, const char *alphabet, bool pad)
{
        const unsigned char *from = (const unsigned char *)(bytes.len > 0 ? bytes.ptr : "");
        const unsigned char *whole = from + bytes.len / 3 * 3;
        size_t rest = bytes.len % 3;

        for (; from < whole; from += 3, to += 4) {
                uint32_t bits = (uint32_t)from[0] << 16 | (uint32_t)from[1] << 8 | from[2];

                to[0] = alphabet[bits >> 18];
                to[1] = alphabet[bits >> 12 & 63];
                to[2] = alphabet[bits >> 6 & 63];
                to[3] = alphabet[bits & 63];
        }
        if (rest > 0) {
                uint32_t bits = (uint32_t)from[0] << 16 | (rest > 1 ? (uint32_t)from[1] << 8 : 0);

                *to++ = alphabet[bits >> 18];
                *to++ = alphabet[bits >> 12 & 63];
                if (rest > 1)
                        *to++ = alphabet[bits >> 6 & 63];
                if (pad && rest == 1)
                        *to++ = '=';
                if (pad)
                        *to++ = '=';
        }
}

static void append(struct buf *buf, struct str bytes, const char *alphabet, bool pad)
{
        size_t len = encoded_len(bytes.len, pad);
        char *to = buf_reserve(buf, len);

        if (!to)
                return;
        encode(to, bytes, alphabet, pad);
        buf_advance(buf, len);
}

static struct str encode_in(struct arena *arena, struct str bytes, const char *alphabet, bool pad)
{
        size_t len = encoded_len(bytes.len, pad);
        char *to = arena_alloc_bytes(arena, len + 1);

        if (!to)
                return STR_NULL;
        encode(to, bytes, alphabet, pad);
        to[len] = '\0';
        return str_make(to, len);
}

void base64_append(struct buf *buf, struct str bytes)
{
        append(buf, bytes, standard, true);
}

void base64url_append(struct buf *buf, struct str bytes)
{
        append(buf, bytes, url_safe, false);
}

struct str base64_encode(struct arena *arena, struct str bytes)
{
        return encode_in(arena, bytes, standard, true);
}

struct str base64url_encode(struct arena *arena, struct str bytes)
{
        return encode_in(arena, bytes, url_safe, false);
}

static int digit_of(char c, const char *alphabet)
{
        if (c >= 'A' && c <= 'Z')
                return c - 'A';
        if (c >= 'a' && c <= 'z')
                return c - 'a' + 26;
        if (c >= '0' && c <= '9')
                return c - '0' + 52;
        return c == alphabet[62] ? 62 : c == alphabet[63] ? 63 : -1;
}

/* Of a text without padding. */
static size_t decoded_len(struct str text)
{
        return text.len / 4 * 3 + (text.len % 4 > 1 ? text.len % 4 - 1 : 0);
}

/* `text` has no padding any more; writes decoded_len bytes. */
static bool decode_to(struct str text, const char *alphabet, char *ret_bytes)
{
        uint32_t bits = 0;
        unsigned count = 0;

        if (text.len % 4 == 1)
                return false;
        for (size_t i = 0; i < text.len; i++) {
                int digit = digit_of(text.ptr[i], alphabet);

                if (digit < 0)
                        return false;
                bits = bits << 6 | (uint32_t)digit;
                count += 6;
                if (count >= 8) {
                        count -= 8;
                        *ret_bytes++ = (char)(bits >> count & 0xFF);
                }
        }
        /* RFC 4648 section 3.5: the left-over bits are zero, or two texts would mean one. */
        return (bits & ((1U << count) - 1)) == 0;
}

static bool decode(struct arena *arena, struct str text, const char *alphabet, struct str *ret_bytes)
{
        size_t len = decoded_len(text);
        char *bytes = arena_alloc_bytes(arena, len + 1);

        if (!bytes || !decode_to(text, alphabet, bytes))
                return false;
        bytes[len] = '\0';
        *ret_bytes = str_make(bytes, len);
        return true;
}

static bool cut_padding(struct str text, struct str *ret)
{
        size_t pad = 0;

        if (text.len % 4 != 0)
                return false;
        while (pad < 2 && pad < text.len && text.ptr[text.len - 1 - pad] == '=')
                pad++;
        *ret = str_slice(text, 0, text.len - pad);
        return true;
}

bool base64_decode(struct arena *arena, struct str text, struct str *ret_bytes)
{
        return cut_padding(text, &text) && decode(arena, text, standard, ret_bytes);
}

bool base64_decode_to(struct str text, void *ret_bytes, size_t size_bytes)
{
        return cut_padding(text, &text) && decoded_len(text) == size_bytes &&
               decode_to(text, standard, ret_bytes);
}

bool base64url_decode(struct arena *arena, struct str text, struct str *ret_bytes)
{
        return decode(arena, text, url_safe, ret_bytes);
}

static void encode_hex(char *to, struct str bytes)
{
        for (size_t i = 0; i < bytes.len; i++) {
                *to++ = hex_digits[(unsigned char)bytes.ptr[i] >> 4];
                *to++ = hex_digits[(unsigned char)bytes.ptr[i] & 15];
        }
}

void hex_append(struct buf *buf, struct str bytes)
{
        char *to = buf_reserve(buf, bytes.len * 2);

        if (!to)
                return;
        encode_hex(to, bytes);
        buf_advance(buf, bytes.len * 2);
}

struct str hex_encode(struct arena *arena, struct str bytes)
{
        char *to = arena_alloc_bytes(arena, bytes.len * 2 + 1);

        if (!to)
                return STR_NULL;
        encode_hex(to, bytes);
        to[bytes.len * 2] = '\0';
        return str_make(to, bytes.len * 2);
}

bool hex_decode(struct arena *arena, struct str text, struct str *ret_bytes)
{
        char *to;

        if (text.len % 2 != 0 || !(to = arena_alloc_bytes(arena, text.len / 2 + 1)))
                return false;
        for (size_t i = 0; i < text.len; i += 2) {
                int high = str_hex_digit(text.ptr[i]);
                int low = str_hex_digit(text.ptr[i + 1]);

                if (high < 0 || low < 0)
                        return false;
                to[i / 2] = (char)(high << 4 | low);
        }
        to[text.len / 2] = '\0';
        *ret_bytes = str_make(to, text.len / 2);
        return true;
}
