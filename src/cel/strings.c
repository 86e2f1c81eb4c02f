/* SPDX-License-Identifier: Apache-2.0 */
/* The extension strings. Positions count characters (code points). */
#include "cel/fn.h"
#include "cel/text.h"

/* ---- Building ---- */

void builder_append(struct builder *b, struct str s)
{
        size_t need;

        if (b->failed || s.len == 0)
                return;
        need = b->len + s.len;
        if (need > UINT32_MAX) {
                b->failed = true;
                eval_stop(b->call, ERR_NO_MEMORY);
                return;
        }
        if (need > b->room) {
                size_t room = need < 32 ? 64 : need * 2;
                char *more = eval_alloc_bytes(b->call, room);

                b->failed = !more;
                if (!more)
                        return;
                if (b->len > 0)
                        memcpy(more, b->text, b->len);
                b->text = more;
                b->room = room;
        }
        memcpy(b->text + b->len, s.ptr, s.len);
        b->len = need;
}

void builder_char(struct builder *b, char c)
{
        builder_append(b, str_make(&c, 1));
}

struct cel_value builder_string(struct builder *b)
{
        return b->failed ? eval_stopped() : cel_string(str_make(b->len > 0 ? b->text : "", b->len));
}

/* ---- Searching ---- */

ptrdiff_t find_text(struct cel_call *call, struct str text, struct str needle, size_t from)
{
        const char *found;

        if (needle.len > text.len - from)
                return -1;
        if (needle.len == 0)
                return (ptrdiff_t)from;
        /* memmem is linear. */
        if (!charge_bytes(call, text.len - from))
                return -1;
        found = memmem(text.ptr + from, text.len - from, needle.ptr, needle.len);
        return found ? found - text.ptr : -1;
}

static struct cel_value bad_index(struct cel_call *call, int64_t index)
{
        return cel_fail(call, "index out of range: %lld", (long long)index);
}

/* The byte offset of the character at an argument; false: *ret_error. */
static bool offset_of(struct cel_call *call, struct cel_value text, struct cel_value index, size_t *ret,
                      struct cel_value *ret_error)
{
        *ret_error = eval_stopped();
        if (!charge_bytes(call, text.len))
                return false;
        *ret = index.integer < 0 ? SIZE_MAX : text_offset(cel_text(text), index.uinteger);
        *ret_error = *ret == SIZE_MAX ? bad_index(call, index.integer) : cel_null();
        return *ret != SIZE_MAX;
}

static struct cel_value characters_before(struct cel_value text, ptrdiff_t at)
{
        return at < 0 ? cel_int(-1) : cel_int(text_count(str_slice(cel_text(text), 0, (size_t)at)));
}

FUNCTION(char_at)
{
        struct cel_value error;
        size_t at;

        UNUSED_ARGUMENTS;
        if (args[0].kind != CEL_STRING || args[1].kind != CEL_INT)
                return no_overload();
        if (!offset_of(call, args[0], args[1], &at, &error))
                return error;
        if (at == args[0].len)
                return cel_string(STR(""));
        return cel_string(str_make(args[0].bytes + at, text_width(args[0].bytes + at, args[0].len - at)));
}

FUNCTION(index_of)
{
        struct cel_value error;
        size_t from = 0;

        UNUSED_ARGUMENTS;
        if (!are_strings(args, 2) || (count > 2 && args[2].kind != CEL_INT))
                return no_overload();
        if (count > 2 && !offset_of(call, args[0], args[2], &from, &error))
                return error;
        return characters_before(args[0], find_text(call, cel_text(args[0]), cel_text(args[1]), from));
}

FUNCTION(last_index_of)
{
        struct str text = cel_text(args[0]);
        struct str needle = cel_text(args[1]);
        struct cel_value error;
        size_t last;

        UNUSED_ARGUMENTS;
        if (!are_strings(args, 2) || (count > 2 && args[2].kind != CEL_INT))
                return no_overload();
        if (!cel_charge(call, (text.len / 16 + 1) * (needle.len / 16 + 1)))
                return eval_stopped();
        last = text.len;
        if (count > 2 && !offset_of(call, args[0], args[2], &last, &error))
                return error;
        if (needle.len > text.len)
                return cel_int(-1);
        last = last < text.len - needle.len ? last : text.len - needle.len;
        for (size_t at = last + 1; at-- > 0;)
                if (needle.len == 0 || memcmp(text.ptr + at, needle.ptr, needle.len) == 0)
                        return characters_before(args[0], (ptrdiff_t)at);
        return cel_int(-1);
}

