/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Structured log lines for operators, on standard error: JSON or text. This is
 * not the tamper-evident log of src/log. The boundary logs once; leaf code
 * returns errors instead.
 *
 *   log_line(LOG_INFO, "executor connected", LOG_STR("executor", id), LOG_INT("seq", 4));
 *
 * One write(2) for each line. Safe from any thread. Never pass a secret.
 */
#pragma once

#include "base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_JSON };

struct log_field {
        const char *key;
        struct str text; /* used when is_number is false */
        int64_t number;
        bool is_number;
};

#define LOG_STR(k, s) ((struct log_field){.key = (k), .text = (s)})
#define LOG_C(k, s) ((struct log_field){.key = (k), .text = str_from(s)})
#define LOG_INT(k, n) ((struct log_field){.key = (k), .number = (n), .is_number = true})

#define log_line(level, message, ...)                                                                       \
        log_write((level), (message), (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){0}})

/* Fields end with one whose key is NULL. */
void log_write(enum log_level level, const char *message, const struct log_field *fields);

void log_configure(enum log_level least, enum log_format format);
bool log_enabled(enum log_level level);
/* The default is standard error. Borrowed, not closed. */
void log_set_fd(int fd);
