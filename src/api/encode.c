/* SPDX-License-Identifier: Apache-2.0 */
#include "api/encode.h"

#include "base/base64.h"
#include "base/clock.h"
#include "base/json_write.h"

void encode_base64(struct buf *buf, struct str bytes)
{
        buf_append_char(buf, '"');
        base64_append(buf, bytes);
        buf_append_char(buf, '"');
}

void encode_bool(struct buf *buf, bool value)
{
        if (value)
                buf_append(buf, "true", 4);
        else
                buf_append(buf, "false", 5);
}

void encode_time(struct buf *buf, int64_t time_ms)
{
        char text[CLOCK_RFC3339_SIZE];

        clock_format(time_ms, text);
        encode_word(buf, text);
}

void encode_word(struct buf *buf, const char *word)
{
        buf_append_char(buf, '"');
        buf_append_c(buf, word);
        buf_append_char(buf, '"');
}

void encode_raw(struct buf *buf, const struct api_json *value)
{
        if (value->text.ptr)
                buf_append_str(buf, value->text);
        else if (value->value)
                json_append_canonical(buf, value->value);
        else
                buf_append(buf, "null", 4);
}

void encode_pairs(struct buf *buf, const struct api_pair *pairs, size_t count)
{
        buf_append_char(buf, '{');
        for (size_t i = 0; i < count; i++) {
                if (i > 0)
                        buf_append_char(buf, ',');
                json_append_string(buf, pairs[i].key);
                buf_append_char(buf, ':');
                json_append_string(buf, pairs[i].value);
        }
        buf_append_char(buf, '}');
}
