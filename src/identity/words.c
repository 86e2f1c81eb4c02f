/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/words.h"

#include "access/roles.h"
#include "base/buf.h"

enum { WORDS_MOST_BYTES = 16 * 1024 };

bool words_split(struct arena *arena, struct str text, const struct str **ret, size_t *ret_count)
{
        size_t most = 1;
        struct str *words;
        bool more = text.len > 0;

        for (size_t i = 0; i < text.len; i++)
                most += text.ptr[i] == ' ';
        words = ARENA_ARRAY(arena, struct str, most);
        *ret = words;
        *ret_count = 0;
        while (words && more) {
                struct str word;

                more = str_cut(&text, ' ', &word);
                if (word.len > 0)
                        words[(*ret_count)++] = word;
        }
        return words != NULL;
}

bool words_have(struct str text, struct str word)
{
        bool more = text.len > 0;

        while (more) {
                struct str head;

                more = str_cut(&text, ' ', &head);
                if (str_eq(head, word))
                        return true;
        }
        return false;
}

struct permission_set words_permissions(struct str text)
{
        struct permission_set set = {0};
        bool more = text.len > 0;

        while (more) {
                enum permission permission;
                struct str word;

                more = str_cut(&text, ' ', &word);
                if (permission_from(word, &permission))
                        permission_set_add(&set, permission);
        }
        return set;
}

struct str words_of_permissions(struct arena *arena, const struct permission_set *set)
{
        BUF_SCOPED buf;

        buf_init(&buf, WORDS_MOST_BYTES);
        for (unsigned i = 0; i < PERMISSION_COUNT; i++) {
                if (!permission_set_has(set, i))
                        continue;
                if (buf.len > 0)
                        buf_append_char(&buf, ' ');
                buf_append_c(&buf, permission_name((enum permission)i));
        }
        return arena_str(arena, buf_str(&buf));
}

bool words_check_permissions(struct arena *arena, const struct str *names, size_t count, const char *place,
                             struct str *ret, struct err *err)
{
        struct permission_set set = {0};

        for (size_t i = 0; i < count; i++) {
                enum permission permission;

                if (!permission_from(names[i], &permission))
                        return err_set_at(err, ERR_BAD_FIELD, place, "\"%.*s\" is no permission",
                                          STR_ARG(str_slice(names[i], 0, 64)));
                permission_set_add(&set, permission);
        }
        *ret = words_of_permissions(arena, &set);
        return arena_check(arena, err);
}
