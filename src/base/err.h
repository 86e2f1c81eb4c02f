/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors: a code from api/errors.def and the facts that a person needs.
 *
 * A function that can fail returns bool, takes `struct err *err` last, and
 * fills it, always, when it returns false. The caller owns the struct (it is
 * plain memory, nothing to free) and must use the result.
 *
 * The message says what was wrong, with what, and what to do. It is shown to
 * the caller of the API unless the code's status is 500 (see err_is_internal).
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))

enum err_code {
        ERR_NONE = 0,
#define ERROR(name, status, slug, title) ERR_##name,
#include "errors.def"
#undef ERROR
        ERR_COUNT,
};

enum { ERR_MESSAGE_MAX = 512, ERR_PLACE_MAX = 128 };

struct err {
        enum err_code code;
        /* Where in the input: a JSON pointer, a parameter's name, line:column. May be empty. */
        char place[ERR_PLACE_MAX];
        char message[ERR_MESSAGE_MAX];
};

/* Facts about a code; every code has them. */
int err_status(enum err_code code);
const char *err_slug(enum err_code code);
const char *err_title(enum err_code code);
/* "ACTION_NOT_PENDING": stable, for logs and tests. */
const char *err_name(enum err_code code);
/* Whether the message may carry details of our inside and must stay in our logs. */
bool err_is_internal(enum err_code code);

/* Fills err and returns false, so that `return err_set(err, …)` reads well. */
bool err_set(struct err *err, enum err_code code, const char *format, ...) PRINTF_LIKE(3, 4);
bool err_setv(struct err *err, enum err_code code, const char *format, va_list args) PRINTF_LIKE(3, 0);

/* As err_set, with the place in the input. */
bool err_set_at(struct err *err, enum err_code code, const char *place, const char *format, ...)
        PRINTF_LIKE(4, 5);

/* For a system call that failed: code, "message: strerror(number)". */
bool err_set_errno(struct err *err, enum err_code code, int number, const char *format, ...)
        PRINTF_LIKE(4, 5);

/* Puts "prefix: " before the message that stands. Returns false. */
bool err_prefix(struct err *err, const char *format, ...) PRINTF_LIKE(2, 3);

void err_clear(struct err *err);
