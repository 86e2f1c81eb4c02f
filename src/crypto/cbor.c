/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/cbor.h"

/* The head's argument: in the five low bits, or in the 1, 2, 4 or 8 bytes after it, whichever is shortest.
 */
static bool read_argument(struct cbor *cbor, uint8_t low, uint64_t *ret)
{
        static const uint64_t least[] = {24, 0x100, 0x10000, 0x100000000};
        size_t size;

        if (low < 24) {
                *ret = low;
                return true;
        }
        if (low > 27) /* reserved, or of indefinite length */
                return false;
        size = (size_t)1 << (low - 24);
        if ((size_t)(cbor->end - cbor->at) < size)
                return false;
        *ret = 0;
        for (size_t i = 0; i < size; i++)
                *ret = *ret << 8 | *cbor->at++;
        return *ret >= least[low - 24];
}

bool cbor_read(struct cbor *cbor, struct cbor_item *ret)
{
        static const enum cbor_type types[] = {CBOR_UNSIGNED, CBOR_NEGATIVE, CBOR_BYTES,
                                               CBOR_TEXT,     CBOR_ARRAY,    CBOR_MAP};
        uint8_t head;

        if (cbor_is_over(cbor))
                return false;
        head = *cbor->at++;
        *ret = (struct cbor_item){0};
        if (head == 0xf4 || head == 0xf5 || head == 0xf6) {
                ret->type = head == 0xf4 ? CBOR_FALSE : head == 0xf5 ? CBOR_TRUE : CBOR_NULL;
                return true;
        }
        if (head >> 5 >= sizeof(types) / sizeof(types[0])) /* a tag, a float, another simple value */
                return false;
        ret->type = types[head >> 5];
        if (!read_argument(cbor, head & 0x1f, &ret->value))
                return false;
        if (ret->type == CBOR_BYTES || ret->type == CBOR_TEXT) {
                if (ret->value > (uint64_t)(cbor->end - cbor->at))
                        return false;
                ret->bytes = str_make(cbor->at, (size_t)ret->value);
                cbor->at += ret->value;
                return ret->type == CBOR_BYTES || str_is_utf8(ret->bytes);
        }
        /* Each item takes a byte at least: a count that cannot be true ends here and costs nothing. */
        if (ret->type == CBOR_ARRAY)
                return ret->value <= (uint64_t)(cbor->end - cbor->at);
        if (ret->type == CBOR_MAP)
                return ret->value <= (uint64_t)(cbor->end - cbor->at) / 2;
        return true;
}

bool cbor_skip(struct cbor *cbor)
{
        uint64_t left[CBOR_DEPTH_MAX + 1] = {1};
        unsigned depth = 0;

        for (;;) {
                struct cbor_item item;

                while (left[depth] == 0) {
                        if (depth == 0)
                                return true;
                        depth--;
                }
                left[depth]--;
                if (!cbor_read(cbor, &item))
                        return false;
                if (item.type != CBOR_ARRAY && item.type != CBOR_MAP)
                        continue;
                if (depth == CBOR_DEPTH_MAX)
                        return false;
                left[++depth] = item.type == CBOR_MAP ? 2 * item.value : item.value;
        }
}

bool cbor_read_int(struct cbor *cbor, int64_t *ret)
{
        struct cbor_item item;

        if (!cbor_read(cbor, &item) || item.value > INT64_MAX)
                return false;
        *ret = item.type == CBOR_NEGATIVE ? -1 - (int64_t)item.value : (int64_t)item.value;
        return item.type == CBOR_UNSIGNED || item.type == CBOR_NEGATIVE;
}

bool cbor_read_text(struct cbor *cbor, struct str *ret)
{
        struct cbor_item item;

        if (!cbor_read(cbor, &item) || item.type != CBOR_TEXT)
                return false;
        *ret = item.bytes;
        return true;
}

bool cbor_read_bytes(struct cbor *cbor, struct str *ret)
{
        struct cbor_item item;

        if (!cbor_read(cbor, &item) || item.type != CBOR_BYTES)
                return false;
        *ret = item.bytes;
        return true;
}

bool cbor_read_map(struct cbor *cbor, uint64_t *ret_pairs)
{
        struct cbor_item item;

        if (!cbor_read(cbor, &item) || item.type != CBOR_MAP)
                return false;
        *ret_pairs = item.value;
        return true;
}