FUNCTION(substring)
{
        struct cel_value error;
        size_t from;
        size_t to = args[0].len;

        UNUSED_ARGUMENTS;
        if (args[0].kind != CEL_STRING || args[1].kind != CEL_INT || (count > 2 && args[2].kind != CEL_INT))
                return no_overload();
        if (!offset_of(call, args[0], args[1], &from, &error))
                return error;
        if (count > 2 && !offset_of(call, args[0], args[2], &to, &error))
                return error;
        if (to < from)
                return cel_fail(call, "invalid substring range: start %lld, end %lld",
                                (long long)args[1].integer, (long long)args[2].integer);
        return cel_string(str_make(args[0].bytes + from, to - from));
}

/* ---- Changing ---- */

static struct cel_value change_case(struct cel_call *call, struct cel_value text, char first, char last)
{
        char *copy;

        if (text.kind != CEL_STRING)
                return no_overload();
        copy = eval_alloc_bytes(call, text.len);
        if (!copy)
                return eval_stopped();
        for (uint32_t i = 0; i < text.len; i++) {
                char c = text.bytes[i];

                copy[i] = c >= first && c <= last ? (char)(c ^ 0x20) : c;
        }
        return cel_string(str_make(copy, text.len));
}

FUNCTION(lower_ascii)
{
        UNUSED_ARGUMENTS;
        return change_case(call, args[0], 'A', 'Z');
}

FUNCTION(upper_ascii)
{
        UNUSED_ARGUMENTS;
        return change_case(call, args[0], 'a', 'z');
}

/* The needle's end at or behind `at`; an empty needle stands before each character and at the end. */
FUNCTION(replace)
{
        struct builder b = {.call = call};
        struct str text = cel_text(args[0]);
        struct str old = cel_text(args[1]);
        int64_t limit = count > 3 ? args[3].integer : -1;
        size_t at = 0;

        UNUSED_ARGUMENTS;
        if (!are_strings(args, 3) || (count > 3 && args[3].kind != CEL_INT))
                return no_overload();
        while (limit != 0 && !b.failed && at <= text.len) {
                ptrdiff_t found = find_text(call, text, old, at);

                if (found < 0)
                        break;
                builder_append(&b, str_make(text.ptr + at, (size_t)found - at));
                builder_append(&b, cel_text(args[2]));
                at = (size_t)found + old.len;
                limit--;
                if (old.len == 0) {
                        size_t width = at < text.len ? text_width(text.ptr + at, text.len - at) : 0;

                        builder_append(&b, str_make(text.ptr + at, width));
                        at += width > 0 ? width : 1;
                }
        }
        if (at < text.len)
                builder_append(&b, str_make(text.ptr + at, text.len - at));
        return call->stopped ? eval_stopped() : builder_string(&b);
}

struct cel_value strings_reverse(struct cel_call *call, struct str text)
{
        char *copy;
        size_t to = text.len;

        copy = eval_alloc_bytes(call, text.len);
        if (!copy)
                return eval_stopped();
        for (size_t at = 0; at < text.len;) {
                uint32_t width = text_width(text.ptr + at, text.len - at);

                to -= width;
                memcpy(copy + to, text.ptr + at, width);
                at += width;
        }
        return cel_string(str_make(copy, text.len));
}

