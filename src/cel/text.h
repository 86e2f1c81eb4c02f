/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8, character by character (RFC 3629). Input is valid UTF-8 unless a comment says otherwise. Private to
 * src/cel. */
#pragma once

#include "base/str.h"

/* A code point that is no surrogate. */
static inline bool text_is_character(uint32_t c)
{
        return c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF);
}

/* Writes 1 to 4 bytes and says how many. */
static inline uint32_t text_encode(char *to, uint32_t c)
{
        if (c < 0x80) {
                to[0] = (char)c;
                return 1;
        }
        if (c < 0x800) {
                to[0] = (char)(0xC0 | c >> 6);
                to[1] = (char)(0x80 | (c & 0x3F));
                return 2;
        }
        if (c < 0x10000) {
                to[0] = (char)(0xE0 | c >> 12);
                to[1] = (char)(0x80 | (c >> 6 & 0x3F));
                to[2] = (char)(0x80 | (c & 0x3F));
                return 3;
        }
        to[0] = (char)(0xF0 | c >> 18);
        to[1] = (char)(0x80 | (c >> 12 & 0x3F));
        to[2] = (char)(0x80 | (c >> 6 & 0x3F));
        to[3] = (char)(0x80 | (c & 0x3F));
        return 4;
}

/* Bytes of the character that starts here, at most `left`. */
static inline uint32_t text_width(const char *at, size_t left)
{
        unsigned char c = (unsigned char)*at;
        uint32_t width = c < 0xC0 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;

        return width <= left ? width : (uint32_t)left;
}

static inline uint32_t text_decode(const char *at, uint32_t width)
{
        uint32_t c = (unsigned char)at[0];

        if (width == 1)
                return c;
        c &= 0x7Fu >> width;
        for (uint32_t i = 1; i < width; i++)
                c = c << 6 | ((unsigned char)at[i] & 0x3Fu);
        return c;
}

static inline uint32_t text_count(struct str s)
{
        uint32_t count = 0;

        for (size_t i = 0; i < s.len; i++)
                count += ((unsigned char)s.ptr[i] & 0xC0) != 0x80;
        return count;
}

/* The byte offset of a character; s.len for the one behind the last; SIZE_MAX beyond. */
static inline size_t text_offset(struct str s, uint64_t character)
{
        size_t at = 0;

        while (character > 0 && at < s.len) {
                at += text_width(s.ptr + at, s.len - at);
                character--;
        }
        return character > 0 ? SIZE_MAX : at;
}
