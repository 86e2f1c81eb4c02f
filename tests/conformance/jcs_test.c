/* SPDX-License-Identifier: Apache-2.0 */
/* Canonical JSON (RFC 8785): input to output, byte for byte. */
#include "base/base64.h"
#include "vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct str canonical(struct arena *arena, struct buf *buf, const char *path)
{
        buf_init(buf, 1 << 20);
        json_append_canonical(buf, vectors_read_json(arena, path));
        struct err err;
        assert_true(buf_check(buf, path, &err));
        return buf_str(buf);
}

/* "7b 22 6c …", over several lines */
static struct str read_hex(struct arena *arena, const char *path)
{
        struct str text = vectors_read(arena, path), bytes;
        char *digits = (char *)text.ptr;
        size_t count = 0;
        for (size_t i = 0; i < text.len; i++) {
                if (digits[i] != ' ' && digits[i] != '\n' && digits[i] != '\r')
                        digits[count++] = digits[i];
        }
        assert_true(hex_decode(arena, str_make(digits, count), &bytes));
        return bytes;
}

static void check_file(const char *path)
{
        ARENA_SCOPED arena;
        arena_init(&arena, 4 << 20);
        char name[256], output[512], outhex[512];
        assert_int_equal(sscanf(path, "jcs/input/%250[^.].json", name), 1);
        snprintf(output, sizeof(output), "jcs/output/%s.json", name);
        snprintf(outhex, sizeof(outhex), "jcs/outhex/%s.txt", name);
        BUF_SCOPED buf, again;
        struct str ours = canonical(&arena, &buf, path);
        if (!str_eq(ours, vectors_read(&arena, output)))
                fail_msg("%s became %.*s", path, STR_ARG(ours));
        assert_true(str_eq(ours, read_hex(&arena, outhex)));
        /* What is canonical stays as it is. */
        assert_true(str_eq(ours, canonical(&arena, &again, output)));
}

static void inputs_become_their_outputs(void **state)
{
        (void)state;
        assert_in_range(vectors_each("jcs/input", check_file), 6, 1000);
}

int main(void)
{
        vectors_require("jcs");
        const struct CMUnitTest tests[] = {cmocka_unit_test(inputs_become_their_outputs)};
        return cmocka_run_group_tests_name("jcs", tests, NULL, NULL);
}
