/* SPDX-License-Identifier: Apache-2.0 */
#include "base/id.h"

#include "base/clock.h"

enum { ID_DIGITS = 26, PREFIX_MOST = 4 };

static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";

/* 128 bits in 26 digits of 5: the first digit holds the top three bits. */
static void encode(const uint8_t bytes[16], char ret_text[ID_DIGITS])
{
        unsigned pending = 0;
        int bits = 2; /* two leading zero bits make 130 */
        size_t at = 0;

        for (size_t i = 0; i < 16; i++) {
                pending = (pending << 8 | bytes[i]) & 0xFFFF;
                bits += 8;
                while (bits >= 5) {
                        bits -= 5;
                        ret_text[at++] = digits[(pending >> bits) & 31];
                }
        }
}

struct id id_new(const char *prefix)
{
        uint64_t now = (uint64_t)clock_now_ms();
        uint8_t bytes[16];
        struct id id;
        size_t len = strnlen(prefix, PREFIX_MOST);

        random_bytes(bytes + 6, 10);
        for (int i = 0; i < 6; i++)
                bytes[i] = (uint8_t)(now >> (40 - 8 * i));
        bytes[6] = (uint8_t)(0x70 | (bytes[6] & 0x0F)); /* version 7 */
        bytes[8] = (uint8_t)(0x80 | (bytes[8] & 0x3F)); /* variant 10 */
        memcpy(id.text, prefix, len);
        id.text[len++] = '_';
        encode(bytes, id.text + len);
        id.text[len + ID_DIGITS] = '\0';
        return id;
}

static int digit_value(char c)
{
        const char *at = c ? strchr(digits, c) : NULL;

        return at ? (int)(at - digits) : -1;
}

bool id_is_any(struct str text)
{
        ptrdiff_t underscore = str_find(text, '_');

        if (underscore < 2 || underscore > PREFIX_MOST || text.len != (size_t)underscore + 1 + ID_DIGITS)
                return false;
        for (ptrdiff_t i = 0; i < underscore; i++)
                if (text.ptr[i] < 'a' || text.ptr[i] > 'z')
                        return false;
        for (size_t i = (size_t)underscore + 1; i < text.len; i++)
                if (digit_value(text.ptr[i]) < 0)
                        return false;
        /* 128 bits: the first digit has three of them. */
        return digit_value(text.ptr[underscore + 1]) < 8;
}

bool id_is(struct str text, const char *prefix)
{
        struct str p = str_from(prefix);

        return id_is_any(text) && str_starts(text, p) && text.ptr[p.len] == '_';
}

struct id id_from(struct str text)
{
        struct id id = {0};

        if (id_is_any(text))
                memcpy(id.text, text.ptr, text.len);
        return id;
}

int64_t id_time_ms(struct str text)
{
        uint64_t value = 0;
        size_t start;

        if (!id_is_any(text))
                return 0;
        start = text.len - ID_DIGITS;
        /* 48 bits of time are the first 9.6 digits, less the two leading zero bits: 10 digits hold it. */
        for (size_t i = 0; i < 10; i++)
                value = value << 5 | (uint64_t)digit_value(text.ptr[start + i]);
        return (int64_t)value;
}
