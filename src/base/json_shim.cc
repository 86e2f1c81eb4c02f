/* SPDX-License-Identifier: Apache-2.0 */
extern "C" {
#include "base/json_shim.h"
}

#include <charconv>
#include <cstring>
#include <new>
#include <simdjson.h>

namespace
{

using simdjson::dom::element;
using simdjson::dom::element_type;

/* Parsers are reused: their buffers are as large as the largest document so far, so large ones go. */
constexpr std::size_t KEEP_CAPACITY_BYTES = 256 * 1024;

simdjson::dom::parser &thread_parser()
{
        static thread_local simdjson::dom::parser parser;

        if (parser.capacity() > KEEP_CAPACITY_BYTES)
                parser = simdjson::dom::parser();
        return parser;
}

/*
 * A document with secrets (its arena zeroes) leaves nothing in the parser: it is padded in the arena, not
 * in a copy of the parser's, and the parser's strings are wiped. They take no more room than this.
 */
class secret_strings
{
      public:
        secret_strings(simdjson::dom::parser &parser, bool wanted, std::size_t len)
            : parser(parser), bytes(wanted ? 5 * len / 3 + simdjson::SIMDJSON_PADDING : 0)
        {
        }
        ~secret_strings()
        {
                if (bytes > 0 && parser.doc.string_buf)
                        explicit_bzero(parser.doc.string_buf.get(), bytes);
        }

      private:
        simdjson::dom::parser &parser;
        std::size_t bytes;
};

bool copy(struct arena *arena, const element &from, struct json *to);

bool copy_string(struct arena *arena, std::string_view from, struct str *to)
{
        *to = arena_str(arena, str_make(from.data(), from.size()));
        return to->ptr != nullptr;
}

bool copy_array(struct arena *arena, const element &from, struct json *to)
{
        simdjson::dom::array array = from.get_array().value_unsafe();
        std::size_t count = 0;

        for (element item : array) {
                (void)item;
                count++;
        }
        auto *items = static_cast<struct json *>(arena_alloc_array(arena, count, sizeof(struct json)));
        if (!items)
                return false;
        to->type = JSON_ARRAY;
        to->count = static_cast<uint32_t>(count);
        to->items = items;
        for (element item : array)
                if (!copy(arena, item, items++))
                        return false;
        return true;
}

bool copy_object(struct arena *arena, const element &from, struct json *to)
{
        simdjson::dom::object object = from.get_object().value_unsafe();
        std::size_t count = 0;

        for (auto member : object) {
                (void)member;
                count++;
        }
        auto *members = static_cast<struct json_member *>(
                arena_alloc_array(arena, count, sizeof(struct json_member)));
        if (!members)
                return false;
        to->type = JSON_OBJECT;
        to->count = static_cast<uint32_t>(count);
        to->members = members;
        for (auto member : object) {
                if (!copy_string(arena, member.key, &members->key) ||
                    !copy(arena, member.value, &members->value))
                        return false;
                members++;
        }
        return true;
}

/* Recursion is bounded: the parser refused what is deeper than JSON_DEPTH_MAX. */
bool copy(struct arena *arena, const element &from, struct json *to)
{
        switch (from.type()) {
        case element_type::ARRAY:
                return copy_array(arena, from, to);
        case element_type::OBJECT:
                return copy_object(arena, from, to);
        case element_type::STRING:
                to->type = JSON_STRING;
                return copy_string(arena, from.get_string().value_unsafe(), &to->string);
        case element_type::INT64:
                to->type = JSON_INT;
                to->integer = from.get_int64().value_unsafe();
                return true;
        case element_type::UINT64:
                to->type = JSON_UINT;
                to->uinteger = from.get_uint64().value_unsafe();
                return true;
        case element_type::DOUBLE:
                to->type = JSON_DOUBLE;
                to->number = from.get_double().value_unsafe();
                return true;
        case element_type::BOOL:
                to->type = JSON_BOOL;
                to->boolean = from.get_bool().value_unsafe();
                return true;
        case element_type::NULL_VALUE:
                to->type = JSON_NULL;
                return true;
        }
        return false;
}

} // namespace

extern "C" bool json_shim_parse(struct arena *arena, struct str text, struct json *ret, struct err *err)
try {
        auto &parser = thread_parser();
        element root;

        auto error = parser.allocate(text.len > KEEP_CAPACITY_BYTES ? text.len : KEEP_CAPACITY_BYTES,
                                     JSON_DEPTH_MAX);
        secret_strings strings(parser, arena->zeroing, text.len);
        bool copied = true;
        if (arena->zeroing) {
                char *padded = arena_alloc_bytes(arena, text.len + simdjson::SIMDJSON_PADDING);
                if (!padded)
                        return arena_check(arena, err);
                if (text.len > 0)
                        std::memcpy(padded, text.ptr, text.len);
                text.ptr = padded;
                copied = false;
        }
        if (error == simdjson::SUCCESS)
                error = parser.parse(text.ptr ? text.ptr : "", text.len, copied).get(root);
        if (error == simdjson::DEPTH_ERROR)
                return err_set(err, ERR_BAD_JSON, "nested more than %d deep", JSON_DEPTH_MAX);
        if (error == simdjson::MEMALLOC)
                return err_set(err, ERR_NO_MEMORY, "no memory to parse %zu bytes of JSON", text.len);
        if (error != simdjson::SUCCESS)
                return err_set(err, ERR_BAD_JSON, "not valid JSON: %s", simdjson::error_message(error));
        *ret = {};
        if (!copy(arena, root, ret))
                return arena_check(arena, err);
        return true;
} catch (const std::bad_alloc &) {
        return err_set(err, ERR_NO_MEMORY, "no memory to parse %zu bytes of JSON", text.len);
}

extern "C" int json_shim_shortest(double value, char digits[32], int *ret_exponent)
{
        /* "d.ddddde±xx" */
        char text[40];
        auto result = std::to_chars(text, text + sizeof(text), value, std::chars_format::scientific);
        int len = 0;
        char *at = text;

        for (; at < result.ptr && *at != 'e'; at++)
                if (*at != '.')
                        digits[len++] = *at;
        int exponent = 0;
        if (at < result.ptr) {
                at++;
                if (*at == '+')
                        at++;
                std::from_chars(at, result.ptr, exponent);
        }
        while (len > 1 && digits[len - 1] == '0')
                len--;
        *ret_exponent = exponent + 1;
        return len;
}
