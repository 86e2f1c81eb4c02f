/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes JSON (RFC 8259) into a buffer. Commas are placed by the writer; the
 * caller opens and closes. Strings are escaped the way RFC 8785 section
 * 3.2.2.2 does it, so that a caller that writes its keys in order writes JCS.
 *
 * A string that is not UTF-8 has each bad byte replaced by U+FFFD.
 */
#pragma once

#include "base/buf.h"

enum { JSON_WRITE_DEPTH_MAX = 64 };

struct json_writer {
        struct buf *buf;
        unsigned depth;
        uint64_t has_members; /* bit d: level d has a member already */
        bool after_key;
};

void json_writer_init(struct json_writer *w, struct buf *buf);

void json_object_begin(struct json_writer *w);
void json_object_end(struct json_writer *w);
void json_array_begin(struct json_writer *w);
void json_array_end(struct json_writer *w);

void json_key(struct json_writer *w, const char *key);
void json_key_str(struct json_writer *w, struct str key);
void json_str(struct json_writer *w, struct str value);
void json_c(struct json_writer *w, const char *value);
void json_int(struct json_writer *w, int64_t value);
void json_bool(struct json_writer *w, bool value);
void json_null(struct json_writer *w);
/* ECMAScript's shortest form (RFC 8785 section 3.2.2.3); NaN and infinities become null. */
void json_double(struct json_writer *w, double value);
/* A value that is JSON already. */
void json_raw(struct json_writer *w, struct str json);
/* Standard base64 with padding, in quotes. */
void json_base64(struct json_writer *w, struct str bytes);
/* RFC 3339, in quotes. */
void json_time(struct json_writer *w, int64_t time_ms);

/* Key and value at once. */
void json_field_str(struct json_writer *w, const char *key, struct str value);
void json_field_c(struct json_writer *w, const char *key, const char *value);
void json_field_int(struct json_writer *w, const char *key, int64_t value);
void json_field_bool(struct json_writer *w, const char *key, bool value);

/* Only the quoted, escaped string. */
void json_append_string(struct buf *buf, struct str value);
/* Only the number, as json_double. */
void json_append_double(struct buf *buf, double value);
