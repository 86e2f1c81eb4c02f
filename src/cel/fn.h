/* SPDX-License-Identifier: Apache-2.0 */
/* For the files that implement functions. Private to src/cel. */
#pragma once

#include "cel/env.h"
#include "cel/print.h"

#define FUNCTION(name)                                                                                      \
        static struct cel_value name(struct cel_call *call, const struct cel_value *args, uint32_t count,   \
                                     void *data)
#define UNUSED_ARGUMENTS (void)call, (void)args, (void)count, (void)data
#define LIBRARY(name, rows) const struct library name = {rows, sizeof(rows) / sizeof((rows)[0])}

static inline struct cel_value no_overload(void)
{
        return error_value(&failure_overload);
}

static inline bool are_strings(const struct cel_value *args, uint32_t count)
{
        for (uint32_t i = 0; i < count; i++)
                if (args[i].kind != CEL_STRING)
                        return false;
        return true;
}

/* A text made of `text` that was built in the arena. */
static inline struct cel_value copy_text(struct cel_call *call, const char *text, size_t len)
{
        char *copy = eval_alloc_bytes(call, len);

        if (!copy)
                return eval_stopped();
        memcpy(copy, text, len);
        return cel_string(str_make(copy, len));
}

/*
 * A text that grows in the arena: charges for each byte, and stops the
 * evaluation when that is too much.
 */
struct builder {
        struct cel_call *call;
        char *text;
        size_t len;
        size_t room;
        bool failed;
};
void builder_append(struct builder *b, struct str s);
void builder_char(struct builder *b, char c);
struct cel_value builder_string(struct builder *b);

/* ---- format.c ---- */

struct cel_value format_string(struct cel_call *call, struct str format, struct cel_value list);

/* ---- strings.c ---- */

/* Needle in text from a byte offset on; -1: not there. Charges for what it looks at. */
ptrdiff_t find_text(struct cel_call *call, struct str text, struct str needle, size_t from);
struct cel_value strings_reverse(struct cel_call *call, struct str text);

/* ---- sort.c ---- */

/*
 * Orders 0 to count - 1 by their keys, stably: strings, numbers, or any kind
 * with an order. NULL: *ret_error says why (keys without an order, stopped).
 */
uint32_t *sort_order(struct cel_call *call, const struct cel_value *keys, uint32_t count,
                     struct cel_value *ret_error);

/* ---- lists.c ---- */

/* The one function whose result's size lies in a number: the estimate has to know it. */
struct cel_value lists_range(struct cel_call *call, const struct cel_value *args, uint32_t count,
                             void *data);
