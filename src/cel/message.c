/* SPDX-License-Identifier: Apache-2.0 */
#include "cel/ast.h"

#include <stdio.h>

/* The part of a long line that is shown, in bytes, around the offset. */
enum { EXCERPT_BEFORE = 60, EXCERPT_MAX = 100 };

static bool is_continuation(char c)
{
        return ((unsigned char)c & 0xC0) == 0x80;
}

static uint32_t count_characters(const char *text, size_t len)
{
        uint32_t count = 0;

        for (size_t i = 0; i < len; i++)
                count += !is_continuation(text[i]);
        return count;
}

/* The excerpt's line: tabs become blanks, so that the caret stands right. */
static size_t append_excerpt(char *text, size_t size, struct str source, size_t from, size_t to)
{
        size_t at = 0;

        for (size_t i = from; i < to && at + 1 < size; i++)
                text[at++] = (unsigned char)source.ptr[i] < ' ' ? ' ' : source.ptr[i];
        text[at] = '\0';
        return at;
}

bool cel_message_at(struct err *err, enum err_code code, struct str source, uint32_t offset,
                    const char *format, ...)
{
        uint32_t line = 1;
        size_t line_start = 0;
        size_t line_end;
        size_t from;
        char message[300];
        char excerpt[EXCERPT_MAX + 8];
        va_list args;

        if (offset > source.len)
                offset = (uint32_t)source.len;
        for (size_t i = 0; i < offset; i++) {
                if (source.ptr[i] == '\n') {
                        line++;
                        line_start = i + 1;
                }
        }
        for (line_end = line_start; line_end < source.len && source.ptr[line_end] != '\n';)
                line_end++;
        from = offset - line_start > EXCERPT_BEFORE ? offset - EXCERPT_BEFORE : line_start;
        while (from < offset && is_continuation(source.ptr[from]))
                from++;
        if (line_end - from > EXCERPT_MAX)
                line_end = from + EXCERPT_MAX;
        while (line_end < source.len && is_continuation(source.ptr[line_end]))
                line_end++;

        va_start(args, format);
        vsnprintf(message, sizeof(message), format, args);
        va_end(args);
        append_excerpt(excerpt, sizeof(excerpt), source, from, line_end);
        err_set(err, code, "%s\n  %s\n  %*s", message, excerpt,
                (int)(count_characters(source.ptr + from, offset - from) + 1), "^");
        snprintf(err->place, sizeof(err->place), "%u:%u", line,
                 count_characters(source.ptr + line_start, offset - line_start) + 1);
        return false;
}

enum { NEAREST_LEN_MAX = 40 };

void nearest_init(struct nearest *nearest, struct str name)
{
        *nearest = (struct nearest){name, STR_NULL, (uint32_t)(name.len < 3 ? 1 : name.len / 3) + 1};
}

/* Edits between two names: insert, delete, replace (Levenshtein, one row at a time). */
static uint32_t edit_distance(struct str a, struct str b)
{
        uint32_t row[NEAREST_LEN_MAX + 1];

        for (uint32_t j = 0; j <= b.len; j++)
                row[j] = j;
        for (uint32_t i = 1; i <= a.len; i++) {
                uint32_t diagonal = row[0];

                row[0] = i;
                for (uint32_t j = 1; j <= b.len; j++) {
                        uint32_t best = diagonal + (a.ptr[i - 1] != b.ptr[j - 1]);

                        diagonal = row[j];
                        best = row[j] + 1 < best ? row[j] + 1 : best;
                        best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
                        row[j] = best;
                }
        }
        return row[b.len];
}

void nearest_offer(struct nearest *nearest, struct str candidate)
{
        uint32_t distance;

        if (candidate.len > NEAREST_LEN_MAX || nearest->name.len > NEAREST_LEN_MAX || candidate.len == 0)
                return;
        distance = edit_distance(nearest->name, candidate);
        if (distance < nearest->distance) {
                nearest->distance = distance;
                nearest->best = candidate;
        }
}
