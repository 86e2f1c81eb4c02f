/* SPDX-License-Identifier: Apache-2.0 */
/* What the generated encoders (tools/apigen.py) are made of: each appends one JSON value. */
#pragma once

#include "api/decode.h"
#include "base/buf.h"

void encode_base64(struct buf *buf, struct str bytes);
void encode_bool(struct buf *buf, bool value);
/* RFC 3339 in UTC with milliseconds. */
void encode_time(struct buf *buf, int64_t time_ms);
/* A word of the contract, which needs no escapes. */
void encode_word(struct buf *buf, const char *word);
/* The text if there is one, else the tree in RFC 8785 form, else null. */
void encode_raw(struct buf *buf, const struct api_json *value);
void encode_pairs(struct buf *buf, const struct api_pair *pairs, size_t count);
