/* SPDX-License-Identifier: Apache-2.0 */
/* What the keys mean, and which values hold: as Markdown, YAML and JSON. */
#include "base/json_write.h"
#include "server/config_keys.h"

static void print_range(const struct config_key *key, struct buf *buf)
{
        switch (key->type) {
        case KEY_INTEGER:
                buf_printf(buf, "%lld to %lld", (long long)key->minimum, (long long)key->maximum);
                break;
        case KEY_DURATION:
                buf_printf(buf, "a duration, %lld ms to %lld s", (long long)key->minimum,
                           (long long)(key->maximum / 1000));
                break;
        case KEY_BOOL:
                buf_append_c(buf, "true, false");
                break;
        case KEY_WORD:
                for (const char *c = key->words; *c; c++)
                        buf_append_c(buf, *c == ' ' ? ", " : (char[]){*c, '\0'});
                break;
        case KEY_TEXT:
                buf_append_c(buf, "text");
                break;
        }
}

void config_reference(struct buf *buf)
{
        buf_append_c(buf, "| key | default | values | meaning |\n|---|---|---|---|\n");
        for (size_t i = 0; i < config_key_count; i++) {
                const struct config_key *key = &config_keys[i];

                buf_printf(buf, "| `%s` | %s%s%s | ", key->name, key->standard[0] ? "`" : "", key->standard,
                           key->standard[0] ? "`" : "");
                print_range(key, buf);
                buf_printf(buf, " | %s |\n", key->summary);
        }
}

void config_reference_json(struct buf *buf)
{
        static const char *const types[] = {
                [KEY_TEXT] = "text",         [KEY_INTEGER] = "integer", [KEY_BOOL] = "boolean",
                [KEY_DURATION] = "duration", [KEY_WORD] = "word",
        };
        struct json_writer w;

        json_writer_init(&w, buf);
        json_array_begin(&w);
        for (size_t i = 0; i < config_key_count; i++) {
                BUF_SCOPED range;

                buf_init(&range, 4096);
                print_range(&config_keys[i], &range);
                json_object_begin(&w);
                json_field_c(&w, "key", config_keys[i].name);
                json_field_c(&w, "type", types[config_keys[i].type]);
                json_field_c(&w, "default", config_keys[i].standard);
                json_field_str(&w, "values", buf_str(&range));
                json_field_c(&w, "meaning", config_keys[i].summary);
                json_object_end(&w);
        }
        json_array_end(&w);
        buf_append_char(buf, '\n');
}

/* A text as it may be shown: the password in a URL (RFC 3986 section 3.2.1) is left out. */
static void append_shown(struct buf *buf, struct str text)
{
        static const struct str slashes = {"://", 3};
        ptrdiff_t at;

        while ((at = str_find_str(text, slashes)) >= 0) {
                size_t host = (size_t)at + slashes.len;
                size_t end = host;
                ptrdiff_t user_end, colon;

                while (end < text.len && text.ptr[end] != '/' && text.ptr[end] != ' ')
                        end++;
                user_end = str_find(str_slice(text, host, end - host), '@');
                colon = user_end < 0 ? -1 : str_find(str_slice(text, host, (size_t)user_end), ':');
                if (colon >= 0) {
                        buf_append_str(buf, str_slice(text, 0, host + (size_t)colon));
                        buf_append_c(buf, ":…");
                        text = str_slice(text, host + (size_t)user_end, text.len);
                } else {
                        buf_append_str(buf, str_slice(text, 0, end));
                        text = str_slice(text, end, text.len);
                }
        }
        buf_append_str(buf, text);
}

static const void *field_of(const struct config *config, const struct config_key *key)
{
        return (const char *)config + key->offset;
}

void config_print_json(const struct config *config, struct buf *buf)
{
        struct json_writer w;

        json_writer_init(&w, buf);
        json_object_begin(&w);
        for (size_t i = 0; i < config_key_count; i++) {
                const void *field = field_of(config, &config_keys[i]);
                BUF_SCOPED shown;

                buf_init(&shown, 1 << 16);
                json_key(&w, config_keys[i].name);
                switch (config_keys[i].type) {
                case KEY_BOOL:
                        json_bool(&w, *(const bool *)field);
                        break;
                case KEY_INTEGER:
                case KEY_DURATION:
                        json_int(&w, *(const int64_t *)field);
                        break;
                case KEY_TEXT:
                case KEY_WORD:
                        append_shown(&shown, *(const struct str *)field);
                        json_str(&w, buf_str(&shown));
                        break;
                }
        }
        json_object_end(&w);
        buf_append_char(buf, '\n');
}

void config_print(const struct config *config, struct buf *buf)
{
        struct str open = STR("");

        for (size_t i = 0; i < config_key_count; i++) {
                const void *field = field_of(config, &config_keys[i]);
                struct str name = str_from(config_keys[i].name);
                struct str section;

                (void)str_cut(&name, '.', &section);
                if (!str_eq(section, open))
                        buf_printf(buf, "%.*s:\n", STR_ARG(section));
                open = section;
                buf_printf(buf, "  %.*s: ", STR_ARG(name));
                if (config_keys[i].type == KEY_BOOL)
                        buf_append_c(buf, *(const bool *)field ? "true" : "false");
                else if (config_keys[i].type == KEY_INTEGER || config_keys[i].type == KEY_DURATION)
                        buf_printf(buf, "%lld%s", (long long)*(const int64_t *)field,
                                   config_keys[i].type == KEY_DURATION ? "ms" : "");
                else {
                        buf_append_char(buf, '"');
                        append_shown(buf, *(const struct str *)field);
                        buf_append_char(buf, '"');
                }
                buf_append_char(buf, '\n');
        }
}
