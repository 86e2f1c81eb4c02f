/* SPDX-License-Identifier: Apache-2.0 */
#include "log/audit_format.h"
#include "base/base64.h"
#include "base/json.h"
#include "base/json_write.h"

void audit_append_header(struct buf *buf, struct str note, struct str vkey)
{
        struct json_writer w;
        json_writer_init(&w, buf);
        json_object_begin(&w);
        json_field_str(&w, "checkpoint", note);
        json_field_c(&w, "format", AUDIT_FORMAT);
        json_field_str(&w, "vkey", vkey);
        json_object_end(&w);
        buf_append_char(buf, '\n');
}

void audit_append_tile(struct buf *buf, uint64_t index, struct str hashes)
{
        buf_append_str(buf, AUDIT_TILE_LINE);
        base64_append(buf, hashes);
        buf_append_c(buf, "\",\"index\":");
        buf_append_u64(buf, index);
        buf_append_c(buf, "}}\n");
}

bool audit_parse_header(struct arena *arena, struct str line, struct str *ret_note, struct str *ret_vkey,
                        struct err *err)
{
        struct json header;
        if (!json_parse(arena, line, &header, err)) {
                if (err->code == ERR_NO_MEMORY)
                        return false;
                err->code = ERR_PROOF_INVALID;
                return err_prefix(err, "the first line is not the header of an export");
        }
        *ret_note = json_get_string(&header, "checkpoint");
        *ret_vkey = json_get_string(&header, "vkey");
        struct str format = json_get_string(&header, "format");
        if (!str_is(format, AUDIT_FORMAT))
                return err_set(err, ERR_PROOF_INVALID, "the first line does not say \"format\":\"%s\"",
                               AUDIT_FORMAT);
        if (!ret_note->ptr || !ret_vkey->ptr)
                return err_set(err, ERR_PROOF_INVALID, "the first line has no checkpoint or no vkey");
        /* There is one spelling of a header; another one was not written by a log. */
        BUF_SCOPED again;
        buf_init(&again, line.len * 2 + 256);
        audit_append_header(&again, *ret_note, *ret_vkey);
        if (!buf_check(&again, "the header", err))
                return false;
        if (again.len != line.len + 1 || memcmp(again.ptr, line.ptr, line.len) != 0)
                return err_set(err, ERR_PROOF_INVALID, "the first line is not as a log writes it");
        return true;
}

bool audit_parse_tile(struct arena *arena, struct str line, uint64_t *ret_index, struct str *ret_hashes)
{
        struct str rest = line, text;
        if (!str_starts(line, AUDIT_TILE_LINE))
                return false;
        rest = str_slice(line, AUDIT_TILE_LINE.len, line.len);
        if (!str_cut(&rest, '"', &text) || !base64_decode(arena, text, ret_hashes) ||
            ret_hashes->len % SHA256_SIZE != 0 || !str_starts(rest, STR(",\"index\":")) ||
            !str_ends(rest, STR("}}")))
                return false;
        struct str number = str_slice(rest, 9, rest.len - 11);
        return (number.len == 1 || (number.len > 1 && number.ptr[0] != '0')) &&
               str_to_u64(number, ret_index);
}
