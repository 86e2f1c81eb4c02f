/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log_line.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/json_write.h"

#include <stdatomic.h>
#include <unistd.h>

enum { LINE_CAP_BYTES = 16384, LINE_ORDINARY_BYTES = 500 };

static _Atomic(int) least_level = LOG_INFO;
static _Atomic(int) line_format = LOG_TEXT;
static _Atomic(int) line_fd = STDERR_FILENO;

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_configure(enum log_level least, enum log_format format)
{
        least_level = (int)least;
        line_format = (int)format;
}

bool log_enabled(enum log_level level)
{
        return (int)level >= least_level;
}

void log_set_fd(int fd)
{
        line_fd = fd;
}

static void write_json(struct buf *line, const char *time, enum log_level level, const char *message,
                       const struct log_field *fields)
{
        struct json_writer w;

        json_writer_init(&w, line);
        json_object_begin(&w);
        json_key(&w, "time");
        json_c(&w, time);
        json_key(&w, "level");
        json_c(&w, level_names[level]);
        json_key(&w, "message");
        json_c(&w, message);
        for (; fields->key; fields++) {
                json_key(&w, fields->key);
                if (fields->is_number)
                        json_int(&w, fields->number);
                else
                        json_str(&w, fields->text);
        }
        json_object_end(&w);
}

static bool text_is_plain(struct str text)
{
        for (size_t i = 0; i < text.len; i++)
                if (text.ptr[i] <= ' ' || text.ptr[i] == '"' || text.ptr[i] == '=' || text.ptr[i] >= 127)
                        return false;
        return text.len > 0;
}

static void write_text(struct buf *line, const char *time, enum log_level level, const char *message,
                       const struct log_field *fields)
{
        buf_append_c(line, time);
        buf_append_char(line, ' ');
        buf_append_c(line, level_names[level]);
        buf_append_c(line, strlen(level_names[level]) < 5 ? "  " : " ");
        buf_append_c(line, message);
        for (; fields->key; fields++) {
                buf_append_char(line, ' ');
                buf_append_c(line, fields->key);
                buf_append_char(line, '=');
                if (fields->is_number)
                        buf_append_i64(line, fields->number);
                else if (text_is_plain(fields->text))
                        buf_append_str(line, fields->text);
                else
                        json_append_string(line, fields->text); /* quotes, and no raw control bytes */
        }
}

void log_write(enum log_level level, const char *message, const struct log_field *fields)
{
        char time[CLOCK_RFC3339_SIZE];
        BUF_SCOPED line = {0};
        ssize_t written;

        if (!log_enabled(level))
                return;
        buf_init(&line, LINE_CAP_BYTES);
        (void)buf_reserve(&line, LINE_ORDINARY_BYTES);
        clock_format(clock_now_ms(), time);
        if (line_format == LOG_JSON)
                write_json(&line, time, level, message, fields);
        else
                write_text(&line, time, level, message, fields);
        buf_append_char(&line, '\n');
        if (line.failed)
                return;
        /* A log that cannot be written must not stop the work. */
        written = write(line_fd, line.ptr, line.len);
        (void)written;
}
