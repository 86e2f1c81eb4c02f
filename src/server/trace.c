/* SPDX-License-Identifier: Apache-2.0 */
#include "server/trace.h"

enum { ID_AT = 3, ID_LEN = 32, PARENT_AT = 36, PARENT_LEN = 16, FLAGS_AT = 53, LENGTH = 55 };

static bool is_hex(struct str text)
{
        for (size_t i = 0; i < text.len; i++) {
                char c = text.ptr[i];

                if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))
                        return false;
        }
        return true;
}

static bool is_zero(struct str text)
{
        for (size_t i = 0; i < text.len; i++)
                if (text.ptr[i] != '0')
                        return false;
        return true;
}

bool trace_parent_is_valid(struct str header)
{
        bool version_zero = str_starts(header, STR("00"));

        if (header.len < LENGTH || !is_hex(str_slice(header, 0, 2)) || str_starts(header, STR("ff")))
                return false;
        /* Section 4: a later version may be longer, after another dash. */
        if (version_zero ? header.len != LENGTH : header.len > LENGTH && header.ptr[LENGTH] != '-')
                return false;
        if (header.ptr[ID_AT - 1] != '-' || header.ptr[PARENT_AT - 1] != '-' ||
            header.ptr[FLAGS_AT - 1] != '-')
                return false;
        return is_hex(str_slice(header, ID_AT, ID_LEN)) && !is_zero(str_slice(header, ID_AT, ID_LEN)) &&
               is_hex(str_slice(header, PARENT_AT, PARENT_LEN)) &&
               !is_zero(str_slice(header, PARENT_AT, PARENT_LEN)) && is_hex(str_slice(header, FLAGS_AT, 2));
}

struct str trace_id(struct str header)
{
        return str_slice(header, ID_AT, ID_LEN);
}
