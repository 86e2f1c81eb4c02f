/* SPDX-License-Identifier: Apache-2.0 */
#include "vectors.h"
#include "base/base64.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { EXIT_SKIPPED = 77, FILE_MAX = 8 << 20 };

static const char *vectors_folder(void)
{
        const char *folder = getenv("COUNTERSIGN_VECTORS");
        if (!folder || !*folder)
                folder = getenv("COUNTERSIGN_VECTORS_DEFAULT");
        return folder && *folder ? folder : "../shared/vectors";
}

void vectors_require(const char *folder)
{
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", vectors_folder(), folder);
        if (access(path, R_OK) != 0) {
                printf("SKIPPED: no test vectors in %s (set COUNTERSIGN_VECTORS)\n", path);
                exit(EXIT_SKIPPED);
        }
}

struct str vectors_read(struct arena *arena, const char *path)
{
        char full[4096];
        snprintf(full, sizeof(full), "%s/%s", vectors_folder(), path);
        FILE *file = fopen(full, "rb");
        if (!file)
                fail_msg("cannot open %s", full);
        assert_int_equal(fseek(file, 0, SEEK_END), 0);
        long size = ftell(file);
        assert_in_range(size, 0, FILE_MAX);
        rewind(file);
        char *bytes = arena_alloc_bytes(arena, (size_t)size + 1);
        assert_non_null(bytes);
        assert_int_equal(fread(bytes, 1, (size_t)size, file), size);
        bytes[size] = '\0';
        fclose(file);
        return str_make(bytes, (size_t)size);
}

const struct json *vectors_read_json(struct arena *arena, const char *path)
{
        struct json *root = ARENA_NEW(arena, struct json);
        struct err err;
        assert_non_null(root);
        if (!json_parse(arena, vectors_read(arena, path), root, &err))
                fail_msg("%s: %s", path, err.message);
        return root;
}

struct str vectors_hex(struct arena *arena, const struct json *object, const char *key)
{
        struct str bytes, text = json_get_string(object, key);
        assert_non_null(text.ptr);
        assert_true(hex_decode(arena, text, &bytes));
        return bytes;
}

struct str vectors_base64(struct arena *arena, struct str text)
{
        struct str bytes;
        assert_true(base64_decode(arena, text, &bytes));
        return bytes;
}

size_t vectors_each(const char *folder, void (*fn)(const char *path))
{
        char full[4096];
        size_t count = 0;
        snprintf(full, sizeof(full), "%s/%s", vectors_folder(), folder);
        DIR *dir = opendir(full);
        assert_non_null(dir);
        for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
                char path[2048];
                struct stat st;
                if (entry->d_name[0] == '.')
                        continue;
                snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
                snprintf(full, sizeof(full), "%s/%s", vectors_folder(), path);
                assert_int_equal(stat(full, &st), 0);
                if (S_ISDIR(st.st_mode)) {
                        count += vectors_each(path, fn);
                } else {
                        fn(path);
                        count++;
                }
        }
        closedir(dir);
        return count;
}
