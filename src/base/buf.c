/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include "base/heap.h"

#include <stdio.h>

enum { BUF_FIRST_BYTES = 256 };

void buf_init(struct buf *buf, size_t cap_bytes)
{
        *buf = (struct buf){.cap_bytes = cap_bytes};
}

void buf_reset(struct buf *buf)
{
        buf->len = 0;
        buf->failed = false;
        buf->capped = false;
        if (buf->ptr)
                buf->ptr[0] = '\0';
}

void buf_done(struct buf *buf)
{
        if (!buf)
                return;
        if (buf->zeroing && buf->ptr)
                explicit_bzero(buf->ptr, buf->size_bytes);
        heap_free(buf->ptr);
        buf_init(buf, buf->cap_bytes);
}

void buf_done_zeroing(struct buf *buf)
{
        if (buf)
                buf->zeroing = true;
        buf_done(buf);
}

/* As realloc, which may leave what it moves behind. */
static char *grow(struct buf *buf, size_t size_bytes)
{
        char *grown;

        if (!buf->zeroing || !buf->ptr)
                return heap_realloc(buf->ptr, size_bytes);
        grown = heap_alloc(size_bytes);
        if (!grown)
                return NULL;
        memcpy(grown, buf->ptr, buf->len + 1);
        explicit_bzero(buf->ptr, buf->size_bytes);
        heap_free(buf->ptr);
        return grown;
}

char *buf_reserve(struct buf *buf, size_t len)
{
        size_t need;
        size_t size;
        char *grown;

        if (buf->failed)
                return NULL;
        if (__builtin_add_overflow(buf->len, len, &need) || need > buf->cap_bytes) {
                buf->failed = true;
                buf->capped = true;
                return NULL;
        }
        if (buf->ptr && need <= buf->size_bytes)
                return buf->ptr + buf->len;
        size = buf->size_bytes > 0 ? buf->size_bytes : BUF_FIRST_BYTES;
        while (size < need)
                size = size > buf->cap_bytes / 2 ? buf->cap_bytes : size * 2;
        if (size > buf->cap_bytes)
                size = buf->cap_bytes;
        grown = grow(buf, size + 1);
        if (!grown) {
                buf->failed = true;
                return NULL;
        }
        buf->ptr = grown;
        buf->size_bytes = size;
        return buf->ptr + buf->len;
}

void buf_advance(struct buf *buf, size_t len)
{
        buf->len += len;
        buf->ptr[buf->len] = '\0';
}

void buf_consume(struct buf *buf, size_t len)
{
        if (len > buf->len)
                len = buf->len;
        if (len == 0)
                return;
        memmove(buf->ptr, buf->ptr + len, buf->len - len + 1);
        buf->len -= len;
}

void buf_append_growing(struct buf *buf, const void *bytes, size_t len)
{
        char *to = buf_reserve(buf, len);

        if (!to)
                return;
        if (len > 0)
                memcpy(to, bytes, len);
        buf_advance(buf, len);
}

void buf_append_u64(struct buf *buf, uint64_t value)
{
        char digits[20];
        size_t at = sizeof(digits);

        do {
                digits[--at] = (char)('0' + value % 10);
                value /= 10;
        } while (value > 0);
        buf_append(buf, digits + at, sizeof(digits) - at);
}

void buf_append_i64(struct buf *buf, int64_t value)
{
        if (value < 0)
                buf_append_char(buf, '-');
        buf_append_u64(buf, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void buf_printf(struct buf *buf, const char *format, ...)
{
        va_list args;
        char *to;
        int len;

        va_start(args, format);
        len = vsnprintf(NULL, 0, format, args);
        va_end(args);
        if (len < 0) {
                buf->failed = true;
                return;
        }
        to = buf_reserve(buf, (size_t)len);
        if (!to)
                return;
        va_start(args, format);
        (void)vsnprintf(to, (size_t)len + 1, format, args);
        va_end(args);
        buf_advance(buf, (size_t)len);
}

bool buf_check(const struct buf *buf, const char *what, struct err *err)
{
        if (!buf->failed)
                return true;
        if (buf->capped)
                return err_set(err, ERR_BODY_TOO_LARGE, "%s is larger than the %zu bytes allowed", what,
                               buf->cap_bytes);
        return err_set(err, ERR_NO_MEMORY, "no memory for %s", what);
}
