/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies: RFC 9112 sections 6 and 7. */
#include "io/http_parse.h"

enum {
        /* Of chunk extensions and trailers in one message; nobody needs them. */
        EXTRA_MAX_BYTES = 4096,
        /* 60 bits: no overflow. */
        SIZE_DIGITS_MAX = 15,
};

enum chunk_state {
        CHUNK_SIZE,
        CHUNK_EXTENSION,
        CHUNK_SIZE_LF,
        CHUNK_DATA,
        CHUNK_DATA_CR,
        CHUNK_DATA_LF,
        TRAILER_LINE,
        TRAILER_NAME,
        TRAILER_VALUE,
        TRAILER_LF,
        TRAILER_END_LF,
};

static bool broken(struct err *err, const char *what)
{
        return err_set(err, ERR_BAD_REQUEST, "the chunked body is malformed: %s", what);
}

static bool chunk_size_byte(struct http_body *body, char c, struct err *err)
{
        int digit = str_hex_digit(c);

        if (digit >= 0) {
                if (++body->digits > SIZE_DIGITS_MAX)
                        return broken(err, "a chunk size that is too long");
                body->left = body->left << 4 | (unsigned)digit;
                return true;
        }
        if (body->digits == 0)
                return broken(err, "no chunk size");
        if (c == ';')
                body->state = CHUNK_EXTENSION;
        else if (c == '\r')
                body->state = CHUNK_SIZE_LF;
        else
                return broken(err, "a chunk size that is no hexadecimal number");
        return true;
}

/* One byte outside of a chunk's data. */
static bool chunk_byte(struct http_body *body, char c, struct err *err)
{
        switch ((enum chunk_state)body->state) {
        case CHUNK_SIZE:
                return chunk_size_byte(body, c, err);
        case CHUNK_EXTENSION:
                if (c == '\r')
                        body->state = CHUNK_SIZE_LF;
                else if (!http_value_is_safe(str_make(&c, 1)))
                        return broken(err, "a control character in a chunk extension");
                break;
        case CHUNK_SIZE_LF:
                if (c != '\n')
                        return broken(err, "a CR without LF");
                body->digits = 0;
                body->state = body->left > 0 ? CHUNK_DATA : TRAILER_LINE;
                return true;
        case CHUNK_DATA_CR:
                if (c != '\r')
                        return broken(err, "a chunk longer than its size");
                body->state = CHUNK_DATA_LF;
                return true;
        case CHUNK_DATA_LF:
                if (c != '\n')
                        return broken(err, "a CR without LF");
                body->state = CHUNK_SIZE;
                return true;
        case TRAILER_LINE:
                if (c == '\r') {
                        body->state = TRAILER_END_LF;
                        return true;
                }
                body->state = TRAILER_NAME;
                if (!http_token_is_valid(str_make(&c, 1)))
                        return broken(err, "a malformed trailer");
                break;
        case TRAILER_NAME:
                if (c == ':')
                        body->state = TRAILER_VALUE;
                else if (!http_token_is_valid(str_make(&c, 1)))
                        return broken(err, "a malformed trailer");
                break;
        case TRAILER_VALUE:
                if (c == '\r')
                        body->state = TRAILER_LF;
                else if (!http_value_is_safe(str_make(&c, 1)))
                        return broken(err, "a control character in a trailer");
                break;
        case TRAILER_LF:
                if (c != '\n')
                        return broken(err, "a CR without LF");
                body->state = TRAILER_LINE;
                return true;
        case TRAILER_END_LF:
                if (c != '\n')
                        return broken(err, "a CR without LF");
                body->done = true;
                return true;
        case CHUNK_DATA:
                break;
        }
        if (++body->extra_bytes > EXTRA_MAX_BYTES)
                return broken(err, "too many chunk extensions or trailers");
        return true;
}

/* How much of `in` belongs to this body and is well-formed: all, or up to its end. */
static bool chunked_check(struct http_body *body, struct str in, size_t *ret_len, struct err *err)
{
        size_t at = 0;

        while (at < in.len && !body->done) {
                if (body->state == CHUNK_DATA) {
                        size_t take = in.len - at < body->left ? in.len - at : (size_t)body->left;

                        at += take;
                        body->left -= take;
                        if (body->left == 0)
                                body->state = CHUNK_DATA_CR;
                        continue;
                }
                if (!chunk_byte(body, in.ptr[at++], err))
                        return false;
        }
        *ret_len = at;
        return true;
}

static bool chunked_decode(struct http_body *body, struct str in, char *out, size_t *ret_consumed,
                           size_t *ret_produced, struct err *err)
{
        llhttp_errno_t rc;

        if (!chunked_check(body, in, ret_consumed, err))
                return false;
        body->out = out;
        body->out_len = 0;
        rc = llhttp_execute(&body->llhttp, in.ptr, *ret_consumed);
        if (rc != HPE_OK && !(rc == HPE_PAUSED && body->llhttp_done))
                return broken(err, llhttp_get_error_reason(&body->llhttp));
        if (body->llhttp_done != body->done)
                return broken(err, "its end is ambiguous");
        *ret_produced = body->out_len;
        return true;
}

bool http_body_decode(struct http_body *body, struct str in, char *out, size_t size_bytes,
                      size_t *ret_consumed, size_t *ret_produced, struct err *err)
{
        *ret_consumed = *ret_produced = 0;
        if (in.len > size_bytes)
                in.len = size_bytes;
        if (body->done || in.len == 0)
                return true;
        if (body->framing == HTTP_FRAMING_CHUNKED)
                return chunked_decode(body, in, out, ret_consumed, ret_produced, err);
        if (body->framing == HTTP_FRAMING_LENGTH && in.len > body->left)
                in.len = (size_t)body->left;
        memmove(out, in.ptr, in.len);
        *ret_consumed = *ret_produced = in.len;
        if (body->framing == HTTP_FRAMING_LENGTH) {
                body->left -= in.len;
                body->done = body->left == 0;
        }
        return true;
}
