/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Growable buffers that state their cap where they are initialised (curl's
 * dynbuf). Failure is sticky: append as often as you like, check once with
 * buf_check. A failed buffer keeps what it had and takes nothing more.
 *
 * The bytes are always followed by a NUL that does not count.
 */
#pragma once

#include "base/arena.h"

struct buf {
        char *ptr;
        size_t len;
        size_t size_bytes; /* allocated, without the NUL */
        size_t cap_bytes;
        bool failed;
        bool capped;  /* failed because of the cap, not for want of memory */
        bool zeroing; /* for secrets, set it after buf_init: what is given back is wiped, also when it grows
                       */
};

void buf_init(struct buf *buf, size_t cap_bytes);
/* Keeps the memory. */
void buf_reset(struct buf *buf);
void buf_done(struct buf *buf);
/* Wipes before it frees. */
void buf_done_zeroing(struct buf *buf);
#define BUF_SCOPED __attribute__((cleanup(buf_done))) struct buf

void buf_append_growing(struct buf *buf, const void *bytes, size_t len); /* use buf_append */

/* Inline: writers append a few bytes at a time and nearly always find room. */
static inline void buf_append(struct buf *buf, const void *bytes, size_t len)
{
        if (!buf->ptr || buf->failed || buf->size_bytes - buf->len < len) {
                buf_append_growing(buf, bytes, len);
                return;
        }
        if (len > 0)
                memcpy(buf->ptr + buf->len, bytes, len);
        buf->len += len;
        buf->ptr[buf->len] = '\0';
}

static inline void buf_append_str(struct buf *buf, struct str s)
{
        buf_append(buf, s.ptr, s.len);
}

static inline void buf_append_c(struct buf *buf, const char *c_string)
{
        buf_append(buf, c_string, strlen(c_string));
}

static inline void buf_append_char(struct buf *buf, char c)
{
        buf_append(buf, &c, 1);
}

void buf_append_i64(struct buf *buf, int64_t value);
void buf_append_u64(struct buf *buf, uint64_t value);
void buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);

/* Room for `len` more bytes at buf->ptr + buf->len, or NULL; then buf_advance. */
char *buf_reserve(struct buf *buf, size_t len);
void buf_advance(struct buf *buf, size_t len);
/* Drops bytes at the front. */
void buf_consume(struct buf *buf, size_t len);

static inline struct str buf_str(const struct buf *buf)
{
        return str_make(buf->len > 0 ? buf->ptr : "", buf->len);
}

/* False and an error (`what` names the content) when any append failed. */
bool buf_check(const struct buf *buf, const char *what, struct err *err) MUST_USE;
