/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/output.h"

#include "documents/rendering.h"

#include <stdio.h>
#include <strings.h>
#include <unistd.h>

enum { COLUMNS_MAX = 10, TITLE_WIDTH = 14 };

void out_json(const struct cli_reply *reply)
{
        printf("%.*s\n", STR_ARG(reply->text));
}

void out_bytes(struct str bytes)
{
        if (bytes.len > 0) /* an empty text may have no memory, and fwrite wants some */
                (void)fwrite(bytes.ptr, 1, bytes.len, stdout);
}

static const struct json *look_up(const struct json *object, const char *key)
{
        struct str rest = str_from(key);
        struct str part;
        bool more = true;

        while (object && more) {
                more = str_cut(&rest, '.', &part);
                object = json_get_str(object, part);
        }
        return object;
}

/* "2026-11-21T02:34:42.000Z" reads better as "2026-11-21 02:34:42Z". */
static struct str time_text(struct cli *cli, struct str text)
{
        if (text.len != 24 || text.ptr[10] != 'T' || text.ptr[19] != '.' || text.ptr[23] != 'Z')
                return text;
        return arena_printf(&cli->arena, "%.10s %.8sZ", text.ptr, text.ptr + 11);
}

static struct str value_text(struct cli *cli, const struct json *value)
{
        BUF_SCOPED joined = {0};

        switch (value->type) {
        case JSON_STRING:
                return time_text(cli, rendering_visible(&cli->arena, value->string));
        case JSON_BOOL:
                return value->boolean ? STR("yes") : STR("no");
        case JSON_INT:
                return arena_printf(&cli->arena, "%lld", (long long)value->integer);
        case JSON_NULL:
                return STR("");
        default:
                break;
        }
        buf_init(&joined, 64 * 1024);
        for (uint32_t i = 0; value->type == JSON_ARRAY && i < value->count; i++) {
                buf_append_c(&joined, i > 0 ? ", " : "");
                buf_append_str(&joined, value_text(cli, &value->items[i]));
        }
        if (value->type != JSON_ARRAY)
                json_append_canonical(&joined, value);
        return arena_str(&cli->arena, buf_str(&joined));
}

struct str out_visible(struct cli *cli, struct str text)
{
        return rendering_visible(&cli->arena, text);
}

struct str out_text(struct cli *cli, const struct json *object, const char *key)
{
        const struct json *value = look_up(object, key);

        return value ? value_text(cli, value) : STR("");
}

/* Characters, not bytes: those that begin one in UTF-8. */
static unsigned width_of(struct str text)
{
        unsigned width = 0;

        for (size_t i = 0; i < text.len; i++)
                width += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
        return width;
}

static struct str cut_to(struct cli *cli, struct str text, unsigned max)
{
        size_t end = 0;
        unsigned width = 0;

        if (max == 0 || width_of(text) <= max)
                return text;
        for (; end < text.len && width < max; end++)
                width += ((unsigned char)text.ptr[end] & 0xc0) != 0x80;
        /* `end` stands behind the first byte of character number `max`, which gives way to the dots. */
        return arena_printf(&cli->arena, "%.*s…", (int)(end - 1), text.ptr);
}

static void print_padded(struct str text, unsigned width, bool last)
{
        unsigned have = width_of(text);

        printf("%.*s", STR_ARG(text));
        if (!last)
                printf("%*s", (int)(width - have) + 2, "");
}

void out_table(struct cli *cli, const struct cli_reply *reply, const struct out_column *columns,
               const char *none)
{
        const struct json *items = json_get(&reply->json, "items");
        unsigned widths[COLUMNS_MAX] = {0};
        unsigned count = 0;

        if (cli->json) {
                out_json(reply);
                return;
        }
        if (!items || items->type != JSON_ARRAY || items->count == 0) {
                printf("%s\n", none);
                return;
        }
        while (count < COLUMNS_MAX && columns[count].title) {
                widths[count] = width_of(str_from(columns[count].title));
                for (uint32_t i = 0; i < items->count; i++) {
                        struct str text = out_text(cli, &items->items[i], columns[count].key);
                        unsigned width = width_of(cut_to(cli, text, columns[count].max));

                        if (width > widths[count])
                                widths[count] = width;
                }
                count++;
        }
        for (unsigned c = 0; c < count; c++)
                print_padded(str_from(columns[c].title), widths[c], c + 1 == count);
        printf("\n");
        for (uint32_t i = 0; i < items->count; i++) {
                for (unsigned c = 0; c < count; c++) {
                        struct str text = out_text(cli, &items->items[i], columns[c].key);

                        print_padded(cut_to(cli, text, columns[c].max), widths[c], c + 1 == count);
                }
                printf("\n");
        }
}

void out_line(struct cli *cli, const char *title, struct str value)
{
        struct str visible = rendering_visible(&cli->arena, value);
        int pad = TITLE_WIDTH - (int)width_of(str_from(title));

        printf("%s%*s %.*s\n", title, pad > 0 ? pad : 0, "", STR_ARG(visible));
}

void out_fields(struct cli *cli, const struct json *object, const struct out_column *fields)
{
        for (; fields->title; fields++) {
                struct str text = out_text(cli, object, fields->key);

                if (text.len > 0)
                        out_line(cli, fields->title, text);
        }
}

void out_record(struct cli *cli, const struct cli_reply *reply, const struct out_column *fields)
{
        if (cli->json)
                out_json(reply);
        else
                out_fields(cli, &reply->json, fields);
}

void out_quarantined(struct cli *cli, const char *heading, struct str words)
{
        struct str line;
        bool more = true;

        if (words.len == 0)
                return;
        printf("%s\n", heading);
        while (more) {
                more = str_cut(&words, '\n', &line);
                line = rendering_visible(&cli->arena, line);
                printf("  | %.*s\n", STR_ARG(line));
        }
}

bool out_ask(const char *question)
{
        char answer[16];
        size_t len;

        fflush(stdout);
        if (!isatty(STDIN_FILENO)) {
                fprintf(stderr, "There is no terminal to ask on; --yes answers.\n");
                return false;
        }
        fprintf(stderr, "%s [y/N] ", question);
        if (!fgets(answer, sizeof(answer), stdin))
                return false;
        len = strcspn(answer, "\r\n");
        answer[len] = '\0';
        return strcasecmp(answer, "y") == 0 || strcasecmp(answer, "yes") == 0;
}

bool out_list(struct cli *cli, struct str path, struct str query, const struct out_column *columns,
              const char *none, struct err *err)
{
        struct cli_reply list;

        if (!cli_get_all(cli, path, query, &list, err))
                return false;
        out_table(cli, &list, columns, none);
        return true;
}

bool out_show(struct cli *cli, struct str path, const struct out_column *fields, struct err *err)
{
        struct cli_reply one;

        if (!cli_get(cli, &one, err, "%.*s", STR_ARG(path)))
                return false;
        out_record(cli, &one, fields);
        return true;
}

bool out_change(struct cli *cli, const char *method, struct str path, struct str body,
                const struct out_column *fields, struct err *err)
{
        struct cli_reply changed;

        if (!cli_request(cli, method, path, body, &changed, err))
                return false;
        out_record(cli, &changed, fields);
        return true;
}