/* White space of Unicode (property White_Space). */
static bool is_space(uint32_t c)
{
        return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xA0 || c == 0x1680 ||
               (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
               c == 0x3000;
}

FUNCTION(trim)
{
        struct str text = cel_text(args[0]);
        size_t from = 0;
        size_t to;

        UNUSED_ARGUMENTS;
        if (args[0].kind != CEL_STRING)
                return no_overload();
        if (!charge_bytes(call, text.len))
                return eval_stopped();
        while (from < text.len) {
                uint32_t width = text_width(text.ptr + from, text.len - from);

                if (!is_space(text_decode(text.ptr + from, width)))
                        break;
                from += width;
        }
        for (to = text.len; to > from;) {
                size_t start = to - 1;

                while (start > from && ((unsigned char)text.ptr[start] & 0xC0) == 0x80)
                        start--;
                if (!is_space(text_decode(text.ptr + start, (uint32_t)(to - start))))
                        break;
                to = start;
        }
        return cel_string(str_make(text.ptr + from, to - from));
}

/* ---- Lists of strings ---- */

static uint32_t count_parts(struct cel_call *call, struct str text, struct str separator)
{
        uint32_t parts = 1;
        ptrdiff_t found;

        if (separator.len == 0)
                return text_count(text);
        for (size_t at = 0; (found = find_text(call, text, separator, at)) >= 0; parts++)
                at = (size_t)found + separator.len;
        return parts;
}

FUNCTION(split)
{
        struct str text = cel_text(args[0]);
        struct str separator = cel_text(args[1]);
        int64_t limit = count > 2 ? args[2].integer : -1;
        struct cel_value *items;
        uint32_t most;
        uint32_t made = 0;
        size_t at = 0;

        UNUSED_ARGUMENTS;
        if (!are_strings(args, 2) || (count > 2 && args[2].kind != CEL_INT))
                return no_overload();
        if (limit == 0)
                return cel_list(NULL, 0);
        if (!charge_bytes(call, text.len))
                return eval_stopped();
        most = count_parts(call, text, separator);
        if (limit > 0 && limit < most)
                most = (uint32_t)limit;
        items = eval_alloc(call, most, sizeof(*items));
        if (!items || call->stopped)
                return eval_stopped();
        while (made + 1 < most) {
                size_t end = separator.len > 0 ? (size_t)find_text(call, text, separator, at)
                                               : at + text_width(text.ptr + at, text.len - at);

                if (call->stopped)
                        return eval_stopped();
                items[made++] = cel_string(str_make(text.ptr + at, end - at));
                at = end + separator.len;
        }
        if (most > 0)
                items[made++] = cel_string(str_make(text.ptr + at, text.len - at));
        return cel_list(items, made);
}

FUNCTION(join)
{
        struct builder b = {.call = call};

        UNUSED_ARGUMENTS;
        if (args[0].kind != CEL_LIST || (count > 1 && args[1].kind != CEL_STRING))
                return no_overload();
        for (uint32_t i = 0, items = cel_count(args[0]); i < items && !b.failed; i++) {
                struct cel_value item = cel_at(call, args[0], i);

                if (item.kind != CEL_STRING)
                        return is_error(item) ? item : no_overload();
                if (!cel_charge(call, 1))
                        return eval_stopped();
                if (i > 0 && count > 1)
                        builder_append(&b, cel_text(args[1]));
                builder_append(&b, cel_text(item));
        }
        return builder_string(&b);
}

FUNCTION(quote)
{
        struct builder b = {.call = call};
        static const char from[] = "\a\b\f\n\r\t\v\\\"";
        static const char to[] = "abfnrtv\\\"";

        UNUSED_ARGUMENTS;
        if (args[0].kind != CEL_STRING)
                return no_overload();
        builder_char(&b, '"');
        for (uint32_t i = 0; i < args[0].len && !b.failed; i++) {
                char c = args[0].bytes[i];
                const char *found = c ? strchr(from, c) : NULL;

                if (found)
                        builder_char(&b, '\\');
                builder_char(&b, found ? to[found - from] : c);
        }
        builder_char(&b, '"');
        return builder_string(&b);
}

FUNCTION(format)
{
        UNUSED_ARGUMENTS;
        if (args[0].kind != CEL_STRING || args[1].kind != CEL_LIST)
                return no_overload();
        return format_string(call, cel_text(args[0]), args[1]);
}

static const struct builtin rows[] = {
        {"charAt", "string.(int) string", char_at},
        {"indexOf", "string.(string) int; string.(string, int) int", index_of},
        {"lastIndexOf", "string.(string) int; string.(string, int) int", last_index_of},
        {"substring", "string.(int) string; string.(int, int) string", substring},
        {"lowerAscii", "string.() string", lower_ascii},
        {"upperAscii", "string.() string", upper_ascii},
        {"replace", "string.(string, string) string; string.(string, string, int) string", replace},
        {"trim", "string.() string", trim},
        {"split", "string.(string) list(string); string.(string, int) list(string)", split},
        {"join", "list(string).() string; list(string).(string) string", join},
        {"strings.quote", "(string) string", quote},
        {"format", "string.(list(dyn)) string", format},
};

LIBRARY(library_strings, rows);
