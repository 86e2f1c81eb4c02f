/* SPDX-License-Identifier: Apache-2.0 */
#include "cel/ast.h"
#include "cel/text.h"

static bool read_digits(struct str body, size_t at, uint32_t digits, int base, uint32_t *ret)
{
        uint32_t value = 0;

        if (at + digits > body.len)
                return false;
        for (size_t i = at; i < at + digits; i++) {
                int digit = str_hex_digit(body.ptr[i]);

                if (digit < 0 || digit >= base)
                        return false;
                value = value * (uint32_t)base + (uint32_t)digit;
        }
        *ret = value;
        return true;
}

static char simple_escape(char c)
{
        static const char from[] = "abfnrtv\\?\"'`";
        static const char to[] = "\a\b\f\n\r\t\v\\?\"'`";
        const char *found = c ? strchr(from, c) : NULL;

        return found ? to[found - from] : '\0';
}

struct unescape {
        char *to;
        bool bytes;
        struct lexer *lexer;
        uint32_t offset; /* of the body in the source */
};

static bool bad_escape(struct unescape *u, size_t at, const char *what)
{
        return cel_message_at(u->lexer->err, ERR_EXPRESSION, u->lexer->source, u->offset + (uint32_t)at,
                              "%s", what);
}

/* One escape at body[at] == '\\'. Moves *at behind it. */
static bool unescape_one(struct unescape *u, struct str body, size_t *at)
{
        size_t start = *at;
        char c = start + 1 < body.len ? body.ptr[start + 1] : '\0';
        char simple = simple_escape(c);
        uint32_t value = 0;
        uint32_t digits = 0;
        size_t from = start + 2;
        int base = 16;

        if (simple) {
                *u->to++ = simple;
                *at = start + 2;
                return true;
        }
        if (c == 'x' || c == 'X') {
                digits = 2;
        } else if (c >= '0' && c <= '3') {
                digits = 3;
                base = 8;
                from = start + 1;
        } else if ((c == 'u' || c == 'U') && u->bytes) {
                return bad_escape(u, start, "\\u and \\U are not allowed in bytes; write \\x or octal");
        } else if (c == 'u' || c == 'U') {
                digits = c == 'u' ? 4 : 8;
        } else {
                return bad_escape(
                        u, start,
                        "unknown escape; known are \\a \\b \\f \\n \\r \\t \\v \\\\ \\? \\\" \\' \\` "
                        "\\xHH \\uHHHH \\UHHHHHHHH \\ooo");
        }
        if (!read_digits(body, from, digits, base, &value))
                return bad_escape(u, start,
                                  "the escape needs more digits (\\xHH \\uHHHH \\UHHHHHHHH \\ooo)");
        *at = from + digits;
        if (u->bytes) {
                *u->to++ = (char)value;
                return true;
        }
        if (!text_is_character(value))
                return bad_escape(u, start, "not a Unicode character");
        u->to += text_encode(u->to, value);
        return true;
}

bool literal_unescape(struct lexer *lexer, struct str body, bool raw, bool bytes, uint32_t offset,
                      struct cel_value *ret)
{
        struct unescape u = {.bytes = bytes, .lexer = lexer, .offset = offset};
        char *begin;

        if (raw || !memchr(body.ptr, '\\', body.len)) {
                *ret = bytes ? cel_bytes(body) : cel_string(body);
                return true;
        }
        /* An escape is never shorter than what it stands for. */
        begin = u.to = arena_alloc_bytes(lexer->arena, body.len);
        if (!begin)
                return arena_check(lexer->arena, lexer->err);
        for (size_t at = 0; at < body.len;) {
                if (body.ptr[at] != '\\')
                        *u.to++ = body.ptr[at++];
                else if (!unescape_one(&u, body, &at))
                        return false;
        }
        *ret = bytes ? cel_bytes(str_make(begin, (size_t)(u.to - begin)))
                     : cel_string(str_make(begin, (size_t)(u.to - begin)));
        return true;
}
