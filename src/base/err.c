/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <stdio.h>
#include <string.h>

struct err_row {
        int status;
        const char *name;
        const char *slug;
        const char *title;
};

static const struct err_row rows[ERR_COUNT] = {
        [ERR_NONE] = {200, "NONE", "none", "No error"},
#define ERROR(name, status, slug, title) [ERR_##name] = {status, #name, slug, title},
#include "errors.def"
#undef ERROR
};

static const struct err_row *err_row(enum err_code code)
{
        return code > ERR_NONE && code < ERR_COUNT ? &rows[code] : &rows[ERR_NONE];
}

int err_status(enum err_code code)
{
        return err_row(code)->status;
}

const char *err_slug(enum err_code code)
{
        return err_row(code)->slug;
}

const char *err_title(enum err_code code)
{
        return err_row(code)->title;
}

const char *err_name(enum err_code code)
{
        return err_row(code)->name;
}

bool err_is_internal(enum err_code code)
{
        return err_status(code) == 500 && code != ERR_WRITE_UNCERTAIN;
}

bool err_setv(struct err *err, enum err_code code, const char *format, va_list args)
{
        /* The arguments may point into err->message itself. */
        char message[ERR_MESSAGE_MAX];

        (void)vsnprintf(message, sizeof(message), format, args);
        err->code = code;
        err->place[0] = '\0';
        memcpy(err->message, message, sizeof(message));
        return false;
}

bool err_set(struct err *err, enum err_code code, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        (void)err_setv(err, code, format, args);
        va_end(args);
        return false;
}

bool err_set_at(struct err *err, enum err_code code, const char *place, const char *format, ...)
{
        char copy[ERR_PLACE_MAX];
        va_list args;

        (void)snprintf(copy, sizeof(copy), "%s", place);
        va_start(args, format);
        (void)err_setv(err, code, format, args);
        va_end(args);
        memcpy(err->place, copy, sizeof(copy));
        return false;
}

bool err_set_errno(struct err *err, enum err_code code, int number, const char *format, ...)
{
        char reason[128];
        va_list args;
        size_t len;

        va_start(args, format);
        (void)err_setv(err, code, format, args);
        va_end(args);
        len = strlen(err->message);
        /* The GNU strerror_r may return a string of its own. */
        (void)snprintf(err->message + len, sizeof(err->message) - len, ": %s",
                       strerror_r(number, reason, sizeof(reason)));
        return false;
}

bool err_prefix(struct err *err, const char *format, ...)
{
        char message[ERR_MESSAGE_MAX];
        va_list args;
        int len;

        va_start(args, format);
        len = vsnprintf(message, sizeof(message), format, args);
        va_end(args);
        if (len < 0 || (size_t)len >= sizeof(message) - 3)
                return false;
        (void)snprintf(message + len, sizeof(message) - (size_t)len, ": %s", err->message);
        memcpy(err->message, message, sizeof(message));
        return false;
}

void err_clear(struct err *err)
{
        err->code = ERR_NONE;
        err->place[0] = '\0';
        err->message[0] = '\0';
}
