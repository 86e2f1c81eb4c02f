/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads CBOR (RFC 8949) in the form that authenticators write: the CTAP2
 * canonical form (CTAP 2.1 section 8). Definite lengths, shortest integers and
 * lengths, no tags, no floats, no simple values but false, true and null.
 * Anything else is no CBOR here. Nothing is copied and nothing allocated; an
 * item costs as much as its head.
 */
#pragma once

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum cbor_type {
        CBOR_UNSIGNED,
        CBOR_NEGATIVE, /* -1 - value */
        CBOR_BYTES,
        CBOR_TEXT,
        CBOR_ARRAY,
        CBOR_MAP,
        CBOR_FALSE,
        CBOR_TRUE,
        CBOR_NULL,
};

enum { CBOR_DEPTH_MAX = 4 /* CTAP 2.1 section 8: at most four levels */ };

struct cbor_item {
        enum cbor_type type;
        uint64_t value;   /* the number; how many items (arrays) or pairs (maps) follow */
        struct str bytes; /* of byte and text strings; a view into what is read */
};

struct cbor {
        const uint8_t *at;
        const uint8_t *end;
};

static inline struct cbor cbor_of(struct str bytes)
{
        const uint8_t *at = (const uint8_t *)bytes.ptr;

        return (struct cbor){at, bytes.len > 0 ? at + bytes.len : at};
}

static inline bool cbor_is_over(const struct cbor *cbor)
{
        return cbor->at == cbor->end;
}

/* The next item; of an array or a map only its head. False when it is malformed or cut off. */
bool cbor_read(struct cbor *cbor, struct cbor_item *ret) __attribute__((warn_unused_result));
/* Past the next item, all of it. */
bool cbor_skip(struct cbor *cbor) __attribute__((warn_unused_result));
/* The next item when it is an integer within int64. */
bool cbor_read_int(struct cbor *cbor, int64_t *ret) __attribute__((warn_unused_result));
/* The next item's text or bytes, or the count of a map; false for another type. */
bool cbor_read_text(struct cbor *cbor, struct str *ret) __attribute__((warn_unused_result));
bool cbor_read_bytes(struct cbor *cbor, struct str *ret) __attribute__((warn_unused_result));
bool cbor_read_map(struct cbor *cbor, uint64_t *ret_pairs) __attribute__((warn_unused_result));
