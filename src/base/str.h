/* SPDX-License-Identifier: Apache-2.0 */
/*
 * String views: a pointer and a length, never owning, not NUL-terminated
 * unless a header says so. Print with "%.*s" and STR_ARG.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
        const char *ptr;
        size_t len;
};

#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
#define STR_NULL ((struct str){NULL, 0})
#define STR_ARG(s) (int)(s).len, (s).ptr ? (s).ptr : ""

static inline struct str str_from(const char *c_string)
{
        return (struct str){c_string, c_string ? strlen(c_string) : 0};
}

static inline struct str str_make(const void *ptr, size_t len)
{
        return (struct str){(const char *)ptr, len};
}

static inline bool str_eq(struct str a, struct str b)
{
        return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool str_is(struct str a, const char *c_string)
{
        return str_eq(a, str_from(c_string));
}

static inline bool str_starts(struct str a, struct str prefix)
{
        return a.len >= prefix.len && (prefix.len == 0 || memcmp(a.ptr, prefix.ptr, prefix.len) == 0);
}

static inline bool str_ends(struct str a, struct str suffix)
{
        return a.len >= suffix.len &&
               (suffix.len == 0 || memcmp(a.ptr + a.len - suffix.len, suffix.ptr, suffix.len) == 0);
}

/* The view from `from` on, `len` bytes at most; clamped to the string. */
struct str str_slice(struct str s, size_t from, size_t len);

/* ASCII only, as in protocols (RFC 9110 section 5.1). */
bool str_eq_nocase(struct str a, struct str b);
struct str str_trim(struct str s);

/* memcmp's order, shorter first. */
int str_compare(struct str a, struct str b);

/* First occurrence, or -1. */
ptrdiff_t str_find(struct str s, char c);
ptrdiff_t str_find_str(struct str s, struct str needle);

/*
 * Splits at the first `separator`: ret_head is before it, *rest after it.
 * Returns false, with all in ret_head, when there is none.
 */
bool str_cut(struct str *rest, char separator, struct str *ret_head);

/* Whole string, decimal, no sign but a leading '-' for signed, no overflow. */
bool str_to_i64(struct str s, int64_t *ret_value);
bool str_to_u64(struct str s, uint64_t *ret_value);
/* Whole string, 1 to 16 hexadecimal digits in either case, no prefix. */
bool str_to_u64_hex(struct str s, uint64_t *ret_value);
/* What a hexadecimal digit in either case is worth; -1 for what is none. */
int str_hex_digit(char c);

/* RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
bool str_is_utf8(struct str s);
/* Length of the longest valid prefix. */
size_t str_utf8_prefix(struct str s);

/* Levenshtein's distance in bytes, for "did you mean"; STR_DISTANCE_MAX when either is as long as that. */
enum { STR_DISTANCE_MAX = 64 };
size_t str_distance(struct str a, struct str b);

/* Same length and bytes, in time that depends on the length only. */
bool str_eq_secret(struct str a, struct str b);
