/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

struct str str_slice(struct str s, size_t from, size_t len)
{
        if (from > s.len)
                from = s.len;
        if (len > s.len - from)
                len = s.len - from;
        return str_make(s.ptr ? s.ptr + from : NULL, len);
}

static char ascii_lower(char c)
{
        return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool str_eq_nocase(struct str a, struct str b)
{
        if (a.len != b.len)
                return false;
        for (size_t i = 0; i < a.len; i++)
                if (ascii_lower(a.ptr[i]) != ascii_lower(b.ptr[i]))
                        return false;
        return true;
}

static bool is_space(char c)
{
        return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
        while (s.len > 0 && is_space(s.ptr[0])) {
                s.ptr++;
                s.len--;
        }
        while (s.len > 0 && is_space(s.ptr[s.len - 1]))
                s.len--;
        return s;
}

int str_compare(struct str a, struct str b)
{
        size_t len = a.len < b.len ? a.len : b.len;
        int order = len > 0 ? memcmp(a.ptr, b.ptr, len) : 0;

        if (order != 0)
                return order;
        return (a.len > b.len) - (a.len < b.len);
}

ptrdiff_t str_find(struct str s, char c)
{
        const char *at = s.len > 0 ? memchr(s.ptr, c, s.len) : NULL;

        return at ? at - s.ptr : -1;
}

ptrdiff_t str_find_str(struct str s, struct str needle)
{
        const char *at;

        if (needle.len == 0)
                return 0;
        at = s.len > 0 ? memmem(s.ptr, s.len, needle.ptr, needle.len) : NULL;
        return at ? at - s.ptr : -1;
}

bool str_cut(struct str *rest, char separator, struct str *ret_head)
{
        ptrdiff_t at = str_find(*rest, separator);

        if (at < 0) {
                *ret_head = *rest;
                *rest = str_slice(*rest, rest->len, 0);
                return false;
        }
        *ret_head = str_slice(*rest, 0, (size_t)at);
        *rest = str_slice(*rest, (size_t)at + 1, rest->len);
        return true;
}

bool str_to_u64(struct str s, uint64_t *ret_value)
{
        uint64_t value = 0;

        if (s.len == 0)
                return false;
        for (size_t i = 0; i < s.len; i++) {
                unsigned digit = (unsigned)(unsigned char)s.ptr[i] - '0';

                if (digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
                    __builtin_add_overflow(value, digit, &value))
                        return false;
        }
        *ret_value = value;
        return true;
}

bool str_to_i64(struct str s, int64_t *ret_value)
{
        bool negative = s.len > 0 && s.ptr[0] == '-';
        uint64_t magnitude;

        if (!str_to_u64(negative ? str_slice(s, 1, s.len) : s, &magnitude))
                return false;
        if (magnitude > (uint64_t)INT64_MAX + (negative ? 1 : 0))
                return false;
        *ret_value = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
        return true;
}

int str_hex_digit(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -1;
}

bool str_to_u64_hex(struct str s, uint64_t *ret_value)
{
        uint64_t value = 0;

        if (s.len == 0 || s.len > 16)
                return false;
        for (size_t i = 0; i < s.len; i++) {
                int digit = str_hex_digit(s.ptr[i]);

                if (digit < 0)
                        return false;
                value = value << 4 | (uint64_t)digit;
        }
        *ret_value = value;
        return true;
}

/* The length of the well-formed sequence at `at`, 0 if there is none (RFC 3629 section 4). */
static size_t utf8_sequence(const unsigned char *at, size_t left)
{
        unsigned char first = at[0];
        unsigned char low = 0x80;
        unsigned char high = 0xBF;
        size_t len;

        if (first < 0x80)
                return 1;
        if (first < 0xC2 || first > 0xF4)
                return 0;
        len = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
        if (first == 0xE0)
                low = 0xA0;
        if (first == 0xED)
                high = 0x9F;
        if (first == 0xF0)
                low = 0x90;
        if (first == 0xF4)
                high = 0x8F;
        if (left < len || at[1] < low || at[1] > high)
                return 0;
        for (size_t i = 2; i < len; i++)
                if (at[i] < 0x80 || at[i] > 0xBF)
                        return 0;
        return len;
}

size_t str_utf8_prefix(struct str s)
{
        const unsigned char *bytes = (const unsigned char *)s.ptr;
        size_t at = 0;

        while (at < s.len) {
                size_t len;
                uint64_t eight;

                /* Most text is ASCII. */
                while (s.len - at >= sizeof(eight)) {
                        memcpy(&eight, bytes + at, sizeof(eight));
                        if (eight & UINT64_C(0x8080808080808080))
                                break;
                        at += sizeof(eight);
                }
                if (at == s.len)
                        break;
                len = utf8_sequence(bytes + at, s.len - at);

                if (len == 0)
                        break;
                at += len;
        }
        return at;
}

bool str_is_utf8(struct str s)
{
        return str_utf8_prefix(s) == s.len;
}

bool str_eq_secret(struct str a, struct str b)
{
        volatile unsigned char difference = 0;

        if (a.len != b.len)
                return false;
        for (size_t i = 0; i < a.len; i++)
                difference |= (unsigned char)(a.ptr[i] ^ b.ptr[i]);
        return difference == 0;
}

static size_t least(size_t a, size_t b)
{
        return a < b ? a : b;
}

size_t str_distance(struct str a, struct str b)
{
        size_t row[STR_DISTANCE_MAX];

        if (a.len >= STR_DISTANCE_MAX || b.len >= STR_DISTANCE_MAX)
                return STR_DISTANCE_MAX;
        for (size_t j = 0; j <= b.len; j++)
                row[j] = j;
        for (size_t i = 1; i <= a.len; i++) {
                size_t corner = row[0];

                row[0] = i;
                for (size_t j = 1; j <= b.len; j++) {
                        size_t above = row[j];

                        row[j] =
                                least(least(above, row[j - 1]) + 1, corner + (a.ptr[i - 1] != b.ptr[j - 1]));
                        corner = above;
                }
        }
        return row[b.len];
}
