/* SPDX-License-Identifier: Apache-2.0 */
#include "base/percent.h"

bool percent_decode(struct arena *arena, struct str text, bool plus_is_space, struct str *ret)
{
        char *out;
        size_t len = 0;

        *ret = text;
        if (str_find(text, '%') < 0 && (!plus_is_space || str_find(text, '+') < 0))
                return str_find(text, '\0') < 0;
        out = arena_alloc_bytes(arena, text.len);
        if (!out)
                return false;
        for (size_t i = 0; i < text.len; i++) {
                char c = text.ptr[i];

                if (c == '%') {
                        int high = i + 2 < text.len ? str_hex_digit(text.ptr[i + 1]) : -1;
                        int low = high >= 0 ? str_hex_digit(text.ptr[i + 2]) : -1;

                        if (low < 0)
                                return false;
                        c = (char)(high << 4 | low);
                        i += 2;
                } else if (c == '+' && plus_is_space) {
                        c = ' ';
                }
                if (c == '\0')
                        return false;
                out[len++] = c;
        }
        *ret = str_make(out, len);
        return true;
}

struct str percent_encode(struct arena *arena, struct str text)
{
        static const char digits[] = "0123456789ABCDEF";
        char *out = arena_alloc_bytes(arena, text.len * 3 + 1);
        size_t len = 0;

        if (!out)
                return STR_NULL;
        for (size_t i = 0; i < text.len; i++) {
                unsigned char c = (unsigned char)text.ptr[i];

                if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    (c != 0 && strchr("-._~", c))) {
                        out[len++] = (char)c;
                        continue;
                }
                out[len++] = '%';
                out[len++] = digits[c >> 4];
                out[len++] = digits[c & 15];
        }
        return str_make(out, len);
}
